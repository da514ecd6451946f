"""django-filter, strictly: each filter says what it accepts, and a value that it cannot parse is refused by name.

A filter is three things: how a value is read from text (`read`), what it asks of the rows (`ask`: which of the
filter's conditions, and the values in it), and that condition (`where`). Lists put them together without a form
(`StrictFilterSet.asked`), so that a query is compiled once for each set of conditions; as a FilterSet they do the same.
"""

# ruff: noqa: ARG002 - a filter's methods get arguments that not every filter needs

import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

import django_filters
from django import forms
from django.db import models
from django.db.models import Q, QuerySet

from accounts.api.errors import ApiError
from accounts.api.query import shown
from accounts.days import day_end, day_start
from accounts.models import Organization
from accounts.search import searchable
from accounts.statements import Slot, containing

Row = TypeVar("Row", bound=models.Model)
BIGGEST = 2**63 - 1  # What a column of either database holds.
# Characters. No filtered column holds a longer text, and SQLite fails at a pattern of 50,000 bytes.
LONGEST = 2000

Kind = Hashable
"""Which of a filter's conditions: its number of values, or the like. Most filters have one."""
NOTHING: Kind = "nothing"
"""The condition that no row meets."""
Asked = tuple[Kind, Sequence[Any]]


def read_uuid(text: str) -> UUID:
    """A uuid as it is shown, in either case. Raises ValueError: Python's own reader also takes braces and urn:uuid:."""
    if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text, re.ASCII | re.IGNORECASE):
        raise ValueError("not a uuid")
    return UUID(text)


def read_instant(text: str) -> datetime:
    """RFC 3339 with an offset, in UTC. A `+` that a query turned into a space is understood. Raises ValueError."""
    pattern = r"([0-9-]{10})[Tt ]([0-9:]{8}(?:\.[0-9]{1,9})?)([Zz]|[+ -][0-9]{2}:[0-9]{2})"
    match = re.fullmatch(pattern, text, re.ASCII)
    if match is None:
        raise ValueError("not an RFC 3339 time")
    day, time, offset = match.groups()
    try:
        return datetime.fromisoformat(f"{day}T{time}{offset.replace(' ', '+').upper()}").astimezone(UTC)
    except OverflowError as error:
        raise ValueError("outside the calendar") from error


def read_integer(text: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,19}", text, re.ASCII) or abs(int(text)) > BIGGEST:
        raise ValueError("not a whole number")
    return int(text)


def read_year(text: str) -> int:
    year = read_integer(text)
    if not 1 <= year <= 9999:  # noqa: PLR2004 - the years that a date can have
        raise ValueError("not a year")
    return year


def read_day(text: str) -> date:
    # date.fromisoformat alone also takes 20150101 and 2015-W01-1.
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text, re.ASCII):
        raise ValueError("not a day")
    return date.fromisoformat(text)


def read_text(text: str) -> str:
    if "\0" in text:
        raise ValueError("PostgreSQL takes NUL in no text")
    return text


