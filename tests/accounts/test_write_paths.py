"""Every way to write in the admin is walked, and whatever reaches the database on it is written by a service."""

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from django.contrib import admin
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, models
from django.db.models import Model
from django.urls import reverse

from accounts.admin.base import LedgerAdmin
from accounts.models import ApiToken, BulkOperation, Group, ImportFile, Organization, Person, User
from enrollments.models import Category, Course, Enrollment, Session
from programs.models import (
    Module,
    ProgramMember,
    ProgramRequirement,
    ProgramSession,
    ProgramTemplate,
    ProgramTutor,
)
from tests.accounts.admin_pages import MODELS, OURS, Pages, add_rows, address, fields_of
from tests.accounts.test_access import ACCESS, ACTIONS, name_of
from tests.factories import SYSTEM, CourseFactory, PersonFactory, UserFactory
from training.models import Requirement, TrainSession, Unit
from training.services import records

ROOT = Path(__file__).resolve().parents[2]
WRITE = re.compile(rf'\s*(?:INSERT INTO|UPDATE|DELETE FROM)\s+"?((?:{"|".join(sorted(OURS))})_\w+)', re.IGNORECASE)


def by_service() -> bool:
    """Whether a service is at work, as whoever called for this."""
    frame: FrameType | None = sys._getframe()  # noqa: SLF001 - the documented way to the stack
    while frame is not None:
        file = Path(frame.f_code.co_filename)
        if file.is_relative_to(ROOT) and "services" in file.relative_to(ROOT).parts[1:-1]:
            return True
        frame = frame.f_back
    return False


Step = Callable[[], Any]


@dataclass
class Written:
    """Tables that were written to."""

    services: set[str] = field(default_factory=set)
    others: set[str] = field(default_factory=set)


