"""GoogLeNet: Going Deeper with Convolutions (Szegedy et al., 2014)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Concatenation(nn.Module):
    """Parallel branches that read the same input; their outputs are stacked along the channels, in this order."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], dim=1)
