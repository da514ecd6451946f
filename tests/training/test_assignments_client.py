"""The published client of this API, sync and async, against the production server."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx  # What the published client speaks through.
import psycopg
import pytest
from samsara import AsyncSamsara, Samsara
from samsara.core.api_error import ApiError
from samsara.errors import TooManyRequestsError, UnauthorizedError

from tests.config.wire import ROOT, Server, environment, running

# Run beside the server: an organization with a record in every state, and what there is to know of it.
PREPARE = """
import json
import django
django.setup()
from datetime import UTC, datetime
from decimal import Decimal
from django.core.management import call_command
call_command("migrate", verbosity=0)
from accounts.actors import Actor
from accounts.scopes import Scope
from accounts.services.tokens import create_token
from enrollments.models import Category
from tests.factories import CourseFactory, OrganizationFactory, PersonFactory
from training.models import TrainSession
from training.services import records
organization = OrganizationFactory.create()
who = {"organization": organization, "actor": Actor.system()}
_, secret = create_token(**who, name="tests", scopes=Scope.values)
_, other = create_token(
    organization=OrganizationFactory.create(), actor=Actor.system(), name="tests", scopes=Scope.values
)
categories = list(Category.objects.order_by("pk")[:2])
courses = [
    CourseFactory.create(organization=organization, category=categories[number % 2], duration_hours=Decimal("1.5"))
    for number in range(4)
]
archived = CourseFactory.create(organization=organization, category=categories[0], status="archived")
people = [PersonFactory.create(organization=organization, kind=kind) for kind in ("driver", "user", "driver", "user")]
past, future = datetime(2026, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)
for course in courses[:3]:
    for due, person in zip((past, future, None, future), people):
        records.assign(**who, course_id=course.pk, person_ids=[person.pk], due_at=due)
