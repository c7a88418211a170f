"""Measurements of networks of bounded width."""

from __future__ import annotations

from itertools import combinations_with_replacement, pairwise

import torch
from torch import Tensor, nn

from reproductions import build
from reproductions.width_expressive_power import (
    Cell,
    Function,
    approximate,
    grid,
    indicator_network,
    l1_distance,
    monotone_lower_bound,
    nearest_increasing,
    relu_network,
)

Named = dict[str, float | int | list[float] | list[int]]


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _random(*size: int, seed: int) -> Tensor:
    return torch.randn(*size, dtype=torch.float64, generator=_generator(seed))


def _random_network(inputs: int, width: int, depth: int, seed: int) -> nn.Sequential:
    """A network whose weights and biases are all drawn from the standard normal distribution."""
    network, generator = relu_network(inputs, width, depth, dtype=torch.float64).requires_grad_(False), _generator(seed)
    for parameter in network.parameters():
        parameter.normal_(generator=generator)
    return network


def _zero(points: Tensor) -> Tensor:
    return torch.zeros(len(points), dtype=points.dtype)


def _one(points: Tensor) -> Tensor:
    return torch.ones(len(points), dtype=points.dtype)


def _tent(points: Tensor) -> Tensor:
    return 1 - points.abs()


# --- Structure -------------------------------------------------------------------------------------------------------


def _linears(network: nn.Sequential) -> list[nn.Linear]:
    """The linear maps that a ReLU follows; the read-out is none of them."""
    return [layer for layer, after in pairwise(network) if isinstance(layer, nn.Linear) and isinstance(after, nn.ReLU)]


def _grid_network(inputs: int, per_side: int) -> nn.Sequential:
    cells = grid(inputs, per_side)
    return indicator_network(cells, [1.0] * len(cells), 0.01)


def layers() -> Named:
    """Layers of networks for grids of cells, with the input layer."""
    sizes = {"n1_8": (1, 8), "n2_4x4": (2, 4), "n2_8x8": (2, 8), "n2_16x16": (2, 16), "n3_2x2x2": (3, 2)}
    return {name: len(_linears(_grid_network(*size))) for name, size in sizes.items()}


def widths() -> Named:
    """All widths that occur in networks with one, two and three inputs, and what they consist of besides ReLUs."""
    networks = {inputs: _grid_network(inputs, 2) for inputs in (1, 2, 3)}
    measured: Named = {
        f"n{inputs}": sorted({linear.out_features for linear in _linears(network)})
        for inputs, network in networks.items()
    }
    return measured | {
        "read_out": sum(layer.out_features for network in networks.values() for layer in [network[-1]]),
        "other_layers": sum(
            not isinstance(layer, nn.Linear | nn.ReLU) for network in networks.values() for layer in network
        ),
    }


# --- Theorem 1 -------------------------------------------------------------------------------------------------------


def trapezoid() -> Named:
    """The network of one cell, [0, 0.5]^2 with ramps of 0.05, in float32, at the kinds of places that there are."""
    network = build("width-expressive-power").requires_grad_(False)

    def at(*points: tuple[float, float]) -> list[float]:
        return network(torch.tensor(points)).flatten().tolist()

    return {
        "centre": at((0.25, 0.25)),
        "inside": at((0.06, 0.25), (0.44, 0.25), (0.25, 0.06), (0.25, 0.44), (0.06, 0.44)),
        "half_way_up_one_ramp": at((0.025, 0.25), (0.475, 0.25), (0.25, 0.025), (0.25, 0.475)),
        "half_way_up_two_ramps": at((0.025, 0.025), (0.475, 0.025), (0.025, 0.475), (0.475, 0.475)),
        "three_quarters_up_two_ramps": at((0.0375, 0.0375), (0.4625, 0.4625)),
        "boundary": at((0, 0.25), (0.5, 0.25), (0.25, 0), (0.25, 0.5), (0, 0), (0.5, 0.5)),
        "outside": at((-0.1, 0.25), (0.6, 0.25), (0.25, -0.1), (0.25, 0.6), (1.9, 1.9), (-1.9, -1.9), (1.9, 0.25)),
    }


