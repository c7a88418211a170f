"""Measurements of DenseNet that no count on a single network gives."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from math import sqrt
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from catalog.verify.training import constant
from reproductions.checks.digits import train_on_digits
from reproductions.checks.measuring import distance, normalised, randomise
from reproductions.densenet import VARIANTS, DenseLayer, DenseNet, build, dense_block, transition
from reproductions.resnet import initialise
from reproductions.resnet_v2 import bn_relu_conv

if TYPE_CHECKING:
    from catalog.verify.training import Run


def depth() -> dict[str, int]:
    """Convolutions and fully connected layers of every variant."""
    return {
        variant: sum(isinstance(module, nn.Conv2d | nn.Linear) for module in _network(variant).modules())
        for variant in VARIANTS
    }


def feature_maps() -> dict[str, list[int]]:
    """Channels and sides of the maps behind the stem and behind each block and transition."""
    maps = {}
    for variant, side in (
        ("densenet121", 224),
        ("densenet161", 224),
        ("densenet-40-12", 32),
        ("densenet-bc-100-12", 32),
    ):
        network = _network(variant)
        x = network.stem(torch.empty(1, 3, side, side, device="meta"))
        shapes = [x.shape]
        for part in network.blocks:
            x = part(x)
            shapes.append(x.shape)
        maps[f"{variant}_channels"] = [shape[1] for shape in shapes]
        maps[f"{variant}_sides"] = [shape[2] for shape in shapes]
    return maps


def compression() -> float:
    """Parameters of 100 layers with k = 12 over those with bottlenecks and compression."""
    plain, bc = (
        sum(parameter.numel() for parameter in _network(variant).parameters())
        for variant in ("densenet-100-12", "densenet-bc-100-12")
    )
    return plain / bc


def concatenation() -> dict[str, float | list[int]]:
    """A block of six layers with k = 12 on 24 channels: what of its output differs from its input and its layers."""
    torch.manual_seed(0)
    block = randomise(dense_block(24, 6, 12, lambda inputs: DenseLayer(inputs, 12)))
    made: list[Tensor] = []
    widths: list[int] = []
    for layer in block:
        layer.layers.register_forward_hook(lambda _module, _inputs, output: made.append(output))
        layer.register_forward_hook(lambda _module, inputs, _output: widths.append(inputs[0].shape[1]))
    x = torch.randn(2, 24, 5, 5, dtype=torch.float64)
    with torch.no_grad():
        y = block(x)
    return {
        "input": distance(y[:, :24], x),
        "layers": max(distance(y[:, 24 + 12 * n : 36 + 12 * n], maps) for n, maps in enumerate(made)),
        "widths": widths,
    }


def connections() -> dict[str, int]:
    """How many pairs of a source (the input of a block, or an earlier layer) and a layer that reads it a block has."""
    counts = {}
    for layers in (6, 12):
        torch.manual_seed(0)
        block = randomise(dense_block(8, layers, 4, lambda inputs: DenseLayer(inputs, 4)))
        y = torch.randn(2, 8, 5, 5, dtype=torch.float64)
        count = 0
        for layer in block:
            y = y.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(layer.layers(y).square().sum(), y)
            sources = [gradient[:, :8], *gradient[:, 8:].split(4, dim=1)]
            count += sum(bool(source.any()) for source in sources)
            y = layer(y)
        counts[f"layers_{layers}"] = count
    return counts


def layers() -> dict[str, float]:
    """Differences between layers, a transition and Section 3 written out, with random weights and statistics.

    ``normalised_late`` is the usual slip: how much the order convolution, batch normalisation, ReLU would change.
    """
    torch.manual_seed(0)
    x = torch.randn(2, 12, 6, 6, dtype=torch.float64)
    plain, bottleneck = randomise(DenseLayer(12, 4, bottleneck=False)), randomise(DenseLayer(12, 4))
    between = randomise(transition(12, 5))
    with torch.no_grad():
        new = plain(x)[:, 12:]
        norm, _, convolution = plain.layers[:3]
        late = normalised(F.pad(F.conv2d(x, convolution.weight, padding=1), (0, 0, 0, 0, 0, 8)), norm)[:, :4].relu()
        return {
            "plain": distance(plain(x), torch.cat([x, _h(x, plain.layers)], 1)),
            "bottleneck": distance(
                bottleneck(x), torch.cat([x, _h(_h(x, bottleneck.layers[:4]), bottleneck.layers[4:])], 1)
            ),
            "transition": distance(between(x), F.avg_pool2d(_h(x, between), 2)),
            "normalised_late": distance(new, late),
        }


def network() -> dict[str, float]:
    """Largest difference between the 40-layer network and Section 3 written out, over the largest score.

    ``normalised_stem`` is how much a ReLU behind the first convolution would change.
    """
    torch.manual_seed(0)
    network = randomise(build("densenet-40-12"))
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]

    def written_out(y: Tensor) -> Tensor:
        for norm, convolution in zip(norms[:-1], convolutions[1:], strict=True):
            new = _conv(normalised(y, norm).relu(), convolution)
            y = torch.cat([y, new], 1) if convolution.kernel_size == (3, 3) else F.avg_pool2d(new, 2)
        classifier = network.head[-1]
        return normalised(y, norms[-1]).relu().mean((2, 3)) @ classifier.weight.T + classifier.bias

    with torch.no_grad():
        scores = network(x)
        y = _conv(x, network.stem)
        largest = float(scores.abs().max())
        return {
            "written_out": distance(scores, written_out(y)) / largest,
            "normalised_stem": distance(scores, written_out(y.relu())) / largest,
        }


def dropout() -> dict[str, float | int]:
    """Convolutions, those that dropout follows at once, and its rates; without dropout the rate and biases."""
    with torch.device("meta"):
        network = build("densenet-bc-100-12", dropout=0.2)
    modules = list(network.modules())
    pairs = [pair for module in modules if isinstance(module, nn.Sequential) for pair in pairwise(module)]
    rates = [b.p for a, b in pairs if isinstance(a, nn.Conv2d) and isinstance(b, nn.Dropout)]
    usual = list(_network("densenet-bc-100-12").modules())
    return {
        "convolutions": sum(isinstance(module, nn.Conv2d) for module in modules),
        "followed": len(rates),
        "lowest": min(rates),
        "highest": max(rates),
        "without": max(module.p for module in usual if isinstance(module, nn.Dropout)),
        "biases": sum(isinstance(module, nn.Conv2d) and module.bias is not None for module in usual),
    }


def implicit_supervision() -> dict[str, float]:
    """The gradient of the first of six layers when the convolutions of all others are zero, for a linear readout.

    ``difference`` is from the gradient in a block of the first layer alone; ``chain`` is the same gradient in six
    layers without concatenation.
    """
    torch.manual_seed(0)
    block = _silence(randomise(dense_block(8, 6, 4, lambda inputs: DenseLayer(inputs, 4))))
    x = torch.randn(2, 8, 5, 5, dtype=torch.float64)
    y = block(x)
    readout = torch.randn(y.shape, dtype=torch.float64)
    (y * readout).sum().backward()
    weight = block[0].layers[-2].weight
    found = weight.grad.clone()
    weight.grad = None
    (block[0](x) * readout[:, :12]).sum().backward()

    chain = _silence(randomise(nn.Sequential(*(bn_relu_conv(8, 8, 3, padding=1) for _ in range(6)))))
    (chain(x) * readout[:, :8]).sum().backward()
    return {
        "gradient": float(found.abs().max()),
        "difference": distance(found, weight.grad),
        "chain": float(chain[0][-1].weight.grad.abs().max()),
    }


def initialisation() -> dict[str, float]:
    """Standard deviations of fresh convolutions over sqrt(2 / fan-out)."""
    torch.manual_seed(0)
    weights = [m.weight.detach() for m in build("densenet-40-12").modules() if isinstance(m, nn.Conv2d)]
    ratios = [float(weight.std()) / sqrt(2 / (weight.numel() / weight.shape[1])) for weight in weights]
    return {"smallest_ratio": min(ratios), "largest_ratio": max(ratios)}


@cache
def _network(variant: str) -> DenseNet:
    with torch.device("meta"):
        return build(variant).eval()


def _h(x: Tensor, layers: nn.Sequential) -> Tensor:
    """The composite function H of Section 3: batch normalisation, ReLU, convolution."""
    return _conv(normalised(x, layers[0]).relu(), layers[2])


def _conv(x: Tensor, convolution: nn.Conv2d) -> Tensor:
    return F.conv2d(x, convolution.weight, padding=convolution.weight.shape[-1] // 2)


def _silence(chain: nn.Sequential) -> nn.Sequential:
    """Let all convolutions behind those of the first layer be zero."""
    for module in chain[1:].modules():
        if isinstance(module, nn.Conv2d):
            nn.init.zeros_(module.weight)
    return chain


# --- Training --------------------------------------------------------------------------------------------------------


def dense_and_plain(run: Run) -> dict[str, float]:
    """Training loss of the last epoch on digits: a plain chain of 18 layers minus 18 dense layers of about its size."""
    torch.manual_seed(run.seed)
    dense = DenseNet(
        nn.Conv2d(1, 16, 3, padding=1, bias=False),
        inputs=16,
        layer=lambda inputs: DenseLayer(inputs, 4, bottleneck=False),
        growth=4,
        blocks=(18,),
        compress=lambda channels: channels,
        classes=10,
    )
    torch.manual_seed(run.seed)
    plain = nn.Sequential(
        nn.Conv2d(1, 15, 3, padding=1, bias=False),
        *(bn_relu_conv(15, 15, 3, padding=1) for _ in range(18)),
        nn.Sequential(nn.BatchNorm2d(15), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(15, 10)),
    )
    initialise(plain)
    return {"plain_minus_dense": _loss_on_digits(run, "plain", plain) - _loss_on_digits(run, "dense", dense)}


def _loss_on_digits(run: Run, arm: str, network: nn.Module) -> float:
    return train_on_digits(run, arm, network, epochs=4, weight_decay=1e-4, schedule=constant)[1]
