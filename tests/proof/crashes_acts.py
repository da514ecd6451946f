"""What the clients of the crash proof do: acts on the people of one story, each with its request and its plain effect.

A story has a few people who are nobody else's, one course that is assigned and one session that is enrolled in. What
its people's rows must be in the end follows from the acts alone, in order.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal
from random import Random
from typing import Any

PEOPLE = 6  # Of a story; the acts on single ones are on the first three.
ASSIGNED, TAUGHT = "ASSIGNED", "TAUGHT"  # Course codes.
CERTIFICATE_MONTHS = {ASSIGNED: 12, TAUGHT: 25}
DELETED = "Deleted through the Training Assignments API"


@dataclass(frozen=True)
class Story:
    """Ids. `number` tells it from all others."""

    number: int
    session: int
    people: Sequence[int]


@dataclass(frozen=True)
class Act:
    """`kind` is one of KINDS. `people` are ids; what a kind has no use for is empty."""

    kind: str
    people: Sequence[int]
    score: str = ""
    passed: bool = False
    hours: str = ""
    text: str = ""  # The due time, or the feedback.

    @property
    def person(self) -> int:
        return self.people[0]

    @property
    def named(self) -> str:
        """As it is counted: many in one call are another kind than one alone."""
        return "enroll in bulk" if self.kind == "enroll" and len(self.people) > 1 else self.kind

    def told_in(self, answer: str) -> "Iterator[tuple[Name, Told]]":
        """What an answer's body says of rows, by their names, in words of our own."""
        said = json.loads(answer) if answer else {}
        match self.kind:
            case "assign":
                for one in said["data"]:
                    yield ("assignment", one["id"]), _told_of_assignment(one)
            case "enroll":
                for one in said["data"]["enrollments"]:
                    yield ("enrollment", one["id"]), {"person": one["employee_id"], "status": one["status"]}
            case "attempt":
                yield ("record", said["id"]), _told_of_record(said)
            case "complete" | "cancel":
                yield ("enrollment", said["data"]["id"]), _told_of_enrollment(said["data"])
            case "unassign":
                for pk in said["unassigned"]:
                    yield ("record", pk), {"gone": True}

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


Name = tuple[str, Any]  # A kind of row, and its uuid or id.
Told = dict[str, Any]


def _told_of_assignment(one: Any) -> Told:
    return {
        "person": learner(one),
        "course uuid": one["course"]["id"],
        "created at": datetime.fromisoformat(one["createdAtTime"]),
        "created by": one["createdById"],
        "due at": datetime.fromisoformat(one["dueAtTime"]),
        "opened before": one["isExistingAssignment"],
    }


def _told_of_record(one: Any) -> Told:
    return {
        "course": one["course_code"],
        "score below": one["score"],
        "percent": one["percent_complete"],
        "failed attempts": one["failed_attempts"],
        "state": one["status"].lower(),
        "certificate to": one["cert_expiry"],
        "completed on": one["completion_date"],
        "due on": one["complete_by"],
        "hours": Decimal(one["time_spent"]),
    }


def _told_of_enrollment(one: Any) -> Told:
    """Of the two answers the one has some values, the other has others."""
    told = {name: one[name] for name in ("status", "passed", "feedback") if name in one}
    told["person"] = one["employee"]["id"]
    told["score"] = None if one["score"] is None else Decimal(str(one["score"]))
    for name in ("enrolled_at", "completed_at"):
        if name in one:
            told[name.replace("_", " ")] = None if one[name] is None else datetime.fromisoformat(one[name])
    return told


KINDS = ("assign", "enroll", "attempt", "complete", "cancel", "unassign", "delete")


def acts(story: Story, random: Random) -> Iterator[Act]:
    """Each act is possible after those before it, and can be refused only where something was lost or repeated."""
    one, two, three, *rest = story.people

    def number(most: int) -> str:
        return str(Decimal(random.randrange(1, most * 100)) / 100)

    def due() -> str:
        return f"{2040 + random.randrange(50)}-{random.randrange(1, 13):02}-{random.randrange(1, 29):02}T12:00:00Z"

    yield Act("assign", story.people, text=due())
    yield Act("enroll", story.people)
    yield Act("attempt", [one], score=number(60), hours=number(5))
    yield Act("complete", [one], score=number(100), text=f"story {story.number}")
    yield Act("cancel", [two])
    yield Act("unassign", [two])
    yield Act("attempt", [one], score=number(60), hours=number(5))
    yield Act("delete", [three])
    yield Act("attempt", [one], score=number(100), hours=number(5), passed=True)
    yield Act("assign", [two, three], text=due())
    yield Act("enroll", [two])
    yield Act("attempt", [rest[-1]], score=number(60), hours=number(5))


@dataclass(frozen=True)
class Known:
    """What a story has been answered so far: the names by which its rows are called."""

    assignments: dict[int, str] = field(default_factory=dict)  # Person to uuid.
    enrollments: dict[int, int] = field(default_factory=dict)  # Person to id.
    records: dict[int, int] = field(default_factory=dict)  # Person to the id of the assigned course's record.

    def note(self, act: Act, answer: Any) -> None:
        if act.kind == "assign":
            self.assignments.update({learner(one): one["id"] for one in answer["data"]})
        elif act.kind == "enroll":
            self.enrollments.update({one["employee_id"]: one["id"] for one in answer["data"]["enrollments"]})


def learner(assignment: Any) -> int:
    return int(assignment["learner"]["id"].removeprefix("user-"))


