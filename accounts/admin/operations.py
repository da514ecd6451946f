"""What was done to many rows at once, to look at: operations, and what became of each row that they were given."""

# ruff: noqa: ARG002 - Django's hooks get arguments that not every admin needs

from collections.abc import Iterable
from typing import Any, ClassVar, cast

from django.contrib import admin
from django.contrib.admin.views.main import PAGE_VAR
from django.db.models import BigIntegerField, Case, OuterRef, Q, QuerySet, Subquery, When
from django.db.models.functions import Cast, Substr
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from accounts.actors import Actor
from accounts.admin.base import LedgerAdmin, is_id
from accounts.admin.paging import CappedPaginator
from accounts.admin.sections import ExtendedAdmin, Page, Section
from accounts.models import ApiToken, BulkOperation, BulkRow, Outcome, User

NOTHING = "-"
FIRST_ROWS = 50
MOST_OFFERED = 20
STATES = {"finished": "finished", "unfinished": "running, or interrupted"}


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: "admin.ModelAdmin[Any]") -> list[tuple[str, str]]:
        return list(STATES.items())

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any] | None":
        return queryset.filter(finished_at__isnull=self.value() == "unfinished") if self.value() in STATES else None


def actor_id(kind: str) -> Case:
    """The id within an actor's `ref` of this kind, such as 7 in `token-7`."""
    digits = Cast(Substr("created_by", len(kind) + 2), BigIntegerField())
    return Case(When(created_by__regex=rf"^{kind}-[0-9]{{1,18}}$", then=digits))


def counted(counts: dict[str, int]) -> str:
    """Counts by outcome in words, in the order in which outcomes are declared."""
    return ", ".join(f"{counts[outcome]:,} {outcome}" for outcome in Outcome.values if counts.get(outcome))


@admin.register(BulkOperation)
class BulkOperationAdmin(ExtendedAdmin):
    sections: ClassVar[list[Section]] = []
    pages: ClassVar[list[Page]] = []
    change_form_template = "admin/accounts/operation.html"
    list_display = ("id", "kind", "who", "created_at", "reason", "rows_by_outcome", "state")
    list_display_links = ("id", "kind")
    list_filter = ("kind", "created_at", StateFilter)
    # A number finds an operation by its id, too.
    search_fields = ("reason",)
    ordering = ("-pk",)
    facts = (
        "id",
        "kind",
        "who",
        "created_at",
        "state",
        "finished_at",
        "reason",
        "asked_for",
        "rows_by_outcome",
        "undoes_what",
        "undone",
        "first_rows",
    )

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        staff = User.objects.filter(pk=OuterRef("staff_id")).values("email")
        tokens = ApiToken.objects.filter(organization=OuterRef("organization"), pk=OuterRef("token_id")).values("name")
        rows: QuerySet[Any] = super().get_queryset(request)
        annotated: QuerySet[Any] = rows.annotate(
            staff_id=actor_id("user"), token_id=actor_id("token"), staff=Subquery(staff), token=Subquery(tokens)
        )
        return annotated

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Any]", search_term: str
    ) -> "tuple[QuerySet[Any], bool]":
        if is_id(number := search_term.strip()):
            return queryset.filter(Q(pk=int(number)) | Q(reason__contains=number)), False
        return super().get_search_results(request, queryset, search_term)

    @admin.display(description="who", ordering="created_by")
    def who(self, operation: Any) -> str:
        if operation.created_by == Actor.system().ref:
            return "system"
        return str(operation.staff or operation.token or operation.created_by)

    @admin.display(description="state", ordering="finished_at")
    def state(self, operation: BulkOperation) -> str:
        return STATES["unfinished" if operation.finished_at is None else "finished"]

    @admin.display(description="rows")
    def rows_by_outcome(self, operation: BulkOperation) -> str:
        return counted(operation.counts) or NOTHING

    @admin.display(description="asked for")
    def asked_for(self, operation: BulkOperation) -> str:
        said = [(name.replace("_", " "), in_words(value)) for name, value in sorted(operation.details.items())]
        return format_html("<ul>{}</ul>", format_html_join("", "<li>{}: {}</li>", said)) if said else NOTHING

    @admin.display(description="undoes")
    def undoes_what(self, operation: BulkOperation) -> str:
        return links_to([operation.undoes] if operation.undoes is not None else [])

    @admin.display(description="undone by")
    def undone(self, operation: BulkOperation) -> str:
        return links_to(BulkOperation.objects.of(operation.organization).filter(undoes=operation).order_by("pk"))

    @admin.display(description=f"first {FIRST_ROWS} rows")
    def first_rows(self, operation: BulkOperation) -> str:
        rows = BulkRow.objects.of(operation.organization).filter(operation=operation).order_by("line", "pk")
        line = "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>"
        shown = [(row.line, row.key, row.get_outcome_display(), row.reason) for row in rows[:FIRST_ROWS]]
        return format_html(
            '<div class="grid-box" tabindex="0" role="region" aria-label="First rows"><table class="ledger-grid is-narrow">'
            '<thead><tr><th scope="col">Line</th><th scope="col">Key</th><th scope="col">Outcome</th>'
            '<th scope="col">Reason</th></tr></thead><tbody>{}</tbody></table></div>'
            '<p><a class="record-link" href="{}?operation={}">All rows</a></p>',
            format_html_join("", line, shown),
            reverse("admin:accounts_bulkrow_changelist"),
            operation.pk,
        )


