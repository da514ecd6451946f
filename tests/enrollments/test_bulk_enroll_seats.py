"""bulk_enroll where there are too few seats, or units: nobody, or who comes first."""

import json
from typing import Any

import pytest

from accounts.models import BulkOperation, Organization
from enrollments.models import Course, Enrollment
from enrollments.services import enrolling
from enrollments.services.catalogue import update_session
from tests.acts import assign, complete
from tests.commands import Outcome
from tests.enrollments.bulk import ACTOR, Run, enrolled, operation, person, recorded, session_of, written
from tests.factories import CourseFactory, UnitFactory
from training import ledger as adapter
from training.models import TrainSession, Unit

UNKNOWN = "There is no such employee."
AGAIN = "Line {} names the same person."


@pytest.fixture
def people(organization: Organization) -> None:
    for number in range(1, 6):
        person(organization, f"EMP-{number}")


@pytest.fixture
def paid(organization: Organization) -> Course:
    return CourseFactory.create(organization=organization, code="PAID", uses_units=True)


TOO_FEW = {
    0: (
        "Session is at capacity. No spots remaining. You requested 2 enrollments.",
        "The session has no free seat for 2 people, so nobody was enrolled.",
    ),
    1: (
        "Session is at capacity. Only 1 spot remaining. You requested 2 enrollments.",
        "The session has 1 free seat for 2 people, so nobody was enrolled.",
    ),
}


@pytest.mark.parametrize("seats", TOO_FEW)
@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.usefixtures("people")
def test_bulk_enroll_enrolls_nobody_where_seats_do_not_suffice_for_all_acceptable(
    course: Course, run: Run, *, seats: int, dry_run: bool
) -> None:
    stopped, reason = TOO_FEW[seats]
    session = session_of(course, max_participants=seats)
    said = run(session, employees="EMP-1,EMP-9,EMP-2,EMP-1", dry_run=dry_run)
    end = "\nDry run: nothing was written." if dry_run else f" Operation {operation()}."
    assert said == Outcome(
        1,
        f"line 1, EMP-1: {reason}\nline 2, EMP-9: {UNKNOWN}\nline 3, EMP-2: {reason}\nline 4, EMP-1: {reason}\n"
        f"0 enrolled, 4 refused.{end}\n",
        f"{stopped} Nobody was enrolled. Raise the session's limit, or give --on-full partial.",
    )
    assert written() == ((0, 0, 0, 0) if dry_run else (0, 0, 1, 4))
    assert enrolled(session) == []


def test_bulk_enroll_says_one_person_and_many_seats(organization: Organization, course: Course, run: Run) -> None:
    for number in range(4):
        person(organization, f"EMP-{number}")
    none, three = session_of(course, max_participants=0), session_of(course, max_participants=3)
    run(none, employees="EMP-0")
    assert recorded() == [(1, "EMP-0", "refused", "The session has no free seat for 1 person, so nobody was enrolled.")]
    run(three, employees="EMP-0,EMP-1,EMP-2,EMP-3")
    assert {reason for _, _, _, reason in recorded()} == {
        "The session has 3 free seats for 4 people, so nobody was enrolled."
    }


@pytest.mark.usefixtures("people")
def test_bulk_enroll_says_as_json_why_nobody_was_enrolled(course: Course, run: Run) -> None:
    session = session_of(course, max_participants=1)
    said = run(session, employees="EMP-1,EMP-2", json=True)
    stopped, reason = TOO_FEW[1]
    assert json.loads(said.out) == {
        "operation": operation(),
        "dry_run": False,
        "interrupted": False,
        "rows": 2,
        "counts": {"refused": 2},
        "stopped": stopped,
        "refused": [
            {"line": 1, "key": "EMP-1", "outcome": "refused", "reason": reason},
            {"line": 2, "key": "EMP-2", "outcome": "refused", "reason": reason},
        ],
        "refused_left_out": 0,
    }


