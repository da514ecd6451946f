"""Organizations, people and staff users."""

from typing import Any

from accounts.actors import Actor
from accounts.models import Organization, Person, User
from accounts.search import searchable
from accounts.services.saving import save_checked
from accounts.transactions import write


def create_organization(*, actor: Actor, name: str, slug: str, time_zone: str = "UTC", **fields: Any) -> Organization:
    del actor  # Organizations carry no author; every service takes the actor all the same.
    with write():
        organization = Organization(name=name, slug=slug, time_zone=time_zone, **fields)
        save_checked(organization)
    return organization


def update_organization(*, actor: Actor, organization: Organization, changes: dict[str, Any]) -> Organization:
    del actor
    with write():
        for field, value in changes.items():
            setattr(organization, field, value)
        save_checked(organization, update_fields=changes)
    return organization


def create_person(*, organization: Organization, actor: Actor, **fields: Any) -> Person:
    """Raises FieldsRefused."""
    del actor
    with write():
        person = Person(organization=organization, **fields)
        person.search_name = searchable(person.full_name)
        save_checked(person)
    return person


def update_person(*, organization: Organization, actor: Actor, person: Person, changes: dict[str, Any]) -> Person:
    """Raises FieldsRefused."""
    del actor
    with write():
        person = Person.objects.of(organization).select_for_update(of=("self",)).get(pk=person.pk)
        for field, value in changes.items():
            setattr(person, field, value)
        person.search_name = searchable(person.full_name)
        save_checked(person, update_fields=[*changes, "search_name"])
    return person


def create_user(*, actor: Actor, email: str, password: str, organization: Organization | None, **fields: Any) -> User:
    """A staff user. Raises FieldsRefused."""
    del actor
    with write():
        user = User(email=User.objects.normalize_email(email), organization=organization, **fields)
        user.set_password(password)
        save_checked(user)
    return user


def update_user(*, actor: Actor, user: User, changes: dict[str, Any]) -> User:
    """`password`, if among the changes, is plain text here and hashed in the row. Raises FieldsRefused."""
    del actor
    with write():
        for field, value in changes.items():
            if field == "password":
                user.set_password(value)
            else:
                setattr(user, field, value)
        save_checked(user, update_fields=changes)
    return user
