"""Models of other people: right ones in other styles, wrong ones, and some that cannot be built at all.

They are files as a user would write them. Most are the network of 20 layers of ResNet's Section 4.2, with other names,
functions in the place of modules and another order of registration.
"""

from __future__ import annotations

import json
import re
import sys
import textwrap
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn
from typer.testing import CliRunner, Result

from catalog import cli
from catalog.errors import CatalogError
from catalog.verify.alignment import align
from catalog.verify.model import Explanation, Report, hold
from catalog.verify.trace import trace

if TYPE_CHECKING:
    from pathlib import Path

    from catalog import Library
    from catalog.verify.comparison import Comparison, Finding

THEIRS = """
    import torch
    from torch import nn
    from torch.nn import functional as F

    act, bias, eps, groups, strides, blocks, classes, padding = F.relu, True, 1e-5, 1, (1, 2, 2), 3, 10, 1
    # SETTINGS

    class Unit(nn.Module):
        def __init__(self, i, o, s):
            super().__init__()
            self.second = nn.Conv2d(o, o, 3, padding=1, bias=False)
            self.norms = nn.ModuleList([nn.BatchNorm2d(o, eps), nn.BatchNorm2d(o, eps)])
            self.first = nn.Conv2d(i, o, 3, s, padding=1, groups=groups, bias=False)
            self.step, self.more = s, o - i

        def forward(self, x):
            skip = F.pad(x[:, :, ::self.step, ::self.step], (0, 0, 0, 0, 0, self.more)) if self.more else x
            y = act(self.norms[0](self.first(x)))
            y = self.norms[1](self.second(y))
            y += skip
            return torch.relu_(y)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.out = nn.Linear(64, classes, bias=bias)
            units, i = [], 16
            for o, s in zip((16, 32, 64), strides):
                for k in range(blocks):
                    units.append(Unit(i, o, s if k == 0 else 1))
                    i = o
            self.units = nn.ModuleList(units)
            self.stem, self.norm = nn.Conv2d(3, 16, 3, padding=padding, bias=False), nn.BatchNorm2d(16, eps)

        def forward(self, x):
            x = F.relu(self.norm(self.stem(x)))
            for unit in self.units:
                x = unit(x)
            return self.out(x.mean((2, 3)))
"""


Held = Callable[..., Report]


@pytest.fixture
def held(library: Library, tmp_path: Path) -> Held:
    """Holds a file of theirs, in which some of the text is changed, against a variant of ResNet."""

    def run(*changes: tuple[str, str], settings: str = "", **more: Any) -> Report:
        (tmp_path / "theirs.py").write_text(changed(*changes, settings=settings))
        return hold(library["resnet"], variant="cifar-resnet20", model=f"{tmp_path}/theirs.py:Net", **more)

    return run


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    return tmp_path


def changed(*changes: tuple[str, str], settings: str = "") -> str:
    text = textwrap.dedent(THEIRS).replace("# SETTINGS", settings)
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def line_of(text: str, *changes: tuple[str, str], settings: str = "") -> str:
    """File and line where something stands in their file."""
    [number] = [n for n, line in enumerate(changed(*changes, settings=settings).splitlines(), start=1) if text in line]
    return f"theirs.py:{number}"


def differences(report: Report) -> list[tuple[str, int, int, int]]:
    """What differs, in how many places, and the cost in parameters and multiply-accumulates."""
    comparison = compared(report)
    found = comparison.differences
    rest = comparison.elsewhere_parameters, comparison.elsewhere_macs
    ours, theirs = report.totals["ours"], report.totals["theirs"]
    # Whatever is found, the costs of all of it are the difference between the two networks.
    assert sum(finding.parameters for finding in found) + rest[0] == theirs["parameters"] - ours["parameters"]
    assert sum(finding.macs for finding in found) + rest[1] == theirs["macs"] - ours["macs"]
    assert comparison.same == (not found)
    return [(finding.what, finding.count, finding.parameters, finding.macs) for finding in found]


def compared(report: Report) -> Comparison:
    assert report.comparison is not None
    return report.comparison


def first(report: Report) -> Finding:
    """Where the two part."""
    comparison = compared(report)
    assert not comparison.same
    assert report.failed
    assert comparison.first is not None
    assert comparison.first is comparison.differences[0]
    return comparison.first


# --- The same ---------------------------------------------------------------------------------------------------------


