"""Past records as a file has them, and as an import writes them."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from accounts.models import BulkOperation, Person
from enrollments.models import Course
from tests.commands import Outcome
from tests.snapshots import fresh_record

DAY = date(2026, 5, 4)
START = datetime(2026, 5, 4, tzinfo=UTC)
HEADER = "employee_id,course,completed_on,score,cert_expiry,time_spent\n"
LINE = "EMP-1,SAF-1,2026-05-04,,,\n"
KEY = "EMP-1 SAF-1 2026-05-04"

Import = Callable[..., Outcome]


def operation() -> int:
    return BulkOperation.objects.latest("pk").pk


def imported(person: Person, course: Course, at: datetime = START, **fields: Any) -> dict[str, Any]:
    """A record that an import made of a completion."""
    completed = {
        "state": "completed",
        "percent": 100,
        "assigned_at": at,
        "started_at": at,
        "completed_at": at,
        "origin": "import",
    }
    return fresh_record(person, course, **{**completed, **fields})
