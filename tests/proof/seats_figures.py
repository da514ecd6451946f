"""The run, the same run without the lock, and what each of them has shown."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from time import monotonic

from enrollments.services import enrolling
from programs.services import membership
from tests.concurrency.threads import unlocked
from tests.proof.figures import Figure
from tests.proof.seats_attempts import Rival, undocumented
from tests.proof.seats_client import api_client
from tests.proof.seats_history import Held, Played, play, tables
from tests.proof.seats_observer import Seen, deadlocks, observed, overfull
from tests.proof.seats_rivals import IN_A_GROUP, PROCESSES, Told, compete
from tests.proof.seats_scene import CAPACITIES, LIMITS, PROGRAM, SESSION, Place, Scene, make_scene
from tests.proof.seats_ways import BACK, ENROLL, ENTRANCES, GIVEN, LOWERED, RAISED, WAYS, entrance_of

CONTROL = 200
# Each has a ledger lock of its own. In one alone, 32 processes would all stand in one queue.
ORGANIZATIONS = 4
MOST_BUSY = 0.01
MOST_BUSY_AT_FIRST = 0.1  # All processes start at once, on connections and statements that are new to all of them.
SHOWN = 3
OF_A_KIND = ORGANIZATIONS * len(CAPACITIES)  # In the control.
KINDS = {SESSION: f"{OF_A_KIND} sessions", PROGRAM: f"{OF_A_KIND} program sessions"}


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
        return len(self.played.overfull), self.seen.overfull.total(), self.at_the_end


def proved(url: str, *, attempts: int) -> Iterator[Figure]:
    warm = make_scene(groups=1)
    Rival(warm).warm_up(warm.groups[0])  # What is loaded at its first use is loaded once, for all processes.
    scenes = [make_scene(groups=-(-attempts // IN_A_GROUP) + 1) for _ in range(ORGANIZATIONS)]
    short = attempts <= IN_A_GROUP
    done = run(url, [replace(scene, groups=scene.groups[:-1]) for scene in scenes], attempts=attempts)
    yield never_too_many(done)
    yield told_and_true(done)
    yield had_effect(done, short=short)
    yield answered(done, most_busy=MOST_BUSY_AT_FIRST if short else MOST_BUSY)
    yield control(url, [replace(scene, groups=scene.groups[-1:]) for scene in scenes])


def run(url: str, scenes: Sequence[Scene], *, attempts: int, locked: bool = True) -> Run:
    before = deadlocks(url)
    begun = monotonic()
    with observed(url) as seen:
        told = compete(scenes, attempts=attempts, **({} if locked else {"before": take_the_lock_out}))
    seconds = monotonic() - begun
    ways = {actor: way for scene in scenes for actor, way in scene.ways.items()}
    return Run(
        scenes=scenes,
        told=told,
        seen=seen,
        played=play([place for scene in scenes for place in scene.places], ways),
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
    counted = {effect: played.by(effect) for effect in (GIVEN, BACK, RAISED, LOWERED)}
    moments = sum(counted.values())
    looked = f"{moments:,} moments of the history, {done.seen.looks:,} looks at all sessions at once, the end"
    found = "too many: in none of" if not any(done.too_many) else f"TOO MANY {done.too_many} in"
    return Figure(
        "Seats: capacities 1, 2 and 20 are never exceeded",
        f"{done.told.attempts:,} attempts by {PROCESSES} processes in {done.seconds:.0f} s, on average "
        f"{done.seen.usually_waiting:.1f} waiting for a lock; "
        f"{', '.join(f'{effect} {count:,}' for effect, count in counted.items())}, the last one taken "
        f"{played.full:,} times; {found} {looked}",
        not any(done.too_many) and min(played.full, *counted.values()) > 0,
        brief=f"{done.told.attempts:,} attempts by {PROCESSES} processes, seats too many: {sum(done.too_many)}",
    )


def told_and_true(done: Run) -> Figure:
    told, true = ({way: count.get(way, 0) for way, one in WAYS.items() if one.counts} for count in counts(done))
    untrue, untold = not_done(done), not_told(done)
    wrong = [f"{way} {told[way]:,} told, {true[way]:,} done" for way in told if told[way] != true[way]]
    wrong += [f"told, and not done: {untrue[:SHOWN]}"] if untrue else []
    wrong += [f"done, and not told: {untold[:SHOWN]}"] if untold else []
    ends = done.played.now == tables(done.places)
    return Figure(
        "Seats: what was acknowledged is what was done, for each way and each person",
        f"{sum(told.values()):,} seats acknowledged by number and {sum(true.values()):,} given or given back; "
        f"{done.told.named.total():,} acknowledged by person, of which {len(untrue)} are not in the history, and "
        f"{len(untold)} there are by nobody's knowledge; the history of {len(done.played.now):,} sessions and program "
        f"sessions {'ends where' if ends else 'DOES NOT END where'} the tables do{''.join(f'; {one}' for one in wrong)}",
        ends and not wrong,
        brief=f"{sum(told.values()):,} seats acknowledged and {sum(true.values()):,} given or given back",
    )


def counts(done: Run) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """By way: seats that were told of, and seats that were given or given back."""
    moved = Counter[str]()
    for (way, effect), count in done.played.done.items():
        moved[way] += count if effect in (GIVEN, BACK) else 0
    return done.told.told, moved


def not_done(done: Run) -> list[Held]:
    """Acknowledged, and in nobody's history: who is told yes may have been in, or out, by somebody else's doing."""
    by_anybody = {held[1:] for held in done.played.held}
    return [held for held in done.told.named if held[1:] not in by_anybody]


def not_told(done: Run) -> list[Held]:
    named = Counter({held: count for held, count in done.played.held.items() if WAYS[held[0]].names})
    return list(named - done.told.named)


def had_effect(done: Run, *, short: bool) -> Figure:
    """A way that always refuses would pass all the rest."""
    by_entrance = {
        entrance: {effect: done.played.by(effect, entrance) for effect in (GIVEN, BACK, RAISED, LOWERED)}
        for entrance in ENTRANCES
    }
    without = [
        f"{way}: {effect}" for way, one in WAYS.items() for effect in one.effects if not done.played.done[way, effect]
    ]
    idle = [entrance for entrance, effects in by_entrance.items() if not any(effects.values())]
    told = "; ".join(
        f"{entrance}: {', '.join(f'{effect} {count:,}' for effect, count in effects.items() if count)}"
        for entrance, effects in by_entrance.items()
    )
    missing = idle if short else without
    what = f"each of {len(ENTRANCES)} entrances" if short else f"each of {len(WAYS)} ways in {len(ENTRANCES)} entrances"
    return Figure(
        f"Seats: {what} took effect",
        f"{told}{f'; WITHOUT {missing}' if missing else ''}",
        not missing,
        brief=f"{what} took effect" if not missing else f"without effect: {', '.join(missing)}",
    )


def answered(done: Run, *, most_busy: float) -> Figure:
    told = done.told
    undescribed = undocumented(api_client(done.scenes[0].secrets[ENROLL]))
    entrances = Counter[str]()
    for (way, _), count in told.answers.items():
        entrances[entrance_of(way)] += count
    busy = told.busy / told.attempts
    wrong = f"; WRONG: {told.samples[:SHOWN]}" if told.wrong else ""
    return Figure(
        "Seats: no deadlock, no 5xx but the busy 503, every status documented, the same again under one key",
        f"{done.deadlocks} deadlocks; {told.wrong:,} answers that may not be; busy {told.busy:,} ({busy:.2%}); "
        f"{', '.join(f'{entrance} {count:,}' for entrance, count in entrances.most_common())}; asked for again under "
        f"an idempotency key {told.again:,}; the longest answer took {told.longest:.1f} s{wrong}",
        not (done.deadlocks or told.wrong or undescribed) and busy < most_busy and told.again > 0,
        brief=f"{done.deadlocks} deadlocks, busy {busy:.2%}, other 5xx {told.wrong:,}",
    )


def control(url: str, scenes: Sequence[Scene]) -> Figure:
    """Sessions and program sessions are each filled by code of their own: both must be seen."""
    done = run(url, scenes, attempts=CONTROL, locked=False)
    oversold = {kind: sum(model == kind for model, _ in done.played.overfull) for kind in LIMITS}
    seen = {kind: done.seen.overfull[kind] for kind in LIMITS}
    kinds = " and ".join(f"{oversold[kind]} of {name}" for kind, name in KINDS.items())
    return Figure(
        f"Control: without the row locks the same run oversells sessions and program sessions within {CONTROL} attempts",
        f"{done.told.attempts:,} attempts: the history has {kinds} with up to {done.played.most} people too many, the "
        f"observer saw it at {' and '.join(str(seen[kind]) for kind in KINDS)} of {done.seen.looks} looks, "
        f"{done.at_the_end} were left so at the end",
        min(*oversold.values(), *seen.values()) > 0,
        brief=f"without the lock {kinds} oversold in {CONTROL} attempts",
    )
