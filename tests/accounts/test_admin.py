"""What holds for the whole admin, walked over every registered model; then the admin of accounts itself."""

import ast
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db import OperationalError, connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

import accounts.admin
import enrollments.admin
import programs.admin
import training.admin
from accounts.actors import Actor
from accounts.admin.base import MOST_ROWS, LedgerAdmin, OwnChoices
from accounts.models import ApiToken, IdempotencyRecord, ImportFile, Organization, Person, User
from accounts.services import people, tokens
from enrollments.models import Category, Course, Session
from tests.accounts.admin_pages import MODELS, OURS, Pages, add_rows, address, errors_of, fields_of, messages_of
from tests.factories import CourseFactory, OrganizationFactory, PersonFactory, UserFactory

SUPERUSERS_ONLY = {Organization, User, IdempotencyRecord, ImportFile}
MINE, THEIRS = "Zmine", "Ztheirs"
NAMES = [model.__name__ for model in MODELS]


@pytest.fixture
def staff(organization: Organization) -> Pages:
    return Pages(UserFactory.create(organization=organization))


@pytest.fixture
def superuser(db: None) -> Pages:
    return Pages(User.objects.create_superuser("root@example.com", "a long enough password"))


def admin_of(model: type[models.Model]) -> LedgerAdmin:
    found = admin.site.get_model_admin(model)
    assert isinstance(found, LedgerAdmin)
    return found


def test_every_model_of_the_four_apps_is_registered() -> None:
    expected = {model for label in OURS for model in apps.get_app_config(label).get_models()}
    assert set(MODELS) == expected


def test_every_admin_writes_through_the_base_or_not_at_all() -> None:
    own_way = ("save_model", "save_related", "save_formset", "delete_model", "delete_queryset", "save_form")
    deviating = {
        (model.__name__, name)
        for model in MODELS
        for name in own_way
        if getattr(type(admin_of(model)), name) is not getattr(LedgerAdmin, name)
    }
    assert deviating == set()
    assert [model.__name__ for model in MODELS if admin_of(model).inlines or admin_of(model).list_editable] == []


def test_no_admin_module_calls_what_saves() -> None:
    saving = {
        "save", "asave", "delete", "bulk_create", "bulk_update", "get_or_create", "update_or_create", "save_m2m",
        "create", "update", "set", "add", "remove", "clear", "execute",
    }  # fmt: skip
    services_named = {"catalogue", "services", "records", "enrolling", "membership"}
    found = []
    modules: list[Any] = [accounts.admin, enrollments.admin, training.admin, programs.admin]
    places = [Path(module.__file__) for module in modules]
    paths = [path for place in places for path in (place.parent.glob("*.py") if place.stem == "__init__" else [place])]
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
            if node.func.attr in saving and owner not in services_named:
                found.append(f"{path.name}:{node.lineno} .{node.func.attr}()")
    assert found == []


def test_no_filter_lists_the_rows_of_every_organization() -> None:
    """Django's own filter by a relation offers the whole table; only categories are everybody's."""
    open_to_all = []
    for model in MODELS:
        for given in admin_of(model).list_filter:
            name, kind = given if isinstance(given, tuple) else (given, None)
            if not isinstance(name, str) or name.endswith("category"):
                continue
            field = model._meta.get_field(name)  # noqa: SLF001 - Django's documented name
            if field.is_relation and not issubclass(kind or object, (OwnChoices, admin.EmptyFieldListFilter)):
                open_to_all.append(f"{model.__name__}.{name}")
    assert open_to_all == []


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_every_page_opens_for_a_superuser(
    superuser: Pages, organization: Organization, model: type[models.Model]
) -> None:
    row = add_rows(organization, MINE)[model]
    pages = [address(model, "changelist"), address(model, "change", row), address(model, "history", row)]
    assert [superuser.get(page).status_code for page in pages] == [200, 200, 200]
    writable = type(admin_of(model)).create_row is not LedgerAdmin.create_row
    assert superuser.get(address(model, "add")).status_code == (200 if writable else 403)
    assert superuser.get(address(model, "delete", row)).status_code == 403
    shown = superuser.rows(model)
    assert "delete_selected" not in shown.content.decode()
    if model is not Category and model is not Organization:
        assert str(organization) in shown.content.decode()


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_every_page_opens_for_staff_where_allowed(
    staff: Pages, organization: Organization, model: type[models.Model]
) -> None:
    row = add_rows(organization, MINE)[model]
    pages = [address(model, "changelist"), address(model, "change", row), address(model, "history", row)]
    allowed = 403 if model in SUPERUSERS_ONLY else 200
    # Django sends whoever asks for the history of a row that is not there to the first page.
    history = 302 if model in SUPERUSERS_ONLY else 200
    assert [staff.get(page).status_code for page in pages] == [allowed, allowed, history]
    writable = type(admin_of(model)).create_row is not LedgerAdmin.create_row
    assert staff.get(address(model, "add")).status_code == (allowed if writable else 403)
    assert staff.get(address(model, "delete", row)).status_code == 403


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_staff_never_meet_a_row_of_another_organization(
    staff: Pages, organization: Organization, model: type[models.Model]
) -> None:
    add_rows(organization, MINE)
    theirs = add_rows(OrganizationFactory.create(name=f"Organization {THEIRS}"), THEIRS)[model]
    if model in SUPERUSERS_ONLY or model is Category:
        return
    shown = staff.rows(model).content.decode()
    assert (MINE in shown, THEIRS in shown) == (True, False)
    if admin_of(model).search_fields:
        assert list(staff.rows(model, q=THEIRS).context["cl"].queryset) == []
    if admin_of(model).has_add_permission(staff_request(staff)):
        assert THEIRS not in staff.get(address(model, "add")).content.decode()
    for page in ("change", "history", "delete"):
        foreign, missing = staff.get(address(model, page, theirs)), staff.get(address(model, page, 10**9))
        assert (foreign.status_code, foreign.headers.get("Location")) == (
            missing.status_code,
            missing.headers.get("Location"),
        )
    sent = staff.client.post(address(model, "change", theirs), {"name": "Taken over"})
    assert sent.status_code == staff.client.post(address(model, "change", 10**9), {}).status_code
    before = model._default_manager.filter(pk=theirs.pk).values().get()  # noqa: SLF001 - Django's documented name
    for action in admin_of(model).actions or ():
        answer = staff.act(model, str(action), [theirs])
        assert messages_of(answer)[-1] == "There are no such rows. Nothing has been changed."
    assert model._default_manager.filter(pk=theirs.pk).values().get() == before  # noqa: SLF001 - Django's documented name


