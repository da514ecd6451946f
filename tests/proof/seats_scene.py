"""What seats are fought over in an organization: groups of sessions and program sessions, each group for a while and then
the next, so that all processes are always at the same few.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from accounts.actors import Actor
from accounts.models import Organization, User
from accounts.roles import Role
from accounts.scopes import Scope
from accounts.services.people import update_user
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
)
from tests.proof.seats_client import browser
from tests.proof.seats_ways import COMMAND, DEACTIVATE, FORM, PROGRAM_FORM, WAYS

CAPACITIES = (1, 2, 20)
PEOPLE = 40
SESSION, PROGRAM = "enrollments.Session", "programs.ProgramSession"
PAGES = {SESSION: "enrollments/session", PROGRAM: "programs/programsession"}
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
    """Each way is gone by somebody of its own, so that the history tells which way it was: `ways` are by its actors.

    `secrets` of tokens and `logins`, session keys of staff, are by way, `staff` are addresses by way; `forms` are what a
    browser sends of a page it has opened, by model.
    """

    slug: str
    people: tuple[Who, ...]
    groups: tuple[Group, ...]
    secrets: Mapping[str, str]
    logins: Mapping[str, str]
    staff: Mapping[str, str]
    ways: Mapping[str, str]
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
    tokens = {
        way: create_token(organization=organization, actor=SYSTEM, name=way, scopes=Scope.values)
        for way in [*(way for way, one in WAYS.items() if one.operation), DEACTIVATE]
    }
    users = {way: administrator(organization) for way, one in WAYS.items() if not one.operation}
    logins = {way: logged_in(user) for way, user in users.items() if way != COMMAND}
    return Scene(
        slug=organization.slug,
        people=tuple(
            Who(person.pk, person.employee_id, person.hex_id)
            for person in (PersonFactory.create(organization=organization) for _ in range(PEOPLE))
        ),
        groups=made,
        secrets={way: secret for way, (_, secret) in tokens.items()},
        logins=logins,
        staff={way: user.email for way, user in users.items()},
        ways={
            **{Actor.token(token).ref: way for way, (token, _) in tokens.items()},
            **{Actor.staff(user).ref: way for way, user in users.items()},
        },
        forms={
            place.model: form(logins[way], f"/admin/{PAGES[place.model]}/{place.pk}/change/")
            for way, place in ((FORM, made[0].sessions[0]), (PROGRAM_FORM, made[0].programs[0]))
        },
    )


def administrator(organization: Organization) -> User:
    """Without a password: to hash those of all would take longer than the attempts of the short form."""
    user = User.objects.create_user(f"{uuid.uuid4()}@example.com", organization=organization, is_staff=True)
    return update_user(actor=SYSTEM, user=user, changes={"role": Role.ADMINISTRATOR})


def logged_in(user: User) -> str:
    from django.test import Client  # noqa: PLC0415 - nothing else here is a test client's

    client = Client()
    client.force_login(user)
    return client.cookies["sessionid"].value


def form(login: str, address: str) -> dict[str, list[str]]:
    """Raises RuntimeError where the page is not shown."""
    reply = browser(login).get(address)
    if reply.status != 200:
        raise RuntimeError(f"{address} answered {reply.status}.")
    reader = FormReader()
    reader.feed(reply.body.decode())
    return reader.values
