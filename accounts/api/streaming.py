"""Long lists, in chunks by key: memory does not grow with the rows, and no transaction is open while a client reads."""

from collections.abc import Callable, Iterator
from typing import Any

from django.http import StreamingHttpResponse

from accounts.api.rendering import to_json
from accounts.api.resource import Chunk

CHUNK = 2000  # Rows of one query, unless a list says otherwise.

Read = Callable[[Any, int], Chunk]
"""The rows behind the one with this key (None: from the first on), at most so many."""


def json_array(read: Read, *, chunk: int | None = None) -> StreamingHttpResponse:
    """A complete JSON array, read in short queries of `chunk` rows. The first chunk is read here, so that a failure of
    it is an answer; a later one breaks the connection, so that a cut list can't pass for a whole one.
    """
    size = chunk or CHUNK
    return StreamingHttpResponse(_pieces(read, read(None, size), size), content_type="application/json")


def _pieces(read: Read, found: Chunk, size: int) -> Iterator[bytes]:
    separator = b"["
    while found.objects:
        yield separator + to_json(found.objects)[1:-1]
        separator = b","
        found = read(found.keys[-1], size) if len(found.keys) == size else Chunk((), ())
    yield b"[]" if separator == b"[" else b"]"
