"""ResNetV2: Identity Mappings in Deep Residual Networks (He, Zhang, Ren, Sun, 2016).

In a block of ResNet a ReLU follows the addition, so what one block hands to the next is not quite what it got plus what
it adds. This paper cleans the path: batch normalisation and ReLU move in front of each convolution, nothing follows the
addition, and any feature is an earlier one plus the sum of the branches between them, as is its gradient. A thousand
layers then train better than a hundred. Whatever else was put in the path, a factor, a normalisation, made it worse.

Everything else is ResNet's: how stages are stacked, the stem for ImageNet, the initialisation.
"""

from __future__ import annotations

from functools import partial
from typing import TypeVar

from torch import Tensor, nn

from reproductions.resnet import Block, Part, ResNet, imagenet_stem


def bn_relu_conv(
    inputs: int,
    outputs: int,
    kernel: int,
    *,
    stride: int = 1,
    padding: int = 0,
    groups: int = 1,
) -> nn.Sequential:
    """A convolution without bias that batch normalisation and ReLU precede (Figure 4 e).

    Shapes: (batch, inputs, height, width) to (batch, outputs, …) as of the convolution alone.
    """
    return nn.Sequential(
        nn.BatchNorm2d(inputs),
        nn.ReLU(),
        nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False),
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


class Scale(nn.Module):
    """A constant factor."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x


Unit = TypeVar("Unit", Block, PreActBlock)

# What the paper tried and found worse. Each function changes a unit that it is given.


def scaled(unit: Unit, shortcut: float, branch: float = 1.0) -> Unit:
    """Multiply shortcut and branch by constants (Equation 6, Table 1)."""
    unit.shortcut = nn.Sequential(unit.shortcut, Scale(shortcut))
    unit.layers.append(Scale(branch))
    return unit


def bn_after_addition(block: Block) -> Block:
    """Let the last normalisation of a block of ResNet wait for the sum (Figure 4 b)."""
    block.relu = nn.Sequential(block.layers.pop(-1), block.relu)
    return block


def relu_before_addition(block: Block) -> Block:
    """Move the last ReLU of a block of ResNet into the branch, which can then only add (Figure 4 c)."""
    block.layers.append(block.relu)
    block.relu = nn.Identity()
    return block


def relu_only_pre_activation(block: Block) -> Block:
    """Move the last ReLU of a block of ResNet to the front of the branch, without a normalisation (Figure 4 d)."""
    block.layers.insert(0, block.relu)
    block.relu = nn.Identity()
    return block


class PreActResNet(ResNet):
    """ResNet of pre-activation units; since nothing follows the last addition, the classifier begins with BN and ReLU.

    The first unit for ImageNet normalises once more what the stem already has; the Appendix does without that.
    """

    def __init__(
        self, stem: nn.Module, block: Part, widths: tuple[int, ...], blocks: tuple[int, ...], classes: int
    ) -> None:
        super().__init__(stem, block, widths, blocks, classes)
        self.head = nn.Sequential(nn.BatchNorm2d(widths[-1]), nn.ReLU(), *self.head)


def cifar_stem(outputs: int) -> nn.Conv2d:
    """(batch, 3, 32, 32) to (batch, outputs, 32, 32); normalisation and ReLU belong to the first unit (Appendix)."""
    return nn.Conv2d(3, outputs, 3, padding=1, bias=False)


VARIANTS = {
    # Section 5: 9n + 2 layers with bottlenecks, 6n + 2 with basic units; blocks in each stage
    "cifar-preresnet110": (PreActBasic, (18, 18, 18)),
    "cifar-preresnet164": (PreActBottleneck, (18, 18, 18)),
    "cifar-preresnet1001": (PreActBottleneck, (111, 111, 111)),
    "preresnet50": (PreActBottleneck, (3, 4, 6, 3)),
    "preresnet101": (PreActBottleneck, (3, 4, 23, 3)),
    "preresnet152": (PreActBottleneck, (3, 8, 36, 3)),
    "preresnet200": (PreActBottleneck, (3, 24, 36, 3)),
}


def build(
    variant: str = "cifar-preresnet164", *, classes: int | None = None, stride_in_1x1: bool = True
) -> PreActResNet:
    """Build a variant, initialised as ResNet is.

    Args:
        variant: a key of ``VARIANTS``.
        classes: outputs of the classifier: 1000, or 10 for CIFAR, if omitted.
        stride_in_1x1: where bottlenecks take their stride; basic units have no choice.
    """
    block, blocks = VARIANTS[variant]
    if block is PreActBasic:
        return PreActResNet(cifar_stem(16), block, (16, 16, 32, 64), blocks, classes or 10)
    block = partial(block, stride_in_1x1=stride_in_1x1)
    if variant.startswith("cifar"):
        return PreActResNet(cifar_stem(16), block, (16, 64, 128, 256), blocks, classes or 10)
    return PreActResNet(imagenet_stem(64), block, (64, 256, 512, 1024, 2048), blocks, classes or 1000)
