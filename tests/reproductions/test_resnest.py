"""The errors that people make with ResNeSt, each made on purpose: a claim must turn red."""

from __future__ import annotations

import pytest
import torch

from catalog.records import Tier
from reproductions import build, variants
from reproductions.resnest import SplitAttention, deep_stem, pooled_projection, r_softmax
from tests.reproductions.broken import red_claims

WEIGHED = "(features * self.attention(features)[..., None, None]).sum(dim=1)"
SHORTCUT_POOL = "nn.AvgPool2d(2, stride, ceil_mode=True, count_include_pad=False)"
BRANCH_POOL = "[nn.AvgPool2d(3, stride, padding=1)] if stride > 1 else []"
ORDER = "(cardinality, radix, -1)).transpose(1, 2)"

# An error, what is changed into what, and one claim that must notice.
# fmt: off
ERRORS = {
    # The splits
    "splits of a cardinal group side by side": (
        "self.splits(x).unflatten(1, (self.radix, -1))",
        "self.splits(x).unflatten(1, (self.cardinality, self.radix, -1)).transpose(1, 2).flatten(2, 3)",
        "cardinality-major"),
    "groups of one split": (
        "padding=1, groups=radix * cardinality)", "padding=1, groups=cardinality)", "parameters-resnest50"),
    "splits without ReLU": ("groups=radix * cardinality)\n", "groups=radix * cardinality)[:2]\n", "cardinality-major"),
    # The attention
    "only the first split pooled": ("features.sum(dim=1)))", "features[:, 0]))", "cardinality-major"),
    "mean of the splits": ("features.sum(dim=1)))", "features.mean(dim=1)))", "cardinality-major"),
    "maximum over the map": ("nn.AdaptiveAvgPool2d(1)", "nn.AdaptiveMaxPool2d(1)", "cardinality-major"),
    "one group in the first layer": (
        "width, 1, groups=cardinality), nn", "width, 1), nn", "parameters-resnest50-fast-2s2x40d"),
    "one group in the second layer": (
        "radix * channels, 1, groups=cardinality", "radix * channels, 1", "parameters-resnest50-fast-2s2x40d"),
    "no biases": ("width, 1, groups=cardinality)", "width, 1, groups=cardinality, bias=False)", "parameters-resnest50"),
    "width of one split": ("max(channels * radix // 4, 32)", "max(channels // 4, 32)", "parameters-resnest50"),
    "the least is 16": ("// 4, 32)", "// 4, 16)", "parameters-resnest50-fast-1s1x64d"),
    "no normalisation": ("nn.BatchNorm2d(width), nn.ReLU()", "nn.Identity(), nn.ReLU()", "parameters-resnest50"),
    "no ReLU between the layers": ("nn.BatchNorm2d(width), nn.ReLU()", "nn.BatchNorm2d(width), nn.Identity()",
                                   "cardinality-major"),
    # The softmax
    "logits of a split side by side": (ORDER, "(radix, cardinality, -1))", "cardinality-major"),
    "logits of a channel side by side": (
        ORDER, "(cardinality, -1, radix)).permute(0, 3, 1, 2)", "cardinality-major"),
    "softmax over channels": ("logits.softmax(dim=1)", "logits.softmax(dim=2)", "weights-of-splits"),
    "a gate for each split": ("logits.softmax(dim=1) if radix > 1 else logits.sigmoid()", "logits.sigmoid()",
                              "weights-of-splits"),
    "softmax across one split": ("logits.softmax(dim=1) if radix > 1 else logits.sigmoid()", "logits.softmax(dim=1)",
                                 "one-split"),
    "weights not applied": (WEIGHED, "features.sum(dim=1)", "constant-logits"),
    "mean of the weighed splits": (WEIGHED, WEIGHED.replace("sum", "mean"), "constant-logits"),
    # The shortcut and the stem
    "a projection that drops pixels": (SHORTCUT_POOL, "nn.AvgPool2d(1, stride)", "shortcuts"),
    "windows cut off at the border": (SHORTCUT_POOL, "nn.AvgPool2d(2, stride)", "shortcuts"),
    "zeros beyond the border": (SHORTCUT_POOL, "nn.AvgPool2d(2, stride, padding=1, ceil_mode=True)", "shortcuts"),
    # It is the same function, at four times the cost.
    "average behind the projection": ("projection.insert(0, nn", "projection.insert(2, nn", "macs-resnest50"),
    "average in every shortcut": ("    if stride > 1:\n        projection", "    if True:\n        projection",
                                  "downsampling"),
    "stride in the second convolution": (
        "3, width, 3, stride=2, padding=1),\n        *conv_bn_relu(width, width, 3,",
        "3, width, 3, padding=1),\n        *conv_bn_relu(width, width, 3, stride=2,", "stems"),
    "stem of a third width": ("*conv_bn_relu(width, 2 * width", "*conv_bn_relu(width, width, 1),\n"
                              "        *conv_bn_relu(width, 2 * width", "parameters-resnest50"),
    "pool without padding": ("nn.MaxPool2d(3, stride=2, padding=1)", "nn.MaxPool2d(3, stride=2, ceil_mode=True)",
                             "stems"),
    # The blocks
    "padding not counted": ("3, stride, padding=1)]", "3, stride, padding=1, count_include_pad=False)]", "blocks"),
    "average of 2x2": (BRANCH_POOL, BRANCH_POOL.replace("3, stride, padding=1", "2, stride, ceil_mode=True"), "blocks"),
    "averages of the first stage too": (
        BRANCH_POOL, BRANCH_POOL.replace("stride > 1", "inputs != outputs"), "downsampling"),
    "the average at the other end": ("if fast else", "if not fast else", "downsampling"),
    "a ReLU behind the attention": (
        "else [attention, *average]", "else [attention, nn.ReLU(), nn.BatchNorm2d(channels), *average]",
        "parameters-resnest50"),
    "first layer without ReLU": ("*conv_bn_relu(inputs, channels, 1)", "*conv_bn(inputs, channels, 1)", "blocks"),
    "width of one group for all": ("width // 256 * cardinality", "width // 256", "parameters-resnest50-fast-2s2x40d"),
    # The networks
    "narrow stem": ('(3, 4, 23, 3), 2, 1, 64, 64', '(3, 4, 23, 3), 2, 1, 64, 32', "parameters-resnest101"),
    "block in the wrong stage": ("(3, 30, 48, 8)", "(3, 31, 47, 8)", "parameters-resnest269"),
}
# fmt: on


