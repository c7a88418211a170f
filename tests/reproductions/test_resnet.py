"""The errors that people make with ResNet, each made on purpose: a claim must turn red."""

from __future__ import annotations

import pytest
import torch

from catalog import Library
from catalog.records import Status, Tier
from catalog.verify.runner import verify
from reproductions import build, variants
from tests.reproductions.broken import CHEAP, red_claims

# What goes wrong: what is changed, into what, and one claim that must notice. No peer is needed.
ERRORS = {
    "stride in the 3x3": ("(stride, 1) if stride_in_1x1", "(1, stride) if stride_in_1x1", "macs-resnet50"),
    "stride in the second convolution": (
        "3, stride=stride, padding=1),\n            nn.ReLU(),\n            *conv_bn(outputs, outputs, 3, padding=1)",
        "3, padding=1),\n            nn.ReLU(),\n            *conv_bn(outputs, outputs, 3, stride=stride, padding=1)",
        "macs-plain34",
    ),
    "projection without normalisation": (
        "return conv_bn(inputs, outputs, 1, stride=stride)",
        "return nn.Conv2d(inputs, outputs, 1, stride, bias=False)",
        "parameters-resnet50",
    ),
    "ReLU before the addition": ("y = self.layers(x)", "y = self.layers(x).relu()", "building-blocks"),
    "no ReLU after the addition": ("return self.relu(y)", "return y", "zero-residual-is-identity"),
    "no ReLU between the convolutions": (
        "nn.ReLU(),\n            *conv_bn(outputs, outputs",
        "nn.Identity(),\n            *conv_bn(outputs, outputs",
        "building-blocks",
    ),
    "shortcuts dropped": ("y = y + self.shortcut(x)", "pass", "zero-residual-is-identity"),
    "mean for sum": ("y = y + self.shortcut(x)", "y = (y + self.shortcut(x)) / 2", "building-blocks"),
    "stem padded by two": ("stride=2, padding=3", "stride=2, padding=2", "feature-maps"),
    "bottleneck of half the width": ("outputs // 4", "outputs // 2", "bottleneck-cost"),
    "option B on CIFAR": (
        '"cifar-resnet20": (BasicBlock, "A"',
        '"cifar-resnet20": (BasicBlock, "B"',
        "parameters-cifar-resnet20",
    ),
    "plain for residual": (
        '"cifar-resnet110": (BasicBlock, "A"',
        '"cifar-resnet110": (BasicBlock, "none"',
        "shortcuts",
    ),
    "residual for plain": ('"plain34": (BasicBlock, "none"', '"plain34": (BasicBlock, "A"', "shortcuts"),
    "option B for C": ('"C": projection', '"C": option_b', "parameters-resnet34-c"),
    "zeros in front of the channels": ("0, self.new_channels)", "self.new_channels, 0)", "zero-padding"),
    "averages for pixels": (
        "x[:, :, :: self.stride, :: self.stride]",
        "F.avg_pool2d(x, self.stride)",
        "zero-padding",
    ),
    "first stage halves the map": ("1 if number == 0 else 2", "2", "feature-maps"),
    "block in the wrong stage": ("(3, 8, 36, 3)", "(3, 8, 35, 4)", "parameters-resnet152"),
    "stem without ReLU": ("padding=3), nn.ReLU(), ", "padding=3), ", "imagenet-stem"),
    "pool unpadded, rounding up": (
        "nn.MaxPool2d(3, stride=2, padding=1)",
        "nn.MaxPool2d(3, stride=2, ceil_mode=True)",
        "imagenet-stem",
    ),
    "CIFAR stem without ReLU": ("padding=1), nn.ReLU())", "padding=1))", "cifar-network"),
    "maximum for average": ("nn.AdaptiveAvgPool2d(1)", "nn.AdaptiveMaxPool2d(1)", "cifar-network"),
    "fan-in": ('mode="fan_out"', 'mode="fan_in"', "initialisation"),
    "torch's own initialisation": ("        initialise(self)\n", "", "initialisation"),
}

# These part from another implementation.
SUBTLE_ERRORS = {
    "stride in the first 1x1": ("(1, stride)", "(stride, 1)", "parity-torchvision-resnet50"),
    "ReLU before the addition": ("y = self.layers(x)", "y = self.layers(x).relu()", "parity-torchvision-resnet18"),
    "GELU in the bottleneck": (
        "nn.ReLU(),\n            *conv_bn(width, outputs, 1)",
        "nn.GELU(),\n            *conv_bn(width, outputs, 1)",
        "parity-pytorchcv-resnet50",
    ),
    "average pool in the stem": ("nn.MaxPool2d", "nn.AvgPool2d", "parity-timm-resnet34"),
    "no ReLU after the addition": ("return self.relu(y)", "return y", "parity-pytorchcv-cifar-resnet20"),
}


@pytest.mark.parametrize(("old", "new", "claim"), ERRORS.values(), ids=ERRORS)
def test_an_error_turns_a_claim_red(old: str, new: str, claim: str) -> None:
    assert red_claims("resnet", old, new, claims=[claim]) == {claim}


@pytest.mark.parametrize(("old", "new", "claim"), SUBTLE_ERRORS.values(), ids=SUBTLE_ERRORS)
def test_an_error_parts_from_a_peer(old: str, new: str, claim: str) -> None:
    assert red_claims("resnet", old, new, tiers=[Tier.PARITY], claims=[claim]) == {claim}


def test_without_an_error_nothing_is_red_and_two_figures_deviate() -> None:
    report = verify(Library.load()["resnet"], tiers=CHEAP)
    assert not [(claim.id, claim.reason) for claim in report.claims if claim.status is Status.FAILED]
    deviating = {claim.id for claim in report.claims if claim.status is Status.DEVIATES}
    assert deviating == {"macs-resnet50", "share-of-vgg-19"}


@pytest.mark.parametrize("variant", variants("resnet"))
def test_every_variant_gives_one_score_a_class(variant: str) -> None:
    side = 32 if variant.startswith("cifar") else 224
    with torch.device("meta"):
        assert build("resnet", variant, classes=7).eval()(torch.empty(2, 3, side, side)).shape == (2, 7)


def test_networks_for_imagenet_and_cifar_have_their_number_of_classes() -> None:
    with torch.device("meta"):
        assert build("resnet").head[-1].out_features == 1000
        assert build("resnet", "cifar-resnet20").head[-1].out_features == 10
