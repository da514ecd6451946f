from accounts.admin.people import PersonAdmin
from accounts.admin.sections import Section
from programs import wording  # noqa: F401 - registers the words of this app's refusals
from programs.admin.conditions import ProgramRequirementAdmin, ProgramTutorAdmin
from programs.admin.members import MemberRecordAdmin, ProgramMemberAdmin
from programs.admin.memberships import memberships_section
from programs.admin.sessions import ProgramSessionAdmin
from programs.admin.templates import ModuleAdmin, ProgramTemplateAdmin

__all__ = [
    "MemberRecordAdmin",
    "ModuleAdmin",
    "ProgramMemberAdmin",
    "ProgramRequirementAdmin",
    "ProgramSessionAdmin",
    "ProgramTemplateAdmin",
    "ProgramTutorAdmin",
]

PersonAdmin.sections.append(Section("admin/programs/memberships_section.html", memberships_section))
