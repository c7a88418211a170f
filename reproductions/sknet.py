"""SKNet: Selective Kernel Networks (Li, Wang, Hu, Yang, 2019).

Neurons of the visual cortex look at a wider or narrower field as the stimulus asks for it; the kernels of a convolution
have one size for all images. Inception runs several sizes side by side, but mixes what they give by fixed weights. An
SK convolution lets the image decide: what its paths give is summed and squeezed to a short vector, as in a
squeeze-and-excitation block, and from this a softmax across the paths says, for each channel, how much of each path
passes. SKNet is ResNeXt with such convolutions in the place of its 3x3.

Where the paper is silent the layers are those of ResNet; the released networks differ in the pool behind the first
convolution, which they do not pad, as in SENet.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reproductions.layers import conv_bn_relu
from reproductions.resnet import ResNet, imagenet_stem
from reproductions.resnext import ResNeXtBlock


class SKConv(nn.Module):
    """A convolution that selects among kernel sizes: split, fuse, select (Section 3.1, Figure 1).

    Shapes: (batch, channels, height, width) to (batch, channels, …) as of a padded 3x3 convolution with that stride.

    Args:
        channels: channels of input and output.
        paths: M, how many kernel sizes there are: 3x3, 5x5 and so on.
        groups: G, of the convolution of each path.
        reduction: r, by which the compact feature is narrower than the maps.
        least: L, below which its width does not go.
        stride: of each path.
    """

    def __init__(
        self, channels: int, *, paths: int = 2, groups: int = 32, reduction: int = 16, least: int = 32, stride: int = 1
    ) -> None:
        super().__init__()
        self.paths = nn.ModuleList(  # the wider kernels are 3x3 too, with dilation
            conv_bn_relu(channels, channels, 3, stride=stride, padding=dilation, dilation=dilation, groups=groups)
            for dilation in range(1, paths + 1)
        )
        width = max(channels // reduction, least)  # Equation 4
        self.squeeze = nn.AdaptiveAvgPool2d(1)  # Equation 2
        self.compact = conv_bn_relu(channels, width, 1)  # Equation 3
        self.select = nn.Conv2d(width, paths * channels, 1, bias=False)

    def split(self, x: Tensor) -> Tensor:
        """What each path gives: (batch, paths, channels, height, width)."""
        return torch.stack([path(x) for path in self.paths], dim=1)

    def fuse(self, maps: Tensor) -> Tensor:
        """The weights of the paths, (batch, paths, channels), from the sum of what they give (Equations 1 to 5)."""
        z = self.compact(self.squeeze(maps.sum(dim=1)))
        return self.select(z).view(maps.shape[:3]).softmax(dim=1)

    def attention(self, x: Tensor) -> Tensor:
        """The weights of the paths for an input, (batch, paths, channels)."""
        return self.fuse(self.split(x))

    def forward(self, x: Tensor) -> Tensor:
        maps = self.split(x)
        return (maps * self.fuse(maps)[..., None, None]).sum(dim=1)  # Equation 6


class SKUnit(ResNeXtBlock):
    """The block of ResNeXt-50 32x4d, its grouped 3x3 replaced: SK[2, 32, 16] (Section 3.2, Table 1)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__(inputs, outputs, stride, cardinality=32, width=4)
        reduce, grouped, expand = self.layers[:3], self.layers[3], self.layers[6:]
        self.layers = nn.Sequential(*reduce, SKConv(grouped.in_channels, stride=stride), *expand)


VARIANTS = {  # blocks in each stage
    "sknet26": (2, 2, 2, 2),
    "sknet50": (3, 4, 6, 3),  # Table 1
    "sknet101": (3, 4, 23, 3),
}


def build(variant: str = "sknet50", *, classes: int = 1000) -> ResNet:
    """Build a variant, initialised as ResNet is."""
    return ResNet(imagenet_stem(64), SKUnit, (64, 256, 512, 1024, 2048), VARIANTS[variant], classes)
