"""The compliance matrix: active people by required courses, and how each stands with each."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery, Window
from django.db.models.functions import Coalesce, RowNumber

from accounts.days import day_of
from accounts.models import GroupMember, Organization, Person
from accounts.search import searchable
from enrollments.models import Course
from training.models import Audience, Requirement, RequirementPerson, State, TrainSession
from training.required import Coverage, coverage

CHUNK = 500  # People of one query of a complete matrix.


class CellState(StrEnum):
    """How somebody stands with a course. A valid certificate counts before what is open, and that before what expired.

    EXPIRED and MISSING are where nothing is open: those are what `apply_requirements` opens.
    """

    VALID = "valid"
    EXPIRING = "expiring"
    EXPIRED = "expired"
    OVERDUE = "overdue"
    ASSIGNED = "assigned"
    MISSING = "missing"


class Cell(NamedTuple):
    """`day` is the certificate's last day, or the day on which an open record is due. Without a state: not required,
    and no record either. A record of what is not required has its state all the same.
    """

    required: bool
    state: CellState | None
    record_id: int | None = None
    day: date | None = None


class PersonRow(NamedTuple):
    pk: int
    employee_id: str
    name: str


@dataclass(frozen=True)
class Page:
    """`earlier`, `later`: whether rows may lie before and behind these."""

    people: list[PersonRow]
    earlier: bool
    later: bool


@dataclass(frozen=True)
class Wanted:
    """Which rows and columns. Categories and courses narrow the columns, and the cells that `state` looks at."""

    search: str = ""
    category_id: int | None = None
    course_id: int | None = None
    group_id: int | None = None
    state: CellState | None = None


@dataclass(frozen=True)
class Matrix:
    """One organization's, at one moment. `requirements` are the active ones; a certificate that ends within so many
    days is expiring.
    """

    organization: Organization
    requirements: Sequence[Requirement]
    wanted: Wanted
    now: datetime
    within: int

    @cached_property
    def today(self) -> date:
        return day_of(self.now, self.organization.zone)

    @cached_property
    def soon(self) -> date:
        return self.today + timedelta(days=self.within)

    @cached_property
    def asking(self) -> list[Requirement]:
        """The requirements of the wanted columns."""
        return [
            one
            for one in self.requirements
            if self.wanted.category_id in (None, one.course.category_id)
            and self.wanted.course_id in (None, one.course_id)
        ]

    @cached_property
    def courses(self) -> list[Course]:
        """The columns, by course code."""
        return list({one.course_id: one.course for one in self.asking}.values())

    def people(self) -> "QuerySet[Person]":
        """The rows, by employee number, which an index serves."""
        people: QuerySet[Person] = Person.objects.of(self.organization).filter(active=True)
        for word in self.wanted.search.split():
            people = people.filter(Q(search_name__contains=searchable(word)) | Q(employee_id__icontains=word))
        if self.wanted.group_id is not None:
            members = GroupMember.objects.of(self.organization).filter(group_id=self.wanted.group_id)
            people = people.filter(pk__in=members.values("person_id"))
        if self.wanted.state is not None:
            people = self._in_state(people, self.wanted.state)
        return people.order_by("employee_id")

    def page(self, size: int, *, after: str = "", before: str = "") -> "Page":
        """The rows behind an employee number, or those in front of one. Nothing is counted or skipped over: what a
        filter has passed over is not looked at again.
        """
        people = self.people()
        if before:
            rows = self._rows(people.filter(employee_id__lt=before).order_by("-employee_id")[: size + 1])
            return Page(rows[:size][::-1], earlier=len(rows) > size, later=True)
        rows = self._rows(people.filter(employee_id__gt=after)[: size + 1])
        return Page(rows[:size], earlier=bool(after), later=len(rows) > size)

    def chunks(self) -> Iterator[tuple[list[PersonRow], dict[tuple[int, int], Cell]]]:
        """All rows with the cells of all columns, in chunks by key, each its own short queries."""
        people, courses = self.people(), self.courses
        rows = self._rows(people[:CHUNK])
        while rows:
            yield rows, self.cells([row.pk for row in rows], courses)
            last = rows[-1].employee_id
            rows = self._rows(people.filter(employee_id__gt=last)[:CHUNK]) if len(rows) == CHUNK else []

    @staticmethod
    def _rows(people: "QuerySet[Person]") -> list[PersonRow]:
        found = people.values_list("pk", "employee_id", "first_name", "last_name")
        return [PersonRow(pk, employee_id, f"{first} {last}".strip()) for pk, employee_id, first, last in found]

    def cells(self, person_ids: Collection[int], courses: Sequence[Course]) -> dict[tuple[int, int], Cell]:
        """By person and course, in four queries at most, whatever their numbers. No cell: not required, no record."""
        shown = {course.pk for course in courses}
        covering = coverage(self.organization, [one for one in self.asking if one.course_id in shown], person_ids)
        held = self._held(person_ids, shown)
        cells = {
            pair: Cell(covering.requires(*pair), state, record_id, day)
            for pair, (state, record_id, day) in held.items()
        }
        for person_id, course_id in self._required(covering, person_ids, shown):
            cells.setdefault((person_id, course_id), Cell(required=True, state=CellState.MISSING))
        return cells

    @staticmethod
    def _required(covering: Coverage, people: Collection[int], courses: Collection[int]) -> Iterator[tuple[int, int]]:
        for course_id in courses:
            for person_id in people:
                if covering.requires(person_id, course_id):
                    yield person_id, course_id

    def _held(
        self, people: Collection[int], courses: Collection[int]
    ) -> dict[tuple[int, int], tuple[CellState, int, date | None]]:
        held = {}
        for person_id, course_id, pk, expiry in self._best_completed(people, courses):
            held[person_id, course_id] = (self._state_of(expiry), pk, expiry)
        records = TrainSession.objects.of(self.organization).open()
        rows = records.filter(person_id__in=people, course_id__in=courses)
        for person_id, course_id, pk, due_at in rows.values_list("person_id", "course_id", "pk", "due_at"):
            state, *_ = held.get((person_id, course_id), (CellState.EXPIRED,))
            if state == CellState.EXPIRED:
                late = due_at is not None and due_at <= self.now
                due = None if due_at is None else day_of(due_at, self.organization.zone)
                held[person_id, course_id] = (CellState.OVERDUE if late else CellState.ASSIGNED, pk, due)
        return held

    def _state_of(self, expiry: date | None) -> CellState:
        if expiry is None or expiry > self.soon:
            return CellState.VALID
        return CellState.EXPIRING if expiry >= self.today else CellState.EXPIRED

    def _best_completed(
        self, people: Collection[int], courses: Collection[int]
    ) -> "QuerySet[TrainSession, tuple[int, int, int, date | None]]":
        """Of each pair the completed record that is valid longest; the newest of several."""
        rank = Window(
            RowNumber(),
            partition_by=[F("person_id"), F("course_id")],
            order_by=[F("cert_expiry").desc(nulls_first=True), F("completed_at").desc(), F("pk").desc()],
        )
        rows = TrainSession.objects.of(self.organization).filter(
            person_id__in=people, course_id__in=courses, state=State.COMPLETED
        )
        best = rows.annotate(rank=rank).filter(rank=1)
        return best.order_by().values_list("person_id", "course_id", "pk", "cert_expiry")

    # People by the state of some required cell: a condition of the query, never a walk over everybody in Python. It is
    # a subquery for each person in the order of the list, which ends when a page is full. As EXISTS, PostgreSQL would
    # join it, and put a million records into a hash before the first row.

    def _in_state(self, people: "QuerySet[Person]", state: CellState) -> "QuerySet[Person]":
        if state == CellState.MISSING:
            return self._lacking_something(people)
        named = self._requirements_of("person_id").filter(course_id=OuterRef("course_id"))
        required = Q(course_id__in=self._of_everybody()) | Q(Exists(named))
        records = self._records(state).filter(required, course_id__in=[course.pk for course in self.courses])
        found = records.filter(organization=OuterRef("organization"), person_id=OuterRef("pk")).order_by()
        return people.annotate(found=Subquery(found.values("pk")[:1])).filter(found__isnull=False)

    def _of_everybody(self) -> list[int]:
        return list({one.course_id for one in self.asking if one.audience == Audience.ALL})

    def _requirements_of(self, person: str) -> "QuerySet[Requirement]":
        """That name the person in this column of an outer row, by group or by name."""
        members = GroupMember.objects.of(self.organization).filter(
            group_id=OuterRef("group_id"), person_id=OuterRef(OuterRef(person))
        )
        named = RequirementPerson.objects.of(self.organization).filter(
            requirement_id=OuterRef("pk"), person_id=OuterRef(OuterRef(person))
        )
        rows = Requirement.objects.of(self.organization).active().order_by()
        return rows.filter(Exists(members) | Exists(named))

    def _records(self, state: CellState) -> "QuerySet[TrainSession]":
        """The records that put their pair of person and course into a state (all but MISSING, which has none)."""
        records = TrainSession.objects.of(self.organization).live()
        twins = records.filter(person_id=OuterRef("person_id"), course_id=OuterRef("course_id"))
        done = Q(state=State.COMPLETED)
        valid = done & (Q(cert_expiry=None) | Q(cert_expiry__gte=self.today))
        longest = done & (Q(cert_expiry=None) | Q(cert_expiry__gt=self.soon))
        past = Q(due_at__lte=self.now)
        match state:
            case CellState.VALID:
                return records.filter(longest)
            case CellState.EXPIRING:
                ends = Q(cert_expiry__gte=self.today, cert_expiry__lte=self.soon)
                return records.filter(done, ends, ~Exists(twins.filter(longest)))
            case CellState.EXPIRED:
                return records.filter(done, ~Exists(twins.filter(~done | valid)), cert_expiry__lt=self.today)
            case CellState.OVERDUE:
                return records.filter(~done, past, ~Exists(twins.filter(valid)))
        return records.filter(~done, Q(due_at=None) | ~past, ~Exists(twins.filter(valid)))

    def _lacking_something(self, people: "QuerySet[Person]") -> "QuerySet[Person]":
        """Of some required course they have no record at all. What is required of everybody is counted: that is one
        look at an index for each person, and not one for each course.
        """
        live = TrainSession.objects.of(self.organization).live().order_by()
        everybody = self._of_everybody()
        counts = live.filter(person_id=OuterRef("pk"), course_id__in=everybody).values("person_id")
        held = counts.annotate(counted=Count("course_id", distinct=True)).values("counted")
        others = [one.pk for one in self.asking if one.course_id not in everybody]
        record = live.filter(person_id=OuterRef(OuterRef("pk")), course_id=OuterRef("course_id"))
        lacking = self._requirements_of("pk").filter(~Exists(record), pk__in=others)
        return people.annotate(held=Coalesce(Subquery(held), 0), lacking=Subquery(lacking.values("pk")[:1])).filter(
            Q(held__lt=len(everybody)) | Q(lacking__isnull=False)
        )
