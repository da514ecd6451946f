"""Remembered answers."""

from datetime import timedelta

from django.utils import timezone

from accounts.models import IdempotencyRecord
from accounts.transactions import write

IDEMPOTENCY_LIFETIME = timedelta(hours=24)


def purge_idempotency_records() -> int:
    """Delete the records that are past their 24 hours. Returns how many there were."""
    with write():
        deleted, _ = IdempotencyRecord.objects.filter(created_at__lte=timezone.now() - IDEMPOTENCY_LIFETIME).delete()
    return deleted
