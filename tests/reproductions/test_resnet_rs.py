"""The errors that people make with ResNet-RS, each made on purpose: a claim must turn red."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from catalog.records import Tier
from reproductions import build
from reproductions.resnet_rs import DropBranch, MovingAverage
from tests.reproductions.broken import red_claims

DROP = "x * x.new_empty(len(x), 1, 1, 1).bernoulli_(kept) / kept"
AVERAGE = "self.decay * average + (1 - self.decay) * now if now.is_floating_point() else now"
BOTTLENECK = "partial(Bottleneck, shortcut=pooled_projection, stride_in_1x1=False)"
RATES = '[1 - survival(place, number, 1 - last, "linear") for place in range(1, number + 1)]'

# An error, what is changed into what, and one claim that must notice.
# fmt: off
ERRORS = {
    # Training
    "more smoothing": ("epsilon=0.1", "epsilon=0.2", "label-smoothing"),
    "sharp labels": ("epsilon=0.1", "epsilon=0.0", "label-smoothing"),
    "a whole wave": ("math.pi * step / total", "2 * math.pi * step / total", "schedule"),
    "a line": ("(1 + math.cos(math.pi * step / total)) / 2", "1 - step / total", "schedule"),
    "decay and rest exchanged": (AVERAGE, AVERAGE.replace("self.decay * average + (1 - self.decay) * now",
                                                          "(1 - self.decay) * average + self.decay * now"),
                                 "moving-average"),
    "the average is the network": ("deepcopy(network)", "network", "moving-average"),
    "faster decay": ("decay: float = 0.9999", "decay: float = 0.999", "moving-average"),
    "counters averaged": (" if now.is_floating_point() else now)", ")", "moving-average"),
    "only parameters averaged": (
        "self.network.state_dict().values(), network.state_dict().values()",
        "self.network.parameters(), network.parameters()", "moving-average"),
    "averages normalised by their batch": (".eval().requires_grad_(False)", ".requires_grad_(False)", "moving-average"),
    # Stochastic depth
    "not divided": (" / kept\n", "\n", "dropped-branches"),
    "divided by the drop rate": (" / kept\n", " / self.drop_rate\n", "dropped-branches"),
    "the rate of those kept": ("kept = 1 - self.drop_rate", "kept = self.drop_rate", "dropped-branches"),
    "one draw for the whole batch": (DROP, DROP.replace("len(x)", "1"), "dropped-branches"),
    "single values dropped": (DROP, DROP.replace("x.new_empty(len(x), 1, 1, 1)", "torch.empty_like(x)"),
                              "dropped-branches"),
    "weighed in a test": (
        "            return x\n", "            return x * (1 - self.drop_rate)\n", "dropped-branches"),
    "dropped in a test": ("if not self.training or self.drop_rate == 0:", "if False:", "dropped-branches"),
    "one rate for all": ('"linear"', '"uniform"', "drop-rates"),
    "counted from 0": ("range(1, number + 1)", "range(number)", "drop-rates"),
    "early blocks dropped more often": (RATES, RATES + "[::-1]", "drop-rates"),
    "probabilities of survival": (RATES, RATES.replace("1 - survival(", "survival("), "drop-rates"),
    "one drop rate for the stage": ("number = sum(blocks)", "number = len(blocks) + sum(blocks)", "drop-rates"),
    "no dropout": ("    network.head.insert(2, nn.Dropout(dropout))\n", "", "settings"),
    # Stem, blocks and shortcuts
    "max pool kept": (".extend(conv_bn_relu(64, 64, 3, stride=2, padding=1))",
                      ".append(nn.MaxPool2d(3, stride=2, padding=1))", "architecture"),
    "no fourth convolution": (".extend(conv_bn_relu(64, 64, 3, stride=2, padding=1))", "", "stem"),
    "wide stem": ("deep_stem(32).extend(conv_bn_relu(64,", "deep_stem(64).extend(conv_bn_relu(128,", "stem"),
    "ratio 1/16": ("reduction=4", "reduction=16", "parameters-resnetrs50"),
    "gate of the width inside": ("reduction=4", "reduction=1", "architecture"),
    "no gate": ("with_se(bottleneck, reduction=4)", "bottleneck", "architecture"),
    "stride in the 1x1": ("stride_in_1x1=False", "stride_in_1x1=True", "architecture"),
    "projections that drop pixels": (BOTTLENECK, "partial(Bottleneck, stride_in_1x1=False)", "blocks"),
    # Networks
    "blocks of ResNet-152 with 200 layers": ("(3, 24, 36, 3)", "(3, 8, 36, 3)", "parameters-resnetrs200"),
}
# fmt: on


@pytest.mark.parametrize(("old", "new", "claim"), ERRORS.values(), ids=ERRORS)
def test_an_error_turns_a_claim_red(old: str, new: str, claim: str) -> None:
    assert red_claims("resnet_rs", old, new, claims=[claim]) == {claim}


def test_projections_that_drop_pixels_part_from_a_peer() -> None:
    new, claim = "partial(Bottleneck, stride_in_1x1=False)", "parity-timm-resnetrs50"
    assert red_claims("resnet_rs", BOTTLENECK, new, tiers=[Tier.PARITY], claims=[claim]) == {claim}


def test_a_network_gives_one_score_a_class() -> None:
    with torch.device("meta"):
        assert build("resnet-rs", "resnetrs50", classes=7).eval()(torch.empty(2, 3, 32, 32)).shape == (2, 7)


def test_an_average_has_its_own_weights_and_takes_in_those_of_the_network() -> None:
    network = nn.Linear(2, 1)
    average = MovingAverage(network, decay=0.5)
    before = network.weight.clone()
    with torch.no_grad():
        network.weight.add_(2)
    assert torch.equal(average.network.weight, before)
    average.update(network)
    torch.testing.assert_close(average.network.weight, before + 1)
    assert network.weight.requires_grad
    assert not average.network.weight.requires_grad


def test_training_drops_branches_image_by_image() -> None:
    torch.manual_seed(0)
    kept = DropBranch(0.5).train()(torch.ones(64, 3, 2, 2)).flatten(1)
    assert {tuple(row) for row in kept.tolist()} == {(0.0,) * 12, (2.0,) * 12}
