"""The server's worker: what HTTP itself refuses is answered as the API families answer.

A request that gunicorn cannot read never becomes a Django request. By itself gunicorn answers it with a page of HTML
that repeats the request line, and logs that line with the secrets in it.

Nothing of Django's applications is imported here before a request came: the server reads this module before it
loads the application.
"""

import logging
import secrets
import socket
import time
from contextlib import suppress
from urllib.parse import unquote, urlsplit

from gunicorn.config import Config
from gunicorn.http import errors, message, parser
from gunicorn.http.unreader import Unreader
from gunicorn.workers.gthread import TConn, ThreadWorker

from accounts.api.request_log import KEPT_REQUEST_ID, current_request_id

logger = logging.getLogger(__name__)

Address = tuple[str, int] | str  # Of a caller: host and port, or what a UNIX socket has.

# Twice the longest target that is served, so that the middleware's 414 comes first, and memory has a bound all the same.
MAX_REQUEST_LINE = 131_072

# A client that is still sending reads no answer: what it sends is dropped for a while, before the connection closes.
LINGER_SECONDS = 2.0
LINGER_BYTES = 16 * 1024 * 1024

# Whatever gunicorn raises for a request that it cannot read. Its own text repeats what was sent, so it is not shown.
REFUSALS: tuple[tuple[type[Exception], int, str], ...] = (
    (errors.LimitRequestLine, 414, "The request line is too long."),
    (errors.LimitRequestHeaders, 431, "The headers are too many or too long."),
    (errors.ExpectationFailed, 417, "The expectation in the Expect header cannot be met."),
    (errors.UnsupportedTransferCoding, 501, "The transfer coding is not supported. Send the body plain or chunked."),
    (errors.ForbiddenProxyRequest, 403, "This proxy is not allowed."),
    (errors.InvalidRequestMethod, 400, "The method is not valid."),
    (errors.InvalidHTTPVersion, 400, "The version of HTTP is not supported."),
    (errors.InvalidRequestLine, 400, "The request line is not valid."),
    (errors.InvalidChunkSize, 400, "The chunked body is not valid."),
    (errors.InvalidChunkExtension, 400, "The chunked body is not valid."),
    (errors.ChunkMissingTerminator, 400, "The chunked body is not valid."),
    (errors.InvalidHeader, 400, "A header is not valid."),
    (errors.InvalidHeaderName, 400, "A header is not valid."),
    (errors.ObsoleteFolding, 400, "A header is not valid."),
    (errors.InvalidSchemeHeaders, 400, "The headers contradict one another."),
    (errors.InvalidProxyLine, 400, "The PROXY header is not valid."),
    (errors.InvalidProxyHeader, 400, "The PROXY header is not valid."),
)
# Headers that the application tried to send: its own fault, though their classes derive from two of the above.
FAILURES = (errors.InvalidResponseHeader, errors.InvalidResponseHeaderName)


class Request(message.Request):
    """A request that, if it is refused, can be asked where it was going."""

    line = b""

    def __init__(self, cfg: Config, unreader: Unreader, peer_addr: Address, req_number: int = 1) -> None:
        try:
            super().__init__(cfg, unreader, peer_addr, req_number)
        except errors.ParseException as error:
            error.refused = self
            raise

    def parse(self, unreader: Unreader) -> bytes:
        self.limit_request_line = MAX_REQUEST_LINE
        rest: bytes = super().parse(unreader)
        return rest

    def read_line(self, unreader: Unreader, buf: bytearray, limit: int = 0) -> tuple[bytes, bytearray]:
        try:
            self.line, rest = super().read_line(unreader, buf, limit)
        except errors.ParseException:
            self.line = bytes(buf)  # As far as it came.
            raise
        return self.line, rest


class Parser(parser.RequestParser):
    mesg_class = Request


