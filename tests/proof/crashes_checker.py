"""Journals, tables and what the feed's follower holds, held against one another. The same for every run and control."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.proof.crashes_acts import Story, World
from tests.proof.crashes_journals import Journals, Sent

Ask = Callable[[str], list[tuple[Any, ...]]]  # A statement's rows.
Rows = Counter[tuple[Any, ...]]
Changes = Counter[tuple[str, str]]

RECORDS = """
SELECT t.person_id, c.code, t.state, t.score, t.percent, t.failed_attempts, t.time_spent, t.due_at,
    t.unassigned_at IS NOT NULL, t.unassign_reason, t.uuid::text
FROM training_trainsession t JOIN enrollments_course c ON c.id = t.course_id
"""
ENROLLMENTS = "SELECT person_id, session_id, status, score, passed, feedback, id FROM enrollments_enrollment"
KEYS = "SELECT key, status, body, extract(epoch FROM created_at)::float8 FROM accounts_idempotencyrecord"
# Of every row of the two tables how often it was changed, by whom; nobody's where the row is not there.
HISTORY = """
SELECT CASE h.model WHEN 'training.TrainSession' THEN 'record' ELSE 'enrollment' END, h.act, h.actor,
    coalesce(t.person_id, e.person_id), count(*)
FROM accounts_historyentry h
LEFT JOIN training_trainsession t ON h.model = 'training.TrainSession' AND t.id = h.row_id
LEFT JOIN enrollments_enrollment e ON h.model = 'enrollments.Enrollment' AND e.id = h.row_id
WHERE h.model IN ('training.TrainSession', 'enrollments.Enrollment')
GROUP BY 1, 2, 3, 4
"""
FEED = """
SELECT t.uuid::text, c.uuid::text, t.person_id, t.state, t.due_at, t.unassigned_at, t.started_at, t.completed_at,
    t.score, t.time_spent, t.created_at, t.updated_at, t.created_by, t.updated_by
