"""Dropout: Improving neural networks by preventing co-adaptation of feature detectors (Hinton et al., 2012).

A large network on little data learns features that are of use only next to certain others, and only in training. Here
each hidden unit is left out with probability one half whenever a case is presented, so that none can rely on another
being there. What is trained is one of exponentially many networks at a time, which share their weights; one "mean
network" with halved outgoing weights stands for all of them at a test. Bagging trains its models apart, and averages
what they say.

This paper scales when it tests. ``nn.Dropout`` scales when it trains, and computes the same, divided by 1 - p, in both.
"""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn


class Dropout(nn.Module):
    """In training, each unit of each case is 0 with probability ``p_drop``; what remains is not rescaled.

    In a test a unit counts with the probability with which it was there, as in the mean network.
    """

    def __init__(self, p_drop: float) -> None:
        super().__init__()
        self.p_drop = p_drop

    def mask(self, x: Tensor) -> Tensor:
        """Draw which units stay: 1, or 0 for those that are dropped."""
        return torch.bernoulli(torch.full_like(x, 1 - self.p_drop))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.mask(x) if self.training else x * (1 - self.p_drop)


@torch.no_grad()
def mean_network(network: nn.Sequential) -> nn.Sequential:
    """A copy without dropout, where weights of what had been dropped are times 1 - p, and biases are as they were."""
    layers, kept = [], 1.0
    for layer in deepcopy(network):
        if isinstance(layer, Dropout):
            kept *= 1 - layer.p_drop
            continue
        if isinstance(layer, nn.Linear):
            layer.weight *= kept
            kept = 1.0
        layers.append(layer)
    return nn.Sequential(*layers)


def geometric_mean(network: nn.Module, x: Tensor, p_drop: float = 0.5) -> Tensor:
    """What all networks say that leave out some of the units x: the normalised geometric mean of their probabilities.

    Each of the 2^units networks counts with the probability with which it is drawn.
    Shapes: x (batch, units), few of them; ``network`` maps (..., units) to (..., classes) scores; (batch, classes).
    """
    units = x.shape[1]
    masks = (torch.arange(2**units)[:, None] >> torch.arange(units) & 1).to(x)
    kept = masks.sum(1)
    probabilities = (1 - p_drop) ** kept * p_drop ** (units - kept)
    return (probabilities @ network(x[:, None] * masks).log_softmax(-1)).softmax(-1)


@torch.no_grad()
def max_norm_(weight: Tensor, squared_limit: float) -> None:
    """Where the SQUARED length of a unit's incoming weights, a row, exceeds the limit, bring it back to the limit."""
    weight.renorm_(2, 0, squared_limit**0.5)


def learning_rate(epoch: int) -> float:
    """10 at first, and 0.2 % less with every epoch (Appendix A)."""
    return 10 * 0.998**epoch


def momentum(epoch: int) -> float:
    """From 0.5 to 0.99 linearly over the first 500 epochs (Appendix A)."""
    return 0.5 + 0.49 * min(epoch / 500, 1)


class HintonSGD:
    """Gradient descent with momentum p, where a gradient counts 1 - p, and a limit in the place of weight decay.

    v <- p v - (1 - p) rate gradient, w <- w + v, and then the incoming weights of hidden units are held to the limit.
    Gradients are those of the mean cross-entropy over a minibatch, of 100 cases in the paper.
    """

    def __init__(self, network: nn.Sequential) -> None:
        self.parameters = list(network.parameters())
        self.velocities = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.hidden = [layer.weight for layer in network if isinstance(layer, nn.Linear)][:-1]

    @torch.no_grad()
    def step(self, epoch: int) -> None:
        """Update all parameters by their gradients, with the rate and momentum of an epoch, counted from 0."""
        p, rate = momentum(epoch), learning_rate(epoch)
        for parameter, velocity in zip(self.parameters, self.velocities, strict=True):
            velocity.mul_(p).sub_((1 - p) * rate * parameter.grad)
            parameter.add_(velocity)
        for weight in self.hidden:
            max_norm_(weight, 15)  # Appendix A


VARIANTS = {
    # Figure 1: logistic units in both hidden layers
    "mnist-800-800": 800,
    "mnist-1200-1200": 1200,
    "mnist-2000-2000": 2000,
}


def build(
    variant: str = "mnist-800-800", *, classes: int = 10, input_dropout: float = 0.0, hidden_dropout: float = 0.5
) -> nn.Sequential:
    """Build a variant: (batch, 784) pixels to (batch, classes) scores, whose softmax is the output.

    Weights start from a normal distribution of standard deviation 0.01 (Appendix A). The paper does not say how biases
    start; they are 0.

    Args:
        variant: a key of ``VARIANTS``.
        classes: outputs.
        input_dropout: share of the pixels that is dropped, 0.2 in the paper's best networks.
        hidden_dropout: share of the hidden units; 0 is a network without dropout.
    """
    hidden = VARIANTS[variant]
    network = nn.Sequential(
        Dropout(input_dropout),
        nn.Linear(784, hidden),
        nn.Sigmoid(),
        Dropout(hidden_dropout),
        nn.Linear(hidden, hidden),
        nn.Sigmoid(),
        Dropout(hidden_dropout),
        nn.Linear(hidden, classes),
    )
    for layer in network:
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)
    return network
