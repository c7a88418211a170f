"""Bring a survey written in Markdown into the catalogue: python tools/import_survey.py SURVEY [--into papers]

The survey's headings become topics, its entries papers, its other lines cross-references, and what it quotes becomes
comments:

    ### (2017, MobileNetV1) Light-Weight Networks (count=3)         a topic, whose source and number of lines it says

    > Another small network is Squeezenet. (MobileNetV1, 2017)      a comment on the topic

    * [[SqueezeNet](https://arxiv.org/abs/1602.07360)]              a paper
        [[pdf](https://arxiv.org/pdf/1602.07360.pdf)]
        * Title: SqueezeNet: AlexNet-level accuracy with …
        * Year: 24 Feb `2016`
        * Authors: Forrest N. Iandola, Song Han
        * Comments:
            * > (2018, SqueezeNext) A quotation.                    a comment on the paper
            * (2018, SqueezeNext) uses bottlenecks.                 a comment that quotes nothing
    * MobileNetV1, MobileNetV2.                                     cross-references: these belong here too
    * NIN (see mlp.md)                                              the same for a work outside the survey

Nothing is lost silently. What is left out knowingly: abstracts, which are not ours to store (one stands in a line of
authors), and institutions, for which records have no place; the mark that somebody printed a paper; the PDF and vanity
links that follow from an arXiv number; the file that a "see …" points to; the table of contents, which repeats the
headings; and the counts, which are compared with what was read. Any other line that finds no place is reported with its
number.

Nothing is invented either. Where the survey does not say who, when or what, the new record lacks the field, and a list
says so; it also lacks the authors where "Author:" names one alone, because the survey does so for papers of many.

A second import adds papers, topics and comments that are missing and touches nothing else: not a field, not a comment
in YAML, not a line break. A comment that somebody has edited since is recognised by its source and its words.

Exit status: 0 when every line found its place, 1 when some did not (the rest is written), 2 when nothing was written
because the survey or a record cannot be read.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import re
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from rapidfuzz import fuzz

from catalog.layout import dump, insert, write_atomically
from catalog.names import slug
from catalog.records import ExternalWork, Paper
from catalog.schema import reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

NAMES = Path(__file__).with_name("survey_names.yaml")
RECORDS = Path(__file__).resolve().parent.parent / "papers"


class SurveyError(Exception):
    """The survey or a record cannot be read; nothing has been written."""


# --- What the survey says --------------------------------------------------------------------------------------------


@dataclass
class Comment:
    """A quotation (or paraphrase) and the name of its source, as the survey has it."""

    line: int
    text: str
    source: str | None
    year: str | None
    quotation: bool


@dataclass
class Heading:
    """A topic; ``count`` is the number of entries and cross-references that it announces, ``items`` that it has."""

    line: int
    level: int
    id: str
    name: str
    sources: list[tuple[str, str]]
    count: int | None
    comments: list[Comment] = field(default_factory=list)
    items: int = 0


@dataclass
class Entry:
    """A paper: what the survey says of it, and why it does not say more."""

    line: int
    topic: str
    record: dict[str, Any]
    missing: dict[str, str] = field(default_factory=dict)
    comments: list[Comment] = field(default_factory=list)


@dataclass
class CrossReference:
    """A line that places papers under a further topic."""

    line: int
    topic: str
    text: str


_REMARK = re.compile(r"\s*<!--\s*(.*?)\s*-->")
_HEADING = re.compile(r"(#+)\s+(.+)")
_BULLET = re.compile(r"[*-]\s+(.+)")
_LINKED_ENTRY = re.compile(r"\[(?P<inner>\[)?(?P<name>.+?)\]\((?P<url>\S+)\)(?(inner)\])")
_BARE_ENTRY = re.compile(r"\[(?P<name>[^\[\]]+)\]")
_LINK = re.compile(r"\[\[(?P<kind>\w+)\]\((?P<url>\S+)\)\]|\[(?P<promised>\w+)\]")
_FIELD = re.compile(r"(\w+):\s*(.*)")
_SOURCE = re.compile(r"\((?P<year>\d{4}), (?P<name>[^()]+)\)|\((?P<name2>[^()]+), (?P<year2>\d{4})\)")
_COUNT = re.compile(r"\((?:count=)?(\d{1,3}(?:\+\d{1,3})*)\)")
_TOTAL = re.compile(r"count=(\d+)")
_CONTENTS = re.compile(r"[*-] \[.+\]\(#.*\)")
_DATE = re.compile(r"(?:(?:(\d{1,2}) )?([A-Za-z]+) )?(\d{4})")
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_ARXIV = re.compile(r"https?://arxiv\.org/abs/(\d{4}\.\d{4,5}|[a-z-]+(?:\.[A-Z]{2})?/\d{7})(?:v\d+)?")
_DOI = re.compile(r"https?://\S+?/(10\.(?!5555)\d{4,9}/\S+)")  # 10.5555 is ACM's own, and doi.org does not know it

_DROPPED_FIELDS = {"abstract", "institution", "institutions", "institusion"}


class Survey:
    """What a survey says, line by line; a line either finds its place or is left over."""

    def __init__(self, text: str, segments: Mapping[str, str]) -> None:
        """Read a survey; ``segments`` has the curated last parts of the topics' ids."""
        self.headings: list[Heading] = []
        self.entries: list[Entry] = []
        self.references: list[CrossReference] = []
        self.leftovers: list[tuple[int, str]] = []
        self.announced: tuple[int, int] | None = None  # the line that says how many papers there are
        self._segments = segments
        self._path: list[Heading] = []  # the heading of this line and those above it; empty where there is no topic
        self._entry: Entry | None = None
        self._comments_at: int | None = None  # the indentation of the "Comments:" that this line may belong to
        self._quotation: list[tuple[int, str]] = []  # lines of a quotation on a topic, which may go on

        for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
            self._read(number, line.expandtabs(4).rstrip())
        for heading in self.headings:
            if heading.count not in (None, heading.items):
                self.leave_over(heading.line, f"announces {heading.count} lines and has {heading.items}")

    def leave_over(self, number: int, why: str) -> None:
        """Report a line that finds no place."""
        self.leftovers.append((number, why))

    def _read(self, number: int, line: str) -> None:
        remarks = _REMARK.findall(line)
        for remark in remarks:
            if remark not in ("printed", "omit in toc"):
                self.leave_over(number, f"holds a remark: {remark}")
        line = _REMARK.sub("", line)
        body = line.lstrip()
        if not body or re.fullmatch(r"[-*_]{3,}", body):
            return
        if heading := _HEADING.fullmatch(body):
            self._entry = self._comments_at = None
            no_topic = len(heading[1]) == 1 or "omit in toc" in remarks
            self._path = [] if no_topic else self._with_heading(number, len(heading[1]), heading[2])
        elif not self._path:
            if total := _TOTAL.fullmatch(body):
                self.announced = number, int(total[1])
            elif not _CONTENTS.fullmatch(body):
                self.leave_over(number, f"stands under no topic: {body}")
        elif body.startswith(">") and body == line:
            self._quote(number, body[1:].strip())
        elif bullet := _BULLET.fullmatch(body):
            self._list(number, bullet[1].strip(), len(line) - len(body))
        elif self._entry and body != line and (link := _LINK.fullmatch(body)):
            self._link(number, link)
        else:
            self.leave_over(number, f"is neither heading, entry, field nor comment: {body}")

    def _with_heading(self, number: int, level: int, text: str) -> list[Heading]:
        """The path to a new heading."""
        path = [heading for heading in self._path if heading.level < level]
        sources = [_name_and_year(mark) for mark in _SOURCE.finditer(text)]
        counts = [int(count) for sum_ in _COUNT.findall(text) for count in sum_.split("+")]
        name = _SOURCE.sub("", _COUNT.sub("", text)).strip(" +") or (path[-1].name if path else "")
        if sources:
            name += f" ({'; '.join(f'{year}, {source}' for source, year in sources)})"
        segment = self._segments.get(f"{path[-1].name} > {name}") if path else None
        segment = segment or self._segments.get(name) or slug(name)
        id_ = f"{path[-1].id}/{segment}" if path else segment
        twin = next((heading for heading in self.headings if heading.id == id_), None)
        if twin:
            self.leave_over(number, f"makes the same topic as line {twin.line}, {id_}: {text}")
            return [*path, twin]
        self.headings.append(Heading(number, level, id_, name, sources, sum(counts) if counts else None))
        return [*path, self.headings[-1]]

    def _quote(self, number: int, text: str) -> None:
        """A quotation on the topic, or another line of it."""
        self._entry = self._comments_at = None
        topic = self._path[-1]
        if self._quotation and self._quotation[-1][0] == number - 1:
            topic.comments.pop()  # it goes on, and names its source at its end perhaps
        else:
            self._quotation = []
        self._quotation.append((number, text))
        comment = _comment(self._quotation[0][0], f"> {' '.join(part for _, part in self._quotation)}")
        if comment.source is None and len(topic.sources) == 1:
            comment.source, comment.year = topic.sources[0]
        topic.comments.append(comment)

    def _list(self, number: int, text: str, indent: int) -> None:
        """An entry, a cross-reference, a field or a comment, by its indentation."""
        topic = self._path[-1]
        if indent == 0:
            topic.items += 1
            self._entry = self._comments_at = None
            if found := _LINKED_ENTRY.fullmatch(text) or _BARE_ENTRY.fullmatch(text):
                self._entry = Entry(number, topic.id, {"name": found["name"].strip()})
                self.entries.append(self._entry)
                if url := found.groupdict().get("url"):
                    self._address(number, self._entry, "url", url)
            else:
                self.references.append(CrossReference(number, topic.id, text))
        elif self._entry is None:
            self.leave_over(number, f"belongs to no entry: {text}")
        elif self._comments_at is not None and indent > self._comments_at:
            self._entry.comments.append(_comment(number, text))
        else:
            self._comments_at = indent if text == "Comments:" else None
            if text != "Comments:":
                self._field(number, self._entry, text)

    def _field(self, number: int, entry: Entry, text: str) -> None:
        found = _FIELD.fullmatch(text)
        name, value = (found[1].lower(), found[2]) if found else ("", "")
        if name == "title" and value:
            self._set(number, entry, "title", value)
        elif name == "year" and (date := _date(value)):
            self._set(number, entry, "published", date)
        elif name in ("author", "authors") and value:
            authors = re.split(r"\s*;\s*" if ";" in value else r"\s*,\s*(?:and\s+)?|\s+and\s+", value)
            if any(len(author.split()) > 6 for author in authors):
                entry.missing["authors"] = f"line {number} has an abstract in their place"
            elif name == "author" and len(authors) == 1:
                entry.missing["authors"] = f"line {number} names {value} alone"
            else:
                self._set(number, entry, "authors", list(filter(None, authors)))
        elif name not in _DROPPED_FIELDS:
            self.leave_over(number, f"is no known field, or says nothing that can be read: {text}")

    def _set(self, number: int, entry: Entry, name: str, value: Any) -> None:
        if name in entry.record:
            self.leave_over(number, f"says {name} once more: {value}")
        else:
            entry.record[name] = value

    def _link(self, number: int, link: re.Match[str]) -> None:
        assert self._entry is not None
        kind = link["kind"] or link["promised"]
        if kind not in ("pdf", "vanity", "code"):
            self.leave_over(number, f"is a link of no known kind: {link[0]}")
        elif link["url"] and (kind == "code" or (kind == "pdf" and "arxiv" not in self._entry.record.get("links", {}))):
            self._address(number, self._entry, kind, link["url"])

    def _address(self, number: int, entry: Entry, kind: str, url: str) -> None:
        links = entry.record.setdefault("links", {})
        if not re.match(r"https?://", url):
            self.leave_over(number, f"is no web address: {url}")
        elif kind == "url" and (arxiv := _ARXIV.fullmatch(url)):
            links["arxiv"] = arxiv[1]
        elif links.setdefault(kind, url) != url:
            self.leave_over(number, f"is a second {kind}: {url}")
        elif kind == "url" and (doi := _DOI.fullmatch(url)):
            links["doi"] = doi[1]


