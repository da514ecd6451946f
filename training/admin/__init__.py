from accounts.admin.operations import BulkOperationAdmin
from accounts.admin.people import PersonAdmin
from accounts.admin.sections import Page, Section
from training import wording  # noqa: F401 - registers the words of this app's refusals
from training.admin import transcript, undoing
from training.admin.filters import OverduePeopleFilter
from training.admin.records import TrainSessionAdmin
from training.admin.requirements import RequirementAdmin, RequirementPersonAdmin
from training.admin.units import UnitAdmin

__all__ = ["RequirementAdmin", "RequirementPersonAdmin", "TrainSessionAdmin", "UnitAdmin"]

PersonAdmin.more_filters.append(OverduePeopleFilter)
PersonAdmin.more_columns += [transcript.open_column, transcript.overdue_column]
PersonAdmin.page_facts.append(transcript.tell_open)
# In the order in which the page shows them; what apps above add comes after.
PersonAdmin.sections[:0] = [
    Section("admin/training/record_transcript.html", transcript.transcript_section),
    Section("admin/training/record_assign_section.html", transcript.assign_section),
]
PersonAdmin.sections.append(Section("admin/training/record_leave_section.html", transcript.leave_section))
PersonAdmin.pages += [
    Page("assign", "training_assign_courses", transcript.assign_page),
    Page("leave", "training_leave", transcript.leave_page),
]
PersonAdmin.leaving_page = "training_leave"
BulkOperationAdmin.sections.append(Section("admin/training/record_undo_section.html", undoing.undo_section))
BulkOperationAdmin.pages.append(Page("undo", "training_undo", undoing.undo_page))
