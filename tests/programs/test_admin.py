from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.admin.models import DELETION, LogEntry

from accounts.models import Organization, Person
from programs.models import (
    MemberRecord,
    Module,
    ProgramMember,
    ProgramRequirement,
    ProgramSession,
    ProgramTemplate,
    ProgramTutor,
)
from programs.services import catalogue, membership
from tests.accounts.admin_pages import Pages, errors_of, fields_of, messages_of
from tests.factories import (
    SYSTEM,
    CourseFactory,
    OrganizationFactory,
    PersonFactory,
    ProgramSessionFactory,
    UserFactory,
)
from training.models import TrainSession


@pytest.fixture
def staff(organization: Organization) -> Pages:
    return Pages(UserFactory.create(organization=organization))


def people_of(organization: Organization, count: int) -> list[Person]:
    return [PersonFactory.create(organization=organization) for _ in range(count)]


def program_of(organization: Organization, modules: int = 1, **fields: Any) -> ProgramSession:
    courses = [CourseFactory.create(organization=organization) for _ in range(modules)]
    return ProgramSessionFactory.create(organization=organization, courses=courses, **fields)


def joined(session: ProgramSession, people: list[Person]) -> list[ProgramMember]:
    ids = [person.pk for person in people]
    return membership.join(organization=session.organization, actor=SYSTEM, session=session, person_ids=ids)


def order_of(template: ProgramTemplate) -> list[tuple[int, int]]:
    return list(Module.objects.filter(template=template).order_by("position").values_list("position", "pk"))


def test_a_template_is_made_and_changed(staff: Pages, organization: Organization) -> None:
    staff.add(ProgramTemplate, name="Onboarding")
    template = ProgramTemplate.objects.get()
    assert (template.organization, template.name) == (organization, "Onboarding")
    staff.change(template, description="First week")
    changed = ProgramTemplate.objects.get()
    assert (changed.name, changed.description) == ("Onboarding", "First week")
    assert changed.modified_at > template.modified_at


def test_a_module_of_type_course_names_its_course(staff: Pages, organization: Organization) -> None:
    template = program_of(organization, 0).template
    answer = staff.add(Module, template=template.pk, position="1", type="course")
    assert errors_of(answer) == {"__all__": ["A module of type course names its course."]}
    course = CourseFactory.create(organization=organization)
    staff.add(Module, template=template.pk, position="1", type="course", course=course.pk)
    module = Module.objects.get()
    assert (module.organization, module.template, module.course) == (organization, template, course)
    taken = staff.add(Module, template=template.pk, position="1", type="webinar")
    assert errors_of(taken) == {"__all__": ["Module with this Organization, Template and Position already exists."]}
    assert Module.objects.count() == 1


@pytest.mark.parametrize(
    ("moved", "to", "order"),
    [(0, 3, [1, 2, 0, 3]), (3, 1, [3, 0, 1, 2]), (1, 99, [0, 2, 3, 1]), (2, 0, [2, 0, 1, 3]), (1, 2, [0, 1, 2, 3])],
)
def test_a_module_moves_to_a_place_and_the_others_close_up(
    organization: Organization, moved: int, to: int, order: list[int]
) -> None:
    template = program_of(organization, 4).template
    pks = [pk for _, pk in order_of(template)]
    Module.objects.filter(pk=pks[3]).update(position=32767)  # gaps are closed, and the column's end is no trouble
    module = catalogue.move_module(
        organization=organization, actor=SYSTEM, module=Module.objects.get(pk=pks[moved]), position=to
    )
    assert order_of(template) == [(place, pks[index]) for place, index in enumerate(order, start=1)]
    assert module.position == order.index(moved) + 1


def test_a_module_is_moved_and_changed_on_its_page(staff: Pages, organization: Organization) -> None:
    template = program_of(organization, 3).template
    pks = [pk for _, pk in order_of(template)]
    staff.change(Module.objects.get(pk=pks[2]), position="1", type="classroom")
    assert order_of(template) == [(1, pks[2]), (2, pks[0]), (3, pks[1])]
    assert Module.objects.get(pk=pks[2]).type == "classroom"


def test_removing_is_logged_and_leaves_what_is_owed(staff: Pages, organization: Organization) -> None:
    session = program_of(organization, 1)
    people = people_of(organization, 1)
    joined(session, people)
    tutor = catalogue.create(
        actor=SYSTEM, row=ProgramTutor(organization=organization, session=session, person=people[0])
    )
    requirement = catalogue.create(
        actor=SYSTEM,
        row=ProgramRequirement(
            organization=organization, session=session, course=CourseFactory.create(organization=organization)
        ),
    )
    module = Module.objects.get()
    assert messages_of(staff.act(ProgramTutor, "remove", [tutor])) == ["1 program tutor removed."]
    assert messages_of(staff.act(ProgramRequirement, "remove", [requirement])) == ["1 program requirement removed."]
    assert messages_of(staff.act(Module, "remove", [module])) == ["1 module removed."]
    assert [model.objects.count() for model in (ProgramTutor, ProgramRequirement, Module)] == [0, 0, 0]
    assert TrainSession.objects.get().unassigned_at is None
    assert LogEntry.objects.filter(action_flag=DELETION).count() == 3


