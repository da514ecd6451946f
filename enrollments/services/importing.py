"""Importing courses: by code, in the order of the file, a constant number of queries for each chunk."""

import re
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import IntegrityError
from django.utils import timezone

from accounts.actors import Actor
from accounts.bulk import Done, InputRow, RowOutcome, Tell, noted, tell_nobody
from accounts.errors import FieldsRefused
from accounts.models import OperationKind, Organization, Outcome
from accounts.search import searchable
from accounts.services.cells import flag, listed_in, wrong_fields
from accounts.services.importing import FirstLines, import_rows
from accounts.services.upserting import upsert
from accounts.transactions import lock_ledger
from enrollments.errors import CourseUnknown
from enrollments.models import Category, Course, Prerequisite
from enrollments.services.catalogue import CIRCLE
from enrollments.wording import describe

KEY = "code"
# An empty cell clears these,
CLEARED = ("title", "category", "provider_name", "description", "pass_score", "certificate_months")
# and leaves these as they are.
KEPT = ("delivery_mode", "duration_hours", "cost_per_participant", "provider", "uses_units", "status")
COLUMNS = (KEY, *CLEARED, *KEPT, "prerequisites")

# What an import never sets by a cell.
_OWN = {"organization", "search_code", "search_title", "uuid", "revision", "hex_id", "created_at", "updated_at"}


def import_courses(
    *,
    organization: Organization,
    actor: Actor,
    columns: Collection[str],
    rows: Iterable[InputRow],
    details: dict[str, Any] | None = None,
    dry_run: bool = False,
    tell: Tell = tell_nobody,
) -> Done:
    """Take courses in from the rows of a file that has these of COLUMNS.

    A row is what the file says of one code: a column that the file has not stays as it is. Every change is a new
    revision. Rows that cannot be taken in are refused, each with its reason. Raises Busy.
    """
    return import_rows(
        organization=organization,
        actor=actor,
        importer=CourseImporter(organization=organization, columns=columns),
        rows=rows,
        details=details,
        dry_run=dry_run,
        tell=tell,
    )


def decimal_in(text: str) -> Decimal:
    """Digits, perhaps with a point and a sign: nothing else that Decimal would read. Raises ValueError, in words."""
    if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text):
        return Decimal(text)
    if re.fullmatch(r"-?[0-9.]*,[0-9,.]*", text):
        raise ValueError("Write the number with a decimal point and no comma, such as 1.5.")
    raise ValueError("Give a number, such as 8 or 1.5.")


def whole_number_in(text: str) -> int:
    """Raises ValueError, in words. More digits than any column of ours takes are none of a whole number's."""
    if not re.fullmatch(r"-?[0-9]{1,18}", text):
        raise ValueError("Give a whole number.")
    return int(text)


def category_in(text: str, known: Mapping[str, Category]) -> Category:
    """By slug or name, ignoring case. Raises ValueError, in words."""
    category = known.get(searchable(text))
    if category is None:
        slugs = sorted({one.slug for one in known.values()})
        raise ValueError(f"Give one of {', '.join(slugs)}.")
    return category


PARSERS: dict[str, Callable[[str], Any]] = {
    "duration_hours": decimal_in,
    "cost_per_participant": decimal_in,
    "pass_score": decimal_in,
    "certificate_months": whole_number_in,
    "uses_units": flag,
}
_EMPTY = {"category": None, "pass_score": None, "certificate_months": None}


