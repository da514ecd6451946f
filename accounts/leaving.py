"""What people who become inactive leave behind: a port, for the ledger stands above people.

`training.services.leaving` is its one adapter, registered when the apps are ready. Calls are plain and run in the
caller's transaction. Taking back comes after whatever else the caller locks: it holds the organization's ledger lock
until the transaction ends. So whoever opens a record at the same time has either done so before, and it is taken back,
or finds the person inactive under that lock.
"""

from collections.abc import Collection, Mapping
from typing import Protocol

from accounts.actors import Actor
from accounts.models import Organization


class Leaving(Protocol):
    def open_records(self, *, organization: Organization, person_ids: Collection[int]) -> Mapping[int, int]:
        """How many open records each has, by person id; who has none is left out. It only reads."""

    def take_back(self, *, organization: Organization, actor: Actor, person_ids: Collection[int]) -> Mapping[int, int]:
        """Unassign what is open of people who have just been made inactive, as one operation. How many, as above."""


_adapter: Leaving | None = None


def register(adapter: Leaving) -> None:
    global _adapter  # noqa: PLW0603 - set once, when the apps are ready
    _adapter = adapter


def leaving() -> Leaving:
    if _adapter is None:
        raise RuntimeError("Nobody takes back what is open: is the training app installed?")
    return _adapter
