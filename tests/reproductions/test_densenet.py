"""The errors that people make with DenseNet, each made on purpose: a claim must turn red."""

from __future__ import annotations

import pytest
import torch

from reproductions.densenet import build
from tests.reproductions.broken import red_claims

CATENATED = "torch.cat([x, self.layers(x)], dim=1)"

# An error, what is changed into what, and one claim that must notice. No peer is needed.
# fmt: off
ERRORS = {
    # As other implementations have it
    "channels halved without compression, as pytorchcv": (
        "channels // 2 if is_bc else channels", "channels // 2", "parameters-densenet-40-12"),
    "2k channels in the stem of all": ("2 * growth if is_bc else 16", "2 * growth", "parameters-densenet-40-12"),
    "16 channels in the stem of all for CIFAR": (
        "2 * growth if is_bc else 16", "16 if is_for_cifar else 2 * growth", "parameters-densenet-bc-100-12"),
    "normalised stem for CIFAR": (
        "cifar_stem(inputs) if", "nn.Sequential(cifar_stem(inputs), nn.BatchNorm2d(inputs), nn.ReLU()) if",
        "parameters-densenet-40-12"),
    "rectified stem for CIFAR": (
        "cifar_stem(inputs) if", "nn.Sequential(cifar_stem(inputs), nn.ReLU()) if", "network"),
    "k = 32 in DenseNet-161": ('"densenet161": (48,', '"densenet161": (32,', "parameters-densenet161"),
    "64 channels in the stem of DenseNet-161": (
        "2 * growth if is_bc else 16", "64 if growth == 48 else 2 * growth if is_bc else 16", "parameters-densenet161"),
    # Layers
    "added instead of appended": (
        CATENATED, "torch.cat([x[:, :-4], x[:, -4:] + self.layers(x)], dim=1)", "concatenation"),
    "new maps first": (CATENATED, "torch.cat([self.layers(x), x], dim=1)", "concatenation"),
    "the input left out": (
        "return torch.cat", "return self.layers(x) if x.shape[1] < 9 else torch.cat", "connections"),
    "bottlenecks everywhere": ("        if bottleneck:", "        if True:", "parameters-densenet-40-12"),
    "convolution, normalisation, ReLU": (
        "bn_relu_conv(inputs, outputs, kernel, padding=kernel // 2)",
        "nn.Sequential(nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False), nn.BatchNorm2d(outputs), "
        "nn.ReLU())", "composite-function"),
    "maximum in transitions": ("nn.AvgPool2d(2)", "nn.MaxPool2d(2)", "composite-function"),
    "no dropout in transitions": ("1, dropout).append(", "1).append(", "dropout"),
    "no dropout in bottlenecks": ("4 * growth, 1, dropout", "4 * growth, 1", "dropout"),
    # Networks
    "one transition behind every block": (
        "        self.head =", "        self.blocks.append(transition(channels, channels))\n        self.head =",
        "parameters-densenet-40-12"),
    "no normalisation in front of the classifier": (
        "nn.BatchNorm2d(channels), nn.ReLU()", "nn.ReLU()", "parameters-densenet-40-12"),
    "no ReLU in front of the classifier": (
        "nn.BatchNorm2d(channels), nn.ReLU()", "nn.BatchNorm2d(channels)", "network"),
    "weights as torch draws them": ("        initialise(self)", "        pass", "initialisation"),
}
# fmt: on


@pytest.mark.parametrize("error", ERRORS)
def test_errors_turn_a_claim_red(error: str) -> None:
    old, new, claim = ERRORS[error]
    assert claim in red_claims("densenet", old, new, claims={claim})


def test_dropout_only_when_asked_for() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, 8, 8)
    for dropout, same in ((0.0, True), (0.2, False)):
        network = build("densenet-40-12", dropout=dropout)
        assert torch.equal(network(x), network(x)) is same


@pytest.mark.parametrize(("classes", "shape"), [(None, (1, 10)), (100, (1, 100))])
def test_classes(classes: int | None, shape: tuple[int, int]) -> None:
    with torch.device("meta"):
        assert build("densenet-40-12", classes=classes)(torch.empty(1, 3, 32, 32)).shape == shape
