"""Somebody leaves: what is open is taken back, what was done stays."""

from dataclasses import dataclass
from decimal import Decimal

from accounts.actors import Actor
from accounts.bulk import Done, InputRow
from accounts.errors import PeopleUnknown
from accounts.models import Organization, Person
from accounts.services import people
from accounts.transactions import write
from enrollments.models import Session
from enrollments.seats import lock_rows
from enrollments.services import enrolling
from training.services.reasons import check_reason
from training.services.unassigning import unassign_acceptable
from training.services.writer import ledger_writer
from training.transcript import coming_seats

ALL = Decimal(100)  # Percent.


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
    have not begun. One transaction. What is completed stays, and so do memberships and all other seats.

    The limit of unassigning many at once is of no concern here: this is one person.
    Raises PeopleUnknown, FieldsRefused, EnrollmentNotOpen.
    """
    check_reason(reason)
    with write(actor):
        person = Person.objects.of(organization).filter(pk=person_id).first()
        if person is None:
            raise PeopleUnknown([person_id])
        seats = _locked_seats(organization, person) if cancel_seats else []
        person = people.update_person(organization=organization, actor=actor, person=person, changes={"active": False})
        unassigned = _unassign(organization, actor, person, reason)
        for enrollment_id in seats:
            enrolling.cancel(organization=organization, actor=actor, enrollment_id=enrollment_id)
    return Left(person=person, unassigned=unassigned, cancelled=seats)


def _locked_seats(organization: Organization, person: Person) -> list[int]:
    """The sessions come first, all of them at once; what holds a seat in them is read again when they are locked."""
    sessions = list(coming_seats(person).values_list("session_id", flat=True))
    lock_rows(Session.objects.of(organization), sessions)
    return list(coming_seats(person).filter(session__in=sessions).values_list("pk", flat=True))


def _unassign(organization: Organization, actor: Actor, person: Person, reason: str) -> Done:
    with ledger_writer(organization, actor) as writer:
        ids = writer.records.open().filter(person=person).order_by("pk").values_list("pk", flat=True)
        rows = [InputRow(line, {"id": str(pk)}) for line, pk in enumerate(ids, start=1)]
        return unassign_acceptable(
            organization=organization,
            actor=actor,
            which=rows,
            reason=reason,
            max_percent=ALL,
            details={"left": person.employee_id},
        )
