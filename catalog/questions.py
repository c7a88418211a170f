"""Questions in plain English, a few patterns of them, turned into queries of the catalogue."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from catalog.errors import CatalogError
from catalog.graph import Lineage, lineage
from catalog.names import UnknownName, closest, find_topic, normal
from catalog.notebook import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from catalog.library import Library
    from catalog.records import Family, Paper, Topic

__all__ = ["EXAMPLES", "Answer", "NotUnderstood", "Remark", "ask"]

EXAMPLES = (
    "what builds on Inception",
    "what does Xception build on",
    "what did ShuffleNet say about AlexNet",
    "what is said about ResNet",
    "papers on attention before 2019",
    "papers by Kaiming He",
    "papers of the MobileNet family before 2019",
    "what is Xception",
)
"""One question of each kind."""

LONGEST = 300
"""Characters that a question may have; a longer one is a text."""


class NotUnderstood(CatalogError):
    """A question of none of the kinds that are understood."""

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
class Answer:
    """A question, how it was understood, and what the catalogue says."""

    question: str
    kind: Literal["lineage", "remarks", "papers", "record"]
    understood: str
    """The question in the words of the catalogue: ``lineage inception``, ``papers on attention before 2019``."""
    result: Lineage | tuple[Remark, ...] | tuple[Paper, ...] | Paper | Family
    """By kind: a lineage, remarks, papers, or one record."""

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


def _plain(result: Lineage | Remark | Paper | Family) -> dict[str, Any]:
    if isinstance(result, Lineage):
        return result.as_dict()
    if isinstance(result, Remark):
        return asdict(result)
    return result.model_dump(mode="json", exclude_none=True)


def ask(library: Library, text: str) -> Answer:
    """Answer a question such as one of :data:`EXAMPLES`.

    Raises:
        NotUnderstood: the question is of no kind that is understood; the error says which are.
        UnknownName, AmbiguousName: it is, but a name in it stands for nothing, or for several things.
    """
    question = " ".join(text.split())
    if len(question) <= LONGEST:
        for pattern, answer in _PATTERNS:
            if match := pattern.fullmatch(question.rstrip(" ?.!")):
                groups = {name: _unquoted(group) for name, group in match.groupdict().items() if group}
                return answer(library, question, groups)
    raise NotUnderstood(question)


def _unquoted(name: str) -> str:
    return name.strip().strip("\"'“”‘’").strip()


# --- The kinds of questions ------------------------------------------------------------------------------------------

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
    topic = find_topic(groups["name"], library.topic_names.values())
    return _papers(question, library.papers_on(topic), f"papers on {topic}", groups)


def _papers_by(library: Library, question: str, groups: _Groups) -> Answer:
    wanted = set(_words(groups["name"]))
    authors = {author: None for paper in library.papers for author in paper.authors}
    # "He" and "Kaiming He" are both meant; "Kaiming H." is not.
    found = [author for author in authors if wanted and wanted <= set(_words(author))]
    if not found:
        raise UnknownName(groups["name"], closest(groups["name"], authors), what="author")
    papers = [paper for paper in library.papers if not set(found).isdisjoint(paper.authors)]
    return _papers(question, papers, f"papers by {' or '.join(found)}", groups)


def _papers_of(library: Library, question: str, groups: _Groups) -> Answer:
    papers = library.resolve(groups["name"])
    return _papers(question, papers, f"papers of {_called(library, groups['name'])}", groups)


def _papers_at_all(library: Library, question: str, groups: _Groups) -> Answer:
    return _papers(question, library.papers, "papers", groups)


def _papers(question: str, papers: Iterable[Paper], understood: str, groups: _Groups) -> Answer:
    """The papers of a period, by date."""
    first, last = 0, 9999
    if relation := groups.get("relation", "").casefold():
        year = int(groups["year"])
        if relation in {"since", "from", "after", "in"}:
            first = year + (relation == "after")
        if relation in {"before", "until", "up to", "in"}:
            last = year - (relation == "before")
        understood += f" {relation} {year}"
    elif "first" in groups:
        first, last = int(groups["first"]), int(groups["last"])
        understood += f" from {first} to {last}"
    found = [paper for paper in papers if first <= paper.year <= last]
    found.sort(key=lambda paper: (paper.published, paper.id))
    return Answer(question, "papers", understood, Table(found))


def _words(name: str) -> list[str]:
    return [normal(word) for word in name.replace("-", " ").split()]


def _record(library: Library, question: str, groups: _Groups) -> Answer:
    found = library.find(groups["name"])
    return Answer(question, "record", f"show {found.id}", found)


# --- Their words -----------------------------------------------------------------------------------------------------

_NAME = r"(?P<name>.+?)"
_WHICH = r"(?:(?:what|which|all|list|show(?: me)?|find)(?: the| all)? )?(?:papers?|works?|networks?)(?: are| is)?"
_PERIOD = (
    r"(?: (?:published |that appeared )?(?:(?P<relation>since|from|after|in|before|until|up to) (?P<year>\d{4})"
    r"|(?:between|from) (?P<first>\d{4}) (?:and|to) (?P<last>\d{4})))"
)
_WHO = r"(?:what|who|which (?:papers?|works?|networks?)|everything that|papers? that)"

_PATTERNS: tuple[tuple[re.Pattern[str], Callable[[Library, str, _Groups], Answer]], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), answer)
    for pattern, answer in (
        (
            rf"{_WHO} (?:builds?|built|is built|are built|is based|are based|draws?|rests?) (?:up)?on {_NAME}",
            _descendants,
        ),
        (
            rf"{_WHO} (?:came|comes?|descends?|descended|follows?|followed|derives?) (?:from|after|out of) {_NAME}",
            _descendants,
        ),
        (rf"(?:what are )?(?:the )?(?:descendants|successors|lineage|children) of {_NAME}", _descendants),
        (rf"what (?:does|do|did) {_NAME} (?:build|rest|draw|depend) (?:up)?on", _ancestors),
        (rf"what (?:is|are|was|were) {_NAME} (?:built|based) (?:up)?on", _ancestors),
        (rf"where (?:does|do|did) {_NAME} come from", _ancestors),
        (rf"what led to {_NAME}", _ancestors),
        (rf"(?:what are )?(?:the )?(?:ancestors|origins|roots|predecessors|parents) of {_NAME}", _ancestors),
        (rf"what (?:did|does|do) (?P<source>.+?) (?:say|write|think) (?:about|of|on) {_NAME}", _remarks),
        (rf"what (?:is|was|has been) (?:said|written|thought) (?:about|of|on) {_NAME}", _remarks),
        (rf"(?:comments|remarks) (?:about|of|on) {_NAME}", _remarks),
        (rf"{_WHICH} (?:on|about|under) {_NAME}{_PERIOD}?", _papers_on),
        (rf"{_WHICH} by {_NAME}{_PERIOD}?", _papers_by),
        (rf"{_WHICH} (?:of|in|from) (?:the )?{_NAME} (?:family|series){_PERIOD}?", _papers_of),
        (rf"{_WHICH}{_PERIOD}", _papers_at_all),
        (rf"(?:what|who) (?:is|are) {_NAME}", _record),
        (rf"(?:show|describe|explain|tell me about) (?:me )?{_NAME}", _record),
        (rf"who (?:wrote|made|invented|proposed|introduced) {_NAME}", _record),
        (rf"when (?:was|did|were) {_NAME} (?:published|appear|written|come out)", _record),
    )
)
