"""CRU: Sharing Residual Units Through Collective Tensor Factorization (Chen, Jin, Kang, Feng, Yan, 2017).

Take the nonlinearities out of a bottleneck whose 3x3 convolution has R groups, and it is one 3x3 convolution. Its
kernel is a sum of R block terms, each with few channels inside, so ResNet (R = 1) and ResNeXt differ only in the size
of the blocks. Kernels of different units are factorised apart from each other in both. This paper stacks the kernels of
several units and factorises them together: the first 1x1 and the 3x3, here with blocks of a single channel, come out as
factors that all of these units use, and only what follows is a unit's own.

Shared stages therefore afford more channels. The other stages are ResNeXt's in the order of ResNetV2, but projections
have a normalisation of their own. Where the paper is silent the networks are those that the authors released.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reproductions.resnet import imagenet_stem, initialise
from reproductions.resnet_v2 import bn_relu_conv

if TYPE_CHECKING:
    from collections.abc import Sequence

# --- Residual functions as sums of block terms (Section 3) -----------------------------------------------------------


def block_terms(first: Tensor, middle: Tensor, last: Tensor) -> Tensor:
    """What each of R groups contributes to the kernel of three convolutions in a row, (R, outputs, inputs, 3, 3).

    Args:
        first: the 1x1 convolution to D channels, (D, inputs).
        middle: the 3x3 convolution in R groups, (D, D / R, 3, 3).
        last: the 1x1 convolution from D channels, (outputs, D).
    """
    size = middle.shape[1]
    groups = zip(last.split(size, dim=1), middle.split(size), first.split(size), strict=True)
    return torch.stack([torch.einsum("od,dehw,ei->oihw", *factors) for factors in groups])


def projection(inputs: int, outputs: int, stride: int) -> nn.Module:
    """The identity, or a 1x1 convolution behind a normalisation of its own where the shape changes."""
    return nn.Identity() if inputs == outputs and stride == 1 else bn_relu_conv(inputs, outputs, 1, stride=stride)


class ResUnit(nn.Module):
    """The bottleneck of ResNeXt, pre-activated: the unit of stages that share nothing.

    Args:
        inputs: channels of the input.
        outputs: channels of the output.
        stride: of the 3x3 convolution.
        cardinality: groups of the 3x3 convolution.
        width: channels of a group when there are 256 outputs; with more outputs groups are as much wider.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, *, cardinality: int, width: int) -> None:
        super().__init__()
        channels = cardinality * width * outputs // 256
        self.shortcut = projection(inputs, outputs, stride)
        self.layers = nn.Sequential(
            *bn_relu_conv(inputs, channels, 1),
            *bn_relu_conv(channels, channels, 3, stride=stride, padding=1, groups=cardinality),
            *bn_relu_conv(channels, outputs, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.layers(x)


# --- The collective residual unit (Section 4) ------------------------------------------------------------------------


class SharedFactors(nn.Module):
    """A 1x1 convolution from ``width`` to ``rank`` channels and a depthwise 3x3, with nothing between them."""

    def __init__(self, width: int, rank: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, rank, 1, bias=False)
        self.spatial = nn.Conv2d(rank, rank, 3, groups=rank, bias=False)  # applied with padding and a unit's stride
        self.rank = rank

    def forward(self, x: Tensor, stride: int = 1) -> Tensor:
        return F.conv2d(self.first(x), self.spatial.weight, stride=stride, padding=1, groups=self.rank)


class CollectiveUnit(nn.Module):
    """The residual unit whose first two convolutions belong to a group of units (Figure 3).

    A unit that widens its input does so in front of the branch too, at full size; the shortcut has the same weights.

    Args:
        inputs: channels of the input.
        outputs: channels of the output, which the factors read.
        stride: of the shared 3x3 convolution, in this unit, and of the shortcut.
        factors: what the unit shares with others.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, factors: SharedFactors) -> None:
        super().__init__()
        self.stride = stride
        self.shortcut = projection(inputs, outputs, stride)
        self.widen = projection(inputs, outputs, 1)
        if inputs != outputs:
            self.shortcut[2].weight = self.widen[2].weight
        self.activation = nn.Sequential(nn.BatchNorm2d(outputs), nn.ReLU())
        self.factors = factors
        self.layers = nn.Sequential(
            *bn_relu_conv(factors.rank, factors.rank, 1),
            *bn_relu_conv(factors.rank, outputs, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        branch = self.layers(self.factors(self.activation(self.widen(x)), self.stride))
        return self.shortcut(x) + branch


def kernel_of(unit: ResUnit | CollectiveUnit) -> Tensor:
    """The kernel, (outputs, inputs, 3, 3), of the branch of a unit without its normalisations and ReLUs."""
    parts = [unit.layers] if isinstance(unit, ResUnit) else [unit.factors, unit.layers]
    first, middle, *others = (one.weight for part in parts for one in part.modules() if isinstance(one, nn.Conv2d))
    last = reduce(torch.matmul, [weight.flatten(1) for weight in reversed(others)])
    return block_terms(first.flatten(1), middle, last).sum(0)


# --- Networks --------------------------------------------------------------------------------------------------------


class CRUNet(nn.Sequential):
    """Stem, stages of units and classifier: (batch, 3, height, width) to (batch, classes).

    Args:
        cardinality: groups in units without sharing.
        width: channels of such a group in the first stage.
        units: how many units each stage has; the first stage has 256 channels and each other twice as many.
        ranks: channels of the factors that a stage shares; None for a stage without sharing.
        share: how many units have the same factors.
        classes: outputs of the classifier.
    """

    def __init__(
        self, cardinality: int, width: int, units: Sequence[int], ranks: Sequence[int | None], share: int, classes: int
    ) -> None:
        super().__init__()
        self.stem = imagenet_stem(64)
        self.stages = nn.Sequential()
        inputs = 64
        for number, (repeats, rank) in enumerate(zip(units, ranks, strict=True)):
            stage, outputs = nn.Sequential(), 256 * 2**number
            for position in range(repeats):
                stride = 2 if number > 0 and position == 0 else 1
                if rank is None:
                    stage.append(ResUnit(inputs, outputs, stride, cardinality=cardinality, width=width))
                else:
                    if position % share == 0:
                        factors = SharedFactors(outputs, rank)
                    stage.append(CollectiveUnit(inputs, outputs, stride, factors))
                inputs = outputs
            self.stages.append(stage)
        self.head = nn.Sequential(
            nn.BatchNorm2d(inputs), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes)
        )
        initialise(self)


VARIANTS = {
    # cardinality and width without sharing; units of each stage; ranks of the stages that share; units to a set
    "cru56": (32, 4, (3, 4, 6, 3), (None, None, 640, None), 6),
    "cru116": (32, 4, (3, 6, 18, 3), (None, 352, 704, None), 6),
    "cru116-one-set": (32, 4, (3, 6, 18, 3), (None, 352, 704, None), 18),
    "cru56-136x1d": (136, 1, (3, 4, 6, 3), (None, None, 640, None), 6),
    "cru56-unshared": (32, 4, (3, 4, 6, 3), (None, None, 640, None), 1),
}


def build(variant: str = "cru56", *, classes: int = 1000) -> CRUNet:
    """Build a variant, initialised as ResNet is."""
    return CRUNet(*VARIANTS[variant], classes)
