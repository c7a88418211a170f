"""DiCENet: Dimension-wise Convolutions for Efficient Networks (Mehta, Hajishirzi, Rastegari, 2019).

A depthwise convolution filters the planes of height and width, one for each channel, and leaves it to pointwise
convolutions to mix channels, which is what most of the computation of such networks goes into. Here planes are taken
along all three dimensions: those of channels and width, one for each row, and those of channels and height, one for
each column, mix neighbouring channels too. So little is left for the fusion to do that a kernel for each channel will
do it, together with a weighting of the channels by all of them. DiCENet is ShuffleNetV2 with units of this kind.

Where the paper is silent, the networks are those that the authors released.
"""

from __future__ import annotations

from math import gcd

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reproductions.espnet_v2 import conv_bn_prelu
from reproductions.senet import SEBlock
from reproductions.shufflenet_v1 import channel_shuffle
from reproductions.shufflenet_v2 import DownUnit, Unit


def resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Bring one side of a map to another size: larger by linear interpolation, smaller by averages."""
    if size == x.shape[2:]:
        return x
    if size > x.shape[2:]:  # where they differ; the other side is the same
        return F.interpolate(x, size, mode="bilinear", align_corners=True)
    return F.adaptive_avg_pool2d(x, size)


class DimConv(nn.Module):
    """3x3 convolutions of all planes along each dimension of a map, with a kernel for each plane (Section 3.1).

    Shapes: (batch, channels, height, width) to (batch, 3 channels, height, width). A map with another number of rows
    than ``height`` gets ``height`` of them for as long as its rows are filtered; the same for columns.
    """

    def __init__(self, channels: int, height: int, width: int) -> None:
        super().__init__()
        self.depth, self.height, self.width = (
            nn.Conv2d(planes, planes, 3, padding=1, groups=planes, bias=False) for planes in (channels, height, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        height, width = size = x.shape[2:]
        rows = resize(x, (self.height.in_channels, width)).transpose(1, 2)  # (batch, height, channels, width)
        columns = resize(x, (height, self.width.in_channels)).transpose(1, 3)  # (batch, width, height, channels)
        rows = resize(self.height(rows).transpose(1, 2), size)
        columns = resize(self.width(columns).transpose(1, 3), size)
        return torch.cat([self.depth(x), rows, columns], 1)


class GlobalWeighting(SEBlock):
    """Squeeze and excitation whose gate is computed from one map and opened for another."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, reduction=4, bias=False)
        self.excite[2] = nn.Conv2d(inputs // 4, outputs, 1, bias=False)

    def forward(self, fused: Tensor, projected: Tensor) -> Tensor:
        return projected * self.excite(self.squeeze(fused))


class DimFuse(nn.Module):
    """Fuse the three maps of each channel, then weigh channels by all of them (Section 3.2).

    Local fusion has three weights for each channel, whose three maps a shuffle brings together. What comes of it is
    projected by a 3x3 convolution in as many groups as inputs and outputs allow.

    Shapes: (batch, 3 inputs, height, width) to (batch, outputs, height, width).
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.local = conv_bn_prelu(3 * inputs, inputs, 1, groups=inputs)
        self.project = conv_bn_prelu(inputs, outputs, 3, groups=gcd(inputs, outputs))
        self.weigh = GlobalWeighting(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        fused = self.local(channel_shuffle(x, 3))
        return self.weigh(fused, self.project(fused))


class DiCE(nn.Sequential):
    """The unit: dimension-wise convolution, then dimension-wise fusion. ``side`` is that of the map it is made for."""

    def __init__(self, inputs: int, outputs: int, side: int) -> None:
        super().__init__(
            DimConv(inputs, side, side),
            nn.BatchNorm2d(3 * inputs),
            nn.PReLU(3 * inputs),
            DimFuse(inputs, outputs),
        )


def strided_dice(channels: int, side: int) -> DownUnit:
    """Twice the channels at half the resolution: a depthwise separable branch, and one that pools."""
    return DownUnit(
        nn.Sequential(
            conv_bn_prelu(channels, channels, 3, stride=2, groups=channels),
            conv_bn_prelu(channels, channels, 1),
        ),
        nn.Sequential(
            nn.AvgPool2d(3, stride=2, padding=1),
            DiCE(channels, channels, side),
            conv_bn_prelu(channels, channels, 1),
        ),
    )


def shuffled_dice(inputs: int, outputs: int, side: int) -> Unit:
    """The unit of ShuffleNetV2, in whose branch a DiCE unit takes the place of a separable convolution."""
    right = inputs // 2
    width = outputs - (inputs - right)
    return Unit(nn.Sequential(conv_bn_prelu(right, width, 1), DiCE(width, width, side)))


class DiCENet(nn.Sequential):
    """(batch, 3, size, size) to (batch, classes); the comments give the side behind each part at 224.

    Args:
        stem: channels of the first convolution.
        widths: channels of the three stages.
        features: channels in front of the classifier.
        dropout: share of the features that are dropped in front of the classifier.
        classes: outputs of the classifier.
        size: side of the images that the network is made for: it decides how many rows and columns have kernels.
    """

    def __init__(
        self, stem: int, widths: tuple[int, ...], features: int, dropout: float, classes: int, size: int
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            conv_bn_prelu(3, stem, 3, stride=2),
            nn.MaxPool2d(3, stride=2, padding=1),
        )  # 56
        self.stages = nn.Sequential()  # 28, 14, 7
        inputs, side = stem, size // 4
        for outputs, units in zip(widths, (3, 7, 3), strict=True):
            side //= 2
            stage = nn.Sequential(strided_dice(inputs, side), shuffled_dice(2 * inputs, outputs, side))
            stage.extend(shuffled_dice(outputs, outputs, side) for _ in range(units - 1))
            self.stages.append(stage)
            inputs = outputs
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(inputs, features, 1, groups=4, bias=False),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(features, classes),
        )


VARIANTS = {
    # the released configurations: channels of the first convolution, of the stages, in front of the classifier; dropout
    "dicenet-s020": (16, (32, 64, 128), 1024, 0.1),
    "dicenet-s050": (24, (48, 96, 192), 1024, 0.1),
    "dicenet-s075": (24, (86, 172, 344), 1024, 0.1),
    "dicenet-s100": (24, (116, 232, 464), 1024, 0.1),
    "dicenet-s125": (24, (144, 288, 576), 1024, 0.2),
    "dicenet-s150": (24, (176, 352, 704), 1024, 0.2),
    "dicenet-s175": (24, (210, 420, 840), 1024, 0.2),
    "dicenet-s200": (24, (244, 488, 976), 1024, 0.2),
    "dicenet-s300": (48, (384, 768, 1536), 2048, 0.2),  # of 553 million operations; commented out
}


def build(variant: str = "dicenet-s100", *, classes: int = 1000, size: int = 224) -> DiCENet:
    """Build a variant, for images of a size. The paper does not say how weights start; they start as torch's do."""
    return DiCENet(*VARIANTS[variant], classes, size)
