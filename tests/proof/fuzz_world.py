"""The organization that is fuzzed: rows of each kind in several states, so that ids that are drawn from answers are met."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounts.scopes import Scope
from accounts.services.tokens import create_token
from programs.services import membership
from tests import acts
from tests.factories import (
    SYSTEM,
    CourseFactory,
    OrganizationFactory,
    PersonFactory,
    ProgramSessionFactory,
    SessionFactory,
    UnitFactory,
)
from tests.proof.fuzz_run import World
from training.models import TrainSession


def make_world() -> World:
    organization = OrganizationFactory.create(time_zone="Europe/Berlin")
    _, secret = create_token(organization=organization, actor=SYSTEM, name="fuzz", scopes=Scope.values)
    people = PersonFactory.create_batch(12, organization=organization)
    courses = [
        CourseFactory.create(organization=organization, pass_score=score, certificate_months=12, uses_units=units)
        for score, units in ((None, False), (80, False), (None, True), (50, False))
    ]
    # Enough that there is still somebody to enroll, and a record that is open, when thousands of cases have been.
    crowd = PersonFactory.create_batch(121, organization=organization)
    demanding = CourseFactory.create(organization=organization, pass_score=100)
    owed_by_many = [assigned.record for assigned in acts.assign(demanding, *crowd)]
    to_unassign = [assigned.record for assigned in acts.assign(courses[0], *crowd)]
    UnitFactory.create_batch(20, organization=organization, course=courses[2])
    sessions = [SessionFactory.create(course=course, max_participants=200) for course in courses]
    for session in sessions:
        enrolled = acts.enroll(session, *people[:6])
        acts.cancel(enrolled[0])
        acts.finish(enrolled[1], score=90)
    begun = timezone.now() - timedelta(days=1)
    SessionFactory.create(course=courses[0], starts_at=begun, max_participants=None)
    for course in (courses[1], courses[3]):
        owed = [assigned.record for assigned in acts.assign(course, *people[6:10])]
        acts.attempt(owed[0], 10)
        acts.complete(owed[1])
        acts.progress(owed[2], percent_complete=40)
    limits: tuple[dict[str, Any], ...] = ({}, {"has_user_limit": True, "user_limit": 8})
    programs = [ProgramSessionFactory.create(organization=organization, courses=courses[:2], **one) for one in limits]
    for program in programs:
        membership.join(
            organization=organization, actor=SYSTEM, session=program, person_ids=[one.pk for one in people[:3]]
        )
    records = TrainSession.objects.of(organization)
    return World(
        secret,
        {
            "/api/v1/programs/sessions": {
                "hex_id": [program.hex_id for program in programs],
                "user": [one.hex_id for one in people] + [one.mail for one in people],
            },
            "/api/v1/programs/templates": {"hex_id": [program.template.hex_id for program in programs]},
            "/api/v1/training/enrollments": {
                "session_id": [session.pk for session in sessions],
                "employee_ids": [one.pk for one in crowd],
            },
            "/api/train_sessions/unassign": {
                "ids": [record.pk for record in to_unassign],
                "course_codes": [course.code for course in courses],
                "login_id": [one.pk for one in people],
            },
            "/api/train_sessions/": {"id": [record.pk for record in owed_by_many]},
            "/training-assignments": {
                "ids": [str(record.uuid) for record in records],
                "courseId": [str(course.uuid) for course in courses],
                "courseIds": [str(course.uuid) for course in courses],
                "learnerIds": [f"{one.kind}-{one.pk}" for one in people],
            },
        },
    )
