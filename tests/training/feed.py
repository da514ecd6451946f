"""Rows with known times, and the feed as a client of it reads it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from accounts.models import Organization, Person
from enrollments.models import Course
from tests.conftest import Api
from tests.factories import CourseFactory, PersonFactory
from training.models import State, TrainSession

STREAM = "/training-assignments/stream"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BEGINNING = "2000-01-01T00:00:00Z"
MICROSECOND = timedelta(microseconds=1)

Query = Mapping[str, object]


def row(organization: Organization, **fields: Any) -> TrainSession:
    """A record that stands as it is given, stamp included; a person and a course of its own unless given."""
    given: dict[str, Any] = {
        "created_by": "user-0",
        "updated_by": "user-0",
        "assigned_at": NOON,
        "created_at": NOON,
        "updated_at": NOON,
        **fields,
    }
    if "course" not in given:
        given["course"] = course_of(organization)
    if "person" not in given:
        given["person"] = person_of(organization)
    if given.get("state") == State.COMPLETED:
        given = {"completed_at": NOON, "started_at": NOON, "percent": 100, **given}
    return TrainSession.objects.create(organization=organization, **given)


def person_of(organization: Organization, **fields: Any) -> Person:
    return PersonFactory.create(organization=organization, **fields)


def course_of(organization: Organization, **fields: Any) -> Course:
    return CourseFactory.create(organization=organization, **fields)


def address(path: str, query: Query) -> str:
    return f"{path}?{urlencode(query, doseq=True)}"


def page(api: Api, **query: object) -> Any:
    """One page, from the beginning of time unless `startTime` or `after` says otherwise."""
    if "after" not in query:
        query.setdefault("startTime", BEGINNING)
    answer = api.get(address(STREAM, query))
    assert answer.status_code == 200, answer.content
    return answer.json()


def walk(api: Api, **query: object) -> list[list[Any]]:
    """All pages to the end of a window, or, without `endTime`, to the first that is empty."""
    pages: list[list[Any]] = []
    while True:
        found = page(api, **query)
        if not found["data"] and "endTime" not in query:
            return pages
        pages.append(found["data"])
        if not found["pagination"]["hasNextPage"]:
            return pages
        query["after"] = found["pagination"]["endCursor"]


def ids(found: Any) -> list[str]:
    """The assignment ids of one page's body, or of several pages'."""
    if isinstance(found, dict):
        return [shown["id"] for shown in found["data"]]
    return [shown["id"] for rows in found for shown in rows]


def refusal(answer: Any) -> str:
    """The sentence of a 400, in this family's whole body."""
    body = answer.json()
    assert (answer.status_code, sorted(body)) == (400, ["message", "requestId"]), answer.content
    assert body["requestId"] == answer.headers["X-Request-Id"]
    message: str = body["message"]
    return message
