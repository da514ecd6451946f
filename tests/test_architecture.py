"""What the design says about the code and no import linter can see."""

import ast
import inspect
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.apps import apps
from django.db import models
from django.urls import get_resolver

from accounts import errors as accounts_errors
from accounts.api.dialect import Dialect
from accounts.errors import (
    Busy,
    CredentialRefused,
    FieldsRefused,
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
    PeopleInactive,
    PeopleUnknown,
    Refusal,
)
from accounts.models import OperationKind
from accounts.services import people as people_services
from accounts.wording import describe
from config.families import FAMILIES
from enrollments import errors as enrollments_errors
from enrollments.errors import (
    AlreadyEnrolled,
    CapacityBelowSeatsTaken,
    CourseUnknown,
    EnrollmentNotOpen,
    EnrollmentUnknown,
    NotEnoughUnits,
    PrerequisitesUnmet,
    SessionClosed,
    SessionFull,
    SessionNotBegun,
    SessionUnknown,
    StatusFinal,
    TooManyIds,
)
from enrollments.services import catalogue, enrolling
from programs import errors as programs_errors
from programs.errors import ProgramSessionUnknown, RequirementsNotMet
from programs.services import membership
from training import errors as training_errors
from training.errors import (
    CourseNotAssignable,
    OperationNotUndoable,
    RecordCompleted,
    RecordsNotOpen,
    RecordUnknown,
    TooManyAtOnce,
)
from training.services import records

# ruff: noqa: SLF001 - `_meta` is Django's documented name

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ["accounts", "enrollments", "training", "programs"]  # Each knows itself and what stands before it.


def our_models() -> list[type[models.Model]]:
    return [model for app in LAYERS for model in apps.get_app_config(app).get_models(include_auto_created=True)]


# Arrows.


def test_relations_point_down_the_arrows_only() -> None:
    """Django's own users and permissions may be pointed to from accounts."""
    below = {app: set(LAYERS[: LAYERS.index(app) + 1]) for app in LAYERS}
    below["accounts"] |= {"auth", "contenttypes"}
    upward = [
        f"{model._meta.label}.{field.name} → {field.related_model._meta.label}"
        for model in our_models()
        for field in model._meta.get_fields()
        if not field.auto_created
        and isinstance(field.related_model, type)
        and field.related_model._meta.app_label not in below[model._meta.app_label]
    ]
    assert upward == []


# What is global: the organizations themselves, the document's six categories, and Django's link tables of its users.
WITHOUT_ORGANIZATION = {
    "accounts.Organization",
    "enrollments.Category",
    "accounts.User_groups",
    "accounts.User_user_permissions",
}


def test_every_row_belongs_to_an_organization() -> None:
    """A superuser's is empty, and the history of what belongs to none; nobody else's."""
    nullable = {}
    for model in our_models():
        names = {field.name: field for field in model._meta.concrete_fields}
        nullable[model._meta.label] = names["organization"].null if "organization" in names else None
    assert {label for label, null in nullable.items() if null is None} == WITHOUT_ORGANIZATION
    assert {label for label, null in nullable.items() if null} == {"accounts.User", "accounts.HistoryEntry"}


def test_every_composite_index_begins_with_the_organization() -> None:
    """It is the key to partition by. Uniqueness may be narrower than an organization."""
    wrong = [
        index.name
        for model in our_models()
        for index in model._meta.indexes
        if len(index.fields) > 1 and index.fields[0] != "organization"
    ]
    assert wrong == []


# Who writes.

WRITES = {"save", "create", "update", "delete", "get_or_create", "update_or_create"}
# By module: what writes without being a service, and what is called like writing and writes no row.
ALLOWED_WRITES = {
    "accounts/models.py": {"UserManager.create_user: user.save"},  # What `createsuperuser` asks of a user model.
    "accounts/api/idempotency.py": {
        "remember: IdempotencyRecord.objects.update_or_create",  # In the transaction of what it stands for.
        "_fingerprint: digest.update",
    },
    "accounts/management/rows.py": {"RowsCommand._progress.tell: bar.update"},
    "training/ledger.py": {"TrainSessionLedger.finished: writer.save"},  # The ledger's one pen: a service's.
}


def source_files() -> list[Path]:
    return [
        file
        for app in [*LAYERS, "config"]
        for file in sorted((ROOT / app).rglob("*.py"))
        if "migrations" not in file.parts
    ]