def test_a_right_model_in_another_style_is_the_same_function(held: Held) -> None:
    report = held()
    assert not report.failed
    assert differences(report) == []
    comparison = compared(report)
    assert comparison.outputs is not None
    assert 0 <= comparison.outputs < 1e-12
    assert comparison.gradients is not None
    assert 0 <= comparison.gradients < 1e-10
    assert (comparison.input, comparison.first, comparison.remark) == ([3, 32, 32], None, "")
    claims = {claim.id: (claim.status, claim.ours, claim.theirs, claim.difference) for claim in report.claims}
    assert claims == {
        "parameters-cifar-resnet20": ("verified", 269722, 269722, 0),
        "macs-cifar-resnet20": ("verified", 40551040, 40551040, 0),
    }


SAME = {
    "a pad, another ReLU, other pools": [
        ("padding=padding", "padding=0"),
        ("F.relu(self.norm(self.stem(x)))", "self.norm(self.stem(F.pad(x, (1, 1, 1, 1))))"),
        ("for unit in", "x = torch.where(x > 0, x, 0)\n        for unit in"),
        ("x.mean((2, 3))", "torch.flatten(F.adaptive_avg_pool2d(x, 1), 1)"),
    ],
    "a convolution, another sum": [
        ("nn.Linear(64, classes, bias=bias)", "nn.Conv2d(64, classes, 1)"),
        ("self.out(x.mean((2, 3)))", "self.out(F.avg_pool2d(x, 8)).flatten(1)"),
        ("y += skip", "y = torch.add(skip, y)"),
        ("torch.relu_(y)", "y.clamp(min=0)"),
    ],
}


@pytest.mark.parametrize("changes", SAME.values(), ids=SAME)
def test_two_ways_of_writing_the_same(held: Held, changes: list[tuple[str, str]]) -> None:
    report = held(*changes)
    assert differences(report) == []
    assert not report.failed


def test_models_that_need_numbers_to_run(held: Held) -> None:
    # A tensor that is no buffer stays where it is, and a branch on a value is one that only numbers decide.
    numbers = [
        ("self.out = nn", "self.zero = torch.zeros(1); self.out = nn"),
        ("for unit in", "if x.mean() > -1e9: x = x + self.zero\n        for unit in"),
    ]
    report = held(*numbers)
    assert differences(report) == []
    assert report.totals["theirs"] == {"parameters": 269722, "macs": 40551040}
    assert [claim.difference for claim in report.claims] == [0, 0]


def test_models_that_take_their_shapes_from_the_input(held: Held) -> None:
    report = held(("nn.Linear(64, classes, bias=bias)", "nn.LazyLinear(classes)"))
    assert differences(report) == []


def test_what_only_training_shows_is_said_and_no_failure(held: Held) -> None:
    changes = [
        ("self.out(x.mean((2, 3)))", "self.out(F.dropout(x.mean((2, 3)), 0.4, self.training))"),
        ("nn.BatchNorm2d(16, eps)", "nn.BatchNorm2d(16, eps, momentum=0.01)"),
    ]
    comparison = compared(held(*changes))
    assert comparison.same
    assert comparison.gradients is not None
    assert comparison.gradients < 1e-10  # dropout is switched off
    assert [(finding.what, finding.theirs) for finding in comparison.in_training] == [
        ("momentum 0.01 where cifar-resnet20 has 0.1", ["norm"]),
        ("Dropout that cifar-resnet20 does not have", ["dropout()"]),
    ]


def test_a_model_that_is_random_in_training_can_still_be_held(held: Held) -> None:
    changes = ("return self.out(", "x = x * (torch.rand(()) < 0.9) if self.training else x; return self.out(")
    comparison = compared(held(changes))
    assert comparison.same
    assert comparison.gradients is None
    assert "Net is random in training mode" in comparison.remark


# --- Wrong models -----------------------------------------------------------------------------------------------------

NAME = "cifar-resnet20"


