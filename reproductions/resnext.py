"""ResNeXt: Aggregated Residual Transformations for Deep Neural Networks (Xie, Girshick, Dollár, Tu, He, 2016).

An Inception module splits its input, transforms the parts and merges the results, but every branch has widths and
kernels of its own to be chosen. In this paper the branches of a residual block are all alike and their outputs are
added, so that one number is left to choose: how many there are, the cardinality. Summed bottlenecks are the same as
one bottleneck whose 3x3 convolution has groups, and with a single branch it is the bottleneck of ResNet.

In contrast to the first ResNet, blocks take their stride in the 3x3 convolution.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from reproductions.layers import conv_bn, conv_bn_relu
from reproductions.resnet import Block, ResNet, cifar_stem, imagenet_stem, option_b


class Aggregation(nn.ModuleList):
    """The sum of C transformations of the same input (Equation 2)."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([transformation(x) for transformation in self]).sum(0)


class Concatenation(nn.ModuleList):
    """The outputs of C transformations of the same input, one behind the other."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([transformation(x) for transformation in self], 1)


def branch(inputs: int, width: int, stride: int) -> nn.Sequential:
    """A 1x1 convolution into a space of few channels and a 3x3 in it: the first two layers of a branch (Figure 3)."""
    return nn.Sequential(
        *conv_bn_relu(inputs, width, 1),
        *conv_bn_relu(width, width, 3, stride=stride, padding=1),
    )


def summed(inputs: int, outputs: int, stride: int, *, cardinality: int, width: int) -> nn.Sequential:
    """What the block adds to its shortcut, branch by branch (Figure 3a).

    Args:
        inputs: channels of the input.
        outputs: channels of the output.
        stride: of the 3x3 convolutions.
        cardinality: the number of branches C.
        width: channels d of each branch.
    """
    branches = [
        branch(inputs, width, stride).append(nn.Conv2d(width, outputs, 1, bias=False)) for _ in range(cardinality)
    ]
    return nn.Sequential(Aggregation(branches), nn.BatchNorm2d(outputs))


def concatenated(inputs: int, outputs: int, stride: int, *, cardinality: int, width: int) -> nn.Sequential:
    """The same with one last 1x1 convolution for all branches (Figure 3b); the arguments are those of `summed`."""
    branches = [branch(inputs, width, stride) for _ in range(cardinality)]
    return nn.Sequential(Concatenation(branches), *conv_bn(cardinality * width, outputs, 1))


class ResNeXtBlock(Block):
    """C equal branches of width d, summed, in their grouped form: a bottleneck whose 3x3 has C groups (Figure 3c).

    Args:
        inputs: channels of the input.
        outputs: channels of the output.
        stride: of the 3x3 convolution and of the shortcut.
        cardinality: the number of branches C.
        width: the width d of a branch in a block with 256 outputs; with more outputs branches are as much wider.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, *, cardinality: int, width: int) -> None:
        channels = cardinality * width * outputs // 256  # Table 1
        layers = nn.Sequential(
            *conv_bn(inputs, channels, 1),
            nn.ReLU(),
            *conv_bn(channels, channels, 3, stride=stride, padding=1, groups=cardinality),
            nn.ReLU(),
            *conv_bn(channels, outputs, 1),
        )
        super().__init__(layers, option_b(inputs, outputs, stride))


VARIANTS = {
    # Tables 1 to 3: blocks in each stage, cardinality C, width d
    "resnext50-1x64d": ((3, 4, 6, 3), 1, 64),
    "resnext50-2x40d": ((3, 4, 6, 3), 2, 40),
    "resnext50-4x24d": ((3, 4, 6, 3), 4, 24),
    "resnext50-8x14d": ((3, 4, 6, 3), 8, 14),
    "resnext50-32x4d": ((3, 4, 6, 3), 32, 4),
    "resnext101-1x64d": ((3, 4, 23, 3), 1, 64),
    "resnext101-32x4d": ((3, 4, 23, 3), 32, 4),
    # Table 4: twice the cost
    "resnext101-2x64d": ((3, 4, 23, 3), 2, 64),
    "resnext101-64x4d": ((3, 4, 23, 3), 64, 4),
    # Section 5.3
    "resnext29-1x64d-cifar10": ((3, 3, 3), 1, 64),
    "resnext29-8x64d-cifar10": ((3, 3, 3), 8, 64),
    "resnext29-16x64d-cifar10": ((3, 3, 3), 16, 64),
}


def build(variant: str = "resnext50-32x4d", *, classes: int | None = None) -> ResNet:
    """Build a variant, initialised as ResNet is.

    Args:
        variant: a key of ``VARIANTS``.
        classes: outputs of the classifier: 1000, or 10 for CIFAR, if omitted.
    """
    blocks, cardinality, width = VARIANTS[variant]
    block = partial(ResNeXtBlock, cardinality=cardinality, width=width)
    if variant.endswith("cifar10"):
        return ResNet(cifar_stem(64), block, (64, 256, 512, 1024), blocks, classes or 10)
    return ResNet(imagenet_stem(64), block, (64, 256, 512, 1024, 2048), blocks, classes or 1000)
