"""What changed from one work to another: in words, by the records, and in code, by their modules.

As wholes two modules have little in common even where one paper is the other with another block: what a reader compares
is single definitions (:func:`changes`). What changed in the networks themselves is counted by
:mod:`catalog.verify.difference`, because that takes torch.
"""

from __future__ import annotations

import ast
import difflib
import re
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from catalog import paths
from catalog.graph import path
from catalog.questions import Remark

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from catalog.graph import Derivation
    from catalog.library import Library
    from catalog.records import Paper

__all__ = ["Changes", "Code", "Contrast", "Counterpart", "Import", "Said", "Taken", "changes", "code", "said"]


@dataclass(frozen=True, slots=True)
class Contrast:
    """How a paper sets itself against another work."""

    paper: str
    other: str
    what: str


@dataclass(frozen=True, slots=True)
class Said:
    """What the records say of two works, or families."""

    derivation: Derivation
    """How one led to the other, with what changed at every step."""
    contrasts: tuple[Contrast, ...]
    remarks: tuple[Remark, ...]
    """What each says of the other."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "derivation": self.derivation.as_dict(),
            "contrasts": [asdict(contrast) for contrast in self.contrasts],
            "remarks": [asdict(remark) for remark in self.remarks],
        }


def said(library: Library, old: str, new: str) -> Said:
    """What the records say of two works, or families; raises like :func:`catalog.graph.path`."""
    derivation = path(library, old, new)
    contrasts: list[Contrast] = []
    remarks: list[Remark] = []
    sides = derivation.start, derivation.goal
    for works, others in (sides, sides[::-1]):
        for paper in (library[work] for work in works if work in library):
            contrasts += (Contrast(paper.id, one.paper, one.what) for one in paper.compares_with if one.paper in others)
            remarks += (
                Remark(one.source, paper.id, one.text, one.quotation) for one in paper.comments if one.source in others
            )
    return Said(derivation, tuple(contrasts), tuple(remarks))


@dataclass(frozen=True, slots=True)
class Import:
    """What the module of one paper takes from that of another."""

    paper: str
    other: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Code:
    """How the modules of two papers differ."""

    imports: tuple[Import, ...]
    """What one takes from the other; that is why it need not be in both."""
    diff: str
    """From the first to the second, in the unified format."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def code(old: Paper, new: Paper) -> Code | None:
    """How the modules of two papers differ; none where one of them has no module."""
    files = [file for paper in (old, new) if (file := paths.module_file(paper.id.replace("-", "_")))]
    if len(files) < 2:
        return None
    texts = [file.read_text(encoding="utf-8") for file in files]
    imports = (
        Import(paper.id, other.id, names)
        for paper, text, other, file in ((new, texts[1], old, files[0]), (old, texts[0], new, files[1]))
        if (names := tuple(dict.fromkeys(_imported(ast.parse(text), file.stem))))
    )
    before, after = (text.splitlines(keepends=True) for text in texts)
    here, there = (f"reproductions/{file.name}" for file in files)
    lines = difflib.unified_diff(before, after, here, there)
    return Code(tuple(imports), "".join(lines))


def _imported(tree: ast.Module, module: str) -> Iterator[str]:
    """The names that a source takes from a reproduction: ``from it import name``, or ``it.name``."""
    called = set()
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=package, names=names) if package == f"reproductions.{module}":
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module="reproductions", names=names):
                called |= {alias.asname or alias.name for alias in names if alias.name == module}
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name in called:
                yield attribute


# --- Definition by definition ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Taken:
    """A name that one module takes from another."""

    name: str
    line: int | None
    """Where the other defines it; none if it has it from a third."""
    used_by: tuple[tuple[str, int], ...]
    """The definitions that use it, each with its line."""


@dataclass(frozen=True, slots=True)
class Counterpart:
    """A definition beside the one of an ancestor that is most like it."""

    name: str
    line: int
    other: str
    other_line: int
    diff: str
    """From the ancestor's to this one, docstrings left out: lines that begin with ``+``, ``-`` or a space."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What a module takes from that of an ancestor, and what it makes of it."""

    taken: tuple[Taken, ...]
    counterparts: tuple[Counterpart, ...]


ALIKE = 0.65
"""The share of words and signs that two definitions need to have in common to be shown side by side."""

