"""Enrolling: many people at once beside a `bulk_create`, and many clients that want seats in one session."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from time import perf_counter

from django.db import connection, transaction

from accounts.models import Organization, Person
from enrollments.models import Category, Enrollment, Session
from enrollments.services import enrolling
from enrollments.services.catalogue import create_course, create_session
from tests.benchmarks.findings import Bar, Figures, Finding, Result, beside
from tests.benchmarks.ground import SYSTEM
from tests.benchmarks.ledger import MAIN, build
from tests.benchmarks.servers import Server, pin_client, running
from training.models import Origin, TrainSession

MANY = 10_000
CLIENTS = 32
CREATED = 201


def measure(folder: Path, url: str, *, records: int, short: bool) -> Result:
    rounds, each = (1, 2) if short else (5, 12)
    build(url, records)
    pin_client()
    seats = Seats(rounds)
    findings = [seats.enroll_many()]
    with running("ours", folder, url) as server:
        findings.append(seats.rivals(server, each))
    return Result(findings, name="seats", more={"records": records, "deadlocks": deadlocks()})


class Seats:
    def __init__(self, rounds: int) -> None:
        self.rounds = rounds
        self.organization = Organization.objects.get(pk=MAIN)
        people = Person.objects.of(self.organization).filter(active=True).order_by("pk")
        self.people = list(people.values_list("pk", flat=True)[:MANY])
        self.category = Category.objects.all()[0]
        self.made = 0

    def session(self, seats: int) -> Session:
        """Of a course that nobody has a record of, with exactly so many seats."""
        self.made += 1
        course = create_course(
            organization=self.organization,
            actor=SYSTEM,
            code=f"SEATS-{self.made}",
            title=f"Seats {self.made}",
            category=self.category,
        )
        starts = datetime.now(UTC) + timedelta(days=30)
        return create_session(
            organization=self.organization,
            actor=SYSTEM,
            course=course,
            name=course.title,
            starts_at=starts,
            ends_at=starts + timedelta(hours=8),
            max_participants=seats,
        )

    def enroll_many(self) -> Finding:
        """The same rows by both: an enrollment and a training record for each, and the history of them."""
        ours, theirs = Figures(rows=len(self.people)), Figures(rows=len(self.people))
        for _ in range(self.rounds):
            session, other = self.session(len(self.people)), self.session(len(self.people))
            started = perf_counter()
            enrolling.enroll(
                organization=self.organization, actor=SYSTEM, session_id=session.pk, person_ids=self.people
            )
            ours.rounds.append(perf_counter() - started)
            started = perf_counter()
            self.bulk_create(other)
            theirs.rounds.append(perf_counter() - started)
            for one in (session, other):
                self.check(one, len(self.people))
        name = f"enroll {len(self.people):,} people in one session"
        return beside(name, ours, "bulk_create, no checks", theirs, bar=Bar(2, 3.3))

    def bulk_create(self, session: Session) -> None:
        with transaction.atomic():
            enrollments = Enrollment.objects.bulk_create(
                Enrollment(
                    organization=self.organization,
                    session=session,
                    person_id=pk,
                    created_by=SYSTEM.ref,
                    updated_by=SYSTEM.ref,
                )
                for pk in self.people
            )
            TrainSession.objects.bulk_create(
                TrainSession(
                    organization=self.organization,
                    person_id=enrollment.person_id,
                    course_id=session.course_id,
                    origin=Origin.ENROLLMENT,
                    enrollment=enrollment,
                    created_by=SYSTEM.ref,
                    updated_by=SYSTEM.ref,
                )
                for enrollment in enrollments
            )

    def rivals(self, server: Server, each: int) -> Finding:
        """All the seats are taken one by one: by one client, and by many at the same time."""
        total = CLIENTS * each
        people = self.people[:total]
        many, alone = Figures(rows=total), Figures(rows=total)
        enrolled(server, self.session(total), [people])  # Not counted.
        for _ in range(self.rounds):
            for figures, clients in ((alone, 1), (many, CLIENTS)):
                session = self.session(total)
                figures.rounds.append(enrolled(server, session, [people[at::clients] for at in range(clients)]))
                self.check(session, total)
        if deadlocks():
            raise RuntimeError("There was a deadlock.")
        name = f"{CLIENTS} clients for the seats of one session"
        return beside(name, many, "one client", alone, bar=Bar(70, 100), percent=True)

    def check(self, session: Session, wanted: int) -> None:
        seated = Enrollment.objects.filter(session=session).count()
        opened = TrainSession.objects.filter(enrollment__session=session).count()
        if (seated, opened) != (wanted, wanted):
            raise RuntimeError(f"{seated} seats and {opened} records, expected {wanted} of each.")


def enrolled(server: Server, session: Session, shares: Sequence[Sequence[int]]) -> float:
    """Seconds in which clients, one for each share, enroll everybody, one by one."""
    together = Barrier(len(shares) + 1)

    def enroll(people: Sequence[int]) -> None:
        with server.client() as client:
            client.get("/api/v1/training/employees?per_page=1")  # The connection is there.
            together.wait()
            for pk in people:
                status = client.post("/api/v1/training/enrollments", {"session_id": session.pk, "employee_ids": [pk]})
                if status != CREATED:
                    raise RuntimeError(f"An enrollment was answered with {status}.")

    with ThreadPoolExecutor(len(shares)) as pool:
        acts = [pool.submit(enroll, share) for share in shares]
        together.wait()
        started = perf_counter()
        for act in acts:
            act.result()
        return perf_counter() - started


def deadlocks() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        counted: int = cursor.fetchone()[0]
    return counted
