"""What the tables of failures and routes need to know of each family. A further family is one more entry.

Paths, queries and bodies are templates over the ids of `tests.contracts.scene`: `{course}`, `{course_uuid}` and so on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

Ids = Mapping[str, int | str]
Body = Callable[[Ids], Any]
# The code of a failure that has none of its own.
CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    414: "address_too_long",
    415: "unsupported_media_type",
    422: "invalid",
    429: "rate_limited",
    500: "internal_error",
    503: "busy",
}
# Every family's rows come through here.
STATEMENTS = "accounts.statements.Statement.begun"
# Stands for the id of the request, as the answer's own header shows it.
THE_REQUEST_ID = "<X-Request-Id>"


@dataclass(frozen=True)
class Said:
    """What a failure answers. Sentences by field are said with the field's name before each, where none is given."""

    status: int
    texts: Sequence[str] = ()
    fields: Mapping[str, Sequence[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    code: str = ""  # Where it is another than the status's.

    @property
    def sentences(self) -> list[str]:
        return list(self.texts) or [f"{name}: {text}" for name, texts in self.fields.items() for text in texts]

    def of(self, ids: Ids) -> "Said":
        return replace(self, texts=[text.format_map(ids) for text in self.texts])


# A family's error body.
Shape = Callable[[Said], Any]


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    body: Body | None = None
    query: str = ""
    status: int = 200  # Of its success.
    scope: str = ""  # Where it needs another than the family's.

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}{'?' * bool(self.query)}{self.query}"

    @property
    def writes(self) -> bool:
        return self.method not in {"GET", "HEAD"}

    @property
    def answers_nothing(self) -> bool:
        """A success without a body."""
        return self.status in {204, 302}

    def target(self, ids: Ids, more: str = "") -> str:
        """The path, the query and what is added to that."""
        query = "&".join(part for part in (self.query.format_map(ids), more) if part)
        return f"{self.path.format_map(ids)}{'?' * bool(query)}{query}"


@dataclass(frozen=True)
class Family:
    name: str
    prefix: str
    shape: Shape
    challenge: str
    rate_settings: tuple[str, str]  # Of reads and of writes, which may be one.
    scopes: tuple[str, str]  # To read and to write.
    listing: str
    known: str  # The parameters of the list, as its refusal names them.
    allowed: str  # The methods of the list.
    # A parameter that may be given once, and what is said of one with a NUL: nothing, where its value is not looked at.
    text_filter: str
    filter_value: tuple[str, str, str] | None  # A filter, a value that it refuses, and what it accepts.
    alias: tuple[str, str] | None  # Another spelling of a parameter, and the documented one.
    # What is said of each kind of object that is not there.
    missing: Sequence[tuple[Request, Said]]
    # Every operation, each with what makes it succeed. The paths in `missing` are among them.
    routes: Sequence[Request]
    write: Request  # One of them, whose body has the one documented form of `write_keys`.
    write_keys: str
    write_known: str  # The parameters of `write`, as its refusal names them.
    nul: tuple[Request, str] | None  # A write with a NUL in a text of its body, and the field that is named.
    conflict: tuple[Request, Said]  # A write against the state of things.
    # What is called for every read, and what is called when a write has had its effect.
    crash_of_read: str
    crash_of_write: tuple[str, Request]
    # Requests that name another organization's rows, beside those of `missing`.
    mentions: Sequence[Request] = field(default=())
    text_accepted: str = "text without NUL characters"
    filler: str = "a"  # What `text_filter` takes at any length.
    unprocessable: int = 422  # The status of what can be read and breaks a rule.
    rate_of: str = "token"  # Whose requests are counted together.

    def scope_of(self, request: Request) -> str:
        return request.scope or self.scopes[request.writes]


def training_shape(said: Said) -> Any:
    return {"success": False, "message": " ".join(said.sentences), **({"errors": said.fields} if said.fields else {})}


def train_sessions_shape(said: Said) -> Any:
    return {"errors": said.sentences}


def assignments_shape(said: Said) -> Any:
    return {"message": " ".join(said.sentences), "requestId": THE_REQUEST_ID}


def programs_shape(said: Said) -> Any:
    return {"error": said.code or CODES[said.status], "description": " ".join(said.sentences)}


def no_keys(_ids: Ids) -> Any:
    return {}


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
ENROLL = Request("POST", f"{TRAINING}/enrollments", enrollment_body, status=201)
RECORDS = "/api/train_sessions"
UNASSIGN = Request("POST", f"{RECORDS}/unassign", lambda ids: {"ids": [ids["record"]]})
PROGRESS = Request("PATCH", f"{RECORDS}/{{record}}", lambda _ids: {"percent_complete": 10})
ASSIGNMENTS = "/training-assignments"
STREAM = f"{ASSIGNMENTS}/stream"
COURSES_READ = "training_courses:read"
LONG_AGO = "startTime=1999-12-31T00:00:00Z&endTime=2000-01-02T00:00:00Z"  # When the scene's records are from.
DUE = "dueAtTime=2031-01-01T00:00:00Z"
MOVE = Request("PATCH", ASSIGNMENTS, no_keys, f"ids={{record_uuid}}&{DUE}")
PROGRAMS = "/api/v1/programs"
PROGRAM = f"{PROGRAMS}/sessions/{{program_hex}}"
JOIN = Request("PUT", f"{PROGRAM}/users/{{person_hex}}", no_keys)
NO_PROGRAM = Said(404, ["There is no program session {program_hex}."], code="session_not_found")
NO_TEMPLATE = Said(404, ["There is no program template {template_hex}."], code="template_not_found")

FAMILIES = (
    Family(
        name="training",
        prefix=TRAINING,
        shape=training_shape,
        challenge='Bearer realm="training"',
        rate_settings=("RATE_LIMIT_TRAINING", "RATE_LIMIT_TRAINING"),
        scopes=("training:read", "training:write"),
        listing=f"{TRAINING}/courses",
        known="category, delivery_mode, page, per_page, search",
        allowed="GET, POST, HEAD",
        text_filter="search",
        filter_value=("delivery_mode", "by'mail", "one of in_person, online, hybrid, self_paced"),
        alias=None,
        missing=(
            (Request("GET", f"{TRAINING}/courses/{{course}}"), Said(404, ["Course not found."])),
            (Request("GET", f"{TRAINING}/sessions/{{session}}"), Said(404, ["Session not found."])),
            (Request("GET", f"{TRAINING}/enrollments/{{enrollment}}"), Said(404, ["Enrollment not found."])),
            (Request("GET", f"{TRAINING}/employees/{{person}}"), Said(404, ["Employee not found."])),
        ),
        routes=(
            Request("GET", f"{TRAINING}/courses"),
            Request("POST", f"{TRAINING}/courses", course_body, status=201),
            Request("GET", f"{TRAINING}/courses/{{course}}"),
            Request("PATCH", f"{TRAINING}/courses/{{course}}", lambda _ids: {"title": "Other"}),
            Request("GET", f"{TRAINING}/sessions"),
            Request("POST", f"{TRAINING}/sessions", session_body, status=201),
            Request("GET", f"{TRAINING}/sessions/{{session}}"),
            Request("PATCH", f"{TRAINING}/sessions/{{session}}", lambda _ids: {"location": "Elsewhere"}),
            Request("GET", f"{TRAINING}/enrollments"),
            ENROLL,
            Request("GET", f"{TRAINING}/enrollments/{{enrollment}}"),
            Request("PATCH", f"{TRAINING}/enrollments/{{enrollment}}/complete", lambda _ids: {"score": 82}),
            Request("PATCH", f"{TRAINING}/enrollments/{{enrollment}}/cancel", lambda _ids: {}),
            Request("GET", f"{TRAINING}/employees"),
            Request("POST", f"{TRAINING}/employees", employee_body, status=201),
            Request("GET", f"{TRAINING}/employees/{{person}}"),
            Request("PATCH", f"{TRAINING}/employees/{{person}}", lambda _ids: {"first_name": "Grace"}),
        ),
        write=ENROLL,
        write_keys="session_id, employee_ids",
        write_known="",
        nul=(Request("POST", f"{TRAINING}/courses", lambda ids: course_body(ids) | {"title": "a\0b"}), "title"),
        conflict=(
            Request("PATCH", f"{TRAINING}/enrollments/{{completed_enrollment}}/complete", lambda _ids: {"score": 1}),
            Said(409, ["Enrollment {completed_enrollment} is completed; only an enrolled one can be changed."]),
        ),
        crash_of_read=STATEMENTS,
        crash_of_write=(
            "enrollments.api.views.TrainingEndpoint.success",
            Request("POST", f"{TRAINING}/sessions", session_body),
        ),
        mentions=(
            Request("GET", f"{TRAINING}/sessions", query="course_id={course}"),
            Request("GET", f"{TRAINING}/enrollments", query="employee_id={person}"),
            Request("GET", f"{TRAINING}/enrollments", query="session_id={session}"),
            Request("GET", f"{TRAINING}/enrollments", query="course_id={course}"),
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
        rate_settings=("RATE_LIMIT_TRAIN_SESSIONS", "RATE_LIMIT_TRAIN_SESSIONS"),
        scopes=("train_sessions:read", "train_sessions:write"),
        listing=RECORDS,
        known="assignee_login_username_eq, cert_expiry_gt, cert_expiry_lt, complete_by_eq, completion_date_gteq, "
        "completion_date_lteq, course_code_or_course_name_cont, failed_attempts_eq, full_name_cont, last_attempt_eq, "
        "page, per_page, percent_complete_eq, s, score_eq, status_eq, unit_unit_expiry_gt, unit_unit_expiry_lt",
        allowed="GET, HEAD",
        text_filter="full_name_cont",
        filter_value=("completion_date_gteq", "May 1st", "a day as YYYY-MM-DD"),
        alias=("score", "score_eq"),
        missing=((Request("GET", f"{RECORDS}/{{record}}"), Said(404, ["Train session not found."])),),
        routes=(
            Request("GET", RECORDS),
            Request("GET", f"{RECORDS}/{{record}}"),
            PROGRESS,
            Request("POST", f"{RECORDS}/{{record}}/attempts", lambda _ids: {"score": 80}),
            UNASSIGN,
        ),
        write=UNASSIGN,
        write_keys="ids",
        write_known="ids",
        nul=(
            Request("POST", f"{RECORDS}/unassign", lambda ids: {"course_codes": ["a\0b"], "login_id": ids["person"]}),
            "course_codes.0",
        ),
        conflict=(
            Request("POST", f"{RECORDS}/{{completed_record}}/attempts", lambda _ids: {"score": 80}),
            Said(409, ["Train session {completed_record} is completed; it cannot be changed."]),
        ),
        crash_of_read=STATEMENTS,
        crash_of_write=("training.api.train_sessions.views.TrainSessionViewSet.json", PROGRESS),
        mentions=(
            UNASSIGN,
            Request("POST", f"{RECORDS}/unassign", query="ids=[{own_record},{record}]"),
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
    Family(
        name="training_assignments",
        prefix=ASSIGNMENTS,
        shape=assignments_shape,
        challenge='Bearer realm="training_assignments"',
        rate_settings=("RATE_LIMIT_ASSIGNMENTS_READ", "RATE_LIMIT_ASSIGNMENTS_WRITE"),
        scopes=("training_assignments:read", "training_assignments:write"),
        listing=STREAM,
        known="after, categoryIds, courseIds, endTime, isOverdue, learnerIds, startTime, status",
        allowed="GET, HEAD",
        text_filter="startTime",
        filter_value=("isOverdue", "maybe", "one of true, false"),
        alias=None,
        missing=((MOVE, Said(400, ["ids: There is no assignment {record_uuid}."])),),
        routes=(
            Request("GET", STREAM, query=LONG_AGO),
            Request("POST", ASSIGNMENTS, no_keys, f"courseId={{course_uuid}}&{DUE}&learnerIds=user-{{person}}"),
            MOVE,
            Request("DELETE", ASSIGNMENTS, no_keys, "ids={record_uuid}", status=204),
            Request("GET", "/training-courses", scope=COURSES_READ),
        ),
        write=MOVE,
        write_keys="none",
        write_known="dueAtTime, ids",
        nul=None,
        conflict=(
            Request("PATCH", ASSIGNMENTS, no_keys, f"ids={{record_uuid}},{{completed_record_uuid}}&{DUE}"),
            Said(400, ["ids: Assignment {completed_record_uuid} is completed; it stays as it is."]),
        ),
        crash_of_read=STATEMENTS,
        crash_of_write=("training.api.assignments.views.AssignmentViewSet.json", MOVE),
        mentions=(
            Request("GET", STREAM, query=f"{LONG_AGO}&courseIds={{course_uuid}}"),
            Request("GET", STREAM, query=f"{LONG_AGO}&learnerIds=user-{{colleague}}"),
            Request("GET", "/training-courses", query="courseIds={course_uuid}"),
            Request("POST", ASSIGNMENTS, no_keys, f"courseId={{course_uuid}}&{DUE}&learnerIds=user-{{own_person}}"),
            Request("POST", ASSIGNMENTS, no_keys, f"courseId={{own_course_uuid}}&{DUE}&learnerIds=user-{{person}}"),
            Request("PATCH", ASSIGNMENTS, no_keys, f"ids={{own_record_uuid}}&ids={{record_uuid}}&{DUE}"),
            Request("PATCH", ASSIGNMENTS, no_keys, f"ids={{completed_record_uuid}}&{DUE}"),
            Request("DELETE", ASSIGNMENTS, no_keys, "ids={own_record_uuid},{record_uuid}"),
            Request("DELETE", ASSIGNMENTS, no_keys, "ids={unassigned_record_uuid}"),
        ),
        text_accepted="an RFC 3339 time such as 2019-06-13T19:08:25Z",
        filler="+",  # A blank: not given.
        unprocessable=400,
        rate_of="organization",
    ),
    Family(
        name="programs",
        prefix=PROGRAMS,
        shape=programs_shape,
        challenge='Bearer realm="programs"',
        rate_settings=("RATE_LIMIT_PROGRAMS", "RATE_LIMIT_PROGRAMS"),
        scopes=("programs:read", "programs:write"),
        listing=f"{PROGRAMS}/sessions",
        known="apiKey, company",
        allowed="GET, HEAD",
        text_filter="company",
        filter_value=None,
        alias=None,
        missing=(
            (Request("GET", PROGRAM), NO_PROGRAM),
            (Request("GET", f"{PROGRAMS}/templates/{{template_hex}}"), NO_TEMPLATE),
        ),
        routes=(
            Request("GET", PROGRAMS, status=302),
            Request("GET", f"{PROGRAMS}/sessions"),
            Request("GET", PROGRAM),
            Request("GET", f"{PROGRAM}/users"),
            JOIN,
            Request("DELETE", f"{PROGRAM}/users/{{colleague_hex}}", no_keys),
            Request("GET", f"{PROGRAM}/stats"),
            Request("GET", f"{PROGRAMS}/templates"),
            Request("GET", f"{PROGRAMS}/templates/{{template_hex}}"),
        ),
        write=JOIN,
        write_keys="none",
        write_known="apiKey, company",
        nul=None,
        conflict=(
            Request("PUT", f"{PROGRAMS}/sessions/{{full_program_hex}}/users/{{person_hex}}", no_keys),
            Said(422, ["The program session is full: 0 places left, 1 asked for."], code="session_full"),
        ),
        crash_of_read=STATEMENTS,
        crash_of_write=("programs.api.views.SessionViewSet.json", JOIN),
        mentions=(
            Request("PUT", f"{PROGRAMS}/sessions/{{own_program_hex}}/users/{{person_hex}}", no_keys),
            Request("PUT", f"{PROGRAMS}/sessions/{{own_program_hex}}/users/{{person_mail}}", no_keys),
            Request("PUT", f"{PROGRAM}/users/{{own_person_hex}}", no_keys),
            Request("DELETE", f"{PROGRAMS}/sessions/{{own_program_hex}}/users/{{colleague_hex}}", no_keys),
            Request("DELETE", f"{PROGRAMS}/sessions/{{own_program_hex}}/users/{{colleague_mail}}", no_keys),
        ),
        text_accepted="",
    ),
)
