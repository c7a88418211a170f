"""What the catalogue knows, in the formats of other programs: one file a format."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catalog.graph import Lineage, Link, Step
    from catalog.relations import Relation

__all__ = ["Arrow", "arrows"]


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
