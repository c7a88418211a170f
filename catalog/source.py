"""Read the YAML files of a folder of records, with the line of everything in them.

Records are written by many hands, so a file may be anything. What is read is the part of YAML that people mean when
they write a record: mappings, lists and plain values. Values are read as in YAML 1.2: ``no`` and ``2016-10-07`` are
text, ``1e-10`` is a number. Anchors, aliases and tags are refused: nothing in a file can name a Python object, expand
to more than was written, or nest without end.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["Document", "File", "Place", "SourceError", "files", "human", "listed", "parse", "plain_value", "printable"]

LARGEST = 2 * 1024 * 1024
"""Bytes that a file may have; the largest record is a few dozen kilobytes."""

DEEPEST = 32
"""Levels that a file may nest; a record needs seven."""

Place = tuple[str | int, ...]
"""The way to a value from the top of its file: ``("builds_on", 0, "paper")``."""

# https://yaml.org/spec/1.2.2/#103-core-schema, without octal, hexadecimal, infinity and not-a-number
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEAN = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,299})")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]{1,2})?")

# Characters that nobody sees, or that change how their neighbours are seen: controls, line breaks that only YAML knows,
# a byte order mark inside the text, marks of direction, halves of surrogate pairs and non-characters.
_ODD = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)

_HINTS = (
    ("mapping values are not allowed", "a text that contains ': ' needs quotes"),
    ("cannot start any token", "indent with spaces, not tabs; a text that begins with @, ` or % needs quotes"),
    ("did not find expected key", "check the indentation and the quotes here and in the line above"),
    ("expected <block end>", "check the indentation and the quotes here and in the line above"),
    ("did not find expected ',' or", "a comma or a closing bracket is missing, or a text needs quotes"),
    ("expected ',' or", "a comma or a closing bracket is missing, or a text needs quotes"),
    ("could not find expected ':'", "a field is written 'name: value'"),
    ("end of stream", "a quote or bracket is not closed"),
    ("<stream end>", "a quote or bracket is not closed"),
)


class SourceError(Exception):
    """A file that cannot be read as a record."""

    def __init__(self, line: int | None, message: str, place: Place = ()) -> None:
        self.line, self.message, self.place = line, message, place
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class File:
    """One YAML file of a folder of records as it lies on the disk."""

    name: str
    """As shown to people, beginning with the name of the folder: ``papers/external/nasnet.yaml``."""
    stem: str
    """The name of the file without ``.yaml``: the id of its record."""
    kind: str
    """``paper``, ``external``, ``taxonomy`` or ``families``."""
    content: bytes = b""
    error: str | None = None
    """Why the content could not be read."""


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says, and where."""

    data: dict[str, Any]
    lines: dict[Place, int]
    """Line, from 1, of the name of each field and of each entry of a list."""
    written: dict[Place, str]
    """Plain values that were not read as text, as they are written."""

    def line(self, place: Place) -> int:
        """The line of a value, or of the nearest thing around it."""
        while place not in self.lines:
            place = place[:-1]
        return self.lines[place]


def printable(text: str, longest: int = 80) -> str:
    """A text from a file or a file name, cut short and without characters that would disturb a terminal."""
    text = text if len(text) <= longest else text[: longest - 1] + "…"
    return _ODD.sub(lambda match: f"\\u{ord(match[0]):04x}", text).replace("\n", "\\n")


def human(place: Place) -> str:
    """The way to a value as people write it: ``builds_on[0].paper``."""
    steps = []
    for step in place:
        if isinstance(step, int):
            steps.append(f"[{step}]")
        else:
            steps.append("." + printable(step if re.fullmatch(r"[\w-]+", step) else repr(step)))
    return "".join(steps).removeprefix(".")


def files(folder: Path) -> Iterator[File]:
    """Every YAML file of a folder of records, in order, whether or not it can be read.

    Editors' copies and other hidden files are passed over.

    Raises:
        NotADirectoryError: the folder is not there.
    """
    shown = folder.resolve().name
    for subfolder, entry in listed(folder):
        stem, extension = os.path.splitext(entry.name)
        kind = "external" if subfolder else stem if stem in {"taxonomy", "families"} else "paper"
        name = printable("/".join(filter(None, (shown, subfolder, entry.name))), longest=1000)
        if extension != ".yaml":
            yield File(name, stem, kind, error=f"does not end in .yaml; name it '{printable(stem)}.yaml'")
            continue
        try:
            yield File(name, stem, kind, content=_content(folder / subfolder / entry.name))
        except SourceError as error:
            yield File(name, stem, kind, error=error.message)


