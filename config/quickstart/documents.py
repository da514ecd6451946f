"""The company of the five public documents, as it stood before the documented enrollment.

Every id, name, date and figure that a document shows is here as shown; what no document says is made up around it. Past
enrollments are history without records in the ledger: the documents' company has just the three train sessions.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from accounts.actors import Actor
from accounts.models import Organization, Person
from accounts.search import searchable
from config.quickstart.loading import Source, Tables
from enrollments.models import (
    Category,
    Course,
    DeliveryMode,
    Enrollment,
    EnrollmentStatus,
    Provider,
    Session,
    SessionStatus,
)
from programs.models import (
    Module,
    ModuleType,
    ProgramMember,
    ProgramRequirement,
    ProgramSession,
    ProgramTemplate,
    ProgramTutor,
)
from training.models import TrainSession

SYSTEM = Actor.system().ref

# Ids are global: the demo's enrollments end below these, and the next of all is the document's 301.
FIRST_ENROLLMENT_ID = 277

MICHELLE, SARAH, JOHN = 1, 10, 42
# By id, from 1.
PEOPLE = (
    *("Michelle Dragsta", "Peter Novak", "Amina Yusuf", "George Castellano", "Ingrid Solberg", "Rahul Mehta"),
    *("Claire Fontaine", "Dwayne Parker", "Mei-Ling Chen", "Sarah Williams", "Tom Becker", "Nadia Haddad"),
    *("Luis Ortega", "Emma Lindqvist", "Kofi Boateng", "Hannah O'Brien", "Viktor Petrov", "Grace Kim"),
    *("Omar Farouk", "Julia Weiss", "Daniel Cohen", "Priya Nair", "Marco Rossi", "Sofia Almeida"),
    *("Ben Turner", "Yuki Tanaka", "Paula Schmidt", "Andrew Clarke", "Fatima Zahra", "Henrik Larsen"),
    *("Olivia Martin", "Samuel Adeyemi", "Laura Jansen", "Chris Murphy", "Elena Popescu", "David Nguyen"),
    *("Isabel Moreno", "Patrick Walsh", "Zofia Kowalska", "Martin Dvorak", "Leila Karimi", "John Doe"),
    *("Jane Foster", "Robert Miles"),
)

LEADERSHIP, WHMIS, TDG, FP, HEALTH_AND_SAFETY = 1, 2, 3, 4, 5
FEBRUARY, MARCH, MAY = 6, 7, 8
# Who finished an earlier cohort, and with which score: 78.3 on average.
SCORES = {26: 72, 27: 74, 28: 76, 29: 78, 30: 80, 31: 82, 32: 86}
ABSENT, RESULT_MISSING = 33, 34
SEATED_IN_MAY = range(11, 26)


def build(organization: Organization) -> Tables:
    return [
        _people(organization),
        _courses(organization),
        _sessions(organization),
        _enrollments(organization),
        _train_sessions(organization),
        *_program(organization),
    ]


def _people(organization: Organization) -> list[Person]:
    people = []
    for pk, name in enumerate(PEOPLE, start=1):
        first_name, last_name = name.split(" ", 1)
        login = searchable(name).replace(" ", ".").replace("'", "")
        people.append(
            Person(
                pk=pk,
                organization=organization,
                employee_id=f"EMP-{pk:03}",
                first_name=first_name,
                last_name=last_name,
                search_name=searchable(name),
                username=login,
                mail=f"{login}@example.com",
                hex_id=f"5f1e0a000000000000000{pk:03x}",
                created_at=datetime(2014, 9, 1, tzinfo=UTC),
            )
        )
    return people


def _courses(organization: Organization) -> list[Course]:
    categories = {category.slug: category for category in Category.objects.all()}
    safety = {
        "category": categories["safety"],
        "delivery_mode": DeliveryMode.ONLINE,
        "pass_score": Decimal(80),
        "created_at": datetime(2014, 9, 1, tzinfo=UTC),
    }
    courses = [
        Course(
            pk=LEADERSHIP,
            code="LEAD-101",
            title="Leadership Essentials",
            category=categories["leadership"],
            delivery_mode=DeliveryMode.IN_PERSON,
            duration_hours=Decimal(8),
            cost_per_participant=Decimal("200.00"),
            provider=Provider.EXTERNAL,
            provider_name="Leadership Academy",
            description=("A foundational course covering key leadership principles and team management strategies."),
            pass_score=Decimal(70),
            created_at=datetime(2026, 1, 10, tzinfo=UTC),
            uuid=UUID("3d3f1c5e-0b1c-4c55-9a30-5a5f7d0e9b01"),
        ),
        # The two uuids are the ones that the stream's document filters by.
        Course(
            pk=WHMIS,
            code="WHMIS",
            title="Workplace Hazardous Materials Information System",
            duration_hours=Decimal("1.5"),
            description="Reading labels and safety data sheets, and handling hazardous products safely.",
            uuid=UUID("a4db8702-79d5-4396-a717-e301d52ecc11"),
            **safety,
        ),
        Course(
            pk=TDG,
            code="TDG",
            title="Transportation of Dangerous Goods",
            duration_hours=Decimal(2),
            description="Classifying, documenting, marking and handing over dangerous goods.",
            uuid=UUID("c6490f6a-d84e-49b5-b0ad-b6baae304075"),
            **safety,
        ),
        Course(
            pk=FP,
            code="FP",
            title="Fall Protection",
            duration_hours=Decimal(3),
            description="Working at heights: anchors, harnesses, inspection and rescue plans.",
            uuid=UUID("3d3f1c5e-0b1c-4c55-9a30-5a5f7d0e9b04"),
            **safety,
        ),
        Course(
            pk=HEALTH_AND_SAFETY,
            code="JHSC",
            title="Joint Health and Safety Committee",
            duration_hours=Decimal(6),
            description="Duties and powers of a committee's members, and how to inspect a workplace.",
            uuid=UUID("3d3f1c5e-0b1c-4c55-9a30-5a5f7d0e9b05"),
            **safety,
        ),
    ]
    for course in courses:
        course.organization = organization
        course.search_code, course.search_title = searchable(course.code), searchable(course.title)
        course.hex_id = f"5f1e0b000000000000000{course.pk:03x}"
        course.revision = UUID(f"7d2f9a10-5b6c-4e8d-9f01-{course.pk:012x}")
        course.updated_at = course.created_at
    return courses


def _sessions(organization: Organization) -> list[Session]:
    runs = (
        (FEBRUARY, "February Cohort", date(2026, 2, 12), "Training Room B", 12, SessionStatus.COMPLETED),
        (MARCH, "March Cohort", date(2026, 3, 12), "Training Room A", 12, SessionStatus.COMPLETED),
        (MAY, "May Cohort", date(2026, 5, 15), "Training Room A", 20, SessionStatus.SCHEDULED),
    )
    return [
        Session(
            pk=pk,
            organization=organization,
            course_id=LEADERSHIP,
            name=name,
            starts_at=_at(day, 9),
            ends_at=_at(day, 17),
            location=location,
            facilitator_id=SARAH,
            max_participants=seats,
            status=status,
            created_at=datetime(2026, 1, 12, 10, tzinfo=UTC),
            updated_at=datetime(2026, 1, 12, 10, tzinfo=UTC),
        )
        for pk, name, day, location, seats, status in runs
    ]


def _enrollments(organization: Organization) -> list[Enrollment]:
    """24: 7 of 8 finished ones completed (87.5 percent), one that nobody entered a result for, 15 in May."""
    rows = []
    for person_id, score in SCORES.items():
        session_id, day = (FEBRUARY, date(2026, 2, 12)) if person_id < 30 else (MARCH, date(2026, 3, 12))  # noqa: PLR2004 - half of them
        rows.append(
            Enrollment(
                session_id=session_id,
                person_id=person_id,
                status=EnrollmentStatus.COMPLETED,
                score=Decimal(score),
                passed=True,
                completed_at=_at(day, 17) + timedelta(minutes=10),
            )
        )
    rows.append(Enrollment(session_id=FEBRUARY, person_id=ABSENT, status=EnrollmentStatus.ABSENT))
    rows.append(Enrollment(session_id=MARCH, person_id=RESULT_MISSING))
    rows += [Enrollment(session_id=MAY, person_id=person_id) for person_id in SEATED_IN_MAY]
    enrolled_on = {FEBRUARY: date(2026, 1, 19), MARCH: date(2026, 2, 16), MAY: date(2026, 3, 23)}
    for number, row in enumerate(rows):
        row.pk = FIRST_ENROLLMENT_ID + number
        row.organization = organization
        row.enrolled_at = _at(enrolled_on[row.session_id], 10) + timedelta(minutes=number)
        row.created_by = row.updated_by = SYSTEM
    return rows


def _train_sessions(organization: Organization) -> list[TrainSession]:
    """Michelle Dragsta's three, as document b lists them. The certificate that each renews ends on its `cert_expiry`."""
    assigned_at = datetime(2015, 12, 7, 9, tzinfo=UTC)
    return [
        TrainSession(
            pk=pk,
            organization=organization,
            uuid=UUID(f"7b0c7a52-3f0a-4a6e-8d53-0f6f3f5c2e{pk:02x}"),
            course_id=course_id,
            person_id=MICHELLE,
            cert_expiry=date(2016, 2, 6),
            assigned_at=assigned_at + timedelta(minutes=pk),
            created_at=assigned_at + timedelta(minutes=pk),
            created_by=SYSTEM,
            updated_at=assigned_at + timedelta(minutes=pk),
            updated_by=SYSTEM,
        )
        for pk, course_id in ((1, FP), (2, TDG), (3, WHMIS))
    ]


