"""Taking in past training records from a file: completions, told apart by person, course and day of completion."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.utils import timezone

from accounts.actors import Actor
from accounts.bulk import Done, InputRow, RowOutcome, Tell, noted, tell_nobody
from accounts.days import day_end, day_of, day_start
from accounts.errors import FieldsRefused
from accounts.models import OperationKind, Organization, Outcome
from accounts.selectors import people_by
from accounts.services.importing import FirstLines, import_rows
from accounts.wording import describe
from enrollments.models import Course
from training.models import State, TrainSession
from training.services.writer import Completion, LedgerWriter, Pair, ledger_writer

# The columns of a file: who (the first of these that it has), what and when, and what may be known besides.
PERSON_COLUMNS = ("employee_id", "username", "mail")
RECORD_COLUMNS = ("course", "completed_on")
VALUE_COLUMNS = ("score", "cert_expiry", "time_spent")

_Taken = TypeVar("_Taken")

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")

BLANK = "This field cannot be blank."  # As Django says it of a field.

# Their fields know what they can hold.
_NUMBERS: dict[str, Any] = {
    field.name: field
    for field in TrainSession._meta.concrete_fields  # noqa: SLF001 - Django's documented name
    if field.name in ("score", "time_spent")
}

# What the file's earlier lines are remembered for.
_COMPLETION, _OPEN_RECORD = "completion", "open record"


@dataclass(slots=True)
class _Step:
    """What one row comes to. `amends` is the record that it completes or corrects; a created one is not there yet."""

    row: InputRow
    outcome: Outcome
    reason: str = ""
    completion: Completion | None = None
    amends: int | None = None
    closes: bool = False
    before: dict[str, Any] | None = None
    target_id: int | None = None


@dataclass(frozen=True, slots=True)
class _Completed:
    """What a completed record says that a file may correct."""

    pk: int
    score: Decimal | None
    cert_expiry: date | None
    time_spent: Decimal | None

    def corrected_by(self, completion: Completion) -> dict[str, Any]:
        """The old values of what the completion says otherwise."""
        return {
            name: None if getattr(self, name) is None else str(getattr(self, name))
            for name in ("score", "cert_expiry", "time_spent")
            if getattr(completion, name) not in (None, getattr(self, name))
        }


@dataclass(frozen=True)
class _Ledger:
    """What the ledger has of the people and courses of some rows."""

    completed: Mapping[tuple[int, int, date], _Completed]
    opened: Mapping[Pair, tuple[int, date]]  # The open record's id, and the day on which it was assigned.


def import_records(
    *,
    organization: Organization,
    actor: Actor,
    columns: Collection[str],
    rows: Iterable[InputRow],
    details: dict[str, Any] | None = None,
    dry_run: bool = False,
    tell: Tell = tell_nobody,
) -> Done:
    """Take past completions in from the rows of a file with these columns, the first of PERSON_COLUMNS that it has
    naming the person. Rows that cannot be taken in are refused, each with its reason. Raises Busy.
    """
    column = next(name for name in PERSON_COLUMNS if name in columns)
    return import_rows(
        organization=organization,
        actor=actor,
        importer=RecordImporter(organization=organization, actor=actor, column=column),
        rows=rows,
        details=details,
        dry_run=dry_run,
        tell=tell,
    )


class RecordImporter:
    """An `Importer` of past completions. `column` is the one that names people."""

    kind = OperationKind.IMPORT_RECORDS

    def __init__(self, *, organization: Organization, actor: Actor, column: str) -> None:
        self.organization, self.actor, self.column = organization, actor, column
        self._first = FirstLines()
        self._steps: dict[int, _Step] = {}  # Of the rows last taken, by line.

    def key(self, row: InputRow) -> str:
        return " ".join(filter(None, (row.cells[name] for name in (self.column, "course", "completed_on"))))

    def take(self, rows: Sequence[InputRow], *, dry_run: bool) -> list[RowOutcome]:
        """Raises Busy, unless it is a dry run, which takes no lock."""
        read = self._read(rows)
        if dry_run:
            steps = self._sorted_out(read)
        else:
            with ledger_writer(self.organization, self.actor) as writer:
                steps = self._sorted_out(read)
                self._write(writer, steps)
        self._steps = {step.row.line: step for step in steps}
        return [
            RowOutcome(
                step.row.line,
                self.key(step.row),
                step.outcome,
                noted(step.row, step.reason),
                step.target_id,
                step.before,
            )
            for step in steps
        ]

    def remember(self, rows: Sequence[InputRow], outcomes: Sequence[RowOutcome]) -> None:
        steps = [
            self._steps[row.line] for row, one in zip(rows, outcomes, strict=True) if one.outcome != Outcome.REFUSED
        ]
        self._first.remember(_COMPLETION, {_name(step.completion): step.row.line for step in steps if step.completion})
        # Once committed, the ledger says so itself; after a dry run it does not.
        self._first.remember(_OPEN_RECORD, {str(step.amends): step.row.line for step in steps if step.closes})

    def _read(self, rows: Sequence[InputRow]) -> list[_Step]:
        """What the rows say, before anything is locked."""
        today = day_of(timezone.now(), self.organization.zone)
        people = people_by(self.organization, self.column, {row.cells[self.column] for row in rows})
        codes = {row.cells["course"] for row in rows}
        courses = {course.code: course for course in Course.objects.of(self.organization).filter(code__in=codes)}
        steps = []
        for row in rows:
            cells = _Cells(row.cells)
            person = cells.found(self.column, people, "There is no such person.")
            course = cells.found("course", courses, "There is no such course.")
            day = cells.completed_on(today)
            score, expiry, hours = cells.number("score"), cells.cert_expiry(day), cells.number("time_spent")
            if cells.wrong or person is None or course is None or day is None:
                steps.append(_Step(row, Outcome.REFUSED, describe(FieldsRefused(cells.wrong))))
            else:
                completion = Completion(person.pk, course, day, score, expiry, hours)
                steps.append(_Step(row, Outcome.CREATED, completion=completion))
        return steps

    def _sorted_out(self, read: Sequence[_Step]) -> list[_Step]:
        """What the rows come to, with what the ledger has now, and after the file's earlier lines."""
        completions = [step.completion for step in read if step.completion]
        ledger = self._ledger(completions)
        lines = self._first.of(_COMPLETION, {_name(completion) for completion in completions})
        used = self._first.of(_OPEN_RECORD, {str(pk) for pk, _ in ledger.opened.values()})
        steps = []
        for step in read:
            if step.completion is None:
                steps.append(step)
                continue
            name = _name(step.completion)
            if name in lines:
                steps.append(_Step(step.row, Outcome.REFUSED, f"line {lines[name]} has this completion already."))
                continue
            lines[name] = step.row.line
            settled = _settled(step, step.completion, ledger, used)
            if settled.closes:
                used[str(settled.amends)] = step.row.line
            steps.append(settled)
        return steps

    def _ledger(self, completions: Sequence[Completion]) -> _Ledger:
        if not completions:
            return _Ledger({}, {})
        zone = self.organization.zone
        pairs = {completion.pair for completion in completions}
        rows = TrainSession.objects.of(self.organization).filter(
            person_id__in={person_id for person_id, _ in pairs}, course_id__in={course_id for _, course_id in pairs}
        )
        opened = {
            (person_id, course_id): (pk, day_of(assigned_at, zone))
            for pk, person_id, course_id, assigned_at in rows.open().values_list(
                "pk", "person_id", "course_id", "assigned_at"
            )
            if (person_id, course_id) in pairs
        }
        days = [completion.completed_on for completion in completions]
        on_these_days = rows.filter(
            state=State.COMPLETED,
            completed_at__gte=day_start(min(days), zone),
            completed_at__lt=day_end(max(days), zone),
        )
        # Where a day has several, the newest comes last and stands.
        completed = {
            (person_id, course_id, day_of(completed_at, zone)): _Completed(pk, score, expiry, hours)
            for pk, person_id, course_id, completed_at, score, expiry, hours in on_these_days.order_by(
                "pk"
            ).values_list("pk", "person_id", "course_id", "completed_at", "score", "cert_expiry", "time_spent")
            if completed_at and (person_id, course_id) in pairs
        }
        return _Ledger(completed, opened)

    @staticmethod
    def _write(writer: LedgerWriter, steps: Sequence[_Step]) -> None:
        created = [step for step in steps if step.outcome == Outcome.CREATED]
        made = writer.enter([step.completion for step in created if step.completion])
        for step, pk in zip(created, made, strict=True):
            step.target_id = pk
        amended = {step.amends: step.completion for step in steps if step.amends and step.completion}
        if amended:
            writer.amend(amended)
        for step in steps:
            step.target_id = step.target_id or step.amends


