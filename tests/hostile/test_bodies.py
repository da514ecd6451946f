"""Hostile bodies at every write of every API family: a clear refusal in its own words, and nothing written."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from django.db import transaction
from pytest_django import DjangoDbBlocker

from accounts.models import Organization
from tests.conftest import Api, api_of, body_of
from tests.contracts.families import FAMILIES, Family, Request
from tests.contracts.scene import JSON, OWN, answer, everything, expected, populate
from tests.contracts.test_openapi import document, key_of
from tests.factories import OrganizationFactory
from tests.hostile.inputs import hostile
from tests.hostile.table import BODIES, NO_ADDRESSES

pytestmark = pytest.mark.django_db

ROUTES = pytest.mark.parametrize(
    ("family", "request_of"),
    [
        pytest.param(family, request, id=f"{family.name} {request.name}")
        for family in FAMILIES
        for request in family.routes
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


@cache
def documented(name: str) -> Any:
    return document(next(family for family in FAMILIES if family.name == name))


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


@ROUTES
def test_a_hostile_value_is_refused_wherever_it_stands(api: Api, family: Family, request_of: Request) -> None:
    """Under every key of every form of the body, and in every part of the address."""
    before = everything()
    answers = {}
    for sent in hostile(family, documented(family.name), request_of, OWN):
        credential = {} if sent.alone else {"Authorization": f"Bearer {api.secret}"}
        response = api.client.generic(request_of.method, sent.target, sent.body, JSON, headers=credential)
        said = body_of(response)
        if not sent.is_refused(response.status_code, said):
            answers[sent.name] = (response.status_code, said[:200])
    assert answers == {}
    assert everything() == before


def places(family: Family) -> dict[tuple[str, str], list[str]]:
    return {
        key_of(request): sorted({sent.where for sent in hostile(family, documented(family.name), request, OWN)})
        for request in family.routes
    }


def test_what_families_without_bodies_read_is_tried() -> None:
    """Every key and every part of an address comes from the documents; these have most in their addresses."""
    _, records, assignments, programs = FAMILIES
    credentials = ["apiKey", "company"]
    assert places(assignments) == {
        ("GET", "/training-assignments/stream"): [
            "after", "categoryIds", "courseIds", "endTime", "isOverdue", "learnerIds", "startTime", "status",
        ],
        ("POST", "/training-assignments"): ["courseId", "dueAtTime", "learnerIds"],
        ("PATCH", "/training-assignments"): ["dueAtTime", "ids"],
        ("DELETE", "/training-assignments"): ["ids"],
        ("GET", "/training-courses"): ["after", "categoryIds", "courseIds", "status"],
    }  # fmt: skip
    assert places(programs) == {
        ("GET", "/api/v1/programs"): credentials,
        ("GET", "/api/v1/programs/sessions"): credentials,
        ("GET", "/api/v1/programs/sessions/{}"): [*credentials, "hex_id"],
        ("GET", "/api/v1/programs/sessions/{}/users"): [*credentials, "hex_id"],
        ("PUT", "/api/v1/programs/sessions/{}/users/{}"): [*credentials, "hex_id", "user"],
        ("DELETE", "/api/v1/programs/sessions/{}/users/{}"): [*credentials, "hex_id", "user"],
        ("GET", "/api/v1/programs/sessions/{}/stats"): [*credentials, "hex_id"],
        ("GET", "/api/v1/programs/templates"): credentials,
        ("GET", "/api/v1/programs/templates/{}"): [*credentials, "hex_id"],
    }
    assert places(records)["POST", "/api/train_sessions/unassign"] == ["course_codes", "ids", "login_id"]


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
