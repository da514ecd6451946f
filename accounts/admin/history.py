"""The history of everything, to look at."""

# ruff: noqa: ARG002 - Django's hooks get arguments that not every admin needs

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import F, Q, QuerySet, Value
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from accounts.actors import Actor
from accounts.admin.base import LedgerAdmin, is_id, is_superuser
from accounts.admin.changes import NOTHING, Told, in_words
from accounts.admin.filters import ORGANIZATION, ChosenFilter, DayRangeFilter, kept
from accounts.admin.paging import CappedPaginator
from accounts.history import kept_models
from accounts.models import ApiToken, HistoryEntry, ImportFile, User

if TYPE_CHECKING:
    from django.contrib.admin.views.main import ChangeList
else:
    from unfold.views import ChangeList

MOST_MODELS = 3
"""Of the rows in a list, those of so many models are called by their names: a query for each."""
MOST_FOUND = 500
"""A search that finds more actors than that is refused: it would leave some out."""

ACTORS = {"user": "staff", "token": "API tokens", "system": "the system", "database": "the database itself"}


class ModelFilter(ChosenFilter):
    title = "model"
    parameter_name = "model"
    template = "admin/select_filter.html"

    def lookups(self, request: HttpRequest, model_admin: "admin.ModelAdmin[Any]") -> list[tuple[str, str]]:
        names = {model._meta.label: capfirst(str(model._meta.verbose_name)) for model in kept_models()}  # noqa: SLF001 - Django's documented name
        return sorted(names.items(), key=lambda item: item[1])

    def value(self) -> str | None:
        return super().value() or None  # What the form sends for "All".

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        return queryset.filter(model=self.value()) if self.value() else queryset

    def choices(self, changelist: Any) -> Iterator[Any]:
        yield {
            "own_form": True,
            "kept": kept(changelist, [self.parameter_name]),
            "name": self.parameter_name,
            "options": [(value, text, value == self.value()) for value, text in self.lookup_choices],
        }


class ActorFilter(ChosenFilter):
    title = "who"
    parameter_name = "by"

    def lookups(self, request: HttpRequest, model_admin: "admin.ModelAdmin[Any]") -> list[tuple[str, str]]:
        return list(ACTORS.items())

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        system = Actor.system().ref
        match self.value():
            case "database":
                return queryset.filter(actor="")
            case "system":
                return queryset.filter(actor=system)
            case None:
                return queryset
            case kind:
                return queryset.filter(actor__startswith=f"{kind}-").exclude(actor=system)


class HistoryList(ChangeList):
    """With the page's entries in words, looked up together."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows: list[Any] = list(self.result_list)
        for row, told in zip(rows, in_words(request, rows, most_models=MOST_MODELS), strict=True):
            row.told = told
        self.result_list = rows


@admin.register(HistoryEntry)
class HistoryEntryAdmin(LedgerAdmin):
    list_display = ("when", "who", "act", "what", "changed")
    list_display_links = ("when",)
    list_filter = (ModelFilter, "act", ActorFilter, ("at", DayRangeFilter))
    related = ("organization",)
    list_max_show_all = 0
    sortable_by = ()  # There are millions, and one order has an index.
    facts = ("when", "who", "act", "what", "row_id", "changed")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[HistoryList]:
        return HistoryList

    def get_paginator(self, request: HttpRequest, *args: Any, **kwargs: Any) -> CappedPaginator:
        return CappedPaginator(*args, **kwargs)

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """As an index has them: within an organization by time, over all of them as they were written."""
        across = is_superuser(request) and not request.GET.get(ORGANIZATION)
        return ("-pk",) if across else ("-at", "-pk")

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        return ("row_id", "actor")

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Any]", search_term: str
    ) -> "tuple[QuerySet[Any], bool]":
        """A row's id, or a part of the e-mail address or name of whoever did it."""
        text = search_term.strip()
        if not text or "\0" in text:
            return (queryset.none() if text else queryset), False
        if is_id(text):
            # Named models, because the index that ends in a row's id begins with them.
            labels = [model._meta.label for model in kept_models()]  # noqa: SLF001 - as above
            return queryset.filter(model__in=labels, row_id=int(text)), False
        if text in ("system", "database"):
            return queryset.filter(actor=Actor.system().ref if text == "system" else ""), False
        actors = self._actors(request, text)
        if len(actors) > MOST_FOUND:
            told = f"More than {MOST_FOUND} users and API tokens have “{text}” in their names. Write more of it."
            self.message_user(request, told, messages.ERROR)
            return queryset.none(), False
        return queryset.filter(Q(actor=text) | Q(actor__in=actors)), False

    def _actors(self, request: HttpRequest, text: str) -> list[str]:
        staff: QuerySet[Any] = User.objects.filter(email__icontains=text)
        tokens: QuerySet[Any] = ApiToken.objects.filter(Q(name__icontains=text) | Q(prefix=text))
        if not is_superuser(request):
            own = getattr(request.user, "organization_id", None)
            staff = staff.filter(Q(organization=own) | Q(is_superuser=True))
            tokens = tokens.filter(organization=own)
        found = staff.order_by().values_list(Value("user"), F("pk"))
        found = found.union(tokens.order_by().values_list(Value("token"), F("pk")), all=True)
        return [f"{kind}-{pk}" for kind, pk in found[: MOST_FOUND + 1]]

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        entry: Any = super().get_object(request, object_id, from_field)
        if entry is not None:
            [entry.told] = in_words(request, [entry])
        return entry

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().history_view(request, object_id, {**(extra_context or {}), "title": "Entries are never changed"})

    @admin.display(description="when")
    def when(self, entry: Any) -> SafeString:
        return format_html('<span class="history-when">{}</span>', entry.told.when)

    @admin.display(description="who")
    def who(self, entry: Any) -> str:
        return str(entry.told.who)

    @admin.display(description="what")
    def what(self, entry: Any) -> SafeString:
        told: Told = entry.told
        name = (
            format_html('<a class="history-row" href="{}">{}</a>', told.address, told.row) if told.address else told.row
        )
        return format_html("<span>{} {}</span>", told.model, name)

    @admin.display(description="changes")
    def changed(self, entry: Any) -> SafeString | str:
        told: Told = entry.told
        said = format_html('<p class="history-said">{}</p>', told.said) if told.said else ""
        return format_html("{}{}", said, changes_listed(told)) or NOTHING


def changes_listed(told: Told) -> SafeString | str:
    deleted = told.entry.act == HistoryEntry.Act.DELETED
    lines = [
        (label, before if deleted else f"{before} \N{RIGHTWARDS ARROW} {after}")
        for label, before, after in told.changes
        if not (deleted and before == NOTHING)
    ]
    if not lines:
        return ""
    return format_html(
        '<ul class="history-changes">{}</ul>', format_html_join("", "<li><strong>{}</strong>: {}</li>", lines)
    )


@admin.register(ImportFile)
class ImportFileAdmin(LedgerAdmin):
    """Which files wait for a confirmation. What is in them is nobody's but their sender's."""

    superusers_only = True
    list_display = ("name", "kind", "user", "created_at")
    search_fields = ("name",)
    related = ("user",)
    ordering = ("-pk",)
    facts = ("name", "kind", "user", "created_at")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).defer("content")
