"""ResNeXt: Aggregated Residual Transformations for Deep Neural Networks (Xie, Girshick, Dollár, Tu, He, 2016).

Only the part that later networks take from it: the block.
"""

from __future__ import annotations

from torch import nn

from reproductions.layers import conv_bn
from reproductions.resnet import Block, option_b


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
