"""A Redis of the proof's own, which can be killed, and the log of what it is asked."""

import multiprocessing
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.benchmarks.servers import free_port

FORK = multiprocessing.get_context("fork")
END = b"the end of the log"
PATIENCE = 30  # Seconds.


class Redis:
    """Raises RuntimeError where it is not installed, or does not start."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.start()

    def start(self) -> None:
        """From its first answer on."""
        program = shutil.which("redis-server")
        if program is None:
            raise RuntimeError("redis-server is not installed.")
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder)]
        self.process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + PATIENCE
        while not self.answers():
            if time.monotonic() > deadline:
                raise RuntimeError("Redis does not start.")
            time.sleep(0.01)

    def answers(self) -> bool:
        with socket.socket() as connection:
            return connection.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        """As `kill -9` does."""
        self.process.kill()
        self.process.wait()


@contextmanager
def own_redis(folder: Path) -> Iterator[Redis]:
    redis = Redis(folder)
    try:
        yield redis
    finally:
        redis.kill()


@contextmanager
def logged(redis: Redis, log: Path) -> Iterator[None]:
    """Everything that Redis does meanwhile is in the log, in its order, by its clock. Raises RuntimeError."""
    ready = FORK.Event()
    process = FORK.Process(target=keep, args=(redis.port, log, ready), daemon=True)
    process.start()
    if not ready.wait(PATIENCE):
        raise RuntimeError("Redis does not say what it is asked.")
    yield
    with socket.create_connection(("127.0.0.1", redis.port)) as connection:
        connection.sendall(b'ECHO "' + END + b'"\r\n')
        connection.recv(len(END))
    process.join(PATIENCE)
    if process.exitcode != 0:
        raise RuntimeError("The log has no end.")


def keep(port: int, log: Path, ready: Any) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection, log.open("wb") as out:
        connection.sendall(b"MONITOR\r\n")
        lines = connection.makefile("rb")
        lines.readline()
        ready.set()
        for line in lines:
            if END in line:
                return
            out.write(line)
    raise RuntimeError("Redis has gone.")
