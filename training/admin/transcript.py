"""What the ledger adds to people: the transcript, assigning from there, and leaving."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from unfold.widgets import UnfoldAdminDateWidget, UnfoldBooleanWidget

from accounts.admin.base import LedgerAdmin, actor_of, is_id
from accounts.admin.forms import said
from accounts.days import day_of, last_instant
from accounts.errors import Refusal
from accounts.models import Person
from accounts.wording import describe
from enrollments.models import Course
from training.admin.act_forms import reason_field
from training.admin.acts import operation_link, sessions
from training.models import State, TrainSession
from training.services.assigning_courses import CoursesAssigned, assign_courses
from training.services.leaving import deactivate_person
from training.transcript import Leaving, assignable_courses, count_open, leaving, records_of, transcript

MOST_COURSES = 500
"""So many courses at most are offered as boxes to tick."""

SAMPLE = 20


# The list of people.


def tell_open(people: Sequence[Any]) -> None:
    counted = count_open(list(people), timezone.now())
    for person in people:
        person.open_records, person.overdue_records = counted.get(person.pk, (0, 0))


@admin.display(description="open")
def open_column(person: Any) -> int:
    return int(person.open_records)


@admin.display(description="overdue")
def overdue_column(person: Any) -> int:
    return int(person.overdue_records)


# The transcript.


class AssignForm(forms.Form):
    due = forms.DateField(
        label="Due",
        required=False,
        widget=UnfoldAdminDateWidget,
        help_text="Until the end of this day in the organization's time zone. Empty: no due date.",
    )


def transcript_section(_admin: LedgerAdmin, request: HttpRequest, person: Person) -> dict[str, Any]:
    del request
    now = timezone.now()
    found, zone = transcript(person, now), person.organization.zone
    today = day_of(now, zone)
    return {
        "transcript": found,
        "rows": [
            {
                "record": record,
                "standing": "Unassigned" if record.unassigned_at else record.get_state_display(),
                "css": "unassigned" if record.unassigned_at else record.state,
                "late": is_open(record) and record.due_at is not None and record.due_at <= now,
                "due": record.due_at and day_of(record.due_at, zone),
                "completed": record.completed_at and day_of(record.completed_at, zone),
                "expired": record.cert_expiry is not None and record.cert_expiry < today and not is_open(record),
            }
            for record in found.records
        ],
        "all": f"{reverse('admin:training_trainsession_changelist')}?{urlencode({'person__id__exact': person.pk})}",
    }


def is_open(record: TrainSession) -> bool:
    return record.state != State.COMPLETED and record.unassigned_at is None


def assign_section(admin_: LedgerAdmin, request: HttpRequest, person: Person) -> dict[str, Any] | None:
    if not person.active or not admin_.has_administer_permission(request):
        return None
    return assigning(person, AssignForm(), frozenset(), {})


def assigning(person: Person, form: forms.Form, ticked: frozenset[int], refused: Mapping[int, str]) -> dict[str, Any]:
    """The boxes to tick, those first that were refused; a course's note says what the person has of it."""
    courses = list(assignable_courses(person)[: MOST_COURSES + 1])
    zone = person.organization.zone
    today = day_of(timezone.now(), zone)
    has: dict[int, str] = {}
    rows = TrainSession.objects.of(person.organization).live().filter(person=person).order_by("completed_at", "pk")
    for course_id, state, due_at, cert_expiry in rows.values_list("course_id", "state", "due_at", "cert_expiry"):
        if state != State.COMPLETED:
            has[course_id] = "open" + ("" if due_at is None else f", due {day_of(due_at, zone)}") + ": stays as it is"
        elif not has.get(course_id, "").startswith("open"):
            ended = cert_expiry is not None and cert_expiry < today
            until = "" if cert_expiry is None else f", {'expired' if ended else 'valid until'} {cert_expiry}"
            has[course_id] = f"completed{until}"
    shown = courses[:MOST_COURSES]
    boxes = [(course, has.get(course.pk, ""), course.pk in ticked, refused.get(course.pk, "")) for course in shown]
    return {
        "form": form,
        "boxes": sorted(boxes, key=lambda box: not box[3]),
        "more": len(courses) > MOST_COURSES,
        "most": MOST_COURSES,
        "address": reverse("admin:training_assign_courses", args=[person.pk]),
    }


def assign_page(admin_: LedgerAdmin, request: HttpRequest, person: Person) -> HttpResponse:
    """What the form on the transcript is sent to; shown again, by itself, where something was refused."""
    if not admin_.has_administer_permission(request):
        raise PermissionDenied
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    form = AssignForm(request.POST)
    ticked = [int(pk) for pk in request.POST.getlist("course") if is_id(pk)]
    refused: dict[int, str] = {}
    if not ticked:
        form.add_error(None, "Tick at least one course.")
    elif len(ticked) > MOST_COURSES:
        form.add_error(None, f"Tick {MOST_COURSES} courses at most.")
    elif form.is_valid():
        due, zone = form.cleaned_data["due"], person.organization.zone
        try:
            answer = assign_courses(
                organization=person.organization,
                actor=actor_of(request),
                person_id=person.pk,
                course_ids=ticked,
                due_at=None if due is None else last_instant(due, zone),
            )
        except Refusal as refusal:
            form.add_error(None, describe(refusal))
        else:
            if not answer.refused:
                _tell_assigned(admin_, request, person, answer)
                return HttpResponseRedirect(reverse("admin:accounts_person_change", args=[person.pk]))
            refused = {pk: describe(why) for pk, why in answer.refused.items()}
            form.add_error(None, f"Nothing was assigned: {len(refused)} of {len(ticked)} courses cannot be.")
            offered = assignable_courses(person).filter(pk__in=refused).values_list("pk", flat=True)
            for pk in refused.keys() - set(offered):
                form.add_error(None, refused[pk])
    context = {
        **_page(admin_, request, person, f"Assign courses to {person.full_name}"),
        "media": admin_.media + form.media,
        "section": assigning(person, form, frozenset(ticked), refused),
    }
    return TemplateResponse(request, "admin/training/record_assign.html", context)


