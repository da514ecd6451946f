# ruff: noqa: ARG002 - Django's hooks get arguments that not every filter needs
from datetime import timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts.admin.filters import ChosenFilter, zone_of
from accounts.days import day_of
from accounts.models import Person
from training.figures import not_overdue, not_renewed, overdue, with_overdue
from training.models import State, TrainSession

Records = QuerySet[TrainSession]


class StandingFilter(ChosenFilter):
    """The state as it is shown: an unassigned record is that, whatever its state was."""

    title = "state"
    parameter_name = "standing"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("open", "Open (any)"),
            *((state.value, str(state.label)) for state in State),
            ("unassigned", "Unassigned"),
        ]

    def queryset(self, request: HttpRequest, queryset: Records) -> Records:
        live = queryset.filter(unassigned_at=None)
        match self.value():
            case None:
                return queryset
            case "unassigned":
                return queryset.exclude(unassigned_at=None)
            case "open":
                return live.exclude(state=State.COMPLETED)
        return live.filter(state=self.value())


class OverdueFilter(ChosenFilter):
    title = "overdue"
    parameter_name = "overdue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Overdue"), ("no", "Not overdue")]

    def queryset(self, request: HttpRequest, queryset: Records) -> Records:
        match self.value():
            case "yes":
                return overdue(queryset, timezone.now())
            case "no":
                return not_overdue(queryset, timezone.now())
        return queryset


class CertificateFilter(ChosenFilter):
    """Of each person and course, the newest completed record only: a certificate that was renewed is no concern."""

    title = "certificate"
    parameter_name = "certificate"
    within = ("30", "60", "90")

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        soon = [(days, f"Expires within {days} days") for days in self.within]
        return [*soon, ("expired", "Expired, not renewed"), ("valid", "Valid, not renewed")]

    def queryset(self, request: HttpRequest, queryset: Records) -> Records:
        value = self.value()
        if value is None:
            return queryset
        newest = not_renewed(queryset)
        today = day_of(timezone.now(), zone_of(request))
        if value in self.within:
            return newest.filter(cert_expiry__range=(today, today + timedelta(days=int(value))))
        if value == "expired":
            return newest.filter(cert_expiry__lt=today)
        return newest.filter(Q(cert_expiry=None) | Q(cert_expiry__gte=today))


class OverduePeopleFilter(ChosenFilter):
    """Of people: registered with their admin from here, because people do not know the ledger."""

    title = "training"
    parameter_name = "training"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("overdue", "Something overdue")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Person]) -> QuerySet[Person]:
        return with_overdue(queryset, timezone.now()) if self.value() else queryset
