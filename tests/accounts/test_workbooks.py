"""Workbooks: their cells and lines, the rules of files, and hostile ones."""

import io
import zipfile
from datetime import date, datetime
from typing import Any

import pytest

from accounts import archives
from accounts.archives import UNPACKS, WIDE
from accounts.models import Organization
from accounts.services.importing_people import COLUMNS as PEOPLE_COLUMNS
from accounts.tables import Columns, TableRefused, strict
from accounts.workbooks import SheetTable
from tests.accounts.admin_pages import Pages
from tests.accounts.sent_files import refused, xlsx_of
from tests.factories import UserFactory


@pytest.fixture
def staff(organization: Organization) -> Pages:
    return Pages(UserFactory.create(organization=organization, email="ada@example.com"))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([["employee_id", "first_name"], ["E-1", "=1+1"]],
         "people.xlsx, line 2: first_name begins with =, as a formula does. Write its value."),
        ([["employee_id", "first_name"], ["E-1", "#N/A"]],
         "people.xlsx, line 2: a cell shows #N/A. Write its value."),
        ([["employee_id"], ["E-1", "x"]],
         "people.xlsx, line 2: 2 values under 1 columns. The cells beside the header's must be empty."),
        ([["employee_id"]], "people.xlsx has no rows."),
        ([], "people.xlsx is empty."),
        ([["employee_id", "salary"], ["E-1", 1]],
         "people.xlsx has a column salary, which means nothing here. Known columns: "
         + ", ".join(PEOPLE_COLUMNS) + "."),
        ([["employee_id"], ["E" * 32_000, *["x" * 32_000] * 4]], "people.xlsx, line 2: more than 100,000 characters."),
    ],
)  # fmt: skip
def test_a_workbook_keeps_the_rules_of_files(staff: Pages, rows: list[list[Any]], message: str) -> None:
    assert refused(staff, xlsx_of(*rows), "people.xlsx") == [message]


def packed(parts: dict[str, bytes], base: bytes) -> bytes:
    """A workbook with some of its parts replaced."""
    content = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(base)) as source, zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as target:
        for name in {*source.namelist(), *parts}:
            target.writestr(name, parts[name] if name in parts else source.read(name))
    return content.getvalue()


SHEET = "xl/worksheets/sheet1.xml"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
UNREADABLE = "people.xlsx is no workbook that can be read. Save it as XLSX, or as CSV."
SWOLLEN = "people.xlsx unpacks to more than is read. Split it, or save it as CSV."
ENTITIES = f"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>
<worksheet xmlns="{MAIN}"><sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>&b;</t></is></c></row></sheetData></worksheet>"""
TYPES = """<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
<Override PartName="/xl/sharedStrings.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"/>
<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>
<Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>
</Types>"""
FAR_ROW = f"""<worksheet xmlns="{MAIN}"><dimension ref="A1:XFD1048576"/><sheetData>
<row r="1"><c r="A1" t="inlineStr"><is><t>employee_id</t></is></c></row>
<row r="99999999999"><c r="A99999999999" t="inlineStr"><is><t>E-1</t></is></c></row></sheetData></worksheet>"""


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({SHEET: b"<x>" + b" " * 30_000_000 + b"</x>"}, SWOLLEN),
        ({f"xl/media/{n}": bytes([n]) for n in range(256)} | {f"more/{n}": b"" for n in range(800)}, SWOLLEN),
        ({SHEET: ENTITIES.encode()}, UNREADABLE),
        ({"xl/sharedStrings.xml": ENTITIES.encode(), "[Content_Types].xml": TYPES.encode()}, UNREADABLE),
        ({"xl/workbook.xml": ENTITIES.encode()}, UNREADABLE),
        ({SHEET: b"<worksheet"}, UNREADABLE),
        ({SHEET: FAR_ROW.encode()}, "people.xlsx has more than 1,048,576 rows."),
    ],
    ids=["bomb", "parts", "entities", "entities of strings", "entities of the book", "broken", "a far row"],
)
def test_a_hostile_workbook_is_refused_before_it_costs_anything(
    staff: Pages, parts: dict[str, bytes], message: str
) -> None:
    base = xlsx_of(["employee_id"], ["E-1"])
    assert refused(staff, packed(parts, base), "people.xlsx") == [message]


@pytest.mark.parametrize(
    ("bound", "most", "message"),
    [
        ("MOST_ROWS", 3, "has more than 3 rows."),
        ("MOST_COLUMNS", 2, WIDE),
        ("MOST_STRINGS", 6, UNPACKS),
        ("MOST_BYTES_OF_STRINGS", 200, UNPACKS),
        ("MOST_WIDTHS", 11, UNPACKS),
        ("MOST_ELEMENTS", 100, UNPACKS),
        ("MOST_AT_A_TIME", 4, UNPACKS),
        ("MOST_BYTES_AT_A_TIME", 1_000, UNPACKS),
        ("MOST_FORMULAS", 3, "has formulas. Write their values."),
    ],
)
def test_a_workbook_is_read_to_each_of_its_bounds(
    monkeypatch: pytest.MonkeyPatch, bound: str, most: int, message: str
) -> None:
    """It has 4 rows of 3 cells, 7 strings, and a formula of 4 characters that is shared."""
    header = ["c0", "c1", "c2"]
    content = xlsx_of(header, ["a", "b", "c"], ["a", "b", "d"], [1, 2, 3])
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        sheet = archive.read(SHEET)
    shared = sheet.replace(b"<v>3</v>", b'<f t="shared" si="0">A4+1</f>')
    strings = f'<sst xmlns="{MAIN}">{"<si><t>text</t></si>" * 7}</sst>'
    added = {"xl/sharedStrings.xml": strings.encode(), "[Content_Types].xml": TYPES.encode()}
    content = packed({SHEET: shared, **added}, content)

    def check() -> None:
        SheetTable("x.xlsx", Columns(keys=["c0"]), io.BytesIO(content)).check()

    check()
    monkeypatch.setattr(archives, bound, most)
    with pytest.raises(TableRefused) as refusal:
        check()
    assert str(refusal.value) == f"x.xlsx {message}"


def test_cells_of_a_workbook_are_read_as_one_would_type_them() -> None:
    values = [
        7,
        7.0,
        0.1 + 0.2,
        0.00001,
        True,
        date(2024, 5, 31),
        datetime(2024, 5, 31, 8, 30),  # noqa: DTZ001 - a workbook knows no time zones
        " x ",
        "'=1",
        None,
    ]
    header = [f"c{number}" for number in range(len(values))]
    table = SheetTable("x.xlsx", Columns(keys=["c0"], others=header[1:]), io.BytesIO(xlsx_of(header, values)))
    table.check()
    [row] = table.rows()
    assert list(row.cells.values()) == [
        "7", "7", "0.3", "0.00001", "true", "2024-05-31", "2024-05-31T08:30:00", "x", "=1", "",
    ]  # fmt: skip
    assert (row.line, row.trimmed, table.count) == (2, ("c7",), 1)


def test_lines_of_a_workbook_are_its_rows() -> None:
    rows = [[], ["employee_id"], [], ["E-1\nE"], [], ["E-2"]]
    table = SheetTable("x.xlsx", strict(("employee_id",)), io.BytesIO(xlsx_of(*rows)))
    table.check()
    assert [(row.line, row.cells["employee_id"]) for row in table.rows()] == [(4, "E-1\nE"), (6, "E-2")]
    with pytest.raises(TableRefused):
        SheetTable("x.xlsx", strict(("code",)), io.BytesIO(xlsx_of(*rows))).check()
