from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import time_machine

from accounts.actors import Actor
from accounts.bulk import InputRow
from accounts.models import Organization
from tests.commands import Outcome, outcome
from tests.snapshots import NOW
from tests.training.imports import HEADER, Import
from tests.training.operations import MINUTE, Take
from training.models import TrainSession
from training.services.unassigning import unassign_acceptable


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


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """It stands at NOW until it is moved."""
    with time_machine.travel(NOW, tick=False) as travel:
        yield travel


@pytest.fixture
def take(organization: Organization, clock: time_machine.Traveller) -> Take:
    """Unassign records, a minute later than what was; a minute later still begins what follows. Gives the operation."""

    def call(*taken: TrainSession | int) -> int:
        clock.shift(MINUTE)
        ids = [one if isinstance(one, int) else one.pk for one in taken]
        done = unassign_acceptable(
            organization=organization,
            actor=Actor.system(),
            which=[InputRow(line, {"id": str(pk)}) for line, pk in enumerate(ids, start=1)],
            reason="mistaken",
            max_percent=Decimal(100),
        )
        clock.shift(MINUTE)
        assert done.operation_id is not None
        return done.operation_id

    return call
