"""Adding and removing people through the Programs API. What it does to the ledger: `test_membership_effects.py`."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from accounts.actors import Actor
from accounts.models import IdempotencyRecord, Organization, Person
from accounts.services.people import update_person
from enrollments.models import Course
from programs.models import ProgramMember, ProgramRequirement, ProgramSession, ProgramTemplate
from programs.services import catalogue
from tests.conftest import Api
from tests.factories import CourseFactory, PersonFactory, ProgramSessionFactory
from training.models import TrainSession
from training.services import records

ACTOR = Actor.system()
SESSIONS = "/api/v1/programs/sessions"
MAIL = "Ada.Love+lace@Example.com"
WRITES = pytest.mark.parametrize("method", ["PUT", "DELETE"])


@pytest.fixture
def course(organization: Organization) -> Course:
    return CourseFactory.create(organization=organization, code="FIRE")


@pytest.fixture
def session(organization: Organization, course: Course) -> ProgramSession:
    return ProgramSessionFactory.create(organization=organization, courses=[course])


@pytest.fixture
def person(organization: Organization) -> Person:
    return PersonFactory.create(organization=organization, mail=MAIL)


def path_of(session: ProgramSession, user: str) -> str:
    return f"{SESSIONS}/{session.hex_id}/users/{user}"


def answer(response: Any) -> tuple[int, str, bytes]:
    return response.status_code, response.headers["Content-Type"], response.content


def error(status: int, code: str, description: str) -> tuple[int, dict[str, str]]:
    return status, {"error": code, "description": description}


def error_of(response: Any) -> tuple[int, dict[str, str]]:
    assert response.headers["Content-Type"] == "application/json"
    return response.status_code, json.loads(response.content)


def members_of(session: ProgramSession) -> list[int]:
    rows = ProgramMember.objects.current().filter(session=session).order_by("pk")
    return list(rows.values_list("person_id", flat=True))


SUCCESS = (200, "application/json", b"{}")


@pytest.mark.parametrize(
    "spelling",
    [
        "{id}",
        "{id}/",
        MAIL,
        f"{MAIL}/",
        quote(MAIL, safe=""),
        MAIL.upper(),
        quote(MAIL.lower(), safe=""),
        "".join(f"%{ord(letter):02x}" for letter in MAIL.swapcase()),
    ],
)
def test_person_is_added_and_removed_by_id_and_by_mail(
    api: Api, session: ProgramSession, person: Person, spelling: str
) -> None:
    """A mail with other people's around it, one of them with a part of it. Answers are JSON objects, always."""
    for mail in ("love+lace@example.com", "ada.loveXlace@example.com", ""):
        PersonFactory.create(organization=session.organization, mail=mail)
    path = path_of(session, spelling.format(id=person.hex_id))
    assert answer(api.request("PUT", path)) == SUCCESS
    assert members_of(session) == [person.pk]
    assert answer(api.request("PUT", path)) == SUCCESS
    assert members_of(session) == [person.pk]
    assert answer(api.request("DELETE", path)) == SUCCESS
    assert members_of(session) == []
    assert answer(api.request("DELETE", path)) == SUCCESS
    assert (members_of(session), ProgramMember.objects.count()) == ([], 1)


def test_mail_matches_nobody_with_another_one(api: Api, session: ProgramSession) -> None:
    """In capitals PostgreSQL takes a dotless i for an I; in patterns _ and % are wild."""
    PersonFactory.create(organization=session.organization, mail="mike@example.com")
    for mail in (
        "m\N{LATIN SMALL LETTER DOTLESS I}ke@example.com",
        "m_ke@example.com",
        "%@example.com",
        "mike@example.com ",
        "ike@example.com",
    ):
        response = api.request("PUT", path_of(session, quote(mail)))
        assert error_of(response) == error(404, "user_not_found", "There is no such user.")
    assert members_of(session) == []


def test_members_of_other_sessions_stay_where_they_are(api: Api, session: ProgramSession, person: Person) -> None:
    other = ProgramSessionFactory.create(organization=session.organization)
    colleague = PersonFactory.create(organization=session.organization)
    for where, who in ((session, person), (session, colleague), (other, person)):
        api.request("PUT", path_of(where, who.hex_id))
    api.request("DELETE", path_of(session, person.hex_id))
    assert (members_of(session), members_of(other)) == ([colleague.pk], [person.pk])


