"""The acts on train sessions from the admin: looked at first, then done, undone where that can be."""

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import BulkOperation, BulkRow, Organization, Person, User
from accounts.roles import Role
from tests.accounts.admin_pages import Pages, address, fields_of, messages_of
from tests.factories import SYSTEM, OrganizationFactory, UserFactory
from tests.training.operations import owing
from training.models import State, TrainSession
from training.services import records

ACTS = ["unassign", "extend", "complete", "correct"]
NOTHING_CHANGED = "There are no such rows. Nothing has been changed."


@pytest.fixture
def organization(db: None) -> Organization:
    return OrganizationFactory.create(time_zone="Pacific/Auckland")


@pytest.fixture
def staff(organization: Organization) -> Pages:
    return Pages(UserFactory.create(organization=organization))


def finish(organization: Organization, *ids: int) -> None:
    for pk in ids:
        records.complete(organization=organization, actor=SYSTEM, record_id=pk, score=Decimal(80))


def take(organization: Organization, *ids: int) -> None:
    records.unassign(organization=organization, actor=SYSTEM, ids=ids, reason="Before")


def rows(ids: list[int]) -> list[TrainSession]:
    return [TrainSession.objects.get(pk=pk) for pk in ids]


def page_of(name: str) -> str:
    return reverse(f"admin:training_record_{name}")


def looked(page: Any) -> tuple[list[int], dict[str, int]]:
    """What the page says that it takes and leaves."""
    assert page.status_code == 200, page
    return page.context["looked"].takes, dict(page.context["looked"].left)


def go(pages: Pages, name: str, ids: list[int], **typed: Any) -> Any:
    data = {"ids": ",".join(map(str, ids)), "apply": "1", **typed}
    return pages.client.post(page_of(name), data, follow=True)


def texts(page: Any) -> list[str]:
    return [re.sub(r"<[^>]*>", "", message) for message in messages_of(page)]


def taken() -> list[int]:
    return sorted(TrainSession.objects.exclude(unassigned_at=None).values_list("pk", flat=True))


# Looking.


def test_a_preview_counts_shows_a_sample_and_says_what_is_left_alone_and_why(
    staff: Pages, organization: Organization
) -> None:
    ids = owing(organization, 26)
    finish(organization, ids[0], ids[1])
    take(organization, ids[2])
    page = staff.act(TrainSession, "unassign", rows(ids))
    takes, left = looked(page)
    assert sorted(map(int, fields_of(page)["ids"][0].split(","))) == ids
    assert (sorted(takes), left) == (
        ids[3:],
        {"completed: that is history, and stays as it is": 2, "unassigned already": 1},
    )
    body = page.content.decode()
    assert "23 train sessions will be unassigned" in body
    assert "3 will be left alone" in body
    assert "2 are completed: that is history, and stays as it is." in body
    assert "1 is unassigned already." in body
    assert (len(page.context["sample"]), "and 3 more." in body) == (20, True)
    assert (taken(), BulkOperation.objects.count()) == ([ids[2]], 0)


def test_the_effect_is_what_was_previewed_whatever_the_list_shows_by_then(
    staff: Pages, organization: Organization
) -> None:
    ids = owing(organization, 3)
    everything = owing(organization, 27)
    page = staff.act(TrainSession, "unassign", rows(ids))
    finish(organization, ids[0])
    owing(organization, 2)
    done = staff.client.post(page_of("unassign"), {**fields_of(page), "reason": "Moved", "apply": "1"}, follow=True)
    operation = BulkOperation.objects.get()
    assert texts(done) == [f"2 train sessions unassigned, 1 left alone. Operation {operation.pk}. Undo…"]
    assert (taken(), len(everything)) == (ids[1:], 27)


def test_all_that_match_are_taken_with_the_filters_of_the_list(staff: Pages, organization: Organization) -> None:
    ids, others = owing(organization, 55), owing(organization, 3)
    course = TrainSession.objects.get(pk=ids[0]).course_id
    query = f"?course__id__exact={course}&standing=open"
    data = {"action": "unassign", "select_across": "1", "_selected_action": [ids[0]], "index": "0"}
    page = staff.client.post(address(TrainSession, "changelist") + query, data)
    assert sorted(looked(page)[0]) == ids
    assert page.context["back"] == address(TrainSession, "changelist") + query
    sent = {**fields_of(page), "reason": "Course withdrawn", "many": "on", "apply": "1"}
    done = staff.client.post(page.context["address"], sent, follow=True)
    assert done.redirect_chain == [(address(TrainSession, "changelist") + query, 302)]
    assert taken() == ids
    operation = BulkOperation.objects.get()
    assert (operation.kind, operation.reason, operation.counts) == ("unassign", "Course withdrawn", {"unassigned": 55})
    assert not set(taken()) & set(others)


