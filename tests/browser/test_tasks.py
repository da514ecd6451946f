"""What staff come for, done as they do it: in a browser, by what the pages say."""

import re
import urllib.request
from collections.abc import Callable
from urllib.error import HTTPError

from playwright.sync_api import Browser, FilePayload, Page, expect

from tests.browser.browsing import Site, Visitor, visitor
from tests.browser.reading import readable

Visit = Callable[[str], Visitor]

PAGE = 50  # Rows of a list.
NEWCOMERS = ["NHL-9001", "NHL-9002", "NHL-9003", "NHL-9004"]


def session_page(one: Visitor, name: str) -> Page:
    return one.open(f"/admin/enrollments/session/{one.site.scene['sessions'][name]}/change/")


def press(page: Page, button: str) -> None:
    """And wait for the page that answers."""
    with page.expect_navigation():
        page.get_by_role("button", name=button, exact=True).click()


def follow(page: Page, link: str) -> None:
    with page.expect_navigation():
        page.get_by_role("link", name=link).first.click()


def enroll(page: Page, numbers: list[str]) -> None:
    page.get_by_label("Employee numbers").fill("\n".join(numbers))
    press(page, "Enroll")


def answers(page: Page) -> dict[str, str]:
    """What became of each name that was pasted."""
    table = page.get_by_role("region", name="What became of each name").locator("tbody tr")
    return {
        row.locator("th").inner_text(): re.sub(r"\s+", " ", row.locator("td").last.inner_text()).strip()
        for row in table.all()
    }


# Coming in.


def test_a_wrong_password_is_refused_and_the_right_one_leads_to_the_dashboard(browser: Browser, site: Site) -> None:
    one = visitor(browser, site)
    page = one.open("/admin/")
    page.fill("#id_username", site.scene["users"]["administrator"]["email"])
    page.fill("#id_password", "a wrong password")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("Please enter the correct email")).to_be_visible()
    one.log_in("administrator")
    expect(page.get_by_role("heading", name="What needs doing")).to_be_visible()
    one.context.close()
    assert one.wrong == []


# The dashboard and the matrix.


def test_each_bar_of_the_dashboard_leads_to_as_many_rows_as_it_counts(visit: Visit) -> None:
    one = visit("administrator")
    page = one.open("/admin/")
    charts = page.locator("figure[id]").evaluate_all("all => all.map(one => one.id)")
    assert charts == ["completions", "states", "overdue", "certificates", "seats"]
    counted, listed = {}, {}
    for chart in charts:
        bars = page.locator(f"#{chart} :is(.chart-columns, .chart-rows) a[data-count]")
        few = [bar for bar in bars.all() if 0 < int(bar.get_attribute("data-count") or 0) <= PAGE]
        counted[chart] = int(few[0].get_attribute("data-count") or 0)
        few[0].focus()  # By keyboard: some bars are a few pixels wide.
        page.keyboard.press("Enter")
        page.wait_for_url("**/admin/*/*/?*")
        listed[chart] = page.locator("#result_list tbody tr").count()
        page.go_back()
    assert listed == counted


def test_the_matrix_is_filtered_and_a_cell_opens_its_record(visit: Visit) -> None:
    page = visit("administrator").open("/admin/")
    page.get_by_role("link", name="Compliance matrix").first.click()
    filters = page.get_by_role("search", name="Filter the matrix")
    filters.locator("[name=course]").select_option(label="COMP-102 Data Protection")
    filters.locator("[name=state]").select_option("overdue")
    page.get_by_role("button", name="Apply").click()
    page.wait_for_url("**state=overdue**")
    columns = page.locator("table.matrix thead th a").all_inner_texts()
    letters = set(page.locator("table.matrix tbody td").all_inner_texts())
    assert (columns, letters) == (["COMP-102"], {"O"})
    person = page.locator("table.matrix tbody th a").first.inner_text()
    page.locator("table.matrix tbody td a").first.click()
    page.wait_for_url("**/admin/training/trainsession/*/change/")
    expect(page.get_by_role("heading", level=1)).to_contain_text(person)
    expect(page.get_by_role("heading", level=1)).to_contain_text("COMP-102")


# Sessions.