@WRITES
@pytest.mark.parametrize("body", [None, {}])
def test_an_empty_object_is_as_good_as_no_body(
    api: Api, session: ProgramSession, person: Person, method: str, body: object
) -> None:
    assert answer(api.request(method, path_of(session, person.hex_id), body)) == SUCCESS


@WRITES
@pytest.mark.parametrize(
    ("body", "media_type", "status", "code", "description"),
    [
        (b'{"role": "tutor"}', "application/json", 422, "invalid", "role: Unknown key."),
        (b"[]", "application/json", 422, "invalid", "body: Invalid data."),
        (b"{", "application/json", 400, "invalid_json", "The body is not valid JSON."),
        (b"a=b", "application/x-www-form-urlencoded", 415, "unsupported_media_type", "Send the body as"),
    ],
)
def test_a_body_that_says_something_is_refused(
    api: Api,
    session: ProgramSession,
    person: Person,
    *,
    method: str,
    body: bytes,
    media_type: str,
    status: int,
    code: str,
    description: str,
) -> None:
    if method == "DELETE":
        api.request("PUT", path_of(session, person.hex_id))
    before = members_of(session)
    credential = {"Authorization": f"Bearer {api.secret}"}
    response = api.client.generic(method, path_of(session, person.hex_id), body, media_type, headers=credential)
    said = json.loads(response.content)
    assert (response.status_code, said) == (status, {"error": code, "description": said["description"]})
    assert said["description"].startswith(description)
    assert members_of(session) == before


@pytest.mark.parametrize("method", ["POST", "PATCH", "GET"])
def test_people_are_added_with_put_alone(api: Api, session: ProgramSession, person: Person, method: str) -> None:
    response = api.request(method, path_of(session, person.hex_id))
    description = f"{method} is not allowed here. Allowed: PUT, DELETE."
    assert error_of(response) == error(405, "method_not_allowed", description)
    assert response["Allow"] == "PUT, DELETE"


# Refusals. Each leaves nothing behind.


def test_full_session_is_a_422(api: Api, organization: Organization, course: Course, person: Person) -> None:
    session = ProgramSessionFactory.create(
        organization=organization, courses=[course], has_user_limit=True, user_limit=1
    )
    first = PersonFactory.create(organization=organization)
    assert answer(api.request("PUT", path_of(session, first.hex_id))) == SUCCESS
    description = "The program session is full: 0 places left, 1 asked for."
    assert error_of(api.request("PUT", path_of(session, MAIL))) == error(422, "session_full", description)
    # Who is in it already is added again all the same.
    assert answer(api.request("PUT", path_of(session, first.hex_id))) == SUCCESS
    assert (members_of(session), TrainSession.objects.filter(person=person).count()) == ([first.pk], 0)
    api.request("DELETE", path_of(session, first.hex_id))
    assert answer(api.request("PUT", path_of(session, MAIL))) == SUCCESS
    assert members_of(session) == [person.pk]


def require(session: ProgramSession, course: Course | None = None, template: ProgramTemplate | None = None) -> None:
    row = ProgramRequirement(organization=session.organization, session=session, course=course, template=template)
    catalogue.create(actor=ACTOR, row=row)


def complete(course: Course, person: Person) -> None:
    [assigned] = records.assign(
        organization=course.organization, actor=ACTOR, course_id=course.pk, person_ids=[person.pk]
    )
    records.complete(organization=course.organization, actor=ACTOR, record_id=assigned.record.pk)


def test_requirements_that_are_not_met_are_named(
    api: Api, organization: Organization, session: ProgramSession, person: Person
) -> None:
    """A course by its code, a program by its name; until each of them is completed."""
    aid, first, second = (CourseFactory.create(organization=organization, code=code) for code in ("AID", "B1", "B2"))
    basics = ProgramSessionFactory.create(organization=organization, name="Basics", courses=[first, second]).template
    require(session, course=aid)
    require(session, template=basics)
    path = path_of(session, person.hex_id)

    def refused(*missing: str) -> None:
        description = f"The user has not completed {', '.join(missing)}."
        assert error_of(api.request("PUT", path)) == error(422, "requirements_not_met", description)
        assert members_of(session) == []

    refused("AID", "Template of Basics")
    complete(first, person)
    refused("AID", "Template of Basics")
    complete(aid, person)
    refused("Template of Basics")
    complete(second, person)
    assert answer(api.request("PUT", path)) == SUCCESS
    assert members_of(session) == [person.pk]


