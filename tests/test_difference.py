"""What changed from one paper to another, by the records and in the code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catalog import difference, paths
from catalog.difference import Contrast, Import, code, said
from catalog.errors import CatalogError
from catalog.questions import Remark

if TYPE_CHECKING:
    from pathlib import Path

    from catalog import Library


def test_what_the_records_say(small: Library) -> None:
    found = said(small, "Inception-v3", "MobileNet")
    (link,) = found.derivation.paths[0][1].links
    assert (link.relation, link.what) == ("simplifies", "drops the branches")
    assert (found.contrasts, found.remarks) == ((), ())
    assert found.as_dict()["derivation"]["steps"] == 1


def test_what_each_says_of_the_other_whichever_comes_first(small: Library) -> None:
    remark = Remark("mobilenet-v1", "xception", "Xception scales up depthwise separable filters.", quotation=True)
    contrast = Contrast("xception", "network-in-network", "no comparison")
    for names in (("xception", "mobilenet"), ("mobilenet", "xception")):
        assert said(small, *names).remarks == (remark,)
    for names in (("xception", "nin"), ("nin", "xception")):
        assert said(small, *names).contrasts == (contrast,)
    with pytest.raises(CatalogError, match="are the same"):
        said(small, "xception", "Xception")


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(paths, "REPRODUCTIONS", tmp_path)
    (tmp_path / "resnet.py").write_text("A = 1\nB = 2\n")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("from reproductions.resnet import B, A as a\n", ("B", "A")),
        ("from reproductions import resnet\nx = resnet.B + resnet.A + resnet.B\n", ("B", "A")),
        ("from reproductions import resnet as it, xception\nx = it.A + xception.C\n", ("A",)),
        ("def late():\n    from reproductions.resnet import A\n", ("A",)),
    ],
)
def test_what_one_module_takes_from_another(small: Library, modules: Path, text: str, names: tuple[str, ...]) -> None:
    (modules / "xception.py").write_text(text)
    found = code(small["resnet"], small["xception"])
    assert found
    assert found.imports == (Import("xception", "resnet", names),)
    turned = code(small["xception"], small["resnet"])
    assert turned
    assert turned.imports == found.imports


def test_modules_that_take_nothing_of_each_other(small: Library, modules: Path) -> None:
    (modules / "xception.py").write_text("from reproductions.resnet_v2 import A\nfrom torch import resnet\nA = 1\n")
    found = code(small["resnet"], small["xception"])
    assert found
    assert found.imports == ()
    assert found.diff.splitlines()[:3] == [
        "--- reproductions/resnet.py",
        "+++ reproductions/xception.py",
        "@@ -1,2 +1,3 @@",
    ]
    assert found.diff.endswith("+from torch import resnet\n A = 1\n-B = 2\n")


def test_a_paper_without_a_module(small: Library, modules: Path) -> None:
    assert code(small["resnet"], small["xception"]) is None
    assert code(small["xception"], small["resnet"]) is None


def test_the_public_names_are_there() -> None:
    assert all(hasattr(difference, name) for name in difference.__all__)
