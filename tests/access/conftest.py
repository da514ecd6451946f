"""The scene is made once for each module, in a transaction that is taken back."""

import json
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from django.db import transaction
from pytest_django import DjangoDbBlocker

from tests.access.scene import Everybody, everybody
from tests.accounts.test_access import Scene as Pages, scene as pages

__all__ = ["pages"]  # The same rows of two organizations, and the same staff, as there.

Tally = Counter[str]


@pytest.fixture(scope="module")
def everybody_there(pages: Pages, django_db_blocker: DjangoDbBlocker) -> Iterator[Everybody]:
    with django_db_blocker.unblock(), transaction.atomic():
        yield everybody(pages)
        transaction.set_rollback(True)


@pytest.fixture
def tally(record_property: Callable[[str, object], None]) -> Iterator[Tally]:
    """What was asked, counted by how it was answered, for whoever reads the report of the run."""
    counted: Tally = Counter()
    yield counted
    record_property("cells", json.dumps(counted))
