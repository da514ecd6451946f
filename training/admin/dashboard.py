"""The admin's first page: what needs doing, how training stands, and a way from every number to the rows behind it."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.dateformat import format as formatted

from accounts.admin.base import staff_user
from accounts.admin.filters import ORGANIZATION
from accounts.admin.picking import organizations_of, picked
from accounts.days import day_of
from accounts.models import ApiToken, Organization, Person
from accounts.roles import Role, role_of
from enrollments.figures import SessionSeats, seats, unmarked
from enrollments.models import Course, Enrollment, Session
from training import figures
from training.admin.charts import Bar, Chart, Figure, Link, Stack, Step, Task, counted, number, share
from training.figures import CourseStates, Standing
from training.models import TrainSession

SOON = timedelta(days=7)
AHEAD = timedelta(days=30)
EXPIRING = (30, 60, 90)
MONTHS = 12
COURSES = 15
SESSIONS = 20
DAY = "j F Y"


@dataclass
class Page:
    """One request's dashboard. Days are those of the organization, whoever looks."""

    request: HttpRequest
    organization: Organization
    now: datetime
    narrowed: bool  # A superuser's lists show all organizations, unless the address names one.
    organizations: list[Organization] = field(default_factory=list)

    @property
    def today(self) -> date:
        return day_of(self.now, self.organization.zone)

    def rows(self, model: type[Model], **query: object) -> str:
        """The address of a list with so many rows as its link says."""
        narrowed = {ORGANIZATION: self.organization.pk} if self.narrowed else {}
        parameters = urlencode({**narrowed, **query})
        return _address(model, "changelist") + (f"?{parameters}" if parameters else "")

    def adding(self, model: type[Model], page: str = "add") -> str:
        """Empty where this user may not, or where there is no such page."""
        if not admin.site.get_model_admin(model).has_add_permission(self.request):
            return ""
        try:
            return _address(model, page)
        except NoReverseMatch:
            return ""