class CourseImporter:
    kind = OperationKind.IMPORT_COURSES

    def __init__(self, *, organization: Organization, columns: Collection[str]) -> None:
        self.organization = organization
        self.fields = [name for name in (*CLEARED, *KEPT) if name in columns]
        self.as_they_are = _OWN | {KEY, *CLEARED, *KEPT} - {*self.fields}  # Of courses that are there.
        self.with_prerequisites = "prerequisites" in columns
        self.categories = {
            searchable(text): category for category in Category.objects.all() for text in (category.slug, category.name)
        }
        self.lines = FirstLines()
        self.required: dict[str, set[str]] = {}  # By earlier rows: a catalogue is small.

    def key(self, row: InputRow) -> str:
        return row.cells[KEY]

    def take(self, rows: Sequence[InputRow], *, dry_run: bool) -> list[RowOutcome]:
        plan = _Plan(self, rows, dry_run=dry_run)
        planned = [plan.of(row) for row in rows]
        ids = {} if dry_run else self._write(planned)
        return [
            RowOutcome(
                one.row.line, one.key, one.outcome, noted(one.row, one.reason), one.course_id or ids.get(one.key)
            )
            for one in planned
        ]

    def remember(self, rows: Sequence[InputRow], outcomes: Sequence[RowOutcome]) -> None:
        accepted = [row for row, one in zip(rows, outcomes, strict=True) if one.outcome != Outcome.REFUSED]
        self.lines.remember(KEY, {row.cells[KEY]: row.line for row in accepted})
        if self.with_prerequisites:
            self.required.update((row.cells[KEY], set(listed_in(row.cells["prerequisites"]))) for row in accepted)

    def _write(self, planned: Sequence["_Planned"]) -> dict[str, int]:
        """The ids of the courses that are new, by code."""
        ids = upsert(
            Course.objects.all(),
            organization=self.organization,
            planned=[one.course for one in planned if one.course is not None],
            new={one.key for one in planned if one.outcome == Outcome.CREATED},
            key=KEY,
            fields=[*self.fields, "search_title", "revision", "updated_at"],
        )
        required = {one.course_id or ids[one.key]: one.required for one in planned if one.required is not None}
        _set_many(self.organization, required)
        return ids


def _set_many(organization: Organization, required: Mapping[int, Collection[str]]) -> None:
    """The prerequisites of many courses, by id. The ledger's lock is held, and no circle comes of it.

    Raises IntegrityError where a course was renamed since it was seen.
    """
    if not required:
        return
    codes = set[str]().union(*required.values())
    ids = dict(Course.objects.of(organization).filter(code__in=codes).values_list("code", "pk"))
    if len(ids) < len(codes):
        raise IntegrityError("Somebody else gave one of these courses another code at the same time.")
    wanted = {(course_id, ids[code]) for course_id, given in required.items() for code in given}
    rows = Prerequisite.objects.of(organization)
    of_these = rows.filter(course__in=required).values_list("course_id", "required_id", "pk")
    there = {(course_id, required_id): pk for course_id, required_id, pk in of_these}
    rows.filter(pk__in=[pk for pair, pk in there.items() if pair not in wanted]).delete()
    Prerequisite.objects.bulk_create(
        Prerequisite(organization=organization, course_id=course_id, required_id=required_id)
        for course_id, required_id in sorted(wanted - there.keys())
    )


@dataclass(slots=True)
class _Planned:
    """What is to become of a row. `course` and `required` are None where they stay as they are; `course_id`: is there."""

    row: InputRow
    key: str
    outcome: Outcome
    reason: str = ""
    course: Course | None = None
    course_id: int | None = None
    required: Sequence[str] | None = None


