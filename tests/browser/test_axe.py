"""axe-core finds nothing: on one page of each kind and on some papers; with --all-pages on all, in every look."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.browser.browsing import DESKTOP, PHONE
from tests.browser.test_every_page import addresses

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from tests.browser.browsing import Visit

_PAPERS = 4  # the longest pages

# What is out of view has no place yet, and axe would see it lie upon something else.
_ALL_LAID_OUT = "* { content-visibility: visible !important; }"

# All that axe knows, and the size of targets, which it leaves out unless it is asked.
_RUN = """async (phone) => {
    const idle = () => new Promise((done) => requestIdleCallback(done));
    await idle(); // the theme and accessible.js have done what they do
    await idle();
    const found = await axe.run(document, {
        resultTypes: ["violations"],
        rules: { "target-size": { enabled: phone } },
    });
    return found.violations.flatMap(({ id, nodes }) =>
        nodes.map(({ target, any, all, none }) => `${id} ${target}: ${[...any, ...all, ...none][0]?.message}`)
    );
}"""


def chosen(whole: Path, all_pages: bool) -> list[str]:
    """Every page; or one of each folder that has several, and the papers with the longest pages."""
    pages = addresses(whole)
    if all_pages:
        return pages
    longest = sorted(
        (page for page in pages if page.startswith("papers/") and page != "papers/"),
        key=lambda page: -(whole / page / "index.html").stat().st_size,
    )
    kinds = {page.split("/")[0]: page for page in reversed(pages) if page.count("/") > 1}
    return sorted({*kinds.values(), *(page for page in pages if page.count("/") <= 1), *longest[:_PAPERS]})


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "look" in metafunc.fixturenames:
        every = metafunc.config.getoption("all_pages")
        looks = [("light", DESKTOP), ("dark", PHONE), *([("dark", DESKTOP), ("light", PHONE)] if every else [])]
        metafunc.parametrize("look", looks, ids=lambda look: f"{look[0]}-{look[1]}")


def test_axe_finds_nothing(
    whole: Path, visit: Callable[..., Visit], node_modules: Path, pytestconfig: pytest.Config, look: tuple[str, int]
) -> None:
    scheme, width = look
    window = visit(width=width, color_scheme=scheme)
    axe = (node_modules / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
    found = {}
    for address in chosen(whole, pytestconfig.getoption("all_pages")):
        page = window.open(address)
        page.add_style_tag(content=_ALL_LAID_OUT)
        page.evaluate(axe)
        if violations := page.evaluate(_RUN, width == PHONE):
            found[address] = violations
    assert found == {}
