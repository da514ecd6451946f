"""Every failure of every family: one table. Each answer is held whole, and nothing may have changed."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Event, Thread
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings as configured
from django.db import connection
from django.test import Client
from pytest_django import Settings

from accounts.actors import Actor
from accounts.api import rates
from accounts.models import ApiToken, Organization
from accounts.scopes import Scope
from accounts.services.tokens import revoke_token
from accounts.transactions import lock_ledger, write
from tests.conftest import api_of
from tests.contracts.families import FAMILIES, Family, Said
from tests.contracts.scene import FOREIGN, MISSING, OWN, Scene, answer, everything, expected, make_scene

REQUEST_ID = re.compile(r"[0-9a-f]{32}")
PATIENCE = 30  # Seconds.
SECRET = "geheim"
NO_CREDENTIAL = "No credential was given."
UNKNOWN_CREDENTIAL = "The credential is not known."
NO_JSON = "The body is not valid JSON."
UNREADABLE = "The request cannot be read."

Failure = Callable[[Scene], tuple[Any, Said]]
FAILURES: dict[str, Failure] = {}
# Failures that need real transactions: another connection holds a lock.
LOCKED = {"busy"}


def failure(described: Failure) -> Failure:
    FAILURES[described.__name__] = described
    return described


def written(scene: Scene) -> bytes:
    request = scene.family.write
    assert request.body is not None
    return json.dumps(request.body(OWN)).encode()


# What is asked for.


@failure
def unknown_route(scene: Scene) -> tuple[Any, Said]:
    path = f"{scene.family.prefix}/no/such/route"
    return scene.raw("GET", path), Said(404, [f"There is no such route: {path}"])


@failure
def missing_object(scene: Scene) -> tuple[Any, Said]:
    request, said = scene.family.missing[0]
    return scene.send(request, MISSING), said.of(MISSING)


@failure
def foreign_object(scene: Scene) -> tuple[Any, Said]:
    request, said = scene.family.missing[0]
    return scene.send(request, FOREIGN), said.of(FOREIGN)


@failure
def wrong_method(scene: Scene) -> tuple[Any, Said]:
    allowed = scene.family.allowed
    said = Said(405, [f"DELETE is not allowed here. Allowed: {allowed}."], headers={"Allow": allowed})
    return scene.raw("DELETE", scene.family.listing), said


@failure
def unknown_method(scene: Scene) -> tuple[Any, Said]:
    allowed = scene.family.allowed
    said = Said(405, [f"BREW is not allowed here. Allowed: {allowed}."], headers={"Allow": allowed})
    return scene.raw("BREW", scene.family.listing), said


@failure
def options(scene: Scene) -> tuple[Any, Said]:
    allowed = scene.family.allowed
    said = Said(405, [f"OPTIONS is not allowed here. Allowed: {allowed}."], headers={"Allow": allowed})
    return scene.raw("OPTIONS", scene.family.listing), said


# Bodies.


@failure
def bad_json(scene: Scene) -> tuple[Any, Said]:
    return scene.write(written(scene)[:-1]), Said(400, [NO_JSON], code="invalid_json")


@failure
def duplicate_key(scene: Scene) -> tuple[Any, Said]:
    whole = written(scene).decode().replace("{}", '{"nonsense": 1}')
    return scene.write(f"{whole[:-1]}, {whole[1:]}".encode()), Said(400, [NO_JSON], code="invalid_json")


@failure
def not_a_number(scene: Scene) -> tuple[Any, Said]:
    return scene.write(b'{"a": NaN}'), Said(400, [NO_JSON], code="invalid_json")


@failure
def infinity(scene: Scene) -> tuple[Any, Said]:
    return scene.write(b'{"a": -Infinity}'), Said(400, [NO_JSON], code="invalid_json")


@failure
def half_a_surrogate_pair(scene: Scene) -> tuple[Any, Said]:
    return scene.write(rb'{"\ud83d": 1}'), Said(400, [NO_JSON], code="invalid_json")


@failure
def body_that_is_no_utf_8(scene: Scene) -> tuple[Any, Said]:
    return scene.write(b'{"a": "\xff"}'), Said(400, [NO_JSON], code="invalid_json")


@failure
def bottomless_json(scene: Scene) -> tuple[Any, Said]:
    return scene.write(b"[" * 100_000), Said(400, [NO_JSON], code="invalid_json")


@failure
def wrong_media_type(scene: Scene) -> tuple[Any, Said]:
    return scene.write(written(scene), "text/plain"), Said(415, ["Send the body as application/json."])


@failure
def body_that_is_no_object(scene: Scene) -> tuple[Any, Said]:
    said = "Invalid data. Expected a dictionary, but got list."
    return scene.write(b"[1]"), Said(422, fields={"body": [said]})


@failure
def unknown_key(scene: Scene) -> tuple[Any, Said]:
    said = Said(422, fields={"nonsense": [f"Unknown key. Known: {scene.family.write_keys}."]})
    return scene.write(json.dumps({**json.loads(written(scene)), "nonsense": 1}).encode()), said


@failure
def nul_in_a_text(scene: Scene) -> tuple[Any, Said]:
    assert scene.family.nul is not None
    request, name = scene.family.nul
    return scene.send(request), Said(422, fields={name: ["Null characters are not allowed."]})


@failure
def conflict(scene: Scene) -> tuple[Any, Said]:
    request, said = scene.family.conflict
    return scene.send(request), said.of(OWN)


@failure
def idempotency_key_of_another_form(scene: Scene) -> tuple[Any, Said]:
    said = Said(400, ["Idempotency-Key: give 1-255 visible ASCII characters."], code="invalid_idempotency_key")
    return scene.write(written(scene), Idempotency_Key="a b"), said


@failure
def body_too_large(scene: Scene) -> tuple[Any, Said]:
    return scene.write(b" " * (configured.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)), Said(413, ["The body is too large."])


@failure
def body_too_large_of_a_read(scene: Scene) -> tuple[Any, Said]:
    body = b" " * (configured.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
    return scene.raw("GET", scene.family.listing, body), Said(413, ["The body is too large."])


# Queries.


def bad_query(sentence: str) -> Said:
    return Said(400, [sentence], code="invalid_query")


def unknown_to(known: str) -> str:
    """A parameter that looks as if it carried a secret, and is none of these."""
    return "apiKey" if "apiKey" not in known else "api_key"


@failure
def unknown_parameter(scene: Scene) -> tuple[Any, Said]:
    known = scene.family.known
    response = scene.get(f"?{unknown_to(known)}={SECRET}")
    assert SECRET not in response.content.decode()
    return response, bad_query(f"{unknown_to(known)}: Unknown parameter. Known: {known}.")


@failure
def unknown_parameter_of_a_write(scene: Scene) -> tuple[Any, Said]:
    known = scene.family.write_known
    response = scene.send(scene.family.write, query=f"{unknown_to(known)}={SECRET}")
    assert SECRET not in response.content.decode()
    return response, bad_query(f"{unknown_to(known)}: Unknown parameter. Known: {known}.")


@failure
def unparsable_value(scene: Scene) -> tuple[Any, Said]:
    assert scene.family.filter_value is not None
    name, value, accepted = scene.family.filter_value
    return scene.get(f"?{name}={quote(value)}"), bad_query(f"{name}: {value!r} is not accepted. Give {accepted}.")


@failure
def parameter_twice(scene: Scene) -> tuple[Any, Said]:
    name = scene.family.text_filter
    return scene.get(f"?{name}=a&{name}=a"), bad_query(f"{name}: Given more than once. Give one value.")


@failure
def alias_beside_its_name(scene: Scene) -> tuple[Any, Said]:
    assert scene.family.alias is not None
    alias, name = scene.family.alias
    return scene.get(f"?{alias}=1&{name}=1"), bad_query(f"{name}: Given more than once. Give one value.")


@failure
def query_that_is_no_utf_8(scene: Scene) -> tuple[Any, Said]:
    return scene.get(f"?{scene.family.text_filter}=%E9"), bad_query("The query string is not UTF-8.")


@failure
def nul_in_a_filter(scene: Scene) -> tuple[Any, Said]:
    name, accepted = scene.family.text_filter, scene.family.text_accepted
    return scene.get(f"?{name}=a%00b"), bad_query(rf"{name}: 'a\x00b' is not accepted. Give {accepted}.")


@failure
def too_many_fields(scene: Scene) -> tuple[Any, Said]:
    name = scene.family.text_filter
    many = "&".join([f"{name}="] * (configured.DATA_UPLOAD_MAX_NUMBER_FIELDS + 1))
    scene.settings.MAX_REQUEST_TARGET = len(many) + 1000
    return scene.get(f"?{many}"), Said(400, [UNREADABLE])


@failure
def address_too_long(scene: Scene) -> tuple[Any, Said]:
    limit = configured.MAX_REQUEST_TARGET
    query = f"?{scene.family.text_filter}="
    said = Said(414, [f"The address is too long. At most {limit} bytes of path and query are read."])
    return scene.get(query + "a" * (limit + 1 - len(scene.family.listing + query))), said


# Credentials.


def unauthorized(scene: Scene, sentence: str) -> Said:
    return Said(401, [sentence], headers={"WWW-Authenticate": scene.family.challenge})


@failure
def no_credential(scene: Scene) -> tuple[Any, Said]:
    return Client().get(scene.family.listing), unauthorized(scene, NO_CREDENTIAL)


@failure
def credential_of_another_scheme(scene: Scene) -> tuple[Any, Said]:
    return scene.get(by=f"Basic {scene.api.secret}"), unauthorized(scene, NO_CREDENTIAL)


@failure
def wrong_credential(scene: Scene) -> tuple[Any, Said]:
    wrong = f"{scene.api.secret[:-1]}{'x' if scene.api.secret[-1] != 'x' else 'y'}"
    return scene.get(by=f"Bearer {wrong}"), unauthorized(scene, UNKNOWN_CREDENTIAL)


@failure
def unknown_credential(scene: Scene) -> tuple[Any, Said]:
    return scene.get(by=f"Bearer tl_00000000_{SECRET}"), unauthorized(scene, UNKNOWN_CREDENTIAL)


@failure
def nonsense_credential(scene: Scene) -> tuple[Any, Said]:
    return scene.get(by="Bearer \x80\xff%00'--"), unauthorized(scene, UNKNOWN_CREDENTIAL)


@failure
def expired_credential(scene: Scene) -> tuple[Any, Said]:
    ApiToken.objects.filter(pk=scene.token.pk).update(expires_at=datetime(2001, 1, 1, tzinfo=UTC))
    return scene.get(), unauthorized(scene, "The credential has expired.")


@failure
def revoked_credential(scene: Scene) -> tuple[Any, Said]:
    revoke_token(actor=Actor.system(), token=scene.token)
    return scene.get(), unauthorized(scene, "The credential has been revoked.")


@failure
def credential_that_expired_before_a_write(scene: Scene) -> tuple[Any, Said]:
    ApiToken.objects.filter(pk=scene.token.pk).update(expires_at=datetime(2001, 1, 1, tzinfo=UTC))
    return scene.send(scene.family.write), unauthorized(scene, "The credential has expired.")


@failure
def missing_scope_to_read(scene: Scene) -> tuple[Any, Said]:
    scope = scene.family.scopes[0]
    secret = api_of(scene.organization, *(set(Scope.values) - {scope})).secret
    return scene.get(by=f"Bearer {secret}"), Said(403, [f"The token lacks the scope {scope}."])


@failure
def missing_scope_to_write(scene: Scene) -> tuple[Any, Said]:
    scope = scene.family.scopes[1]
    secret = api_of(scene.organization, *(set(Scope.values) - {scope})).secret
    return scene.write(written(scene), by=f"Bearer {secret}"), Said(403, [f"The token lacks the scope {scope}."])


# The server's own troubles.


@failure
def rate_limit_of_reads(scene: Scene) -> tuple[Any, Said]:
    return limited(scene, scene.family.rate_settings[0], scene.get)


@failure
def rate_limit_of_writes(scene: Scene) -> tuple[Any, Said]:
    """Counted with the reads, unless they have a rate of their own."""
    read, write = scene.family.rate_settings
    before = scene.get if read == write else lambda: scene.write(b"{")
    return limited(scene, write, lambda: scene.send(scene.family.write), before)


def limited(
    scene: Scene, setting: str, call: Callable[[], Any], before: Callable[[], Any] | None = None
) -> tuple[Any, Said]:
    setattr(scene.settings, setting, "2/minute")
    rates._limiter.cache_clear()  # noqa: SLF001 - the counters of the tests before
    assert {(before or call)().status_code for _ in range(2)} <= {200, 400}
    response = call()
    wait = response.headers.get("Retry-After", "")
    assert re.fullmatch(r"5[0-9]|60", wait)  # The rest of the minute, in whole seconds.
    said = Said(429, [f"Rate limit of 2/minute exceeded. Retry in {wait} s."], headers={"Retry-After": wait})
    return response, said


@failure
def busy(scene: Scene) -> tuple[Any, Said]:
    with ledger_held_elsewhere(scene.organization):
        response = scene.send(scene.family.write)
    return response, Said(503, ["The ledger is busy. Try again."], headers={"Retry-After": "1"})


@failure
def crash_of_a_read(scene: Scene) -> tuple[Any, Said]:
    break_down(scene, scene.family.crash_of_read)
    return internal_error(scene.get())


@failure
def crash_of_a_write_after_its_effect(scene: Scene) -> tuple[Any, Said]:
    name, request = scene.family.crash_of_write
    break_down(scene, name)
    return internal_error(scene.send(request))


@failure
def host_that_is_not_served(scene: Scene) -> tuple[Any, Said]:
    return scene.get(Host="evil.example"), Said(400, ["The Host header names no host that is served here."])


def break_down(scene: Scene, name: str) -> None:
    def fail(*_args: object, **_kwargs: object) -> Any:
        raise RuntimeError(SECRET)

    scene.patch.setattr(name, fail)


def internal_error(response: Any) -> tuple[Any, Said]:
    assert SECRET not in response.content.decode()
    return response, Said(500, [f"Internal error. Quote the request id {response['X-Request-Id']}."])


@contextmanager
def ledger_held_elsewhere(organization: Organization) -> Iterator[None]:
    """Another connection holds what the write needs last: on SQLite, the database's one place for a writer."""
    held, done = Event(), Event()

    def hold() -> None:
        try:
            with write():
                lock_ledger(organization.pk)
                held.set()
                done.wait(PATIENCE)
        finally:
            connection.close()
            if connection.vendor == "sqlite":
                connection.connection.close()  # Django keeps one to a database in memory open.

    holder = Thread(target=hold)
    holder.start()
    assert held.wait(PATIENCE)
    try:
        yield
    finally:
        done.set()
        holder.join(PATIENCE)


# The table.


def can_exist(described: Failure, family: Family) -> bool:
    """Left out are alone: other spellings, filters and texts in bodies, of a family that has none."""
    needed = {
        "alias_beside_its_name": family.alias,
        "unparsable_value": family.filter_value,
        "nul_in_a_filter": family.text_accepted,
        "nul_in_a_text": family.nul,
    }
    return bool(needed.get(described.__name__, True))


CELLS = [
    pytest.param(
        family,
        described,
        id=f"{family.name}-{name}",
        marks=pytest.mark.django_db(transaction=name in LOCKED, serialized_rollback=name in LOCKED),
    )
    for family in FAMILIES
    for name, described in FAILURES.items()
    if can_exist(described, family)
]


@pytest.fixture
def scene(family: Family, db: None, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Scene:
    return make_scene(family, settings, monkeypatch)


@pytest.mark.parametrize(("family", "described"), CELLS)
def test_a_failure_is_answered_in_the_familys_own_body_and_changes_nothing(scene: Scene, described: Failure) -> None:
    before = everything()
    response, said = described(scene)
    assert answer(response) == expected(scene.family, said)
    assert REQUEST_ID.fullmatch(response["X-Request-Id"])
    assert everything() == before
