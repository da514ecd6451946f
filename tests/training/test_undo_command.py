"""undo: what it restores and how exactly, what it cannot restore after each kind of later change, and what it writes."""

import csv
import json
import signal
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.actors import Actor
from accounts.bulk import InputRow
from accounts.models import BulkOperation, BulkRow, OperationKind, Organization, Person
from accounts.services.operations import recording
from accounts.services.people import update_person
from enrollments.models import Course
from enrollments.services.catalogue import update_course
from programs.services.membership import join
from tests.acts import assign, attempt, complete, enroll, owed, progress
from tests.commands import Outcome, outcome
from tests.conftest import Api
from tests.factories import (
    CourseFactory,
    OrganizationFactory,
    PersonFactory,
    ProgramSessionFactory,
    SessionFactory,
    UserFactory,
)
from tests.snapshots import NOW
from tests.training import operations as written
from tests.training.feed import page
from tests.training.operations import (
    MINUTE,
    Run,
    Take,
    of_units,
    restored_all,
    restored_none,
    someone,
    unit_of,
    without_stamps,
)
from training.models import TrainSession
from training.services import undoing
from training.services.records import unassign
from training.services.unassigning import unassign_acceptable
from training.services.undoing import undo
from training.services.writer import Completion, ledger_writer

ACTOR = Actor.system()

pytestmark = pytest.mark.usefixtures("clock")


