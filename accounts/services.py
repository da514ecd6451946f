"""Writes to who there is: organizations, people, staff users, API tokens."""

import secrets
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, connection, models, transaction
from django.utils import timezone

from accounts.actors import Actor
from accounts.errors import FieldsRefused
from accounts.models import ApiToken, IdempotencyRecord, Organization, Person, User
from accounts.search import searchable
from accounts.selectors import LAST_USED_STEP, TOKEN_MARK, secret_digest
from accounts.transactions import without_waiting, write

IDEMPOTENCY_LIFETIME = timedelta(hours=24)


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
                row.save(update_fields=list(update_fields))
    except IntegrityError as error:
        raise FieldsRefused({"__all__": ["This collides with a row that was written at the same time."]}) from error


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


def create_organization(*, actor: Actor, name: str, slug: str, time_zone: str = "UTC", **fields: Any) -> Organization:
    del actor  # Organizations carry no author; every service takes the actor all the same.
    with write():
        organization = Organization(name=name, slug=slug, time_zone=time_zone, **fields)
        save_checked(organization)
    return organization


def update_organization(*, actor: Actor, organization: Organization, changes: dict[str, Any]) -> Organization:
    del actor
    with write():
        for field, value in changes.items():
            setattr(organization, field, value)
        save_checked(organization, update_fields=changes)
    return organization


def create_person(*, organization: Organization, actor: Actor, **fields: Any) -> Person:
    """Raises FieldsRefused."""
    del actor
    with write():
        person = Person(organization=organization, **fields)
        person.search_name = searchable(person.full_name)
        save_checked(person)
    return person


def update_person(*, organization: Organization, actor: Actor, person: Person, changes: dict[str, Any]) -> Person:
    """Raises FieldsRefused."""
    del actor
    with write():
        person = Person.objects.of(organization).select_for_update(of=("self",)).get(pk=person.pk)
        for field, value in changes.items():
            setattr(person, field, value)
        person.search_name = searchable(person.full_name)
        save_checked(person, update_fields=[*changes, "search_name"])
    return person


def create_user(*, actor: Actor, email: str, password: str, organization: Organization | None, **fields: Any) -> User:
    """A staff user. Raises FieldsRefused."""
    del actor
    with write():
        user = User(email=User.objects.normalize_email(email), organization=organization, **fields)
        user.set_password(password)
        save_checked(user)
    return user


def update_user(*, actor: Actor, user: User, changes: dict[str, Any]) -> User:
    """`password`, if among the changes, is plain text here and hashed in the row. Raises FieldsRefused."""
    del actor
    with write():
        for field, value in changes.items():
            if field == "password":
                user.set_password(value)
            else:
                setattr(user, field, value)
        save_checked(user, update_fields=changes)
    return user


def create_token(
    *,
    organization: Organization,
    actor: Actor,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime | None = None,
) -> tuple[ApiToken, str]:
    """A new token and its secret, which is shown this once and kept nowhere. Raises FieldsRefused."""
    prefix = secrets.token_hex(4)
    secret = f"{TOKEN_MARK}_{prefix}_{secrets.token_urlsafe(32)}"
    with write():
        token = ApiToken(
            organization=organization,
            name=name,
            prefix=prefix,
            digest=secret_digest(secret),
            scopes=list(scopes),
            expires_at=expires_at,
            created_by=actor.ref,
        )
        save_checked(token)
    return token, secret


def revoke_token(*, actor: Actor, token: ApiToken) -> ApiToken:
    """From the next request on, the secret lets nobody in. Revoking twice keeps the first time."""
    del actor
    with write():
        ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now())
        token.refresh_from_db(fields=["revoked_at"])
    return token


def note_token_use(*, token: ApiToken) -> None:
    """Keep `last_used_at` to the minute, without making a read wait or fail when the database is busy writing."""
    now = timezone.now()
    stale = models.Q(last_used_at=None) | models.Q(last_used_at__lte=now - LAST_USED_STEP)
    try:
        with without_waiting():
            ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)
    except DatabaseError:
        if connection.in_atomic_block:
            raise


def purge_idempotency_records() -> int:
    """Delete the records that are past their 24 hours. Returns how many there were."""
    with write():
        deleted, _ = IdempotencyRecord.objects.filter(created_at__lte=timezone.now() - IDEMPOTENCY_LIFETIME).delete()
    return deleted


def take_over(
    model: type[models.Model], rows: Sequence[models.Model], *, progress: Callable[[int], object] | None = None
) -> None:
    """Insert rows of another system's history as they stand, with their ids, checked by the database's constraints.

    No effect on the ledger follows. The next id is above the highest one taken over.
    """
    with write():
        for start in range(0, len(rows), 1000):
            batch = rows[start : start + 1000]
            model._default_manager.bulk_create(batch)  # noqa: SLF001 - Django's documented name
            if progress:
                progress(len(batch))
        highest = model._default_manager.aggregate(highest=models.Max("pk"))["highest"] or 0  # noqa: SLF001 - as above
        advance_ids(model, highest)


def advance_ids(model: type[models.Model], highest: int) -> None:
    """Make the table's next id `highest + 1`, on either database."""
    table = model._meta.db_table  # noqa: SLF001 - Django's documented name
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", [table, max(highest, 1)])
        else:
            cursor.execute("UPDATE sqlite_sequence SET seq = %s WHERE name = %s", [highest, table])
            if cursor.rowcount == 0:
                cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [table, highest])
