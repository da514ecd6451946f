from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry

from accounts.models import Organization, Person, User
from accounts.services import people as accounts
from enrollments.models import Category, Course, Enrollment, EnrollmentStatus, Prerequisite, Session, SessionStatus
from enrollments.services import enrolling
from tests.accounts.admin_pages import Pages, address, errors_of, fields_of, messages_of
from tests.factories import (
    SYSTEM,
    CourseFactory,
    OrganizationFactory,
    PersonFactory,
    SessionFactory,
    UserFactory,
)
from training.models import State, TrainSession


@pytest.fixture
def staff(organization: Organization) -> Pages:
    return Pages(UserFactory.create(organization=organization))


def people_of(organization: Organization, count: int) -> list[Person]:
    return [PersonFactory.create(organization=organization) for _ in range(count)]


def pks(rows: list[Any]) -> list[int]:
    return [row.pk for row in rows]


def enrolled(session: Session, people: list[Person]) -> list[Enrollment]:
    return enrolling.enroll(
        organization=session.organization, actor=SYSTEM, session_id=session.pk, person_ids=pks(people)
    ).enrollments


def test_a_course_is_made_and_changed_with_its_prerequisites(staff: Pages, organization: Organization) -> None:
    first, second = (CourseFactory.create(organization=organization) for _ in range(2))
    category = Category.objects.get(slug="technical")
    staff.add(Course, code="W-1", title="Welding", category=category.pk, prerequisites=[first.pk])
    course = Course.objects.get(code="W-1")
    assert (course.organization, course.search_title, course.category) == (organization, "welding", category)
    assert list(course.prerequisites.all()) == [first]
    revision = course.revision
    staff.change(course, title="Arc welding")
    course.refresh_from_db()
    assert (course.search_title, list(course.prerequisites.all())) == ("arc welding", [first])
    assert course.revision != revision
    staff.change(course, prerequisites=[second.pk])
    assert list(course.prerequisites.all()) == [second]
    assert Prerequisite.objects.get().organization == organization


def test_a_circle_of_prerequisites_is_refused_at_its_field(staff: Pages, organization: Organization) -> None:
    first = CourseFactory.create(organization=organization)
    second = CourseFactory.create(organization=organization, prerequisites=[first])
    answer = staff.change(first, title="New title", prerequisites=[second.pk])
    assert errors_of(answer) == {"prerequisites": ["A course cannot require itself, directly or through others."]}
    assert fields_of(answer)["title"] == ["New title"]
    assert Course.objects.get(pk=first.pk).title == first.title
    assert Prerequisite.objects.count() == 1


def test_a_prerequisite_of_another_organization_is_no_choice(staff: Pages, organization: Organization) -> None:
    course = CourseFactory.create(organization=organization)
    foreign = CourseFactory.create(organization=OrganizationFactory.create())
    answer = staff.change(course, prerequisites=[foreign.pk])
    assert errors_of(answer) == {
        "prerequisites": [f"Select a valid choice. {foreign.pk} is not one of the available choices."]
    }
    root = Pages(User.objects.create_superuser("root@example.com", "a long enough password"))
    assert list(errors_of(root.change(course, prerequisites=[foreign.pk]))) == ["prerequisites"]
    assert Prerequisite.objects.count() == 0


def test_a_course_code_that_is_taken_is_refused_at_its_field(staff: Pages, organization: Organization) -> None:
    CourseFactory.create(organization=organization, code="W-1")
    answer = staff.add(Course, code="W-1", title="Welding", category=Category.objects.get(slug="safety").pk)
    assert errors_of(answer) == {"code": ["Another course has this code."]}


def test_a_session_is_made_in_the_organization_of_its_course(organization: Organization) -> None:
    course = CourseFactory.create(organization=organization)
    root = Pages(User.objects.create_superuser("root@example.com", "a long enough password"))
    root.add(Session, course=course.pk, name="May Cohort", starts_at_0="2027-05-04", starts_at_1="09:00",
             ends_at_0="2027-05-04", ends_at_1="17:00", max_participants="20")  # fmt: skip
    session = Session.objects.get()
    assert (session.organization, session.name, session.max_participants) == (organization, "May Cohort", 20)


def test_a_capacity_below_the_seats_taken_is_refused_on_the_form(staff: Pages, organization: Organization) -> None:
    session = SessionFactory.create(course=CourseFactory.create(organization=organization), max_participants=5)
    enrolled(session, people_of(organization, 3))
    answer = staff.change(session, max_participants="2", location="Room 1")
    assert errors_of(answer) == {"__all__": ["3 places are taken; the limit cannot be 2."]}
    assert (fields_of(answer)["max_participants"], fields_of(answer)["location"]) == (["2"], ["Room 1"])
    assert "3 of 5" in answer.content.decode()
    session.refresh_from_db()
    assert (session.max_participants, session.location, LogEntry.objects.count()) == (5, "", 0)
    assert staff.change(session, max_participants="3").status_code == 302
    assert Session.objects.get().max_participants == 3


