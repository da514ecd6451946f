"""The production server as a process of its own, and requests written byte by byte."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 30  # Seconds.

# What each family answers, by a path of it: of a sentence, its code and the request id.
Shape = Callable[[str, str, str], dict[str, Any]]
SHAPES: dict[str, Shape] = {
    "/api/train_sessions": lambda text, _code, _request_id: {"errors": [text]},
    "/training-assignments": lambda text, _code, request_id: {"message": text, "requestId": request_id},
    "/api/v1/programs": lambda text, code, _request_id: {"error": code, "description": text},
    "/api/v1/training": lambda text, _code, _request_id: {"success": False, "message": text},
}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Server:
    process: "subprocess.Popen[bytes]"
    port: int
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    @contextmanager
    def connection(self) -> Iterator[socket.socket]:
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as connection:
            yield connection

    def exchange(self, request: bytes) -> Answer:
        """Send all of it, as clients do, and only then read. Raises OSError where the server broke the connection."""
        with self.connection() as connection:
            connection.sendall(request)
            return read_answer(connection, request.split(b" ", 1)[0].decode("latin-1"))

    def get(self, path: str) -> Answer:
        return self.exchange(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


def read_answer(connection: socket.socket, method: str = "GET") -> Answer:
    with HTTPResponse(connection, method=method) as response:
        response.begin()
        return Answer(response.status, dict(response.getheaders()), response.read())


def environment(folder: Path, **changes: str) -> dict[str, str]:
    """Nothing of the surrounding one but what Python needs; all files below the folder."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "XDG_RUNTIME_DIR": str(folder),
        "DATA_DIR": str(folder / "data"),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        **changes,
    }


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-W", "ignore", "-m", "gunicorn", "-c", "config/gunicorn.py", *arguments]


@contextmanager
def running(folder: Path, *arguments: str, **changes: str) -> Iterator[Server]:
    """The server, listening. Stopped at the end, if it did not stop before."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    log_file = folder / f"log-{port}"
    with (
        log_file.open("wb") as log,
        subprocess.Popen(
            command(*arguments),
            cwd=ROOT,
            env=environment(folder, BIND=f"127.0.0.1:{port}", **changes),
            stdout=log,
            stderr=log,
        ) as process,
    ):
        try:
            server = Server(process, port, log_file)
            wait_until(lambda: answers(server) or process.poll() is not None)
            assert process.poll() is None, server.log
            yield server
        finally:
            end(process)


def answers(server: Server) -> bool:
    try:
        with server.connection():
            return True
    except ConnectionRefusedError:
        return False


def end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
