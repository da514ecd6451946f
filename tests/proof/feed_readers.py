"""Reader processes that are killed and started again until they have followed the feed to its end; what they kept."""

import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.servers import ROOT
from tests.proof.feed_reader import MOMENTS

KILLED = -9
FROM_OUTSIDE = "killed from outside"


@dataclass(frozen=True)
class Crashing:
    """How often a reader dies: of its own accord once in so many pages, and by others after so many seconds at most."""

    one_in: int
    longest_life: float


@dataclass(frozen=True)
class Kept:
    """What a reader has on its disk at the end: its copy, by id, and each run's rows in the order of their coming."""

    copy: Mapping[str, Any]
    runs: Mapping[int, list[Any]]
    twice: int
    """Rows that a later run was shown again."""
    pages: int
    at_the_head: int
    """Of the pages, those that were not full: the reader had caught up with the writers."""


class Readers:
    def __init__(self, folders: list[Path], port: int, secret: str, crashing: Crashing) -> None:
        self.folders, self.port, self.crashing = folders, port, crashing
        self.environment = {"PATH": os.environ["PATH"], "TOKEN": secret}
        self.deaths: list[Counter[str]] = []  # Of each reader, by moment.
        self.following: list[Future[Counter[str]]] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """On leaving, what was written is followed to its end. Raises RuntimeError where a reader has failed."""
        with ThreadPoolExecutor(len(self.folders)) as threads:
            self.following = [threads.submit(self._follow, folder) for folder in self.folders]
            try:
                yield
            finally:
                for folder in self.folders:
                    (folder / "done").touch()
        self.deaths = [one.result() for one in self.following]

    def _follow(self, folder: Path) -> Counter[str]:
        dice, deaths, run = random.Random(folder.name), Counter[str](), 0
        while True:
            run += 1
            arguments = [str(folder), str(self.port), str(run), str(self.crashing.one_in)]
            command = [sys.executable, "-S", "-m", "tests.proof.feed_reader", *arguments]  # -S: it needs no package.
            with subprocess.Popen(command, cwd=ROOT, env=self.environment) as process:
                try:
                    process.wait(dice.uniform(0.5, self.crashing.longest_life))
                except subprocess.TimeoutExpired:
                    process.kill()
            if process.returncode == 0:
                return deaths
            if process.returncode != KILLED:
                raise RuntimeError(f"A reader ended with {process.returncode}.")
            said = folder / f"died-{run}"
            # One that was killed while it wrote down how it would die said nothing yet.
            moment = said.read_text(encoding="utf-8") if said.exists() else ""
            deaths[moment if moment in MOMENTS else FROM_OUTSIDE] += 1


def kept(folder: Path) -> Kept:
    copy: dict[str, Any] = {}
    runs: dict[int, list[Any]] = {}
    shown: Counter[tuple[str, str]] = Counter()
    sizes: Counter[int] = Counter()
    for line in (folder / "pages").read_bytes().split(b"\n"):
        try:
            page = json.loads(line)
        except ValueError:
            continue  # Empty, or a line that a crash has cut.
        runs.setdefault(page["run"], []).extend(page["rows"])
        sizes[len(page["rows"])] += 1
        for row in page["rows"]:
            copy[row["id"]] = row
            shown[row["id"], row["updatedAtTime"]] += 1
    full = sizes[max(sizes, default=0)]
    return Kept(copy, runs, sum(count - 1 for count in shown.values()), sizes.total(), sizes.total() - full)
