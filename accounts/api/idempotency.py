"""`Idempotency-Key`: the first 2xx answer, byte for byte, for 24 hours.

The record is written in the transaction of the effect that it stands for, so neither is ever there without the other.
"""

import hashlib
import re
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.api.errors import ApiError
from accounts.errors import IdempotencyKeyInUse, IdempotencyKeyReused
from accounts.models import ApiToken, IdempotencyRecord
from accounts.services.idempotency import IDEMPOTENCY_LIFETIME
from accounts.transactions import try_lock_key

HEADER = "Idempotency-Key"
VISIBLE = re.compile(r"\A[\x21-\x7e]{1,255}\Z")
KEPT_HEADERS = ("Content-Type", "Location")


def key_of(request: HttpRequest) -> str | None:
    """Raises ApiError 400 for a key of another form."""
    key = request.headers.get(HEADER)
    if key is not None and not VISIBLE.match(key):
        raise ApiError(400, [f"{HEADER}: give 1-255 visible ASCII characters."], code="invalid_idempotency_key")
    return key


def first_answer(token: ApiToken, key: str, request: HttpRequest) -> HttpResponse | None:
    """What this request was answered before, or None: from here on this transaction holds the key.

    Raises IdempotencyKeyInUse (PostgreSQL; SQLite has waited for the first to finish), IdempotencyKeyReused.
    """
    digest = hashlib.sha256(f"{token.pk}:{key}".encode()).digest()
    if not try_lock_key(int.from_bytes(digest[:8], "big", signed=True)):
        raise IdempotencyKeyInUse
    record = IdempotencyRecord.objects.filter(**_whose(token), key=key).first()
    if record is None or record.created_at <= timezone.now() - IDEMPOTENCY_LIFETIME:
        return None
    if record.fingerprint != _fingerprint(request):
        raise IdempotencyKeyReused
    response = HttpResponse(bytes(record.body), status=record.status, headers=record.headers)
    if "Content-Type" not in record.headers:
        del response["Content-Type"]
    return response


def remember(token: ApiToken, key: str, request: HttpRequest, response: HttpResponse) -> None:
    """Keep an answer for the same request under this key, in the place of one that is past its time."""
    IdempotencyRecord.objects.update_or_create(
        **_whose(token),
        key=key,
        defaults={
            "fingerprint": _fingerprint(request),
            "status": response.status_code,
            "headers": {name: response[name] for name in KEPT_HEADERS if name in response},
            "body": response.content,
            "created_at": timezone.now(),
        },
    )


def _whose(token: ApiToken) -> dict[str, Any]:
    return {"organization_id": token.organization_id, "token": token}


def _fingerprint(request: HttpRequest) -> str:
    parts = (
        (request.method or "").encode(),
        request.path.rstrip("/").encode(),
        request.META.get("QUERY_STRING", "").encode(),
        request.body,
    )
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()
