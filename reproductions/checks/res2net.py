"""Measurements of Res2Net that no count on a single network gives."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reproductions import resnet
from reproductions.checks.digits import train_on_digits
from reproductions.checks.measuring import (
    conv_then_norm,
    count_macs,
    count_parameters,
    distance,
    normal,
    randomise,
)
from reproductions.layers import conv_bn_relu
from reproductions.res2net import Hierarchy, Res2Block, build
from reproductions.resnet import Bottleneck, ResNet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalog.verify.training import Run


def settings() -> dict[str, list[int]]:
    """Blocks in each stage; channels of a group in each stage; widths, groups and strides; how blocks begin stages.

    ``…_connected`` are the blocks of each stage that connect their groups, ``…_averaged`` those that average one.
    """
    measured = {}
    for variant in ("res2net50-26w-4s", "res2next50"):
        stages = [[block.layers[3] for block in stage] for stage in _network(variant).stages]
        convolutions = [[parts[0] for parts in stage[0].convolutions] for stage in stages]
        measured |= {
            f"{variant}_blocks": [len(stage) for stage in stages],
            f"{variant}_widths": [layers[0].out_channels for layers in convolutions],
            f"{variant}_convolutions": [len(layers) for layers in convolutions],
            f"{variant}_cardinality": sorted({layer.groups for layers in convolutions for layer in layers}),
            f"{variant}_strides": [layer.stride[0] for layers in convolutions for layer in layers],
            f"{variant}_connected": [sum(hierarchy.connected for hierarchy in stage) for stage in stages],
            f"{variant}_averaged": [sum(isinstance(one.rest, nn.AvgPool2d) for one in stage) for stage in stages],
        }
    return measured


def equal_cost() -> dict[str, float]:
    """Multiply-accumulates for an image of 224: of three settings, of ResNet-50 with its stride in the 3x3, and ratios.

    ``spread`` is how much more the costliest of the three takes than the cheapest, ``over_resnet`` than ResNet-50.
    """
    with torch.device("meta"):
        plain = count_macs(resnet.build(stride_in_1x1=False).eval())
    macs = {setting: count_macs(_network(f"res2net50-{setting}")) for setting in ("48w-2s", "26w-4s", "14w-8s")}
    most, least = max(macs.values()), min(macs.values())
    return {**macs, "resnet50": plain, "spread": most / least - 1, "over_resnet": most / plain - 1}


def receptive_fields() -> dict[str, list[int]]:
    """Height and width of what one pixel reaches in each of four groups, in a usual block and in the first of a stage.

    Weights are positive and normalisations scale only.
    """
    x = torch.zeros(1, 12, 21, 21, dtype=torch.float64)
    x[:, :, 10, 10] = 1
    reached = {}
    for name, first in (("usual", False), ("first", True)):
        hierarchy = Hierarchy(3, 4, first=first).double().eval()
        for parameter in hierarchy.parameters():
            nn.init.uniform_(parameter, 0.5, 1.5) if parameter.ndim > 1 else None
        with torch.no_grad():
            marks = [group.abs().sum((0, 1)) > 0 for group in hierarchy(x).split(3, dim=1)]
        reached[f"{name}_heights"] = [int(mark.any(1).sum()) for mark in marks]
        reached[f"{name}_widths"] = [int(mark.any(0).sum()) for mark in marks]
    return reached


def dependence() -> dict[str, list[int]]:
    """Which of four groups of the input each group of the output depends on: four rows of 0 or 1."""
    torch.manual_seed(0)
    return {
        "usual": _dependence(randomise(Hierarchy(3, 4))),
        "first": _dependence(randomise(Hierarchy(3, 4, first=True))),
    }


def _dependence(hierarchy: Hierarchy) -> list[int]:
    x = normal(2, 12, 6, 6).requires_grad_()
    rows = []
    for group in hierarchy(x).split(3, dim=1):
        (gradient,) = torch.autograd.grad(group.sum(), x, retain_graph=True)
        rows += [int(bool(part.abs().max() > 0)) for part in gradient.split(3, dim=1)]
    return rows


def equation_1() -> dict[str, float]:
    """A hierarchy of four groups against Equation 1, which convolves all groups but the first.

    ``reordered`` has the first group of the equation last; ``as_it_is`` has the groups in the equation's order.
    """
    torch.manual_seed(0)
    hierarchy = randomise(Hierarchy(3, 4))
    x1, *others = normal(2, 12, 6, 6).split(3, dim=1)
    outputs: list[Tensor] = []
    with torch.no_grad():
        for x, layers in zip(others, hierarchy.convolutions, strict=True):
            outputs.append(conv_then_norm(x + outputs[-1] if outputs else x, layers[:2]).relu())
        last = hierarchy(torch.cat([*others, x1], dim=1))
        return {
            "reordered": distance(last, torch.cat([*outputs, x1], dim=1)),
            "as_it_is": distance(hierarchy(torch.cat([x1, *others], dim=1)), torch.cat([x1, *outputs], dim=1)),
        }


def first_block() -> dict[str, float]:
    """Hierarchies of first blocks, with a stride of 1 and 2, against separate convolutions and an average.

    The average counts the zeros around the map: ``without_zeros`` would not.
    """
    torch.manual_seed(0)
    x = normal(2, 12, 7, 7)
    differences = {}
    with torch.no_grad():
        for stride in (1, 2):
            hierarchy = randomise(Hierarchy(3, 4, stride=stride, first=True))
            *groups, rest = x.split(3, dim=1)
            pairs = zip(groups, hierarchy.convolutions, strict=True)
            outputs = [conv_then_norm(group, layers[:2], stride).relu() for group, layers in pairs]
            mean = F.conv2d(rest, torch.full((3, 1, 3, 3), 1 / 9, dtype=x.dtype), stride=stride, padding=1, groups=3)
            differences[f"stride_{stride}"] = distance(hierarchy(x), torch.cat([*outputs, mean], dim=1))
        other = F.avg_pool2d(rest, 3, stride, 1, count_include_pad=False)
        differences["without_zeros"] = distance(hierarchy(x)[:, 9:], other)
    return differences


def scale_one() -> dict[str, float]:
    """Blocks of scale 1 against bottlenecks of ResNet with the same weights, relative to the largest output."""
    torch.manual_seed(0)
    x = normal(2, 256, 6, 6)
    measured: dict[str, float] = {}
    with torch.no_grad():
        for name, outputs, stride in (("same", 256, 1), ("halving", 512, 2)):
            bottleneck = randomise(Bottleneck(256, outputs, stride, stride_in_1x1=False), 0.1)
            block = Res2Block(256, outputs, stride, width=64, scale=1).double().eval()
            pairs = zip(block.state_dict().values(), bottleneck.state_dict().values(), strict=True)
            for mine, its in pairs:
                mine.copy_(its)
            wanted = bottleneck(x)
            measured[name] = distance(block(x), wanted) / float(wanted.abs().max())
            measured[f"{name}_parameters"] = count_parameters(block)
    return measured


def blocks() -> dict[str, float]:
    """Differences between blocks and relu(F(x) + shortcut(x)) by functions alone, relative to the largest output."""
    torch.manual_seed(0)
    differences = {}
    with torch.no_grad():
        for name, inputs, stride, cardinality in (("same", 64, 1, 1), ("grouped", 64, 1, 2), ("halving", 32, 2, 2)):
            x = normal(2, inputs, 7, 7)
            block = randomise(Res2Block(inputs, 64, stride, width=16, scale=3, cardinality=cardinality))
            f, first = block.layers, name == "halving"
            y = conv_then_norm(x, f[:2]).relu()
            y = _hierarchy(y, f[3].convolutions, 3, stride, cardinality, first=first)
            shortcut = conv_then_norm(x, block.shortcut, stride) if first else x
            wanted = (conv_then_norm(y, f[4:6]) + shortcut).relu()
            differences[name] = distance(block(x), wanted) / float(wanted.abs().max())
    return differences


def _hierarchy(
    x: Tensor, convolutions: Sequence[nn.Module], scale: int, stride: int, cardinality: int, *, first: bool
) -> Tensor:
    """The released hierarchy, by functions alone."""
    *groups, rest = x.chunk(scale, dim=1)
    outputs: list[Tensor] = []
    for group, layers in zip(groups, convolutions, strict=True):
        y = group if first or not outputs else group + outputs[-1]
        outputs.append(conv_then_norm(y, layers[:2], stride, groups=cardinality).relu())
    return torch.cat([*outputs, F.avg_pool2d(rest, 3, stride, 1) if first else rest], dim=1)


@cache
def _network(variant: str) -> ResNet:
    with torch.device("meta"):
        return build(variant).eval()


# --- Training --------------------------------------------------------------------------------------------------------


def digits(run: Run) -> dict[str, float]:
    """Share of the test digits that a small network gets right, with four groups of 8 channels or one of 16."""
    four = _accuracy_on_digits(run, "4 groups", width=32, scale=4)
    return {"four_groups": four, "one_group": _accuracy_on_digits(run, "1 group", width=64, scale=1)}


def _accuracy_on_digits(run: Run, arm: str, *, width: int, scale: int) -> float:
    torch.manual_seed(run.seed)
    block = partial(Res2Block, width=width, scale=scale)
    network = ResNet(conv_bn_relu(1, 16, 3, padding=1), block, (16, 64), (3,), classes=10)
    return train_on_digits(run, arm, network, epochs=4)[0]
