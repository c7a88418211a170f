"""MixNet: Mixed Link Networks (Wang, Li, Yang, Lu, 2018).

ResNet and DenseNet have the same topology: every layer is linked to all before it. In ResNet what a layer makes is
added to what there is, an inner link; in DenseNet it is put beside it, an outer link. A mixed link layer makes both: k1
maps that are added and k2 that are appended. Without the first it is a layer of DenseNet-BC, without the second a
residual one; a dual path network always adds to the same channels, where here the place moves on with the newest.

Blocks, transitions and the classifier are those of DenseNet.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from reproductions.densenet import DenseNet, convolution
from reproductions.resnet import imagenet_stem
from reproductions.resnet_v2 import cifar_stem


def bottleneck(inputs: int, outputs: int) -> nn.Sequential:
    """The layer of DenseNet-BC: a 1x1 convolution to four times the outputs, and a 3x3."""
    return nn.Sequential(*convolution(inputs, 4 * outputs, 1), *convolution(4 * outputs, outputs, 3))


class MixLayer(nn.Module):
    """Adds k1 maps to those that it has read and appends k2, both made from the same input.

    Shapes: (batch, inputs, height, width) to (batch, inputs + k2, height, width).

    Args:
        inputs: channels of the input.
        k1: maps of the inner link, added to the last channels; may be 0.
        k2: maps of the outer link, appended; may be 0.
        fixed: add to the first channels, as a dual path network does.
    """

    def __init__(self, inputs: int, k1: int, k2: int, *, fixed: bool = False) -> None:
        super().__init__()
        self.inner = bottleneck(inputs, k1) if k1 else None
        self.outer = bottleneck(inputs, k2) if k2 else None
        self.start = 0 if fixed else inputs - k1

    def forward(self, x: Tensor) -> Tensor:
        parts = [x]
        if self.inner is not None:
            added = self.inner(x)
            end = self.start + added.shape[1]
            parts = [x[:, : self.start], x[:, self.start : end] + added, x[:, end:]]
        if self.outer is not None:
            parts.append(self.outer(x))
        return torch.cat(parts, dim=1)


VARIANTS = {
    # for CIFAR, by the number of layers: k1, k2, layers in each block
    "mixnet-100-12-12": (12, 12, (16, 16, 16)),
    "mixnet-250-24-24": (24, 24, (41, 41, 41)),
    "mixnet-190-40-40": (40, 40, (31, 31, 31)),
    "mixnet-100-0-12": (0, 12, (16, 16, 16)),
    "mixnet-100-12-0": (12, 0, (16, 16, 16)),
    # for ImageNet
    "mixnet105": (32, 32, (6, 12, 20, 12)),
    "mixnet121": (40, 40, (6, 12, 24, 16)),
    "mixnet141": (48, 48, (6, 12, 30, 20)),
}


def build(variant: str = "mixnet-100-12-12", *, classes: int | None = None, fixed: bool = False) -> DenseNet:
    """Build a variant, initialised as DenseNet is.

    Args:
        variant: a key of ``VARIANTS``.
        classes: outputs of the classifier: 1000, or 10 for CIFAR, if omitted.
        fixed: let all inner links add to the first channels.
    """
    k1, k2, blocks = VARIANTS[variant]
    is_for_cifar = variant.startswith("mixnet-")
    inputs = max(2 * k2, k1)
    return DenseNet(
        cifar_stem(inputs) if is_for_cifar else imagenet_stem(inputs),
        inputs,
        partial(MixLayer, k1=k1, k2=k2, fixed=fixed),
        k2,
        blocks,
        lambda channels: max(channels // 2, k1),  # room for the next inner link
        classes or (10 if is_for_cifar else 1000),
    )
