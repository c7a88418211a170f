"""Measurements of RiR that no count on a single network gives."""

from __future__ import annotations

from functools import cache
from math import sqrt
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reproductions.checks.digits import train_on_digits
from reproductions.checks.measuring import normalised, randomise
from reproductions.resnet import initialise, stages
from reproductions.resnet_in_resnet import (
    VARIANTS,
    GeneralizedUnit,
    Join,
    RiRBlock,
    Split,
    Streams,
    build,
    resnet_init,
)

if TYPE_CHECKING:
    from catalog.verify.training import Run


def layers() -> dict[str, int]:
    """Layers with weights from image to scores, of which both streams have one at a time, and classified channels."""
    network = _network("rir-cifar10")
    (classifier,) = (layer for layer in network if isinstance(layer, nn.Conv2d))
    in_streams = sum(isinstance(module, Split | GeneralizedUnit) for module in network.modules())
    return {"depth": in_streams + 1, "features": classifier.in_channels}


def feature_maps() -> dict[str, list[int]]:
    """Channels and sides of each stream behind the first layer and behind each stage."""
    network = _network("rir-cifar10")
    shapes = []
    with torch.device("meta"):
        streams = torch.empty(1, 3, 32, 32)
        for layer in network[:4]:
            streams = layer(streams)
            assert streams[0].shape == streams[1].shape
            shapes.append(streams[0].shape)
    return {"channels": [shape[1] for shape in shapes], "sides": [shape[2] for shape in shapes]}


def shortcuts() -> dict[str, list[int]]:
    """How many units of every variant have the identity, a 1x1 convolution and no shortcut."""
    kinds = {}
    for variant in VARIANTS:
        parts = [unit.shortcut for unit in _units(_network(variant))]
        identities = sum(isinstance(part, nn.Identity) for part in parts)
        none = sum(part is None for part in parts)
        kinds[variant] = [identities, len(parts) - identities - none, none]
    return kinds


def normalisation() -> dict[str, int]:
    """Normalisations of a unit and of the network, and biases of its convolutions."""
    unit, network = GeneralizedUnit(4, 4, 1), _network("rir-cifar10")
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    return {
        "unit": sum(isinstance(module, nn.BatchNorm2d) for module in unit.modules()),
        "network": sum(isinstance(module, nn.BatchNorm2d) for module in network.modules()),
        "biases": sum(convolution.bias is not None for convolution in convolutions),
    }


def units() -> dict[str, float]:
    """Differences between units, a block of them and their equations written out, with random weights and statistics.

    ``without_outer_shortcut`` is how much two units alone would differ from the block.
    """
    torch.manual_seed(0)
    streams = _streams(6)
    unit, halving = randomise(GeneralizedUnit(6, 6, 1)), randomise(GeneralizedUnit(6, 8, 2))
    block, halving_block = randomise(RiRBlock(6, 6, 1)), randomise(RiRBlock(6, 8, 2))
    with torch.no_grad():
        first = _relu(_written_out(block.first, streams))
        r, t = _written_out(block.second, first)
        differences = {
            "unit": _difference(unit(streams), _relu(_written_out(unit, streams))),
            "halving": _difference(halving(streams), _relu(_written_out(halving, streams, 2))),
            "block": _difference(block(streams), _relu((r + streams[0], t))),
            "without_outer_shortcut": _difference(block(streams), _relu((r, t))),
        }
        split, x = randomise(Split(3, 6)), torch.cat(streams, 1)[:, :3]
        wanted = [
            normalised(F.conv2d(x, part[0].weight, padding=1), part[1]) for part in (split.residual, split.transient)
        ]
        differences["first_layer"] = _difference(split(x), _relu((wanted[0], wanted[1])))
        r, t = _written_out(halving_block.second, _relu(_written_out(halving_block.first, streams, 2)))
        projected = F.conv2d(streams[0], halving_block.shortcut.weight, stride=2)
        differences["halving_block"] = _difference(halving_block(streams), _relu((r + projected, t)))
    return differences


