"""What the tests of `bulk_enroll` share."""

from collections.abc import Callable
from typing import Any

import pytest

from accounts.actors import Actor
from accounts.models import BulkOperation, BulkRow, Organization, Person
from enrollments.models import Course, Enrollment, Session
from tests.commands import Outcome, outcome
from tests.factories import PersonFactory, SessionFactory
from training.models import TrainSession

ACTOR = Actor.system()
Run = Callable[..., Outcome]


def runner(organization: Organization, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command on this organization."""

    def call(
        session: Session | int | str, *arguments: str, organization: str = organization.slug, **options: Any
    ) -> Outcome:
        number = session.pk if isinstance(session, Session) else session
        return outcome(capsys, "bulk_enroll", *arguments, organization=organization, session=str(number), **options)

    return call


def session_of(course: Course, **fields: Any) -> Session:
    return SessionFactory.create(organization=course.organization, course=course, **fields)


def person(organization: Organization, employee_id: str, **fields: Any) -> Person:
    return PersonFactory.create(organization=organization, employee_id=employee_id, **fields)


def enrolled(session: Session) -> list[str]:
    rows = Enrollment.objects.filter(session=session).holding_a_seat()
    return list(rows.order_by("pk").values_list("person__employee_id", flat=True))


def written() -> tuple[int, ...]:
    return tuple(model.objects.count() for model in (Enrollment, TrainSession, BulkOperation, BulkRow))


def operation() -> int:
    """The id of the last one."""
    return BulkOperation.objects.latest("pk").pk


def recorded() -> list[tuple[int, str, str, str]]:
    """The rows of the last operation."""
    rows = BulkRow.objects.filter(operation_id=operation())
    return list(rows.order_by("pk").values_list("line", "key", "outcome", "reason"))
