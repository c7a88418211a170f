"""Measurements of TResNet: its stem, its blur, its activation, and its blocks written out."""

from __future__ import annotations

from functools import cache
from math import sqrt
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F

from reproductions.checks.measuring import conv_then_norm, distance, normal, randomise
from reproductions.senet import SEBlock
from reproductions.tresnet import (
    VARIANTS,
    BasicBlock,
    BlurPool,
    Bottleneck,
    SpaceToDepth,
    TResNet,
    build,
    conv_abn,
    shortcut,
)

if TYPE_CHECKING:
    from torch import Tensor


# --- The networks ----------------------------------------------------------------------------------------------------


def blocks() -> dict[str, int | list[int]]:
    """Of TResNet-M: basic blocks, bottlenecks and SE blocks in each stage; all SE blocks; blurs; strided convolutions.

    ``strides`` are those of all convolutions with weights, of which none is to be more than 1.
    """
    network = _network("tresnet-m")
    kinds = (BasicBlock, Bottleneck, SEBlock, BlurPool)
    basic, bottleneck, se, blurs = ([_count(stage, kind) for stage in network.stages] for kind in kinds)
    return {
        "basic": basic,
        "bottleneck": bottleneck,
        "se": se,
        "se_modules": _count(network, SEBlock),
        "blurs": blurs,
        "strides": sorted({layer.stride[0] for layer in network.modules() if isinstance(layer, nn.Conv2d)}),
    }


def se_widths() -> dict[str, list[int]]:
    """Widths in the middle of the SE blocks of the first three stages of each variant."""
    return {
        variant: [
            sorted({block.excite[0].out_channels for block in stage.modules() if isinstance(block, SEBlock)})[0]
            for stage in _network(variant).stages[:3]
        ]
        for variant in VARIANTS
    }


def feature_maps() -> dict[str, list[int]]:
    """Blocks of each stage, channels behind the stem and each stage, and sides of these maps for 224 pixels."""
    measured = {}
    for variant in VARIANTS:
        network = _network(variant)
        x = network.stem(torch.empty(1, 3, 224, 224, device="meta"))
        shapes = [x.shape]
        for stage in network.stages:
            x = stage(x)
            shapes.append(x.shape)
        measured[f"{variant}_blocks"] = [len(stage) for stage in network.stages]
        measured[f"{variant}_channels"] = [shape[1] for shape in shapes]
    measured["sides"] = [shape[2] for shape in shapes]
    return measured


# --- Parts -----------------------------------------------------------------------------------------------------------


def space_to_depth() -> dict[str, float]:
    """Whether the stem's rearrangement is undone by its reverse, and its channels against torch's pixel_unshuffle.

    That has the channel of the image first and the place in the block last; ``channel_first`` compares without
    regrouping.
    """
    x = normal(2, 3, 8, 12)
    y = SpaceToDepth()(x)
    blocks = y.unflatten(1, (4, 4, 3))  # batch, row, column, channel, height / 4, width / 4
    undone = blocks.permute(0, 3, 4, 1, 5, 2).flatten(4).flatten(2, 3)
    other = F.pixel_unshuffle(x, 4)
    return {
        "undone": distance(undone, x),
        "regrouped": distance(y, other.unflatten(1, (3, 16)).transpose(1, 2).flatten(1, 2)),
        "channel_first": distance(y, other),
    }


def blur() -> dict[str, float]:
    """The blur on a constant, on lines and on a checkerboard of +1 and -1, and on noise against a sum written out.

    ``subsampled_…`` is the magnitude that every second pixel has without a blur.
    """
    pool, sign = BlurPool(), torch.tensor([1.0, -1.0], dtype=torch.float64).repeat(4)
    constant = torch.ones(1, 2, 8, 8, dtype=torch.float64)
    columns, rows = constant * sign, constant * sign[:, None]
    x = normal(2, 3, 8, 7)
    height, width = torch.tensor([1, *range(8), 6]), torch.tensor([1, *range(7), 5])  # reflected at the border
    padded = x[:, :, height][..., width]
    wanted = sum(
        weight * other * padded[:, :, i : i + 7 : 2, j : j + 7 : 2]
        for i, weight in enumerate((1, 2, 1))
        for j, other in enumerate((1, 2, 1))
    )
    assert not isinstance(wanted, int)
    return {
        "constant": distance(pool(constant), torch.ones(1, 2, 4, 4)),
        "columns": float(pool(columns).abs().max()),
        "rows": float(pool(rows).abs().max()),
        "checkerboard": float(pool(columns * rows).abs().max()),
        "subsampled_columns": float(columns[:, :, ::2, ::2].abs().min()),
        "subsampled_rows": float(rows[:, :, ::2, ::2].abs().min()),
        "noise": distance(pool(x), wanted / 16),
    }


