"""Lists as files, which come in again unchanged."""

import csv
import io
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from openpyxl import load_workbook

from accounts.models import Organization, Person, User
from accounts.services.groups import create_group
from accounts.services.importing_people import COLUMNS as PEOPLE_COLUMNS
from tests.accounts.admin_pages import Pages, messages_of
from tests.accounts.sent_files import MODELS, confirm, counts, csv_of, page_of, send, sent
from tests.acts import complete, owed
from tests.conftest import body_of
from tests.factories import SYSTEM, CourseFactory, OrganizationFactory, PersonFactory, UserFactory


@pytest.fixture
def staff(organization: Organization) -> Pages:
    return Pages(UserFactory.create(organization=organization, email="ada@example.com"))


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


# Whose.


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
