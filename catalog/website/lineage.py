"""The lineage: the explorer with its picture and its data, and the same as text."""

from __future__ import annotations

import json
import math
import statistics
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from catalog.records import ExternalWork, Relation
from catalog.website import glyphs
from catalog.website.content import ORDER, Catalogue, place
from catalog.website.layered import Drawing, columns_by_year, layered
from catalog.website.libraries import libraries
from catalog.website.markdown import Markdown
from catalog.website.page import File, Page, served
from catalog.website.svg import element

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catalog.records import Paper
    from catalog.website.layered import Edge

__all__ = ["EXPLORER", "Layout", "area", "layout"]

EXPLORER = "lineage/index.md"
DATA = "lineage/graph.json"

_HEAD = 28  # room for the years above the columns, in pixels
_MARGIN = 16


class Layout(NamedTuple):
    """The works of a catalogue, what each builds on, and where a picture has them."""

    works: dict[str, Paper | ExternalWork]
    """All papers, and the works outside the catalogue on which one of them builds; the oldest first."""
    edges: dict[Edge, str]
    """From the older to the younger, by relation, each with what was changed."""
    marks: dict[str, int]
    drawing: Drawing


@lru_cache(maxsize=1)
def layout(site: Catalogue) -> Layout:
    """Lay out the lineage of a catalogue: years from left to right, families near each other."""
    found: list[Paper | ExternalWork] = [*site.papers, *(work for work in site.external if site.led_to[work.id])]
    works = {work.id: work for work in sorted(found, key=lambda work: (work.published, work.id))}
    edges: dict[Edge, str] = {}
    for paper in site.papers:
        for step in paper.builds_on:
            edge = (step.paper, paper.id, str(step.relation))
            what = f"{step.part}: {step.what}" if step.part else step.what
            edges[edge] = f"{edges[edge]}; {what}" if edge in edges else what
    widths = {work.id: glyphs.room(work) for work in works.values()}
    most = max(8, math.ceil(1.5 * math.sqrt(len(works))))  # which makes the picture about four times as wide as high
    columns = columns_by_year({work.id: work.year for work in works.values()}, edges, most)
    drawing = layered(columns, edges, widths=widths, group=lambda node: _group(works[node]), gap=52)
    return Layout(works, edges, glyphs.marks(site), drawing)


def _group(work: Paper | ExternalWork) -> str:
    topic = work.taxonomy[0] if work.taxonomy else "~"
    return f"{topic} {getattr(work, 'family', None) or ''}"


def area(site: Catalogue) -> Iterator[Page | File]:
    """The explorer and the text."""
    drawn = layout(site)
    yield Page(
        EXPLORER,
        "lineage",
        title="Lineage",
        values={
            "drawing": _picture(drawn),
            "middle": round(_middle(site, drawn)),
            "topic_options": _topics(site),
            "year_options": _options([str(year) for year in sorted({work.year for work in drawn.works.values()})]),
            "verdict_options": _options(ORDER),
            "relation_boxes": Markdown("".join(_box(relation) for relation in Relation)),
            "legend": _legend(site, drawn),
            "works": len(drawn.works) - len(site.papers),
        },
        scripts=("assets/scripts/explorer.js",) if libraries() else (),
        search=0,
    )
    yield Page("lineage/descent/index.md", "descent", title="Descent", search=0)
    yield File(DATA, json.dumps(_data(site, drawn), ensure_ascii=False, separators=(",", ":")).encode())


# --- The picture -----------------------------------------------------------------------------------------------------


def _picture(drawn: Layout) -> Markdown:
    drawing = drawn.drawing
    width, height = round(drawing.width) + 2 * _MARGIN, round(drawing.height) + _HEAD + _MARGIN
    description = (
        f"{len(drawn.works)} works in columns by year, the oldest on the left, and {len(drawn.edges)} lines, each from "
        "a work to a younger one that builds on it. Each name leads to the page of its work."
    )
    return element(
        "svg",
        element("title", "The lineage of all papers", id="lineage-title"),
        element("desc", description, id="lineage-description"),
        *_years(drawn, height),
        element("g", *_lines(drawn), transform=f"translate({_MARGIN} {_HEAD})"),
        element("g", *_names(drawn), transform=f"translate({_MARGIN} {_HEAD})"),
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        role="group",
        aria_labelledby="lineage-title",
        aria_describedby="lineage-description",
        class_="lineage",
    )


def _middle(site: Catalogue, drawn: Layout) -> float:
    """Where most papers are, in pixels from the left."""
    return statistics.fmean([drawn.drawing.positions[paper.id][0] for paper in site.papers] or [0])


def years_of(drawn: Layout) -> list[str]:
    """The years of each column."""
    spans = [[drawn.works[node].year for node in column.nodes] for column in drawn.drawing.columns]
    return [str(min(years)) if min(years) == max(years) else f"{min(years)}–{max(years)}" for years in spans]


