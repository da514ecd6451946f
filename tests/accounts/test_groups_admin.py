"""Groups of people in the admin."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Group, GroupMember, Organization, Person, User
from accounts.services import groups
from tests.accounts.admin_pages import Pages, address, errors_of, fields_of
from tests.factories import SYSTEM, OrganizationFactory, PersonFactory, UserFactory

# What a page says of a row or a choice that is not there.
NO_CHOICE = "Select a valid choice. {} is not one of the available choices."


@pytest.fixture
def staff(organization: Organization) -> Pages:
    return Pages(UserFactory.create(organization=organization))


@pytest.fixture
def superuser(db: None) -> Pages:
    return Pages(User.objects.create_superuser("root@example.com", "a long enough password"))


def group_of(organization: Organization, name: str, *people: Person) -> Group:
    return groups.create_group(organization=organization, actor=SYSTEM, name=name, people=people)


def people_of(organization: Organization, count: int) -> list[Person]:
    return [PersonFactory.create(organization=organization) for _ in range(count)]


def members(group: Group) -> set[Person]:
    return set(group.people.all())


def listed(page: Any) -> list[tuple[str, int]]:
    return [(row.name, row.people_in_it) for row in page.context["cl"].result_list]


def test_the_list_shows_each_group_with_its_number_of_people(staff: Pages, organization: Organization) -> None:
    ada, grace, edith = people_of(organization, 3)
    group_of(organization, "Office", ada, grace, edith)
    group_of(organization, "Drivers", ada)
    group_of(organization, "Night shift")
    assert listed(staff.rows(Group)) == [("Drivers", 1), ("Night shift", 0), ("Office", 3)]
    assert listed(staff.rows(Group, o="1")) == [("Night shift", 0), ("Drivers", 1), ("Office", 3)]
    assert listed(staff.rows(Group, q="SHIFT")) == [("Night shift", 0)]
    assert listed(staff.rows(Group, q="nowhere")) == []


@pytest.mark.parametrize("model", [Group, GroupMember])
def test_the_list_asks_the_same_of_one_group_as_of_three(
    staff: Pages, organization: Organization, model: type[Group | GroupMember]
) -> None:
    counts = []
    for names in (["One"], ["Two", "Three"]):
        for name in names:
            group_of(organization, name, *people_of(organization, 3))
        with CaptureQueriesContext(connection) as queries:
            assert staff.rows(model).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_a_group_is_added_with_people(staff: Pages, organization: Organization) -> None:
    ada, grace, _ = people_of(organization, 3)
    answer = staff.add(Group, name="Drivers", people=[ada.pk, grace.pk])
    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/accounts/group/")
    group = Group.objects.get()
    assert (group.organization, group.name, members(group)) == (organization, "Drivers", {ada, grace})
    assert set(GroupMember.objects.values_list("organization", flat=True)) == {organization.pk}
    entry = LogEntry.objects.get()
    assert (entry.object_repr, entry.get_change_message(), entry.user) == ("Drivers", "Added.", staff.user)


def test_a_group_may_be_empty(staff: Pages, organization: Organization) -> None:
    staff.add(Group, name="Drivers")
    group = Group.objects.get()
    assert (group.name, members(group)) == ("Drivers", set())


def test_the_page_of_a_group_shows_who_is_in_it(staff: Pages, organization: Organization) -> None:
    ada, grace, _ = people_of(organization, 3)
    group = group_of(organization, "Drivers", ada, grace)
    page = staff.get(address(Group, "change", group))
    assert set(fields_of(page)["people"]) == {str(ada.pk), str(grace.pk)}
    assert fields_of(page)["name"] == ["Drivers"]
    link = f"{address(GroupMember, 'changelist')}?group__id__exact={group.pk}"
    assert f'<a href="{link}">2</a>' in page.content.decode()
    group_of(organization, "Office", ada)
    assert {row.group for row in staff.get(link).context["cl"].result_list} == {group}


def test_people_are_added_and_taken_out(staff: Pages, organization: Organization) -> None:
    ada, grace, edith = people_of(organization, 3)
    group = group_of(organization, "Drivers", ada, grace)
    staff.change(group, people=[grace.pk, edith.pk])
    assert members(group) == {grace, edith}
    assert LogEntry.objects.get().get_change_message() == "Changed people."
    staff.client.post(address(Group, "change", group), {**fields_of(staff.get(address(Group, "change", group))),
                                                       "people": []})  # fmt: skip
    assert members(group) == set()


def test_a_new_name_leaves_the_people_alone(staff: Pages, organization: Organization) -> None:
    people = people_of(organization, 2)
    group = group_of(organization, "Drivers", *people)
    before = list(GroupMember.objects.order_by("pk").values())
    staff.change(group, name="Lorry drivers")
    group.refresh_from_db()
    assert (group.name, list(GroupMember.objects.order_by("pk").values())) == ("Lorry drivers", before)
    assert LogEntry.objects.get().get_change_message() == "Changed Name."


def test_who_came_and_went_while_the_page_was_open_stays_so(staff: Pages, organization: Organization) -> None:
    ada, grace, edith, joan = people_of(organization, 4)
    group = group_of(organization, "Drivers", ada, grace)
    opened = fields_of(staff.get(address(Group, "change", group)))
    groups.update_group(organization=organization, actor=SYSTEM, group=group, changes={}, people=[grace, edith])
    staff.client.post(address(Group, "change", group), {**opened, "people": [ada.pk, grace.pk, joan.pk]})
    assert members(group) == {grace, edith, joan}


def test_a_name_is_given_once_in_an_organization(staff: Pages, organization: Organization) -> None:
    group_of(OrganizationFactory.create(), "Office")
    group_of(organization, "Drivers")
    office = group_of(organization, "Office")
    taken = {"name": ["Another group has this name."]}
    assert errors_of(staff.add(Group, name="Drivers")) == taken
    assert errors_of(staff.change(office, name="Drivers")) == taken
    assert list(Group.objects.of(organization).values_list("name", flat=True)) == ["Drivers", "Office"]
    assert LogEntry.objects.count() == 0


def test_a_group_needs_a_name(staff: Pages) -> None:
    assert errors_of(staff.add(Group, name="  ")) == {"name": ["This field is required."]}
    assert Group.objects.count() == 0


def test_staff_meet_their_own_groups_and_people_only(staff: Pages, organization: Organization) -> None:
    other = OrganizationFactory.create()
    ours, theirs = PersonFactory.create(organization=organization), PersonFactory.create(organization=other)
    group, foreign = group_of(organization, "Ours", ours), group_of(other, "Theirs", theirs)
    assert listed(staff.rows(Group)) == [("Ours", 1)]
    assert [row.person for row in staff.rows(GroupMember).context["cl"].result_list] == [ours]
    group_of(organization, "A second one, so that the filter has a choice")
    assert list(staff.rows(GroupMember, group__id__exact=foreign.pk).context["cl"].result_list) == []
    assert staff.get(address(Group, "change", foreign)).status_code == 302
    assert staff.client.post(address(Group, "change", foreign), {"name": "Taken over"}).status_code == 302
    query = {"app_label": "accounts", "model_name": "group", "field_name": "people"}
    offered = staff.get(reverse("admin:autocomplete"), **query).json()["results"]
    assert [row["text"] for row in offered] == [str(ours)]
    refused = {"people": [NO_CHOICE.format(theirs.pk)]}
    assert errors_of(staff.add(Group, name="Mixed", people=[ours.pk, theirs.pk])) == refused
    assert errors_of(staff.change(group, people=[ours.pk, theirs.pk])) == refused
    assert {one.name: members(one) for one in Group.objects.exclude(people=None)} == {
        "Ours": {ours},
        "Theirs": {theirs},
    }


def test_a_superuser_meets_all_and_mixes_no_organizations(superuser: Pages, organization: Organization) -> None:
    other = OrganizationFactory.create()
    ours, theirs = PersonFactory.create(organization=organization), PersonFactory.create(organization=other)
    group = group_of(organization, "Ours", ours)
    group_of(other, "Theirs", theirs)
    assert listed(superuser.rows(Group)) == [("Ours", 1), ("Theirs", 1)]
    assert errors_of(superuser.change(group, people=[theirs.pk])) == {"people": [NO_CHOICE.format(theirs.pk)]}
    mixed = superuser.add(Group, organization=organization.pk, name="Mixed", people=[theirs.pk])
    assert errors_of(mixed) == {"people": ["There is no such row."]}
    superuser.add(Group, organization=other.pk, name="More", people=[theirs.pk])
    made = Group.objects.get(name="More")
    assert (Group.objects.count(), made.organization, members(made)) == (3, other, {theirs})


def test_too_many_people_for_a_form_are_left_to_the_list(
    staff: Pages, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accounts.admin.groups.MOST_ROWS", 2)
    people = people_of(organization, 3)
    group = group_of(organization, "Drivers", *people)
    page = staff.get(address(Group, "change", group))
    assert "people" not in fields_of(page)
    assert "3</a>; a form takes 2 people at most" in page.content.decode()
    staff.change(group, name="Lorry drivers")
    group.refresh_from_db()
    assert (group.name, members(group)) == ("Lorry drivers", set(people))


def test_a_membership_is_only_looked_at(staff: Pages, organization: Organization) -> None:
    [person] = people_of(organization, 1)
    member = GroupMember.objects.get(group=group_of(organization, "Drivers", person))
    assert staff.get(address(GroupMember, "change", member)).status_code == 200
    refused = [
        staff.get(address(GroupMember, "add")),
        staff.client.post(address(GroupMember, "change", member), {"person": ""}),
        staff.client.post(address(GroupMember, "delete", member), {"post": "yes"}),
    ]
    assert [answer.status_code for answer in refused] == [403, 403, 403]
    assert list(GroupMember.objects.all()) == [member]
