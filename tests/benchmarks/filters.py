"""Every documented filter of the train sessions, alone and in pairs: how long a page of them takes."""

from collections.abc import Iterator
from datetime import date
from itertools import combinations
from time import perf_counter
from typing import Any
from urllib.parse import urlencode

import psycopg

from tests.benchmarks.findings import Bar, Finding, at_most, percentile
from tests.benchmarks.ledger import MAIN, ZONE
from tests.benchmarks.measuring import table
from tests.benchmarks.servers import Server

PAGE = Bar(100, 30)
SLOWEST = 12
DAY = f"{{column}} >= %({{name}})s::date::timestamp AT TIME ZONE '{ZONE}'"
BEFORE = f"{{column}} < (%({{name}})s::date + 1)::timestamp AT TIME ZONE '{ZONE}'"


def on_day(column: str) -> str:
    return f"({DAY} AND {BEFORE})".replace("{column}", column)


# By name: what it means in SQL, a common value, a rare one. Days are days from today.
FILTERS: dict[str, tuple[str, Any, Any]] = {
    "course_code_or_course_name_cont": (
        "(position(%({name})s in c.search_code) > 0 OR position(%({name})s in c.search_title) > 0)",
        "fir",
        "ladders for visitors",
    ),
    "full_name_cont": ("p.search_name LIKE '%%' || %({name})s || '%%'", "ber", "nboss"),
    "score_eq": ("t.score >= %({name})s::int AND t.score < %({name})s::int + 1", 75, 7),
    "percent_complete_eq": ("t.percent = %({name})s::int", 100, 37),
    "failed_attempts_eq": ("t.failed_attempts = %({name})s::int", 0, 3),
    "completion_date_gteq": (DAY.replace("{column}", "t.completed_at"), -20, -1),
    "completion_date_lteq": (BEFORE.replace("{column}", "t.completed_at"), -1, -10_000),
    "cert_expiry_gt": ("t.cert_expiry >= %({name})s::date", 30, 729),
    "cert_expiry_lt": ("t.cert_expiry <= %({name})s::date", 729, 10),
    "unit_unit_expiry_gt": ("u.expires_on >= %({name})s::date", 100, 1_300),
    "unit_unit_expiry_lt": ("u.expires_on <= %({name})s::date", 1_300, 10),
    "complete_by_eq": (on_day("t.due_at"), 30, 12),
    "last_attempt_eq": (on_day("t.last_attempt_at"), -2, 0),
    "assignee_login_username_eq": ("p.username = %({name})s", "p1", "nobody"),
    "status_eq": ("t.state = %({name})s", "Completed", "Failed"),
}
COUNT = """
SELECT count(*) FROM training_trainsession AS t JOIN enrollments_course AS c ON c.id = t.course_id
    JOIN accounts_person AS p ON p.id = t.person_id LEFT JOIN training_unit AS u ON u.id = t.unit_id
WHERE t.organization_id = {organization} AND t.unassigned_at IS NULL AND {conditions}
"""
DATES = {"completion_date", "cert_expiry", "unit_unit_expiry", "complete_by", "last_attempt"}
Given = dict[str, str]


def measure(
    server: Server, database: "psycopg.Connection[Any]", *, repeats: int, few: bool
) -> tuple[list[Finding], str]:
    """Findings, and a table of the slowest."""
    asked = list(combined(database))
    if few:
        asked = asked[::10]
    whole, totals, page = [], [], []
    with server.client() as client:
        for given in asked:
            path = f"/api/train_sessions?{urlencode(given)}&page=1&per_page=100"
            client.get(path)
            whole.append(min(client.seconds(path) for _ in range(repeats)) * 1000)
            totals.append(counting(database, given) * 1000)
            page.append(max(whole[-1] - totals[-1], 0.0))
    of = f"{len(asked)} filters and pairs"
    raw = [dict(zip(("given", "ms", "total_ms"), row, strict=True)) for row in zip(asked, whole, totals, strict=True)]
    findings = [
        at_most(f"{of}: p95 of a page, its Total apart", percentile(page, 0.95), "ms", bar=PAGE, raw=raw),
        at_most(f"{of}: p95 with its Total", percentile(whole, 0.95), "ms", bar=None),
        at_most(f"{of}: p95 of the Total alone, in SQL", percentile(totals, 0.95), "ms", bar=None),
    ]
    slowest = sorted(zip(whole, totals, asked, strict=True), key=lambda row: -row[0])[:SLOWEST]
    header = ["the slowest filters", "request, ms", "Total alone, ms"]
    return findings, "\n" + table(header, [[urlencode(g), f"{w:,.0f}", f"{t:,.0f}"] for w, t, g in slowest])


def combined(database: "psycopg.Connection[Any]") -> Iterator[Given]:
    """Each with both of its values; each pair common with common and rare with rare."""
    row = database.execute("SELECT now()::date").fetchone()
    today = row[0].toordinal() if row else 0
    values = {name: [written(name, value, today) for value in both] for name, (_, *both) in FILTERS.items()}
    for name, both in values.items():
        for value in both:
            yield {name: value}
    for one, other in combinations(values, 2):
        for at in (0, 1):
            yield {one: values[one][at], other: values[other][at]}


def written(name: str, value: Any, today: int) -> str:
    if name.rpartition("_")[0] in DATES:
        return date.fromordinal(today + value).isoformat()
    return str(value)


def counting(database: "psycopg.Connection[Any]", given: Given) -> float:
    conditions = " AND ".join(FILTERS[name][0].replace("{name}", name) for name in given)
    words = {name: value.lower().replace(" ", "_") if name == "status_eq" else value for name, value in given.items()}
    started = perf_counter()
    database.execute(COUNT.format(organization=MAIN, conditions=conditions).encode(), words)
    return perf_counter() - started
