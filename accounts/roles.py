"""What a staff user may do in the admin: one of three groups, made by a migration, each with a fixed meaning."""

from enum import StrEnum

from accounts.models import User


class Role(StrEnum):
    """Of several, the first here counts."""

    ADMINISTRATOR = "Training administrator"  # Everything in the own organization.
    FACILITATOR = "Facilitator"  # The sessions that the user holds: roster, attendance, scores.
    AUDITOR = "Auditor"  # Reads everything in the own organization, writes nothing.


def role_of(user: User) -> Role | None:
    """A superuser is an administrator of every organization. Asked for many times in a request, so read once."""
    if user.is_superuser:
        return Role.ADMINISTRATOR
    if "_role" not in user.__dict__:
        names = set(user.groups.values_list("name", flat=True))
        user.__dict__["_role"] = next((role for role in Role if role in names), None)
    role: Role | None = user.__dict__["_role"]
    return role
