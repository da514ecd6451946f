from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelectMultiple
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from accounts.admin.base import MOST_ROWS, LedgerAdmin, OwnChoices, actor_of, is_id
from accounts.models import Group, GroupMember, Person
from accounts.selectors import people
from accounts.services import groups


@admin.register(Group)
class GroupAdmin(LedgerAdmin):
    list_display = ("name", "size", "created_at")
    search_fields = ("name",)
    ordering = ("name", "pk")
    add_fields = change_fields = ("name", "people")
    facts = ("members", "created_at")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        members = GroupMember.objects.filter(organization=OuterRef("organization"), group=OuterRef("pk")).order_by()
        counts = members.values("group").annotate(counted=Count("pk")).values("counted")
        rows: QuerySet[Any] = super().get_queryset(request)
        annotated: QuerySet[Any] = rows.annotate(
            people_in_it=Coalesce(Subquery(counts, output_field=IntegerField()), 0)
        )
        return annotated

    @admin.display(description="people", ordering="people_in_it")
    def size(self, group: Any) -> int:
        return int(group.people_in_it)

    @admin.display(description="list of people")
    def members(self, group: Any) -> str:
        address = reverse("admin:accounts_groupmember_changelist")
        note = f"; a form takes {MOST_ROWS:,} people at most" if self._is_too_large(group) else ""
        return format_html(
            '<a href="{}?group__id__exact={}">{}</a>{}', address, group.pk, f"{group.people_in_it:,}", note
        )

    def get_fields(self, request: HttpRequest, obj: Any | None = None) -> Any:
        fields = super().get_fields(request, obj)
        return [name for name in fields if name != "people"] if obj and self._is_too_large(obj) else fields

    @staticmethod
    def _is_too_large(group: Any) -> bool:
        """A form sends every person twice, and checks each: beyond this it would not be answered, or not soon."""
        return bool(group.people_in_it > MOST_ROWS)

    def extra_fields(self, request: HttpRequest, row: Group | None) -> dict[str, forms.Field]:
        field = Group._meta.get_field("people")  # noqa: SLF001 - Django's documented name
        offered: QuerySet[Person] | Any = self.get_field_queryset(None, field, request)
        if row is not None:
            offered = offered.filter(organization_id=row.organization_id)
        return {
            # The relation has a through model, so Django makes no field for it.
            "people": forms.ModelMultipleChoiceField(
                queryset=offered,
                required=False,
                widget=AutocompleteSelectMultiple(field, self.admin_site),
                help_text="Type a name or an employee number.",
            )
        }

    def create_row(self, request: HttpRequest, values: dict[str, Any]) -> Group:
        organization = self.organization_for(request, values)
        return groups.create_group(organization=organization, actor=actor_of(request), **values)

    def change_row(self, request: HttpRequest, row: Group, changes: dict[str, Any]) -> Group:
        chosen = changes.pop("people", None)
        return groups.update_group(
            organization=row.organization,
            actor=actor_of(request),
            group=row,
            changes=changes,
            people=None if chosen is None else self._people_now(request, row, chosen),
        )

    @staticmethod
    def _people_now(request: HttpRequest, row: Group, chosen: "QuerySet[Person]") -> list[Person]:
        """What the user added and took out since the page was opened, and whoever else came or went meanwhile."""
        shown = {int(pk) for pk in request.POST.getlist("initial-people") if is_id(pk)}
        wanted = {person.pk for person in chosen}
        now = set(row.members.values_list("person_id", flat=True))
        return list(people(row.organization).filter(pk__in=now - (shown - wanted) | (wanted - shown)))


@admin.register(GroupMember)
class GroupMemberAdmin(LedgerAdmin):
    """Who is in which group, to look at: a group's people change on its own page."""

    list_display = ("group", "person")
    list_filter = (("group", OwnChoices),)
    search_fields = ("group__name", "person__search_name", "person__employee_id", "person__username")
    related = ("group", "person")
    ordering = ("group__name", "group_id", "person_id")
    facts = ("group", "person")
