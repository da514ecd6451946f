"""What the contracts say about every filter, in plain Python, and random rows to try it on.

Nothing of the product filters here, and no column that the product keeps for searching is read. (The rows' own writer
fills those columns as the services do.)
"""

import json
import operator
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from math import floor
from typing import Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from django.db import transaction
from hypothesis import HealthCheck, Phase, settings, strategies as st

from accounts.models import Organization, Person
from enrollments.models import Course, Enrollment, Session
from tests.conftest import Api, body_of
from tests.contracts.records import (
    Record,
    category,
    course_row,
    enrollment_row,
    person_row,
    session_row,
    write_records,
)
from tests.factories import OrganizationFactory

settings.register_profile(
    "contracts",
    max_examples=15,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],  # To explain a failure takes minutes of requests more.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
EXAMPLES = settings.get_profile("contracts")

Text = Callable[[Any], str | None]
Instant = Callable[[Any], datetime | None]
Compare = Callable[[Any, Any], bool]

# Clock changes at midnight (São Paulo, Havana, the Azores), by half an hour (Lord Howe), a day left out (Apia).
ZONES = (
    "UTC",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
    "America/Sao_Paulo",
    "Asia/Kolkata",
    "Pacific/Apia",
    "Atlantic/Azores",
    "America/Havana",
    "Australia/Lord_Howe",
)
CENTRES = (
    date(2011, 12, 30),
    date(2018, 2, 17),
    date(2018, 11, 4),
    date(2024, 2, 29),
    date(2024, 10, 27),
    date(2025, 1, 1),
)
MICROSECOND = timedelta(microseconds=1)
OFFSETS = (-MICROSECOND, timedelta(0), MICROSECOND, timedelta(hours=12), timedelta(days=1) - MICROSECOND)
# Both cases, accents in one code point and in two, letters that fold to two or to another alphabet's, wildcards.
ALPHABET = "aAeEsSiIkKß ẞſ\u0131İéÉäÄñÑ\u0301\u0308\u0307\u212aŉΐ\u03c3ςΣ%_\\'\"*?.+&#/"
TEXTS = st.text(ALPHABET, max_size=6)
RESPELLINGS: tuple[Callable[[str], str], ...] = (
    str,
    str.upper,
    str.lower,
    str.swapcase,
    lambda text: unicodedata.normalize("NFD", text),
    lambda text: unicodedata.normalize("NFC", text).upper(),
)
SCORES = [
    None,
    *map(Decimal, ("0", "0.5", "0.9999", "1", "79.9999", "80", "80.0001", "80.9999", "81", "99.9999", "100")),
]
STATUS_OF = {"assigned": "Assigned", "in_progress": "In Progress", "failed": "Failed", "completed": "Completed"}
CATEGORIES = ("technical", "soft_skills", "compliance", "leadership", "onboarding", "safety")
DELIVERY_MODES = ("in_person", "online", "hybrid", "self_paced")
SESSION_STATUSES = ("scheduled", "in_progress", "completed", "cancelled")
ENROLLMENT_STATUSES = ("enrolled", "completed", "failed", "absent", "cancelled")


@dataclass(frozen=True)
class World:
    """Rows of two organizations, by id, the first one's time zone, and the days around which everything happens."""

    organization: Organization
    foreign: Organization
    zone: tzinfo
    days: Sequence[date]
    rows: dict[int, Any] = field(default_factory=dict)


# What a filter keeps, and which values are worth trying.


@dataclass(frozen=True)
class Rule:
    """`keeps(row, value, zone)`. `accepts` ends the sentence that refuses one of the values in `refuses`."""

    keeps: Callable[[Any, str, tzinfo], bool]
    values: Callable[[World], st.SearchStrategy[str]]
    for_example: str = "1"
    accepts: str = "text without NUL characters"
    refuses: Sequence[str] = ("a\0b",)


def folded(text: str) -> str:
    """Unicode case folding of composed text, composed again, since folding takes some characters apart."""
    return unicodedata.normalize("NFC", "".join(c.casefold() for c in unicodedata.normalize("NFC", text)))


def pieces(world: World, texts: Sequence[Text]) -> st.SearchStrategy[str]:
    """Parts of what is there, spelled otherwise, and anything else."""
    there = [text(row) or "" for row in world.rows.values() for text in texts] or [""]

    def cut(text: str, start: int, length: int, respell: Callable[[str], str]) -> str:
        return respell(text[start : start + length])

    cuts = st.builds(cut, st.sampled_from(there), st.integers(0, 6), st.integers(1, 9), st.sampled_from(RESPELLINGS))
    return st.one_of(cuts, TEXTS)


