"""Journals, tables and what the feed's follower holds, held against one another. The same for every run and control."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from tests.proof.crashes_acts import CERTIFICATE_MONTHS, RIGHT, Act, Name, Story, Told, World
from tests.proof.crashes_journals import Journals, Sent
from tests.proof.crashes_operator import Batch, Runs
from tests.proof.time_oracle import certificate_ends

Ask = Callable[[str], list[tuple[Any, ...]]]  # A statement's rows.
Rows = Counter[tuple[Any, ...]]
Changes = Counter[tuple[str, str]]
Wrong = defaultdict[str, list[str]]  # What is wrong, by where: a story, a batch, a record of the feed.

RECORDS = """
SELECT t.person_id, c.code, t.state, t.score, t.percent, t.failed_attempts, t.time_spent, t.due_at,
    t.unassigned_at IS NOT NULL, t.unassign_reason, t.started_at IS NOT NULL, t.completed_at, t.cert_expiry,
    t.uuid::text, t.id, c.uuid::text, t.created_at, t.created_by
FROM training_trainsession t JOIN enrollments_course c ON c.id = t.course_id
"""
ENROLLMENTS = """
SELECT person_id, session_id, status, score, passed, feedback, id, enrolled_at, completed_at FROM enrollments_enrollment
"""
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
OPERATIONS = """
SELECT id, details ->> 'session', counts, finished_at IS NOT NULL FROM accounts_bulkoperation WHERE kind = 'bulk_enroll'
"""
FEED = """
SELECT t.uuid::text, c.uuid::text, t.person_id, t.state, t.due_at, t.unassigned_at, t.started_at, t.completed_at,
    t.score, t.time_spent, t.created_at, t.updated_at, t.created_by, t.updated_by
FROM training_trainsession t JOIN enrollments_course c ON c.id = t.course_id
"""
WORDS = {"assigned": "notStarted", "in_progress": "inProgress", "failed": "inProgress", "completed": "completed"}
SYSTEM = "user-0"  # Who the commands say that they are.
NEVER = (0.0, 0.0)
ENROLLMENT = ("person", "status", "score", "passed", "feedback", "enrolled at", "completed at")  # Told of one.


def nothing() -> Wrong:
    return defaultdict(list)


@dataclass
class Findings:
    """What is wrong, by claim; and what was counted. A story stands under one claim once, however much of it is wrong."""

    lost: Wrong = field(default_factory=nothing)
    unsent: Wrong = field(default_factory=nothing)
    repeated: Wrong = field(default_factory=nothing)
    """What was sent again and has its effect twice."""
    answered: Wrong = field(default_factory=nothing)
    """What was answered otherwise when it was sent again."""
    refused: Wrong = field(default_factory=nothing)
    unseen: Wrong = field(default_factory=nothing)
    commands: Wrong = field(default_factory=nothing)
    happened: int = 0  # Acts without an answer that are there.
    twice: int = 0  # Acknowledged acts that had happened before they were sent again.
    rows: int = 0
    keys: int = 0
    values: int = 0  # In answers, held against the tables.


@dataclass(frozen=True)
class Tables:
    """What is there, by person."""

    rows: Mapping[int, Rows]
    changes: Mapping[int | None, Changes]  # None: of rows that are not there.
    actors: Mapping[int | None, set[str]]
    told: Mapping[Name, Told]  # By row, in the words of `Act.told_in`.
    completed: Mapping[tuple[Any, ...], float]  # By the row's beginning, in seconds since 1970.
    keys: Mapping[str, tuple[int, str]]  # Status and body.
    kept_at: Mapping[str, float]  # By key, in seconds since 1970.


def read(ask: Ask) -> Tables:
    rows: dict[int, Rows] = defaultdict(Counter)
    told: dict[Name, Told] = {}
    completed: dict[tuple[Any, ...], float] = {}
    for found in ask(RECORDS):
        person, course, *_, at, _expiry, uuid, pk, _course_uuid, _created, _maker = found
        rows[person][_row_of_record(found)] += 1
        told["assignment", uuid], told["record", pk] = _told_of_record(found)
        if at is not None:
            completed["record", person, course] = at.timestamp()
    for person, session, status, score, passed, feedback, pk, enrolled, at in ask(ENROLLMENTS):
        rows[person]["enrollment", person, session, status, score, passed, feedback] += 1
        told["enrollment", pk] = dict(
            zip(ENROLLMENT, (person, status, score, passed, feedback, enrolled, at), strict=True)
        )
        if at is not None:
            completed["enrollment", person, session] = at.timestamp()
    changes: dict[int | None, Changes] = defaultdict(Counter)
    actors: dict[int | None, set[str]] = defaultdict(set)
    for table, act, actor, person, count in ask(HISTORY):
        changes[person][table, act] += count
        actors[person].add(actor)
    kept = ask(KEYS)
    keys = {key: (status, bytes(body).decode()) for key, status, body, _ in kept}
    return Tables(rows, changes, actors, told, completed, keys, {key: at for key, _, _, at in kept})


def _row_of_record(found: tuple[Any, ...]) -> tuple[Any, ...]:
    person, course, state, score, percent, attempts, hours, due, gone, reason, started, completed, expiry, *_ = found
    due_at = "" if due is None else due.strftime("%Y-%m-%dT%H:%M:%SZ")
    values = (state, score, percent, attempts, hours, due_at, gone, reason, started)
    return ("record", person, course, *values, certificate(course, completed, expiry))


def certificate(course: str, completed: datetime | None, expiry: date | None) -> str:
    """What a record must say of its certificate, or what it says instead."""
    if completed is None:
        return "" if expiry is None else f"to {expiry} without a completion"
    right = certificate_ends(completed.astimezone(UTC).date())[CERTIFICATE_MONTHS[course]]
    return RIGHT if expiry == right else f"to {expiry} of {completed}, not {right}"


def _told_of_record(found: tuple[Any, ...]) -> tuple[Told, Told]:
    """As an assignment and as a train session. Both in the organization's zone, which is UTC."""
    person, course, state, score, percent, attempts, hours, due, gone, _, _, completed, expiry, *named = found
    _uuid, _pk, course_uuid, created, maker = named
    assignment = {
        "person": person,
        "course uuid": course_uuid,
        "created at": created,
        "created by": maker,
        "due at": due,
        "opened before": False,  # Nobody else's acts could have done so.
    }
    record = {
        "person": person,
        "course": course,
        "state": state,
        "score below": int(score or 0),
        "percent": percent,
        "failed attempts": attempts,
        "hours": hours,
        "gone": gone,
        "certificate to": None if expiry is None else expiry.isoformat(),
        "completed on": _day(completed),
        "due on": _day(due),
    }
    return assignment, record


