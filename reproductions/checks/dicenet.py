"""Measurements of DiCENet that no count on a single network gives."""

from __future__ import annotations

from copy import deepcopy
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reproductions.checks.measuring import count_parameters, count_weights, distance, randomise, relative_distance
from reproductions.dicenet import VARIANTS, DiCE, DiCENet, DimConv, DimFuse, build


def parameters_at_other_widths() -> dict[str, int]:
    """Parameters of the variants that are not counted one by one."""
    variants = ("dicenet-s050", "dicenet-s075", "dicenet-s125", "dicenet-s175")
    return {variant: count_parameters(_network(variant)) for variant in variants}


def feature_maps() -> dict[str, list[int]]:
    """Channels and sides behind the stem and each stage at 224, channels behind its first unit, and units."""
    network = _network("dicenet-s100")
    with torch.no_grad():
        x = network.stem(torch.empty(1, 3, 224, 224, device="meta"))
        shapes, first_units = [x.shape], []
        for stage in network.stages:
            first_units.append(stage[0](x).shape[1])
            x = stage(x)
            shapes.append(x.shape)
    return {
        "channels": [shape[1] for shape in shapes],
        "sides": [shape[2] for shape in shapes],
        "first_units": first_units,
        "units": [len(stage) for stage in network.stages],
    }


def planes_one_by_one() -> dict[str, float | list[int]]:
    """Dimension-wise convolution of 8 channels, 5 rows and 7 columns against one convolution after another.

    Also the shapes of its kernels, and its weights.
    """
    torch.manual_seed(0)
    layer = DimConv(8, 5, 7).double()
    x = torch.randn(2, 8, 5, 7, dtype=torch.float64)
    convolutions = {"depth": layer.depth, "height": layer.height, "width": layer.width}
    measured: dict[str, float | list[int]] = {}
    with torch.no_grad():
        branches = layer(x).chunk(3, 1)
        for dimension, (name, convolution) in enumerate(convolutions.items(), start=1):
            measured[name] = distance(branches[dimension - 1], _by_planes(x, convolution.weight, dimension))
            measured[f"{name}_kernels"] = list(convolution.weight.shape)
    return measured | {"weights": count_weights(layer)}


def neighbours() -> dict[str, list[int]]:
    """First and last channel, row and column of each branch that see channel 4, row 2 and column 3 of a map."""
    layer = DimConv(8, 5, 7).double()
    for convolution in (layer.depth, layer.height, layer.width):
        nn.init.ones_(convolution.weight)
    x = torch.zeros(1, 8, 5, 7, dtype=torch.float64)
    x[0, 4, 2, 3] = 1
    measured = {}
    with torch.no_grad():
        for name, maps in zip(("depth", "height", "width"), layer(x).chunk(3, 1), strict=True):
            seen = maps[0].nonzero()
            for place, low, high in zip(("channels", "rows", "columns"), seen.amin(0), seen.amax(0), strict=True):
                measured[f"{name}_{place}"] = [int(low), int(high)]
    return measured


def cost_of_fusion() -> dict[str, float | int]:
    """Weights of fusion for 116 channels, those of them that work at every place, and of a pointwise convolution."""
    fuse = DimFuse(116, 116)
    everywhere = count_weights(fuse.local) + count_weights(fuse.project)
    pointwise = count_weights(nn.Conv2d(3 * 116, 116, 1))
    return {
        "fusion": count_weights(fuse),
        "everywhere": everywhere,
        "pointwise": pointwise,
        "factor": pointwise / count_weights(fuse),
        "factor_everywhere": pointwise / everywhere,
    }


def local_fusion() -> dict[str, float]:
    """Locally fused maps against the sum of the three maps of each channel, all weights one, without activation.

    ``without_shuffle`` is how far the sum of three maps that lie side by side is from it.
    """
    torch.manual_seed(0)
    fuse = DimFuse(8, 8).double()
    nn.init.ones_(fuse.local[0].weight)
    del fuse.local[1:]
    x = torch.randn(2, 24, 5, 5, dtype=torch.float64)
    with torch.no_grad():
        wanted = sum(x.chunk(3, 1))
        fused: list[Tensor] = []
        fuse.project.register_forward_pre_hook(lambda _, inputs: fused.append(inputs[0]))
        fuse(x)
        return {
            "with_shuffle": distance(fused[0], wanted),
            "without_shuffle": distance(fuse.local(x), wanted),
        }


