"""Queries that are built and compiled once, and from then on only bound.

Building and compiling a query takes Django as long as PostgreSQL takes to answer a small page of it, and what differs
between two requests is mostly values. So a query is built with `Slot`s where its values go; its SQL is kept, and each
run puts the values in. PostgreSQL prepares what comes often, where the connection allows it (`prepare_threshold`).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar, cast

from django.core.exceptions import EmptyResultSet
from django.db import DEFAULT_DB_ALIAS, connections, models, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.models import Expression, QuerySet, Subquery
from django.db.models.lookups import Lookup

Model = TypeVar("Model", bound=models.Model)
Values = Mapping[str, Any]
Row = tuple[Any, ...]
Part = str | Expression | Subquery
"""A column: its name, or an expression."""


class Slot(Expression):
    """A value that is given when the statement runs, of the kind that `column` holds."""

    def __init__(self, name: str, column: "models.Field[Any, Any]") -> None:
        super().__init__(output_field=column)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:  # noqa: ARG002 - Django's signature
        return "%s", (self,)

    def bound(self, values: Values, connection: BaseDatabaseWrapper) -> Any:
        return self.output_field.get_db_prep_value(values[self.name], connection)


ORGANIZATION = Slot("organization", models.BigIntegerField())
"""Whose rows a statement reads: a query is begun `of` this, and every run names one."""

LIMIT = Slot("limit", models.BigIntegerField())
OFFSET = Slot("offset", models.BigIntegerField())


@models.CharField.register_lookup
@models.TextField.register_lookup
class Like(Lookup):
    """A LIKE pattern as it is, its backslashes escaping. (`contains` escapes in Python, so it can take no slot.)"""

    lookup_name = "like"

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        left, left_params = self.process_lhs(compiler, connection)
        right, right_params = self.process_rhs(compiler, connection)
        return f"{left} LIKE {right} ESCAPE '\\'", (*left_params, *right_params)


def containing(text: str) -> str:
    """The pattern of what contains `text`, in which no character is special."""
    return "%" + text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%"


class Statement:
    """The columns of a query's rows, at most `limit` of them behind the first `offset`, or their count."""

    def __init__(self, rows: "QuerySet[Any]", *asked: Part) -> None:
        """`rows` may hold slots. Without columns asked for: the count."""
        self.model: type[models.Model] = rows.model
        self.counts = not asked
        query = rows.order_by().values_list("pk") if self.counts else rows.values_list(*asked)
        self._query = query.query
        compiler = self._query.get_compiler(connection=self.connection)
        try:
            self.sql, self.params = compiler.as_sql()
        except EmptyResultSet:
            self.sql, self.params = "", ()
            return
        # SQLite has few types of its own. What PostgreSQL sends, psycopg makes Python's.
        columns = () if self.connection.vendor == "postgresql" else [column for column, *_ in compiler.select]
        self._converted = compiler.get_converters(columns)
        if self.counts:
            self.sql = f"SELECT COUNT(*) FROM ({self.sql}) counted"  # noqa: S608 - Django's SQL, values apart
        else:
            self.sql += " LIMIT %s OFFSET %s"
            self.params = (*self.params, LIMIT, OFFSET)

    @property
    def connection(self) -> BaseDatabaseWrapper:
        return connections[router.db_for_read(self.model)]

    def run(self, values: Values) -> list[Row]:
        return self.begun(values)()

    def begun(self, values: Values) -> Callable[[], list[Row]]:
        """What reads the rows, by this thread's connection. It may be called in another thread."""
        if not self.sql:
            return lambda: [(0,)] if self.counts else []
        connection = self.connection
        params = [item.bound(values, connection) if isinstance(item, Slot) else item for item in self.params]
        # A count is not prepared: planned for any organization it could take the way that is good for a small one.
        return partial(self._rows, connection, connection.cursor() if self.counts else _cursor(connection), params)

    def _rows(self, connection: BaseDatabaseWrapper, open_: CursorWrapper, params: Sequence[Any]) -> list[Row]:
        with open_ as cursor:
            cursor.execute(self.sql, params)
            rows: list[Row] = cursor.fetchall()
        if not self._converted:
            return rows
        compiler = self._query.get_compiler(connection=connection)
        return [tuple(row) for row in compiler.apply_converters(rows, self._converted)]


def columns_of(model: type[models.Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]  # noqa: SLF001 - a documented interface


def from_row(model: type[Model], values: Row) -> Model:
    """An instance, from the values of `columns_of` the model."""
    return model.from_db(DEFAULT_DB_ALIAS, columns_of(model), values)


def _cursor(connection: BaseDatabaseWrapper) -> CursorWrapper:
    """A cursor whose statements PostgreSQL can prepare: Django's own writes the values into the text."""
    if connection.vendor != "postgresql":
        return connection.cursor()
    import psycopg  # noqa: PLC0415 - SQLite alone needs no driver

    connection.ensure_connection()
    cursor: Any = psycopg.Cursor(cast("psycopg.Connection[Any]", connection.connection))
    # Read by psycopg's own C loaders: Django's one for instants is written in Python, and a third of a page's time.
    cursor.format = psycopg.pq.Format.BINARY
    return connection.make_debug_cursor(cursor) if connection.queries_logged else connection.make_cursor(cursor)
