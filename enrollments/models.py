from decimal import Decimal
from uuid import uuid4

from django.core.validators import MaxValueValidator, MinValueValidator, URLValidator
from django.db import models
from django.utils import timezone

from accounts.models import HexIdField, Organization, OrganizationQuerySet, Person, choice_known

SCORE_RANGE = (Decimal(0), Decimal(100))
score_validators = [MinValueValidator(SCORE_RANGE[0]), MaxValueValidator(SCORE_RANGE[1])]


class ScoreField(models.DecimalField):  # type: ignore[type-arg]  # generic in the stubs only
    """0-100 with up to four decimals; the Training API shows a score as it was given."""

    def __init__(self, **kwargs: object) -> None:
        options = {"max_digits": 7, "decimal_places": 4, "null": True, "blank": True, "validators": score_validators}
        super().__init__(**{**options, **kwargs})  # type: ignore[arg-type]


class Category(models.Model):
    """One of the six subjects of the Training API's document: shared by all organizations, made by a migration."""

    uuid = models.UUIDField(unique=True, default=uuid4, editable=False)
    slug = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=80)

    class Meta:
        ordering = ["pk"]
        verbose_name_plural = "categories"

    def __str__(self) -> str:
        return self.name


class DeliveryMode(models.TextChoices):
    IN_PERSON = "in_person"
    ONLINE = "online"
    HYBRID = "hybrid"
    SELF_PACED = "self_paced"


class Provider(models.TextChoices):
    INTERNAL = "internal"
    EXTERNAL = "external"


class CourseStatus(models.TextChoices):
    PUBLISHED = "published"
    ARCHIVED = "archived"
    DELETED = "deleted"


class Course(models.Model):
    organization = models.ForeignKey(Organization, models.PROTECT, related_name="courses")
    code = models.CharField(max_length=60)
    title = models.CharField(max_length=200)
    search_code = models.TextField(editable=False)
    search_title = models.TextField(editable=False)
    category = models.ForeignKey(Category, models.PROTECT, related_name="courses")
    delivery_mode = models.CharField(max_length=20, choices=DeliveryMode.choices, default=DeliveryMode.IN_PERSON)
    duration_hours = models.DecimalField(
        max_digits=7, decimal_places=2, default=Decimal(0), validators=[MinValueValidator(Decimal(0))]
    )
    cost_per_participant = models.DecimalField(
        max_digits=10, decimal_places=2, default=Decimal(0), validators=[MinValueValidator(Decimal(0))]
    )
    provider = models.CharField(max_length=20, choices=Provider.choices, default=Provider.INTERNAL)
    provider_name = models.CharField(max_length=200, blank=True)
    description = models.TextField(blank=True)
    prerequisites = models.ManyToManyField(
        "self", through="Prerequisite", through_fields=("course", "required"), symmetrical=False, related_name="+"
    )
    pass_score = ScoreField(help_text="Empty: attending is passing.")
    certificate_months = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(1200)],
        help_text="How long a certificate is valid. Empty: for ever.",
    )
    uses_units = models.BooleanField(default=False, help_text="Assigning it takes a bought seat.")
    status = models.CharField(max_length=20, choices=CourseStatus.choices, default=CourseStatus.PUBLISHED)
    uuid = models.UUIDField(unique=True, default=uuid4, editable=False)
    revision = models.UUIDField(default=uuid4, editable=False)
    hex_id = HexIdField(editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = OrganizationQuerySet["Course"].as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "code"],
                name="course_code_unique",
                violation_error_code="code",
                violation_error_message="Another course has this code.",
            ),
            models.CheckConstraint(
                condition=models.Q(pass_score=None) | models.Q(pass_score__range=SCORE_RANGE),
                name="course_pass_score_range",
            ),
            models.CheckConstraint(condition=models.Q(duration_hours__gte=0), name="course_duration_not_negative"),
            models.CheckConstraint(condition=models.Q(cost_per_participant__gte=0), name="course_cost_not_negative"),
            choice_known("delivery_mode", DeliveryMode, "course_delivery_mode_known"),
            choice_known("provider", Provider, "course_provider_known"),
            choice_known("status", CourseStatus, "course_status_known"),
        ]
        indexes = [
            models.Index(fields=["organization", "id"], name="course_organization_id"),
            models.Index(fields=["organization", "category"], name="course_category"),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.title}"


class Prerequisite(models.Model):
    """`required` must have been completed, and be valid on the day, before somebody enrolls in `course`."""

    organization = models.ForeignKey(Organization, models.PROTECT, related_name="+")
    course = models.ForeignKey(Course, models.CASCADE, related_name="prerequisite_rows")
    required = models.ForeignKey(Course, models.PROTECT, related_name="required_by_rows")

    objects = OrganizationQuerySet["Prerequisite"].as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["organization", "course", "required"], name="prerequisite_unique"),
            models.CheckConstraint(condition=~models.Q(course=models.F("required")), name="prerequisite_not_itself"),
        ]

    def __str__(self) -> str:
        return f"{self.course} requires {self.required}"