def _day(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).date().isoformat()


def check(
    journals: Journals,
    ask: Ask,
    held: Mapping[str, Any],
    stories: Sequence[Story],
    actor: str,
    *,
    batches: Sequence[Batch],
    runs: Runs,
) -> Findings:
    """`held`: what the follower of the feed holds, by assignment id. `actor`: who the clients are. `runs`: of commands."""
    tables, found = read(ask), Findings()
    found.rows = sum(rows.total() for rows in tables.rows.values())
    found.keys = len(tables.keys)
    # Nothing in a story is a reason to refuse one of its acts, unless an act was lost or repeated.
    for key, what in journals.refused.items():
        found.refused[key].append(f"was refused: {what}")
    if changes := tables.changes.get(None):
        found.lost["the history"].append(f"knows rows that are gone: {dict(changes)}")
    sent = journals.by_story()
    for story in stories:
        _check_story(story, sent.get(story.number, []), tables, found)
    operations = ask(OPERATIONS)
    for number, batch in enumerate(batches):
        theirs = [one for one in operations if one[1] == str(batch.session)]
        if wrong := list(_check_batch(batch, runs.said.get(number, []), tables, theirs)):
            found.commands[f"batch {number}"] = wrong
    _check_actors(tables, {actor: stories, SYSTEM: batches}, found)
    _check_keys(journals, tables, found)
    for uuid, what in _unseen(ask, held):
        found.unseen[f"record {uuid}"].append(what)
    return found


def _check_story(story: Story, sent: Sequence[Sent], tables: Tables, found: Findings) -> None:
    # One without an answer, always the last of its story, has happened if its key is there: wholly, then.
    happened = [one for one in sent if one.acknowledged or one.key in tables.keys]
    found.happened += sum(not one.acknowledged for one in happened)
    _check_rows(story, happened, tables, found)
    _check_answers(story, happened, tables, found)


def _check_rows(story: Story, happened: Sequence[Sent], tables: Tables, found: Findings) -> None:
    where, rows, changes = f"story {story.number}", Rows(), Changes()
    for person in story.people:
        rows += tables.rows.get(person, Rows())
        changes += tables.changes.get(person, Changes())
    world = _played(story, happened)
    if again := _repeated(story, happened, rows, changes):
        found.repeated[where].append(f"{again.key}, sent again, has its effect twice")
        return
    if missing := world.rows() - rows:
        found.lost[where].append(f"missing {sorted(map(str, missing))}")
    if extra := rows - world.rows():
        found.unsent[where].append(f"nobody sent {sorted(map(str, extra))}")
    if too_few := world.changes - changes:
        found.lost[where].append(f"the history has not {dict(too_few)}")
    if too_many := changes - world.changes:
        found.unsent[where].append(f"nobody made {dict(too_many)}")


