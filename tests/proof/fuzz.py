"""Fuzz: schemathesis over each family's OpenAPI document, all checks on.

No 5xx, no answer outside its schema, no invalid input accepted, and no valid input refused but for the state of things.
The tool's `max_response_time` asks for a limit and is not on (how fast is SCALING.md's matter), and its
`object_level_authorization` needs a second identity, which the part `access` has: it runs, and finds nothing to ask.
"""

import logging
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from urllib.parse import quote

from tests.benchmarks.databases import scratch_database
from tests.benchmarks.parts import close_connections
from tests.contracts.families import FAMILIES
from tests.proof.figures import Figure
from tests.proof.fuzz_controls import CONTROLS
from tests.proof.fuzz_run import CHECKS, Outcome, World, fuzz
from tests.proof.ground import Ground

SHORT, FULL = 100, 10_000  # Cases of each operation, and of each family.
WALKS_SHORT, WALKS_FULL = 5, 150  # Through several operations, each with what the ones before it answered.
PROCESSES = 2
# The slowest first.
TITLES = {
    "training": "Training API",
    "train_sessions": "Train Sessions API",
    "training_assignments": "Training Assignments API",
    "programs": "Programs API",
}


def prove(ground: Ground) -> Iterable[Figure]:
    operations = {family.name: len(family.routes) for family in FAMILIES}
    with ground.django() as url, ExitStack() as stack:
        from tests.proof.fuzz_world import make_world  # noqa: PLC0415 - after the settings

        world = make_world()
        close_connections()  # A database with connections cannot be copied.
        with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as processes:
            fuzzed = {
                family: processes.submit(
                    fuzz_one,
                    stack.enter_context(scratch_database(url)),
                    family,
                    world,
                    asked=SHORT if ground.short else -(-FULL // operations[family]),
                    walks=WALKS_SHORT if ground.short else WALKS_FULL,
                )
                for family in TITLES
            }
            broken = processes.submit(run_controls, stack.enter_context(scratch_database(url)), world)
            outcomes = {family: running.result() for family, running in fuzzed.items()}
            controls = broken.result()
    for family, outcome in outcomes.items():
        yield conforms(outcome, operations[family], short=ground.short)
    for control, failures in zip(CONTROLS, controls, strict=True):
        found = failures[control.caught_by]
        yield Figure(
            f"control: {control.claim} is found",
            f"`{control.caught_by}` failed {found} times",
            found > 0,
            brief=f"{control.claim}: {found} failures",
        )


@contextmanager
def serving(url: str) -> Iterator[None]:
    """Django in this process, on a database that is there, without limits, for the host that the tool calls."""
    limits = ("TRAIN_SESSIONS", "ASSIGNMENTS_READ", "ASSIGNMENTS_WRITE", "PROGRAMS", "TRAINING")
    with tempfile.TemporaryDirectory(prefix="training-ledger-proof-") as folder:
        os.environ.update(
            # What is committed need not be on disk.
            DATABASE_URL=f"{url}?options={quote('-c jit=off -c synchronous_commit=off')}",
            DATA_DIR=folder,
            DJANGO_SETTINGS_MODULE="config.settings",
            LOG_LEVEL="CRITICAL",
            ALLOWED_HOSTS="localhost",
            **{f"RATE_LIMIT_{name}": "" for name in limits},
        )
        import django  # noqa: PLC0415 - after the environment

        django.setup()
        yield
        close_connections()


def fuzz_one(url: str, family: str, world: World, *, asked: int, walks: int) -> Outcome:
    started = time.monotonic()
    with serving(url):
        outcome = fuzz(family, world, asked=asked, walks=walks)
    outcome.seconds = time.monotonic() - started
    return outcome


def run_controls(url: str, world: World) -> list[Counter[str]]:
    """The failures of each, by check."""
    found = []
    with serving(url):
        for control in CONTROLS:
            with quiet(), control.breaking():
                found.append(fuzz(control.family, world, asked=40, walks=0, only=control.path).failures)
    return found


@contextmanager
def quiet() -> Iterator[None]:
    """Crashes made on purpose are in no log."""
    logging.disable()
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def conforms(outcome: Outcome, operations: int, *, short: bool) -> Figure:
    """Each operation was asked and has done what it is for; each check ran, and failed for nothing; and of what the
    schema allows at most half was refused, for a known reason.
    """
    for text in outcome.shown:
        sys.stderr.write(f"{outcome.family}: {text}\n")
    cases, fewest = outcome.cases.total(), min(outcome.cases.values(), default=0)
    crashes = sum(count for status, count in outcome.answers.items() if not 100 <= status < 500)
    enough = fewest >= SHORT if short else cases >= FULL
    done, excused, valid = +outcome.done, outcome.excused.total(), outcome.positive.total()
    never = [label for label in outcome.cases if label not in done]
    missed = sorted(CHECKS ^ (+outcome.checks).keys())
    failed = ", ".join(f"{name} {count}" for name, count in sorted(outcome.failures.items())) or "none failed"
    answers = ", ".join(f"{status}: {count:,}" for status, count in sorted(outcome.answers.items()))
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in outcome.excused.most_common()) or "none"
    return Figure(
        f"{TITLES[outcome.family]}: no 5xx, no answer outside its schema, no invalid input accepted, and no valid input "
        "refused but for the state of things or for two values that do not go together",
        f"{cases:,} cases over {len(outcome.cases)} operations, at least {fewest} each ({outcome.seconds:.0f} s), and "
        f"{outcome.unknown.total()} with unknown parameters alone; each operation has succeeded at least "
        f"{min((done[label] for label in outcome.cases), default=0)} times"
        + "".join(f", {label} NEVER" for label in never)
        + f"; {len(outcome.checks)} checks held {outcome.checks.total():,} times, {failed}"
        + "".join(f", {name} not as known" for name in missed)
        + f"; of {valid:,} valid cases {excused:,} were refused for what no schema can say ({reasons}); answers {answers}",
        enough
        and len(outcome.cases) == operations
        and not never
        and not missed
        and not crashes
        and not outcome.failures
        and excused <= valid / 2,
        brief=f"{TITLES[outcome.family]} {cases:,} cases, {outcome.failures.total()} failures",
    )
