"""The run, the same run with counters in each process's own memory, and the run whose Redis is killed."""

import json
import logging
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings

from accounts.scopes import Scope
from accounts.services.tokens import create_token
from tests.factories import SYSTEM, OrganizationFactory
from tests.proof.figures import Figure
from tests.proof.limits_callers import PROCESSES, Call, calling
from tests.proof.limits_redis import Redis, logged
from tests.proof.limits_window import LIMIT, asked, judged, most_in
from tests.proof.seats_client import Client

PHASE = 1.5  # Seconds that Redis is up, down, and up again.
OK, TOO_MANY = 200, 429


def tokens() -> list[str]:
    """A token for each process, all of one organization, whose limit it is."""
    organization = OrganizationFactory.create()
    return [
        create_token(organization=organization, actor=SYSTEM, name=f"Process {number}", scopes=Scope.values)[1]
        for number in range(PROCESSES)
    ]


def exact(secrets: list[str], redis: Redis, folder: Path, *, seconds: int) -> Figure:
    """What was let through is compared request by request with what a moving window lets through of the same requests.

    What they were, in which order, by which stamps, Redis says itself; what became of them, their callers.
    """
    log = folder / "redis.log"
    with logged(redis, log), calling(secrets) as calls:
        time.sleep(seconds)
    verdicts, answers = judged(asked(log)), statuses(calls)
    took = took_seconds(calls)
    return Figure(
        f"Limits: {PROCESSES} processes against {LIMIT}/s are let through exactly the allowance",
        f"{len(calls):,} requests in {took:.1f} s: {answers[OK]:,} let through, {answers[TOO_MANY]:,} refused; "
        f"{verdicts.wrong} otherwise than a moving window decides of the same requests in the same order; "
        f"from the first to the last of them {most_in(verdicts.span)} fit, and a place was taken "
        f"{verdicts.latest * 1000:.0f} ms after it was free, at the latest",
        answers == {OK: verdicts.accepted, TOO_MANY: verdicts.refused}
        and verdicts.wrong == 0
        and answers[OK] <= most_in(took),
        brief=f"{answers[OK]:,} of {len(calls):,} requests in {took:.1f} s let through, {verdicts.wrong} of them wrongly",
    )


def control(secrets: list[str]) -> Figure:
    with calling(secrets, before=count_in_memory) as calls:
        time.sleep(PHASE)
    answers, allowed = statuses(calls), most_in(took_seconds(calls))
    return Figure(
        "Control: with a counter in the memory of each process more is let through",
        f"{answers[OK]:,} of {len(calls):,} requests in {took_seconds(calls):.1f} s, where {allowed} are allowed",
        answers[OK] > allowed,
        brief=f"counted in each process: {answers[OK]:,} instead of {allowed} let through",
    )


def count_in_memory() -> None:
    """In a process of the control, which ends with it."""
    settings.REDIS_URL = ""


def killed(secrets: list[str], redis: Redis) -> Figure:
    """Documented: while Redis is down requests pass uncounted, and `/readyz` says so."""
    quietly()
    with calling(secrets, before=quietly) as calls:
        time.sleep(PHASE)
        up = ready()
        killed_at = time.time()
        redis.kill()
        dead_at = time.time()
        time.sleep(PHASE)
        down = ready()
        starting_at = time.time()
        redis.start()
        started_at = time.time()
        time.sleep(PHASE)
        again = ready()
    logging.disable(logging.NOTSET)
    before = [one for one in calls if one.received < killed_at]
    during = [one for one in calls if dead_at < one.sent and one.received < starting_at]
    after = [one for one in calls if one.sent > started_at]
    told = ", ".join(
        f"{phase} {statuses(part)[OK]:,} let through and {statuses(part)[TOO_MANY]:,} refused in {took_seconds(part):.1f} s"
        for phase, part in (("before", before), ("while it was down", during), ("afterwards", after))
    )
    return Figure(
        "Limits: Redis is killed (kill -9): requests pass uncounted, /readyz says so, and then they are counted again",
        f"{told}; other answers: {sum(one.status not in (OK, TOO_MANY) for one in calls)}; /readyz: {up}, {down}, {again}",
        counted(before)
        and counted(after)
        and statuses(during).keys() == {OK}
        and len(during) > most_in(took_seconds(during))
        and statuses(calls).keys() == {OK, TOO_MANY}
        and (up, down, again) == ("200 ok", "503 unreachable", "200 ok"),
        brief="while Redis is down they pass uncounted, and `/readyz` says so",
    )


def quietly() -> None:
    """Each request while it is down is logged with a traceback, as it should be."""
    logging.disable()


def counted(calls: list[Call]) -> bool:
    """More was asked for than was let through, and that was no more than is allowed."""
    answers = statuses(calls)
    return answers[TOO_MANY] > 0 and 0 < answers[OK] <= most_in(took_seconds(calls))


def statuses(calls: Iterable[Call]) -> Counter[int]:
    return Counter(one.status for one in calls)


def took_seconds(calls: list[Call]) -> float:
    return max((one.received for one in calls), default=0) - min((one.sent for one in calls), default=0)


def ready() -> str:
    reply = Client().call("GET", "/readyz")
    return f"{reply.status} {json.loads(reply.body)['redis']}"