class SessionStatus(models.TextChoices):
    SCHEDULED = "scheduled"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


# The status, and no clock, decides whether somebody can still be entered: late arrivals are entered afterwards.
OPEN_STATUSES = (SessionStatus.SCHEDULED, SessionStatus.IN_PROGRESS)


class Session(models.Model):
    """A scheduled run of a course, with seats. Seats taken are counted from its enrollments, never stored."""

    organization = models.ForeignKey(Organization, models.PROTECT, related_name="sessions")
    course = models.ForeignKey(Course, models.PROTECT, related_name="sessions")
    name = models.CharField(max_length=200)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    location = models.CharField(max_length=200, blank=True)
    facilitator = models.ForeignKey(Person, models.PROTECT, null=True, blank=True, related_name="facilitated_sessions")
    max_participants = models.PositiveIntegerField(null=True, blank=True, help_text="Empty: no limit.")
    status = models.CharField(max_length=20, choices=SessionStatus.choices, default=SessionStatus.SCHEDULED)
    cancel_reason = models.CharField(max_length=500, blank=True, help_text="Why it was cancelled.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = OrganizationQuerySet["Session"].as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(ends_at__gte=models.F("starts_at")),
                name="session_ends_after_start",
                violation_error_code="ends_at",
                violation_error_message="A session ends when it starts, or later.",
            ),
            choice_known("status", SessionStatus, "session_status_known"),
            models.CheckConstraint(
                condition=models.Q(cancel_reason="") | models.Q(status="cancelled"),
                name="session_reason_when_cancelled",
                violation_error_code="cancel_reason",
                violation_error_message="Only a cancelled session has a reason for it.",
            ),
        ]
        indexes = [
            models.Index(fields=["organization", "id"], name="session_organization_id"),
            models.Index(fields=["organization", "starts_at", "id"], name="session_starts_at"),
            models.Index(fields=["organization", "course", "starts_at"], name="session_course"),
        ]

    def __str__(self) -> str:
        return self.name


class EnrollmentStatus(models.TextChoices):
    ENROLLED = "enrolled"
    COMPLETED = "completed"
    FAILED = "failed"
    ABSENT = "absent"
    CANCELLED = "cancelled"


FINISHED_STATUSES = (EnrollmentStatus.COMPLETED, EnrollmentStatus.FAILED, EnrollmentStatus.ABSENT)


class EnrollmentQuerySet(OrganizationQuerySet["Enrollment"]):
    def holding_a_seat(self) -> "EnrollmentQuerySet":
        """Every enrollment that is not cancelled takes a seat, finished ones too."""
        return self.exclude(status=EnrollmentStatus.CANCELLED)


class Enrollment(models.Model):
    """A person's seat in a session, and how it ended."""

    organization = models.ForeignKey(Organization, models.PROTECT, related_name="enrollments")
    session = models.ForeignKey(Session, models.PROTECT, related_name="enrollments")
    person = models.ForeignKey(Person, models.PROTECT, related_name="enrollments")
    status = models.CharField(max_length=20, choices=EnrollmentStatus.choices, default=EnrollmentStatus.ENROLLED)
    score = ScoreField()
    passed = models.BooleanField(null=True, blank=True)
    feedback = models.TextField(null=True, blank=True)  # noqa: DJ001 - the document tells null from an empty text
    certificate_url = models.CharField(  # noqa: DJ001 - as above
        max_length=2000, null=True, blank=True, validators=[URLValidator(schemes=["http", "https"])]
    )
    enrolled_at = models.DateTimeField(default=timezone.now)
    completed_at = models.DateTimeField(null=True, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)
    created_by = models.CharField(max_length=30, editable=False)
    updated_by = models.CharField(max_length=30, editable=False)

    objects = EnrollmentQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "session", "person"],
                condition=~models.Q(status="cancelled"),
                name="enrollment_one_live",
            ),
            models.CheckConstraint(
                condition=models.Q(score=None) | models.Q(score__range=SCORE_RANGE), name="enrollment_score_range"
            ),
            choice_known("status", EnrollmentStatus, "enrollment_status_known"),
            models.CheckConstraint(
                condition=models.Q(status__in=["completed", "failed"], completed_at__isnull=False)
                | models.Q(status__in=["enrolled", "absent", "cancelled"], completed_at=None),
                name="enrollment_completed_at_when_finished",
            ),
            models.CheckConstraint(
                condition=models.Q(status="cancelled", cancelled_at__isnull=False)
                | (~models.Q(status="cancelled") & models.Q(cancelled_at=None)),
                name="enrollment_cancelled_at_when_cancelled",
            ),
        ]
        indexes = [
            models.Index(fields=["organization", "id"], name="enrollment_organization_id"),
            models.Index(fields=["organization", "session", "status"], name="enrollment_session"),
            models.Index(fields=["organization", "person", "status"], name="enrollment_person"),
        ]

    def __str__(self) -> str:
        return f"{self.person} in {self.session}"
