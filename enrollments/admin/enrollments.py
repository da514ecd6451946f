from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminSelectWidget

from accounts.admin.base import actor_of
from accounts.admin.filters import DayRangeFilter
from accounts.admin.forms import LedgerForm
from accounts.admin.several import SeveralPeopleAdmin
from accounts.errors import PeopleInactive, Refusal
from enrollments.admin.filters import ResultFilter, SeatFilter
from enrollments.errors import AlreadyEnrolled, PrerequisitesUnmet
from enrollments.models import Course, Enrollment, EnrollmentStatus, Session
from enrollments.services import enrolling

COMPLETED, ABSENT, CANCELLED = "complete", "absent", "cancel"
OUTCOMES = (
    ("", "Nothing yet"),
    (COMPLETED, "Completed: with the score, feedback and certificate below"),
    (ABSENT, "Absent: the seat stays taken, the training stays owed"),
    (CANCELLED, "Cancelled: the seat is free again"),
)
RESULT_FIELDS = ("score", "feedback", "certificate_url")


class EnrollmentForm(LedgerForm):
    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        results = [name for name in RESULT_FIELDS if cleaned.get(name) not in (None, "")]
        if "outcome" in self.fields and results and cleaned.get("outcome") != COMPLETED:
            self.add_error(
                "outcome", "A score, feedback or certificate belongs to a completed enrollment: choose that."
            )
        return cleaned


@admin.register(Enrollment)
class EnrollmentAdmin(SeveralPeopleAdmin):
    facilitated = "session__facilitator"
    facilitators_write = True
    form = EnrollmentForm
    list_display = ("person", "session", "course", "status", "score", "enrolled_at")
    list_filter = (
        "status",
        SeatFilter,
        ResultFilter,
        ("session__course__category", admin.RelatedFieldListFilter),
        ("enrolled_at", DayRangeFilter),
    )
    search_fields = (
        "person__search_name",
        "person__employee_id",
        "person__username",
        "session__name",
        "session__course__search_code",
    )
    autocomplete_fields = ("session",)
    related = ("person", "session__course")
    ordering = ("-pk",)
    organization_from = "session"
    about_people: ClassVar[tuple[type[Refusal], ...]] = (PeopleInactive, AlreadyEnrolled, PrerequisitesUnmet)
    add_fields = ("session", "people")
    change_fields = ("outcome", *RESULT_FIELDS)
    facts = (
        "person",
        "session",
        "course",
        "status",
        "passed",
        "enrolled_at",
        "completed_at",
        "cancelled_at",
        "created_by",
        "updated_by",
    )
    actions = ("mark_complete", "mark_absent", "cancel")

    @admin.display(description="course", ordering="session__course__code")
    def course(self, enrollment: Enrollment) -> Course:
        return enrollment.session.course

    def is_closed(self, row: Enrollment) -> bool:
        return row.status != EnrollmentStatus.ENROLLED

    def extra_fields(self, request: HttpRequest, row: Enrollment | None) -> dict[str, forms.Field]:
        if row is None:
            return super().extra_fields(request, row)
        # Who sits where is not for facilitators to say.
        offered = [one for one in OUTCOMES if one[0] != CANCELLED or self.has_administer_permission(request)]
        return {
            "outcome": forms.ChoiceField(
                choices=offered, required=False, label="What became of it", widget=UnfoldAdminSelectWidget
            )
        }

    def create_rows(self, request: HttpRequest, values: dict[str, Any], person_ids: list[int]) -> Sequence[Enrollment]:
        session: Session = values["session"]
        made = enrolling.enroll(
            organization=self.organization_for(request, values),
            actor=actor_of(request),
            session_id=session.pk,
            person_ids=person_ids,
        )
        left = "" if made.available_spots is None else f" {_spots(made.available_spots)} left."
        count = len(made.enrollments)
        self.tell(request, f"{count} {'person' if count == 1 else 'people'} enrolled in {session}.{left}")
        return made.enrollments

    def change_row(self, request: HttpRequest, row: Enrollment, changes: dict[str, Any]) -> Enrollment:
        act: dict[str, Any] = {"organization": row.organization, "actor": actor_of(request), "enrollment_id": row.pk}
        match changes.get("outcome"):
            case "complete":
                # An empty text is one that was not given; the document tells the two apart.
                given = {name: changes[name] for name in RESULT_FIELDS if changes.get(name) not in (None, "")}
                return enrolling.complete(**act, **given)
            case "absent":
                return enrolling.mark_absent(**act)
            case "cancel":
                return enrolling.cancel(**act)
        return row

    @admin.action(description="Mark complete (without a score)", permissions=["act"])
    def mark_complete(self, request: HttpRequest, queryset: "QuerySet[Enrollment]") -> None:
        self._each(request, queryset, enrolling.complete, "marked complete")

    @admin.action(description="Mark absent", permissions=["act"])
    def mark_absent(self, request: HttpRequest, queryset: "QuerySet[Enrollment]") -> None:
        self._each(request, queryset, enrolling.mark_absent, "marked absent")

    @admin.action(description="Cancel", permissions=["administer"])
    def cancel(self, request: HttpRequest, queryset: "QuerySet[Enrollment]") -> None:
        self._each(request, queryset, enrolling.cancel, "cancelled")

    def _each(self, request: HttpRequest, queryset: "QuerySet[Enrollment]", service: Any, done: str) -> None:
        rows, actor = self.chosen(request, queryset.select_related("organization")), actor_of(request)
        self.act_on_each(
            request,
            rows,
            lambda row: service(organization=row.organization, actor=actor, enrollment_id=row.pk),
            done=done,
        )


def _spots(count: int) -> str:
    return "1 spot" if count == 1 else f"{count} spots"
