"""Somebody leaves: one transaction makes them inactive and takes back what is open."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.actors import Actor
from accounts.errors import FieldsRefused, PeopleUnknown
from accounts.models import BulkOperation, Organization, Person
from accounts.services import people
from enrollments import seats
from enrollments.models import Enrollment, Session
from enrollments.services import enrolling
from tests.acts import assign
from tests.factories import SYSTEM, CourseFactory, OrganizationFactory, PersonFactory, SessionFactory
from tests.training.operations import lines, operations, records
from training.services import leaving, writer
from training.services.records import complete

LEFT = "Left the company"


def courses(organization: Organization, count: int) -> list[Any]:
    return [CourseFactory.create(organization=organization) for _ in range(count)]


def leave(person: Person, *, reason: str = LEFT, cancel_seats: bool = False) -> leaving.Left:
    return leaving.deactivate_person(
        organization=person.organization,
        actor=Actor("user-7"),
        person_id=person.pk,
        reason=reason,
        cancel_seats=cancel_seats,
    )


def seat(person: Person, starts_in: timedelta) -> Enrollment:
    course = CourseFactory.create(organization=person.organization)
    session = SessionFactory.create(course=course, starts_at=timezone.now() + starts_in)
    enrolled = enrolling.enroll(
        organization=person.organization, actor=SYSTEM, session_id=session.pk, person_ids=[person.pk]
    )
    return enrolled.enrollments[0]


def test_what_is_open_is_unassigned_and_what_is_completed_stays(organization: Organization) -> None:
    person, other = PersonFactory.create_batch(2, organization=organization)
    done, first, second = (assign(course, person, other)[0].record for course in courses(organization, 3))
    complete(organization=organization, actor=SYSTEM, record_id=done.pk, score=Decimal(90))
    before = records()
    left = leave(person)
    after = records()
    assert {pk for pk in after if after[pk] != before[pk]} == {first.pk, second.pk}
    assert [(after[pk]["unassign_reason"], after[pk]["updated_by"]) for pk in (first.pk, second.pk)] == [
        (LEFT, "user-7")
    ] * 2
    assert (Person.objects.get(pk=person.pk).active, left.person.active, left.cancelled) == (False, False, [])
    [operation] = operations()
    assert (operation["kind"], operation["reason"], operation["counts"]) == ("unassign", LEFT, {"unassigned": 2})
    assert left.unassigned.operation_id is not None
    assert [line[2:5] for line in lines(left.unassigned.operation_id)] == [
        ("unassigned", "", first.pk),
        ("unassigned", "", second.pk),
    ]


def test_somebody_with_nothing_open_only_becomes_inactive(organization: Organization) -> None:
    person = PersonFactory.create(organization=organization)
    left = leave(person)
    assert (left.unassigned.operation_id, left.cancelled, BulkOperation.objects.count()) == (None, [], 0)
    assert not Person.objects.get(pk=person.pk).active


def test_seats_stay_unless_they_are_to_go_and_those_of_begun_sessions_always(organization: Organization) -> None:
    for cancel_seats, expected in ((False, ["enrolled", "enrolled"]), (True, ["cancelled", "enrolled"])):
        person = PersonFactory.create(organization=organization)
        coming, begun = seat(person, timedelta(days=3)), seat(person, timedelta(hours=-1))
        left = leave(person, cancel_seats=cancel_seats)
        statuses = [Enrollment.objects.get(pk=one.pk).status for one in (coming, begun)]
        assert (statuses, left.cancelled) == (expected, [coming.pk] if cancel_seats else [])
        # What the enrollments opened is in the operation, too, with the reason that was given.
        mine = [row for row in records().values() if row["person_id"] == person.pk]
        assert [row["unassign_reason"] for row in mine] == [LEFT, LEFT]
        assert left.unassigned.counts == {"unassigned": 2}


def test_a_failure_in_the_middle_leaves_nothing(organization: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    person = PersonFactory.create(organization=organization)
    held = [seat(person, timedelta(days=days)) for days in (3, 4)]
    before = records()
    real, calls = enrolling.cancel, []

    def failing(**given: Any) -> Any:
        calls.append(given["enrollment_id"])
        if len(calls) == 2:
            raise RuntimeError("the power went")
        return real(**given)

    monkeypatch.setattr(enrolling, "cancel", failing)
    with pytest.raises(RuntimeError):
        leave(person, cancel_seats=True)
    assert calls == [one.pk for one in held]
    assert (records(), BulkOperation.objects.count()) == (before, 0)
    assert Person.objects.get(pk=person.pk).active
    assert [one.status for one in Enrollment.objects.filter(person=person)] == ["enrolled", "enrolled"]


@pytest.mark.parametrize("reason", ["", " ", "x" * 501])
def test_a_reason_is_asked_for(organization: Organization, reason: str) -> None:
    person = PersonFactory.create(organization=organization)
    with pytest.raises(FieldsRefused) as refusal:
        leave(person, reason=reason)
    assert list(refusal.value.fields) == ["reason"]
    assert Person.objects.get(pk=person.pk).active


def test_somebody_of_another_organization_is_unknown(organization: Organization) -> None:
    theirs = PersonFactory.create(organization=OrganizationFactory.create())
    with pytest.raises(PeopleUnknown):
        leaving.deactivate_person(
            organization=organization, actor=SYSTEM, person_id=theirs.pk, reason=LEFT, cancel_seats=False
        )
    assert Person.objects.get(pk=theirs.pk).active


def test_sessions_are_locked_before_anything_is_written(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the order of all locks: sessions by id, and the ledger last."""
    person = PersonFactory.create(organization=organization)
    later, sooner = seat(person, timedelta(days=5)), seat(person, timedelta(days=3))
    acts: list[Any] = []
    locked, updated, wrote = seats.lock_rows, people.update_person, writer.ledger_writer

    def lock(rows: Any, ids: Any) -> Any:
        found = locked(rows, ids)
        acts.append(list(found))
        return found

    def update(**given: Any) -> Any:
        acts.append("person")
        return updated(**given)

    def ledger(*given: Any) -> Any:
        acts.append("ledger")
        return wrote(*given)

    monkeypatch.setattr("training.services.leaving.lock_rows", lock)
    monkeypatch.setattr(people, "update_person", update)
    monkeypatch.setattr("training.services.leaving.ledger_writer", ledger)
    leave(person, cancel_seats=True)
    sessions = list(Session.objects.filter(pk__in=[later.session_id, sooner.session_id]).order_by("pk"))
    assert acts == [[one.pk for one in sessions], "person", "ledger"]
