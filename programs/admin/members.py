from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.admin.base import LedgerAdmin, OwnChoices, actor_of
from accounts.admin.several import SeveralPeopleAdmin
from accounts.errors import PeopleInactive, Refusal
from programs.errors import RequirementsNotMet
from programs.models import MemberRecord, ProgramMember, ProgramSession
from programs.services import membership


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
