"""What ties two rows together has a history that can be read: whose it is, what was linked to what, and on which page."""

# ruff: noqa: SLF001 - `_meta` is Django's documented name for what a model is

from typing import Any

import pytest
from django.contrib.auth.models import Group as AuthGroup, Permission
from django.core.management import call_command
from django.db import connection, models
from django.test.utils import CaptureQueriesContext

from accounts.actors import Actor
from accounts.history import LINKS, kept_models
from accounts.models import ApiToken, Group, HistoryEntry, Organization, Person, User
from accounts.roles import Role
from accounts.services import groups, people
from accounts.transactions import write
from enrollments.models import Course, Session
from enrollments.services import catalogue
from programs.models import ProgramRequirement, ProgramSession, ProgramTemplate, ProgramTutor
from programs.services import catalogue as programs, membership
from tests.accounts.admin_pages import Pages, add_rows, address
from tests.accounts.test_history import LIST, Heard, texts
from tests.conftest import on_postgresql
from tests.factories import (
    SYSTEM,
    CourseFactory,
    OrganizationFactory,
    PersonFactory,
    ProgramSessionFactory,
    UserFactory,
)
from training.models import TrainSession
from training.services.requirements import create_requirement, update_requirement


@pytest.fixture
def root(organization: Organization) -> Pages:
    return Pages(User.objects.create_superuser("root@example.com", "a long enough password"))


@pytest.fixture
def ada(organization: Organization) -> Person:
    return PersonFactory.create(organization=organization, first_name="Ada", last_name="Byron", employee_id="E-1")


def told(pages: Pages, row: models.Model) -> list[list[str]]:
    """Of the row's page of history, newest first: what happened and in which words. Nobody tells when."""
    return [cells[2:] for cells in texts(pages.get(address(type(row), "history", row)))]


def test_rows_that_only_link_are_told_of_as_links() -> None:
    only_link = {
        model._meta.label
        for model in kept_models()
        if all(
            isinstance(one, models.ForeignKey) or one.primary_key
            for one in model._meta.concrete_fields
            if one.name != "organization"
        )
    }
    assert only_link - set(LINKS) == set()
    by_label = {model._meta.label: model for model in kept_models()}
    for label, link in LINKS.items():
        assert set(link.columns) <= {one.column for one in by_label[label]._meta.concrete_fields}, label


# Whose.


def test_a_role_is_of_the_users_organization_and_is_told_on_its_page(organization: Organization, root: Pages) -> None:
    user = UserFactory.create(organization=organization, email="ada@example.com", role=None)
    roles = dict(AuthGroup.objects.values_list("name", "pk"))
    heard = Heard()
    people.update_user(actor=SYSTEM, user=user, changes={"role": Role.FACILITATOR})
    people.update_user(actor=SYSTEM, user=user, changes={"role": Role.AUDITOR})
    entries = HistoryEntry.objects.filter(pk__gt=heard.last, model="accounts.User_groups").order_by("pk")
    assert list(entries.values_list("organization", "parent_id", "act", "changes")) == [
        (organization.pk, user.pk, act, {"user_id": user.pk, "group_id": roles[role]})
        for act, role in (("created", Role.FACILITATOR), ("deleted", Role.FACILITATOR), ("created", Role.AUDITOR))
    ]
    assert told(root, user) == [
        ["Added", f"Role {Role.AUDITOR.value} given to ada@example.com"],
        ["Removed", f"Role {Role.FACILITATOR.value} taken from ada@example.com"],
        ["Added", f"Role {Role.FACILITATOR.value} given to ada@example.com"],
        ["Created", "\N{EN DASH}"],
    ]
    # An administrator of the organization meets it in the list; of another, not.
    for mine in (True, False):
        staff = Pages(UserFactory.create(organization=organization if mine else OrganizationFactory.create()))
        page = staff.get(LIST, model="accounts.User_groups")
        assert (f"Role {Role.AUDITOR.value} given to ada@example.com" in page.content.decode()) is mine


def test_a_role_of_who_belongs_to_no_organization_is_nobodys(root: Pages) -> None:
    root.user.groups.add(AuthGroup.objects.get(name=Role.AUDITOR))
    root.user.user_permissions.add(Permission.objects.get(codename="view_person"))
    entries = HistoryEntry.objects.filter(parent_id=root.user.pk, model__startswith="accounts.User_")
    assert {(entry.organization_id, entry.model) for entry in entries} == {
        (None, "accounts.User_groups"), (None, "accounts.User_user_permissions"),
    }  # fmt: skip
    assert [what for _, what in told(root, root.user)] == [
        "Permission Accounts | person | Can view person given to root@example.com",
        f"Role {Role.AUDITOR.value} given to root@example.com",
        "\N{EN DASH}",
    ]


