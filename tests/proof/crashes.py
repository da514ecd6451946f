"""No acknowledged write is lost: thousands of operations while gunicorn and PostgreSQL are killed, and what is there then.

The PostgreSQL server is one of its own, from the installed binaries, synced as by default; gunicorn has the production
configuration and several workers. Controls: the same with a server that answers before it has synced, and with
idempotency records that are committed apart from their effects.
"""

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from tests.proof import crashes_checker, crashes_client, crashes_journals, crashes_operator, crashes_reader
from tests.proof.crashes_acts import Story
from tests.proof.crashes_checker import Findings, Wrong
from tests.proof.crashes_journals import Journals
from tests.proof.crashes_kills import Killer, Tail, Target
from tests.proof.crashes_operator import Batch, Runs
from tests.proof.crashes_postgres import Postgres, cluster
from tests.proof.crashes_processes import ROOT, await_, child
from tests.proof.crashes_web import OURS, PATIENCE, environment, serving
from tests.proof.figures import Figure
from tests.proof.ground import Ground

CLIENTS = 8
TRIES = 3  # Of a control.
SEED = 20_260
PREPARED = "prepared"
KINDS = ("assign", "enroll in bulk", "complete", "cancel", "unassign")
LEAST = 0.05  # Of the operations, the share of each of these kinds.


@dataclass(frozen=True)
class Trial:
    """A run: what is served over what, and who is killed in it."""

    name: str
    operations: int
    deck: Mapping[Target, int]
    application: str = OURS
    settings: Mapping[str, str] = field(default_factory=dict)  # PostgreSQL's.
    changes: Mapping[str, str] = field(default_factory=dict)  # Of gunicorn's environment.
    batches: int = 0  # For `bulk_enroll`, one after another,
    pause: float = 0.0  # at so many seconds from one another.

    @property
    def patience(self) -> float:
        """Seconds, on a machine that does much else: ten times what it takes on an idle one."""
        return 300 + 0.15 * self.operations


@dataclass(frozen=True)
class Control:
    """`shown`: what its trial must find."""

    claim: str
    trial: Trial
    shown: Callable[[Findings], Wrong]
    brief: str


@dataclass(frozen=True)
class Outcome:
    journals: Journals
    killed: Counter[Target]
    starts: int
    held: int
    interrupted: int
    runs: Runs
    findings: Findings


def ours(*, short: bool) -> Trial:
    if short:
        return Trial("ours", 480, {**dict.fromkeys(Target, 1), Target.WORKER: 2}, batches=16, pause=0.5)
    deck = {Target.WORKER: 22, Target.MASTER: 9, Target.BACKEND: 9, Target.POSTMASTER: 7, Target.SERVER: 7}
    return Trial("ours", 20_400, deck, batches=240, pause=2.0)


# With less, PostgreSQL would write its log before it is killed, though nobody waits for that.
UNSYNCED = {
    "synchronous_commit": "off",
    "wal_writer_delay": "10s",
    "wal_writer_flush_after": "1GB",
    "wal_buffers": "64MB",
}
APART = "tests.proof.crashes_apart:application('{}')"
POOL = {"DATABASE_POOL_SIZE": "12"}  # A request there needs two connections.


def controls(*, short: bool) -> Iterator[Control]:
    yield Control(
        "control: `synchronous_commit=off` with a killed server loses acknowledged writes",
        Trial("unsynced", 160, {Target.SERVER: 2}, settings=UNSYNCED),
        lambda found: found.lost,
        "`synchronous_commit=off`: stories with writes lost",
    )
    yield Control(
        "control: idempotency records committed after their effects let effects be repeated",
        Trial("after", 240, {Target.WORKER: 12}, application=APART.format("after"), changes=POOL),
        lambda found: found.repeated,
        "idempotency records committed after their effects: stories with an effect repeated",
    )
    if short:
        return
    yield Control(
        "control: idempotency records committed before their effects acknowledge what is lost",
        # One request at a time is between its commits, under the ledger lock: a kill of the server hits it, whose it is.
        Trial("before", 80, {Target.SERVER: 6, Target.WORKER: 4}, application=APART.format("before"), changes=POOL),
        lambda found: found.lost,
        "committed before them: stories with writes lost",
    )


