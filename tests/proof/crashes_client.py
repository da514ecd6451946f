"""A client process of the crash proof: `python -m tests.proof.crashes_client FOLDER NUMBER`.

It plays its stories, act by act, and keeps a journal on disk: what it is about to send, synced before it sends; what was
answered, synced before it goes on. After a broken connection or a 5xx it sends the same again under the same key, until
it is answered; some it leaves as they are, whatever became of them, and turns to the next story. Some connections it
breaks itself, while the answer is on its way.

Journal lines are JSON objects with a `key` and one of: `act` (with its `story`), `acknowledged` (status, with `body`),
`refused` (status, with `body`), `failed` (what happened), `again` (the answer to the same sent once more after it was
answered). Acts, acknowledgements and failures have `at`: seconds since 1970.
"""

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from random import Random
from typing import Any

from tests.proof.crashes_acts import ASSIGNED, PEOPLE, Act, Known, Story, acts, request

PATIENCE = 300  # Seconds until an act is answered. Longer than any recovery on a machine that does much else.
# The share of failures after which it does not try again: of broken connections, where anything may have happened, and
# of the rest.
LEFT_BROKEN, LEFT = 0.3, 0.05
NEVER_SENT = "ConnectionRefusedError"
CUT = 0.03  # Of the acts: the share whose answer is not waited for at first.
CUT_AFTER = 0.1  # Seconds, at most.
AGAIN = 0.03  # Of the answers: the share of those that are asked for once more.
IN_USE = "is still running"  # Said of an idempotency key: its first request may have outlived our connection.
SETTINGS = "clients.json"


@dataclass(frozen=True)
class Settings:
    """What all clients are given, in a file. `operations`: of each client."""

    port: int
    secret: str
    course: str
    operations: int
    seed: int


class Journal:
    def __init__(self, path: Path) -> None:
        self.file = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def write(self, **entry: Any) -> None:
        os.write(self.file, json.dumps(entry).encode() + b"\n")
        os.fsync(self.file)


class Unanswered(Exception):  # noqa: N818 - what happened
    """A broken connection, a 5xx, or a key that is in use: it can be sent again."""


@dataclass
class Wire:
    port: int
    secret: str
    connection: HTTPConnection | None = None

    def ask(
        self, method: str, path: str, body: Any = None, key: str = "", cut_after: float | None = None
    ) -> tuple[int, str]:
        """Status and body. Raises Unanswered, and always does where the connection is cut after so many seconds."""
        headers = {"Authorization": f"Bearer {self.secret}", "Content-Type": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        if self.connection is None:
            self.connection = HTTPConnection("127.0.0.1", self.port, timeout=40)
        try:
            self.connection.request(method, path, None if body is None else json.dumps(body), headers)
            if cut_after is not None:
                time.sleep(cut_after)
                raise TimeoutError
            response = self.connection.getresponse()
            status, text = response.status, response.read().decode()
        except (OSError, HTTPException) as error:
            self.connection.close()
            self.connection = None
            raise Unanswered(type(error).__name__) from error
        if status >= 500:
            raise Unanswered(str(status))
        if status == 409 and IN_USE in text:
            raise Unanswered("in use")
        return status, text


class Refused(Exception):  # noqa: N818 - what happened
    """An answer that nothing of the story gives a reason for. It is written down; the checker judges it."""


class Left(Exception):  # noqa: N818 - what happened
    """The act has failed and is left so."""


@dataclass
class Client:
    settings: Settings
    name: str
    wire: Wire
    journal: Journal
    random: Random
    done: int = 0

    def play(self, stories: Sequence[Story]) -> None:
        remaining = iter(stories)
        while self.done < self.settings.operations:
            try:
                self.tell(next(remaining))
            except (Refused, Left):
                continue

    def tell(self, story: Story) -> None:
        """Raises Refused, Left. No act follows one of these: what the story's rows must be stays simple."""
        known = Known()
        for number, act in enumerate(acts(story, Random(f"{self.settings.seed}-{story.number}"))):
            if self.done >= self.settings.operations:
                return
            key = f"{self.name}-{story.number}-{number}"
            if act.kind == "attempt" and act.person not in known.records:
                known.records[act.person] = self.record_of(story, act.person, key)
            answer = self.act(key, story, act, request(act, story, self.settings.course, known))
            if answer:
                known.note(act, json.loads(answer))

    def act(self, key: str, story: Story, act: Act, sent: tuple[str, str, Any]) -> str:
        """The answer's body. Raises Refused, Left."""
        self.done += 1
        self.journal.write(key=key, act=act.as_json(), story=story.number, at=time.time())
        cut_after = self.random.uniform(0, CUT_AFTER) if self.random.random() < CUT else None
        for attempt in self.tries(key):
            try:
                status, text = self.wire.ask(*sent, key=key, cut_after=None if attempt else cut_after)
            except Unanswered as failure:
                self.journal.write(key=key, failed=str(failure), at=time.time())
                if self.leaves(str(failure)):
                    raise Left from failure
                continue
            if status >= 400:
                self.journal.write(key=key, refused=status, body=text)
                raise Refused
            self.journal.write(key=key, acknowledged=status, body=text, at=time.time())
            if self.random.random() < AGAIN:
                self.repeat(key, sent)
            return text
        raise TimeoutError(f"{key} was not answered")

    def leaves(self, failure: str) -> bool:
        broken = not failure.isdecimal()
        return failure != NEVER_SENT and self.random.random() < (LEFT_BROKEN if broken else LEFT)

    def repeat(self, key: str, sent: tuple[str, str, Any]) -> None:
        for _ in self.tries(key):
            try:
                status, text = self.wire.ask(*sent, key=key)
            except Unanswered:
                continue
            self.journal.write(key=key, again=status, body=text)
            return

    def record_of(self, story: Story, person: int, key: str) -> int:
        """The id of the assigned course's record of a person, who was told that there is one. Raises Refused."""
        username = f"p{story.number * PEOPLE + list(story.people).index(person)}"
        path = f"/api/train_sessions?assignee_login_username_eq={username}&page=1"
        for _ in self.tries(key):
            try:
                _status, text = self.wire.ask("GET", path)
            except Unanswered:
                continue
            for record in json.loads(text):
                if record["course_code"] == ASSIGNED:
                    return int(record["id"])
            self.journal.write(key=f"{key}-lookup", refused=404, body=text)
            raise Refused
        raise TimeoutError(f"{key}: nobody could be asked")

    def tries(self, key: str) -> Iterator[int]:
        """Numbers, at growing distances. Raises TimeoutError: then no server came back."""
        deadline, number = time.monotonic() + PATIENCE, 0
        while time.monotonic() < deadline:
            if number:
                time.sleep(self.random.uniform(0.02, 0.2))
            yield number
            number += 1
        raise TimeoutError(f"{key} was not answered in {PATIENCE} s")


def main(folder: Path, number: int) -> None:
    given = json.loads((folder / SETTINGS).read_text())
    settings = Settings(**given["settings"])
    client = Client(
        settings,
        name=f"client{number}",
        wire=Wire(settings.port, settings.secret),
        journal=Journal(folder / f"journal-{number}"),
        random=Random(f"{settings.seed}-client-{number}"),
    )
    client.play([Story(**one) for one in given["stories"][number]])


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
