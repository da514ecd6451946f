"""Unassigning many records, of a list or of filters, of which some may have to be left out; and telling why."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import islice
from typing import Any

from accounts.actors import Actor
from accounts.bulk import Done, InputRow, RowOutcome, Tell, id_in, noted, tell_nobody
from accounts.days import day_start
from accounts.errors import PeopleUnknown
from accounts.models import OperationKind, Organization, Outcome
from accounts.selectors import people_by
from accounts.services.importing import FirstLines
from accounts.services.operations import recording
from enrollments.errors import CourseUnknown
from enrollments.models import Course
from training.errors import TooManyAtOnce
from training.models import State, TrainSessionQuerySet
from training.services.reasons import check_reason
from training.services.writer import LedgerWriter, ledger_writer

BATCH = 2000  # Rows in one statement: no database refuses so many, and a progress bar moves.
MOST = Decimal(10)  # Percent of the open records. More at once is more often a slip than meant.

UNKNOWN = "There is no such train session, or it is unassigned already."
COMPLETED = "Is completed; it stays as it is."


@dataclass(frozen=True)
class OpenRecords:
    """The open records of which all holds that is given here; what is None is not asked.

    `due_before`: their due instant lies before that day begins in the organization's time zone.
    """

    course_code: str | None = None
    username: str | None = None
    due_before: date | None = None
    state: State | None = None


def unassign_acceptable(
    *,
    organization: Organization,
    actor: Actor,
    which: Iterable[InputRow] | OpenRecords,
    reason: str,
    max_percent: Decimal = MOST,
    details: dict[str, Any] | None = None,
    dry_run: bool = False,
    tell: Tell = tell_nobody,
) -> Done:
    """Take back those of the records that are owed, in one transaction; the others are left out.

    `which` are rows with a cell `id`, or what selects records; these are then numbered, oldest first. `max_percent` is
    the greatest share of the organization's open records that may go at once. The operation bears the instant at which
    the records were unassigned: an undo knows them by it. A dry run does the same and takes it back; an exception from
    `tell` undoes all. Where filters select nothing, nothing is recorded.
    Raises FieldsRefused for a reason that is blank or too long, CourseUnknown, PeopleUnknown, TooManyAtOnce.
    """
    check_reason(reason)
    with ledger_writer(organization, actor) as writer:
        rows = _selected(writer, which) if isinstance(which, OpenRecords) else iter(which)
        batch = list(islice(rows, BATCH))
        if not batch:
            return Done(operation_id=None, stopped="No open train session matches.")
        share = Share(of=writer.records.open().count(), limit=max_percent)
        first = FirstLines()
        with recording(
            organization=organization,
            actor=actor,
            kind=OperationKind.UNASSIGN,
            reason=reason,
            details=details,
            at=writer.now,
            dry_run=dry_run,
            tell=tell,
        ) as recorded:
            while batch:
                outcomes = _sorted_out(writer, batch, first)
                share.count += sum(one.outcome == Outcome.UNASSIGNED for one in outcomes)
                # Beyond the limit the rest is only counted, for the refusal to say how many it would have been.
                if not share.is_exceeded:
                    writer.unassign([one.target_id for one in outcomes if one.target_id is not None], reason)
                    recorded.add(outcomes)
                batch = list(islice(rows, BATCH))
            if share.is_exceeded:
                raise TooManyAtOnce(count=share.count, of=share.of, limit=share.limit)
    return recorded.done


@dataclass
class Share:
    """How many of the open records go at once. The limit itself, in percent, is allowed."""

    of: int
    limit: Decimal
    count: int = 0

    @property
    def is_exceeded(self) -> bool:
        return self.count * 100 > self.limit * self.of


def _selected(writer: LedgerWriter, which: OpenRecords) -> Iterator[InputRow]:
    """A row for each record, by id. What is unassigned on the way does not shift the rest."""
    records, line, last = _matching(writer, which), 0, 0
    while ids := list(records.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:BATCH]):
        for line, last in enumerate(ids, start=line + 1):  # noqa: B020 - it goes on from the last batch's
            yield InputRow(line, {"id": str(last)})


def _matching(writer: LedgerWriter, which: OpenRecords) -> TrainSessionQuerySet:
    records = writer.records.open()
    if which.course_code is not None:
        course = Course.objects.of(writer.organization).filter(code=which.course_code).first()
        if course is None:
            raise CourseUnknown([which.course_code])
        records = records.filter(course=course)
    if which.username is not None:
        people = people_by(writer.organization, "username", [which.username])
        if not people:
            raise PeopleUnknown([which.username])
        records = records.filter(person=people[which.username])
    if which.due_before is not None:
        records = records.filter(due_at__lt=day_start(which.due_before, writer.organization.zone))
    return records if which.state is None else records.filter(state=which.state)


def _sorted_out(writer: LedgerWriter, rows: Sequence[InputRow], first: FirstLines) -> list[RowOutcome]:
    """What becomes of each row, in order. `first` knows in which line an id was accepted."""
    ids = [id_in(row.cells["id"]) for row in rows]
    live = writer.records.live().filter(pk__in=ids)
    found = {pk: (state, unit_id) for pk, state, unit_id in live.values_list("pk", "state", "unit_id")}
    accepted = first.of("id", [str(pk) for pk in ids])
    outcomes = []
    for row, pk in zip(rows, ids, strict=True):
        key = str(pk or row.cells["id"])  # 7 and 007 are one id.
        state, unit_id = found.get(pk, (None, None))
        if key in accepted:
            reason = noted(row, f"Line {accepted[key]} names the same train session.")
            outcomes.append(RowOutcome(row.line, key, Outcome.REPEATED, reason))
        elif state is None or state == State.COMPLETED:
            reason = noted(row, UNKNOWN if state is None else COMPLETED)
            outcomes.append(RowOutcome(row.line, key, Outcome.REFUSED, reason))
        else:
            accepted[key] = row.line
            before = None if unit_id is None else {"unit": unit_id}
            outcomes.append(RowOutcome(row.line, key, Outcome.UNASSIGNED, noted(row), target_id=pk, before=before))
    first.remember("id", accepted)
    return outcomes
