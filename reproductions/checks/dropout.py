"""Measurements of dropout and of the mean network."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from catalog.verify.training import Run, accuracy
from reproductions.checks.measuring import distance
from reproductions.dropout import (
    Dropout,
    HintonSGD,
    build,
    geometric_mean,
    learning_rate,
    max_norm_,
    mean_network,
    momentum,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Named = dict[str, float | int | list[float]]


def _generator(seed: int) -> Callable[..., Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return lambda *size: torch.randn(*size, dtype=torch.float64, generator=generator)


def _linear(random: Callable[..., Tensor], inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs, dtype=torch.float64).requires_grad_(False)
    layer.weight.copy_(random(outputs, inputs))
    layer.bias.copy_(random(outputs))
    return layer


def _masks(units: int) -> Tensor:
    return torch.tensor(list(product([0.0, 1.0], repeat=units)), dtype=torch.float64)


# --- The mean network ------------------------------------------------------------------------------------------------


def _small_nets() -> Iterator[tuple[Tensor, nn.Linear]]:
    """100 times ten hidden activations and a layer from them to five classes."""
    for seed in range(100):
        random = _generator(seed)
        yield random(1, 10), _linear(random, 10, 5)


def geometric_means() -> Named:
    """Probabilities of mean networks against means over all 1024 networks: the largest differences of 100 nets.

    ``one_in_five`` has p = 0.2. For the following they are the smallest: of the ``arithmetic`` mean, of a mean network
    whose biases are halved too, and of one with another layer between dropout and softmax (``deeper``).
    """
    equal: dict[str, list[float]] = {"geometric": [], "one_in_five": []}
    unequal: dict[str, list[float]] = {"arithmetic": [], "halved_bias": [], "deeper": []}
    masks = _masks(10)
    for x, layer in _small_nets():
        mean = mean_network(nn.Sequential(Dropout(0.5), layer))(x).softmax(-1)
        geometric = geometric_mean(layer, x)
        equal["geometric"].append(distance(mean, geometric))
        rarely = mean_network(nn.Sequential(Dropout(0.2), layer))(x).softmax(-1)
        equal["one_in_five"].append(distance(rarely, geometric_mean(layer, x, p_drop=0.2)))
        unequal["arithmetic"].append(distance(mean, layer(x * masks).softmax(-1).mean(0, keepdim=True)))
        unequal["halved_bias"].append(distance((layer(x) / 2).softmax(-1), geometric))
        deep = nn.Sequential(layer, nn.Tanh(), _linear(_generator(1), 5, 4))
        mean = mean_network(nn.Sequential(Dropout(0.5), *deep))(x).softmax(-1)
        unequal["deeper"].append(distance(mean, geometric_mean(deep, x)))
    largest = {name: max(values) for name, values in equal.items()}
    return largest | {name: min(values) for name, values in unequal.items()}


def enumeration() -> Named:
    """The module's geometric mean against one that is taken here, for three cases and a net with a hidden layer."""
    random = _generator(0)
    x, network = random(3, 6), nn.Sequential(_linear(random, 6, 5), nn.Tanh(), _linear(random, 5, 4))
    masks = _masks(6)
    differences = {}
    for name, p in (("half", 0.5), ("fifth", 0.2)):
        weights = (masks * (1 - p) + (1 - masks) * p).prod(1)
        means = [(weights[:, None] * network(case * masks).log_softmax(-1)).sum(0).softmax(-1) for case in x]
        differences[name] = distance(geometric_mean(network, x, p_drop=p), torch.stack(means))
    return differences


def log_probabilities() -> Named:
    """By how much the mean network's log probabilities exceed the mean of those of all 1024 networks.

    ``spread`` is the largest difference of this between two classes of a net; ``agreeing`` that of a net whose weights
    are 0, so that all networks say the same.
    """
    masks, gains = _masks(10), []
    for x, layer in _small_nets():
        mean = mean_network(nn.Sequential(Dropout(0.5), layer))(x).log_softmax(-1)[0]
        gains.append(mean - layer(x * masks).log_softmax(-1).mean(0))
    nn.init.zeros_(layer.weight)
    mean = mean_network(nn.Sequential(Dropout(0.5), layer))(x).log_softmax(-1)[0]
    gain = torch.stack(gains)
    return {
        "smallest": gain.min().item(),
        "largest": gain.max().item(),
        "spread": (gain.amax(1) - gain.amin(1)).max().item(),
        "agreeing": distance(mean, layer(x * masks).log_softmax(-1).mean(0)),
    }


def squared_errors() -> Named:
    """Mean squared error of all 1024 networks less that of the mean network, for three linear outputs."""
    random = _generator(0)
    x, layer, target = random(1, 10), _linear(random, 10, 3), random(3)
    predictions = layer(x * _masks(10))
    mean = mean_network(nn.Sequential(Dropout(0.5), layer))(x)[0]
    gain = (predictions - target).square().mean(0) - (mean - target).square()
    return {
        "gain": gain.tolist(),
        "less_variance": distance(gain, predictions.var(0, correction=0)),
        "less_variance_of_a_sample": distance(gain, predictions.var(0)),
    }


