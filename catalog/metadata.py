"""What arXiv, Crossref and OpenAlex know of a paper: title, authors, date, venue and numbers.

arXiv knows when a paper first appeared and spells its authors out; Crossref knows where it was published; OpenAlex
finds a paper by its title and knows which preprint and which publication are one. Abstracts are neither asked for nor
kept. What they say is a proposal: a person reads it before it becomes a record.
"""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote
from xml.etree import ElementTree

from catalog.errors import CatalogError
from catalog.fetch import FetchError, NotThere, Web
from catalog.names import normal
from catalog.outline import identifier
from catalog.source import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    T = TypeVar("T")

__all__ = ["Metadata", "SeveralPapers", "Sources", "plain"]


@dataclass(frozen=True, slots=True)
class Metadata:
    """What is known of a paper, in the words of a record."""

    title: str
    authors: tuple[str, ...]
    published: str | None = None
    """The first of the days, months or years that are known."""
    venue: str | None = None
    """Where it was published, after review: ``CVPR 2017`` or ``Neural Networks 4(2), 251-257``."""
    arxiv: str | None = None
    doi: str | None = None

    def __post_init__(self) -> None:
        if not self.title or not all(self.authors) or not self.authors:
            raise ValueError("no title or no authors")

    def __str__(self) -> str:
        """As one line of a list."""
        first = self.authors[0] + (" and others" if len(self.authors) > 1 else "")
        number = self.arxiv or self.doi or "no number"
        return f"{number}  {self.title} ({first}, {(self.published or 'no date')[:4]})"

    def completed(self, other: Metadata | None) -> Metadata:
        """With what another source knows besides; of two dates the first."""
        if other is None:
            return self
        return replace(
            self,
            published=_first(self.published, other.published),
            venue=self.venue or other.venue,
            arxiv=self.arxiv or other.arxiv,
            doi=self.doi or other.doi,
        )


class SeveralPapers(CatalogError):
    """A title leads to more than one paper, or to none that is called exactly so."""

    def __init__(self, title: str, candidates: Sequence[Metadata]) -> None:
        self.candidates = tuple(candidates)
        lines = "\n".join(f"    {printable(str(candidate), 200)}" for candidate in self.candidates)
        super().__init__(
            f"'{printable(title)}' is the title of no single paper; give the number of one of these:\n{lines}"
        )


@dataclass(slots=True)
class Sources:
    """The three, asked one after the other."""

    web: Web
    arxiv: str = "https://export.arxiv.org/api/query"
    crossref: str = "https://api.crossref.org/works"
    openalex: str = "https://api.openalex.org/works"
    notes: list[str] = field(default_factory=list)
    """What a further source could not add, and why."""

    def find(self, query: str) -> Metadata:
        """The paper of an arXiv number, a DOI, an address of one of these, or a title.

        Raises:
            Unreachable: there is no connection.
            SeveralPapers: a title is not enough.
            CatalogError: the query is none, or no source knows such a paper.
        """
        known = identifier(query)
        kind, _, number = (known or "").partition(":")
        if kind == "web":
            raise CatalogError(
                f"'{printable(query)}' is an address of neither arXiv nor doi.org; give a number or a title"
            )
        if kind == "arxiv":
            return self.of_arxiv(number)
        if kind == "doi":
            return self.of_doi(number)
        if not normal(query):
            raise CatalogError("a paper is found by an arXiv number, a DOI or a title; this is none")
        return self.of_title(query)

    def of_arxiv(self, number: str) -> Metadata:
        """A preprint, and where it was published if that is known."""
        found = self._arxiv(number)
        published = self._perhaps(
            self._crossref if found.doi else self._openalex, found.doi or f"10.48550/arXiv.{found.arxiv}"
        )
        return found if published is None else replace(found, venue=None).completed(published).completed(found)

    def of_doi(self, doi: str) -> Metadata:
        """A publication, and its preprint if there is one."""
        try:
            found = self._crossref(doi)
        except NotThere:
            return self._openalex(doi)
        found = found.completed(self._perhaps(self._openalex, doi))
        return found.completed(self._perhaps(self._arxiv, found.arxiv)) if found.arxiv else found

    def of_title(self, title: str) -> Metadata:
        """The one paper that is called so, with what its numbers lead to."""
        candidates = self.web.get(
            self.openalex, {"search": title, "per-page": "5"}, kinds=_JSON, read=_reading(_openalex_list)
        )
        if not candidates:
            raise NotThere(f"no paper is called '{printable(title)}'; give its arXiv number or DOI, or use --offline")
        exact = [candidate for candidate in candidates if normal(candidate.title) == normal(title)]
        if len({candidate.arxiv or candidate.doi for candidate in exact}) != 1:
            raise SeveralPapers(title, exact or candidates)
        found = exact[0]
        more = self._perhaps(self.of_arxiv, found.arxiv) if found.arxiv else None
        more = more or (self._perhaps(self._crossref, found.doi) if found.doi else None)
        return more.completed(found) if more else found

    def _perhaps(self, ask: Callable[[str], Metadata], number: str) -> Metadata | None:
        """What a further source adds; a record can be begun without it."""
        try:
            return ask(number)
        except NotThere:
            return None
        except FetchError as error:
            self.notes.append(str(error))
            return None

    def _arxiv(self, number: str) -> Metadata:
        found = self.web.get(self.arxiv, {"id_list": number, "max_results": "1"}, kinds=_XML, read=_reading(_of_arxiv))
        if found is None:
            raise NotThere(f"arXiv has no paper {printable(number)}")
        return found

    def _crossref(self, doi: str) -> Metadata:
        return self.web.get(f"{self.crossref}/{quote(doi, safe='')}", kinds=_JSON, read=_reading(_of_crossref))

    def _openalex(self, doi: str) -> Metadata:
        return self.web.get(f"{self.openalex}/doi:{quote(doi, safe='/')}", kinds=_JSON, read=_reading(_openalex_one))


