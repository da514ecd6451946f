"""Files taken in: sent, looked at, and done only then, through the services that the commands call.

What a file would do is a dry run of the very import that is run when it is confirmed; nothing else here reads its rows.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse

from accounts.admin.base import actor_of, is_superuser, staff_user
from accounts.admin.exporting import FORMATS, Exports, file_response
from accounts.admin.picking import organizations_of, picked
from accounts.bulk import Done, RowOutcome
from accounts.errors import Busy, Refusal
from accounts.models import ImportFile, OperationKind, Organization, Outcome
from accounts.roles import Role, role_of
from accounts.services import import_files
from accounts.services.importing_people import COLUMNS as PEOPLE_COLUMNS, import_people
from accounts.tables import Columns, Table, TableRefused, harmless, strict, table_in
from accounts.wording import describe
from accounts.workbooks import MARK, OLD_MARK, SheetTable

if TYPE_CHECKING:
    from accounts.admin.base import LedgerAdmin as Base
else:
    Base = object

MOST_BYTES = 10_000_000
TOO_LARGE = "too_large"
MOST_REFUSED = 200
"""Refused rows that the page lists. A file to download lists all."""
SAMPLE = 10


@dataclass(frozen=True)
class Import:
    """One kind of file. `columns` are those that it may have, with an example's value and what is to be said of each."""

    kind: OperationKind
    title: str
    columns: Columns
    take_in: Callable[..., Done]
    explained: Sequence[tuple[str, str, str]]

    @property
    def named(self) -> list[str]:
        return [name for name, _, _ in self.explained]


PEOPLE = Import(
    OperationKind.IMPORT_PEOPLE,
    "people",
    strict(PEOPLE_COLUMNS),
    import_people,
    (
        ("employee_id", "EMP-042", "Tells people apart. Needed."),
        ("first_name", "Ada", "Needed for new people."),
        ("last_name", "Okafor", ""),
        ("mail", "ada@example.com", ""),
        ("username", "ada.okafor", ""),
        ("kind", "driver", "driver or user. Empty: stays as it is."),
        (
            "active",
            "true",
            "true or false, yes or no, 1 or 0. Empty: stays as it is. Who becomes inactive: what is open is unassigned.",
        ),
        ("groups", "Night shift;Depot North", "Names separated by ;  The person is then in these and no others."),
    ),
)


class UploadForm(forms.Form):
    file = forms.FileField(
        label="File",
        help_text=f"CSV in UTF-8, or XLSX, with a header. At most {MOST_BYTES // 1_000_000} MB.",
        widget=forms.FileInput(attrs={"accept": ".csv,.xlsx"}),
    )

    def clean_file(self) -> Any:
        """What it is by its name and by how it begins: the two agree in every file that is what it says."""
        file = self.cleaned_data["file"]
        if file.size > MOST_BYTES:
            raise forms.ValidationError(
                f"The file is larger than {MOST_BYTES // 1_000_000} MB. Split it.", code=TOO_LARGE
            )
        begins, suffix = file.read(4), file.name.rpartition(".")[2].lower()
        file.seek(0)
        if begins == OLD_MARK or suffix == "xls":
            raise forms.ValidationError(
                "This is a workbook of an old kind, or a locked one. Save it as XLSX or as CSV."
            )
        if suffix not in FORMATS or (begins == MARK) != (suffix == "xlsx"):
            raise forms.ValidationError("This is neither a CSV file nor an XLSX workbook.")
        return file


def table_of(content: bytes, name: str, columns: Columns) -> Table:
    """Raises TableRefused."""
    return table_in(BytesIO(content), name, columns, SheetTable if content.startswith(MARK) else Table)


