from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from accounts.api.errors import ApiError
from config.families import family_of


class RequestLineLimit:
    """A request target (path and query, as sent) over `MAX_REQUEST_TARGET` bytes is a 414, in the family's own body."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        # Servers keep the target under either name; Django's test client under neither.
        target = request.META.get("RAW_URI") or request.META.get("REQUEST_URI") or request.get_full_path()
        if len(target) <= settings.MAX_REQUEST_TARGET:
            return self.get_response(request)
        message = f"The address is too long. At most {settings.MAX_REQUEST_TARGET} bytes of path and query are read."
        dialect = family_of(request.path_info)
        if dialect is None:
            return HttpResponse(f"{message}\n", status=414, content_type="text/plain; charset=utf-8")
        return dialect.error_response(ApiError(414, [message]))
