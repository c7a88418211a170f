"""One file with a reproduction and all that it takes from others builds the same networks, and imports no other."""

from __future__ import annotations

import ast
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import torch

import reproductions
from catalog import paths, standalone
from catalog.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODULES = sorted(path.stem for path in paths.REPRODUCTIONS.glob("*.py") if path.stem not in {"__init__", "layers"})


def one_file(module: str) -> str:
    return standalone.standalone(module.replace("_", "-"), lambda name: f"of {name}")


def run(text: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "copied"}
    exec(compile(text, "copied.py", "exec"), names)
    return names


@pytest.mark.parametrize("module", MODULES)
def test_it_has_what_the_module_has_and_imports_no_reproduction(module: str) -> None:
    text = one_file(module)
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else alias.name) or ""
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    outside = {name.partition(".")[0] for name in imported} - sys.stdlib_module_names
    assert outside <= {"torch"}
    names = run(text)
    for node in ast.parse(standalone.source_of(module.replace("_", "-"))).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            assert names[node.name].__doc__ == getattr(reproductions_module(module), node.name).__doc__


def reproductions_module(module: str) -> Any:
    __import__(f"reproductions.{module}")
    return sys.modules[f"reproductions.{module}"]


@pytest.mark.parametrize("module", [module for module in MODULES if reproductions.variants(module)])
def test_it_builds_the_same_networks(module: str) -> None:
    build = run(one_file(module))["build"]
    variants = reproductions.variants(module)
    for variant in {variants[0], variants[-1]}:
        with torch.device("meta"):
            here, there = build(variant), reproductions.build(module.replace("_", "-"), variant)
        assert repr(here) == repr(there)
        assert shapes(here) == shapes(there)


def shapes(network: torch.nn.Module) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in network.state_dict().items()}


def test_it_computes_the_same() -> None:
    networks = []
    for build in (run(one_file("senet"))["build"], reproductions_module("senet").build):
        torch.manual_seed(0)
        networks.append(build("seresnet50", classes=3).eval())
    x = torch.randn(1, 3, 64, 64)
    assert torch.equal(networks[0](x), networks[1](x))


def test_it_runs_where_nothing_of_ours_is(tmp_path: Path) -> None:
    (tmp_path / "copied.py").write_text(one_file("deformable_convnets_v1"), "utf-8")
    program = (
        "import sys; sys.path.insert(0, '.'); sys.modules['reproductions'] = sys.modules['catalog'] = None\n"
        "import torch, copied\n"
        "with torch.device('meta'): print(len(list(copied.build().parameters())))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert int(done.stdout) == len(list(reproductions.build("deformable-convnets-v1").parameters()))


# --- Small modules, made for one purpose -----------------------------------------------------------------------------


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(paths, "REPRODUCTIONS", tmp_path)
    standalone._module.cache_clear()
    yield tmp_path
    standalone._module.cache_clear()


def write(folder: Path, **modules: str) -> None:
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text, "utf-8")


def test_names_that_collide_are_told_apart_wherever_they_are_global(made: Path) -> None:
    write(
        made,
        old="""
SIZE = 3
# Why it is so.
def build(x):
    def inner(SIZE):
        return SIZE + len([build for build in 'ab'])
    return inner(x) * SIZE

class Thing:
    SIZE = 7
    twice = SIZE * 2
    def method(self):
        return build(SIZE)

def unused(): ...
""",
        new="""
from reproductions import old
from reproductions.old import Thing as Old
SIZE = 5
def build(x, größe=SIZE): return 'ä', old.build(x), Old().method(), Old.twice, größe, old.SIZE
""",
    )
    text = one_file("new")
    assert "unused" not in text
    assert "# Why it is so.\ndef old_build(x):" in text
    assert text.index("of old") < text.index("def old_build") < text.index("of new") < text.index("SIZE = 5")
    there = (1 + 2) * 3
    assert run(text)["build"](1) == ("ä", there, (3 + 2) * 3, 14, 5, 3)


def test_what_is_needed_for_types_alone_stays_so(made: Path) -> None:
    write(
        made,
        new="""
from __future__ import annotations
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from nowhere import Nothing
    Row = Nothing[int]
def build(row: Row) -> None: ...
""",
    )
    text = one_file("new")
    assert "if TYPE_CHECKING:\n    from nowhere import Nothing\n" in text
    assert "if TYPE_CHECKING:\n    Row = Nothing[int]\n" in text
    assert "build" in run(text)


@pytest.mark.parametrize(
    ("modules", "problem"),
    [
        ({"new": "def a(): ...\nfor i in range(3): a()\n"}, "reproductions/new.py:2: a statement that defines nothing"),
        (
            {"old": "from math import sqrt\ndef a(): return sqrt(2)\n",
             "new": "from torch import sqrt\nfrom reproductions.old import a\ndef b(x): return a() + sqrt(x)\n"},
            "'sqrt' is ",
        ),
        (
            {"old": "", "new": "from reproductions.old import a\ndef b(): return a()\n"},
            "reproductions/old.py defines no 'a'",
        ),
        ({}, "new has no module yet"),
    ],
)  # fmt: skip
def test_what_does_not_fit_into_one_file(made: Path, modules: dict[str, str], problem: str) -> None:
    write(made, **modules)
    with pytest.raises(CatalogError) as caught:
        one_file("new")
    assert problem in str(caught.value)