FROM training_trainsession t JOIN enrollments_course c ON c.id = t.course_id
"""
WORDS = {"assigned": "notStarted", "in_progress": "inProgress", "failed": "inProgress", "completed": "completed"}


@dataclass
class Findings:
    """What is wrong, by claim; and what was counted."""

    lost: list[str] = field(default_factory=list)
    unsent: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    happened: int = 0  # Acts without an answer that are there.
    twice: int = 0  # Acknowledged acts that had happened before they were sent again.
    rows: int = 0
    keys: int = 0


@dataclass(frozen=True)
class Tables:
    """What is there, by person."""

    rows: Mapping[int, Rows]
    changes: Mapping[int | None, Changes]  # None: of rows that are not there.
    named: Mapping[int, set[Any]]  # Uuids of records, ids of enrollments.
    keys: Mapping[str, tuple[int, str]]  # Status and body.
    kept_at: Mapping[str, float]  # By key, in seconds since 1970.
    actors: set[str]


def read(ask: Ask) -> Tables:
    rows: dict[int, Rows] = defaultdict(Counter)
    named: dict[int, set[Any]] = defaultdict(set)
    for person, course, state, score, percent, attempts, hours, due, gone, reason, uuid in ask(RECORDS):
        due_at = "" if due is None else due.strftime("%Y-%m-%dT%H:%M:%SZ")
        row = ("record", person, course, state, score, percent, attempts, hours, due_at, gone, reason)
        rows[person][row] += 1
        named[person].add(uuid)
    for person, session, status, score, passed, feedback, pk in ask(ENROLLMENTS):
        rows[person]["enrollment", person, session, status, score, passed, feedback] += 1
        named[person].add(pk)
    changes: dict[int | None, Changes] = defaultdict(Counter)
    actors = set()
    for table, act, actor, person, count in ask(HISTORY):
        changes[person][table, act] += count
        actors.add(actor)
    kept = ask(KEYS)
    keys = {key: (status, bytes(body).decode()) for key, status, body, _ in kept}
    return Tables(rows, changes, named, keys, {key: at for key, _, _, at in kept}, actors)


def check(journals: Journals, ask: Ask, held: Mapping[str, Any], stories: Sequence[Story], actor: str) -> Findings:
    """`held`: what the follower of the feed holds, by assignment id. `actor`: whoever all was written by."""
    tables, found = read(ask), Findings()
    found.rows = sum(rows.total() for rows in tables.rows.values())
    found.keys = len(tables.keys)
    # Nothing in a story is a reason to refuse one of its acts, unless an act was lost or repeated.
    found.refused += [f"{key} was refused: {what}" for key, what in journals.refused.items()]
    if strangers := tables.actors - {actor}:
        found.unsent.append(f"written by {sorted(strangers)}")
    if changes := tables.changes.get(None):
        found.lost.append(f"rows are gone that the history knows: {dict(changes)}")
    sent = journals.by_story()
    for story in stories:
        _check_story(story, sent.get(story.number, []), tables, found)
    theirs = {person for story in stories for person in story.people}
    found.unsent += [f"rows of person {person}" for person in sorted(tables.rows.keys() - theirs)]
    _check_keys(journals, tables, found)
    found.unseen += _unseen(ask, held)
    return found


def _check_story(story: Story, sent: Sequence[Sent], tables: Tables, found: Findings) -> None:
    actual, changes = Rows(), Changes()
    for person in story.people:
        actual += tables.rows.get(person, Rows())
        changes += tables.changes.get(person, Changes())
    world = World(story.session)
    for one in sent:
        # One without an answer, always the last of its story, has happened if its key is there: wholly, then.
        happened = not one.acknowledged and one.key in tables.keys
        found.happened += happened
        if one.acknowledged or happened:
            world.do(one.act)
    expected = world.rows()
    if missing := expected - actual:
        found.lost.append(f"story {story.number}: missing {sorted(map(str, missing))}")
    if extra := actual - expected:
        found.unsent.append(f"story {story.number}: nobody sent {sorted(map(str, extra))}")
    if changes != world.changes:
        found.repeated.append(f"story {story.number}: changed {dict(changes)} instead of {dict(world.changes)}")
    names = {name for person in story.people for name in tables.named.get(person, set())}
    if unknown := _told(sent) - names:
        found.lost.append(f"story {story.number}: acknowledged and gone {sorted(map(str, unknown))}")


def _told(sent: Sequence[Sent]) -> set[Any]:
    """The names of rows in the answers."""
    return {name for one in sent if one.acknowledged for name in one.act.named_in(one.body)}


def _check_keys(journals: Journals, tables: Tables, found: Findings) -> None:
    for one in journals.acknowledged:
        answer = (one.status, one.body)
        if one.key not in tables.keys:
            found.lost.append(f"{one.key}: acknowledged, and its key is not there")
        elif tables.keys[one.key] != answer:
            found.repeated.append(f"{one.key}: {tables.keys[one.key]} is remembered, {answer} was answered")
        else:
            found.twice += tables.kept_at[one.key] < one.failed_at
        found.repeated += [f"{one.key}: {later} was answered after {answer}" for later in one.again if later != answer]
    found.unsent += [f"the key {key}" for key in sorted(tables.keys.keys() - journals.sent.keys())]


def _unseen(ask: Ask, held: Mapping[str, Any]) -> Iterator[str]:
    """Where the feed's follower and the tables differ."""
    rows = {row[0]: _row_of_feed(row) for row in ask(FEED)}
    for uuid in sorted(rows.keys() | held.keys()):
        if uuid not in held:
            yield f"record {uuid} was never shown"
        elif uuid not in rows:
            yield f"record {uuid} was shown, and is not there"
        elif (shown := _shown(held[uuid])) != rows[uuid]:
            yield f"record {uuid} is {rows[uuid]} and was last shown as {shown}"


def _row_of_feed(row: tuple[Any, ...]) -> dict[str, Any]:
    """What the feed must have shown of a row of FEED."""
    _, course, person, state, due, gone, started, completed, score, hours, created, updated, maker, changer = row
    times = {
        "createdAtTime": created,
        "updatedAtTime": updated,
        "startedAtTime": started,
        "completedAtTime": completed,
        "dueAtTime": due,
        "deletedAtTime": gone,
    }
    return {
        "course": course,
        "learner": f"user-{person}",
        "status": WORDS[state],
        "score": float(score) if state == "completed" else None,
        "minutes": int(hours * 60),
        "created by": maker,
        "updated by": changer,
        **{name: None if at is None else at.astimezone(UTC) for name, at in times.items()},
    }


def _shown(one: Mapping[str, Any]) -> dict[str, Any]:
    times = ("createdAtTime", "updatedAtTime", "startedAtTime", "completedAtTime", "dueAtTime", "deletedAtTime")
    return {
        "course": one["course"]["id"],
        "learner": one["learner"]["id"],
        "status": one["status"],
        "score": one.get("scorePercent"),
        "minutes": one["durationMinutes"],
        "created by": one["createdById"],
        "updated by": one["updatedById"],
        **{name: datetime.fromisoformat(one[name]) if name in one else None for name in times},
    }