class _Plan:
    """What becomes of the rows of a chunk, each seeing what the rows before it did."""

    def __init__(self, importer: CourseImporter, rows: Sequence[InputRow], *, dry_run: bool) -> None:
        self.organization, self.importer = importer.organization, importer
        self.now = timezone.now()
        codes = {row.cells[KEY] for row in rows}
        self.there = courses_there(self.organization, codes, lock=not dry_run)
        self.lines = importer.lines.of(KEY, codes)
        self.known: set[str] = set()
        self.edges: dict[str, set[str]] = {}
        if importer.with_prerequisites:
            if not dry_run:
                # One at a time in an organization: two changes at once could close a circle that neither sees whole.
                lock_ledger(self.organization.pk)
            self._read_prerequisites(rows, dry_run=dry_run)

    def _read_prerequisites(self, rows: Sequence[InputRow], *, dry_run: bool) -> None:
        named = {code for row in rows for code in listed_in(row.cells["prerequisites"])}
        courses = Course.objects.of(self.organization).filter(code__in=named)
        self.known = set(courses.values_list("code", flat=True))
        edges = Prerequisite.objects.of(self.organization).values_list("course__code", "required__code")
        for course, required in edges.order_by():
            self.edges.setdefault(course, set()).add(required)
        if dry_run:
            # The database does not show what earlier chunks would have written.
            self.known.update(self.importer.lines.of(KEY, named))
            self.edges.update(self.importer.required)

    def of(self, row: InputRow) -> _Planned:
        key = row.cells[KEY]
        before = self.there.get(key)
        course = Course(organization_id=self.organization.pk, code=key) if before is None else _as_it_is(before)
        required = listed_in(row.cells["prerequisites"]) if self.importer.with_prerequisites else None
        wrong = self._fill(course, row.cells)
        wrong = self._wrong(course, before, wrong, required or ())
        if wrong:
            return _Planned(row, key, Outcome.REFUSED, describe(FieldsRefused(wrong)))
        relisted = required is not None and set(required) != self.edges.get(key, set())
        self._note(row, required)
        if before is None:
            return _Planned(row, key, Outcome.CREATED, course=course, required=required or None)
        if not relisted and all(getattr(course, name) == getattr(before, name) for name in self._compared()):
            return _Planned(row, key, Outcome.UNCHANGED, course_id=before.pk)
        course.revision, course.updated_at = uuid.uuid4(), self.now
        return _Planned(
            row, key, Outcome.UPDATED, course=course, course_id=before.pk, required=required if relisted else None
        )

    def _compared(self) -> list[str]:
        return ["category_id" if name == "category" else name for name in self.importer.fields]

    def _fill(self, course: Course, cells: Mapping[str, str]) -> dict[str, list[str]]:
        """What cannot be read, by column."""
        wrong: dict[str, list[str]] = {}
        for name in self.importer.fields:
            try:
                if text := cells[name]:
                    setattr(course, name, self._value(name, text))
                elif name in CLEARED:
                    setattr(course, name, _EMPTY.get(name, ""))
            except ValueError as error:
                wrong[name] = [str(error)]
        course.search_code, course.search_title = searchable(course.code), searchable(course.title)
        return wrong

    def _value(self, name: str, text: str) -> Any:
        if name == "category":
            return category_in(text, self.importer.categories)
        return PARSERS[name](text) if name in PARSERS else text

    def _wrong(
        self, course: Course, before: Course | None, unread: dict[str, list[str]], required: Sequence[str]
    ) -> dict[str, list[str]]:
        """What is wrong with the row, by column."""
        exclude = {*unread, *(_OWN if before is None else self.importer.as_they_are)}
        if course.category_id is not None:
            exclude.add("category")  # It is one of those that are there: no query for each row.
        wrong = wrong_fields(course, exclude) | unread
        if KEY not in wrong and course.code in self.lines:
            wrong[KEY] = [f"line {self.lines[course.code]} has it already."]
        elif why := self._wrong_prerequisites(course.code, required):
            wrong["prerequisites"] = [why]
        return wrong

    def _wrong_prerequisites(self, code: str, required: Sequence[str]) -> str:
        if unknown := [one for one in required if one != code and one not in self.known]:
            return describe(CourseUnknown(unknown))
        reached, frontier = set[str](), set(required)
        while frontier:
            reached |= frontier
            after = (self.edges.get(before, set()) for before in frontier)
            frontier = set[str]().union(*after) - reached
        return CIRCLE if code in reached else ""

    def _note(self, row: InputRow, required: Sequence[str] | None) -> None:
        """The row is accepted: later ones can require its course."""
        self.lines[row.cells[KEY]] = row.line
        self.known.add(row.cells[KEY])
        if required is not None:
            self.edges[row.cells[KEY]] = set(required)


def _as_it_is(course: Course) -> Course:
    """A copy without its id, to be changed and written by its code."""
    fields = Course._meta.concrete_fields  # noqa: SLF001 - Django's documented name
    return Course(**{field.attname: getattr(course, field.attname) for field in fields if not field.primary_key})


def courses_there(organization: Organization, codes: Collection[str], *, lock: bool) -> dict[str, Course]:
    """Those of these codes that are there."""
    courses = Course.objects.of(organization).filter(code__in=codes).order_by("pk")
    if lock:
        # Others may go on to refer to these courses: a foreign key shares its target's key, which is not changed here.
        courses = courses.select_for_update(of=("self",), no_key=True)
    return {course.code: course for course in courses}
