"""The errors that people make with ESPNetv2, each made on purpose: a claim must turn red."""

from __future__ import annotations

import pytest
import torch

from catalog.records import Tier
from reproductions import build, variants
from reproductions.espnet_v2 import rates_within
from tests.reproductions.broken import red_claims

REDUCTION = "conv_bn_prelu(inputs, outputs // BRANCHES, 1, groups=BRANCHES)"
SUM = "self.activate(torch.cat([self.pool(x), self.layers(x)], 1) + self.shortcut(image))"

# An error, what is changed into what, and one claim that must notice. No peer is needed.
# fmt: off
ERRORS = {
    "width not capped in front": ("min(32, width)", "width", "feature-maps"),
    "eight branches": ("BRANCHES = 4", "BRANCHES = 8", "rates"),
    "pointwise convolutions without groups": (REDUCTION, "conv_bn_prelu(inputs, outputs // BRANCHES, 1)",
        "cost-of-the-unit"),
    "full dilated convolutions, as in ESPNet": ("dilation=rate, groups=channels", "dilation=rate, groups=1",
        "cost-of-the-unit"),
    "rates double, as in ESPNet": ("else 1 for rate in range(1, BRANCHES + 1)", "else 1 for rate in (1, 2, 4, 8)",
        "rates"),
    "rates not sorted": ("sorted(rate if 2 * rate + 1 <= field else 1 for rate in range(1, BRANCHES + 1))",
        "[rate if 2 * rate + 1 <= field else 1 for rate in range(1, BRANCHES + 1)]", "rates"),
    "a pixel less to see": ("2 * rate + 1 <= field", "2 * rate + 1 < field", "rates"),
    "the same limit for all units of a stage": ("StridedEESP(inputs, outputs, rates_within(largest))",
        "StridedEESP(inputs, outputs, rates_within(larger))", "rates"),
    "sums without the first branch, as in ESPNet": (
        "hierarchical_fusion([branch(x) for branch in self.branches])",
        "[self.branches[0](x), *hierarchical_fusion([branch(x) for branch in self.branches[1:]])]", "fusion"),
    "no sums": ("hierarchical_fusion([branch(x) for branch in self.branches])",
        "[branch(x) for branch in self.branches]", "fusion"),
    "image forgotten": (SUM, "self.activate(torch.cat([self.pool(x), self.layers(x)], 1))", "image-reinforcement"),
    "pooled input behind the new channels": (
        "[self.pool(x), self.layers(x)], 1) +", "[self.layers(x), self.pool(x)], 1) +", "image-reinforcement"),
    "all channels new": ("eesp(inputs, outputs - inputs, rates", "eesp(inputs, outputs, rates", "feature-maps"),
    "a unit more in each stage": ("(3, 11, 9), (7, 9, 7), (3, 7, 5)", "(4, 11, 9), (8, 9, 7), (4, 7, 5)",
        "parameters-espnetv2-s10"),
    "1,024 features at every width": ('"espnetv2-s20": (64, 1280)', '"espnetv2-s20": (64, 1024)',
        "parameters-espnetv2-s20"),
    "no second pointwise convolution": (
        "        conv_bn(outputs, outputs, 1, groups=BRANCHES),\n", "", "cost-of-the-unit"),
    "last convolution without groups": ("conv_bn_prelu(inputs, features, 1, groups=BRANCHES)",
        "conv_bn_prelu(inputs, features, 1)", "macs-espnetv2-s10"),
    "image at full resolution": ("x, image = self.stem(image), self.pool(image)", "x = self.stem(image)",
        "macs-espnetv2-s10"),
    "more dropout": ("nn.Dropout(0.2)", "nn.Dropout(0.5)", "dropout"),
    "another formula": ("+ kernel**2 * width * branches", "+ kernel**2 * width**2 * branches", "cost-of-the-unit"),
}

# These leave every count as it is.
SUBTLE_ERRORS = {
    "residual behind the activation": ("self.activate(x + self.layers(x))", "x + self.activate(self.layers(x))"),
    "activation in front of the sum with the image": (
        SUM, "self.activate(torch.cat([self.pool(x), self.layers(x)], 1)) + self.shortcut(image)"),
    "padded with the opposite border": ("3, stride, padding=rate", "3, stride, padding=rate, padding_mode='circular'"),
    "maximum pool in a strided unit": (
        "self.pool = nn.AvgPool2d(3, stride=2, padding=1)\n        self.layers",
        "self.pool = nn.MaxPool2d(3, stride=2, padding=1)\n        self.layers"),
    "epsilon of ESPNet": ("nn.BatchNorm2d(outputs)", "nn.BatchNorm2d(outputs, 1e-3)"),
    "no activation in front of the second pointwise convolution": (
        "        nn.BatchNorm2d(outputs),\n        nn.PReLU(outputs),\n", "        nn.BatchNorm2d(outputs),\n"),
}
# fmt: on


@pytest.mark.parametrize(("old", "new", "claim"), ERRORS.values(), ids=ERRORS)
def test_an_error_turns_a_claim_red(old: str, new: str, claim: str) -> None:
    assert red_claims("espnet_v2", old, new, claims=[claim]) == {claim}


@pytest.mark.parametrize(("old", "new"), SUBTLE_ERRORS.values(), ids=SUBTLE_ERRORS)
def test_a_subtle_error_parts_from_the_peer(old: str, new: str) -> None:
    claim = "parity-pytorchcv-espnetv2-s05"
    assert red_claims("espnet_v2", old, new, tiers=[Tier.PARITY], claims=[claim]) == {claim}


@pytest.mark.parametrize("variant", variants("espnet-v2"))
def test_every_variant_gives_one_score_a_class(variant: str) -> None:
    with torch.device("meta"):
        assert build("espnet-v2", variant, classes=7).eval()(torch.empty(2, 3, 224, 224)).shape == (2, 7)


def test_images_of_any_size_are_classified() -> None:
    assert build("espnet-v2", "espnetv2-s05").eval()(torch.zeros(1, 3, 45, 70)).shape == (1, 1000)


@pytest.mark.parametrize(
    ("field", "rates"), [(3, [1, 1, 1, 1]), (5, [1, 1, 1, 2]), (8, [1, 1, 2, 3]), (9, [1, 2, 3, 4])]
)
def test_no_kernel_sees_more_than_it_may(field: int, rates: list[int]) -> None:
    assert rates_within(field) == rates
    assert max(2 * rate + 1 for rate in rates) <= field