def _comment(number: int, text: str) -> Comment:
    """A comment; its source stands at its beginning or at its end."""
    quotation = text.startswith(">")
    text = text.removeprefix(">").strip()
    marks = list(_SOURCE.finditer(text))
    if marks and marks[0].start() == 0:
        return Comment(number, text[marks[0].end() :].strip(), *_name_and_year(marks[0]), quotation)
    if marks and marks[-1].end() == len(text):
        return Comment(number, text[: marks[-1].start()].strip(), *_name_and_year(marks[-1]), quotation)
    return Comment(number, text, None, None, quotation)


def _name_and_year(mark: re.Match[str]) -> tuple[str, str]:
    return mark["name"] or mark["name2"], mark["year"] or mark["year2"]


def _date(value: str) -> str | None:
    """``07 Oct `2016` `` → 2016-10-07, ``December `1989` `` → 1989-12."""
    found = _DATE.fullmatch(value.replace("`", "").strip())
    if found is None:
        return None
    day, month, year = found.groups()
    if month is None:
        return year
    with contextlib.suppress(ValueError):
        number = _MONTHS.index(month[:3].lower()) + 1
        date = datetime.date(int(year), number, int(day or 1)).isoformat()
        return date if day else date[:7]
    return None


# --- What the catalogue has ------------------------------------------------------------------------------------------


