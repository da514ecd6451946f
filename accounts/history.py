"""Who changed what and when, on every row, written by the database itself.

Triggers see every write: services, bulk statements, a repair by hand. A library that hooks `save()` sees the first kind
only. They are made anew after each `migrate`, from the columns that the tables have then: a migration that rebuilds a
table on SQLite loses its triggers without a word.

The actor is told to the database by `accounts.transactions.write(actor)`. What is written without one has an empty
actor: somebody worked on the database itself.
"""

# ruff: noqa: S608 - names of tables and columns only

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Link:
    """Of rows that tie one row to others: what happens to them is told on the page of the first, their parent.

    Named by columns, because the words outlive the models that are above this app.
    """

    what: str
    parent: str
    others: tuple[str, ...]
    made: str = "added to"
    gone: str = "removed from"

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.parent, *self.others)


LINKS = {
    "accounts.User_groups": Link("Role", "user_id", ("group_id",), "given to", "taken from"),
    "accounts.User_user_permissions": Link("Permission", "user_id", ("permission_id",), "given to", "taken from"),
    "accounts.GroupMember": Link("Person", "group_id", ("person_id",)),
    "enrollments.Prerequisite": Link("Prerequisite", "course_id", ("required_id",)),
    "training.RequirementPerson": Link("Person", "requirement_id", ("person_id",)),
    "programs.Module": Link("Module", "template_id", ("course_id",)),
    "programs.ProgramTutor": Link("Tutor", "session_id", ("person_id",)),
    "programs.ProgramRequirement": Link("Condition", "session_id", ("course_id", "template_id")),
    "programs.ProgramMember": Link("Member", "session_id", ("person_id",)),
    "programs.MemberRecord": Link("Record", "member_id", ("train_session_id",)),
}

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
        # Migrated back, the history has no such column.
        told = any(row.name == "parent_id" for row in connection.introspection.get_table_description(cursor, TABLE))
        for model in app_config.get_models(include_auto_created=True):
            meta = model._meta  # noqa: SLF001 - Django's documented name
            if meta.db_table not in tables or meta.label in NOT_KEPT:
                continue
            there = {row.name for row in connection.introspection.get_table_description(cursor, meta.db_table)}
            for statement in _statements(connection.vendor, model, there, LINKS.get(meta.label) if told else None):
                cursor.execute(statement)
        if app_config.label == "accounts":
            for statement in APPEND_ONLY[connection.vendor]:
                cursor.execute(statement)


def _statements(vendor: str, model: type[models.Model], there: set[str], link: Link | None) -> list[str]:
    meta = model._meta  # noqa: SLF001 - Django's documented name
    columns = [
        field.column
        for field in meta.concrete_fields
        if field.column in there and not field.primary_key and field.column not in NOT_SHOWN | STAMPS
    ]
    make = _postgresql if vendor == "postgresql" else _sqlite
    return make(meta.db_table, meta.label, columns, _owner(model, there, link), link)


def _owner(model: type[models.Model], there: set[str], link: Link | None) -> str:
    """The organization of `{row}`: its own, or its parent's."""
    meta = model._meta  # noqa: SLF001 - as above
    if "organization_id" in there:
        return "{row}.organization_id"
    if meta.label == "accounts.Organization":
        return "{row}.id"
    if link is None:
        return "NULL"
    [parent] = [one.related_model for one in meta.concrete_fields if one.column == link.parent]
    table = parent._meta.db_table  # type: ignore[union-attr]  # noqa: SLF001 - as above
    return f'(SELECT p.organization_id FROM {table} p WHERE p.id = {{row}}."{link.parent}")'


def _postgresql(table: str, label: str, columns: list[str], owner: str, link: Link | None) -> list[str]:
    """One trigger for each statement, and not for each row: a bulk statement is kept by one more."""
    name = f"{table}_history"
    pairs = ", ".join(
        f'\'{column}\', CASE WHEN o."{column}" IS DISTINCT FROM n."{column}"{_or_linked(link, "n", column)} '
        f"THEN jsonb_build_array({_shown('o', column)}, {_shown('n', column)}) END"
        for column in columns
    )
    new = f"jsonb_build_object({_held('n', link.columns)})" if link else "'{}'"
    head = (
        f"INSERT INTO {TABLE} (organization_id, at, actor, model, row_id, act, changes{', parent_id' if link else ''}) "
        "SELECT "
    )
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
                {head} {owner.format(row="n")}, {told}, n.id, 'created', {new}{_parent("n", link)} FROM new_rows n;
            ELSIF TG_OP = 'DELETE' THEN
                {head} {owner.format(row="o")}, {told}, o.id, 'deleted',
                jsonb_build_object({_held("o", columns)}){_parent("o", link)} FROM old_rows o;
            ELSE
                {head} {owner.format(row="n")}, {told}, n.id, 'changed',
                jsonb_strip_nulls(jsonb_build_object({pairs})){_parent("n", link)}
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


def _held(row: str, columns: Iterable[str]) -> str:
    """Names and values, for the functions of both databases that make an object of them."""
    return ", ".join(f"'{column}', {_shown(row, column)}" for column in columns)


def _parent(row: str, link: Link | None) -> str:
    return f', {row}."{link.parent}"' if link else ""


def _or_linked(link: Link | None, row: str, column: str) -> str:
    """What a link ties together is named in each of its entries, changed or not."""
    return f' OR {row}."{column}" IS NOT NULL' if link and column in link.columns else ""


def _sqlite(table: str, label: str, columns: list[str], owner: str, link: Link | None) -> list[str]:
    """`json_patch` leaves out what is null: the columns that stayed as they were."""
    changed = ", ".join(
        f'\'{column}\', CASE WHEN OLD."{column}" IS NOT NEW."{column}"{_or_linked(link, "NEW", column)} '
        f"THEN json_array({_shown('OLD', column)}, {_shown('NEW', column)}) END"
        for column in columns
    )
    changes = f"json_patch('{{}}', json_object({changed}))"
    differs = " OR ".join(f'OLD."{column}" IS NOT NEW."{column}"' for column in columns)
    new = f"json_object({_held('NEW', link.columns)})" if link else "'{}'"

    def trigger(act: str, row: str, word: str, what: str, when: str = "") -> list[str]:
        name = f"{table}_history_{act.lower()}"
        return [
            f"DROP TRIGGER IF EXISTS {name}",
            (
                f"CREATE TRIGGER {name} AFTER {act} ON {table} {when} BEGIN "
                f"INSERT INTO {TABLE} (organization_id, at, actor, model, row_id, act, changes"
                f"{', parent_id' if link else ''}) VALUES "
                f"({owner.format(row=row)}, strftime('%Y-%m-%d %H:%M:%f', 'now'), ledger_actor(), '{label}', {row}.id, "
                f"'{word}', {what}{_parent(row, link)}); END"
            ),
        ]

    return [
        *trigger("INSERT", "NEW", "created", new),
        *trigger("UPDATE", "NEW", "changed", changes, f"WHEN {differs}"),
        *trigger("DELETE", "OLD", "deleted", f"json_object({_held('OLD', columns)})"),
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
