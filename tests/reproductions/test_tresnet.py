"""The errors that people make with TResNet, each made on purpose: a claim must turn red."""

from __future__ import annotations

import pytest
import torch

from reproductions import build, variants
from reproductions.tresnet import BlurPool, SpaceToDepth
from tests.reproductions.broken import red_claims

ORDER = "for i in range(4) for j in range(4)"
BASIC_SE = "            squeeze_and_excite(outputs, outputs // 4),\n"
INNER_SE = "            squeeze_and_excite(width, outputs // 8) if se else nn.Identity(),\n"

# An error, what is changed into what, and one claim that must notice. No peer is needed.
# fmt: off
ERRORS = {
    # The stem
    "columns of a block first": (ORDER, "for j in range(4) for i in range(4)", "space-to-depth"),
    "channels first, as pixel_unshuffle": (
        f"torch.cat([x[:, :, i::4, j::4] {ORDER}], dim=1)", "F.pixel_unshuffle(x, 4)", "space-to-depth"),
    "a row lost": ("x[:, :, i::4, j::4]", "x[:, :, max(i, 1)::4, j::4]", "space-to-depth"),
    "blocks of 2x2": (f"x[:, :, i::4, j::4] {ORDER}", "x[:, :, i::2, j::2] for i in range(2) for j in range(2)",
        "feature-maps"),
    "slope of the blocks in the stem": ("conv_abn(48, width, 3, slope=1e-2)", "conv_abn(48, width, 3)", "ends"),
    # The blur
    "mean of 3x3 pixels": ("[1, 2, 1]) / 4", "[1, 1, 1]) / 3", "blur"),
    "blurred in one direction": ("torch.outer(row, row)", "torch.outer(row.new_tensor([0, 1, 0]), row)", "blur"),
    "zeros at the border": (', mode="reflect"', "", "blur"),
    "border repeated": ('mode="reflect"', 'mode="replicate"', "blur"),
    "not halved": ("kernel, stride=2, groups", "kernel, groups", "feature-maps"),
    "halved alone": (
        "torch.outer(row, row)", "torch.outer(*2 * (row.new_tensor([0, 1, 0]),))", "blur"),
    "stride in the convolution, no blur": (
        "conv_abn(inputs, outputs, 3),\n            BlurPool() if stride == 2 else nn.Identity()",
        "conv_bn(inputs, outputs, 3, stride=stride, padding=1).append(nn.LeakyReLU(1e-3)),\n            nn.Identity()",
        "blocks"),
    # The activation
    "plain ReLU": ("nn.LeakyReLU(slope)", "nn.ReLU()", "invertible"),
    "slope of the stem everywhere": ("slope: float = 1e-3", "slope: float = 1e-2", "basic-block"),
    "activation in front of the addition": (
        "conv_bn(width, outputs, 1)", "conv_abn(width, outputs, 1)", "bottleneck"),
    "activation in front of SE": (
        "conv_bn(outputs, outputs, 3, padding=1)", "conv_abn(outputs, outputs, 3)", "basic-block"),
    # SE
    "as narrow as it comes": ("width = max(width, 64)", "width = max(width, 1)", "se-widths"),
    "no bias": ("nn.Conv2d(width, channels, 1)", "nn.Conv2d(width, channels, 1, bias=False)", "parameters-tresnet-m"),
    "a sixteenth, as in SENet": ("squeeze_and_excite(width, outputs // 8)", "squeeze_and_excite(width, outputs // 16)",
        "se-widths"),
    "none in basic blocks": (BASIC_SE, "            nn.Identity(),\n", "blocks"),
    "in the last stage too": ("partial(Bottleneck, se=False)", "Bottleneck", "blocks"),
    "in front of the blur": (
        f"            BlurPool() if stride == 2 else nn.Identity(),\n{INNER_SE}",
        f"{INNER_SE}            BlurPool() if stride == 2 else nn.Identity(),\n", "bottleneck"),
    # The shortcut
    "strided projection": (
        "pool = [nn.AvgPool2d(2, ceil_mode=True)] if stride == 2 else []\n"
        "    return nn.Sequential(*pool, *projection(inputs, outputs, 1))",
        "return projection(inputs, outputs, stride)", "bottleneck"),
    "maximum for mean": ("nn.AvgPool2d(2", "nn.MaxPool2d(2", "odd-maps"),
    "border left out": ("nn.AvgPool2d(2, ceil_mode=True)", "nn.AvgPool2d(2)", "odd-maps"),
    # The networks
    "basic blocks in the third stage": (
        "stage(Bottleneck, 2 * width", "stage(BasicBlock, 2 * width", "blocks"),
    "bottlenecks in the second": ("stage(BasicBlock, width, 2 * width", "stage(Bottleneck, width, 2 * width", "blocks"),
    "starts with all its branches": ("        nn.init.zeros_(layers[2][1].weight)\n", "", "start"),
    "starts with the branches of bottlenecks": ("        nn.init.zeros_(layers[4][1].weight)\n", "", "start"),
    "as torch starts": ("        initialise(self)\n", "", "start"),
    "width rounded up": ('"tresnet-l": (76,', '"tresnet-l": (77,', "parameters-tresnet-l"),
    "repeats of L in XL": ('"tresnet-xl": (83, (4, 5, 24, 3))', '"tresnet-xl": (83, (4, 5, 18, 3))',
        "parameters-tresnet-xl"),
    "maximum in front of the classifier": ("nn.AdaptiveAvgPool2d(1)", "nn.AdaptiveMaxPool2d(1)", "ends"),
}
# fmt: on


@pytest.mark.parametrize(("old", "new", "claim"), ERRORS.values(), ids=ERRORS)
def test_an_error_turns_a_claim_red(old: str, new: str, claim: str) -> None:
    assert red_claims("tresnet", old, new, claims=[claim]) == {claim}


@pytest.mark.parametrize("variant", variants("tresnet"))
def test_every_variant_gives_one_score_a_class(variant: str) -> None:
    with torch.device("meta"):
        assert build("tresnet", variant, classes=7).eval()(torch.empty(2, 3, 224, 224)).shape == (2, 7)


def test_the_stem_takes_images_of_any_number_of_channels() -> None:
    assert SpaceToDepth()(torch.zeros(2, 1, 8, 12)).shape == (2, 16, 2, 3)


def test_a_blur_halves_maps_of_odd_size_too() -> None:
    assert BlurPool()(torch.zeros(1, 3, 7, 8)).shape == (1, 3, 4, 4)
