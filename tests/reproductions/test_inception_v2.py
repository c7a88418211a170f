"""The errors that people make with batch normalisation, each made on purpose: a claim must turn red."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from catalog.datasets import Dataset, Split
from catalog.records import Tier
from catalog.verify.training import Run
from reproductions import build, variants
from reproductions.checks import inception_v2 as checks
from reproductions.inception_v2 import BatchNorm, population_statistics
from tests.reproductions.broken import red_claims

STATISTICS = "variance, mean = torch.var_mean(x, _over(x), correction=0)\n"
DX = "dx = dx_hat * scale + d_variance * 2 * deviation / m + d_mean / m"

# An error, what is changed into what, and one claim that must notice.
# fmt: off
ERRORS = {
    # The transform
    "divided by m - 1": (STATISTICS, STATISTICS.replace("=0", "=1"), "transform"),
    "eps outside of the root": (
        "(_like(x, variance) + eps).sqrt()", "(_like(x, variance).sqrt() + eps)", "transform"),
    "not centred": ("x_hat = (x - _like(x, mean))", "x_hat = x", "transform"),
    "shift in front of the scale": (
        "return _like(x, gamma) * x_hat + _like(x, beta)", "return _like(x, gamma) * (x_hat + _like(x, beta))",
        "transform"),
    "statistics outside of the gradient": (
        STATISTICS, STATISTICS + "        mean, variance = mean.detach(), variance.detach()\n", "bias-in-front"),
    "each image alone": ("if dimension != 1]", "if dimension > 1 or x.dim() == 2 and dimension == 0]", "convolutional"),
    "each place alone": ("for dimension in range(x.dim()) if dimension != 1", "for dimension in (0,)", "convolutional"),
    # Gradients
    "variance taken for a constant": (DX, "dx = dx_hat * scale + d_mean / m", "gradients"),
    "mean taken for a constant": (DX, "dx = dx_hat * scale + d_variance * 2 * deviation / m", "gradients"),
    "gradient of gamma not normalised": ("dy * deviation * scale).sum", "dy * deviation).sum", "gradients"),
    "gamma forgotten": ("dx_hat = dy * _like(x, gamma)", "dx_hat = dy", "gradients"),
    # Inference
    "biased moving average": ("variance * m / (m - 1)", "variance", "population"),
    "batch for positions": ("m = x.numel() // x.shape[1]\n        with", "m = len(x)\n        with", "parity-torch"),
    "momentum the other way round": (
        "running_mean.lerp_(mean, self.momentum)", "running_mean.lerp_(mean, 1 - self.momentum)", "parity-torch"),
    "statistics of the batch in inference": ("if not self.training:", "if False:", "inference"),
    "moved in inference": ("if not self.training:", "self.running_mean += 1\n        if not self.training:",
                           "inference"),
    "moving average for the mean": ("norm.momentum = 1 / number", "norm.momentum = 0.1", "population"),
    "population in inference mode": ("network.train()\n", "network.eval()\n", "population"),
    "left in training": ("network.train(training)", "network.train()", "population"),
    "folded without the layer's bias": ("bias = 0 if layer.bias is None else layer.bias", "bias = 0", "folded"),
    "folded without eps": ("(norm.running_var + norm.eps).sqrt()", "norm.running_var.sqrt()", "folded"),
    "folded shift not scaled": (
        "norm.beta + (bias - norm.running_mean) * scale", "norm.beta + bias - norm.running_mean * scale", "folded"),
    # In networks
    "behind the nonlinearity": (
        "BatchNorm(layer.weight.shape[0]), nonlinearity())", "nonlinearity(), BatchNorm(layer.weight.shape[0]))",
        "perceptrons"),
    "biases kept": ("nn.Linear(inputs, outputs, bias=False)", "nn.Linear(inputs, outputs)", "perceptrons"),
    "last layer normalised": (
        "network.append(nn.Linear(features, classes))",
        "network.extend([nn.Linear(features, classes), BatchNorm(classes)])",
        "parameters-of-the-perceptron"),
    "larger weights": ("std=0.05", "std=0.5", "small-gaussian-weights"),
    "uniform weights": ("nn.init.normal_(layer.weight, std=0.05)", "nn.init.uniform_(layer.weight, -0.0866, 0.0866)",
                        "small-gaussian-weights"),
    # The module
    "stride in the first of two": (
        "conv(d3_reduce, d3, 3), conv(d3, d3, 3, stride=stride)",
        "conv(d3_reduce, d3, 3, stride=stride), conv(d3, d3, 3)", "modules"),
    "stride in the reduction": (
        "conv(inputs, c3_reduce, 1), conv(c3_reduce, c3, 3, stride=stride)",
        "conv(inputs, c3_reduce, 1, stride=stride), conv(c3_reduce, c3, 3)", "modules"),
    "5x5 kept": ("conv(d3_reduce, d3, 3), conv(d3, d3, 3, stride", "conv(d3_reduce, d3, 5, stride", "depth"),
    "padded pool": ("nn.MaxPool2d(3, stride=2, ceil_mode=True))", "nn.MaxPool2d(3, stride=2, padding=1))", "modules"),
    "average of the map alone": (
        '{"avg": nn.AvgPool2d,', '{"avg": partial(nn.AvgPool2d, count_include_pad=False),', "modules"),
    "1x1 last": (
        "conv(inputs, c1, 1), simple, double, projected", "simple, double, projected, conv(inputs, c1, 1)", "modules"),
    # The network
    "5b averages": ('192, 224, "max", 128)', '192, 224, "avg", 128)', "changes"),
    "5a takes the maximum": ('160, 224, "avg", 128)', '160, 224, "max", 128)', "changes"),
    "96 behind the pool of 4c": ('160, 128, 160, "avg", 128)', '160, 128, 160, "avg", 96)', "output-channels"),
    "128 behind that of 4d": ('192, 160, 192, "avg", 96)', '192, 160, 192, "avg", 128)', "output-channels-576"),
    "pool in front of 3a rounds down": (
        "nn.MaxPool2d(3, stride=2, ceil_mode=True),  # 192", "nn.MaxPool2d(3, stride=2),  # 192", "output-sides"),
    "maximum for the last pool": ("nn.AdaptiveAvgPool2d(1)", "nn.AdaptiveMaxPool2d(1)", "classifier"),
    "multiplier of 1": ('{"multiplier": 8}', '{"multiplier": 1}', "first-layer"),
    "normalised between the steps": (
        "nn.Sequential(depthwise, *", "nn.Sequential(depthwise, BatchNorm(maps), *", "normalisation"),
    "ReLU for sigmoid": ('{"nonlinearity": nn.Sigmoid}', '{"nonlinearity": nn.ReLU}', "normalisation"),
    "always with biases": (
        "partial(convolution, bias=bias,", "partial(convolution, bias=True,", "parameters-without-biases"),
}
# fmt: on


@pytest.mark.parametrize(("old", "new", "claim"), ERRORS.values(), ids=ERRORS)
def test_an_error_turns_a_claim_red(old: str, new: str, claim: str) -> None:
    assert red_claims("inception_v2", old, new, tiers=list(Tier), claims=[claim]) == {claim}


@pytest.mark.parametrize("variant", [name for name in variants("inception-v2") if name.startswith("bn")])
def test_every_variant_gives_one_score_a_class(variant: str) -> None:
    with torch.device("meta"):
        assert build("inception-v2", variant, classes=7).eval()(torch.empty(2, 3, 224, 224)).shape == (2, 7)


@pytest.mark.parametrize("size", [(3, 784), (3, 28, 28), (3, 1, 28, 28)])
def test_the_perceptron_takes_images_and_vectors(size: tuple[int, ...]) -> None:
    assert build("inception-v2", "mnist-mlp-bn", classes=7)(torch.zeros(size)).shape == (3, 7)


def test_population_statistics_leave_the_network_as_it_was() -> None:
    network = nn.Sequential(nn.Linear(3, 4), BatchNorm(4, momentum=0.2), nn.Dropout(0.5))
    gamma = network[1].gamma.clone()
    population_statistics(network, [torch.randn(5, 3) for _ in range(3)])
    assert network.training
    assert network[1].momentum == 0.2
    assert torch.equal(network[1].gamma, gamma)


def test_the_experiment_of_figure_1_runs_on_any_digits() -> None:
    images = torch.randint(256, (60, 1, 28, 28), generator=torch.Generator().manual_seed(0)).byte()
    split = Split(images, torch.arange(60) % 10)
    run = Run(0, load=lambda name: Dataset(name, split, split, fingerprint="", is_release=False))
    early, late, movement = checks._figure_1(run, steps=3)
    assert early.keys() == late.keys() == movement.keys() == {"with", "without"}
    assert min(movement.values()) > 0
    assert {len(curve) for arm in run.curves.values() for curve in arm.values()} == {3}
