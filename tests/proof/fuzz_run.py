"""One family, fuzzed by schemathesis over its OpenAPI document: every check on, in the process of the server.

Case by case: what is valid by the schema is accepted (but for `fuzz_refusals`), what is not is refused, each answer has a
status, headers and a body that the document names.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings, strategies as st
from schemathesis import Case, CheckContext, HookContext, Response
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.engine import Status, events, from_schema
from schemathesis.hooks import unregister
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import positive_data_acceptance
from schemathesis.transport.wsgi import WSGI_TRANSPORT

from tests.proof.fuzz_refusals import reason_for

AnyCase = Case[Any]
Operation = APIOperation[Any, Any, Any, Any]
SEED = 7
SHOWN = 600  # Characters of a failure.
# The tool itself would let pass any 5xx, 403 and 429, which refuse nothing of what is wrong. 401: where the credential is.
REFUSED = ["400", "401", "404", "405", "409", "413", "414", "415", "422"]
ACCEPTED = ["2xx", "302"]
DONE = {200, 201, 204, 302}
# What is refused for all that its schema allows, which `fuzz_refusals` has to account for.
MAYBE_EXCUSED = {400, 404, 409, 422}
# As the tool of this version has them: one that a later version drops, or renames, is missed.
CHECKS = frozenset(
    {
        "allow_header_conformance",
        "content_type_conformance",
        "ensure_resource_availability",
        "ignored_auth",
        "missing_required_header",
        "negative_data_rejection",
        "not_a_server_error",
        "object_level_authorization",
        "positive_data_acceptance",
        "response_headers_conformance",
        "response_schema_conformance",
        "status_code_conformance",
        "unknown_parameters_refused",
        "unsupported_method",
        "use_after_free",
    }
)
ROUNDS = 10  # Runs with other seeds, at most, where one ends before its time.
UNKNOWN_IN = 20  # One query with unknown parameters alone for so many cases, and beside them.
LISTED = 20  # Cases of each operation, at least, that the tool lists by itself: limits, missing keys, other methods.
UNIQUE = {("POST", "/api/v1/training/courses"): "code", ("POST", "/api/v1/training/employees"): "employee_id"}

IN_ONE_PLACE = "/api/train_sessions/unassign"  # Takes ids in the query or in the body, and not in both.


@dataclass(frozen=True)
class World:
    """The organization that is fuzzed, as a caller has it: the secret of a token with every scope, and what is there by
    the beginning of a path and the name of a parameter.
    """

    secret: str
    known: Mapping[str, Mapping[str, Sequence[str | int]]]

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secret}"}

    def of(self, path: str) -> Mapping[str, Sequence[str | int]]:
        return next((values for beginning, values in self.known.items() if path.startswith(beginning)), {})


@dataclass
class Outcome:
    """`cases` of the tool's, `positive` ones, those `done` and `unknown` parameters by operation, `answers` by status,
    `checks` by name: how often each held; `excused` by reason, which held nothing.
    """

    family: str
    cases: Counter[str] = field(default_factory=Counter)
    positive: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    answers: Counter[int] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    excused: Counter[str] = field(default_factory=Counter)
    shown: list[str] = field(default_factory=list)
    seconds: float = 0


@schemathesis.check
def unknown_parameters_refused(ctx: CheckContext, response: Response, case: AnyCase) -> None:
    """A parameter that the operation does not name is a 400 (or whatever came before the query was read)."""
    known = {parameter.name for parameter in case.operation.iter_parameters()} | {"apiKey", "company", "ids[]"}
    # As it was sent: an empty list is not.
    sent = parse_qsl(urlsplit(str(response.request.url)).query, keep_blank_values=True)
    unknown = [name for name, _ in sent if name not in known and f"{name}_eq" not in known]
    if unknown and response.status_code < 400 and response.status_code != 302:  # A redirect keeps the query.
        raise Failure(operation=case.operation.label, title="Unknown parameter accepted", message=str(unknown))


def fuzz(family: str, world: World, *, asked: int, walks: int, only: str | None = None) -> Outcome:
    """At least `asked` cases of each operation (of the one path `only`, if given), and `walks` through several."""
    schema = schema_of(family, world, SEED, asked=asked - LISTED, walks=walks)
    if only is not None:
        schema = schema.include(path=only)
    outcome = Outcome(family)
    operations = list(operations_of(schema))
    with hooks(outcome, world):
        run(outcome, schema)
        for number in range(1, ROUNDS + 1 if only is None else 0):
            missing = {one.label: asked - outcome.cases[one.label] for one in operations}
            short = {label for label, count in missing.items() if count > 0}
            if not short:
                break
            again = schema_of(family, world, SEED + number, asked=max(missing.values()), walks=0, listed=False)
            run(outcome, again.include(lambda context, short=short: context.operation.label in short))
        for operation in operations:
            ask_with_unknown_parameters(outcome, operation, world, asked // UNKNOWN_IN)
    return outcome


def schema_of(family: str, world: World, seed: int, *, asked: int, walks: int, listed: bool = True) -> Any:
    """The family's document, and how it is asked. `listed`: the tool's own list of cases, too."""
    from config.wsgi import application  # noqa: PLC0415 - after the settings

    config = SchemathesisConfig.from_dict(
        {
            "seed": seed,
            "headers": world.headers,
            "continue-on-failure": True,
            "generation": {"no-shrink": True, "deterministic": True, "database": "none"},
            "checks": {
                "positive_data_acceptance": {"expected-statuses": ACCEPTED},
                "negative_data_rejection": {"expected-statuses": REFUSED},
            },
            "phases": {
                "examples": {"enabled": listed},
                "coverage": {"enabled": listed},
                # The tool learns from refusals, and takes the key `errors` of an answer for one that a body should have.
                "fuzzing": {
                    "generation": {"max-examples": max(asked, 1)},
                    "error-feedback": {"enabled": False},
                    # Some runs end early because the tool draws from answers, which are others when it draws again.
                    "extra-data-sources": {"responses": listed},
                },
                "stateful": {"enabled": walks > 0, "generation": {"max-examples": max(walks, 1)}},
            },
        }
    )
    return schemathesis.openapi.from_wsgi(f"/api/schema/{family}", answering_whole(application), config=config)


def run(outcome: Outcome, schema: Any) -> None:
    for event in from_schema(schema).execute():
        note(outcome, event)


def answering_whole(application: Any) -> Callable[..., list[bytes]]:
    """As a server does: each answer is read to its end and closed, which gives the database connection back."""

    def answer(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        pieces = application(environ, start_response)
        try:
            return [b"".join(pieces)]
        finally:
            pieces.close()

    return answer


def operations_of(schema: Any) -> Iterator[Operation]:
    for found in schema.get_all_operations():
        yield found.ok()


def name_what_is_there(case: AnyCase, world: World, number: int) -> None:
    """In a valid request; it stays one. `number`: which of the rows that are known."""
    if case.query:
        case.query.pop("after", None)  # No cursor that is drawn was ever given out.
        if case.path == IN_ONE_PLACE and isinstance(case.body, dict) and case.body:
            case.query.pop("ids", None)
    for name, values in world.of(case.path).items():
        for part in (case.path_parameters, case.query, case.body):
            if isinstance(part, MutableMapping) and name in part:
                value = values[number % len(values)]
                part[name] = [value] if isinstance(part[name], list) else value


def seen(value: object) -> object:
    """In a query a blank value means "not given", as an empty one does: it is no invalid one."""
    return f"{value}!" if isinstance(value, str) and value and not value.strip() else value


@contextmanager
def hooks(outcome: Outcome, world: World) -> Iterator[None]:
    """While they last: values that may be had once are made fresh, two of three valid requests name what is there (the
    tool finds most ids in answers by itself, but few for lists and no mails), and refusals for state are counted apart.
    """
    drawn = count(1)

    @schemathesis.hook
    def before_call(context: HookContext, case: AnyCase, kwargs: dict[str, Any]) -> None:
        number = next(drawn)
        if case.meta is not None and case.meta.generation.mode.is_positive and number % 3:
            name_what_is_there(case, world, number)
        for name, value in (case.query or {}).items():
            case.query[name] = [seen(one) for one in value] if isinstance(value, list) else seen(value)
        unique = UNIQUE.get((case.method, case.path))
        text = case.body.get(unique) if unique and isinstance(case.body, dict) else None
        if unique and isinstance(text, str) and text.strip() and len(text) <= 50:
            case.body[unique] = f"{text}-{number}"  # type: ignore[index, call-overload]  # a dict, as was just seen

    @schemathesis.hook
    def filter_failure(context: HookContext, failure: Failure, case: AnyCase, response: Response) -> bool:
        refused = response.status_code in MAYBE_EXCUSED and failure.title == "Schema-valid request rejected"
        reason = reason_for(response.content) if refused else None
        if reason is None:
            return True
        outcome.excused[reason] += 1
        outcome.checks["positive_data_acceptance"] -= 1  # Which the tool counts as held.
        return False

    try:
        with sending():
            yield
    finally:
        for hook in (before_call, filter_failure):
            unregister(hook)


@contextmanager
def sending() -> Iterator[None]:
    """Requests leave with an Idempotency-Key of their own, nine times out of ten: under one that was used they would be
    refused for that, whatever else they hold. The case stays as it was drawn, and is judged as that.
    """
    send: Callable[..., Response] = WSGI_TRANSPORT.send
    sent = count(1)

    def with_a_fresh_key(case: AnyCase, **options: Any) -> Response:
        # Settings of a socket, which probes hand on to a server in this process, too.
        for name in ("max_redirects", "verify", "cert", "proxies"):
            options.pop(name, None)
        number, key = next(sent), case.headers.get("Idempotency-Key") if case.headers else None
        if isinstance(key, str) and re.fullmatch(r"[!-~]{1,240}", key) and number % 10:
            options["headers"] = {**(options.get("headers") or {}), "Idempotency-Key": f"{key}-{number}"}
        return send(case, **options)

    WSGI_TRANSPORT.send = with_a_fresh_key  # type: ignore[method-assign]  # of the one instance that there is
    try:
        yield
    finally:
        del WSGI_TRANSPORT.send


def note(outcome: Outcome, event: events.EngineEvent) -> None:
    match event:
        case events.ScenarioFinished(recorder=recorder):
            for case_id, interaction in recorder.interactions.items():
                status = interaction.response.status_code if interaction.response else 0
                outcome.answers[status] += 1
                if not recorder.checks.get(case_id):
                    continue  # What a check has asked besides.
                case = recorder.cases[case_id].value
                outcome.cases[case.operation.label] += 1
                if case.meta is None or not case.meta.generation.mode.is_positive:
                    continue
                outcome.positive[case.operation.label] += 1
                if status in DONE and interaction.request.method == case.operation.method.upper():
                    outcome.done[case.operation.label] += 1
            for case_id, checks in recorder.checks.items():
                for check in checks:
                    if check.status is Status.SUCCESS:
                        outcome.checks[check.name] += 1
                        continue
                    failure = check.failure_info.failure if check.failure_info else None
                    note_failure(outcome, check.name, recorder.interactions.get(case_id), failure)
        case events.NonFatalError(value=error) | events.FatalError(exception=error):
            outcome.failures["the run itself"] += 1
            outcome.shown.append(f"{type(error).__name__}: {error}"[:SHOWN])


def note_failure(outcome: Outcome, check: str, interaction: Any, failure: Failure | None) -> None:
    outcome.failures[check] += 1
    if outcome.failures[check] <= 3 and interaction is not None:
        request, response = interaction.request, interaction.response
        said = f"{response.status_code} {response.content!r}" if response else "nothing"
        message = " ".join(failure.message.split()) if failure else ""
        outcome.shown.append(f"{check}: {request.method} {request.uri} {request.body!r} -> {said}: {message}"[:SHOWN])


def ask_with_unknown_parameters(outcome: Outcome, operation: Operation, world: World, asked: int) -> None:
    """What else a query may say, which is a 400 each. (The tool draws few of these.)"""
    names = st.from_regex(r"[a-z_]{1,12}", fullmatch=True).filter(lambda name: name != "company")
    values: st.SearchStrategy[Any] = st.one_of(st.text(max_size=20), st.integers())

    @seed(SEED)
    @settings(
        max_examples=asked,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), unknown=st.dictionaries(names, values, min_size=1, max_size=3))
    def ask(case: AnyCase, unknown: Mapping[str, Any]) -> None:
        case.query = dict(unknown)
        if case.headers:
            case.headers.pop("Idempotency-Key", None)  # One that was used is refused before the query is read.
        response = case.call(headers=world.headers)
        outcome.unknown[operation.label] += 1
        said = []
        try:
            # What is asked is what no schema allows.
            case.validate_response(response, headers=world.headers, excluded_checks=[positive_data_acceptance])
        except FailureGroup as group:
            said += [f"{failure.title}: {failure.message}" for failure in group.exceptions]
        if response.status_code not in {302, 400, 404}:
            said.append(f"{case.query} was answered {response.status_code}")
        if said:
            outcome.failures["unknown_parameters_refused"] += 1
        outcome.shown += [text[:SHOWN] for text in said]

    ask()