@pytest.mark.parametrize("on_full", ["fail", "partial"])
@pytest.mark.usefixtures("people")
def test_bulk_enroll_needs_seats_for_the_acceptable_only(course: Course, run: Run, on_full: str) -> None:
    session = session_of(course, max_participants=1)
    assert run(session, employees="EMP-9,EMP-1,EMP-1", on_full=on_full).status == 2
    assert recorded() == [
        (1, "EMP-9", "refused", UNKNOWN),
        (2, "EMP-1", "enrolled", ""),
        (3, "EMP-1", "repeated", AGAIN.format(2)),
    ]
    assert enrolled(session) == ["EMP-1"]


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.usefixtures("people")
def test_bulk_enroll_partial_enrolls_who_comes_first(
    organization: Organization, course: Course, run: Run, *, dry_run: bool
) -> None:
    session = session_of(course, max_participants=3)
    someone = person(organization, "EMP-0")
    enrolling.enroll(organization=organization, actor=ACTOR, session_id=session.pk, person_ids=[someone.pk])
    before = written()
    said = run(session, employees="EMP-3,EMP-9,EMP-3,EMP-1,EMP-2,EMP-0,EMP-2", on_full="partial", dry_run=dry_run)
    end = "\nDry run: nothing was written." if dry_run else f" Operation {operation()}."
    assert said == Outcome(
        2,
        f"line 2, EMP-9: {UNKNOWN}\nline 5, EMP-2: The session is full.\nline 6, EMP-0: Is enrolled already.\n"
        f"line 7, EMP-2: The session is full.\n2 enrolled, 4 refused, 1 repeated.{end}\n",
        "",
    )
    assert enrolled(session) == (["EMP-0"] if dry_run else ["EMP-0", "EMP-3", "EMP-1"])
    if dry_run:
        assert written() == before


@pytest.mark.usefixtures("people")
def test_bulk_enroll_partial_in_a_full_session_enrolls_nobody_and_says_what_to_do(course: Course, run: Run) -> None:
    session = session_of(course, max_participants=0)
    assert run(session, employees="EMP-1,EMP-2", on_full="partial") == Outcome(
        1,
        "line 1, EMP-1: The session is full.\nline 2, EMP-2: The session is full.\n"
        f"0 enrolled, 2 refused. Operation {operation()}.\n",
        "Session is at capacity. No spots remaining. You requested 2 enrollments. Nobody was enrolled. "
        "Raise the session's limit and run it again.",
    )
    assert written() == (0, 0, 1, 2)


@pytest.mark.usefixtures("people")
def test_bulk_enroll_partial_without_a_limit_enrolls_everybody(course: Course, run: Run) -> None:
    session = session_of(course)
    assert run(session, employees="EMP-1,EMP-2", on_full="partial").status == 0
    assert enrolled(session) == ["EMP-1", "EMP-2"]


@pytest.mark.usefixtures("people")
def test_bulk_enroll_partial_again_takes_the_seats_that_became_free(
    organization: Organization, course: Course, run: Run
) -> None:
    session = session_of(course, max_participants=1)
    run(session, employees="EMP-1,EMP-2,EMP-3", on_full="partial")
    update_session(organization=organization, actor=ACTOR, session_id=session.pk, changes={"max_participants": 2})
    run(session, employees="EMP-1,EMP-2,EMP-3", on_full="partial")
    assert recorded() == [
        (1, "EMP-1", "refused", "Is enrolled already."),
        (2, "EMP-2", "enrolled", ""),
        (3, "EMP-3", "refused", "The session is full."),
    ]
    assert enrolled(session) == ["EMP-1", "EMP-2"]


# Units.


