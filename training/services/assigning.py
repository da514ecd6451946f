"""Assigning a course to many people of whom some may have to be left out, and telling which and why."""

from collections.abc import Sequence
from datetime import date
from itertools import islice
from typing import Any

from accounts.actors import Actor
from accounts.bulk import Done, InputRow, Tell, tell_nobody
from accounts.days import day_of, last_instant
from accounts.models import OperationKind, Organization, Outcome
from accounts.naming import INACTIVE, UNKNOWN, Verdict, names_in, outcomes, refused
from accounts.selectors import people_by
from accounts.services.operations import recording
from enrollments.errors import CourseUnknown, NotEnoughUnits
from enrollments.models import Course, CourseStatus
from training.errors import CourseNotAssignable
from training.models import TrainSession
from training.services.writer import LedgerWriter, Opening, ledger_writer
from training.wording import describe

BATCH = 2000  # Rows in one statement: no database refuses so many, and a progress bar moves.


def assign_acceptable(
    *,
    organization: Organization,
    actor: Actor,
    course_code: str,
    column: str,
    rows: Sequence[InputRow],
    due_on: date | None,
    details: dict[str, Any] | None = None,
    dry_run: bool = False,
    tell: Tell = tell_nobody,
) -> Done:
    """Assign a course to everybody who can have it, in one transaction; where the units do not suffice, to nobody.

    `column` is the one that names people: `employee_id`, `username` or `mail`. `due_on` is the last day, in the
    organization's time zone. An open record stays as it is, with its own due instant. A dry run does the same and
    takes it back; an exception from `tell` undoes all. Raises CourseUnknown, CourseNotAssignable.
    """
    with (
        ledger_writer(organization, actor) as writer,
        recording(
            organization=organization,
            actor=actor,
            kind=OperationKind.ASSIGN,
            details=details,
            at=writer.now,
            dry_run=dry_run,
            tell=tell,
        ) as recorded,
    ):
        course = _assignable_course(organization, course_code)
        owing, verdicts = _sorted_out(writer, course, column, names_in(rows, column))
        due_at = None if due_on is None else last_instant(due_on, organization.zone)
        try:
            opened = writer.open([Opening(pk, course, due_at) for pk in owing.values()])
        except NotEnoughUnits as lack:
            recorded.stopped = describe(lack)
            verdicts |= dict.fromkeys(owing, refused(f"{describe(lack)} Nobody was assigned."))
        else:
            ids = {record.person_id: record.pk for record in opened}
            verdicts |= {name: Verdict(Outcome.ASSIGNED, target_id=ids[pk]) for name, pk in owing.items()}
        told = outcomes(rows, column, verdicts)
        while batch := list(islice(told, BATCH)):
            recorded.add(batch)
    return recorded.done


def _assignable_course(organization: Organization, code: str) -> Course:
    course = Course.objects.of(organization).filter(code=code).first()
    if course is None:
        raise CourseUnknown([code])
    if course.status != CourseStatus.PUBLISHED:
        raise CourseNotAssignable(course_code=course.code, status=course.status)
    return course


def _sorted_out(
    writer: LedgerWriter, course: Course, column: str, names: Sequence[str]
) -> tuple[dict[str, int], dict[str, Verdict]]:
    """The ids of those for whom a record is to be opened, and the verdict on the others, each by name and in order."""
    owing: dict[str, int] = {}
    verdicts: dict[str, Verdict] = {}
    for start in range(0, len(names), BATCH):
        batch = names[start : start + BATCH]
        people = people_by(writer.organization, column, batch)
        existing = writer.open_records({(person.pk, course.pk) for person in people.values()})
        for name in batch:
            person = people.get(name)
            if person is None:
                verdicts[name] = refused(UNKNOWN)
            elif not person.active:
                verdicts[name] = refused(INACTIVE)
            elif record := existing.get((person.pk, course.pk)):
                verdicts[name] = Verdict(Outcome.UNCHANGED, _kept(writer, record))
            else:
                owing[name] = person.pk
    return owing, verdicts


def _kept(writer: LedgerWriter, record: TrainSession) -> str:
    due = "without a due date"
    if record.due_at is not None:
        due = f"due {day_of(record.due_at, writer.organization.zone)}"
    return f"Has an open record already, {due}; it stays as it is."
