"""Measurements of LeNet that need code."""

from __future__ import annotations

import math
from collections import Counter
from functools import partial
from itertools import product

import torch
from torch import Tensor, nn
from torch.distributions import Normal
from torch.func import jacrev, vmap
from torch.nn import functional as F

from catalog.verify.training import Run, outputs
from reproductions import build
from reproductions.checks.measuring import distance, normal
from reproductions.lenet import RBFOutput, ScaledTanh, Subsample, map_loss

Named = dict[str, float | int | list[int]]


def _network(variant: str) -> nn.Module:
    """A network whose parameters and buffers are all drawn at random, so that no unit is near 0 or saturated."""
    network = build("lenet", variant).double().requires_grad_(False)
    for seed, tensor in enumerate([*network.parameters(), *network.buffers()], start=1):
        tensor.copy_(normal(*tensor.shape, seed=seed) / math.sqrt(tensor[0].numel()))
    return network


def _image(variant: str, batch: int = 1, side: int | None = None) -> Tensor:
    side = side or {"lenet5": 32, "lenet1": 28}[variant]
    return normal(batch, 1, side, side, seed=0)


# --- Structure -------------------------------------------------------------------------------------------------------


def _parameters(variant: str) -> Named:
    with torch.device("meta"):
        layers = dict(build("lenet", variant).named_children())
    trained = {name: sum(parameter.numel() for parameter in layer.parameters()) for name, layer in layers.items()}
    return {"layers": len(layers), **trained}


def parameters_by_layer() -> Named:
    """Trainable parameters of each layer of LeNet-5, and the number of layers."""
    return _parameters("lenet5")


def parameters_by_layer_lenet1() -> Named:
    """The same of LeNet-1."""
    return _parameters("lenet1")


def _states(variant: str) -> dict[str, Tensor]:
    """The output of each layer for one image."""
    states, x = {}, _image(variant)
    for name, layer in _network(variant).named_children():
        states[name] = x = layer(x)
    return states


def _shapes(variant: str) -> Named:
    return {name: list(state.shape[1:]) for name, state in _states(variant).items()}


def shapes_by_layer() -> Named:
    """Maps and their sides behind each layer of LeNet-5."""
    return _shapes("lenet5")


def shapes_by_layer_lenet1() -> Named:
    """The same of LeNet-1."""
    return _shapes("lenet1")


def _connections(variant: str) -> Named:
    """How many of its inputs each unit of a layer depends on, summed, and how many units have a bias.

    A unit depends on an input where the derivative is not 0. It has a bias if it answers to an input that is all 0; the
    units of the RBF layer do so too, but have none.
    """
    network, x = _network(variant), _image(variant)
    counts = {}
    for name, layer in network.named_children():
        weights = torch.count_nonzero(jacrev(layer, chunk_size=512)(x)).item()
        biases = 0 if isinstance(layer, RBFOutput) else torch.count_nonzero(layer(torch.zeros_like(x))).item()
        counts[name] = weights + biases
        x = layer(x)
    return counts | {"total": sum(counts.values())}


def connections() -> Named:
    """Connections of each layer of LeNet-5, their sum, and the sum without those to the fixed centres."""
    counts = _connections("lenet5")
    return counts | {"without_output": counts["total"] - counts["output"]}


def connections_lenet1() -> Named:
    """Connections of each layer of LeNet-1 and their sum, and its units, with the input and the unit of the biases."""
    units = _image("lenet1").numel() + sum(state.numel() for state in _states("lenet1").values()) + 1
    return _connections("lenet1") | {"units": units}


def _maps_read(variant: str) -> Tensor:
    """(C3 maps, S2 maps), true where the one depends on the other."""
    network = _network(variant)
    patch = network.s2(network.c1(_image(variant)))[:, :, :5, :5]
    derivatives = jacrev(lambda x: network.c3(x)[0, :, 0, 0])(patch)[:, 0]  # (C3 maps, S2 maps, 5, 5)
    return (derivatives != 0).any(-1).any(-1)


def _described() -> list[list[int]]:
    """Table I from the words of Section II-B: three or four in a row, in a circle; four in two pairs; and all."""
    in_a_row = [[(first + i) % 6 for i in range(count)] for count in (3, 4) for first in range(6)]
    discontinuous = [set(range(6)) - {left_out, left_out + 3} for left_out in (2, 0, 1)]
    return [sorted(maps) for maps in (*in_a_row, *discontinuous, range(6))]


def c3_table() -> Named:
    """How many S2 maps the C3 maps read, how many C3 maps read each S2 map, and how many sets are as in the paper."""
    reads = _maps_read("lenet5")
    sizes = Counter(reads.sum(1).tolist())
    sets = [row.nonzero().flatten().tolist() for row in reads]
    return {
        "read_three": sizes[3],
        "read_four": sizes[4],
        "read_six": sizes[6],
        "readers": reads.sum(0).tolist(),
        "different_sets": len({tuple(maps) for maps in sets}),
        "as_described": sum(maps == described for maps, described in zip(sets, _described(), strict=True)),
    }


