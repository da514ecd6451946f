"""One Chromium, the production server on a database of its own, and a visitor for each staff user."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Response,
    expect,
    sync_playwright,
)

from tests.concurrency.databases import KIND, scratch_url
from tests.config.wire import ROOT, environment, running

CHROMIUM = shutil.which("chromium") or ""
WIDE, NARROW = 1280, 390
HEIGHT = 900
PATIENCE = 30_000  # Milliseconds that the browser waits for what a test asks for.
expect.set_options(timeout=PATIENCE)
MAKE_SCENE = "import django; django.setup(); from tests.browser.scene import main; main()"


@dataclass(frozen=True)
class Site:
    url: str
    scene: Any


@dataclass
class Visitor:
    """One staff user's browser. Whatever goes wrong behind a page is noted, whichever test had opened it."""

    site: Site
    context: BrowserContext
    page: Page
    wrong: list[str] = field(default_factory=list)
    refusals: set[int] = field(default_factory=set)
    """Statuses that the test asks for; the browser reports every page of such a status as an error."""

    def watch(self) -> None:
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.wrong.append(f"script: {error.stack or error}"))
        self.page.on("request", self._asked)
        self.page.on("response", self._answered)

    def _heard(self, message: ConsoleMessage) -> None:
        refused = any(f"status of {status} " in message.text for status in self.refusals)
        if message.type == "error" and not refused:
            self.wrong.append(f"console: {message.text} ({message.location['url']})")

    def _asked(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in {"data", "blob"} and address.netloc != urlsplit(self.site.url).netloc:
            self.wrong.append(f"another host: {request.url}")

    def _answered(self, response: Response) -> None:
        if response.status >= 500:
            self.wrong.append(f"{response.status}: {response.url}")

    def open(self, path: str) -> Page:
        self.page.goto(urljoin(self.site.url, path))
        return self.page

    def log_in(self, name: str) -> Page:
        user = self.site.scene["users"][name]
        self.open("/admin/")
        self.page.fill("#id_username", user["email"])
        self.page.fill("#id_password", user["password"])
        self.page.get_by_role("button", name="Log in").click()
        return self.page


@contextmanager
def serving(folder: Path) -> Iterator[Site]:
    with scratch_url(KIND, folder) as url:
        settings = {"DATABASE_URL": url}
        made = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", MAKE_SCENE],
            cwd=ROOT,
            env=environment(folder, **settings),
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.returncode == 0, made.stderr
        with running(folder, **settings) as server:
            yield Site(f"http://127.0.0.1:{server.port}", json.loads(made.stdout))


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as driver:
        # Its sandbox needs rights that containers and root do not have; it opens nothing but our own server.
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


def visitor(browser: Browser, site: Site, name: str = "") -> Visitor:
    """Logged in, where a user is named."""
    context = browser.new_context(viewport={"width": WIDE, "height": HEIGHT}, reduced_motion="reduce")
    context.set_default_timeout(PATIENCE)
    made = Visitor(site, context, context.new_page())
    made.watch()
    if name:
        made.log_in(name)
    return made


def in_ci() -> bool:
    return os.environ.get("CI", "") not in {"", "0", "false"}
