"""What an address asks for, before any page of ours knows it: what is no value of anything is refused, and no crash."""

from typing import TYPE_CHECKING, Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.db import DataError
from django.http import HttpRequest

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin  # The theme's own is published without type information.
else:
    from unfold.admin import ModelAdmin

NO_LOOKUPS = {"regex", "iregex", "range"}


class AskedAdmin(ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Patterns and ranges are in no link of ours, and a pattern can keep the database busy for hours."""
        return lookup.rpartition("__")[2] not in NO_LOOKUPS and super().lookup_allowed(lookup, value, request)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """What a filter's column cannot hold is an incorrect value, whether Django or the database finds that out."""
        try:
            return super().get_changelist_instance(request)
        except (DataError, OverflowError, ValueError) as error:
            raise IncorrectLookupParameters(str(error)) from error

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """An empty `_to_field` names no field."""
        return super().get_object(request, object_id, from_field or None)
