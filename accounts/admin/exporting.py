"""Lists as files: what a list shows with its filters, of one organization, in chunks, so that memory stays flat."""

import csv
from collections.abc import Iterator
from decimal import Decimal
from io import StringIO
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, cast

from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.urls import path, reverse
from import_export.fields import Field
from import_export.formats.base_formats import CSV, XLSX
from import_export.resources import ModelResource

from accounts.admin.base import staff_user
from accounts.admin.filters import ORGANIZATION
from accounts.admin.picking import organizations_of
from accounts.models import Organization, Person
from accounts.roles import Role, role_of
from accounts.services.cells import SEPARATOR
from accounts.services.importing_people import COLUMNS as PEOPLE_COLUMNS
from accounts.tables import TableRefused, harmless
from accounts.workbooks import workbook_of

if TYPE_CHECKING:
    from accounts.admin.base import LedgerAdmin as Base
else:
    Base = object

CHUNK = 1_000  # Rows of one query.
FORMATS = {"csv": CSV(), "xlsx": XLSX()}


class LedgerResource(ModelResource):  # type: ignore[misc]  # published without type information
    """The columns of an export. It writes no rows: files are taken in by services."""

    related: ClassVar[tuple[str, ...]] = ()
    prefetched: ClassVar[tuple[str, ...]] = ()

    def save_instance(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise PermissionDenied

    def delete_instance(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise PermissionDenied

    def import_data(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise PermissionDenied

    def export_field(self, field: Any, instance: Any, **kwargs: Any) -> Any:
        """Numbers without the zeros that a column keeps behind them."""
        value = field.get_value(instance) if field.attribute else None
        return (
            f"{value.normalize():f}" if isinstance(value, Decimal) else super().export_field(field, instance, **kwargs)
        )

    def lines(self, rows: "QuerySet[Any]") -> Iterator[list[str]]:
        """The header, then a line for each row, by key: short queries, no transaction held open while a client reads."""
        yield [str(name) for name in self.get_export_headers()]
        rows = rows.select_related(*self.related).prefetch_related(*self.prefetched).order_by("pk")
        last = 0
        while chunk := list(rows.filter(pk__gt=last)[:CHUNK]):
            for row in chunk:
                yield [harmless("" if value is None else str(value)) for value in self.export_resource(row)]
            last = chunk[-1].pk


def yes_or_no(value: bool) -> str:  # noqa: FBT001 - a cell's value
    return "true" if value else "false"


class PersonResource(LedgerResource):
    """As the import of people reads it."""

    prefetched = ("groups",)
    active = Field()
    groups = Field()

    class Meta:
        model = Person
        fields = PEOPLE_COLUMNS
        export_order = PEOPLE_COLUMNS

    def dehydrate_active(self, person: Person) -> str:
        return yes_or_no(person.active)

    def dehydrate_groups(self, person: Person) -> str:
        return SEPARATOR.join(group.name for group in person.groups.all())


def may_export(request: HttpRequest) -> bool:
    user = staff_user(request)
    return user is not None and role_of(user) in (Role.ADMINISTRATOR, Role.AUDITOR)


class Exports(Base):
    """Of an admin whose list can be had as a file. `resource` says which columns."""

    resource: ClassVar[type[LedgerResource]]
    change_list_template = "admin/accounts/import_list.html"

    def get_urls(self) -> list[Any]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_export"
        return [
            path("export/<str:kind>/", self.admin_site.admin_view(self.export_view), name=name),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        exports = []
        if may_export(request) and self.has_view_permission(request):
            name = f"admin:{self.opts.app_label}_{self.opts.model_name}_export"
            query = f"?{request.GET.urlencode()}" if request.GET else ""
            exports = [(kind.upper(), reverse(name, args=[kind]) + query) for kind in FORMATS]
        return super().changelist_view(request, {"exports": exports, **(extra_context or {})})

    def export_view(self, request: HttpRequest, kind: str) -> HttpResponse:
        """The rows of the list with the filters of the address. Raises Http404, PermissionDenied."""
        if not (may_export(request) and self.has_view_permission(request)):
            raise PermissionDenied
        if kind not in FORMATS:
            raise Http404
        back = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
        organization = exported(request)
        try:
            shown = self.get_changelist_instance(request)
            rows = shown.get_queryset(request).filter(organization=organization)
        except IncorrectLookupParameters:
            return HttpResponseRedirect(f"{back}?e=1")
        name = f"{self.opts.verbose_name_plural}-{organization.slug}".replace(" ", "-")
        lines = self.resource().lines(rows)
        try:
            return file_response(lines, kind, name, str(self.opts.verbose_name_plural))
        except TableRefused as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(back)


def exported(request: HttpRequest) -> Organization:
    """The user's own; a superuser's: the one that the list is narrowed to, else the first. Raises Http404."""
    organizations = organizations_of(request)
    picked = request.GET.get(ORGANIZATION)
    found = [one for one in organizations if picked is None or str(one.pk) == picked]
    if not found:
        raise Http404
    return found[0]


def file_response(lines: Iterator[list[str]], kind: str, name: str, title: str) -> HttpResponse:
    """Raises Http404 for a kind that there is not, TableRefused for more rows than a workbook holds."""
    response: Any
    match kind:
        case "csv":
            response = StreamingHttpResponse(csv_chunks(lines))
        case "xlsx":
            response = FileResponse(workbook_of(lines, title))
        case _:
            raise Http404
    response["Content-Type"] = FORMATS[kind].get_content_type()
    response["Content-Disposition"] = f'attachment; filename="{name}.{kind}"'
    return cast("HttpResponse", response)


def csv_chunks(lines: Iterator[list[str]]) -> Iterator[bytes]:
    buffer = StringIO()
    writer = csv.writer(buffer)
    yield "\ufeff".encode()  # By which spreadsheets know UTF-8.
    for number, line in enumerate(lines):
        writer.writerow(line)
        if number % CHUNK == 0:
            yield _taken(buffer)
    yield _taken(buffer)


def _taken(buffer: StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()
