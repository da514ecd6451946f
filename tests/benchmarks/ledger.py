"""A ledger of many organizations, made by statements in the database: a million train sessions in a minute or two.

One organization holds half of every table, a second one a fifth of the other half, and 199 others the rest; their rows
lie between one another, as they do where many write at the same time. No triggers fire and no foreign keys are looked up
meanwhile: what the statements say must be right. What looks random is taken from the row's number, the same in every run.
"""

# ruff: noqa: S608 - the statements are put together from constants

import hashlib
from dataclasses import dataclass

import psycopg

ZONE = "Europe/Berlin"
COURSES = 2_000
RECORDS_A_DAY = 2_000
MAIN, FIFTH = 1, 2  # Ids of the two that are measured.
PREFIXES = {MAIN: "0000be01", FIFTH: "0000be02"}
SCOPES = '["train_sessions:read", "training_assignments:read", "programs:read", "training:read", "training:write"]'

# In all of them: `o` is the organization (0 is the one with half of the rows), `n` the row's number in it, both from 0.
FUNCTIONS = """
CREATE FUNCTION pg_temp.spread(total bigint) RETURNS TABLE (id bigint, o int, n bigint) LANGUAGE sql IMMUTABLE AS $$
    SELECT g + 1,
        (CASE WHEN mod(g, 2) = 0 THEN 0 WHEN mod(g / 2, 5) = 0 THEN 1 ELSE 2 + mod(j, 199) END)::int,
        CASE WHEN mod(g, 2) = 0 THEN g / 2 WHEN mod(g / 2, 5) = 0 THEN g / 10 ELSE j / 199 END
    FROM (SELECT g, 4 * (g / 10) + mod(g / 2, 5) - 1 AS j FROM generate_series(0, 2 * total - 1) AS g) AS numbered
$$;
-- The id that `spread` gives to a row of an organization.
CREATE FUNCTION pg_temp.place(o int, n bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE o WHEN 0 THEN 2 * n + 1 WHEN 1 THEN 10 * n + 2
        ELSE 10 * ((199 * n + o - 2) / 4) + 2 * mod(199 * n + o - 2, 4) + 4 END
$$;
-- How many rows of a table an organization has at least.
CREATE FUNCTION pg_temp.share(o int, total bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE o WHEN 0 THEN total WHEN 1 THEN total / 5 ELSE greatest(total * 4 / 5 / 199, 1) END
$$;
CREATE FUNCTION pg_temp.luck(n bigint, below int) RETURNS int LANGUAGE sql IMMUTABLE AS $$
    SELECT mod(hashint8(n) & 2147483647, below)
$$;
"""
ORGANIZATIONS = """
INSERT INTO accounts_organization (id, name, slug, company_id, time_zone, created_at)
SELECT 1 + o, 'Organization ' || o, 'organization-' || o, substr(md5('company' || o), 1, 24), %(zone)s, now()
FROM generate_series(0, 200) AS o
"""
PEOPLE = """
INSERT INTO accounts_person (id, organization_id, employee_id, first_name, last_name, search_name, mail, username, kind,
    hex_id, active, created_at)
SELECT id, 1 + o, 'P-' || lpad(n::text, 7, '0'), first, last, lower(first || ' ' || last), 'p' || id || '@example.com',
    'p' || id, 'user', substr(md5('person' || id), 1, 24), mod(n, 50) <> 7, now() - interval '3 years'
FROM (
    SELECT id, o, n, firsts[1 + pg_temp.luck(n, 20)] AS first, initcap(
        parts[1 + pg_temp.luck(n + 1000000007, 24)] || parts[1 + pg_temp.luck(n + 2000000011, 24)]
        || parts[1 + pg_temp.luck(n + 3000000019, 24)]
    ) AS last
    FROM pg_temp.spread(%(people)s),
        string_to_array('Ada Bo Chiara Dmitri Elif Farid Grace Hanna Ivan Joan Kofi Lena Marie Nils Olga Priya Quentin '
            'Rosa Sven Tove', ' ') AS firsts,
        string_to_array('al ber cor dun ek fin gar hol ing jor kam lind mor nov oss pet quist rad sten tor ulm vik '
            'wies zan', ' ') AS parts
    OFFSET 0
) AS named
"""
COURSES_MADE = """
INSERT INTO enrollments_course (id, organization_id, code, title, search_code, search_title, category_id, delivery_mode,
    duration_hours, cost_per_participant, provider, provider_name, description, certificate_months, uses_units, status,
    uuid, revision, hex_id, created_at, updated_at)
SELECT id, 1 + o, 'C-' || lpad(n::text, 4, '0'), title, 'c-' || lpad(n::text, 4, '0'), lower(title),
    (SELECT min(id) FROM enrollments_category) + mod(n, 6), 'online', 1 + mod(n, 30) / 4.0, mod(n, 7) * 100, 'internal',
    '', 'What everybody must know of it.', 24, false, 'published', md5('course' || id)::uuid,
    md5('revision' || id)::uuid, substr(md5('course' || id), 1, 24), now() - interval '3 years', now()
FROM (
    SELECT id, o, n, what[1 + pg_temp.luck(n, 10)] || ' for ' || whom[1 + pg_temp.luck(n + 77, 10)] || ' ' || n AS title
    FROM pg_temp.spread(%(courses)s),
        string_to_array('Fire safety,First aid,Ladders,Forklifts,Data protection,Chemicals,Hearing,Leadership,Lifting,'
            'Machines', ',') AS what,
        string_to_array('everybody,offices,drivers,warehouses,laboratories,managers,newcomers,nights,visitors,'
            'workshops', ',') AS whom
    OFFSET 0
) AS titled
"""
# What units and records agree on: whose, of which course, and when it was made. Twenty for each person.
# (`OFFSET 0`: each figure is worked out once, and not once for each place where it is used.)
RECORD = """
    SELECT id, o, n, pg_temp.place(o, mod(n, pg_temp.share(o, %(people)s))) AS person_id,
        pg_temp.place(o, mod(mod(n, pg_temp.share(o, %(people)s)) * 7 + n / pg_temp.share(o, %(people)s),
            pg_temp.share(o, %(courses)s))) AS course_id,
        least(n * 20 / pg_temp.share(o, %(records)s), 19) AS phase,
        pg_temp.luck(n, 1000) AS one, pg_temp.luck(n + 4000000007, 1000) AS two,
        now() - interval '1 minute' - interval '1 day' * (%(days)s
            * greatest(1 - n::float8 / pg_temp.share(o, %(records)s), 0)) AS created
    FROM pg_temp.spread(%(records)s) OFFSET 0
"""
UNITS = f"""
INSERT INTO training_unit (id, organization_id, course_id, expires_on, created_at)
SELECT id, 1 + o, course_id, created::date + 400 + one, created FROM ({RECORD}) AS record WHERE mod(n, 20) = 0
"""
# The newest of twenty are all open, of the fourteen oldest none. At most one open record for a person and course.
RECORDS = f"""
INSERT INTO training_trainsession (id, organization_id, uuid, person_id, course_id, unit_id, state, score, percent,
    failed_attempts, time_spent, assigned_at, started_at, last_attempt_at, completed_at, due_at, overdue, cert_expiry,
    origin, unassigned_at, unassign_reason, created_at, created_by, updated_at, updated_by)
SELECT id, 1 + o, md5('record' || id)::uuid, person_id, course_id, CASE WHEN mod(n, 20) = 0 AND NOT gone THEN id END,
    state,
    CASE state WHEN 'completed' THEN 60 + mod(one, 81) / 2.0 WHEN 'failed' THEN mod(one, 60) END,
    CASE state WHEN 'completed' THEN 100 WHEN 'assigned' THEN 0 ELSE 5 + mod(one, 90) END,
    CASE WHEN state = 'failed' THEN 1 + mod(one, 3) WHEN state = 'completed' AND two < 200 THEN mod(two, 4) ELSE 0 END,
    CASE WHEN state = 'assigned' THEN 0 ELSE (1 + mod(one, 160)) / 20.0 END,
    created, CASE WHEN state <> 'assigned' THEN created + passed * 0.1 END,
    CASE WHEN state IN ('completed', 'failed') THEN created + passed END,
    CASE WHEN state = 'completed' THEN created + passed END,
    due, state <> 'completed' AND coalesce(due <= now(), false),
    CASE WHEN state = 'completed' THEN (created + passed + interval '2 years')::date END,
    'requirement', CASE WHEN gone THEN created + passed END, CASE WHEN gone THEN 'Left' ELSE '' END,
    created, 'user-0',
    created + passed * (CASE WHEN state = 'assigned' AND NOT gone THEN 0 ELSE 1 END)
        - interval '10 seconds' + n * interval '1 microsecond', 'user-0'
FROM (
    SELECT *, open AND mod(two, 33) = 0 AS gone,
        CASE WHEN NOT open THEN 'completed' WHEN two < 700 THEN 'assigned' WHEN two < 900 THEN 'in_progress'
            ELSE 'failed' END AS state,
        least(now() - interval '1 minute' - created, interval '20 days') * (two / 1000.0) AS passed,
        CASE WHEN mod(one, 10) > 0 THEN
            ((created AT TIME ZONE %(zone)s)::date + 31)::timestamp AT TIME ZONE %(zone)s - interval '1 microsecond'
        END AS due
    FROM (SELECT *, phase >= 14 AND one < (phase - 13) * 167 AS open FROM ({RECORD}) AS record) AS record
    OFFSET 0
) AS record
"""
SESSIONS = """
INSERT INTO enrollments_session (id, organization_id, course_id, name, starts_at, ends_at, location, facilitator_id,
    max_participants, status, cancel_reason, created_at, updated_at)
SELECT id, 1 + o, pg_temp.place(o, mod(n, pg_temp.share(o, %(courses)s))), 'Session ' || n, starts,
    starts + interval '3 hours', 'Room ' || mod(n, 12), pg_temp.place(o, mod(n, pg_temp.share(o, %(people)s))), 20,
    CASE WHEN starts < now() THEN 'completed' ELSE 'scheduled' END, '', now() - interval '3 years', now()
FROM (
    SELECT *, now() - interval '700 days' + interval '800 days' * (n::float8 / pg_temp.share(o, %(sessions)s)) AS starts
    FROM pg_temp.spread(%(sessions)s)
) AS session
"""
ENROLLMENTS = """
INSERT INTO enrollments_enrollment (id, organization_id, session_id, person_id, status, score, passed, enrolled_at,
    completed_at, cancelled_at, created_by, updated_by)
SELECT id, 1 + o, session_id, person_id, became, CASE became WHEN 'completed' THEN 70 + mod(n, 60) / 2.0 END,
    CASE became WHEN 'completed' THEN true END, starts_at - interval '30 days',
    CASE became WHEN 'completed' THEN ends_at END, CASE became WHEN 'cancelled' THEN starts_at END, 'user-0', 'user-0'
FROM (
    SELECT e.*, s.id AS session_id, s.starts_at, s.ends_at,
        pg_temp.place(o, mod(n, pg_temp.share(o, %(people)s))) AS person_id,
        CASE WHEN mod(n, 20) = 3 THEN 'cancelled' WHEN s.status = 'scheduled' THEN 'enrolled'
            WHEN mod(n, 10) = 9 THEN 'absent' ELSE 'completed' END AS became
    FROM pg_temp.spread(%(enrollments)s) AS e JOIN enrollments_session AS s ON s.id = pg_temp.place(o, n / 10)
    WHERE mod(n, 10) < pg_temp.share(o, %(people)s) AND n / 10 < pg_temp.share(o, %(sessions)s)
) AS enrollment
"""
TEMPLATES = """
INSERT INTO programs_programtemplate (id, organization_id, hex_id, name, description, created_at, modified_at)
SELECT id, 1 + o, substr(md5('template' || id), 1, 24), 'Template ' || n, '', now(), now()
FROM pg_temp.spread(%(templates)s)
"""
MODULES = """
INSERT INTO programs_module (organization_id, hex_id, template_id, position, type, course_id)
SELECT 1 + o, substr(md5(id || 'module' || m), 1, 24), id, m, 'course',
    pg_temp.place(o, mod(n * 10 + m, pg_temp.share(o, %(courses)s)))
FROM pg_temp.spread(%(templates)s), generate_series(1, 10) AS m
"""
PROGRAMS = """
INSERT INTO programs_programsession (id, organization_id, hex_id, template_id, name, description, author_mail, lang,
    template_custom, session_custom, custom_fields, skills, groups, required_paths, starts_at, ends_at,
    automated_reminders, validate_registrations, program_duration, has_user_limit, user_limit, created_at, modified_at)
SELECT id, 1 + o, substr(md5('program' || id), 1, 24), pg_temp.place(o, mod(n, pg_temp.share(o, %(templates)s))),
    'Program ' || n, 'From a first team on.', 'hr@example.com', 'en', '', '', '[{"name": "site", "value": "north"}]',
    '[]', '[]', '[]', now(), now() + interval '90 days', true, false, CASE WHEN mod(n, 2) = 0 THEN 7.5 END,
    mod(n, 3) = 0, CASE WHEN mod(n, 3) = 0 THEN 60 END, now(), now()
FROM pg_temp.spread(%(programs)s)
"""
TUTORS = """
INSERT INTO programs_programtutor (organization_id, session_id, person_id)
SELECT 1 + o, id, pg_temp.place(o, mod(n, pg_temp.share(o, %(people)s))) FROM pg_temp.spread(%(programs)s)
"""
REQUIRED = """
INSERT INTO programs_programrequirement (organization_id, session_id, course_id)
SELECT 1 + o, id, pg_temp.place(o, mod(n, pg_temp.share(o, %(courses)s))) FROM pg_temp.spread(%(programs)s)
"""
MEMBERS = """
INSERT INTO programs_programmember (organization_id, session_id, person_id, joined_at, created_by, updated_by)
SELECT 1 + o, id, pg_temp.place(o, mod(n * 50 + m, pg_temp.share(o, %(people)s))), now(), 'user-0', 'user-0'
FROM pg_temp.spread(%(programs)s), generate_series(0, 49) AS m WHERE m < pg_temp.share(o, %(people)s)
"""
TOKEN = """
INSERT INTO accounts_apitoken (organization_id, name, prefix, digest, scopes, created_by, created_at)
VALUES (%(organization)s, 'Benchmark', %(prefix)s, %(digest)s, %(scopes)s, 'user-0', now())
"""
FILLED = {
    "accounts_organization": [ORGANIZATIONS],
    "accounts_person": [PEOPLE],
    "enrollments_course": [COURSES_MADE],
    "training_unit": [UNITS],
    "training_trainsession": [RECORDS],
    "enrollments_session": [SESSIONS],
    "enrollments_enrollment": [ENROLLMENTS],
    "programs_programtemplate": [TEMPLATES],
    "programs_module": [MODULES],
    "programs_programsession": [PROGRAMS],
    "programs_programtutor": [TUTORS],
    "programs_programrequirement": [REQUIRED],
    "programs_programmember": [MEMBERS],
}
# Without those of constraints. An index is made in a fraction of the time that it takes to keep one.
INDEXES = """
SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index AS i
WHERE i.indrelid = ANY (%(tables)s::regclass[]) AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid)
"""
STRAY = """
SELECT count(*) FROM training_trainsession AS t
LEFT JOIN accounts_person AS p ON p.id = t.person_id AND p.organization_id = t.organization_id
LEFT JOIN enrollments_course AS c ON c.id = t.course_id AND c.organization_id = t.organization_id
WHERE p.id IS NULL OR c.id IS NULL
"""


