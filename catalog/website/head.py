"""What the head of a page says to programs: reference managers, search engines, and whatever previews links.

The theme adds what every page has (``site/theme/main.html``): Open Graph from title and description, and the feed.
"""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING

from catalog.formats.json_ld import CONTEXT, article
from catalog.formats.publication import Kind, Publication, address
from catalog.records import Family, Paper, Topic
from catalog.text import counted, listed
from catalog.website.page import relative

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catalog.website.content import Catalogue
    from catalog.website.page import Page

__all__ = ["description", "elements"]


def description(site: Catalogue, page: Page) -> str:
    """A page in a few sentences, for lists of search results; empty where only the site has a description."""
    match page.subject:
        case Paper() | Family() as subject:
            return " ".join(subject.summary.split())
        case Topic() as topic if papers := site.library.papers_on(topic.id):
            names = [paper.name for paper in papers]
            shown = [*names[:5], f"{len(names) - 5} more"] if len(names) > 6 else names
            return f"{topic.name}: {counted(len(papers), 'paper')}, {listed(shown)}."
        case _:
            return page.description or _ABOUT.get(page.template, "").format_map(page.values)


# What pages are about that show no single thing, by their templates.
_ABOUT = {
    "authors": "Everybody who wrote a paper of the catalogue, with the papers.",
    "commands": "Every command of repro with its options.",
    "contributing": "How to add a paper, correct a record and reproduce a result.",
    "counting": "What counts as a parameter, a multiply-accumulate or a layer, and which convention a figure follows.",
    "descent": "Which paper descends from which, as text: relations, trees and years.",
    "deviations": "Every claim whose measured value is not the printed one, with the cause and an explanation.",
    "efficiency": "Accuracy on ImageNet as reported against multiply-accumulates and parameters as counted.",
    "families": "Papers that people name in one breath.",
    "lineage": "Who builds on whom: all papers by year, with the relations between them, to search and filter.",
    "papers": "All papers by year, with the state of their claims.",
    "programs": "The catalogue for programs: commands, Python, JSON files with their schemas, and a feed.",
    "question": "{form.answers}",
    "questions": "Questions that the catalogue answers, with examples.",
    "status": "What has been measured: every paper and every kind of claim, with the verdicts.",
    "timeline": "Years and topics: which papers appeared when, and on what.",
    "topics": "The topics of the survey, and how many papers stand below each.",
    "verdicts": "What each verdict on a claim means, and when it is given.",
    "verification": "How claims of papers are measured and judged.",
    "works": "Works outside the catalogue that its papers build on, compare themselves with, or are quoted by.",
    "year": "The papers of {year}, and what was said of others in that year.",
}


def elements(site: Catalogue, page: Page) -> str:
    """The elements of HTML that a page has because of what it shows."""
    if not isinstance(page.subject, Paper):
        return ""
    paper = page.subject
    described = {"@context": CONTEXT, **article(paper, site.library), "mainEntityOfPage": site.url(page.file)}
    # Nothing in it can end the element. JSON knows the escape, and no other place than a text has these characters.
    data = json.dumps(described, ensure_ascii=False).replace("<", "\\u003c")
    metas = "".join(f'<meta name="{name}" content="{html.escape(content)}">' for name, content in _citation(paper))
    document = relative(page.file, f"api/papers/{paper.id}.json")
    # The theme takes a link that is an alternate and nothing else for a translation, and looks for its site map.
    return (
        f'{metas}<link rel="alternate describedby" type="application/json" href="{document}">'
        f'<script type="application/ld+json">{data}</script>'
    )


# What a reference manager files a work under, and the name of what it appeared in.
_CONTAINERS = {
    Kind.CONFERENCE: "citation_conference_title",
    Kind.JOURNAL: "citation_journal_title",
    Kind.THESIS: "citation_dissertation_institution",
    Kind.REPORT: "citation_technical_report_institution",
    Kind.CHAPTER: "citation_inbook_title",
}


def _citation(paper: Paper) -> Iterator[tuple[str, str]]:
    """The paper, in the words that Highwire Press made for it and Google Scholar and Zotero read."""
    publication = Publication.of(paper)
    appeared = paper.published.replace("-", "/")
    first, _, last = (publication.pages or "").partition("-")
    yield "citation_title", paper.title
    for author in paper.authors:
        yield "citation_author", author
    # A day is known of the first appearance, which need not be that of the proceedings.
    yield "citation_publication_date", appeared if publication.year == paper.year else str(publication.year)
    yield "citation_online_date", appeared
    found = {
        _CONTAINERS.get(publication.kind, ""): publication.container,
        "citation_volume": publication.volume,
        "citation_issue": publication.issue,
        "citation_firstpage": first,
        "citation_lastpage": last,
        "citation_doi": paper.links.doi,
        "citation_arxiv_id": paper.links.arxiv,
        "citation_pdf_url": paper.links.pdf or (paper.links.arxiv and f"https://arxiv.org/pdf/{paper.links.arxiv}"),
        "citation_abstract_html_url": address(paper),
        "citation_public_url": address(paper),
        # Zotero knows the others by what they appeared in.
        "z:itemType": "preprint" if publication.kind is Kind.PREPRINT else None,
    }
    yield from ((name, content) for name, content in found.items() if name and content)