def listed(folder: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Every file that :func:`files` reads, in the same order, with its subfolder: empty or ``external``.

    Raises:
        NotADirectoryError: the folder is not there.
    """
    for subfolder in ("", "external"):
        where = folder / subfolder
        if subfolder and not where.is_dir():
            continue
        with os.scandir(where) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                extension = os.path.splitext(entry.name)[1]
                if not entry.name.startswith(".") and extension.lower() in {".yaml", ".yml"}:
                    yield subfolder, entry


def _content(path: Path) -> bytes:
    """The content of an ordinary file of a reasonable size; nothing else is opened, because a pipe would never end."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise SourceError(None, "is a folder; a record is a file")
        if not stat.S_ISREG(status.st_mode):
            raise SourceError(None, "is no ordinary file")
        if status.st_size <= LARGEST:
            with path.open("rb") as stream:
                content = stream.read(LARGEST + 1)
            if len(content) <= LARGEST:
                return content
        raise SourceError(None, f"is larger than {LARGEST // 1024**2} MB; a record is a few kilobytes")
    except OSError as error:
        if path.is_symlink() and not path.exists():
            raise SourceError(None, f"is a link to '{printable(os.readlink(path))}', where nothing is") from None
        raise SourceError(None, f"cannot be read: {error.strerror or error}") from None


def parse(content: bytes) -> Document:
    """Read one YAML document whose top level is a mapping.

    Raises:
        SourceError: it is something else; the error says what, and in which line.
    """
    text = _text(content)
    try:
        return _document(text)
    except SourceError as error:
        if error.line is not None:
            error.line = min(error.line, text.count("\n", 0, len(text) - 1) + 1)
        raise


def _text(content: bytes) -> str:
    try:
        text = content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise SourceError(1, "is UTF-16; save the file as UTF-8") from None
        column = error.start - content.rfind(b"\n", 0, error.start)
        raise SourceError(
            line, f"byte {column} of this line, 0x{content[error.start]:02x}, is not UTF-8; save the file as UTF-8"
        ) from None
    if odd := _ODD.search(text):
        line = text.count("\n", 0, odd.start()) + 1
        raise SourceError(line, f"holds the invisible character U+{ord(odd[0]):04X}; delete it")
    return text


def _document(text: str) -> Document:
    import yaml

    # Both parsers take time quadratic in the depth; _build stops them long before that is felt.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _build(yaml.parse(text, Loader=loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = error.problem or error.context or "cannot be read"
        hint = next((f"; {hint}" for sign, hint in _HINTS if sign in problem), "")
        raise SourceError(mark.line + 1 if mark else None, f"is not YAML: {printable(problem)}{hint}") from None
    except yaml.YAMLError as error:
        raise SourceError(None, f"is not YAML: {printable(str(error))}") from None


@dataclass(slots=True)
class _Open:
    """A mapping or list whose end has not been reached."""

    node: dict[str, Any] | list[Any]
    place: Place
    key: str | None = None
    """The field of a mapping whose value comes next."""


def _build(events: Iterable[Any]) -> Document:
    """Put a document together from the parser's events; without recursion, so that no depth can exhaust the stack."""
    document: Document | None = None
    path: list[_Open] = []
    for event in events:
        kind = type(event).__name__
        line = event.start_mark.line + 1
        if kind in {"MappingEndEvent", "SequenceEndEvent"}:
            path.pop()
            continue
        if kind == "DocumentStartEvent" and document is not None:
            raise SourceError(line, "a second document begins here; a file holds one record")
        if kind not in {"ScalarEvent", "MappingStartEvent", "SequenceStartEvent", "AliasEvent"}:
            continue
        _refuse_references(event, kind, line)
        if document is None:
            if kind != "MappingStartEvent":
                found = "a list" if kind == "SequenceStartEvent" else "a plain text"
                raise SourceError(line, f"holds {found}; a file holds fields, such as 'id: xception'")
            document = Document({}, {(): line}, {})
            path.append(_Open(document.data, ()))
            continue

        parent = path[-1]
        if isinstance(parent.node, list):
            place = (*parent.place, len(parent.node))
            document.lines[place] = line
        elif parent.key is not None:
            place = (*parent.place, parent.key)
        else:
            if kind != "ScalarEvent":
                raise SourceError(line, "the name of a field is a word, not a list or a mapping", parent.place)
            parent.key = _visible(event.value, line, parent.place)
            place = (*parent.place, parent.key)
            if place in document.lines:
                raise SourceError(line, f"is there twice; the first is in line {document.lines[place]}", place)
            document.lines[place] = line
            continue

        value: Any
        if kind == "ScalarEvent":
            value = _visible(event.value, line, place)
            if event.implicit[0]:
                value = plain_value(value)
                if not isinstance(value, str):
                    document.written[place] = event.value
        else:
            value = {} if kind == "MappingStartEvent" else []
            path.append(_Open(value, place))
            if len(path) > DEEPEST:
                raise SourceError(line, f"is nested more than {DEEPEST} levels deep")
        if isinstance(parent.node, list):
            parent.node.append(value)
        else:
            assert parent.key is not None
            parent.node[parent.key] = value
            parent.key = None
    if document is None:
        raise SourceError(None, "is empty; a file holds fields, such as 'id: xception'")
    return document


def _refuse_references(event: Any, kind: str, line: int) -> None:
    """Refuse anchors, aliases and tags; a text that begins with their signs was probably meant as text."""
    tag = getattr(event, "tag", None)
    if event.anchor is not None:
        shown = ("*" if kind == "AliasEvent" else "&") + event.anchor
    elif tag is not None:
        shown = tag.replace("tag:yaml.org,2002:", "!!")
    else:
        return
    raise SourceError(
        line,
        f"'{printable(shown)}': anchors (&), aliases (*) and tags (!) are not read; write it out, or quote the text",
    )


def _visible(text: str, line: int, place: Place) -> str:
    # Escapes inside double quotes bring in characters that the file itself does not hold.
    if odd := _ODD.search(text):
        raise SourceError(line, f"holds the invisible character U+{ord(odd[0]):04X}; delete it", place)
    return text


def plain_value(text: str) -> str | int | float | bool | None:
    """What a plain (unquoted) scalar means; whatever is no number, truth value or nothing is text."""
    if text in _NULL:
        return None
    if text in _BOOLEAN:
        return _BOOLEAN[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text