@dataclass(frozen=True)
class Ledger:
    url: str
    records: int  # Of the main organization; the fifth has a fifth of them.


def secret(organization: int) -> str:
    return f"tl_{PREFIXES[organization]}_{'benchmark' * 5}"


def numbers(records: int) -> dict[str, int | str]:
    """At a million: 50,000 people, 20,000 sessions, 200,000 enrollments, 2,000 program sessions of 50."""
    return {
        "zone": ZONE,
        "records": records,
        "days": max(records // RECORDS_A_DAY, 2),
        "people": max(records // 20, 1_000),
        "courses": COURSES,
        "sessions": max(records // 50, 400),
        "enrollments": max(records // 5, 4_000),
        "templates": 500,
        "programs": max(records // 500, 20),
    }


def build(url: str, records: int) -> Ledger:
    """Fill the migrated, empty database at `url`."""
    given = numbers(records)
    with psycopg.connect(url, autocommit=True) as database:
        database.execute("SET session_replication_role = replica")
        database.execute("SET maintenance_work_mem = '512MB'")
        database.execute(FUNCTIONS)
        indexes = database.execute(INDEXES, {"tables": list(FILLED)}).fetchall()
        for name, _ in indexes:
            database.execute(f"DROP INDEX {name}".encode())
        for table, statements in FILLED.items():
            for statement in statements:
                database.execute(statement.encode(), given)
            database.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}".encode())
        for _, definition in indexes:
            database.execute(definition.encode())
        for organization, prefix in PREFIXES.items():
            digest = hashlib.sha256(secret(organization).encode()).hexdigest()
            of = {"organization": organization, "prefix": prefix, "digest": digest, "scopes": SCOPES}
            database.execute(TOKEN, of)
        database.execute("VACUUM ANALYZE")  # As the server does by itself, some minutes later.
        database.execute("CHECKPOINT")
        if (stray := database.execute(STRAY).fetchone()) != (0,):
            raise RuntimeError(f"Of the train sessions {stray} name nobody's person or course.")
    return Ledger(url, records)