def expected_input() -> Named:
    """The average of a linear layer behind dropout over 20,000 masks, in standard errors from two other outputs.

    Of the 32 outputs it is the one that is farthest from the mean network, and the middle one from the full sum.
    ``ones`` is the difference from the full sum when nothing is dropped.
    """
    torch.manual_seed(0)
    random = _generator(0)
    x, layer = random(1, 64), nn.Linear(64, 32, bias=False, dtype=torch.float64).requires_grad_(False)
    layer.weight.copy_(random(32, 64) / 8)
    network = nn.Sequential(Dropout(0.5), layer)
    passes = network(x.expand(20_000, -1))
    average, error = passes.mean(0), passes.std(0) / len(passes) ** 0.5
    with patch.object(Dropout, "mask", lambda _, x: torch.ones_like(x)):
        ones = distance(network(x), layer(x))
    return {
        "mean_network": ((average - mean_network(network)(x)[0]) / error).abs().max().item(),
        "full_sum": ((average - layer(x)[0]) / error).abs().median().item(),
        "ones": ones,
    }


# --- While it trains -------------------------------------------------------------------------------------------------


def masks() -> Named:
    """Shares of units that are dropped, values and gradients of the others, and differences between equal cases."""
    torch.manual_seed(0)
    x = torch.full((200, 500), 3.0, requires_grad=True)
    y = Dropout(0.5)(x)
    y.sum().backward()
    dropped = (y == 0).double()
    assert x.grad is not None
    return {
        "half": dropped.mean().item(),
        "fifth": (Dropout(0.2)(x) == 0).double().mean().item(),
        "none": distance(Dropout(0.0)(x), x),
        "kept": y[y != 0].unique().tolist(),
        "gradient_of_dropped": x.grad[y == 0].abs().sum().item(),
        "gradient_of_kept": x.grad[y != 0].unique().tolist(),
        "different_cases": len(y.unique(dim=0)),
        "share_by_case": [dropped.mean(1).min().item(), dropped.mean(1).max().item()],
        "share_by_unit": [dropped.mean(0).min().item(), dropped.mean(0).max().item()],
    }


def weight_limit() -> Named:
    """50 units, half of them above the limit of 15: squared lengths, directions and what a second time changes."""
    weight = torch.randn(50, 784, generator=torch.Generator().manual_seed(0))
    weight *= (torch.linspace(8, 23, 50) / weight.square().sum(1)).sqrt()[:, None]
    long = weight.square().sum(1) > 15
    limited = weight.clone()
    max_norm_(limited, 15)
    again = limited.clone()
    max_norm_(again, 15)
    return {
        "above": int(long.sum()),
        "off_limit": (limited[long].double().square().sum(1) - 15).abs().max().item(),
        "turned": (1 - F.cosine_similarity(limited[long].double(), weight[long].double())).max().item(),
        "changed_below": int((limited[~long] != weight[~long]).sum()),
        "second_time": distance(again, limited),
    }


def schedules() -> Named:
    """Momentum and learning rate at epochs 0, 250, 500 and 1000."""
    epochs = (0, 250, 500, 1000)
    return {f"momentum_{epoch}": momentum(epoch) for epoch in epochs} | {
        f"rate_{epoch}": learning_rate(epoch) for epoch in epochs
    }


def steps() -> Named:
    """A weight of an output unit, a bias and weights of two hidden units after two steps from 0, all gradients being 1.

    ``limit`` is the square of the last of these, ``late`` how far the first then moves in a step of epoch 1000.
    """
    network = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1), nn.Linear(1, 1)).double()
    for parameter in network.parameters():
        nn.init.zeros_(parameter)
        parameter.grad = torch.ones_like(parameter)
    sgd = HintonSGD(network)
    values: dict[str, list[float]] = {"output": [], "bias": [], "hidden": []}
    for _ in range(2):
        sgd.step(epoch=0)
        values["output"].append(network[2].weight.item())
        values["bias"].append(network[0].bias.item())
        values["hidden"] += [network[0].weight.item(), network[1].weight.item()]
    sgd.step(epoch=1000)
    limit, late = values["hidden"][-1] ** 2, network[2].weight.item() - values["output"][-1]
    return values | {"limit": limit, "late": late}


def initialisation() -> Named:
    """Standard deviation and kurtosis of the weights of each layer, and the largest bias."""
    torch.manual_seed(0)
    layers = [layer for layer in build("mnist-800-800") if isinstance(layer, nn.Linear)]
    weights = [layer.weight.detach().double() for layer in layers]
    return {
        "deviation": [weight.std().item() for weight in weights],
        "kurtosis": [((weight / weight.std()) ** 4).mean().item() for weight in weights],
        "largest_bias": max(layer.bias.abs().max().item() for layer in layers),
    }


# --- The networks ----------------------------------------------------------------------------------------------------


def _random_network() -> tuple[nn.Sequential, Tensor]:
    random = _generator(0)
    network = build("mnist-800-800", input_dropout=0.2).double().requires_grad_(False)
    for parameter in network.parameters():
        parameter.copy_(random(*parameter.shape) / parameter[0].numel() ** 0.5)
    return network, random(3, 784)


