import json
import subprocess
import sys
from collections.abc import Iterator
from http.client import IncompleteRead
from pathlib import Path
from signal import SIGTERM, SIGTTIN
from typing import Any

import pytest

from accounts.api.errors import CODES
from config.families import FAMILIES, family_of
from tests.config.wire import (
    PATIENCE,
    ROOT,
    SHAPES,
    Answer,
    Server,
    command,
    environment,
    read_answer,
    running,
    wait_until,
)

PATHS = [path for path in SHAPES if family_of(path)]
EVERYWHERE = pytest.mark.parametrize("path", PATHS)
REQUEST_ID = "caller-1"

MAKE_A_TOKEN = """
import django
django.setup()
from django.core.management import call_command
from accounts.actors import Actor
from accounts.scopes import Scope
from accounts.services.people import create_organization
from accounts.services.tokens import create_token
call_command("migrate", verbosity=0)
organization = create_organization(actor=Actor.system(), name="Acme", slug="acme")
_, secret = create_token(organization=organization, actor=Actor.system(), name="tests", scopes=Scope.values)
print(secret)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def token(folder: Path) -> str:
    made = subprocess.run(
        [sys.executable, "-c", MAKE_A_TOKEN], cwd=ROOT, env=environment(folder), capture_output=True, check=True
    )
    return made.stdout.decode().strip()


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with running(folder) as server:
        yield server


@pytest.fixture(scope="module")
def failing(folder: Path) -> Iterator[Server]:
    with running(folder, "tests.config.failing:application") as server:
        yield server


def assert_speaks(answer: Answer, path: str, status: int, text: str) -> None:
    """The family's own body, whole, and an id to ask about."""
    request_id = answer.headers["X-Request-Id"]
    code = CODES.get(status, "internal_error")
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/json")
    assert json.loads(answer.body) == SHAPES[path](text, code, request_id)


def test_every_family_has_a_shape_here() -> None:
    assert sorted(family_of(path).family for path in PATHS) == sorted(dialect.family for dialect in FAMILIES)  # type: ignore[union-attr]