def fusion_written_out() -> dict[str, float]:
    """Differences between dimension-wise fusion and its definition by functions alone, relative to the largest output.

    From 8 channels to 12 the projection has 4 groups. ``gate_of_the_projection`` computes the gate from what it opens
    for, as squeeze and excitation would.
    """
    torch.manual_seed(0)
    differences = {}
    with torch.no_grad():
        x = torch.randn(2, 24, 5, 7, dtype=torch.float64)
        for outputs, groups in ((8, 8), (12, 4)):
            fuse = randomise(DimFuse(8, outputs))
            y = x[:, [8 * part + channel for channel in range(8) for part in range(3)]]
            fused = _activated(F.conv2d(y, fuse.local[0].weight, groups=8), fuse.local)
            projected = _activated(F.conv2d(fused, fuse.project[0].weight, padding=1, groups=groups), fuse.project)
            differences[f"to_{outputs}"] = relative_distance(fuse(x), projected * _gate(fuse, fused))
            if outputs == 8:
                differences["gate_of_the_projection"] = relative_distance(fuse(x), projected * _gate(fuse, projected))
    return differences


def resizing() -> dict[str, float]:
    """What a unit made for 6 rows and columns does with 4 rows and 9 columns.

    The difference of the depth branch from a depthwise convolution of the map as it is, and of the others from their
    definition, in which only their own side is brought to 6 and back.
    """
    torch.manual_seed(0)
    layer = DimConv(8, 6, 6).double()
    x = torch.randn(2, 8, 4, 9, dtype=torch.float64)
    with torch.no_grad():
        depth, rows, columns = layer(x).chunk(3, 1)
        enlarged = _by_planes(_linear(4, 6) @ x, layer.height.weight, 2)
        shrunk = _by_planes(x @ _averages(9, 6).T, layer.width.weight, 3)
        return {
            "depth": distance(depth, _by_planes(x, layer.depth.weight, 1)),
            "rows": distance(rows, _averages(6, 4) @ enlarged),
            "columns": distance(columns, shrunk @ _linear(6, 9).T),
        }


def parameters_by_size() -> list[int]:
    """Parameters of networks made for 192, 224 and 256."""
    with torch.device("meta"):
        return [count_parameters(build("dicenet-s100", size=size)) for size in (192, 224, 256)]


def sides_of_units() -> list[int]:
    """The rows, and the columns, that the units of each stage have kernels for, in a network made for 224."""
    sides = []
    for stage in _network("dicenet-s100").stages:
        units = [unit[0] for unit in stage.modules() if isinstance(unit, DiCE)]
        sides += sorted({layer.in_channels for unit in units for layer in (unit.height, unit.width)})
    return sides


def dropout() -> dict[str, float]:
    """Share of the features that are dropped in front of the classifier in training."""
    torch.manual_seed(0)
    shares = {}
    for variant in VARIANTS:
        layer = deepcopy(_network(variant).head[3]).train()
        shares[variant] = float((layer(torch.ones(500, 1024)) == 0).double().mean())
    return shares


@cache
def _network(variant: str) -> DiCENet:
    with torch.device("meta"):
        return build(variant).eval()


def _by_planes(x: Tensor, kernels: Tensor, dimension: int) -> Tensor:
    """Convolve the planes of a map along one of its dimensions one by one; those of a column are (height, channels)."""
    if dimension == 3:
        return _by_planes(x.transpose(1, 3), kernels, 1).transpose(1, 3)
    planes = zip(x.unbind(dimension), kernels, strict=True)
    return torch.stack([F.conv2d(plane[:, None], kernel[None], padding=1)[:, 0] for plane, kernel in planes], dimension)


def _linear(old: int, new: int) -> Tensor:
    """The matrix of linear interpolation from ``old`` points to ``new``, the first and the last of which agree."""
    places = torch.arange(new, dtype=torch.float64)[:, None] * (old - 1) / (new - 1)
    return (1 - (places - torch.arange(old, dtype=torch.float64)).abs()).clamp(min=0)


def _averages(old: int, new: int) -> Tensor:
    """The matrix that averages ``old`` points in ``new`` windows, which overlap where one does not divide the other."""
    matrix = torch.zeros(new, old, dtype=torch.float64)
    for row in range(new):
        start, end = row * old // new, -(-(row + 1) * old // new)
        matrix[row, start:end] = 1 / (end - start)
    return matrix


def _activated(x: Tensor, layers: nn.Sequential) -> Tensor:
    _, norm, prelu = layers
    x = F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias)
    return F.prelu(x, prelu.weight)


def _gate(fuse: DimFuse, x: Tensor) -> Tensor:
    first, _, second, _ = fuse.weigh.excite
    z = F.linear(x.mean((2, 3)), first.weight.flatten(1)).relu()
    return F.linear(z, second.weight.flatten(1)).sigmoid()[:, :, None, None]
