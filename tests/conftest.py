"""What all tests share. They run on SQLite unless DATABASE_URL says otherwise."""

import json
import os
from typing import Any

import pytest
from django.test import Client

from accounts.actors import Actor
from accounts.models import Organization
from accounts.scopes import Scope
from accounts.services.tokens import create_token
from tests.factories import OrganizationFactory


def on_postgresql() -> bool:
    return os.environ.get("DATABASE_URL", "").startswith("postgres")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Races need PostgreSQL: deselected on SQLite, and never missing on PostgreSQL.

    A test outside a transaction empties the tables after itself: the rows that migrations made are put back.
    """
    for item in items:
        database = item.get_closest_marker("django_db")
        if database is not None and database.kwargs.get("transaction"):
            item.add_marker(pytest.mark.django_db(transaction=True, serialized_rollback=True), append=False)
    races = [item for item in items if item.get_closest_marker("postgresql")]
    if not on_postgresql():
        items[:] = [item for item in items if item not in races]
        config.hook.pytest_deselected(items=races)
        return
    whole_run = not config.option.keyword and not config.option.markexpr and config.args == config.getini("testpaths")
    if whole_run and not races:
        raise pytest.UsageError("No race test was collected on PostgreSQL.")


@pytest.fixture
def organization(db: None) -> Organization:
    return OrganizationFactory.create()


@pytest.fixture
def actor() -> Actor:
    return Actor.system()


class Api:
    """A client of one organization: `api.get("/api/…")` with a token's credential."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.client = Client(raise_request_exception=False)

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        credential = {"Authorization": f"Bearer {self.secret}", **{k.replace("_", "-"): v for k, v in headers.items()}}
        data = b"" if body is None else json.dumps(body).encode()
        # `generic` sends no body where none is given; `post` would send an empty form.
        return self.client.generic(method.upper(), path, data, "application/json", headers=credential)

    def get(self, path: str, **headers: str) -> Any:
        return self.request("get", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.request("post", path, body, **headers)

    def patch(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.request("patch", path, body, **headers)


def api_of(organization: Organization, *scopes: str) -> Api:
    _, secret = create_token(
        organization=organization, actor=Actor.system(), name="tests", scopes=scopes or Scope.values
    )
    return Api(secret)


@pytest.fixture
def api(organization: Organization) -> Api:
    return api_of(organization)


def body_of(response: Any) -> bytes:
    """The whole body, streamed or not."""
    return b"".join(response.streaming_content) if response.streaming else response.content
