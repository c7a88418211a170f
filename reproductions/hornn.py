"""HORNN: Higher Order Recurrent Neural Networks (Soltani, Jiang, 2016).

A recurrent network feeds its last state back, so what it saw long ago, and the error on its way there, has to pass one
step after the other and fades. This paper feeds back the last N states, each through weights of its own, like a
recursive digital filter of order N; a path over T steps then has only T / N links. Where LSTM guards its memory by
gates, here it is wired. The N terms are summed, or pooled: by their maximum, by weights that shrink with age (the
exponents of FOFE), or by gates that see input and state.

A network of order 1 is the plain recurrent network.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import torch
from torch import Tensor, nn

Activation = Callable[[Tensor], Tensor]


class HORNN(nn.Module):
    """h_t = f(W_in x_t + b + sum over n = 1..N of W_n h_(t-n)), the states before the first step being zero.

    Shapes: (batch, steps, inputs) to (batch, steps, hidden), all states.

    Args:
        inputs: numbers in x_t.
        hidden: numbers in h_t.
        order: N, how many earlier states are fed back.
        activation: the function f.
    """

    def __init__(self, inputs: int, hidden: int, order: int, activation: Activation = torch.tanh) -> None:
        super().__init__()
        self.input = nn.Linear(inputs, hidden)
        self.feedback = nn.ModuleList(nn.Linear(hidden, hidden, bias=False) for _ in range(order))  # W_1 to W_N
        self.activation = activation
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -1 / sqrt(hidden), 1 / sqrt(hidden))

    def forward(self, sequence: Tensor) -> Tensor:
        zero = sequence.new_zeros(len(sequence), self.input.out_features)
        states = [zero] * len(self.feedback)  # h_(t-1) to h_(t-N)
        outputs = []
        for x in sequence.unbind(1):
            terms = torch.stack([weight(state) for weight, state in zip(self.feedback, states, strict=True)])
            state = self.activation(self.input(x) + self.pool(terms, x, states))
            outputs.append(state)
            states = [state, *states[:-1]]
        return torch.stack(outputs, dim=1)

    def pool(self, terms: Tensor, x: Tensor, states: list[Tensor]) -> Tensor:  # noqa: ARG002 (gates need them)
        """Make one of the terms W_n h_(t-n): (order, batch, hidden) to (batch, hidden)."""
        return terms.sum(0)


class MaxPooling(HORNN):
    """The largest of the terms, for each hidden unit on its own."""

    def pool(self, terms: Tensor, x: Tensor, states: list[Tensor]) -> Tensor:  # noqa: ARG002
        return terms.amax(0)


class FOFEPooling(HORNN):
    """The sum of alpha^n W_n h_(t-n): what is older counts less, by a fixed forgetting factor 0 < alpha < 1."""

    alpha = 0.5

    def pool(self, terms: Tensor, x: Tensor, states: list[Tensor]) -> Tensor:  # noqa: ARG002
        ages = torch.arange(1, len(terms) + 1, device=terms.device)
        return torch.einsum("n, nbh -> bh", self.alpha ** ages.to(terms.dtype), terms)


class GatedPooling(HORNN):
    """The sum of r_n * W_n h_(t-n), with gates r_n = sigmoid(U_n x_t + V_n h_(t-n))."""

    def __init__(self, inputs: int, hidden: int, order: int, activation: Activation = torch.tanh) -> None:
        super().__init__(inputs, hidden, order, activation)
        self.from_input = nn.ModuleList(nn.Linear(inputs, hidden, bias=False) for _ in range(order))  # U_1 to U_N
        self.from_state = nn.ModuleList(nn.Linear(hidden, hidden, bias=False) for _ in range(order))  # V_1 to V_N

    def pool(self, terms: Tensor, x: Tensor, states: list[Tensor]) -> Tensor:
        layers = zip(self.from_input, self.from_state, states, strict=True)
        gates = torch.stack([torch.sigmoid(u(x) + v(state)) for u, v, state in layers])
        return (gates * terms).sum(0)


VARIANTS = {
    # how the terms are pooled, order
    "rnn": (HORNN, 1),
    "hornn2": (HORNN, 2),
    "hornn3": (HORNN, 3),
    "hornn4": (HORNN, 4),
    "hornn3-max": (MaxPooling, 3),
    "hornn3-fofe": (FOFEPooling, 3),
    "hornn3-gated": (GatedPooling, 3),
}


def build(
    variant: str = "hornn3",
    *,
    inputs: int = 10,
    hidden: int = 20,
    classes: int | None = None,
    activation: Activation = torch.tanh,
) -> HORNN | nn.Sequential:
    """Build a variant.

    Args:
        variant: a key of ``VARIANTS``.
        inputs: numbers in x_t.
        hidden: numbers in h_t.
        classes: outputs of a linear layer that reads each state; the states themselves are the output if omitted.
        activation: the function f, torch.tanh or torch.relu.
    """
    cell, order = VARIANTS[variant]
    network = cell(inputs, hidden, order, activation)
    return network if classes is None else nn.Sequential(network, nn.Linear(hidden, classes))
