"""One HTTP client with one connection that stays open, and what it measures. Imports nothing of Django's."""

import hashlib
import json
import multiprocessing
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from time import perf_counter
from types import TracebackType
from typing import Any, Self

from tests.benchmarks.ledger import secret

PATIENCE = 600  # Seconds: the peer's longest list.
BLOCK = 1 << 18
IDLE = 30  # Seconds after which a connection is made anew: the server closes one that is silent for long.


@dataclass(frozen=True)
class Streamed:
    seconds: float
    first_byte: float
    length: int
    digest: str


class Client:
    def __init__(self, port: int, organization: int) -> None:
        self.connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        # `Organization` is for the peer that checks no token.
        self.used = perf_counter()
        self.headers = {"Authorization": f"Bearer {secret(organization)}", "Organization": str(organization)}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.connection.close()

    def asked(self, path: str) -> HTTPResponse:
        """Raises RuntimeError for an answer that is none of rows."""
        if perf_counter() - self.used > IDLE:
            self.connection.close()
        self.connection.request("GET", path, headers=self.headers)
        response = self.connection.getresponse()
        self.used = perf_counter()
        if response.status != 200:
            raise RuntimeError(f"{path} answered {response.status}: {response.read()[:500]!r}")
        return response

    def get(self, path: str) -> bytes:
        return self.asked(path).read()

    def json(self, path: str) -> Any:
        return json.loads(self.get(path))

    def seconds(self, path: str) -> float:
        started = perf_counter()
        self.get(path)
        return perf_counter() - started

    def stream(self, path: str, *, digest: bool = False) -> Streamed:
        """Read all, and keep nothing of it."""
        hashed, length = hashlib.sha256(), 0
        started = perf_counter()
        response = self.asked(path)
        block = response.read1(BLOCK)
        first_byte = perf_counter() - started
        while block:
            length += len(block)
            if digest:
                hashed.update(block)
            block = response.read1(BLOCK)
        seconds = perf_counter() - started
        response.read()  # Its end, which makes the connection free for the next.
        return Streamed(seconds, first_byte, length, hashed.hexdigest())

    def post(self, path: str, body: Mapping[str, Any]) -> int:
        """The status."""
        headers = {**self.headers, "Content-Type": "application/json"}
        self.connection.request("POST", path, body=json.dumps(body), headers=headers)
        response = self.connection.getresponse()
        response.read()
        return response.status


def _read_for_ever(port: int, organization: int, path: str, cores: set[int]) -> None:
    os.sched_setaffinity(0, cores)
    with Client(port, organization) as client:
        while True:
            client.stream(path)


@contextmanager
def another_reading(port: int, organization: int, path: str, cores: set[int]) -> Iterator[None]:
    """A client in a process of its own, that reads a list again and again."""
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_read_for_ever, args=(port, organization, path, cores), daemon=True)
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join()
