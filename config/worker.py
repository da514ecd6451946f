"""The server's worker: what HTTP itself refuses is answered as the API families answer.

A request that gunicorn cannot read never becomes a Django request. By itself gunicorn answers it with a page of HTML
that repeats the request line, and logs that line with the secrets in it.

Nothing of Django's applications is imported here before a request came: the server reads this module before it
loads the application.
"""

import errno
import logging
import secrets
import socket
import struct
import time
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ
from urllib.parse import unquote, urlsplit

from gunicorn.config import Config
from gunicorn.http import errors, message, parser
from gunicorn.http.unreader import Unreader
from gunicorn.workers.gthread import TConn, ThreadWorker

from accounts.api.request_log import KEPT_REQUEST_ID, current_request_id
from config.receiving import BLOCK, MAX_REQUEST_LINE, Incoming

logger = logging.getLogger(__name__)

Address = tuple[str, int] | str  # Of a caller: host and port, or what a UNIX socket has.

# A client that is still sending reads no answer: what it sends is dropped for a while, before the connection closes.
LINGER_SECONDS = 2.0
LINGER_BYTES = 16 * 1024 * 1024
# How long a thread waits for a client that takes none of its answer, or sends no more of what was thought to be whole.
SEND_SECONDS = 60
RECEIVE_SECONDS = 10


class BodyTooLarge(errors.ParseException):
    pass


