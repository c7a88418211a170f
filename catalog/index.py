"""The compiled index of a folder of records: a SQLite file from which questions read what they need and no more.

To read and check all YAML takes a millisecond a record and more. It is done once: the index holds what every sound file
says, keyed by a digest of its content, and from that outlines, the ways to find things by, and the text to search.
When records change, the files that have changed are read again, and how all of them go together is checked again.

:mod:`catalog.cache` keeps it and says when it may be believed.
"""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from catalog import cache, paths
from catalog.errors import LibraryError, NoRecords
from catalog.names import normal
from catalog.outline import Named, Outline

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from catalog.source import File

__all__ = ["Index", "Thing", "compile_shipped", "load", "thing_of"]

_SCHEMA = """
CREATE TABLE about (code TEXT, valid INTEGER);
CREATE TABLE files (name TEXT PRIMARY KEY, digest TEXT, data TEXT);
CREATE TABLE things (
    number INTEGER PRIMARY KEY, file TEXT, kind TEXT, id TEXT, published TEXT, claims INTEGER, outline TEXT
);
CREATE INDEX things_by_id ON things (id);
CREATE INDEX things_by_kind ON things (kind, id);
CREATE INDEX things_by_file ON things (file);
CREATE TABLE found_by (way TEXT, key TEXT, number INTEGER, PRIMARY KEY (way, key, number)) WITHOUT ROWID;
CREATE VIRTUAL TABLE search USING fts5(
    names, title, authors, summary, comments, claims, tokenize = "porter unicode61 remove_diacritics 2"
);
"""

WORKS = ("paper", "external")


class Thing(NamedTuple):
    """Something that has a name: ``paper``, ``external``, ``family`` or ``topic``."""

    kind: str
    outline: Outline | Named


class Index:
    """The index of one state of a folder of records, opened for reading."""

    def __init__(self, connection: sqlite3.Connection, folder: Path | None = None) -> None:
        """Of a folder of records, whose index lies in a file; or of none, and then it is in memory."""
        self._connection, self._folder = connection, folder

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows that a query finds."""
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.DatabaseError:
            if self._folder is None:
                raise
            # Somebody has written into the file meanwhile. It will not be believed again, and we go on without it.
            self._connection, self._folder = _afresh(self._folder), None
            return self.rows(query, *values)

    def data(self, kind: str, key: str) -> str:
        """What the file says in which something is described, as JSON."""
        query = "SELECT data FROM files JOIN things ON file = name WHERE kind = ? AND id = ?"
        ((data,),) = self.rows(query, kind, key)
        return str(data)

    def work(self, work: str) -> Outline | None:
        """The outline of a paper or of a work outside the catalogue, if there is one of this id."""
        for (outline,) in self.rows("SELECT outline FROM things WHERE id = ? AND +kind IN (?, ?)", work, *WORKS):
            return Outline.from_json(json.loads(outline))
        return None

    def works(self) -> Iterator[Outline]:
        """The outlines of all papers and works outside the catalogue, the papers first, each by id."""
        for (outline,) in self.rows("SELECT outline FROM things WHERE kind IN (?, ?) ORDER BY kind DESC, id", *WORKS):
            yield Outline.from_json(json.loads(outline))

    def ids(self, kind: str) -> tuple[str, ...]:
        """The ids of all things of a kind, in order."""
        return tuple(key for (key,) in self.rows("SELECT id FROM things WHERE kind = ? ORDER BY id", kind))

    def count(self, *kinds: str) -> int:
        """How many things of some kinds there are."""
        counted = dict(self.rows("SELECT kind, count(*) FROM things GROUP BY kind"))
        return sum(counted.get(kind, 0) for kind in kinds)

    def named(self, kind: str) -> list[Named]:
        """All topics or families, in the order of their file."""
        found = self.rows("SELECT outline FROM things WHERE kind = ? ORDER BY number", kind)
        return [Named.from_json(json.loads(outline)) for (outline,) in found]

    def found_by(self, way: str, key: str) -> list[Thing]:
        """What is found by one of the keys of :func:`_ways`: families first, then papers, each by id."""
        query = "SELECT kind, outline FROM things JOIN found_by USING (number) WHERE way = ? AND key = ?"
        found = (thing_of(kind, json.loads(outline)) for kind, outline in self.rows(query, way, key))
        return sorted(found, key=lambda thing: (_ORDER.index(thing.kind), thing.outline.id))

    def papers(self, *found_by: tuple[str, str], since: int = 0, before: int = 9999) -> tuple[str, ...]:
        """The ids of the papers that are found by all of some keys of :func:`_ways`, of some years, by date."""
        # +kind: not to be looked up, because nearly all things are papers.
        query = "SELECT id FROM things WHERE +kind = 'paper' AND published >= ? AND published < ?"
        query += " AND number IN (SELECT number FROM found_by WHERE way = ? AND key = ?)" * len(found_by)
        values = [value for pair in found_by for value in pair]
        years = (f"{since:04}", f"{before:04}")
        return tuple(paper for (paper,) in self.rows(f"{query} ORDER BY published, id", *years, *values))


_ORDER = ("family", "paper", "external")


def thing_of(kind: str, fields: list[Any]) -> Thing:
    """A thing, from what :mod:`json` has made of its outline."""
    return Thing(kind, Outline.from_json(fields) if kind in WORKS else Named.from_json(fields))


# --- Making it -------------------------------------------------------------------------------------------------------


def load(folder: Path) -> Index:
    """The index of a folder of records as they are now.

    Raises:
        NoRecords: there is no such folder, or no record of a paper in it.
        LibraryError: with everything that is wrong in the folder, file by file and line by line.
    """
    folder = folder.resolve()
    try:
        state = cache.observe(_observed(folder))
        if (connection := cache.recall(folder, state)) is not None:
            return Index(connection, folder)
        contents = _Contents(folder)
    except OSError as error:
        what = "there is no such folder" if not folder.exists() else error.strerror or str(error)
        raise NoRecords(f"no records in {folder}: {what}") from None
    if not any(file.kind == "paper" for file in contents.files):
        raise NoRecords(f"no records in {folder}: a paper is a file there such as resnet.yaml")

    base = next((index for index in cache.kept(folder) if _is_of(index.connection, contents.code)), None)
    if base is not None and contents.are_those_of(base.connection):
        cache.stamp(folder, state, base)
        return Index(base.connection, folder)
    change = _Change(contents, base.connection if base else None)
    made = cache.replace(folder, change.apply) if change else None
    if change.problems:
        raise LibraryError(change.problems)
    if made is None:
        return Index(_in_memory(change))
    cache.stamp(folder, state, made)
    return Index(made.connection, folder)


def compile_shipped(path: Path) -> None:
    """Write the index of the project's own records that an installed copy brings with it.

    Raises:
        LibraryError: with everything that is wrong in the records.
        OSError, sqlite3.Error: it cannot be written.
    """
    change = _Change(_Contents(paths.RECORDS))
    if change.problems:
        raise LibraryError(change.problems)
    path.unlink(missing_ok=True)
    cache.write(path, change.apply)


def _afresh(folder: Path) -> sqlite3.Connection:
    change = _Change(_Contents(folder))
    if change.problems:
        raise LibraryError(change.problems)
    return _in_memory(change)


def _in_memory(change: _Change) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    change.apply(connection)
    return connection


def _observed(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Every file that has a say in what the index is."""
    for _, entry in paths.record_files(folder):
        yield entry
    for where in (Path(__file__).parent, *_modules(folder)):
        with os.scandir(where) as entries:
            yield from sorted((entry for entry in entries if entry.name.endswith(".py")), key=lambda entry: entry.name)


