"""One key, one effect: at once, one after the other, and across a crash."""

import json
import signal
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from accounts.models import IdempotencyRecord, Organization
from enrollments.models import Course, Enrollment, Session
from tests.acts import owed
from tests.concurrency.databases import KIND, PATIENCE, Scratch, scratch
from tests.concurrency.threads import RACE, at_once
from tests.conftest import Api, api_of
from tests.factories import CourseFactory, PersonFactory, SessionFactory
from tests.snapshots import NOTHING, NOW, effects
from training.models import TrainSession

ENROLLMENTS = "/api/v1/training/enrollments"
STILL_RUNNING = "The first request with this Idempotency-Key is still running."
OTHER_REQUEST = "This Idempotency-Key was used for another request."


@pytest.fixture
def course(organization: Organization) -> Course:
    return CourseFactory.create(organization=organization)


@pytest.fixture
def session(course: Course) -> Session:
    return SessionFactory.create(course=course)


@pytest.fixture
def record(course: Course) -> TrainSession:
    return owed(course, PersonFactory.create(organization=course.organization))


def attempts(record: TrainSession) -> str:
    return f"/api/train_sessions/{record.pk}/attempts"


FAIL = {"score": 1, "passed": False}


def shown(response: Any) -> tuple[int, str, bytes]:
    return response.status_code, response.headers["Content-Type"], response.content


# At once.


class TestAtOnce:
    pytestmark = RACE

    def test_the_same_key_twenty_times_has_one_effect(self, api: Api, record: TrainSession) -> None:
        responses = at_once(*[lambda: Api(api.secret).post(attempts(record), FAIL, Idempotency_Key="k")] * 20)
        answers = {shown(response) for response in responses}
        running = (409, "application/json", json.dumps({"errors": [STILL_RUNNING]}, separators=(",", ":")).encode())
        (first,) = answers - {running}
        assert first[0] == 200
        record.refresh_from_db()
        assert (record.failed_attempts, IdempotencyRecord.objects.count()) == (1, 1)
        assert shown(api.post(attempts(record), FAIL, Idempotency_Key="k")) == first

    def test_without_the_key_each_has_its_effect(self, api: Api, record: TrainSession) -> None:
        """What the key is good for: the same run without it."""
        at_once(*[lambda: Api(api.secret).post(attempts(record), FAIL)] * 20)
        record.refresh_from_db()
        assert record.failed_attempts == 20

    def test_twenty_keys_have_twenty_effects(self, api: Api, record: TrainSession) -> None:
        responses = at_once(
            *[
                lambda key=f"k{number}": Api(api.secret).post(attempts(record), FAIL, Idempotency_Key=key)
                for number in range(20)
            ]
        )
        assert [response.status_code for response in responses if not isinstance(response, Exception)] == [200] * 20
        record.refresh_from_db()
        assert (record.failed_attempts, IdempotencyRecord.objects.count()) == (20, 20)


# One after the other.


def test_a_post_again_gets_the_first_answer_and_has_no_effect(api: Api, session: Session) -> None:
    body = {"session_id": session.pk, "employee_ids": [PersonFactory.create(organization=session.organization).pk]}
    first = api.post(ENROLLMENTS, body, Idempotency_Key="k")
    assert first.status_code == 201
    with effects() as seen:
        again = api.post(ENROLLMENTS, body, Idempotency_Key="k")
    assert shown(again) == shown(first)
    assert seen == NOTHING


def test_a_patch_again_gets_the_first_answer_though_the_row_has_changed_since(api: Api, record: TrainSession) -> None:
    path = f"/api/train_sessions/{record.pk}"
    first = api.patch(path, {"percent_complete": 10}, Idempotency_Key="k")
    assert (first.status_code, first.json()["percent_complete"]) == (200, 10)
    api.patch(path, {"percent_complete": 20})
    with effects() as seen:
        again = api.patch(path, {"percent_complete": 10}, Idempotency_Key="k")
    assert shown(again) == shown(first)
    assert seen == NOTHING


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("post", "{attempts}", {"score": 2, "passed": False}),
        ("post", "{attempts}", None),
        ("post", "{attempts}?x=1", FAIL),
        ("post", "{other}", FAIL),
        ("patch", "{record}", FAIL),
        ("post", "/api/train_sessions/unassign", FAIL),
    ],
    ids=["body", "no body", "query", "path", "method", "another endpoint"],
)
def test_another_request_under_the_key_is_refused(
    api: Api, record: TrainSession, method: str, path: str, body: dict[str, Any] | None
) -> None:
    api.post(attempts(record), FAIL, Idempotency_Key="k")
    other = owed(CourseFactory.create(organization=record.organization), record.person)
    names = {"attempts": attempts(record), "other": attempts(other), "record": f"/api/train_sessions/{record.pk}"}
    with effects() as seen:
        response = api.request(method, path.format(**names), body, Idempotency_Key="k")
    assert (response.status_code, response.json()) == (422, {"errors": [OTHER_REQUEST]})
    assert seen == NOTHING


