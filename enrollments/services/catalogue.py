"""Courses and scheduled sessions."""

import uuid
from collections.abc import Sequence
from typing import Any

from django.utils import timezone

from accounts.actors import Actor
from accounts.errors import FieldsRefused
from accounts.models import Organization
from accounts.search import searchable
from accounts.services.saving import save_checked
from accounts.transactions import lock_ledger, write
from enrollments.errors import CapacityBelowSeatsTaken, StatusFinal
from enrollments.models import Course, Enrollment, Prerequisite, Session, SessionStatus
from enrollments.services.enrolling import cancel_all, lock_session

CIRCLE = "A course cannot require itself, directly or through others."


def create_course(
    *, organization: Organization, actor: Actor, prerequisites: Sequence[Course] = (), **fields: Any
) -> Course:
    """Raises FieldsRefused."""
    with write(actor):
        course = Course(organization=organization, **fields)
        _fill_search(course)
        save_checked(course)
        _set_prerequisites(organization, course, prerequisites)
    return course


def update_course(
    *,
    organization: Organization,
    actor: Actor,
    course: Course,
    changes: dict[str, Any],
    prerequisites: Sequence[Course] | None = None,
) -> Course:
    """Every change is a new revision. `prerequisites`, where given, replaces the list. Raises FieldsRefused."""
    with write(actor):
        # No key: whoever holds the ledger lock inserts records that point here, and the ledger lock is asked for below.
        course = Course.objects.of(organization).select_for_update(of=("self",), no_key=True).get(pk=course.pk)
        for field, value in changes.items():
            setattr(course, field, value)
        _fill_search(course)
        course.revision = uuid.uuid4()
        course.updated_at = timezone.now()
        save_checked(course, update_fields=[*changes, "search_code", "search_title", "revision", "updated_at"])
        if prerequisites is not None:
            _set_prerequisites(organization, course, prerequisites)
    return course


def _fill_search(course: Course) -> None:
    course.search_code, course.search_title = searchable(course.code), searchable(course.title)


def _set_prerequisites(organization: Organization, course: Course, required: Sequence[Course]) -> None:
    """Raises FieldsRefused where a course would require itself, directly or through others."""
    # One at a time in an organization: two changes at once could close a circle of which neither sees the whole.
    lock_ledger(organization.pk)
    rows = Prerequisite.objects.of(organization)
    edges: dict[int, set[int]] = {}
    for course_id, required_id in rows.exclude(course=course).values_list("course_id", "required_id"):
        edges.setdefault(course_id, set()).add(required_id)
    reached, frontier = set[int](), {row.pk for row in required}
    while frontier:
        reached |= frontier
        frontier = {after for before in frontier for after in edges.get(before, ())} - reached
    if course.pk in reached:
        raise FieldsRefused({"prerequisites": [CIRCLE]})
    rows.filter(course=course).exclude(required__in=required).delete()
    kept = set(rows.filter(course=course).values_list("required_id", flat=True))
    for row in required:
        if row.pk not in kept:
            kept.add(row.pk)
            save_checked(Prerequisite(organization=organization, course=course, required=row))


def create_session(*, organization: Organization, actor: Actor, **fields: Any) -> Session:
    """Raises FieldsRefused."""
    with write(actor):
        session = Session(organization=organization, **fields)
        save_checked(session)
    return session


def update_session(*, organization: Organization, actor: Actor, session_id: int, changes: dict[str, Any]) -> Session:
    """Cancelling a session cancels whoever is still enrolled in it, in the same transaction.

    Raises SessionUnknown, StatusFinal, CapacityBelowSeatsTaken, FieldsRefused.
    """
    with write(actor):
        session = lock_session(organization, session_id)
        was, course_id = session.status, session.course_id
        for field, value in changes.items():
            setattr(session, field, value)
        if was == SessionStatus.CANCELLED and session.status != was:
            raise StatusFinal(was)
        enrollments = Enrollment.objects.of(organization).filter(session=session)
        seated = enrollments.holding_a_seat()
        if session.course_id != course_id and enrollments.exists():
            raise FieldsRefused({"course": ["A session with enrollments keeps its course."]})
        if "max_participants" in changes and session.max_participants is not None:
            taken = seated.count()
            if session.max_participants < taken:
                raise CapacityBelowSeatsTaken(taken=taken, capacity=session.max_participants)
        session.updated_at = timezone.now()
        save_checked(session, update_fields=[*changes, "updated_at"])
        if session.status == SessionStatus.CANCELLED and was != session.status:
            # Last, because the ledger lock comes after every count.
            cancel_all(organization=organization, actor=actor, session=session)
    return session
