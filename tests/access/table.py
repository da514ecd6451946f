"""Who gets in where: one row for each route of the project. A route without a row fails the tests, and so does a row
without a route.

The pages of the admin that have a name stand in `tests.accounts.test_access.ACCESS`, by what each role gets of them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from tests.accounts.admin_pages import MODELS
from tests.accounts.test_access import ACCESS, Access

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


class Door(Enum):
    API = "an API: a token with the scope of the method"
    OPEN = "anybody"
    STAFF = "the admin: by role"


@dataclass(frozen=True)
class Row:
    """`scopes` are an API's, by method; `access` is a page's, by role."""

    door: Door
    family: str = ""
    scopes: tuple[tuple[str, str], ...] = ()
    methods: tuple[str, ...] = ()
    access: Access | None = None


# Route, family, and for each method the scope that it needs. HEAD is as GET.
APIS = """
api/v1/training/courses                        training  GET training:read   POST training:write
api/v1/training/courses/<pk>                   training  GET training:read   PATCH training:write
api/v1/training/sessions                       training  GET training:read   POST training:write
api/v1/training/sessions/<pk>                  training  GET training:read   PATCH training:write
api/v1/training/enrollments                    training  GET training:read   POST training:write
api/v1/training/enrollments/<pk>               training  GET training:read
api/v1/training/enrollments/<pk>/complete      training  PATCH training:write
api/v1/training/enrollments/<pk>/cancel        training  PATCH training:write
api/v1/training/employees                      training  GET training:read   POST training:write
api/v1/training/employees/<pk>                 training  GET training:read   PATCH training:write

api/train_sessions                             train_sessions  GET train_sessions:read
api/train_sessions/unassign                    train_sessions  POST train_sessions:write
api/train_sessions/<pk>                        train_sessions  GET train_sessions:read   PATCH train_sessions:write
api/train_sessions/<pk>/attempts               train_sessions  POST train_sessions:write

training-assignments                           training_assignments  POST training_assignments:write \
    PATCH training_assignments:write   DELETE training_assignments:write
training-assignments/stream                    training_assignments  GET training_assignments:read
training-courses                               training_assignments  GET training_courses:read

api/v1/programs                                programs  GET programs:read
api/v1/programs/sessions                       programs  GET programs:read
api/v1/programs/sessions/<hex_id>              programs  GET programs:read
api/v1/programs/sessions/<hex_id>/users        programs  GET programs:read
api/v1/programs/sessions/<hex_id>/users/<user> programs  PUT programs:write   DELETE programs:write
api/v1/programs/sessions/<hex_id>/stats        programs  GET programs:read
api/v1/programs/templates                      programs  GET programs:read
api/v1/programs/templates/<hex_id>             programs  GET programs:read
"""
# Pages that say nothing of anybody. They are read, nothing else.
OPEN = """
/
healthz
readyz
api/schema/training                 api/schema/training/
api/docs/training                   api/docs/training/
api/schema/train_sessions           api/schema/train_sessions/
api/docs/train_sessions             api/docs/train_sessions/
api/schema/training_assignments     api/schema/training_assignments/
api/docs/training_assignments       api/docs/training_assignments/
api/schema/programs                 api/schema/programs/
api/docs/programs                   api/docs/programs/
"""
# What the framework adds to the admin's pages. Whoever may not see a row is told so where these lead.
TO_THE_ROW = Access("iiii", "iiii", "iiii", "iiii", "iiii")
UNNAMED = {
    "admin/search/": Access("ii", "ii", "ii", "ii", "ii"),
    "admin/<url>": Access("hh", "hh", "hh", "hh", "hh"),  # No page at all.
    **{f"admin/{model._meta.app_label}/{model._meta.model_name}/<path:object_id>/": TO_THE_ROW for model in MODELS},  # noqa: SLF001 - Django's documented names
}
# Named by the framework, and left out of `ACCESS`: leaving, and a row's page on a site that there is not.
OF_THE_FRAMEWORK = {
    "logout": Access("ii", "ii", "ii", "ii", "ii", anonymous="gg"),
    "view_on_site": Access("hh", "hh", "hh", "hh", "hh"),
}


@dataclass(frozen=True)
class Route:
    """`path` as the table writes it; `name` is the pattern's own."""

    path: str
    name: str

    @property
    def row(self) -> Row | None:
        if self.path.startswith("admin/"):
            access = {**ACCESS, **OF_THE_FRAMEWORK}.get(self.name) if self.name else UNNAMED.get(self.path)
            return None if access is None else Row(Door.STAFF, access=access)
        return TABLE.get(self.path)


def _rows() -> Iterator[tuple[str, Row]]:
    for line in APIS.split("\n"):
        if line:
            path, family, *words = line.split()
            scopes = tuple(zip(words[::2], words[1::2], strict=True))
            yield path, Row(Door.API, family, scopes, tuple(method for method, _ in scopes))
    for path in OPEN.split():
        yield path, Row(Door.OPEN, methods=("GET",))
    yield "admin", Row(Door.OPEN, methods=("GET", "POST"))  # To the address with the slash.


TABLE = dict(_rows())


def routes(patterns: list[Any] | None = None, before: str = "") -> Iterator[Route]:
    """Every pattern of the URL map, in its order. A pattern that comes twice is one route."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        path = before + _written(str(pattern.pattern))
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, path)
        elif isinstance(pattern, URLPattern):
            yield Route(path or "/", pattern.name or "")


def _written(pattern: str) -> str:
    """A regular expression as one would write the path: `^healthz/?$` as `healthz`."""
    return (
        re.sub(r"\(\?P<(\w+)>(?:\[[^]]*\]|[^()])*\)", r"<\1>", pattern)
        .removeprefix("^")
        .removesuffix("$")
        .removesuffix("/?")
    )


def named_rows() -> set[str]:
    """What the table has rows for: names of the admin's pages, paths of all else."""
    return {*TABLE, *UNNAMED, *ACCESS, *OF_THE_FRAMEWORK}


def row_of(route: Route) -> str:
    return route.name if route.path.startswith("admin/") and route.name else route.path
