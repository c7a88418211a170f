"""Measurements of ResNet-RS that no count on a single network gives."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reproductions.checks.measuring import conv_then_norm, count_macs, count_parameters, distance, normal, randomise
from reproductions.resnet_rs import VARIANTS, DropBranch, MovingAverage, block, build, cosine, loss, stem
from reproductions.senet import SEBlock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reproductions.resnet import Block, ResNet

TABLE = (("50", 160), ("101", 160), ("101", 192), ("152", 192), ("152", 224), ("152", 256), ("200", 256))
"""Networks and sides of their images."""

SHALLOW = ("resnetrs50", "resnetrs101", "resnetrs152", "resnetrs200")

DECAYS = {"usual": None, "fast": 0.9}


def settings() -> dict[str, list[int] | list[float]]:
    """Of the networks of up to 200 layers: blocks in each stage; dropout, and drop rates of first and last block."""
    return {name: value for variant in SHALLOW for name, value in _settings(variant).items()}


def the_deepest() -> dict[str, int | list[int] | list[float]]:
    """The same of the others, and their parameters."""
    measured: dict[str, int | list[int] | list[float]] = {}
    for variant in VARIANTS:
        if variant not in SHALLOW:
            measured |= {f"{variant}_parameters": count_parameters(_network(variant)), **_settings(variant)}
    return measured


def architecture() -> dict[str, list[int]]:
    """Of the first block in each stage of the 50-layer network: outputs, units of the gate, strides.

    ``sides`` are those of the map behind the stem and each stage, for an image of 160. Gates and max pools are those of
    the whole network.
    """
    network = _network("resnetrs50")
    first = [stage[0] for stage in network.stages]
    x = network.stem(torch.empty(1, 3, 160, 160, device="meta"))
    sides = [x.shape[2]]
    for stage in network.stages:
        x = stage(x)
        sides.append(x.shape[2])
    gates = [layer for layer in network.modules() if isinstance(layer, SEBlock)]
    return {
        "outputs": [layer.layers[6].out_channels for layer in first],
        "gates": [next(m for m in layer.modules() if isinstance(m, SEBlock)).excite[0].out_channels for layer in first],
        "number_of_gates": [len(gates)],
        "strides": [layer.layers[number].stride[0] for layer in first for number in (0, 3, 6)],
        "max_pools": [sum(isinstance(m, nn.MaxPool2d) for m in network.modules())],
        "sides": sides,
    }


def flops() -> dict[str, int]:
    """Twice the multiply-accumulates of the networks of the model table, by depth and side."""
    return {f"{depth}_at_{side}": 2 * _cost(f"resnetrs{depth}", side)[0] for depth, side in TABLE}


def flops_with_normalisation() -> dict[str, int]:
    """The same with two operations for each number that is normalised."""
    return {f"{depth}_at_{side}": 2 * sum(_cost(f"resnetrs{depth}", side)) for depth, side in TABLE}


def stems() -> dict[str, float | int | list[int]]:
    """Convolutions of the stem, their strides, parameters, and how far it is from its layers written out."""
    layers = randomise(stem())
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    norms = [layer for layer in layers if isinstance(layer, nn.BatchNorm2d)]
    x = y = normal(2, 3, 33, 33)
    with torch.no_grad():
        for convolution, norm, stride in zip(convolutions, norms, (2, 1, 1, 2), strict=True):
            y = conv_then_norm(y, (convolution, norm), stride).relu()
        return {
            "outputs": [layer.out_channels for layer in convolutions],
            "strides": [layer.stride[0] for layer in convolutions],
            "parameters": count_parameters(layers),
            "difference": distance(layers(x), y) / float(y.abs().max()),
        }


def drop_rates() -> dict[str, float | int | list[float]]:
    """Drop rates of all blocks of the 200-layer network, in their order."""
    rates = _rates("resnetrs200")
    return {"rates": rates, "blocks": len(rates), "first": rates[0], "last": rates[-1]}


def dropped_branches() -> dict[str, float]:
    """A branch that is dropped with probability 0.1, for 20000 copies of an image, over the branch without drops.

    ``mean`` is the mean over all in training, ``undivided`` what it would be, and ``dropped`` the share of drops;
    ``kept`` is how far the others are from the branch divided by 0.9, and ``test`` how far a test is from the branch.
    """
    torch.manual_seed(0)
    branch = randomise(block(8, 8, 1, drop_rate=0.1)).layers
    layers, drop = branch[:-1], branch[-1].train()
    with torch.no_grad():
        y = layers(normal(1, 8, 2, 2))
        many = drop(y.expand(20000, -1, -1, -1))
        dropped = (many == 0).flatten(1).all(1)
        scale = float(y.abs().max())
        measured = {
            "mean": float((many.mean(0) / y[0]).mean()),
            "dropped": float(dropped.double().mean()),
            "kept": distance(many[~dropped], (y / 0.9).expand(int((~dropped).sum()), -1, -1, -1)) / scale,
            "undivided": float((0.9 * many.mean(0) / y[0]).mean()),
            "sure": distance(DropBranch(0.0).train()(y), y),
        }
        measured["test"] = distance(drop.eval()(y.expand(100, -1, -1, -1)), y.expand(100, -1, -1, -1)) / scale
    return measured


def moving_average() -> dict[str, float | int]:
    """An average after ten updates less the sum that it should be, in double and single precision.

    ``…_running_mean`` is the same for a moving average of normalisation. ``counted`` is what the average has for the
    number of batches that the network has counted, 10, and ``changed`` how far the network is from what it was set to.
    """
    torch.manual_seed(0)
    measured: dict[str, float | int] = {}
    for precision, dtype in (("double", torch.float64), ("single", torch.float32)):
        for name, decay in DECAYS.items():
            network = nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8)).to(dtype)
            values = [normal(10, *p.shape, seed=i).to(dtype) for i, p in enumerate(_floats(network))]
            first = [p.clone() for p in _floats(network)]
            average = MovingAverage(network) if decay is None else MovingAverage(network, decay)
            for step in range(10):
                for number, now in zip(values, _floats(network), strict=True):
                    now.copy_(number[step])
                network[1].num_batches_tracked += 1
                average.update(network)
            d = 0.9999 if decay is None else decay
            powers = d ** torch.arange(9, -1, -1, dtype=torch.float64)
            wanted = [
                d**10 * start.double() + (1 - d) * torch.tensordot(powers, series.double(), 1)
                for start, series in zip(first, values, strict=True)
            ]
            found = _floats(average.network)
            pairs = list(zip(found, wanted, strict=True))
            measured[f"{precision}_{name}"] = max(distance(value.double(), w) for value, w in pairs)
            measured[f"{precision}_{name}_last"] = distance(found[0], values[0][-1])
    measured["counted"] = int(average.network[1].num_batches_tracked)
    measured["changed"] = max(distance(now, s[-1]) for now, s in zip(_floats(network), values, strict=True))
    measured["in_training"] = int(average.network.training)
    measured["gradients"] = sum(parameter.requires_grad for parameter in average.network.parameters())
    return measured


def smoothing() -> dict[str, float]:
    """The loss less cross-entropy with (1 - e) of the label and e / K of every class, for e = 0.1, and less torch's.

    ``sharp`` is how far it is from cross-entropy with the label alone.
    """
    scores, labels = 5 * normal(64, 10), torch.arange(64) % 10
    ours = loss(scores, labels)
    wanted = 0.9 * F.one_hot(labels, 10).double() + 0.1 / 10
    return {
        "definition": distance(ours, -(wanted * scores.log_softmax(1)).sum(1).mean()),
        "torch": distance(ours, F.cross_entropy(scores, labels, label_smoothing=0.1)),
        "sharp": distance(ours, F.cross_entropy(scores, labels)),
    }


def schedule() -> dict[str, float | list[float]]:
    """What the learning rate is multiplied by, at the start, a third, a half and the end, and all along."""
    factors = [cosine(step, 60) for step in range(61)]
    return {
        "start": factors[0],
        "third": factors[20],
        "half": factors[30],
        "end": factors[-1],
        "all_along": factors,
    }


def blocks() -> dict[str, float]:
    """Differences between blocks and relu(s F(x) + shortcut(x)) written out, over the largest output, for odd sides.

    Then what gates in other places would change.
    """
    torch.manual_seed(0)
    measured = {}
    x = normal(2, 64, 9, 9)
    with torch.no_grad():
        for name, outputs, stride in (("same", 64, 1), ("wider", 128, 1), ("halving", 128, 2)):
            layer = randomise(block(64, outputs, stride, drop_rate=0.1))
            branch, shortcut = _branch(layer, x, stride), _shortcut(layer, x, stride)
            wanted = (branch * _gate(layer, branch) + shortcut).relu()
            measured[name] = distance(layer(x), wanted) / float(wanted.abs().max())
        largest = float(wanted.abs().max())
        total = (branch + shortcut).relu()
        measured["gate_after_the_addition"] = distance(wanted, total * _gate(layer, total)) / largest
        measured["no_gate"] = distance(wanted, total) / largest
    return measured


@cache
def _network(variant: str) -> ResNet:
    with torch.device("meta"):
        return build(variant).eval()


def _settings(variant: str) -> dict[str, list[int] | list[float]]:
    network, rates = _network(variant), _rates(variant)
    (dropout,) = (layer.p for layer in network.modules() if isinstance(layer, nn.Dropout))
    return {
        f"{variant}_blocks": [len(stage) for stage in network.stages],
        f"{variant}_rates": [dropout, round(rates[0], 8), round(rates[-1], 8)],
    }


def _rates(variant: str) -> list[float]:
    return [module.drop_rate for module in _network(variant).modules() if isinstance(module, DropBranch)]


@cache
def _cost(variant: str, side: int) -> tuple[int, int]:
    """Multiply-accumulates for one image, and how many numbers are normalised."""
    network, numbers = _network(variant), []

    def note(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> None:
        numbers.append(output.numel())

    hooks = [m.register_forward_hook(note) for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    macs = count_macs(network, (3, side, side))
    for hook in hooks:
        hook.remove()
    return macs, sum(numbers)


def _floats(network: nn.Module) -> Sequence[Tensor]:
    """Weights and moving averages, to look at and to set."""
    return [value for value in network.state_dict().values() if value.is_floating_point()]


def _branch(layer: Block, x: Tensor, stride: int) -> Tensor:
    """The branch by functions alone, without its gate."""
    f = layer.layers
    y = conv_then_norm(x, f[:2]).relu()
    y = conv_then_norm(y, f[3:5], stride).relu()
    return conv_then_norm(y, f[6:8])


def _shortcut(layer: Block, x: Tensor, stride: int) -> Tensor:
    if isinstance(layer.shortcut, nn.Identity):
        return x
    weights = [part for part in layer.shortcut if not isinstance(part, nn.AvgPool2d)]
    means = x
    if stride == 2:  # of the pixels that are there
        ones = F.pad(torch.ones_like(x), (0, x.shape[3] % 2, 0, x.shape[2] % 2))
        means = F.avg_pool2d(F.pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2)), 2) / F.avg_pool2d(ones, 2)
    return conv_then_norm(means, weights)


def _gate(layer: Block, u: Tensor) -> Tensor:
    """What squeeze and excitation multiplies by, by functions alone."""
    gate = next(part for part in layer.layers if isinstance(part, SEBlock))
    first, _, second, _ = gate.excite
    z = F.linear(u.mean((2, 3)), first.weight.flatten(1), first.bias).relu()
    return torch.sigmoid(F.linear(z, second.weight.flatten(1), second.bias))[:, :, None, None]
