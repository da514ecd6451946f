"""Files in the admin: sent, looked at, confirmed."""

import csv
import io
import re
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from accounts.admin import importing
from accounts.admin.importing import MOST_BYTES, PEOPLE, by_column
from accounts.models import BulkOperation, ImportFile, Organization, Person, User
from accounts.roles import Role
from accounts.services.importing_people import COLUMNS as PEOPLE_COLUMNS
from enrollments.admin.course_files import COURSES
from enrollments.services.importing import COLUMNS as COURSE_COLUMNS
from tests.accounts.admin_pages import Pages, messages_of
from tests.accounts.sent_files import MODELS, confirm, counts, csv_of, page_of, refused, send, sent, xlsx_of
from tests.concurrency.test_transactions import Statement, held, row
from tests.concurrency.threads import RACE
from tests.conftest import body_of
from tests.factories import CourseFactory, OrganizationFactory, PersonFactory, UserFactory
from training.admin.record_files import RECORDS
from training.models import TrainSession
from training.services.importing import PERSON_COLUMNS, RECORD_COLUMNS, VALUE_COLUMNS


@pytest.fixture
def staff(organization: Organization) -> Pages:
    return Pages(UserFactory.create(organization=organization, email="ada@example.com"))


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
    assert refused(staff, b"x" * (MOST_BYTES + 1), status=413) == ["The file is larger than 10 MB. Split it."]


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


def test_files_that_nobody_confirmed_are_purged_after_a_day(staff: Pages, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = (sent(staff, csv_of("employee_id,first_name", f"E-{n},Ada")) for n in (1, 2))
    first = int(re.findall(r"\d+", old)[-1])
    ImportFile.objects.filter(pk=first).update(created_at=timezone.now() - timedelta(hours=25))
    call_command("purge")
    assert "1 waiting file deleted." in capsys.readouterr().out
    assert (staff.get(old).status_code, staff.get(new).status_code) == (404, 200)


# While somebody else holds what is needed.


def waiting_row(where: str) -> Statement:
    return row(ImportFile, int(re.findall(r"\d+", where)[-1]))


class TestPostgresql:
    pytestmark = RACE

    def test_a_file_that_cannot_be_given_up_in_time_says_so_and_stays(self, staff: Pages) -> None:
        where = sent(staff, csv_of("employee_id,first_name", "E-1,Ada"))
        with held(waiting_row(where)):
            answer = staff.client.post(where, {"cancel": "1"}, follow=True)
        assert (answer.redirect_chain, messages_of(answer)) == ([(where, 302)], ["The ledger is busy. Try again."])
        assert (ImportFile.objects.count(), Person.objects.count()) == (1, 0)

    def test_what_was_taken_in_is_in_even_if_its_file_cannot_be_dropped_in_time(self, staff: Pages) -> None:
        where = sent(staff, csv_of("employee_id,first_name", "E-1,Ada"))
        with held(waiting_row(where)):
            assert confirm(staff, where).counts == {"created": 1}
        assert (ImportFile.objects.count(), Person.objects.count()) == (1, 1)
        assert confirm(staff, where).counts == {"unchanged": 1}
        assert ImportFile.objects.count() == 0
