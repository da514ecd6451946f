"""The change feed as one client reads it: shapes, windows, cursors, falling due."""

import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.actors import Actor
from accounts.models import Organization, PersonKind
from tests.conftest import Api, api_of
from tests.contracts.test_openapi import assert_is_a
from tests.factories import OrganizationFactory
from tests.training.feed import (
    BEGINNING,
    MICROSECOND,
    NOON,
    STREAM,
    address,
    course_of,
    ids,
    page,
    person_of,
    refusal,
    row,
    walk,
)
from training.api.assignments.serializers import ASSIGNMENTS
from training.models import State, TrainSession
from training.services import records

pytestmark = pytest.mark.usefixtures("unlimited")

NOON_TEXT = "2026-03-01T12:00:00Z"
LATER, LATER_TEXT = NOON + timedelta(hours=3), "2026-03-01T15:00:00Z"
FUTURE, FUTURE_TEXT = datetime(2999, 1, 1, tzinfo=UTC), "2999-01-01T00:00:00Z"
SOONER, SOONER_TEXT = NOON - timedelta(minutes=30), "2026-03-01T11:30:00Z"

# What a record is, and the keys that it therefore has beside the ones that every record has.
SHAPES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "assigned": ({}, {"status": "notStarted"}),
    "assigned, started by mistake": ({"started_at": NOON}, {"status": "notStarted"}),
    "assigned, due": ({"due_at": FUTURE}, {"status": "notStarted", "dueAtTime": FUTURE_TEXT, "isOverdue": False}),
    "assigned, overdue": (
        {"due_at": SOONER, "overdue": True},
        {"status": "notStarted", "dueAtTime": SOONER_TEXT, "isOverdue": True},
    ),
    "in progress": (
        {"state": State.IN_PROGRESS, "started_at": NOON, "percent": 40, "time_spent": Decimal("1.50")},
        {"status": "inProgress", "startedAtTime": NOON_TEXT, "durationMinutes": 90},
    ),
    "failed": (
        {"state": State.FAILED, "started_at": NOON, "score": Decimal(30), "failed_attempts": 1, "due_at": FUTURE},
        {"status": "inProgress", "startedAtTime": NOON_TEXT, "dueAtTime": FUTURE_TEXT, "isOverdue": False},
    ),
    "completed": (
        {"state": State.COMPLETED},
        {"status": "completed", "startedAtTime": NOON_TEXT, "completedAtTime": NOON_TEXT},
    ),
    "completed at the due instant": (
        {"state": State.COMPLETED, "due_at": NOON, "score": Decimal(82)},
        {
            "status": "completed",
            "startedAtTime": NOON_TEXT,
            "completedAtTime": NOON_TEXT,
            "dueAtTime": NOON_TEXT,
            "isCompletedLate": False,
            "scorePercent": 82,
        },
    ),
    "completed late": (
        {"state": State.COMPLETED, "due_at": NOON - MICROSECOND, "score": Decimal("82.5"), "time_spent": Decimal("0.01")},
        {
            "status": "completed",
            "startedAtTime": NOON_TEXT,
            "completedAtTime": NOON_TEXT,
            "dueAtTime": "2026-03-01T11:59:59.999999Z",
            "isCompletedLate": True,
            "scorePercent": 82.5,
            "durationMinutes": 0,
        },
    ),
    "unassigned": ({"unassigned_at": LATER}, {"status": "notStarted", "deletedAtTime": LATER_TEXT}),
    "unassigned in progress, overdue": (
        {
            "state": State.IN_PROGRESS,
            "started_at": NOON,
            "due_at": SOONER,
            "overdue": True,
            "unassigned_at": LATER,
        },
        {
            "status": "inProgress",
            "startedAtTime": NOON_TEXT,
            "dueAtTime": SOONER_TEXT,
            "isOverdue": True,
            "deletedAtTime": LATER_TEXT,
        },
    ),
}  # fmt: skip
EVERY_SHAPE = pytest.mark.parametrize("name", SHAPES)