def _name(completion: Completion) -> str:
    return f"{completion.person_id} {completion.course.pk} {completion.completed_on}"


def _settled(step: _Step, completion: Completion, ledger: _Ledger, used: Mapping[str, int]) -> _Step:
    """What a readable row comes to."""
    completed = ledger.completed.get((*completion.pair, completion.completed_on))
    if completed is not None:
        before = completed.corrected_by(completion)
        if not before:
            return replace(step, outcome=Outcome.UNCHANGED)
        reason = f"Corrected: {', '.join(before)}."
        return replace(step, outcome=Outcome.UPDATED, reason=reason, amends=completed.pk, before=before)
    pk, assigned_on = ledger.opened.get(completion.pair, (0, date.max))
    if pk and assigned_on <= completion.completed_on and str(pk) not in used:
        return replace(step, outcome=Outcome.UPDATED, reason="Completed the open record.", amends=pk, closes=True)
    return replace(step)


class _Cells:
    """The cells of one row, and what is wrong with them, by column."""

    def __init__(self, cells: Mapping[str, str]) -> None:
        self._cells = cells
        self.wrong: dict[str, list[str]] = {}

    def found(self, column: str, rows: Mapping[str, _Taken], missing: str) -> _Taken | None:
        text = self._cells[column]
        if text not in rows:
            self.wrong[column] = [missing if text else BLANK]
        return rows.get(text)

    def completed_on(self, today: date) -> date | None:
        day = self._read("completed_on", _day)
        if not self._cells["completed_on"]:
            self.wrong["completed_on"] = [BLANK]
        elif day is not None and day > today:
            self.wrong["completed_on"] = ["Give today, or an earlier day."]
        return day

    def cert_expiry(self, completed_on: date | None) -> date | None:
        day = self._read("cert_expiry", _day)
        if day is not None and completed_on is not None and day < completed_on:
            self.wrong["cert_expiry"] = ["Give the day of completion, or a later one."]
        return day

    def number(self, column: str) -> Decimal | None:
        return self._read(column, lambda text: _number(column, text))

    def _read(self, column: str, read: Callable[[str], _Taken]) -> _Taken | None:
        """None also where the column is absent, or its cell empty: that leaves things as they are."""
        text = self._cells.get(column)
        if not text:
            return None
        try:
            return read(text)
        except ValidationError as error:
            self.wrong[column] = error.messages
            return None


# A file repeats its days and numbers. What raises is not remembered.
@lru_cache(maxsize=10_000)
def _day(text: str) -> date:
    """Raises ValidationError."""
    if _DAY.fullmatch(text):
        with suppress(ValueError):  # 30 February.
            return date.fromisoformat(text)
    raise ValidationError("Give a day as YYYY-MM-DD.")


@lru_cache(maxsize=10_000)
def _number(column: str, text: str) -> Decimal:
    """Raises ValidationError."""
    if not _NUMBER.fullmatch(text):
        raise ValidationError("Give a number such as 82.5.")
    number: Decimal = _NUMBERS[column].clean(text, None)
    return number
