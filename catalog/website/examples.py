"""Questions that a catalogue has something to say to: every form of question with good subjects from the records.

What is a good subject is decided by numbers alone, such as who has the most descendants, so that each catalogue gets
examples of its own. A form for which it has no subject has no example.
"""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from statistics import median_low
from typing import TYPE_CHECKING, Any, TypeVar

from catalog.errors import CatalogError
from catalog.graph import Common, Derivation, Lineage, common, influence, lineage
from catalog.names import find_topic
from catalog.question_forms import Form, filled, understand
from catalog.questions import ask
from catalog.records import Status
from catalog.show import NOT_MEASURED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from catalog.questions import Answer
    from catalog.website.content import Catalogue

    T = TypeVar("T")

__all__ = ["FITS", "Example", "Examples"]

MOST = 3
"""Examples of a form."""

FITS = 12
"""Entries of an answer that are seen at once; of longer ones, a page folds the list."""

_CANDIDATES = 8
"""Subjects of a kind that are tried."""


@dataclass(frozen=True, slots=True)
class Example:
    """A question, and what the catalogue says to it."""

    question: str
    answer: Answer

    @property
    def command(self) -> str:
        """What to type into a shell."""
        return f"repro ask {shlex.quote(self.question)}"


class Examples:
    """The examples of a catalogue."""

    def __init__(self, site: Catalogue) -> None:
        self._site = site
        self._library = site.library

    def of(self, form: Form) -> list[Example]:
        """Questions of a form that have an answer; none where no subject of the catalogue gives one."""
        found: dict[str, Example] = {}
        for question in _QUESTIONS[form.id](self):
            understood = understand(question)
            if understood is None or understood[0] is not form:
                continue  # a name with words in it of which another question is made
            try:
                answer = ask(self._library, question)
            except CatalogError:
                continue  # a name that is not understood, or stands for several papers
            if _says_something(answer):
                found.setdefault(answer.understood, Example(question, answer))
            if len(found) == MOST:
                break
        return list(found.values())

    # --- Subjects ----------------------------------------------------------------------------------------------------

    def _called(self, key: str) -> str:
        """What people call a work or a family, if that stands for it alone; otherwise its id."""
        known = self._library.outlines if key in self._library.outlines else self._library.family_names
        name = known[key].name
        try:
            return name if self._library.names.find(name)[1] == key else key
        except CatalogError:
            return key

    def _topic(self, key: str) -> str:
        named = self._library.topic_names
        try:
            return named[key].name if find_topic(named[key].name, named.values()) == key else key
        except CatalogError:
            return key

    def _age(self, work: str) -> tuple[str, str]:
        return self._library.outlines[work].published, work

    @cached_property
    def _influential(self) -> list[str]:
        """The papers on which others build, those on which most do first."""
        found = influence(self._library, (paper.id for paper in self._library.papers))
        return [one.id for one in found if one.directly]

    @cached_property
    def _descendants(self) -> dict[str, int]:
        """How many works come of each paper."""
        return {paper.id: len(lineage(self._library, [paper.id]).papers) - 1 for paper in self._library.papers}

    @cached_property
    def _ancestry(self) -> list[Lineage]:
        """What each paper comes from."""
        return [lineage(self._library, [paper.id], ancestors=True) for paper in self._library.papers]

    @cached_property
    def _families(self) -> list[str]:
        """The families, the largest first."""
        return _by(lambda one: len(self._library.members(one)), self._library.family_names)

    @cached_property
    def _topics(self) -> list[str]:
        """The topics, the largest first."""
        return _by(lambda one: len(self._library.papers_on(one)), self._library.topic_names)

    @cached_property
    def _remarks(self) -> Counter[tuple[str, str]]:
        """How many times a work says something of a paper, by the two."""
        return Counter((said.source, paper.id) for paper in self._library.papers for said in paper.comments)

    # --- Questions ---------------------------------------------------------------------------------------------------

    def descendants(self) -> Iterator[str]:
        fitting, most = _fitting_and_most(self._descendants)
        for subject in (*fitting[:1], *self._families[:1], *most):
            yield filled("what builds on NAME", NAME=self._called(subject))

    def ancestors(self) -> Iterator[str]:
        fitting, most = _fitting_and_most({found.of[0]: len(found.papers) - 1 for found in self._ancestry})
        for subject in (*fitting[:1], *most):
            yield filled("what does NAME build on", NAME=self._called(subject))

    def path(self) -> Iterator[str]:
        origins = [
            (step.depth, step.id, found.of[0])
            for found in self._ancestry
            for step in found.papers
            if step.relation is not None and step.relation.is_descent
        ]
        depth = max((depth for depth, *_ in origins), default=0)
        longest = [(start, goal) for steps, start, goal in origins if steps == depth]
        pairs = combinations(self._influential[: 2 * _CANDIDATES], 2)
        by_age = ((old, new) for old, new in (sorted(pair, key=self._age) for pair in pairs))
        for start, goal in _apart((*longest[:1], *by_age)):
            yield filled("how did FROM lead to TO", FROM=self._called(start), TO=self._called(goal))

    def common(self) -> Iterator[str]:
        pairs = list(combinations(self._influential[: 2 * _CANDIDATES], 2))
        met = {pair: common(self._library, pair) for pair in pairs}
        # Best is what both descend from; least telling, that one of them is it.
        pairs.sort(
            key=lambda pair: (not set(pair).isdisjoint(one.id for one in met[pair].ancestors), met[pair].all_relations)
        )
        for one, other in _apart(pairs):
            yield filled("what do ONE and OTHER have in common", ONE=self._called(one), OTHER=self._called(other))

    def difference(self) -> Iterator[str]:
        steps = {
            (edge.paper, paper.id): (edge.relation.is_descent, self._remarks[paper.id, edge.paper])
            for paper in self._library.papers
            for edge in paper.builds_on
        }
        for old, new in _apart(_by(steps.__getitem__, steps)):
            yield filled("what changed from FROM to TO", FROM=self._called(old), TO=self._called(new))

    def remarks_by(self) -> Iterator[str]:
        for source, paper in _apart(_by(self._remarks.__getitem__, self._remarks)):
            yield filled("what did SOURCE say about NAME", SOURCE=self._called(source), NAME=self._called(paper))

    def remarks(self) -> Iterator[str]:
        for name in self._spoken_of():
            yield filled("what is said about NAME", NAME=name)

    def speakers(self) -> Iterator[str]:
        for name in self._spoken_of():
            yield filled("which papers say something about NAME", NAME=name)

    def _spoken_of(self) -> Iterator[str]:
        """A paper of which a few works speak, the topic of which most do, and the paper of which most do."""
        fitting, most = _fitting_and_most({paper.id: len(paper.comments) for paper in self._library.papers})
        topics = _by(lambda one: len(one.comments), self._library.topics)
        yield from map(self._called, fitting[:1])
        yield from (self._topic(topic.id) for topic in topics[:1] if topic.comments)
        yield from map(self._called, most)

    def influence(self) -> Iterator[str]:
        for topic in self._topics[:1]:
            yield filled("most influential papers on TOPIC", TOPIC=self._topic(topic))
        for family in self._families[:1]:
            yield filled("most influential papers of the FAMILY family", FAMILY=self._called(family))
        yield "most influential papers"

    def papers_on(self) -> Iterator[str]:
        fitting, most = _fitting_and_most({topic: len(self._library.papers_on(topic)) for topic in self._topics})
        for topic in fitting[:2]:
            yield filled("papers on TOPIC", TOPIC=self._topic(topic))
        for topic in most:
            year = median_low(paper.year for paper in self._library.papers_on(topic))
            yield filled("papers on TOPIC before YEAR", TOPIC=self._topic(topic), YEAR=str(year))

    def papers_by(self) -> Iterator[str]:
        written = Counter(author for paper in self._library.papers for author in paper.authors)
        for author in _by(written.__getitem__, written)[:_CANDIDATES]:
            yield filled("papers by AUTHOR", AUTHOR=author)

    def papers_of(self) -> Iterator[str]:
        for family in self._families[:2]:
            yield filled("papers of the FAMILY family", FAMILY=self._called(family))
        for family in self._families[:1]:
            year = median_low(paper.year for paper in self._library.members(family))
            yield filled("papers of the FAMILY family before YEAR", FAMILY=self._called(family), YEAR=str(year))

    def papers_in(self) -> Iterator[str]:
        years = sorted(paper.year for paper in self._library.papers)
        yield filled("papers since YEAR", YEAR=str(years[-1]))
        yield filled("papers published before YEAR", YEAR=str(years[min(FITS, len(years) - 1)]))
        yield filled("papers in YEAR", YEAR=str(median_low(years)))

    def verdicts(self) -> Iterator[str]:
        # To ask is to read all results again, so nothing is asked that the pages know the answer of: none.
        asked = {
            Status.DEVIATES: "which claims deviate",
            Status.FAILED: "which claims failed",
            Status.NOT_CHECKABLE: "which claims are not checkable",
            Status.CONSISTENT: "which claims are consistent",
            Status.VERIFIED: "which claims are verified",
            NOT_MEASURED: "which claims have not been measured yet",
        }
        yield from (question for status, question in asked.items() if status in self._site.verdicts)

    def record(self) -> Iterator[str]:
        papers = self._influential or [paper.id for paper in self._library.papers]
        for subject in (*papers[:1], *self._families[:1], *papers[1:2]):
            yield filled("what is NAME", NAME=self._called(subject))


