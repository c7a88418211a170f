"""The errors that people make with HRNet, each made on purpose: a claim must turn red."""

from __future__ import annotations

import pytest
import torch

from catalog.records import Tier
from reproductions import build
from reproductions.hrnet import HRModule, Transition, V2p
from tests.reproductions.broken import red_claims

UP = "conv_bn(inputs, width, 1).append(nn.Upsample(scale_factor=2**steps, mode=upsampling))"
LAST = "conv_bn(inputs, width, 3, stride=2, padding=1))"
ADDED = "y = x + down(y)"

# An error, what is changed into what, and one claim that must notice.
# fmt: off
ERRORS = {
    # The exchange
    "no ReLU behind the sum": ("F.relu(sum(", "(sum(", "exchange"),
    "upsampling first": (UP, "nn.Sequential(nn.Upsample(scale_factor=2**steps, mode=upsampling), "
                             "*conv_bn(inputs, width, 1))", "exchange"),
    "upsampling without 1x1": (UP, "nn.Upsample(scale_factor=2**steps, mode=upsampling)", "exchange-convolutions"),
    "upsampling by two only": ("scale_factor=2**steps", "scale_factor=2", "exchange"),
    "one mode of upsampling": ("mode=upsampling)", 'mode="nearest")', "exchange"),
    "3x3 upwards": ("conv_bn(inputs, width, 1).append", "conv_bn(inputs, width, 3, padding=1).append",
                    "exchange-convolutions"),
    "one step downwards": ("range(steps - 1)", "range(0)", "exchange-convolutions"),
    "ReLU behind the last step downwards": (LAST, LAST.replace("conv_bn", "conv_bn_relu"), "exchange"),
    "width changes first": (
        "halvings = (conv_bn_relu(inputs, inputs, 3, stride=2, padding=1)",
        "halvings = (conv_bn(inputs, inputs, 3, stride=2, padding=1)", "exchange"),
    "pool downwards": (LAST, "nn.AvgPool2d(2), conv_bn(inputs, width, 1))", "exchange-convolutions"),
    "identity with a 1x1": (
        "if source == target:\n                return nn.Identity()",
        "if source == target:\n                return conv_bn(inputs, width, 1)", "exchange-convolutions"),
    "all outputs in V1": ('"pose": (V1, 17, 1', '"pose": (V1, 17, 4', "parameters-pose-w32"),
    "one output in V2": ('"segmentation": (V2, 19, 4', '"segmentation": (V2, 19, 1', "parameters-seg-w48"),
    # Streams
    "new stream of the same resolution": (
        "self.new = conv_bn_relu(before[-1], widths[-1], 3, stride=2,",
        "self.new = conv_bn_relu(before[-1], widths[-1], 3,", "resolutions"),
    "new stream from the finest": ("self.new(streams[-1])", "self.new(streams[0])", "resolutions"),
    "streams pass through a convolution": ("if inputs == outputs else", "if False else", "parameters-hrnet-w18"),
    "widths do not double": ("width * 2**resolution", "width * (1 + resolution)", "parameters-hrnet-w18"),
    "two blocks in a branch": ("blocks_per_branch: int = 4", "blocks_per_branch: int = 2", "parameters-hrnet-w48"),
    "three modules in stage 3": ("for _ in range(4)))", "for _ in range(3)))", "parameters-hrnet-w18"),
    "one module less in stage 4": ("module(widths), module(widths), module", "module(widths), module",
                                   "parameters-hrnet-w18"),
    "stem of stride two": (
        "3, stride=2, padding=1), conv_bn_relu(64, 64, 3, stride=2",
        "3, stride=2, padding=1), conv_bn_relu(64, 64, 3", "resolutions"),
    # Heads
    "nearest upsampling in V2": ('mode="bilinear") for x', 'mode="nearest") for x', "heads"),
    "corners aligned in V2": ('mode="bilinear") for x', 'mode="bilinear", align_corners=True) for x', "heads"),
    "no convolution that mixes": (
        "self.classifier(self.mix(at_the_finest(streams)))", "self.classifier(at_the_finest(streams))", "heads"),
    "head without biases": ("nn.Conv2d(total, total, 1), nn", "nn.Conv2d(total, total, 1, bias=False), nn",
                            "parameters-seg-w48"),
    "the coarsest for V1": ("self.heatmaps(streams[0])", "self.heatmaps(streams[-1])", "heads"),
    "maxima in the pyramid": ("F.avg_pool2d(x", "F.max_pool2d(x", "heads"),
    "four levels": ("levels: int = 5", "levels: int = 4", "endings"),
    "product for sum": (ADDED, "y = x * down(y)", "heads"),
    "ReLU missing in the head": (
        "nn.BatchNorm2d(2 * width), nn.ReLU())", "nn.BatchNorm2d(2 * width))", "heads"),
    "head without strided convolutions' biases": ("2 * width, 3, 2, 1)", "2 * width, 3, 2, 1, bias=False)",
                                                  "parameters-hrnet-w18"),
    "sixteen keypoints, as in MPII": ('"pose": (V1, 17', '"pose": (V1, 16', "parameters-pose-w48"),
}
# fmt: on


@pytest.mark.parametrize(("old", "new", "claim"), ERRORS.values(), ids=ERRORS)
def test_an_error_turns_a_claim_red(old: str, new: str, claim: str) -> None:
    assert red_claims("hrnet", old, new, claims=[claim]) == {claim}


def test_nearest_upsampling_in_the_streams_of_segmentation_parts_from_a_peer() -> None:
    old, new, claim = '19, 4, "bilinear"', '19, 4, "nearest"', "parity-timm-seg-w18"
    assert red_claims("hrnet", old, new, tiers=[Tier.PARITY], claims=[claim]) == {claim}


@pytest.mark.parametrize(
    ("variant", "size"), [("hrnet-w18", ()), ("pose-w32", (8, 16)), ("seg-w18", (8, 16))], ids=lambda value: str(value)
)
def test_heads_give_scores_or_maps_of_a_quarter_of_the_size(variant: str, size: tuple[int, ...]) -> None:
    network = build("hrnet", variant, classes=7).eval()
    with torch.no_grad():
        assert network(torch.zeros(2, 3, 32, 64)).shape == (2, 7, *size)


def test_a_pyramid_takes_maps_of_any_channels() -> None:
    streams = [torch.zeros(1, width, side, side) for width, side in ((4, 8), (8, 4))]
    assert [level.shape for level in V2p((4, 8), levels=2, channels=3)(streams)] == [(1, 3, 8, 8), (1, 3, 4, 4)]


def test_modules_and_transitions_compose() -> None:
    streams = Transition((5,), (4, 8))([torch.zeros(1, 5, 8, 8)])
    streams = Transition((4, 8), (4, 8, 16))(HRModule((4, 8), blocks_per_branch=1)(streams))
    assert [x.shape[1:] for x in streams] == [(4, 8, 8), (8, 4, 4), (16, 2, 2)]
