"""Processes: children that must not fail, and such as are killed."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Child:
    """A module of the proof that runs as a process of its own, and where it writes what it has to say."""

    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def over(self) -> bool:
        return self.process.poll() is not None

    def end(self, seconds: float) -> None:
        """Waits for it. Raises RuntimeError with what it said, if it has failed; TimeoutExpired."""
        if self.process.wait(seconds):
            raise RuntimeError(self.log.read_text()[-2000:])


@contextmanager
def child(folder: Path, module: str, *arguments: str) -> Iterator[Child]:
    """`python -m tests.proof.MODULE FOLDER ARGUMENTS`; gone at the end."""
    log = folder / f"{'-'.join([module, *arguments])}.log"
    command = [sys.executable, "-m", f"tests.proof.{module}", str(folder), *arguments]
    with log.open("wb") as file, subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=file) as process:
        try:
            yield Child(process, log)
        finally:
            process.kill()


def children(pid: int) -> list[int]:
    """The process ids of a process's children now, whichever of its threads has started them."""
    found: list[int] = []
    for of_thread in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):
            found += map(int, of_thread.read_text(encoding="ascii").split())
    return found


def descendants(pid: int) -> list[int]:
    """Of a process that lives, as deep as they go."""
    return [one for child in children(pid) for one in (child, *descendants(child))]


def kill(pid: int) -> bool:
    """`kill -9`. Whether there was such a process."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def gone(pid: int) -> bool:
    """It does not run; that nobody has asked how it ended does not matter."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


def lasting_port() -> int:
    """A free one below those that the system gives to outgoing connections: one of these could take it while its server
    is down.
    """
    while True:
        with suppress(OSError), socket.create_server(("127.0.0.1", random.randrange(20_000, 32_000))) as probe:
            port: int = probe.getsockname()[1]
            return port


def await_(condition: Callable[[], bool], seconds: float) -> None:
    """Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited in vain for {seconds:g} s")
        time.sleep(0.02)
