from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelectMultiple
from django.http import HttpRequest

from accounts.admin.base import LedgerAdmin, actor_of
from accounts.admin.importing import Imports
from enrollments.admin.course_files import COURSES, CourseResource
from enrollments.models import Category, Course, Prerequisite
from enrollments.services import catalogue


@admin.register(Category)
class CategoryAdmin(LedgerAdmin):
    shared = True
    list_display = ("name", "slug", "uuid")
    facts = ("name", "slug", "uuid")


@admin.register(Course)
class CourseAdmin(Imports, LedgerAdmin):
    imports, resource = COURSES, CourseResource
    list_display = ("code", "title", "category", "delivery_mode", "duration_hours", "certificate_months", "status")
    list_filter = (("category", admin.RelatedFieldListFilter), "delivery_mode", "status", "uses_units")
    search_fields = ("search_code", "search_title")
    related = ("category",)
    ordering = ("code", "pk")
    add_fields = change_fields = (
        "code",
        "title",
        "category",
        "delivery_mode",
        "duration_hours",
        "cost_per_participant",
        "provider",
        "provider_name",
        "description",
        "prerequisites",
        "pass_score",
        "certificate_months",
        "uses_units",
        "status",
    )
    facts = ("uuid", "revision", "hex_id", "created_at", "updated_at")

    def extra_fields(self, request: HttpRequest, row: Course | None) -> dict[str, forms.Field]:
        courses = self.get_queryset(request)
        if row is not None:
            courses = courses.filter(organization_id=row.organization_id).exclude(pk=row.pk)
        return {
            # The relation has a through model, so Django makes no field for it.
            "prerequisites": forms.ModelMultipleChoiceField(
                queryset=courses,
                required=False,
                widget=AutocompleteSelectMultiple(Course._meta.get_field("prerequisites"), self.admin_site),  # noqa: SLF001 - Django's documented name
                help_text="Completed, and valid on the day, before somebody enrolls in this course.",
            )
        }

    def create_row(self, request: HttpRequest, values: dict[str, Any]) -> Course:
        organization = self.organization_for(request, values)
        return catalogue.create_course(organization=organization, actor=actor_of(request), **values)

    def change_row(self, request: HttpRequest, row: Course, changes: dict[str, Any]) -> Course:
        return catalogue.update_course(
            organization=row.organization,
            actor=actor_of(request),
            course=row,
            prerequisites=changes.pop("prerequisites", None),
            changes=changes,
        )


@admin.register(Prerequisite)
class PrerequisiteAdmin(LedgerAdmin):
    """To look at: a course's page is where they are chosen."""

    list_display = ("course", "required")
    search_fields = ("course__search_code", "course__search_title", "required__search_code", "required__search_title")
    related = ("course", "required")
    facts = ("course", "required")
