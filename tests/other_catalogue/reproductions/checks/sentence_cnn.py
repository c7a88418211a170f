"""What the paper says of its network, measured."""

from __future__ import annotations

import torch
from reproductions.sentence_cnn import WINDOWS, WORD, build

from reproductions.checks.measuring import distance, normal, randomise


@torch.no_grad()
def max_over_time() -> dict[str, float]:
    """How far the features of a sentence are from the larger of those of its halves, with and without an overlap."""
    network = randomise(build())
    sentences = normal(64, WORD, 16)
    whole, first = network.features(sentences), network.features(sentences[:, :, :8])

    def off(begin: int) -> float:
        return distance(torch.maximum(first, network.features(sentences[:, :, begin:])), whole)

    return {"overlapping": off(8 - max(WINDOWS) + 1), "apart": off(8)}
