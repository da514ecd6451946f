"""The admin's first page: what it counts is what the lists behind its links hold, for every role and organization."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.days import day_of
from accounts.models import ApiToken, Organization, Person, User
from accounts.roles import Role
from accounts.services import people as accounts
from accounts.services.tokens import create_token
from enrollments.models import Course, Enrollment, Session
from enrollments.services import catalogue, enrolling
from tests.accounts.admin_pages import Pages, address
from tests.factories import SYSTEM, CourseFactory, OrganizationFactory, PersonFactory, SessionFactory, UserFactory
from training import figures
from training.models import TrainSession
from training.services import records

# A Saturday in UTC, already Sunday in Auckland: the last day of an ISO week there.
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
TODAY = date(2026, 11, 22)
DAY = timedelta(days=1)
AUCKLAND = "Pacific/Auckland"


@dataclass
class Shown:
    """A link of the page: what it is called, where it goes, how many rows it promises."""

    name: str
    href: str
    count: int


class LinkReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[Shown] = []
        self.inside = False
        self.headings: list[str] = []
        self.heading = False
        self.hidden = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.heading = tag in {"h2", "h3"}
        self.hidden = given.get("aria-hidden") == "true"
        if tag == "a" and given.get("data-count") is not None:
            self.inside = "aria-label" not in given
            self.links.append(Shown(given.get("aria-label") or "", given["href"] or "", int(given["data-count"] or "")))

    def handle_endtag(self, tag: str) -> None:
        self.hidden = False
        if tag == "a":
            self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside and not self.hidden and data.strip():
            self.links[-1].name = f"{self.links[-1].name} {data.strip()}".strip()
        if self.heading and data.strip():
            self.headings.append(data.strip())
            self.heading = False


def read(page: Any) -> LinkReader:
    assert page.status_code == 200, page
    reader = LinkReader()
    reader.feed(page.content.decode().split('<div class="dashboard">')[1])
    return reader


def counts(page: Any) -> dict[str, int]:
    """What the named links promise: the same bar stands in a chart and in its table, under two names."""
    return {link.name: link.count for link in read(page).links}


@pytest.fixture(autouse=True)
def clock() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def organization(db: None) -> Organization:
    return OrganizationFactory.create(name="Aotea", time_zone=AUCKLAND)


@pytest.fixture
def staff(organization: Organization) -> Pages:
    return Pages(UserFactory.create(organization=organization))


@pytest.fixture
def superuser(db: None) -> Pages:
    return Pages(User.objects.create_superuser("root@example.com", "a long enough password"))


def assign(person: Person, course: Course, **fields: Any) -> TrainSession:
    [row] = records.assign(
        organization=person.organization, actor=SYSTEM, course_id=course.pk, person_ids=[person.pk], **fields
    )
    return row.record


def complete(person: Person, course: Course, on: date) -> TrainSession:
    record = assign(person, course)
    return records.complete(organization=person.organization, actor=SYSTEM, record_id=record.pk, on=on)


def enroll(session: Session, *people: Person) -> list[Enrollment]:
    ids = [person.pk for person in people]
    return list(
        enrolling.enroll(
            organization=session.organization, actor=SYSTEM, session_id=session.pk, person_ids=ids
        ).enrollments
    )


def scene(organization: Organization, size: int = 1, *, facilitator: Person | None = None) -> None:
    """Of everything that the page counts, `size` times, and of everything that it must leave out."""
    today = day_of(NOW, organization.zone)
    for _ in range(size):
        ada, bob, eve = (PersonFactory.create(organization=organization) for _ in range(3))
        accounts.update_person(organization=organization, actor=SYSTEM, person=eve, changes={"active": False})
        first, second, third = (
            CourseFactory.create(organization=organization, certificate_months=months) for months in (12, 1, None)
        )
        assign(ada, first, due_at=NOW - DAY)
        assign(bob, first, due_at=NOW)
        assign(ada, second, due_at=NOW + 2 * DAY)
        records.progress(organization=organization, actor=SYSTEM, record_id=assign(bob, second).pk, percent_complete=10)
        gone = assign(bob, third)
        records.unassign(organization=organization, actor=SYSTEM, ids=[gone.pk], reason="mistake")
        for months in (400, 363, 300, 300, 7, 6, 0):
            # Each but the last of a person and course has been renewed since.
            complete(ada, third, today - months * DAY)
        done = CourseFactory.create(organization=organization, certificate_months=12)
        complete(ada, done, today - 340 * DAY)
        complete(ada, done, today - 300 * DAY)
        complete(bob, done, today - 290 * DAY)
        complete(bob, CourseFactory.create(organization=organization, certificate_months=12), today - 800 * DAY)
        sessions(organization, done, facilitator)


def sessions(organization: Organization, course: Course, facilitator: Person | None) -> None:
    fresh = [PersonFactory.create(organization=organization) for _ in range(3)]

    def held(days: float, **fields: Any) -> Session:
        starts = NOW + timedelta(days=days)
        return SessionFactory.create(course=course, facilitator=facilitator, starts_at=starts, **fields)

    full = held(2, max_participants=2, name="Full")
    enroll(full, *fresh[:2])
    roomy = held(3, max_participants=5, name="Roomy")
    [_, left] = enroll(roomy, fresh[2], fresh[0])
    enrolling.cancel(organization=organization, actor=SYSTEM, enrollment_id=left.pk)
    enroll(held(20, max_participants=None, name="Unlimited"), fresh[0])
    held(60, name="Far")
    called_off = held(4, name="Called off")
    catalogue.update_session(
        organization=organization, actor=SYSTEM, session_id=called_off.pk, changes={"status": "cancelled"}
    )
    past = held(-2, name="Past")
    [marked, _] = enroll(past, *fresh[:2])
    enrolling.mark_absent(organization=organization, actor=SYSTEM, enrollment_id=marked.pk)


def follow(pages: Pages, page: Any, *, every: int = 1) -> dict[str, tuple[int, int]]:
    """Every link of the page, or every second, and so on: how many rows it promises, and how many its list has."""
    followed = {}
    for link in read(page).links[::every]:
        answer = pages.client.get(link.href)
        assert answer.status_code == 200, (link, answer)
        followed[f"{link.name} {link.href}"] = (link.count, answer.context["cl"].queryset.count())
    return followed


def deviating(followed: dict[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    return {name: pair for name, pair in followed.items() if pair[0] != pair[1]}


@pytest.mark.parametrize(
    ("role", "every", "least"), [(Role.ADMINISTRATOR, 1, 40), (Role.AUDITOR, 3, 12), (Role.FACILITATOR, 1, 5)]
)
def test_every_link_opens_a_list_of_as_many_rows(
    organization: Organization, role: Role, every: int, least: int
) -> None:
    """The auditor's dashboard is the administrator's: a third of its links is followed."""
    facilitator = PersonFactory.create(organization=organization)
    scene(organization, facilitator=facilitator)
    scene(organization)
    scene(OrganizationFactory.create())
    pages = Pages(UserFactory.create(organization=organization, role=role, person=facilitator))
    followed = follow(pages, pages.get("/admin/"), every=every)
    assert deviating(followed) == {}
    assert sum(1 for promised, _ in followed.values() if promised) > least


def test_a_superusers_links_stay_in_the_organization_that_is_shown(
    superuser: Pages, organization: Organization
) -> None:
    other = OrganizationFactory.create(name="Zurich", time_zone="Europe/Zurich")
    scene(organization)
    scene(other, 2)
    first, second = superuser.get("/admin/"), superuser.get("/admin/", organization=other.pk)
    assert [page.context["organization"] for page in (first, second)] == [organization, other]
    for page in (first, second):
        followed = follow(superuser, page, every=3)
        assert deviating(followed) == {}
        assert len(followed) > 30
    assert f'<option value="{other.pk}" selected>Zurich</option>' in second.content.decode()


@pytest.mark.parametrize("given", ["0", "abc", "-1", "9" * 30, "", "1\0"])
def test_an_organization_that_is_not_there_is_not_found(
    superuser: Pages, organization: Organization, given: str
) -> None:
    assert superuser.get("/admin/", organization=given).status_code == 404


def test_staff_pick_no_other_organization(staff: Pages, organization: Organization) -> None:
    other = OrganizationFactory.create()
    assert staff.get("/admin/", organization=other.pk).status_code == 404
    assert staff.get("/admin/", organization=organization.pk).status_code == 200
    assert "<select" not in staff.get("/admin/").content.decode()


def test_what_is_counted(staff: Pages, organization: Organization) -> None:
    scene(organization)
    shown = [(link.name, link.count) for link in read(staff.get("/admin/")).links]
    assert shown[:11] == [
        ("2 people are overdue Something is owed past its due day", 2),
        ("1 record falls due Until 29 November 2026", 1),
        ("1 enrollment without a result The session is over: mark who was there", 1),
        ("1 session has free seats Starting until 29 November 2026", 1),
        ("People 5 Active", 5),
        ("Open records 7 Still owed", 7),
        ("Overdue 2 Of the open records", 2),
        ("Completion rate 61.1 % 11 completed of 18 completed or open", 11),
        ("30 days 0 Until 22 December 2026", 0),
        ("60 days 0 Until 21 January 2027", 0),
        ("90 days 2 Until 20 February 2027", 2),
    ]
    weeks = [(name, count) for name, count in shown if name.startswith("Week of") and count]
    assert weeks == [
        ("Week of 24 November 2025: 1 completion", 1),
        ("Week of 15 December 2025: 1 completion", 1),
        ("Week of 26 January 2026: 3 completions", 3),
        ("Week of 2 February 2026: 1 completion", 1),
        ("Week of 9 November 2026: 1 completion", 1),
        ("Week of 16 November 2026: 2 completions", 2),
    ]


def test_certificates_renewed_since_are_left_out(staff: Pages, organization: Organization) -> None:
    course = CourseFactory.create(organization=organization, certificate_months=12)
    ada, bob = (PersonFactory.create(organization=organization) for _ in range(2))
    complete(ada, course, date(2025, 12, 10))  # To 9 December 2026, but renewed:
    complete(ada, course, date(2026, 2, 1))  # to 31 January 2027.
    complete(bob, course, date(2025, 11, 23))  # To today.
    shown = counts(staff.get("/admin/"))
    assert {name: count for name, count in shown.items() if "expire" in name and count} == {
        "November 2026 from today: 1 certificate expires": 1,
        "January 2027: 1 certificate expires": 1,
    }
    assert [(name, count) for name, count in shown.items() if re.match(r"\d0 days", name)] == [
        ("30 days 1 Until 22 December 2026", 1),
        ("60 days 1 Until 21 January 2027", 1),
        ("90 days 2 Until 20 February 2027", 2),
    ]


def test_imported_history_that_is_older_renews_nothing(organization: Organization) -> None:
    """What is newer is newer by its day, and only on the same instant by its id."""
    course = CourseFactory.create(organization=organization, certificate_months=12)
    ada = PersonFactory.create(organization=organization)
    newer = complete(ada, course, date(2026, 2, 1))
    complete(ada, course, date(2025, 12, 1))
    assert list(figures.not_renewed(TrainSession.objects.of(organization))) == [newer]
    twin = complete(ada, course, date(2026, 2, 1))
    assert twin.completed_at == newer.completed_at
    assert list(figures.not_renewed(TrainSession.objects.of(organization))) == [twin]
    assert figures.expiring(organization, date(2026, 11, 22), date(2027, 11, 22)) == {date(2027, 1, 31): 1}


@pytest.mark.parametrize(
    ("instant", "monday"),
    [
        (datetime(2026, 11, 15, 10, 59, 59, 999999, tzinfo=UTC), date(2026, 11, 9)),
        (datetime(2026, 11, 15, 11, tzinfo=UTC), date(2026, 11, 16)),
        (datetime(2026, 11, 21, 12, tzinfo=UTC), date(2026, 11, 16)),
        (datetime(2025, 11, 23, 11, tzinfo=UTC), date(2025, 11, 24)),
        (datetime(2025, 11, 23, 10, 59, 59, 999999, tzinfo=UTC), None),
    ],
)
def test_a_week_begins_on_the_organizations_monday(
    organization: Organization, instant: datetime, monday: date | None
) -> None:
    with time_machine.travel(instant, tick=False):
        course = CourseFactory.create(organization=organization)
        record = assign(PersonFactory.create(organization=organization), course)
        records.complete(organization=organization, actor=SYSTEM, record_id=record.pk)
    weeks = figures.completions(organization, TODAY)
    assert (len(weeks), min(weeks), max(weeks)) == (52, date(2025, 11, 24), date(2026, 11, 16))
    assert {week for week, count in weeks.items() if count} == ({monday} if monday else set())


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("who", ["staff", "superuser"])
def test_twelve_queries_whatever_there_is(
    request: pytest.FixtureRequest, organization: Organization, size: int, who: str
) -> None:
    scene(organization, size)
    pages: Pages = request.getfixturevalue(who)
    pages.get("/admin/")
    with CaptureQueriesContext(connection) as queries:
        assert pages.get("/admin/").status_code == 200
    assert len(queries) == {"staff": 11, "superuser": 10}[who]


def test_the_fifteen_courses_with_most_open_records_and_a_way_to_the_rest(
    staff: Pages, organization: Organization
) -> None:
    ada, bob = (PersonFactory.create(organization=organization) for _ in range(2))
    courses = [CourseFactory.create(organization=organization, code=f"C{n:02}") for n in range(17)]
    for course in courses:
        assign(ada, course, due_at=NOW - DAY)
    assign(bob, courses[16], due_at=NOW - DAY)
    page = staff.get("/admin/")
    [states] = [chart for chart in page.context["charts"] if chart.id == "states"]
    assert [stack.label for stack in states.stacks] == ["C16", *(f"C{n:02}" for n in range(14))]
    assert (states.more.text, states.more.href) == ("All 17 courses", "?courses=all#states")
    everything = staff.get("/admin/", courses="all")
    [states] = [chart for chart in everything.context["charts"] if chart.id == "states"]
    assert len(states.stacks) == 17
    assert states.more.text == "The first 15 courses"
    [late] = [chart for chart in page.context["charts"] if chart.id == "overdue"]
    assert [bar.count for bar in late.bars] == [2, *[1] * 14]
    assert late.note == "The 15 courses with most; 2 more have some"


def test_every_chart_has_a_heading_and_its_numbers_as_a_table(staff: Pages, organization: Organization) -> None:
    scene(organization)
    page = staff.get("/admin/").content.decode()
    for chart in ("completions", "states", "overdue", "certificates", "seats"):
        figure = page[page.index(f'<figure id="{chart}"') :].split("</figure>")[0]
        assert f'aria-labelledby="{chart}-title"' in figure
        assert f'<h2 id="{chart}-title">' in figure
        assert "<table>" in figure
        assert '<th scope="row">' in figure
        drawn, table = figure.split("<table>")
        bars = {
            unescape(href) for href in re.findall(r'<a href="([^"]+)" data-count="[1-9]\d*"[^>]*aria-label=', drawn)
        }
        assert bars
        assert bars <= {unescape(href) for href in re.findall(r'<a href="([^"]+)"', table)}


def test_seats_are_told_in_order_of_start(staff: Pages, organization: Organization) -> None:
    scene(organization)
    [chart] = [chart for chart in staff.get("/admin/").context["charts"] if chart.id == "seats"]
    assert [(bar.label, bar.text, bar.share, bar.tone) for bar in chart.bars] == [
        ("Tue 24 Nov · Full", "2 of 2", "100.00", "full"),
        ("Wed 25 Nov · Roomy", "1 of 5", "20.00", ""),
        ("Sat 12 Dec · Unlimited", "1, no limit", "0", "unlimited"),
    ]
    assert [bar.name.split(": ")[1] for bar in chart.bars] == [
        "2 of 2 seats taken",
        "1 of 5 seats taken",
        "1 seat taken, no limit",
    ]


def test_a_facilitator_meets_the_own_sessions_only(organization: Organization) -> None:
    mine, theirs = (PersonFactory.create(organization=organization) for _ in range(2))
    scene(organization, facilitator=mine)
    scene(organization, facilitator=theirs)
    pages = Pages(UserFactory.create(organization=organization, role=Role.FACILITATOR, person=mine))
    page = pages.get("/admin/")
    assert read(page).headings == ["What needs doing", "Seats taken in coming sessions"]
    assert [len(chart.bars) for chart in page.context["charts"]] == [3]
    assert [task.count for task in page.context["tasks"]] == [1, 1]


def test_who_lacks_a_role_or_a_person_reads_what_to_do(organization: Organization) -> None:
    scene(organization)
    nobody = Pages(UserFactory.create(organization=organization, role=None)).get("/admin/")
    assert (read(nobody).headings, read(nobody).links) == (["You have no role yet"], [])
    assert "An administrator must give you one" in nobody.content.decode()
    lost = Pages(UserFactory.create(organization=organization, role=Role.FACILITATOR)).get("/admin/")
    assert (read(lost).headings, read(lost).links) == (["Your sessions cannot be found"], [])


def steps(page: Any) -> list[tuple[str, bool, list[str]]]:
    return [(step.title, step.done, [link.text for link in step.links]) for step in page.context["steps"]]


def test_an_empty_organization_sees_what_to_do_first(staff: Pages, organization: Organization) -> None:
    page = staff.get("/admin/")
    assert read(page).headings[0] == "Where to begin"
    assert "<figure" not in page.content.decode()
    assert [(title, done) for title, done, _ in steps(page)] == [
        ("Add your people", False),
        ("Add your courses", False),
        ("Make an API token", False),
        ("Schedule a session or assign a course", False),
    ]
    links = {link.href for step in page.context["steps"] for link in step.links}
    assert {address(model, "add") for model in (Person, Course, ApiToken, Session, TrainSession)} <= links
    assert {staff.get(link).status_code for link in links} == {200}
    PersonFactory.create(organization=organization)
    create_token(organization=organization, actor=SYSTEM, name="HR", scopes=["training:read"])
    assert [done for _, done, _ in steps(staff.get("/admin/"))] == [True, False, True, False]
    SessionFactory.create(course=CourseFactory.create(organization=organization))
    assert "steps" not in staff.get("/admin/").context


def test_an_auditor_of_an_empty_organization_is_offered_nothing_to_write(organization: Organization) -> None:
    page = Pages(UserFactory.create(organization=organization, role=Role.AUDITOR)).get("/admin/")
    assert [links for _, _, links in steps(page)] == [[], [], [], []]
    assert page.content.decode().count("An administrator can do this.") == 4


def test_without_any_organization_a_superuser_is_told_to_add_one(superuser: Pages) -> None:
    page = superuser.get("/admin/")
    assert read(page).headings == ["There is no organization yet"]
    assert address(Organization, "add") in page.content.decode()


@pytest.mark.parametrize(
    ("model", "query"),
    [
        (TrainSession, {"completed_at_from": "yesterday"}),
        (TrainSession, {"completed_at_to": "2026-02-30"}),
        (TrainSession, {"cert_expiry_from": "'"}),
        (TrainSession, {"due_at_from": "99999-01-01"}),
        (TrainSession, {"certificate": "45"}),
        (TrainSession, {"standing": "lost"}),
        (TrainSession, {"overdue": "perhaps"}),
        (TrainSession, {"course__id__exact": "abc"}),
        (Session, {"seats": "some"}),
        (Session, {"starts_at_from": "x"}),
        (Enrollment, {"seat": "x"}),
        (Enrollment, {"result": "x"}),
        (Person, {"training": "x"}),
    ],
)
def test_a_filter_that_makes_no_sense_is_refused(staff: Pages, model: Any, query: dict[str, str]) -> None:
    answer = staff.rows(model, **query)
    assert (answer.status_code, answer.headers["Location"]) == (302, f"{address(model, 'changelist')}?e=1")


def test_a_filter_by_days_holds_both_of_them_in_the_organizations_zone(
    staff: Pages, superuser: Pages, organization: Organization
) -> None:
    course = CourseFactory.create(organization=organization)
    made = []
    for hour in (10, 11, 34, 35):  # Midnight in Auckland is 11:00 in UTC.
        with time_machine.travel(datetime(2026, 11, 10, tzinfo=UTC) + timedelta(hours=hour), tick=False):
            record = assign(PersonFactory.create(organization=organization), course)
            made.append(records.complete(organization=organization, actor=SYSTEM, record_id=record.pk))
    day = {"completed_at_from": "2026-11-11", "completed_at_to": "2026-11-11"}
    assert set(staff.rows(TrainSession, **day).context["cl"].queryset) == set(made[1:3])
    narrowed = superuser.rows(TrainSession, organization__id__exact=organization.pk, **day)
    assert set(narrowed.context["cl"].queryset) == set(made[1:3])
    assert set(staff.rows(TrainSession, completed_at_to="").context["cl"].queryset) == set(made)
    for edge in ("0001-01-01", "9999-12-31"):
        assert staff.rows(TrainSession, completed_at_from=edge, completed_at_to=edge).status_code == 200


def test_a_list_is_narrowed_to_a_course_and_widened_again(staff: Pages, organization: Organization) -> None:
    ada = PersonFactory.create(organization=organization)
    one, other = (assign(ada, CourseFactory.create(organization=organization)) for _ in range(2))
    theirs = CourseFactory.create(organization=OrganizationFactory.create())
    page = staff.rows(TrainSession, course__id__exact=one.course_id)
    assert list(page.context["cl"].queryset) == [one]
    assert f'<option value="{one.course_id}" selected>' in page.content.decode()
    assert set(staff.rows(TrainSession, course__id__exact="").context["cl"].queryset) == {one, other}
    assert f'<option value="{theirs.pk}"' not in page.content.decode()
    assert list(staff.rows(TrainSession, course__id__exact=theirs.pk).context["cl"].queryset) == []
