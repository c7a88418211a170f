"""Where the site is published: what its absolute addresses begin with."""

from __future__ import annotations

import re

from catalog import paths
from catalog.errors import CatalogError
from catalog.source import printable

__all__ = ["site_url", "url"]

# The server, and perhaps a folder on it. What HTML, XML or a policy would read as something else is in no address.
_SITE = re.compile(r"https?://[\w.-]+(:\d{1,5})?(/[\w.~%+/-]*)?", re.ASCII)


def site_url() -> str:
    """The address of the home page, with a slash at its end: ``site_url`` of ``mkdocs.yml``.

    Raises:
        CatalogError: that is no address of a site.
    """
    from mkdocs.utils.yaml import yaml_load

    said = str(yaml_load(paths.MKDOCS.read_text(encoding="utf-8"))["site_url"] or "")
    if not _SITE.fullmatch(said):
        raise CatalogError(
            f"'{printable(said)}' is no address of a site, such as https://example.org/papers/ "
            f"(--url, or the variable {paths.SITE_URL_VARIABLE})"
        )
    return said.rstrip("/") + "/"


def url(site: str, file: str, anchor: str = "") -> str:
    """The address of a file of the docs folder, and of an anchor in it.

    Args:
        site: what :func:`site_url` gives.
        file: such as ``papers/xception/index.md``, which is shown at ``papers/xception/``.
        anchor: where in the page.
    """
    shown = file.removesuffix("index.md")
    return f"{site}{shown}#{anchor}" if anchor else f"{site}{shown}"
