"""The Expressive Power of Neural Networks: A View from the Width (Lu, Pu, Wang, Hu, Wang, 2017).

That networks approximate every function was known where depth is bounded and width is not. This paper bounds the width
and leaves the depth free. ReLU networks of width n + 4, for n inputs, come as near as one likes, in L1, to any function
that has an integral (Theorem 1). Those of width n come no nearer to almost any than the constant 0 does (Theorem 2),
and on a cube those of width n - 1 stay away from all that vary in every direction (Theorem 3).

The proof of Theorem 1 is a program: the layers of a network are its steps, the units are its variables. Here it is
written down with all weights. Networks map (batch, n) to (batch, 1).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise, product

import torch
from torch import Tensor, nn

Function = Callable[[Tensor], Tensor]
"""From points, (batch, n), to one number for each."""
Corner = Sequence[float]
Cell = tuple[Corner, Corner]
"""A box, by its lower and its upper corner."""
Step = dict[int, tuple[dict[int, float], float]]
"""What a layer does: weights, by unit of the layer before, and bias of each unit that changes; others are copied."""


def relu_network(inputs: int, width: int, depth: int, *, dtype: torch.dtype | None = None) -> nn.Sequential:
    """So many layers (linear map and ReLU) of one width, and a linear read-out that is not counted."""
    layers: list[nn.Module] = []
    for before, after in pairwise([inputs] + [width] * depth):
        layers += [nn.Linear(before, after, dtype=dtype), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, 1, dtype=dtype))


# --- Width n + 4 is enough (Theorem 1) -------------------------------------------------------------------------------


def block(lower: Corner, upper: Corner, value: float, delta: float) -> Iterator[Step]:
    """The 4n + 1 layers that add ``value`` on a cell: all of it further than delta inside, nothing outside.

    For either end in each dimension, p measures how far a point is on the ramp at that end, or beyond, and t loses as
    much. The first n units carry the point; what the cells add up to is kept in two units, since a ReLU has no sign.
    """
    n = len(lower)
    p, t, positive, negative = range(n, n + 4)
    for j in range(n):
        yield {p: ({j: 1 / delta}, 1 - upper[j] / delta)}  # p = relu((x_j - upper_j + delta) / delta)
        yield {t: ({t: 1, p: -1}, 0)}  # t = relu(t - p)
        yield {p: ({j: -1 / delta}, 1 + lower[j] / delta)}  # p = relu((lower_j + delta - x_j) / delta)
        yield {t: ({t: 1, p: -1}, 0)}
    yield {
        positive: ({positive: 1, t: max(value, 0)}, 0),
        negative: ({negative: 1, t: max(-value, 0)}, 0),
        t: ({}, 1),  # for the next cell
    }


def indicator_network(
    cells: Sequence[Cell], values: Sequence[float], delta: float, *, dtype: torch.dtype | None = None
) -> nn.Sequential:
    """A ReLU network of width n + 4 and depth 1 + (4n + 1) * len(cells): the sum of all cells' blocks.

    Slopes of 1 / delta in thousands of layers want float64.

    Args:
        cells: boxes; wherever they lie, the network is 0 outside of them.
        values: what the network is inside each.
        delta: width of the ramps at the borders of a cell, in the units of the inputs.
        dtype: of the weights; torch's default if omitted.
    """
    n = len(cells[0][0])
    t, positive, negative = n + 1, n + 2, n + 3
    # Units are never negative, so points are carried relative to the least corner; one beyond it stays at it, outside.
    origin = [min(lower[j] for lower, _ in cells) for j in range(n)]
    steps: list[Step] = [{j: ({j: 1}, -origin[j]) for j in range(n)} | {t: ({}, 1)}]
    for cell, value in zip(cells, values, strict=True):
        lower, upper = ([corner[j] - origin[j] for j in range(n)] for corner in cell)
        steps += block(lower, upper, value, delta)
    network = relu_network(n, n + 4, len(steps), dtype=dtype)
    steps.append({0: ({positive: 1, negative: -1}, 0)})
    for layer, step in enumerate(steps):
        set_weights(network[2 * layer], step)  # ReLUs have the odd numbers
    return network


@torch.no_grad()
def set_weights(linear: nn.Linear, step: Step) -> None:
    """Let a layer do what a step says."""
    nn.init.eye_(linear.weight)
    nn.init.zeros_(linear.bias)
    for unit, (weights, bias) in step.items():
        linear.weight[unit] = 0
        for source, weight in weights.items():
            linear.weight[unit, source] = weight
        linear.bias[unit] = bias


def grid(inputs: int, per_side: int) -> list[Cell]:
    """The cube [-1, 1]^n, cut into equal cells."""
    side = 2 / per_side
    corners = product([-1 + side * i for i in range(per_side)], repeat=inputs)
    return [(corner, [x + side for x in corner]) for corner in corners]


def approximate(f: Function, inputs: int, per_side: int, *, ramp: float = 0.01) -> nn.Sequential:
    """Theorem 1 carried out on [-1, 1]^n, in float64: on each cell of a grid the value of f at its centre.

    The finer the grid and the narrower the ramps (a share of the cell's side), the nearer to f.
    """
    cells, side = grid(inputs, per_side), 2 / per_side
    centres = torch.tensor([lower for lower, _ in cells], dtype=torch.float64) + side / 2
    return indicator_network(cells, f(centres).flatten().tolist(), ramp * side, dtype=torch.float64)


def l1_distance(f: Function, g: Function, axis: Tensor, inputs: int = 1) -> float:
    """Integral of |f - g| over a cube: its mean over a grid of points, times the volume.

    Args:
        f: one function.
        g: the other.
        axis: coordinates of the grid in each dimension, from one end to the other.
        inputs: dimensions.
    """
    points = torch.cartesian_prod(*[axis] * inputs).reshape(-1, inputs)
    with torch.no_grad():
        difference = f(points).flatten() - g(points).flatten()
    return difference.abs().mean().item() * (axis[-1] - axis[0]).item() ** inputs


# --- Width n is not (Theorems 2 and 3) -------------------------------------------------------------------------------
# With one input, every layer of width 1 rises or falls with it, and so does the network, however deep.


def nearest_increasing(values: Sequence[float]) -> list[float]:
    """The series that never falls and whose summed absolute difference from ``values`` is least.

    The largest member of a heap is where the best series so far would end. A value below it pulls it down to itself.
    """
    heap: list[float] = []
    ends: list[float] = []
    for value in values:
        heapq.heappush(heap, -value)
        heapq.heapreplace(heap, -value)
        ends.append(-heap[0])
    for i in reversed(range(len(ends) - 1)):
        ends[i] = min(ends[i], ends[i + 1])
    return ends


def monotone_lower_bound(f: Function, points: int = 2001) -> float:
    """L1 distance on [-1, 1] of f from the nearest monotone function: what no network of width 1 can get below."""
    axis = torch.linspace(-1, 1, points, dtype=torch.float64)
    values = f(axis[:, None]).flatten()
    nearest = (sign * values.new_tensor(nearest_increasing((sign * values).tolist())) for sign in (1, -1))
    return min(l1_distance(f, lambda _, other=other: other, axis) for other in nearest)


VARIANTS = {"indicator-network": indicator_network}


def build(
    variant: str = "indicator-network",
    *,
    cells: Sequence[Cell] = (((0.0, 0.0), (0.5, 0.5)),),
    values: Sequence[float] = (1.0,),
    delta: float = 0.05,
) -> nn.Sequential:
    """Build the network of the proof for these cells; for a single square if none are given."""
    return VARIANTS[variant](cells, values, delta)
