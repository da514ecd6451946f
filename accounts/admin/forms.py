from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django import forms

from accounts.errors import FieldsRefused, Refusal
from accounts.wording import describe

Said = Mapping[str | None, Sequence[str]]
"""Messages by form field; None stands for the form as a whole."""


def said(refusal: Refusal) -> Said:
    """A refusal in words: each message at its field, where the refusal names one."""
    if not isinstance(refusal, FieldsRefused):
        return {None: [describe(refusal)]}
    return {None if name == "__all__" else name: messages for name, messages in refusal.fields.items()}


class LedgerForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """A form that shows what a service has refused, with everything that was typed still in it."""

    refused: ClassVar[Said] = {}

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        for name, messages in self.refused.items():
            for message in messages:
                if name is None or name in self.fields:
                    self.add_error(name, message)
                else:
                    self.add_error(None, f"{name}: {message}")
        return cleaned
