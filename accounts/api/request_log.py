"""A request id for every request, one log line for each, and no secret in any line."""

import logging
import re
import secrets
import time
from collections.abc import Callable
from contextvars import ContextVar

from django.http import HttpRequest, HttpResponseBase

logger = logging.getLogger("access")


def _spelled(word: str) -> str:
    """A pattern of the word in which each letter may be percent-encoded, and that encoded again."""
    return "".join(f"(?:{one}|%(?:25)*(?:{ord(one.lower()):x}|{ord(one.upper()):x}))" for one in word)


# How a secret of ours begins. That much is none: it stands in the admin's list.
OUR_KEY_BEGINS = r"tl(?:_|%5F)[0-9a-f]{8}(?:_|%5F)"
# A caller's own id is kept, unless it is a secret that went astray.
KEPT_REQUEST_ID = re.compile(rf"\A(?!.*{OUR_KEY_BEGINS})[A-Za-z0-9._-]{{1,128}}\Z")
# Too much is taken rather than too little: a query is written down as it was sent, and Django decodes it.
SECRETS = re.compile(
    rf"""
    (?P<key>
        {_spelled("api")} (?:[_-]|%(?:25)*(?:5F|2D))? {_spelled("key")}
        [^\s=:&]{{0,20}}? (?:\s+[=:]\s*|=|:\s*|%(?:25)*3[DA])        # apiKey=, apiKey[]=, "apiKey": and the like
    )
    (?:"[^"\n]*"|'[^'\n]*')? [^&\s]*
    | (?P<token> {OUR_KEY_BEGINS} ) [A-Za-z0-9_%-]+                     # anywhere
    | (?P<header> authorization["']?\s*[:=]\s*["']? (?:token|bearer)\s+ ) [^\s,"']+(?:="[^"]*")?
    """,
    re.IGNORECASE | re.VERBOSE,
)

current_request_id: ContextVar[str] = ContextVar("current_request_id", default="-")


def redact(text: str) -> str:
    return SECRETS.sub(lambda match: f"{match['key'] or match['token'] or match['header']}[redacted]", text)


class RequestFacts(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = current_request_id.get()
        return True


class RedactingFormatter(logging.Formatter):
    """Whatever is written, tracebacks included, goes through `redact`. Line breaks of a caller stay inside the line."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        return super().formatMessage(record).replace("\r", "\\r").replace("\n", "\\n")

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class RequestLog:
    """The outermost middleware: `X-Request-Id` on every response, and the access log."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get("X-Request-Id", "")
        request_id = given if KEPT_REQUEST_ID.match(given) else secrets.token_hex(16)
        current_request_id.set(request_id)
        start = time.perf_counter()
        response = self.get_response(request)
        response["X-Request-Id"] = request_id
        logger.info(
            "%s %s %s %.1fms token=%s",
            request.method,
            request.get_full_path(),
            response.status_code,
            (time.perf_counter() - start) * 1000,
            getattr(request, "token_prefix", "-"),
        )
        return response