def _years(drawn: Layout, height: float) -> Iterator[Markdown]:
    for number, (column, years) in enumerate(zip(drawn.drawing.columns, years_of(drawn), strict=True)):
        left, width = round(column.x) + _MARGIN - 8, round(column.width) + 16
        if number % 2 == 0:
            yield element("rect", x=left, width=width, height=height, class_="band")
        yield element("text", years, x=left + 8, y=18, class_="year")


def _lines(drawn: Layout) -> Iterator[Markdown]:
    """What is no descent lies below what is."""
    for relation in sorted(Relation, key=lambda relation: (relation.is_descent, -relation.rank)):
        lines = [
            element("path", d=glyphs.curve(drawn.drawing.routes[edge])) for edge in drawn.edges if edge[2] == relation
        ]
        yield element("g", *lines, class_=f"relation {relation}")


def _names(drawn: Layout) -> Iterator[Markdown]:
    positions = drawn.drawing.positions
    yield from glyphs.marks_of([(work, positions[work.id]) for work in drawn.works.values()], drawn.marks)
    for work in drawn.works.values():
        yield glyphs.name(work, *positions[work.id], href=served(EXPLORER, *place(work)))


# --- Forms and legend ------------------------------------------------------------------------------------------------


def _options(values: list[str]) -> Markdown:
    return Markdown("".join(element("option", value, value=value) for value in values))


def _topics(site: Catalogue, parent: str | None = None, level: int = 0) -> Markdown:
    return Markdown(
        "".join(
            element("option", "\N{EM SPACE}" * level + topic.name, value=topic.id) + _topics(site, topic.id, level + 1)
            for topic in site.subtopics(parent)
        )
    )


def _box(relation: Relation) -> Markdown:
    """A relation in the legend, which shows or hides its lines where there are scripts."""
    line = element(
        "svg", element("path", d="M0 5h44"), width=44, height=10, aria_hidden="true", class_=f"relation {relation}"
    )
    box = (
        element("input", type="checkbox", name="relation", value=relation, checked="", class_="scripted")
        if libraries()
        else Markdown("")
    )
    return element("label", box, line, f" {relation}")


def _legend(site: Catalogue, drawn: Layout) -> Markdown:
    """What the marks mean; topics that share the mark of the others come last."""

    def entry(mark: int, *content: str) -> Markdown:
        sign = element("path", d=glyphs.mark(mark, 1, 6), class_=f"mark topic-{mark}")
        picture = element("svg", sign, width=12, height=12, aria_hidden="true")
        return element("li", picture, " ", *content)

    used = {glyphs.mark_of(work, drawn.marks) for work in drawn.works.values()}
    names = {
        mark: [site.library.topic(topic) for topic in topics]
        for mark, topics in groupby(sorted(drawn.marks, key=lambda topic: drawn.marks[topic] or 99), drawn.marks.get)
        if mark in used
    }
    return element(
        "ul",
        *(
            entry(
                mark or 0,
                *([element("a", topics[0].name, href=served(EXPLORER, *place(topics[0])))] if mark else ["others"]),
            )
            for mark, topics in names.items()
        ),
        class_="explorer-topics",
    )


# --- The data --------------------------------------------------------------------------------------------------------


def _data(site: Catalogue, drawn: Layout) -> dict[str, Any]:
    """What the explorer's script reads."""
    numbers = {node: number for number, node in enumerate(drawn.works)}
    return {
        "nodes": [_node(site, drawn, work) for work in drawn.works.values()],
        "edges": [
            {
                "source": numbers[edge[0]],
                "target": numbers[edge[1]],
                "relation": edge[2],
                "what": what,
                "route": [round(value) for point in drawn.drawing.routes[edge] for value in point],
            }
            for edge, what in drawn.edges.items()
        ],
        "columns": [
            {"years": years, "x": round(column.x)}
            for years, column in zip(years_of(drawn), drawn.drawing.columns, strict=True)
        ],
        "relations": {
            relation: {"descent": relation.is_descent, "rank": relation.rank, "dashes": glyphs.DASHES[relation]}
            for relation in Relation
        },
        "marks": glyphs.MARKS,
        "margin": [_MARGIN, _HEAD],
    }


def _node(site: Catalogue, drawn: Layout, work: Paper | ExternalWork) -> dict[str, Any]:
    x, y = drawn.drawing.positions[work.id]
    return {
        "id": work.id,
        "name": work.name,
        "label": glyphs.label(work),
        "title": work.title,
        "aliases": work.aliases,
        "year": work.year,
        "published": work.published,
        "topics": work.taxonomy,
        "mark": glyphs.mark_of(work, drawn.marks),
        "outside": isinstance(work, ExternalWork),
        "verdicts": {} if isinstance(work, ExternalWork) else site.tally(work),
        "page": served(EXPLORER, *place(work)),
        "x": round(x),
        "y": round(y),
    }