class Worker(ThreadWorker):
    def handle(self, conn: TConn) -> object:
        """True: keep the connection. False: close it. Anything else: ask again when there is data."""
        # A connection keeps the parser it has. Under TLS it must get its own; but TLS is spoken by a proxy before this.
        if conn.parser is None and not self.cfg.is_ssl:
            conn.parser = Parser(self.cfg, conn.sock, conn.client)
        kept: object = super().handle(conn)
        if kept is False:
            _linger(conn.sock)
        return kept

    def handle_error(
        self, req: message.Request | None, client: socket.socket, addr: Address, exc: BaseException
    ) -> None:
        request = getattr(exc, "refused", req)
        request_id = _request_id(request)
        current_request_id.set(request_id)
        status, sentence = _reason(exc, request_id)
        target = _target(request)
        if status == 500:  # noqa: PLR2004 - a failure is ours, everything else the caller's
            logger.error("%s failed", target[:200], exc_info=exc)
        else:
            logger.warning("%s refused for %s: %s %s", target[:200], addr, status, type(exc).__name__)
        with suppress(OSError):
            client.sendall(_answer(request, target, status, sentence, request_id))


def _reason(exc: BaseException, request_id: str) -> tuple[int, str]:
    if not isinstance(exc, FAILURES):
        for refusal, status, sentence in REFUSALS:
            if isinstance(exc, refusal):
                return status, sentence
    return 500, f"Internal error. Quote the request id {request_id}."


def _target(request: message.Request | None) -> str:
    """The target as sent, from a line of which nothing is certain."""
    words: list[bytes] = getattr(request, "line", b"").split(maxsplit=2)[:2]
    return next((word.decode("latin-1") for word in words if b"/" in word), "")


def _request_id(request: message.Request | None) -> str:
    given = "" if request is None else dict(request.headers).get("X-REQUEST-ID", "")
    return given if KEPT_REQUEST_ID.match(given) else secrets.token_hex(16)


def _answer(request: message.Request | None, target: str, status: int, sentence: str, request_id: str) -> bytes:
    """A whole response. To HEAD it has the headers alone."""
    # Importable only where the application is loaded.
    from accounts.api.errors import ApiError  # noqa: PLC0415
    from accounts.api.rendering import to_json  # noqa: PLC0415
    from config.families import family_of  # noqa: PLC0415

    error = ApiError(status, [sentence])
    dialect = family_of(_path(target))
    body = f"{sentence}\n".encode() if dialect is None else to_json(dialect.error_body(error))
    media_type = "text/plain; charset=utf-8" if dialect is None else "application/json"
    lines = (
        f"HTTP/1.1 {status} {error.status.phrase}",
        f"Content-Type: {media_type}",
        f"Content-Length: {len(body)}",
        f"X-Request-Id: {request_id}",
        "Connection: close",
        "",
        "",
    )
    head = "\r\n".join(lines).encode("latin-1")
    return head if request is not None and request.method == "HEAD" else head + body


def _path(target: str) -> str:
    """The path of a target, which may be a whole address, decoded as Django decodes it."""
    if not target.startswith("/"):
        with suppress(ValueError):
            return unquote(urlsplit(target).path)
    return unquote(target.partition("?")[0].partition("#")[0])


def _linger(connection: socket.socket) -> None:
    """Say that the answer is complete, then wait for the client to close: data left unread would reset the connection,
    and the client could lose the answer. Here, because gunicorn waits in the thread that accepts for everybody.
    """
    deadline = time.monotonic() + LINGER_SECONDS
    dropped = 0
    with suppress(OSError):  # The client is gone, or gunicorn has closed a broken answer already.
        connection.shutdown(socket.SHUT_WR)
        while dropped < LINGER_BYTES and (left := deadline - time.monotonic()) > 0:
            connection.settimeout(left)
            data = connection.recv(65_536)
            if not data:
                break
            dropped += len(data)
        connection.shutdown(socket.SHUT_RDWR)
