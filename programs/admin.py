from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import Case, Count, IntegerField, OuterRef, QuerySet, Subquery, When
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from accounts.admin.base import LedgerAdmin, OwnChoices, actor_of
from accounts.admin.several import SeveralPeopleAdmin
from accounts.errors import PeopleInactive, Refusal
from programs import wording  # noqa: F401 - registers the words of this app's refusals
from programs.errors import RequirementsNotMet
from programs.models import (
    MemberRecord,
    Module,
    ProgramMember,
    ProgramRequirement,
    ProgramSession,
    ProgramTemplate,
    ProgramTutor,
)
from programs.services import catalogue, membership


def _links(*links: tuple[str, str, str]) -> str:
    """`(text, admin page, query)` each."""
    shown = [
        format_html('<a href="{}?{}">{}</a>', reverse(f"admin:{page}"), query, text) for text, page, query in links
    ]
    return format_html(" · ".join(["{}"] * len(shown)), *shown)


class RemovableAdmin(LedgerAdmin):
    """Rows without a history of their own, which can be taken away again."""

    actions = ("remove",)

    @admin.action(description="Remove", permissions=["act"])
    def remove(self, request: HttpRequest, queryset: "QuerySet[Any]") -> None:
        rows, actor = self.chosen(request, queryset), actor_of(request)
        if rows:
            self.log_deletions(request, queryset)
        self.act_on_each(request, rows, lambda row: catalogue.remove(actor=actor, row=row), done="removed", log=False)


@admin.register(ProgramTemplate)
class ProgramTemplateAdmin(LedgerAdmin):
    list_display = ("name", "hex_id", "modified_at")
    search_fields = ("name", "hex_id")
    ordering = ("name", "pk")
    add_fields = change_fields = ("name", "description")
    facts = ("contents", "hex_id", "created_at", "modified_at")

    @admin.display(description="contents")
    def contents(self, template: ProgramTemplate) -> str:
        return _links(
            ("Modules", "programs_module_changelist", f"template__id__exact={template.pk}"),
            ("Add a module", "programs_module_add", f"template={template.pk}"),
            ("Sessions", "programs_programsession_changelist", f"template__id__exact={template.pk}"),
        )

    def create_row(self, request: HttpRequest, values: dict[str, Any]) -> ProgramTemplate:
        organization = self.organization_for(request, values)
        row = ProgramTemplate(organization=organization, **values)
        return catalogue.create(actor=actor_of(request), row=row)

    def change_row(self, request: HttpRequest, row: ProgramTemplate, changes: dict[str, Any]) -> ProgramTemplate:
        return catalogue.update(actor=actor_of(request), row=row, changes=changes)


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


@admin.register(ProgramSession)
class ProgramSessionAdmin(LedgerAdmin):
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
    facts = ("people", "members", "hex_id", "created_at", "modified_at")

    # Empty means an empty list: the column takes no null.
    lists: ClassVar[tuple[str, ...]] = ("custom_fields", "skills", "groups", "required_paths")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        current = ProgramMember.objects.filter(session=OuterRef("pk")).current().order_by()
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
        limit = session.people_it_holds
        return f"{session.people_in_it}, no limit" if limit is None else f"{session.people_in_it} of {limit}"

    @admin.display(description="belongs to it")
    def members(self, session: ProgramSession) -> str:
        return _links(
            ("Members", "programs_programmember_changelist", f"session__id__exact={session.pk}"),
            ("Add people", "programs_programmember_add", f"session={session.pk}"),
            ("Tutors", "programs_programtutor_changelist", f"session__id__exact={session.pk}"),
            ("Add a tutor", "programs_programtutor_add", f"session={session.pk}"),
            ("Requirements", "programs_programrequirement_changelist", f"session__id__exact={session.pk}"),
            ("Add a requirement", "programs_programrequirement_add", f"session={session.pk}"),
        )

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


@admin.register(ProgramMember)
class ProgramMemberAdmin(SeveralPeopleAdmin):
    list_display = ("person", "session", "joined_at", "left_at")
    list_filter = (("left_at", admin.EmptyFieldListFilter), ("session", OwnChoices))
    search_fields = ("person__search_name", "person__employee_id", "person__username", "session__name")
    autocomplete_fields = ("session",)
    related = ("person", "session")
    ordering = ("-pk",)
    organization_from = "session"
    about_people: ClassVar[tuple[type[Refusal], ...]] = (PeopleInactive, RequirementsNotMet)
    add_fields = ("session", "people")
    facts = ("person", "session", "joined_at", "left_at", "created_by", "updated_by")
    actions = ("leave",)

    def extra_fields(self, request: HttpRequest, row: ProgramMember | None) -> dict[str, forms.Field]:
        fields = super().extra_fields(request, row)
        for field in fields.values():
            field.help_text = f"{field.help_text} Who is a member already stays as he is."
        return fields

    def create_rows(
        self, request: HttpRequest, values: dict[str, Any], person_ids: list[int]
    ) -> Sequence[ProgramMember]:
        session: ProgramSession = values["session"]
        organization = self.organization_for(request, values)
        members = membership.join(
            organization=organization, actor=actor_of(request), session=session, person_ids=person_ids
        )
        self.tell(request, f"{self.counted(len(members))} in {session}.")
        return members

    @admin.action(description="Leave", permissions=["act"])
    def leave(self, request: HttpRequest, queryset: "QuerySet[ProgramMember]") -> None:
        rows, actor = self.chosen(request, queryset.select_related("organization")), actor_of(request)
        current = [row for row in rows if row.left_at is None]
        self.act_on_each(
            request,
            current,
            lambda row: membership.leave(
                organization=row.organization, actor=actor, session=row.session, person_ids=[row.person_id]
            ),
            done="left",
        )
        if len(current) < len(rows):
            text = f"{self.counted(len(rows) - len(current))} had left before."
            self.message_user(request, text, messages.INFO)


@admin.register(MemberRecord)
class MemberRecordAdmin(LedgerAdmin):
    """What a membership opened, to look at."""

    list_display = ("member", "train_session")
    search_fields = ("member__person__search_name", "member__session__name", "train_session__course__search_code")
    related = ("member__person", "member__session", "train_session__person", "train_session__course")
    facts = ("member", "train_session")
