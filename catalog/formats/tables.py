"""JSON and CSV.

The JSON document holds whole records, with the newest verdict on each claim: ``{"papers": […], "external": […]}``. The
CSV has a row a work, for a spreadsheet: identifiers, date, topics, what it builds on and led to, and how many of its
claims are verified; lists are separated by semicolons.
"""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

from catalog.formats.publication import Publication, address
from catalog.records import Paper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from catalog.library import Library
    from catalog.records import Work

    Recorded = Callable[[Paper], Mapping[str, str]]
    """The newest recorded verdict on each claim of a paper."""

__all__ = ["table", "whole"]

COLUMNS = (
    "id",
    "name",
    "title",
    "authors",
    "published",
    "venue",
    "year",
    "arxiv",
    "doi",
    "address",
    "family",
    "topics",
    "builds_on",
    "led_to",
    "claims",
    "verified",
)


def whole(works: Iterable[Work], library: Library, recorded: Recorded) -> str:
    """The records as they are, papers of the catalogue and works outside it."""
    from catalog.show import as_data

    found: dict[str, list[Any]] = {"papers": [], "external": []}
    for work in works:
        if isinstance(work, Paper):
            found["papers"].append(as_data(library, work, recorded(work)))
        else:
            found["external"].append(work.model_dump(mode="json", exclude_none=True))
    return json.dumps(found, ensure_ascii=False, indent=2) + "\n"


def table(works: Iterable[Work], library: Library, recorded: Recorded) -> str:
    """A row a work, beneath a row of names."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for work in works:
        paper = work if isinstance(work, Paper) else None
        links = work.links
        writer.writerow(
            _harmless(value)
            for value in (
                work.id,
                work.name,
                work.title,
                "; ".join(work.authors),
                work.published,
                work.venue or "",
                str(Publication.of(work).year),
                links.arxiv or "",
                links.doi or "",
                address(work) or "",
                (paper and paper.family) or "",
                "; ".join(paper.taxonomy if paper else ()),
                "; ".join(dict.fromkeys(step.paper for step in paper.builds_on) if paper else ()),
                "; ".join(dict.fromkeys(outline.id for outline, _ in library.led_to(work.id))),
                str(len(paper.claims)) if paper else "",
                str(list(recorded(paper).values()).count("verified")) if paper else "",
            )
        )
    return stream.getvalue()


def _harmless(value: str) -> str:
    # A spreadsheet would run what begins like a formula.
    return f"'{value}" if value[:1] in set("=+-@\t\r") else value
