from collections.abc import Iterator
from unittest.mock import patch

import pytest
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client, override_settings

READY = {"status": "ready", "database": "ok", "migrations": "ok", "redis": "not configured"}
SECRET = "geheim"


@pytest.fixture
def database_down() -> Iterator[None]:
    error = OperationalError(f"could not connect as ledger with {SECRET}")
    with patch.object(connection, "cursor", side_effect=error):
        yield


def test_healthz_says_that_the_process_lives(client: Client) -> None:
    """Without a database: no mark asks pytest-django for one, so a query would fail."""
    response = client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_readyz_is_ready_with_a_migrated_database(db: None, client: Client) -> None:
    response = client.get("/readyz")
    assert (response.status_code, response.json()) == (200, READY)


def test_readyz_counts_the_migrations_to_come(db: None, client: Client) -> None:
    MigrationRecorder(connection).record_unapplied("programs", "0001_initial")
    response = client.get("/readyz")
    assert (response.status_code, response.json()) == (
        503,
        {**READY, "status": "not ready", "migrations": "unapplied: 1"},
    )


def test_readyz_names_the_database_that_does_not_answer(db: None, database_down: None, client: Client) -> None:
    response = client.get("/readyz")
    assert (response.status_code, response.json()) == (
        503,
        {**READY, "status": "not ready", "database": "unreachable", "migrations": "unknown"},
    )


def test_readyz_names_a_redis_that_does_not_answer(db: None, client: Client) -> None:
    with override_settings(REDIS_URL=f"redis://ledger:{SECRET}@127.0.0.1:1/0"):
        response = client.get("/readyz")
    assert (response.status_code, response.json()) == (503, {**READY, "status": "not ready", "redis": "unreachable"})


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_is_asked_anew_each_time(db: None, client: Client, path: str) -> None:
    assert "no-store" in client.get(path).headers["Cache-Control"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_cannot_be_posted_to(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405
