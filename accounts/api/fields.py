"""Serializer fields in the forms that the families share.

What is taken is taken by its JSON type alone: a number in quotes is no number, 1 is no true, and a number is no text.
Each of these fields says in `openapi` exactly what it takes, or shows.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator, URLValidator
from django.db import models
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.api.filters import BIGGEST, read_instant
from accounts.api.rendering import number
from accounts.days import day_of
from accounts.models import Person

FIRST = datetime(1, 1, 2, tzinfo=UTC)
LAST = datetime(9999, 12, 31, tzinfo=UTC)
# What shows as nothing, spelled out because patterns of JSON Schema and of Python mean different things by \\s.
BLANKS = r"\t-\r\x1c- \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
BLANK = rf"^[{BLANKS}]*$"
TEXT = r"^[^\x00]*$"
TEXT_TO_SEE = rf"^[^\x00]*[^\x00{BLANKS}][^\x00]*$"
WEB_ADDRESS = r"^[Hh][Tt][Tt][Pp][Ss]?://"

ID: dict[str, Any] = {"type": "integer", "minimum": 1, "maximum": BIGGEST}
COUNT: dict[str, Any] = {"type": "integer", "minimum": 0, "maximum": BIGGEST}
PERCENT: dict[str, Any] = {"type": "number", "minimum": 0, "maximum": 100}
# In the domain Django takes letters of all alphabets.
MAIL: dict[str, Any] = {"type": "string", "format": "idn-email", "maxLength": 254, "pattern": r"^.+@[^@]+$"}
MAIL_OR_NOTHING: dict[str, Any] = {"anyOf": [MAIL, {"type": "string", "enum": [""]}]}


def instant(value: datetime) -> str:
    """`2026-01-10T00:00:00.000000Z`: UTC, always with six decimals."""
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def instant_or_null(value: datetime | None) -> str | None:
    return None if value is None else instant(value)


def schema_of(field: Any) -> dict[str, Any]:
    """What one of the fields below takes, or shows."""
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

    openapi = {"type": "string", "format": "uri", "maxLength": 2000, "pattern": WEB_ADDRESS}

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
    def most(self) -> Decimal:
        return highest(self.max_digits, self.decimal_places) if self.max_value is None else Decimal(self.max_value)

    @property
    def openapi(self) -> dict[str, object]:
        step = float(Decimal(1).scaleb(-(self.decimal_places or 0)))
        return {"type": "number", "minimum": self.min_value, "maximum": float(self.most), "multipleOf": step}

    def to_internal_value(self, data: Any) -> Decimal:
        if isinstance(data, bool) or not isinstance(data, int | float):
            self.fail("invalid")
        # Fifteen digits are what a float is sure to hold: 0.1 + 0.2 is 0.3, and not 0.30000000000000004.
        amount: Decimal = super().to_internal_value(format(data, ".15g") if isinstance(data, float) else data)
        if float(data) > float(self.most):  # By less than these digits show.
            self.fail("max_value", max_value=self.most)
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


# What is shown. Each bound is one that the database holds, or that every write is checked for.


def described(column: "models.Field[Any, Any]") -> dict[str, Any]:
    """What a column can show as text or as a number, from the column's own declaration: the only one of its bounds."""
    least = [one.limit_value for one in column.validators if isinstance(one, MinValueValidator)]
    most = [one.limit_value for one in column.validators if isinstance(one, MaxValueValidator)]
    if isinstance(column, models.DecimalField):
        most.append(highest(column.max_digits, column.decimal_places))
        return {"type": "number", "minimum": float(max(least)), "maximum": float(min(most))}
    if isinstance(column, models.IntegerField):
        return {"type": "integer", "minimum": max(least), "maximum": min(most)}
    longest = {} if column.max_length is None else {"maxLength": column.max_length}
    shortest = {} if column.blank else {"minLength": 1}
    if isinstance(column, models.EmailField):
        return MAIL_OR_NOTHING if column.blank else MAIL
    if any(isinstance(one, URLValidator) for one in column.validators):
        # Django takes letters of all alphabets in an address, so that not each is what RFC 3986 calls a URI.
        return {"type": "string", **longest, "pattern": WEB_ADDRESS}
    return {"type": "string", **shortest, **longest}


def highest(digits: int | None, places: int | None) -> Decimal:
    """The biggest number of so many digits, of which so many are decimals."""
    return Decimal(10) ** ((digits or 0) - (places or 0)) - Decimal(1).scaleb(-(places or 0))


def column_of(model: type[models.Model], name: str) -> "models.Field[Any, Any]":
    found = model._meta.get_field(name)  # noqa: SLF001 - Django's documented name
    if not isinstance(found, models.Field):
        raise TypeError(f"{model.__name__}.{name} is no column")
    return found


NAMES = [column_of(Person, name).max_length or 0 for name in ("first_name", "last_name")]
FULL_NAME: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": sum(NAMES) + 1}


class ShownField(serializers.Field[Any, Any, Any, Any]):
    """Shown as it is; `openapi` says what it can be."""

    def __init__(self, openapi: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.openapi = openapi

    def to_representation(self, value: Any) -> Any:
        return value


class ColumnField(serializers.Field[Any, Any, Any, Any]):
    """A column's value as it is, null where the column may be."""

    def __init__(self, model: type[models.Model], column: str, **kwargs: Any) -> None:
        self.column = column_of(model, column)
        super().__init__(**{"allow_null": self.column.null, **kwargs})

    @property
    def openapi(self) -> dict[str, Any]:
        return described(self.column)

    def to_representation(self, value: Any) -> Any:
        return value


def several(serializer: Callable[..., Any], *, most: int, least: int | None = None) -> Any:
    """A list of so many objects."""
    return serializer(many=True, min_length=least, max_length=most)


class NumberField(ColumnField):
    """A decimal column, shown as given: 82, not 82.0."""

    def to_representation(self, value: Decimal) -> int | float | None:
        return number(value)


class FloatingField(ColumnField):
    """A decimal column, shown with a decimal point: 200.0."""

    def to_representation(self, value: Decimal) -> float:
        return float(value)
