"""Pages of long lists: a list of a million rows is never counted whole."""

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.utils.functional import cached_property

MOST_COUNTED = 10_000
"""Rows that are counted one by one. Where there are more, the list says that, and shows this many."""


class MoreThan(int):
    """A count that stopped: a number for the pages, and the truth for whoever reads it."""

    def __str__(self) -> str:
        return f"more than {int(self):,}"


class CappedPaginator(Paginator):  # type: ignore[type-arg]  # generic in the stubs only
    """Counts no more than MOST_COUNTED rows, but where the count is `known` anyway."""

    known: int | None = None
    has_more = False
    template_name = "admin/capped_pagination.html"

    @cached_property
    def count(self) -> int:
        if self.known is not None:
            return self.known
        rows = self.object_list
        if isinstance(rows, QuerySet):
            # In no order and without columns: the first rows that are met are as good as any others.
            rows = rows.order_by().values("pk")[: MOST_COUNTED + 1]
            found = rows.count()
        else:
            found = len(rows)
        self.has_more = found > MOST_COUNTED
        return MoreThan(MOST_COUNTED) if self.has_more else found
