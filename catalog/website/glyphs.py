"""How pictures of the lineage draw works and relations: marks by topic, dashes by relation, names of a known width.

Every mark differs from the others by shape and every relation by its dashes, so that nothing depends on colour.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from catalog.records import ExternalWork, Relation
from catalog.text import shortened
from catalog.website.svg import element

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from catalog.records import Paper
    from catalog.website.content import Catalogue
    from catalog.website.layered import Point
    from catalog.website.markdown import Markdown

__all__ = [
    "DASHES",
    "MARKS",
    "RADIUS",
    "SIZE",
    "curve",
    "label",
    "mark",
    "mark_of",
    "marks",
    "marks_of",
    "name",
    "room",
    "width",
]

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


def room(work: Paper | ExternalWork) -> float:
    """How wide a work is with its mark and its name, in pixels."""
    return 2 * RADIUS + 8 + width(label(work))


def width(text: str) -> float:
    """How wide a text in the page's sans serif is at most, in pixels; fonts differ."""
    units = (0.34 if one in _NARROW else 0.88 if one in _WIDE else 0.68 if one.isupper() else 0.55 for one in text)
    return SIZE * sum(units)


def mark(number: int, x: float, y: float) -> str:
    """A mark with its left end at a point, for the attribute ``d``."""
    corners = [round(RADIUS * value, 1) for value in MARKS[number]]
    left, middle = round(x), round(y)
    if not corners:
        return f"M{left} {middle}a{RADIUS} {RADIUS} 0 1 0 {2 * RADIUS} 0a{RADIUS} {RADIUS} 0 1 0-{2 * RADIUS} 0"
    places = [
        f"{left + RADIUS + across:g} {middle + down:g}"
        for across, down in zip(corners[::2], corners[1::2], strict=True)
    ]
    return f"M{'L'.join(places)}z"


def name(work: Paper | ExternalWork, x: float, y: float, *, href: str | None) -> Markdown:
    """The name of a work beside its mark.

    Args:
        work: a paper, or a work outside the catalogue.
        x: of the mark's left end, in pixels.
        y: of its middle, in pixels.
        href: the address of its page; none for what the page itself is about.
    """
    shown = label(work)
    text = element("text", shown, x=round(x) + 2 * RADIUS + 4, y=round(y) + 4)
    whole = [element("title", work.name)] if shown != work.name else []
    classes = [*(["here"] if href is None else []), *(["outside"] if isinstance(work, ExternalWork) else [])]
    return element("g" if href is None else "a", *whole, text, href=href, class_=" ".join(classes) or None)


def marks_of(works: Iterable[tuple[Paper | ExternalWork, Point]], marks: Mapping[str, int]) -> Iterator[Markdown]:
    """The marks of works, all that look the same as one path."""
    ways: dict[str, str] = defaultdict(str)
    for work, (x, y) in works:
        number = mark_of(work, marks)
        outside = " outside" if isinstance(work, ExternalWork) else ""
        ways[f"mark topic-{number}{outside}"] += mark(number, x, y)
    for class_, way in sorted(ways.items()):
        yield element("path", d=way, class_=class_)


def curve(points: Sequence[Point]) -> str:
    """A way through points, for the attribute ``d``: level where their height is the same, otherwise like an S."""
    (x, y), *others = [(round(x), round(y)) for x, y in points]
    way = f"M{x} {y}"
    for to_x, to_y in others:
        middle = (x + to_x) // 2
        way += f"H{to_x}" if to_y == y else f"C{middle} {y} {middle} {to_y} {to_x} {to_y}"
        x, y = to_x, to_y
    return way