# Whatever gunicorn raises for a request that it cannot read. Its own text repeats what was sent, so it is not shown.
REFUSALS: tuple[tuple[type[Exception], int, str], ...] = (
    (BodyTooLarge, 413, "The body is too large."),
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
    _expected_100_continue: bool

    def __init__(self, cfg: Config, unreader: Unreader, peer_addr: Address, req_number: int = 1) -> None:
        try:
            super().__init__(cfg, unreader, peer_addr, req_number)
            if isinstance(unreader, Incoming):
                if unreader.too_large:
                    raise BodyTooLarge
                self._expected_100_continue = self._expected_100_continue and not unreader.continued
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
    """gunicorn's threads, each of which gets requests that are there to their end: what comes slowly, and what is only
    waited for, is the poller's. (Under TLS all is gunicorn's own; but TLS is spoken by a proxy before this.)
    """

    def init_process(self) -> None:
        self.receiving: dict[TConn, Incoming] = {}  # The oldest first.
        self.lingering: dict[TConn, tuple[float, int]] = {}  # Until when, and how much was dropped.
        self.looked = time.monotonic()
        super().init_process()

    def accept(self, listener: socket.socket) -> None:
        if self.cfg.is_ssl:
            super().accept(listener)
            return
        self._make_room()
        try:
            sock, address = listener.accept()
        except OSError as error:
            if error.errno in {errno.EMFILE, errno.ENFILE}:
                self._drop_oldest()
            elif error.errno not in {errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK}:
                raise
            return
        self.nr_conns += 1
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_SECONDS, 0))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", RECEIVE_SECONDS, 0))
        conn = TConn(self.cfg, sock, address, listener.getsockname())
        conn.parser = Parser(self.cfg, conn.sock, conn.client)
        conn.parser.unreader = Incoming(conn.sock)
        conn.initialized = True
        self._receive(conn)

    def on_client_socket_readable(self, conn: TConn, client: socket.socket) -> None:
        """The next request on a connection that was kept, or its end."""
        if not isinstance(conn.parser.unreader, Incoming):
            super().on_client_socket_readable(conn, client)
            return
        self.poller.unregister(client)
        self.keepalived_conns.remove(conn)
        conn.parser.unreader.begin(b"")
        self._receive(conn)

    def _receive(self, conn: TConn) -> None:
        """To a thread, where the request is there already; else it is waited for."""
        incoming: Incoming = conn.parser.unreader
        conn.sock.setblocking(False)
        if not incoming.whole and not _taken(incoming):
            self._drop(conn)
        elif incoming.whole:
            self.enqueue_req(conn)
        else:
            self.receiving[conn] = incoming
            self.poller.register(conn.sock, EVENT_READ, partial(self._on_more, conn))

    def _on_more(self, conn: TConn, _sock: socket.socket) -> None:
        incoming = self.receiving[conn]
        if not _taken(incoming):
            self._stop_receiving(conn)
            self._drop(conn)
        elif incoming.whole:
            self._stop_receiving(conn)
            self.enqueue_req(conn)

    def _stop_receiving(self, conn: TConn) -> None:
        del self.receiving[conn]
        self.poller.unregister(conn.sock)

    def finish_request(self, conn: TConn, fs: "Future[object]") -> None:
        incoming = conn.parser.unreader if conn.parser is not None else None
        if not isinstance(incoming, Incoming) or fs.cancelled() or fs.exception() is not None:
            super().finish_request(conn, fs)
        elif not fs.result():
            self._linger(conn)
        else:
            incoming.begin(incoming.rest())
            if incoming.silent:
                super().finish_request(conn, fs)
            else:
                self._receive(conn)

    def _linger(self, conn: TConn) -> None:
        """Say that the answer is complete, then wait for the client to close: data left unread would reset the
        connection, and the client could lose the answer.
        """
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(socket.SHUT_WR)
            self.poller.register(conn.sock, EVENT_READ, partial(self._on_rest, conn))
        except (OSError, ValueError):  # The client is gone, or gunicorn has closed a broken answer already.
            self._drop(conn)
        else:
            self.lingering[conn] = time.monotonic() + LINGER_SECONDS, 0

    def _on_rest(self, conn: TConn, _sock: socket.socket) -> None:
        until, dropped = self.lingering[conn]
        try:
            data = conn.sock.recv(BLOCK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.lingering[conn] = until, dropped + len(data)
        if not data or dropped + len(data) > LINGER_BYTES:
            self._stop_lingering(conn)

    def _stop_lingering(self, conn: TConn) -> None:
        del self.lingering[conn]
        self.poller.unregister(conn.sock)
        with suppress(OSError):
            conn.sock.shutdown(socket.SHUT_RDWR)
        self._drop(conn)

    def _drop(self, conn: TConn) -> None:
        self.nr_conns -= 1
        if isinstance(conn.parser.unreader, Incoming):
            conn.parser.unreader.close()
        conn.close()

    def _make_room(self) -> None:
        """The last place is given to whoever comes, at the cost of whoever is longest about a request."""
        if self.nr_conns >= self.worker_connections - 1:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        if self.receiving:
            conn = next(iter(self.receiving))
            self._stop_receiving(conn)
            self._drop(conn)
        elif self.keepalived_conns:
            conn = self.keepalived_conns.popleft()
            self.poller.unregister(conn.sock)
            self._drop(conn)

    def murder_pending(self) -> None:
        """Called at every turn of gunicorn's loop, and at least each second."""
        super().murder_pending()
        now = time.monotonic()
        if now - self.looked < 1 and self.alive:
            return
        self.looked = now
        for conn, incoming in list(self.receiving.items()):
            if incoming.silent and not self.alive:
                self._stop_receiving(conn)
                self._drop(conn)
            elif incoming.late:
                self._stop_receiving(conn)
                self._too_late(conn, incoming)
        for conn, (until, _) in list(self.lingering.items()):
            if now > until:
                self._stop_lingering(conn)

    def _too_late(self, conn: TConn, incoming: Incoming) -> None:
        if incoming.silent:
            self._drop(conn)
            return
        target, request_id = _target(incoming.line), secrets.token_hex(16)
        current_request_id.set(request_id)
        logger.warning("%s refused for %s: 408", target[:200], conn.client)
        answer = _answer(target, 408, "The request did not come to its end in time.", request_id)
        with suppress(OSError):  # What does not fit at once is not waited for.
            conn.sock.send(answer)
        self._linger(conn)

    def handle_error(
        self, req: message.Request | None, client: socket.socket, addr: Address, exc: BaseException
    ) -> None:
        request = getattr(exc, "refused", req)
        request_id = _request_id(request)
        current_request_id.set(request_id)
        status, sentence = _reason(exc, request_id)
        target = _target(getattr(request, "line", b""))
        if status == 500:  # noqa: PLR2004 - a failure is ours, everything else the caller's
            logger.error("%s failed", target[:200], exc_info=exc)
        else:
            logger.warning("%s refused for %s: %s %s", target[:200], addr, status, type(exc).__name__)
        with suppress(OSError):
            answer = _answer(target, status, sentence, request_id)
            of_head = request is not None and request.method == "HEAD"
            client.sendall(answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if of_head else answer)


def _taken(incoming: Incoming) -> bool:
    """Whether the client is still there, and the disk that holds what it sends has room."""
    try:
        return incoming.receive()
    except OSError:
        return False


def _reason(exc: BaseException, request_id: str) -> tuple[int, str]:
    if not isinstance(exc, FAILURES):
        for refusal, status, sentence in REFUSALS:
            if isinstance(exc, refusal):
                return status, sentence
    return 500, f"Internal error. Quote the request id {request_id}."


def _target(line: bytes) -> str:
    """The target as sent, from a line of which nothing is certain."""
    words = line.split(maxsplit=2)[:2]
    return next((word.decode("latin-1") for word in words if b"/" in word), "")


def _request_id(request: message.Request | None) -> str:
    given = "" if request is None else dict(request.headers).get("X-REQUEST-ID", "")
    return given if KEPT_REQUEST_ID.match(given) else secrets.token_hex(16)


def _answer(target: str, status: int, sentence: str, request_id: str) -> bytes:
    """A whole response."""
    # Importable only where the application is loaded, so not at the top of this file.
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
    return "\r\n".join(lines).encode("latin-1") + body


def _path(target: str) -> str:
    """The path of a target, which may be a whole address, decoded as Django decodes it."""
    if not target.startswith("/"):
        with suppress(ValueError):
            return unquote(urlsplit(target).path)
    return unquote(target.partition("?")[0].partition("#")[0])
