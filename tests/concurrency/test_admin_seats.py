"""Ten people for three seats through the admin's add page, on PostgreSQL: with the session's lock, and without it.

The control is what gives the other test its meaning: were there no race to lose, nothing would be shown by winning it.
"""

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from time import sleep
from typing import Any

import pytest
from django.db import connection, connections
from django.test import Client

from accounts.models import Person, User
from accounts.services import people as people_services
from enrollments.models import Enrollment, Session
from enrollments.seats import take_seats
from enrollments.services import enrolling
from tests.factories import CourseFactory, OrganizationFactory, PersonFactory, SessionFactory, UserFactory
from training.models import TrainSession

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True, serialized_rollback=True)]

ADD = "/admin/enrollments/enrollment/add/"
PASTE = "/admin/enrollments/session/{session}/enroll/"
PEOPLE, SEATS = 10, 3


def enroll_ten_at_once(between: Callable[[], object], monkeypatch: pytest.MonkeyPatch, address: str = ADD) -> list[Any]:
    """Ten logged-in browsers press Save in the same moment. `between` runs between the count and the insert."""

    def slowly(**seats: Any) -> int | None:
        left = take_seats(**seats)
        between()
        return left

    monkeypatch.setattr(enrolling, "take_seats", slowly)
    organization = OrganizationFactory.create()
    session = SessionFactory.create(course=CourseFactory.create(organization=organization), max_participants=SEATS)
    staff = UserFactory.create(organization=organization)
    people = [PersonFactory.create(organization=organization) for _ in range(PEOPLE)]
    browsers = [Client() for _ in people]
    for browser in browsers:
        browser.force_login(staff)
    together = Barrier(PEOPLE)

    def save(browser: Client, person: Person) -> Any:
        try:
            together.wait(timeout=10)
            return browser.post(address.format(session=session.pk), {"session": session.pk, "people": [person.pk]})
        finally:
            connections.close_all()

    with ThreadPoolExecutor(PEOPLE) as threads:
        return list(threads.map(save, browsers, people))


def test_the_admin_never_sells_a_seat_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = enroll_ten_at_once(lambda: sleep(0.05), monkeypatch)
    assert sorted(answer.status_code for answer in answers) == [200] * (PEOPLE - SEATS) + [302] * SEATS
    said = {
        str(answer.context["adminform"].form.non_field_errors()[0]) for answer in answers if answer.status_code == 200
    }
    assert said == {"Session is at capacity. No spots remaining. You requested 1 enrollment."}
    assert (Enrollment.objects.count(), TrainSession.objects.count()) == (SEATS, SEATS)


def test_a_sessions_page_never_sells_a_seat_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = enroll_ten_at_once(lambda: sleep(0.05), monkeypatch, PASTE)
    assert [answer.status_code for answer in answers] == [200] * PEOPLE
    # The page itself: a test client's context is that of whichever thread rendered first.
    full = "Session is at capacity. No spots remaining. You requested 1 enrollment. Nobody was enrolled."
    assert sorted(full in answer.content.decode() for answer in answers) == [False] * SEATS + [True] * (PEOPLE - SEATS)
    assert (Enrollment.objects.count(), TrainSession.objects.count()) == (SEATS, SEATS)


def test_without_the_sessions_lock_a_sessions_page_oversells(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_locking(rows: Any, ids: Collection[int]) -> dict[int, Session]:
        return {row.pk: row for row in rows.filter(pk__in=ids)}

    monkeypatch.setattr(enrolling, "lock_rows", not_locking)
    everybody_has_counted = Barrier(PEOPLE)
    enroll_ten_at_once(lambda: everybody_has_counted.wait(timeout=10), monkeypatch, PASTE)
    assert Enrollment.objects.count() == PEOPLE


def test_without_the_sessions_lock_the_admin_oversells(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_locking(rows: Any, ids: Collection[int]) -> dict[int, Session]:
        return {row.pk: row for row in rows.filter(pk__in=ids)}

    monkeypatch.setattr(enrolling, "lock_rows", not_locking)
    everybody_has_counted = Barrier(PEOPLE)
    answers = enroll_ten_at_once(lambda: everybody_has_counted.wait(timeout=10), monkeypatch)
    assert [answer.status_code for answer in answers] == [302] * PEOPLE
    assert Enrollment.objects.count() == PEOPLE


def test_a_save_in_the_admin_waits_a_bounded_time_for_a_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The admin's own transaction is the outermost, and it is the outermost that bounds the wait."""
    seen = []
    real = people_services.create_person

    def watched(**fields: Any) -> Person:
        with connection.cursor() as cursor:
            cursor.execute("SHOW lock_timeout")
            seen.append(cursor.fetchone())
        return real(**fields)

    monkeypatch.setattr(people_services, "create_person", watched)
    staff: User = UserFactory.create()
    browser = Client()
    browser.force_login(staff)
    typed = {"employee_id": "EMP-1", "first_name": "Ada", "kind": "user", "hex_id": "0" * 24, "active": "on"}
    assert browser.post("/admin/accounts/person/add/", typed).status_code == 302
    assert seen == [("3s",)]
