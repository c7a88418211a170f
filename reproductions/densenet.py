"""DenseNet: Densely Connected Convolutional Networks (Huang, Liu, van der Maaten, Weinberger, 2016).

A residual network adds what a block makes to what it got, and nobody can tell the two apart afterwards. Here nothing
is added: a layer reads the maps of all layers before it, side by side, and leaves them as they are. What is known need
not be learned again, so a layer makes only k new maps, 12 or 32 of them, and the classifier is a few layers away from
every layer, however deep the network.

The order of normalisation, ReLU and convolution is that of ResNetV2, the stem for ImageNet that of ResNet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from reproductions.resnet import imagenet_stem, initialise
from reproductions.resnet_v2 import bn_relu_conv, cifar_stem


def convolution(inputs: int, outputs: int, kernel: int, dropout: float = 0.0) -> nn.Sequential:
    """Batch normalisation, ReLU and a convolution that keeps the map, with dropout behind it (Sections 3 and 4.2)."""
    return bn_relu_conv(inputs, outputs, kernel, padding=kernel // 2).append(nn.Dropout(dropout))


class DenseLayer(nn.Module):
    """x_l = H_l([x_0, x_1, ..., x_(l-1)]) (Equation 2), appended to the maps that it has read.

    Shapes: (batch, inputs, height, width) to (batch, inputs + growth, height, width).

    Args:
        inputs: channels of all earlier maps together.
        growth: the growth rate k, the channels of x_l.
        bottleneck: whether a 1x1 convolution to 4k channels comes first (DenseNet-B).
        dropout: share of the activations that is dropped behind each convolution.
    """

    def __init__(self, inputs: int, growth: int, *, bottleneck: bool = True, dropout: float = 0.0) -> None:
        super().__init__()
        self.layers = nn.Sequential()
        if bottleneck:
            self.layers.extend(convolution(inputs, 4 * growth, 1, dropout))
            inputs = 4 * growth
        self.layers.extend(convolution(inputs, growth, 3, dropout))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.layers(x)], dim=1)


Layer = Callable[[int], nn.Module]
"""Builds a layer from its input channels."""


def dense_block(inputs: int, layers: int, growth: int, layer: Layer) -> nn.Sequential:
    """Layers on maps of one size, each with ``growth`` more input channels than the last (Figure 1)."""
    return nn.Sequential(*(layer(inputs + number * growth) for number in range(layers)))


def transition(inputs: int, outputs: int, dropout: float = 0.0) -> nn.Sequential:
    """What halves the map between two blocks: a 1x1 convolution and an average pool (Section 3)."""
    return convolution(inputs, outputs, 1, dropout).append(nn.AvgPool2d(2))


class DenseNet(nn.Sequential):
    """Stem, dense blocks with transitions between them, classifier: (batch, 3, height, width) to (batch, classes).

    Args:
        stem: what comes before the first block.
        inputs: channels of the stem.
        layer: builds one layer.
        growth: channels that a layer adds.
        blocks: how many layers each block has.
        compress: channels behind a transition, from those in front of it.
        classes: outputs of the classifier.
        dropout: as in the layers, for the transitions.
    """

    def __init__(
        self,
        stem: nn.Module,
        inputs: int,
        layer: Layer,
        growth: int,
        blocks: Sequence[int],
        compress: Callable[[int], int],
        classes: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.stem = stem
        self.blocks = nn.Sequential(dense_block(inputs, blocks[0], growth, layer))
        channels = inputs + blocks[0] * growth
        for layers in blocks[1:]:
            inputs = compress(channels)
            self.blocks.append(transition(channels, inputs, dropout))
            self.blocks.append(dense_block(inputs, layers, growth, layer))
            channels = inputs + layers * growth
        self.head = nn.Sequential(
            nn.BatchNorm2d(channels), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes)
        )
        initialise(self)  # Section 4.2


VARIANTS = {
    # Table 1: growth rate, layers in each block; all of them are DenseNet-BC
    "densenet121": (32, (6, 12, 24, 16)),
    "densenet169": (32, (6, 12, 32, 32)),
    "densenet201": (32, (6, 12, 48, 32)),
    "densenet161": (48, (6, 12, 36, 24)),
    "densenet264": (32, (6, 12, 64, 48)),
    # Section 3, for CIFAR: of L layers (L - 4) / 3 are in a block; of DenseNet-BC, whose layers are two, half as many
    "densenet-40-12": (12, (12, 12, 12)),
    "densenet-100-12": (12, (32, 32, 32)),
    "densenet-100-24": (24, (32, 32, 32)),
    "densenet-bc-100-12": (12, (16, 16, 16)),
    "densenet-bc-250-24": (24, (41, 41, 41)),
    "densenet-bc-190-40": (40, (31, 31, 31)),
}


def build(variant: str = "densenet121", *, classes: int | None = None, dropout: float = 0.0) -> DenseNet:
    """Build a variant, initialised as ResNet is.

    Args:
        variant: a key of ``VARIANTS``.
        classes: outputs of the classifier: 1000, or 10 for CIFAR, if omitted.
        dropout: behind each convolution but the first; 0.2 where data are not augmented (Section 4.2).
    """
    growth, blocks = VARIANTS[variant]
    is_for_cifar = variant.startswith("densenet-")
    is_bc = not is_for_cifar or variant.startswith("densenet-bc")
    inputs = 2 * growth if is_bc else 16
    return DenseNet(
        cifar_stem(inputs) if is_for_cifar else imagenet_stem(inputs),
        inputs,
        partial(DenseLayer, growth=growth, bottleneck=is_bc, dropout=dropout),
        growth,
        blocks,
        lambda channels: channels // 2 if is_bc else channels,
        classes or (10 if is_for_cifar else 1000),
        dropout,
    )
