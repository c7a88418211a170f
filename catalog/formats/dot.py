"""The graph of who builds on whom in DOT, the language of Graphviz.

Older works stand left. An arrow leads to the younger work; it is dashed where nothing descends (`applies`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalog.formats import arrows

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from catalog.formats import Arrow, Node
    from catalog.graph import Lineage

__all__ = ["graph", "lineage"]


def lineage(shown: Lineage) -> str:
    """A lineage; the works that were asked about have thick borders."""
    return graph(shown.papers, arrows(shown), shown.of)


def graph(nodes: Iterable[Node], edges: Iterable[Arrow], asked: Collection[str] = ()) -> str:
    """A digraph of works and of how they build on one another."""
    lines = ["digraph lineage {", "    rankdir=LR;", '    node [shape=box, style=rounded, fontname="Helvetica"];']
    for node in nodes:
        pen = ", penwidth=2.5" if node.id in asked else ""
        lines.append(f"    {_quoted(node.id)} [label={_quoted(f'{node.name} ({node.year})')}{pen}];")
    for arrow in edges:
        style = "" if arrow.relation.is_descent else ", style=dashed"
        attributes = f"label={_quoted(arrow.relation)}, tooltip={_quoted(arrow.what)}{style}"
        lines.append(f"    {_quoted(arrow.older)} -> {_quoted(arrow.younger)} [{attributes}];")
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(text: str) -> str:
    return '"' + " ".join(text.split()).replace("\\", "\\\\").replace('"', '\\"') + '"'
