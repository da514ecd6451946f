"""What enrolling asks of the ledger, which stands above it: a port, each call for many people at once.

`training.ledger` is its one adapter, registered when the apps are ready. Calls are plain and run in the caller's
transaction, after the caller's session locks: they take the organization's ledger lock, the last of all.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from accounts.actors import Actor
from accounts.models import Organization
from enrollments.models import Course, Enrollment


@dataclass(frozen=True)
class UnitsWanted:
    """The free units of a course, and the ids of those who would take one, in the order in which they would."""

    free: int
    wanted_by: Sequence[int]


class Ledger(Protocol):
    def valid_completions(
        self, *, organization: Organization, person_ids: Collection[int], course_ids: Collection[int], on: date
    ) -> set[tuple[int, int]]:
        """The (person id, course id) pairs with a completed record that is valid on that day."""

    def enrolled(self, *, organization: Organization, actor: Actor, enrollments: Sequence[Enrollment]) -> None:
        """Open a record for each, unless one is open or the person holds a valid completed one.

        The enrollments are of one course. Raises PeopleInactive for whoever was made inactive since the caller looked,
        NotEnoughUnits.
        """

    def units_wanted(
        self,
        *,
        organization: Organization,
        actor: Actor,
        course: Course,
        person_ids: Sequence[int],
        for_results: bool = False,
    ) -> UnitsWanted:
        """Who of these people would take a unit if they were enrolled in this order, and how many units are free.

        `for_results`: if results were entered for them instead, for which a valid completed record is not enough.
        The course is one that uses units. True until the transaction ends: the ledger lock is held from here on.
        """

    def cancelled(self, *, organization: Organization, actor: Actor, enrollments: Sequence[Enrollment]) -> None:
        """Unassign what these enrollments opened, where nothing has been done on it and nothing else needs it."""

    def finished(self, *, organization: Organization, actor: Actor, enrollments: Sequence[Enrollment]) -> None:
        """Enter the results: passed completes the open record, not passed counts a failed attempt, null is progress."""


_adapter: Ledger | None = None


def register(adapter: Ledger) -> None:
    global _adapter  # noqa: PLW0603 - set once, when the apps are ready
    _adapter = adapter


def ledger() -> Ledger:
    if _adapter is None:
        raise RuntimeError("No ledger is registered: is the training app installed?")
    return _adapter