def lenet1_table() -> Named:
    """How many S2 maps each C3 map of LeNet-1 reads, and how many connections join its two halves."""
    reads = _maps_read("lenet1")
    return {
        "reads": reads.sum(1).tolist(),
        "readers": reads.sum(0).tolist(),
        "across": (reads[:6, 2:].sum() + reads[6:, :2].sum()).item(),
    }


def rbf_centres() -> Named:
    """The fixed weights of the output, the ink of the bitmaps by digit, by row and by column, and random ones."""
    output = build("lenet").output
    ink = (output.centres == 1).view(10, 12, 7)
    torch.manual_seed(0)
    others = build("lenet", classes=47).output.centres
    return {
        "weights": output.centres.numel(),
        "trainable": sum(parameter.numel() for parameter in output.parameters()),
        "plus_or_minus_one": (output.centres.abs() == 1).sum().item(),
        "ink_by_digit": ink.sum((1, 2)).tolist(),
        "ink_by_row": ink.sum((0, 2)).tolist(),
        "ink_by_column": ink.sum((0, 1)).tolist(),
        "random_centres": [*others.shape],
        "random_plus_or_minus_one": (others.abs() == 1).sum().item(),
        "random_share_of_ink": (others == 1).double().mean().item(),
        "random_different": len(others.unique(dim=0)),
    }


# --- The network as the paper writes it ------------------------------------------------------------------------------


def _squash(a: Tensor) -> Tensor:
    e = torch.exp(2 * (2 / 3) * a)
    return 1.7159 * (e - 1) / (e + 1)


