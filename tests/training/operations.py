"""What unassigning and undoing begin with, and what they wrote, whole."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from accounts.models import BulkOperation, BulkRow, Organization, Person
from enrollments.models import Course
from tests.acts import assign, owed
from tests.commands import Outcome
from tests.factories import CourseFactory, PersonFactory, UnitFactory
from training.models import TrainSession, Unit

MINUTE = timedelta(minutes=1)
Run = Callable[..., Outcome]
Take = Callable[..., int]
Row = dict[str, Any]


def records() -> dict[int, Row]:
    """Every train session with all its columns, by id."""
    return {row["id"]: {**row} for row in TrainSession.objects.order_by("pk").values()}


def operations() -> list[Row]:
    """But for ids, and with "somebody" for who ran a command on which machine."""
    found = []
    for values in BulkOperation.objects.order_by("pk").values():
        row: Row = {**values}
        del row["id"]
        if row["details"].get("run_by"):
            row["details"]["run_by"] = "somebody"
        found.append(row)
    return found


def lines(operation_id: int) -> list[tuple[Any, ...]]:
    """The rows of an operation: line, key, outcome, reason, target, before."""
    rows = BulkRow.objects.filter(operation_id=operation_id).order_by("pk")
    return list(rows.values_list("line", "key", "outcome", "reason", "target_id", "before"))


def last_operation() -> int:
    return BulkOperation.objects.latest("pk").pk


def taken() -> set[int]:
    """The ids of what is unassigned."""
    return {pk for pk, row in records().items() if row["unassigned_at"] is not None}


def owing(organization: Organization, count: int, **course: Any) -> list[int]:
    """So many people's open records of a course of their own."""
    people = [PersonFactory.create(organization=organization) for _ in range(count)]
    made = assign(CourseFactory.create(organization=organization, **course), *people)
    return [one.record.pk for one in made]


def assigned(organization: Organization, **course: Any) -> TrainSession:
    made = CourseFactory.create(organization=organization, **course)
    return owed(made, someone(made))


def someone(course: Course) -> Person:
    return PersonFactory.create(organization=course.organization)


def of_units(organization: Organization, code: str = "PAID") -> Course:
    return CourseFactory.create(organization=organization, code=code, uses_units=True)


def unit_of(course: Course, **fields: Any) -> Unit:
    return UnitFactory.create(organization=course.organization, course=course, **fields)


def restored_all(count: int = 1) -> Outcome:
    return Outcome(0, f"{count} restored, 0 refused. Operation {last_operation()}.\n", "")


def restored_none(record: TrainSession, reason: str) -> Outcome:
    report = f"line 1, {record.pk}: {reason}\n0 restored, 1 refused. Operation {last_operation()}.\n"
    return Outcome(1, report, "Nothing was restored.")


def without_stamps(rows: dict[int, Row]) -> dict[int, Row]:
    return {
        pk: {name: value for name, value in row.items() if name not in ("updated_at", "updated_by")}
        for pk, row in rows.items()
    }