def invertible() -> dict[str, float]:
    """How exactly the input of a normalisation is found again from what the activation behind it gives, in training.

    The difference is a share of the largest input. ``lost_by_relu`` is the share of the outputs of a plain ReLU that
    are zero, whatever their input was.
    """
    torch.manual_seed(0)
    _, norm, activation = conv_abn(4, 5, 3).double().train()
    nn.init.uniform_(norm.weight, 0.5, 1.5)
    nn.init.normal_(norm.bias)
    x = 3 * normal(4, 5, 8, 8) + 1
    with torch.no_grad():
        y = norm(x)
        z = activation(y)
        scale, shift = norm.weight[:, None, None], norm.bias[:, None, None]
        mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), correction=0, keepdim=True)
        before = torch.where(z < 0, z / 1e-3, z)
        found = (before - shift) / scale * (variance + norm.eps).sqrt() + mean
        return {
            "found_again": distance(found, x) / float(x.abs().max()),
            "lost": float((z == 0).double().mean()),
            "lost_by_relu": float((y.relu() == 0).double().mean()),
        }


def ends() -> dict[str, float]:
    """Differences between a network's stem and classifier and their parts written out, over the largest output."""
    torch.manual_seed(0)
    network = randomise(TResNet(8, (1, 1, 1, 1), 10))
    x, last = normal(2, 3, 16, 20), normal(2, 256, 2, 3)
    layers, classifier = network.stem[1], network.head[-1]
    with torch.no_grad():
        pixels = F.pixel_unshuffle(x, 4).unflatten(1, (3, 16)).transpose(1, 2).flatten(1, 2)
        wanted = F.leaky_relu(conv_then_norm(pixels, layers[:2]), 0.01)
        scores = last.mean((2, 3)) @ classifier.weight.T + classifier.bias
        return {"stem": _share(network.stem(x), wanted), "classifier": _share(network.head(last), scores)}


def basic_block() -> dict[str, float]:
    """Differences between basic blocks and what they do written out, over the largest output."""
    torch.manual_seed(0)
    measured = {}
    with torch.no_grad():
        for name, inputs, outputs, stride in (("same", 8, 8, 1), ("halving", 8, 16, 2)):
            block, x = randomise(BasicBlock(inputs, outputs, stride)), normal(2, inputs, 7, 7)
            first, _, second, se = block.layers
            y = F.leaky_relu(conv_then_norm(x, first[:2]), 1e-3)
            y = _blurred(y) if stride == 2 else y
            y = _gated(conv_then_norm(y, second), se)
            measured[name] = _share(block(x), (y + _shortcut(block, x, stride)).relu())
    return measured


def bottleneck() -> dict[str, float]:
    """Differences between bottlenecks and what they do written out, over the largest output."""
    torch.manual_seed(0)
    measured = {}
    with torch.no_grad():
        for name, inputs, outputs, stride, se in (
            ("same", 16, 16, 1, True),
            ("wider", 8, 16, 1, True),
            ("halving", 8, 16, 2, True),
            ("without_se", 16, 16, 1, False),
        ):
            block, x = randomise(Bottleneck(inputs, outputs, stride, se=se)), normal(2, inputs, 7, 7)
            first, second, _, gate, third = block.layers
            y = F.leaky_relu(conv_then_norm(x, first[:2]), 1e-3)
            y = F.leaky_relu(conv_then_norm(y, second[:2]), 1e-3)
            y = _blurred(y) if stride == 2 else y
            y = conv_then_norm(_gated(y, gate) if se else y, third)
            measured[name] = _share(block(x), (y + _shortcut(block, x, stride)).relu())
    return measured


