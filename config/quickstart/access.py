"""How to get in: a staff login, and a token for each organization. Made once; their secrets are shown that once."""

import secrets
from dataclasses import dataclass

from accounts.actors import Actor
from accounts.models import ApiToken, Organization, User
from accounts.scopes import Scope
from accounts.services.people import create_user
from accounts.services.tokens import create_token
from accounts.transactions import write

EMAIL = "admin@example.com"
TOKEN_NAME = "quickstart"  # noqa: S105 - what a token is called


@dataclass(frozen=True)
class Access:
    """What opens the doors. None where it was made, and shown, before."""

    tokens: dict[str, str | None]  # Secrets by the organization's slug.
    password: str | None


def make_access(organizations: list[Organization]) -> Access:
    """All of it at once, or none: whoever revoked or deleted something of it later does not get it back."""
    actor = Actor.system()
    with write(Actor.system()):
        if ApiToken.objects.filter(organization__in=organizations, name=TOKEN_NAME).exists():
            return Access(
                tokens=dict.fromkeys((organization.slug for organization in organizations), None), password=None
            )
        tokens: dict[str, str | None] = {}
        for organization in organizations:
            _, tokens[organization.slug] = create_token(
                organization=organization, actor=actor, name=TOKEN_NAME, scopes=Scope.values
            )
        if User.objects.filter(email=EMAIL).exists():
            return Access(tokens=tokens, password=None)
        password = secrets.token_urlsafe(15)
        create_user(actor=actor, email=EMAIL, password=password, organization=None, is_staff=True, is_superuser=True)
    return Access(tokens=tokens, password=password)
