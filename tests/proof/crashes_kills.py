"""Who is killed, in what order, and when: at so many operations, spread evenly over the run."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path
from random import Random

from tests.proof.crashes_postgres import PATIENCE, Postgres
from tests.proof.crashes_processes import await_
from tests.proof.crashes_web import Web


class Target(StrEnum):
    WORKER = "gunicorn worker"
    MASTER = "gunicorn master"
    BACKEND = "PostgreSQL backend"
    POSTMASTER = "PostgreSQL postmaster"
    SERVER = "whole PostgreSQL server"


class Tail:
    """How many operations there are in journals that are still written."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.places = dict.fromkeys(paths, 0)
        self.count = 0

    def look(self) -> int:
        for path, place in self.places.items():
            if not path.exists():
                continue
            with path.open("rb") as file:
                file.seek(place)
                read, whole, _torn = file.read().rpartition(b"\n")
            self.places[path] += len(read + whole)
            self.count += read.count(b'"act"')
        return self.count


@dataclass
class Killer:
    """`deck`: how often each is killed, in random order. `killed`: how often it was."""

    web: Web
    postgres: Postgres
    random: Random
    deck: Mapping[Target, int]
    operations: int
    killed: Counter[Target] = field(default_factory=Counter)

    def work(self, tail: Tail, over: Callable[[], bool], seconds: float) -> None:
        """Until all is done that is to be killed, or the clients are. Raises TimeoutError."""
        deadline = time.monotonic() + seconds
        targets = list(Counter(self.deck).elements())
        self.random.shuffle(targets)
        for number, target in enumerate(targets, start=1):
            due = self.operations * number // (len(targets) + 1)
            while tail.look() < due:
                if over():
                    return
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{tail.count} of {self.operations} operations in {seconds:g} s")
                time.sleep(0.02)
            time.sleep(self.random.uniform(0, 0.1))  # At no particular point of any request.
            await_(partial(self.kill, target), PATIENCE)

    def kill(self, target: Target) -> bool:
        """False: there is none to kill at the moment."""
        match target:
            case Target.WORKER:
                done = self.web.kill_worker(self.random)
            case Target.MASTER:
                done = self.web.kill_master()
            case Target.BACKEND:
                done = self.postgres.kill_backend(self.random)
            case Target.POSTMASTER:
                self.postgres.kill_postmaster()
                self.postgres.start()
                done = True
            case Target.SERVER:
                self.postgres.kill_all()
                self.postgres.start()
                done = True
        self.killed[target] += done
        return done
