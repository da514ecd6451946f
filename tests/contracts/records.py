"""Rows written straight to the tables: the tests of the filters need many, in states that no service makes at once."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count

from accounts.models import Organization, Person
from accounts.search import searchable
from enrollments.models import Category, Course, Enrollment, Session
from training.models import State, TrainSession, Unit

AGES_AGO = datetime(2000, 1, 1, tzinfo=UTC)
_numbers = count(1)


def category(slug: str = "safety") -> Category:
    """The migration's. Where a test with real transactions has emptied every table, made anew."""
    return Category.objects.get_or_create(slug=slug, defaults={"name": slug})[0]


def person_row(organization: Organization, first_name: str = "Ada", last_name: str = "", **columns: object) -> Person:
    person = Person(organization=organization, first_name=first_name, last_name=last_name)
    person.employee_id = f"EMP-{next(_numbers)}"
    for name, value in columns.items():
        setattr(person, name, value)
    person.search_name = searchable(person.full_name)
    return person


def course_row(organization: Organization, code: str = "", title: str = "Course", **columns: object) -> Course:
    code = code or f"C{next(_numbers)}"
    course = Course(organization=organization, code=code, title=title)
    course.search_code, course.search_title = searchable(code), searchable(title)
    for name, value in {"category": columns.get("category") or category(), **columns}.items():
        setattr(course, name, value)
    return course


@dataclass(frozen=True)
class Record:
    """A train session to be, with what its filters look at. `id` counts from the first of its world."""

    organization: Organization
    code: str = ""  # Another one for each, unless given.
    title: str = "Title"
    first_name: str = "Ada"
    last_name: str = ""
    username: str = ""
    score: Decimal | None = None
    percent: int = 0
    failed_attempts: int = 0
    state: str = State.ASSIGNED
    completed_at: datetime | None = None
    cert_expiry: date | None = None
    unit_expiry: date | None = None
    due_at: datetime | None = None
    last_attempt_at: datetime | None = None
    unassigned: bool = False

    @property
    def full_name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()


def write_records(records: list[Record]) -> list[int]:
    """Each with a course, a person and perhaps a unit of its own. Returns the ids, rising."""
    subject = category()
    courses = Course.objects.bulk_create(
        [course_row(record.organization, record.code, record.title, category=subject) for record in records]
    )
    people = Person.objects.bulk_create(
        [
            person_row(record.organization, record.first_name, record.last_name, username=record.username)
            for record in records
        ]
    )
    units = {
        number: Unit(organization=record.organization, course=courses[number], expires_on=record.unit_expiry)
        for number, record in enumerate(records)
        if record.unit_expiry is not None
    }
    Unit.objects.bulk_create(units.values())
    rows = [
        TrainSession(
            organization=record.organization,
            course=courses[number],
            person=people[number],
            unit=units.get(number),
            state=record.state,
            score=record.score,  # type: ignore[misc]  # the stubs take no None of a field that declares its null itself
            percent=record.percent,
            failed_attempts=record.failed_attempts,
            completed_at=record.completed_at,
            cert_expiry=record.cert_expiry,
            due_at=record.due_at,
            last_attempt_at=record.last_attempt_at,
            unassigned_at=AGES_AGO if record.unassigned else None,
            created_by="user-0",
            updated_by="user-0",
        )
        for number, record in enumerate(records)
    ]
    return [row.pk for row in TrainSession.objects.bulk_create(rows)]


def session_row(course: Course, starts_at: datetime = AGES_AGO, **columns: object) -> Session:
    session = Session(
        organization=course.organization, course=course, name="Session", starts_at=starts_at, ends_at=starts_at
    )
    for name, value in columns.items():
        setattr(session, name, value)
    return session


def enrollment_row(session: Session, person: Person, status: str = "enrolled") -> Enrollment:
    """Finished or cancelled long ago, where the status says so."""
    return Enrollment(
        organization=session.organization,
        session=session,
        person=person,
        status=status,
        completed_at=AGES_AGO if status in {"completed", "failed"} else None,
        cancelled_at=AGES_AGO if status == "cancelled" else None,
        created_by="user-0",
        updated_by="user-0",
    )
