"""Two servers over one standby: each knows from Redis who has just written through the other."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.config.wire import end
from tests.replicas.cluster import free_port, wait_until
from tests.replicas.conftest import Serve
from tests.replicas.scene import Caller

pytestmark = [
    pytest.mark.postgresql,
    pytest.mark.skipif(not shutil.which("redis-server"), reason="Redis is not installed: apt-get install redis-server"),
]


def answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except ConnectionRefusedError:
        return False


@contextmanager
def redis(folder: Path) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """Its address, and its process."""
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: answers(port))
            yield f"redis://127.0.0.1:{port}/0", process
        finally:
            end(process)


def test_who_wrote_through_one_server_reads_it_through_another(serve: Serve, tmp_path: Path, standing: None) -> None:
    with redis(tmp_path) as (url, process), serve(REDIS_URL=url) as one, serve(REDIS_URL=url) as other:
        writer = Caller(other.server, other.rows["writer"])
        before = other.percent(writer)
        one.cluster.standbys[0].pause()
        written = one.advance()
        assert (other.percent(writer), other.percent(other.reader)) == (written, before)
        # Where nobody can say who wrote, all are shown what is there now.
        end(process)
        assert (other.percent(writer), other.percent(other.reader)) == (written, written)
