"""What the Train Sessions API and the admin read, from an organization down."""

from decimal import Decimal

from django.db import connection
from django.db.models import F, QuerySet
from django.db.models.expressions import BaseExpression
from django.db.models.functions import Coalesce, Collate

from accounts.models import Organization
from training.models import TrainSession, TrainSessionQuerySet

# The columns behind a listed record, in one query and without model instances: lists are long.
ROW_COLUMNS = (
    "pk",
    "course__code",
    "score",
    "percent",
    "failed_attempts",
    "state",
    "cert_expiry",
    "completed_at",
    "due_at",
    "person__first_name",
    "person__last_name",
    "time_spent",
)

SORT_KEYS = ("score", "completion_date", "cert_expiry", "complete_by", "full_name", "id")


def live_records(organization: Organization) -> TrainSessionQuerySet:
    """All but the unassigned ones."""
    return TrainSession.objects.of(organization).live()


def newest_first(rows: "QuerySet[TrainSession]", *, after: int | None, limit: int) -> "QuerySet[TrainSession]":
    """The chunk of a complete list that begins behind the record `after`."""
    behind = rows if after is None else rows.filter(pk__lt=after)
    return behind.order_by("-pk")[:limit]


def sorted_by(rows: "QuerySet[TrainSession]", key: str, *, descending: bool) -> "QuerySet[TrainSession]":
    """By what is shown under one of SORT_KEYS, rows without a value last, then newest first."""
    if key == "id":
        return rows.order_by("-pk" if descending else "pk")
    # Names compare by code point on both databases, whatever the server's locale.
    code_points = "C" if connection.vendor == "postgresql" else "BINARY"
    expressions: dict[str, BaseExpression | F] = {
        "score": Coalesce(F("score"), Decimal(0)),
        "completion_date": F("completed_at"),
        "cert_expiry": F("cert_expiry"),
        "complete_by": F("due_at"),
        "full_name": Collate("person__search_name", code_points),
    }
    expression = expressions[key]
    order = expression.desc(nulls_last=True) if descending else expression.asc(nulls_last=True)
    return rows.order_by(order, "-pk")
