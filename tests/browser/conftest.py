from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.browsing import CHROMIUM, Site, Visitor, chromium, in_ci, serving, visitor

HERE = Path(__file__).parent
MISSING = "Chromium is not installed: as root, apt-get install chromium"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Left out where there is no Chromium; where CI is set that is a failure, of each test (see `browser`)."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.browser)
            if not CHROMIUM and not in_ci():
                item.add_marker(pytest.mark.skip(reason=MISSING))


# Of the package and not of the session: where the browser's driver is at work, Django refuses queries.


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serving(tmp_path_factory.mktemp("site")) as served:
        yield served


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    assert CHROMIUM, MISSING
    with chromium() as launched:
        yield launched


@pytest.fixture(scope="package")
def visitors(browser: Browser, site: Site) -> Iterator[dict[str, Visitor]]:
    known: dict[str, Visitor] = {}
    yield known
    for one in known.values():
        one.context.close()


@pytest.fixture
def visit(browser: Browser, site: Site, visitors: dict[str, Visitor]) -> Iterator[Callable[[str], Visitor]]:
    """The browser of the staff user of that name, logged in once. Nothing may go wrong behind the test's pages."""
    used: list[Visitor] = []

    def of(name: str) -> Visitor:
        if name not in visitors:
            visitors[name] = visitor(browser, site, name)
        used.append(visitors[name])
        return visitors[name]

    yield of
    wrong = [text for one in used for text in one.wrong]
    for one in used:
        one.wrong.clear()
        one.refusals.clear()
    assert wrong == []
