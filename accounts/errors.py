"""Refusals: what the ledger will not do, as a stable code and facts.

No HTTP status and no wording here. Each API dialect chooses its own status and words
(`Dialect.refusals`); staff and operators read `accounts.wording.describe`.
"""

from typing import ClassVar


class Refusal(Exception):  # noqa: N818 - a refusal is an answer, not an error of ours
    """Base of all refusals. Raising one inside `transactions.write()` undoes the whole write."""

    code: ClassVar[str] = "refused"


class Busy(Refusal):
    """A lock could not be had within `transactions.LOCK_WAIT`; the same call may succeed at once."""

    code = "busy"


class FieldsRefused(Refusal):
    """Values that the model or its rules do not allow, by field name."""

    code = "invalid"

    def __init__(self, fields: dict[str, list[str]]) -> None:
        super().__init__(fields)
        self.fields = fields


class PeopleUnknown(Refusal):
    """Ids (or employee numbers, as they were given) that name nobody in the organization."""

    code = "people_unknown"

    def __init__(self, ids: list[int] | list[str]) -> None:
        super().__init__(ids)
        self.ids = ids


class PeopleInactive(Refusal):
    code = "people_inactive"

    def __init__(self, ids: list[int]) -> None:
        super().__init__(ids)
        self.ids = ids


class CredentialRefused(Refusal):
    """Why a secret lets nobody in: `missing`, `unknown`, `revoked` or `expired`."""

    code = "credential_refused"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class IdempotencyKeyReused(Refusal):
    """The key was first used for another request."""

    code = "idempotency_key_reused"


class IdempotencyKeyInUse(Refusal):
    """The first request under this key has not finished."""

    code = "idempotency_key_in_use"