# What was linked to what.

NONE = "\N{EN DASH}"


def test_who_is_in_a_group_is_told_on_its_page(root: Pages, organization: Organization, ada: Person) -> None:
    night = groups.create_group(organization=organization, actor=SYSTEM, name="Night", people=[ada])
    groups.update_group(organization=organization, actor=SYSTEM, group=night, changes={}, people=[])
    assert told(root, night) == [
        ["Removed", "Person Ada Byron (E-1) removed from Night"],
        ["Added", "Person Ada Byron (E-1) added to Night"],
        ["Created", NONE],
    ]


def test_prerequisites_are_told_on_the_courses_page(root: Pages, organization: Organization) -> None:
    first = CourseFactory.create(organization=organization, code="A", title="First")
    second = CourseFactory.create(organization=organization, code="B", title="Second")
    for wanted in ([first], []):
        catalogue.update_course(
            organization=organization, actor=SYSTEM, course=second, changes={}, prerequisites=wanted
        )
    assert told(root, second) == [
        ["Removed", "Prerequisite A First removed from B Second"],
        ["Added", "Prerequisite A First added to B Second"],
        ["Created", NONE],
    ]
    assert told(root, first) == [["Created", NONE]]


def test_whom_a_requirement_names_is_told_on_its_page(root: Pages, organization: Organization, ada: Person) -> None:
    course = CourseFactory.create(organization=organization, code="A", title="First")
    made = create_requirement(
        organization=organization, actor=SYSTEM, course=course, audience="people", people=[ada], due_days=30
    )
    grace = PersonFactory.create(organization=organization, first_name="Grace", last_name="King", employee_id="E-2")
    update_requirement(organization=organization, actor=SYSTEM, requirement=made, changes={}, people=[grace])
    [first, second, *rest] = told(root, made)
    assert sorted([first, second]) == [
        ["Added", f"Person Grace King (E-2) added to {made}"],
        ["Removed", f"Person Ada Byron (E-1) removed from {made}"],
    ]
    assert rest == [["Added", f"Person Ada Byron (E-1) added to {made}"], ["Created", NONE]]


def test_what_belongs_to_a_program_is_told_on_its_pages(root: Pages, organization: Organization, ada: Person) -> None:
    course = CourseFactory.create(organization=organization, code="A", title="First")
    spring = ProgramSessionFactory.create(organization=organization, name="Spring", courses=[course])
    other = ProgramTemplate.objects.create(organization=organization, name="Basics")
    rows: list[Any] = [
        ProgramRequirement(organization=organization, session=spring, template=other),
        ProgramRequirement(organization=organization, session=spring, course=course),
        ProgramTutor(organization=organization, session=spring, person=ada),
    ]
    for row in rows:
        programs.create(actor=SYSTEM, row=row)
        programs.remove(actor=SYSTEM, row=row)
    [member] = membership.join(organization=organization, actor=SYSTEM, session=spring, person_ids=[ada.pk])
    membership.leave(organization=organization, actor=SYSTEM, session=spring, person_ids=[ada.pk])
    [left, *others] = told(root, spring)
    assert (left[0], left[1].partition(" Left at : ")[0]) == ("Changed", "Member Ada Byron (E-1) of Spring")
    assert others == [
        ["Added", "Member Ada Byron (E-1) added to Spring"],
        ["Removed", "Tutor Ada Byron (E-1) removed from Spring"],
        ["Added", "Tutor Ada Byron (E-1) added to Spring"],
        ["Removed", "Condition A First removed from Spring"],
        ["Added", "Condition A First added to Spring"],
        ["Removed", "Condition Basics removed from Spring"],
        ["Added", "Condition Basics added to Spring"],
        ["Created", NONE],
    ]
    record = TrainSession.objects.get()
    assert told(root, member)[1:] == [
        ["Added", f"Record {record} added to {member}"],
        ["Added", "Member Ada Byron (E-1) added to Spring"],
    ]
    template = spring.template
    programs.update(actor=SYSTEM, row=template.modules.get(), changes={"type": "webinar"})
    assert told(root, template) == [
        ["Changed", f"Module A First of {template} Type : Course \N{RIGHTWARDS ARROW} Webinar"],
        ["Added", f"Module A First added to {template}"],
        ["Created", NONE],
    ]


