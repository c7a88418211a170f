"""The whole way from a catalogue to a site."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from catalog import paths
from catalog.website import folder, pages, policy, rendering

if TYPE_CHECKING:
    from catalog.library import Library

__all__ = ["build"]


def build(library: Library, into: Path | None = None, *, render: bool = True) -> Path:
    """Write the site's Markdown to ``into/docs`` and render it to ``into/site``.

    Args:
        library: the catalogue that the site shows.
        into: the folder for both; :func:`catalog.paths.output_folder` if omitted. What an earlier build left there and
            this one does not make is removed.
        render: whether to render; otherwise only the Markdown is written.

    Returns:
        The folder of the site, or of the Markdown when nothing was rendered.

    Raises:
        CatalogError: mkdocs-material is not installed, a folder holds something else, or rendering found a mistake,
            such as a link that leads nowhere, or a script that browsers would not run.
    """
    into = paths.output_folder() if into is None else Path(into)
    rendering.need_mkdocs()
    docs, site = into / "docs", into / "site"
    folder.own(docs)
    folder.write(docs, pages.files(library))
    if not render:
        return docs
    folder.own(site)
    rendering.render(docs, site)
    policy.check(site)
    return site
