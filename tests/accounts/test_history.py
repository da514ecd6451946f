"""Who changed what and when: written by the database, whoever writes and however; shown in words; never changed."""

# ruff: noqa: SLF001 - Django's documented name for what a model is

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.actors import Actor
from accounts.admin.changes import TARGETS
from accounts.admin.history import MOST_FOUND
from accounts.errors import Busy
from accounts.history import APPS, NOT_KEPT, kept_models
from accounts.models import ApiToken, HistoryEntry, OperationKind, Organization, Person, User
from accounts.roles import Role
from accounts.services import groups, people
from accounts.transactions import write
from enrollments.models import Course, Prerequisite
from enrollments.services import catalogue
from tests.accounts.admin_pages import Pages, add_rows, address
from tests.acts import owed
from tests.conftest import Api, on_postgresql
from tests.factories import SYSTEM, CourseFactory, OrganizationFactory, PersonFactory, UserFactory
from training.models import TrainSession
from training.services import records

Entry = tuple[str, str, int, str, dict[str, Any]]


@pytest.fixture
def staff(organization: Organization) -> Pages:
    return Pages(UserFactory.create(organization=organization, email="ada@example.com"))


class Heard:
    """The entries since it was made."""

    def __init__(self) -> None:
        self.last = max(HistoryEntry.objects.values_list("pk", flat=True), default=0)

    def entries(self, *models: str) -> list[Entry]:
        rows = HistoryEntry.objects.filter(pk__gt=self.last).order_by("pk")
        rows = rows.filter(model__in=models) if models else rows
        return list(rows.values_list("actor", "model", "row_id", "act", "changes"))


def test_every_model_has_a_history_or_is_named_as_having_none(db: None) -> None:
    ours = {
        model._meta.label for app in APPS for model in apps.get_app_config(app).get_models(include_auto_created=True)
    }
    assert ours >= NOT_KEPT
    assert {model._meta.label for model in kept_models()} == ours - NOT_KEPT
    expected = {
        f"{model._meta.db_table}_history_{act}" for model in kept_models() for act in ("insert", "update", "delete")
    }
    assert (
        triggers()
        - {"accounts_historyentry_stays", *(f"accounts_historyentry_stays_{a}" for a in ("update", "delete"))}
        == expected
    )


def triggers() -> set[str]:
    on = "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"
    lite = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    with connection.cursor() as cursor:
        cursor.execute(on if on_postgresql() else lite)
        return {name for (name,) in cursor.fetchall()}


# Who.


def test_what_a_token_writes_is_the_tokens(api: Api, organization: Organization) -> None:
    record = owed(CourseFactory.create(organization=organization), PersonFactory.create(organization=organization))
    token, heard = ApiToken.objects.get(), Heard()
    answer = api.patch(f"/api/train_sessions/{record.pk}", {"percent_complete": 40})
    assert answer.status_code == 200, answer.content
    [(actor, model, row_id, act, changes)] = heard.entries()
    assert (actor, model, row_id, act) == (f"token-{token.pk}", "training.TrainSession", record.pk, "changed")
    assert {name: value for name, value in changes.items() if name != "started_at"} == {
        "percent": [0, 40],
        "state": ["assigned", "in_progress"],
    }


def test_what_staff_write_is_theirs(staff: Pages, organization: Organization) -> None:
    person = PersonFactory.create(organization=organization, first_name="Ada")
    heard = Heard()
    assert staff.change(person, first_name="Augusta").status_code == 302
    assert heard.entries() == [
        (f"user-{staff.user.pk}", "accounts.Person", person.pk, "changed", {"first_name": ["Ada", "Augusta"]})
    ]


@pytest.mark.parametrize("named", [False, True])
def test_what_a_command_writes_is_the_systems_or_whose_it_is_called(
    organization: Organization, tmp_path: Path, *, named: bool
) -> None:
    user = UserFactory.create(organization=organization, email="ada@example.com")
    heard, file = Heard(), tmp_path / "people.csv"
    file.write_text("employee_id,first_name\nE-1,Ada\n")
    options = ["--as", user.email] if named else []
    call_command("import_people", "--organization", organization.slug, str(file), *options)
    person = Person.objects.get()
    who = f"user-{user.pk}" if named else "user-0"
    assert heard.entries("accounts.Person") == [(who, "accounts.Person", person.pk, "created", {})]


def test_an_import_leaves_an_entry_for_each_changed_row_and_none_for_the_others(
    organization: Organization, tmp_path: Path
) -> None:
    same, other = (
        PersonFactory.create(organization=organization, employee_id=f"E-{n}", first_name="Ada") for n in (1, 2)
    )
    heard, file = Heard(), tmp_path / "people.csv"
    file.write_text("employee_id,first_name\nE-1,Ada\nE-2,Grace\nE-3,Edith\n")
    call_command("import_people", "--organization", organization.slug, str(file))
    new = Person.objects.get(employee_id="E-3")
    assert sorted(heard.entries("accounts.Person"), key=lambda entry: entry[2]) == [
        ("user-0", "accounts.Person", other.pk, "changed", {"first_name": ["Ada", "Grace"]}),
        ("user-0", "accounts.Person", new.pk, "created", {}),
    ]
    assert same.pk not in {entry[2] for entry in heard.entries("accounts.Person")}


