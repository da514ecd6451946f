from django.contrib import admin
from django.core.exceptions import BadRequest
from django.core.paginator import InvalidPage
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from config.families import FAMILIES


@require_safe
def landing(request: HttpRequest) -> HttpResponse:
    """What is served here, and where it is described."""
    return render(request, "landing.html", {"families": FAMILIES})


def search(request: HttpRequest) -> HttpResponse:
    """The theme's own, which fails at a page that there is not. Raises BadRequest."""
    try:
        found: HttpResponse = admin.site.search(request)  # type: ignore[attr-defined]  # the theme's site
    except InvalidPage as error:
        raise BadRequest from error
    return found
