"""What holds of every page of the site, on a phone: nothing fails, nothing leaves the site, nothing is too wide."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.browsing import PHONE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.browser.browsing import Visit

_PARTS = 4  # tests that several processes share


def addresses(site: Path) -> list[str]:
    """The pages of a site, each as its address below the root."""
    return [
        "404.html",
        *sorted(f"{path.parent.relative_to(site)}/".removeprefix("./") for path in site.rglob("index.html")),
    ]


def too_wide(visit: Visit) -> str:
    """What sticks out of the window to the right, if the page can be scrolled there."""
    return visit.page.evaluate(
        """() => {
            const room = document.documentElement.clientWidth;
            if (document.scrollingElement.scrollWidth <= room) return "";
            const out = [...document.querySelectorAll("body *")].filter(
                (part) => part.getBoundingClientRect().right > room + 1 && part.checkVisibility()
            );
            return `${document.scrollingElement.scrollWidth} of ${room}: ${out.at(-1)?.outerHTML.slice(0, 200)}`;
        }"""
    )


@pytest.mark.parametrize("part", range(_PARTS))
def test_every_page_on_a_phone(whole: Path, visit: Callable[..., Visit], part: int) -> None:
    window = visit(width=PHONE)
    wide = {}
    for address in addresses(whole)[part::_PARTS]:
        window.open(address)
        if found := too_wide(window):
            wide[address] = found
    assert wide == {}


@pytest.mark.parametrize("path", ["", "papers/", "papers/xception/", "lineage/", "verification/counting/"])
def test_the_narrowest_phones(visit: Callable[..., Visit], path: str) -> None:
    window = visit(width=320)
    window.open(path)
    assert too_wide(window) == ""
