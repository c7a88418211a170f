"""The errors that people make with ResNeXt, each made on purpose: a claim must turn red."""

from __future__ import annotations

import pytest
import torch

from catalog.records import Tier
from reproductions import build, variants
from reproductions.resnext import Aggregation, Concatenation
from tests.reproductions.broken import red_claims

# What goes wrong: what is changed, into what, and one claim that must notice. No peer is needed.
# fmt: off
ERRORS = {
    # The forms with branches
    "mean for sum": (".sum(0)", ".mean(0)", "three-forms"),
    "a last convolution with bias": (
        "nn.Conv2d(width, outputs, 1, bias=False)", "nn.Conv2d(width, outputs, 1)", "three-forms"),
    "a normalisation in every branch": (
        ".append(nn.Conv2d(width, outputs, 1, bias=False))", ".extend(conv_bn(width, outputs, 1))", "three-forms"),
    "branches without their first ReLU": ("*conv_bn_relu(inputs, width, 1)", "*conv_bn(inputs, width, 1)",
        "three-forms"),
    "branches with one channel too many": (
        "branch(inputs, width, stride).append(nn.Conv2d(width,",
        "branch(inputs, width + 1, stride).append(nn.Conv2d(width + 1,", "width-template"),
    # The grouped form
    "stride in the 1x1": (
        "channels, 1),\n            nn.ReLU(),\n            *conv_bn(channels, channels, 3, stride=stride,",
        "channels, 1, stride=stride),\n            nn.ReLU(),\n            *conv_bn(channels, channels, 3,",
        "cardinality-one"),
    "no groups": ("groups=cardinality", "groups=1", "parameters-resnext50-32x4d"),
    "as many groups as channels": ("groups=cardinality", "groups=channels", "width-template"),
    "as wide in every stage": ("width * outputs // 256", "width", "blocks"),
    "wider where the input is": ("width * outputs // 256", "width * inputs // 256", "equal-cost"),
    "no ReLU behind the grouped convolution": (
        "groups=cardinality),\n            nn.ReLU(),", "groups=cardinality),", "block"),
    "pre-activation": ("            *conv_bn(inputs, channels, 1),", "            nn.ReLU(),\n"
        "            *conv_bn(inputs, channels, 1),", "cardinality-one"),
    "always a projection": (
        "option_b(inputs, outputs, stride))", "conv_bn(inputs, outputs, 1, stride=stride))", "blocks"),
    "no projection on CIFAR": ("cifar_stem(64), block, (64, 256,", "cifar_stem(256), block, (256, 256,",
        "parameters-resnext29-8x64d-cifar10"),
    # Variants
    "cardinality and width exchanged": (
        "cardinality=cardinality, width=width)\n    if", "cardinality=width, width=cardinality)\n    if",
        "equal-cost"),
    "another width": ("8, 14)", "8, 16)", "equal-cost"),
    "block in the wrong stage": (
        '"resnext101-32x4d": ((3, 4, 23, 3)', '"resnext101-32x4d": ((3, 5, 22, 3)', "parameters-resnext101-32x4d"),
    "38 layers on CIFAR": ('"resnext29-16x64d-cifar10": ((3, 3, 3)', '"resnext29-16x64d-cifar10": ((4, 4, 4)',
        "depth"),
    "stem of ImageNet on CIFAR": ("cifar_stem(64), block", "imagenet_stem(64), block", "feature-maps"),
}

# These part from another implementation.
SUBTLE_ERRORS = {
    "no ReLU behind the first convolution": (
        "*conv_bn(inputs, channels, 1),\n            nn.ReLU(),", "*conv_bn(inputs, channels, 1),",
        "parity-torchvision-resnext50"),
}
# fmt: on


@pytest.mark.parametrize(("old", "new", "claim"), ERRORS.values(), ids=ERRORS)
def test_an_error_turns_a_claim_red(old: str, new: str, claim: str) -> None:
    assert red_claims("resnext", old, new, claims=[claim]) == {claim}


@pytest.mark.parametrize(("old", "new", "claim"), SUBTLE_ERRORS.values(), ids=SUBTLE_ERRORS)
def test_an_error_parts_from_a_peer(old: str, new: str, claim: str) -> None:
    assert red_claims("resnext", old, new, tiers=[Tier.PARITY], claims=[claim]) == {claim}


@pytest.mark.parametrize("variant", variants("resnext"))
def test_every_variant_gives_one_score_a_class(variant: str) -> None:
    side = 32 if variant.endswith("cifar10") else 224
    with torch.device("meta"):
        assert build("resnext", variant, classes=7).eval()(torch.empty(2, 3, side, side)).shape == (2, 7)


def test_networks_for_imagenet_and_cifar_have_their_number_of_classes() -> None:
    with torch.device("meta"):
        assert build("resnext").head[-1].out_features == 1000
        assert build("resnext", "resnext29-1x64d-cifar10").head[-1].out_features == 10


def test_any_transformations_can_be_aggregated() -> None:
    x = torch.ones(1, 2, 3, 3)
    assert torch.equal(Aggregation([torch.nn.Identity(), torch.nn.Identity()])(x), 2 * x)
    assert Concatenation([torch.nn.Identity(), torch.nn.Identity()])(x).shape == (1, 4, 3, 3)
