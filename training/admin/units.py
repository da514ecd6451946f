from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from accounts.admin.base import LedgerAdmin, actor_of
from training.models import TrainSession, Unit
from training.services import records


@admin.register(Unit)
class UnitAdmin(LedgerAdmin):
    list_display = ("id", "course", "expires_on", "held_by")
    list_filter = (("train_session", admin.EmptyFieldListFilter), "expires_on")
    search_fields = ("course__search_code", "course__search_title")
    autocomplete_fields = ("course",)
    related = ("course", "train_session__person", "train_session__course")
    ordering = ("expires_on", "pk")
    organization_from = "course"
    add_fields = change_fields = ("course", "expires_on")
    facts = ("held_by", "created_at")

    @admin.display(description="held by")
    def held_by(self, unit: Unit) -> TrainSession | None:
        return getattr(unit, "train_session", None)

    def create_row(self, request: HttpRequest, values: dict[str, Any]) -> Unit:
        organization = self.organization_for(request, values)
        return records.buy_unit(organization=organization, actor=actor_of(request), **values)

    def change_row(self, request: HttpRequest, row: Unit, changes: dict[str, Any]) -> Unit:
        return records.update_unit(organization=row.organization, actor=actor_of(request), unit=row, changes=changes)
