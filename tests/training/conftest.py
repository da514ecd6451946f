from typing import Any

import pytest


@pytest.fixture
def unlimited(settings: Any) -> None:
    """No rates for the feed's family: a test asks far more often than a client may."""
    settings.RATE_LIMIT_ASSIGNMENTS_READ = settings.RATE_LIMIT_ASSIGNMENTS_WRITE = ""
