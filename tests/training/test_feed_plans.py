"""How PostgreSQL reads the feed: by an index that begins with the organization, at one cost however deep the page."""

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.api.resource import Selection
from accounts.models import Organization, Person
from enrollments.models import Category, Course
from tests.factories import CourseFactory, OrganizationFactory
from tests.training.feed import MICROSECOND, NOON
from training import selectors
from training.api.assignments.serializers import ASSIGNMENTS
from training.filters import AssignmentFilter
from training.models import State, TrainSession
from training.selectors import Position
from training.services.writer import falling_due

pytestmark = pytest.mark.postgresql

ORGANIZATIONS, PEOPLE, COURSES, ROWS = 5, 200, 40, 20_000
PAGE = 201
FILTERS = ("learnerIds", "courseIds", "categoryIds", "status", "isOverdue")
COMBINATIONS = [
    chosen for size in range(len(FILTERS) + 1) for chosen in itertools.combinations(FILTERS, size)
]  # fmt: skip


@dataclass(frozen=True)
class Ledger:
    organization: Organization
    values: dict[str, list[str]]  # Of each filter.


@pytest.fixture(scope="module")
def ledger(django_db_setup: None, django_db_blocker: Any) -> Iterator[Ledger]:
    """20,000 records of five organizations, half of them of one, analyzed; gone again at the end."""
    with django_db_blocker.unblock():
        organizations = [OrganizationFactory.create() for _ in range(ORGANIZATIONS)]
        try:
            for organization in organizations:
                fill(organization, ROWS // 2 if organization == organizations[0] else ROWS // 8)
            with connection.cursor() as cursor:
                cursor.execute("ANALYZE")
            yield Ledger(organizations[0], values_of(organizations[0]))
        finally:
            for rows in (TrainSession, Course, Person):
                rows._default_manager.filter(organization__in=organizations).delete()  # noqa: SLF001 - Django's documented name
            Organization.objects.filter(pk__in=[one.pk for one in organizations]).delete()


def fill(organization: Organization, count: int) -> None:
    """Records of which about half are completed, one in ten overdue, and few changed in the same microsecond."""
    dice = random.Random(organization.slug)
    categories = list(Category.objects.order_by("pk"))
    courses = [
        CourseFactory.create(organization=organization, category=categories[number % 6]) for number in range(COURSES)
    ]
    people = Person.objects.bulk_create(
        Person(organization=organization, employee_id=str(number), first_name="Ada", search_name="ada")
        for number in range(PEOPLE)
    )
    TrainSession.objects.bulk_create(
        [record(organization, dice, people, courses) for _ in range(count)], batch_size=2000
    )


def record(
    organization: Organization, dice: random.Random, people: list[Person], courses: list[Course]
) -> TrainSession:
    at = NOON + timedelta(seconds=dice.randrange(10**6))
    state = State.COMPLETED if dice.random() < 0.5 else State.ASSIGNED
    done = state == State.COMPLETED
    overdue = not done and dice.random() < 0.2
    return TrainSession(
        organization=organization,
        course=dice.choice(courses),
        person=dice.choice(people),
        state=state,
        percent=100 if done else 0,
        completed_at=at if done else None,
        # One open record for a person and course: most of these are history.
        unassigned_at=None if done else at,
        overdue=overdue,
        due_at=at if overdue or dice.random() < 0.3 else None,
        created_by="user-0",
        updated_at=at,
        updated_by="user-0",
    )


def values_of(organization: Organization) -> dict[str, list[str]]:
    people = Person.objects.filter(organization=organization).order_by("pk")[:3]
    courses = Course.objects.filter(organization=organization).order_by("pk")[:3]
    return {
        "learnerIds": [f"{person.kind}-{person.pk}" for person in people],
        "courseIds": [str(course.uuid) for course in courses],
        "categoryIds": [str(course.category.uuid) for course in courses[:1]],
        "status": ["notStarted", "inProgress"],
        "isOverdue": ["true"],
    }


def rows_of(ledger: Ledger, chosen: tuple[str, ...]) -> Selection:
    given = {name: ledger.values[name] for name in chosen}
    return ASSIGNMENTS.of(ledger.organization, AssignmentFilter.asked(given, ledger.organization))


def plan_of_page(rows: Selection, behind: Position, *, window: bool) -> dict[str, Any]:
    """How the statement that the feed sends is carried out, measured."""
    before = NOON + timedelta(days=30) if window else None
    arrange = selectors.changes_before if window else selectors.changes
    sent: list[tuple[str, Any]] = []

    def noted(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001 - Django's signature
        sent.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(noted):
        rows.arranged(arrange, limit=PAGE, at=behind.at, pk=behind.pk, before=before)
    [(sql, params)] = sent
    return explain(sql, params)


def explain(sql: str, params: Any = None) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", params)
        [[[found]]] = cursor.fetchall()
    plan: dict[str, Any] = found["Plan"]
    return plan


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", []) for node in nodes(child))]


def reads_of_records(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """The nodes that read records: scans of the table, and of its indexes for a bitmap."""
    of_table = [node for node in nodes(plan) if node.get("Relation Name") == "training_trainsession"]
    bitmaps = [index for node in of_table if node["Node Type"] == "Bitmap Heap Scan" for index in nodes(node)[1:]]
    return of_table + bitmaps


def first_columns() -> dict[str, str]:
    """The first column of each index of the records."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT index.relname, attribute.attname FROM pg_index "
            "JOIN pg_class AS index ON index.oid = indexrelid "
            "JOIN pg_attribute AS attribute ON attribute.attrelid = indrelid AND attribute.attnum = indkey[0] "
            "WHERE indrelid = 'training_trainsession'::regclass"
        )
        return dict(cursor.fetchall())


@pytest.mark.django_db
@pytest.mark.parametrize("window", [False, True], ids=["open end", "window"])
@pytest.mark.parametrize("chosen", COMBINATIONS, ids=lambda chosen: "+".join(chosen) or "no filter")
def test_every_combination_of_filters_reads_an_index_that_begins_with_the_organization(
    ledger: Ledger, chosen: tuple[str, ...], *, window: bool
) -> None:
    columns = first_columns()
    for behind in (Position(NOON), Position(NOON + timedelta(seconds=900_000), 1)):
        plan = plan_of_page(rows_of(ledger, chosen), behind, window=window)
        reads = reads_of_records(plan)
        types = {node["Node Type"] for node in reads}
        used = {node["Index Name"] for node in reads if "Index Name" in node}
        assert "Seq Scan" not in types, plan
        assert {columns[name] for name in used} == {"organization_id"}, (used, types)


@pytest.mark.django_db
@pytest.mark.parametrize("chosen", [(), ("status",), ("courseIds",)], ids="+".join)
def test_deep_page_costs_what_the_first_costs(ledger: Ledger, chosen: tuple[str, ...]) -> None:
    rows = rows_of(ledger, chosen)
    count = rows.count()
    positions = [Position(NOON - MICROSECOND)]
    for share in (0.3, 0.6, 0.9):
        place = int((count - PAGE) * share)
        last = rows.arranged(selectors.changes, limit=1, offset=place, at=positions[0].at, pk=0)
        positions.append(Position(last.objects[0].updatedAtTime, last.keys[0]))
    measured = []
    for behind in positions:
        plan = plan_of_page(rows, behind, window=False)
        read = sum(node["Actual Rows"] + node.get("Rows Removed by Filter", 0) for node in reads_of_records(plan))
        measured.append((plan["Shared Hit Blocks"] + plan["Shared Read Blocks"], read))
    first, deep = measured[0], measured[1:]
    assert count > 2 * PAGE
    assert all(blocks <= 1.5 * first[0] and read <= 1.5 * first[1] for blocks, read in deep), measured


@pytest.mark.django_db
def test_what_falls_due_is_found_in_its_own_index(ledger: Ledger) -> None:
    due = falling_due(ledger.organization, NOON)
    with CaptureQueriesContext(connection) as sent:
        due.exists()
    [query] = sent.captured_queries
    plan = explain(query["sql"])
    assert [node.get("Index Name") for node in reads_of_records(plan)] == ["train_session_falls_due"]


@pytest.mark.django_db
def test_last_stamp_is_one_step_in_the_feeds_index(ledger: Ledger) -> None:
    """What every write asks under the ledger lock."""
    sql = f"SELECT MAX(updated_at) FROM training_trainsession WHERE organization_id = {ledger.organization.pk}"  # noqa: S608
    plan = explain(sql)
    [read] = reads_of_records(plan)
    assert (read["Index Name"], read["Actual Rows"]) == ("train_session_feed", 1)
