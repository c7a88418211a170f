"""What the pages show: a library, what was measured of it, and where each part of it has its place."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from catalog import paths
from catalog.graph import Lineage, lineage
from catalog.names import slug
from catalog.records import Ancestor, Claim, ExternalWork, Family, Paper, Status, Tier, Topic
from catalog.show import NOT_MEASURED
from catalog.standalone import source_of
from catalog.verify.ledger import Entry, Ledger, MutationScore, Network
from catalog.website import published
from catalog.website.markdown import date as written_date

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from catalog.library import Library

__all__ = ["ORDER", "Catalogue", "Module", "Result", "Subject", "module", "place"]

Subject: TypeAlias = Paper | ExternalWork | Topic | Family
"""What has a place of its own on the site."""


def place(subject: Subject) -> tuple[str, str]:
    """The file below the docs folder that shows a subject, and the anchor in it where it is one of several."""
    match subject:
        case Paper():
            return f"papers/{subject.id}/index.md", ""
        case Topic():
            return f"topics/{subject.id}/index.md", ""
        case Family():
            return f"families/{subject.id}/index.md", ""
        case ExternalWork():
            return "works/index.md", subject.id


@dataclass(frozen=True)
class Module:
    """The reproduction of a paper, as a page shows it."""

    name: str
    source: str
    variants: list[str]


@dataclass(frozen=True)
class Result:
    """What is known of a claim."""

    claim: Claim
    status: str
    entry: Entry | None = None
    stale: bool = False


class Catalogue:
    """What the templates ask of a library: ``site`` in each of them."""

    def __init__(self, library: Library) -> None:
        self.library = library

    @cached_property
    def address(self) -> str:
        """Where the site is published."""
        return published.site_url()

    def url(self, file: str, anchor: str = "") -> str:
        """The address of a file of the docs folder, and of an anchor in it, where the site is published."""
        return published.url(self.address, file, anchor)

    @property
    def is_the_project(self) -> bool:
        """Whether these are the project's own records."""
        return self.library.folder.resolve() == paths.RECORDS

    @cached_property
    def largest_family(self) -> Family | None:
        """The family that has the most papers, if there is any."""
        members = Counter(paper.family for paper in self.library.papers)
        return max(self.library.families, key=lambda family: members[family.id], default=None)

    @cached_property
    def papers(self) -> list[Paper]:
        """All papers, oldest first."""
        return sorted(self.library.papers, key=_by_date)

    @cached_property
    def external(self) -> list[ExternalWork]:
        """All works outside the catalogue, oldest first."""
        return sorted(self.library.external, key=_by_date)

    @cached_property
    def years(self) -> Mapping[int, list[Paper]]:
        """The papers of each year that has any, both from the oldest on."""
        found = defaultdict(list)
        for paper in self.papers:
            found[paper.year].append(paper)
        return dict(found)

    @cached_property
    def authors(self) -> Mapping[str, list[Paper]]:
        """The papers of everybody who wrote one, oldest first. Who is spelled in two ways is there twice."""
        found = defaultdict(list)
        for paper in self.papers:
            for author in paper.authors:
                found[author].append(paper)
        return dict(found)

    @cached_property
    def author_anchors(self) -> Mapping[str, str]:
        """Where each author stands in ``authors/index.md``; a number tells apart names that differ in accents only."""
        anchors: dict[str, str] = {}
        taken: Counter[str] = Counter()
        for author in sorted(self.authors):
            anchor = f"author-{slug(author)}"
            taken[anchor] += 1
            anchors[author] = f"{anchor}--{taken[anchor]}" if taken[anchor] > 1 else anchor
        return anchors

    def subtopics(self, parent: str | None) -> list[Topic]:
        """The topics directly below a topic, or those of the first level."""
        return [topic for topic in self.library.topics if topic.parent == parent]

    @cached_property
    def led_to(self) -> Mapping[str, list[tuple[Paper, Ancestor]]]:
        """For each work, the papers that build on it, oldest first."""
        found = defaultdict(list)
        for paper in self.papers:
            for step in paper.builds_on:
                found[step.paper].append((paper, step))
        return found

    @cached_property
    def compared_by(self) -> Mapping[str, list[Paper]]:
        """For each work, the papers that compare themselves with it."""
        found = defaultdict(list)
        for paper in self.papers:
            for step in paper.compares_with:
                found[step.paper].append(paper)
        return found

    @property
    def _commented(self) -> list[Paper | Topic]:
        return [*self.papers, *self.library.topics]

    @cached_property
    def speaks_of(self) -> Mapping[str, list[Paper | Topic]]:
        """For each work, the papers and topics that it says something of."""
        found: dict[str, list[Paper | Topic]] = defaultdict(list)
        for subject in self._commented:
            for source in dict.fromkeys(comment.source for comment in subject.comments):
                found[source].append(subject)
        return found

    @cached_property
    def lineage(self) -> Lineage:
        """The descent of all papers."""
        return lineage(self.library, [paper.id for paper in self.papers])

    def descendants(self, family: Family) -> Lineage:
        """What came of a family."""
        return lineage(self.library, [paper.id for paper in self.library.members(family.id)])

    @property
    def quotations(self) -> int:
        """How many things works say of papers and topics."""
        return sum(len(subject.comments) for subject in self._commented)

    @property
    def relations(self) -> int:
        """How many steps of lineage there are."""
        return sum(map(len, self.led_to.values()))

    @property
    def with_claims(self) -> list[Paper]:
        """The papers some of whose claims are written down, oldest first."""
        return [paper for paper in self.papers if paper.claims]

    @property
    def verdicts(self) -> dict[str, int]:
        """How many claims of all papers have which status."""
        return self.tallied(self.papers)

    @cached_property
    def ledgers(self) -> Mapping[str, Ledger]:
        """What was recorded of each paper."""
        return {paper.id: Ledger.load(paper.id) for paper in self.papers}

    @cached_property
    def results(self) -> Mapping[str, list[Result]]:
        """What is known of each claim of each paper."""
        return {paper.id: list(self._results(paper)) for paper in self.papers}

    def _results(self, paper: Paper) -> Iterator[Result]:
        for claim in paper.claims:
            if entry := self.ledgers[paper.id].entry(claim.id):
                yield Result(claim, entry.status, entry, self.is_stale(paper, entry))
            else:
                yield Result(claim, Status.NOT_CHECKABLE if claim.not_checkable else NOT_MEASURED)

    def is_stale(self, paper: Paper, entry: Entry) -> bool:
        """Whether the code or the claim has changed since an entry was measured, or the claim is gone."""
        return (entry.claim, entry.environment) in self._stale[paper.id]

    @cached_property
    def _stale(self) -> Mapping[str, set[tuple[str, str]]]:
        return {paper.id: self.ledgers[paper.id].stale(paper) for paper in self.papers}

    def runs(self, paper: Paper) -> list[str]:
        """When, where and with what the claims of a paper were measured, each once."""
        entries = (result.entry for result in self.results[paper.id] if result.entry)
        found = {(entry.date, entry.device, entry.versions.get("torch", "")) for entry in entries}
        return [f"on {written_date(date)} with torch {torch} on {device}" for date, device, torch in sorted(found)]

    def errors(self, paper: Paper) -> tuple[MutationScore, bool] | None:
        """How many deliberate errors in a module its claims caught, and whether that speaks of older code."""
        return self._errors.get(paper.id)

    @cached_property
    def _errors(self) -> Mapping[str, tuple[MutationScore, bool]]:
        return {
            paper.id: (ledger.mutation, ledger.mutation_is_stale(paper))
            for paper in self.papers
            if (ledger := self.ledgers[paper.id]).mutation is not None
        }

    def networks(self, paper: Paper) -> list[Network]:
        """What the networks of a paper's module cost, as it was counted; none where nothing was."""
        counted = self.ledgers[paper.id].networks
        return counted.counted if counted else []

    def networks_are_stale(self, paper: Paper) -> bool:
        """Whether what was counted speaks of older code, or of other inputs than the claims name now."""
        return self.ledgers[paper.id].networks_are_stale(paper)

    def why(self, paper: Paper, change: str) -> str:
        """Why the claims of a paper need not notice a change of its module; empty where nobody has said."""
        return next((known.why for known in paper.survivors if known.change == change), "")

    def tally(self, paper: Paper, tier: Tier | None = None) -> dict[str, int]:
        """How many claims of a paper, or of one tier of it, have which status."""
        return self.tallied([paper], tier)

    def tallied(self, papers: Iterable[Paper], tier: Tier | None = None) -> dict[str, int]:
        """How many claims of some papers, or of one tier of them, have which status, best first."""
        results = (result for paper in papers for result in self.results[paper.id])
        counts = Counter(result.status for result in results if tier in {None, result.claim.tier})
        return {status: counts[status] for status in ORDER if counts[status]}

    def stale(self, paper: Paper, tier: Tier | None = None) -> int:
        """How many of them were measured before the code or the claim last changed."""
        return sum(result.stale for result in self.results[paper.id] if tier in {None, result.claim.tier})

    def judged(self, paper: Paper) -> int:
        """How many claims of a paper have a verdict, be it that nobody can check them."""
        return sum(result.status not in {NOT_MEASURED, Status.NOT_RUN} for result in self.results[paper.id])


def _by_date(work: Paper | ExternalWork) -> tuple[str, str]:
    return work.published, work.id


ORDER: list[str] = [*Status, NOT_MEASURED]
"""Every status that a claim may have, best first."""


def module(paper: str) -> Module | None:
    """The reproduction of a paper, if it has one."""
    import reproductions

    try:
        variants = reproductions.variants(paper)
    except reproductions.UnknownReproduction:
        return None
    return Module(f"reproductions/{paper.replace('-', '_')}.py", source_of(paper), variants)