def test_cancelling_a_session_cancels_its_enrollments_and_is_final(staff: Pages, organization: Organization) -> None:
    session = SessionFactory.create(course=CourseFactory.create(organization=organization))
    [enrollment] = enrolled(session, people_of(organization, 1))
    refused = staff.change(session, status="cancelled")
    assert errors_of(refused) == {"status": ["Select a valid choice. cancelled is not one of the available choices."]}
    staff.client.post(f"/admin/enrollments/session/{session.pk}/cancel/", {"reason": "Ill"})
    enrollment.refresh_from_db()
    assert (enrollment.status, enrollment.updated_by) == (EnrollmentStatus.CANCELLED, f"user-{staff.user.pk}")
    answer = staff.change(session, status="scheduled")
    assert errors_of(answer) == {"__all__": ["The session is cancelled and stays so."]}
    kept = Session.objects.get()
    assert (kept.status, kept.cancel_reason) == (SessionStatus.CANCELLED, "Ill")


def test_several_people_are_enrolled_at_once(staff: Pages, organization: Organization) -> None:
    people = people_of(organization, 3)
    session = SessionFactory.create(course=CourseFactory.create(organization=organization), max_participants=4)
    answer = staff.add(Enrollment, session=session.pk, people=pks(people))
    assert messages_of(staff.get(answer.headers["Location"])) == [f"3 people enrolled in {session}. 1 spot left."]
    assert list(Enrollment.objects.values_list("person_id", "status", "created_by")) == [
        (person.pk, "enrolled", f"user-{staff.user.pk}") for person in people
    ]
    assert set(TrainSession.objects.values_list("person_id", "state")) == {(pk, "assigned") for pk in pks(people)}
    logged = LogEntry.objects.order_by("object_id").values_list("object_id", "action_flag")
    assert list(logged) == [(str(row.pk), 1) for row in Enrollment.objects.all()]


def test_more_people_than_seats_are_refused_whole_with_the_input_kept(staff: Pages, organization: Organization) -> None:
    people = people_of(organization, 3)
    session = SessionFactory.create(course=CourseFactory.create(organization=organization), max_participants=2)
    answer = staff.add(Enrollment, session=session.pk, people=pks(people))
    assert errors_of(answer) == {
        "__all__": ["Session is at capacity. Only 2 spots remaining. You requested 3 enrollments."]
    }
    kept = fields_of(answer)
    assert (kept["session"], kept["people"]) == ([str(session.pk)], [str(pk) for pk in pks(people)])
    assert (Enrollment.objects.count(), TrainSession.objects.count(), LogEntry.objects.count()) == (0, 0, 0)


def test_refusals_say_who_is_meant(staff: Pages, organization: Organization) -> None:
    required = CourseFactory.create(organization=organization, code="C-1")
    open_to_all = SessionFactory.create(course=required)
    strict = SessionFactory.create(course=CourseFactory.create(organization=organization, prerequisites=[required]))
    person, gone = people_of(organization, 2)
    accounts.update_person(organization=organization, actor=SYSTEM, person=gone, changes={"active": False})
    enrolled(open_to_all, [person])
    who = f"{person.pk} is {person}."
    already = staff.add(Enrollment, session=open_to_all.pk, people=[person.pk])
    assert errors_of(already) == {"people": [f"Already enrolled employees: {person.pk}.", who]}
    unmet = staff.add(Enrollment, session=strict.pk, people=[person.pk])
    assert errors_of(unmet) == {"people": [f"Unmet prerequisites: {person.pk} has not completed C-1.", who]}
    inactive = staff.add(Enrollment, session=open_to_all.pk, people=[gone.pk])
    assert errors_of(inactive) == {"people": [f"Inactive employees: {gone.pk}.", f"{gone.pk} is {gone}."]}
    assert Enrollment.objects.count() == 1


def test_people_of_another_organization_are_no_choice(staff: Pages, organization: Organization) -> None:
    session = SessionFactory.create(course=CourseFactory.create(organization=organization))
    [foreign] = people_of(OrganizationFactory.create(), 1)
    answer = staff.add(Enrollment, session=session.pk, people=[foreign.pk])
    assert errors_of(answer) == {
        "people": [f"Select a valid choice. {foreign.pk} is not one of the available choices."]
    }
    root = Pages(User.objects.create_superuser("root@example.com", "a long enough password"))
    answer = root.add(Enrollment, session=session.pk, people=[foreign.pk])
    assert errors_of(answer) == {"__all__": [f"Unknown employees: {foreign.pk}."]}
    assert Enrollment.objects.count() == 0


