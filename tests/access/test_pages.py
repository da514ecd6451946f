"""Every page by every method and every credential that this is not asked of elsewhere: GET and POST of the admin's named
pages by role stand in `tests.accounts.test_access`.
"""

import copy
import os
import re

import pytest
from django.test import Client

from tests.access.conftest import Tally
from tests.access.scene import Credential, Everybody
from tests.access.table import METHODS, OF_THE_FRAMEWORK, UNNAMED, Door, Route, routes
from tests.accounts.test_access import Access, Scene as Pages, answer, targets

pytestmark = pytest.mark.django_db

EVERY = [route for route in routes() if route.row is not None]
STAFF, OPEN = ([route for route in EVERY if route.row and route.row.door is door] for door in (Door.STAFF, Door.OPEN))
EVERY_STAFF_PAGE = pytest.mark.parametrize("route", STAFF, ids=lambda route: route.path)
EVERY_OPEN_PAGE = pytest.mark.parametrize("route", OPEN, ids=lambda route: route.path)
ALLOWED = "GET, HEAD, POST"
# Every credential and every page that opens, which takes minutes: `python -m tests.proof --only access`.
WHOLE = bool(os.environ.get("ACCESS_WHOLE"))
CSRF = re.compile(rb"[A-Za-z0-9]{64}")  # Another for each visit.
THREE = {"none", "token", "superuser"}
OTHERS = [method for method in METHODS if method not in ALLOWED.split(", ")]


def addresses_of(pages: Pages, route: Route) -> list[str]:
    """The address; where it has a row, with the own one and with the other organization's."""
    inside = route.path.removeprefix("admin/")
    if route.path in {"admin/<url>", "admin/r/<path:content_type_id>/<path:object_id>/"}:
        return ["/admin/" + re.sub("<.*?>", "1", inside)]
    if not route.path.startswith("admin/"):
        return ["/" + route.path.removeprefix("/")]
    return targets(pages, route.name or "unnamed", inside.replace("<app_label>", "accounts"))


def asked(credential: Credential, method: str, address: str) -> str:
    """By a letter of `Access`; what it did is taken back, to the cookies."""
    client = copy.copy(credential.client)
    client.cookies = copy.deepcopy(credential.client.cookies)
    if credential.secret:
        client.defaults = {**client.defaults, "HTTP_AUTHORIZATION": f"Bearer {credential.secret}"}
    return answer(client, method.lower(), address)


def seen_by(everybody_there: Everybody) -> dict[str, Credential]:
    """By whom what is the same to everybody is asked for."""
    every = {**everybody_there.at_pages, **everybody_there.roles}
    return every if WHOLE else {who: every[who] for who in sorted(THREE)}


def access_to(route: Route) -> Access:
    assert route.row is not None
    assert route.row.access is not None
    return route.row.access


@EVERY_STAFF_PAGE
def test_who_is_not_staff_is_led_to_the_login(
    pages: Pages, everybody_there: Everybody, tally: Tally, route: Route
) -> None:
    letters = access_to(route).anonymous or "ll"
    address = addresses_of(pages, route)[0]
    hoped = {
        (who, method): letter
        for who in everybody_there.at_pages
        for method, letter in zip(("GET", "HEAD", "POST"), (letters[0], *letters), strict=True)
        if WHOLE or method == "GET" or who in THREE
    }
    assert {(who, method): asked(everybody_there.at_pages[who], method, address) for who, method in hoped} == hoped
    tally.update(hoped.values())


@EVERY_STAFF_PAGE
def test_each_role_is_told_by_head_what_it_would_be_by_get(
    pages: Pages, everybody_there: Everybody, tally: Tally, route: Route
) -> None:
    """Pages that open are made as for GET, which takes its time: they are asked for in the whole run."""
    addressed = addresses_of(pages, route)
    for who, credential in everybody_there.roles.items():
        # The login leads on who is logged in already, if asked by GET.
        letters = "i" if route.name == "login" else getattr(access_to(route), who)[::2]
        hoped = dict(zip(addressed, letters, strict=False))
        for address, letter in hoped.items():
            if WHOLE or letter != "i":
                assert (who, address, asked(credential, "HEAD", address)) == (who, address, letter)
                tally[letter] += 1


@pytest.mark.parametrize(
    "route", [route for route in EVERY if route.path in UNNAMED or route.name in OF_THE_FRAMEWORK], ids=str
)
def test_a_page_that_the_framework_adds_answers_each_role_as_the_table_says(
    pages: Pages, everybody_there: Everybody, tally: Tally, route: Route
) -> None:
    for who, credential in everybody_there.roles.items():
        got = "".join(
            asked(credential, method, address) for address in addresses_of(pages, route) for method in ("GET", "POST")
        )
        assert (who, got) == (who, getattr(access_to(route), who)[: len(got)])
        tally.update(got)


def test_what_is_sent_from_another_site_is_refused(pages: Pages, everybody_there: Everybody, tally: Tally) -> None:
    """By whoever is logged in, a superuser too: without the token of the form."""
    client = Client(raise_request_exception=False, enforce_csrf_checks=True)
    client.cookies = copy.deepcopy(everybody_there.roles["superuser"].client.cookies)
    answers = {route.path: asked(Credential(client), "POST", addresses_of(pages, route)[0]) for route in STAFF}
    assert answers == {route.path: "r" for route in STAFF}
    tally["r"] += len(STAFF)


def test_a_page_knows_get_head_and_post_alone(pages: Pages, everybody_there: Everybody, tally: Tally) -> None:
    wrong = []
    for address in [addresses_of(pages, route)[0] for route in STAFF + OPEN]:
        for who, credential in seen_by(everybody_there).items():
            for method in OTHERS:
                response = credential.send(method, address)
                said = f"{method} is not allowed here. Allowed: {ALLOWED}."
                tally["405"] += 1
                if (response.status_code, response["Allow"], said in response.content.decode()) != (405, ALLOWED, True):
                    wrong.append((method, address, who, response.status_code))
    assert wrong == []


@EVERY_OPEN_PAGE
def test_an_open_page_is_the_same_to_everybody(
    pages: Pages, everybody_there: Everybody, tally: Tally, route: Route
) -> None:
    [address] = addresses_of(pages, route)
    answers = set()
    for credential in seen_by(everybody_there).values():
        got = {method: credential.send(method, address) for method in ("GET", "HEAD", "POST")}
        answers.add((CSRF.sub(b"", got["GET"].content), *(got[method].status_code for method in got)))
        assert got["HEAD"].content == b""
        tally.update(str(response.status_code) for response in got.values())
    status = 302 if route.path == "admin" else 200
    assert [kinds for _, *kinds in answers] == [[status, status, 302 if route.path == "admin" else 405]]
