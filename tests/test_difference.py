"""What changed from one paper to another, by the records and in the code."""

from __future__ import annotations

import re
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


# --- Definition by definition ----------------------------------------------------------------------------------------


def test_what_is_taken_is_found_where_it_is_defined_and_used(library: Library) -> None:
    found = difference.changes(library["resnext"], [library["resnet"], library["vgg"]])
    assert list(found) == ["resnet"], "nothing is taken from VGG"
    texts = {name: (paths.REPRODUCTIONS / f"{name}.py").read_text().splitlines() for name in ("resnet", "resnext")}
    taken = {name.name: name for name in found["resnet"].taken}
    assert list(taken) == ["Block", "ResNet", "cifar_stem", "imagenet_stem", "option_b"]
    for name, place in taken.items():
        assert place.line is not None
        assert re.match(rf"(class|def) {name}\(", texts["resnet"][place.line - 1])
        for user, line in place.used_by:
            assert re.match(rf"(class|def) {user}\(", texts["resnext"][line - 1])
    assert [user for user, _ in taken["Block"].used_by] == ["ResNeXtBlock"]
    assert [user for user, _ in taken["ResNet"].used_by] == ["build"]


def test_a_definition_stands_beside_the_one_that_is_most_like_it(library: Library) -> None:
    (block, *others) = difference.changes(library["resnet-v2"], [library["resnet"]])["resnet"].counterparts
    assert (block.name, block.other) == ("PreActBasic", "BasicBlock")
    assert "-            *conv_bn(inputs, outputs, 3, stride=stride, padding=1)," in block.diff.splitlines()
    assert "+            *bn_relu_conv(inputs, outputs, 3, stride=stride, padding=1)," in block.diff.splitlines()
    assert '"""' not in block.diff
    assert {(one.name, one.other) for one in others} >= {("PreActBottleneck", "Bottleneck")}


def test_a_definition_has_one_counterpart_among_all_ancestors(library: Library) -> None:
    found = difference.changes(library["senet"], [library["resnet"], library["resnext"]])
    pairs = [(one.name, other) for other, one_of in found.items() for one in one_of.counterparts]
    assert pairs == [("SENet154Block", "resnext")]


LONG = "def f(x):\n    '''Said.'''\n    a = x + 1\n    b = a * 2\n    return {}\n"


@pytest.mark.parametrize(
    ("ours", "theirs", "taken", "counterparts"),
    [
        ("from reproductions.resnet import f as g\nh = g(1)\n", LONG, [("f", 1, (("h", 2),))], 0),
        ("from reproductions import resnet\ndef h(x):\n    return resnet.f(x)\n", LONG, [("f", 1, (("h", 2),))], 0),
        ("from reproductions.resnet import f\n", "from torch import f\n", [("f", None, ())], 0),
        (f"from reproductions.resnet import k\n{LONG.format('b - 1')}", LONG.format("b + 1"), [("k", None, ())], 1),
        (f"from reproductions.resnet import k\n{LONG}", LONG.replace("Said", "Told"), [("k", None, ())], 0),
        (LONG.format("b - 1"), LONG.format("b + 1"), None, 0),
        ("from reproductions.resnet import f\ndef h(:\n", LONG, None, 0),
        ("from reproductions.resnet import f\n", "def f(:\n", [("f", None, ())], 0),
    ],
)
def test_every_way_to_take_a_name(
    ours: str,
    theirs: str,
    taken: list[tuple[str, int | None, tuple[tuple[str, int], ...]]] | None,
    counterparts: int,
    library: Library,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(difference, "_source_of", lambda paper: ours if paper.id == "resnext" else theirs)
    found = difference.changes(library["resnext"], [library["resnet"]])
    if taken is None:
        assert found == {}
    else:
        assert [(one.name, one.line, one.used_by) for one in found["resnet"].taken] == taken
        assert len(found["resnet"].counterparts) == counterparts
