"""An organization to measure in, and files to feed the commands with."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from django.core.management import call_command

from accounts.actors import Actor
from accounts.models import Organization, Person
from accounts.search import searchable
from accounts.services.people import create_organization
from enrollments.models import Category, Course, Session
from enrollments.services.catalogue import create_course, create_session
from training.models import TrainSession

SYSTEM = Actor.system()
COURSES = 200
FIRST_DAY = date(2020, 1, 1)


class Ground:
    """An organization with people and courses, and files to feed the commands with."""

    def __init__(self, folder: Path, *, rows: int) -> None:
        self.folder, self.rows = folder, rows
        self.people_count = max(rows // 2, 1_000)
        self.enrolled = max(rows // 10, 1_000)
        self.organization = create_organization(
            actor=SYSTEM, name="Benchmark", slug="benchmark", time_zone="Europe/Berlin"
        )
        category = Category.objects.get(slug="safety")
        self.courses = [
            create_course(
                organization=self.organization,
                actor=SYSTEM,
                code=f"C-{number}",
                title=f"Course {number}",
                category=category,
                certificate_months=24,
            )
            for number in range(COURSES)
        ]
        self.people = Person.objects.bulk_create(
            (person(self.organization, f"P-{number}") for number in range(self.people_count)), batch_size=2000
        )

    def file(self, name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Path:
        path = self.folder / name
        with path.open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(header)
            writer.writerows(rows)
        return path

    def command(self, name: str, *arguments: str) -> None:
        report = self.folder / "report.csv"
        call_command(
            name, *arguments, "--organization", self.organization.slug, "--report", str(report), stdout=io.StringIO()
        )


def person(organization: Organization, number: str) -> Person:
    return Person(
        organization=organization,
        employee_id=number,
        first_name="Zoë",
        last_name=f"Müller {number}",
        search_name=searchable(f"Zoë Müller {number}"),
        mail=f"{number}@example.com",
        username=number,
    )


def people_rows(prefix: str, count: int) -> Iterable[Sequence[Any]]:
    return (
        (f"{prefix}-{number}", "Zoë", f"Müller {number}", f"{prefix}{number}@example.com", f"{prefix}{number}")
        for number in range(count)
    )


PEOPLE_HEADER = ("employee_id", "first_name", "last_name", "mail", "username")
RECORDS_HEADER = ("employee_id", "course", "completed_on", "score")


def record_rows(ground: Ground, round_: int, count: int) -> Iterable[Sequence[Any]]:
    day = FIRST_DAY + timedelta(days=round_)
    return (
        (
            ground.people[number % ground.people_count].employee_id,
            ground.courses[(number // ground.people_count + number) % COURSES].code,
            day.isoformat(),
            80,
        )
        for number in range(count)
    )


def opened(organization: Organization, whose: Person, course: Course) -> TrainSession:
    return TrainSession(
        organization=organization, person=whose, course=course, created_by="user-0", updated_by="user-0"
    )


def open_many(ground: Ground, count: int) -> list[int]:
    """Open records to take back. Not timed."""
    pairs = ((someone, course) for course in ground.courses for someone in ground.people)
    rows = [opened(ground.organization, someone, course) for someone, course in islice(pairs, count)]
    return [row.pk for row in TrainSession.objects.bulk_create(rows, batch_size=2000)]


def scheduled(ground: Ground, course: Course) -> Session:
    starts = datetime(2030, 1, 1, 9, tzinfo=UTC)
    return create_session(
        organization=ground.organization,
        actor=SYSTEM,
        course=course,
        name=course.title,
        starts_at=starts,
        ends_at=starts + timedelta(hours=8),
    )
