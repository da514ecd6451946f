"""A session's page and list: seats, who may do what, enrolling by name, cancelling with a reason."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Organization, Person
from accounts.roles import Role
from accounts.services import people as accounts
from enrollments.models import Category, Enrollment, EnrollmentStatus, Session, SessionStatus
from enrollments.services import catalogue, enrolling
from tests.accounts.admin_pages import Pages, messages_of
from tests.factories import (
    SYSTEM,
    CourseFactory,
    OrganizationFactory,
    PersonFactory,
    SessionFactory,
    UserFactory,
)
from training.models import TrainSession

LIST = "/admin/enrollments/session/"


@pytest.fixture
def staff(organization: Organization) -> Pages:
    return Pages(UserFactory.create(organization=organization))


def session_of(organization: Organization, *, course: dict[str, Any] | None = None, **fields: Any) -> Session:
    return SessionFactory.create(course=CourseFactory.create(organization=organization, **(course or {})), **fields)


def people_of(organization: Organization, count: int) -> list[Person]:
    return [PersonFactory.create(organization=organization, employee_id=f"E-{n}") for n in range(1, count + 1)]


def seated(session: Session, people: list[Person]) -> list[Enrollment]:
    ids = [person.pk for person in people]
    made = enrolling.enroll(organization=session.organization, actor=SYSTEM, session_id=session.pk, person_ids=ids)
    return made.enrollments


def page_of(session: Session, name: str = "change/") -> str:
    return f"{LIST}{session.pk}/{name}"


# What the page shows.


@pytest.mark.parametrize(
    ("limit", "label", "words"),
    [
        (None, "seats taken: 1, no limit", "1, no limit"),
        (4, "1 of 4 seats taken, 3 free", "1 of 4"),
        (1, "1 of 1 seats taken, 0 free", "1 of 1, full"),
    ],
)
def test_seats_are_a_bar_that_can_be_read_out(
    staff: Pages, organization: Organization, limit: int | None, label: str, words: str
) -> None:
    session = session_of(organization, max_participants=limit)
    seated(session, people_of(organization, 1))
    for page in (staff.get(LIST), staff.get(page_of(session))):
        text = page.content.decode()
        assert f'role="img" aria-label="{label}"' in text
        assert f"{words}</span>" in text


def test_the_roster_shows_how_each_ended(staff: Pages, organization: Organization) -> None:
    session = session_of(organization, course={"pass_score": Decimal(50)})
    rows = seated(session, people_of(organization, 3))
    enrolling.complete(organization=organization, actor=SYSTEM, enrollment_id=rows[0].pk, score=Decimal("49.5"))
    enrolling.cancel(organization=organization, actor=SYSTEM, enrollment_id=rows[1].pk)
    page = staff.get(page_of(session))
    assert [(line.row.pk, line.form is not None) for line in page.context["grid"].lines] == [
        (rows[0].pk, False),
        (rows[2].pk, True),
        (rows[1].pk, False),
    ]
    assert page.context["counted"] == {"enrolled": 1, "finished": 1, "absent": 0}
    text = page.content.decode()
    assert (">49.5<" in text, "Not passed" in text, f"Score of {rows[2].person}" in text) == (True, True, True)


def test_an_empty_session_says_so(staff: Pages, organization: Organization) -> None:
    text = staff.get(page_of(session_of(organization))).content.decode()
    assert "Nobody is in this session yet. Enroll people below." in text


# Who may.

READS = ("change/", "roster/", "roster.csv", "invitation.ics", "history/")
BUTTONS = ("Save the roster", "Mark all present complete", '/cancel/"', ">Enroll people<", 'name="_save"')


@pytest.mark.parametrize(
    ("role", "holds", "mine", "reads", "enters", "administers"),
    [
        (Role.ADMINISTRATOR, False, True, True, True, True),
        (Role.ADMINISTRATOR, False, False, False, False, False),
        (Role.FACILITATOR, True, True, True, True, False),
        (Role.FACILITATOR, False, True, False, False, False),
        (Role.FACILITATOR, False, False, False, False, False),
        (Role.AUDITOR, False, True, True, False, False),
        (Role.AUDITOR, True, True, True, False, False),
        (Role.AUDITOR, False, False, False, False, False),
        (None, True, True, False, False, False),
        (None, False, False, False, False, False),
    ],
)
def test_who_may_open_and_do_what(
    organization: Organization,
    *,
    role: Role | None,
    holds: bool,
    mine: bool,
    reads: bool,
    enters: bool,
    administers: bool,
) -> None:
    owner = organization if mine else OrganizationFactory.create()
    person = PersonFactory.create(organization=organization)
    session = session_of(owner, facilitator=person if holds else None, starts_at=datetime(2026, 1, 12, tzinfo=UTC))
    first, second = people_of(owner, 2)
    one, _two = seated(session, [first, second])
    pages = Pages(UserFactory.create(organization=organization, role=role, person=person))

    looked = {name: pages.get(page_of(session, name)).status_code for name in READS[1:-1]}
    assert looked == dict.fromkeys(READS[1:-1], 200 if reads else 404)
    opened = pages.get(page_of(session))
    assert (opened.status_code == 200) is reads
    if reads:
        text = opened.content.decode()
        shown = [button in text for button in BUTTONS]
        assert shown == [enters, enters, administers, administers, administers]
        assert ("Roster (CSV)" in text, "Invitation (.ics)" in text) == (True, True)
    else:
        assert session.name not in opened.content.decode()
    asks = {name: pages.get(page_of(session, name)).status_code for name in ("present/", "enroll/", "cancel/")}
    no = 403 if reads else 404
    assert asks == {
        "present/": 200 if enters else no,
        "enroll/": 200 if administers else no,
        "cancel/": 200 if administers else no,
    }

    def send(name: str, **typed: Any) -> int:
        status: int = pages.client.post(page_of(session, name), typed).status_code
        return status

    sent = [
        send("enroll/", numbers="NOBODY"),
        send("roster/", **{f"row-{one.pk}-status": "absent", f"row-{one.pk}-score": ""}),
        send("present/"),
        send("cancel/", reason="Ill"),
    ]
    assert sent == [
        200 if administers else no,
        302 if enters else no,
        302 if enters else no,
        302 if administers else no,
    ]
    assert [send("roster.csv"), send("invitation.ics")] == [405 if reads else 404] * 2
    ended = [status for (status,) in Enrollment.objects.order_by("pk").values_list("status")]
    assert ended == (["absent", "completed"] if enters else ["enrolled", "enrolled"])
    assert Session.objects.get().status == ("cancelled" if administers else "scheduled")
    pages.client.post(page_of(session), {"name": "Renamed"})
    assert Session.objects.get().name == session.name


def test_who_is_not_logged_in_is_sent_to_the_login(organization: Organization) -> None:
    session = session_of(organization)
    for name in ("roster/", "enroll/", "present/", "cancel/", "roster.csv", "invitation.ics"):
        answer = Client().get(page_of(session, name))
        assert (answer.status_code, answer.headers["Location"].split("?")[0]) == (302, "/admin/login/")


def test_a_facilitator_meets_the_fields_as_they_are(organization: Organization) -> None:
    holder = PersonFactory.create(organization=organization)
    session = session_of(organization, facilitator=holder, name="Mine", max_participants=5)
    pages = Pages(UserFactory.create(organization=organization, role=Role.FACILITATOR, person=holder))
    page = pages.get(page_of(session))
    assert page.context["adminform"].form.fields == {}
    assert pages.client.post(page_of(session), {"name": "Renamed", "max_participants": "9"}).status_code == 403


# Enrolling by name.


def enroll(staff: Pages, session: Session, **typed: Any) -> Any:
    return staff.client.post(page_of(session, "enroll/"), typed)


def answers_of(page: Any) -> list[tuple[int, str, str, str]]:
    return [(one.line, one.key, word, one.reason) for one, word, _ in page.context["answers"]]


def test_each_name_is_answered(staff: Pages, organization: Organization) -> None:
    required = CourseFactory.create(organization=organization, code="REQ")
    session = session_of(organization, course={"prerequisites": [required]})
    ready, inside, inactive, _without, picked = people_of(organization, 5)
    before = SessionFactory.create(course=required)
    for row in seated(before, [ready, inside, picked]):
        enrolling.complete(organization=organization, actor=SYSTEM, enrollment_id=row.pk)
    seated(session, [inside])
    accounts.update_person(organization=organization, actor=SYSTEM, person=inactive, changes={"active": False})
    PersonFactory.create(organization=OrganizationFactory.create(), employee_id="THEIRS")
    page = enroll(staff, session, people=[picked.pk], numbers="E-1, E-2;E-3\tE-4\r\n\r\nE-1 THEIRS")
    assert answers_of(page) == [
        (1, "E-5", "Enrolled", ""),
        (2, "E-1", "Enrolled", ""),
        (3, "E-2", "Not enrolled", "Is enrolled already."),
        (4, "E-3", "Not enrolled", "The employee is inactive."),
        (5, "E-4", "Not enrolled", "Has not completed REQ."),
        (6, "E-1", "Named twice", "Line 2 names the same person."),
        (7, "THEIRS", "Not enrolled", "There is no such employee."),
    ]
    assert messages_of(page) == ["2 people enrolled, 4 not enrolled."]
    assert page.context["enroll_form"].initial["numbers"] == "E-2\nE-3\nE-4\nTHEIRS"
    made = Enrollment.objects.filter(session=session).exclude(person=inside)
    assert dict(made.values_list("person_id", "created_by")) == {
        ready.pk: f"user-{staff.user.pk}",
        picked.pk: f"user-{staff.user.pk}",
    }
    assert {entry.object_id for entry in LogEntry.objects.all()} == {str(row.pk) for row in made}


def test_overselling_is_refused_whole_unless_as_many_as_fit(staff: Pages, organization: Organization) -> None:
    session = session_of(organization, max_participants=2)
    people_of(organization, 3)
    page = enroll(staff, session, numbers="E-1\nE-2\nE-3")
    assert page.context["enroll_form"].non_field_errors() == [
        "Session is at capacity. Only 2 spots remaining. You requested 3 enrollments. Nobody was enrolled."
    ]
    assert page.context["enroll_form"]["numbers"].value() == "E-1\nE-2\nE-3"
    why = "The session has 2 free seats for 3 people, so nobody was enrolled."
    assert answers_of(page) == [(line, f"E-{line}", "Not enrolled", why) for line in (1, 2, 3)]
    assert (Enrollment.objects.count(), TrainSession.objects.count(), LogEntry.objects.count()) == (0, 0, 0)
    page = enroll(staff, session, numbers="E-1\nE-2\nE-3", fit="on")
    assert answers_of(page) == [
        (1, "E-1", "Enrolled", ""),
        (2, "E-2", "Enrolled", ""),
        (3, "E-3", "Not enrolled", "The session is full."),
    ]
    assert list(Enrollment.objects.values_list("person__employee_id", flat=True)) == ["E-1", "E-2"]


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        (" \n, ;", "Pick people, or paste employee numbers."),
        ("x " * 5001, "5,001 employee numbers are too many at once: paste 5,000 at most."),
        ("a\0b", "Null characters are not allowed."),
    ],
)
def test_what_is_no_list_of_names_is_refused(staff: Pages, organization: Organization, numbers: str, said: str) -> None:
    page = enroll(staff, session_of(organization), numbers=numbers)
    assert [text for texts in page.context["enroll_form"].errors.values() for text in texts] == [said]


def test_people_of_another_organization_cannot_be_picked(staff: Pages, organization: Organization) -> None:
    [foreign] = people_of(OrganizationFactory.create(), 1)
    page = enroll(staff, session_of(organization), people=[foreign.pk])
    assert list(page.context["enroll_form"].errors) == ["people"]
    assert Enrollment.objects.count() == 0


@pytest.mark.parametrize("status", [SessionStatus.COMPLETED, SessionStatus.CANCELLED])
def test_a_closed_session_takes_nobody(staff: Pages, organization: Organization, status: str) -> None:
    session = session_of(organization)
    people_of(organization, 1)
    catalogue.update_session(organization=organization, actor=SYSTEM, session_id=session.pk, changes={"status": status})
    assert enroll(staff, session, numbers="E-1").status_code == 403
    staff.client.post(page_of(session, "cancel/"), {"reason": "Late"})
    assert (Session.objects.get().status, Session.objects.get().cancel_reason) == (status, "")
    text = staff.get(page_of(session)).content.decode()
    assert (">Enroll people<" in text, '/cancel/"' in text) == (False, False)


# Cancelling.


def test_cancelling_asks_for_a_reason_and_counts(staff: Pages, organization: Organization) -> None:
    session = session_of(organization)
    rows = seated(session, people_of(organization, 3))
    enrolling.mark_absent(organization=organization, actor=SYSTEM, enrollment_id=rows[0].pk)
    asked = staff.get(page_of(session, "cancel/"))
    assert asked.context["says"] == [
        "Cancels the enrollment of 2 people.",
        "What it asked of them is no longer owed, unless they have begun it or something else asks for it.",
        "1 person with a result or marked absent keep it.",
        "A cancelled session stays cancelled.",
    ]
    unsaid = staff.client.post(page_of(session, "cancel/"), {"reason": "  "})
    assert unsaid.context["form"].errors == {"reason": ["This field is required."]}
    assert Session.objects.get().status == SessionStatus.SCHEDULED
    done = staff.client.post(page_of(session, "cancel/"), {"reason": "The <trainer> is ill"}, follow=True)
    assert messages_of(done) == [f"{session} is cancelled."]
    assert "The &lt;trainer&gt; is ill" in done.content.decode()
    session.refresh_from_db()
    assert (session.status, session.cancel_reason) == (SessionStatus.CANCELLED, "The <trainer> is ill")
    ended = Enrollment.objects.order_by("pk").values_list("status", flat=True)
    assert list(ended) == [EnrollmentStatus.ABSENT, EnrollmentStatus.CANCELLED, EnrollmentStatus.CANCELLED]
    assert LogEntry.objects.get().get_change_message() == "Cancelled: The <trainer> is ill"
    again = staff.client.post(page_of(session, "cancel/"), {"reason": "Other"}, follow=True)
    assert messages_of(again) == ["The session is cancelled already."]
    assert Session.objects.get().cancel_reason == "The <trainer> is ill"


# The list.


def test_the_list_is_filtered(staff: Pages, organization: Organization) -> None:
    now = timezone.now()
    technical = Category.objects.get(slug="technical")

    def made(name: str, begins: timedelta, **fields: Any) -> Session:
        return session_of(organization, name=name, starts_at=now + begins, **fields)

    upcoming = made("Upcoming", timedelta(days=1), max_participants=1, course={"category": technical})
    under_way = made("Under way", timedelta(hours=-1), max_participants=2)
    past = made("Past", timedelta(days=-3))
    for session in (upcoming, under_way, past):
        seated(session, [PersonFactory.create(organization=organization)])

    def found(**query: str) -> set[str]:
        return {session.name for session in staff.get(LIST, **query).context["cl"].queryset}

    assert found() == {"Upcoming", "Under way", "Past"}
    assert (found(when="upcoming"), found(when="now"), found(when="past")) == ({"Upcoming"}, {"Under way"}, {"Past"})
    assert (found(seats="free"), found(seats="full")) == ({"Under way", "Past"}, {"Upcoming"})
    assert found(course__category__id__exact=str(technical.pk)) == {"Upcoming"}
    assert found(status__exact="cancelled") == set()
    assert staff.get(LIST, when="someday").status_code == 302


def test_pages_cost_the_same_whatever_they_hold(staff: Pages, organization: Organization) -> None:
    counts = []
    for rows in (1, 3):
        for _ in range(rows):
            session = session_of(organization)
            seated(session, [PersonFactory.create(organization=organization) for _ in range(rows)])
        for address in (LIST, page_of(session), page_of(session, "roster/"), page_of(session, "roster.csv")):
            staff.get(address)
            with CaptureQueriesContext(connection) as queries:
                assert staff.get(address).status_code == 200
            counts.append(len(queries))
    assert counts[:4] == counts[4:]
    assert counts[0] <= 12
