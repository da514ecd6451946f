"""The list of people, with what the ledger adds to it."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Organization, Person
from tests.accounts.admin_pages import Pages
from tests.factories import SYSTEM, CourseFactory, PersonFactory, UserFactory
from training.models import TrainSession
from training.services import records


@pytest.fixture
def staff(organization: Organization) -> Pages:
    return Pages(UserFactory.create(organization=organization))


def test_people_are_listed_with_what_is_open_and_overdue_of_those_on_the_page(
    staff: Pages, organization: Organization
) -> None:
    people = [PersonFactory.create(organization=organization, employee_id=f"E-{number}") for number in range(3)]
    late = timezone.now() - timedelta(days=1)
    for due_at in (late, None):
        course = CourseFactory.create(organization=organization)
        records.assign(
            organization=organization,
            actor=SYSTEM,
            course_id=course.pk,
            person_ids=[one.pk for one in people[:2]],
            due_at=due_at,
        )
    done = TrainSession.objects.filter(person=people[1], due_at=None).get()
    records.complete(organization=organization, actor=SYSTEM, record_id=done.pk, score=Decimal(80))
    staff.rows(Person)
    with CaptureQueriesContext(connection) as queries:
        page = staff.rows(Person)
    shown = [(one.employee_id, one.open_records, one.overdue_records) for one in page.context["cl"].result_list]
    assert shown == [("E-0", 2, 1), ("E-1", 1, 1), ("E-2", 0, 0)]
    assert len([one for one in queries if "train_session" in one["sql"].lower() or "trainsession" in one["sql"]]) == 1
    overdue = staff.rows(Person, training="overdue").context["cl"].queryset
    assert [one.employee_id for one in overdue] == ["E-0", "E-1"]
