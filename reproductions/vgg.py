"""VGG: Very Deep Convolutional Networks for Large-Scale Image Recognition (Simonyan, Zisserman, 2014).

Only the part that later networks take from it: the convolutions of a stage.
"""

from __future__ import annotations

from torch import nn

VGG_16 = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Width of each stage and how many convolutions it has (Table 1, configuration D)."""


def convolutions(inputs: int, outputs: int, number: int, *, padding: int = 1, dilation: int = 1) -> nn.Sequential:
    """So many 3x3 convolutions with stride 1, each followed by a ReLU; what is between two pools.

    Shapes: (batch, inputs, height, width) to (batch, outputs, height, width) with the usual padding.
    """
    layers = nn.Sequential()
    for _ in range(number):
        layers.extend([nn.Conv2d(inputs, outputs, 3, padding=padding, dilation=dilation), nn.ReLU()])
        inputs = outputs
    return layers
