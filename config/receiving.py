"""Requests as they come in: a thread gets one when it is there to its end, so that slow clients hold no threads.

What a request means is gunicorn's parser to say. Here is only seen where it ends; what cannot be read is handed over at
once, for the parser to refuse.

Nothing of Django's applications is imported here before a request came: the server reads this module before it
loads the application.
"""

import re
import socket
import tempfile
import time
from typing import IO

from gunicorn.http.unreader import SocketUnreader

# Twice the longest target that is served, so that the middleware's 414 comes first, and memory has a bound all the same.
MAX_REQUEST_LINE = 131_072
# A file of the largest size that an import takes fits, and one somewhat larger, so that its form can say so.
MAX_BODY = 16 * 1024 * 1024
IN_MEMORY = 65_536  # Bytes of a request; what is more is kept on the disk until it is read.
BLOCK = 65_536

HEAD_SECONDS = 20  # For a request's line and headers, from when a new connection is there or the first byte came.
REQUEST_SECONDS = 120  # For all of it. A slow line sends the largest body in that.

_HEADER = re.compile(
    rb"^(content-length|transfer-encoding|expect):[ \t]*([^\r\n]*?)[ \t]*\r?$", re.IGNORECASE | re.MULTILINE
)
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")
_SIZE = re.compile(rb"[0-9a-f]{1,8}", re.IGNORECASE)
_LONGEST_SIZE_LINE = 8_192
_LONGEST_HEAD = MAX_REQUEST_LINE + 1_000_000  # Above what the parser takes, which refuses it.


class Chunks:
    """Finds the end of a chunked body, whatever pieces it comes in."""

    def __init__(self) -> None:
        self.ended = False
        self.wrong = False
        self._left = 0  # Bytes of the chunk, with its line end, that are still to come.
        self._line = b""
        self._last = False

    def feed(self, data: bytes) -> None:
        position = 0
        while position < len(data) and not (self.ended or self.wrong):
            if self._left:
                taken = min(self._left, len(data) - position)
                self._left -= taken
                position += taken
                continue
            end = data.find(b"\n", position)
            piece = data[position:] if end < 0 else data[position : end + 1]
            self._line += piece
            position += len(piece)
            self.wrong = len(self._line) > _LONGEST_SIZE_LINE
            if end >= 0 and not self.wrong:
                self._take(self._line.rstrip(b"\r\n"))
                self._line = b""

    def _take(self, line: bytes) -> None:
        if self._last:  # Trailers, to an empty line.
            self.ended = not line
            return
        size = _SIZE.fullmatch(line.partition(b";")[0].strip(b" \t"))
        self.wrong = size is None
        if size is not None:
            length = int(size[0], 16)
            self._last = length == 0
            self._left = length + 2 if length else 0


class Incoming(SocketUnreader):
    """One connection's bytes: `receive` while they come, `read` by the parser once the request is whole.

    `whole` is also true of what cannot be read or is too large, which is refused by whoever reads it.
    """

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.continued = False  # The client was told to go on.
        self.too_large = False
        self._held: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - closed with the connection
        self.begin(b"")

    def begin(self, rest: bytes) -> None:
        """Of the next request, of which `rest` has come already."""
        self._held.seek(0)
        self._held.truncate()
        self._head = bytearray()
        self._body_length = 0
        self._chunks: Chunks | None = None
        self._in_body = False
        self._received = 0
        self.whole = self.continued = self.too_large = False
        self.head_until = time.monotonic() + HEAD_SECONDS
        self.until = time.monotonic() + REQUEST_SECONDS
        self._take(rest)

    @property
    def silent(self) -> bool:
        return not self._received

    @property
    def late(self) -> bool:
        now = time.monotonic()
        return now > self.until or (not self._in_body and now > self.head_until)

    @property
    def line(self) -> bytes:
        """The request line, as far as it came."""
        return bytes(self._head[:MAX_REQUEST_LINE]).partition(b"\r\n")[0]

    def receive(self) -> bool:
        """Take what has come on a socket that does not block. False: the client has gone."""
        try:
            data = self.sock.recv(BLOCK)
        except BlockingIOError:
            return True
        if not data:
            return False
        self._take(data)
        return True

    def _take(self, data: bytes) -> None:
        if not data:
            return
        self._received += len(data)
        self._held.write(data)
        if self._in_body:
            self._take_body(data)
        else:
            self._take_head(data)
        if self.whole:
            self._head.clear()
            self._held.seek(0)

    def _take_head(self, data: bytes) -> None:
        searched = max(0, len(self._head) - 3)
        self._head += data
        start = 2 if self._head[:2] == b"\r\n" else 0  # One empty line may come before a request.
        end = self._head.find(b"\r\n\r\n", max(searched, start))
        if end >= 0:
            self._in_body = True
            self._read_head(bytes(self._head[start : end + 2]))
            if not self.whole:
                self._take_body(bytes(self._head[end + 4 :]))
                del self._head[end:]
            return
        # No line end of a head is a line feed alone: such a head never ends.
        bare = _BARE_LINE_FEED.search(self._head, searched)
        endless = len(self._head) > MAX_REQUEST_LINE + 2 and b"\r\n" not in self._head[start : MAX_REQUEST_LINE + 2]
        self.whole = bare is not None or endless or len(self._head) > _LONGEST_HEAD

    def _read_head(self, head: bytes) -> None:
        """How the body is measured. What is said twice or not understood is handed over, for the parser to refuse."""
        said = [(name.lower(), value) for name, value in _HEADER.findall(head)]
        lengths = [value for name, value in said if name == b"content-length"]
        codings = [value for name, value in said if name == b"transfer-encoding"]
        if len(lengths) + len(codings) > 1 or (codings and codings[0].lower() != b"chunked"):
            self.whole = True
        elif lengths:
            understood = re.fullmatch(rb"[0-9]{1,18}", lengths[0])
            self._body_length = int(lengths[0]) if understood else 0
            self.too_large = self._body_length > MAX_BODY
            self.whole = self.too_large or not self._body_length
        elif codings:
            self._chunks = Chunks()
        else:
            self.whole = True
        if not self.whole and (b"expect", b"100-continue") in [(name, value.lower()) for name, value in said]:
            self.continued = self._go_on()

    def _go_on(self) -> bool:
        try:
            self.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        except OSError:
            self.whole = True  # Found out by whoever answers.
            return False
        return True

    def _take_body(self, data: bytes) -> None:
        if self._chunks is None:
            self._body_length -= len(data)
            self.whole = self._body_length <= 0
            return
        self._chunks.feed(data)
        self._body_length += len(data)
        self.too_large = self._body_length > MAX_BODY
        self.whole = self._chunks.ended or self._chunks.wrong or self.too_large

    # Read by the parser.

    def chunk(self, size_hint: int | None = None) -> bytes:
        """What is held, and behind that what comes still."""
        return self._held.read(max(size_hint or 0, self.mxchunk)) or super().chunk(size_hint)

    def rest(self) -> bytes:
        """What came behind the request."""
        return bytes(self.take_buffered()) + self._held.read()

    def close(self) -> None:
        self._held.close()
