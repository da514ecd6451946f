"""Importing a file: chunk by chunk, each whole in a transaction of its own, so that a run that is killed and started
again ends where an uninterrupted one does. Rows are told apart by natural keys: nothing is made twice.
"""

import sqlite3
import weakref
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Any, Protocol

from django.db import IntegrityError

from accounts.actors import Actor
from accounts.bulk import Done, InputRow, RowOutcome, Tell, tell_nobody
from accounts.errors import Busy
from accounts.models import BulkOperation, BulkRow, OperationKind, Organization, Outcome
from accounts.services import operations
from accounts.transactions import lock_imports, write

CHUNK = 2000  # Rows in one transaction: others wait for a fraction of a second, and a progress bar moves.
ATTEMPTS = 3  # At a chunk that collides with what others write at the same time.
PATIENCE = 20  # Times LOCK_WAIT, for a ledger that others hold.


class Importer(Protocol):
    """How rows of one kind are taken in."""

    kind: OperationKind

    def key(self, row: InputRow) -> str:
        """How the row names what it is about."""

    def take(self, rows: Sequence[InputRow], *, dry_run: bool) -> list[RowOutcome]:
        """What becomes of each row, in order. Does it too, in the caller's transaction, unless it is a dry run.

        May be called again for the same rows, where the transaction was undone: it remembers nothing by itself.
        """

    def remember(self, rows: Sequence[InputRow], outcomes: Sequence[RowOutcome]) -> None:
        """What later rows of the file must know of these, which are now in (in a dry run: would be)."""


class FirstLines:
    """In which line of a file a value was first accepted. Kept on disk: memory does not grow with the file."""

    def __init__(self) -> None:
        # An empty name is a temporary file of SQLite's own, gone with the connection.
        self._lines = sqlite3.connect("", isolation_level=None)
        self._lines.execute("CREATE TABLE first (kind TEXT, value TEXT, line INTEGER, PRIMARY KEY (kind, value))")
        self._lines.execute("BEGIN")
        weakref.finalize(self, self._lines.close)

    def of(self, kind: str, values: Collection[str]) -> dict[str, int]:
        """The lines of those of the values that were remembered."""
        found: dict[str, int] = {}
        wanted = iter(values)
        while some := list(islice(wanted, 500)):
            marks = ", ".join("?" * len(some))
            query = f"SELECT value, line FROM first WHERE kind = ? AND value IN ({marks})"  # noqa: S608 - marks only
            found.update(self._lines.execute(query, [kind, *some]))
        return found

    def remember(self, kind: str, lines: Mapping[str, int]) -> None:
        self._lines.executemany(
            "INSERT OR IGNORE INTO first VALUES (?, ?, ?)", ((kind, value, line) for value, line in lines.items())
        )


def import_rows(
    *,
    organization: Organization,
    actor: Actor,
    importer: Importer,
    rows: Iterable[InputRow],
    details: dict[str, Any] | None = None,
    dry_run: bool = False,
    tell: Tell = tell_nobody,
) -> Done:
    """Take rows in. `tell` hears of each chunk once it is committed; an exception that it raises stops after it.

    A dry run reads, and neither writes nor locks anything. Raises Busy where others keep the ledger for a minute:
    what was told of is in.
    """
    left = iter(rows)
    cut_short = _CutShort(organization, importer.kind, details or {})
    if dry_run:
        counts: Counter[str] = Counter()
        while chunk := list(islice(left, CHUNK)):
            outcomes = _taken(importer, cut_short, chunk, dry_run=True)
            _remember(importer, chunk, outcomes)
            counts.update(one.outcome.value for one in outcomes)
            tell(outcomes)
        return Done(operation_id=None, counts=counts)
    run = _Run(organization, actor, importer, details or {}, cut_short)
    while chunk := list(islice(left, CHUNK)):
        for outcomes in run.commit(chunk):
            tell(outcomes)
    return run.finish()


def _taken(importer: Importer, cut_short: "_CutShort", rows: Sequence[InputRow], *, dry_run: bool) -> list[RowOutcome]:
    known = cut_short.refusals(rows)
    rest = iter(importer.take([row for row in rows if row.line not in known], dry_run=dry_run))
    return [known[row.line] if row.line in known else next(rest) for row in rows]


