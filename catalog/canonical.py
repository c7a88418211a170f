"""Bring the files of the catalogue into their one layout, with every comment that people wrote into them.

:mod:`catalog.layout` writes data and knows no comments. Here the comments of a file are taken out of it, each with the
field or list entry that it belongs to: the one it stands behind, or else the next below it. They are put back where the
new text has these. A comment that no longer fits behind its line is put above it.
"""

from __future__ import annotations

import difflib
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from catalog.errors import LibraryError, Problem
from catalog.layout import WIDTH, dump, write_atomically
from catalog.schema import reference
from catalog.source import SourceError, files, human, parse

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from catalog.source import Document, Place

__all__ = ["Change", "canonical", "reformat"]


@dataclass(frozen=True, slots=True)
class Change:
    """A file that is not in the canonical layout."""

    file: str
    """As shown to people: ``papers/xception.yaml``."""
    path: Path
    before: str
    after: str

    @property
    def lines(self) -> tuple[int, int]:
        """How many lines are new and how many are gone."""
        changed = [line[0] for line in difflib.ndiff(self.before.splitlines(), self.after.splitlines())]
        return changed.count("+"), changed.count("-")


def reformat(folder: Path, ids: Collection[str] = (), *, write: bool = True) -> tuple[int, list[Change]]:
    """Bring the files of a folder of records into the canonical layout: those of these ids, or all of them.

    Args:
        folder: the records.
        ids: names of files without ``.yaml``; all of them if empty.
        write: whether the files are written; otherwise only what would change is said.

    Returns:
        How many files were looked at, and those that change.

    Raises:
        UnknownName: there is no file of an id.
        LibraryError: files are no YAML, or cannot be read or written; when they cannot be read, none is written.
    """
    found = list(files(folder))
    if ids:
        from catalog.names import UnknownName, closest

        stems = {file.stem for file in found}
        for wanted in ids:
            if wanted not in stems:
                raise UnknownName(wanted, closest(wanted, stems), what="file")
        found = [file for file in found if file.stem in ids]
    changes, problems = [], []
    for file in found:
        try:
            if file.error is not None:
                raise SourceError(None, file.error)
            before = file.content.decode("utf-8", errors="replace")  # where something is replaced, parse() complains
            parse(file.content)
            path = folder / ("external" if file.kind == "external" else "") / f"{file.stem}.yaml"
            after = canonical(before, reference(path))
            if after != before:
                changes.append(Change(file.name, path, before, after))
        except SourceError as error:
            problems.append(Problem(file.name, error.line, human(error.place), error.message))
    if problems:
        raise LibraryError(problems)
    for change in changes if write else ():
        try:
            write_atomically(change.path, change.after)
        except OSError as error:
            raise LibraryError(
                [Problem(change.file, None, "", f"cannot be written: {error.strerror or error}")]
            ) from None
    return len(found), changes


def canonical(text: str, first: str = "", data: Mapping[str, Any] | None = None) -> str:
    """The text of a file in the canonical layout.

    Args:
        text: the file as it is.
        first: the line that comes before all others, which names the schema; whatever other line names one goes.
        data: what the file shall say instead; what it says already if omitted.

    Raises:
        SourceError: the text is no YAML of a record, or is written in a way that a comment could get lost.
    """
    document = parse(text.encode())
    data = dict(document.data if data is None else data)
    # Some write the year as a number; it is read as a text all the same.
    if isinstance(data.get("published"), int):
        data["published"] = str(data["published"])
    comments = [
        comment for comment in _comments(text) if not (first and "yaml-language-server: $schema=" in comment.text)
    ]
    bare = dump(data)
    after = _with_comments(bare, comments, document) if comments else bare
    after = f"{first}\n{after}" if first else after
    kept = sorted(comment.text for comment in _comments(after))
    if parse(after.encode()).data != data or kept != sorted(filter(None, [first, *(c.text for c in comments)])):
        raise SourceError(None, "has a comment in a place where it cannot be kept; move it to a line of its own")
    return after


@dataclass(frozen=True, slots=True)
class _Comment:
    line: int
    """From 1."""
    text: str
    alone: bool
    """Whether nothing else stands on its line."""


def _comments(text: str) -> Iterator[_Comment]:
    """Every comment of a file: what stands between the tokens of YAML and is no space."""
    import yaml

    text = text.removeprefix("\ufeff")
    if "#" not in text:
        return
    gaps, end = [], 0
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        start = token.start_mark.index
        gaps.append((end, start))
        if isinstance(token, yaml.ScalarToken) and token.style in ("|", ">"):
            # The mark that begins a block may have a comment behind it.
            gaps.append((start, text.find("\n", start)))
        end = max(end, token.end_mark.index)
    gaps.append((end, len(text)))
    for start, stop in gaps:
        for offset, piece in _lines(text, start, stop):
            begin = piece.find("#")
            if begin >= 0:
                before = text[text.rfind("\n", 0, offset) + 1 : offset + begin]
                yield _Comment(text.count("\n", 0, offset) + 1, piece[begin:].rstrip(), not before.strip())


def _lines(text: str, start: int, stop: int) -> Iterator[tuple[int, str]]:
    """The pieces of lines between two places, each with where it begins."""
    for piece in text[start:stop].splitlines(keepends=True):
        yield start, piece
        start += len(piece)


def _with_comments(text: str, comments: list[_Comment], document: Document) -> str:
    """Put comments into a text that says the same as the document that they come from."""
    now = parse(text.encode())
    places: list[Place] = sorted((place for place in document.lines if place), key=lambda place: document.lines[place])
    starts = [document.lines[place] for place in places]
    above: dict[int, list[str]] = defaultdict(list)
    behind: dict[int, list[str]] = defaultdict(list)
    lines = text.splitlines()
    for comment in comments:
        later = bisect_right(starts, comment.line)  # the first field or entry below the comment
        if not comment.alone and later:
            behind[now.line(places[later - 1])].append(comment.text)
        elif later == 0:
            above[1].append(comment.text)  # what stands above everything stays there
        else:
            above[now.line(places[later]) if later < len(places) else len(lines) + 1].append(comment.text)
    for number, texts in behind.items():
        line = f"{lines[number - 1]}  {texts[0]}"
        if len(texts) == 1 and len(line) <= WIDTH:
            lines[number - 1] = line
        else:
            above[number] += texts
    result = []
    for number, line in enumerate([*lines, ""], 1):
        indent = " " * (len(line) - len(line.lstrip(" ")))
        result += [indent + comment for comment in above[number]]
        result.append(line)
    return "\n".join(result)
