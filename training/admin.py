from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AdminDateWidget
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone

from accounts.admin.base import LedgerAdmin, actor_of
from accounts.admin.several import SeveralPeopleAdmin
from accounts.days import day_of, last_instant
from accounts.errors import Refusal
from accounts.models import Organization
from accounts.wording import describe
from enrollments.models import SCORE_RANGE
from training import wording  # noqa: F401 - registers the words of this app's refusals
from training.models import State, TrainSession, Unit
from training.services import records


@admin.register(Unit)
class UnitAdmin(LedgerAdmin):
    list_display = ("id", "course", "expires_on", "held_by")
    list_filter = (("train_session", admin.EmptyFieldListFilter), "expires_on")
    search_fields = ("course__search_code", "course__search_title")
    autocomplete_fields = ("course",)
    related = ("course", "train_session__person", "train_session__course")
    ordering = ("expires_on", "pk")
    organization_from = "course"
    add_fields = change_fields = ("course", "expires_on")
    facts = ("held_by", "created_at")

    @admin.display(description="held by")
    def held_by(self, unit: Unit) -> TrainSession | None:
        return getattr(unit, "train_session", None)

    def create_row(self, request: HttpRequest, values: dict[str, Any]) -> Unit:
        organization = self.organization_for(request, values)
        return records.buy_unit(organization=organization, actor=actor_of(request), **values)

    def change_row(self, request: HttpRequest, row: Unit, changes: dict[str, Any]) -> Unit:
        return records.update_unit(organization=row.organization, actor=actor_of(request), unit=row, changes=changes)


class StandingFilter(admin.SimpleListFilter):
    """The state as it is shown: an unassigned record is that, whatever its state was."""

    title = "state"
    parameter_name = "standing"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        del request, model_admin
        return [
            ("open", "Open (any)"),
            *((state.value, str(state.label)) for state in State),
            ("unassigned", "Unassigned"),
        ]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[TrainSession]") -> "QuerySet[TrainSession]":
        del request
        live = queryset.filter(unassigned_at=None)
        match self.value():
            case None:
                return queryset
            case "unassigned":
                return queryset.exclude(unassigned_at=None)
            case "open":
                return live.exclude(state=State.COMPLETED)
        return live.filter(state=self.value())


class OverdueFilter(admin.SimpleListFilter):
    title = "overdue"
    parameter_name = "overdue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        del request, model_admin
        return [("yes", "Overdue"), ("no", "Not overdue")]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[TrainSession]") -> "QuerySet[TrainSession]":
        """By the clock: the column is set by a recorded change that comes a moment later."""
        del request
        past = queryset.filter(unassigned_at=None, due_at__lte=timezone.now()).exclude(state=State.COMPLETED)
        match self.value():
            case "yes":
                return past
            case "no":
                return queryset.exclude(pk__in=past.order_by().values("pk"))
        return queryset


class UnassignForm(forms.Form):
    reason = forms.CharField(max_length=500, help_text="Why it is no longer owed. Seats and enrollments stay.")


class CompletionForm(forms.Form):
    score = forms.DecimalField(
        min_value=SCORE_RANGE[0],
        max_value=SCORE_RANGE[1],
        max_digits=7,
        decimal_places=4,
        required=False,
        help_text="0-100. Empty: no score.",
    )
    on = forms.DateField(
        label="Completed on",
        required=False,
        widget=AdminDateWidget,
        help_text="A day of the organization's time zone. Empty: today.",
    )


