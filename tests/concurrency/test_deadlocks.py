"""Writers that come in any order never wait for one another in a circle."""

import random
from collections.abc import Callable

import pytest

from accounts.errors import Busy, Refusal
from accounts.models import Organization, Person
from enrollments.models import Enrollment, Session
from programs.models import ProgramMember, ProgramSession
from programs.services.membership import join, leave
from tests.acts import ACTOR, cancel, enroll
from tests.concurrency.threads import RACE, at_once
from tests.factories import CourseFactory, PersonFactory, ProgramSessionFactory, SessionFactory
from training.models import TrainSession

pytestmark = RACE

SEATS, WRITERS, STEPS = 6, 8, 25
DEADLOCK = "40P01"


@pytest.fixture
def people(organization: Organization) -> list[Person]:
    return [PersonFactory.create(organization=organization) for _ in range(10)]


def one_step(dice: random.Random, people: list[Person], sessions: list[Session], program: ProgramSession) -> None:
    some = dice.sample(people, dice.randint(1, 3))
    ids = [person.pk for person in some]
    match dice.randint(0, 4):
        case 0 | 1:
            enroll(dice.choice(sessions), *some)
        case 2:
            enrollment = Enrollment.objects.filter(status="enrolled").order_by("?").first()
            if enrollment:
                cancel(enrollment)
        case 3:
            join(organization=program.organization, actor=ACTOR, session=program, person_ids=ids)
        case 4:
            leave(organization=program.organization, actor=ACTOR, session=program, person_ids=ids)


def test_writers_of_two_sessions_and_a_program_never_deadlock(organization: Organization, people: list[Person]) -> None:
    """A deadlock would come back as a Busy whose cause is PostgreSQL's having found one."""
    course = CourseFactory.create(organization=organization)
    sessions = [SessionFactory.create(course=course, max_participants=SEATS) for _ in range(2)]
    program = ProgramSessionFactory.create(
        organization=organization, courses=[course], has_user_limit=True, user_limit=SEATS
    )

    def writer(seed: int) -> Callable[[], list[str | None]]:
        def write() -> list[str | None]:
            dice, busy = random.Random(seed), list[str | None]()
            for _ in range(STEPS):
                try:
                    one_step(dice, people, sessions, program)
                except Busy as refusal:
                    database_error = refusal.__cause__
                    busy.append(getattr(database_error and database_error.__cause__, "sqlstate", None))
                except Refusal:
                    continue
            return busy

        return write

    results = at_once(*[writer(seed) for seed in range(WRITERS)])
    assert [result for result in results if isinstance(result, Exception)] == []
    assert [result for result in results if isinstance(result, list) and DEADLOCK in result] == []
    for session in sessions:
        assert Enrollment.objects.filter(session=session).holding_a_seat().count() <= SEATS
    assert ProgramMember.objects.current().count() <= SEATS
    owed = list(TrainSession.objects.open().values_list("person_id", "course_id"))
    assert len(owed) == len(set(owed))
    assert Enrollment.objects.exists()
    assert ProgramMember.objects.exists()
