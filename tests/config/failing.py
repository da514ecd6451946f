"""A WSGI application that fails as no view can: outside Django, and after the first byte."""

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from config.wsgi import application as ledger

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    match environ["QUERY_STRING"].partition("=")[0]:
        case "before":
            raise RuntimeError("a secret of the application")
        case "amid":
            return cut_off(start_response)
        case "header":
            start_response("200 OK", [("X-Split", "a\r\nb")])
            return [b""]
        case "slow":
            begun().touch()
            time.sleep(1)
    return ledger(environ, start_response)


def begun() -> Path:
    """The file that says that a slow request is in the application."""
    return Path(os.environ["DATA_DIR"]) / "begun"


def cut_off(start_response: "StartResponse") -> Iterator[bytes]:
    start_response("200 OK", [("Content-Type", "application/json")])
    yield b'[{"id": 1}'
    raise RuntimeError("the second chunk cannot be read")
