"""Query strings, read strictly: a query that cannot be understood is refused, never answered with other rows."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes, urlencode

from django.http import HttpRequest

from accounts.api.errors import ApiError
from accounts.api.request_log import redact

Given = dict[str, list[str]]  # Values by documented name.
LAST_PAGE = 10**9
SHOWN = 100  # Characters of a caller's text that an error repeats.


def shown(text: str) -> str:
    """A caller's text as an error repeats it: short, and without a secret that went astray."""
    text = redact(text)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def read_query(
    request: HttpRequest,
    *,
    known: Collection[str],
    aliases: Mapping[str, str] | None = None,
    repeatable: Collection[str] = (),
) -> Given:
    """The values given, by documented name. A blank value means: not given.

    `aliases` are other spellings, by what they mean. Raises ApiError 400 for an unknown name (its value, which may
    be a secret, is not repeated), a value that is no UTF-8, and a single-valued parameter given twice.
    """
    aliases = aliases or {}
    try:
        unquote_to_bytes(request.META.get("QUERY_STRING", "").replace("+", " ")).decode()
    except UnicodeDecodeError as error:
        raise ApiError(400, ["The query string is not UTF-8."], code="invalid_query") from error
    given: Given = {}
    wrong: dict[str, list[str]] = {}
    for written, values in request.GET.lists():
        name = aliases.get(written, written)
        if name not in known:
            wrong[shown(written)] = [f"Unknown parameter. Known: {', '.join(sorted(known))}."]
            continue
        given.setdefault(name, []).extend(value for value in values if isinstance(value, str) and value.strip())
    for name, values in given.items():
        if len(values) > 1 and name not in repeatable:
            wrong[name] = ["Given more than once. Give one value."]
    if wrong:
        raise ApiError.bad_query(wrong)
    return {name: values for name, values in given.items() if values}


@dataclass(frozen=True)
class Page:
    number: int
    size: int

    @property
    def offset(self) -> int:
        return (self.number - 1) * self.size


def read_page(given: Mapping[str, list[str]], *, size: int, max_size: int) -> Page:
    """`page` from 1 and `per_page` up to `max_size`. Raises ApiError 400."""
    wrong: dict[str, list[str]] = {}
    numbers: dict[str, int] = {}
    for name, default, highest in (("page", 1, LAST_PAGE), ("per_page", size, max_size)):
        text = given.get(name, [str(default)])[0]
        valid = text.isascii() and text.isdigit() and len(text) <= len(str(highest)) and 1 <= int(text) <= highest
        if valid:
            numbers[name] = int(text)
        else:
            wrong[name] = [f"{shown(text)!r} is not accepted. Give a whole number from 1 to {highest}."]
    if wrong:
        raise ApiError.bad_query(wrong)
    return Page(numbers["page"], numbers["per_page"])


def addresses_of_pages(request: HttpRequest) -> Callable[[int], str]:
    """The request's own absolute address with another page, the other parameters kept."""
    given = {**dict(request.GET.lists()), "page": ["number"]}
    before, _, after = f"?{urlencode(given, doseq=True)}".partition("page=number")
    address = request.build_absolute_uri(request.path)
    return lambda number: f"{address}{before}page={number}{after}"
