"""The pages of requirements and the compliance matrix: who may open them, what they show, export and open."""

import csv
import re
from datetime import UTC, date, datetime
from io import BytesIO, StringIO
from typing import Any

import openpyxl
import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import BulkOperation, Group, GroupMember, Organization, Person, User
from accounts.roles import Role
from enrollments.models import Course
from enrollments.services.catalogue import update_course
from tests.accounts.admin_pages import Pages, errors_of, fields_of, messages_of
from tests.acts import assign, complete
from tests.conftest import body_of
from tests.factories import SYSTEM, CourseFactory, OrganizationFactory, PersonFactory, UserFactory
from training.admin import matrix as page_module, requirements as admin_module
from training.admin.matrix import NOT_REQUIRED
from training.models import Requirement, RequirementPerson, TrainSession
from training.services.requirements import create_requirement

NOW = datetime(2026, 5, 4, 10, tzinfo=UTC)


@pytest.fixture(autouse=True)
def now() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def staff(organization: Organization) -> Pages:
    return Pages(UserFactory.create(organization=organization))


def page(name: str) -> str:
    return reverse(f"admin:training_{name}")


def confirmed(pages: Pages, query: str = "") -> Any:
    """What is missing is looked at, and opened."""
    address = page("apply_requirements") + query
    return pages.client.post(address, fields_of(pages.get(address)))


def require(course: Course, **fields: Any) -> Requirement:
    given = {"due_days": 30, **fields}
    return create_requirement(organization=course.organization, actor=SYSTEM, course=course, **given)


def scene(organization: Organization) -> tuple[list[Person], list[Course]]:
    """Two people and two required courses: valid, overdue, missing and, for the second person, not required."""
    ada, bo = (
        PersonFactory.create(organization=organization, employee_id=f"E{number}", first_name=first, last_name=last)
        for number, (first, last) in enumerate([("Ada", "Müller"), ("Bo", "Ek")])
    )
    fire = CourseFactory.create(organization=organization, code="FIRE", title="Fire Safety", certificate_months=12)
    lift = CourseFactory.create(organization=organization, code="LIFT", title="Forklifts")
    require(fire)
    require(lift, audience="people", people=[ada])
    complete(assign(fire, ada)[0].record)
    assign(fire, bo, due_at=datetime(2026, 5, 1, 23, 59, tzinfo=UTC))
    return [ada, bo], [fire, lift]


def cells_of(answer: Any) -> dict[str, tuple[str, str]]:
    """Letter and address of each cell, by its title."""
    return {cell["title"]: (cell["letter"], cell["href"]) for row in answer.context["rows"] for cell in row["cells"]}


def test_cells_say_in_letters_and_words_and_lead_to_the_record(staff: Pages, organization: Organization) -> None:
    (ada, bo), (fire, lift) = scene(organization)
    answer = staff.get(page("matrix"))
    valid, overdue = TrainSession.objects.get(person=ada), TrainSession.objects.get(person=bo)
    assert cells_of(answer) == {
        "Fire Safety, Ada Müller: valid until 2027-05-03": ("V", f"/admin/training/trainsession/{valid.pk}/change/"),
        "Forklifts, Ada Müller: missing, nothing assigned": (
            "M",
            f"/admin/training/trainsession/add/?course={lift.pk}&person={ada.pk}",
        ),
        "Fire Safety, Bo Ek: overdue, was due 2026-05-01": (
            "O",
            f"/admin/training/trainsession/{overdue.pk}/change/",
        ),
        "Forklifts, Bo Ek: not required": (NOT_REQUIRED, ""),
    }
    shown = answer.content.decode()
    assert 'aria-label="Fire Safety, Ada Müller: valid until 2027-05-03">V</a>' in shown
    with time_machine.travel(datetime(2027, 5, 4, 10, tzinfo=UTC)):
        staff.client.force_login(staff.user)
        later = cells_of(staff.get(page("matrix")))
    assert "Fire Safety, Ada Müller: expired since 2027-05-04" in later
    assert fire.code in shown


def test_a_missing_cell_leads_to_a_form_that_is_filled_in(staff: Pages, organization: Organization) -> None:
    (ada, _), (_, lift) = scene(organization)
    [address] = [href for letter, href in cells_of(staff.get(page("matrix"))).values() if letter == "M"]
    form = fields_of(staff.get(address))
    assert (form["course"], form["people"]) == ([str(lift.pk)], [str(ada.pk)])
    stranger = PersonFactory.create()
    assert "people" not in fields_of(staff.get(address.replace(f"person={ada.pk}", f"person={stranger.pk}")))


