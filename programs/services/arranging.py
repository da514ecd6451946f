"""The modules of a template, changed and put in order together."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils import timezone

from accounts.actors import Actor
from accounts.errors import FieldsRefused
from accounts.models import Organization
from accounts.services.saving import save_checked
from accounts.transactions import write
from enrollments.models import Course
from programs.models import Module, ProgramTemplate
from programs.services.catalogue import place_modules

BEHIND_ALL = 1_000_000


@dataclass(frozen=True)
class Step:
    """A module as it is wanted: an existing one by its id, or a new one. Without a position it goes to the end."""

    module_id: int | None
    position: int | None
    type: str
    course: Course | None
    remove: bool = False


def arrange(
    *, organization: Organization, actor: Actor, template: ProgramTemplate, steps: Sequence[Step]
) -> list[Module]:
    """Change, add, remove and order modules of a template, all or nothing. Modules that are not named stay.

    One that is wanted at another's place comes to stand before it if it moves forward, and after it if it moves back.
    What members owe of a removed module stays owed.
    Raises FieldsRefused, with messages by the number of the step in the list.
    """
    with write(actor):
        # The template's row stands for the order of its modules: two changes at once take turns.
        templates = ProgramTemplate.objects.of(organization).select_for_update(of=("self",), no_key=True)
        template = templates.get(pk=template.pk)
        modules = {row.pk: row for row in Module.objects.of(organization).filter(template=template)}
        wanted: list[tuple[int, int, int, Module]] = []
        named: dict[int, Module] = {}
        for number, step in enumerate(steps):
            row = modules.pop(step.module_id, None) if step.module_id is not None else None
            if step.module_id is not None and row is None:
                raise FieldsRefused({str(number): ["Somebody has removed this module. Open the page again."]})
            if step.remove:
                if row is not None:
                    Module.objects.of(organization).filter(pk=row.pk).delete()
                continue
            to = BEHIND_ALL if step.position is None else step.position
            moves = 0 if row is None else (to > row.position) - (to < row.position)
            named[number] = row or Module(organization=organization, template=template)
            named[number].type, named[number].course = step.type, step.course
            wanted.append((to, moves, number, named[number]))
        wanted += [(row.position, 0, 0, row) for row in modules.values()]
        order = [row for *_, row in sorted(wanted, key=lambda one: one[:3])]
        _write(organization, order, named)
        template.modified_at = timezone.now()
        save_checked(template, update_fields=["modified_at"])
    return order


def _write(organization: Organization, order: Sequence[Module], named: dict[int, Module]) -> None:
    """Places first, for they are unique; then what the steps say."""
    places = {id(row): place for place, row in enumerate(order, start=1)}
    place_modules(organization, {row: places[id(row)] for row in order if row.pk})
    for number, row in named.items():
        new = row.pk is None
        row.position = places[id(row)]
        try:
            save_checked(row, update_fields=None if new else ["type", "course"])
        except FieldsRefused as refusal:
            raise FieldsRefused(
                {str(number): [text for texts in refusal.fields.values() for text in texts]}
            ) from refusal
