"""What the clients of the crash proof have written down, read when all is over."""

import json
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.proof.crashes_acts import Act, Span


@dataclass
class Sent:
    """An act, and what its client knows of it. `status` and `body` are of the answer; 0: there was none."""

    key: str
    story: int
    act: Act
    sent_at: float  # At first, in seconds since 1970.
    status: int = 0
    body: str = ""
    answered_at: float = math.inf
    failed_at: float = 0.0  # The last time, in seconds since 1970; 0: never.
    again: list[tuple[int, str]] = field(default_factory=list)

    @property
    def acknowledged(self) -> bool:
        return bool(self.status)

    @property
    def sent_again(self) -> bool:
        return bool(self.again) or (self.acknowledged and bool(self.failed_at))

    @property
    def span(self) -> Span:
        return self.sent_at, self.answered_at


@dataclass
class Journals:
    """`sent` in the order of sending, within each story."""

    sent: dict[str, Sent] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    failures: Counter[str] = field(default_factory=Counter)  # By what happened.

    def read(self, entry: dict[str, Any]) -> None:
        key = entry["key"]
        match entry:
            case {"act": act, "story": story, "at": at}:
                self.sent[key] = Sent(key, story, Act(**act), at)
            case {"acknowledged": status, "body": body, "at": at}:
                self.sent[key].status, self.sent[key].body, self.sent[key].answered_at = status, body, at
            case {"again": status, "body": body}:
                self.sent[key].again.append((status, body))
            case {"refused": status, "body": body}:
                self.refused[key] = f"{status} {body}"
            case {"failed": what, "at": at}:
                self.failures[what] += 1
                self.sent[key].failed_at = at

    @property
    def kinds(self) -> Counter[str]:
        return Counter(one.act.named for one in self.sent.values())

    @property
    def acknowledged(self) -> list[Sent]:
        return [one for one in self.sent.values() if one.acknowledged]

    @property
    def unknown(self) -> list[Sent]:
        """Left without an answer."""
        return [one for one in self.sent.values() if not one.acknowledged and one.key not in self.refused]

    def by_story(self) -> dict[int, list[Sent]]:
        found: dict[int, list[Sent]] = {}
        for one in self.sent.values():
            found.setdefault(one.story, []).append(one)
        return found


def read(paths: Iterable[Path]) -> Journals:
    journals = Journals()
    for path in paths:
        for line in path.read_text().splitlines():
            journals.read(json.loads(line))
    return journals
