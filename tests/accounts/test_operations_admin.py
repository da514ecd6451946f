"""What was done to many rows at once, as the admin shows it."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.actors import Actor
from accounts.bulk import RowOutcome
from accounts.models import BulkOperation, BulkRow, OperationKind, Organization, Outcome, User
from accounts.services import operations
from accounts.services.tokens import create_token
from tests.accounts.admin_pages import Pages, address
from tests.factories import SYSTEM, OrganizationFactory, UserFactory

NOW = datetime(2027, 3, 1, 10, tzinfo=UTC)


@pytest.fixture
def staff(organization: Organization) -> Pages:
    return Pages(UserFactory.create(organization=organization, email="ada@example.com"))


@pytest.fixture
def superuser(db: None) -> Pages:
    return Pages(User.objects.create_superuser("root@example.com", "a long enough password"))


def operation_of(organization: Organization, *outcomes: Outcome, finished: bool = True, **given: Any) -> BulkOperation:
    """With a row of each outcome, the first of them in line 2."""
    given = {"actor": SYSTEM, "kind": OperationKind.ASSIGN, **given}
    operation = operations.begin(organization=organization, **given)
    rows = [
        RowOutcome(line, f"EMP-{line}", outcome, "Nobody has this number." if outcome == Outcome.REFUSED else "")
        for line, outcome in enumerate(outcomes, start=2)
    ]
    operations.record(operation, rows)
    if finished:
        operations.finish(operation)
    return operation


def cells(page: Any) -> list[list[str]]:
    """The texts of the list, by row and column. The theme gives each row a `tbody` of its own."""
    table = page.content.decode().partition('<table id="result_list"')[2].partition("</table>")[0]
    return texts(table.partition("</thead>")[2])


def texts(body: str) -> list[list[str]]:
    rows = re.findall(r"<tr\b[^>]*>(.*?)</tr>", body, re.DOTALL)
    return [
        [re.sub(r"<.*?>", "", cell).strip() for cell in re.findall(r"<t[dh]\b[^>]*>(.*?)</t[dh]>", row, re.DOTALL)]
        for row in rows
    ]


def facts(page: Any) -> dict[str, str]:
    """What the page of a row shows, as HTML, by label. After it comes the field's help, or the end of its box."""
    label = r"<label\b[^>]*>([^<]*)</label>\s*</div>\s*"
    shown = r"<div\b[^>]*>\s*<div class=\"readonly\b[^>]*>(.*?)</div>\s*(?:</div>|<div)"
    found = re.findall(label + shown, page.content.decode(), re.DOTALL)
    return {name.strip(): value.strip() for name, value in found}


def shown_rows(page: Any) -> list[Any]:
    return list(page.context["cl"].result_list)


def test_the_list_says_who_did_what_when_why_and_what_came_of_it(staff: Pages, organization: Organization) -> None:
    token, _ = create_token(organization=organization, actor=SYSTEM, name="HR system", scopes=["training:read"])
    made = [
        operation_of(organization, Outcome.ASSIGNED, Outcome.ASSIGNED, Outcome.REFUSED, actor=Actor.staff(staff.user),
                     reason="New rules", at=NOW),
        operation_of(organization, Outcome.CREATED, kind=OperationKind.IMPORT_PEOPLE, at=NOW, finished=False),
        operation_of(organization, kind=OperationKind.UNASSIGN, actor=Actor.token(token), reason="Left", at=NOW),
        operation_of(organization, kind=OperationKind.UNASSIGN, actor=Actor("token-999"), at=NOW),
    ]  # fmt: skip
    numbers = [str(one.pk) for one in made]
    when = "2027-03-01 10:00"
    assert cells(staff.rows(BulkOperation)) == [
        [numbers[3], "Unassign", "token-999", when, "-", "-", "finished"],
        [numbers[2], "Unassign", "HR system", when, "Left", "-", "finished"],
        [numbers[1], "Import People", "system", when, "-", "1 created", "running, or interrupted"],
        [numbers[0], "Assign", "ada@example.com", when, "New rules", "2 assigned, 1 refused", "finished"],
    ]


def test_operations_are_found_by_kind_state_day_reason_and_number(staff: Pages, organization: Organization) -> None:
    today = datetime.now(UTC)
    old = operation_of(organization, reason="Left the company, ticket 4711", at=NOW.replace(year=2020))
    new = operation_of(organization, kind=OperationKind.UNDO, finished=False, at=today)

    def found(**query: Any) -> list[BulkOperation]:
        return list(staff.rows(BulkOperation, **query).context["cl"].queryset)

    assert found(kind__exact="undo") == [new]
    assert (found(state="finished"), found(state="unfinished")) == ([old], [new])
    assert (found(q="THE COMPANY"), found(q="4711"), found(q=str(new.pk))) == ([old], [old], [new])
    assert (found(q="9" * 18), found(q="9" * 40), found(q="nothing")) == ([], [], [])
    midnight = today.replace(hour=0, minute=0, second=0, microsecond=0)
    assert found(created_at__gte=midnight.isoformat(" ")) == [new]


