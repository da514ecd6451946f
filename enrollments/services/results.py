"""How the enrollments of a session ended, entered for many at once: a roster, a whole class."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from django.core.exceptions import ValidationError
from django.utils import timezone

from accounts.actors import Actor
from accounts.errors import FieldsRefused, Refusal
from accounts.models import Organization
from accounts.transactions import write
from enrollments.errors import EnrollmentNotOpen, EnrollmentUnknown, NotEnoughUnits, SessionNotBegun
from enrollments.ledger import ledger
from enrollments.models import Enrollment, EnrollmentStatus, Session
from enrollments.services.enrolling import lock_session, set_result


@dataclass(frozen=True)
class Result:
    """`status` is completed, absent or cancelled. A score belongs to a completed one, and may make it a failed one."""

    enrollment_id: int
    status: EnrollmentStatus
    score: Decimal | None = None


@dataclass
class Entered:
    """`saved` in the order given, with those that had been entered just so before; `refused` by enrollment id."""

    saved: list[Enrollment] = field(default_factory=list)
    refused: dict[int, Refusal] = field(default_factory=dict)


def enter(*, organization: Organization, actor: Actor, session_id: int, results: Sequence[Result]) -> Entered:
    """Enter each result or refuse it: one that is refused holds no other up. One transaction, one session lock.

    Refuses EnrollmentUnknown (of another session, too), EnrollmentNotOpen, FieldsRefused, NotEnoughUnits.
    Raises SessionUnknown.
    """
    entered = Entered()
    with write(actor):
        session = lock_session(organization, session_id)
        rows = _rows(organization, session, [result.enrollment_id for result in results])
        changed: dict[str, list[Enrollment]] = {status: [] for status in EnrollmentStatus}
        for result in results:
            row = rows.get(result.enrollment_id)
            try:
                if row is None:
                    raise EnrollmentUnknown(result.enrollment_id)
                if not _is_so(row, result):
                    _apply(row, result)
                    changed[result.status].append(row)
            except Refusal as refusal:
                entered.refused[result.enrollment_id] = refusal
        # Last, because the ledger lock comes after every count.
        _write(organization, actor, session, changed, entered.refused)
        entered.saved = [
            rows[result.enrollment_id] for result in results if result.enrollment_id not in entered.refused
        ]
    return entered


def mark_present(*, organization: Organization, actor: Actor, session_id: int) -> list[Enrollment]:
    """Complete, without a score, whoever is still enrolled. All or nothing.

    Raises SessionUnknown, SessionNotBegun, NotEnoughUnits; FieldsRefused where the course is passed by a score.
    """
    with write(actor):
        session = lock_session(organization, session_id)
        if session.starts_at > timezone.now():
            raise SessionNotBegun(session.starts_at.astimezone(organization.zone))
        if session.course.pass_score is not None:
            raise FieldsRefused({"score": ["This course is passed by a score. Enter one for each person instead."]})
        rows = list(_rows(organization, session).values())
        for row in rows:
            _apply(row, Result(row.pk, EnrollmentStatus.COMPLETED))
        _complete(organization, actor, rows)
    return rows


def _rows(organization: Organization, session: Session, ids: Collection[int] | None = None) -> dict[int, Enrollment]:
    """These enrollments of a locked session; without ids, those that are still open."""
    rows = Enrollment.objects.of(organization).filter(session=session).select_related("person").order_by("pk")
    found = rows.filter(status=EnrollmentStatus.ENROLLED) if ids is None else rows.filter(pk__in=ids)
    by_id = {row.pk: row for row in found}
    for row in by_id.values():
        row.session = session
    return by_id


def _is_so(row: Enrollment, result: Result) -> bool:
    """Whether it has been entered just so before: a form that is sent twice is refused nothing."""
    if row.status == EnrollmentStatus.FAILED or result.status == EnrollmentStatus.COMPLETED:
        ended = row.status in (EnrollmentStatus.COMPLETED, EnrollmentStatus.FAILED)
        return ended and result.status == EnrollmentStatus.COMPLETED and row.score == result.score
    return row.status == result.status


def _apply(row: Enrollment, result: Result) -> None:
    """Raises EnrollmentNotOpen, FieldsRefused. Writes nothing."""
    if row.status != EnrollmentStatus.ENROLLED:
        raise EnrollmentNotOpen(enrollment_id=row.pk, status=row.status)
    if result.status == EnrollmentStatus.COMPLETED:
        try:
            Enrollment._meta.get_field("score").clean(result.score, row)  # noqa: SLF001 - Django's documented name
        except ValidationError as error:
            raise FieldsRefused({"score": error.messages}) from error
        set_result(row, result.score)
        return
    if result.score is not None:
        raise FieldsRefused({"score": ["A score belongs to a completed enrollment."]})
    row.status = result.status
    if result.status == EnrollmentStatus.CANCELLED:
        row.cancelled_at = timezone.now()


def _write(
    organization: Organization,
    actor: Actor,
    session: Session,
    changed: Mapping[str, list[Enrollment]],
    refused: dict[int, Refusal],
) -> None:
    cancelled, completed = changed[EnrollmentStatus.CANCELLED], changed[EnrollmentStatus.COMPLETED]
    _save(organization, actor, changed[EnrollmentStatus.ABSENT], "status")
    _save(organization, actor, cancelled, "status", "cancelled_at")
    if cancelled:
        ledger().cancelled(organization=organization, actor=actor, enrollments=cancelled)
    course = session.course
    if completed and course.uses_units:
        # Who comes first gets the units that there are, and who needs none waits for none. The ledger stays locked from
        # here on: whoever is to have a unit finds it.
        people = [row.person_id for row in completed]
        units = ledger().units_wanted(
            organization=organization, actor=actor, course=course, person_ids=people, for_results=True
        )
        lacking = set(units.wanted_by[units.free :])
        refused |= {
            row.pk: NotEnoughUnits(course_code=course.code, free=0, needed=1)
            for row in completed
            if row.person_id in lacking
        }
        completed = [row for row in completed if row.person_id not in lacking]
    _complete(organization, actor, completed)


def _complete(organization: Organization, actor: Actor, rows: Sequence[Enrollment]) -> None:
    _save(organization, actor, rows, "status", "score", "passed", "completed_at")
    if rows:
        ledger().finished(organization=organization, actor=actor, enrollments=rows)


def _save(organization: Organization, actor: Actor, rows: Sequence[Enrollment], *fields: str) -> None:
    for row in rows:
        row.updated_by = actor.ref
    Enrollment.objects.of(organization).bulk_update(rows, [*fields, "updated_by"], batch_size=200)
