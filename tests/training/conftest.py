from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine

from accounts.models import Organization
from tests.commands import Outcome, outcome
from tests.snapshots import NOW
from tests.training.imports import HEADER, Import


@pytest.fixture
def unlimited(settings: Any) -> None:
    """No rates for the feed's family: a test asks far more often than a client may."""
    settings.RATE_LIMIT_ASSIGNMENTS_READ = settings.RATE_LIMIT_ASSIGNMENTS_WRITE = ""


@pytest.fixture
def run_import(organization: Organization, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Import]:
    """import_records at NOW, on this organization and a file of these lines."""

    def call(lines: str, *options: str, header: str = HEADER, **streams: Any) -> Outcome:
        file = tmp_path / "records.csv"
        file.write_text(header + lines, encoding="utf-8")
        return outcome(capsys, "import_records", str(file), *options, organization=organization.slug, **streams)

    with time_machine.travel(NOW, tick=False):
        yield call
