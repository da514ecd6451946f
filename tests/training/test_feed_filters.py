"""The feed's filters, held to an oracle in plain Python."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings as examples, strategies as st

from accounts.models import Organization, PersonKind
from enrollments.models import Category
from tests.conftest import Api
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
from training.models import State, TrainSession

pytestmark = pytest.mark.usefixtures("unlimited")

WORDS = {
    State.ASSIGNED: "notStarted",
    State.IN_PROGRESS: "inProgress",
    State.FAILED: "inProgress",
    State.COMPLETED: "completed",
}
END = "2026-06-01T00:00:00Z"
EVERY_LIST = pytest.mark.parametrize("name", ["learnerIds", "courseIds", "categoryIds"])


@dataclass(frozen=True)
class Fact:
    """What the oracle knows of a record."""

    id: str
    pk: int
    at: datetime
    values: dict[str, str]  # By the filter that asks for it.


def population(organization: Organization) -> list[Fact]:
    """Records of few people, courses and stamps, so that every filter takes some and leaves some."""
    dice = random.Random(7)
    categories = list(Category.objects.order_by("pk")[:3])
    courses = [course_of(organization, category=categories[number % 3]) for number in range(5)]
    people = [person_of(organization, kind=PersonKind.values[number % 2]) for number in range(5)]
    facts: list[Fact] = []
    for _ in range(70):
        course, person = dice.choice(courses), dice.choice(people)
        state = dice.choice(list(State))
        overdue = state != State.COMPLETED and dice.random() < 0.4
        # The table takes one open record for a person and course: the others are unassigned.
        at = NOON + dice.randrange(6) * MICROSECOND
        made = row(
            organization,
            course=course,
            person=person,
            state=state,
            overdue=overdue,
            due_at=NOON if overdue else None,
            updated_at=at,
            unassigned_at=None if state == State.COMPLETED else at,
        )
        values = {
            "learnerIds": f"{person.kind}-{person.pk}",
            "courseIds": str(course.uuid),
            "categoryIds": str(course.category.uuid),
            "status": WORDS[state],
            "isOverdue": str(overdue).lower(),
        }
        facts.append(Fact(str(made.uuid), made.pk, at, values))
    return facts


def test_pages_together_are_what_the_oracle_says(organization: Organization, api: Api, settings: Any) -> None:
    facts = population(organization)
    row(OrganizationFactory.create())
    some = {name: sorted({fact.values[name] for fact in facts}) for name in facts[0].values}
    some["courseIds"].append(str(uuid4()))
    some["learnerIds"].append("user-999999999")
    lists = {
        name: st.none() | st.lists(st.sampled_from(some[name]), min_size=1, max_size=4)
        for name in ("learnerIds", "courseIds", "categoryIds", "status")
    }
    filters = st.fixed_dictionaries({**lists, "isOverdue": st.none() | st.sampled_from(["true", "false"]).map(_alone)})

    @examples(
        max_examples=150,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(
        chosen=filters,
        size=st.sampled_from([2, 3, 7, 20, 100]),
        first=st.integers(-1, 6),
        length=st.integers(0, 8),
        written=st.sampled_from([",".join, list]),
    )
    def check(
        chosen: dict[str, list[str] | None],
        size: int,
        first: int,
        length: int,
        written: Callable[[list[str]], object],
    ) -> None:
        settings.FEED_PAGE_SIZE = size
        start, end = NOON + first * MICROSECOND, NOON + (first + length) * MICROSECOND
        asked = {name: values for name, values in chosen.items() if values is not None}
        expected = [
            fact.id
            for fact in sorted(facts, key=lambda fact: (fact.at, fact.pk))
            if start <= fact.at < end and all(fact.values[name] in values for name, values in asked.items())
        ]
        query = {name: written(values) for name, values in asked.items()}
        pages = walk(api, **query, startTime=start.isoformat(), endTime=end.isoformat())
        assert ids(pages) == expected
        assert [len(rows) for rows in pages[:-1]] == [size] * (len(pages) - 1)
        assert len(pages[-1]) <= size

    check()


def _alone(value: str) -> list[str]:
    return [value]


@pytest.mark.parametrize(
    ("states", "words"),
    [
        ([State.ASSIGNED], "notStarted"),
        ([State.IN_PROGRESS, State.FAILED], "inProgress"),
        ([State.COMPLETED], "completed"),
        ([State.ASSIGNED, State.COMPLETED], "completed,notStarted"),
    ],
)
def test_status_finds_each_state_under_its_word(
    organization: Organization, api: Api, states: list[State], words: str
) -> None:
    made = {state: row(organization, state=state) for state in State}
    assert ids(page(api, status=words)) == [str(made[state].uuid) for state in made if state in states]


def test_overdue_is_by_the_mark_and_never_of_what_is_completed(organization: Organization, api: Api) -> None:
    overdue = row(organization, due_at=NOON, overdue=True)
    others = [
        row(organization),
        row(organization, state=State.COMPLETED, due_at=NOON, overdue=True),
        row(organization, unassigned_at=NOON, due_at=NOON),
    ]
    assert ids(page(api, isOverdue="true")) == [str(overdue.uuid)]
    assert ids(page(api, isOverdue="false")) == [str(one.uuid) for one in others]


@pytest.mark.parametrize(
    "query",
    [
        {"learnerIds": "user-999999999"},
        {"courseIds": "a4db8702-79d5-4396-a717-e301d52ecc11"},
        {"categoryIds": "a4db8702-79d5-4396-a717-e301d52ecc11"},
    ],
)
def test_filter_that_names_nobody_matches_nothing(organization: Organization, api: Api, query: dict[str, str]) -> None:
    row(organization)
    assert page(api, **query, endTime=END) == {"data": [], "pagination": {"endCursor": "", "hasNextPage": False}}


def test_learner_of_the_other_kind_names_nobody(organization: Organization, api: Api) -> None:
    made = row(organization, person=person_of(organization, kind=PersonKind.DRIVER))
    assert ids(page(api, learnerIds=f"driver-{made.person_id}")) == [str(made.uuid)]
    assert ids(page(api, learnerIds=f"user-{made.person_id}")) == []


def test_learner_and_course_of_another_organization_name_nobody(organization: Organization, api: Api) -> None:
    other = row(OrganizationFactory.create())
    row(organization)
    assert ids(page(api, courseIds=str(other.course.uuid))) == []
    assert ids(page(api, learnerIds=f"{other.person.kind}-{other.person_id}")) == []


def known_and(count: int, name: str, record: TrainSession) -> list[str]:
    """The value that finds the record, and so many that find nothing."""
    found = {
        "learnerIds": f"user-{record.person_id}",
        "courseIds": str(record.course.uuid),
        "categoryIds": str(record.course.category.uuid),
    }[name]
    nothing = [f"driver-{10**17 + number}" if name == "learnerIds" else str(uuid4()) for number in range(count)]
    return [*nothing, found]


@EVERY_LIST
@pytest.mark.parametrize("written", [",".join, list], ids=["commas", "repeated"])
def test_hundred_ids_are_taken_and_one_more_is_refused(
    organization: Organization, api: Api, name: str, written: Callable[[list[str]], object]
) -> None:
    made = row(organization)
    assert ids(page(api, **{name: written(known_and(99, name, made))})) == [str(made.uuid)]
    refused = refusal(api.get(address(STREAM, {"startTime": BEGINNING, name: written(known_and(100, name, made))})))
    assert (refused.partition(":")[0], "at most 100 of:" in refused) == (name, True)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"learnerIds": "17"}, "'17' is not accepted. Give at most 100 of: learner ids such as driver-281474"),
        ({"learnerIds": "driver-1,boss-2"}, "'driver-1,boss-2' is not accepted. Give at most 100 of: learner ids"),
        ({"courseIds": "abc"}, "'abc' is not accepted. Give at most 100 of: uuids such as"),
        ({"categoryIds": "safety"}, "'safety' is not accepted. Give at most 100 of: uuids such as"),
        ({"status": "failed"}, "'failed' is not accepted. Give at most 100 of: notStarted, inProgress, completed."),
        ({"isOverdue": "True"}, "'True' is not accepted. Give one of true, false."),
        ({"isOverdue": ["true", "true"]}, "Given more than once. Give one value."),
        ({"limit": "5"}, "Unknown parameter. Known: after, categoryIds, courseIds, endTime, isOverdue, learnerIds,"),
        ({"format": "json"}, "Unknown parameter. Known:"),
    ],
)
def test_query_that_cannot_be_understood_is_refused_by_name(
    organization: Organization, api: Api, query: dict[str, object], sentence: str
) -> None:
    [name] = query
    assert refusal(api.get(address(STREAM, query))).startswith(f"{name}: {sentence}")


def test_blank_filter_means_not_given(organization: Organization, api: Api) -> None:
    made = row(organization, updated_at=NOON + timedelta(days=1))
    blank = dict.fromkeys(("learnerIds", "courseIds", "categoryIds", "status", "isOverdue"), "")
    assert ids(page(api, **blank)) == [str(made.uuid)]
