"""Serializer fields in the forms that the families share.

What is taken is taken by its JSON type alone: a number in quotes is no number, 1 is no true, and a number is no text.
Each of these fields says in `openapi` exactly what it takes.
"""

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
# What shows as nothing, spelled out because patterns of JSON Schema and of Python mean different things by \\s.
BLANKS = r"\t-\r\x1c- \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
BLANK = rf"^[{BLANKS}]*$"
TEXT = r"^[^\x00]*$"
TEXT_TO_SEE = rf"^[^\x00]*[^\x00{BLANKS}][^\x00]*$"


def instant(value: datetime) -> str:
    """`2026-01-10T00:00:00.000000Z`: UTC, always with six decimals."""
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def instant_or_null(value: datetime | None) -> str | None:
    return None if value is None else instant(value)


def schema_of(field: Any) -> dict[str, Any]:
    """What one of the fields below takes."""
    return dict(field.openapi)


class TypedText(serializers.CharField):
    """Text by its JSON type alone, its length counted as it is given."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        if self.max_length is not None and len(data) > self.max_length:
            self.fail("max_length", max_length=self.max_length)
        text: str = super().to_internal_value(data)
        return text


class TextField(TypedText):
    """Text without NUL; not blank, unless `allow_blank`."""

    @property
    def openapi(self) -> dict[str, object]:
        longest = {} if self.max_length is None else {"maxLength": self.max_length}
        return {"type": "string", **longest, "pattern": TEXT if self.allow_blank else TEXT_TO_SEE}


class MailField(TypedText, serializers.EmailField):
    """An address, or nothing."""

    openapi = {"anyOf": [{"type": "string", "format": "email", "maxLength": 254}, {"type": "string", "pattern": BLANK}]}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_blank=True, max_length=254, **kwargs)


class WebAddressField(TypedText, serializers.URLField):
    """An address of the web: http or https."""

    openapi = {"type": "string", "format": "uri", "maxLength": 2000, "pattern": r"^[Hh][Tt][Tt][Pp][Ss]?://"}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=2000, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        url = super().to_internal_value(data)
        if not url.lower().startswith(("http://", "https://")):
            raise serializers.ValidationError("Give an address that begins with http:// or https://.")
        return url


class WholeField(serializers.IntegerField):
    """A whole number. (1.0 is one, in JSON.)"""

    @property
    def openapi(self) -> dict[str, object]:
        return {"type": "integer", "minimum": self.min_value, "maximum": self.max_value}

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int | float):
            self.fail("invalid")
        if isinstance(data, float) and not data.is_integer():
            self.fail("invalid")
        return int(data)


class AmountField(serializers.DecimalField):
    """A number with so many decimals at most."""

    @property
    def openapi(self) -> dict[str, object]:
        places = self.decimal_places or 0
        biggest = Decimal(10) ** ((self.max_digits or 0) - places) - Decimal(1).scaleb(-places)
        highest = biggest if self.max_value is None else self.max_value
        step = float(Decimal(1).scaleb(-places))
        return {"type": "number", "minimum": self.min_value, "maximum": float(highest), "multipleOf": step}

    def to_internal_value(self, data: Any) -> Decimal:
        if isinstance(data, bool) or not isinstance(data, int | float):
            self.fail("invalid")
        # Fifteen digits are what a float is sure to hold: 0.1 + 0.2 is 0.3, and not 0.30000000000000004.
        amount: Decimal = super().to_internal_value(format(data, ".15g") if isinstance(data, float) else data)
        return amount


class FlagField(serializers.BooleanField):
    openapi = {"type": "boolean"}

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class WordField(serializers.ChoiceField):
    """One of several words."""

    @property
    def openapi(self) -> dict[str, object]:
        return {"type": "string", "enum": [str(word) for word in self.choices]}


class InstantField(serializers.DateTimeField):
    """Takes RFC 3339 with an offset; shows UTC with six decimals."""

    openapi = {
        "type": "string",
        "format": "date-time",
        "description": "RFC 3339, from 0001-01-02T00:00:00Z to 9999-12-31T00:00:00Z.",
    }

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


class IdField(WholeField):
    """An id that a column can hold."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=BIGGEST, **kwargs)


class ShortListField(serializers.ListField):
    """A list whose length is refused before its items are looked at: a million wrong ones would be a million errors."""

    def __init__(self, *, longest: int, **kwargs: Any) -> None:
        super().__init__(max_length=longest, **kwargs)
        self.longest = longest

    @property
    def openapi(self) -> dict[str, object]:
        shortest = {} if self.allow_empty else {"minItems": 1}
        return {"type": "array", "items": schema_of(self.child), **shortest, "maxItems": self.longest}

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
