"""Somebody leaves while somebody else assigns to them: nobody waits in a circle, and nothing stays open."""

import pytest

from accounts.models import Organization, Person
from tests.acts import ACTOR
from tests.concurrency.threads import RACE, at_once, meeting, patched
from tests.factories import CourseFactory, PersonFactory
from training.models import TrainSession
from training.services import leaving, records

pytestmark = RACE


def test_leaving_and_assigning_at_once_leave_nothing_open(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one holds the person's row and waits for the ledger; the other holds the ledger, and points to the person.

    Were the row locked against foreign keys too, each would wait for the other.
    """
    person = PersonFactory.create(organization=organization)
    course = CourseFactory.create(organization=organization)

    def leave() -> object:
        return leaving.deactivate_person(
            organization=organization, actor=ACTOR, person_id=person.pk, reason="Left", cancel_seats=True
        )

    def assign() -> object:
        return records.assign(organization=organization, actor=ACTOR, course_id=course.pk, person_ids=[person.pk])

    with patched(
        monkeypatch,
        after="accounts.services.people.update_person",
        before="training.services.records._assignable_course",
        meet=meeting(2),
    ):
        results = at_once(leave, assign)
    assert [result for result in results if isinstance(result, Exception)] == []
    assert not Person.objects.get(pk=person.pk).active
    assert list(TrainSession.objects.values_list("unassign_reason", flat=True)) == ["Left"]
