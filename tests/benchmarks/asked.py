"""The requests that are measured, and the peers' answers held to ours: all of them must say the same rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

import psycopg

from tests.benchmarks.client import Client
from tests.benchmarks.findings import Bar
from tests.benchmarks.ledger import MAIN, ZONE
from tests.benchmarks.servers import Server

WORDS = {"assigned": "Assigned", "in_progress": "In Progress", "failed": "Failed", "completed": "Completed"}
# The due day and state of which there are so many records, or as nearly as can be.
DAY = """
SELECT state, (due_at AT TIME ZONE %(zone)s)::date AS day, count(*) AS counted FROM training_trainsession
WHERE organization_id = %(organization)s AND unassigned_at IS NULL AND due_at IS NOT NULL GROUP BY 1, 2
ORDER BY count(*) < %(least)s, abs(count(*) - %(wanted)s), 2, 1 LIMIT 1
"""
Paths = dict[str, str]  # By server.


@dataclass(frozen=True)
class Asked:
    name: str
    paths: Paths
    bars: Mapping[str, Bar] = field(default_factory=dict)


def pages(database: "psycopg.Connection[Any]") -> list[Asked]:
    """Pages of a filtered list, as a user asks for them: what is due that day and not done."""
    few, many = (day(database, wanted=wanted, least=least) for wanted, least in ((300, 100), (1_200, 1_000)))
    wanted = [
        (10, few, {"stock": Bar(3, 4.5), "bare": Bar(60, 80)}),
        (100, few, {"stock": Bar(4, 6.5), "bare": Bar(60, 85)}),
        (1_000, many, {"stock": Bar(7, 11), "bare": Bar(60, 95)}),
    ]
    return [
        Asked(
            f"train sessions, page of {size:,}",
            everywhere(f"/api/train_sessions?status_eq={quote(state)}&complete_by_eq={due}&page=1&per_page={size}"),
            bars,
        )
        for size, (state, due), bars in wanted
    ]


def day(database: "psycopg.Connection[Any]", *, wanted: int, least: int) -> tuple[str, str]:
    given = {"zone": ZONE, "organization": MAIN, "wanted": wanted, "least": least}
    row = database.execute(DAY, given).fetchone()
    if row is None:
        raise RuntimeError("No record has a due day.")
    return WORDS[row[0]], row[1].isoformat()


def everywhere(path: str) -> Paths:
    return dict.fromkeys(("ours", "stock", "bare"), path)


def feed_page(servers: Mapping[str, Server], start: str, name: str, bars: Mapping[str, Bar]) -> Asked:
    """The second page from `start` on, as a client gets there that follows the cursor."""
    path = f"/training-assignments/stream?startTime={quote(start)}"
    paths: Paths = {}
    for server in servers.values():
        with server.client() as client:
            answer = client.json(path)
        if "next" in answer:  # Stock's.
            link = urlsplit(answer["next"])
            paths[server.name] = f"{link.path}?{link.query}"
        else:
            end = quote(answer["pagination"]["endCursor"])
            paths[server.name] = (
                f"{path}&after={end}" if server.name == "ours" else f"{path.partition('?')[0]}?after={end}"
            )
    return Asked(name, paths, bars)


def training(name: str, size: int = 100, page: int = 1) -> Asked:
    path = f"/api/v1/training/{name}?page={page}&per_page={size}"
    return Asked(f"{name}, page of {size}, exact total", {"ours": path, "stock": path}, {"stock": Bar(10, 20)})


def rows_of(body: Any) -> list[Any]:
    """Whatever the envelope."""
    if isinstance(body, dict):
        body = body.get("data", body.get("results"))
    if not isinstance(body, list):
        raise TypeError("The answer is no list of rows.")
    return body


def check_same(asked: Asked, clients: Mapping[str, Client], *, least: int = 1) -> int:
    """How many rows all of them answer. Raises RuntimeError where a peer answers others."""
    ours = rows_of(clients["ours"].json(asked.paths["ours"]))
    if len(ours) < least:
        raise RuntimeError(f"{asked.name}: only {len(ours)} rows.")
    for name, path in asked.paths.items():
        theirs = ours if name == "ours" else rows_of(clients[name].json(path))
        if theirs != ours:
            other = next((pair for pair in zip(ours, theirs, strict=False) if pair[0] != pair[1]), "the number of rows")
            raise RuntimeError(f"{asked.name}: {name} does not answer as ours does: {other}")
    return len(ours)
