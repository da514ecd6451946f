"""Each family's OpenAPI document: valid, complete, and true of what is served."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jsonschema  # type: ignore[import-untyped]  # published without types
import pytest
from django.core.management import call_command
from django.test import Client
from drf_spectacular.validation import validate_schema
from pytest_django import Settings

from config.worker import REFUSALS
from enrollments.api import serializers as enrollment_serializers
from enrollments.api.schema import ROWS_ON_A_PAGE
from tests.conftest import body_of
from tests.contracts.families import FAMILIES, Family, Request
from tests.contracts.scene import OWN, Scene, make_scene
from training.api.assignments import serializers as assignment_serializers
from training.api.train_sessions import serializers as record_serializers
from training.models import TrainSession

EVERY_FAMILY = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
EVERY_ROUTE = pytest.mark.parametrize(
    ("family", "route"),
    [pytest.param(family, route, id=f"{family.name} {route.name}") for family in FAMILIES for route in family.routes],
)
ROUTES_OF = {
    "training": "enrollments.api.urls",
    "train_sessions": "training.api.train_sessions.urls",
    "training_assignments": "training.api.assignments.urls",
    "programs": "programs.api.urls",
}
TITLES = {
    "training": "Training API",
    "train_sessions": "Train Sessions API",
    "training_assignments": "Training Assignments API",
    "programs": "Programs API",
}
BEARER = {"type": "http", "scheme": "bearer"}
# The schemes, and which of them together let a caller in.
SECURITY: dict[str, tuple[dict[str, Any], list[list[str]]]] = {
    "training": ({"bearer": BEARER}, [["bearer"]]),
    "train_sessions": ({"token": {"type": "apiKey", "in": "header", "name": "Authorization"}}, [["token"]]),
    "training_assignments": ({"bearer": BEARER}, [["bearer"]]),
    "programs": (
        {
            "bearer": BEARER,
            "apiKeyHeader": {"type": "apiKey", "in": "header", "name": "X-apiKey"},
            "companyHeader": {"type": "apiKey", "in": "header", "name": "X-company-id"},
            "apiKeyQuery": {"type": "apiKey", "in": "query", "name": "apiKey"},
            "companyQuery": {"type": "apiKey", "in": "query", "name": "company"},
        },
        [["bearer"], ["apiKeyHeader", "companyHeader"], ["apiKeyQuery", "companyQuery"]],
    ),
}
VERSION = re.compile(r"3\.0\.[0-9]+")
OF_EVERY_CALL = {"400", "401", "403", "405", "408", "413", "414", "417", "429", "431", "500", "501", "503"}
OF_WRITES = {"409", "415"}
SENTENCES = {"type": "array", "items": {"type": "string"}}
ERROR_SCHEMAS = {
    "training": {
        "type": "object",
        "properties": {
            "success": {"type": "boolean", "enum": [False]},
            "message": {"type": "string"},
            "errors": {"type": "object", "additionalProperties": SENTENCES},
        },
        "required": ["success", "message"],
        "additionalProperties": False,
    },
    "train_sessions": {
        "type": "object",
        "properties": {"errors": {**SENTENCES, "minItems": 1}},
        "required": ["errors"],
        "additionalProperties": False,
    },
    "training_assignments": {
        "type": "object",
        "properties": {"message": {"type": "string"}, "requestId": {"type": "string"}},
        "required": ["message", "requestId"],
        "additionalProperties": False,
    },
    "programs": {
        "type": "object",
        "properties": {"error": {"type": "string"}, "description": {"type": "string"}},
        "required": ["error", "description"],
        "additionalProperties": False,
    },
}
# The one form in which each family shows an instant. (The Train Sessions API shows days.)
INSTANTS = {
    "training": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z",
    "train_sessions": "",
    "training_assignments": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z",
    "programs": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
}
BOUNDS = {"format", "pattern", "enum", "minLength", "maxLength", "minimum", "maximum"}
OF_ANY_ANSWER = {"Retry-After": "as long as the limit's period"}
# What has no bound, by family and the end of its place, each with the reason.
UNBOUNDED = {
    "training": {
        **OF_ANY_ANSWER,
        "description": "text without a limit in the ledger",
        "feedback": "text without a limit in the ledger",
        "prerequisites": "as many as the catalogue has",
        "upcoming_sessions": "as many as are planned",
    },
    "train_sessions": {
        **OF_ANY_ANSWER,
        "200": "the complete list",
        "Link": "addresses of pages, as RFC 8288 writes them",
        "Total": "as many as there are",
    },
    "training_assignments": {
        **OF_ANY_ANSWER,
    },
    "programs": {
        **OF_ANY_ANSWER,
        "200": "the complete list",
        "description": "text without a limit in the ledger",
        "templateCustom": "as above",
        "sessionCustom": "as above",
        "customFields": "as many as staff has written",
        "customFields[].name": "as staff has written it",
        "customFields[].value": "any JSON: as staff has written it",
        "tutors": "as many as there are",
        "skills": "as above",
        "groups": "as above",
        "paths": "as above",
        "courses": "as above",
        "programs": "as above",
        "modules": "as above",
        "users": "as above",
        "usersStats": "as above",
    },
}
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def has_form(pattern: str) -> Callable[[object], bool]:
    return lambda value: not isinstance(value, str) or re.fullmatch(pattern, value) is not None


def formats_of(family: Family) -> jsonschema.FormatChecker:
    checker = jsonschema.FormatChecker(formats=["date"])
    forms = {
        "date-time": INSTANTS[family.name],
        "uuid": UUID,
        "uri": r"http://testserver/.*",
        "idn-email": r"[^@\s]+@[^@\s]+",
    }
    for name, pattern in forms.items():
        checker.checks(name)(has_form(pattern))
    return checker


def document(family: Family) -> dict[str, Any]:
    response = Client().get(f"/api/schema/{family.name}")
    assert (response.status_code, response["Content-Type"]) == (200, "application/vnd.oai.openapi+json")
    found: dict[str, Any] = response.json()
    return found


def operations(family: Family) -> dict[tuple[str, str], dict[str, Any]]:
    """By method and path, the names of ids left out."""
    return {
        (method.upper(), re.sub(r"\{\w+\}", "{}", path)): operation
        for path, methods in document(family)["paths"].items()
        for method, operation in methods.items()
    }


def key_of(route: Request) -> tuple[str, str]:
    return route.method, re.sub(r"\{\w+\}", "{}", route.path)


def strict(schema: Any) -> Any:
    """An OpenAPI 3.0 schema as JSON Schema: `nullable` is a type, and no key may come that is not declared."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    translated = {name: strict(value) for name, value in schema.items() if name != "nullable"}
    if "properties" in schema:
        translated.setdefault("additionalProperties", False)
    return {"anyOf": [{"type": "null"}, translated]} if schema.get("nullable") is True else translated


