"""What the Train Sessions and Training Assignments APIs and the admin read, from an organization down."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import connection
from django.db.models import F, Q, QuerySet
from django.db.models.expressions import BaseExpression
from django.db.models.functions import Coalesce, Collate

from accounts.models import Organization, Person
from accounts.transactions import clock, share_ledger, write
from enrollments.models import Course
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


@dataclass(frozen=True)
class Position:
    """A place in the change feed: behind the change of record `pk` stamped `at`. With `pk` 0, before all of `at`."""

    at: datetime
    pk: int = 0


def changes(
    rows: "QuerySet[TrainSession]", *, behind: Position, before: datetime | None, limit: int
) -> "list[TrainSession]":
    """The next changes of the feed, tombstones among them, in the order of their stamps and then by id."""
    # A redundant `updated_at >=` beside the OR form: the OR form alone is as slow as OFFSET, for no index serves it.
    found = rows.filter(Q(updated_at__gt=behind.at) | Q(pk__gt=behind.pk), updated_at__gte=behind.at)
    if before is not None:
        found = found.filter(updated_at__lt=before)
    return list(found.select_related("course", "person").order_by("updated_at", "pk")[:limit])


def window_is_over(organization: Organization, end: datetime) -> bool:
    """Whether nothing can change any more that is stamped before `end`: a writer about to commit is waited for.

    Read before the rows are: what commits afterwards is stamped later than this clock. Raises Busy.
    """
    with write():
        share_ledger(organization.pk)
        return clock() >= end


def present(organization: Organization) -> datetime:
    """Where a follower of the feed begins who names no time: what commits from here on is stamped later.

    By the clock alone, a change of a writer that was about to commit would lie behind it. Raises Busy.
    """
    with write():
        share_ledger(organization.pk)
        return clock()


def all_records(organization: Organization) -> TrainSessionQuerySet:
    """Unassigned ones included: what the feed shows."""
    return TrainSession.objects.of(organization)


def people_by_learner(
    organization: Organization, learners: Collection[tuple[str, int]]
) -> dict[tuple[str, int], Person]:
    """People by kind and number, those that there are."""
    people = Person.objects.of(organization).filter(pk__in=[number for _, number in learners])
    return {(person.kind, person.pk): person for person in people if (person.kind, person.pk) in set(learners)}


def records_by_uuid(organization: Organization, uuids: Collection[UUID]) -> dict[UUID, TrainSession]:
    rows = all_records(organization).filter(uuid__in=uuids).select_related("course", "person")
    return {row.uuid: row for row in rows}


def courses_behind(rows: "QuerySet[Course]", *, behind: int, limit: int) -> list[Course]:
    """The next courses, by id."""
    return list(rows.filter(pk__gt=behind).select_related("category").order_by("pk")[:limit])