def test_employee_numbers_are_pasted_and_each_line_is_answered(visit: Visit) -> None:
    page = session_page(visit("administrator"), "pasting")
    enroll(page, ["NHL-9001", "NHL-9002"])
    assert answers(page) == {"NHL-9001": "Enrolled", "NHL-9002": "Enrolled"}
    enroll(page, ["NHL-9002", "NHL-9003", "NHL-9999"])
    told = answers(page)
    assert (list(told), told["NHL-9003"]) == (["NHL-9002", "NHL-9003", "NHL-9999"], "Enrolled")
    assert "enrolled" in told["NHL-9002"].lower()
    assert told["NHL-9999"].startswith("Not enrolled")
    follow(page, "Back to")
    assert page.locator("#roster tbody th").all_inner_texts() == ["Ada Newcomer1", "Ada Newcomer2", "Ada Newcomer3"]
    expect(page.get_by_text("3 of 10").first).to_be_visible()


def test_a_session_is_never_oversold_and_says_why(visit: Visit) -> None:
    page = session_page(visit("administrator"), "small")
    enroll(page, NEWCOMERS[:3])
    expect(page.locator("#enroll-people")).to_contain_text("Nobody was enrolled")
    page.get_by_label("Enroll as many as fit").check()
    press(page, "Enroll")
    told = answers(page)
    assert [told["NHL-9001"], told["NHL-9002"]] == ["Enrolled", "Enrolled"]
    assert told["NHL-9003"].startswith("Not enrolled")
    follow(page, "Back to")
    expect(page.get_by_text("2 of 2").first).to_be_visible()
    assert page.locator("#roster tbody th").all_inner_texts() == ["Ada Newcomer1", "Ada Newcomer2"]


def test_a_facilitator_keeps_the_roster_of_the_own_session_and_meets_no_other(visit: Visit) -> None:
    one = visit("facilitator")
    page = one.open("/admin/enrollments/session/")
    assert page.locator("#result_list tbody th").count() == 1
    page = session_page(one, "held")
    expect(page.get_by_role("button", name="Enroll", exact=True)).to_have_count(0)
    expect(page.get_by_role("link", name="Cancel session")).to_have_count(0)
    page.get_by_label("Status of Ada Newcomer1").select_option("completed")
    page.get_by_label("Status of Ada Newcomer2").select_option("absent")
    page.get_by_role("button", name="Save the roster").click()
    expect(page.get_by_text("2 saved.")).to_be_visible()
    statuses = page.locator("#roster tbody tr").evaluate_all(
        "all => all.map(one => [one.querySelector('th').innerText.trim(), one.cells[2].querySelector('select') ? 'open' : one.cells[2].innerText.trim()])"
    )
    assert dict(statuses) | {} == {
        "Ada Newcomer1": "Completed",
        "Ada Newcomer2": "Absent",
        "Ada Newcomer3": "open",
        "Ada Newcomer4": "open",
    }
    other = one.context.request.get(
        f"{one.site.url}/admin/enrollments/session/{one.site.scene['sessions']['small']}/roster/"
    )
    assert other.status == 404
    assert one.context.request.get(f"{one.site.url}/admin/training/trainsession/").status == 403


# Train sessions.


def test_train_sessions_are_unassigned_after_a_preview_and_the_undo_brings_them_back(visit: Visit) -> None:
    one = visit("administrator")
    found = "/admin/training/trainsession/?q=newcomer+tech-130"
    page = one.open(f"{found}&standing=open")
    before = page.locator("#result_list tbody th").all_inner_texts()
    assert len(before) == 2
    page = one.open(found)
    for box in page.locator("#result_list input[name=_selected_action]").all():
        box.check()
    page.select_option("select[name=action]", "unassign")
    with page.expect_navigation():
        page.locator("button[name=index]").first.click()
    expect(page.get_by_role("heading", name="2 train sessions will be unassigned")).to_be_visible()
    expect(page.get_by_role("heading", name="1 will be left alone")).to_be_visible()
    assert page.get_by_role("region", name="Train sessions that will be unassigned").locator("tbody tr").count() == 2
    press(page, "Unassign 2")
    expect(page.get_by_text("This field is required").first).to_be_visible()
    page.get_by_label("Reason").fill("Moved to another site")
    press(page, "Unassign 2")
    expect(page.get_by_text("2 train sessions unassigned")).to_be_visible()
    undo = page.get_by_role("link", name="Undo…").get_attribute("href")
    assert one.open(f"{found}&standing=open").locator("#result_list tbody th").count() == 0
    page = one.open(str(undo))
    press(page, "Restore 2 train sessions")
    page = one.open(f"{found}&standing=open")
    assert page.locator("#result_list tbody th").all_inner_texts() == before


# Files.

PEOPLE = """employee_id,first_name,last_name,mail,kind
IMP-001,Grace,Hopper,grace.hopper@nordhafen.example,user
IMP-002,Edsger,Dijkstra,no address,user
IMP-003,Barbara,Liskov,barbara.liskov@nordhafen.example,pilot
,Alan,Turing,alan.turing@nordhafen.example,user
IMP-005,Katherine,Johnson,katherine.johnson@nordhafen.example,driver
"""