def assert_is_a(name: str, component: str, shown: Any) -> None:
    """What a family (by name) shows is wholly what its document says of the component."""
    [family] = [one for one in FAMILIES if one.name == name]
    components = document(family)["components"]
    schema = {**strict(components["schemas"][component]), "components": strict(components)}
    jsonschema.validate(shown, schema, format_checker=formats_of(family))


@pytest.fixture
def scene(family: Family, db: None, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Scene:
    made = make_scene(family, settings, monkeypatch)
    TrainSession.objects.update(updated_by="token-1")  # The scene's own writer is the system.
    return made


@EVERY_FAMILY
def test_the_document_is_valid_openapi(family: Family) -> None:
    found = document(family)
    validate_schema(found)  # type: ignore[no-untyped-call]  # published without types
    assert VERSION.fullmatch(found["openapi"])
    assert [found["info"]["title"], found["info"]["version"]] == [TITLES[family.name], "1.0.0"]


@EVERY_FAMILY
def test_the_document_is_generated_without_a_warning(family: Family, tmp_path: Path) -> None:
    call_command(
        "spectacular", urlconf=ROUTES_OF[family.name], file=str(tmp_path / "document"), fail_on_warn=True, validate=True
    )


@EVERY_FAMILY
def test_the_document_lists_exactly_the_familys_routes(family: Family) -> None:
    assert sorted(operations(family)) == sorted(key_of(route) for route in family.routes)


@EVERY_FAMILY
def test_each_operation_has_an_id_of_its_own(family: Family) -> None:
    ids = [operation["operationId"] for operation in operations(family).values()]
    assert len(ids) == len(set(ids)) == len(family.routes)


@EVERY_ROUTE
def test_an_operation_has_its_errors_in_the_familys_own_body(family: Family, route: Request) -> None:
    operation = operations(family)[key_of(route)]
    of_writes = OF_WRITES | {str(family.unprocessable)}
    expected = OF_EVERY_CALL | (of_writes if route.writes else set()) | ({"404"} if "{" in route.path else set())
    errors = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
    content = {"application/json": {"schema": ERROR_SCHEMAS[family.name]}}
    assert set(errors) == expected
    assert [answer["content"] for answer in errors.values()] == [content] * len(errors)
    assert all(answer["description"] for answer in errors.values())


def test_what_the_server_itself_answers_is_among_the_statuses_of_every_call() -> None:
    """Where nothing of Django has seen the request."""
    of_the_server = {str(status) for _, status, _ in REFUSALS} | {"408"}
    assert of_the_server - OF_EVERY_CALL == set()


@EVERY_ROUTE
def test_an_operation_names_the_credential_and_the_idempotency_key(family: Family, route: Request) -> None:
    operation = operations(family)[key_of(route)]
    headers = [parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "header"]
    assert headers == (["Idempotency-Key"] if route.writes else [])
    schemes, choices = SECURITY[family.name]
    assert operation["security"] == [{name: [] for name in together} for together in choices]
    declared = document(family)["components"]["securitySchemes"]
    for scheme in declared.values():
        scheme.pop("description", None)
    assert declared == schemes


@EVERY_ROUTE
def test_the_query_that_is_taken_is_the_one_declared(family: Family, route: Request) -> None:
    parameters = operations(family)[key_of(route)].get("parameters", [])
    declared = {
        parameter["name"]: parameter.get("required", False) for parameter in parameters if parameter["in"] == "query"
    }
    sent = parse_qs(route.query)
    assert set(sent) <= set(declared)
    assert {name for name, required in declared.items() if required} == (set(sent) if route.writes else set())
    if route.path == family.listing and not route.writes:
        credentials = {scheme["name"] for scheme in SECURITY[family.name][0].values() if scheme.get("in") == "query"}
        assert sorted({*declared, *credentials}) == family.known.split(", ")


@EVERY_ROUTE
def test_what_is_served_is_what_is_declared(scene: Scene, route: Request) -> None:
    response = scene.send(route)
    found = document(scene.family)
    answers = operations(scene.family)[key_of(route)]["responses"]
    declared = [status for status in answers if status < "400"]
    assert declared == [str(response.status_code)] == [str(route.status)]
    body = body_of(response)
    if route.answers_nothing:
        assert (body, "content" in answers[declared[0]]) == (b"", False)
        return
    schema = {
        **strict(answers[declared[0]]["content"]["application/json"]["schema"]),
        "components": strict(found["components"]),
    }
    jsonschema.validate(json.loads(body), schema, format_checker=formats_of(scene.family))
    assert not re.search(rb'\A\[\]\Z|"data":\[\]', body)


@EVERY_FAMILY
def test_a_failure_served_is_one_declared(scene: Scene) -> None:
    errors = [scene.get("?nonsense=1"), scene.write(b'{"nonsense": 1}')]
    assert [response.status_code for response in errors] == [400, scene.family.unprocessable]
    for response in errors:
        jsonschema.validate(response.json(), strict(ERROR_SCHEMAS[scene.family.name]))


@EVERY_ROUTE
def test_the_body_that_is_taken_is_the_one_declared(family: Family, route: Request) -> None:
    operation = operations(family)[key_of(route)]
    if not route.writes:
        assert "requestBody" not in operation
        return
    assert route.body is not None
    body = route.body(OWN)
    content = operation.get("requestBody", {"content": {"application/json": {"schema": {"type": "object"}}}})["content"]
    components = strict(document(family)["components"])
    jsonschema.validate(body, {**strict(content["application/json"]["schema"]), "components": components})


def resolved(schema: Mapping[str, Any], components: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        schema = components[schema["$ref"].removeprefix("#/components/schemas/")]
    return schema


def leaves(place: str, schema: Mapping[str, Any], components: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What is within a schema, down to what has no parts: arrays, and values of one type, by place. Objects are open
    to no other key.
    """
    schema = resolved(schema, components)
    choices = [one for key in ("allOf", "anyOf", "oneOf") for one in schema.get(key, [])]
    for choice in choices:
        yield from leaves(place, choice, components)
    if choices:
        return
    if schema.get("type") == "object":
        assert schema.get("additionalProperties", True) is False, place
        assert schema.get("required", []) or not schema.get("properties"), place
        for name, part in schema.get("properties", {}).items():
            yield from leaves(f"{place}.{name}", part, components)
        return
    yield place, schema
    if schema.get("type") == "array":
        yield from leaves(f"{place}[]", schema["items"], components)


def shown_and_asked(family: Family) -> Iterator[tuple[str, Any]]:
    """The leaves of every answer but refusals, of every header, and of every parameter."""
    components = document(family)["components"]["schemas"]
    for operation in operations(family).values():
        for parameter in operation.get("parameters", []):
            yield from leaves(f"{parameter['in']} {parameter['name']}", parameter["schema"], components)
        for status, answer in operation["responses"].items():
            for name, header in answer["headers"].items():
                yield from leaves(f"header {name}", header["schema"], components)
            for content in answer.get("content", {}).values() if status < "400" else ():
                yield from leaves(status, content["schema"], components)


def is_bounded(leaf: Mapping[str, Any]) -> bool:
    match leaf.get("type"):
        case "boolean":
            return True
        case "integer" | "number":
            return "enum" in leaf or {"minimum", "maximum"} <= leaf.keys()
        case "string":
            return bool(BOUNDS & leaf.keys())
        case "array":
            return "maxItems" in leaf
    return False


def is_listed(place: str, listed: Iterable[str]) -> bool:
    return any(place == end or place.endswith((f".{end}", f" {end}")) for end in listed)


@EVERY_FAMILY
def test_each_value_shown_or_asked_for_is_bounded(family: Family) -> None:
    """By a format, a pattern, its words, or its least and its most; and what cannot be is on the list, with a reason."""
    found = list(shown_and_asked(family))
    unbounded = {place for place, leaf in found if not is_bounded(leaf)}
    listed = UNBOUNDED[family.name]
    assert len(found) > 100
    assert {place for place in unbounded if not is_listed(place, listed)} == set()
    assert {end for end in listed if not any(is_listed(place, [end]) for place in unbounded)} == set()


def test_a_list_is_as_long_as_the_contracts_let_it_be() -> None:
    """The views refuse more by the same numbers."""
    assert ROWS_ON_A_PAGE == 100
    assert enrollment_serializers.IDS_IN_A_CALL == 1000
    assert assignment_serializers.IDS_IN_A_CALL == 100
    assert record_serializers.IDS_IN_A_CALL == 1000


class Loads(HTMLParser):
    """What a page loads or leads to, and the scripts within it."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in {"href", "src", "action", "data"}]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def status_of(client: Client, address: str) -> int:
    response: Any = client.get(address)
    body_of(response)  # Read to its end, which closes the file.
    return int(response.status_code)


@EVERY_FAMILY
@pytest.mark.parametrize("slash", ["", "/"])
def test_the_docs_page_loads_nothing_from_another_host(family: Family, slash: str) -> None:
    client = Client()
    response = client.get(f"/api/docs/{family.name}{slash}")
    page = Loads()
    page.feed(response.content.decode())
    local = [address for address in page.addresses if not address.startswith("data:")]
    assert response.status_code == 200
    assert len([address for address in local if address.startswith("/static/drf_spectacular_sidecar/")]) >= 3
    assert [address for address in local if not re.match(r"/[^/]", address)] == []
    assert {address: status_of(client, address) for address in local} == dict.fromkeys(local, 200)
    assert re.findall(r"""(?:["'(]|url:)\s*(?:https?:)?//[^/]""", " ".join(page.texts)) == []
    assert f"/api/schema/{family.name}" in " ".join(page.texts)


@EVERY_FAMILY
def test_the_document_is_served_with_a_trailing_slash_too(family: Family) -> None:
    client = Client()
    assert client.get(f"/api/schema/{family.name}/").content == client.get(f"/api/schema/{family.name}").content
