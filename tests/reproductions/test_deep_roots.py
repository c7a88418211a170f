"""The errors that people make with Deep Roots, each made on purpose: a claim must turn red."""

from __future__ import annotations

import pytest
import torch

from catalog.records import Tier
from reproductions import build, variants
from reproductions.deep_roots import RootModule
from tests.reproductions.broken import red_claims

GROUPED = "nn.Conv2d(width, width, 3, padding=1, groups=number, bias=False)"

# An error, what is changed into what, and one claim that must notice. No peer is needed.
# fmt: off
ERRORS = {
    # The root module
    "groups ignored": ("*convolution(inputs, filters, kernel, groups)", "*convolution(inputs, filters, kernel)",
        "conv2a"),
    "the 1x1 in groups too": ("*convolution(filters, outputs, 1)", "*convolution(filters, outputs, 1, groups)",
        "separation"),
    "the 1x1 first": (
        "*convolution(inputs, filters, kernel, groups), *convolution(filters, outputs, 1)",
        "*convolution(inputs, filters, 1), *convolution(filters, outputs, kernel, groups)", "nin-layers"),
    "no ReLU": ("nn.BatchNorm2d(outputs), nn.ReLU()", "nn.BatchNorm2d(outputs), nn.Identity()", "root-module"),
    "no normalisation": ("nn.BatchNorm2d(outputs), nn.ReLU()", "nn.Identity(), nn.ReLU()", "nin-written-out"),
    "no biases": ("padding=kernel // 2, groups=groups)", "padding=kernel // 2, groups=groups, bias=False)",
        "parameters-nin"),
    "no padding": ("padding=kernel // 2, groups", "padding=0, groups", "operations-nin"),
    # Initialisation
    "variance of fan-out, blind to groups": ('mode="fan_in"', 'mode="fan_out"', "initialisation"),
    "uniform": ("kaiming_normal_", "kaiming_uniform_", "initialisation"),
    "biases at random": ("nn.init.zeros_(module.bias)", "pass", "initialisation"),
    "ResNet as it came": ("    initialise(network)\n    return", "    return", "initialisation"),
    # The networks
    "first layer in groups": ("RootModule(3, 192, 160, 5, 1)", "RootModule(3, 192, 160, 5, 3)", "groups"),
    "groups exchanged": ("second, third = groups", "third, second = groups", "groups"),
    "pool without padding": ("nn.MaxPool2d(3, stride=2, padding=1)", "nn.MaxPool2d(3, stride=2)", "operations-nin"),
    "average pool": ("nn.MaxPool2d(3,", "nn.AvgPool2d(3,", "nin-written-out"),
    "one pool": ("return self.conv3(self.pool(x))", "return self.conv3(x)", "nin-layers"),
    "maximum of the scores": (".mean((2, 3))", ".amax((2, 3))", "nin-written-out"),
    "no bias in the first layer": (
        "nn.Conv2d(3, 64, 7, stride=2, padding=3)", "nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)",
        "parameters-resnet50"),
    "a bias in every 3x3": (GROUPED, GROUPED.replace(", bias=False", ""), "resnet-layers"),
    "stride in the 3x3": ('resnet.build("resnet50", classes', 'resnet.build("resnet50", stride_in_1x1=False, classes',
        "operations-resnet50"),
    "only the first block of a stage": ("for block in stage:", "for block in stage[:1]:", "parameters-resnet50"),
    "the 1x1 of ResNet in groups": ("block.layers[3] = nn", "block.layers[6] = nn", "resnet-layers"),
    "classifier of CIFAR": ("classes or 1000", "classes or 10", "parameters-resnet50"),
    # Variants
    "column for root": ('"nin-root4": (4, 2)', '"nin-root4": (4, 4)', "topologies"),
    "tree backwards": ('"nin-tree4": (4, 8)', '"nin-tree4": (8, 4)', "parameters-nin"),
    "tree that becomes too fine": ('"nin-tree16": (16, 32)', '"nin-tree16": (16, 64)', "groups"),
    "root that stays": ('"resnet50-root16": (16, 8, 4, 2)', '"resnet50-root16": (16, 16, 16, 16)',
        "parameters-resnet50"),
}

# These part from another implementation.
SUBTLE_ERRORS = {
    "neighbouring channels": (GROUPED, f"nn.Sequential(nn.ChannelShuffle(number), {GROUPED})",
        "parity-torchvision-root-16"),
}
# fmt: on


@pytest.mark.parametrize(("old", "new", "claim"), ERRORS.values(), ids=ERRORS)
def test_an_error_turns_a_claim_red(old: str, new: str, claim: str) -> None:
    assert red_claims("deep_roots", old, new, claims=[claim]) == {claim}


@pytest.mark.parametrize(("old", "new", "claim"), SUBTLE_ERRORS.values(), ids=SUBTLE_ERRORS)
def test_an_error_parts_from_a_peer(old: str, new: str, claim: str) -> None:
    assert red_claims("deep_roots", old, new, tiers=[Tier.PARITY], claims=[claim]) == {claim}


@pytest.mark.parametrize("variant", variants("deep-roots"))
def test_every_variant_gives_one_score_a_class(variant: str) -> None:
    side = 32 if variant.startswith("nin") else 224
    with torch.device("meta"):
        assert build("deep-roots", variant, classes=7).eval()(torch.empty(2, 3, side, side)).shape == (2, 7)


def test_a_root_module_keeps_the_size_of_the_map() -> None:
    assert RootModule(6, 9, 4, 5, groups=3)(torch.zeros(2, 6, 8, 7)).shape == (2, 4, 8, 7)
