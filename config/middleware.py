from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from accounts.api.errors import ApiError
from config import errors
from config.families import family_of

METHODS_OF_PAGES = ("GET", "HEAD", "POST")


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


class PageMethods:
    """Outside the families a request that is none of GET, HEAD and POST is a 405: the admin's views would take any other
    for a GET.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.method in METHODS_OF_PAGES or family_of(request.path_info) is not None:
            return self.get_response(request)
        return errors.method_not_allowed(request, METHODS_OF_PAGES)
