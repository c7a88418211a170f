"""The errors that people make with Res2Net, each made on purpose: a claim must turn red."""

from __future__ import annotations

import pytest
import torch

from reproductions import build, variants
from reproductions.res2net import Hierarchy
from tests.reproductions.broken import red_claims

SPLIT = "convolved, rest = groups[: len(self.convolutions)], groups[len(self.convolutions) :]"
OUTPUT = "[*outputs, *map(self.rest, rest)]"

# An error, what is changed into what, and one claim that must notice.
# fmt: off
ERRORS = {
    # The hierarchy
    "every group convolved": ("range(max(scale - 1, 1))", "range(scale)", "parameters-res2net50-26w-4s"),
    "no convolution at scale 1": ("range(max(scale - 1, 1))", "range(scale - 1)", "scale-1-is-the-bottleneck"),
    "the first group left as it is": (
        SPLIT, "rest, convolved = groups[: -len(self.convolutions)], groups[-len(self.convolutions) :]", "equation-1"),
    "the copied group in front": (OUTPUT, "[*map(self.rest, rest), *outputs]", "equation-1"),
    "groups not connected": ("group + outputs[-1] if self.connected and outputs else group", "group",
                             "receptive-fields"),
    "the sum of all groups in front": ("group + outputs[-1]", "group + sum(outputs)", "equation-1"),
    "outputs for inputs": ("group + outputs[-1]", "outputs[-1]", "dependence"),
    "a group reads the input of the one before": (
        "        for group, convolution in zip(convolved,",
        "        convolved = [a + b for a, b in zip(convolved, [0 * groups[0], *convolved[:-1]], strict=True)]\n"
        "        for group, convolution in zip(convolved,", "equation-1"),
    "convolutions without ReLU": ("conv_bn_relu(width, width", "conv_bn(width, width", "equation-1"),
    "no cardinality": ("padding=1, groups=cardinality", "padding=1", "parameters-res2next50"),
    # The first block of a stage
    "groups connected there too": ("self.connected = not first", "self.connected = True", "first-block"),
    "the last group left as it is there too": (
        "nn.AvgPool2d(3, stride, padding=1) if first else nn.Identity()", "nn.MaxPool2d(1, stride)", "first-block"),
    "an average without the zeros around": (
        "nn.AvgPool2d(3, stride, padding=1)", "nn.AvgPool2d(3, stride, padding=1, count_include_pad=False)",
        "first-block"),
    "maximum for average": ("nn.AvgPool2d(", "nn.MaxPool2d(", "first-block"),
    "only where the map is halved": ("first = inputs != outputs or stride != 1", "first = stride != 1", "settings"),
    # The block
    "stride in the 1x1": (
        "inputs, scale * width, 1),\n            Hierarchy(width, scale, cardinality=cardinality, stride=stride,",
        "inputs, scale * width, 1, stride=stride),\n            Hierarchy(width, scale, cardinality=cardinality,",
        "settings"),
    "the first layer without ReLU": ("*conv_bn_relu(inputs,", "*conv_bn(inputs,", "blocks"),
    "a ReLU in front of the addition": ("*conv_bn(scale * width, outputs, 1)",
                                        "*conv_bn_relu(scale * width, outputs, 1)", "blocks"),
    "one width in all stages": ("width * outputs // 256 * card", "width * card", "parameters-res2net50-26w-4s"),
    "cardinality divides the width": ("// 256 * cardinality", "// 256", "parameters-res2next50"),
    # Networks
    "width and scale exchanged": ("((3, 4, 6, 3), 14, 8, 1)", "((3, 4, 6, 3), 8, 14, 1)",
                                  "parameters-res2net50-14w-8s"),
    "a block in the wrong stage": ("(3, 4, 23, 3)", "(3, 5, 22, 3)", "parameters-res2net101-26w-4s"),
}
# fmt: on


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_turns_a_claim_red(error: str) -> None:
    old, new, claim = ERRORS[error]
    assert red_claims("res2net", old, new, claims=[claim]) == {claim}


@pytest.mark.parametrize("variant", variants("res2net"))
def test_every_variant_gives_one_score_a_class(variant: str) -> None:
    with torch.device("meta"):
        assert build("res2net", variant, classes=7).eval()(torch.empty(2, 3, 64, 64)).shape == (2, 7)


@pytest.mark.parametrize(("scale", "stride", "side"), [(1, 1, 5), (2, 1, 5), (4, 2, 3)])
def test_a_hierarchy_keeps_its_channels(scale: int, stride: int, side: int) -> None:
    hierarchy = Hierarchy(3, scale, stride=stride, first=stride > 1).eval()
    assert hierarchy(torch.zeros(2, 3 * scale, 5, 5)).shape == (2, 3 * scale, side, side)
