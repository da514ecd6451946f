"""Groups of people, and who is in them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from accounts.actors import Actor
from accounts.errors import FieldsRefused
from accounts.models import Group, GroupMember, Organization, Person
from accounts.services.saving import save_checked
from accounts.transactions import write


def create_group(*, organization: Organization, actor: Actor, name: str, people: Sequence[Person] = ()) -> Group:
    """Raises FieldsRefused, also for people of another organization."""
    with write(actor):
        group = Group(organization=organization, name=name)
        save_checked(group)
        _set_people(organization, group, people)
    return group


def update_group(
    *,
    organization: Organization,
    actor: Actor,
    group: Group,
    changes: dict[str, Any],
    people: Sequence[Person] | None = None,
) -> Group:
    """`people`, where given, become exactly those who are in it. Raises FieldsRefused."""
    with write(actor):
        group = Group.objects.of(organization).select_for_update(of=("self",), no_key=True).get(pk=group.pk)
        for field, value in changes.items():
            setattr(group, field, value)
        if changes:
            save_checked(group, update_fields=changes)
        if people is not None:
            _set_people(organization, group, people)
    return group


def _set_people(organization: Organization, group: Group, people: Sequence[Person]) -> None:
    """Raises FieldsRefused for people of another organization: they answer as people who are not there."""
    if any(person.organization_id != organization.pk for person in people):
        raise FieldsRefused({"people": ["There is no such row."]})
    members = GroupMember.objects.of(organization).filter(group=group)
    wanted = {person.pk for person in people}
    members.exclude(person__in=wanted).delete()
    there = set(members.values_list("person_id", flat=True))
    _add(organization, ((group.pk, person_id) for person_id in sorted(wanted - there)))


def group_names(*, organization: Organization, person_ids: Collection[int]) -> dict[int, set[str]]:
    """The names of the groups that each of the people is in."""
    names: dict[int, set[str]] = {}
    if person_ids:
        members = GroupMember.objects.of(organization).filter(person__in=person_ids)
        for person_id, name in members.values_list("person_id", "group__name"):
            names.setdefault(person_id, set()).add(name)
    return names


def set_groups(*, organization: Organization, actor: Actor, names: Mapping[int, Iterable[str]]) -> None:
    """Each person, by id, is then in exactly the groups of these names. One that is not there yet is made.

    A constant number of queries. The caller has seen that the people are the organization's, and the names right.
    """
    if not names:
        return
    wanted = {person_id: set(given) for person_id, given in names.items()}
    with write(actor):
        ids = _ids_of(organization, sorted(set().union(*wanted.values())))
        pairs = {(ids[name], person_id) for person_id, given in wanted.items() for name in given}
        members = GroupMember.objects.of(organization)
        there = {
            (group_id, person_id): pk
            for pk, group_id, person_id in members.filter(person__in=wanted).values_list("pk", "group_id", "person_id")
        }
        members.filter(pk__in=[pk for pair, pk in there.items() if pair not in pairs]).delete()
        _add(organization, sorted(pairs - there.keys()))


def _ids_of(organization: Organization, names: Sequence[str]) -> dict[str, int]:
    groups = Group.objects.of(organization).filter(name__in=names)
    ids = dict(groups.values_list("name", "pk"))
    missing = [name for name in names if name not in ids]
    made = Group.objects.bulk_create(Group(organization=organization, name=name) for name in missing)
    return ids | {group.name: group.pk for group in made}


def _add(organization: Organization, pairs: Iterable[tuple[int, int]]) -> None:
    """`pairs` are ids of a group and a person."""
    GroupMember.objects.bulk_create(
        (
            GroupMember(organization_id=organization.pk, group_id=group_id, person_id=person_id)
            for group_id, person_id in pairs
        ),
        ignore_conflicts=True,  # Somebody added by others in the meantime is in: as it was asked for.
    )
