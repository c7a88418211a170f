"""ResNetV2: Identity Mappings in Deep Residual Networks (He, Zhang, Ren, Sun, 2016).

In a block of ResNet a ReLU follows the addition, so what one block hands to the next is not quite what it got plus what
it adds. This paper cleans the path: batch normalisation and ReLU move in front of each convolution, nothing follows the
addition, and any feature is an earlier one plus the sum of the branches between them, as is its gradient. A thousand
layers then train better than a hundred. Whatever else was put in the path, a factor, a normalisation, made it worse.

Everything else is ResNet's: how stages are stacked, the stem for ImageNet, the initialisation.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from reproductions.layers import Size
from reproductions.resnet import BasicBlock, Part, ResNet, imagenet_stem


def bn_relu_conv(
    inputs: int,
    outputs: int,
    kernel: Size,
    *,
    stride: Size = 1,
    padding: Size = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> nn.Sequential:
    """A convolution without bias that batch normalisation and ReLU precede (Figure 4 e).

    Shapes: (batch, inputs, height, width) to (batch, outputs, …) as of the convolution alone.
    """
    return nn.Sequential(
        nn.BatchNorm2d(inputs),
        nn.ReLU(),
        nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, groups, bias=False),
    )


class PreActBlock(nn.Module):
    """The residual unit y = x + F(x) (Equation 3), where F begins with batch normalisation and ReLU.

    Where the shape changes, both branches start behind these two, and the shortcut is a 1x1 convolution without
    normalisation (Appendix).

    Args:
        layers: F, one :func:`bn_relu_conv` behind the other.
        inputs: channels of x.
        outputs: channels of y.
        stride: of F as a whole.
    """

    def __init__(self, layers: nn.Sequential, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.activation, self.layers = layers[:2], layers[2:]
        self.keeps_shape = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if self.keeps_shape else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        activated = self.activation(x)
        return self.shortcut(x if self.keeps_shape else activated) + self.layers(activated)


class PreActBasic(PreActBlock):
    """Two 3x3 convolutions."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        layers = nn.Sequential(
            *bn_relu_conv(inputs, outputs, 3, stride=stride, padding=1),
            *bn_relu_conv(outputs, outputs, 3, padding=1),
        )
        super().__init__(layers, inputs, outputs, stride)


class PreActBottleneck(PreActBlock):
    """A 1x1 convolution to a quarter of the outputs, a 3x3 at that width, and a 1x1 back.

    The authors' code takes the stride in the first 1x1; ``stride_in_1x1=False`` takes it in the 3x3.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, *, stride_in_1x1: bool = True) -> None:
        width = outputs // 4
        first, second = (stride, 1) if stride_in_1x1 else (1, stride)
        layers = nn.Sequential(
            *bn_relu_conv(inputs, width, 1, stride=first),
            *bn_relu_conv(width, width, 3, stride=second, padding=1),
            *bn_relu_conv(width, outputs, 1),
        )
        super().__init__(layers, inputs, outputs, stride)
