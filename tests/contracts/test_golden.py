"""Every sample of the two families' documents, to the letter, against the company that quickstart loads.

`golden/` holds the samples as the documents print them. A body equals its sample with the order of its keys and the type
of its numbers: `200.00` is a number with a point, `8` is one without.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.test import Client

from accounts.actors import Actor
from accounts.models import Organization
from accounts.scopes import Scope
from accounts.services.tokens import create_token
from config.quickstart.documents import DOCUMENTS
from config.quickstart.loading import load
from programs.models import ProgramSession
from tests.conftest import body_of
from training.models import TrainSession

GOLDEN = Path(__file__).parent / "golden"
ENROLLED_AT = datetime(2026, 4, 3, 11, tzinfo=UTC)
COMPLETED_AT = datetime(2026, 5, 15, 17, 10, tzinfo=UTC)
LINKS_OF_A_LIST = ["first", "last", "prev", "next"]
META_OF_A_LIST = ["current_page", "last_page", "per_page", "total", "from", "to"]


def read(text: str | bytes) -> Any:
    """JSON with everything that a comparison of Python values would let pass: the order of keys, 8 beside 8.0."""
    return json.loads(
        text,
        object_pairs_hook=lambda pairs: ("object", pairs),
        parse_int=lambda number: ("int", int(number)),
        parse_float=lambda number: ("float", float(number)),
    )


def golden(name: str) -> Any:
    return read((GOLDEN / f"{name}.json").read_text())


def member(thing: Any, key: str) -> Any:
    return dict(thing[1])[key]


def keys(thing: Any) -> list[str]:
    return [key for key, _ in thing[1]]


@contextmanager
def at(moment: datetime) -> Iterator[None]:
    with time_machine.travel(moment, tick=False):
        yield


@pytest.fixture
def company(db: None) -> Organization:
    return load(DOCUMENTS, lambda _total: nullcontext(lambda _done: None))


@pytest.fixture
def secret(company: Organization) -> str:
    _, secret = create_token(organization=company, actor=Actor.system(), name="golden", scopes=Scope.values)
    return secret


class Training:
    """As the document's client calls it."""

    def __init__(self, secret: str) -> None:
        self.client = Client(headers={"Authorization": f"Bearer {secret}"})

    def get(self, path: str) -> tuple[int, Any]:
        response = self.client.get(f"/api/v1/training/{path}")
        return response.status_code, read(response.content)

    def send(self, method: str, path: str, body: str) -> tuple[int, Any]:
        response = self.client.generic(method, f"/api/v1/training/{path}", body, content_type="application/json")
        return response.status_code, read(response.content)

    def enroll(self) -> tuple[int, Any]:
        request = (GOLDEN / "training-enrollment-create.request.json").read_text()
        return self.send("POST", "enrollments", request)


@pytest.fixture
def training(secret: str) -> Training:
    return Training(secret)


def assert_lists(answer: tuple[int, Any], name: str) -> None:
    """A list adds exactly `meta` and `links` beside the sample's `data`."""
    status, body = answer
    sample = golden(name)
    assert status == 200
    assert keys(body) == [*keys(sample), "meta", "links"]
    assert body[1][: len(sample[1])] == sample[1]
    assert (keys(member(body, "meta")), keys(member(body, "links"))) == (META_OF_A_LIST, LINKS_OF_A_LIST)


def test_train_sessions_list(secret: str) -> None:
    response = Client().get("/api/train_sessions", headers={"Authorization": f'Token token="{secret}"'})
    assert (response.status_code, read(body_of(response))) == (200, golden("train-sessions-list"))


@pytest.mark.parametrize("pk", [1, 2, 3])
def test_train_sessions_show(secret: str, pk: int) -> None:
    response = Client().get(f"/api/train_sessions/{pk}", headers={"Authorization": f'Token token="{secret}"'})
    rows = golden("train-sessions-list")
    assert (response.status_code, read(response.content)) == (200, rows[3 - pk])


def test_train_sessions_list_with_the_documents_filters(secret: str) -> None:
    path = "/api/train_sessions?score=80&completion_date_gteq=2015-01-01"
    response = Client().get(path, headers={"Authorization": f'Token token="{secret}"'})
    assert (response.status_code, body_of(response)) == (200, b"[]")


