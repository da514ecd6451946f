from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from accounts.models import Organization, Person
from tests.accounts.admin_pages import Pages, address, errors_of, fields_of, messages_of
from tests.factories import SYSTEM, CourseFactory, OrganizationFactory, PersonFactory, UnitFactory, UserFactory
from training.models import State, TrainSession, Unit
from training.services import records


@pytest.fixture
def organization(db: None) -> Organization:
    return OrganizationFactory.create(time_zone="Pacific/Auckland")


@pytest.fixture
def staff(organization: Organization) -> Pages:
    return Pages(UserFactory.create(organization=organization))


def people_of(organization: Organization, count: int) -> list[Person]:
    return [PersonFactory.create(organization=organization) for _ in range(count)]


def assigned(organization: Organization, count: int = 1, **fields: Any) -> list[TrainSession]:
    course = fields.pop("course", None) or CourseFactory.create(organization=organization)
    people = [person.pk for person in people_of(organization, count)]
    made = records.assign(organization=organization, actor=SYSTEM, course_id=course.pk, person_ids=people, **fields)
    return [row.record for row in made]


def finish(record: TrainSession) -> None:
    records.complete(organization=record.organization, actor=SYSTEM, record_id=record.pk)


def test_a_course_is_assigned_until_the_end_of_a_day(staff: Pages, organization: Organization) -> None:
    course = CourseFactory.create(organization=organization)
    people = people_of(organization, 2)
    answer = staff.add(TrainSession, course=course.pk, people=[person.pk for person in people], due_day="2027-03-31")
    assert messages_of(staff.get(answer.headers["Location"])) == ["2 train sessions assigned."]
    due = datetime(2027, 3, 31, 10, 59, 59, 999999, tzinfo=UTC)
    assert list(TrainSession.objects.order_by("pk").values_list("person_id", "due_at", "created_by")) == [
        (person.pk, due, f"user-{staff.user.pk}") for person in people
    ]
    record = TrainSession.objects.all()[0]
    assert fields_of(staff.get(address(TrainSession, "change", record)))["due_day"] == ["2027-03-31"]
    assert "2027-03-31" in staff.rows(TrainSession).content.decode()
    assert LogEntry.objects.count() == 2


def test_assigning_what_is_open_already_says_so(staff: Pages, organization: Organization) -> None:
    [record] = assigned(organization)
    [person] = people_of(organization, 1)
    answer = staff.add(TrainSession, course=record.course_id, people=[record.person_id, person.pk])
    assert messages_of(staff.get(answer.headers["Location"])) == [
        "1 train session assigned.",
        "1 train session had been assigned before and stay as they are.",
    ]
    assert TrainSession.objects.count() == 2


def test_too_few_units_are_said_on_the_form(staff: Pages, organization: Organization) -> None:
    course = CourseFactory.create(organization=organization, code="C-1", uses_units=True)
    UnitFactory.create(course=course)
    people = [person.pk for person in people_of(organization, 2)]
    answer = staff.add(TrainSession, course=course.pk, people=people)
    assert errors_of(answer) == {"__all__": ["Not enough units of C-1: 2 needed, 1 free."]}
    assert fields_of(answer)["people"] == [str(pk) for pk in people]
    assert TrainSession.objects.count() == 0


def test_an_archived_course_is_not_assigned(staff: Pages, organization: Organization) -> None:
    course = CourseFactory.create(organization=organization, code="C-1", status="archived")
    answer = staff.add(TrainSession, course=course.pk, people=[people_of(organization, 1)[0].pk])
    assert errors_of(answer) == {"__all__": ["Course C-1 is archived; it cannot be assigned."]}


def test_progress_and_due_day_are_changed_on_the_page(staff: Pages, organization: Organization) -> None:
    [record] = assigned(organization)
    staff.change(record, percent="40", time_spent="1.5", due_day="2027-01-01")
    record.refresh_from_db()
    assert (record.state, record.percent, record.time_spent) == (State.IN_PROGRESS, 40, Decimal("1.5"))
    assert record.due_at == datetime(2027, 1, 1, 10, 59, 59, 999999, tzinfo=UTC)
    staff.change(record, due_day="")
    record.refresh_from_db()
    due_at: datetime | None = record.due_at
    assert (due_at, record.percent) == (None, 40)


def test_a_due_instant_is_kept_while_its_day_is_not_changed(staff: Pages, organization: Organization) -> None:
    """A due instant from an API is no end of a day; saving the page must not make it one."""
    due = datetime(2027, 1, 1, 3, 4, 5, tzinfo=UTC)
    [record] = assigned(organization, due_at=due)
    staff.change(record, percent="10")
    record.refresh_from_db()
    assert (record.percent, record.due_at, record.state) == (10, due, State.IN_PROGRESS)


