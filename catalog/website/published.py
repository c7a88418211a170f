"""Where the site is published, and where its readers report errors: what ``mkdocs.yml`` says of both."""

from __future__ import annotations

import re
from typing import Any

from catalog import paths
from catalog.errors import CatalogError
from catalog.source import printable

__all__ = ["issues", "site_url", "url"]

# The server, and perhaps a folder on it. What HTML, XML or a policy would read as something else is in no address.
_SITE = re.compile(r"https?://[\w.-]+(:\d{1,5})?(/[\w.~%+/-]*)?", re.ASCII)


def site_url() -> str:
    """The address of the home page, with a slash at its end: ``site_url`` of ``mkdocs.yml``.

    Raises:
        CatalogError: that is no address of a site.
    """
    said = str(_settings()["site_url"] or "")
    if not _SITE.fullmatch(said):
        raise CatalogError(
            f"'{printable(said)}' is no address of a site, such as https://example.org/papers/ "
            f"(--url, or the variable {paths.SITE_URL_VARIABLE})"
        )
    return said.rstrip("/") + "/"


def issues() -> str:
    """The address of a form for errors, which a title and a body fill in: ``extra.issues``; empty if there is none.

    Raises:
        CatalogError: that is no address.
    """
    said = str(_settings().get("extra", {}).get("issues") or "")
    if said and not re.fullmatch(r"https?://\S+", said):
        raise CatalogError(f"'{printable(said)}' is no address of a form for errors (REPRO_ISSUES_URL)")
    return said


def _settings() -> dict[str, Any]:
    """What ``mkdocs.yml`` says, with the variables of the environment that it names."""
    from mkdocs.utils.yaml import yaml_load

    found: dict[str, Any] = yaml_load(paths.MKDOCS.read_text(encoding="utf-8"))
    return found


def url(site: str, file: str, anchor: str = "") -> str:
    """The address of a file of the docs folder, and of an anchor in it.

    Args:
        site: what :func:`site_url` gives.
        file: such as ``papers/xception/index.md``, which is shown at ``papers/xception/``.
        anchor: where in the page.
    """
    shown = file.removesuffix("index.md")
    return f"{site}{shown}#{anchor}" if anchor else f"{site}{shown}"
