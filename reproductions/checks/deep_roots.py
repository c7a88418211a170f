"""Measurements of Deep Roots: the paper's own counts, what groups do to a layer, networks written out."""

from __future__ import annotations

from functools import cache
from math import sqrt
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F

from reproductions.checks.digits import train_on_digits
from reproductions.checks.measuring import count_macs, distance, normal, normalised, randomise
from reproductions.deep_roots import NIN, VARIANTS, RootModule, build, convolution
from reproductions.resnet import ResNet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from catalog.verify.training import Run

# What the tables print is counted in the claims of the tables, the rest in those of the thesis.
TABLE_2_PARAMETERS = ("nin-orig", "nin-root4", "nin-tree4")
TABLE_2_OPERATIONS = ("nin-orig", "nin-root8")
TABLE_4_PARAMETERS = ("resnet50-orig", "resnet50-root16")
TABLE_4_OPERATIONS = ("resnet50-orig", "resnet50-root64")


def table_2_parameters() -> dict[str, int]:
    """Parameters of convolutions."""
    return {variant: _parameters(variant) for variant in TABLE_2_PARAMETERS}


def table_2_operations() -> dict[str, int]:
    """Multiply-accumulates for an image of 32 pixels, and one for each bias."""
    return {variant: _operations(variant) for variant in TABLE_2_OPERATIONS}


def table_4_parameters() -> dict[str, int]:
    """Parameters of convolutions and of the classifier."""
    return {variant: _parameters(variant) for variant in TABLE_4_PARAMETERS}


def table_4_operations() -> dict[str, int]:
    """Multiply-accumulates for an image of 224 pixels, and one for each bias."""
    return {variant: _operations(variant) for variant in TABLE_4_OPERATIONS}


def other_parameters() -> dict[str, int]:
    """The same for the variants that are in neither of the claims above."""
    return {v: _parameters(v) for v in VARIANTS if v not in TABLE_2_PARAMETERS + TABLE_4_PARAMETERS}


def other_operations() -> dict[str, int]:
    """The same for the variants that are in neither of the claims above."""
    return {v: _operations(v) for v in VARIANTS if v not in TABLE_2_OPERATIONS + TABLE_4_OPERATIONS}


def nin_layers() -> dict[str, list[int]]:
    """Filters, side and groups of each convolution of the Network in Network with root-8; sides of maps behind them."""
    network, sides = _network("nin-root8"), []
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    hooks = [layer.register_forward_hook(lambda *call: sides.append(call[-1].shape[-1])) for layer in layers]
    network(torch.empty(1, 3, 32, 32, device="meta"))
    for hook in hooks:
        hook.remove()
    return {
        "filters": [layer.out_channels for layer in layers],
        "kernels": [layer.kernel_size[0] for layer in layers],
        "groups": [layer.groups for layer in layers],
        "biases": [0 if layer.bias is None else layer.bias.numel() for layer in layers],
        "maps": sides,
    }


def resnet_layers() -> dict[str, list[int]]:
    """Groups of the convolutions of the first block of each stage, and of all in root-64; strides; biases."""
    network = _network("resnet50-root64")
    assert isinstance(network, ResNet)
    layers = {name: layer for name, layer in network.named_modules() if isinstance(layer, nn.Conv2d)}
    in_blocks = [[layers[f"stages.{stage}.0.layers.{place}"] for place in (0, 3, 6)] for stage in range(4)]
    return {
        "groups_1x1": sorted({layer.groups for layer in layers.values() if layer.kernel_size == (1, 1)}),
        "groups_first_layer": [network.stem[0].groups],
        "groups_3x3": [layer.groups for layer in layers.values() if layer.kernel_size == (3, 3)],
        "strides": [layer.stride[0] for block in in_blocks for layer in block],
        "biases": [layer.bias.numel() for layer in layers.values() if layer.bias is not None],
    }


def groups() -> dict[str, list[int]]:
    """Groups of conv1a, conv2a and conv3a of each Network in Network, of conv1 and the stages of each ResNet-50."""
    found = {}
    for variant in VARIANTS:
        network = _network(variant)
        if isinstance(network, NIN):
            found[variant] = [stage[0][0].groups for stage in (network.conv1, network.conv2, network.conv3)]
        else:
            assert isinstance(network, ResNet)
            found[variant] = [network.stem[0].groups, *(stage[-1].layers[3].groups for stage in network.stages)]
    return found


# --- What is saved ---------------------------------------------------------------------------------------------------


def saved_in_resnet_50() -> dict[str, float]:
    """Shares of parameters and of multiply-accumulates that ResNet-50 loses with root-64 and with root-16."""
    return _saved("resnet50-orig", {"root64": "resnet50-root64", "root16": "resnet50-root16"})


def left_in_nin() -> dict[str, float]:
    """Shares of parameters and of multiply-accumulates that the Network in Network keeps with root-8."""
    saved = _saved("nin-orig", {"root8": "nin-root8"})
    return {name: 1 - share for name, share in saved.items()}


