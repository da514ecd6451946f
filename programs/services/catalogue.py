"""Templates, their modules, and program sessions."""

from typing import Any, TypeVar

from django.utils import timezone

from accounts.actors import Actor
from accounts.models import Organization
from accounts.services import save_checked
from accounts.transactions import write
from enrollments.errors import CapacityBelowSeatsTaken
from programs.models import Module, ProgramMember, ProgramRequirement, ProgramSession, ProgramTemplate, ProgramTutor
from programs.services.membership import lock_program_session

# Rows that carry nothing but what they say: no capacity, no effect on the ledger.
Plain = TypeVar("Plain", ProgramTemplate, Module, ProgramTutor, ProgramRequirement)


def create(*, actor: Actor, row: Plain) -> Plain:
    """Raises FieldsRefused."""
    del actor
    with write():
        save_checked(row)
    return row


def update(*, actor: Actor, row: Plain, changes: dict[str, Any]) -> Plain:
    """Raises FieldsRefused."""
    del actor
    with write():
        for field, value in changes.items():
            setattr(row, field, value)
        if isinstance(row, ProgramTemplate):
            row.modified_at = timezone.now()
            changes = {**changes, "modified_at": row.modified_at}
        save_checked(row, update_fields=changes)
    return row


def create_session(*, organization: Organization, actor: Actor, **fields: Any) -> ProgramSession:
    """Raises FieldsRefused."""
    del actor
    with write():
        session = ProgramSession(organization=organization, **fields)
        save_checked(session)
    return session


def update_session(
    *, organization: Organization, actor: Actor, session: ProgramSession, changes: dict[str, Any]
) -> ProgramSession:
    """Raises ProgramSessionUnknown, CapacityBelowSeatsTaken, FieldsRefused."""
    del actor
    with write():
        session = lock_program_session(organization, session)
        for field, value in changes.items():
            setattr(session, field, value)
        if {"user_limit", "has_user_limit"} & set(changes) and session.capacity is not None:
            taken = ProgramMember.objects.of(organization).current().filter(session=session).count()
            if session.capacity < taken:
                raise CapacityBelowSeatsTaken(taken=taken, capacity=session.capacity)
        session.modified_at = timezone.now()
        save_checked(session, update_fields=[*changes, "modified_at"])
    return session
