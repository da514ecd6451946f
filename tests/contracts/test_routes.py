"""What every route of every family does alike."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode
from uuid import uuid4

import pytest
from django.conf import settings as configured
from django.test import RequestFactory
from django.urls import URLPattern, get_resolver
from pytest_django import Settings
from rest_framework.request import Request as DrfRequest
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api import rates
from accounts.models import Organization
from accounts.scopes import Scope
from config.families import FAMILIES as SERVED, family_of
from tests.conftest import Api, api_of, body_of
from tests.contracts.families import FAMILIES, Family, Request, Said
from tests.contracts.records import Record, write_records
from tests.contracts.scene import FOREIGN, JSON, MISSING, OWN, Scene, answer, everything, expected, make_scene
from tests.factories import OrganizationFactory
from training.models import TrainSession

EVERY_FAMILY = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def rows_of(pick: Callable[[Family], Any]) -> pytest.MarkDecorator:
    """One case for each request that `pick` finds in each family."""
    cases = [
        pytest.param(family, request, id=f"{family.name} {request.name}")
        for family in FAMILIES
        for request in pick(family)
    ]
    return pytest.mark.parametrize(("family", "route"), cases)


EVERY_ROUTE = rows_of(lambda family: family.routes)
EVERY_READ = rows_of(lambda family: [route for route in family.routes if not route.writes])
EVERY_WRITE = rows_of(lambda family: [route for route in family.routes if route.writes])
EVERY_OBJECT = rows_of(lambda family: [route for route in family.routes if "{" in route.path])
EVERY_OBJECT_OF_A_QUERY = rows_of(lambda family: [route for route in family.routes if "{" in route.query])
# The redirect keeps the query, whatever it is: the list that it leads to refuses what is unknown.
EVERY_QUERY = rows_of(lambda family: [route for route in family.routes if route.status != 302])


@pytest.fixture
def scene(family: Family, db: None, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Scene:
    return make_scene(family, settings, monkeypatch)


def test_every_family_served_is_in_the_table() -> None:
    assert sorted(family.name for family in FAMILIES) == sorted(dialect.family for dialect in SERVED)


@EVERY_FAMILY
def test_every_route_served_is_in_the_table(family: Family) -> None:
    served = [
        (method.upper(), re.sub(r"\(\?P<\w+>[^)]*\)", "{}", str(pattern.pattern).strip("^$").removesuffix("/?")))
        for pattern in get_resolver().url_patterns
        if isinstance(pattern, URLPattern)
        for method in getattr(pattern.callback, "actions", {})
        if (owner := family_of(f"/{str(pattern.pattern).strip('^$')}")) and owner.family == family.name
    ]
    ids = dict.fromkeys(OWN, "")
    listed = [(route.method, route.path.format_map(dict.fromkeys(ids, "{}"))) for route in family.routes]
    assert sorted((method, f"/{path}") for method, path in served if method != "HEAD") == sorted(listed)


@EVERY_FAMILY
def test_what_is_no_route_answers_in_the_familys_body_under_each_of_its_prefixes(scene: Scene) -> None:
    [dialect] = [dialect for dialect in SERVED if dialect.family == scene.family.name]
    paths = [f"{prefix}/no/such/route" for prefix in dialect.prefixes]
    said = [expected(scene.family, Said(404, [f"There is no such route: {path}"])) for path in paths]
    assert [answer(scene.raw("GET", path)) for path in paths] == said


@EVERY_ROUTE
def test_a_route_answers_with_a_trailing_slash_as_without(scene: Scene, route: Request) -> None:
    """A write has its effect once: with the slash on, the same key answers what it answered without."""
    plain = scene.send(route, Idempotency_Key="key")
    slashed = scene.send(replace(route, path=f"{route.path}/"), Idempotency_Key="key")
    assert plain.status_code == route.status
    path = route.path.format_map(OWN)
    assert (slashed.status_code, body_of(slashed).replace(f"{path}/?".encode(), f"{path}?".encode())) == (
        plain.status_code,
        body_of(plain),
    )


@EVERY_ROUTE
def test_a_route_asks_for_a_credential(scene: Scene, route: Request) -> None:
    before = everything()
    said = Said(401, ["No credential was given."], headers={"WWW-Authenticate": scene.family.challenge})
    assert answer(scene.send(route, by="Nothing")) == expected(scene.family, said)
    assert everything() == before


@EVERY_ROUTE
def test_a_route_asks_for_the_one_scope_that_it_needs(scene: Scene, route: Request) -> None:
    needed = scene.family.scope_of(route)
    without = api_of(scene.organization, *(set(Scope.values) - {needed})).secret
    before = everything()
    said = Said(403, [f"The token lacks the scope {needed}."])
    assert answer(scene.send(route, by=f"Bearer {without}")) == expected(scene.family, said)
    assert everything() == before
    assert scene.send(route, by=f"Bearer {api_of(scene.organization, needed).secret}").status_code == route.status


@EVERY_QUERY
def test_a_route_knows_no_parameter_of_a_framework(scene: Scene, route: Request) -> None:
    before = everything()
    names = ["format", "limit", "offset", "cursor", "ordering", "fields", "v"]
    answers = {name: scene.send(route, query=f"{name}=json") for name in names}
    # Which parameters are known instead differs from route to route.
    beginnings = {
        name: (response.status_code, first_sentence(response).partition(" Known: ")[0])
        for name, response in answers.items()
    }
    assert beginnings == {name: (400, f"{name}: Unknown parameter.") for name in names}
    assert everything() == before


def first_sentence(response: Any) -> str:
    body = response.json()
    return str(body["errors"][0] if "errors" in body else body.get("message") or body["description"])


@EVERY_WRITE
def test_a_write_reads_its_body_strictly(scene: Scene, route: Request) -> None:
    before = everything()
    sent = [(b"{", JSON), (b'{"a": 1, "a": 1}', JSON), (b"{}", "application/xml"), (b"{}", "")]
    no_json = Said(400, ["The body is not valid JSON."], code="invalid_json")
    other_type = Said(415, ["Send the body as application/json."])
    path = route.target(OWN)
    assert [answer(scene.raw(route.method, path, body, media_type)) for body, media_type in sent] == [
        expected(scene.family, said) for said in (no_json, no_json, other_type, other_type)
    ]
    assert everything() == before


@EVERY_READ
def test_head_answers_the_headers_of_get_alone(scene: Scene, route: Request) -> None:
    got, head = scene.send(route), scene.send(replace(route, method="HEAD"))
    kept = [(response.status_code, {**response.headers, "X-Request-Id": ""}) for response in (got, head)]
    assert kept[1] == kept[0]
    assert (body_of(head), bool(body_of(got))) == (b"", not route.answers_nothing)


@EVERY_FAMILY
def test_head_of_what_fails_has_the_headers_of_get(scene: Scene) -> None:
    for path in (*missing_reads(scene.family), f"{scene.family.listing}?nonsense=1"):
        got, head = scene.raw("GET", path), scene.raw("HEAD", path)
        kept = [(response.status_code, {**response.headers, "X-Request-Id": ""}) for response in (got, head)]
        assert (kept[1], head.content) == (kept[0], b"")


def missing_reads(family: Family) -> list[str]:
    return [request.target(MISSING) for request, _ in family.missing if not request.writes]


# Another organization's rows.


def mentions(family: Family) -> list[Request]:
    return [*(route for route in family.routes if "{" in route.path + route.query), *family.mentions]


@rows_of(mentions)
def test_another_organizations_row_answers_as_one_that_is_not_there(scene: Scene, route: Request) -> None:
    """Byte for byte, but for the ids."""
    before = everything()
    own = {f"own_{name}": pk for name, pk in OWN.items()}
    answers = []
    for ids in (MISSING, FOREIGN):
        response = scene.send(route, {**ids, **own})
        content = body_of(response).decode().replace(response["X-Request-Id"], "<request>")
        for name, pk in ids.items():
            content = content.replace(str(pk), f"<{name}>")
        answers.append((response.status_code, {**response.headers, "X-Request-Id": ""}, content))
    assert answers[1] == answers[0]
    read_by_query = route.query and not route.writes
    assert answers[0][0] in ({200} if read_by_query else {404, scene.family.unprocessable})
    assert everything() == before


# As it stands in an address, and as a sentence shows it.
NO_IDS = {
    **{text: text for text in ("0", "-1", "1.0", "abc", "9" * 18, "9" * 19, "%FF", "\u0663", "*")},
    "9" * 400: "9" * 100 + "…",
    "%00": "\0",
    "1%20": "1 ",
}


@EVERY_OBJECT
def test_what_cannot_be_an_id_names_no_object(scene: Scene, route: Request) -> None:
    before = everything()
    body = b"" if route.body is None else json.dumps(route.body(OWN)).encode()
    said = next(said for request, said in scene.family.missing if route.path.startswith(request.path))
    answers = {
        text: answer(scene.raw(route.method, route.path.format_map(dict.fromkeys(OWN, text)), body)) for text in NO_IDS
    }
    assert answers == {
        text: expected(scene.family, said.of(dict.fromkeys(OWN, shown))) for text, shown in NO_IDS.items()
    }
    assert everything() == before


@EVERY_OBJECT_OF_A_QUERY
def test_what_cannot_be_an_id_is_refused_in_a_query(scene: Scene, route: Request) -> None:
    before = everything()
    answers = {text: scene.send(route, dict.fromkeys(OWN, text)) for text in NO_IDS}
    refused = {
        text: (response.status_code, first_sentence(response).split("'")[0]) for text, response in answers.items()
    }
    name = route.query.partition("=")[0]
    assert refused == dict.fromkeys(NO_IDS, (400, f"{name}: ")) | {"%FF": (400, "The query string is not UTF-8.")}
    assert everything() == before


@pytest.mark.parametrize("family", [family for family in FAMILIES if family.name == "train_sessions"])
@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_an_unassigned_train_session_answers_as_one_that_is_not_there(scene: Scene, method: str) -> None:
    path = f"/api/train_sessions/{OWN['unassigned_record']}"
    response = scene.raw(method, path, b"{}" if method == "PATCH" else b"")
    assert answer(response) == expected(scene.family, Said(404, ["Train session not found."]))


@pytest.mark.parametrize("family", [family for family in FAMILIES if family.name == "training"])
@pytest.mark.parametrize(
    ("name", "text", "status"),
    [
        ("start_date", "0001-01-01T23:59:59Z", 422),
        ("start_date", "0001-01-02T00:00:00Z", 201),
        ("end_date", "9999-12-31T00:00:00Z", 201),
        ("end_date", "9999-12-31T00:00:01Z", 422),
    ],
)
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_a_session_that_is_taken_can_be_shown_in_any_time_zone(
    scene: Scene, name: str, text: str, status: int, zone: str
) -> None:
    """At the ends of the calendar an instant may have no day: its course could not be shown any more."""
    Organization.objects.filter(pk=scene.organization.pk).update(time_zone=zone)
    body = {"course_id": OWN["course"], "session_name": "New", "start_date": "2999-01-01T00:00:00Z"}
    sent = json.dumps({**body, "end_date": "2999-01-01T00:00:00Z", name: text}).encode()
    answers = [
        scene.raw("POST", "/api/v1/training/sessions", sent).status_code,
        scene.raw("GET", f"/api/v1/training/courses/{OWN['course']}").status_code,
        scene.raw("GET", "/api/v1/training/sessions").status_code,
    ]
    assert answers == [status, 200, 200]


# The request's id.


@EVERY_FAMILY
@pytest.mark.parametrize("kept", ["a", "A.b_c-9", "x" * 128])
def test_a_callers_request_id_is_kept(scene: Scene, kept: str) -> None:
    paths = [scene.family.listing, f"{scene.family.listing}?nonsense=1", *missing_reads(scene.family)]
    answers = [scene.raw("GET", path, X_Request_Id=kept) for path in paths]
    assert [response["X-Request-Id"] for response in answers] == [kept] * len(paths)


@EVERY_FAMILY
@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "a/b", "é", "a\r\nB: c", "a;b"])
def test_a_request_id_of_another_form_is_replaced(scene: Scene, given: str) -> None:
    answers = [scene.get(X_Request_Id=given)["X-Request-Id"] for _ in range(2)]
    assert [len(shown) for shown in answers] == [32, 32]
    assert len({given, *answers}) == 3


# Credentials.


@pytest.mark.parametrize("family", [family for family in FAMILIES if family.name == "train_sessions"])
@pytest.mark.parametrize(
    "form", ['Token token="{}"', "Token token={}", "Token {}", "Bearer {}", "bearer {}", 'token token="{}", nonce="x"']
)
def test_each_documented_form_of_the_train_sessions_credential_is_taken(scene: Scene, form: str) -> None:
    assert scene.get(by=form.format(scene.api.secret)).status_code == 200


@pytest.mark.parametrize("family", [family for family in FAMILIES if family.name == "programs"])
@pytest.mark.parametrize("form", ["query", "headers", "bearer"])
def test_each_documented_form_of_the_programs_credential_is_taken_alone(scene: Scene, form: str) -> None:
    for company, status in ((scene.organization.company_id, 200), ("0" * 24, 200 if form == "bearer" else 401)):
        query = urlencode({"company": company, "apiKey": scene.api.secret if form == "query" else ""})
        headers = {"X_company_id": company, "X_apiKey": scene.api.secret} if form == "headers" else {}
        by = f"Bearer {scene.api.secret}" if form == "bearer" else "Nothing"
        response = scene.get(f"?{query}", by=by, **headers)
        assert (response.status_code, scene.api.secret.encode() in body_of(response)) == (status, False)


@pytest.mark.parametrize("family", [family for family in FAMILIES if family.name.startswith("training")])
@pytest.mark.parametrize("form", ['Token token="{}"', "Token {}", "{}"])
def test_the_training_apis_take_bearer_credentials_only(scene: Scene, form: str) -> None:
    said = Said(401, ["No credential was given."], headers={"WWW-Authenticate": scene.family.challenge})
    assert answer(scene.get(by=form.format(scene.api.secret))) == expected(scene.family, said)


class Forgotten(APIView):
    """A view without a family."""

    def get(self, request: DrfRequest) -> Response:
        return Response({"secret": 1})


@pytest.mark.parametrize("credential", [{}, {"Authorization": "Bearer anything"}])
def test_a_view_that_forgot_its_family_answers_nobody(credential: dict[str, str]) -> None:
    response = Forgotten.as_view()(RequestFactory().get("/", headers=credential))
    assert (response.status_code, "secret" in response.data) == (403, False)


# Sizes.


@EVERY_FAMILY
def test_a_hundred_uuids_in_a_query_are_not_too_long(scene: Scene) -> None:
    query = urlencode([("courseIds[]", str(uuid4())) for _ in range(100)])
    said = Said(400, [f"courseIds[]: Unknown parameter. Known: {scene.family.known}."], code="invalid_query")
    assert answer(scene.get(f"?{query}")) == expected(scene.family, said)


@pytest.mark.parametrize("family", [family for family in FAMILIES if family.name == "training_assignments"])
@pytest.mark.parametrize("joint", ["&courseIds=", ",", "%2C"])
@pytest.mark.parametrize("path", ["/training-assignments/stream", "/training-courses"])
def test_a_list_of_a_hundred_uuids_is_taken_in_each_form(scene: Scene, path: str, joint: str) -> None:
    statuses = [
        scene.raw("GET", f"{path}?courseIds={joint.join(str(uuid4()) for _ in range(count))}").status_code
        for count in (100, 101)
    ]
    assert statuses == [200, 400]


@EVERY_FAMILY
def test_a_rate_is_of_a_token_or_of_its_organization(scene: Scene) -> None:
    setattr(scene.settings, scene.family.rate_settings[0], "1/minute")
    rates._limiter.cache_clear()  # noqa: SLF001 - the counters of the tests before
    tokens = [scene.api, api_of(scene.organization), api_of(OrganizationFactory.create())]
    statuses = [token.get(scene.family.listing).status_code for token in tokens]
    assert statuses == [200, 429 if scene.family.rate_of == "organization" else 200, 200]


@EVERY_FAMILY
def test_the_longest_address_is_read(scene: Scene) -> None:
    """Though no text is as long as what is searched for, and SQLite takes no pattern that long."""
    query = f"?{scene.family.text_filter}="
    longest = query + scene.family.filler * (configured.MAX_REQUEST_TARGET - len(scene.family.listing + query))
    assert scene.get(longest).status_code == 200


@EVERY_FAMILY
def test_the_biggest_body_is_read(scene: Scene) -> None:
    assert scene.family.write.body is not None
    body = json.dumps(scene.family.write.body(OWN)).encode()
    assert scene.write(body.rjust(configured.DATA_UPLOAD_MAX_MEMORY_SIZE)).status_code == scene.family.write.status


FORM = "application/x-www-form-urlencoded"
BOUNDARY = "boundary"
PART = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="ids[]"\r\n\r\n{{}}\r\n'
Ids = list[int]
# By what it is: the query, the body and the body's media type.
UNASSIGN_FORMS: dict[str, tuple[Callable[[Ids], str], Callable[[Ids], str], str]] = {
    "the documented": (lambda ids: f"ids={ids}".replace(" ", ""), lambda _: "", ""),
    "the documented, encoded": (lambda ids: f"ids={quote(str(ids))}", lambda _: "", ""),
    "commas": (lambda ids: "ids=" + ",".join(map(str, ids)), lambda _: "", ""),
    "brackets": (lambda ids: "&".join(f"ids[]={pk}" for pk in ids), lambda _: "", ""),
    "brackets, encoded": (lambda ids: urlencode([("ids[]", pk) for pk in ids]), lambda _: "", ""),
    "repeated": (lambda ids: "&".join(f"ids={pk}" for pk in ids), lambda _: "", ""),
    "a form": (lambda _: "", lambda ids: urlencode([("ids", pk) for pk in ids]), FORM),
    "a form, the documented": (lambda _: "", lambda ids: f"ids={ids}", FORM),
    "a form, brackets": (lambda _: "", lambda ids: urlencode([("ids[]", pk) for pk in ids]), FORM),
    "a form in parts": (
        lambda _: "",
        lambda ids: "".join(PART.format(pk) for pk in ids) + f"--{BOUNDARY}--\r\n",
        f"multipart/form-data; boundary={BOUNDARY}",
    ),
    "JSON": (lambda _: "", lambda ids: json.dumps({"ids": ids}), JSON),
}


@pytest.fixture
def thousand(organization: Organization, settings: Settings) -> Ids:
    settings.RATE_LIMIT_TRAIN_SESSIONS = ""
    return write_records([Record(organization)] * 1000)


def test_a_thousand_train_sessions_are_unassigned_in_each_form(api: Api, thousand: Ids) -> None:
    for form, (query, body, media_type) in UNASSIGN_FORMS.items():
        TrainSession.objects.update(unassigned_at=None)
        response = api.client.generic(
            "POST",
            f"/api/train_sessions/unassign?{query(thousand)}",
            body(thousand).encode(),
            media_type,
            headers={"Authorization": f"Bearer {api.secret}"},
        )
        live = TrainSession.objects.live().count()
        assert (form, response.json(), live) == (form, {"unassigned": thousand, "count": 1000}, 0)


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b"ids=1", f"{FORM}; charset=latin-1"),
        (b"&".join([b"ids=1"] * 10_001), FORM),
        (b"ids=1", "multipart/form-data"),
        (b"ids=1", "multipart/form-data; boundary=\xe9"),
    ],
    ids=["another encoding", "too many fields", "no boundary", "a boundary that is none"],
)
def test_a_form_that_cannot_be_read_is_refused(api: Api, body: bytes, media_type: str) -> None:
    headers = {"Authorization": f"Bearer {api.secret}"}
    response = api.client.generic("POST", "/api/train_sessions/unassign", body, media_type, headers=headers)
    assert (response.status_code, response.json()) == (400, {"errors": ["The request cannot be read."]})


def test_more_than_a_thousand_ids_are_refused(api: Api, thousand: Ids) -> None:
    ids = [*thousand, thousand[-1] + 1]
    response = api.post("/api/train_sessions/unassign", {"ids": ids})
    text = "At most 1000 ids in one call; 1001 were given."
    assert (response.status_code, response.json()) == (422, {"errors": [text]})
    assert TrainSession.objects.live().count() == 1000


def test_a_thousand_ids_of_eighteen_digits_fit_an_address(api: Api) -> None:
    ids = [10**18 - 1000 + number for number in range(1000)]
    response = api.post(f"/api/train_sessions/unassign?{urlencode([('ids[]', pk) for pk in ids])}")
    assert (response.status_code, response.json()) == (
        422,
        {"errors": [f"Train session {pk} not found." for pk in ids]},
    )
