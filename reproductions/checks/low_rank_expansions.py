"""Measurements of low-rank expansions that need code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.func import jacrev
from torch.nn import functional as F

from catalog.verify.training import Run, accuracy
from reproductions import build
from reproductions.checks.measuring import count_macs, distance, normal
from reproductions.low_rank_expansions import Maxout, Scheme1Conv, Scheme2Conv, cost, fit_data, fit_filters

if TYPE_CHECKING:
    from collections.abc import Callable

Named = dict[str, float | int | list[float] | list[int]]

C, N, D = 8, 12, 5  # the layer that most checks take; 40 is its full rank


def _conv(inputs: int = C, outputs: int = N, kernel: int = D, *, seed: int = 0, padding: int = 0) -> nn.Conv2d:
    """A layer with Gaussian weights and biases."""
    return _randomise(nn.Conv2d(inputs, outputs, kernel, padding=padding), seed)


def _randomise(module: nn.Conv2d, seed: int) -> nn.Conv2d:
    module = module.double().requires_grad_(False)
    for number, parameter in enumerate(module.parameters()):
        parameter.copy_(normal(*parameter.shape, seed=100 * seed + number))
    return module


def _filters(layer: Scheme2Conv) -> Tensor:
    """The filters, (N, C, d, d), of the layer that the two layers of scheme 2 amount to."""
    columns, rows = layer[0].weight.detach()[..., 0], layer[1].weight.detach()[:, :, 0]
    return torch.einsum("kci,nkj->ncij", columns, rows)


def _matrix(filters: Tensor) -> Tensor:
    """(C d, N d): a row for each input channel and vertical tap, a column for each filter and horizontal tap."""
    rows = [filters[:, c, i].flatten() for c in range(filters.shape[1]) for i in range(filters.shape[2])]
    return torch.stack(rows)


# --- Structure -------------------------------------------------------------------------------------------------------


def stages() -> Named:
    """Channels, side and multiply-accumulates behind each stage of the network for one image."""
    network, x = build("low-rank-expansions").to("meta"), torch.empty(1, 1, 24, 24, device="meta")
    measured: Named = {}
    for name, stage in network.named_children():
        macs, x = count_macs(stage, x.shape[1:]), stage(x)
        measured[name] = [*x.shape[1:], macs]
    return measured


def costs() -> Named:
    """Costs by the formulas, less what the layers themselves cost, for several sizes."""
    sizes = [(5, 7, 3, 11, 2), (1, 4, 5, 9, 3), (48, 128, 9, 16, 9), (64, 512, 8, 8, 32)]
    excess: Named = {}
    for scheme, layer in (("scheme1", Scheme1Conv), ("scheme2", Scheme2Conv)):
        excess[scheme] = [
            cost(scheme, c, n, d, h, rank) - count_macs(layer(c, n, d, rank).to("meta"), (c, h, h))
            for c, n, d, h, rank in sizes
        ]
    excess["full"] = [
        cost("full", c, n, d, h) - count_macs(nn.Conv2d(c, n, d, device="meta"), (c, h, h)) for c, n, d, h, _ in sizes
    ]
    return excess


def speed_ups() -> Named:
    """How many times cheaper conv2 and conv3 get, by the formulas, at the ranks of the two variants."""
    conv2, conv3 = (48, 128, 9, 16), (64, 512, 8, 8)
    return {
        "conv2_scheme1": cost("full", *conv2) / cost("scheme1", *conv2, 9),
        "conv3_scheme1": cost("full", *conv3) / cost("scheme1", *conv3, 8),
        "conv2_scheme2": cost("full", *conv2) / cost("scheme2", *conv2, 32),
        "conv3_scheme2": cost("full", *conv3) / cost("scheme2", *conv3, 32),
    }


def shapes_in_between() -> Named:
    """Sizes of what the first halves of both schemes give for a 16x16 image with filters of side 9."""
    x = torch.empty(1, 48, 16, 16, device="meta")
    with torch.device("meta"):
        scheme1, scheme2 = Scheme1Conv(48, 128, 9, 4), Scheme2Conv(48, 128, 9, 32)
    return {
        "scheme1_columns": list(scheme1[0](x).shape[1:]),
        "scheme1_rows": list(scheme1[1](scheme1[0](x)).shape[1:]),
        "scheme2_columns": list(scheme2[0](x).shape[1:]),
        "scheme2_rows": list(scheme2(x).shape[1:]),
    }


def biases() -> Named:
    """Biases of both schemes, of the first layers and of the last."""
    measured: Named = {}
    for name, layer in (("scheme1", Scheme1Conv(C, N, D, 3)), ("scheme2", Scheme2Conv(C, N, D, 7))):
        counts = [0 if part.bias is None else part.bias.numel() for part in layer]
        measured[name] = [sum(counts[:-1]), counts[-1]]
    return measured


# --- What the layers compute -----------------------------------------------------------------------------------------


def maxout() -> Named:
    """The activation against the maximum of neighbouring channels, and of channels that lie apart."""
    x = normal(2, 6, 3, 3, seed=1)
    y = Maxout(2)(x)
    return {
        "neighbours": distance(y, torch.stack([x[:, i : i + 2].max(1).values for i in (0, 2, 4)], 1)),
        "apart": distance(y, torch.stack([x[:, i::3].max(1).values for i in range(3)], 1)),
    }


def _network(variant: str = "charnet") -> nn.Module:
    """A network whose parameters are all drawn at random, scaled so that no layer drowns the others."""
    network = build("low-rank-expansions", variant).double().requires_grad_(False)
    for seed, parameter in enumerate(network.parameters()):
        parameter.copy_(normal(*parameter.shape, seed=seed) / parameter[0].numel() ** 0.5)
    return network


def written_out() -> Named:
    """The network against its layer table, written out without convolution and pooling routines."""
    network, x = _network(), normal(2, 1, 24, 24, seed=100)
    outputs = network(x)

    def layer(x: Tensor, conv: nn.Conv2d, pieces: int) -> Tensor:
        d = conv.weight.shape[-1]
        patches = x.unfold(2, d, 1).unfold(3, d, 1)
        maps = torch.einsum("bcyxij,ncij->bnyx", patches, conv.weight) + conv.bias[:, None, None]
        return torch.stack([maps[:, first::pieces] for first in range(pieces)]).max(0).values

    for name, pieces in (("conv1", 2), ("conv2", 2), ("conv3", 4), ("conv4", 4)):
        x = layer(x, getattr(network, name)[0], pieces)
    return {"difference": distance(outputs, x[:, :, 0, 0]), "spread": outputs.std().item()}


def scheme1_is_exact() -> Named:
    """Scheme 1 against layers whose filters lie in the span of its basis; against any, with a basis of d^2 deltas.

    ``two_of_three`` leaves the last basis filter of each channel out.
    """
    x, basis = normal(2, C, 16, 16, seed=1), 3
    columns, rows, mixing = normal(C, basis, D, seed=2), normal(C, basis, D, seed=3), normal(N, C, basis, seed=4)
    bias = normal(N, seed=5)
    dense = F.conv2d(x, torch.einsum("cmi,cmj,ncm->ncij", columns, rows, mixing), bias)

    def response(columns: Tensor, rows: Tensor, mixing: Tensor, bias: Tensor) -> Tensor:
        layer = Scheme1Conv(C, N, D, columns.shape[1]).double().requires_grad_(False)
        layer[0].weight.copy_(columns.reshape(-1, 1, D, 1))
        layer[1].weight.copy_(rows.reshape(-1, 1, 1, D))
        layer[2].weight.copy_(mixing.reshape(N, -1, 1, 1))
        layer[2].bias.copy_(bias)
        return layer(x)

    conv, taps = _conv(seed=6), torch.eye(D, dtype=torch.float64)
    deltas = (taps.repeat_interleave(D, 0).expand(C, -1, -1), taps.repeat(D, 1).expand(C, -1, -1))
    return {
        "in_the_span": distance(response(columns, rows, mixing, bias), dense),
        "two_of_three": distance(response(columns[:, :2], rows[:, :2], mixing[..., :2], bias), dense),
        "deltas": distance(response(*deltas, conv.weight.flatten(2), conv.bias), conv(x)),
    }


def scheme2_is_a_convolution() -> Named:
    """Scheme 2 against the convolution with the product of its two layers; and with a ReLU between them."""
    layer, x = Scheme2Conv(C, N, D, 7).double().requires_grad_(False), normal(2, C, 16, 16, seed=1)
    for seed, parameter in enumerate(layer.parameters(), start=2):
        parameter.copy_(normal(*parameter.shape, seed=seed))
    dense = F.conv2d(x, _filters(layer), layer[1].bias)
    return {"linear": distance(layer(x), dense), "with_relu": distance(layer[1](layer[0](x).relu()), dense)}


# --- Fitting ---------------------------------------------------------------------------------------------------------


def filter_error() -> Named:
    """Squared error of the fitted filters over the discarded singular values squared; responses at full rank."""
    conv, x = _conv(), normal(2, C, 16, 16, seed=1)
    singular = torch.linalg.svdvals(_matrix(conv.weight))
    measured: Named = {"singular_values": len(singular)}
    for rank in (5, 20):
        layer = fit_filters(conv, rank)
        discarded = singular[rank:].square().sum()
        measured[f"rank_{rank}"] = ((conv.weight - _filters(layer)).square().sum() / discarded).item()
        responses = F.conv2d(x, _filters(layer), conv.bias)
        measured[f"responses_{rank}"] = distance(layer(x), responses)
        measured[f"channels_{rank}"] = layer[0].out_channels
    measured["full_rank"] = distance(fit_filters(conv, 40)(x), conv(x))
    measured["one_less"] = distance(fit_filters(conv, 39)(x), conv(x))
    return measured


def other_sizes() -> Named:
    """Responses at full rank of layers with padding, with one channel, with one filter, without bias."""
    layers = {
        "padded": _conv(3, 4, 3, padding=1),
        "one_channel": _conv(1, 6, 3),
        "one_filter": _conv(6, 1, 3),
        "no_bias": _randomise(nn.Conv2d(3, 4, 3, bias=False), 1),
    }
    measured: Named = {}
    for name, conv in layers.items():
        x, rank = normal(2, conv.in_channels, 9, 9, seed=1), 3 * min(conv.in_channels, conv.out_channels)
        measured[name] = max(distance(fit(x), conv(x)) for fit in (fit_filters(conv, rank), fit_data(conv, x, rank)))
    return measured


def taps() -> Named:
    """Responses at full rank when the fit mistakes vertical for horizontal taps: random filters, and symmetric ones."""
    x = normal(2, C, 16, 16, seed=1)
    conv, mistaken = _conv(), _conv()
    mistaken.weight.copy_(conv.weight.mT)
    random = distance(fit_filters(mistaken, 40)(x), conv(x))
    symmetric = conv.weight + conv.weight.mT
    for layer in (conv, mistaken):
        layer.weight.copy_(symmetric)
    return {"random": random, "symmetric": distance(fit_filters(mistaken, 40)(x), conv(x))}


def alternation_finds_the_same() -> Named:
    """Squared filter error of the alternation from a random start over that of ``fit_filters``, as it goes on.

    ``white`` is the same for ``fit_data`` on images whose patches are the unit vectors, where responses are filters.
    """
    conv, rank = _conv(), 8
    matrix = _matrix(conv.weight)
    best = (conv.weight - _filters(fit_filters(conv, rank))).square().sum()
    columns, ratios = normal(C * D, rank, seed=1), []
    for step in range(1, 2001):
        rows = torch.linalg.lstsq(columns, matrix).solution
        columns = torch.linalg.lstsq(rows.T, matrix.T).solution.T
        if step in (1, 10, 2000):
            ratios.append(((matrix - columns @ rows).square().sum() / best).item())
    patches = torch.eye(C * D * D, dtype=torch.float64).view(-1, C, D, D)
    white = (conv.weight - _filters(fit_data(conv, patches, rank))).square().sum()
    return {"ratios": ratios, "in_the_end": ratios[-1], "white": (white / best).item()}


def _images(seed: int) -> tuple[Tensor, Tensor]:
    """Images for training and as many for testing: smoothed noise, through a convolution and a ReLU."""
    noise = F.avg_pool2d(normal(80, C, 24, 24, seed=seed), 3, stride=1, padding=1)
    images = F.conv2d(noise, normal(C, C, D, D, seed=seed + 1000)).relu()
    return images[:40], images[40:]


def response_fit() -> Named:
    """Relative squared error of the responses at rank 8: on training images after 0 to 6 alternations; on others.

    ``from_six_alternations`` is how far the fit without a number of alternations is from the last of the series.
    """
    train, test, ratios, last = [], [], [], []
    for seed in range(3):
        images, others = _images(seed)
        conv = _randomise(nn.Conv2d(C, N, D, bias=False), seed)

        def error(layer: nn.Module, x: Tensor, conv: nn.Conv2d = conv) -> float:
            return ((layer(x) - conv(x)).square().sum() / conv(x).square().sum()).item()

        train.append([error(fit_data(conv, images, 8, alternations=count), images) for count in range(7)])
        fitted = fit_data(conv, images, 8)
        test.append(error(fitted, others))
        ratios.append(test[-1] / error(fit_filters(conv, 8), others))
        last.append(abs(error(fitted, images) - train[-1][-1]))
    return {f"training_error_{seed}": errors for seed, errors in enumerate(train)} | {
        "test_error": test,
        "over_filter_fit": ratios,
        "from_six_alternations": last,
    }


def _least_squares_differ(conv: nn.Conv2d, x: Tensor, rank: int) -> float:
    """Responses of ``fit_data`` against those of two alternations whose design matrices are derivatives."""
    start, padding = fit_filters(conv, rank), conv.padding[0]
    columns, rows = start[0].weight.detach(), start[1].weight.detach()
    wanted = F.conv2d(x, conv.weight, padding=padding)

    def response(columns: Tensor, rows: Tensor) -> Tensor:
        return F.conv2d(F.conv2d(x, columns, padding=(padding, 0)), rows, padding=(0, padding))

    def best(linear: Callable[[Tensor], Tensor], like: Tensor) -> Tensor:
        design = jacrev(linear)(like).reshape(wanted.numel(), like.numel())
        return torch.linalg.lstsq(design, wanted.reshape(-1, 1), driver="gelsd").solution.view_as(like)

    for _ in range(2):
        fixed = columns
        rows = best(lambda weight, fixed=fixed: response(fixed, weight), rows)
        fixed = rows
        columns = best(lambda weight, fixed=fixed: response(weight, fixed), columns)
    fitted = fit_data(conv, x, rank, alternations=2)
    return distance(fitted(x).detach(), response(columns, rows) + conv.bias[:, None, None])


def alternating_least_squares() -> Named:
    """The same against an implementation that knows nothing of patches; and what rounding to float32 costs.

    Also with padding, with a channel that is dark in all images, and with an image that has fewer pixels than there are
    weights.
    """
    conv, padded = _conv(3, 4, 3), _conv(3, 4, 3, padding=1)
    x = normal(3, 3, 8, 8, seed=3)
    dark = x * torch.tensor([1, 0, 1]).view(-1, 1, 1)
    measured: Named = {
        "difference": _least_squares_differ(conv, x, 2),
        "padded": _least_squares_differ(padded, x, 2),
        "dark_channel": _least_squares_differ(conv, dark, 2),
        "small_image": _least_squares_differ(conv, x[:1, :, :4, :4], 2),
    }
    exact = fit_data(conv, x, 2)(x)
    rounded = fit_data(conv.float(), x.float(), 2)
    return measured | {"float32": distance(rounded(x.float()).double(), exact)}


def network_with_fitted_layers() -> Named:
    """How far the outputs move, relative to their spread, when scheme 2 takes the place of conv2 and conv3."""
    network, x = _network(), normal(2, 1, 24, 24, seed=100)
    outputs, convs = network(x), (network.conv2[0], network.conv3[0])
    measured: Named = {}
    for name, ranks in (("full_rank", (432, 512)), ("low_rank", (32, 32))):
        for stage, conv, rank in zip((network.conv2, network.conv3), convs, ranks, strict=True):
            stage[0] = fit_filters(conv, rank)
        measured[name] = distance(network(x), outputs) / outputs.std().item()
    return measured


# --- Parity ----------------------------------------------------------------------------------------------------------


def numpy_svd() -> Named:
    """The fitted filters against the best approximation that NumPy's singular value decomposition gives."""
    import numpy as np

    conv, differences = _conv(), []
    for rank in (5, 20, 40):
        u, s, vh = np.linalg.svd(_matrix(conv.weight).numpy(), full_matrices=False)
        best = (u[:, :rank] * s[:rank]) @ vh[:rank]
        differences.append(distance(_matrix(_filters(fit_filters(conv, rank))), torch.from_numpy(best)))
    return {"rank_5": differences[0], "rank_20": differences[1], "rank_40": differences[2]}


