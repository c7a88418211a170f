"""How pictures of the lineage draw works and relations: marks by topic, dashes by relation, names of a known width.

Every mark differs from the others by shape and every relation by its dashes, so that nothing depends on colour.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from catalog.records import Relation
from catalog.text import shortened
from catalog.website.svg import element

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from catalog.records import ExternalWork, Paper
    from catalog.website.content import Catalogue
    from catalog.website.layered import Point
    from catalog.website.markdown import Markdown

__all__ = ["DASHES", "MARKS", "RADIUS", "SIZE", "curve", "label", "mark_of", "marks", "symbols", "width", "work"]

DASHES: dict[Relation, tuple[float, ...]] = {
    Relation.EXTENDS: (),
    Relation.SIMPLIFIES: (12, 4),
    Relation.GENERALIZES: (12, 3, 2, 3),
    Relation.COMPRESSES: (6, 3),
    Relation.COMBINES: (6, 2, 1.5, 2, 1.5, 2),
    Relation.APPLIES: (2, 3),
    Relation.ANALYSES: (1, 5),
}
"""Lengths of strokes and of the spaces between them; none for a line."""

_STAR = (
    0,
    -1,
    0.25,
    -0.32,
    0.95,
    -0.3,
    0.4,
    0.14,
    0.6,
    0.85,
    0,
    0.42,
    -0.6,
    0.85,
    -0.4,
    0.14,
    -0.95,
    -0.3,
    -0.25,
    -0.32,
)
_PLUS = (-0.35, -1, 0.35, -1, 0.35, -0.35, 1, -0.35, 1, 0.35, 0.35, 0.35)
MARKS: tuple[tuple[float, ...], ...] = (
    (-1, -0.35, 1, -0.35, 1, 0.35, -1, 0.35),
    (),
    (-0.85, -0.85, 0.85, -0.85, 0.85, 0.85, -0.85, 0.85),
    (0, -1, 0.95, 0.8, -0.95, 0.8),
    (0, -1, 1, 0, 0, 1, -1, 0),
    _STAR,
    (-0.95, -0.8, 0.95, -0.8, 0, 1),
    (*_PLUS, 0.35, 1, -0.35, 1, -0.35, 0.35, -1, 0.35, -1, -0.35, -0.35, -0.35),
    (-1, -1, 0, -0.45, 1, -1, 0.45, 0, 1, 1, 0, 0.45, -1, 1, -0.45, 0),
)
"""The shapes, as corners from -1 to 1; none for a circle. The first is for what belongs to no large topic."""

RADIUS = 5
"""Half the size of a mark, in pixels."""

SIZE = 13
"""Height of the letters of a name, in pixels."""

_NARROW, _WIDE = frozenset("fijlrtI.,:;'|!()[]{}1- "), frozenset("mwMW@%&—…")


def marks(site: Catalogue) -> dict[str, int]:
    """The number of the mark of each topic of the first level: those with the most papers have one of their own."""
    papers = Counter(paper.taxonomy[0].partition("/")[0] for paper in site.papers)
    topics = sorted((topic.id for topic in site.subtopics(None)), key=lambda topic: -papers[topic])
    return {topic: number if number < len(MARKS) and papers[topic] else 0 for number, topic in enumerate(topics, 1)}


def mark_of(work: Paper | ExternalWork, marks: Mapping[str, int]) -> int:
    """The number of the mark of a work, by the first of its topics."""
    return marks[work.taxonomy[0].partition("/")[0]] if work.taxonomy else 0


def label(work: Paper | ExternalWork) -> str:
    """The name of a work, no longer than a picture has room for."""
    return shortened(work.name, 24)


def width(text: str) -> float:
    """How wide a text in the page's sans serif is at most, in pixels; fonts differ."""
    units = (0.34 if one in _NARROW else 0.88 if one in _WIDE else 0.68 if one.isupper() else 0.55 for one in text)
    return SIZE * sum(units)


def symbols(used: Sequence[int]) -> Markdown:
    """The marks, to be drawn by :func:`work`."""

    def shape(number: int) -> Markdown:
        corners = [round(RADIUS * value, 1) for value in MARKS[number]]
        if not corners:
            return element("circle", id=f"mark-{number}", r=RADIUS)
        return element("path", id=f"mark-{number}", d=f"M{_numbers(corners)}z")

    return element("defs", *map(shape, sorted(set(used))))


def work(
    name: str, x: float, y: float, mark: int, *, href: str, outside: bool = False, here: bool = False, title: str = ""
) -> Markdown:
    """A work as a link: its mark, centred on a point, and its name to the right.

    Args:
        name: as it is written.
        x: of the mark's left end, in pixels.
        y: of its middle, in pixels.
        mark: its number.
        href: the address of its page.
        outside: whether it is a work outside the catalogue, which is drawn hollow.
        here: whether it is what the page is about, which needs no link.
        title: what is shown when somebody points at it; nothing if empty.
    """
    x, y = round(x), round(y)
    classes = [f"topic-{mark}", *(["outside"] if outside else []), *(["here"] if here else [])]
    return element(
        "g" if here else "a",
        *([element("title", title)] if title else []),
        element("use", href=f"#mark-{mark}", x=x + RADIUS, y=y),
        element("text", name, x=x + 2 * RADIUS + 4, y=y + 4),
        href=None if here else href,
        class_=" ".join(classes),
    )


def curve(points: Sequence[Point]) -> str:
    """A way through points, for the attribute ``d``: level where their height is the same, otherwise like an S."""
    (x, y), *others = [(round(x), round(y)) for x, y in points]
    way = f"M{x} {y}"
    for to_x, to_y in others:
        middle = (x + to_x) // 2
        way += f"H{to_x}" if to_y == y else f"C{middle} {y} {middle} {to_y} {to_x} {to_y}"
        x, y = to_x, to_y
    return way


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:g}" for value in values)
