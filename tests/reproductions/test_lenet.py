"""The errors that people make with LeNet, each made on purpose: a claim must turn red."""

from __future__ import annotations

import pytest
import torch

from reproductions import build, variants
from reproductions.lenet import map_loss
from tests.reproductions.broken import red_claims

SIXTEEN_CONVOLUTIONS = (
    "return torch.cat([conv(x[:, list(inputs)]) for conv, inputs in zip(self.maps, self.table, strict=True)], dim=1)"
)
ONE_MASKED_CONVOLUTION = """weight = x.new_zeros(len(self.table), x.shape[1], 5, 5)
        for kernels, conv, inputs in zip(weight, self.maps, self.table):
            kernels[list(inputs)] = conv.weight[0]
        return F.conv2d(x, weight, torch.cat([conv.bias for conv in self.maps]))"""

# An error, what is changed into what, and one claim that must notice.
# fmt: off
ERRORS = {
    # The "LeNet-5" of many libraries, part by part
    "C3 reads all maps": ("TableConv(C3_TABLE)", "nn.Conv2d(6, 16, 5)", "parameters"),
    "pooling without parameters": ("Subsample(6)", "nn.AvgPool2d(2)", "parameters-by-layer"),
    "linear output": ("RBFOutput(centres(classes))", "nn.Linear(84, classes)", "parameters"),
    "padded C1": ("nn.Conv2d(1, 6, 5)", "nn.Conv2d(1, 6, 5, padding=2)", "shapes-by-layer"),
    "ReLU": ("nn.Conv2d(1, 6, 5), ScaledTanh()", "nn.Conv2d(1, 6, 5), nn.ReLU()", "equations"),
    # Counting
    "C3 as one masked convolution": (SIXTEEN_CONVOLUTIONS, ONE_MASKED_CONVOLUTION, "macs"),
    "sums by a convolution": (
        "F.avg_pool2d(x, 2, divisor_override=1)",
        "F.conv2d(x, x.new_ones(x.shape[1], 1, 2, 2), stride=2, groups=x.shape[1])", "macs"),
    "840 connections forgotten": ("= RBFOutput(centres(classes))", "= nn.Identity()", "connections"),
    "centres learn": ('register_buffer("centres", centres)', "centres = nn.Parameter(centres)", "parameters"),
    # Subsampling
    "average for the sum": ("divisor_override=1", "divisor_override=4", "equations"),
    "maximum": ("F.avg_pool2d(x, 2, divisor_override=1)", "F.max_pool2d(x, 2)", "connections"),
    "not squashed": (
        "self.squash(self.coefficient * total + self.bias)", "self.coefficient * total + self.bias", "equations"),
    "bias scaled": ("self.coefficient * total + self.bias", "self.coefficient * (total + self.bias)", "subsampling"),
    "no bias": ("nn.Parameter(torch.zeros(maps, 1, 1))", "0.0", "lenet1-parameters"),
    "one bias": ("nn.Parameter(torch.zeros(maps, 1, 1))", "nn.Parameter(torch.zeros(1))", "parameters-by-layer"),
    # Tables
    "a connection missing": ("(0, 3, 4, 5), (0, 1, 4, 5)", "(3, 4, 5), (0, 1, 4, 5)", "connections"),
    "another set of four": ("(0, 1, 3, 4), (1, 2, 4, 5)", "(0, 1, 2, 4), (1, 2, 4, 5)", "c3-table"),
    "halves of LeNet-1 joined": ("(2,), (2, 3), (2, 3),", "(2,), (1, 3), (2, 3),", "lenet1-table"),
    # Squashing and start
    "another amplitude": ("1.7159", "1.7519", "squashing-function"),
    "another slope": ("2 / 3 * a", "a", "squashing-function"),
    "F6 not squashed": ("nn.Linear(120, 84), ScaledTanh()", "nn.Linear(120, 84)", "equations"),
    "weights start as torch's": ("nn.Conv2d | nn.Linear", "nn.Identity", "initial-weights"),
    "fan-in of a coefficient": ("uniform_by_fan_in_(4,", "uniform_by_fan_in_(1,", "initial-weights"),
    # C5, output and criterion
    "C5 does not slide": ("nn.Conv2d(16, 120, 5)", "nn.Conv2d(16, 120, 5, stride=2)", "replication"),
    "largest penalty": ("self(x).argmin(dim=1)", "self(x).argmax(dim=1)", "classification"),
    "least active unit": ("self(x).argmax(dim=1)", "self(x).argmin(dim=1)", "classification"),
    "distance not squared": (".square().sum(dim=2)", ".square().sum(dim=2).sqrt()", "gaussian"),
    "one dot more": ("#....## ..####.", "##...## ..####.", "rbf-centres"),
    "0 for -1": ('if dot == "#" else -1.0', 'if dot == "#" else 0.0', "rbf-centres"),
    "sign of j": ("torch.full_like(y[:, :1], j)", "torch.full_like(y[:, :1], -j)", "map-criterion"),
    "no rubbish class": ("-torch.cat([rubbish, y], dim=1)", "-y", "rubbish-class"),
    "no competition": (" + competition).mean()", ").mean()", "map-criterion"),
    "sum over the batch": (" + competition).mean()", " + competition).sum()", "map-criterion"),
}
# fmt: on


@pytest.mark.parametrize(("old", "new", "claim"), ERRORS.values(), ids=ERRORS)
def test_an_error_turns_a_claim_red(old: str, new: str, claim: str) -> None:
    assert red_claims("lenet", old, new, claims=[claim]) == {claim}


@pytest.mark.parametrize("variant", variants("lenet"))
@pytest.mark.parametrize("classes", [10, 26])
def test_every_variant_gives_one_number_a_class(variant: str, classes: int) -> None:
    side = {"lenet5": 32, "lenet1": 28}[variant]
    with torch.device("meta"):
        assert build("lenet", variant, classes=classes)(torch.empty(2, 1, side, side)).shape == (2, classes)


def test_other_classes_than_the_digits_have_centres_at_random() -> None:
    centres = build("lenet", classes=26).output.centres
    assert centres.shape == (26, 84)
    assert set(centres.unique().tolist()) == {-1.0, 1.0}
    assert len(centres.unique(dim=0)) == 26


def test_a_small_step_against_the_gradient_lowers_the_criterion() -> None:
    torch.manual_seed(0)
    network, images, digits = build("lenet"), torch.rand(20, 1, 32, 32), torch.arange(20) % 10
    before = map_loss(network(images), digits, j=1.0)
    before.backward()
    with torch.no_grad():
        for parameter in network.parameters():
            assert parameter.grad is not None
            assert parameter.grad.abs().max() > 0
            parameter -= 1e-4 * parameter.grad
    assert map_loss(network(images), digits, j=1.0) < before
