"""The feed while eight writers write: whoever follows it misses nothing, and the control shows what makes it so.

PostgreSQL only: SQLite has one writer at a time.
"""

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import orjson
import pytest
from django.db import connection
from django.db.models import Q
from django.utils import timezone

from accounts.actors import Actor
from accounts.api.rendering import to_json
from accounts.models import Organization, Person
from accounts.transactions import LOCK_WAIT, clock, write
from enrollments.models import Category, Course
from tests.conftest import Api, api_of
from tests.factories import CourseFactory, OrganizationFactory
from tests.training.feed import STREAM, page, row, walk
from training import selectors
from training.api.assignments.serializers import ASSIGNMENTS
from training.models import State, TrainSession
from training.services import records, writer

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]

WRITERS = 8
CHANGES = 6_000  # 50,000, and readers that crash: `python -m tests.proof --only feed`.
CHANGES_TO_MISS = 4_000
LONGEST = 0.030  # Seconds that a transaction goes on beside its statements.
PEOPLE, COURSES = 160, 30  # Of each writer its own people, of all the same courses.
LATEST_DUE = 1.0  # Seconds from a move to the due time that it sets.
NEVER_DUE = datetime(2999, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def connections(db: None) -> Iterator[None]:
    """A connection for every thread, however small the pool is that the settings ask for."""
    pool = connection.settings_dict["OPTIONS"]["pool"]
    before = pool["max_size"]
    connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's
    pool["max_size"] = max(before, WRITERS + 8)
    yield
    connection.close_pool()  # type: ignore[attr-defined]
    pool["max_size"] = before


@pytest.fixture(autouse=True)
def small_pages(settings: Any) -> None:
    """Smaller than the larger transactions, so that pages end in the middle of a stamp."""
    settings.FEED_PAGE_SIZE = 100
    settings.RATE_LIMIT_ASSIGNMENTS_READ = ""


@dataclass(frozen=True)
class Change:
    """A committed change, as its writer knows it."""

    id: str
    at: datetime
    committing: float  # A moment just before its commit, by the monotonic clock.
    falls_due: bool  # The record may have changed once more, without a writer.


@dataclass(frozen=True)
class Window:
    """What `[start, end)` showed by the time that it was called complete."""

    start: datetime
    end: datetime
    shown: set[tuple[str, datetime]]
    complete: float

    def holds(self, at: datetime) -> bool:
        return self.start <= at < self.end


@dataclass
class Stage:
    organization: Organization
    courses: list[Course]
    people: list[list[Person]]
    secret: str
    due: bool = True
    done: threading.Event = field(default_factory=threading.Event)
    changes: int = 0
    counting: threading.Lock = field(default_factory=threading.Lock)

    def count(self, changes: int) -> None:
        with self.counting:
            self.changes += changes


@pytest.fixture
def stage(connections: None, small_pages: None) -> Stage:
    organization = OrganizationFactory.create()
    # Between two tests of this kind every table is emptied, the migrations' rows too.
    category, _ = Category.objects.get_or_create(slug="safety", defaults={"name": "Safety"})
    courses = [CourseFactory.create(organization=organization, category=category) for _ in range(COURSES)]
    people = Person.objects.bulk_create(
        Person(organization=organization, employee_id=str(number), first_name="Ada", search_name="ada")
        for number in range(WRITERS * PEOPLE)
    )
    groups = [people[start : start + PEOPLE] for start in range(0, len(people), PEOPLE)]
    return Stage(organization, courses, groups, api_of(organization).secret)


class Writer:
    """Does what staff, learners and machines do, in transactions that take their time."""

    def __init__(self, stage: Stage, number: int) -> None:
        self.stage = stage
        self.dice = random.Random(number)
        self.people = [person.pk for person in stage.people[number]]
        self.who: dict[str, Any] = {"organization": stage.organization, "actor": Actor(f"token-{number}")}
        self.open: dict[int, tuple[int, int]] = {}  # Course and person by record.
        self.journal: list[Change] = []

    def run(self, changes: int) -> list[Change]:
        while self.stage.changes < changes:
            act = self.dice.choices(
                [self.assign, self.unassign, self.move, self.progress, self.fail, self.complete],
                [35, 25 if len(self.open) > 200 else 0, 5, 10, 10, 15],
            )[0]
            made = self.transaction(act)
            self.journal += made
            self.stage.count(len(made))
        return self.journal

    def transaction(self, act: Callable[[], list[int]]) -> list[Change]:
        total = self.dice.uniform(0, LONGEST)
        before = self.dice.uniform(0, total)
        with write():
            time.sleep(before)
            pks = act()
            rows = TrainSession.objects.filter(pk__in=pks).values_list("uuid", "updated_at", "due_at")
            found = [(str(uuid), at, due is not None and due != NEVER_DUE) for uuid, at, due in rows]
            time.sleep(total - before)
            committing = time.monotonic()
        return [Change(uuid, at, committing, due) for uuid, at, due in found]

    def some(self, most: int) -> list[int]:
        return self.dice.sample(sorted(self.open), min(len(self.open), self.dice.randint(1, most)))

    def assign(self) -> list[int]:
        course = self.dice.choice(self.stage.courses)
        held = {person for course_id, person in self.open.values() if course_id == course.pk}
        free = [pk for pk in self.people if pk not in held]
        people = self.dice.sample(free, min(len(free), self.dice.choice([1, 70, 150])))
        due = self.dice.choice([None, NEVER_DUE])
        made = records.assign(**self.who, course_id=course.pk, person_ids=people, due_at=due)
        self.open.update({one.record.pk: (course.pk, one.record.person_id) for one in made})
        return [one.record.pk for one in made]

    def unassign(self) -> list[int]:
        pks = self.some(200)
        for pk in pks:
            del self.open[pk]
        return records.unassign(**self.who, ids=pks)

    def move(self) -> list[int]:
        soon = timezone.now() + timedelta(seconds=self.dice.uniform(0, LATEST_DUE))
        due = self.dice.choice([None, NEVER_DUE, *([soon] if self.stage.due else [])])
        return [record.pk for record in records.change_due(**self.who, record_ids=self.some(25), due_at=due)]

    def progress(self) -> list[int]:
        percent = self.dice.randrange(100)
        return [records.progress(**self.who, record_id=pk, percent_complete=percent).pk for pk in self.some(1)]

    def fail(self) -> list[int]:
        return [records.attempt(**self.who, record_id=pk, score=Decimal(5), passed=False).pk for pk in self.some(1)]

    def complete(self) -> list[int]:
        pks = self.some(1)
        for pk in pks:
            del self.open[pk]
        return [records.complete(**self.who, record_id=pk, score=Decimal(95)).pk for pk in pks]


def follow(stage: Stage, **query: object) -> list[Any]:
    """What a client sees that follows the cursor until all writers are done and nothing more comes."""
    api, seen = Api(stage.secret), list[Any]()
    while True:
        done = stage.done.is_set()
        found = page(api, **query)
        assert found["pagination"]["hasNextPage"]
        seen += found["data"]
        query["after"] = found["pagination"]["endCursor"]
        if not found["data"]:
            if done:
                return seen
            time.sleep(0.005)


Seen = tuple[datetime, int]


def follow_closely(stage: Stage) -> list[Seen]:
    """The same cursor on (stamp, id) in a tight loop, without a request around it: always at the feed's head."""
    seen = [(datetime(2000, 1, 1, tzinfo=UTC), 0)]
    while True:
        done = stage.done.is_set()
        at, pk = seen[-1]
        behind = TrainSession.objects.filter(Q(updated_at__gt=at) | Q(pk__gt=pk), updated_at__gte=at)
        rows = behind.filter(organization=stage.organization).order_by("updated_at", "pk")
        found = list(rows.values_list("updated_at", "pk")[:1000])
        seen += found
        if not found:
            if done:
                return seen[1:]
            time.sleep(0.003)


def windows(stage: Stage) -> list[Window]:
    """What a client sees that asks for what happened since it last asked, up to now, again and again."""
    api, found = Api(stage.secret), list[Window]()
    start, done = timezone.now(), False
    while not done:
        done = stage.done.is_set()
        end = timezone.now()
        pages = walk(api, startTime=start.isoformat(), endTime=end.isoformat())
        shown = {(one["id"], stamp(one)) for rows in pages for one in rows}
        found.append(Window(start, end, shown, time.monotonic()))
        start = end
        time.sleep(0.005)
    return found


def stamp(shown: Any) -> datetime:
    return datetime.fromisoformat(shown["updatedAtTime"])


def run(stage: Stage, changes: int, *readers: Callable[[], Any]) -> tuple[list[Change], list[Any]]:
    """All writers and these readers at once: what was committed, and what each reader saw."""

    def alone(work: Callable[[], Any]) -> Any:
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(WRITERS + len(readers)) as threads:
        reading = [threads.submit(alone, reader) for reader in readers]
        writers = [Writer(stage, number) for number in range(WRITERS)]
        writing = [threads.submit(alone, partial(one.run, changes)) for one in writers]
        try:
            journal = [change for one in writing for change in one.result()]
            time.sleep(LATEST_DUE if stage.due else 0)  # What is to fall due does so while it is read.
        finally:
            stage.done.set()
        return journal, [one.result() for one in reading]


def final(organization: Organization, **conditions: object) -> list[TrainSession]:
    rows = TrainSession.objects.filter(organization=organization, **conditions)
    return list(rows.select_related("course", "person").order_by("updated_at", "pk"))


def missed(table: list[TrainSession], seen: list[Any]) -> list[str]:
    """Records whose last change a follower did not see."""
    last = {shown["id"]: stamp(shown) for shown in seen}
    return [str(record.uuid) for record in table if last.get(str(record.uuid)) != record.updated_at]


def missed_in_windows(table: list[TrainSession], journal: list[Change], found: list[Window]) -> list[Change]:
    """Changes stamped inside a window that it did not show, though no later change had taken their place."""
    last = [Change(str(one.uuid), one.updated_at, 0, falls_due=False) for one in table]
    changes = sorted(journal, key=lambda change: (change.id, change.at))
    replaced: dict[Change, float] = {
        one: following.committing for one, following in itertools.pairwise(changes) if one.id == following.id
    }
    candidates = [*last, *(change for change in changes if change in replaced and not change.falls_due)]
    return [
        change
        for change in candidates
        for window in found
        if window.holds(change.at)
        and replaced.get(change, float("inf")) > window.complete
        and (change.id, change.at) not in window.shown
    ]


def say(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\n{text}")  # noqa: T201 - the measured numbers are part of what the control shows


def test_follower_misses_nothing_under_concurrent_writers(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    due = timezone.now() + timedelta(seconds=4)
    falling = row(stage.organization, course=stage.courses[0], due_at=due)
    started, clocked = timezone.now(), time.monotonic()
    journal, (closely, seen, overdue, found) = run(
        stage,
        CHANGES,
        lambda: follow_closely(stage),
        lambda: follow(stage),
        lambda: follow(stage, isOverdue="true"),
        lambda: windows(stage),
    )
    took = time.monotonic() - clocked
    table = final(stage.organization)
    shown = {(one["id"], stamp(one)) for one in seen}
    say(
        f"{len(journal)} changes of {len(table)} records by {WRITERS} writers in {took:.0f} s; "
        f"{len({change.at for change in journal})} transactions; "
        f"{len([one for one in journal if (one.id, one.at) in shown])} seen, the others replaced before; "
        f"{len(found)} windows; {len(overdue)} seen overdue",
        capsys,
    )
    assert len(journal) >= CHANGES
    assert missed(table, seen) == []
    assert {(one.updated_at, one.pk) for one in table} - set(closely) == set()
    # In order, and none twice: by stamp, then by id.
    pk_of = {str(record.uuid): record.pk for record in table}
    order = [(stamp(one), pk_of[one["id"]]) for one in seen]
    assert order == sorted(set(order))
    # Whoever applies what was seen in that order has the table.
    applied = {one["id"]: one for one in seen}
    assert applied == {str(record.uuid): _on_the_wire(record) for record in table}
    # No stamp was given twice by two commits: each belongs to one writer's transaction.
    commits = {(change.at, change.committing) for change in journal}
    assert len({at for at, _ in commits}) == len(commits)
    # Every window was complete, and together they show every change since the beginning.
    assert missed_in_windows(table, journal, found) == []
    assert len(found) > 20
    whole = walk(Api(stage.secret), startTime=started.isoformat(), endTime=timezone.now().isoformat())
    assert [one["id"] for rows in whole for one in rows] == [str(one.uuid) for one in table]
    # What fell due in the middle of it was seen by both, as a change of then.
    late = final(stage.organization, overdue=True, unassigned_at=None)
    assert missed([one for one in late if one.state != State.COMPLETED], overdue) == []
    [marked] = [one for one in overdue if one["id"] == str(falling.uuid)]
    assert marked == applied[str(falling.uuid)]
    assert marked["isOverdue"] is True
    assert due <= stamp(marked) < due + LOCK_WAIT


def _on_the_wire(record: TrainSession) -> dict[str, Any]:
    [shown] = ASSIGNMENTS.of(record.organization).among([record.pk])
    found: dict[str, Any] = orjson.loads(to_json(shown))
    return found


def test_control_follower_misses_changes_where_stamps_do_not_rise_in_commit_order(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same reader, cursor and writers. Only the ledger lock is out, and a stamp is what the clock said."""
    stage.due = False
    monkeypatch.setattr(writer, "lock_ledger", lambda _: None)
    monkeypatch.setattr(writer.LedgerWriter, "_next_stamp", lambda _: clock())
    journal, (seen,) = run(stage, CHANGES_TO_MISS, lambda: follow_closely(stage))
    table = {(one.updated_at, one.pk) for one in final(stage.organization)}
    lost = table - set(seen)
    say(f"Unlocked stamps: {len(lost)} of {len(table)} records missed ({len(journal)} changes)", capsys)
    assert len(lost) > 0


def test_control_window_misses_changes_where_nobody_is_waited_for(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Writers as they are; the reader calls a window complete as soon as the clock says so."""
    stage.due = False
    monkeypatch.setattr(selectors, "share_ledger", lambda _: None)
    journal, (found,) = run(stage, CHANGES_TO_MISS, lambda: windows(stage))
    lost = missed_in_windows(final(stage.organization), journal, found)
    say(f"Unlocked windows: {len(lost)} of {len(journal)} changes missed in {len(found)} windows", capsys)
    assert len(lost) > 0


@pytest.mark.parametrize("waits", [True, False], ids=["real", "control"])
def test_follower_that_begins_now_has_waited_for_what_was_about_to_commit(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, *, waits: bool
) -> None:
    """Without a startTime. In the control, without the shared lock, the change commits behind the reader's clock."""
    if not waits:
        monkeypatch.setattr(selectors, "share_ledger", lambda _: None)
    stamped, api = threading.Event(), Api(stage.secret)

    def slow() -> None:
        try:
            with write():
                records.assign(
                    organization=stage.organization,
                    actor=Actor.system(),
                    course_id=stage.courses[0].pk,
                    person_ids=[stage.people[0][0].pk],
                )
                stamped.set()
                time.sleep(0.4)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as thread:
        writing = thread.submit(slow)
        assert stamped.wait(5)
        first = api.get(STREAM).json()
        committed = TrainSession.objects.exists()
        writing.result()
    found = first["data"] + page(api, after=first["pagination"]["endCursor"])["data"]
    # The change is behind the reader either way; what counts is that it had been committed by then.
    assert (committed, found) == (waits, [])