@dataclass
class File:
    """A YAML file: its text as it is, and as it is to be."""

    path: Path
    text: str | None
    data: dict[str, Any]
    changed: str | None = None

    def add(self, path: list[str | int], items: list[Any], position: int | None = None) -> None:
        """Add ``items`` to the list at ``path`` in the text; see :func:`catalog.layout.insert`."""
        try:
            self.changed = insert(self.changed or self.text or "", path, items, position)
        except ValueError as error:
            raise SurveyError(f"{self.path}: {error}") from None
        self.data = _load(self.path, self.changed)


class Folder:
    """The records that there are already."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.exists() and not path.is_dir():
            raise SurveyError(f"{path} is no folder")
        self.papers = {
            file.path.stem: file
            for file in map(_file, sorted(path.glob("*.yaml")))
            if file.path.stem not in ("taxonomy", "families")
        }
        self.external = {file.path.stem: file for file in map(_file, sorted((path / "external").glob("*.yaml")))}
        self.taxonomy = _file(path / "taxonomy.yaml")
        topics = self.taxonomy.data.get("topics") or []
        if not isinstance(topics, list) or not all(isinstance(topic, dict) and "id" in topic for topic in topics):
            raise SurveyError(f"{self.taxonomy.path}: topics is no list of topics with an id")

    def files(self) -> Iterator[File]:
        """All files, those to be written included."""
        yield from self.papers.values()
        yield from self.external.values()
        yield self.taxonomy


def _file(path: Path) -> File:
    if not path.exists():
        return File(path, None, {})
    text = _text(path)
    return File(path, text, _load(path, text))


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")  # line ends stay what they are
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise SurveyError(f"{path}:{line}: is not UTF-8; please save the file as UTF-8") from None
    except OSError as error:
        raise SurveyError(f"{path} cannot be read: {error.strerror}") from None


def _load(path: Path, text: str) -> dict[str, Any]:
    try:
        # The dialect of libyaml is PyYAML's; it is only faster.
        data = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise SurveyError(f"{path}{line}: is no YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise SurveyError(f"{path}: is no YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(data, dict):
        raise SurveyError(f"{path}: is no record: a mapping of fields is needed")
    return data


# --- Who is meant ----------------------------------------------------------------------------------------------------


def _plain(name: str) -> str:
    """A name without what people write in different ways: ESPNetv2 and ESPNetV2, Deep Roots and Deep roots."""
    return re.sub(r"[\W_]+", "", name.casefold())


def _forms(name: str) -> set[str]:
    """What a name may be shortened to: ``Wide Residual Networks (WRN)``, ``Inception-v1/GoogLeNet``, ``DRAW: A …``."""
    forms = {*name.split("/"), name.partition(": ")[0]}
    if found := re.fullmatch(r"(.+?)\s*\(([^()]+)\)", name):
        forms |= {found[1], found[2]}
    return forms


class Names:
    """Finds the works that a survey means: by curated names, then those of the survey, then those of the catalogue."""

    def __init__(self, curated: Mapping[str, str], folder: Folder) -> None:
        self._years: dict[str, str] = {}
        self._curated: dict[str, set[str]] = {_plain(name): {id_} for name, id_ in curated.items()}
        self._survey: dict[str, set[str]] = defaultdict(set)
        self._catalogue: dict[str, set[str]] = defaultdict(set)
        for id_, file in (folder.external | folder.papers).items():
            record = file.data
            for name in {id_, *_texts(record, "name"), *_texts(record, "title"), *_texts(record, "aliases")}:
                for form in {name, *_forms(name)}:
                    self._catalogue[_plain(form)].add(id_)

    def add(self, id_: str, record: Mapping[str, Any]) -> None:
        """Make a paper of the survey known."""
        for name in (record["name"], record["title"]):
            for form in {name, *_forms(name)}:
                self._survey[_plain(form)].add(id_)
        self._years[id_] = str(record.get("published", ""))[:4]

    def find(self, name: str, year: str | None = None) -> set[str]:
        """The ids of the works that may be meant: one if all is well."""
        if not _plain(name):
            return set()
        for known in (self._curated, self._survey, self._catalogue):
            for forms in ({name}, _forms(name)):
                ids = set().union(*(known.get(_plain(form), set()) for form in forms))
                if len(ids) > 1:  # two papers are called Dropout
                    ids = {id_ for id_ in ids if self._years.get(id_) == year} or ids
                if ids:
                    return ids
        return set()


def _texts(record: Mapping[str, Any], name: str) -> list[str]:
    value = record.get(name)
    return [text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)]


# --- The import ------------------------------------------------------------------------------------------------------


@dataclass
class Report:
    """What came of an import."""

    papers: int
    topics: int
    comments: int
    quotations: int
    references: int
    leftovers: list[tuple[int, str]]
    missing: list[str]
    new: list[Path]
    changed: list[Path]
    unchanged: int

    @property
    def summary(self) -> str:
        """What was read, in one line."""
        return (
            f"{self.papers} papers, {self.topics} topics, {self.comments} comments (and {self.quotations} on topics), "
            f"{self.references} cross-references, {len(self.leftovers) or 'nothing'} left over"
        )


class Import:
    """One import of a survey into a folder of records."""

    def __init__(self, survey: Survey, folder: Folder, curated: Mapping[str, Any]) -> None:
        self.survey = survey
        self.folder = folder
        self.names = Names(curated["names"], folder)
        self._ids: dict[str, str] = {_plain(title): id_ for title, id_ in curated["papers"].items()}
        self._groups = {_plain(name): topic for name, topic in curated["groups"].items()}
        self._attributed: dict[str, dict[str, Any]] = curated["comments"]
        self._entries: dict[str, list[Entry]] = {}
        self._topics: dict[str, list[str]] = defaultdict(list)  # of papers and external works, in the survey's order
        self._outside: dict[str, dict[str, str]] = {}  # works outside the survey: what it says of them
        self._comments: dict[str, list[dict[str, Any]]] = {}

    def run(self) -> Report:
        """Decide everything, then write: a failure on the way leaves the folder as it was."""
        for entry in self.survey.entries:
            entry.record.setdefault("title", entry.record["name"])
            id_ = self._id_of(entry)
            if work := self.folder.external.get(id_):
                self.survey.leave_over(
                    entry.line, f"is an external work here, {work.path}; please move that to the papers"
                )
                continue
            self._entries.setdefault(id_, []).append(entry)
            self._topics[id_].append(entry.topic)
            self.names.add(id_, entry.record)
        if self.survey.announced and self.survey.announced[1] != len(self._entries):
            line, number = self.survey.announced
            self.survey.leave_over(line, f"announces {number} papers, and there are {len(self._entries)}")
        for line in self.survey.references:
            self._place(line)
        for id_, entries in self._entries.items():
            self._comments[id_] = list(self._resolved(comment for entry in entries for comment in entry.comments))
        quotations = [list(self._resolved(heading.comments)) for heading in self.survey.headings]

        for id_ in self._entries:
            self._write_paper(id_)
        for id_, topics in self._topics.items():
            if id_ not in self._entries and id_ in self.folder.papers:
                self._add_topics(self.folder.papers[id_], topics)
        for id_, said in self._outside.items():
            self._write_external(id_, said)
        self._write_taxonomy(quotations)

        files = list(self.folder.files())
        for file in files:
            if file.changed is not None:
                file.path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(file.path, file.changed)
        return Report(
            papers=len(self._entries),
            topics=len(self.survey.headings),
            comments=sum(map(len, self._comments.values())),
            quotations=sum(map(len, quotations)),
            references=len(self.survey.references),
            leftovers=sorted(self.survey.leftovers),
            missing=list(self._missing()),
            new=[file.path for file in files if file.changed is not None and file.text is None],
            changed=[file.path for file in files if file.changed is not None and file.text is not None],
            unchanged=sum(file.changed is None and file.text is not None for file in files),
        )

    def _id_of(self, entry: Entry) -> str:
        """The curated id, that of the record which is the same paper, or one made from the name and not yet taken."""
        record = entry.record
        others = {id_: entries[0].record for id_, entries in self._entries.items()}
        others |= {id_: file.data for id_, file in self.folder.papers.items()}
        known = self._ids.get(_plain(record["title"]))
        if known not in others:  # a record may have another name since
            known = next((id_ for id_, other in others.items() if _same_paper(record, other)), known)
        if known:
            return known
        candidates = [slug(record["name"]), slug(record["title"])]
        candidates += [f"{candidates[0][:61].rstrip('-')}-{number}" for number in range(2, 100)]
        return next(id_ for id_ in candidates if id_ not in others and id_ not in self._ids.values())

    def _place(self, reference: CrossReference) -> None:
        """Put the works that a line names under its topic."""
        text = re.sub(r"[.;]$", "", reference.text).strip()
        text = re.sub(r",? *\(?\bsee `?[^)`]+`?\)?$", "", text).strip()
        if topic := self._groups.get(_plain(text)):
            listed = {id_: [entries[0].topic] for id_, entries in self._entries.items()}
            if topic not in {heading.id for heading in self.survey.headings}:
                listed = {id_: _texts(file.data, "taxonomy") for id_, file in self.folder.papers.items()}
            works = [{id_} for id_, topics in listed.items() if topics[:1] == [topic]]
        elif found := self.names.find(text):
            works = [found]
        else:
            works = [self.names.find(name.strip()) for name in text.split(",")]
        if not works or not all(works):
            self.survey.leave_over(reference.line, f"names no work that is known: {reference.text}")
            return
        for found in works:
            if len(found) > 1:
                self.survey.leave_over(reference.line, f"may mean {' or '.join(sorted(found))}: {reference.text}")
                continue
            (id_,) = found
            if id_ not in self._entries and id_ not in self.folder.papers:
                self._outside.setdefault(id_, {"name": text})
            if reference.topic not in self._topics[id_]:
                self._topics[id_].append(reference.topic)

    def _resolved(self, comments: Iterable[Comment]) -> Iterator[dict[str, Any]]:
        """Comments as records, each with the id of its source."""
        for comment in comments:
            curated = next((said for text, said in self._attributed.items() if comment.text.startswith(text)), {})
            if comment.source is None and "source" not in curated:
                self.survey.leave_over(comment.line, f"has no source: {comment.text}")
                continue
            found = {curated["source"]} if "source" in curated else self.names.find(comment.source or "", comment.year)
            if len(found) != 1:
                meant = f"may be {' or '.join(sorted(found))}" if found else "is no work that is known"
                self.survey.leave_over(comment.line, f"source '{comment.source}' {meant}: {comment.text}")
                continue
            (source,) = found
            if source not in self._entries and source not in self.folder.papers:
                said = self._outside.setdefault(source, {"name": comment.source or source})
                if comment.year:
                    said.setdefault("published", comment.year)
            resolved: dict[str, Any] = {"source": source, "text": comment.text}
            if not (comment.quotation or curated.get("quotation")):
                resolved["quotation"] = False
            yield resolved

    def _write_paper(self, id_: str) -> None:
        first, *others = self._entries[id_]
        for other in others:
            for name, value in other.record.items():
                if first.record.setdefault(name, value) != value:
                    self.survey.leave_over(
                        other.line, f"is {id_} as on line {first.line}, but says another {name}: {value}"
                    )
        file = self.folder.papers.get(id_)
        if file is None:
            record = {"id": id_, **first.record, "taxonomy": list(dict.fromkeys(self._topics[id_]))}
            if self._comments[id_]:
                record["comments"] = self._comments[id_]
            self.folder.papers[id_] = _new_file(self.folder.path / f"{id_}.yaml", record)
            return
        self._add_topics(file, self._topics[id_])
        if comments := _missing_comments(self._comments[id_], _records(file, file.data, "comments")):
            file.add(["comments"], comments)

    def _write_external(self, id_: str, said: Mapping[str, str]) -> None:
        topics = self._topics.get(id_, [])
        if id_ in self.folder.external:
            self._add_topics(self.folder.external[id_], topics)
            return
        record = {"id": id_, **said, **({"taxonomy": topics} if topics else {})}
        self.folder.external[id_] = _new_file(self.folder.path / "external" / f"{id_}.yaml", record)

    def _add_topics(self, file: File, topics: list[str]) -> None:
        if new := [topic for topic in dict.fromkeys(topics) if topic not in _records(file, file.data, "taxonomy")]:
            file.add(["taxonomy"], new)

    def _write_taxonomy(self, quotations: list[list[dict[str, Any]]]) -> None:
        file = self.folder.taxonomy
        topics: list[dict[str, Any]] = []
        for heading, comments in zip(self.survey.headings, quotations, strict=True):
            topics.append({"id": heading.id, "name": heading.name} | ({"comments": comments} if comments else {}))
        if not file.data:
            self.folder.taxonomy = _new_file(file.path, {"topics": topics})
            return
        position = 0
        for topic, comments in zip(topics, quotations, strict=True):
            known = file.data.get("topics") or []
            at = next((number for number, other in enumerate(known) if other["id"] == topic["id"]), None)
            if at is None:
                file.add(["topics"], [topic], position)
                at = position
            elif new := _missing_comments(comments, _records(file, known[at], "comments")):
                file.add(["topics", at, "comments"], new)
            position = at + 1

    def _missing(self) -> Iterator[str]:
        """Fields that a record needs and the survey does not give, with the place to put them and the place to look."""
        summaries = 0
        for folder, model in ((self.folder.papers, Paper), (self.folder.external, ExternalWork)):
            for id_, file in folder.items():
                if id_ not in self._entries and id_ not in self._outside:
                    continue
                needed = [name for name, info in model.model_fields.items() if info.is_required()]
                absent = [name for name in needed if file.data.get(name) in (None, "", [])]
                if "summary" in absent:
                    absent.remove("summary")
                    summaries += 1
                if absent:
                    entry = self._entries[id_][0] if id_ in self._entries else None
                    why = {name: entry.missing[name] for name in absent if entry and name in entry.missing}
                    listed = ", ".join(f"{name} ({why[name]})" if name in why else name for name in absent)
                    place = f" (entry on line {entry.line})" if entry else ""
                    yield f"{file.path.relative_to(self.folder.path)}{place}: {listed}"
        if summaries:
            yield f"{summaries} records: summary"


def _new_file(path: Path, record: dict[str, Any]) -> File:
    heading = reference(path)
    return File(path, None, record, (f"{heading}\n" if heading else "") + dump(record))


def _records(file: File, data: Mapping[str, Any], name: str) -> list[Any]:
    value = data.get(name) or []
    if not isinstance(value, list):
        raise SurveyError(f"{file.path}: {name} is no list")
    return value


def _same_paper(record: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether an entry is the paper of a record, which somebody may have edited."""
    links, others = record.get("links", {}), other.get("links")
    for name in ("arxiv", "doi", "url"):
        if name in links and isinstance(others, dict) and name in others:
            return bool(links[name] == others[name])
    return fuzz.ratio(_plain(record["title"]), _plain(str(other.get("title", "")))) >= 90


