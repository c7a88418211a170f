"""The errors that people make with ESPNet, each made on purpose: a claim must turn red."""

from __future__ import annotations

import pytest
import torch

from catalog.records import Tier
from reproductions import build, variants
from reproductions.espnet_v1 import ESP
from tests.reproductions.broken import red_claims

WIDTHS = "[outputs - (branches - 1) * width] + (branches - 1) * [width]"
BRANCH = "padding=2**k, dilation=2**k"
SHORTCUT = "self.activate(x + y if self.residual else y)"

# An error, what is changed into what, and one claim that must notice.
# fmt: off
ERRORS = {
    # The module
    "left-over channels go to the largest rate": (
        WIDTHS, "(branches - 1) * [width] + [outputs - (branches - 1) * width]", "leftover-channels"),
    "left-over channels are dropped": (WIDTHS, "branches * [width]", "leftover-channels"),
    "rates 1, 2, 3": (BRANCH, "padding=k + 1, dilation=k + 1", "receptive-field"),
    "no rates": (BRANCH, "padding=1", "receptive-field"),
    "reduction as wide as the output": ("width = outputs // branches\n", "width = outputs\n", "cost-of-the-module"),
    "biases": ("dilation=2**k, bias=False", "dilation=2**k", "parameters-espnet-c"),
    "sums from the first branch on": (
        "first, *others = (branch(x) for branch in self.pyramid)\n",
        "first, *others = hierarchical_fusion([branch(x) for branch in self.pyramid])\n        self.fusion = False\n",
        "gridding"),
    "no fusion": ("if self.fusion else", "if not self.fusion else", "gridding"),
    "all branches added to all": ("list(accumulate(maps))", "len(maps) * [sum(maps)]", "gridding"),
    "shortcut behind the activation": (SHORTCUT, "self.activate(y) + (x if self.residual else 0)",
        "definition-of-the-module"),
    "no shortcut": (SHORTCUT, "self.activate(y)", "definition-of-the-module"),
    "shortcut where the map halves": (
        "inputs == outputs and not down", "inputs == outputs", "definition-of-the-module"),
    "pooled before a pointwise reduction": (
        "nn.Conv2d(inputs, width, 3, stride=2, padding=1, bias=False)",
        "nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(inputs, width, 1, bias=False))", "parameters-espnet-c"),
    "usual epsilon": ("EPS = 1e-3", "EPS = 1e-5", "definition-of-the-module"),
    "one slope for all channels": ("nn.PReLU(channels))", "nn.PReLU())", "parameters-espnet-c"),
    "ReLU": ("nn.PReLU(channels))", "nn.ReLU())", "parameters-espnet-c"),
    # The networks
    "other depths": ('"espnet-c": (ESPNetC, 2, 8)', '"espnet-c": (ESPNetC, 5, 3)', "parameters-espnet-c"),
    "depths in the other order": ('"espnet": (ESPNet, 2, 8)', '"espnet": (ESPNet, 8, 2)', "parameters-espnet"),
    "nineteen outputs": ("classes: int = 20", "classes: int = 19", "output-of-espnet-c"),
    "image of another size": ("quarter = self.halve(half)", "quarter = self.halve(image)", "output-of-espnet-c"),
    "level before what leads to it": (
        "[down, self.level_3(down)]", "[self.level_3(down), down]", "definition-of-the-networks"),
    "what leads to a level twice": (
        "[self.level_2(down), down, quarter]", "[down, down, quarter]", "definition-of-the-networks"),
    "first layer joined without the image, as in the copy for testing": (
        "torch.cat([y, first], 1)", "torch.cat([y, 0 * first], 1)", "definition-of-the-networks"),
    "sixteen channels joined": ("classes + 16 + 3, classes", "classes + 16, classes", "output-of-espnet"),
    "activation behind the score": (
        "nn.Sequential(nn.BatchNorm2d(classes, EPS), double(classes))",
        "nn.Sequential(norm_prelu(classes), double(classes))", "parameters-espnet"),
    "normalised scores": (
        "self.up_1 = double(classes)", "self.up_1 = nn.Sequential(double(classes), norm_prelu(classes))",
        "decoder-parameters"),
    "bilinear upsampling": (
        "nn.ConvTranspose2d(channels, channels, 2, stride=2, bias=False)", "nn.Upsample(scale_factor=2)",
        "decoder-parameters"),
    "formula without the kernel": (
        "(kernel * outputs) ** 2) // branches", "kernel * outputs**2) // branches", "cost-of-the-module"),
    "field of one branch more": ("2 ** (branches - 1) + 1", "2**branches + 1", "receptive-field"),
}

SUBTLE_ERRORS = {
    "padding counted as pixels": ("AvgPool2d(3, stride=2, padding=1)",
        "AvgPool2d(3, stride=2, padding=1, count_include_pad=False)"),
    "maximum for mean": ("nn.AvgPool2d(", "nn.MaxPool2d("),
    "wider kernels": (BRANCH, "padding=2**k // 2 + 1, dilation=2**k // 2 + 1"),
}
# fmt: on


@pytest.mark.parametrize(("old", "new", "claim"), ERRORS.values(), ids=ERRORS)
def test_an_error_turns_a_claim_red(old: str, new: str, claim: str) -> None:
    assert red_claims("espnet_v1", old, new, claims=[claim]) == {claim}


@pytest.mark.parametrize(("old", "new"), SUBTLE_ERRORS.values(), ids=SUBTLE_ERRORS)
def test_a_subtle_error_parts_from_the_peer(old: str, new: str) -> None:
    assert red_claims("espnet_v1", old, new, tiers=[Tier.PARITY]) == {"parity-pytorchcv"}


@pytest.mark.parametrize("variant", variants("espnet-v1"))
def test_every_variant_gives_a_map_a_class(variant: str) -> None:
    side = 8 if variant.startswith("espnet-c") else 64
    with torch.device("meta"):
        assert build("espnet-v1", variant, classes=7)(torch.empty(2, 3, 64, 64)).shape == (2, 7, side, side)


def test_the_encoder_takes_images_of_any_size() -> None:
    network = build("espnet-v1", "espnet-c-p2q3").eval()
    assert network(torch.zeros(1, 3, 33, 50)).shape == (1, 20, 5, 7)


@pytest.mark.parametrize("branches", [1, 2, 4])
def test_the_module_takes_any_number_of_branches(branches: int) -> None:
    assert ESP(6, 9, branches)(torch.zeros(2, 6, 5, 5)).shape == (2, 9, 5, 5)
