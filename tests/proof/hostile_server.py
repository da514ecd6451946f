"""A real server with one organization's rows, clients that speak to it over HTTP, and its worker's memory."""

import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from math import inf
from pathlib import Path
from typing import Any

from tests.config.wire import Server, running

PASSWORD = secrets.token_urlsafe(16)
PATIENCE = 120  # Seconds.
LIMITS = ("TRAIN_SESSIONS", "ASSIGNMENTS_READ", "ASSIGNMENTS_WRITE", "PROGRAMS", "TRAINING")
BOUNDARY = "boundary-of-the-form"
MEGABYTE = 1024


@dataclass(frozen=True)
class Heard:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Hosted:
    """`secret` is a token's, with every scope; `email` an administrator's."""

    server: Server
    secret: str
    email: str
    cookies: str = ""
    watched: int = 0  # The worker whose memory was looked at first.

    def ask(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Heard:
        connection = HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            response = connection.getresponse()
            return Heard(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def api(
        self, method: str, path: str, body: bytes, headers: dict[str, str] | None = None, *, bare: bool = False
    ) -> Heard:
        """`bare`: without the token."""
        credential = {} if bare else {"Authorization": f"Bearer {self.secret}"}
        return self.ask(method, path, body, {**credential, "Content-Type": "application/json", **(headers or {})})

    def log_in(self) -> None:
        """As a browser does."""
        page = self.ask("GET", "/admin/login/")
        self.cookies = page.headers["Set-Cookie"].partition(";")[0]
        form = f"username={self.email}&password={PASSWORD}&csrfmiddlewaretoken={token_in(page)}"
        answer = self.form("/admin/login/", form.encode(), "application/x-www-form-urlencoded")
        sent = re.findall(r"(?:csrftoken|sessionid)=[^;]+", answer.headers["Set-Cookie"])
        self.cookies = "; ".join({one.partition("=")[0]: one for one in (self.cookies, *sent)}.values())

    def form(self, path: str, body: bytes, media_type: str) -> Heard:
        headers = {
            "Cookie": self.cookies,
            "Content-Type": media_type,
            "Referer": f"http://127.0.0.1:{self.server.port}",
        }
        return self.ask("POST", path, body, headers)

    def upload(self, path: str, name: str, content: bytes) -> Heard:
        page = self.ask("GET", path, headers={"Cookie": self.cookies})
        begin = (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="csrfmiddlewaretoken"\r\n\r\n{token_in(page)}\r\n'
        )
        file = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
        body = begin.encode() + file.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()
        return self.form(path, body, f"multipart/form-data; boundary={BOUNDARY}")

    @property
    def worker(self) -> int:
        """Its process id."""
        pid = self.server.process.pid
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()[0])

    def forget_peak(self) -> float:
        """The worker's memory now, in MB; `peak` counts from here."""
        self.watched = self.worker
        Path(f"/proc/{self.watched}/clear_refs").write_text("5", encoding="ascii")
        return self._memory("VmRSS")

    def peak(self) -> float:
        """Without end, where the worker is not the same any more: one that took too much may have been replaced."""
        return self._memory("VmHWM") if self.worker == self.watched else inf

    @property
    def seconds(self) -> float:
        """Of CPU that the worker has taken."""
        stat = Path(f"/proc/{self.worker}/stat").read_text(encoding="ascii")
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def _memory(self, name: str) -> float:
        lines = Path(f"/proc/{self.watched}/status").read_text(encoding="ascii").splitlines()
        return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1]) / MEGABYTE


def token_in(page: Heard) -> str:
    """The form's, against other sites."""
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.body.decode())
    if found is None:
        raise ValueError(f"A page without a form: {page.status}")
    return found[1]


@contextmanager
def hosted(folder: Path, url: str, secret: str, email: str, *arguments: str, **changes: str) -> Iterator[Hosted]:
    limits = {f"RATE_LIMIT_{name}": "" for name in LIMITS}
    with running(folder, *arguments, DATABASE_URL=url, **{**limits, **changes}) as server:
        yield Hosted(server, secret, email)
