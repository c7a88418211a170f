"""A browser, the whole site on a server, and what each window must not have done when its test ends."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser import browsing, packages
from tests.browser.serving import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser

    from tests.browser.browsing import Visit

# One test says that there is no browser; the others would only repeat it.
_WITHOUT = ("test_html.py", "test_left_out.py")
collect_ignore = [
    path.name
    for path in Path(__file__).parent.glob("test_*.py")
    if not browsing.executable() and path.name not in _WITHOUT
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = browsing.executable()
    if chromium is None:
        pytest.skip(browsing.MISSING)
    with browsing.launched(chromium) as started:
        yield started


@pytest.fixture(scope="session")
def address(browser: Browser, whole: Path) -> Iterator[str]:
    """Where the site of the project's own records is served."""
    with serving(whole) as root:
        yield root


@pytest.fixture(scope="session")
def node_modules() -> Path:
    try:
        return packages.modules()
    except packages.Missing as missing:
        pytest.skip(f"axe-core and html-validate left out: {missing}")


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Callable[..., Visit]]:
    """Opens windows; none of them may have met an error, or asked anything of another server."""
    visits: list[Visit] = []

    def begin(**options: object) -> Visit:
        visits.append(browsing.Visit(browser, address, **options))
        return visits[-1]

    yield begin
    for window in visits:
        window.context.close()
    assert [problem for window in visits for problem in window.problems] == []
