"""The little that questions need of each record: names, dates, and what builds on what.

To read whole records is to check thousands of claims. Names and lineage need none of them, so these outlines are made
once and answer without the record types.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from catalog.relations import Relation

__all__ = ["Edge", "Named", "Outline", "identifier"]


class Edge(NamedTuple):
    """What a paper builds on."""

    paper: str
    relation: Relation
    what: str
    part: str | None


class Outline(NamedTuple):
    """A paper of the catalogue, or a work outside it."""

    id: str
    name: str
    aliases: tuple[str, ...]
    title: str
    published: str
    authors: tuple[str, ...]
    external: bool
    family: str | None
    taxonomy: tuple[str, ...]
    identifiers: tuple[str, ...]
    """As :func:`identifier` writes them."""
    builds_on: tuple[Edge, ...]

    @property
    def year(self) -> int:
        return int(self.published[:4])

    @property
    def spoken(self) -> tuple[str, ...]:
        """All that it is called."""
        return (self.id, self.name, *self.aliases, self.title)

    @classmethod
    def of(cls, data: dict[str, Any], *, external: bool) -> Outline:
        """The outline of a valid record, given as the fields of its file."""
        links = data.get("links", {})
        return cls(
            id=data["id"],
            name=data["name"].strip(),
            aliases=tuple(alias.strip() for alias in data.get("aliases", ())),
            title=data["title"].strip(),
            published=str(data["published"]),
            authors=tuple(author.strip() for author in data["authors"]),
            external=external,
            family=data.get("family"),
            taxonomy=tuple(data.get("taxonomy", ())),
            identifiers=tuple(
                found
                for field in ("arxiv", "doi", "url", "pdf")
                if links.get(field) and (found := identifier(links[field]))
            ),
            builds_on=tuple(
                Edge(edge["paper"], Relation(edge["relation"]), edge["what"].strip(), edge.get("part"))
                for edge in data.get("builds_on", ())
            ),
        )

    @classmethod
    def from_json(cls, values: list[Any]) -> Outline:
        """Read what :mod:`json` has made of an outline: tuples have become lists."""
        fields = [tuple(value) if isinstance(value, list) else value for value in values[:-1]]
        edges = (Edge(paper, Relation(relation), what, part) for paper, relation, what, part in values[-1])
        return cls._make([*fields, tuple(edges)])


class Named(NamedTuple):
    """A family or a topic."""

    id: str
    name: str
    aliases: tuple[str, ...]

    @property
    def spoken(self) -> tuple[str, ...]:
        """All that it is called."""
        return (self.id, self.name, *self.aliases)

    @classmethod
    def from_json(cls, values: list[Any]) -> Named:
        """Read what :mod:`json` has made of it."""
        key, name, aliases = values
        return cls(key, name, tuple(aliases))


_ARXIV = re.compile(
    r"(?:https?://(?:www\.)?arxiv\.org/(?:abs|pdf|html)/|(?:https?://(?:dx\.)?doi\.org/)?10\.48550/arxiv\.|arxiv:\s*)?"
    r"(\d{4}\.\d{4,5}|[a-z-]+(?:\.[a-z]{2})?/\d{7})(?:v\d+)?(?:\.pdf)?/?",
    re.IGNORECASE,
)
_DOI = re.compile(r"(?:https?://(?:dx\.)?doi\.org/|doi:\s*)?(10\.\d{4,9}/\S+)", re.IGNORECASE)
_ADDRESS = re.compile(r"https?://(\S+?)/?", re.IGNORECASE)


def identifier(text: str) -> str | None:
    """An arXiv number, DOI or web address in one spelling, or none where the text is no such thing.

    ``1610.02357``, ``arXiv:1610.02357v3`` and ``https://arxiv.org/abs/1610.02357`` all become ``arxiv:1610.02357``.
    """
    text = text.strip()
    if match := _ARXIV.fullmatch(text):
        return "arxiv:" + match[1].lower()
    if match := _DOI.fullmatch(text):
        return "doi:" + match[1].lower()
    if match := _ADDRESS.fullmatch(text):
        return "web:" + match[1]
    return None
