"""API tokens: made, shown once, rotated, revoked. A token's name and scopes never change.

A secret is answered to the very request that made it, on a page of its own that nothing keeps: no redirect, which would
have to leave it somewhere in between. Sending the form again makes no second token: the form carries its prefix.
"""

# ruff: noqa: ARG002 - Django's hooks get arguments that not every admin needs

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.validators import RegexValidator
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from accounts.actors import Actor
from accounts.admin.base import LedgerAdmin, actor_of
from accounts.admin.filters import ChosenFilter
from accounts.admin.forms import LedgerForm
from accounts.admin.operations import actor_id
from accounts.errors import FieldsRefused, Refusal
from accounts.models import ApiToken, IdempotencyRecord, Organization, User
from accounts.scopes import Scope
from accounts.services import tokens
from accounts.wording import describe

SOON = timedelta(days=14)
UNUSED = timedelta(days=90)

LIVE, SOON_OVER, EXPIRED, REVOKED = "live", "soon", "expired", "revoked"
STATES = {LIVE: "Live", SOON_OVER: "Expires soon", EXPIRED: "Expired", REVOKED: "Revoked"}

OVERLAPS = {"1": "1 hour", "24": "1 day", "168": "7 days"}

# What the scopes are of, by how they begin.
FAMILIES = {
    "training": "Training API",
    "train_sessions": "Train Sessions API",
    "training_assignments": "Training Assignments API",
    "training_courses": "Training Assignments API",
    "programs": "Programs API",
}


def state_of(token: ApiToken, now: datetime) -> str:
    if token.revoked_at is not None:
        return REVOKED
    if token.expires_at is None or token.expires_at > now + SOON:
        return LIVE
    return EXPIRED if token.expires_at <= now else SOON_OVER


def in_state(state: str, now: datetime) -> Q:
    """`state_of`, as the database is asked."""
    live = Q(revoked_at=None)
    return {
        LIVE: live & (Q(expires_at=None) | Q(expires_at__gt=now + SOON)),
        SOON_OVER: live & Q(expires_at__gt=now, expires_at__lte=now + SOON),
        EXPIRED: live & Q(expires_at__lte=now),
        REVOKED: Q(revoked_at__isnull=False),
    }[state]


class StateFilter(ChosenFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: "admin.ModelAdmin[Any]") -> list[tuple[str, str]]:
        return list(STATES.items())

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        state = self.value()
        return queryset if state is None else queryset.filter(in_state(state, timezone.now()))


class UseFilter(ChosenFilter):
    title = "use"
    parameter_name = "used"

    def lookups(self, request: HttpRequest, model_admin: "admin.ModelAdmin[Any]") -> list[tuple[str, str]]:
        return [("never", "Never used"), ("long", f"Not used for {UNUSED.days} days")]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        match self.value():
            case "never":
                return queryset.filter(last_used_at=None)
            case "long":
                return queryset.filter(last_used_at__lt=timezone.now() - UNUSED)
        return queryset


