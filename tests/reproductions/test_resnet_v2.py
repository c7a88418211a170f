"""The errors that people make with pre-activation, each made on purpose: a claim must turn red."""

from __future__ import annotations

import pytest
import torch

from catalog.records import Tier
from reproductions import build
from tests.reproductions.broken import red_claims

NORM_RELU = "        nn.BatchNorm2d(inputs),\n        nn.ReLU(),\n        nn.Conv2d("
PROJECTION = "nn.Conv2d(inputs, outputs, 1, stride, bias=False)"
RETURN = "return self.shortcut(x if self.keeps_shape else activated) + self.layers(activated)"
HEAD = "nn.Sequential(nn.BatchNorm2d(widths[-1]), nn.ReLU(), *self.head)"
STEM = "return nn.Conv2d(3, outputs, 3, padding=1, bias=False)"

# An error, what is changed into what, and one claim that must notice.
# fmt: off
ERRORS = {
    # The unit
    "no ReLU before a convolution": (NORM_RELU, NORM_RELU.replace("        nn.ReLU(),\n", ""), "units"),
    "ReLU before normalisation": (
        NORM_RELU, "        nn.ReLU(),\n        nn.BatchNorm2d(inputs),\n        nn.Conv2d(", "units"),
    "biases": ("groups=groups, bias=False", "groups=groups", "parameters-preresnet50"),
    "groups ignored": (", groups=groups", "", "units"),
    "ReLU after the addition": (RETURN, f"return ({RETURN[7:]}).relu()", "sum-of-branches"),
    "every shortcut starts behind BN and ReLU": ("x if self.keeps_shape else activated", "activated", "units"),
    "every shortcut starts at x": ("x if self.keeps_shape else activated", "x", "units"),
    "the branch starts at x": ("self.layers(activated)", "self.layers(x)", "units"),
    "normalised projections": (
        PROJECTION, f"nn.Sequential({PROJECTION}, nn.BatchNorm2d(outputs))", "parameters-preresnet50"),
    "projections of 3x3": (
        PROJECTION, "nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)", "parameters-preresnet50"),
    "projections everywhere": ("inputs == outputs and stride == 1", "False", "parameters-cifar-preresnet164"),
    "shape changes without a projection": (
        "inputs == outputs and stride == 1", "stride == 1", "parameters-preresnet50"),
    "stride in the 3x3": (
        "stride_in_1x1: bool = True\n", "stride_in_1x1: bool = False\n", "macs-cifar-preresnet164"),
    "half as wide": ("outputs // 4", "outputs // 8", "parameters-preresnet50"),
    # What was tried
    "the branch is never scaled": ("    unit.layers.append(Scale(branch))\n", "", "activations"),
    "the shortcut's factor in both": ("Scale(branch)", "Scale(shortcut)", "activations"),
    "the factor added": ("self.factor * x", "self.factor + x", "scaled-gradient"),
    "both normalisations": ("block.layers.pop(-1)", "block.layers[-1]", "activations"),
    "normalised behind the ReLU": (
        "nn.Sequential(block.layers.pop(-1), block.relu)", "nn.Sequential(block.relu, block.layers.pop(-1))",
        "activations"),
    "two ReLUs": ("    block.layers.append(block.relu)\n    block.relu = nn.Identity()\n",
                  "    block.layers.append(block.relu)\n", "activations"),
    "ReLU-only behind the convolution": ("insert(0, block.relu)", "insert(1, block.relu)", "activations"),
    # The network
    "nothing after the last addition": (HEAD, "nn.Sequential(*self.head)", "network"),
    "no ReLU after the last addition": (HEAD, HEAD.replace(" nn.ReLU(),", ""), "network"),
    "the original's stem": (
        STEM, f"return nn.Sequential({STEM[7:]}, nn.BatchNorm2d(outputs), nn.ReLU())",
        "parameters-cifar-preresnet164"),
    "a bare stem on ImageNet": (
        "imagenet_stem(64), block", "imagenet_stem(64)[:1], block", "parameters-preresnet50"),
    "six 110-layer blocks too few": (
        '"cifar-preresnet110": (PreActBasic, (18', '"cifar-preresnet110": (PreActBasic, (16',
        "parameters-cifar-preresnet110"),
    "ResNet-152 with 200 layers": ("(3, 8, 36, 3)", "(3, 24, 36, 3)", "parameters-preresnet152"),
    "ResNet-200 with blocks in the wrong stage": ("(3, 24, 36, 3)", "(3, 36, 24, 3)", "parameters-preresnet200"),
}

# These part from another implementation.
SUBTLE_ERRORS = {
    "every shortcut starts at x": (
        "x if self.keeps_shape else activated", "x", "parity-pytorchcv-cifar-preresnet110"),
    "leaky": (NORM_RELU, NORM_RELU.replace("ReLU()", "LeakyReLU()"), "parity-pytorchcv-cifar-preresnet110"),
    "stride in the 1x1": ("else (1, stride)", "else (stride, 1)", "parity-pytorchcv-cifar-preresnet164"),
    "no ReLU after the last addition": (
        HEAD, HEAD.replace(" nn.ReLU(),", ""), "parity-pytorchcv-cifar-preresnet164"),
}
# fmt: on


@pytest.mark.parametrize(("old", "new", "claim"), ERRORS.values(), ids=ERRORS)
def test_an_error_turns_a_claim_red(old: str, new: str, claim: str) -> None:
    assert red_claims("resnet_v2", old, new, claims=[claim]) == {claim}


@pytest.mark.parametrize(("old", "new", "claim"), SUBTLE_ERRORS.values(), ids=SUBTLE_ERRORS)
def test_an_error_parts_from_a_peer(old: str, new: str, claim: str) -> None:
    assert red_claims("resnet_v2", old, new, tiers=[Tier.PARITY], claims=[claim]) == {claim}


@pytest.mark.parametrize("variant", ["cifar-preresnet110", "cifar-preresnet164", "preresnet50"])
def test_networks_give_one_score_a_class(variant: str) -> None:
    side = 32 if variant.startswith("cifar") else 224
    with torch.device("meta"):
        assert build("resnet-v2", variant, classes=7).eval()(torch.empty(2, 3, side, side)).shape == (2, 7)
