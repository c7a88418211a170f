"""Res2Net: A New Multi-scale Backbone Architecture (Gao, Cheng, Zhao, Zhang, Yang, Torr, 2019).

Objects come in all sizes, and most networks meet them layer by layer, or with branches of different kernels as in
Inception. This paper looks for scales inside of one block. It takes the 3x3 convolution out of the bottleneck of ResNet
and cuts its channels into groups, with a smaller 3x3 each, that pass on what they give: a group reads its own channels
and the output of the group in front of it, so that from group to group the field of view grows by a kernel. The number
of groups, the scale s, is a dimension beside depth, width and the cardinality of ResNeXt, which the small kernels may
have too.

Equation 1 leaves the first group as it is and convolves the others. The released networks, which these are, leave the
last one, and do not connect the groups in the first block of a stage; the paper does not speak of that block.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from reproductions.layers import conv_bn, conv_bn_relu
from reproductions.resnet import Block, ResNet, imagenet_stem, option_b


class Hierarchy(nn.Module):
    """3x3 convolutions of s groups of channels, each of which also reads what the one before gives (Section 3.1).

    Shapes: (batch, scale * width, height, width) to (batch, scale * width, …) as of a padded 3x3 convolution with that
    stride.

    Args:
        width: channels w of a group.
        scale: number s of groups; the last is not convolved, unless it is the only one.
        cardinality: number of groups in each convolution.
        stride: of each convolution.
        first: whether it is in the first block of a stage. There nothing is passed on, and the last group is averaged.
    """

    def __init__(self, width: int, scale: int, *, cardinality: int = 1, stride: int = 1, first: bool = False) -> None:
        super().__init__()
        self.width = width
        self.connected = not first
        self.convolutions = nn.ModuleList(
            conv_bn_relu(width, width, 3, stride=stride, padding=1, groups=cardinality)
            for _ in range(max(scale - 1, 1))
        )
        self.rest = nn.AvgPool2d(3, stride, padding=1) if first else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        groups = x.split(self.width, dim=1)
        convolved, rest = groups[: len(self.convolutions)], groups[len(self.convolutions) :]
        outputs: list[Tensor] = []
        for group, convolution in zip(convolved, self.convolutions, strict=True):
            outputs.append(convolution(group + outputs[-1] if self.connected and outputs else group))
        return torch.cat([*outputs, *map(self.rest, rest)], dim=1)


class Res2Block(Block):
    """The bottleneck of ResNet with a hierarchy in the place of its 3x3 convolution (Figure 2b).

    Args:
        inputs: channels of the input.
        outputs: channels of the output.
        stride: of the hierarchy and of the shortcut.
        width: channels w of a group in a block with 256 outputs; with more outputs groups are as much wider.
        scale: number s of groups.
        cardinality: groups in each 3x3 convolution, each of them w channels wide.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, *, width: int, scale: int, cardinality: int = 1) -> None:
        width = width * outputs // 256 * cardinality
        first = inputs != outputs or stride != 1
        layers = nn.Sequential(
            *conv_bn_relu(inputs, scale * width, 1),
            Hierarchy(width, scale, cardinality=cardinality, stride=stride, first=first),
            *conv_bn(scale * width, outputs, 1),
        )
        super().__init__(layers, option_b(inputs, outputs, stride))


VARIANTS = {
    # blocks in each stage, width w, scale s, cardinality
    "res2net50-48w-2s": ((3, 4, 6, 3), 48, 2, 1),  # Table 3
    "res2net50-26w-4s": ((3, 4, 6, 3), 26, 4, 1),
    "res2net50-14w-8s": ((3, 4, 6, 3), 14, 8, 1),
    "res2net50-26w-6s": ((3, 4, 6, 3), 26, 6, 1),
    "res2net50-26w-8s": ((3, 4, 6, 3), 26, 8, 1),
    "res2net101-26w-4s": ((3, 4, 23, 3), 26, 4, 1),  # Table 2
    "res2next50": ((3, 4, 6, 3), 4, 4, 8),  # Table 1
}


def build(variant: str = "res2net50-26w-4s", *, classes: int = 1000) -> ResNet:
    """Build a variant, initialised as ResNet is."""
    blocks, width, scale, cardinality = VARIANTS[variant]
    block = partial(Res2Block, width=width, scale=scale, cardinality=cardinality)
    return ResNet(imagenet_stem(64), block, (64, 256, 512, 1024, 2048), blocks, classes)
