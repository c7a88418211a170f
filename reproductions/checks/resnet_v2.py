"""Measurements of ResNetV2 that no count on a single network gives."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from itertools import combinations
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from catalog.verify.training import constant
from reproductions.checks.digits import train_on_digits
from reproductions.checks.measuring import count_parameters, distance, normalised, randomise
from reproductions.layers import conv_bn
from reproductions.resnet import BasicBlock, Block, Bottleneck, ResNet
from reproductions.resnet import cifar_stem as original_cifar_stem
from reproductions.resnet_v2 import (
    VARIANTS,
    PreActBasic,
    PreActBlock,
    PreActBottleneck,
    bn_after_addition,
    bn_relu_conv,
    build,
    relu_before_addition,
    relu_only_pre_activation,
    scaled,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from catalog.verify.training import Run

Module = TypeVar("Module", bound=nn.Module)


def depth() -> dict[str, int]:
    """Layers with weights on the main path of every variant: convolutions outside of shortcuts, and the classifier."""
    return {
        variant: sum(
            isinstance(module, nn.Conv2d | nn.Linear) and "shortcut" not in name.split(".")
            for name, module in _network(variant).named_modules()
        )
        for variant in VARIANTS
    }


def shortcuts() -> dict[str, list[int]]:
    """How many shortcuts of every variant are the identity and a convolution, and how many have anything else."""
    kinds = {}
    for variant in VARIANTS:
        parts = [unit.shortcut for unit in _network(variant).modules() if isinstance(unit, PreActBlock)]
        identities = sum(isinstance(part, nn.Identity) for part in parts)
        convolutions = sum(isinstance(part, nn.Conv2d) and part.kernel_size == (1, 1) for part in parts)
        kinds[variant] = [identities, convolutions, len(parts) - identities - convolutions]
    return kinds


def excess_of_the_original() -> dict[str, int]:
    """Parameters that the 164-layer network in the original order has more, with and without norms in projections."""

    def projection(inputs: int, outputs: int, stride: int) -> nn.Module:
        return nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def bare(inputs: int, outputs: int, stride: int) -> Bottleneck:
        changes = inputs != outputs or stride != 1
        return Bottleneck(inputs, outputs, stride, shortcut=projection if changes else nn.Identity)

    def excess(block: Callable[[int, int, int], nn.Module]) -> int:
        with torch.device("meta"):
            original = ResNet(original_cifar_stem(16), block, (16, 64, 128, 256), (18, 18, 18), classes=10)
        return count_parameters(original) - count_parameters(_network("cifar-preresnet164"))

    return {"normalised_projections": excess(Bottleneck), "bare_projections": excess(bare)}


def units() -> dict[str, float]:
    """Differences between units and the figures and equations written out, with random weights and statistics."""
    torch.manual_seed(0)
    x = torch.randn(2, 8, 9, 9, dtype=torch.float64)
    with torch.no_grad():
        grouped = randomise(bn_relu_conv(8, 4, 3, groups=2))
        wanted = F.conv2d(normalised(x, grouped[0]).relu(), grouped[2].weight, groups=2)
        differences = {"bn_relu_conv": distance(grouped(x), wanted)}

        unit = randomise(PreActBasic(8, 8, 1))
        (norm, _), (first, *_, last) = unit.activation, unit.layers
        branch = _conv(normalised(_conv(normalised(x, norm).relu(), first), unit.layers[1]).relu(), last)
        differences["basic"] = distance(unit(x), x + branch)
        differences["basic_with_relu"] = distance(unit(x), (x + branch).relu())

        unit = randomise(PreActBottleneck(8, 16, 2))
        start = normalised(x, unit.activation[0]).relu()
        a, norm_a, _, b, norm_b, _, c = unit.layers
        branch = _conv(normalised(_conv(normalised(_conv(start, a, 2), norm_a).relu(), b), norm_b).relu(), c)
        differences["bottleneck"] = distance(unit(x), _conv(start, unit.shortcut, 2) + branch)
        differences["bottleneck_from_x"] = distance(unit(x), _conv(x, unit.shortcut, 2) + branch)

    return differences


def activations() -> dict[str, float]:
    """Differences between the changed units of Table 1 and Figure 4 and their equations written out."""
    torch.manual_seed(0)
    x = torch.randn(2, 8, 9, 9, dtype=torch.float64)
    block = randomise(BasicBlock(8, 8, 1))
    first, norm, _, second, last_norm = block.layers

    def convolved(start: Tensor) -> Tensor:
        return _conv(normalised(_conv(start, first), norm).relu(), second)

    def changed(change: Callable[..., Block], *factors: float) -> Tensor:
        return change(deepcopy(block), *factors)(x)

    with torch.no_grad():
        branch = normalised(convolved(x), last_norm)
        return {
            "scaled": distance(changed(scaled, 0.5, 0.25), (0.5 * x + 0.25 * branch).relu()),
            "scaled_shortcut": distance(changed(scaled, 0.5), (0.5 * x + branch).relu()),
            "bn_after_addition": distance(changed(bn_after_addition), normalised(x + convolved(x), last_norm).relu()),
            "relu_before_addition": distance(changed(relu_before_addition), x + branch.relu()),
            "relu_only_pre_activation": distance(
                changed(relu_only_pre_activation), x + normalised(convolved(x.relu()), last_norm)
            ),
        }


def network() -> dict[str, float]:
    """Largest difference between the 110-layer network and the Appendix written out, over the largest score.

    ``normalised_stem`` is the usual slip: how much a normalisation and a ReLU behind the first layer would change.
    """
    torch.manual_seed(0)
    network = randomise(build("cifar-preresnet110"))
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)

    def written_out(y: Tensor) -> Tensor:
        for unit in (unit for stage in network.stages for unit in stage):
            a, norm, _, b = unit.layers
            start = normalised(y, unit.activation[0]).relu()
            if (stride := a.stride[0]) != 1:
                y = _conv(start, unit.shortcut, stride)
            y = y + _conv(normalised(_conv(start, a, stride), norm).relu(), b)
        norm, *_, classifier = network.head
        return normalised(y, norm).relu().mean((2, 3)) @ classifier.weight.T + classifier.bias

    with torch.no_grad():
        scores = network(x)
        y = _conv(x, network.stem)
        return {
            "written_out": distance(scores, written_out(y)) / float(scores.abs().max()),
            "normalised_stem": distance(scores, written_out(y.relu())) / float(scores.abs().max()),
        }


def sum_of_branches() -> dict[str, float]:
    """x_L against x_l and the sum of all branches between them, the largest difference over all pairs of ten units."""

    def difference(unit: Callable[[], nn.Module]) -> float:
        torch.manual_seed(0)
        stage = nn.Sequential(*(randomise(unit()) for _ in range(10))).train()  # normalised by the batch
        features = [torch.randn(4, 8, 9, 9, dtype=torch.float64)]
        branches: list[Tensor] = []
        for block in stage:
            block.layers.register_forward_hook(lambda _module, _inputs, output: branches.append(output))
        with torch.no_grad():
            for block in stage:
                features.append(block(features[-1]))
        return max(
            distance(features[deep], features[shallow] + torch.stack(branches[shallow:deep]).sum(0))
            for shallow, deep in combinations(range(11), 2)
        )

    return {
        "basic": difference(lambda: PreActBasic(8, 8, 1)),
        "bottleneck": difference(lambda: PreActBottleneck(8, 8, 1)),
        "original": difference(lambda: BasicBlock(8, 8, 1)),
    }


def gradient_through_silent_units() -> dict[str, float]:
    """What 50 units whose branches give nothing do to a gradient: largest difference between its two ends."""
    return {
        "pre_activation": float((_gradient(lambda: PreActBasic(4, 4, 1)) - _COTANGENT).abs().max()),
        "original": float((_gradient(lambda: BasicBlock(4, 4, 1)) - _COTANGENT).abs().max()),
    }


def gradient_through_scaled_shortcuts() -> dict[str, float]:
    """The factor by which such units with shortcuts of 0.9, 0.5 and 1.1 change the gradient, and its spread."""

    def ratios(factor: float) -> Tensor:
        return _gradient(lambda: scaled(PreActBasic(4, 4, 1), factor)) / _COTANGENT

    found = {f"factor_{factor}": ratios(factor) for factor in (0.9, 0.5, 1.1)}
    spread = max(float((ratio.max() - ratio.min()) / ratio.mean()) for ratio in found.values())
    return {name: float(ratio.mean()) for name, ratio in found.items()} | {"spread": spread}


def silent_units() -> dict[str, float]:
    """How far units whose branches give nothing are from the identity, and from a ReLU, on a signed input."""
    torch.manual_seed(0)
    x = torch.randn(2, 8, 9, 9, dtype=torch.float64)
    with torch.no_grad():
        basic = _silence(randomise(PreActBasic(8, 8, 1)))(x)
        bottleneck = _silence(randomise(PreActBottleneck(8, 8, 1)))(x)
        original = _silence(randomise(BasicBlock(8, 8, 1)))(x)
    return {
        "basic": distance(basic, x),
        "bottleneck": distance(bottleneck, x),
        "original": distance(original, x.relu()),
        "original_identity": distance(original, x),
    }


_COTANGENT = torch.randn(2, 4, 5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def _gradient(unit: Callable[[], PreActBlock | Block]) -> Tensor:
    """The gradient of the input of 50 units whose branches give nothing, for a fixed one of their output."""
    torch.manual_seed(0)
    chain = nn.Sequential(*(_silence(randomise(unit())) for _ in range(50)))
    x = torch.randn(_COTANGENT.shape, dtype=torch.float64, requires_grad=True)
    (found,) = torch.autograd.grad(chain(x), x, _COTANGENT)
    return found


@cache
def _network(variant: str) -> ResNet:
    with torch.device("meta"):
        return build(variant).eval()


def _conv(x: Tensor, convolution: nn.Conv2d, stride: int = 1) -> Tensor:
    return F.conv2d(x, convolution.weight, stride=stride, padding=convolution.weight.shape[-1] // 2)


def _silence(unit: Module) -> Module:
    """Let the last layer with parameters in the branch of a unit give zeros."""
    *_, last = (module for module in unit.layers.modules() if any(True for _ in module.parameters(recurse=False)))
    for parameter in last.parameters():
        nn.init.zeros_(parameter)
    return unit


# --- Training --------------------------------------------------------------------------------------------------------


def scaled_shortcuts(run: Run) -> dict[str, float]:
    """Training loss of the last epoch on digits with the identity, and how much scaled shortcuts raise it."""
    identity = _loss_on_digits(run, "identity", BasicBlock)
    both = _loss_on_digits(run, "shortcut 0.5, branch 0.5", lambda *shape: scaled(BasicBlock(*shape), 0.5, 0.5))
    shortcut = _loss_on_digits(run, "shortcut 0.5", lambda *shape: scaled(BasicBlock(*shape), 0.5))
    return {
        "identity": identity,
        "both_halved_minus_identity": both - identity,
        "shortcut_halved_minus_identity": shortcut - identity,
    }


def normalised_sums(run: Run) -> dict[str, float]:
    """Training loss of the last epoch on digits: batch normalisation after the addition, minus the original."""
    original = _loss_on_digits(run, "original", BasicBlock)
    after = _loss_on_digits(run, "after the addition", lambda *shape: bn_after_addition(BasicBlock(*shape)))
    return {"after_minus_original": after - original}


def _loss_on_digits(run: Run, arm: str, block: Callable[[int, int, int], nn.Module]) -> float:
    """Twelve units of 8 channels at full resolution; the loss in training mode, since moving averages lag behind."""
    torch.manual_seed(run.seed)
    stem = nn.Sequential(*conv_bn(1, 8, 3, padding=1), nn.ReLU())
    network = ResNet(stem, block, (8, 8), (12,), classes=10)
    return train_on_digits(run, arm, network, epochs=3, weight_decay=1e-4, schedule=constant)[1]
