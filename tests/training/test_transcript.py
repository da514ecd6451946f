"""A person's page: the transcript, assigning from there, and leaving."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import BulkOperation, HistoryEntry, Organization, Person, User
from accounts.roles import Role
from accounts.services.groups import create_group
from enrollments.models import CourseStatus, Enrollment
from enrollments.services import enrolling
from programs.services import membership
from tests.accounts.admin_pages import Pages, address, fields_of, messages_of
from tests.acts import assign
from tests.factories import (
    SYSTEM,
    CourseFactory,
    OrganizationFactory,
    PersonFactory,
    ProgramSessionFactory,
    SessionFactory,
    UnitFactory,
    UserFactory,
)
from training.models import TrainSession
from training.services import records
from training.services.assigning_courses import assign_courses


@pytest.fixture
def organization(db: None) -> Organization:
    return OrganizationFactory.create(time_zone="Pacific/Auckland")


@pytest.fixture
def staff(organization: Organization) -> Pages:
    return Pages(UserFactory.create(organization=organization))


@pytest.fixture
def person(organization: Organization) -> Person:
    return PersonFactory.create(organization=organization, first_name="Ada", last_name="Byron", employee_id="EMP-1")


def course(organization: Organization, code: str, **fields: Any) -> Any:
    return CourseFactory.create(organization=organization, code=code, title=f"About {code}", **fields)


def fill(person: Person, mark: str) -> None:
    """A bit of everything."""
    organization = person.organization
    late, done, gone, held = (course(organization, f"{name}-{mark}") for name in ("LATE", "DONE", "GONE", "HELD"))
    [overdue] = assign(late, person)
    due_at = timezone.now() - timedelta(days=1)
    records.change_due(organization=organization, actor=SYSTEM, record_ids=[overdue.record.pk], due_at=due_at)
    [finished], [taken] = assign(done, person), assign(gone, person)
    records.complete(organization=organization, actor=SYSTEM, record_id=finished.record.pk, score=Decimal("87.5"))
    records.unassign(organization=organization, actor=SYSTEM, ids=[taken.record.pk], reason="Moved")
    session = SessionFactory.create(course=held, name=f"Seat {mark}")
    enrolling.enroll(organization=organization, actor=SYSTEM, session_id=session.pk, person_ids=[person.pk])
    program = ProgramSessionFactory.create(organization=organization, name=f"Program {mark}", courses=[late, done])
    membership.join(organization=organization, actor=SYSTEM, session=program, person_ids=[person.pk])
    create_group(organization=organization, actor=SYSTEM, name=f"Group {mark}", people=[person])


def section(page: Any, template: str) -> dict[str, Any]:
    [found] = [context for name, context in page.context["sections"] if name.endswith(f"{template}.html")]
    return dict(found)


def sections(page: Any) -> list[str]:
    return [name.rpartition("/")[2].removesuffix(".html") for name, _ in page.context["sections"]]


def open_codes(person: Person) -> list[str]:
    rows = TrainSession.objects.open().filter(person=person)
    return sorted(rows.values_list("course__code", flat=True))


# The transcript.


def test_the_page_shows_all_that_is_known_of_somebody(staff: Pages, person: Person) -> None:
    fill(person, "1")
    page = staff.get(address(Person, "change", person))
    shown = section(page, "record_transcript")
    rows = [(row["record"].course.code, row["standing"], row["late"], row["record"].score) for row in shown["rows"]]
    assert rows == [
        ("HELD-1", "Assigned", False, None),
        ("LATE-1", "Assigned", True, None),
        ("DONE-1", "Completed", False, Decimal("87.5")),
        ("GONE-1", "Unassigned", False, None),
    ]
    counted = shown["transcript"]
    assert (counted.open, counted.overdue, counted.completed, counted.unassigned, counted.more) == (2, 1, 1, 1, 0)
    assert [one.name for one in section(page, "groups")["groups"]] == ["Group 1"]
    assert [one.session.name for one in section(page, "seats_section")["seats"]] == ["Seat 1"]
    [(membership_, _)] = section(page, "memberships_section")["memberships"]
    assert (membership_.member.session.name, membership_.done, membership_.courses, membership_.overdue) == (
        "Program 1",
        1,
        2,
        1,
    )
    body = page.content.decode()
    for text in ("87.5", "1 overdue", "Seat 1", "Program 1", "1 of 2", "Group 1"):
        assert text in body
    record = TrainSession.objects.get(course__code="DONE-1")
    assert f'href="{address(TrainSession, "change", record)}">DONE-1 About DONE-1</a>' in body


def test_the_page_of_somebody_new_says_so(staff: Pages, person: Person) -> None:
    body = staff.get(address(Person, "change", person)).content.decode()
    for text in ("Nothing has been assigned yet.", "Never enrolled in a session.", "In no program.", "In no group."):
        assert text in body


def test_the_page_asks_the_same_however_much_there_is(staff: Pages, person: Person) -> None:
    counts = []
    for marks in (["1"], ["2", "3", "4"]):
        for mark in marks:
            fill(person, mark)
        staff.get(address(Person, "change", person))
        with CaptureQueriesContext(connection) as queries:
            assert staff.get(address(Person, "change", person)).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_a_long_transcript_shows_what_is_open_and_says_how_much_more_there_is(
    staff: Pages, person: Person, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(person, "1")
    monkeypatch.setattr("training.transcript.MOST_SHOWN", 2)
    page = staff.get(address(Person, "change", person))
    shown = section(page, "record_transcript")
    assert ([row["record"].course.code for row in shown["rows"]], shown["transcript"].more) == (["HELD-1", "LATE-1"], 2)
    assert "and 2 more." in page.content.decode()


# Assigning.


def assign_page(person: Person) -> str:
    return reverse("admin:training_assign_courses", args=[person.pk])


def tick(pages: Pages, person: Person, *courses: Any, **typed: Any) -> Any:
    return pages.client.post(assign_page(person), {"course": [one.pk for one in courses], **typed}, follow=True)


def test_as_many_courses_as_are_ticked_are_assigned_until_one_day(
    staff: Pages, person: Person, organization: Organization
) -> None:
    first, second, third, _ = (course(organization, code) for code in ("A", "B", "C", "D"))
    assign(second, person)
    kept = TrainSession.objects.get()
    boxes = section(staff.get(address(Person, "change", person)), "record_assign_section")["boxes"]
    assert [(one.code, note) for one, note, _, _ in boxes] == [
        ("A", ""),
        ("B", "open: stays as it is"),
        ("C", ""),
        ("D", ""),
    ]
    done = tick(staff, person, first, second, third, due="2027-03-31")
    assert done.redirect_chain == [(address(Person, "change", person), 302)]
    assert messages_of(done) == ["Assigned: A, C.", "Open already, and as before: B."]
    due = datetime(2027, 3, 31, 10, 59, 59, 999999, tzinfo=UTC)
    assert {one.course.code: (one.due_at, one.created_by) for one in TrainSession.objects.all()} == {
        "A": (due, f"user-{staff.user.pk}"),
        "B": (kept.due_at, kept.created_by),
        "C": (due, f"user-{staff.user.pk}"),
    }


def test_where_one_course_cannot_be_assigned_none_is_and_each_says_why(
    staff: Pages, person: Person, organization: Organization
) -> None:
    fine, short, held = course(organization, "A"), course(organization, "B", uses_units=True), course(organization, "C")
    archived = course(organization, "Z", status=CourseStatus.ARCHIVED)
    page = tick(staff, person, fine, short, archived, due="2027-03-31")
    form = page.context["section"]["form"]
    assert form.non_field_errors() == [
        "Nothing was assigned: 2 of 3 courses cannot be.",
        "Course Z is archived; it cannot be assigned.",
    ]
    boxes = [(one.code, ticked, refused) for one, _, ticked, refused in page.context["section"]["boxes"]]
    assert boxes == [
        ("B", True, "Not enough units of B: 1 needed, 0 free."),
        ("A", True, ""),
        ("C", False, ""),
    ]
    assert 'value="2027-03-31"' in page.content.decode()
    assert (TrainSession.objects.count(), held.code) == (0, "C")
    UnitFactory.create(course=short)
    tick(staff, person, fine, short)
    assert open_codes(person) == ["A", "B"]


def test_nothing_ticked_or_a_day_that_is_none_is_refused(
    staff: Pages, person: Person, organization: Organization
) -> None:
    one = course(organization, "A")
    assert tick(staff, person).context["section"]["form"].non_field_errors() == ["Tick at least one course."]
    assert tick(staff, person, one, due="soon").context["section"]["form"].errors == {"due": ["Enter a valid date."]}
    assert staff.client.post(assign_page(person), {"course": ["x", str(10**30)]}).status_code == 200
    assert (staff.get(assign_page(person)).status_code, TrainSession.objects.count()) == (405, 0)


def test_a_course_of_another_organization_is_unknown(staff: Pages, person: Person) -> None:
    theirs = course(OrganizationFactory.create(), "A")
    errors = tick(staff, person, theirs).context["section"]["form"].non_field_errors()
    assert errors == ["Nothing was assigned: 1 of 1 courses cannot be.", f"Unknown courses: {theirs.pk}."]
    assert TrainSession.objects.count() == 0


def test_nothing_is_assigned_to_somebody_inactive(staff: Pages, person: Person, organization: Organization) -> None:
    one = course(organization, "A")
    Person.objects.filter(pk=person.pk).update(active=False)
    assert "record_assign_section" not in sections(staff.get(address(Person, "change", person)))
    errors = tick(staff, person, one).context["section"]["form"].non_field_errors()
    assert errors == [f"Inactive employees: {person.pk}."]
    assert TrainSession.objects.count() == 0


def test_the_service_assigns_all_or_nothing_and_answers_for_each(person: Person, organization: Organization) -> None:
    fine, archived = course(organization, "A"), course(organization, "Z", status=CourseStatus.ARCHIVED)
    given: Any = {"organization": organization, "actor": SYSTEM, "person_id": person.pk, "due_at": None}
    answer = assign_courses(**given, course_ids=[fine.pk, archived.pk, fine.pk])
    assert (list(answer.assigned), list(answer.refused), open_codes(person)) == ([fine.pk], [archived.pk], [])
    answer = assign_courses(**given, course_ids=[fine.pk])
    assert (list(answer.assigned), list(answer.refused), open_codes(person)) == ([fine.pk], [], ["A"])


# Leaving.


def leave_page(person: Person) -> str:
    return reverse("admin:training_leave", args=[person.pk])


def test_unticking_active_leads_to_the_preview_and_saves_the_rest(staff: Pages, person: Person) -> None:
    fill(person, "1")
    opened = fields_of(staff.get(address(Person, "change", person)))
    del opened["active"]
    sent = staff.client.post(address(Person, "change", person), {**opened, "first_name": "Augusta"}, follow=True)
    assert sent.redirect_chain == [(leave_page(person), 302)]
    assert messages_of(sent) == ["Augusta Byron is still active. Look at what making them inactive does, then confirm."]
    person.refresh_from_db()
    assert (person.active, person.first_name, open_codes(person)) == (True, "Augusta", ["HELD-1", "LATE-1"])
    again = staff.client.post(
        address(Person, "change", person), {**fields_of(staff.get(address(Person, "change", person))), "active": ""}
    )
    assert (again.status_code, HistoryEntry.objects.filter(model="accounts.Person", act="changed").count()) == (302, 1)


def test_what_the_preview_says_is_what_is_done(staff: Pages, person: Person) -> None:
    fill(person, "1")
    preview = staff.get(leave_page(person))
    assert sorted(one.course.code for one in preview.context["found"].records) == open_codes(person)
    body = preview.content.decode()
    for text in ("2 train sessions will be unassigned", "1 completed train session", "1 seat in coming sessions"):
        assert text in body
    assert Person.objects.get(pk=person.pk).active
    done = staff.client.post(leave_page(person), {**fields_of(preview), "reason": "Left", "cancel_seats": "on"},
                             follow=True)  # fmt: skip
    operation = BulkOperation.objects.get()
    link = f'<a class="record-link" href="{address(BulkOperation, "change", operation)}">Operation {operation.pk}</a>.'
    assert messages_of(done) == [f"Ada Byron is inactive, 1 seat cancelled, 2 train sessions unassigned. {link}"]
    person.refresh_from_db()
    assert (person.active, open_codes(person), Enrollment.objects.get().status) == (False, [], "cancelled")
    assert (operation.kind, operation.reason, operation.counts) == ("unassign", "Left", {"unassigned": 2})
    assert TrainSession.objects.filter(state="completed").count() == 1


def test_seats_stay_where_the_box_is_not_ticked(staff: Pages, person: Person) -> None:
    fill(person, "1")
    staff.client.post(leave_page(person), {"reason": "Left"})
    assert (Person.objects.get(pk=person.pk).active, Enrollment.objects.get().status) == (False, "enrolled")


def test_leaving_asks_for_a_reason_and_happens_once(staff: Pages, person: Person) -> None:
    page = staff.client.post(leave_page(person), {"reason": " "})
    assert page.context["form"].errors == {"reason": ["This field is required."]}
    assert Person.objects.get(pk=person.pk).active
    done = staff.client.post(leave_page(person), {"reason": "Left"}, follow=True)
    assert messages_of(done) == ["Ada Byron is inactive. Nothing was open."]
    again = staff.client.post(leave_page(person), {"reason": "Left"}, follow=True)
    assert messages_of(again) == ["Ada Byron is inactive already."]
    assert "record_leave_section" not in sections(again)
    back = staff.change(person, active="on")
    assert (back.status_code, Person.objects.get(pk=person.pk).active) == (302, True)


def test_of_somebody_inactive_what_is_still_open_is_offered_and_unassigned(staff: Pages, person: Person) -> None:
    fill(person, "1")
    Person.objects.filter(pk=person.pk).update(active=False)
    page = staff.get(address(Person, "change", person))
    assert "record_leave_section" in sections(page)
    assert "Unassign what is open…" in page.content.decode()
    preview = staff.get(leave_page(person))
    assert preview.context["title"] == "Unassign what is open of Ada Byron"
    assert sorted(one.course.code for one in preview.context["found"].records) == open_codes(person)
    body = preview.content.decode()
    assert ("Make inactive" in body, "2 train sessions will be unassigned" in body) == (False, True)
    done = staff.client.post(leave_page(person), {**fields_of(preview), "reason": "Left long ago"}, follow=True)
    operation = BulkOperation.objects.get()
    assert messages_of(done)[0].startswith("Ada Byron is inactive, 2 train sessions unassigned. ")
    assert (operation.kind, operation.reason, operation.counts) == ("unassign", "Left long ago", {"unassigned": 2})
    assert (open_codes(person), "record_leave_section" in sections(done)) == ([], False)


# Who may.


def test_an_auditor_reads_the_transcript_and_changes_nothing(organization: Organization, person: Person) -> None:
    fill(person, "1")
    one = course(organization, "A")
    auditor = Pages(UserFactory.create(organization=organization, role=Role.AUDITOR))
    page = auditor.get(address(Person, "change", person))
    assert sections(page) == ["record_transcript", "groups", "seats_section", "memberships_section"]
    answers = [
        tick(auditor, person, one),
        auditor.get(leave_page(person)),
        auditor.client.post(leave_page(person), {"reason": "Left"}),
    ]
    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert (Person.objects.get(pk=person.pk).active, open_codes(person)) == (True, ["HELD-1", "LATE-1"])


@pytest.mark.parametrize("role", [Role.FACILITATOR, None])
def test_others_meet_no_people(organization: Organization, person: Person, role: Role | None) -> None:
    pages = Pages(UserFactory.create(organization=organization, role=role))
    assert [pages.get(leave_page(person)).status_code, tick(pages, person).status_code] == [403, 403]


def test_people_of_another_organization_are_not_there(staff: Pages) -> None:
    theirs = PersonFactory.create(organization=OrganizationFactory.create())
    answers = [
        staff.get(leave_page(theirs)),
        staff.client.post(leave_page(theirs), {"reason": "Left"}),
        tick(staff, theirs, course(theirs.organization, "A")),
    ]
    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert (Person.objects.get(pk=theirs.pk).active, TrainSession.objects.count()) == (True, 0)


def test_a_superuser_does_it_for_the_persons_organization(person: Person, organization: Organization) -> None:
    root = Pages(User.objects.create_superuser("root@example.com", "a long enough password"))
    tick(root, person, course(organization, "A"), due="2027-03-31")
    assert TrainSession.objects.get().due_at == datetime(2027, 3, 31, 10, 59, 59, 999999, tzinfo=UTC)
    root.client.post(leave_page(person), {"reason": "Left"})
    assert (Person.objects.get(pk=person.pk).active, open_codes(person)) == (False, [])
