"""Who changed what and when, on every row, written by the database itself.

Triggers see every write: services, bulk statements, a repair by hand. A library that hooks `save()` sees the first kind
only. They are made anew after each `migrate`, from the columns that the tables have then: a migration that rebuilds a
table on SQLite loses its triggers without a word.

The actor is told to the database by `accounts.transactions.write(actor)`. What is written without one has an empty
actor: somebody worked on the database itself.
"""

# ruff: noqa: S608 - names of tables and columns only

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.apps import AppConfig, apps
from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.backends.base.base import BaseDatabaseWrapper

from accounts.actors import Actor

APPS = ("accounts", "enrollments", "training", "programs")
# What is no record of anybody's: the history itself, remembered answers, files that wait for a confirmation, and the
# rows of bulk operations, which are written once and are a history of their own.
NOT_KEPT = {"accounts.HistoryEntry", "accounts.IdempotencyRecord", "accounts.BulkRow", "accounts.ImportFile"}
# That these were changed is written down, and never what they hold.
SECRET = {"password", "digest"}
HIDDEN = "(hidden)"
# What follows from other columns, or is no change that anybody made.
NOT_SHOWN = {"search_name", "search_code", "search_title", "last_used_at", "last_login"}
# A change of these alone is none; beside others they say nothing that the entry does not say itself.
STAMPS = {"updated_at", "updated_by", "revision", "counts"}

TABLE = "accounts_historyentry"

_actor: ContextVar[str] = ContextVar("actor", default="")


@contextmanager
def acting(actor: Actor, *, told: bool = False) -> Iterator[None]:
    """What the database writes down in here was done by this actor. Inside a transaction; `told`: it knows already.

    After an exception nothing is told: the savepoint or the transaction that is rolled back takes the setting with it.
    """
    before = _actor.get()
    token = _actor.set(actor.ref)
    try:
        if not told and before != actor.ref:
            _tell(actor.ref)
        yield
        if not told and before != actor.ref:
            _tell(before)
    finally:
        _actor.reset(token)


def _tell(ref: str) -> None:
    connection = connections[DEFAULT_DB_ALIAS]
    if connection.vendor == "postgresql" and not connection.needs_rollback:
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('ledger.actor', %s, true)", [ref])


def connected(*, connection: BaseDatabaseWrapper, **_signal: Any) -> None:
    """SQLite has no settings of a transaction: its triggers ask this process."""
    if connection.vendor == "sqlite":
        connection.connection.create_function("ledger_actor", 0, _actor.get)


def kept_models() -> list[type[models.Model]]:
    """Those whose rows have a history."""
    return [
        model
        for label in APPS
        for model in apps.get_app_config(label).get_models(include_auto_created=True)
        if model._meta.label not in NOT_KEPT  # noqa: SLF001 - Django's documented name
    ]


def uninstall(*, app_config: AppConfig, using: str, plan: list[Any], **_signal: Any) -> None:
    """Before migrations: triggers that name a column or a table that is about to go would stop them.

    `install` makes them again. Until then SQLite, which makes whole tables anew, has none at all; PostgreSQL keeps
    those of tables that no migration touches, for there others go on writing.
    """
    if app_config.label != "accounts" or not plan:
        return
    connection = connections[using]
    touched = {
        f"{migration.app_label}_{getattr(operation, 'model_name', getattr(operation, 'name', '')).lower()}"
        for migration, _ in plan
        for operation in migration.operations
    }
    everything = TABLE in touched and any(backwards for _, backwards in plan)
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(
                "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE '%\\_history\\_%' ESCAPE '\\'"
            )
            for (name,) in cursor.fetchall():
                cursor.execute(f'DROP TRIGGER "{name}"')
            cursor.execute(f"DROP TRIGGER IF EXISTS {TABLE}_stays_update")
            cursor.execute(f"DROP TRIGGER IF EXISTS {TABLE}_stays_delete")
            return
        cursor.execute(
            "SELECT proname FROM pg_proc WHERE prorettype = 'trigger'::regtype "
            "AND pronamespace = current_schema()::regnamespace"
        )
        for (name,) in cursor.fetchall():
            ours = name.endswith("_history") or name == f"{TABLE}_stays"
            if (everything and ours) or name.removesuffix("_history") in touched:
                cursor.execute(f'DROP FUNCTION "{name}"() CASCADE')


def install(*, app_config: AppConfig, using: str, **_signal: Any) -> None:
    """Make the triggers of an app's tables, as they are now."""
    if app_config.label not in APPS:
        return
    connection = connections[using]
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        if TABLE not in tables:
            return
        for model in app_config.get_models(include_auto_created=True):
            meta = model._meta  # noqa: SLF001 - Django's documented name
            if meta.db_table not in tables or meta.label in NOT_KEPT:
                continue
            there = {row.name for row in connection.introspection.get_table_description(cursor, meta.db_table)}
            for statement in _statements(connection.vendor, model, there):
                cursor.execute(statement)
        if app_config.label == "accounts":
            for statement in APPEND_ONLY[connection.vendor]:
                cursor.execute(statement)


def _statements(vendor: str, model: type[models.Model], there: set[str]) -> list[str]:
    meta = model._meta  # noqa: SLF001 - Django's documented name
    columns = [
        field.column
        for field in meta.concrete_fields
        if field.column in there and not field.primary_key and field.column not in NOT_SHOWN | STAMPS
    ]
    owner = (
        "organization_id" if "organization_id" in there else ("id" if meta.label == "accounts.Organization" else "NULL")
    )
    make = _postgresql if vendor == "postgresql" else _sqlite
    return make(meta.db_table, meta.label, columns, owner)


