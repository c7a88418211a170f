"""SENet: Squeeze-and-Excitation Networks (Hu, Shen, Albanie, Sun, Wu, 2017).

A convolution mixes the channels of a neighbourhood by fixed weights; it cannot ask what the rest of the image shows, or
trust a channel more in one image than in another. The block of this paper can: it squeezes every map to its mean, lets
two small layers turn these means into a gate for each channel, and multiplies. It fits behind any transformation; in a
residual network that is the branch, before the shortcut is added.

Where the paper is silent, as on strides and padding, the networks are those that the authors released.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from reproductions.layers import conv_bn
from reproductions.resnet import Block, Bottleneck, Part, ResNet, imagenet_stem, option_b
from reproductions.resnext import ResNeXtBlock


class SEBlock(nn.Module):
    """x = s u, where s = sigmoid(W2 relu(W1 z)) and z is the mean of each channel of u (Equations 2 to 4).

    Shapes: (batch, channels, height, width), and the same again.

    Args:
        channels: channels of the input.
        reduction: the ratio r by which the layer between the two is narrower.
        bias: whether the two layers have biases; the ablations of Section 6 take them away.
    """

    def __init__(self, channels: int, reduction: int = 16, *, bias: bool = True) -> None:
        super().__init__()
        self.squeeze = nn.AdaptiveAvgPool2d(1)  # batch, channels, 1, 1
        self.excite = nn.Sequential(
            nn.Conv2d(channels, channels // reduction, 1, bias=bias),
            nn.ReLU(),
            nn.Conv2d(channels // reduction, channels, 1, bias=bias),
            nn.Sigmoid(),
        )

    def forward(self, u: Tensor) -> Tensor:
        return u * self.excite(self.squeeze(u))


def with_se(block: Part, reduction: int = 16, *, bias: bool = True) -> Part:
    """Let the branch of a residual block end in squeeze and excitation: the SE-ResNet module (Figure 3)."""

    def se_block(inputs: int, outputs: int, stride: int) -> nn.Module:
        result = block(inputs, outputs, stride)
        result.layers.append(SEBlock(outputs, reduction, bias=bias))
        return result

    return se_block


class SENet154Block(Block):
    """The block of ResNeXt 64x4d, with half as many channels behind its first convolution (Appendix).

    A shortcut that halves the map is a 3x3 convolution: a 1x1 would drop three pixels of four.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        layers = nn.Sequential(
            *conv_bn(inputs, outputs // 2, 1),
            nn.ReLU(),
            *conv_bn(outputs // 2, outputs, 3, stride=stride, padding=1, groups=64),
            nn.ReLU(),
            *conv_bn(outputs, outputs, 1),
        )
        if stride == 1:
            shortcut = option_b(inputs, outputs, stride)
        else:
            shortcut = conv_bn(inputs, outputs, 3, stride=stride, padding=1)
        super().__init__(layers, shortcut)


def pool() -> nn.MaxPool2d:
    """The pool of the released networks: no padding, and the last window may reach over the border."""
    return nn.MaxPool2d(3, stride=2, ceil_mode=True)


def deep_stem() -> nn.Sequential:
    """(batch, 3, 224, 224) to (batch, 128, 56, 56): three 3x3 convolutions in the place of a 7x7 (Appendix)."""
    return nn.Sequential(
        *conv_bn(3, 64, 3, stride=2, padding=1),
        nn.ReLU(),
        *conv_bn(64, 64, 3, padding=1),
        nn.ReLU(),
        *conv_bn(64, 128, 3, padding=1),
        nn.ReLU(),
        pool(),
    )


resnext_32x4d = partial(ResNeXtBlock, cardinality=32, width=4)

VARIANTS = {
    # Table 1 and the released networks: block, blocks in each stage, reduction ratio
    "seresnet50": (Bottleneck, (3, 4, 6, 3), 16),
    "seresnet101": (Bottleneck, (3, 4, 23, 3), 16),
    "seresnet152": (Bottleneck, (3, 8, 36, 3), 16),
    "seresnext50-32x4d": (resnext_32x4d, (3, 4, 6, 3), 16),
    "seresnext101-32x4d": (resnext_32x4d, (3, 4, 23, 3), 16),
    "senet154": (SENet154Block, (3, 8, 36, 3), 16),
    # Table 10
    "seresnet50-r2": (Bottleneck, (3, 4, 6, 3), 2),
    "seresnet50-r4": (Bottleneck, (3, 4, 6, 3), 4),
    "seresnet50-r8": (Bottleneck, (3, 4, 6, 3), 8),
    "seresnet50-r32": (Bottleneck, (3, 4, 6, 3), 32),
    "resnet50": (Bottleneck, (3, 4, 6, 3), None),
}


def build(variant: str = "seresnet50", *, classes: int = 1000, bias: bool = True) -> ResNet:
    """Build a variant, initialised as ResNet is.

    Args:
        variant: a key of ``VARIANTS``.
        classes: outputs of the classifier.
        bias: whether the layers of the SE blocks have biases.
    """
    block, blocks, reduction = VARIANTS[variant]
    if reduction is not None:
        block = with_se(block, reduction, bias=bias)
    if variant == "senet154":
        network = ResNet(deep_stem(), block, (128, 256, 512, 1024, 2048), blocks, classes)
        network.head.insert(2, nn.Dropout(0.2))  # Appendix
        return network
    stem = nn.Sequential(*imagenet_stem(64)[:-1], pool())
    return ResNet(stem, block, (64, 256, 512, 1024, 2048), blocks, classes)
