"""Each family's OpenAPI document: valid, complete, and true of what is served."""

import json
import re
from collections.abc import Callable, Mapping
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
from tests.conftest import body_of
from tests.contracts.families import FAMILIES, Family, Request
from tests.contracts.scene import OWN, Scene, make_scene

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
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def has_form(pattern: str) -> Callable[[object], bool]:
    return lambda value: not isinstance(value, str) or re.fullmatch(pattern, value) is not None


def formats_of(family: Family) -> jsonschema.FormatChecker:
    checker = jsonschema.FormatChecker(formats=["date"])
    for name, pattern in {"date-time": INSTANTS[family.name], "uuid": UUID, "uri": r"http://testserver/.*"}.items():
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


@pytest.fixture
def scene(family: Family, db: None, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Scene:
    return make_scene(family, settings, monkeypatch)


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
