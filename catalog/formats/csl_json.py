"""CSL-JSON, as pandoc, Zotero and every processor of the Citation Style Language read it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from catalog.formats.publication import Kind, Publication, address, split_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from catalog.records import Work

__all__ = ["csl_json", "item"]

_TYPES = {
    Kind.CONFERENCE: "paper-conference",
    Kind.JOURNAL: "article-journal",
    Kind.PREPRINT: "article",
    Kind.THESIS: "thesis",
    Kind.REPORT: "report",
    Kind.CHAPTER: "chapter",
    Kind.BOOK: "book",
    Kind.SOFTWARE: "software",
}


def csl_json(works: Iterable[Work]) -> str:
    """A list of items, in the order given."""
    return json.dumps([item(work) for work in works], ensure_ascii=False, indent=2) + "\n"


def item(work: Work) -> dict[str, Any]:
    """One work."""
    publication = Publication.of(work)
    found = {
        "id": work.id,
        "type": _TYPES[publication.kind],
        "title": work.title,
        "title-short": work.name if work.name != work.title else None,
        "author": [_name(author) for author in work.authors],
        "container-title": publication.container,
        "publisher": "arXiv" if publication.kind is Kind.PREPRINT else None,
        "number": f"arXiv:{work.links.arxiv}" if work.links.arxiv else None,
        "volume": publication.volume,
        "issue": publication.issue,
        "page": publication.pages,
        "issued": {"date-parts": [[publication.year]]},
        "original-date": {"date-parts": [[int(part) for part in work.published.split("-")]]},
        "DOI": work.links.doi,
        "URL": address(work),
    }
    return {name: value for name, value in found.items() if value is not None}


def _name(author: str) -> dict[str, str]:
    name = split_name(author)
    if not name.given:
        return {"literal": name.family}
    parts = {"family": name.family, "given": name.given, "non-dropping-particle": name.particle}
    return {part: value for part, value in parts.items() if value}