def _convolve(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """One map: the weighted sum of each 5x5 patch, without a convolution routine."""
    return torch.einsum("bmyxij,mij->byx", x.unfold(2, 5, 1).unfold(3, 5, 1), weight) + bias


def _convolve_all(x: Tensor, layer: nn.Conv2d) -> Tensor:
    return torch.stack([_convolve(x, *unit) for unit in zip(layer.weight, layer.bias, strict=True)], 1)


def _subsample(x: Tensor, layer: Subsample) -> Tensor:
    total = x[..., ::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, ::2] + x[..., 1::2, 1::2]
    return layer.coefficient * total + layer.bias


def _convolve_by_table(x: Tensor, layer: nn.Module, table: list[list[int]]) -> Tensor:
    """Each map by a kernel for every input map, which is 0 for those that the table leaves out."""
    maps = []
    for conv, inputs in zip(layer.maps, table, strict=True):
        weight = x.new_zeros(x.shape[1], 5, 5)
        weight[inputs] = conv.weight[0]
        maps.append(_convolve(x, weight, conv.bias))
    return torch.stack(maps, 1)


def _lenet5(network: nn.Module, x: Tensor, squash_s2: bool = True, divide_s2_by: int = 1) -> Tensor:
    """LeNet-5 from the equations of Section II-B, with the parameters of ``network``."""
    x = _squash(_convolve_all(x, network.c1[0]))
    x = _subsample(x / divide_s2_by, network.s2)
    x = _squash(x) if squash_s2 else x
    x = _squash(_convolve_by_table(x, network.c3[0], _described()))
    x = _squash(_subsample(x, network.s4))
    x = _squash(_convolve_all(x, network.c5[0])).flatten(1)
    x = _squash(x @ network.f6[1].weight.T + network.f6[1].bias)
    w = network.output.centres
    return (x**2).sum(1, keepdim=True) - 2 * x @ w.T + (w**2).sum(1)


def _lenet1(network: nn.Module, x: Tensor) -> Tensor:
    table = [[0], [0, 1], [0, 1], [1], [0, 1], [0, 1]]
    table += [[m + 2 for m in maps] for maps in table]
    x = _squash(_convolve_all(x, network.c1[0]))
    x = _squash(_subsample(x, network.s2))
    x = _squash(_convolve_by_table(x, network.c3[0], table))
    x = _squash(_subsample(x, network.s4)).flatten(1)
    return _squash(x @ network.output[1].weight.T + network.output[1].bias)


def equations() -> Named:
    """Both networks against the equations of the paper, and against two common misreadings of S2."""
    lenet5, lenet1 = _network("lenet5"), _network("lenet1")
    images, outputs = _image("lenet5", 3), lenet5(_image("lenet5", 3))
    small = _image("lenet1", 3)
    return {
        "lenet5": distance(outputs, _lenet5(lenet5, images)),
        "lenet1": distance(lenet1(small), _lenet1(lenet1, small)),
        "s2_without_squashing": distance(outputs, _lenet5(lenet5, images, squash_s2=False)),
        "s2_averages": distance(outputs, _lenet5(lenet5, images, divide_s2_by=4)),
    }


# --- Properties ------------------------------------------------------------------------------------------------------


def squashing_function() -> Named:
    """The squashing function at ±1, its slope at 0, and where its second derivative is largest."""
    f = ScaledTanh()
    slope = torch.func.grad(f)
    curvature = vmap(torch.func.grad(slope))
    grid = torch.linspace(-3, 3, 60_001, dtype=torch.float64)
    bends = curvature(grid).abs()
    ends = torch.tensor([-1.0, 1.0], dtype=torch.float64)
    return {
        "error_at_1": distance(f(ends), ends),
        "slope_at_0": slope(torch.zeros((), dtype=torch.float64)).item(),
        "bends_most_at_minus": grid[bends[:30_000].argmax()].item(),
        "bends_most_at_plus": grid[30_000 + bends[30_000:].argmax()].item(),
    }


def initial_weights() -> Named:
    """The largest weight of each layer in units of 2.4 / F, and the spread in units of that of a uniform draw.

    Subsampling has so few that they are drawn forty times.
    """
    torch.manual_seed(0)
    networks = [build("lenet").requires_grad_(False) for _ in range(40)]
    network = networks[0]
    c3 = network.c3[0].maps
    units: list[tuple[str, int, list[nn.Module]]] = [
        ("c1", 25, [network.c1[0]]),
        ("s2", 4, [network.s2 for network in networks]),
        ("c3_three", 75, list(c3[:6])),
        ("c3_four", 100, list(c3[6:15])),
        ("c3_six", 150, list(c3[15:])),
        ("s4", 4, [network.s4 for network in networks]),
        ("c5", 400, [network.c5[0]]),
        ("f6", 120, [network.f6[1]]),
    ]
    weights = {
        name: torch.cat([p.flatten() for module in modules for p in module.parameters()]) * fan_in / 2.4
        for name, fan_in, modules in units
    }
    large = torch.cat([weights[name] for name in ("c1", "c3_three", "c3_four", "c3_six", "c5", "f6")])
    return {
        **{name: drawn.abs().max().item() for name, drawn in weights.items()},
        "spread": large.std().item() * math.sqrt(3),
        "smallest_spread": min(drawn.std().item() for drawn in weights.values()) * math.sqrt(3),
    }


def or_and_blur() -> Named:
    """On how many of the 16 blocks of ±1 subsampling decides as OR and as AND do, and how nearly linear it can be."""
    blocks = torch.tensor(list(product((-1.0, 1.0), repeat=4)), dtype=torch.float64).view(16, 1, 2, 2)
    any_ink, all_ink = (blocks == 1).any(-1).any(-1), (blocks == 1).all(-1).all(-1)
    layer = Subsample(1).double().requires_grad_(False)

    def output(coefficient: float, bias: float) -> Tensor:
        layer.coefficient.fill_(coefficient)
        layer.bias.fill_(bias)
        return layer(blocks).view(16, 1)

    blurred, sums = output(0.01, 0.0), blocks.sum((2, 3))
    return {
        "or": ((output(2, 6) > 0) == any_ink).sum().item(),
        "and": ((output(2, -6) > 0) == all_ink).sum().item(),
        "mean_as_or": ((F.avg_pool2d(blocks, 2).view(16, 1) > 0) == any_ink).sum().item(),
        "blur": distance(blurred, 0.01 * 1.7159 * 2 / 3 * sums) / blurred.abs().max().item(),
        "large_is_no_blur": distance(output(2, 0), 2 * 1.7159 * 2 / 3 * sums) / output(2, 0).abs().max().item(),
    }


def replication() -> Named:
    """C5 on images that are larger by one step of 4 pixels each way, against LeNet-5 on four crops of them."""
    network = _network("lenet5")
    features = nn.Sequential(network.c1, network.s2, network.c3, network.s4, network.c5)
    x = _image("lenet5", side=36)
    large = features(x)
    crops = torch.stack([features(x[..., i : i + 32, j : j + 32])[0, :, 0, 0] for i in (0, 4) for j in (0, 4)], 1)
    return {
        "c5": list(features(x[..., :32, :32]).shape[1:]),
        "c5_larger": list(large.shape[1:]),
        "crops": distance(large[0].flatten(1), crops),
        "crops_differ": distance(crops[:, 0], crops[:, 3]),
    }


def receptive_fields() -> Named:
    """Side of the receptive field of a C3 unit, and of the area that the centres of these fields cover in the input."""
    network, x = _network("lenet5"), _image("lenet5")
    features = nn.Sequential(network.c1, network.s2, network.c3)
    derivatives = jacrev(lambda x: features(x)[0, 15, :, 0])(x)[:, 0, 0]  # (rows of the map, 32, 32)
    rows = (derivatives != 0).any(-1)
    first, last = (row.nonzero().flatten() for row in (rows[0], rows[-1]))
    step = rows[1].nonzero()[0].item() - first[0].item()
    return {
        "side": len(first),
        "centres_cover": step * len(rows),
        "margins": [first[0].item(), 31 - last[-1].item()],
    }


def gaussian() -> Named:
    """Differences of RBF outputs against those of Gaussian log-likelihoods with variance 1/2, and with variance 1."""
    output, x = build("lenet").output.double(), normal(5, 84, seed=1)
    y = output(x)

    def difference(variance: float) -> float:
        likelihood = Normal(output.centres, math.sqrt(variance)).log_prob(x[:, None]).sum(2)
        return distance(y[:, :, None] - y[:, None], likelihood[:, None] - likelihood[:, :, None])

    return {"variance_half": difference(0.5), "variance_one": difference(1.0)}


def classification() -> Named:
    """How many of 16 perfect answers each network classifies right, and the penalties of right and wrong bitmaps."""
    lenet5, lenet1 = build("lenet"), build("lenet", "lenet1")
    digits = torch.tensor([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 0, 9])
    bitmaps, activities = lenet5.output.centres[digits], (2.0 * torch.eye(10) - 1.0)[digits]
    penalties = lenet5.output(lenet5.output.centres)
    for network, kept in ((lenet5, "output"), (lenet1, "")):
        for name, _ in list(network.named_children()):
            if name != kept:
                setattr(network, name, nn.Identity())
    return {
        "penalty_of_right": penalties.diagonal().max().item(),
        "penalty_of_nearest_wrong": penalties.fill_diagonal_(math.inf).min().item(),
        "lenet5": (lenet5.classify(bitmaps) == digits).sum().item(),
        "lenet1": (lenet1.classify(activities) == digits).sum().item(),
    }


def map_criterion() -> Named:
    """The criterion without the rubbish class, its smallest value with it, and its value when all centres collapse."""
    target = torch.arange(10).repeat(100)
    y = normal(1000, 10, seed=1).square() * 20
    best = torch.full((10, 10), 1e3, dtype=torch.float64).fill_diagonal_(0)  # nothing more can be gained
    collapsed = torch.zeros(10, 10, dtype=torch.float64)
    digits = torch.arange(10)
    singly = torch.stack([map_loss(y[i : i + 1], target[i : i + 1], j=1.0) for i in range(1000)])
    return {
        "cross_entropy": abs(map_loss(y, target, j=math.inf).item() - F.cross_entropy(-y, target).item()),
        "smallest": singly.min().item(),
        "best": map_loss(best, digits, j=1.0).item(),
        "averaged": abs(map_loss(y, target, j=1.0).item() - singly.mean().item()),
        "collapsed": map_loss(collapsed, digits, j=1.0).item(),
        "collapsed_without_competition": collapsed.gather(1, digits[:, None]).mean().item(),
    }


def rubbish_class() -> Named:
    """How hard a wrong penalty of 50 is still pushed up, by a rubbish class of penalty 1, of 99, and without one."""
    y, target = torch.full((1, 10), 50.0, dtype=torch.float64), torch.tensor([3])

    def push(j: float) -> float:
        return -torch.func.grad(map_loss)(y, target, j)[0, 0].item()

    return {"j_1": push(1.0), "j_99": push(99.0), "without": push(math.inf)}


# --- Training --------------------------------------------------------------------------------------------------------


def learns_digits(run: Run) -> float:
    """Share of the test digits of MNIST that LeNet-5 misreads after four passes over the first 6,000 for training.

    The centres of its output are drawn at random, so that the drawings of Figure 3 do not help.
    """
    mnist = run.data("mnist")
    torch.manual_seed(run.seed)
    network = build("lenet", "lenet5")
    network.output.centres.copy_(torch.randint(2, (10, 84)) * 2.0 - 1.0)
    run.train(
        "LeNet-5",
        network,
        torch.optim.SGD(network.parameters(), lr=0.01),
        _in_32x32(mnist.train.images[:6000]),
        mnist.train.labels[:6000],
        batch=16,
        epochs=4,
        loss=partial(map_loss, j=1.0),
    )
    read = outputs(network, _in_32x32(mnist.test.images)).argmin(dim=1)
    return (read != mnist.test.labels).double().mean().item()


def _in_32x32(images: Tensor) -> Tensor:
    """Digits of 28x28 bytes with a margin of two pixels, the background -0.1 and the ink 1.175 (Section II-B)."""
    return F.pad(images / 255, (2, 2, 2, 2)) * 1.275 - 0.1
