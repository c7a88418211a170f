"""Measurements of Xception that need code."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from catalog.verify.training import Run, accuracy
from reproductions import build
from reproductions.checks.measuring import count_parameters, distance, normal
from reproductions.xception import InceptionTowers, Module, SeparableConv2d, Xception


def layers() -> dict[str, int]:
    """Convolution layers (a separable one is one, shortcuts are none), modules, and modules with a shortcut."""
    with torch.device("meta"):
        network = build("xception")
    modules = [module for flow in (network.entry, network.middle, network.exit) for module in flow]
    inside = {id(layer) for part in network.modules() if isinstance(part, SeparableConv2d) for layer in part}
    counted = [
        name
        for name, layer in network.named_modules()
        if isinstance(layer, SeparableConv2d | nn.Conv2d) and id(layer) not in inside and "shortcut" not in name
    ]
    return {
        "convolutions": len(counted),
        "modules": len(modules),
        "residual_connections": sum(getattr(module, "shortcut", None) is not None for module in modules),
        "first_and_last": sum(getattr(modules[i], "shortcut", None) is not None for i in (0, -1)),
    }


def feature_maps() -> dict[str, int]:
    """Channels and side of the feature maps that Figure 5 prints, and what it implies before and behind them."""
    with torch.device("meta"):
        network = build("xception").eval()
        x = torch.empty(1, 3, 299, 299)
        sizes = {}
        for number, module in enumerate(network.entry):
            x = module(x)
            sizes[f"entry_{number}_side"] = x.shape[-1]
        sizes["entry_channels"] = x.shape[1]
        x = network.middle(x)
        sizes |= {"middle_channels": x.shape[1], "middle_side": x.shape[-1]}
        x = network.exit(x)
        sizes |= {"exit_channels": x.shape[1], "exit_side": x.shape[-1]}
        return sizes | {"features": network.pool(x).flatten(1).shape[1]}


def widths_of_modules() -> dict[str, list[int]]:
    """Widths that modules pass through: those of the entry flow grow at once, that of the exit flow last."""
    with torch.device("meta"):
        network = build("xception")

    def widths(module: nn.Module) -> list[int]:
        pointwise = [part[-1] for part in module.modules() if isinstance(part, SeparableConv2d)]
        return [pointwise[0].in_channels, *(layer.out_channels for layer in pointwise)]

    return {
        "entry_1": widths(network.entry[1]),
        "entry_2": widths(network.entry[2]),
        "entry_3": widths(network.entry[3]),
        "middle": widths(network.middle[0]),
        "exit": widths(network.exit[0]),
        "last": widths(network.exit[1]),
    }


def dropout() -> dict[str, float]:
    """Share of the features that are dropped in training, and what the others are multiplied by."""
    torch.manual_seed(0)
    with torch.device("meta"):
        network = build("xception")
    features = network.dropout(torch.ones(1000, 2048))
    kept = features[features != 0]
    return {"rate": 1 - kept.numel() / features.numel(), "scale": kept.max().item()}


def factorised_kernel() -> dict[str, float]:
    """A separable convolution against the ordinary one with the product kernel; and with a ReLU in between."""
    x = normal(2, 6, 9, 9, seed=1)

    def difference(*between: type[nn.Module]) -> float:
        separable = SeparableConv2d(6, 10, *between).double()
        depthwise = separable[0].weight.copy_(normal(6, 1, 3, 3, seed=2))
        pointwise = separable[-1].weight.copy_(normal(10, 6, 1, 1, seed=3))
        kernel = pointwise * depthwise.transpose(0, 1)  # (10, 6, 1, 1) * (1, 6, 3, 3)
        return distance(separable(x), F.conv2d(x, kernel, padding=1))

    with torch.no_grad():
        return {"linear": difference(), "with_relu": difference(nn.ReLU)}


def extreme_inception() -> dict[str, float]:
    """Towers with one segment a channel against the convolution with the product kernel; and with one segment."""
    x = normal(2, 6, 9, 9, seed=1)

    def difference(segments: int) -> float:
        towers = InceptionTowers(6, 10, segments).double()
        pointwise = towers[0].weight.copy_(normal(10, 6, 1, 1, seed=2))
        spatial = towers[1].weight.copy_(normal(*towers[1].weight.shape, seed=3))
        kernel = pointwise * spatial[:, :1]  # (10, 6, 1, 1) * (10, 1, 3, 3): each output looks at its own map alone
        return distance(towers(x), F.conv2d(x, kernel, padding=1))

    with torch.no_grad():
        return {"one_segment_a_channel": difference(10), "one_segment": difference(1)}


def segments() -> dict[str, float | int]:
    """Spatial weights of towers with 1, 3 and n segments; each against the convolution with a block-diagonal kernel."""
    n, x = 12, normal(2, 12, 9, 9, seed=1)
    measured: dict[str, float | int] = {}
    with torch.no_grad():
        for number in (1, 3, n):
            towers = InceptionTowers(n, n, number).double()
            spatial = towers[1].weight.copy_(normal(*towers[1].weight.shape, seed=2))
            full = torch.zeros(n, n, 3, 3, dtype=torch.float64)
            width = n // number
            for start in range(0, n, width):
                full[start : start + width, start : start + width] = spatial[start : start + width]
            name = "n" if number == n else str(number)
            measured[f"weights_{name}"] = spatial.numel()
            measured[f"difference_{name}"] = distance(towers(x), F.conv2d(towers[0](x), full, padding=1))
    return measured


def cost_of_separable() -> dict[str, float | int]:
    """Weights of the separable convolution of the middle flow and of the ordinary one that it replaces."""
    with torch.device("meta"):
        separable = count_parameters(SeparableConv2d(728, 728))
        ordinary = count_parameters(nn.Conv2d(728, 728, 3, bias=False))
    return {"separable": separable, "ordinary": ordinary, "excess_over_sum": separable / ordinary - (1 / 9 + 1 / 728)}


def activation_between() -> dict[str, float]:
    """The smallest number that reaches any pointwise half, in each of the variants of Section 4.8."""

    def smallest(variant: str) -> float:
        torch.manual_seed(0)
        network: Xception = build("xception", variant).eval()  # type: ignore[assignment]
        seen: list[float] = []
        for part in network.modules():
            if isinstance(part, SeparableConv2d):
                nn.init.normal_(part[0].weight)
                part[-1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].min().item()))
        with torch.no_grad():
            network(torch.randn(1, 3, 75, 75))
        return min(seen)

    return {
        "none": smallest("xception"),
        "relu": smallest("xception-midrelu"),
        "elu": smallest("xception-midelu"),
    }


def shortcuts_removed() -> dict[str, float]:
    """How far a module's output moves with its input when its branch gives nothing: with shortcuts and without."""

    def response(variant: str) -> float:
        torch.manual_seed(0)
        network: Xception = build("xception", variant).eval()  # type: ignore[assignment]
        module = network.middle[0]
        for norm in module.modules():
            if isinstance(norm, nn.BatchNorm2d):
                nn.init.zeros_(norm.weight)
        x = torch.randn(1, 728, 5, 5)
        with torch.no_grad():
            return distance(module(x), module(x + 1))

    return {"with": response("xception"), "without": response("xception-nores")}


