from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.text import smart_split
from unfold.widgets import UnfoldAdminDateWidget

from accounts.admin.base import MOST_ROWS, LedgerAdmin, actor_of, is_id
from accounts.admin.filters import DayRangeFilter, OwnSelect
from accounts.admin.forms import said
from accounts.admin.importing import Imports
from accounts.admin.several import SeveralPeopleAdmin
from accounts.days import day_of, last_instant
from accounts.errors import Refusal
from accounts.models import BulkRow, OperationKind, Organization, Person
from enrollments.models import Course
from training.admin.acts import ACTS, Act, Asked, Looked, look
from training.admin.filters import CertificateFilter, OverdueFilter, StandingFilter
from training.admin.record_files import RECORDS, RecordResource
from training.models import State, TrainSession
from training.services import records

SAMPLE = 20
LABELS = {"cert_expiry": "certificate valid until", "time_spent": "hours", "score": "score"}


@admin.register(TrainSession)
class TrainSessionAdmin(Imports, SeveralPeopleAdmin):
    imports, resource = RECORDS, RecordResource
    list_display = (
        "person",
        "course",
        "standing",
        "score",
        "due_day",
        "is_overdue",
        "completed_day",
        "cert_expiry",
    )
    list_filter = (
        StandingFilter,
        OverdueFilter,
        CertificateFilter,
        ("course", OwnSelect),
        ("course__category", admin.RelatedFieldListFilter),
        ("due_at", DayRangeFilter),
        ("completed_at", DayRangeFilter),
        ("cert_expiry", DayRangeFilter),
    )
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
    actions = ("unassign", "extend", "complete", "correct")
    change_form_template = "admin/training/record_page.html"

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[TrainSession]", search_term: str
    ) -> "tuple[QuerySet[TrainSession], bool]":
        """Each word in the person or in the course: few rows are searched, and not each of a million with its two."""
        sought = [self.admin_site.get_model_admin(model) for model in (Person, Course)]
        for word in smart_split(search_term):
            people, courses = (
                cast("LedgerAdmin", one).get_search_results(request, cast("LedgerAdmin", one).rows(request), word)[0]
                for one in sought
            )
            found = Q(person__in=people.order_by().values("pk")) | Q(course__in=courses.order_by().values("pk"))
            queryset = queryset.filter(found)
        return queryset, False

    @admin.display(description="state", ordering="state")
    def standing(self, record: TrainSession) -> str:
        return "Unassigned" if record.unassigned_at else record.get_state_display()

    @admin.display(description="due", ordering="due_at")
    def due_day(self, record: TrainSession) -> date | None:
        return None if record.due_at is None else day_of(record.due_at, record.organization.zone)

    @admin.display(description="completed", ordering="completed_at")
    def completed_day(self, record: TrainSession) -> date | None:
        return None if record.completed_at is None else day_of(record.completed_at, record.organization.zone)

    @admin.display(description="overdue")
    def is_overdue(self, record: TrainSession) -> str:
        return "Overdue" if self._is_late(record) else "No"

    def _is_late(self, record: TrainSession) -> bool:
        return not self.is_closed(record) and record.due_at is not None and record.due_at <= timezone.now()

    def is_closed(self, row: TrainSession) -> bool:
        return row.state == State.COMPLETED or row.unassigned_at is not None

    def extra_fields(self, request: HttpRequest, row: TrainSession | None) -> dict[str, forms.Field]:
        due = forms.DateField(
            label="Due",
            required=False,
            widget=UnfoldAdminDateWidget,
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

    # Acts on records: ticked ones, all that the list shows, or the one whose page it is.

    @admin.action(description="Unassign…", permissions=["administer"])
    def unassign(self, request: HttpRequest, queryset: "QuerySet[TrainSession]") -> HttpResponse | None:
        return self._chosen_for(request, ACTS["unassign"], queryset)

    @admin.action(description="Extend the due date…", permissions=["administer"])
    def extend(self, request: HttpRequest, queryset: "QuerySet[TrainSession]") -> HttpResponse | None:
        return self._chosen_for(request, ACTS["extend"], queryset)

    @admin.action(description="Record a completion…", permissions=["administer"])
    def complete(self, request: HttpRequest, queryset: "QuerySet[TrainSession]") -> HttpResponse | None:
        return self._chosen_for(request, ACTS["complete"], queryset)

    @admin.action(description="Correct…", permissions=["administer"])
    def correct(self, request: HttpRequest, queryset: "QuerySet[TrainSession]") -> HttpResponse | None:
        return self._chosen_for(request, ACTS["correct"], queryset)

    def _chosen_for(self, request: HttpRequest, act: Act, queryset: "QuerySet[TrainSession]") -> HttpResponse | None:
        """The act's page; None, back to the list, with a message where it is not for these rows."""
        looked = self._look(request, act, queryset)
        return None if looked is None else self._act_page(request, act, looked, act.form(looked, None))

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(f"{name}/", self.admin_site.admin_view(self._act_view(act)), name=f"training_record_{name}")
            for name, act in ACTS.items()
        ]
        return [*own, *super().get_urls()]

    def _act_view(self, act: Act) -> Callable[[HttpRequest], HttpResponse]:
        def answer(request: HttpRequest) -> HttpResponse:
            if not self.has_administer_permission(request):
                raise PermissionDenied
            return self._shown(request, lambda: self._act(request, act))

        return answer

    def _act(self, request: HttpRequest, act: Act) -> HttpResponse:
        given = request.POST if request.method == "POST" else request.GET
        ids = given.get("ids", "").split(",")
        if not all(map(is_id, ids)):
            raise BadRequest
        back = HttpResponseRedirect(self._back(request))
        if len(ids) > act.most:
            self._too_many(request, act)
            return back
        looked = self._look(request, act, self.get_queryset(request).filter(pk__in=list(map(int, ids))))
        if looked is None:
            return back
        form = act.form(looked, request.POST if "apply" in request.POST else None)
        if looked.takes and form.is_valid():
            try:
                act.apply(Asked(self, request, actor_of(request), looked), form)
            except Refusal as refusal:
                for name, why in said(refusal).items():
                    form.add_error(name if name in form.fields else None, list(why))
            else:
                return back
        return self._act_page(request, act, looked, form)

    def _look(self, request: HttpRequest, act: Act, queryset: "QuerySet[TrainSession]") -> Looked | None:
        rows = queryset.select_related(None).order_by("-pk")
        columns = ("pk", "state", "unassigned_at", "organization_id")
        found = list(rows.values_list(*columns)[: act.most + 1])
        if len(found) > act.most:
            self._too_many(request, act)
            return None
        if not found:
            self.tell(request, "There are no such rows. Nothing has been changed.", messages.ERROR)
            return None
        organizations = {row[-1] for row in found}
        if len(organizations) > 1:
            self.tell(request, "Choose records of one organization. Nothing has been changed.", messages.ERROR)
            return None
        looked = look(act, [row[:-1] for row in found], Organization.objects.get(pk=organizations.pop()))
        sample = TrainSession.objects.of(looked.organization).filter(pk__in=looked.takes[:SAMPLE])
        looked.sample = list(sample.select_related("person", "course", "organization").order_by("-pk"))
        return looked

    def _too_many(self, request: HttpRequest, act: Act) -> None:
        more = " Commands take any number." if act.most > MOST_ROWS else ""
        text = f"At most {act.most:,} train sessions at once. Narrow the list.{more} Nothing has been changed."
        self.tell(request, text, messages.ERROR)

    def _act_page(self, request: HttpRequest, act: Act, looked: Looked, form: forms.Form) -> TemplateResponse:
        query = request.GET.copy()
        query.pop("ids", None)
        context = {
            **self.admin_site.each_context(request),
            "title": act.title,
            "opts": self.opts,
            "media": self.media + form.media,
            "act": act,
            "looked": looked,
            "sample": [(one, self.standing(one), self.due_day(one), self._is_late(one)) for one in looked.sample],
            "ids": ",".join(map(str, looked.ids)),
            "form": form,
            "back": self._back(request),
            "address": reverse(f"admin:training_record_{act.name}") + (f"?{query.urlencode()}" if query else ""),
        }
        return TemplateResponse(request, "admin/training/record_act.html", context)

    def _back(self, request: HttpRequest) -> str:
        """To the list as it was filtered, or to the page of the one record."""
        record = request.GET.get("record", "")
        if is_id(record):
            return reverse("admin:training_trainsession_change", args=[int(record)])
        query = request.GET.copy()
        query.pop("ids", None)
        return reverse("admin:training_trainsession_changelist") + (f"?{query.urlencode()}" if query else "")

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        record = kwargs.get("obj")
        if record is not None:
            stored = self.get_queryset(request).get(pk=record.pk)
            context = {**context, **self._record_context(request, stored)}
        return super().render_change_form(request, context, *args, **kwargs)

    def _record_context(self, request: HttpRequest, record: TrainSession) -> dict[str, Any]:
        names = ["correct"] if record.state == State.COMPLETED else ["complete", "extend", "unassign"]
        administers = self.has_administer_permission(request) and record.unassigned_at is None
        corrections = BulkRow.objects.of(record.organization).filter(
            target_id=record.pk, operation__kind=OperationKind.CORRECT
        )
        return {
            "record": record,
            "completed": record.state == State.COMPLETED,
            "acts": [
                (
                    f"{ACTS[name].title}…",
                    reverse(f"admin:training_record_{name}") + f"?ids={record.pk}&record={record.pk}",
                )
                for name in (names if administers else ())
            ],
            "corrections": [
                (row.operation, [(LABELS.get(name, name), value) for name, value in (row.before or {}).items()])
                for row in corrections.select_related("operation").order_by("-pk")
            ],
        }


def _end_of(day: date | None, organization: Organization) -> datetime | None:
    return None if day is None else last_instant(day, organization.zone)
