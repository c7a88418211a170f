"""Measurements of ResNeSt that no count on a single network gives."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from catalog.verify.training import accuracy, cosine
from reproductions.checks.measuring import conv_then_norm, count_macs, count_parameters, distance, normal, randomise
from reproductions.layers import conv_bn_relu
from reproductions.resnest import (
    VARIANTS,
    ResNeStBlock,
    SplitAttention,
    build,
    deep_stem,
    pooled_projection,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from catalog.verify.training import Run
    from reproductions.resnet import Block, ResNet

SETTINGS = ((2, 1), (4, 1), (2, 2), (4, 2))
"""Radix and cardinality, of several splits."""


def settings() -> dict[str, list[int]]:
    """Of every variant: widths of the stem, blocks in each stage; radix, cardinality and groups of the splits.

    ``…_attention`` are the units between the two layers of the attention in each stage.
    """
    measured = {}
    for variant in VARIANTS:
        network = _network(variant)
        attention = [[m for m in stage.modules() if isinstance(m, SplitAttention)] for stage in network.stages]
        every = [layer for stage in attention for layer in stage]
        (splits,) = {(layer.radix, layer.cardinality, layer.splits[0].groups) for layer in every}
        measured[f"{variant}_stem"] = [layer.out_channels for layer in network.stem if isinstance(layer, nn.Conv2d)]
        measured[f"{variant}_blocks"] = [len(stage) for stage in attention]
        measured[f"{variant}_splits"] = list(splits)
        measured[f"{variant}_attention"] = [layer.logits.in_channels for stage in attention for layer in stage[:1]]
    alone = SplitAttention(64)
    measured["alone"] = [alone.radix, alone.cardinality, alone.splits[0].groups, alone.logits.in_channels]
    return measured


def downsampling() -> dict[str, list[int]]:
    """Averages in the branches and in the shortcuts of each stage, those of its first block, and where they stand.

    ``…_place`` is how many layers are in front of it; ``…_strides`` has the strides of all convolutions in blocks.
    ``…_sides`` are the sides of the map behind the stem and each stage, for an image of 224.
    """
    measured = {}
    for name, variant in (("usual", "resnest50"), ("fast", "resnest50-fast-2s1x64d")):
        network = _network(variant)
        for part in ("layers", "shortcut"):
            pools = [[_averages(getattr(block, part)) for block in stage] for stage in network.stages]
            measured[f"{name}_{part}"] = [sum(stage) for stage in pools]
            measured[f"{name}_{part}_first"] = [stage[0] for stage in pools]
        kinds = [[isinstance(layer, nn.AvgPool2d) for layer in stage[0].layers] for stage in network.stages]
        measured[f"{name}_place"] = [stage.index(True) for stage in kinds if True in stage]
        strides = {m.stride[0] for m in network.stages.modules() if isinstance(m, nn.Conv2d)}
        measured[f"{name}_strides"] = sorted(strides)
        x = network.stem(torch.empty(1, 3, 224, 224, device="meta"))
        measured[f"{name}_sides"] = [x.shape[2]]
        for stage in network.stages:
            x = stage(x)
            measured[f"{name}_sides"].append(x.shape[2])
    return measured


def cost_with_normalisation() -> dict[str, int]:
    """Multiply-accumulates for an image of 224, with one operation for each number that is normalised."""
    return {variant: sum(_cost(variant)) for variant in ("resnest50", "resnest50-fast-2s1x64d")}


def fast() -> dict[str, int]:
    """Parameters and multiply-accumulates with the average behind the split attention and in front of it."""
    behind, in_front = "resnest50", "resnest50-fast-2s1x64d"
    return {
        "parameters_behind": count_parameters(_network(behind)),
        "parameters_in_front": count_parameters(_network(in_front)),
        "macs_behind": _cost(behind)[0],
        "macs_in_front": _cost(in_front)[0],
    }


def weights_of_splits() -> dict[str, float]:
    """How far the weights of the splits are from 1 in sum, the smallest of them, and how much they vary.

    ``over_channels`` and ``over_groups`` is how far the sums over other axes are from 1: the usual slips.
    """
    measured = {}
    x = normal(3, 24, 6, 6)
    with torch.no_grad():
        for radix, cardinality in SETTINGS:
            layer = _random(radix, cardinality)
            weights = layer.attention(layer.split(x))
            name = f"{radix}s{cardinality}x"
            measured[f"{name}_sum"] = distance(weights.sum(1), torch.ones(3, 24))
            measured[f"{name}_smallest"] = float(weights.min())
            measured[f"{name}_spread"] = float(weights.max() - weights.min())
    measured["over_channels"] = distance(weights.sum(2), torch.ones(3, radix))
    measured["over_groups"] = distance(weights.unflatten(2, (cardinality, -1)).sum(2), torch.ones(3, radix, 12))
    return measured


def one_split() -> dict[str, float]:
    """With radix 1: the weights less a sigmoid of the logits, how far they are from 1, and what leaves the block.

    ``softmax`` is what a softmax across one split would change.
    """
    measured = {}
    x = normal(3, 24, 6, 6)
    with torch.no_grad():
        for cardinality in (1, 4):
            layer = _random(1, cardinality)
            features = layer.split(x)
            logits = layer.logits(layer.compact(features[:, 0].mean((2, 3), keepdim=True))).flatten(1)
            weights, gates = layer.attention(features)[:, 0], 1 / (1 + (-logits).exp())
            measured[f"sigmoid_{cardinality}"] = distance(weights, gates)
            measured[f"output_{cardinality}"] = distance(layer(x), features[:, 0] * gates[..., None, None])
            measured[f"nearest_to_1_{cardinality}"] = float((1 - weights).min())
            measured[f"softmax_{cardinality}"] = distance(layer(x), features[:, 0])
    return measured


def constant_logits() -> dict[str, float]:
    """With no weights behind the logits: the block less the mean of its splits, for one split less half of it."""
    measured = {}
    x = normal(3, 24, 6, 6)
    with torch.no_grad():
        for radix, cardinality in (*SETTINGS, (1, 2)):
            layer = _random(radix, cardinality)
            wanted = layer.split(x).sum(1) / max(radix, 2)
            measured[f"{radix}s{cardinality}x_with_weights"] = distance(layer(x), wanted)
            nn.init.zeros_(layer.logits.weight)
            nn.init.zeros_(layer.logits.bias)
            measured[f"{radix}s{cardinality}x"] = distance(layer(x), wanted)
    return measured


def cardinality_major() -> dict[str, float]:
    """The block less its definition: one cardinal group and split after the other, each with a slice of the weights.

    Then what other orders would change: convolutions with the splits of a cardinal group side by side, and logits with
    those of a channel side by side; and a mean of the splits in the place of their sum.
    """
    measured = {}
    x = normal(3, 24, 6, 6)
    with torch.no_grad():
        for radix, cardinality in (*SETTINGS, (1, 4), (3, 2)):
            layer = _random(radix, cardinality)
            measured[f"{radix}s{cardinality}x"] = distance(layer(x), _by_group(layer, x))
        layer = _random(2, 2)
        y = layer(x)
        measured["splits_side_by_side"] = distance(y, _by_group(layer, x, radix_major=False))
        measured["logits_side_by_side"] = distance(y, _by_group(layer, x, split_first=False))
        measured["mean_of_splits"] = distance(y, _by_group(layer, x, fused=torch.mean))
    return measured


def blocks() -> dict[str, float]:
    """Differences between blocks and relu(F(x) + shortcut(x)) written out, over the largest output, for odd sides.

    Then what other averages would change in a block that halves the map.
    """
    measured = {}
    x = normal(2, 64, 9, 9)
    with torch.no_grad():
        for name, inputs, outputs, stride in (("same", 64, 64, 1), ("wider", 32, 64, 1), ("halving", 32, 64, 2)):
            for quick in (False, True):
                block = _block(inputs, outputs, stride, fast=quick)
                wanted = _block_written_out(block, x[:, :inputs], stride, fast=quick)
                title = f"fast_{name}" if quick else name
                measured[title] = distance(block(x[:, :inputs]), wanted) / float(wanted.abs().max())
        block = _block(32, 64, 2, fast=False)
        x = x[:, :32]
        y = block(x)
        largest = float(y.abs().max())
        measured["average_in_front"] = distance(y, _block_written_out(block, x, 2, fast=True)) / largest
        padding = _block_written_out(block, x, 2, fast=False, count_padding=False)
        measured["padding_not_counted"] = distance(y, padding) / largest
    return measured


def shortcuts() -> dict[str, float | list[int]]:
    """What a shortcut gives, less the mean of 2x2 pixels through its projection, on maps of even and odd sides.

    ``dropped_pixels`` is the difference to a projection with a stride, which sees one pixel of four, and
    ``zeros_counted`` to means over four pixels at the border too.
    """
    shortcut = randomise(pooled_projection(8, 16, 2))
    layers = [layer for layer in shortcut if not isinstance(layer, nn.AvgPool2d)]
    measured: dict[str, float | list[int]] = {}
    with torch.no_grad():
        for name, side in (("even", 6), ("odd", 7)):
            x = normal(2, 8, side, side)
            measured[name] = distance(shortcut(x), conv_then_norm(_mean_of_2x2(x), layers))
        y, padded = shortcut(x), F.pad(x, (0, 1, 0, 1))
        measured["dropped_pixels"] = distance(y, conv_then_norm(x, layers, 2))
        measured["zeros_counted"] = distance(y, conv_then_norm(F.avg_pool2d(padded, 2), layers))
        plain = randomise(pooled_projection(8, 16, 1))
        measured["wider_without_average"] = distance(plain(x), conv_then_norm(x, plain))
    measured["without_change"] = distance(pooled_projection(8, 8, 1)(x), x)
    measured["only_halved"] = list(pooled_projection(8, 8, 2)(torch.zeros(1, 8, 6, 6)).shape[1:])
    return measured


def stems() -> dict[str, float | int]:
    """The stem of two networks less its layers written out; a pool without padding has maps of the same size."""
    measured: dict[str, float | int] = {}
    x = normal(2, 3, 32, 32)
    with torch.no_grad():
        for variant in ("resnest50", "resnest101"):
            stem = randomise(deepcopy(_network(variant).stem).to_empty(device="cpu"))
            y = x
            for position in (0, 3, 6):
                y = conv_then_norm(y, stem[position : position + 2], 2 if position == 0 else 1).relu()
            measured[variant] = distance(stem(x), F.max_pool2d(y, 3, stride=2, padding=1))
            measured[f"{variant}_unpadded_pool"] = distance(stem(x), F.max_pool2d(y, 3, stride=2, ceil_mode=True))
    measured["parameters_without_pool"] = count_parameters(deep_stem(32))
    return measured


@cache
def _network(variant: str) -> ResNet:
    with torch.device("meta"):
        return build(variant).eval()


@cache
def _cost(variant: str) -> tuple[int, int]:
    """Multiply-accumulates for an image of 224, and how many numbers are normalised."""
    network, numbers = _network(variant), []

    def note(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> None:
        numbers.append(output.numel())

    hooks = [m.register_forward_hook(note) for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    macs = count_macs(network)
    for hook in hooks:
        hook.remove()
    return macs, sum(numbers)


def _averages(module: nn.Module) -> int:
    return sum(isinstance(m, nn.AvgPool2d) for m in module.modules())


def _random(radix: int, cardinality: int, channels: int = 24) -> SplitAttention:
    torch.manual_seed(0)
    return randomise(SplitAttention(channels, radix=radix, cardinality=cardinality))


def _block(inputs: int, outputs: int, stride: int, *, fast: bool) -> ResNeStBlock:
    torch.manual_seed(0)
    return randomise(ResNeStBlock(inputs, outputs, stride, radix=2, cardinality=2, width=40, fast=fast))


def _slice(layer: nn.Conv2d, x: Tensor, group: int, groups: int) -> Tensor:
    """A 1x1 convolution of one group of many, whatever the number of groups that the layer has."""
    weight, bias = layer.weight.flatten(1).chunk(groups)[group], layer.bias.chunk(groups)[group]
    return F.linear(x, weight, bias)


def _by_group(
    layer: SplitAttention,
    x: Tensor,
    *,
    radix_major: bool = True,
    split_first: bool = True,
    fused: Callable[[Tensor, int], Tensor] = torch.sum,
) -> Tensor:
    """Split attention by its definition: loops over cardinal groups and splits, with slices of the weights.

    Only radix, cardinality and weights are taken from the layer. The slices of the normalisation between the two layers
    of the attention are by group as well.
    """
    radix, cardinality = layer.radix, layer.cardinality
    convolution, norm, _ = layer.splits
    first, between, _ = layer.compact
    results = []
    for k in range(cardinality):
        splits = []
        for r in range(radix):
            number = r * cardinality + k if radix_major else k * radix + r
            part = x.chunk(radix * cardinality, 1)[number]
            y = F.conv2d(part, convolution.weight.chunk(radix * cardinality)[number], padding=1)
            splits.append(_normalised(y, norm, number, radix * cardinality).relu())
        u = torch.stack(splits, 1)
        pooled = fused(u, 1).mean((2, 3))
        z = _slice(first, pooled, k, cardinality)[..., None, None]
        z = _normalised(z, between, k, cardinality).relu().flatten(1)
        logits = _slice(layer.logits, z, k, cardinality)
        logits = logits.unflatten(1, (radix, -1)) if split_first else logits.unflatten(1, (-1, radix)).transpose(1, 2)
        powers = logits.exp()
        weights = powers / (powers.sum(1, keepdim=True) if radix > 1 else 1 + powers)
        results.append((u * weights[..., None, None]).sum(1))
    return torch.cat(results, 1)


def _normalised(x: Tensor, layer: nn.BatchNorm2d, group: int, groups: int) -> Tensor:
    values = layer.running_mean, layer.running_var, layer.weight, layer.bias
    mean, variance, scale, shift = (value.chunk(groups)[group][:, None, None] for value in values)
    return (x - mean) / (variance + 1e-5).sqrt() * scale + shift


def _mean_of_2x2(x: Tensor) -> Tensor:
    """Means over windows of 2x2, of what is there at the border."""
    _, _, height, width = x.shape
    rows = [
        torch.stack([x[:, :, i : i + 2, j : j + 2].mean((2, 3)) for j in range(0, width, 2)], -1)
        for i in range(0, height, 2)
    ]
    return torch.stack(rows, -2)


def _block_written_out(block: Block, x: Tensor, stride: int, *, fast: bool, count_padding: bool = True) -> Tensor:
    """A block with the branch by functions alone."""
    convolutions = [layer for layer in block.layers if isinstance(layer, nn.Conv2d)]
    norms = [layer for layer in block.layers if isinstance(layer, nn.BatchNorm2d)]
    attention = next(layer for layer in block.layers if isinstance(layer, SplitAttention))

    def average(y: Tensor) -> Tensor:
        return y if stride == 1 else F.avg_pool2d(y, 3, 2, 1, count_include_pad=count_padding)

    y = conv_then_norm(x, (convolutions[0], norms[0])).relu()
    y = _by_group(attention, average(y)) if fast else average(_by_group(attention, y))
    y = conv_then_norm(y, (convolutions[1], norms[1]))
    if isinstance(block.shortcut, nn.Identity):
        return (y + x).relu()
    layers = [layer for layer in block.shortcut if not isinstance(layer, nn.AvgPool2d)]
    return (y + conv_then_norm(x if stride == 1 else _mean_of_2x2(x), layers)).relu()


# --- Training --------------------------------------------------------------------------------------------------------


def digits(run: Run) -> float:
    """Test accuracy on digits of a network of three blocks."""
    data = run.data("digits").divide(run.seed)
    torch.manual_seed(run.seed)
    stages = [
        ResNeStBlock(inputs, 32, stride, radix=2, cardinality=1, width=64, fast=False)
        for inputs, stride in ((16, 1), (32, 2), (32, 1))
    ]
    network = nn.Sequential(
        *conv_bn_relu(1, 16, 3, padding=1), *stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)
    )
    run.train(
        "three blocks",
        network,
        torch.optim.Adam(network.parameters(), lr=3e-3),
        data.train.images / 16,
        data.train.labels,
        batch=64,
        epochs=10,
        schedule=cosine,
    )
    return accuracy(network, data.test.images / 16, data.test.labels)
