# ruff: noqa: ARG002 - Django's hooks get arguments that not every filter needs
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts.admin.filters import ChosenFilter
from enrollments.figures import open_to_enroll, with_room, without_result
from enrollments.models import Enrollment, EnrollmentStatus, Session


class SeatsFilter(ChosenFilter):
    """Of sessions, whose list counts `seats_taken`."""

    title = "seats"
    parameter_name = "seats"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "Open to enroll (any)"), ("free", "Open, seats free"), ("full", "Open, full")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Session]) -> QuerySet[Session]:
        match self.value():
            case "open":
                return open_to_enroll(queryset)
            case "free":
                return with_room(queryset)
            case "full":
                return open_to_enroll(queryset).exclude(pk__in=with_room(queryset).order_by().values("pk"))
        return queryset


class SeatFilter(ChosenFilter):
    title = "seat"
    parameter_name = "seat"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("held", "Holds a seat"), ("free", "Gave it back")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Enrollment]) -> QuerySet[Enrollment]:
        match self.value():
            case "held":
                return queryset.exclude(status=EnrollmentStatus.CANCELLED)
            case "free":
                return queryset.filter(status=EnrollmentStatus.CANCELLED)
        return queryset


class ResultFilter(ChosenFilter):
    title = "result"
    parameter_name = "result"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("missing", "Session is over, no result yet")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Enrollment]) -> QuerySet[Enrollment]:
        return without_result(queryset, timezone.now()) if self.value() else queryset