@pytest.fixture
def run(organization: Organization, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(operation: int | str, **options: Any) -> Outcome:
        return outcome(capsys, "undo", str(operation), **options)

    return call


@pytest.fixture
def course(organization: Organization) -> Course:
    return CourseFactory.create(organization=organization, code="SAFE")


@pytest.fixture
def person(organization: Organization) -> Person:
    return PersonFactory.create(organization=organization)


def restored(**changed: Any) -> dict[str, Any]:
    return {"unassigned_at": None, "unassign_reason": "", **changed}


# What it restores.


def test_undo_restores_every_column_as_it_was(organization: Organization, run: Run, take: Take) -> None:
    paid, session = (
        of_units(organization),
        SessionFactory.create(course=CourseFactory.create(organization=organization)),
    )
    plain, other = (CourseFactory.create(organization=organization) for _ in range(2))
    unit_of(paid)
    held, started = owed(paid, someone(paid)), owed(plain, someone(plain))
    progress(started, percent_complete=40, time_spent=Decimal("1.5"))
    failed = attempt(owed(plain, someone(plain)), 20, passed=False)
    late = assign(other, someone(other), due_at=NOW - MINUTE)[0].record
    (enrollment,) = enroll(session, someone(plain))
    opened = TrainSession.objects.get(enrollment=enrollment)
    kept = owed(plain, someone(plain))
    before = written.records()
    operation = take(held, started, failed, late, opened)
    taken = written.records()
    assert run(operation) == restored_all(5)
    after = written.records()
    assert without_stamps(after) == without_stamps(before)
    assert after[kept.pk] == before[kept.pk]
    stamps = {row["updated_at"] for pk, row in after.items() if pk != kept.pk}
    assert len(stamps) == 1
    assert min(stamps) > max(row["updated_at"] for row in taken.values())


def test_undo_records_what_it_did(organization: Organization, course: Course, run: Run, take: Take) -> None:
    first, second = owed(course, someone(course)), owed(course, someone(course))
    operation = take(first, 999_999, second)
    anew = owed(course, second.person)
    staff = UserFactory.create(organization=organization)
    result = run(operation, organization=organization.slug, staff=staff.email)
    number = written.last_operation()
    report = f"line 3, {second.pk}: Was assigned anew as train session {anew.pk}.\n1 restored, 1 refused."
    assert result == Outcome(2, f"{report} Operation {number}.\n", "")
    assert written.operations()[1:] == [
        {
            "organization_id": organization.pk,
            "kind": "undo",
            "reason": "",
            "details": {"run_by": "somebody"},
            "undoes_id": operation,
            "counts": {"restored": 1, "refused": 1},
            "created_by": f"user-{staff.pk}",
            "created_at": NOW + 2 * MINUTE,
            "finished_at": NOW + 2 * MINUTE,
        }
    ]
    assert written.lines(number) == [
        (1, str(first.pk), "restored", "", first.pk, None),
        (3, str(second.pk), "refused", f"Was assigned anew as train session {anew.pk}.", None, None),
    ]
    assert written.records()[first.pk]["updated_by"] == f"user-{staff.pk}"


def test_undo_puts_the_record_back_into_the_feed(
    api: Api, organization: Organization, course: Course, run: Run, take: Take
) -> None:
    record = owed(course, someone(course))
    operation = take(record)
    (gone,) = page(api)["data"]
    assert run(operation).status == 0
    (shown,) = page(api)["data"]
    assert (gone["id"], "deletedAtTime" in gone) == (str(record.uuid), True)
    assert (shown["id"], "deletedAtTime" in shown) == (str(record.uuid), False)
    assert shown["updatedAtTime"] > gone["updatedAtTime"]


def test_undo_marks_overdue_what_fell_due_in_the_meantime(
    organization: Organization, course: Course, run: Run, take: Take, clock: time_machine.Traveller
) -> None:
    due = NOW + timedelta(days=1)
    falls, later = (
        assign(course, someone(course), due_at=at)[0].record for at in (due, due + timedelta(microseconds=1))
    )
    operation = take(falls, later)
    before = written.records()
    clock.move_to(due)
    assert run(operation) == restored_all(2)
    before[falls.pk] |= restored(overdue=True)
    before[later.pk] |= restored()
    assert without_stamps(written.records()) == without_stamps(before)


def test_undo_restores_records_of_a_course_archived_since(
    organization: Organization, course: Course, run: Run, take: Take
) -> None:
    record = owed(course, someone(course))
    operation = take(record)
    update_course(organization=organization, actor=ACTOR, course=course, changes={"status": "archived"})
    assert run(operation) == restored_all()
    assert written.records()[record.pk]["unassigned_at"] is None


def test_undo_passes_over_a_completion_from_before_the_assignment(
    organization: Organization, course: Course, run: Run, take: Take
) -> None:
    """An import enters history at any time."""
    record = owed(course, someone(course))
    operation = take(record)
    with ledger_writer(organization, ACTOR) as writer:
        writer.enter([Completion(record.person_id, course, completed_on=NOW.date() - timedelta(days=1))])
    assert run(operation) == restored_all()


def test_undo_passes_over_a_completion_before_the_unassign(course: Course, run: Run, take: Take) -> None:
    """Doing the course again had been asked for."""
    someone_ = someone(course)
    complete(owed(course, someone_))
    operation = take(owed(course, someone_))
    assert run(operation) == restored_all()


def test_undo_passes_over_history_entered_before_the_unassign(
    organization: Organization, course: Course, run: Run, take: Take, clock: time_machine.Traveller
) -> None:
    """It was known when the record was still owed."""
    record = owed(course, someone(course))
    clock.shift(timedelta(days=2))
    with ledger_writer(organization, ACTOR) as writer:
        writer.enter([Completion(record.person_id, course, completed_on=NOW.date() + timedelta(days=1))])
    assert run(take(record)) == restored_all()


def test_undo_tells_before_from_after_within_one_instant(organization: Organization, course: Course, run: Run) -> None:
    person = someone(course)
    complete(owed(course, person))
    record = owed(course, person)
    rows = [InputRow(1, {"id": str(record.pk)})]
    done = unassign_acceptable(organization=organization, actor=ACTOR, which=rows, reason="x", max_percent=Decimal(100))
    assert done.operation_id is not None
    assert run(done.operation_id) == restored_all()


# What cannot be restored any more, and why.


def assigned_anew(record: TrainSession) -> str:
    return f"Was assigned anew as train session {owed(record.course, record.person).pk}."


def assigned_anew_and_begun(record: TrainSession) -> str:
    anew = owed(record.course, record.person)
    attempt(anew, 10, passed=False)
    return f"Was assigned anew as train session {anew.pk}."


def completed_anew(record: TrainSession) -> str:
    anew = complete(owed(record.course, record.person))
    return f"Has been completed since, as train session {anew.pk}."


def completed_anew_on_the_day_of_the_assignment(record: TrainSession) -> str:
    """Entered later, as done on that day."""
    anew = owed(record.course, record.person)
    with time_machine.travel(NOW + timedelta(days=3)):
        complete(anew, on=NOW.date())
    return f"Has been completed since, as train session {anew.pk}."


def completed_anew_and_assigned_again(record: TrainSession) -> str:
    complete(owed(record.course, record.person))
    return assigned_anew(record)


def enrolled(record: TrainSession) -> str:
    (enrollment,) = enroll(SessionFactory.create(course=record.course), record.person)
    return f"Was assigned anew as train session {TrainSession.objects.get(enrollment=enrollment).pk}."


def joined_a_program(record: TrainSession) -> str:
    session = ProgramSessionFactory.create(organization=record.organization, courses=[record.course])
    join(organization=record.organization, actor=ACTOR, session=session, person_ids=[record.person_id])
    return f"Was assigned anew as train session {TrainSession.objects.get(origin='program').pk}."


def deactivated(record: TrainSession) -> str:
    update_person(organization=record.organization, actor=ACTOR, person=record.person, changes={"active": False})
    return "The employee is inactive."


def unassigned_again_after_an_undo(record: TrainSession) -> str:
    undo(operation=BulkOperation.objects.get(), actor=ACTOR)
    unassign(organization=record.organization, actor=ACTOR, ids=[record.pk], reason="again")
    return "Was taken back again later, by another act."


@pytest.mark.parametrize(
    "change",
    [
        assigned_anew,
        assigned_anew_and_begun,
        completed_anew,
        completed_anew_on_the_day_of_the_assignment,
        completed_anew_and_assigned_again,
        enrolled,
        joined_a_program,
        deactivated,
        unassigned_again_after_an_undo,
    ],
)
@pytest.mark.parametrize("dry_run", [False, True])
def test_undo_says_what_cannot_be_restored_and_restores_the_rest(
    course: Course, run: Run, take: Take, change: Callable[[TrainSession], str], *, dry_run: bool
) -> None:
    record, other = owed(course, someone(course)), owed(course, someone(course))
    alone, both = change is unassigned_again_after_an_undo, (record, other)
    operation = take(*(both[:1] if alone else both))
    reason = change(record)
    before, operations = written.records(), written.operations()
    result = run(operation, dry_run=dry_run)
    number = "" if dry_run else f" Operation {written.last_operation()}."
    report = (
        f"line 1, {record.pk}: {reason}\n{0 if alone else 1} restored, 1 refused.{number}\n"
        f"{'Dry run: nothing was written.' if dry_run else ''}".rstrip("\n")
    )
    assert (result.status, result.out.rstrip("\n")) == (1 if alone else 2, report)
    assert result.error == ("Nothing was restored." if alone else "")
    if dry_run:
        assert (written.records(), written.operations()) == (before, operations)
        return
    if not alone:
        before[other.pk] |= restored()
    assert without_stamps(written.records()) == without_stamps(before)
    assert written.records()[record.pk] == before[record.pk]


def test_undo_twice_changes_nothing_the_second_time(course: Course, run: Run, take: Take) -> None:
    record, done = owed(course, someone(course)), owed(course, someone(course))
    operation = take(record, done)
    assert run(operation) == restored_all(2)
    complete(done)
    before = written.records()
    result = run(operation)
    number = written.last_operation()
    assert result == Outcome(0, f"0 restored, 0 refused, 2 unchanged. Operation {number}.\n", "")
    assert written.records() == before
    assert written.lines(number) == [
        (1, str(record.pk), "unchanged", "Is open again already.", None, None),
        (2, str(done.pk), "unchanged", "Was restored already, and has been completed.", None, None),
    ]


def test_undo_of_two_unassigns_of_one_obligation_restores_the_first_undone(
    course: Course, run: Run, take: Take
) -> None:
    person = someone(course)
    first = owed(course, person)
    one = take(first)
    second = owed(course, person)
    two = take(second)
    assert run(one) == restored_all()
    assert run(two) == restored_none(second, f"Was assigned anew as train session {first.pk}.")


def test_undo_opens_one_record_at_most_for_a_person_and_course(course: Course, run: Run, take: Take) -> None:
    """No unassign takes two. An operation that says so all the same does not break the ledger's rule."""
    person = someone(course)
    first = owed(course, person)
    operation = take(first)
    second = owed(course, person)
    BulkRow.objects.filter(operation_id=take(second)).update(operation_id=operation, line=2)
    TrainSession.objects.filter(pk=second.pk).update(unassigned_at=BulkOperation.objects.get(pk=operation).created_at)
    assert run(operation) == Outcome(
        2,
        f"line 2, {second.pk}: Was assigned anew as train session {first.pk}.\n"
        f"1 restored, 1 refused. Operation {written.last_operation()}.\n",
        "",
    )


# What it can be asked.


@pytest.mark.parametrize("number", ["999999", "0", "1.5", "abc", "9" * 30])
def test_undo_refuses_an_operation_that_is_not_there(organization: Organization, run: Run, number: str) -> None:
    assert run(number) == Outcome(1, "", f"There is no operation {number}.")


def test_undo_refuses_an_operation_of_another_organization_than_the_one_named(
    course: Course, run: Run, take: Take
) -> None:
    operation = take(owed(course, someone(course)))
    other = OrganizationFactory.create()
    before = written.records()
    assert run(operation, organization=other.slug) == Outcome(1, "", f"There is no operation {operation}.")
    assert run(operation, organization="nobody") == Outcome(1, "", "There is no organization 'nobody'.")
    assert written.records() == before


def test_undo_is_for_staff_of_the_operations_organization(course: Course, run: Run, take: Take) -> None:
    operation = take(owed(course, someone(course)))
    foreign = UserFactory.create()
    message = f"{foreign.email} is no active staff user of {course.organization.slug}."
    assert run(operation, staff=foreign.email) == Outcome(1, "", message)


@pytest.mark.parametrize("kind", [kind for kind in OperationKind if kind != "unassign"])
def test_undo_undoes_unassigns_only(organization: Organization, run: Run, kind: OperationKind) -> None:
    with recording(organization=organization, actor=ACTOR, kind=kind, dry_run=False, tell=print) as recorded:
        pass
    number = recorded.operation.pk
    article = "a" if kind in {"bulk_enroll", "correct"} else "an"
    message = f"Operation {number} is {article} {kind}; only an unassign can be undone."
    assert run(number) == Outcome(1, "", message)
    assert len(written.operations()) == 1


def test_undo_of_an_unassign_that_took_nothing_leaves_no_trace(
    organization: Organization, run: Run, take: Take
) -> None:
    operation = take(999_999)
    message = f"Operation {operation} took nothing away. Nothing was restored."
    assert run(operation) == Outcome(1, "0 restored, 0 refused.\n", message)
    assert len(written.operations()) == 1


def test_undo_leaves_other_organizations_alone(course: Course, run: Run, take: Take) -> None:
    other = CourseFactory.create()
    foreign = owed(other, someone(other))
    unassign(organization=other.organization, actor=ACTOR, ids=[foreign.pk])
    operation = take(owed(course, someone(course)), foreign)
    before = written.records()[foreign.pk]
    assert run(operation) == restored_all()
    assert written.records()[foreign.pk] == before


# How it says it.


def test_undo_writes_a_line_of_the_report_for_every_row(course: Course, run: Run, take: Take, tmp_path: Path) -> None:
    first, second = owed(course, someone(course)), owed(course, someone(course))
    operation = take(first, second)
    anew = owed(course, second.person)
    dry, wet = tmp_path / "dry.csv", tmp_path / "wet.csv"
    run(operation, report=dry, dry_run=True)
    run(operation, report=wet)
    with wet.open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [
            ["line", "key", "outcome", "reason"],
            ["1", str(first.pk), "restored", ""],
            ["2", str(second.pk), "refused", f"Was assigned anew as train session {anew.pk}."],
        ]
    assert dry.read_text() == wet.read_text()


def test_undo_says_the_same_as_json(course: Course, run: Run, take: Take) -> None:
    operation = take(owed(course, someone(course)))
    result = run(operation, json=True)
    assert json.loads(result.out) == {
        "operation": written.last_operation(),
        "dry_run": False,
        "interrupted": False,
        "rows": 1,
        "counts": {"restored": 1},
        "stopped": "",
        "refused": [],
        "refused_left_out": 0,
    }


def test_undo_goes_through_a_long_operation_in_pieces(
    course: Course, run: Run, take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All in one transaction: they bear one stamp."""
    made = [owed(course, someone(course)) for _ in range(5)]
    before = written.records()
    operation = take(*made)
    monkeypatch.setattr(undoing, "BATCH", 2)
    assert run(operation) == restored_all(5)
    assert without_stamps(written.records()) == without_stamps(before)
    assert TrainSession.objects.values("updated_at").distinct().count() == 1


def test_undo_interrupted_leaves_nothing_and_says_so(
    course: Course, run: Run, take: Take, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    operation = take(*[owed(course, someone(course)) for _ in range(3)])
    monkeypatch.setattr(undoing, "BATCH", 1)
    seen: list[int] = []

    def interrupted(*given: Any, real: Any = undoing._Batch) -> Any:  # noqa: SLF001
        seen.append(given[2][0].line)
        if seen == [1, 2]:
            signal.raise_signal(signal.SIGINT)
        return real(*given)

    monkeypatch.setattr(undoing, "_Batch", interrupted)
    before = written.records()
    assert run(operation, report=tmp_path / "x.csv") == Outcome(1, "", "Interrupted. Nothing was done.")
    assert (written.records(), len(written.operations()), seen) == (before, 1, [1, 2])
    assert list(tmp_path.iterdir()) == []


def test_undo_asks_as_often_for_many_rows_as_for_one(organization: Organization, take: Take) -> None:
    def queries(count: int) -> int:
        paid = of_units(organization, f"PAID-{count}")
        for _ in range(count):
            unit_of(paid)
        operation = take(*[owed(paid, someone(paid)) for _ in range(count)])
        for _ in range(count):
            owed(paid, someone(paid))
            unit_of(paid)
        with CaptureQueriesContext(connection) as asked:
            done = undo(operation=BulkOperation.objects.get(pk=operation), actor=ACTOR)
        assert done.counts == {"restored": count}
        return len(asked)

    assert queries(1) == queries(50)