_JSON = ("application/json",)
_XML = ("application/atom+xml", "application/xml", "text/xml")


def _reading(read: Callable[[str], T]) -> Callable[[str], T]:
    """Turns whatever an answer of another form leads to into a ValueError."""

    def careful(text: str) -> T:
        try:
            return read(text)
        except (LookupError, TypeError, AttributeError, RecursionError, ElementTree.ParseError) as error:
            raise ValueError(f"it has another form than expected ({type(error).__name__}: {error})") from None

    return careful


# --- Texts -----------------------------------------------------------------------------------------------------------

_TAG = re.compile(r"</?[A-Za-z][\w:.-]*(\s[^<>]*)?/?>")


def plain(text: str) -> str:
    r"""A title or a name without the markup of HTML, MathML and TeX: ``{N}ets with $\ell_1$`` as ``Nets with ℓ_1``."""
    text = html.unescape(_TAG.sub("", html.unescape(text)))
    if re.search(r"[\\{}]|\$[^$]+\$", text):
        from pylatexenc.latex2text import LatexNodes2Text

        # Signs that mean themselves in a title, whatever TeX makes of them.
        text = re.sub(r"(?<!\\)[%&#]" if text.count("$") % 2 == 0 else r"(?<!\\)[%&#$]", r"\\\g<0>", text)
        text = LatexNodes2Text(math_mode="text").latex_to_text(text)
    return " ".join(text.split())


def _first(*dates: str | None) -> str | None:
    """The first of some dates; of two that may be the same the more exact."""
    return min(filter(None, dates), key=lambda date: f"{date}-99-99"[:10] if len(date) < 10 else date, default=None)


# --- arXiv -----------------------------------------------------------------------------------------------------------
# https://info.arxiv.org/help/api/user-manual.html

_ATOM = {"atom": "http://www.w3.org/2005/Atom", "arxiv": "http://arxiv.org/schemas/atom"}


def _of_arxiv(text: str) -> Metadata | None:
    if "<!DOCTYPE" in text:  # nothing of the kind is in an Atom feed, and it may define entities without end
        raise ValueError("a document type in an Atom feed")
    entry = ElementTree.fromstring(text).find("atom:entry", _ATOM)  # noqa: S314 - see above
    address = entry.findtext("atom:id", "", _ATOM) if entry is not None else ""
    number = identifier(address)
    if entry is None or number is None or not number.startswith("arxiv:"):
        return None  # errors are entries too, whose id is no paper's
    return Metadata(
        title=plain(entry.findtext("atom:title", "", _ATOM)),
        authors=tuple(plain(name.text or "") for name in entry.findall("atom:author/atom:name", _ATOM)),
        published=entry.findtext("atom:published", "", _ATOM)[:10] or None,
        venue=plain(entry.findtext("arxiv:journal_ref", "", _ATOM)) or None,
        arxiv=number.removeprefix("arxiv:"),
        doi=entry.findtext("arxiv:doi", None, _ATOM),
    )


