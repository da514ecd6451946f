from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelectMultiple
from django.db.models import Count, F, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from accounts.admin.base import LedgerAdmin, actor_of
from accounts.admin.forms import LedgerForm
from accounts.admin.several import SeveralPeopleAdmin
from accounts.errors import PeopleInactive, Refusal
from enrollments import wording  # noqa: F401 - registers the words of this app's refusals
from enrollments.errors import AlreadyEnrolled, PrerequisitesUnmet
from enrollments.models import (
    OPEN_STATUSES,
    Category,
    Course,
    Enrollment,
    EnrollmentStatus,
    Prerequisite,
    Session,
)
from enrollments.services import catalogue, enrolling


@admin.register(Category)
class CategoryAdmin(LedgerAdmin):
    shared = True
    list_display = ("name", "slug", "uuid")
    facts = ("name", "slug", "uuid")


@admin.register(Course)
class CourseAdmin(LedgerAdmin):
    list_display = ("code", "title", "category", "delivery_mode", "duration_hours", "certificate_months", "status")
    list_filter = (("category", admin.RelatedFieldListFilter), "delivery_mode", "status", "uses_units")
    search_fields = ("search_code", "search_title")
    related = ("category",)
    ordering = ("code", "pk")
    add_fields = change_fields = (
        "code",
        "title",
        "category",
        "delivery_mode",
        "duration_hours",
        "cost_per_participant",
        "provider",
        "provider_name",
        "description",
        "prerequisites",
        "pass_score",
        "certificate_months",
        "uses_units",
        "status",
    )
    facts = ("uuid", "revision", "hex_id", "created_at", "updated_at")

    def extra_fields(self, request: HttpRequest, row: Course | None) -> dict[str, forms.Field]:
        courses = self.get_queryset(request)
        if row is not None:
            courses = courses.filter(organization_id=row.organization_id).exclude(pk=row.pk)
        return {
            # The relation has a through model, so Django makes no field for it.
            "prerequisites": forms.ModelMultipleChoiceField(
                queryset=courses,
                required=False,
                widget=AutocompleteSelectMultiple(Course._meta.get_field("prerequisites"), self.admin_site),  # noqa: SLF001 - Django's documented name
                help_text="Completed, and valid on the day, before somebody enrolls in this course.",
            )
        }

    def create_row(self, request: HttpRequest, values: dict[str, Any]) -> Course:
        organization = self.organization_for(request, values)
        return catalogue.create_course(organization=organization, actor=actor_of(request), **values)

    def change_row(self, request: HttpRequest, row: Course, changes: dict[str, Any]) -> Course:
        return catalogue.update_course(
            organization=row.organization,
            actor=actor_of(request),
            course=row,
            prerequisites=changes.pop("prerequisites", None),
            changes=changes,
        )


@admin.register(Prerequisite)
class PrerequisiteAdmin(LedgerAdmin):
    """To look at: a course's page is where they are chosen."""

    list_display = ("course", "required")
    search_fields = ("course__search_code", "course__search_title", "required__search_code", "required__search_title")
    related = ("course", "required")
    facts = ("course", "required")


class SessionForm(LedgerForm):
    class Meta:
        help_texts: ClassVar[dict[str, str]] = {
            "status": "Cancelling cancels the enrollment of everybody who is still enrolled, and is final."
        }


@admin.register(Session)
class SessionAdmin(LedgerAdmin):
    form = SessionForm
    list_display = ("name", "course", "starts_at", "location", "seats", "status")
    list_filter = ("status", ("course__category", admin.RelatedFieldListFilter), "starts_at")
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
    facts = ("seats", "roster", "created_at", "updated_at")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        seated = Enrollment.objects.filter(session=OuterRef("pk")).holding_a_seat().order_by()
        counts = seated.values("session").annotate(counted=Count("pk")).values("counted")
        taken = Coalesce(Subquery(counts, output_field=IntegerField()), 0)
        rows: QuerySet[Any] = super().get_queryset(request)
        annotated: QuerySet[Any] = rows.annotate(seats_taken=taken, seats_there_are=F("max_participants"))
        return annotated

    @admin.display(description="seats taken", ordering="seats_taken")
    def seats(self, session: Any) -> str:
        # The stored limit: on a refused form the session itself carries the one that was typed.
        limit = session.seats_there_are
        return f"{session.seats_taken}, no limit" if limit is None else f"{session.seats_taken} of {limit}"

    @admin.display(description="roster")
    def roster(self, session: Session) -> str:
        shown = reverse("admin:enrollments_enrollment_changelist") + f"?session__id__exact={session.pk}"
        if session.status not in OPEN_STATUSES:
            return format_html('<a href="{}">Who is in it</a>', shown)
        add = reverse("admin:enrollments_enrollment_add") + f"?session={session.pk}"
        return format_html('<a href="{}">Who is in it</a> · <a href="{}">Enroll people</a>', shown, add)

    def create_row(self, request: HttpRequest, values: dict[str, Any]) -> Session:
        organization = self.organization_for(request, values)
        return catalogue.create_session(organization=organization, actor=actor_of(request), **values)

    def change_row(self, request: HttpRequest, row: Session, changes: dict[str, Any]) -> Session:
        return catalogue.update_session(
            organization=row.organization, actor=actor_of(request), session_id=row.pk, changes=changes
        )


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
    form = EnrollmentForm
    list_display = ("person", "session", "course", "status", "score", "enrolled_at")
    list_filter = ("status", ("session__course__category", admin.RelatedFieldListFilter), "enrolled_at")
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
        return {"outcome": forms.ChoiceField(choices=OUTCOMES, required=False, label="What became of it")}

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

    @admin.action(description="Cancel", permissions=["act"])
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
