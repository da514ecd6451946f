"""Long lists, in chunks by key: memory does not grow with the rows, and no transaction is open while a client reads."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.http import StreamingHttpResponse

from accounts.api.rendering import to_json

CHUNK = 2000  # Rows of one query, unless a list says otherwise.

Fetch = Callable[[Any, int], Sequence[dict[str, Any]]]


def json_array(fetch: Fetch, *, key: str = "id", chunk: int | None = None) -> StreamingHttpResponse:
    """A complete JSON array. `fetch(after, limit)` gives the rows behind the one whose `key` is `after`, in short
    queries. The first chunk is fetched here, so that a failure of it is an answer; a later one breaks the connection,
    so that a cut list can't pass for a whole one.
    """
    size = chunk or CHUNK
    first = fetch(None, size)
    return StreamingHttpResponse(_pieces(first, fetch, key, size), content_type="application/json")


def _pieces(rows: Sequence[dict[str, Any]], fetch: Fetch, key: str, chunk: int) -> Iterator[bytes]:
    separator = b"["
    while rows:
        yield separator + to_json(rows)[1:-1]
        separator = b","
        rows = fetch(rows[-1][key], chunk) if len(rows) == chunk else ()
    yield b"[]" if separator == b"[" else b"]"
