import secrets
import zoneinfo
from functools import cache
from typing import Any, ClassVar, Self, TypeVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from accounts.scopes import Scope

hex_id_validator = RegexValidator(r"\A[0-9a-f]{24}\Z", "Give 24 hexadecimal digits, in lower case.")


def new_hex_id() -> str:
    """A public id as the Programs API shows them: 24 hex digits."""
    return secrets.token_hex(12)


class HexIdField(models.CharField):  # type: ignore[type-arg]  # generic in the stubs only
    """A public id of 24 hex digits, unique in the whole installation."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 24)
        kwargs.setdefault("unique", True)
        kwargs.setdefault("default", new_hex_id)
        kwargs.setdefault("validators", [hex_id_validator])
        super().__init__(*args, **kwargs)


def choice_known(field: str, choices: type[models.TextChoices], name: str) -> models.CheckConstraint:
    """The database holds a choice field to its choices, whoever writes."""
    return models.CheckConstraint(condition=models.Q(**{f"{field}__in": choices.values}), name=name)


available_zones = cache(zoneinfo.available_timezones)  # It looks through hundreds of files.


def validate_time_zone(name: str) -> None:
    if name not in available_zones():
        raise ValidationError("Give a time zone of the IANA database, such as Europe/Berlin.")


_Row = TypeVar("_Row", bound=models.Model)


class OrganizationQuerySet(models.QuerySet[_Row]):
    def of(self, organization: "Organization | models.Expression | models.OuterRef") -> Self:
        """The organization's rows. Every read starts here. A slot: of whichever is named when the statement runs."""
        return self.filter(organization=organization)


class Organization(models.Model):
    name = models.CharField(max_length=200)
    slug = models.SlugField(max_length=60, unique=True)
    company_id = HexIdField(help_text="How the Programs API names the organization: 24 hex digits.")
    time_zone = models.CharField(max_length=60, default="UTC", validators=[validate_time_zone])
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.time_zone)


class PersonKind(models.TextChoices):
    DRIVER = "driver"
    USER = "user"


def full_name(first_name: str, last_name: str) -> str:
    return f"{first_name} {last_name}".strip()


class Person(models.Model):
    organization = models.ForeignKey(Organization, models.PROTECT, related_name="people")
    employee_id = models.CharField(max_length=60, help_text="Employee number, such as EMP-042.")
    first_name = models.CharField(max_length=120)
    last_name = models.CharField(max_length=120, blank=True)
    search_name = models.TextField(editable=False)
    mail = models.EmailField(blank=True)
    username = models.CharField(max_length=150, blank=True)
    kind = models.CharField(max_length=10, choices=PersonKind.choices, default=PersonKind.USER)
    hex_id = HexIdField()
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = OrganizationQuerySet["Person"].as_manager()

    class Meta:
        ordering = ["pk"]
        verbose_name_plural = "people"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "employee_id"],
                name="person_employee_id_unique",
                violation_error_code="employee_id",
                violation_error_message="Somebody else has this employee number.",
            ),
            models.UniqueConstraint(
                fields=["organization", "username"],
                condition=~models.Q(username=""),
                name="person_username_unique",
                violation_error_code="username",
                violation_error_message="Somebody else has this username.",
            ),
            models.UniqueConstraint(
                "organization",
                Lower("mail"),
                condition=~models.Q(mail=""),
                name="person_mail_unique",
                violation_error_code="mail",
                violation_error_message="Somebody else has this e-mail address.",
            ),
            choice_known("kind", PersonKind, "person_kind_known"),
        ]
        indexes = [models.Index(fields=["organization", "id"], name="person_organization_id")]

    def __str__(self) -> str:
        return f"{self.full_name} ({self.employee_id})"

    @property
    def full_name(self) -> str:
        return full_name(self.first_name, self.last_name)


class Group(models.Model):
    """People of whom something is asked together: a site, a trade, a shift."""

    organization = models.ForeignKey(Organization, models.PROTECT, related_name="groups")
    name = models.CharField(max_length=120)
    people = models.ManyToManyField(Person, through="GroupMember", related_name="groups")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = OrganizationQuerySet["Group"].as_manager()

    class Meta:
        ordering = ["name", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "name"],
                name="group_name_unique",
                violation_error_code="name",
                violation_error_message="Another group has this name.",
            )
        ]

    def __str__(self) -> str:
        return self.name