def staff_request(pages: Pages) -> Any:
    request = pages.get("/admin/").wsgi_request
    request.user = pages.user
    return request


def relations() -> list[tuple[type[models.Model], str]]:
    return [
        (model, field.name)
        for model in MODELS
        for field in model._meta.get_fields()  # noqa: SLF001 - Django's documented name
        if field.is_relation and not field.auto_created and field.related_model in MODELS
    ]


@pytest.mark.parametrize(("model", "name"), relations(), ids=lambda value: getattr(value, "__name__", value))
def test_staff_are_offered_rows_of_their_own_organization_only(
    staff: Pages, organization: Organization, model: type[models.Model], name: str
) -> None:
    """Every relation, whether as an autocomplete or as a plain choice, and whether or not a form uses it today."""
    mine = add_rows(organization, MINE)
    theirs = add_rows(OrganizationFactory.create(name=f"Organization {THEIRS}"), THEIRS)
    field = model._meta.get_field(name)  # noqa: SLF001 - Django's documented name
    offered = admin_of(model).get_field_queryset(None, field, staff_request(staff))
    assert offered is not None
    assert [row for row in offered if getattr(row, "organization", organization) != organization] == []
    assert offered.exists() is (field.related_model not in SUPERUSERS_ONLY)
    query = {"app_label": model._meta.app_label, "model_name": model._meta.model_name, "field_name": name}  # noqa: SLF001
    answer = staff.get(reverse("admin:autocomplete"), **query)
    assert answer.status_code == (
        403 if field.related_model in SUPERUSERS_ONLY else 404 if field.related_model is Category else 200
    )
    assert THEIRS not in answer.content.decode()
    if answer.status_code == 200:
        target: Any = field.related_model
        texts = [row["text"] for row in answer.json()["results"]]
        assert (str(mine[target]) in texts, str(theirs[target]) in texts) == (True, False)


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
@pytest.mark.parametrize("who", ["staff", "superuser"])
def test_list_queries_do_not_grow_with_the_rows(
    request: pytest.FixtureRequest, organization: Organization, model: type[models.Model], who: str
) -> None:
    if who == "staff" and model in SUPERUSERS_ONLY:
        return
    pages: Pages = request.getfixturevalue(who)
    counts = []
    for more in (1, 4):
        for number in range(more):
            add_rows(organization, f"Z{more}-{number}")
        pages.rows(model)  # what is cached by process (content types) is there from now on
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert pages.rows(model).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_search_finds_by_every_declared_field(
    superuser: Pages, organization: Organization, model: type[models.Model]
) -> None:
    row = add_rows(organization, MINE)[model]
    if not admin_of(model).search_fields:
        return
    found = superuser.rows(model, q=f"{MINE.upper()}" if model is not Organization else organization.slug)
    assert row in found.context["cl"].queryset
    assert list(superuser.rows(model, q="nothing-is-called-so").context["cl"].queryset) == []
    query = {"app_label": "accounts", "model_name": "person", "field_name": "organization", "term": "a\0b"}
    assert superuser.get(reverse("admin:autocomplete"), **query).json()["results"] == []


