"""The parts of the benchmark. Apart from the command: a process that is started for one cannot load `__main__`."""

import os
import tempfile
from argparse import Namespace
from pathlib import Path
from typing import Any

PARTS = ("bulk", "admin")


def measured(part: str, url: str, given: Namespace) -> tuple[str, dict[str, Any], bool]:
    """Text, figures, and whether all was reached. In a process of its own: settings name one database."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(
            DATABASE_URL=url, DATA_DIR=folder, DJANGO_SETTINGS_MODULE="config.settings", LOG_LEVEL="ERROR"
        )
        import django  # noqa: PLC0415 - after the environment
        from django.core.management import call_command  # noqa: PLC0415

        django.setup()
        call_command("migrate", verbosity=0)
        from tests.benchmarks import admin, bulk  # noqa: PLC0415 - they need the apps

        result: admin.Result | bulk.Result
        if part == "admin":
            result = admin.measure(records=given.records)
        else:
            result = bulk.measure(Path(folder), rows=given.rows, rounds=given.rounds)
        from django.db import connection  # noqa: PLC0415

        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's
    return result.text, result.figures, result.reached