def test_the_page_shows_what_was_asked_for_and_what_came_of_it(staff: Pages, organization: Organization) -> None:
    asked = {"run_by": "ada on <desk>", "session": 12, "courses": ["SAF-1", "SAF-2"]}
    operation = operation_of(organization, Outcome.ASSIGNED, Outcome.REFUSED, details=asked, reason="New rules", at=NOW)
    with time_machine.travel(NOW, tick=False):
        operations.finish(operation)
    page = staff.get(address(BulkOperation, "change", operation))
    said = facts(page)
    rows = said.pop("First 50 rows")
    assert said == {
        "ID": str(operation.pk),
        "Kind": "Assign",
        "Who": "system",
        "Created at": "2027-03-01 10:00",
        "State": "finished",
        "Finished at": "2027-03-01 10:00",
        "Reason": "New rules",
        "Asked for": "<ul><li>courses: SAF-1, SAF-2</li><li>run by: ada on &lt;desk&gt;</li><li>session: 12</li></ul>",
        "Rows": "1 assigned, 1 refused",
        "Undoes": "-",
        "Undone by": "-",
    }
    assert texts(rows) == [
        ["Line", "Key", "Outcome", "Reason"],
        ["2", "EMP-2", "Assigned", ""],
        ["3", "EMP-3", "Refused", "Nobody has this number."],
    ]
    [link] = re.findall(r'<a [^>]*href="([^"]*)">All rows</a>', rows)
    assert cells(staff.get(link)) == [
        [f"assign {operation.pk}", "2", "EMP-2", "Assigned", "-"],
        [f"assign {operation.pk}", "3", "EMP-3", "Refused", "Nobody has this number."],
    ]


def test_an_unfinished_operation_says_so_on_its_page(staff: Pages, organization: Organization) -> None:
    said = facts(staff.get(address(BulkOperation, "change", operation_of(organization, finished=False))))
    assert (said["State"], said["Finished at"]) == ("running, or interrupted", "-")


def test_an_operation_and_its_undo_lead_to_one_another(staff: Pages, organization: Organization) -> None:
    done = operation_of(organization, kind=OperationKind.UNASSIGN)
    undo = operation_of(organization, kind=OperationKind.UNDO, undoes=done)
    to_done, to_undo = (f'<a href="{address(BulkOperation, "change", one)}">{one}</a>' for one in (done, undo))
    pages = [facts(staff.get(address(BulkOperation, "change", one))) for one in (done, undo)]
    assert [(page["Undoes"], page["Undone by"]) for page in pages] == [("-", to_undo), (to_done, "-")]


def test_the_page_shows_the_first_fifty_rows(staff: Pages, organization: Organization) -> None:
    operation = operation_of(organization, *[Outcome.ASSIGNED] * 60)
    rows = facts(staff.get(address(BulkOperation, "change", operation)))["First 50 rows"]
    assert [row[0] for row in texts(rows)[1:]] == [str(line) for line in range(2, 52)]


def test_rows_are_found_by_operation_outcome_and_key(staff: Pages, organization: Organization) -> None:
    first = operation_of(organization, Outcome.ASSIGNED, Outcome.REFUSED)
    second = operation_of(organization, Outcome.REFUSED, Outcome.UNCHANGED, Outcome.REFUSED)

    def found(**query: Any) -> list[tuple[int, int]]:
        return [(row.operation_id, row.line) for row in shown_rows(staff.rows(BulkRow, **query))]

    assert found() == [(second.pk, 4), (second.pk, 3), (second.pk, 2), (first.pk, 3), (first.pk, 2)]
    assert found(operation=second.pk) == [(second.pk, 2), (second.pk, 3), (second.pk, 4)]
    assert found(operation=second.pk, outcome__exact="refused") == [(second.pk, 2), (second.pk, 4)]
    assert found(outcome__exact="refused") == [(second.pk, 4), (second.pk, 2), (first.pk, 3)]
    assert found(q="emp-3") == [(second.pk, 3), (first.pk, 3)]
    assert found(operation=first.pk, q="EMP-3") == [(first.pk, 3)]
    assert (found(operation="x"), found(operation=""), found(operation=10**9)) == ([], [], [])
    assert found(operation=second.pk, outcome__exact="created") == []


def test_the_rows_of_an_operation_are_not_counted(staff: Pages, organization: Organization) -> None:
    """The operation knows how many it has, of each outcome."""
    operation = operation_of(organization, *[Outcome.ASSIGNED] * 60, *[Outcome.REFUSED] * 3)
    for query, count in (({}, 63), ({"outcome__exact": "refused"}, 3), ({"outcome__exact": "created"}, 0)):
        with CaptureQueriesContext(connection) as queries:
            page = staff.rows(BulkRow, operation=operation.pk, **query)
        assert [one["sql"] for one in queries if "COUNT(" in one["sql"]] == []
        assert page.context["cl"].result_count == count
    assert [row.line for row in shown_rows(staff.rows(BulkRow, operation=operation.pk, p=2))] == list(range(52, 65))


