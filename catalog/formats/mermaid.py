"""The graph of who builds on whom as a Mermaid flowchart, which GitHub and MkDocs Material draw from a code block.

Older works stand left. An arrow leads to the younger work; it is dotted where nothing descends (`applies`).
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
    """A flowchart of works and of how they build on one another."""
    lines = ["flowchart LR"]
    lines += [f'    {_node(node.id)}["{_label(node.name)} ({node.year})"]' for node in nodes]
    for arrow in edges:
        line = "-->" if arrow.relation.is_descent else "-.->"
        lines.append(f"    {_node(arrow.older)} {line}|{arrow.relation}| {_node(arrow.younger)}")
    if asked:
        lines.append("    classDef asked stroke-width:3px")
        lines.append(f"    class {','.join(map(_node, asked))} asked")
    return "\n".join(lines) + "\n"


def _node(paper: str) -> str:
    # An id may be a word of the language ("end"), and hyphens make arrows; ids have no underscores, so none collide.
    return "paper_" + paper.replace("-", "_")


def _label(name: str) -> str:
    # Mermaid reads a label as HTML, with its own way of writing characters by number.
    return "".join(f"#{ord(character)};" if character in '"#&<>\\`' else character for character in name)
