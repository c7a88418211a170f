"""The catalogue as a whole: read a folder of records, and find things in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from catalog import index, paths
from catalog.errors import LibraryError
from catalog.names import Names, UnknownName, closest
from catalog.notebook import Table
from catalog.outline import Edge, Named, Outline
from catalog.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from catalog.graph import Lineage
    from catalog.questions import Answer
    from catalog.records import ExternalWork, Family, Paper, Record, Topic
    from catalog.search import Found

    R = TypeVar("R", bound=Record)

__all__ = ["Library", "LibraryError"]


class _Outlines(Mapping[str, Outline]):
    """The outlines of works by id; each is read when it is asked for, all at once where somebody goes through them."""

    def __init__(self, found: index.Index) -> None:
        self._index = found
        self._read: dict[str, Outline] = {}
        self._is_complete = False

    def __getitem__(self, work: str) -> Outline:
        if work not in self._read and not self._is_complete and (outline := self._index.work(work)) is not None:
            self._read[work] = outline
        return self._read[work]

    def __iter__(self) -> Iterator[str]:
        if not self._is_complete:
            self._read, self._is_complete = {outline.id: outline for outline in self._index.works()}, True
        return iter(self._read)

    def __len__(self) -> int:
        return self._index.count(*index.WORKS)


class Library:
    """A valid folder of records.

    Questions are answered from a compiled index (:mod:`catalog.index`), of which no more is read than they need.
    """

    def __init__(self, folder: Path, found: index.Index) -> None:
        """Use :meth:`load`."""
        self.folder = folder
        self.index = found
        """Where the answers come from."""
        self.outlines: Mapping[str, Outline] = _Outlines(found)
        """Every paper and every work outside the catalogue, by id; the papers first."""
        self._records: dict[tuple[str, str], Any] = {}

    @classmethod
    def load(cls, folder: Path | str | None = None) -> Library:
        """Read and check the records of a folder, or else those of ``REPRO_PAPERS``, or else the project's own.

        Raises:
            NoRecords: there is no such folder, or no record of a paper in it.
            LibraryError: with everything that is wrong in the folder, file by file and line by line.
        """
        folder = paths.records_folder() if folder is None else Path(folder).expanduser()
        return cls(folder, index.load(folder))

    @cached_property
    def topic_names(self) -> Mapping[str, Named]:
        """Every topic by id, in the order of the taxonomy."""
        return {topic.id: topic for topic in self.index.named("topic")}

    @cached_property
    def family_names(self) -> Mapping[str, Named]:
        """Every family by id, in the order of its file."""
        return {family.id: family for family in self.index.named("family")}

    def __repr__(self) -> str:
        return f"<Library of {counted(len(self), 'paper')}, in {self.folder}>"

    def _repr_html_(self) -> str:
        from catalog import notebook

        return notebook.library(self)

    # --- Records -----------------------------------------------------------------------------------------------------

    @cached_property
    def papers(self) -> Table[Paper]:
        """Every paper of the catalogue, by id."""
        return Table(self[paper] for paper in self._paper_ids)

    @cached_property
    def external(self) -> Table[ExternalWork]:
        """Every work outside the catalogue, by id."""
        from catalog.records import ExternalWork

        return Table(self._record(ExternalWork, "external", work) for work in self.index.ids("external"))

    @cached_property
    def topics(self) -> Table[Topic]:
        """Every topic, in the order of the taxonomy."""
        return Table(self.topic(topic) for topic in self.topic_names)

    @cached_property
    def families(self) -> Table[Family]:
        """Every family, in the order of its file."""
        return Table(self.family(family) for family in self.family_names)

    def __getitem__(self, paper: str) -> Paper:
        """The paper of an id.

        Raises:
            UnknownName: no paper has this id.
        """
        from catalog.records import Paper

        if paper not in self:
            raise self._unknown(paper, "paper", self._paper_ids)
        return self._record(Paper, "paper", paper)

    def __contains__(self, paper: object) -> bool:
        return isinstance(paper, str) and paper in self.outlines and not self.outlines[paper].external

    def __len__(self) -> int:
        return self.index.count("paper")

    @property
    def claims(self) -> int:
        """How many claims the papers make together."""
        ((claims,),) = self.index.rows("SELECT coalesce(sum(claims), 0) FROM things")
        return int(claims)

    def __iter__(self) -> Iterator[Paper]:
        return iter(self.papers)

    def work(self, work: str) -> Paper | ExternalWork:
        """The paper of an id, or the work outside the catalogue."""
        from catalog.records import ExternalWork

        if work in self.outlines and self.outlines[work].external:
            return self._record(ExternalWork, "external", work)
        return self[work]

    def topic(self, topic: str) -> Topic:
        """The topic of an id such as ``kernels/dilated``."""
        from catalog.records import Topic

        return self._record(Topic, "topic", self._known_topic(topic))

    def family(self, family: str) -> Family:
        """The family of an id."""
        from catalog.records import Family

        return self._record(Family, "family", self._known_family(family))

    @cached_property
    def _paper_ids(self) -> tuple[str, ...]:
        return self.index.ids("paper")

    def _known_topic(self, topic: str) -> str:
        if topic not in self.topic_names:
            raise self._unknown(topic, "topic", self.topic_names)
        return topic

    def _known_family(self, family: str) -> str:
        if family not in self.family_names:
            raise self._unknown(family, "family", self.family_names)
        return family

    def _unknown(self, name: str, what: str, known: Iterable[str]) -> UnknownName:
        return UnknownName(name, closest(name, known), what=what)

    def _record(self, model: type[R], kind: str, key: str) -> R:
        record: R | None = self._records.get((kind, key))
        if record is None:
            data = self.index.data(kind, key)
            if kind in index.WORKS:
                record = model.model_validate_json(data)
            else:
                (members,) = json.loads(data).values()  # the one file of all topics, or of all families
                record = model.model_validate(next(member for member in members if member["id"] == key))
            self._records[kind, key] = record
        return record

    # --- Questions ---------------------------------------------------------------------------------------------------

    def ask(self, question: str) -> Answer:
        """Answer a question in plain English; see :func:`catalog.questions.ask`."""
        from catalog.questions import ask

        return ask(self, question)

    def search(self, words: str, limit: int = 10) -> Found:
        """What holds all of some words, the best first; see :func:`catalog.search.search`."""
        from catalog.search import search

        return search(self, words, limit)

    def lineage(self, *names: str, ancestors: bool = False, depth: int | None = None) -> Lineage:
        """What came of papers or families, or what they came from; see :func:`catalog.graph.lineage`."""
        from catalog.graph import lineage

        return lineage(self, names, ancestors=ancestors, depth=depth)

    # --- Names -------------------------------------------------------------------------------------------------------

    @cached_property
    def names(self) -> Names:
        """Everything that papers, families and works outside the catalogue are called."""
        return Names(self.index)

    def find(self, name: str) -> Paper | Family:
        """The paper or family that people call so: an id, name, alias, title, arXiv number, DOI or address.

        Raises:
            AmbiguousName: several papers are called so, and they are not one family.
            UnknownName: no paper and no family is; the error suggests some that are nearly.
        """
        kind, key = self.names.find(name)
        if kind == "external":
            raise UnknownName(name, hint=f"'{key}' is known as a work outside the catalogue")
        return self.family(key) if kind == "family" else self[key]

    def ids(self, name: str) -> tuple[str, ...]:
        """The id of the paper or outside work that people call so; of a family those of its members, by date.

        Raises:
            AmbiguousName: several papers are called so, and they are not one family.
            UnknownName: nothing is.
        """
        kind, key = self.names.find(name)
        return self._members(key) if kind == "family" else (key,)

    def resolve(self, name: str) -> Table[Paper]:
        """The paper that people call so, or the members of the family, by date; raises like :meth:`find`."""
        found = self.find(name)
        return Table(self[paper] for paper in self.ids(found.id))

    # --- Selections --------------------------------------------------------------------------------------------------

    def select(
        self, *, topic: str | None = None, family: str | None = None, since: int = 0, before: int = 9999
    ) -> Table[Paper]:
        """The papers on a topic and those under it, of a family, of some years, or all of that, by date.

        Raises:
            UnknownName: there is no such topic or family.
        """
        found_by = []
        if topic is not None:
            found_by.append(("under", self._known_topic(topic)))
        if family is not None:
            found_by.append(("family", self._known_family(family)))
        return Table(self[paper] for paper in self.index.papers(*found_by, since=since, before=before))

    def members(self, family: str) -> Table[Paper]:
        """The papers of a family, by date."""
        return self.select(family=family)

    def papers_on(self, topic: str, subtopics: bool = True) -> Table[Paper]:
        """The papers on a topic, and on the topics under it, by date."""
        way = "under" if subtopics else "topic"
        return Table(self[paper] for paper in self.index.papers((way, self._known_topic(topic))))

    def led_to(self, work: str) -> list[tuple[Outline, Edge]]:
        """The papers that build on a work directly, with how they do, the oldest first."""
        outlines = (self.outlines[paper] for paper in self.index.papers(("ancestor", work)))
        return [(outline, edge) for outline in outlines for edge in outline.builds_on if edge.paper == work]

    def _members(self, family: str) -> tuple[str, ...]:
        return self.index.papers(("family", family))
