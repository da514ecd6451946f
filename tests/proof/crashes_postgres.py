"""A PostgreSQL server that is killed: every process of it is a child of its postmaster, which is a child of this one."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import psycopg

from tests.proof.crashes_processes import await_, children, gone, kill, lasting_port
from tests.replicas.cluster import binaries

PATIENCE = 60  # Seconds, for a recovery on a machine that does other work too.
# Small; and synced as a server is by default, for what is claimed is claimed of that.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "shared_buffers": "64MB",
    "max_connections": "80",
    "fsync": "on",
    "synchronous_commit": "on",
}


@dataclass
class Postgres:
    bin: Path
    folder: Path
    port: int
    settings: Mapping[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def start(self, settings: Mapping[str, str] | None = None) -> None:
        """Until it answers: what it has to recover is then recovered. `settings`: from this start on."""
        self.settings = self.settings if settings is None else settings
        # What is left of a killed one: its process id may be another process's by now.
        (self.folder / "postmaster.pid").unlink(missing_ok=True)
        given = {**SETTINGS, **self.settings, "port": str(self.port), "unix_socket_directories": str(self.folder)}
        options = [part for name, value in given.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.bin / "postgres", "-D", self.folder, *options], stdout=log, stderr=log, cwd="/", **owner()
            )
        await_(self.answers, PATIENCE)

    def answers(self) -> bool:
        if self.process is None or self.process.poll() is not None:
            raise RuntimeError(f"PostgreSQL did not start: {(self.folder / 'log').read_text()[-2000:]}")
        with suppress(psycopg.OperationalError), psycopg.connect(self.url(), connect_timeout=2) as connection:
            connection.execute("SELECT 1")
            return True
        return False

    def stop(self) -> None:
        """As an operator does, with everything written."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.kill_all()

    def kill_postmaster(self) -> None:
        """It alone. The others notice, sooner or later; as long as one of them lives, no new server may start."""
        assert self.process is not None
        others = children(self.process.pid)
        kill(self.process.pid)
        self.process.wait(PATIENCE)
        deadline = time.monotonic() + 2
        while not all(map(gone, others)) and time.monotonic() < deadline:
            time.sleep(0.02)
        for pid in others:
            kill(pid)
        await_(lambda: all(map(gone, others)), PATIENCE)

    def kill_all(self) -> None:
        """Every process of it at once, as where a container is killed: what is in its memory alone is lost."""
        if self.process is None:
            return
        # Stopped first, so that it starts none while they are killed.
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGSTOP)
        others = children(self.process.pid)
        for pid in [*others, self.process.pid]:
            kill(pid)
        self.process.wait(PATIENCE)
        await_(lambda: all(map(gone, others)), PATIENCE)

    def kill_backend(self, random: Random) -> bool:
        """One that serves a client. The postmaster then ends all others, and recovers. False: there is none now."""
        others = "SELECT pid FROM pg_stat_activity WHERE backend_type = %s AND pid <> pg_backend_pid() ORDER BY pid"
        try:
            found = [pid for (pid,) in self.rows("postgres", others, "client backend")]
        except psycopg.OperationalError:
            return False  # It recovers from the last one.
        return bool(found) and kill(random.choice(found))

    def rows(self, database: str, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute("SET TIME ZONE 'UTC'")
            found = connection.execute(statement.encode(), values or None)
            return found.fetchall() if found.description else []

    def copy(self, database: str, new: str) -> str:
        """The address of a copy of a database to which nobody is connected."""
        self.rows("postgres", f"CREATE DATABASE {new} TEMPLATE {database}")
        return self.url(new)

    def quiet(self, database: str) -> bool:
        """Nobody is in a transaction there."""
        busy = "SELECT 1 FROM pg_stat_activity WHERE datname = %s AND state <> 'idle' AND pid <> pg_backend_pid()"
        return not self.rows("postgres", busy, database)


def owner() -> dict[str, Any]:
    """PostgreSQL refuses to be root."""
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}


@contextmanager
def cluster() -> Iterator[Postgres]:
    """A new one, not started; nothing of it is left at the end."""
    found = binaries()
    if found is None:
        raise RuntimeError("No PostgreSQL server is installed.")
    with tempfile.TemporaryDirectory(prefix="training-ledger-crashes-") as name:
        if os.geteuid() == 0:
            shutil.chown(name, "postgres")
        folder = Path(name) / "data"
        given = ["-D", str(folder), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "-N"]
        subprocess.run([found / "initdb", *given], check=True, stdout=subprocess.DEVNULL, cwd="/", **owner())
        server = Postgres(found, folder, lasting_port())
        try:
            yield server
        finally:
            server.stop()  # Which gives back the shared memory that a kill leaves.
