"""The errors that people make with two residual streams, each made on purpose: a claim must turn red."""

from __future__ import annotations

import pytest
import torch

from catalog.records import Tier
from reproductions import build, variants
from reproductions.resnet_in_resnet import RiRBlock
from tests.reproductions.broken import red_claims

RESIDUAL = "residual = self.conv_rr(r) + self.conv_tr(t)"
TRANSIENT = "self.norm_t(self.conv_rt(r) + self.conv_tt(t))"
PROJECTION = "nn.Conv2d(inputs, outputs, 1, stride, bias=False)"
INITIAL = "convolution.weight[:residual, :residual] += identity"
OUTER = "(r + self.shortcut(streams[0])).relu(), t.relu()"

# An error, what is changed into what, and one claim that must notice.
# fmt: off
ERRORS = {
    # The unit
    "normalised after each convolution": (
        TRANSIENT, "self.norm_t(self.conv_rt(r)) + self.norm_t(self.conv_tt(t))", "units"),
    "shortcut added behind the normalisation": (
        "return self.norm_r(residual)", "return self.norm_r(residual - r) + r", "units"),
    "one normalisation for both streams": (
        "self.norm_r, self.norm_t = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)",
        "self.norm_r = self.norm_t = nn.BatchNorm2d(outputs)", "normalisation"),
    "a shortcut for the transient stream": (TRANSIENT, TRANSIENT.replace("(t))", "(t) + t)"), "silent-units"),
    "crossing in one direction": (TRANSIENT, "self.norm_t(self.conv_tt(t))", "special-cases"),
    "crossing the wrong way": (RESIDUAL, RESIDUAL.replace("conv_tr(t)", "conv_tr(r)"), "one-convolution"),
    "the shortcut takes t": ("residual + self.shortcut(r)", "residual + self.shortcut(t)", "silent-units"),
    "no ReLU in the residual stream": ("return r.relu(), t.relu()", "return r, t.relu()", "units"),
    "biases": ("stride, padding=1, bias=False", "stride, padding=1", "normalisation"),
    "normalised projections": (
        PROJECTION, f"nn.Sequential({PROJECTION}, nn.BatchNorm2d(outputs))", "parameters-rir-cifar10"),
    # The rest
    "identity for all channels": ("weight[:residual, :residual] += identity",
                                  "weight += nn.init.dirac_(torch.empty_like(convolution.weight))", "one-convolution"),
    "the identity replaces the weights": (INITIAL, INITIAL.replace("+=", "="), "one-convolution"),
    "ResNet Init nowhere": ("if part is shortcut_for_new_shapes:", "if False:", "initial-weights"),
    "ResNet Init in the plain network": (
        "if part is shortcut_for_new_shapes:", "if part is not shortcut:", "initial-weights"),
    "ResNet Init before the weights are drawn": (
        "    return network\n", "    initialise(network)\n    return network\n", "initial-weights"),
    "ResNet Init and its shortcuts": (
        '"resnet-init-cifar10": (shortcut_for_new_shapes', '"resnet-init-cifar10": (shortcut', "shortcuts"),
    "no outer shortcut": (OUTER, "r.relu(), t.relu()", "units"),
    "outer shortcut behind the ReLU": (OUTER, "r.relu() + self.shortcut(streams[0]), t.relu()", "units"),
    "one stream classified": ("torch.cat(streams, dim=1)", "streams[0]", "macs-rir-cifar10"),
    "one first convolution for both": ("return self.residual(x), self.transient(x)",
                                       "return self.residual(x), self.residual(x)", "units"),
    "as narrow as ResNet": ("(48, 48, 96, 192)", "(48, 16, 32, 192)", "feature-maps"),
    "stages of equal length": ("(4, 6, 6)", "(6, 6, 6)", "layers"),
    "another classifier": ("*conv_bn(384, classes or usual_classes, 1)",
                           "nn.Conv2d(384, classes or usual_classes, 1)", "parameters-rir-cifar10"),
}
# fmt: on


@pytest.mark.parametrize(("old", "new", "claim"), ERRORS.values(), ids=ERRORS)
def test_an_error_turns_a_claim_red(old: str, new: str, claim: str) -> None:
    assert red_claims("resnet_in_resnet", old, new, claims=[claim]) == {claim}


def test_an_error_parts_from_the_peer() -> None:
    claims = ["parity-pytorchcv-rir-cifar10"]
    old, new = TRANSIENT, TRANSIENT.replace("(t))", "(t).abs())")
    assert red_claims("resnet_in_resnet", old, new, tiers=[Tier.PARITY], claims=claims) == set(claims)


@pytest.mark.parametrize("variant", variants("resnet-in-resnet"))
def test_every_variant_gives_one_score_a_class(variant: str) -> None:
    with torch.device("meta"):
        assert build("resnet-in-resnet", variant, classes=7).eval()(torch.empty(2, 3, 32, 32)).shape == (2, 7)


def test_blocks_chain() -> None:
    streams = torch.zeros(2, 6, 8, 8), torch.zeros(2, 6, 8, 8)
    r, t = torch.nn.Sequential(RiRBlock(6, 6, 1), RiRBlock(6, 8, 2))(streams)
    assert r.shape == t.shape == (2, 8, 4, 4)
