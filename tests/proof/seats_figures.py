"""The run, the same run without the lock, and what each of them has shown."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from time import monotonic

from enrollments.services import enrolling
from programs.services import membership
from tests.concurrency.threads import unlocked
from tests.proof.figures import Figure
from tests.proof.seats_attempts import Rival, undocumented
from tests.proof.seats_client import api_client
from tests.proof.seats_history import Played, play, tables
from tests.proof.seats_observer import Seen, deadlocks, observed, overfull
from tests.proof.seats_rivals import IN_A_GROUP, PROCESSES, Told, compete
from tests.proof.seats_scene import SESSION, Place, Scene, make_scene

CONTROL = 200
# Each has a ledger lock of its own. In one alone, 32 processes would all stand in one queue.
ORGANIZATIONS = 4
MOST_BUSY = 0.01
MOST_BUSY_AT_FIRST = 0.1  # All processes start at once, on connections and statements that are new to all of them.
SHOWN = 3


@dataclass(frozen=True)
class Run:
    scenes: Sequence[Scene]
    told: Told
    seen: Seen
    played: Played
    at_the_end: int
    seconds: float
    deadlocks: int

    @property
    def places(self) -> list[Place]:
        return [place for scene in self.scenes for place in scene.places]

    @property
    def too_many(self) -> tuple[int, int, int]:
        """Places in the history, looks of the observer, places at the end."""
        return len(self.played.overfull), self.seen.overfull, self.at_the_end


def proved(url: str, *, attempts: int) -> Iterator[Figure]:
    scenes = [make_scene(groups=-(-attempts // IN_A_GROUP) + 2) for _ in range(ORGANIZATIONS)]
    for scene in scenes:
        Rival(scene).warm_up(scene.groups[-1])  # What is loaded at its first use is loaded once, for all processes.
    done = run(url, [replace(scene, groups=scene.groups[:-2]) for scene in scenes], attempts=attempts)
    yield never_too_many(done)
    yield told_and_true(done)
    yield answered(done, most_busy=MOST_BUSY if attempts > IN_A_GROUP else MOST_BUSY_AT_FIRST)
    yield control(url, [replace(scene, groups=scene.groups[-2:-1]) for scene in scenes])


def run(url: str, scenes: Sequence[Scene], *, attempts: int, locked: bool = True) -> Run:
    before = deadlocks(url)
    begun = monotonic()
    with observed(url) as seen:
        told = compete(scenes, attempts=attempts, **({} if locked else {"before": take_the_lock_out}))
    seconds = monotonic() - begun
    return Run(
        scenes=scenes,
        told=told,
        seen=seen,
        played=play([place for scene in scenes for place in scene.places]),
        at_the_end=len(overfull(url)),
        seconds=seconds,
        deadlocks=deadlocks(url) - before,
    )


def take_the_lock_out() -> None:
    """In a process of the control, which ends with it."""
    logging.disable()  # What the constraints then refuse are failures, each with its traceback.
    for service in (enrolling, membership):
        setattr(service, "lock_rows", unlocked)  # noqa: B010 - mypy: another module's name


def never_too_many(done: Run) -> Figure:
    played = done.played
    looked = f"{played.moments:,} moments of the history, {done.seen.looks:,} looks at all sessions at once, the end"
    found = "too many: in none of" if not any(done.too_many) else f"TOO MANY {done.too_many} in"
    return Figure(
        "Seats: capacities 1, 2 and 20 are never exceeded",
        f"{done.told.attempts:,} attempts by {PROCESSES} processes in {done.seconds:.0f} s, on average "
        f"{done.seen.usually_waiting:.1f} waiting for a lock; {sum(played.given.values()):,} seats given, "
        f"{played.given_back:,} given back, the last one taken {played.full:,} times; capacities raised "
        f"{played.raised:,} and lowered {played.lowered:,} times; {found} {looked}",
        not any(done.too_many) and min(played.full, played.given_back, played.raised, played.lowered) > 0,
        brief=f"{done.told.attempts:,} attempts by {PROCESSES} processes, seats too many: {sum(done.too_many)}",
    )


def told_and_true(done: Run) -> Figure:
    given = done.played.given[SESSION]
    return Figure(
        "Seats: what was acknowledged is what was given",
        f"{done.told.enrolled:,} seats in sessions acknowledged, {given:,} given; the history of "
        f"{len(done.played.now):,} sessions and program sessions ends where the tables do",
        done.told.enrolled == given and done.played.now == tables(done.places),
        brief=f"{given:,} seats given and {done.told.enrolled:,} acknowledged",
    )


def answered(done: Run, *, most_busy: float) -> Figure:
    told = done.told
    undescribed = undocumented(api_client(done.scenes[0].secret))
    ways = Counter[str]()
    for (entrance, _), count in told.answers.items():
        ways[entrance.partition(":")[0]] += count
    busy = told.busy / told.attempts
    wrong = f"; WRONG: {told.samples[:SHOWN]}" if told.wrong else ""
    return Figure(
        "Seats: no deadlock, no 5xx but the busy 503, every status documented",
        f"{done.deadlocks} deadlocks; {told.wrong:,} answers that may not be; busy {told.busy:,} ({busy:.2%}); "
        f"{', '.join(f'{way} {count:,}' for way, count in ways.most_common())}; "
        f"the longest answer took {told.longest:.1f} s{wrong}",
        not (done.deadlocks or told.wrong or undescribed) and busy < most_busy,
        brief=f"{done.deadlocks} deadlocks, busy {busy:.2%}, other 5xx {told.wrong:,}",
    )


def control(url: str, scenes: Sequence[Scene]) -> Figure:
    done = run(url, scenes, attempts=CONTROL, locked=False)
    played, seen, end = done.too_many
    return Figure(
        f"Control: without the row lock the same run oversells within {CONTROL} attempts",
        f"{done.told.attempts:,} attempts: the history has {played} of {len(done.places)} sessions with up to "
        f"{done.played.most} people too many, the observer saw it at {seen} of {done.seen.looks} looks, {end} were left "
        "so at the end",
        played > 0 and seen > 0,
        brief=f"without the lock {played} of {len(done.places)} oversold in {CONTROL} attempts",
    )
