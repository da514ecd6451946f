from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from accounts.models import ApiToken, User


@dataclass(frozen=True)
class Actor:
    """Who a change is made by. Recorded as `ref`: `user-<id>` for staff, `token-<id>` for an API token, `user-0` for the system."""

    ref: str

    @classmethod
    def system(cls) -> Self:
        return cls("user-0")

    @classmethod
    def staff(cls, user: "User") -> Self:
        return cls(f"user-{user.pk}")

    @classmethod
    def token(cls, token: "ApiToken") -> Self:
        return cls(f"token-{token.pk}")
