"""Measurements of ResNeXt that no count on a single network gives."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F

from reproductions import resnet
from reproductions.checks.digits import train_on_digits
from reproductions.checks.measuring import (
    conv_then_norm,
    count_macs,
    count_parameters,
    count_weights,
    distance,
    randomise,
)
from reproductions.layers import conv_bn_relu
from reproductions.resnet import Bottleneck, ResNet
from reproductions.resnext import VARIANTS, Aggregation, ResNeXtBlock, build, concatenated, summed

if TYPE_CHECKING:
    from catalog.verify.training import Run

TEMPLATE = {"1x64d": (1, 64), "2x40d": (2, 40), "4x24d": (4, 24), "8x14d": (8, 14), "32x4d": (32, 4)}


def depth() -> dict[str, int]:
    """Convolutions outside of shortcuts, and the classifier."""
    return {
        variant: sum(
            isinstance(module, nn.Conv2d | nn.Linear) and "shortcut" not in name.split(".")
            for name, module in _network(variant).named_modules()
        )
        for variant in VARIANTS
    }


def blocks() -> dict[str, list[int]]:
    """First blocks of the stages: inner widths, groups, strides of the three convolutions; projections of a stage."""
    measured = {}
    for variant in ("resnext50-32x4d", "resnext29-8x64d-cifar10"):
        stages = _network(variant).stages
        first = [[layer for layer in stage[0].layers if isinstance(layer, nn.Conv2d)] for stage in stages]
        measured[f"{variant}_inner_widths"] = [layers[1].out_channels for layers in first]
        measured[f"{variant}_groups"] = [layer.groups for layer in first[-1]]
        measured[f"{variant}_strides"] = [layer.stride[0] for layers in first for layer in layers]
        projections = [[not isinstance(block.shortcut, nn.Identity) for block in stage] for stage in stages]
        measured[f"{variant}_projections"] = [sum(stage) for stage in projections]
    return measured


def feature_maps() -> dict[str, list[int]]:
    """Channels and sides behind the stem and each stage."""
    maps = {}
    for variant, side in (("resnext50-32x4d", 224), ("resnext29-8x64d-cifar10", 32)):
        network = _network(variant)
        x = network.stem(torch.empty(1, 3, side, side, device="meta"))
        shapes = [x.shape]
        for stage in network.stages:
            x = stage(x)
            shapes.append(x.shape)
        maps[f"{variant}_channels"] = [shape[1] for shape in shapes]
        maps[f"{variant}_sides"] = [shape[2] for shape in shapes]
    return maps


def equal_cost() -> dict[str, list[int]]:
    """Parameters and multiply-adds, for an image of 224, of the five networks of 50 layers."""
    networks = [_network(f"resnext50-{setting}") for setting in TEMPLATE]
    return {
        "parameters": [count_parameters(network) for network in networks],
        "macs": [count_macs(network) for network in networks],
    }


def three_forms() -> dict[str, float]:
    """Differences between the forms of Figure 3 with the same weights, over the largest output.

    In evaluation, statistics are drawn at random; in training, those of the batch are taken. ``…_own_normalisation``
    is what the first form would give if each branch ended in a normalisation of its own, as the third layer's stands
    behind the sum.
    """
    torch.manual_seed(0)
    cardinality, width, channels = 8, 4, 64
    form_c = randomise(ResNeXtBlock(channels, channels, 2, cardinality=cardinality, width=width * 256 // channels))
    options = {"cardinality": cardinality, "width": width}
    form_a = summed(channels, channels, 2, **options).double().eval()
    form_b = concatenated(channels, channels, 2, **options).double().eval()
    f = form_c.layers
    for number in range(cardinality):
        mine = slice(number * width, (number + 1) * width)
        for parts in (form_a[0][number], form_b[0][number]):
            for position in (0, 1, 3, 4):
                _copy(parts[position], f[position], mine)
        form_a[0][number][6].weight.data.copy_(f[6].weight[:, mine])
    _copy(form_a[1], f[7])
    _copy(form_b[1], f[6])
    _copy(form_b[2], f[7])
    x = torch.randn(4, channels, 8, 8, dtype=torch.float64)
    measured = {}
    with torch.no_grad():
        for mode in ("evaluation", "training"):
            for form in (form_a, form_b, form_c):
                form.train(mode == "training")
            wanted = f(x)
            scale = float(wanted.abs().max())
            measured[f"summed_in_{mode}"] = distance(form_a(x), wanted) / scale
            measured[f"concatenated_in_{mode}"] = distance(form_b(x), wanted) / scale
        own = sum(form_a[1](one(x)) for one in form_a[0])
        measured["own_normalisation"] = distance(own, wanted) / scale
    return measured


def block_written_out() -> dict[str, float]:
    """Differences between blocks and relu(F(x) + shortcut(x)) by functions alone, over the largest output."""
    torch.manual_seed(0)
    x = torch.randn(2, 64, 9, 9, dtype=torch.float64)
    differences = {}
    with torch.no_grad():
        for name, outputs, stride in (("same", 64, 1), ("wider", 128, 1), ("halving", 128, 2)):
            block = randomise(ResNeXtBlock(64, outputs, stride, cardinality=4, width=32))
            f = block.layers
            y = conv_then_norm(conv_then_norm(x, f[:2]).relu(), f[3:5], stride, groups=4).relu()
            y = conv_then_norm(y, f[6:8])
            shortcut = x if name == "same" else conv_then_norm(x, block.shortcut, stride)
            wanted = (y + shortcut).relu()
            differences[name] = distance(block(x), wanted) / float(wanted.abs().max())
            early = distance(block(x), (y.relu() + shortcut).relu()) / float(wanted.abs().max())
        differences["relu_before_addition"] = early
    return differences


def width_template() -> dict[str, int]:
    """Weights of the convolutions of a block of 256 channels, by cardinality and width, in its grouped form.

    ``…_formula`` is C (256 d + 3·3 d d + d 256) of Equation 4, ``…_summed`` counts the form with branches, and
    ``…_group_width`` is the width of the grouped convolution.
    """
    measured = {}
    with torch.device("meta"):
        for name, (c, d) in TEMPLATE.items():
            grouped = ResNeXtBlock(256, 256, 1, cardinality=c, width=d).layers
            measured[name] = count_weights(grouped)
            measured[f"{name}_formula"] = c * (256 * d + 3 * 3 * d * d + d * 256)
            measured[f"{name}_summed"] = count_weights(summed(256, 256, 1, cardinality=c, width=d))
            measured[f"{name}_group_width"] = grouped[3].out_channels
    return measured


def cardinality_one() -> dict[str, float | int]:
    """Blocks of cardinality 1 and width 64 against the bottlenecks of ResNet with the same weights."""
    torch.manual_seed(0)
    x = torch.randn(2, 256, 6, 6, dtype=torch.float64)
    measured: dict[str, float | int] = {}
    with torch.no_grad():
        for name, outputs, stride in (("same", 256, 1), ("halving", 512, 2)):
            bottleneck = randomise(Bottleneck(256, outputs, stride, stride_in_1x1=False))
            block = ResNeXtBlock(256, outputs, stride, cardinality=1, width=64).double().eval()
            block.load_state_dict(bottleneck.state_dict())
            measured[name] = distance(block(x), bottleneck(x))
    bottleneck = randomise(Bottleneck(256, 512, 2))
    block.load_state_dict(bottleneck.state_dict())
    with torch.no_grad():
        measured["stride_in_the_1x1"] = distance(block(x), bottleneck(x))
    with torch.device("meta"):
        for layers in (50, 101):
            measured[f"parameters_{layers}"] = count_parameters(_network(f"resnext{layers}-1x64d"))
            measured[f"resnet_{layers}"] = count_parameters(resnet.build(f"resnet{layers}"))
    return measured


def block_diagonal() -> dict[str, float | int]:
    """The grouped 3x3 of a block with 8 branches against a dense one with zeros beside the blocks of its diagonal."""
    torch.manual_seed(0)
    cardinality, channels = 8, 32
    grouped = randomise(ResNeXtBlock(64, 64, 1, cardinality=cardinality, width=16)).layers[3]
    dense = torch.zeros(channels, channels, 3, 3, dtype=torch.float64)
    with torch.no_grad():
        for rows in torch.arange(channels).chunk(cardinality):
            dense[rows[:, None], rows] = grouped.weight[rows]
        x = torch.randn(2, channels, 7, 7, dtype=torch.float64)
        difference = distance(grouped(x), F.conv2d(x, dense, padding=1))
    return {
        "difference": difference,
        "dense_over_grouped": dense.numel() // grouped.weight.numel(),
        "share_of_zeros": float((dense == 0).double().mean()),
    }


def depth_two() -> dict[str, float]:
    """Branches of two 3x3 convolutions against one block as wide as all of them; and branches of three layers.

    The latter's middle layers would have to be dense for that: ``three_layers`` is what is missing when the weights
    between the branches are drawn at random instead of zero.
    """
    torch.manual_seed(0)
    cardinality, width = 8, 4

    def convolution(inputs: int, outputs: int) -> nn.Conv2d:
        return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False, dtype=torch.float64)

    def branches(*middle: nn.Module) -> Aggregation:
        ends = [(convolution(64, width), convolution(width, 64)) for _ in range(cardinality)]
        return Aggregation(nn.Sequential(first, nn.ReLU(), *middle, last) for first, last in ends)

    def as_one(aggregation: Aggregation, *middle: nn.Module) -> nn.Sequential:
        first, last = convolution(64, cardinality * width), convolution(cardinality * width, 64)
        first.weight.data = torch.cat([one[0].weight for one in aggregation]).detach()
        last.weight.data = torch.cat([one[-1].weight for one in aggregation], 1).detach()
        return nn.Sequential(first, nn.ReLU(), *middle, last)

    x = torch.randn(2, 64, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        two = branches()
        three = branches(convolution(width, width), nn.ReLU())
        dense = as_one(three, convolution(cardinality * width, cardinality * width), nn.ReLU())
        return {"two_layers": distance(two(x), as_one(two)(x)), "three_layers": distance(three(x), dense(x))}


@cache
def _network(variant: str) -> ResNet:
    with torch.device("meta"):
        return build(variant).eval()


def _copy(layer: nn.Module, source: nn.Module, channels: slice = slice(None)) -> None:
    """Take over these output channels of a layer."""
    theirs = source.state_dict()
    for name, value in layer.state_dict().items():
        value.copy_(theirs[name][channels] if value.ndim else theirs[name])


# --- Training --------------------------------------------------------------------------------------------------------


def digits(run: Run) -> dict[str, float]:
    """Test accuracy on digits with 8 branches of width 4, and with a single one of width 20, which costs as much."""
    grouped = _accuracy_on_digits(run, "8x4d", cardinality=8, width=4)
    return {"grouped": grouped, "ungrouped": _accuracy_on_digits(run, "1x20d", cardinality=1, width=20)}


def _accuracy_on_digits(run: Run, arm: str, *, cardinality: int, width: int) -> float:
    """Three blocks; `width` is that of a branch in the first stage, with 64 outputs."""
    torch.manual_seed(run.seed)
    block = partial(ResNeXtBlock, cardinality=cardinality, width=width * 256 // 64)
    network = ResNet(conv_bn_relu(1, 16, 3, padding=1), block, (16, 64, 128), (2, 1), classes=10)
    return train_on_digits(run, arm, network, epochs=4)[0]
