from accounts.admin.people import PersonAdmin
from accounts.admin.sections import Section
from enrollments import wording  # noqa: F401 - registers the words of this app's refusals
from enrollments.admin.courses import CategoryAdmin, CourseAdmin, PrerequisiteAdmin
from enrollments.admin.enrollments import EnrollmentAdmin
from enrollments.admin.seats import seats_section
from enrollments.admin.sessions import SessionAdmin

__all__ = ["CategoryAdmin", "CourseAdmin", "EnrollmentAdmin", "PrerequisiteAdmin", "SessionAdmin"]

PersonAdmin.sections.append(Section("admin/enrollments/seats_section.html", seats_section))
