"""ResNet: Deep Residual Learning for Image Recognition (He, Zhang, Ren, Sun, 2015).

A plain stack of convolutions in the manner of VGG gets worse when it gets deeper, even on its training set, though the
deeper one could copy the shallower and do nothing with the rest: doing nothing seems to be hard to learn. So every few
layers are asked for what they add to their input. A shortcut carries the input around them, unchanged and free of cost,
and zero weights now mean the identity. Highway networks have gates on such shortcuts; these are always open.

Blocks and shortcuts are built from (inputs, outputs, stride), so that a paper which changes one changes only that one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from reproductions.layers import conv_bn

Part = Callable[[int, int, int], nn.Module]
"""Builds a block or a shortcut from its input channels, output channels and stride."""


class ZeroPadding(nn.Module):
    """The identity between different shapes: every stride-th pixel, then zeros for the channels that are new."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride, self.new_channels = stride, outputs - inputs

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new_channels))


def projection(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """The shortcut with weights: a 1x1 convolution and batch normalisation (Equation 2)."""
    return conv_bn(inputs, outputs, 1, stride=stride)


def option_a(inputs: int, outputs: int, stride: int) -> nn.Module:
    """The identity everywhere, with zeros where the channels increase: no parameters at all (Section 3.3)."""
    return nn.Identity() if inputs == outputs and stride == 1 else ZeroPadding(inputs, outputs, stride)


def option_b(inputs: int, outputs: int, stride: int) -> nn.Module:
    """Projections where the shape changes, the identity elsewhere (Section 3.3)."""
    return nn.Identity() if inputs == outputs and stride == 1 else projection(inputs, outputs, stride)


# Section 4.1. A plain network has none.
SHORTCUTS: dict[str, Part | None] = {"none": None, "A": option_a, "B": option_b, "C": projection}


class Block(nn.Module):
    """The building block y = relu(F(x) + shortcut(x)) (Equations 1 and 2); plain networks have no shortcut."""

    def __init__(self, layers: nn.Module, shortcut: nn.Module | None) -> None:
        super().__init__()
        self.layers = layers
        self.shortcut = shortcut
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y = self.layers(x)
        if self.shortcut is not None:
            y = y + self.shortcut(x)
        return self.relu(y)


class BasicBlock(Block):
    """Two 3x3 convolutions (Figure 5, left)."""

    def __init__(self, inputs: int, outputs: int, stride: int, *, shortcut: Part | None = option_b) -> None:
        layers = nn.Sequential(
            *conv_bn(inputs, outputs, 3, stride=stride, padding=1),
            nn.ReLU(),
            *conv_bn(outputs, outputs, 3, padding=1),
        )
        super().__init__(layers, shortcut and shortcut(inputs, outputs, stride))


class Bottleneck(Block):
    """A 1x1 convolution to a quarter of the outputs, a 3x3 at that width, and a 1x1 back (Figure 5, right).

    The paper takes the stride in the first 1x1, which drops three pixels of four; ``stride_in_1x1=False`` takes it in
    the 3x3, as most later code does, which costs more.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int,
        *,
        shortcut: Part | None = option_b,
        stride_in_1x1: bool = True,
    ) -> None:
        width = outputs // 4
        first, second = (stride, 1) if stride_in_1x1 else (1, stride)
        layers = nn.Sequential(
            *conv_bn(inputs, width, 1, stride=first),
            nn.ReLU(),
            *conv_bn(width, width, 3, stride=second, padding=1),
            nn.ReLU(),
            *conv_bn(width, outputs, 1),
        )
        super().__init__(layers, shortcut and shortcut(inputs, outputs, stride))


def stages(block: Part, widths: Sequence[int], blocks: Sequence[int]) -> nn.Sequential:
    """Stages of equal blocks; every stage but the first halves the map in its first block.

    Args:
        block: builds one block.
        widths: channels in front of the first stage, then behind each stage.
        blocks: how many blocks each stage has.
    """
    result = nn.Sequential()
    for number, ((inputs, outputs), repeats) in enumerate(zip(pairwise(widths), blocks, strict=True)):
        first = block(inputs, outputs, 1 if number == 0 else 2)
        result.append(nn.Sequential(first, *(block(outputs, outputs, 1) for _ in range(repeats - 1))))
    return result


def imagenet_stem(outputs: int) -> nn.Sequential:
    """(batch, 3, 224, 224) to (batch, outputs, 56, 56): conv1 and the pool in front of conv2_x (Table 1)."""
    return nn.Sequential(*conv_bn(3, outputs, 7, stride=2, padding=3), nn.ReLU(), nn.MaxPool2d(3, stride=2, padding=1))


def cifar_stem(outputs: int) -> nn.Sequential:
    """(batch, 3, 32, 32) to (batch, outputs, 32, 32): the first layer of Section 4.2."""
    return nn.Sequential(*conv_bn(3, outputs, 3, padding=1), nn.ReLU())


def initialise(network: nn.Module) -> None:
    """Draw the weights of all convolutions from a normal distribution of variance 2 / fan-out (Section 3.4)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


class ResNet(nn.Sequential):
    """Stem, stages and classifier: (batch, 3, height, width) to (batch, classes). See :func:`stages` for the rest."""

    def __init__(
        self, stem: nn.Module, block: Part, widths: Sequence[int], blocks: Sequence[int], classes: int
    ) -> None:
        super().__init__()
        self.stem = stem
        self.stages = stages(block, widths, blocks)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], classes))
        initialise(self)


