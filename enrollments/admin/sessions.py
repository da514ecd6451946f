from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Count, F, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import URLPattern
from django.utils import timezone

from accounts.admin.base import LedgerAdmin, actor_of
from accounts.admin.filters import ChosenFilter, DayRangeFilter
from accounts.admin.forms import LedgerForm
from enrollments.admin.bars import seats_bar
from enrollments.admin.filters import SeatsFilter
from enrollments.admin.roster import RosterPages
from enrollments.models import Enrollment, Session, SessionStatus
from enrollments.services import catalogue


class SessionForm(LedgerForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "status" in self.fields and self.instance.status != SessionStatus.CANCELLED:
            # Cancelling asks for a reason, and is a page of its own.
            field: Any = self.fields["status"]
            field.choices = [choice for choice in field.choices if choice[0] != SessionStatus.CANCELLED]

    class Meta:
        help_texts: ClassVar[dict[str, str]] = {
            "status": "To cancel a session, open it and press “Cancel session”. It asks for a reason and is final."
        }


class WhenFilter(ChosenFilter):
    title = "time"
    parameter_name = "when"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        del request, model_admin
        return [("upcoming", "Upcoming"), ("now", "Under way"), ("past", "Past")]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        del request
        now = timezone.now()
        match self.value():
            case "upcoming":
                return queryset.filter(starts_at__gt=now)
            case "now":
                return queryset.filter(starts_at__lte=now, ends_at__gte=now)
            case "past":
                return queryset.filter(ends_at__lt=now)
        return queryset


@admin.register(Session)
class SessionAdmin(RosterPages, LedgerAdmin):
    facilitated = "facilitator"
    form = SessionForm
    change_form_template = "admin/enrollments/session.html"
    list_display = ("name", "course", "starts_at", "location", "seats", "status")
    list_filter = (
        "status",
        WhenFilter,
        SeatsFilter,
        ("course__category", admin.RelatedFieldListFilter),
        ("starts_at", DayRangeFilter),
    )
    search_fields = ("name", "location", "course__search_code", "course__search_title")
    autocomplete_fields = ("course", "facilitator")
    related = ("course", "facilitator")
    ordering = ("-starts_at", "-pk")
    organization_from = "course"
    add_fields = change_fields = (
        "course",
        "name",
        "starts_at",
        "ends_at",
        "location",
        "facilitator",
        "max_participants",
        "status",
    )
    facts = ("seats", "created_at", "updated_at")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        seated = (
            Enrollment.objects.filter(organization=OuterRef("organization"), session=OuterRef("pk"))
            .holding_a_seat()
            .order_by()
        )
        counts = seated.values("session").annotate(counted=Count("pk")).values("counted")
        taken = Coalesce(Subquery(counts, output_field=IntegerField()), 0)
        rows: QuerySet[Any] = super().get_queryset(request)
        annotated: QuerySet[Any] = rows.annotate(seats_taken=taken, seats_there_are=F("max_participants"))
        return annotated

    @admin.display(description="seats taken", ordering="seats_taken")
    def seats(self, session: Any) -> str:
        # The stored limit: on a refused form the session itself carries the one that was typed.
        return seats_bar(taken=session.seats_taken, limit=session.seats_there_are)

    def get_urls(self) -> list[URLPattern]:
        return [*self.roster_urls(), *super().get_urls()]

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        session = kwargs.get("obj")
        if session is not None:
            # Read again: on a refused form the row carries what was typed.
            context = {**context, **self.session_page(request, self.get_queryset(request).get(pk=session.pk))}
        return super().render_change_form(request, context, *args, **kwargs)

    def create_row(self, request: HttpRequest, values: dict[str, Any]) -> Session:
        organization = self.organization_for(request, values)
        return catalogue.create_session(organization=organization, actor=actor_of(request), **values)

    def change_row(self, request: HttpRequest, row: Session, changes: dict[str, Any]) -> Session:
        return catalogue.update_session(
            organization=row.organization, actor=actor_of(request), session_id=row.pk, changes=changes
        )
