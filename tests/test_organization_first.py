"""The organization leads every key, and every statement names it: rows can be kept apart by it, on many machines."""

# ruff: noqa: S608, SLF001 - the statements are looked at, not run; `_meta` is Django's documented name

import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, models, transaction
from pytest_django import Settings

from tests.accounts.admin_pages import address
from tests.accounts.test_access import (
    ACCESS,
    ACTIONS,
    Scene as AdminScene,
    addresses,
    scene as scene_of_the_admin,
    targets,
)
from tests.conftest import body_of
from tests.contracts.families import FAMILIES
from tests.contracts.scene import make_scene
from tests.organizations import tables_of_organizations, unnamed
from tests.test_architecture import ROOT, our_models

scene = scene_of_the_admin


# Keys. What begins an index is asserted in test_architecture.py.

# Unique in the whole installation. On many machines each needs the organization too, or a table that is on all of them.
UNIQUE_EVERYWHERE = {
    # Looked up before an organization is known: who logs in, and with which token.
    "accounts.User.email",
    "accounts.ApiToken.prefix",
    "idempotency_token_key_unique",
    # Random: 96 bits and more.
    "accounts.Person.hex_id",
    "enrollments.Course.hex_id",
    "enrollments.Course.uuid",
    "training.TrainSession.uuid",
    "programs.ProgramTemplate.hex_id",
    "programs.Module.hex_id",
    "programs.ProgramSession.hex_id",
    # Of two rows one to one: the other row is of one organization.
    "accounts.User.person",
    "training.TrainSession.unit",
    "programs.MemberRecord.train_session",
}


def leader(constraint: models.UniqueConstraint) -> str:
    first = constraint.fields[0] if constraint.fields else constraint.expressions[0]
    return first if isinstance(first, str) else getattr(first, "name", "")


def test_every_unique_key_begins_with_the_organization() -> None:
    narrower = set()
    for model in our_models():
        if model._meta.db_table not in tables_of_organizations():
            continue
        fields = [field for field in model._meta.concrete_fields if field.unique and not field.primary_key]
        narrower |= {f"{model._meta.label}.{field.name}" for field in fields}
        constraints = [one for one in model._meta.constraints if isinstance(one, models.UniqueConstraint)]
        narrower |= {one.name for one in constraints if leader(one) != "organization"}
    assert narrower == UNIQUE_EVERYWHERE


KEYS = """
    SELECT c.conrelid::regclass::text, c.contype::text, c.conname, array_agg(a.attname::text ORDER BY k.place)
    FROM pg_constraint c CROSS JOIN unnest(c.conkey) WITH ORDINALITY AS k(attnum, place)
    JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum
    WHERE c.contype IN ('p', 'u', 'f') AND c.connamespace = current_schema()::regnamespace
    GROUP BY 1, 2, 3
"""
ON_EVERY_MACHINE = {"accounts_organization", "accounts_user", "accounts_apitoken", "enrollments_category"}


