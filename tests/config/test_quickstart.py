"""The quickstart as a newcomer runs it: both organizations loaded once, in a transaction that the module takes back."""

import json
import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.core.management import call_command
from django.db import transaction
from django.db.models import Count, F, Max
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from accounts.actors import Actor
from accounts.days import certificate_last_day, day_of, last_instant
from accounts.models import Group, GroupMember, Organization, Person, PersonKind
from accounts.selectors import group_people
from accounts.services.groups import create_group
from accounts.services.taking_over import advance_ids
from config.families import FAMILIES
from config.quickstart import demo, guide
from config.quickstart.access import EMAIL, Access
from config.quickstart.demo import DEMO
from config.quickstart.documents import DOCUMENTS
from enrollments.models import Course, Enrollment, EnrollmentStatus, Session
from programs.models import MemberRecord, ProgramMember, ProgramSession
from tests.conftest import body_of
from training.models import OPEN_STATES, State, TrainSession, Unit

# The mark has the test database made; within the module's transaction, each test's own is a savepoint.
pytestmark = pytest.mark.django_db
URL = "http://127.0.0.1:8000"


@dataclass(frozen=True)
class Run:
    """What one run left and said."""

    printed: str
    rows: dict[str, int]
    stamp: datetime

    @property
    def json(self) -> Any:
        return json.loads(self.printed)


def run(*arguments: str) -> Run:
    out = StringIO()
    call_command("quickstart", "--no-serve", *arguments, stdout=out, stderr=StringIO())
    stamp = TrainSession.objects.aggregate(stamp=Max("updated_at"))["stamp"]
    return Run(out.getvalue(), {model.__name__: model._default_manager.count() for model in apps.get_models()}, stamp)  # noqa: SLF001 - documented


