"""A big organization, filled by statements that make their rows in the database: a million in a minute.

No triggers fire meanwhile, so that the history is filled like the rest, and foreign keys are not looked up: what the
statements say must be right. Figures that look random are taken from the row's number, the same in every run.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Group as Permissions
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import Group, Organization, Person, User
from accounts.roles import Role
from accounts.services.people import create_organization
from enrollments.models import Category, Course
from enrollments.services.catalogue import create_course
from tests.benchmarks.ground import COURSES, SYSTEM
from training.models import State, TrainSession
from training.services.requirements import create_requirement

PEOPLE = 50_000
SESSIONS = 2_000
SEATS = 20
REQUIRED = 30

# Named in all: the organization's id, the first ids of its people and courses (and of what else needs one), and how
# many rows of each. A number of a row is `n`, from 0.
FILL_PEOPLE = """
INSERT INTO accounts_person (organization_id, employee_id, first_name, last_name, search_name, mail, username, kind,
    hex_id, active, created_at)
SELECT %(organization)s, 'P-' || lpad(n::text, 6, '0'), 'Zoë', 'Müller ' || n, 'zoë müller ' || n,
    'p' || n || '@example.com', 'p' || n, 'user', substr(md5('person' || n), 1, 24), mod(n, 50) <> 7,
    now() - make_interval(days => 1100 - mod(n, 900))
FROM generate_series(0, %(people)s - 1) AS n
"""
# In rounds over everybody, over three years: of six courses four are required ones, one renews what was done four
# rounds before, and one is another. Around the row's place in time lie sixty days of disorder.
FILL_COMPLETED = """
INSERT INTO training_trainsession (organization_id, uuid, person_id, course_id, state, score, percent, failed_attempts,
    time_spent, assigned_at, started_at, last_attempt_at, completed_at, due_at, overdue, cert_expiry, origin,
    unassign_reason, created_at, created_by, updated_at, updated_by)
SELECT %(organization)s, gen_random_uuid(), %(first_person)s + person, %(first_course)s + course, 'completed',
    60 + mod(n, 41), 100, 0, 2, done - interval '20 days', done - interval '1 day', done, done,
    done + interval '10 days', false, (done + interval '2 years')::date, 'import', '', done, 'user-0', done, 'user-0'
FROM (
    SELECT n, mod(n, %(people)s) AS person,
        CASE mod(n / %(people)s, 6)
            WHEN 4 THEN mod(mod(n, %(people)s) + n / %(people)s - 4, %(required)s)
            WHEN 5 THEN %(required)s + mod(mod(n, %(people)s) * 7 + n / %(people)s, %(courses)s - %(required)s)
            ELSE mod(mod(n, %(people)s) + n / %(people)s, %(required)s)
        END AS course,
        now() - interval '1 hour' - make_interval(mins => (
            1065 * 1440 * (1 - n::float8 / %(completed)s) + mod(n::bigint * 7919, 30 * 1440)
        )::int) AS done
    FROM generate_series(0, %(completed)s - 1) AS n
) AS rows
ORDER BY n
"""
# Two of ten have no due day, two are overdue.
FILL_OPEN = """
INSERT INTO training_trainsession (organization_id, uuid, person_id, course_id, state, percent, failed_attempts,
    time_spent, assigned_at, due_at, overdue, origin, unassign_reason, created_at, created_by, updated_at, updated_by)
SELECT %(organization)s, gen_random_uuid(), %(first_person)s + person, %(first_course)s + course,
    CASE WHEN mod(n, 10) < 6 THEN 'assigned' WHEN mod(n, 10) < 9 THEN 'in_progress' ELSE 'failed' END,
    CASE WHEN mod(n, 10) < 6 THEN 0 ELSE 40 END, CASE WHEN mod(n, 10) = 9 THEN 1 ELSE 0 END, 0,
    now() - interval '100 days', due, coalesce(due <= now(), false), 'requirement', '',
    now() - interval '100 days', 'user-0', now() - interval '100 days', 'user-0'
