from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.utils import timezone

from accounts.models import HexIdField, Organization, OrganizationQuerySet, Person, choice_known, hex_id_validator
from enrollments.models import Course
from training.models import TrainSession


def validate_custom_fields(value: object) -> None:
    """`[{"name": …, "value": …}]`, as the Programs API shows them."""
    if not isinstance(value, list) or any(
        not isinstance(row, dict) or set(row) != {"name", "value"} or not isinstance(row["name"], str) for row in value
    ):
        raise ValidationError('Give a list of {"name": …, "value": …}.', code="custom_fields")


def validate_hex_ids(value: object) -> None:
    # With a code of its own: a JSON field's form has other words for `invalid`.
    not_hex_ids = ValidationError("Give a list of ids of 24 hexadecimal digits.", code="hex_ids")
    if not isinstance(value, list):
        raise not_hex_ids
    for item in value:
        try:
            hex_id_validator(item)
        except ValidationError as error:
            raise not_hex_ids from error


class ModuleType(models.TextChoices):
    COURSE = "course"
    WEBINAR = "webinar"
    CLASSROOM = "classroom"


class ProgramTemplate(models.Model):
    """What a program consists of. Each run of it is a program session."""

    organization = models.ForeignKey(Organization, models.PROTECT, related_name="program_templates")
    hex_id = HexIdField(editable=False)
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    modified_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = OrganizationQuerySet["ProgramTemplate"].as_manager()

    class Meta:
        ordering = ["hex_id"]
        indexes = [models.Index(fields=["organization", "hex_id"], name="program_template_hex_id")]

    def __str__(self) -> str:
        return self.name


class Module(models.Model):
    """One step of a program template. Its course is what a member owes."""

    organization = models.ForeignKey(Organization, models.PROTECT, related_name="+")
    hex_id = HexIdField(editable=False)
    template = models.ForeignKey(ProgramTemplate, models.PROTECT, related_name="modules")
    position = models.PositiveSmallIntegerField()
    type = models.CharField(max_length=20, choices=ModuleType.choices, default=ModuleType.COURSE)
    course = models.ForeignKey(Course, models.PROTECT, null=True, blank=True, related_name="program_modules")

    objects = OrganizationQuerySet["Module"].as_manager()

    class Meta:
        ordering = ["template", "position"]
        constraints = [
            models.UniqueConstraint(fields=["organization", "template", "position"], name="module_position_unique"),
            choice_known("type", ModuleType, "module_type_known"),
            models.CheckConstraint(
                condition=~models.Q(type="course") | models.Q(course__isnull=False),
                name="module_course_has_course",
                violation_error_message="A module of type course names its course.",
            ),
        ]
        indexes = [models.Index(fields=["organization", "course"], name="module_course")]

    def __str__(self) -> str:
        return f"{self.template}, module {self.position}"


class ProgramSession(models.Model):
    """One run of a program template: dates, tutors, people. `user_limit` is a capacity, like a session's seats."""

    organization = models.ForeignKey(Organization, models.PROTECT, related_name="program_sessions")
    hex_id = HexIdField(editable=False)
    template = models.ForeignKey(ProgramTemplate, models.PROTECT, related_name="sessions")
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    author_mail = models.EmailField(blank=True)
    lang = models.CharField(max_length=10, blank=True)
    template_custom = models.TextField(blank=True)
    session_custom = models.TextField(blank=True)
    custom_fields = models.JSONField(default=list, blank=True, validators=[validate_custom_fields])
    skills = models.JSONField(default=list, blank=True, validators=[validate_hex_ids])
    groups = models.JSONField(default=list, blank=True, validators=[validate_hex_ids])
    required_paths = models.JSONField(default=list, blank=True, validators=[validate_hex_ids])
    starts_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)
    automated_reminders = models.BooleanField(default=False)
    validate_registrations = models.BooleanField(default=False)
    program_duration = models.DecimalField(
        max_digits=7, decimal_places=2, null=True, blank=True, validators=[MinValueValidator(0)], help_text="Hours."
    )
    has_user_limit = models.BooleanField(default=False)
    user_limit = models.PositiveIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    modified_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = OrganizationQuerySet["ProgramSession"].as_manager()

    class Meta:
        ordering = ["hex_id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(starts_at=None)
                | models.Q(ends_at=None)
                | models.Q(ends_at__gte=models.F("starts_at")),
                name="program_session_ends_after_start",
                violation_error_message="A program session ends when it starts, or later.",
            ),
            models.CheckConstraint(
                condition=models.Q(has_user_limit=False) | models.Q(user_limit__isnull=False),
                name="program_session_limit_given",
                violation_error_message="A program session with a limit says which.",
            ),
        ]
        indexes = [models.Index(fields=["organization", "hex_id"], name="program_session_hex_id")]

    def __str__(self) -> str:
        return self.name

    @property
    def capacity(self) -> int | None:
        """How many people it holds at most; None means no limit."""
        return self.user_limit if self.has_user_limit else None