def test_a_dropped_downsampling(held: Held) -> None:
    report = held(settings="strides = 1, 2, 1")
    part = first(report)
    assert (part.theirs[0], part.ours[0]) == ("units.6.first", "stages.2.0.layers.0")
    assert part.lines[0].endswith(line_of("self.norms[0](self.first(x))"))
    # The convolution itself, 3x3 from 32 to 64 channels, has four times as many outputs; five others work on such maps.
    assert differences(report) == [
        ("stride 1 where cifar-resnet20 has 2", 1, 0, 3 * 9 * 32 * 64 * 8 * 8),
        ("slice [:, :, ::1, ::1] where cifar-resnet20 has [:, :, ::2, ::2]", 1, 0, 0),
    ]
    assert compared(report).elsewhere_macs == 5 * 3 * 9 * 64 * 64 * 8 * 8
    claims = {claim.id: (claim.status, claim.difference) for claim in report.claims}
    assert claims == {
        "parameters-cifar-resnet20": ("verified", 0),
        "macs-cifar-resnet20": ("failed", 3 * 9 * 8 * 8 * (32 * 64 + 5 * 64 * 64)),
    }


def test_a_stride_in_the_wrong_layer(held: Held) -> None:
    changes = [("nn.Conv2d(i, o, 3, s,", "nn.Conv2d(i, o, 3,"), ("nn.Conv2d(o, o, 3,", "nn.Conv2d(o, o, 3, s,")]
    report = held(*changes)
    part = first(report)
    assert (part.theirs, part.ours) == (
        ["units.3.first", "units.6.first"],
        ["stages.1.0.layers.0", "stages.2.0.layers.0"],
    )
    assert differences(report) == [
        ("stride 1 where cifar-resnet20 has 2", 2, 0, 2 * 3 * 9 * 16 * 32 * 16 * 16),
        ("stride 2 where cifar-resnet20 has 1", 2, 0, 0),
    ]


def test_missing_biases(held: Held) -> None:
    report = held(settings="bias = False")
    part = first(report)
    assert (part.theirs, part.ours, part.lines[0][-12:]) == (["out"], ["head.2"], line_of("return self.out(")[-12:])
    assert differences(report) == [("no bias where cifar-resnet20 has one", 1, -10, 0)]
    assert {claim.id: claim.status for claim in report.claims}["parameters-cifar-resnet20"] == "failed"


def test_biases_too_many(held: Held) -> None:
    report = held(("padding=padding, bias=False", "padding=padding"))
    assert first(report).theirs == ["stem"]
    assert differences(report) == [("a bias where cifar-resnet20 has none", 1, 16, 0)]


@pytest.mark.parametrize("kind", ["GELU", "ReLU6"])
def test_a_swapped_activation_that_is_no_module(held: Held, kind: str) -> None:
    report = held(settings=f"act = F.{kind.lower()}")
    part = first(report)
    assert part.theirs[0] == f"{kind.lower()}() in units.0"
    assert part.ours[0] == "stages.0.0.layers.2"
    assert part.lines[0].endswith(line_of("y = act(", settings=f"act = F.{kind.lower()}"))
    assert differences(report) == [(f"{kind} where cifar-resnet20 has ReLU", 9, 0, 0)]
    assert all(claim.status == "verified" for claim in report.claims)  # which only the comparison notices
    assert report.failed


