"""Where a work was published and who wrote it, taken apart as bibliographic formats want it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from catalog.records import Work

__all__ = ["Kind", "Name", "Publication", "address", "split_name"]


class Kind(Enum):
    """What sort of publication it is."""

    CONFERENCE = "conference"
    JOURNAL = "journal"
    PREPRINT = "preprint"
    THESIS = "thesis"
    REPORT = "report"
    CHAPTER = "chapter"
    BOOK = "book"
    SOFTWARE = "software"


@dataclass(frozen=True, slots=True)
class Name:
    """A person: ``Laurens`` ``van der`` ``Maaten``. Of a group or a mononym only the family name is known."""

    given: str
    particle: str
    family: str

    @property
    def inverted(self) -> str:
        """``van der Maaten, Laurens``."""
        surname = f"{self.particle} {self.family}".strip()
        return f"{surname}, {self.given}" if self.given else surname


@dataclass(frozen=True, slots=True)
class Publication:
    """A publication, as far as the venue of a record says."""

    kind: Kind
    year: int
    """Of the publication, which is later than the first appearance more often than not."""
    container: str | None = None
    """The conference, journal, book or institution."""
    volume: str | None = None
    issue: str | None = None
    pages: str | None = None

    @classmethod
    def of(cls, work: Work) -> Publication:
        """Read the venue of a work: ``CVPR 2017``, ``Neural Networks 4(2), 251-257``."""
        venue = work.venue or ""
        years = re.findall(r"\b(?:19|20)\d\d\b", re.sub(r"\d+\([^)]*\)|\d+[-–]\d+", "", venue))
        year = int(years[0]) if years and venue[:5].lower() != "arxiv" else work.year
        bare = re.sub(r" *\((?!\d+(?:-\d+)?\))[^)]*\)", "", venue.split(";")[0]).strip()
        for pattern, kind in _KINDS:
            if re.search(pattern, bare or "arXiv", re.IGNORECASE):
                container = bare.partition(",")[0] if kind in (Kind.CHAPTER, Kind.REPORT, Kind.THESIS) else None
                return cls(kind, year, container, pages=_pages(bare) if kind is Kind.CHAPTER else None)
        if match := re.fullmatch(_VOLUME, bare):
            return cls(Kind.JOURNAL, year, match["name"], match["volume"], match["issue"], _pages(bare))
        container = re.sub(r",?\s*\b(?:(?:19|20)\d\d\b.*|\d+[-–]\d+)", "", bare).strip()
        kind = Kind.JOURNAL if re.search(r"TPAMI|JMLR|Transactions|Journal", bare) else Kind.CONFERENCE
        return cls(kind, year, container, pages=_pages(bare))


# The first that fits; the others are journals if they have a volume, and conferences if not.
_KINDS = (
    (r"^arXiv", Kind.PREPRINT),
    (r"\bthesis\b", Kind.THESIS),
    (r"technical report|working papers|\bmemo\b", Kind.REPORT),
    (r"^software$", Kind.SOFTWARE),
    (r"^(Wiley|Springer)$", Kind.BOOK),
    (r", (North-Holland|Springer|Cambridge University Press|LNCS)\b", Kind.CHAPTER),
)
_VOLUME = r"(?P<name>\D+?) (?P<volume>\d{1,3})(?:\((?P<issue>[\d-]+)\))?(?:,? .*|, ?.*)?"


def _pages(venue: str) -> str | None:
    match = re.search(r"\b(\d+)[-–](\d+)$", venue)
    return f"{match[1]}-{match[2]}" if match else None


_PARTICLES = {
    "van",
    "von",
    "der",
    "den",
    "de",
    "del",
    "della",
    "di",
    "da",
    "dos",
    "la",
    "le",
    "ter",
    "ten",
    "bin",
    "al",
}


def split_name(name: str) -> Name:
    """Take a name apart that is written with the given name first.

    Lower-case particles belong to the family name; what stands before them, or before the last word, is given.
    """
    given, *rest = words = name.split()
    if not rest:
        return Name("", "", given)
    start = next((place for place, word in enumerate(words[1:-1], 1) if word.lower() in _PARTICLES), len(words) - 1)
    # Capitalised, as in Belgium, it is a part of the name itself: Luc Van Gool.
    family = next((place for place in range(start, len(words)) if words[place] not in _PARTICLES), len(words) - 1)
    return Name(" ".join(words[:start]), " ".join(words[start:family]), " ".join(words[family:]))


def address(work: Work) -> str | None:
    """The best address of a work: its DOI, arXiv's page, or any other that is known."""
    links = work.links
    if links.doi:
        return f"https://doi.org/{links.doi}"
    if links.arxiv:
        return f"https://arxiv.org/abs/{links.arxiv}"
    return str(links.url or links.pdf or links.code or "") or None
