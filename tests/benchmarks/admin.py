"""The admin with a million train sessions: how many queries its pages ask, whether they count everything, how long."""

import re
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from django.contrib import admin
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from tests.benchmarks.filled import filled
from tests.benchmarks.measuring import table

MOST_QUERIES = 12
DASHBOARD_SECONDS = 1.0
MATRIX_SECONDS = 0.5
REQUESTS = 5
MATRIX_PEOPLE, MATRIX_COURSES = 100, 30
SEARCHED = "P-000777"


@dataclass(frozen=True)
class Page:
    """What is asked of a page: of a list the queries, of others the time."""

    name: str
    address: str
    user: User
    listed: type[models.Model] | None = None
    most_seconds: float | None = None


@dataclass(frozen=True)
class Measured:
    page: Page
    queries: int
    full_counts: list[str]
    seconds: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def reached(self) -> bool:
        if self.page.most_seconds is not None:
            return self.median < self.page.most_seconds
        return self.queries <= MOST_QUERIES and not self.full_counts

    def cells(self) -> list[str]:
        most = self.page.most_seconds
        return [
            self.page.name,
            f"{self.queries}" + (", counts all" if self.full_counts else ""),
            f"{self.median * 1000:,.0f}",
            f"{MOST_QUERIES} queries, no full count" if most is None else f"{most * 1000:,.0f} ms",
            "yes" if self.reached else "NO",
        ]


HEADER = ["page", "queries", "median ms", "at most", "reached"]


@dataclass
class Result:
    pages: list[Measured]

    @property
    def reached(self) -> bool:
        return all(one.reached for one in self.pages)

    @property
    def text(self) -> str:
        return table(HEADER, [one.cells() for one in self.pages])

    @property
    def figures(self) -> dict[str, Any]:
        return {
            "pages": [
                {
                    "page": one.page.name,
                    "queries": one.queries,
                    "full_counts": one.full_counts,
                    "seconds": one.seconds,
                    "reached": one.reached,
                }
                for one in self.pages
            ]
        }


def measure(*, records: int) -> Result:
    ground = filled(records=records)
    return Result([_measured(page) for page in _pages(ground.administrator, ground.superuser)])


def _pages(administrator: User, superuser: User) -> Iterator[Page]:
    matrix = f"matrix, {MATRIX_PEOPLE} x {MATRIX_COURSES}"
    yield Page("dashboard", reverse("admin:index"), administrator, most_seconds=DASHBOARD_SECONDS)
    yield Page(matrix, reverse("admin:training_matrix"), administrator, most_seconds=MATRIX_SECONDS)
    for model, model_admin in admin.site._registry.items():  # noqa: SLF001 - Django's documented name
        opts = model._meta  # noqa: SLF001 - as above
        address = reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist")
        name, user = f"{opts.verbose_name_plural}", administrator
        if getattr(model_admin, "superusers_only", False):
            name, user = f"{name} (superuser)", superuser
        yield Page(name, address, user, listed=model)
        if model_admin.search_fields:
            yield Page(f"{name}, searched", f"{address}?q={SEARCHED}", user, listed=model)


def _measured(page: Page) -> Measured:
    # A host that the settings allow by themselves.
    client = Client(SERVER_NAME="localhost")
    client.force_login(page.user)
    _get(client, page)
    seconds = []
    for _ in range(REQUESTS):
        started = perf_counter()
        _get(client, page)
        seconds.append(perf_counter() - started)
    with CaptureQueriesContext(connection) as asked:
        response = _get(client, page)
    if page.name.startswith("matrix"):
        _check_matrix(response.content.decode())
    queries = [str(query["sql"]) for query in asked.captured_queries]
    counts = [] if page.listed is None else full_counts(queries, page.listed)
    return Measured(page, len(queries), counts, seconds)


def _get(client: Client, page: Page) -> Any:
    response = client.get(page.address)
    if response.status_code != 200:
        raise RuntimeError(f"{page.address} answered {response.status_code}.")
    return response


def _check_matrix(content: str) -> None:
    """A page of fewer cells would be quicker."""
    found = len(re.findall(r"<td[ >]", content))
    if found < MATRIX_PEOPLE * MATRIX_COURSES:
        raise RuntimeError(f"The matrix page has {found} cells.")


# What is counted is what the next FROM names: a table, or a query of it, which may have a LIMIT.
COUNTING = re.compile(
    r'COUNT\((?:(?! FROM ).)* FROM (?:\(SELECT (?:(?! FROM ).)* FROM )?"(?P<counted>\w+)"(?P<rest>.*)'
)


def full_counts(queries: list[str], model: type[models.Model]) -> list[str]:
    """Queries that count rows of the listed table without an end."""
    listed = model._meta.db_table  # noqa: SLF001 - Django's documented name
    found = ((sql, COUNTING.search(sql.replace("\n", " "))) for sql in queries)
    return [sql for sql, count in found if count and count["counted"] == listed and " LIMIT " not in count["rest"]]
