"""`apiKey` in whatever the production server writes: a real one is sent requests, and all of its output is searched."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from accounts.api.request_log import redact
from tests.config.wire import ROOT, Server, environment, running, wait_until

PROGRAMS = "/api/v1/programs"
SESSIONS = f"{PROGRAMS}/sessions"
# Each request carries a secret of its own and a mark of its own: the mark shows that it was written down.
SECRET = "geheim-{}"
MARK = "mark-{}"

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
print(organization.company_id, secret)
"""

# How a key can be written so that this server, or one in front of it, understands it; or nearly so.
SPELLINGS = {
    "as documented": "apiKey={}",
    "ApiKey": "ApiKey={}",
    "lower case": "apikey={}",
    "capitals": "APIKEY={}",
    "underscore": "api_key={}",
    "hyphen": "api-key={}",
    "X-apiKey": "X-apiKey={}",
    "encoded letter": "%61piKey={}",
    "encoded letter in the middle": "api%4Bey={}",
    "encoded letter in small hex": "api%4bey={}",
    "all encoded": "%61%70%69%4B%65%79={}",
    "encoded underscore": "api%5Fkey={}",
    "encoded equals sign": "apiKey%3D{}",
    "encoded equals sign in small hex": "apiKey%3d{}",
    "encoded twice": "apiKey%253D{}",
    "letter encoded twice": "%2561piKey%253D{}",
    "list": "apiKey[]={}",
    "encoded list": "apiKey%5B%5D={}",
    "numbered": "apiKey1={}",
    "space before": "+apiKey={}",
    "space after": "apiKey+={}",
    "space in the value": "apiKey=+{}",
    "quoted": "apiKey='{}'",
    "quoted twice": "apiKey=%22{}%22",
    "apostrophe": "apiKey=it's{}",
    "semicolon": "a=b;apiKey={}",
    "equals sign in the value": "apiKey=={}",
    "ampersand in the value": "apiKey=a%26{}",
    "given twice": "apiKey=x&apiKey={}",
    "empty company": "company=&apiKey={}",
    "JSON": "filter=%7B%22apiKey%22%3A%22{}%22%7D",
    "JSON, bare": "filter={{'apiKey':'{}'}}",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("redaction")


@pytest.fixture(scope="module")
def credential(folder: Path) -> tuple[str, str]:
    made = subprocess.run(
        [sys.executable, "-c", MAKE_A_TOKEN], cwd=ROOT, env=environment(folder), capture_output=True, check=True
    )
    company, key = made.stdout.decode().split()
    return company, key


@pytest.fixture(scope="module")
def server(folder: Path, credential: tuple[str, str]) -> Iterator[Server]:
    """It says as much as it can be told to say."""
    with running(folder, LOG_LEVEL="DEBUG") as server:
        yield server


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose database has no tables, so that every view crashes; and that crashes outside Django if asked."""
    folder = tmp_path_factory.mktemp("failing")
    with running(folder, "tests.config.failing:application", LOG_LEVEL="DEBUG") as server:
        yield server


def request(path: str, query: str, *headers: str) -> bytes:
    lines = (f"GET {path}?{query} HTTP/1.1", "Host: localhost", *headers, "", "")
    return "\r\n".join(lines).encode("latin-1")


def marked(mark: str) -> str:
    """A request id that is kept, and so written on every line about the request."""
    return f"X-Request-Id: {mark}"


def slug(*parts: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "", "".join(f"{part}{len(part)}" for part in parts))


def assert_written_without(server: Server, mark: str, secret: str) -> None:
    """It writes after it answers."""
    wait_until(lambda: mark in server.log)
    assert secret not in server.log


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize(("path", "status"), [(SESSIONS, 401), (f"{PROGRAMS}/no/such", 404), ("/no/such", 404)])
def test_no_spelling_of_a_key_is_written(server: Server, spelling: str, path: str, status: int) -> None:
    secret, mark = SECRET.format(slug(spelling, path)), MARK.format(slug(spelling, path))
    query = f"a=b&{SPELLINGS[spelling].format(secret)}&c=d"
    answer = server.exchange(request(path, query, marked(mark)))
    assert (answer.status, secret.encode() in answer.body) == (status, False)
    assert_written_without(server, mark, secret)
    [line] = [line for line in server.log.splitlines() if mark in line]
    assert re.search(rf"GET {path}\?a=b&\S*\[redacted\]&c=d {status} ", line)


def test_key_that_lets_in_is_not_written(server: Server, credential: tuple[str, str]) -> None:
    """Nor repeated by the refusal of another parameter. The redirect alone repeats it, to who sent it."""
    company, key = credential
    query = f"company={company}&apiKey={key}"
    for path, more, status in ((SESSIONS, "", 200), (SESSIONS, "&unknown=1", 400), (PROGRAMS, "", 302)):
        answer = server.get(f"{path}?{query}{more}")
        assert (answer.status, key.encode() in answer.body) == (status, False)
    assert answer.headers["Location"] == f"{SESSIONS}?{query}"
    wait_until(lambda: f"GET {PROGRAMS}?" in server.log)
    written = [line for line in server.log.splitlines() if f"company={company}" in line]
    assert [re.sub(r"^.* GET (\S+ \d+) .*$", r"\1", line) for line in written] == [
        f"{SESSIONS}?company={company}&apiKey=[redacted] 200",
        f"{SESSIONS}?company={company}&apiKey=[redacted]&unknown=1 400",
        f"{PROGRAMS}?company={company}&apiKey=[redacted] 302",
    ]
    assert key.split("_", 2)[2] not in server.log  # The secret itself may contain the mark that parts it.


@pytest.mark.parametrize("form", ["{}", "company={}", "{}=1", "x{}", "a/{}"])
def test_own_secret_is_known_without_its_name(server: Server, credential: tuple[str, str], form: str) -> None:
    """Under any name, and under none; also where its underscores are encoded."""
    _, key = credential
    for number, written in enumerate((key, key.replace("_", "%5F", 2), key.replace("_", "%5f", 2))):
        mark = MARK.format(slug("own", form, str(number)))
        assert server.exchange(request(SESSIONS, form.format(written), marked(mark))).status == 401
        assert_written_without(server, mark, key.split("_", 2)[2])


HEADERS = {
    "Referer": "http://localhost/?apiKey={}",
    "User-Agent": "apiKey={}",
    "Cookie": "apiKey={}",
    "Authorization": "Bearer {}",
    "X-apiKey": "{}",
    "Host": "apiKey={}",
    "Origin": "https://{}.example",
    "Content-Type": "{}",
    "Content-Length": "{}",
    "Expect": "{}",
    "Transfer-Encoding": "{}",
    "Idempotency-Key": "{}",
    "X-Forwarded-Host": "apiKey={}",
    "bad name": "apiKey={}",
}


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_key_in_a_header_is_not_written(server: Server, name: str, method: str) -> None:
    secret, mark = SECRET.format(slug(name, method)), MARK.format(slug(name, method))
    header = f"{name}: {HEADERS[name].format(secret)}"
    answer = server.exchange(request(SESSIONS, f"mark={mark}", header).replace(b"GET", method.encode(), 1))
    assert (answer.status >= 400, secret.encode() in answer.body) == (True, False)
    assert_written_without(server, mark, secret)


def test_key_in_the_request_id_is_not_kept(server: Server, failing: Server, credential: tuple[str, str]) -> None:
    """It would stand on every line about the request, in the answer, and in the sentence of a 500."""
    _, key = credential
    for asked, status, target in (
        (server, 401, SESSIONS),
        (server, 400, f"{SESSIONS} nonsense"),
        (failing, 500, f"{SESSIONS}?before=1"),
    ):
        for sent in (key, f"a.{key}", "apiKey=geheim-request-id"):
            headers = f"Host: localhost\r\nX-Request-Id: {sent}\r\n\r\n"
            answer = asked.exchange(f"GET {target} HTTP/1.1\r\n{headers}".encode())
            given = answer.headers["X-Request-Id"]
            assert (answer.status, bool(re.fullmatch("[0-9a-f]{32}", given))) == (status, True)
            assert key.encode() not in answer.body
            assert_written_without(asked, given, key.split("_", 2)[2])
            assert_written_without(asked, given, "geheim-request-id")


@pytest.mark.parametrize("path", ["{}", "{}/users", "a/users/{}", "a/b/c/d/{}"])
@pytest.mark.parametrize("spelling", ["apiKey={}", "apiKey%3D{}", "%61piKey={}", "apikey%20=%20{}", "apiKey:{}"])
def test_key_in_the_path_is_not_written(server: Server, failing: Server, path: str, spelling: str) -> None:
    secret, mark = SECRET.format(slug(path, spelling)), MARK.format(slug(path, spelling))
    target = f"{SESSIONS}/{path.format(spelling.format(secret))}"
    for asked in (server, failing):
        # With a credential, so that the view is reached; the failing server has no table to look it up in.
        bearer = "Authorization: Bearer tl_00000000_nonsense"
        assert asked.exchange(request(target, "", bearer, marked(mark))).status >= 400
        assert_written_without(asked, mark, secret)


REFUSED = {
    "version": ("GET {path}?a={mark}&{key} HTTP/9.1\r\n\r\n", 400),
    "no version": ("GET {path}?a={mark}&{key}\r\n\r\n", 400),
    "method": ("get {path}?a={mark}&{key} HTTP/1.1\r\n\r\n", 400),
    "two spaces": ("GET  {path}?a={mark}&{key}  HTTP/1.1\r\n\r\n", 400),
    "no space": ("GET{path}?a={mark}&{key} HTTP/1.1\r\n\r\n", 400),
    "space in the value": ("GET {path}?a={mark}&apiKey=x {key} HTTP/1.1\r\n\r\n", 400),
    "header": ("GET {path}?a={mark}&{key} HTTP/1.1\r\nnonsense {key}\r\n\r\n", 400),
    "folded header": ("GET {path}?a={mark}&{key} HTTP/1.1\r\nA: b\r\n {key}\r\n\r\n", 400),
    "whole address": ("GET http://localhost{path}?a={mark}&{key} HTTP/9.1\r\n\r\n", 400),
    "long line": ("GET {path}?a={mark}&{key}&" + "b" * 140_000 + " HTTP/1.1\r\n\r\n", 414),
    "long target": ("GET {path}?a={mark}&{key}&" + "b" * 70_000 + " HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
    "long key": ("GET {path}?a={mark}&{key}" + "b" * 70_000 + " HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
    "foreign host": ("GET {path}?a={mark}&{key} HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n", 400),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("spelling", ["apiKey={}", "%61piKey={}", "apiKey%3D{}"])
def test_key_in_a_request_that_is_refused_unread_is_not_written(server: Server, case: str, spelling: str) -> None:
    secret, mark = SECRET.format(slug(case, spelling)), MARK.format(slug(case, spelling))
    line, status = REFUSED[case]
    answer = server.exchange(line.format(path=SESSIONS, mark=mark, key=spelling.format(secret)).encode())
    assert (answer.status, secret.encode() in answer.body) == (status, False)
    assert_written_without(server, mark, secret)


@pytest.mark.parametrize("where", ["in a view", "outside Django"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_key_is_not_written_by_a_crash(failing: Server, where: str, spelling: str) -> None:
    secret, mark = SECRET.format(slug(where, spelling)), MARK.format(slug(where, spelling))
    query = f"{'before=1&' if where == 'outside Django' else ''}{SPELLINGS[spelling].format(secret)}"
    answer = failing.exchange(request(SESSIONS, query, "Authorization: Bearer tl_00000000_nonsense", marked(mark)))
    assert (answer.status, secret.encode() in answer.body) == (500, False)
    assert_written_without(failing, mark, secret)
    assert "Traceback (most recent call last):" in failing.log


def test_redacting_leaves_the_rest_of_a_line_readable() -> None:
    for text in (
        "GET /api/v1/programs/sessions?company=0&page=2 200",
        "The token lacks the scope programs:read.",
        "format: Unknown parameter. Known: apiKey, company.",
        "GET /api/train_sessions?full_name_cont=apikeyword 200",
        "GET /monkey=1 keys=2 kapi=3",
    ):
        assert redact(text) == text
    assert redact("GET /a?apiKey=x&b=c 200 1.0ms") == "GET /a?apiKey=[redacted]&b=c 200 1.0ms"
    assert redact("a?%61pi%4bey%3Dx%26y&b=c d") == "a?%61pi%4bey%3D[redacted]&b=c d"


def test_redacting_a_long_line_takes_no_time() -> None:
    """Backtracking would take hours of it: whatever a caller sends is searched."""
    for text in ("apiKey" * 20_000, "api%4" * 20_000, "%25" * 40_000, "apikey[" * 10_000, "authorization: " * 9_000):
        assert "[redacted]" not in redact(text)
