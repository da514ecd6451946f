"""The record of bulk operations, written in the transactions that do the work: all of it is there, or none."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.actors import Actor
from accounts.bulk import Done, RowOutcome, Tell
from accounts.models import BulkOperation, BulkRow, OperationKind, Organization
from accounts.services.inserting import insert_columns
from accounts.services.saving import write_fields
from accounts.transactions import write

KEY_LENGTH = 200


def begin(
    *,
    organization: Organization,
    actor: Actor,
    kind: OperationKind,
    reason: str = "",
    details: dict[str, Any] | None = None,
    undoes: BulkOperation | None = None,
    at: datetime | None = None,
) -> BulkOperation:
    """`at` is the instant that the operation's effects bear, where they bear one."""
    return BulkOperation.objects.create(
        organization=organization,
        kind=kind,
        reason=reason,
        details=details or {},
        undoes=undoes,
        created_by=actor.ref,
        created_at=at or timezone.now(),
    )


def record(operation: BulkOperation, outcomes: Sequence[RowOutcome]) -> None:
    insert_columns(
        BulkRow,
        same={"organization_id": operation.organization_id, "operation_id": operation.pk},
        each={
            "line": [one.line for one in outcomes],
            "key": [one.key[:KEY_LENGTH] for one in outcomes],
            "outcome": [one.outcome.value for one in outcomes],
            "reason": [one.reason for one in outcomes],
            "target_id": [one.target_id for one in outcomes],
            "before": [one.before for one in outcomes],
        },
    )
    counts = Counter(operation.counts) + Counter(one.outcome.value for one in outcomes)
    operation.counts = dict(counts)
    write_fields(operation, ["counts"])


def finish(operation: BulkOperation) -> None:
    operation.finished_at = timezone.now()
    write_fields(operation, ["finished_at"])


class Recording:
    """An operation that is one transaction. `add` what became of rows as it comes; `done` when it is committed."""

    def __init__(self, operation: BulkOperation, *, dry_run: bool, tell: Tell) -> None:
        self.operation, self.dry_run, self.tell = operation, dry_run, tell
        self.stopped = ""

    def add(self, outcomes: Sequence[RowOutcome]) -> None:
        record(self.operation, outcomes)
        self.tell(outcomes)

    @property
    def done(self) -> Done:
        operation_id = None if self.dry_run else self.operation.pk
        return Done(operation_id=operation_id, counts=self.operation.counts, stopped=self.stopped)


@contextmanager
def recording(
    *,
    organization: Organization,
    actor: Actor,
    kind: OperationKind,
    reason: str = "",
    details: dict[str, Any] | None = None,
    undoes: BulkOperation | None = None,
    at: datetime | None = None,
    dry_run: bool,
    tell: Tell,
) -> Iterator[Recording]:
    """The transaction of an operation that is all or nothing. A dry run does all of it, and takes it back."""
    with write(actor):
        operation = begin(
            organization=organization, actor=actor, kind=kind, reason=reason, details=details, undoes=undoes, at=at
        )
        yield Recording(operation, dry_run=dry_run, tell=tell)
        finish(operation)
        if dry_run:
            transaction.set_rollback(True)