def contains(*texts: Text) -> Rule:
    return Rule(
        keeps=lambda row, value, _zone: any(folded(value) in folded(text(row) or "") for text in texts),
        values=lambda world: pieces(world, texts),
    )


def equals(text: Text, *, fold: Callable[[str], str] = str) -> Rule:
    def values(world: World) -> st.SearchStrategy[str]:
        there = [text(row) or "" for row in world.rows.values()] or [""]
        return st.one_of(
            st.builds(lambda known, respell: respell(known), st.sampled_from(there), st.sampled_from(RESPELLINGS)),
            TEXTS,
        )

    return Rule(keeps=lambda row, value, _zone: fold(text(row) or "") == fold(value), values=values)


def whole(number: Callable[[Any], int]) -> Rule:
    def values(world: World) -> st.SearchStrategy[str]:
        known = {number(row) for row in world.rows.values()}
        near = sorted({n + d for n in known for d in (-1, 0, 1)})
        return st.sampled_from([str(n) for n in (*near, *known, 0, 100, 101, -1, 2**63 - 1, 1 - 2**63)] + ["007", "-0"])

    return Rule(
        keeps=lambda row, value, _zone: number(row) == int(value),
        values=values,
        accepts="a whole number",
        refuses=("abc", "1.0", "1e3", "+1", " 1", "0x1", "1 2", "٣", "1,2", str(2**63), "1" * 30),
    )


def days_near(world: World) -> st.SearchStrategy[str]:
    first, last = min(world.days), max(world.days)
    near = [first - timedelta(days=1), *world.days, *world.days, last + timedelta(days=1)]
    return st.sampled_from([day.isoformat() for day in (*near, date.min, date.max)])


NO_DAYS = (
    "2015",
    "2015-1-1",
    "20150101",
    "2015-W01-1",
    "2015-02-29",
    "0000-01-01",
    "10000-01-01",
    "today",
    "٢٠١٥-01-01",
)
A_DAY = "a day as YYYY-MM-DD"


def day(instant: Instant, compare: Compare) -> Rule:
    """Of the day on which an instant falls in the organization's time zone."""

    def keeps(row: Any, value: str, zone: tzinfo) -> bool:
        at = instant(row)
        return at is not None and compare(at.astimezone(zone).date().isoformat(), value)

    return Rule(keeps=keeps, values=days_near, for_example="2024-02-29", accepts=A_DAY, refuses=NO_DAYS)


def plain_date(on: Callable[[Any], date | None], compare: Compare) -> Rule:
    def keeps(row: Any, value: str, _zone: tzinfo) -> bool:
        shown = on(row)
        return shown is not None and compare(shown.isoformat(), value)

    return Rule(keeps=keeps, values=days_near, for_example="2024-02-29", accepts=A_DAY, refuses=NO_DAYS)


def year(instant: Callable[[Any], datetime]) -> Rule:
    def values(world: World) -> st.SearchStrategy[str]:
        return st.sampled_from([str(day.year + d) for day in world.days for d in (-1, 0, 1)] + ["1", "9999"])

    return Rule(
        keeps=lambda row, value, zone: instant(row).astimezone(zone).year == int(value),
        values=values,
        accepts="a year from 1 to 9999",
        refuses=("0", "-1", "10000", "24.5", "MMXXIV", "2024-01"),
    )


def one_of(word: Text, words: Sequence[str]) -> Rule:
    return Rule(
        keeps=lambda row, value, _zone: word(row) == value,
        values=lambda _world: st.sampled_from(words),
        for_example=words[0],
        accepts=f"one of {', '.join(words)}",
        refuses=("nonsense", words[0].swapcase(), f" {words[0]}", "%", "\0"),
    )


# The documents' filters. Each table is copied from a document; a test below holds the product to their names.


def shown_score(record: Record) -> int:
    return 0 if record.score is None else floor(record.score)