def _remember(importer: Importer, rows: Sequence[InputRow], outcomes: Sequence[RowOutcome]) -> None:
    """What was refused is nothing that later rows must know of."""
    accepted = [pair for pair in zip(rows, outcomes, strict=True) if pair[1].outcome != Outcome.REFUSED]
    importer.remember([row for row, _ in accepted], [outcome for _, outcome in accepted])


class _CutShort:
    """Runs of the same file that were killed, or go on at this moment. What they have refused stays refused.

    They had not come to the later lines, which may since be in: a row that was refused because of what a later line
    changes would be taken in now, and the end would be another than that of one run that nothing happens to.
    """

    def __init__(self, organization: Organization, kind: OperationKind, details: Mapping[str, Any]) -> None:
        self.organization = organization
        operations_of_kind = BulkOperation.objects.of(organization).filter(kind=kind)
        self.same = operations_of_kind.filter(details__sha256=details.get("sha256", ""))
        # What was finished by now is over: the file is imported anew.
        over = self.same.exclude(finished_at=None).order_by("-pk").values_list("pk", flat=True)
        self.over = over.first() or 0

    def refusals(self, rows: Sequence[InputRow]) -> dict[int, RowOutcome]:
        """By line."""
        ids = list(self.same.filter(pk__gt=self.over).values_list("pk", flat=True))
        if not ids or not rows:
            return {}
        said = BulkRow.objects.of(self.organization).filter(
            operation__in=ids, outcome=Outcome.REFUSED, line__range=(rows[0].line, rows[-1].line)
        )
        return {
            row.line: RowOutcome(row.line, row.key, Outcome.REFUSED, _once_more(row.reason, row.operation_id))
            for row in said.order_by("-pk")
        }


def _once_more(reason: str, operation_id: int) -> str:
    mark = "which was cut short"
    return reason if mark in reason else f"{reason} (So said operation {operation_id}, {mark}.)"


class _Run:
    """One import in the making: its operation is begun with the first chunk that is committed."""

    def __init__(
        self,
        organization: Organization,
        actor: Actor,
        importer: Importer,
        details: dict[str, Any],
        cut_short: _CutShort,
    ) -> None:
        self.organization, self.actor, self.importer, self.details = organization, actor, importer, details
        self.cut_short = cut_short
        self.operation_id: int | None = None

    def commit(self, chunk: Sequence[InputRow]) -> Iterator[list[RowOutcome]]:
        """A row that collides time after time is found by halving, and refused; the others go in."""
        for _ in range(ATTEMPTS):
            try:
                # Under the imports' lock: another run of the file that is a chunk ahead has said what it refused.
                take = partial(_taken, self.importer, self.cut_short, chunk, dry_run=False)
                outcomes = self._patiently(take)
            except IntegrityError:
                continue  # Somebody wrote at the same time. Now that is there to be read.
            _remember(self.importer, chunk, outcomes)
            yield outcomes
            return
        if len(chunk) > 1:
            middle = len(chunk) // 2
            yield from self.commit(chunk[:middle])
            yield from self.commit(chunk[middle:])
            return
        (row,) = chunk
        collision = RowOutcome(row.line, self.importer.key(row), Outcome.REFUSED, "It collides with another row.")
        yield self._patiently(lambda: [collision])

    def _patiently(self, take: Callable[[], list[RowOutcome]]) -> list[RowOutcome]:
        for _ in range(PATIENCE - 1):
            with suppress(Busy):
                return self._at_once(take)
        return self._at_once(take)

    def _at_once(self, take: Callable[[], list[RowOutcome]]) -> list[RowOutcome]:
        with write(self.actor):
            lock_imports(self.organization.pk)
            operation = self._operation()
            outcomes = take()
            operations.record(operation, outcomes)
        self.operation_id = operation.pk
        return outcomes

    def _operation(self) -> BulkOperation:
        """Read anew each time: what a transaction that was undone had counted is forgotten."""
        if self.operation_id is None:
            return operations.begin(
                organization=self.organization, actor=self.actor, kind=self.importer.kind, details=self.details
            )
        return BulkOperation.objects.of(self.organization).get(pk=self.operation_id)

    def finish(self) -> Done:
        if self.operation_id is None:
            return Done(operation_id=None)
        with write(self.actor):
            operation = self._operation()
            operations.finish(operation)
        return Done(operation_id=operation.pk, counts=operation.counts)
