"""Which tables a statement reads or writes without saying whose rows: the organization leads every key."""

import re
from collections.abc import Iterator
from functools import cache

from django.apps import apps

OURS = ("accounts", "enrollments", "training", "programs")
# As Django writes them. A word behind a table is its alias, unless the statement goes on with it.
ROOT = re.compile(r'\b(?:FROM|UPDATE|INTO) "(\w+)"(?: (?!WHERE|INNER|LEFT|ORDER|GROUP|LIMIT|FOR|SET|ON)(\w+)\b)?')
SUBQUERY = re.compile(r"\((?=SELECT )((?:[^()]|\((?!SELECT )(?:[^()]|\((?!SELECT )[^()]*\))*\))*)\)")
TEXT = re.compile(r"'(?:[^']|'')*'")


@cache
def tables_of_organizations() -> set[str]:
    return {
        model._meta.db_table  # noqa: SLF001 - Django's documented name
        for app in OURS
        for model in apps.get_app_config(app).get_models(include_auto_created=True)
        if any(field.name == "organization" for field in model._meta.concrete_fields)  # noqa: SLF001 - as above
    }


def parts(sql: str) -> Iterator[str]:
    """The subqueries of a statement and then itself, none of them holding another."""
    sql = TEXT.sub("''", sql)
    while found := SUBQUERY.search(sql):
        yield found[1]
        sql = f"{sql[: found.start()]}(…){sql[found.end() :]}"
    yield sql


def conditions(part: str) -> str:
    """What stands behind the columns that are read or written."""
    if part.startswith("SELECT "):
        return part[max(part.find(" FROM "), 0) :]
    return part.partition(" WHERE ")[2] if part.startswith("UPDATE ") else part


def names(reference: str, behind: str) -> bool:
    column = rf'"?{reference}"?\."organization_id"'
    return re.search(rf"{column} (?:=|IN |IS NULL)|= \(?{column}", behind) is not None


@cache
def unnamed(sql: str) -> list[tuple[str, str]]:
    """The tables of organizations that a statement begins from without naming the organization, each with how its rows
    are found instead. Those that it joins follow from there, by a key whose two ends are of one organization.
    """
    ours = tables_of_organizations()
    found = []
    for part in parts(sql):
        behind = conditions(part)
        for table, alias in ROOT.findall(part):
            if part.startswith("INSERT ") and table in ours:
                named = '"organization_id"' in part.partition("(")[2].partition(")")[0]
            else:
                named = table not in ours or names(alias or table, behind)
            if not named:
                found.append((table, behind))
    return found
