"""Who gets where in the admin: every address by every role, for own rows and another organization's."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib import admin
from django.db import models, transaction
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver
from pytest_django import DjangoDbBlocker

from accounts.models import (
    ApiToken,
    BulkOperation,
    BulkRow,
    Group,
    GroupMember,
    HistoryEntry,
    IdempotencyRecord,
    ImportFile,
    Organization,
    Person,
    User,
)
from accounts.roles import Role
from enrollments.models import Category, Course, Enrollment, Prerequisite, Session
from enrollments.services import catalogue
from programs.models import (
    MemberRecord,
    Module,
    ProgramMember,
    ProgramRequirement,
    ProgramSession,
    ProgramTemplate,
    ProgramTutor,
)
from tests.accounts.admin_pages import MODELS, add_rows
from tests.factories import SYSTEM, OrganizationFactory, UserFactory
from training.models import Requirement, RequirementPerson, TrainSession, Unit

# ruff: noqa: SLF001 - `_meta` and `_registry` are Django's documented names

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Access:
    """What each role gets: opened, sent to, and where the address has a row, the same with another organization's.

    i: in. r: refused, 403. h: hidden, 404. g: gone, back to the first page as for a row that is not there.
    l: to the login. Whoever is not logged in gets the last, everywhere but where `anonymous` says otherwise.
    A facilitator's own row is of a session that the facilitator holds.
    """

    nobody: str  # Staff without a role.
    facilitator: str
    auditor: str
    administrator: str
    superuser: str
    anonymous: str = ""


# Lists, and pages that have no row.
EVERYBODY = Access("ii", "ii", "ii", "ii", "ii")
LIST = Access("rr", "rr", "ii", "ii", "ii")
FACILITATED_LIST = Access("rr", "ii", "ii", "ii", "ii")
ADMINISTRATORS = Access("rr", "rr", "rr", "ii", "ii")
SUPERUSERS = Access("rr", "rr", "rr", "rr", "ii")
NO_PAGE = Access("rr", "rr", "rr", "rr", "rr")

# Rows.
WRITABLE = Access("rrrr", "rrrr", "irgr", "iigg", "iiii")
READ_ONLY = Access("rrrr", "rrrr", "irgr", "irgr", "irir")
NEVER = Access("rrrr", "rrrr", "rrrr", "rrrr", "rrrr")
HISTORY = Access("gggg", "gggg", "iigg", "iigg", "iiii")
FACILITATED_HISTORY = Access("gggg", "iigg", "iigg", "iigg", "iiii")
SUPERUSERS_HISTORY = Access("gggg", "gggg", "gggg", "gggg", "iiii")
SUPERUSERS_WRITABLE = Access("rrrr", "rrrr", "rrrr", "rrrr", "iiii")
SUPERUSERS_READ_ONLY = Access("rrrr", "rrrr", "rrrr", "rrrr", "irir")
# Pages of a row that only administrators act on.
ACT = Access("rrrr", "rrrr", "rrhh", "iihh", "iiii")
SESSION_ACT = Access("hhhh", "rrhh", "rrhh", "iihh", "iiii")
PROGRAM_ACT = Access("hhhh", "hhhh", "rrhh", "iihh", "iiii")
# A file that waits to be imported is met by who sent it, alone, where such files are imported. A preview that is
# confirmed too late, or by somebody else, leads back to the page to send one.
OWN_PREVIEW = Access("rrrr", "rrrr", "rrrr", "iihi", "hihi")
OWN_REFUSED = Access("rrrr", "rrrr", "rrrr", "iihh", "hhhh")
OTHER_PREVIEW = Access("rrrr", "rrrr", "rrrr", "hihi", "hihi")
OTHER_REFUSED = Access("rrrr", "rrrr", "rrrr", "hhhh", "hhhh")

# The list, the page to add, a row's page and its history; nothing is ever deleted.
Pages = tuple[Access, Access, Access, Access]
FULL: Pages = (LIST, ADMINISTRATORS, WRITABLE, HISTORY)
ADDED: Pages = (LIST, ADMINISTRATORS, READ_ONLY, HISTORY)  # What is made and ended, never changed.
READ: Pages = (LIST, NO_PAGE, READ_ONLY, HISTORY)
PAGES: dict[type[models.Model], Pages] = {
    Person: FULL,
    Group: FULL,
    GroupMember: READ,
    BulkOperation: READ,
    BulkRow: READ,
    HistoryEntry: READ,
    ApiToken: ADDED,
    Organization: (SUPERUSERS, SUPERUSERS, SUPERUSERS_WRITABLE, SUPERUSERS_HISTORY),
    User: (SUPERUSERS, SUPERUSERS, SUPERUSERS_WRITABLE, SUPERUSERS_HISTORY),
    IdempotencyRecord: (SUPERUSERS, NO_PAGE, SUPERUSERS_READ_ONLY, SUPERUSERS_HISTORY),
    ImportFile: (SUPERUSERS, NO_PAGE, SUPERUSERS_READ_ONLY, SUPERUSERS_HISTORY),
    # The six categories are everybody's.
    Category: (
        LIST,
        NO_PAGE,
        Access("rrrr", "rrrr", "irir", "irir", "irir"),
        Access("rrrr", "rrrr", "iiii", "iiii", "iiii"),
    ),
    Course: FULL,
    Prerequisite: READ,
    Session: (FACILITATED_LIST, ADMINISTRATORS, Access("rrrr", "irgr", "irgr", "iigg", "iiii"), FACILITATED_HISTORY),
    Enrollment: (FACILITATED_LIST, ADMINISTRATORS, Access("rrrr", "iigg", "irgr", "iigg", "iiii"), FACILITATED_HISTORY),
    TrainSession: FULL,
    Unit: FULL,
    Requirement: FULL,
    RequirementPerson: READ,
    ProgramTemplate: FULL,
    Module: FULL,
    ProgramSession: FULL,
    ProgramMember: ADDED,
    ProgramTutor: ADDED,
    ProgramRequirement: ADDED,
    MemberRecord: READ,
}


def name_of(model: type[models.Model]) -> str:
    return f"{model._meta.app_label}_{model._meta.model_name}"


ACCESS: dict[str, Access] = {
    "index": EVERYBODY,
    "search": EVERYBODY,
    "app_list": Access("hh", "hh", "ii", "ii", "ii"),
    "login": Access("gi", "gi", "gi", "gi", "gi", anonymous="ii"),
    "password_change": EVERYBODY,
    "password_change_done": EVERYBODY,
    "jsi18n": EVERYBODY,
    "autocomplete": Access("ri", "ri", "ri", "ri", "ri"),  # Of a field: `test_staff_never_pick_…` asks for each.
    **{
        f"{name_of(model)}_{page}": access
        for model, pages in PAGES.items()
        for page, access in zip(("changelist", "add", "change", "history", "delete"), (*pages, NEVER), strict=True)
    },
    "training_matrix": LIST,
    "training_matrix_export": LIST,
    "training_apply_requirements": ADMINISTRATORS,
    "enrollments_session_roster": Access("hhhh", "iihh", "irhh", "iihh", "iiii"),
    "enrollments_session_present": Access("hhhh", "iihh", "rrhh", "iihh", "iiii"),
    "enrollments_session_enroll": SESSION_ACT,
    "enrollments_session_cancel": SESSION_ACT,
    "enrollments_session_download": Access("hhhh", "iihh", "iihh", "iihh", "iiii"),
    "enrollments_session_invitation": Access("hhhh", "iihh", "iihh", "iihh", "iiii"),
    "programs_programsession_join": PROGRAM_ACT,
    "programs_programsession_remove": PROGRAM_ACT,
    "programs_programtemplate_modules": Access("hhhh", "hhhh", "irhh", "iihh", "iiii"),
    "accounts_apitoken_rotate": ACT,
    "accounts_apitoken_revoke": ACT,
    "training_assign_courses": ACT,
    "training_leave": ACT,
    "training_undo": ACT,
    "training_record_unassign": ADMINISTRATORS,
    "training_record_extend": ADMINISTRATORS,
    "training_record_complete": ADMINISTRATORS,
    "training_record_correct": ADMINISTRATORS,
    **{
        f"{name_of(model)}_{page}": access
        for model in (Person, Course, TrainSession)
        for page, access in (
            ("import", ADMINISTRATORS),
            ("import_template", ADMINISTRATORS),
            ("import_preview", OWN_PREVIEW if model is Person else OTHER_PREVIEW),
            ("import_refused", OWN_REFUSED if model is Person else OTHER_REFUSED),
            ("export", LIST),
        )
    },
}
# Not walked. Logging out ends the session of who asks, and is Django's own; there is no site to view a row on.
NOT_WALKED = {"logout", "view_on_site"}

# What some addresses need besides.
QUERIES = {"training_matrix_export": "?format=csv"}
KINDS = {"kind": "csv"}
# Rows that the address names without saying so.
ROWS_OF = {"import_preview": ImportFile, "import_refused": ImportFile}


def named(patterns: list[Any], before: str = "") -> Iterator[tuple[str, str]]:
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from named(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern) and pattern.name and pattern.name not in NOT_WALKED:
            yield pattern.name, route


def addresses() -> dict[str, str]:
    [of_admin] = [one for one in get_resolver().url_patterns if getattr(one, "namespace", None) == "admin"]
    assert isinstance(of_admin, URLResolver)
    return dict(named(of_admin.url_patterns))


ROLES = {
    "nobody": None,
    "facilitator": Role.FACILITATOR,
    "auditor": Role.AUDITOR,
    "administrator": Role.ADMINISTRATOR,
}
Rows = dict[type[models.Model], models.Model]


@dataclass(frozen=True)
class Scene:
    users: dict[str, User]
    clients: dict[str, Client]
    mine: Rows
    theirs: Rows


@pytest.fixture(scope="module")
def scene(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Scene]:
    """Made once, in a transaction that is taken back."""
    with django_db_blocker.unblock(), transaction.atomic():
        own = OrganizationFactory.create()
        mine, theirs = add_rows(own, "Zmine"), add_rows(OrganizationFactory.create(), "Ztheirs")
        person, held = mine[Person], mine[Session]
        catalogue.update_session(organization=own, actor=SYSTEM, session_id=held.pk, changes={"facilitator": person})
        users = {
            name: UserFactory.create(organization=own, role=role, person=person if name == "facilitator" else None)
            for name, role in ROLES.items()
        }
        users["superuser"] = User.objects.create_superuser("root@example.com", "a long enough password")
        sent = b"employee_id,first_name,last_name\nE-1,Ada,Byron\n"
        ImportFile.objects.filter(pk=mine[ImportFile].pk).update(user=users["administrator"], content=sent)
        clients = {name: Client(raise_request_exception=False) for name in ("anonymous", *users)}
        for name, user in users.items():
            clients[name].force_login(user)
        yield Scene(users, clients, mine, theirs)
        transaction.set_rollback(True)


def targets(scene: Scene, name: str, route: str) -> list[str]:
    """The address; where it has a row, with the own one and with the other organization's."""
    route = re.sub(r"\^\(\?P<app_label>(\w+).*", r"\1/", route)
    filled = re.sub(r"<str:(\w+)>", lambda found: KINDS[found[1]], route)
    query = QUERIES.get(name, "")
    if "<" not in filled:
        return [f"/admin/{filled}{query}"]
    by_label = {f"{model._meta.app_label}/{model._meta.model_name}": model for model in MODELS}
    model = by_label["/".join(route.split("/")[:2])]
    for ending, other in ROWS_OF.items():
        model = other if name.endswith(ending) else model
    return [f"/admin/{re.sub('<.*?>', str(rows[model].pk), filled)}{query}" for rows in (scene.mine, scene.theirs)]