def is_service(file: Path) -> bool:
    return file.name == "services.py" or "services" in file.parts


def calls(tree: ast.AST, inside: str = "") -> Iterator[tuple[str, str]]:
    """Every call of a method, as written, with the function that it stands in."""
    for node in ast.iter_child_nodes(tree):
        named = isinstance(node, ast.FunctionDef | ast.ClassDef)
        name = (
            f"{inside}.{node.name}".strip(".") if named and isinstance(node, ast.FunctionDef | ast.ClassDef) else inside
        )
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield name, ast.unparse(node.func)
        yield from calls(node, name)


def services_imported(tree: ast.AST) -> set[str]:
    """The names by which a module calls services: `catalogue.create` writes by one."""
    return {
        name.asname or name.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for name in node.names
        if "services" in f"{node.module}.{name.name}".split(".")
    }


def test_only_services_write_rows() -> None:
    found: dict[str, set[str]] = {}
    for file in source_files():
        if is_service(file):
            continue
        tree = ast.parse(file.read_text(encoding="utf-8"))
        services = services_imported(tree)
        for place, call in calls(tree):
            receiver, _, method = call.rpartition(".")
            if receiver not in services and (method.startswith("bulk_") or method in WRITES):
                found.setdefault(str(file.relative_to(ROOT)), set()).add(f"{place}: {call}")
    assert found == ALLOWED_WRITES


def test_commands_ask_the_orm_nothing() -> None:
    wrong = [
        f"{file.relative_to(ROOT)}: {call}"
        for file in source_files()
        if file.parent.name == "commands"
        for _, call in calls(ast.parse(file.read_text(encoding="utf-8")))
        if ".objects" in call
    ]
    assert wrong == []


def test_services_record_operations_of_every_kind_and_of_no_other() -> None:
    recorded = {
        node.attr
        for file in source_files()
        if is_service(file)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == OperationKind.__name__
    }
    assert recorded == set(OperationKind.names)


# What is said about refusals.


def refusals() -> set[type[Refusal]]:
    def below(kind: type[Refusal]) -> set[type[Refusal]]:
        return {kind, *(one for child in kind.__subclasses__() for one in below(child))}

    assert get_resolver().url_patterns  # Everything that is served is imported.
    return below(Refusal) - {Refusal}


def test_every_refusal_is_declared_in_its_apps_errors() -> None:
    assert {kind.__module__ for kind in refusals()} <= {f"{app}.errors" for app in LAYERS}


def test_every_refusal_has_a_code_of_its_own() -> None:
    codes = [kind.code for kind in refusals()]
    assert sorted(codes) == sorted(set(codes))
    assert Refusal.code not in codes


def test_every_refusal_has_wording() -> None:
    fallback = describe.dispatch(Refusal)
    assert [kind.__name__ for kind in refusals() if describe.dispatch(kind) is fallback] == []


SAMPLES: dict[type[Refusal], Refusal] = {
    type(sample): sample
    for sample in (
        Busy(),
        FieldsRefused({"score": ["Too high."]}),
        PeopleUnknown([7]),
        PeopleInactive([7]),
        CredentialRefused("revoked"),
        IdempotencyKeyReused(),
        IdempotencyKeyInUse(),
        TooManyIds(given=1001, limit=1000),
        SessionUnknown(7),
        SessionClosed("cancelled"),
        SessionFull(remaining=1, requested=2),
        SessionNotBegun(datetime(2026, 3, 1, 9, tzinfo=UTC)),
        AlreadyEnrolled([7]),
        PrerequisitesUnmet({7: ["SAF"]}),
        CapacityBelowSeatsTaken(taken=2, capacity=1),
        StatusFinal("cancelled"),
        EnrollmentUnknown(7),
        EnrollmentNotOpen(enrollment_id=7, status="cancelled"),
        CourseUnknown(["SAF"]),
        NotEnoughUnits(course_code="SAF", free=1, needed=2),
        RecordUnknown(7),
        RecordCompleted(7),
        RecordsNotOpen(unknown=[7], completed=[8]),
        CourseNotAssignable(course_code="SAF", status="archived"),
        TooManyAtOnce(count=120, of=900, limit=Decimal(10)),
        OperationNotUndoable(operation_id=12, kind="bulk_enroll"),
        ProgramSessionUnknown("0" * 24),
        RequirementsNotMet({7: ["SAF"]}),
    )
}


