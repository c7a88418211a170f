"""Years × topics: every paper where it belongs in both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalog.records import Status
from catalog.website.content import place
from catalog.website.page import served
from catalog.website.progress import by_topic, extent
from catalog.website.svg import element

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from catalog.records import Paper
    from catalog.website.content import Catalogue
    from catalog.website.markdown import Markdown

__all__ = ["timeline"]

_DENSE = 4
"""Papers in a year from which on each year has a column of its own."""


def timeline(site: Catalogue, here: str) -> Markdown:
    """A table with a row for each topic of the first level and a column for each year; a paper is a link in a cell."""
    columns = _columns(site.years)
    years = (element("th", _heading(here, column), scope="col") for column in columns)
    rows = []
    for topic, papers in by_topic(site):
        head = element("th", element("a", topic.name, href=served(here, *place(topic))), scope="row")
        cells = (
            [_entry(site, paper, here, dated=len(column) > 1) for paper in papers if paper.year in column]
            for column in columns
        )
        rows.append(element("tr", head, *(element("td", *_list(cell)) for cell in cells)))
    corner = element("th", "Topic", scope="col")
    head = element("thead", element("tr", corner, *years))
    return element("table", head, element("tbody", *rows), class_="timeline")


def _columns(years: Mapping[int, Sequence[Paper]]) -> list[list[int]]:
    """The years that share a column: the sparse beginning is one, and every year after it has its own."""
    start = next((year for year, papers in years.items() if len(papers) >= _DENSE), min(years))
    early = [year for year in years if year < start]
    return [*([early] if early else []), *([year] for year in years if year >= start)]


def _heading(here: str, years: list[int]) -> Markdown | str:
    if len(years) > 1:
        return f"{years[0]}–{years[-1]}"
    return element("a", str(years[0]), href=served(here, f"years/{years[0]}/index.md"))


def _list(papers: list[Markdown]) -> Iterator[Markdown]:
    if papers:
        yield element("ul", *papers)


def _entry(site: Catalogue, paper: Paper, here: str, *, dated: bool) -> Markdown:
    level, words = extent(site, paper)
    tally = site.tally(paper)
    doubtful = next((status for status in (Status.FAILED, Status.DEVIATES) if tally.get(status)), "")
    words += f", {tally[doubtful]} {doubtful}" if doubtful else ""
    target = served(here, *place(paper))
    name = element("a", paper.name, href=target, title=words, class_=f"extent of-{level} {doubtful}".rstrip())
    return element("li", name, *([" ", element("small", str(paper.year))] if dated else []))