def in_words(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def links_to(operations: Iterable[BulkOperation]) -> str:
    found = [
        (reverse("admin:accounts_bulkoperation_change", args=[operation.pk]), operation) for operation in operations
    ]
    return format_html_join(", ", '<a href="{}">{}</a>', found) or NOTHING


class OperationFilter(admin.SimpleListFilter):
    """The newest operations that the user may see, and the one that was asked for."""

    title = "operation"
    parameter_name = "operation"
    asked: BulkOperation | None = None

    def lookups(self, request: HttpRequest, model_admin: "admin.ModelAdmin[Any]") -> list[tuple[str, str]]:
        seen = operations_seen(request)
        self.asked = operation_asked(request)
        offered = [self.asked] if self.asked else []
        offered += [one for one in seen.order_by("-pk")[:MOST_OFFERED] if one != self.asked]
        # A filter that offers nothing is not applied, and rows that nobody asked for would be shown.
        return [(str(one.pk), str(one)) for one in offered] or [("0", "none")]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any] | None":
        if self.value() is None:
            return None
        if self.asked is None:
            return queryset.none()
        # With its organization, which the index begins with, for a superuser too.
        return queryset.filter(organization=self.asked.organization_id, operation=self.asked)


def operations_seen(request: HttpRequest) -> "QuerySet[Any]":
    return cast("LedgerAdmin", admin.site.get_model_admin(BulkOperation)).rows(request)


def operation_asked(request: HttpRequest) -> BulkOperation | None:
    asked = request.GET.get(OperationFilter.parameter_name, "")
    return operations_seen(request).filter(pk=int(asked)).first() if is_id(asked) else None


@admin.register(BulkRow)
class BulkRowAdmin(LedgerAdmin):
    list_display = ("operation", "line", "key", "outcome", "reason")
    list_display_links = ("line", "key")
    list_filter = (OperationFilter, "outcome")
    search_fields = ("key",)
    sortable_by = ()  # There may be millions, and one order has an index.
    related = ("operation",)
    facts = ("operation", "line", "key", "outcome", "reason", "target_id", "before")

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return ("line", "pk") if OperationFilter.parameter_name in request.GET else ("-pk",)

    def get_paginator(self, request: HttpRequest, *args: Any, **kwargs: Any) -> CappedPaginator:
        paginator = CappedPaginator(*args, **kwargs)
        if set(request.GET) <= {OperationFilter.parameter_name, "outcome__exact", PAGE_VAR}:
            operation = operation_asked(request)
            outcome = request.GET.get("outcome__exact")
            if operation is not None:
                counts = operation.counts
                paginator.known = sum(counts.values()) if outcome is None else counts.get(outcome, 0)
        return paginator
