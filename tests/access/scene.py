"""Everybody who could come to a door: tokens of every kind, staff of every role, and whoever is staff no longer."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.apps import apps
from django.contrib.sessions.models import Session
from django.core.signals import request_finished
from django.db import close_old_connections
from django.test import Client
from django.utils import timezone

from accounts.models import ApiToken, Organization, User
from accounts.scopes import Scope
from accounts.selectors import live_token
from accounts.services.tokens import revoke_token
from tests.accounts.test_access import Scene as Pages
from tests.conftest import api_of
from tests.contracts.families import Ids
from tests.contracts.scene import FOREIGN, OWN, populate
from tests.factories import SYSTEM, OrganizationFactory, UserFactory

NO_CREDENTIAL = "No credential was given."
LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)

# Headers and query, from a company's id and a token's secret.
Form = Callable[[str, str], tuple[dict[str, str], dict[str, str]]]
FORMS: Mapping[str, Form] = {
    "Bearer": lambda _, secret: ({"Authorization": f"Bearer {secret}"}, {}),
    "Token": lambda _, secret: ({"Authorization": f"Token {secret}"}, {}),
    "Token token": lambda _, secret: ({"Authorization": f'Token token="{secret}"'}, {}),
    "headers": lambda company, secret: ({"X-company-id": company, "X-apiKey": secret}, {}),
    "query": lambda company, secret: ({}, {"company": company, "apiKey": secret}),
}
# What a family takes besides Bearer, which all take.
FORMS_OF = {"train_sessions": ("Token", "Token token"), "programs": ("headers", "query")}


@dataclass(frozen=True)
class Credential:
    """How it is sent, and what an API says of it: `refusal` to whom it lets in nowhere, else the scopes it holds."""

    client: Client
    secret: str = ""
    company: str = ""
    form: str = "Bearer"
    refusal: str = ""
    scopes: frozenset[str] = frozenset()
    foreign: bool = False  # Of another organization.

    @property
    def written(self) -> tuple[dict[str, str], dict[str, str]]:
        return FORMS[self.form](self.company, self.secret) if self.secret else ({}, {})

    @property
    def query(self) -> str:
        return urlencode(self.written[1])

    def send(self, method: str, path: str, body: bytes = b"", media_type: str = "application/json") -> Any:
        headers, _ = self.written
        if self.query:
            path += ("&" if "?" in path else "?") + self.query
        # An answer to HEAD is closed while it is made, which would close the connection that the scene lives on.
        request_finished.disconnect(close_old_connections)
        try:
            return self.client.generic(method, path, body, media_type, headers=headers)
        finally:
            request_finished.connect(close_old_connections)

    def in_forms(self, family: str) -> "dict[str, Credential]":
        """By name: as Bearer, and in each other form that the family takes."""
        others = FORMS_OF.get(family, ()) if self.secret else ()
        return {"": self, **{f" as {form}": replace(self, form=form) for form in others}}


@dataclass(frozen=True)
class Everybody:
    """`at_apis` and `at_pages` are the credentials by name. Those at pages are let into the admin nowhere, or, where
    they stand in `roles`, as their role says.
    """

    own: Organization
    other: Organization
    at_apis: Mapping[str, Credential]
    at_pages: Mapping[str, Credential]
    roles: Mapping[str, Credential] = field(default_factory=dict)


def everybody(pages: Pages) -> Everybody:
    own, other = OrganizationFactory.create(), OrganizationFactory.create()
    populate(own, OWN, "OWN")
    populate(other, FOREIGN, "FOREIGN")
    visitor = Client(raise_request_exception=False)
    everything = bearer(own, *Scope.values)
    live = everything.secret
    wrong = f"{live[:-1]}{'x' if live[-1] != 'x' else 'y'}"
    roles = {who: Credential(client, refusal=NO_CREDENTIAL) for who, client in pages.clients.items()}
    nobody = roles.pop("anonymous")
    tokens = {
        "none": nobody,
        "wrong": Credential(visitor, wrong, own.company_id, refusal="The credential is not known."),
        "expired": expired(own),
        "revoked": revoked(own),
        **{scope: bearer(own, scope) for scope in Scope.values},
        "other organization": bearer(other, *Scope.values, foreign=True),
    }
    # A session opens no API, whoever's it is.
    sessions = {**roles, "inactive": inactive(), "session ended": session_ended()}
    return Everybody(
        own=own,
        other=other,
        at_apis={**tokens, **sessions},
        at_pages={
            "none": nobody,
            "wrong": cookie("0" * 32),
            "expired": session_expired(),
            "revoked": session_ended(),
            "inactive": inactive(),
            "no longer staff": no_longer_staff(),
            "another password": another_password(),
            "token": everything,
        },
        roles=roles,
    )


def bearer(organization: Organization, *scopes: str, foreign: bool = False) -> Credential:
    api = api_of(organization, *scopes)
    return Credential(api.client, api.secret, organization.company_id, scopes=frozenset(scopes), foreign=foreign)


def expired(organization: Organization) -> Credential:
    api = api_of(organization)
    ApiToken.objects.filter(pk=live_token(api.secret).pk).update(expires_at=LONG_AGO)
    return Credential(api.client, api.secret, organization.company_id, refusal="The credential has expired.")


def revoked(organization: Organization) -> Credential:
    api = api_of(organization)
    revoke_token(actor=SYSTEM, token=live_token(api.secret))
    return Credential(api.client, api.secret, organization.company_id, refusal="The credential has been revoked.")


# Sessions that let nobody in. Each is an administrator's but for the one thing.


def logged_in() -> tuple[Client, User]:
    user, client = UserFactory.create(), Client(raise_request_exception=False)
    client.force_login(user)
    return client, user


def cookie(key: str) -> Credential:
    client = Client(raise_request_exception=False)
    client.cookies["sessionid"] = key
    return Credential(client, refusal=NO_CREDENTIAL)


def session_expired() -> Credential:
    client, _ = logged_in()
    Session.objects.filter(pk=client.session.session_key).update(expire_date=timezone.now() - timedelta(seconds=1))
    return Credential(client, refusal=NO_CREDENTIAL)


def session_ended() -> Credential:
    """The cookie is kept by somebody after its owner has left."""
    client, _ = logged_in()
    key = client.session.session_key
    client.logout()
    return cookie(str(key))


def inactive() -> Credential:
    client, user = logged_in()
    User.objects.filter(pk=user.pk).update(is_active=False)
    return Credential(client, refusal=NO_CREDENTIAL)


def no_longer_staff() -> Credential:
    client, user = logged_in()
    User.objects.filter(pk=user.pk).update(is_staff=False)
    return Credential(client, refusal=NO_CREDENTIAL)


def another_password() -> Credential:
    client, user = logged_in()
    user.set_password("another long enough password")
    user.save()
    return Credential(client, refusal=NO_CREDENTIAL)


# What a request did.


def rows_of(organization: Organization) -> list[Any]:
    """All rows of an organization, but for the tokens: a request notes that one was used."""
    return [
        list(model._default_manager.filter(organization=organization).order_by("pk").values())  # noqa: SLF001 - Django's documented name
        for app in ("accounts", "enrollments", "training", "programs")
        for model in apps.get_app_config(app).get_models()
        if model is not ApiToken and any(one.name == "organization" for one in model._meta.concrete_fields)  # noqa: SLF001 - as above
    ]


def body_for(ids: Ids, body: Any) -> bytes:
    return b"" if body is None else json.dumps(body(ids)).encode()