@pytest.mark.postgresql
@pytest.mark.django_db
def test_the_statements_of_the_page_put_the_organization_into_every_key() -> None:
    """But for those that need Citus. Taken back at the end, like everything that a test does."""
    page = (ROOT / "SCALING.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sql\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    distributed = tables_of_organizations() - ON_EVERY_MACHINE
    with connection.cursor() as cursor:
        cursor.execute(KEYS)
        before = cursor.fetchall()
        for block in blocks:
            if "create_distributed_table" not in block:
                cursor.execute(block)
        cursor.execute(KEYS)
        after = cursor.fetchall()

    def led(table: str, kind: str, columns: list[str]) -> list[str]:
        others = [column for column in columns if column != "organization_id"]
        points_up = kind == "f" and columns[0] in {"organization_id", "category_id", "token_id", "user_id"}
        return columns if table not in distributed or points_up else ["organization_id", *others]

    # A table that is on every machine cannot point into one that is not.
    expected = [
        (table, kind, name, led(table, kind, columns))
        for table, kind, name, columns in before
        if (table, kind, columns) != ("accounts_user", "f", ["person_id"])
    ]
    assert sorted(after) == sorted(expected)


# Statements.

ONE_ROW = "one row by its primary key, to which a row of the organization points"
PUBLIC_ID = "whether a random public id is taken"
LINKED = "rows that are linked to some of the organization"
BEFORE = "looked up before an organization is known"
# By what a statement that only reads may leave the organization out for; each begins from the one table that it names.
READS = {
    ONE_ROW: re.compile(r'\A FROM "(\w+)" WHERE "\1"\."id" = %s(?: LIMIT \d+)?\Z'),
    PUBLIC_ID: re.compile(
        r'\A FROM "(\w+)" WHERE \(?"\1"\."(?:hex_id|uuid)" = %s(?: AND NOT \("\1"\."id" = %s\)\))? LIMIT 1\Z'
    ),
    LINKED: re.compile(
        r'\A FROM "(\w+)" INNER JOIN "(\w+)" ON \([^()]*\) WHERE "\2"\."\w+_id" (?:= %s|IN \([%s, ]*\)) ORDER'
    ),
}
# By table: what may leave it out whatever it does.
TABLES = {"accounts_user": BEFORE, "accounts_apitoken": BEFORE}


def reason_for(table: str, behind: str) -> str:
    """Why a statement may leave the organization out; if it may not, what it says instead."""
    if table in TABLES:
        return TABLES[table]
    return next((reason for reason, form in READS.items() if form.match(behind)), f"{table}: {behind}")


class Watched:
    def __init__(self) -> None:
        self.statements = 0
        self.reasons: dict[str, set[str]] = defaultdict(set)

    @contextmanager
    def during(self, act: str) -> Iterator[None]:
        def look(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001 - Django's
            self.statements += 1
            for table, behind in unnamed(sql):
                self.reasons[reason_for(table, behind)].add(act)
            return execute(sql, params, many, context)

        with connection.execute_wrapper(look), transaction.atomic():
            yield
            transaction.set_rollback(True)


@pytest.mark.django_db
def test_every_statement_of_every_api_names_the_organization(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched, statuses = Watched(), {}
    for family in FAMILIES:
        for route in family.routes:
            with transaction.atomic():
                scene = make_scene(family, settings, monkeypatch)
                with watched.during(route.name):
                    response = scene.send(route, Idempotency_Key="key")
                    body_of(response)
                    statuses[route.name] = response.status_code
                transaction.set_rollback(True)
    assert statuses == {route.name: route.status for family in FAMILIES for route in family.routes}
    assert set(watched.reasons) == {BEFORE, ONE_ROW, PUBLIC_ID, LINKED}, dict(watched.reasons)
    assert watched.statements > 100


@pytest.mark.django_db
def test_every_statement_of_every_page_of_the_admin_names_the_organization(scene: AdminScene) -> None:
    """Each address opened and sent to, each list searched, each action taken, by the staff of one organization.

    By a facilitator what a facilitator sees a part of.
    """
    watched = Watched()
    for who in ("administrator", "facilitator"):
        client = scene.clients[who]
        for name in ACCESS if who == "administrator" else [name for name in ACCESS if name.startswith("enrollments_")]:
            page = targets(scene, name, addresses()[name])[0]
            with watched.during(f"{who} GET {name}"):
                body_of(client.get(page))
            with watched.during(f"{who} POST {name}"):
                body_of(client.post(page))
            if name.endswith("_changelist"):
                with watched.during(f"{who} searches {name}"):
                    body_of(client.get(page, {"q": "Z"}))
    for model, action in ACTIONS:
        given = {"action": action, "_selected_action": [scene.mine[model].pk], "apply": "1", "reason": "x"}
        with watched.during(f"{action} {model.__name__}"):
            body_of(scene.clients["administrator"].post(address(model, "changelist"), given))
    assert set(watched.reasons) == {BEFORE, ONE_ROW, PUBLIC_ID, LINKED}, dict(watched.reasons)
    assert watched.statements > 1000


PERSON = "accounts_person"
GROUP = "accounts_group"
OF_PERSON = '"accounts_person"."organization_id"'
OF_GROUPS = (
    f'SELECT (SELECT COUNT(*) FROM "accounts_group" U0 WHERE {{}}) AS "n" FROM "accounts_person" WHERE {OF_PERSON} = %s'
)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (f'SELECT {OF_PERSON} FROM "accounts_person"', [PERSON]),
        (f'SELECT {OF_PERSON} FROM "accounts_person" WHERE "accounts_person"."id" IN (%s)', [PERSON]),
        (f'SELECT 1 AS "a" FROM "accounts_person" WHERE {OF_PERSON} = %s LIMIT 1', []),
        (f'SELECT 1 AS "a" FROM "accounts_person" WHERE {OF_PERSON} IN (%s, %s)', []),
        (f'SELECT 1 AS "a" FROM "accounts_person" WHERE {OF_PERSON} IS NOT NULL', [PERSON]),
        (
            OF_GROUPS.format(f'U0."id" = ({OF_PERSON})'),
            [GROUP],
        ),
        (
            OF_GROUPS.format(f'U0."organization_id" = ({OF_PERSON})'),
            [],
        ),
        ('UPDATE "accounts_person" SET "organization_id" = %s WHERE "accounts_person"."id" = %s', [PERSON]),
        (f'UPDATE "accounts_person" SET "mail" = %s WHERE ({OF_PERSON} = %s AND "accounts_person"."id" = %s)', []),
        ('DELETE FROM "accounts_person" WHERE "accounts_person"."id" IN (%s)', [PERSON]),
        (f'DELETE FROM "accounts_person" WHERE ({OF_PERSON} = %s)', []),
        ('INSERT INTO "accounts_person" ("id", "mail") VALUES (%s, %s)', [PERSON]),
        ('INSERT INTO "accounts_person" ("organization_id", "mail") VALUES (%s, %s)', []),
        ("""SELECT '(SELECT 1 FROM "accounts_person")' FROM "enrollments_category" WHERE "id" = %s""", []),
    ],
)
def test_a_table_whose_organization_is_not_named_is_noticed(sql: str, expected: list[str]) -> None:
    assert [table for table, _ in unnamed(sql)] == expected
