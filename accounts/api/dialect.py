"""How a family speaks: its paths, credential, scopes, rate and error body. One subclass for each family."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, ClassVar

from django.conf import settings
from django.core.exceptions import NON_FIELD_ERRORS
from django.http import HttpRequest, HttpResponse

from accounts.api import rates
from accounts.api.errors import ApiError
from accounts.api.rendering import to_json
from accounts.api.request_log import current_request_id
from accounts.errors import Busy, CredentialRefused, FieldsRefused, IdempotencyKeyInUse, IdempotencyKeyReused, Refusal
from accounts.models import ApiToken
from accounts.scopes import Scope
from accounts.selectors import live_token
from accounts.wording import describe

Answer = Callable[[Any], ApiError]


def with_status(status: int) -> Answer:
    """A refusal in its common words, under this status and its own code."""
    return lambda refusal: ApiError(status, [describe(refusal)], code=refusal.code)


class Dialect(ABC):
    family: ClassVar[str]
    title: ClassVar[str]
    description: ClassVar[str] = ""
    # Path prefixes without a trailing slash. A path belongs to the family if it is one, or goes on with a slash.
    prefixes: ClassVar[tuple[str, ...]]
    read_scope: ClassVar[Scope]
    write_scope: ClassVar[Scope]
    rate_setting: ClassVar[str]
    # Query parameters that carry a credential, and so are known everywhere.
    query_credentials: ClassVar[tuple[str, ...]] = ()
    # The WWW-Authenticate header of a 401.
    challenge: ClassVar[str]
    # OpenAPI security scheme.
    security: ClassVar[dict[str, dict[str, str]]] = {"bearer": {"type": "http", "scheme": "bearer"}}
    # Which schemes let a caller in: any one of these, each all of its schemes together. Empty: any one scheme alone.
    security_choices: ClassVar[tuple[tuple[str, ...], ...]] = ()
    # The status of what can be read and breaks a rule.
    unprocessable: ClassVar[int] = 422
    # What this family answers to each refusal, beside the ones that all families share.
    refusals: ClassVar[Mapping[type[Refusal], Answer]] = {}

    common_refusals: ClassVar[Mapping[type[Refusal], Answer]] = {
        Busy: lambda refusal: ApiError(503, [describe(refusal)], code=refusal.code, headers={"Retry-After": "1"}),
        CredentialRefused: with_status(401),
        FieldsRefused: lambda refusal: ApiError.invalid(
            {"body" if name == NON_FIELD_ERRORS else name: texts for name, texts in refusal.fields.items()}
        ),
        IdempotencyKeyReused: with_status(422),
        IdempotencyKeyInUse: with_status(409),
    }

    @abstractmethod
    def error_body(self, error: ApiError) -> dict[str, object]:
        """The family's error body."""

    @abstractmethod
    def error_schema(self) -> dict[str, object]:
        """The OpenAPI schema of `error_body`."""

    def credential(self, request: HttpRequest) -> str | None:
        """The secret that a request carries, or None. `Authorization: Bearer …` unless the family says more."""
        return bearer(request)

    def authenticate(self, request: HttpRequest) -> ApiToken:
        """The token that lets this request in. Raises CredentialRefused."""
        secret = self.credential(request)
        if secret is None:
            raise CredentialRefused("missing")
        return live_token(secret)

    def spend(self, request: HttpRequest, token: ApiToken) -> None:
        """Count a request against the family's rate. Raises ApiError 429."""
        del request
        rates.spend(getattr(settings, self.rate_setting), self.family, f"token-{token.pk}")

    def owns(self, path: str) -> bool:
        return any(path == prefix or path.startswith(f"{prefix}/") for prefix in self.prefixes)

    def answer_to(self, refusal: Refusal) -> ApiError:
        for answers in (self.refusals, self.common_refusals):
            if answer := answers.get(type(refusal)):
                return answer(refusal)
        raise LookupError(f"{type(self).__name__} has no answer to {type(refusal).__name__}.")

    def error_response(self, error: ApiError) -> HttpResponse:
        response = HttpResponse(
            to_json(self.error_body(error)), status=int(error.status), content_type="application/json"
        )
        if error.status is HTTPStatus.UNAUTHORIZED:
            response["WWW-Authenticate"] = self.challenge
        for name, value in error.headers.items():
            response[name] = value
        return response


_BEARER = re.compile(r"\A\s*bearer\s+(\S+)\s*\Z", re.IGNORECASE)


def bearer(request: HttpRequest) -> str | None:
    match = _BEARER.match(request.headers.get("Authorization", ""))
    return match[1] if match else None


def request_id() -> str:
    """The id of the request being answered, as the response's X-Request-Id shows it."""
    return current_request_id.get()
