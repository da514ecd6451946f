from datetime import date
from hashlib import sha256
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AutocompleteSelectMultiple
from django.core.exceptions import PermissionDenied
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone

from accounts.admin.base import LedgerAdmin, actor_of, staff_user
from accounts.days import day_of
from accounts.errors import Refusal
from accounts.models import Group, Organization, Outcome
from accounts.wording import describe
from enrollments.models import CourseStatus
from training.admin.matrix import matrix_page, organization_shown, query_of
from training.admin.matrix_export import matrix_export
from training.models import Audience, DueRule, Requirement, RequirementPerson
from training.required import Missing, missing
from training.services import requirements

SAMPLE = 20
MOST_AT_ONCE = 10_000
"""So many records at most are opened while a browser waits; the command opens any number."""


@admin.register(Requirement)
class RequirementAdmin(LedgerAdmin):
    """Has the pages that requirements are for, too: the compliance matrix, and opening what is missing."""

    list_before_template = "admin/training/requirement_links.html"
    list_display = ("course", "required_of", "due", "standing")
    list_filter = ("active", "audience")
    search_fields = ("course__search_code", "course__search_title", "group__name")
    autocomplete_fields = ("course",)
    related = ("course", "group")
    ordering = ("course__code", "pk")
    organization_from = "course"
    add_fields = change_fields = (
        "course",
        "audience",
        "group",
        "people",
        "due_rule",
        "due_days",
        "due_on",
        "active",
    )
    facts = ("standing", "created_by", "created_at", "updated_by", "updated_at")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        named = RequirementPerson.objects.filter(
            organization=OuterRef("organization"), requirement=OuterRef("pk")
        ).order_by()
        counts = named.values("requirement").annotate(counted=Count("pk")).values("counted")
        rows: QuerySet[Any] = super().get_queryset(request)
        annotated: QuerySet[Any] = rows.annotate(
            people_named=Coalesce(Subquery(counts, output_field=IntegerField()), 0)
        )
        return annotated

    @admin.display(description="required of", ordering="audience")
    def required_of(self, requirement: Any) -> str:
        if requirement.audience == Audience.GROUP:
            return str(requirement.group)
        if requirement.audience == Audience.PEOPLE:
            return f"{requirement.people_named} named people" if requirement.people_named != 1 else "1 named person"
        return "Everybody"

    @admin.display(description="due")
    def due(self, requirement: Requirement) -> str:
        if requirement.due_rule == DueRule.ON_DATE:
            return f"on {requirement.due_on}"
        return f"{requirement.due_days} days after joining"

    @admin.display(description="standing")
    def standing(self, requirement: Requirement) -> str:
        if not requirement.active:
            return "Off"
        if requirement.course.status != CourseStatus.PUBLISHED:
            return f"The course is {requirement.course.status}: it opens nothing"
        return "On"

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "group":
            user = staff_user(request)
            own = {} if user is None or user.is_superuser else {"organization": user.organization_id}
            kwargs["queryset"] = Group.objects.filter(**own) if user else Group.objects.none()
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def extra_fields(self, request: HttpRequest, row: Requirement | None) -> dict[str, forms.Field]:
        field = Requirement._meta.get_field("people")  # noqa: SLF001 - Django's documented name
        offered: QuerySet[Any] | Any = self.get_field_queryset(None, field, request)
        if row is not None:
            offered = offered.filter(organization_id=row.organization_id)
        return {
            # The relation has a through model, so Django makes no field for it.
            "people": forms.ModelMultipleChoiceField(
                queryset=offered,
                required=False,
                widget=AutocompleteSelectMultiple(field, self.admin_site),
                help_text="Where it is required of named people. Type a name or an employee number.",
            )
        }

    def create_row(self, request: HttpRequest, values: dict[str, Any]) -> Requirement:
        organization = self.organization_for(request, values)
        people = list(values.pop("people"))
        return requirements.create_requirement(
            organization=organization, actor=actor_of(request), people=people, **values
        )

    def change_row(self, request: HttpRequest, row: Requirement, changes: dict[str, Any]) -> Requirement:
        chosen = changes.pop("people", None)
        return requirements.update_requirement(
            organization=row.organization,
            actor=actor_of(request),
            requirement=row,
            changes=changes,
            people=None if chosen is None else list(chosen),
        )

    # The pages.

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("matrix/", wrap(self.matrix_view), name="training_matrix"),
            path("matrix/export/", wrap(self.export_view), name="training_matrix_export"),
            path("apply/", wrap(self.apply_view), name="training_apply_requirements"),
            *super().get_urls(),
        ]

    def matrix_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return self._shown(request, lambda: matrix_page(self, request))

    def export_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return self._shown(request, lambda: matrix_export(request))

    def apply_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_administer_permission(request):
            raise PermissionDenied
        return self._shown(request, lambda: self._apply(request))

    def _apply(self, request: HttpRequest) -> HttpResponse:
        """A preview of what is missing; confirmed, it is opened."""
        organization = organization_shown(request)
        preview = Preview(organization)
        if request.method != "POST" or preview.too_many:
            return self._previewed(request, preview)
        if preview.count and request.POST.get("previewed") != preview.mark:
            text = "What is missing has changed since it was shown. Nothing has been opened: look at it again."
            self.message_user(request, text, messages.WARNING)
            return self._previewed(request, preview)
        try:
            done = requirements.apply_requirements(organization=organization, actor=actor_of(request))
        except Refusal as refusal:
            self.message_user(
                request, f"{describe(refusal)} What had been opened until then stays open.", messages.ERROR
            )
            return self._previewed(request, Preview(organization))
        opened, refused = (done.counts.get(outcome, 0) for outcome in (Outcome.ASSIGNED, Outcome.REFUSED))
        if done.operation_id is None:
            self.message_user(request, "Nothing is missing.", messages.INFO)
        else:
            sessions = "1 train session" if opened == 1 else f"{opened:,} train sessions"
            left = f" {refused:,} could not be opened." if refused else ""
            text = f"{sessions} opened.{left} Operation {done.operation_id}."
            self.message_user(request, text, messages.SUCCESS if opened else messages.WARNING)
        return HttpResponseRedirect(f"{reverse('admin:training_matrix')}{query_of(request, 'organization')}")

    def _previewed(self, request: HttpRequest, preview: "Preview") -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": "Open what is missing",
            "preview": preview,
            "most": MOST_AT_ONCE,
            "back": f"{reverse('admin:training_matrix')}{query_of(request, 'organization')}",
        }
        return TemplateResponse(request, "admin/training/apply_requirements.html", context)


