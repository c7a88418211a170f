"""The errors that people make with dilated convolutions, each made on purpose: a claim must turn red."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from catalog import Library
from catalog.records import Status
from catalog.verify.runner import verify
from reproductions import build
from reproductions.dilated_convolutions import FrontEnd, segment
from tests.reproductions.broken import CHEAP, broken, red_claims

MOVED = "F.pad(f, (l * j, -l * j, l * i, -l * i))"

# An error, what is changed into what, and one claim that must notice.
# fmt: off
ERRORS = {
    # The operator
    "correlation": (MOVED, "F.pad(f, (-l * j, l * j, -l * i, l * i))", "definition"),
    "rows for columns": (MOVED, "F.pad(f, (l * i, -l * i, l * j, -l * j))", "definition"),
    "no dilation": (MOVED, "F.pad(f, (j, -j, i, -i))", "exponential-growth"),
    "filter transposed": ("k[i + r, j + r] * moved", "k[j + r, i + r] * moved", "definition"),
    # The context module
    "the receptive field goes on growing": ("4, 8, 16, 1)\nB", "4, 8, 16, 32)\nB", "receptive-fields"),
    "one ordinary layer": ("(1, 1, 2, 4, 8, 16, 1)\nB", "(1, 2, 2, 4, 8, 16, 1)\nB", "receptive-fields"),
    "padding in every layer": (
        "super().__init__(nn.ZeroPad2d(sum(DILATIONS)))", "super().__init__(nn.Identity())", "context-module"),
    "truncation at the end": (
        "self.append(nn.Conv2d(inputs, maps, 1))", "self.extend([nn.Conv2d(inputs, maps, 1), nn.ReLU()])", "table-1"),
    "no truncation": ("3, dilation=dilation), nn.ReLU()]", "3, dilation=dilation)]", "context-module"),
    "another nonlinearity": (
        "3, dilation=dilation), nn.ReLU()]", "3, dilation=dilation), nn.GELU()]", "context-module"),
    "3x3 at the end": ("nn.Conv2d(inputs, maps, 1)", "nn.Conv2d(inputs, maps, 3, padding=1)", "weights-context-basic"),
    "other widths": ("(2, 2, 4, 8, 16, 32, 32)", "(2, 4, 8, 16, 32, 32, 32)", "parameters-context-large"),
    "no biases": ("3, dilation=dilation), nn", "3, dilation=dilation, bias=False), nn", "parameters-context-basic"),
    # The identity
    "started at random": ("    identity_(module, sigma)\n", "", "identity-initialisation"),
    "ones in wide layers": (", maps / outputs, centre", ", 1.0, centre", "identity-initialisation"),
    "share of the inputs": (", maps / outputs, centre", ", maps / inputs, centre", "initial-weights"),
    "groups interleaved": (
        "group_of_input = torch.arange(inputs, device=layer.weight.device) * maps // inputs",
        "group_of_input = torch.arange(inputs, device=layer.weight.device) % maps", "initial-weights"),
    "in the corner": ("side // 2, side // 2]", "0, 0]", "identity-initialisation"),
    "biases stay": ("nn.init.zeros_(layer.bias)", "pass", "initial-weights"),
    "noise in the basic module": ("(BASIC, 0.0)", "(BASIC, 1e-4)", "identity-initialisation"),
    "no noise in the large module": ("(LARGE, 1e-4)", "(LARGE, 0.0)", "identity-initialisation"),
    "too much noise": ("(LARGE, 1e-4)", "(LARGE, 1e-2)", "identity-initialisation"),
    "uniform noise": ("nn.init.normal_(layer.weight, std=sigma)", "nn.init.uniform_(layer.weight, -sigma, sigma)",
        "initial-weights"),
    # The front end
    "conv4 is dilated": ("number == 5", "number >= 4", "layers-frontend"),
    "conv5 is not dilated": ("2 if number == 5 else 1", "1", "sizes-frontend"),
    "fc6 dilated by 2": ("7, dilation=4", "7, dilation=2", "sizes-frontend"),
    "padding is kept": ("padding=0", "padding=1", "sizes-frontend"),
    "pool4 is kept": ("number <= 3", "number <= 4", "alignment-frontend"),
    "pool3 is lost": ("number <= 3", "number <= 2", "alignment-frontend"),
    "average pools": ("nn.MaxPool2d(2)", "nn.AvgPool2d(2)", "layers-frontend"),
    "no dropout": ("1), nn.ReLU(), nn.Dropout(0.5)]", "1), nn.ReLU()]", "layers-frontend"),
    "1000 classes": ("FrontEnd(classes)\n    mul", "FrontEnd(1000)\n    mul", "parameters-frontend"),
    # Pixels
    "zeros around": (', mode="reflect"', "", "segmentation"),
    "another margin": ("MARGIN = 186", "MARGIN = 190", "alignment-frontend"),
    "nearest pixel": ('mode="bilinear"', 'mode="nearest"', "segmentation"),
    "corners aligned": ('mode="bilinear"', 'mode="bilinear", align_corners=True', "segmentation"),
}
# fmt: on


@pytest.mark.parametrize(("old", "new", "claim"), ERRORS.values(), ids=ERRORS)
def test_an_error_turns_a_claim_red(old: str, new: str, claim: str) -> None:
    assert red_claims("dilated_convolutions", old, new, claims=[claim]) == {claim}


@pytest.mark.parametrize(
    ("old", "new", "claim"),
    [
        ("(512, 3), (512, 3))", "(512, 4), (512, 4))", "parameters-frontend"),
        ("dilation=dilation), nn.ReLU()]", "dilation=dilation)]", "layers-frontend"),
        ("dilation=dilation), nn.ReLU()]", "dilation=1), nn.ReLU()]", "removed-stride"),
    ],
)
def test_an_error_in_the_stages_of_vgg_turns_a_claim_red(old: str, new: str, claim: str) -> None:
    with broken("vgg", old, new):
        (report,) = verify(Library.load()["dilated-convolutions"], claims=[claim]).claims
    assert report.status is Status.FAILED


def test_without_an_error_nothing_is_red() -> None:
    report = verify(Library.load()["dilated-convolutions"], tiers=CHEAP)
    assert not [(claim.id, claim.reason) for claim in report.claims if claim.status is not Status.VERIFIED]


@pytest.mark.parametrize("variant", ["context-basic", "context-large"])
def test_context_modules_keep_shapes(variant: str) -> None:
    module = build("dilated-convolutions", variant, classes=3)
    assert module(torch.zeros(2, 3, 5, 9)).shape == (2, 3, 5, 9)


def test_a_front_end_and_a_context_module_label_every_pixel() -> None:
    with torch.device("meta"):
        front_end, context = FrontEnd(5), build("dilated-convolutions", "context-large", classes=5)
        scores = segment(nn.Sequential(front_end, context), torch.empty(1, 3, 192, 256))
    assert scores.shape == (1, 5, 192, 256)
