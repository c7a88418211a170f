"""How papers build on one another."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Relation"]


class Relation(StrEnum):
    """How a paper builds on an ancestor, the strongest first."""

    EXTENDS = "extends"
    SIMPLIFIES = "simplifies"
    GENERALIZES = "generalizes"
    COMPRESSES = "compresses"
    COMBINES = "combines"
    APPLIES = "applies"
    ANALYSES = "analyses"

    @property
    def is_descent(self) -> bool:
        """Whether lineage follows this relation on and on; the others end in a leaf."""
        return self in _DESCENT

    @property
    def rank(self) -> int:
        """0 for the strongest relation."""
        return _RANK[self]


_DESCENT = frozenset({Relation.EXTENDS, Relation.SIMPLIFIES, Relation.GENERALIZES, Relation.COMPRESSES})
_RANK = {relation: rank for rank, relation in enumerate(Relation)}