def test_required_programs_of_one_name_are_each_required(
    api: Api, organization: Organization, session: ProgramSession, person: Person
) -> None:
    """And a course whose code is that name."""
    courses = [CourseFactory.create(organization=organization, code=code) for code in ("Basics", "B1", "B2")]
    require(session, course=courses[0])
    for course in courses[1:]:
        template = catalogue.create(actor=ACTOR, row=ProgramTemplate(organization=organization, name="Basics"))
        ProgramSessionFactory.create(organization=organization, template=template, courses=[course])
        require(session, template=template)
    for done, course in enumerate(courses):
        description = f"The user has not completed {', '.join(['Basics'] * (3 - done))}."
        response = api.request("PUT", path_of(session, person.hex_id))
        assert error_of(response) == error(422, "requirements_not_met", description)
        complete(course, person)
    assert answer(api.request("PUT", path_of(session, person.hex_id))) == SUCCESS


def test_who_is_a_member_is_not_asked_for_requirements_again(
    api: Api, session: ProgramSession, person: Person, course: Course
) -> None:
    api.request("PUT", path_of(session, person.hex_id))
    require(session, course=course)
    assert answer(api.request("PUT", path_of(session, person.hex_id))) == SUCCESS


def test_inactive_person_is_a_422(api: Api, session: ProgramSession, person: Person) -> None:
    update_person(organization=session.organization, actor=ACTOR, person=person, changes={"active": False})
    response = api.request("PUT", path_of(session, person.hex_id))
    assert error_of(response) == error(422, "user_inactive", "The user is inactive.")
    assert members_of(session) == []


def test_course_without_a_free_unit_is_a_422(
    api: Api, organization: Organization, person: Person, course: Course
) -> None:
    scarce = CourseFactory.create(organization=organization, code="RARE", uses_units=True)
    session = ProgramSessionFactory.create(organization=organization, courses=[course, scarce])
    response = api.request("PUT", path_of(session, person.hex_id))
    assert error_of(response) == error(422, "not_enough_units", "Not enough units of RARE: 1 needed, 0 free.")
    assert (members_of(session), TrainSession.objects.count()) == ([], 0)


# Idempotency keys.


def keyed(api: Api, method: str, path: str, key: str) -> Any:
    return api.request(method, path, Idempotency_Key=key)


def test_repeated_put_under_its_key_has_one_effect(api: Api, session: ProgramSession, person: Person) -> None:
    path = path_of(session, person.hex_id)
    assert answer(keyed(api, "PUT", path, "one")) == SUCCESS
    assert answer(api.request("DELETE", path)) == SUCCESS
    assert answer(keyed(api, "PUT", path, "one")) == SUCCESS
    assert members_of(session) == []
    assert answer(keyed(api, "PUT", path, "two")) == SUCCESS
    assert members_of(session) == [person.pk]


def test_repeated_delete_under_its_key_has_one_effect(api: Api, session: ProgramSession, person: Person) -> None:
    path = path_of(session, person.hex_id)
    api.request("PUT", path)
    assert answer(keyed(api, "DELETE", path, "one")) == SUCCESS
    api.request("PUT", path)
    assert answer(keyed(api, "DELETE", path, "one")) == SUCCESS
    assert members_of(session) == [person.pk]


def test_key_of_another_request_is_refused(api: Api, session: ProgramSession, person: Person) -> None:
    path = path_of(session, person.hex_id)
    assert answer(keyed(api, "PUT", path, "one")) == SUCCESS
    expected = error(422, "idempotency_key_reused", "This Idempotency-Key was used for another request.")
    assert error_of(keyed(api, "DELETE", path, "one")) == expected
    assert error_of(keyed(api, "PUT", path_of(session, MAIL), "one")) == expected
    assert error_of(keyed(api, "PUT", f"{path}?company=", "one")) == expected
    assert members_of(session) == [person.pk]


def test_refusal_is_not_remembered(api: Api, session: ProgramSession, person: Person, course: Course) -> None:
    require(session, course=course)
    path = path_of(session, person.hex_id)
    assert keyed(api, "PUT", path, "one").status_code == 422
    assert IdempotencyRecord.objects.count() == 0
    complete(course, person)
    assert answer(keyed(api, "PUT", path, "one")) == SUCCESS
    assert members_of(session) == [person.pk]


@WRITES
def test_key_of_another_form_is_a_400(api: Api, session: ProgramSession, person: Person, method: str) -> None:
    response = keyed(api, method, path_of(session, person.hex_id), "a b")
    description = "Idempotency-Key: give 1-255 visible ASCII characters."
    assert error_of(response) == error(400, "invalid_idempotency_key", description)
