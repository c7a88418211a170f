"""ESPNetv2: A Light-weight, Power Efficient, and General Purpose Convolutional Neural Network (Mehta et al., 2018).

Most of what an ESP module costs are its dilated convolutions and its pointwise one. Here the former have a kernel for
each channel alone (depthwise), and the latter a group for each branch; a second grouped pointwise convolution mixes
what the branches give. This EESP unit is so cheap that networks for classification can be built of it. They lose
resolution in strided units, which keep what they pool, and to which the image itself is brought once more.

Where the paper is silent, the networks are those that the authors released.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reproductions.espnet_v1 import hierarchical_fusion
from reproductions.layers import conv_bn

BRANCHES = 4  # K, and also the groups of the pointwise convolutions


def eesp_parameters(kernel: int, inputs: int, outputs: int, branches: int) -> int:
    """Weights of an EESP unit: those of the reduction to d = N/K, of the pyramid, and of the second pointwise one."""
    width = outputs // branches
    return inputs * width // branches + kernel**2 * width * branches + outputs**2 // branches


def rates_within(field: int) -> list[int]:
    """Rates of the branches: 1, 2, 3, 4, but 1 where the kernel would see more than ``field`` pixels in a row."""
    return sorted(rate if 2 * rate + 1 <= field else 1 for rate in range(1, BRANCHES + 1))


def conv_bn_prelu(inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """A convolution that keeps the size but for its stride, batch normalisation, and PReLU with a slope a channel."""
    layers = conv_bn(inputs, outputs, kernel, stride=stride, padding=kernel // 2, groups=groups)
    return layers.append(nn.PReLU(outputs))


class Pyramid(nn.Module):
    """Depthwise 3x3 convolutions with several rates, each added to the next one, and all concatenated.

    Shapes: (batch, channels, height, width) to (batch, channels times rates, height / stride, width / stride).
    """

    def __init__(self, channels: int, rates: list[int], stride: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, stride, padding=rate, dilation=rate, groups=channels, bias=False)
            for rate in rates
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat(hierarchical_fusion([branch(x) for branch in self.branches]), 1)


def eesp(inputs: int, outputs: int, rates: list[int], stride: int = 1) -> nn.Sequential:
    """Reduce, split, transform, merge: the extremely efficient spatial pyramid (Figure 1c)."""
    return nn.Sequential(
        conv_bn_prelu(inputs, outputs // BRANCHES, 1, groups=BRANCHES),
        Pyramid(outputs // BRANCHES, rates, stride),
        nn.BatchNorm2d(outputs),
        nn.PReLU(outputs),
        conv_bn(outputs, outputs, 1, groups=BRANCHES),
    )


class EESP(nn.Module):
    """The unit that keeps its shape, with a shortcut."""

    def __init__(self, channels: int, rates: list[int]) -> None:
        super().__init__()
        self.layers = eesp(channels, channels, rates)
        self.activate = nn.PReLU(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.activate(x + self.layers(x))


class StridedEESP(nn.Module):
    """The unit that halves the map: its input, pooled, and new channels side by side; the image in addition (Figure 2).

    Shapes: (batch, inputs, height, width) and an image of (batch, 3, height / 2, width / 2) to
    (batch, outputs, height / 2, width / 2).
    """

    def __init__(self, inputs: int, outputs: int, rates: list[int]) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(3, stride=2, padding=1)
        self.layers = eesp(inputs, outputs - inputs, rates, stride=2)
        self.shortcut = nn.Sequential(conv_bn_prelu(3, 3, 3), conv_bn(3, outputs, 1))
        self.activate = nn.PReLU(outputs)

    def forward(self, x: Tensor, image: Tensor) -> Tensor:
        return self.activate(torch.cat([self.pool(x), self.layers(x)], 1) + self.shortcut(image))


class ESPNetv2(nn.Module):
    """(batch, 3, height, width) to (batch, classes); the comments give the side behind each part at 224 (Table 1).

    Args:
        width: channels b, of which the four stages have 2b, 4b, 8b and 16b.
        features: channels in front of the classifier.
        classes: outputs of the classifier.
    """

    def __init__(self, width: int, features: int, classes: int) -> None:
        super().__init__()
        inputs = min(32, width)
        self.stem = conv_bn_prelu(3, inputs, 3, stride=2)  # 112
        self.pool = nn.AvgPool2d(3, stride=2, padding=1)
        self.strided, self.stages = nn.ModuleList(), nn.ModuleList()  # 56, 28, 14, 7
        # What a kernel may see at most in a row, in the strided unit and in the others: the authors' code.
        for units, largest, larger in ((0, 13, 11), (3, 11, 9), (7, 9, 7), (3, 7, 5)):
            outputs = 2 * width
            self.strided.append(StridedEESP(inputs, outputs, rates_within(largest)))
            self.stages.append(nn.Sequential(*(EESP(outputs, rates_within(larger)) for _ in range(units))))
            inputs = width = outputs
        self.head = nn.Sequential(
            conv_bn_prelu(inputs, inputs, 3, groups=inputs),
            conv_bn_prelu(inputs, features, 1, groups=BRANCHES),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(features, classes),
        )

    def forward(self, image: Tensor) -> Tensor:
        x, image = self.stem(image), self.pool(image)
        for strided, stage in zip(self.strided, self.stages, strict=True):
            image = self.pool(image)
            x = stage(strided(x, image))
        return self.head(x)


VARIANTS = {
    # Table 1: width b, channels in front of the classifier
    "espnetv2-s05": (16, 1024),
    "espnetv2-s10": (32, 1024),
    "espnetv2-s125": (40, 1024),
    "espnetv2-s15": (48, 1024),
    "espnetv2-s20": (64, 1280),
}


def build(variant: str = "espnetv2-s10", *, classes: int = 1000) -> ESPNetv2:
    """Build a variant. The paper does not say how weights start; they start as torch starts them."""
    return ESPNetv2(*VARIANTS[variant], classes)