WRONG: dict[str, tuple[list[tuple[str, str]], str, tuple[str, str], list[tuple[str, int, int, int]]]] = {
    # what is changed; their layer, ours; differences
    "epsilon": (
        [("nn.BatchNorm2d(16, eps)", "nn.BatchNorm2d(16, 1e-3)")],
        "norm",
        "stem.1",
        [("eps 0.001 where cifar-resnet20 has 1e-05", 1, 0, 0)],
    ),
    "no normalisation": (
        [("self.norms[0](self.first(x))", "self.first(x)")],
        "units.0.first",
        "stages.0.0.layers.1",
        [
            ("no BatchNorm2d", 9, -2 * 3 * (16 + 32 + 64), 0),
            ("672 parameters that evaluation does not use, where cifar-resnet20 has 0", 1, 672, 0),
        ],
    ),
    "another normalisation": (
        [("[nn.BatchNorm2d(o, eps), ", "[nn.GroupNorm(4, o), ")],
        "units.0.norms.0",
        "stages.0.0.layers.1",
        [("GroupNorm where cifar-resnet20 has BatchNorm2d", 9, 0, 0)],
    ),
    "groups": (
        [("padding=1, groups=groups", "padding=1, groups=16")],
        "units.0.first",
        "stages.0.0.layers.0",
        [("16 groups where cifar-resnet20 has 1", 9, -114480, -17694720)],
    ),
    "a kernel": (
        [("nn.Conv2d(o, o, 3, padding=1", "nn.Conv2d(o, o, 1")],
        "units.0.second",
        "stages.0.0.layers.3",
        [
            ("kernel 1x1 where cifar-resnet20 has 3x3; padding 0 where it has 1", 9, -129024, -18874368),
        ],
    ),
    "a scale": (
        [("y += skip", "y = 0.5 * y + skip")],
        "mul() in units.0",
        "",
        [("multiplication (0.5) that cifar-resnet20 does not have", 9, 0, 0)],
    ),
    "a softmax": (
        [("self.out(x.mean((2, 3)))", "self.out(x.mean((2, 3))).softmax(1)")],
        "softmax()",
        "",
        [("Softmax that cifar-resnet20 does not have", 1, 0, 0)],
    ),
    "the same normalisation twice": (
        [("self.norms[1](self.second(y))", "self.norms[1](self.norms[1](self.second(y)))")],
        "units.0.norms.1",
        "",
        [("BatchNorm2d that cifar-resnet20 does not have", 9, 0, 0)],
    ),
    "a shortcut from another place": (
        [
            ("skip if", "skip"),
            ("y = act(self.norms[0]", "z = y = act(self.norms[0]"),
            ("y += skip", "y += skip if self.more else z"),
        ][1:],
        "add() in units.0",
        "add() in stages.0.0",
        [("takes the output of another step than cifar-resnet20", 7, 0, 0)],
    ),
    "a width": (
        [("(16, 32, 64), strides", "(16, 32, 48), strides"), ("nn.Linear(64", "nn.Linear(48")],
        "units.6.first",
        "stages.2.0.layers.0",
        [
            ("48 outputs where cifar-resnet20 has 64", 6, -85248, -5455872),
            ("pad (0, 0, 0, 0, 0, 16) where cifar-resnet20 has (0, 0, 0, 0, 0, 32)", 1, 0, 0),
        ],
    ),
    "what is computed for nothing": (
        [
            ("return self.out(", "self.aux(x); return self.out("),
            ("self.out = nn", "self.aux = nn.Conv2d(64, 3, 1); self.out = nn"),
        ],
        "aux",
        "",
        [("steps whose results are not used", 1, 195, 12288)],
    ),
}


@pytest.mark.parametrize(("changes", "theirs", "ours", "found"), WRONG.values(), ids=WRONG)
def test_wrong_models(
    held: Held, changes: list[tuple[str, str]], theirs: str, ours: str, found: list[tuple[str, int, int, int]]
) -> None:
    report = held(*changes)
    part = compared(report).first
    assert differences(report) == found
    if part is None:  # only in what does not reach the output
        part = compared(report).differences[0]
    assert (part.theirs + part.after)[0] == theirs
    assert "".join(part.ours[:1]) == ours
    assert report.failed


def test_a_dropped_block_does_not_make_all_others_different(held: Held) -> None:
    report = held(settings="blocks = 2")
    part = first(report)
    assert (part.theirs, part.after, part.ours) == (
        [],
        ["relu() in units.1", "relu() in units.3", "relu() in units.5"],
        ["stages.0.2", "stages.1.2", "stages.2.2"],
    )
    what = "without 7 steps (2 Conv2d, 2 BatchNorm2d, 2 ReLU, 1 addition) of cifar-resnet20"
    parameters = sum(2 * (9 * width * width + 2 * width) for width in (16, 32, 64))
    assert differences(report) == [(what, 3, -parameters, -3 * 2 * 9 * 16 * 16 * 32 * 32)]


def test_where_the_shortcut_comes_from_is_said_with_lines(held: Held) -> None:
    report = held(
        ("y = act(self.norms[0]", "z = y = act(self.norms[0]"), ("y += skip", "y += skip if self.more else z")
    )
    assert re.fullmatch(
        r"relu\(\) in units\.0 \(.*theirs\.py:19\) instead of relu\(\) \(.*theirs\.py:37\)", first(report).detail
    )


def test_branches_in_another_order() -> None:
    def network(*order: int) -> nn.Module:
        class Branches(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                long = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1))
                self.branches = nn.ModuleList([nn.Conv2d(3, 2, 1), long])

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return torch.cat([self.branches[number](x) for number in order], 1).mean((2, 3))

        return Branches().eval()

    image = torch.zeros(1, 3, 8, 8)
    runs = [trace(network(*order), image) for order in ((0, 1), (1, 0))]
    assert align(runs[0], runs[0], "ours").differences == []
    [difference] = align(*runs, "ours").differences
    assert (difference.what, difference.kind) == ("another order of what ours takes too", "concatenation")