def _random_cells(inputs: int, number: int, seed: int) -> tuple[list[Cell], list[float]]:
    lower = _random(number, inputs, seed=seed)
    upper = lower + 0.5 + torch.rand(number, inputs, dtype=torch.float64, generator=_generator(seed))
    return list(zip(lower.tolist(), upper.tolist(), strict=True)), _random(number, seed=seed + 1).tolist()


def sum_of_blocks() -> Named:
    """Networks of random cells, some of which overlap, against the sum of all values times max(0, 1 - all ramps).

    ``least_ramp`` is what comes out if the ramps at a corner are not added but the highest counts.
    """
    delta, measured = 0.2, {}
    for inputs in (1, 2, 3):
        cells, values = _random_cells(inputs, 7, seed=inputs)
        network = indicator_network(cells, values, delta, dtype=torch.float64).requires_grad_(False)
        x = 1.5 * _random(2000, inputs, seed=0)
        total, highest = torch.zeros(2, len(x), dtype=torch.float64)
        for (lower, upper), value in zip(cells, values, strict=True):
            at_lower = (torch.tensor(lower, dtype=torch.float64) + delta - x).clamp(min=0) / delta
            at_upper = (x - torch.tensor(upper, dtype=torch.float64) + delta).clamp(min=0) / delta
            ramps = torch.cat([at_lower, at_upper], 1)
            total += value * (1 - ramps.sum(1)).clamp(min=0)
            highest += value * (1 - ramps.amax(1)).clamp(min=0)
        measured[f"n{inputs}"] = (network(x).flatten() - total).abs().max().item()
        measured[f"n{inputs}_highest_ramp"] = (network(x).flatten() - highest).abs().max().item()
    return measured


def _waves(x: Tensor) -> Tensor:
    return (3 * x[:, 0]).sin() * (2 * x[:, 1]).cos()


def nothing_outside() -> Named:
    """The largest value of a network for the whole of [-1, 1]^2 outside of it, up to 1.9 away; error at the centres."""
    network = approximate(_waves, 2, 5)
    angles = torch.linspace(0, 2 * torch.pi, 721, dtype=torch.float64)[:, None]
    square = torch.cat([angles.cos(), angles.sin()], 1)
    square = square / square.abs().amax(1, keepdim=True)  # on the boundary
    centres = torch.cartesian_prod(*[torch.arange(-2, 3).double() / 2.5] * 2)
    with torch.no_grad():
        return {
            "outside": [network(square * radius).abs().max().item() for radius in (1.003, 1.1, 1.9)],
            "at_centres": (network(centres).flatten() - _waves(centres)).abs().max().item(),
        }


def _relative_error(f: Function, inputs: int, per_side: int, axis: Tensor) -> float:
    network = approximate(f, inputs, per_side)
    return l1_distance(network, f, axis, inputs) / l1_distance(_zero, f, axis, inputs)


def refinement() -> Named:
    """Relative L1 error of networks for sin(3x) cos(2y) on finer and finer grids.

    The points are shifted off the borders of the cells, where every block is 0.
    """
    axis = torch.linspace(-1, 1, 101, dtype=torch.float64) + 0.003
    errors = {per_side: _relative_error(_waves, 2, per_side, axis) for per_side in (4, 8, 16)}
    return {f"cells_{side}x{side}": error for side, error in errors.items()} | {"errors": list(errors.values())}


def refinement_on_a_line() -> Named:
    """The same for sin(3x), and how much of the error is left at each refinement."""
    axis = torch.linspace(-1, 1, 2001, dtype=torch.float64) + 0.0003
    errors = {side: _relative_error(lambda x: (3 * x).sin(), 1, side, axis) for side in (8, 16, 32, 64)}
    left = [after / before for before, after in pairwise(errors.values())]
    return {f"cells_{side}": error for side, error in errors.items()} | {"left": left}


