"""What is measured on a page: the accessibility scan, and what sticks out or is cut off."""

import json
from pathlib import Path
from typing import Any

import axe_playwright_python
from playwright.sync_api import Page

from tests.browser.browsing import HEIGHT, NARROW, WIDE, Visitor

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
SEVERE = {"serious", "critical"}
# What the theme does and neither a style sheet nor a few lines of script of ours could mend, by rule: why it is let pass.
LET_PASS: dict[str, str] = {}

# Text is cut off where its element hides what does not fit, and is not one that scrolls or that says so with dots.
CUT_OFF = """() => {
  const found = [];
  for (const one of document.querySelectorAll('body *')) {
    const style = getComputedStyle(one);
    const own = [...one.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
    if (!own || !one.checkVisibility({visibilityProperty: true, opacityProperty: true})) continue;
    if (one.clientWidth <= 1 || one.clientHeight <= 1) continue;
    if (one.closest('.material-symbols-outlined, .sr-only, option, svg, script, style')) continue;
    const hides = ['hidden', 'clip'].includes(style.overflowX) && style.textOverflow !== 'ellipsis';
    const clamps = style.webkitLineClamp !== 'none';
    if (hides && !clamps && one.scrollWidth > one.clientWidth + 1) found.push(one);
  }
  return found.map(one => one.textContent.trim().replace(/\\s+/g, ' ').slice(0, 80));
}"""

# What no scrolling brings into view: to the left of the page, or right of it without a box that scrolls.
OUTSIDE = """() => {
  const wide = document.documentElement.clientWidth, found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const one = node.parentElement;
    if (!node.textContent.trim() || !one.checkVisibility({visibilityProperty: true, opacityProperty: true})) continue;
    if (one.closest('.material-symbols-outlined, .sr-only, option, svg, script, style, [aria-hidden=true]')) continue;
    let scrolls = false;
    for (let box = one; box && box !== document.body; box = box.parentElement) {
      const style = getComputedStyle(box);
      if (['auto', 'scroll'].includes(style.overflowX) && box.scrollWidth > box.clientWidth) scrolls = true;
      if (style.position === 'fixed') scrolls = true;
    }
    if (scrolls) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const {left, right, width, height} = range.getBoundingClientRect();
    if (width > 1 && height > 1 && (right > wide + 1 || left < -1)) found.push(node.textContent.trim().slice(0, 80));
  }
  return found;
}"""


def violations(page: Page) -> list[str]:
    """Serious and critical findings: the rule, and where."""
    page.evaluate(AXE)
    found: Any = page.evaluate("() => axe.run(document, {resultTypes: ['violations'], preload: false})")
    return [
        f"{one['id']}: {json.dumps(node['target'])} {node['html'][:160]}"
        for one in found["violations"]
        if one["impact"] in SEVERE and one["id"] not in LET_PASS
        for node in one["nodes"]
    ]


def overflow(page: Page) -> list[str]:
    """What cannot be read at this width without scrolling the whole page."""
    wide: int = page.evaluate("() => document.documentElement.scrollWidth")
    seen: int = page.evaluate("() => document.documentElement.clientWidth")
    sideways = [f"the page is {wide} wide, the window {seen}"] if wide > seen else []
    cut_off: list[str] = page.evaluate(CUT_OFF)
    outside: list[str] = page.evaluate(OUTSIDE)
    return [*sideways, *(f"cut off: {text}" for text in cut_off), *(f"outside: {text}" for text in outside)]


def readable(one: Visitor) -> list[str]:
    """What is wrong with the page that is open, at both widths."""
    found = violations(one.page)
    found += [f"{WIDE}: {text}" for text in overflow(one.page)]
    one.page.set_viewport_size({"width": NARROW, "height": HEIGHT})
    found += [f"{NARROW}: {text}" for text in overflow(one.page)]
    one.page.set_viewport_size({"width": WIDE, "height": HEIGHT})
    return found
