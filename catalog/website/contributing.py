"""How to contribute: the file of the project, as a page."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from catalog import paths
from catalog.website.content import place
from catalog.website.markdown import Markdown
from catalog.website.page import File, Page, relative

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catalog.website.content import Catalogue

__all__ = ["contributing"]

_PAGE = "contributing/index.md"
_LINK = re.compile(r"\[([^]\n]+)\]\(([^)\s]+)\)")


def contributing(site: Catalogue) -> Iterator[Page | File]:
    """The page; its links to files of the project lead to the pages that show them, where there are any."""
    text = _LINK.sub(partial(_link, site), paths.CONTRIBUTING.read_text(encoding="utf-8"))
    heading, _, rest = text.partition("\n")
    yield Page(_PAGE, "contributing", values={"heading": heading.lstrip("# "), "text": Markdown(rest.strip())})


def _link(site: Catalogue, match: re.Match[str]) -> str:
    label, target = match.groups()
    if re.match(r"[a-z]+:|#", target):
        return match[0]
    if target.startswith("papers/schema/"):
        return f"[{label}]({relative(_PAGE, 'api/index.md', 'record-schemas')})"
    if module := re.fullmatch(r"reproductions/(\w+)\.py", target):
        paper = module[1].replace("_", "-")
        if paper in site.library:
            return f"[{label}]({relative(_PAGE, *place(site.library[paper]))})"
    return f"`{label}`"