def request(act: Act, story: Story, course: str, known: Known) -> tuple[str, str, Any]:
    """Method, path and body. `course` is the uuid of the assigned one. Raises KeyError for a row that has no name yet."""
    training, records, assignments = "/api/v1/training/enrollments", "/api/train_sessions", "/training-assignments"
    body: Any = {}
    match act.kind:
        case "assign":
            learners = ",".join(f"user-{pk}" for pk in act.people)
            method, path = "POST", f"{assignments}?courseId={course}&dueAtTime={act.text}&learnerIds={learners}"
        case "enroll":
            method, path = "POST", training
            body = {"session_id": story.session, "employee_ids": list(act.people)}
        case "attempt":
            method, path = "POST", f"{records}/{known.records[act.person]}/attempts"
            body = {"score": float(act.score), "passed": act.passed, "time_spent": float(act.hours)}
        case "complete":
            method, path = "PATCH", f"{training}/{known.enrollments[act.person]}/complete"
            body = {"score": float(act.score), "feedback": act.text}
        case "cancel":
            method, path = "PATCH", f"{training}/{known.enrollments[act.person]}/cancel"
        case "unassign":
            method, path = "POST", f"{records}/unassign"
            body = {"course_codes": [ASSIGNED], "login_id": act.person}
        case _:
            method, path = "DELETE", f"{assignments}?ids={known.assignments[act.person]}"
    return method, path, body


Span = tuple[float, float]  # Seconds since 1970: when an act was sent first, and when it was answered.
RIGHT = "to the day that the calendar says"


@dataclass
class Record:
    person: int
    course: str
    due: str = ""
    state: str = "assigned"
    score: Decimal | None = None
    attempts: int = 0  # Failed ones.
    hours: Decimal = Decimal(0)
    gone: bool = False
    reason: str = ""
    completed: Span | None = None

    @property
    def open(self) -> bool:
        return self.state != "completed" and not self.gone

    def row(self) -> tuple[Any, ...]:
        """As the checker reads it from the tables."""
        percent = 100 if self.state == "completed" else 0
        certificate = RIGHT if self.state == "completed" else ""
        return (
            "record",
            self.person,
            self.course,
            self.state,
            self.score,
            percent,
            self.attempts,
            self.hours,
            self.due,
            self.gone,
            self.reason,
            self.state != "assigned",
            certificate,
        )


@dataclass
class Enrollment:
    person: int
    session: int
    status: str = "enrolled"
    score: Decimal | None = None
    passed: bool | None = None
    feedback: str | None = None
    completed: Span | None = None

    def row(self) -> tuple[Any, ...]:
        return ("enrollment", self.person, self.session, self.status, self.score, self.passed, self.feedback)


@dataclass
class World:
    """What the rows of a story's people must be, and how many changes of rows have made them so."""

    session: int
    records: list[Record] = field(default_factory=list)
    enrollments: list[Enrollment] = field(default_factory=list)
    changes: Counter[tuple[str, str]] = field(default_factory=Counter)  # By table and act, as the history counts.

    def rows(self) -> "Counter[tuple[Any, ...]]":
        return Counter([*(one.row() for one in self.records), *(one.row() for one in self.enrollments)])

    @property
    def seen(self) -> "tuple[Counter[tuple[Any, ...]], Counter[tuple[str, str]]]":
        return self.rows(), self.changes

    def completions(self) -> dict[tuple[Any, ...], Span]:
        """Within which times completions were entered, by the beginnings of their rows."""
        rows: list[Record | Enrollment] = [*self.records, *self.enrollments]
        return {one.row()[:3]: one.completed for one in rows if one.completed}

    def do(self, act: Act, span: Span) -> None:
        match act.kind:
            case "assign":
                self.records += [Record(person, ASSIGNED, act.text) for person in act.people]
                self.changes["record", "created"] += len(act.people)
            case "enroll":
                self.enrollments += [Enrollment(person, self.session) for person in act.people]
                self.records += [Record(person, TAUGHT) for person in act.people]
                self.changes["enrollment", "created"] += len(act.people)
                self.changes["record", "created"] += len(act.people)
            case "attempt":
                self._attempt(self._open(act.person, ASSIGNED), act, span)
            case "complete":
                enrollment, record = self._seat(act.person), self._open(act.person, TAUGHT)
                enrollment.status, enrollment.passed, enrollment.feedback = "completed", True, act.text
                enrollment.score = record.score = Decimal(act.score)
                record.state = "completed"
                enrollment.completed = record.completed = span
                self.changes["enrollment", "changed"] += 1
                self.changes["record", "changed"] += 1
            case "cancel":
                self._seat(act.person).status = "cancelled"
                self.changes["enrollment", "changed"] += 1
                self._take_back(self._open(act.person, TAUGHT), "Enrollment cancelled")
            case "unassign":
                self._take_back(self._open(act.person, ASSIGNED), "")
            case "delete":
                self._take_back(self._open(act.person, ASSIGNED), DELETED)

    def _attempt(self, record: Record, act: Act, span: Span) -> None:
        record.score = Decimal(act.score)
        record.hours += Decimal(act.hours)
        record.state = "completed" if act.passed else "failed"
        record.attempts += not act.passed
        record.completed = span if act.passed else None
        self.changes["record", "changed"] += 1

    def _take_back(self, record: Record, reason: str) -> None:
        record.gone, record.reason = True, reason
        self.changes["record", "changed"] += 1

    def _open(self, person: int, course: str) -> Record:
        [found] = [one for one in self.records if (one.person, one.course, one.open) == (person, course, True)]
        return found

    def _seat(self, person: int) -> Enrollment:
        [found] = [one for one in self.enrollments if (one.person, one.status) == (person, "enrolled")]
        return found
