"""DATABASE_REPLICA_URLS: what is refused at the start, and what is made of it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.env import replica_urls
from tests.config.wire import ROOT, environment

PRIMARY = "postgresql://ledger:geheim@db.internal:5432/ledger"
SHOW = """
import json
from config import settings
print(json.dumps([settings.DATABASE_REPLICAS, [one["HOST"] for one in settings.DATABASES.values()],
    [one.get("CONN_MAX_AGE", 0) for one in settings.DATABASES.values()], getattr(settings, "DATABASE_ROUTERS", [])]))
"""


def started(folder: Path, **changes: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SHOW],
        cwd=ROOT,
        env=environment(folder, **changes),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("urls", "number"),
    [
        ("nonsense", 1),
        ("sqlite:////var/lib/copy.sqlite3", 1),
        ("mysql://ledger:geheim@db.internal/ledger", 1),
        ("postgresql://ledger:geheim@db.internal", 1),
        (f"{PRIMARY},postgresql://ledger:geheim@db.internal:port/ledger", 2),
        (f"{PRIMARY}, https://db.internal/ledger", 2),
    ],
)
def test_an_address_that_is_not_understood_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, urls: str, number: int
) -> None:
    monkeypatch.setenv("EDGE", urls)
    with pytest.raises(ImproperlyConfigured) as refused:
        replica_urls("EDGE")
    assert str(refused.value) == (
        f"EDGE: address {number} is not understood. Give postgresql://user:password@host:5432/name, several separated "
        "by commas, or nothing."
    )


def test_sqlite_has_no_replicas(tmp_path: Path) -> None:
    ended = started(tmp_path, DATABASE_REPLICA_URLS=PRIMARY)
    assert (ended.returncode, ended.stderr.splitlines()[-1]) == (
        1,
        (
            "django.core.exceptions.ImproperlyConfigured: DATABASE_REPLICA_URLS: SQLite has no replicas. "
            "Give a postgresql:// DATABASE_URL."
        ),
    )


def test_a_lag_of_nothing_is_refused(tmp_path: Path) -> None:
    ended = started(tmp_path, DATABASE_REPLICA_MAX_LAG="0")
    assert ended.stderr.splitlines()[-1].endswith("DATABASE_REPLICA_MAX_LAG is 0. Give 1 or more.")


def test_replicas_are_numbered_in_order(tmp_path: Path) -> None:
    urls = "postgresql://ledger@a/ledger, postgresql://ledger@b/ledger"
    ended = started(tmp_path, DATABASE_URL=PRIMARY, DATABASE_REPLICA_URLS=urls)
    assert json.loads(ended.stdout) == [
        ["replica0", "replica1"],
        ["db.internal", "a", "b"],
        [0, None, None],
        ["accounts.replicas.Router"],
    ]


def test_without_replicas_nothing_is_routed(tmp_path: Path) -> None:
    ended = started(tmp_path, DATABASE_URL=PRIMARY)
    assert json.loads(ended.stdout) == [[], ["db.internal"], [0], []]