def test_another_family_under_the_key_is_refused(api: Api, record: TrainSession, session: Session) -> None:
    api.post(attempts(record), FAIL, Idempotency_Key="k")
    body = {"session_id": session.pk, "employee_ids": [record.person_id]}
    response = api.post(ENROLLMENTS, body, Idempotency_Key="k")
    assert (response.status_code, response.json()) == (422, {"success": False, "message": OTHER_REQUEST})
    assert not Enrollment.objects.exists()


def test_the_same_request_with_a_slash_behind_its_path_is_the_same(api: Api, record: TrainSession) -> None:
    first = api.post(attempts(record), FAIL, Idempotency_Key="k")
    assert shown(api.post(f"{attempts(record)}/", FAIL, Idempotency_Key="k")) == shown(first)


def test_a_refusal_is_not_remembered(api: Api, session: Session) -> None:
    person = PersonFactory.create(organization=session.organization)
    body = {"session_id": session.pk, "employee_ids": [person.pk]}
    Session.objects.update(max_participants=0)
    refused = api.post(ENROLLMENTS, body, Idempotency_Key="k")
    assert (refused.status_code, IdempotencyRecord.objects.count()) == (422, 0)
    Session.objects.update(max_participants=1)
    assert api.post(ENROLLMENTS, body, Idempotency_Key="k").status_code == 201
    assert api.post(ENROLLMENTS, body).status_code == 422  # The key, and nothing else, makes it the same.


def test_a_crash_is_not_remembered(api: Api, record: TrainSession, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patches:
        patches.setattr("training.api.train_sessions.views.records.attempt", None)
        assert api.post(attempts(record), FAIL, Idempotency_Key="k").status_code == 500
    assert not IdempotencyRecord.objects.exists()
    assert api.post(attempts(record), FAIL, Idempotency_Key="k").status_code == 200


def test_an_answer_is_remembered_for_24_hours(api: Api, record: TrainSession) -> None:
    end = NOW + timedelta(hours=24)
    with time_machine.travel(NOW, tick=False):
        first = api.post(attempts(record), FAIL, Idempotency_Key="k")
    with time_machine.travel(end - timedelta(microseconds=1), tick=False):
        assert shown(api.post(attempts(record), FAIL, Idempotency_Key="k")) == shown(first)
        record.refresh_from_db()
        assert record.failed_attempts == 1
    with time_machine.travel(end, tick=False):
        later = api.post(attempts(record), FAIL, Idempotency_Key="k")
        assert (later.status_code, later.json()["failed_attempts"]) == (200, 2)
        assert shown(api.post(attempts(record), FAIL, Idempotency_Key="k")) == shown(later)
    assert IdempotencyRecord.objects.count() == 1
    with time_machine.travel(end + timedelta(hours=23), tick=False):  # From the second on.
        assert shown(api.post(attempts(record), FAIL, Idempotency_Key="k")) == shown(later)


def test_a_key_belongs_to_its_token(api: Api, record: TrainSession) -> None:
    colleague = api_of(record.organization)
    assert api.post(attempts(record), FAIL, Idempotency_Key="k").json()["failed_attempts"] == 1
    assert colleague.post(attempts(record), FAIL, Idempotency_Key="k").json()["failed_attempts"] == 2
    assert api.post(attempts(record), FAIL, Idempotency_Key="k").json()["failed_attempts"] == 1


@pytest.mark.parametrize(("key", "status"), [("~" * 255, 200), ("!", 200), ("~" * 256, 400), ("", 400), ("a b", 400)])
def test_a_key_is_up_to_255_visible_characters(api: Api, record: TrainSession, key: str, status: int) -> None:
    assert api.post(attempts(record), FAIL, Idempotency_Key=key).status_code == status


# Across a crash.


@pytest.fixture(scope="module")
def crashing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scratch]:
    with scratch(KIND, tmp_path_factory.mktemp("scratch")) as made:
        yield made


def sent_again(database: Scratch, key: str) -> dict[str, Any]:
    """The server learns of the death a moment later: until then it holds the key for the dead process."""
    deadline = time.monotonic() + PATIENCE
    while (answer := database.send(key))["status"] == 409:
        assert time.monotonic() < deadline
    return answer


@pytest.mark.parametrize(("point", "written"), [("before-commit", 0), ("after-commit", 1)])
def test_a_crash_and_the_same_key_again_have_one_effect(crashing: Scratch, point: str, written: int) -> None:
    before = crashing.state()

    def since() -> dict[str, int]:
        return {name: count - before[name] for name, count in crashing.state().items()}

    assert crashing.send_and_die(point, key=point) == -signal.SIGKILL
    assert since() == {"attempts": written, "remembered": written}
    again = sent_again(crashing, point)
    assert (again["status"], json.loads(again["body"])["failed_attempts"]) == (200, before["attempts"] + 1)
    assert since() == {"attempts": 1, "remembered": 1}
    assert crashing.send(point)["body"] == again["body"]
    assert since() == {"attempts": 1, "remembered": 1}
