"""What is done to records that were ticked, or to all that a list shows: looked at first, then done.

Each act is a page of its own. It is given ids, by the list's action or by a record's page, and it carries them to its
own second call: what is done is what was looked at, whatever the list would show by then.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.db.models import Count
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from accounts.actors import Actor
from accounts.admin.base import MOST_ROWS, LedgerAdmin
from accounts.bulk import Done, InputRow
from accounts.days import last_instant
from accounts.models import Organization, Outcome
from training.admin.act_forms import CompletionForm, CorrectionForm, ExtendForm, UnassignForm
from training.models import State, TrainSession
from training.services import correcting, extending, records, unassigning

MOST_AT_ONCE = 10_000
"""So many records at most are acted on while a browser waits; the commands take any number."""

COMPLETED = "completed: that is history, and stays as it is"
UNASSIGNED = "unassigned already"
NOT_COMPLETED = "not completed yet: only completed records are corrected"


def sessions(count: int) -> str:
    return "1 train session" if count == 1 else f"{count:,} train sessions"


@dataclass
class Looked:
    """What an act would do to `ids`: `takes` are those that it is for, `left` the others, counted by why."""

    organization: Organization
    ids: list[int] = field(default_factory=list)
    takes: list[int] = field(default_factory=list)
    left: Counter[str] = field(default_factory=Counter)
    sample: list[TrainSession] = field(default_factory=list)

    @property
    def number(self) -> str:
        return f"{len(self.takes):,}"

    @property
    def counted(self) -> str:
        return sessions(len(self.takes))

    @property
    def more(self) -> str:
        more = len(self.takes) - len(self.sample)
        return f"{more:,}" if more else ""

    @property
    def left_why(self) -> list[str]:
        """For templates, to which a counter has anything that they ask for: 0."""
        return [f"{count:,} {'is' if count == 1 else 'are'} {why}." for why, count in self.left.items()]

    @property
    def left_alone(self) -> int:
        return sum(self.left.values())

    @property
    def left_number(self) -> str:
        return f"{self.left_alone:,}"


@dataclass(frozen=True)
class Asked:
    """Who asks for what, about which records."""

    admin: LedgerAdmin
    request: HttpRequest
    actor: Actor
    looked: Looked

    @property
    def who(self) -> dict[str, Any]:
        return {"organization": self.looked.organization, "actor": self.actor}

    def tell(self, text: str, level: int = messages.SUCCESS) -> None:
        self.admin.message_user(self.request, text, level)


class Act:
    """`does` completes "12 train sessions will be …"."""

    name: ClassVar[str]
    title: ClassVar[str]
    button: ClassVar[str]
    does: ClassVar[str]
    says: ClassVar[str]
    most: ClassVar[int] = MOST_AT_ONCE
    danger: ClassVar[bool] = False

    def why_not(self, state: str, unassigned_at: datetime | None) -> str | None:
        """Why a record is left alone."""
        if unassigned_at is not None:
            return UNASSIGNED
        return COMPLETED if state == State.COMPLETED else None

    def form(self, looked: Looked, data: Any | None) -> forms.Form:
        raise NotImplementedError

    def apply(self, asked: Asked, form: Any) -> None:
        """Through the service; raises what that refuses. Says what was done."""
        raise NotImplementedError


class Unassign(Act):
    name, title, button, does = "unassign", "Unassign", "Unassign", "unassigned"
    says = "What is unassigned is no longer owed. Seats and enrollments stay. It can be undone."
    danger = True

    def form(self, looked: Looked, data: Any | None) -> forms.Form:
        there_are = TrainSession.objects.of(looked.organization).open().count()
        share = unassigning.Share(of=there_are, limit=unassigning.MOST, count=len(looked.takes))
        return UnassignForm(data, share=share)

    def apply(self, asked: Asked, form: UnassignForm) -> None:
        looked = asked.looked
        done = unassigning.unassign_acceptable(
            **asked.who,
            which=[InputRow(line, {"id": str(pk)}) for line, pk in enumerate(looked.takes, start=1)],
            reason=form.cleaned_data["reason"],
            max_percent=Decimal(100) if form.cleaned_data.get("many") else unassigning.MOST,
            details={"from": "the admin's list of train sessions"},
        )
        left = looked.left_alone + done.counts.get(Outcome.REFUSED, 0)
        told = f"{sessions(done.counts.get(Outcome.UNASSIGNED, 0))} unassigned"
        asked.tell(
            format_html(
                '{}. {} <a class="record-link" href="{}">Undo…</a>',
                told + (f", {left:,} left alone" if left else ""),
                operation_link(done),
                reverse("admin:training_undo", args=[done.operation_id]),
            )
        )


class Extend(Act):
    name, title, button, does = "extend", "Extend the due date", "Extend", "given another due date"
    says = "One date for all, or so many days more from each one's own due date."

    def form(self, looked: Looked, data: Any | None) -> forms.Form:  # noqa: ARG002 - as declared
        return ExtendForm(data)

    def apply(self, asked: Asked, form: ExtendForm) -> None:
        takes, organization = asked.looked.takes, asked.looked.organization
        given: dict[str, Any] = form.cleaned_data
        if given["until"] is not None:
            due_at = last_instant(given["until"], organization.zone)
            records.change_due(**asked.who, record_ids=takes, due_at=due_at)
            asked.tell(f"{sessions(len(takes))} due on {given['until']} now.")
            return
        later = extending.extend_due(**asked.who, record_ids=takes, days=given["days"])
        if later:
            asked.tell(f"{sessions(len(later))} due {given['days']} days later now.")
        if without := len(takes) - len(later):
            text = f"{sessions(without)} without a due date stayed as they were. Give them a date."
            asked.tell(text, messages.WARNING)


class Complete(Act):
    name, title, button, does = "complete", "Record a completion", "Record", "completed"
    says = "A completion seen elsewhere. It cannot be taken back: what is completed is history."
    most = MOST_ROWS

    def form(self, looked: Looked, data: Any | None) -> forms.Form:  # noqa: ARG002 - as declared
        return CompletionForm(data)

    def apply(self, asked: Asked, form: CompletionForm) -> None:
        """Each by itself: a record that is refused holds no other up."""
        score, on = form.cleaned_data["score"], form.cleaned_data["on"]
        rows = TrainSession.objects.of(asked.looked.organization).filter(pk__in=asked.looked.takes)
        asked.admin.act_on_each(
            asked.request,
            rows.select_related("person", "course").order_by("pk"),
            lambda row: records.complete(**asked.who, record_id=row.pk, score=score, on=on),
            done="completed",
            log=False,
        )


class Correct(Act):
    name, title, button, does = "correct", "Correct", "Correct", "corrected"
    says = (
        "A completed record is history. What it says wrongly is corrected with a reason, and what it said before is "
        "kept. Person, course, state and day of completion stay; so does the result of an enrollment."
    )
    most = correcting.MOST

    def why_not(self, state: str, unassigned_at: datetime | None) -> str | None:
        if unassigned_at is not None:
            return UNASSIGNED
        return None if state == State.COMPLETED else NOT_COMPLETED

    def form(self, looked: Looked, data: Any | None) -> forms.Form:
        rows = TrainSession.objects.of(looked.organization).filter(pk__in=looked.takes)
        scores = rows.exclude(course__pass_score=None).order_by().values_list("course__pass_score")
        return CorrectionForm(
            data,
            record=looked.sample[0] if len(looked.takes) == 1 else None,
            passed_with=dict(scores.annotate(Count("pk"))),
        )

    def apply(self, asked: Asked, form: CorrectionForm) -> None:
        done = correcting.correct(
            **asked.who, record_ids=asked.looked.takes, reason=form.cleaned_data["reason"], **form.corrections
        )
        told = f"{sessions(done.counts.get(Outcome.UPDATED, 0))} corrected"
        same = done.counts.get(Outcome.UNCHANGED, 0)
        asked.tell(
            format_html("{}. {}", told + (f", {same:,} said that already" if same else ""), operation_link(done))
        )


def operation_link(done: Done, *, before: str = "") -> str:
    address = reverse("admin:accounts_bulkoperation_change", args=[done.operation_id])
    return format_html('{}<a class="record-link" href="{}">Operation {}</a>.', before, address, done.operation_id)


ACTS: dict[str, Act] = {act.name: act for act in (Unassign(), Extend(), Complete(), Correct())}


def look(act: Act, rows: Sequence[tuple[Any, ...]], organization: Organization) -> Looked:
    """`rows`: id, state and time of unassigning of each."""
    looked = Looked(organization)
    for pk, state, unassigned_at in rows:
        looked.ids.append(pk)
        if why := act.why_not(state, unassigned_at):
            looked.left[why] += 1
        else:
            looked.takes.append(pk)
    return looked
