"""Training records as files: past ones come in, and all go out."""

from datetime import datetime

from import_export.fields import Field

from accounts.admin.exporting import LedgerResource
from accounts.admin.importing import Import
from accounts.days import day_of
from accounts.models import OperationKind
from accounts.tables import Columns
from training.models import TrainSession
from training.services.importing import PERSON_COLUMNS, RECORD_COLUMNS, VALUE_COLUMNS, import_records

RECORDS = Import(
    OperationKind.IMPORT_RECORDS,
    "past training records",
    Columns(keys=PERSON_COLUMNS, required=RECORD_COLUMNS, others=VALUE_COLUMNS),
    import_records,
    (
        ("employee_id", "EMP-042", "Or username, or mail, in its place: who it was. Needed."),
        ("course", "SAF-1", "Its code. Needed."),
        ("completed_on", "2024-05-31", "The day, in the organization's time zone. Needed."),
        ("score", "87.5", "0 to 100."),
        ("cert_expiry", "2025-05-30", "The certificate's last day. Empty: by the course's rule."),
        ("time_spent", "7.5", "Hours."),
    ),
)
EXPORTED = (
    "employee_id",
    "name",
    "course",
    "title",
    "state",
    "score",
    "percent",
    "time_spent",
    "assigned_on",
    "due_on",
    "completed_on",
    "cert_expiry",
    "unassigned_on",
)


class RecordResource(LedgerResource):
    """Days are those of the organization."""

    related = ("person", "course", "organization")
    employee_id = Field(attribute="person__employee_id")
    name = Field(attribute="person__full_name")
    course = Field(attribute="course__code")
    title = Field(attribute="course__title")
    assigned_on = Field()
    due_on = Field()
    completed_on = Field()
    unassigned_on = Field()

    class Meta:
        model = TrainSession
        fields = EXPORTED
        export_order = EXPORTED

    def dehydrate_assigned_on(self, record: TrainSession) -> str:
        return _day(record, record.assigned_at)

    def dehydrate_due_on(self, record: TrainSession) -> str:
        return _day(record, record.due_at)

    def dehydrate_completed_on(self, record: TrainSession) -> str:
        return _day(record, record.completed_at)

    def dehydrate_unassigned_on(self, record: TrainSession) -> str:
        return _day(record, record.unassigned_at)


def _day(record: TrainSession, instant: datetime | None) -> str:
    return "" if instant is None else day_of(instant, record.organization.zone).isoformat()
