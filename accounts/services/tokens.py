"""API tokens."""

import secrets
from collections.abc import Sequence
from datetime import datetime

from django.db import DatabaseError, connection, models
from django.utils import timezone

from accounts.actors import Actor
from accounts.models import ApiToken, Organization
from accounts.selectors import LAST_USED_STEP, TOKEN_MARK, secret_digest
from accounts.services.saving import save_checked
from accounts.transactions import without_waiting, write


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
