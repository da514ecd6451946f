"""A company to look at: Nordhafen Logistik, 300 people, three years of training.

Made up from a seed, so that every load is the same company, and reckoned from the day of loading, so that what is
overdue, expiring or to come is so whenever somebody looks.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

from django.utils import timezone

from accounts.days import day_of, last_instant
from accounts.models import Organization, Person
from accounts.search import searchable
from config.quickstart.demo_catalogue import (
    ARCHIVED,
    CATEGORY_OF,
    COURSES,
    MANDATORY,
    MODES,
    PROGRAMS,
    SESSIONS,
    TEMPLATES,
    UNIT_COURSES,
    ProgramFacts,
    SessionFacts,
)
from config.quickstart.demo_people import groups, people
from config.quickstart.demo_records import DAY, SYSTEM, Plan
from config.quickstart.demo_requirements import requirements
from config.quickstart.loading import Source, Tables
from enrollments.models import (
    Category,
    Course,
    CourseStatus,
    Enrollment,
    EnrollmentStatus,
    Prerequisite,
    Provider,
    Session,
    SessionStatus,
)
from programs.models import (
    MemberRecord,
    Module,
    ModuleType,
    ProgramMember,
    ProgramRequirement,
    ProgramSession,
    ProgramTemplate,
    ProgramTutor,
)
from training.models import Origin, TrainSession, Unit

SEED = 20_260_115
RECORDS, TOMBSTONES = 6000, 150
DAYS = 1095  # Three years.
# Above the ids of the documents' company; enrollments below them, because the next one of all is to be 301.
FIRST_COURSE_ID, FIRST_SESSION_ID, FIRST_ENROLLMENT_ID, FIRST_RECORD_ID = 101, 101, 51, 1001
# Units of each of UNIT_COURSES that a record holds, that are free, that expired unused.
UNITS = ((9, 4, 1), (5, 2, 0))
REASONS = ("Assigned by mistake", "Changed department", "Long leave", "Took it with a former employer")
FEEDBACK = (None, None, "Took part actively.", "Good questions, sure in practice.", "Should repeat the last chapter.")


@dataclass
class Company:
    """What is being made up. Rows come to the database in the order of `tables`."""

    organization: Organization
    plan: Plan
    people: list[Person]
    courses: dict[str, Course]
    sessions: list[Session] = field(default_factory=list)
    enrollments: list[Enrollment] = field(default_factory=list)
    units: list[Unit] = field(default_factory=list)
    templates: dict[str, ProgramTemplate] = field(default_factory=dict)
    modules: list[Module] = field(default_factory=list)
    program_sessions: list[ProgramSession] = field(default_factory=list)
    tutors: list[ProgramTutor] = field(default_factory=list)
    requirements: list[ProgramRequirement] = field(default_factory=list)
    members: list[ProgramMember] = field(default_factory=list)
    member_records: list[MemberRecord] = field(default_factory=list)

    @property
    def rng(self) -> random.Random:
        return self.plan.rng

    def hex_id(self) -> str:
        return f"{self.rng.getrandbits(96):024x}"

    def required(self, code: str) -> list[Course]:
        return [self.courses[required] for facts in COURSES if facts.code == code for required in facts.requires]

    def somebody(
        self, count: int, courses: Iterable[Course], *, here_since: date, newest: bool = False
    ) -> list[Person]:
        """Active people who have nothing to do with these courses yet; `newest` colleagues first."""
        wanted = list(courses)
        shuffled = self.rng.sample(self.people, len(self.people))
        if newest:
            shuffled.sort(key=lambda person: person.created_at, reverse=True)
        free = [
            person
            for person in shuffled
            if person.active and person.created_at.date() <= here_since and self.plan.is_free(person, wanted)
        ]
        if len(free) < count:
            raise LookupError("The demo company is too small for its tables.")
        return free[:count]


def build(organization: Organization) -> Tables:
    rng = random.Random(SEED)  # noqa: S311 - made-up people need no cryptography
    now = timezone.now()
    today = day_of(now, organization.zone)
    staff = people(organization, rng, today)
    company = Company(organization, Plan(organization, rng, now), staff, _courses(organization, rng, today))
    for pk, run in enumerate(SESSIONS, start=FIRST_SESSION_ID):
        _hold(company, pk, run)
    for program in PROGRAMS:
        _run(company, program)
    _hold_units(company)
    _fill(company)
    company.enrollments.sort(key=lambda enrollment: enrollment.enrolled_at)
    for pk, enrollment in enumerate(company.enrollments, start=FIRST_ENROLLMENT_ID):
        enrollment.pk = pk
    prerequisites = [
        Prerequisite(organization=organization, course=course, required=required)
        for code, course in company.courses.items()
        for required in company.required(code)
    ]
    teams, memberships = groups(organization, staff)
    return [
        company.people,
        teams,
        memberships,
        list(company.courses.values()),
        prerequisites,
        requirements(organization, company.courses, teams, today),
        company.sessions,
        company.enrollments,
        company.units,
        company.plan.finished(FIRST_RECORD_ID),
        list(company.templates.values()),
        company.modules,
        company.program_sessions,
        company.tutors,
        company.requirements,
        company.members,
        company.member_records,
    ]


def _courses(organization: Organization, rng: random.Random, today: date) -> dict[str, Course]:
    categories = {category.slug: category for category in Category.objects.all()}
    courses = {}
    for pk, facts in enumerate(COURSES, start=FIRST_COURSE_ID):
        made_at = datetime.combine(today - (DAYS + 60 + pk) * DAY, time(10), organization.zone)
        courses[facts.code] = Course(
            pk=pk,
            organization=organization,
            code=facts.code,
            title=facts.title,
            search_code=searchable(facts.code),
            search_title=searchable(facts.title),
            category=categories[CATEGORY_OF[facts.code.partition("-")[0]]],
            delivery_mode=MODES[facts.mode],
            duration_hours=Decimal(facts.hours),
            cost_per_participant=Decimal(facts.cost),
            provider=Provider.EXTERNAL if facts.provider else Provider.INTERNAL,
            provider_name=facts.provider or "Nordhafen Academy",
            description=facts.description,
            pass_score=None if facts.pass_score is None else Decimal(facts.pass_score),  # type: ignore[misc]  # it may
            certificate_months=facts.months,
            uses_units=facts.code in UNIT_COURSES,
            status=CourseStatus.ARCHIVED if facts.code == ARCHIVED else CourseStatus.PUBLISHED,
            uuid=UUID(int=rng.getrandbits(128), version=4),
            revision=UUID(int=rng.getrandbits(128), version=4),
            hex_id=f"{rng.getrandbits(96):024x}",
            created_at=made_at,
            updated_at=made_at,
        )
    return courses


def _hold(company: Company, pk: int, facts: SessionFacts) -> None:
    """A scheduled session with everybody in it, and what the ledger says of them."""
    plan, course = company.plan, company.courses[facts.code]
    start = _workday(plan.day(facts.start), later=facts.start > 0)
    first_enrolled = min(start - 40 * DAY, plan.day(-30))
    made_at = plan.moment(first_enrolled - 20 * DAY)
    session = Session(
        pk=pk,
        organization=company.organization,
        course=course,
        name=facts.name,
        starts_at=datetime.combine(start, time(9), plan.zone),
        ends_at=datetime.combine(_workday(start + (facts.days - 1) * DAY, later=True), time(17), plan.zone),
        location=facts.location,
        facilitator=company.rng.choice([person for person in company.people if person.active]),
        max_participants=facts.seats,
        status=SessionStatus(facts.status),
        created_at=made_at,
        updated_at=made_at,
    )
    company.sessions.append(session)
    outcomes = [
        *[EnrollmentStatus.ENROLLED] * facts.enrolled,
        *[EnrollmentStatus.COMPLETED] * facts.completed,
        *[EnrollmentStatus.FAILED] * facts.failed,
        *[EnrollmentStatus.ABSENT] * facts.absent,
        *[EnrollmentStatus.CANCELLED] * facts.cancelled,
    ]
    required = company.required(facts.code)
    people_here = company.somebody(
        len(outcomes),
        [course, *required],
        here_since=first_enrolled - (130 if required else 1) * DAY,
        newest=facts.code.startswith("ONB"),
    )
    for person, status in zip(people_here, outcomes, strict=True):
        before = min(start, plan.today)
        enrolled_at = plan.moment(before - company.rng.randrange(7, 30) * DAY)
        for needed in required:
            _already_completed(plan, person, needed, day_of(enrolled_at, plan.zone))
        enrollment = Enrollment(
            organization=company.organization,
            session=session,
            person=person,
            status=status,
            enrolled_at=enrolled_at,
            created_by=SYSTEM,
            updated_by=SYSTEM,
        )
        company.enrollments.append(enrollment)
        _record(plan, enrollment, before)


def _record(plan: Plan, enrollment: Enrollment, before: date) -> None:
    """How an enrollment ended, and the record that it opened; one in four was assigned by hand a while before."""
    session, course = enrollment.session, enrollment.session.course
    by_hand = enrollment.status == EnrollmentStatus.ENROLLED and plan.rng.random() < 0.25  # noqa: PLR2004 - one in four
    record = plan.assigned(
        enrollment.person,
        course,
        enrollment.enrolled_at - timedelta(days=3) if by_hand else enrollment.enrolled_at,
        due_at=plan.due(day_of(session.ends_at, plan.zone) + 14 * DAY) if by_hand else None,
        enrollment=None if by_hand else enrollment,
        origin=Origin.HAND if by_hand else Origin.ENROLLMENT,
    )
    entered_at = session.ends_at + timedelta(minutes=plan.rng.randrange(10, 50))
    match enrollment.status:
        case EnrollmentStatus.COMPLETED:
            enrollment.score = None if course.pass_score is None else plan.passing(course)
            enrollment.passed = True
            enrollment.feedback = plan.rng.choice(FEEDBACK)
            enrollment.completed_at = entered_at
            plan.complete(record, entered_at, enrollment.score)
            record.failed_attempts = 0
        case EnrollmentStatus.FAILED:
            enrollment.score = plan.failing(course)
            enrollment.passed = False
            enrollment.completed_at = entered_at
            plan.fail(record, entered_at, enrollment.score)
        case EnrollmentStatus.CANCELLED:
            enrollment.cancelled_at = plan.moment(before - plan.rng.randrange(1, 6) * DAY)
            plan.unassign(record, enrollment.cancelled_at, "Enrollment cancelled")


def _already_completed(plan: Plan, person: Person, course: Course, before: date) -> None:
    """What somebody did to be let in."""
    opened = before - plan.rng.randrange(60, 120) * DAY
    record = plan.assigned(person, course, plan.moment(opened))
    plan.complete(record, plan.moment(opened + plan.rng.randrange(5, 40) * DAY))


def _workday(day: date, *, later: bool) -> date:
    """The day, or the next or last one that is not on a weekend."""
    beyond = max(day.weekday() - 4, 0)  # 1 on a Saturday, 2 on a Sunday.
    if not beyond:
        return day
    return day + (3 - beyond) * DAY if later else day - beyond * DAY


def _run(company: Company, facts: ProgramFacts) -> None:
    """A program session with its people, and a record for each of them and each course of it."""
    plan, rng = company.plan, company.rng
    template = company.templates.get(facts.template) or _template(company, facts.template)
    courses = [module.course for module in company.modules if module.template is template and module.course is not None]
    required = [company.courses[code] for code in facts.requires]
    first_day = plan.day(min(facts.start, 0) - 12)
    made_at = plan.moment(first_day - 30 * DAY)
    session = ProgramSession(
        organization=company.organization,
        hex_id=company.hex_id(),
        template=template,
        name=facts.name,
        description=template.description,
        author_mail=company.people[0].mail,
        lang="de",
        custom_fields=[{"name": "Site", "value": rng.choice(("Hamburg", "Bremen", "Lübeck"))}],
        starts_at=datetime.combine(plan.day(facts.start), time(8), plan.zone),
        ends_at=last_instant(plan.day(facts.end), plan.zone),
        automated_reminders=facts.limit is None,
        validate_registrations=facts.limit is not None,
        program_duration=Decimal(TEMPLATES[facts.template].hours),
        has_user_limit=facts.limit is not None,
        user_limit=facts.limit,
        created_at=made_at,
        modified_at=made_at,
    )
    company.program_sessions.append(session)
    owned = {"organization": company.organization, "session": session}
    company.requirements += [ProgramRequirement(course=course, **owned) for course in required]
    tutors = rng.sample([person for person in company.people if person.active], rng.choice((1, 2)))
    company.tutors += [ProgramTutor(person=person, **owned) for person in tutors]
    here_since = first_day - (130 if required else 1) * DAY
    newest = facts.template == "joiners"
    for person in company.somebody(facts.members, [*courses, *required], here_since=here_since, newest=newest):
        joined_at = plan.moment(first_day + rng.randrange(0, 11) * DAY)
        for course in required:
            _already_completed(plan, person, course, day_of(joined_at, plan.zone))
        member = ProgramMember(person=person, joined_at=joined_at, created_by=SYSTEM, updated_by=SYSTEM, **owned)
        company.members.append(member)
        for course in courses:
            record = plan.assigned(person, course, joined_at, due_at=session.ends_at, origin=Origin.PROGRAM)
            _study(plan, record, facts)
            company.member_records.append(
                MemberRecord(organization=company.organization, member=member, train_session=record)
            )


def _study(plan: Plan, record: TrainSession, facts: ProgramFacts) -> None:
    """Most are done by the end of the program, some after it, some not yet."""
    if facts.start > 0:
        return
    done = plan.day(facts.start + plan.rng.randrange(1, facts.end - facts.start + 25))
    if done < plan.today and plan.rng.random() < 0.93:  # noqa: PLR2004 - and a few never
        plan.complete(record, plan.moment(done))
    else:
        plan.somehow(record, plan.today)


def _template(company: Company, key: str) -> ProgramTemplate:
    facts = TEMPLATES[key]
    made_at = company.plan.moment(company.plan.day(-500))
    template = ProgramTemplate(
        organization=company.organization,
        hex_id=company.hex_id(),
        name=facts.name,
        description=facts.description,
        created_at=made_at,
        modified_at=made_at,
    )
    company.templates[key] = template
    for position, part in enumerate(facts.modules, start=1):
        course = company.courses.get(part)
        company.modules.append(
            Module(
                organization=company.organization,
                hex_id=company.hex_id(),
                template=template,
                position=position,
                type=ModuleType(part) if course is None else ModuleType.COURSE,
                course=course,
            )
        )
    return template


def _hold_units(company: Company) -> None:
    """Bought seats of the courses that need one, and the records that hold them."""
    plan, rng = company.plan, company.rng
    for code, (taken, free, expired) in zip(UNIT_COURSES, UNITS, strict=True):
        course = company.courses[code]
        bought_at = plan.moment(plan.day(-300))
        expiries = [plan.day(rng.randrange(60, 400)) for _ in range(taken + free)]
        expiries += [plan.day(-20) for _ in range(expired)]
        units = [
            Unit(organization=company.organization, course=course, expires_on=day, created_at=bought_at)
            for day in expiries
        ]
        company.units += units
        holders = company.somebody(taken, [course], here_since=plan.day(-300))
        for person, unit in zip(holders, units, strict=False):
            assigned = plan.day(-rng.randrange(10, 280))
            record = plan.assigned(
                person, course, plan.moment(assigned), due_at=plan.due(assigned + 120 * DAY), unit=unit
            )
            done = assigned + rng.randrange(20, 150) * DAY
            if done < plan.today:
                plan.complete(record, plan.moment(done))
            else:
                plan.somehow(record, plan.today)


def _fill(company: Company) -> None:
    """What everybody owes, then whatever else, until there are RECORDS live records; and tombstones beside them."""
    plan, rng = company.plan, company.rng
    left_on = {person.pk: plan.day(-rng.randrange(20, 500)) for person in company.people if not person.active}
    first = plan.day(-DAYS)
    everybody = [(person, company.courses[code]) for code in (*MANDATORY, "ONB-101") for person in company.people]
    others = [code for code in company.courses if code not in {*MANDATORY, "ONB-101", *UNIT_COURSES}]
    anybody = [(person, company.courses[code]) for code in others for person in company.people]
    rng.shuffle(anybody)
    spare: list[tuple[Person, Course, date]] = []
    for number, (person, course) in enumerate([*everybody, *anybody]):
        if not plan.is_free(person, [course]):
            continue
        until = left_on.get(person.pk, plan.today)
        if course.code == ARCHIVED:
            until = min(until, plan.day(-400))
        joined = person.created_at.date()
        start = _start(rng, course, joined, max(first, joined), until, mandatory=number < len(everybody))
        if start is None:
            continue
        if plan.live == RECORDS:
            if person.active:
                spare.append((person, course, start))
            continue
        left_open = plan.history(person, course, start, until, limit=RECORDS - plan.live)
        if left_open is not None and course.code == ARCHIVED:
            plan.unassign(left_open, plan.moment(until), "Course archived")
        elif left_open is not None and person.pk in left_on:
            plan.unassign(left_open, plan.moment(until), "Left the company")
    for person, course, start in spare[:TOMBSTONES]:
        record = plan.assigned(person, course, plan.moment(start), due_at=plan.due(start + 60 * DAY))
        day = min(start + rng.randrange(1, 40) * DAY, plan.day(-1))
        plan.unassign(record, max(record.assigned_at, plan.moment(day)), rng.choice(REASONS))


def _start(
    rng: random.Random, course: Course, joined: date, first: date, until: date, *, mandatory: bool
) -> date | None:
    """The day of somebody's first assignment; None where there was none."""
    newcomer = course.code.startswith("ONB")
    if newcomer and joined < first:
        return None  # Welcomed before there were records.
    soon = 10 if newcomer else 120 if mandatory else max((until - first).days - 1, 1)
    start = first + rng.randrange(1, soon + 1) * DAY
    return start if start < until else None


DEMO = Source(
    name="Nordhafen Logistik",
    slug="demo",
    company_id="5f1e0a5c9d3b4a0012facade",
    time_zone="Europe/Berlin",
    build=build,
)
