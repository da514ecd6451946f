"""Somebody leaves: what is open is taken back, what was done stays."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from accounts.actors import Actor
from accounts.bulk import Done, InputRow
from accounts.errors import PeopleUnknown
from accounts.models import Organization, Person
from accounts.services import people
from accounts.transactions import write
from enrollments.models import Session
from enrollments.seats import lock_rows
from enrollments.services import enrolling
from training.models import TrainSession
from training.services.reasons import check_reason
from training.services.unassigning import unassign_acceptable
from training.services.writer import ledger_writer
from training.transcript import coming_seats

ALL = Decimal(100)  # Percent.
MADE_INACTIVE = "Made inactive"  # The reason where nobody gives one.


@dataclass(frozen=True)
class Left:
    """`unassigned` has no operation where nothing was open. `cancelled` are the ids of the enrollments."""

    person: Person
    unassigned: Done
    cancelled: list[int]


def deactivate_person(
    *, organization: Organization, actor: Actor, person_id: int, reason: str, cancel_seats: bool
) -> Left:
    """Make a person inactive and unassign what is open, as one operation; on request, give back seats in sessions that
    have not begun. One transaction. What is completed stays, and so do memberships and all other seats. Somebody
    inactive may have something open, too: of before, or by a result that was entered since.

    The limit of unassigning many at once is of no concern here: this is one person.
    Raises PeopleUnknown, FieldsRefused, EnrollmentNotOpen.
    """
    check_reason(reason)
    with write(actor):
        person = Person.objects.of(organization).filter(pk=person_id).first()
        if person is None:
            raise PeopleUnknown([person_id])
        seats = _locked_seats(organization, person) if cancel_seats else []
        person = people.update_person(
            organization=organization, actor=actor, person=person, changes={"active": False}, take_back=False
        )
        unassigned, _ = _unassign(organization, actor, [person.pk], reason, {"left": person.employee_id})
        for enrollment_id in seats:
            enrolling.cancel(organization=organization, actor=actor, enrollment_id=enrollment_id)
    return Left(person=person, unassigned=unassigned, cancelled=seats)


def _locked_seats(organization: Organization, person: Person) -> list[int]:
    """The sessions come first, all of them at once; what holds a seat in them is read again when they are locked."""
    sessions = list(coming_seats(person).values_list("session_id", flat=True))
    lock_rows(Session.objects.of(organization), sessions)
    return list(coming_seats(person).filter(session__in=sessions).values_list("pk", flat=True))


class LeftBehind:
    """The ledger as people ask for it: the one adapter of the port in `accounts.leaving`."""

    def open_records(self, *, organization: Organization, person_ids: Collection[int]) -> Counter[int]:
        rows = TrainSession.objects.of(organization).open().filter(person__in=person_ids)
        return Counter(rows.values_list("person_id", flat=True))

    def take_back(self, *, organization: Organization, actor: Actor, person_ids: Collection[int]) -> Counter[int]:
        _, counted = _unassign(organization, actor, person_ids, MADE_INACTIVE, {"people_left": len(person_ids)})
        return counted


def _unassign(
    organization: Organization, actor: Actor, person_ids: Collection[int], reason: str, details: dict[str, Any]
) -> tuple[Done, Counter[int]]:
    """What is open is looked for under the lock, which is taken even where nothing is: see `accounts.leaving`."""
    with ledger_writer(organization, actor) as writer:
        found = list(writer.records.open().filter(person__in=person_ids).order_by("pk").values_list("pk", "person_id"))
        rows = [InputRow(line, {"id": str(pk)}) for line, (pk, _) in enumerate(found, start=1)]
        done = unassign_acceptable(
            organization=organization, actor=actor, which=rows, reason=reason, max_percent=ALL, details=details
        )
    return done, Counter(person_id for _, person_id in found)
