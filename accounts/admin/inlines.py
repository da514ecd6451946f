"""Rows that are edited together on the page of what they belong to.

Not Django's formsets: those save what they hold. Here each row is a small form of its own, all are sent together, and
what has changed goes to one call of a service. A row that is refused says why beside it and keeps what was typed.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from django import forms


class RowForm(Protocol):
    def __call__(self, row: Any, *, data: Mapping[str, Any] | None, prefix: str) -> forms.Form | None:
        """The form of one row, bound to what was sent for it, if anything; None for a row that is shown only."""


@dataclass
class Line:
    prefix: str
    row: Any
    form: forms.Form | None
    refused: list[str] = field(default_factory=list)

    @property
    def said(self) -> list[str]:
        """Why it was refused: by its form, or by the service."""
        if self.form is None or not self.form.is_bound:
            return self.refused
        return [*(str(message) for messages in self.form.errors.values() for message in messages), *self.refused]

    @property
    def changed(self) -> bool:
        return self.form is not None and self.form.is_bound and self.form.has_changed()

    @property
    def valid(self) -> bool:
        return self.form is not None and self.form.is_valid()


class Grid:
    """`rows` are by prefix. Of what was `sent`, a row is given what bears its prefix; `only` names those that get it."""

    def __init__(
        self,
        rows: Iterable[tuple[str, Any]],
        form: RowForm,
        *,
        sent: Mapping[str, Any] | None = None,
        only: Collection[str] | None = None,
    ) -> None:
        given = {name.rpartition("-")[0] for name in sent or ()}
        if only is not None:
            given &= frozenset(only)
        self.lines = [
            Line(prefix, row, form(row, data=sent if prefix in given else None, prefix=prefix)) for prefix, row in rows
        ]

    @property
    def changed(self) -> list[Line]:
        return [line for line in self.lines if line.changed]

    @property
    def refused(self) -> list[Line]:
        return [line for line in self.lines if line.said]