# --- Crossref --------------------------------------------------------------------------------------------------------
# https://github.com/CrossRef/rest-api-doc/blob/master/api_format.md


def _of_crossref(text: str) -> Metadata:
    item = json.loads(text)["message"]
    dates = [
        "-".join(f"{part:02d}" for part in parts)
        for name in ("published-online", "published-print", "issued", "published")
        for parts in (item.get(name) or {}).get("date-parts", [])
        if parts and parts[0]
    ]
    title = ": ".join(filter(None, [*map(plain, item["title"][:1]), *map(plain, (item.get("subtitle") or [])[:1])]))
    return Metadata(
        title=title,
        authors=tuple(
            plain(
                author.get("name")
                or " ".join(filter(None, (author.get("given"), author.get("family"), author.get("suffix"))))
            )
            for author in item["author"]
        ),
        published=_first(*dates),
        venue=_venue(
            [plain(name) for name in item.get("container-title") or []],
            _first(*dates),
            conference=item.get("type") != "journal-article",
            acronym=(item.get("event") or {}).get("acronym"),
            volume=item.get("volume"),
            issue=item.get("issue"),
            pages=item.get("page"),
        ),
        doi=item["DOI"],
    )


_ACRONYM = re.compile(r"\(([A-Z][\w/-]{2,15})\)\s*$|\b([A-Z][A-Za-z]*[A-Z]+)[ ’']*(?:19|20)\d\d\s*$")


def _venue(
    containers: list[str],
    published: str | None,
    *,
    conference: bool,
    acronym: str | None,
    volume: str | None,
    issue: str | None,
    pages: str | None,
) -> str | None:
    """A venue as records write it: a conference by its acronym and year, a journal with volume, issue and pages."""
    if not containers:
        return None
    name = containers[-1]  # a series of books comes before the book
    if conference:
        found = _ACRONYM.search(name)
        short = found[1] or found[2] if found else re.sub(r"\W*\d+$", "", acronym or "") or name
        year = next(iter(re.findall(r"\b(?:19|20)\d\d\b", name)), (published or "")[:4])
        return short if year in short else f"{short} {year}"
    numbers = f" {volume}" + (f"({issue})" if issue else "") if volume else ""
    return f"{name}{numbers}" + (f", {pages.replace('–', '-')}" if pages else "")


# --- OpenAlex --------------------------------------------------------------------------------------------------------
# https://docs.openalex.org/api-entities/works/work-object


def _openalex_one(text: str) -> Metadata:
    return _of_openalex(json.loads(text))


def _openalex_list(text: str) -> list[Metadata]:
    found = [item for item in json.loads(text)["results"] if item["title"] and item["authorships"]]
    return [_of_openalex(item) for item in found]


def _of_openalex(item: dict[str, Any]) -> Metadata:
    numbers = [identifier(item.get("doi") or "")]
    numbers += [identifier(place.get("landing_page_url") or "") for place in item.get("locations") or []]
    by_kind = {number.partition(":")[0]: number.partition(":")[2] for number in reversed(numbers) if number}
    date = str(item.get("publication_date") or item.get("publication_year") or "")
    place = (item.get("primary_location") or {}).get("source") or {}
    biblio = item.get("biblio") or {}
    pages = "-".join(filter(None, (biblio.get("first_page"), biblio.get("last_page"))))
    is_journal, is_repository = place.get("type") == "journal", place.get("type") == "repository"
    return Metadata(
        title=plain(item["title"]),
        authors=tuple(
            plain(entry.get("raw_author_name") or entry["author"]["display_name"]) for entry in item["authorships"]
        ),
        # The first of January stands for a year of which no more is known.
        published=date.removesuffix("-01-01") or None,
        venue=None
        if is_repository or not place.get("display_name")
        else _venue(
            [plain(place["display_name"])],
            date,
            conference=not is_journal,
            acronym=None,
            volume=biblio.get("volume"),
            issue=biblio.get("issue"),
            pages=pages or None,
        ),
        arxiv=by_kind.get("arxiv"),
        doi=by_kind.get("doi"),
    )
