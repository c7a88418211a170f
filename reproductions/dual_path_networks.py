"""DPN: Dual Path Networks (Chen, Li, Xiao, Jin, Yan, Feng, 2017).

Seen as recurrent networks of higher order, ResNet and DenseNet differ in one point. Both let each step read all earlier
ones. A dense network reads an earlier step by new weights every time; let all later steps share them, and what was read
need only be kept as one sum: a residual network. The first finds new features, the second uses known ones again. A dual
path block does both: some channels of its output are added to those of its input, the others are appended, fewer of
them than in DenseNet.

The branch is the bottleneck of ResNeXt in the order of ResNetV2. Where the paper is silent, as on the constant of batch
normalisation, the networks are those that the authors released.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from operator import add

import torch
from torch import Tensor, nn

from reproductions.layers import conv_bn_relu
from reproductions.resnet import imagenet_stem
from reproductions.resnet_v2 import bn_relu_conv

Function = Callable[[Tensor], Tensor]


def higher_order(x: Tensor, reads: Callable[[int, int], Function], transforms: Sequence[Function]) -> Tensor:
    """h_k = g_k(sum over t < k of f_t,k(h_t)) (Equation 1), from h_0 = x: the dense topology.

    Args:
        x: h_0.
        reads: gives f_t,k, by which step k reads step t, for t and k.
        transforms: g_1, g_2, ...
    """
    states = [x]
    for k, transform in enumerate(transforms, start=1):
        states.append(transform(reduce(add, (reads(t, k)(state) for t, state in enumerate(states)))))
    return states[-1]


def shared_reads(x: Tensor, reads: Sequence[Function], transforms: Sequence[Function]) -> Tensor:
    """The same when all later steps read step t by one f_t: r_k = r_(k-1) + f_(k-1)(h_(k-1)), h_k = g_k(r_k)."""
    state, total = x, torch.zeros_like(x)
    for read, transform in zip(reads, transforms, strict=True):
        total = total + read(state)
        state = transform(total)
    return state


class DualPathBlock(nn.Module):
    """Adds to the residual path, the first ``width`` channels, and appends to the dense path behind it (Figure 2 d).

    Shapes: (batch, inputs, height, width) to (batch, inputs + increment, height / stride, width / stride), or to
    width + 3 increment channels if the block is the first of its stage.

    Args:
        inputs: channels of both paths together.
        width: channels of the residual path.
        bottleneck: channels inside of the branch.
        increment: channels that the branch appends.
        groups: of the 3x3 convolution.
        stride: of the 3x3 convolution.
        first: whether a projection makes the two paths anew, the dense one with two increments.
    """

    def __init__(
        self, inputs: int, width: int, bottleneck: int, increment: int, groups: int, stride: int = 1, *, first: bool
    ) -> None:
        super().__init__()
        self.width = width
        self.shortcut = bn_relu_conv(inputs, width + 2 * increment, 1, stride=stride) if first else nn.Identity()
        self.layers = nn.Sequential(
            *bn_relu_conv(inputs, bottleneck, 1),
            *bn_relu_conv(bottleneck, bottleneck, 3, stride=stride, padding=1, groups=groups),
            *bn_relu_conv(bottleneck, width + increment, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        kept, new = self.shortcut(x), self.layers(x)
        return torch.cat([kept[:, : self.width] + new[:, : self.width], kept[:, self.width :], new[:, self.width :]], 1)


class DPN(nn.Sequential):
    """Stem, stages of dual path blocks, classifier: (batch, 3, height, width) to (batch, classes) (Table 1).

    Args:
        stem: what comes before the first stage.
        inputs: channels of the stem.
        width: channels of the residual path in the first stage; each stage doubles them and those of the bottleneck.
        bottleneck: channels inside of a branch of the first stage.
        groups: of the 3x3 convolutions.
        blocks: how many blocks each stage has.
        increments: channels that a block of each stage appends.
        classes: outputs of the classifier.
    """

    def __init__(
        self,
        stem: nn.Module,
        inputs: int,
        width: int,
        bottleneck: int,
        groups: int,
        blocks: Sequence[int],
        increments: Sequence[int],
        classes: int,
    ) -> None:
        super().__init__()
        self.stem = stem
        self.stages = nn.Sequential()
        for number, (repeats, increment) in enumerate(zip(blocks, increments, strict=True)):
            stage = nn.Sequential()
            shape = width * 2**number, bottleneck * 2**number, increment, groups
            for position in range(repeats):
                stride = 2 if number > 0 and position == 0 else 1
                stage.append(DualPathBlock(inputs, *shape, stride, first=position == 0))
                inputs = inputs + increment if position > 0 else shape[0] + 3 * increment
            self.stages.append(stage)
        self.head = nn.Sequential(
            nn.BatchNorm2d(inputs), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes)
        )
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = 1e-3  # the authors' code


VARIANTS = {
    # Table 1, and the released networks: channels of stem, residual path, bottleneck; groups; blocks and increments
    "dpn68": (10, 64, 128, 32, (3, 4, 12, 3), (16, 32, 32, 64)),
    "dpn92": (64, 256, 96, 32, (3, 4, 20, 3), (16, 32, 24, 128)),
    "dpn98": (96, 256, 160, 40, (3, 6, 20, 3), (16, 32, 32, 128)),
    "dpn107": (128, 256, 200, 50, (4, 8, 20, 3), (20, 64, 64, 128)),
    "dpn131": (128, 256, 160, 40, (4, 8, 28, 3), (16, 32, 32, 128)),
}


def small_stem(outputs: int) -> nn.Sequential:
    """(batch, 3, 224, 224) to (batch, outputs, 56, 56), as the stem of ResNet but with a 3x3 convolution."""
    return conv_bn_relu(3, outputs, 3, stride=2, padding=1).append(nn.MaxPool2d(3, stride=2, padding=1))


def build(variant: str = "dpn92", *, classes: int = 1000) -> DPN:
    """Build a variant.

    Args:
        variant: a key of ``VARIANTS``.
        classes: outputs of the classifier.
    """
    inputs, *shape = VARIANTS[variant]
    stem = small_stem(inputs) if variant == "dpn68" else imagenet_stem(inputs)
    return DPN(stem, inputs, *shape, classes)
