"""The admin as a browser meets it: pages are opened, forms are sent back with all that stood in them."""

from html.parser import HTMLParser
from typing import Any

from django.contrib import admin
from django.db import models
from django.test import Client
from django.urls import reverse

from accounts.bulk import RowOutcome
from accounts.models import (
    ApiToken,
    BulkOperation,
    BulkRow,
    Group,
    GroupMember,
    HistoryEntry,
    IdempotencyRecord,
    ImportFile,
    OperationKind,
    Organization,
    Outcome,
    Person,
    User,
)
from accounts.services import operations
from accounts.services.groups import create_group
from accounts.services.tokens import create_token
from enrollments.models import Category, Course, Enrollment, Prerequisite, Session
from enrollments.services import enrolling
from programs.models import (
    MemberRecord,
    Module,
    ProgramMember,
    ProgramRequirement,
    ProgramSession,
    ProgramTemplate,
    ProgramTutor,
)
from programs.services import catalogue as programs, membership
from tests.factories import (
    SYSTEM,
    CourseFactory,
    PersonFactory,
    ProgramSessionFactory,
    SessionFactory,
    UnitFactory,
    UserFactory,
)
from training.models import Requirement, RequirementPerson, TrainSession, Unit
from training.services.requirements import create_requirement

OURS = {"accounts", "enrollments", "training", "programs"}
MODELS: list[type[models.Model]] = [model for model in admin.site._registry if model._meta.app_label in OURS]  # noqa: SLF001 - Django's documented names


