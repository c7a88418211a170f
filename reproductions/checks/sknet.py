"""Measurements of SKNet that no count on a single network gives."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from catalog.verify.training import cosine, outputs
from reproductions.checks.measuring import conv_then_norm, count_macs, count_parameters, distance, randomise
from reproductions.layers import conv_bn_relu
from reproductions.resnet import ResNet, imagenet_stem
from reproductions.senet import resnext_32x4d
from reproductions.sknet import VARIANTS, SKConv, SKUnit, build

if TYPE_CHECKING:
    from collections.abc import Callable

    from catalog.verify.training import Run


def cost_with_selection() -> dict[str, int]:
    """Multiply-accumulates, and with two operations for each element of the maps that the paths are fused into.

    These are the sum of the two paths and the mean of the sum; ``…_elements`` is how many there are.
    """
    measured = {}
    for variant in ("sknet50", "sknet101"):
        elements = []

        def note(_: nn.Module, inputs: tuple[Tensor, ...], found: list[int] = elements) -> None:
            found.append(inputs[0].numel())

        network = _network(variant)
        hooks = [m.squeeze.register_forward_pre_hook(note) for m in network.modules() if isinstance(m, SKConv)]
        macs = count_macs(network)
        for hook in hooks:
            hook.remove()
        measured |= {f"{variant}_elements": sum(elements), variant: macs + 2 * sum(elements)}
    return measured


def settings() -> dict[str, list[int]]:
    """What the SK convolutions of every variant are, and an SK convolution by itself: paths, groups, dilations, L.

    ``…_strides`` has the strides of the first two units in each stage.
    """
    settings = {}
    for variant in VARIANTS:
        units = [[unit.layers[3] for unit in stage] for stage in _network(variant).stages]
        settings[f"{variant}_units"] = [len(stage) for stage in units]
        settings[f"{variant}_strides"] = [path[0].stride[0] for s in units for unit in s[:2] for path in unit.paths]
        settings[f"{variant}_paths"] = sorted({len(unit.paths) for stage in units for unit in stage})
        settings[f"{variant}_groups"] = sorted({path[0].groups for s in units for unit in s for path in unit.paths})
    alone = SKConv(64, paths=3)
    settings["alone_groups"] = [path[0].groups for path in alone.paths]
    settings["alone_dilations"] = [path[0].dilation[0] for path in alone.paths]
    settings["alone_compact"] = [SKConv(channels).select.in_channels for channels in (32, 512, 544, 1024)]
    return settings


def compact_widths() -> dict[str, list[int]]:
    """Units of the compact feature in each unit of SKNet-50, by stage."""
    stages = [[unit.layers[3].select.in_channels for unit in stage] for stage in _network("sknet50").stages]
    return {f"stage_{number}": widths for number, widths in enumerate(stages, start=2)}


def over_resnext() -> dict[str, float | int]:
    """Parameters and multiply-accumulates of ResNeXt-50, and how many times as many SKNet-50 has."""
    with torch.device("meta"):
        resnext = ResNet(imagenet_stem(64), resnext_32x4d, (64, 256, 512, 1024, 2048), (3, 4, 6, 3), 1000).eval()
    parameters, macs = count_parameters(resnext), count_macs(resnext)
    return {
        "resnext_parameters": parameters,
        "resnext_macs": macs,
        "parameters": count_parameters(_network("sknet50")) / parameters - 1,
        "macs": count_macs(_network("sknet50")) / macs - 1,
    }


def convex_combination() -> dict[str, float]:
    """How far the weights of the paths are from 1 in sum and, with two paths, from a sigmoid of the logits.

    ``over_channels`` is how far the sum of the weights of a path over the channels is from 1, the usual slip.
    """
    torch.manual_seed(0)
    measured = {}
    for paths in (2, 3):
        convolution, logits = _with_logits(paths)
        x = torch.randn(3, 64, 7, 7, dtype=torch.float64)
        with torch.no_grad():
            weights = convolution.attention(x)
        measured[f"sum_of_{paths}"] = distance(weights.sum(1), torch.ones(3, 64))
        measured[f"smallest_of_{paths}"] = float(weights.min())
        if paths == 2:
            first, second = logits[-1].flatten(1).split(64, dim=1)  # a block of channels for each path
            measured["sigmoid"] = distance(weights[:, 0], torch.sigmoid(first - second))
            measured["over_channels"] = distance(weights.sum(2), torch.ones(3, 2))
    return measured


def equal_paths() -> dict[str, float]:
    """Two equal paths, with nothing but the centres of their kernels: the output against one path, for any weights.

    ``full_kernels`` has the whole kernels, so that the dilation of the second path counts.
    """
    torch.manual_seed(0)
    measured = {}
    for name in ("full_kernels", "centres"):
        convolution = randomise(SKConv(64))
        first, second = convolution.paths
        second.load_state_dict(first.state_dict())
        x = torch.randn(3, 64, 7, 7, dtype=torch.float64)
        with torch.no_grad():
            if name == "centres":
                for path in convolution.paths:
                    taps = torch.zeros(3, 3, dtype=torch.float64)
                    taps[1, 1] = 1
                    path[0].weight.mul_(taps)
            measured[name] = distance(convolution(x), first(x))
            weights = convolution.attention(x)
        measured[f"{name}_spread_of_weights"] = float(weights.max() - weights.min())
    return measured


def dilated_kernels() -> dict[str, int | list[int]]:
    """What an impulse reaches through each path: side, number of pixels; and the parameters of each path."""
    torch.manual_seed(0)
    convolution = randomise(SKConv(32, paths=3))
    impulse = torch.zeros(1, 32, 15, 15, dtype=torch.float64)
    impulse[:, :, 7, 7] = 1
    measured: dict[str, list[int]] = {"sides": [], "taps": [], "parameters": []}
    for path in convolution.paths:
        reached = path[0](impulse).abs().sum((0, 1)).nonzero()
        measured["sides"].append(int(reached.amax(0)[0] - reached.amin(0)[0]) + 1)
        measured["taps"].append(len(reached))
        measured["parameters"].append(count_parameters(path))
    return measured


def equations() -> dict[str, float]:
    """Differences between SK convolutions and Section 3.1 written out, and what other parts in it would change."""
    torch.manual_seed(0)
    measured = {}
    x = torch.randn(3, 64, 9, 9, dtype=torch.float64)
    with torch.no_grad():
        for name, paths, stride in (("two_paths", 2, 1), ("three_paths", 3, 1), ("halving", 2, 2)):
            convolution = randomise(SKConv(64, paths=paths, groups=8, reduction=4, least=8, stride=stride))
            measured[name] = distance(convolution(x), _written_out(convolution, x, stride))
            measured[f"{name}_attention"] = distance(convolution.attention(x), _weights(convolution, x, stride))
        convolution = randomise(SKConv(64))
        y = convolution(x)
        measured["by_default"] = distance(y, _written_out(convolution, x))
        measured["maximum_for_mean"] = distance(y, _written_out(convolution, x, mean=lambda u: u.amax((2, 3))))
        measured["softmax_over_channels"] = distance(y, _written_out(convolution, x, axis=2))
        measured["plain_sum"] = distance(y, torch.stack(_paths(convolution, x)).sum(0))
    return measured


def selection_is_global() -> dict[str, float]:
    """How the weights of the paths change with the order of the pixels of what the paths give, and with the image."""
    torch.manual_seed(0)
    convolution = randomise(SKConv(64))
    x = torch.randn(2, 64, 6, 6, dtype=torch.float64)
    with torch.no_grad():
        maps = convolution.split(x)
        weights = convolution.fuse(maps)
        shuffled = maps.flatten(3)[..., torch.randperm(36)].view_as(maps)
        return {
            "other_order": distance(convolution.fuse(shuffled), weights),
            "other_image": distance(weights[0], weights[1]),
        }


def units() -> dict[str, float]:
    """Differences between units and relu(F(x) + shortcut(x)) written out, over the largest output."""
    torch.manual_seed(0)
    measured = {}
    x = torch.randn(2, 256, 9, 9, dtype=torch.float64)
    with torch.no_grad():
        for name, outputs, stride in (("same", 256, 1), ("wider", 512, 1), ("halving", 512, 2)):
            unit = randomise(SKUnit(256, outputs, stride))
            f, same = unit.layers, isinstance(unit.shortcut, nn.Identity)
            y = _written_out(f[3], conv_then_norm(x, f[:2]).relu(), stride)
            wanted = (conv_then_norm(y, f[4:]) + (x if same else conv_then_norm(x, unit.shortcut, stride))).relu()
            measured[name] = distance(unit(x), wanted) / float(wanted.abs().max())
    return measured


@cache
def _network(variant: str) -> ResNet:
    with torch.device("meta"):
        return build(variant).eval()


def _with_logits(paths: int) -> tuple[SKConv, list[Tensor]]:
    """A random SK convolution, and where the logits of its calls go."""
    convolution = randomise(SKConv(64, paths=paths))
    logits: list[Tensor] = []
    convolution.select.register_forward_hook(lambda _, __, output: logits.append(output))
    return convolution, logits


def _mean(u: Tensor) -> Tensor:
    return u.mean((2, 3))


def _paths(convolution: SKConv, x: Tensor, stride: int = 1) -> list[Tensor]:
    return [
        conv_then_norm(x, path[:2], stride, dilation, groups=x.shape[1] // path[0].weight.shape[1]).relu()
        for dilation, path in enumerate(convolution.paths, start=1)
    ]


def _weights(
    convolution: SKConv, x: Tensor, stride: int = 1, mean: Callable[[Tensor], Tensor] = _mean, axis: int = 1
) -> Tensor:
    """The weights of the paths, (batch, paths, channels), by functions alone."""
    u = torch.stack(_paths(convolution, x, stride)).sum(0)
    z = conv_then_norm(mean(u)[:, :, None, None], convolution.compact[:2]).relu().flatten(1)
    logits = [F.linear(z, block.flatten(1)) for block in convolution.select.weight.split(x.shape[1])]
    powers = torch.stack(logits, dim=1).exp()
    return powers / powers.sum(axis, keepdim=True)


def _written_out(
    convolution: SKConv, x: Tensor, stride: int = 1, mean: Callable[[Tensor], Tensor] = _mean, axis: int = 1
) -> Tensor:
    weights = _weights(convolution, x, stride, mean, axis)[..., None, None].unbind(1)
    return torch.stack([w * path for w, path in zip(weights, _paths(convolution, x, stride), strict=True)]).sum(0)


# --- Training --------------------------------------------------------------------------------------------------------


def size_of_objects(run: Run) -> dict[str, float]:
    """Digits in two sizes: accuracies, and how the weight of the wider kernel differs between the two.

    ``response`` is the mean over the channels of the difference between large and small digits, without its sign, and
    ``between_halves`` that between two halves of the small digits. The curve has the mean with its sign.
    """
    digits = run.data("digits").divide(run.seed)
    generator = torch.Generator().manual_seed(run.seed)
    train = torch.cat([_placed(digits.train.images / 16, size, generator) for size in (1, 2)])
    small, large = (_placed(digits.test.images / 16, size, generator) for size in (1, 2))
    torch.manual_seed(run.seed)
    convolution = SKConv(32, groups=8)
    before = nn.Sequential(*conv_bn_relu(1, 32, 3, padding=1), nn.MaxPool2d(2))
    after = nn.Sequential(*conv_bn_relu(32, 64, 3, padding=1), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(64, 10))
    network = nn.Sequential(before, convolution, after)

    def wider(images: Tensor) -> Tensor:
        """The weight of the wider kernel for each image and channel."""
        with torch.no_grad():
            return convolution.attention(before(images))[:, 1]

    def accuracy(images: Tensor) -> float:
        return (outputs(network, images).argmax(dim=1) == digits.test.labels).float().mean().item()

    run.train(
        "digits in two sizes",
        network,
        torch.optim.Adam(network.parameters(), lr=3e-3),
        train,
        digits.train.labels.repeat(2),
        batch=64,
        epochs=6,
        schedule=cosine,
        each_epoch=lambda: {"towards the wider kernel": (wider(large).mean() - wider(small).mean()).item()},
    )
    measured = {"accuracy_small": accuracy(small), "accuracy_large": accuracy(large)}
    network.eval()
    first, second = wider(small).chunk(2)
    measured["response"] = (wider(large).mean(0) - wider(small).mean(0)).abs().mean().item()
    measured["between_halves"] = (first.mean(0) - second.mean(0)).abs().mean().item()
    return measured


def _placed(digits: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Digits so many times as large, each at a random place of an empty image of 20x20."""
    digits = digits.repeat_interleave(size, 2).repeat_interleave(size, 3)
    side = digits.shape[-1]
    images = torch.zeros(len(digits), 1, 20, 20)
    for image, digit, (top, left) in zip(
        images, digits, torch.randint(21 - side, (len(digits), 2), generator=generator).tolist(), strict=True
    ):
        image[:, top : top + side, left : left + side] = digit
    return images
