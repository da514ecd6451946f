"""Organizations, people and staff users."""

from typing import Any

from django.contrib.auth.models import Group as AuthGroup

from accounts.actors import Actor
from accounts.leaving import leaving
from accounts.models import Organization, Person, User
from accounts.roles import Role
from accounts.search import searchable
from accounts.services.saving import save_checked
from accounts.transactions import write


def create_organization(*, actor: Actor, name: str, slug: str, time_zone: str = "UTC", **fields: Any) -> Organization:
    with write(actor):
        organization = Organization(name=name, slug=slug, time_zone=time_zone, **fields)
        save_checked(organization)
    return organization


def update_organization(*, actor: Actor, organization: Organization, changes: dict[str, Any]) -> Organization:
    with write(actor):
        for field, value in changes.items():
            setattr(organization, field, value)
        save_checked(organization, update_fields=changes)
    return organization


def create_person(*, organization: Organization, actor: Actor, **fields: Any) -> Person:
    """Raises FieldsRefused."""
    with write(actor):
        person = Person(organization=organization, **fields)
        person.search_name = searchable(person.full_name)
        save_checked(person)
    return person


def update_person(
    *, organization: Organization, actor: Actor, person: Person, changes: dict[str, Any], take_back: bool = True
) -> Person:
    """Whoever becomes inactive owes nothing any more: what is open is unassigned, in the same transaction.

    Without `take_back` that is the caller's to do, in this transaction: for a reason of its own. Raises FieldsRefused.
    """
    with write(actor):
        # Not against foreign keys: who holds the ledger lock, which may be waited for with this one held, writes such.
        locked = Person.objects.of(organization).select_for_update(of=("self",), no_key=True)
        person = locked.get(pk=person.pk)
        was_active = person.active
        for field, value in changes.items():
            setattr(person, field, value)
        person.search_name = searchable(person.full_name)
        save_checked(person, update_fields=[*changes, "search_name"])
        if take_back and was_active and not person.active:
            leaving().take_back(organization=organization, actor=actor, person_ids=[person.pk])
    return person


def create_user(
    *,
    actor: Actor,
    email: str,
    password: str,
    organization: Organization | None,
    role: Role | None = None,
    **fields: Any,
) -> User:
    """A staff user. Without a role (and not a superuser) it sees nothing. Raises FieldsRefused."""
    with write(actor):
        user = User(email=User.objects.normalize_email(email), organization=organization, **fields)
        user.set_password(password)
        save_checked(user)
        _give_role(user, role)
    return user


def _give_role(user: User, role: Role | None) -> None:
    user.groups.set(AuthGroup.objects.filter(name=role) if role else [])
    user.__dict__.pop("_role", None)


def update_user(*, actor: Actor, user: User, changes: dict[str, Any]) -> User:
    """`password`, if among the changes, is plain text here and hashed in the row; `role` replaces the role.

    Raises FieldsRefused.
    """
    changes = dict(changes)
    with write(actor):
        if "role" in changes:
            _give_role(user, changes.pop("role"))
        for field, value in changes.items():
            if field == "password":
                user.set_password(value)
            else:
                setattr(user, field, value)
        save_checked(user, update_fields=changes)
    return user