class ReadField(forms.Field):
    """A filter's reader as a form's field."""

    def __init__(self, *, read: Callable[[str], Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.read = read

    def to_python(self, value: str | None) -> Any:
        if not value:
            return None
        try:
            return self.read(value)
        except ValueError as error:
            raise forms.ValidationError("not accepted") from error


class Filter(django_filters.Filter):
    """`field_name` compared by `lookup_expr` with the one value."""

    field_class = ReadField
    accepted: str
    openapi: Mapping[str, object]
    """The schema of what is accepted, a blank value apart."""
    column: "models.Field[Any, Any]" = models.TextField()
    """What the values of its condition are, for the database."""

    def __init__(self, field_name: str | None = None, **kwargs: Any) -> None:
        super().__init__(field_name=field_name, read=self.read, **kwargs)

    def read(self, text: str) -> Any:
        """The value that a text says. None: no condition. Raises ValueError."""
        raise NotImplementedError

    def ask(self, value: Any, organization: Organization) -> Asked:
        return "", (value,)

    def where(self, kind: Kind, values: Sequence[Any]) -> Q:
        """The condition on these values, or on slots for them."""
        return Q(**{f"{self.field_name}__{self.lookup_expr}": values[0]})

    def condition(self, kind: Kind, values: Sequence[Any]) -> Q:
        return Q(pk__in=()) if kind == NOTHING else self.where(kind, values)

    def filter(self, qs: QuerySet[Row], value: Any) -> QuerySet[Row]:
        if value is None:
            return qs
        return qs.filter(self.condition(*self.ask(value, self.parent.organization)))


def padded(values: Sequence[Any]) -> list[Any]:
    """With the last one again and again, up to a power of two: a statement is kept for each number of values."""
    return [*values, *[values[-1]] * ((1 << (len(values) - 1).bit_length()) - len(values))]


class ListFilter(Filter):
    """Any of several values, separated by commas or given repeatedly, each read by `item`, at most `limit`."""

    item: Callable[[str], Any]
    items: ClassVar[str]
    """What `item` accepts."""
    schema: ClassVar[Mapping[str, object]]
    """Of one item."""
    limit: ClassVar[int] = 100

    def __init__(self, field_name: str | None = None, **kwargs: Any) -> None:
        super().__init__(field_name, lookup_expr="in", **kwargs)
        self.accepted = f"at most {self.limit} of: {self.items}"
        self.openapi = {"type": "array", "items": self.schema, "maxItems": self.limit}

    def read(self, text: str) -> list[Any] | None:
        texts = [part.strip() for part in text.split(",") if part.strip()]
        if len(texts) > self.limit:
            raise ValueError("too many")
        return [type(self).item(part) for part in texts] or None

    def ask(self, value: list[Any], organization: Organization) -> Asked:
        return self.among(value)

    def among(self, values: Sequence[Any]) -> Asked:
        return (len(padded(values)), padded(values)) if values else (NOTHING, ())

    def where(self, kind: Kind, values: Sequence[Any]) -> Q:
        return Q(**{f"{self.field_name}__in": values})


class UuidListFilter(ListFilter):
    item = staticmethod(read_uuid)
    items = "uuids such as a4db8702-79d5-4396-a717-e301d52ecc11"
    schema = {"type": "string", "format": "uuid"}
    column: "models.Field[Any, Any]" = models.UUIDField()


class IntegerFilter(Filter):
    accepted = "a whole number"
    openapi = {"type": "integer", "minimum": -BIGGEST, "maximum": BIGGEST}
    column: "models.Field[Any, Any]" = models.BigIntegerField()

    def read(self, text: str) -> int:
        return read_integer(text)


class TextFilter(Filter):
    """Equals, to the letter."""

    accepted = "text without NUL characters"
    openapi = {"type": "string", "pattern": r"^[^\x00]*$"}

    def read(self, text: str) -> str:
        return read_text(text)

    def ask(self, value: str, organization: Organization) -> Asked:
        return (NOTHING, ()) if len(value) > LONGEST else super().ask(value, organization)


class ContainsFilter(TextFilter):
    """Contained in any of the normalised columns, ignoring case. Percent sign, underscore and backslash are ordinary."""

    def __init__(self, *columns: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.columns = columns

    def ask(self, value: str, organization: Organization) -> Asked:
        text = searchable(value)
        return super().ask(containing(text) if len(text) <= LONGEST else text, organization)

    def where(self, kind: Kind, values: Sequence[Any]) -> Q:
        condition = Q()
        for column in self.columns:
            condition |= Q(**{f"{column}__like": values[0]})
        return condition


class OneOfFilter(Filter):
    """One of a family's words, by what the ledger calls it."""

    def __init__(self, words: Mapping[str, Any], field_name: str | None = None, **kwargs: Any) -> None:
        super().__init__(field_name, **kwargs)
        self.words = words
        self.accepted = f"one of {', '.join(words)}"
        self.openapi = {"type": "string", "enum": list(words)}
        if all(isinstance(value, bool) for value in words.values()):
            self.column = models.BooleanField()

    def read(self, text: str) -> Any:
        if text not in self.words:
            raise ValueError("not one of them")
        return self.words[text]


class DateFilter(Filter):
    """A plain date column. `lookup_expr` is exact, gte or lte."""

    accepted = "a day as YYYY-MM-DD"
    openapi = {"type": "string", "format": "date"}
    column: "models.Field[Any, Any]" = models.DateField()

    def read(self, text: str) -> date:
        return read_day(text)


class DayFilter(DateFilter):
    """An instant that falls on a day of the organization's time zone (`exact`), on it or after (`gte`), on it or
    before (`lte`), before it (`lt`). A half-open range of instants, so that an index serves it.
    """

    column: "models.Field[Any, Any]" = models.DateTimeField()

    def ask(self, value: date, organization: Organization) -> Asked:
        zone = organization.zone
        match self.lookup_expr:
            case "exact":
                return "", (day_start(value, zone), day_end(value, zone))
            case "lte":
                return "", (day_end(value, zone),)
        return "", (day_start(value, zone),)

    def where(self, kind: Kind, values: Sequence[Any]) -> Q:
        bounds = {"exact": ("gte", "lt"), "gte": ("gte",), "lte": ("lt",), "lt": ("lt",)}[self.lookup_expr]
        return Q(**{f"{self.field_name}__{bound}": value for bound, value in zip(bounds, values, strict=True)})


class YearFilter(DayFilter):
    """An instant that falls in a year of the organization's time zone."""

    accepted = "a year from 1 to 9999"
    openapi = {"type": "integer", "minimum": 1, "maximum": 9999}

    def read(self, text: str) -> date:
        return date(read_year(text), 1, 1)

    def ask(self, value: date, organization: Organization) -> Asked:
        zone = organization.zone
        return "", (day_start(value, zone), day_end(value.replace(month=12, day=31), zone))


@dataclass(frozen=True)
class Conditions:
    """What a query asks of the rows: conditions, each by its parameter and kind, and the values in them."""

    kinds: tuple[tuple[str, Kind, int], ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    canonical: Mapping[str, object] = field(default_factory=dict)
    """What was asked for, each list in one order: equal for queries that mean the same."""


class StrictFilterSet(django_filters.FilterSet, Generic[Row]):
    """The documented filters of a list, by their documented names. `aliases` are other documented spellings."""

    aliases: ClassVar[Mapping[str, str]] = {}

    def __init__(self, given: Mapping[str, list[str]], *, queryset: QuerySet[Row], organization: Organization) -> None:
        self.organization = organization
        super().__init__(data={name: ",".join(values) for name, values in given.items()}, queryset=queryset)

    @classmethod
    def repeatable(cls) -> set[str]:
        """The parameters that take several values, separated by commas or repeated."""
        return {name for name, declared in cls.base_filters.items() if isinstance(declared, ListFilter)}

    @classmethod
    def asked(cls, given: Mapping[str, list[str]], organization: Organization) -> Conditions:
        """The conditions of a query's filters, its other parameters left alone. Raises ApiError 400, naming each value
        that is not accepted, and what is.
        """
        read: dict[str, Any] = {}
        wrong: dict[str, list[str]] = {}
        for name, declared in cls.base_filters.items():
            if name not in given:
                continue
            text = ",".join(given[name])
            try:
                read[name] = declared.read(text)
            except ValueError:
                wrong[name] = [f"{shown(text)!r} is not accepted. Give {declared.accepted}."]
        if wrong:
            raise ApiError.bad_query(wrong)
        kinds: list[tuple[str, Kind, int]] = []
        bound: dict[str, Any] = {}
        canonical: dict[str, object] = {}
        for name in sorted(name for name, value in read.items() if value is not None):
            value = read[name]
            kind, values = cls.base_filters[name].ask(value, organization)
            kinds.append((name, kind, len(values)))
            bound |= {f"{name} {number}": one for number, one in enumerate(values)}
            canonical[name] = sorted(set(map(str, value))) if isinstance(value, list) else value
        return Conditions(tuple(kinds), bound, canonical)

    @classmethod
    def narrowed(cls, rows: QuerySet[Row], kinds: Sequence[tuple[str, Kind, int]]) -> QuerySet[Row]:
        """The rows that meet conditions, with slots in place of their values."""
        for name, kind, count in kinds:
            declared = cls.base_filters[name]
            slots = [Slot(f"{name} {number}", declared.column) for number in range(count)]
            rows = rows.filter(declared.condition(kind, slots))
        return rows
