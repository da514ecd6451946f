from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Case, Count, IntegerField, OuterRef, QuerySet, Subquery, When
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import URLPattern

from accounts.admin.base import LedgerAdmin, OwnChoices, actor_of
from enrollments.admin.bars import seats_bar
from programs.admin.member_pages import MemberPages
from programs.models import ProgramMember, ProgramSession
from programs.services import catalogue


@admin.register(ProgramSession)
class ProgramSessionAdmin(MemberPages, LedgerAdmin):
    change_form_template = "admin/programs/session.html"
    list_display = ("name", "template", "starts_at", "ends_at", "people")
    list_filter = (("template", OwnChoices), "starts_at")
    search_fields = ("name", "hex_id", "template__name")
    autocomplete_fields = ("template",)
    related = ("template",)
    ordering = ("-starts_at", "-pk")
    organization_from = "template"
    add_fields = change_fields = (
        "template",
        "name",
        "description",
        "author_mail",
        "lang",
        "starts_at",
        "ends_at",
        "has_user_limit",
        "user_limit",
        "program_duration",
        "automated_reminders",
        "validate_registrations",
        "template_custom",
        "session_custom",
        "custom_fields",
        "skills",
        "groups",
        "required_paths",
    )
    facts = ("people", "hex_id", "created_at", "modified_at")

    # Empty means an empty list: the column takes no null.
    lists: ClassVar[tuple[str, ...]] = ("custom_fields", "skills", "groups", "required_paths")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        current = (
            ProgramMember.objects.filter(organization=OuterRef("organization"), session=OuterRef("pk"))
            .current()
            .order_by()
        )
        counts = current.values("session").annotate(counted=Count("pk")).values("counted")
        people = Coalesce(Subquery(counts, output_field=IntegerField()), 0)
        rows: QuerySet[Any] = super().get_queryset(request)
        annotated: QuerySet[Any] = rows.annotate(
            people_in_it=people, people_it_holds=Case(When(has_user_limit=True, then="user_limit"))
        )
        return annotated

    @admin.display(description="people", ordering="people_in_it")
    def people(self, session: Any) -> str:
        # The stored limit: on a refused form the session itself carries the one that was typed.
        return seats_bar(taken=session.people_in_it, limit=session.people_it_holds, what="places")

    def get_urls(self) -> list[URLPattern]:
        return [*self.member_urls(), *super().get_urls()]

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        session = kwargs.get("obj")
        if session is not None:
            # Read again: on a refused form the row carries what was typed.
            context = {**context, **self.session_page(request, self.get_queryset(request).get(pk=session.pk))}
        return super().render_change_form(request, context, *args, **kwargs)

    def create_row(self, request: HttpRequest, values: dict[str, Any]) -> ProgramSession:
        organization = self.organization_for(request, values)
        return catalogue.create_session(
            organization=organization, actor=actor_of(request), **self._without_nulls(values)
        )

    def change_row(self, request: HttpRequest, row: ProgramSession, changes: dict[str, Any]) -> ProgramSession:
        return catalogue.update_session(
            organization=row.organization,
            actor=actor_of(request),
            session=row,
            changes=self._without_nulls(changes),
        )

    def _without_nulls(self, values: dict[str, Any]) -> dict[str, Any]:
        return {name: [] if name in self.lists and value is None else value for name, value in values.items()}