def one_convolution() -> dict[str, float]:
    """A unit without normalisation against a convolution of both streams with the four kernels and an identity."""
    torch.manual_seed(0)
    unit = _bare(GeneralizedUnit(6, 6, 1))
    joint = nn.Conv2d(12, 12, 3, padding=1, bias=False).double()
    parameters = [sum(parameter.numel() for parameter in module.parameters()) for module in (unit, joint)]
    streams = _streams(6)
    rows = [unit.conv_rr, unit.conv_tr], [unit.conv_rt, unit.conv_tt]
    with torch.no_grad():
        joint.weight.copy_(torch.cat([torch.cat([convolution.weight for convolution in row], 1) for row in rows]))
        wanted = torch.cat(unit.normalised(streams), 1)
        without = float((joint(torch.cat(streams, 1)) - wanted).abs().max())
        with_identity = float((resnet_init(joint, 6)(torch.cat(streams, 1)) - wanted).abs().max())
    return {
        "with_identity": with_identity,
        "without_identity": without,
        "parameters_unit": parameters[0],
        "parameters_convolution": parameters[1],
    }


def special_cases() -> dict[str, float]:
    """Units with a crossing convolution silent, against a plain layer and a residual one; and when they lose a stream.

    ``…_other_stream``: how much another random input in the ignored stream changes; ``…_connected``: the same before
    the convolution was silenced.
    """
    torch.manual_seed(0)
    unit = randomise(GeneralizedUnit(6, 6, 1))
    (r, t), (other_r, other_t) = _streams(6), _streams(6, seed=2)
    with torch.no_grad():
        connected = [
            float((unit((other_r, t))[1] - unit((r, t))[1]).abs().max()),
            float((unit((r, other_t))[0] - unit((r, t))[0]).abs().max()),
        ]
        nn.init.zeros_(unit.conv_rt.weight)
        nn.init.zeros_(unit.conv_tr.weight)
        residual, plain = unit((r, t))
        return {
            "plain": float((plain - unit.norm_t(unit.conv_tt(t)).relu()).abs().max()),
            "plain_other_stream": float((unit((other_r, t))[1] - plain).abs().max()),
            "plain_connected": connected[0],
            "residual": float((residual - unit.norm_r(unit.conv_rr(r) + r).relu()).abs().max()),
            "residual_other_stream": float((unit((r, other_t))[0] - residual).abs().max()),
            "residual_connected": connected[1],
        }


def two_layer_block() -> dict[str, float]:
    """Two units without normalisation, most of their kernels zero, against relu(r + W2 relu(W1 r)).

    Differences are shares of the largest output.
    """
    torch.manual_seed(0)
    first, second = _bare(GeneralizedUnit(6, 6, 1)), _bare(GeneralizedUnit(6, 6, 1))
    r, t = (stream.relu() for stream in _streams(6))
    with torch.no_grad():
        for convolution in (first.conv_rr, first.conv_tr, first.conv_tt, second.conv_rr):
            nn.init.zeros_(convolution.weight)
        hidden = F.conv2d(r, first.conv_rt.weight, padding=1).relu()
        wanted = (r + F.conv2d(hidden, second.conv_tr.weight, padding=1)).relu()
        double = second(first((r, t)))[0]
        single = second.float()(first.float()((r.float(), t.float())))[0]
        return {
            "double_precision": float((double - wanted).abs().max() / wanted.max()),
            "single_precision": float((single - wanted).abs().max() / wanted.max()),
        }


def silent_units() -> dict[str, float]:
    """What five units with zero kernels and no normalisation do to streams that are not negative."""
    chain = nn.Sequential(*(_bare(GeneralizedUnit(6, 6, 1)) for _ in range(5)))
    for parameter in chain.parameters():
        nn.init.zeros_(parameter)
    r, t = (stream.relu() for stream in _streams(6))
    with torch.no_grad():
        return {
            "residual": float((chain((r, t))[0] - r).abs().max()),
            "transient": float(chain[0]((r, t))[1].abs().max()),
        }


