"""Hostile inputs, each a body or the value of one key, as it stands in JSON. What they are sent to is every write of every
API family (`tests.contracts.families`), in tests and to a running server alike.
"""

import gzip
import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from tests.contracts.families import Said

DEPTH = 100_000
MANY = 10_000
MEGABYTES_10 = 10_000_000

NO_JSON = Said(400, ["The body is not valid JSON."], code="invalid_json")
TOO_LARGE = Said(413, ["The body is too large."])


@cache
def gzip_of_100_megabytes() -> bytes:
    return gzip.compress(bytes(100_000_000), 1)


# Bodies, each with its headers and what every family says of it. They are made when they are sent.
BODIES: Mapping[str, tuple[Callable[[], bytes], dict[str, str], Said]] = {
    "10 MB": (lambda: b'{"a": "' + b"a" * MEGABYTES_10 + b'"}', {}, TOO_LARGE),
    "arrays, deep": (lambda: b"[" * DEPTH + b"]" * DEPTH, {}, NO_JSON),
    "objects, deep": (lambda: b'{"a":' * DEPTH + b"1" + b"}" * DEPTH, {}, NO_JSON),
    "arrays, deep in a key": (lambda: b'{"a": ' + b"[" * DEPTH + b"]" * DEPTH + b"}", {}, NO_JSON),
    "arrays without end": (lambda: b"[" * DEPTH, {}, NO_JSON),
    "gzip": (lambda: gzip.compress(b"{}"), {"Content-Encoding": "gzip"}, NO_JSON),
    "gzip of 100 MB": (gzip_of_100_megabytes, {"Content-Encoding": "gzip"}, NO_JSON),
    "UTF-16": (lambda: '{"a": "\ud83d\ude00"}'.encode("utf-16", "surrogatepass")[:-1], {}, NO_JSON),
    "a surrogate in UTF-8": (lambda: b'{"a": "\xed\xa0\x80"}', {}, NO_JSON),
    "300,000 keys, one of them twice": (lambda: b'{"a":1,' + b'"b":1,' * 300_000 + b'"c":1}', {}, NO_JSON),
}


def _huge(digits: int) -> str:
    return "9" * digits


# Values of a key, all of them to be refused wherever they stand, in the family's own words.
VALUES: Mapping[str, str] = {
    "NUL": r'"a\u0000b"',
    "half a surrogate pair": r'"\ud800"',
    "the other half": r'"\udfff x"',
    f"{MANY:,} ids": json.dumps(list(range(1, MANY + 1))),
    f"{MANY:,} texts": json.dumps([f"C{number}" for number in range(MANY)]),
    "4,000 digits": _huge(4_000),
    "minus 4,000 digits": f"-{_huge(4_000)}",
    "10,000 digits": _huge(10_000),
    "1e400": "1e400",
    "-1e400": "-1e400",
    "1e308": "1e308",
    "NaN": "NaN",
    "Infinity": "Infinity",
    "-Infinity": "-Infinity",
    "an object": '{"a": {"b": []}}',
    "a list of lists": "[[[[]]]]",
    "a megabyte": f'"{"a" * 1_000_000}"',
    "900 deep": "[" * 900 + "]" * 900,
}
# What an address of the web is not. A browser would run the first ones, in whoever's name looks at them.
NO_ADDRESSES = (
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    " javascript:alert(1)",
    "java\nscript:alert(1)",
    "javascript://example.com/%0aalert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "file:///etc/passwd",
    "//example.com/x",
    "ftp://example.com/x",
    "http://",
    "https://exa mple.com/",
    "\u0000https://example.com/",
    "https://example.com/" + "a" * 2_000,
)


def with_value(body: Any, key: str, value: str) -> bytes:
    """The JSON of `body` with a value that is put in as it stands."""
    return json.dumps({**body, key: "<value>"}).replace('"<value>"', value).encode()
