"""The errors that people make with wide residual networks, each made on purpose: a claim must turn red."""

from __future__ import annotations

import pytest
import torch

from catalog.records import Tier
from reproductions import build
from tests.reproductions.broken import red_claims

FIRST = "bn_relu_conv(inputs, outputs, first, stride=stride, padding=first // 2)"
OTHER = "layers.extend([norm, relu, nn.Dropout(dropout), convolution])"
SUPER = "super().__init__(layers, inputs, outputs, stride)"
CIFAR = "(16, 16 * k, 32 * k, 64 * k)"

# An error, what is changed into what, and one claim that must notice.
# fmt: off
ERRORS = {
    # The block
    "dropout in front of the first convolution too": (
        SUPER, f"layers.insert(2, nn.Dropout(dropout))\n        {SUPER}", "dropout"),
    "dropout before the ReLU": (OTHER, "layers.extend([norm, nn.Dropout(dropout), relu, convolution])", "dropout"),
    "dropout behind the last convolution": (
        OTHER, "layers.extend([norm, relu, convolution, nn.Dropout(dropout)])", "dropout"),
    "dropout on the shortcut": (
        SUPER, f"{SUPER}\n        self.shortcut = nn.Sequential(self.shortcut, nn.Dropout(dropout))", "dropout"),
    "dropout by default": ("dropout: float = 0.0\n    ) ->", "dropout: float = 0.3\n    ) ->", "dropout"),
    "dropout not passed on": ("block=partial(WideBlock, dropout=dropout)", "block=WideBlock", "dropout"),
    "stride in the last convolution": (
        f"{FIRST}\n        for kernel in others:\n            norm, relu, convolution = bn_relu_conv(outputs, outputs, "
        "kernel, padding=kernel // 2)",
        f"{FIRST.replace('stride=stride, ', '')}\n        for kernel in others:\n            norm, relu, convolution = "
        "bn_relu_conv(outputs, outputs, kernel, stride=stride, padding=kernel // 2)", "macs-wrn-28-10"),
    "kernels in the reverse order": ("first, *others = kernels", "*others, first = kernels", "block-types"),
    "kernels ignored": ("first, *others = kernels", "first, *others = 3, 3", "convolutions-per-block"),
    # The network
    "first convolution widened": (f"cifar_stem(16), block, {CIFAR}", "cifar_stem(16 * k), block, "
                                  "(16 * k, 16 * k, 32 * k, 64 * k)", "parameters-wrn-28-10"),
    "first group not widened": (CIFAR, "(16, 16, 32 * k, 64 * k)", "groups"),
    "a block too many in each group": ("(n, n, n)", "(n + 1, n + 1, n + 1)", "depth"),
    "no ReLU in the bottleneck": (
        "nn.ReLU(),\n            *conv_bn(width, outputs", "*conv_bn(width, outputs", "blocks"),
    "wide outside, too": ("(64, 256, 512, 1024, 2048)", "(64, 512, 1024, 2048, 4096)", "inner-widths"),
    "bottleneck as narrow as in ResNet": ("k * outputs // 4", "outputs // 4", "inner-widths"),
    "stride in the first 1x1": (
        "*conv_bn(inputs, width, 1),\n            nn.ReLU(),\n            *conv_bn(width, width, 3, stride=stride,",
        "*conv_bn(inputs, width, 1, stride=stride),\n            nn.ReLU(),\n            *conv_bn(width, width, 3,",
        "macs-wrn50-2"),
    "stem for ImageNet widened": (
        "imagenet_stem(64), block, widths", "imagenet_stem(64 * k), block, (64 * k, *widths[1:])",
        "parameters-wrn-18-2"),
    "ImageNet networks of another width": ("512 * k)", "256 * k)", "parameters-wrn-34-2"),
    "28 layers as 22": ('"wrn-28-10": (4, 10)', '"wrn-28-10": (3, 10)', "parameters-wrn-28-10"),
}
# fmt: on


@pytest.mark.parametrize(("old", "new", "claim"), ERRORS.values(), ids=ERRORS)
def test_an_error_turns_a_claim_red(old: str, new: str, claim: str) -> None:
    assert red_claims("wide_resnet", old, new, claims=[claim]) == {claim}


def test_an_error_parts_from_the_peer() -> None:
    claims = ["parity-pytorchcv-wrn-16-10"]
    old, new = OTHER, "layers.extend([relu, norm, nn.Dropout(dropout), convolution])"
    assert red_claims("wide_resnet", old, new, tiers=[Tier.PARITY], claims=claims) == set(claims)


@pytest.mark.parametrize(("variant", "side"), [("wrn-16-8", 32), ("wrn-18-2", 224), ("wrn50-2", 224)])
def test_networks_give_one_score_a_class(variant: str, side: int) -> None:
    with torch.device("meta"):
        assert build("wide-resnet", variant, classes=7).eval()(torch.empty(2, 3, side, side)).shape == (2, 7)