def test_a_percentage_above_100_is_refused_at_its_field(staff: Pages, organization: Organization) -> None:
    [record] = assigned(organization)
    answer = staff.change(record, percent="101")
    assert errors_of(answer) == {"percent": ["Ensure this value is less than or equal to 100."]}
    record.refresh_from_db()
    assert (record.percent, record.state) == (0, State.ASSIGNED)


def test_a_completed_record_is_read_only_and_a_page_opened_before_is_refused(
    staff: Pages, organization: Organization
) -> None:
    [record] = assigned(organization)
    page = address(TrainSession, "change", record)
    opened = fields_of(staff.get(page))
    finish(record)
    before = TrainSession.objects.values().get()
    answer = staff.client.post(page, {**opened, "percent": "50", "due_day": "2027-01-01"})
    assert errors_of(answer) == {"__all__": [f"Train session {record.pk} is completed; it cannot be changed."]}
    assert fields_of(answer)["percent"] == ["50"]
    assert (TrainSession.objects.values().get(), LogEntry.objects.count()) == (before, 0)
    assert set(fields_of(staff.get(page))) == {"csrfmiddlewaretoken"}


def test_an_unassigned_record_is_read_only(staff: Pages, organization: Organization) -> None:
    [record] = assigned(organization)
    records.unassign(organization=organization, actor=SYSTEM, ids=[record.pk], reason="Left")
    page = staff.get(address(TrainSession, "change", record))
    assert set(fields_of(page)) == {"csrfmiddlewaretoken"}
    assert "Unassigned" in page.content.decode()


def test_the_filters_show_what_they_say(staff: Pages, organization: Organization) -> None:
    now = timezone.now()
    open_late, open_early, done, gone = (
        *assigned(organization, due_at=now - timedelta(days=1)),
        *assigned(organization, due_at=now + timedelta(days=1)),
        *assigned(organization, due_at=now - timedelta(days=1)),
        *assigned(organization, due_at=now - timedelta(days=1)),
    )
    finish(done)
    records.unassign(organization=organization, actor=SYSTEM, ids=[gone.pk])

    def shown(**query: str) -> set[TrainSession]:
        return set(staff.rows(TrainSession, **query).context["cl"].queryset)

    assert shown() == {open_late, open_early, done, gone}
    assert shown(standing="open") == {open_late, open_early}
    assert shown(standing="assigned") == {open_late, open_early}
    assert shown(standing="completed") == {done}
    assert shown(standing="failed") == set()
    assert shown(standing="unassigned") == {gone}
    assert shown(overdue="yes") == {open_late}
    assert shown(overdue="no") == {open_early, done, gone}
    safety = str(done.course.category_id)
    assert shown(course__category__id__exact=safety) == {open_late, open_early, done, gone}
    assert shown(q=open_late.person.username) == {open_late}
    assert shown(q=open_early.person.employee_id) == {open_early}
    assert shown(q=done.course.code.lower()) >= {done}


def test_a_unit_is_bought_and_changed(staff: Pages, organization: Organization) -> None:
    course, other = (CourseFactory.create(organization=organization, uses_units=True) for _ in range(2))
    staff.add(Unit, course=course.pk, expires_on="2030-01-31")
    unit = Unit.objects.get()
    assert (unit.organization, unit.course, unit.expires_on) == (organization, course, date(2030, 1, 31))
    staff.change(unit, expires_on="2031-01-31")
    assert Unit.objects.get().expires_on == date(2031, 1, 31)
    [record] = assigned(organization, course=course)
    assert str(record) in staff.rows(Unit).content.decode()
    answer = staff.change(unit, course=other.pk)
    assert errors_of(answer) == {"course": ["A unit that a train session holds keeps its course."]}
    assert Unit.objects.get().course == course


def test_a_transcript_leads_to_all_records_of_just_that_person(staff: Pages, organization: Organization) -> None:
    """Also where the employee number is a part of another's, or holds what an address may not."""
    mine, other = (PersonFactory.create(organization=organization, employee_id=number) for number in ("A&1", "A&11"))
    course = CourseFactory.create(organization=organization)
    ids = [mine.pk, other.pk]
    made = records.assign(organization=organization, actor=SYSTEM, course_id=course.pk, person_ids=ids)
    [shown] = [
        context for name, context in staff.get(address(Person, "change", mine)).context["sections"] if "all" in context
    ]
    found = staff.get(shown["all"])
    assert (found.status_code, list(found.context["cl"].queryset)) == (200, [made[0].record])