@pytest.mark.parametrize("fields", [{"is_active": False}, {"is_staff": False}])
def test_who_is_not_active_staff_is_sent_to_the_login(organization: Organization, fields: dict[str, bool]) -> None:
    pages = Pages(UserFactory.create(organization=organization, **fields))
    answer = pages.rows(Person)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/login/?next=/admin/accounts/person/")


def test_an_anonymous_visitor_sees_the_login_and_no_model(db: None) -> None:
    page = Client().get("/admin/login/")
    assert page.status_code == 200
    assert page.context["available_apps"] == []


def test_staff_see_nothing_of_what_only_superusers_touch(staff: Pages) -> None:
    labels = {model["object_name"] for app in staff.get("/admin/").context["app_list"] for model in app["models"]}
    assert labels == {model.__name__ for model in MODELS} - {model.__name__ for model in SUPERUSERS_ONLY}


def test_an_address_can_prefill_rows_to_point_to_and_nothing_else(staff: Pages, organization: Organization) -> None:
    course = CourseFactory.create(organization=organization)
    page = staff.get(address(Session, "add"), course=str(course.pk), facilitator="abc", name="Typed by a link")
    form = page.context["adminform"].form
    assert form.initial == {"course": str(course.pk)}


def test_a_person_is_added_to_the_staff_users_organization(staff: Pages, organization: Organization) -> None:
    page = staff.get(address(Person, "add"))
    assert "organization" not in fields_of(page)
    other = OrganizationFactory.create()
    answer = staff.add(Person, employee_id="EMP-1", first_name="Zoë", organization=str(other.pk))
    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/accounts/person/")
    person = Person.objects.get()
    assert (person.organization, person.employee_id, person.search_name) == (organization, "EMP-1", "zoë")
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.get_change_message(), entry.user) == (str(person.pk), "Added.", staff.user)


def test_a_superuser_picks_the_organization_once(superuser: Pages, organization: Organization) -> None:
    superuser.add(Person, employee_id="EMP-1", first_name="Ada", organization=str(organization.pk))
    person = Person.objects.get()
    assert person.organization == organization
    other = OrganizationFactory.create()
    superuser.change(person, first_name="Grace", organization=str(other.pk))
    person.refresh_from_db()
    assert (person.organization, person.first_name) == (organization, "Grace")


def test_a_refused_value_is_shown_at_its_field_with_the_input_kept(staff: Pages, organization: Organization) -> None:
    """The number is unique in an organization, which the form does not know: only the service can notice."""
    PersonFactory.create(organization=organization, employee_id="EMP-1")
    answer = staff.add(Person, employee_id="EMP-1", first_name="Grace")
    assert errors_of(answer) == {"employee_id": ["Somebody else has this employee number."]}
    assert fields_of(answer)["first_name"] == ["Grace"]
    assert (Person.objects.count(), LogEntry.objects.count(), messages_of(answer)) == (1, 0, [])


def test_a_change_writes_the_changed_fields_only(staff: Pages, organization: Organization) -> None:
    """Somebody else's edit that came while the page was open is kept."""
    person = PersonFactory.create(organization=organization, first_name="Ada", last_name="Byron")
    opened = fields_of(staff.get(address(Person, "change", person)))
    people.update_person(
        organization=organization, actor=Actor.system(), person=person, changes={"first_name": "Augusta"}
    )
    staff.client.post(address(Person, "change", person), {**opened, "last_name": "King"})
    person.refresh_from_db()
    assert (person.first_name, person.last_name, person.search_name) == ("Augusta", "King", "augusta king")
    assert LogEntry.objects.get().get_change_message() == "Changed Last name."


