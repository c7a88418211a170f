"""A browser that notices what a page must not do."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request

MISSING = "browser tests left out: no chromium; apt-get install chromium"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
"""What keeps Chromium quiet on a machine without a screen and without a network."""

NO_OTHER_HOST = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"

DESKTOP, PHONE = 1280, 360
"""Widths of the window, in pixels."""

_HEIGHTS = {DESKTOP: 900, PHONE: 720}


def executable() -> str | None:
    """Debian's Chromium, if it is installed; Playwright never fetches a browser of its own."""
    return shutil.which("chromium")


@contextmanager
def launched(chromium: str) -> Iterator[Browser]:
    """A browser that finds no other machine than this one."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=[*FLAGS, NO_OTHER_HOST])
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """A window of its own, with what went wrong in it."""

    def __init__(self, browser: Browser, address: str, width: int = DESKTOP, **options: Any) -> None:
        self.address = address
        self.problems: list[str] = []
        """Errors, and requests that leave the site, in the order in which they came."""
        self.context: BrowserContext = browser.new_context(
            base_url=address,
            viewport={"width": width, "height": _HEIGHTS.get(width, 900)},
            has_touch=width < DESKTOP,
            **options,
        )
        self.context.set_default_timeout(15_000)  # as long as a busy machine takes
        self.context.on("console", self._heard)
        self.context.on("weberror", lambda error: self._note(error.page, str(error.error)))
        self.context.on("request", self._asked)
        self.page: Page = self.context.new_page()

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._note(message.page, f"{message.text} ({message.location['url'].removeprefix(self.address)})")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self.address, "data:", "blob:")):
            self._note(None, f"asks {request.url}")

    def _note(self, page: Page | None, problem: str) -> None:
        where = page.url.removeprefix(self.address) if page else ""
        self.problems.append(f"{where}: {problem}")

    def open(self, path: str = "") -> Page:
        """Go to a page of the site and wait until it is there with all that it loads."""
        self.page.goto(path)
        return self.page