def _modules(folder: Path) -> tuple[Path, ...]:
    """Claims of the catalogue that is in use name variants of its modules and functions among their checks."""
    modules = paths.reproductions_folder() if folder == paths.records_folder() else None
    return tuple(where for where in (modules, modules / "checks") if where.is_dir()) if modules else ()


class _Contents:
    """The files of a folder, as they are read now."""

    def __init__(self, folder: Path) -> None:
        from catalog.source import files

        self.folder = folder
        self.files = list(files(folder))
        modules: dict[str, list[bytes]] = {}
        for where in _modules(folder):
            for source in sorted(where.glob("*.py")):
                modules.setdefault(source.stem, []).extend((where.name.encode(), source.read_bytes()))
        self.digests = {
            file.name: cache.fingerprint(
                [(file.error or "").encode(), file.content, *modules.get(file.stem.replace("-", "_"), ())]
            )
            for file in self.files
        }
        """By name, of all that decides whether a file is sound on its own."""
        code = [*sorted(Path(__file__).parent.glob("*.py")), *paths.REPRODUCTIONS.glob("__init__.py")]
        self.code = cache.fingerprint(part for source in code for part in (source.name.encode(), source.read_bytes()))

    def are_those_of(self, index: sqlite3.Connection) -> bool:
        """Whether an index is that of these files, and these are valid."""
        ((valid,),) = index.execute("SELECT valid FROM about")
        return bool(valid) and self.digests == _digests(index)


def _is_of(index: sqlite3.Connection, code: str) -> bool:
    """Whether an index was made by this code."""
    try:
        return index.execute("SELECT code FROM about").fetchall() == [(code,)]
    except sqlite3.DatabaseError:
        return False


def _digests(index: sqlite3.Connection) -> dict[str, str]:
    return dict(index.execute("SELECT name, digest FROM files").fetchall())


