"""The errors that people make with stochastic depth, each made on purpose: a claim must turn red."""

from __future__ import annotations

import pytest
import torch

from catalog.records import Tier
from reproductions import build, variants
from reproductions.stochastic_depth import ResidualDrop
from tests.reproductions.broken import red_claims

FORWARD = """        if not self.training:
            y = self.survival * self.layers(x) + y
        elif self.survives():
            y = self.layers(x) + y
"""
IN_TRAINING = """        elif self.survives():
            y = self.layers(x) + y
"""
POOLED = "nn.Sequential(nn.AvgPool2d(stride), ZeroPadding(inputs, outputs, stride=1))"
PROBABILITY = "survival(block, blocks, last_survival, rule)"

# An error, what is changed into what, and one claim that must notice.
# fmt: off
ERRORS = {
    # As most libraries have it
    "divided in training, left alone in a test": (
        FORWARD,
        "        if not self.training:\n            y = self.layers(x) + y\n"
        "        elif self.survives():\n            y = self.layers(x) / self.survival + y\n", "networks"),
    "divided in training, weighed in a test": (
        IN_TRAINING, IN_TRAINING.replace("(x) + y", "(x) / self.survival + y"), "test-time"),
    "test not weighed": ("self.survival * self.layers(x) + y", "self.layers(x) + y", "test-time"),
    "a gate for each image": (
        IN_TRAINING,
        "        else:\n            gates = torch.rand(len(x), 1, 1, 1) < self.survival\n"
        "            y = gates * self.layers(x) + y\n", "one-gate-a-batch"),
    "projections in the transitions": (
        POOLED, "nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))",
        "parameters-resnet110"),
    "ResNet's own shortcuts": (POOLED, "ZeroPadding(inputs, outputs, stride)", "transition"),
    "projections that cost nothing to count": (POOLED, "nn.AvgPool2d(stride)", "networks"),
    # Probabilities
    "counted by layers": (PROBABILITY, "survival(2 * block, 2 * blocks + 1, last_survival, rule)", "expected-depth"),
    "counted from 0": ("range(1, blocks + 1)", "range(blocks)", "survival-probabilities"),
    "early blocks dropped more often": (
        "1 - block / blocks * (1 - last)", "last + block / blocks * (1 - last)", "survival-probabilities"),
    "rules exchanged": ('{"linear": 1', '{"uniform": 1', "survival-probabilities"),
    "p_L ignored": (PROBABILITY, "survival(block, blocks, 0.5, rule)", "constant-depth"),
    "rule ignored": (PROBABILITY, 'survival(block, blocks, last_survival, "linear")', "survival-probabilities"),
    "p is the probability of being dropped": ("torch.rand(()) < self", "torch.rand(()) > self", "sampled-depth"),
    "a gate that is no gate": ("bool(torch.rand(()) < self.survival)", "self.survival > 0", "one-gate-a-batch"),
    # Blocks
    "a dropped branch is computed": (
        IN_TRAINING, "        else:\n            y = self.survives() * self.layers(x) + y\n", "dropped-block"),
    "a dropped block has no ReLU": (
        IN_TRAINING, "        elif not self.survives():\n            return y\n        else:\n"
        "            y = self.layers(x) + y\n", "dropped-block"),
    "a dropped block gives nothing": (
        IN_TRAINING, IN_TRAINING + "        else:\n            y = y * 0\n", "dropped-block"),
    "shortcut weighed too": (
        "self.survival * self.layers(x) + y", "self.survival * (self.layers(x) + y)", "test-time"),
    "blocks dropped in a test": ("if not self.training:", "if False:", "networks"),
    "no ReLU at the end": ("return self.relu(y)", "return y", "networks"),
    "biases, as in the authors' code": (
        "self.survival = survival\n",
        "self.survival = survival\n        self.layers[0].bias = nn.Parameter(torch.zeros(outputs))\n",
        "parameters-resnet110"),
    "maximum for average": ("nn.AvgPool2d(stride)", "nn.MaxPool2d(stride)", "transition"),
    # Networks
    "half of 1202 layers": ('"resnet1202": 200', '"resnet1202": 100', "parameters-resnet1202"),
    "152 layers as 150": ('"resnet152-svhn": 25', '"resnet152-svhn": 24', "depth"),
    "first stage narrower": ("(16, 16, 32, 64)", "(16, 8, 32, 64)", "parameters-resnet20"),
    "ten classes for CIFAR-100": ("(repeats, repeats, repeats), classes)", "(repeats, repeats, repeats), 10)",
                                  "parameters-resnet110-cifar-100"),
}
# fmt: on


@pytest.mark.parametrize(("old", "new", "claim"), ERRORS.values(), ids=ERRORS)
def test_an_error_turns_a_claim_red(old: str, new: str, claim: str) -> None:
    assert red_claims("stochastic_depth", old, new, claims=[claim]) == {claim}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("range(1, blocks + 1)", "range(blocks)", id="schedule"),
        pytest.param("self.survival * self.layers(x) + y", "self.layers(x) + y", id="test"),
        pytest.param(IN_TRAINING, IN_TRAINING.replace("(x) + y", "(x) + 2 * y"), id="training"),
    ],
)
def test_an_error_parts_from_the_peer(old: str, new: str) -> None:
    red = red_claims("stochastic_depth", old, new, tiers=[Tier.PARITY], claims=["parity-pytorchcv"])
    assert red == {"parity-pytorchcv"}


@pytest.mark.parametrize("variant", variants("stochastic-depth"))
def test_every_variant_gives_one_score_a_class(variant: str) -> None:
    with torch.device("meta"):
        assert build("stochastic-depth", variant, classes=7).eval()(torch.empty(2, 3, 32, 32)).shape == (2, 7)


def test_an_unknown_rule_is_an_error() -> None:
    with pytest.raises(KeyError, match="quadratic"):
        build("stochastic-depth", "resnet20", rule="quadratic")


def test_training_runs_networks_of_different_depths() -> None:
    torch.manual_seed(0)
    network = build("stochastic-depth", "resnet20", last_survival=0.2).train()
    calls: list[int] = []
    for block in network.modules():
        if isinstance(block, ResidualDrop):
            block.layers.register_forward_hook(lambda *_: calls.append(1))
    depths = set()
    for _ in range(10):
        calls.clear()
        network(torch.zeros(2, 3, 32, 32)).sum().backward()
        depths.add(len(calls))
    assert len(depths) > 2
    assert max(depths) <= 9
