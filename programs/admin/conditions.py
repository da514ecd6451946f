"""Who tutors a program session, and what must have been completed before somebody joins it."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from accounts.admin.base import actor_of
from programs.admin.removable import RemovableAdmin
from programs.models import ProgramRequirement, ProgramTutor
from programs.services import catalogue


@admin.register(ProgramTutor)
class ProgramTutorAdmin(RemovableAdmin):
    list_display = ("session", "person")
    search_fields = ("session__name", "person__search_name", "person__employee_id")
    autocomplete_fields = ("session", "person")
    related = ("session", "person")
    organization_from = "session"
    add_fields = ("session", "person")
    facts = ("session", "person")

    def create_row(self, request: HttpRequest, values: dict[str, Any]) -> ProgramTutor:
        organization = self.organization_for(request, values)
        return catalogue.create(actor=actor_of(request), row=ProgramTutor(organization=organization, **values))


@admin.register(ProgramRequirement)
class ProgramRequirementAdmin(RemovableAdmin):
    list_display = ("session", "course", "template")
    search_fields = ("session__name", "course__search_code", "course__search_title", "template__name")
    autocomplete_fields = ("session", "course", "template")
    related = ("session", "course", "template")
    organization_from = "session"
    add_fields = ("session", "course", "template")
    facts = ("session", "course", "template")

    def create_row(self, request: HttpRequest, values: dict[str, Any]) -> ProgramRequirement:
        organization = self.organization_for(request, values)
        return catalogue.create(actor=actor_of(request), row=ProgramRequirement(organization=organization, **values))
