"""Measurements of Inception-v4 and Inception-ResNet that no count on a single network gives."""

from __future__ import annotations

from copy import deepcopy
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from catalog.verify.training import Run, outputs
from reproductions import inception_v3
from reproductions.checks.measuring import count_macs, count_parameters, distance, randomise
from reproductions.inception_v1 import Concatenation
from reproductions.inception_v3 import conv, tower
from reproductions.inception_v4 import Inception, InceptionResNetBlock, build, pooled

NAMES = {"v4": "inception-v4", "v1": "inception-resnet-v1", "v2": "inception-resnet-v2"}
RESIDUAL = ("v1", "v2")
POOLS = (nn.MaxPool2d, nn.AvgPool2d)

# --- The networks ----------------------------------------------------------------------------------------------------


def stem() -> dict[str, int | list[int]]:
    """What the stem of Inception-v4 gives, its parameters, and channels and sides behind each of its parts."""
    shapes, x = [], torch.empty(1, 3, 299, 299, device="meta")
    stem = _network("v4").stem
    for part in stem:
        x = part(x)
        shapes.append(x.shape)
    return {
        "channels": x.shape[1],
        "side": x.shape[2],
        "parameters": count_parameters(stem),
        "channels_of_parts": [shape[1] for shape in shapes],
        "sides_of_parts": [shape[2] for shape in shapes],
    }


def feature_maps() -> dict[str, int]:
    """Channels and sides behind each part of the networks, and how many features there are."""
    maps = {}
    for name in NAMES:
        network = _network(name)
        x = torch.empty(1, 3, 299, 299, device="meta")
        parts = {"stem": network.stem, "a": network.a[:1], "reduction_a": network.reduction_a, "b": network.b[:1]}
        for part, layers in (parts | {"reduction_b": network.reduction_b, "c": network.c[:1]}).items():
            x = layers(x)
            maps |= {f"{name}_{part}_channels": x.shape[1], f"{name}_{part}_side": x.shape[2]}
        maps[f"{name}_features"] = network.head[:2](x).shape[1]
    return maps


def modules() -> dict[str, int]:
    """How many modules of each kind the networks have."""
    return {f"{name}_{kind}": len(getattr(_network(name), kind)) for name in NAMES for kind in "abc"}


def released_modules() -> dict[str, int]:
    """How many residual blocks of each kind the released Inception-ResNet-v2 has, and the number of its features."""
    network = _build("inception-resnet-v2-slim")
    blocks = {kind: _blocks(getattr(network, kind)) for kind in "abc"}
    return {
        **{kind: len(found) for kind, found in blocks.items()},
        "without_relu": sum(not isinstance(block.relu, nn.ReLU) for found in blocks.values() for block in found),
        "features": network.head[-1].in_features,
    }


def reduction_a() -> dict[str, int]:
    """The widths k, l, m and n of Reduction-A, and what it makes of the stem's channels."""
    found = {}
    for name in NAMES:
        reduction = _network(name).reduction_a
        pool, single, tower_ = reduction.branches
        widths = [layer.out_channels for branch in (tower_, single) for layer in _convolutions(branch)]
        found |= {f"{name}_{letter}": width for letter, width in zip("klmn", widths, strict=True)}
        x = torch.empty(1, _convolutions(reduction)[0].in_channels, 35, 35, device="meta")
        found |= {f"{name}_outputs": reduction(x).shape[1], f"{name}_side": reduction(x).shape[2]}
        found[f"{name}_pooled"] = pool(x).shape[1]
    return found


