"""Measurements of collective residual units that no count on a single network gives."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from itertools import groupby
from statistics import fmean
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reproductions.checks.digits import train_on_digits
from reproductions.checks.measuring import count_parameters, distance, normal, normalised, randomise, relative_distance
from reproductions.collective_residual_unit import (
    VARIANTS,
    CollectiveUnit,
    CRUNet,
    ResUnit,
    SharedFactors,
    block_terms,
    build,
    kernel_of,
)
from reproductions.resnet import Bottleneck

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from catalog.verify.training import Run


def depth() -> dict[str, int]:
    """How often a layer with weights is applied on the main path: convolutions of stem and units, and the classifier.

    The convolutions of shortcuts, and those that widen the input of a unit, are not counted.
    """
    return {
        variant: sum(
            isinstance(module, nn.Conv2d | nn.Linear) and not {"shortcut", "widen"} & set(name.split("."))
            for name, module in _network(variant).named_modules(remove_duplicate=False)
        )
        for variant in VARIANTS
    }


def model_sizes() -> dict[str, float]:
    """Parameters and moving averages in single precision, in units of 2^20 bytes."""
    sizes = {}
    for variant in ("cru56", "cru56-136x1d", "cru116"):
        network = _network(variant)
        values = [*network.parameters(), *(value for value in network.buffers() if value.is_floating_point())]
        sizes[variant] = 4 * sum(value.numel() for value in values) / 2**20
    return sizes


def feature_maps() -> dict[str, list[int]]:
    """Channels and sides of the maps behind the stem and each stage of the smallest network."""
    network = _network("cru56")
    x = network.stem(torch.empty(1, 3, 224, 224, device="meta"))
    shapes = [x.shape]
    for stage in network.stages:
        x = stage(x)
        shapes.append(x.shape)
    return {"channels": [shape[1] for shape in shapes], "sides": [shape[2] for shape in shapes]}


# --- Block terms -----------------------------------------------------------------------------------------------------


def three_convolutions() -> dict[str, float]:
    """1x1, grouped 3x3 and 1x1 convolutions on 12 channels against one 3x3 with the sum of their block terms.

    16 channels inside, in 1, 8 or 16 groups. ``with_relu`` has a ReLU behind the 3x3.
    """
    x = normal(2, 12, 7, 7)
    first, last = normal(16, 12, seed=1), normal(12, 16, seed=2)
    measured = {}
    for groups in (1, 8, 16):
        middle = normal(16, 16 // groups, 3, 3, seed=3)
        terms = block_terms(first, middle, last)
        y = F.conv2d(F.conv2d(x, first[..., None, None]), middle, padding=1, groups=groups)
        once = F.conv2d(x, terms.sum(0), padding=1)
        measured[f"groups_{groups}_terms"] = len(terms)
        measured[f"groups_{groups}"] = distance(F.conv2d(y, last[..., None, None]), once)
    measured["with_relu"] = distance(F.conv2d(y.relu(), last[..., None, None]), once)
    return measured


def ranks() -> dict[str, list[int]]:
    """Ranks of unfoldings by outputs and by inputs, 12 of each: of kernels with D channels inside, and of a term."""

    def unfoldings(kernel: Tensor) -> list[int]:
        return [int(torch.linalg.matrix_rank(kernel.movedim(mode, 0).flatten(1))) for mode in (0, 1)]

    def terms(inside: int, groups: int) -> Tensor:
        return block_terms(
            normal(inside, 12), normal(inside, inside // groups, 3, 3, seed=1), normal(12, inside, seed=2)
        )

    return {
        "narrow": unfoldings(terms(4, 1).sum(0)),
        "narrow_depthwise": unfoldings(terms(4, 4).sum(0)),
        "wide_depthwise": unfoldings(terms(16, 16).sum(0)),
        "term_of_one_group": unfoldings(terms(4, 1)[0]),
        "term_of_two_groups": unfoldings(terms(4, 2)[0]),
        "term_of_depthwise": unfoldings(terms(4, 4)[0]),
    }


def kernels_of_units() -> dict[str, float]:
    """Branches of units, without normalisations and ReLUs, against one 3x3 convolution; ``with_relu`` has the ReLUs."""
    x = normal(2, 64, 6, 6)

    def apply(layers: Sequence[nn.Module], y: Tensor, *, relu: bool = False) -> Tensor:
        for layer in layers:
            if isinstance(layer, nn.Conv2d):
                y = layer(y.relu() if relu else y)
        return y

    torch.manual_seed(0)
    plain = randomise(ResUnit(64, 64, 1, cardinality=1, width=64), 0.2)
    grouped = randomise(ResUnit(64, 64, 1, cardinality=8, width=8), 0.2)
    collective = randomise(CollectiveUnit(64, 64, 1, SharedFactors(64, 24)), 0.2)
    bottleneck = randomise(Bottleneck(64, 64, 1), 0.2)
    a, g, b = (layer.weight for layer in bottleneck.layers if isinstance(layer, nn.Conv2d))
    with torch.no_grad():
        theirs = block_terms(a.flatten(1), g, b.flatten(1))
        return {
            "resnet": distance(apply(bottleneck.layers, x), F.conv2d(x, theirs.sum(0), padding=1)),
            "resnet_terms": len(theirs),
            "one_group": distance(apply(plain.layers, x), F.conv2d(x, kernel_of(plain), padding=1)),
            "grouped": distance(apply(grouped.layers, x), F.conv2d(x, kernel_of(grouped), padding=1)),
            "collective": distance(
                apply(collective.layers, collective.factors(x)), F.conv2d(x, kernel_of(collective), padding=1)
            ),
            "with_relu": distance(apply(grouped.layers, x, relu=True), F.conv2d(x, kernel_of(grouped), padding=1)),
        }


# --- Sharing ---------------------------------------------------------------------------------------------------------


def shared_parameters() -> dict[str, int | list[int]]:
    """The third stage of the smallest network: parameters that several of its six units have, by their sizes.

    ``used_twice`` are sizes of parameters that stand twice in one unit, here the first.
    """
    units = list(_network("cru56").stages[2])
    of_units = [list(unit.named_parameters(remove_duplicate=False)) for unit in units]
    distinct = [{id(value): value for _, value in parameters} for parameters in of_units]
    shared = [value for key, value in distinct[0].items() if all(key in other for other in distinct[1:])]
    owners = [sum(key in other for other in distinct) for key in set().union(*distinct)]
    twice = [value for key, value in distinct[0].items() if sum(id(other) == key for _, other in of_units[0]) > 1]
    everything = {id(value): value for value in _network("cru56").parameters()}
    return {
        "shared_by_all": len(shared),
        "sizes": [size for value in shared for size in value.shape],
        "shared_by_some": sum(1 < count < len(units) for count in owners),
        "used_twice": [size for value in twice for size in value.shape],
        "used_twice_elsewhere": sum(len(found) - len(d) for found, d in zip(of_units[1:], distinct[1:], strict=True)),
        "parameters": sum(value.numel() for value in everything.values()),
    }


def sets() -> dict[str, list[int]]:
    """For each stage with factors, how many units in a row have the same ones, and the ranks of the factors."""
    measured: dict[str, list[int]] = {}
    for variant in VARIANTS:
        for number, stage in enumerate(_network(variant).stages, start=1):
            factors = [unit.factors for unit in stage if isinstance(unit, CollectiveUnit)]
            if factors:
                runs = [list(group) for _, group in groupby(factors, key=id)]
                measured[f"{variant}_stage_{number}"] = [len(run) for run in runs]
                measured[f"{variant}_stage_{number}_ranks"] = sorted({run[0].first.out_channels for run in runs})
    return measured


def gradients() -> dict[str, float]:
    """Gradients of factors that three units share, less the sums of those of equal factors that each has alone.

    Over the largest; ``…_alone`` is the difference from that of the unit which comes nearest.
    """
    torch.manual_seed(0)
    factors = SharedFactors(8, 6)
    tied = nn.Sequential(*(randomise(CollectiveUnit(8, 8, 1, factors)) for _ in range(3)))
    untied = deepcopy(tied)
    for unit in untied:
        unit.factors = deepcopy(unit.factors)
    x = normal(4, 8, 6, 6)
    for network in (tied, untied):
        (network(x) ** 2).mean().backward()
    measured = {}
    for name in ("first", "spatial"):
        whole = getattr(factors, name).weight.grad
        parts = torch.stack([getattr(unit.factors, name).weight.grad for unit in untied])
        scale = float(whole.abs().max())
        measured[name] = distance(whole, parts.sum(0)) / scale
        measured[f"{name}_alone"] = min(distance(whole, part) for part in parts) / scale
    return measured


def another_unit() -> dict[str, int]:
    """Parameters that a seventh unit in the third stage adds, with and without sharing."""

    def parameters(units: int, share: int) -> int:
        with torch.device("meta"):
            return count_parameters(CRUNet(32, 4, (3, 4, units, 3), (None, None, 640, None), share, 1000))

    return {"shared": parameters(7, 7) - parameters(6, 6), "private": parameters(7, 1) - parameters(6, 1)}


# --- Units and networks, written out ---------------------------------------------------------------------------------


def units() -> dict[str, float]:
    """Differences between units and their description, by functions alone, over the largest output.

    ``normalised_between`` is what a normalisation and a ReLU between the shared factors would change.
    """
    torch.manual_seed(0)
    x = normal(2, 64, 7, 7)
    differences = {}
    with torch.no_grad():
        for name, outputs, stride in (("same", 64, 1), ("wider", 128, 1), ("halving", 128, 2)):
            unit = randomise(ResUnit(64, outputs, stride, cardinality=8, width=8))
            differences[f"residual_{name}"] = relative_distance(unit(x), _residual(x, unit, stride, 8))
            unit = randomise(CollectiveUnit(64, outputs, stride, SharedFactors(outputs, 12)))
            wanted = _collective(x, unit, stride)
            differences[f"collective_{name}"] = relative_distance(unit(x), wanted)
        between = _collective(x, unit, stride, between=lambda y: (y - y.mean((0, 2, 3), keepdim=True)).relu())
        differences["normalised_between"] = relative_distance(wanted, between)
    return differences


def network() -> dict[str, float]:
    """A network of two stages, the second with a set of factors for two of three units, against its description."""
    torch.manual_seed(0)
    net = randomise(CRUNet(4, 8, (1, 3), (None, 8), 2, classes=5), 0.05)
    x = normal(2, 3, 32, 32)
    with torch.no_grad():
        y = F.conv2d(x, net.stem[0].weight, stride=2, padding=3)
        y = F.max_pool2d(normalised(y, net.stem[1]).relu(), 3, 2, 1)
        y = _residual(y, net.stages[0][0], 1, 4)
        for position, unit in enumerate(net.stages[1]):
            y = _collective(y, unit, 2 if position == 0 else 1)
        norm, classifier = net.head[0], net.head[-1]
        y = normalised(y, norm).relu().mean((2, 3)) @ classifier.weight.T + classifier.bias
        return {"scores": relative_distance(net(x), y), "smallest": float(y.abs().min())}


@cache
def _network(variant: str) -> CRUNet:
    with torch.device("meta"):
        return build(variant).eval()


def _convolve(x: Tensor, layers: Sequence[nn.Module], stride: int = 1, groups: int = 1) -> Tensor:
    """Batch normalisation, ReLU, convolution, by functions alone."""
    norm, _, convolution = layers
    padding = convolution.weight.shape[-1] // 2
    return F.conv2d(normalised(x, norm).relu(), convolution.weight, None, stride, padding, 1, groups)


def _residual(x: Tensor, unit: ResUnit, stride: int, groups: int) -> Tensor:
    f = unit.layers
    branch = _convolve(_convolve(_convolve(x, f[:3]), f[3:6], stride, groups), f[6:9])
    shortcut = x if branch.shape == x.shape else _convolve(x, unit.shortcut, stride)
    return shortcut + branch


def _collective(
    x: Tensor, unit: CollectiveUnit, stride: int, between: Callable[[Tensor], Tensor] = lambda y: y
) -> Tensor:
    first, spatial = unit.factors.first.weight, unit.factors.spatial.weight
    shortcut = y = x
    if x.shape[1] != len(unit.layers[5].weight):
        y = _convolve(x, unit.widen)
        shortcut = F.conv2d(normalised(x, unit.shortcut[0]).relu(), unit.widen[2].weight, stride=stride)
    y = between(F.conv2d(normalised(y, unit.activation[0]).relu(), first))
    y = F.conv2d(y, spatial, stride=stride, padding=1, groups=len(spatial))
    return shortcut + _convolve(_convolve(y, unit.layers[:3]), unit.layers[3:6])


# --- Training --------------------------------------------------------------------------------------------------------


def digits(run: Run) -> dict[str, float]:
    """Share of the test digits that a small network gets right: with one set of factors in four units, or four sets."""
    tied, untied = _accuracy_on_digits(run, sets=1), _accuracy_on_digits(run, sets=4)
    return {"shared": tied, "private": untied}


def loss_in_the_mean(series: dict[str, list[float]]) -> dict[str, float | list[float]]:
    """What was measured for every seed, and how much less accurate sharing is in the mean over the seeds."""
    return {**series, "lost_by_sharing": fmean(series["private"]) - fmean(series["shared"])}


def _accuracy_on_digits(run: Run, sets: int) -> float:
    torch.manual_seed(run.seed)
    factors = [SharedFactors(32, 24) for _ in range(sets)]
    first, second, third, fourth = (CollectiveUnit(32, 32, 1, factors[number % sets]) for number in range(4))
    network = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1, bias=False),
        *(first, second, nn.MaxPool2d(2), third, fourth),
        *(nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)),
    )
    return train_on_digits(run, "shared" if sets == 1 else "private", network, epochs=5)[0]