def prove(ground: Ground) -> Iterable[Figure]:
    trial = ours(short=ground.short)
    with cluster() as postgres, ground.folder() as folder:
        stories = trial.operations // 6 + 40 * CLIENTS
        scene = prepared(postgres, folder, stories=stories, batches=trial.batches)
        yield from figures(trial, run(trial, postgres, folder, scene))
        for control in controls(short=ground.short):
            yield tried(control, lambda trial: run(trial, postgres, folder, scene))


def tried(control: Control, go: Callable[[Trial], Outcome]) -> Figure:
    """A kill hits the moment that shows it by chance: so often, at most, until one has."""
    for number in range(1, TRIES + 1):
        figure = caught(control, go(replace(control.trial, name=f"{control.trial.name}_{number}")))
        if figure.holds:
            break
    return replace(figure, counted=f"{figure.counted}; run {number} of {TRIES} at most")


def prepared(postgres: Postgres, folder: Path, *, stories: int, batches: int) -> dict[str, Any]:
    """What `crashes_scene` made, in a database that each run gets a copy of."""
    postgres.start()
    postgres.rows("postgres", f"CREATE DATABASE {PREPARED}")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.proof.crashes_scene", str(stories), str(batches)],
        cwd=ROOT,
        env=environment(folder, postgres.url(PREPARED)),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    scene: dict[str, Any] = json.loads(done.stdout)
    return scene


def run(trial: Trial, postgres: Postgres, parent: Path, scene: Mapping[str, Any]) -> Outcome:
    folder = parent / trial.name
    folder.mkdir()
    postgres.stop()
    postgres.start(trial.settings)
    url = postgres.copy(PREPARED, trial.name)
    with serving(folder, url, trial.application, **trial.changes) as web:
        journals = [folder / f"journal-{number}" for number in range(CLIENTS)]
        told(folder, web.port, scene, trial, url)
        killer = Killer(web, postgres, Random(f"{SEED}-{trial.name}"), trial.deck, trial.operations)
        with child(folder, "crashes_reader") as reader:
            with ExitStack() as stack:
                numbers = map(str, range(CLIENTS))
                clients = [stack.enter_context(child(folder, "crashes_client", number)) for number in numbers]
                operator = stack.enter_context(child(folder, "crashes_operator"))
                killer.work(Tail(journals), lambda: all(client.over for client in clients), trial.patience)
                for one in (*clients, operator):
                    one.end(trial.patience)
            # What was acknowledged last is as safe as the rest.
            killer.kill(Target.SERVER)
            await_(web.answers, PATIENCE)
            await_(lambda: postgres.quiet(trial.name), PATIENCE)
            (folder / crashes_reader.FINISH).touch()
            reader.end(trial.patience)
    held, interrupted = crashes_reader.shown(folder)
    written = crashes_journals.read(journals)
    runs = crashes_operator.read(folder)
    findings = crashes_checker.check(
        written,
        lambda statement: postgres.rows(trial.name, statement),
        held,
        [Story(**one) for one in scene["stories"]],
        scene["actor"],
        batches=[Batch(**one) for one in scene["batches"][: trial.batches]],
        runs=runs,
    )
    return Outcome(written, killer.killed, web.starts, len(held), interrupted, runs, findings)