def test_a_busy_ledger_is_said_on_the_form(staff: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    class Held(Exception):  # noqa: N818 - stands for a driver's error
        sqlstate = "55P03"

    def busy(**_: object) -> None:
        raise OperationalError from Held()

    monkeypatch.setattr(people, "create_person", busy)
    answer = staff.add(Person, employee_id="EMP-1", first_name="Ada")
    assert errors_of(answer) == {"__all__": ["The ledger is busy. Try again."]}


def test_times_are_those_of_the_organization(db: None) -> None:
    organization = OrganizationFactory.create(time_zone="Pacific/Auckland")
    course = CourseFactory.create(organization=organization)
    pages = Pages(UserFactory.create(organization=organization))
    typed = {"course": course.pk, "name": "Early", "starts_at_0": "2026-07-01", "starts_at_1": "08:00:00",
             "ends_at_0": "2026-07-01", "ends_at_1": "16:00:00"}  # fmt: skip
    pages.add(Session, **typed)
    session = Session.objects.get()
    assert session.starts_at == datetime(2026, 6, 30, 20, tzinfo=UTC)
    page = pages.get(address(Session, "change", session))
    assert {**fields_of(page), **{k: [str(v)] for k, v in typed.items()}} == fields_of(page)
    assert "Time zone: Pacific/Auckland." in page.content.decode()
    assert "2026-07-01 08:00" in pages.rows(Session).content.decode()


def test_an_action_on_too_many_rows_changes_nothing(
    staff: Pages, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MOST_ROWS == 1000
    monkeypatch.setattr("accounts.admin.base.MOST_ROWS", 1)
    made = [
        tokens.create_token(organization=organization, actor=Actor.system(), name=name, scopes=["training:read"])[0]
        for name in "ab"
    ]
    assert messages_of(staff.act(ApiToken, "revoke", made)) == ["At most 1 rows at once. Nothing has been changed."]
    assert ApiToken.objects.filter(revoked_at=None).count() == 2


def test_an_organization_is_made_and_changed_by_a_superuser(superuser: Pages) -> None:
    superuser.add(Organization, name="Acme", slug="acme", time_zone="Europe/Berlin")
    organization = Organization.objects.get()
    assert (organization.name, organization.slug, organization.time_zone) == ("Acme", "acme", "Europe/Berlin")
    answer = superuser.change(organization, time_zone="Nowhere/Land")
    assert list(errors_of(answer)) == ["time_zone"]
    superuser.change(organization, name="Acme Ltd")
    organization.refresh_from_db()
    assert (organization.name, organization.time_zone) == ("Acme Ltd", "Europe/Berlin")


PASSWORD = "a long enough password"


def test_a_user_is_made_with_a_hashed_password(superuser: Pages, organization: Organization) -> None:
    typed = {"email": "ada@EXAMPLE.com", "organization": organization.pk, "is_staff": "on", "new_password": PASSWORD}
    answer = superuser.add(User, **typed, new_password_again="another one, longer")
    assert errors_of(answer) == {"new_password_again": ["The two passwords are not the same."]}
    superuser.add(User, **typed, new_password_again=PASSWORD)
    user = User.objects.get(organization=organization)
    assert (user.email, user.check_password(PASSWORD), PASSWORD in user.password) == ("ada@example.com", True, False)
    assert PASSWORD not in str(list(LogEntry.objects.values_list("change_message", "object_repr")))
    superuser.change(user, first_name="Ada")
    user.refresh_from_db()
    assert (user.first_name, user.check_password(PASSWORD)) == ("Ada", True)
    superuser.change(user, new_password="a second long one", new_password_again="a second long one")
    user.refresh_from_db()
    assert user.check_password("a second long one")


@pytest.mark.parametrize(
    ("typed", "field", "message"),
    [
        ({"new_password": "short", "new_password_again": "short"}, "new_password",
         "This password is too short. It must contain at least 12 characters."),
        ({"organization": ""}, "organization", "Staff who are no superusers belong to an organization."),
    ],
)  # fmt: skip
def test_a_user_that_cannot_be_is_refused_at_the_field(
    superuser: Pages, organization: Organization, typed: dict[str, str], field: str, message: str
) -> None:
    base = {"email": "ada@example.com", "organization": organization.pk, "is_staff": "on",
            "new_password": PASSWORD, "new_password_again": PASSWORD}  # fmt: skip
    assert errors_of(superuser.add(User, **{**base, **typed}))[field] == [message]
    assert User.objects.count() == 1


def test_a_superuser_who_changes_the_own_password_stays_logged_in(superuser: Pages) -> None:
    superuser.change(superuser.user, new_password="a second long one", new_password_again="a second long one")
    assert superuser.get("/admin/").status_code == 200


def test_an_answer_kept_for_a_key_is_not_shown(superuser: Pages, organization: Organization) -> None:
    row = add_rows(organization, MINE)[IdempotencyRecord]
    pages = [superuser.rows(IdempotencyRecord), superuser.get(address(IdempotencyRecord, "change", row))]
    assert [b"secret-body" in page.content for page in pages] == [False, False]
    assert [f"key-{MINE}" in page.content.decode() for page in pages] == [True, True]


def test_a_course_of_another_organization_cannot_be_posted(staff: Pages) -> None:
    course = CourseFactory.create(organization=OrganizationFactory.create())
    answer = staff.add(Session, course=course.pk, name="Ours", starts_at_0="2026-07-01", starts_at_1="08:00",
                       ends_at_0="2026-07-01", ends_at_1="09:00")  # fmt: skip
    assert errors_of(answer) == {"course": ["Select a valid choice. That choice is not one of the available choices."]}
    assert (Session.objects.count(), Course.objects.count()) == (0, 1)