def _tell_assigned(admin_: LedgerAdmin, request: HttpRequest, person: Person, answer: CoursesAssigned) -> None:
    codes = dict(Course.objects.of(person.organization).filter(pk__in=answer.assigned).values_list("pk", "code"))
    new = [codes[pk] for pk, one in answer.assigned.items() if not one.existing]
    kept = [codes[pk] for pk, one in answer.assigned.items() if one.existing]
    if new:
        admin_.message_user(request, f"Assigned: {', '.join(new)}.", messages.SUCCESS)
    if kept:
        admin_.message_user(request, f"Open already, and as before: {', '.join(kept)}.", messages.WARNING)


def _page(admin_: LedgerAdmin, request: HttpRequest, person: Person, title: str) -> dict[str, Any]:
    return {
        **admin_.admin_site.each_context(request),
        "title": title,
        "opts": admin_.opts,
        "person": person,
        "back": reverse("admin:accounts_person_change", args=[person.pk]),
    }


# Leaving.


class LeaveForm(forms.Form):
    reason = reason_field("Why. Kept with each train session that is unassigned.")

    def __init__(self, *args: Any, seats: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if seats:
            self.fields["cancel_seats"] = forms.BooleanField(
                label=f"Also cancel the {'seat' if seats == 1 else f'{seats} seats'} in coming sessions",
                required=False,
                widget=UnfoldBooleanWidget,
            )


def leave_section(admin_: LedgerAdmin, request: HttpRequest, person: Person) -> dict[str, Any] | None:
    """For somebody inactive, too, of whom something is open: of before, or by a result that was entered since."""
    owes = person.active or records_of(person).open().exists()
    if not owes or not admin_.has_administer_permission(request):
        return None
    return {"link": reverse("admin:training_leave", args=[person.pk]), "person": person}


def leave_page(admin_: LedgerAdmin, request: HttpRequest, person: Person) -> HttpResponse:
    """What making a person inactive takes back; confirmed, it is done."""
    if not admin_.has_administer_permission(request):
        raise PermissionDenied
    back = HttpResponseRedirect(reverse("admin:accounts_person_change", args=[person.pk]))
    found = leaving(person)
    if not person.active and not found.records:
        admin_.message_user(request, f"{person.full_name} is inactive already.", messages.INFO)
        return back
    form = LeaveForm(request.POST if request.method == "POST" else None, seats=len(found.seats))
    if form.is_valid() and _leaves(admin_, request, person, form):
        return back
    return _leave_preview(admin_, request, person, found, form)


def _leaves(admin_: LedgerAdmin, request: HttpRequest, person: Person, form: forms.Form) -> bool:
    try:
        left = deactivate_person(
            organization=person.organization,
            actor=actor_of(request),
            person_id=person.pk,
            reason=form.cleaned_data["reason"],
            cancel_seats=form.cleaned_data.get("cancel_seats", False),
        )
    except Refusal as refusal:
        for name, why in said(refusal).items():
            form.add_error(name if name in form.fields else None, list(why))
        return False
    told = f"{person.full_name} is inactive"
    if left.cancelled:
        told += f", {len(left.cancelled)} {'seat' if len(left.cancelled) == 1 else 'seats'} cancelled"
    if left.unassigned.operation_id is None:
        admin_.message_user(request, f"{told}. Nothing was open.", messages.SUCCESS)
    else:
        told += f", {sessions(sum(left.unassigned.counts.values()))} unassigned. "
        admin_.message_user(request, operation_link(left.unassigned, before=told), messages.SUCCESS)
    return True


def _leave_title(person: Person) -> str:
    return f"Make {person.full_name} inactive" if person.active else f"Unassign what is open of {person.full_name}"


def _leave_preview(
    admin_: LedgerAdmin, request: HttpRequest, person: Person, found: Leaving, form: forms.Form
) -> HttpResponse:
    zone = person.organization.zone
    context = {
        **_page(admin_, request, person, _leave_title(person)),
        "media": admin_.media + form.media,
        "found": found,
        "counted": sessions(len(found.records)),
        "sample": [(one, one.due_at and day_of(one.due_at, zone)) for one in found.records[:SAMPLE]],
        "more": len(found.records) - len(found.records[:SAMPLE]),
        "form": form,
    }
    return TemplateResponse(request, "admin/training/record_leave.html", context)