@EVERY_SHAPE
def test_assignment_has_the_keys_that_apply_and_no_other(organization: Organization, api: Api, name: str) -> None:
    fields, shown = SHAPES[name]
    course = course_of(organization)
    person = person_of(organization, kind=PersonKind.DRIVER)
    made = row(
        organization,
        course=course,
        person=person,
        created_at=NOON - timedelta(days=1),
        created_by="user-7",
        updated_at=LATER + timedelta(milliseconds=5),
        updated_by="token-9",
        **fields,
    )
    assert page(api)["data"] == [
        {
            "id": str(made.uuid),
            "course": {"id": str(course.uuid), "revisionId": str(course.revision)},
            "learner": {"id": f"driver-{person.pk}", "type": "driver"},
            "createdAtTime": "2026-02-28T12:00:00Z",
            "createdById": "user-7",
            "updatedAtTime": "2026-03-01T15:00:00.005000Z",
            "updatedById": "token-9",
            "durationMinutes": 0,
            **shown,
        }
    ]


@EVERY_SHAPE
def test_assignment_is_what_its_serializer_declares(organization: Organization, api: Api, name: str) -> None:
    row(organization, **SHAPES[name][0])
    [shown] = page(api)["data"]
    declared = ASSIGNMENTS.serializer().fields
    required = {key for key, field in declared.items() if field.required}
    assert required <= set(shown) <= set(declared)
    assert_is_a("training_assignments", "Assignment", shown)


def test_assignment_of_a_user_says_so(organization: Organization, api: Api) -> None:
    person = person_of(organization, kind=PersonKind.USER)
    row(organization, person=person)
    assert page(api)["data"][0]["learner"] == {"id": f"user-{person.pk}", "type": "user"}


def test_assignment_changed_through_the_services_says_by_whom(organization: Organization, api: Api) -> None:
    course, person = course_of(organization), person_of(organization)
    records.assign(organization=organization, actor=Actor("user-3"), course_id=course.pk, person_ids=[person.pk])
    record = TrainSession.objects.get()
    records.progress(organization=organization, actor=Actor("token-4"), record_id=record.pk, time_spent=Decimal(2))
    [shown] = page(api)["data"]
    assert (shown["createdById"], shown["updatedById"], shown["durationMinutes"]) == ("user-3", "token-4", 120)


def test_feed_shows_no_other_organization(organization: Organization, api: Api) -> None:
    row(OrganizationFactory.create())
    mine = row(organization)
    assert ids(page(api)) == [str(mine.uuid)]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 10, 11, 12])
def test_feed_pages_many_equal_stamps_each_record_once_and_in_order(
    organization: Organization, api: Api, settings: Any, size: int
) -> None:
    settings.FEED_PAGE_SIZE = size
    course = course_of(organization)
    stamps = [LATER, *[NOON] * 7, SOONER, LATER, NOON + MICROSECOND]
    made = [row(organization, course=course, updated_at=stamp) for stamp in stamps]
    expected = [str(one.uuid) for one in sorted(made, key=lambda one: (one.updated_at, one.pk))]
    pages = walk(api, endTime="2026-03-02T00:00:00Z")
    assert ids(pages) == expected
    assert [len(rows) for rows in pages] == [min(size, 11 - start) for start in range(0, 11, size)]


def test_feed_asks_for_a_total_order(organization: Organization, api: Api) -> None:
    """Rows of one stamp come out by id anyway as long as the feed's index is read; another plan need not do so."""
    with CaptureQueriesContext(connection) as sent:
        page(api)
    [sql] = {one["sql"] for one in sent.captured_queries if "revision" in one["sql"]}
    columns = sql.removeprefix("SELECT ").partition(" FROM ")[0].split(", ")
    by = sql.partition(" ORDER BY ")[2]
    for number, column in reversed([*enumerate(columns, start=1)]):
        by = by.replace(f"{number} ASC", f"{column} ASC")
    table = '"training_trainsession"'
    assert by.partition(" LIMIT ")[0] == f'{table}."updated_at" AS "updated_at" ASC, {table}."id" AS "pk" ASC'


def test_page_of_a_finished_window_has_a_cursor_only_where_more_follows(
    organization: Organization, api: Api, settings: Any
) -> None:
    settings.FEED_PAGE_SIZE = 2
    for _ in range(3):
        row(organization)
    first = page(api, endTime="2026-03-02T00:00:00Z")["pagination"]
    last = page(api, after=first["endCursor"], endTime="2026-03-02T00:00:00Z")["pagination"]
    assert (first["hasNextPage"], first["endCursor"] != "") == (True, True)
    assert last == {"endCursor": "", "hasNextPage": False}


