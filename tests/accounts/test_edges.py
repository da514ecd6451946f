"""What stands at the edge of the calendar, of a size or of a charset, and was once answered with a crash."""

import json
import re
import subprocess
import sys
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.actors import Actor
from accounts.days import day_of, last_instant
from accounts.errors import FieldsRefused
from accounts.models import ApiToken
from config import env
from enrollments.services import catalogue
from tests.config.wire import ROOT
from tests.conftest import api_of, body_of
from tests.factories import CourseFactory, OrganizationFactory, PersonFactory, SessionFactory, UserFactory

ACTOR = Actor.system()


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Los_Angeles", "Pacific/Kiritimati", "UTC"])
@pytest.mark.parametrize("day", [date(9999, 12, 31), date(9999, 12, 30)])
def test_a_due_day_at_the_end_of_the_calendar_is_that_day_again(zone: str, day: Any) -> None:
    assert day_of(last_instant(day, ZoneInfo(zone)), ZoneInfo(zone)) == day


@pytest.mark.django_db
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
@pytest.mark.parametrize("due", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"])
def test_a_due_time_at_the_edge_of_the_calendar_leaves_the_list_readable(zone: str, due: str) -> None:
    organization = OrganizationFactory.create(time_zone=zone)
    course, person = CourseFactory.create(organization=organization), PersonFactory.create(organization=organization)
    api = api_of(organization)
    query = f"courseId={course.uuid}&dueAtTime={due}&learnerIds=user-{person.pk}"
    assert api.post(f"/training-assignments?{query}").status_code == 200
    listed = api.get("/api/train_sessions")
    assert (listed.status_code, len(json.loads(body_of(listed)))) == (200, 1)
    assert api.get("/api/train_sessions?page=1").json()[0]["complete_by"] == due[:10]


@pytest.mark.django_db
def test_a_time_beyond_the_calendar_is_refused() -> None:
    course = CourseFactory.create()
    late = datetime(9999, 12, 31, 23, tzinfo=ZoneInfo("America/Los_Angeles"))
    with pytest.raises(FieldsRefused) as refused:
        catalogue.create_session(
            organization=course.organization, actor=ACTOR, course=course, name="Late", starts_at=late, ends_at=late
        )
    assert refused.value.fields == {"starts_at": ["Give a time within the years 1 to 9999."]}


@pytest.mark.django_db
def test_a_list_that_is_far_too_long_is_refused_before_its_items_are_read() -> None:
    session = SessionFactory.create()
    body = {"session_id": session.pk, "employee_ids": [""] * 10_001}
    response = api_of(session.organization).post("/api/v1/training/enrollments", body)
    text = "At most 10000 items; 10001 were given."
    assert response.status_code == 422
    assert response.json()["errors"] == {"employee_ids": [text]}


@pytest.mark.django_db
def test_a_session_with_a_cancelled_enrollment_keeps_its_course() -> None:
    session = SessionFactory.create()
    organization = session.organization
    other, person = CourseFactory.create(organization=organization), PersonFactory.create(organization=organization)
    api = api_of(organization)
    made = api.post("/api/v1/training/enrollments", {"session_id": session.pk, "employee_ids": [person.pk]}).json()
    api.patch(f"/api/v1/training/enrollments/{made['data']['enrollments'][0]['id']}/cancel")
    response = api.patch(f"/api/v1/training/sessions/{session.pk}", {"course_id": other.pk})
    refused = {"course_id": ["A session with enrollments keeps its course."]}
    assert (response.status_code, response.json()["errors"]) == (422, refused)


@pytest.mark.django_db
@pytest.mark.parametrize("value", [",", "%20,%20"])
def test_a_list_of_nothing_means_not_given(value: str) -> None:
    course = CourseFactory.create()
    api = api_of(course.organization)
    assert [row["title"] for row in api.get(f"/training-courses?courseIds={value}").json()["data"]] == [course.title]


@pytest.mark.parametrize(
    ("reader", "value", "named"),
    [
        (lambda: env.rate("EDGE", "1/second"), "0/minute", "EDGE is '0/minute'"),
        (lambda: env.rate("EDGE", "1/second"), "5/second;1/hour", "EDGE is '5/second;1/hour'"),
        (lambda: env.redis_url("EDGE"), "nonsense", "EDGE: give an address"),
        (lambda: env.one_of("EDGE", ["INFO"], "INFO"), "loud", "EDGE is 'LOUD'"),
        (lambda: env.positive("EDGE", 1), "0", "EDGE is 0"),
        (lambda: env.flag("EDGE", default=False), "perhaps", "EDGE is 'perhaps'"),
    ],
)
def test_a_setting_that_cannot_be_understood_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, reader: Any, value: str, named: str
) -> None:
    monkeypatch.setenv("EDGE", value)
    with pytest.raises(ImproperlyConfigured, match=re.escape(named)):
        reader()


@pytest.mark.django_db
def test_a_token_is_not_made_to_have_expired() -> None:
    organization = OrganizationFactory.create()
    options = {"organization": organization.slug, "name": "late", "scopes": "training:read"}
    for given in ("2020-01-01", "20990101", "2099-W01-1"):
        with pytest.raises(CommandError, match=f"--expires is '?{given}"):
            call_command("create_token", **options, expires=given)
    assert not ApiToken.objects.filter(organization=organization).exists()


@pytest.mark.django_db
def test_a_file_in_a_form_is_refused_and_not_passed_over() -> None:
    api = api_of(OrganizationFactory.create())
    sent = {"ids": "1", "extra": SimpleUploadedFile("a.csv", b"1")}
    response = api.client.post("/api/train_sessions/unassign", sent, headers={"Authorization": f"Bearer {api.secret}"})
    assert (response.status_code, response.json()) == (422, {"errors": ["extra: A file is not taken here."]})


@pytest.mark.django_db
def test_the_admin_refuses_addresses_and_ids_that_no_page_of_it_sends() -> None:
    session = SessionFactory.create()
    client = Client(raise_request_exception=False)
    client.force_login(UserFactory.create(organization=session.organization))
    path = "/admin/enrollments/session/"
    assert client.get(f"{path}?status__exact=%00").status_code == 400
    assert client.get(f"{path}add/?course={'9' * 30}").status_code == 200
    for wrong in ("abc", "9" * 30, "\0"):
        assert client.post(path, {"action": "x", "_selected_action": wrong}).status_code == 400
        assert client.post("/admin/enrollments/enrollment/add/", {"people": wrong}).status_code == 400


def test_an_argument_that_is_no_utf_8_ends_in_one_line() -> None:
    ended = subprocess.run([sys.executable, "manage.py", "check", b"\xff"], cwd=ROOT, capture_output=True, check=False)
    assert (ended.returncode, ended.stderr.decode()) == (1, "Error: an argument is not UTF-8.\n")


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("enrollments_session", "course"),
        ("enrollments_session", "facilitator"),
        ("enrollments_enrollment", "session"),
        ("enrollments_course", "prerequisites"),
        ("training_trainsession", "course"),
        ("training_requirement", "course"),
        ("programs_module", "template"),
    ],
)
def test_what_is_no_id_in_a_field_that_picks_a_row_is_a_bad_request(db: None, model: str, name: str) -> None:
    """The picker looks its row up to show it again, and would fail at what is no number."""
    browser = Client(raise_request_exception=False)
    browser.force_login(UserFactory.create())
    assert browser.post(f"/admin/{model.replace('_', '/')}/add/", {name: "x"}).status_code == 400
