"""The Programs API as a client of it reads it: whole bodies, with the keys of `contracts/programs.md` in its order."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from rest_framework.serializers import Serializer

from accounts.actors import Actor
from accounts.models import Organization, Person
from enrollments.models import Course
from programs.api import serializers
from programs.api.serializers import MemberShape, StatsSerializer
from programs.models import (
    Module,
    ModuleType,
    ProgramMember,
    ProgramRequirement,
    ProgramSession,
    ProgramTemplate,
    ProgramTutor,
)
from programs.services import catalogue, membership
from tests.conftest import Api, api_of, body_of
from tests.contracts.test_openapi import assert_is_a
from tests.factories import CourseFactory, OrganizationFactory, PersonFactory, ProgramSessionFactory
from training.models import State, TrainSession
from training.services import records

ACTOR = Actor.system()
SESSIONS = "/api/v1/programs/sessions"
TEMPLATES = "/api/v1/programs/templates"
HEX = re.compile(r"[0-9a-f]{24}")


def hex_id(number: int) -> str:
    return f"{number:024x}"


def read(api: Api, path: str) -> Any:
    """The body of a success, as text: order of keys, `1` against `1.0` and `true` are part of what is compared."""
    response = api.get(path)
    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/json")
    return body_of(response).decode()


def text(body: object) -> str:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False)


def template_of(organization: Organization, number: int, **fields: Any) -> ProgramTemplate:
    row = ProgramTemplate(organization=organization, hex_id=hex_id(number), **fields)
    return catalogue.create(actor=ACTOR, row=row)


def join(session: ProgramSession, *people: Person) -> list[ProgramMember]:
    return membership.join(
        organization=session.organization, actor=ACTOR, session=session, person_ids=[one.pk for one in people]
    )


def leave(session: ProgramSession, *people: Person) -> None:
    membership.leave(
        organization=session.organization, actor=ACTOR, session=session, person_ids=[one.pk for one in people]
    )


def person_of(organization: Organization, number: int, **fields: Any) -> Person:
    return PersonFactory.create(organization=organization, hex_id=hex_id(number), **fields)


@pytest.fixture
def full(organization: Organization) -> ProgramSession:
    """Every field filled. The rows are made in another order than the program's."""
    code = CourseFactory.create(organization=organization, hex_id=hex_id(0xC1))
    required = CourseFactory.create(organization=organization, hex_id=hex_id(0xC2))
    template = template_of(organization, 0xA1, name="Onboarding")
    basics = template_of(organization, 0xA2, name="Basics")
    modules: list[tuple[int, int, ModuleType, Course | None]] = [
        (0xB3, 3, ModuleType.CLASSROOM, None),
        (0xB2, 1, ModuleType.COURSE, code),
        (0xB1, 2, ModuleType.WEBINAR, None),
    ]
    for number, position, kind, course in modules:
        module = Module(
            organization=organization,
            hex_id=hex_id(number),
            template=template,
            position=position,
            type=kind,
            course=course,
        )
        catalogue.create(actor=ACTOR, row=module)
    session = catalogue.create_session(
        organization=organization,
        actor=ACTOR,
        template=template,
        hex_id=hex_id(0xF1),
        name="Onboarding, Zürich",
        description="For everybody who began in spring.",
        author_mail="author@example.com",
        lang="de",
        template_custom="T-1",
        session_custom="S-1",
        custom_fields=[{"name": "site", "value": "Zürich"}, {"name": "seats", "value": 12}],
        skills=[hex_id(0x51), hex_id(0x52)],
        groups=[hex_id(0x61)],
        required_paths=[hex_id(0x71)],
        starts_at=datetime(2026, 5, 15, 11, 0, tzinfo=timezone(timedelta(hours=2))),
        ends_at=datetime(2026, 6, 30, 21, 59, 59, 999_999, tzinfo=UTC),
        modified_at=datetime(2026, 5, 1, 8, 30, 0, 123_456, tzinfo=UTC),
        automated_reminders=True,
        validate_registrations=True,
        program_duration=Decimal("12.50"),
        has_user_limit=True,
        user_limit=25,
    )
    for tutor in ("tutor.b@example.com", "tutor.a@example.com"):
        person = PersonFactory.create(organization=organization, mail=tutor)
        catalogue.create(actor=ACTOR, row=ProgramTutor(organization=organization, session=session, person=person))
    ada, bob, gone = (
        person_of(organization, number, mail=mail, first_name=first, last_name=last)
        for number, mail, first, last in (
            (0xE2, "ada@example.com", "Ada", "Lovelace"),
            (0xE1, "", "Bob", ""),
            (0xE3, "gone@example.com", "Gone", "Away"),
        )
    )
    join(session, ada, gone, bob)
    leave(session, gone)
    for course, program in ((required, None), (None, basics)):
        requirement = ProgramRequirement(organization=organization, session=session, course=course, template=program)
        catalogue.create(actor=ACTOR, row=requirement)
    return session