def test_what_is_only_written_otherwise_is_not_among_the_differences(held: Held) -> None:
    # The second ReLU of another making comes after the networks have parted, where numbers say nothing any more.
    changes = [
        ("self.out(x.mean", "self.out(torch.where(x > 0, x, 0).mean"),
        ("for unit in", "x = torch.where(x > 0, x, 0)\n        for unit in"),
    ]
    report = held(*changes, settings="act = F.gelu")
    assert differences(report) == [("GELU where cifar-resnet20 has ReLU", 9, 0, 0)]


def test_parameters_that_nothing_uses(held: Held) -> None:
    report = held(("self.out = nn", "self.aux = nn.Linear(5, 7); self.out = nn"))
    assert compared(report).same_outputs
    assert differences(report) == [("42 parameters that evaluation does not use, where cifar-resnet20 has 0", 1, 42, 0)]
    assert compared(report).differences[0].theirs == ["aux"]


def test_gradients_are_compared_too(held: Held) -> None:
    report = held(("y += skip", "y += skip.detach()"))
    comparison = compared(report)
    assert comparison.same_outputs
    assert not comparison.same
    assert comparison.gradients is not None
    assert comparison.gradients > 1
    assert comparison.remark == "the outputs are the same, and the gradients in training mode are not"


def test_other_outputs(held: Held) -> None:
    comparison = compared(held(("return self.out(x.mean((2, 3)))", "return self.out(x.mean((2, 3))), x")))
    assert not comparison.same
    assert comparison.remark == "ours gives outputs of [10], theirs of [10] and [64, 8, 8]"


def test_another_number_of_classes_is_said_and_can_be_asked_for(held: Held) -> None:
    report = held(settings="classes = 100")
    assert differences(report) == [("100 outputs where cifar-resnet20 has 10", 1, 5850, 5760)]
    assert report.alike == {"classes": 100}
    report = held(settings="classes = 100", options=["classes=100"])
    assert not report.failed
    assert report.claims == []  # the paper says nothing of such a network


def test_a_model_of_another_size_is_recognised(held: Held) -> None:
    report = held(settings="blocks = 5")
    assert report.hints == ["cifar-resnet32"]


# --- Figures ----------------------------------------------------------------------------------------------------------


def explained(library: Library, *claimed: str, variant: str = "resnet50", **more: Any) -> list[Explanation]:
    return hold(library["resnet"], variant=variant, claimed=claimed, **more).explanations


def test_figures_are_explained_by_ways_of_counting(library: Library) -> None:
    figures = ["params=25.6M", "parameters=25.61M", "parameters=23.5M", "parameters=25,502,912", "macs=3.86 GMACs"]
    figures += ["macs=7.7G", "flops=3.86G", "macs=3,879,247,872", "macs=3.90G", "macs=3.889G"]
    found = [[(count.quantity, count.convention) for count in why.found[:1]] for why in explained(library, *figures)]
    assert [counts[0] for counts in found] == [
        ("parameters", "trainable"),
        ("parameters", "with-buffers"),
        ("parameters", "without-classifier"),
        ("parameters", "weights"),
        ("macs", "convolutions-and-linear"),
        ("flops", "convolutions-and-linear"),
        ("macs", "convolutions-and-linear"),
        ("macs", "fvcore"),
        ("macs", "thop"),
        ("macs", "ptflops"),
    ]


def test_what_no_way_of_counting_explains(library: Library) -> None:
    other_option, other_variant, other_size, printed, nothing = explained(
        library, "macs=4.09G", "parameters=44.5M", "macs=5.04G", "macs=3.8G", "macs=123.4G"
    )
    assert all(not why.found for why in (other_option, other_variant, other_size, printed, nothing))
    assert other_option.elsewhere == ["resnet50 with stride_in_1x1=False (4,089,184,256 macs, convolutions-and-linear)"]
    assert other_variant.elsewhere == ["resnet101 (44,549,160, claim parameters-resnet101)"]
    assert other_size.elsewhere == ["an input of 3x256x256 (5,038,358,528 macs, convolutions-and-linear)"]
    assert (printed.printed_by, printed.elsewhere) == (["macs-resnet50"], [])
    assert "How the paper came to 3.8 is not known" in printed.remark
    assert nothing.elsewhere == []
    assert nothing.usual.value == 3857973248