def test_other_rows_are_counted_up_to_a_limit(
    staff: Pages, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation = operation_of(organization, *[Outcome.ASSIGNED] * 7)
    more = "There are more. Search or filter to see the others."
    for limit, told in ((6, (6, True)), (7, (7, False))):
        monkeypatch.setattr("accounts.admin.paging.MOST_COUNTED", limit)
        with CaptureQueriesContext(connection) as queries:
            page = staff.rows(BulkRow, q="EMP")
        assert [f"LIMIT {limit + 1}" in one["sql"] for one in queries if "COUNT(" in one["sql"]] == [True]
        assert (page.context["cl"].result_count, more in page.content.decode()) == told
    narrowed = staff.rows(BulkRow, operation=operation.pk, q="EMP-2")
    assert (narrowed.context["cl"].result_count, more in narrowed.content.decode()) == (1, False)


@pytest.mark.parametrize("model", [BulkOperation, BulkRow])
@pytest.mark.parametrize("who", ["staff", "superuser"])
def test_the_lists_ask_the_same_of_one_row_as_of_three(
    request: pytest.FixtureRequest, organization: Organization, model: type[BulkOperation | BulkRow], who: str
) -> None:
    pages: Pages = request.getfixturevalue(who)
    counts: list[int] = []
    for more in (1, 2):
        for _ in range(more):
            user = UserFactory.create(organization=organization)
            operation_of(organization, Outcome.ASSIGNED, actor=Actor.staff(user))
        pages.rows(model)
        with CaptureQueriesContext(connection) as queries:
            assert len(cells(pages.rows(model))) == len(counts) * 2 + 1
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_staff_meet_their_own_operations_only(staff: Pages, organization: Organization) -> None:
    ours = operation_of(organization, Outcome.ASSIGNED)
    theirs = operation_of(OrganizationFactory.create(), Outcome.REFUSED, reason="Secret")
    assert shown_rows(staff.rows(BulkOperation)) == [ours]
    assert shown_rows(staff.rows(BulkRow)) == [ours.rows.get()]
    assert shown_rows(staff.rows(BulkRow, operation=theirs.pk)) == []
    assert shown_rows(staff.rows(BulkOperation, q=str(theirs.pk))) == []
    choices = staff.rows(BulkRow).context["cl"].filter_specs[0].lookup_choices
    assert choices == [(str(ours.pk), str(ours))]
    pages = [address(BulkOperation, "change", theirs), address(BulkRow, "change", theirs.rows.get())]
    assert [staff.get(page).status_code for page in pages] == [302, 302]


def test_a_name_of_another_organizations_token_is_not_shown(staff: Pages, organization: Organization) -> None:
    token, _ = create_token(
        organization=OrganizationFactory.create(), actor=SYSTEM, name="Theirs", scopes=["training:read"]
    )
    operation_of(organization, actor=Actor.token(token))
    assert cells(staff.rows(BulkOperation))[0][2] == f"token-{token.pk}"


def test_a_superuser_meets_the_operations_of_all(superuser: Pages, organization: Organization) -> None:
    ours = operation_of(organization, Outcome.ASSIGNED)
    theirs = operation_of(OrganizationFactory.create(), Outcome.REFUSED)
    assert shown_rows(superuser.rows(BulkOperation)) == [theirs, ours]
    assert shown_rows(superuser.rows(BulkRow)) == [theirs.rows.get(), ours.rows.get()]
    assert shown_rows(superuser.rows(BulkRow, operation=ours.pk)) == [ours.rows.get()]
    assert cells(superuser.rows(BulkOperation))[1][-1] == str(organization)


@pytest.mark.parametrize("who", ["staff", "superuser"])
def test_nothing_is_added_changed_or_deleted(
    request: pytest.FixtureRequest, organization: Organization, who: str
) -> None:
    pages: Pages = request.getfixturevalue(who)
    operation = operation_of(organization, Outcome.ASSIGNED, reason="New rules")
    before = (list(BulkOperation.objects.values()), list(BulkRow.objects.values()))
    for row in (operation, operation.rows.get()):
        model = type(row)
        answers = [
            pages.get(address(model, "add")),
            pages.client.post(address(model, "add"), {"reason": "Other"}),
            pages.client.post(address(model, "change", row), {"reason": "Other"}),
            pages.client.post(address(model, "delete", row), {"post": "yes"}),
        ]
        assert [answer.status_code for answer in answers] == [403, 403, 403, 403]
        assert 'name="_save"' not in pages.get(address(model, "change", row)).content.decode()
        assert 'name="action"' not in pages.rows(model).content.decode()
    assert (list(BulkOperation.objects.values()), list(BulkRow.objects.values())) == before
