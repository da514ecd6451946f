"""What the tests of `assign` share."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from accounts.models import BulkOperation, BulkRow, Group, GroupMember, Organization, Person
from accounts.services.people import update_person
from enrollments.models import Course
from tests.acts import ACTOR
from tests.commands import Outcome, outcome
from tests.factories import PersonFactory
from training.models import TrainSession

Run = Callable[..., Outcome]
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
UNKNOWN = "There is no such employee."


def runner(organization: Organization, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command on this organization."""

    def call(*arguments: str, organization: str = organization.slug, **options: Any) -> Outcome:
        asked = {"course": "SAF-1", "due": "2026-12-31", **options}
        return outcome(capsys, "assign", *arguments, organization=organization, **asked)

    return call


def person(organization: Organization, employee_id: str, **fields: Any) -> Person:
    return PersonFactory.create(organization=organization, employee_id=employee_id, **fields)


def deactivate(someone: Person) -> None:
    update_person(organization=someone.organization, actor=ACTOR, person=someone, changes={"active": False})


def owing(course: Course) -> list[str]:
    rows = TrainSession.objects.open().filter(course=course).order_by("pk")
    return list(rows.values_list("person__employee_id", flat=True))


def written() -> tuple[int, ...]:
    return tuple(model.objects.count() for model in (TrainSession, BulkOperation, BulkRow))


def operation() -> int:
    return BulkOperation.objects.latest("pk").pk


def recorded() -> list[tuple[int, str, str, str]]:
    """The rows of the last operation."""
    rows = BulkRow.objects.filter(operation_id=operation()).order_by("pk")
    return list(rows.values_list("line", "key", "outcome", "reason"))


def group(organization: Organization, name: str, *people: Person) -> None:
    made = Group.objects.create(organization=organization, name=name)
    for someone in people:
        GroupMember.objects.create(organization=organization, group=made, person=someone)
