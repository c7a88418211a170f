"""The errors that people make with Inception-v4 and Inception-ResNet, each made on purpose: a claim must turn red."""

from __future__ import annotations

import pytest
import torch

from catalog import Library
from catalog.records import Status
from catalog.verify.runner import verify
from reproductions import build, variants
from reproductions.inception_v4 import InceptionResNetBlock, towers_b
from tests.reproductions.broken import CHEAP, red_claims

EXPANSION = "expansion = nn.Conv2d(width(towers), channels, 1)"
SUM = "self.relu(self.shortcut(x) + self.scale * self.layers(x))"
NORMALISED = "nn.Sequential(nn.Conv2d(width(towers), channels, 1, bias=False), nn.BatchNorm2d(channels, 1e-3))"

# An error, what is changed into what, and one claim that must notice. No peer is needed.
# fmt: off
ERRORS = {
    # As printed by mistake, or by other implementations
    "normalised expansion": (EXPANSION, f"expansion = {NORMALISED}", "parameters-inception-resnet-v1"),
    "expansion without bias": (EXPANSION, f"{EXPANSION[:-1]}, bias=False)", "linear-expansion"),
    "expansion with a ReLU": (
        EXPANSION, "expansion = nn.Sequential(nn.Conv2d(width(towers), channels, 1), nn.ReLU())", "residual-blocks"),
    "Reduction-B of v1 in v2, which gives the printed 2048": (
        "residual_reduction_b(1152, 288, 288, 320)", "residual_reduction_b(1152, 256, 256, 256)", "feature-maps"),
    "blocks of the released v2": ("stack(10, lambda: InceptionResNetBlock(1152", (
        "stack(20, lambda: InceptionResNetBlock(1152"), "modules"),
    "stem of the released v2": (
        "        stem(),\n", "        nn.Sequential(*inception_v3.stem(), tower(192, (384, 1))),\n",
        "parameters-inception-resnet-v2"),
    "stem of v1 with a pool": (
        "*inception_v3.stem()[:-1], conv(192, 256, 3, stride=2)", "*inception_v3.stem(), conv(192, 256, 1)",
        "parameters-inception-resnet-v1"),
    "averages that count zeros": (", count_include_pad=False", "", "pools"),
    "pool last, as released": (
        "if pool_last else Concatenation(pool, *towers)", "if True else Concatenation(pool, *towers)", "kernels"),
    "kernels in the released order": (
        "first, second = ((7, 1), (1, 7)) if released_order else ((1, 7), (7, 1))",
        "first, second = ((7, 1), (1, 7)) if True else ((1, 7), (7, 1))", "kernels"),
    "dropout of a half": ("nn.Dropout(0.2)", "nn.Dropout(0.5)", "dropout"),
    "dropout that keeps 0.2": ("nn.Dropout(0.2)", "nn.Dropout(0.8)", "dropout"),
    # Inception-v4
    "stem without the second branch's 1x7 and 7x1": (
        "*tower(160, (64, 1), (64, first), (64, second)), conv", "*tower(160, (64, 1)), conv", "stem"),
    "padded stem": ("(64, second)), conv(64, 96, 3)", "(64, second)), conv(64, 96, 3, padding=1)", "stem"),
    "average in the stem": ("nn.MaxPool2d(3, stride=2), conv(64", "nn.AvgPool2d(3, stride=2), conv(64", "pools"),
    "1x7 and 7x1 exchanged": ("(224, (1, 7)), (256, (7, 1))", "(224, (7, 1)), (256, (1, 7))", "kernels"),
    "ends of C one after the other": (
        "split = Concatenation(tower(512, (256, second)), tower(512, (256, first)))",
        "split = tower(512, (256, second), (512, first))", "parameters-inception-v4"),
    "a module less": ("stack(7, lambda: inception_b", "stack(6, lambda: inception_b", "modules"),
    "l and k of Reduction-A exchanged": ("384, 192, 224, 256, 384", "384, 224, 192, 256, 384", "reduction-a"),
    "average in Reduction-B": (
        '"""17x17 to 8x8 (Figure 8)."""\n    return concatenation(\n        nn.MaxPool2d',
        '"""17x17 to 8x8 (Figure 8)."""\n    return concatenation(\n        nn.AvgPool2d', "pools"),
    "maximum for the last average": ("nn.AdaptiveAvgPool2d(1)", "nn.AdaptiveMaxPool2d(1)", "pools"),
    # Residual blocks
    "no scale": (SUM, "self.relu(self.shortcut(x) + self.layers(x))", "scaled-to-nothing"),
    "scaled sum": (SUM, "self.relu(self.scale * (self.shortcut(x) + self.layers(x)))", "residual-blocks"),
    "no shortcut": (SUM, "self.relu(self.scale * self.layers(x))", "scaled-to-nothing"),
    "ReLU before the sum": (
        SUM, "self.shortcut(x) + self.scale * self.relu(self.layers(x))", "residual-blocks"),
    "no ReLU behind the sum": (SUM, "self.shortcut(x) + self.scale * self.layers(x)", "residual-blocks"),
    "another scale": ("0.17, 0.10, 0.20", "0.17, 0.10, 0.30", "residual-blocks"),
    "tower as in v2": ("towers_a(256, 32, 32)", "towers_a(256, 48, 64)", "parameters-inception-resnet-v1"),
    "7x1 before 1x7": (
        "(first, (1, 7)), (second, (7, 1))", "(first, (7, 1)), (second, (1, 7))", "kernels"),
    "square kernels in C": ("(first, (1, 3)), (second, (3, 1))", "(first, 1), (second, 3)", "kernels"),
    "k of v2 in v1": ("reduction_a(256, 192, 192, 256, 384)", "reduction_a(256, 256, 192, 256, 384)", "reduction-a"),
    "ReLU behind the last released block": ("    last.relu = nn.Identity()\n", "", "released-modules"),
}
# fmt: on


@pytest.mark.parametrize(("old", "new", "claim"), ERRORS.values(), ids=ERRORS)
def test_an_error_turns_a_claim_red(old: str, new: str, claim: str) -> None:
    assert red_claims("inception_v4", old, new, claims=[claim]) == {claim}


def test_without_an_error_nothing_is_red_and_two_statements_deviate() -> None:
    report = verify(Library.load()["inception-v4"], tiers=CHEAP)
    assert not [(claim.id, claim.reason) for claim in report.claims if claim.status is Status.FAILED]
    deviating = {claim.id for claim in report.claims if claim.status is Status.DEVIATES}
    assert deviating == {"expansions-as-printed", "cost-of-inception-resnet-v2"}


@pytest.mark.parametrize("variant", variants("inception-v4"))
def test_every_variant_gives_one_score_a_class(variant: str) -> None:
    with torch.device("meta"):
        assert build("inception-v4", variant, classes=7).eval()(torch.empty(2, 3, 299, 299)).shape == (2, 7)


def test_only_inception_v4_has_another_order() -> None:
    with torch.device("meta"):
        assert build("inception-v4", "inception-v4", released_order=True)
        with pytest.raises(TypeError, match="released_order"):
            build("inception-v4", "inception-resnet-v1", released_order=True)


def test_a_block_expands_whatever_its_towers_give() -> None:
    block = InceptionResNetBlock(24, towers_b(24, 5, 6, 7), scale=0.1)
    assert block.layers[1].in_channels == 12
    assert block(torch.zeros(2, 24, 4, 9)).shape == (2, 24, 4, 9)
