"""What each operation reads, by its family's OpenAPI document: the keys of its body and the parts of its address."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.contracts.families import Family, Ids, Request, Said
from tests.hostile.table import MANY, VALUES, with_value

LONGEST = 65_536  # Bytes of a target.
ANY_TEXT = {"type": "string", "pattern": "^[^\\x00]*$"}
# Values as they stand in an address. The first are refused wherever they stand.
NO_TEXTS = {
    "NUL": "a%00b",
    "half a surrogate pair": "%ED%A0%80",
    "a byte that begins nothing": "%ff",
    "longer than an address": "a" * 70_000,
}
NO_VALUES = NO_TEXTS | {
    f"{MANY:,} ids": ",".join(str(number) for number in range(1, MANY + 1)),
    "4,000 digits": "9" * 4_000,
    "minus 4,000 digits": "-" + "9" * 4_000,
    "1e400": "1e400",
    "NaN": "NaN",
    "-Infinity": "-Infinity",
    "20,000 letters": "a" * 20_000,
    "900 deep": "[" * 900 + "]" * 900,
}


@dataclass(frozen=True)
class Sent:
    """One hostile value on its way: `where` it stands, `what` it is."""

    family: Family
    request: Request
    where: str
    what: str
    target: str
    body: bytes
    alone: bool = False  # Without another credential: it is one itself.

    @property
    def name(self) -> str:
        return f"{self.request.name} {self.where}: {self.what}"

    def is_refused(self, status: int, said: str | bytes) -> bool:
        """Clearly, and in the family's own words. What is wrong under a key is said of the key or of all."""
        of_key = Said(422, fields={self.where: ["x"]})
        shapes = [set(self.family.shape(said)) for said in (Said(400, ["x"], code="x"), of_key)]
        statuses = {400, 404, self.family.unprocessable}
        if len(self.target) > LONGEST:
            statuses = {414}
        elif self.alone:
            statuses = {400, 401}
        return status in statuses and set(json.loads(said)) in shapes


def hostile(family: Family, document: Any, request: Request, ids: Ids) -> Iterator[Sent]:
    """All of an operation: each value in each of its places."""
    path, operation = operation_of(document, request)
    own = request.body(ids) if request.body else {}
    both = {**ids, **{f"own_{name}": value for name, value in ids.items()}}
    others = [one.body(both) for one in family.mentions if one.body and (one.method, one.path) == key(request)]
    for name in sorted(keys_of(document, operation)):
        body = next((one for one in (own, *others) if name in one), own)
        for what, value in VALUES.items():
            yield Sent(family, request, name, what, request.target(ids), with_value(body, name, value))
    for parameter in operation.get("parameters", ()):
        name = parameter["name"]
        for what, value in (NO_TEXTS if parameter["schema"] == ANY_TEXT else NO_VALUES).items():
            if parameter["in"] == "path":
                target = in_path(path, name, request, ids, value)
            elif parameter["in"] == "query":
                target = in_query(name, request, ids, value)
            else:
                continue
            yield Sent(family, request, name, what, target, b"{}" if request.body else b"")
    for name in (credentials := credentials_of(document, operation)):
        for what, value in NO_VALUES.items():
            query = "&".join(f"{one}={value if one == name else 'x'}" for one in credentials)
            yield Sent(family, request, name, what, request.target(ids, query), b"", alone=True)


def key(request: Request) -> tuple[str, str]:
    return request.method, request.path


def operation_of(document: Any, request: Request) -> tuple[str, Any]:
    """With its path, as the document writes it."""
    form = re.sub(r"\{\w+\}", "{}", request.path)
    path = next(one for one in document["paths"] if re.sub(r"\{\w+\}", "{}", one) == form)
    return path, document["paths"][path][request.method.lower()]


def keys_of(document: Any, operation: Any) -> set[str]:
    """Of every form of its body."""
    content: Mapping[str, Any] = operation.get("requestBody", {}).get("content", {})
    return {name for form in content.values() for name in _keys(document, form["schema"])}


def _keys(document: Any, schema: Any) -> Iterator[str]:
    if "$ref" in schema:
        yield from _keys(document, document["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    yield from schema.get("properties", ())
    for several in ("oneOf", "anyOf", "allOf"):
        for form in schema.get(several, ()):
            yield from _keys(document, form)


def credentials_of(document: Any, operation: Any) -> list[str]:
    """Those that stand in an address."""
    schemes = document["components"]["securitySchemes"]
    return [
        schemes[one]["name"] for choice in operation["security"] for one in choice if schemes[one].get("in") == "query"
    ]


def in_path(path: str, name: str, request: Request, ids: Ids, value: str) -> str:
    parts = [
        value if declared == f"{{{name}}}" else own.format_map(ids)
        for declared, own in zip(path.split("/"), request.path.split("/"), strict=True)
    ]
    query = request.query.format_map(ids)
    return "/".join(parts) + "?" * bool(query) + query


def in_query(name: str, request: Request, ids: Ids, value: str) -> str:
    kept = [part for part in request.query.format_map(ids).split("&") if part and part.partition("=")[0] != name]
    return f"{request.path.format_map(ids)}?{'&'.join([*kept, f'{name}={value}'])}"