class GroupMember(models.Model):
    organization = models.ForeignKey(Organization, models.PROTECT, related_name="+")
    group = models.ForeignKey(Group, models.CASCADE, related_name="members", db_index=False)
    person = models.ForeignKey(Person, models.CASCADE, related_name="memberships", db_index=False)

    objects = OrganizationQuerySet["GroupMember"].as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["organization", "group", "person"], name="group_member_unique")]
        indexes = [models.Index(fields=["organization", "person"], name="group_member_person")]

    def __str__(self) -> str:
        return f"{self.person} in {self.group}"


class UserManager(BaseUserManager["User"]):
    """What `createsuperuser` and the login form ask of a user model."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        user = self.model(email=self.normalize_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractBaseUser, PermissionsMixin):
    """Somebody who logs in to the admin: staff of one organization, or a superuser, who sees all of them."""

    organization = models.ForeignKey(
        Organization,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="staff",
        help_text="Empty for superusers only.",
    )
    person = models.OneToOneField(
        Person,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="staff_user",
        help_text="Who this is among the people: a facilitator meets the sessions that this person facilitates.",
    )
    email = models.EmailField(unique=True)
    first_name = models.CharField(max_length=120, blank=True)
    last_name = models.CharField(max_length=120, blank=True)
    is_staff = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[UserManager] = UserManager()

    EMAIL_FIELD = "email"
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        ordering = ["email"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(is_superuser=True) | models.Q(is_staff=False) | models.Q(organization__isnull=False),
                name="user_staff_has_organization",
                violation_error_code="organization",
                violation_error_message="Staff belongs to an organization; only a superuser may be without one.",
            ),
        ]

    def __str__(self) -> str:
        return self.email

    def get_short_name(self) -> str:
        return self.first_name or self.email


def validate_scopes(scopes: object) -> None:
    if not isinstance(scopes, list) or not scopes:
        raise ValidationError("Give at least one scope.")
    unknown = [str(scope) for scope in scopes if scope not in Scope.values]
    if unknown:
        raise ValidationError(f"Unknown scopes: {', '.join(unknown)}. Known: {', '.join(Scope.values)}.")


class ApiToken(models.Model):
    """A credential of one organization. Only the SHA-256 of its 256-bit secret is kept."""

    organization = models.ForeignKey(Organization, models.PROTECT, related_name="tokens")
    name = models.CharField(max_length=120)
    prefix = models.CharField(max_length=8, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    scopes = models.JSONField(validators=[validate_scopes])
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_by = models.CharField(max_length=30, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["pk"]
        verbose_name = "API token"

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def is_live(self) -> bool:
        return self.revoked_at is None and (self.expires_at is None or timezone.now() < self.expires_at)


class IdempotencyRecord(models.Model):
    """The first answer to a request that carried an `Idempotency-Key`; the same request again gets it byte for byte."""

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    token = models.ForeignKey(ApiToken, models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of method, path, query and body.")
    status = models.PositiveSmallIntegerField()
    headers = models.JSONField(default=dict)
    body = models.BinaryField()
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["token", "key"], name="idempotency_token_key_unique")]

    def __str__(self) -> str:
        return self.key


class OperationKind(models.TextChoices):
    BULK_ENROLL = "bulk_enroll"
    ASSIGN = "assign"
    UNASSIGN = "unassign"
    UNDO = "undo"
    IMPORT_PEOPLE = "import_people"
    IMPORT_COURSES = "import_courses"
    IMPORT_RECORDS = "import_records"
    APPLY_REQUIREMENTS = "apply_requirements"
    CORRECT = "correct"


class Outcome(models.TextChoices):
    """What became of one row. All but `refused` leave things as they were asked to be."""

    ENROLLED = "enrolled"
    ASSIGNED = "assigned"
    UNASSIGNED = "unassigned"
    RESTORED = "restored"
    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REPEATED = "repeated"
    REFUSED = "refused"


class BulkOperation(models.Model):
    """One act on many rows: who did what, when and why, and, in its rows, what became of each.

    Written in the transactions that did the work: what it counts is what was committed.
    """

    organization = models.ForeignKey(Organization, models.PROTECT, related_name="operations", db_index=False)
    kind = models.CharField(max_length=20, choices=OperationKind.choices)
    reason = models.CharField(max_length=500, blank=True)
    details = models.JSONField(default=dict, help_text="What was asked for.")
    undoes = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="undone_by")
    counts = models.JSONField(default=dict, help_text="Rows by outcome.")
    created_by = models.CharField(max_length=30)
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(
        null=True, blank=True, help_text="Empty: it is running, or it was interrupted after what its rows show."
    )

    objects = OrganizationQuerySet["BulkOperation"].as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [choice_known("kind", OperationKind, "bulk_operation_kind_known")]
        indexes = [models.Index(fields=["organization", "-id"], name="bulk_operation_organization_id")]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"


class BulkRow(models.Model):
    """What became of one row of what an operation was given. Never changed."""

    organization = models.ForeignKey(Organization, models.PROTECT, related_name="+", db_index=False)
    operation = models.ForeignKey(BulkOperation, models.PROTECT, related_name="rows", db_index=False)
    line = models.PositiveIntegerField(help_text="The line of the file, or the position in the list.")
    key = models.CharField(max_length=200, blank=True, help_text="How the row names what it is about.")
    outcome = models.CharField(max_length=20, choices=Outcome.choices)
    reason = models.TextField(blank=True)
    target_id = models.BigIntegerField(null=True, blank=True, help_text="The id of the row that was written.")
    before = models.JSONField(null=True, blank=True, help_text="What an undo needs besides.")

    objects = OrganizationQuerySet["BulkRow"].as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [choice_known("outcome", Outcome, "bulk_row_outcome_known")]
        indexes = [
            models.Index(fields=["organization", "operation", "line", "id"], name="bulk_row_line"),
            # What operations did to a row, for its history.
            models.Index(
                fields=["organization", "target_id"],
                condition=models.Q(target_id__isnull=False),
                name="bulk_row_target",
            ),
        ]

    def __str__(self) -> str:
        return f"line {self.line}: {self.outcome}"


class ImportFile(models.Model):
    """A file that somebody looks at before it is taken in. Kept in the database: any worker may get the next request."""

    KINDS: ClassVar = [
        (kind.value, kind.label)
        for kind in (OperationKind.IMPORT_PEOPLE, OperationKind.IMPORT_COURSES, OperationKind.IMPORT_RECORDS)
    ]

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    kind = models.CharField(max_length=20, choices=KINDS)
    name = models.CharField(max_length=255)
    content = models.BinaryField()
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    objects = OrganizationQuerySet["ImportFile"].as_manager()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.name


class HistoryEntry(models.Model):
    """One change of one row. Written by the database (`accounts.history`); nothing changes or deletes it."""

    class Act(models.TextChoices):
        CREATED = "created"
        CHANGED = "changed"
        DELETED = "deleted"

    # Empty for what belongs to no organization. No constraint: history outlives what it tells of.
    organization = models.ForeignKey(
        Organization, models.DO_NOTHING, null=True, related_name="+", db_index=False, db_constraint=False
    )
    at = models.DateTimeField()
    actor = models.CharField(max_length=30, blank=True, help_text="Empty: somebody worked on the database itself.")
    model = models.CharField(max_length=60, help_text="Such as training.TrainSession.")
    row_id = models.BigIntegerField()
    act = models.CharField(max_length=10, choices=Act.choices)
    changes = models.JSONField(blank=True, help_text="By column: before and after. Of a deleted row: what it held.")
    parent_id = models.BigIntegerField(
        null=True, blank=True, help_text="Of a row that links: the id of the one whose history tells of it, too."
    )

    objects = OrganizationQuerySet["HistoryEntry"].as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name_plural = "history"
        indexes = [
            models.Index(fields=["organization", "-at", "-id"], name="history_organization_at"),
            models.Index(fields=["organization", "model", "row_id", "-id"], name="history_row"),
            models.Index(fields=["organization", "actor", "-at", "-id"], name="history_actor"),
            models.Index(
                fields=["organization", "parent_id", "-id"],
                condition=models.Q(parent_id__isnull=False),
                name="history_parent",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model} {self.row_id} {self.act}"
