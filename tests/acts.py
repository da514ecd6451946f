"""The acts of the ledger, by the system, shortly."""

from decimal import Decimal
from typing import Any

from accounts.actors import Actor
from accounts.models import Person
from enrollments.models import Course, Enrollment, Session
from enrollments.services import enrolling
from training.models import TrainSession
from training.services import records

ACTOR = Actor.system()


def assign(course: Course, *people: Person, **options: Any) -> list[records.Assigned]:
    return records.assign(
        organization=course.organization,
        actor=ACTOR,
        course_id=course.pk,
        person_ids=[one.pk for one in people],
        **options,
    )


def owed(course: Course, person: Person) -> TrainSession:
    return assign(course, person)[0].record


def attempt(record: TrainSession, score: int, **options: Any) -> TrainSession:
    return records.attempt(
        organization=record.organization, actor=ACTOR, record_id=record.pk, score=Decimal(score), **options
    )


def progress(record: TrainSession, **options: Any) -> TrainSession:
    return records.progress(organization=record.organization, actor=ACTOR, record_id=record.pk, **options)


def complete(record: TrainSession, **options: Any) -> TrainSession:
    return records.complete(organization=record.organization, actor=ACTOR, record_id=record.pk, **options)


def enroll(session: Session, *people: Person) -> list[Enrollment]:
    return enrolling.enroll(
        organization=session.organization, actor=ACTOR, session_id=session.pk, person_ids=[one.pk for one in people]
    ).enrollments


def cancel(enrollment: Enrollment) -> Enrollment:
    return enrolling.cancel(organization=enrollment.organization, actor=ACTOR, enrollment_id=enrollment.pk)


def finish(enrollment: Enrollment, **result: Any) -> Enrollment:
    return enrolling.complete(organization=enrollment.organization, actor=ACTOR, enrollment_id=enrollment.pk, **result)
