from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from config.families import FAMILIES


@require_safe
def landing(request: HttpRequest) -> HttpResponse:
    """What is served here, and where it is described."""
    return render(request, "landing.html", {"families": FAMILIES})
