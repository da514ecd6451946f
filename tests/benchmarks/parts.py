"""The parts of the benchmark. Apart from the command: a process that is started for one cannot load `__main__`."""

import os
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PARTS = ("bulk", "admin", "wire", "seats", "replicas", "growth")
SEATS_RECORDS = 220_000  # Whose organization has the 10,000 active people that are enrolled.


def migrated(url: str) -> None:
    """The tables. Once: each part gets a copy."""
    with _django(url):
        from django.core.management import call_command  # noqa: PLC0415 - after the settings

        call_command("migrate", verbosity=0)


def measured(part: str, url: str, given: Namespace) -> tuple[str, dict[str, Any], bool]:
    """Text, figures, and whether all was reached. In a process of its own: settings name one database."""
    with _django(url) as folder:
        result = _result(part, url, folder, given)
    return result.text, result.figures, result.reached


@contextmanager
def _django(url: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(
            DATABASE_URL=url, DATA_DIR=folder, DJANGO_SETTINGS_MODULE="config.settings", LOG_LEVEL="ERROR"
        )
        import django  # noqa: PLC0415 - after the environment

        django.setup()
        yield Path(folder)
        close_connections()


def _result(part: str, url: str, folder: Path, given: Namespace) -> Any:
    from tests.benchmarks import admin, bulk, growth, replicas, seats, wire  # noqa: PLC0415 - they need the apps

    match part:
        case "bulk":
            return bulk.measure(folder, rows=given.rows, rounds=given.rounds)
        case "admin":
            return admin.measure(records=given.records)
        case "wire":
            return wire.measure(folder, url, records=given.records, short=given.short)
        case "seats":
            records = min(given.records, SEATS_RECORDS)
            return seats.measure(folder, url, records=records, short=given.short)
        case "replicas":
            return replicas.measure(folder, records=given.records, short=given.short)
        case _:
            close_connections()
            return growth.measure(folder, url, given.sizes, short=given.short)


def close_connections() -> None:
    from django.db import connection  # noqa: PLC0415

    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's