FULL: dict[str, Any] = {
    "_id": hex_id(0xF1),
    "programTemplate": hex_id(0xA1),
    "name": "Onboarding, Zürich",
    "description": "For everybody who began in spring.",
    "author": "author@example.com",
    "lang": "de",
    "templateCustom": "T-1",
    "sessionCustom": "S-1",
    "tutors": ["tutor.b@example.com", "tutor.a@example.com"],
    "customFields": [{"name": "site", "value": "Zürich"}, {"name": "seats", "value": 12}],
    "skills": [hex_id(0x51), hex_id(0x52)],
    "startDate": "2026-05-15T09:00:00.000Z",
    "endDate": "2026-06-30T21:59:59.999Z",
    "modifiedAt": "2026-05-01T08:30:00.123Z",
    "automatedReminders": True,
    "hasUserLimit": True,
    "validateRegistrations": True,
    "requirements": {"courses": [hex_id(0xC2)], "programs": [hex_id(0xA2)], "paths": [hex_id(0x71)]},
    "programDuration": 12.5,
    "programDurationType": "hour",
    "userLimit": 25,
    "modules": [
        {"_id": hex_id(0xB2), "type": "course"},
        {"_id": hex_id(0xB1), "type": "webinar"},
        {"_id": hex_id(0xB3), "type": "classroom"},
    ],
    "groups": [hex_id(0x61)],
    "users": [{"_id": hex_id(0xE2), "mail": "ada@example.com"}, {"_id": hex_id(0xE1), "mail": ""}],
}
EMPTY: dict[str, Any] = {
    "_id": hex_id(0xF2),
    "programTemplate": hex_id(0xA3),
    "name": "Empty",
    "description": "",
    "author": "",
    "lang": "",
    "templateCustom": "",
    "sessionCustom": "",
    "tutors": [],
    "customFields": [],
    "skills": [],
    "startDate": None,
    "endDate": None,
    "modifiedAt": "2026-05-02T00:00:00.000Z",
    "automatedReminders": False,
    "hasUserLimit": False,
    "validateRegistrations": False,
    "requirements": {"courses": [], "programs": [], "paths": []},
    "programDuration": None,
    "modules": [],
    "groups": [],
    "users": [],
}


def empty_session(organization: Organization, number: int = 0xF2, **fields: Any) -> ProgramSession:
    template = fields.pop("template", None) or template_of(organization, 0xA3, name="Nothing")
    fields = {"name": "Empty", "modified_at": datetime(2026, 5, 2, tzinfo=UTC), **fields}
    return ProgramSessionFactory.create(organization=organization, template=template, hex_id=hex_id(number), **fields)


def test_list_shows_every_documented_key_in_order(api: Api, full: ProgramSession, organization: Organization) -> None:
    empty_session(organization)
    assert read(api, SESSIONS) == text([FULL, EMPTY])


def test_list_is_an_empty_array_without_program_sessions(api: Api) -> None:
    assert read(api, SESSIONS) == "[]"


def test_list_leaves_out_other_organizations(api: Api, organization: Organization) -> None:
    empty_session(organization)
    ProgramSessionFactory.create(organization=OrganizationFactory.create())
    assert read(api, SESSIONS) == text([EMPTY])


@pytest.mark.parametrize(
    ("fields", "keys"),
    [
        # A limit that is kept but switched off is none; a duration of 0 hours is one.
        ({"user_limit": 5}, {"hasUserLimit": False}),
        ({"user_limit": 0, "has_user_limit": True}, {"hasUserLimit": True, "userLimit": 0}),
        ({"program_duration": Decimal(0)}, {"programDuration": 0, "programDurationType": "hour"}),
        ({"program_duration": Decimal("7.00")}, {"programDuration": 7, "programDurationType": "hour"}),
        ({}, {}),
    ],
)
def test_duration_type_and_limit_are_absent_without_what_they_belong_to(
    api: Api, organization: Organization, fields: dict[str, Any], keys: dict[str, object]
) -> None:
    empty_session(organization, **fields)
    assert json.loads(read(api, SESSIONS)) == [{**EMPTY, **keys}]


