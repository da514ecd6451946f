"""The application as a production server calls it: one WSGI call after another in this process, nothing left out."""

import io
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

CSRF = "a" * 32  # What a browser was given in a cookie, and sends back in a header.
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes


@cache
def application() -> "WSGIApplication":
    from config.wsgi import application  # noqa: PLC0415 - after the settings

    return application


class Client:
    """Headers are those of every call."""

    def __init__(self, **headers: str) -> None:
        self.headers = {f"HTTP_{name.upper()}": value for name, value in headers.items()}

    def call(self, method: str, path: str, body: bytes = b"", content_type: str = "application/json") -> Reply:
        answered: dict[str, Any] = {}

        def start_response(status: str, headers: list[tuple[str, str]], _error: object = None) -> Any:
            answered.update(status=int(status.split(" ", 1)[0]), headers=dict(headers))

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
        }
        parts: Any = application()(environ, start_response)
        try:
            content = b"".join(parts)
        finally:
            parts.close()  # Ends the request: the connection goes back to its pool.
        return Reply(answered["status"], answered["headers"], content)


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
