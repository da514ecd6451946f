"""What a body may hold is in the document, and a value of another JSON type is refused, never read as what it is not."""

from typing import Any

import pytest
from pytest_django import Settings

from tests.contracts.families import FAMILIES, Family, Request
from tests.contracts.scene import OWN, make_scene
from tests.contracts.test_openapi import key_of, operations

TRAINING, TRAIN_SESSIONS = FAMILIES[0], FAMILIES[1]
COURSES = Request("POST", "/api/v1/training/courses")
COURSE: dict[str, Any] = {"code": "NEW", "title": "New", "category": "safety"}
COMPLETE = Request("PATCH", "/api/v1/training/enrollments/{enrollment}/complete")
PROGRESS = Request("PATCH", "/api/train_sessions/{record}")
ATTEMPT = Request("POST", "/api/train_sessions/{record}/attempts")
UNASSIGN = Request("POST", "/api/train_sessions/unassign")


@pytest.mark.parametrize(
    ("family", "route"),
    [
        pytest.param(family, route, id=f"{family.name} {route.name}")
        for family in FAMILIES
        for route in family.routes
        if route.method in {"POST", "PUT", "PATCH"}
    ],
)
def test_every_key_that_is_taken_is_declared(family: Family, route: Request) -> None:
    assert route.body is not None
    sent = route.body(OWN)
    declared = operations(family)[key_of(route)]["requestBody"]["content"]["application/json"]["schema"]
    assert ("$ref" in declared or "oneOf" in declared) == bool(sent)
    if not sent:
        assert declared == {"type": "object", "maxProperties": 0}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("family", "route", "body"),
    [
        (TRAINING, COURSES, {**COURSE, "title": 7}),
        (TRAINING, COURSES, {**COURSE, "title": True}),
        (TRAINING, COURSES, {**COURSE, "title": " " * 200 + "New"}),
        (TRAINING, COURSES, {**COURSE, "duration_hours": "1.5"}),
        (TRAINING, COURSES, {**COURSE, "duration_hours": True}),
        (TRAINING, COURSES, {**COURSE, "duration_hours": 1.555}),
        (TRAINING, COURSES, {**COURSE, "certificate_months": "12"}),
        (TRAINING, COURSES, {**COURSE, "certificate_months": 1.5}),
        (TRAINING, COURSES, {**COURSE, "uses_units": "yes"}),
        (TRAINING, COURSES, {**COURSE, "uses_units": 1}),
        (TRAINING, COURSES, {**COURSE, "prerequisites": ["1"]}),
        (TRAINING, COMPLETE, {"score": "82"}),
        (TRAINING, COMPLETE, {"feedback": 1}),
        (TRAINING, COMPLETE, {"certificate_url": 1}),
        (TRAIN_SESSIONS, PROGRESS, {"percent_complete": "10"}),
        *((TRAIN_SESSIONS, PROGRESS, {"time_spent": hours}) for hours in ("1,5", "-1", "1e1", "1.555", "", " 1", True)),
        (TRAIN_SESSIONS, ATTEMPT, {"score": 80, "passed": "true"}),
        (TRAIN_SESSIONS, UNASSIGN, {"ids": ["1"]}),
    ],
)
def test_a_value_of_another_json_type_is_refused(
    family: Family, route: Request, body: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = make_scene(family, settings, monkeypatch)
    response = scene.send(Request(route.method, route.path, lambda _ids: body))
    assert response.status_code == 422, response.content


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("1.5", "1.5"),
        (1.5, "1.5"),
        ("7", "7.0"),
        ("0.25", "0.25"),
        ("9999999.99", "9999999.99"),
        (9999999.99, "9999999.99"),
    ],
)
def test_hours_are_taken_as_they_are_shown(
    given: Any, shown: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = make_scene(TRAIN_SESSIONS, settings, monkeypatch)
    response = scene.send(Request("PATCH", PROGRESS.path, lambda _ids: {"time_spent": given}))
    assert (response.status_code, response.json()["time_spent"]) == (200, shown)


@pytest.mark.django_db
def test_a_float_is_what_its_first_fifteen_digits_say(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = make_scene(TRAINING, settings, monkeypatch)
    body = {**COURSE, "duration_hours": 0.1 + 0.2, "certificate_months": 12.0}
    response = scene.send(Request("POST", COURSES.path, lambda _ids: body))
    assert (response.status_code, response.json()["data"]["duration_hours"]) == (201, 0.3)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("score", "said"),
    [
        (100.00000000000001, ["score: Ensure this value is less than or equal to 100."]),
        (-0.00000000000001, ["score: Ensure that there are no more than 7 digits in total."]),
        (100, None),
        (100.0, None),
    ],
)
def test_a_bound_is_kept_to_the_last_digit(
    score: float, said: list[str] | None, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = make_scene(TRAIN_SESSIONS, settings, monkeypatch)
    response = scene.send(Request("POST", ATTEMPT.path, lambda _ids: {"score": score}))
    assert (response.status_code, response.json().get("errors")) == (422 if said else 200, said)
