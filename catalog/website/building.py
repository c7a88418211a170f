"""The whole way from a catalogue to a site."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from catalog import paths
from catalog.website import folder, pages, policy, published, rendering

if TYPE_CHECKING:
    from catalog.library import Library

__all__ = ["build", "complete", "update"]


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
        CatalogError: mkdocs-material is not installed, the site has no address, a folder holds something else, or
            rendering found a mistake, such as a link that leads nowhere or a script that browsers would not run.
    """
    into = paths.output_folder() if into is None else Path(into)
    rendering.need_mkdocs()
    published.site_url()  # before anything is written
    docs, site = into / "docs", into / "site"
    folder.own(docs)
    folder.write(docs, pages.files(library))
    if not render:
        return docs
    folder.own(site)
    rendering.render(docs, site)
    policy.check(site)
    return site


def update(library: Library, into: Path) -> None:
    """Bring the pages of a built site up to date, in much less time than it takes to build all of it.

    What has to be made from all pages stays behind: the search and the check of the links, for which :func:`complete`
    is there, and pages that are no more.

    Raises:
        CatalogError: as for :func:`build`.
    """
    folder.write(into / "docs", pages.files(library))
    rendering.render_changed(into / "docs", into / "site")


def complete(into: Path) -> None:
    """Build all of a site from its Markdown, beside the one that is being read, and then put it in its place.

    Raises:
        CatalogError: rendering found a mistake, as for :func:`build`; the site stays.
    """
    beside = into / "next"
    folder.own(beside)
    rendering.render(into / "docs", beside)
    policy.check(beside)
    folder.write(into / "site", folder.read(beside))
    folder.remove(beside)