def _program(organization: Organization) -> Tables:
    """A program session in which no field is empty, and the templates and people that it names."""
    made_at = datetime(2026, 1, 15, 8, 30, tzinfo=UTC)
    journey, basics = (
        ProgramTemplate(
            pk=pk,
            organization=organization,
            hex_id=f"5f1e0c000000000000000{pk:03x}",
            name=name,
            description=description,
            created_at=made_at,
            modified_at=made_at,
        )
        for pk, name, description in (
            (1, "Leadership Journey", "From a first team to leading other leaders."),
            (2, "Workplace Basics", "What everybody knows before working on site."),
        )
    )
    parts: Sequence[tuple[ProgramTemplate, ModuleType, int | None]] = (
        (journey, ModuleType.COURSE, LEADERSHIP),
        (journey, ModuleType.WEBINAR, None),
        (journey, ModuleType.CLASSROOM, None),
        (basics, ModuleType.COURSE, WHMIS),
        (basics, ModuleType.COURSE, FP),
    )
    modules = [
        Module(
            organization=organization,
            hex_id=f"5f1e0d000000000000000{number:03x}",
            template=template,
            position=number,
            type=kind,
            course_id=course_id,
        )
        for number, (template, kind, course_id) in enumerate(parts, start=1)
    ]
    session = ProgramSession(
        pk=1,
        organization=organization,
        hex_id="5f1e0e000000000000000001",
        template=journey,
        name="Leadership Journey, spring 2026",
        description="One essentials course, one webinar, one day in the classroom.",
        author_mail="sarah.williams@example.com",
        lang="en",
        template_custom="Cost centre 4100",
        session_custom="Meet at reception",
        custom_fields=[{"name": "Region", "value": "North"}, {"name": "Budget code", "value": "LD-2026"}],
        skills=["5f1e0f000000000000000001", "5f1e0f000000000000000002"],
        groups=["5f1e10000000000000000001"],
        required_paths=["5f1e11000000000000000001"],
        starts_at=_at(date(2026, 5, 4), 9),
        ends_at=_at(date(2026, 6, 26), 17),
        automated_reminders=True,
        validate_registrations=True,
        program_duration=Decimal("12.5"),
        has_user_limit=True,
        user_limit=12,
        created_at=made_at,
        modified_at=datetime(2026, 3, 20, 14, 5, 30, 250_000, tzinfo=UTC),
    )
    owned = {"organization": organization, "session": session}
    return [
        [journey, basics],
        modules,
        [session],
        [ProgramTutor(person_id=SARAH, **owned), ProgramTutor(person_id=MICHELLE, **owned)],
        [ProgramRequirement(course_id=HEALTH_AND_SAFETY, **owned), ProgramRequirement(template=basics, **owned)],
        [
            ProgramMember(
                person_id=person_id,
                joined_at=_at(date(2026, 3, 20), 14),
                created_by=SYSTEM,
                updated_by=SYSTEM,
                **owned,
            )
            for person_id in (26, 27, 28)
        ],
    ]


def _at(day: date, hour: int) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


DOCUMENTS = Source(
    name="The documents' company",
    slug="documents",
    company_id="5f1e0a5c9d3b4a0012c0ffee",
    time_zone="UTC",
    build=build,
)
