"""What was measured last, as an Atom feed (RFC 4287).

An entry is what was recorded of a paper on one day. Nothing depends on when the site is built.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from catalog.records import Status
from catalog.website.content import place
from catalog.website.page import File

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catalog.records import Paper
    from catalog.verify.ledger import Entry
    from catalog.website.content import Catalogue

__all__ = ["FILE", "LONGEST", "files"]

FILE = "feed.xml"
LONGEST = 50
"""Entries, the newest ones."""


def files(site: Catalogue) -> Iterator[File]:
    """The feed, and what tells search engines where the list of all pages is."""
    yield File(FILE, _feed(site))
    yield File("robots.txt", f"User-agent: *\nAllow: /\n\nSitemap: {site.url('sitemap.xml')}\n".encode())


def _feed(site: Catalogue) -> bytes:
    days: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for paper in site.papers:
        claims = {claim.id for claim in paper.claims}
        for entry in site.ledgers[paper.id].entries:
            if entry.claim in claims:
                days[entry.date, paper.id].append(entry)
    newest = sorted(days, reverse=True)[:LONGEST]

    feed = Element("feed", {"xmlns": "http://www.w3.org/2005/Atom", "xml:lang": "en"})
    _text(feed, "id", site.url(FILE))
    _text(feed, "title", "repro: what was measured last")
    # A feed without entries needs a date too.
    _text(feed, "updated", _instant(newest[0][0] if newest else "1970-01-01"))
    _text(SubElement(feed, "author"), "name", "repro")
    SubElement(feed, "link", rel="self", type="application/atom+xml", href=site.url(FILE))
    SubElement(feed, "link", rel="alternate", type="text/html", href=site.url(""))
    for date, paper_id in newest:
        _entry(feed, site, date, site.library[paper_id], days[date, paper_id])
    indent(feed, " ")
    return bytes(tostring(feed, encoding="utf-8", xml_declaration=True)) + b"\n"


def _entry(feed: Element, site: Catalogue, date: str, paper: Paper, results: list[Entry]) -> None:
    counts = Counter(result.status for result in results)
    verdicts = ", ".join(f"{counts[status]} {status}" for status in Status if counts[status])
    page, server = place(paper)[0], urlsplit(site.address)
    entry = SubElement(feed, "entry")
    # RFC 4151: whoever had this name on that day named this.
    _text(entry, "id", f"tag:{server.hostname},{date}:{server.path}papers/{paper.id}")
    _text(entry, "title", f"{paper.name}: {verdicts}")
    _text(entry, "updated", _instant(date))
    SubElement(entry, "link", rel="alternate", type="text/html", href=site.url(page, "claims"))
    statements = {claim.id: claim.statement for claim in paper.claims}
    shown = SubElement(SubElement(entry, "content", type="xhtml"), "div", xmlns="http://www.w3.org/1999/xhtml")
    shown = SubElement(shown, "ul")
    for result in results:
        item = SubElement(shown, "li")
        link = _text(item, "a", statements[result.claim], href=site.url(page, f"claim-{result.claim}"))
        link.tail = f": {result.status}, {result.reason}" if result.reason else f": {result.status}"


def _text(parent: Element, name: str, text: str, **attributes: str) -> Element:
    element = SubElement(parent, name, attributes)
    element.text = text
    return element


def _instant(date: str) -> str:
    return f"{date}T00:00:00Z"
