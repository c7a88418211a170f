"""Measurements of recurrent networks of higher order that no count on a single network gives."""

from __future__ import annotations

from math import ceil, log
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reproductions.checks.measuring import distance
from reproductions.hornn import HORNN, FOFEPooling, GatedPooling, MaxPooling, build

if TYPE_CHECKING:
    from catalog.verify.training import Run


def order_one() -> dict[str, float]:
    """Differences from torch's recurrent network with the same weights, of order 1 and of 3 with W_2 = W_3 = 0.

    ``order_3`` is the difference with these weights left as they are.
    """
    torch.manual_seed(0)
    x = torch.randn(4, 30, 5, dtype=torch.float64)
    rnn = nn.RNN(5, 6, batch_first=True).double()
    cell, silent = build("rnn", inputs=5, hidden=6).double(), build("hornn3", inputs=5, hidden=6).double()
    with torch.no_grad():
        for network in (cell, silent):
            network.input.weight.copy_(rnn.weight_ih_l0)
            network.input.bias.copy_(rnn.bias_ih_l0 + rnn.bias_hh_l0)
            network.feedback[0].weight.copy_(rnn.weight_hh_l0)
        wanted = rnn(x)[0]
        differences = {"order_1": distance(cell(x), wanted), "order_3": distance(silent(x), wanted)}
        for weight in silent.feedback[1:]:
            nn.init.zeros_(weight.weight)
        return differences | {"silent_order_3": distance(silent(x), wanted)}


def definition() -> dict[str, float]:
    """Differences from the equations written out step by step, for every kind of pooling, with tanh and with ReLU."""
    torch.manual_seed(0)
    x = torch.randn(3, 12, 4, dtype=torch.float64)
    differences = {}
    for variant in ("hornn2", "hornn4", "hornn3-max", "hornn3-fofe", "hornn3-gated"):
        for f in (torch.tanh, torch.relu):
            cell = build(variant, inputs=4, hidden=5, activation=f).double()
            with torch.no_grad():
                differences[f"{variant}_{f.__name__}"] = distance(cell(x), _written_out(cell, x, f))
    classifier = build("hornn3", inputs=4, hidden=5, classes=7).double()
    cell, readout = classifier
    with torch.no_grad():
        differences["readout"] = distance(classifier(x), cell(x) @ readout.weight.T + readout.bias)
    return differences


