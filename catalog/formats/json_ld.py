"""JSON-LD in the words of schema.org, as search engines and linked-data tools read it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from catalog.formats.publication import Kind, Publication, address, split_name
from catalog.records import Paper

if TYPE_CHECKING:
    from collections.abc import Iterable

    from catalog.library import Library
    from catalog.records import Work

__all__ = ["article", "json_ld"]

CONTEXT = {"@vocab": "https://schema.org/"}
"""All terms are schema.org's. Its own context would have to be fetched, and says no more."""


def json_ld(works: Iterable[Work], library: Library) -> str:
    """A graph of scholarly articles, in the order given; what they build on is cited."""
    graph = [article(work, library) for work in works]
    return json.dumps({"@context": CONTEXT, "@graph": graph}, ensure_ascii=False, indent=2) + "\n"


def article(work: Work, library: Library) -> dict[str, Any]:
    """One work, with what it builds on as citations."""
    publication = Publication.of(work)
    found: dict[str, Any] = {
        "@type": "SoftwareSourceCode" if publication.kind is Kind.SOFTWARE else "ScholarlyArticle",
        "@id": address(work),
        "identifier": work.id,
        "headline": work.title,
        "name": work.title,
        "alternateName": [name for name in (work.name, *work.aliases) if name != work.title] or None,
        "author": [_person(author) for author in work.authors],
        "datePublished": work.published,
        "isPartOf": publication.container and {"@type": "CreativeWork", "name": publication.container},
        "sameAs": work.links.arxiv and f"https://arxiv.org/abs/{work.links.arxiv}",
        "url": address(work),
    }
    if isinstance(work, Paper):
        found["abstract"] = work.summary
        found["keywords"] = [library.topic(topic).name for topic in work.taxonomy]
        found["citation"] = [_cited(library.work(step.paper)) for step in work.builds_on] or None
    return {name: value for name, value in found.items() if value}


def _person(author: str) -> dict[str, str]:
    name = split_name(author)
    family = f"{name.particle} {name.family}".strip()
    parts = {"@type": "Person", "name": author, "givenName": name.given, "familyName": family}
    return {part: value for part, value in parts.items() if value}


def _cited(work: Work) -> dict[str, Any]:
    found = {"@type": "ScholarlyArticle", "@id": address(work), "name": work.title, "datePublished": work.published}
    return {name: value for name, value in found.items() if value}