TRAIN_SESSIONS = {
    "course_code_or_course_name_cont": contains(lambda row: row.code, lambda row: row.title),
    "full_name_cont": contains(lambda row: row.full_name),
    "score_eq": whole(shown_score),
    "completion_date_gteq": day(lambda row: row.completed_at, operator.ge),
    "completion_date_lteq": day(lambda row: row.completed_at, operator.le),
    "cert_expiry_gt": plain_date(lambda row: row.cert_expiry, operator.ge),
    "cert_expiry_lt": plain_date(lambda row: row.cert_expiry, operator.le),
    "percent_complete_eq": whole(lambda row: int(row.percent)),
    "complete_by_eq": day(lambda row: row.due_at, operator.eq),
    "last_attempt_eq": day(lambda row: row.last_attempt_at, operator.eq),
    "assignee_login_username_eq": equals(lambda row: row.username),
    "failed_attempts_eq": whole(lambda row: int(row.failed_attempts)),
    "unit_unit_expiry_gt": plain_date(lambda row: row.unit_expiry, operator.ge),
    "unit_unit_expiry_lt": plain_date(lambda row: row.unit_expiry, operator.le),
    "status_eq": one_of(lambda row: STATUS_OF[row.state], ["Assigned", "In Progress", "Completed", "Failed"]),
}
ALIASES = {
    "score": "score_eq",
    "percent_complete": "percent_complete_eq",
    "failed_attempts": "failed_attempts_eq",
    "complete_by": "complete_by_eq",
    "last_attempt": "last_attempt_eq",
    "assignee_login_username": "assignee_login_username_eq",
}
COURSES = {
    "search": contains(lambda row: row.title),
    "category": one_of(lambda row: row.category.slug, CATEGORIES),
    "delivery_mode": one_of(lambda row: row.delivery_mode, DELIVERY_MODES),
}
SESSIONS = {
    "course_id": whole(lambda row: int(row.course_id)),
    "status": one_of(lambda row: row.status, SESSION_STATUSES),
    "date_from": day(lambda row: row.starts_at, operator.ge),
    "date_to": day(lambda row: row.starts_at, operator.lt),
}
ENROLLMENTS = {
    "employee_id": whole(lambda row: int(row.person_id)),
    "session_id": whole(lambda row: int(row.session_id)),
    "course_id": whole(lambda row: int(row.session.course_id)),
    "status": one_of(lambda row: row.status, ENROLLMENT_STATUSES),
    "year": year(lambda row: row.session.starts_at),
}
EMPLOYEES = {
    "search": contains(lambda row: f"{row.first_name} {row.last_name}".strip()),
    "employee_id": equals(lambda row: row.employee_id),
    "email": equals(lambda row: row.mail, fold=str.lower),
    "active": one_of(lambda row: "true" if row.active else "false", ["true", "false"]),
}


# Random rows.


def instants(world: World) -> st.SearchStrategy[datetime]:
    """The first and last microseconds of the world's days, one more and one less, and noon."""

    def at(day: date, offset: timedelta) -> datetime:
        return datetime.combine(day, time.min, world.zone).astimezone(UTC) + offset

    return st.builds(at, st.sampled_from(world.days), st.sampled_from(OFFSETS))


def owners(world: World) -> st.SearchStrategy[Organization]:
    return st.sampled_from([world.organization, world.organization, world.organization, world.foreign])


def make_train_sessions(data: st.DataObject, world: World) -> dict[int, Any]:
    dates = st.none() | st.sampled_from(world.days)
    moments = st.none() | instants(world)
    records: list[Record] = []
    for number in range(data.draw(st.integers(0, 7))):
        state = data.draw(st.sampled_from(list(STATUS_OF)))
        completed = state == "completed"
        unassigned = not completed and data.draw(st.integers(0, 4)) == 0
        name = data.draw(st.none() | TEXTS)
        records.append(
            Record(
                organization=data.draw(owners(world)),
                code=f"{data.draw(TEXTS)}{number}",
                title=data.draw(TEXTS),
                first_name=data.draw(TEXTS),
                last_name=data.draw(TEXTS),
                username="" if name is None else f"{name}{number}",
                score=data.draw(st.sampled_from(SCORES)),
                percent=100 if completed else data.draw(st.sampled_from((0, 1, 50, 99, 100))),
                failed_attempts=data.draw(st.sampled_from((0, 1, 2, 2_147_483_647))),
                state=state,
                completed_at=data.draw(instants(world)) if completed else None,
                cert_expiry=data.draw(dates),
                unit_expiry=None if unassigned else data.draw(dates),
                due_at=data.draw(moments),
                last_attempt_at=data.draw(moments),
                unassigned=unassigned,
            )
        )
    return dict(zip(write_records(records), records, strict=True))


def by_id(rows: Sequence[Any]) -> dict[int, Any]:
    return {row.pk: row for row in rows}


def make_courses(data: st.DataObject, world: World) -> dict[int, Any]:
    rows = [
        course_row(
            data.draw(owners(world)),
            title=data.draw(TEXTS),
            category=category(data.draw(st.sampled_from(CATEGORIES))),
            delivery_mode=data.draw(st.sampled_from(DELIVERY_MODES)),
        )
        for _ in range(data.draw(st.integers(0, 7)))
    ]
    return by_id(Course.objects.bulk_create(rows))


