"""Measurements of dilated convolutions, of the context module that consists of them, and of the front end."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from catalog.verify.training import Run, outputs
from reproductions.checks.measuring import distance, normal
from reproductions.dilated_convolutions import (
    BASIC,
    LARGE,
    MARGIN,
    ContextModule,
    FrontEnd,
    build,
    dilated_conv,
    identity_,
    segment,
)
from reproductions.vgg import convolutions

# --- The operator ----------------------------------------------------------------------------------------------------


def definition() -> dict[str, list[float]]:
    """Largest differences between the operator and Equation 2, literally or by a filter with zeros, for l = 1, 2, 3.

    ``not_flipped`` is how far the filter as it is, which frameworks take, would be off.
    """
    f, k = _random(9, 10), _random(3, 3)
    differences: dict[str, list[float]] = {"literal": [], "zero_stuffed": [], "not_flipped": []}
    for l in (1, 2, 3):  # noqa: E741
        result = dilated_conv(f, k, l)
        literal = torch.zeros_like(f)
        for s in torch.cartesian_prod(torch.arange(9), torch.arange(10)).tolist():
            for t in torch.cartesian_prod(torch.arange(-1, 2), torch.arange(-1, 2)).tolist():
                p = s[0] + l * t[0], s[1] + l * t[1]
                if 0 <= p[0] < 9 and 0 <= p[1] < 10:
                    literal[p] += f[tuple(s)] * k[t[0] + 1, t[1] + 1]
        stuffed = torch.zeros(2 * l + 1, 2 * l + 1, dtype=f.dtype)
        stuffed[::l, ::l] = k.flip(0, 1)
        differences["literal"].append(distance(result, literal))
        differences["zero_stuffed"].append(distance(result, _correlate(f, stuffed, padding=l)))
        differences["not_flipped"].append(distance(result, _correlate(f, k, padding=l, dilation=l)))
    return differences


def dilated_operator_of_torch() -> dict[str, float]:
    """Largest differences between the operator and torch's dilated convolution with the filter turned around.

    Also of the gradients of a weighted sum of the outputs, with respect to map and filter.
    """
    differences = {"outputs": 0.0, "gradients": 0.0}
    for side, l in ((3, 1), (3, 2), (3, 3), (5, 2), (1, 4)):  # noqa: E741
        f, k, weights = _random(9, 10).requires_grad_(), _random(side, side).requires_grad_(), _random(9, 10)
        ours = dilated_conv(f, k, l)
        theirs = _correlate(f, k.flip(0, 1), padding=side // 2 * l, dilation=l)
        gradients = [torch.autograd.grad(y, (f, k), weights) for y in (ours, theirs)]
        differences["outputs"] = max(differences["outputs"], distance(ours, theirs))
        for a, b in zip(*gradients, strict=True):
            differences["gradients"] = max(differences["gradients"], distance(a, b))
    return differences


def exponential_growth() -> dict[str, list[int]]:
    """Width and pixels of what the first layers make of a single pixel: dilations 1, 2, 4 …, always 1, and always 2."""
    measured: dict[str, list[int]] = {}
    for name, dilations in (("doubling", [1, 2, 4, 8, 16]), ("ordinary", [1] * 5), ("by_two", [2] * 5)):
        f = torch.zeros(71, 71)
        f[35, 35] = 1
        measured[f"{name}_widths"], measured[f"{name}_pixels"] = [], []
        for l in dilations:  # noqa: E741
            f = dilated_conv(f, torch.ones(3, 3), l)
            measured[f"{name}_widths"].append(_extent(f))
            measured[f"{name}_pixels"].append(int((f != 0).sum()))
    return measured


def removed_stride() -> dict[str, float]:
    """A network with a stride against the same without it, whose next layer is dilated instead: on the common grid.

    The stride is that of a pool, which keeps its maximum, or of a convolution. ``undilated`` forgets the dilation.
    """
    first, x = _random(4, 3, 3, 3), _random(2, 3, 24, 24)
    layer, dilated = (convolutions(4, 5, 1, padding=0, dilation=dilation).double() for dilation in (1, 2))
    nn.init.uniform_(layer[0].weight, -1, 1, torch.Generator().manual_seed(0))
    dilated.load_state_dict(layer.state_dict())
    subsamplings = {
        "pool": lambda stride: F.max_pool2d(F.conv2d(x, first).relu(), 2, stride),
        "convolution": lambda stride: F.conv2d(x, first, stride=stride).relu(),
    }
    differences = {}
    for name, subsample in subsamplings.items():
        strided = layer(subsample(2))
        differences[name] = distance(dilated(subsample(1))[:, :, ::2, ::2], strided)
    height, width = strided.shape[2:]
    undilated = layer(subsample(1))[:, :, ::2, ::2]
    differences["undilated"] = distance(undilated[:, :, :height, :width], strided)
    return differences


# --- The context module ----------------------------------------------------------------------------------------------


def receptive_fields() -> dict[str, int | float]:
    """Width of what each layer of the context module sees, and the smallest share of a square that it looks at.

    All weights are positive, so that no two paths cancel.
    """
    module = ContextModule(1, BASIC).double()
    for parameter in module.parameters():
        nn.init.uniform_(parameter, 0.5, 1.5)
    x = torch.ones(1, 1, 71, 71, dtype=torch.float64, requires_grad=True)
    y, number, coverage = x, 0, 1.0
    widths = {}
    for layer in module:
        y = layer(y)
        if isinstance(layer, nn.Conv2d):
            number += 1
            # Before the last layer the map has a margin, which is as wide on all sides.
            middle = y[0, 0, y.shape[2] // 2, y.shape[3] // 2]
            seen = torch.autograd.grad(middle, x, retain_graph=True)[0][0, 0]
            widths[f"layer_{number}"] = _extent(seen)
            coverage = min(coverage, int((seen != 0).sum()) / _extent(seen) ** 2)
    return {**widths, "coverage": coverage}


def weights_of_basic() -> dict[str, list[float]]:
    """Weights of the basic module over C², biases not counted, for several C."""
    maps = (5, 19, 21)
    with torch.device("meta"):
        modules = [ContextModule(c, BASIC) for c in maps]
    weights = [sum(p.numel() for p in module.parameters() if p.dim() > 1) for module in modules]
    return {"over_c_squared": [count / c**2 for count, c in zip(weights, maps, strict=True)]}


def table_1() -> dict[str, list[int]]:
    """Kernels, dilations, widths over C and truncations of the layers of both modules, and zeros around the input."""
    rows: dict[str, list[int]] = {}
    for name in ("basic", "large"):
        module = _on_meta(f"context-{name}")
        convolutions = [layer for layer in module if isinstance(layer, nn.Conv2d)]
        rows |= {
            f"{name}_kernels": [layer.kernel_size[0] for layer in convolutions],
            f"{name}_dilations": [layer.dilation[0] for layer in convolutions],
            f"{name}_widths": [layer.out_channels // 21 for layer in convolutions],
            f"{name}_truncated": _followed_by(module, nn.ReLU),
        }
    return rows


def context_module() -> dict[str, float]:
    """Largest differences between modules with random weights and Table 1 written out, over the largest output.

    ``padded_in_every_layer`` would give maps of the same size: how much that differs.
    """
    differences = {}
    with torch.no_grad():
        for name, multipliers in (("basic", BASIC), ("large", LARGE)):
            module = _randomise(ContextModule(2, multipliers))
            x = _random(2, 2, 12, 13).abs()
            y, z = F.pad(x, (33, 33, 33, 33)), x
            layers = [layer for layer in module if isinstance(layer, nn.Conv2d)]
            for layer, dilation in zip(layers, (1, 1, 2, 4, 8, 16, 1), strict=False):
                y = F.conv2d(y, layer.weight, layer.bias, dilation=dilation).clamp(min=0)
                z = F.conv2d(z, layer.weight, layer.bias, dilation=dilation, padding=dilation).clamp(min=0)
            y, z = (F.conv2d(last, layers[-1].weight, layers[-1].bias) for last in (y, z))
            differences[name] = distance(module(x), y) / float(y.abs().max())
        differences["padded_in_every_layer"] = distance(z, y) / float(y.abs().max())
    return differences


def identity() -> dict[str, float]:
    """How far modules are from passing maps through: as built, and by Equation 5 with and without its noise.

    ``signed`` has negative numbers in its input, which are truncated.
    """
    torch.manual_seed(0)
    x = torch.rand(1, 3, 70, 70, dtype=torch.float64)
    with torch.no_grad():

        def difference(module: nn.Module, x: Tensor = x) -> float:
            return distance(module.double()(x), x)

        large = ContextModule(3, LARGE)
        identity_(large)
        return {
            "basic": difference(build("context-basic", classes=3)),
            "large": difference(build("context-large", classes=3)),
            "large_without_noise": difference(large),
            "signed": difference(large, x - 0.5),
        }


def initial_weights() -> dict[str, float]:
    """What Equation 5 says of every weight of a large module: largest difference from it without noise; the noise.

    The noise is that of the layer with the most weights: its standard deviation over sigma, and its kurtosis, which is
    3 for a normal distribution. ``other_than_noise`` is the share of weights that have none.
    """
    torch.manual_seed(0)
    maps, sigma = 3, 1e-3
    module, noisy = ContextModule(maps, LARGE), ContextModule(maps, LARGE)
    identity_(module)
    identity_(noisy, sigma)
    worst = 0.0
    for layer in module:
        if isinstance(layer, nn.Conv2d):
            wanted = torch.zeros_like(layer.weight)
            outputs, inputs, side, _ = wanted.shape
            for b in range(outputs):
                for a in range(inputs):
                    if a * maps // inputs == b * maps // outputs:
                        wanted[b, a, side // 2, side // 2] = maps / outputs
            worst = max(worst, distance(layer.weight, wanted), float(layer.bias.detach().abs().max()))
    largest = max((layer.weight.detach().double() for layer in noisy if isinstance(layer, nn.Conv2d)), key=torch.numel)
    noise = largest[largest.abs() < maps / len(largest) / 2]
    return {
        "without_noise": worst,
        "noise_over_sigma": float(noise.std() / sigma),
        "kurtosis": float(noise.pow(4).mean() / noise.pow(2).mean() ** 2),
        "other_than_noise": 1 - noise.numel() / largest.numel(),
    }


# --- The front end ---------------------------------------------------------------------------------------------------


def front_end_layers() -> dict[str, list[int] | list[float] | int]:
    """Kernels, dilations, paddings and widths of the front end; behind which convolutions other layers stand."""
    network = _on_meta("frontend")
    flat = nn.Sequential(*(leaf for leaf in network.modules() if not list(leaf.children())))
    convolutions = [layer for layer in flat if isinstance(layer, nn.Conv2d)]
    return {
        "kernels": [layer.kernel_size[0] for layer in convolutions],
        "dilations": [layer.dilation[0] for layer in convolutions],
        "paddings": sum(sum(layer.padding) for layer in convolutions),
        "widths": [layer.out_channels for layer in convolutions],
        "truncated": _followed_by(flat, nn.ReLU),
        "pooled": _followed_by(flat, nn.MaxPool2d),
        "dropped": _followed_by(flat, nn.Dropout),
        "dropout": [layer.p for layer in flat if isinstance(layer, nn.Dropout)],
    }


def front_end_sizes() -> dict[str, int | list[int]]:
    """Side of the front end's map for images of several sides; for one, also behind its stages, pools and fc6."""
    network = _on_meta("frontend")
    sizes: dict[str, int | list[int]] = {}
    for side in (380, 884, 900):
        sizes[f"of_{side}"] = network(torch.empty(1, 3, side, side, device="meta")).shape[-1]
    x = torch.empty(1, 3, 884, 884, device="meta")
    sizes["of_884_on_the_way"] = [(x := layer(x)).shape[-1] for layer in list(network)[:9]]
    return sizes