def test_a_printed_figure_that_their_model_does_not_make_is_explained(held: Held) -> None:
    [why] = held(settings="bias = True; groups = 16").explanations
    assert (why.claim, why.figure, why.found, why.in_ours[0].convention) == (
        "parameters-cifar-resnet20",
        "0.27M",
        [],
        "trainable",
    )
    assert held().explanations == []


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"claimed": ["parameters"]}, "'parameters' claims nothing: write the quantity and its figure"),
        ({"claimed": ["layers=50"]}, "no quantity is called 'layers'"),
        ({"claimed": ["macs=many"]}, "cannot read a figure in 'many'"),
        ({"claimed": ["macs=4G"], "size": "3,x"}, "'3,x' is no size of an input"),
        (
            {"claimed": ["macs=4G"], "size": "1,28,28"},
            "resnet50's forward pass with an input of 1x28x28 failed: RuntimeError",
        ),
        ({"claimed": ["macs=4G"], "options": ["stride"]}, "'stride' is no option"),
        ({"claimed": ["macs=4G"], "options": ["strides=2"]}, "resnet50 cannot be built with strides=2: TypeError: "),
        (
            {"claimed": ["macs=4G"], "variant": "resnet5"},
            "no variant of resnet is called 'resnet5'; did you mean 'resnet50'",
        ),
        (
            {"claimed": ["macs=4G"], "variant": None},
            "which network of resnet is meant? --variant says it, one of plain18",
        ),
        ({}, "give the model to hold against the paper (--model), or figures to explain (--claimed)"),
    ],
)
def test_what_cannot_be_asked(library: Library, arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(CatalogError) as caught:
        hold(library["resnet"], **({"variant": "resnet50"} | arguments))
    assert problem in str(caught.value)


# --- Models that cannot be held ---------------------------------------------------------------------------------------

BAD = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 10)

    def forward(self, x):
        return self.fc(x.flatten(1))

def needs(depth): return Net()
def raises():
    return Net() + 1
def text(): return "a network"
def leaves(): raise SystemExit("enough")
def scripted(): return torch.jit.script(nn.ReLU())
def silent():
    class Silent(nn.Module):
        def forward(self, x): return {"none": None}
    return Silent()
