"""The page for those who want the catalogue in a program of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from catalog import schema
from catalog.formats.export import FORMATS
from catalog.website.fields import Table, tables
from catalog.website.page import File, Page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catalog.website.content import Catalogue

__all__ = ["programs"]


def programs(site: Catalogue) -> Iterator[Page | File]:
    """What there is for programs, and what it holds, field by field."""
    values = {
        "formats": FORMATS,
        "schemas": {kind: f"{schema.FOLDER}/{kind}.json" for kind in schema.Kind},
        "records": list(_records()),
        "paper": next(iter(site.with_claims or site.papers)),
    }
    yield Page("api/index.md", "programs", values=values)


def _records() -> Iterator[Table]:
    """The fields of records; what several kinds of files hold is told once."""
    told = set()
    for kind in schema.Kind:
        made = schema.schema(kind)
        definitions: dict[str, Any] = made.get("$defs", {}) | {made["title"]: made}
        for table in tables(definitions, made["title"]):
            if table.name not in told:
                told.add(table.name)
                yield table
