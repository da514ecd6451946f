"""How a row is saved: validated whole, and with the fields named."""

from collections.abc import Iterable
from datetime import UTC, datetime

from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, models, transaction

from accounts.errors import FieldsRefused


def save_checked(row: models.Model, *, update_fields: Iterable[str] | None = None) -> None:
    """Validate a row whole, then insert it, or write the named fields only (a whole-row save loses concurrent edits).

    Raises FieldsRefused, also for a row of another organization, and for what only the database noticed: a unique
    value taken a moment ago.
    """
    _refuse_beyond_the_calendar(row)
    try:
        row.full_clean()
    except ValidationError as error:
        raise FieldsRefused(_by_field(row, error)) from error
    _refuse_foreign(row)
    try:
        # A savepoint of its own: PostgreSQL refuses every statement after a failed one.
        with transaction.atomic():
            if update_fields is None:
                row.save(force_insert=True)
            else:
                write_fields(row, update_fields)
    except IntegrityError as error:
        raise FieldsRefused({"__all__": ["This collides with a row that was written at the same time."]}) from error


def write_fields(row: models.Model, names: Iterable[str]) -> None:
    """Write these fields of a row that is there. It is named with its organization, which leads every key."""
    fields = {name: row._meta.get_field(name) for name in names}  # noqa: SLF001 - Django's documented name
    values = {name: getattr(row, field.attname) for name, field in fields.items() if isinstance(field, models.Field)}
    if not values:
        return
    rows = type(row)._base_manager.filter(pk=row.pk)  # noqa: SLF001 - as above
    # Only a user's organization can be among what is written.
    if hasattr(row, "organization_id") and "organization" not in values:
        rows = rows.filter(organization_id=row.organization_id)
    if not rows.update(**values):
        raise DatabaseError("There is no such row to write to.")


def _by_field(row: models.Model, error: ValidationError) -> dict[str, list[str]]:
    """Messages by field. A constraint of the whole row whose error code is a field's name speaks of that field."""
    names = {field.name for field in row._meta.concrete_fields}  # noqa: SLF001 - Django's documented name
    fields: dict[str, list[str]] = {}
    for name, errors in error.error_dict.items():
        for one in errors:
            fields.setdefault(one.code if one.code in names else name, []).extend(one.messages)
    return fields


def _refuse_beyond_the_calendar(row: models.Model) -> None:
    """An instant that has no UTC time within the years 1-9999: a database may take it, and nobody could read it back."""
    for field in row._meta.concrete_fields:  # noqa: SLF001 - Django's documented name
        value = getattr(row, field.attname)
        if isinstance(value, datetime):
            try:
                value.astimezone(UTC)
            except OverflowError as error:
                raise FieldsRefused({field.name: ["Give a time within the years 1 to 9999."]}) from error


def _refuse_foreign(row: models.Model) -> None:
    """What a row points to is of its own organization: another organization's row answers as one that is not there."""
    organization_id = getattr(row, "organization_id", None)
    for field in row._meta.concrete_fields:  # noqa: SLF001 - Django's documented name
        if organization_id is None or not isinstance(field, models.ForeignKey):
            continue
        target = getattr(row, field.name)
        if getattr(target, "organization_id", organization_id) != organization_id:
            raise FieldsRefused({field.name: ["There is no such row."]})