class ProgramTutor(models.Model):
    organization = models.ForeignKey(Organization, models.PROTECT, related_name="+")
    session = models.ForeignKey(ProgramSession, models.CASCADE, related_name="tutors")
    person = models.ForeignKey(Person, models.PROTECT, related_name="tutored_program_sessions")

    objects = OrganizationQuerySet["ProgramTutor"].as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["organization", "session", "person"], name="program_tutor_unique")
        ]

    def __str__(self) -> str:
        return f"{self.person} tutors {self.session}"


class ProgramRequirement(models.Model):
    """What must have been completed before somebody joins: a course, or another program. Exactly one of the two."""

    organization = models.ForeignKey(Organization, models.PROTECT, related_name="+")
    session = models.ForeignKey(ProgramSession, models.CASCADE, related_name="requirements")
    course = models.ForeignKey(Course, models.PROTECT, null=True, blank=True, related_name="+")
    template = models.ForeignKey(ProgramTemplate, models.PROTECT, null=True, blank=True, related_name="+")

    objects = OrganizationQuerySet["ProgramRequirement"].as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(course__isnull=False, template=None) | models.Q(course=None, template__isnull=False),
                name="program_requirement_one_of_two",
                violation_error_message="A requirement names a course or a program, one of the two.",
            ),
            models.UniqueConstraint(fields=["organization", "session", "course"], name="program_requirement_course"),
            models.UniqueConstraint(
                fields=["organization", "session", "template"], name="program_requirement_template"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.session} requires {self.course or self.template}"


class ProgramMemberQuerySet(OrganizationQuerySet["ProgramMember"]):
    def current(self) -> "ProgramMemberQuerySet":
        return self.filter(left_at=None)


class ProgramMember(models.Model):
    """A person in a program session. Leaving keeps the row; joining again is a new one."""

    organization = models.ForeignKey(Organization, models.PROTECT, related_name="+")
    session = models.ForeignKey(ProgramSession, models.PROTECT, related_name="members")
    person = models.ForeignKey(Person, models.PROTECT, related_name="program_memberships")
    joined_at = models.DateTimeField(default=timezone.now)
    left_at = models.DateTimeField(null=True, blank=True)
    created_by = models.CharField(max_length=30, editable=False)
    updated_by = models.CharField(max_length=30, editable=False)

    objects = ProgramMemberQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "session", "person"],
                condition=models.Q(left_at=None),
                name="program_member_once",
            ),
        ]
        indexes = [models.Index(fields=["organization", "person"], name="program_member_person")]

    def __str__(self) -> str:
        return f"{self.person} in {self.session}"


class MemberRecord(models.Model):
    """A ledger record that a membership opened, so that leaving can take back exactly that."""

    organization = models.ForeignKey(Organization, models.PROTECT, related_name="+")
    member = models.ForeignKey(ProgramMember, models.PROTECT, related_name="opened_records")
    train_session = models.OneToOneField(TrainSession, models.PROTECT, related_name="opened_by_member")

    objects = OrganizationQuerySet["MemberRecord"].as_manager()

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["organization", "member"], name="member_record_member")]

    def __str__(self) -> str:
        return f"{self.train_session} for {self.member}"
