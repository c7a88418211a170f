"""The picture of a paper between what it builds on and what builds on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalog.text import counted, listed
from catalog.website import glyphs
from catalog.website.content import Catalogue, place
from catalog.website.layered import layered
from catalog.website.lineage import EXPLORER
from catalog.website.markdown import Markdown
from catalog.website.svg import element, figure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from catalog.records import Ancestor, Paper, Relation
    from catalog.website.layered import Edge

__all__ = ["MOST", "neighbourhood"]

MOST = 8
"""Largest number of works on either side."""

_MARGIN = 8
_PITCH = 34  # a name, and below it a relation


def neighbourhood(site: Catalogue, paper: Paper, href: Callable[..., str]) -> Markdown:
    """Draw a paper between its ancestors, on its left, and its descendants.

    Ancestors are those on which it builds directly and, where there is room, those from which these descend.

    Args:
        site: the catalogue.
        paper: one of its papers.
        href: gives the address of a page and of an anchor in it, as the page links to it.

    Returns:
        A figure; nothing where a paper stands alone.
    """
    parents = _strongest((step.paper, step) for step in paper.builds_on)
    led = sorted(site.led_to[paper.id], key=lambda pair: -len(site.led_to[pair[0].id]))  # the most built on first
    children = _strongest((later.id, step) for later, step in led)
    if not parents and not children:
        return Markdown("")
    near, right = list(parents)[:MOST], list(children)[:MOST]
    far: dict[str, list[tuple[str, Relation]]] = {}
    for work in near:
        for step in getattr(site.library.work(work), "builds_on", ()):
            new = step.paper not in parents and (step.paper in far or len(far) + len(near) < MOST)
            if new and step.relation.is_descent:
                far.setdefault(step.paper, []).append((work, step.relation))
    columns = [column for column in (list(far), near, [paper.id], right) if column]
    edges: dict[Edge, None] = {(work, to, str(how)): None for work, ways in far.items() for to, how in ways}
    edges |= {(work, paper.id, str(how)): None for work in near for how in parents[work]}
    edges |= {(paper.id, work, str(how)): None for work in right for how in children[work]}
    said = {work: listed(dict.fromkeys(how for _, how in ways)) for work, ways in far.items()}
    said |= {work: listed(parents[work]) for work in near} | {work: listed(children[work]) for work in right}
    works = {work: site.library.work(work) for column in columns for work in column}
    widths = {
        key: max(glyphs.room(work), 2 * glyphs.RADIUS + 8 + 0.85 * glyphs.width(said.get(key, "")))
        for key, work in works.items()
    }
    drawing = layered(columns, edges, widths=widths, pitch=_PITCH, lane=6, gap=44)

    def lines() -> Iterable[Markdown]:
        for edge in edges:
            yield element("path", d=glyphs.curve(drawing.routes[edge]), class_=f"relation {edge[2]}")

    def names() -> Iterable[Markdown]:
        yield from glyphs.marks_of([(work, drawing.positions[key]) for key, work in works.items()], glyphs.marks(site))
        for key, work in works.items():
            x, y = drawing.positions[key]
            yield glyphs.name(work, x, y, href=None if work is paper else href(*place(work)))
            if key in said:
                yield element("text", said[key], x=round(x) + 2 * glyphs.RADIUS + 4, y=round(y) + 17, class_="how")

    selection = f"{href(EXPLORER)}?paper={paper.id}"
    left_out = [
        element(
            "a",
            element(
                "text",
                f"and {counted(len(all_) - MOST, 'other')}",
                x=round(drawing.positions[shown[0]][0]) + 14,
                y=round(drawing.height) + 16,
            ),
            href=selection,
            class_="more",
        )
        for all_, shown in ((parents, near), (children, right))
        if len(all_) > MOST
    ]
    width, height = round(drawing.width) + 2 * _MARGIN, round(drawing.height) + _MARGIN + (24 if left_out else 0)
    drawn = element(
        "svg",
        element("g", *lines(), *names(), *left_out, transform=f"translate({_MARGIN} 0)"),
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        role="group",
        aria_label=_described(site, paper, list(parents), list(children)),
        class_="lineage",
    )
    return figure(element("div", drawn, class_="wide"))


def _strongest(steps: Iterable[tuple[str, Ancestor]]) -> dict[str, list[Relation]]:
    """The works at the other end with their relations, the strongest first."""
    found: dict[str, list[Relation]] = {}
    for work, step in sorted(steps, key=lambda pair: pair[1].relation.rank):
        if step.relation not in found.setdefault(work, []):
            found[work].append(step.relation)
    return found


def _described(site: Catalogue, paper: Paper, parents: list[str], children: list[str]) -> str:
    def some(works: list[str]) -> str:
        names = [site.library.work(work).name for work in works[:MOST]]
        return listed([*names, counted(len(works) - MOST, "other")] if len(works) > MOST else names)

    builds = f"builds on {some(parents)}" if parents else "builds on nothing in the catalogue"
    led = f"{some(children)} {'build' if len(children) > 1 else 'builds'} on it" if children else "nothing builds on it"
    return f"{paper.name} {builds}; {led}."
