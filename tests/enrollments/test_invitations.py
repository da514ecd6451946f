"""The invitation to a session."""

from datetime import UTC, datetime

import pytest
import time_machine

from accounts.models import Organization, Person
from enrollments.services import catalogue
from tests.accounts.admin_pages import Pages
from tests.enrollments.test_roster import page_of, session_of
from tests.factories import SYSTEM, PersonFactory, UserFactory


@pytest.fixture
def staff(organization: Organization) -> Pages:
    return Pages(UserFactory.create(organization=organization))


def test_the_invitation_is_a_calendar_entry(staff: Pages, organization: Organization) -> None:
    holder: Person = PersonFactory.create(
        organization=organization, first_name="Grace", last_name="Hopper", mail="grace@example.com"
    )
    with time_machine.travel(datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC), tick=False):
        session = session_of(
            organization,
            course={"code": "W-1", "title": "Welding"},
            name="May, first; cohort",
            location="Hall 3",
            facilitator=holder,
            starts_at=datetime(2027, 5, 4, 9, tzinfo=UTC),
            ends_at=datetime(2027, 5, 4, 17, 30, tzinfo=UTC),
        )
    answer = staff.get(page_of(session, "invitation.ics"))
    assert answer.headers["Content-Type"] == "text/calendar; charset=utf-8"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="session-{session.pk}.ics"'
    uid = f"session-{session.pk}.{organization.company_id}@training-ledger"
    written = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Training Ledger//Sessions//EN",
        "BEGIN:VEVENT",
        "SUMMARY:May\\, first\\; cohort",
        "DTSTART:20270504T090000Z",
        "DTEND:20270504T173000Z",
        "DTSTAMP:20270102T030405Z",
        f"UID:{uid}",
        "SEQUENCE:0",
        "DESCRIPTION:Course: W-1 Welding",
        "LOCATION:Hall 3",
        'ORGANIZER;CN="Grace Hopper":mailto:grace@example.com',
        "STATUS:CONFIRMED",
        "END:VEVENT",
        "END:VCALENDAR",
        "",
    ]
    assert answer.content.decode().replace("\r\n ", "").split("\r\n") == written
    with time_machine.travel(datetime(2027, 1, 2, 3, 5, 5, tzinfo=UTC), tick=False):
        catalogue.update_session(
            organization=organization,
            actor=SYSTEM,
            session_id=session.pk,
            changes={"status": "cancelled", "cancel_reason": "Ill", "facilitator": None, "location": ""},
        )
    cancelled = staff.get(page_of(session, "invitation.ics")).content.decode().replace("\r\n ", "").split("\r\n")
    changed = {
        "DTSTAMP:20270102T030405Z": "DTSTAMP:20270102T030505Z",
        "SEQUENCE:0": "SEQUENCE:60",
        "DESCRIPTION:Course: W-1 Welding": "DESCRIPTION:Course: W-1 Welding\\nCancelled: Ill",
        "STATUS:CONFIRMED": "STATUS:CANCELLED",
    }
    dropped = ("ORGANIZER", "LOCATION")
    assert cancelled == [changed.get(line, line) for line in written if not line.startswith(dropped)]