class _Change:
    """What has to be done to an index, if there is one yet, so that it is that of some files."""

    def __init__(self, contents: _Contents, base: sqlite3.Connection | None = None) -> None:
        from catalog.validation import check

        self._contents, self._base = contents, base
        before = _digests(base) if base else {}
        known = {
            name: json.loads(data)
            for name, data in (base.execute("SELECT name, data FROM files") if base else ())
            if contents.digests.get(name) == before[name]
        }
        checked = check(contents.folder, contents.files, known)
        self.problems = checked.problems
        self._sound = [(file, data) for file, data in checked.sound if file.name not in known]
        self._gone = [name for name in before if name not in known]

    def __bool__(self) -> bool:
        """Whether it is worth being written: it makes the index valid, or spares others some reading."""
        return not self.problems or bool(self._sound or self._gone)

    def apply(self, index: sqlite3.Connection) -> None:
        """Make an empty database the index of the sound files; it answers questions where that is all of them."""
        if self._base is not None:
            self._base.backup(index)
        else:
            index.executescript(_SCHEMA)
        for name in self._gone:
            _remove(index, name)
        ((number,),) = index.execute("SELECT coalesce(max(number), 0) FROM things")
        for file, data in self._sound:
            values = (file.name, self._contents.digests[file.name], json.dumps(data))
            index.execute("INSERT INTO files VALUES (?, ?, ?)", values)
            for thing, published, claims, text in _things(file, data):
                number += 1
                index.execute(
                    "INSERT INTO things VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (number, file.name, thing.kind, thing.outline.id, published, claims, json.dumps(thing.outline)),
                )
                found = [(way, key, number) for way, key in _ways(thing)]
                index.executemany("INSERT INTO found_by VALUES (?, ?, ?)", found)
                index.execute(
                    "INSERT INTO search (rowid, names, title, authors, summary, comments, claims) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (number, *text),
                )
        index.execute("DELETE FROM about")
        index.execute("INSERT INTO about VALUES (?, ?)", (self._contents.code, not self.problems))
        index.commit()


def _remove(index: sqlite3.Connection, file: str) -> None:
    rows = index.execute("SELECT number, kind, outline FROM things WHERE file = ?", (file,)).fetchall()
    for number, kind, outline in rows:
        found = [(way, key, number) for way, key in _ways(thing_of(kind, json.loads(outline)))]
        index.executemany("DELETE FROM found_by WHERE way = ? AND key = ? AND number = ?", found)
        index.execute("DELETE FROM search WHERE rowid = ?", (number,))
    index.execute("DELETE FROM things WHERE file = ?", (file,))
    index.execute("DELETE FROM files WHERE name = ?", (file,))


def _things(file: File, data: dict[str, Any]) -> Iterator[tuple[Thing, str | None, int, tuple[str, ...]]]:
    """What a sound file describes: each thing, when it was published, its claims, and the columns of its text."""
    if file.kind in WORKS:
        outline = Outline.of(data, external=file.kind == "external")
        text = (
            _joined((outline.id, outline.name, *outline.aliases)),
            outline.title,
            _joined(outline.authors),
            data.get("summary", ""),
            _joined(comment["text"] for comment in data.get("comments", ())),
            _joined(claim["statement"] for claim in data.get("claims", ())),
        )
        yield Thing(file.kind, outline), outline.published, len(data.get("claims", ())), text
    for topic in data.get("topics", ()):
        named = Named(topic["id"], topic["name"].strip(), (topic["id"].rpartition("/")[2],))
        comments = _joined(comment["text"] for comment in topic.get("comments", ()))
        yield Thing("topic", named), None, 0, (_joined(named.spoken), "", "", "", comments, "")
    for family in data.get("families", ()):
        named = Named(family["id"], family["name"].strip(), tuple(alias.strip() for alias in family.get("aliases", ())))
        yield Thing("family", named), None, 0, (_joined(named.spoken), "", "", family["summary"], "", "")


def _joined(texts: Iterable[str]) -> str:
    return " · ".join(texts)


def _ways(thing: Thing) -> set[tuple[str, str]]:
    """The keys by which a thing is found."""
    if thing.kind == "topic":
        return set()
    ways = {("name", normal(spoken)) for spoken in thing.outline.spoken}
    if isinstance(thing.outline, Outline):
        ways |= {("identifier", known) for known in thing.outline.identifiers}
        ways |= {("ancestor", edge.paper) for edge in thing.outline.builds_on}
        ways |= {("topic", topic) for topic in thing.outline.taxonomy}
        ways |= {("under", above) for topic in thing.outline.taxonomy for above in _path(topic)}
        ways |= {("family", thing.outline.family)} if thing.outline.family else set()
    return ways


def _path(topic: str) -> list[str]:
    """A topic and those under which it lies."""
    return [topic[:end] for end in (*(place for place, sign in enumerate(topic) if sign == "/"), len(topic))]
