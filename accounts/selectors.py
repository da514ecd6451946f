import hashlib
import hmac
from collections.abc import Collection
from datetime import timedelta
from functools import cache

from django.db.models import CharField, Q
from django.db.models.functions import Lower
from django.utils import timezone

from accounts.errors import CredentialRefused
from accounts.models import (
    ApiToken,
    BulkOperation,
    Group,
    GroupMember,
    Organization,
    OrganizationQuerySet,
    Person,
    User,
)
from accounts.statements import Slot, Statement, columns_of, from_row

TOKEN_MARK = "tl"  # noqa: S105 - how a secret of ours begins
LAST_USED_STEP = timedelta(minutes=1)


def secret_digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def live_token(secret: str) -> ApiToken:
    """The token of this secret, with its organization. Raises CredentialRefused."""
    mark, _, rest = secret.partition("_")
    prefix = rest.partition("_")[0]
    # NUL, which PostgreSQL takes in no text, and anything else that no prefix contains, names no token.
    token = _token_of(prefix) if mark == TOKEN_MARK and prefix.isalnum() and prefix.isascii() else None
    # Compared even when the prefix is unknown, so that the time taken tells nothing.
    known = hmac.compare_digest(secret_digest(secret), token.digest if token else "0" * 64)
    if token is None or not known:
        raise CredentialRefused("unknown")
    if token.revoked_at is not None:
        raise CredentialRefused("revoked")
    if not token.is_live:
        raise CredentialRefused("expired")
    return token


@cache
def _tokens() -> tuple[Statement, int]:
    """Every request asks for its token, so this is asked as cheaply as can be."""
    token = columns_of(ApiToken)
    organization = [f"organization__{column}" for column in columns_of(Organization)]
    rows = ApiToken.objects.filter(prefix=Slot("prefix", CharField()))
    return Statement(rows.order_by(), *token, *organization), len(token)


def _token_of(prefix: str) -> ApiToken | None:
    statement, width = _tokens()
    rows = statement.run({"prefix": prefix, "limit": 1, "offset": 0})
    if not rows:
        return None
    token = from_row(ApiToken, rows[0][:width])
    token.organization = from_row(Organization, rows[0][width:])
    return token


def use_is_worth_noting(token: ApiToken) -> bool:
    return token.last_used_at is None or timezone.now() - token.last_used_at >= LAST_USED_STEP


def organization_by_slug(slug: str) -> Organization | None:
    return Organization.objects.filter(slug=slug).first()


def organizations() -> list[Organization]:
    return list(Organization.objects.order_by("pk"))


def token_by_prefix(prefix: str) -> ApiToken | None:
    return ApiToken.objects.select_related("organization").filter(prefix=prefix).first()


def operation_by_id(pk: int) -> BulkOperation | None:
    """Of any organization: for operators."""
    return BulkOperation.objects.select_related("organization").filter(pk=pk).first()


def people(organization: Organization | Slot) -> OrganizationQuerySet[Person]:
    return Person.objects.of(organization).order_by("pk")


def staff_by_email(organization: Organization, email: str) -> User | None:
    """An active staff user who may act for the organization: its own, or a superuser."""
    staff = User.objects.filter(Q(organization=organization) | Q(is_superuser=True), is_active=True, is_staff=True)
    return staff.filter(email__iexact=email).first()


def people_by(organization: Organization, column: str, keys: Collection[str]) -> dict[str, Person]:
    """The people whom these keys name, by key. `column` is `employee_id`, `username` or `mail` (ignoring case)."""
    rows = Person.objects.of(organization)
    if column != "mail":
        found = rows.filter(**{f"{column}__in": [key for key in keys if key]})
        return {getattr(person, column): person for person in found}
    folded = rows.annotate(folded=Lower("mail")).filter(folded__in={key.lower() for key in keys if key})
    by_mail = {person.mail.lower(): person for person in folded}
    return {key: by_mail[key.lower()] for key in keys if key.lower() in by_mail}


def group_named(organization: Organization, name: str) -> Group | None:
    return Group.objects.of(organization).filter(name=name).first()


def group_names(organization: Organization) -> list[str]:
    return list(Group.objects.of(organization).order_by("name").values_list("name", flat=True))


def group_people(group: Group) -> OrganizationQuerySet[Person]:
    """Those who are active, by employee number."""
    members = GroupMember.objects.of(group.organization).filter(group=group)
    return (
        Person.objects.of(group.organization)
        .filter(pk__in=members.values("person"), active=True)
        .order_by("employee_id")
    )