@pytest.fixture(scope="module")
def unblocked(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock(), transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.fixture(scope="module")
def first(unblocked: None) -> Run:
    return run("--json")


@pytest.fixture(scope="module")
def company(first: Run) -> Organization:
    return Organization.objects.get(slug=DEMO.slug)


def test_the_first_run_prints_one_json_object(first: Run) -> None:
    printed = first.json
    assert list(printed) == ["documents", "demo", "admin", "url"]
    for source in (DOCUMENTS, DEMO):
        shown = printed[source.slug]
        assert list(shown) == ["organization", "company_id", "token"]
        assert (shown["organization"], shown["company_id"]) == (source.slug, source.company_id)
    assert list(printed["admin"]) == ["email", "password"]
    assert (printed["admin"]["email"], printed["url"]) == (EMAIL, URL)
    assert len(printed["admin"]["password"]) >= 16


def test_each_token_opens_its_own_organization(first: Run) -> None:
    for source, person_id in ((DOCUMENTS, 42), (DEMO, 101)):
        client = Client(headers={"Authorization": f"Bearer {first.json[source.slug]['token']}"})
        assert client.get(f"/api/v1/training/employees/{person_id}").status_code == 200
        assert client.get(f"/api/v1/training/employees/{143 - person_id}").status_code == 404


def test_the_login_opens_the_admin(first: Run) -> None:
    client = Client()
    with transaction.atomic():
        assert client.login(email=EMAIL, password=first.json["admin"]["password"])
        assert client.get("/admin/").status_code == 200
        transaction.set_rollback(True)


def test_another_run_changes_nothing_and_shows_no_secret(first: Run) -> None:
    again = run("--json")
    assert (again.rows, again.stamp) == (first.rows, first.stamp)
    nothing = {slug: {**first.json[slug], "token": None} for slug in ("documents", "demo")}
    assert again.json == {**nothing, "admin": {"email": EMAIL, "password": None}, "url": URL}


def test_another_run_says_how_to_make_new_secrets(first: Run) -> None:
    printed = run().printed
    assert f"changepassword {EMAIL}\n" in printed
    assert "create_token --organization documents --name mine --scopes train_sessions:read," in printed
    assert printed.count("YOUR_TOKEN") == len(FAMILIES)
    assert "tl_" not in printed


def test_what_was_revoked_does_not_come_back(first: Run) -> None:
    with transaction.atomic():
        apps.get_model("accounts.User").objects.filter(email=EMAIL).delete()
        assert run("--json").json["admin"]["password"] is None
        assert not apps.get_model("accounts.User").objects.filter(email=EMAIL).exists()
        transaction.set_rollback(True)


def test_the_next_enrollment_is_301(first: Run) -> None:
    assert Enrollment.objects.aggregate(highest=Max("pk"))["highest"] == 300
    client = Client(headers={"Authorization": f"Bearer {first.json['documents']['token']}"})
    with transaction.atomic():
        body = {"session_id": 8, "employee_ids": [42, 43, 44]}
        answer = client.post("/api/v1/training/enrollments", body, content_type="application/json").json()
        assert [row["id"] for row in answer["data"]["enrollments"]] == [301, 302, 303]
        transaction.set_rollback(True)
    advance_ids(Enrollment, 300)  # A sequence of PostgreSQL is not taken back.


def test_the_documents_company_has_its_three_records(first: Run) -> None:
    organization = Organization.objects.get(slug=DOCUMENTS.slug)
    assert sorted(TrainSession.objects.of(organization).values_list("pk", flat=True)) == [1, 2, 3]
    assert Course.objects.order_by("pk").values_list("title", flat=True)[0] == "Leadership Essentials"


def test_every_loaded_row_is_valid(first: Run) -> None:
    for model in apps.get_models():
        if model.__module__.partition(".")[0] in {"accounts", "enrollments", "training", "programs"}:
            foreign = [field.name for field in model._meta.concrete_fields if field.is_relation]  # noqa: SLF001
            for row in model._default_manager.all():  # noqa: SLF001 - documented
                row.clean_fields(exclude=foreign)


def test_the_demo_company_is_as_large_as_it_says(company: Organization) -> None:
    records = TrainSession.objects.of(company)
    assert Person.objects.of(company).count() == 300
    assert Course.objects.of(company).count() == 40
    assert Course.objects.of(company).values("category").distinct().count() == 6
    assert records.live().count() == 6000
    assert set(records.live().values_list("state", flat=True)) == set(State.values)
    assert records.exclude(unassigned_at=None).count() > 100
    assert Session.objects.of(company).count() == 25
    assert Enrollment.objects.of(company).count() == 226
    assert set(Enrollment.objects.of(company).values_list("status", flat=True)) == set(EnrollmentStatus.values)
    assert ProgramSession.objects.of(company).count() == 8


def test_the_demo_company_has_something_of_everything(company: Organization) -> None:
    now = timezone.now()
    today, soon = day_of(now, company.zone), now + timedelta(days=30)
    records = TrainSession.objects.of(company).live()
    assert min(records.values_list("assigned_at", flat=True)) < now - timedelta(days=1060)
    assert records.filter(overdue=True).count() > 100
    assert records.open().filter(due_at__range=(now, soon)).count() > 20
    assert records.filter(cert_expiry__lt=today).count() > 100
    assert records.filter(cert_expiry__range=(today, today + timedelta(days=60))).count() > 50
    units = Counter(
        ("expired" if unit.expires_on < today else "usable", hasattr(unit, "train_session"))
        for unit in Unit.objects.of(company).select_related("train_session")
    )
    assert units == {("usable", True): 14, ("usable", False): 6, ("expired", False): 1}
    lengths = [session.template.modules.count() for session in ProgramSession.objects.of(company)]
    assert (min(lengths), max(lengths)) == (5, 12)


def test_the_demo_company_has_groups_of_people(company: Organization) -> None:
    groups = {group.name: set(group.people.all()) for group in Group.objects.of(company)}
    people = Person.objects.of(company)
    drivers = set(people.filter(kind=PersonKind.DRIVER))
    assert {name: len(inside) for name, inside in groups.items()} == {
        "Drivers": 75,
        "Night shift": 38,
        "Office": 74,
        "Warehouse Hamburg": 145,
    }
    assert groups["Drivers"] == drivers
    assert sum(not person.active for person in drivers) == 3
    assert groups["Night shift"] < groups["Warehouse Hamburg"]
    assert groups["Warehouse Hamburg"] | groups["Office"] == set(people.filter(active=True)) - drivers
    assert groups["Warehouse Hamburg"] & groups["Office"] == set()
    assert group_people(Group.objects.of(company).get(name="Drivers")).count() == 72


def test_the_next_group_can_be_made(company: Organization) -> None:
    last, last_member = (model._default_manager.latest("pk").pk for model in (Group, GroupMember))  # noqa: SLF001 - Django's documented name
    with transaction.atomic():
        person = Person.objects.of(company)[0]
        made = create_group(organization=company, actor=Actor.system(), name="Visitors", people=[person])
        assert (made.pk, GroupMember.objects.get(group=made).pk) == (last + 1, last_member + 1)
        transaction.set_rollback(True)
    advance_ids(Group, last)  # A sequence of PostgreSQL is not taken back.
    advance_ids(GroupMember, last_member)


def test_some_sessions_of_the_demo_company_are_full_and_some_have_seats(company: Organization) -> None:
    seats = {
        session.pk: (session.max_participants or 1000) - session.enrollments.exclude(status="cancelled").count()
        for session in Session.objects.of(company).filter(status="scheduled", starts_at__gt=timezone.now())
    }
    assert sorted(seats.values())[:3] == [0, 0, 0]
    simple = Session.objects.of(company).filter(course__prerequisite_rows=None, course__uses_units=False)
    free = [pk for pk in simple.values_list("pk", flat=True) if 3 <= seats.get(pk, 0) <= 20]
    assert len(free) >= 3
    assert Session.objects.of(company).filter(status="cancelled").count() == 1
    over = Session.objects.of(company).annotate(all=Count("enrollments")).filter(all__gt=F("max_participants") + 1)
    assert list(over) == []


def test_the_demo_companys_records_keep_the_ledgers_rules(company: Organization) -> None:
    now = timezone.now()
    rows = list(TrainSession.objects.of(company).select_related("course", "person", "unit"))
    assert len({row.updated_at for row in rows}) == len(rows)
    owed = Counter((row.person_id, row.course_id) for row in rows if is_open(row))
    assert set(owed.values()) == {1}
    for row in rows:
        times = (row.assigned_at, row.started_at, row.last_attempt_at, row.completed_at, row.unassigned_at)
        given = [moment for moment in times if moment is not None]
        assert given == sorted(given)
        assert row.person.created_at <= row.created_at <= row.updated_at <= now
        assert row.due_at is None or row.due_at == last_instant(day_of(row.due_at, company.zone), company.zone)
        if row.unassigned_at is None:
            assert row.overdue == (is_open(row) and row.due_at is not None and row.due_at <= now)
            assert row.course.uses_units == (row.unit is not None)
        if row.state == State.COMPLETED and row.completed_at is not None:
            months = row.course.certificate_months
            completed_on = day_of(row.completed_at, company.zone)
            assert row.cert_expiry == (None if months is None else certificate_last_day(completed_on, months))
            assert row.course.pass_score is None or (row.score is not None and row.score >= row.course.pass_score)
        else:
            assert row.cert_expiry is None
        if row.state == State.FAILED:
            assert row.failed_attempts > 0
            assert row.score is not None
            assert row.course.pass_score is not None
            assert row.score < row.course.pass_score
        if row.state == State.ASSIGNED:
            assert row.percent == row.time_spent == 0
            assert (row.score, row.started_at) == (None, None)
        if not row.person.active:
            assert not is_open(row)


def is_open(row: TrainSession) -> bool:
    return row.state in OPEN_STATES and row.unassigned_at is None


def test_the_demo_companys_enrollments_agree_with_the_ledger(company: Organization) -> None:
    today = day_of(timezone.now(), company.zone)
    records = TrainSession.objects.of(company)
    for enrollment in Enrollment.objects.of(company).select_related("session__course"):
        course = enrollment.session.course
        of_person = records.filter(person_id=enrollment.person_id)
        of_both = of_person.filter(course=course)
        match enrollment.status:
            case EnrollmentStatus.ENROLLED | EnrollmentStatus.ABSENT:
                assert of_both.open().exists()
            case EnrollmentStatus.COMPLETED:
                assert of_both.filter(state=State.COMPLETED, completed_at=enrollment.completed_at).exists()
                assert course.pass_score is None or (enrollment.score or 0) >= course.pass_score
            case EnrollmentStatus.FAILED:
                assert of_both.filter(state=State.FAILED, score=enrollment.score).exists()
            case EnrollmentStatus.CANCELLED:
                assert not of_both.live().exists()
        for needed in course.prerequisites.all():
            assert of_person.filter(course=needed).valid_on(today).exists()


def test_the_demo_companys_members_owe_what_their_program_asks(company: Organization) -> None:
    records = TrainSession.objects.of(company).live()
    members = list(ProgramMember.objects.of(company).select_related("session"))
    assert len(members) == MemberRecord.objects.of(company).values("member").distinct().count() > 100
    for member in members:
        modules = member.session.template.modules.exclude(course=None)
        owed = set(records.filter(person_id=member.person_id).values_list("course_id", flat=True))
        assert set(modules.values_list("course_id", flat=True)) <= owed
    for session in ProgramSession.objects.of(company).filter(has_user_limit=True):
        assert session.members.current().count() <= (session.user_limit or 0)


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 3, 28, 23, 30, tzinfo=UTC),  # Half an hour into the day on which the clocks go forward.
        datetime(2027, 10, 30, 22, 0, 1, tzinfo=UTC),  # A second into the day on which they go back.
        datetime(2028, 2, 29, 12, tzinfo=UTC),
        datetime(2031, 1, 1, 3, tzinfo=UTC),
    ],
)
def test_the_demo_company_is_whole_on_any_day(company: Organization, moment: datetime) -> None:
    with time_machine.travel(moment, tick=False):
        tables = demo.build(company)
    rows = next(table for table in tables if isinstance(table[0], TrainSession))
    records = [row for row in rows if isinstance(row, TrainSession)]
    live = [row for row in records if row.unassigned_at is None]
    assert (len(live), {row.state for row in live}) == (6000, set(State))
    assert max(row.created_at for row in records) < moment


def test_the_guide_has_a_line_for_each_family_that_answers_with_data(first: Run) -> None:
    secrets = {slug: first.json[slug]["token"] for slug in ("documents", "demo")}
    lines = list(guide.lines(url=URL, access=Access(tokens=secrets, password="geheim")))
    for dialect in FAMILIES:
        assert f"Docs         {URL}/api/docs/{dialect.family}  ({dialect.title})" in lines
    assert "Password     geheim" in lines
    commands = [shlex.split(line) for line in lines if line.startswith("  curl ")]
    rows = {}
    for curl, *header, url in commands:
        assert (curl, header[:1]) in (("curl", ["-H"]), ("curl", []))
        headers = dict([header[1].split(": ", 1)]) if header else {}
        response = Client().get(url.removeprefix(URL), headers=headers)
        assert response.status_code == 200
        body = json.loads(body_of(response))
        rows[url.removeprefix(URL).partition("?")[0]] = len(body["data"] if isinstance(body, dict) else body)
    assert rows == {
        "/api/v1/training/courses": 5,
        "/api/train_sessions": 3,
        "/training-assignments/stream": 3,
        "/api/v1/programs/sessions": 1,
    }
