"""Backpropagation Applied to Handwritten Zip Code Recognition (LeCun, Boser, Denker, Henderson and others, 1989).

Only the part that later networks take from it: how the weights start.
"""

from __future__ import annotations

from torch import Tensor, nn


def uniform_by_fan_in_(fan_in: int, *parameters: Tensor) -> None:
    """Draw the weights of units with ``fan_in`` inputs, biases included, uniformly from ±2.4 / ``fan_in``.

    The inputs of a unit are taken to be much alike, so that its weighted sum grows with their number and not with the
    root of it; it then starts where the squashing function is neither flat nor quite linear.
    """
    for parameter in parameters:
        nn.init.uniform_(parameter, -2.4 / fan_in, 2.4 / fan_in)