@pytest.mark.parametrize(
    ("start", "end", "inside"),
    [
        ("12:00:00.000001Z", "12:00:00.000003Z", [1, 2]),
        ("12:00:00.000002Z", "12:00:00.000002Z", []),
        ("12:00:00Z", "12:00:00.000001Z", [0]),
        ("12:00:00.000Z", "12:00:00.001Z", [0, 1, 2, 3]),
        ("12:00:00.000003Z", "12:00:01Z", [3]),
    ],
)
def test_window_begins_at_its_start_and_ends_before_its_end_to_the_microsecond(
    organization: Organization, api: Api, start: str, end: str, inside: list[int]
) -> None:
    made = [str(row(organization, updated_at=NOON + step * MICROSECOND).uuid) for step in range(4)]
    found = page(api, startTime=f"2026-03-01T{start}", endTime=f"2026-03-01T{end}")
    assert ids(found) == [made[index] for index in inside]
    assert found["pagination"] == {"endCursor": "", "hasNextPage": False}


# All of them the same instant, half past twelve in UTC.
SPELLINGS = [
    "2026-03-01T12:30:00Z",
    "2026-03-01t12:30:00z",
    "2026-03-01T12:30:00.000Z",
    "2026-03-01T14:30:00%2B02:00",
    "2026-03-01T14:30:00+02:00",  # A plus sign that is not escaped reaches the server as a space.
    "2026-03-01T08:30:00-04:00",
    "2026-03-02T02:30:00.000000%2B14:00",
]


@pytest.mark.parametrize("text", SPELLINGS)
def test_start_time_is_understood_in_every_spelling(organization: Organization, api: Api, text: str) -> None:
    half_past = NOON + timedelta(minutes=30)
    row(organization, updated_at=half_past - MICROSECOND)
    inside = row(organization, updated_at=half_past)
    assert ids(api.get(f"{STREAM}?startTime={text}").json()) == [str(inside.uuid)]


@pytest.mark.parametrize("text", SPELLINGS)
def test_end_time_is_understood_in_every_spelling(organization: Organization, api: Api, text: str) -> None:
    half_past = NOON + timedelta(minutes=30)
    inside = row(organization, updated_at=half_past - MICROSECOND)
    row(organization, updated_at=half_past)
    assert ids(api.get(f"{STREAM}?startTime={BEGINNING}&endTime={text}").json()) == [str(inside.uuid)]


@pytest.mark.parametrize(
    "text", ["2026-03-01", "yesterday", "2026-03-01T12:00:00", "2026-02-30T12:00:00Z", "1772366400"]
)
@pytest.mark.parametrize("name", ["startTime", "endTime"])
def test_time_that_is_none_is_refused_by_name(organization: Organization, api: Api, name: str, text: str) -> None:
    assert refusal(api.get(address(STREAM, {name: text}))) == (
        f"{name}: '{text}' is not accepted. Give an RFC 3339 time such as 2019-06-13T19:08:25Z."
    )


def test_feed_without_a_start_begins_now(organization: Organization, api: Api) -> None:
    row(organization, updated_at=timezone.now() - timedelta(seconds=1))
    first = api.get(STREAM).json()
    [assigned] = records.assign(
        organization=organization,
        actor=Actor.system(),
        course_id=course_of(organization).pk,
        person_ids=[person_of(organization).pk],
    )
    assert (first["data"], first["pagination"]["hasNextPage"]) == ([], True)
    assert ids(page(api, after=first["pagination"]["endCursor"])) == [str(assigned.record.uuid)]


