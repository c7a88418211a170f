"""One minimal module a paper: what the paper does, readable in one sitting.

``build("resnet", "resnet50", classes=10)`` builds a network; ``variants("resnet")`` names those a module offers.
Importing this package imports no module of a paper and not torch.
"""

from __future__ import annotations

import ast
import importlib
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

__all__ = ["UnknownReproduction", "UnknownVariant", "build", "find_variant", "main_variant", "variants"]

_HERE = Path(__file__).parent
_NOT_PAPERS = {"__init__", "layers"}


class UnknownReproduction(LookupError):
    """No module reproduces this paper."""

    def __init__(self, paper: str) -> None:
        self.paper = paper
        super().__init__(f"no module reproduces '{paper}'; there are {', '.join(_papers())}")


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
    module = importlib.import_module(f"reproductions.{_module_name(paper)}")
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
    return list(_variants(_module_name(paper)))


def main_variant(paper: str) -> str:
    """Name of the variant that `build` returns if none is named, without importing the module.

    Raises:
        UnknownReproduction: no module of that name.
        UnknownVariant: the module holds no network.
    """
    for statement in _tree(_module_name(paper)).body:
        match statement:
            case ast.FunctionDef(name="build", args=ast.arguments(defaults=[ast.Constant(value=str(name)), *_])):
                return name
    raise UnknownVariant(paper, "")


def _papers() -> list[str]:
    return sorted(path.stem.replace("_", "-") for path in _HERE.glob("*.py") if path.stem not in _NOT_PAPERS)


def _canonical(name: str) -> str:
    return re.sub(r"[-_\s]+", "-", name.strip().lower())


def _letters(name: str) -> str:
    return name.replace("-", "")


def _module_name(paper: str) -> str:
    name = _canonical(paper).replace("-", "_")
    # Only plain names reach the file system: "../x" or "os.path" are no papers.
    if not re.fullmatch(r"[a-z0-9_]+", name) or name in _NOT_PAPERS or not (_HERE / f"{name}.py").is_file():
        raise UnknownReproduction(paper)
    return name


@cache
def _variants(name: str) -> tuple[str, ...]:
    """Read the names in a module's ``VARIANTS``, a dictionary whose keys are plain strings, from its source."""
    for statement in _tree(name).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="VARIANTS")], value=ast.Dict(keys=keys)):
                return tuple(ast.literal_eval(key) for key in keys if key is not None)
    return ()


def _tree(name: str) -> ast.Module:
    return ast.parse((_HERE / f"{name}.py").read_text(encoding="utf-8"))
