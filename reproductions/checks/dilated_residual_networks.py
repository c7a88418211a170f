"""Measurements of DRN that no count on a single network gives."""

from __future__ import annotations

from copy import deepcopy
from functools import cache, partial
from math import sqrt
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from catalog.verify.training import Run, cosine, outputs
from reproductions import resnet
from reproductions.checks.measuring import conv_then_norm, count_macs, count_parameters, distance, normal
from reproductions.dilated_residual_networks import (
    DRN,
    OUTER,
    VARIANTS,
    build,
    convolutions,
    dense_class_map,
    dilate_resnet,
    grid_coverage,
)
from reproductions.layers import conv_bn
from reproductions.resnet import BasicBlock, Block, Bottleneck, Part, ResNet, imagenet_stem

Module = TypeVar("Module", bound=nn.Module)

# --- Structure -------------------------------------------------------------------------------------------------------


def depth() -> dict[str, int]:
    """Layers with weights on the main path of every variant: convolutions outside of shortcuts, and the classifier."""
    return {
        variant: sum(
            isinstance(module, nn.Conv2d | nn.Linear) and "shortcut" not in name.split(".")
            for name, module in _on_meta(variant).named_modules()
        )
        for variant in VARIANTS
    }


def resolution() -> dict[str, int | float | list[int]]:
    """Last maps of DRN-A for 224 pixels, parameters it has more than the ResNet, and how often its operations.

    ``class_maps`` are those of DRN-C-26.
    """
    x = torch.empty(1, 3, 224, 224, device="meta")
    measured: dict[str, int | float | list[int]] = {
        "class_maps": list(dense_class_map(_on_meta("drn-c-26"), x).shape[1:])
    }
    for depth in (18, 34, 50):
        dilated, name = _on_meta(f"drn-a-{depth}"), f"a_{depth}"
        with torch.device("meta"):
            original = resnet.build(f"resnet{depth}", stride_in_1x1=False)
        features = _features(dilated)(x)
        measured[f"{name}_channels"], measured[f"{name}_side"] = features.shape[1:3]
        measured[f"{name}_new_parameters"] = count_parameters(dilated) - count_parameters(original)
        measured[f"{name}_operations"] = count_macs(dilated) / count_macs(original)
    return measured


def levels() -> dict[str, list[int]]:
    """Channels and sides behind the levels for 224 pixels; blocks, dilations of 3x3 layers and shortcuts in them.

    And the strides of all 1x1 layers of bottlenecks, which leave them to the 3x3 layers.
    """
    bottlenecks = [block for level in _on_meta("drn-c-58").levels[2:6] for block in level]
    pointwise = [c for block in bottlenecks for c in convolutions(block.layers) if c.kernel_size == (1, 1)]
    strides = sorted({layer.stride[0] for layer in pointwise})
    return {**_levels("drn-b-26", "drn-c-26", "drn-c-58"), "strides_of_1x1": strides}


def levels_of_d() -> dict[str, list[int]]:
    """The same of DRN-D; the plain layers in its outer levels count as blocks."""
    return _levels("drn-d-22", "drn-d-105")


def _levels(*variants: str) -> dict[str, list[int]]:
    measured = {}
    for variant in variants:
        network, name = _on_meta(variant), variant.removeprefix("drn-").replace("-", "_")
        x = network.stem(torch.empty(1, 3, 224, 224, device="meta"))
        shapes = [(x := level(x)).shape for level in network.levels]
        measured[f"{name}_channels"] = [shape[1] for shape in shapes]
        measured[f"{name}_sides"] = [shape[2] for shape in shapes]
        measured[f"{name}_blocks"] = [len(level) for level in network.levels]
        spatial = [[c.dilation[0] for c in convolutions(level) if c.kernel_size == (3, 3)] for level in network.levels]
        measured[f"{name}_dilations"] = [dilation for (dilation,) in map(set, spatial)]
        measured[f"{name}_shortcuts"] = [
            sum(isinstance(module, Block) and module.shortcut is not None for module in level)
            for level in network.levels
        ]
    return measured


def unused_projection() -> dict[str, int]:
    """Parameters of DRN-C-58, and with the projection that its released code builds for level 7 and never adds."""
    described = count_parameters(_on_meta("drn-c-58"))
    with torch.device("meta"):
        projection = count_parameters(resnet.projection(2048, 512, 1))
    return {"described": described, "projection": projection, "released": described + projection}


# --- DRN-A -----------------------------------------------------------------------------------------------------------


