"""The peer of the bulk operations."""

import csv
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from django.utils import timezone

from accounts.days import certificate_last_day, day_start
from accounts.models import BulkOperation, BulkRow, OperationKind, Organization, Outcome, Person
from accounts.search import searchable
from accounts.services.operations import begin
from enrollments.models import Course, Enrollment, Session
from tests.benchmarks.ground import SYSTEM, Ground, opened
from training.models import Origin, State, TrainSession


class ByRow:
    """The same work as most projects write it: validate, save, and note what became of the row, one by one."""

    def __init__(self, ground: Ground, kind: OperationKind) -> None:
        self.ground = ground
        self.operation: BulkOperation = begin(organization=ground.organization, actor=SYSTEM, kind=kind)

    def note(self, line: int, key: str, outcome: Outcome, target_id: int) -> None:
        BulkRow(
            organization=self.ground.organization,
            operation=self.operation,
            line=line,
            key=key,
            outcome=outcome,
            target_id=target_id,
        ).save()

    def people(self, path: Path) -> None:
        with path.open(encoding="utf-8", newline="") as file:
            for line, cells in enumerate(csv.DictReader(file), start=2):
                name = f"{cells['first_name']} {cells['last_name']}"
                row = Person(organization=self.ground.organization, search_name=searchable(name), **cells)
                row.full_clean()
                row.save()
                self.note(line, row.employee_id, Outcome.CREATED, row.pk)

    def records(self, path: Path) -> None:
        organization = self.ground.organization
        with path.open(encoding="utf-8", newline="") as file:
            for line, cells in enumerate(csv.DictReader(file), start=2):
                whose = Person.objects.of(organization).get(employee_id=cells["employee_id"])
                course = Course.objects.of(organization).get(code=cells["course"])
                day = date.fromisoformat(cells["completed_on"])
                at = day_start(day, organization.zone)
                done = TrainSession.objects.of(organization).filter(person=whose, course=course, completed_at=at)
                if done.exists():
                    continue
                row = completed(organization, whose, course, day, cells["score"])
                row.full_clean()
                row.save()
                self.note(line, f"{whose.employee_id} {course.code}", Outcome.CREATED, row.pk)

    def enrollments(self, session: Session, people: Sequence[Person]) -> None:
        organization = self.ground.organization
        for line, someone in enumerate(people, start=2):
            whose = Person.objects.of(organization).get(employee_id=someone.employee_id)
            enrollment = Enrollment(
                organization=organization, session=session, person=whose, created_by="user-0", updated_by="user-0"
            )
            enrollment.full_clean()
            enrollment.save()
            record = opened(organization, whose, session.course)
            record.origin, record.enrollment = Origin.ENROLLMENT, enrollment
            record.full_clean()
            record.save()
            self.note(line, whose.employee_id, Outcome.ENROLLED, enrollment.pk)

    def unassign(self, ids: Sequence[int]) -> None:
        for line, pk in enumerate(ids, start=2):
            record = TrainSession.objects.of(self.ground.organization).get(pk=pk)
            record.unassigned_at = record.updated_at = timezone.now()
            record.unassign_reason = "Benchmark"
            record.full_clean()
            record.save()
            self.note(line, str(pk), Outcome.UNASSIGNED, pk)


def completed(organization: Organization, whose: Person, course: Course, day: date, score: str) -> TrainSession:
    at = day_start(day, organization.zone)
    return TrainSession(
        organization=organization,
        person=whose,
        course=course,
        state=State.COMPLETED,
        percent=100,
        score=score,
        assigned_at=at,
        started_at=at,
        completed_at=at,
        last_attempt_at=at,
        cert_expiry=certificate_last_day(day, course.certificate_months or 0),
        created_by="user-0",
        updated_by="user-0",
    )
