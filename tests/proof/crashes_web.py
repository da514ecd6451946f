"""gunicorn as in production, with several workers, and a supervisor that starts it again whenever it ends."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from random import Random

from tests.proof.crashes_processes import ROOT, await_, children, kill, lasting_port
from tests.proof.limits_redis import own_redis

PATIENCE = 60  # Seconds.
FAMILIES = ("TRAIN_SESSIONS", "ASSIGNMENTS_READ", "ASSIGNMENTS_WRITE", "PROGRAMS", "TRAINING")
OURS = "config.wsgi:application"


def environment(folder: Path, url: str) -> dict[str, str]:
    """Nothing of the surrounding one but what Python needs; no rate limits, all else as it is by default."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "DATA_DIR": str(folder),
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "LOG_LEVEL": "ERROR",
        **{f"RATE_LIMIT_{family}": "" for family in FAMILIES},
    }


class Web:
    """`starts`: how often the supervisor has started gunicorn."""

    def __init__(self, folder: Path, url: str, application: str, changes: Mapping[str, str]) -> None:
        self.port = lasting_port()
        self.starts = 0
        self.log = folder / "gunicorn.log"
        self._command = [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", application]
        self._environment = {
            **environment(folder, url),
            "BIND": f"127.0.0.1:{self.port}",
            "WEB_CONCURRENCY": "3",
            **changes,
        }
        self._master: subprocess.Popen[bytes] | None = None
        self._groups: list[int] = []  # Process groups: of each master with its workers, as long as one of them lives.
        self._stopping = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, daemon=True)

    def start(self) -> None:
        self._supervisor.start()
        try:
            await_(self.answers, PATIENCE)
        except TimeoutError as error:
            raise RuntimeError(f"gunicorn did not start: {self.log.read_text()[-2000:]}") from error

    def _supervise(self) -> None:
        with self.log.open("ab") as log:
            while not self._stopping.is_set():
                self.starts += 1
                self._master = subprocess.Popen(
                    self._command, cwd=ROOT, env=self._environment, stdout=log, stderr=log, start_new_session=True
                )
                self._groups = [*filter(lives, self._groups), self._master.pid]
                self._master.wait()

    def answers(self) -> bool:
        with suppress(OSError), closing(HTTPConnection("127.0.0.1", self.port, timeout=5)) as connection:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        return False

    def workers(self) -> list[int]:
        return [] if self._master is None else children(self._master.pid)

    def kill_worker(self, random: Random) -> bool:
        """False: there is none at the moment."""
        found = self.workers()
        return bool(found) and kill(random.choice(found))

    def kill_master(self) -> bool:
        """It alone; its workers notice by themselves. False: there is none at the moment, or it has no workers yet."""
        master = self._master
        if master is None or master.poll() is not None or not self.workers():
            return False
        return kill(master.pid)

    def stop(self) -> None:
        """Requests under way are answered. What is left after that is killed."""
        self._stopping.set()
        deadline, told = time.monotonic() + PATIENCE, None
        while self._supervisor.is_alive() and time.monotonic() < deadline:
            if self._master is not None and self._master is not told:
                told = self._master
                told.send_signal(signal.SIGTERM)
            self._supervisor.join(0.1)
        for group in filter(lives, self._groups):
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)


def lives(group: int) -> bool:
    with suppress(ProcessLookupError):
        os.killpg(group, 0)
        return True
    return False


@contextmanager
def serving(folder: Path, url: str, application: str = OURS, **changes: str) -> Iterator[Web]:
    """From its first answer on; nothing of it is left at the end."""
    with own_redis(folder) as redis:  # Several workers need one.
        web = Web(folder, url, application, {"REDIS_URL": f"redis://127.0.0.1:{redis.port}/0", **changes})
        try:
            web.start()
            yield web
        finally:
            web.stop()
