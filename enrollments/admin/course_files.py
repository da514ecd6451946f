"""Courses as files: what comes in, and what goes out."""

from import_export.fields import Field

from accounts.admin.exporting import LedgerResource, yes_or_no
from accounts.admin.importing import Import
from accounts.models import OperationKind
from accounts.services.cells import SEPARATOR
from accounts.tables import strict
from enrollments.models import Course
from enrollments.services.importing import COLUMNS, import_courses

STAYS = "Empty: stays as it is."
COURSES = Import(
    OperationKind.IMPORT_COURSES,
    "courses",
    strict(COLUMNS),
    import_courses,
    (
        ("code", "SAF-2", "Tells courses apart. Needed."),
        ("title", "Working at height", "Needed for new courses."),
        ("category", "safety", "By its slug or name. Needed for new courses."),
        ("delivery_mode", "in_person", f"in_person, online, hybrid or self_paced. {STAYS}"),
        ("duration_hours", "7.5", f"With a decimal point. {STAYS}"),
        ("cost_per_participant", "120", f"With a decimal point. {STAYS}"),
        ("provider", "external", f"internal or external. {STAYS}"),
        ("provider_name", "Height Ltd", ""),
        ("description", "Harness, anchor points, rescue.", ""),
        ("prerequisites", "", "Codes separated by ;  Each is there, or in an earlier line."),
        ("pass_score", "80", "0 to 100. Empty: attending is passing."),
        ("certificate_months", "12", "1 to 1200. Empty: valid for ever."),
        ("uses_units", "false", f"true or false, yes or no, 1 or 0. {STAYS}"),
        ("status", "published", f"published, archived or deleted. {STAYS}"),
    ),
)


class CourseResource(LedgerResource):
    """As the import of courses reads it."""

    related = ("category",)
    prefetched = ("prerequisites",)
    category = Field(attribute="category__slug")
    uses_units = Field()
    prerequisites = Field()

    class Meta:
        model = Course
        fields = COLUMNS
        export_order = COLUMNS

    def dehydrate_uses_units(self, course: Course) -> str:
        return yes_or_no(course.uses_units)

    def dehydrate_prerequisites(self, course: Course) -> str:
        return SEPARATOR.join(required.code for required in course.prerequisites.all())
