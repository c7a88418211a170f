"""Questions in plain English, a few forms of them, turned into queries of the catalogue.

:mod:`catalog.question_forms` has the forms and their words; here is what each of them answers.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from catalog.errors import CatalogError
from catalog.graph import Common, Derivation, Influence, Lineage, common, influence, lineage, path
from catalog.names import UnknownName, find_authors, find_topic
from catalog.notebook import Table
from catalog.question_forms import FORMS, understand, unquoted
from catalog.show import NOT_MEASURED, verdict_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from catalog.difference import Said
    from catalog.library import Library
    from catalog.records import Family, Paper, Topic

__all__ = ["EXAMPLES", "Answer", "NotUnderstood", "Remark", "Reproduction", "Speaker", "ask"]

Kind = Literal[
    "lineage",
    "path",
    "common",
    "difference",
    "remarks",
    "speakers",
    "papers",
    "influence",
    "reproductions",
    "record",
]

EXAMPLES = tuple(form.example for form in FORMS)
"""One question of each form."""


class NotUnderstood(CatalogError):
    """A question of none of the forms that are understood."""

    def __init__(self, question: str) -> None:
        self.question = question
        super().__init__("\n  ".join(["this is not understood; ask one of these, with any names in them:", *EXAMPLES]))


@dataclass(frozen=True, slots=True)
class Remark:
    """What a work says of a paper or of a topic."""

    source: str
    about: str
    text: str
    quotation: bool


@dataclass(frozen=True, slots=True)
class Speaker:
    """A work that says something of a paper, a family or a topic."""

    id: str
    name: str
    year: int
    published: str
    external: bool
    """Whether it is a work outside the catalogue."""
    remarks: int
    """How many times."""


@dataclass(frozen=True, slots=True)
class Reproduction:
    """A paper some of whose claims have the verdict that was asked for."""

    id: str
    name: str
    year: int
    claims: tuple[str, ...]
    """These claims."""
    stale: tuple[str, ...]
    """Those of them that were measured with other code, or for another claim."""
    of: int
    """How many claims the paper has."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A question, how it was understood, and what the catalogue says."""

    question: str
    kind: Kind
    understood: str
    """The question in the words of the catalogue: ``lineage inception``, ``papers on attention before 2019``."""
    result: (
        Lineage
        | Derivation
        | Common
        | Said
        | tuple[Remark, ...]
        | tuple[Speaker, ...]
        | tuple[Paper, ...]
        | tuple[Influence, ...]
        | tuple[Reproduction, ...]
        | Paper
        | Family
    )
    """By kind: a lineage, a path, common ancestors, what two records say; several of the same; or one record."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "question": self.question,
            "kind": self.kind,
            "understood": self.understood,
            "result": [_plain(one) for one in self.result] if isinstance(self.result, tuple) else _plain(self.result),
        }

    def _repr_html_(self) -> str:
        from catalog import notebook

        return notebook.answer(self)


def _plain(result: Any) -> dict[str, Any]:
    found: dict[str, Any]
    if hasattr(result, "as_dict"):
        found = result.as_dict()
    elif hasattr(result, "model_dump"):
        found = result.model_dump(mode="json", exclude_none=True)
    else:
        found = asdict(result)
    return found


def ask(library: Library, text: str) -> Answer:
    """Answer a question such as one of :data:`EXAMPLES`.

    Raises:
        NotUnderstood: the question is of no form that is understood; the error says which are.
        UnknownName, AmbiguousName: it is, but a name in it stands for nothing, or for several things.
    """
    question = " ".join(text.split())
    if (understood := understand(question)) is None:
        raise NotUnderstood(question)
    form, groups = understood
    return _ANSWERS[form.id](library, question, groups)


# --- The answers -----------------------------------------------------------------------------------------------------

_Groups = dict[str, str]


def _descendants(library: Library, question: str, groups: _Groups) -> Answer:
    name = groups["name"]
    return Answer(question, "lineage", f"lineage {_called(library, name)}", lineage(library, [name]))


def _ancestors(library: Library, question: str, groups: _Groups) -> Answer:
    name = groups["name"]
    found = lineage(library, [name], ancestors=True)
    return Answer(question, "lineage", f"lineage {_called(library, name)} --ancestors", found)


def _called(library: Library, name: str) -> str:
    return library.names.find(name)[1]


def _path(library: Library, question: str, groups: _Groups) -> Answer:
    old, new = groups["old"], groups["new"]
    return Answer(question, "path", f"path {_called(library, old)} {_called(library, new)}", path(library, old, new))


def _difference(library: Library, question: str, groups: _Groups) -> Answer:
    from catalog.difference import said

    old, new = groups["old"], groups["new"]
    understood = f"what changed from {_called(library, old)} to {_called(library, new)}"
    return Answer(question, "difference", understood, said(library, old, new))


def _common(library: Library, question: str, groups: _Groups) -> Answer:
    names = _several(library, groups["names"])
    understood = " ".join(["common", *(_called(library, name) for name in names)])
    return Answer(question, "common", understood, common(library, names))


def _several(library: Library, text: str) -> list[str]:
    """The names in an enumeration; an "and" may also be part of a name."""
    parts = re.split(r"(,? and |, | & | with )", text)  # names at even places
    names = []
    while parts:
        ends = range(len(parts), 0, -2)
        longest = next((end for end in ends if _is_known(library, "".join(parts[:end]))), 1)
        names.append(unquoted("".join(parts[:longest])))
        del parts[: longest + 1]
    return names


def _is_known(library: Library, name: str) -> bool:
    try:
        library.names.find(unquoted(name))
    except CatalogError:
        return False
    return True


def _remarks(library: Library, question: str, groups: _Groups) -> Answer:
    subjects, about = _subjects(library, groups["name"])
    sources, by = None, ""
    if (speaker := groups.get("source")) and speaker.casefold() not in _ANYBODY:
        sources, by = library.ids(speaker), f" by {_called(library, speaker)}"
    remarks = tuple(
        Remark(comment.source, subject.id, comment.text, comment.quotation)
        for subject in subjects
        for comment in subject.comments
        if sources is None or comment.source in sources
    )
    return Answer(question, "remarks", f"remarks on {about}{by}", remarks)


_ANYBODY = {
    "anybody",
    "anyone",
    "others",
    "other papers",
    "later papers",
    "later works",
    "papers",
    "people",
    "the survey",
}


def _speakers(library: Library, question: str, groups: _Groups) -> Answer:
    subjects, about = _subjects(library, groups["name"])
    counts = Counter(comment.source for subject in subjects for comment in subject.comments)
    found = [
        Speaker(work.id, work.name, work.year, work.published, work.external, counts[work.id])
        for work in map(library.outlines.__getitem__, counts)
    ]
    found.sort(key=lambda speaker: (speaker.published, speaker.id))
    return Answer(question, "speakers", f"papers that say something about {about}", tuple(found))


def _subjects(library: Library, name: str) -> tuple[tuple[Paper | Topic, ...], str]:
    """The papers that are called so, or else the topic and those under it."""
    try:
        return library.resolve(name), _called(library, name)
    except UnknownName:
        try:
            topic = find_topic(name, library.topic_names.values())
        except UnknownName:
            topic = ""
        if not topic:
            raise
    return tuple(library.topic(other) for other in library.topic_names if f"{other}/".startswith(f"{topic}/")), topic


def _papers_on(library: Library, question: str, groups: _Groups) -> Answer:
    papers, about = _on(library, groups["name"])
    return _papers(question, papers, f"papers on {about}", groups)


def _on(library: Library, name: str) -> tuple[tuple[Paper, ...], str]:
    """The papers on the topic that is called so, or else of the family."""
    try:
        topic = find_topic(name, library.topic_names.values())
    except UnknownName as error:
        if not _is_known(library, name):
            raise
        kind, key = library.names.find(name)
        if kind != "family":
            hint = f"it is a work; ask what builds on {key}, or what is said about {key}"
            raise UnknownName(name, what="topic", hint=hint) from error
        return library.members(key), key
    return library.papers_on(topic), topic


def _papers_by(library: Library, question: str, groups: _Groups) -> Answer:
    outlines = [outline for outline in library.outlines.values() if not outline.external]
    known = [author for outline in outlines for author in outline.authors]
    meant = [find_authors(name, known) for name in re.split(r",? and | & ", groups["name"])]
    papers = [library[o.id] for o in outlines if not any(set(found).isdisjoint(o.authors) for found in meant)]
    return _papers(question, papers, f"papers by {' and '.join(map(' or '.join, meant))}", groups)


def _papers_of(library: Library, question: str, groups: _Groups) -> Answer:
    papers = library.resolve(groups["name"])
    return _papers(question, papers, f"papers of {_called(library, groups['name'])}", groups)


def _papers_at_all(library: Library, question: str, groups: _Groups) -> Answer:
    return _papers(question, library.papers, "papers", groups)


def _papers(question: str, papers: Iterable[Paper], understood: str, groups: _Groups) -> Answer:
    """The papers of a period, by date."""
    period = _Period.of(groups)
    found = sorted(period.papers(papers), key=lambda paper: (paper.published, paper.id))
    return Answer(question, "papers", understood + period.words, Table(found))


class _Period(NamedTuple):
    first: int = 0
    last: int = 9999
    words: str = ""

    @classmethod
    def of(cls, groups: _Groups) -> _Period:
        if relation := groups.get("relation", "").casefold():
            year = int(groups["year"])
            first = year + (relation == "after") if relation in {"since", "from", "after", "in"} else 0
            last = year - (relation == "before") if relation in {"before", "until", "up to", "in"} else 9999
            return cls(first, last, f" {relation} {year}")
        if "first" in groups:
            first, last = int(groups["first"]), int(groups["last"])
            return cls(first, last, f" from {first} to {last}")
        return cls()

    def papers(self, papers: Iterable[Paper]) -> Iterable[Paper]:
        return (paper for paper in papers if self.first <= paper.year <= self.last)


def _influence(library: Library, question: str, groups: _Groups) -> Answer:
    papers: Iterable[Paper] = library.papers
    about = ""
    if "name" in groups:
        papers, name = _on(library, groups["name"])
        about = f" on {name}"
    elif "family" in groups:
        papers, about = library.resolve(groups["family"]), f" of {_called(library, groups['family'])}"
    period = _Period.of(groups)
    understood = f"most influential papers{about}{period.words}"
    found = influence(library, (paper.id for paper in period.papers(papers)))
    return Answer(question, "influence", understood, found)


def _reproductions(library: Library, question: str, groups: _Groups) -> Answer:
    from catalog.verify.ledger import recorded

    asked = next(status for word, status in _VERDICTS.items() if groups["verdict"].casefold().startswith(word))
    found = []
    for paper in library.papers:
        statuses = recorded(paper) if paper.claims else {}
        known = {claim.id: verdict_on(claim.id, claim.not_checkable, statuses).split(", ") for claim in paper.claims}
        claims = tuple(claim for claim, words in known.items() if asked in words)
        if claims:
            stale = tuple(claim for claim in claims if "stale" in known[claim])
            found.append(Reproduction(paper.id, paper.name, paper.year, claims, stale, len(known)))
    return Answer(question, "reproductions", f"claims of which the results say: {asked}", tuple(found))


_VERDICTS = {
    "verif": "verified",
    "consist": "consistent",
    "deviat": "deviates",
    "fail": "failed",
    "stale": "stale",
    "not check": "not checkable",
    "not": NOT_MEASURED,
}
"""What the results say of a claim, by how the word for it begins."""


def _record(library: Library, question: str, groups: _Groups) -> Answer:
    found = library.find(groups["name"])
    return Answer(question, "record", f"show {found.id}", found)


_ANSWERS: dict[str, Callable[[Library, str, _Groups], Answer]] = {
    "descendants": _descendants,
    "ancestors": _ancestors,
    "path": _path,
    "common": _common,
    "difference": _difference,
    "remarks-by": _remarks,
    "remarks": _remarks,
    "speakers": _speakers,
    "influence": _influence,
    "papers-on": _papers_on,
    "papers-by": _papers_by,
    "papers-of": _papers_of,
    "papers-in": _papers_at_all,
    "verdicts": _reproductions,
    "record": _record,
}
"""By the id of the form."""
