"""The page for those who want the catalogue in a program of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalog import schema
from catalog.formats.export import FORMATS
from catalog.website import api
from catalog.website.fields import Table, tables
from catalog.website.page import File, Page

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from catalog.website.content import Catalogue

__all__ = ["programs"]


def programs(site: Catalogue) -> Iterator[Page | File]:
    """What there is for programs, and what it holds, field by field."""
    kinds = api.DOCUMENTS
    defined = schema.together(kinds, site.url(api.SCHEMA))["$defs"]
    told: set[str] = set()
    values = {
        "formats": FORMATS,
        "schemas": {kind: f"{schema.FOLDER}/{kind}.json" for kind in schema.Kind},
        "documents": [list(_untold(tables(defined, kind.__name__), told)) for kind in kinds],
        "records": list(_untold(_records(), told)),
        "paper": next(iter(site.with_claims or site.papers)),
    }
    yield Page("api/index.md", "programs", values=values)


def _records() -> Iterator[Table]:
    """The fields of the files of records."""
    for kind in schema.Kind:
        made = schema.schema(kind)
        yield from tables(made.get("$defs", {}) | {made["title"]: made}, made["title"])


def _untold(found: Iterable[Table], told: set[str]) -> Iterator[Table]:
    """The tables of types that none of those before has told of."""
    for table in found:
        if table.name not in told:
            told.add(table.name)
            yield table
