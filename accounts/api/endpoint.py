"""The base of every endpoint of every family: authenticate → scope → limit → (one transaction) → answer or error."""

import logging
import re
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, TypeVar, cast

from django.core.exceptions import BadRequest, RequestDataTooBig, SuspiciousOperation
from django.db import DatabaseError, models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.http.multipartparser import MultiPartParserError
from django.http.request import UnreadablePostError
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.viewsets import ViewSet

from accounts import replicas
from accounts.actors import Actor
from accounts.api import idempotency
from accounts.api.dialect import Dialect, request_id
from accounts.api.errors import ApiError
from accounts.api.openapi import FamilySchema
from accounts.api.query import read_query
from accounts.api.rendering import to_json
from accounts.errors import Busy, Refusal
from accounts.models import ApiToken, Organization
from accounts.selectors import use_is_worth_noting
from accounts.services.tokens import note_token_use
from accounts.transactions import is_busy, write

logger = logging.getLogger(__name__)

SAFE_METHODS = ("GET", "HEAD")
Row = TypeVar("Row", bound=models.Model)
Handler = Callable[..., HttpResponseBase]


class TokenAuthentication(BaseAuthentication):
    """An API token, wherever the family's dialect says that it is carried. `request.auth` is the token."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect

    def authenticate(self, request: Request) -> tuple[None, ApiToken]:
        token = self.dialect.authenticate(request._request)  # noqa: SLF001 - DRF's name for Django's request
        if use_is_worth_noting(token):
            note_token_use(token=token)
        return (None, token)


class HoldsScope(BasePermission):
    """Reading and writing are a scope each; an action may name its own (`@action(..., read_scope=…)`)."""

    def has_permission(self, request: Request, view: Any) -> bool:
        dialect: Dialect = view.dialect
        scope = view.read_scope or dialect.read_scope if request.method in SAFE_METHODS else dialect.write_scope
        token = cast("ApiToken", request.auth)
        if scope not in token.scopes:
            raise ApiError(403, [f"The token lacks the scope {scope}."], code="forbidden")
        return True


class Endpoint(ViewSet):
    dialect: ClassVar[Dialect]
    read_scope: ClassVar[str | None] = None
    permission_classes = [HoldsScope]
    metadata_class = None
    schema = FamilySchema()
    http_method_names = ["get", "post", "put", "patch", "delete", "head"]
    request: Request

    @property
    def token(self) -> ApiToken:
        return cast("ApiToken", self.request.auth)

    @property
    def organization(self) -> Organization:
        return self.token.organization

    @property
    def actor(self) -> Actor:
        return Actor.token(self.token)

    @property
    def http(self) -> HttpRequest:
        """Django's own request."""
        return self.request._request  # noqa: SLF001 - DRF's name for it

    def get_authenticators(self) -> list[BaseAuthentication]:
        return [TokenAuthentication(self.dialect)]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """As DRF's, but a request that writes is one transaction around the service, its answer and its
        idempotency record: any exception undoes all three.
        """
        self.args, self.kwargs = args, kwargs
        self.request = self.initialize_request(request, *args, **kwargs)
        try:
            handler: Handler | None = getattr(self, (request.method or "").lower(), None)
            if (request.method or "").lower() not in self.http_method_names or handler is None:
                raise MethodNotAllowed(request.method or "")  # noqa: TRY301 - answered below like any other refusal
            self.initial(self.request, *args, **kwargs)
            if request.method in SAFE_METHODS:
                response = self._read(handler, *args, **kwargs)
            else:
                response = self._write(handler, *args, **kwargs)
                replicas.wrote(self.token.pk)
        except Exception as error:  # noqa: BLE001 - whatever fails is answered in the family's own body
            response = self.dialect.error_response(self._as_api_error(error))
        return without_body(response) if request.method == "HEAD" else response

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        del args, kwargs
        self.perform_authentication(request)
        self.http.token_prefix = self.token.prefix  # type: ignore[attr-defined]  # for the access log
        self.check_permissions(request)
        self.dialect.spend(self.http, self.token)
        _ = self.http.body  # Refuses a body that is too large, before anything reads it.
        if request.method not in SAFE_METHODS:
            self.idempotency_key = idempotency.key_of(self.http)

    def _read(self, handler: Handler, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """From a replica, where one is new enough for this caller; a streamed answer to its end."""
        response, reading = replicas.read(self.token.pk, lambda: handler(self.request, *args, **kwargs))
        if reading is not None and isinstance(response, StreamingHttpResponse):
            chunks = cast("Iterator[bytes]", response.streaming_content)  # Nothing here is asynchronous.
            response.streaming_content = replicas.still(reading, chunks)
        return response

    def _write(self, handler: Handler, *args: Any, **kwargs: Any) -> HttpResponseBase:
        key = self.idempotency_key
        with write(self.actor):
            if key and (answer := idempotency.first_answer(self.token, key, self.http)):
                return answer
            response = handler(self.request, *args, **kwargs)
            if key and isinstance(response, HttpResponse):
                idempotency.remember(self.token, key, self.http, response)
        return response

    def _as_api_error(self, error: Exception) -> ApiError:
        match error:
            case ApiError():
                answer = error
            case Refusal():
                answer = self.dialect.answer_to(error)
            case MethodNotAllowed():
                allowed = ", ".join(self.allowed_methods)
                text = f"{self.request.method} is not allowed here. Allowed: {allowed}."
                answer = ApiError(405, [text], headers={"Allow": allowed})
            case Http404():
                answer = ApiError(404, ["Not found."])
            case RequestDataTooBig():
                answer = ApiError(413, ["The body is too large."])
            case BadRequest() | SuspiciousOperation() | MultiPartParserError() | UnreadablePostError():
                answer = ApiError(400, ["The request cannot be read."])
            case DatabaseError() if is_busy(error):
                answer = self.dialect.answer_to(Busy())
            case _:
                logger.error("%s %s failed", self.request.method, self.http.path, exc_info=error)
                answer = ApiError(500, [f"Internal error. Quote the request id {request_id()}."])
        return answer

    @property
    def allowed_methods(self) -> list[str]:
        return [name.upper() for name in self.http_method_names if hasattr(self, name)]

    def no_query(self) -> None:
        """Refuse every query parameter: none is documented here, but for the credential."""
        read_query(self.http, known=self.dialect.query_credentials)

    def json(self, body: object, status: int = 200) -> HttpResponse:
        return HttpResponse(to_json(body), status=status, content_type="application/json")

    def object_id(self, text: str) -> int:
        """An id in a path. What cannot be an id names no object: the caller answers 404 as for any other."""
        return int(text) if re.fullmatch(r"[1-9][0-9]{0,17}", text, re.ASCII) else 0


def without_body(response: HttpResponseBase) -> HttpResponseBase:
    """What HEAD answers: the headers alone, the length that GET would send among them where it is known."""
    if isinstance(response, HttpResponse):
        headers = {**response.headers, "Content-Length": str(len(response.content))}
        return HttpResponse(status=response.status_code, headers=headers)
    response.close()
    # Streamed as GET's is, so that no middleware counts the bytes and calls the length 0.
    return StreamingHttpResponse((), status=response.status_code, headers=response.headers)
