"""Adding many people of whom some may have to be left out, telling which and why; and what leaving would take back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.db import transaction

from accounts.actors import Actor
from accounts.errors import PeopleInactive, Refusal
from accounts.models import Organization
from accounts.selectors import people_by
from accounts.transactions import write
from enrollments.errors import NotEnoughUnits, SessionFull
from programs.errors import RequirementsNotMet
from programs.models import MemberRecord, ProgramMember, ProgramSession
from programs.services.membership import join, leave, lock_program_session, without_units
from training.models import TrainSession


@dataclass
class Joined:
    """By employee number. `lack` is what there was too little of, where nobody was added for that."""

    members: dict[str, ProgramMember] = field(default_factory=dict)
    already: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    refused: dict[str, Refusal] = field(default_factory=dict)
    lack: SessionFull | NotEnoughUnits | None = None


def join_acceptable(
    *,
    organization: Organization,
    actor: Actor,
    session: ProgramSession,
    numbers: Sequence[str],
    as_many_as_fit: bool = False,
) -> Joined:
    """Add everybody who may join, in one transaction; where places or units do not suffice for all of them, nobody,
    or who comes first. Raises ProgramSessionUnknown.
    """
    joined = Joined()
    with write(actor):
        session = lock_program_session(organization, session)
        numbers = list(dict.fromkeys(numbers))
        ids = {number: person.pk for number, person in people_by(organization, "employee_id", numbers).items()}
        joined.unknown = [number for number in numbers if number not in ids]
        current = ProgramMember.objects.of(organization).current().filter(session=session)
        members = set(current.filter(person_id__in=ids.values()).values_list("person_id", flat=True))
        joined.already = [number for number in numbers if ids.get(number) in members]
        wanted = {number: ids[number] for number in numbers if number in ids and ids[number] not in members}
        _join(organization, actor, session, wanted, joined, as_many_as_fit=as_many_as_fit)
    return joined


def _join(
    organization: Organization,
    actor: Actor,
    session: ProgramSession,
    wanted: Mapping[str, int],
    joined: Joined,
    *,
    as_many_as_fit: bool,
) -> None:
    """Tried until nobody is in it who is refused for himself: each round leaves out those who are."""
    while wanted:
        try:
            with transaction.atomic():
                made = join(organization=organization, actor=actor, session=session, person_ids=list(wanted.values()))
        except PeopleInactive as refusal:
            alone: dict[int, Refusal] = {int(pk): PeopleInactive([int(pk)]) for pk in refusal.ids}
        except RequirementsNotMet as refusal:
            alone = {pk: RequirementsNotMet({pk: names}) for pk, names in refusal.missing.items()}
        except (SessionFull, NotEnoughUnits) as refusal:
            if not as_many_as_fit:
                joined.lack = refusal
                return
            if isinstance(refusal, SessionFull):
                alone = dict.fromkeys(list(wanted.values())[refusal.remaining :], refusal)
            else:
                alone = dict(
                    without_units(
                        organization=organization, actor=actor, session=session, person_ids=list(wanted.values())
                    )
                )
        else:
            joined.members |= dict(zip(wanted, made, strict=True))
            return
        joined.refused |= {number: alone[pk] for number, pk in wanted.items() if pk in alone}
        wanted = {number: pk for number, pk in wanted.items() if pk not in alone}


def unassigned_by_leaving(
    *, organization: Organization, actor: Actor, session: ProgramSession, person_ids: Sequence[int]
) -> list[TrainSession]:
    """The records that `leave` would take back, found by leaving and undoing it. Raises ProgramSessionUnknown."""
    with write(actor):
        session = lock_program_session(organization, session)
        current = ProgramMember.objects.of(organization).current().filter(session=session, person_id__in=person_ids)
        opened = MemberRecord.objects.of(organization).filter(
            member__in=list(current), train_session__unassigned_at=None
        )
        ids = list(opened.values_list("train_session_id", flat=True))
        leave(organization=organization, actor=actor, session=session, person_ids=person_ids)
        rows = TrainSession.objects.of(organization).filter(pk__in=ids).exclude(unassigned_at=None)
        taken_back = list(rows.select_related("person", "course").order_by("person__search_name", "course__code", "pk"))
        transaction.set_rollback(True)
    return taken_back
