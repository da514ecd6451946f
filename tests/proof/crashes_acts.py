"""What the clients of the crash proof do: acts on the people of one story, each with its request and its plain effect.

A story has a few people who are nobody else's, one course that is assigned and one session that is enrolled in. What
its people's rows must be in the end follows from the acts alone, in order.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from random import Random
from typing import Any

PEOPLE = 6  # Of a story; the acts on single ones are on the first three.
ASSIGNED, TAUGHT = "ASSIGNED", "TAUGHT"  # Course codes.
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

    def named_in(self, answer: str) -> set[Any]:
        """The names of the rows that were made, in an answer's body: uuids of records, ids of enrollments."""
        known = Known()
        if self.kind in {"assign", "enroll"}:
            known.note(self, json.loads(answer))
        return {*known.assignments.values(), *known.enrollments.values()}

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


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

    @property
    def open(self) -> bool:
        return self.state != "completed" and not self.gone

    def row(self) -> tuple[Any, ...]:
        """As the checker reads it from the tables."""
        percent = 100 if self.state == "completed" else 0
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
        )


@dataclass
class Enrollment:
    person: int
    session: int
    status: str = "enrolled"
    score: Decimal | None = None
    passed: bool | None = None
    feedback: str | None = None

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

    def do(self, act: Act) -> None:
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
                self._attempt(self._open(act.person, ASSIGNED), act)
            case "complete":
                enrollment, record = self._seat(act.person), self._open(act.person, TAUGHT)
                enrollment.status, enrollment.passed, enrollment.feedback = "completed", True, act.text
                enrollment.score = record.score = Decimal(act.score)
                record.state = "completed"
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

    def _attempt(self, record: Record, act: Act) -> None:
        record.score = Decimal(act.score)
        record.hours += Decimal(act.hours)
        record.state = "completed" if act.passed else "failed"
        record.attempts += not act.passed
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
