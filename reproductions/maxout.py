"""Maxout Networks (Goodfellow, Warde-Farley, Mirza, Courville, Bengio, 2013).

Only the part that later networks take from it: the maximum that a maxout unit takes.
"""

from __future__ import annotations

from torch import Tensor, nn


class MaxOverPieces(nn.Module):
    """The maximum over groups of consecutive channels: the affine pieces of one unit stand side by side.

    Shapes: (batch, units * pieces, …) to (batch, units, …).
    """

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces

    def forward(self, x: Tensor) -> Tensor:
        return x.unflatten(1, (-1, self.pieces)).amax(2)
