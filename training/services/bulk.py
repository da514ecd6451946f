"""Unassigning many records of which some may have to be left out, and telling which and why."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.actors import Actor
from accounts.errors import FieldsRefused, Refusal
from accounts.models import Organization
from training.errors import RecordCompleted, RecordUnknown
from training.models import TrainSession
from training.services.records import what_is_not_open
from training.services.writer import ledger_writer

BATCH = 2000  # Rows in one statement: no database refuses so many, and a progress bar moves.


@dataclass(frozen=True)
class BulkUnassigned:
    """The ids of what was taken back, in the order given; what was left out and why, by id."""

    ids: list[int]
    refused: dict[int, Refusal]


def unassign_acceptable(
    *,
    organization: Organization,
    actor: Actor,
    ids: Sequence[int],
    reason: str,
    dry_run: bool = False,
    progress: Callable[[int], object] | None = None,
) -> BulkUnassigned:
    """Take back, in one transaction, those of the records that are owed; the others are left out.

    A dry run does the same and takes it back. `progress` is told how many records are dealt with; an exception that
    it raises undoes all. Duplicates collapse. Raises FieldsRefused for a reason that is blank or too long.
    """
    _check_reason(reason)
    wanted = list(dict.fromkeys(ids))
    unassigned: list[int] = []
    refused: dict[int, Refusal] = {}
    with ledger_writer(organization, actor) as writer:
        for start in range(0, len(wanted), BATCH):
            batch = wanted[start : start + BATCH]
            if refusal := what_is_not_open(organization=organization, ids=batch):
                refused.update({pk: RecordUnknown(pk) for pk in refusal.unknown})
                refused.update({pk: RecordCompleted(pk) for pk in refusal.completed})
            owed = [pk for pk in batch if pk not in refused]
            writer.unassign(owed, reason)
            unassigned += owed
            if progress:
                progress(len(batch))
        if dry_run:
            transaction.set_rollback(True)
    return BulkUnassigned(ids=unassigned, refused=refused)


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise FieldsRefused({"reason": ["Say why."]})
    try:
        TrainSession._meta.get_field("unassign_reason").run_validators(reason)  # noqa: SLF001 - Django's documented name
    except ValidationError as error:
        raise FieldsRefused({"reason": error.messages}) from error
