from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.admin.base import LedgerAdmin, actor_of
from programs.services import catalogue


class RemovableAdmin(LedgerAdmin):
    """Rows without a history of their own, which can be taken away again."""

    actions = ("remove",)

    @admin.action(description="Remove", permissions=["act"])
    def remove(self, request: HttpRequest, queryset: "QuerySet[Any]") -> None:
        rows, actor = self.chosen(request, queryset), actor_of(request)
        if rows:
            self.log_deletions(request, queryset)
        self.act_on_each(request, rows, lambda row: catalogue.remove(actor=actor, row=row), done="removed", log=False)
