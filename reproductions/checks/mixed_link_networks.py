"""Measurements of mixed link networks that no count on a single network gives."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reproductions import densenet
from reproductions.checks.digits import train_on_digits
from reproductions.checks.measuring import distance, randomise
from reproductions.densenet import DenseNet
from reproductions.mixed_link_networks import MixLayer, build
from reproductions.resnet import imagenet_stem

if TYPE_CHECKING:
    from catalog.verify.training import Run


def widths() -> dict[str, list[int]]:
    """Channels that the first and the last layer of each block read, and those behind it."""
    found = {}
    for variant in ("mixnet-100-12-12", "mixnet-100-12-0"):
        with torch.device("meta"):
            network = build(variant).eval()
        x = network.stem(torch.empty(1, 3, 64, 64, device="meta"))
        counts: list[int] = []
        for part in network.blocks:
            if not isinstance(part[0], MixLayer):
                x = part(x)
                continue
            counts.append(x.shape[1])
            x = part[:-1](x)
            counts.append(x.shape[1])
            x = part[-1](x)
            counts.append(x.shape[1])
        found[variant] = counts
    return found


def feature_maps() -> dict[str, list[int]]:
    """Channels and sides of the network with 105 layers, behind the stem and behind each block and transition."""
    with torch.device("meta"):
        network = build("mixnet105").eval()
        x = network.stem(torch.empty(1, 3, 224, 224))
        shapes = [x.shape]
        for part in network.blocks:
            x = part(x)
            shapes.append(x.shape)
    return {"channels": [shape[1] for shape in shapes], "sides": [shape[2] for shape in shapes]}


def links() -> dict[str, float]:
    """A layer with k1 = 8 and k2 = 12 on 36 channels: slices of its output less what they should be.

    The branches are written out. ``added_first`` is how far the appended maps are from those of an outer link that sees
    the sum of the inner one.
    """
    torch.manual_seed(0)
    x = torch.randn(2, 36, 5, 5, dtype=torch.float64)
    layer = randomise(MixLayer(36, 8, 12))
    with torch.no_grad():
        y, inner, outer = layer(x), _branch(x, layer.inner), _branch(x, layer.outer)
        return {
            "channels": y.shape[1],
            "kept": distance(y[:, :28], x[:, :28]),
            "inner": distance(y[:, 28:36], x[:, 28:] + inner),
            "outer": distance(y[:, 36:], outer),
            "added_first": distance(y[:, 36:], _branch(y[:, :36], layer.outer)),
        }


def fixed() -> dict[str, float]:
    """The same, with the inner link fixed to the first channels."""
    torch.manual_seed(0)
    x = torch.randn(2, 36, 5, 5, dtype=torch.float64)
    layer = randomise(MixLayer(36, 8, 12, fixed=True))
    with torch.no_grad():
        y = layer(x)
        differences = {
            "channels": y.shape[1],
            "kept": distance(y[:, 8:36], x[:, 8:]),
            "inner": distance(y[:, :8], x[:, :8] + layer.inner(x)),
            "outer": distance(y[:, 36:], layer.outer(x)),
        }
        with torch.device("meta"):
            layers = [module for module in build(fixed=True).modules() if isinstance(module, MixLayer)]
        return differences | {"of_the_network": sum(layer.start == 0 for layer in layers)}


def residual() -> dict[str, float]:
    """With k1 = 24 on 24 channels and k2 = 0: channels of the output, and its difference from x + F(x)."""
    torch.manual_seed(0)
    x = torch.randn(2, 24, 5, 5, dtype=torch.float64)
    layer = randomise(MixLayer(24, 24, 0))
    with torch.no_grad():
        y = layer(x)
        return {"channels": y.shape[1], "difference": distance(y, x + layer.inner(x)), "change": distance(y, x)}


def dense_topology() -> dict[str, float]:
    """Six residual layers: the input of the last less the sum of all earlier outputs, and how a dense layer reads them.

    ``equal_kernels`` is the difference between a convolution of all outputs side by side, with one kernel for all, and
    a convolution of the sum; ``own_kernels`` the same with a kernel for each.
    """
    torch.manual_seed(0)
    layers = [randomise(MixLayer(8, 8, 0)) for _ in range(6)]
    y = torch.randn(2, 8, 5, 5, dtype=torch.float64)
    features = [y]
    with torch.no_grad():
        for layer in layers[:-1]:
            features.append(layer.inner(y))
            y = layer(y)
        kernels = torch.randn(4, 48, 3, 3, dtype=torch.float64)
        side_by_side, wanted = torch.cat(features, 1), F.conv2d(y, kernels[:, :8])
        return {
            "sum": distance(y, torch.stack(features).sum(0)),
            "equal_kernels": distance(F.conv2d(side_by_side, kernels[:, :8].repeat(1, 6, 1, 1)), wanted),
            "own_kernels": distance(F.conv2d(side_by_side, kernels), wanted),
        }


def densenet_bc() -> dict[str, float]:
    """The network with k1 = 0 against DenseNet-BC with the same weights: parameters, and outputs over the largest."""
    torch.manual_seed(0)
    ours, theirs = randomise(build("mixnet-100-0-12")), densenet.build("densenet-bc-100-12").double().eval()
    values = zip(theirs.state_dict().values(), ours.state_dict().values(), strict=True)
    for mine, its in values:
        mine.copy_(its)
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        y = theirs(x)
        return {
            "parameters": sum(parameter.numel() for parameter in ours.parameters()),
            "its_parameters": sum(parameter.numel() for parameter in theirs.parameters()),
            "outputs": distance(ours(x), y) / float(y.abs().max()),
        }


def torchvision() -> dict[str, float]:
    """Layers with k1 = 0 and k2 = 32 in the blocks of DenseNet-121 against torchvision's, over the largest output."""
    from catalog.records import Peer
    from catalog.verify.parity import carry, draw, match
    from catalog.verify.peers import build_peer

    torch.manual_seed(0)
    images = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    theirs = build_peer(Peer(library="torchvision", model="densenet121")).double().eval()
    layer = partial(MixLayer, k1=0, k2=32)
    ours = DenseNet(imagenet_stem(64), 64, layer, 32, (6, 12, 24, 16), lambda channels: channels // 2, classes=1000)
    ours.double().eval()
    draw(theirs, images, torch.Generator().manual_seed(0))
    carry(match(ours, theirs, images[:1]), ours, theirs)
    with torch.no_grad():
        y = theirs(images)
        return {"outputs": distance(ours(images), y) / float(y.abs().max())}


def _branch(x: Tensor, layers: nn.Sequential) -> Tensor:
    """Batch normalisation, ReLU, convolution, twice, by functions alone."""
    for norm, convolution in ((layers[0], layers[2]), (layers[4], layers[6])):
        values = norm.running_mean, norm.running_var, norm.weight, norm.bias
        mean, variance, scale, shift = (value[:, None, None] for value in values)
        x = ((x - mean) / (variance + 1e-5).sqrt() * scale + shift).relu()
        x = F.conv2d(x, convolution.weight, padding=convolution.weight.shape[-1] // 2)
    return x


# --- Training --------------------------------------------------------------------------------------------------------


def digits(run: Run) -> dict[str, float]:
    """Share of the test digits that a small network gets right."""
    torch.manual_seed(run.seed)
    stem = nn.Conv2d(1, 16, 3, padding=1, bias=False)
    network = DenseNet(stem, 16, partial(MixLayer, k1=8, k2=8), 8, (3, 3), lambda channels: channels // 2, classes=10)
    return {"accuracy": train_on_digits(run, "mixed links", network, epochs=5)[0]}
