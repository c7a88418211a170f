"""A small training that several papers share: handwritten digits of 8x8 pixels, gradient descent with momentum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from catalog.verify.training import accuracy, cosine

if TYPE_CHECKING:
    from torch import nn

    from catalog.verify.training import Run, Schedule

__all__ = ["train_on_digits"]


def train_on_digits(
    run: Run,
    arm: str,
    network: nn.Module,
    *,
    epochs: int,
    weight_decay: float = 0.0,
    schedule: Schedule = cosine,
    divide: bool = False,
) -> tuple[float, float]:
    """Train at a rate of 0.1, momentum 0.9 and batches of 64 images, normalised by one mean and deviation.

    Args:
        run: of the experiment.
        arm: what the network is called in it.
        network: (batch, 1, 8, 8) to (batch, 10); as it is drawn for the seed.
        epochs: how long.
        weight_decay: of the optimiser.
        schedule: of the rate.
        divide: whether the seed also decides which images are those of the test.

    Returns:
        The test accuracy, and the mean loss of the last epoch in training mode: moving averages lag behind.
    """
    digits = run.data("digits")
    if divide:
        digits = digits.divide(run.seed)
    pixels = digits.train.images.float()
    mean, deviation = pixels.mean(), pixels.std()
    history = run.train(
        arm,
        network,
        torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=weight_decay),
        (pixels - mean) / deviation,
        digits.train.labels,
        batch=64,
        epochs=epochs,
        schedule=schedule,
    )
    images = (digits.test.images.float() - mean) / deviation
    return accuracy(network, images, digits.test.labels), history.last_epoch