def test_an_auditor_is_offered_no_form_to_assign_with(organization: Organization) -> None:
    scene(organization)
    auditor = Pages(UserFactory.create(organization=organization, role=Role.AUDITOR))
    answer = auditor.get(page("matrix"))
    assert cells_of(answer)["Forklifts, Ada Müller: missing, nothing assigned"] == ("M", "")
    assert "Open what is missing" not in answer.content.decode()


def test_a_record_of_what_is_not_required_stands_in_brackets(staff: Pages, organization: Organization) -> None:
    (_, bo), (_, lift) = scene(organization)
    record = assign(lift, bo)[0].record
    cells = cells_of(staff.get(page("matrix")))
    assert cells["Forklifts, Bo Ek: assigned, without a due date, not required"] == (
        "(A)",
        f"/admin/training/trainsession/{record.pk}/change/",
    )


# Who may.

NO_ROLE: Any = None
ACCESS = [
    # role, matrix, exports, preview, confirming
    (Role.ADMINISTRATOR, 200, 200, 200, 302),
    (Role.AUDITOR, 200, 200, 403, 403),
    (Role.FACILITATOR, 403, 403, 403, 403),
    (NO_ROLE, 403, 403, 403, 403),
]


@pytest.mark.parametrize(("role", "matrix", "export", "preview", "confirm"), ACCESS)
def test_each_role_opens_what_is_its_own(
    organization: Organization, *, role: Role | None, matrix: int, export: int, preview: int, confirm: int
) -> None:
    scene(organization)
    user = UserFactory.create(organization=organization, role=role)
    if role == Role.FACILITATOR:
        User.objects.filter(pk=user.pk).update(person=Person.objects.all()[0])
    pages = Pages(user)
    before = TrainSession.objects.count()
    for kind in ("csv", "xlsx"):
        answer = pages.get(page("matrix_export"), format=kind)
        assert (answer.status_code, len(body_of(answer)) > 0) == (export, True)
    assert pages.get(page("matrix")).status_code == matrix
    assert pages.get(page("apply_requirements")).status_code == preview
    assert confirmed(pages).status_code == confirm
    assert TrainSession.objects.count() == before + (confirm == 302)


@pytest.mark.parametrize("name", ["matrix", "matrix_export", "apply_requirements"])
def test_a_visitor_is_sent_to_the_login_and_another_organization_is_not_there(
    staff: Pages, organization: Organization, client: Any, name: str
) -> None:
    other = OrganizationFactory.create()
    scene(other)
    given = {"format": "csv"}
    answer = client.get(page(name), given)
    assert (answer.status_code, answer.headers["Location"][:20]) == (302, "/admin/login/?next=/")
    assert staff.get(page(name), organization=organization.pk, **given).status_code == 200
    assert staff.get(page(name), organization=other.pk, **given).status_code == 404
    posted = staff.client.post(f"{page('apply_requirements')}?organization={other.pk}")
    assert (posted.status_code, BulkOperation.objects.count()) == (404, 0)
    shown = body_of(staff.get(page(name), **given)).decode()
    assert ("Müller" in shown, "FIRE" in shown) == (False, False)


def test_what_another_organization_has_cannot_be_filtered_by(staff: Pages, organization: Organization) -> None:
    other = OrganizationFactory.create()
    scene(organization)
    _, [course, _] = scene(other)
    group = Group.objects.create(organization=other, name="Theirs")
    wrong: list[dict[str, Any]] = [
        {"course": course.pk},
        {"group": group.pk},
        {"category": 10**6},
        {"state": "late"},
        {"within": 7},
        {"columns": 0},
        {"columns": "x"},
        {"course": "1" * 30},
    ]
    for query in wrong:
        assert staff.get(page("matrix"), **query).status_code == 404, query
        assert staff.get(page("matrix_export"), format="csv", **query).status_code == 404, query
    assert staff.get(page("matrix_export"), format="pdf").status_code == 404
    assert staff.get(page("matrix"), q="a\0b").status_code == 400


