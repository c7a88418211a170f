"""ResNeSt: Split-Attention Networks (Zhang et al., 2020).

Branches beside each other (ResNeXt) and attention over channels (SENet, SKNet) had each made residual networks better,
apart from one another. This paper joins them in one block. Every cardinal group of ResNeXt computes its features in
several splits, all with the same kernel; what the splits have in common, summed and pooled, goes through two small
layers, and a softmax across the splits weighs them, channel by channel. With one split this is a gate like that of
squeeze and excitation, and with one group and unequal kernels it would be a selective kernel.

Around the block the network is ResNet-D of He et al. (Bag of Tricks, 2018): three 3x3 convolutions in the place of the
first 7x7, and an average over 2x2 pixels in front of a projection, so that it drops none.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from reproductions.layers import conv_bn, conv_bn_relu
from reproductions.resnet import Block, ResNet


def r_softmax(logits: Tensor, radix: int, cardinality: int) -> Tensor:
    """The weights of the splits in each cardinal group: a softmax across them, a sigmoid where there is one split.

    Shapes: (batch, cardinality x radix x channels of a group) to (batch, radix, cardinality x channels of a group).
    """
    logits = logits.unflatten(1, (cardinality, radix, -1)).transpose(1, 2).flatten(2)
    return logits.softmax(dim=1) if radix > 1 else logits.sigmoid()


class SplitAttention(nn.Module):
    """Splits within cardinal groups, weighed by attention (Section 3.1), as convolutions with groups (Section 3.2).

    Split r of cardinal group k is group r K + k of the first convolution: all groups of one split lie side by side, and
    one convolution computes each layer of all groups. Shapes: (batch, channels, height, width), and the same again.

    Args:
        channels: channels of input and output.
        radix: R, how many splits a cardinal group has.
        cardinality: K, how many cardinal groups there are.
    """

    def __init__(self, channels: int, *, radix: int = 2, cardinality: int = 1) -> None:
        super().__init__()
        self.radix, self.cardinality = radix, cardinality
        width = max(channels * radix // 4, 32)
        self.splits = conv_bn_relu(channels, radix * channels, 3, padding=1, groups=radix * cardinality)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.compact = nn.Sequential(
            nn.Conv2d(channels, width, 1, groups=cardinality), nn.BatchNorm2d(width), nn.ReLU()
        )
        self.logits = nn.Conv2d(width, radix * channels, 1, groups=cardinality)

    def split(self, x: Tensor) -> Tensor:
        """The features in each split: (batch, radix, channels, height, width)."""
        return self.splits(x).unflatten(1, (self.radix, -1))

    def attention(self, features: Tensor) -> Tensor:
        """The weights of the splits, (batch, radix, channels), from the sum of their features."""
        z = self.compact(self.pool(features.sum(dim=1)))
        return r_softmax(self.logits(z).flatten(1), self.radix, self.cardinality)

    def forward(self, x: Tensor) -> Tensor:
        features = self.split(x)
        return (features * self.attention(features)[..., None, None]).sum(dim=1)


def pooled_projection(inputs: int, outputs: int, stride: int) -> nn.Module:
    """The shortcut of ResNet-D: where the shape changes, an average over 2x2 pixels and a projection, or that alone.

    Where a side is odd the last windows reach over the border, and average the pixels that are there.
    """
    if inputs == outputs and stride == 1:
        return nn.Identity()
    projection = conv_bn(inputs, outputs, 1)
    if stride > 1:
        projection.insert(0, nn.AvgPool2d(2, stride, ceil_mode=True, count_include_pad=False))
    return projection


def deep_stem(width: int) -> nn.Sequential:
    """The first layers of ResNet-D, without their pool: (batch, 3, 224, 224) to (batch, 2 width, 112, 112)."""
    return nn.Sequential(
        *conv_bn_relu(3, width, 3, stride=2, padding=1),
        *conv_bn_relu(width, width, 3, padding=1),
        *conv_bn_relu(width, 2 * width, 3, padding=1),
    )


class ResNeStBlock(Block):
    """A bottleneck around split attention (Sections 3.1 and 4.1).

    Where it halves the map, an average over 3x3 pixels does so behind the split attention, or with ``fast`` in front of
    it, where it saves three quarters of the cost. No convolution of the block has a stride.

    Args:
        inputs: channels of the input.
        outputs: channels of the output.
        stride: of that average and of the shortcut.
        radix: R, how many splits a cardinal group has.
        cardinality: K, how many cardinal groups there are.
        width: channels d of a cardinal group in a block with 256 outputs, as for ResNeXt.
        fast: whether the average comes first.
    """

    def __init__(
        self, inputs: int, outputs: int, stride: int, *, radix: int, cardinality: int, width: int, fast: bool
    ) -> None:
        channels = outputs * width // 256 * cardinality
        attention = SplitAttention(channels, radix=radix, cardinality=cardinality)
        average = [nn.AvgPool2d(3, stride, padding=1)] if stride > 1 else []
        layers = nn.Sequential(
            *conv_bn_relu(inputs, channels, 1),
            *([*average, attention] if fast else [attention, *average]),
            *conv_bn(channels, outputs, 1),
        )
        super().__init__(layers, pooled_projection(inputs, outputs, stride))


VARIANTS = {
    # Results table: blocks in each stage, radix R, cardinality K, width d, width of the stem, fast
    "resnest50": ((3, 4, 6, 3), 2, 1, 64, 32, False),
    "resnest101": ((3, 4, 23, 3), 2, 1, 64, 64, False),
    "resnest200": ((3, 24, 36, 3), 2, 1, 64, 64, False),
    "resnest269": ((3, 30, 48, 8), 2, 1, 64, 64, False),
    # Ablation table: RsKxdd
    "resnest50-fast-1s1x64d": ((3, 4, 6, 3), 1, 1, 64, 32, True),
    "resnest50-fast-2s1x64d": ((3, 4, 6, 3), 2, 1, 64, 32, True),
    "resnest50-fast-4s1x64d": ((3, 4, 6, 3), 4, 1, 64, 32, True),
    "resnest50-fast-1s2x40d": ((3, 4, 6, 3), 1, 2, 40, 32, True),
    "resnest50-fast-2s2x40d": ((3, 4, 6, 3), 2, 2, 40, 32, True),
    "resnest50-fast-4s2x40d": ((3, 4, 6, 3), 4, 2, 40, 32, True),
    "resnest50-fast-1s4x24d": ((3, 4, 6, 3), 1, 4, 24, 32, True),
}


def build(variant: str = "resnest50", *, classes: int = 1000) -> ResNet:
    """Build a variant, initialised as ResNet is."""
    blocks, radix, cardinality, width, stem, fast = VARIANTS[variant]
    return ResNet(
        deep_stem(stem).append(nn.MaxPool2d(3, stride=2, padding=1)),
        partial(ResNeStBlock, radix=radix, cardinality=cardinality, width=width, fast=fast),
        (2 * stem, 256, 512, 1024, 2048),
        blocks,
        classes,
    )
