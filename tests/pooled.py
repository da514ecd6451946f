"""The tests on PostgreSQL with PgBouncer in between, in transaction mode.

    DATABASE_URL=postgresql://postgres@127.0.0.1:5432/NAME python -m tests.pooled [what pytest takes]

Each transaction goes to the next of several server connections: what was said to one of them outside a transaction is
not known to the one that is asked next, as in production.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

import psycopg

PATIENCE = 10  # Seconds.
# Twenty server connections for all threads of a race: fewer than there are of those.
CONFIGURATION = """
[databases]
* = host={host} port={port} user={user}{password}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen_port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
server_round_robin = 1
min_pool_size = 4
default_pool_size = 20
max_client_conn = 500
server_idle_timeout = 5
log_connections = 0
log_disconnections = 0
"""


@contextmanager
def pooler(server: SplitResult) -> Iterator[SplitResult]:
    """The same address by way of a PgBouncer, which is stopped at the end."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        sys.exit("PgBouncer is not installed: apt-get install pgbouncer")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="training-ledger-pooler-") as folder:
        file = Path(folder, "pgbouncer.ini")
        file.write_text(
            CONFIGURATION.format(
                host=server.hostname,
                port=server.port or 5432,
                user=unquote(server.username or "postgres"),
                password=f" password={unquote(server.password)}" if server.password else "",
                listen_port=port,
            ),
            encoding="utf-8",
        )
        # It refuses to be root. The file, which may hold a password, is read before it becomes somebody else.
        as_somebody_else = ["-u", "nobody"] if os.geteuid() == 0 else []
        with (
            Path(folder, "log").open("w+", encoding="utf-8") as log,
            subprocess.Popen([program, *as_somebody_else, str(file)], stdout=log, stderr=log) as process,
        ):
            try:
                wait_for(port, process)
                yield server._replace(netloc=f"{server.username or 'postgres'}@127.0.0.1:{port}")
            finally:
                process.terminate()
                process.wait(PATIENCE)
                log.seek(0)
                sys.stderr.write("".join(line for line in log if "ERROR" in line or "FATAL" in line))


def wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("PgBouncer did not start.")


def main() -> int:
    server = urlsplit(os.environ.get("DATABASE_URL", ""))
    if not server.scheme.startswith("postgres"):
        sys.exit("Give the address of a PostgreSQL server as DATABASE_URL.")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # What was started is stopped.
    # A name of its own: the pooler may still hold connections to a database when the tests would drop it.
    name = f"ledger_pooled_{secrets.token_hex(4)}"
    with pooler(server) as between:
        address = between._replace(path=f"/{name}").geturl()
        try:
            done = subprocess.run(
                [sys.executable, "-m", "pytest", "--create-db", "--reuse-db", *sys.argv[1:]],
                env={**os.environ, "DATABASE_URL": address, "DATABASE_POOLER": "transaction"},
                check=False,
            )
        finally:
            with psycopg.connect(server._replace(path="/postgres").geturl(), autocommit=True) as admin:
                admin.execute(f"DROP DATABASE IF EXISTS test_{name} WITH (FORCE)".encode())
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