def answer(client: Client, method: str, address: str) -> str:
    """By a letter of `Access`; what was done is taken back."""
    with transaction.atomic():
        response = getattr(client, method)(address)
        transaction.set_rollback(True)
    location = response.get("Location", "")
    if location.startswith("/admin/login/"):
        return "l"
    if location == "/admin/":
        return "g"
    letters = {200: "i", 302: "i", 400: "i", 422: "i", 405: "i", 403: "r", 404: "h"}
    return letters.get(response.status_code, f" {response.status_code} ")


def test_the_table_names_every_address_and_no_other() -> None:
    assert set(ACCESS) == set(addresses())


@pytest.mark.parametrize("name", ACCESS)
def test_each_role_gets_where_the_table_says_and_nowhere_else(
    scene: Scene, name: str, record_property: Callable[[str, object], None]
) -> None:
    expected = ACCESS[name]
    addressed = targets(scene, name, addresses()[name])
    got = {}
    for who in scene.clients:
        got[who] = "".join(
            answer(scene.clients[who], method, address) for address in addressed for method in ("get", "post")
        )
    anonymous = expected.anonymous or "l" * len(expected.nobody)
    assert got == {**vars(expected), "anonymous": anonymous}
    record_property("cells", json.dumps(Counter("".join(got.values()))))  # Read by tests.proof.access.