rows = list(TrainSession.objects.order_by("pk"))
records.progress(**who, record_id=rows[1].pk, percent_complete=20)
records.attempt(**who, record_id=rows[2].pk, score=Decimal(10), passed=False)
records.attempt(**who, record_id=rows[3].pk, score=Decimal("82.5"), passed=True)
records.unassign(**who, ids=[rows[5].pk])
words = {"assigned": "notStarted", "in_progress": "inProgress", "failed": "inProgress", "completed": "completed"}
print(json.dumps({
    "secret": secret,
    "end": datetime.now(UTC).isoformat(),  # Of the window that holds all of this, and nothing that a test does.
    "other": other,
    "courses": [str(course.uuid) for course in [*courses, archived]],
    "categories": [[str(category.uuid), category.name] for category in categories],
    "learners": [f"{person.kind}-{person.pk}" for person in people],
    "records": [
        {
            "id": str(row.uuid),
            "learner_ids": f"{row.person.kind}-{row.person.pk}",
            "course_ids": str(row.course.uuid),
            "category_ids": str(row.course.category.uuid),
            "status": words[row.state],
            "is_overdue": row.overdue,
            "deleted": row.unassigned_at is not None,
        }
        for row in TrainSession.objects.select_related("person", "course__category").order_by("updated_at", "pk")
    ],
}))
"""

START = "2020-01-01T00:00:00Z"
DUE = "2999-06-01T12:00:00.250Z"
DUE_AT = datetime(2999, 6, 1, 12, 0, 0, 250_000, tzinfo=UTC)
CLIENT_TIMEOUT = 60  # Seconds: what the published client asks for where it makes its own.
NO_RETRY = {"max_retries": 0}

Call = Callable[..., Any]


@contextmanager
def database(folder: Path) -> Iterator[dict[str, str]]:
    """Where the server of these tests keeps its rows: a file of its own, or a database of its own."""
    url = os.environ.get("DATABASE_URL", "")
    if not url.startswith("postgres"):
        yield {}
        return
    name = f"feed_client_{token_hex(4)}"
    with psycopg.connect(urlunsplit(urlsplit(url)._replace(path="/postgres")), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        try:
            pooler = os.environ.get("DATABASE_POOLER", "none")
            yield {"DATABASE_URL": urlunsplit(urlsplit(url)._replace(path=f"/{name}")), "DATABASE_POOLER": pooler}
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("client")


@pytest.fixture(scope="module")
def settings_of_server(folder: Path) -> Iterator[dict[str, str]]:
    with database(folder) as variables:
        yield {
            **variables,
            "FEED_PAGE_SIZE": "2",
            "RATE_LIMIT_ASSIGNMENTS_READ": "",
            "RATE_LIMIT_ASSIGNMENTS_WRITE": "",
        }


@pytest.fixture(scope="module")
def known(folder: Path, settings_of_server: dict[str, str]) -> Any:
    made = subprocess.run(
        [sys.executable, "-c", PREPARE],
        cwd=ROOT,
        env=environment(folder, **settings_of_server),
        capture_output=True,
        check=True,
    )
    return json.loads(made.stdout)


@pytest.fixture(scope="module")
def server(folder: Path, known: Any, settings_of_server: dict[str, str]) -> Iterator[Server]:
    with running(folder, **settings_of_server) as server:
        yield server


@pytest.fixture(scope="module")
def limited(folder: Path, known: Any, settings_of_server: dict[str, str]) -> Iterator[Server]:
    """The same rows behind a rate of two reads in three seconds."""
    with running(folder, **{**settings_of_server, "RATE_LIMIT_ASSIGNMENTS_READ": "2/3 seconds"}) as server:
        yield server


class Client:
    """One of the two published clients. Calls are written the same for both."""

    def __init__(self, kind: str, server: Server, token: str) -> None:
        address = f"http://127.0.0.1:{server.port}"
        self.loop = asyncio.Runner()
        self.client: Samsara | AsyncSamsara
        if kind == "sync":
            self.http = httpx.Client(timeout=CLIENT_TIMEOUT)
            self.client = Samsara(token=token, base_url=address, httpx_client=self.http)
        else:
            self.async_http = httpx.AsyncClient(timeout=CLIENT_TIMEOUT)
            self.client = AsyncSamsara(token=token, base_url=address, httpx_client=self.async_http)
        self.kind = kind

    def close(self) -> None:
        if self.kind == "sync":
            self.http.close()
        else:
            self.loop.run(self.async_http.aclose())
        self.loop.close()

    def call(self, method: Callable[..., Any], **arguments: object) -> Any:
        if self.kind == "sync":
            return method(**arguments)

        async def awaited() -> Any:
            return await method(**arguments)

        return self.loop.run(awaited())

    def stream(self, **arguments: object) -> Any:
        method = self.client.training_assignments.get_training_assignments_stream
        return self.call(method, **{"start_time": START, **arguments})

    def create(self, **arguments: object) -> Any:
        return self.call(self.client.training_assignments.post_training_assignments, **arguments)

    def move(self, **arguments: object) -> Any:
        return self.call(self.client.training_assignments.patch_training_assignments, **arguments)

    def delete(self, **arguments: object) -> Any:
        return self.call(self.client.training_assignments.delete_training_assignments, **arguments)

    def courses(self, **arguments: object) -> Any:
        return self.call(self.client.training_courses.get_training_courses, **arguments)

    def all_of(self, method: Call, **arguments: object) -> list[Any]:
        """Every page to the end, as the client's documentation pages: with the same arguments and `after`."""
        found: list[Any] = []
        while True:
            page = method(**arguments)
            found.append(page.data)
            if not page.pagination.has_next_page:
                return found
            arguments["after"] = page.pagination.end_cursor


@contextmanager
def client_of(kind: str, server: Server, token: str) -> Iterator[Client]:
    client = Client(kind, server, token)
    try:
        yield client
    finally:
        client.close()


@pytest.fixture(params=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def client(kind: str, server: Server, known: Any) -> Iterator[Client]:
    with client_of(kind, server, known["secret"]) as client:
        yield client


def now() -> str:
    return datetime.now(UTC).isoformat()


def flat(pages: list[Any]) -> list[Any]:
    return [one for rows in pages for one in rows]


FILTERS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "everything": lambda _: {},
    "a learner": lambda known: {"learner_ids": known["learners"][0]},
    "learners, repeated": lambda known: {"learner_ids": known["learners"][1:3]},
    "learners, comma separated": lambda known: {"learner_ids": ",".join(known["learners"][1:3])},
    "courses": lambda known: {"course_ids": known["courses"][1:3]},
    "categories": lambda known: {"category_ids": [known["categories"][0][0]]},
    "a status": lambda _: {"status": "inProgress"},
    "statuses": lambda _: {"status": ["notStarted", "completed"]},
    "overdue": lambda _: {"is_overdue": True},
    "not overdue": lambda _: {"is_overdue": False},
    "all at once": lambda known: {
        "learner_ids": known["learners"],
        "course_ids": known["courses"][:2],
        "category_ids": [uuid for uuid, _ in known["categories"]],
        "status": ["notStarted"],
        "is_overdue": True,
    },
}


