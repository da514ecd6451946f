"""A lock that cannot be had in time is "busy", in a bounded time; and READ COMMITTED, without which seats are oversold."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import connection, transaction
from psycopg import IsolationLevel

from accounts import transactions
from accounts.errors import Busy
from accounts.models import Organization, Person
from accounts.services.people import update_person
from config.checks import read_committed
from config.settings import database
from enrollments.models import Enrollment, Session
from enrollments.services.catalogue import update_session
from programs.models import ProgramSession
from programs.services.membership import join
from tests.acts import ACTOR, enroll, owed
from tests.concurrency.databases import KIND, PATIENCE, POOLER, scratch
from tests.concurrency.threads import CONNECTIONS, RACE
from tests.conftest import Api
from tests.factories import CourseFactory, PersonFactory, ProgramSessionFactory, SessionFactory
from training.models import TrainSession

SLACK = 1.5  # Seconds beside the wait itself.
BUSY_TEXT = "The ledger is busy. Try again."
Statement = tuple[str, list[Any]]


@pytest.fixture
def session(organization: Organization) -> Session:
    return SessionFactory.create(course=CourseFactory.create(organization=organization))


@pytest.fixture
def person(organization: Organization) -> Person:
    return PersonFactory.create(organization=organization)


@pytest.fixture
def program(organization: Organization) -> ProgramSession:
    return ProgramSessionFactory.create(organization=organization)


@contextmanager
def held(*statements: Statement) -> Iterator[None]:
    """Another connection, in a thread of its own, that holds what these statements lock."""
    holding, done = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                for text, parameters in statements:
                    cursor.execute(text, parameters)
                holding.set()
                done.wait(PATIENCE)
        finally:
            connection.close()

    connection.pool.resize(1, CONNECTIONS)  # type: ignore[attr-defined]  # PostgreSQL's
    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert holding.wait(PATIENCE)
        yield
    finally:
        done.set()
        thread.join()


def row(model: type[Any], pk: int) -> Statement:
    return (f"SELECT 1 FROM {model._meta.db_table} WHERE id = %s FOR UPDATE", [pk])  # noqa: S608, SLF001 - a name of ours


def ledger(organization: Organization) -> Statement:
    return ("SELECT pg_advisory_xact_lock(1, %s)", [organization.pk])


class TestPostgresql:
    pytestmark = RACE

    @pytest.fixture
    def locks(self, session: Session, person: Person, program: ProgramSession) -> dict[str, tuple[Statement, Any]]:
        """What is held, and an act that needs it."""
        organization = session.organization
        everybody: dict[str, Any] = {"organization": organization, "actor": ACTOR}
        return {
            "session": (row(Session, session.pk), lambda: enroll(session, person)),
            "session, to change it": (
                row(Session, session.pk),
                lambda: update_session(**everybody, session_id=session.pk, changes={"location": "Rome"}),
            ),
            "program session": (
                row(ProgramSession, program.pk),
                lambda: join(**everybody, session=program, person_ids=[person.pk]),
            ),
            "person": (
                row(Person, person.pk),
                lambda: update_person(**everybody, person=person, changes={"first_name": "Bo"}),
            ),
            "ledger, to enroll": (ledger(organization), lambda: enroll(session, person)),
            "ledger, to assign": (ledger(organization), lambda: owed(session.course, person)),
        }

    @pytest.mark.parametrize(
        "name",
        ["session", "session, to change it", "program session", "person", "ledger, to enroll", "ledger, to assign"],
    )
    def test_a_lock_that_cannot_be_had_in_time_is_busy(
        self, locks: dict[str, tuple[Statement, Callable[[], object]]], monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        """With a shorter wait; the real one is measured below."""
        monkeypatch.setattr(transactions, "LOCK_WAIT", timedelta(seconds=0.3))
        statement, act = locks[name]
        start = time.monotonic()
        with held(statement), pytest.raises(Busy):
            act()
        assert 0.3 <= time.monotonic() - start < 0.3 + SLACK
        assert (Enrollment.objects.count(), TrainSession.objects.count()) == (0, 0)
        act()  # It was held by somebody else, and by nothing else.

    def test_a_request_waits_three_seconds_and_answers_busy(self, api: Api, session: Session, person: Person) -> None:
        body = {"session_id": session.pk, "employee_ids": [person.pk]}
        start = time.monotonic()
        with held(row(Session, session.pk)):
            response = api.post("/api/v1/training/enrollments", body, Idempotency_Key="k")
        assert 3 <= time.monotonic() - start < 3 + SLACK
        assert (response.status_code, response.headers["Retry-After"], response.json()) == (
            503,
            "1",
            {"success": False, "message": BUSY_TEXT},
        )
        assert api.post("/api/v1/training/enrollments", body, Idempotency_Key="k").status_code == 201

    def test_a_lock_that_is_given_up_in_time_is_waited_for(self, session: Session, person: Person) -> None:
        done = threading.Event()
        with held(row(Session, session.pk)):

            def waiting() -> None:
                try:
                    enroll(session, person)
                    done.set()
                finally:
                    connection.close()

            thread = threading.Thread(target=waiting)
            thread.start()
            assert not done.wait(0.5)
        thread.join(PATIENCE)
        assert done.is_set()

    def test_one_organizations_ledger_does_not_wait_for_anothers(self, session: Session) -> None:
        other = CourseFactory.create()
        person = PersonFactory.create(organization=other.organization)
        with held(ledger(session.organization)):
            assert owed(other, person).pk

    @pytest.mark.skipif(POOLER != "none", reason="What is set in a session stays with a connection of the pooler's.")
    def test_a_write_is_read_committed_whatever_the_server_prefers(self, organization: Organization) -> None:
        """Under REPEATABLE READ a count after the lock is an old one, and ten threads sell three seats ten times."""
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_isolation = 'repeatable read'")
            try:
                with transactions.write():
                    cursor.execute("SHOW transaction_isolation")
                    assert cursor.fetchone() == ("read committed",)
            finally:
                cursor.execute("RESET default_transaction_isolation")

    def test_the_check_finds_another_isolation_level(self, organization: Organization) -> None:
        assert read_committed(databases=["default"]) == []
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            (error,) = read_committed(databases=["default"])
        assert (error.id, error.msg) == (
            "ledger.E001",
            "The isolation level is repeatable read; seats need read committed.",
        )


def test_read_committed_is_pinned_in_the_settings() -> None:
    options = database("postgresql://ledger@db.example/ledger")["OPTIONS"]
    assert options["isolation_level"] == IsolationLevel.READ_COMMITTED


def test_read_committed_is_checked_with_the_database(db: None) -> None:
    assert run_checks(databases=["default"]) == []


def test_sqlite_takes_the_write_lock_at_the_start_and_waits_three_seconds_for_it(tmp_path: Path) -> None:
    options = database(f"sqlite:///{tmp_path / 'ledger.sqlite3'}")["OPTIONS"]
    assert (options["transaction_mode"], options["timeout"]) == ("IMMEDIATE", transactions.LOCK_WAIT.total_seconds())


@pytest.mark.skipif(KIND != "sqlite", reason="The tests on SQLite ask this.")
def test_on_sqlite_a_writer_that_does_not_end_makes_others_busy_in_a_bounded_time(tmp_path: Path) -> None:
    """A database on disk, as in production: the tests' own is in memory, where nobody waits."""
    with scratch("sqlite", tmp_path) as database_on_disk:
        with sqlite3.connect(tmp_path / "ledger.sqlite3", isolation_level=None) as holder:
            holder.execute("BEGIN IMMEDIATE")
            busy = database_on_disk.send("k")  # Nor does it wait to note that the token was used.
            revoked = database_on_disk.run("manage.py", "revoke_token", database_on_disk.rows["prefix"])
            holder.execute("ROLLBACK")
        holder.close()
        assert (busy["status"], busy["retry_after"], busy["body"]) == (503, "1", f'{{"errors":["{BUSY_TEXT}"]}}')
        assert 3 <= busy["seconds"] < 3 + SLACK
        assert (revoked.returncode, revoked.stdout) == (1, "")
        assert revoked.stderr == f"CommandError: {BUSY_TEXT}\n"
        assert database_on_disk.send("k")["status"] == 200
        assert database_on_disk.state() == {"attempts": 1, "remembered": 1}
