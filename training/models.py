from datetime import date
from decimal import Decimal
from uuid import uuid4

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from accounts.models import Group, Organization, OrganizationQuerySet, Person, choice_known
from enrollments.models import SCORE_RANGE, Course, Enrollment, ScoreField


class UnitQuerySet(OrganizationQuerySet["Unit"]):
    def free(self, on: date) -> "UnitQuerySet":
        """Units that no record holds and that can still be used on that day."""
        return self.filter(train_session=None, expires_on__gte=on)


class Unit(models.Model):
    """A bought seat of a course. It is taken while a record holds it, and usable up to and including `expires_on`."""

    organization = models.ForeignKey(Organization, models.PROTECT, related_name="units")
    course = models.ForeignKey(Course, models.PROTECT, related_name="units")
    expires_on = models.DateField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = UnitQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        indexes = [
            models.Index(fields=["organization", "course", "expires_on", "id"], name="unit_course_expiry"),
            models.Index(fields=["organization", "expires_on", "id"], name="unit_expiry"),
        ]

    def __str__(self) -> str:
        return f"{self.course.code} unit {self.pk}, usable to {self.expires_on}"


class State(models.TextChoices):
    """What became of a record. Unassigned is no state of its own but a time, on any of the open three."""

    ASSIGNED = "assigned"
    IN_PROGRESS = "in_progress"
    FAILED = "failed"
    COMPLETED = "completed"


OPEN_STATES = (State.ASSIGNED, State.IN_PROGRESS, State.FAILED)


class Origin(models.TextChoices):
    """What first opened a record."""

    HAND = "hand"
    ENROLLMENT = "enrollment"
    PROGRAM = "program"
    IMPORT = "import"
    REQUIREMENT = "requirement"


class TrainSessionQuerySet(OrganizationQuerySet["TrainSession"]):
    def live(self) -> "TrainSessionQuerySet":
        """Records that the Train Sessions API lists: all but the unassigned."""
        return self.filter(unassigned_at=None)

    def open(self) -> "TrainSessionQuerySet":
        """Records still owed."""
        return self.live().exclude(state=State.COMPLETED)

    def valid_on(self, day: date) -> "TrainSessionQuerySet":
        """Completed records whose certificate, if it ends at all, has not ended before that day."""
        return self.filter(models.Q(cert_expiry=None) | models.Q(cert_expiry__gte=day), state=State.COMPLETED)

    def untouched(self) -> "TrainSessionQuerySet":
        """Records on which nothing has been done."""
        return self.filter(
            state=State.ASSIGNED, percent=0, failed_attempts=0, time_spent=0, score=None, started_at=None
        )


