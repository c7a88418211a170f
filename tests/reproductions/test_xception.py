"""The errors that people make with Xception, each made on purpose: a claim must turn red."""

from __future__ import annotations

import pytest
import torch

from catalog.records import Tier
from reproductions import build, variants
from tests.reproductions.broken import red_claims

ERRORS = {  # what is changed, into what, and a claim that must notice
    "padded stem": ("conv_bn(3, 32, 3, stride=2)", "conv_bn(3, 32, 3, stride=2, padding=1)", "macs"),
    "padded second layer": ("conv_bn(32, 64, 3)", "conv_bn(32, 64, 3, padding=1)", "feature-maps"),
    "exit widens early": ("module(728, 728, 1024, pool=True)", "module(728, 1024, 1024, pool=True)", "widths"),
    "sixteen middle modules": ("range(8)", "range(16)", "parameters"),  # as in the networks of DeepLab
    "pool without padding": ("stride=2, padding=1))", "stride=2, ceil_mode=True))", "macs"),
    "shortcuts not removed": ('{"residual": False}', "{}", "parameters-without-shortcuts"),
    "one segment": ("groups=segments", "groups=1", "segments"),
    "less dropout": ("nn.Dropout(0.5)", "nn.Dropout(0.2)", "dropout"),
    "ReLU for nothing": (
        "outputs: int, between: type[nn.Module] = nn.Identity",
        "outputs: int, between: type[nn.Module] = nn.ReLU",
        "factorised-kernel",
    ),
    "ReLU for ELU": ('{"between": nn.ELU}', '{"between": nn.ReLU}', "activation-between"),
    "product for sum": (
        "self.layers(x) + self.shortcut(x)",
        "self.layers(x) * self.shortcut(x)",
        "shortcuts-removed",
    ),
}

# These leave every count as it is; only another implementation of the function sees them.
SUBTLE_ERRORS = {
    "leading ReLU misplaced": ("if not leading_relu:", "if leading_relu:"),
    "ReLU changes the shortcut's input": ("[nn.ReLU(), SeparableConv2d", "[nn.ReLU(inplace=True), SeparableConv2d"),
    "average pool": ("nn.MaxPool2d(3, stride=2, padding=1)", "nn.AvgPool2d(3, stride=2, padding=1)"),
    "ReLU after the sum": (
        "return self.layers(x) + self.shortcut(x)",
        "return (self.layers(x) + self.shortcut(x)).relu()",
    ),
    "no last ReLU": ("nn.BatchNorm2d(2048),\n                nn.ReLU(),", "nn.BatchNorm2d(2048),"),
    "no first ReLU": ("stride=2), nn.ReLU(), ", "stride=2), "),
}


@pytest.mark.parametrize(("old", "new", "claim"), ERRORS.values(), ids=ERRORS)
def test_an_error_turns_a_claim_red(old: str, new: str, claim: str) -> None:
    assert claim in red_claims("xception", old, new)


@pytest.mark.parametrize(("old", "new"), SUBTLE_ERRORS.values(), ids=SUBTLE_ERRORS)
def test_a_subtle_error_parts_from_the_peer(old: str, new: str) -> None:
    assert red_claims("xception", old, new, tiers=[Tier.PARITY], claims=["parity-timm"]) == {"parity-timm"}


@pytest.mark.parametrize("variant", variants("xception"))
def test_every_variant_gives_one_score_a_class(variant: str) -> None:
    with torch.device("meta"):
        assert build("xception", variant, classes=7).eval()(torch.empty(2, 3, 299, 299)).shape == (2, 7)
