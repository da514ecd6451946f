"""The application as a production server calls it: one WSGI call after another in this process, nothing left out."""

import io
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib.messages.storage.cookie import CookieStorage
from django.http import HttpRequest

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

CSRF = "a" * 32  # What a browser was given in a cookie, and sends back in a header.
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes
    cookies: Mapping[str, str] = field(default_factory=dict)

    @property
    def messages(self) -> str:
        """What the page that is gone to next would say: until then it is in a cookie."""
        request = HttpRequest()
        request.COOKIES.update(self.cookies)
        return " ".join(map(str, CookieStorage(request)))


@cache
def application() -> "WSGIApplication":
    from config.wsgi import application  # noqa: PLC0415 - after the settings

    return application


class Client:
    """Headers are those of every call."""

    def __init__(self, **headers: str) -> None:
        self.headers = _as_environ(headers)

    def call(
        self, method: str, path: str, body: bytes = b"", content_type: str = "application/json", **headers: str
    ) -> Reply:
        answered: dict[str, Any] = {}

        def start_response(status: str, headers: list[tuple[str, str]], _error: object = None) -> Any:
            set_by_it = SimpleCookie()
            for name, value in headers:
                if name == "Set-Cookie":
                    set_by_it.load(value)
            cookies = {name: morsel.value for name, morsel in set_by_it.items()}
            answered.update(status=int(status.split(" ", 1)[0]), headers=dict(headers), cookies=cookies)

        address, _, query = path.partition("?")
        environ = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": address,
            "QUERY_STRING": query,
            "SERVER_NAME": "testserver",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "testserver",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": False,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
            **({"CONTENT_TYPE": content_type} if body else {}),
            **self.headers,
            **_as_environ(headers),
        }
        parts: Any = application()(environ, start_response)
        try:
            content = b"".join(parts)
        finally:
            parts.close()  # Ends the request: the connection goes back to its pool.
        return Reply(body=content, **answered)


def _as_environ(headers: Mapping[str, str]) -> dict[str, str]:
    return {f"HTTP_{name.upper()}": value for name, value in headers.items()}


def api_client(secret: str) -> Client:
    return Client(authorization=f"Bearer {secret}")


def browser(session_key: str) -> "Browser":
    """Logged in, with the cookies and the token that the admin asks for."""
    return Browser(cookie=f"sessionid={session_key}; csrftoken={CSRF}", x_csrftoken=CSRF)


class Browser(Client):
    def get(self, path: str) -> Reply:
        return self.call("GET", path)

    def post(self, path: str, fields: Mapping[str, Any]) -> Reply:
        return self.call("POST", path, urlencode(fields, doseq=True).encode(), FORM)
