"""The HTTP endpoints, beside the same endpoints written as usual, beside bare SQL, and beside PostgreSQL's own COPY."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import psycopg

from tests.benchmarks import filters
from tests.benchmarks.asked import Asked, check_same, everywhere, feed_page, pages, training
from tests.benchmarks.client import Client, Streamed, another_reading
from tests.benchmarks.findings import Bar, Figures, Finding, Result, at_most, beside, percentile
from tests.benchmarks.ledger import FIFTH, MAIN, build
from tests.benchmarks.servers import Server, all_running, cores, pin_client, seconds_to_start

LIVE = """
FROM training_trainsession AS t JOIN enrollments_course AS c ON c.id = t.course_id
    JOIN accounts_person AS p ON p.id = t.person_id
WHERE t.organization_id = {organization} AND t.unassigned_at IS NULL
"""
COPY = f"""
COPY (
    SELECT t.id, c.code, t.score, t.percent, t.failed_attempts, t.state, t.cert_expiry, t.completed_at, t.due_at,
        p.first_name, p.last_name, t.time_spent {LIVE} ORDER BY t.id DESC
) TO STDOUT
"""
STAMP = """
SELECT updated_at FROM training_trainsession WHERE organization_id = %s ORDER BY updated_at, id
OFFSET greatest((SELECT count(*) FROM training_trainsession WHERE organization_id = %s) - 601, 0) LIMIT 1
"""
LIST = "/api/train_sessions"
LIST_BARS = {"stock": Bar(15, 25), "COPY": Bar(45, 60)}
FIRST_BYTE, MEMORY, NEIGHBOUR, START = Bar(100, 50), Bar(30, 5), Bar(50, 15), Bar(1.5, 1)
BEGINNING = "2000-01-01T00:00:00Z"
TRAINING = ("courses", "sessions", "enrollments", "employees")


@dataclass(frozen=True)
class Effort:
    """How much is measured. `seconds`: of one server in one round, at least three requests."""

    rounds: int
    lists: int
    seconds: float
    neighbour: float
    starts: int


FULL, SHORT = Effort(rounds=9, lists=3, seconds=0.4, neighbour=10, starts=5), Effort(1, 1, 0.02, 0.3, 1)


def measure(folder: Path, url: str, *, records: int, short: bool) -> Result:
    effort = SHORT if short else FULL
    build(url, records)
    pin_client()
    with all_running(folder, url) as servers, psycopg.connect(url, autocommit=True) as database:
        wire = Wire(servers, database, effort)
        findings = [
            *wire.train_sessions(),
            *wire.lists(),
            *wire.neighbour(),
            *wire.feed(),
            *wire.training(),
            *wire.programs(),
        ]
        filtered, slowest = filters.measure(servers["ours"], database, repeats=1 if short else 2, few=short)
    starts = [seconds_to_start(folder, url) for _ in range(effort.starts)]
    start = Figures(starts).seconds
    findings += [*filtered, at_most("process start to first answer", start, "s", bar=START, raw=starts)]
    return Result(findings, after=slowest, more={"records": records})


class Wire:
    def __init__(self, servers: Mapping[str, Server], database: "psycopg.Connection[Any]", effort: Effort) -> None:
        self.servers, self.database, self.effort = servers, database, effort

    def clients(self, stack: ExitStack, organization: int = MAIN) -> dict[str, Client]:
        return {name: stack.enter_context(server.client(organization)) for name, server in self.servers.items()}

    def timed(self, *several: Asked) -> list[dict[str, Figures]]:
        """All of these requests in turns, by server: the median time of each round."""
        with ExitStack() as stack:
            clients = self.clients(stack)
            turns = [(asked, name) for asked in several for name in asked.paths]
            found = [{name: Figures() for name in asked.paths} for asked in several]
            for asked, name in turns:
                in_a_round(clients[name], asked.paths[name], self.effort.seconds)  # Not counted.
            for round_ in range(self.effort.rounds):
                for asked, name in turns if round_ % 2 else reversed(turns):
                    seconds = in_a_round(clients[name], asked.paths[name], self.effort.seconds)
                    found[several.index(asked)][name].rounds.append(seconds)
        return found

    def compared(self, asked: Asked, *, least: int = 1) -> list[Finding]:
        with ExitStack() as stack:
            check_same(asked, self.clients(stack), least=least)
        [found] = self.timed(asked)
        return lines(asked.name, asked.bars, found)

    def train_sessions(self) -> list[Finding]:
        return [finding for asked in pages(self.database) for finding in self.compared(asked)]

    def lists(self) -> list[Finding]:
        """Stock holds the whole list in memory: it is asked for the smaller one alone, which takes it a gigabyte."""
        smaller, memory = self.listed(FIFTH, ("ours", "stock", "bare", "COPY"))
        larger, more_memory = self.listed(MAIN, ("ours", "bare", "COPY"))
        larger["stock"] = smaller["stock"]
        findings = []
        for found, (mb, first_bytes) in ((smaller, memory), (larger, more_memory)):
            name = f"complete list of {found['ours'].rows:,}"
            findings += lines(name, LIST_BARS, found)
            findings.append(self.beside_bare(name, found))
            first = Figures(first_bytes)
            findings.append(at_most(f"{name}: first byte", first.seconds * 1000, "ms", bar=FIRST_BYTE, raw=first_bytes))
            findings.append(at_most(f"{name}: memory of the worker", mb, "MB", bar=MEMORY))
        return findings

    def beside_bare(self, name: str, found: Mapping[str, Figures]) -> Finding:
        return beside(name, found["ours"], "bare", found["bare"], bar=None, percent=True)

    def listed(self, organization: int, names: tuple[str, ...]) -> tuple[dict[str, Figures], tuple[float, list[float]]]:
        """Figures by peer; the memory that ours took more, in MB, and its first bytes, in seconds."""
        counted = self.database.execute(f"SELECT count(*) {LIVE.format(organization=organization)}".encode()).fetchone()
        found = {name: Figures(rows=counted[0] if counted else 0) for name in names}
        first_bytes = []
        with ExitStack() as stack:
            clients = self.clients(stack, organization)
            if "stock" in names:
                check_same(Asked(f"list of {organization}", everywhere(LIST)), clients)
            alike = {clients[name].stream(LIST, digest=True).digest for name in ("ours", "bare")}
            if len(alike) > 1:
                raise RuntimeError("The complete lists of ours and bare are not the same.")
            before = self.servers["ours"].forget_peak()
            for _ in range(self.effort.lists):
                for name in names:
                    if name == "COPY":
                        found[name].rounds.append(self.copied(organization))
                        continue
                    streamed: Streamed = clients[name].stream(LIST)
                    found[name].rounds.append(streamed.seconds)
                    if name == "ours":
                        first_bytes.append(streamed.first_byte)
            memory = self.servers["ours"].peak() - before
        return found, (max(memory, 0.0), first_bytes)

    def copied(self, organization: int) -> float:
        started = perf_counter()
        with self.database.cursor().copy(COPY.format(organization=organization).encode()) as copy:
            while copy.read():
                pass
        return perf_counter() - started

    def neighbour(self) -> list[Finding]:
        """A small request, while another client reads the complete list from the same worker."""
        small = pages(self.database)[0].paths["ours"]
        found: dict[str, list[float]] = {}
        # Stock is spared the list that would take it gigabytes.
        for name, organization in (("ours", MAIN), ("stock", FIFTH)):
            server = self.servers[name]
            with server.client() as client, another_reading(server.port, organization, LIST, cores()[1]):
                sleep(min(self.effort.neighbour / 2, 2))
                found[name] = during(client, small, self.effort.neighbour)
        shown = {name: percentile(seconds, 0.99) * 1000 for name, seconds in found.items()}
        finding = at_most("a small request's p99 beside a list", shown["ours"], "ms", bar=NEIGHBOUR, raw=found)
        finding.beside, finding.its = "stock", f"{shown['stock']:,.3g} ms"
        return [finding]

    def feed(self) -> list[Finding]:
        first = feed_page(
            self.servers, BEGINNING, "change feed, page of 200", {"stock": Bar(4, 6.5), "bare": Bar(60, 85)}
        )
        findings = self.compared(first)
        stamp = self.database.execute(STAMP, [MAIN, MAIN]).fetchone()
        start = stamp[0].isoformat() if stamp else BEGINNING
        ours = {"ours": self.servers["ours"]}
        early = feed_page(ours, BEGINNING, "first", {})
        late = feed_page(ours, start, "last", {})
        of_first, of_last = self.timed(early, late)
        return [*findings, compared_to_first("change feed, its last page", of_first, of_last, Bar(1.2, 1.1))]

    def training(self) -> list[Finding]:
        findings = []
        for name in TRAINING:
            first = training(name)
            findings += self.compared(first)
            with self.servers["ours"].client() as client:
                meta = client.json(first.paths["ours"])["meta"]
            last = training(name, page=meta["last_page"])
            of_first, of_last = self.timed(only_ours(first), only_ours(last))
            findings.append(
                compared_to_first(f"{name}, their last page of {meta['last_page']:,}", of_first, of_last, Bar(3, 3))
            )
        return findings

    def programs(self) -> list[Finding]:
        path = "/api/v1/programs/sessions"
        asked = Asked("program sessions, the complete list", {"ours": path, "stock": path})
        with ExitStack() as stack:
            clients = self.clients(stack)
            count = check_same(asked, clients)
            found = {name: Figures(rows=count) for name in asked.paths}
            for _ in range(self.effort.lists):
                for name, path in asked.paths.items():
                    found[name].rounds.append(clients[name].stream(path).seconds)
        return lines(f"program sessions, all {count:,}", {"stock": Bar(4, 9)}, found)


def only_ours(asked: Asked) -> Asked:
    return Asked(asked.name, {"ours": asked.paths["ours"]})


def in_a_round(client: Client, path: str, seconds: float) -> float:
    return Figures(during(client, path, seconds)).seconds


def during(client: Client, path: str, seconds: float) -> list[float]:
    """So long, and at least three times."""
    found: list[float] = []
    ends = perf_counter() + seconds
    while len(found) < 3 or perf_counter() < ends:  # A median needs three.
        found.append(client.seconds(path))
    return found


def lines(name: str, bars: Mapping[str, Bar], found: Mapping[str, Figures]) -> list[Finding]:
    return [
        beside(name, found["ours"], peer, found[peer], bar=bar, percent=peer != "stock") for peer, bar in bars.items()
    ]


def compared_to_first(name: str, first: Mapping[str, Figures], last: Mapping[str, Figures], bar: Bar) -> Finding:
    one, other = first["ours"], last["ours"]
    finding = at_most(name, other.seconds / one.seconds, "x", bar=bar, raw=[one.rounds, other.rounds])
    finding.ours, finding.beside, finding.its = f"{other.rate:,.0f} /s", "the first", f"{one.rate:,.0f} /s"
    return finding
