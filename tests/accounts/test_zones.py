"""Whose days and times a page speaks of: those of the row's organization, also where a superuser of none looks at it."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Organization, User
from enrollments.models import Course, Session
from tests.accounts.admin_pages import Pages, address, fields_of
from tests.factories import SYSTEM, CourseFactory, OrganizationFactory, PersonFactory, SessionFactory, UserFactory
from training.models import TrainSession
from training.services import records

AT = datetime(2026, 5, 4, 20, 30, tzinfo=UTC)  # On the 5th in Auckland, on the 4th in Lima.


@pytest.fixture
def root(db: None) -> Pages:
    return Pages(User.objects.create_superuser("root@example.com", "a long enough password"))


@pytest.fixture
def auckland(db: None) -> Organization:
    return OrganizationFactory.create(time_zone="Pacific/Auckland")


@pytest.fixture
def lima(db: None) -> Organization:
    return OrganizationFactory.create(time_zone="America/Lima")


def session_of(organization: Organization, **course: Any) -> Session:
    return SessionFactory.create(course=CourseFactory.create(organization=organization, **course), starts_at=AT)


def column(page: Any, name: str) -> list[str]:
    """What stands in a list's column, by the class that the theme gives it."""
    cells = page.content.decode().split(f"field-{name} ")[1:]
    return [cell.partition(">")[2].partition("</t")[0].strip() for cell in cells]


def test_a_superusers_list_of_several_organizations_names_each_rows_zone(
    root: Pages, auckland: Organization, lima: Organization
) -> None:
    session_of(auckland), session_of(lima)
    assert column(root.rows(Session), "starts_at") == [
        "2026-05-04 15:30 America/Lima",
        "2026-05-05 08:30 Pacific/Auckland",
    ]
    one = root.rows(Session, organization__id__exact=auckland.pk)
    assert column(one, "starts_at") == ["2026-05-05 08:30"]
    staff = Pages(UserFactory.create(organization=lima))
    assert column(staff.rows(Session), "starts_at") == ["2026-05-04 15:30"]


def test_a_superuser_types_and_reads_times_in_the_zone_of_the_row(root: Pages, auckland: Organization) -> None:
    session = session_of(auckland)
    page = root.get(address(Session, "change", session))
    typed = fields_of(page)
    assert (typed["starts_at_0"], typed["starts_at_1"]) == (["2026-05-05"], ["08:30:00"])
    assert "Time zone: Pacific/Auckland." in page.content.decode()
    assert "2026-05-05 08:30" in page.content.decode()
    root.change(session, starts_at_0="2026-05-05", starts_at_1="07:00")
    session.refresh_from_db()
    assert session.starts_at == datetime(2026, 5, 4, 19, tzinfo=UTC)


def test_a_superuser_makes_a_row_in_the_zone_of_the_course_that_is_picked(root: Pages, auckland: Organization) -> None:
    course = CourseFactory.create(organization=auckland)
    assert "Time zone: the organization's own." in root.get(address(Session, "add")).content.decode()
    times = {"starts_at_0": "2026-07-01", "starts_at_1": "08:00", "ends_at_0": "2026-07-01", "ends_at_1": "16:00"}
    root.add(Session, course=course.pk, name="Early", **times)
    assert Session.objects.get().starts_at == datetime(2026, 6, 30, 20, tzinfo=UTC)


def test_a_superuser_of_an_organization_sees_anothers_rows_in_their_zone(
    auckland: Organization, lima: Organization
) -> None:
    user = User.objects.create_superuser("own@example.com", "a long enough password")
    User.objects.filter(pk=user.pk).update(organization=lima)
    pages = Pages(User.objects.get(pk=user.pk))
    typed = fields_of(pages.get(address(Session, "change", session_of(auckland))))
    assert (typed["starts_at_0"], typed["starts_at_1"]) == (["2026-05-05"], ["08:30:00"])


def test_the_pages_of_a_session_are_in_its_zone(root: Pages, auckland: Organization) -> None:
    session = session_of(auckland)
    text = root.get(address(Session, "change", session)).content.decode()
    assert "2026-05-05 08:30 \N{EN DASH} 16:30 (Pacific/Auckland)" in text


def test_a_completion_is_of_a_day_of_the_organization_and_a_score_is_short(
    root: Pages, auckland: Organization, lima: Organization
) -> None:
    for organization in (auckland, lima):
        person = PersonFactory.create(organization=organization)
        course = CourseFactory.create(organization=organization)
        [row] = records.assign(organization=organization, actor=SYSTEM, course_id=course.pk, person_ids=[person.pk])
        records.complete(
            organization=organization, actor=SYSTEM, record_id=row.record.pk, score=Decimal(80), on=date(2026, 5, 20)
        )
    page = root.rows(TrainSession)
    assert column(page, "completed_day") == ["2026-05-20", "2026-05-20"]
    assert column(page, "score") == ["80", "80"]
    assert [str(row.organization) in page.content.decode() for row in TrainSession.objects.all()] == [True, True]
    record = root.get(address(TrainSession, "change", TrainSession.objects.all()[0])).content.decode()
    assert ("80.0000" in record, "2026-05-20 00:00" in record) == (False, True)


def test_numbers_of_a_list_are_short_and_sorted_as_numbers(root: Pages, lima: Organization) -> None:
    for code, hours in (("A", "7.50"), ("B", "12")):
        CourseFactory.create(organization=lima, code=code, duration_hours=Decimal(hours))
    number = [getattr(one, "__name__", one) for one in root.rows(Course).context["cl"].list_display].index(
        "duration_hours"
    )
    assert column(root.rows(Course, o=f"-{number}"), "duration_hours") == ["12", "7.5"]
