"""How variants are named and built."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

import reproductions
from reproductions import UnknownReproduction, UnknownVariant, build, variants

MODULES = sorted(
    path.stem for path in Path(reproductions.__file__).parent.glob("*.py") if path.stem not in {"__init__", "layers"}
)


@pytest.mark.parametrize("name", ["resnet50", "ResNet50", "RESNET_50", "resnet-50", " resnet50 "])
def test_spelling_makes_no_difference(name: str) -> None:
    with torch.device("meta"):
        assert sum(parameter.numel() for parameter in build("resnet", name).parameters()) == 25_557_032


def test_separators_may_be_of_either_kind() -> None:
    with torch.device("meta"):
        assert len(build("Xception", "Xception_NoRes").middle) == 8


@pytest.mark.parametrize("name", ["resnet51", "", "resnet"])
def test_an_unknown_variant_names_those_that_exist(name: str) -> None:
    with pytest.raises(UnknownVariant, match=f"resnet has no variant '{name}'; there are plain18, .*cifar-resnet1202"):
        build("resnet", name)


@pytest.mark.parametrize("paper", ["no-such-paper", "../papers/xception", "os.path", "layers", "__init__", "checks"])
def test_an_unknown_paper_names_those_that_exist(paper: str) -> None:
    with pytest.raises(UnknownReproduction, match=r"there are .*xception"):
        variants(paper)


def test_a_module_without_networks_says_so() -> None:
    assert variants("lecun1989") == []
    with pytest.raises(UnknownVariant, match="none: its module holds no network"):
        build("lecun1989")


@pytest.mark.parametrize("module", MODULES)
def test_names_are_canonical(module: str) -> None:
    for name in variants(module):
        assert name == name.lower().strip()
        assert "_" not in name, f"{module}: '{name}' should be written with hyphens"


def test_options_reach_the_module() -> None:
    with torch.device("meta"):
        assert build("resnet", "resnet50", classes=10).head[-1].out_features == 10


def test_the_names_are_read_without_torch() -> None:
    program = "import sys, reproductions; reproductions.variants('resnet'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("module", [module for module in MODULES if variants(module)])
def test_the_main_variant_is_what_build_returns_unless_asked_otherwise(module: str) -> None:
    import inspect
    from importlib import import_module

    function = import_module(f"reproductions.{module}").build
    assert reproductions.main_variant(module) == inspect.signature(function).parameters["variant"].default
    assert reproductions.main_variant(module) in variants(module)


def test_there_is_no_main_variant_without_networks() -> None:
    with pytest.raises(UnknownVariant):
        reproductions.main_variant("lecun1989")
