"""TResNet: High Performance GPU-Dedicated Architecture (Ridnik, Lawen, Noy, Ben Baruch, Sharir, Friedman, 2020).

Networks with fewer operations than ResNet-50 are often slower than it: on a GPU, traffic with the memory and many small
kernels cost more than multiplications. This paper keeps ResNet's plain blocks and changes what costs a GPU little. The
stem rearranges pixels instead of convolving and pooling; maps are blurred before they are halved; the activation behind
a normalisation can be inverted, so that training stores one map and not two. Basic blocks work on the large maps, where
they use a GPU better, and bottlenecks on the small ones, where width is needed; squeeze-and-excitation, in a cheap
form, helps in the first three stages, and not in the last, where a mean over a small map says little.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reproductions.layers import conv_bn
from reproductions.resnet import Block, Part, initialise, projection
from reproductions.senet import SEBlock


class SpaceToDepth(nn.Module):
    """Blocks of 4x4 pixels become channels: (batch, c, height, width) to (batch, 16 c, height / 4, width / 4).

    The pixel in row i and column j of its block, of channel k, goes to channel (4 i + j) c + k.
    """

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x[:, :, i::4, j::4] for i in range(4) for j in range(4)], dim=1)


class BlurPool(nn.Module):
    """Anti-aliased downsampling: each map is smoothed by [1, 2, 1] in both directions, and every second pixel stays."""

    def forward(self, x: Tensor) -> Tensor:
        row = x.new_tensor([1, 2, 1]) / 4
        kernel = torch.outer(row, row).expand(x.shape[1], 1, 3, 3)
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), kernel, stride=2, groups=x.shape[1])


def conv_abn(inputs: int, outputs: int, kernel: int, slope: float = 1e-3) -> nn.Sequential:
    """A convolution, batch normalisation, and a ReLU that leaks: unlike one that does not, it has an inverse."""
    return conv_bn(inputs, outputs, kernel, padding=kernel // 2).append(nn.LeakyReLU(slope))


def squeeze_and_excite(channels: int, width: int) -> SEBlock:
    """An SE block whose layer in the middle is so wide; none is narrower than 64."""
    block = SEBlock(channels, reduction=1)
    width = max(width, 64)
    block.excite[0] = nn.Conv2d(channels, width, 1)
    block.excite[2] = nn.Conv2d(width, channels, 1)
    return block


def shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    """The identity, or where the shape changes a projection, behind an average over 2x2 pixels if the map is halved.

    At the border of a map of odd size, the average is over the pixels that are there.
    """
    if inputs == outputs and stride == 1:
        return nn.Identity()
    pool = [nn.AvgPool2d(2, ceil_mode=True)] if stride == 2 else []
    return nn.Sequential(*pool, *projection(inputs, outputs, 1))


class BasicBlock(Block):
    """Two 3x3 convolutions and SE; a stride is taken by a blur behind the first."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        layers = nn.Sequential(
            conv_abn(inputs, outputs, 3),
            BlurPool() if stride == 2 else nn.Identity(),
            conv_bn(outputs, outputs, 3, padding=1),
            squeeze_and_excite(outputs, outputs // 4),
        )
        super().__init__(layers, shortcut(inputs, outputs, stride))
        nn.init.zeros_(layers[2][1].weight)


class Bottleneck(Block):
    """1x1, 3x3 and 1x1 convolutions, a quarter as wide inside; blur and SE are behind the 3x3, where it is narrow."""

    def __init__(self, inputs: int, outputs: int, stride: int, *, se: bool = True) -> None:
        width = outputs // 4
        layers = nn.Sequential(
            conv_abn(inputs, width, 1),
            conv_abn(width, width, 3),
            BlurPool() if stride == 2 else nn.Identity(),
            squeeze_and_excite(width, outputs // 8) if se else nn.Identity(),
            conv_bn(width, outputs, 1),
        )
        super().__init__(layers, shortcut(inputs, outputs, stride))
        nn.init.zeros_(layers[4][1].weight)


def stage(block: Part, inputs: int, outputs: int, stride: int, repeats: int) -> nn.Sequential:
    """Blocks of which the first takes the stride."""
    return nn.Sequential(block(inputs, outputs, stride), *(block(outputs, outputs, 1) for _ in range(repeats - 1)))


class TResNet(nn.Sequential):
    """(batch, 3, height, width), where both sides are multiples of 4, to (batch, classes) (Table 2).

    Args:
        width: channels of the first stage.
        repeats: blocks in each stage.
        classes: outputs of the classifier.
    """

    def __init__(self, width: int, repeats: tuple[int, int, int, int], classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(SpaceToDepth(), conv_abn(48, width, 3, slope=1e-2))  # width, 56, 56
        self.stages = nn.Sequential(
            stage(BasicBlock, width, width, 1, repeats[0]),
            stage(BasicBlock, width, 2 * width, 2, repeats[1]),  # 2 width, 28, 28
            stage(Bottleneck, 2 * width, 16 * width, 2, repeats[2]),  # 16 width, 14, 14
            stage(partial(Bottleneck, se=False), 16 * width, 32 * width, 2, repeats[3]),  # 32 width, 7, 7
        )
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32 * width, classes))
        initialise(self)


VARIANTS = {
    # Table 2: width of the first stage, blocks in each stage
    "tresnet-m": (64, (3, 4, 11, 3)),
    "tresnet-l": (76, (4, 5, 18, 3)),
    "tresnet-xl": (83, (4, 5, 24, 3)),
}


def build(variant: str = "tresnet-m", *, classes: int = 1000) -> TResNet:
    """Build a variant. Convolutions start as ResNet's do, and each block as its shortcut alone."""
    return TResNet(*VARIANTS[variant], classes)
