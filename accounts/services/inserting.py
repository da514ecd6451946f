"""Inserting many rows that are given by column: what they share once, what tells them apart as a list."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from django.db import connection, models

Model = TypeVar("Model", bound=models.Model)


def insert_columns(
    model: type[models.Model], *, same: Mapping[str, Any], each: Mapping[str, Sequence[Any]]
) -> list[int]:
    """Insert as many rows as `each`, whose lists are equally long, has values. Their ids, in order.

    Columns that neither names get their field's default. On PostgreSQL it is one statement over arrays, for a third of
    what `bulk_create` costs, most of which is preparing every value of every row by itself.
    """
    if not next(iter(each.values())):
        return []
    if connection.vendor != "postgresql":
        names = [*each]
        rows = (dict(zip(names, values, strict=True)) for values in zip(*each.values(), strict=True))
        made = model._default_manager.bulk_create([model(**same, **row) for row in rows])  # noqa: SLF001 - Django's documented name
        return [row.pk for row in made]
    return _insert_arrays(model, same, each)


def insert_rows(rows: Sequence[Model]) -> list[Model]:
    """As `bulk_create`: the rows, with their ids. What all of them have in common is said once."""
    made = list(rows)
    if not made or connection.vendor != "postgresql":
        return type(made[0])._default_manager.bulk_create(made) if made else []  # noqa: SLF001 - Django's documented name
    same: dict[str, Any] = {}
    each: dict[str, Sequence[Any]] = {}
    for field in made[0]._meta.concrete_fields:  # noqa: SLF001 - as above
        if not field.primary_key:
            values = [getattr(row, field.attname) for row in made]
            shared = all(value is values[0] for value in values)
            (same if shared else each)[field.attname] = values[0] if shared else values
    if not each:  # Of one row all is shared.
        each = {(name := next(iter(same))): [same.pop(name)] * len(made)}
    for row, pk in zip(made, _insert_arrays(type(made[0]), same, each), strict=True):
        row.pk = pk
        row._state.adding = False  # noqa: SLF001 - as Django's own
        row._state.db = connection.alias  # noqa: SLF001 - as above
    return made


def _insert_arrays(model: type[models.Model], same: Mapping[str, Any], each: Mapping[str, Sequence[Any]]) -> list[int]:
    options = model._meta  # noqa: SLF001 - Django's documented name
    quote = connection.ops.quote_name
    columns, selected, shared, arrays, names = list[str](), list[str](), list[Any](), list[str](), list[str]()
    lists: list[Any] = []
    for field in options.concrete_fields:
        if field.primary_key:
            continue
        column, kind = quote(str(field.column)), field.db_type(connection)
        columns.append(column)
        if field.attname in each:
            selected.append(f"given.{column}")
            names.append(column)
            arrays.append(f"%s::{kind}[]")
            values = each[field.attname]
            # The driver knows the rest by itself.
            prepared = isinstance(field, models.JSONField) or bool(field.choices)
            lists.append([field.get_db_prep_save(value, connection) for value in values] if prepared else list(values))
        else:
            selected.append(f"%s::{kind}")
            value = same[field.attname] if field.attname in same else field.get_default()
            shared.append(field.get_db_prep_save(value, connection))
    statement = (
        f"INSERT INTO {quote(options.db_table)} ({', '.join(columns)}) "  # noqa: S608 - names of columns and types only
        f"SELECT {', '.join(selected)} FROM unnest({', '.join(arrays)}) AS given ({', '.join(names)}) "
        f"RETURNING {quote(str(options.pk.column))}"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [*shared, *lists])
        return [pk for (pk,) in cursor.fetchall()]
