"""The servers that are compared: each a production server with one worker, all of them on one core; clients on others."""

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from socket import create_server

from tests.benchmarks.client import Client
from tests.benchmarks.ledger import MAIN

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60  # Seconds.
APPLICATIONS = {
    "ours": "config.wsgi:application",
    "stock": "tests.benchmarks.stock.wsgi:application",
    "bare": "tests.benchmarks.bare:application",
}
SMALL = "/api/train_sessions?status_eq=Failed&complete_by_eq=2001-01-01&per_page=10&page=1"  # No rows.
MEGABYTE = 1024 * 1024


def cores() -> tuple[set[int], set[int]]:
    """The server's, and those of its clients. With one core alone they share it."""
    every = sorted(ALL)
    return ({every[0]}, set(every[1:])) if len(every) > 1 else (set(every), set(every))


ALL = os.sched_getaffinity(0)


def pin_client() -> None:
    os.sched_setaffinity(0, cores()[1])


@dataclass(frozen=True)
class Server:
    name: str
    process: "subprocess.Popen[bytes]"
    port: int

    def client(self, organization: int = MAIN) -> Client:
        return Client(self.port, organization)

    @property
    def worker(self) -> int:
        """Its process id."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text(encoding="ascii")
        return int(children.split()[0])

    def forget_peak(self) -> float:
        """The worker's memory now, in MB; `peak` counts from here."""
        Path(f"/proc/{self.worker}/clear_refs").write_text("5", encoding="ascii")
        return self._memory("VmRSS")

    def peak(self) -> float:
        return self._memory("VmHWM")

    def _memory(self, name: str) -> float:
        lines = Path(f"/proc/{self.worker}/status").read_text(encoding="ascii").splitlines()
        return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1]) * 1024 / MEGABYTE


def environment(folder: Path, url: str, port: int) -> dict[str, str]:
    """Nothing of the surrounding one but what Python needs; no rate limits, all else as it is by default."""
    limits = ("TRAIN_SESSIONS", "ASSIGNMENTS_READ", "ASSIGNMENTS_WRITE", "PROGRAMS", "TRAINING")
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "DATA_DIR": str(folder),
        "DATABASE_URL": url,
        "BIND": f"127.0.0.1:{port}",
        **{f"RATE_LIMIT_{name}": "" for name in limits},
    }


def free_port() -> int:
    with create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(name: str, folder: Path, url: str) -> Iterator[Server]:
    """The server, from its first answer on."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", APPLICATIONS[name]]
    with (
        (folder / f"{name}.log").open("ab") as log,
        subprocess.Popen(command, cwd=ROOT, env=environment(folder, url, port), stdout=log, stderr=log) as process,
    ):
        os.sched_setaffinity(process.pid, cores()[0])
        try:
            server = Server(name, process, port)
            wait(server)
            yield server
        finally:
            process.terminate()
            process.wait(PATIENCE)


def wait(server: Server) -> None:
    """Until it answers. Raises RuntimeError where it never does."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and server.process.poll() is None:
        with suppress(ConnectionError), server.client() as client:
            client.get(SMALL)
            return
        time.sleep(0.002)
    raise RuntimeError(f"The server {server.name} did not start.")


@contextmanager
def all_running(folder: Path, url: str, names: Iterable[str] = APPLICATIONS) -> Iterator[dict[str, Server]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(running(name, folder, url)) for name in names}


def seconds_to_start(folder: Path, url: str) -> float:
    """From the start of the process to the first answer."""
    started = time.perf_counter()
    with running("ours", folder, url):
        return time.perf_counter() - started