def accepts(value: object, found: object) -> bool:
    """Whether a filter takes what a record has."""
    match value:
        case bool():
            return found is value
        case str():
            return found in value.split(",")
        case list():
            return found in value
    raise TypeError(value)


@pytest.mark.parametrize("name", FILTERS)
def test_client_streams_what_each_filter_asks_for_to_the_end(client: Client, known: Any, name: str) -> None:
    asked = FILTERS[name](known)
    expected = [
        one["id"] for one in known["records"] if all(accepts(value, one[field]) for field, value in asked.items())
    ]
    pages = client.all_of(client.stream, **asked, end_time=known["end"])
    assert [one.id for one in flat(pages)] == expected
    assert len(expected) > 0
    assert [len(rows) for rows in pages[:-1]] == [2] * (len(pages) - 1)


def test_client_reads_every_field(client: Client, known: Any) -> None:
    [shown] = flat(client.all_of(client.stream, status="completed", end_time=known["end"]))
    assert (shown.course.id, shown.learner.id, shown.learner.type) == (
        known["courses"][0],
        known["learners"][3],
        "user",
    )
    assert (shown.status, shown.score_percent, shown.is_completed_late) == ("completed", 82.5, False)
    assert (shown.created_by_id, shown.updated_by_id, shown.duration_minutes) == ("user-0", "user-0", 0)
    assert (shown.is_overdue, shown.deleted_at_time) == (None, None)
    assert shown.created_at_time < shown.started_at_time == shown.completed_at_time < shown.due_at_time
    # The client keeps what it has no field for: there is nothing of the sort.
    assert shown.model_extra == {}


def test_client_sees_what_was_unassigned(client: Client, known: Any) -> None:
    deleted = [one.id for one in flat(client.all_of(client.stream, end_time=known["end"])) if one.deleted_at_time]
    assert deleted == [one["id"] for one in known["records"] if one["deleted"]]
    assert len(deleted) == 1


def test_client_polls_creates_moves_and_deletes(client: Client, known: Any) -> None:
    """Without an end time the cursor goes on: each poll shows what was done since the one before, and only that."""
    start = now()
    page = client.stream(start_time=start)

    def poll() -> list[Any]:
        nonlocal page
        found: list[Any] = []
        while True:
            assert page.pagination.has_next_page is (page.pagination.end_cursor != "") is True
            page = client.stream(start_time=start, after=page.pagination.end_cursor)
            if not page.data:
                return found
            found += page.data

    assert (page.data, poll()) == ([], [])
    course, learners = known["courses"][3], known["learners"][:3]
    made = client.create(course_id=course, due_at_time=DUE, learner_ids=learners).data
    assert [(one.learner.id, one.course.id) for one in made] == [(name, course) for name in learners]
    assert [(one.is_existing_assignment, one.due_at_time) for one in made] == [(False, DUE_AT)] * 3
    polled = poll()
    assert [(one.id, one.status) for one in polled] == [(one.id, "notStarted") for one in made]

    again = client.create(course_id=course, due_at_time=START, learner_ids=[*known["learners"]]).data
    existing = [(one.id, one.is_existing_assignment, one.due_at_time) for one in again[:3]]
    assert existing == [(one.id, True, DUE_AT) for one in made]
    assert [one.is_existing_assignment for one in again[3:]] == [False]
    polled = poll()
    assert [(one.id, one.is_overdue) for one in polled] == [(again[3].id, True)]

    # Both ways of writing several ids.
    ids = [one.id for one in again]
    moved = client.move(ids=ids, due_at_time=DUE).data
    assert [(one.id, one.due_at_time, one.is_overdue) for one in moved] == [(pk, DUE_AT, False) for pk in ids]
    assert [one.id for one in poll()] == ids
    assert client.delete(ids=",".join(ids)) is None
    assert [(one.id, one.deleted_at_time is not None) for one in poll()] == [(pk, True) for pk in ids]
    # Deleted already is fine, and no change.
    assert client.delete(ids=ids) is None
    assert poll() == []


