"""The admin's one way in and out.

In: a staff user meets rows of the own organization only, in lists, choices, autocompletes, actions and addresses;
another organization's row answers as one that is not there. A superuser meets all. Roles (`accounts.roles`) narrow
that: a facilitator meets what the own sessions hold, an auditor changes nothing.
Out: every write is a call of a service. Nothing here or in a subclass saves a row, so an admin that names no service
is read-only.
"""

# ruff: noqa: ARG002 - hooks, Django's and ours, get arguments that not every admin needs

from collections.abc import Callable, Iterable
from datetime import tzinfo
from typing import Any, ClassVar, cast
from urllib.parse import unquote

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.text import capfirst, smart_split, unescape_string_literal

from accounts.actors import Actor
from accounts.admin.asked import AskedAdmin
from accounts.admin.changes import history_of
from accounts.admin.columns import in_own_zone, short
from accounts.admin.forms import LedgerForm, Said, said
from accounts.admin.paging import CappedPaginator
from accounts.errors import Refusal
from accounts.models import Organization, User
from accounts.roles import Role, role_of
from accounts.search import searchable
from accounts.transactions import write
from accounts.wording import describe

# Where the request keeps what a service refused while the form is shown again. No client can set an environment
# variable of this shape: a header's name there begins with HTTP_.
REFUSAL = "training_ledger.refusal"

MOST_ROWS = 1_000
"""So many rows at most are acted on at once: each is locked, written and logged."""

MOST_MESSAGES = 20

NARROWED = "organization__id__exact"
"""How a superuser's list is narrowed to one organization."""


def is_id(text: str) -> bool:
    """Whether a text can be an id: no more digits than a column of either database holds."""
    return text.isascii() and text.isdecimal() and len(text) < 19  # noqa: PLR2004 - digits of 2 ** 63


def staff_user(request: HttpRequest) -> User | None:
    """Whoever may be here at all: an active superuser, or active staff of an organization."""
    user = request.user
    if not isinstance(user, User) or not user.is_active:
        return None
    return user if user.is_superuser or (user.is_staff and user.organization_id is not None) else None


def is_superuser(request: HttpRequest) -> bool:
    user = staff_user(request)
    return user is not None and user.is_superuser


def actor_of(request: HttpRequest) -> Actor:
    user = staff_user(request)
    if user is None:
        raise PermissionDenied
    return Actor.staff(user)


