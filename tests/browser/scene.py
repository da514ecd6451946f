"""What the browser meets: the quickstart's company, a staff user of each role, and rows for the tasks to act on.

Made by a process of its own, on the server's database: the browser's driver keeps an event loop running in the tests'
process, where Django answers no query.
"""

import json
import secrets
import sys
from datetime import timedelta
from decimal import Decimal
from http import HTTPStatus
from io import StringIO
from typing import Any

from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from accounts.actors import Actor
from accounts.bulk import InputRow
from accounts.models import OperationKind, Organization, Person, User
from accounts.roles import Role
from accounts.services.import_files import keep_file
from accounts.services.people import create_organization, create_person, create_user
from config.quickstart.demo import DEMO
from enrollments.models import Course, Session
from enrollments.services import bulk
from enrollments.services.catalogue import create_session
from enrollments.services.enrolling import enroll
from training.services.records import assign, complete
from training.services.requirements import create_requirement

ROLES = {
    "administrator": Role.ADMINISTRATOR,
    "facilitator": Role.FACILITATOR,
    "auditor": Role.AUDITOR,
    "nobody": None,
}
NEWCOMERS = 6


def main() -> None:
    actor = Actor.system()
    printed = StringIO()
    call_command("quickstart", "--no-serve", "--json", stdout=printed, stderr=StringIO())
    quickstart = json.loads(printed.getvalue())
    company = Organization.objects.get(slug=DEMO.slug)
    empty = create_organization(actor=actor, name="Leer & Söhne", slug="empty")
    owned: dict[str, Any] = {"organization": company, "actor": actor}
    trainer = person("NHL-9000", "Trainer", owned)
    people = [person(f"NHL-{9000 + number}", f"Newcomer{number}", owned) for number in range(1, NEWCOMERS + 1)]
    sessions = make_sessions(trainer, people, owned)
    manager = Course.objects.of(company).get(code="LEAD-101")
    create_requirement(**owned, course=manager, due_days=90, audience="people", people=people[4:])
    software = Course.objects.of(company).get(code="TECH-130")
    assigned = assign(**owned, course_id=software.pk, person_ids=[one.pk for one in people[:3]], due_at=None)
    complete(**owned, record_id=assigned[2].record.pk, score=Decimal(90), on=None)
    ask(quickstart, company, software.pk)
    keep_file(
        organization=company,
        user=User.objects.get(email=quickstart["admin"]["email"]),
        kind=OperationKind.IMPORT_PEOPLE,
        name="people.csv",
        content=b"employee_id,first_name\nNHL-9100,Grace\n",
    )

    users = {"superuser": {"email": quickstart["admin"]["email"], "password": quickstart["admin"]["password"]}}
    users["newcomer"] = staff("newcomer", Role.ADMINISTRATOR, organization=empty)
    for name, role in ROLES.items():
        users[name] = staff(name, role, organization=company, person=trainer if name == "facilitator" else None)
    scene = {
        "users": users,
        "company": {"pk": company.pk, "slug": company.slug},
        "empty": empty.pk,
        "sessions": sessions,
        "people": [one.pk for one in people],
        "theirs": Session.objects.exclude(organization=company).order_by("pk").values_list("pk", flat=True)[0],
    }
    sys.stdout.write(json.dumps(scene))


def person(number: str, last_name: str, owned: dict[str, Any]) -> Person:
    name = last_name.lower()
    return create_person(
        **owned,
        employee_id=number,
        first_name="Ada",
        last_name=last_name,
        username=f"ada.{name}",
        mail=f"ada.{name}@nordhafen.example",
    )


def make_sessions(trainer: Person, people: list[Person], owned: dict[str, Any]) -> dict[str, int]:
    """By what they are for: room enough to paste into, too little of it, and one that the facilitator holds."""
    course = Course.objects.of(owned["organization"]).get(code="ONB-103")
    starts_at = timezone.now() + timedelta(days=9)

    def session(name: str, seats: int, **fields: Any) -> Session:
        return create_session(
            **owned,
            course=course,
            name=name,
            starts_at=starts_at,
            ends_at=starts_at + timedelta(hours=3),
            location="Gate 4",
            max_participants=seats,
            **fields,
        )

    held = session("Tour for the night shift", 8, facilitator=trainer)
    enroll(**owned, session_id=held.pk, person_ids=[one.pk for one in people[:3]])
    earlier = bulk.enroll_acceptable(
        **owned,
        session_id=held.pk,
        column="employee_id",
        rows=[InputRow(line, {"employee_id": number}) for line, number in enumerate((people[3].employee_id, "X-1"), 1)],
        on_full=bulk.OnFull.PARTIAL,
    )
    assert earlier.operation_id
    # The newest enrollment, which the actions of the list are tried on.
    enroll(**owned, session_id=session("Tour for visitors", 8).pk, person_ids=[people[5].pk])
    return {
        "pasting": session("Tour for the warehouse", 10).pk,
        "small": session("Tour for the office", 2).pk,
        "held": held.pk,
    }


def ask(quickstart: Any, company: Organization, course_id: int) -> None:
    """A request that is to be remembered, as a rostering system makes it."""
    [token] = [
        one["token"] for one in quickstart.values() if isinstance(one, dict) and one.get("organization") == DEMO.slug
    ]
    body = {"course_id": course_id, "session_name": "Route planning, spring", "start_date": "2031-03-03T09:00:00Z"}
    answer = Client(SERVER_NAME="127.0.0.1").post(
        "/api/v1/training/sessions",
        {**body, "end_date": "2031-03-03T15:00:00Z"},
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}", "Idempotency-Key": "roster-2031-03-03"},
    )
    if answer.status_code != HTTPStatus.CREATED:
        raise LookupError(answer.content)


def staff(name: str, role: Role | None, **fields: Any) -> dict[str, str]:
    login: dict[str, Any] = {"email": f"{name}@nordhafen.example", "password": secrets.token_urlsafe(15)}
    create_user(actor=Actor.system(), **login, is_staff=True, role=role, **fields)
    return login
