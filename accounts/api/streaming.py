"""Long lists, in chunks by key: memory does not grow with the rows, and no transaction is open while a client reads."""

from collections.abc import Iterator

from django.http import StreamingHttpResponse

from accounts.api.rendering import to_json
from accounts.api.resource import Chunk, Selection

CHUNK = 2000  # Rows of one query, unless a list says otherwise.


def json_array(chosen: Selection, *, chunk: int | None = None) -> StreamingHttpResponse:
    """A complete JSON array, read in short queries of `chunk` rows. The first chunk is read here, so that a failure of
    it is an answer; a later one breaks the connection, so that a cut list can't pass for a whole one.
    """
    chunks = chosen.chunks(chunk or CHUNK)
    return StreamingHttpResponse(_pieces(next(chunks, None), chunks), content_type="application/json")


def _pieces(first: Chunk | None, rest: Iterator[Chunk]) -> Iterator[bytes]:
    if first is None:
        yield b"[]"
        return
    yield to_json(first.objects)[:-1]
    for found in rest:
        yield b"," + to_json(found.objects)[1:-1]
    yield b"]"