def _address(model: type[Model], page: str) -> str:
    opts = model._meta  # noqa: SLF001 - Django's documented name
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_{page}")


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Called by the theme for the admin's first page. Raises Http404 for an organization that is not the user's."""
    user = staff_user(request)
    organizations = organizations_of(request)
    organization = picked(request, organizations)
    context |= {"title": "Dashboard", "organization": organization, "choices": organizations}
    if user is None or organization is None:
        return context
    page = Page(request, organization, timezone.now(), user.is_superuser, organizations)
    context["today"] = formatted(page.today, f"l {DAY}")
    match role_of(user):
        case None:
            context["no_role"] = True
        case Role.FACILITATOR:
            context |= _facilitators(page, user.person_id)
        case _:
            context |= _whole(page)
    return context


def _facilitators(page: Page, person_id: int | None) -> dict[str, Any]:
    """Their own sessions: seats and rosters."""
    if person_id is None:
        return {"no_person": True}
    own = [person_id]
    coming = seats(page.organization, page.today, page.today + AHEAD, facilitators=own)
    count = unmarked(page.organization, page.now, facilitators=own)
    return {"tasks": [_unmarked(page, count), _free(page, coming)], "charts": [_seats(page, coming)]}


def _whole(page: Page) -> dict[str, Any]:
    standing = figures.standing(page.organization, page.now, soon=page.today + SOON)
    if not standing.has_started:
        return {"steps": _steps(page, standing)}
    months = _months(page.today)
    courses = figures.course_states(page.organization, page.now)
    expiring = figures.expiring(page.organization, page.today, months[-1][1])
    coming = seats(page.organization, page.today, page.today + AHEAD)
    return {
        "tasks": _tasks(page, standing, coming),
        "figures": _figures(page, standing, courses),
        "expiring": _expiring(page, expiring),
        "charts": [
            _completions(page),
            _states(page, courses),
            _overdue(page, courses),
            _certificates(page, months, expiring),
            _seats(page, coming),
        ],
    }


# What needs doing.


def _tasks(page: Page, standing: Standing, coming: list[SessionSeats]) -> list[Task]:
    count = standing.overdue_people
    soon = page.rows(
        TrainSession,
        standing="open",
        overdue="no",
        due_at_from=page.today,
        due_at_to=page.today + SOON,
    )
    return [
        Task(
            count=count,
            text="person is overdue" if count == 1 else "people are overdue",
            note="Something is owed past its due day" if count else "Nothing is owed past its due day",
            href=page.rows(Person, training="overdue"),
            icon="person_alert",
            tone="late",
        ),
        Task(
            count=standing.due_soon,
            text="record falls due" if standing.due_soon == 1 else "records fall due",
            note=f"Until {formatted(page.today + SOON, DAY)}",
            href=soon,
            icon="event_upcoming",
        ),
        _unmarked(page, standing.unmarked),
        _free(page, coming),
    ]


def _unmarked(page: Page, count: int) -> Task:
    return Task(
        count=count,
        text="enrollment without a result" if count == 1 else "enrollments without a result",
        note="The session is over: mark who was there",
        href=page.rows(Enrollment, result="missing"),
        icon="rule",
        tone="open",
    )


def _free(page: Page, coming: list[SessionSeats]) -> Task:
    last = page.today + SOON
    zone = page.organization.zone
    count = sum(1 for session in coming if session.has_room and day_of(session.starts_at, zone) <= last)
    return Task(
        count=count,
        text="session has free seats" if count == 1 else "sessions have free seats",
        note=f"Starting until {formatted(last, DAY)}",
        href=page.rows(Session, seats="free", starts_at_from=page.today, starts_at_to=last),
        icon="event_seat",
    )


# How training stands.


def _figures(page: Page, standing: Standing, courses: list[CourseStates]) -> list[Figure]:
    still_open = sum(course.open for course in courses)
    late = sum(course.overdue for course in courses)
    completed = sum(course.completed for course in courses)
    live = still_open + completed
    rate = f"{100 * completed / live:.1f} %" if live else "None yet"
    return [
        Figure(
            "People",
            number(standing.active_people),
            standing.active_people,
            page.rows(Person, active__exact=1),
            "Active",
        ),
        Figure("Open records", number(still_open), still_open, page.rows(TrainSession, standing="open"), "Still owed"),
        Figure("Overdue", number(late), late, page.rows(TrainSession, overdue="yes"), "Of the open records", "late"),
        Figure(
            "Completion rate",
            rate,
            completed,
            page.rows(TrainSession, standing="completed"),
            f"{number(completed)} completed of {number(live)} completed or open",
        ),
    ]


def _expiring(page: Page, expiring: dict[date, int]) -> list[Figure]:
    shown = []
    for days in EXPIRING:
        last = page.today + timedelta(days=days)
        count = sum(found for day, found in expiring.items() if day <= last)
        href = page.rows(TrainSession, certificate=days)
        shown.append(Figure(f"{days} days", number(count), count, href, f"Until {formatted(last, DAY)}"))
    return shown


def _completions(page: Page) -> Chart:
    weeks = figures.completions(page.organization, page.today)
    most = max(weeks.values())
    bars = []
    in_month = Counter((monday.year, monday.month) for monday in weeks)
    # One column alone is too narrow for a month's name.
    ticks = {month: formatted(date(*month, 1), "M") for month, weeks_in_it in in_month.items() if weeks_in_it > 1}
    for monday, count in weeks.items():
        last = monday + timedelta(days=6)
        label = f"Week of {formatted(monday, DAY)}"
        href = page.rows(TrainSession, completed_at_from=monday, completed_at_to=last)
        tick = ticks.pop((monday.year, monday.month), "")
        name = f"{label}: {counted(count, 'completion', 'completions')}"
        bars.append(Bar(label, name, count, href, share(count, most), tick=tick))
    return Chart(
        id="completions",
        title="Completions each week",
        note=f"{number(sum(weeks.values()))} in the last 52 weeks, {number(most)} at most in one",
        empty="Nothing has been completed in the last 52 weeks.",
        unit="Completions",
        rows="Week",
        bars=bars,
        columns=True,
        wide=True,
    )


STATES = (
    ("completed", "Completed"),
    ("in_progress", "In progress"),
    ("assigned", "Assigned"),
    ("failed", "Failed"),
)


def _states(page: Page, courses: list[CourseStates]) -> Chart:
    shown = courses if page.request.GET.get("courses") == "all" else courses[:COURSES]
    stacks = []
    for course in shown:
        parts = []
        for state, label in STATES:
            count = getattr(course, state)
            href = page.rows(TrainSession, standing=state, course__id__exact=course.course_id)
            name = f"{course.code} {course.title}, {label.lower()}: {counted(count, 'record', 'records')}"
            parts.append(Bar(label, name, count, href, share(count, course.live), tone=state))
        text = f"{number(course.open)} open of {number(course.live)}"
        stacks.append(Stack(course.code, course.title, parts, text))
    return Chart(
        id="states",
        title="State by course",
        note="Live records of each course, those with most open ones first",
        empty="There are no records yet.",
        unit="Records",
        rows="Course",
        stacks=stacks,
        more=_all_courses(page, len(courses), len(shown)),
    )


def _all_courses(page: Page, there_are: int, shown: int) -> Link | None:
    if there_are <= COURSES:
        return None
    query = {"organization": page.organization.pk} if page.narrowed else {}
    if shown == there_are:
        return Link(f"The first {COURSES} courses", "?" + urlencode(query) + "#states")
    return Link(f"All {number(there_are)} courses", "?" + urlencode({**query, "courses": "all"}) + "#states")


def _overdue(page: Page, courses: list[CourseStates]) -> Chart:
    late = sorted((course for course in courses if course.overdue), key=lambda course: (-course.overdue, course.code))
    most = late[0].overdue if late else 0
    bars = [
        Bar(
            label=f"{course.code} {course.title}",
            name=f"{course.code} {course.title}: {counted(course.overdue, 'record', 'records')} overdue",
            count=course.overdue,
            href=page.rows(TrainSession, overdue="yes", course__id__exact=course.course_id),
            share=share(course.overdue, most),
            tone="late",
        )
        for course in late[:COURSES]
    ]
    rest = len(late) - COURSES
    return Chart(
        id="overdue",
        title="Overdue by course",
        note=f"The {COURSES} courses with most; {counted(rest, 'more has', 'more have')} some" if rest > 0 else "",
        empty="Nothing is overdue.",
        unit="Overdue records",
        rows="Course",
        bars=bars,
        more=Link("All overdue records", page.rows(TrainSession, overdue="yes")) if late else None,
    )


def _months(today: date) -> list[tuple[date, date]]:
    """The first and the last day of each of the twelve months from this one on: of this one, what is left of it."""
    firsts = []
    for ahead in range(MONTHS + 1):
        year, month = divmod(today.year * 12 + today.month - 1 + ahead, 12)
        firsts.append(date(year, month + 1, 1))
    spans = [(first, following - timedelta(days=1)) for first, following in pairwise(firsts)]
    return [(today, spans[0][1]), *spans[1:]]


def _certificates(page: Page, months: list[tuple[date, date]], expiring: dict[date, int]) -> Chart:
    counts = [sum(found for day, found in expiring.items() if first <= day <= last) for first, last in months]
    most = max(counts)
    bars = []
    for (first, last), count in zip(months, counts, strict=True):
        label = formatted(first, "F Y") + (" from today" if first == page.today else "")
        href = page.rows(TrainSession, certificate="valid", cert_expiry_from=first, cert_expiry_to=last)
        name = f"{label}: {counted(count, 'certificate expires', 'certificates expire')}"
        bars.append(Bar(label, name, count, href, share(count, most), text=number(count), tick=formatted(first, "M")))
    return Chart(
        id="certificates",
        title="Certificates expiring each month",
        note=f"Until {formatted(months[-1][1], DAY)}; those renewed since are left out",
        empty="No certificate expires in the next 12 months.",
        unit="Certificates",
        rows="Month",
        bars=bars if most else [],
        columns=True,
    )


def _seats(page: Page, coming: list[SessionSeats]) -> Chart:
    bars = []
    for session in coming[:SESSIONS]:
        starts = session.starts_at.astimezone(page.organization.zone)
        text = f"{number(session.taken)}, no limit"
        said = f"{counted(session.taken, 'seat', 'seats')} taken, no limit"
        if session.limit is not None:
            text = f"{number(session.taken)} of {number(session.limit)}"
            said = f"{number(session.taken)} of {counted(session.limit, 'seat', 'seats')} taken"
        bars.append(
            Bar(
                label=f"{formatted(starts, 'D j M')} · {session.name}",
                name=f"{session.name}, {session.course}, {formatted(starts, 'j F Y H:i')}: {said}",
                count=session.taken,
                href=page.rows(Enrollment, session__id__exact=session.id, seat="held"),
                share="0" if session.limit is None else share(session.taken, session.limit),
                text=text,
                tone="unlimited" if session.limit is None else "" if session.has_room else "full",
            )
        )
    last = page.today + AHEAD
    every = page.rows(Session, seats="open", starts_at_from=page.today, starts_at_to=last)
    title = "session" if len(coming) == 1 else f"All {number(len(coming))} sessions"
    return Chart(
        id="seats",
        title="Seats taken in coming sessions",
        note=f"In order of their start, until {formatted(last, DAY)}",
        empty=f"No session starts until {formatted(last, DAY)}.",
        unit="Seats taken",
        rows="Session",
        bars=bars,
        more=Link("The session" if len(coming) == 1 else title, every, len(coming)) if coming else None,
    )


# Where to begin.


def _steps(page: Page, standing: Standing) -> list[Step]:
    def links(*given: tuple[str, str]) -> list[Link]:
        return [Link(text, href) for text, href in given if href]

    people = links(("Add a person", page.adding(Person)), ("Import people", page.adding(Person, "import")))
    return [
        Step("Add your people", "By hand, or all at once from a file.", standing.has_people, people),
        Step(
            "Add your courses",
            "What is taught, and for how long a certificate is valid.",
            standing.has_courses,
            links(("Add a course", page.adding(Course)), ("Import courses", page.adding(Course, "import"))),
        ),
        Step(
            "Make an API token",
            "For the systems that read and write training here: HR, rostering, reporting.",
            standing.has_tokens,
            links(("Make a token", page.adding(ApiToken))),
        ),
        Step(
            "Schedule a session or assign a course",
            "From then on this page shows what needs doing.",
            standing.has_started,
            links(("Schedule a session", page.adding(Session)), ("Assign a course", page.adding(TrainSession))),
        ),
    ]
