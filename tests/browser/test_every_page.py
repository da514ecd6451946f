"""Every page of the admin, found by walking its addresses: no serious finding of an accessibility scan, and nothing cut
off or unreadable at either width."""

import re
from collections.abc import Callable, Iterator
from functools import cache

import pytest
from django.contrib import admin
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.admin.base import LedgerAdmin
from accounts.models import IdempotencyRecord, ImportFile, Organization, User
from tests.browser.browsing import Site, Visitor, visitor
from tests.browser.reading import readable, violations

Visit = Callable[[str], Visitor]

# No pages, or none that can be opened by itself.
NOT_PAGES = {"logout", "autocomplete", "jsi18n", "view_on_site", "search", "app_list", "training_matrix_export"}
# Answers to what is sent. What a file that is being imported would do is looked at in test_tasks.
ANSWERS = re.compile(r"_(import_preview|import_refused|assign_courses)$")
DOWNLOADS = ("/<str:kind>/", ".csv", ".ics")
# Pages of rows that were ticked.
OF_ROWS = re.compile(r"^training_record_")
SUPERUSERS_ONLY = {model._meta.model_name for model in (IdempotencyRecord, ImportFile, Organization, User)}  # noqa: SLF001 - Django's documented names
OURS = {
    f"{model._meta.app_label}_{model._meta.model_name}": model_admin  # noqa: SLF001 - as above
    for model, model_admin in admin.site._registry.items()  # noqa: SLF001 - as above
    if isinstance(model_admin, LedgerAdmin)
}


def named(patterns: list[URLPattern | URLResolver], before: str = "") -> Iterator[tuple[str, str]]:
    """Each address by its name, as it is declared."""
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from named(pattern.url_patterns, route)
        elif pattern.name and pattern.name not in NOT_PAGES and not ANSWERS.search(pattern.name):
            yield pattern.name, route + ("?ids=<int:row>" if OF_ROWS.match(pattern.name) else "")


def is_opened(name: str) -> bool:
    """Nothing is deleted, what has no service to make it is not added, and all rows' histories are one page: a person's."""
    model, _, page = name.rpartition("_")
    if page == "add" and model in OURS:
        return type(OURS[model]).create_row is not LedgerAdmin.create_row
    return model not in OURS or page not in {"delete", "history"} or name == "accounts_person_history"


@cache
def pages() -> dict[str, str]:
    [of_admin] = [one for one in get_resolver().url_patterns if getattr(one, "namespace", None) == "admin"]
    assert isinstance(of_admin, URLResolver)
    return {name: route for name, route in named(of_admin.url_patterns) if name != "login" and is_opened(name)}


def user_for(route: str) -> str:
    return "superuser" if route.split("/")[1:2] and route.split("/")[1] in SUPERUSERS_ONLY else "administrator"


def address_of(one: Visitor, route: str) -> str:
    """With the first row of the list that the address belongs to in the place of its id."""
    route = route.replace("<str:kind>", "csv")
    if "<" not in route:
        return f"/admin/{route}"
    app, model, *_ = route.split("/")
    listed = one.context.request.get(f"{one.site.url}/admin/{app}/{model}/").text()
    found = re.search(rf"/admin/{app}/{model}/(\d+)/change/", listed)
    assert found, f"The scene has no {model} to open."
    return "/admin/" + re.sub(r"<\w+:\w+>", found[1], route)


@pytest.mark.parametrize("name", pages())
def test_a_page_is_accessible_and_readable(visit: Visit, name: str) -> None:
    route = pages()[name]
    one = visit(user_for(route))
    address = address_of(one, route)
    if route.endswith(DOWNLOADS):
        answer = one.context.request.get(one.site.url + address)
        assert (answer.status, "attachment" in answer.headers["content-disposition"]) == (200, True)
        return
    answered = one.page.goto(one.site.url + address)
    assert answered is not None
    assert answered.status == 200, address
    assert readable(one) == []


ACTIONS = [(name, str(action)) for name, one in OURS.items() for action in one.actions or ()]


@pytest.mark.parametrize(("name", "action"), ACTIONS, ids=["-".join(one) for one in ACTIONS])
def test_the_page_behind_an_action_is_accessible_and_readable(visit: Visit, name: str, action: str) -> None:
    one = visit(user_for(name.replace("_", "/", 1)))
    page = one.open(f"/admin/{name.replace('_', '/', 1)}/")
    page.locator("#result_list input[name=_selected_action]").first.check()
    page.select_option("select[name=action]", action)
    page.locator("button[name=index]").first.click()
    page.wait_for_load_state()
    assert readable(one) == []


@pytest.mark.parametrize("name", ["facilitator", "auditor", "nobody", "newcomer"])
def test_the_first_page_of_every_role_is_accessible_and_readable(visit: Visit, name: str) -> None:
    one = visit(name)
    one.open("/admin/")
    assert readable(one) == []


def test_the_dark_dashboard_and_matrix_are_accessible(visit: Visit) -> None:
    one = visit("administrator")
    one.page.emulate_media(color_scheme="dark")
    found = []
    for path in ("/admin/", "/admin/training/requirement/matrix/"):
        one.open(path)
        assert "dark" in (one.page.locator("html").get_attribute("class") or "")
        found += violations(one.page)
    one.page.emulate_media(color_scheme="light")
    assert found == []


def test_the_login_page_is_accessible_and_readable(site: Site, visitors: dict[str, Visitor], browser: object) -> None:
    one = visitor(browser, site)  # type: ignore[arg-type]  # the fixture's own type
    one.open("/admin/login/")
    found = readable(one)
    one.context.close()
    assert [*found, *one.wrong] == []
