"""Stochastic Depth: Deep Networks with Stochastic Depth (Huang, Sun, Liu, Sedra, Weinberger, 2016).

A residual network of a hundred layers is slow to train, and little of the gradient reaches its first layers. This paper
leaves out whole branches: for each mini-batch every block of ResNet tosses a coin, and where it falls on the wrong side
only the shortcut remains, so that the network is short while it learns. A test uses all of it, each branch weighed by
the probability with which it took part. Dropout does so with units, but a dropped unit costs as much time as any other,
and a dropped branch none. Early blocks, on which all others build, are dropped less often than late ones.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reproductions.resnet import BasicBlock, ResNet, ZeroPadding, cifar_stem


def survival(block: int, blocks: int, last: float, rule: str) -> float:
    """The probability that a block, counted from 1, is not dropped; the last survives with probability ``last``.

    It falls linearly from 1 for the input, which counts as block 0, to the last block (Equation 4), or is uniform.
    """
    return {"linear": 1 - block / blocks * (1 - last), "uniform": last}[rule]


def pooled_shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    """The identity; where the shape changes, an average over 2x2 pixels and channels of zeros (Section 4)."""
    if inputs == outputs and stride == 1:
        return nn.Identity()
    return nn.Sequential(nn.AvgPool2d(stride), ZeroPadding(inputs, outputs, stride=1))


class ResidualDrop(BasicBlock):
    """relu(b F(x) + shortcut(x)) in training, b being 1 with probability ``survival`` and else 0 (Equation 2).

    One b is drawn for the whole mini-batch. A test puts the probability in its place (Equation 5).
    """

    def __init__(self, inputs: int, outputs: int, stride: int, *, survival: float) -> None:
        super().__init__(inputs, outputs, stride, shortcut=pooled_shortcut)
        self.survival = survival

    def survives(self) -> bool:
        """Draw b."""
        return bool(torch.rand(()) < self.survival)

    def forward(self, x: Tensor) -> Tensor:
        y = self.shortcut(x)
        if not self.training:
            y = self.survival * self.layers(x) + y
        elif self.survives():
            y = self.layers(x) + y
        return self.relu(y)


VARIANTS = {
    # Section 4: n blocks in each of three stages are 6n + 2 layers
    "resnet20": 3,
    "resnet110": 18,
    "resnet152-svhn": 25,
    "resnet1202": 200,
}


def build(variant: str = "resnet110", *, classes: int = 10, last_survival: float = 0.5, rule: str = "linear") -> ResNet:
    """Build a variant: the CIFAR network of ResNet with blocks that drop.

    Args:
        variant: a key of ``VARIANTS``.
        classes: outputs of the classifier.
        last_survival: the probability p_L of the last block; 1 is constant depth.
        rule: how the probabilities get there, ``linear`` or ``uniform``.
    """
    repeats = VARIANTS[variant]
    blocks = 3 * repeats
    probabilities = iter([survival(block, blocks, last_survival, rule) for block in range(1, blocks + 1)])

    def part(inputs: int, outputs: int, stride: int) -> ResidualDrop:
        return ResidualDrop(inputs, outputs, stride, survival=next(probabilities))

    return ResNet(cifar_stem(16), part, (16, 16, 32, 64), (repeats, repeats, repeats), classes)
