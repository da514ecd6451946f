"""A rate limit is one for all processes, and exact; and what becomes of it when its Redis is killed."""

import os
from collections.abc import Iterable

from tests.proof.figures import Figure
from tests.proof.ground import Ground
from tests.proof.limits_redis import own_redis

SECONDS, SHORT = 60, 3


def prove(ground: Ground) -> Iterable[Figure]:
    with ground.folder() as folder, own_redis(folder) as redis:
        os.environ.update(
            REDIS_URL=f"redis://127.0.0.1:{redis.port}/0",
            RATE_LIMIT_ASSIGNMENTS_READ="5/second",
            DATABASE_POOL_SIZE="1",  # A process has one thread.
        )
        with ground.django():
            from tests.proof import limits_figures  # noqa: PLC0415 - it needs the apps

            secrets = limits_figures.tokens()
            yield limits_figures.exact(secrets, redis, folder, seconds=SHORT if ground.short else SECONDS)
            yield limits_figures.control(secrets)
            yield limits_figures.killed(secrets, redis)
