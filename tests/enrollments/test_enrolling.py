"""Enrolling and completing through the Training API: the order of refusals, the words, what stays the same."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from accounts.errors import FieldsRefused
from accounts.models import Organization, Person
from accounts.services.people import update_person
from enrollments.models import Course, Enrollment, Session
from enrollments.services import catalogue
from tests.acts import ACTOR, assign, cancel, complete, enroll, finish, owed
from tests.conftest import Api
from tests.factories import CourseFactory, OrganizationFactory, PersonFactory, SessionFactory
from tests.snapshots import NOTHING, NOW, effects

ENROLLMENTS = "/api/v1/training/enrollments"


@pytest.fixture
def course(organization: Organization) -> Course:
    return CourseFactory.create(organization=organization)


@pytest.fixture
def session(course: Course) -> Session:
    return SessionFactory.create(course=course, max_participants=3)


def people(organization: Organization, count: int) -> list[Person]:
    return [PersonFactory.create(organization=organization) for _ in range(count)]


def ask(api: Api, session: Session, *ids: int) -> Any:
    return api.post(ENROLLMENTS, {"session_id": session.pk, "employee_ids": list(ids)})


def refusal(message: str, field: str | None = None) -> tuple[int, dict[str, Any]]:
    errors = {} if field is None else {"errors": {field: [message]}}
    return 422, {"success": False, "message": message, **errors}


def answer(response: Any) -> tuple[int, dict[str, Any]]:
    return response.status_code, response.json()


def test_enroll_answers_in_the_order_asked_and_collapses_duplicates(api: Api, session: Session) -> None:
    first, second = people(session.organization, 2)
    response = ask(api, session, second.pk, first.pk, second.pk)
    rows = {row.person_id: row.pk for row in Enrollment.objects.all()}
    assert answer(response) == (
        201,
        {
            "success": True,
            "message": "2 employees enrolled successfully",
            "data": {
                "enrolled_count": 2,
                "enrollments": [
                    {"id": rows[pk], "employee_id": pk, "status": "enrolled"} for pk in (second.pk, first.pk)
                ],
                "session_available_spots": 1,
            },
        },
    )


def test_enroll_of_one_is_said_in_the_singular(api: Api, session: Session) -> None:
    (person,) = people(session.organization, 1)
    assert ask(api, session, person.pk).json()["message"] == "1 employee enrolled successfully"


@pytest.mark.parametrize(
    ("seats", "requested", "message"),
    [
        (0, 1, "Session is at capacity. No spots remaining. You requested 1 enrollment."),
        (0, 2, "Session is at capacity. No spots remaining. You requested 2 enrollments."),
        (1, 2, "Session is at capacity. Only 1 spot remaining. You requested 2 enrollments."),
        (2, 3, "Session is at capacity. Only 2 spots remaining. You requested 3 enrollments."),
    ],
)
def test_enroll_in_a_full_session_says_what_is_left(
    api: Api, course: Course, seats: int, requested: int, message: str
) -> None:
    session = SessionFactory.create(course=course, max_participants=seats + 1)
    enroll(session, *people(course.organization, 1))
    with effects() as seen:
        response = ask(api, session, *[person.pk for person in people(course.organization, requested)])
    assert answer(response) == refusal(message)
    assert seen == NOTHING


def test_enroll_takes_the_last_seat_and_a_cancelled_one_again(api: Api, session: Session) -> None:
    first, *others, last = people(session.organization, 4)
    enrollment, *_ = enroll(session, first, *others)
    assert ask(api, session, last.pk).status_code == 422
    cancel(enrollment)
    assert ask(api, session, last.pk).json()["data"]["session_available_spots"] == 0


@pytest.mark.parametrize("end", ["completed", "failed", "absent"])
def test_a_finished_enrollment_holds_its_seat(api: Api, course: Course, end: str) -> None:
    session = SessionFactory.create(course=course, max_participants=1)
    first, second = people(course.organization, 2)
    enroll(session, first)
    at = timezone.now() if end != "absent" else None
    Enrollment.objects.update(status=end, completed_at=at)
    message = "Session is at capacity. No spots remaining. You requested 1 enrollment."
    assert answer(ask(api, session, second.pk)) == refusal(message)


def test_enroll_without_a_limit_shows_none(api: Api, course: Course) -> None:
    session = SessionFactory.create(course=course, max_participants=None)
    ids = [person.pk for person in people(course.organization, 5)]
    assert ask(api, session, *ids).json()["data"]["session_available_spots"] is None
    shown = api.get(f"/api/v1/training/sessions/{session.pk}").json()["data"]
    assert (shown["max_participants"], shown["enrolled_count"], shown["available_spots"]) == (None, 5, None)


@pytest.mark.parametrize("status", ["scheduled", "in_progress"])
def test_enroll_takes_late_arrivals_while_the_status_is_open(api: Api, course: Course, status: str) -> None:
    past = timezone.now() - timedelta(days=30)
    session = SessionFactory.create(course=course, starts_at=past, status=status)
    (person,) = people(course.organization, 1)
    assert ask(api, session, person.pk).status_code == 201


@dataclass(frozen=True)
class Cast:
    """Somebody for each reason to be refused."""

    session: Session
    unknown: int
    foreign: int
    inactive: int
    already: int
    unmet: int
    fine: int


@pytest.fixture
def cast(organization: Organization) -> Cast:
    """A course with a prerequisite, in a session with one seat left."""
    required = CourseFactory.create(organization=organization, code="BASIC")
    session = SessionFactory.create(
        course=CourseFactory.create(organization=organization, prerequisites=[required]), max_participants=2
    )
    inactive, already, unmet, fine = people(organization, 4)
    for person in (already, fine):
        complete(owed(required, person))
    enroll(session, already)
    update_person(organization=organization, actor=ACTOR, person=inactive, changes={"active": False})
    (foreign,) = people(OrganizationFactory.create(), 1)
    return Cast(session, 999_999, foreign.pk, inactive.pk, already.pk, unmet.pk, fine.pk)


def test_enroll_refuses_in_the_order_of_the_contract(api: Api, cast: Cast) -> None:
    """Each refusal in turn, with all the later ones present; then the capacity."""
    everybody = [cast.unmet, cast.already, cast.inactive, cast.foreign, cast.unknown, cast.fine]
    field = "employee_ids"
    wrong = Session.objects.filter(pk=cast.session.pk)

    def told(*ids: int) -> tuple[int, dict[str, Any]]:
        with effects() as seen:
            response = ask(api, cast.session, *ids)
        assert seen == NOTHING
        return answer(response)

    wrong.update(status="completed")
    assert told(*everybody, *range(10**6, 10**6 + 1000)) == refusal(
        "At most 1000 ids in one call; 1006 were given.", field
    )
    assert told(*everybody) == refusal("The session is completed; nobody can be enrolled in it.", "session_id")
    wrong.update(status="cancelled")
    assert told(*everybody) == refusal("The session is cancelled; nobody can be enrolled in it.", "session_id")
    wrong.update(status="scheduled")
    assert told(*everybody) == refusal(f"Unknown employees: {cast.foreign}, {cast.unknown}.", field)
    known = [pk for pk in everybody if pk not in (cast.foreign, cast.unknown)]
    assert told(*known) == refusal(f"Inactive employees: {cast.inactive}.", field)
    active = [pk for pk in known if pk != cast.inactive]
    assert told(*active) == refusal(f"Already enrolled employees: {cast.already}.", field)
    new = [pk for pk in active if pk != cast.already]
    assert told(*new) == refusal(f"Unmet prerequisites: {cast.unmet} has not completed BASIC.", field)
    wrong.update(max_participants=1)
    assert told(cast.fine) == refusal("Session is at capacity. No spots remaining. You requested 1 enrollment.")
    wrong.update(max_participants=2)
    assert ask(api, cast.session, cast.fine).status_code == 201


def test_enroll_takes_a_thousand_ids_however_often_each_is_given(api: Api, course: Course) -> None:
    session = SessionFactory.create(course=course, max_participants=None)
    (person,) = people(course.organization, 1)
    assert ask(api, session, *[person.pk] * 1500).status_code == 201
    unknown = ask(api, session, *range(10**6, 10**6 + 1000))
    assert unknown.json()["message"].startswith("Unknown employees: 1000000, ")


def test_enroll_in_a_session_that_is_not_there(api: Api, session: Session) -> None:
    (person,) = people(session.organization, 1)
    foreign = SessionFactory.create(course=CourseFactory.create())
    for pk in (foreign.pk, 999_999):
        session.pk = pk
        assert answer(ask(api, session, person.pk)) == refusal(f"There is no session {pk}.", "session_id")


@pytest.mark.parametrize(("days", "met"), [(365, True), (366, False)], ids=["last day", "day after"])
def test_a_prerequisite_counts_while_its_certificate_is_valid(
    api: Api, organization: Organization, *, days: int, met: bool
) -> None:
    required = CourseFactory.create(organization=organization, code="BASIC", certificate_months=12)
    session = SessionFactory.create(course=CourseFactory.create(organization=organization, prerequisites=[required]))
    (person,) = people(organization, 1)
    with time_machine.travel(NOW, tick=False):
        complete(owed(required, person))
    assign(required, person)  # To be done again: what counts is the one that is completed.
    with time_machine.travel(NOW + timedelta(days=days), tick=False):
        response = ask(api, session, person.pk)
    unmet = refusal(f"Unmet prerequisites: {person.pk} has not completed BASIC.", "employee_ids")
    assert (response.status_code, answer(response) == unmet) == (201 if met else 422, not met)


def test_each_of_several_prerequisites_is_named(api: Api, organization: Organization) -> None:
    courses = [CourseFactory.create(organization=organization, code=code) for code in ("B", "A", "C")]
    session = SessionFactory.create(course=CourseFactory.create(organization=organization, prerequisites=courses))
    first, second = people(organization, 2)
    complete(owed(courses[2], first))
    message = f"Unmet prerequisites: {second.pk} has not completed A, B, C; {first.pk} has not completed A, B."
    assert answer(ask(api, session, second.pk, first.pk)) == refusal(message, "employee_ids")


# Completing.


def finished(api: Api, enrollment: Enrollment, **body: Any) -> Any:
    return api.patch(f"{ENROLLMENTS}/{enrollment.pk}/complete", body)


@pytest.fixture
def enrollment(organization: Organization) -> Enrollment:
    course = CourseFactory.create(organization=organization, pass_score=Decimal(70))
    return enroll(SessionFactory.create(course=course), *people(organization, 1))[0]


@pytest.mark.parametrize(
    ("score", "passed", "status", "message"),
    [
        (70, True, "completed", "Enrollment marked as completed"),
        (82.5, True, "completed", "Enrollment marked as completed"),
        (69.9, False, "failed", "Enrollment marked as failed"),
        (None, None, "completed", "Enrollment marked as completed"),
    ],
)
def test_complete_answers_and_again_the_same(
    api: Api, enrollment: Enrollment, *, score: float | None, passed: bool | None, status: str, message: str
) -> None:
    given = {"feedback": "Good"} if score is None else {"score": score, "feedback": "Good"}
    with time_machine.travel(NOW, tick=False):
        response = finished(api, enrollment, **given)
    person = enrollment.person
    data = {
        "id": enrollment.pk,
        "employee": {"id": person.pk, "full_name": person.full_name},
        "status": status,
        "score": score,
        "passed": passed,
        "feedback": "Good",
        "completed_at": "2027-03-01T10:00:00.000000Z",
    }
    assert answer(response) == (200, {"success": True, "message": message, "data": data})
    with effects() as seen:
        again = finished(api, enrollment, **given)
    assert (again.status_code, again.content) == (200, response.content)
    assert seen == NOTHING


Change = Callable[[Enrollment], object]


@pytest.mark.parametrize(
    ("end", "body", "status"),
    [
        (lambda row: finish(row, score=Decimal(80)), {"score": 81}, "completed"),
        (lambda row: finish(row, score=Decimal(80)), {}, "completed"),
        (lambda row: finish(row, score=Decimal(80)), {"score": 80, "feedback": ""}, "completed"),
        (finish, {"score": 80}, "completed"),
        (lambda row: finish(row, score=Decimal(8)), {"score": 80}, "failed"),
        (cancel, {}, "cancelled"),
        (cancel, {"score": 80}, "cancelled"),
    ],
)
def test_complete_otherwise_than_before_is_a_conflict(
    api: Api, enrollment: Enrollment, end: Change, body: dict[str, Any], status: str
) -> None:
    end(enrollment)
    with effects() as seen:
        response = finished(api, enrollment, **body)
    message = f"Enrollment {enrollment.pk} is {status}; only an enrolled one can be changed."
    assert answer(response) == (409, {"success": False, "message": message})
    assert seen == NOTHING


@pytest.mark.parametrize("score", [80, 8])
def test_cancel_of_a_finished_enrollment_is_a_conflict(api: Api, enrollment: Enrollment, score: int) -> None:
    finish(enrollment, score=Decimal(score))
    with effects() as seen:
        response = api.patch(f"{ENROLLMENTS}/{enrollment.pk}/cancel")
    assert response.status_code == 409
    assert seen == NOTHING


def test_cancel_again_answers_the_same(api: Api, enrollment: Enrollment) -> None:
    first = api.patch(f"{ENROLLMENTS}/{enrollment.pk}/cancel")
    assert (first.status_code, first.json()["message"]) == (200, "Enrollment cancelled")
    assert first.json()["data"]["status"] == "cancelled"
    with effects() as seen:
        again = api.patch(f"{ENROLLMENTS}/{enrollment.pk}/cancel")
    assert (again.status_code, again.content) == (200, first.content)
    assert seen == NOTHING


# Sessions.


def change(api: Api, session: Session, **body: Any) -> Any:
    return api.patch(f"/api/v1/training/sessions/{session.pk}", body)


def test_cancelling_a_session_cancels_its_enrollments_for_good(api: Api, session: Session) -> None:
    first, second, third = people(session.organization, 3)
    _, _, done = enroll(session, first, second, third)
    finish(done)
    assert change(api, session, status="cancelled").status_code == 200
    assert list(Enrollment.objects.order_by("pk").values_list("status", flat=True)) == [
        "cancelled",
        "cancelled",
        "completed",
    ]
    with effects() as seen:
        response = change(api, session, status="scheduled")
    assert answer(response) == refusal("The session is cancelled and stays so.", "status")
    assert seen == NOTHING


def test_capacity_is_not_lowered_below_the_seats_taken(api: Api, session: Session) -> None:
    enroll(session, *people(session.organization, 2))
    with effects() as seen:
        response = change(api, session, max_participants=1)
    assert answer(response) == refusal("2 places are taken; the limit cannot be 1.", "max_participants")
    assert seen == NOTHING
    assert change(api, session, max_participants=2).json()["data"]["available_spots"] == 0
    assert change(api, session, max_participants=None).json()["data"]["available_spots"] is None


def test_a_session_with_enrollments_keeps_its_course(api: Api, session: Session) -> None:
    other = CourseFactory.create(organization=session.organization)
    (enrollment,) = enroll(session, *people(session.organization, 1))
    with effects() as seen:
        response = change(api, session, course_id=other.pk)
    assert answer(response) == (
        422,
        {
            "success": False,
            "message": "course_id: A session with enrollments keeps its course.",
            "errors": {"course_id": ["A session with enrollments keeps its course."]},
        },
    )
    assert seen == NOTHING
    # Cancelled ones are its history too.
    cancel(enrollment)
    assert change(api, session, course_id=other.pk).status_code == 422


def test_a_course_cannot_require_itself_in_a_circle(organization: Organization) -> None:
    first = CourseFactory.create(organization=organization)
    second = CourseFactory.create(organization=organization, prerequisites=[first])
    third = CourseFactory.create(organization=organization, prerequisites=[second])
    for required in (first, second, third):
        with pytest.raises(FieldsRefused) as refused:
            catalogue.update_course(
                organization=organization, actor=ACTOR, course=first, changes={}, prerequisites=[required]
            )
        assert refused.value.fields == {
            "prerequisites": ["A course cannot require itself, directly or through others."]
        }