@contextmanager
def recorded() -> Iterator[Written]:
    written = Written()

    def watch(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001 - Django's signature
        if found := WRITE.match(sql):
            (written.services if by_service() else written.others).add(found[1])
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        yield written


@dataclass(frozen=True)
class Ground:
    """An administrator of an organization that has one row of every model; `rows[Person]` is that row."""

    pages: Pages
    root: Pages
    rows: dict[type[Model], Any]

    @property
    def organization(self) -> Organization:
        return self.rows[Organization]  # type: ignore[no-any-return]  # a row of any model

    def person(self) -> Person:
        return PersonFactory.create(organization=self.organization)

    def course(self) -> Course:
        return CourseFactory.create(organization=self.organization)

    def add(self, model: type[Model], **typed: Any) -> Any:
        return self.pages.add(model, **typed)

    def change(self, model: type[Model], **typed: Any) -> Any:
        return self.pages.change(self.rows[model], **typed)

    def send(self, name: str, row: Any = None, **typed: Any) -> Any:
        """To a page of its own, as its form is sent."""
        return self.pages.client.post(reverse(f"admin:{name}", args=[] if row is None else [row.pk]), typed)

    def act(self, model: type[Model], action: str, **given: Any) -> Any:
        return self.pages.act(model, action, [self.rows[model]], **given)

    def open_record(self) -> TrainSession:
        record: TrainSession = self.rows[TrainSession]
        return record


def grid(ground: Ground, page: str, address_of: str, **typed: Any) -> Any:
    """A page of rows, sent with all that stood in it and what was typed."""
    fields = fields_of(ground.pages.get(page))
    return ground.pages.client.post(address_of, {**fields, **typed})


def upload(ground: Ground, name: str, text: str) -> ImportFile:
    file = SimpleUploadedFile("rows.csv", text.encode(), content_type="text/csv")
    ground.pages.client.post(reverse(f"admin:{name}_import"), {"file": file})
    return ImportFile.objects.order_by("-pk")[0]


def import_file(ground: Ground, name: str, text: str) -> "Step":
    file = upload(ground, name, text)
    return lambda: ground.send(f"{name}_import_preview", file, apply="1")


def undo(ground: Ground) -> "Step":
    record = ground.open_record()
    ground.send("training_record_unassign", ids=record.pk, reason="Left", many="on", apply="1")
    operation = BulkOperation.objects.order_by("-pk")[0]
    return lambda: ground.send("training_undo", operation, apply="1")


def join(ground: Ground) -> "Step":
    session, person = free_program(ground), ground.person()
    return lambda: ground.send("programs_programsession_join", session, numbers=person.employee_id)


def add_member(ground: Ground) -> "Step":
    session, person = free_program(ground), ground.person()
    return lambda: ground.add(ProgramMember, session=session.pk, people=[person.pk])


def apply_requirements(ground: Ground) -> "Step":
    required = {"course": ground.course().pk, "audience": "all", "due_rule": "days_after_joining", "due_days": "30"}
    ground.add(Requirement, **required)
    previewed = fields_of(ground.pages.get(reverse("admin:training_apply_requirements")))
    return lambda: ground.send("training_apply_requirements", **previewed)


def mark_present(ground: Ground) -> "Step":
    begun = {"starts_at_0": "2026-01-12", "ends_at_0": "2026-01-12", "ends_at_1": "23:59"}
    ground.change(Session, **begun)
    return lambda: ground.send("enrollments_session_present", ground.rows[Session], apply="1")


def enroll(ground: Ground) -> "Step":
    person = ground.person()
    return lambda: ground.send("enrollments_session_enroll", ground.rows[Session], numbers=person.employee_id)


def correct(ground: Ground) -> "Step":
    record = ground.open_record()
    records.complete(organization=ground.organization, actor=SYSTEM, record_id=record.pk, score=Decimal(80), on=None)
    typed = {"score": "90", "reason": "Misread", "apply": "1"}
    return lambda: ground.send("training_record_correct", ids=record.pk, **typed)


PASSWORD = "a long enough password"
PEOPLE = "employee_id,first_name,last_name\nNEW-1,Grace,Hopper\n"
COURSES = "code,title,category\nNEW-1,Compilers,technical\n"
RECORDS = "employee_id,course,completed_on\nE-Zmine,C-Zmine,2026-01-15\n"
LATER = {"starts_at_0": "2031-07-01", "starts_at_1": "08:00", "ends_at_0": "2031-07-01", "ends_at_1": "12:00"}

# How each way is gone: by the name of the address that is sent to, or by the action of the list. Where it must be led
# to first, what is called returns its last step.
WALKS: dict[str, Callable[[Ground], Any]] = {
    "accounts_person_add": lambda on: on.add(Person, employee_id="N-1", first_name="Ada", last_name="Byron"),
    "accounts_person_change": lambda on: on.change(Person, last_name="Byron"),
    "accounts_group_add": lambda on: on.add(Group, name="Night shift"),
    "accounts_group_change": lambda on: on.change(Group, name="Night shift"),
    "accounts_organization_add": lambda on: on.root.add(Organization, name="Another", slug="another"),
    "accounts_organization_change": lambda on: on.root.change(on.organization, name="Renamed"),
    "accounts_user_add": lambda on: on.root.add(
        User,
        email="new@example.com",
        organization=on.organization.pk,
        is_staff="on",
        new_password=PASSWORD,
        new_password_again=PASSWORD,
    ),
    "accounts_user_change": lambda on: on.root.change(on.rows[User], first_name="Grace"),
    "accounts_apitoken_add": lambda on: on.add(ApiToken, name="Rostering", scopes=["training:read"]),
    "accounts_apitoken_rotate": lambda on: grid(
        on, page := reverse("admin:accounts_apitoken_rotate", args=[on.rows[ApiToken].pk]), page, overlap="24"
    ),
    "accounts_apitoken_revoke": lambda on: on.send("accounts_apitoken_revoke", on.rows[ApiToken], apply="1"),
    "accounts_apitoken.revoke": lambda on: on.act(ApiToken, "revoke", apply="1"),
    "accounts_person_import": lambda on: upload(on, "accounts_person", PEOPLE),
    "accounts_person_import_preview": lambda on: import_file(on, "accounts_person", PEOPLE),
    "enrollments_course_import": lambda on: upload(on, "enrollments_course", COURSES),
    "enrollments_course_import_preview": lambda on: import_file(on, "enrollments_course", COURSES),
    "training_trainsession_import": lambda on: upload(on, "training_trainsession", RECORDS),
    "training_trainsession_import_preview": lambda on: import_file(on, "training_trainsession", RECORDS),
    "enrollments_course_add": lambda on: on.add(
        Course, code="N-1", title="Welding", category=Category.objects.get(slug="safety").pk
    ),
    "enrollments_course_change": lambda on: on.change(Course, title="Welding"),
    "enrollments_session_add": lambda on: on.add(Session, course=on.rows[Course].pk, name="Spring", **LATER),
    "enrollments_session_change": lambda on: on.change(Session, name="Spring"),
    "enrollments_session_roster": lambda on: on.send(
        "enrollments_session_roster", on.rows[Session], **{f"row-{on.rows[Enrollment].pk}-status": "absent"}
    ),
    "enrollments_session_present": mark_present,
    "enrollments_session_enroll": enroll,
    "enrollments_session_cancel": lambda on: on.send(
        "enrollments_session_cancel", on.rows[Session], reason="Nobody can come", apply="1"
    ),
    "enrollments_enrollment_add": lambda on: on.add(Enrollment, session=on.rows[Session].pk, people=[on.person().pk]),
    "enrollments_enrollment_change": lambda on: on.change(Enrollment, outcome="absent"),
    "enrollments_enrollment.mark_complete": lambda on: on.act(Enrollment, "mark_complete", apply="1"),
    "enrollments_enrollment.mark_absent": lambda on: on.act(Enrollment, "mark_absent", apply="1"),
    "enrollments_enrollment.cancel": lambda on: on.act(Enrollment, "cancel", apply="1"),
    "training_trainsession_add": lambda on: on.add(TrainSession, course=on.rows[Course].pk, people=[on.person().pk]),
    "training_trainsession_change": lambda on: on.change(TrainSession, percent="40"),
    "training_record_unassign": lambda on: on.send(
        "training_record_unassign", ids=on.open_record().pk, reason="Left", many="on", apply="1"
    ),
    "training_record_extend": lambda on: on.send(
        "training_record_extend", ids=on.open_record().pk, until="2031-03-31", apply="1"
    ),
    "training_record_complete": lambda on: on.send(
        "training_record_complete", ids=on.open_record().pk, score="90", apply="1"
    ),
    "training_record_correct": correct,
    "training_undo": undo,
    "training_assign_courses": lambda on: on.send(
        "training_assign_courses", on.rows[Person], course=[on.course().pk], apply="1"
    ),
    "training_leave": lambda on: on.send("training_leave", on.rows[Person], reason="Left", apply="1"),
    "training_unit_add": lambda on: on.add(Unit, course=on.rows[Course].pk, expires_on="2031-01-31"),
    "training_unit_change": lambda on: on.change(Unit, expires_on="2031-01-31"),
    "training_requirement_add": lambda on: on.add(
        Requirement, course=on.course().pk, audience="all", due_rule="days_after_joining", due_days="30"
    ),
    "training_requirement_change": lambda on: on.change(Requirement, due_days="60"),
    "training_apply_requirements": apply_requirements,
    "programs_programtemplate_add": lambda on: on.add(ProgramTemplate, name="Onboarding"),
    "programs_programtemplate_change": lambda on: on.change(ProgramTemplate, name="Onboarding"),
    "programs_programtemplate_modules": lambda on: grid(
        on,
        address(ProgramTemplate, "change", on.rows[ProgramTemplate]),
        reverse("admin:programs_programtemplate_modules", args=[on.rows[ProgramTemplate].pk]),
        **{f"module-{on.rows[Module].pk}-type": "webinar"},
    ),
    "programs_module_add": lambda on: on.add(
        Module, template=on.rows[ProgramTemplate].pk, position="2", type="webinar"
    ),
    "programs_module_change": lambda on: on.change(Module, position="3"),
    "programs_module.remove": lambda on: on.act(Module, "remove", apply="1"),
    "programs_programsession_add": lambda on: on.add(
        ProgramSession, template=on.rows[ProgramTemplate].pk, name="Spring", groups="[]"
    ),
    "programs_programsession_change": lambda on: on.change(ProgramSession, name="Spring"),
    "programs_programsession_join": join,
    "programs_programsession_remove": lambda on: on.send(
        "programs_programsession_remove", on.rows[ProgramSession], member=on.rows[ProgramMember].pk, apply="1"
    ),
    "programs_programtutor_add": lambda on: on.add(
        ProgramTutor, session=on.rows[ProgramSession].pk, person=on.person().pk
    ),
    "programs_programtutor.remove": lambda on: on.act(ProgramTutor, "remove", apply="1"),
    "programs_programrequirement_add": lambda on: on.add(
        ProgramRequirement, session=on.rows[ProgramSession].pk, course=on.course().pk
    ),
    "programs_programrequirement.remove": lambda on: on.act(ProgramRequirement, "remove", apply="1"),
    "programs_programmember_add": add_member,
    "programs_programmember.leave": lambda on: on.act(ProgramMember, "leave", apply="1"),
}
# Sent to, and writes nothing: what it shows, or what it asks before another page does it.
ONLY_ASK = {
    "index",
    "app_list",
    "search",
    "login",
    "password_change_done",
    "jsi18n",
    "autocomplete",
    "training_matrix",
    "training_matrix_export",
    "enrollments_session_download",
    "enrollments_session_invitation",
    *(f"{name_of(model)}_{page}" for model in (Person, Course, TrainSession) for page in ("import_template", "export")),
    *(f"{name_of(model)}_{page}" for model in (Person, Course, TrainSession) for page in ("import_refused",)),
    *(f"{name_of(model)}_{page}" for model in MODELS for page in ("changelist", "history")),
    # Lead to the pages of the same names, which act.
    *(f"training_trainsession.{name}" for name in ("unassign", "extend", "complete", "correct")),
}
# Django's own, of Django's own table and the user's password.
DJANGOS = {"password_change"}


def free_program(ground: Ground) -> ProgramSession:
    """Without the requirement that nobody new has met."""
    ground.act(ProgramRequirement, "remove", apply="1")
    session: ProgramSession = ground.rows[ProgramSession]
    return session


@pytest.fixture
def ground(organization: Organization) -> Ground:
    pages = Pages(UserFactory.create(organization=organization))
    root = Pages(User.objects.create_superuser("root@example.com", PASSWORD))
    return Ground(pages, root, add_rows(organization, "Zmine"))


def ways() -> set[str]:
    """Whatever takes what is sent to it, and whatever a list does."""
    sent = {name for name, access in ACCESS.items() if "i" in access.superuser[1::2]}
    return sent | {f"{name_of(model)}.{action}" for model, action in ACTIONS}


def test_every_way_to_write_is_walked_or_only_asks() -> None:
    assert ways() - ONLY_ASK - DJANGOS == set(WALKS)


@pytest.mark.parametrize("way", WALKS)
def test_a_way_to_write_writes_through_a_service(ground: Ground, way: str) -> None:
    with recorded() as written:
        last = WALKS[way](ground)
    if inspect.isfunction(last):
        with recorded() as written:
            last()
    assert (bool(written.services), written.others) == (True, set())


def test_what_no_service_writes_is_noticed(ground: Ground) -> None:
    person = ground.rows[Person]
    with recorded() as written:
        models.Model.save(person)
    assert (written.services, written.others) == (set(), {"accounts_person"})


@pytest.mark.parametrize("model", MODELS, ids=name_of)
def test_an_admin_without_a_service_is_read_only(ground: Ground, model: type[Model]) -> None:
    model_admin, row = admin.site._registry[model], ground.rows[model]  # noqa: SLF001 - Django's documented name
    assert isinstance(model_admin, LedgerAdmin)
    closed = {
        "add": type(model_admin).create_row is LedgerAdmin.create_row,
        "change": type(model_admin).change_row is LedgerAdmin.change_row,
        "delete": True,
    }
    with recorded() as written:
        answers = {
            page: ground.root.client.post(address(model, page, None if page == "add" else row)).status_code
            for page, is_closed in closed.items()
            if is_closed
        }
    assert set(answers.values()) == {403}
    assert written == Written()
