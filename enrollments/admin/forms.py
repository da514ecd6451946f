"""What staff type on a session's page."""

import re
from collections.abc import Mapping
from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from accounts.models import Person
from enrollments.models import SCORE_RANGE, EnrollmentStatus

MOST_NUMBERS = 5_000
"""So many people at most are enrolled by one paste."""

CHOICES = [
    (status.value, status.label)
    for status in (
        EnrollmentStatus.ENROLLED,
        EnrollmentStatus.COMPLETED,
        EnrollmentStatus.ABSENT,
        EnrollmentStatus.CANCELLED,
    )
]


class ResultForm(forms.Form):
    """One row of a roster. A score alone means that the person has completed."""

    status = forms.ChoiceField(choices=CHOICES, widget=UnfoldAdminSelectWidget)
    score = forms.DecimalField(
        min_value=SCORE_RANGE[0],
        max_value=SCORE_RANGE[1],
        max_digits=7,
        decimal_places=4,
        required=False,
        widget=UnfoldAdminDecimalFieldWidget,
    )

    def __init__(
        self,
        *,
        data: Mapping[str, Any] | None,
        prefix: str,
        person: Person,
        needs_score: bool,
        may_cancel: bool,
    ) -> None:
        super().__init__(data, prefix=prefix, initial={"status": EnrollmentStatus.ENROLLED.value})
        self.needs_score = needs_score
        status: Any = self.fields["status"]
        if not may_cancel:
            status.choices = [choice for choice in CHOICES if choice[0] != EnrollmentStatus.CANCELLED]
        for name, label in (("status", "Status"), ("score", "Score")):
            self.fields[name].widget.attrs |= {
                "aria-label": f"{label} of {person}",
                "aria-describedby": f"{prefix}-why",
            }

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        status, score = cleaned.get("status"), cleaned.get("score")
        if status == EnrollmentStatus.ENROLLED and score is not None:
            cleaned["status"] = EnrollmentStatus.COMPLETED.value
        elif status in (EnrollmentStatus.ABSENT, EnrollmentStatus.CANCELLED) and score is not None:
            self.add_error("score", "A score belongs to somebody who has completed. Take it out, or choose Completed.")
        elif status == EnrollmentStatus.COMPLETED and score is None and self.needs_score and not self.errors:
            self.add_error("score", "This course is passed by a score: enter one.")
        return cleaned


class EnrollForm(forms.Form):
    """Whom to enroll: picked, pasted, or both."""

    numbers = forms.CharField(
        label="Employee numbers",
        required=False,
        strip=False,
        max_length=400_000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 6, "placeholder": "EMP-001\nEMP-002", "spellcheck": "false"}),
        help_text="Paste them from anywhere, separated by commas, semicolons, spaces or new lines.",
    )
    fit = forms.BooleanField(
        label="Enroll as many as fit",
        required=False,
        widget=UnfoldBooleanWidget,
        help_text="In the order given. Without it, nobody is enrolled when there are fewer seats than people.",
    )

    def clean_numbers(self) -> list[str]:
        numbers: list[str] = [number for number in re.split(r"[\s,;]+", self.cleaned_data["numbers"]) if number]
        if len(numbers) > MOST_NUMBERS:
            text = f"{len(numbers):,} employee numbers are too many at once: paste {MOST_NUMBERS:,} at most."
            raise forms.ValidationError(text)
        return numbers

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        if not self.errors and not cleaned.get("numbers") and not cleaned.get("people"):
            raise forms.ValidationError("Pick people, or paste employee numbers.")
        return cleaned

    @property
    def wanted(self) -> list[str]:
        """Employee numbers in the order given: those who were picked, then those that were pasted."""
        picked = [str(person.employee_id) for person in self.cleaned_data.get("people") or ()]
        return [*picked, *self.cleaned_data["numbers"]]


class CancelForm(forms.Form):
    reason = forms.CharField(
        label="Reason",
        max_length=500,
        widget=UnfoldAdminTextInputWidget,
        help_text="Why it does not take place. Kept with the session and shown in the calendar entry.",
    )
