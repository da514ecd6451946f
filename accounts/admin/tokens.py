from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from accounts.admin.base import LedgerAdmin, actor_of
from accounts.models import ApiToken, IdempotencyRecord
from accounts.scopes import Scope
from accounts.services import tokens


@admin.register(ApiToken)
class ApiTokenAdmin(LedgerAdmin):
    """Made, shown once, revoked. A token's name, scopes and expiry never change."""

    list_display = ("name", "prefix", "scope_list", "expires_at", "last_used_at", "revoked_at")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    search_fields = ("name", "prefix")
    ordering = ("-pk",)
    add_fields = ("name", "scopes", "expires_at")
    facts = (
        "name",
        "prefix",
        "scope_list",
        "expires_at",
        "last_used_at",
        "revoked_at",
        "created_by",
        "created_at",
    )
    actions = ("revoke",)

    @admin.display(description="scopes")
    def scope_list(self, token: ApiToken) -> str:
        return ", ".join(token.scopes)

    def extra_fields(self, request: HttpRequest, row: Any | None) -> dict[str, forms.Field]:
        del request, row
        choices = [(scope, scope) for scope in Scope.values]
        scopes = forms.CheckboxSelectMultiple(attrs={"class": "radiolist"})  # the admin's style for such a list
        return {"scopes": forms.MultipleChoiceField(choices=choices, widget=scopes)}

    def create_row(self, request: HttpRequest, values: dict[str, Any]) -> ApiToken:
        organization = self.organization_for(request, values)
        token, secret = tokens.create_token(organization=organization, actor=actor_of(request), **values)
        text = "The secret of {}: {} Copy it now: it is kept nowhere and is not shown again."
        self.message_user(request, format_html(text, token.name, format_html("<code>{}</code>", secret)))
        return token

    @admin.action(description="Revoke", permissions=["act"])
    def revoke(self, request: HttpRequest, queryset: "QuerySet[ApiToken]") -> None:
        rows = self.chosen(request, queryset)
        live = [token for token in rows if token.revoked_at is None]
        actor = actor_of(request)
        self.act_on_each(request, live, lambda token: tokens.revoke_token(actor=actor, token=token), done="revoked")
        if len(live) < len(rows):
            self.message_user(request, f"{self.counted(len(rows) - len(live))} had been revoked before.", messages.INFO)


@admin.register(IdempotencyRecord)
class IdempotencyRecordAdmin(LedgerAdmin):
    """Which keys were answered. The answers themselves are the callers' and are not shown."""

    superusers_only = True
    list_display = ("key", "token", "status", "created_at")
    search_fields = ("key",)
    related = ("token",)
    ordering = ("-pk",)
    facts = ("key", "token", "status", "fingerprint", "created_at")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).defer("body", "headers")
