"""The rows that an act may touch, whole, before and after it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db.models import Model

from accounts.models import Person
from enrollments.models import Course, Enrollment, Session
from programs.models import MemberRecord, ProgramMember, ProgramSession
from training.models import TrainSession, Unit

NOW = datetime(2027, 3, 1, 10, tzinfo=UTC)

WATCHED: tuple[type[Model], ...] = (
    Session,
    Enrollment,
    TrainSession,
    Unit,
    ProgramSession,
    ProgramMember,
    MemberRecord,
)
Row = dict[str, Any]
Key = tuple[str, int]


def key(row: Model) -> Key:
    return (type(row).__name__, row.pk)


def rows() -> dict[Key, Row]:
    return {
        (model.__name__, row["id"]): row
        for model in WATCHED
        for row in model._default_manager.order_by("pk").values()  # noqa: SLF001 - Django's documented name
    }


@dataclass
class Effects:
    """`made`: whole new rows by model, in order, but for their ids and stamps. `changed`: old and new values by row."""

    made: dict[str, list[Row]] = field(default_factory=dict)
    changed: dict[Key, dict[str, tuple[Any, Any]]] = field(default_factory=dict)


NOTHING = Effects()


@contextmanager
def effects() -> Iterator[Effects]:
    """What the block makes and changes. Nothing may be deleted, and all records that it writes bear one new stamp."""
    before = rows()
    found = Effects()
    yield found
    after = rows()
    assert not before.keys() - after.keys()
    stamps = {row["updated_at"] for at, row in after.items() if at[0] == "TrainSession" and row != before.get(at)}
    earlier = [row["updated_at"] for at, row in before.items() if at[0] == "TrainSession"]
    assert len(stamps) <= 1
    assert not stamps or not earlier or min(stamps) > max(earlier)
    for at, row in after.items():
        old = before.get(at)
        if old is None:
            shown = {name: value for name, value in row.items() if name not in ("id", "uuid", "updated_at")}
            found.made.setdefault(at[0], []).append(shown)
        elif old != row:
            stamped = at[0] == "TrainSession"
            assert not stamped or row["updated_at"] != old["updated_at"]
            found.changed[at] = {
                name: (old[name], row[name])
                for name in row
                if row[name] != old[name] and not (stamped and name == "updated_at")
            }


def fresh_record(person: Person, course: Course, **fields: Any) -> Row:
    """A record just opened at NOW, but for the fields given."""
    return {
        "organization_id": course.organization_id,
        "course_id": course.pk,
        "person_id": person.pk,
        "unit_id": None,
        "state": "assigned",
        "score": None,
        "percent": 0,
        "failed_attempts": 0,
        "time_spent": 0,
        "assigned_at": NOW,
        "started_at": None,
        "last_attempt_at": None,
        "completed_at": None,
        "due_at": None,
        "overdue": False,
        "cert_expiry": None,
        "origin": "hand",
        "enrollment_id": None,
        "unassigned_at": None,
        "unassign_reason": "",
        "created_at": NOW,
        "created_by": "user-0",
        "updated_by": "user-0",
        **fields,
    }


def fresh_enrollment(person: Person, session: Session, **fields: Any) -> Row:
    """An enrollment just made at NOW, but for the fields given."""
    return {
        "organization_id": session.organization_id,
        "session_id": session.pk,
        "person_id": person.pk,
        "status": "enrolled",
        "score": None,
        "passed": None,
        "feedback": None,
        "certificate_url": None,
        "enrolled_at": NOW,
        "completed_at": None,
        "cancelled_at": None,
        "created_by": "user-0",
        "updated_by": "user-0",
        **fields,
    }
