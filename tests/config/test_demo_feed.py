"""The published client walks the demo company's feed, and finds what the Train Sessions API lists."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import httpx
from samsara import Samsara

from tests.config.wire import ROOT, environment, running

UNLIMITED = {"RATE_LIMIT_ASSIGNMENTS_READ": ""}


def test_the_demos_feed_is_what_the_list_shows_and_what_was_unassigned(tmp_path: Path) -> None:
    made = subprocess.run(
        [sys.executable, "manage.py", "quickstart", "--no-serve", "--json"],
        cwd=ROOT,
        env=environment(tmp_path),
        capture_output=True,
        check=True,
    )
    token = json.loads(made.stdout)["demo"]["token"]
    with running(tmp_path, **UNLIMITED) as server:
        url = f"http://127.0.0.1:{server.port}"
        with httpx.Client(timeout=60) as http:
            fed = walk(Samsara(token=token, base_url=url, httpx_client=http))
        with urlopen(Request(f"{url}/api/train_sessions", headers={"Authorization": f"Bearer {token}"})) as answer:
            listed = {row["id"]: row for row in json.load(answer)}
    with sqlite3.connect(tmp_path / "data" / "ledger.sqlite3") as database:
        # The list shows ids, the feed uuids; only the database knows both.
        id_of = {hexed: pk for pk, hexed in database.execute("SELECT id, uuid FROM training_trainsession")}
    database.close()
    live = {id_of[uuid]: shown for uuid, shown in fed.items() if shown["deletedAtTime"] is None}
    assert len(listed) == 6000
    assert sorted(live) == sorted(listed)
    statuses = {"Assigned": "notStarted", "In Progress": "inProgress", "Failed": "inProgress", "Completed": "completed"}
    assert {pk: shown["status"] for pk, shown in live.items()} == {
        pk: statuses[row["status"]] for pk, row in listed.items()
    }
    assert len(fed) - len(live) >= 150


def walk(client: Samsara) -> dict[str, dict[str, object]]:
    """The last of each assignment, by its uuid without hyphens, over all pages of the feed."""
    found: dict[str, dict[str, object]] = {}
    cursor = None
    while True:
        page = client.training_assignments.get_training_assignments_stream(
            start_time="2010-01-01T00:00:00Z", end_time="2100-01-01T00:00:00Z", after=cursor
        )
        for shown in page.data or []:
            found[shown.id.replace("-", "")] = {"status": str(shown.status), "deletedAtTime": shown.deleted_at_time}
        if not page.data:
            return found
        cursor = page.pagination.end_cursor