_QUESTIONS: dict[str, Callable[[Examples], Iterator[str]]] = {
    "descendants": Examples.descendants,
    "ancestors": Examples.ancestors,
    "path": Examples.path,
    "common": Examples.common,
    "difference": Examples.difference,
    "remarks-by": Examples.remarks_by,
    "remarks": Examples.remarks,
    "speakers": Examples.speakers,
    "influence": Examples.influence,
    "papers-on": Examples.papers_on,
    "papers-by": Examples.papers_by,
    "papers-of": Examples.papers_of,
    "papers-in": Examples.papers_in,
    "verdicts": Examples.verdicts,
    "record": Examples.record,
}
"""By the id of the form, the questions that are worth a try, the best first."""


def _by(size: Callable[[T], Any], subjects: Iterable[T]) -> list[T]:
    """The largest first; the same size keeps its order."""
    return sorted(subjects, key=size, reverse=True)


def _fitting_and_most(sizes: dict[str, int]) -> tuple[list[str], list[str]]:
    """Subjects by size, the largest first: those whose answer is seen at once, and the one with the longest answer."""
    ordered = [subject for subject in _by(sizes.__getitem__, sizes) if sizes[subject]]
    return [subject for subject in ordered if sizes[subject] <= FITS], ordered[:1]


def _apart(pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Those of several pairs that share no work with one before."""
    seen: set[str] = set()
    for pair in pairs:
        if seen.isdisjoint(pair):
            seen.update(pair)
            yield pair


def _says_something(answer: Answer) -> bool:
    match answer.result:
        case Lineage() as found:
            return len(found.papers) > len(found.of)
        case Common() as found:
            return bool(found.ancestors)
        case Derivation() as found:
            return bool(found.paths or (found.common and found.common.ancestors))
        case tuple() as found:
            return bool(found)
        case _:
            return True