def test_train_sessions_of_document_a_are_the_same_records(secret: str) -> None:
    """Document a prints Ruby, has no `course_code` yet, and no certificate or time spent on these three."""
    ruby = (GOLDEN / "train-sessions-a-list.rb").read_text()
    samples = json.loads(ruby.replace("=>", ":").replace("nil", "null"))
    response = Client().get("/api/train_sessions", headers={"Authorization": f'Token token="{secret}"'})
    rows = json.loads(body_of(response))
    later = {"cert_expiry", "time_spent"}
    assert len(rows) == len(samples) == 3
    for row, sample in zip(rows, samples, strict=True):
        assert [key for key in row if key != "course_code"] == list(sample)
        assert {key: row[key] for key in sample if key not in later} == {
            key: value for key, value in sample.items() if key not in later
        }
        assert {sample[key] for key in later} == {None}


def test_train_sessions_unassign(secret: str) -> None:
    client = Client(headers={"Authorization": f'Token token="{secret}"'})
    response = client.post("/api/train_sessions/unassign?ids=[1,2]")
    assert (response.status_code, response.json()) == (200, {"unassigned": [1, 2], "count": 2})
    assert [row["id"] for row in json.loads(body_of(client.get("/api/train_sessions")))] == [3]


@pytest.mark.parametrize("query", ["search=Leadership", "search=leadership%20ess", "category=leadership"])
def test_training_courses_list(training: Training, query: str) -> None:
    assert_lists(training.get(f"courses?{query}"), "training-courses-list")


def test_training_courses_list_begins_with_the_documented_course(training: Training) -> None:
    _, body = training.get("courses")
    assert member(body, "data")[0] == member(golden("training-courses-list"), "data")[0]


def test_training_course_get(training: Training) -> None:
    with at(ENROLLED_AT):
        assert training.get("courses/1") == (200, golden("training-course-get"))


@pytest.mark.parametrize("query", ["course_id=1&status=scheduled", "date_from=2026-05-01&date_to=2026-06-01"])
def test_training_sessions_list(training: Training, query: str) -> None:
    assert_lists(training.get(f"sessions?{query}"), "training-sessions-list")


def test_training_enrollment_create(training: Training) -> None:
    with at(ENROLLED_AT):
        assert training.enroll() == (201, golden("training-enrollment-create"))


@pytest.mark.parametrize(
    "query", ["employee_id=42", "session_id=8&employee_id=42", "course_id=1&year=2026&employee_id=42&status=enrolled"]
)
def test_training_enrollments_list(training: Training, query: str) -> None:
    with at(ENROLLED_AT):
        training.enroll()
    assert_lists(training.get(f"enrollments?{query}"), "training-enrollments-list")


def test_training_session_full(training: Training) -> None:
    training.enroll()
    answer = training.send("POST", "enrollments", '{"session_id": 8, "employee_ids": [35, 36, 37]}')
    assert answer == (422, golden("training-session-full"))


def test_training_enrollment_complete(training: Training) -> None:
    training.enroll()
    request = (GOLDEN / "training-enrollment-complete.request.json").read_text()
    with at(COMPLETED_AT):
        answer = training.send("PATCH", "enrollments/301/complete", request)
    assert answer == (200, golden("training-enrollment-complete"))


def test_the_documented_enrollment_is_the_ledgers_next_record(training: Training, company: Organization) -> None:
    """Loaded enrollments are history; from here on both families see one ledger."""
    assert TrainSession.objects.of(company).count() == 3
    training.enroll()
    opened = TrainSession.objects.of(company).filter(pk__gt=3)
    assert sorted(opened.values_list("person_id", "course_id")) == [(42, 1), (43, 1), (44, 1)]


def test_the_program_session_leaves_no_documented_field_empty(company: Organization) -> None:
    session = ProgramSession.objects.of(company).get()
    columns = {field.name: getattr(session, field.name) for field in ProgramSession._meta.concrete_fields}  # noqa: SLF001 - documented
    assert [name for name, value in columns.items() if value in ("", None, [], False)] == []
    for row in (company, session, session.template, *session.template.modules.all()):
        row.full_clean()
    assert sorted(session.template.modules.values_list("type", flat=True)) == ["classroom", "course", "webinar"]
    assert session.tutors.count() == 2
    assert session.requirements.filter(course=None).count() == session.requirements.exclude(course=None).count() == 1
    assert 1 < session.members.current().count() < (session.user_limit or 0)


def test_every_sample_is_asserted() -> None:
    text = Path(__file__).read_text()
    assert [file.name for file in GOLDEN.iterdir() if file.name.removesuffix(".json") not in text] == []