def finer_grid() -> dict[str, float]:
    """How far every fourth place of DRN-A's last maps is from the ResNet's, as a share of the largest number.

    In narrow networks of both kinds of blocks, with the stride of bottlenecks in either place. ``all_dilated`` dilates
    the layers that lost their stride as well, and ``first_block_undilated`` leaves all of their block as it was.
    """
    bottleneck = partial(Bottleneck, stride_in_1x1=False)
    blocks = {"basic": BasicBlock, "bottleneck": bottleneck, "stride_in_1x1": Bottleneck}
    networks = {name: _randomise(_narrow_resnet(block)) for name, block in blocks.items()}
    differences = {name: _off_grid(network, dilate_resnet(deepcopy(network))) for name, network in networks.items()}
    original, dilated = networks["basic"], dilate_resnet(deepcopy(networks["basic"]))
    for mistake, dilations in (("all_dilated", (2, 2, 4, 4)), ("first_block_undilated", (1, 1, 2, 2))):
        layers = convolutions(dilated.stages[-2][0].layers, dilated.stages[-1][0].layers)
        for layer, dilation in zip(layers, dilations, strict=True):
            layer.dilation = layer.padding = (dilation, dilation)
        differences[mistake] = _off_grid(original, dilated)
    return differences


def finer_grid_of_variants() -> dict[str, float]:
    """The same for the networks themselves, with the weights of the ResNets that they are made of."""
    differences = {}
    for depth in (18, 50):
        original = _randomise(resnet.build(f"resnet{depth}", stride_in_1x1=False))
        dilated = build(f"drn-a-{depth}").double().eval()
        dilated.load_state_dict(original.state_dict())
        differences[f"a_{depth}"] = _off_grid(original, dilated)
    return differences


def _off_grid(original: ResNet, dilated: ResNet) -> float:
    x = normal(1, 3, 96, 96)
    with torch.no_grad():
        wanted = _features(original)(x)
        return distance(_features(dilated)(x)[:, :, ::4, ::4], wanted) / float(wanted.abs().max())


def _narrow_resnet(block: Part) -> ResNet:
    return ResNet(imagenet_stem(8), block, (8, 8, 16, 32, 64), (1, 1, 2, 2), 10)


# --- Maps ------------------------------------------------------------------------------------------------------------


def class_maps() -> dict[str, float]:
    """How far the means of class maps are from the scores of narrow networks, and how much the maps vary."""
    measured = {}
    x = normal(2, 3, 40, 48)
    networks = {"c": _narrow("C"), "a": dilate_resnet(_narrow_resnet(BasicBlock))}
    with torch.no_grad():
        for name, network in networks.items():
            _randomise(network)
            maps, scores = dense_class_map(network, x), network(x)
            measured[f"{name}_mean"] = distance(maps.mean((2, 3)), scores) / float(scores.abs().max())
            measured[f"{name}_spread"] = float((maps.amax((2, 3)) - maps.amin((2, 3))).max() / scores.abs().max())
    return measured


def forward_pass() -> dict[str, float]:
    """Largest differences between narrow networks and Figure 5 written out, over the largest score.

    Bottlenecks and shortcuts are those of ResNet and taken as they are.
    """
    differences = {}
    x = normal(2, 3, 40, 48)
    with torch.no_grad():
        for kind in ("B", "C", "D"):
            network = _randomise(_narrow(kind))
            y = conv_then_norm(x, network.stem[:2], 1, 1).relu()
            for level, stride, dilation in zip(network.levels, (1, 2, 2, 2, 1, 1, 1, 1), _DILATIONS, strict=True):
                for number, part in enumerate(level):
                    first = stride if number == 0 else 1
                    if isinstance(part, Block):
                        f, kept = part.layers, 0 if part.shortcut is None else part.shortcut(y)
                        y = conv_then_norm(conv_then_norm(y, f[:2], first, dilation).relu(), f[3:], 1, dilation)
                        y = (y + kept).relu()
                    else:
                        y = conv_then_norm(y, part[:2], first, dilation).relu()
            classifier = network.head[-1]
            wanted = y.mean((2, 3)) @ classifier.weight.T + classifier.bias
            differences[kind.lower()] = distance(network(x), wanted) / float(wanted.abs().max())
    return differences


_DILATIONS = (1, 1, 1, 1, 2, 4, 2, 1)


def _narrow(kind: str, widths: tuple[int, ...] = (4, 4, 8, 8, 12, 16, 16, 16)) -> DRN:
    first, last = OUTER[kind]
    return DRN((first,) * 2 + (BasicBlock,) * 4 + (last,) * 2, widths, (1, 1, 2, 2, 2, 2, 1, 1), 10)


# --- Degridding ------------------------------------------------------------------------------------------------------


