"""The errors that people make with modulated deformable convolution, each made on purpose: a claim must turn red."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from catalog import Library
from catalog.records import Status
from catalog.verify.runner import verify
from reproductions import build, variants
from reproductions.checks import deformable_convnets_v2 as checks
from reproductions.deformable_convnets_v2 import (
    ModulatedDeformConv2d,
    ModulatedDeformRoIPool,
    modulated_deform_conv2d,
)
from tests.reproductions.broken import CHEAP, red_claims

# An error, what is changed into what, and one claim that must notice.
# fmt: off
ERRORS = {
    # Convolution
    "modulation of 1 at first": ("mask.sigmoid(), self.weight", "2 * mask.sigmoid(), self.weight", "half-at-first"),
    "no sigmoid": ("mask.sigmoid(), self.weight", "mask, self.weight", "half-at-first"),
    "modulations in front": ("offset, mask = self.offset(x).split((2 * taps, taps), dim=1)",
        "mask, offset = self.offset(x).split((taps, 2 * taps), dim=1)", "half-at-first"),
    "modulations squared": ("taps * mask[:, None]", "taps * mask[:, None] ** 2", "half-at-first"),
    "modulations ignored": ("taps * mask[:, None]", "taps", "modulations"),
    "one modulation for all taps": (
        "taps * mask[:, None]", "taps * mask[:, None].mean(2, keepdim=True)", "modulations"),
    "modulations are not learned": ("taps * mask[:, None]", "taps * mask[:, None].detach()", "gradients"),
    "bias modulated away": ("weigh(taps * mask[:, None], weight, bias)", "weigh(taps * mask[:, None], weight)",
        "modulations"),
    "two numbers for each tap": ("    numbers = 3\n", "    numbers = 4\n", "offset-channels"),
    # RoI pooling
    "one point in a bin": ("points = (torch.arange(2 * k).to(rois) + 0.5) / (2 * k)",
        "points = (torch.arange(2 * k).to(rois) // 2 + 0.5) / k", "roi-pooling"),
    "points at the borders of cells": (".to(rois) + 0.5", ".to(rois)", "roi-pooling"),
    "rows first": (".flip(1).repeat", ".repeat", "roi-pooling"),
    "offsets in pixels": (
        "(offsets * rois[:, 3:, None, None])", "offsets.expand(len(rois), -1, -1, -1)", "roi-pooling"),
    "gamma of version 1": ("(offsets * rois[:, 3:", "(0.1 * offsets * rois[:, 3:", "roi-pooling"),
    "offsets of other bins": (".repeat_interleave(2, dim=2)", ".repeat(1, 1, 2, 1)", "roi-pooling"),
    "maximum of a bin": ("F.avg_pool2d", "F.max_pool2d", "roi-pooling"),
    "bins not modulated": (" * masks[:, None]\n\n", "\n\n", "roi-pooling"),
    "bins not modulated by the layer": ("masks[:, 0].sigmoid()", "torch.ones_like(masks[:, 0])", "roi-pooling-layer"),
    "one layer": ("            nn.Linear(1024, 1024),\n            nn.ReLU(),\n", "", "roi-pooling-layer"),
    "nothing between the layers": ("1024),\n            nn.ReLU(),\n            nn.Linear(1024, 1024),",
        "1024),\n            nn.Identity(),\n            nn.Linear(1024, 1024),", "roi-pooling-layer"),
    "the last layer starts at random": ("(self.fc[4], 0.0)", "(self.fc[4], 0.01)", "roi-pooling-layer"),
    "biases start at random": ("            nn.init.zeros_(layer.bias)\n", "", "roi-pooling-layer"),
    # Mimicking
    "distance for angle": ("1 - F.cosine_similarity(f_rcnn, f_frcnn, dim=1)", "(f_rcnn - f_frcnn).square().sum(1) / 2",
        "mimic-loss"),
    "mean over RoIs": ("dim=1)).sum()", "dim=1)).mean()", "mimic-loss"),
    "similarity for loss": ("(1 - F.cosine_similarity", "(F.cosine_similarity", "mimic-loss"),
    # Networks
    "conv2 too": ("network.stages[1:]", "network.stages", "deformable-layers"),
    "as in version 1": ("network.stages[1:]", "network.stages[3:]", "deformable-layers"),
    "without modulation": ("replace_3x3(block, ModulatedDeformConv2d)", "replace_3x3(block, DeformConv2d)",
        "parameters-resnet50-mdcn"),
    "stride in the 1x1": ("stride_in_1x1=False", "stride_in_1x1=True", "deformable-layers"),
    "toy of version 1": ('"toy-v2": ModulatedDeformConv2d', '"toy-v2": DeformConv2d', "networks"),
}
# fmt: on


@pytest.mark.parametrize(("old", "new", "claim"), ERRORS.values(), ids=ERRORS)
def test_an_error_turns_a_claim_red(old: str, new: str, claim: str) -> None:
    assert red_claims("deformable_convnets_v2", old, new, claims=[claim]) == {claim}


def test_without_an_error_nothing_is_red_and_the_number_of_layers_deviates() -> None:
    report = verify(Library.load()["deformable-convnets-v2"], tiers=CHEAP)
    assert not [(claim.id, claim.reason) for claim in report.claims if claim.status is Status.FAILED]
    assert [claim.id for claim in report.claims if claim.status is Status.DEVIATES] == ["deformable-layers"]


@pytest.mark.parametrize("variant", variants("deformable-convnets-v2"))
def test_every_variant_gives_one_score_a_class(variant: str) -> None:
    network = build("deformable-convnets-v2", variant, classes=7).eval()
    assert network(torch.zeros(2, 3, 33, 40)).shape == (2, 7)


def test_maps_and_rois_of_any_size() -> None:
    assert ModulatedDeformConv2d(3, 4, 5, stride=3)(torch.zeros(2, 3, 11, 8)).shape == (2, 4, 3, 2)
    rois = torch.tensor([[0, 0, 0, 3, 2], [1, 5, 2, 40, 40.5], [1, -4, 1, 9, 9]])
    assert ModulatedDeformRoIPool(3, k=4)(torch.zeros(2, 3, 11, 8), rois).shape == (3, 3, 4, 4)


def test_the_comparison_with_torchvision_takes_the_operator_as_it_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    def operator(
        x: Tensor, offset: Tensor, weight: Tensor, bias: None, stride: int, padding: int, dilation: int, mask: Tensor
    ) -> Tensor:
        return modulated_deform_conv2d(x, offset, mask, weight, bias, stride, padding, dilation)

    monkeypatch.setattr(checks, "operators_of_torchvision", lambda: SimpleNamespace(deform_conv2d=operator))
    assert checks.operator_of_torchvision() == {"outputs": 0, "gradients": 0}
