"""BibTeX, as LaTeX, Zotero and JabRef read it.

The key of an entry is the id of the work. Text is UTF-8, with the characters that mean something to TeX escaped; titles
stand in double braces, because no style knows which of their words are names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalog.formats.publication import Kind, Publication, address, split_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from catalog.records import Work

__all__ = ["bibtex"]

_TYPES = {
    Kind.CONFERENCE: ("inproceedings", "booktitle"),
    Kind.JOURNAL: ("article", "journal"),
    Kind.PREPRINT: ("misc", "howpublished"),
    Kind.THESIS: ("phdthesis", "school"),
    Kind.REPORT: ("techreport", "institution"),
    Kind.CHAPTER: ("incollection", "booktitle"),
    Kind.BOOK: ("book", "publisher"),
    Kind.SOFTWARE: ("misc", "howpublished"),
}
_ESCAPES = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
        "$": r"\$",
        "&": r"\&",
        "#": r"\#",
        "%": r"\%",
        "_": r"\_",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
    }
)


def bibtex(works: Iterable[Work]) -> str:
    """One entry a work, in the order given."""
    return "\n".join(_entry(work) for work in works)


def _entry(work: Work) -> str:
    publication = Publication.of(work)
    kind, place = _TYPES[publication.kind]
    container = publication.container or (work.venue if publication.kind in (Kind.BOOK, Kind.SOFTWARE) else None)
    month = work.published[5:7]
    fields = {
        "title": f"{{{_text(work.title)}}}",
        "author": " and ".join(_name(author) for author in work.authors),
        place: container and _text(container),
        "volume": publication.volume,
        "number": publication.issue,
        "pages": publication.pages and publication.pages.replace("-", "--"),
        "year": str(publication.year),
        # A month is known of the first appearance, which need not be that of the proceedings.
        "month": str(int(month)) if month and publication.kind is Kind.PREPRINT else None,
        "doi": work.links.doi,
        "eprint": work.links.arxiv,
        "archiveprefix": "arXiv" if work.links.arxiv else None,
        "url": address(work),
    }
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join([f"@{kind}{{{work.id},", *lines, "}", ""])


def _name(author: str) -> str:
    """Inverted, which leaves no doubt of what is the family name; a group in braces is one name."""
    name = split_name(author)
    return _text(name.inverted) if name.given else f"{{{_text(name.family)}}}"


def _text(text: str) -> str:
    return text.translate(_ESCAPES)