@dataclass
class Preview:
    """What a dry run said, as far as a page shows it."""

    columns: Sequence[str]
    counts: Counter[str] = field(default_factory=Counter)
    refused: list[RowOutcome] = field(default_factory=list)
    samples: dict[str, list[RowOutcome]] = field(default_factory=dict)

    def hear(self, outcomes: Sequence[RowOutcome]) -> None:
        for one in outcomes:
            self.counts[one.outcome.value] += 1
            if one.outcome == Outcome.REFUSED:
                kept, most = self.refused, MOST_REFUSED
            else:
                kept, most = self.samples.setdefault(one.outcome.label, []), SAMPLE
            if len(kept) < most:
                kept.append(one)

    @property
    def reasons(self) -> list[tuple[int, str, str, str]]:
        """Line, key, column and reason: a line for each thing that is wrong."""
        return [
            (one.line, one.key, column, reason)
            for one in self.refused
            for column, reason in by_column(one.reason, self.columns)
        ]

    @property
    def unlisted(self) -> int:
        return self.counts[Outcome.REFUSED] - len(self.refused)

    @property
    def accepted(self) -> int:
        return self.counts[Outcome.CREATED] + self.counts[Outcome.UPDATED]


def by_column(reason: str, columns: Sequence[str]) -> list[tuple[str, str]]:
    """A reason of several columns ("mail: … kind: …") by column; what names none stands alone."""
    names = "|".join(re.escape(name) for name in columns)
    starts = list(re.finditer(rf"(?:^|(?<=[.!?] ))({names}): ", reason))
    if not starts or starts[0].start():
        return [("", reason)]
    ends = [*(found.start() for found in starts[1:]), len(reason)]
    return [(found[1], reason[found.end() : end].strip()) for found, end in zip(starts, ends, strict=True)]


