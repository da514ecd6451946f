"""Correcting completed records: history says what was, so what it says wrongly is put right with a reason, and kept."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any

from django.core.exceptions import ValidationError

from accounts.actors import Actor
from accounts.bulk import Done, RowOutcome, tell_nobody
from accounts.days import day_of
from accounts.errors import FieldsRefused
from accounts.models import OperationKind, Organization, Outcome
from accounts.services.operations import recording
from training.models import State, TrainSession
from training.services.reasons import check_reason
from training.services.writer import ledger_writer

MOST = 1_000
"""So many records at most are corrected at once."""


class Kept(Enum):
    """What a correction does not speak of. None is a value: no score, a certificate that does not end."""

    KEPT = "kept"


KEPT = Kept.KEPT


def correct(
    *,
    organization: Organization,
    actor: Actor,
    record_ids: Sequence[int],
    reason: str,
    score: Decimal | Kept | None = KEPT,
    cert_expiry: date | Kept | None = KEPT,
    time_spent: Decimal | Kept = KEPT,
) -> Done:
    """Put right what completed records say of score, certificate and time; all else of them stays.

    All or nothing, as one operation that keeps the reason and, in `before`, what each record said. What is not
    completed is left alone, and so is what says just that already. Time is in hours, all of it.
    Raises FieldsRefused: for a reason that is blank or too long, for values that no record may have, for a certificate
    that would end before the completion, and where nothing is to be corrected.
    """
    check_reason(reason)
    asked = {"score": score, "cert_expiry": cert_expiry, "time_spent": time_spent}
    wanted: dict[str, Any] = {name: value for name, value in asked.items() if value is not KEPT}
    if not wanted:
        raise FieldsRefused({"__all__": ["Give what is to be corrected."]})
    ids = list(dict.fromkeys(record_ids))
    with (
        ledger_writer(organization, actor) as writer,
        recording(
            organization=organization,
            actor=actor,
            kind=OperationKind.CORRECT,
            reason=reason,
            details={name: None if value is None else str(value) for name, value in wanted.items()},
            at=writer.now,
            dry_run=False,
            tell=tell_nobody,
        ) as recorded,
    ):
        records = writer.records.live().filter(state=State.COMPLETED).select_related("course", "person").in_bulk(ids)
        outcomes = [_corrected(line, pk, records.get(pk), wanted) for line, pk in enumerate(ids, start=1)]
        for outcome in outcomes:
            if outcome.target_id is not None:
                _check(records[outcome.target_id], organization)
        writer.save([records[one.target_id] for one in outcomes if one.target_id is not None])
        recorded.add(outcomes)
    return recorded.done


def _corrected(line: int, pk: int, record: TrainSession | None, wanted: dict[str, Any]) -> RowOutcome:
    """Sets what is wanted on the record; `before` holds what it said."""
    if record is None:
        return RowOutcome(line, str(pk), Outcome.REFUSED, "Is not completed; only completed records are corrected.")
    changed = {name: value for name, value in wanted.items() if getattr(record, name) != value}
    if not changed:
        return RowOutcome(line, str(pk), Outcome.UNCHANGED, "Says that already.")
    before = {name: _kept_as(getattr(record, name)) for name in changed}
    for name, value in changed.items():
        setattr(record, name, value)
    return RowOutcome(line, str(pk), Outcome.UPDATED, target_id=record.pk, before=before)


def _kept_as(value: Any) -> str | None:
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return None if value is None else str(value)


def _check(record: TrainSession, organization: Organization) -> None:
    try:
        record.clean_fields()
    except ValidationError as error:
        raise FieldsRefused(error.message_dict) from error
    assert record.completed_at is not None  # noqa: S101 - a completed record has one
    completed = day_of(record.completed_at, organization.zone)
    if record.cert_expiry is not None and record.cert_expiry < completed:
        raise FieldsRefused(
            {"cert_expiry": [f"Train session {record.pk} was completed on {completed}. Give that day, or a later one."]}
        )
