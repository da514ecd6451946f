"""Columns as lists and pages show them: numbers without the zeros that the database keeps behind them, and, in a list
of several organizations' rows, each row's times in its own organization's zone.
"""

from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db import models

Column = Callable[[Any], str | None]


def in_short(number: Decimal) -> str:
    """92.5, not 92.5000."""
    return f"{number.normalize():f}"


@cache
def short(label: str, name: str) -> Column | str:
    """A declared column of the model that is so labelled, or the name itself where that is none of a decimal number."""
    field = _field(label, name)
    if not isinstance(field, models.DecimalField):
        return name

    def column(row: Any) -> str | None:
        value = getattr(row, name)
        return None if value is None else in_short(value)

    return _named(column, field)


@cache
def in_own_zone(label: str, name: str) -> Column | str:
    """As above, of an instant; the zone is named, because the row below may have another one."""
    field = _field(label, name)
    if not isinstance(field, models.DateTimeField):
        return name

    def column(row: Any) -> str | None:
        at, organization = getattr(row, name), row.organization
        if at is None:
            return None
        zone = "UTC" if organization is None else organization.time_zone
        return f"{at if organization is None else at.astimezone(organization.zone):%Y-%m-%d %H:%M} {zone}"

    return _named(column, field)


def _field(label: str, name: str) -> Any:
    try:
        return apps.get_model(label)._meta.get_field(name)  # noqa: SLF001 - Django's documented name
    except FieldDoesNotExist:
        return None


def _named(column: Any, field: Any) -> Column:
    """With what the admin reads of a column that is a function: its class, its title, and what it is sorted by."""
    column.__name__ = column.admin_order_field = field.name
    column.short_description = field.verbose_name
    named: Column = column
    return named