def test_feed_without_an_end_goes_on_for_ever_and_an_empty_page_resumes_exactly_there(
    organization: Organization, api: Api
) -> None:
    first = row(organization, updated_at=NOON)
    found = page(api)
    empty = page(api, after=found["pagination"]["endCursor"])
    again = page(api, after=empty["pagination"]["endCursor"])
    assert (ids(found), ids(empty), ids(again)) == ([str(first.uuid)], [], [])
    assert [one["pagination"]["hasNextPage"] for one in (found, empty, again)] == [True] * 3
    # One of the same stamp and a higher id, and one a microsecond later: the next changes that there can be.
    later = [row(organization, updated_at=NOON), row(organization, updated_at=NOON + MICROSECOND)]
    assert ids(page(api, after=again["pagination"]["endCursor"])) == [str(one.uuid) for one in later]


def test_window_is_not_complete_before_its_end_has_passed(organization: Organization, api: Api) -> None:
    made = row(organization)
    end = timezone.now() + timedelta(seconds=3)  # After the first page has been read, on a busy machine too.
    before = page(api, endTime=end.isoformat())
    assert timezone.now() < end
    assert (ids(before), before["pagination"]["hasNextPage"]) == ([str(made.uuid)], True)
    changed = records.progress(organization=organization, actor=Actor.system(), record_id=made.pk, percent_complete=5)
    time.sleep(max(0.0, (end - timezone.now()).total_seconds()) + 0.1)
    after = page(api, after=before["pagination"]["endCursor"], endTime=end.isoformat())
    assert (ids(after), after["pagination"]) == ([str(changed.uuid)], {"endCursor": "", "hasNextPage": False})


def test_end_before_the_start_is_refused(organization: Organization, api: Api) -> None:
    query = {"startTime": "2026-03-01T12:00:00.000001Z", "endTime": NOON_TEXT}
    assert (
        refusal(api.get(address(STREAM, query)))
        == "endTime: It lies before startTime, which is now unless it is given."
    )
    # The start is now where none is given.
    assert (
        refusal(api.get(address(STREAM, {"endTime": NOON_TEXT})))
        == "endTime: It lies before startTime, which is now unless it is given."
    )


GARBLED = "after: This is no cursor of this list. Give an endCursor, as it was."
OTHERS = "after: The cursor belongs to other filters or another endTime. Send the same."


def cursor_of(api: Api, **query: object) -> str:
    """The cursor of a page whose window goes on."""
    cursor: str = page(api, **query)["pagination"]["endCursor"]
    assert cursor
    return cursor


def test_cursor_that_is_none_is_refused(organization: Organization, api: Api, settings: Any) -> None:
    settings.FEED_PAGE_SIZE = 1
    course_of(organization)
    course_of(organization)
    cursor = cursor_of(api)
    of_courses = api.get("/training-courses").json()["pagination"]["endCursor"]
    for text in ("garbage", cursor[:-1], f"{cursor}x", cursor.replace(":", "", 1), "\N{SNOWMAN}", "\0", of_courses):
        assert refusal(api.get(address(STREAM, {"after": text}))) == GARBLED
    assert refusal(api.get(address("/training-courses", {"after": cursor}))) == GARBLED


def test_cursor_is_valid_for_thirty_days(organization: Organization, api: Api) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        cursor = cursor_of(api)
        clock.shift(timedelta(days=30))
        assert ids(page(api, after=cursor)) == []
        clock.shift(timedelta(seconds=1))
        expired = api.get(address(STREAM, {"after": cursor}))
    assert refusal(expired) == "after: The cursor has expired: it was valid for 30 days."


@pytest.mark.parametrize(
    "others",
    [
        {"endTime": "2999-01-01T00:00:00.000001Z"},
        {"status": "completed"},
        {"isOverdue": "true"},
        {"learnerIds": "user-1"},
        {"courseIds": "a4db8702-79d5-4396-a717-e301d52ecc11"},
        {"categoryIds": "a4db8702-79d5-4396-a717-e301d52ecc11"},
    ],
)
def test_cursor_with_other_conditions_is_refused(organization: Organization, api: Api, others: dict[str, str]) -> None:
    same = {"endTime": "2999-01-01T00:00:00Z", "status": "notStarted"}
    cursor = cursor_of(api, **same)
    assert refusal(api.get(address(STREAM, {**same, **others, "after": cursor}))) == OTHERS
    assert refusal(api.get(address(STREAM, {"after": cursor}))) == OTHERS
    assert ids(page(api, **same, after=cursor)) == []