def test_more_than_fit_on_a_page_are_refused_in_words(
    staff: Pages, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = owing(organization, 4)
    monkeypatch.setattr("training.admin.acts.Unassign.most", 3)
    data = {"action": "unassign", "select_across": "1", "_selected_action": [ids[0]], "index": "0"}
    across = staff.client.post(address(TrainSession, "changelist"), data, follow=True)
    said = ["At most 3 train sessions at once. Narrow the list. Nothing has been changed."]
    assert texts(across) == said
    assert texts(go(staff, "unassign", ids, reason="No")) == said
    assert taken() == []


# Unassigning.


def test_unassigning_asks_for_a_reason(staff: Pages, organization: Organization) -> None:
    ids = owing(organization, 20)[:2]
    for reason, said in (("", "This field is required."), ("x" * 501, "Ensure this value has at most 500 characters")):
        page = go(staff, "unassign", ids, reason=reason)
        assert page.context["form"].errors["reason"][0].startswith(said)
    assert (taken(), BulkOperation.objects.count()) == ([], 0)


def test_more_than_ten_percent_ask_for_an_explicit_yes(staff: Pages, organization: Organization) -> None:
    ids = owing(organization, 20)
    assert "many" not in staff.act(TrainSession, "unassign", rows(ids[:2])).context["form"].fields
    page = go(staff, "unassign", ids[:3], reason="Moved")
    assert page.context["form"].fields["many"].label == (
        "Yes, these are more than 10 percent of what is open (3 of 20)"
    )
    assert page.context["form"].errors == {"many": ["Tick this if so many are meant. Nothing has been unassigned."]}
    assert taken() == []
    go(staff, "unassign", ids[:3], reason="Moved", many="on")
    assert taken() == ids[:3]


def test_the_share_is_that_of_what_is_open_when_it_is_confirmed(staff: Pages, organization: Organization) -> None:
    ids = owing(organization, 20)
    page = staff.act(TrainSession, "unassign", rows(ids[:2]))
    take(organization, *ids[10:])
    again = staff.client.post(page_of("unassign"), {**fields_of(page), "reason": "Moved", "apply": "1"})
    assert again.context["form"].errors == {"many": ["Tick this if so many are meant. Nothing has been unassigned."]}
    assert taken() == ids[10:]


def test_an_unassign_is_undone_from_its_operation(staff: Pages, organization: Organization) -> None:
    ids = owing(organization, 40)[:3]
    go(staff, "unassign", ids, reason="A slip")
    operation = BulkOperation.objects.get()
    undo = reverse("admin:training_undo", args=[operation.pk])
    shown = staff.get(address(BulkOperation, "change", operation)).content.decode()
    assert f'href="{undo}"' in shown
    person = TrainSession.objects.get(pk=ids[0]).person
    Person.objects.filter(pk=person.pk).update(active=False)
    preview = staff.get(undo)
    assert (preview.context["restored"], preview.context["left"]) == (2, [("The employee is inactive.", 1)])
    assert [one.pk for one in preview.context["sample"]] == ids[1:]
    assert (taken(), BulkOperation.objects.count()) == (ids, 1)
    done = staff.client.post(undo, fields_of(preview), follow=True)
    undone = BulkOperation.objects.latest("pk")
    assert texts(done) == [f"2 train sessions restored, 1 could not be. Operation {undone.pk}."]
    assert (taken(), undone.kind, undone.undoes_id, undone.created_by) == (
        ids[:1],
        "undo",
        operation.pk,
        f"user-{staff.user.pk}",
    )
    again = staff.get(undo)
    assert (again.context["restored"], "Nothing can be restored" in again.content.decode()) == (0, True)
    assert undo not in staff.get(address(BulkOperation, "change", undone)).content.decode()
    refused = staff.client.get(reverse("admin:training_undo", args=[undone.pk]), follow=True)
    assert texts(refused) == [f"Operation {undone.pk} is an undo; only an unassign can be undone."]


# Due dates.


def test_one_due_date_is_given_to_all(staff: Pages, organization: Organization) -> None:
    ids = owing(organization, 3)
    finish(organization, ids[0])
    done = go(staff, "extend", ids, until="2027-03-31")
    assert texts(done) == ["2 train sessions due on 2027-03-31 now."]
    due = datetime(2027, 3, 31, 10, 59, 59, 999999, tzinfo=UTC)
    assert [one.due_at for one in rows(ids)] == [None, due, due]


def test_each_due_date_moves_by_so_many_days(staff: Pages, organization: Organization) -> None:
    """In the organization's days, also over a change of the clock: Auckland's is on 4 April 2027."""
    ids = owing(organization, 3)
    ends, instant = datetime(2027, 3, 31, 10, 59, 59, 999999, tzinfo=UTC), datetime(2027, 4, 1, 3, tzinfo=UTC)
    for pk, due_at in ((ids[0], ends), (ids[1], instant)):
        records.change_due(organization=organization, actor=SYSTEM, record_ids=[pk], due_at=due_at)
    done = go(staff, "extend", ids, days="7")
    assert texts(done) == [
        "2 train sessions due 7 days later now.",
        "1 train session without a due date stayed as they were. Give them a date.",
    ]
    later = datetime(2027, 4, 7, 11, 59, 59, 999999, tzinfo=UTC), datetime(2027, 4, 8, 4, tzinfo=UTC)
    assert [one.due_at for one in rows(ids)] == [*later, None]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({}, {"__all__": ["Give a date or a number of days, one of the two."]}),
        (
            {"until": "2027-01-01", "days": "1"},
            {"__all__": ["Give a date or a number of days, one of the two."]},
        ),
        ({"days": "0"}, {"days": ["Ensure this value is greater than or equal to 1."]}),
        ({"until": "soon"}, {"until": ["Enter a valid date."]}),
    ],
)
def test_a_due_date_that_is_none_is_refused(
    staff: Pages, organization: Organization, typed: dict[str, str], said: dict[str, list[str]]
) -> None:
    ids = owing(organization, 1)
    assert go(staff, "extend", ids, **typed).context["form"].errors == said
    assert rows(ids)[0].due_at is None