def share_of_vgg_16() -> dict[str, int]:
    """Parameters of the front end, and of VGG-16 with as many classes, from the widths and sizes of its layers."""
    widths = [3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
    vgg = sum((9 * inputs + 1) * outputs for inputs, outputs in pairwise(widths))
    vgg += (512 * 49 + 1) * 4096 + (4096 + 1) * 4096 + (4096 + 1) * 21
    return {"front_end": sum(p.numel() for p in _on_meta("frontend").parameters()), "vgg_16": vgg}


def alignment() -> dict[str, float | int]:
    """What an output of the front end sees: its width, the step to the next, and where its middle lies in the image.

    The margin is taken away from the latter, so that 3.5 is the middle of the first 8 pixels.
    """
    width, step = 1, 1
    for layer in _on_meta("frontend").modules():
        if isinstance(layer, nn.Conv2d):
            width += (layer.kernel_size[0] - 1) * layer.dilation[0] * step
        elif isinstance(layer, nn.MaxPool2d):
            width += (layer.kernel_size - 1) * step
            step *= layer.stride
    return {"receptive_field": width, "step": step, "middle": (width - 1) / 2 - MARGIN}


def segmentation() -> dict[str, float | list[int]]:
    """What ``segment`` does around a network: sizes, the reflected border and how scores are spread over pixels.

    The network here takes the margin away and averages 8 x 8 pixels, so that a ramp stays one but for its ends.
    """
    images = _random(2, 3, 192, 200)
    network = nn.Sequential(nn.ZeroPad2d(-186), nn.AvgPool2d(8))
    got: list[Tensor] = []
    network.register_forward_pre_hook(lambda _, inputs: got.append(inputs[0]))
    sizes = list(segment(network, images).shape)
    rows = [abs(i) if i < 192 else 382 - i for i in range(-186, 192 + 186)]
    columns = [abs(i) if i < 200 else 398 - i for i in range(-186, 200 + 186)]
    ramp = torch.arange(192.0, dtype=torch.float64)[:, None].expand(1, 1, 192, 200)
    return {
        "sizes": sizes,
        "padded": list(got[0].shape),
        "reflection": distance(got[0], images[:, :, rows][:, :, :, columns]),
        "ramp": distance(segment(network, ramp)[:, :, 4:-4], ramp[:, :, 4:-4]),
    }


@cache
def _on_meta(variant: str) -> ContextModule | FrontEnd:
    with torch.device("meta"):
        return build(variant).eval()


def _followed_by(layers: nn.Sequential, kind: type[nn.Module]) -> list[int]:
    """Numbers of the convolutions, from 1, that are followed by such a layer before the next convolution."""
    numbers, number = [], 0
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            number += 1
        elif isinstance(layer, kind):
            numbers.append(number)
    return numbers


def _correlate(f: Tensor, k: Tensor, *, padding: int, dilation: int = 1) -> Tensor:
    return F.conv2d(f[None, None], k[None, None], padding=padding, dilation=dilation)[0, 0]


def _extent(f: Tensor) -> int:
    """Width of what is not zero; the larger of both directions."""
    rows, columns = f.nonzero(as_tuple=True)
    return int(max(rows.max() - rows.min(), columns.max() - columns.min())) + 1


def _random(*size: int) -> Tensor:
    return normal(*size, seed=sum(size))


def _randomise(module: ContextModule) -> ContextModule:
    torch.manual_seed(0)
    module.double()
    for parameter in module.parameters():
        fan_in = parameter[0].numel()
        nn.init.normal_(parameter, std=(2 / fan_in) ** 0.5)
    return module


# --- Training --------------------------------------------------------------------------------------------------------


def initialisation(run: Run) -> dict[str, float]:
    """Share of the pixels that a basic module labels rightly: before and after training, by its start."""
    images, labels = _blocks(1600, run.seed)
    test_images, test_labels = _blocks(200, run.seed + 1000)

    def accuracy(module: nn.Module) -> float:
        return float((outputs(module, test_images).argmax(dim=1) == test_labels).float().mean())

    measured = {}
    for arm, name in (("identity", "identity"), ("torch's own initialisation", "random")):
        torch.manual_seed(run.seed)
        module = ContextModule(4, BASIC)
        if arm == "identity":
            identity_(module)
        measured[f"{name}_before"] = accuracy(module)
        optimiser = torch.optim.SGD(module.parameters(), lr=0.01, momentum=0.9)
        run.train(arm, module, optimiser, images, labels, batch=8, epochs=1)
        measured[f"{name}_after"] = accuracy(module)
    return measured


def _blocks(number: int, seed: int) -> tuple[Tensor, Tensor]:
    """Maps that half say which class each pixel has, (number, 4, 32, 32), and the classes, in blocks of 8 x 8."""
    generator = torch.Generator().manual_seed(seed)
    blocks = torch.randint(4, (number, 4, 4), generator=generator)
    labels = blocks.repeat_interleave(8, dim=1).repeat_interleave(8, dim=2)
    truth = F.one_hot(labels, 4).permute(0, 3, 1, 2).float()
    return (truth + 0.8 * torch.randn(truth.shape, generator=generator)).relu(), labels