def gridding() -> dict[str, list[int] | list[float]]:
    """Pixels that reach an output, over which width, and their share of a square.

    By the function of the module, and by a single bright pixel that goes through convolutions of ones.
    """
    layers = {"four": [4] * 4, "with_two": [4] * 4 + [2] * 2, "with_one": [4] * 4 + [2] * 2 + [1] * 2}
    measured: dict[str, list[int] | list[float]] = {}
    shares, pixels = [], []
    for name, dilations in layers.items():
        reached, width = grid_coverage(dilations)
        measured[name] = [reached, width]
        shares.append((reached / width) ** 2)
        x = torch.zeros(1, 1, 61, 61)
        x[0, 0, 30, 30] = 1
        for dilation in dilations:
            x = F.conv2d(x, torch.ones(1, 1, 3, 3), padding=dilation, dilation=dilation).clamp(max=1)
        pixels.append(int(x.sum()))
    return {**measured, "shares": shares, "pixels": pixels}


def bypass() -> dict[str, float]:
    """What levels 7 and 8 make of a checkered map when their convolutions give nothing: with shortcuts and without.

    ``…_contrast`` is the largest difference between places of the result, ``b_change`` how far that of DRN-B is from
    the positive part of the map.
    """
    torch.manual_seed(0)
    x = torch.randn(1, 16, 1, 1, dtype=torch.float64) * (-1.0) ** (torch.arange(8)[:, None] + torch.arange(8))
    results = {}
    for name in ("b", "c"):
        last = _narrow(name.upper()).levels[-2:].double()
        for layer in convolutions(last):
            nn.init.zeros_(layer.weight)
        with torch.no_grad():
            results[name] = last.eval()(x)
    contrast = {f"{name}_contrast": float((y.amax((2, 3)) - y.amin((2, 3))).max()) for name, y in results.items()}
    return {**contrast, "b_change": distance(results["b"], x.relu())}


def initialisation() -> dict[str, float]:
    """Standard deviations of fresh convolutions over sqrt(2 / fan-out): the smallest and the largest of a network."""
    torch.manual_seed(0)
    weights = [layer.weight.detach() for layer in convolutions(_narrow("C", (32,) * 8))]
    ratios = [float(weight.std()) / sqrt(2 / (weight.numel() / weight.shape[1])) for weight in weights]
    return {"smallest_ratio": min(ratios), "largest_ratio": max(ratios)}


@cache
def _on_meta(variant: str) -> nn.Sequential:
    with torch.device("meta"):
        return build(variant).eval()


def _features(network: nn.Sequential) -> nn.Sequential:
    """All of a network but its mean and classifier."""
    return nn.Sequential(*network.children())[:-1]


def _randomise(module: Module) -> Module:
    """Draw what batch normalisation learns and keeps, in float64; convolutions are random from the start."""
    torch.manual_seed(0)
    for name, value in [*module.named_parameters(), *module.named_buffers()]:
        if value.dim() == 1:
            nn.init.uniform_(value, 0.5, 1.5) if name.endswith(("var", "weight")) else nn.init.normal_(value, std=0.5)
    return module.double().eval()


# --- Training --------------------------------------------------------------------------------------------------------


def small_objects(run: Run) -> dict[str, float]:
    """Test accuracy on small digits somewhere in a dark image: of a ResNet, and what its DRN-A form has more."""
    digits = run.data("digits").divide(run.seed)
    images = _somewhere(digits.train.images.repeat(2, 1, 1, 1), run.seed)
    test_images = _somewhere(digits.test.images.repeat(2, 1, 1, 1), run.seed + 1000)
    accuracy = {}
    for arm in ("strides", "dilations"):
        torch.manual_seed(run.seed)
        stem = nn.Sequential(*conv_bn(1, 8, 3, stride=2, padding=1), nn.ReLU())
        network = ResNet(stem, BasicBlock, (8, 8, 16, 32), (1, 1, 1), classes=10)
        if arm == "dilations":
            dilate_resnet(network)
        optimiser = torch.optim.Adam(network.parameters(), lr=0.005)
        labels = digits.train.labels.repeat(2)
        run.train(arm, network, optimiser, images, labels, batch=64, epochs=10, schedule=cosine)
        right = outputs(network, test_images).argmax(dim=1) == digits.test.labels.repeat(2)
        accuracy[arm] = float(right.float().mean())
    return {"dilated": accuracy["dilations"], "gain": accuracy["dilations"] - accuracy["strides"]}


def _somewhere(images: Tensor, seed: int) -> Tensor:
    """Images of 8 x 8, each at a random place of a dark one of 32 x 32."""
    generator = torch.Generator().manual_seed(seed)
    top, left = torch.randint(25, (2, len(images)), generator=generator)
    large = torch.zeros(len(images), 1, 32, 32)
    for canvas, image, y, x in zip(large, images, top.tolist(), left.tolist(), strict=True):
        canvas[:, y : y + 8, x : x + 8] = image / 16
    return large