REFUSED_WORKERS = (
    "Error: More than one worker needs REDIS_URL: without it each worker counts its own requests, and no rate limit "
    "is exact. Set REDIS_URL, or use one worker with more THREADS."
)
# Each is what follows the method and path, which a family's path is put between.
REFUSED: dict[str, tuple[bytes, bytes, int, str]] = {
    "no version": (b"GET ", b"\r\n\r\n", 400, "The request line is not valid."),
    "bare LF": (b"GET ", b" HTTP/1.1\nHost: localhost\n\n", 400, "The request line is not valid."),
    "raw bytes in the path": (b"GET ", b"/\xe9 HTTP/1.1\r\n\r\n", 400, "The request line is not valid."),
    "lower-case method": (b"get ", b" HTTP/1.1\r\n\r\n", 400, "The method is not valid."),
    "unknown version": (b"GET ", b" HTTP/9.1\r\n\r\n", 400, "The version of HTTP is not supported."),
    "whole address": (b"GET http://localhost", b" HTTP/9.1\r\n\r\n", 400, "The version of HTTP is not supported."),
    "header name": (b"GET ", b" HTTP/1.1\r\nBad Name: x\r\n\r\n", 400, "A header is not valid."),
    "header without colon": (b"GET ", b" HTTP/1.1\r\nnonsense\r\n\r\n", 400, "A header is not valid."),
    "folded header": (b"GET ", b" HTTP/1.1\r\nA: b\r\n c\r\n\r\n", 400, "A header is not valid."),
    "NUL in a header": (b"GET ", b" HTTP/1.1\r\nA: \0\r\n\r\n", 400, "A header is not valid."),
    "two hosts": (b"GET ", b" HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "A header is not valid."),
    "length no number": (b"POST ", b" HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400, "A header is not valid."),
    "two lengths": (
        b"POST ",
        b" HTTP/1.1\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
        "A header is not valid.",
    ),
    "transfer coding": (
        b"POST ",
        b" HTTP/1.1\r\nTransfer-Encoding: snappy\r\n\r\n",
        501,
        "The transfer coding is not supported. Send the body plain or chunked.",
    ),
    "chunk size": (
        b"POST ",
        b" HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        400,
        "The chunked body is not valid.",
    ),
    "chunk end": (
        b"POST ",
        b" HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
        400,
        "The chunked body is not valid.",
    ),
    "expectation": (
        b"GET ",
        b" HTTP/1.1\r\nExpect: coffee\r\n\r\n",
        417,
        "The expectation in the Expect header cannot be met.",
    ),
    "long header": (
        b"GET ",
        b" HTTP/1.1\r\nA: " + b"a" * 9000 + b"\r\n\r\n",
        431,
        "The headers are too many or too long.",
    ),
    "many headers": (
        b"GET ",
        b" HTTP/1.1\r\n" + b"A: b\r\n" * 101 + b"\r\n",
        431,
        "The headers are too many or too long.",
    ),
    "endless headers": (
        b"GET ",
        b" HTTP/1.1\r\n" + b"A: b\r\n" * 200_000,
        431,
        "The headers are too many or too long.",
    ),
    "long line": (b"GET ", b"?a=" + b"a" * 140_000 + b" HTTP/1.1\r\n\r\n", 414, "The request line is too long."),
    "endless line": (b"GET ", b"?a=" + b"a" * 1_000_000, 414, "The request line is too long."),
}


@EVERYWHERE
@pytest.mark.parametrize("case", REFUSED)
def test_what_the_server_refuses_is_said_in_the_familys_words(server: Server, path: str, case: str) -> None:
    before, after, status, text = REFUSED[case]
    answer = server.exchange(before + path.encode() + after)
    assert_speaks(answer, path, status, text)
    assert answer.headers["Connection"] == "close"


@pytest.mark.parametrize(
    ("request_line", "text"),
    [
        (b"nonsense", b"The request line is not valid.\n"),
        (b"GET /api/train_sessions_of_another_kind HTTP/9.1", b"The version of HTTP is not supported.\n"),
        (b"GET / HTTP/9.1", b"The version of HTTP is not supported.\n"),
    ],
)
def test_what_the_server_refuses_outside_the_families_is_plain_text(
    server: Server, request_line: bytes, text: bytes
) -> None:
    answer = server.exchange(request_line + b"\r\n\r\n")
    assert (answer.status, answer.headers["Content-Type"], answer.body) == (400, "text/plain; charset=utf-8", text)


def test_an_encoded_path_belongs_to_its_family_as_well(server: Server) -> None:
    answer = server.exchange(b"GET /api/%74rain_sessions/1 HTTP/9.1\r\n\r\n")
    assert_speaks(answer, "/api/train_sessions", 400, "The version of HTTP is not supported.")


def test_a_refused_head_request_gets_no_body(server: Server) -> None:
    with server.connection() as connection:
        connection.sendall(b"HEAD /api/train_sessions HTTP/1.1\r\nExpect: coffee\r\n\r\n")
        raw = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert raw.startswith(b"HTTP/1.1 417 Expectation Failed\r\n")
    assert raw.partition(b"\r\n\r\n")[2] == b""


def test_a_refused_request_keeps_the_callers_id_where_it_could_be_read(server: Server) -> None:
    request = b"POST /api/train_sessions HTTP/1.1\r\nX-Request-Id: caller-1\r\nContent-Length: x\r\n\r\n"
    assert server.exchange(request).headers["X-Request-Id"] == REQUEST_ID


def test_a_refused_request_leaves_no_secret_in_the_log(server: Server) -> None:
    server.exchange(b"GET /api/train_sessions?apiKey=geheim1 HTTP/9.1\r\n\r\n")
    server.exchange(b"GET /api/train_sessions?apiKey=geheim2\r\n\r\n")
    server.exchange(b"GET /api/train_sessions HTTP/1.1\r\nAuthorization Bearer geheim3\r\n\r\n")
    lines = [line for line in server.log.splitlines() if "/api/train_sessions?apiKey=[redacted] refused" in line]
    assert len(lines) == 2
    assert "geheim" not in server.log


@EVERYWHERE
def test_an_unknown_route_is_named_without_its_query(server: Server, path: str) -> None:
    answer = server.get(f"{path}/no/such?apiKey=geheim")
    assert_speaks(answer, path, 404, f"There is no such route: {path}/no/such")


@EVERYWHERE
def test_a_foreign_host_is_refused(server: Server, path: str) -> None:
    answer = server.exchange(b"GET " + path.encode() + b" HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n")
    assert_speaks(answer, path, 400, "The Host header names no host that is served here.")


@EVERYWHERE
def test_a_target_over_the_limit_is_a_414(server: Server, path: str) -> None:
    text = "The address is too long. At most 65536 bytes of path and query are read."
    assert_speaks(server.get(path + "?" + "a" * (65_536 - len(path))), path, 414, text)


def test_a_target_at_the_limit_is_read(server: Server) -> None:
    path = "/api/train_sessions/no/such"
    answer = server.get(path + "?" + "a" * (65_535 - len(path)))
    assert_speaks(answer, "/api/train_sessions", 404, f"There is no such route: {path}")


def test_a_long_target_outside_the_families_is_a_414_as_well(server: Server) -> None:
    answer = server.get("/?" + "a" * 65_536)
    text = b"The address is too long. At most 65536 bytes of path and query are read.\n"
    assert (answer.status, answer.headers["Content-Type"], answer.body) == (414, "text/plain; charset=utf-8", text)


def post(token: str, headers: bytes, body: bytes) -> bytes:
    return b"".join(
        (
            b"POST /api/v1/training/employees HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n",
            f"Authorization: Bearer {token}\r\n".encode(),
            headers,
            b"\r\n",
            body,
        )
    )


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%X\r\n%s\r\n" % (len(piece), piece) for piece in (*pieces, b""))


def test_a_chunked_body_arrives_whole(server: Server, token: str) -> None:
    body = chunked(b'{"employee_id": "EMP-1", "fir', b'st_name": "Ada", "last_name": "Lovelace", "', b'nonsense": 1}')
    answer = server.exchange(post(token, b"Transfer-Encoding: chunked\r\n", body))
    wrong: dict[str, Any] = json.loads(answer.body)
    assert (answer.status, list(wrong["errors"])) == (422, ["nonsense"])


@pytest.mark.parametrize("charset", ["latin-1", "utf-16", "hex", "undefined", "no-such-charset"])
def test_a_charset_does_not_change_what_a_query_means(server: Server, token: str, charset: str) -> None:
    head = (
        f"GET /api/v1/training/courses?search=%C3%A9 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
    )
    answer = server.exchange(f"{head}Content-Type: text/plain; charset={charset}\r\n\r\n".encode())
    first = "http://localhost/api/v1/training/courses?search=%C3%A9&page=1"
    assert (answer.status, json.loads(answer.body)["links"]["first"]) == (200, first)


def test_a_form_of_another_charset_is_refused(server: Server, token: str) -> None:
    head = f"POST /api/train_sessions/unassign HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
    form = "Content-Type: application/x-www-form-urlencoded; charset=latin-1\r\nContent-Length: 5\r\n\r\nids=1"
    assert_speaks(server.exchange((head + form).encode()), "/api/train_sessions", 400, "The request cannot be read.")


def test_a_request_behind_a_chunked_one_is_read_from_its_start(server: Server, token: str) -> None:
    first = post(token, b"Transfer-Encoding: chunked\r\n", chunked(b"{}"))
    with server.connection() as connection:
        connection.sendall(first)
        assert read_answer(connection).status == 422
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert read_answer(connection).body == b'{"status": "ok"}'


MAX_BODY_BYTES = 2_621_440


def test_a_large_body_is_a_413_to_a_client_that_sends_before_it_reads(server: Server, token: str) -> None:
    answer = server.exchange(post(token, b"Content-Length: 9000000\r\n", b" " * 9_000_000))
    assert_speaks(answer, "/api/v1/training", 413, "The body is too large.")


def test_a_large_chunked_body_is_a_413(server: Server, token: str) -> None:
    body = chunked(*[b" " * 1_000_000] * 9)
    answer = server.exchange(post(token, b"Transfer-Encoding: chunked\r\n", body))
    assert_speaks(answer, "/api/v1/training", 413, "The body is too large.")


def test_the_largest_chunked_body_is_read(server: Server, token: str) -> None:
    body = b"{}".ljust(MAX_BODY_BYTES)
    answer = server.exchange(post(token, b"Transfer-Encoding: chunked\r\n", chunked(body)))
    assert answer.status == 422


@EVERYWHERE
def test_a_crash_outside_django_is_a_500_in_the_familys_words(failing: Server, path: str) -> None:
    answer = failing.exchange(
        f"GET {path}?before=1&apiKey=geheim HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: {REQUEST_ID}\r\n\r\n".encode()
    )
    assert_speaks(answer, path, 500, "Internal error. Quote the request id caller-1.")
    assert answer.headers["X-Request-Id"] == REQUEST_ID
    assert f"[{REQUEST_ID}] {path}?before=1&apiKey=[redacted] failed" in failing.log
    assert "geheim" not in failing.log


def test_a_header_that_cannot_be_sent_is_a_failure_of_ours(failing: Server) -> None:
    assert failing.get("/api/train_sessions?header").status == 500


def test_a_failure_after_the_first_byte_breaks_the_connection(failing: Server) -> None:
    with failing.connection() as connection:
        connection.sendall(b"GET /api/train_sessions?amid HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with pytest.raises(IncompleteRead) as broken:
            read_answer(connection)
    assert broken.value.partial == b'[{"id": 1}'


def test_a_stopping_server_finishes_what_it_began(folder: Path) -> None:
    with running(folder, "tests.config.failing:application") as server, server.connection() as connection:
        connection.sendall(b"GET /healthz?slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_until((folder / "data" / "begun").exists)
        server.process.send_signal(SIGTERM)
        assert read_answer(connection).body == b'{"status": "ok"}'
        assert server.process.wait(PATIENCE) == 0


@pytest.mark.parametrize(
    ("arguments", "changes"),
    [(["--workers", "4"], {}), ([], {"WEB_CONCURRENCY": "4"}), ([], {"GUNICORN_CMD_ARGS": "--workers=2"})],
)
def test_more_than_one_worker_is_refused_without_redis(
    tmp_path: Path, arguments: list[str], changes: dict[str, str]
) -> None:
    ended = subprocess.run(
        command(*arguments, "--bind", "127.0.0.1:0"),
        cwd=ROOT,
        env=environment(tmp_path, **changes),
        capture_output=True,
        check=False,
        timeout=PATIENCE,
    )
    assert ended.returncode == 1
    starting, *error = ended.stderr.decode().splitlines()
    assert "Starting gunicorn" in starting
    assert error == [REFUSED_WORKERS]


def test_more_than_one_worker_is_accepted_with_redis(tmp_path: Path) -> None:
    with running(tmp_path, WEB_CONCURRENCY="2", REDIS_URL="redis://127.0.0.1:1/0") as server:
        assert server.get("/healthz").body == b'{"status": "ok"}'
        wait_until(lambda: server.log.count("Booting worker") == 2)
        assert server.stop() == 0


def test_a_running_server_without_redis_adds_no_worker(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        server.process.send_signal(SIGTTIN)
        wait_until(lambda: "More than one worker needs REDIS_URL" in server.log)
        assert server.get("/healthz").status == 200
        assert server.log.count("Booting worker") == 1
        assert server.stop() == 0


def test_the_server_leaves_no_file_but_its_data(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        assert server.get("/healthz").status == 200
        assert sorted(path.name for path in tmp_path.iterdir()) == ["data", server.log_file.name]
        assert server.stop() == 0
