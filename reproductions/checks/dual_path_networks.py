"""Measurements of dual path networks that no count on a single network gives."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reproductions.checks.digits import train_on_digits
from reproductions.checks.measuring import count_macs, count_parameters, distance, randomise
from reproductions.dual_path_networks import DPN, VARIANTS, DualPathBlock, build, higher_order, shared_reads
from reproductions.resnet import ResNet, imagenet_stem
from reproductions.resnext import ResNeXtBlock

if TYPE_CHECKING:
    from collections.abc import Callable

    from catalog.verify.training import Run


def model_sizes() -> dict[str, float]:
    """Parameters and moving averages in single precision, in units of 2^20 bytes."""
    sizes = {}
    for variant in VARIANTS:
        network = _network(variant)
        values = [*network.parameters(), *(value for value in network.buffers() if value.is_floating_point())]
        sizes[variant] = 4 * sum(value.numel() for value in values) / 2**20
    return sizes


def widths() -> dict[str, list[int]]:
    """Channels and sides of the maps behind the stem and each stage."""
    maps = {}
    for variant in ("dpn68", "dpn92"):
        network = _network(variant)
        x = network.stem(torch.empty(1, 3, 224, 224, device="meta"))
        shapes = [x.shape]
        for stage in network.stages:
            x = stage(x)
            shapes.append(x.shape)
        maps[f"{variant}_channels"] = [shape[1] for shape in shapes]
        maps[f"{variant}_sides"] = [shape[2] for shape in shapes]
    return maps


def against_resnext() -> dict[str, float]:
    """What DPN-98 saves of the parameters and multiply-accumulates of ResNeXt-101 (64x4d)."""
    with torch.device("meta"):
        block = partial(ResNeXtBlock, cardinality=64, width=4)
        resnext = ResNet(imagenet_stem(64), block, (64, 256, 512, 1024, 2048), (3, 4, 23, 3), classes=1000).eval()
    ours = _network("dpn98")
    return {
        "resnext_parameters": count_parameters(resnext),
        "resnext_macs": count_macs(resnext),
        "parameters": 1 - count_parameters(ours) / count_parameters(resnext),
        "macs": 1 - count_macs(ours) / count_macs(resnext),
    }


def normalisation() -> dict[str, float]:
    """Smallest and largest constant that batch normalisation adds to a variance, in all variants; and biases."""
    modules = [module for variant in VARIANTS for module in _network(variant).modules()]
    constants = [module.eps for module in modules if isinstance(module, nn.BatchNorm2d)]
    biased = sum(isinstance(module, nn.Conv2d) and module.bias is not None for module in modules)
    return {"smallest": min(constants), "largest": max(constants), "biases": biased}


def topologies() -> dict[str, float]:
    """Differences between eight steps of the dense topology and a residual network, in 6 dimensions.

    ``shared`` is with one f_t for all later steps, ``own`` with another for each.
    """
    torch.manual_seed(0)
    x = torch.randn(4, 6, dtype=torch.float64)
    own = torch.randn(8, 9, 6, 6, dtype=torch.float64) / 3
    steps = torch.randn(8, 6, 6, dtype=torch.float64) / 3

    def linear(weight: Tensor) -> Callable[[Tensor], Tensor]:
        return lambda h: h @ weight

    transforms = [lambda h, weight=weight: (h @ weight).relu() for weight in steps]
    residual = shared_reads(x, [linear(own[t, 0]) for t in range(8)], transforms)
    states, total = x, torch.zeros_like(x)
    for t in range(8):
        total = total + states @ own[t, 0]
        states = (total @ steps[t]).relu()
    return {
        "residual": distance(residual, states),
        "shared": distance(higher_order(x, lambda t, _: linear(own[t, 0]), transforms), residual),
        "own": distance(higher_order(x, lambda t, k: linear(own[t, k]), transforms), residual),
        "largest": float(residual.abs().max()),
    }


def paths() -> dict[str, float]:
    """A block with 64 residual channels and an increment of 16, on 64 + 48 channels: what its output has of its input.

    ``projected`` is the difference between the dense path of a first block and its projection.
    """
    torch.manual_seed(0)
    x = torch.randn(2, 112, 5, 5, dtype=torch.float64)
    block = randomise(DualPathBlock(112, 64, 32, 16, 4, first=False))
    first = randomise(DualPathBlock(112, 64, 32, 16, 4, 2, first=True))
    with torch.no_grad():
        y, z = block(x), first(x)
        return {
            "channels": y.shape[1],
            "dense": distance(y[:, 64:112], x[:, 64:]),
            "residual": float((y[:, :64] - x[:, :64]).abs().amax((0, 2, 3)).min()),
            "first_channels": z.shape[1],
            "first_side": z.shape[2],
            "projected": distance(z[:, 64:96], first.shortcut(x)[:, 64:]),
        }


def blocks() -> dict[str, float]:
    """Differences between blocks and Figure 2 written out; with inc = 0 and bw = 0 they are those of two ancestors."""
    torch.manual_seed(0)
    x = torch.randn(2, 24, 6, 6, dtype=torch.float64)
    usual = randomise(DualPathBlock(24, 16, 8, 4, 2, first=False))
    first = randomise(DualPathBlock(24, 16, 8, 4, 2, 2, first=True))
    residual = randomise(DualPathBlock(24, 24, 8, 0, 2, first=False))
    dense = randomise(DualPathBlock(24, 0, 8, 4, 2, first=False))
    with torch.no_grad():
        f = _branch(x, usual)
        differences = {
            "usual": distance(usual(x), torch.cat([x[:, :16] + f[:, :16], x[:, 16:], f[:, 16:]], 1)),
            "residual": distance(residual(x), x + _branch(x, residual)),
            "dense": distance(dense(x), torch.cat([x, _branch(x, dense)], 1)),
        }
        f, p = _branch(x, first, 2), _convolve(x, first.shortcut, 2)
        wanted = torch.cat([p[:, :16] + f[:, :16], p[:, 16:], f[:, 16:]], 1)
        return differences | {"first": distance(first(x), wanted)}


@cache
def _network(variant: str) -> DPN:
    with torch.device("meta"):
        return build(variant).eval()


def _branch(x: Tensor, block: DualPathBlock, stride: int = 1) -> Tensor:
    """The branch of a block whose 3x3 convolution has two groups."""
    x = _convolve(x, block.layers[:3])
    return _convolve(_convolve(x, block.layers[3:6], stride, groups=2), block.layers[6:])


def _convolve(x: Tensor, layers: nn.Sequential, stride: int = 1, groups: int = 1) -> Tensor:
    """Batch normalisation, ReLU, convolution, by functions alone."""
    norm, _, convolution = layers
    values = norm.running_mean, norm.running_var, norm.weight, norm.bias
    mean, variance, scale, shift = (value[:, None, None] for value in values)
    x = ((x - mean) / (variance + 1e-5).sqrt() * scale + shift).relu()
    weight = convolution.weight
    return F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2, groups=groups)


# --- Training --------------------------------------------------------------------------------------------------------


def digits(run: Run) -> dict[str, float]:
    """Share of the test digits that a small network gets right."""
    torch.manual_seed(run.seed)
    network = DPN(nn.Conv2d(1, 16, 3, padding=1, bias=False), 16, 32, 16, 4, (2, 2), (8, 8), classes=10)
    return {"accuracy": train_on_digits(run, "dual path", network, epochs=5)[0]}
