"""Measurements of ESPNetv2 that no count on a single network gives."""

from __future__ import annotations

from copy import deepcopy
from functools import cache

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from reproductions.checks.measuring import count_weights, distance, randomise
from reproductions.espnet_v1 import ESP, esp_parameters
from reproductions.espnet_v2 import (
    VARIANTS,
    ESPNetv2,
    Pyramid,
    StridedEESP,
    build,
    eesp,
    eesp_parameters,
)


def released_table() -> dict[str, int]:
    """Multiply-accumulates of all convolutions but those that bring the image to the last strided unit."""
    measured = {}
    for variant in VARIANTS:
        network = _network(variant)
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            network(torch.empty(1, 3, 224, 224, device="meta"))
        last = 7 * 7 * count_weights(network.strided[-1].shortcut)
        measured[variant] = counter.get_total_flops() // 2 - network.head[-1].weight.numel() - last
    return measured


def feature_maps() -> dict[str, list[int]]:
    """Channels and sides behind the first convolution and behind each stage, for an image of 224."""
    maps = {}
    for variant in ("espnetv2-s10", "espnetv2-s20"):
        network = _network(variant)
        image = torch.empty(1, 3, 224, 224, device="meta")
        x, image = network.stem(image), network.pool(image)
        shapes = [x.shape]
        for strided, stage in zip(network.strided, network.stages, strict=True):
            image = network.pool(image)
            x = stage(strided(x, image))
            shapes.append(x.shape)
        maps[f"{variant}_channels"] = [shape[1] for shape in shapes]
        maps[f"{variant}_sides"] = [shape[2] for shape in shapes]
    return maps


def rates() -> dict[str, list[int]]:
    """Rates in the first unit of each stage and in the others, one row of four for each kind of row there is."""
    measured = {}
    network = _network("espnetv2-s10")
    for number, (strided, stage) in enumerate(zip(network.strided, network.stages, strict=True), start=1):
        measured[f"stage_{number}_first"] = _rates(strided)
        if len(stage):
            kinds = sorted({tuple(_rates(unit)) for unit in stage})
            measured[f"stage_{number}_others"] = [rate for kind in kinds for rate in kind]
    return measured | {"units": [1 + len(stage) for stage in network.stages]}


def cost_of_the_unit() -> dict[str, float | int]:
    """Weights of the ESP module and of the EESP unit for 240 channels, by the formulas and as they are."""
    esp, unit = count_weights(ESP(240, 240, 4)), count_weights(eesp(240, 240, [1, 2, 3, 4]))
    return {
        "esp_formula": esp_parameters(3, 240, 240, 4),
        "esp": esp,
        "eesp_formula": eesp_parameters(3, 240, 240, 4),
        "eesp": unit,
        "factor": esp / unit,
    }


def formula_for_other_widths() -> dict[str, int]:
    """Weights of an EESP unit from 32 to 96 channels, by the formula and as they are."""
    return {"formula": eesp_parameters(3, 32, 96, 4), "unit": count_weights(eesp(32, 96, [1, 2, 3, 4]))}


def fusion() -> dict[str, list[int]]:
    """Pixels that one output of each branch sees, channel by channel, and the extent of what it sees."""
    pyramid = Pyramid(2, [1, 2, 3, 4], stride=1).double()
    for branch in pyramid.branches:
        nn.init.ones_(branch.weight)
    pixel = torch.zeros(1, 2, 15, 15, dtype=torch.float64)
    pixel[0, 0, 7, 7] = 1
    with torch.no_grad():
        seen = pyramid(pixel)[0] != 0
    rows = [channel.any(1).nonzero() for channel in seen[::2]]
    return {
        "taps": seen[::2].flatten(1).sum(1).tolist(),
        "extents": [int(places.max() - places.min()) + 1 for places in rows],
        "of_the_other_channel": seen[1::2].flatten(1).sum(1).tolist(),
    }


def groups() -> dict[str, float]:
    """How the maps of a unit change with the first group of its input channels.

    Of the reduced maps those of the first group, and the others; of the output any channel, least and most.
    """
    torch.manual_seed(0)
    layers = randomise(eesp(16, 32, [1, 2, 3, 4]))
    x = torch.randn(1, 16, 9, 9, dtype=torch.float64)
    y = torch.cat([x[:, :4] + 1, x[:, 4:]], 1)
    with torch.no_grad():
        reduced = (layers[0](y) - layers[0](x)).abs().amax((0, 2, 3))
        outputs = (layers(y) - layers(x)).abs().amax((0, 2, 3))
    return {
        "first_group": float(reduced[:2].min()),
        "other_groups": float(reduced[2:].max()),
        "outputs": float(outputs.min()),
    }


def image_reinforcement() -> dict[str, float | int]:
    """What another image changes in a strided unit whose input is zero: with the image's last scale and shift, without.

    Also its channels: those of the pooled input, and all.
    """
    torch.manual_seed(0)
    unit = randomise(StridedEESP(8, 40, [1, 2, 3, 4]))
    x, images = torch.zeros(1, 8, 12, 12, dtype=torch.float64), torch.randn(2, 1, 3, 6, 6, dtype=torch.float64)
    with torch.no_grad():
        changed = distance(unit(x, images[0]), unit(x, images[1]))
        _, norm = unit.shortcut[1]
        nn.init.zeros_(norm.weight)
        nn.init.zeros_(norm.bias)
        unchanged = distance(unit(x, images[0]), unit(x, images[1]))
        nn.init.ones_(unit.activate.weight)
        x = torch.randn(1, 8, 12, 12, dtype=torch.float64)
        y = unit(x, images[0])
        pooled = distance(y[:, :8], nn.functional.avg_pool2d(x, 3, stride=2, padding=1))
    return {"with": changed, "without": unchanged, "channels": y.shape[1], "pooled_input": pooled}


def dropout() -> float:
    """Share of the features that are dropped in training."""
    torch.manual_seed(0)
    dropout = deepcopy(_network("espnetv2-s10").head[-2]).train()
    return float((dropout(torch.ones(500, 1024)) == 0).double().mean())


@cache
def _network(variant: str) -> ESPNetv2:
    with torch.device("meta"):
        return build(variant).eval()


def _rates(unit: nn.Module) -> list[int]:
    (pyramid,) = (module for module in unit.modules() if isinstance(module, Pyramid))
    return [branch.dilation[0] for branch in pyramid.branches]