def test_a_superuser_sees_the_first_organization_by_name_or_the_one_picked(db: None) -> None:
    second, first = OrganizationFactory.create(name="Zeta"), OrganizationFactory.create(name="Alpha")
    scene(second)
    root = Pages(User.objects.create_superuser("root@example.com", "a long enough password"))
    assert root.get(page("matrix")).context["matrix"].organization == first
    assert root.get(page("matrix"), organization=10**6).status_code == 404
    answer = root.get(page("matrix"), organization=second.pk)
    assert answer.context["matrix"].organization == second
    assert len(answer.context["rows"]) == 2
    assert f"organization={second.pk}" in answer.context["export"]
    applied = confirmed(root, f"?organization={second.pk}")
    assert applied.headers["Location"] == f"{page('matrix')}?organization={second.pk}"
    assert TrainSession.objects.filter(origin="requirement").count() == 1


# The page.


def test_an_empty_matrix_says_what_to_do(staff: Pages) -> None:
    assert "Add a requirement" in staff.get(page("matrix")).content.decode()


def test_rows_and_columns_have_pages_that_keep_the_filters(
    staff: Pages, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_module, "PEOPLE", 2)
    monkeypatch.setattr(page_module, "COLUMNS", 2)
    for number in range(3):
        PersonFactory.create(organization=organization, employee_id=f"E{number}")
        require(CourseFactory.create(organization=organization, code=f"C{number}"))

    def seen(address: str) -> tuple[list[str], list[str]]:
        context = staff.client.get(address).context
        return [row["person"].employee_id for row in context["rows"]], [one["code"] for one in context["courses"]]

    matrix = page("matrix")
    first = staff.get(matrix, q="person")
    assert seen(f"{matrix}?q=person") == (["E0", "E1"], ["C0", "C1"])
    assert (first.context["previous_people"], first.context["previous_columns"]) == ("", "")
    right = first.context["next_columns"]
    assert seen(matrix + right) == (["E0", "E1"], ["C2"])
    below = staff.client.get(matrix + right).context["next_people"]
    assert (seen(matrix + below), "q=person" in below) == ((["E2"], ["C2"]), True)
    last = staff.client.get(matrix + below).context
    assert (last["next_people"], last["next_columns"]) == ("", "")
    assert seen(matrix + last["previous_people"]) == (["E0", "E1"], ["C2"])
    assert seen(matrix + last["previous_columns"]) == (["E2"], ["C0", "C1"])


def test_filters_narrow_rows_and_columns(staff: Pages, organization: Organization) -> None:
    [ada, _], [fire, lift] = scene(organization)
    group = Group.objects.create(organization=organization, name="Site")
    GroupMember.objects.create(organization=organization, group=group, person=ada)

    def seen(**query: Any) -> tuple[list[str], list[str]]:
        context = staff.get(page("matrix"), **query).context
        return [row["person"].employee_id for row in context["rows"]], [one["code"] for one in context["courses"]]

    assert seen() == (["E0", "E1"], ["FIRE", "LIFT"])
    assert seen(q="müller") == (["E0"], ["FIRE", "LIFT"])
    assert seen(group=group.pk) == (["E0"], ["FIRE", "LIFT"])
    assert seen(course=lift.pk) == (["E0", "E1"], ["LIFT"])
    assert seen(category=fire.category_id) == (["E0", "E1"], ["FIRE", "LIFT"])
    assert seen(state="overdue") == (["E1"], ["FIRE", "LIFT"])
    assert seen(state="overdue", course=lift.pk) == ([], ["LIFT"])
    with time_machine.travel(datetime(2027, 2, 20, 10, tzinfo=UTC)):
        staff.client.force_login(staff.user)
        assert [seen(state="expiring", within=days)[0] for days in (60, 90)] == [[], ["E0"]]


def test_the_queries_of_the_page_do_not_grow(staff: Pages, organization: Organization) -> None:
    counts = []
    for more in (1, 4):
        people = [PersonFactory.create(organization=organization) for _ in range(more)]
        for _ in range(more):
            group = Group.objects.create(organization=organization, name=f"G{Group.objects.count()}")
            course = CourseFactory.create(organization=organization)
            for person in people:
                GroupMember.objects.create(organization=organization, group=group, person=person)
            require(course, audience="group", group=group)
            require(course, audience="people", people=people)
            complete(assign(course, people[0])[0].record)
        staff.get(page("matrix"))
        with CaptureQueriesContext(connection) as queries:
            staff.get(page("matrix"), state="valid", q="person")
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 12