def told(folder: Path, port: int, scene: Mapping[str, Any], trial: Trial, url: str) -> None:
    """What the clients, the operator and the reader need to know, in files."""
    settings = crashes_client.Settings(port, scene["writer"], scene["course"], trial.operations // CLIENTS, SEED)
    stories = [scene["stories"][number::CLIENTS] for number in range(CLIENTS)]
    given = {"settings": asdict(settings), "stories": stories}
    (folder / crashes_client.SETTINGS).write_text(json.dumps(given))
    commands = {
        "environment": environment(folder, url),
        "batches": scene["batches"][: trial.batches],
        "pause": trial.pause,
        "seed": SEED,
    }
    (folder / crashes_operator.SETTINGS).write_text(json.dumps(commands))
    (folder / crashes_reader.SETTINGS).write_text(json.dumps({"port": port, "secret": scene["reader"]}))


def figures(trial: Trial, outcome: Outcome) -> Iterator[Figure]:
    journals, findings, killed = outcome.journals, outcome.findings, outcome.killed
    acknowledged, unknown = journals.acknowledged, journals.unknown
    late = sum(bool(one.failed_at) for one in acknowledged)
    kills = ", ".join(f"{count} x {kind}" for kind, count in sorted(killed.items()))
    yield Figure(
        "`kill -9` in random order, under load; the supervisor and the clients go on",
        f"{killed.total()} kills ({kills}); gunicorn was started {outcome.starts} times; "
        f"the clients saw {journals.failures.total():,} failures",
        killed == Counter(trial.deck) + Counter([Target.SERVER]),
        brief=f"{killed.total()} kills",
    )
    kinds = {kind: journals.kinds[kind] for kind in (*KINDS, *sorted(journals.kinds.keys() - KINDS))}
    yield Figure(
        f"operations of all kinds, each of {', '.join(KINDS)} at least {LEAST:.0%} of them",
        ", ".join(f"{kind} {count:,}" for kind, count in kinds.items()),
        all(kinds[kind] >= LEAST * len(journals.sent) for kind in KINDS),
        brief=", ".join(f"{kind} {kinds[kind]:,}" for kind in KINDS),
    )
    yield Figure(
        "every acknowledged write is there with its values: as sent, and as answered",
        f"{len(journals.sent):,} operations, {len(acknowledged):,} acknowledged, {late:,} of them only when sent again; "
        f"{findings.values:,} values of the answers compared" + said(findings.lost),
        len(journals.sent) >= trial.operations and bool(findings.values) and not findings.lost,
        brief=f"{len(journals.sent):,} operations, {len(acknowledged):,} acknowledged: {len(findings.lost)} lost",
    )
    yield Figure(
        "nothing is there that nobody sent; what was never answered is there wholly or not at all",
        f"{findings.rows:,} rows; of {len(unknown):,} operations without an answer {findings.happened:,} happened"
        + said(findings.unsent),
        bool(findings.rows) and not findings.unsent,
        brief=f"{findings.rows:,} rows: {len(findings.unsent)} not sent",
    )
    repeated = sum(len(one.again) for one in acknowledged)
    yield Figure(
        "one effect and one answer for each idempotency key",
        f"{findings.keys:,} keys; {late + repeated:,} sent again, of which {findings.twice + repeated:,} had happened"
        + said(findings.repeated)
        + said(findings.answered)
        + said(findings.refused),
        bool(findings.keys) and not (findings.repeated or findings.answered or findings.refused),
        brief=f"{findings.keys:,} keys: {len(findings.repeated)} effects repeated",
    )
    yield Figure(
        "a reader of the feed holds the same records with the same values as the tables",
        f"{outcome.held:,} records; resumed from its cursor after {outcome.interrupted:,} failures"
        + said(findings.unseen),
        bool(outcome.held) and not findings.unseen,
        brief=f"the feed's reader has {outcome.held:,} records: {len(findings.unseen)} differ",
    )
    yield commands(trial, outcome)


def commands(trial: Trial, outcome: Outcome) -> Figure:
    statuses, wrong = outcome.runs.statuses, outcome.findings.commands
    killed = statuses[-signal.SIGKILL]
    late = sum(not any(run.get("counts", {}).get("enrolled") for run in runs) for runs in outcome.runs.said.values())
    return Figure(
        "`bulk_enroll` under the same kills, and killed itself (`kill -9`): what it says is done is done, and what is run "
        "again is finished, once",
        f"{len(outcome.runs.said)} batches in {statuses.total()} runs, of which {killed} were killed and "
        f"{statuses[1]} failed or found all enrolled; {late} batches were in without a run that could say so"
        + said(wrong),
        len(outcome.runs.said) == trial.batches and killed >= max(1, trial.batches // 10) and not wrong,
        brief=f"`bulk_enroll` killed {killed} times: {len(wrong)} of {trial.batches} batches wrong",
    )


def caught(control: Control, outcome: Outcome) -> Figure:
    found = outcome.findings
    counts = {
        "lost": found.lost,
        "not sent": found.unsent,
        "repeated": found.repeated,
        "answered otherwise": found.answered,
        "refused": found.refused,
        "shown otherwise": found.unseen,
    }
    counted = ", ".join(f"{len(wrong)} {word}" for word, wrong in counts.items())
    shown = control.shown(found)
    return Figure(
        control.claim,
        f"{len(outcome.journals.sent):,} operations, {outcome.killed.total()} kills; stories (or records) with something "
        f"{counted}",
        bool(shown),
        brief=f"{control.brief} {len(shown)}",
    )


def said(wrong: Wrong) -> str:
    some = [f"{where}: {what[0]}" for where, what in islice(wrong.items(), 3)]
    return f"; **{len(wrong):,} wrong**, such as {'; '.join(some)}" if wrong else ""