FROM (
    SELECT n, mod(n, %(people)s) AS person,
        CASE mod(n / %(people)s, 2)
            WHEN 0 THEN mod(mod(n, %(people)s) + 20 + n / %(people)s / 2, %(required)s)
            ELSE %(required)s + mod(mod(n, %(people)s) + n / %(people)s, %(courses)s - %(required)s)
        END AS course,
        CASE
            WHEN mod(n / 3, 10) < 2 THEN NULL
            WHEN mod(n / 3, 10) < 4 THEN now() - make_interval(hours => 1 + mod(n * 7, 90 * 24))
            ELSE now() + make_interval(hours => 1 + mod(n * 7, 120 * 24))
        END AS due
    FROM generate_series(0, %(open)s - 1) AS n
) AS rows
ORDER BY n
"""
# One a few hours apart from the next: most are over, some of the last without results, and a month of them is to come.
FILL_SESSIONS = """
INSERT INTO enrollments_session (organization_id, course_id, name, starts_at, ends_at, location, facilitator_id,
    max_participants, status, cancel_reason, created_at, updated_at)
SELECT %(organization)s, %(first_course)s + mod(n, %(courses)s), 'Session ' || n, starts, starts + interval '3 hours',
    'Room ' || mod(n, 12), %(first_person)s + mod(n, 40), 20 + mod(n, 10),
    CASE WHEN starts < now() - interval '1 week' THEN 'completed' ELSE 'scheduled' END, '', now(), now()
FROM (
    SELECT n, now() + interval '40 days' - make_interval(hours => 4 * n) AS starts
    FROM generate_series(0, %(sessions)s - 1) AS n
) AS rows
"""
FILL_ENROLLMENTS = """
INSERT INTO enrollments_enrollment (organization_id, session_id, person_id, status, score, passed, enrolled_at,
    completed_at, created_by, updated_by)
SELECT s.organization_id, s.id, %(first_person)s + mod(s.id * %(seats)s + seat, %(people)s),
    CASE WHEN s.status = 'completed' THEN 'completed' ELSE 'enrolled' END,
    CASE WHEN s.status = 'completed' THEN 80 END, CASE WHEN s.status = 'completed' THEN true END,
    s.starts_at - interval '30 days', CASE WHEN s.status = 'completed' THEN s.ends_at END, 'user-0', 'user-0'
FROM enrollments_session AS s, generate_series(0, %(seats)s - 1) AS seat
WHERE s.organization_id = %(organization)s AND seat < s.max_participants - mod(s.id, 9)
"""
FILL_HISTORY = """
INSERT INTO accounts_historyentry (organization_id, at, actor, model, row_id, act, changes)
SELECT organization_id, updated_at, 'user-0', 'training.TrainSession', id, 'changed',
    jsonb_build_object('state', jsonb_build_array('assigned', state))
FROM training_trainsession WHERE organization_id = %(organization)s ORDER BY id
"""
FILL_UNITS = """
INSERT INTO training_unit (organization_id, course_id, expires_on, created_at)
SELECT %(organization)s, %(first_course)s + mod(n, %(courses)s), (now() + make_interval(days => mod(n, 400)))::date,
    now()
FROM generate_series(0, %(some)s - 1) AS n
"""
FILL_PREREQUISITES = """
INSERT INTO enrollments_prerequisite (organization_id, course_id, required_id)
SELECT %(organization)s, %(first_course)s + n, %(first_course)s + n - 1 FROM generate_series(1, %(courses)s - 1) AS n
"""
FILL_MEMBERS = """
INSERT INTO accounts_groupmember (organization_id, group_id, person_id)
SELECT %(organization)s, g.id, p.id
FROM accounts_group AS g JOIN accounts_person AS p ON mod(p.id, 40) = mod(g.id, 40)
WHERE g.organization_id = %(organization)s AND p.organization_id = %(organization)s
"""
FILL_NAMED = """
INSERT INTO training_requirementperson (organization_id, requirement_id, person_id)
SELECT %(organization)s, r.id, p.id
FROM training_requirement AS r JOIN accounts_person AS p ON mod(p.id, 100) = mod(r.id, 100)
WHERE r.organization_id = %(organization)s AND r.audience = 'people' AND p.organization_id = %(organization)s
ON CONFLICT DO NOTHING
"""
FILL_OPERATIONS = """
INSERT INTO accounts_bulkoperation (organization_id, kind, reason, details, counts, created_by, created_at, finished_at)
SELECT %(organization)s, 'import_records', 'File ' || n, '{}', '{"created": 5000}', 'user-0', now(), now()
FROM generate_series(0, 19) AS n
"""
FILL_OPERATION_ROWS = """
INSERT INTO accounts_bulkrow (organization_id, operation_id, line, key, outcome, reason, target_id)
SELECT o.organization_id, o.id, line, 'P-' || line, 'created', '', line
FROM accounts_bulkoperation AS o, generate_series(1, greatest(%(some)s / 2, 1)) AS line
WHERE o.organization_id = %(organization)s
"""
FILL_TOKENS = """
INSERT INTO accounts_apitoken (organization_id, name, prefix, digest, scopes, created_by, created_at)
SELECT %(organization)s, 'Token ' || n, substr(md5('token' || n), 1, 8), repeat('0', 64), '["training:read"]',
    'user-0', now()