@pytest.mark.usefixtures("people")
def test_bulk_enroll_enrolls_nobody_where_units_do_not_suffice(
    paid: Course, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are counted for all, not for one piece of a long list."""
    monkeypatch.setattr(enrolling, "BATCH", 2)
    monkeypatch.setattr(adapter, "BATCH", 2)
    UnitFactory.create(course=paid)
    session = session_of(paid)
    stopped = "Not enough units of PAID: 5 needed, 1 free. Nobody was enrolled."
    assert run(session, employees="EMP-1,EMP-2,EMP-3,EMP-4,EMP-5") == Outcome(
        1,
        "".join(f"line {number}, EMP-{number}: {stopped}\n" for number in range(1, 6))
        + f"0 enrolled, 5 refused. Operation {operation()}.\n",
        f"{stopped} Add units of the course, or give --on-full partial.",
    )
    assert written() == (0, 0, 1, 5)


def settle(course: Course, *numbers: str) -> None:
    """These people need no unit: the first has an open record, the others a valid completed one. None is left free."""
    for position, number in enumerate(numbers):
        UnitFactory.create(course=course)
        (assigned,) = assign(course, course.organization.people.get(employee_id=number))
        if position:
            complete(assigned.record)


def holders() -> list[str]:
    """Who holds a unit by an enrollment, in order."""
    rows = TrainSession.objects.exclude(unit=None).filter(origin="enrollment").order_by("pk")
    return list(rows.values_list("person__employee_id", flat=True))


NO_UNIT = "No unit of PAID is left."
FULL = "The session is full."
OUTCOMES: dict[str, tuple[dict[str, Any], int, list[tuple[str, str]], list[str]]] = {
    # By name: the session, free units, outcome and reason of EMP-1 to EMP-5, who took a unit. EMP-2 and 3 need none.
    "units run out": (
        {},
        2,
        [("enrolled", ""), ("enrolled", ""), ("enrolled", ""), ("enrolled", ""), ("refused", NO_UNIT)],
        ["EMP-1", "EMP-4"],
    ),
    "no unit at all": (
        {},
        0,
        [("refused", NO_UNIT), ("enrolled", ""), ("enrolled", ""), ("refused", NO_UNIT), ("refused", NO_UNIT)],
        [],
    ),
    "seats run out, units do not": (
        {"max_participants": 4},
        3,
        [("enrolled", ""), ("enrolled", ""), ("enrolled", ""), ("enrolled", ""), ("refused", FULL)],
        ["EMP-1", "EMP-4"],
    ),
    "a seat without a unit goes to the next": (
        {"max_participants": 2},
        0,
        [("refused", NO_UNIT), ("enrolled", ""), ("enrolled", ""), ("refused", NO_UNIT), ("refused", NO_UNIT)],
        [],
    ),
    "both run out": (
        {"max_participants": 2},
        1,
        [("enrolled", ""), ("enrolled", ""), ("refused", FULL), ("refused", NO_UNIT), ("refused", NO_UNIT)],
        ["EMP-1"],
    ),
    "enough of both": (
        {"max_participants": 5},
        3,
        [("enrolled", "")] * 5,
        ["EMP-1", "EMP-4", "EMP-5"],
    ),
}


@pytest.mark.parametrize("name", OUTCOMES)
@pytest.mark.parametrize("batch", [2000, 2])
@pytest.mark.usefixtures("people")
def test_bulk_enroll_partial_enrolls_as_many_as_there_are_seats_and_units(
    paid: Course, run: Run, monkeypatch: pytest.MonkeyPatch, *, name: str, batch: int
) -> None:
    monkeypatch.setattr(enrolling, "BATCH", batch)
    monkeypatch.setattr(adapter, "BATCH", batch)
    fields, units, outcomes, took = OUTCOMES[name]
    session = session_of(paid, **fields)
    settle(paid, "EMP-2", "EMP-3")
    for _ in range(units):
        UnitFactory.create(course=paid)
    run(session, employees="EMP-1,EMP-2,EMP-3,EMP-4,EMP-5", on_full="partial")
    assert recorded() == [(line, f"EMP-{line}", *given) for line, given in enumerate(outcomes, start=1)]
    assert enrolled(session) == [
        f"EMP-{line}" for line, given in enumerate(outcomes, start=1) if given[0] == "enrolled"
    ]
    assert holders() == took
    assert Unit.objects.filter(train_session=None).count() == units - len(took)
    assert BulkOperation.objects.get().counts.get("enrolled", 0) == Enrollment.objects.count()


@pytest.mark.usefixtures("people")
def test_bulk_enroll_partial_without_any_unit_says_what_to_do(paid: Course, run: Run) -> None:
    assert run(session_of(paid), employees="EMP-1", on_full="partial") == Outcome(
        1,
        f"line 1, EMP-1: No unit of PAID is left.\n0 enrolled, 1 refused. Operation {operation()}.\n",
        "Not enough units of PAID: 1 needed, 0 free. Nobody was enrolled. Add units of the course and run it again.",
    )


@pytest.mark.usefixtures("people")
def test_bulk_enroll_fail_needs_no_unit_for_who_has_a_record(paid: Course, run: Run) -> None:
    settle(paid, "EMP-2", "EMP-3")
    UnitFactory.create(course=paid)
    session = session_of(paid)
    assert run(session, employees="EMP-1,EMP-2,EMP-3").status == 0
    assert (enrolled(session), holders()) == (["EMP-1", "EMP-2", "EMP-3"], ["EMP-1"])