def _check_answers(story: Story, happened: Sequence[Sent], tables: Tables, found: Findings) -> None:
    """What follows from no act alone: when it was done, and what the answers said of it."""
    wrong = []
    for row, (sent_at, answered_at) in _played(story, happened).completions().items():
        if row in tables.completed and not sent_at <= tables.completed[row] <= answered_at:
            wrong.append(f"{row} completed at {tables.completed[row]}, not in {sent_at} to {answered_at}")
    for name, values in _told(happened).items():
        found.values += len(values)
        there = tables.told.get(name, {})
        if differing := {key: value for key, value in values.items() if key not in there or there[key] != value}:
            wrong.append(f"acknowledged of {name} {differing}, and it has {there}")
    if wrong:
        found.lost[f"story {story.number}"] += wrong


def _played(story: Story, happened: Sequence[Sent], twice: Sent | None = None) -> World:
    """`twice`: one of them, whose effect is repeated. Raises ValueError where its act cannot be done twice."""
    world = World(story.session)
    for one in happened:
        for _ in range(1 + (one is twice)):
            world.do(one.act, one.span)
    return world


def _repeated(story: Story, happened: Sequence[Sent], actual: Rows, changes: Changes) -> Sent | None:
    """What was sent again, if it explains all that is there that its effect is there twice."""
    for one in happened:
        with suppress(ValueError):
            if one.sent_again and _played(story, happened, one).seen == (actual, changes):
                return one
    return None


def _told(happened: Sequence[Sent]) -> dict[Name, Told]:
    """The last that the answers say of each row. Nothing of what an act without an answer may have changed since."""
    told: dict[Name, Told] = defaultdict(dict)
    for one in happened:
        if one.acknowledged:
            for name, values in one.act.told_in(one.body):
                told[name] |= values
        elif one.act.kind not in {"assign", "enroll"}:
            return {name: values for name, values in told.items() if name[0] == "assignment"}
    return told


def _check_batch(
    batch: Batch, runs: Sequence[Mapping[str, Any]], tables: Tables, operations: Sequence[tuple[Any, ...]]
) -> Iterator[str]:
    """Enrolled, each once, by one run; and that is the one that said so, if one did."""
    for person in batch.people:
        new = World(batch.session)
        new.do(Act("enroll", [person]), NEVER)
        if (tables.rows.get(person), tables.changes.get(person)) != new.seen:
            yield f"person {person} has {tables.rows.get(person)} by {tables.changes.get(person)}"
    done = [pk for pk, _, counts, finished in operations if counts == batch.enrolled and finished]
    said = [run["operation"] for run in runs if run.get("counts") == batch.enrolled]
    if len(done) != 1 or said not in ([], done):
        yield f"enrolled by the operations {done}; {said} said so"
    if unfinished := [pk for pk, _, _, finished in operations if not finished]:
        yield f"the operations {unfinished} are half done"


def _check_actors(tables: Tables, acting: Mapping[str, Sequence[Story | Batch]], found: Findings) -> None:
    """Rows are those of people whom somebody acted on, and written by whoever did."""
    of = {person: actor for actor, groups in acting.items() for group in groups for person in group.people}
    for person in tables.rows.keys() - of:
        found.unsent[f"person {person}"].append("has rows")
    for known, actors in tables.actors.items():
        if known is not None and (strangers := actors - {of.get(known)}):
            found.unsent[f"person {known}"].append(f"written by {sorted(strangers)}")


def _check_keys(journals: Journals, tables: Tables, found: Findings) -> None:
    for one in journals.acknowledged:
        where, answer = f"story {one.story}", (one.status, one.body)
        if one.key not in tables.keys:
            found.lost[where].append(f"{one.key}: acknowledged, and its key is not there")
        elif tables.keys[one.key] != answer:
            found.answered[where].append(f"{one.key}: {tables.keys[one.key]} is remembered, {answer} was answered")
        else:
            found.twice += tables.kept_at[one.key] < one.failed_at
        for later in one.again:
            if later != answer:
                found.answered[where].append(f"{one.key}: {later} was answered after {answer}")
    for key in sorted(tables.keys.keys() - journals.sent.keys()):
        found.unsent[f"the key {key}"].append("was sent by nobody")


def _unseen(ask: Ask, held: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Where the feed's follower and the tables differ."""
    rows = {row[0]: _row_of_feed(row) for row in ask(FEED)}
    for uuid in sorted(rows.keys() | held.keys()):
        if uuid not in held:
            yield uuid, "was never shown"
        elif uuid not in rows:
            yield uuid, "was shown, and is not there"
        elif (shown := _shown(held[uuid])) != rows[uuid]:
            yield uuid, f"is {rows[uuid]} and was last shown as {shown}"


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
