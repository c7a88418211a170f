"""The errors that people make with NFNet, each made on purpose: a claim must turn red."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from catalog.records import Tier
from reproductions import build
from reproductions.nfnet import ScaledWSConv2d, adaptive_gradient_clip
from tests.reproductions.broken import red_claims

CLAMPED = "(fan_in * variance).clamp(min=1e-4).rsqrt()"
LIMIT = "clip * unit_norm(parameter).clamp(min=eps)"
SHORTCUT = "shortcut = x if self.shortcut is None else self.shortcut(h)"
RESET = "(variance if position else 1.0) + ALPHA**2"
SUM = "ALPHA * self.gain * self.drop(2 * self.layers(h)) + shortcut"

# An error, what is changed into what, and one claim that must notice. No peer is needed.
# fmt: off
ERRORS = {
    # Weight standardisation
    "timm's constant": (CLAMPED, "(fan_in * (variance + 1e-5)).rsqrt()", "small-kernels"),
    "a constant added": (CLAMPED, "(fan_in * variance + 1e-4).rsqrt()", "scaled-weight-standardisation"),
    "unbiased variance": ("correction=0, keepdim", "correction=1, keepdim", "scaled-weight-standardisation"),
    "no fan-in": (CLAMPED, "variance.clamp(min=1e-4).rsqrt()", "scaled-weight-standardisation"),
    "no mean": ("(self.weight - mean) * (self", "self.weight * (self", "scaled-weight-standardisation"),
    "gain ignored": ("(self.gain * (fan_in", "((fan_in", "scaled-weight-standardisation"),
    "one mean for all kernels": (
        "torch.var_mean(self.weight, (1, 2, 3),", "torch.var_mean(self.weight, (0, 1, 2, 3),",
        "scaled-weight-standardisation"),
    "no standardisation": ("F.conv2d(x, self.standardised(),", "F.conv2d(x, self.weight,", "block-equations"),
    "no bias": ("self.standardised(), self.bias,", "self.standardised(), None,", "block-equations"),
    "symmetric padding": (
        "[max(kernel - (side % stride or stride), 0) for side in x.shape[:1:-1]]", "[kernel - 1, kernel - 1]",
        "block-equations"),
    "an odd zero in front": (
        "(both // 2, both - both // 2)", "(both - both // 2, both // 2)", "block-equations"),
    "height for width": ("x.shape[:1:-1]", "x.shape[2:]", "block-equations"),
    # Activations
    "gamma left out": ("self.gamma * self.function(x)", "self.function(x)", "scaled-activations"),
    "ReLU": ('name: str = "gelu"', 'name: str = "relu"', "block-equations"),
    "gamma of He's initialisation": ("1.7139588594436646", "1.4142135623730951", "scaled-activations"),
    # Deviations
    "no reset": (RESET, "variance + ALPHA**2", "expected-deviations"),
    "reset to 1 without growth": (RESET, "variance + ALPHA**2 if position else 1.0", "expected-deviations"),
    "reset in front of the first block": (
        "            betas.append(sqrt(variance))\n            variance = (variance if position else 1.0) + ALPHA**2",
        "            variance = variance if position else 1.0\n            betas.append(sqrt(variance))\n"
        "            variance += ALPHA**2", "expected-deviations"),
    "variance for deviation": ("betas.append(sqrt(variance))", "betas.append(variance)", "expected-deviations"),
    "alpha for its square": (RESET, "(variance if position else 1.0) + ALPHA", "expected-deviations"),
    "beta multiplies": ("self.activation(x) / self.beta", "self.activation(x) * self.beta", "block-equations"),
    "beta in front of the activation": (
        "self.activation(x) / self.beta", "self.activation(x / self.beta)", "block-equations"),
    # Blocks
    "no factor of 2 behind the gates": ("self.drop(2 * self.layers(h))", "self.drop(self.layers(h))",
                                        "block-equations"),
    "no alpha": (SUM, "self.gain * self.drop(2 * self.layers(h)) + shortcut", "block-equations"),
    "alpha on the shortcut": (SUM, f"{SUM} * ALPHA", "block-equations"),
    "SkipInit starts at 1": ("nn.Parameter(torch.zeros(()))", "nn.Parameter(torch.ones(()))", "skip-init"),
    "no SkipInit, as timm's nfnet_f0": (
        "self.gain = nn.Parameter(torch.zeros(()))", "self.gain = 1.0", "parameters-f0"),
    "the activated input kept": (SHORTCUT, "shortcut = h if self.shortcut is None else self.shortcut(h)", "skip-init"),
    "transitions project x": (SHORTCUT, "shortcut = x if self.shortcut is None else self.shortcut(x)",
                              "block-equations"),
    "strided shortcut": (
        "nn.Sequential(pool, ScaledWSConv2d(inputs, outputs, 1))", "ScaledWSConv2d(inputs, outputs, 1, stride=stride)",
        "block-equations"),
    "a projection everywhere": ("if inputs != outputs or stride > 1:", "if True:", "parameters-f0"),
    "pool rounds down": ("nn.AvgPool2d(stride, ceil_mode=True)", "nn.AvgPool2d(stride)", "block-equations"),
    "maximum pool": ("nn.AvgPool2d(stride, ceil", "nn.MaxPool2d(stride, ceil", "block-equations"),
    "a quarter, as in ResNet": ("width = outputs // 2", "width = outputs // 4", "parameters-f0"),
    "bottleneck of the inputs": ("width = outputs // 2", "width = inputs // 2", "blocks"),
    "groups of 64": ("group_width: int = 128,\n        dropout", "group_width: int = 64,\n        dropout", "blocks"),
    "one 3x3": (
        "            ScaledActivation(),\n            ScaledWSConv2d(width, width, 3, groups=groups),\n", "",
        "parameters-f0"),
    "stride in the second 3x3": (
        "3, stride=stride, groups=groups),\n            ScaledActivation(),\n"
        "            ScaledWSConv2d(width, width, 3, groups=groups)",
        "3, groups=groups),\n            ScaledActivation(),\n"
        "            ScaledWSConv2d(width, width, 3, stride=stride, groups=groups)", "macs-f0"),
    "SE of SENet": ("SEBlock(outputs, reduction=2)", "SEBlock(outputs)", "parameters-f0"),
    # Stochastic depth
    "divided by what stays": (
        "1 - self.drop_rate))", "1 - self.drop_rate) / (1 - self.drop_rate))", "stochastic-depth"),
    "one gate for all images": ("x[:, :1, :1, :1]", "x[:1, :1, :1, :1]", "stochastic-depth"),
    "dropped in a test": ("if not self.training or self.drop_rate == 0:", "if self.drop_rate == 0:",
                          "stochastic-depth"),
    "the last block reaches the rate": (
        'survival(number, len(betas), 0.75, "linear")', 'survival(number + 1, len(betas), 0.75, "linear")',
        "rates-of-stochastic-depth"),
    "the same rate everywhere": ('0.75, "linear")', '0.75, "uniform")', "rates-of-stochastic-depth"),
    # Networks
    "ResNet's widths": ("WIDTHS = (256, 512, 1536, 1536)", "WIDTHS = (256, 512, 1024, 2048)", "parameters-f0"),
    "ResNet's depths": ("(1, 2, 6, 3)]", "(3, 4, 6, 3)]", "parameters-f0"),
    "F-N has N times the blocks": ('"nfnet-f1": (2,', '"nfnet-f1": (1,', "parameters-f1"),
    "no last convolution": ("ScaledWSConv2d(channels, 2 * channels, 1)", "nn.Identity()", "feature-maps"),
    "an activation behind the stem": (
        "ScaledWSConv2d(third, channels, 3, stride=2),", "ScaledWSConv2d(third, channels, 3, stride=2),\n"
        "            ScaledActivation(),", "feature-maps"),
    "classifier of zeros": ("std=0.01)", "std=0.0)", "initialisation"),
    "dropout as in F0": ('"nfnet-f6": (7, 0.5,', '"nfnet-f6": (7, 0.2,', "dropout"),
    # Clipping
    "layers for units": (
        "return torch.linalg.vector_norm(x, dim=tuple(range(1, x.dim())), keepdim=True)",
        "return torch.linalg.vector_norm(x)", "units"),
    "every bias a unit": ("if x.squeeze().dim() <= 1:", "if x.dim() < 1:", "units"),
    "every gain a unit": ("if x.squeeze().dim() <= 1:", "if x.dim() <= 1:", "units"),
    "eps added": (LIMIT, "clip * (unit_norm(parameter) + eps)", "adaptive-gradient-clipping"),
    "no eps": (LIMIT, "clip * unit_norm(parameter)", "adaptive-gradient-clipping"),
    "eps is the limit": (LIMIT, "(clip * unit_norm(parameter)).clamp(min=eps)", "adaptive-gradient-clipping"),
    "always rescaled, as in LARS": ("norm > largest", "norm > 0", "adaptive-gradient-clipping"),
    "the ratio not divided by the norm": ("(largest / norm)", "largest", "adaptive-gradient-clipping"),
    "the largest element for the norm": (
        "x.dim())), keepdim=True)", 'x.dim())), ord=float("inf"), keepdim=True)', "adaptive-gradient-clipping"),
}
# fmt: on


@pytest.mark.parametrize(("old", "new", "claim"), ERRORS.values(), ids=ERRORS)
def test_an_error_turns_a_claim_red(old: str, new: str, claim: str) -> None:
    assert red_claims("nfnet", old, new, claims=[claim]) == {claim}


@pytest.mark.parametrize(
    ("old", "new", "claim"),
    [
        pytest.param("(side % stride or stride)", "stride", "parity-timm-f0", id="padding"),
        pytest.param(SUM, "ALPHA * self.gain * self.drop(self.layers(h)) + shortcut", "parity-timm-f0", id="gates"),
        pytest.param(LIMIT, "clip * unit_norm(parameter)", "parity-timm-clipping", id="clipping"),
        pytest.param(CLAMPED, "(fan_in * (variance + 1e-5)).rsqrt()", "parity-timm-standardisation", id="constant"),
    ],
)
def test_an_error_parts_from_the_peer(old: str, new: str, claim: str) -> None:
    assert red_claims("nfnet", old, new, tiers=[Tier.PARITY], claims=[claim]) == {claim}


@pytest.mark.parametrize("variant", ["nfnet-f0", "nfnet-f4-plus"])
def test_a_variant_gives_one_score_a_class(variant: str) -> None:
    with torch.device("meta"):
        assert build("nfnet", variant, classes=7).eval()(torch.empty(2, 3, 64, 96)).shape == (2, 7)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("side", [1, 6, 7])
def test_a_convolution_rounds_the_side_up(side: int, stride: int) -> None:
    y = ScaledWSConv2d(2, 3, 3, stride=stride)(torch.zeros(1, 2, side, side + 1))
    assert y.shape == (1, 3, -(-side // stride), -(-(side + 1) // stride))


def test_clipping_lets_a_gradient_of_zero_be_zero() -> None:
    parameter = nn.Parameter(torch.zeros(3, 2))
    parameter.grad = torch.zeros(3, 2)
    adaptive_gradient_clip([parameter])
    assert torch.equal(parameter.grad, torch.zeros(3, 2))
