"""Giving people more time, many at once: each record by so many days from its own due day."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo

from accounts.actors import Actor
from accounts.days import day_of, last_instant
from accounts.errors import FieldsRefused
from accounts.models import Organization
from training.models import TrainSession
from training.services.records import what_is_not_open
from training.services.writer import ledger_writer

MOST_DAYS = 3650


def extend_due(*, organization: Organization, actor: Actor, record_ids: Sequence[int], days: int) -> list[TrainSession]:
    """Those that had a due instant and have a later one now, in the order given. All or nothing.

    A due day stays a due day, and an instant keeps its time of the day, in the organization's time zone. What has no
    due date is left alone. Raises FieldsRefused, RecordsNotOpen.
    """
    if not 1 <= days <= MOST_DAYS:
        raise FieldsRefused({"days": [f"Give a number from 1 to {MOST_DAYS}."]})
    ids = list(dict.fromkeys(record_ids))
    with ledger_writer(organization, actor) as writer:
        if refusal := what_is_not_open(organization=organization, ids=ids):
            raise refusal
        found = writer.records.filter(due_at__isnull=False).select_related("course", "person").in_bulk(ids)
        records = [found[pk] for pk in ids if pk in found]
        for record in records:
            assert record.due_at is not None  # noqa: S101 - filtered above
            writer.set_due(record, later(record.due_at, days, organization.zone))
        writer.save(records)
    return records


def later(due_at: datetime, days: int, zone: tzinfo) -> datetime:
    """Raises FieldsRefused beyond the calendar."""
    try:
        day = day_of(due_at, zone)
        if due_at == last_instant(day, zone):
            return last_instant(day + timedelta(days=days), zone)
        return (due_at.astimezone(zone) + timedelta(days=days)).astimezone(UTC)
    except OverflowError as error:
        raise FieldsRefused({"days": ["Give fewer days: the calendar ends before."]}) from error
