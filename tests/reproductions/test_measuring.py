"""What the checks of many papers measure with is right itself."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from reproductions.checks.measuring import (
    conv_then_norm,
    count_macs,
    count_parameters,
    count_weights,
    distance,
    normal,
    normalised,
    randomise,
    relative_distance,
)


def test_a_distance_is_the_largest_and_infinite_between_shapes() -> None:
    a = torch.tensor([1.0, 2.0, 5.0], requires_grad=True)
    assert distance(a, torch.tensor([1.5, 2.0, 2.0])) == 3.0
    assert distance(a, torch.tensor(1.0)) == math.inf
    assert distance(a[None], a) == math.inf
    assert relative_distance(torch.tensor([1.5, 2.0, 2.0]), a) == pytest.approx(0.6)
    assert math.isnan(distance(a, torch.tensor([1.0, math.nan, 5.0])))


def test_random_numbers_repeat_with_their_seed() -> None:
    assert torch.equal(normal(2, 3), normal(2, 3, seed=0))
    assert distance(normal(2, 3, seed=1), normal(2, 3)) > 0
    assert normal(1).dtype == torch.float64


def test_everything_of_a_module_is_drawn() -> None:
    torch.manual_seed(0)
    module = randomise(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)), std=0.1)
    assert not module.training
    drawn = [*module.parameters(), module[1].running_mean, module[1].running_var]
    assert all(value.dtype == torch.float64 and len(value.unique()) == value.numel() for value in drawn)
    assert module[1].running_var.min() >= 0.5
    assert module[0].weight.detach().std() == pytest.approx(0.1, rel=0.3)


def test_counts() -> None:
    layers = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, stride=2), nn.BatchNorm2d(4))
    assert count_parameters(layers) == 3 * 4 * 9 + 4 + 8
    assert count_parameters(layers[0], layers[1]) == count_parameters(layers)
    assert count_weights(layers) == 3 * 4 * 9
    assert count_macs(layers.to("meta"), (3, 8, 6)) == 3 * 4 * 9 * 4 * 3


@pytest.mark.parametrize(("stride", "dilation", "groups"), [(1, 1, 1), (2, 1, 2), (1, 3, 1)])
def test_a_layer_written_out_is_that_layer(stride: int, dilation: int, groups: int) -> None:
    torch.manual_seed(0)
    convolution = nn.Conv2d(4, 6, 3, stride, dilation, dilation, groups, bias=False)
    layers = randomise(nn.Sequential(convolution, nn.BatchNorm2d(6)))
    x = normal(2, 4, 9, 9)
    assert distance(conv_then_norm(x, layers, stride, dilation, groups), layers(x)) < 1e-12
    layers[1].eps = 0.1
    assert distance(conv_then_norm(x, layers, stride, dilation, groups), layers(x)) > 1e-3
    assert distance(normalised(convolution(x), layers[1]), layers(x)) > 1e-3
