"""The few building blocks that belong to no paper."""

from __future__ import annotations

from torch import nn


def conv_bn(
    inputs: int, outputs: int, kernel: int, *, stride: int = 1, padding: int = 0, groups: int = 1
) -> nn.Sequential:
    """A convolution and batch normalisation, whose shift takes the place of the convolution's bias.

    Shapes: (batch, inputs, height, width) to (batch, outputs, …) as of the convolution alone.
    """
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    )