@admin.register(TrainSession)
class TrainSessionAdmin(SeveralPeopleAdmin):
    list_display = (
        "person",
        "course",
        "standing",
        "score",
        "due_day",
        "is_overdue",
        "completed_at",
        "cert_expiry",
    )
    list_filter = (StandingFilter, OverdueFilter, ("course__category", admin.RelatedFieldListFilter), "due_at")
    search_fields = (
        "person__search_name",
        "person__username",
        "person__employee_id",
        "course__search_code",
        "course__search_title",
    )
    autocomplete_fields = ("course",)
    related = ("person", "course", "organization")
    organization_from = "course"
    add_fields = ("course", "people", "due_day")
    change_fields = ("percent", "time_spent", "due_day")
    facts = (
        "person",
        "course",
        "standing",
        "is_overdue",
        "score",
        "failed_attempts",
        "assigned_at",
        "started_at",
        "last_attempt_at",
        "completed_at",
        "cert_expiry",
        "origin",
        "enrollment",
        "unit",
        "unassigned_at",
        "unassign_reason",
        "uuid",
        "created_at",
        "created_by",
        "updated_at",
        "updated_by",
    )
    actions = ("unassign", "complete")

    @admin.display(description="state", ordering="state")
    def standing(self, record: TrainSession) -> str:
        return "Unassigned" if record.unassigned_at else record.get_state_display()

    @admin.display(description="due", ordering="due_at")
    def due_day(self, record: TrainSession) -> date | None:
        return None if record.due_at is None else day_of(record.due_at, record.organization.zone)

    @admin.display(description="overdue")
    def is_overdue(self, record: TrainSession) -> str:
        late = not self.is_closed(record) and record.due_at is not None and record.due_at <= timezone.now()
        return "Overdue" if late else "No"

    def is_closed(self, row: TrainSession) -> bool:
        return row.state == State.COMPLETED or row.unassigned_at is not None

    def extra_fields(self, request: HttpRequest, row: TrainSession | None) -> dict[str, forms.Field]:
        due = forms.DateField(
            label="Due",
            required=False,
            widget=AdminDateWidget,
            initial=None if row is None else self.due_day(row),
            help_text="Until the end of this day in the organization's time zone.",
        )
        return {**super().extra_fields(request, row), "due_day": due}

    def create_rows(
        self, request: HttpRequest, values: dict[str, Any], person_ids: list[int]
    ) -> Sequence[TrainSession]:
        organization = self.organization_for(request, values)
        assigned = records.assign(
            organization=organization,
            actor=actor_of(request),
            course_id=values["course"].pk,
            person_ids=person_ids,
            due_at=_end_of(values["due_day"], organization),
        )
        new = [row.record for row in assigned if not row.existing]
        if new:
            self.tell(request, f"{self.counted(len(new))} assigned.")
        if len(new) < len(assigned):
            text = f"{self.counted(len(assigned) - len(new))} had been assigned before and stay as they are."
            self.tell(request, text, messages.WARNING)
        return new or [row.record for row in assigned]

    def change_row(self, request: HttpRequest, row: TrainSession, changes: dict[str, Any]) -> TrainSession:
        act: dict[str, Any] = {"organization": row.organization, "actor": actor_of(request)}
        if {"percent", "time_spent"} & set(changes):
            row = records.progress(
                **act,
                record_id=row.pk,
                percent_complete=changes.get("percent"),
                time_spent=changes.get("time_spent"),
            )
        if "due_day" in changes:
            due_at = _end_of(changes["due_day"], act["organization"])
            [row] = records.change_due(**act, record_ids=[row.pk], due_at=due_at)
        return row

    @admin.action(description="Unassign…", permissions=["act"])
    def unassign(self, request: HttpRequest, queryset: "QuerySet[TrainSession]") -> TemplateResponse | None:
        """All or nothing: where a completed record is among them, the page says which, and nothing happens."""
        rows = self.chosen(request, queryset)
        if not rows:
            return None
        if len({row.organization_id for row in rows}) > 1:
            self.tell(request, "Choose records of one organization. Nothing has been changed.", messages.ERROR)
            return None
        form = UnassignForm(request.POST if "apply" in request.POST else None)
        if form.is_valid():
            reason = form.cleaned_data["reason"]
            try:
                records.unassign(
                    organization=rows[0].organization,
                    actor=actor_of(request),
                    ids=[row.pk for row in rows],
                    reason=reason,
                )
            except Refusal as refusal:
                form.add_error(None, describe(refusal))
            else:
                for row in rows:
                    self.log_change(request, row, f"Unassigned: {reason}")
                self.tell(request, f"{self.counted(len(rows))} unassigned.")
                return None
        return self.ask(request, rows, form, action="unassign", title="Unassign", button="Unassign")

    @admin.action(description="Record a completion…", permissions=["act"])
    def complete(self, request: HttpRequest, queryset: "QuerySet[TrainSession]") -> TemplateResponse | None:
        rows, actor = self.chosen(request, queryset), actor_of(request)
        if not rows:
            return None
        form = CompletionForm(request.POST if "apply" in request.POST else None)
        if not form.is_valid():
            return self.ask(request, rows, form, action="complete", title="Record a completion", button="Record")
        score, on = form.cleaned_data["score"], form.cleaned_data["on"]
        self.act_on_each(
            request,
            rows,
            lambda row: records.complete(
                organization=row.organization, actor=actor, record_id=row.pk, score=score, on=on
            ),
            done="completed",
        )
        return None


def _end_of(day: date | None, organization: Organization) -> datetime | None:
    return None if day is None else last_instant(day, organization.zone)
