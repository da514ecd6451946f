"""What each act on records asks."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminDateWidget,
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTextareaWidget,
    UnfoldBooleanWidget,
)

from accounts.admin.columns import in_short
from enrollments.models import SCORE_RANGE
from training.models import TrainSession
from training.services.extending import MOST_DAYS
from training.services.unassigning import Share

REASON = 500


def decimal(digits: int, places: int, **given: Any) -> forms.DecimalField:
    return forms.DecimalField(
        max_digits=digits, decimal_places=places, required=False, widget=UnfoldAdminDecimalFieldWidget, **given
    )


def score_field(help_text: str) -> forms.DecimalField:
    return decimal(7, 4, min_value=SCORE_RANGE[0], max_value=SCORE_RANGE[1], help_text=help_text)


def reason_field(help_text: str) -> forms.CharField:
    return forms.CharField(max_length=REASON, widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}), help_text=help_text)


class UnassignForm(forms.Form):
    reason = reason_field("Why it is no longer owed. Kept with each record.")

    def __init__(self, *args: Any, share: Share, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if share.is_exceeded:
            text = f"Yes, these are more than {share.limit} percent of what is open ({share.count:,} of {share.of:,})"
            self.fields["many"] = forms.BooleanField(
                label=text,
                widget=UnfoldBooleanWidget,
                help_text="So many at once are more often a slip than meant.",
                error_messages={"required": "Tick this if so many are meant. Nothing has been unassigned."},
            )


class ExtendForm(forms.Form):
    until = forms.DateField(
        label="Due on",
        required=False,
        widget=UnfoldAdminDateWidget,
        help_text="For all of them, until the end of this day in the organization's time zone.",
    )
    days = forms.IntegerField(
        label="Or so many days more",
        required=False,
        min_value=1,
        max_value=MOST_DAYS,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="From each one's own due date. What has none stays without.",
    )

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if not self.errors and (given.get("until") is None) == (given.get("days") is None):
            raise forms.ValidationError("Give a date or a number of days, one of the two.")
        return given


class CompletionForm(forms.Form):
    score = score_field("0-100. Empty: no score.")
    on = forms.DateField(
        label="Completed on",
        required=False,
        widget=UnfoldAdminDateWidget,
        help_text="A day of the organization's time zone. Empty: today.",
    )


class CorrectionForm(forms.Form):
    """Of one record, with what it says: what is changed is corrected, also to nothing. Of several, what is filled in."""

    score = score_field("0-100.")
    cert_expiry = forms.DateField(
        label="Certificate valid until",
        required=False,
        widget=UnfoldAdminDateWidget,
        help_text="The last day on which it is valid.",
    )
    time_spent = decimal(9, 2, min_value=0, label="Time spent", help_text="Hours.")
    reason = reason_field("Why what was recorded is wrong. Kept with what it said before.")

    names = ("score", "cert_expiry", "time_spent")

    def __init__(
        self, *args: Any, record: TrainSession | None, passed_with: Mapping[Decimal, int], **kwargs: Any
    ) -> None:
        """`passed_with`: how many of the records are of courses with each pass score."""
        super().__init__(*args, **kwargs)
        if passed_with:
            least, most = (in_short(score) for score in (min(passed_with), max(passed_with)))
            text = least if least == most else f"{least} to {most}"
            self.fields["score"].help_text = f"0-100. Passed with {text}."
        for name in self.names:
            field = self.fields[name]
            if record is None:
                field.help_text = f"{field.help_text} Empty: each keeps its own."
            else:
                value = getattr(record, name)
                self.initial[name] = in_short(value) if isinstance(value, Decimal) else value
                # What the page showed decides what was changed, not what the record says by now.
                field.show_hidden_initial = True
                if name != "time_spent":
                    field.help_text = f"{field.help_text} Empty: it has none."
        self._warn_below(passed_with)

    def _warn_below(self, passed_with: Mapping[Decimal, int]) -> None:
        """A score that does not pass is a warning, to be answered: the record stays completed all the same."""
        field, widget = self.fields["score"], self.fields["score"].widget
        try:
            score = field.clean(widget.value_from_datadict(self.data, self.files, self.add_prefix("score")))
        except forms.ValidationError:
            return
        count = sum(records for least, records in passed_with.items() if score is not None and score < least)
        if not count or "score" not in self.changed_data:
            return
        below = f"{in_short(score)} does not pass {'the course' if count == 1 else f'the courses of {count:,} of them'}"
        self.fields["below"] = forms.BooleanField(
            label=f"Yes, {below}",
            widget=UnfoldBooleanWidget,
            help_text="They stay completed, and their certificates stay as they are.",
            error_messages={"required": f"{below}. Tick this if that is meant. Nothing has been corrected."},
        )

    @property
    def corrections(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in self.names if name in self.changed_data}

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if "time_spent" in self.changed_data and given.get("time_spent") is None and "time_spent" not in self.errors:
            self.add_error("time_spent", "Give the hours, 0 if none.")
        if not self.errors and not any(name in self.changed_data for name in self.names):
            raise forms.ValidationError("Change what is to be corrected.")
        return given
