"""The README's screenshots: taken from the demo company at every run, and kept where SCREENSHOTS=keep asks for it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.browsing import WIDE, Visitor

FOLDER = Path(__file__).with_name("screenshots")
README = Path(__file__).resolve().parents[2] / "README.md"
MOST_BYTES = 200_000
SHOWN = {
    "dashboard.png": ("/admin/", "The dashboard", 1000),
    "matrix.png": ("/admin/training/requirement/matrix/?course=", "The compliance matrix", 800),
}


def taken(page: Page, path: str, height: int) -> bytes:
    page.set_viewport_size({"width": WIDE, "height": height})
    page.goto(path)
    page.wait_for_load_state("networkidle")  # Fonts, too.
    return page.screenshot(animations="disabled")


@pytest.mark.parametrize("name", SHOWN)
def test_a_screenshot_of_the_readme_is_taken_and_small(visit: Callable[[str], Visitor], name: str) -> None:
    path, title, height = SHOWN[name]
    one = visit("administrator")
    image = taken(one.page, one.site.url + path, height)
    assert len(image) < MOST_BYTES
    if os.environ.get("SCREENSHOTS") == "keep":
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / name).write_bytes(image)
    assert (FOLDER / name).stat().st_size < MOST_BYTES
    assert f"![{title}](tests/browser/screenshots/{name})" in README.read_text(encoding="utf-8")