@pytest.mark.parametrize(("old", "new", "claim"), ERRORS.values(), ids=ERRORS)
def test_an_error_turns_a_claim_red(old: str, new: str, claim: str) -> None:
    assert red_claims("resnest", old, new, claims=[claim]) == {claim}


def test_an_average_in_the_first_stage_parts_from_a_peer() -> None:
    claim = "parity-timm-resnest50-fast-1s4x24d"
    new = BRANCH_POOL.replace("stride > 1", "inputs != outputs")
    assert red_claims("resnest", BRANCH_POOL, new, tiers=[Tier.PARITY], claims=[claim]) == {claim}


@pytest.mark.parametrize("variant", variants("resnest"))
def test_every_variant_gives_one_score_a_class(variant: str) -> None:
    with torch.device("meta"):
        assert build("resnest", variant, classes=7).eval()(torch.empty(2, 3, 32, 32)).shape == (2, 7)


@pytest.mark.parametrize(("radix", "cardinality"), [(1, 1), (1, 4), (2, 1), (3, 2)])
def test_attention_and_output_have_their_shapes(radix: int, cardinality: int) -> None:
    layer = SplitAttention(24, radix=radix, cardinality=cardinality).eval()
    features = layer.split(torch.zeros(2, 24, 5, 4))
    assert features.shape == (2, radix, 24, 5, 4)
    assert layer.attention(features).shape == (2, radix, 24)
    assert layer(torch.zeros(2, 24, 5, 4)).shape == (2, 24, 5, 4)


def test_logits_are_by_cardinal_group_and_weights_by_split() -> None:
    # Groups of two channels: the logits of split 0 of group 0, of split 1 of group 0, and the same of group 1.
    logits = torch.tensor([[0.0, 0, 9, 0, 0, 0, 0, 9]])
    chosen = r_softmax(logits, 2, 2) > 0.9
    assert chosen.tolist() == [[[False, False, False, False], [True, False, False, True]]]


def test_stem_and_shortcut_meet() -> None:
    x = torch.zeros(1, 3, 32, 32)
    assert deep_stem(8)(x).shape == (1, 16, 16, 16)
    assert pooled_projection(3, 5, 2)(x).shape == (1, 5, 16, 16)