# Actions on lists, by who is offered them. Whoever is not is not able to send one either.
ADMINISTRATORS_ONLY = {"administrator", "superuser"}
HOLDERS = {"facilitator", *ADMINISTRATORS_ONLY}
ACTIONS: dict[tuple[type[models.Model], str], set[str]] = {
    (ApiToken, "revoke"): ADMINISTRATORS_ONLY,
    (ProgramTutor, "remove"): ADMINISTRATORS_ONLY,
    (ProgramRequirement, "remove"): ADMINISTRATORS_ONLY,
    (ProgramMember, "leave"): ADMINISTRATORS_ONLY,
    (Module, "remove"): ADMINISTRATORS_ONLY,
    (Enrollment, "mark_complete"): HOLDERS,
    (Enrollment, "mark_absent"): HOLDERS,
    (Enrollment, "cancel"): ADMINISTRATORS_ONLY,
    (TrainSession, "unassign"): ADMINISTRATORS_ONLY,
    (TrainSession, "extend"): ADMINISTRATORS_ONLY,
    (TrainSession, "complete"): ADMINISTRATORS_ONLY,
    (TrainSession, "correct"): ADMINISTRATORS_ONLY,
}


def test_each_role_is_offered_the_actions_that_the_table_says(scene: Scene) -> None:
    offered: dict[tuple[type[models.Model], str], set[str]] = {}
    for who, user in scene.users.items():
        request = RequestFactory().get("/admin/")
        request.user = user
        for model in MODELS:
            for name in admin.site._registry[model].get_actions(request):
                offered.setdefault((model, name), set()).add(who)
    assert offered == ACTIONS


@pytest.mark.parametrize(("model", "action"), ACTIONS, ids=[f"{name_of(one)}-{name}" for one, name in ACTIONS])
def test_an_action_does_nothing_for_who_is_not_offered_it_nor_to_another_organizations_row(
    scene: Scene, model: type[models.Model], action: str
) -> None:
    rows = model._default_manager.order_by("pk").values()
    before = list(rows.all())
    for who in scene.users:
        targets_of = [scene.theirs] if who in ACTIONS[model, action] else [scene.mine, scene.theirs]
        if who == "superuser":
            continue  # Of every organization.
        for pk in (target[model].pk for target in targets_of):
            given = {"action": action, "_selected_action": [pk], "apply": "1", "ids": str(pk), "reason": "x"}
            response = scene.clients[who].post(f"/admin/{name_of(model).replace('_', '/', 1)}/", given)
            assert response.status_code in {200, 302, 403}
    assert list(rows.all()) == before
