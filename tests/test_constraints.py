"""The database refuses every bad row by itself, whoever writes it: a row for each constraint of each model."""

# ruff: noqa: SLF001 - `_meta` and `_default_manager` are names that Django documents

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, models, transaction

from accounts.models import (
    ApiToken,
    BulkOperation,
    BulkRow,
    Group,
    GroupMember,
    IdempotencyRecord,
    Organization,
    Person,
    User,
)
from enrollments.models import Course, Enrollment, Prerequisite, Session
from programs.models import (
    MemberRecord,
    Module,
    ProgramMember,
    ProgramRequirement,
    ProgramSession,
    ProgramTemplate,
    ProgramTutor,
)
from tests.acts import assign, enroll
from tests.factories import CourseFactory, PersonFactory, ProgramSessionFactory, SessionFactory
from training.models import Requirement, RequirementPerson, TrainSession

AT = datetime(2027, 3, 1, 10, tzinfo=UTC)
OURS = ("accounts", "enrollments", "training", "programs")


@dataclass
class World:
    """One good row of each kind, of one organization."""

    organization: Organization
    person: Person
    other: Person
    course: Course
    required: Course
    session: Session
    enrollment: Enrollment
    record: TrainSession
    program: ProgramSession
    token: ApiToken
    group: Group
    operation: BulkOperation


@pytest.fixture
def world(organization: Organization) -> World:
    course, required = (CourseFactory.create(organization=organization) for _ in range(2))
    person, other = (PersonFactory.create(organization=organization) for _ in range(2))
    session = SessionFactory.create(course=course)
    (enrollment,) = enroll(session, person)
    return World(
        organization=organization,
        person=person,
        other=other,
        course=course,
        required=required,
        session=session,
        enrollment=enrollment,
        record=assign(required, person)[0].record,
        program=ProgramSessionFactory.create(organization=organization, courses=[course]),
        token=ApiToken.objects.create(organization=organization, name="t", prefix="p", digest="d", scopes=[]),
        group=Group.objects.create(organization=organization, name="Office"),
        operation=BulkOperation.objects.create(organization=organization, kind="assign", created_by="user-0"),
    )


Write = Callable[[World], object]


def change(name: str, **values: Any) -> Write:
    """One of the world's rows, made bad."""
    return lambda world: type(getattr(world, name))._default_manager.filter(pk=getattr(world, name).pk).update(**values)


def twice(model: type[models.Model], values: Callable[[World], dict[str, Any]]) -> Write:
    """Two rows where there can be one."""

    def write(world: World) -> None:
        for _ in range(2):
            model._default_manager.create(organization=world.organization, **values(world))

    return write


def once(model: type[models.Model], values: Callable[[World], dict[str, Any]]) -> Write:
    return lambda world: model._default_manager.create(organization=world.organization, **values(world))


def required(world: World) -> dict[str, Any]:
    """Of everybody, within 30 days."""
    return {"course": world.course, "due_rule": "days_after_joining", "due_days": 30}