number = 3
built = Net()
"""


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("nothing.py:Net", "there is no file nothing.py"),
        ("bad.py", "'bad.py' names no model: MODULE:FACTORY or FILE.py:FACTORY is needed"),
        ("bad.py:Nett", "no function or class of bad.py is called 'Nett'; did you mean 'Net'?"),
        (
            "bad.py:needs",
            "bad.py:13: needs has to be called without arguments, and there is missing a required argument",
        ),
        ("bad.py:raises", "bad.py:15: raises() failed: TypeError: unsupported operand"),
        ("bad.py:text", "bad.py:16: text() gives 'a network', which is no torch.nn.Module"),
        ("bad.py:leaves", "bad.py:17: leaves() failed: SystemExit: enough"),
        ("bad.py:scripted", "bad.py:scripted is scripted or traced"),
        ("bad.py:silent", "the model gives nothing that torch's functions made of its input"),
        ("bad.py:number", "bad.py: number is of type int, neither a function nor a torch.nn.Module"),
        (
            "bad.py:Net",
            "bad.py:11: the forward pass with an input of 3x32x32 failed: RuntimeError: mat1 and mat2 shapes",
        ),
        ("bad.py:built", "bad.py:11: the forward pass with an input of 3x32x32 failed: RuntimeError"),
        ("syntax.py:f", "syntax.py:2: importing syntax.py failed: SyntaxError: "),
        ("absent.py:f", "absent.py:1: importing absent.py failed: ModuleNotFoundError: No module named 'a_b_c'"),
        ("absent:f", "absent.py:1: importing absent failed: ModuleNotFoundError: No module named 'a_b_c'"),
        ("no_such.models:f", "no module is called 'no_such', neither in this folder nor among what is installed"),
        ("syntaxes:f", "no module is called 'syntaxes'"),
        ("package/models:f", "did you mean package/models.py?"),
    ],
)
def test_bad_models_get_one_message_with_their_line(library: Library, here: Path, name: str, problem: str) -> None:
    (here / "bad.py").write_text(BAD)
    (here / "syntax.py").write_text("x = 1\ndef f(:\n")
    (here / "absent.py").write_text("import a_b_c\n")
    (here / "package").mkdir()
    (here / "package" / "models.py").write_text("")
    with pytest.raises(CatalogError) as caught:
        hold(library["resnet"], variant="cifar-resnet20", model=name)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def repro(*arguments: str, status: int, variant: str = "cifar-resnet20") -> Result:
    result = CliRunner(env={"COLUMNS": "100"}).invoke(
        cli.app, ["verify", "resnet", "--variant", variant, *arguments], prog_name="repro"
    )
    assert result.exit_code == status, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


# --- The command ------------------------------------------------------------------------------------------------------


def test_the_text_of_a_right_model(here: Path) -> None:
    (here / "my_models.py").write_text("print('building')\n" + changed())
    result = repro("--model", "my_models:Net", "--claimed", "params=270k", status=0)
    lines = result.stdout.splitlines()
    assert lines[0] == "my_models:Net against cifar-resnet20 of resnet, with an input of 3x32x32"
    assert "verified  parameters-cifar-resnet20       0.27M         269,722     269,722           0" in lines
    assert (
        "The same function. With the same weights, the outputs for an input of 3x32x32 differ not at" in result.stdout
    )
    assert "270k parameters: 269,722 parameters of your model, counted as trainable:" in result.stdout
    assert max(map(len, lines)) <= 100
    assert "building" in result.stderr


def test_the_text_of_a_wrong_model(here: Path) -> None:
    (here / "theirs.py").write_text(changed(settings="strides = 1, 2, 1"))
    text = " ".join(repro("--model", "theirs.py:Net", status=1).stdout.split())
    assert "failed macs-cifar-resnet20 40,551,040 40,551,040 79,479,424 +38,928,384" in text
    assert (
        "They part at units.6.first (theirs.py:19): stride 1 where cifar-resnet20 has 2. In cifar-resnet20 that is "
        "stages.2.0.layers.0." in text
    )
    assert "stride 1 where cifar-resnet20 has 2 0 +3,538,944 units.6.first" in text
    assert "other layers, which get larger, smaller 0 +35,389,440 or other maps" in text
    assert "together 0 +38,928,384" in text


def test_json(here: Path) -> None:
    (here / "theirs.py").write_text(changed(settings="bias = False"))
    report = json.loads(repro("--model", "theirs.py:Net", "--json", "--claimed", "macs=81M", status=1).stdout)
    assert report["failed"] is True
    assert report["totals"]["theirs"] == {"parameters": 269712, "macs": 40551040}
    assert report["comparison"]["first"]["what"] == "no bias where cifar-resnet20 has one"
    assert report["comparison"]["first"]["lines"] == ["theirs.py:40"]
    assert report["claims"][0]["status"] == "failed"
    assert report["explanations"][0]["found"][0] == {
        "quantity": "flops",
        "convention": "convolutions-and-linear",
        "value": 81102080,
    }


def test_bad_input_is_one_line_and_no_traceback(here: Path) -> None:
    (here / "bad.py").write_text(BAD)
    result = repro("--model", "bad.py:raises", status=2)
    assert not result.stdout
    assert result.stderr.startswith("repro: bad.py:15: raises() failed: TypeError: unsupported operand")
    assert result.stderr.count("\n") == 1
    nobody = CliRunner().invoke(cli.app, ["verify", "--claimed", "macs=4G"])
    assert nobody.exit_code == 2
    assert nobody.stderr == "repro: name the one paper that the model or the figure is held against\n"


@pytest.mark.skipif(find_spec("timm") is None, reason="needs timm")
def test_resnet_50_of_timm_is_the_one_with_the_stride_in_the_3x3_layers(here: Path) -> None:
    (here / "of_timm.py").write_text("def net():\n    import timm\n    return timm.create_model('resnet50')\n")
    report = json.loads(repro("--model", "of_timm:net", "--json", status=1, variant="resnet50").stdout)
    comparison = report["comparison"]
    assert [(found["what"], found["theirs"], found["macs"]) for found in comparison["differences"]] == [
        ("stride 1 where resnet50 has 2", [f"layer{n}.0.conv1" for n in (2, 3, 4)], 231211008),
        ("stride 2 where resnet50 has 1", [f"layer{n}.0.conv2" for n in (2, 3, 4)], 0),
    ]
    assert comparison["first"]["ours"][0] == "stages.1.0.layers.0"
    assert report["totals"]["theirs"]["macs"] == 4089184256
    assert report["alike"] == {"stride_in_1x1": False}
