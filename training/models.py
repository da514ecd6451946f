from datetime import date
from decimal import Decimal
from uuid import uuid4

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from accounts.models import Organization, OrganizationQuerySet, Person, choice_known
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
        indexes = [models.Index(fields=["organization", "course", "expires_on", "id"], name="unit_course_expiry")]

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

    organization = models.ForeignKey(Organization, models.PROTECT, related_name="train_sessions")
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
        ]

    def __str__(self) -> str:
        return f"{self.person} · {self.course}"
