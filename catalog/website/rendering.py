"""Rendering Markdown by MkDocs, with nothing of it that another program that reads ``mkdocs.yml`` could not do."""

from __future__ import annotations

import importlib.util
import logging
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from catalog import paths
from catalog.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["need_mkdocs", "render", "render_changed"]


def need_mkdocs() -> None:
    if any(importlib.util.find_spec(name) is None for name in ("jinja2", "mkdocs", "material")):
        raise CatalogError("the site needs mkdocs-material: pip install 'repro[site]'")


def render(docs: Path, site: Path) -> None:
    """Render a folder of Markdown by MkDocs, which must have nothing to complain about.

    Raises:
        CatalogError: it has, or a page cannot be rendered.
    """
    _mkdocs(docs, site, strict=True)


def render_changed(docs: Path, site: Path) -> None:
    """Render again the pages that have changed since, and copy the files.

    The search finds what it found before, and links are not checked.

    Raises:
        CatalogError: a page cannot be rendered.
    """
    search = site / "search" / "search_index.json"
    found = search.read_bytes()
    try:
        _mkdocs(docs, site, strict=False)
    finally:
        search.write_bytes(found)  # MkDocs knows only what it has rendered


def _mkdocs(docs: Path, site: Path, *, strict: bool) -> None:
    with _quiet_mkdocs() as complaints:
        from mkdocs.commands.build import build as mkdocs_build
        from mkdocs.config import load_config
        from mkdocs.exceptions import MkDocsException

        folders = {"docs_dir": str(docs.resolve()), "site_dir": str(site.resolve())}
        try:
            mkdocs_build(load_config(str(paths.MKDOCS), strict=strict, **folders), dirty=not strict)
        except MkDocsException as error:
            details = "\n".join(complaints) or str(error)
            raise CatalogError(f"MkDocs cannot render {docs}:\n{details}") from None


@contextmanager
def _quiet_mkdocs() -> Iterator[list[str]]:
    """Collect MkDocs' warnings instead of printing them, and keep the date of the build out of what it makes."""
    complaints: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            complaints.append(record.getMessage())

    logger, collector = logging.getLogger("mkdocs"), Collector(logging.WARNING)
    propagate = logger.propagate
    settings = {"NO_MKDOCS_2_WARNING": "1", "SOURCE_DATE_EPOCH": "0"}
    added = {name: value for name, value in settings.items() if name not in os.environ}
    logger.addHandler(collector)
    logger.propagate = False
    os.environ.update(added)
    try:
        yield complaints
    finally:
        logger.removeHandler(collector)
        logger.propagate = propagate
        for name in added:
            del os.environ[name]