class Preview:
    """What opening what is missing would do now: by course, and some of the people."""

    def __init__(self, organization: Organization) -> None:
        self.organization = organization
        self.courses: list[dict[str, Any]] = []
        self.refused: list[dict[str, Any]] = []
        self.sample: list[dict[str, Any]] = []
        self.count = 0
        self.mark = ""
        """Of exactly these people, courses and due days: what the page carries to its own confirmation."""
        for lack in missing(organization, today=day_of(timezone.now(), organization.zone)):
            self._take(lack)

    def _take(self, lack: Missing) -> None:
        row = {"course": lack.course, "count": len(lack.people)}
        if lack.refusal is not None:
            self.refused.append({**row, "reason": describe(lack.refusal)})
            return
        opened = "".join(f" {one.person_id} {one.due_on}" for one in lack.people)
        self.mark = sha256(f"{self.mark} {lack.course.pk}{opened}".encode()).hexdigest()
        days: list[date] = [one.due_on for one in lack.people]
        self.courses.append({**row, "first": min(days), "last": max(days)})
        self.count += len(days)
        room = SAMPLE - len(self.sample)
        self.sample += [{"person": one, "course": lack.course} for one in lack.people[:room]]

    @property
    def more(self) -> int:
        return self.count - len(self.sample)

    @property
    def too_many(self) -> bool:
        return self.count > MOST_AT_ONCE


@admin.register(RequirementPerson)
class RequirementPersonAdmin(LedgerAdmin):
    """Whom requirements name, to look at: a requirement's page is where they are chosen."""

    list_display = ("requirement", "person")
    search_fields = (
        "requirement__course__search_code",
        "person__search_name",
        "person__employee_id",
        "person__username",
    )
    related = ("requirement__course", "person")
    facts = ("requirement", "person")