def recursive_filter() -> dict[str, float]:
    """Differences of a linear cell with one unit from SciPy's recursive filter, for white noise and for an impulse."""
    from scipy.signal import lfilter

    coefficients = [0.5, -0.3, 0.2]
    cell = _linear(1, 3)
    with torch.no_grad():
        for weight, coefficient in zip(cell.feedback, coefficients, strict=True):
            weight.weight.fill_(coefficient)
    noise = torch.randn(200, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    impulse = torch.zeros(50, dtype=torch.float64)
    impulse[0] = 1
    differences = {}
    for name, x in (("noise", noise), ("impulse", impulse)):
        wanted = lfilter([1], [1, *(-coefficient for coefficient in coefficients)], x.numpy())
        with torch.no_grad():
            differences[name] = distance(cell(x[None, :, None])[0, :, 0], torch.as_tensor(wanted))
    return differences


def shortest_path() -> dict[str, float | list[int]]:
    """Gradients of the state at step 20 for the input at step 0, in linear cells with a feedback of 0.5.

    ``links`` are those of the shortest path over 1 to 20 steps with order 5: feedback of 1e-6 through every W_n gives a
    gradient that is the power with so many links, times the number of such paths.
    """
    short, long = _linear(3, 5), _linear(3, 1)
    nn.init.zeros_(short.feedback[4].weight)
    with torch.no_grad():
        short.feedback[4].weight.copy_(0.5 * torch.eye(3))
        long.feedback[0].weight.copy_(0.5 * torch.eye(3))
    every = _linear(1, 5)
    for weight in every.feedback:
        nn.init.constant_(weight.weight, 1e-6)
    return {
        "order_5": _gradient(short, 20),
        "order_1": _gradient(long, 20),
        "links": [ceil(log(_gradient(every, steps)) / log(1e-6)) for steps in range(1, 21)],
    }


def decay() -> dict[str, list[float]]:
    """Norm of the last state's gradient for the first of 32 inputs over that for the last, for five draws."""
    ratios: dict[str, list[float]] = {}
    for order in (1, 2, 4, 8):
        for seed in range(5):
            torch.manual_seed(seed)
            cell = HORNN(32, 32, order)
            x = torch.randn(8, 32, 32, requires_grad=True)
            (gradient,) = torch.autograd.grad(cell(x)[:, -1].sum(), x)
            ratios.setdefault(f"order_{order}", []).append(float(gradient[:, 0].norm() / gradient[:, -1].norm()))
    return ratios


def pooling() -> dict[str, float]:
    """Differences between kinds of pooling where they come to the same; and where they do not.

    ``largest_vector`` is how far the elementwise maximum is from the term with the larger norm.
    """
    torch.manual_seed(0)
    x = torch.randn(4, 10, 5, dtype=torch.float64)
    with torch.no_grad():
        one = HORNN(5, 6, 1).double()
        largest = MaxPooling(5, 6, 1).double()
        largest.load_state_dict(one.state_dict())
        plain = HORNN(5, 6, 3).double()
        fofe, gated = FOFEPooling(5, 6, 3).double(), GatedPooling(5, 6, 3).double()
        fofe.load_state_dict(plain.state_dict())
        gated.load_state_dict(plain.state_dict(), strict=False)
        for weight in (*gated.from_input, *gated.from_state):
            nn.init.zeros_(weight.weight)
        differences = {"max_of_one": distance(largest(x), one(x))}
        unfolded = plain(x)
        differences["fofe_unfolded"] = distance(fofe(x), unfolded)
        for n, weight in enumerate(plain.feedback, start=1):
            weight.weight *= 0.5**n
        differences["fofe_folded"] = distance(fofe(x), plain(x))
        plain.load_state_dict(fofe.state_dict())
        for weight in plain.feedback:
            weight.weight *= 0.5
        differences["open_by_half"] = distance(gated(x), plain(x))

        terms = torch.tensor([[[3.0, -4.0]], [[1.0, 2.0]]])
        pooled = MaxPooling(1, 2, 2).pool(terms, x, [])
        differences["elementwise"] = distance(pooled, torch.tensor([[3.0, 2.0]]))
        differences["largest_vector"] = distance(pooled, terms[0])
    return differences


def initialisation() -> dict[str, float]:
    """Largest weight and bias of a fresh cell with 25 units, and their standard deviation, over 1 / sqrt(25)."""
    torch.manual_seed(0)
    values = torch.cat([parameter.detach().flatten() for parameter in build("hornn4", hidden=25).parameters()]) * 5
    return {"largest": float(values.abs().max()), "deviation": float(values.std())}


def _written_out(cell: HORNN, x: Tensor, f: object) -> Tensor:
    """The states, each from all earlier ones by functions alone."""
    order, hidden = len(cell.feedback), cell.input.out_features
    states = [torch.zeros(len(x), hidden, dtype=x.dtype)] * order
    for t in range(x.shape[1]):
        terms = []
        for n in range(1, order + 1):
            term = states[-n] @ cell.feedback[n - 1].weight.T
            if isinstance(cell, FOFEPooling):
                term = 0.5**n * term
            if isinstance(cell, GatedPooling):
                u, v = cell.from_input[n - 1].weight, cell.from_state[n - 1].weight
                term = term / (1 + (-x[:, t] @ u.T - states[-n] @ v.T).exp())
            terms.append(term)
        pooled = torch.stack(terms).max(0).values if isinstance(cell, MaxPooling) else sum(terms)
        state = x[:, t] @ cell.input.weight.T + cell.input.bias + pooled
        states.append(state.tanh() if f is torch.tanh else state.clamp(min=0))
    return torch.stack(states[order:], 1)


def _linear(hidden: int, order: int) -> HORNN:
    """A cell without activation and bias whose input goes in as it is, and whose feedback is zero."""
    cell = HORNN(hidden, hidden, order, lambda x: x).double()
    for parameter in cell.parameters():
        nn.init.zeros_(parameter)
    nn.init.eye_(cell.input.weight)
    return cell


def _gradient(cell: HORNN, steps: int) -> float:
    """Of a component of the state after so many steps, for the same component of the first input."""
    x = torch.zeros(1, steps + 1, cell.input.in_features, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(cell(x)[0, -1, 0], x)
    return float(gradient[0, 0, 0])


# --- Training --------------------------------------------------------------------------------------------------------


def recall(run: Run) -> dict[str, float]:
    """Mean loss of the last 50 of 250 steps when the first of 20 symbols is asked for at the end."""
    generator = torch.Generator().manual_seed(run.seed)
    labels = torch.randint(4, (16_000,), generator=generator)
    sequences = torch.zeros(16_000, 20, 5)
    sequences[:, 0] = F.one_hot(labels, 5).float()
    sequences[:, 1:, 4] = 1
    sequences[:, 1:] += 0.3 * torch.randn(16_000, 19, 5, generator=generator)

    def last(scores: Tensor, wanted: Tensor) -> Tensor:
        return F.cross_entropy(scores[:, -1], wanted)

    losses = {}
    for order, variant in ((1, "rnn"), (4, "hornn4")):
        torch.manual_seed(run.seed)
        network = build(variant, inputs=5, hidden=16, classes=4)
        optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)

        def clip(*_: object, network: nn.Module = network) -> None:
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)

        optimiser.register_step_pre_hook(clip)
        history = run.train(variant, network, optimiser, sequences, labels, batch=64, steps=250, loss=last)
        losses[f"order_{order}"] = history.mean_loss(50)
    return losses
