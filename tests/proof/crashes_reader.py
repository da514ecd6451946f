"""A follower of the change feed: `python -m tests.proof.crashes_reader FOLDER`, killed and started again at any time.

What it was shown is on disk, synced, before the cursor is. It knows nothing but these two files: after every failure,
and when it is started again, it goes on from the cursor that is there. It ends once `FINISH` is there and a page has
been empty.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.proof.crashes_client import Journal, Unanswered, Wire

SETTINGS, SEEN, CURSOR, FINISH = "reader.json", "seen", "cursor", "finish"
PAUSE = 0.25  # Seconds, behind an empty page.


def follow(folder: Path) -> None:
    given = json.loads((folder / SETTINGS).read_text())
    wire = Wire(given["port"], given["secret"])
    seen = Journal(folder / SEEN)
    os.write(seen.file, b"\n")  # Behind what a kill may have cut off.
    while True:
        finishing = (folder / FINISH).exists()
        after = (folder / CURSOR).read_text() if (folder / CURSOR).exists() else ""
        try:
            status, text = wire.ask("GET", f"/training-assignments/stream?{urlencode({**START, 'after': after})}")
        except Unanswered as failure:
            seen.write(failed=str(failure))
            time.sleep(PAUSE)
            continue
        if status != 200:
            raise RuntimeError(f"The feed answered {status}: {text}")
        page = json.loads(text)
        if page["data"]:
            seen.write(page=page["data"])
            keep(folder / CURSOR, page["pagination"]["endCursor"])
        elif finishing:
            return
        else:
            time.sleep(PAUSE)


START = {"startTime": "2015-01-01T00:00:00Z"}


def keep(path: Path, text: str) -> None:
    """In the place of what was there, whole or not at all."""
    new = path.with_suffix(".new")
    with new.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def shown(folder: Path) -> tuple[dict[str, Any], int]:
    """What the follower holds, by assignment id, and how often it was interrupted."""
    held: dict[str, Any] = {}
    failures = 0
    for line in (folder / SEEN).read_text().splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # An empty line, or one that a kill has cut off: its page was read again.
        failures += "failed" in entry
        held |= {one["id"]: one for one in entry.get("page", [])}
    return held, failures


if __name__ == "__main__":
    follow(Path(sys.argv[1]))
