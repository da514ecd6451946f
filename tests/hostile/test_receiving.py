"""Where a request ends is found whatever pieces it comes in, and what cannot end is handed over at once."""

import random
import socket
from collections.abc import Iterator

import pytest

from config import receiving
from config.receiving import Incoming

Pair = tuple[socket.socket, Incoming]


@pytest.fixture
def pair() -> Iterator[Pair]:
    client, server = socket.socketpair()
    server.setblocking(False)
    incoming = Incoming(server)
    yield client, incoming
    incoming.close()
    client.close()
    server.close()


def head(*lines: str) -> bytes:
    return "\r\n".join(["POST /x HTTP/1.1", "Host: localhost", *lines, "", ""]).encode()


WHOLE = {
    "no body": head(),
    "a length of nothing": head("Content-Length: 0"),
    "a length": head("content-length:  11 ") + b"hello\r\n\r\n12",
    "chunks": head("Transfer-Encoding: chunked") + b"5\r\nhello\r\n3;a=b\r\n\r\n0\r\n0\r\n\r\n",
    "chunks and trailers": head("Transfer-Encoding: Chunked") + b"A \r\n0123456789\r\n00\r\nA: b\r\nC: d\r\n\r\n",
    "an empty line before": b"\r\n" + head("Content-Length: 2") + b"ab",
}
BEHIND = b"GET /next HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize("sent", WHOLE.values(), ids=WHOLE)
def test_a_request_is_whole_at_its_last_byte_and_no_earlier(pair: Pair, sent: bytes) -> None:
    client, incoming = pair
    chance = random.Random(7)
    for _ in range(60):
        incoming.begin(b"")
        rest = sent
        while rest:
            assert not incoming.whole
            size = chance.choice([1, 1, 2, 3, 7, len(rest)])
            client.sendall(rest[:size])
            assert incoming.receive()
            rest = rest[size:]
        assert incoming.whole
        assert incoming.rest() == sent


def test_what_comes_behind_a_request_is_the_beginning_of_the_next(pair: Pair) -> None:
    client, incoming = pair
    client.sendall(WHOLE["chunks"] + BEHIND)
    assert incoming.receive()
    assert incoming.whole
    assert incoming.read(len(WHOLE["chunks"])) == WHOLE["chunks"]
    incoming.begin(incoming.rest())
    assert (incoming.whole, incoming.rest()) == (True, BEHIND)


HOPELESS = {
    "a line feed alone": b"GET / HTTP/1.1\nHost: localhost\n",
    "a line without end": b"GET /" + b"a" * receiving.MAX_REQUEST_LINE,
    "headers without end": b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200_000,
    "two lengths": head("Content-Length: 5", "Content-Length: 6"),
    "a length and chunks": head("Content-Length: 5", "Transfer-Encoding: chunked"),
    "a length that is none": head("Content-Length: -5"),
    "another coding": head("Transfer-Encoding: gzip, chunked"),
    "a chunk that is none": head("Transfer-Encoding: chunked") + b"x\r\n",
    "a size line without end": head("Transfer-Encoding: chunked") + b"1;" + b"a" * 10_000,
}


@pytest.mark.parametrize("sent", HOPELESS.values(), ids=HOPELESS)
def test_what_the_parser_will_refuse_is_not_waited_for(pair: Pair, sent: bytes) -> None:
    client, incoming = pair
    for start in range(0, len(sent), 60_000):
        if not incoming.whole:
            client.sendall(sent[start : start + 60_000])
            assert incoming.receive()
    assert (incoming.whole, incoming.too_large) == (True, False)


@pytest.mark.parametrize(
    ("sent", "too_large"),
    [
        (head(f"Content-Length: {receiving.MAX_BODY}"), False),
        (head(f"Content-Length: {receiving.MAX_BODY + 1}"), True),
        (head("Content-Length: 999999999999999999"), True),
    ],
)
def test_a_body_too_large_is_refused_by_its_length(pair: Pair, sent: bytes, too_large: bool) -> None:  # noqa: FBT001 - a column
    client, incoming = pair
    client.sendall(sent)
    assert incoming.receive()
    assert (incoming.whole, incoming.too_large) == (too_large, too_large)


def test_a_chunked_body_too_large_is_refused_once_it_is(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "MAX_BODY", 10)
    client, incoming = pair
    client.sendall(head("Transfer-Encoding: chunked") + b"f\r\n")
    assert incoming.receive()
    assert not incoming.whole
    client.sendall(b"12345678")
    assert incoming.receive()
    assert (incoming.whole, incoming.too_large) == (True, True)


def test_a_client_that_waits_to_be_told_to_go_on_is_told_once(pair: Pair) -> None:
    client, incoming = pair
    client.sendall(head("Content-Length: 2", "Expect: 100-Continue"))
    assert incoming.receive()
    assert (incoming.whole, incoming.continued) == (False, True)
    assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.sendall(b"ab")
    assert incoming.receive()
    assert incoming.whole


def test_a_client_that_has_gone_is_noticed(pair: Pair) -> None:
    client, incoming = pair
    assert incoming.receive()
    client.close()
    assert not incoming.receive()