FROM generate_series(0, 99) AS n
"""
FILL_ANSWERS = """
INSERT INTO accounts_idempotencyrecord (organization_id, token_id, key, fingerprint, status, headers, body, created_at)
SELECT t.organization_id, t.id, 'key-' || n, repeat('0', 64), 200, '{}', '{}', now()
FROM accounts_apitoken AS t, generate_series(1, greatest(%(some)s / 100, 1)) AS n
WHERE t.organization_id = %(organization)s
"""
FILL_TEMPLATES = """
INSERT INTO programs_programtemplate (organization_id, hex_id, name, description, created_at, modified_at)
SELECT %(organization)s, substr(md5('template' || n), 1, 24), 'Template ' || n, '', now(), now()
FROM generate_series(0, 99) AS n
"""
FILL_MODULES = """
INSERT INTO programs_module (organization_id, hex_id, template_id, position, type, course_id)
SELECT t.organization_id, substr(md5(t.id || 'module' || n), 1, 24), t.id, n, 'course',
    %(first_course)s + mod(t.id * 5 + n, %(courses)s)
FROM programs_programtemplate AS t, generate_series(1, 5) AS n WHERE t.organization_id = %(organization)s
"""
FILL_PROGRAMS = """
INSERT INTO programs_programsession (organization_id, hex_id, template_id, name, description, author_mail, lang,
    template_custom, session_custom, custom_fields, skills, groups, required_paths, starts_at, ends_at,
    automated_reminders, validate_registrations, has_user_limit, created_at, modified_at)
SELECT t.organization_id, substr(md5(t.id || 'program' || n), 1, 24), t.id, 'Program ' || n, '', '', '', '', '', '[]',
    '[]', '[]', '[]', now(), now() + interval '90 days', false, false, false, now(), now()
FROM programs_programtemplate AS t, generate_series(1, 2) AS n WHERE t.organization_id = %(organization)s
"""
FILL_PROGRAM_TUTORS = """
INSERT INTO programs_programtutor (organization_id, session_id, person_id)
SELECT organization_id, id, %(first_person)s + mod(id, %(people)s) FROM programs_programsession
WHERE organization_id = %(organization)s
"""
FILL_PROGRAM_REQUIREMENTS = """
INSERT INTO programs_programrequirement (organization_id, session_id, course_id)
SELECT organization_id, id, %(first_course)s + mod(id, %(courses)s) FROM programs_programsession
WHERE organization_id = %(organization)s
"""
FILL_PROGRAM_MEMBERS = """
INSERT INTO programs_programmember (organization_id, session_id, person_id, joined_at, created_by, updated_by)
SELECT s.organization_id, s.id, p.id, now(), 'user-0', 'user-0'
FROM programs_programsession AS s JOIN accounts_person AS p ON mod(p.id, 200) = mod(s.id, 200)
WHERE s.organization_id = %(organization)s AND p.organization_id = %(organization)s
"""
FILL_MEMBER_RECORDS = """
INSERT INTO programs_memberrecord (organization_id, member_id, train_session_id)
SELECT m.organization_id, m.id, min(t.id)
FROM programs_programmember AS m JOIN training_trainsession AS t
    ON t.organization_id = m.organization_id AND t.person_id = m.person_id AND t.state <> 'completed'