class TrainSession(models.Model):
    """One training record: a person, a course, and what became of it.

    A completed record is history: no service changes it back or unassigns it, nothing deletes it. Doing the course
    again is a new record. An unassigned record keeps its row, as the tombstone that the change feed shows.
    """

    # Without an index of its own: those below begin with it.
    organization = models.ForeignKey(Organization, models.PROTECT, related_name="train_sessions", db_index=False)
    uuid = models.UUIDField(unique=True, default=uuid4, editable=False)
    # Without an index of their own: PostgreSQL would take it before the ones below, which begin with the organization.
    course = models.ForeignKey(Course, models.PROTECT, related_name="train_sessions", db_index=False)
    person = models.ForeignKey(Person, models.PROTECT, related_name="train_sessions", db_index=False)
    unit = models.OneToOneField(Unit, models.PROTECT, null=True, blank=True, related_name="train_session")
    state = models.CharField(max_length=20, choices=State.choices, default=State.ASSIGNED)
    score = ScoreField()
    percent = models.PositiveSmallIntegerField(
        default=0, validators=[MinValueValidator(0), MaxValueValidator(100)], help_text="How much is done, 0-100."
    )
    failed_attempts = models.PositiveIntegerField(default=0)
    time_spent = models.DecimalField(
        max_digits=9,
        decimal_places=2,
        default=Decimal(0),
        validators=[MinValueValidator(Decimal(0))],
        help_text="Hours.",
    )
    assigned_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    last_attempt_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    due_at = models.DateTimeField(null=True, blank=True, help_text="A due day is its last microsecond.")
    overdue = models.BooleanField(default=False, help_text="Set by a recorded change when the due instant passes.")
    cert_expiry = models.DateField(null=True, blank=True, help_text="Last day on which the certificate is valid.")
    origin = models.CharField(max_length=20, choices=Origin.choices, default=Origin.HAND)
    enrollment = models.ForeignKey(
        Enrollment, models.PROTECT, null=True, blank=True, related_name="opened_records", help_text="That opened it."
    )
    unassigned_at = models.DateTimeField(null=True, blank=True)
    unassign_reason = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.CharField(max_length=30)
    updated_at = models.DateTimeField(
        default=timezone.now, help_text="Stamped under the ledger lock, rising in commit order."
    )
    updated_by = models.CharField(max_length=30)

    objects = TrainSessionQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "person", "course"],
                condition=~models.Q(state="completed") & models.Q(unassigned_at=None),
                name="train_session_one_open",
            ),
            choice_known("state", State, "train_session_state_known"),
            choice_known("origin", Origin, "train_session_origin_known"),
            models.CheckConstraint(
                condition=models.Q(score=None) | models.Q(score__range=SCORE_RANGE), name="train_session_score_range"
            ),
            models.CheckConstraint(condition=models.Q(percent__range=(0, 100)), name="train_session_percent_range"),
            models.CheckConstraint(condition=models.Q(time_spent__gte=0), name="train_session_time_not_negative"),
            models.CheckConstraint(
                condition=models.Q(state="completed", completed_at__isnull=False, percent=100)
                | (~models.Q(state="completed") & models.Q(completed_at=None)),
                name="train_session_completed_whole",
            ),
            models.CheckConstraint(
                condition=models.Q(unassigned_at=None) | ~models.Q(state="completed"),
                name="train_session_completed_stays",
            ),
            models.CheckConstraint(
                condition=models.Q(unassigned_at=None) | models.Q(unit=None), name="train_session_unassigned_frees_unit"
            ),
            models.CheckConstraint(
                condition=models.Q(overdue=False) | models.Q(due_at__isnull=False), name="train_session_overdue_has_due"
            ),
        ]
        indexes = [
            # The complete list and its pages, newest first.
            models.Index(
                fields=["organization", "-id"], name="train_session_live", condition=models.Q(unassigned_at=None)
            ),
            # The change feed, and the stamp that the next change must exceed.
            models.Index(fields=["organization", "updated_at", "id"], name="train_session_feed"),
            models.Index(fields=["organization", "person", "course"], name="train_session_person"),
            models.Index(fields=["organization", "course", "-id"], name="train_session_course"),
            # What falls due next.
            models.Index(
                fields=["organization", "due_at"],
                name="train_session_falls_due",
                condition=models.Q(overdue=False, unassigned_at=None, due_at__isnull=False)
                & ~models.Q(state="completed"),
            ),
            models.Index(fields=["organization", "due_at", "-id"], name="train_session_due"),
            models.Index(fields=["organization", "completed_at", "-id"], name="train_session_completed"),
            models.Index(fields=["organization", "cert_expiry", "-id"], name="train_session_cert_expiry"),
            models.Index(fields=["organization", "last_attempt_at", "-id"], name="train_session_last_attempt"),
            # What the lists are filtered by: little of it is found here, plenty by walking along the ids.
            models.Index(fields=["organization", "state", "-id"], name="train_session_state"),
            models.Index(fields=["organization", "percent", "-id"], name="train_session_percent"),
            models.Index(fields=["organization", "score", "-id"], name="train_session_score"),
            models.Index(fields=["organization", "failed_attempts", "-id"], name="train_session_failed_attempts"),
            # The newest completed record of a person and course, and how many a course has: from the index alone.
            models.Index(
                fields=["organization", "person", "course", "completed_at", "id"],
                name="train_session_newest",
                condition=models.Q(state="completed"),
            ),
            models.Index(
                fields=["organization", "course"],
                name="train_session_by_course",
                condition=models.Q(state="completed"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.person} · {self.course}"


class Audience(models.TextChoices):
    ALL = "all", "Everybody"
    GROUP = "group", "A group"
    PEOPLE = "people", "Named people"


class DueRule(models.TextChoices):
    DAYS_AFTER_JOINING = "days_after_joining", "So many days after joining"
    ON_DATE = "on_date", "On a date"


class RequirementQuerySet(OrganizationQuerySet["Requirement"]):
    def active(self) -> "RequirementQuerySet":
        return self.filter(active=True)


MOST_DUE_DAYS = 3650


class Requirement(models.Model):
    """A course is required of people: of everybody, of a group, or of named people, those of them who are active."""

    organization = models.ForeignKey(Organization, models.PROTECT, related_name="requirements", db_index=False)
    course = models.ForeignKey(Course, models.PROTECT, related_name="requirements", db_index=False)
    audience = models.CharField(
        "required of", max_length=10, choices=Audience.choices, default=Audience.ALL, help_text="Active people only."
    )
    group = models.ForeignKey(
        Group,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="requirements",
        help_text="Where it is required of a group.",
    )
    people = models.ManyToManyField(Person, through="RequirementPerson", related_name="requirements")
    due_rule = models.CharField(
        "due", max_length=20, choices=DueRule.choices, default=DueRule.DAYS_AFTER_JOINING, help_text="To its end."
    )
    due_days = models.PositiveSmallIntegerField(
        "days",
        null=True,
        blank=True,
        validators=[MaxValueValidator(MOST_DUE_DAYS)],
        help_text=f"0-{MOST_DUE_DAYS}, after the day on which the person was entered here. "
        "Where that day has passed, so many days after the training record is opened.",
    )
    due_on = models.DateField(
        "date",
        null=True,
        blank=True,
        help_text="Where it has passed, a training record is due on the day on which it is opened.",
    )
    active = models.BooleanField(default=True, help_text="Off: it asks nothing. What it opened stays open.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.CharField(max_length=30, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_by = models.CharField(max_length=30, editable=False)

    objects = RequirementQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            choice_known("audience", Audience, "requirement_audience_known"),
            choice_known("due_rule", DueRule, "requirement_due_rule_known"),
            models.CheckConstraint(
                condition=models.Q(audience="group", group__isnull=False)
                | (~models.Q(audience="group") & models.Q(group=None)),
                name="requirement_group_for_a_group",
                violation_error_code="group",
                violation_error_message="Name the group where it is required of a group; else leave this empty.",
            ),
            models.CheckConstraint(
                condition=models.Q(due_rule="days_after_joining", due_days__isnull=False, due_on=None)
                | models.Q(due_rule="on_date", due_days=None, due_on__isnull=False)
                # What is no rule is refused as that.
                | ~models.Q(due_rule__in=["days_after_joining", "on_date"]),
                name="requirement_due_by_its_rule",
                violation_error_code="due_rule",
                violation_error_message="Give the days or the date, whichever the rule asks for, and not both.",
            ),
            models.CheckConstraint(
                condition=models.Q(due_days=None) | models.Q(due_days__range=(0, MOST_DUE_DAYS)),
                name="requirement_due_days_range",
                violation_error_code="due_days",
                violation_error_message=f"Give a number from 0 to {MOST_DUE_DAYS}.",
            ),
        ]
        indexes = [models.Index(fields=["organization", "course"], name="requirement_course")]

    def __str__(self) -> str:
        return f"{self.course.code}: {self.get_audience_display()}"


class RequirementPerson(models.Model):
    """A person whom a requirement names."""

    organization = models.ForeignKey(Organization, models.PROTECT, related_name="+", db_index=False)
    requirement = models.ForeignKey(Requirement, models.CASCADE, related_name="named", db_index=False)
    person = models.ForeignKey(Person, models.CASCADE, related_name="named_by", db_index=False)

    objects = OrganizationQuerySet["RequirementPerson"].as_manager()

    class Meta:
        ordering = ["pk"]
        verbose_name_plural = "requirement people"
        constraints = [
            models.UniqueConstraint(fields=["organization", "requirement", "person"], name="requirement_person_unique")
        ]
        indexes = [models.Index(fields=["organization", "person"], name="requirement_person_person")]

    def __str__(self) -> str:
        return f"{self.person} in requirement {self.requirement_id}"
