"""import_people on random small files: a dry run, chunks of any size and one person at a time come to the same."""

from collections.abc import Sequence
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings, strategies as st

from accounts.actors import Actor
from accounts.bulk import InputRow, RowOutcome
from accounts.errors import FieldsRefused
from accounts.models import Person
from accounts.services import groups, importing
from accounts.services.importing_people import import_people
from accounts.services.people import create_person, update_person
from accounts.wording import describe
from tests.accounts.imported_people import State, add, state
from tests.factories import OrganizationFactory

ACTOR = Actor.system()

CELLS = {
    "first_name": st.sampled_from(["Ada", "Ada", "Ada", "Bea", ""]),
    "mail": st.sampled_from(["", "x@a.example", "X@a.example", "y@a.example", "z"]),
    "username": st.sampled_from(["", "a", "b", "c"]),
    "groups": st.sampled_from(["", "G", "H;G"]),
}
NUMBERS = st.sampled_from(["1", "2", "3", "4"])


@st.composite
def files(draw: st.DrawFn) -> tuple[list[str], list[InputRow]]:
    columns = ["employee_id", *draw(st.lists(st.sampled_from(list(CELLS)), unique=True, min_size=1))]
    cells = st.fixed_dictionaries({"employee_id": NUMBERS, **{name: CELLS[name] for name in columns[1:]}})
    rows = draw(st.lists(cells, min_size=1, max_size=7))
    return columns, [InputRow(line, row) for line, row in enumerate(rows, start=2)]


PEOPLE = st.fixed_dictionaries(
    {},
    optional={
        "1": st.just(("Ada", "L", "x@a.example", "a", "user", True, ("G",))),
        "2": st.just(("Bob", "L", "Y@a.example", "b", "driver", False, ("G", "H"))),
        "3": st.just(("Cy", "L", "", "", "user", True, ())),
    },
)


def said(outcomes: Sequence[RowOutcome]) -> list[tuple[int, str, str, str]]:
    return [(one.line, one.key, one.outcome, one.reason) for one in outcomes]


Told = list[tuple[int, str, str, str]]


def imported(before: State, columns: list[str], rows: list[InputRow], *, chunk: int) -> tuple[Told, State, Told]:
    """What was told of the rows, the people then, and what was told of the rows of a dry run before it."""
    told: list[RowOutcome] = []
    guess: list[RowOutcome] = []
    with pytest.MonkeyPatch.context() as patch, transaction.atomic():
        patch.setattr(importing, "CHUNK", chunk)
        organization = OrganizationFactory.create()
        for number, values in before.items():
            add(organization, number, values)
        asked: dict[str, Any] = {"organization": organization, "actor": ACTOR, "columns": columns, "rows": rows}
        import_people(**asked, dry_run=True, tell=guess.extend)
        import_people(**asked, tell=told.extend)
        after = state(organization)
        transaction.set_rollback(True)
    return said(told), after, said(guess)


RANDOM = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@RANDOM
@given(before=PEOPLE, file=files(), chunk=st.sampled_from([2, 3]))
def test_import_people_dry_run_says_what_the_real_run_does_and_chunks_change_nothing(
    db: None, before: State, file: tuple[list[str], list[InputRow]], chunk: int
) -> None:
    told, after, guess = imported(before, *file, chunk=chunk)
    assert guess == told
    assert imported(before, *file, chunk=2000) == (told, after, told)


def one_by_one(before: State, columns: list[str], rows: list[InputRow], told: Told) -> tuple[Told, State]:
    """The same through the services that take one person. What an earlier line has given is not theirs to refuse."""
    results: Told = []
    with transaction.atomic():
        organization = OrganizationFactory.create()
        for number, values in before.items():
            add(organization, number, values)
        for row, known in zip(rows, told, strict=True):
            if "has it already" in known[3]:
                results.append(known)
                continue
            fields = {name: row.cells[name] for name in columns if name not in ("employee_id", "groups")}
            number = row.cells["employee_id"]
            person = Person.objects.filter(organization=organization, employee_id=number).first()
            was = state(organization)
            try:
                if person is None:
                    person = create_person(organization=organization, actor=ACTOR, employee_id=number, **fields)
                else:
                    update_person(organization=organization, actor=ACTOR, person=person, changes=fields)
            except FieldsRefused as refusal:
                results.append((row.line, number, "refused", describe(refusal)))
                continue
            if "groups" in columns:
                names = [name for name in row.cells["groups"].split(";") if name]
                groups.set_groups(organization=organization, actor=ACTOR, names={person.pk: names})
            now = state(organization)
            changed = "created" if number not in was else "unchanged" if now == was else "updated"
            results.append((row.line, number, changed, ""))
        after = state(organization)
        transaction.set_rollback(True)
    return results, after


@RANDOM
@given(before=PEOPLE, file=files())
def test_import_people_does_what_the_services_do_for_one_person(
    db: None, before: State, file: tuple[list[str], list[InputRow]]
) -> None:
    told, after, _ = imported(before, *file, chunk=2000)
    assert one_by_one(before, *file, told) == (told, after)