def narrower_ramps() -> Named:
    """What remains of the error on a line when the ramps narrow as the grid gets finer."""
    axis = torch.linspace(-1, 1, 2001, dtype=torch.float64) + 0.0003
    errors = []
    for per_side in (8, 32, 128):
        network = approximate(lambda x: (3 * x).sin(), 1, per_side, ramp=0.08 / per_side)
        errors.append(l1_distance(network, lambda x: (3 * x).sin(), axis))
    return {"left": [after / before for before, after in pairwise(errors)]}


def distances() -> Named:
    """Integrals that are known: of 1 over a line and a square of side 2 and of side 1, of the tent, and of |x y|."""
    axis = torch.linspace(-1, 1, 2001, dtype=torch.float64)
    coarse = torch.linspace(-1, 1, 201, dtype=torch.float64)
    return {
        "line": l1_distance(_one, _zero, axis),
        "square": l1_distance(_zero, _one, coarse, 2),
        "small_square": l1_distance(_zero, _one, coarse / 2, 2),
        "tent": l1_distance(_tent, _zero, axis),
        "product": l1_distance(lambda points: points.prod(1), _zero, coarse, 2),
    }


# --- Theorems 2 and 3 ------------------------------------------------------------------------------------------------


def does_not_vanish_far_away() -> Named:
    """Largest value of a network of width n at a great distance, over the largest within the unit ball; least of 200.

    Each network has its read-out's bias set so that it is 0 far away in one direction; constant ones do not count.
    ``n1_wide`` and ``n2_wide`` are the networks of Theorem 1, of width n + 4.
    """

    def share(network: nn.Sequential, inputs: int) -> float | None:
        angles = torch.linspace(0, 2 * torch.pi, 3601, dtype=torch.float64)[:-1, None]
        sphere = torch.tensor([[-1.0], [1.0]]).double() if inputs == 1 else torch.cat([angles.cos(), angles.sin()], 1)
        ball = sphere[:, None] * torch.linspace(0, 1, 21, dtype=torch.float64)[:, None]
        with torch.no_grad():
            far, near = network(100 * sphere), network(ball)
            far, near = far - far[0], near - far[0]
        largest = near.abs().max().item()
        return far.abs().max().item() / largest if largest > 1e-9 else None

    measured: Named = {}
    for inputs in (1, 2):
        shares = [share(_random_network(inputs, inputs, 1 + seed % 6, seed), inputs) for seed in range(200)]
        counted = [value for value in shares if value is not None]
        measured[f"n{inputs}"] = min(counted)
        measured[f"n{inputs}_not_constant"] = len(counted)
        cells = [([-0.5] * inputs, [0.5] * inputs)]
        wide = share(indicator_network(cells, [1.0], 0.1, dtype=torch.float64), inputs)
        assert wide is not None
        measured[f"n{inputs}_wide"] = wide
    return measured


def monotone() -> Named:
    """How many of 200 random networks with one input both rise and fall (by more than 1e-6) on [-1, 1]."""
    x = torch.linspace(-1, 1, 401, dtype=torch.float64)[:, None]

    def both(width: int) -> int:
        changes = [_random_network(1, width, 1 + seed % 6, seed)(x).diff(dim=0) for seed in range(200)]
        return sum(change.min().item() < -1e-6 and change.max().item() > 1e-6 for change in changes)

    return {"width_1": both(1), "width_2": both(2)}


