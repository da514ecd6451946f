"""What Django refuses or fails at by itself, in the body of the family that the path belongs to, else as a page.

Only sentences written here are shown: an exception's own text may hold what a caller sent.
"""

from collections.abc import Sequence

from django.core.exceptions import DisallowedHost, RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from accounts.api.dialect import request_id
from accounts.api.errors import ApiError
from accounts.api.query import shown
from config.families import family_of


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    match exception:
        case RequestDataTooBig():
            return _answer(request, ApiError(413, ["The body is too large."]))
        case TooManyFieldsSent() | TooManyFilesSent():
            return _answer(request, ApiError(400, ["The body has too many fields."]))
        case DisallowedHost():
            return _answer(request, ApiError(400, ["The Host header names no host that is served here."]))
    return _answer(request, ApiError(400, ["The request cannot be read."]))


def method_not_allowed(request: HttpRequest, allowed: Sequence[str]) -> HttpResponse:
    """`allowed` are methods in upper case."""
    words = ", ".join(allowed)
    response = _answer(
        request, ApiError(405, [f"{shown(request.method or '')} is not allowed here. Allowed: {words}."])
    )
    response["Allow"] = words
    return response


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    del exception
    return _answer(request, ApiError(403, ["This is not allowed."]))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    del exception
    return _answer(request, ApiError(404, [f"There is no such route: {shown(request.path)}"]))


def server_error(request: HttpRequest) -> HttpResponse:
    return _answer(request, ApiError(500, [f"Internal error. Quote the request id {request_id()}."]))


def _answer(request: HttpRequest, error: ApiError) -> HttpResponse:
    dialect = family_of(request.path_info)
    if dialect is not None:
        return dialect.error_response(error)
    # Rendered without the request: the context processors of a page read the session, and so a database that may be
    # the reason for this very answer.
    context = {"title": error.status.phrase, "status": int(error.status), "messages": error.messages}
    return HttpResponse(render_to_string("error.html", context), status=int(error.status))
