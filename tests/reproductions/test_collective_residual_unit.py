"""The errors that people make with collective residual units, each made on purpose: a claim must turn red."""

from __future__ import annotations

import pytest
import torch

from reproductions import build, variants
from reproductions.collective_residual_unit import block_terms
from tests.reproductions.broken import red_claims

# An error, what is changed into what, and one claim that must notice.
# fmt: off
ERRORS = {
    # Block terms
    "groups of one channel": ("size = middle.shape[1]", "size = 1", "one-convolution"),
    "only the first term": (".sum(0)", "[0]", "block-sizes-decide-the-unit"),
    "inputs for outputs": ('"od,dehw,ei->oihw"', '"od,dehw,ei->iohw"', "one-convolution"),
    "the last factor forgotten": ("in reversed(others)]", "in others[:1]]", "block-sizes-decide-the-unit"),
    "last factors in the wrong order": ("in reversed(others)]", "in others]", "block-sizes-decide-the-unit"),
    # Units without sharing
    "as wide as a bottleneck of ResNet": ("cardinality * width * outputs // 256", "outputs // 4", "parameters-cru56"),
    "no groups": ("padding=1, groups=cardinality", "padding=1", "units"),
    "stride in the 1x1": (
        "inputs, channels, 1),\n            *bn_relu_conv(channels, channels, 3, stride=stride,",
        "inputs, channels, 1, stride=stride),\n            *bn_relu_conv(channels, channels, 3,", "units"),
    "projections without a normalisation of their own": (
        "bn_relu_conv(inputs, outputs, 1, stride=stride)", "bn_relu_conv(inputs, outputs, 1, stride=stride)[2:]",
        "units"),
    "a ReLU behind the addition": ("self.shortcut(x) + self.layers(x)", "(self.shortcut(x) + self.layers(x)).relu()",
                                   "units"),
    # Shared factors
    "a normalisation between the factors": (
        "F.conv2d(self.first(x), self", "F.conv2d(F.batch_norm(self.first(x), None, None, training=True), self",
        "units"),
    "a ReLU between the factors": ("self.first(x), self", "self.first(x).relu(), self", "units"),
    "a 3x3 of 32 groups": ("rank, 3, groups=rank", "rank, 3, groups=32", "parameters-cru56"),
    "the stride forgotten": ("stride=stride, padding=1, groups=self.rank", "padding=1, groups=self.rank",
                             "feature-maps"),
    "nothing shared": ("if position % share == 0", "if True", "what-is-shared"),
    "everything shared": ("if position % share == 0", "if position == 0", "sets-of-factors"),
    "copies for shared factors": ("self.factors = factors\n", "self.factors = SharedFactors(outputs, factors.rank)\n",
                                  "what-is-shared"),
    "gradients of shared factors cut": ("self.factors(self.act", "self.factors.requires_grad_(False)(self.act",
                                        "gradients-add-up"),
    # Collective units
    "no normalisation of the branch of its own": (
        "nn.Sequential(nn.BatchNorm2d(outputs), nn.ReLU())", "nn.ReLU()", "another-unit"),
    "three layers": ("            *bn_relu_conv(factors.rank, factors.rank, 1),\n", "", "another-unit"),
    "a projection of its own in the shortcut": ("if inputs != outputs:\n", "if False:\n", "parameters-cru56"),
    "one normalisation for branch and shortcut": (
        "self.shortcut[2].weight = self.widen[2].weight",
        "self.shortcut[2].weight = self.widen[2].weight; self.shortcut[0] = self.widen[0]", "parameters-cru56"),
    "the branch reads less than the whole map": (
        "projection(inputs, outputs, 1)", "projection(inputs, outputs, stride)", "macs-cru56"),
    # Networks
    "no activation in front of the classifier": ("nn.BatchNorm2d(inputs), nn.ReLU(), nn.Ada", "nn.Ada", "network"),
    "the first stage halves the map": ("2 if number > 0 and", "2 if", "feature-maps"),
    "a rank of the wrong stage": ("(None, 352, 704, None), 6)", "(None, 704, 352, None), 6)", "sets-of-factors"),
}
# fmt: on


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_turns_a_claim_red(error: str) -> None:
    old, new, claim = ERRORS[error]
    assert red_claims("collective_residual_unit", old, new, claims=[claim]) == {claim}


@pytest.mark.parametrize("variant", variants("collective-residual-unit"))
def test_every_variant_gives_one_score_a_class(variant: str) -> None:
    with torch.device("meta"):
        network = build("collective-residual-unit", variant, classes=7).eval()
        assert network(torch.empty(2, 3, 64, 64)).shape == (2, 7)


def test_factors_must_fit() -> None:
    with pytest.raises(ValueError, match="shorter"):
        block_terms(torch.zeros(8, 3), torch.zeros(6, 2, 3, 3), torch.zeros(3, 8))
