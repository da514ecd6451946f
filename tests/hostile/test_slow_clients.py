"""Slow clients at the real server, with its real configuration but for shorter patience: they are told so, in the
family's own words, and meanwhile everybody else is answered.
"""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from config.families import family_of
from tests.config.wire import PATIENCE, SHAPES, Server, read_answer, running

THREADS = 4
SLOW = 5 * THREADS  # Clients.
PATH = "/api/train_sessions"
HEAD = f"POST {PATH}/unassign HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
# What each kind has sent before it stops: nothing of it is a whole request.
BEGINNINGS = {
    "nothing": b"",
    "a line": HEAD[:20].encode(),
    "headers": f"{HEAD}X-A: b\r\n".encode(),
    "a body": f"{HEAD}Content-Length: 1000\r\n\r\n{{".encode(),
    "chunks": f"{HEAD}Transfer-Encoding: chunked\r\n\r\n5\r\n{{".encode(),
}
QUICK = 15  # Seconds, on a machine that does other things as well. Slow clients are waited for longer than that.


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("slow")) as server:
        yield server


@contextmanager
def holding(server: Server, beginning: bytes, count: int = SLOW) -> Iterator[list[socket.socket]]:
    """Clients that have begun, and send no more by themselves."""
    with ExitStack() as stack:
        clients = [stack.enter_context(server.connection()) for _ in range(count)]
        for client in clients:
            client.sendall(beginning)
        yield clients


def seconds_for(server: Server, path: str = "/healthz") -> float:
    started = time.monotonic()
    assert server.get(path).status == 200
    return time.monotonic() - started


@pytest.mark.parametrize("beginning", BEGINNINGS.values(), ids=BEGINNINGS)
def test_slow_clients_hold_nobody_up(server: Server, beginning: bytes) -> None:
    """Five times as many of them as there are threads, each sending a byte now and then."""
    with holding(server, beginning) as clients:
        for _ in range(3):
            assert seconds_for(server) < QUICK
            for client in clients if beginning else ():
                client.sendall(b"1")


@pytest.mark.parametrize("beginning", BEGINNINGS.values(), ids=BEGINNINGS)
def test_clients_that_wait_between_requests_hold_nobody_up(server: Server, beginning: bytes) -> None:
    """On connections that were kept."""
    with holding(server, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n") as clients:
        for client in clients:
            assert read_answer(client).status == 200
            client.sendall(beginning)
        assert seconds_for(server) < QUICK


def test_a_request_that_comes_slowly_is_answered_once_it_is_there(server: Server) -> None:
    request = f"{HEAD}Content-Length: 2\r\n\r\n{{}}".encode()
    with server.connection() as client:
        for position in range(0, len(request), 7):
            client.sendall(request[position : position + 7])
            time.sleep(0.002)
        assert read_answer(client).status == 401
        client.sendall(request + request + request.replace(b"1.1\r\n", b"1.1\r\nConnection: close\r\n"))
        answers = b"".join(iter(lambda: client.recv(65_536), b""))
        assert answers.count(b"HTTP/1.1 401 Unauthorized\r\n") == 3


def test_a_client_that_waits_to_be_told_to_go_on_is_told(server: Server) -> None:
    with server.connection() as client:
        client.sendall(f"{HEAD}Content-Length: 2\r\nExpect: 100-continue\r\n\r\n".encode())
        assert client.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"{}")
        assert client.recv(65_536).startswith(b"HTTP/1.1 401 Unauthorized\r\n")


def test_a_client_that_does_not_close_after_a_refusal_holds_nobody_up(server: Server) -> None:
    with holding(server, b"GET / HTTP/9.1\r\n\r\n") as clients:
        assert seconds_for(server) < QUICK
        assert {read_answer(client).status for client in clients} == {400}


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("hasty"), "-k", "tests.hostile.hasty.Worker") as server:
        yield server


def test_a_request_that_does_not_come_to_its_end_is_a_408_in_the_familys_words(hasty: Server) -> None:
    rests = ("X-A: b\r\n", "Content-Length: 9\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\n5\r\n{")
    asked = [(path, rest) for path in SHAPES if family_of(path) for rest in rests]
    text = "The request did not come to its end in time."
    with holding(hasty, b"", len(asked)) as clients:
        for client, (path, rest) in zip(clients, asked, strict=True):
            client.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{rest}".encode())
        answers = [read_answer(client) for client in clients]
    assert [(one.status, one.headers["Connection"], json.loads(one.body)) for one in answers] == [
        (408, "close", SHAPES[path](text, "request_timeout", one.headers["X-Request-Id"]))
        for one, (path, _) in zip(answers, asked, strict=True)
    ]


def test_a_byte_now_and_then_wins_no_time(hasty: Server) -> None:
    started = time.monotonic()
    with hasty.connection() as client:
        client.setblocking(False)
        told = b""
        while not told:
            assert time.monotonic() - started < PATIENCE
            with suppress(BlockingIOError):
                told = client.recv(65_536)
            with suppress(OSError):
                client.send(b"G")
            time.sleep(0.05)
    assert told.startswith(b"HTTP/1.1 408 Request Timeout\r\n")


def test_a_client_that_says_nothing_is_told_nothing(hasty: Server) -> None:
    with hasty.connection() as client:
        assert client.recv(65_536) == b""


def test_the_last_places_are_given_to_whoever_comes(tmp_path: Path) -> None:
    with running(tmp_path, "--worker-connections", "20") as server, holding(server, b"GET", 60):
        assert seconds_for(server) < QUICK
        assert server.log.count("Booting worker") == 1
