"""Files in the admin: sent, looked at, confirmed; and lists as files, which come in again unchanged."""

import csv
import io
import re
import zipfile
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.utils import timezone
from openpyxl import Workbook, load_workbook

from accounts.admin import importing
from accounts.admin.importing import MOST_BYTES, PEOPLE, by_column
from accounts.models import BulkOperation, ImportFile, Organization, Person, User
from accounts.roles import Role
from accounts.services.groups import create_group
from accounts.services.importing_people import COLUMNS as PEOPLE_COLUMNS
from accounts.tables import Columns, TableRefused, strict
from accounts.workbooks import SheetTable
from enrollments.admin.course_files import COURSES
from enrollments.models import Course
from enrollments.services.importing import COLUMNS as COURSE_COLUMNS
from tests.accounts.admin_pages import Pages, address, messages_of
from tests.acts import complete, owed
from tests.conftest import body_of
from tests.factories import SYSTEM, CourseFactory, OrganizationFactory, PersonFactory, UserFactory
from training.admin.record_files import RECORDS
from training.models import TrainSession
from training.services.importing import PERSON_COLUMNS, RECORD_COLUMNS, VALUE_COLUMNS

MODELS = {"people": Person, "courses": Course, "records": TrainSession}
IMPORTS = {"people": PEOPLE, "courses": COURSES, "records": RECORDS}


@pytest.fixture
def staff(organization: Organization) -> Pages:
    return Pages(UserFactory.create(organization=organization, email="ada@example.com"))


def page_of(kind: str, page: str) -> str:
    return address(MODELS[kind], "changelist") + page