def kernels() -> dict[str, list[int]]:
    """Outputs, heights and widths of the convolutions in one module of each kind, branch after branch.

    ``branches`` are the numbers of convolutions in the branches, two ends of one side by side included, and ``pools``
    the places of the branches with a pool.
    """
    found = {}
    for name in NAMES:
        network = _network(name)
        parts = {"a": network.a[0], "b": network.b[0], "reduction_b": network.reduction_b, "c": network.c[0]}
        for kind, part in parts.items():
            branches = next(module for module in part.modules() if isinstance(module, Concatenation)).branches
            layers = [layer for branch in branches for layer in _convolutions(branch)]
            pools = [any(isinstance(layer, POOLS) for layer in branch.modules()) for branch in branches]
            found[f"{name}_{kind}_branches"] = [len(_convolutions(branch)) for branch in branches]
            found[f"{name}_{kind}_pools"] = [place for place, pool in enumerate(pools) if pool] or [-1]
            found[f"{name}_{kind}_outputs"] = [layer.out_channels for layer in layers]
            found[f"{name}_{kind}_heights"] = [layer.kernel_size[0] for layer in layers]
            found[f"{name}_{kind}_widths"] = [layer.kernel_size[1] for layer in layers]
    return found


def expansions() -> dict[str, int]:
    """Outputs of the 1x1 convolution that expands the branches, in each kind of block."""
    return {f"{name}_{kind}": _block(name, kind).layers[-1].out_channels for name in RESIDUAL for kind in "abc"}


def normalisation() -> dict[str, int]:
    """Convolutions of the networks; how many normalisation with ε = 0.001 and ReLU follow; biases; and expansions."""
    found = {}
    for name in NAMES:
        modules = list(_network(name).modules())
        rows = [list(module) for module in modules if isinstance(module, nn.Sequential)]
        triples = [triple for row in rows for triple in zip(row, row[1:], row[2:], strict=False)]
        layers = _convolutions(_network(name))
        found |= {
            f"{name}_convolutions": len(layers),
            f"{name}_normalised_and_rectified": sum(
                isinstance(a, nn.Conv2d) and isinstance(b, nn.BatchNorm2d) and isinstance(c, nn.ReLU) and b.eps == 1e-3
                for a, b, c in triples
            ),
            f"{name}_biases": sum(layer.bias is not None for layer in layers),
            f"{name}_blocks": len(_blocks(_network(name))),
        }
    return found


def cost_of_v1() -> dict[str, float]:
    """Multiply-accumulates of Inception-ResNet-v1, and over those of Inception-v3."""
    macs = count_macs(_network("v1"), (3, 299, 299))
    return {"macs": macs, "over_v3": macs / count_macs(_inception_v3(), (3, 299, 299))}


def cost_of_v2() -> dict[str, float]:
    """Multiply-accumulates of Inception-ResNet-v2, of the figures and as released, and over those of Inception-v4."""
    networks = _network("v4"), _network("v2"), _build("inception-resnet-v2-slim")
    v4, figures, released = (count_macs(network, (3, 299, 299)) for network in networks)
    return {
        "figures": figures,
        "released": released,
        "figures_over_v4": figures / v4,
        "released_over_v4": released / v4,
    }


def dropout() -> dict[str, float]:
    """Share of the features that is kept before the classifier in training, and in a test."""
    torch.manual_seed(0)
    features, head = torch.ones(200, 1536, 1, 1), _network("v4").head[:3]
    kept = (head.train()(features) != 0).double().mean()
    return {"training": float(kept), "test": float((head.eval()(features) != 0).double().mean())}


# --- Their parts -----------------------------------------------------------------------------------------------------


def pools() -> dict[str, float]:
    """The smallest value of the average over a map of ones, in Inception-v3 too, and what is wrong with other pools.

    These are 3x3 maxima of stride 2, without padding, and the mean over the last map.
    """
    x = torch.randn(2, 4, 9, 9, generator=torch.Generator().manual_seed(1))
    halved, ones = F.max_pool2d(x, 3, stride=2), torch.ones(1, 1, 5, 5)
    stem = _network("v4").stem
    found = {
        "average": float(pooled(1, 1)[0](ones).min()),
        "average_of_v3": float(inception_v3.pooled(1, 1)[0](ones).min()),
        "stem_1": distance(stem[3].branches[0](x), halved),
        "stem_2": distance(stem[5].branches[1](x), halved),
        "last": distance(_network("v4").head[:2](x), x.mean((2, 3))),
    }
    for name in NAMES:
        for part in ("reduction_a", "reduction_b"):
            pool = getattr(_network(name), part).branches[0]
            found[f"{name}_{part}"] = distance(pool(x), halved)
    return found