class Imports(Exports):
    """Of an admin whose rows come in from files, too. `imports` says which."""

    imports: ClassVar[Import]

    def get_urls(self) -> list[Any]:
        def named(route: str, view: Any, name: str) -> Any:
            return path(route, self.admin_site.admin_view(view), name=f"{self._name}_{name}")

        own = [
            named("import/", self.upload_view, "import"),
            named("import/template/<str:kind>/", self.template_view, "import_template"),
            named("import/<int:pk>/", self.preview_view, "import_preview"),
            named("import/<int:pk>/refused/", self.refused_view, "import_refused"),
        ]
        return [*own, *super().get_urls()]

    @property
    def _name(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}"

    def _address(self, page: str, *args: Any) -> str:
        return reverse(f"admin:{self._name}_{page}", args=args)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        address = self._address("import") if may_import(request) else ""
        return super().changelist_view(request, {"import_address": address, **(extra_context or {})})

    def _context(self, request: HttpRequest, **context: Any) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "imports": self.imports,
            "list_address": self._address("changelist"),
            "upload_address": self._address("import"),
            **context,
        }

    # Sending.

    def upload_view(self, request: HttpRequest) -> HttpResponse:
        """Raises PermissionDenied, Http404."""
        require_import(request)
        organizations = organizations_of(request)
        organization = picked(request, organizations)
        if organization is None:
            raise Http404
        form, status = UploadForm(), 200
        if request.method == "POST":
            form = UploadForm(request.POST, request.FILES)
            if form.is_valid() and (kept := self._kept(request, organization, form)):
                return HttpResponseRedirect(self._address("import_preview", kept.pk))
            status = 413 if form.has_error("file", TOO_LARGE) else 422
        context = self._context(
            request,
            title=f"Import {self.imports.title}",
            form=form,
            organization=organization,
            organizations=organizations if is_superuser(request) else [],
            templates=[(kind.upper(), self._address("import_template", kind)) for kind in FORMATS],
        )
        return TemplateResponse(request, "admin/accounts/import_upload.html", context, status=status)

    def _kept(self, request: HttpRequest, organization: Organization, form: UploadForm) -> ImportFile | None:
        """None, with the reason on the form, for a file that is wrong as a whole."""
        file, user = form.cleaned_data["file"], staff_user(request)
        content = file.read()
        try:
            table_of(content, file.name, self.imports.columns)
            if user is not None:
                return import_files.keep_file(
                    organization=organization, user=user, kind=self.imports.kind, name=file.name, content=content
                )
        except TableRefused as error:
            form.add_error("file", str(error))
        except Refusal as refusal:
            form.add_error(None, describe(refusal))
        return None

    def template_view(self, request: HttpRequest, kind: str) -> HttpResponse:
        """The columns and a row to write over. Raises PermissionDenied, Http404."""
        require_import(request)
        lines = [self.imports.named, [harmless(example) for _, example, _ in self.imports.explained]]
        return file_response(iter(lines), kind, f"{self.imports.title}-template".replace(" ", "-"), self.imports.title)

    # Looking, and confirming.

    def _waiting(self, request: HttpRequest, pk: int) -> ImportFile | None:
        """The user's own, in an organization that is still the user's. Raises PermissionDenied."""
        require_import(request)
        files = ImportFile.objects.filter(organization__in=organizations_of(request), kind=self.imports.kind)
        return files.filter(pk=pk, user=request.user.pk).select_related("organization").first()

    def preview_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Raises PermissionDenied, Http404."""
        file = self._waiting(request, pk)
        if file is None:
            if request.method != "POST":
                raise Http404
            text = "This file is not waiting any more: it was taken in or given up, or it waited for more than a day."
            self.message_user(request, text, messages.WARNING)
            return HttpResponseRedirect(self._address("import"))
        if "cancel" in request.POST:
            try:
                import_files.drop_file(actor=actor_of(request), file=file)
            except Refusal as refusal:
                return self._refused(request, describe(refusal), "import_preview", file.pk)
            self.message_user(request, f"{file.name} was given up. Nothing has been changed.", messages.INFO)
            return HttpResponseRedirect(self._address("import"))
        if "apply" in request.POST:
            return self._apply(request, file)
        preview = Preview(self.imports.named)
        try:
            self._run(request, file, preview.hear, dry_run=True)
        except Refusal as refusal:
            return self._refused(request, describe(refusal), "import")
        context = self._context(
            request,
            title=f"Import {self.imports.title}: {file.name}",
            file=file,
            preview=preview,
            refused_address=self._address("import_refused", file.pk),
        )
        return TemplateResponse(request, "admin/accounts/import_preview.html", context)

    def _run(self, request: HttpRequest, file: ImportFile, tell: Any, *, dry_run: bool) -> Done:
        table = table_of(bytes(file.content), file.name, self.imports.columns)
        return type(self).imports.take_in(
            organization=file.organization,
            actor=actor_of(request),
            columns=table.header,
            rows=table.rows(),
            details={"from": "admin", "file": file.name, "sha256": table.digest},
            dry_run=dry_run,
            tell=tell,
        )

    def _apply(self, request: HttpRequest, file: ImportFile) -> HttpResponse:
        """Rows that are in stay in where it is stopped half-way: confirming again takes in the rest."""
        try:
            done = self._run(request, file, lambda _outcomes: None, dry_run=False)
        except Refusal as refusal:
            text = f"{describe(refusal)} What is already in is shown as unchanged; confirm again to take in the rest."
            return self._refused(request, text, "import_preview", file.pk)
        with suppress(Busy):  # What is in is in. A file that could not be dropped is purged after a day.
            import_files.drop_file(actor=actor_of(request), file=file)
        self.message_user(request, f"{file.name}: {said(done.counts)}.", messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:accounts_bulkoperation_change", args=[done.operation_id]))

    def _refused(self, request: HttpRequest, text: str, page: str, *args: Any) -> HttpResponse:
        self.message_user(request, text, messages.ERROR)
        return HttpResponseRedirect(self._address(page, *args))

    def refused_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """All refused rows as a file. Raises PermissionDenied, Http404."""
        file = self._waiting(request, pk)
        if file is None:
            raise Http404
        lines = [["line", "key", "column", "reason"]]

        def hear(outcomes: Sequence[RowOutcome]) -> None:
            lines.extend(
                [str(one.line), harmless(one.key), column, harmless(reason)]
                for one in outcomes
                if one.outcome == Outcome.REFUSED
                for column, reason in by_column(one.reason, self.imports.named)
            )

        try:
            self._run(request, file, hear, dry_run=True)
        except Refusal as refusal:
            return self._refused(request, describe(refusal), "import_preview", file.pk)
        return file_response(iter(lines), "csv", f"{self.imports.title}-refused".replace(" ", "-"), "refused")


def said(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{counts[one]:,} {one}" for one in Outcome.values if counts.get(one)) or "nothing to do"


def may_import(request: HttpRequest) -> bool:
    user = staff_user(request)
    return user is not None and role_of(user) == Role.ADMINISTRATOR


def require_import(request: HttpRequest) -> None:
    """Raises PermissionDenied."""
    if not may_import(request):
        raise PermissionDenied