def csv_of(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def xlsx_of(*rows: list[Any]) -> bytes:
    workbook, content = Workbook(), io.BytesIO()
    sheet: Any = workbook.active
    for row in rows:
        sheet.append(row)
    workbook.save(content)
    return content.getvalue()


def send(pages: Pages, content: bytes, name: str = "people.csv", kind: str = "people", query: str = "") -> Any:
    return pages.client.post(page_of(kind, f"import/{query}"), {"file": SimpleUploadedFile(name, content)})


def sent(pages: Pages, content: bytes, name: str = "people.csv", kind: str = "people") -> str:
    """The address of the page that says what the file would do."""
    answer = send(pages, content, name, kind)
    assert answer.status_code == 302, answer.context["form"].errors
    return str(answer.headers["Location"])


def refused(pages: Pages, content: bytes, name: str = "people.csv", kind: str = "people") -> list[str]:
    answer = send(pages, content, name, kind)
    assert (answer.status_code, ImportFile.objects.count()) == (200, 0)
    return list(answer.context["form"].errors["file"])


def confirm(pages: Pages, where: str) -> BulkOperation:
    answer = pages.client.post(where, {"apply": "1"})
    operation = BulkOperation.objects.latest("pk")
    assert answer.headers["Location"] == address(BulkOperation, "change", operation)
    return operation


def counts(pages: Pages, where: str) -> dict[str, int]:
    return dict(pages.get(where).context["preview"].counts)


# In.

THREE_BAD = (
    "employee_id,first_name,mail,kind",
    "E-1,Ada,ada@example.com,driver",
    "E-2,Grace,not an address,pilot",
    ",Edith,,",
    "E-1,Twice,,",
    "E-9,Known,,",
)


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_a_file_is_looked_at_and_taken_in_when_it_is_confirmed(
    staff: Pages, organization: Organization, form: str
) -> None:
    known = PersonFactory.create(organization=organization, employee_id="E-9", first_name="Old")
    content = csv_of(*THREE_BAD) if form == "csv" else xlsx_of(*(line.split(",") for line in THREE_BAD))
    where = sent(staff, content, f"people.{form}")
    page = staff.get(where)
    assert dict(page.context["preview"].counts) == {"created": 1, "updated": 1, "refused": 3}
    assert page.context["preview"].reasons == [
        (3, "E-2", "mail", "Enter a valid email address."),
        (3, "E-2", "kind", "Value 'pilot' is not a valid choice."),
        (4, "", "employee_id", "This field cannot be blank."),
        (5, "E-1", "employee_id", "line 2 has it already."),
    ]
    assert [(Person.objects.count(), BulkOperation.objects.count())] == [(1, 0)]
    all_refused = list(csv.reader(io.StringIO(body_of(staff.get(f"{where}refused/")).decode("utf-8-sig"))))
    assert all_refused[:2] == [
        ["line", "key", "column", "reason"],
        ["3", "E-2", "mail", "Enter a valid email address."],
    ]
    operation = confirm(staff, where)
    known.refresh_from_db()
    assert (known.first_name, Person.objects.get(employee_id="E-1").mail) == ("Known", "ada@example.com")
    assert (operation.kind, operation.created_by, operation.counts) == (
        "import_people", f"user-{staff.user.pk}", {"created": 1, "updated": 1, "refused": 3},
    )  # fmt: skip
    assert (operation.details["file"], operation.details["from"], ImportFile.objects.count()) == (
        f"people.{form}", "admin", 0,
    )  # fmt: skip


def test_a_file_that_was_given_up_changes_nothing(staff: Pages) -> None:
    where = sent(staff, csv_of("employee_id,first_name", "E-1,Ada"))
    answer = staff.client.post(where, {"cancel": "1"}, follow=True)
    assert messages_of(answer) == ["people.csv was given up. Nothing has been changed."]
    assert (ImportFile.objects.count(), Person.objects.count(), staff.get(where).status_code) == (0, 0, 404)


def test_a_file_that_is_confirmed_twice_is_taken_in_once(staff: Pages) -> None:
    where = sent(staff, csv_of("employee_id,first_name", "E-1,Ada"))
    confirm(staff, where)
    answer = staff.client.post(where, {"apply": "1"}, follow=True)
    assert messages_of(answer)[-1] == (
        "This file is not waiting any more: it was taken in or given up, or it waited for more than a day."
    )
    assert (Person.objects.count(), BulkOperation.objects.count()) == (1, 1)


def test_what_is_confirmed_is_what_was_looked_at_but_for_what_others_did(
    staff: Pages, organization: Organization
) -> None:
    where = sent(staff, csv_of("employee_id,first_name", "E-1,Ada"))
    assert counts(staff, where) == {"created": 1}
    PersonFactory.create(organization=organization, employee_id="E-1", first_name="Ada")
    assert confirm(staff, where).counts == {"unchanged": 1}


def test_courses_and_records_come_in_the_same_way(staff: Pages, organization: Organization) -> None:
    where = sent(staff, csv_of("code,title,category,pass_score", "SAF,Safety,safety,80", "X,,safety,"), kind="courses")
    assert staff.get(where).context["preview"].reasons == [(3, "X", "title", "This field cannot be blank.")]
    assert confirm(staff, where).counts == {"created": 1, "refused": 1}
    PersonFactory.create(organization=organization, employee_id="E-1")
    rows: list[list[Any]] = [["employee_id", "course", "completed_on", "score"], ["E-1", "SAF", date(2024, 5, 31), 87.5],
            ["E-1", "NO", date(2024, 5, 31), None]]  # fmt: skip
    where = sent(staff, xlsx_of(*rows), "past.xlsx", kind="records")
    assert staff.get(where).context["preview"].reasons == [
        (3, "E-1 NO 2024-05-31", "course", "There is no such course.")
    ]
    assert confirm(staff, where).counts == {"created": 1, "refused": 1}
    assert TrainSession.objects.values_list("score", "state").get() == (Decimal("87.5"), "completed")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("people.pdf", b"%PDF-1.7", "This is neither a CSV file nor an XLSX workbook."),
        ("people.csv", b"PK\x03\x04xx", "This is neither a CSV file nor an XLSX workbook."),
        ("people.xlsx", b"employee_id\nE-1\n", "This is neither a CSV file nor an XLSX workbook."),
        ("people.xls", b"\xd0\xcf\x11\xe0", "This is a workbook of an old kind, or a locked one. Save it as XLSX or as CSV."),
        ("people.xlsx", b"PK\x03\x04broken", "people.xlsx is no workbook that can be read. Save it as XLSX, or as CSV."),
        ("people.csv", b"", "The submitted file is empty."),
        ("people.csv", b"employee_id,salary\nE-1,1\n",
         "people.csv has a column salary, which means nothing here. Known columns: " + ", ".join(PEOPLE_COLUMNS) + "."),
        ("people.csv", b"first_name\nAda\n", "people.csv needs a column employee_id. Its header has: first_name."),
        ("people.csv", b"employee_id,first_name\nE-1,=1+1\n",
         "people.csv, line 2: first_name begins with =, as a formula does. Write its value."),
        ("people.csv", b"employee_id,first_name\nE-1,A\0\n",
         "people.csv, line 2: a NUL character. Save the file as CSV UTF-8."),
        ("people.csv", b"employee_id,first_name\nE-1,\xff\n", "people.csv, line 2: not UTF-8. Save the file as CSV UTF-8."),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong_as_a_whole_is_refused_on_the_form(
    staff: Pages, name: str, content: bytes, message: str
) -> None:
    assert refused(staff, content, name) == [message]


def test_a_file_that_is_too_large_is_refused(staff: Pages) -> None:
    assert MOST_BYTES == 10_000_000
    assert refused(staff, b"x" * (MOST_BYTES + 1)) == ["The file is larger than 10 MB. Split it."]


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


@pytest.mark.parametrize(
    ("reason", "parts"),
    [
        ("mail: Enter a valid one. kind: No.", [("mail", "Enter a valid one."), ("kind", "No.")]),
        ("mail: A. mail: B.", [("mail", "A."), ("mail", "B.")]),
        ("It collides with another row.", [("", "It collides with another row.")]),
        ("line 2 has this completion already.", [("", "line 2 has this completion already.")]),
    ],
)
def test_a_reason_is_told_by_column(reason: str, parts: list[tuple[str, str]]) -> None:
    assert by_column(reason, PEOPLE.named) == parts


def test_a_long_list_of_refused_rows_is_cut_and_had_whole_as_a_file(
    staff: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "MOST_REFUSED", 2)
    where = sent(staff, csv_of("employee_id,first_name", *("E-1," for _ in range(5))))
    page = staff.get(where)
    assert (len(page.context["preview"].reasons), page.context["preview"].unlisted) == (2, 3)
    assert "3 more are not listed here." in page.content.decode()
    assert len(body_of(staff.get(f"{where}refused/")).decode().splitlines()) == 6


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_a_template_is_a_file_that_can_be_sent(staff: Pages, organization: Organization, kind: str, form: str) -> None:
    content = body_of(staff.get(page_of(kind, f"import/template/{form}/")))
    PersonFactory.create(organization=organization, employee_id="EMP-042")
    CourseFactory.create(organization=organization, code="SAF-1")
    where = sent(staff, content, f"template.{form}", kind)
    expected = {"people": {"updated": 1}, "courses": {"created": 1}, "records": {"created": 1}}
    assert counts(staff, where) == expected[kind]
    assert staff.get(page_of(kind, "import/template/pdf/")).status_code == 404


def test_the_pages_name_the_columns_that_the_services_know() -> None:
    assert tuple(PEOPLE.named) == PEOPLE_COLUMNS
    assert set(COURSES.named) == set(COURSE_COLUMNS)
    assert RECORDS.named == [PERSON_COLUMNS[0], *RECORD_COLUMNS, *VALUE_COLUMNS]


# Out.


def exported(pages: Pages, kind: str, form: str = "csv", **query: str) -> list[list[str]]:
    content = body_of(pages.get(page_of(kind, f"export/{form}/"), **query))
    if form == "csv":
        return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    sheet: Any = load_workbook(io.BytesIO(content)).active
    return [["" if value is None else value for value in row] for row in sheet.iter_rows(values_only=True)]


@pytest.fixture
def filled(organization: Organization) -> list[Person]:
    ada = PersonFactory.create(
        organization=organization,
        employee_id="007",
        first_name="=cmd|' /C calc'!A0",
        last_name="@SUM(1)",
        kind="driver",
    )
    grace = PersonFactory.create(
        organization=organization, employee_id="E-2", first_name="'=quoted", last_name="O'Hara\nKing", active=False
    )
    create_group(organization=organization, actor=SYSTEM, name="Night", people=[ada, grace])
    create_group(organization=organization, actor=SYSTEM, name="+Day", people=[ada])
    first = CourseFactory.create(organization=organization, code="A", title="-x", certificate_months=12)
    CourseFactory.create(
        organization=organization, code="B", prerequisites=[first], pass_score=Decimal("82.5"),
        duration_hours=Decimal("7.5"), description="=1\n+2", uses_units=True,
    )  # fmt: skip
    return [ada, grace]


@pytest.mark.parametrize("form", ["csv", "xlsx"])
@pytest.mark.parametrize("kind", ["people", "courses"])
def test_what_went_out_comes_in_again_unchanged(staff: Pages, filled: list[Person], kind: str, form: str) -> None:
    content = body_of(staff.get(page_of(kind, f"export/{form}/")))
    assert counts(staff, sent(staff, content, f"x.{form}", kind)) == {"unchanged": 2}


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_cells_that_a_spreadsheet_would_run_are_neutralised(staff: Pages, filled: list[Person], form: str) -> None:
    assert exported(staff, "people", form) == [
        list(PEOPLE_COLUMNS),
        ["007", "'=cmd|' /C calc'!A0", "'@SUM(1)", filled[0].mail, filled[0].username, "driver", "true", "'+Day;Night"],
        ["E-2", "''=quoted", "O'Hara\nKing", filled[1].mail, filled[1].username, "user", "false", "Night"],
    ]


def test_records_go_out_with_days_of_the_organization(db: None) -> None:
    organization = OrganizationFactory.create(time_zone="Pacific/Auckland")
    staff = Pages(UserFactory.create(organization=organization))
    person = PersonFactory.create(organization=organization, employee_id="E-1", first_name="Ada", last_name="Byron")
    course = CourseFactory.create(organization=organization, code="A", title="Safety")
    complete(owed(course, person), score=Decimal("87.5"))
    today = timezone.now().astimezone(organization.zone).date().isoformat()
    header, row = exported(staff, "records")
    assert dict(zip(header, row, strict=True)) == {
        "employee_id": "E-1", "name": "Ada Byron", "course": "A", "title": "Safety", "state": "completed",
        "score": "87.5", "percent": "100", "time_spent": "0", "assigned_on": today, "due_on": "",
        "completed_on": today, "cert_expiry": "", "unassigned_on": "",
    }  # fmt: skip


def test_the_filters_and_the_search_of_the_list_hold(staff: Pages, filled: list[Person]) -> None:
    assert [row[0] for row in exported(staff, "people", active__exact="0")] == ["employee_id", "E-2"]
    assert [row[0] for row in exported(staff, "people", q="hara")] == ["employee_id", "E-2"]
    answer = staff.get(page_of("people", "export/csv/"), nonsense="1")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/accounts/person/?e=1")
    assert staff.get(page_of("people", "export/pdf/")).status_code == 404


def test_an_export_takes_a_query_for_each_chunk(
    staff: Pages, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        PersonFactory.create(organization=organization, employee_id=f"E-{number}")
    monkeypatch.setattr("accounts.admin.exporting.CHUNK", 2)
    assert [row[0] for row in exported(staff, "people")] == ["employee_id", *(f"E-{number}" for number in range(5))]


def test_a_workbook_is_not_cut_where_a_sheet_ends(
    staff: Pages, filled: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accounts.workbooks.MOST_ROWS", 2)
    answer = staff.client.get(page_of("people", "export/xlsx/"), follow=True)
    assert messages_of(answer) == ["A workbook holds 2 rows at most. Filter the list, or export it as CSV."]


# Who.


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize(
    ("role", "imports", "exports"),
    [(Role.ADMINISTRATOR, 200, 200), (Role.AUDITOR, 403, 200), (Role.FACILITATOR, 403, 403), (None, 403, 403)],
)
def test_administrators_import_and_auditors_export(
    organization: Organization, role: Role | None, imports: int, exports: int, kind: str
) -> None:
    pages = Pages(UserFactory.create(organization=organization, role=role))
    for page in ("import/", "import/template/csv/"):
        assert pages.get(page_of(kind, page)).status_code == imports
    for form in ("csv", "xlsx"):
        answer = pages.get(page_of(kind, f"export/{form}/"))
        assert answer.status_code == exports
        assert bool(body_of(answer))
    if imports == 403:
        assert send(pages, csv_of("employee_id", "E-1"), kind=kind).status_code == 403
        assert [pages.client.post(page_of(kind, f"import/1/{page}")).status_code for page in ("", "refused/")] == [
            403,
            403,
        ]
        assert ImportFile.objects.count() == 0
    shown = pages.rows(MODELS[kind])
    if shown.status_code == 200:
        text = shown.content.decode()
        assert ("Import…</a>" in text, "Export CSV</a>" in text) == (imports == 200, exports == 200)


def test_a_waiting_file_is_its_senders_and_its_organizations(staff: Pages, organization: Organization) -> None:
    where = sent(staff, csv_of("employee_id,first_name", "E-1,Ada"))
    colleague = Pages(UserFactory.create(organization=organization))
    stranger = Pages(UserFactory.create(organization=OrganizationFactory.create()))
    for pages in (colleague, stranger):
        assert [pages.get(where).status_code, pages.get(f"{where}refused/").status_code] == [404, 404]
        assert pages.client.post(where, {"apply": "1"}).headers["Location"] == page_of("people", "import/")
    # Nor is it a file of another kind.
    assert staff.get(where.replace("accounts/person", "enrollments/course")).status_code == 404
    User.objects.filter(pk=staff.user.pk).update(organization=OrganizationFactory.create())
    assert Pages(User.objects.get(pk=staff.user.pk)).get(where).status_code == 404
    assert (Person.objects.count(), ImportFile.objects.count()) == (0, 1)


def test_nothing_of_another_organization_goes_out(staff: Pages, filled: list[Person]) -> None:
    other = OrganizationFactory.create()
    theirs = Pages(UserFactory.create(organization=other))
    assert [exported(theirs, kind)[1:] for kind in MODELS] == [[], [], []]
    narrowed = theirs.get(page_of("people", "export/csv/"), organization__id__exact=str(filled[0].organization_id))
    assert narrowed.status_code in (302, 404)


def test_a_superuser_picks_an_organization(filled: list[Person], organization: Organization) -> None:
    other = OrganizationFactory.create(name="AAA")
    PersonFactory.create(organization=other, employee_id="THEIRS")
    root = Pages(User.objects.create_superuser("root@example.com", "a long enough password"))
    assert [row[0] for row in exported(root, "people")] == ["employee_id", "THEIRS"]
    only = {"organization__id__exact": str(organization.pk)}
    assert [row[0] for row in exported(root, "people", **only)] == ["employee_id", "007", "E-2"]
    answer = send(root, csv_of("employee_id,first_name", "E-5,Eve"), query=f"?organization={organization.pk}")
    confirm(root, answer.headers["Location"])
    assert Person.objects.get(employee_id="E-5").organization == organization
    assert send(root, b"x", query="?organization=999999999").status_code == 404


def test_files_that_nobody_confirmed_are_purged_after_a_day(staff: Pages, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = (sent(staff, csv_of("employee_id,first_name", f"E-{n},Ada")) for n in (1, 2))
    first = int(re.findall(r"\d+", old)[-1])
    ImportFile.objects.filter(pk=first).update(created_at=timezone.now() - timedelta(hours=25))
    call_command("purge")
    assert "1 waiting file deleted." in capsys.readouterr().out
    assert (staff.get(old).status_code, staff.get(new).status_code) == (404, 200)
