"""What the tables of failures and routes need to know of each family. A further family is one more entry.

Paths and bodies are templates over ids: `{course}`, `{session}`, `{person}`, `{enrollment}`, `{record}`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Ids = Mapping[str, int]
Body = Callable[[Ids], Any]
# A family's error body, of its sentences and of its sentences by field.
Shape = Callable[[Sequence[str], Mapping[str, Sequence[str]]], Any]


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    body: Body | None = None

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def writes(self) -> bool:
        return self.method != "GET"


@dataclass(frozen=True)
class Family:
    name: str
    prefix: str
    shape: Shape
    challenge: str
    rate_setting: str
    scopes: tuple[str, str]  # To read and to write.
    listing: str
    known: str  # The parameters of the list, as its refusal names them.
    allowed: str  # The methods of the list.
    text_filter: str
    filter_value: tuple[str, str, str]  # A filter, a value that it refuses, and what it accepts.
    alias: tuple[str, str] | None  # Another spelling of a parameter, and the documented one.
    missing: Mapping[str, str]  # What is said of each kind of object that is not there, by its path.
    # Every operation, each with what makes it succeed. The paths in `missing` are among them.
    routes: Sequence[Request]
    write: Request  # One of them, whose body has the one documented form of `write_keys`.
    write_keys: str
    nul: tuple[Request, str]  # A write with a NUL in a text, and the field that is named.
    conflict: tuple[Request, str]  # A write against the state of things, and what is said.
    # What is called for every read, and what is called when a write has had its effect.
    crash_of_read: str
    crash_of_write: tuple[str, Request]
    # Requests that name another organization's rows, beside those of `missing`.
    mentions: Sequence[Request] = field(default=())


def training_shape(texts: Sequence[str], fields: Mapping[str, Sequence[str]]) -> Any:
    return {"success": False, "message": " ".join(texts), **({"errors": fields} if fields else {})}


def train_sessions_shape(texts: Sequence[str], _fields: Mapping[str, Sequence[str]]) -> Any:
    return {"errors": list(texts)}


def course_body(_ids: Ids) -> Any:
    return {"code": "NEW", "title": "New", "category": "safety"}


def session_body(ids: Ids) -> Any:
    times = {"start_date": "2030-01-01T09:00:00Z", "end_date": "2030-01-01T17:00:00Z"}
    return {"course_id": ids["course"], "session_name": "New", **times}


def employee_body(_ids: Ids) -> Any:
    return {"employee_id": "NEW", "first_name": "New"}


def enrollment_body(ids: Ids) -> Any:
    return {"session_id": ids["session"], "employee_ids": [ids["person"]]}


TRAINING = "/api/v1/training"
ENROLL = Request("POST", f"{TRAINING}/enrollments", enrollment_body)
RECORDS = "/api/train_sessions"
UNASSIGN = Request("POST", f"{RECORDS}/unassign", lambda ids: {"ids": [ids["record"]]})
PROGRESS = Request("PATCH", f"{RECORDS}/{{record}}", lambda _ids: {"percent_complete": 10})

FAMILIES = (
    Family(
        name="training",
        prefix=TRAINING,
        shape=training_shape,
        challenge='Bearer realm="training"',
        rate_setting="RATE_LIMIT_TRAINING",
        scopes=("training:read", "training:write"),
        listing=f"{TRAINING}/courses",
        known="category, delivery_mode, page, per_page, search",
        allowed="GET, POST, HEAD",
        text_filter="search",
        filter_value=("delivery_mode", "by'mail", "one of in_person, online, hybrid, self_paced"),
        alias=None,
        missing={
            f"{TRAINING}/courses/{{course}}": "Course not found.",
            f"{TRAINING}/sessions/{{session}}": "Session not found.",
            f"{TRAINING}/enrollments/{{enrollment}}": "Enrollment not found.",
            f"{TRAINING}/employees/{{person}}": "Employee not found.",
        },
        routes=(
            Request("GET", f"{TRAINING}/courses"),
            Request("POST", f"{TRAINING}/courses", course_body),
            Request("GET", f"{TRAINING}/courses/{{course}}"),
            Request("PATCH", f"{TRAINING}/courses/{{course}}", lambda _ids: {"title": "Other"}),
            Request("GET", f"{TRAINING}/sessions"),
            Request("POST", f"{TRAINING}/sessions", session_body),
            Request("GET", f"{TRAINING}/sessions/{{session}}"),
            Request("PATCH", f"{TRAINING}/sessions/{{session}}", lambda _ids: {"location": "Elsewhere"}),
            Request("GET", f"{TRAINING}/enrollments"),
            ENROLL,
            Request("GET", f"{TRAINING}/enrollments/{{enrollment}}"),
            Request("PATCH", f"{TRAINING}/enrollments/{{enrollment}}/complete", lambda _ids: {"score": 82}),
            Request("PATCH", f"{TRAINING}/enrollments/{{enrollment}}/cancel", lambda _ids: {}),
            Request("GET", f"{TRAINING}/employees"),
            Request("POST", f"{TRAINING}/employees", employee_body),
            Request("GET", f"{TRAINING}/employees/{{person}}"),
            Request("PATCH", f"{TRAINING}/employees/{{person}}", lambda _ids: {"first_name": "Grace"}),
        ),
        write=ENROLL,
        write_keys="session_id, employee_ids",
        nul=(Request("POST", f"{TRAINING}/courses", lambda ids: course_body(ids) | {"title": "a\0b"}), "title"),
        conflict=(
            Request("PATCH", f"{TRAINING}/enrollments/{{completed_enrollment}}/complete", lambda _ids: {"score": 1}),
            "Enrollment {completed_enrollment} is completed; only an enrolled one can be changed.",
        ),
        crash_of_read="enrollments.selectors.courses",
        crash_of_write=("enrollments.selectors.sessions", Request("POST", f"{TRAINING}/sessions", session_body)),
        mentions=(
            Request("GET", f"{TRAINING}/sessions?course_id={{course}}"),
            Request("GET", f"{TRAINING}/enrollments?employee_id={{person}}"),
            Request("GET", f"{TRAINING}/enrollments?session_id={{session}}"),
            Request("GET", f"{TRAINING}/enrollments?course_id={{course}}"),
            ENROLL,
            Request(
                "POST",
                f"{TRAINING}/enrollments",
                lambda ids: {"session_id": ids["own_session"], "employee_ids": [ids["own_person"], ids["person"]]},
            ),
            Request("POST", f"{TRAINING}/courses", lambda ids: course_body(ids) | {"prerequisites": [ids["course"]]}),
            Request("PATCH", f"{TRAINING}/courses/{{own_course}}", lambda ids: {"prerequisites": [ids["course"]]}),
            Request("POST", f"{TRAINING}/sessions", session_body),
            Request("PATCH", f"{TRAINING}/sessions/{{own_session}}", lambda ids: {"facilitator_id": ids["person"]}),
            Request("PATCH", f"{TRAINING}/sessions/{{own_session}}", lambda ids: {"course_id": ids["course"]}),
        ),
    ),
    Family(
        name="train_sessions",
        prefix=RECORDS,
        shape=train_sessions_shape,
        challenge='Token realm="train_sessions"',
        rate_setting="RATE_LIMIT_TRAIN_SESSIONS",
        scopes=("train_sessions:read", "train_sessions:write"),
        listing=RECORDS,
        known="assignee_login_username_eq, cert_expiry_gt, cert_expiry_lt, complete_by_eq, completion_date_gteq, "
        "completion_date_lteq, course_code_or_course_name_cont, failed_attempts_eq, full_name_cont, last_attempt_eq, "
        "page, per_page, percent_complete_eq, s, score_eq, status_eq, unit_unit_expiry_gt, unit_unit_expiry_lt",
        allowed="GET, HEAD",
        text_filter="full_name_cont",
        filter_value=("completion_date_gteq", "May 1st", "a day as YYYY-MM-DD"),
        alias=("score", "score_eq"),
        missing={f"{RECORDS}/{{record}}": "Train session not found."},
        routes=(
            Request("GET", RECORDS),
            Request("GET", f"{RECORDS}/{{record}}"),
            PROGRESS,
            Request("POST", f"{RECORDS}/{{record}}/attempts", lambda _ids: {"score": 80}),
            UNASSIGN,
        ),
        write=UNASSIGN,
        write_keys="ids",
        nul=(
            Request("POST", f"{RECORDS}/unassign", lambda ids: {"course_codes": ["a\0b"], "login_id": ids["person"]}),
            "course_codes.0",
        ),
        conflict=(
            Request("POST", f"{RECORDS}/{{completed_record}}/attempts", lambda _ids: {"score": 80}),
            "Train session {completed_record} is completed; it cannot be changed.",
        ),
        crash_of_read="training.selectors.live_records",
        crash_of_write=("training.selectors.live_records", PROGRESS),
        mentions=(
            UNASSIGN,
            Request("POST", f"{RECORDS}/unassign?ids=[{{own_record}},{{record}}]"),
            Request(
                "POST",
                f"{RECORDS}/unassign",
                lambda ids: {"course_codes": ["OWN"], "login_id": ids["person"]},
            ),
            Request(
                "POST",
                f"{RECORDS}/unassign",
                lambda ids: {"course_codes": [f"FOREIGN-{ids['course']}"], "login_id": ids["own_person"]},
            ),
        ),
    ),
)
