"""Ten people at once for a program session of three places, through the Programs API: with its row lock, and without.

The control shows that the race is there, so that the other test can notice a lock that is missing. Both wait between
counting and inserting: the lock is the only difference.
"""

import json
from collections import Counter
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier, BrokenBarrierError
from typing import Any, TypeVar

import pytest
from django.db import connection, models

from enrollments.seats import take_seats
from programs.models import ProgramMember, ProgramSession
from tests.conftest import Api, api_of
from tests.factories import CourseFactory, PersonFactory, ProgramSessionFactory
from training.models import TrainSession

# The rows that migrations made are put back after each test, which empties all tables.
pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True, serialized_rollback=True)]

THREADS = 10
PLACES = 3
# Less than the three seconds after which a lock that cannot be had is given up. Only the first waits so long.
PATIENCE = 1.0

Row = TypeVar("Row", bound=models.Model)


def no_lock(rows: "models.QuerySet[Row]", ids: Collection[int]) -> dict[int, Row]:
    """As `enrollments.seats.lock_rows`, without holding anything."""
    return {row.pk: row for row in rows.filter(pk__in=ids)}


def wait_between_count_and_insert(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until all ten have counted, or it is plain that they can't."""
    everybody = Barrier(THREADS)

    def slow_take_seats(**counted: Any) -> int | None:
        left = take_seats(**counted)
        with suppress(BrokenBarrierError):
            everybody.wait(PATIENCE)
        return left

    monkeypatch.setattr("programs.services.membership.take_seats", slow_take_seats)


@pytest.fixture
def session() -> ProgramSession:
    course = CourseFactory.create()
    return ProgramSessionFactory.create(
        organization=course.organization, courses=[course], has_user_limit=True, user_limit=PLACES
    )


@pytest.fixture
def users(session: ProgramSession) -> list[str]:
    return [person.hex_id for person in PersonFactory.create_batch(THREADS, organization=session.organization)]


def put_all_at_once(api: Api, session: ProgramSession, users: Sequence[str]) -> Counter[tuple[int, str]]:
    """How often each status and error code was answered."""
    start = Barrier(len(users))

    def put(user: str) -> tuple[int, str]:
        try:
            start.wait(PATIENCE * 10)
            one = Api(api.secret)
            response = one.request("PUT", f"/api/v1/programs/sessions/{session.hex_id}/users/{user}")
            return response.status_code, json.loads(response.content).get("error", "")
        finally:
            connection.close()

    with ThreadPoolExecutor(len(users)) as pool:
        return Counter(pool.map(put, users))


def members() -> int:
    return ProgramMember.objects.current().count()


def test_without_the_lock_a_limit_is_oversold(
    session: ProgramSession, users: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_between_count_and_insert(monkeypatch)
    monkeypatch.setattr("programs.services.membership.lock_rows", no_lock)
    answers = put_all_at_once(api_of(session.organization), session, users)
    assert answers[200, ""] == members() > PLACES


def test_a_limit_holds_against_ten_at_once(
    session: ProgramSession, users: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_between_count_and_insert(monkeypatch)
    answers = put_all_at_once(api_of(session.organization), session, users)
    assert answers == {(200, ""): PLACES, (422, "session_full"): THREADS - PLACES}
    assert members() == PLACES
    joined = ProgramMember.objects.values_list("person_id", flat=True)
    assert sorted(TrainSession.objects.values_list("person_id", flat=True)) == sorted(joined)


def test_one_person_ten_times_at_once_takes_one_place(
    session: ProgramSession, users: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_between_count_and_insert(monkeypatch)
    answers = put_all_at_once(api_of(session.organization), session, users[:1] * THREADS)
    assert answers == {(200, ""): THREADS}
    assert (members(), ProgramMember.objects.count(), TrainSession.objects.count()) == (1, 1, 1)