def test_dates_parse_as_a_client_of_that_api_parses_them(api: Api, full: ProgramSession) -> None:
    [served] = json.loads(read(api, SESSIONS))
    parsed = {
        name: datetime.strptime(served[name][:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
        for name in ("startDate", "endDate", "modifiedAt")
    }
    assert parsed == {
        "startDate": datetime(2026, 5, 15, 9, tzinfo=UTC),
        "endDate": datetime(2026, 6, 30, 21, 59, 59, tzinfo=UTC),
        "modifiedAt": datetime(2026, 5, 1, 8, 30, tzinfo=UTC),
    }
    assert {served[name][19:] for name in parsed} == {".000Z", ".999Z", ".123Z"}


def test_ids_are_24_hex_digits(api: Api, organization: Organization) -> None:
    """With the ids that the product itself gives."""
    course, required = CourseFactory.create_batch(2, organization=organization)
    session = ProgramSessionFactory.create(
        organization=organization, courses=[course], skills=[hex_id(1)], groups=[hex_id(2)], required_paths=[hex_id(3)]
    )
    join(session, PersonFactory.create(organization=organization))
    for row in (
        ProgramRequirement(organization=organization, session=session, course=required),
        ProgramRequirement(organization=organization, session=session, template=session.template),
    ):
        catalogue.create(actor=ACTOR, row=row)
    [served] = json.loads(read(api, SESSIONS))
    ids = [
        served["_id"],
        served["programTemplate"],
        *served["skills"],
        *served["groups"],
        *[found for name in ("courses", "programs", "paths") for found in served["requirements"][name]],
        *[row["_id"] for name in ("modules", "users") for row in served[name]],
    ]
    assert len(ids) == 9
    assert [found for found in ids if not HEX.fullmatch(found)] == []


def test_declared_shape_is_what_is_served(api: Api, full: ProgramSession, organization: Organization) -> None:
    empty_session(organization)
    served_full, served_empty = json.loads(read(api, SESSIONS))
    declared = serializers.SESSIONS.serializer().fields
    assert list(served_full) == list(declared)
    assert [name for name, field in declared.items() if field.required] == list(served_empty)
    for served in (served_full, served_empty):
        assert_is_a("programs", "ProgramSession", served)


def test_declared_shapes_of_the_other_answers_are_what_is_served(api: Api, full: ProgramSession) -> None:
    served: dict[str, tuple[type[Serializer[Any]], Any]] = {
        "Member": (MemberShape, json.loads(read(api, f"{SESSIONS}/{full.hex_id}/users"))[0]),
        "ProgramTemplate": (
            serializers.TEMPLATES.serializer,
            json.loads(read(api, f"{TEMPLATES}/{full.template.hex_id}")),
        ),
        "Stats": (StatsSerializer, json.loads(read(api, f"{SESSIONS}/{full.hex_id}/stats"))),
    }
    for component, (shape, body) in served.items():
        assert list(body) == list(shape().fields)
        assert_is_a("programs", component, body)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5])
