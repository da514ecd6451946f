"""Rate limits across machines: servers that share nothing but a database and a real Redis."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.config.test_server import MAKE_A_TOKEN
from tests.config.wire import ROOT, Answer, Server, end, environment, running, wait_until

ALLOWANCE = 20
RATE = f"{ALLOWANCE}/hour"
PATH = "/api/train_sessions"
PROGRAM = shutil.which("redis-server")
pytestmark = pytest.mark.skipif(PROGRAM is None and "CI" not in os.environ, reason="redis-server is not installed")


class Redis:
    """A server of its own, so that it can be taken away."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.start()

    def start(self) -> None:
        assert PROGRAM, "redis-server is not installed"
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder)]
        self.process = subprocess.Popen([PROGRAM, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self.answers)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        end(self.process)

    def answers(self) -> bool:
        with socket.socket() as connection:
            return connection.connect_ex(("127.0.0.1", self.port)) == 0

    @contextmanager
    def silent(self) -> Iterator[None]:
        """It takes connections and answers nothing."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("machines")


@pytest.fixture(scope="module")
def token(folder: Path) -> str:
    made = subprocess.run(
        [sys.executable, "-c", MAKE_A_TOKEN], cwd=ROOT, env=environment(folder), capture_output=True, check=True
    )
    return made.stdout.decode().strip()


@pytest.fixture(scope="module")
def store(folder: Path) -> Iterator[Redis]:
    store = Redis(folder)
    try:
        yield store
    finally:
        store.stop()


@pytest.fixture(scope="module")
def machines(folder: Path, token: str, store: Redis) -> Iterator[list[Server]]:
    """Two servers of two workers each."""
    changes = {
        "REDIS_URL": f"redis://127.0.0.1:{store.port}/0",
        "RATE_LIMIT_TRAIN_SESSIONS": RATE,
        "WEB_CONCURRENCY": "2",
    }
    with running(folder, **changes) as one, running(folder, **changes) as other:
        yield [one, other]


@pytest.fixture
def redis(store: Redis) -> Redis:
    """One that has counted nothing yet."""
    store.stop()
    store.start()
    return store


def ask(server: Server, token: str) -> Answer:
    return server.exchange(f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode())


def ready(server: Server) -> tuple[int, str, str]:
    answer = server.get("/readyz")
    said = json.loads(answer.body)
    return answer.status, said["status"], said["redis"]


READY = (200, "ready", "ok")
NOT_READY = (503, "not ready", "unreachable")


def test_machines_let_through_exactly_the_allowance_together(token: str, redis: Redis, machines: list[Server]) -> None:
    asked = [machines[number % 2] for number in range(3 * ALLOWANCE)]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda server: ask(server, token), asked))
    assert Counter(answer.status for answer in answers) == {200: ALLOWANCE, 429: 2 * ALLOWANCE}
    assert all(0 < int(answer.headers["Retry-After"]) <= 3600 for answer in answers if answer.status == 429)


def test_while_redis_is_down_requests_pass_uncounted_and_the_probe_says_so(
    token: str, redis: Redis, machines: list[Server]
) -> None:
    assert [ready(server) for server in machines] == [READY] * 2
    assert [ask(machines[0], token).status for _ in range(ALLOWANCE)] == [200] * ALLOWANCE
    assert ask(machines[1], token).status == 429
    redis.stop()
    assert {ask(server, token).status for server in machines * ALLOWANCE} == {200}
    assert [ready(server) for server in machines] == [NOT_READY] * 2
    assert "The rate limit store does not answer; the request is not counted" in machines[0].log
    redis.start()
    # It has forgotten what it counted, and counts again, for both.
    assert [ask(machines[1], token).status for _ in range(ALLOWANCE)] == [200] * ALLOWANCE
    assert ask(machines[0], token).status == 429
    assert [ready(server) for server in machines] == [READY] * 2


def test_a_redis_that_does_not_answer_holds_a_request_up_for_a_second_at_most(
    token: str, redis: Redis, machines: list[Server]
) -> None:
    assert ask(machines[0], token).status == 200
    with redis.silent():
        begun = time.monotonic()
        assert ask(machines[0], token).status == 200
        assert time.monotonic() - begun < 5  # A second, and what a busy machine adds.
        assert ready(machines[0]) == NOT_READY