def _missing_comments(comments: list[dict[str, Any]], present: list[Any]) -> list[dict[str, Any]]:
    """Those comments that are not among the present ones, each of which may be an edited form of one."""
    rest = [comment for comment in present if isinstance(comment, dict)]
    new = []
    for comment in comments:
        same = next((other for other in rest if _same_comment(comment, other)), None)
        if same is None:
            new.append(comment)
        else:
            rest.remove(same)
    return new


def _same_comment(comment: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """The same words whoever says them, since a person may have mended the source; or the same source in similar words.

    Different quotations from one source stay below 55 in the survey that this was written for.
    """
    ours, theirs = _plain(comment["text"]), _plain(str(other.get("text", "")))
    if ours == theirs:
        return True
    shortened = len(theirs) >= 20 and fuzz.partial_ratio(ours, theirs) >= 90
    return comment["source"] == other.get("source") and (fuzz.ratio(ours, theirs) >= 70 or shortened)


# --- The program -----------------------------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    """Import the survey named on the command line; the exit status."""
    parser = argparse.ArgumentParser(description="Bring a survey written in Markdown into the catalogue.")
    parser.add_argument("survey", type=Path, metavar="SURVEY", help="the survey, a Markdown file")
    parser.add_argument(
        "--into", type=Path, default=RECORDS, metavar="FOLDER", help="folder of records (default: papers)"
    )
    options = parser.parse_args(arguments)
    try:
        curated = _load(NAMES, _text(NAMES))
        survey = Survey(_text(options.survey), curated["topics"])
        if not survey.headings:
            raise SurveyError(f"{options.survey} is no survey: it has no topics (## Basics)")
        report = Import(survey, Folder(options.into), curated).run()
    except (SurveyError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for number, why in report.leftovers:
        print(f"{options.survey}:{number}: {why if len(why) < 160 else why[:160] + '…'}", file=sys.stderr)
    print(report.summary)
    print(f"{len(report.new)} files new, {len(report.changed)} changed, {report.unchanged} unchanged in {options.into}")
    for path in report.changed:
        print(f"  changed: {path.relative_to(options.into)}")
    if report.missing:
        print("to be completed by hand, because the survey does not say:")
        for line in report.missing:
            print(f"  {line}")
    return 1 if report.leftovers else 0


if __name__ == "__main__":
    sys.exit(main())