def test_days_beyond_the_calendar_are_refused(staff: Pages, organization: Organization) -> None:
    ids = owing(organization, 1)
    due_at = datetime(9999, 12, 1, tzinfo=UTC)
    records.change_due(organization=organization, actor=SYSTEM, record_ids=ids, due_at=due_at)
    page = go(staff, "extend", ids, days="100")
    assert page.context["form"].errors == {"days": ["Give fewer days: the calendar ends before."]}
    assert rows(ids)[0].due_at == due_at


# Completions and corrections.


def test_a_completion_is_recorded_with_score_and_day(staff: Pages, organization: Organization) -> None:
    ids = owing(organization, 2, certificate_months=12)
    finish(organization, ids[1])
    wrong = go(staff, "complete", ids, score="101", on="2026-02-12")
    assert wrong.context["form"].errors == {"score": ["Ensure this value is less than or equal to 100."]}
    assert looked(wrong) == ([ids[0]], {"completed: that is history, and stays as it is": 1})
    done = go(staff, "complete", ids, score="88", on="2026-02-12")
    assert texts(done) == ["1 train session completed."]
    first, second = rows(ids)
    assert (first.state, first.score, first.cert_expiry) == ("completed", Decimal(88), date(2027, 2, 11))
    assert first.completed_at == datetime(2026, 2, 11, 11, tzinfo=UTC)
    assert second.score == 80


def test_a_completion_in_the_future_is_refused(staff: Pages, organization: Organization) -> None:
    ids = owing(organization, 1)
    answer = go(staff, "complete", ids, on="2999-01-01")
    assert texts(answer) == [f"{rows(ids)[0]}: on: Give today, or an earlier day."]
    assert rows(ids)[0].state == State.ASSIGNED


def test_a_completion_of_another_age_is_refused(staff: Pages, organization: Organization) -> None:
    ids = owing(organization, 1)
    answer = go(staff, "complete", ids, on="1900-01-01")
    assert texts(answer) == [f"{rows(ids)[0]}: on: That is more than 50 years ago."]
    assert rows(ids)[0].state == State.ASSIGNED
    go(staff, "complete", ids, on=f"{timezone.now().year - 49}-01-01")
    assert rows(ids)[0].state == State.COMPLETED


def test_a_completed_record_says_why_it_is_read_only_and_offers_a_correction(
    staff: Pages, organization: Organization
) -> None:
    [done, still_open] = owing(organization, 2)
    finish(organization, done)
    page = staff.get(address(TrainSession, "change", done))
    assert set(fields_of(page)) == {"csrfmiddlewaretoken"}
    assert "nobody changes it by hand" in page.content.decode()
    assert page.context["acts"] == [("Correct…", f"{page_of('correct')}?ids={done}&record={done}")]
    other = staff.get(address(TrainSession, "change", still_open))
    assert [title for title, _ in other.context["acts"]] == [
        "Record a completion…",
        "Extend the due date…",
        "Unassign…",
    ]