WHERE m.organization_id = %(organization)s GROUP BY m.organization_id, m.id
"""
BEFORE_REQUIREMENTS = [FILL_COMPLETED, FILL_OPEN, FILL_SESSIONS, FILL_ENROLLMENTS, FILL_HISTORY, FILL_UNITS]
AFTER_REQUIREMENTS = [
    FILL_PREREQUISITES,
    FILL_MEMBERS,
    FILL_NAMED,
    FILL_OPERATIONS,
    FILL_OPERATION_ROWS,
    FILL_TOKENS,
    FILL_ANSWERS,
    FILL_TEMPLATES,
    FILL_MODULES,
    FILL_PROGRAMS,
    FILL_PROGRAM_TUTORS,
    FILL_PROGRAM_REQUIREMENTS,
    FILL_PROGRAM_MEMBERS,
    FILL_MEMBER_RECORDS,
]


@dataclass(frozen=True)
class Filled:
    organization: Organization
    administrator: User
    superuser: User


def filled(*, records: int) -> Filled:
    """An organization with so many train sessions, nine of ten completed, and staff to look at it."""
    organization = create_organization(actor=SYSTEM, name="Benchmark", slug="benchmark", time_zone="Europe/Berlin")
    courses = _courses(organization)
    people = min(PEOPLE, max(records // 4, 1_000))
    numbers = {
        "organization": organization.pk,
        "people": people,
        "first_course": courses[0].pk,
        "courses": COURSES,
        "required": REQUIRED,
        "completed": records * 9 // 10,
        "open": records - records * 9 // 10,
        "sessions": min(SESSIONS, max(records // 100, 400)),
        "seats": SEATS,
        "some": max(records // 100, 100),
    }
    _run([FILL_PEOPLE], numbers)
    first = Person.objects.of(organization).earliest("pk")
    numbers["first_person"] = first.pk
    _run(BEFORE_REQUIREMENTS, numbers)
    _requirements(organization, courses, first)
    _run(AFTER_REQUIREMENTS, numbers)
    _check(organization, numbers)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")  # As the server does by itself, some minutes later.
    return Filled(organization, *_staff(organization))


def _courses(organization: Organization) -> list[Course]:
    categories = list(Category.objects.all())
    return [
        create_course(
            organization=organization,
            actor=SYSTEM,
            code=f"C-{number:03}",
            title=f"Course {number}",
            category=categories[number % len(categories)],
            certificate_months=24,
        )
        for number in range(COURSES)
    ]


def _requirements(organization: Organization, courses: list[Course], named: Person) -> None:
    """Of the first courses: two of three of everybody, the others of a group or of named people."""
    groups = Group.objects.bulk_create(Group(organization=organization, name=f"Group {number}") for number in range(20))
    for number, course in enumerate(courses[:REQUIRED]):
        of: dict[str, Any] = {"audience": "all"}
        if number % 3 == 2:
            group = {"audience": "group", "group": groups[number % len(groups)]}
            of = {"audience": "people", "people": [named]} if number % 2 else group
        create_requirement(organization=organization, actor=SYSTEM, course=course, due_days=30, **of)


def _staff(organization: Organization) -> tuple[User, User]:
    administrator = User.objects.create_user("administrator@example.com", organization=organization, is_staff=True)
    administrator.groups.add(Permissions.objects.get(name=Role.ADMINISTRATOR))
    return administrator, User.objects.create_superuser("superuser@example.com")


def _run(statements: list[str], numbers: dict[str, int]) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for statement in statements:
            cursor.execute(statement, numbers)


def _check(organization: Organization, numbers: dict[str, int]) -> None:
    """No lookup of a foreign key has: whether the statements made what they were to make."""
    records = TrainSession.objects.of(organization)
    owned = records.filter(person__organization=organization, course__organization=organization)
    completed = owned.filter(state=State.COMPLETED, completed_at__lte=timezone.now())
    oldest = timezone.now() - timedelta(days=1110)
    counts = (owned.count(), completed.filter(completed_at__gte=oldest).count(), owned.open().count())
    expected = (numbers["completed"] + numbers["open"], numbers["completed"], numbers["open"])
    if counts != expected:
        raise RuntimeError(f"The data is not as it should be: {counts}, expected {expected}.")
