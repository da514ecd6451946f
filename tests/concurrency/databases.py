"""Databases of their own, on disk or on the server, and processes that work on them."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120  # Seconds.
SERVER = os.environ.get("DATABASE_URL", "")
POOLER = os.environ.get("DATABASE_POOLER", "none")
KIND = "postgresql" if SERVER.startswith("postgres") else "sqlite"


class Scratch:
    """A migrated database with one organization, one record and one token."""

    def __init__(self, kind: str, folder: Path, url: str) -> None:
        self.kind, self.folder, self.url = kind, folder, url
        self.run("manage.py", "migrate", "--verbosity=0")
        self.rows: dict[str, Any] = json.loads(self.script("prepare"))

    def run(self, *arguments: str, given: str = "") -> "subprocess.CompletedProcess[str]":
        environment = {
            "PATH": os.environ["PATH"],
            "DATA_DIR": str(self.folder),
            "DATABASE_URL": self.url,
            "DATABASE_POOLER": POOLER,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "ALLOWED_HOSTS": "testserver",
        }
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def script(self, *arguments: str, given: str = "") -> str:
        done = self.run("-m", "tests.concurrency.one_request", *arguments, given=given)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def request(self, key: str | None = None) -> str:
        """A failed attempt: every time that it is entered counts."""
        headers = {"Authorization": f"Bearer {self.rows['secret']}", **({"Idempotency-Key": key} if key else {})}
        path = f"/api/train_sessions/{self.rows['record']}/attempts"
        return json.dumps({"path": path, "body": {"score": 1, "passed": False}, "headers": headers})

    def send(self, key: str | None = None) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.script("send", "never", given=self.request(key)))
        return answer

    def send_and_die(self, point: str, key: str) -> int:
        """How the process ended: minus the signal."""
        done = self.run("-m", "tests.concurrency.one_request", "send", point, given=self.request(key))
        return done.returncode

    def state(self) -> dict[str, int]:
        written: dict[str, int] = json.loads(self.script("state"))
        return written


@contextmanager
def scratch_url(kind: str, folder: Path) -> Iterator[str]:
    """The address of an empty database."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'ledger.sqlite3'}"
        return
    name = f"ledger_scratch_{secrets.token_hex(4)}"
    with psycopg.connect(urlsplit(SERVER)._replace(path="/postgres").geturl(), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield urlsplit(SERVER)._replace(path=f"/{name}").geturl()
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@contextmanager
def scratch(kind: str, folder: Path) -> Iterator[Scratch]:
    with scratch_url(kind, folder) as url:
        yield Scratch(kind, folder, url)
