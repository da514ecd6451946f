"""Filters of lists that every app's admin uses."""

from collections.abc import Iterator
from datetime import date, tzinfo
from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db import models
from django.http import HttpRequest
from django.utils import timezone

from accounts.admin.base import NARROWED, OwnChoices, is_id, is_superuser
from accounts.days import day_end, day_start
from accounts.models import Organization

ORGANIZATION = NARROWED


def zone_of(request: HttpRequest) -> tzinfo:
    """Whose days are meant: those of the organization that a superuser's list is narrowed to, else the user's own."""
    picked = request.GET.get(ORGANIZATION, "")
    if is_superuser(request) and is_id(picked):
        organization = Organization.objects.filter(pk=int(picked)).first()
        if organization is not None:
            return organization.zone
    return timezone.get_current_timezone()


def day_from(text: str) -> date:
    """Raises IncorrectLookupParameters: the list is shown without its filters then, and says so."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise IncorrectLookupParameters(str(error)) from error


class DayRangeFilter(admin.FieldListFilter):
    """From one day to another, both included and either left out: `completed_at_from`, `completed_at_to`.

    Of a column of instants, a range of them that an index serves: the days are those of the organization.
    """

    template = "admin/day_range_filter.html"

    def expected_parameters(self) -> list[str | None]:
        return [f"{self.field_path}_from", f"{self.field_path}_to"]

    def has_output(self) -> bool:
        return True

    def typed(self, end: str) -> str:
        given: Any = self.used_parameters.get(f"{self.field_path}_{end}") or [""]
        return str(given[-1]).strip()

    def queryset(self, request: HttpRequest, queryset: "models.QuerySet[Any]") -> "models.QuerySet[Any]":
        first, last = self.typed("from"), self.typed("to")
        instants = isinstance(self.field, models.DateTimeField)
        zone = zone_of(request) if instants and (first or last) else None
        if first:
            day = day_from(first)
            queryset = queryset.filter(**{f"{self.field_path}__gte": day_start(day, zone) if zone else day})
        if last:
            day = day_from(last)
            bound = {f"{self.field_path}__lt": day_end(day, zone)} if zone else {f"{self.field_path}__lte": day}
            queryset = queryset.filter(**bound)
        return queryset

    def choices(self, changelist: Any) -> Iterator[Any]:
        """One, for the template: what is typed, and what else the address says, which the form must keep."""
        own = self.expected_parameters()
        yield {
            "own_form": not getattr(changelist.model_admin, "list_filter_submit", False),
            "kept": kept(changelist, own),
            "ends": [
                {"name": name, "label": label, "value": self.typed(end)}
                for name, label, end in zip(own, ("From", "To"), ("from", "to"), strict=True)
            ],
            "clear": changelist.get_query_string(remove=own),
            "used": bool(self.typed("from") or self.typed("to")),
        }


def kept(changelist: Any, own: list[str | None]) -> list[tuple[str, Any]]:
    """What the list's address says besides a filter's own parameters: hidden fields of the filter's form."""
    several = (
        (name, given if isinstance(given, list) else [given]) for name, given in changelist.filter_params.items()
    )
    return [(name, value) for name, values in several if name not in own for value in values]


class OwnSelect(OwnChoices):
    """`OwnChoices` as a drop-down, for where a list of links would be long. One query."""

    template = "admin/select_filter.html"

    def has_output(self) -> bool:
        return True

    def queryset(self, request: HttpRequest, queryset: "models.QuerySet[Any]") -> "models.QuerySet[Any]":
        """All, where "All" was chosen: the form sends that as an empty value."""
        chosen = self.used_parameters.get(self.lookup_kwarg) != [""]
        return cast("models.QuerySet[Any]", super().queryset(request, queryset)) if chosen else queryset

    def choices(self, changelist: Any) -> Iterator[Any]:
        own = self.expected_parameters()
        given = self.lookup_val[-1] if isinstance(self.lookup_val, list) else self.lookup_val
        yield {
            "own_form": not getattr(changelist.model_admin, "list_filter_submit", False),
            "kept": kept(changelist, own),
            "name": self.lookup_kwarg,
            "options": [(value, text, value == str(given)) for value, text in self.lookup_choices],
        }


class ChosenFilter(admin.SimpleListFilter):
    """A filter by declared choices: any other value is refused, not shown as if nothing had been asked."""

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        if self.value() is not None and self.value() not in {str(value) for value, _ in self.lookup_choices}:
            raise IncorrectLookupParameters(f"{self.parameter_name}: {self.value()}")
