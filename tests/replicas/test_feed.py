"""The change feed on a standby: what it shows is a past of the primary's, in order; what it calls complete is complete."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.replicas.cluster import Cluster, Node, wait_until
from tests.replicas.conftest import Serve
from tests.replicas.scene import Caller, Stage
from tests.training.feed import BEGINNING, STREAM

pytestmark = pytest.mark.postgresql

WRITERS, CHANGES = 4, 60  # Changes by each of the writers.
NEVER = "2999-01-01T00:00:00Z"


def assign(caller: Caller, course: str, *learners: str) -> list[str]:
    query = urlencode({"courseId": course, "dueAtTime": NEVER, "learnerIds": ",".join(learners)})
    status, body = caller.ask("POST", f"/training-assignments?{query}")
    assert status == 200, body
    return [shown["id"] for shown in json.loads(body)["data"]]


def present() -> str:
    return datetime.now(UTC).isoformat()


def ids(page: Any) -> list[str]:
    return [shown["id"] for shown in page["data"]]


def window_behind(stage: Stage, start: str) -> tuple[list[str], bool]:
    """What the reader is shown of the time from `start` until now, and whether there is more."""
    page = stage.reader.get(STREAM, startTime=start, endTime=present())
    return ids(page), page["pagination"]["hasNextPage"]


def test_a_window_is_complete_though_the_standby_is_behind(stage: Stage) -> None:
    start = present()
    cursor = stage.reader.get(STREAM, startTime=start)["pagination"]["endCursor"]
    stage.cluster.standbys[0].pause()
    made = assign(stage.writer, stage.rows["courses"][1], *stage.rows["learners"][:3])
    # Who follows sees the standby's past, from which it can go on; the window is read where it is complete.
    following = stage.reader.get(STREAM, after=cursor)
    assert (ids(following), following["pagination"]) == ([], {"endCursor": cursor_of(following), "hasNextPage": True})
    assert window_behind(stage, start) == (made, False)
    stage.cluster.standbys[0].resume()
    stage.cluster.catch_up()
    assert ids(stage.reader.get(STREAM, after=cursor_of(following))) == made
    assert window_behind(stage, start) == (made, False)


def cursor_of(page: Any) -> str:
    cursor: str = page["pagination"]["endCursor"]
    return cursor


def test_control_a_window_misses_what_the_standby_does_not_show(serve: Serve, standing: None) -> None:
    with serve("tests.replicas.forgetful:application", FORGETS="what was waited for") as stage:
        start = present()
        stage.cluster.standbys[0].pause()
        assign(stage.writer, stage.rows["courses"][2], *stage.rows["learners"][:3])
        assert window_behind(stage, start) == ([], False)


def test_what_falls_due_is_shown_by_the_read_that_finds_it(stage: Stage) -> None:
    [uuid] = assign(stage.writer, stage.rows["courses"][3], stage.rows["learners"][0])
    due = (datetime.now(UTC) + timedelta(seconds=0.3)).isoformat()
    stage.writer.write("PATCH", f"/training-assignments?{urlencode({'ids': uuid, 'dueAtTime': due})}")
    stage.cluster.catch_up()
    stage.cluster.standbys[0].pause()
    time.sleep(0.4)
    overdue = stage.reader.get(STREAM, startTime=BEGINNING, isOverdue="true")
    assert ids(overdue) == [uuid]


@contextmanager
def elsewhere(work: Callable[[threading.Event], Any]) -> Iterator["list[Any]"]:
    """Done in a thread beside the block, and told when that is over. Its result is in the list afterwards."""
    done, result = threading.Event(), list[Any]()
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(work, done)
        try:
            yield result
        finally:
            done.set()
        result.append(running.result())


def follow(stage: Stage, start: str, done: threading.Event) -> list[Any]:
    """What is seen by following the cursor until all is written, a second has passed, and nothing more comes."""
    seen, query, until = list[Any](), {"startTime": start}, float("inf")
    while True:
        page = stage.reader.get(STREAM, **query)
        seen += page["data"]
        query = {"after": cursor_of(page)}
        if done.is_set() and until == float("inf"):
            until = time.monotonic() + 1
        elif time.monotonic() > until and not page["data"]:
            return seen


def windows(stage: Stage, start: str, done: threading.Event) -> list[Any]:
    """What is seen by asking for what happened since the last time, up to now, again and again."""
    seen, last = list[Any](), False
    while not last:
        last = done.is_set()
        query: dict[str, str] = {"startTime": start, "endTime": present()}
        while query:
            page = stage.reader.get(STREAM, **query)
            seen += page["data"]
            more = {"endTime": query["endTime"], "after": cursor_of(page)}
            start, query = query["endTime"], more if page["pagination"]["hasNextPage"] else {}
    return seen


def write(stage: Stage, number: int) -> None:
    """Assigns and takes back, so that records change more than once."""
    mine = stage.rows["learners"][number::WRITERS]
    for turn in range(CHANGES // 2):
        [uuid] = assign(stage.writer, stage.rows["courses"][4], mine[turn % len(mine)])
        stage.writer.write("DELETE", f"/training-assignments?ids={uuid}")


def halt(standby: Node, done: threading.Event) -> int:
    halts = 0
    while not done.wait(0.3):
        standby.pause()
        time.sleep(0.1)
        standby.resume()
        halts += 1
    return halts


def test_followers_miss_nothing_while_others_write(serve: Serve, cluster: Cluster, standing: None) -> None:
    """At the usual lag, the standby halted now and then, so that followers come and go between it and the primary."""
    [standby] = cluster.standbys
    reads = "SELECT coalesce(seq_scan, 0) + coalesce(idx_scan, 0) FROM pg_stat_user_tables WHERE relname = %s"
    with serve(DATABASE_REPLICA_MAX_LAG="1", FEED_PAGE_SIZE="20", THREADS="8") as stage:
        before, start = standby.ask(reads, "training_trainsession"), present()
        with (
            elsewhere(partial(follow, stage, start)) as followed,
            elsewhere(partial(windows, stage, start)) as windowed,
            elsewhere(partial(halt, standby)) as halts,
            ThreadPoolExecutor(WRITERS) as writers,
        ):
            list(writers.map(partial(write, stage), range(WRITERS)))
    table = dict(
        cluster.primary.rows("SELECT uuid::text, updated_at FROM training_trainsession WHERE updated_at >= %s", start)
    )
    assert len(table) == WRITERS * CHANGES // 2
    for seen in (followed[0], windowed[0]):
        stamps = [datetime.fromisoformat(shown["updatedAtTime"]) for shown in seen]
        assert stamps == sorted(stamps)
        assert {shown["id"]: at for shown, at in zip(seen, stamps, strict=True)} == table
    assert halts[0] > 0
    wait_until(lambda: standby.ask(reads, "training_trainsession") > before + 20)