class FormReader(HTMLParser):
    """What a browser would send of the page's own form."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, list[str]] = {}
        self._inside = False
        self._select = ""
        self._textarea = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self._inside = (given.get("id") or "").endswith("_form")
        name = given.get("name") or ""
        if not self._inside:
            return
        if tag == "select":
            self._select = name
        elif tag == "option" and self._select and "selected" in given:
            self._add(self._select, given.get("value") or "")
        elif tag == "textarea":
            self._textarea = name
            self._add(name, "")
        elif tag == "input" and name:
            unticked = given.get("type") in {"checkbox", "radio"} and "checked" not in given
            if given.get("type") != "submit" and not unticked:
                ticked = "on" if given.get("type") == "checkbox" else ""
                self._add(name, given.get("value") or ticked)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
        elif tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._textarea = ""

    def handle_data(self, data: str) -> None:
        if self._textarea:
            self.values[self._textarea][-1] += data.removeprefix("\n")

    def _add(self, name: str, value: str) -> None:
        self.values.setdefault(name, []).append(value)


class Pages:
    def __init__(self, user: User) -> None:
        self.user = user
        self.client = Client()
        self.client.force_login(user)

    def get(self, address: str, **query: Any) -> Any:
        return self.client.get(address, query)

    def rows(self, model: type[models.Model], **query: Any) -> Any:
        return self.get(address(model, "changelist"), **query)

    def save(self, address: str, query: dict[str, Any] | None = None, **typed: Any) -> Any:
        """Open the page, type into its form, press Save."""
        page = self.client.get(address, query or {})
        assert page.status_code == 200, page
        return self.client.post(address, {**fields_of(page), **typed})

    def add(self, model: type[models.Model], **typed: Any) -> Any:
        return self.save(address(model, "add"), **typed)

    def change(self, row: models.Model, **typed: Any) -> Any:
        return self.save(address(type(row), "change", row), **typed)

    def act(self, model: type[models.Model], action: str, rows: list[Any], **given: Any) -> Any:
        """Tick rows on the list page and press Go; with `given`, answer the page that asks for more."""
        data = {"action": action, "_selected_action": [row.pk for row in rows], **given}
        if not given:
            data["index"] = "0"
        return self.client.post(address(model, "changelist"), data, follow=True)


def address(model: type[models.Model], page: str, row: models.Model | int | None = None) -> str:
    opts = model._meta  # noqa: SLF001 - Django's documented name
    args = [] if row is None else [row if isinstance(row, int) else row.pk]
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_{page}", args=args)


def fields_of(page: Any) -> dict[str, list[str]]:
    reader = FormReader()
    reader.feed(page.content.decode())
    return reader.values


def errors_of(page: Any) -> dict[str, list[str]]:
    """What the form says, by field; and that it says it on a page, not as a crash or a redirect."""
    assert page.status_code == 200, page
    return {str(name): list(messages) for name, messages in page.context["adminform"].form.errors.items()}


def messages_of(page: Any) -> list[str]:
    return [str(message) for message in page.context["messages"]]


def add_rows(organization: Organization, mark: str) -> dict[type[models.Model], models.Model]:
    """One row of every model that belongs to an organization, each of them showing `mark` somewhere in its list."""
    person = PersonFactory.create(organization=organization, employee_id=f"E-{mark}", last_name=mark)
    course = CourseFactory.create(organization=organization, code=f"C-{mark}", title=f"Course {mark}")
    after = CourseFactory.create(organization=organization, code=f"D-{mark}", prerequisites=[course])
    session = SessionFactory.create(course=course, name=f"Session {mark}", max_participants=5)
    enrolled = enrolling.enroll(organization=organization, actor=SYSTEM, session_id=session.pk, person_ids=[person.pk])
    program = ProgramSessionFactory.create(organization=organization, name=f"Program {mark}", courses=[after])
    tutor = programs.create(actor=SYSTEM, row=ProgramTutor(organization=organization, session=program, person=person))
    [member] = membership.join(organization=organization, actor=SYSTEM, session=program, person_ids=[person.pk])
    requirement = programs.create(
        actor=SYSTEM, row=ProgramRequirement(organization=organization, session=program, course=course)
    )
    token, _ = create_token(organization=organization, actor=SYSTEM, name=f"Token {mark}", scopes=["training:read"])
    answered = IdempotencyRecord.objects.create(
        organization=organization, token=token, key=f"key-{mark}", fingerprint="0" * 64, status=201, body=b"secret-body"
    )
    named = create_requirement(
        organization=organization, actor=SYSTEM, course=course, audience="people", people=[person], due_days=30
    )
    group = create_group(organization=organization, actor=SYSTEM, name=f"Group {mark}", people=[person])
    operation = operations.begin(
        organization=organization, actor=SYSTEM, kind=OperationKind.ASSIGN, reason=f"Because {mark}"
    )
    operations.record(operation, [RowOutcome(1, f"E-{mark}", Outcome.ASSIGNED)])
    user = UserFactory.create(organization=organization, email=f"{mark}@example.com")
    waiting = ImportFile.objects.create(
        organization=organization,
        user=user,
        kind=OperationKind.IMPORT_PEOPLE,
        name=f"{mark}.csv",
        content=b"secret-file",
    )
    return {
        Organization: organization,
        Person: person,
        Group: group,
        GroupMember: GroupMember.objects.get(group=group),
        BulkOperation: operation,
        BulkRow: BulkRow.objects.get(operation=operation),
        User: user,
        ImportFile: waiting,
        HistoryEntry: HistoryEntry.objects.get(model="accounts.Person", row_id=person.pk),
        ApiToken: token,
        IdempotencyRecord: answered,
        Category: Category.objects.get(slug="safety"),
        Course: course,
        Prerequisite: Prerequisite.objects.get(course=after),
        Session: session,
        Enrollment: enrolled.enrollments[0],
        Unit: UnitFactory.create(course=course),
        Requirement: named,
        RequirementPerson: RequirementPerson.objects.get(requirement=named),
        TrainSession: TrainSession.objects.get(person=person, course=course),
        ProgramTemplate: program.template,
        Module: Module.objects.get(template=program.template),
        ProgramSession: program,
        ProgramTutor: tutor,
        ProgramRequirement: requirement,
        ProgramMember: member,
        MemberRecord: MemberRecord.objects.get(member=member),
    }
