"""Lineage in DOT, the language of Graphviz."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalog.formats import arrows

if TYPE_CHECKING:
    from catalog.graph import Lineage

__all__ = ["lineage"]


def lineage(shown: Lineage) -> str:
    """A digraph of a lineage: the older work stands left; an arrow is dashed where nothing descends (`applies`)."""
    lines = ["digraph lineage {", "    rankdir=LR;", '    node [shape=box, style=rounded, fontname="Helvetica"];']
    for step in shown.papers:
        pen = ", penwidth=2.5" if step.id in shown.of else ""
        lines.append(f"    {_quoted(step.id)} [label={_quoted(f'{step.name} ({step.year})')}{pen}];")
    for arrow in arrows(shown):
        style = "" if arrow.relation.is_descent else ", style=dashed"
        attributes = f"label={_quoted(arrow.relation)}, tooltip={_quoted(arrow.what)}{style}"
        lines.append(f"    {_quoted(arrow.older)} -> {_quoted(arrow.younger)} [{attributes}];")
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(text: str) -> str:
    return '"' + " ".join(text.split()).replace("\\", "\\\\").replace('"', '\\"') + '"'
