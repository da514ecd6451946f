"""Hostile files at every import: the form says what is wrong, and nothing is kept of them."""

import pytest

from accounts.models import Organization
from tests.accounts.admin_pages import Pages
from tests.accounts.sent_files import IMPORTS, csv_of, refused, xlsx_of
from tests.contracts.scene import everything
from tests.factories import UserFactory
from tests.hostile.files import FILES, FORMULAS

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
    answers = {what: refused(staff, make(header), name, kind) for what, (name, make, _) in FILES.items()}
    assert answers == {what: [said.format(name)] for what, (name, _, said) in FILES.items()}
    assert everything() == before


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