# Exports.

HEADER = ["Employee number", "Name", "FIRE Fire Safety", "LIFT Forklifts"]
ROWS = [["E0", "Ada Müller", "V 2027-05-03", "M"], ["E1", "Bo Ek", "O 2026-05-01", NOT_REQUIRED]]


def csv_of(answer: Any) -> list[list[str]]:
    return list(csv.reader(StringIO(body_of(answer).decode("utf-8-sig"))))


def test_exports_hold_the_whole_matrix(
    staff: Pages, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PEOPLE", "COLUMNS"):
        monkeypatch.setattr(page_module, name, 1)
    scene(organization)
    answer = staff.get(page("matrix_export"), format="csv", columns=2, after="E0")
    assert answer.headers["Content-Disposition"] == (
        f'attachment; filename="compliance-matrix-{organization.slug}-2026-05-04.csv"'
    )
    assert csv_of(answer) == [HEADER, *ROWS]
    book = openpyxl.load_workbook(BytesIO(body_of(staff.get(page("matrix_export"), format="xlsx"))))
    sheet = book["Compliance matrix"]
    assert [[cell.value for cell in row] for row in sheet.iter_rows()] == [HEADER, *ROWS]
    assert {cell.data_type for row in sheet.iter_rows() for cell in row} == {"s"}
    assert [[cell.value for cell in row] for row in book["Legend"].iter_rows()][-2:] == [
        [NOT_REQUIRED, "not required"],
        ["( )", "held without being required"],
    ]
    filtered = staff.get(page("matrix_export"), format="csv", state="overdue")
    assert csv_of(filtered) == [HEADER, ROWS[1]]


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_no_cell_of_an_export_is_a_formula(staff: Pages, organization: Organization, kind: str) -> None:
    PersonFactory.create(organization=organization, employee_id="@SUM(A1)", first_name="=1+1\x07", last_name="")
    require(CourseFactory.create(organization=organization, code="+C", title="Course"))
    answer = staff.get(page("matrix_export"), format=kind)
    if kind == "csv":
        rows = csv_of(answer)
        assert rows[1][1] == "'=1+1\x07"
    else:
        sheet = openpyxl.load_workbook(BytesIO(body_of(answer))).worksheets[0]
        rows = [[str(cell.value) for cell in row] for row in sheet.iter_rows()]
        assert {cell.data_type for row in sheet.iter_rows() for cell in row} == {"s"}
        assert rows[1][1] == "'=1+1"
    assert (rows[0][2], rows[1][0], rows[1][2]) == ("'+C Course", "'@SUM(A1)", "M")


# Opening what is missing.


def test_what_is_previewed_is_opened_once_it_is_confirmed(staff: Pages, organization: Organization) -> None:
    [ada, _], [_, lift] = scene(organization)
    gone = CourseFactory.create(organization=organization, code="GONE", title="Gone")
    require(gone)
    update_course(organization=organization, actor=SYSTEM, course=gone, changes={"status": "archived"})
    preview = staff.get(page("apply_requirements"))
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", preview.content.decode()))
    assert "1 train session will be opened" in text
    assert f"{lift} 1 2026-06-03" in text
    assert "E0 Ada Müller LIFT 2026-06-03" in text
    assert "GONE Gone 2 Course GONE is archived; it cannot be assigned." in text
    assert TrainSession.objects.filter(origin="requirement").count() == 0
    answer = staff.client.post(page("apply_requirements"), fields_of(preview), follow=True)
    operation = BulkOperation.objects.get()
    assert messages_of(answer) == [f"1 train session opened. 2 could not be opened. Operation {operation.pk}."]
    record = TrainSession.objects.get(origin="requirement")
    assert (record.person, record.course, record.created_by) == (ada, lift, f"user-{staff.user.pk}")
    assert record.due_at is not None
    assert record.due_at.date() == date(2026, 6, 3)
    again = staff.client.post(page("apply_requirements"), follow=True)
    assert messages_of(again)[0].startswith("0 train sessions opened. 2 could not be opened.")


def test_what_has_changed_since_the_preview_is_shown_and_not_opened(staff: Pages, organization: Organization) -> None:
    [ada, bob], _ = scene(organization)
    preview = staff.get(page("apply_requirements"))
    bob_lacks = CourseFactory.create(organization=organization, code="NEW", title="New")
    require(bob_lacks)
    answer = staff.client.post(page("apply_requirements"), fields_of(preview))
    text = "What is missing has changed since it was shown. Nothing has been opened: look at it again."
    assert (answer.status_code, messages_of(answer)) == (200, [text])
    assert TrainSession.objects.filter(origin="requirement").count() == 0
    assert BulkOperation.objects.count() == 0
    assert answer.context["preview"].count == 3
    staff.client.post(page("apply_requirements"), fields_of(answer))
    opened = TrainSession.objects.filter(origin="requirement").order_by("pk").values_list("person", "course__code")
    assert sorted(opened) == [(ada.pk, "LIFT"), (ada.pk, "NEW"), (bob.pk, "NEW")]


def test_a_change_that_keeps_the_count_is_shown_too(staff: Pages, organization: Organization) -> None:
    scene(organization)
    preview = staff.get(page("apply_requirements"))
    Requirement.objects.filter(course__code="LIFT").update(due_days=31)
    answer = staff.client.post(page("apply_requirements"), fields_of(preview))
    assert (answer.status_code, answer.context["preview"].count) == (200, 1)
    assert TrainSession.objects.filter(origin="requirement").count() == 0


def test_nothing_missing_is_said_and_leaves_no_operation(staff: Pages) -> None:
    assert "Nothing is missing" in staff.get(page("apply_requirements")).content.decode()
    assert messages_of(staff.client.post(page("apply_requirements"), follow=True)) == ["Nothing is missing."]
    assert BulkOperation.objects.count() == 0


def test_too_many_for_a_page_are_left_to_the_command(
    staff: Pages, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin_module, "MOST_AT_ONCE", 1)
    for _ in range(2):
        PersonFactory.create(organization=organization)
    require(CourseFactory.create(organization=organization))
    for answer in (staff.get(page("apply_requirements")), staff.client.post(page("apply_requirements"))):
        assert f"manage.py apply_requirements --organization {organization.slug}" in answer.content.decode()
    assert TrainSession.objects.count() == 0


# Requirements themselves.


def test_a_requirement_is_added_and_changed_on_its_page(staff: Pages, organization: Organization) -> None:
    [ada, bo], [fire, _] = scene(organization)
    Requirement.objects.all().delete()
    add = reverse("admin:training_requirement_add")
    named: dict[str, Any] = {"course": fire.pk, "audience": "people", "people": [ada.pk], "due_days": "14"}
    assert errors_of(staff.save(add, **{**named, "due_days": ""})) == {
        "__all__": ["Give the days or the date, whichever the rule asks for, and not both."]
    }
    assert staff.save(add, **named).status_code == 302
    requirement = Requirement.objects.get()
    assert (requirement.organization, requirement.created_by) == (organization, f"user-{staff.user.pk}")
    assert list(RequirementPerson.objects.values_list("person", flat=True)) == [ada.pk]
    staff.change(requirement, people=[ada.pk, bo.pk], due_rule="on_date", due_days="", due_on="2026-12-31")
    requirement.refresh_from_db()
    assert (requirement.due_rule, requirement.due_days, requirement.due_on) == ("on_date", None, date(2026, 12, 31))
    assert RequirementPerson.objects.count() == 2
    shown = staff.rows(Requirement).content.decode()
    assert all(text in shown for text in ("2 named people", "on 2026-12-31", "Compliance matrix"))
    assert errors_of(staff.change(requirement, audience="group")) == {
        "__all__": ["Name the group where it is required of a group; else leave this empty."]
    }


def test_groups_of_another_organization_are_not_offered(staff: Pages, organization: Organization) -> None:
    mine = Group.objects.create(organization=organization, name="Mine")
    theirs = Group.objects.create(organization=OrganizationFactory.create(), name="Theirs")
    course = CourseFactory.create(organization=organization)
    add = reverse("admin:training_requirement_add")
    shown = staff.get(add).content.decode()
    assert (str(mine) in shown, str(theirs) in shown) == (True, False)
    answer = staff.save(add, course=course.pk, audience="group", group=theirs.pk, due_days="1")
    assert list(errors_of(answer)) == ["group"]
