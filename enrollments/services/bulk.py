"""Enrolling many people of whom some may have to be left out, and telling which and why."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.db import transaction

from accounts.actors import Actor
from accounts.errors import PeopleInactive, PeopleUnknown, Refusal
from accounts.models import Organization, Person
from accounts.transactions import write
from enrollments.errors import AlreadyEnrolled, NotEnoughUnits, PrerequisitesUnmet, SessionFull
from enrollments.models import Enrollment, Session
from enrollments.services.enrolling import BATCH, lock_open_session, refusals, seat


@dataclass(frozen=True)
class BulkEnrolled:
    """Who was enrolled, in the order asked for; who was left out and why, by employee number.

    `stopped` is why nobody was enrolled although somebody could be: fewer seats or units than people.
    """

    enrollments: list[Enrollment]
    refused: dict[str, Refusal]
    stopped: SessionFull | NotEnoughUnits | None


def enroll_acceptable(
    *,
    organization: Organization,
    actor: Actor,
    session_id: int,
    employee_ids: Sequence[str],
    dry_run: bool = False,
    progress: Callable[[int], object] | None = None,
) -> BulkEnrolled:
    """Enroll everybody who may be, in one transaction; where the seats do not suffice for all of them, nobody.

    Who may be is looked up under the session's lock. A dry run does the same and takes it back. `progress` is told
    how many people are dealt with; an exception that it raises undoes all. Duplicates collapse.
    Raises SessionUnknown, SessionClosed.
    """
    numbers = list(dict.fromkeys(employee_ids))
    with write():
        session = lock_open_session(organization, session_id)
        ids, refused = _sorted_out(organization, session, numbers)
        if progress:
            progress(len(refused))
        enrollments: list[Enrollment] = []
        stopped: SessionFull | NotEnoughUnits | None = None
        try:
            # A savepoint: units are found missing after the seats have been given.
            with transaction.atomic():
                enrollments = seat(
                    organization=organization, actor=actor, session=session, ids=ids, progress=progress
                ).enrollments
        except (SessionFull, NotEnoughUnits) as refusal:
            stopped = refusal
        if dry_run:
            transaction.set_rollback(True)
    return BulkEnrolled(enrollments=enrollments, refused=refused, stopped=stopped)


def _one_by_one(
    refusal: PeopleUnknown | PeopleInactive | AlreadyEnrolled | PrerequisitesUnmet,
) -> list[tuple[int, Refusal]]:
    """A refusal of several people as one for each."""
    if isinstance(refusal, PrerequisitesUnmet):
        return [(pk, PrerequisitesUnmet({pk: codes})) for pk, codes in refusal.missing.items()]
    return [(int(pk), type(refusal)([int(pk)])) for pk in refusal.ids]


def _sorted_out(
    organization: Organization, session: Session, numbers: Sequence[str]
) -> tuple[list[int], dict[str, Refusal]]:
    """The ids of who may be enrolled, and the others' first refusal by employee number, each in the order given."""
    accepted: list[int] = []
    refused: dict[str, Refusal] = {}
    for start in range(0, len(numbers), BATCH):
        batch = numbers[start : start + BATCH]
        people = Person.objects.of(organization).filter(employee_id__in=batch)
        id_of = dict(people.values_list("employee_id", "pk"))
        why: dict[int, Refusal] = {}
        for refusal in refusals(organization=organization, session=session, ids=list(id_of.values())):
            for pk, alone in _one_by_one(refusal):
                why.setdefault(pk, alone)
        for number in batch:
            if number not in id_of:
                refused[number] = PeopleUnknown([number])
            elif id_of[number] in why:
                refused[number] = why[id_of[number]]
            else:
                accepted.append(id_of[number])
    return accepted, refused
