"""Refusals in the words that staff and operators read, in the admin and from commands."""

from functools import singledispatch

from accounts.errors import (
    Busy,
    CredentialRefused,
    FieldsRefused,
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
    PeopleInactive,
    PeopleUnknown,
    Refusal,
)


@singledispatch
def describe(refusal: Refusal) -> str:
    """One sentence or more, ending in a full stop. Every app registers its own refusals (a test walks them all)."""
    raise LookupError(f"No wording for {type(refusal).__name__}.")


def listed(items: list[int] | list[str]) -> str:
    return ", ".join(str(item) for item in items)


@describe.register
def _busy(_refusal: Busy) -> str:
    return "The ledger is busy. Try again."


@describe.register
def _fields(refusal: FieldsRefused) -> str:
    return " ".join(f"{field}: {message}" for field, messages in refusal.fields.items() for message in messages)


@describe.register
def _unknown(refusal: PeopleUnknown) -> str:
    return f"Unknown employees: {listed(refusal.ids)}."


@describe.register
def _inactive(refusal: PeopleInactive) -> str:
    return f"Inactive employees: {listed(refusal.ids)}."


@describe.register
def _credential(refusal: CredentialRefused) -> str:
    return {
        "missing": "No credential was given.",
        "unknown": "The credential is not known.",
        "revoked": "The credential has been revoked.",
        "expired": "The credential has expired.",
    }[refusal.reason]


@describe.register
def _key_reused(_refusal: IdempotencyKeyReused) -> str:
    return "This Idempotency-Key was used for another request."


@describe.register
def _key_in_use(_refusal: IdempotencyKeyInUse) -> str:
    return "The first request with this Idempotency-Key is still running."
