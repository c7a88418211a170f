"""ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices (Zhang, Zhou, Lin, Sun, 2017).

Only the part that later networks take from it: the channel shuffle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """Deal the channels of each group out to all: the first of every group, then the second of every group, and so on.

    Shapes: (batch, channels, height, width), and the same again.
    """
    return x.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)
