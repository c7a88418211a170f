"""Measurements of WRN that no count on a single network gives."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F

from reproductions.checks.digits import train_on_digits
from reproductions.checks.measuring import normalised, randomise
from reproductions.resnet_v2 import PreActBlock, PreActResNet
from reproductions.wide_resnet import VARIANTS, WideBlock, WideBottleneck, build, wide_resnet

if TYPE_CHECKING:
    from catalog.verify.training import Run
    from reproductions.resnet import ResNet


def depth() -> dict[str, int]:
    """Convolutions of the networks for CIFAR, projections included."""
    return {
        variant: sum(isinstance(module, nn.Conv2d) for module in _network(variant).modules())
        for variant, (blocks, _) in VARIANTS.items()
        if isinstance(blocks, int)
    }


def shortcuts() -> dict[str, list[int]]:
    """Projections in each group of a thin network and of a wide one."""
    return {
        variant: [
            sum(isinstance(block.shortcut, nn.Conv2d) for block in group if isinstance(block, PreActBlock))
            for group in _network(variant).stages
        ]
        for variant in ("wrn-40-1", "wrn-40-2")
    }


def groups() -> dict[str, list[int]]:
    """Channels and sides of the maps behind the first convolution and behind each group of WRN-28-10."""
    network = _network("wrn-28-10")
    with torch.device("meta"):
        shapes = [network.stem(torch.empty(1, 3, 32, 32)).shape]
        for group in network.stages:
            shapes.append(group(torch.empty(shapes[-1])).shape)
    return {"channels": [shape[1] for shape in shapes], "sides": [shape[2] for shape in shapes]}


def inner_widths() -> list[int]:
    """Channels of the 3x3 convolutions in the first bottleneck of each stage of WRN-50-2-bottleneck."""
    stages = _network("wrn50-2").stages
    first = [stage[0] for stage in stages]
    return [block.layers[3].in_channels for block in first if isinstance(block, WideBottleneck)]


def block_types() -> dict[str, int]:
    """Parameters of the networks of Table 2."""
    types = {(1, 3, 1): 40, (3, 1): 40, (1, 3): 40, (3, 1, 1): 40, (3, 3): 28, (3, 1, 3): 22}
    return {
        "-".join(["b", *map(str, kernels)]): _parameters((layers - 4) // 6, kernels)
        for kernels, layers in types.items()
    }


def convolutions_per_block() -> list[int]:
    """Parameters of WRN-40-2 with 1, 2, 3 and 4 convolutions in a block and as many blocks fewer."""
    return [_parameters(12 // convolutions, (3,) * convolutions) for convolutions in (1, 2, 3, 4)]


def growth() -> dict[str, list[int]]:
    """Weights on the main path but for stem and classifier, and those of its first convolution.

    ``widths``: for k = 1, 2, 4 and 8 with 16 layers, without the first convolution, over k squared; ``first``: of that,
    over k; ``depths``: what 6 layers add to 16 and to 22, for k = 1 and k = 2, over k squared.
    """

    def weights(depth: int, k: int) -> list[int]:
        with torch.device("meta"):
            network = wide_resnet((depth - 4) // 6, k)
        named = [item for item in network.stages.named_modules() if "shortcut" not in item[0].split(".")]
        return [module.weight.numel() for _, module in named if isinstance(module, nn.Conv2d)]

    widths = (1, 2, 4, 8)
    return {
        "widths": [sum(weights(16, k)[1:]) // k**2 for k in widths],
        "first": [weights(16, k)[0] // k for k in widths],
        "depths": [(sum(weights(d + 6, k)) - sum(weights(d, k))) // k**2 for k in (1, 2) for d in (16, 22)],
    }


def blocks() -> dict[str, float]:
    """Differences between blocks of several types and Section 2 written out, with random weights and statistics."""
    torch.manual_seed(0)
    x = torch.randn(2, 8, 9, 9, dtype=torch.float64)

    def difference(outputs: int, stride: int, *kernels: int) -> float:
        block = randomise(WideBlock(8, outputs, stride, kernels=kernels, dropout=0.5))
        modules = [*block.activation, *block.layers]
        norms = [module for module in modules if isinstance(module, nn.BatchNorm2d)]
        convolutions = [module for module in modules if isinstance(module, nn.Conv2d)]
        y = x
        for norm, convolution, kernel in zip(norms, convolutions, kernels, strict=True):
            start = normalised(y, norm).relu()
            if norm is norms[0]:
                unchanged = outputs == 8 and stride == 1
                shortcut = x if unchanged else F.conv2d(start, block.shortcut.weight, stride=stride)
            y = F.conv2d(start, convolution.weight, stride=stride if norm is norms[0] else 1, padding=(kernel - 1) // 2)
        return float((block(x) - (shortcut + y)).abs().max())

    def bottleneck(stride: int) -> float:
        block = randomise(WideBottleneck(8, 16, stride, k=3))
        a, norm_a, _, b, norm_b, _, c, norm_c = block.layers
        y = F.conv2d(normalised(F.conv2d(x, a.weight), norm_a).relu(), b.weight, stride=stride, padding=1)
        y = normalised(F.conv2d(normalised(y, norm_b).relu(), c.weight), norm_c)
        projection, norm = block.shortcut
        shortcut = normalised(F.conv2d(x, projection.weight, stride=stride), norm)
        return float((block(x) - (shortcut + y).relu()).abs().max())

    with torch.no_grad():
        return {
            "b-3-3": difference(8, 1, 3, 3),
            "b-3-3_wider": difference(16, 1, 3, 3),
            "b-3-3_halving": difference(16, 2, 3, 3),
            "b-1-3-1_halving": difference(16, 2, 1, 3, 1),
            "b-3-1-3": difference(8, 1, 3, 1, 3),
            "bottleneck": bottleneck(1),
            "bottleneck_halving": bottleneck(2),
        }


def dropout() -> dict[str, float]:
    """Blocks that drop everything: how far they are from their shortcut in training and in a test.

    And of a network: how many layers drop, what is in front of and behind them, and their rate; by default none.
    """
    torch.manual_seed(0)
    x = torch.randn(2, 8, 9, 9, dtype=torch.float64)
    with torch.no_grad():
        kept = randomise(WideBlock(8, 8, 1, dropout=1.0)).train()
        changed = randomise(WideBlock(8, 16, 2, dropout=1.0)).train()
        training = float((kept(x) - x).abs().max())
        projected = float((changed(x) - changed.shortcut(changed.activation(x))).abs().max())
        test = float((kept.eval()(x) - x).abs().max())
    with torch.device("meta"):
        branches = [block.layers for stage in build("wrn-16-8", dropout=0.3).stages for block in stage]
    return {
        "training": training,
        "training_projected": projected,
        "test": test,
        "layers": sum(len(_rates(branch)) for branch in branches),
        "between_convolutions": sum(
            isinstance(branch[2], nn.ReLU) and isinstance(branch[4], nn.Conv2d) for branch in branches
        ),
        "rate": max(rate for branch in branches for rate in _rates(branch)),
        "usual_rate": max(_rates(_network("wrn-16-8")) + _rates(WideBlock(8, 8, 1))),
    }


def _rates(network: nn.Module) -> list[float]:
    return [module.p for module in network.modules() if isinstance(module, nn.Dropout)]


@cache
def _network(variant: str) -> ResNet:
    with torch.device("meta"):
        return build(variant).eval()


def _parameters(n: int, kernels: tuple[int, ...]) -> int:
    """Parameters of a network with k = 2."""
    with torch.device("meta"):
        network = wide_resnet(n, 2, block=partial(WideBlock, kernels=kernels))
    return sum(parameter.numel() for parameter in network.parameters())


# --- Training --------------------------------------------------------------------------------------------------------


def wide_against_deep(run: Run) -> dict[str, float]:
    """On digits: what three wide blocks have more test accuracy, and less training loss, than nine thin ones."""
    accuracy, loss = _train_on_digits(run, "3 blocks, 4 times as wide", n=1, k=4)
    accuracy_deep, loss_deep = _train_on_digits(run, "9 blocks", n=3, k=1)
    return {"accuracy_gap": accuracy - accuracy_deep, "loss_gap": loss_deep - loss}


def accuracy_in_the_mean(series: dict[str, list[float]]) -> dict[str, float | list[float]]:
    """The loss for each seed, the accuracy in the mean: 500 test images tell networks apart by whole images."""
    gaps = series["accuracy_gap"]
    return {**series, "accuracy_gap": sum(gaps) / len(gaps)}


def _train_on_digits(run: Run, arm: str, *, n: int, k: int) -> tuple[float, float]:
    """Test accuracy and the mean training loss of the last epoch."""
    torch.manual_seed(run.seed)
    stem = nn.Conv2d(1, 4, 3, padding=1, bias=False)
    network = PreActResNet(stem, WideBlock, (4, 4 * k, 8 * k, 16 * k), (n, n, n), classes=10)
    return train_on_digits(run, arm, network, epochs=4, weight_decay=1e-4, divide=True)
