"""Undoing an unassign: each record is restored as it was, or it is told why it cannot be."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from itertools import chain
from typing import Any

from django.db.models import BigIntegerField, Case, Q, QuerySet, Value, When
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast

from accounts.actors import Actor
from accounts.bulk import Done, RowOutcome, Tell, tell_nobody
from accounts.days import day_of
from accounts.models import BulkOperation, BulkRow, OperationKind, Outcome
from accounts.services.operations import recording
from training.errors import OperationNotUndoable
from training.models import State, TrainSession, Unit
from training.services.writer import LedgerWriter, Pair, ledger_writer

BATCH = 2000  # Rows in one statement, as of unassigning.


def undo(
    *,
    operation: BulkOperation,
    actor: Actor,
    details: dict[str, Any] | None = None,
    dry_run: bool = False,
    tell: Tell = tell_nobody,
) -> Done:
    """Restore what an unassign took away, in one transaction, but for what cannot be any more.

    Rows bear the lines of the unassign. Courses may have been archived since. Where the unassign took nothing away,
    nothing is recorded. A dry run does the same and takes it back; an exception from `tell` undoes all.
    Raises OperationNotUndoable.
    """
    if operation.kind != OperationKind.UNASSIGN:
        raise OperationNotUndoable(operation_id=operation.pk, kind=operation.kind)
    organization = operation.organization
    with ledger_writer(organization, actor) as writer:
        batches = _batches(operation)
        first = next(batches, None)
        if first is None:
            return Done(operation_id=None, stopped=f"Operation {operation.pk} took nothing away.")
        with recording(
            organization=organization,
            actor=actor,
            kind=OperationKind.UNDO,
            details=details,
            undoes=operation,
            dry_run=dry_run,
            tell=tell,
        ) as recorded:
            for rows in chain([first], batches):
                batch = _Batch(writer, operation, rows)
                writer.restore(batch.restored)
                recorded.add(batch.outcomes)
    return recorded.done


def _batches(operation: BulkOperation) -> Iterator[Sequence[BulkRow]]:
    """The rows that took something away, in the order of their lines."""
    taken = _rows_of(operation).filter(outcome=Outcome.UNASSIGNED).order_by("line", "pk")
    rows = list(taken[:BATCH])
    while rows:
        yield rows
        last = rows[-1]
        # A redundant `line >=` beside the OR form, which alone no index serves.
        rows = list(taken.filter(Q(line__gt=last.line) | Q(pk__gt=last.pk), line__gte=last.line)[:BATCH])


def _rows_of(operation: BulkOperation) -> QuerySet[BulkRow]:
    return BulkRow.objects.of(operation.organization).filter(operation=operation)


class _Batch:
    """What becomes of some rows of an unassign. What it is judged by is read for all of them at once.

    `restored` are the records to restore, by id, each with the id of the unit that it holds again.
    """

    def __init__(self, writer: LedgerWriter, operation: BulkOperation, rows: Sequence[BulkRow]) -> None:
        self.writer, self.operation, self.rows = writer, operation, rows
        targets = [row.target_id for row in rows if row.target_id is not None]
        self.records = writer.records.filter(pk__in=targets).select_related("course", "person").in_bulk()
        pairs = {(record.person_id, record.course_id) for record in self.records.values()}
        self.open = {pair: record.pk for pair, record in writer.open_records(pairs).items()}
        self.completed = self._completed_since(pairs)
        self.outcomes = self._decided()

    def _completed_since(self, pairs: set[Pair]) -> dict[Pair, list[tuple[int, datetime]]]:
        """Records written after the unassign that are completed: ids and times, the oldest first."""
        rows = self.writer.records.filter(
            state=State.COMPLETED,
            created_at__gte=self.operation.created_at,
            person_id__in={person_id for person_id, _ in pairs},
            course_id__in={course_id for _, course_id in pairs},
        ).order_by("pk")
        found: dict[Pair, list[tuple[int, datetime]]] = defaultdict(list)
        for pk, person_id, course_id, at in rows.values_list("pk", "person_id", "course_id", "completed_at"):
            if at is not None:
                found[person_id, course_id].append((pk, at))
        return found

    def _decided(self) -> list[RowOutcome]:
        settled: dict[int, tuple[Outcome, str]] = {}
        for row in self.rows:
            record = self._record(row)
            pair = (record.person_id, record.course_id)
            if why_not := self._unchanged(record) or self._refused(record):
                settled[row.pk] = why_not
            else:
                self.open[pair] = record.pk
        acceptable = [row for row in self.rows if row.pk not in settled]
        self.restored = self._units(acceptable)
        for row in acceptable:
            settled[row.pk] = self._with_unit(row)
        return [
            RowOutcome(row.line, row.key, outcome, reason, row.target_id if outcome == Outcome.RESTORED else None)
            for row in self.rows
            for outcome, reason in [settled[row.pk]]
        ]

    def _record(self, row: BulkRow) -> TrainSession:
        assert row.target_id is not None  # noqa: S101 - an unassigned row has one
        return self.records[row.target_id]

    def _unchanged(self, record: TrainSession) -> tuple[Outcome, str] | None:
        if record.unassigned_at is not None:
            return None
        if record.state == State.COMPLETED:
            return Outcome.UNCHANGED, "Was restored already, and has been completed."
        return Outcome.UNCHANGED, "Is open again already."

    def _refused(self, record: TrainSession) -> tuple[Outcome, str] | None:
        if record.unassigned_at != self.operation.created_at:
            return Outcome.REFUSED, "Was taken back again later, by another act."
        if other := self.open.get((record.person_id, record.course_id)):
            return Outcome.REFUSED, f"Was assigned anew as train session {other}."
        if other := self._completion_of(record):
            return Outcome.REFUSED, f"Has been completed since, as train session {other}."
        if not record.person.active:
            return Outcome.REFUSED, "The employee is inactive."
        return None

    def _completion_of(self, record: TrainSession) -> int | None:
        """The record by which the person did what this one asked for.

        A completion of an earlier day than its assignment, as an import of history enters them, is none.
        """
        begun = self._day(record.assigned_at)
        completions = self.completed.get((record.person_id, record.course_id), [])
        return next((pk for pk, at in completions if pk > record.pk and self._day(at) >= begun), None)

    def _day(self, instant: datetime) -> date:
        return day_of(instant, self.writer.organization.zone)

    def _with_unit(self, row: BulkRow) -> tuple[Outcome, str]:
        """The outcome of a row that nothing but a lack of units keeps from being restored."""
        record, lost = self._record(row), _unit_of(row)
        held = self.restored[record.pk]
        if held == lost:
            return Outcome.RESTORED, ""
        if held is not None:
            return Outcome.RESTORED, f"Unit {lost} is not free any more; it holds unit {held} now."
        if not record.course.uses_units:
            return Outcome.RESTORED, f"Unit {lost} is not free any more; the course uses none now."
        del self.restored[record.pk]
        return Outcome.REFUSED, f"There is no free unit of {record.course.code}."

    def _units(self, rows: Sequence[BulkRow]) -> dict[int, int | None]:
        """By record id, the unit that it had, where that is still free; else another one, or None where there is none.

        Every record's own comes first, so that none of them goes to another.
        """
        given: dict[int, int | None] = {self._record(row).pk: None for row in rows}
        own = {self._record(row).pk: unit for row in rows if (unit := _unit_of(row)) is not None}
        if not own:
            return given
        free = dict(self._free_units().filter(pk__in=own.values()).values_list("pk", "course_id"))
        given |= {pk: unit for pk, unit in own.items() if free.get(unit) == self.records[pk].course_id}
        lacking: dict[int, list[int]] = defaultdict(list)
        for pk in own:
            if given[pk] is None:
                lacking[self.records[pk].course_id].append(pk)
        for course_id, pks in lacking.items():
            spare = self._spare(course_id, len(pks), taken=[unit for unit in given.values() if unit is not None])
            given |= dict(zip(pks, spare, strict=False))
        return given

    def _free_units(self) -> QuerySet[Unit]:
        return Unit.objects.of(self.writer.organization).free(self.writer.today)

    def _spare(self, course_id: int, count: int, *, taken: Sequence[int]) -> list[int]:
        """Free units of a course, those first which no record of this unassign had, then those that expire first."""
        had = (
            _rows_of(self.operation)
            .filter(before__isnull=False)
            .values(unit=Cast(KeyTextTransform("unit", "before"), BigIntegerField()))
        )
        last = Case(When(pk__in=had, then=Value(1)), default=Value(0))
        free = self._free_units().filter(course_id=course_id).exclude(pk__in=taken)
        return list(free.order_by(last, "expires_on", "pk").values_list("pk", flat=True)[:count])


def _unit_of(row: BulkRow) -> int | None:
    unit: int | None = (row.before or {}).get("unit")
    return unit
