"""The errors that people make with recurrent networks of higher order, each made on purpose: a claim must turn red."""

from __future__ import annotations

import pytest
import torch

from catalog.records import Tier
from reproductions.hornn import build
from tests.reproductions.broken import red_claims

# An error, what is changed into what, and one claim that must notice.
# fmt: off
ERRORS = {
    "biases in the feedback": ("nn.Linear(hidden, hidden, bias=False) for _ in range(order))  # W",
                               "nn.Linear(hidden, hidden) for _ in range(order))  # W", "parameters-hornn3"),
    "biases in the gates": ("nn.Linear(inputs, hidden, bias=False) for", "nn.Linear(inputs, hidden) for",
                            "parameters-hornn3-gated"),
    "one matrix for all": (
        "nn.ModuleList(nn.Linear(hidden, hidden, bias=False) for _ in range(order))  # W",
        "nn.ModuleList([nn.Linear(hidden, hidden, bias=False)] * order)  # W", "parameters-hornn3"),
    "oldest first": ("[state, *states[:-1]]", "[*states[1:], state]", "definition"),
    "only the last state": ("[state, *states[:-1]]", "[state] * len(states)", "shortest-path"),
    "states that start from one": ("sequence.new_zeros", "sequence.new_ones", "definition"),
    "one order more": ("[zero] * len(self.feedback)", "[zero] * len(self.feedback) + [zero]", "definition"),
    "always tanh": ("state = self.activation(", "state = torch.tanh(", "definition"),
    "mean for sum": ("terms.sum(0)\n\n\nclass MaxPooling", "terms.mean(0)\n\n\nclass MaxPooling", "definition"),
    "the largest magnitude": (
        "terms.amax(0)", "terms.gather(0, terms.abs().argmax(0, keepdim=True))[0]", "pooling"),
    "the largest vector": ("terms.amax(0)", "terms[terms.norm(dim=(1, 2)).argmax()]", "pooling"),
    "exponents from zero": ("torch.arange(1, len(terms) + 1,", "torch.arange(len(terms),", "pooling"),
    "gates see only the input": ("u(x) + v(state)", "u(x) + 0 * v(state)", "definition"),
    "gates as tanh": ("torch.sigmoid(", "torch.tanh(", "pooling"),
    "last state alone": ("return torch.stack(outputs, dim=1)", "return outputs[-1]", "definition"),
    "orthogonal weights": (
        "        for parameter in self.parameters():\n",
        "        for weight in self.feedback:\n            nn.init.orthogonal_(weight.weight)\n"
        "        for parameter in self.input.parameters():\n", "gradient-decay"),
}
# fmt: on


@pytest.mark.parametrize("error", ERRORS)
def test_errors_turn_a_claim_red(error: str) -> None:
    old, new, claim = ERRORS[error]
    assert claim in red_claims("hornn", old, new, tiers=tuple(Tier), claims={claim})


@pytest.mark.parametrize("variant", ["rnn", "hornn3-max", "hornn3-fofe", "hornn3-gated"])
def test_the_past_does_not_see_the_future(variant: str) -> None:
    torch.manual_seed(0)
    network, x = build(variant), torch.randn(2, 8, 10)
    changed = x.clone()
    changed[:, 5:] += 1
    assert torch.equal(network(x)[:, :5], network(changed)[:, :5])
    assert not torch.equal(network(x)[:, 5], network(changed)[:, 5])


def test_a_readout_when_classes_are_given() -> None:
    assert build("hornn2", inputs=5, hidden=7, classes=4)(torch.zeros(3, 6, 5)).shape == (3, 6, 4)