def test_one_record_is_corrected_from_its_page(staff: Pages, organization: Organization) -> None:
    [pk] = owing(organization, 1, certificate_months=12)
    finish(organization, pk)
    link = f"{page_of('correct')}?ids={pk}&record={pk}"
    page = staff.get(link)
    shown = fields_of(page)
    assert (shown["score"], shown["time_spent"]) == (["80"], ["0"])
    sent = {**shown, "score": "85.5", "cert_expiry": "", "reason": "Typed wrongly", "apply": "1"}
    done = staff.client.post(page.context["address"], sent, follow=True)
    operation = BulkOperation.objects.get()
    assert done.redirect_chain == [(address(TrainSession, "change", pk), 302)]
    assert texts(done) == [f"1 train session corrected. Operation {operation.pk}."]
    [record] = rows([pk])
    assert (record.score, record.cert_expiry, record.time_spent, record.state) == (
        Decimal("85.5"),
        None,
        Decimal(0),
        State.COMPLETED,
    )
    assert (operation.kind, operation.reason, set(BulkRow.objects.get().before or {})) == (
        "correct",
        "Typed wrongly",
        {"score", "cert_expiry"},
    )
    assert "It said before: score 80, certificate valid until" in done.content.decode().replace("\n", " ")


def test_of_several_only_what_is_filled_in_is_corrected(staff: Pages, organization: Organization) -> None:
    ids = owing(organization, 3, certificate_months=12)
    finish(organization, *ids[:2])
    page = staff.act(TrainSession, "correct", rows(ids))
    assert looked(page) == ([ids[1], ids[0]], {"not completed yet: only completed records are corrected": 1})
    until = timezone.now().date() + timedelta(days=900)
    sent = {**fields_of(page), "cert_expiry": until.isoformat(), "reason": "Longer by law", "apply": "1"}
    staff.client.post(page_of("correct"), sent, follow=True)
    assert [(one.score, one.cert_expiry) for one in rows(ids)] == [(80, until), (80, until), (None, None)]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"reason": "Why"}, {"__all__": ["Change what is to be corrected."]}),
        ({"score": "85"}, {"reason": ["This field is required."]}),
        ({"reason": "Why", "time_spent": ""}, {"time_spent": ["Give the hours, 0 if none."]}),
        ({"reason": "Why", "cert_expiry": "2001-01-01"}, {"cert_expiry": None}),
    ],
)
def test_a_correction_that_says_nothing_or_what_may_not_be_is_refused(
    staff: Pages, organization: Organization, typed: dict[str, str], said: dict[str, Any]
) -> None:
    [pk] = owing(organization, 1)
    finish(organization, pk)
    page = staff.get(page_of("correct"), ids=str(pk))
    answer = staff.client.post(page_of("correct"), {**fields_of(page), "apply": "1", **typed})
    errors = answer.context["form"].errors
    assert set(errors) == set(said)
    assert all(errors[name] == texts for name, texts in said.items() if texts is not None)
    assert (rows([pk])[0].score, BulkOperation.objects.count()) == (80, 0)


@pytest.mark.parametrize(("score", "asks"), [("69.5", True), ("70", False), ("80", False), ("", False)])
def test_a_correction_below_the_pass_score_is_asked_about_and_possible(
    staff: Pages, organization: Organization, *, score: str, asks: bool
) -> None:
    [pk] = owing(organization, 1, pass_score=Decimal(70))
    finish(organization, pk)
    page = staff.get(page_of("correct"), ids=str(pk))
    assert "0-100. Passed with 70." in page.content.decode()
    assert "below" not in page.context["form"].fields
    sent = {**fields_of(page), "score": score, "reason": "Misread", "time_spent": "2", "apply": "1"}
    answer = staff.client.post(page_of("correct"), sent, follow=True)
    assert BulkOperation.objects.count() == (not asks)
    if asks:
        said = "69.5 does not pass the course. Tick this if that is meant. Nothing has been corrected."
        assert answer.context["form"].errors == {"below": [said]}
        assert rows([pk])[0].score == 80
        sent = {**fields_of(answer), "below": "on", "apply": "1"}
        staff.client.post(page_of("correct"), sent, follow=True)
    assert rows([pk])[0].score == (Decimal(score) if score else None)
    assert rows([pk])[0].state == State.COMPLETED


