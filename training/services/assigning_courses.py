"""Assigning several courses to one person: all of them, or none and the answer for each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from accounts.actors import Actor
from accounts.errors import Refusal
from accounts.models import Organization
from enrollments.errors import CourseUnknown, NotEnoughUnits
from training.errors import CourseNotAssignable
from training.services import records
from training.services.writer import ledger_writer


@dataclass
class CoursesAssigned:
    """By course id, in the order given. Where any is refused nothing was assigned, and `assigned` is what would be."""

    assigned: dict[int, records.Assigned] = field(default_factory=dict)
    refused: dict[int, Refusal] = field(default_factory=dict)


def assign_courses(
    *, organization: Organization, actor: Actor, person_id: int, course_ids: Sequence[int], due_at: datetime | None
) -> CoursesAssigned:
    """An open record stays as it is, with its own due instant. One transaction.

    Refuses CourseUnknown, CourseNotAssignable, NotEnoughUnits. Raises PeopleUnknown, PeopleInactive.
    """
    answer = CoursesAssigned()
    with ledger_writer(organization, actor):
        for course_id in dict.fromkeys(course_ids):
            try:
                with transaction.atomic():
                    [one] = records.assign(
                        organization=organization,
                        actor=actor,
                        course_id=course_id,
                        person_ids=[person_id],
                        due_at=due_at,
                    )
            except (CourseUnknown, CourseNotAssignable, NotEnoughUnits) as refusal:
                answer.refused[course_id] = refusal
            else:
                answer.assigned[course_id] = one
        if answer.refused:
            transaction.set_rollback(True)
    return answer
