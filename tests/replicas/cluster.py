"""A PostgreSQL primary and streaming standbys of it, made from the installed binaries and gone at the end.

    python -m tests.replicas.cluster [how many standbys]

starts them, prints their addresses, and stops them when its standard input ends.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

PATIENCE = 30  # Seconds.
DATABASE = "postgres"
# As small and as quick as they go: what they hold is gone with them.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "shared_buffers": "64MB",
    "max_connections": "60",
    "max_wal_senders": "6",
    "wal_level": "replica",
    "hot_standby": "on",
    "wal_receiver_status_interval": "1s",
    "wal_retrieve_retry_interval": "100ms",
    "fsync": "off",
}


def binaries() -> Path | None:
    """The folder of the newest PostgreSQL server that is installed."""
    if found := shutil.which("pg_ctl"):
        return Path(found).resolve().parent
    folders = [path.parent for root in ("/usr/lib/postgresql", "/usr/local", "/opt") for path in _pg_ctls(Path(root))]
    return max(folders, key=_version, default=None)


def _pg_ctls(root: Path) -> Iterator[Path]:
    for pattern in ("bin/pg_ctl", "*/bin/pg_ctl", "*/*/bin/pg_ctl"):
        yield from root.glob(pattern)


def _version(folder: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in folder.parent.name.split(".") if part.isdigit())


def _run(*arguments: str) -> None:
    """A program of PostgreSQL's, which refuses to be root."""
    as_owner = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    # Into a file: a server that it starts would keep a pipe open.
    with tempfile.TemporaryFile("w+") as said:
        done = subprocess.run([*as_owner, *arguments], stdout=said, stderr=said, check=False, cwd="/")
        said.seek(0)
        if done.returncode:
            raise RuntimeError(f"{' '.join(arguments)} failed: {said.read()}")


@dataclass
class Node:
    """A server. `cores`: on these alone."""

    bin: Path
    folder: Path
    port: int
    cores: Sequence[int] = ()

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{DATABASE}"

    def start(self) -> None:
        given = {**SETTINGS, "port": str(self.port), "unix_socket_directories": str(self.folder)}
        options = " ".join(f"-c {name}={value}" for name, value in given.items())
        pinned = ["taskset", "-c", ",".join(map(str, self.cores))] if self.cores else []
        log = str(self.folder / "log")
        _run(*pinned, str(self.bin / "pg_ctl"), "-D", str(self.folder), "-w", "-l", log, "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        if (self.folder / "postmaster.pid").exists():
            _run(str(self.bin / "pg_ctl"), "-D", str(self.folder), "-m", mode, "stop")

    def start_again(self) -> None:
        """Unless it runs."""
        if not (self.folder / "postmaster.pid").exists():
            self.start()

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            found = connection.execute(statement.encode(), values or None)
            return found.fetchall() if found.description else []

    def ask(self, statement: str, *values: Any) -> Any:
        """The first value of the first row."""
        return self.rows(statement, *values)[0][0]

    def pause(self) -> None:
        """It stops replaying; what it shows stays as it is."""
        self.rows("SELECT pg_wal_replay_pause()")
        wait_until(lambda: self.ask("SELECT pg_get_wal_replay_pause_state()") == "paused")

    def resume(self) -> None:
        self.rows("SELECT pg_wal_replay_resume()")


@dataclass
class Cluster:
    primary: Node
    standbys: list[Node]

    def catch_up(self) -> None:
        """All standbys show what the primary shows now."""
        position = self.primary.ask("SELECT pg_current_wal_flush_lsn()::text")
        for standby in self.standbys:
            wait_until(partial(standby.ask, "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", position))

    def environment(self) -> dict[str, str]:
        urls = ",".join(standby.url for standby in self.standbys)
        return {"DATABASE_URL": self.primary.url, "DATABASE_REPLICA_URLS": urls}


def wait_until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("waited in vain")
        time.sleep(0.02)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def replicated(standbys: int = 1, *, cores: Sequence[Sequence[int]] = ()) -> Iterator[Cluster]:
    """`cores`: those of each standby."""
    found = binaries()
    if found is None:
        raise RuntimeError("No PostgreSQL server is installed.")
    with tempfile.TemporaryDirectory(prefix="training-ledger-cluster-") as name, ExitStack() as running:
        root = Path(name)
        if os.geteuid() == 0:
            shutil.chown(root, "postgres")
        primary = Node(found, root / "primary", free_port())
        _run(
            str(found / "initdb"),
            "-D",
            str(primary.folder),
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-locale",
            "-N",
        )
        running.callback(primary.stop, "immediate")
        primary.start()
        made: list[Node] = []
        for number in range(standbys):
            standby = Node(found, root / f"standby{number}", free_port(), cores[number] if cores else ())
            # -R: it streams from the primary from its start on.
            _run(str(found / "pg_basebackup"), "-D", str(standby.folder), "-RN", "-c", "fast", "-d", primary.url)
            running.callback(standby.stop, "immediate")
            standby.start()
            made.append(standby)
        cluster = Cluster(primary, made)
        wait_until(
            lambda: primary.ask("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == standbys
        )
        cluster.catch_up()
        yield cluster


def main() -> None:
    with replicated(int(sys.argv[1]) if len(sys.argv) > 1 else 1) as cluster:
        for name, value in cluster.environment().items():
            sys.stdout.write(f"{name}={value}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
