"""Who sits where. Every write here locks the session row first, so that seats are counted and freed one at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.core.exceptions import ValidationError
from django.utils import timezone

from accounts.actors import Actor
from accounts.days import day_of
from accounts.errors import FieldsRefused, PeopleInactive, PeopleUnknown
from accounts.models import Organization, Person
from accounts.services.inserting import insert_rows
from accounts.services.saving import write_fields
from accounts.transactions import write
from enrollments.errors import (
    AlreadyEnrolled,
    EnrollmentNotOpen,
    EnrollmentUnknown,
    PrerequisitesUnmet,
    SessionClosed,
    SessionUnknown,
)
from enrollments.ledger import ledger
from enrollments.models import OPEN_STATUSES, Course, Enrollment, EnrollmentStatus, Prerequisite, Session
from enrollments.seats import lock_rows, take_seats

BATCH = 2000  # Rows in one statement: no database refuses so many.


@dataclass(frozen=True)
class Enrolled:
    """What enrolling made, in the order asked for, and the seats left in the session (None: no limit)."""

    enrollments: list[Enrollment]
    available_spots: int | None


def enroll(*, organization: Organization, actor: Actor, session_id: int, person_ids: Sequence[int]) -> Enrolled:
    """Enroll everybody or nobody. Duplicate ids collapse.

    Raises, in this order: SessionUnknown, SessionClosed, PeopleUnknown, PeopleInactive, AlreadyEnrolled,
    PrerequisitesUnmet, SessionFull; then what the ledger refuses.
    """
    ids = list(dict.fromkeys(person_ids))
    with write(actor):
        session = lock_open_session(organization, session_id)
        for refusal in refusals(organization=organization, session=session, ids=ids):
            raise refusal
        return seat(organization=organization, actor=actor, session=session, ids=ids)


def seat(*, organization: Organization, actor: Actor, session: Session, ids: Sequence[int]) -> Enrolled:
    """Give seats to people whom `refusals` does not name, in a session that its caller has locked. All or nothing.

    Raises SessionFull, before anything is written; then what the ledger refuses.
    """
    taken = Enrollment.objects.of(organization).filter(session=session).holding_a_seat().count()
    available = take_seats(capacity=session.max_participants, taken=taken, requested=len(ids))
    now = timezone.now()
    enrollments: list[Enrollment] = []
    for start in range(0, len(ids), BATCH):
        seated = insert_rows(
            [
                Enrollment(
                    organization=organization,
                    session=session,
                    person_id=pk,
                    enrolled_at=now,
                    created_by=actor.ref,
                    updated_by=actor.ref,
                )
                for pk in ids[start : start + BATCH]
            ]
        )
        ledger().enrolled(organization=organization, actor=actor, enrollments=seated)
        enrollments += seated
    return Enrolled(enrollments=enrollments, available_spots=available)


def lock_session(organization: Organization, session_id: int) -> Session:
    """The session with its course, held until the transaction ends. Raises SessionUnknown."""
    sessions = Session.objects.of(organization).select_related("course")
    session = lock_rows(sessions, [session_id]).get(session_id)
    if session is None:
        raise SessionUnknown(session_id)
    return session


def lock_open_session(organization: Organization, session_id: int) -> Session:
    """As `lock_session`, for enrolling. Raises SessionUnknown, SessionClosed."""
    session = lock_session(organization, session_id)
    if session.status not in OPEN_STATUSES:
        raise SessionClosed(session.status)
    return session


def refusals(
    *, organization: Organization, session: Session, ids: Sequence[int]
) -> Iterator[PeopleUnknown | PeopleInactive | AlreadyEnrolled | PrerequisitesUnmet]:
    """Who cannot be enrolled in a session that the caller has locked, and why, in the order in which that is told.

    Each is looked for when it is asked for. Whom an earlier one names, a later one may name too.
    """
    active = dict(Person.objects.of(organization).filter(pk__in=ids).values_list("pk", "active"))
    if unknown := [pk for pk in ids if pk not in active]:
        yield PeopleUnknown(unknown)
    if inactive := [pk for pk in ids if not active.get(pk, True)]:
        yield PeopleInactive(inactive)
    seated = Enrollment.objects.of(organization).filter(session=session).holding_a_seat()
    already = set(seated.filter(person_id__in=ids).values_list("person_id", flat=True))
    if already:
        yield AlreadyEnrolled([pk for pk in ids if pk in already])
    if unmet := _unmet_prerequisites(organization, session.course, ids):
        yield PrerequisitesUnmet(unmet)


def _unmet_prerequisites(organization: Organization, course: Course, ids: Sequence[int]) -> dict[int, list[str]]:
    """Codes of the required courses of which a person has no completed record valid today, by person id."""
    rows = Prerequisite.objects.of(organization).filter(course=course).order_by("required__code")
    required = dict(rows.values_list("required_id", "required__code"))
    if not required:
        return {}
    met = ledger().valid_completions(
        organization=organization,
        person_ids=ids,
        course_ids=list(required),
        on=day_of(timezone.now(), organization.zone),
    )
    missing = {pk: [code for course_id, code in required.items() if (pk, course_id) not in met] for pk in ids}
    return {pk: codes for pk, codes in missing.items() if codes}


def complete(
    *,
    organization: Organization,
    actor: Actor,
    enrollment_id: int,
    score: Decimal | None = None,
    feedback: str | None = None,
    certificate_url: str | None = None,
) -> Enrollment:
    """Enter how an enrollment ended; the ledger follows. The same values again change nothing.

    `passed` is score ≥ the course's pass score, true without a pass score, None when the score is missing.
    Raises EnrollmentUnknown, EnrollmentNotOpen, FieldsRefused.
    """
    with write(actor):
        enrollment = _locked_enrollment(organization, enrollment_id)
        given = (score, feedback, certificate_url)
        if enrollment.status in (EnrollmentStatus.COMPLETED, EnrollmentStatus.FAILED) and given == (
            enrollment.score,
            enrollment.feedback,
            enrollment.certificate_url,
        ):
            return enrollment
        _require_enrolled(enrollment)
        set_result(enrollment, score)
        enrollment.score, enrollment.feedback, enrollment.certificate_url = given
        _save(enrollment, actor, "status", "score", "passed", "feedback", "certificate_url", "completed_at")
        ledger().finished(organization=organization, actor=actor, enrollments=[enrollment])
    return enrollment


def set_result(enrollment: Enrollment, score: Decimal | None) -> None:
    """What a score makes of an enrollment whose session has its course with it. Writes nothing."""
    pass_score = enrollment.session.course.pass_score
    if pass_score is None:
        enrollment.passed = True
    else:
        enrollment.passed = None if score is None else score >= pass_score
    enrollment.status = EnrollmentStatus.FAILED if enrollment.passed is False else EnrollmentStatus.COMPLETED
    enrollment.score = score
    enrollment.completed_at = timezone.now()


def cancel(*, organization: Organization, actor: Actor, enrollment_id: int) -> Enrollment:
    """Free the seat; the ledger takes back what this enrollment opened. Cancelling again changes nothing.

    Raises EnrollmentUnknown, EnrollmentNotOpen.
    """
    with write(actor):
        enrollment = _locked_enrollment(organization, enrollment_id)
        if enrollment.status == EnrollmentStatus.CANCELLED:
            return enrollment
        _require_enrolled(enrollment)
        enrollment.status = EnrollmentStatus.CANCELLED
        enrollment.cancelled_at = timezone.now()
        _save(enrollment, actor, "status", "cancelled_at")
        ledger().cancelled(organization=organization, actor=actor, enrollments=[enrollment])
    return enrollment


def mark_absent(*, organization: Organization, actor: Actor, enrollment_id: int) -> Enrollment:
    """The person did not come. What is owed stays owed: the ledger is not touched. The seat stays taken.

    Raises EnrollmentUnknown, EnrollmentNotOpen.
    """
    with write(actor):
        enrollment = _locked_enrollment(organization, enrollment_id)
        if enrollment.status == EnrollmentStatus.ABSENT:
            return enrollment
        _require_enrolled(enrollment)
        enrollment.status = EnrollmentStatus.ABSENT
        _save(enrollment, actor, "status")
    return enrollment


def cancel_all(*, organization: Organization, actor: Actor, session: Session) -> list[Enrollment]:
    """Cancel whoever is still enrolled in a session that its caller has locked."""
    enrollments = list(
        Enrollment.objects.of(organization)
        .filter(session=session, status=EnrollmentStatus.ENROLLED)
        .select_related("session__course", "person")
        .order_by("pk")
    )
    now = timezone.now()
    for enrollment in enrollments:
        enrollment.status = EnrollmentStatus.CANCELLED
        enrollment.cancelled_at = now
        enrollment.updated_by = actor.ref
    Enrollment.objects.of(organization).bulk_update(
        enrollments, ["status", "cancelled_at", "updated_by"], batch_size=500
    )
    if enrollments:
        ledger().cancelled(organization=organization, actor=actor, enrollments=enrollments)
    return enrollments


def _locked_enrollment(organization: Organization, enrollment_id: int) -> Enrollment:
    enrollments = Enrollment.objects.of(organization).select_related("session__course", "person")
    found = enrollments.filter(pk=enrollment_id).values_list("session_id", flat=True).first()
    if found is None:
        raise EnrollmentUnknown(enrollment_id)
    session = lock_session(organization, found)
    # Read again: what was seen before the lock was granted may have changed. An enrollment never changes its session.
    enrollment = enrollments.get(pk=enrollment_id)
    enrollment.session = session
    return enrollment


def _require_enrolled(enrollment: Enrollment) -> None:
    if enrollment.status != EnrollmentStatus.ENROLLED:
        raise EnrollmentNotOpen(enrollment_id=enrollment.pk, status=enrollment.status)


def _save(enrollment: Enrollment, actor: Actor, *fields: str) -> None:
    enrollment.updated_by = actor.ref
    try:
        enrollment.clean_fields()
    except ValidationError as error:
        raise FieldsRefused(error.message_dict) from error
    write_fields(enrollment, [*fields, "updated_by"])
