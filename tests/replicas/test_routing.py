"""Which database answers. A standby that has stopped replaying shows the past: whoever is shown that was sent to it."""

import json
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import psycopg
import pytest

from tests.replicas.cluster import Cluster, wait_until
from tests.replicas.conftest import Serve
from tests.replicas.scene import RECORDS, Caller, Stage
from tests.training.feed import BEGINNING, STREAM

pytestmark = pytest.mark.postgresql

READY = {"status": "ready", "database": "ok", "migrations": "ok", "redis": "not configured"}
# Lists of each family, and a statement that changes what each of them shows.
LISTS = {
    "/api/train_sessions": "UPDATE training_trainsession SET percent = percent + 1",
    "/training-courses": "UPDATE enrollments_course SET title = title || '!'",
    "/api/v1/training/courses": "UPDATE enrollments_course SET title = title || '?'",
    "/api/v1/programs/sessions": "UPDATE programs_programsession SET name = name || '!'",
    "/api/v1/training/employees?per_page=100": "UPDATE accounts_person SET last_name = last_name || '!'",
}


@pytest.mark.parametrize("path", LISTS)
def test_lists_are_read_from_the_standby(stage: Stage, path: str) -> None:
    """To their end: the first, streamed, has more than one chunk."""
    before = stage.reader.body(path)
    assert path != "/api/train_sessions" or len(json.loads(before)) >= RECORDS
    stage.cluster.standbys[0].pause()
    stage.cluster.primary.rows(LISTS[path])
    assert stage.reader.body(path) == before
    stage.cluster.standbys[0].resume()
    stage.cluster.catch_up()
    assert stage.reader.body(path) != before


def test_who_wrote_reads_it_and_others_read_the_standby(stage: Stage) -> None:
    before = stage.percent(stage.reader)
    stage.cluster.standbys[0].pause()
    for _ in range(3):
        written = stage.advance()
        assert (stage.percent(stage.writer), stage.percent(stage.reader)) == (written, before)
    stage.cluster.standbys[0].resume()
    stage.cluster.catch_up()
    assert (stage.percent(stage.writer), stage.percent(stage.reader)) == (written, written)


def test_control_without_its_position_a_writer_misses_its_write(serve: Serve, standing: None) -> None:
    with serve("tests.replicas.forgetful:application", FORGETS="who wrote") as stage:
        stage.cluster.standbys[0].pause()
        assert stage.percent(stage.writer) == stage.advance() - 1


def test_a_refused_write_changes_nothing_of_where_its_caller_reads(stage: Stage) -> None:
    """The writer has caught up with its own writes: what others then do is of the past for it, as for anybody."""
    before = stage.percent(stage.writer)
    stage.cluster.standbys[0].pause()
    stage.cluster.primary.rows(
        "UPDATE training_trainsession SET percent = percent + 1 WHERE id = %s", stage.rows["record"]
    )
    assert stage.writer.ask("PATCH", stage.record, {"nonsense": 1})[0] == 422
    assert stage.percent(stage.writer) == before


def test_a_revoked_token_lets_nobody_in_though_the_standby_does_not_know(stage: Stage) -> None:
    leaver = Caller(stage.server, stage.rows["leaver"])
    assert leaver.ask("GET", stage.record)[0] == 200
    stage.cluster.standbys[0].pause()
    stage.cluster.primary.rows("UPDATE accounts_apitoken SET revoked_at = now() WHERE name = 'leaver'")
    assert leaver.ask("GET", stage.record)[0] == 401


def test_a_standby_that_is_far_behind_is_not_read(serve: Serve, cluster: Cluster, standing: None) -> None:
    with serve(DATABASE_REPLICA_MAX_LAG="1") as stage:
        cluster.standbys[0].pause()
        written = stage.advance()
        wait_until(lambda: stage.percent(stage.reader) == written)
        wait_until(lambda: stage.percent(stage.reader) == written and "replica0 is behind" in stage.server.log)
        assert stage.readyz() == (200, {**READY, "replicas": ["behind"]})
        cluster.standbys[0].resume()
        cluster.catch_up()
        stage.percent(stage.reader)
        assert stage.readyz() == (200, {**READY, "replicas": ["ok"]})
        assert stage.server.log.count("replica0 is ") == 2


def test_the_primary_answers_while_the_standby_is_stopped(stage: Stage) -> None:
    [standby] = stage.cluster.standbys
    assert stage.readyz() == (200, {**READY, "replicas": ["ok"]})
    standby.stop()
    written = stage.advance()
    assert [stage.percent(stage.reader) for _ in range(10)] == [written] * 10
    assert stage.readyz() == (200, {**READY, "replicas": ["unreachable"]})
    assert stage.server.log.count("replica0 is unreachable: it is not read") == 1
    standby.start()
    stage.cluster.catch_up()
    assert stage.readyz() == (200, {**READY, "replicas": ["ok"]})
    wait_until(lambda: stage.percent(stage.reader) == written and "replica0 is read again" in stage.server.log)
    standby.pause()
    stage.advance()
    assert stage.percent(stage.reader) == written


def test_a_server_that_is_no_standby_is_not_read(serve: Serve, cluster: Cluster, standing: None) -> None:
    """One that was promoted, say. The other is read, whichever is asked first."""
    urls = f"{cluster.primary.url},{cluster.standbys[0].url}"
    with serve(DATABASE_REPLICA_URLS=urls) as stage:
        assert stage.readyz() == (200, {**READY, "replicas": ["no standby", "ok"]})
        before = stage.percent(stage.reader)
        cluster.standbys[0].pause()
        stage.advance()
        assert [stage.percent(stage.reader) for _ in range(10)] == [before] * 10


def test_the_primary_answers_for_a_standby_that_fails_in_the_middle(stage: Stage) -> None:
    [standby] = stage.cluster.standbys
    written = stage.percent(stage.reader)
    blocked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND backend_type = 'client backend'"
    with ThreadPoolExecutor(1) as thread, psycopg.connect(stage.cluster.primary.url) as primary:
        # A lock that nobody reads beside, which the standby takes as well.
        primary.execute("LOCK TABLE training_trainsession IN ACCESS EXCLUSIVE MODE")
        wait_until(lambda: standby.ask("SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock'"))
        reading = thread.submit(stage.percent, stage.reader)
        wait_until(lambda: standby.ask(blocked))
        standby.rows(blocked.replace("count(*)", "pg_terminate_backend(pid)"))
        wait_until(lambda: stage.cluster.primary.ask(blocked))
        primary.rollback()
        assert reading.result() == written
    assert "replica0 failed a request; the primary answers it" in stage.server.log


def test_many_at_once_read_what_they_wrote(stage: Stage) -> None:
    """Each thread of the server with connections of its own, the standby replaying as it comes to it."""
    course = stage.rows["courses"][5]

    def written_and_read(learner: str) -> int:
        query = urlencode({"courseId": course, "dueAtTime": "2999-01-01T00:00:00Z", "learnerIds": learner})
        stage.writer.write("POST", f"/training-assignments?{query}")
        found = stage.writer.get(STREAM, startTime=BEGINNING, learnerIds=learner, courseIds=course)
        return len(found["data"])

    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(written_and_read, stage.rows["learners"])) == {1}
