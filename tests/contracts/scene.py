"""One organization's rows and another's, by known ids, and a client of the first one's."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from django.apps import apps
from pytest_django import Settings

from accounts.models import ApiToken, Organization, Person
from accounts.selectors import live_token
from enrollments.models import Course
from programs.models import Module, ProgramMember, ProgramSession, ProgramTemplate
from tests.conftest import Api, api_of
from tests.contracts.families import THE_REQUEST_ID, Family, Ids, Request, Said
from tests.contracts.records import AGES_AGO, category, course_row, enrollment_row, person_row, session_row
from tests.factories import OrganizationFactory
from training.models import TrainSession

JSON = "application/json"
SPECIAL = ("Allow", "Location", "Retry-After", "WWW-Authenticate")

NAMES = (
    "course",
    "session",
    "person",
    "enrollment",
    "record",
    "unassigned_record",
    "completed_record",
    "completed_enrollment",
    "colleague",
    "template",
    "program",
    "full_program",
)


def ids_from(first: int) -> dict[str, int | str]:
    """A number for each name, and what other families call the same row."""
    numbers = {name: first + position for position, name in enumerate(NAMES)}
    return {
        **numbers,
        **{f"{name}_uuid": str(UUID(int=pk)) for name, pk in numbers.items()},
        **{f"{name}_hex": f"{pk:024x}" for name, pk in numbers.items()},
        **{f"{name}_mail": f"{name}.{pk}@example.com" for name, pk in numbers.items()},
    }


OWN, FOREIGN, MISSING = ids_from(500_001), ids_from(600_001), ids_from(700_001)


@dataclass(frozen=True)
class Scene:
    """A family, an organization with some rows, and a client whose token holds every scope."""

    family: Family
    organization: Organization
    api: Api
    settings: Settings
    patch: pytest.MonkeyPatch

    def send(self, request: Request, ids: Ids = OWN, query: str = "", **headers: str) -> Any:
        """`query` comes behind the request's own."""
        body = b"" if request.body is None else json.dumps(request.body(ids)).encode()
        return self.raw(request.method, request.target(ids, query), body, **headers)

    def raw(
        self, method: str, path: str, body: bytes = b"", content_type: str = JSON, /, *, by: str = "", **headers: str
    ) -> Any:
        """`by` is a whole Authorization header, in the place of the token's."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        credential = {"Authorization": by or f"Bearer {self.api.secret}"}
        return self.api.client.generic(method, path, body, content_type, headers={**credential, **named})

    def get(self, query: str = "", **headers: str) -> Any:
        return self.raw("GET", f"{self.family.listing}{query}", **headers)

    def write(self, body: bytes, content_type: str = JSON, **headers: str) -> Any:
        request = self.family.write
        return self.raw(request.method, request.target(OWN), body, content_type, **headers)

    @property
    def token(self) -> ApiToken:
        return live_token(self.api.secret)


def make_scene(family: Family, settings: Settings, patch: pytest.MonkeyPatch) -> Scene:
    for name in family.rate_settings:
        setattr(settings, name, "")
    organization, foreign = OrganizationFactory.create(), OrganizationFactory.create()
    populate(organization, OWN, "OWN")
    populate(foreign, FOREIGN, f"FOREIGN-{FOREIGN['course']}")
    return Scene(family, organization, api_of(organization), settings, patch)


def populate(organization: Organization, ids: Mapping[str, Any], code: str) -> None:
    course = course_row(organization, code, id=ids["course"], uuid=ids["course_uuid"], category=category())
    course.save(force_insert=True)
    person, colleague, graduate = (
        person_row(organization, id=ids[name], hex_id=ids[f"{name}_hex"], mail=ids[f"{name}_mail"])
        for name in ("person", "colleague", "completed_enrollment")
    )
    session = session_row(course, datetime(2030, 1, 1, tzinfo=UTC), id=ids["session"], max_participants=5)
    enrollment, completed = enrollment_row(session, colleague), enrollment_row(session, graduate, "completed")
    enrollment.pk, completed.pk = ids["enrollment"], ids["completed_enrollment"]
    for row in (person, colleague, graduate, session, enrollment, completed):
        row.save(force_insert=True)
    states = {"record": {}, "unassigned_record": {"unassigned_at": session.starts_at}} | {
        "completed_record": {"state": "completed", "percent": 100, "completed_at": session.starts_at}
    }
    for name, columns in states.items():
        record = TrainSession(pk=ids[name], organization=organization, course=course, person=colleague, **columns)
        record.uuid, record.updated_at = ids[f"{name}_uuid"], AGES_AGO
        record.created_by = record.updated_by = "user-0"
        record.save(force_insert=True)
    populate_programs(course, colleague, ids)


def populate_programs(course: Course, member: Person, ids: Mapping[str, Any]) -> None:
    """A template of one module, and two runs of it with one member each: one that takes more, and one that is full."""
    organization = course.organization
    template = ProgramTemplate(
        pk=ids["template"], organization=organization, hex_id=ids["template_hex"], name="Program"
    )
    template.save(force_insert=True)
    Module.objects.create(organization=organization, template=template, position=1, course=course)
    for name, columns in {"program": {}, "full_program": {"has_user_limit": True, "user_limit": 1}}.items():
        run = ProgramSession(pk=ids[name], organization=organization, template=template, name=name, **columns)
        run.hex_id = ids[f"{name}_hex"]
        run.save(force_insert=True)
        ProgramMember.objects.create(
            organization=organization, session=run, person=member, created_by="user-0", updated_by="user-0"
        )


def everything() -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables, but for the tokens, and their history: a request notes that one was used."""
    ours = ("accounts", "enrollments", "training", "programs")
    rows = {
        model.__name__: list(model._default_manager.order_by("pk").values())  # noqa: SLF001 - Django's documented name
        for app in ours
        for model in apps.get_app_config(app).get_models()
        if model is not ApiToken
    }
    rows["HistoryEntry"] = [row for row in rows["HistoryEntry"] if row["model"] != "accounts.ApiToken"]
    return rows


def answer(response: Any) -> tuple[int, str, Any, dict[str, str]]:
    special = {name: response[name] for name in SPECIAL if name in response}
    body = json.loads(response.content)
    if body.get("requestId") == response["X-Request-Id"]:
        body["requestId"] = THE_REQUEST_ID
    return response.status_code, response["Content-Type"], body, special


def expected(family: Family, said: Said) -> tuple[int, str, Any, Mapping[str, str]]:
    status = family.unprocessable if said.status == 422 else said.status
    return status, JSON, family.shape(said), said.headers
