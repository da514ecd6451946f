"""API tokens."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import DatabaseError, connection, models
from django.utils import timezone

from accounts.actors import Actor
from accounts.errors import FieldsRefused
from accounts.models import ApiToken, Organization
from accounts.selectors import LAST_USED_STEP, TOKEN_MARK, secret_digest
from accounts.services.saving import save_checked
from accounts.transactions import without_waiting, write


def new_prefix() -> str:
    return secrets.token_hex(4)


def create_token(
    *,
    organization: Organization,
    actor: Actor,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime | None = None,
    prefix: str = "",
) -> tuple[ApiToken, str]:
    """A new token and its secret, which is shown this once and kept nowhere. Raises FieldsRefused.

    `prefix`: 8 hex digits that a form was given, so that sending it twice makes one token. No two tokens have the same.
    """
    prefix = prefix or new_prefix()
    secret = f"{TOKEN_MARK}_{prefix}_{secrets.token_urlsafe(32)}"
    with write(actor):
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
    with write(actor):
        ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now())
        token.refresh_from_db(fields=["revoked_at"])
    return token


def rotate_token(*, actor: Actor, token: ApiToken, overlap: timedelta, prefix: str = "") -> tuple[ApiToken, str]:
    """A new token with the name, scopes and expiry of this one, which lets its callers in for the overlap only.

    Where it would have expired earlier anyway, it still does. Raises FieldsRefused, also for one that is not live.
    """
    with write(actor):
        tokens = ApiToken.objects.select_related("organization").select_for_update(of=("self",), no_key=True)
        old = tokens.get(pk=token.pk)
        if not old.is_live:
            raise FieldsRefused({"__all__": ["This token lets nobody in any more. Create a new one."]})
        made, secret = create_token(
            organization=old.organization,
            actor=actor,
            name=old.name,
            scopes=old.scopes,
            expires_at=old.expires_at,
            prefix=prefix,
        )
        ends = timezone.now() + overlap
        if old.expires_at is None or ends < old.expires_at:
            old.expires_at = ends
            save_checked(old, update_fields=["expires_at"])
    return made, secret


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
