"""Every API route by every method and every credential, each answer held whole."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
from django.db import transaction

from tests.access.conftest import Tally
from tests.access.scene import Credential, Everybody, body_for, rows_of
from tests.access.table import METHODS, Door, Route, Row, routes
from tests.conftest import body_of
from tests.contracts.families import FAMILIES, Family, Ids, Request, Said
from tests.contracts.scene import MISSING, OWN, SPECIAL, answer, expected

pytestmark = pytest.mark.django_db

APIS = [route for route in routes() if route.row is not None and route.row.door is Door.API]
EVERY_API = pytest.mark.parametrize("route", APIS, ids=lambda route: route.path)
ORDER = ("GET", "POST", "PUT", "PATCH", "DELETE")  # Of what an API says that it allows.


def shape(path: str) -> str:
    """A path with a star for each id."""
    return re.sub(r"[<{][^>}]*[>}]", "*", path.strip("/"))


def family_of(route: Route) -> Family:
    assert route.row is not None
    [family] = [one for one in FAMILIES if one.name == route.row.family]
    return family


def request_of(family: Family, route: Route, method: str) -> Request:
    """What succeeds there, or else what is refused whatever it says."""
    found = [one for one in family.routes if (shape(one.path), one.method) == (shape(route.path), method)]
    return found[0] if found else Request(method, "/" + re.sub(r"<\w+>", "x", route.path))


def expectation(family: Family, row: Row, request: Request, credential: Credential) -> Said:
    """What is said, by the table alone. A success is a status."""
    needed = dict(row.scopes).get(request.method)
    if needed is None:
        allowed = ", ".join([one for one in ORDER if one in row.methods] + ["HEAD"] * ("GET" in row.methods))
        return Said(405, [f"{request.method} is not allowed here. Allowed: {allowed}."], headers={"Allow": allowed})
    if credential.refusal:
        return Said(401, [credential.refusal], headers={"WWW-Authenticate": family.challenge})
    if needed not in credential.scopes:
        return Said(403, [f"The token lacks the scope {needed}."])
    return Said(request.status)


def seen(method: str, response: Any) -> tuple[Any, ...]:
    """A success by its status and media type: what it says is held by its family's own tests."""
    if method == "HEAD":
        assert body_of(response) == b""
        return response.status_code, {name: response[name] for name in SPECIAL if name in response}
    if response.status_code < 400:
        is_json = json.loads(body_of(response) or b"null") is not None
        return response.status_code, response.get("Content-Type", "") if is_json else ""
    return answer(response)


def wanted_of(cell: "Cell", family: Family) -> tuple[Any, ...]:
    if cell.method == "HEAD":
        query = f"?{cell.credential.query}" if cell.credential.query else ""
        moved = {"Location": f"/api/v1/programs/sessions{query}"} if cell.said.status == 302 else {}
        return wanted(family, cell.said)[0], {**cell.said.headers, **moved}
    return wanted(family, cell.said)


def wanted(family: Family, said: Said) -> tuple[Any, ...]:
    if said.status < 400:
        return said.status, "" if said.status in {204, 302} else "application/json"
    return expected(family, said)


@dataclass(frozen=True)
class Cell:
    """`method` is what is sent: HEAD asks what GET would."""

    method: str
    who: str
    request: Request
    credential: Credential
    said: Said

    def ask(self) -> Any:
        return self.credential.send(self.method, self.request.target(OWN), body_for(OWN, self.request.body))


def cells(everybody_there: Everybody, family: Family, route: Route) -> Iterator[Cell]:
    assert route.row is not None
    for method in METHODS:
        request = request_of(family, route, "GET" if method == "HEAD" else method)
        for who, credential in everybody_there.at_apis.items():
            said = expectation(family, route.row, request, credential)
            for form, one in credential.in_forms(family.name).items():
                yield Cell(method, who + form, request, one, said)


@EVERY_API
def test_an_api_answers_each_credential_as_the_table_says(
    everybody_there: Everybody, tally: Tally, route: Route
) -> None:
    """A success of another organization's is asked for below."""
    family = family_of(route)
    every = list(cells(everybody_there, family, route))
    refused = [cell for cell in every if cell.said.status >= 400]
    before = rows_of(everybody_there.own)
    got = {(cell.method, cell.who): cell.ask() for cell in refused}
    assert rows_of(everybody_there.own) == before
    for cell in every:
        if cell.said.status < 400 and not cell.credential.foreign:
            with transaction.atomic():
                got[cell.method, cell.who] = cell.ask()
                transaction.set_rollback(True)
    asked = [cell for cell in every if (cell.method, cell.who) in got]
    for cell in asked:
        tally[str(wanted(family, cell.said)[0])] += 1
    assert {(cell.method, cell.who): seen(cell.method, got[cell.method, cell.who]) for cell in asked} == {
        (cell.method, cell.who): wanted_of(cell, family) for cell in asked
    }


@EVERY_API
def test_another_organizations_token_meets_rows_as_if_they_were_not_there(
    everybody_there: Everybody, tally: Tally, route: Route
) -> None:
    """Byte for byte, but for the ids; and where it names none, it sees and changes its own organization alone."""
    family, foreign = family_of(route), everybody_there.at_apis["other organization"]
    before = rows_of(everybody_there.own)
    assert route.row is not None
    methods = ("HEAD", *route.row.methods) if "GET" in route.row.methods else route.row.methods
    for method, credential in product(methods, foreign.in_forms(family.name).values()):
        request = request_of(family, route, "GET" if method == "HEAD" else method)
        answers = []
        for ids in (MISSING, OWN):
            with transaction.atomic():
                response = credential.send(method, request.target(ids), body_for(ids, request.body))
                assert rows_of(everybody_there.own) == before
                transaction.set_rollback(True)
            answers.append((response.status_code, without(ids, response)))
        names_rows = request.target(MISSING) != request.target(OWN) or (
            body_for(MISSING, request.body) != body_for(OWN, request.body)
        )
        # A body that names a course of nobody's is refused before anything is made; what is made anew is its own.
        status, content = answers[1]
        assert status in ({404, family.unprocessable} if names_rows else {request.status})
        assert not any(str(OWN[name]) in content for name in OWN)
        if names_rows:
            assert answers[0] == answers[1]
        tally[f"{status} other organization"] += 1


def without(ids: Ids, response: Any) -> str:
    content = body_of(response).decode().replace(response["X-Request-Id"], "<request>")
    for name, pk in ids.items():
        content = content.replace(str(pk), f"<{name}>")
    return content
