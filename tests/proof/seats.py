"""Never one too many: 32 processes that want, give back, add and take away the same few seats by every way in.

A seat too many is looked for in three places: in the tables at the end; by an observer, who compares them in one
snapshot again and again; and in the history, which has every moment of every session, also the shortest.
"""

import os
from collections.abc import Iterable

from tests.proof.figures import Figure
from tests.proof.ground import Ground

# Off, by the documented setting: what is refused for coming too often is no attempt on a seat.
LIMITS = ("TRAIN_SESSIONS", "ASSIGNMENTS_READ", "ASSIGNMENTS_WRITE", "PROGRAMS", "TRAINING")
ATTEMPTS, SHORT = 100_000, 600


def prove(ground: Ground) -> Iterable[Figure]:
    # A process has one thread, and so one connection.
    os.environ.update({"DATABASE_POOL_SIZE": "1", **{f"RATE_LIMIT_{name}": "" for name in LIMITS}})
    with ground.django() as url:
        from tests.proof import seats_figures  # noqa: PLC0415 - it needs the apps

        yield from seats_figures.proved(url, attempts=SHORT if ground.short else ATTEMPTS)
