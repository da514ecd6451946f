from collections.abc import Mapping
from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from enrollments.admin.forms import EnrollForm
from enrollments.models import Course
from programs.models import Module, ModuleType

MOST_POSITION = 999


class ModuleForm(forms.Form):
    """One row of a template's modules, or a new one. `courses` are those that were typed, by code."""

    position = forms.IntegerField(
        min_value=1, max_value=MOST_POSITION, required=False, widget=UnfoldAdminIntegerFieldWidget
    )
    type = forms.ChoiceField(choices=ModuleType.choices, widget=UnfoldAdminSelectWidget)
    course = forms.CharField(
        max_length=60,
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"list": "course-codes", "autocomplete": "off", "spellcheck": "false"}),
    )
    remove = forms.BooleanField(required=False, widget=UnfoldBooleanWidget)

    def __init__(
        self,
        data: Mapping[str, Any] | None,
        *,
        prefix: str,
        module: Module | None,
        courses: Mapping[str, Course],
    ) -> None:
        initial: dict[str, Any] = {"type": ModuleType.COURSE.value}
        if module is not None:
            code = module.course.code if module.course else ""
            initial = {"position": module.position, "type": module.type, "course": code}
        super().__init__(data, prefix=prefix, initial=initial)
        self.courses = courses
        which = "a new module" if module is None else f"module {module.position}"
        for name, label in (
            ("position", "Position"),
            ("type", "Type"),
            ("course", "Course code"),
            ("remove", "Remove"),
        ):
            self.fields[name].widget.attrs |= {"aria-label": f"{label} of {which}", "aria-describedby": f"{prefix}-why"}

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        code = cleaned.get("course") or ""
        cleaned["course"] = self.courses.get(code)
        if cleaned.get("remove") or "course" in self.errors:
            return cleaned
        if code and cleaned["course"] is None:
            self.add_error("course", f"There is no course with the code {code}.")
        elif not code and cleaned.get("type") == ModuleType.COURSE:
            self.add_error("course", "A module of type course names its course.")
        return cleaned


class JoinForm(EnrollForm):
    """Whom to add to a program session: picked, pasted, or both."""

    fit = forms.BooleanField(
        label="Add as many as fit",
        required=False,
        widget=UnfoldBooleanWidget,
        help_text="In the order given. Without it, nobody is added when there are fewer places than people.",
    )