def crossing_gradients() -> dict[str, float]:
    """The largest gradient that reaches each stream, and each crossing convolution, from the other stream's output."""
    torch.manual_seed(0)
    unit = randomise(GeneralizedUnit(6, 6, 1))
    r, t = (stream.requires_grad_() for stream in _streams(6))
    residual, transient = unit((r, t))
    from_r = torch.autograd.grad(residual.sum(), [t, unit.conv_tr.weight])
    from_t = torch.autograd.grad(transient.sum(), [r, unit.conv_rt.weight])
    names = ("t_from_r", "conv_tr_from_r", "r_from_t", "conv_rt_from_t")
    return {name: float(gradient.abs().max()) for name, gradient in zip(names, (*from_r, *from_t), strict=True)}


def initial_weights() -> dict[str, float]:
    """The mean on the diagonal of fresh kernels' centres, and the spread of all weights of the plain network.

    The spread is the standard deviation over sqrt(2 / fan-out), the largest and the smallest of all convolutions.
    """
    torch.manual_seed(0)
    units, network = _units(build("resnet-init-cifar10")), build("plain-cifar10")
    kept = [unit for unit in units if unit.shortcut is None]

    def diagonal(convolutions: list[nn.Conv2d]) -> float:
        centres = [convolution.weight[:, :, 1, 1].detach().diagonal() for convolution in convolutions]
        return float(torch.cat(centres).mean())

    weights = [module.weight.detach() for module in network.modules() if isinstance(module, nn.Conv2d)]
    spreads = [float(weight.std()) / sqrt(2 / (weight.numel() / weight.shape[1])) for weight in weights]
    return {
        "residual": diagonal([unit.conv_rr for unit in kept]),
        "transient": diagonal([unit.conv_tt for unit in kept]),
        "new_shape": diagonal([unit.conv_rr for unit in units if unit.shortcut is not None]),
        "plain": diagonal([unit.conv_rr for unit in _units(network)]),
        "smallest_spread": min(spreads),
        "largest_spread": max(spreads),
    }


@cache
def _network(variant: str) -> nn.Sequential:
    with torch.device("meta"):
        return build(variant).eval()


def _units(network: nn.Module) -> list[GeneralizedUnit]:
    return [module for module in network.modules() if isinstance(module, GeneralizedUnit)]


def _streams(channels: int, seed: int = 1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    r, t = torch.randn(2, 2, channels, 9, 9, dtype=torch.float64, generator=generator)
    return r, t


def _written_out(unit: GeneralizedUnit, streams: Streams, stride: int = 1) -> Streams:
    """Equations 1 and 2 up to their ReLUs."""

    def conv(stream: Tensor, convolution: nn.Conv2d) -> Tensor:
        return F.conv2d(stream, convolution.weight, stride=stride, padding=1)

    r, t = streams
    kept = r if stride == 1 else F.conv2d(r, unit.shortcut.weight, stride=stride)
    residual = conv(r, unit.conv_rr) + conv(t, unit.conv_tr) + kept
    return normalised(residual, unit.norm_r), normalised(conv(r, unit.conv_rt) + conv(t, unit.conv_tt), unit.norm_t)


def _relu(streams: Streams) -> Streams:
    r, t = streams
    return r.relu(), t.relu()


def _difference(measured: Streams, wanted: Streams) -> float:
    return max(float((a - b).abs().max()) for a, b in zip(measured, wanted, strict=True))


def _bare(unit: GeneralizedUnit) -> GeneralizedUnit:
    """A unit with random kernels and without normalisation."""
    randomise(unit).norm_r = unit.norm_t = nn.Identity()
    return unit


# --- Training --------------------------------------------------------------------------------------------------------


def accuracy_on_digits(run: Run) -> float:
    """Test accuracy of a small network of two streams on digits."""
    torch.manual_seed(run.seed)
    network = nn.Sequential(
        Split(1, 8),
        *stages(GeneralizedUnit, (8, 8, 16), (2, 2)),
        Join(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
    )
    initialise(network)
    return train_on_digits(run, "two streams", network, epochs=8, divide=True)[0]
