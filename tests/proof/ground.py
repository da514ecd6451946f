"""What a part of the proof stands on: a migrated PostgreSQL database of its own, a folder, and how much is to be done."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.databases import scratch_database
from tests.benchmarks.parts import close_connections


@dataclass(frozen=True)
class Ground:
    """`short`: as much as CI has time for, by the same code."""

    short: bool

    @contextmanager
    def folder(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="training-ledger-proof-") as name:
            yield Path(name)

    @contextmanager
    def django(self) -> Iterator[str]:
        """Django set up in this process on a migrated database of its own, whose address it is. Once in a process."""
        with scratch_database() as url, self.folder() as folder:
            os.environ.update(
                DATABASE_URL=url,
                DATA_DIR=str(folder),
                DJANGO_SETTINGS_MODULE="config.settings",
                LOG_LEVEL="ERROR",
                ALLOWED_HOSTS="testserver,127.0.0.1",
            )
            import django  # noqa: PLC0415 - after the environment

            django.setup()
            from django.core.management import call_command  # noqa: PLC0415 - after the settings

            call_command("migrate", verbosity=0)
            yield url
            close_connections()