# --- Training --------------------------------------------------------------------------------------------------------


def residual_connections(run: Run) -> dict[str, float]:
    """Eight modules with shortcuts and eight without, on digits: test accuracies and the training losses at the end."""
    right, loss = _train_on_digits(run, "with shortcuts", modules=8)
    right_without, loss_without = _train_on_digits(run, "without shortcuts", modules=8, residual=False)
    return {
        "accuracy_with": right,
        "accuracy_gap": right - right_without,
        "loss_with": loss,
        "loss_ratio": loss_without / loss,
    }


def gap_in_the_mean(series: dict[str, list[float]]) -> dict[str, float | list[float]]:
    """All for each seed but the gap between the accuracies.

    That is taken in the mean, because it depends on how far the moving averages lag behind after so few steps.
    """
    gaps = series["accuracy_gap"]
    return {**series, "accuracy_gap": sum(gaps) / len(gaps)}


def activations_between(run: Run) -> dict[str, float]:
    """Four modules with nothing or ReLU in their separable convolutions: the training losses at the end.

    A third network has ELU there; it is trained for its curve.
    """
    _, nothing = _train_on_digits(run, "nothing between", modules=4)
    _, relu = _train_on_digits(run, "ReLU between", modules=4, between=nn.ReLU)
    _train_on_digits(run, "ELU between", modules=4, between=nn.ELU)
    return {"nothing": nothing, "relu": relu}


def ratio_of_means(series: dict[str, list[float]]) -> dict[str, float]:
    """How many times higher the loss is with ReLU than with nothing, in the mean over the seeds."""
    return {"relu_over_nothing": sum(series["relu"]) / sum(series["nothing"])}


def _train_on_digits(
    run: Run, arm: str, *, modules: int, residual: bool = True, between: type[nn.Module] = nn.Identity
) -> tuple[float, float]:
    """Test accuracy, and the mean training loss of the last 50 of 300 steps.

    Batches are drawn with replacement. In passes over the whole set the loss falls within 300 steps to where nothing
    but chance tells networks apart.
    """
    digits = run.data("digits").divide(run.seed)
    drawn = torch.randint(len(digits.train.labels), (300 * 64,), generator=torch.Generator().manual_seed(run.seed))
    torch.manual_seed(run.seed)
    network = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1),
        *(Module(32, 32, 32, 32, residual=residual, between=between) for _ in range(modules)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
    )
    history = run.train(
        arm,
        network,
        torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9),
        digits.train.images[drawn] / 16,
        digits.train.labels[drawn],
        batch=64,
        epochs=1,
    )
    return accuracy(network, digits.test.images / 16, digits.test.labels), history.mean_loss(last=50)