# By the constraint's name. A list: each of its rows must be refused.
BAD_ROWS: dict[str, list[Write]] = {
    "person_employee_id_unique": [lambda w: change("other", employee_id=w.person.employee_id)(w)],
    "person_username_unique": [lambda w: change("other", username=w.person.username)(w)],
    "person_mail_unique": [lambda w: change("other", mail=w.person.mail.upper())(w)],
    "person_kind_known": [change("person", kind="robot")],
    "user_staff_has_organization": [
        lambda _: User.objects.create(email="x@example.com", is_staff=True, organization=None),
    ],
    "idempotency_token_key_unique": [
        twice(IdempotencyRecord, lambda w: {"token": w.token, "key": "k", "status": 200, "body": b""})
    ],
    "group_name_unique": [twice(Group, lambda _: {"name": "Drivers"})],
    "group_member_unique": [twice(GroupMember, lambda w: {"group": w.group, "person": w.person})],
    "bulk_operation_kind_known": [change("operation", kind="delete")],
    "bulk_row_outcome_known": [
        once(BulkRow, lambda w: {"operation": w.operation, "line": 2, "outcome": "skipped"}),
        once(BulkRow, lambda w: {"operation": w.operation, "line": 2, "outcome": ""}),
    ],
    "course_code_unique": [lambda w: change("required", code=w.course.code)(w)],
    "course_pass_score_range": [change("course", pass_score=-1), change("course", pass_score="100.0001")],
    "course_duration_not_negative": [change("course", duration_hours=-1)],
    "course_cost_not_negative": [change("course", cost_per_participant=-1)],
    "course_delivery_mode_known": [change("course", delivery_mode="by_post")],
    "course_provider_known": [change("course", provider="somebody")],
    "course_status_known": [change("course", status="draft")],
    "prerequisite_unique": [twice(Prerequisite, lambda w: {"course": w.course, "required": w.required})],
    "prerequisite_not_itself": [once(Prerequisite, lambda w: {"course": w.course, "required": w.course})],
    "session_ends_after_start": [lambda w: change("session", ends_at=w.session.starts_at - timedelta(seconds=1))(w)],
    "session_status_known": [change("session", status="moved")],
    "session_reason_when_cancelled": [change("session", cancel_reason="Ill")],
    "enrollment_one_live": [
        once(Enrollment, lambda w: {"session": w.session, "person": w.person}),
        once(
            Enrollment,
            lambda w: {"session": w.session, "person": w.person, "status": "completed", "completed_at": AT},
        ),
    ],
    "enrollment_score_range": [change("enrollment", score=-1), change("enrollment", score="100.0001")],
    "enrollment_status_known": [change("enrollment", status="late")],
    "enrollment_completed_at_when_finished": [
        change("enrollment", status="completed"),
        change("enrollment", status="failed"),
        change("enrollment", completed_at=AT),
    ],
    "enrollment_cancelled_at_when_cancelled": [
        change("enrollment", status="cancelled"),
        change("enrollment", cancelled_at=AT),
    ],
    "train_session_one_open": [
        once(TrainSession, lambda w: {"course": w.required, "person": w.person}),
        once(TrainSession, lambda w: {"course": w.required, "person": w.person, "state": "failed"}),
    ],
    "train_session_state_known": [change("record", state="skipped")],
    "train_session_origin_known": [change("record", origin="hearsay")],
    "train_session_score_range": [change("record", score=-1), change("record", score="100.0001")],
    "train_session_percent_range": [change("record", percent=101)],
    "train_session_time_not_negative": [change("record", time_spent=-1)],
    "train_session_completed_whole": [
        change("record", state="completed", percent=100),
        change("record", state="completed", completed_at=AT),
        change("record", completed_at=AT),
    ],
    "train_session_completed_stays": [
        change("record", state="completed", percent=100, completed_at=AT, unassigned_at=AT)
    ],
    "train_session_unassigned_frees_unit": [
        lambda w: change(
            "record", unassigned_at=AT, unit=w.course.units.create(organization=w.organization, expires_on=AT)
        )(w)
    ],
    "train_session_overdue_has_due": [change("record", overdue=True)],
    "requirement_audience_known": [once(Requirement, lambda w: {**required(w), "audience": "some"})],
    "requirement_due_rule_known": [once(Requirement, lambda w: {**required(w), "due_rule": "soon"})],
    "requirement_group_for_a_group": [
        once(Requirement, lambda w: {**required(w), "audience": "group"}),
        once(Requirement, lambda w: {**required(w), "group": w.group}),
    ],
    "requirement_due_by_its_rule": [
        once(Requirement, lambda w: {**required(w), "due_days": None}),
        once(Requirement, lambda w: {**required(w), "due_on": AT}),
        once(Requirement, lambda w: {**required(w), "due_rule": "on_date"}),
        once(Requirement, lambda w: {**required(w), "due_rule": "on_date", "due_on": AT}),
    ],
    "requirement_due_days_range": [once(Requirement, lambda w: {**required(w), "due_days": 3651})],
    "requirement_person_unique": [
        twice(
            RequirementPerson,
            lambda w: {
                "requirement": Requirement.objects.get_or_create(
                    organization=w.organization, **required(w), audience="people"
                )[0],
                "person": w.person,
            },
        )
    ],
    "module_position_unique": [
        twice(Module, lambda w: {"template": w.program.template, "position": 9, "course": w.course})
    ],
    "module_type_known": [once(Module, lambda w: {"template": w.program.template, "position": 9, "type": "film"})],
    "module_course_has_course": [once(Module, lambda w: {"template": w.program.template, "position": 9})],
    "program_session_ends_after_start": [change("program", starts_at=AT, ends_at=AT - timedelta(seconds=1))],
    "program_session_limit_given": [change("program", has_user_limit=True)],
    "program_tutor_unique": [twice(ProgramTutor, lambda w: {"session": w.program, "person": w.person})],
    "program_requirement_one_of_two": [
        once(ProgramRequirement, lambda w: {"session": w.program}),
        once(
            ProgramRequirement,
            lambda w: {"session": w.program, "course": w.course, "template": w.program.template},
        ),
    ],
    "program_requirement_course": [twice(ProgramRequirement, lambda w: {"session": w.program, "course": w.course})],
    "program_requirement_template": [
        twice(
            ProgramRequirement,
            lambda w: {
                "session": w.program,
                "template": ProgramTemplate.objects.get_or_create(organization=w.organization, name="needed")[0],
            },
        )
    ],
    "program_member_once": [twice(ProgramMember, lambda w: {"session": w.program, "person": w.person})],
}

