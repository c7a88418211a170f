"""The errors that people make with SKNet, each made on purpose: a claim must turn red."""

from __future__ import annotations

import pytest
import torch

from catalog.records import Tier
from reproductions import build, variants
from reproductions.sknet import SKConv
from tests.reproductions.broken import red_claims

SELECTED = "(maps * self.fuse(maps)[..., None, None]).sum(dim=1)"

# An error, what is changed into what, and one claim that must notice.
# fmt: off
ERRORS = {
    # The paths
    "kernels of one size": ("padding=dilation, dilation=dilation", "padding=1", "dilated-kernels"),
    "dilation begins at 2": ("range(1, paths + 1)", "range(2, paths + 2)", "dilated-kernels"),
    "no stride in the paths": ("3, stride=stride, padding=dilation", "3, padding=dilation", "equations"),
    "as many groups as paths": ("=dilation, groups=groups", "=dilation, groups=paths", "parameters-skconv"),
    "paths without ReLU": ("groups=groups)\n", "groups=groups)[:2]\n", "equations"),
    "sixteen groups": ("groups: int = 32", "groups: int = 16", "parameters-sknet50"),
    "three paths": ("paths: int = 2", "paths: int = 3", "parameters-skconv"),
    # The selection
    "softmax over channels": ("softmax(dim=1)", "softmax(dim=2)", "convex-combination"),
    "a gate for each path": ("softmax(dim=1)", "sigmoid()", "convex-combination"),
    "channels before paths": (
        ".view(maps.shape[:3]).softmax(dim=1)",
        ".view(len(maps), maps.shape[2], -1).transpose(1, 2).softmax(dim=1)", "convex-combination"),
    "maximum for mean": ("nn.AdaptiveAvgPool2d(1)", "nn.AdaptiveMaxPool2d(1)", "equations"),
    "mean for sum of the paths": ("maps.sum(dim=1)))", "maps.mean(dim=1)))", "equations"),
    "only the first path fused": ("maps.sum(dim=1)))", "maps[:, 0]))", "equations"),
    "no norm and ReLU in the compact feature": (
        "self.compact = conv_bn_relu(channels, width, 1)", "self.compact = nn.Conv2d(channels, width, 1, bias=False)",
        "parameters-skconv"),
    "smaller for larger": ("max(channels // reduction", "min(channels // reduction", "parameters-skconv"),
    "the least is 16": ("least: int = 32", "least: int = 16", "compact-feature"),
    "reduced by 32": ("reduction: int = 16", "reduction: int = 32", "compact-feature"),
    "bias in the selection": ("paths * channels, 1, bias=False", "paths * channels, 1", "parameters-skconv"),
    "weights not applied": (SELECTED, "maps.sum(dim=1)", "equal-paths"),
    "mean of the weighted paths": (SELECTED, SELECTED.replace("sum", "mean"), "equal-paths"),
    # The units
    "stride in the 1x1": (
        "SKConv(grouped.in_channels, stride=stride)", "nn.AvgPool2d(1, stride), SKConv(grouped.in_channels)",
        "units"),
    "a ReLU more": ("*reduce, SKConv(grouped.in_channels, stride=stride), *expand",
                    "*reduce, SKConv(grouped.in_channels, stride=stride), *expand, nn.ReLU()", "units"),
    "units without their last normalisation": ("self.layers[6:]", "self.layers[6:7]", "units"),
    "first layer without ReLU": ("self.layers[:3]", "self.layers[:2]", "units"),
    "width of 32x8d": ("width=4", "width=8", "parameters-sknet50"),
    "block in the wrong stage": ("(3, 4, 23, 3)", "(3, 5, 22, 3)", "parameters-sknet101"),
}

# fmt: on


@pytest.mark.parametrize(("old", "new", "claim"), ERRORS.values(), ids=ERRORS)
def test_an_error_turns_a_claim_red(old: str, new: str, claim: str) -> None:
    assert red_claims("sknet", old, new, claims=[claim]) == {claim}


def test_another_stem_parts_from_a_peer() -> None:
    old, new, claim = "imagenet_stem(64)", "imagenet_stem(64)[:-1].append(nn.MaxPool2d(2))", "parity-timm-sknet26"
    assert red_claims("sknet", old, new, tiers=[Tier.PARITY], claims=[claim]) == {claim}


@pytest.mark.parametrize("variant", variants("sknet"))
def test_every_variant_gives_one_score_a_class(variant: str) -> None:
    with torch.device("meta"):
        assert build("sknet", variant, classes=7).eval()(torch.empty(2, 3, 224, 224)).shape == (2, 7)


@pytest.mark.parametrize(("paths", "stride", "size"), [(1, 1, (4, 4)), (2, 1, (4, 4)), (3, 2, (2, 2))])
def test_attention_and_output_have_their_shapes(paths: int, stride: int, size: tuple[int, int]) -> None:
    convolution = SKConv(32, paths=paths, stride=stride).eval()
    x = torch.zeros(2, 32, 4, 4)
    assert convolution.attention(x).shape == (2, paths, 32)
    assert convolution(x).shape == (2, 32, *size)
