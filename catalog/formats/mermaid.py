"""Lineage as a Mermaid flowchart, which GitHub and MkDocs Material draw from a code block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalog.formats import arrows

if TYPE_CHECKING:
    from catalog.graph import Lineage

__all__ = ["lineage"]


def lineage(shown: Lineage) -> str:
    """A flowchart of a lineage: the older work stands left; an arrow is dotted where nothing descends (`applies`)."""
    lines = ["flowchart LR"]
    lines += [f'    {_node(step.id)}["{_label(step.name)} ({step.year})"]' for step in shown.papers]
    for arrow in arrows(shown):
        line = "-->" if arrow.relation.is_descent else "-.->"
        lines.append(f"    {_node(arrow.older)} {line}|{arrow.relation}| {_node(arrow.younger)}")
    lines.append("    classDef asked stroke-width:3px")
    lines.append(f"    class {','.join(map(_node, shown.of))} asked")
    return "\n".join(lines) + "\n"


def _node(paper: str) -> str:
    # An id may be a word of the language ("end"), and hyphens make arrows; ids have no underscores, so none collide.
    return "paper_" + paper.replace("-", "_")


def _label(name: str) -> str:
    # Mermaid reads a label as HTML, with its own way of writing characters by number.
    return "".join(f"#{ord(character)};" if character in '"#&<>\\`' else character for character in name)
