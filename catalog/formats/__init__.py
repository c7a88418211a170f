"""What the catalogue knows, in the formats of other programs: one file a format."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from catalog.graph import Lineage, Link, Step
    from catalog.outline import Outline
    from catalog.relations import Relation

__all__ = ["Arrow", "Node", "arrows", "arrows_among"]


class Node(Protocol):
    """What a graph shows of a work."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def year(self) -> int: ...


class Arrow(NamedTuple):
    """One way in which one work of a lineage builds on another."""

    older: str
    younger: str
    relation: Relation
    what: str


def arrows(shown: Lineage) -> Iterator[Arrow]:
    """Every way in which works of a lineage build on one another, whichever way the lineage looks."""
    for step in shown.papers:
        links: tuple[Step | Link, ...] = (step, *step.also)
        for link in links:
            if link.parent is not None and link.relation is not None and link.what is not None:
                older, younger = link.parent, step.id
                if shown.direction == "ancestors":
                    older, younger = younger, older
                yield Arrow(older, younger, link.relation, link.what)


def arrows_among(outlines: Collection[Outline]) -> Iterator[Arrow]:
    """Every way in which some works build on one another."""
    known = {outline.id for outline in outlines}
    for outline in outlines:
        for edge in outline.builds_on:
            if edge.paper in known:
                yield Arrow(edge.paper, outline.id, edge.relation, edge.what)