def conv2a() -> dict[str, list[int]]:
    """Weights and multiply-accumulates of conv2a on its map of 16 x 16, by the number of its groups."""
    weights, macs = [], []
    for variant in ("nin-orig", "nin-root2", "nin-root4", "nin-root8", "nin-root16"):
        network = _network(variant)
        assert isinstance(network, NIN)
        layer = network.conv2[0][0]
        weights.append(layer.weight.numel())
        macs.append(count_macs(layer, (96, 16, 16)))
    return {"weights": weights, "macs": macs}


def topologies() -> list[int]:
    """Parameters of root-4, column-4 and tree-4."""
    return [_parameters(variant) for variant in ("nin-root4", "nin-col4", "nin-tree4")]


# --- What groups do --------------------------------------------------------------------------------------------------


def filter_basis() -> dict[str, float]:
    """Filters in 4 groups as dense filters with zeros, and combined by the 1x1 that follows, both as one convolution.

    The nonlinearity between the two is left out, so that they are one linear function. Differences are shares of the
    largest output; ``other_groups`` is what the first group of outputs gets from inputs that are not its own.
    """
    torch.manual_seed(0)
    module = randomise(RootModule(96, 192, 64, 3, groups=4))
    grouped, combining = (layer for layer in module if isinstance(layer, nn.Conv2d))
    x = normal(2, 96, 6, 6)
    with torch.no_grad():
        dense = torch.zeros(192, 96, 3, 3, dtype=torch.float64)
        for group in range(4):
            own, seen = slice(48 * group, 48 * (group + 1)), slice(24 * group, 24 * (group + 1))
            dense[own, seen] = grouped.weight[own]
        y = grouped(x)
        composed = torch.einsum("of,fcij->ocij", combining.weight[:, :, 0, 0], dense)
        bias = combining(grouped.bias[None, :, None, None]).flatten()
        wanted = combining(y)
        changed = torch.cat([x[:, :24], normal(2, 72, 6, 6, seed=1)], dim=1)
        return {
            "block_diagonal": distance(F.conv2d(x, dense, grouped.bias, padding=1), y) / float(y.abs().max()),
            "zeros": float((dense == 0).double().mean()),
            "composed": distance(F.conv2d(x, composed, bias, padding=1), wanted) / float(wanted.abs().max()),
            "zeros_composed": float((composed == 0).double().mean()),
            "other_groups": distance(grouped(changed)[:, :48], y[:, :48]),
            "other_groups_composed": distance(combining(grouped(changed))[:, :16], wanted[:, :16]),
        }


def separation() -> dict[str, float]:
    """Largest gradient of the first group of outputs of two grouped layers in the channels of the other groups.

    ``own_group`` is that in the channels of its own group, ``with_1x1`` that with a full 1x1 between the two.
    """
    torch.manual_seed(0)
    root, last = randomise(RootModule(16, 16, 16, 3, groups=4)), randomise(convolution(16, 16, 3, groups=4))
    without = _reach(nn.Sequential(*list(root)[:3], last))
    return {
        "without_1x1": float(without[4:].max()),
        "own_group": float(without[:4].min()),
        "with_1x1": float(_reach(nn.Sequential(root, last))[4:].min()),
    }


def root_module() -> dict[str, float]:
    """A root module against its parts written out: filters of each group on their own, their combination.

    ``relu_forgotten`` is how much it would change if nothing stood between the two.
    """
    torch.manual_seed(0)
    module = randomise(RootModule(8, 12, 10, 5, groups=2))
    spatial, first, _, combining, second, _ = module
    x = normal(2, 8, 7, 7)
    with torch.no_grad():
        halves = [
            F.conv2d(x[:, channels], spatial.weight[filters], spatial.bias[filters], padding=2)
            for channels, filters in ((slice(4), slice(6)), (slice(4, 8), slice(6, 12)))
        ]
        y = normalised(torch.cat(halves, dim=1), first)
        measured = {}
        for name, values in (("root_module", y.relu()), ("relu_forgotten", y)):
            z = torch.einsum("oc,bchw->bohw", combining.weight[:, :, 0, 0], values) + combining.bias[:, None, None]
            measured[name] = distance(module(x), normalised(z, second).relu())
    return measured


def nin_written_out() -> float:
    """Largest difference between the Network in Network, column-4, and its layers written out, over its outputs."""
    torch.manual_seed(0)
    network = randomise(build("nin-col4"), std=0.1)
    assert isinstance(network, NIN)
    x = normal(1, 3, 12, 12)
    with torch.no_grad():
        y = x
        for number, stage in enumerate((network.conv1, network.conv2, network.conv3)):
            if number:
                y = F.max_pool2d(F.pad(y, (1, 1, 1, 1)), 3, stride=2)  # zeros, which no maximum of a ReLU misses
            root, last = stage
            for conv, norm in ((root[0], root[1]), (root[3], root[4]), (last[0], last[1])):
                group_count = 4 if number and conv is root[0] else 1
                padding = conv.weight.shape[-1] // 2
                y = normalised(F.conv2d(y, conv.weight, conv.bias, padding=padding, groups=group_count), norm).relu()
        wanted = y.flatten(2).mean(2)
        return distance(network(x), wanted) / float(wanted.abs().max())