def odd_maps() -> dict[str, float]:
    """The shortcut of a block that halves a map of 5 x 5 against means over the pixels that are there; its side."""
    torch.manual_seed(0)
    path, x = randomise(shortcut(4, 6, 2)), normal(2, 4, 5, 5)
    places = [slice(0, 2), slice(2, 4), slice(4, 5)]
    with torch.no_grad():
        means = torch.stack([torch.stack([x[:, :, i, j].mean((2, 3)) for j in places], -1) for i in places], -2)
        y = path(x)
        return {"difference": distance(y, conv_then_norm(means, path[1:])), "side": y.shape[-1]}


def start() -> dict[str, float]:
    """Fresh blocks that halve the map against a ReLU of their shortcut; standard deviations over sqrt(2 / fan-out)."""
    torch.manual_seed(0)
    network = TResNet(16, (1, 1, 1, 1), 10)
    differences = []
    with torch.no_grad():
        for block, channels in ((network.stages[1][0], 16), (network.stages[2][0], 32)):
            x = torch.randn(2, channels, 8, 8)
            differences.append(distance(block(x), block.shortcut(x).relu()))
        weights = [layer.weight for layer in network.modules() if isinstance(layer, nn.Conv2d)]
        ratios = [float(weight.std()) / sqrt(2 / (weight.numel() / weight.shape[1])) for weight in weights]
    return {
        "basic": differences[0],
        "bottleneck": differences[1],
        "smallest_ratio": min(ratios),
        "largest_ratio": max(ratios),
    }


# --- Parity ----------------------------------------------------------------------------------------------------------


def pytorchcv() -> dict[str, float]:
    """TResNet-M against pytorchcv's, brought to the authors' network.

    As it comes it blurs once more in the stem, averages 3x3 pixels in bottlenecks where others blur, has a slope of
    0.01 everywhere, and an activation behind the last convolution of each block too.
    """
    from pytorchcv.models import tresnet as theirs

    from catalog.records import Peer
    from catalog.verify.parity import compare
    from catalog.verify.peers import build_peer

    class Stem(theirs.TResInitBlock):
        def __call__(self, x: Tensor) -> Tensor:
            return self.conv(theirs.space_to_depth(x))

    class Blur(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return theirs.anti_aliased_downsample(x)

    torch.manual_seed(0)
    peer = build_peer(Peer(library="pytorchcv", model="tresnet_m"))
    peer.features.init_block.__class__ = Stem
    for name, module in peer.features.named_modules():
        if isinstance(module, nn.LeakyReLU) and not name.startswith("init_block"):
            module.negative_slope = 1e-3
        elif isinstance(module, theirs.TResBlock):
            module.conv2.activate = False
        elif isinstance(module, theirs.TResBottleneck):
            module.conv3.activate = False
            if module.resize:
                module.pool = Blur()
    return compare(build("tresnet-m"), peer, (3, 40, 40))


# --- Helpers ---------------------------------------------------------------------------------------------------------


@cache
def _network(variant: str) -> TResNet:
    with torch.device("meta"):
        return build(variant).eval()


def _count(module: nn.Module, kind: type[nn.Module]) -> int:
    return sum(isinstance(part, kind) for part in module.modules())


def _share(measured: Tensor, wanted: Tensor) -> float:
    return distance(measured, wanted) / float(wanted.abs().max())


def _blurred(x: Tensor) -> Tensor:
    """One direction after the other."""
    channels = x.shape[1]
    line = torch.tensor([0.25, 0.5, 0.25], dtype=x.dtype).expand(channels, 1, 3)
    x = F.conv2d(F.pad(x, (1, 1, 0, 0), mode="reflect"), line[:, :, None], stride=(1, 2), groups=channels)
    return F.conv2d(F.pad(x, (0, 0, 1, 1), mode="reflect"), line[..., None], stride=(2, 1), groups=channels)


def _gated(x: Tensor, se: SEBlock) -> Tensor:
    first, _, second, _ = se.excite
    z = F.linear(x.mean((2, 3)), first.weight.flatten(1), first.bias).relu()
    return x * torch.sigmoid(F.linear(z, second.weight.flatten(1), second.bias))[:, :, None, None]


def _shortcut(block: BasicBlock | Bottleneck, x: Tensor, stride: int) -> Tensor:
    if isinstance(block.shortcut, nn.Identity):
        return x
    x = F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False) if stride == 2 else x
    return conv_then_norm(x, block.shortcut[-2:])
