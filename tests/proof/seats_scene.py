"""What seats are fought over in an organization: groups of sessions and program sessions, each group for a while and then
the next, so that all processes are always at the same few.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from accounts.models import Organization
from accounts.scopes import Scope
from accounts.services.tokens import create_token
from enrollments.models import Session
from programs.models import ProgramSession
from tests.accounts.admin_pages import FormReader
from tests.factories import (
    SYSTEM,
    CourseFactory,
    OrganizationFactory,
    PersonFactory,
    ProgramSessionFactory,
    SessionFactory,
    UserFactory,
)
from tests.proof.seats_client import browser

CAPACITIES = (1, 2, 20)
PEOPLE = 40
SESSION, PROGRAM = "enrollments.Session", "programs.ProgramSession"
ADDRESSES = {SESSION: "/admin/enrollments/session", PROGRAM: "/admin/programs/programsession"}
LIMITS = {SESSION: "max_participants", PROGRAM: "user_limit"}


@dataclass(frozen=True)
class Place:
    """A session or program session; `capacity` is what it begins with."""

    model: str
    pk: int
    hex_id: str
    capacity: int


@dataclass(frozen=True)
class Group:
    sessions: tuple[Place, ...]
    programs: tuple[Place, ...]

    @property
    def places(self) -> tuple[Place, ...]:
        return (*self.sessions, *self.programs)


@dataclass(frozen=True)
class Who:
    pk: int
    employee_id: str
    hex_id: str


@dataclass(frozen=True)
class Scene:
    """`login` is a session key of staff, `forms` are what a browser sends of a page it has opened, by model."""

    slug: str
    secret: str
    people: tuple[Who, ...]
    groups: tuple[Group, ...]
    login: str
    forms: Mapping[str, Mapping[str, list[str]]]

    @property
    def places(self) -> list[Place]:
        return [place for group in self.groups for place in group.places]


def make_scene(*, groups: int) -> Scene:
    organization = OrganizationFactory.create()
    course = CourseFactory.create(organization=organization)
    program = ProgramSessionFactory.create(organization=organization, courses=[course]).template
    starts_at = SessionFactory.create(course=course, name="Contended").starts_at

    def session(capacity: int) -> Place:
        row: Session = SessionFactory.create(
            course=course, name="Contended", starts_at=starts_at, max_participants=capacity
        )
        return Place(SESSION, row.pk, "", capacity)

    def program_session(capacity: int) -> Place:
        row: ProgramSession = ProgramSessionFactory.create(
            organization=organization, template=program, name="Contended", has_user_limit=True, user_limit=capacity
        )
        return Place(PROGRAM, row.pk, row.hex_id, capacity)

    made = tuple(Group(tuple(map(session, CAPACITIES)), tuple(map(program_session, CAPACITIES))) for _ in range(groups))
    login = logged_in(organization)
    return Scene(
        slug=organization.slug,
        secret=create_token(organization=organization, actor=SYSTEM, name="proof", scopes=Scope.values)[1],
        people=tuple(
            Who(person.pk, person.employee_id, person.hex_id)
            for person in (PersonFactory.create(organization=organization) for _ in range(PEOPLE))
        ),
        groups=made,
        login=login,
        forms={
            place.model: form(login, f"{ADDRESSES[place.model]}/{place.pk}/change/")
            for place in (made[0].sessions[0], made[0].programs[0])
        },
    )


def logged_in(organization: Organization) -> str:
    from django.test import Client  # noqa: PLC0415 - nothing else here is a test client's

    client = Client()
    client.force_login(UserFactory.create(organization=organization))
    return client.cookies["sessionid"].value


def form(login: str, address: str) -> dict[str, list[str]]:
    """Raises RuntimeError where the page is not shown."""
    reply = browser(login).get(address)
    if reply.status != 200:
        raise RuntimeError(f"{address} answered {reply.status}.")
    reader = FormReader()
    reader.feed(reply.body.decode())
    return reader.values
