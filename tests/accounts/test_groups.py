import pytest

from accounts.actors import Actor
from accounts.errors import FieldsRefused
from accounts.models import GroupMember, Organization
from accounts.services import groups
from tests.factories import PersonFactory

ACTOR = Actor.system()


def test_a_group_takes_people_of_its_organization_only(organization: Organization) -> None:
    here, stranger = PersonFactory.create(organization=organization), PersonFactory.create()
    with pytest.raises(FieldsRefused) as refusal:
        groups.create_group(organization=organization, actor=ACTOR, name="Day", people=[here, stranger])
    assert refusal.value.fields == {"people": ["There is no such row."]}
    group = groups.create_group(organization=organization, actor=ACTOR, name="Day", people=[here, here])
    with pytest.raises(FieldsRefused):
        groups.update_group(organization=organization, actor=ACTOR, group=group, changes={}, people=[stranger])
    assert list(GroupMember.objects.values_list("group", "person")) == [(group.pk, here.pk)]


def test_a_changed_group_has_exactly_the_people_given(organization: Organization) -> None:
    first, second, third = PersonFactory.create_batch(3, organization=organization)
    group = groups.create_group(organization=organization, actor=ACTOR, name="Day", people=[first, second])
    kept = GroupMember.objects.get(person=second).pk
    groups.update_group(organization=organization, actor=ACTOR, group=group, changes={}, people=[second, third])
    assert set(group.people.values_list("pk", flat=True)) == {second.pk, third.pk}
    assert GroupMember.objects.get(person=second).pk == kept
    changed = groups.update_group(organization=organization, actor=ACTOR, group=group, changes={"name": "Dusk"})
    assert (changed.name, group.people.count()) == ("Dusk", 2)


def test_a_group_has_a_name_of_its_own(organization: Organization) -> None:
    groups.create_group(organization=organization, actor=ACTOR, name="Day")
    other = groups.create_group(organization=organization, actor=ACTOR, name="Dusk")
    with pytest.raises(FieldsRefused) as refusal:
        groups.update_group(organization=organization, actor=ACTOR, group=other, changes={"name": "Day"})
    assert refusal.value.fields == {"name": ["Another group has this name."]}
