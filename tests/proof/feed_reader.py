"""A careful client of the change feed that dies at the worst moments, really: it kills itself with SIGKILL.

    python -m tests.proof.feed_reader FOLDER PORT RUN ONE_IN

It applies a page (a line of FOLDER/pages, synced) and only then keeps the page's cursor (FOLDER/cursor, replaced,
synced), so that a page is applied twice at worst. Every ONE_IN pages, on average, it dies at one of MOMENTS. Started
again it goes on from the cursor that it has. It ends, with 0, when FOLDER/done is there and nothing more comes.
"""

import json
import os
import random
import signal
import sys
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

STREAM = "/training-assignments/stream"
BEGINNING = "2000-01-01T00:00:00Z"
PATIENCE = 60  # Seconds.
PAUSE = 0.03  # Seconds, where nothing new was shown.
BUSY = 503
MOMENTS = ("half of a page written", "a page applied, its cursor not kept", "half of a cursor written")


class Reader:
    def __init__(self, folder: Path, port: int, run: int, one_in: int) -> None:
        self.folder, self.run, self.one_in = folder, run, one_in
        self.dice = random.Random(f"{folder.name} {run}")
        self.connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        self.headers = {"Authorization": f"Bearer {os.environ['TOKEN']}"}

    def follow(self) -> None:
        kept = self.folder / "cursor"
        cursor = kept.read_text(encoding="ascii") if kept.exists() else ""
        with (self.folder / "pages").open("ab") as pages:
            pages.write(b"\n")  # Whatever was written last may be half of a line.
            while True:
                done = (self.folder / "done").exists()
                found = self.page({"after": cursor} if cursor else {"startTime": BEGINNING})
                if found is None:
                    continue
                if found["data"]:
                    moment = self.dice.choice(MOMENTS) if self.dice.randrange(self.one_in) == 0 else ""
                    self.apply(pages, found["data"], moment)
                    cursor = self.keep(found["pagination"]["endCursor"], moment)
                elif done:
                    return
                else:
                    time.sleep(PAUSE)

    def page(self, query: dict[str, str]) -> Any:
        """None where the ledger is busy. Raises RuntimeError for any other answer that is no page."""
        self.connection.request("GET", f"{STREAM}?{urlencode(query)}", headers=self.headers)
        response = self.connection.getresponse()
        body = response.read()
        if response.status == BUSY:
            time.sleep(float(response.headers["Retry-After"]))
            return None
        if response.status != 200:
            raise RuntimeError(f"{response.status}: {body!r}")
        return json.loads(body)

    def apply(self, pages: Any, rows: list[Any], moment: str) -> None:
        line = json.dumps({"run": self.run, "rows": rows}).encode()
        if moment == MOMENTS[0]:
            pages.write(line[: len(line) // 2])
            synced(pages)
            self.die(moment)
        pages.write(line + b"\n")
        synced(pages)
        if moment == MOMENTS[1]:
            self.die(moment)

    def keep(self, cursor: str, moment: str) -> str:
        beside = self.folder / "cursor.new"
        with beside.open("wb") as file:
            if moment == MOMENTS[2]:
                file.write(cursor.encode()[: len(cursor) // 2])
                synced(file)
                self.die(moment)
            file.write(cursor.encode())
            synced(file)
        beside.replace(self.folder / "cursor")
        return cursor

    def die(self, moment: str) -> None:
        (self.folder / f"died-{self.run}").write_text(moment, encoding="utf-8")
        os.kill(os.getpid(), signal.SIGKILL)


def synced(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


if __name__ == "__main__":
    Reader(Path(sys.argv[1]), *(int(number) for number in sys.argv[2:5])).follow()
