"""An import that is killed at any point and started again ends in the state of one that was not; two at once too."""

import contextlib
import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.concurrency.databases import KIND, POOLER, ROOT, scratch_url

POINTS = 20 if KIND == "postgresql" else 4  # What is killed between and within is the same code.
ROWS = 400
SEED = 20_261_121
LAST_DAY = date(2026, 11, 20)


class Forks:
    """Children of one process that work on one database."""

    def __init__(self, folder: Path, url: str) -> None:
        environment = {
            "PATH": os.environ["PATH"],
            "DATA_DIR": str(folder),
            "DATABASE_URL": url,
            "DATABASE_POOLER": POOLER,
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        start = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
        subprocess.run(start, cwd=ROOT, env=environment, check=True)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.concurrency.forked"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, do: str, *arguments: str) -> int:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps({"do": do, "arguments": arguments}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "The process that forks has died."
        return int(line)

    def end(self) -> dict[str, Any]:
        assert self.process.stdout
        ended: dict[str, Any] = json.loads(self.process.stdout.readline())
        return ended

    def run(self, do: str, *arguments: str) -> Any:
        self.start(do, *arguments)
        ended = self.end()
        assert ended["status"] == 0, ended
        return ended["answer"]

    def stop(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    folder = tmp_path_factory.mktemp("forks")
    with scratch_url(KIND, folder) as url:
        made = Forks(folder, url)
        yield made
        made.stop()


def people() -> Iterable[Sequence[Any]]:
    """A third of the first ones are there already, under other names; some rows are refused."""
    yield ("employee_id", "first_name", "last_name", "mail", "username", "active", "groups")
    for number in range(ROWS):
        mail = "no mail" if number % 50 == 7 else f"e{number}@example.com"
        if number == 1:
            mail = (
                "e57@example.com"  # Held by somebody who gives it up in a later chunk: refused, whenever it is asked.
            )
        elif number == 57:
            mail = "moved@example.com"
        groups = "Drivers;Night shift" if number % 2 else ""
        yield (f"E{number}", "Ada", f"After {number}", mail, f"e{number}", "yes" if number % 9 else "no", groups)


def courses() -> Iterable[Sequence[Any]]:
    yield ("code", "title", "category", "duration_hours", "certificate_months", "prerequisites")
    for number in range(ROWS):
        required = f"C{number - 1};C{number - 3}" if number % 10 == 9 else ""
        if number == 11:
            required = "C300"  # Of a later chunk.
        yield (f"C{number}", f"After {number}", "safety", "-1" if number % 50 == 7 else "1.5", 12, required)


def records() -> Iterable[Sequence[Any]]:
    """Of the people and courses that are there before any import."""
    yield ("employee_id", "course", "completed_on", "score")
    for number in range(ROWS):
        day = date.max if number % 50 == 7 else LAST_DAY - timedelta(days=number)
        yield (f"E{number % 20 * 3}", f"C{number // 20 % 5}", day.isoformat(), number % 101)


FILES = {"import_people": people, "import_courses": courses, "import_records": records}


@pytest.fixture(scope="module", params=FILES)
def imported(request: pytest.FixtureRequest, forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> "Import":
    return Import(request.param, forks, tmp_path_factory.mktemp("files") / "rows.csv")


class Import:
    """One command with one file, and what it leaves behind when nothing happens to it."""

    def __init__(self, command: str, forks: Forks, file: Path) -> None:
        self.command, self.forks, self.file = command, forks, file
        with file.open("w", encoding="utf-8", newline="") as out:
            csv.writer(out).writerows(FILES[command]())
        whole, timed = self.slug("whole"), self.slug("timed")
        forks.run("prepare", whole, timed)
        self.before = self.state(whole)
        assert forks.run("command", *self.arguments(whole)) == 2
        self.after = self.state(whole)
        started = time.monotonic()
        assert forks.run("command", *self.arguments(timed)) == 2
        self.seconds = time.monotonic() - started

    def slug(self, name: str) -> str:
        return f"{self.command.replace('_', '-')}-{name}"

    def arguments(self, slug: str) -> list[str]:
        return [self.command, "--organization", slug, str(self.file)]

    def state(self, slug: str) -> dict[str, Any]:
        found: dict[str, Any] = self.forks.run("state", slug)
        return found


def written(state: dict[str, Any]) -> dict[str, Any]:
    return {name: rows for name, rows in state.items() if name != "operations"}


def test_the_import_does_something_worth_killing(imported: Import) -> None:
    assert written(imported.before) != written(imported.after)
    (operation,) = imported.after["operations"]
    assert (operation["finished"], operation["rows"], sum(operation["counts"].values())) == (True, ROWS, ROWS)
    assert operation["counts"].keys() >= {"created", "refused"}


def test_an_import_killed_at_any_point_and_started_again_ends_as_if_nothing_had_happened(imported: Import) -> None:
    chance = random.Random(SEED)
    forks, seconds, killed, in_the_middle = imported.forks, imported.seconds, 0, 0
    slugs = [imported.slug(f"killed-{point}") for point in range(2 * POINTS)]
    forks.run("prepare", *slugs)
    for slug in slugs:
        if killed == POINTS:
            break
        pid = forks.start("command", *imported.arguments(slug))
        # Each in a slice of its own, so that the points lie all along the run.
        time.sleep(seconds * (killed + chance.random()) / (POINTS + 2))
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        if forks.end()["status"] != -signal.SIGKILL:
            seconds *= 0.8  # It was quicker than the one that was timed, and is over.
            continue
        killed += 1
        left = imported.state(slug)
        # What was committed is whole chunks, counted as they are.
        for operation in left["operations"]:
            assert sum(operation["counts"].values()) == operation["rows"]
            assert operation["finished"] <= (operation["rows"] == ROWS)
        if any(operation["finished"] for operation in left["operations"]):
            continue  # All was done; only the process had not ended.
        in_the_middle += written(imported.before) != written(left) != written(imported.after)

        assert forks.run("command", *imported.arguments(slug)) == 2
        ended = imported.state(slug)
        assert written(ended) == written(imported.after)
        again = ended["operations"][-1]
        assert (again["finished"], again["rows"], sum(again["counts"].values())) == (True, ROWS, ROWS)
    assert (killed, in_the_middle >= POINTS / 4) == (POINTS, True)


def test_two_imports_of_one_file_at_once_make_nothing_twice(imported: Import) -> None:
    slug, forks = imported.slug("twice"), imported.forks
    forks.run("prepare", slug)
    arguments = imported.arguments(slug)
    forks.start("command", *arguments)
    forks.start("command", *arguments)
    assert [(ended["status"], ended["answer"]) for ended in (forks.end(), forks.end())] == [(0, 2), (0, 2)]
    ended = imported.state(slug)
    assert written(ended) == written(imported.after)
    (once,) = imported.after["operations"]
    made = [operation["counts"].get("created", 0) for operation in ended["operations"]]
    assert (sum(made), [operation["rows"] for operation in ended["operations"]]) == (
        once["counts"]["created"],
        [ROWS, ROWS],
    )