def test_one_statement_for_many_rows_leaves_an_entry_for_each(organization: Organization) -> None:
    made = [PersonFactory.create(organization=organization, first_name=name) for name in ("Ada", "Ada", "Grace")]
    heard = Heard()
    with write(Actor("user-77")):
        Person.objects.filter(organization=organization).update(first_name="Grace")
    assert sorted(heard.entries()) == [
        ("user-77", "accounts.Person", person.pk, "changed", {"first_name": ["Ada", "Grace"]}) for person in made[:2]
    ]


def test_a_repair_by_hand_has_no_actor(organization: Organization) -> None:
    person = PersonFactory.create(organization=organization)
    heard = Heard()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_person SET last_name = 'King' WHERE id = %s", [person.pk])
    [(actor, _, row_id, act, changes)] = heard.entries()
    assert (actor, row_id, act, changes["last_name"][1]) == ("", person.pk, "changed", "King")


def test_a_link_that_is_taken_away_says_what_it_was(organization: Organization) -> None:
    person = PersonFactory.create(organization=organization)
    group = groups.create_group(organization=organization, actor=SYSTEM, name="Night", people=[person])
    first, second = (CourseFactory.create(organization=organization) for _ in range(2))
    catalogue.update_course(organization=organization, actor=SYSTEM, course=second, changes={}, prerequisites=[first])
    link, heard = Prerequisite.objects.get(), Heard()
    catalogue.update_course(organization=organization, actor=SYSTEM, course=second, changes={}, prerequisites=[])
    groups.update_group(organization=organization, actor=SYSTEM, group=group, changes={}, people=[])
    gone = [entry for entry in heard.entries() if entry[3] == "deleted"]
    assert gone[0] == (
        "user-0", "enrollments.Prerequisite", link.pk, "deleted",
        {"organization_id": organization.pk, "course_id": second.pk, "required_id": first.pk},
    )  # fmt: skip
    assert (gone[1][1], gone[1][4]["group_id"], gone[1][4]["person_id"]) == (
        "accounts.GroupMember", group.pk, person.pk,
    )  # fmt: skip


def test_an_actor_holds_for_its_own_part_of_a_transaction(organization: Organization) -> None:
    person = PersonFactory.create(organization=organization)
    heard = Heard()

    def named(name: str) -> None:
        Person.objects.filter(pk=person.pk).update(first_name=name)

    def refused() -> None:
        with write(Actor("token-3")):
            named("never")
            raise Busy

    with write(Actor("user-1")):
        named("a")
        with write(Actor("token-2")):
            named("b")
        named("c")
        with pytest.raises(Busy):
            refused()
        named("d")
    assert [(entry[0], entry[4]["first_name"][1]) for entry in heard.entries()] == [
        ("user-1", "a"), ("token-2", "b"), ("user-1", "c"), ("user-1", "d"),
    ]  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_a_transaction_is_begun_and_told_its_actor_in_one_statement() -> None:
    with CaptureQueriesContext(connection) as queries, write(Actor("user-7")), write(Actor("user-7")):
        pass
    told = [query["sql"] for query in queries if "set_config" in query["sql"] or "lock_timeout" in query["sql"]]
    assert len(told) == (1 if on_postgresql() else 0)


# What is never in it.


def test_no_secret_is_in_the_history(organization: Organization, api: Api) -> None:
    user = UserFactory.create(organization=organization, email="ada@example.com")
    before, heard = user.password, Heard()
    people.update_user(actor=SYSTEM, user=user, changes={"password": "another long password"})
    user.refresh_from_db()
    assert heard.entries() == [("user-0", "accounts.User", user.pk, "changed", {"password": ["(hidden)", "(hidden)"]})]
    token = ApiToken.objects.get()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM accounts_apitoken WHERE id = %s", [token.pk])
    everything = str(list(HistoryEntry.objects.values()))
    assert [secret in everything for secret in (before, user.password, token.digest, api.secret)] == [False] * 4


def test_a_token_that_is_used_leaves_no_entry(api: Api) -> None:
    heard = Heard()
    assert api.get("/api/train_sessions").status_code == 200
    assert (ApiToken.objects.get().last_used_at is None, heard.entries()) == (False, [])


