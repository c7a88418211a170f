"""Convolutional Neural Networks for Sentence Classification (Kim, 2014).

A sentence is a row of word vectors. Maps of several window sizes slide over it, and of each map only the largest value
counts, wherever it stands: a sentence of any length becomes as many numbers as there are maps.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reproductions.dropout import Dropout

WORD = 300  # numbers of a word vector; Section 3.2
WINDOWS = (3, 4, 5)  # words; Section 3.1
MAPS = 100  # of each window


class SentenceCNN(nn.Module):
    """Shapes: (batch, 300, words) to (batch, classes)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.windows = nn.ModuleList(nn.Conv1d(WORD, MAPS, words) for words in WINDOWS)
        self.dropout = Dropout(0.5)
        self.classifier = nn.Linear(MAPS * len(WINDOWS), classes)

    def features(self, sentences: Tensor) -> Tensor:
        """Shapes: (batch, 300, words) to (batch, maps)."""
        return torch.cat([window(sentences).relu().amax(dim=2) for window in self.windows], dim=1)

    def forward(self, sentences: Tensor) -> Tensor:
        return self.classifier(self.dropout(self.features(sentences)))


VARIANTS = {"sentence-cnn": SentenceCNN}


def build(variant: str = "sentence-cnn", *, classes: int = 2) -> SentenceCNN:
    """Build a variant, with weights as they start before training."""
    return VARIANTS[variant](classes)