VARIANTS = {
    # Table 1: block, shortcut, blocks in each stage
    "plain18": (BasicBlock, "none", (2, 2, 2, 2)),
    "plain34": (BasicBlock, "none", (3, 4, 6, 3)),
    "resnet18": (BasicBlock, "B", (2, 2, 2, 2)),
    "resnet34": (BasicBlock, "B", (3, 4, 6, 3)),
    "resnet34-a": (BasicBlock, "A", (3, 4, 6, 3)),
    "resnet34-c": (BasicBlock, "C", (3, 4, 6, 3)),
    "resnet50": (Bottleneck, "B", (3, 4, 6, 3)),
    "resnet101": (Bottleneck, "B", (3, 4, 23, 3)),
    "resnet152": (Bottleneck, "B", (3, 8, 36, 3)),
    # Section 4.2: n blocks in each of three stages are 6n + 2 layers
    "cifar-plain20": (BasicBlock, "none", (3, 3, 3)),
    "cifar-plain56": (BasicBlock, "none", (9, 9, 9)),
    "cifar-resnet20": (BasicBlock, "A", (3, 3, 3)),
    "cifar-resnet32": (BasicBlock, "A", (5, 5, 5)),
    "cifar-resnet44": (BasicBlock, "A", (7, 7, 7)),
    "cifar-resnet56": (BasicBlock, "A", (9, 9, 9)),
    "cifar-resnet110": (BasicBlock, "A", (18, 18, 18)),
    "cifar-resnet1202": (BasicBlock, "A", (200, 200, 200)),
}


def build(
    variant: str = "resnet50", *, classes: int | None = None, shortcut: str | None = None, stride_in_1x1: bool = True
) -> ResNet:
    """Build a variant, initialised as in Section 3.4.

    Args:
        variant: a key of ``VARIANTS``.
        classes: outputs of the classifier: 1000, or 10 for CIFAR, if omitted.
        shortcut: another option than the variant's own: A, B, C or none.
        stride_in_1x1: where bottlenecks take their stride; basic blocks have no choice.
    """
    block, option, blocks = VARIANTS[variant]
    part = partial(block, shortcut=SHORTCUTS[shortcut or option])
    if variant.startswith("cifar"):
        return ResNet(cifar_stem(16), part, (16, 16, 32, 64), blocks, classes or 10)  # Section 4.2
    if block is BasicBlock:
        return ResNet(imagenet_stem(64), part, (64, 64, 128, 256, 512), blocks, classes or 1000)  # Table 1
    part = partial(part, stride_in_1x1=stride_in_1x1)
    return ResNet(imagenet_stem(64), part, (64, 256, 512, 1024, 2048), blocks, classes or 1000)  # Table 1
