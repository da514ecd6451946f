"""Hostile bodies at every write of every API family: a clear refusal in its own words, and nothing written."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from pytest_django import DjangoDbBlocker

from accounts.models import Organization
from tests.conftest import Api, api_of
from tests.contracts.families import FAMILIES, Family, Request, Said
from tests.contracts.scene import JSON, OWN, answer, everything, expected, populate
from tests.factories import OrganizationFactory
from tests.hostile.table import BODIES, NO_ADDRESSES, VALUES, keys_in, with_value

pytestmark = pytest.mark.django_db

WRITES = pytest.mark.parametrize(
    ("family", "request_of"),
    [
        pytest.param(family, request, id=f"{family.name} {request.name}")
        for family in FAMILIES
        for request in family.routes
        if request.writes
    ],
)


@pytest.fixture(scope="module")
def api(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Api]:
    """Of one organization with a row of each kind, made once, in a transaction that is taken back."""
    with django_db_blocker.unblock(), transaction.atomic():
        organization: Organization = OrganizationFactory.create()
        populate(organization, OWN, "OWN")
        yield api_of(organization)
        transaction.set_rollback(True)


def send(api: Api, request: Request, body: bytes, headers: dict[str, str] | None = None) -> Any:
    credential = {"Authorization": f"Bearer {api.secret}", **(headers or {})}
    return api.client.generic(request.method, request.target(OWN), body, JSON, headers=credential)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_hostile_body_is_refused_in_the_familys_words_and_writes_nothing(api: Api, family: Family) -> None:
    """All writes read their bodies alike; `python -m tests.proof --only hostile` sends these to each."""
    before = everything()
    answers = {what: answer(send(api, family.write, make(), headers)) for what, (make, headers, _) in BODIES.items()}
    assert answers == {what: expected(family, said) for what, (_, _, said) in BODIES.items()}
    assert everything() == before


def known_keys(api: Api, request: Request) -> list[str]:
    body = {**(request.body(OWN) if request.body else {}), "nonsense": 1}
    return keys_in(str(send(api, request, json.dumps(body).encode()).json()))


@WRITES
def test_a_hostile_value_is_refused_under_every_key(api: Api, family: Family, request_of: Request) -> None:
    body = request_of.body(OWN) if request_of.body else {}
    before = everything()
    statuses = {}
    for key in known_keys(api, request_of):
        for what, value in VALUES.items():
            response = send(api, request_of, with_value(body, key, value))
            shown = answer(response)[2]
            of_a_key = Said(422, fields={key: ["x"]})
            shapes = [family.shape(Said(400, ["x"], code="x")), family.shape(of_a_key)]
            assert set(shown) in [set(shape) for shape in shapes], (key, what, shown)
            statuses[key, what] = response.status_code
    assert {cell: status for cell, status in statuses.items() if status not in {400, family.unprocessable}} == {}
    assert everything() == before


COMPLETE = "/api/v1/training/enrollments/{enrollment}/complete"


@pytest.mark.parametrize("address", NO_ADDRESSES)
def test_a_certificate_is_an_address_of_the_web_and_nothing_else(api: Api, address: str) -> None:
    before = everything()
    body = {"score": 90, "certificate_url": address}
    response = send(api, Request("PATCH", COMPLETE), json.dumps(body).encode())
    shown = response.json()
    assert (response.status_code, sorted(shown), list(shown["errors"])) == (
        422,
        ["errors", "message", "success"],
        ["certificate_url"],
    )
    assert everything() == before
