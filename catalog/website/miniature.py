"""The lineage as a small picture: the places of the explorer's, closer together, with the names of a few papers."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from catalog.graph import influence
from catalog.records import ExternalWork, Relation
from catalog.text import counted
from catalog.website import glyphs
from catalog.website.lineage import EXPLORER, layout
from catalog.website.svg import element, picture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from catalog.website.content import Catalogue
    from catalog.website.markdown import Markdown

__all__ = ["NAMED", "miniature"]

NAMED = 12
"""How many papers have their names in it."""

_WIDTH, _HEIGHT, _MARGIN = 800, 400, 16
_SMALL, _LARGE = 14, 26  # letters, in the picture's units: where it has its full width, and on a telephone


def miniature(site: Catalogue, href: Callable[..., str]) -> Markdown:
    """Draw all works as dots and all relations as lines, as one link to the explorer.

    Args:
        site: the catalogue.
        href: gives the address of a page, as the page links to it.
    """
    drawn = layout(site)
    drawing = drawn.drawing
    right = drawing.columns[-1].x if drawing.columns else 0.0

    def at(work: str) -> tuple[int, int]:
        x, y = drawing.positions[work]
        return (
            round(_MARGIN + x / (right or 1) * (_WIDTH - 2 * _MARGIN)),
            round(_MARGIN + y / (drawing.height or 1) * (_HEIGHT - 2 * _MARGIN)),
        )

    lines: dict[str, str] = {"": "", "descent": ""}
    for source, target, relation in drawn.edges:
        (x, y), (to_x, to_y) = at(source), at(target)
        half = (to_x - x) // 2
        lines["descent" if Relation(relation).is_descent else ""] += (
            f"M{x} {y}c{half} 0 {half} {to_y - y} {to_x - x} {to_y - y}"
        )
    dots: dict[str, str] = defaultdict(str)
    for work in drawn.works.values():
        x, y = at(work.id)
        dots["outside" if isinstance(work, ExternalWork) else f"topic-{glyphs.mark_of(work, drawn.marks)}"] += (
            f"M{x} {y}h0"
        )
    largest = [one.id for one in influence(site.library, [paper.id for paper in site.papers])]
    names = list(_names([(drawn.works[work].name, *at(work)) for work in largest]))
    return element(
        "a",
        picture(
            _WIDTH,
            _HEIGHT,
            [
                *(element("path", d=way, class_=f"line {kind}".strip()) for kind, way in lines.items() if way),
                *(element("path", d=way, class_=f"dot {kind}") for kind, way in sorted(dots.items())),
                *names,
            ],
            label=f"The lineage of {counted(len(site.papers), 'paper')}, oldest on the left: to the explorer",
            class_="miniature",
        ),
        href=href(EXPLORER),
    )


def _names(works: list[tuple[str, int, int]]) -> Iterator[Markdown]:
    """The first names for which there is room, some only where the letters are small."""
    taken: dict[int, list[tuple[float, float, float]]] = {_SMALL: [], _LARGE: []}

    def free(size: int, left: float, width: float, y: float) -> bool:
        return all(
            y - size > other or other > y + size or left + width < start or left > end
            for other, start, end in taken[size]
        )

    count = 0
    for name, x, y in works:
        before = x > _WIDTH / 2  # the name stands on the side where there is more room
        fits = {}
        for size in (_SMALL, _LARGE):
            width = glyphs.width(name) * size / glyphs.SIZE
            left = x - 9 - width if before else x + 9
            fits[size] = left >= 0 and left + width <= _WIDTH and free(size, left, width, y)
            if fits[size]:
                taken[size].append((y, left, left + width))
        if not fits[_SMALL]:
            if fits[_LARGE]:
                taken[_LARGE].pop()
            continue
        yield element(
            "text",
            name,
            x=x - 9 if before else x + 9,
            y=y,
            text_anchor="end" if before else None,
            class_=None if fits[_LARGE] else "small",
        )
        count += 1
        if count == NAMED:
            return
