"""What apps above add to the pages of accounts, which stands below them and knows none of them.

Registered when their admin is loaded, into the lists of the admin that is added to.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path

from accounts.admin.base import LedgerAdmin


@dataclass(frozen=True)
class Section:
    """A part of a row's page. `read` gives the template's `section`, or None where there is nothing to show.

    A `form` in it brings its scripts.
    """

    template: str
    read: Callable[[LedgerAdmin, HttpRequest, Any], dict[str, Any] | None]


@dataclass(frozen=True)
class Page:
    """A page of its own for a row. The view is called for rows that the user meets; what more it needs it asks."""

    route: str
    name: str
    view: Callable[[LedgerAdmin, HttpRequest, Any], HttpResponse]


class ExtendedAdmin(LedgerAdmin):
    sections: ClassVar[list[Section]]
    pages: ClassVar[list[Page]]

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(f"<int:row_id>/{page.route}/", self.admin_site.admin_view(self._of(page)), name=page.name)
            for page in self.pages
        ]
        return [*own, *super().get_urls()]

    def _of(self, page: Page) -> Callable[..., HttpResponse]:
        def answer(request: HttpRequest, row_id: int) -> HttpResponse:
            if not self.has_view_permission(request):
                raise PermissionDenied
            row = self.get_queryset(request).select_related("organization").filter(pk=row_id).first()
            if row is None:
                raise Http404
            return self._shown(request, lambda: page.view(self, request, row), row.pk)

        return answer

    def sections_of(self, request: HttpRequest, row: Any) -> Sequence[tuple[str, dict[str, Any]]]:
        read = ((section.template, section.read(self, request, row)) for section in self.sections)
        return [(template, context) for template, context in read if context is not None]

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        row = kwargs.get("obj")
        if row is not None:
            # Read again: on a refused form the row carries what was typed.
            stored = self.get_queryset(request).select_related("organization").get(pk=row.pk)
            sections = self.sections_of(request, stored)
            shown = {"sections": sections, "stored": stored}
            for form in filter(None, (section.get("form") for _, section in sections)):
                shown["media"] = shown.get("media", context["media"]) + form.media
            administers = self.has_administer_permission(request)
            context = {**context, **shown, "administers": administers}
        return super().render_change_form(request, context, *args, **kwargs)