def test_an_enrollment_is_completed_on_its_page(staff: Pages, organization: Organization) -> None:
    course = CourseFactory.create(organization=organization, pass_score=Decimal(80))
    [enrollment] = enrolled(SessionFactory.create(course=course), people_of(organization, 1))
    unsaid = staff.change(enrollment, score="92.5")
    assert list(errors_of(unsaid)) == ["outcome"]
    wrong = staff.change(enrollment, outcome="complete", score="101", certificate_url="ftp://example.com/a")
    assert errors_of(wrong) == {
        "score": ["Ensure this value is less than or equal to 100."],
        "certificate_url": ["Enter a valid URL."],
    }
    assert staff.change(enrollment, outcome="complete", score="92.5", feedback="Good").status_code == 302
    enrollment.refresh_from_db()
    assert (enrollment.status, enrollment.score, enrollment.passed) == ("completed", Decimal("92.5"), True)
    assert (enrollment.feedback, enrollment.certificate_url) == ("Good", None)
    record = TrainSession.objects.get()
    assert (record.state, record.score, record.updated_by) == ("completed", Decimal("92.5"), f"user-{staff.user.pk}")


@pytest.mark.parametrize(("outcome", "status"), [("absent", "absent"), ("cancel", "cancelled"), ("", "enrolled")])
def test_an_enrollment_ends_as_chosen_on_its_page(
    staff: Pages, organization: Organization, outcome: str, status: str
) -> None:
    session = SessionFactory.create(course=CourseFactory.create(organization=organization))
    [enrollment] = enrolled(session, people_of(organization, 1))
    assert staff.change(enrollment, outcome=outcome).status_code == 302
    enrollment.refresh_from_db()
    assert enrollment.status == status


def test_a_page_opened_before_the_enrollment_ended_is_refused_in_words(
    staff: Pages, organization: Organization
) -> None:
    session = SessionFactory.create(course=CourseFactory.create(organization=organization))
    [enrollment] = enrolled(session, people_of(organization, 1))
    page = address(Enrollment, "change", enrollment)
    opened = fields_of(staff.get(page))
    enrolling.cancel(organization=organization, actor=SYSTEM, enrollment_id=enrollment.pk)
    answer = staff.client.post(page, {**opened, "outcome": "complete", "score": "70"})
    assert errors_of(answer) == {
        "__all__": [f"Enrollment {enrollment.pk} is cancelled; only an enrolled one can be changed."]
    }
    assert fields_of(answer)["score"] == ["70"]
    enrollment.refresh_from_db()
    assert (enrollment.status, enrollment.score) == ("cancelled", None)
    assert "outcome" not in fields_of(staff.get(page))


@pytest.mark.parametrize(
    ("action", "status", "done"),
    [
        ("mark_complete", "completed", "marked complete"),
        ("mark_absent", "absent", "marked absent"),
        ("cancel", "cancelled", "cancelled"),
    ],
)
def test_an_action_counts_what_it_did_and_names_what_was_refused(
    staff: Pages, organization: Organization, action: str, status: str, done: str
) -> None:
    session = SessionFactory.create(course=CourseFactory.create(organization=organization))
    rows = enrolled(session, people_of(organization, 3))
    ended = "mark_absent" if action == "cancel" else "cancel"
    getattr(enrolling, ended)(organization=organization, actor=SYSTEM, enrollment_id=rows[0].pk)
    rows[0].refresh_from_db()
    page = staff.act(Enrollment, action, rows)
    assert messages_of(page) == [
        f"2 enrollments {done}.",
        f"{rows[0]}: Enrollment {rows[0].pk} is {rows[0].status}; only an enrolled one can be changed.",
    ]
    statuses = Enrollment.objects.order_by("pk").values_list("status", flat=True)
    assert list(statuses) == [rows[0].status, status, status]
    assert LogEntry.objects.filter(change_message=f"{done.capitalize()}.").count() == 2


def test_marking_complete_without_a_score_leaves_a_scored_course_open(staff: Pages, organization: Organization) -> None:
    course = CourseFactory.create(organization=organization, pass_score=Decimal(80))
    rows = enrolled(SessionFactory.create(course=course), people_of(organization, 1))
    staff.act(Enrollment, "mark_complete", rows)
    assert (Enrollment.objects.get().passed, TrainSession.objects.get().state) == (None, State.IN_PROGRESS)
