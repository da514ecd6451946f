"""The roster of a session: results entered for many at once, everybody marked present, and the downloads."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.errors import FieldsRefused
from accounts.models import Organization, User
from accounts.roles import Role
from accounts.wording import describe
from enrollments.errors import SessionNotBegun
from enrollments.models import Enrollment, EnrollmentStatus, Session
from enrollments.services import catalogue, enrolling, results
from tests.accounts.admin_pages import Pages, messages_of
from tests.factories import (
    SYSTEM,
    CourseFactory,
    OrganizationFactory,
    PersonFactory,
    SessionFactory,
    UnitFactory,
    UserFactory,
)
from training.models import TrainSession, Unit
from training.services import records

BEGUN = datetime(2026, 1, 12, 9, tzinfo=UTC)

COMPLETED, ABSENT, CANCELLED = EnrollmentStatus.COMPLETED, EnrollmentStatus.ABSENT, EnrollmentStatus.CANCELLED


@pytest.fixture
def staff(organization: Organization) -> Pages:
    return Pages(UserFactory.create(organization=organization))


def session_of(organization: Organization, *, course: dict[str, Any] | None = None, **fields: Any) -> Session:
    return SessionFactory.create(course=CourseFactory.create(organization=organization, **(course or {})), **fields)


def seated(session: Session, count: int) -> list[Enrollment]:
    people = [PersonFactory.create(organization=session.organization, last_name=f"P{n}") for n in range(count)]
    ids = [person.pk for person in people]
    made = enrolling.enroll(organization=session.organization, actor=SYSTEM, session_id=session.pk, person_ids=ids)
    return made.enrollments


def page_of(session: Session, name: str) -> str:
    return f"/admin/enrollments/session/{session.pk}/{name}"


def typed(row: Enrollment, status: str = "enrolled", score: str = "") -> dict[str, str]:
    return {f"row-{row.pk}-status": status, f"row-{row.pk}-score": score}


def ends(session: Session) -> list[tuple[str, Decimal | None, bool | None]]:
    return list(session.enrollments.order_by("pk").values_list("status", "score", "passed"))


def lines_of(page: Any) -> dict[int, list[str]]:
    """What the page says beside each row that it refuses."""
    return {line.row.pk: line.said for line in page.context["grid"].lines if line.said}


def enter(session: Session, *given: results.Result) -> results.Entered:
    return results.enter(organization=session.organization, actor=SYSTEM, session_id=session.pk, results=given)


# The service.


def test_results_are_entered_together_and_the_ledger_follows(organization: Organization) -> None:
    session = session_of(organization, course={"pass_score": Decimal(70)})
    passed, failed, away, out, kept = seated(session, 5)
    entered = enter(
        session,
        results.Result(passed.pk, COMPLETED, Decimal(70)),
        results.Result(failed.pk, COMPLETED, Decimal("69.5")),
        results.Result(away.pk, ABSENT),
        results.Result(out.pk, CANCELLED),
    )
    assert ([row.pk for row in entered.saved], entered.refused) == ([passed.pk, failed.pk, away.pk, out.pk], {})
    assert ends(session) == [
        ("completed", Decimal(70), True),
        ("failed", Decimal("69.5"), False),
        ("absent", None, None),
        ("cancelled", None, None),
        ("enrolled", None, None),
    ]
    states = {row.person_id: (row.state, row.unassigned_at is None) for row in TrainSession.objects.all()}
    assert states == {
        passed.person_id: ("completed", True),
        failed.person_id: ("failed", True),
        away.person_id: ("assigned", True),
        out.person_id: ("assigned", False),
        kept.person_id: ("assigned", True),
    }


def test_what_is_refused_holds_nothing_else_up(organization: Organization) -> None:
    session, other = session_of(organization), session_of(organization)
    good, gone, wrong = seated(session, 3)
    [elsewhere] = seated(other, 1)
    enrolling.cancel(organization=organization, actor=SYSTEM, enrollment_id=gone.pk)
    entered = enter(
        session,
        results.Result(gone.pk, ABSENT),
        results.Result(elsewhere.pk, ABSENT),
        results.Result(wrong.pk, COMPLETED, Decimal(101)),
        results.Result(good.pk, COMPLETED),
    )
    assert [row.pk for row in entered.saved] == [good.pk]
    assert {pk: describe(refusal) for pk, refusal in entered.refused.items()} == {
        gone.pk: f"Enrollment {gone.pk} is cancelled; only an enrolled one can be changed.",
        elsewhere.pk: f"There is no enrollment {elsewhere.pk}.",
        wrong.pk: "score: Ensure this value is less than or equal to 100.",
    }
    assert [row[0] for row in ends(session)] == ["completed", "cancelled", "enrolled"]
    assert [row[0] for row in ends(other)] == ["enrolled"]


def test_the_same_results_again_are_saved_and_change_nothing(organization: Organization) -> None:
    session = session_of(organization, course={"pass_score": Decimal(70)})
    passed, failed, away, out = seated(session, 4)
    given = [
        results.Result(passed.pk, COMPLETED, Decimal(80)),
        results.Result(failed.pk, COMPLETED, Decimal(10)),
        results.Result(away.pk, ABSENT),
        results.Result(out.pk, CANCELLED),
    ]
    enter(session, *given)
    before = list(Enrollment.objects.order_by("pk").values())
    records_before = list(TrainSession.objects.order_by("pk").values())
    again = enter(session, *given)
    assert (len(again.saved), again.refused) == (4, {})
    assert list(Enrollment.objects.order_by("pk").values()) == before
    assert list(TrainSession.objects.order_by("pk").values()) == records_before
    other = enter(session, results.Result(failed.pk, COMPLETED, Decimal(90)))
    assert describe(other.refused[failed.pk]) == (
        f"Enrollment {failed.pk} is failed; only an enrolled one can be changed."
    )


def test_who_finds_no_unit_is_refused_alone(organization: Organization) -> None:
    """The records have been unassigned by hand, so completing opens new ones, and there is one unit for two."""
    session = session_of(organization, course={"uses_units": True})
    for _ in range(2):
        UnitFactory.create(course=session.course)
    first, second = seated(session, 2)
    ids = list(TrainSession.objects.values_list("pk", flat=True))
    records.unassign(organization=organization, actor=SYSTEM, ids=ids, reason="By hand")
    Unit.objects.filter(course=session.course).order_by("pk")[:1].get().delete()
    entered = enter(session, results.Result(first.pk, COMPLETED), results.Result(second.pk, COMPLETED))
    assert [row.pk for row in entered.saved] == [first.pk]
    assert describe(entered.refused[second.pk]) == (f"Not enough units of {session.course.code}: 1 needed, 0 free.")
    assert [row[0] for row in ends(session)] == ["completed", "enrolled"]


def test_who_has_no_unit_is_refused_alone_and_who_needs_none_waits_for_none(organization: Organization) -> None:
    session = session_of(organization, course={"uses_units": True})
    for _ in range(5):
        UnitFactory.create(course=session.course)
    rows = seated(session, 5)
    ids = dict(TrainSession.objects.values_list("person_id", "pk"))
    # The last keeps an open record. The third has completed the course: a result is a record beside that, and a unit.
    records.complete(organization=organization, actor=SYSTEM, record_id=ids[rows[2].person_id])
    taken = [ids[row.person_id] for row in (rows[0], rows[1], rows[3])]
    records.unassign(organization=organization, actor=SYSTEM, ids=taken, reason="By hand")
    spare = list(Unit.objects.filter(course=session.course, train_session=None).values_list("pk", flat=True))
    Unit.objects.filter(pk__in=spare[2:]).delete()
    order = [rows[3], rows[0], rows[2], rows[1], rows[4]]
    entered = enter(session, *(results.Result(row.pk, COMPLETED) for row in order))
    assert [row.pk for row in entered.saved] == [rows[3].pk, rows[0].pk, rows[4].pk]
    lack = f"Not enough units of {session.course.code}: 1 needed, 0 free."
    assert {pk: describe(why) for pk, why in entered.refused.items()} == {rows[2].pk: lack, rows[1].pk: lack}
    assert [row[0] for row in ends(session)] == ["completed", "enrolled", "enrolled", "completed", "completed"]
    done = TrainSession.objects.filter(state="completed").order_by("person")
    assert list(done.values_list("person_id", flat=True)) == [rows[n].person_id for n in (0, 2, 3, 4)]


def test_many_results_and_few_units_cost_as_many_statements_as_two(organization: Organization) -> None:
    counts = []
    for people in (2, 12):
        session = session_of(organization, course={"uses_units": True})
        for _ in range(people):
            UnitFactory.create(course=session.course)
        rows = seated(session, people)
        owed = TrainSession.objects.filter(course=session.course)
        ids = list(owed.values_list("pk", flat=True))
        records.unassign(organization=organization, actor=SYSTEM, ids=ids, reason="By hand")
        kept = Unit.objects.filter(course=session.course).order_by("pk")[:1].get()
        Unit.objects.filter(course=session.course).exclude(pk=kept.pk).delete()
        with CaptureQueriesContext(connection) as queries:
            entered = enter(session, *(results.Result(row.pk, COMPLETED) for row in rows))
        counts.append(len(queries))
        assert (len(entered.saved), len(entered.refused)) == (1, people - 1)
    assert counts[0] == counts[1]


def test_many_results_cost_as_many_statements_as_two(organization: Organization) -> None:
    counts = []
    for people in (2, 6):
        session = session_of(organization)
        rows = seated(session, people)
        with CaptureQueriesContext(connection) as queries:
            enter(session, *(results.Result(row.pk, COMPLETED) for row in rows))
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_all_present_are_completed_and_the_others_stay(organization: Organization) -> None:
    session = session_of(organization, starts_at=BEGUN)
    first, second, away = seated(session, 3)
    enrolling.mark_absent(organization=organization, actor=SYSTEM, enrollment_id=away.pk)
    rows = results.mark_present(organization=organization, actor=SYSTEM, session_id=session.pk)
    assert [row.pk for row in rows] == [first.pk, second.pk]
    assert ends(session) == [("completed", None, True), ("completed", None, True), ("absent", None, None)]
    assert results.mark_present(organization=organization, actor=SYSTEM, session_id=session.pk) == []


def test_a_course_with_a_pass_score_is_not_completed_without_scores(organization: Organization) -> None:
    session = session_of(organization, course={"pass_score": Decimal(70)}, starts_at=BEGUN)
    seated(session, 1)
    with pytest.raises(FieldsRefused):
        results.mark_present(organization=organization, actor=SYSTEM, session_id=session.pk)
    assert ends(session) == [("enrolled", None, None)]


@time_machine.travel(datetime(2026, 3, 1, 9, tzinfo=UTC), tick=False)
def test_nobody_is_marked_present_before_the_session_begins(db: None) -> None:
    organization = OrganizationFactory.create(time_zone="Pacific/Auckland")
    staff = Pages(UserFactory.create(organization=organization))
    starts_at = datetime(2026, 3, 1, 9, 0, 0, 1, tzinfo=UTC)
    session = session_of(organization, starts_at=starts_at)
    seated(session, 1)
    with pytest.raises(SessionNotBegun) as refused:
        results.mark_present(organization=organization, actor=SYSTEM, session_id=session.pk)
    said = "The session begins on 2026-03-01 at 22:00 (Pacific/Auckland). Nobody has been present before that."
    assert describe(refused.value) == said
    asked = staff.get(page_of(session, "present/"))
    assert (asked.context["says"], asked.context["button"]) == ([said], "")
    offered = "is offered here once the session has begun"
    link = page_of(session, "present/")
    text = staff.get(page_of(session, "change/")).content.decode()
    assert (offered in text, link in text) == (True, False)
    assert messages_of(staff.client.post(link, follow=True)) == [said]
    assert ends(session) == [("enrolled", None, None)]
    catalogue.update_session(
        organization=organization, actor=SYSTEM, session_id=session.pk, changes={"starts_at": datetime.now(UTC)}
    )
    text = staff.get(page_of(session, "change/")).content.decode()
    assert (offered in text, link in text) == (False, True)
    results.mark_present(organization=organization, actor=SYSTEM, session_id=session.pk)
    assert ends(session) == [("completed", None, True)]


# The grid.


def test_the_grid_saves_what_was_changed_with_one_button(staff: Pages, organization: Organization) -> None:
    session = session_of(organization, course={"pass_score": Decimal(70)})
    first, second, away, out, kept = seated(session, 5)
    answer = staff.client.post(
        page_of(session, "roster/"),
        typed(first, "completed", "82.5")
        | typed(second, score="12")
        | typed(away, "absent")
        | typed(out, "cancelled")
        | typed(kept),
    )
    assert (answer.status_code, answer.headers["Location"]) == (302, f"{page_of(session, 'change/')}#roster")
    assert ends(session) == [
        ("completed", Decimal("82.5"), True),
        ("failed", Decimal(12), False),
        ("absent", None, None),
        ("cancelled", None, None),
        ("enrolled", None, None),
    ]
    page = staff.get(page_of(session, "change/"))
    assert messages_of(page) == ["4 saved."]
    assert set(Enrollment.objects.exclude(pk=kept.pk).values_list("updated_by", flat=True)) == {f"user-{staff.user.pk}"}
    logged = {entry.object_id: entry.get_change_message() for entry in LogEntry.objects.all()}
    assert logged == {
        str(first.pk): "Completed.",
        str(second.pk): "Failed.",
        str(away.pk): "Absent.",
        str(out.pk): "Cancelled.",
    }
    forms = {line.row.pk: line.form is not None for line in page.context["grid"].lines}
    assert forms == {first.pk: False, second.pk: False, away.pk: False, out.pk: False, kept.pk: True}
    shown = page.content.decode()
    assert ("82.5" in shown, "Not passed" in shown) == (True, True)


def test_a_refused_row_says_why_and_keeps_what_was_typed(staff: Pages, organization: Organization) -> None:
    session = session_of(organization, course={"pass_score": Decimal(70)})
    good, high, away, without, gone, invented = seated(session, 6)
    enrolling.cancel(organization=organization, actor=SYSTEM, enrollment_id=gone.pk)
    page = staff.client.post(
        page_of(session, "roster/"),
        typed(good, "completed", "70")
        | typed(high, "completed", "101")
        | typed(away, "absent", "50")
        | typed(without, "completed")
        | typed(gone, "completed", "90")
        | typed(invented, "graduated"),
    )
    assert page.status_code == 200
    assert messages_of(page) == ["1 saved, 5 refused."]
    assert lines_of(page) == {
        high.pk: ["Ensure this value is less than or equal to 100."],
        away.pk: ["A score belongs to somebody who has completed. Take it out, or choose Completed."],
        without.pk: ["This course is passed by a score: enter one."],
        gone.pk: [f"Enrollment {gone.pk} is cancelled; only an enrolled one can be changed."],
        invented.pk: ["Select a valid choice. graduated is not one of the available choices."],
    }
    kept = {line.row.pk: line.form["score"].value() for line in page.context["grid"].lines if line.form}
    assert kept == {high.pk: "101", away.pk: "50", without.pk: "", gone.pk: "90", invented.pk: ""}
    assert [row[0] for row in ends(session)] == [
        "completed",
        "enrolled",
        "enrolled",
        "enrolled",
        "cancelled",
        "enrolled",
    ]


def test_an_untouched_grid_changes_nothing(staff: Pages, organization: Organization) -> None:
    session = session_of(organization)
    [row] = seated(session, 1)
    answer = staff.client.post(page_of(session, "roster/"), typed(row), follow=True)
    assert messages_of(answer) == ["Nothing was changed on the roster."]
    assert (ends(session), LogEntry.objects.count()) == ([("enrolled", None, None)], 0)


def test_rows_of_another_session_or_organization_are_not_touched(staff: Pages, organization: Organization) -> None:
    session, other = session_of(organization), session_of(organization)
    foreign = session_of(OrganizationFactory.create())
    [beside], [theirs] = seated(other, 1), seated(foreign, 1)
    answer = staff.client.post(
        page_of(session, "roster/"),
        typed(beside, "absent")
        | typed(theirs, "absent")
        | {"row-x-status": "absent", f"row-{10**30}-status": "absent"},
        follow=True,
    )
    assert messages_of(answer) == ["Nothing was changed on the roster."]
    assert (ends(other), ends(foreign)) == ([("enrolled", None, None)],) * 2


def test_a_long_roster_has_pages_and_saving_stays_on_its_page(
    staff: Pages, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("enrollments.admin.roster.ROWS_PER_PAGE", 2)
    session = session_of(organization)
    rows = seated(session, 3)
    page = staff.get(page_of(session, "change/"), page="2")
    assert [line.row.pk for line in page.context["grid"].lines] == [rows[2].pk]
    answer = staff.client.post(page_of(session, "roster/?page=2"), typed(rows[2], "absent"))
    assert answer.headers["Location"] == f"{page_of(session, 'change/')}?page=2#roster"
    assert [row[0] for row in ends(session)] == ["enrolled", "enrolled", "absent"]
    # A row that is on another page by now is answered all the same.
    refused = staff.client.post(page_of(session, "roster/?page=2"), typed(rows[0], "absent", "5"))
    assert list(lines_of(refused)) == [rows[0].pk]


def test_a_facilitator_enters_results_and_cancels_nobody(organization: Organization) -> None:
    holder = PersonFactory.create(organization=organization)
    pages = Pages(UserFactory.create(organization=organization, role=Role.FACILITATOR, person=holder))
    session = session_of(organization, facilitator=holder)
    first, second = seated(session, 2)
    page = pages.client.post(page_of(session, "roster/"), typed(first, score="88") | typed(second, "cancelled"))
    assert lines_of(page) == {second.pk: ["Select a valid choice. cancelled is not one of the available choices."]}
    assert ends(session) == [("completed", Decimal(88), True), ("enrolled", None, None)]
    alone = pages.change(second, outcome="cancel")
    assert list(alone.context["adminform"].form.errors) == ["outcome"]
    pages.act(Enrollment, "cancel", [second])
    assert ends(session)[1] == ("enrolled", None, None)


# Marking all present.


def test_marking_all_present_asks_first_and_counts(staff: Pages, organization: Organization) -> None:
    session = session_of(organization, starts_at=BEGUN)
    first, second, away = seated(session, 3)
    enrolling.mark_absent(organization=organization, actor=SYSTEM, enrollment_id=away.pk)
    asked = staff.get(page_of(session, "present/"))
    assert asked.context["says"][0] == "The 2 people who are still enrolled will be marked complete, without a score."
    assert ends(session)[0] == ("enrolled", None, None)
    done = staff.client.post(page_of(session, "present/"), follow=True)
    assert messages_of(done) == ["2 people marked complete."]
    assert [row[0] for row in ends(session)] == ["completed", "completed", "absent"]
    assert {entry.object_id for entry in LogEntry.objects.all()} == {str(first.pk), str(second.pk)}
    assert staff.get(page_of(session, "present/")).context["button"] == ""


def test_marking_all_present_asks_for_scores_where_they_decide(staff: Pages, organization: Organization) -> None:
    course = {"pass_score": Decimal("72.5"), "code": "W-1", "title": "Welding"}
    session = session_of(organization, course=course, starts_at=BEGUN)
    seated(session, 1)
    asked = staff.get(page_of(session, "present/"))
    assert asked.context["says"] == [
        "W-1 Welding is passed with 72.5: enter each person's score on the roster instead."
    ]
    assert b'name="apply"' not in asked.content
    staff.client.post(page_of(session, "present/"))
    assert ends(session) == [("enrolled", None, None)]


# Downloads.


def test_the_roster_as_a_file_has_no_formula_and_no_cancelled_one(staff: Pages, organization: Organization) -> None:
    session = session_of(organization)
    course_people = [
        ("EMP-1", "Zoë", "Ångström", "zoe@example.com"),
        ("=1+1", "+Ada", "", ""),
        ("EMP-3", "Bob, the", "Second", "bob@example.com"),
    ]
    people = [
        PersonFactory.create(organization=organization, employee_id=number, first_name=first, last_name=last, mail=mail)
        for number, first, last, mail in course_people
    ]
    ids = [person.pk for person in people]
    made = enrolling.enroll(organization=organization, actor=SYSTEM, session_id=session.pk, person_ids=ids).enrollments
    enrolling.complete(organization=organization, actor=SYSTEM, enrollment_id=made[0].pk, score=Decimal("82.5000"))
    [out] = seated(session, 1)
    enrolling.cancel(organization=organization, actor=SYSTEM, enrollment_id=out.pk)
    answer = staff.get(page_of(session, "roster.csv"))
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="roster-{session.pk}.csv"'
    assert answer.content.decode() == (
        "\ufeffemployee_id,name,mail,status,score,signature\r\n"
        "'=1+1,'+Ada,,enrolled,,\r\n"
        'EMP-3,"Bob, the Second",bob@example.com,enrolled,,\r\n'
        "EMP-1,Zoë Ångström,zoe@example.com,completed,82.5,\r\n"
    )


def test_a_superuser_enters_results_of_any_organization(organization: Organization) -> None:
    root = Pages(User.objects.create_superuser("root@example.com", "a long enough password"))
    session = session_of(organization)
    [row] = seated(session, 1)
    root.client.post(page_of(session, "roster/"), typed(row, "completed"))
    assert ends(session) == [("completed", None, True)]
