"""Measurements of GoogLeNet that no count on a single network gives."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reproductions.checks.measuring import count_macs, count_parameters, distance
from reproductions.inception_v1 import (
    MODULES,
    AuxiliaryHead,
    Concatenation,
    GoogLeNet,
    Inception,
    NaiveInception,
    build,
    crops_144,
    googlenet_loss,
    predict,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Module = TypeVar("Module", bound=nn.Module)

POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)
LAYERS = (nn.Conv2d, nn.Linear)


# --- Table 1 ---------------------------------------------------------------------------------------------------------


def feature_maps() -> dict[str, int]:
    """Channels and side of the map behind each row of Table 1."""
    network, x = _network("googlenet"), torch.empty(1, 3, 224, 224, device="meta")
    maps = {}
    for name, layer in _rows(network):
        x = layer(x)
        maps[f"{name}_channels"] = x.shape[1]
        if x.dim() == 4:
            maps[f"{name}_side"] = x.shape[2]
    return maps


def macs_by_row() -> dict[str, float]:
    """Multiply-adds of the rows of Table 1 whose figures agree with their filters."""
    return _macs_of("conv2", "3a", "3b", "4b", "4c", "4d", "4e", "5b", "linear")


def macs_of_other_rows() -> dict[str, float]:
    """Multiply-adds of the rows of Table 1 whose figures do not agree, and of a separable first layer."""
    return _macs_of("conv1", "4a", "5a") | {"conv1_separable": count_macs(_separable_conv1())}


def parameters_by_row() -> dict[str, float]:
    """Weights without biases, in units of 1024, of the rows of Table 1 whose figures agree with their filters."""
    return _weights_of("conv2", "3a", "linear")


def parameters_of_other_rows() -> dict[str, float]:
    """Weights without biases, in units of 1024, of the rows of Table 1 whose figures do not agree."""
    return _weights_of("conv1", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")


def budget() -> dict[str, int]:
    """Multiply-adds for one image, and those of the same network with a separable first layer."""
    macs = count_macs(_network("googlenet"))
    difference = count_macs(_separable_conv1()) - count_macs(_network("googlenet").stem[0])
    return {"plain": macs, "separable": macs + difference}


def against_alexnet() -> dict[str, float]:
    """Parameters of AlexNet, and how many times fewer GoogLeNet has."""
    alexnet = _alexnet_parameters()
    return {"alexnet": alexnet, "ratio": alexnet / count_parameters(_network("googlenet"))}


def depth() -> dict[str, int]:
    """Layers with parameters on the longest path from input to output, and pools on it besides."""
    layers = _depth(_network("googlenet"), LAYERS)
    return {"layers": layers, "with_pools": _depth(_network("googlenet"), LAYERS + POOLS)}


def building_blocks() -> int:
    """What Figure 3 draws as boxes: convolutions, pools, normalisations, concatenations, linear layers, softmaxes."""
    boxes = (*LAYERS, *POOLS, nn.LocalResponseNorm, Concatenation)
    network = _network("googlenet-aux")
    return sum(isinstance(module, boxes) for module in network.modules()) + 1 + len(network.auxiliary)


def activations() -> dict[str, int]:
    """Convolutions of the network with both heads, how many of them a ReLU follows, and how many have a bias."""
    modules = list(_network("googlenet-aux").modules())
    neighbours = [pair for module in modules if isinstance(module, nn.Sequential) for pair in pairwise(module)]
    convolutions = [module for module in modules if isinstance(module, nn.Conv2d)]
    return {
        "convolutions": len(convolutions),
        "followed_by_relu": sum(isinstance(a, nn.Conv2d) and isinstance(b, nn.ReLU) for a, b in neighbours),
        "with_bias": sum(convolution.bias is not None for convolution in convolutions),
    }


def dropout() -> dict[str, float]:
    """Share of dropped outputs in training, and the number of outputs, before the main classifier and in the heads."""
    torch.manual_seed(0)
    network = _network("googlenet-aux")
    shares: dict[str, float] = {}
    for name, part in (("main", network.head), *network.auxiliary.items()):
        (place,) = [number for number, layer in enumerate(part) if isinstance(layer, nn.Dropout)]
        features = part[place + 1].in_features
        kept = nn.Dropout(part[place].p)(torch.ones(1000, features))
        shares |= {name: float((kept == 0).double().mean()), f"{name}_features": features}
    return shares


# --- The module ------------------------------------------------------------------------------------------------------


def reductions() -> dict[str, float]:
    """Weights of the 5x5 branch of module 3a without and with its reduction, and what both modules cost on its map."""
    with torch.device("meta"):
        naive, real = NaiveInception(192, 64, 128, 32), Inception(192, *MODULES["3a"])
    size = (192, 28, 28)
    without, reduced = _weights(naive.branches[2]), _weights(real.branches[2])
    large = sum(count_macs(naive.branches[number], size) for number in (1, 2))
    return {
        "without": without,
        "with": reduced,
        "ratio": without / reduced,
        "naive_3x3_and_5x5_over_module": large / count_macs(real, size),
    }


def naive_growth() -> dict[str, list[int]]:
    """Channels behind 3a and 3b, naive and with reductions."""
    with torch.device("meta"):
        naive, real = [], []
        y = z = torch.empty(1, 192, 28, 28)
        for c1, _, c3, _, c5, _ in (MODULES["3a"], MODULES["3b"]):
            y = NaiveInception(y.shape[1], c1, c3, c5)(y)
            naive.append(y.shape[1])
        for name in ("3a", "3b"):
            z = Inception(z.shape[1], *MODULES[name])(z)
            real.append(z.shape[1])
    return {"naive": naive, "with_reductions": real}


def modules_written_out() -> dict[str, float]:
    """Differences between the two modules of Figure 2 and their branches by functions alone.

    ``average_pool`` is how much an average would change in the place of the maximum.
    """
    torch.manual_seed(0)
    x = torch.randn(2, 12, 9, 9, dtype=torch.float64)
    with torch.no_grad():
        naive, real = _randomise(NaiveInception(12, 4, 5, 6)), _randomise(Inception(12, 4, 3, 5, 2, 6, 7))
        w = iter(naive.parameters())
        branches = [_conv(x, w), _conv(x, w), _conv(x, w), F.max_pool2d(x, 3, 1, 1)]
        difference = {"naive": distance(naive(x), torch.cat(branches, 1))}
        w = iter(real.parameters())
        difference["with_reductions"] = distance(real(x), _inception(x, w))
        w = iter(real.parameters())
        difference["average_pool"] = distance(real(x), _inception(x, w, pool=F.avg_pool2d))
    return difference


# --- The network -----------------------------------------------------------------------------------------------------


def network_written_out() -> dict[str, float]:
    """Differences between GoogLeNet and Figure 3 by functions alone, over the largest output, and for other readings.

    ``without_normalisation`` leaves out the response normalisation, ``pools_round_down`` the borders of the pools.
    """
    torch.manual_seed(0)
    with torch.device("meta"):
        network = build("googlenet")
    _randomise(network.to_empty(device="cpu"))
    x = 100 * torch.randn(1, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        y = network(x)
        readings = {
            "written_out": _googlenet(x, network),
            "without_normalisation": _googlenet(x, network, normalise=False),
            "pools_round_down": _googlenet(x, network, ceil=False),
        }
    return {name: distance(y, wanted) / float(y.abs().max()) for name, wanted in readings.items()}


def heads_written_out() -> dict[str, float]:
    """Largest difference between an auxiliary head and the list of Section 5 by functions alone."""
    torch.manual_seed(0)
    head = _randomise(AuxiliaryHead(12, 5))
    x = torch.randn(2, 12, 14, 14, dtype=torch.float64)
    with torch.no_grad():
        w = iter(head.parameters())
        y = _conv(F.avg_pool2d(x, 5, stride=3), w).flatten(1)
        y = F.linear(y, next(w), next(w)).relu()
        return {"head": distance(head(x), F.linear(y, next(w), next(w)))}


def auxiliary_heads() -> dict[str, float | list[int]]:
    """What heads change: the scores in inference, how many there are in training, and what each head sees first."""
    with torch.device("meta"):
        network, plain = build("googlenet-aux", classes=10), build("googlenet", classes=10)
    _randomise(network.to_empty(device="cpu"), torch.float32)
    plain.load_state_dict({name: network.state_dict()[name] for name in plain.state_dict()}, assign=True)
    seen: dict[str, int] = {}

    def note(name: str, pooled: Tensor) -> None:
        seen.update(
            {f"{name}_channels": pooled.shape[1], f"{name}_height": pooled.shape[2], f"{name}_width": pooled.shape[3]}
        )

    for name, head in network.auxiliary.items():
        head[0].register_forward_hook(lambda _, __, pooled, name=name: note(name, pooled))
    x = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    small = x[..., :64, :64]
    with torch.no_grad():
        return {
            "difference_in_inference": distance(network.eval()(small), plain.eval()(small)),
            "classifiers_in_training": len(network.train()(x)),
            "shape_without_heads": list(plain.train()(small).shape),
            **seen,
        }


def loss() -> dict[str, float]:
    """The weight that auxiliary losses have, each measured alone, and what is left of the loss without them."""
    torch.manual_seed(0)
    scores, target = torch.randn(3, 8, 10, dtype=torch.float64), torch.randint(10, (8,))
    alone = [float(-(s.log_softmax(1)[range(8), target].mean())) for s in scores]

    def total(*which: int) -> float:
        return float(googlenet_loss([scores[i] for i in which], target))

    return {
        "first_weight": (total(0, 1) - alone[0]) / alone[1],
        "second_weight": (total(0, 1, 2) - total(0, 1)) / alone[2],
        "main": total(0) / alone[0],
    }


# --- The test --------------------------------------------------------------------------------------------------------


def crops() -> dict[str, float | list[int]]:
    """Crops of a random image: how many, of which size, how many differ, and how far mirrors are from their crops."""
    image = torch.rand(3, 375, 500, generator=torch.Generator().manual_seed(0))
    found = crops_144(image)
    half = len(found) // 2
    return {
        "crops": len(found),
        "size": list(found.shape[1:]),
        "different": len(torch.unique(found.flatten(1)[:, :999], dim=0)),
        "mirrors": distance(found[half:].flip(-1), found[:half]),
    }


def places_of_crops() -> dict[str, list[int]]:
    """Where the crops lie, read off images that show their coordinates, in pixels of the resized image.

    For each scale the lefts of the squares of an image of 375 x 500, and the tops for 500 x 375, which stay 0 the other
    way; then, of the first square, the tops and lefts of the five crops, and the middle of the sixth.
    """
    found = {}
    for name, (height, width) in (("landscape", (375, 500)), ("portrait", (500, 375))):
        coordinates = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
        shown = crops_144(torch.stack(coordinates))
        sides = torch.tensor([256, 288, 320, 352])[:, None, None, None]
        middles = shown[:72, :, 112, 112].view(4, 3, 6, 2) * sides / 375  # scale, square, crop, row and column
        corners = (middles - 112.5).round().int()
        found[f"{name}_tops"], found[f"{name}_lefts"] = (corners[:, :, 0, i].flatten().tolist() for i in (0, 1))
    found["crops_of_256"], found["crops_of_352"] = (corners[scale, 0, :5].flatten().tolist() for scale in (0, 3))
    found["middles"] = middles[:, 0, 5].round().int().flatten().tolist()
    return found


def averages() -> dict[str, float]:
    """Differences between the prediction of two networks for five crops and the mean of ten softmaxes, or of scores."""
    torch.manual_seed(0)
    networks = [nn.Sequential(nn.Flatten(), nn.Linear(12, 7)).double() for _ in range(2)]
    shown = torch.randn(5, 3, 2, 2, dtype=torch.float64)
    with torch.no_grad():
        scores = torch.cat([network(shown) for network in networks])
        prediction = predict(networks, shown)
    return {
        "of_probabilities": distance(prediction, (scores.exp() / scores.exp().sum(1, keepdim=True)).mean(0)),
        "of_scores": distance(prediction, scores.mean(0).softmax(0)),
    }


# --- Tools -----------------------------------------------------------------------------------------------------------


@cache
def _network(variant: str) -> GoogLeNet:
    with torch.device("meta"):
        return build(variant).eval()


def _rows(network: GoogLeNet) -> Iterator[tuple[str, nn.Module]]:
    """The rows of Table 1, the normalisations with the pools that they belong to."""
    stem, inception = network.stem, dict(network.inception.named_children())
    yield from (("conv1", stem[0]), ("pool1", stem[1:3]), ("conv2", stem[3:6]), ("pool2", stem[6]))
    yield from inception.items()
    yield from (("pool5", network.head[0]), ("linear", network.head[1:]))


def _macs_of(*rows: str) -> dict[str, float]:
    network, x = _network("googlenet"), torch.empty(1, 3, 224, 224, device="meta")
    macs = {}
    for name, layer in _rows(network):
        macs[name] = count_macs(layer, x.shape[1:])
        x = layer(x)
    return {name: macs[name] for name in rows}


def _weights_of(*rows: str) -> dict[str, float]:
    layers = dict(_rows(_network("googlenet")))
    return {name: _weights(layers[name]) / 1024 for name in rows}


def _separable_conv1() -> nn.Module:
    """7x7 filters, eight on each colour, and a 1x1: the first layer of the paper on batch normalisation."""
    with torch.device("meta"):
        depthwise = nn.Conv2d(3, 24, 7, stride=2, padding=3, groups=3, bias=False)
        return nn.Sequential(depthwise, nn.Conv2d(24, 64, 1, bias=False))


def _alexnet_parameters() -> int:
    """Filters, weights of one and so biases, of the five convolutions and three linear layers of AlexNet (2012)."""
    layers = ((96, 3 * 11**2), (256, 48 * 5**2), (384, 256 * 3**2), (384, 192 * 3**2), (256, 192 * 3**2))
    layers += ((4096, 256 * 6**2), (4096, 4096), (1000, 4096))
    return sum(units * (weights + 1) for units, weights in layers)


def _depth(module: nn.Module, counted: tuple[type[nn.Module], ...]) -> int:
    if isinstance(module, counted):
        return 1
    if isinstance(module, Concatenation):
        return max(_depth(branch, counted) for branch in module.branches)
    return sum(_depth(child, counted) for child in module.children() if not isinstance(child, nn.ModuleDict))


def _conv(x: Tensor, weights: Iterator[Tensor], stride: int = 1) -> Tensor:
    weight, bias = next(weights), next(weights)
    return F.conv2d(x, weight, bias, stride=stride, padding=weight.shape[-1] // 2).relu()


def _inception(x: Tensor, w: Iterator[Tensor], pool: Callable[..., Tensor] = F.max_pool2d) -> Tensor:
    branches = [_conv(x, w), _conv(_conv(x, w), w), _conv(_conv(x, w), w), _conv(pool(x, 3, 1, 1), w)]
    return torch.cat(branches, 1)


def _googlenet(x: Tensor, network: GoogLeNet, *, normalise: bool = True, ceil: bool = True) -> Tensor:
    w = iter(network.parameters())

    def pool(x: Tensor) -> Tensor:
        return F.max_pool2d(x, 3, stride=2, ceil_mode=ceil)

    def norm(x: Tensor) -> Tensor:
        """Local response normalisation over five neighbouring maps."""
        if not normalise:
            return x
        squares = F.pad(x.square(), (0, 0, 0, 0, 2, 2))
        total = sum(squares[:, shift : shift + x.shape[1]] for shift in range(5))
        return x / (1 + 1e-4 / 5 * total) ** 0.75

    x = norm(pool(_conv(x, w, stride=2)))
    x = pool(norm(_conv(_conv(x, w), w)))
    for name in MODULES:
        x = _inception(x, w)
        if name in ("3b", "4e"):
            x = pool(x)
    return F.linear(x.mean((2, 3)), next(w), next(w))


def _randomise(network: Module, dtype: torch.dtype = torch.float64) -> Module:
    """Draw every parameter so that signals keep their size; without dropout."""
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        deviation = (2 / parameter[0].numel()) ** 0.5 if parameter.dim() > 1 else 0.3
        nn.init.normal_(parameter, std=deviation, generator=generator)
    return network.to(dtype).eval()


def _weights(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters() if parameter.dim() > 1)