def test_cursor_of_another_organization_is_refused(organization: Organization, api: Api) -> None:
    cursor = cursor_of(api_of(OrganizationFactory.create()))
    assert refusal(api.get(address(STREAM, {"after": cursor}))) == OTHERS


def test_cursor_goes_with_the_same_conditions_however_they_are_written(organization: Organization, api: Api) -> None:
    one, two = "a4db8702-79d5-4396-a717-e301d52ecc11", "c6490f6a-d84e-49b5-b0ad-b6baae304075"
    query = (
        f"courseIds={one},{two}&status=completed&status=notStarted&learnerIds=user-1,driver-2&isOverdue=false"
        "&endTime=2999-01-01T00:00:00Z"
    )
    same = (
        "isOverdue=false&endTime=2999-01-01T02:00:00.000%2B02:00&learnerIds=driver-2&learnerIds=user-1&startTime="
        f"&status=notStarted,%20completed&courseIds={two.upper()}&courseIds={one}"
    )
    cursor = api.get(f"{STREAM}?{query}&startTime={BEGINNING}").json()["pagination"]["endCursor"]
    assert api.get(f"{STREAM}?{same}&after={cursor}").status_code == 200


def test_start_time_is_ignored_behind_a_cursor(organization: Organization, api: Api, settings: Any) -> None:
    settings.FEED_PAGE_SIZE = 1
    made = [row(organization, updated_at=NOON + step * MICROSECOND) for step in range(3)]
    cursor = cursor_of(api)
    for start in (BEGINNING, "2999-01-01T00:00:00Z", ""):
        assert ids(page(api, after=cursor, startTime=start)) == [str(made[1].uuid)]


def test_blank_cursor_means_none(organization: Organization, api: Api) -> None:
    made = row(organization)
    assert ids(page(api, after="", startTime=BEGINNING)) == [str(made.uuid)]


@pytest.mark.parametrize("entrance", ["feed", "service"])
def test_falling_due_is_one_recorded_change_that_a_follower_of_overdue_sees(
    organization: Organization, api: Api, entrance: str
) -> None:
    fine = row(organization, due_at=FUTURE)
    open_ = [row(organization, state=state, due_at=NOON) for state in (State.ASSIGNED, State.IN_PROGRESS, State.FAILED)]
    row(organization, state=State.COMPLETED, due_at=NOON)
    row(organization, due_at=NOON, unassigned_at=NOON)
    row(OrganizationFactory.create(), due_at=NOON)
    untouched = set(TrainSession.objects.exclude(pk__in=[one.pk for one in open_]).values_list("pk", "updated_at"))
    start = timezone.now()
    if entrance == "service":
        assert records.mark_overdue(organization=organization, actor=Actor.system()) == 3
    first = page(api, startTime=start.isoformat(), isOverdue="true")
    assert ids(first) == [str(one.uuid) for one in open_]
    assert {shown["updatedById"] for shown in first["data"]} == {"user-0"}
    assert all(datetime.fromisoformat(shown["updatedAtTime"]) >= start for shown in first["data"])
    # Once: nothing more is recorded, and nothing else was.
    assert ids(page(api, after=first["pagination"]["endCursor"], isOverdue="true")) == []
    assert records.mark_overdue(organization=organization, actor=Actor.system()) == 0
    assert page(api, startTime=start.isoformat(), isOverdue="true")["data"] == first["data"]
    rest = TrainSession.objects.exclude(pk__in=[one.pk for one in open_])
    assert set(rest.values_list("pk", "updated_at")) == untouched
    assert ids(page(api, isOverdue="false", courseIds=str(fine.course.uuid))) == [str(fine.uuid)]


def test_record_falling_due_is_seen_by_one_that_follows(organization: Organization, api: Api) -> None:
    due = timezone.now() + timedelta(seconds=3)  # Long enough for what comes before it, on a busy machine too.
    made = row(organization, due_at=due)
    cursor = cursor_of(api, isOverdue="true")
    assert ids(page(api, after=cursor, isOverdue="true")) == []
    assert timezone.now() < due
    time.sleep(max(0.0, (due - timezone.now()).total_seconds()) + 0.05)
    assert ids(page(api, after=cursor, isOverdue="true")) == [str(made.uuid)]
