"""The feed's cursors: opaque, signed, tied to the organization, the filters and `endTime`, valid for 30 days."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.core import signing

from accounts.api.errors import ApiError
from accounts.models import Organization

LIFETIME = timedelta(days=30)


def fingerprint(organization: Organization, conditions: Mapping[str, object]) -> str:
    """What a cursor is tied to. `conditions` are parsed values in canonical form, so that their spelling is free."""
    canonical = json.dumps([organization.pk, sorted(conditions.items())], default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:24]


def write_cursor(kind: str, tied_to: str, position: list[object]) -> str:
    return signing.dumps([tied_to, position], salt=f"cursor.{kind}", compress=True)


def read_cursor(kind: str, text: str, tied_to: str) -> list[object]:
    """The position. Raises ApiError 400, which says what is wrong with the cursor."""
    try:
        found, position = signing.loads(text, salt=f"cursor.{kind}", max_age=LIFETIME)
    except signing.SignatureExpired as error:
        raise ApiError.bad_query({"after": ["The cursor has expired: it was valid for 30 days."]}) from error
    except (signing.BadSignature, ValueError) as error:
        raise ApiError.bad_query(
            {"after": ["This is no cursor of this list. Give an endCursor, as it was."]}
        ) from error
    if found != tied_to:
        raise ApiError.bad_query({"after": ["The cursor belongs to other filters or another endTime. Send the same."]})
    return list(position)


def instant_of(text: object) -> datetime:
    return datetime.fromisoformat(str(text))
