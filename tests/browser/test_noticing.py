"""That a visit notices what a page must not do; all tests in the browser rest on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.browsing import PHONE, Visit
from tests.browser.serving import serving
from tests.browser.test_every_page import too_wide

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser


@pytest.mark.parametrize(
    ("body", "noticed"),
    [
        ("<p>harmless</p>", []),
        ("<script>console.error('said')</script>", ["said"]),
        ("<script>throw new Error('thrown')</script>", ["thrown"]),
        ("<script>Promise.reject(new Error('rejected'))</script>", ["rejected"]),
        ("<img src='missing.png'>", ["404"]),
        (
            "<img src='http://elsewhere.example/x.png'>",
            ["asks http://elsewhere.example/x.png", "ERR_NAME_NOT_RESOLVED"],
        ),
        ("<script>fetch('http://192.0.2.1/')</script>", ["asks http://192.0.2.1/", "net::"]),
        ("<script>fetch('http://localhost:1/')</script>", ["asks http://localhost:1/", "net::"]),
        (
            "<script>new Worker(URL.createObjectURL(new Blob([\"fetch('http://far.example/')\"])))</script>",
            ["asks http://far.example/"],
        ),
    ],
)
def test_a_visit_notices(browser: Browser, tmp_path: Path, body: str, noticed: list[str]) -> None:
    (tmp_path / "index.html").write_text(f"<!doctype html><link rel=icon href='data:,'>{body}", encoding="utf-8")
    with serving(tmp_path) as address:
        window = Visit(browser, address)
        window.open().wait_for_timeout(300)
        window.context.close()
    for text in noticed:
        assert any(text in problem for problem in window.problems), window.problems
    assert noticed or window.problems == []


@pytest.mark.parametrize(
    ("body", "wide"),
    [
        ("<p>short</p>", False),
        ("<pre>" + "wide " * 100 + "</pre>", True),
        ("<div style='overflow: auto'><pre>" + "wide " * 100 + "</pre></div>", False),
    ],
)
def test_a_page_that_is_too_wide(browser: Browser, tmp_path: Path, body: str, wide: bool) -> None:
    (tmp_path / "index.html").write_text(f"<!doctype html><link rel=icon href='data:,'>{body}", encoding="utf-8")
    with serving(tmp_path) as address:
        window = Visit(browser, address, PHONE)
        window.open()
        assert bool(too_wide(window)) == wide
        window.context.close()


def test_the_server_guesses_nothing(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "index.html").write_text("there", encoding="utf-8")
    with serving(tmp_path) as address:
        request = browser.new_context(base_url=address).request
        assert [request.get(path).status for path in ("a/", "a", "", "b/", "a/index.html")] == [200, 404, 404, 404, 200]
        assert request.get("a/").headers["content-encoding"] == "gzip"
