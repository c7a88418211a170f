"""The errors that people make with dropout, each made on purpose: a claim must turn red."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from catalog import Library
from catalog.records import Status, Tier
from catalog.verify.runner import verify
from reproductions import build, variants
from reproductions.dropout import Dropout, HintonSGD, geometric_mean, mean_network
from tests.reproductions.broken import CHEAP, red_claims

# An error, what is changed into what, and one claim that must notice.
# fmt: off
ERRORS = {
    # Where what is dropped is made up for
    "scaled in training": ("return x * self.mask(x) if", "return x * self.mask(x) / (1 - self.p_drop) if", "masks"),
    "nothing scaled in a test": ("else x * (1 - self.p_drop)", "else x", "networks"),
    "drops in a test": ("if self.training else", "if not self.training else", "networks"),
    "scaled by what is dropped": ("kept *= 1 - layer.p_drop", "kept *= layer.p_drop", "networks"),
    "mean network with weights as they are": ("layer.weight *= kept\n", "pass\n", "geometric-mean"),
    "biases scaled too": ("layer.weight *= kept\n", "layer.weight *= kept; layer.bias *= kept\n", "log-probability"),
    "all layers scaled": ("            kept = 1.0\n", "", "networks"),
    "no copy": ("deepcopy(network)", "network", "networks"),
    "dropout left in the mean network": ("            continue\n", "", "networks"),
    # Masks
    "probability of staying": ("1 - self.p_drop))", "self.p_drop))", "masks"),
    "one mask for the batch": (
        "torch.full_like(x, 1 - self.p_drop)", "torch.full_like(x[:1], 1 - self.p_drop)", "masks"),
    "whole cases dropped": (
        "torch.full_like(x, 1 - self.p_drop)", "torch.full_like(x[:, :1], 1 - self.p_drop)", "masks"),
    "Gaussian noise": ("torch.bernoulli(torch.full_like(x, 1 - self.p_drop))", "torch.randn_like(x) + 1", "masks"),
    "dropped units get a gradient": ("x * self.mask(x) if", "x - (x * (1 - self.mask(x))).detach() if", "masks"),
    "no dropout on pixels": ("Dropout(input_dropout),\n", "Dropout(0.0),\n", "rates"),
    # The geometric mean
    "arithmetic mean": (
        "(probabilities @ network(x[:, None] * masks).log_softmax(-1)).softmax(-1)",
        "probabilities @ network(x[:, None] * masks).softmax(-1)", "geometric-mean"),
    "not normalised": (".log_softmax(-1)).softmax(-1)", ".log_softmax(-1)).exp()", "geometric-mean"),
    "equal weights": ("p_drop ** (units - kept)", "p_drop ** (units - kept) * 0 + 2.0**-units", "enumeration"),
    # Training
    "limit on the length": ("squared_limit**0.5", "squared_limit", "weight-limit"),
    "limit on outgoing weights": ("weight.renorm_(2, 0,", "weight.renorm_(2, 1,", "weight-limit"),
    "limit on the sum of absolute values": ("weight.renorm_(2, 0,", "weight.renorm_(1, 0,", "weight-limit"),
    "limit of the journal paper": ("max_norm_(weight, 15)", "max_norm_(weight, 4)", "steps"),
    "limit on the output too": ("isinstance(layer, nn.Linear)][:-1]", "isinstance(layer, nn.Linear)]", "steps"),
    "gradients count in full": ("(1 - p) * rate", "rate", "steps"),
    "velocity not kept": ("velocity.mul_(p)", "velocity.mul_(0)", "steps"),
    "momentum from the start": ("0.5 + 0.49 * min(epoch / 500, 1)", "0.99", "schedules"),
    "momentum goes on rising": ("min(epoch / 500, 1)", "epoch / 500", "schedules"),
    "rate falls by 2 %": ("0.998**epoch", "0.98**epoch", "schedules"),
    "rate of ordinary gradient descent": ("return 10 *", "return 0.1 *", "schedules"),
    "variance of 0.01": ("std=0.01", "std=0.1", "initial-weights"),
    # Networks
    "one hidden layer": (
        "        nn.Linear(hidden, hidden),\n        nn.Sigmoid(),\n        Dropout(hidden_dropout),\n", "",
        "parameters-800"),
    "biases of 1": ("nn.init.zeros_(layer.bias)", "nn.init.ones_(layer.bias)", "initial-weights"),
    "rectified units": (
        "nn.Linear(784, hidden),\n        nn.Sigmoid()", "nn.Linear(784, hidden),\n        nn.ReLU()", "networks"),
    "softmax inside": ("nn.Linear(hidden, classes),\n", "nn.Linear(hidden, classes), nn.Softmax(-1),\n", "networks"),
}
# fmt: on


@pytest.mark.parametrize(("old", "new", "claim"), ERRORS.values(), ids=ERRORS)
def test_an_error_turns_a_claim_red(old: str, new: str, claim: str) -> None:
    assert red_claims("dropout", old, new, claims=[claim]) == {claim}


def test_scaling_in_training_parts_from_torch_times_one_less_p() -> None:
    old, new = "return x * self.mask(x) if", "return x * self.mask(x) / (1 - self.p_drop) if"
    assert red_claims("dropout", old, new, tiers=[Tier.PARITY]) == {"parity-torch"}


def test_without_an_error_nothing_is_red() -> None:
    report = verify(Library.load()["dropout"], tiers=CHEAP)
    assert not [(claim.id, claim.reason) for claim in report.claims if claim.status is not Status.VERIFIED]


@pytest.mark.parametrize("variant", variants("dropout"))
def test_every_variant_gives_one_score_a_class(variant: str) -> None:
    with torch.device("meta"):
        assert build("dropout", variant, classes=7)(torch.empty(2, 784)).shape == (2, 7)


def test_nothing_is_left_of_one_unit_that_is_dropped() -> None:
    x, layer = torch.ones(1, 1), nn.Linear(1, 3)
    mean = mean_network(nn.Sequential(Dropout(0.5), layer))
    assert torch.allclose(geometric_mean(layer, x), mean(x).softmax(-1))


def test_training_lowers_the_loss() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(20, 50), nn.Sigmoid(), Dropout(0.5), nn.Linear(50, 3))
    sgd, x, y = HintonSGD(network), torch.rand(100, 20), torch.arange(100) % 3
    losses = []
    for _ in range(50):
        network.zero_grad()
        loss = nn.functional.cross_entropy(network(x), y)
        loss.backward()
        sgd.step(epoch=0)
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert network[0].weight.square().sum(1).max() <= 15.001
