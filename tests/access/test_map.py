"""The table has a row for each route, and the URL map a route for each row."""

from collections import Counter
from collections.abc import Callable

from tests.access.table import Door, named_rows, routes, row_of


def test_every_route_has_a_row_and_every_row_a_route(record_property: Callable[[str, object], None]) -> None:
    found = {row_of(route) for route in routes()}
    record_property("routes", len({route.path for route in routes()}))
    assert (found - named_rows(), named_rows() - found) == (set(), set())


def test_no_two_pages_of_the_admin_share_a_name_and_so_a_row() -> None:
    """But for the search, which comes twice under one address: ours before the theme's."""
    named = {(route.path, route.name) for route in routes() if route.path.startswith("admin/") and route.name}
    assert [name for name, count in Counter(name for _, name in named).items() if count > 1] == []


def test_there_are_doors_of_every_kind() -> None:
    kinds = Counter(route.row.door for route in routes() if route.row is not None)
    assert set(kinds) == set(Door)
