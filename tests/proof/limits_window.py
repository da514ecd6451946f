"""The allowance: what a moving window makes of the requests that Redis was asked about, in the order in which it was.

A request is stamped by the process that got it, and let through unless as many as the limit, counted back from the last
one let through, are stamped within the window before it. Redis forgets all of them a window after it has let one through.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

LIMIT, WINDOW = 5, 1.0  # Requests, seconds: 5/second.
# Seconds by which Redis's clock when it looks whether a key is too old may differ from that of its log: then both count.
ABOUT = 0.005

_LINE = re.compile(rb'(?P<at>[0-9.]+) \[[0-9]+ (?P<by>\S+)\] "(?P<words>.*)"\s*')


@dataclass(frozen=True)
class Asked:
    """`at` is Redis's clock, `stamp` the asking process's; both in seconds since 1970."""

    at: float
    stamp: float
    accepted: bool


@dataclass
class Verdicts:
    """`wrong`: answers that no moving window could have given. `latest`: seconds between the moment from which another
    request might be let through and the stamp of the one that was: how much demand there was. `first`, `end`: of those
    that were let through, by Redis's clock.
    """

    accepted: int = 0
    refused: int = 0
    wrong: int = 0
    latest: float = 0
    first: float = 0
    end: float = 0

    @property
    def span(self) -> float:
        return self.end - self.first


def asked(log: Path) -> Iterator[Asked]:
    """From what MONITOR said. A script runs alone, so the lines of what it does follow its own."""
    at, stamp, looked, accepted = 0.0, None, False, False
    with log.open("rb") as lines:
        for line in lines:
            match = _LINE.fullmatch(line.removeprefix(b"+"))
            if match is None:
                continue
            words = match["words"].split(b'" "')
            if match["by"] == b"lua":
                looked |= words[0] == b"lindex"
                accepted |= words[0] == b"lpush"
                continue
            # A script that Redis does not know yet is asked for a second time, and does nothing at the first.
            if stamp is not None and looked:
                yield Asked(at, stamp, accepted)
            # Name, digest, number of keys, key, stamp, limit, window, cost: the other script takes less.
            asks = words[0] == b"EVALSHA" and len(words) == 8
            at, stamp, looked, accepted = float(match["at"]), float(words[4]) if asks else None, False, False
    if stamp is not None and looked:
        yield Asked(at, stamp, accepted)


@dataclass
class Window:
    """What may have been let through last, newest first. There are several where Redis may have forgotten it or not."""

    last: set[tuple[float, ...]] = field(default_factory=lambda: {()})
    forgotten_at: float = 0

    def follow(self, one: Asked) -> bool:
        """Whether that answer can be right. Goes on from what it says."""
        may_be = self.last if one.at < self.forgotten_at + ABOUT else set()
        if one.at > self.forgotten_at - ABOUT:
            may_be = may_be | {()}
        agreeing = {last for last in may_be if has_room(last, one.stamp) == one.accepted}
        right = bool(agreeing)
        if one.accepted:
            self.last = {(one.stamp, *last)[:LIMIT] for last in agreeing or may_be}
            self.forgotten_at = one.at + WINDOW
        elif right:
            self.last = agreeing
        return right

    def free_since(self) -> float | None:
        """The stamp after which another would be let through; None where there is room at any time."""
        full = [last[LIMIT - 1] for last in self.last if len(last) == LIMIT]
        return max(full) + WINDOW if len(full) == len(self.last) else None


def has_room(last: tuple[float, ...], stamp: float) -> bool:
    return len(last) < LIMIT or last[LIMIT - 1] < stamp - WINDOW


def judged(requests: Iterable[Asked]) -> Verdicts:
    verdicts, window = Verdicts(), Window()
    for one in requests:
        free_since = window.free_since()
        verdicts.wrong += not window.follow(one)
        verdicts.accepted += one.accepted
        verdicts.refused += not one.accepted
        if not one.accepted:
            continue
        verdicts.first, verdicts.end = verdicts.first or one.at, one.at
        if free_since is not None:
            verdicts.latest = max(verdicts.latest, one.stamp - free_since)
    return verdicts


def most_in(seconds: float) -> int:
    """How many a window that is as long as it should be lets through in so many seconds, whenever they come."""
    return LIMIT * (int(seconds / WINDOW) + 1)
