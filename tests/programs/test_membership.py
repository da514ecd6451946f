"""Joining and leaving program sessions: limits, requirements, and what the ledger does about it."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine

from accounts.errors import PeopleInactive, PeopleUnknown, Refusal
from accounts.models import Organization, Person
from accounts.services.people import update_person
from enrollments.errors import CapacityBelowSeatsTaken, NotEnoughUnits, SessionFull
from enrollments.models import Course
from programs.errors import ProgramSessionUnknown, RequirementsNotMet
from programs.models import MemberRecord, Module, ModuleType, ProgramMember, ProgramRequirement, ProgramSession
from programs.services import catalogue, membership
from tests.acts import ACTOR, assign, attempt, cancel, complete, enroll, owed, progress
from tests.factories import CourseFactory, OrganizationFactory, PersonFactory, ProgramSessionFactory, SessionFactory
from tests.snapshots import NOTHING, NOW, Effects, effects, fresh_record, key
from training.models import TrainSession
from training.services import records

ENDS = NOW + timedelta(days=30)


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW, tick=False) as travel:
        yield travel


@pytest.fixture
def courses(organization: Organization) -> list[Course]:
    return [CourseFactory.create(organization=organization) for _ in range(2)]


@pytest.fixture
def program(organization: Organization, courses: list[Course]) -> ProgramSession:
    return ProgramSessionFactory.create(organization=organization, courses=courses, ends_at=ENDS)


@pytest.fixture
def person(organization: Organization) -> Person:
    return PersonFactory.create(organization=organization)


def join(program: ProgramSession, *people: Person) -> list[ProgramMember]:
    ids = [one.pk for one in people]
    return membership.join(organization=program.organization, actor=ACTOR, session=program, person_ids=ids)


def leave(program: ProgramSession, *people: Person) -> list[ProgramMember]:
    ids = [one.pk for one in people]
    return membership.leave(organization=program.organization, actor=ACTOR, session=program, person_ids=ids)


def refused(act: Callable[[], object]) -> tuple[type[Refusal], dict[str, Any]]:
    with effects() as seen, pytest.raises(Refusal) as caught:
        act()
    assert seen == NOTHING
    return type(caught.value), vars(caught.value)


def fresh_member(person: Person, program: ProgramSession) -> dict[str, Any]:
    return {
        "organization_id": program.organization_id,
        "session_id": program.pk,
        "person_id": person.pk,
        "joined_at": NOW,
        "left_at": None,
        "created_by": "user-0",
        "updated_by": "user-0",
    }


def owed_by_program(person: Person, course: Course, **fields: Any) -> dict[str, Any]:
    return fresh_record(person, course, **{"due_at": ENDS, "origin": "program", **fields})


def opened_by(member: ProgramMember, rows: Sequence[TrainSession]) -> list[dict[str, Any]]:
    return [
        {"organization_id": member.organization_id, "member_id": member.pk, "train_session_id": row.pk} for row in rows
    ]


# Joining.


def test_join_opens_a_record_due_at_the_end_for_each_course_module(
    program: ProgramSession, courses: list[Course], person: Person
) -> None:
    with effects() as seen:
        (member,) = join(program, person)
    opened = list(TrainSession.objects.order_by("pk"))
    assert seen == Effects(
        made={
            "ProgramMember": [fresh_member(person, program)],
            "TrainSession": [owed_by_program(person, course) for course in courses],
            "MemberRecord": opened_by(member, opened),
        }
    )


def test_join_answers_in_the_order_asked_once_each(program: ProgramSession, person: Person) -> None:
    others = [PersonFactory.create(organization=program.organization) for _ in range(2)]
    joined = join(program, others[1], person, others[1], others[0])
    assert [member.person_id for member in joined] == [others[1].pk, person.pk, others[0].pk]


def test_join_twice_changes_nothing(program: ProgramSession, person: Person) -> None:
    (member,) = join(program, person)
    with effects() as seen:
        assert join(program, person) == [member]
    assert seen == NOTHING


def test_join_without_an_end_opens_records_without_a_due_instant(
    organization: Organization, courses: list[Course], person: Person
) -> None:
    program = ProgramSessionFactory.create(organization=organization, courses=courses)
    join(program, person)
    assert list(TrainSession.objects.values_list("due_at", "overdue")) == [(None, False)] * 2


def test_join_opens_one_record_for_a_course_of_two_modules(
    program: ProgramSession, courses: list[Course], person: Person
) -> None:
    webinar = Module(
        organization=program.organization,
        template=program.template,
        position=9,
        type=ModuleType.WEBINAR,
        course=courses[0],
    )
    catalogue.create(actor=ACTOR, row=webinar)
    join(program, person)
    assert list(TrainSession.objects.order_by("pk").values_list("course_id", flat=True)) == [row.pk for row in courses]


@pytest.mark.parametrize(
    "act",
    [lambda _record: None, progress, lambda record: attempt(record, 10, passed=False), complete],
    ids=["assigned", "in progress", "failed", "validly completed"],
)
def test_join_opens_nothing_beside_an_open_or_valid_record(
    program: ProgramSession, courses: list[Course], person: Person, act: Callable[[TrainSession], object]
) -> None:
    act(owed(courses[0], person))
    with effects() as seen:
        join(program, person)
    assert seen.changed == {}
    assert seen.made["TrainSession"] == [owed_by_program(person, courses[1])]
    assert len(seen.made["MemberRecord"]) == 1


def test_join_opens_a_record_beside_an_expired_one(
    organization: Organization, person: Person, clock: time_machine.Traveller
) -> None:
    course = CourseFactory.create(organization=organization, certificate_months=1)
    program = ProgramSessionFactory.create(organization=organization, courses=[course])
    complete(owed(course, person))
    clock.move_to(NOW + timedelta(days=31))  # 1 April; the certificate ran to 31 March.
    join(program, person)
    assert list(TrainSession.objects.order_by("pk").values_list("state", flat=True)) == ["completed", "assigned"]


@pytest.mark.parametrize(
    ("limited", "limit", "fits"), [(True, 2, True), (True, 1, False), (True, 0, False), (False, 0, True)]
)
def test_join_takes_as_many_as_the_limit_and_no_more(
    program: ProgramSession, person: Person, *, limited: bool, limit: int, fits: bool
) -> None:
    catalogue.update_session(
        organization=program.organization,
        actor=ACTOR,
        session=program,
        changes={"has_user_limit": limited, "user_limit": limit},
    )
    other = PersonFactory.create(organization=program.organization)
    if fits:
        assert len(join(program, person, other)) == 2
    else:
        assert refused(lambda: join(program, person, other)) == (SessionFull, {"remaining": limit, "requested": 2})


def test_join_of_a_full_session_again_is_no_refusal(program: ProgramSession, person: Person) -> None:
    join(program, person)
    changes = {"has_user_limit": True, "user_limit": 1}
    catalogue.update_session(organization=program.organization, actor=ACTOR, session=program, changes=changes)
    other = PersonFactory.create(organization=program.organization)
    with effects() as seen:
        join(program, person)
    assert seen == NOTHING
    assert refused(lambda: join(program, person, other)) == (SessionFull, {"remaining": 0, "requested": 1})
    leave(program, person)
    assert len(join(program, other)) == 1


def test_limit_is_not_lowered_below_who_is_in(program: ProgramSession, person: Person) -> None:
    join(program, person)
    changes = {"has_user_limit": True, "user_limit": 0}
    assert refused(
        lambda: catalogue.update_session(
            organization=program.organization, actor=ACTOR, session=program, changes=changes
        )
    ) == (CapacityBelowSeatsTaken, {"taken": 1, "capacity": 0})


def test_join_refuses_unknown_then_inactive_people(program: ProgramSession, person: Person) -> None:
    stranger = PersonFactory.create(organization=OrganizationFactory.create())
    inactive = PersonFactory.create(organization=program.organization)
    update_person(organization=program.organization, actor=ACTOR, person=inactive, changes={"active": False})
    assert refused(lambda: join(program, person, inactive, stranger)) == (PeopleUnknown, {"ids": [stranger.pk]})
    assert refused(lambda: join(program, person, inactive)) == (PeopleInactive, {"ids": [inactive.pk]})


def test_join_refuses_where_units_do_not_suffice(organization: Organization, person: Person) -> None:
    course = CourseFactory.create(organization=organization, code="PAID", uses_units=True)
    program = ProgramSessionFactory.create(organization=organization, courses=[course])
    assert refused(lambda: join(program, person)) == (
        NotEnoughUnits,
        {"course_code": "PAID", "free": 0, "needed": 1},
    )


@pytest.mark.parametrize("act", [membership.join, membership.leave])
def test_another_organizations_program_session_is_not_there(
    program: ProgramSession, person: Person, act: Callable[..., object]
) -> None:
    asking = OrganizationFactory.create()
    assert refused(lambda: act(organization=asking, actor=ACTOR, session=program, person_ids=[person.pk])) == (
        ProgramSessionUnknown,
        {"hex_id": program.hex_id},
    )


def require(program: ProgramSession, **target: Any) -> None:
    row = ProgramRequirement(organization=program.organization, session=program, **target)
    catalogue.create(actor=ACTOR, row=row)


def test_join_needs_the_required_courses_valid_today(
    program: ProgramSession, organization: Organization, person: Person, clock: time_machine.Traveller
) -> None:
    safety = CourseFactory.create(organization=organization, code="SAFETY", certificate_months=1)
    require(program, course=safety)
    unmet = (RequirementsNotMet, {"missing": {person.pk: ["SAFETY"]}})
    assert refused(lambda: join(program, person)) == unmet
    record = owed(safety, person)
    assert refused(lambda: join(program, person)) == unmet
    complete(record)
    clock.move_to(NOW + timedelta(days=31))
    assert refused(lambda: join(program, person)) == unmet
    clock.move_to(NOW + timedelta(days=30))
    assert len(join(program, person)) == 1


def test_join_needs_every_course_of_a_required_program(
    program: ProgramSession, organization: Organization, person: Person
) -> None:
    basics = [CourseFactory.create(organization=organization) for _ in range(2)]
    first = ProgramSessionFactory.create(organization=organization, courses=basics)
    require(program, template=first.template)
    other = PersonFactory.create(organization=organization)
    complete(owed(basics[0], person))
    missing = {person.pk: [first.template.name], other.pk: [first.template.name]}
    assert refused(lambda: join(program, person, other)) == (RequirementsNotMet, {"missing": missing})
    complete(owed(basics[1], person))
    assert len(join(program, person)) == 1


# Leaving.

LEFT = {"left_at": (None, NOW)}
TAKEN_BACK = {"unassigned_at": (None, NOW), "unassign_reason": ("", "Left the program session")}


def test_leave_takes_back_what_the_membership_opened(program: ProgramSession, person: Person) -> None:
    (member,) = join(program, person)
    opened = list(TrainSession.objects.all())
    with effects() as seen:
        assert leave(program, person, person) == [member]
    assert seen == Effects(changed={key(member): LEFT, **{key(row): TAKEN_BACK for row in opened}})


def test_leave_passes_over_who_is_no_member(program: ProgramSession, person: Person) -> None:
    with effects() as seen:
        assert leave(program, person) == []
    assert seen == NOTHING


@pytest.mark.parametrize(
    ("act", "taken_back"),
    [
        (progress, True),
        (lambda record: attempt(record, 10, passed=False), True),
        (lambda record: progress(record, time_spent=Decimal(1)), True),
        (complete, False),
    ],
    ids=["in progress", "failed", "time spent", "completed"],
)
def test_leave_takes_back_what_is_begun_and_keeps_what_is_completed(
    organization: Organization,
    courses: list[Course],
    person: Person,
    *,
    act: Callable[[TrainSession], object],
    taken_back: bool,
) -> None:
    program = ProgramSessionFactory.create(organization=organization, courses=courses[:1])
    (member,) = join(program, person)
    record = TrainSession.objects.get()
    act(record)
    with effects() as seen:
        leave(program, person)
    assert seen == Effects(changed={key(member): LEFT, **({key(record): TAKEN_BACK} if taken_back else {})})


def by_hand(course: Course, person: Person, _program: ProgramSession) -> None:
    assign(course, person)


def by_enrollment(course: Course, person: Person, _program: ProgramSession) -> None:
    enroll(SessionFactory.create(course=course), person)


def by_program(course: Course, person: Person, program: ProgramSession) -> None:
    join(ProgramSessionFactory.create(organization=program.organization, courses=[course]), person)


@pytest.mark.parametrize(
    ("before", "after"),
    [(by_hand, None), (by_enrollment, None), (by_program, None), (None, by_enrollment), (None, by_program)],
)
def test_leave_keeps_what_it_did_not_open_and_what_something_else_needs(
    program: ProgramSession,
    courses: list[Course],
    person: Person,
    *,
    before: Callable[[Course, Person, ProgramSession], None] | None,
    after: Callable[[Course, Person, ProgramSession], None] | None,
) -> None:
    if before:
        before(courses[0], person, program)
    (member,) = join(program, person)
    if after:
        after(courses[0], person, program)
    own = TrainSession.objects.get(course=courses[1])
    with effects() as seen:
        leave(program, person)
    assert seen == Effects(changed={key(member): LEFT, key(own): TAKEN_BACK})


def test_leave_after_the_other_need_has_ended_takes_back(program: ProgramSession, courses: list[Course]) -> None:
    person = PersonFactory.create(organization=program.organization)
    join(program, person)
    (enrollment,) = enroll(SessionFactory.create(course=courses[0]), person)
    cancel(enrollment)
    leave(program, person)
    assert not TrainSession.objects.live().exists()


def test_joining_again_is_a_new_membership_with_its_own_records(
    program: ProgramSession, courses: list[Course], person: Person
) -> None:
    (first,) = join(program, person)
    complete(TrainSession.objects.get(course=courses[0]))
    leave(program, person)
    with effects() as seen:
        (second,) = join(program, person)
    assert first.pk != second.pk
    assert seen.changed == {}
    assert seen.made["ProgramMember"] == [fresh_member(person, program)]
    assert seen.made["TrainSession"] == [owed_by_program(person, courses[1])]
    opened = MemberRecord.objects.filter(member=second).values_list("train_session__course_id", flat=True)
    assert list(opened) == [courses[1].pk]


def test_leave_does_not_take_what_was_assigned_anew(
    program: ProgramSession, courses: list[Course], person: Person
) -> None:
    """What the membership opened was unassigned; somebody then assigned the course by hand: another record."""
    join(program, person)
    organization = program.organization
    ids = list(TrainSession.objects.values_list("pk", flat=True))
    records.unassign(organization=organization, actor=ACTOR, ids=ids)
    again = owed(courses[0], person)
    leave(program, person)
    again.refresh_from_db()
    assert again.unassigned_at is None