_WORDS = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class _Definition:
    """A function or a class of a module, without docstrings and empty lines."""

    name: str
    line: int
    kind: type[ast.stmt]
    lines: list[str]
    words: list[str]


def changes(paper: Paper, ancestors: Sequence[Paper]) -> dict[str, Changes]:
    """What a module does with those of its ancestors, for each from which it imports something, by its id.

    Args:
        paper: the paper.
        ancestors: others; a definition of the paper's module has its counterpart in one of theirs at most.
    """
    source = _source_of(paper)
    others = {other.id: _source_of(other) for other in ancestors}
    taken = {other: names for other, theirs in others.items() if (names := _taken(source, other, theirs))}
    pairs = [(other, one) for other in taken for one in _definitions(others[other])]
    found: dict[str, list[Counterpart]] = {other: [] for other in taken}
    for new in _definitions(source):
        alike = [(_likeness(new, old), other, old) for other, old in pairs if old.kind is new.kind]
        likeness, other, old = max(alike, key=lambda pair: pair[0], default=(0.0, "", new))
        if likeness >= ALIKE and new.lines != old.lines:
            diff = difflib.unified_diff(old.lines, new.lines, n=len(old.lines), lineterm="")
            text = "\n".join(list(diff)[3:])  # behind the names of the files and the numbers of the lines
            found[other].append(Counterpart(new.name, new.line, old.name, old.line, text))
    return {other: Changes(names, tuple(found[other])) for other, names in taken.items()}


def _source_of(paper: Paper) -> str:
    """The module of a paper; empty if it has none."""
    file = paths.module_file(paper.id.replace("-", "_"))
    return file.read_text(encoding="utf-8") if file else ""


@cache
def _taken(source: str, other: str, theirs: str) -> tuple[Taken, ...]:
    """What a module imports from that of another paper, in alphabetical order."""
    tree, module = _parsed(source), other.replace("-", "_")
    called = {
        alias.name: alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == f"reproductions.{module}"
        for alias in node.names
    }
    places = {name: node.lineno for node in _parsed(theirs).body for name in _bound(node)}
    mentioned = [(node, set(_mentioned(node))) for node in tree.body]

    def users(name: str) -> Iterator[tuple[str, int]]:
        for node, names in mentioned:
            if called.get(name, name) in names:
                yield from ((own, node.lineno) for own in _bound(node))

    return tuple(Taken(name, places.get(name), tuple(users(name))) for name in sorted(set(_imported(tree, module))))


def _bound(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement of a module defines."""
    match statement:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Assign(targets=targets):
            yield from (target.id for target in targets if isinstance(target, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name


def _mentioned(statement: ast.stmt) -> Iterator[str]:
    """The names in a statement, also those behind the name of a module."""
    for node in ast.walk(statement):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                yield name


@cache
def _parsed(source: str) -> ast.Module:
    """A module; an empty one where it is no Python, which somebody who is writing it knows."""
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):
        return ast.Module(body=[], type_ignores=[])


@cache
def _definitions(source: str) -> tuple[_Definition, ...]:
    """The functions and classes of a module."""
    lines = source.splitlines()
    found = []
    for node in _parsed(source).body:
        if not isinstance(node, ast.FunctionDef | ast.ClassDef):
            continue
        said: set[int] = set()
        for inner in ast.walk(node):
            if isinstance(inner, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(inner) is not None:
                said |= set(range(inner.body[0].lineno, (inner.body[0].end_lineno or 0) + 1))
        numbers = range(node.lineno, (node.end_lineno or node.lineno) + 1)
        kept = [lines[at - 1] for at in numbers if at not in said and lines[at - 1].strip()]
        found.append(_Definition(node.name, node.lineno, type(node), kept, _WORDS.findall("\n".join(kept))))
    return tuple(found)


def _likeness(new: _Definition, old: _Definition) -> float:
    """From 0 to 1; 0 where it is below :data:`ALIKE`, and for what is too short to be told apart."""
    if min(len(new.lines), len(old.lines)) < 4:
        return 0.0
    matcher = difflib.SequenceMatcher(None, old.words, new.words, autojunk=False)
    # Two bounds that cost less come first.
    enough = matcher.real_quick_ratio() >= ALIKE and matcher.quick_ratio() >= ALIKE
    return matcher.ratio() if enough else 0.0
