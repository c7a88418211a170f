"""ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design (Ma, Zhang, Zheng, Sun, 2018).

Only the part that later networks take from it: how a unit splits and shuffles the channels around its branches.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reproductions.shufflenet_v1 import channel_shuffle


class Unit(nn.Module):
    """Half of the channels pass, the others take the branch; a shuffle lets both meet in the next unit (Figure 3c)."""

    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, x: Tensor) -> Tensor:
        left, right = x.chunk(2, 1)
        return channel_shuffle(torch.cat([left, self.branch(right)], 1), 2)


class DownUnit(nn.Module):
    """The unit without the split: both branches get all channels, and halve the map (Figure 3d)."""

    def __init__(self, left: nn.Module, right: nn.Module) -> None:
        super().__init__()
        self.left = left
        self.right = right

    def forward(self, x: Tensor) -> Tensor:
        return channel_shuffle(torch.cat([self.left(x), self.right(x)], 1), 2)
