"""Hostile files at every import: the form says what is wrong, and nothing is kept of them."""

import time
import tracemalloc

import pytest

from accounts.admin.importing import PEOPLE, table_of
from accounts.models import Organization
from accounts.tables import TableRefused
from tests.accounts.admin_pages import Pages
from tests.accounts.sent_files import IMPORTS, csv_of, refused, xlsx_of
from tests.contracts.scene import everything
from tests.factories import UserFactory
from tests.hostile.files import COSTLY, FILES, FORMULAS, status_of

MOST_SECONDS = 2  # Of CPU, with every allocation noted.
MOST_MEMORY = 40_000_000  # Bytes.
EVERY_IMPORT = pytest.mark.parametrize("kind", IMPORTS)


@pytest.fixture
def staff(organization: Organization) -> Pages:
    return Pages(UserFactory.create(organization=organization, email="ada@example.com"))


def header_of(kind: str) -> list[str]:
    columns = IMPORTS[kind].columns
    return [columns.keys[0], *columns.required]


@EVERY_IMPORT
def test_a_hostile_file_is_refused_on_the_form(staff: Pages, kind: str) -> None:
    before = everything()
    header = header_of(kind)
    answers = {
        what: refused(staff, make(header), name, kind, status_of(said)) for what, (name, make, said) in FILES.items()
    }
    assert answers == {what: [said.format(name)] for what, (name, _, said) in FILES.items()}
    assert everything() == before


@pytest.mark.parametrize("what", COSTLY)
def test_a_costly_workbook_is_refused_before_it_costs_anything(what: str) -> None:
    make, said = COSTLY[what]
    content = make(["employee_id"])
    assert len(content) < 300_000
    tracemalloc.start()
    started = time.process_time()
    try:
        with pytest.raises(TableRefused) as refusal:
            table_of(content, "f.xlsx", PEOPLE.columns)
        seconds = time.process_time() - started
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert str(refusal.value) == said.format("f.xlsx")
    assert (seconds < MOST_SECONDS, peak < MOST_MEMORY) == (True, True), (seconds, peak)


@EVERY_IMPORT
@pytest.mark.parametrize("name", ["f.csv", "f.xlsx"])
def test_a_formula_is_refused_on_the_form(staff: Pages, kind: str, name: str) -> None:
    header = header_of(kind)
    before = everything()
    for formula in FORMULAS:
        quoted = '"' + formula.replace('"', '""') + '"'
        values = [formula, *["x"] * (len(header) - 1)]
        csv = csv_of(",".join(header), ",".join([quoted, *values[1:]]))
        content = csv if name == "f.csv" else xlsx_of(header, values)
        said = f"{name}, line 2: {header[0]} begins with {formula[0]}, as a formula does. Write its value."
        assert refused(staff, content, name, kind) == [said]
    assert everything() == before
