"""Measurements of stochastic depth that no count on a single network gives."""

from __future__ import annotations

from functools import cache
from math import sqrt
from statistics import fmean, pstdev
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from catalog.verify.training import Run, accuracy
from reproductions import resnet, stochastic_depth
from reproductions.checks.measuring import conv_then_norm, count_macs, distance, randomise
from reproductions.layers import conv_bn
from reproductions.resnet import BasicBlock, ResNet, option_b
from reproductions.stochastic_depth import VARIANTS, ResidualDrop, build, pooled_shortcut


def depth() -> dict[str, int]:
    """Convolutions and fully connected layers of every variant, its blocks, and shortcuts that are a bare identity."""
    counts = {}
    for variant in VARIANTS:
        layers = [m for m in _network(variant).modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        blocks = _blocks(_network(variant))
        counts[f"{variant}_layers"] = len(layers)
        counts[f"{variant}_blocks"] = len(blocks)
        counts[f"{variant}_identities"] = sum(isinstance(block.shortcut, nn.Identity) for block in blocks)
    return counts


def survival_probabilities() -> dict[str, float | list[float]]:
    """The probabilities of the blocks of the 110-layer network, in their order, by both rules."""
    with torch.device("meta"):
        linear, uniform, steep, constant = (
            [block.survival for block in _blocks(build("resnet110", **options))]
            for options in ({}, {"rule": "uniform"}, {"last_survival": 0.2}, {"last_survival": 1.0})
        )
    return {
        "linear": linear,
        "first": linear[0],
        "last": linear[-1],
        "sum": sum(linear),
        "uniform": uniform,
        "steep_last": steep[-1],
        "steep_sum": sum(steep),
        "constant_depth": constant,
    }


def expected_depth() -> dict[str, list[float]]:
    """The expected number of blocks that survive in every variant, less (3L - 1) / 4."""
    networks = [_blocks(_network(variant)) for variant in VARIANTS]
    return {
        "blocks": [len(blocks) for blocks in networks],
        "error": [sum(block.survival for block in blocks) - (3 * len(blocks) - 1) / 4 for blocks in networks],
    }


def sampled_depth() -> dict[str, float]:
    """Mean and standard deviation of the blocks of the 110-layer network that survive, over 2000 mini-batches."""
    torch.manual_seed(0)
    blocks = _blocks(_network("resnet110"))
    depths = [sum(block.survives() for block in blocks) for _ in range(2000)]
    return {"mean": fmean(depths), "deviation": pstdev(depths)}


def dropped_block() -> dict[str, float]:
    """A block that is dropped, and the same block when it is not: calls of its layers, gradients, averages, output.

    ``difference`` is from relu(shortcut(x)), for a signed x; ``without_relu`` how far that is from the shortcut alone.
    """
    measured = {}
    for name, survival in (("dropped", 0.0), ("kept", 1.0)):
        torch.manual_seed(0)
        calls: list[nn.Module] = []
        block = randomise(ResidualDrop(4, 8, 2, survival=survival)).train()
        for layer in block.layers:
            layer.register_forward_hook(lambda layer, *_, calls=calls: calls.append(layer))
        x = torch.randn(2, 4, 6, 6, dtype=torch.float64, requires_grad=True)
        y = block(x)
        y.sum().backward()
        gradients = [float(p.grad.abs().max()) for p in block.parameters() if p.grad is not None]
        measured[f"{name}_calls"] = len(calls)
        measured[f"{name}_gradient"] = max(gradients, default=0.0)
        measured[f"{name}_updates_of_averages"] = int(block.layers[1].num_batches_tracked)
        measured[f"{name}_difference"] = distance(y, block.shortcut(x).relu())
    return measured | {"without_relu": distance(y, y - block.shortcut(x).clamp(max=0))}


def one_gate_a_batch() -> dict[str, int | float]:
    """Eight equal images in 50 training passes through one block: differences within a batch, and outcomes overall."""
    torch.manual_seed(0)
    block = _frozen(randomise(ResidualDrop(4, 4, 1, survival=0.5)))
    x = torch.randn(1, 4, 5, 5, dtype=torch.float64).expand(8, -1, -1, -1)
    with torch.no_grad():
        outputs = [block(x) for _ in range(50)]
    return {
        "within_a_batch": max(distance(y, y[:1].expand_as(y)) for y in outputs),
        "outcomes": len(torch.stack([y[0] for y in outputs]).unique(dim=0)),
    }


def test_time() -> dict[str, float]:
    """How many standard errors the mean of 4000 training passes is from a test, whose branch is weighed or is not.

    The ReLU behind the addition is taken away, and normalisation uses its averages. For a block that always survives,
    the differences between training, test and the block of ResNet with the same weights.
    """
    torch.manual_seed(0)
    block = _frozen(randomise(ResidualDrop(4, 4, 1, survival=0.3)))
    block.relu = nn.Identity()
    x = torch.randn(2, 4, 5, 5, dtype=torch.float64)
    with torch.no_grad():
        passes = torch.stack([block(x) for _ in range(4000)])
        mean, error = passes.mean(0), passes.std(0) / sqrt(len(passes))
        weighed = block.eval()(x)
        block.survival = 1.0
        unweighed = block(x)
        sure = _frozen(randomise(ResidualDrop(4, 4, 1, survival=1.0)))
        plain = BasicBlock(4, 4, 1).double().eval()
        plain.load_state_dict(sure.state_dict())
        training = sure(x)
        return {
            "weighed": float(((mean - weighed) / error).abs().max()),
            "unweighed": float(((mean - unweighed) / error).abs().min()),
            "sure_training": distance(training, plain(x)),
            "sure_test": distance(sure.eval()(x), plain(x)),
        }


def constant_depth() -> dict[str, float]:
    """Five training passes with p_L = 1 against ResNet with the same shortcuts; and with p_L = 0.5."""
    torch.manual_seed(0)
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    plain = resnet.build("cifar-resnet20")
    for number, (inputs, outputs) in ((1, (16, 32)), (2, (32, 64))):
        plain.stages[number][0].shortcut = pooled_shortcut(inputs, outputs, 2)
    randomise(plain).train()
    differences = {}
    with torch.no_grad():
        for name, last in (("constant", 1.0), ("stochastic", 0.5)):
            network = build("resnet20", last_survival=last).double().train()
            network.load_state_dict(plain.state_dict())
            wanted = plain(x)
            differences[name] = max(distance(network(x), wanted) for _ in range(5)) / float(wanted.abs().max())
    return differences


def transition() -> dict[str, float]:
    """What a shortcut passes where the map halves and the channels double; ``subsampled`` is ResNet's own option A."""
    torch.manual_seed(0)
    shortcut = _network("resnet20").stages[1][0].shortcut
    x = torch.randn(2, 16, 8, 8, dtype=torch.float64)
    y = shortcut(x)
    means = (x[:, :, ::2, ::2] + x[:, :, 1::2, ::2] + x[:, :, ::2, 1::2] + x[:, :, 1::2, 1::2]) / 4
    return {
        "channels": y.shape[1],
        "side": y.shape[2],
        "first_channels": distance(y[:, :16], means),
        "new_channels": float(y[:, 16:].abs().max()),
        "subsampled": distance(y[:, :16], x[:, :, ::2, ::2]),
        "parameters": sum(parameter.numel() for parameter in shortcut.parameters()),
    }


def networks() -> dict[str, float]:
    """The 20-layer network in a test, and in training with every second block dropped, less the equations written out.

    Normalisation uses its averages. ``inverted`` leaves the branches of the test as they are, ``by_layer`` weighs them
    by probabilities that are counted by layers, and ``from_zero`` counts the blocks from 0.
    """
    torch.manual_seed(0)
    network = randomise(build("resnet20"))
    blocks = _blocks(network)
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    linear = [1 - number / 9 * 0.5 for number in range(1, 10)]
    halved = [float(number % 2) for number in range(9)]
    with torch.no_grad():
        y = network(x)
        largest = float(y.abs().max())
        others = {
            "test": linear,
            "inverted": [1.0] * 9,
            "by_layer": [1 - (2 * number) / 19 * 0.5 for number in range(1, 10)],
            "from_zero": [1 - number / 9 * 0.5 for number in range(9)],
        }
        differences = {name: distance(y, _written_out(network, x, weights)) for name, weights in others.items()}
        for block, weight in zip(blocks, halved, strict=True):
            block.survival = weight
            _frozen(block)
        differences["training"] = distance(network(x), _written_out(network, x, halved))
    return {name: difference / largest for name, difference in differences.items()}


def training_cost() -> dict[str, float | int]:
    """Multiply-adds of the 110-layer network, and the share of blocks and of multiply-adds that training expects."""
    network = _network("resnet110")
    x = torch.empty(1, 3, 32, 32, device="meta")
    full = expected = count_macs(network, x.shape[1:])
    x = network.stem(x)
    blocks = _blocks(network)
    for block in blocks:
        expected -= (1 - block.survival) * count_macs(block, x.shape[1:])
        x = block(x)
    share = sum(block.survival for block in blocks) / len(blocks)
    return {"full": full, "share_of_blocks": share, "share_of_cost": expected / full, "saved": 1 - share}


def parameters_with_biases() -> int:
    """Parameters of the 110-layer network if its convolutions had the biases of the authors' code."""
    network = _network("resnet110")
    biases = sum(module.out_channels for module in network.modules() if isinstance(module, nn.Conv2d))
    return sum(parameter.numel() for parameter in network.parameters()) + biases


def pytorchcv() -> dict[str, float]:
    """The 20-layer network against pytorchcv's, which divides branches by p in training and leaves them in a test.

    That is the same function of other weights: ours with the last normalisation of each branch divided by p. Ours gets
    the peer's projections in its two transitions. ``undivided`` is the difference before the division.
    """
    from catalog.records import Peer
    from catalog.verify.parity import carry, draw, match
    from catalog.verify.peers import build_peer

    torch.manual_seed(0)
    images = torch.randn(4, 3, 32, 32, dtype=torch.float64)
    theirs = build_peer(Peer(library="pytorchcv", model="resdropresnet20_cifar10")).double().eval()
    ours = build("resnet20").double().eval()
    for number, (inputs, outputs) in ((1, (16, 32)), (2, (32, 64))):
        ours.stages[number][0].shortcut = option_b(inputs, outputs, 2).double().eval()
    blocks = _blocks(ours)
    survivals = [block.survival for block in blocks]
    lives = [unit.life_prob for unit in theirs.modules() if hasattr(unit, "life_prob")]
    draw(theirs, images, torch.Generator().manual_seed(0))
    for block in blocks:
        block.survival = 1.0
    carry(match(ours, theirs, images[:1]), ours, theirs)
    gates = [number % 3 > 0 for number in range(len(blocks))]
    with torch.no_grad():
        largest = float(theirs(images).abs().max())
        measured = {"schedule": max(abs(p - q) for p, q in zip(survivals, lives, strict=True))}
        for block, survival in zip(blocks, survivals, strict=True):
            block.survival = survival
        measured["undivided"] = distance(ours(images), theirs(images)) / largest
        for block in blocks:
            block.layers[-1].weight /= block.survival
            block.layers[-1].bias /= block.survival
        measured["test"] = distance(ours(images), theirs(images)) / largest
        for block, gate in zip(blocks, gates, strict=True):
            block.survival = float(gate)
        with patch("torch.bernoulli", side_effect=[torch.tensor([float(gate)]) for gate in gates]):
            wanted = theirs.train()(images)
        measured["training"] = distance(ours.train()(images), wanted) / float(wanted.abs().max())
    return measured


@cache
def _network(variant: str) -> ResNet:
    with torch.device("meta"):
        return build(variant).eval()


def _blocks(network: nn.Module) -> list[ResidualDrop]:
    return [module for module in network.modules() if isinstance(module, ResidualDrop)]


def _written_out(network: ResNet, x: Tensor, weights: list[float]) -> Tensor:
    """The network by functions alone, each branch times its weight."""
    y = conv_then_norm(x, network.stem[:2]).relu()
    for number, (block, weight) in enumerate(zip(_blocks(network), weights, strict=True)):
        stride = 2 if number in (3, 6) else 1
        kept = y if stride == 1 else torch.cat([F.avg_pool2d(y, 2), torch.zeros_like(F.avg_pool2d(y, 2))], 1)
        f = block.layers
        y = (weight * conv_then_norm(conv_then_norm(y, f[:2], stride).relu(), f[3:]) + kept).relu()
    return F.linear(y.mean((2, 3)), network.head[-1].weight, network.head[-1].bias)


def _frozen(block: ResidualDrop) -> ResidualDrop:
    """In training, but with normalisation by its averages."""
    block.train().layers.eval()
    return block


# --- Training --------------------------------------------------------------------------------------------------------


def accuracy_and_deletion(run: Run) -> dict[str, float]:
    """Accuracy on digits with stochastic depth less that with constant depth; the same without one late block."""
    constant, constant_without = _accuracies(run, "constant depth", last_survival=1.0)
    stochastic, stochastic_without = _accuracies(run, "stochastic depth", last_survival=0.5)
    # Ten images of 500 are 0.02, not what the difference of two rounded shares makes of them.
    return {
        "difference": round(stochastic - constant, 12),
        "difference_without_a_block": round(stochastic_without - constant_without, 12),
    }


def _accuracies(run: Run, arm: str, *, last_survival: float) -> tuple[float, float]:
    """Test accuracy of a network of 22 layers, and its mean when each block of the second stage is bypassed in turn."""
    digits = run.data("digits").divide(run.seed)
    pixels = digits.train.images.float()
    mean, deviation = pixels.mean(), pixels.std()
    torch.manual_seed(run.seed)
    probabilities = iter([stochastic_depth.survival(block, 10, last_survival, "linear") for block in range(1, 11)])

    def part(inputs: int, outputs: int, stride: int) -> ResidualDrop:
        return ResidualDrop(inputs, outputs, stride, survival=next(probabilities))

    stem = nn.Sequential(*conv_bn(1, 8, 3, padding=1), nn.ReLU())
    network = ResNet(stem, part, (8, 8, 16), (5, 5), classes=10)
    run.train(
        arm,
        network,
        torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-4),
        (pixels - mean) / deviation,
        digits.train.labels,
        batch=64,
        epochs=24,
        schedule=lambda step, total: 1.0 if step < total * 2 // 3 else 0.1,
    )

    images = (digits.test.images - mean) / deviation
    whole, without = accuracy(network, images, digits.test.labels), []
    for block in _blocks(network)[5:]:
        kept, block.survival = block.survival, 0.0
        without.append(accuracy(network, images, digits.test.labels))
        block.survival = kept
    return whole, fmean(without)