# A row that breaks the one cannot but break the other, and either may be named.
ALSO = {"enrollment_status_known": "enrollment_completed_at_when_finished"}

# Unique columns and one-to-one relations, by model and field.
TWINS: dict[str, Write] = {
    "accounts.Organization.slug": lambda w: Organization.objects.create(name="x", slug=w.organization.slug),
    "accounts.Organization.company_id": lambda w: Organization.objects.create(
        name="x", slug="x", company_id=w.organization.company_id
    ),
    "accounts.Person.hex_id": lambda w: change("other", hex_id=w.person.hex_id)(w),
    "accounts.User.email": lambda _: [User.objects.create(email="x@example.com") for _ in range(2)],
    "accounts.User.person": lambda w: [
        User.objects.create(email=f"{name}@example.com", person=w.person) for name in ("x", "y")
    ],
    "accounts.ApiToken.prefix": lambda w: ApiToken.objects.create(
        organization=w.organization, name="x", prefix=w.token.prefix, digest="e", scopes=[]
    ),
    "enrollments.Category.uuid": lambda w: w.course.category.__class__.objects.update(uuid=w.course.category.uuid),
    "enrollments.Category.slug": lambda w: w.course.category.__class__.objects.update(slug="same"),
    "enrollments.Course.uuid": lambda w: change("required", uuid=w.course.uuid)(w),
    "enrollments.Course.hex_id": lambda w: change("required", hex_id=w.course.hex_id)(w),
    "training.TrainSession.uuid": lambda w: TrainSession.objects.update(uuid=w.record.uuid),
    "training.TrainSession.unit": lambda w: TrainSession.objects.update(
        unit=w.course.units.create(organization=w.organization, expires_on=AT)
    ),
    "programs.ProgramTemplate.hex_id": lambda w: ProgramTemplate.objects.create(
        organization=w.organization, name="x", hex_id=w.program.template.hex_id
    ),
    "programs.Module.hex_id": lambda w: Module.objects.create(
        organization=w.organization,
        template=w.program.template,
        position=9,
        course=w.course,
        hex_id=Module.objects.get().hex_id,
    ),
    "programs.ProgramSession.hex_id": lambda w: ProgramSession.objects.create(
        organization=w.organization, template=w.program.template, name="x", hex_id=w.program.hex_id
    ),
    "programs.MemberRecord.train_session": twice(
        MemberRecord,
        lambda w: {
            "train_session": w.record,
            "member": ProgramMember.objects.get_or_create(
                organization=w.organization, session=w.program, person=w.person
            )[0],
        },
    ),
}


def our_models() -> list[type[models.Model]]:
    return [model for label in OURS for model in apps.get_app_config(label).get_models()]


def test_every_constraint_has_a_bad_row_here() -> None:
    declared = {constraint.name for model in our_models() for constraint in model._meta.constraints}
    assert set(BAD_ROWS) == declared
    unique = {
        f"{model._meta.label}.{field.name}"
        for model in our_models()
        for field in model._meta.concrete_fields
        if field.unique and not field.primary_key
    }
    assert set(TWINS) == unique


@pytest.mark.parametrize(("name", "write"), [(name, write) for name, writes in BAD_ROWS.items() for write in writes])
def test_the_database_refuses_what_a_constraint_forbids(world: World, name: str, write: Write) -> None:
    """By that constraint and no other: PostgreSQL names it; SQLite names a CHECK, and the columns of an index."""
    with pytest.raises(IntegrityError) as refused, transaction.atomic():
        write(world)
    text = str(refused.value)
    assert {name, ALSO.get(name, name)} & set(re.findall(r"\w+", text)) or text.startswith("UNIQUE constraint failed:")


@pytest.mark.parametrize("write", TWINS.values(), ids=list(TWINS))
def test_the_database_refuses_a_second_row_with_a_unique_value(world: World, write: Write) -> None:
    with pytest.raises(IntegrityError, match=r"(?i)unique"), transaction.atomic():
        write(world)
