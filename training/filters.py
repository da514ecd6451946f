"""The documented filters of the Train Sessions API, by their documented names.

`_gt` and `_lt` are inclusive. Document b says "greater or equal" and "less than or equal" in so many words; document a
says "after" for them and uses the same word for `completion_date_gteq`, so inclusive is the one reading that fits both.
"""

from collections.abc import Mapping
from typing import ClassVar

from django.db.models import Q, QuerySet

from accounts.api.filters import (
    ContainsFilter,
    DateFilter,
    DayFilter,
    IntegerFilter,
    OneOfFilter,
    StrictFilterSet,
    TextFilter,
)
from training.models import State, TrainSession

# What the Train Sessions API calls each state.
STATUSES = {
    "Assigned": State.ASSIGNED,
    "In Progress": State.IN_PROGRESS,
    "Completed": State.COMPLETED,
    "Failed": State.FAILED,
}


class ShownScoreFilter(IntegerFilter):
    """The score as it is shown: the whole number below, 0 until scored."""

    def filter(self, qs: QuerySet[TrainSession], value: int | None) -> QuerySet[TrainSession]:
        if value is None:
            return qs
        if not 0 <= value <= 100:  # noqa: PLR2004 - no score is outside, and the column could not hold it
            return qs.none()
        shown = Q(score__gte=value, score__lt=value + 1)
        return qs.filter(shown | Q(score=None) if value == 0 else shown)


class TrainSessionFilter(StrictFilterSet[TrainSession]):
    course_code_or_course_name_cont = ContainsFilter(
        "course__search_code", "course__search_title", label="The course's code or name contains this, ignoring case."
    )
    full_name_cont = ContainsFilter(
        "person__search_name", label="The assignee's full name contains this, ignoring case."
    )
    score_eq = ShownScoreFilter(label="The score shown.")
    percent_complete_eq = IntegerFilter(field_name="percent", label="Percent complete.")
    failed_attempts_eq = IntegerFilter(label="Failed attempts at the final quiz.", field_name="failed_attempts")
    completion_date_gteq = DayFilter(
        field_name="completed_at", lookup_expr="gte", label="Completed on this day or after."
    )
    completion_date_lteq = DayFilter(
        field_name="completed_at", lookup_expr="lte", label="Completed on this day or before."
    )
    cert_expiry_gt = DateFilter(
        field_name="cert_expiry", lookup_expr="gte", label="Certificate expiry: on this day or after (inclusive)."
    )
    cert_expiry_lt = DateFilter(
        field_name="cert_expiry", lookup_expr="lte", label="Certificate expiry: on this day or before (inclusive)."
    )
    unit_unit_expiry_gt = DateFilter(
        field_name="unit__expires_on",
        lookup_expr="gte",
        label="Expiry of the record's unit: on this day or after (inclusive).",
    )
    unit_unit_expiry_lt = DateFilter(
        field_name="unit__expires_on",
        lookup_expr="lte",
        label="Expiry of the record's unit: on this day or before (inclusive).",
    )
    complete_by_eq = DayFilter(
        field_name="due_at",
        label='Due on this day. (Document b says "date of completion"; that is `completion_date`, and this is the due day.)',
    )
    last_attempt_eq = DayFilter(field_name="last_attempt_at", label="Last attempted on this day.")
    assignee_login_username_eq = TextFilter(
        field_name="person__username", label="The assignee's username, to the letter."
    )
    status_eq = OneOfFilter(STATUSES, field_name="state", label="Status (ours).")

    # Document b's own example sends `score=80`.
    aliases: ClassVar[Mapping[str, str]] = {
        name: f"{name}_eq"
        for name in (
            "score",
            "percent_complete",
            "failed_attempts",
            "complete_by",
            "last_attempt",
            "assignee_login_username",
        )
    }
