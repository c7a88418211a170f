"""The few building blocks that belong to no paper."""

from __future__ import annotations

from torch import nn

Size = int | tuple[int, int]
"""One number for both directions, or height and width."""


def conv_bn(
    inputs: int,
    outputs: int,
    kernel: Size,
    *,
    stride: Size = 1,
    padding: Size = 0,
    dilation: Size = 1,
    groups: int = 1,
    eps: float = 1e-5,
) -> nn.Sequential:
    """A convolution and batch normalisation, whose shift takes the place of the convolution's bias.

    Shapes: (batch, inputs, height, width) to (batch, outputs, …) as of the convolution alone.
    """
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, groups, bias=False),
        nn.BatchNorm2d(outputs, eps),
    )


def conv_bn_relu(
    inputs: int,
    outputs: int,
    kernel: Size,
    *,
    stride: Size = 1,
    padding: Size = 0,
    dilation: Size = 1,
    groups: int = 1,
    eps: float = 1e-5,
) -> nn.Sequential:
    """What :func:`conv_bn` makes, and a ReLU."""
    layers = conv_bn(inputs, outputs, kernel, stride=stride, padding=padding, dilation=dilation, groups=groups, eps=eps)
    return layers.append(nn.ReLU())
