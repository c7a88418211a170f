"""The pages that show many papers at once: by year, topic, family and author, and how far they are reproduced."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from catalog.formats.publication import Publication, split_name
from catalog.graph import influence
from catalog.names import normal
from catalog.records import Tier
from catalog.website.content import Catalogue, place
from catalog.website.page import File, Page
from catalog.website.partings import MEANINGS, drawn, failures, partings
from catalog.website.progress import bar, errors_caught, status_table
from catalog.website.timeline import timeline

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from catalog.records import Ancestor, Paper, Topic

__all__ = ["overviews"]

_FILTER = ("assets/scripts/filter.js",)
_WIDE = ("toc", "navigation")
"""What a page with a wide table does without."""


def overviews(site: Catalogue) -> Iterator[Page | File]:
    """What there is, listed in several ways."""
    yield _home(site)
    yield Page("topics/index.md", "topics", search=0)
    yield Page("families/index.md", "families", search=0)
    yield Page("works/index.md", "works")
    yield Page("papers/index.md", "papers", scripts=_FILTER, search=0)
    yield _status(site)
    yield _deviations(site)
    here = "timeline/index.md"
    yield Page(here, "timeline", values={"table": timeline(site, here)}, hide=_WIDE, search=0)
    yield Page("authors/index.md", "authors", values={"letters": _letters(site)}, scripts=_FILTER, hide=_WIDE)
    yield from _years(site)
    for topic in site.library.topics:
        yield Page(place(topic)[0], "topic", topic, values={"steps": _within(site, topic)}, title=topic.name)
    for family in site.library.families:
        title, names = f"{family.name} family", (family.name, *family.aliases)
        yield Page(place(family)[0], "family", family, title=title, keywords=names)


def _home(site: Catalogue) -> Page:
    most = [one for one in influence(site.library, [paper.id for paper in site.papers]) if one.directly][:8]
    reproduced = len(site.with_claims)
    papers = {"reproduced": reproduced, "not reproduced yet": len(site.papers) - reproduced}
    bars = {"claims": bar(site.verdicts, "Claims"), "papers": bar(papers, "Papers")}
    values = {"bars": bars, "most": most, "causes": partings(site)}
    return Page("index.md", "home", values=values, scripts=("assets/scripts/home.js",), hide=_WIDE)


def _status(site: Catalogue) -> Page:
    here = "status/index.md"
    tiers = {tier: site.tallied(site.papers, tier) for tier in Tier}
    values = {
        "tiers": {tier: (counts, bar(counts, str(tier))) for tier, counts in tiers.items() if counts},
        "table": status_table(site, here),
        "stale": sum(map(site.stale, site.with_claims)),
        "errors": errors_caught(site, site.papers),
    }
    return Page(here, "status", values=values, scripts=_FILTER, hide=_WIDE)


def _deviations(site: Catalogue) -> Page:
    found = partings(site)
    values = {"causes": found, "meanings": MEANINGS, "failures": failures(site), "picture": drawn(found)}
    return Page("deviations/index.md", "deviations", values=values)


# --- Authors ---------------------------------------------------------------------------------------------------------


def _letters(site: Catalogue) -> dict[str, list[tuple[str, str, list[Paper]]]]:
    """By the first letter of the family name: how each author is filed, the anchor, and the papers."""
    filed = sorted(site.authors, key=_order)
    return {
        letter: [(_filed(author), site.author_anchors[author], site.authors[author]) for author in authors]
        for letter, authors in groupby(filed, key=lambda author: _order(author)[0])
    }


def _order(author: str) -> tuple[str, str, str, str]:
    """Where an author stands: letters first, whatever begins with something else at the end."""
    name = split_name(author)
    family = normal(name.family)
    letter = family[:1].upper()
    return letter if "A" <= letter <= "Z" else "~", family, normal(name.given), author


def _filed(author: str) -> str:
    """``Maaten, Laurens van der``: by the word under which the name is filed."""
    name = split_name(author)
    return ", ".join(part for part in (name.family, f"{name.given} {name.particle}".strip()) if part)


# --- Years and topics ------------------------------------------------------------------------------------------------


def _years(site: Catalogue) -> Iterator[Page]:
    years = list(site.years)
    for number, year in enumerate(years):
        values = {
            "year": year,
            "papers": site.years[year],
            "previous": years[number - 1] if number else None,
            "next": years[number + 1] if number + 1 < len(years) else None,
            "published": [paper for paper in site.papers if paper.year < year == Publication.of(paper).year],
            "said": _said_in(site, year),
        }
        yield Page(f"years/{year}/index.md", "year", values=values, title=str(year), search=0)


def _said_in(site: Catalogue, year: int) -> Mapping[str, list[Paper | Topic]]:
    """Of which papers and topics the papers of a year say something, by the one that says it."""
    return {paper.id: site.speaks_of[paper.id] for paper in site.years[year] if paper.id in site.speaks_of}


def _within(site: Catalogue, topic: Topic) -> list[tuple[Paper, list[Ancestor]]]:
    """The papers of a topic, and of those under it, that build on others of it, each with how it does; oldest first."""
    members = site.library.papers_on(topic.id)
    ids = {paper.id for paper in members}
    steps = ((paper, [step for step in paper.builds_on if step.paper in ids]) for paper in members)
    return [(paper, found) for paper, found in steps if found]
