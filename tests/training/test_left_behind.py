"""Whichever way somebody becomes inactive, what is open is unassigned with it: the API, an import, any service."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.bulk import Done, InputRow, RowOutcome
from accounts.errors import FieldsRefused, PeopleInactive
from accounts.models import BulkOperation, BulkRow, HistoryEntry, Organization, Person
from accounts.services import people
from accounts.services.importing_people import import_people
from enrollments.models import Enrollment
from enrollments.services import bulk, enrolling
from programs.models import ProgramMember
from programs.services import joining, membership
from tests.acts import ACTOR, assign, complete, enroll
from tests.conftest import Api, api_of
from tests.factories import CourseFactory, PersonFactory, ProgramSessionFactory, SessionFactory
from tests.training import feed
from tests.training.operations import lines, of_units, operations, owing, records, unit_of, without_stamps
from training.models import TrainSession
from training.services.undoing import undo

REASON = "Made inactive"


def person_of(organization: Organization, number: str, **fields: Any) -> Person:
    return PersonFactory.create(organization=organization, employee_id=number, **fields)


def open_of(person: Person) -> list[int]:
    rows = TrainSession.objects.filter(person=person).exclude(state="completed").order_by("pk")
    return list(rows.values_list("pk", flat=True))


def become_inactive(person: Person, **changes: Any) -> Person:
    return people.update_person(
        organization=person.organization, actor=ACTOR, person=person, changes={"active": False, **changes}
    )


def import_rows(organization: Organization, *rows: str, dry_run: bool = False) -> tuple[Done, list[RowOutcome]]:
    """`rows` are "number active"."""
    given = [
        InputRow(line, dict(zip(("employee_id", "active"), row.split(), strict=True)))
        for line, row in enumerate(rows, start=2)
    ]
    told: list[RowOutcome] = []
    done = import_people(
        organization=organization, actor=ACTOR, columns=["employee_id", "active"], rows=given, dry_run=dry_run,
        tell=told.extend,
    )  # fmt: skip
    return done, told


def test_the_api_takes_back_what_is_open(organization: Organization) -> None:
    person, other = person_of(organization, "EMP-1"), person_of(organization, "EMP-2")
    paid = of_units(organization)
    unit = unit_of(paid)
    unit_of(paid)
    first = assign(paid, person, other)[0].record
    complete(assign(CourseFactory.create(organization=organization), person)[0].record)
    before = records()
    api = api_of(organization, "training:write", "training_assignments:read")
    answer = api.patch(f"/api/v1/training/employees/{person.pk}", {"active": False})
    assert (answer.status_code, answer.json()["data"]["active"]) == (200, False)
    after = records()
    actor = after[first.pk]["updated_by"]
    assert {pk for pk in after if after[pk] != before[pk]} == {first.pk}
    assert without_stamps({first.pk: after[first.pk]}) == without_stamps(
        {first.pk: before[first.pk] | {"unassigned_at": after[first.pk]["unassigned_at"], "unassign_reason": REASON,
                                       "unit_id": None}}
    )  # fmt: skip
    [operation] = operations()
    assert (operation["kind"], operation["reason"], operation["counts"], operation["created_by"]) == (
        "unassign", REASON, {"unassigned": 1}, actor,
    )  # fmt: skip
    assert operation["details"] == {"people_left": 1}
    assert actor.startswith("token-")
    written = BulkOperation.objects.get()
    assert lines(written.pk) == [(1, str(first.pk), "unassigned", "", first.pk, {"unit": unit.pk})]
    tombstones = [row["id"] for row in feed.page(api)["data"] if row.get("deletedAtTime")]
    assert tombstones == [str(first.uuid)]
    # Not while the person is inactive.
    assert undo(operation=written, actor=ACTOR).counts == {"refused": 1}
    people.update_person(organization=organization, actor=ACTOR, person=person, changes={"active": True})
    assert undo(operation=written, actor=ACTOR).counts == {"restored": 1}
    assert without_stamps(records()) == without_stamps(before)


def test_nothing_is_taken_back_of_whom_nobody_makes_inactive(organization: Organization) -> None:
    person = person_of(organization, "EMP-1")
    assign(CourseFactory.create(organization=organization), person)
    before = records()
    people.update_person(organization=organization, actor=ACTOR, person=person, changes={"active": True})
    people.update_person(organization=organization, actor=ACTOR, person=person, changes={"first_name": "Bea"})
    Person.objects.filter(pk=person.pk).update(active=False)
    become_inactive(person, first_name="Cy")
    assert (records(), BulkOperation.objects.count()) == (before, 0)


def test_a_change_that_is_refused_takes_nothing_back(organization: Organization) -> None:
    person, other = person_of(organization, "EMP-1"), person_of(organization, "EMP-2")
    assign(CourseFactory.create(organization=organization), person, other)
    before = records()
    with pytest.raises(FieldsRefused):
        become_inactive(person, employee_id="EMP-2")
    assert (records(), BulkOperation.objects.count()) == (before, 0)
    assert Person.objects.get(pk=person.pk).active


def test_an_import_takes_back_what_is_open_of_all_who_become_inactive(organization: Organization) -> None:
    both, one, none, stays, was = (person_of(organization, f"EMP-{number}") for number in range(1, 6))
    for course in (CourseFactory.create(organization=organization), CourseFactory.create(organization=organization)):
        assign(course, both, stays)
    assign(CourseFactory.create(organization=organization), one, was)
    Person.objects.filter(pk=was.pk).update(active=False)
    gone = [*open_of(both), *open_of(one)]
    before = records()
    rows = ("EMP-3 no", "EMP-2 no", "EMP-1 no", "EMP-4 yes", "EMP-5 no", "EMP-4 no", "EMP-9 maybe")
    expected = [
        ("EMP-3", "updated", ""),
        ("EMP-2", "updated", "Open train sessions unassigned: 1."),
        ("EMP-1", "updated", "Open train sessions unassigned: 2."),
        ("EMP-4", "unchanged", ""),
        ("EMP-5", "unchanged", ""),
    ]
    # What a dry run says is what is done.
    _, told = import_rows(organization, *rows, dry_run=True)
    assert [(row.key, row.outcome.value, row.reason) for row in told][:5] == expected
    assert (records(), BulkOperation.objects.count(), Person.objects.filter(active=True).count()) == (before, 0, 4)
    done, told = import_rows(organization, *rows)
    assert [(row.key, row.outcome.value, row.reason) for row in told][:5] == expected
    assert [row.outcome.value for row in told][5:] == ["refused", "refused"]
    after = records()
    assert {pk for pk in after if after[pk] != before[pk]} == set(gone)
    assert {(row["unassign_reason"], row["updated_by"]) for row in after.values() if row["unassigned_at"]} == {
        (REASON, ACTOR.ref)
    }
    imported, unassigned = BulkOperation.objects.order_by("pk")
    assert (imported.pk, imported.kind, unassigned.kind) == (done.operation_id, "import_people", "unassign")
    assert (unassigned.counts, unassigned.details) == ({"unassigned": 3}, {"people_left": 3})
    assert [line[4] for line in lines(unassigned.pk)] == sorted(gone)
    assert BulkRow.objects.get(operation=imported, key="EMP-1").reason == expected[2][2]
    assert not Person.objects.filter(pk__in=[both.pk, one.pk, none.pk], active=True).exists()
    assert import_rows(organization, *rows[:3])[0].counts == {"unchanged": 3}
    assert BulkOperation.objects.filter(kind="unassign").count() == 1


def test_an_import_asks_as_much_for_many_who_leave_as_for_few(organization: Organization) -> None:
    def queries(count: int) -> int:
        ids = owing(organization, count)
        numbers = TrainSession.objects.filter(pk__in=ids).values_list("person__employee_id", flat=True)
        rows = [f"{number} no" for number in numbers]
        with CaptureQueriesContext(connection) as seen:
            done, _ = import_rows(organization, *rows)
        assert done.counts == {"updated": count}
        return len(seen)

    queries(1)
    assert queries(2) == queries(30)


def test_an_import_that_fails_at_the_ledger_makes_nobody_inactive(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = person_of(organization, "EMP-1")
    assign(CourseFactory.create(organization=organization), person)
    before = records()

    def failing(**_given: Any) -> Any:
        raise RuntimeError("the power went")

    monkeypatch.setattr("training.services.leaving.unassign_acceptable", failing)
    with pytest.raises(RuntimeError):
        import_rows(organization, "EMP-1 no")
    assert (Person.objects.get(pk=person.pk).active, records(), BulkOperation.objects.count()) == (True, before, 0)
    entries = HistoryEntry.objects.filter(model="accounts.Person", row_id=person.pk, act="changed")
    assert entries.count() == 0


# Made inactive at the moment between being looked up and the ledger's lock.


def overtaken(monkeypatch: pytest.MonkeyPatch, name: str, *leavers: Person) -> None:
    """Before the function of this dotted name runs for the first time, these become inactive."""
    module, _, attribute = name.rpartition(".")
    real: Callable[..., Any] = getattr(__import__(module, fromlist=[attribute]), attribute)
    waiting = list(leavers)

    def late(*args: Any, **given: Any) -> Any:
        while waiting:
            become_inactive(waiting.pop())
        return real(*args, **given)

    monkeypatch.setattr(name, late)


def test_nobody_is_enrolled_who_was_made_inactive_meanwhile(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = SessionFactory.create(course=CourseFactory.create(organization=organization))
    stays, leaves = person_of(organization, "EMP-1"), person_of(organization, "EMP-2")
    overtaken(monkeypatch, "enrollments.services.enrolling.seat", leaves)
    with pytest.raises(PeopleInactive) as refusal:
        enrolling.enroll(
            organization=organization, actor=ACTOR, session_id=session.pk, person_ids=[stays.pk, leaves.pk]
        )
    assert refusal.value.ids == [leaves.pk]
    assert (Enrollment.objects.count(), TrainSession.objects.count()) == (0, 0)


@pytest.mark.parametrize("on_full", bulk.OnFull)
def test_of_many_those_are_left_out_who_were_made_inactive_meanwhile(
    organization: Organization, monkeypatch: pytest.MonkeyPatch, on_full: bulk.OnFull
) -> None:
    session = SessionFactory.create(course=CourseFactory.create(organization=organization), max_participants=2)
    some = [person_of(organization, f"EMP-{number}") for number in range(1, 4 if on_full == "partial" else 3)]
    overtaken(monkeypatch, "enrollments.services.bulk._seat", some[0])
    told: list[RowOutcome] = []
    bulk.enroll_acceptable(
        organization=organization, actor=ACTOR, session_id=session.pk, column="employee_id", on_full=on_full,
        rows=[InputRow(line, {"employee_id": one.employee_id}) for line, one in enumerate(some, start=1)],
        tell=told.extend,
    )  # fmt: skip
    assert [(one.key, one.outcome.value, one.reason) for one in told] == [
        ("EMP-1", "refused", "The employee is inactive."),
        *((one.employee_id, "enrolled", "") for one in some[1:]),
    ]
    enrolled = [one.pk for one in some[1:]]
    assert list(Enrollment.objects.order_by("person").values_list("person_id", flat=True)) == enrolled
    assert list(TrainSession.objects.order_by("person").values_list("person_id", flat=True)) == enrolled


def test_nobody_joins_a_program_who_was_made_inactive_meanwhile(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    course = CourseFactory.create(organization=organization)
    session = ProgramSessionFactory.create(organization=organization, courses=[course])
    stays, leaves, later = (person_of(organization, f"EMP-{number}") for number in range(1, 4))
    overtaken(monkeypatch, "programs.services.membership.take_seats", leaves)
    with pytest.raises(PeopleInactive) as refusal:
        membership.join(organization=organization, actor=ACTOR, session=session, person_ids=[stays.pk, leaves.pk])
    assert (refusal.value.ids, ProgramMember.objects.count(), TrainSession.objects.count()) == ([leaves.pk], 0, 0)
    overtaken(monkeypatch, "programs.services.membership.take_seats", later)
    joined = joining.join_acceptable(
        organization=organization, actor=ACTOR, session=session, numbers=["EMP-1", "EMP-3"]
    )
    assert list(joined.members) == ["EMP-1"]
    assert [(number, type(why)) for number, why in joined.refused.items()] == [("EMP-3", PeopleInactive)]
    assert list(TrainSession.objects.values_list("person_id", flat=True)) == [stays.pk]


def test_the_look_at_who_is_active_is_one_query_for_many(api: Api, organization: Organization) -> None:
    del api
    counts = []
    for many in (1, 20):
        session = SessionFactory.create(course=CourseFactory.create(organization=organization))
        some = PersonFactory.create_batch(many, organization=organization)
        with CaptureQueriesContext(connection) as seen:
            enroll(session, *some)
        counts.append(len(seen))
        asked = [one["sql"] for one in seen if 'FROM "accounts_person"' in one["sql"] and "NOT" in one["sql"]]
        assert len(asked) == 1
    assert counts[0] == counts[1]
