"""The acts on train sessions. Each is one transaction under the organization's ledger lock."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import DateTimeField
from django.utils import timezone

from accounts.actors import Actor
from accounts.days import day_start
from accounts.errors import FieldsRefused, PeopleInactive, PeopleUnknown
from accounts.models import Organization, Person
from accounts.services.saving import save_checked
from accounts.statements import ORGANIZATION, Slot, Statement
from accounts.transactions import write
from enrollments.errors import CourseUnknown
from enrollments.models import Course, CourseStatus
from training.errors import CourseNotAssignable, RecordCompleted, RecordsNotOpen, RecordUnknown
from training.models import OPEN_STATES, State, TrainSession, Unit
from training.services.writer import LedgerWriter, Opening, falling_due, ledger_writer

MOST_YEARS = 50
"""Longer ago, nobody who works here now has completed anything: a day of then is a slip."""


@dataclass(frozen=True)
class Assigned:
    record: TrainSession
    existing: bool


def assign(
    *,
    organization: Organization,
    actor: Actor,
    course_id: int,
    person_ids: Sequence[int],
    due_at: datetime | None = None,
) -> list[Assigned]:
    """Open a record for each person, in the order given; an open one stays as it is. All or nothing.

    Raises CourseUnknown, CourseNotAssignable, PeopleUnknown, PeopleInactive, NotEnoughUnits.
    """
    ids = list(dict.fromkeys(person_ids))
    with ledger_writer(organization, actor) as writer:
        course = _assignable_course(organization, course_id)
        active = dict(Person.objects.of(organization).filter(pk__in=ids).values_list("pk", "active"))
        if unknown := [pk for pk in ids if pk not in active]:
            raise PeopleUnknown(unknown)
        if inactive := [pk for pk in ids if not active[pk]]:
            raise PeopleInactive(inactive)
        existing = writer.open_records({(pk, course.pk) for pk in ids})
        openings = [Opening(pk, course, due_at) for pk in ids if (pk, course.pk) not in existing]
        opened = {record.person_id: record for record in writer.open(openings)}
        return [
            Assigned(opened[pk], existing=False) if pk in opened else Assigned(existing[pk, course.pk], existing=True)
            for pk in ids
        ]


def _assignable_course(organization: Organization, course_id: int) -> Course:
    course = Course.objects.of(organization).filter(pk=course_id).first()
    if course is None:
        raise CourseUnknown([course_id])
    if course.status != CourseStatus.PUBLISHED:
        raise CourseNotAssignable(course_code=course.code, status=course.status)
    return course


def progress(
    *,
    organization: Organization,
    actor: Actor,
    record_id: int,
    percent_complete: int | None = None,
    time_spent: Decimal | None = None,
) -> TrainSession:
    """Start a record, or say how far it is. `time_spent` is the total, in hours. What is None stays as it is.

    A failed record stays failed until its next attempt. Raises RecordUnknown, RecordCompleted, FieldsRefused.
    """
    with ledger_writer(organization, actor) as writer:
        record = _open_record(writer, record_id)
        writer.start(record)
        if percent_complete is not None:
            record.percent = percent_complete
        if time_spent is not None:
            record.time_spent = time_spent
        _check(record)
        writer.save([record])
    return record


def attempt(
    *,
    organization: Organization,
    actor: Actor,
    record_id: int,
    score: Decimal,
    passed: bool | None = None,
    time_spent: Decimal | None = None,
) -> TrainSession:
    """Enter an attempt at the final quiz; one that passed completes the record.

    `passed` is as given, else score ≥ the course's pass score, else (no pass score) true. `time_spent` is this
    attempt's own, in hours, and is added to the record's. Raises RecordUnknown, RecordCompleted, FieldsRefused.
    """
    with ledger_writer(organization, actor) as writer:
        record = _open_record(writer, record_id)
        if passed is None:
            pass_score = record.course.pass_score
            passed = pass_score is None or score >= pass_score
        if time_spent is not None:
            record.time_spent += time_spent
        if passed:
            writer.complete(record, score)
        else:
            writer.fail_attempt(record, score)
        _check(record)
        writer.save([record])
    return record


def complete(
    *,
    organization: Organization,
    actor: Actor,
    record_id: int,
    score: Decimal | None = None,
    on: date | None = None,
) -> TrainSession:
    """Enter a completion seen elsewhere, today or on an earlier day.

    Raises RecordUnknown, RecordCompleted, FieldsRefused.
    """
    with ledger_writer(organization, actor) as writer:
        record = _open_record(writer, record_id)
        if on is not None and on > writer.today:
            raise FieldsRefused({"on": ["Give today, or an earlier day."]})
        if on is not None and on.year < writer.today.year - MOST_YEARS:
            raise FieldsRefused({"on": [f"That is more than {MOST_YEARS} years ago."]})
        pass_score = record.course.pass_score
        if score is not None and pass_score is not None and score < pass_score:
            # Not passed is an attempt, which `attempt` enters: completing would give a certificate for it.
            raise FieldsRefused({"score": [f"The course is passed with {pass_score.normalize():f}."]})
        at = None if on is None or on == writer.today else day_start(on, organization.zone)
        writer.complete(record, score, at)
        _check(record)
        writer.save([record])
    return record


def change_due(
    *, organization: Organization, actor: Actor, record_ids: Sequence[int], due_at: datetime | None
) -> list[TrainSession]:
    """Move the due instant of open records, in the order given. All or nothing. Raises RecordsNotOpen."""
    ids = list(dict.fromkeys(record_ids))
    with ledger_writer(organization, actor) as writer:
        if refusal := what_is_not_open(organization=organization, ids=ids):
            raise refusal
        found = writer.records.select_related("course", "person").in_bulk(ids)
        records = [found[pk] for pk in ids]
        for record in records:
            writer.set_due(record, due_at)
        writer.save(records)
    return records


def unassign(
    *, organization: Organization, actor: Actor, ids: Sequence[int], reason: str = "", gone_is_fine: bool = False
) -> list[int]:
    """Take back what is owed, all or nothing: enrollments and seats stay. Returns the ids, in order, once each.

    `gone_is_fine` passes over records that are unassigned already. Raises RecordsNotOpen.
    """
    ids = list(dict.fromkeys(ids))
    with ledger_writer(organization, actor) as writer:
        if gone_is_fine:
            gone = writer.records.filter(pk__in=ids, unassigned_at__isnull=False)
            passed_over = set(gone.values_list("pk", flat=True))
            ids = [pk for pk in ids if pk not in passed_over]
        if refusal := what_is_not_open(organization=organization, ids=ids):
            raise refusal
        writer.unassign(ids, reason)
    return ids


def unassign_courses(
    *, organization: Organization, actor: Actor, course_codes: Sequence[str], person_id: int, reason: str = ""
) -> list[int]:
    """Take back what a person owes of these courses. Returns the ids, newest first; none is fine.

    Raises CourseUnknown, PeopleUnknown.
    """
    codes = list(dict.fromkeys(course_codes))
    with ledger_writer(organization, actor) as writer:
        known = set(Course.objects.of(organization).filter(code__in=codes).values_list("code", flat=True))
        if unknown := [code for code in codes if code not in known]:
            raise CourseUnknown(unknown)
        if not Person.objects.of(organization).filter(pk=person_id).exists():
            raise PeopleUnknown([person_id])
        records = writer.records.open().filter(person_id=person_id, course__code__in=codes)
        ids = list(records.order_by("-pk").values_list("pk", flat=True))
        writer.unassign(ids, reason)
    return ids


def what_is_not_open(*, organization: Organization, ids: Collection[int]) -> RecordsNotOpen | None:
    """What `unassign` would refuse of these ids at this moment, for a caller that leaves those out."""
    states = dict(TrainSession.objects.of(organization).live().filter(pk__in=ids).values_list("pk", "state"))
    unknown = [pk for pk in ids if pk not in states]
    completed = [pk for pk in ids if states.get(pk) == State.COMPLETED]
    return RecordsNotOpen(unknown=unknown, completed=completed) if unknown or completed else None


NOW = Slot("now", DateTimeField())


@cache
def _falling_due() -> Statement:
    """Every page of the feed asks this. In the order of the index that has none but these."""
    return Statement(falling_due(ORGANIZATION, NOW).order_by("due_at"), "pk")


def mark_overdue(*, organization: Organization, actor: Actor) -> int:
    """Record which due instants have passed. Takes the lock only where there is something to record."""
    asked = {ORGANIZATION.name: organization.pk, NOW.name: timezone.now(), "limit": 1, "offset": 0}
    if not _falling_due().run(asked):
        return 0
    with ledger_writer(organization, actor) as writer:
        return writer.mark_overdue()


def buy_unit(*, organization: Organization, actor: Actor, course: Course, expires_on: date) -> Unit:
    """Raises FieldsRefused."""
    with write(actor):
        unit = Unit(organization=organization, course=course, expires_on=expires_on)
        save_checked(unit)
    return unit


def update_unit(*, organization: Organization, actor: Actor, unit: Unit, changes: dict[str, Any]) -> Unit:
    """A unit that a record holds keeps its course. Raises FieldsRefused."""
    with ledger_writer(organization, actor):
        unit = Unit.objects.of(organization).select_related("train_session").get(pk=unit.pk)
        course_id = unit.course_id
        for field, value in changes.items():
            setattr(unit, field, value)
        if unit.course_id != course_id and hasattr(unit, "train_session"):
            raise FieldsRefused({"course": ["A unit that a train session holds keeps its course."]})
        save_checked(unit, update_fields=changes)
    return unit


def _open_record(writer: LedgerWriter, record_id: int) -> TrainSession:
    record = writer.records.live().select_related("course", "person").filter(pk=record_id).first()
    if record is None:
        raise RecordUnknown(record_id)
    if record.state not in OPEN_STATES:
        raise RecordCompleted(record_id)
    return record


def _check(record: TrainSession) -> None:
    try:
        record.clean_fields()
    except ValidationError as error:
        raise FieldsRefused(error.message_dict) from error
