"""Rate limits: a moving window, in Redis for all processes together when `REDIS_URL` is set, else in this process."""

import logging
import math
import time
from functools import cache

from django.conf import settings
from limits import parse
from limits.errors import StorageError
from limits.storage import Storage, storage_from_string
from limits.strategies import MovingWindowRateLimiter

from accounts.api.errors import ApiError

logger = logging.getLogger(__name__)

REDIS_SECONDS = 1  # A Redis that takes connections and answers nothing would hold every request up for ever.


@cache
def _limiter() -> MovingWindowRateLimiter:
    url, wait = settings.REDIS_URL or "memory://", REDIS_SECONDS
    storage = storage_from_string(url, wrap_exceptions=True, socket_connect_timeout=wait, socket_timeout=wait)
    if not isinstance(storage, Storage):
        raise TypeError("REDIS_URL names an asynchronous storage.")
    return MovingWindowRateLimiter(storage)


def spend(rate: str, *keys: str) -> None:
    """Count one request. An empty rate is off. Raises ApiError 429 with `Retry-After` in whole seconds, at least 1.

    While Redis is down requests pass uncounted: a ledger that cannot be read is worse than one read too often.
    `/readyz` reports it.
    """
    if not rate:
        return
    item = parse(rate)
    try:
        limiter = _limiter()
        if limiter.hit(item, *keys):
            return
        reset = limiter.get_window_stats(item, *keys).reset_time
    except StorageError:
        logger.exception("The rate limit store does not answer; the request is not counted")
        return
    wait = max(1, math.ceil(reset - time.time()))
    raise ApiError(429, [f"Rate limit of {rate} exceeded. Retry in {wait} s."], headers={"Retry-After": str(wait)})
