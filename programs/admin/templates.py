from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from accounts.admin.base import LedgerAdmin, OwnChoices, actor_of
from accounts.admin.inlines import Grid, Line
from accounts.errors import FieldsRefused, Refusal
from accounts.wording import describe
from enrollments.models import Course, CourseStatus
from programs.admin.forms import ModuleForm
from programs.admin.removable import RemovableAdmin
from programs.models import Module, ProgramSession, ProgramTemplate
from programs.services import arranging, catalogue

MOST_COURSES = 500
"""So many codes are suggested; any other can be typed."""

NEW_ROWS = 3


@admin.register(ProgramTemplate)
class ProgramTemplateAdmin(LedgerAdmin):
    change_form_template = "admin/programs/template.html"
    list_display = ("name", "hex_id", "modified_at")
    search_fields = ("name", "hex_id")
    ordering = ("name", "pk")
    add_fields = change_fields = ("name", "description")
    facts = ("hex_id", "created_at", "modified_at")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.modules_view)
        own = path("<int:template_id>/modules/", view, name="programs_programtemplate_modules")
        return [own, *super().get_urls()]

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        template = kwargs.get("obj")
        if template is not None:
            context = {**context, **self.template_page(request, self.rows(request).get(pk=template.pk))}
        return super().render_change_form(request, context, *args, **kwargs)

    def template_page(self, request: HttpRequest, template: Any, grid: Grid | None = None) -> dict[str, Any]:
        courses = Course.objects.of(template.organization).filter(status=CourseStatus.PUBLISHED).order_by("code")
        sessions = ProgramSession.objects.of(template.organization).filter(template=template)
        return {
            "template": template,
            "grid": grid or self._grid(request, template, None),
            "arranges": self.has_administer_permission(request),
            "courses": courses.values_list("code", "title")[:MOST_COURSES],
            "sessions": sessions.count(),
        }

    def _grid(self, request: HttpRequest, template: Any, sent: Mapping[str, Any] | None) -> Grid:
        arranges = self.has_administer_permission(request)
        codes = {value.strip() for name, value in (sent or {}).items() if name.endswith("-course")}
        courses = {course.code: course for course in Course.objects.of(template.organization).filter(code__in=codes)}

        def form(row: Module | None, *, data: Mapping[str, Any] | None, prefix: str) -> forms.Form | None:
            return ModuleForm(data, prefix=prefix, module=row, courses=courses) if arranges else None

        modules = Module.objects.of(template.organization).filter(template=template).select_related("course")
        rows: list[tuple[str, Any]] = [(f"module-{row.pk}", row) for row in modules.order_by("position")]
        new = [(f"new-{number}", None) for number in range(NEW_ROWS)] if arranges else []
        return Grid([*rows, *new], form, sent=sent)

    def modules_view(self, request: HttpRequest, template_id: int) -> HttpResponse:
        """The modules by themselves. All that was sent is done, or nothing: an order is one thing."""
        template = self.rows(request).select_related("organization").filter(pk=template_id).first()
        if template is None:
            raise Http404

        def answer() -> HttpResponse:
            grid = None
            if request.method == "POST":
                if not self.has_administer_permission(request):
                    raise PermissionDenied
                grid = self._grid(request, template, request.POST)
                if self._arrange(request, template, grid):
                    back = reverse("admin:programs_programtemplate_change", args=[template.pk])
                    return HttpResponseRedirect(back)
                self.message_user(request, "Refused, as said below. Nothing has been changed.", messages.ERROR)
            context = {
                **self.admin_site.each_context(request),
                **self.template_page(request, template, grid),
                "opts": self.opts,
                "original": template,
                "title": f"Modules of {template}",
                "media": self.media,
                "back": reverse("admin:programs_programtemplate_change", args=[template.pk]),
            }
            return TemplateResponse(request, "admin/programs/modules.html", context)

        return self._shown(request, answer)

    def _arrange(self, request: HttpRequest, template: Any, grid: Grid) -> bool:
        """Whether it was done. What was refused is said in the grid."""
        lines = grid.changed
        if not all(line.valid for line in lines):
            return False
        try:
            arranging.arrange(
                organization=template.organization,
                actor=actor_of(request),
                template=template,
                steps=[_step(line) for line in lines],
            )
        except FieldsRefused as refusal:
            for number, texts in refusal.fields.items():
                lines[int(number)].refused = list(texts)
            return False
        except Refusal as refusal:
            self.message_user(request, describe(refusal), messages.ERROR)
            return False
        if lines:
            self.log_change(request, template, "Changed the modules.")
        self.message_user(request, "The modules are saved." if lines else "Nothing was changed.", messages.SUCCESS)
        return True

    def create_row(self, request: HttpRequest, values: dict[str, Any]) -> ProgramTemplate:
        organization = self.organization_for(request, values)
        row = ProgramTemplate(organization=organization, **values)
        return catalogue.create(actor=actor_of(request), row=row)

    def change_row(self, request: HttpRequest, row: ProgramTemplate, changes: dict[str, Any]) -> ProgramTemplate:
        return catalogue.update(actor=actor_of(request), row=row, changes=changes)


def _step(line: Line) -> arranging.Step:
    assert line.form is not None  # noqa: S101 - a changed line has one
    given = line.form.cleaned_data
    return arranging.Step(
        module_id=None if line.row is None else line.row.pk,
        position=given["position"],
        type=given["type"],
        course=given["course"],
        remove=given["remove"],
    )


@admin.register(Module)
class ModuleAdmin(RemovableAdmin):
    list_display = ("template", "position", "type", "course")
    list_display_links = ("template", "position")
    list_filter = (("template", OwnChoices), "type")
    search_fields = ("template__name", "course__search_code", "course__search_title")
    autocomplete_fields = ("template", "course")
    related = ("template", "course")
    ordering = ("template__name", "template", "position")
    organization_from = "template"
    add_fields = ("template", "position", "type", "course")
    change_fields = ("position", "type", "course")
    facts = ("template", "hex_id")

    def create_row(self, request: HttpRequest, values: dict[str, Any]) -> Module:
        organization = self.organization_for(request, values)
        return catalogue.create(actor=actor_of(request), row=Module(organization=organization, **values))

    def change_row(self, request: HttpRequest, row: Module, changes: dict[str, Any]) -> Module:
        position = changes.pop("position", None)
        if changes:
            row = catalogue.update(actor=actor_of(request), row=row, changes=changes)
        if position is not None:
            row = catalogue.move_module(
                organization=row.organization, actor=actor_of(request), module=row, position=position
            )
        return row
