"""Many processes that want the same seats at once, and what all of them were told."""

import gc
import logging
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

from tests.benchmarks.parts import close_connections
from tests.proof.seats_attempts import Answer, Rival
from tests.proof.seats_history import Held
from tests.proof.seats_scene import Scene
from tests.proof.seats_ways import BUSY_STATUS, SHOWN, WAYS

PROCESSES = 32
IN_A_GROUP = 1_000  # Attempts on the seats of a group of each organization, before all go on to the next.
PATIENCE = 120  # Seconds, until all of them have started; and for an attempt.
PAUSE = 1  # Seconds between two looks at whether they get on.
FORK = multiprocessing.get_context("fork")
MOST_KEPT = 5


@dataclass
class Told:
    """`told`: by way, seats that answers say they have given, or given back; `named`: those of them whose holders are
    known. `wrong`: answers that nobody may be given, some of them in `samples`; `longest`: seconds that an answer took at
    most.
    """

    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    busy: int = 0
    again: int = 0
    told: Counter[str] = field(default_factory=Counter)
    named: Counter[Held] = field(default_factory=Counter)
    wrong: int = 0
    samples: list[Answer] = field(default_factory=list)
    longest: float = 0

    def take(self, answer: Answer, seconds: float) -> None:
        self.longest = max(self.longest, seconds)
        self.again += answer.again
        self.told[answer.way] += answer.told
        self.named.update(answer.named)
        if answer.busy:
            self.busy += 1
        else:
            self.answers[answer.way, answer.status] += 1
        if not may_be(answer):
            self.wrong += 1
            self.samples = [*self.samples, answer][:MOST_KEPT]

    def add(self, other: "Told") -> None:
        self.answers += other.answers
        self.busy += other.busy
        self.again += other.again
        self.told += other.told
        self.named += other.named
        self.wrong += other.wrong
        self.samples += other.samples
        self.longest = max(self.longest, other.longest)

    @property
    def attempts(self) -> int:
        return self.answers.total() + self.busy


def may_be(answer: Answer) -> bool:
    way = WAYS[answer.way]
    if not answer.busy:
        return answer.status in way.answers
    return answer.status == BUSY_STATUS if way.operation else answer.status in way.answers | {SHOWN}


def compete(scenes: Sequence[Scene], *, attempts: int, before: Callable[[], None] = lambda: None) -> Told:
    """All processes start together and share the attempts out, one by one. `before` is called in each of them.

    Raises TimeoutError where they are stuck, RuntimeError where one has died.
    """
    close_connections()
    gc.freeze()  # What the processes share stays shared.
    taken, start = FORK.Value("q", 0), FORK.Barrier(PROCESSES, timeout=PATIENCE)
    pipes = []
    children = []
    for _ in range(PROCESSES):
        reading, writing = FORK.Pipe(duplex=False)
        given = {"numbers": numbers(taken, attempts), "start": start.wait, "before": before, "out": writing}
        child = FORK.Process(target=contend, args=(scenes,), kwargs=given, daemon=True)
        child.start()
        writing.close()
        pipes.append(reading)
        children.append(child)
    try:
        # Without its lock, which a process that is stuck may hold.
        return gathered(pipes, lambda: int(taken.get_obj().value))
    except BaseException:
        for child in children:
            child.kill()
        raise
    finally:
        for child in children:
            child.join(PATIENCE)
            child.kill()


def gathered(pipes: Sequence[Connection], begun: Callable[[], int]) -> Told:
    """What all have been told. `begun`: how many attempts have been, which rises while they are at it.

    Raises TimeoutError where it does not any more, RuntimeError where a process has died.
    """
    everything, waiting = Told(), list(pipes)
    before, since = begun(), time.monotonic()
    while waiting:
        wait(waiting, PAUSE)
        ended = [pipe for pipe in waiting if pipe.poll()]
        for pipe in ended:
            try:
                everything.add(pipe.recv())
            except EOFError as error:
                raise RuntimeError(f"One of {len(pipes)} processes has died: why, it has said itself.") from error
            waiting.remove(pipe)
        now = begun()
        if ended or now != before:
            before, since = now, time.monotonic()
        elif time.monotonic() - since > PATIENCE:
            stuck = f"{len(waiting)} of {len(pipes)} processes are stuck"
            raise TimeoutError(f"{stuck}: nothing has moved for {PATIENCE} s, after {now:,} attempts.")
    return everything


def contend(
    scenes: Sequence[Scene],
    *,
    numbers: Iterator[int],
    start: Callable[[], object],
    before: Callable[[], None],
    out: Connection,
) -> None:
    before()
    # It says no more than that there was a 503; what has failed is logged by whom it failed for.
    logging.getLogger("django.request").setLevel(logging.CRITICAL)
    rivals, told = [Rival(scene) for scene in scenes], Told()
    start()
    for number in numbers:
        begun = time.monotonic()
        rival = rivals[number % len(rivals)]
        answer = rival.attempt(number, rival.scene.groups[number // IN_A_GROUP])
        told.take(answer, time.monotonic() - begun)
    close_connections()
    out.send(told)


def numbers(taken: Any, most: int) -> Iterator[int]:
    """Those from 0 on that no other process gets."""
    while True:
        with taken.get_lock():
            number: int = taken.value
            taken.value = number + 1
        if number >= most:
            return
        yield number
