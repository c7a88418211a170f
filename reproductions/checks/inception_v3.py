"""Measurements of Inception-v3 that no count on a single network gives."""

from __future__ import annotations

from functools import cache, partial
from math import log
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from catalog.verify.training import Run, outputs
from reproductions import inception_v2
from reproductions.checks.measuring import count_macs, count_parameters, count_weights, distance, normal
from reproductions.inception_v1 import Concatenation
from reproductions.inception_v3 import (
    AuxiliaryClassifier,
    InceptionV3,
    build,
    label_smoothing_loss,
    module_8x8,
    module_17x17,
    module_35x35,
    pooled,
    reduction_to_8x8,
    reduction_to_17x17,
    tower,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

# --- The network -----------------------------------------------------------------------------------------------------


def feature_maps() -> dict[str, int]:
    """Sides of the maps behind each layer of the stem, and channels and sides behind the modules."""
    network = _network()
    x = torch.empty(1, 3, 299, 299, device="meta")
    names = ("convolution_1", "convolution_2", "convolution_3", "pool_1", "convolution_4", "convolution_5", "pool_2")
    maps = {}
    for name, layer in zip(names, network.stem, strict=True):
        x = layer(x)
        maps[f"{name}_side"] = x.shape[2]
    parts = {
        "fine": network.fine,
        "medium": network.medium,
        "reduced": network.coarse[:1],
        "coarse": network.coarse[1:],
    }
    for name, part in parts.items():
        x = part(x)
        maps |= {f"{name}_channels": x.shape[1], f"{name}_side": x.shape[2]}
    return maps | {"features": network.head[:2](x).shape[1]}


def depth() -> int:
    """Layers with weights on the longest way from the image to the scores."""
    network = _network()
    return sum(map(_depth, (network.stem, network.fine, network.medium, network.coarse, network.head)))


def parameters_without_scale() -> int:
    """Trainable parameters if batch normalisation had a shift and no scale, as in the authors' code."""
    scales = sum(module.weight.numel() for module in _network().modules() if isinstance(module, nn.BatchNorm2d))
    return count_parameters(_network()) - scales


def cost_against_bn_inception() -> float:
    """Multiply-accumulates over those of the network in the paper on batch normalisation."""
    with torch.device("meta"):
        bn_inception = inception_v2.build("bn-inception").eval()
    return _cost() / count_macs(bn_inception, (3, 224, 224))


def kernels() -> dict[str, list[int]]:
    """Heights and widths of the kernels in the towers of one module of each kind, with what they turn into."""
    modules = {"35x35": module_35x35(288, 64), "17x17": module_17x17(768, 160), "8x8": module_8x8(1280)}
    found = {}
    for name, module in modules.items():
        for number, branch in enumerate(module.branches, start=1):
            layers = [layer for layer in branch.modules() if isinstance(layer, nn.Conv2d)]
            found[f"{name}_{number}_heights"] = [layer.kernel_size[0] for layer in layers]
            found[f"{name}_{number}_widths"] = [layer.kernel_size[1] for layer in layers]
        found[f"{name}_outputs"] = _branch_outputs(module, 8)
    return found


def auxiliary_classifier() -> dict[str, int | list[int]]:
    """Maps in the auxiliary classifier, where it reads from, its normalised layers, and how many outputs there are."""
    with torch.device("meta"):
        network = build("inception-v3-aux", classes=7)
    seen: dict[str, Tensor] = {}
    network.medium.register_forward_hook(lambda *call: seen.update(medium=call[2]))
    network.auxiliary.register_forward_pre_hook(lambda _, inputs: seen.update(auxiliary=inputs[0]))
    image = torch.empty(2, 3, 299, 299, device="meta")
    network.eval().training = True  # of the whole alone, since statistics of batches of nothing take long
    scores, auxiliary = network(image)
    x = seen["auxiliary"]
    shapes = [(x := layer(x)).shape for layer in network.auxiliary]
    layers = list(network.auxiliary.modules())
    return {
        "reads_the_last_17x17": int(seen["auxiliary"] is seen["medium"]),
        "channels": [shape[1] for shape in shapes[:3]],
        "sides": [shape[2] for shape in shapes[:3]],
        "normalisations": sum(isinstance(layer, nn.BatchNorm2d) for layer in layers),
        "scores": list(scores.shape),
        "auxiliary_scores": list(auxiliary.shape),
        "outputs_in_a_test": len(network.eval()(image[:1])),
    }


def auxiliary_in_a_test() -> float:
    """The largest difference between the scores with and without an auxiliary classifier, of the same other weights."""
    torch.manual_seed(0)
    without, beside = build(classes=7).eval(), build("inception-v3-aux", classes=7).eval()
    beside.load_state_dict(without.state_dict(), strict=False)
    image = torch.randn(1, 3, 75, 75)
    with torch.no_grad():
        return distance(without(image), beside(image))


def dropout() -> dict[str, float]:
    """Share of the features that are dropped in training, and of those dropped in a test."""
    torch.manual_seed(0)
    head = _network().head[:3]
    features = torch.ones(200, 2048, 1, 1)
    training = head.train()(features)
    test = head.eval()(features)
    return {"training": float((training == 0).double().mean()), "test": float((test == 0).double().mean())}


def pools() -> dict[str, float]:
    """The smallest value of the average over a map of ones, and how far the other pools are from what they should be.

    These are 3x3 maxima of stride 2, without padding, and the mean over the last map.
    """
    network, x = _network(), normal(2, 4, 9, 9, seed=1)
    halved = F.max_pool2d(x, 3, stride=2)
    return {
        "average": float(pooled(1, 1)[0](torch.ones(1, 1, 5, 5)).min()),
        "stem_1": distance(network.stem[3](x), halved),
        "stem_2": distance(network.stem[6](x), halved),
        "reduction_to_17x17": distance(network.medium[0].branches[-1](x), halved),
        "reduction_to_8x8": distance(network.coarse[0].branches[-1](x), halved),
        "last": distance(network.head[:2](x), x.mean((2, 3))),
    }


def torchvision_auxiliary() -> dict[str, float]:
    """The auxiliary classifier against torchvision's."""
    from catalog.records import Peer
    from catalog.verify.parity import compare
    from catalog.verify.peers import build_peer

    torch.manual_seed(0)
    peer = Peer(library="torchvision", model="inception_v3", options={"init_weights": False})
    with torch.device("meta"):
        theirs = build_peer(peer).AuxLogits
    for norm in theirs.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.num_batches_tracked = None
    return compare(AuxiliaryClassifier(768, 1000), theirs.to_empty(device="cpu"), (768, 17, 17))


# --- Factorised convolutions (Section 3) -----------------------------------------------------------------------------


def factorisations() -> dict[str, float | list[int]]:
    """What is saved of the weights by stacks of small filters, and the size of what one output sees."""
    n = 16
    five, three, seven = (
        count_weights(tower(n, (n, 5))),
        count_weights(tower(n, (n, 3))),
        count_weights(tower(n, (n, 7))),
    )
    stacks: dict[str, tuple[int, Sequence[int | tuple[int, int]]]] = {
        "two_3x3": (five, (3, 3)),
        "3x1_and_1x3": (three, ((3, 1), (1, 3))),
        "two_2x2": (three, (2, 2)),
        "1x7_and_7x1": (seven, ((1, 7), (7, 1))),
    }
    measured: dict[str, float | list[int]] = {"5x5_over_3x3": five / three}
    for name, (whole, sizes) in stacks.items():
        measured[f"{name}_saved"] = 1 - count_weights(tower(n, *((n, size) for size in sizes))) / whole
        measured[f"{name}_sees"] = _receptive_field(tower(1, *((1, size) for size in sizes)))
    return measured


def separable_filter() -> dict[str, float | int]:
    """1x7 and 7x1 without a nonlinearity against the 7x7 that is their outer product, and with a ReLU in between."""
    stack = tower(1, (1, (1, 7)), (1, (7, 1))).double()
    row, column = (layer[0] for layer in stack)
    x = normal(2, 1, 17, 17, seed=1)
    with torch.no_grad():
        row.weight.copy_(normal(1, 1, 1, 7, seed=2))
        column.weight.copy_(normal(1, 1, 7, 1, seed=3))
        whole = F.conv2d(x, column.weight * row.weight, padding=3)
        between = row(x)
        return {
            "linear": distance(column(between), whole),
            "with_relu": distance(column(between.relu()), whole),
            "stack": row.weight.numel() + column.weight.numel(),
            "whole": 7 * 7,
        }


def activations() -> dict[str, int]:
    """Convolutions of all networks, how many normalisation (with ε = 0.001) and then ReLU follow, and biases."""
    with torch.device("meta"):
        modules = list(build("inception-v3-aux").modules())
    rows = [list(module) for module in modules if isinstance(module, nn.Sequential)]
    triples = [triple for row in rows for triple in zip(row, row[1:], row[2:], strict=False)]
    convolutions = [module for module in modules if isinstance(module, nn.Conv2d)]
    return {
        "convolutions": len(convolutions),
        "normalised_and_rectified": sum(
            isinstance(a, nn.Conv2d) and isinstance(b, nn.BatchNorm2d) and isinstance(c, nn.ReLU) and b.eps == 1e-3
            for a, b, c in triples
        ),
        "biases": sum(layer.bias is not None for layer in convolutions),
    }


# --- Smaller maps (Sections 5 and 9) ---------------------------------------------------------------------------------


def grid_reduction() -> dict[str, float | int | list[int]]:
    """Costs of three ways from d x d x k to half the side and 2k channels, and what the first reduction gives."""
    d, k = 16, 32
    with torch.device("meta"):
        pool = partial(nn.AvgPool2d, 2)
        expand = partial(nn.Conv2d, k, bias=False, kernel_size=1)
        ways = {
            "expand_first": nn.Sequential(expand(2 * k), pool()),
            "pool_first": nn.Sequential(pool(), expand(2 * k)),
            "side_by_side": Concatenation(expand(k, stride=2), pool()),
        }
        reduction = reduction_to_17x17(288).eval()
    costs = {name: count_macs(way, (k, d, d)) for name, way in ways.items()}
    shapes = {name: way(torch.empty(1, k, d, d, device="meta")).shape for name, way in ways.items()}
    return {
        **{name: cost / (d * d * k * k) for name, cost in costs.items()},
        "times_more": costs["expand_first"] / costs["pool_first"] - 1,
        "outputs": [shape[1] for shape in shapes.values()],
        "branches": _branch_outputs(reduction, 35),
        "before": 288 * 35**2,
        "behind": reduction(torch.empty(1, 288, 35, 35, device="meta")).numel(),
        "bottleneck": 288 * 17**2,
    }


def reductions() -> dict[str, list[int]]:
    """Channels of the branches of both reductions, and paddings and strides of the last convolution of each tower."""
    found = {}
    for name, module, side in (("17x17", reduction_to_17x17(288), 35), ("8x8", reduction_to_8x8(768), 17)):
        last = [branch[-1][0] for branch in module.branches[:-1]]
        found[f"{name}_branches"] = _branch_outputs(module, side)
        found[f"{name}_strides"] = [layer.stride[0] for layer in last]
        found[f"{name}_paddings"] = [layer.padding[0] for layer in last]
    return found


def low_resolution() -> dict[str, float]:
    """Multiply-accumulates with images of 151 and of 79 over those with images of 299, and sides of the last maps."""
    measured: dict[str, float] = {}
    for side in (151, 79):
        with torch.device("meta"):
            network = build(f"inception-v3-s{side}").eval()
        maps = nn.Sequential(network.stem, network.fine, network.medium, network.coarse)
        with FlopCounterMode(display=False) as counter:
            last = maps(torch.empty(1, 3, side, side, device="meta"))
        measured[f"cost_{side}"] = (counter.get_total_flops() // 2 + network.head[-1].weight.numel()) / _cost()
        measured[f"side_{side}"] = last.shape[2]
    return measured


def naive_low_resolution() -> float:
    """How many times less the network costs with images of 79 if nothing else is changed."""
    return _cost() / count_macs(_network(), (3, 79, 79))


# --- Label smoothing (Section 7) -------------------------------------------------------------------------------------


def label_smoothing() -> dict[str, float]:
    """The loss against a mixture of two cross-entropies and against torch's, and the extremes of its gradient."""
    scores = 5 * normal(32, 1000, seed=1)
    scores.requires_grad_()
    labels = torch.randint(1000, (32,), generator=torch.Generator().manual_seed(2))
    loss = label_smoothing_loss(scores, labels)
    log_p = scores.log_softmax(dim=1)
    h_q = F.nll_loss(log_p, labels)
    h_u = -log_p.mean()
    divergence = (log(1 / 1000) - log_p).mean()  # of u from p: H(u, p) less the entropy of u
    (gradient,) = torch.autograd.grad(32 * loss, scores)
    smoothed = 0.9 * F.one_hot(labels, 1000).double() + 0.1 / 1000
    with torch.no_grad():
        return {
            "mixture": abs(float(loss - (0.9 * h_q + 0.1 * h_u))),
            "divergence": abs(float(loss - (0.9 * h_q + 0.1 * (divergence + log(1000))))),
            "torch": abs(float(loss - F.cross_entropy(scores, labels, label_smoothing=0.1))),
            "without": abs(float(label_smoothing_loss(scores, labels, 0.0) - h_q)),
            "hard_labels": abs(float(loss - h_q)),
            "gradient": distance(gradient, scores.softmax(dim=1) - smoothed),
            "smallest": float(gradient.min()),
            "largest": float(gradient.max()),
        }


def largest_logit() -> dict[str, float]:
    """How far the largest of K free scores is from the others where the loss is smallest, and the formula for it.

    ``hard_labels`` is how far it gets without smoothing.
    """
    measured = {}
    for classes in (1000, 10):
        measured[f"gap_{classes}"] = _best_gap(classes, epsilon=0.1)
        measured[f"formula_{classes}"] = log((0.9 + 0.1 / classes) / (0.1 / classes))
    return measured | {"hard_labels": _best_gap(10, epsilon=0.0)}


# --- Training --------------------------------------------------------------------------------------------------------


def smoothed_scores(run: Run) -> dict[str, float]:
    """The distance of the true score from the mean of the others, and the top probability, on digits trained on."""
    measured = {}
    for name, epsilon in (("smoothed", 0.1), ("hard", 0.0)):
        scores, labels = _scores_of_digits(run, name, epsilon, test=False)
        true = scores.gather(1, labels[:, None]).squeeze(1)
        others = (scores.sum(dim=1) - true) / 9
        measured[f"{name}_gap"] = (true - others).mean().item()
        measured[f"{name}_probability"] = _confidence(scores)
    return measured


def smoothed_confidence(run: Run) -> dict[str, float]:
    """How much lower the mean top probability is with smoothing, and both accuracies, on digits held back."""
    measured = {}
    for name, epsilon in (("smoothed", 0.1), ("hard", 0.0)):
        scores, labels = _scores_of_digits(run, name, epsilon, test=True)
        measured[f"{name}_confidence"] = _confidence(scores)
        measured[f"{name}_accuracy"] = (scores.argmax(dim=1) == labels).float().mean().item()
    drop = measured["hard_confidence"] - measured["smoothed_confidence"]
    return {"confidence_drop": drop, **{name: measured[f"{name}_accuracy"] for name in ("smoothed", "hard")}}


def _scores_of_digits(run: Run, arm: str, epsilon: float, *, test: bool) -> tuple[Tensor, Tensor]:
    digits = run.data("digits").divide(run.seed)
    train, part = digits.train, digits.test if test else digits.train
    torch.manual_seed(run.seed)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    run.train(
        arm,
        network,
        torch.optim.Adam(network.parameters(), lr=3e-3),
        train.images / 16,
        train.labels,
        batch=128,
        steps=1500,
        loss=partial(label_smoothing_loss, epsilon=epsilon),
    )
    return outputs(network, part.images / 16), part.labels


def _confidence(scores: Tensor) -> float:
    return scores.softmax(dim=1).amax(dim=1).mean().item()


# --- Helpers ---------------------------------------------------------------------------------------------------------


@cache
def _network() -> InceptionV3:
    with torch.device("meta"):
        return build().eval()


@cache
def _cost() -> int:
    return count_macs(_network(), (3, 299, 299))


def _depth(module: nn.Module) -> int:
    """Layers with weights on the longest way through a module made of rows and of branches side by side."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        return 1
    below = [_depth(child) for child in module.children() if not isinstance(child, nn.ModuleList)]
    return max(map(_depth, module.branches)) if isinstance(module, Concatenation) else sum(below)


def _branch_outputs(module: Concatenation, side: int) -> list[int]:
    inputs = next(layer.in_channels for layer in module.modules() if isinstance(layer, nn.Conv2d))
    x = torch.empty(1, inputs, side, side, device="meta")
    return [branch.to("meta").eval()(x).shape[1] for branch in module.branches]


def _best_gap(classes: int, epsilon: float) -> float:
    scores = torch.zeros(1, classes, dtype=torch.float64, requires_grad=True)
    label = torch.zeros(1, dtype=torch.long)
    optimiser = torch.optim.LBFGS(
        [scores], max_iter=200, tolerance_grad=1e-12, tolerance_change=1e-14, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = label_smoothing_loss(scores, label, epsilon)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)
    return float(scores[0, 0].detach() - scores[0, 1:].detach().mean())


def _receptive_field(stack: nn.Sequential) -> list[int]:
    """Height and width of what a single pixel reaches through kernels of ones, which is what one output sees."""
    for layer in stack.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.ones_(layer.weight)
    image = torch.zeros(1, 1, 21, 21)
    image[..., 10, 10] = 1
    with torch.no_grad():
        rows, columns = stack.eval()(image)[0, 0].nonzero(as_tuple=True)
    return [int(place.max() - place.min()) + 1 for place in (rows, columns)]