def residual_blocks() -> dict[str, float]:
    """Differences between blocks of each kind and relu(x + s (W z + b)) written out; and with a ReLU before the sum."""
    torch.manual_seed(0)
    found = {}
    scales = {"a": 0.17, "b": 0.1, "c": 0.2}
    with torch.no_grad():
        for name in RESIDUAL:
            for kind, scale in scales.items():
                block = randomise(_block(name, kind), std=0.1)
                x = torch.randn(1, block.layers[-1].out_channels, 5, 5, dtype=torch.float64)
                z = torch.cat([branch(x) for branch in block.layers[0].branches], dim=1)
                z = F.conv2d(z, block.layers[-1].weight, block.layers[-1].bias)
                found[f"{name}_{kind}"] = distance(block(x), (x + scale * z).relu())
                found[f"{name}_{kind}_rectified"] = distance(block(x), (x + scale * z.relu()).relu())
    return found


def scaled_to_nothing() -> dict[str, float]:
    """Blocks with scale 0 on what is not negative, and what a scale of 0.2 adds over twice what 0.1 adds, less 1."""
    torch.manual_seed(0)
    identity, ratios, others = [], [], []
    with torch.no_grad():
        for name in RESIDUAL:
            for kind in "abc":
                block = randomise(_block(name, kind), std=0.1)
                x = torch.randn(1, block.layers[-1].out_channels, 5, 5, dtype=torch.float64).relu()
                others.append(distance(block(x), x))
                block.scale = 0.0
                identity.append(distance(block(x), x))
                block.relu = nn.Identity()
                added = []
                for scale in (0.1, 0.2):
                    block.scale = scale
                    added.append(block(x) - x)
                ratios.append(float((added[1] / (2 * added[0]) - 1).abs().median()))
    return {"identity": max(identity), "proportional": max(ratios), "as_they_are": min(others)}


def scaling() -> dict[str, float | list[float]]:
    """Variance behind 20 blocks of 64 channels without normalisation, for the scales 1, 0.3 and 0.1."""
    variances = []
    for scale in (1.0, 0.3, 0.1):
        torch.manual_seed(0)
        x = torch.randn(16, 64, 8, 8)
        with torch.no_grad():
            for _ in range(20):
                layer = nn.Sequential(nn.Conv2d(64, 64, 3, padding=1), nn.ReLU())
                block = InceptionResNetBlock(64, (nn.Sequential(layer),), scale=scale)
                block.relu = nn.Identity()
                for convolution in _convolutions(block):
                    nn.init.kaiming_normal_(convolution.weight)
                    nn.init.zeros_(convolution.bias)
                x = block(x)
        variances.append(float(x.var()))
    return {"variances": variances, "unscaled": variances[0], "by_0.3": variances[1], "by_0.1": variances[2]}


def linear_expansion() -> dict[str, int | float]:
    """In the blocks of both residual networks: channels that are expanded to, biases, and how linear the expansion is.

    ``behind`` counts layers between the expansion and the sum; ``not_linear`` is how far the branch is from linear in
    what the towers give.
    """
    torch.manual_seed(0)
    fits = biases = behind = 0
    deviations = []
    with torch.no_grad():
        for name in RESIDUAL:
            for kind in "abc":
                block = randomise(_block(name, kind), std=0.1)
                towers, expansion = block.layers[0], block.layers[1:]
                inputs = _convolutions(towers)[0].in_channels
                fits += expansion[0].out_channels == inputs
                biases += expansion[0].bias is not None
                behind += len(expansion) - 1
                z = torch.randn(2, 1, expansion[0].in_channels, 3, 3, dtype=torch.float64)
                deviations.append(
                    distance(expansion(z.sum(0)) + expansion(0 * z[0]), expansion(z[0]) + expansion(z[1]))
                )
    return {"fits": fits, "biases": biases, "behind": behind, "not_linear": max(deviations)}


