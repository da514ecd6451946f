"""What the Train Sessions and Training Assignments APIs and the admin read, from an organization down."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import connection
from django.db.models import BigIntegerField, DateTimeField, F, QuerySet
from django.db.models.expressions import BaseExpression
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan
from django.db.models.functions import Coalesce, Collate

from accounts.models import Organization, OrganizationQuerySet, Person
from accounts.statements import Slot
from accounts.transactions import clock, share_ledger, write
from enrollments.models import Course
from training.models import TrainSession, TrainSessionQuerySet

SORT_KEYS = ("score", "completion_date", "cert_expiry", "complete_by", "full_name", "id")


def live_records(organization: Organization | Slot) -> TrainSessionQuerySet:
    """All but the unassigned ones."""
    return TrainSession.objects.of(organization).live()


@dataclass(frozen=True)
class SortedBy:
    """Records by what is shown under one of SORT_KEYS, those without a value last, then newest first."""

    key: str
    descending: bool

    def __call__(self, rows: "QuerySet[TrainSession]") -> "QuerySet[TrainSession]":
        if self.key == "id":
            return rows.order_by("-pk" if self.descending else "pk")
        # Names compare by code point on both databases, whatever the server's locale.
        code_points = "C" if connection.vendor == "postgresql" else "BINARY"
        expressions: dict[str, BaseExpression | F] = {
            "score": Coalesce(F("score"), Decimal(0)),
            "completion_date": F("completed_at"),
            "cert_expiry": F("cert_expiry"),
            "complete_by": F("due_at"),
            "full_name": Collate("person__search_name", code_points),
        }
        expression = expressions[self.key]
        order = expression.desc(nulls_last=True) if self.descending else expression.asc(nulls_last=True)
        return rows.order_by(order, "-pk")


@dataclass(frozen=True)
class Position:
    """A place in the change feed: behind the change of record `pk` stamped `at`. With `pk` 0, before all of `at`."""

    at: datetime
    pk: int = 0


AT = Slot("at", DateTimeField())
PK = Slot("pk", BigIntegerField())
BEFORE = Slot("before", DateTimeField())


def changes(rows: "QuerySet[TrainSession]") -> "QuerySet[TrainSession]":
    """The changes behind the one of record PK stamped AT, tombstones among them, in the order of their stamps and then
    by id.
    """
    # Compared as a row, so that an index finds the place however many share a stamp.
    found = rows.filter(TupleGreaterThan(Tuple(F("updated_at"), F("pk")), (AT, PK)))
    if connection.vendor != "postgresql":
        # There it becomes an OR, which no index serves by itself. PostgreSQL would take this for a second condition,
        # and expect too few rows.
        found = found.filter(updated_at__gte=AT)
    return found.order_by("updated_at", "pk")


def changes_before(rows: "QuerySet[TrainSession]") -> "QuerySet[TrainSession]":
    """Those stamped before BEFORE."""
    return changes(rows).filter(updated_at__lt=BEFORE)


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


def all_records(organization: Organization | Slot) -> TrainSessionQuerySet:
    """Unassigned ones included: what the feed shows."""
    return TrainSession.objects.of(organization)


def courses(organization: Organization | Slot) -> "OrganizationQuerySet[Course]":
    return Course.objects.of(organization)


def people_by_learner(
    organization: Organization, learners: Collection[tuple[str, int]]
) -> dict[tuple[str, int], Person]:
    """People by kind and number, those that there are."""
    people = Person.objects.of(organization).filter(pk__in=[number for _, number in learners])
    return {(person.kind, person.pk): person for person in people if (person.kind, person.pk) in set(learners)}


def records_by_uuid(organization: Organization, uuids: Collection[UUID]) -> dict[UUID, TrainSession]:
    rows = all_records(organization).filter(uuid__in=uuids).select_related("course", "person")
    return {row.uuid: row for row in rows}