def test_client_gets_a_refusal_with_its_sentence(client: Client, known: Any) -> None:
    archived = known["courses"][4]
    with pytest.raises(ApiError) as refused:
        client.create(course_id=archived, due_at_time=DUE, learner_ids=known["learners"])
    assert refused.value.status_code == 400
    assert sorted(refused.value.body) == ["message", "requestId"]
    assert refused.value.body["message"] == f"courseId: Course {archived} is archived; it cannot be assigned."


def test_client_pages_courses_and_filters_them(client: Client, known: Any) -> None:
    uuids, categories = known["courses"], known["categories"]
    pages = client.all_of(client.courses)
    assert [[one.id for one in rows] for rows in pages] == [uuids[:2], uuids[2:4], uuids[4:]]
    first = pages[0][0]
    assert (first.status, first.category.id, first.category.name) == ("published", *categories[0])
    assert (first.estimated_time_to_complete_minutes, first.description, first.labels) == (90, None, None)
    for asked, expected in (
        ({"course_ids": [uuids[0], uuids[2]]}, [uuids[0], uuids[2]]),
        ({"course_ids": ",".join(uuids[1:4])}, uuids[1:4]),
        ({"category_ids": categories[1][0]}, [uuids[1], uuids[3]]),
        ({"status": ["archived"]}, [uuids[4]]),
        ({"status": "published,archived", "category_ids": [categories[0][0]]}, [uuids[0], uuids[2], uuids[4]]),
        ({"status": ["deleted"]}, []),
    ):
        assert [one.id for one in flat(client.all_of(client.courses, **asked))] == expected


def test_client_of_another_organization_sees_nothing_of_this_one(kind: str, server: Server, known: Any) -> None:
    with client_of(kind, server, known["other"]) as stranger:
        assert (stranger.stream().data, stranger.courses().data) == ([], [])


def test_client_raises_its_own_error_for_a_wrong_token(kind: str, server: Server) -> None:
    with client_of(kind, server, "tl_00000000_wrong") as stranger:
        calls: tuple[tuple[Call, dict[str, str]], ...] = (
            (stranger.stream, {}),
            (stranger.courses, {}),
            (stranger.delete, {"ids": "x"}),
        )
        for call, arguments in calls:
            with pytest.raises(UnauthorizedError) as refused:
                call(**arguments)
            assert refused.value.body["message"] == "The credential is not known."


def ask_too_often(client: Client) -> TooManyRequestsError:
    for _ in range(2):
        try:
            client.stream(request_options=NO_RETRY)
        except TooManyRequestsError as error:
            return error
    with pytest.raises(TooManyRequestsError) as refused:
        client.stream(request_options=NO_RETRY)
    return refused.value


def test_client_raises_its_own_error_when_it_asks_too_often(kind: str, limited: Server, known: Any) -> None:
    with client_of(kind, limited, known["secret"]) as client:
        refused = ask_too_often(client)
        wait = int((refused.headers or {})["retry-after"])
        assert 1 <= wait <= 3
        assert refused.body["message"] == f"Rate limit of 2/3 seconds exceeded. Retry in {wait} s."


def test_client_retries_after_the_time_that_it_is_told(
    kind: str, limited: Server, known: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with client_of(kind, limited, known["secret"]) as client:
        time.sleep(3.1)  # What others asked for is out of the window: the next two are taken, and the third is not.
        for _ in range(2):
            client.stream(request_options=NO_RETRY)
        caplog.clear()
        found = client.stream()
        # By its defaults it waits as long as the answer says, and asks again.
        answers = [
            record.getMessage().rpartition("HTTP/1.1 ")[2] for record in caplog.records if record.name == "httpx"
        ]
        assert answers == ['429 Too Many Requests"', '200 OK"']
        assert len(found.data) == 2
