"""The practical limit: psycopg and orjson in a WSGI function, SQL by hand, no framework, no token.

It serves what the other two are compared on: pages and the complete list of train sessions, and pages of the feed.
"""

import os
import threading
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import parse_qsl

import orjson
import psycopg
from psycopg.rows import dict_row

SHOWN = """
SELECT t.id, c.code AS course_code, coalesce(floor(t.score), 0)::int AS score, t.percent AS percent_complete,
    t.failed_attempts, CASE t.state WHEN 'assigned' THEN 'Assigned' WHEN 'in_progress' THEN 'In Progress'
        WHEN 'failed' THEN 'Failed' ELSE 'Completed' END AS status,
    t.cert_expiry, (t.completed_at AT TIME ZONE 'Europe/Berlin')::date AS completion_date,
    (t.due_at AT TIME ZONE 'Europe/Berlin')::date AS complete_by, btrim(p.first_name || ' ' || p.last_name) AS full_name,
    CASE right(t.time_spent::text, 1) WHEN '0' THEN left(t.time_spent::text, -1) ELSE t.time_spent::text END AS time_spent
FROM training_trainsession AS t JOIN enrollments_course AS c ON c.id = t.course_id
    JOIN accounts_person AS p ON p.id = t.person_id
WHERE t.organization_id = {organization} AND t.unassigned_at IS NULL
"""
PAGE = f"""{SHOWN} AND t.state = %(state)s
    AND t.due_at >= %(complete_by_eq)s::date::timestamp AT TIME ZONE 'Europe/Berlin'
    AND t.due_at < (%(complete_by_eq)s::date + 1)::timestamp AT TIME ZONE 'Europe/Berlin'
ORDER BY t.id DESC LIMIT %(per_page)s"""
CHUNK = f"{SHOWN} AND t.id < %(behind)s ORDER BY t.id DESC LIMIT 2000"
FEED = """
SELECT t.*, c.uuid AS course_uuid, c.revision, p.kind
FROM training_trainsession AS t JOIN enrollments_course AS c ON c.id = t.course_id
    JOIN accounts_person AS p ON p.id = t.person_id
WHERE t.organization_id = {organization} AND (t.updated_at, t.id) > (%(at)s::timestamptz, %(pk)s)
ORDER BY t.updated_at, t.id LIMIT 200"""
FEED_STATUS = {"assigned": "notStarted", "in_progress": "inProgress", "failed": "inProgress", "completed": "completed"}
local = threading.local()


def rows(sql: str, given: dict[str, Any]) -> list[dict[str, Any]]:
    if not hasattr(local, "connection"):
        local.connection = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, row_factory=dict_row)
        local.connection.execute("SET TIME ZONE 'UTC'")
    # Written in, because a plan for any organization would be one for an average one.
    statement = sql.format(organization=int(given["organization"]))
    found: list[dict[str, Any]] = local.connection.execute(statement, given, prepare=True).fetchall()
    return found


def assignment(row: dict[str, Any]) -> dict[str, Any]:
    completed, due = row["state"] == "completed", row["due_at"]
    shown = {
        "id": row["uuid"],
        "course": {"id": row["course_uuid"], "revisionId": row["revision"]},
        "learner": {"id": f"{row['kind']}-{row['person_id']}", "type": row["kind"]},
        "status": FEED_STATUS[row["state"]],
        "createdAtTime": row["created_at"],
        "createdById": row["created_by"],
        "updatedAtTime": row["updated_at"],
        "updatedById": row["updated_by"],
        "durationMinutes": int(row["time_spent"] * 60),
        "startedAtTime": row["started_at"],
        "completedAtTime": row["completed_at"],
        "dueAtTime": due,
        "deletedAtTime": row["unassigned_at"],
        "isOverdue": row["overdue"] if due and not completed else None,
        "isCompletedLate": row["completed_at"] > due if due and completed else None,
        "scorePercent": float(row["score"]) if completed and row["score"] is not None else None,
    }
    return {key: value for key, value in shown.items() if value is not None}


def complete(given: dict[str, Any]) -> Iterator[bytes]:
    behind, separator = 2**62, b"["
    while found := rows(CHUNK, {**given, "behind": behind}):
        yield separator + orjson.dumps(found)[1:-1]
        behind, separator = found[-1]["id"], b","
    yield b"]"


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    given: dict[str, Any] = dict(parse_qsl(environ["QUERY_STRING"]), organization=environ["HTTP_ORGANIZATION"])
    start_response("200 OK", [("Content-Type", "application/json")])
    if environ["PATH_INFO"].startswith("/training-assignments"):
        at, _, pk = given.get("after", f"{given.get('startTime', '')},0").partition(",")
        found = rows(FEED, {**given, "at": at, "pk": pk})
        end = f"{found[-1]['updated_at'].isoformat()},{found[-1]['id']}" if found else ""
        data = [assignment(row) for row in found]
        body = {"data": data, "pagination": {"endCursor": end, "hasNextPage": True}}
        return [orjson.dumps(body, option=orjson.OPT_UTC_Z)]
    if "per_page" not in given:
        return complete(given)
    given["state"] = given["status_eq"].lower().replace(" ", "_")
    return [orjson.dumps(rows(PAGE, given))]