# --- Peers -----------------------------------------------------------------------------------------------------------


def pytorchcv_v1() -> dict[str, float]:
    """The maps of Inception-ResNet-v1 against those of pytorchcv's, less the block that this has more at the end.

    That network was made for faces; its scores come from a layer in between that the paper does not have. Its pools
    stand last.
    """
    from catalog.records import Peer
    from catalog.verify.parity import compare
    from catalog.verify.peers import build_peer

    torch.manual_seed(0)
    theirs = build_peer(Peer(library="pytorchcv", model="inceptionresnetv1")).features
    theirs.final_pool = nn.Identity()
    theirs.stage3.unit7 = nn.Identity()
    ours = build("inception-resnet-v1")
    ours.head = nn.Identity()
    for reduction in (ours.reduction_a, ours.reduction_b):
        pool, *others = reduction.branches
        reduction.branches = nn.ModuleList([*others, pool])
    return compare(ours, theirs, (3, 75, 75))


# --- Training --------------------------------------------------------------------------------------------------------


class _Plain(InceptionResNetBlock):
    """The same block with the same parameters, and without a shortcut."""

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.layers(x))


def residual_connections(run: Run) -> dict[str, float]:
    """Ten narrow blocks with shortcuts and without, on digits: the ratio of training losses, and both accuracies."""
    loss, accuracy = _train_on_digits(run, "residual", InceptionResNetBlock)
    plain_loss, plain_accuracy = _train_on_digits(run, "plain", _Plain)
    return {"loss_ratio": plain_loss / loss, "accuracy": accuracy, "gain": accuracy - plain_accuracy}


def _train_on_digits(run: Run, arm: str, block: type[InceptionResNetBlock]) -> tuple[float, float]:
    """The mean training loss of the last 50 of 300 steps, and the test accuracy."""
    digits = run.data("digits").divide(run.seed)
    torch.manual_seed(run.seed)

    def narrow() -> InceptionResNetBlock:
        towers = (tower(24, (8, 1)), tower(24, (8, 1), (8, 3)), tower(24, (8, 1), (8, 3), (8, 3)))
        return block(24, towers, scale=0.3)

    network = nn.Sequential(
        conv(1, 24, 3, padding=1),
        *(narrow() for _ in range(10)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(24, 10),
    )
    history = run.train(
        arm,
        network,
        torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9),
        digits.train.images / 16,
        digits.train.labels,
        batch=64,
        steps=300,
    )
    right = outputs(network, digits.test.images / 16).argmax(dim=1) == digits.test.labels
    return history.mean_loss(last=50), right.float().mean().item()


# --- Helpers ---------------------------------------------------------------------------------------------------------


@cache
def _build(variant: str) -> Inception:
    with torch.device("meta"):
        return build(variant).eval()


@cache
def _inception_v3() -> inception_v3.InceptionV3:
    with torch.device("meta"):
        return inception_v3.build().eval()


def _network(name: str) -> Inception:
    return _build(NAMES[name])


def _block(name: str, kind: str) -> InceptionResNetBlock:
    return deepcopy(getattr(_network(name), kind)[0]).to_empty(device="cpu")


def _blocks(module: nn.Module) -> list[InceptionResNetBlock]:
    return [part for part in module.modules() if isinstance(part, InceptionResNetBlock)]


def _convolutions(module: nn.Module) -> list[nn.Conv2d]:
    return [layer for layer in module.modules() if isinstance(layer, nn.Conv2d)]
