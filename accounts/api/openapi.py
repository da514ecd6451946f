"""One OpenAPI document and one docs page for each family, from the same declarations that serve the requests."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

from django.urls import URLPattern, URLResolver, path
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, extend_schema
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerView
from rest_framework import serializers

from accounts.api.bodies import JSON
from accounts.api.dialect import Dialect
from accounts.api.fields import MAIL
from accounts.api.filters import StrictFilterSet
from accounts.api.query import LAST_PAGE

Handler = TypeVar("Handler", bound=Callable[..., Any])

# Of any request: what an endpoint refuses, and what the server (config/worker.py) could not read as HTTP.
ALWAYS = {"400", "401", "403", "405", "408", "413", "414", "417", "429", "431", "500", "501", "503"}
REASONS = {
    "400": "The query or the body cannot be understood",
    "401": "No credential, or one that lets nobody in",
    "403": "The token lacks the scope",
    "404": "Not found",
    "405": "Method not allowed",
    "408": "The request did not come to its end in time",
    "409": "Conflict: the state does not allow it, or the first request with this Idempotency-Key is still running",
    "413": "The body is too large",
    "414": "The address is too long",
    "415": "The body is of another media type",
    "417": "The expectation in the Expect header cannot be met",
    "422": "The body breaks a rule",
    "429": "Rate limit exceeded; Retry-After says when to come back",
    "431": "The headers are too many or too long",
    "500": "Internal error",
    "501": "The transfer coding of the body is not supported",
    "503": "Busy; Retry-After says when to come back",
}

NOTHING: dict[str, Any] = {JSON: {"type": "object", "maxProperties": 0}}
"""What an endpoint takes whose body may only be an empty object."""
# What a path names, by the variable's name.
IN_PATHS: dict[str, dict[str, Any]] = {
    "id": {"type": "integer", "minimum": 1, "maximum": 10**18 - 1},
    "hex_id": {"type": "string", "pattern": "^[0-9a-f]{24}$"},
    "user": {"anyOf": [{"type": "string", "pattern": "^[0-9a-f]{24}$"}, MAIL]},
}
REQUEST_ID = {"X-Request-Id": {"schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"}, "required": True}}
SECONDS = {"Retry-After": {"schema": {"type": "integer", "minimum": 1}, "required": True}}
HEADERS: dict[str, dict[str, Any]] = {
    "302": {"Location": {"schema": {"type": "string", "format": "uri-reference", "pattern": "^/"}, "required": True}},
    "401": {"WWW-Authenticate": {"schema": {"type": "string", "pattern": "^[A-Z][a-z]+ realm="}, "required": True}},
    "405": {"Allow": {"schema": {"type": "string", "pattern": "^[A-Z]+(, [A-Z]+)*$"}, "required": True}},
    "429": SECONDS,
    "503": SECONDS,
}


def documented(
    summary: str,
    description: str = "",
    *,
    answers: Any,
    status: int = 200,
    takes: Any = None,
    partial: bool = False,
    bodiless: bool = False,
    filters: type[StrictFilterSet[Any]] | None = None,
    paged: bool = False,
    parameters: Sequence[OpenApiParameter] = (),
) -> Callable[[Handler], Handler]:
    """Describe an endpoint beside it: what it takes, answers and filters by. The errors come from its dialect.

    `bodiless`: what it takes may also be left out.
    """
    described = [*filter_parameters(filters), *parameters] if filters else list(parameters)
    if paged:
        described += page_parameters(biggest=100, size=15)
    request = takes(partial=True) if partial else takes
    describe: Callable[[Handler], Handler] = extend_schema(
        summary=summary,
        description=description or summary,
        request=request,
        responses={status: answers},
        parameters=described,
    )

    def decorate(handler: Handler) -> Handler:
        handler.takes_a_body = not (bodiless or takes is NOTHING)  # type: ignore[attr-defined]  # for FamilySchema
        return describe(handler)

    return decorate


def page_parameters(*, biggest: int, size: int | None) -> list[OpenApiParameter]:
    per_page: dict[str, Any] = {"type": "integer", "minimum": 1, "maximum": biggest}
    if size is not None:
        per_page["default"] = size
    return [
        OpenApiParameter(
            "page", {"type": "integer", "minimum": 1, "maximum": LAST_PAGE}, description="Which page, from 1."
        ),
        OpenApiParameter("per_page", per_page, description="Rows on a page."),
    ]


def filter_parameters(filters: type[StrictFilterSet[Any]]) -> list[OpenApiParameter]:
    alias_of = {name: alias for alias, name in filters.aliases.items()}
    described = []
    for name, declared in filters.base_filters.items():
        text = declared.label
        if name in alias_of:
            text += f" Also written `{alias_of[name]}`."
        described.append(OpenApiParameter(name, dict(declared.openapi), description=text))
    return described


def without_trailing_slashes(endpoints: Sequence[tuple[str, str, str, Any]]) -> list[tuple[str, str, str, Any]]:
    """Paths as the documents write them; both forms are served."""
    return [(path.rstrip("/"), regex, method, view) for path, regex, method, view in endpoints]


def lengths_of(items: Any) -> dict[str, int]:
    """Of a ListSerializer."""
    bounds = {"minItems": items.min_length, "maxItems": items.max_length}
    return {name: bound for name, bound in bounds.items() if bound is not None}


class FamilySchema(AutoSchema):
    """What a view's dialect adds to each operation: its credential, its errors, its idempotency key."""

    @property
    def dialect(self) -> Dialect:
        dialect: Dialect = self.view.dialect  # type: ignore[attr-defined]  # an Endpoint's
        return dialect

    def get_tags(self) -> list[str]:
        return [self.dialect.title]

    def get_auth(self) -> list[dict[str, list[str]]]:
        choices = self.dialect.security_choices or [(name,) for name in self.dialect.security]
        return [{name: [] for name in together} for together in choices]

    def get_override_parameters(self) -> list[Any]:
        if self.method not in {"POST", "PUT", "PATCH", "DELETE"}:
            return []
        return [
            OpenApiParameter(
                "Idempotency-Key",
                {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
                OpenApiParameter.HEADER,
                description="The same request under the same key has one effect and gets the first answer, for 24 hours.",
            )
        ]

    def map_parsers(self) -> list[str]:
        """Endpoints read their bodies themselves (accounts.api.bodies): JSON, where nothing else is declared."""
        return [JSON]

    def _get_request_body(self, direction: Literal["request", "response"] = "request") -> dict[str, Any] | None:
        body: dict[str, Any] | None = super()._get_request_body(direction)  # type: ignore[no-untyped-call]  # drf-spectacular's
        handler = getattr(self.view, self.view.action)  # type: ignore[attr-defined]  # a ViewSet's
        return body and {"content": body["content"], "required": handler.takes_a_body}

    def _resolve_path_parameters(self, variables: Sequence[str]) -> list[dict[str, Any]]:
        return [{"in": "path", "name": name, "required": True, "schema": IN_PATHS[name]} for name in variables]

    def _get_parameters(self) -> list[dict[str, Any]]:
        parameters: list[dict[str, Any]] = super()._get_parameters()
        for parameter in parameters:
            # A blank value means: not given.
            if parameter["in"] == "query" and not parameter.get("required"):
                parameter["allowEmptyValue"] = True
        return parameters

    def _map_serializer_field(self, field: Any, direction: Any, bypass_extensions: bool = False) -> Any:  # noqa: FBT001, FBT002 - its signature
        declared = getattr(field, "openapi", None)
        if declared is None:
            mapped = super()._map_serializer_field(field, direction, bypass_extensions)  # type: ignore[no-untyped-call]  # drf-spectacular's
            return {**mapped, **lengths_of(field)} if isinstance(field, serializers.ListSerializer) else mapped
        return {**declared, "nullable": True} if field.allow_null else dict(declared)

    def _insert_field_validators(self, field: Any, schema: dict[str, Any]) -> None:
        if getattr(field, "openapi", None) is None:
            super()._insert_field_validators(field, schema)  # type: ignore[no-untyped-call]  # drf-spectacular's

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> dict[str, Any]:
        mapped: dict[str, Any] = super()._map_basic_serializer(serializer, direction)  # type: ignore[no-untyped-call]  # drf-spectacular's
        return {**mapped, "additionalProperties": False}

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        writes = self.method in {"POST", "PUT", "PATCH", "DELETE"}
        of_writes = {"409", "415", str(self.dialect.unprocessable)}
        statuses = ALWAYS | ({"404"} if "{" in self.path else set()) | (of_writes if writes else set())
        content = {"application/json": {"schema": self.dialect.error_schema()}}
        for status in sorted(statuses):
            bodies.setdefault(status, {"description": REASONS[status], "content": content})
        for status, body in bodies.items():
            body["headers"] = {**REQUEST_ID, **HEADERS.get(status, {}), **body.get("headers", {})}
        return bodies


def document_routes(dialect: Dialect, routes: Sequence[URLPattern | URLResolver]) -> list[URLPattern]:
    """The family's OpenAPI document and its docs page, which loads nothing from another host."""
    name = f"schema-{dialect.family}"
    settings = {
        "TITLE": dialect.title,
        "DESCRIPTION": dialect.description,
        "VERSION": "1.0.0",
        "APPEND_COMPONENTS": {"securitySchemes": dialect.security},
    }
    document = SpectacularJSONAPIView.as_view(patterns=list(routes), custom_settings=settings)
    page = SpectacularSwaggerView.as_view(url_name=name, title=dialect.title)
    return [
        path(f"api/schema/{dialect.family}", document, name=name),
        path(f"api/schema/{dialect.family}/", document),
        path(f"api/docs/{dialect.family}", page, name=f"docs-{dialect.family}"),
        path(f"api/docs/{dialect.family}/", page),
    ]
