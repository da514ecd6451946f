"""A pytest plugin that breaks one thing before the tests of access run, which they must catch: BREAK says which."""

import os
from collections.abc import Callable
from typing import Any


def scope() -> None:
    """A family's view asks for no scope."""
    from enrollments.api.views import CourseViewSet  # noqa: PLC0415 - once Django is set up

    CourseViewSet.permission_classes = []


def role() -> None:
    """A page of the admin is shown to all staff, of its rows those of every organization."""
    from django.contrib import admin  # noqa: PLC0415 - once Django is set up

    from training.models import Unit  # noqa: PLC0415 - as above

    page: Any = admin.site._registry[Unit]  # noqa: SLF001 - Django's documented name
    page.has_view_permission = lambda *_args: True
    page.get_queryset = lambda _request: Unit.objects.all()


def login() -> None:
    """A page of the admin that forgot to ask who is there."""
    from django.urls import clear_url_caches, path  # noqa: PLC0415 - as above

    from config import urls  # noqa: PLC0415 - once Django is set up
    from config.pages import search  # noqa: PLC0415 - as above

    urls.urlpatterns.insert(0, path("admin/search/", search))
    clear_url_caches()


def route() -> None:
    """A route is added, and no row."""
    from django.urls import clear_url_caches, path  # noqa: PLC0415 - as above

    from config import urls  # noqa: PLC0415 - once Django is set up
    from config.pages import landing  # noqa: PLC0415 - as above

    urls.urlpatterns.append(path("forgotten", landing))
    clear_url_caches()


BREAKS: dict[str, Callable[[], None]] = {one.__name__: one for one in (scope, role, login, route)}


def pytest_collection_finish() -> None:
    BREAKS[os.environ["BREAK"]]()
