"""Templates, their modules, and program sessions."""

from collections.abc import Mapping
from typing import Any, TypeVar

from django.utils import timezone

from accounts.actors import Actor
from accounts.models import Organization
from accounts.services.saving import save_checked
from accounts.transactions import write
from enrollments.errors import CapacityBelowSeatsTaken
from programs.models import Module, ProgramMember, ProgramRequirement, ProgramSession, ProgramTemplate, ProgramTutor
from programs.services.membership import lock_program_session

# Rows that carry nothing but what they say: no capacity, no effect on the ledger.
Plain = TypeVar("Plain", ProgramTemplate, Module, ProgramTutor, ProgramRequirement)


def create(*, actor: Actor, row: Plain) -> Plain:
    """Raises FieldsRefused."""
    with write(actor):
        save_checked(row)
    return row


def update(*, actor: Actor, row: Plain, changes: dict[str, Any]) -> Plain:
    """Raises FieldsRefused."""
    with write(actor):
        for field, value in changes.items():
            setattr(row, field, value)
        if isinstance(row, ProgramTemplate):
            row.modified_at = timezone.now()
            changes = {**changes, "modified_at": row.modified_at}
        save_checked(row, update_fields=changes)
    return row


def create_session(*, organization: Organization, actor: Actor, **fields: Any) -> ProgramSession:
    """Raises FieldsRefused."""
    with write(actor):
        session = ProgramSession(organization=organization, **fields)
        save_checked(session)
    return session


def update_session(
    *, organization: Organization, actor: Actor, session: ProgramSession, changes: dict[str, Any]
) -> ProgramSession:
    """Raises ProgramSessionUnknown, CapacityBelowSeatsTaken, FieldsRefused."""
    with write(actor):
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


# What can be taken away again: it has no history of its own. What members owe of a removed module stays owed.
Removable = Module | ProgramTutor | ProgramRequirement


def remove(*, actor: Actor, row: Removable) -> None:
    """Take a module, a tutor or a requirement away. Doing it again changes nothing."""
    with write(actor):
        type(row).objects.of(row.organization).filter(pk=row.pk).delete()


def move_module(*, organization: Organization, actor: Actor, module: Module, position: int) -> Module:
    """Put a module at a place among its template's modules, counted from 1; the others close up behind it.

    A place beyond the last one is the last one.
    """
    with write(actor):
        # The template's row stands for the order of its modules: two moves at once take turns.
        templates = ProgramTemplate.objects.of(organization).select_for_update(of=("self",), no_key=True)
        templates.get(pk=module.template_id)
        modules = Module.objects.of(organization).filter(template_id=module.template_id)
        order = [row for row in modules.order_by("position") if row.pk != module.pk]
        order.insert(max(position, 1) - 1, modules.get(pk=module.pk))
        place_modules(organization, {row: place for place, row in enumerate(order, start=1)})
        return modules.get(pk=module.pk)


def place_modules(organization: Organization, places: Mapping[Module, int]) -> None:
    """Give all modules of a template their places.

    By way of some that nobody has had or will have: positions are unique at every moment.
    """
    taken, most = {row.position for row in places}, max(places.values(), default=0)
    aside = [place for place in range(most + 1, most + 2 * len(places) + 1) if place not in taken]
    for chosen in (aside, list(places.values())):
        for place, row in zip(chosen, places, strict=False):
            row.position = place
        Module.objects.of(organization).bulk_update(places, ["position"], batch_size=200)
