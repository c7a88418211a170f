"""What changed from one work to another: in words, by the records, and in code, by their modules.

What changed in the networks themselves is counted by :mod:`catalog.verify.difference`, because that takes torch.
"""

from __future__ import annotations

import ast
import difflib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from catalog import paths
from catalog.graph import path
from catalog.questions import Remark

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catalog.graph import Derivation
    from catalog.library import Library
    from catalog.records import Paper

__all__ = ["Code", "Contrast", "Import", "Said", "code", "said"]


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