def _of(row: str, owner: str) -> str:
    return owner if owner == "NULL" else f"{row}.{owner}"


def _postgresql(table: str, label: str, columns: list[str], owner: str) -> list[str]:
    """One trigger for each statement, and not for each row: a bulk statement is kept by one more."""
    name = f"{table}_history"
    pairs = ", ".join(
        f'\'{column}\', CASE WHEN o."{column}" IS DISTINCT FROM n."{column}" '
        f"THEN jsonb_build_array({_shown('o', column)}, {_shown('n', column)}) END"
        for column in columns
    )
    gone = ", ".join(f"'{column}', {_shown('o', column)}" for column in columns)
    head = f"INSERT INTO {TABLE} (organization_id, at, actor, model, row_id, act, changes) SELECT "
    told = f"clock_timestamp(), who, '{label}'"
    olds, news = (", ".join(f'{row}."{column}"' for column in columns) for row in "on")
    # The plan is made once in a session, for as many rows as its first statement had. A nested loop, right for one row,
    # would take minutes for 20,000; code compiled for 20,000 takes 15 ms for one.
    body = f"""
        CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql
        SET enable_nestloop = off SET jit = off AS $$
        DECLARE
            who text := coalesce(current_setting('ledger.actor', true), '');
        BEGIN
            IF TG_OP = 'INSERT' THEN
                {head} {_of("n", owner)}, {told}, n.id, 'created', '{{}}' FROM new_rows n;
            ELSIF TG_OP = 'DELETE' THEN
                {head} {_of("o", owner)}, {told}, o.id, 'deleted', jsonb_build_object({gone}) FROM old_rows o;
            ELSE
                {head} {_of("n", owner)}, {told}, n.id, 'changed', jsonb_strip_nulls(jsonb_build_object({pairs}))
                FROM new_rows n JOIN old_rows o ON o.id = n.id
                WHERE ROW({olds}) IS DISTINCT FROM ROW({news});
            END IF;
            RETURN NULL;
        END $$"""
    made = [body]
    for act, tables in (
        ("INSERT", "NEW TABLE AS new_rows"),
        ("UPDATE", "OLD TABLE AS old_rows NEW TABLE AS new_rows"),
        ("DELETE", "OLD TABLE AS old_rows"),
    ):
        trigger = f"{name}_{act.lower()}"
        made += [
            f"DROP TRIGGER IF EXISTS {trigger} ON {table}",
            (
                f"CREATE TRIGGER {trigger} AFTER {act} ON {table} REFERENCING {tables} "
                f"FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
            ),
        ]
    return made


def _shown(row: str, column: str) -> str:
    return f"'{HIDDEN}'" if column in SECRET else f'{row}."{column}"'


def _sqlite(table: str, label: str, columns: list[str], owner: str) -> list[str]:
    """`json_patch` leaves out what is null: the columns that stayed as they were."""
    changed = ", ".join(
        f'\'{column}\', CASE WHEN OLD."{column}" IS NOT NEW."{column}" '
        f"THEN json_array({_shown('OLD', column)}, {_shown('NEW', column)}) END"
        for column in columns
    )
    changes = f"json_patch('{{}}', json_object({changed}))"
    gone = ", ".join(f"'{column}', {_shown('OLD', column)}" for column in columns)
    differs = " OR ".join(f'OLD."{column}" IS NOT NEW."{column}"' for column in columns)

    def trigger(act: str, row: str, word: str, what: str, when: str = "") -> list[str]:
        name = f"{table}_history_{act.lower()}"
        return [
            f"DROP TRIGGER IF EXISTS {name}",
            (
                f"CREATE TRIGGER {name} AFTER {act} ON {table} {when} BEGIN "
                f"INSERT INTO {TABLE} (organization_id, at, actor, model, row_id, act, changes) VALUES "
                f"({_of(row, owner)}, strftime('%Y-%m-%d %H:%M:%f', 'now'), ledger_actor(), '{label}', {row}.id, "
                f"'{word}', {what}); END"
            ),
        ]

    return [
        *trigger("INSERT", "NEW", "created", "'{}'"),
        *trigger("UPDATE", "NEW", "changed", changes, f"WHEN {differs}"),
        *trigger("DELETE", "OLD", "deleted", f"json_object({gone})"),
    ]


_REFUSAL = "The history is only ever added to."
APPEND_ONLY = {
    "postgresql": [
        (
            f"CREATE OR REPLACE FUNCTION {TABLE}_stays() RETURNS trigger LANGUAGE plpgsql AS $$ "
            f"BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$"
        ),
        f"DROP TRIGGER IF EXISTS {TABLE}_stays ON {TABLE}",
        (
            f"CREATE TRIGGER {TABLE}_stays BEFORE UPDATE OR DELETE ON {TABLE} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {TABLE}_stays()"
        ),
    ],
    # Emptying all tables, which `flush` does here row by row and on PostgreSQL by TRUNCATE, is nobody's act.
    "sqlite": [
        statement
        for act in ("UPDATE", "DELETE")
        for statement in (
            f"DROP TRIGGER IF EXISTS {TABLE}_stays_{act.lower()}",
            (
                f"CREATE TRIGGER {TABLE}_stays_{act.lower()} BEFORE {act} ON {TABLE} "
                f"WHEN ledger_actor() <> '' BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
            ),
        )
    ],
}