def test_a_correction_of_several_counts_whom_the_score_does_not_pass(staff: Pages, organization: Organization) -> None:
    easy, hard = owing(organization, 1, pass_score=Decimal(60)), owing(organization, 2, pass_score=Decimal(75))
    finish(organization, *easy, *hard)
    ids = [*easy, *hard]
    page = staff.act(TrainSession, "correct", rows(ids))
    assert "Passed with 60 to 75." in page.content.decode()
    answer = go(staff, "correct", ids, score="70", reason="Misread")
    assert answer.context["form"].fields["below"].label == "Yes, 70 does not pass the courses of 2 of them"
    go(staff, "correct", ids, score="70", reason="Misread", below="on")
    assert [one.score for one in rows(ids)] == [70, 70, 70]


# Who may.


@pytest.mark.parametrize("name", ACTS)
@pytest.mark.parametrize("role", [Role.AUDITOR, Role.FACILITATOR, None])
def test_only_administrators_act(organization: Organization, name: str, role: Role | None) -> None:
    [pk] = owing(organization, 1)
    pages = Pages(UserFactory.create(organization=organization, role=role))
    before = TrainSession.objects.values().get()
    assert pages.get(page_of(name), ids=str(pk)).status_code == 403
    assert go(pages, name, [pk], reason="No", days="1", score="1").status_code == 403
    pages.act(TrainSession, name, rows([pk]))
    assert TrainSession.objects.values().get() == before


def test_an_auditor_is_offered_no_act_and_no_undo(organization: Organization, staff: Pages) -> None:
    ids = owing(organization, 20)
    go(staff, "unassign", ids[:1], reason="Moved")
    auditor = Pages(UserFactory.create(organization=organization, role=Role.AUDITOR))
    assert auditor.get(address(TrainSession, "change", ids[1])).context["acts"] == []
    operation = BulkOperation.objects.get()
    undo = reverse("admin:training_undo", args=[operation.pk])
    assert undo not in auditor.get(address(BulkOperation, "change", operation)).content.decode()
    assert [auditor.get(undo).status_code, auditor.client.post(undo).status_code] == [403, 403]
    assert taken() == ids[:1]


@pytest.mark.parametrize("name", ACTS)
def test_another_organizations_records_are_not_there(staff: Pages, name: str) -> None:
    other = OrganizationFactory.create()
    ids = owing(other, 12)[:1]
    take(other, ids[0])
    before = list(TrainSession.objects.values())
    assert texts(go(staff, name, ids, reason="No", days="1", score="1")) == [NOTHING_CHANGED]
    theirs = BulkOperation.objects.create(organization=other, kind="unassign", created_by="user-0")
    undo = reverse("admin:training_undo", args=[theirs.pk])
    assert [staff.get(undo).status_code, staff.client.post(undo).status_code] == [404, 404]
    assert list(TrainSession.objects.values()) == before


@pytest.mark.parametrize("ids", ["", "a", "1,,2", "1;2", "9" * 20])
def test_ids_that_no_page_of_ours_sends_are_refused(staff: Pages, ids: str) -> None:
    assert staff.get(page_of("unassign"), ids=ids).status_code == 400


def test_a_superuser_acts_on_one_organization_at_a_time(organization: Organization) -> None:
    ids = [*owing(organization, 1), *owing(OrganizationFactory.create(), 1)]
    root = Pages(User.objects.create_superuser("root@example.com", "a long enough password"))
    said = ["Choose records of one organization. Nothing has been changed."]
    assert texts(root.act(TrainSession, "unassign", rows(ids))) == said
    assert texts(go(root, "unassign", ids, reason="Role changed", many="on")) == said
    assert taken() == []
    go(root, "unassign", ids[:1], reason="Role changed", many="on")
    assert taken() == ids[:1]


# The list.


def test_the_list_takes_few_queries_and_counts_no_further_than_it_must(
    staff: Pages, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    owing(organization, 60)
    monkeypatch.setattr("accounts.admin.paging.MOST_COUNTED", 55)
    staff.rows(TrainSession)
    for query in ({}, {"standing": "open", "q": "Ada", "due_at_from": "2026-01-01", "certificate": "30"}):
        with CaptureQueriesContext(connection) as queries:
            page = staff.rows(TrainSession, **query)
        assert len(queries) <= 12
        counts = [one["sql"] for one in queries if "COUNT(" in one["sql"]]
        assert [sql for sql in counts if "LIMIT 56" not in sql] == []
        assert page.status_code == 200
    body = staff.rows(TrainSession).content.decode()
    assert ("more than 55" in body, "There are more. Search or filter to see the others." in body) == (True, True)
    monkeypatch.setattr("accounts.admin.paging.MOST_COUNTED", 60)
    body = staff.rows(TrainSession).content.decode()
    assert ("more than" in body, "There are more." in body) == (False, False)