def test_list_is_complete_and_sorted_over_several_chunks(
    api: Api, organization: Organization, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr("programs.api.views.IN_A_CHUNK", 2)
    template = template_of(organization, 0xA3, name="Nothing")
    expected: list[dict[str, object]] = []
    # Made from the highest id to the lowest, one with a letter after one with a digit.
    for number in sorted([0x5, 0x9, 0xA, 0x10, 0xAF][:count], reverse=True):
        person = person_of(organization, 0xE00 + number, mail=f"{number}@example.com")
        session = empty_session(organization, number, name=f"Run {number}", template=template)
        join(session, person)
        users = [{"_id": person.hex_id, "mail": person.mail}]
        expected.insert(0, {**EMPTY, "_id": hex_id(number), "name": f"Run {number}", "users": users})
    assert read(api, SESSIONS) == text(expected)


def fill(organization: Organization, count: int) -> ProgramSession:
    """That many program sessions, each with a tutor, two requirements, a module and two people. Returns one."""
    course = CourseFactory.create(organization=organization)
    people = PersonFactory.create_batch(2, organization=organization)
    first = ProgramSessionFactory.create(organization=organization, courses=[course])
    rest = [
        ProgramSession(organization=organization, template=first.template, name=f"Run {number}")
        for number in range(1, count)
    ]
    sessions = [first, *ProgramSession.objects.bulk_create(rest)]
    common = [{"organization": organization, "session": session} for session in sessions]
    ProgramTutor.objects.bulk_create(ProgramTutor(**of, person=people[0]) for of in common)
    ProgramRequirement.objects.bulk_create(ProgramRequirement(**of, course=course) for of in common)
    ProgramRequirement.objects.bulk_create(ProgramRequirement(**of, template=first.template) for of in common)
    ProgramMember.objects.bulk_create(
        ProgramMember(**of, person=person, created_by="system", updated_by="system")
        for of in common
        for person in people
    )
    return first


@pytest.mark.parametrize("count", [1, 3, 300])
def test_list_costs_seven_queries_whatever_its_length(
    api: Api,
    organization: Organization,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: Callable[[int], Any],
    count: int,
) -> None:
    monkeypatch.setattr("programs.api.views.IN_A_CHUNK", 1000)
    fill(organization, count)
    read(api, SESSIONS)  # The first use of a token in a minute is noted, which is one query more.
    with django_assert_num_queries(7):
        served = json.loads(read(api, SESSIONS))
    nested = [(len(row["tutors"]), len(row["modules"]), len(row["users"])) for row in served]
    assert nested == [(1, 1, 2)] * count


@pytest.mark.parametrize("count", [1, 3])
def test_other_reads_cost_the_same_however_much_there_is(
    api: Api, organization: Organization, django_assert_num_queries: Callable[[int], Any], count: int
) -> None:
    course = CourseFactory.create(organization=organization)
    session = ProgramSessionFactory.create(organization=organization, courses=[course])
    ProgramSessionFactory.create_batch(count, organization=organization)
    join(session, *PersonFactory.create_batch(count, organization=organization))
    read(api, TEMPLATES)
    costs = {
        f"{SESSIONS}/{session.hex_id}": 7,
        f"{SESSIONS}/{session.hex_id}/users": 3,
        f"{SESSIONS}/{session.hex_id}/stats": 5,
        TEMPLATES: 3,
        f"{TEMPLATES}/{session.template.hex_id}": 3,
    }
    for path, queries in costs.items():
        with django_assert_num_queries(queries):
            read(api, path)


@pytest.mark.parametrize("slash", ["", "/"])
def test_session_is_shown_as_in_the_list(
    api: Api, full: ProgramSession, organization: Organization, slash: str
) -> None:
    empty_session(organization)
    assert read(api, f"{SESSIONS}/{hex_id(0xF1)}{slash}") == text(FULL)
    assert read(api, f"{SESSIONS}/{hex_id(0xF2)}{slash}") == text(EMPTY)


def test_users_are_listed_in_the_order_in_which_they_joined(api: Api, full: ProgramSession) -> None:
    ada = {"_id": hex_id(0xE2), "mail": "ada@example.com", "firstName": "Ada", "lastName": "Lovelace"}
    bob = {"_id": hex_id(0xE1), "mail": "", "firstName": "Bob", "lastName": ""}
    assert read(api, f"{SESSIONS}/{full.hex_id}/users") == text([ada, bob])


def test_user_who_joined_again_is_listed_once_and_last(api: Api, full: ProgramSession) -> None:
    ada = Person.objects.get(hex_id=hex_id(0xE2))
    ProgramRequirement.objects.all().delete()  # She has completed none of them.
    for _ in range(2):
        leave(full, ada)
        join(full, ada)
    users = json.loads(read(api, f"{SESSIONS}/{full.hex_id}/users"))
    assert [user["_id"] for user in users] == [hex_id(0xE1), hex_id(0xE2)]
    assert json.loads(read(api, f"{SESSIONS}/{full.hex_id}"))["users"] == [
        {"_id": hex_id(0xE1), "mail": ""},
        {"_id": hex_id(0xE2), "mail": "ada@example.com"},
    ]


def test_templates_are_listed_by_id_with_their_modules_in_order(
    api: Api, full: ProgramSession, organization: Organization
) -> None:
    template_of(OrganizationFactory.create(), 0xA0, name="Somebody else's")
    ProgramTemplate.objects.of(organization).update(modified_at=datetime(2026, 5, 3, 4, 5, 6, 7000, tzinfo=UTC))
    basics = {
        "_id": hex_id(0xA2),
        "name": "Basics",
        "description": "",
        "modifiedAt": "2026-05-03T04:05:06.007Z",
        "modules": [],
    }
    onboarding = {**basics, "_id": hex_id(0xA1), "name": "Onboarding", "modules": FULL["modules"]}
    assert read(api, TEMPLATES) == text([onboarding, basics])
    assert read(api, f"{TEMPLATES}/{hex_id(0xA1)}/") == text(onboarding)
    assert read(api, f"{TEMPLATES}/{hex_id(0xA2)}") == text(basics)


def enter(person: Person, course: Course, **fields: Any) -> None:
    """Give the person's open record of the course these values, as a service would leave them."""
    changed = TrainSession.objects.open().filter(person=person, course=course).update(**fields)
    assert changed == 1


def test_stats_add_up_to_what_members_have_done(api: Api, organization: Organization) -> None:
    """Three course modules, one of them of a course that another names too: two courses count."""
    one, two = CourseFactory.create_batch(2, organization=organization)
    session = ProgramSessionFactory.create(organization=organization, name="Spring", courses=[one, two, one])
    mails = ("done", "midway", "failed", "new", "again")
    done, midway, failed, new, again = (
        PersonFactory.create(organization=organization, mail=f"{mail}@example.com") for mail in mails
    )
    join(session, done, midway, failed, new, again)
    now = datetime(2026, 5, 1, tzinfo=UTC)
    finished = {"state": State.COMPLETED, "percent": 100, "completed_at": now}
    enter(done, one, score=Decimal(90), time_spent=Decimal("1.25"), **finished)
    enter(done, two, score=Decimal("81.5"), time_spent=Decimal("0.50"), **finished)
    enter(midway, one, state=State.IN_PROGRESS, percent=35, time_spent=Decimal("0.01"))
    enter(failed, one, score=Decimal(40), percent=100, failed_attempts=1, state=State.FAILED)
    enter(failed, two, score=Decimal(75), **finished)
    # Completed long ago and owed again: the newer record counts.
    enter(again, one, score=Decimal(100), cert_expiry=now.date(), **finished)
    records.assign(organization=organization, actor=ACTOR, course_id=one.pk, person_ids=[again.pk])
    enter(again, one, state=State.IN_PROGRESS, percent=30)
    # Unassigned by hand: as if it had never been opened.
    owed = TrainSession.objects.get(person=again, course=two)
    enter(again, two, state=State.IN_PROGRESS, percent=80, time_spent=Decimal(9))
    records.unassign(organization=organization, actor=ACTOR, ids=[owed.pk])
    # What a member does elsewhere does not count here.
    other = CourseFactory.create(organization=organization)
    records.assign(organization=organization, actor=ACTOR, course_id=other.pk, person_ids=[new.pk])
    enter(new, other, score=Decimal(50), percent=50, state=State.IN_PROGRESS, time_spent=Decimal(3))

    def user(mail: str, score: float | None, progress: float, seconds: int, *, completed: bool) -> dict[str, object]:
        return {
            "mail": f"{mail}@example.com",
            "score": score,
            "progress": progress,
            "totalTimeSpentInSeconds": seconds,
            "completed": completed,
        }

    expected = {
        "name": "Spring",
        "registered": 5,
        "attendees": 4,
        "completed": 1,
        "usersStats": [
            user("done", 85.8, 100.0, 6300, completed=True),
            user("midway", None, 17.5, 36, completed=False),
            user("failed", 57.5, 100.0, 0, completed=False),
            user("new", None, 0.0, 0, completed=False),
            user("again", None, 15.0, 0, completed=False),
        ],
    }
    assert read(api, f"{SESSIONS}/{session.hex_id}/stats") == text(expected)


def test_stats_of_a_program_without_people_or_courses_are_zero(api: Api, organization: Organization) -> None:
    session = empty_session(organization)
    nobody = {"name": "Empty", "registered": 0, "attendees": 0, "completed": 0, "usersStats": []}
    assert read(api, f"{SESSIONS}/{session.hex_id}/stats") == text(nobody)
    join(session, PersonFactory.create(organization=organization, mail="ada@example.com"))
    ada = {
        "mail": "ada@example.com",
        "score": None,
        "progress": 0.0,
        "totalTimeSpentInSeconds": 0,
        "completed": False,
    }
    assert read(api, f"{SESSIONS}/{session.hex_id}/stats") == text({**nobody, "registered": 1, "usersStats": [ada]})


def test_another_organization_sees_none_of_it(full: ProgramSession) -> None:
    stranger = api_of(OrganizationFactory.create())
    assert (read(stranger, SESSIONS), read(stranger, TEMPLATES)) == ("[]", "[]")