def test_the_list_names_the_parent_and_leads_to_it(root: Pages, organization: Organization, ada: Person) -> None:
    night = groups.create_group(organization=organization, actor=SYSTEM, name="Night", people=[ada])
    page = root.get(LIST, model="accounts.GroupMember").content.decode()
    assert f'<span>Group <a class="history-row" href="{address(Group, "change", night)}">Night</a></span>' in page
    assert '<p class="history-said">Person Ada Byron (E-1) added to Night</p>' in page


def test_pages_of_a_rows_history_hold_links_and_changes_in_one_order(
    root: Pages, organization: Organization, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accounts.admin.changes.PAGE", 2)
    night = groups.create_group(organization=organization, actor=SYSTEM, name="Night", people=[ada])
    groups.update_group(organization=organization, actor=SYSTEM, group=night, changes={"name": "Day"})
    where = address(Group, "history", night)
    assert [cells[2] for cells in texts(root.get(where))] == ["Changed", "Added"]
    assert [cells[2] for cells in texts(root.get(where, p="2"))] == ["Created"]


def test_an_entry_of_before_links_were_told_of_says_what_it_said(root: Pages, organization: Organization) -> None:
    HistoryEntry.objects.create(
        organization=organization, at=organization.created_at, actor="", model="accounts.GroupMember", row_id=7,
        act="created", changes={},
    )  # fmt: skip
    page = root.get(LIST, model="accounts.GroupMember").content.decode()
    assert ("<span>Group member 7</span>" in page, "history-said" in page) == (True, False)


# What it costs.


@pytest.mark.parametrize("who", ["administrator", "superuser"])
@pytest.mark.parametrize(
    "query",
    [{}, {"q": "example"}, {"q": "7"}, {"q": "nobody"}, {"q": "system"}, {"by": "user"}, {"by": "token"},
     {"q": "example", "by": "user"}, {"act__exact": "changed"}, {"at_from": "2001-01-01", "q": "example"}],
    ids=str,
)  # fmt: skip
def test_a_searched_page_costs_few_queries(
    organization: Organization, root: Pages, who: str, query: dict[str, str]
) -> None:
    rows = add_rows(organization, "Zmine")
    pages = root if who == "superuser" else Pages(UserFactory.create(organization=organization, email="me@example.com"))
    token = ApiToken.objects.create(organization=organization, name="example", prefix="0" * 8, digest="", scopes=["x"])
    for actor in (Actor.staff(pages.user), Actor.token(token), SYSTEM):
        with write(actor):
            Person.objects.update(first_name=actor.ref)
            Course.objects.update(title=actor.ref)
            Session.objects.update(name=actor.ref)
            ProgramSession.objects.update(name=actor.ref)
            group: Any = rows[Group]
            group.people.clear()
            group.people.add(rows[Person], through_defaults={"organization": organization})
    pages.rows(HistoryEntry)
    with CaptureQueriesContext(connection) as queries:
        page = pages.rows(HistoryEntry, **query)
    found = len(page.context["cl"].result_list)
    assert (page.status_code, found > 3 or "q" in query) == (200, True)
    assert found > 3 or query["q"] != "example"
    assert len(queries) <= 12


def test_what_an_actor_did_is_read_in_the_order_of_an_index(organization: Organization) -> None:
    rows = HistoryEntry.objects.filter(organization=organization, actor="user-0").order_by("-at", "-pk")[:50]
    with connection.cursor() as cursor:
        if on_postgresql():  # For a table of a few rows it would read all of them.
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; ANALYZE accounts_historyentry")
        plan = rows.explain()
    assert "history_actor" in plan
    assert "Sort" not in plan
    assert "TEMP B-TREE" not in plan


# Migrations.


@pytest.mark.django_db(transaction=True)
def test_a_history_without_the_column_is_written_all_the_same() -> None:
    organization = OrganizationFactory.create()
    user = UserFactory.create(organization=organization, role=None)
    try:
        call_command("migrate", "accounts", "0007", verbosity=0)
        user.groups.add(AuthGroup.objects.get(name=Role.AUDITOR))
    finally:
        call_command("migrate", verbosity=0)
    user.groups.clear()
    entries = HistoryEntry.objects.filter(model="accounts.User_groups").order_by("pk")
    assert list(entries.values_list("organization", "parent_id", "act")) == [
        (None, None, "created"), (organization.pk, user.pk, "deleted"),
    ]  # fmt: skip
