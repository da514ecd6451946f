"""django-filter, strictly: each filter says what it accepts, and a value that it cannot parse is refused by name."""

import re
from collections.abc import Callable, Mapping
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

Row = TypeVar("Row", bound=models.Model)
BIGGEST = 2**63 - 1  # What a column of either database holds.
# Characters. No filtered column holds a longer text, and SQLite fails at a pattern of 50,000 bytes.
LONGEST = 2000


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


class StrictIntegerField(forms.Field):
    accepted = "a whole number"

    def to_python(self, value: str | None) -> int | None:
        if not value:
            return None
        if not re.fullmatch(r"-?[0-9]{1,19}", value, re.ASCII) or abs(int(value)) > BIGGEST:
            raise forms.ValidationError("not a whole number")
        return int(value)


class YearField(StrictIntegerField):
    accepted = "a year from 1 to 9999"

    def to_python(self, value: str | None) -> int | None:
        year = super().to_python(value)
        if year is not None and not 1 <= year <= 9999:  # noqa: PLR2004 - the years that a date can have
            raise forms.ValidationError("not a year")
        return year


class DayField(forms.Field):
    accepted = "a day as YYYY-MM-DD"

    def to_python(self, value: str | None) -> date | None:
        if not value:
            return None
        # date.fromisoformat alone also takes 20150101 and 2015-W01-1.
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value, re.ASCII):
            raise forms.ValidationError("not a day")
        try:
            return date.fromisoformat(value)
        except ValueError as error:
            raise forms.ValidationError("no such day") from error


class TextField(forms.CharField):
    accepted = "text without NUL characters"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(strip=False, **kwargs)


class OneOfField(forms.Field):
    def __init__(self, *, values: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.values = values
        self.accepted = f"one of {', '.join(values)}"

    def to_python(self, value: str | None) -> Any:
        if not value:
            return None
        if value not in self.values:
            raise forms.ValidationError("not one of them")
        return self.values[value]


class ListField(forms.Field):
    """Values separated by commas or given repeatedly, each parsed by `item`, at most `limit`."""

    def __init__(self, *, item: Callable[[str], Any], accepted: str, limit: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.item, self.limit = item, limit
        self.accepted = f"at most {limit} of: {accepted}"

    def to_python(self, value: str | None) -> list[Any] | None:
        if not value:
            return None
        texts = [text.strip() for text in value.split(",") if text.strip()]
        if len(texts) > self.limit:
            raise forms.ValidationError("too many")
        try:
            return [self.item(text) for text in texts] or None
        except ValueError as error:
            raise forms.ValidationError("not accepted") from error


class ListFilter(django_filters.Filter):
    """Any of several values. Subclasses say which rows have them."""

    field_class = ListField
    item: Callable[[str], Any]
    accepted: ClassVar[str]
    limit: ClassVar[int] = 100

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(item=type(self).item, accepted=self.accepted, limit=self.limit, **kwargs)


class UuidListFilter(ListFilter):
    item = staticmethod(read_uuid)
    accepted = "uuids such as a4db8702-79d5-4396-a717-e301d52ecc11"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(lookup_expr="in", **kwargs)


class IntegerFilter(django_filters.Filter):
    field_class = StrictIntegerField


class TextFilter(django_filters.Filter):
    """Equals, to the letter."""

    field_class = TextField

    def filter(self, qs: QuerySet[Row], value: str | None) -> QuerySet[Row]:
        if value and len(value) > LONGEST:
            return qs.none()
        rows: QuerySet[Row] = super().filter(qs, value)
        return rows


class ContainsFilter(django_filters.Filter):
    """Contained in any of the normalised columns, ignoring case. Percent sign, underscore and backslash are ordinary."""

    field_class = TextField

    def __init__(self, *columns: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.columns = columns

    def filter(self, qs: QuerySet[Row], value: str | None) -> QuerySet[Row]:
        if not value:
            return qs
        text = searchable(value)
        if len(text) > LONGEST:
            return qs.none()
        condition = Q()
        for column in self.columns:
            condition |= Q(**{f"{column}__contains": text})
        return qs.filter(condition)


class OneOfFilter(django_filters.Filter):
    """One of a family's words, by what the ledger calls it."""

    field_class = OneOfField

    def __init__(self, values: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(values=values, **kwargs)
        self.values = values


class DateFilter(django_filters.Filter):
    """A plain date column. `lookup_expr` is exact, gte or lte."""

    field_class = DayField


class DayFilter(django_filters.Filter):
    """An instant that falls on a day of the organization's time zone (`exact`), on it or after (`gte`), on it or
    before (`lte`), before it (`lt`). A half-open range of instants, so that an index serves it.
    """

    field_class = DayField

    def filter(self, qs: QuerySet[Row], value: date | None) -> QuerySet[Row]:
        if value is None:
            return qs
        zone = self.parent.organization.zone
        start, end = day_start(value, zone), day_end(value, zone)
        bounds: dict[str, dict[str, datetime]] = {
            "exact": {"gte": start, "lt": end},
            "gte": {"gte": start},
            "lte": {"lt": end},
            "lt": {"lt": start},
        }
        return qs.filter(**{f"{self.field_name}__{bound}": at for bound, at in bounds[self.lookup_expr].items()})


class YearFilter(django_filters.Filter):
    """An instant that falls in a year of the organization's time zone."""

    field_class = YearField

    def filter(self, qs: QuerySet[Row], value: int | None) -> QuerySet[Row]:
        if value is None:
            return qs
        zone = self.parent.organization.zone
        start, end = day_start(date(value, 1, 1), zone), day_end(date(value, 12, 31), zone)
        return qs.filter(**{f"{self.field_name}__gte": start, f"{self.field_name}__lt": end})


class StrictFilterSet(django_filters.FilterSet, Generic[Row]):
    """The documented filters of a list, by their documented names. `aliases` are other documented spellings."""

    aliases: ClassVar[Mapping[str, str]] = {}

    def __init__(self, given: Mapping[str, list[str]], *, queryset: QuerySet[Row], organization: Organization) -> None:
        self.organization = organization
        super().__init__(data={name: ",".join(values) for name, values in given.items()}, queryset=queryset)

    def conditions(self) -> dict[str, object]:
        """What was asked for, parsed, each list in one order: equal for queries that mean the same."""
        values = {name: value for name, value in self.form.cleaned_data.items() if value not in (None, "")}
        return {
            name: sorted(set(map(str, value))) if isinstance(value, list) else value for name, value in values.items()
        }

    @classmethod
    def repeatable(cls) -> set[str]:
        """The parameters that take several values, separated by commas or repeated."""
        return {name for name, declared in cls.base_filters.items() if isinstance(declared, ListFilter)}

    def rows(self) -> QuerySet[Row]:
        """The filtered rows. Raises ApiError 400, naming each value and what is accepted."""
        form = self.form
        if not form.is_valid():
            raise ApiError.bad_query(
                {
                    name: [f"{shown(self.data.get(name, ''))!r} is not accepted. Give {form.fields[name].accepted}."]
                    for name in form.errors
                }
            )
        rows: QuerySet[Row] = self.filter_queryset(self.queryset)
        return rows