class ScopesInput(forms.CheckboxSelectMultiple):
    """Boxes to tick, those of a family together."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        # Not through the form renderer, which knows the apps' templates only.
        context = self.get_context(name, value, attrs)
        return mark_safe(render_to_string("admin/accounts/apitoken_scopes.html", context))  # noqa: S308 - escaped there


def scope_choices() -> list[tuple[str, list[tuple[str, str]]]]:
    families: dict[str, list[tuple[str, str]]] = {}
    for scope in Scope.values:
        families.setdefault(FAMILIES[scope.partition(":")[0]], []).append((scope, scope))
    return list(families.items())


def mark_field() -> forms.Field:
    """The prefix of the token to come, by which a form that is sent twice makes one."""
    return forms.CharField(
        initial=tokens.new_prefix, validators=[RegexValidator(r"\A[0-9a-f]{8}\Z")], widget=forms.HiddenInput
    )


def refuse_used(prefix: str, organization: Organization) -> None:
    """Raises FieldsRefused where the form has been sent before."""
    made = ApiToken.objects.filter(organization=organization, prefix=prefix).first()
    if made is not None:
        text = (
            f"This form has made {made} already, and its secret is not shown again. Open a new form for another token."
        )
        raise FieldsRefused({"__all__": [text]})


class TokenForm(LedgerForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        expires_at = self.fields.get("expires_at")
        if expires_at is not None:
            expires_at.help_text = f"Empty: never. {expires_at.help_text}"

    def clean_expires_at(self) -> datetime | None:
        expires_at: datetime | None = self.cleaned_data["expires_at"]
        if expires_at is not None and expires_at <= timezone.now():
            raise forms.ValidationError("Give a time to come, or none.")
        return expires_at


class RotateForm(forms.Form):
    overlap = forms.ChoiceField(
        choices=list(OVERLAPS.items()),
        initial="24",
        label="The old token works for another",
        widget=forms.RadioSelect,
        help_text="Within this time, give the new secret to everything that uses the old one.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["mark"] = mark_field()


class RevokeForm(forms.Form):
    """Nothing to type: to be sure is enough."""


@admin.register(ApiToken)
class ApiTokenAdmin(LedgerAdmin):
    form = TokenForm
    change_form_template = "admin/accounts/apitoken_change.html"
    list_display = ("name", "prefix", "state", "scope_list", "expires_at", "last_used_at", "maker", "created_at")
    list_filter = (StateFilter, UseFilter)
    search_fields = ("name", "prefix")
    ordering = ("-pk",)
    add_fields = ("name", "scopes", "expires_at", "mark")
    facts = (
        "name",
        "prefix",
        "state",
        "scope_list",
        "expires_at",
        "last_used_at",
        "revoked_at",
        "maker",
        "created_at",
    )
    actions = ("revoke",)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        staff = User.objects.filter(pk=OuterRef("staff_id")).values("email")
        rows: QuerySet[Any] = super().get_queryset(request)
        annotated: QuerySet[Any] = rows.annotate(staff_id=actor_id("user"), staff=Subquery(staff))
        return annotated

    @admin.display(description="scopes")
    def scope_list(self, token: ApiToken) -> str:
        return ", ".join(token.scopes)

    @admin.display(description="made by", ordering="created_by")
    def maker(self, token: Any) -> str:
        return "system" if token.created_by == Actor.system().ref else str(token.staff or token.created_by)

    @admin.display(description="state")
    def state(self, token: ApiToken) -> SafeString:
        state = state_of(token, timezone.now())
        return format_html('<span class="token-state is-{}">{}</span>', state, STATES[state])

    # Making.

    def extra_fields(self, request: HttpRequest, row: Any | None) -> dict[str, forms.Field]:
        scopes = forms.MultipleChoiceField(
            choices=scope_choices(), widget=ScopesInput, help_text="No more than the caller needs."
        )
        return {"scopes": scopes, "mark": mark_field()}

    def create_row(self, request: HttpRequest, values: dict[str, Any]) -> ApiToken:
        organization = self.organization_for(request, values)
        prefix = values.pop("mark")
        refuse_used(prefix, organization)
        token, secret = tokens.create_token(organization=organization, actor=actor_of(request), prefix=prefix, **values)
        token.__dict__["secret_once"] = secret  # As far as `response_add`, in this request, and no further.
        return token

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        return self.secret_page(request, obj, obj.__dict__.pop("secret_once"))

    def secret_page(
        self, request: HttpRequest, token: ApiToken, secret: str, replaced: ApiToken | None = None
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": f"The secret of {token.name}",
            "opts": self.opts,
            "token": token,
            "secret": secret,
            "replaced": replaced,
        }
        response = TemplateResponse(request, "admin/accounts/apitoken_secret.html", context)
        response["Cache-Control"] = "no-store"
        return response

    # Rotating and revoking.

    def get_urls(self) -> list[Any]:
        own = [
            path("<int:pk>/rotate/", self.admin_site.admin_view(self.rotate_view), name="accounts_apitoken_rotate"),
            path("<int:pk>/revoke/", self.admin_site.admin_view(self.revoke_view), name="accounts_apitoken_revoke"),
        ]
        return [*own, *super().get_urls()]

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> Any:
        token = context.get("original")
        acts = token is not None and token.is_live and self.has_administer_permission(request)
        return super().render_change_form(request, {**context, "acts": acts}, *args, **kwargs)

    def _asked(self, request: HttpRequest, pk: int) -> ApiToken:
        """Raises Http404, PermissionDenied."""
        if not self._sees(request):
            raise PermissionDenied
        token: ApiToken | None = self.get_queryset(request).filter(pk=pk).select_related("organization").first()
        if token is None:
            raise Http404
        if not self.has_administer_permission(request):
            raise PermissionDenied
        return token

    def _page(self, request: HttpRequest, token: ApiToken, form: forms.Form, **context: Any) -> HttpResponse:
        context |= {**self.admin_site.each_context(request), "opts": self.opts, "token": token, "form": form}
        return TemplateResponse(request, "admin/accounts/apitoken_confirm.html", context)

    def rotate_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        token = self._asked(request, pk)
        return self._shown(request, lambda: self._rotate(request, token), token.pk)

    def _rotate(self, request: HttpRequest, token: ApiToken) -> HttpResponse:
        form = RotateForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            overlap, prefix = timedelta(hours=int(form.cleaned_data["overlap"])), form.cleaned_data["mark"]
            try:
                refuse_used(prefix, token.organization)
                made, secret = tokens.rotate_token(actor=actor_of(request), token=token, overlap=overlap, prefix=prefix)
            except Refusal as refusal:
                form.add_error(None, _plainly(refusal))
            else:
                token.refresh_from_db(fields=["expires_at"])
                return self.secret_page(request, made, secret, replaced=token)
        says = ["A new token with the same name, scopes and expiry is made, and its secret is shown once."]
        return self._page(request, token, form, title=f"Rotate {token}", says=says, button="Rotate")

    def revoke_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        token = self._asked(request, pk)
        return self._shown(request, lambda: self._revoke(request, token), token.pk)

    def _revoke(self, request: HttpRequest, token: ApiToken) -> HttpResponse:
        form = RevokeForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            self.act_on_each(request, [token], lambda row: self._revoked(request, row), done="revoked")
            return HttpResponseRedirect(reverse("admin:accounts_apitoken_change", args=[token.pk]))
        says = ["From the next request on, its secret lets nobody in. This cannot be taken back."]
        return self._page(request, token, form, title=f"Revoke {token}", says=says, button="Revoke", danger=True)

    def _revoked(self, request: HttpRequest, token: ApiToken) -> ApiToken:
        return tokens.revoke_token(actor=actor_of(request), token=token)

    @admin.action(description="Revoke…", permissions=["administer"])
    def revoke(self, request: HttpRequest, queryset: "QuerySet[ApiToken]") -> HttpResponse | None:
        rows = self.chosen(request, queryset)
        live = [token for token in rows if token.revoked_at is None]
        if live and "apply" not in request.POST:
            return self.ask(request, live, RevokeForm(), action="revoke", title="Revoke", button="Revoke")
        self.act_on_each(request, live, lambda token: self._revoked(request, token), done="revoked")
        if len(live) < len(rows):
            self.message_user(request, f"{self.counted(len(rows) - len(live))} had been revoked before.", messages.INFO)
        return None


def _plainly(refusal: Refusal) -> str:
    """Without a field's name, where the refusal is about the form as a whole."""
    if isinstance(refusal, FieldsRefused) and set(refusal.fields) == {"__all__"}:
        return " ".join(refusal.fields["__all__"])
    return describe(refusal)


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