@pytest.mark.parametrize("act", ["update", "delete"])
@pytest.mark.parametrize("actor", [Actor.system(), None])
def test_the_history_is_only_added_to(organization: Organization, act: str, actor: Actor | None) -> None:
    entries = HistoryEntry.objects.all()
    before = list(entries.values())
    assert before

    def touch() -> None:
        with write(actor):
            _ = entries.update(actor="user-1") if act == "update" else entries.delete()

    if actor is None and not on_postgresql():
        return  # There is one user of the file, who may do anything to it.
    with pytest.raises(DatabaseError, match="only ever added to"), transaction.atomic():
        touch()
    assert list(entries.values()) == before


# Migrations.


@pytest.mark.django_db(transaction=True)
def test_a_migration_that_makes_tables_anew_leaves_the_triggers_there() -> None:
    before = triggers()
    try:
        call_command("migrate", "accounts", "0006", verbosity=0)
        call_command("migrate", "accounts", "0003", verbosity=0)
        assert triggers() == set()
    finally:
        call_command("migrate", verbosity=0)
    assert triggers() == before
    organization = OrganizationFactory.create()
    entry = HistoryEntry.objects.get(model="accounts.Organization")
    assert (entry.organization_id, entry.row_id, entry.act) == (organization.pk, organization.pk, "created")


# Its pages.

NOW = datetime(2027, 3, 1, 23, 30, tzinfo=UTC)
LIST = "/admin/accounts/historyentry/"
NONE = "\N{EN DASH}"


def texts(page: Any, table: str = "<tbody>") -> list[list[str]]:
    body = page.content.decode().rpartition(table)[2].partition("</tbody>")[0]
    rows = re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)
    return [
        [
            re.sub(r"\s+", " ", re.sub(r"<.*?>", " ", cell)).strip()
            for cell in re.findall(r"<t[dh].*?>(.*?)</t[dh]>", row, re.DOTALL)
        ]
        for row in rows
    ]


def said_in(page: Any) -> list[str]:
    return re.findall(r'<p class="history-said">(.*?)</p>', page.content.decode())


def test_a_rows_history_is_readable(db: None) -> None:
    organization = OrganizationFactory.create(time_zone="Pacific/Auckland")
    staff = Pages(UserFactory.create(organization=organization, email="ada@example.com"))
    course = CourseFactory.create(organization=organization, title="Old", uses_units=False)
    category = course.category
    catalogue.update_course(
        organization=organization, actor=Actor.staff(staff.user), course=course,
        changes={"title": "New", "uses_units": True, "pass_score": 80, "delivery_mode": "online"},
    )  # fmt: skip
    record = owed(course.__class__.objects.get(pk=CourseFactory.create(organization=organization, category=category).pk),
                  PersonFactory.create(organization=organization))  # fmt: skip
    records.change_due(organization=organization, actor=SYSTEM, record_ids=[record.pk], due_at=NOW)
    [newest, first] = texts(staff.get(address(Course, "history", course)))
    assert newest[1:3] == ["ada@example.com", "Changed"]
    assert set(re.split(r" (?=Title|Uses units|Pass score|Delivery mode)", newest[3])) == {
        "Title : Old → New",
        "Uses units : no → yes",
        f"Pass score : {NONE} → 80",
        "Delivery mode : In Person → Online",
    }
    assert first[1:] == ["system", "Created", NONE]
    [newest, _] = texts(staff.get(address(TrainSession, "history", record)))
    assert newest[1:] == ["system", "Changed", f"Due at : {NONE} → 2027-03-02 12:30"]


def test_what_is_pointed_to_is_called_by_its_name_and_by_its_number_once_it_is_gone(
    staff: Pages, organization: Organization
) -> None:
    person = PersonFactory.create(organization=organization, first_name="Ada", last_name="Byron", employee_id="E-1")
    group = groups.create_group(organization=organization, actor=SYSTEM, name="Night", people=[person])
    groups.update_group(organization=organization, actor=SYSTEM, group=group, changes={}, people=[])
    deleted = {"model": "accounts.GroupMember", "act__exact": "deleted"}
    assert said_in(staff.get(LIST, **deleted)) == ["Person Ada Byron (E-1) removed from Night"]
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM accounts_group WHERE id = %s", [group.pk])
    assert said_in(staff.get(LIST, **deleted)) == [f"Person Ada Byron (E-1) removed from group {group.pk}"]


def test_a_rows_history_shows_what_operations_did_to_it(
    staff: Pages, organization: Organization, tmp_path: Path
) -> None:
    file = tmp_path / "people.csv"
    file.write_text("employee_id,first_name\nE-1,Ada\n")
    call_command("import_people", "--organization", organization.slug, str(file))
    page = staff.get(address(Person, "history", Person.objects.get())).content.decode()
    assert re.search(r"Import People \d+</a></th>\s*<td>2</td><td>Created</td>", page)
    other = staff.get(address(Organization, "history", organization))
    assert other.status_code == 302  # Organizations are for superusers.