def test_every_refusal_is_said_in_sentences() -> None:
    assert set(SAMPLES) == refusals()
    assert [text for text in map(describe, SAMPLES.values()) if not re.fullmatch(r"\S.*\.", text)] == []


# What each family answers, by status, to whatever its endpoints can raise.
EVERY_FAMILY: dict[type[Refusal], int] = {
    Busy: 503,
    CredentialRefused: 401,
    FieldsRefused: 422,
    IdempotencyKeyReused: 422,
    IdempotencyKeyInUse: 409,
}
ANSWERS: dict[str, dict[type[Refusal], int]] = {
    "training": {
        **EVERY_FAMILY,
        TooManyIds: 422,
        SessionUnknown: 422,
        SessionClosed: 422,
        PeopleUnknown: 422,
        PeopleInactive: 422,
        AlreadyEnrolled: 422,
        PrerequisitesUnmet: 422,
        SessionFull: 422,
        NotEnoughUnits: 422,
        CapacityBelowSeatsTaken: 422,
        StatusFinal: 422,
        EnrollmentUnknown: 404,
        EnrollmentNotOpen: 409,
    },
    "train_sessions": {
        **EVERY_FAMILY,
        RecordUnknown: 404,
        RecordCompleted: 409,
        RecordsNotOpen: 422,
        TooManyIds: 422,
        CourseUnknown: 422,
        PeopleUnknown: 422,
    },
    "training_assignments": {
        **EVERY_FAMILY,
        FieldsRefused: 400,
        IdempotencyKeyReused: 400,
        CourseUnknown: 400,
        CourseNotAssignable: 400,
        PeopleUnknown: 400,
        PeopleInactive: 400,
        NotEnoughUnits: 400,
    },
    "programs": {
        **EVERY_FAMILY,
        ProgramSessionUnknown: 404,
        SessionFull: 422,
        RequirementsNotMet: 422,
        NotEnoughUnits: 422,
        PeopleUnknown: 404,
        PeopleInactive: 422,
    },
}


@pytest.mark.parametrize("dialect", FAMILIES, ids=[dialect.family for dialect in FAMILIES])
def test_each_family_answers_every_refusal_that_it_can_meet(dialect: Dialect) -> None:
    answered = {
        kind: dialect.error_response(dialect.answer_to(SAMPLES[kind])).status_code for kind in ANSWERS[dialect.family]
    }
    assert answered == ANSWERS[dialect.family]
    assert set(dialect.refusals) | set(dialect.common_refusals) == set(ANSWERS[dialect.family])


def test_the_table_of_answers_names_every_family() -> None:
    assert set(ANSWERS) == {dialect.family for dialect in FAMILIES}
    assert set(SERVICES) == set(ANSWERS)


# The services that a family's views call, as they are named there.
SERVICES: dict[str, tuple[str, dict[str, ModuleType]]] = {
    "training": (
        "enrollments.api.views",
        {"catalogue": catalogue, "enrolling": enrolling, "people_services": people_services},
    ),
    "train_sessions": ("training.api.train_sessions.views", {"records": records}),
    "training_assignments": ("training.api.assignments.views", {"records": records}),
    "programs": ("programs.api.views", {"membership": membership}),
}
# What a family's views say in their own words.
TRANSLATED: dict[str, set[type[Refusal]]] = {"training_assignments": {RecordsNotOpen}}
ERRORS = (accounts_errors, enrollments_errors, training_errors, programs_errors)


@pytest.mark.parametrize("family", SERVICES)
def test_what_the_services_say_they_raise_is_what_their_family_answers(family: str) -> None:
    """From "Raises …" in the docstrings of the services that the views call."""
    module, services = SERVICES[family]
    known: dict[str, Any] = {
        kind.__name__: kind for errors in ERRORS for kind in vars(errors).values() if inspect.isclass(kind)
    }
    told: set[type[Refusal]] = set()
    called = set()
    for _, call in calls(ast.parse(inspect.getsource(import_module(module)))):
        name, _, function = call.partition(".")
        if name in services:
            called.add(call)
            raises = (getattr(services[name], function).__doc__ or "").partition("Raises")[2]
            told |= {known[word] for word in re.findall(r"\w+", raises) if word in known}
    assert called
    assert told <= set(ANSWERS[family]) | TRANSLATED.get(family, set())
    assert told - set(EVERY_FAMILY)
