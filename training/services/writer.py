"""The one pen that writes train sessions: it holds the organization's ledger lock and stamps what it changes."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

from django.db.models import Case, F, Max, Value, When
from django.utils import timezone

from accounts.actors import Actor
from accounts.days import certificate_last_day, day_of, day_start
from accounts.errors import PeopleInactive
from accounts.models import Organization, Person
from accounts.services.inserting import insert_columns, insert_rows
from accounts.statements import Slot
from accounts.transactions import clock, lock_ledger, write
from enrollments.errors import NotEnoughUnits
from enrollments.models import Course, Enrollment
from training.models import OPEN_STATES, Origin, State, TrainSession, TrainSessionQuerySet, Unit

Pair = tuple[int, int]  # person id, course id


@dataclass(frozen=True)
class Opening:
    """A record to open: for whom, of what, until when, and why."""

    person_id: int
    course: Course
    due_at: datetime | None = None
    origin: Origin = Origin.HAND
    enrollment: Enrollment | None = None

    @property
    def pair(self) -> Pair:
        return (self.person_id, self.course.pk)


@dataclass(frozen=True, slots=True)
class Completion:
    """A completion of the past, known by its day. What is None is not known: the rules say it, or it stays as it is."""

    person_id: int
    course: Course
    completed_on: date
    score: Decimal | None = None
    cert_expiry: date | None = None
    time_spent: Decimal | None = None

    @property
    def pair(self) -> Pair:
        return (self.person_id, self.course.pk)


class LedgerWriter:
    """Valid inside `ledger_writer()` only. Every record that it changes gets the transaction's one stamp."""

    def __init__(self, organization: Organization, actor: Actor) -> None:
        self.organization = organization
        self.actor = actor
        self.now = timezone.now()
        self.today = day_of(self.now, organization.zone)
        self.stamp = self._next_stamp()

    def _next_stamp(self) -> datetime:
        """`greatest(clock, the organization's last stamp + 1 µs)`: stamps rise in commit order, clocks may not."""
        last = self.records.aggregate(last=Max("updated_at"))["last"]
        now = clock()
        return now if last is None else max(now, last + timedelta(microseconds=1))

    @property
    def records(self) -> TrainSessionQuerySet:
        return TrainSession.objects.of(self.organization)

    def open_records(self, pairs: Collection[Pair]) -> dict[Pair, TrainSession]:
        """The open record of each pair that has one."""
        wanted = set(pairs)
        rows = self._of_pairs(self.records.open(), wanted).select_related("course")
        return {(row.person_id, row.course_id): row for row in rows if (row.person_id, row.course_id) in wanted}

    def validly_completed(self, pairs: Collection[Pair]) -> set[Pair]:
        rows = self._of_pairs(self.records.valid_on(self.today), pairs)
        return set(rows.values_list("person_id", "course_id")) & set(pairs)

    @staticmethod
    def _of_pairs(rows: TrainSessionQuerySet, pairs: Collection[Pair]) -> TrainSessionQuerySet:
        return rows.filter(person_id__in={pair[0] for pair in pairs}, course_id__in={pair[1] for pair in pairs})

    def open_where_owed(self, openings: Sequence[Opening]) -> list[TrainSession]:
        """Open those for which the person has neither an open record nor a valid completed one.

        For callers who looked at the people before the ledger was locked: whoever was made inactive meanwhile (which
        takes this lock, too) would keep what is opened now. Raises PeopleInactive, NotEnoughUnits.
        """
        self._refuse_inactive({opening.person_id for opening in openings})
        pairs = {opening.pair for opening in openings}
        settled = set(self.open_records(pairs)) | self.validly_completed(pairs)
        return self.open([opening for opening in openings if opening.pair not in settled])

    def _refuse_inactive(self, person_ids: Collection[int]) -> None:
        people = Person.objects.of(self.organization).filter(pk__in=person_ids, active=False)
        if inactive := list(people.order_by("pk").values_list("pk", flat=True)):
            raise PeopleInactive(inactive)

    def open(self, openings: Sequence[Opening]) -> list[TrainSession]:
        """Open records, none of which is open yet. A course that uses units takes the free ones that expire first.

        Raises NotEnoughUnits.
        """
        units = self._take_units(openings)
        return insert_rows(
            [
                TrainSession(
                    organization=self.organization,
                    course=opening.course,
                    person_id=opening.person_id,
                    unit=units.get(opening.pair),
                    assigned_at=self.now,
                    due_at=opening.due_at,
                    overdue=opening.due_at is not None and opening.due_at <= self.now,
                    origin=opening.origin,
                    enrollment=opening.enrollment,
                    created_at=self.now,
                    created_by=self.actor.ref,
                    updated_at=self.stamp,
                    updated_by=self.actor.ref,
                )
                for opening in openings
            ]
        )

    def _take_units(self, openings: Sequence[Opening]) -> dict[Pair, Unit]:
        wanting: dict[int, list[Opening]] = defaultdict(list)
        for opening in openings:
            if opening.course.uses_units:
                wanting[opening.course.pk].append(opening)
        taken: dict[Pair, Unit] = {}
        for course_id, group in wanting.items():
            free = Unit.objects.of(self.organization).free(self.today).filter(course_id=course_id)
            units = list(free.order_by("expires_on", "pk")[: len(group)])
            if len(units) < len(group):
                raise NotEnoughUnits(course_code=group[0].course.code, free=len(units), needed=len(group))
            taken.update({opening.pair: unit for opening, unit in zip(group, units, strict=True)})
        return taken

    def start(self, record: TrainSession) -> None:
        if record.state == State.ASSIGNED:
            record.state = State.IN_PROGRESS
        record.started_at = record.started_at or self.now

    def fail_attempt(self, record: TrainSession, score: Decimal | None) -> None:
        self.start(record)
        record.state = State.FAILED
        record.failed_attempts += 1
        record.score = score
        record.last_attempt_at = self.now

    def complete(self, record: TrainSession, score: Decimal | None, at: datetime | None = None) -> None:
        """Percent 100, the completion time, and the certificate's last day. Without a score, the last one stays."""
        self.start(record)
        at = at or self.now
        record.started_at = min(record.started_at or at, at)
        record.state = State.COMPLETED
        record.percent = 100
        record.completed_at = at
        record.overdue = False
        if score is not None:
            record.score = score
            record.last_attempt_at = at
        record.cert_expiry = self._certificate_end(record.course, day_of(at, self.organization.zone))

    @staticmethod
    def _certificate_end(course: Course, completed_on: date) -> date | None:
        months = course.certificate_months
        return None if months is None else certificate_last_day(completed_on, months)

    def enter(self, completions: Sequence[Completion]) -> list[int]:
        """Enter history: completed records beside whatever is open. They take no units. Their ids, in order."""
        start_of = {day: self._start_of(day) for day in {one.completed_on for one in completions}}
        starts = [start_of[one.completed_on] for one in completions]
        return insert_columns(
            TrainSession,
            same={
                "organization_id": self.organization.pk,
                "state": State.COMPLETED,
                "percent": 100,
                "origin": Origin.IMPORT,
                "created_at": self.now,
                "created_by": self.actor.ref,
                "updated_at": self.stamp,
                "updated_by": self.actor.ref,
            },
            each={
                "uuid": [uuid4() for _ in completions],
                "person_id": [one.person_id for one in completions],
                "course_id": [one.course.pk for one in completions],
                "score": [one.score for one in completions],
                "time_spent": [one.time_spent or Decimal(0) for one in completions],
                "assigned_at": starts,
                "started_at": starts,
                "last_attempt_at": [
                    None if one.score is None else start for one, start in zip(completions, starts, strict=True)
                ],
                "completed_at": starts,
                "cert_expiry": [
                    one.cert_expiry or self._certificate_end(one.course, one.completed_on) for one in completions
                ],
            },
        )

    def amend(self, completions: Mapping[int, Completion]) -> None:
        """By record id: complete those that are open, and correct what completed ones say of score, certificate, time.

        Everything else of a completed record stays.
        """
        records = self.records.select_related("course").in_bulk(completions)
        for pk, one in completions.items():
            record = records[pk]
            if record.state != State.COMPLETED:
                self.complete(record, one.score, self._start_of(one.completed_on))
            elif one.score is not None:
                record.score = one.score
            record.cert_expiry = one.cert_expiry or record.cert_expiry
            record.time_spent = record.time_spent if one.time_spent is None else one.time_spent
        self.save(list(records.values()))

    def _start_of(self, day: date) -> datetime:
        return day_start(day, self.organization.zone)

    def set_due(self, record: TrainSession, due_at: datetime | None) -> None:
        record.due_at = due_at
        record.overdue = due_at is not None and due_at <= self.now

    def save(self, records: Sequence[TrainSession]) -> None:
        """Write what the methods above change."""
        for record in records:
            record.updated_at, record.updated_by = self.stamp, self.actor.ref
        # An upsert of rows that are all there: four times as fast as an UPDATE with a CASE for each field and row.
        TrainSession.objects.bulk_create(
            records,
            batch_size=1000,
            update_conflicts=True,
            unique_fields=["pk"],
            update_fields=[
                "state",
                "score",
                "percent",
                "failed_attempts",
                "time_spent",
                "started_at",
                "last_attempt_at",
                "completed_at",
                "due_at",
                "overdue",
                "cert_expiry",
                "updated_at",
                "updated_by",
            ],
        )

    def unassign(self, ids: Collection[int], reason: str = "") -> None:
        """Make open records tombstones; their units become free again."""
        self.records.filter(pk__in=ids, state__in=OPEN_STATES, unassigned_at=None).update(
            unassigned_at=self.now,
            unassign_reason=reason,
            unit=None,
            updated_at=self.stamp,
            updated_by=self.actor.ref,
        )

    def restore(self, units: Mapping[int, int | None]) -> None:
        """By record id, each with the id of a free unit or None: make tombstones again the open records that they were.

        What fell due in the meantime is overdue.
        """
        self.records.filter(pk__in=list(units)).exclude(unassigned_at=None).update(
            unassigned_at=None,
            unassign_reason="",
            overdue=Case(When(due_at__lte=self.now, then=Value(True)), default=F("overdue")),
            updated_at=self.stamp,
            updated_by=self.actor.ref,
        )
        holding = [TrainSession(pk=pk, unit_id=unit) for pk, unit in units.items() if unit is not None]
        self.records.bulk_update(holding, ["unit"], batch_size=200)

    def mark_overdue(self) -> int:
        """Record that due instants have passed. Returns how many records fell due."""
        due = falling_due(self.organization, self.now)
        return due.update(overdue=True, updated_at=self.stamp, updated_by=self.actor.ref)


def falling_due(organization: Organization | Slot, now: datetime | Slot) -> TrainSessionQuerySet:
    """Open records whose due instant has passed without that having been recorded."""
    return TrainSession.objects.of(organization).open().filter(overdue=False, due_at__lte=now)


@contextmanager
def ledger_writer(organization: Organization, actor: Actor) -> Iterator[LedgerWriter]:
    """A transaction (or the caller's, after the caller's session locks) that holds the ledger lock from here on."""
    with write(actor):
        lock_ledger(organization.pk)
        yield LedgerWriter(organization, actor)
