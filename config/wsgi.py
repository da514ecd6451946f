"""The application that a WSGI server runs."""

import os
from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver
from django.utils.http import parse_header_parameters

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


class Request(WSGIRequest):
    """A request whose query is UTF-8 whatever the body's charset: Django would decode it with a charset that a caller
    names, read other words than were sent, and fail at a charset that is none.
    """

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))


def measured(django: "WSGIApplication") -> "WSGIApplication":
    """Give a chunked body the length that Django needs: a body without `CONTENT_LENGTH` is an empty one to it.

    At most one byte more than the largest body is read. With that byte the body is too large, so that it gets the
    413 of every other body that is.
    """

    def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        # Without `wsgi.input_terminated`, reading the input to its end would wait for a client that sends no more.
        if environ.get("wsgi.input_terminated") and _is_chunked(environ):
            body = environ["wsgi.input"].read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
            environ["wsgi.input"] = BytesIO(body)
            environ["CONTENT_LENGTH"] = str(len(body))
        return django(environ, start_response)

    return application


def _is_chunked(environ: "WSGIEnvironment") -> bool:
    codings: str = environ.get("HTTP_TRANSFER_ENCODING", "")
    return "chunked" in [coding.strip().lower() for coding in codings.split(",")]


_django = get_wsgi_application()
_django.request_class = Request
application = measured(_django)
get_resolver().url_patterns  # noqa: B018 - imports every view: one that can't be stops the start, not each request
