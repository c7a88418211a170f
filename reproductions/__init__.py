"""One minimal module a paper: what the paper does, readable in one sitting.

``build("resnet", "resnet50", classes=10)`` builds a network; ``variants("resnet")`` names those a module offers.
Importing this package imports no module of a paper and not torch.

Somebody's own modules (``REPRO_REPRODUCTIONS``) are imported from here too, as ``reproductions.<module>``, and may
import those that come with the project.
"""

from __future__ import annotations

import ast
import importlib
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from catalog import paths

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

__all__ = ["UnknownReproduction", "UnknownVariant", "build", "find_variant", "main_variant", "variants"]

if (_own := paths.checked_reproductions()) is not None:
    __path__.append(str(_own))

_NOT_PAPERS = {"__init__", "layers"}


class UnknownReproduction(LookupError):
    """No module reproduces this paper."""

    def __init__(self, paper: str) -> None:
        self.paper = paper
        super().__init__(f"no module reproduces '{paper}'; there are {', '.join(_papers()) or 'none'}")


class UnknownVariant(LookupError):
    """A reproduction has no variant of this name."""

    def __init__(self, paper: str, variant: str) -> None:
        self.paper, self.variant = paper, variant
        offered = ", ".join(variants(paper)) or "none: its module holds no network"
        super().__init__(f"{paper} has no variant '{variant}'; there are {offered}")


def build(paper: str, variant: str | None = None, **options: Any) -> nn.Module:
    """Build a network of a paper, initialised as the paper says.

    Args:
        paper: id of the paper, such as ``resnet`` or ``dual-path-networks``.
        variant: name of the variant; case and ``-`` or ``_`` make no difference. The paper's main network if omitted.
        options: keywords of the module's own ``build``, such as ``classes=10``.

    Raises:
        UnknownReproduction: no module of that name.
        UnknownVariant: the module has no such variant, or no network at all.
    """
    if variant is not None or not variants(paper):
        variant = find_variant(paper, variant or "")
    module = importlib.import_module(f"reproductions.{_file(paper).stem}")
    return module.build(**options) if variant is None else module.build(variant, **options)


def find_variant(paper: str, variant: str) -> str:
    """The name of a variant as its module has it.

    Raises:
        UnknownReproduction: no module of that name.
        UnknownVariant: the module has no such variant, or no network at all.
    """
    offered = variants(paper)
    # resnet_50 and ResNet-50 are resnet50, as long as leaving the separators out leaves one variant.
    wanted = _canonical(variant)
    alike = [wanted] if wanted in offered else [name for name in offered if _letters(name) == _letters(wanted)]
    if len(alike) != 1:
        raise UnknownVariant(paper, variant)
    return alike[0]


def variants(paper: str) -> list[str]:
    """Names of the variants that the module of a paper offers, without importing it.

    Raises:
        UnknownReproduction: no module of that name.
    """
    return list(_variants(_file(paper)))


def main_variant(paper: str) -> str:
    """Name of the variant that `build` returns if none is named, without importing the module.

    Raises:
        UnknownReproduction: no module of that name.
        UnknownVariant: the module holds no network.
    """
    for statement in _tree(_file(paper)).body:
        match statement:
            case ast.FunctionDef(name="build", args=ast.arguments(defaults=[ast.Constant(value=str(name)), *_])):
                return name
    raise UnknownVariant(paper, "")


def _papers() -> list[str]:
    folder = paths.reproductions_folder()
    found = folder.glob("*.py") if folder else ()
    return sorted(path.stem.replace("_", "-") for path in found if path.stem not in _NOT_PAPERS)


def _canonical(name: str) -> str:
    return re.sub(r"[-_\s]+", "-", name.strip().lower())


def _letters(name: str) -> str:
    return name.replace("-", "")


def _file(paper: str) -> Path:
    name = _canonical(paper).replace("-", "_")
    folder = paths.reproductions_folder()
    # Only plain names reach the file system: "../x" or "os.path" are no papers.
    if folder and re.fullmatch(r"[a-z0-9_]+", name) and name not in _NOT_PAPERS:
        file = folder / f"{name}.py"
        if file.is_file():
            return file
    raise UnknownReproduction(paper)


@cache
def _variants(module: Path) -> tuple[str, ...]:
    """Read the names in a module's ``VARIANTS``, a dictionary whose keys are plain strings, from its source."""
    for statement in _tree(module).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="VARIANTS")], value=ast.Dict(keys=keys)):
                return tuple(ast.literal_eval(key) for key in keys if key is not None)
    return ()


def _tree(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"))
