"""Writing many rows that are new and many that are there in one statement, in the order of their file."""

from collections.abc import Collection, Sequence
from typing import Any, TypeVar

from django.db import IntegrityError

from accounts.models import Organization, OrganizationQuerySet

_Row = TypeVar("_Row", bound=Any)


def upsert(
    rows: "OrganizationQuerySet[_Row]",
    *,
    organization: Organization,
    planned: Sequence[_Row],
    new: Collection[str],
    key: str,
    fields: Sequence[str],
) -> dict[str, int]:
    """Write planned rows of one organization, whose `key` tells them apart there. The ids of the new ones, by key.

    Those whose key is in `new` are inserted; of the others, whose rows the caller has locked, `fields` are written.
    One statement in the rows' order: a unique value that one row frees can be taken by a later one. So the planned
    rows bear no id. Raises IntegrityError where a new one was written by somebody else in the meantime: the
    statement would change that row by a plan that was not made for it.
    """
    if not planned:
        return {}
    rows.bulk_create(planned, update_conflicts=True, unique_fields=["organization", key], update_fields=[*fields])
    hex_ids = [row.hex_id for row in planned if getattr(row, key) in new]
    ids: dict[str, int] = {}
    if hex_ids:
        # A row that was there already has kept its own public id.
        ids.update(rows.of(organization).filter(hex_id__in=hex_ids).values_list(key, "pk"))
    if len(ids) < len(hex_ids):
        raise IntegrityError("Somebody else wrote one of these rows at the same time.")
    return ids
