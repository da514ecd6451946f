"""Every route by every method and every credential, on PostgreSQL, by the tests that the suite runs; and what they catch."""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import psycopg

from tests.benchmarks.databases import SERVER, scratch_database
from tests.proof.figures import Figure
from tests.proof.ground import Ground

ROOT = Path(__file__).resolve().parents[2]
APIS, PAGES, MAP, ROLES = (
    "tests/access/test_apis.py",
    "tests/access/test_pages.py",
    "tests/access/test_map.py",
    "tests/accounts/test_access.py",
)
# How an answer is counted, in words: letters are those of the admin's table.
ANSWERS = {"i": "let in", "l": "led to the login", "g": "led to the start page", "r": "403", "h": "404"}
# What is broken, where that must show, and by which tests.
CONTROLS = (
    ("scope", "a view of an API that asks for no scope", [APIS, "-k", "training/courses"]),
    ("role", "a page of the admin that is open to all staff", [ROLES, "-k", "training_unit"]),
    ("login", "a page of the admin that asks for no login", [PAGES, "-k", "not_staff and search"]),
    ("route", "a route without a row", [MAP]),
)


@dataclass(frozen=True)
class Run:
    """`cells` by how they were answered; `routes` are those of them; `failed` are the names of tests."""

    passed: int
    failed: list[str]
    cells: Counter[str]
    routes: int


def prove(ground: Ground) -> Iterable[Figure]:
    with ready() as (folder, url):
        asked = [MAP, APIS] if ground.short else [MAP, APIS, PAGES, ROLES]
        done = run(folder, url, asked, ACCESS_WHOLE="" if ground.short else "1")
        answers = ", ".join(f"{count:,} {answer}" for answer, count in done.cells.most_common())
        yield Figure(
            "Every route by every method and every credential is answered as the table says",
            f"{done.routes} routes, {done.cells.total():,} cells: {answers}; {done.passed:,} tests passed, "
            f"{len(done.failed)} failed",
            done.passed > 0 and done.cells.total() > 0 and not done.failed,
            brief=f"{done.routes} routes, {done.cells.total():,} cells: {len(done.failed)} wrong",
        )
        for what, said, tests in CONTROLS:
            broken = run(folder, url, ["-p", "tests.proof.access_broken", *tests], BREAK=what)
            yield Figure(
                f"Control: {said} is caught",
                f"{len(broken.failed)} tests failed, as they must",
                bool(broken.failed),
                brief=f"{said}: {len(broken.failed)} failures",
            )


@contextmanager
def ready() -> Iterator[tuple[Path, str]]:
    """A folder for reports, and the address of a database beside which the tests make theirs."""
    with tempfile.TemporaryDirectory() as folder, scratch_database() as url, database_of_tests(url):
        yield Path(folder), url


@contextmanager
def database_of_tests(url: str) -> Iterator[None]:
    """Made by the first run, kept for those behind it, and dropped at the end."""
    name = f"test_{urlsplit(url).path.strip('/')}"
    try:
        yield
    finally:
        with psycopg.connect(SERVER, autocommit=True) as server:
            server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def run(folder: Path, url: str, arguments: list[str], **changes: str) -> Run:
    """Raises RuntimeError where pytest did not come to running its tests."""
    report = folder / "report.xml"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", "--reuse-db", "--show-capture=no", f"--junitxml={report}"]
    ended = subprocess.run(
        [*command, "-o", "junit_family=xunit1", *arguments],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings", **changes},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode not in {0, 1}:
        raise RuntimeError(f"pytest ended with {ended.returncode}: {ended.stdout[-2000:]}{ended.stderr[-2000:]}")
    return read(report)


def read(report: Path) -> Run:
    passed, failed, cells, routes = 0, [], Counter[str](), 0
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - our own file
        given = {one.get("name"): one.get("value", "") for one in case.iter("property")}
        for answer, count in json.loads(given.get("cells", "{}")).items():
            cells[ANSWERS.get(answer, "let in" if answer[0] in "23" else answer)] += count
        routes += int(given.get("routes", "0"))
        if case.find("failure") is None and case.find("error") is None:
            passed += 1
        else:
            failed.append(str(case.get("name")))
    return Run(passed, failed, cells, routes)
