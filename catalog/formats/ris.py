"""RIS, as EndNote, Mendeley, Papers and libraries read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalog.formats.publication import Kind, Publication, address, split_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from catalog.records import Work

__all__ = ["ris"]

_TYPES = {
    Kind.CONFERENCE: "CPAPER",
    Kind.JOURNAL: "JOUR",
    Kind.PREPRINT: "UNPB",
    Kind.THESIS: "THES",
    Kind.REPORT: "RPRT",
    Kind.CHAPTER: "CHAP",
    Kind.BOOK: "BOOK",
    Kind.SOFTWARE: "COMP",
}


def ris(works: Iterable[Work]) -> str:
    """One reference a work, in the order given."""
    return "\n".join(_reference(work) for work in works)


def _reference(work: Work) -> str:
    publication = Publication.of(work)
    first, _, last = (publication.pages or "").partition("-")
    tags = [
        ("TY", _TYPES[publication.kind]),
        ("ID", work.id),
        *(("AU", split_name(author).inverted) for author in work.authors),
        ("TI", work.title),
        ("T2", publication.container),
        ("VL", publication.volume),
        ("IS", publication.issue),
        ("SP", first),
        ("EP", last),
        ("PY", str(publication.year)),
        ("DA", work.published.replace("-", "/")),
        ("DO", work.links.doi),
        ("AN", work.links.arxiv and f"arXiv:{work.links.arxiv}"),
        ("UR", address(work)),
        ("ER", ""),
    ]
    return "".join(f"{tag}  - {value}\n" for tag, value in tags if value or tag == "ER")
