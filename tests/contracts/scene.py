"""One organization's rows and another's, by known ids, and a client of the first one's."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from django.apps import apps
from pytest_django import Settings

from accounts.models import ApiToken, Organization
from accounts.selectors import live_token
from tests.conftest import Api, api_of
from tests.contracts.families import Family, Request
from tests.contracts.records import category, course_row, enrollment_row, person_row, session_row
from tests.factories import OrganizationFactory
from training.models import TrainSession

JSON = "application/json"
SPECIAL = ("Allow", "Location", "Retry-After", "WWW-Authenticate")

OWN = {
    "course": 500_001,
    "session": 500_002,
    "person": 500_003,
    "enrollment": 500_004,
    "record": 500_005,
    "unassigned_record": 500_006,
    "completed_record": 500_007,
    "completed_enrollment": 500_008,
    "colleague": 500_009,
}
FOREIGN = {name: pk + 100_000 for name, pk in OWN.items()}
MISSING = {name: pk + 200_000 for name, pk in OWN.items()}


@dataclass(frozen=True)
class Said:
    """What a failure answers. Sentences by field are said with the field's name before each, where none is given."""

    status: int
    texts: Sequence[str] = ()
    fields: Mapping[str, Sequence[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Scene:
    """A family, an organization with some rows, and a client whose token holds every scope."""

    family: Family
    organization: Organization
    api: Api
    settings: Settings
    patch: pytest.MonkeyPatch

    def send(self, request: Request, ids: Mapping[str, int] = OWN, query: str = "", **headers: str) -> Any:
        body = b"" if request.body is None else json.dumps(request.body(ids)).encode()
        return self.raw(request.method, f"{request.path.format_map(ids)}{query}", body, **headers)

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
        return self.raw(request.method, request.path.format_map(OWN), body, content_type, **headers)

    @property
    def token(self) -> ApiToken:
        return live_token(self.api.secret)


def make_scene(family: Family, settings: Settings, patch: pytest.MonkeyPatch) -> Scene:
    setattr(settings, family.rate_setting, "")
    organization, foreign = OrganizationFactory.create(), OrganizationFactory.create()
    populate(organization, OWN, "OWN")
    populate(foreign, FOREIGN, f"FOREIGN-{FOREIGN['course']}")
    return Scene(family, organization, api_of(organization), settings, patch)


def populate(organization: Organization, ids: Mapping[str, int], code: str) -> None:
    course = course_row(organization, code, id=ids["course"], category=category())
    course.save(force_insert=True)
    person, colleague = (person_row(organization, id=ids[name]) for name in ("person", "colleague"))
    session = session_row(course, datetime(2030, 1, 1, tzinfo=UTC), id=ids["session"], max_participants=5)
    enrollment = enrollment_row(session, colleague)
    completed = enrollment_row(session, person_row(organization, id=ids["completed_enrollment"]), "completed")
    enrollment.pk, completed.pk = ids["enrollment"], ids["completed_enrollment"]
    for row in (person, colleague, completed.person, session, enrollment, completed):
        row.save(force_insert=True)
    states = {"record": {}, "unassigned_record": {"unassigned_at": session.starts_at}} | {
        "completed_record": {"state": "completed", "percent": 100, "completed_at": session.starts_at}
    }
    for name, columns in states.items():
        record = TrainSession(pk=ids[name], organization=organization, course=course, person=colleague, **columns)
        record.created_by = record.updated_by = "system"
        record.save(force_insert=True)


def everything() -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables, but for the tokens: a request notes that one was used."""
    ours = ("accounts", "enrollments", "training", "programs")
    return {
        model.__name__: list(model._default_manager.order_by("pk").values())  # noqa: SLF001 - Django's documented name
        for app in ours
        for model in apps.get_app_config(app).get_models()
        if model is not ApiToken
    }


def answer(response: Any) -> tuple[int, str, Any, dict[str, str]]:
    special = {name: response[name] for name in SPECIAL if name in response}
    return response.status_code, response["Content-Type"], json.loads(response.content), special


def expected(family: Family, said: Said) -> tuple[int, str, Any, Mapping[str, str]]:
    texts = said.texts or [f"{name}: {text}" for name, texts in said.fields.items() for text in texts]
    return said.status, JSON, family.shape(texts, said.fields), said.headers