def _trained(width: int, depth: int) -> list[float]:
    """Twice the mean absolute error that networks from seeds 0 to 4 reach on the tent; all five are trained at once."""
    networks = []
    for seed in range(5):
        torch.manual_seed(seed)
        networks.append(relu_network(1, width, depth))
    alike = zip(*(network.parameters() for network in networks), strict=True)  # a weight, its bias, the next weight …
    parameters = [torch.stack(same).detach().requires_grad_() for same in alike]
    optimiser = torch.optim.Adam(parameters, lr=0.01, fused=True)
    x = torch.linspace(-1, 1, 401)[:, None]
    for _ in range(1500):
        y = x.expand(5, -1, -1)
        for weight, bias in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
            y = torch.baddbmm(bias[:, None], y, weight.mT).relu()
        y = torch.baddbmm(parameters[-1][:, None], y, parameters[-2].mT)
        errors = (y - _tent(x)).abs().mean((1, 2))
        optimiser.zero_grad()
        errors.sum().backward()
        optimiser.step()
    return (2 * errors).tolist()


def trained_on_the_tent() -> Named:
    """Distances from the tent that training reaches with width 1, on the training points, and the best with width 5.

    ``…_above_bound`` is how much of the distance is left above that of the nearest monotone function on these points.
    """
    bound = monotone_lower_bound(_tent, points=401)
    measured: Named = {}
    for depth in (1, 3):
        narrow = _trained(1, depth)
        measured[f"width_1_depth_{depth}"] = narrow
        measured[f"width_1_depth_{depth}_above_bound"] = min(narrow) - bound
        measured[f"width_5_depth_{depth}"] = min(_trained(5, depth))
    return measured


def bound_on_the_tent() -> Named:
    """Distances from the nearest monotone function, of the tent and of others.

    The nearest to the tent follows it up to a height c and stays there, at a distance of (1 - c)^2 + c^2 / 2. Of the
    four points -1, -1/3, 1/3 and 1, where the tent is 0, 2/3, 2/3 and 0, it misses one by 2/3: a distance of 1/3 too.
    """
    c = torch.linspace(0, 1, 10_001, dtype=torch.float64)
    by_height = (1 - c).square() + c.square() / 2
    axis = torch.linspace(-1, 1, 2001, dtype=torch.float64)
    return {
        "tent": monotone_lower_bound(_tent),
        "tent_at_four_points": monotone_lower_bound(_tent, points=4),
        "stays_at": max(nearest_increasing(_tent(axis).tolist())),
        "by_height": by_height.min().item(),
        "best_height": c[by_height.argmin()].item(),
        "valley": monotone_lower_bound(torch.abs),
        "falling": monotone_lower_bound(lambda x: -x.pow(3)),
        "rising": monotone_lower_bound(torch.sin),
    }


def nearest_increasing_series() -> Named:
    """Excess of the distance of the series found over the least of all series that never fall, and where it falls."""
    excess, falls = [], 0
    for seed in range(20):
        values = torch.randint(0, 6, (7,), generator=_generator(seed)).double()
        found = torch.tensor(nearest_increasing(values.tolist()))
        every = torch.tensor(list(combinations_with_replacement(range(6), 7)))  # the best takes values of the series
        excess.append(((found - values).abs().sum() - (every - values).abs().sum(1).min()).item())
        falls += int((found.diff() < 0).sum())
    return {"excess": [min(excess), max(excess)], "falls": falls}


def constant_direction() -> Named:
    """How much 100 random networks change along a direction that the first layer does not see, and other networks."""

    def change(inputs: int, width: int) -> float:
        changes = []
        for seed in range(100):
            network = _random_network(inputs, width, 1 + seed % 6, seed)
            direction = torch.linalg.svd(network[0].weight).Vh[-1]
            x, t = _random(20, inputs, seed=seed), _random(20, 1, seed=seed + 100)
            changes.append((network(x + t * direction) - network(x)).abs().max().item())
        return max(changes)

    return {
        "n2_width_1": change(2, 1),
        "n3_width_2": change(3, 2),
        "n2_width_2": change(2, 2),
        "n3_width_3": change(3, 3),
    }
