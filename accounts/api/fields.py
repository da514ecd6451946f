"""Serializer fields in the forms that the families share."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.api.filters import BIGGEST, read_instant
from accounts.api.rendering import number
from accounts.days import day_of

FIRST = datetime(1, 1, 2, tzinfo=UTC)
LAST = datetime(9999, 12, 31, tzinfo=UTC)


def instant(value: datetime) -> str:
    """`2026-01-10T00:00:00.000000Z`: UTC, always with six decimals."""
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def instant_or_null(value: datetime | None) -> str | None:
    return None if value is None else instant(value)


@extend_schema_field(OpenApiTypes.DATETIME)
class InstantField(serializers.DateTimeField):
    """Takes RFC 3339 with an offset; shows UTC with six decimals."""

    def to_internal_value(self, value: Any) -> datetime:
        if not isinstance(value, str):
            self.fail("invalid", format="YYYY-MM-DDThh:mm:ssZ")
        try:
            parsed = read_instant(value)
        except ValueError:
            self.fail("invalid", format="YYYY-MM-DDThh:mm:ssZ, with an offset")
        # Within a day of either end of the calendar an instant has no day in some time zones, and no list could show it.
        if not FIRST <= parsed <= LAST:
            self.fail("invalid", format=f"YYYY-MM-DDThh:mm:ssZ, from {instant(FIRST)} to {instant(LAST)}")
        return parsed

    def to_representation(self, value: datetime) -> str:
        return instant(value)


class IdField(serializers.IntegerField):
    """An id that a column can hold."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=BIGGEST, **kwargs)


class ShortListField(serializers.ListField):
    """A list whose length is refused before its items are looked at: a million wrong ones would be a million errors."""

    def __init__(self, *, longest: int, **kwargs: Any) -> None:
        super().__init__(max_length=longest, **kwargs)
        self.longest = longest

    def to_internal_value(self, data: Any) -> list[Any]:
        if isinstance(data, list) and len(data) > self.longest:
            raise serializers.ValidationError(f"At most {self.longest} items; {len(data)} were given.")
        items: list[Any] = super().to_internal_value(data)
        return items


@extend_schema_field(OpenApiTypes.DATE)
class DayField(serializers.Field[datetime, Any, str, Any]):
    """An instant, shown as the day that it falls on in the organization's time zone (`zone` of the context)."""

    def to_representation(self, value: datetime) -> str:
        day: date = day_of(value, self.context["zone"])
        return day.isoformat()


@extend_schema_field(OpenApiTypes.NUMBER)
class NumberField(serializers.DecimalField):
    """Takes any number; shows it as given: 82, not 82.0."""

    def to_representation(self, value: Decimal) -> int | float | None:  # type: ignore[override]  # numbers, not text
        return number(value)


@extend_schema_field(OpenApiTypes.NUMBER)
class FloatingField(serializers.DecimalField):
    """Takes any number; shows it with a decimal point: 200.0."""

    def to_representation(self, value: Decimal) -> float:  # type: ignore[override]  # numbers, not text
        return float(value)
