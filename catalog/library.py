"""The catalogue as a whole: read a folder of records, and find things in it."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from catalog import cache, paths
from catalog.errors import LibraryError, Problem
from catalog.names import Index, UnknownName, closest
from catalog.outline import Named, Outline
from catalog.source import File, files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from catalog.records import ExternalWork, Family, Paper, Record, Topic
    from catalog.validation import Checked

    R = TypeVar("R", bound=Record)

__all__ = ["Library", "LibraryError"]


class Library:
    """A valid folder of records.

    Names, dates and lineage are at hand at once (`outlines`); a record as a whole is read when it is first asked for.
    """

    def __init__(
        self,
        folder: Path,
        outlines: Sequence[Outline],
        topics: Sequence[Named],
        families: Sequence[Named],
        texts: Sequence[bytes | memoryview],
    ) -> None:
        """Use :meth:`load`. The texts are the records of the outlines, topics and families as JSON, in this order."""
        self.folder = folder
        self.outlines: Mapping[str, Outline] = MappingProxyType({outline.id: outline for outline in outlines})
        """Every paper and every work outside the catalogue, by id; the papers first."""
        self.topic_names: Mapping[str, Named] = MappingProxyType({topic.id: topic for topic in topics})
        """Every topic by id, in the order of the taxonomy."""
        self.family_names: Mapping[str, Named] = MappingProxyType({family.id: family for family in families})
        keys = [("work", outline.id) for outline in outlines]
        keys += [("topic", topic.id) for topic in topics]
        keys += [("family", family.id) for family in families]
        self._texts = dict(zip(keys, texts, strict=True))
        self._records: dict[tuple[str, str], Any] = {}

    @classmethod
    def load(cls, folder: Path | None = None) -> Library:
        """Read and check the project's own records, or those of a folder.

        Raises:
            LibraryError: with everything that is wrong in the folder, file by file and line by line.
        """
        folder = paths.RECORDS if folder is None else Path(folder)
        try:
            found = list(files(folder))
        except OSError as error:
            what = "there is no such folder" if not folder.exists() else error.strerror or str(error)
            raise LibraryError([Problem(str(folder), None, "", f"no records: {what}")]) from None
        key = _key(folder, found)
        if (remembered := cache.recall(folder, key)) is not None:
            return cls._from_summary(folder, *remembered)

        from catalog.validation import check

        checked = check(folder, found)
        if checked.problems:
            raise LibraryError(checked.problems)
        summary, texts = _summary(checked)
        cache.remember(folder, key, summary, texts)
        return cls._from_summary(folder, json.loads(json.dumps(summary)), texts)

    @classmethod
    def _from_summary(cls, folder: Path, summary: Any, texts: Sequence[bytes | memoryview]) -> Library:
        works, topics, families = summary
        return cls(
            folder,
            [Outline.from_json(work) for work in works],
            [Named(key, name, tuple(aliases)) for key, name, aliases in topics],
            [Named(key, name, tuple(aliases)) for key, name, aliases in families],
            texts,
        )

    # --- Records -----------------------------------------------------------------------------------------------------

    @cached_property
    def papers(self) -> tuple[Paper, ...]:
        """Every paper of the catalogue, by id."""
        return tuple(self[paper] for paper in self._paper_ids)

    @cached_property
    def external(self) -> tuple[ExternalWork, ...]:
        """Every work outside the catalogue, by id."""
        from catalog.records import ExternalWork

        return tuple(self._record(ExternalWork, "work", work.id) for work in self.outlines.values() if work.external)

    @cached_property
    def topics(self) -> tuple[Topic, ...]:
        """Every topic, in the order of the taxonomy."""
        return tuple(self.topic(topic) for topic in self.topic_names)

    @cached_property
    def families(self) -> tuple[Family, ...]:
        """Every family, in the order of its file."""
        return tuple(self.family(family) for family in self.family_names)

    def __getitem__(self, paper: str) -> Paper:
        """The paper of an id.

        Raises:
            UnknownName: no paper has this id.
        """
        from catalog.records import Paper

        if paper not in self:
            raise self._unknown(paper, "paper", self._paper_ids)
        return self._record(Paper, "work", paper)

    def __contains__(self, paper: object) -> bool:
        return isinstance(paper, str) and paper in self.outlines and not self.outlines[paper].external

    def __len__(self) -> int:
        return len(self._paper_ids)

    def __iter__(self) -> Iterator[Paper]:
        return iter(self.papers)

    def work(self, work: str) -> Paper | ExternalWork:
        """The paper of an id, or the work outside the catalogue."""
        from catalog.records import ExternalWork

        if work in self.outlines and self.outlines[work].external:
            return self._record(ExternalWork, "work", work)
        return self[work]

    def topic(self, topic: str) -> Topic:
        """The topic of an id such as ``kernels/dilated``."""
        from catalog.records import Topic

        if topic not in self.topic_names:
            raise self._unknown(topic, "topic", self.topic_names)
        return self._record(Topic, "topic", topic)

    def family(self, family: str) -> Family:
        """The family of an id."""
        from catalog.records import Family

        if family not in self.family_names:
            raise self._unknown(family, "family", self.family_names)
        return self._record(Family, "family", family)

    @cached_property
    def _paper_ids(self) -> tuple[str, ...]:
        return tuple(outline.id for outline in self.outlines.values() if not outline.external)

    def _unknown(self, name: str, what: str, known: Iterable[str]) -> UnknownName:
        return UnknownName(name, closest(name, known), what=what)

    def _record(self, model: type[R], kind: str, key: str) -> R:
        record: R | None = self._records.get((kind, key))
        if record is None:
            record = self._records[kind, key] = model.model_validate_json(bytes(self._texts[kind, key]))
        return record

    # --- Names -------------------------------------------------------------------------------------------------------

    @cached_property
    def names(self) -> Index:
        """Everything that papers, families and works outside the catalogue are called."""
        return Index(self.outlines, self.family_names)

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

    def resolve(self, name: str) -> tuple[Paper, ...]:
        """The paper that people call so, or the members of the family, by date; raises like :meth:`find`."""
        found = self.find(name)
        return tuple(self[paper] for paper in self.ids(found.id))

    # --- Selections --------------------------------------------------------------------------------------------------

    def members(self, family: str) -> tuple[Paper, ...]:
        """The papers of a family, by date."""
        if family not in self.family_names:
            raise self._unknown(family, "family", self.family_names)
        return tuple(self[paper] for paper in self._members(family))

    def papers_on(self, topic: str, subtopics: bool = True) -> tuple[Paper, ...]:
        """The papers on a topic, and on the topics under it, by date."""
        if topic not in self.topic_names:
            raise self._unknown(topic, "topic", self.topic_names)
        return tuple(
            self[outline.id]
            for outline in _by_date(self.outlines.values())
            if not outline.external
            and any(other == topic or (subtopics and other.startswith(f"{topic}/")) for other in outline.taxonomy)
        )

    def _members(self, family: str) -> tuple[str, ...]:
        return tuple(outline.id for outline in _by_date(self.outlines.values()) if outline.family == family)


def _by_date(outlines: Iterable[Outline]) -> list[Outline]:
    return sorted(outlines, key=lambda outline: (outline.published, outline.id))


def _key(folder: Path, found: Iterable[File]) -> str:
    """A digest of all that decides whether the records are valid and what they say."""
    parts = [source.read_bytes() for source in sorted(Path(__file__).parent.glob("*.py"))]
    for file in found:
        parts += [file.name.encode(), (file.error or "").encode(), file.content]
    if folder.resolve() == paths.RECORDS:
        # Claims name variants of modules and functions among checks.
        for subfolder in (paths.REPRODUCTIONS, paths.REPRODUCTIONS / "checks"):
            for source in sorted(subfolder.glob("*.py")):
                parts += [source.name.encode(), source.read_bytes()]
    return cache.fingerprint(parts)


def _summary(checked: Checked) -> tuple[Any, list[bytes]]:
    """What is remembered of valid records: their outlines, and each as a line of JSON."""
    works = [Outline.of(data, external=False) for _, data in checked.papers]
    works += [Outline.of(data, external=True) for _, data in checked.external]
    topics = [(topic.id, topic.name, (topic.id.rpartition("/")[2],)) for topic, _ in checked.topics]
    families = [(family.id, family.name, family.aliases) for family, _ in checked.families]
    records = [*checked.papers, *checked.external, *checked.topics, *checked.families]
    return (works, topics, families), [json.dumps(data).encode() for _, data in records]
