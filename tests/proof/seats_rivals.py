"""Many processes that want the same seats at once, and what all of them were told."""

import gc
import logging
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from tests.benchmarks.parts import close_connections
from tests.proof.seats_attempts import ANSWERS, BUSY_STATUS, OPERATIONS, Answer, Rival
from tests.proof.seats_scene import Scene

PROCESSES = 32
IN_A_GROUP = 1_000  # Attempts on the seats of a group of each organization, before all go on to the next.
PATIENCE = 120  # Seconds, until all of them have started.
FORK = multiprocessing.get_context("fork")
MOST_KEPT = 5


@dataclass
class Told:
    """`wrong`: answers that nobody may be given, some of them in `samples`; `longest`: seconds that an answer took at most."""

    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    busy: int = 0
    enrolled: int = 0
    wrong: int = 0
    samples: list[Answer] = field(default_factory=list)
    longest: float = 0

    def take(self, answer: Answer, seconds: float) -> None:
        self.longest = max(self.longest, seconds)
        self.enrolled += answer.enrolled
        if answer.busy:
            self.busy += 1
        else:
            self.answers[answer.entrance, answer.status] += 1
        if not may_be(answer):
            self.wrong += 1
            self.samples = [*self.samples, answer][:MOST_KEPT]

    def add(self, other: "Told") -> None:
        self.answers += other.answers
        self.busy += other.busy
        self.enrolled += other.enrolled
        self.wrong += other.wrong
        self.samples += other.samples
        self.longest = max(self.longest, other.longest)

    @property
    def attempts(self) -> int:
        return self.answers.total() + self.busy


def may_be(answer: Answer) -> bool:
    if answer.busy and answer.entrance in OPERATIONS:
        return answer.status == BUSY_STATUS
    return answer.status in ANSWERS[answer.entrance]


def compete(scenes: Sequence[Scene], *, attempts: int, before: Callable[[], None] = lambda: None) -> Told:
    """All processes start together and share the attempts out, one by one. `before` is called in each of them."""
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
        return gathered(pipes)
    finally:
        for child in children:
            child.join(PATIENCE)
            child.kill()


def gathered(pipes: Iterable[Connection]) -> Told:
    """Raises EOFError where a process has died."""
    everything = Told()
    for pipe in pipes:
        everything.add(pipe.recv())
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