def test_a_program_session_is_made_with_its_lists(staff: Pages, organization: Organization) -> None:
    template = program_of(organization, 0).template
    ProgramSession.objects.all().delete()
    typed = {"template": template.pk, "name": "Spring", "skills": "", "custom_fields": '[{"name": "a", "value": 1}]',
             "ends_at_0": "2027-05-01", "ends_at_1": "12:00:00"}  # fmt: skip
    answer = staff.add(ProgramSession, **typed, groups='["xyz"]')
    assert list(errors_of(answer)) == ["groups"]
    assert fields_of(answer)["groups"] == ['["xyz"]']
    staff.add(ProgramSession, **typed)
    session = ProgramSession.objects.get()
    assert (session.organization, session.skills, session.groups) == (organization, [], [])
    assert session.custom_fields == [{"name": "a", "value": 1}]
    assert session.ends_at == datetime(2027, 5, 1, 12, tzinfo=UTC)


def test_a_limit_below_the_people_in_it_is_refused_on_the_form(staff: Pages, organization: Organization) -> None:
    session = program_of(organization, has_user_limit=True, user_limit=5)
    joined(session, people_of(organization, 2))
    answer = staff.change(session, user_limit="1")
    assert errors_of(answer) == {"__all__": ["2 places are taken; the limit cannot be 1."]}
    assert fields_of(answer)["user_limit"] == ["1"]
    assert "2 of 5" in answer.content.decode()
    assert ProgramSession.objects.get().user_limit == 5
    assert staff.change(session, user_limit="2").status_code == 302
    assert ProgramSession.objects.get().user_limit == 2


def test_tutors_and_requirements_are_added(staff: Pages, organization: Organization) -> None:
    session = program_of(organization)
    [person] = people_of(organization, 1)
    course = CourseFactory.create(organization=organization)
    staff.add(ProgramTutor, session=session.pk, person=person.pk)
    tutor = ProgramTutor.objects.get()
    assert (tutor.organization, tutor.session, tutor.person) == (organization, session, person)
    both = staff.add(ProgramRequirement, session=session.pk, course=course.pk, template=session.template_id)
    assert errors_of(both) == {"__all__": ["A requirement names a course or a program, one of the two."]}
    staff.add(ProgramRequirement, session=session.pk, course=course.pk)
    requirement = ProgramRequirement.objects.get()
    assert (requirement.session, requirement.course, requirement.template) == (session, course, None)


def test_people_join_and_leave(staff: Pages, organization: Organization) -> None:
    session = program_of(organization, 2)
    people = people_of(organization, 2)
    answer = staff.add(ProgramMember, session=session.pk, people=[person.pk for person in people])
    assert messages_of(staff.get(answer.headers["Location"])) == [f"2 program members in {session}."]
    assert (MemberRecord.objects.count(), TrainSession.objects.open().count()) == (4, 4)
    rows = list(ProgramMember.objects.order_by("pk"))
    assert [row.created_by for row in rows] == [f"user-{staff.user.pk}"] * 2
    assert messages_of(staff.act(ProgramMember, "leave", rows[:1])) == ["1 program member left."]
    assert messages_of(staff.act(ProgramMember, "leave", rows)) == [
        "1 program member left.",
        "1 program member had left before.",
    ]
    assert (ProgramMember.objects.current().count(), TrainSession.objects.open().count()) == (0, 0)


def test_more_people_than_the_limit_are_refused_whole(staff: Pages, organization: Organization) -> None:
    session = program_of(organization, has_user_limit=True, user_limit=1)
    people = [person.pk for person in people_of(organization, 2)]
    answer = staff.add(ProgramMember, session=session.pk, people=people)
    assert errors_of(answer) == {
        "__all__": ["Session is at capacity. Only 1 spot remaining. You requested 2 enrollments."]
    }
    assert fields_of(answer)["people"] == [str(pk) for pk in people]
    assert (ProgramMember.objects.count(), TrainSession.objects.count()) == (0, 0)


def test_unmet_requirements_say_who_is_meant(staff: Pages, organization: Organization) -> None:
    session = program_of(organization)
    course = CourseFactory.create(organization=organization, code="C-1")
    catalogue.create(actor=SYSTEM, row=ProgramRequirement(organization=organization, session=session, course=course))
    [person] = people_of(organization, 1)
    answer = staff.add(ProgramMember, session=session.pk, people=[person.pk])
    assert errors_of(answer) == {
        "people": [
            f"Requirements not met: {person.pk} has not completed C-1.",
            f"{person.pk} is {person}.",
        ]
    }


def test_a_template_of_another_organization_is_no_choice(staff: Pages) -> None:
    theirs = program_of(OrganizationFactory.create())
    answer = staff.add(ProgramSession, template=theirs.template_id, name="Ours")
    assert errors_of(answer) == {
        "template": ["Select a valid choice. That choice is not one of the available choices."]
    }
    assert ProgramSession.objects.count() == 1
