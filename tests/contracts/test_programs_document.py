"""The public document of the program session list, field by field: what it names is served, as the type that it says.

A test of the names as the document gives them, beside `contracts/programs.md`: a client is written against the document.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from accounts.actors import Actor
from accounts.models import Organization
from programs.api.serializers import SESSIONS
from programs.models import Module, ModuleType, ProgramRequirement, ProgramTutor
from programs.services import catalogue, membership
from tests.conftest import Api, body_of
from tests.factories import CourseFactory, PersonFactory, ProgramSessionFactory

ACTOR = Actor.system()


def is_text(value: object) -> bool:
    return isinstance(value, str)


def is_flag(value: object) -> bool:
    return isinstance(value, bool)


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_time(value: object) -> bool:
    return isinstance(value, str) and datetime.fromisoformat(value).utcoffset() == datetime.now(UTC).utcoffset()


def is_list_of(*keys: str) -> Callable[[object], bool]:
    """Of objects with these keys, each a string; of strings where no key is named. Not empty: it would show nothing."""

    def check(value: object) -> bool:
        if not isinstance(value, list) or not value:
            return False
        if not keys:
            return all(isinstance(item, str) for item in value)
        return all(list(item) == list(keys) and all(isinstance(item[key], str) for key in keys) for item in value)

    return check


def is_requirements(value: object) -> bool:
    return isinstance(value, dict) and {name: is_list_of()(value[name]) for name in value} == dict.fromkeys(
        ("courses", "programs", "paths"), True
    )


# Every field that the document names, in its order, "skills" from its changelog; and what it says of each.
DOCUMENTED: dict[str, Callable[[object], bool]] = {
    "_id": is_text,
    "name": is_text,
    "author": is_text,
    "description": is_text,
    "programTemplate": is_text,
    "tutors": is_list_of(),
    "lang": is_text,
    "customFields": is_list_of("name", "value"),
    "modifiedAt": is_time,
    "automatedReminders": is_flag,
    "requirements": is_requirements,
    "startDate": is_time,
    "endDate": is_time,
    "programDuration": is_number,
    "programDurationType": lambda value: value == "hour",
    "templateCustom": is_text,
    "sessionCustom": is_text,
    "modules": is_list_of("_id", "type"),
    "hasUserLimit": is_flag,
    "userLimit": is_number,
    "groups": is_list_of(),
    "users": is_list_of("_id", "mail"),
    "skills": is_list_of(),
}
# Served beside them, from the contract.
OURS = {"validateRegistrations"}
MODULE_TYPES = ["course", "webinar", "classroom"]
ABSENT_WHEN_UNSET = {"programDurationType", "userLimit"}


@pytest.fixture
def served(api: Api, organization: Organization) -> dict[str, Any]:
    """A program session with every field filled, as the list shows it."""
    course, person = CourseFactory.create(organization=organization), PersonFactory.create(organization=organization)
    session = ProgramSessionFactory.create(
        organization=organization,
        custom_fields=[{"name": "site", "value": "Berlin"}],
        skills=["1" * 24],
        groups=["2" * 24],
        required_paths=["3" * 24],
        starts_at=datetime(2026, 5, 15, 9, tzinfo=UTC),
        ends_at=datetime(2026, 6, 15, 9, tzinfo=UTC),
        program_duration=Decimal("7.5"),
        has_user_limit=True,
        user_limit=5,
    )
    of = {"organization": organization, "session": session}
    for position, kind in enumerate(MODULE_TYPES):
        module = Module(
            organization=organization,
            template=session.template,
            position=position,
            type=ModuleType(kind),
            course=course,
        )
        catalogue.create(actor=ACTOR, row=module)
    membership.join(organization=organization, actor=ACTOR, session=session, person_ids=[person.pk])
    catalogue.create(actor=ACTOR, row=ProgramTutor(**of, person=person))
    catalogue.create(actor=ACTOR, row=ProgramRequirement(**of, course=course))
    catalogue.create(actor=ACTOR, row=ProgramRequirement(**of, template=session.template))
    [listed] = json.loads(body_of(api.get("/api/v1/programs/sessions")))
    assert isinstance(listed, dict)
    return listed


def test_every_documented_field_is_served_as_its_type(served: dict[str, Any]) -> None:
    assert {name: check(served.get(name)) for name, check in DOCUMENTED.items()} == dict.fromkeys(DOCUMENTED, True)
    assert set(served) - set(DOCUMENTED) == OURS
    assert [module["type"] for module in served["modules"]] == MODULE_TYPES


def test_fields_are_served_when_nothing_is_filled_in(api: Api, organization: Organization) -> None:
    ProgramSessionFactory.create(organization=organization)
    [served] = json.loads(body_of(api.get("/api/v1/programs/sessions")))
    assert set(DOCUMENTED) - set(served) == ABSENT_WHEN_UNSET


def test_every_documented_field_is_declared(served: dict[str, Any]) -> None:
    assert set(SESSIONS.serializer().fields) == set(DOCUMENTED) | OURS


@pytest.mark.parametrize("parameter", ["company", "apiKey"])
def test_documented_parameters_are_described(api: Api, parameter: str) -> None:
    schema = json.loads(body_of(api.get("/api/schema/programs")))
    schemes = schema["components"]["securitySchemes"].values()
    assert parameter in [scheme["name"] for scheme in schemes if scheme.get("in") == "query"]