def networks() -> Named:
    """The network in training with given masks, in a test and as a mean network against the equations, written out.

    ``changed`` is what making a mean network did to the network itself, ``dropouts`` how many it has left.
    """
    network, x = _random_network()
    (w1, b1), (w2, b2), (w3, b3) = [(layer.weight, layer.bias) for layer in network if isinstance(layer, nn.Linear)]
    masks = {width: (_generator(1)(3, width) > 0).double() for width in (784, 800)}

    def written_out(d0: Tensor | float, d1: Tensor | float, d2: Tensor | float) -> Tensor:
        hidden = 1 / (1 + torch.exp(-((d0 * x) @ w1.T + b1)))
        hidden = 1 / (1 + torch.exp(-((d1 * hidden) @ w2.T + b2)))
        return (d2 * hidden) @ w3.T + b3

    before = [parameter.clone() for parameter in network.parameters()]
    mean = mean_network(network)
    with patch.object(Dropout, "mask", lambda _, x: masks[x.shape[1]]):
        training = network(x)
    test = network.eval()(x)
    return {
        "training": distance(training, written_out(masks[784], masks[800], masks[800])),
        "test": distance(test, written_out(0.8, 0.5, 0.5)),
        "mean_network": distance(mean(x), test),
        "unscaled": distance(test, written_out(1.0, 1.0, 1.0)),
        "changed": max(distance(a, b) for a, b in zip(before, network.parameters(), strict=True)),
        "dropouts": sum(isinstance(layer, Dropout) for layer in mean),
    }


def rates() -> Named:
    """Which shares the networks drop in front of their three layers: by default, with pixels too, and without any."""

    def dropped(**options: float) -> list[float]:
        with torch.device("meta"):
            return [layer.p_drop for layer in build(**options) if isinstance(layer, Dropout)]

    return {
        "default": dropped(),
        "pixels": dropped(input_dropout=0.2),
        "without": dropped(hidden_dropout=0.0),
    }


# --- Parity ----------------------------------------------------------------------------------------------------------


def torch_dropout() -> Named:
    """Outputs and gradients against torch's dropout times 1 - p, in two layers with the same masks, and in a test.

    ``unscaled`` is the difference in training when they are not multiplied.
    """
    random = _generator(0)
    p, first, second, x = 0.3, _linear(random, 20, 30), _linear(random, 30, 5), random(8, 20).requires_grad_()
    theirs = nn.Dropout(p)

    def run(dropout: Callable[[Tensor], Tensor], scale: float) -> tuple[Tensor, Tensor]:
        y = second(scale * dropout(first(scale * dropout(x)).relu()))
        return y.detach(), torch.autograd.grad(y.square().sum(), x)[0]

    kept: list[Tensor] = []
    theirs.register_forward_hook(lambda *call: kept.append((call[2] != 0).double()))
    torch.manual_seed(0)
    reference, gradient = run(theirs, 1 - p)
    torch.manual_seed(0)
    unscaled, _ = run(theirs, 1.0)
    # A unit that is 0 by itself may be dropped or not; it makes no difference.
    with patch.object(Dropout, "mask", lambda *_: kept.pop(0)):
        ours, our_gradient = run(Dropout(p), 1.0)
    return {
        "training": distance(ours, reference),
        "gradient": distance(our_gradient, gradient),
        "unscaled": distance(ours, unscaled),
        "test": distance(run(Dropout(p).eval(), 1.0)[0], run(theirs.eval(), 1 - p)[0]),
    }


# --- Training --------------------------------------------------------------------------------------------------------


class _DoubledDropout(Dropout):
    """What remains is doubled, so that at a rate of one half the next layer gets on average what all units give."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


def large_network(run: Run) -> Named:
    """What dropping half of the hidden units does to 64-512-512-10 on 500 digits.

    The gain in test error, and how many times as large the training loss of the last epoch is: doubling what remains
    would gain something without anything being dropped, but then the loss falls instead.
    """
    error, loss = _trained(run, "no dropout", nn.Identity)
    error_with, loss_with = _trained(run, "dropout", lambda: _DoubledDropout(0.5))
    return {"gain": error - error_with, "loss_ratio": loss_with / loss}


def _trained(run: Run, arm: str, dropout: Callable[[], nn.Module]) -> tuple[float, float]:
    """Test error after training, and the training loss of the last epoch."""
    digits = run.data("digits").divide(run.seed)
    images = torch.cat([digits.train.images, digits.test.images]) / 16
    labels = torch.cat([digits.train.labels, digits.test.labels])
    torch.manual_seed(run.seed)
    network = nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, 512),
        nn.ReLU(),
        dropout(),
        nn.Linear(512, 512),
        nn.ReLU(),
        dropout(),
        nn.Linear(512, 10),
    )
    optimiser = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)

    def error() -> float:
        return 1 - accuracy(network, images[500:], labels[500:])

    history = run.train(
        arm,
        network,
        optimiser,
        images[:500],
        labels[:500],
        batch=50,
        epochs=100,
        each_epoch=lambda: {"test error": error()},
    )
    return error(), history.last_epoch
