"""WRN: Wide Residual Networks (Zagoruyko, Komodakis, 2016).

Residual networks went to a thousand layers, each of which adds very little: a block that may hand on its input learns
next to nothing. This paper goes the other way. The pre-activation network of ResNetV2 keeps 16 to 40 layers and gets k
times as many channels; on the hardware that trains them, a few wide layers also run faster than many thin ones. Dropout
between the convolutions of a block keeps the greater number of weights in check; on the shortcut it would do harm.
"""

from __future__ import annotations

from functools import partial

from torch import nn

from reproductions.layers import conv_bn
from reproductions.resnet import BasicBlock, Block, Part, ResNet, imagenet_stem, option_b
from reproductions.resnet_v2 import PreActBlock, PreActResNet, bn_relu_conv, cifar_stem


class WideBlock(PreActBlock):
    """The block B(kernels) of Section 2.2 in the order BN-ReLU-convolution, with dropout after the second ReLU.

    Every convolution has all of the block's channels, and the first takes the stride: B(3,3) is the basic unit.

    Args:
        inputs: channels in front.
        outputs: channels behind.
        stride: of the first convolution.
        kernels: the sizes of the convolutions, in order.
        dropout: the share of the inputs of every convolution but the first that is dropped.
    """

    def __init__(
        self, inputs: int, outputs: int, stride: int, *, kernels: tuple[int, ...] = (3, 3), dropout: float = 0.0
    ) -> None:
        first, *others = kernels
        layers = bn_relu_conv(inputs, outputs, first, stride=stride, padding=first // 2)
        for kernel in others:
            norm, relu, convolution = bn_relu_conv(outputs, outputs, kernel, padding=kernel // 2)
            layers.extend([norm, relu, nn.Dropout(dropout), convolution])
        super().__init__(layers, inputs, outputs, stride)


def wide_resnet(n: int, k: int, *, block: Part = WideBlock, classes: int = 10) -> PreActResNet:
    """Table 1: three groups of n blocks with 16, 32 and 64 times k channels, which B(3,3) makes 6n + 4 layers deep.

    Shapes: (batch, 3, 32, 32) to (batch, classes).
    """
    return PreActResNet(cifar_stem(16), block, (16, 16 * k, 32 * k, 64 * k), (n, n, n), classes)


class WideBottleneck(Block):
    """The bottleneck of ResNet with k times the channels within, between as many as before (Section 3).

    The stride is taken in the 3x3, as in the authors' code.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, *, k: int) -> None:
        width = k * outputs // 4
        layers = nn.Sequential(
            *conv_bn(inputs, width, 1),
            nn.ReLU(),
            *conv_bn(width, width, 3, stride=stride, padding=1),
            nn.ReLU(),
            *conv_bn(width, outputs, 1),
        )
        super().__init__(layers, option_b(inputs, outputs, stride))


VARIANTS = {
    # Table 4: blocks n in each group of the 6n + 4 layers, widening factor
    "wrn-40-1": (6, 1),
    "wrn-40-2": (6, 2),
    "wrn-40-4": (6, 4),
    "wrn-40-8": (6, 8),
    "wrn-28-10": (4, 10),
    "wrn-28-12": (4, 12),
    "wrn-22-8": (3, 8),
    "wrn-22-10": (3, 10),
    "wrn-16-8": (2, 8),
    "wrn-16-10": (2, 10),
    # Tables 7 and 8, for ImageNet: blocks of ResNet in each stage, widening factor
    "wrn-18-2": ((2, 2, 2, 2), 2),
    "wrn-34-2": ((3, 4, 6, 3), 2),
    "wrn50-2": ((3, 4, 6, 3), 2),
}


def build(variant: str = "wrn-28-10", *, classes: int | None = None, dropout: float = 0.0) -> ResNet:
    """Build a variant, initialised as ResNet is.

    Args:
        variant: a key of ``VARIANTS``.
        classes: outputs of the classifier: 10, or 1000 for ImageNet, if omitted.
        dropout: between the convolutions of a block; 0.3 for CIFAR and 0.4 for SVHN; not for ImageNet.
    """
    blocks, k = VARIANTS[variant]
    if isinstance(blocks, int):
        return wide_resnet(blocks, k, block=partial(WideBlock, dropout=dropout), classes=classes or 10)
    if variant.startswith("wrn50"):
        block, widths = partial(WideBottleneck, k=k), (64, 256, 512, 1024, 2048)
    else:
        block, widths = BasicBlock, (64, 64 * k, 128 * k, 256 * k, 512 * k)
    return ResNet(imagenet_stem(64), block, widths, blocks, classes or 1000)
