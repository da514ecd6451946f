"""The pages of templates and program sessions: modules in order, members with their progress, adding and removing."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Organization, Person
from accounts.roles import Role
from accounts.services import people as accounts
from programs.models import Module, ProgramMember, ProgramRequirement, ProgramSession, ProgramTemplate, ProgramTutor
from programs.services import catalogue, membership
from tests.accounts.admin_pages import Pages, messages_of
from tests.factories import (
    SYSTEM,
    CourseFactory,
    OrganizationFactory,
    PersonFactory,
    ProgramSessionFactory,
    UnitFactory,
    UserFactory,
)
from training.models import TrainSession
from training.services import records


@pytest.fixture
def staff(organization: Organization) -> Pages:
    return Pages(UserFactory.create(organization=organization))


def program_of(organization: Organization, modules: int = 1, **fields: Any) -> ProgramSession:
    courses = [CourseFactory.create(organization=organization) for _ in range(modules)]
    return ProgramSessionFactory.create(organization=organization, courses=courses, **fields)


def people_of(organization: Organization, count: int) -> list[Person]:
    return [PersonFactory.create(organization=organization, employee_id=f"E-{n}") for n in range(1, count + 1)]


def joined(session: ProgramSession, people: list[Person]) -> list[ProgramMember]:
    ids = [person.pk for person in people]
    return membership.join(organization=session.organization, actor=SYSTEM, session=session, person_ids=ids)


def template_page(template: ProgramTemplate, name: str = "change/") -> str:
    return f"/admin/programs/programtemplate/{template.pk}/{name}"


def session_page(session: ProgramSession, name: str = "change/") -> str:
    return f"/admin/programs/programsession/{session.pk}/{name}"


def order_of(template: ProgramTemplate) -> list[tuple[int, str, str | None]]:
    rows = Module.objects.filter(template=template).order_by("position")
    return list(rows.values_list("position", "type", "course__code"))


def grid_of(template: ProgramTemplate) -> dict[str, Any]:
    """What a browser sends of the untouched grid."""
    sent: dict[str, Any] = {}
    for row in Module.objects.filter(template=template).select_related("course"):
        sent |= module(f"module-{row.pk}", row.position, row.type, row.course.code if row.course else "")
    for number in range(3):
        sent |= module(f"new-{number}", "", "course", "")
    return sent


def module(prefix: str, position: int | str, kind: str, course: str, *, remove: bool = False) -> dict[str, Any]:
    sent = {f"{prefix}-position": position, f"{prefix}-type": kind, f"{prefix}-course": course}
    return sent | ({f"{prefix}-remove": "on"} if remove else {})


# Modules.


def test_modules_are_added_changed_moved_and_removed_together(staff: Pages, organization: Organization) -> None:
    template = program_of(organization, 4).template
    codes = [code for _, _, code in order_of(template)]
    first, second, third, fourth = Module.objects.filter(template=template).order_by("position")
    CourseFactory.create(organization=organization, code="NEW")
    answer = staff.client.post(
        template_page(template, "modules/"),
        grid_of(template)
        | module(f"module-{first.pk}", 3, "course", codes[0] or "")
        | module(f"module-{second.pk}", 2, "course", codes[1] or "", remove=True)
        | module(f"module-{third.pk}", 3, "classroom", "NEW")
        | module("new-0", "", "webinar", "")
        | module("new-1", 1, "course", "NEW"),
        follow=True,
    )
    assert messages_of(answer) == ["The modules are saved."]
    assert order_of(template) == [
        (1, "course", "NEW"),
        (2, "classroom", "NEW"),
        (3, "course", codes[0]),
        (4, "course", codes[3]),
        (5, "webinar", None),
    ]
    assert Module.objects.get(pk=fourth.pk).position == 4
    assert LogEntry.objects.get().get_change_message() == "Changed the modules."


@pytest.mark.parametrize(
    ("moved", "to", "order"),
    [(0, 3, [1, 2, 0, 3]), (3, 1, [3, 0, 1, 2]), (1, 99, [0, 2, 3, 1]), (1, 2, [0, 1, 2, 3])],
)
def test_a_module_moves_in_the_grid_as_it_does_by_itself(
    staff: Pages, organization: Organization, moved: int, to: int, order: list[int]
) -> None:
    template = program_of(organization, 4).template
    rows = list(Module.objects.filter(template=template).order_by("position").values_list("pk", "course__code"))
    pk, code = rows[moved]
    staff.client.post(
        template_page(template, "modules/"), grid_of(template) | module(f"module-{pk}", to, "course", code)
    )
    assert [code for _, _, code in order_of(template)] == [rows[index][1] for index in order]


def test_a_refused_module_says_why_and_nothing_is_changed(staff: Pages, organization: Organization) -> None:
    CourseFactory.create(organization=OrganizationFactory.create(), code="THEIRS")
    template = program_of(organization, 2).template
    before = order_of(template)
    first, second = Module.objects.filter(template=template).order_by("position")
    page = staff.client.post(
        template_page(template, "modules/"),
        grid_of(template)
        | module(f"module-{first.pk}", 0, "course", before[0][2] or "")
        | module(f"module-{second.pk}", 1, "course", "")
        | module("new-0", 1, "course", "THEIRS")
        | module("new-1", 1, "webinar", "")
        | module("new-2", 1, "party", ""),
    )
    said = {line.prefix: line.said for line in page.context["grid"].lines if line.said}
    assert said == {
        f"module-{first.pk}": ["Ensure this value is greater than or equal to 1."],
        f"module-{second.pk}": ["A module of type course names its course."],
        "new-0": ["There is no course with the code THEIRS."],
        "new-2": ["Select a valid choice. party is not one of the available choices."],
    }
    assert messages_of(page) == ["Refused, as said below. Nothing has been changed."]
    assert page.context["grid"].lines[3].form["type"].value() == "webinar"
    assert order_of(template) == before


def test_a_module_that_was_removed_meanwhile_is_not_brought_back(staff: Pages, organization: Organization) -> None:
    template = program_of(organization, 2).template
    gone, kept = Module.objects.filter(template=template).order_by("position")
    sent = grid_of(template) | module(f"module-{gone.pk}", 2, "webinar", "")
    catalogue.remove(actor=SYSTEM, row=gone)
    answer = staff.client.post(template_page(template, "modules/"), sent, follow=True)
    assert messages_of(answer) == ["Nothing was changed."]
    assert list(Module.objects.filter(template=template)) == [kept]


# Members.


def test_members_are_shown_with_their_progress(staff: Pages, organization: Organization) -> None:
    ended = timezone.now() - timedelta(days=1)
    session = program_of(organization, 3, starts_at=ended, ends_at=ended, has_user_limit=True, user_limit=4)
    ahead, behind = people_of(organization, 2)
    joined(session, [ahead, behind])
    for record in TrainSession.objects.filter(person=ahead).order_by("pk")[:2]:
        records.complete(organization=organization, actor=SYSTEM, record_id=record.pk)
    tutor = PersonFactory.create(organization=organization, first_name="Grace", last_name="Hopper")
    catalogue.create(actor=SYSTEM, row=ProgramTutor(organization=organization, session=session, person=tutor))
    required = CourseFactory.create(organization=organization, code="REQ", title="Before")
    catalogue.create(actor=SYSTEM, row=ProgramRequirement(organization=organization, session=session, course=required))
    page = staff.get(session_page(session))
    shown = {one.member.person_id: (one.done, one.courses, one.overdue) for one, _ in page.context["members"]}
    assert shown == {ahead.pk: (2, 3, 1), behind.pk: (0, 3, 3)}
    text = page.content.decode()
    for words in (
        "2 of 4 places taken, 2 free",
        "2 of 3 course modules done",
        "3 overdue",
        "Grace Hopper",
        "REQ Before",
    ):
        assert words in text


def test_each_pasted_name_is_answered(staff: Pages, organization: Organization) -> None:
    required = CourseFactory.create(organization=organization, code="REQ")
    session = program_of(organization, 1)
    catalogue.create(actor=SYSTEM, row=ProgramRequirement(organization=organization, session=session, course=required))
    new, already, inactive, _without, picked = people_of(organization, 5)
    for person in (new, already, picked):
        [made] = records.assign(
            organization=organization, actor=SYSTEM, course_id=required.pk, person_ids=[person.pk], due_at=None
        )
        records.complete(organization=organization, actor=SYSTEM, record_id=made.record.pk)
    joined(session, [already])
    accounts.update_person(organization=organization, actor=SYSTEM, person=inactive, changes={"active": False})
    PersonFactory.create(organization=OrganizationFactory.create(), employee_id="THEIRS")
    page = staff.client.post(
        session_page(session, "join/"),
        {"people": [picked.pk], "numbers": "E-1, E-2;E-3\tE-4\n\nE-1 THEIRS"},
    )
    assert [(line, number, word, why) for line, number, word, _, why in page.context["answers"]] == [
        (1, "E-5", "Added", ""),
        (2, "E-1", "Added", ""),
        (3, "E-2", "Not added", "Is a member already."),
        (4, "E-3", "Not added", "The employee is inactive."),
        (5, "E-4", "Not added", "Has not completed REQ."),
        (6, "E-1", "Added", ""),
        (7, "THEIRS", "Not added", "There is no such employee."),
    ]
    assert messages_of(page) == ["2 people added, 3 not added."]
    assert page.context["join_form"].initial["numbers"] == "E-3\nE-4\nTHEIRS"
    current = ProgramMember.objects.current().filter(session=session)
    assert set(current.values_list("person_id", flat=True)) == {new.pk, already.pk, picked.pk}
    assert set(current.exclude(person=already).values_list("created_by", flat=True)) == {f"user-{staff.user.pk}"}
    assert LogEntry.objects.count() == 2


def test_more_people_than_places_are_refused_whole_unless_as_many_as_fit(
    staff: Pages, organization: Organization
) -> None:
    session = program_of(organization, 1, has_user_limit=True, user_limit=2)
    people_of(organization, 3)
    typed = {"numbers": "E-1 E-2 E-3"}
    page = staff.client.post(session_page(session, "join/"), typed)
    assert page.context["join_form"].non_field_errors() == [
        "Session is at capacity. Only 2 spots remaining. You requested 3 enrollments. Nobody was added."
    ]
    assert page.context["join_form"]["numbers"].value() == "E-1 E-2 E-3"
    assert {why for *_, why in page.context["answers"]} == {"There is too little room for all, so nobody was added."}
    assert (ProgramMember.objects.count(), TrainSession.objects.count()) == (0, 0)
    page = staff.client.post(session_page(session, "join/"), typed | {"fit": "on"})
    assert [(word, why) for _, _, word, _, why in page.context["answers"]] == [
        ("Added", ""),
        ("Added", ""),
        ("Not added", "The program session is full."),
    ]
    assert list(ProgramMember.objects.values_list("person__employee_id", flat=True)) == ["E-1", "E-2"]


def test_who_needs_a_unit_that_is_not_there_is_left_out(staff: Pages, organization: Organization) -> None:
    course = CourseFactory.create(organization=organization, code="U-1", uses_units=True)
    session = ProgramSessionFactory.create(organization=organization, courses=[course])
    UnitFactory.create(course=course)
    people_of(organization, 2)
    page = staff.client.post(session_page(session, "join/"), {"numbers": "E-1 E-2"})
    assert page.context["join_form"].non_field_errors() == [
        "Not enough units of U-1: 2 needed, 1 free. Nobody was added."
    ]
    assert ProgramMember.objects.count() == 0
    page = staff.client.post(session_page(session, "join/"), {"numbers": "E-1 E-2", "fit": "on"})
    assert [(word, why) for _, _, word, _, why in page.context["answers"]] == [
        ("Added", ""),
        ("Not added", "Not enough units of U-1: 1 needed, 0 free."),
    ]


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        (" \n, ;", "Pick people, or paste employee numbers."),
        ("x " * 5001, "5,001 employee numbers are too many at once: paste 5,000 at most."),
        ("a\0b", "Null characters are not allowed."),
    ],
)
def test_what_is_no_list_of_names_is_refused(staff: Pages, organization: Organization, numbers: str, said: str) -> None:
    session = program_of(organization)
    page = staff.client.post(session_page(session, "join/"), {"numbers": numbers})
    errors = page.context["join_form"].errors
    assert [text for texts in errors.values() for text in texts] == [said]


def test_removing_says_first_what_will_be_unassigned(staff: Pages, organization: Organization) -> None:
    session = program_of(organization, 2)
    leaving, staying = people_of(organization, 2)
    members = joined(session, [leaving, staying])
    done, owed = TrainSession.objects.filter(person=leaving).order_by("pk")
    records.complete(organization=organization, actor=SYSTEM, record_id=done.pk)
    ticked = {"member": [members[0].pk]}
    asked = staff.client.post(session_page(session, "remove/"), ticked)
    assert asked.context["says"] == [
        f"Removes {leaving}.",
        "What is done, or needed elsewhere, stays.",
        "The train session that this program opened is unassigned:",
    ]
    assert asked.context["listed"] == [f"{leaving}: {owed.course}"]
    assert (ProgramMember.objects.current().count(), TrainSession.objects.open().count()) == (2, 3)
    sent = {"member": [str(value) for name, value in asked.context["hidden"] if name == "member"], "apply": "1"}
    done_page = staff.client.post(session_page(session, "remove/"), sent, follow=True)
    assert messages_of(done_page) == ["1 person removed."]
    assert list(ProgramMember.objects.current().values_list("person_id", flat=True)) == [staying.pk]
    owed.refresh_from_db()
    assert owed.unassigned_at is not None
    assert TrainSession.objects.open().count() == 2
    again = staff.client.post(session_page(session, "remove/"), sent, follow=True)
    assert messages_of(again) == ["Tick whom to remove. Nobody has been removed."]


def test_members_of_another_session_are_not_removed_here(staff: Pages, organization: Organization) -> None:
    session, other = program_of(organization), program_of(organization)
    [member] = joined(other, people_of(organization, 1))
    staff.client.post(session_page(session, "remove/"), {"member": [member.pk, "x"], "apply": "1"})
    assert ProgramMember.objects.current().count() == 1


# Who may.


@pytest.mark.parametrize("role", [*Role, None])
@pytest.mark.parametrize("mine", [True, False])
def test_who_may_open_and_change_what(organization: Organization, *, role: Role | None, mine: bool) -> None:
    owner = organization if mine else OrganizationFactory.create()
    session = program_of(owner, 1)
    people = people_of(owner, 2)
    [member] = joined(session, people[:1])
    person = PersonFactory.create(organization=organization)
    pages = Pages(UserFactory.create(organization=organization, role=role, person=person))
    reads = mine and role in (Role.ADMINISTRATOR, Role.AUDITOR)
    writes = mine and role == Role.ADMINISTRATOR
    before = order_of(session.template)
    looked = [pages.get(template_page(session.template, "modules/")), pages.get(session_page(session, "join/"))]
    assert [page.status_code for page in looked] == [
        200 if reads else 404,
        200 if writes else 403 if reads else 404,
    ]
    sent = grid_of(session.template) | module("new-0", 1, "webinar", "")
    wrote = [
        pages.client.post(template_page(session.template, "modules/"), sent),
        pages.client.post(session_page(session, "join/"), {"numbers": people[1].employee_id}),
        pages.client.post(session_page(session, "remove/"), {"member": [member.pk], "apply": "1"}),
    ]
    expected = [302, 200, 302] if writes else [403] * 3 if reads else [404] * 3
    assert [page.status_code for page in wrote] == expected
    assert (order_of(session.template) != before) is writes
    current = set(ProgramMember.objects.current().values_list("person_id", flat=True))
    assert current == ({people[1].pk} if writes else {people[0].pk})
    if reads:
        text = (
            pages.get(session_page(session)).content.decode()
            + pages.get(template_page(session.template)).content.decode()
        )
        buttons = ("Save the modules", "Remove who is ticked", ">Add people<", "Add a tutor", "Add a requirement")
        assert [button in text for button in buttons] == [writes] * 5


def test_pages_cost_the_same_whatever_they_hold(staff: Pages, organization: Organization) -> None:
    counts = []
    for rows in (1, 3):
        session = program_of(organization, rows)
        people = [PersonFactory.create(organization=organization) for _ in range(rows)]
        joined(session, people)
        for person in people:
            catalogue.create(actor=SYSTEM, row=ProgramTutor(organization=organization, session=session, person=person))
            required = CourseFactory.create(organization=organization)
            catalogue.create(
                actor=SYSTEM, row=ProgramRequirement(organization=organization, session=session, course=required)
            )
        for address in (session_page(session), template_page(session.template), "/admin/programs/programsession/"):
            staff.get(address)
            with CaptureQueriesContext(connection) as queries:
                assert staff.get(address).status_code == 200
            counts.append(len(queries))
    assert counts[:3] == counts[3:]
    assert counts[2] <= 12
