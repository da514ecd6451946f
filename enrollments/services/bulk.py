"""Enrolling many people of whom some may have to be left out, and telling which and why."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import islice
from typing import Any

from django.db import transaction

from accounts.actors import Actor
from accounts.bulk import Done, InputRow, Tell, tell_nobody
from accounts.errors import PeopleInactive, PeopleUnknown
from accounts.models import OperationKind, Organization, Outcome
from accounts.naming import INACTIVE, UNKNOWN, Verdict, names_in, outcomes, refused
from accounts.selectors import people_by
from accounts.services.operations import recording
from enrollments.errors import AlreadyEnrolled, NotEnoughUnits, PrerequisitesUnmet, SessionFull
from enrollments.ledger import ledger
from enrollments.models import Enrollment, Session
from enrollments.services.enrolling import BATCH, lock_open_session, refusals, seat
from enrollments.wording import describe, listed


class OnFull(StrEnum):
    """Where seats, or units, do not suffice for everybody who may be enrolled: nobody is, or who comes first."""

    FAIL = "fail"
    PARTIAL = "partial"


@dataclass(frozen=True)
class BulkEnrolled(Done):
    """`lack` is what there was too little of, where nobody was enrolled for that."""

    lack: SessionFull | NotEnoughUnits | None = None


def enroll_acceptable(
    *,
    organization: Organization,
    actor: Actor,
    session_id: int,
    column: str,
    rows: Sequence[InputRow],
    on_full: OnFull = OnFull.FAIL,
    details: dict[str, Any] | None = None,
    dry_run: bool = False,
    tell: Tell = tell_nobody,
) -> BulkEnrolled:
    """Enroll everybody who may be, in one transaction; where the seats or units do not suffice, see OnFull.

    `column` is the one that names people: `employee_id`, `username` or `mail`. Who may be enrolled is looked up under
    the session's lock. A dry run does the same and takes it back; an exception from `tell` undoes all.
    Raises SessionUnknown, SessionClosed.
    """
    with recording(
        organization=organization,
        actor=actor,
        kind=OperationKind.BULK_ENROLL,
        details=details,
        dry_run=dry_run,
        tell=tell,
    ) as recorded:
        session = lock_open_session(organization, session_id)
        acceptable, verdicts = _sorted_out(organization, session, column, names_in(rows, column))
        seated = _seat_active(organization, actor, session, list(acceptable.values()), on_full=on_full)
        ids = {enrollment.person_id: enrollment.pk for enrollment in seated.enrollments}
        for name, pk in acceptable.items():
            if pk in seated.left_out:
                verdicts[name] = refused(seated.left_out[pk])
            else:
                verdicts[name] = Verdict(Outcome.ENROLLED, target_id=ids[pk])
        recorded.stopped = describe(seated.lack) if seated.lack else ""
        told = outcomes(rows, column, verdicts)
        while batch := list(islice(told, BATCH)):
            recorded.add(batch)
    done = recorded.done
    return BulkEnrolled(done.operation_id, done.counts, done.stopped, lack=seated.lack)


def _sorted_out(
    organization: Organization, session: Session, column: str, names: Sequence[str]
) -> tuple[dict[str, int], dict[str, Verdict]]:
    """The ids of who may be enrolled, and the verdict on the others, each by name and in the order given."""
    acceptable: dict[str, int] = {}
    verdicts: dict[str, Verdict] = {}
    for start in range(0, len(names), BATCH):
        batch = names[start : start + BATCH]
        people = people_by(organization, column, batch)
        why: dict[int, str] = {}
        ids = [person.pk for person in people.values()]
        for refusal in refusals(organization=organization, session=session, ids=ids):
            for pk, reason in _one_by_one(refusal):
                why.setdefault(pk, reason)
        for name in batch:
            if name not in people:
                verdicts[name] = refused(UNKNOWN)
            elif (pk := people[name].pk) in why:
                verdicts[name] = refused(why[pk])
            else:
                acceptable[name] = pk
    return acceptable, verdicts


def _one_by_one(
    refusal: PeopleUnknown | PeopleInactive | AlreadyEnrolled | PrerequisitesUnmet,
) -> list[tuple[int, str]]:
    """A refusal of several people as a reason for each, who is named beside it."""
    match refusal:
        case PrerequisitesUnmet():
            return [(pk, f"Has not completed {listed(codes)}.") for pk, codes in refusal.missing.items()]
        case PeopleInactive():
            reason = INACTIVE
        case AlreadyEnrolled():
            reason = "Is enrolled already."
        case PeopleUnknown():
            reason = UNKNOWN
    return [(int(pk), reason) for pk in refusal.ids]


@dataclass(frozen=True)
class _Seated:
    """Who was enrolled, and why somebody was left out, by person id. `lack` is why everybody was."""

    enrollments: Sequence[Enrollment] = ()
    left_out: dict[int, str] = field(default_factory=dict)
    lack: SessionFull | NotEnoughUnits | None = None


def _seat_active(
    organization: Organization, actor: Actor, session: Session, ids: Sequence[int], *, on_full: OnFull
) -> _Seated:
    """Whoever was made inactive since they were looked up, which locks no session, is left out of another try."""
    gone: dict[int, str] = {}
    while True:
        try:
            with transaction.atomic():
                seated = _seat(organization, actor, session, [pk for pk in ids if pk not in gone], on_full=on_full)
        except PeopleInactive as refusal:
            gone |= {int(pk): INACTIVE for pk in refusal.ids}
        else:
            return replace(seated, left_out=gone | seated.left_out)


def _seat(
    organization: Organization, actor: Actor, session: Session, ids: Sequence[int], *, on_full: OnFull
) -> _Seated:
    lack: SessionFull | NotEnoughUnits
    try:
        # A savepoint: units are found missing after seats have been given.
        with transaction.atomic():
            return _Seated(seat(organization=organization, actor=actor, session=session, ids=ids).enrollments)
    except SessionFull as refusal:
        lack = refusal
    except NotEnoughUnits:
        # It counts those of one batch. Told is what all of them need.
        units = ledger().units_wanted(organization=organization, actor=actor, course=session.course, person_ids=ids)
        lack = NotEnoughUnits(course_code=session.course.code, free=units.free, needed=len(units.wanted_by))
    if on_full == OnFull.FAIL:
        return _Seated(left_out=dict.fromkeys(ids, _nobody(lack)), lack=lack)
    seated = _seat_first(organization, actor, session, ids)
    return seated if seated.enrollments else _Seated(left_out=seated.left_out, lack=lack)


def _seat_first(organization: Organization, actor: Actor, session: Session, ids: Sequence[int]) -> _Seated:
    """As many as there are seats and units, in the order given. Who needs no unit waits for none."""
    left_out: dict[int, str] = {}
    if session.course.uses_units:
        # Under the ledger lock, which stays: those who are seated below find their units.
        units = ledger().units_wanted(organization=organization, actor=actor, course=session.course, person_ids=ids)
        left_out = dict.fromkeys(units.wanted_by[units.free :], f"No unit of {session.course.code} is left.")
    served = [pk for pk in ids if pk not in left_out]
    try:
        enrolled = seat(organization=organization, actor=actor, session=session, ids=served)
    except SessionFull as full:
        left_out |= dict.fromkeys(served[full.remaining :], "The session is full.")
        enrolled = seat(organization=organization, actor=actor, session=session, ids=served[: full.remaining])
    return _Seated(enrolled.enrollments, left_out)


def _nobody(lack: SessionFull | NotEnoughUnits) -> str:
    if isinstance(lack, NotEnoughUnits):
        return f"{describe(lack)} Nobody was enrolled."
    seats = {0: "no free seat", 1: "1 free seat"}.get(lack.remaining, f"{lack.remaining} free seats")
    people = "1 person" if lack.requested == 1 else f"{lack.requested} people"
    return f"The session has {seats} for {people}, so nobody was enrolled."
