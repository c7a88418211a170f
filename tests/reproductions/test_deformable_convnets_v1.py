"""The errors that people make with deformable convolution, each made on purpose: a claim must turn red."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from catalog import Library
from catalog.records import Status
from catalog.verify.runner import verify
from reproductions import build, variants
from reproductions.checks import deformable_convnets_v1 as checks
from reproductions.deformable_convnets_v1 import DeformConv2d, DeformRoIPool, deform_conv2d
from tests.reproductions.broken import CHEAP, red_claims

# An error, what is changed into what, and one claim that must notice.
# fmt: off
ERRORS = {
    # Interpolation
    "columns first": ("grid = torch.stack(torch.broadcast_tensors(rows, columns))",
        "grid = torch.stack(torch.broadcast_tensors(columns, rows)).flip(0)\n    offset = offset.unflatten(1, (-1, 2))"
        ".flip(2).flatten(1, 2)", "special-offsets"),
    "all rows, then all columns": ("kernel**2, 2, height, width).transpose(1, 2)", "2, kernel**2, height, width)",
        "special-offsets"),
    "border pixels outside": ("g_y * g_x * inside", "g_y * g_x", "equations"),
    "nothing between the border and the outside": (
        "inside = (row >= 0)", "inside = (positions[:, 0] >= 0) & (row >= 0)", "equations"),
    "nearest pixel": ("first = positions.floor()", "positions = positions.round()\n    first = positions.floor()",
        "special-offsets"),
    "no gradient to offsets": ("(positions - first).unbind", "(positions - first).detach().unbind", "gradients"),
    "no gradient where offsets are zero": ("else 1 - down,", "else 1 - down.abs(),", "gradients"),
    "weights swapped": ("down if i else 1 - down", "1 - down if i else down", "equations"),
    "pixels of one row": ("* width + column", "+ column", "equations"),
    # Convolution
    "stride forgotten": ("torch.arange(width, device=x.device) * stride", "torch.arange(width, device=x.device)",
        "zero-offsets"),
    "dilation forgotten": ("* dilation - padding", "- padding", "zero-offsets"),
    "padding forgotten": ("* dilation - padding", "* dilation", "zero-offsets"),
    "padding dilated": ("* dilation - padding", "* dilation - padding * dilation", "equations"),
    "taps by columns": ("taps.repeat_interleave(kernel)", "taps.repeat(kernel)", "zero-offsets"),
    "bias forgotten": ("return result if bias is None else", "return result if True else", "zero-offsets"),
    "offsets not dilated": ("* kernel**2, kernel, stride, padding, dilation)", "* kernel**2, kernel, stride, padding)",
        "deformable-layers"),
    "random offsets at first": ("        nn.init.zeros_(self.offset.weight)\n", "", "zero-offsets"),
    "random biases of offsets at first": ("        nn.init.zeros_(self.offset.bias)\n", "", "zero-offsets"),
    "offsets ignored": ("deform_conv2d(x, self.offset(x), self", "deform_conv2d(x, 0 * self.offset(x), self",
        "zero-offsets"),
    "offsets in units of dilation": ("bilinear_sample(groups, grid + offset)",
        "bilinear_sample(groups, grid + offset * dilation)", "equations"),
    # Effective dilation
    "median for mean": (".mean(dim=1)\n\n\n# ---", ".median(dim=1).values\n\n\n# ---", "effective-dilation"),
    "along rows only": ("for axis in (1, 2)]", "for axis in (1,)]", "effective-dilation"),
    "distance of blocks": (".norm(dim=3)", ".abs().sum(dim=3)", "effective-dilation"),
    "offsets alone": ("grid[..., None, None] + offset", "0 * grid[..., None, None] + offset", "effective-dilation"),
    # RoI pooling
    "disjoint bins": ("ceil((i + 1) * width / k)", "floor((i + 1) * width / k)", "roi-pooling"),
    "offsets in pixels": ("* roi[2:, None]  # Δp", " # Δp", "roi-pooling"),
    "gamma forgotten": ("shift = gamma * offsets", "shift = offsets", "roi-pooling"),
    "rows first": ("j * k + i].flip(0)", "j * k + i]", "roi-pooling"),
    "bins by columns": ("shift[:, j * k + i]", "shift[:, i * k + j]", "roi-pooling"),
    "maximum of a bin": (".mean((1, 2))\n    return", ".amax((1, 2))\n    return", "roi-pooling"),
    "first image": ("x[image, None]", "x[0, None]", "roi-pooling"),
    "gamma of 1": ("gamma: float = 0.1) -> None", "gamma: float = 1.0) -> None", "roi-pooling-layer"),
    "gamma not passed on": ("offsets, self.gamma)", "offsets)", "roi-pooling-layer"),
    "random bin offsets at first": ("        nn.init.zeros_(self.fc.bias)\n", "", "roi-pooling-layer"),
    "one map for all bins": ("scores[image, :, None, j, i]", "scores[image, :, None, 0, 0]",
        "position-sensitive-pooling"),
    "one offset for all bins": ("offsets[image, :, :, j, i]", "offsets[image, :, :, 0, 0]",
        "position-sensitive-pooling"),
    "rows first, by position": ("shift.flip(1)", "shift", "position-sensitive-pooling"),
    # Networks
    "another stage": ("last = network.stages[-1]", "last = network.stages[-2]", "deformable-layers"),
    "the stage keeps its stride": ("(1, 1), (2, 2), (2, 2)", "layer.stride, (2, 2), (2, 2)", "deformable-layers"),
    "shortcut keeps its stride": ("    last[0].shortcut[0].stride = (1, 1)\n", "", "deformable-layers"),
    "last stage not dilated": ("(1, 1), (2, 2), (2, 2)", "(1, 1), (1, 1), (1, 1)", "deformable-layers"),
    "torch's own initialisation": ("    new.weight = old.weight\n", "", "networks"),
    "toy without normalisation": ("layer(32, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32)",
        "layer(32, 32, 3, padding=1, bias=False), nn.Identity()", "networks"),
    "biases in front of normalisation": ("3, *geometry, bias=False)", "3, *geometry)", "parameters-resnet50-dcn"),
}
# fmt: on


@pytest.mark.parametrize(("old", "new", "claim"), ERRORS.values(), ids=ERRORS)
def test_an_error_turns_a_claim_red(old: str, new: str, claim: str) -> None:
    assert red_claims("deformable_convnets_v1", old, new, claims=[claim]) == {claim}


def test_without_an_error_nothing_is_red() -> None:
    report = verify(Library.load()["deformable-convnets-v1"], tiers=CHEAP)
    assert not [(claim.id, claim.reason) for claim in report.claims if claim.status is not Status.VERIFIED]


@pytest.mark.parametrize("variant", variants("deformable-convnets-v1"))
def test_every_variant_gives_one_score_a_class(variant: str) -> None:
    network = build("deformable-convnets-v1", variant, classes=7).eval()
    assert network(torch.zeros(2, 3, 33, 40)).shape == (2, 7)


def test_maps_and_rois_of_any_size() -> None:
    assert DeformConv2d(3, 4, 5, stride=3)(torch.zeros(2, 3, 11, 8)).shape == (2, 4, 3, 2)
    rois = torch.tensor([[0, 0, 0, 3, 2], [1, 5, 2, 40, 40.5], [1, -4, 1, 9, 9]])
    assert DeformRoIPool(3, k=4)(torch.zeros(2, 3, 11, 8), rois).shape == (3, 3, 4, 4)


def test_the_comparison_with_torchvision_takes_the_operator_as_it_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    def operator(x: Tensor, offset: Tensor, weight: Tensor, bias: None, *geometry: int) -> Tensor:
        return deform_conv2d(x, offset, weight, bias, *geometry, offset_groups=offset.shape[1] // 18)

    monkeypatch.setattr(checks, "operators_of_torchvision", lambda: SimpleNamespace(deform_conv2d=operator))
    assert checks.operator_of_torchvision() == {"outputs": 0, "gradients": 0}