class OwnChoices(admin.RelatedFieldListFilter):
    """A filter by what a row points to: offers the rows that the user may see, not those of the whole table."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: "admin.ModelAdmin[Any]") -> Any:
        target: Any = model_admin.admin_site.get_model_admin(field.remote_field.model)
        # Without what the target's own list counts for each row: here only its name is shown.
        return [(str(row.pk), str(row)) for row in LedgerAdmin.get_queryset(target, request)]


class LedgerAdmin(AskedAdmin):
    form = LedgerForm
    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50

    superusers_only: ClassVar[bool] = False
    # From a row to the person who facilitates it. Empty: facilitators do not meet such rows.
    facilitated: ClassVar[str] = ""
    # Whether they may do more with theirs than look.
    facilitators_write: ClassVar[bool] = False
    # Rows that belong to no organization and are everybody's.
    shared: ClassVar[bool] = False
    # The form field whose row says which organization a new row belongs to. Empty: a superuser picks one.
    organization_from: ClassVar[str] = ""
    add_fields: ClassVar[tuple[str, ...]] = ()
    change_fields: ClassVar[tuple[str, ...]] = ()
    # Shown, never edited.
    facts: ClassVar[tuple[str, ...]] = ()
    # What a row's name and its list columns read, fetched with it.
    related: ClassVar[tuple[str, ...]] = ()

    # The two writes. Overriding one is what makes an admin writable.

    def create_row(self, request: HttpRequest, values: dict[str, Any]) -> models.Model:
        """Make the row through its service; `values` are the form's."""
        raise PermissionDenied

    def change_row(self, request: HttpRequest, row: Any, changes: dict[str, Any]) -> models.Model:
        """Change the row, freshly read, through its service; `changes` has the fields that the user changed, only."""
        raise PermissionDenied

    def is_closed(self, row: Any) -> bool:
        """Whether the row takes no change any more."""
        return False

    def extra_fields(self, request: HttpRequest, row: Any | None) -> dict[str, forms.Field]:
        """Form fields beside the model's own: new ones at every call, for their choices are this user's."""
        return {}

    def words(self, request: HttpRequest, refusal: Refusal) -> Said:
        return said(refusal)

    # Who sees what.

    @property
    def has_organization(self) -> bool:
        return any(field.name == "organization" for field in self.opts.concrete_fields)

    def rows(self, request: HttpRequest) -> "models.QuerySet[Any]":
        """The rows that this user meets, wherever."""
        rows: models.QuerySet[Any] = self.model._default_manager.all()  # noqa: SLF001 - Django's documented name
        user = staff_user(request)
        if user is None:
            return rows.none()
        if user.is_superuser or self.shared:
            return rows
        if not self._sees(request):
            return rows.none()
        own = rows.filter(organization_id=user.organization_id)
        if role_of(user) == Role.FACILITATOR:
            return own.filter(**{self.facilitated: user.person_id}) if user.person_id else own.none()
        return own

    def get_queryset(self, request: HttpRequest) -> "models.QuerySet[Any]":
        rows = self.rows(request)
        if related := self.get_list_select_related(request):
            rows = rows.select_related(*related)
        ordering: Any = self.get_ordering(request) or self.opts.ordering
        return rows.order_by(*ordering)

    def get_field_queryset(
        self, db: str | None, db_field: Any, request: HttpRequest
    ) -> "models.QuerySet[models.Model] | None":
        """What a relation offers: what its target's own admin shows this user."""
        return self.admin_site.get_model_admin(db_field.remote_field.model).get_queryset(request)

    def _sees(self, request: HttpRequest) -> bool:
        user = staff_user(request)
        if user is None or user.is_superuser:
            return user is not None
        if self.superusers_only:
            return False
        role = role_of(user)
        return bool(self.facilitated) if role == Role.FACILITATOR else role is not None

    def _writes(self, request: HttpRequest) -> bool:
        """Rows are narrowed by `rows`: whoever may write one may write all that are met."""
        user = staff_user(request)
        if user is None or not self._sees(request):
            return False
        role = role_of(user)
        return role == Role.ADMINISTRATOR or (role == Role.FACILITATOR and self.facilitators_write)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._sees(request)

    def has_view_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        return self._sees(request)

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Asked by Django for actions that are declared with `permissions=["act"]`."""
        return self._writes(request)

    def has_administer_permission(self, request: HttpRequest) -> bool:
        """As above, for what facilitators may not do even with their own."""
        user = staff_user(request)
        return user is not None and self._sees(request) and role_of(user) == Role.ADMINISTRATOR

    def has_add_permission(self, request: HttpRequest) -> bool:
        return type(self).create_row is not LedgerAdmin.create_row and self.has_administer_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        if type(self).change_row is LedgerAdmin.change_row or not self._writes(request):
            return False
        # A page that was opened before the row was closed is refused by the service, in words, and not by a bare 403.
        return obj is None or request.method == "POST" or not self.is_closed(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        """Nothing is deleted: what is over is cancelled, archived, revoked or unassigned."""
        return False

    # What is shown.

    def get_list_display(self, request: HttpRequest) -> Any:
        columns = [short(self.opts.label, name) if isinstance(name, str) else name for name in self.list_display]
        if not is_superuser(request) or not self.has_organization:
            return columns
        if self._organization_shown(request, None) is None:
            columns = [in_own_zone(self.opts.label, name) if isinstance(name, str) else name for name in columns]
        return columns if "organization" in columns else [*columns, "organization"]

    def get_list_filter(self, request: HttpRequest) -> Any:
        if is_superuser(request) and self.has_organization:
            return (("organization", OwnChoices), *self.list_filter)
        return self.list_filter

    def get_list_select_related(self, request: HttpRequest) -> Any:
        extra = ("organization",) if is_superuser(request) and self.has_organization else ()
        return (*self.related, *extra) or False

    def get_search_results(
        self, request: HttpRequest, queryset: "models.QuerySet[Any]", search_term: str
    ) -> "tuple[models.QuerySet[Any], bool]":
        """Each word somewhere. Columns named `search_…` hold casefolded text and are searched for casefolded words."""
        if "\0" in search_term:  # PostgreSQL takes it in no text
            return queryset.none(), False
        for bit in smart_split(search_term):
            word = unescape_string_literal(bit) if bit[0] in "\"'" and bit[0] == bit[-1] and len(bit) > 1 else bit
            found = models.Q()
            for name in self.get_search_fields(request):
                if "search_" in name:
                    found |= models.Q(**{f"{name}__contains": searchable(word)})
                else:
                    found |= models.Q(**{f"{name}__icontains": word})
            queryset = queryset.filter(found)
        return queryset, False

    def get_fields(self, request: HttpRequest, obj: Any | None = None) -> Any:
        if obj is None:
            given = bool(self.organization_from) or "organization" in self.add_fields
            picks = is_superuser(request) and self.has_organization and not given
            return ["organization", *self.add_fields] if picks else [*self.add_fields]
        editable = [*self.change_fields]
        if not self.has_change_permission(request, obj):
            columns = {field.name for field in self.opts.get_fields()}
            editable = [name for name in editable if name in columns or hasattr(self, name)]
        top = ["organization"] if is_superuser(request) and self.has_organization else []
        return list(dict.fromkeys([*top, *editable, *self.facts]))

    def get_readonly_fields(self, request: HttpRequest, obj: Any | None = None) -> Any:
        if obj is None:
            return []
        return [self._fact(name) for name in self.get_fields(request, obj) if name not in self.change_fields]

    def get_fieldsets(self, request: HttpRequest, obj: Any | None = None) -> Any:
        facts = set(self.get_readonly_fields(request, obj))
        fields = [fact if (fact := self._fact(name)) in facts else name for name in self.get_fields(request, obj)]
        return [(None, {"fields": fields})]

    def _fact(self, name: str) -> Any:
        return short(self.opts.label, name)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if isinstance(db_field, models.DateTimeField) and field is not None:
            field.help_text = f"{field.help_text} Time zone: {self._zone_said(request)}.".strip()
        return field

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, str | list[str]]:
        """From the address, rows to point to only: `?session=7`."""
        related = {field.name for field in self.opts.concrete_fields if isinstance(field, models.ForeignKey)}
        given = super().get_changeform_initial_data(request)
        return {name: value for name, value in given.items() if name in related and is_id(str(value))}

    def _zone(self, request: HttpRequest, row_id: object = None) -> tzinfo:
        """Times are typed and shown in the zone of the user's organization. Superusers meet rows of all: theirs are in
        the zone of the row's organization, or of the one that is picked; of neither, in the user's own, else in UTC.
        """
        user = staff_user(request)
        if user is not None and user.is_superuser:
            organization = self._organization_shown(request, row_id)
            if organization is not None:
                return organization.zone
        return user.organization.zone if user and user.organization else timezone.get_default_timezone()

    def _organization_shown(self, request: HttpRequest, row_id: object) -> Organization | None:
        """Of a superuser's page: whose row it shows or makes, or what its list is narrowed to."""
        target: Any = Organization
        if row_id is not None:
            target, picked = self.model, str(row_id)
        elif self.organization_from and self._adds(request):
            target = self.model._meta.get_field(self.organization_from).remote_field.model  # noqa: SLF001 - Django's documented name
            picked = (request.POST or request.GET).get(self.organization_from, "")
        else:
            picked = request.GET.get(NARROWED, "") or (request.POST or request.GET).get("organization", "")
        if not is_id(picked):
            return None
        rows = target._default_manager.filter(pk=int(picked))  # noqa: SLF001 - Django's documented name
        if target is Organization:
            return cast("Organization | None", rows.first())
        if not hasattr(target, "organization"):
            return None
        return Organization.objects.filter(pk__in=rows.values("organization")).first()

    def _adds(self, request: HttpRequest) -> bool:
        found = request.resolver_match
        return found is not None and str(found.url_name).endswith("_add")

    def _zone_said(self, request: HttpRequest) -> str:
        """Before a superuser's form is sent, nothing says whose row it will make."""
        picks = self._adds(request) and self.has_organization and is_superuser(request)
        return "the organization's own" if picks else timezone.get_current_timezone_name()

    def _shown(self, request: HttpRequest, view: Callable[[], HttpResponse], row_id: object = None) -> HttpResponse:
        """Raises BadRequest for what no page of ours sends: NUL in an address, or an id that is none."""
        picked = ("people", "prerequisites", "_selected_action", *self.autocomplete_fields)
        ids = [value for name in picked for value in request.POST.getlist(name) if value]
        if "\0" in unquote(request.META.get("QUERY_STRING", "")) or not all(map(is_id, ids)):
            raise BadRequest
        with timezone.override(self._zone(request, row_id)):
            response = view()
            if isinstance(response, TemplateResponse):
                response.render()  # here, and not by the handler, which has no time zone
        return response

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        view = super().changelist_view
        return self._shown(request, lambda: view(request, extra_context))

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Of the row, what the database wrote down; not Django's own log, which knows of this admin only."""
        row = self.get_object(request, unquote(object_id))
        if row is None:
            # The stubs do not know Django's own answer to a row that is not there.
            return cast("HttpResponse", self._get_obj_does_not_exist_redirect(request, self.opts, object_id))  # type: ignore[attr-defined]
        if not self.has_view_or_change_permission(request, row):
            raise PermissionDenied

        def view() -> HttpResponse:
            context = {
                **self.admin_site.each_context(request),
                "title": f"History of {row}",
                "opts": self.opts,
                "object": row,
                **history_of(request, row),
                **(extra_context or {}),
            }
            return TemplateResponse(request, "admin/accounts/history.html", context)

        return self._shown(request, view, row.pk)

    # Writing.

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """One transaction with bounded lock waits around the service and the admin's own log entry.

        What is refused is undone whole; then the same form is answered again, this time with the refusal in it.
        """
        view = super().changeform_view

        def answer() -> HttpResponse:
            if request.method != "POST":
                return view(request, object_id, form_url, extra_context)
            try:
                with write(actor_of(request)):
                    return view(request, object_id, form_url, extra_context)
            except Refusal as refusal:
                request.META[REFUSAL] = refusal
                return cast("HttpResponse", self._changeform_view(request, object_id, form_url, extra_context))  # type: ignore[attr-defined]  # missing in the stubs

        return self._shown(request, answer, object_id)

    def get_form(self, request: HttpRequest, obj: Any | None = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002 - Django's signature
        refusal = request.META.get(REFUSAL)
        wanted = self.get_fields(request, obj)
        extra = {name: field for name, field in self.extra_fields(request, obj).items() if name in wanted}
        refused = {} if refusal is None else self.words(request, refusal)
        metaclass: Any = type(self.form)
        kwargs["form"] = metaclass("LedgerForm", (self.form,), {**extra, "refused": refused})
        form = super().get_form(request, obj, change=change, **kwargs)
        if change:
            # What the page showed decides which fields the user changed. Compared with the row as it is now, a page
            # that was open for an hour would put back everything that others have changed since.
            for field in form.base_fields.values():
                field.show_hidden_initial = True
        return form

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001 - as above
        if change:
            changes = {name: form.cleaned_data[name] for name in form.changed_data}
            row = self.rows(request).get(pk=obj.pk)
            saved = self.change_row(request, row, changes) if changes else row
        else:
            saved = self.create_row(request, dict(form.cleaned_data))
        # What Django logs and redirects to from here on is the row as the service left it.
        obj.__dict__ |= saved.__dict__

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:  # noqa: FBT001 - as above
        """Nothing: what belongs to a row is written by the row's own service."""

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:  # noqa: FBT001 - as above
        raise PermissionDenied

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        raise PermissionDenied

    def delete_queryset(self, request: HttpRequest, queryset: "models.QuerySet[Any]") -> None:
        raise PermissionDenied

    def organization_for(self, request: HttpRequest, values: dict[str, Any]) -> Organization:
        """Whose a new row is. Takes `organization` out of the values, where a superuser has picked one."""
        picked = values.pop("organization", None)
        user = staff_user(request)
        if user is None:
            raise PermissionDenied
        if self.organization_from:
            return cast("Organization", values[self.organization_from].organization)
        organization = picked if user.is_superuser else user.organization
        if organization is None:
            raise PermissionDenied
        return cast("Organization", organization)

    # Actions.

    def chosen(self, request: HttpRequest, queryset: "models.QuerySet[Any]") -> list[Any]:
        """The ticked rows; none, with a message, where there are too many or none is the user's."""
        rows = list(queryset[: MOST_ROWS + 1])
        if len(rows) > MOST_ROWS:
            text = f"At most {MOST_ROWS} rows at once. Nothing has been changed."
            self.message_user(request, text, messages.ERROR)
            return []
        if not rows:
            self.message_user(request, "There are no such rows. Nothing has been changed.", messages.ERROR)
        return rows

    def act_on_each(
        self, request: HttpRequest, rows: Iterable[Any], act: Callable[[Any], object], *, done: str, log: bool = True
    ) -> None:
        """Each row in a transaction of its own: locks of several sessions are not gathered. Says what became of each."""
        count, refused = 0, list[str]()
        for row in rows:
            try:
                act(row)
            except Refusal as refusal:
                refused += [f"{row}: {describe(refusal)}"]
                continue
            count += 1
            if log:
                self.log_change(request, row, capfirst(done) + ".")
        if count:
            self.message_user(request, f"{self.counted(count)} {done}.", messages.SUCCESS)
        for message in refused[:MOST_MESSAGES]:
            self.message_user(request, message, messages.ERROR)
        if len(refused) > MOST_MESSAGES:
            self.message_user(request, f"{len(refused) - MOST_MESSAGES} more were refused.", messages.ERROR)

    def counted(self, count: int) -> str:
        name = self.opts.verbose_name if count == 1 else self.opts.verbose_name_plural
        return f"{count} {name}"

    def ask(
        self, request: HttpRequest, rows: list[Any], form: forms.Form, *, action: str, title: str, button: str
    ) -> TemplateResponse:
        """The page between an action and its effect: which rows, and what the action must know."""
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "media": self.media + form.media,
            "form": form,
            "rows": rows,
            "sample": rows[:MOST_MESSAGES],
            "more": max(len(rows) - MOST_MESSAGES, 0),
            "counted": self.counted(len(rows)),
            "action": action,
            "button": button,
        }
        return TemplateResponse(request, "admin/act.html", context)
