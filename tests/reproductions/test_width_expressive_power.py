"""The errors that people make with the construction of Theorem 1, each made on purpose: a claim must turn red."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from reproductions import build, variants
from reproductions.width_expressive_power import indicator_network, monotone_lower_bound, relu_network
from tests.reproductions.broken import red_claims

# An error, what is changed into what, and one claim that must notice.
# fmt: off
ERRORS = {
    # The program
    "points not shifted": ("min(lower[j] for lower, _ in cells)", "0.0", "sum-of-blocks"),
    "thresholds not shifted": ("corner[j] - origin[j]", "corner[j]", "sum-of-blocks"),
    "ramp beyond the cell": ("1 - upper[j] / delta", "-upper[j] / delta", "trapezoid"),
    "ramp before the cell": ("1 + lower[j] / delta", "lower[j] / delta", "trapezoid"),
    "lower end falls": ("{j: -1 / delta}", "{j: 1 / delta}", "trapezoid"),
    "ramp twice as steep": ("{j: 1 / delta}", "{j: 2 / delta}", "sum-of-blocks"),
    "one ramp counted twice": ("0)}  # t = relu(t - p)", "0)}\n        yield {t: ({t: 1, p: -1}, 0)}", "layers"),
    "one ramp left out": ("        yield {t: ({t: 1, p: -1}, 0)}  # t = relu(t - p)\n", "", "trapezoid"),
    "only the first dimension": ("for j in range(n):\n        yield", "for j in range(1):\n        yield", "layers"),
    "t not set again": ("        t: ({}, 1),  # for the next cell\n", "", "sum-of-blocks"),
    "t not set at first": (" | {t: ({}, 1)}]", "]", "trapezoid"),
    "negative values lost": ("        negative: ({negative: 1, t: max(-value, 0)}, 0),\n", "", "sum-of-blocks"),
    "one unit for both signs": ("t: max(value, 0)", "t: value", "sum-of-blocks"),
    "cells overwrite one another": ("positive: ({positive: 1, t:", "positive: ({t:", "sum-of-blocks"),
    "signs added": ("{positive: 1, negative: -1}", "{positive: 1, negative: 1}", "sum-of-blocks"),
    "others not copied": ("nn.init.eye_(linear.weight)", "nn.init.zeros_(linear.weight)", "trapezoid"),
    "others drift": ("nn.init.zeros_(linear.bias)", "nn.init.ones_(linear.bias)", "trapezoid"),
    # The network
    "width n + 5": ("relu_network(n, n + 4,", "relu_network(n, n + 5,", "width"),
    "no ReLU": ("nn.Linear(before, after, dtype=dtype), nn.ReLU()]", "nn.Linear(before, after, dtype=dtype)]", "width"),
    "leaky ReLU": ("nn.ReLU()", "nn.LeakyReLU(0.1)", "sum-of-blocks"),
    "ReLU on the read-out": (
        "nn.Linear(width, 1, dtype=dtype))", "nn.Linear(width, 1, dtype=dtype), nn.ReLU())", "sum-of-blocks"),
    "one layer more": ("[width] * depth", "[width] * (depth + 1)", "layers"),
    # The grid
    "ramps that do not narrow": ("ramp * side", "ramp", "refinement-on-a-line"),
    "values at the corners": (" + side / 2", "", "refinement-on-a-line"),
    "half of the cube": (
        "side = 2 / per_side\n    corners", "side = 1 / per_side\n    corners", "refinement-on-a-line"),
    "cells that overlap": ("[x + side for x in corner]", "[x + 2 * side for x in corner]", "refinement-on-a-line"),
    "float32": ("ramp * side, dtype=torch.float64", "ramp * side", "refinement-on-a-line"),
    # Distances and bounds
    "a mean for an integral": (" * (axis[-1] - axis[0]).item() ** inputs", "", "distances"),
    "the length for the volume": (".item() ** inputs", ".item()", "distances"),
    "signed differences": ("difference.abs().mean()", "difference.mean().abs()", "distances"),
    "squared differences": ("difference.abs().mean()", "difference.square().mean()", "distances"),
    "rising functions only": ("for sign in (1, -1)", "for sign in (1, 1)", "bound-on-the-tent"),
    "follows every value": ("heapq.heapreplace(heap, -value)", "heapq.heappop(heap)", "nearest-increasing-series"),
    "falls where the values fall": ("min(ends[i], ends[i + 1])", "ends[i]", "nearest-increasing-series"),
    "largest value so far": ("        heapq.heapreplace(heap, -value)\n", "", "nearest-increasing-series"),
}
# fmt: on


@pytest.mark.parametrize(("old", "new", "claim"), ERRORS.values(), ids=ERRORS)
def test_an_error_turns_a_claim_red(old: str, new: str, claim: str) -> None:
    assert red_claims("width_expressive_power", old, new, claims=[claim]) == {claim}


def test_the_variant_takes_any_cells() -> None:
    cells = [((-1.0,), (0.0,)), ((0.5,), (1.0,))]
    network = build("width-expressive-power", "indicator-network", cells=cells, values=[2.0, -3.0], delta=0.1)
    assert torch.allclose(network(torch.tensor([[-0.5], [0.25], [0.75]])), torch.tensor([[2.0], [0.0], [-3.0]]))


@pytest.mark.parametrize("variant", variants("width-expressive-power"))
def test_every_variant_can_be_built_without_memory(variant: str) -> None:
    with torch.device("meta"):
        assert build("width-expressive-power", variant)(torch.empty(7, 2)).shape == (7, 1)


def test_cells_may_be_tensors() -> None:
    cells = torch.tensor([[[0.0, 0.0], [0.5, 0.5]], [[-0.5, 0.0], [0.0, 0.5]]])
    network = indicator_network(cells, torch.tensor([1.0, -2.0]), 0.05)
    assert network(torch.tensor([[0.25, 0.25], [-0.25, 0.25]])).flatten().tolist() == pytest.approx([1, -2], abs=1e-5)


def test_a_value_for_each_cell() -> None:
    with pytest.raises(ValueError, match="zip"):
        indicator_network([((0.0,), (1.0,)), ((1.0,), (2.0,))], [1.0], 0.1)


def test_the_weights_can_be_trained() -> None:
    network = indicator_network([((0.0,), (1.0,))], [1.0], 0.1)
    network(torch.tensor([[0.5], [0.05]])).sum().backward()
    assert all(isinstance(parameter, nn.Parameter) and parameter.grad is not None for parameter in network.parameters())


def test_a_network_of_width_1_stays_above_the_bound() -> None:
    torch.manual_seed(0)
    x = torch.linspace(-1, 1, 2001, dtype=torch.float64)[:, None]
    network = relu_network(1, 1, 2, dtype=torch.float64).requires_grad_(False)
    distance = 2 * (network(x) - (3 * x).sin()).abs().mean().item()
    assert 0 < monotone_lower_bound(lambda points: (3 * points).sin()) <= distance
