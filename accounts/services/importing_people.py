"""Importing people: by employee number, in the order of the file, a constant number of queries for each chunk."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower

from accounts.actors import Actor
from accounts.bulk import Done, InputRow, RowOutcome, Tell, noted, tell_nobody
from accounts.errors import FieldsRefused
from accounts.leaving import leaving
from accounts.models import Group, OperationKind, Organization, Outcome, Person
from accounts.search import searchable
from accounts.services import groups
from accounts.services.cells import flag, listed_in, wrong_fields
from accounts.services.importing import FirstLines, import_rows
from accounts.services.upserting import upsert
from accounts.wording import describe

KEY = "employee_id"
TEXTS = ("first_name", "last_name", "mail", "username")
# An empty cell leaves these as they are.
CHOICES = ("kind", "active")
COLUMNS = (KEY, *TEXTS, *CHOICES, "groups")

# What nobody else in the organization may have, with the constraint's words for it.
TAKEN = {
    str(constraint.violation_error_code): str(constraint.violation_error_message)
    for constraint in Person._meta.constraints  # noqa: SLF001 - Django's documented name
    if isinstance(constraint, models.UniqueConstraint) and constraint.violation_error_code != KEY
}
# What an import never sets by a cell.
_OWN = {"organization", "search_name", "hex_id", "created_at"}


def import_people(
    *,
    organization: Organization,
    actor: Actor,
    columns: Collection[str],
    rows: Iterable[InputRow],
    details: dict[str, Any] | None = None,
    dry_run: bool = False,
    tell: Tell = tell_nobody,
) -> Done:
    """Take people in from the rows of a file that has these of COLUMNS.

    A row is what the file says of one employee number: a column that the file has not stays as it is. Rows that cannot
    be taken in are refused, each with its reason. What is open of somebody who becomes inactive is unassigned, in the
    same transaction and as an operation of its own, which can be undone. Raises Busy.
    """
    return import_rows(
        organization=organization,
        actor=actor,
        importer=PeopleImporter(organization=organization, actor=actor, columns=columns),
        rows=rows,
        details=details,
        dry_run=dry_run,
        tell=tell,
    )


def folded(column: str, text: str) -> str:
    """By what a value counts as the same one: a mail address ignoring case."""
    return text.lower() if column == "mail" else text


class PeopleImporter:
    kind = OperationKind.IMPORT_PEOPLE

    def __init__(self, *, organization: Organization, actor: Actor, columns: Collection[str]) -> None:
        self.organization, self.actor = organization, actor
        self.fields = [name for name in (*TEXTS, *CHOICES) if name in columns]
        self.as_they_are = _OWN | {KEY, *TEXTS, *CHOICES} - {*self.fields}  # Of people who are there.
        self.unique = [name for name in TAKEN if name in columns]
        self.grouped = "groups" in columns
        self.lines = FirstLines()

    def key(self, row: InputRow) -> str:
        return row.cells[KEY]

    def take(self, rows: Sequence[InputRow], *, dry_run: bool) -> list[RowOutcome]:
        plan = _Plan(self, rows, dry_run=dry_run)
        planned = [plan.of(row) for row in rows]
        ids = {} if dry_run else self._write(planned)
        self._take_back(planned, dry_run=dry_run)
        return [
            RowOutcome(
                one.row.line, one.key, one.outcome, noted(one.row, one.reason), one.person_id or ids.get(one.key)
            )
            for one in planned
        ]

    def remember(self, rows: Sequence[InputRow], outcomes: Sequence[RowOutcome]) -> None:
        accepted = [row for row, one in zip(rows, outcomes, strict=True) if one.outcome != Outcome.REFUSED]
        for column in (KEY, *self.unique):
            given = {folded(column, row.cells[column]): row.line for row in accepted if row.cells[column]}
            self.lines.remember(column, given)

    def _write(self, planned: Sequence["_Planned"]) -> dict[str, int]:
        """The ids of the people who are new, by employee number."""
        ids = upsert(
            Person.objects.all(),
            organization=self.organization,
            planned=[one.person for one in planned if one.person is not None],
            new={one.key for one in planned if one.outcome == Outcome.CREATED},
            key=KEY,
            fields=[*self.fields, "search_name"],
        )
        names = {one.person_id or ids[one.key]: one.groups for one in planned if one.groups is not None}
        groups.set_groups(organization=self.organization, actor=self.actor, names=names)
        return ids

    def _take_back(self, planned: Sequence["_Planned"], *, dry_run: bool) -> None:
        """Last: it takes the ledger lock. A dry run only counts."""
        left = {one.person_id: one for one in planned if one.leaves and one.person_id is not None}
        if not left:
            return
        if dry_run:
            counted = leaving().open_records(organization=self.organization, person_ids=left.keys())
        else:
            counted = leaving().take_back(organization=self.organization, actor=self.actor, person_ids=left.keys())
        for pk, count in counted.items():
            left[pk].reason = f"Open train sessions unassigned: {count}."


@dataclass(slots=True)
class _Planned:
    """What is to become of a row. `person` and `groups` are None where they stay as they are; `person_id`: is there.

    `leaves`: has been active until now.
    """

    row: InputRow
    key: str
    outcome: Outcome
    reason: str = ""
    person: Person | None = None
    person_id: int | None = None
    groups: Sequence[str] | None = None
    leaves: bool = False


class _Plan:
    """What becomes of the rows of a chunk, each seeing what the rows before it did."""

    def __init__(self, importer: PeopleImporter, rows: Sequence[InputRow], *, dry_run: bool) -> None:
        self.organization, self.importer = importer.organization, importer
        values = {
            column: {folded(column, row.cells[column]) for row in rows if row.cells[column]}
            for column in (KEY, *importer.unique)
        }
        self.there = people_there(self.organization, values[KEY], lock=not dry_run)
        self.lines = {column: importer.lines.of(column, given) for column, given in values.items()}
        self.holders = {
            column: holders(self.organization, column, given) for column, given in values.items() if column != KEY
        }
        # Of whom earlier rows said what they now have. In a dry run the database still shows what they had before.
        self.told: set[str] = set()
        if dry_run:
            everyone = {number for by_value in self.holders.values() for number in by_value.values()}
            self.told.update(importer.lines.of(KEY, everyone))
        self.groups: dict[int, set[str]] = {}
        if importer.grouped:
            ids = [person.pk for person in self.there.values()]
            self.groups = groups.group_names(organization=self.organization, person_ids=ids)
        self.group_names: dict[str, list[str]] = {}  # What is wrong with a name, by name.

    def of(self, row: InputRow) -> _Planned:
        key = row.cells[KEY]
        before = self.there.get(key)
        person = self._new(key) if before is None else _as_it_is(before)
        self._fill(person, row.cells)
        wanted = listed_in(row.cells["groups"]) if self.importer.grouped else None
        wrong = self._wrong(row, person, before, wanted or ())
        if wrong:
            return _Planned(row, key, Outcome.REFUSED, describe(FieldsRefused(wrong)))
        self._note(row)
        if before is None:
            return _Planned(row, key, Outcome.CREATED, person=person, groups=wanted or None)
        changed = any(getattr(person, name) != getattr(before, name) for name in self.importer.fields)
        regrouped = wanted is not None and set(wanted) != self.groups.get(before.pk, set())
        return _Planned(
            row,
            key,
            Outcome.UPDATED if changed or regrouped else Outcome.UNCHANGED,
            person=person if changed else None,
            person_id=before.pk,
            groups=wanted if regrouped else None,
            leaves=before.active and not person.active,
        )

    def _new(self, key: str) -> Person:
        return Person(organization_id=self.organization.pk, employee_id=key)

    def _fill(self, person: Person, cells: Mapping[str, str]) -> None:
        for name in self.importer.fields:
            text = cells[name]
            if name in TEXTS or text:
                setattr(person, name, flag(text) if name == "active" else text)
        person.search_name = searchable(person.full_name)

    def _wrong(
        self, row: InputRow, person: Person, before: Person | None, wanted: Sequence[str]
    ) -> dict[str, list[str]]:
        """What is wrong with the row, by column."""
        wrong = wrong_fields(person, _OWN if before is None else self.importer.as_they_are)
        for column in (KEY, *self.importer.unique):
            text = row.cells[column]
            if text and column not in wrong and (why := self._taken(column, folded(column, text), row.cells[KEY])):
                wrong[column] = [why]
        if messages := [message for name in wanted for message in self._wrong_group(name)]:
            wrong["groups"] = messages
        return wrong

    def _taken(self, column: str, value: str, key: str) -> str:
        """Why somebody cannot have a value; empty where they can."""
        line = self.lines[column].get(value)
        if line is not None:
            return f"line {line} has it already."
        holder = self.holders.get(column, {}).get(value, key)
        return TAKEN[column] if holder != key and holder not in self.told else ""

    def _wrong_group(self, name: str) -> list[str]:
        if name not in self.group_names:
            try:
                Group._meta.get_field("name").clean(name, None)  # noqa: SLF001 - Django's documented name
            except ValidationError as error:
                self.group_names[name] = error.messages
            else:
                self.group_names[name] = []
        return self.group_names[name]

    def _note(self, row: InputRow) -> None:
        """The row is accepted: what it gives is taken, and what its person had before is free."""
        self.told.add(row.cells[KEY])
        for column, lines in self.lines.items():
            if text := row.cells[column]:
                lines[folded(column, text)] = row.line


def _as_it_is(person: Person) -> Person:
    """A copy without its id, to be changed and written by its employee number."""
    fields = Person._meta.concrete_fields  # noqa: SLF001 - Django's documented name
    return Person(**{field.attname: getattr(person, field.attname) for field in fields if not field.primary_key})


def people_there(organization: Organization, numbers: Collection[str], *, lock: bool) -> dict[str, Person]:
    """Those of these employee numbers who are there."""
    people = Person.objects.of(organization).filter(employee_id__in=numbers).order_by("pk")
    if lock:
        # Others may go on to refer to these people: a foreign key shares its target's key, which is not changed here.
        people = people.select_for_update(of=("self",), no_key=True)
    return {person.employee_id: person for person in people}


def holders(organization: Organization, column: str, values: Collection[str]) -> dict[str, str]:
    """The employee number of whoever has each of these values in the database."""
    if not values:
        return {}
    # As the constraints say it: their indexes serve this.
    people = Person.objects.of(organization).exclude(**{column: ""}).order_by()
    if column == "mail":
        by_mail = people.annotate(folded=Lower("mail")).filter(folded__in=values)
        return dict(by_mail.values_list("folded", KEY))
    return dict(people.filter(**{f"{column}__in": values}).values_list(column, KEY))