def make_sessions(data: st.DataObject, world: World) -> dict[int, Any]:
    owned = [world.organization, world.organization, world.organization, world.foreign]
    courses = Course.objects.bulk_create([course_row(organization) for organization in owned])
    rows = [
        session_row(
            data.draw(st.sampled_from(courses)),
            data.draw(instants(world)),
            status=data.draw(st.sampled_from(SESSION_STATUSES)),
        )
        for _ in range(data.draw(st.integers(0, 7)))
    ]
    return by_id(Session.objects.bulk_create(rows))


def make_enrollments(data: st.DataObject, world: World) -> dict[int, Any]:
    sessions = list(make_sessions(data, world).values())
    people = Person.objects.bulk_create(
        [person_row(organization) for organization in (world.organization, world.foreign) for _ in range(3)]
    )
    seats = [
        (session, person) for session in sessions for person in people if session.organization == person.organization
    ]
    rows = [
        enrollment_row(session, person, data.draw(st.sampled_from(ENROLLMENT_STATUSES)))
        for session, person in (data.draw(st.permutations(seats))[:7] if seats else [])
    ]
    return by_id(Enrollment.objects.bulk_create(rows))


def make_employees(data: st.DataObject, world: World) -> dict[int, Any]:
    local = st.text("aBzZ_%+'", min_size=1, max_size=4)
    rows = [
        person_row(
            data.draw(owners(world)),
            data.draw(TEXTS),
            data.draw(TEXTS),
            employee_id=f"{data.draw(TEXTS)}{number}",
            mail=f"{data.draw(local)}{number}@Example.COM" if data.draw(st.booleans()) else "",
            active=data.draw(st.booleans()),
        )
        for number in range(data.draw(st.integers(0, 7)))
    ]
    return by_id(Person.objects.bulk_create(rows))


# The lists.


@dataclass(frozen=True)
class Listing:
    name: str
    path: str
    make: Callable[[st.DataObject, World], dict[int, Any]]
    rules: Mapping[str, Rule]
    listed: Callable[[Any], bool] = lambda _row: True
    newest_first: bool = False
    in_data: bool = True  # The Training API's envelope.

    def expected(self, world: World, asked: Mapping[str, str]) -> list[int]:
        """A blank value means: not given."""
        asked = {name: value for name, value in asked.items() if value.strip()}
        ids = [
            pk
            for pk, row in world.rows.items()
            if row.organization == world.organization
            and self.listed(row)
            and all(self.rules[name].keeps(row, value, world.zone) for name, value in asked.items())
        ]
        return sorted(ids, reverse=self.newest_first)

    def shown(self, api: Api, query: Mapping[str, str]) -> list[int]:
        asked = {**query, "per_page": "100"} if self.in_data else query
        response = api.get(f"{self.path}?{urlencode(asked, quote_via=quote)}")
        assert response.status_code == 200, response.content
        body = response.json() if self.in_data else {"data": json_of(response)}
        return [row["id"] for row in body["data"]]


def json_of(response: Any) -> Any:
    return json.loads(body_of(response))


LISTINGS = {
    listing.name: listing
    for listing in (
        Listing(
            "train_sessions",
            "/api/train_sessions",
            make_train_sessions,
            TRAIN_SESSIONS,
            listed=lambda row: not row.unassigned,
            newest_first=True,
            in_data=False,
        ),
        Listing("courses", "/api/v1/training/courses", make_courses, COURSES),
        Listing("sessions", "/api/v1/training/sessions", make_sessions, SESSIONS),
        Listing("enrollments", "/api/v1/training/enrollments", make_enrollments, ENROLLMENTS),
        Listing("employees", "/api/v1/training/employees", make_employees, EMPLOYEES),
    )
}


@contextmanager
def undone() -> Iterator[None]:
    """An example leaves nothing to the next one."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@contextmanager
def random_world(data: st.DataObject, listing: Listing, organization: Organization) -> Iterator[World]:
    zone, centre = data.draw(st.sampled_from(ZONES)), data.draw(st.sampled_from(CENTRES))
    days = [centre + timedelta(days=offset) for offset in (-1, 0, 1)]
    with undone():
        Organization.objects.filter(pk=organization.pk).update(time_zone=zone)
        world = World(organization, OrganizationFactory.create(), ZoneInfo(zone), days)
        world.rows.update(listing.make(data, world))
        yield world
