"""The ends of the calendar, 0001 and 9999: what has no day is refused, and what is taken in can be read again."""

from datetime import UTC, date, datetime
from typing import Any

from accounts.days import last_instant
from accounts.errors import FieldsRefused
from tests.acts import ACTOR
from tests.conftest import api_of, body_of
from tests.factories import CourseFactory, OrganizationFactory, PersonFactory
from tests.proof.time_properties import Tally
from training.models import TrainSession
from training.services import extending, records

ZONES = ("UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago", "America/New_York", "Asia/Kathmandu")
DAY_FILTERS = (
    "/api/train_sessions?completion_date_gteq={}",
    "/api/train_sessions?completion_date_lteq={}",
    "/api/train_sessions?complete_by_eq={}",
    "/api/train_sessions?last_attempt_eq={}",
    "/api/train_sessions?cert_expiry_gt={}",
    "/api/train_sessions?unit_unit_expiry_lt={}",
    "/api/v1/training/sessions?date_from={}",
    "/api/v1/training/sessions?date_to={}",
)
ACCEPTED = ("0001-01-01", "0001-01-02", "2024-02-29", "9999-12-30", "9999-12-31")
REFUSED = ("0000-12-31", "10000-01-01", "2023-02-29", "1900-02-29", "2026-04-31", "2026-13-01", "-0001-01-01", "today")
YEARS = {"1": 200, "9999": 200, "0": 400, "10000": 400, "-1": 400}
LAST_DAY = date(9999, 12, 31)
# Instants near the ends, and whether the Training Assignments API takes them for a due time.
INSTANTS = {
    "0001-01-01T00:00:00Z": 200,
    "0001-01-01T00:00:00+14:00": 400,
    "9999-12-31T23:59:59.999999Z": 200,
    "9999-12-31T23:59:59-05:00": 400,
    "10000-01-01T00:00:00Z": 400,
}


def check(zone: str, tally: Tally) -> None:
    organization = OrganizationFactory.create(time_zone=zone)
    api = api_of(organization)
    for path in DAY_FILTERS:
        for text in (*ACCEPTED, *REFUSED):
            status = _status(api.get(path.format(text)))
            tally.see("day at the ends of the calendar", status, 400 if text in REFUSED else 200, zone, path, text)
    for text, expected in YEARS.items():
        status = _status(api.get(f"/api/v1/training/enrollments?year={text}"))
        tally.see("year at the ends of the calendar", status, expected, zone, text)
    course = CourseFactory.create(organization=organization)
    for text, expected in INSTANTS.items():
        record = _assigned(organization, course)
        at = text.replace("+", "%2B")
        answer = api.patch(f"/training-assignments?ids={record.uuid}&dueAtTime={at}")
        tally.see("due time at the ends of the calendar", answer.status_code, expected, zone, text)
    record = _assigned(organization, course)
    records.change_due(
        organization=organization,
        actor=ACTOR,
        record_ids=[record.pk],
        due_at=last_instant(LAST_DAY, organization.zone),
    )
    rows = api.get(f"/api/train_sessions?complete_by_eq={LAST_DAY}&page=1").json()
    found = {row["id"]: row["complete_by"] for row in rows}.get(record.pk)
    tally.see("due on the calendar's last day", found, LAST_DAY.isoformat(), zone)
    for hour in (0, 6, 12, 18, 23):
        _extend(organization, _assigned(organization, course), datetime(9999, 12, 30, hour, 30, tzinfo=UTC), tally)
    shown = [
        _status(api.get(path))
        for path in ("/api/train_sessions", "/training-assignments/stream?startTime=2000-01-01T00:00:00Z")
    ]
    tally.see("lists of what is at the ends of the calendar", shown, [200, 200], zone)


def _extend(organization: Any, record: TrainSession, due_at: datetime, tally: Tally) -> None:
    """Two days more: refused, or read back as what was answered."""
    who = {"organization": organization, "actor": ACTOR, "record_ids": [record.pk]}
    records.change_due(**who, due_at=due_at)
    expected: object = due_at
    try:
        [extended] = extending.extend_due(**who, days=2)
        expected = extended.due_at
    except FieldsRefused:
        pass
    found = TrainSession.objects.get(pk=record.pk).due_at
    tally.see("more time at the end of the calendar", found, expected, organization.time_zone, due_at)


def _assigned(organization: Any, course: Any) -> TrainSession:
    person = PersonFactory.create(organization=organization)
    [one] = records.assign(organization=organization, actor=ACTOR, course_id=course.pk, person_ids=[person.pk])
    return one.record


def _status(response: Any) -> int:
    """Of the answer as a whole: one that breaks off raises."""
    body_of(response)
    return int(response.status_code)