def test_every_kind_of_operation_says_what_its_rows_are() -> None:
    assert set(TARGETS) == set(OperationKind)
    assert [label for label in TARGETS.values() if apps.get_model(label) not in kept_models()] == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"by": "staff"}, None), ({"by": "user"}, ["c"]), ({"by": "token"}, ["d"]), ({"by": "system"}, ["b"]),
        ({"by": "database"}, ["a"]), ({"q": "ada@ex"}, ["c"]), ({"q": "HR"}, ["d"]), ({"q": "system"}, ["b"]),
        ({"q": "nobody"}, []), ({"at_to": "2001-01-01"}, []), ({"act__exact": "deleted"}, []),
        ({"at_from": "2001-01-01"}, ["a", "b", "c", "d"]),
    ],
)  # fmt: skip
def test_the_list_is_filtered_and_searched(
    staff: Pages, organization: Organization, query: dict[str, str], found: list[str] | None
) -> None:
    person = PersonFactory.create(organization=organization)
    token = ApiToken.objects.create(organization=organization, name="HR", prefix="0" * 8, digest="", scopes=["x"])
    heard = Heard()
    for name, actor in (("a", None), ("b", SYSTEM), ("c", Actor.staff(staff.user)), ("d", Actor.token(token))):
        with write(actor):
            Person.objects.filter(pk=person.pk).update(first_name=name)
    page = staff.get(LIST, model="accounts.Person", **query)
    if found is None:
        assert page.status_code == 302  # As if nothing had been asked: with a word on it.
        return
    rows = page.context["cl"].queryset.filter(pk__gt=heard.last).order_by("pk")
    assert [row.changes["first_name"][1] for row in rows] == found


def test_a_search_for_more_actors_than_it_takes_is_refused(staff: Pages, organization: Organization) -> None:
    """Instead of leaving some of them out."""

    def token(number: int) -> ApiToken:
        prefix = f"{number:08d}"
        return ApiToken(organization=organization, name="HR", prefix=prefix, digest=prefix, scopes=["x"])

    def told() -> tuple[list[str], int]:
        page = staff.get(LIST, q="HR")
        return [str(message) for message in page.context["messages"]], page.context["cl"].queryset.count()

    person, writer = PersonFactory.create(organization=organization), token(0)
    writer.save()
    with write(Actor.token(writer)):
        Person.objects.filter(pk=person.pk).update(first_name="Another")
    ApiToken.objects.bulk_create(map(token, range(1, MOST_FOUND)))
    assert told() == ([], 1)
    token(MOST_FOUND).save()
    assert told() == (["More than 500 users and API tokens have “HR” in their names. Write more of it."], 0)


def test_a_row_is_found_by_its_id(staff: Pages, organization: Organization) -> None:
    person = PersonFactory.create(organization=organization)
    rows = staff.get(LIST, q=str(person.pk), model="accounts.Person").context["cl"].queryset
    assert [(row.model, row.row_id) for row in rows] == [("accounts.Person", person.pk)]


def test_the_lists_of_other_organizations_and_of_no_role_are_not_there(organization: Organization) -> None:
    theirs = PersonFactory.create(organization=OrganizationFactory.create())
    entry = HistoryEntry.objects.get(model="accounts.Person", row_id=theirs.pk)
    answers = {}
    for role in (Role.ADMINISTRATOR, Role.AUDITOR, Role.FACILITATOR, None):
        pages = Pages(UserFactory.create(organization=organization, role=role))
        shown = pages.rows(HistoryEntry)
        foreign = pages.get(address(HistoryEntry, "change", entry)).status_code
        answers[role] = (
            shown.status_code,
            foreign,
            pages.client.post(address(HistoryEntry, "change", entry)).status_code,
        )
        if shown.status_code == 200:
            assert entry not in shown.context["cl"].queryset
    assert answers == {
        Role.ADMINISTRATOR: (200, 302, 403), Role.AUDITOR: (200, 302, 403),
        Role.FACILITATOR: (403, 403, 403), None: (403, 403, 403),
    }  # fmt: skip


def test_a_page_of_many_models_costs_few_queries(staff: Pages, organization: Organization) -> None:
    add_rows(organization, "Zmine")
    staff.rows(HistoryEntry)
    with CaptureQueriesContext(connection) as queries:
        assert staff.rows(HistoryEntry).status_code == 200
    assert len(queries) <= 12


def test_a_users_name_outside_the_organization_is_no_secret_of_the_row(
    staff: Pages, organization: Organization
) -> None:
    root = User.objects.create_superuser("root@example.com", "a long enough password")
    person = PersonFactory.create(organization=organization)
    people.update_person(organization=organization, actor=Actor.staff(root), person=person, changes={"first_name": "X"})
    assert texts(staff.get(address(Person, "history", person)))[0][1] == "root@example.com"