# --- Training --------------------------------------------------------------------------------------------------------


def fine_tuning(run: Run) -> Named:
    """Accuracy on digits that is lost when scheme 2 replaces two layers, after fine-tuning that, and from scratch."""
    digits = run.data("digits").divide(run.seed)

    def trained(arm: str, network: nn.Module, epochs: int) -> float:
        optimiser = torch.optim.Adam(network.parameters(), lr=0.001)
        run.train(arm, network, optimiser, digits.train.images / 16, digits.train.labels, batch=64, epochs=epochs)
        return tested(network)

    def tested(network: nn.Module) -> float:
        return accuracy(network, digits.test.images / 16, digits.test.labels)

    torch.manual_seed(run.seed)
    network = _small_network(nn.Conv2d(16, 32, 3, padding=1), nn.Conv2d(32, 32, 3, padding=1))
    original = trained("original", network, epochs=25)
    fitted = [fit_filters(layer, 6) for layer in (network[2], network[5])]
    network[2], network[5] = fitted
    before = tested(network)
    after = trained("fine-tuned", network, epochs=10)
    torch.manual_seed(run.seed)
    small = _small_network(Scheme2Conv(16, 32, 3, 6, padding=1), Scheme2Conv(32, 32, 3, 6, padding=1))
    from_scratch = trained("from scratch", small, epochs=10)
    return {
        "before_fine_tuning": original - before,
        "after_fine_tuning": original - after,
        "from_scratch": original - from_scratch,
    }


def _small_network(second: nn.Module, third: nn.Module) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        second,
        nn.ReLU(),
        nn.MaxPool2d(2),
        third,
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(128, 10),
    )
