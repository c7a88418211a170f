"""How far the papers are reproduced: counts of verdicts as a bar, and as a table of papers by tiers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalog.records import Tier
from catalog.text import counted
from catalog.website.content import place
from catalog.website.markdown import Markdown
from catalog.website.page import served
from catalog.website.svg import element

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from catalog.records import Paper, Topic
    from catalog.website.content import Catalogue

__all__ = ["bar", "by_topic", "errors_caught", "extent", "status_table"]

_LENGTH = 1000.0
"""Of a bar, in its own units; on the page it is as long as there is room."""


def bar(counts: Mapping[str, int], label: str) -> Markdown:
    """A bar of one part for each status, as long as its share.

    Args:
        counts: how many there are of each status, or whatever else the style sheet has a colour for.
        label: what is counted.
    """
    whole = sum(counts.values()) or 1
    parts, start = [], 0.0
    for status, count in counts.items():
        length = _LENGTH * count / whole
        # A hair of paper between two parts tells them apart where their colours do not.
        drawn = max(length - 2.0, 0.5)
        said = element("title", f"{count:,} {status}")
        parts.append(element("rect", said, class_=status.replace(" ", "-"), x=start, y=0, width=drawn, height=10))
        start += length
    spoken = ", ".join(f"{count:,} {status}" for status, count in counts.items())
    return element(
        "svg",
        *parts,
        viewBox=f"0 0 {_LENGTH:.0f} 10",
        preserveAspectRatio="none",
        class_="bar",
        role="img",
        aria_label=f"{label}: {spoken}",
    )


def extent(site: Catalogue, paper: Paper) -> tuple[int, str]:
    """How much of a paper has a verdict, in words too: 0 nothing, 1 under half of its claims, 2 half or more, 3 all."""
    if not paper.claims:
        return 0, "not reproduced yet"
    judged, claims = site.judged(paper), len(paper.claims)
    return 1 + (2 * judged >= claims) + (judged == claims), f"{judged} of {counted(claims, 'claim')} judged"


def by_topic(site: Catalogue) -> list[tuple[Topic, list[Paper]]]:
    """The topics of the first level, each with the papers that are listed under it before any other."""
    found: dict[str, list[Paper]] = {topic.id: [] for topic in site.subtopics(None)}
    for paper in site.papers:
        found[paper.taxonomy[0].partition("/")[0]].append(paper)
    return [(site.library.topic(topic), papers) for topic, papers in found.items() if papers]


def errors_caught(site: Catalogue, papers: Iterable[Paper]) -> tuple[int, int]:
    """Of the deliberate errors in the modules of papers, how many their claims caught, and how many they could have."""
    scores = [found[0] for paper in papers if paper.claims and (found := site.errors(paper))]
    caught = sum(score.caught for score in scores)
    return caught, caught + sum(len(score.survivors) for score in scores)


# --- The table -------------------------------------------------------------------------------------------------------


def status_table(site: Catalogue, here: str) -> Markdown:
    """All papers by tiers, topic by topic: in each cell how many claims have which verdict, and where they stand."""
    columns = ["Paper", *(tier.capitalize() for tier in Tier), "Errors caught"]
    head = element("tr", *(element("th", column, scope="col") for column in columns))
    groups = [
        element("tbody", _summary(site, papers, _topic(here, topic)), *(_row(site, paper, here) for paper in papers))
        for topic, papers in by_topic(site)
    ]
    whole = element("tbody", _summary(site, site.papers, Markdown("All papers")), class_="whole")
    return element("table", element("thead", head), whole, *groups, class_="status")


def _topic(here: str, topic: Topic) -> Markdown:
    return element("a", topic.name, href=served(here, *place(topic)))


def _summary(site: Catalogue, papers: list[Paper], name: Markdown) -> Markdown:
    """The row above a group of papers: what they come to."""
    reproduced = sum(bool(paper.claims) for paper in papers)
    said = element("small", f"{reproduced} of {len(papers)} reproduced")
    cells = [
        element("td", *(_count(status, count) for status, count in found.items()))
        for found in (site.tallied(papers, tier) for tier in Tier)
    ]
    caught, noticeable = errors_caught(site, papers)
    share = f"{caught / noticeable:.0%}".replace("%", " %") if noticeable else ""
    return element("tr", element("th", name, " ", said, scope="rowgroup"), *cells, element("td", share), class_="group")


def _row(site: Catalogue, paper: Paper, here: str) -> Markdown:
    name = element("a", paper.name, href=served(here, *place(paper)))
    head = element("th", name, " ", element("small", str(paper.year)), scope="row")
    if not paper.claims:
        why = "not reproduced yet" + ("; other modules use parts of it" if paper.reproduction == "partial" else "")
        return element("tr", head, element("td", why, colspan=len(Tier) + 1, class_="open"))
    cells = (element("td", *_cell(site, paper, tier, here)) for tier in Tier)
    return element("tr", head, *cells, element("td", *_caught(site, paper)))


def _cell(site: Catalogue, paper: Paper, tier: Tier, here: str) -> Iterator[Markdown]:
    """The verdicts of a tier; each leads to the first claim that has it."""
    for status, count in site.tally(paper, tier).items():
        first = next(
            result.claim.id
            for result in site.results[paper.id]
            if result.claim.tier == tier and result.status == status
        )
        yield _count(status, count, served(here, place(paper)[0], f"claim-{first}"))
    if stale := site.stale(paper, tier):
        yield element("small", f"{stale} stale", class_="stale")


def _caught(site: Catalogue, paper: Paper) -> Iterator[Markdown | str]:
    found = site.errors(paper)
    if found and found[0].score is not None:
        yield f"{100 * found[0].score:.0f} %"
        if found[1]:
            yield element("small", " stale", class_="stale")


def _count(status: str, count: int, target: str | None = None) -> Markdown:
    """A sign, which the style sheet draws, and a number; the word is for those who do not see the sign."""
    word = element("span", f" {status} ", class_="unseen")
    return element(
        "a" if target else "span", f"{count:,}", word, href=target, class_=f"count {status.replace(' ', '-')}"
    )