def initialisation() -> dict[str, float]:
    """Standard deviations of fresh weights over sqrt(2 / fan-in), kurtosis (3 of a normal distribution), biases.

    Fan-in is what a filter of a grouped layer really sees.
    """
    torch.manual_seed(0)
    ratios, largest_bias = [], 0.0
    for network in (build("nin-root16"), build("resnet50-root64").stages):
        for layer in (module for module in network.modules() if isinstance(module, nn.Conv2d)):
            seen = layer.in_channels // layer.groups * layer.kernel_size[0] ** 2
            ratios.append(float(layer.weight.detach().std()) / sqrt(2 / seen))
            if layer.bias is not None:
                largest_bias = max(largest_bias, float(layer.bias.detach().abs().max()))
    weight = layer.weight.detach()
    kurtosis = float(weight.pow(4).mean() / weight.pow(2).mean() ** 2)
    return {
        "smallest_ratio": min(ratios),
        "largest_ratio": max(ratios),
        "kurtosis": kurtosis,
        "largest_bias": largest_bias,
    }


# --- Parity ----------------------------------------------------------------------------------------------------------


def torchvision_original() -> dict[str, float]:
    """ResNet-50 against torchvision's with the stride in the first 1x1 and a bias in the first convolution."""
    return _against_torchvision("resnet50-orig", (1, 1, 1, 1))


def torchvision_root_16() -> dict[str, float]:
    """ResNet-50 with root-16 against the same of torchvision whose 3x3 convolutions are exchanged for grouped ones."""
    return _against_torchvision("resnet50-root16", (16, 8, 4, 2))


def _against_torchvision(variant: str, groups: Sequence[int]) -> dict[str, float]:
    from catalog.records import Peer
    from catalog.verify.parity import compare
    from catalog.verify.peers import build_peer

    torch.manual_seed(0)
    strides = {
        f"layer{stage}.0.conv{place}.stride": stride for stage in (2, 3, 4) for place, stride in ((1, 2), (2, 1))
    }
    theirs = build_peer(Peer(library="torchvision", model="resnet50", set=strides))
    theirs.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3)
    for name, number in zip(("layer1", "layer2", "layer3", "layer4"), groups, strict=True):
        for block in getattr(theirs, name):
            width = block.conv2.out_channels
            block.conv2 = nn.Conv2d(width, width, 3, padding=1, groups=number, bias=False)
    return compare(build(variant), theirs, (3, 32, 32))


# --- Training --------------------------------------------------------------------------------------------------------


def digits(run: Run) -> dict[str, float]:
    """Test accuracy on digits of a small network without groups, and how much less it is with root-4 and root-8."""
    original, root_4, root_8 = (
        _accuracy_on_digits(run, name, *groups)
        for name, groups in (("original", (1, 1)), ("root-4", (4, 2)), ("root-8", (8, 4)))
    )
    return {"original": original, "lost_by_root_4": original - root_4, "lost_by_root_8": original - root_8}


def _accuracy_on_digits(run: Run, arm: str, second: int, third: int) -> float:
    torch.manual_seed(run.seed)
    network = nn.Sequential(
        RootModule(1, 32, 32, 3, 1),
        convolution(32, 32, 1),
        nn.MaxPool2d(2),
        RootModule(32, 32, 32, 3, second),
        convolution(32, 32, 1),
        RootModule(32, 32, 32, 3, third),
        nn.Conv2d(32, 10, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )
    return train_on_digits(run, arm, network, epochs=8)[0]


# --- Helpers ---------------------------------------------------------------------------------------------------------


@cache
def _network(variant: str) -> nn.Module:
    with torch.device("meta"):
        return build(variant).eval()


def _layers(variant: str) -> list[nn.Module]:
    return [module for module in _network(variant).modules() if isinstance(module, nn.Conv2d | nn.Linear)]


def _parameters(variant: str) -> int:
    return sum(parameter.numel() for layer in _layers(variant) for parameter in layer.parameters())


@cache
def _macs(variant: str) -> int:
    side = 32 if variant.startswith("nin") else 224
    return count_macs(_network(variant), (3, side, side))


def _operations(variant: str) -> int:
    return _macs(variant) + sum(layer.bias.numel() for layer in _layers(variant) if layer.bias is not None)


def _saved(original: str, variants: dict[str, str]) -> dict[str, float]:
    saved = {}
    for name, variant in variants.items():
        saved[f"{name}_parameters"] = 1 - _parameters(variant) / _parameters(original)
        saved[f"{name}_operations"] = 1 - _operations(variant) / _operations(original)
    return saved


def _reach(network: nn.Module) -> Tensor:
    """The largest gradient of the first four outputs in each of 16 input channels."""
    x = normal(2, 16, 7, 7).requires_grad_()
    weights = normal(2, 4, 7, 7, seed=1)
    (gradient,) = torch.autograd.grad((network(x)[:, :4] * weights).sum(), x)
    return gradient.abs().amax((0, 2, 3))