def test_a_file_with_three_bad_rows_says_what_is_wrong_and_takes_in_the_others_when_confirmed(visit: Visit) -> None:
    one = visit("administrator")
    page = one.open("/admin/accounts/person/")
    follow(page, "Import…")
    file: FilePayload = {"name": "people.csv", "mimeType": "text/csv", "buffer": PEOPLE.encode()}
    page.get_by_label("File, for").set_input_files(file)
    press(page, "Look at it")
    refused = page.get_by_role("region", name="Refused rows").locator("tbody tr")
    told = [row.locator("th, td").all_inner_texts() for row in refused.all()]
    assert [line[:3] for line in told] == [
        ["3", "IMP-002", "mail"],
        ["4", "IMP-003", "kind"],
        ["5", "(blank)", "employee_id"],
    ]
    assert all(line[3].endswith(".") for line in told)
    assert readable(one) == []
    assert one.context.request.get(f"{one.site.url}/admin/accounts/person/?q=IMP-00").text().count("IMP-001") == 0
    press(page, "Import 2 rows")
    page.wait_for_url("**/admin/accounts/bulkoperation/*/change/**")
    expect(page.get_by_text("people.csv: 2 created, 3 refused").first).to_be_visible()
    page = one.open("/admin/accounts/person/?q=IMP-00")
    assert page.locator("#result_list tbody th").all_inner_texts() == ["IMP-001", "IMP-005"]


# API tokens.


def asked_with(site: Site, secret: str, path: str) -> int:
    request = urllib.request.Request(site.url + path, headers={"Authorization": f"Bearer {secret}"})
    try:
        with urllib.request.urlopen(request) as answer:
            status: int = answer.status
    except HTTPError as refused:
        with refused:
            status = refused.code
    return status


def test_a_token_is_made_its_secret_shown_once_and_the_api_lets_it_in(visit: Visit, site: Site) -> None:
    one = visit("administrator")
    page = one.open("/admin/accounts/apitoken/add/")
    page.get_by_label("Name").fill("Rostering")
    page.get_by_label("train_sessions:read").check()
    press(page, "Save")
    secret = page.get_by_label("Secret").input_value()
    assert re.fullmatch(r"tl_[0-9a-f]{8}_\S{43}", secret)
    asked = [
        asked_with(site, secret, path) for path in ("/api/train_sessions?page=1&per_page=1", "/api/v1/training/courses")
    ]
    assert asked == [200, 403]
    follow(page, "I have copied it")
    assert secret not in page.content()
    assert secret not in one.open("/admin/accounts/apitoken/").content()
    follow(page, "Rostering")
    follow(page, "Revoke…")
    press(page, "Revoke")
    assert asked_with(site, secret, "/api/train_sessions?page=1&per_page=1") == 401


# Who may not.


def test_an_auditor_reads_everything_and_finds_nothing_to_write_with(visit: Visit) -> None:
    one = visit("auditor")
    held = one.site.scene["sessions"]["held"]
    page = one.open("/admin/")
    expect(page.get_by_role("heading", name="What needs doing")).to_be_visible()
    buttons = {}
    for path in (
        "/admin/accounts/person/",
        "/admin/training/trainsession/",
        f"/admin/enrollments/session/{held}/change/",
        "/admin/training/requirement/matrix/",
        "/admin/accounts/apitoken/",
    ):
        main = one.open(path).locator("main, #main, #content").first
        buttons[path] = [
            *main.locator("select[name=action]").all_inner_texts(),
            *main.locator("form[method=post] button[type=submit]:visible").all_inner_texts(),
            *main.get_by_role("link", name=re.compile("^(Add|Import|Cancel|Open what)")).all_inner_texts(),
        ]
    assert {path: said for path, said in buttons.items() if said} == {}
    one.refusals.add(403)
    for path in (
        "/admin/accounts/person/add/",
        f"/admin/enrollments/session/{held}/cancel/",
        "/admin/accounts/apitoken/add/",
    ):
        answer = page.goto(one.site.url + path)
        assert (path, answer and answer.status) == (path, 403)


def test_a_session_of_another_organization_is_not_there(visit: Visit) -> None:
    one = visit("administrator")
    one.refusals.add(404)
    answer = one.page.goto(f"{one.site.url}/admin/enrollments/session/{one.site.scene['theirs']}/roster/")
    assert answer
    assert answer.status == 404
