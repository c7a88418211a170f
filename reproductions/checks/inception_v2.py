"""Measurements of batch normalisation and BN-Inception that no count on a single network gives."""

from __future__ import annotations

import math
from copy import deepcopy
from functools import cache, partial
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from catalog.verify.training import Run, outputs
from reproductions import build, inception_v1
from reproductions.checks.measuring import count_macs, count_parameters, distance, normal
from reproductions.inception_v2 import (
    MODULES,
    BatchNorm,
    BNInception,
    InceptionV2,
    bn_backward,
    convolution,
    fold,
    perceptron,
    population_statistics,
    separable,
)

if TYPE_CHECKING:
    from reproductions.inception_v2 import Row

Module = TypeVar("Module", bound=nn.Module)

INCEPTIONS = ("bn-inception", "bn-inception-576", "bn-inception-separable", "bn-inception-sigmoid")


# --- Batch normalisation ---------------------------------------------------------------------------------------------


def transform() -> dict[str, float]:
    """Algorithm 1 written out against the layer in training; mean and variances, by m and m - 1, of what it gives."""
    x, norm = normal(16, 7, seed=1), _randomise(BatchNorm(7, eps=0.5)).train()
    mean = x.sum(0) / 16
    variance = (x - mean).square().sum(0) / 16
    with torch.no_grad():
        wanted = norm.gamma * (x - mean) / (variance + 0.5).sqrt() + norm.beta
        y = BatchNorm(7, eps=0).double()(x)
        return {
            "difference": distance(norm(x), wanted),
            "mean": float(y.mean(0).abs().max()),
            "variance": distance(y.var(0, correction=0), torch.ones(7)),
            "variance_by_m_minus_1": float(y.var(0, correction=1).mean()),
        }


def gradients() -> dict[str, float]:
    """Differences of the closed-form gradients from autograd's, for both kinds of layer, and what they add up to.

    ``without_statistics`` is how far the gradient would be off if mean and variance were taken for constants.
    """
    found = {}
    for name, size in (("connected", (16, 7)), ("convolutional", (4, 7, 3, 2))):
        x, dy = normal(*size, seed=1).requires_grad_(), normal(*size, seed=2)
        gamma, beta = (normal(7, seed=seed).requires_grad_() for seed in (3, 4))
        rows = x.movedim(1, -1).reshape(-1, 7)
        mean = rows.sum(0) / len(rows)
        variance = (rows - mean).square().sum(0) / len(rows)
        y = (gamma * (rows - mean) / (variance + 0.1).sqrt() + beta).view(x.movedim(1, -1).shape).movedim(-1, 1)
        wanted = torch.autograd.grad(y, (x, gamma, beta), dy)
        closed = bn_backward(dy, x.detach(), gamma.detach(), 0.1)
        found |= {
            f"{name}_{letter}": distance(*pair)
            for letter, pair in zip(("x", "gamma", "beta"), zip(closed, wanted, strict=True), strict=True)
        }
        found[f"{name}_sum"] = float(closed[0].movedim(1, -1).reshape(-1, 7).sum(0).abs().max())
    naive = dy * (gamma * (variance + 0.1).rsqrt()).detach()[:, None, None]
    return found | {"without_statistics": distance(naive, wanted[0])}


def weight_scale() -> dict[str, float]:
    """What changes behind BN(Wu) when W becomes 3W: outputs, gradient for u, and that for W times 3."""
    u, w, cotangent = normal(32, 5, seed=1), normal(6, 5, seed=2), normal(32, 6, seed=3)
    results = []
    for scale in (1, 3):
        norm = BatchNorm(6, eps=0).double()
        inputs, weight = u.clone().requires_grad_(), (scale * w).requires_grad_()
        y = norm(F.linear(inputs, weight))
        results.append([y, *torch.autograd.grad(y, (inputs, weight), cotangent)])
    (y, du, dw), (y3, du3, dw3) = results
    return {
        "outputs": distance(y, y3),
        "gradient_for_u": distance(du, du3),
        "gradient_for_w": distance(dw, 3 * dw3),
        "gradient_for_w_unscaled": distance(dw, dw3),
    }


def bias_in_front() -> dict[str, float]:
    """What a bias in front of the normalisation changes, and its gradient; and one behind it."""
    u, w, cotangent = normal(32, 5, seed=1), normal(6, 5, seed=2), normal(32, 6, seed=3)
    b = normal(6, seed=4).requires_grad_()
    norm = BatchNorm(6).double()
    x = F.linear(u, w)
    (gradient,) = torch.autograd.grad(norm(x + b), b, cotangent)
    (behind,) = torch.autograd.grad(norm(x) + b, b, cotangent)
    return {
        "outputs": distance(norm(x + b), norm(x)),
        "gradient": float(gradient.abs().max()),
        "gradient_behind": float(behind.abs().max()),
    }


def outside_of_the_gradient() -> dict[str, float]:
    """A hundred steps on a bias whose mean is subtracted outside of the gradient, and inside of it.

    The bias that they make, and the loss behind them over the loss in front of them.
    """
    u = normal(1000, seed=1)
    found = {}
    for name, inside in (("outside", False), ("inside", True)):
        b, losses = torch.zeros((), dtype=torch.float64), []
        for _ in range(101):
            bias = b.clone().requires_grad_()
            mean = (u + bias).mean()
            loss = (u + bias - (mean if inside else mean.detach()) - 1).square().mean() / 2
            losses.append(loss.item())
            last, b = b, b - 0.1 * torch.autograd.grad(loss, bias)[0]
        found |= {f"{name}_bias": float(last), f"{name}_loss": losses[100] / losses[0]}
    return found


def identity() -> dict[str, float]:
    """How far the layer is from the identity with gamma and beta as Section 3 says, and with its statistics alone."""
    x = 3 * normal(16, 7, seed=1) + 5
    norm = BatchNorm(7).double()
    with torch.no_grad():
        normalised_alone = distance(norm(x), x)
        norm.gamma.copy_((x.var(0, correction=0) + norm.eps).sqrt())
        norm.beta.copy_(x.mean(0))
        return {"restored": distance(norm(x), x), "normalised": normalised_alone}


def population() -> dict[str, float]:
    """Estimates over 20,000 mini-batches of 4 from a normal distribution of mean 1 and variance 4.

    Two hundred batches of a hundred channels each; ``uncorrected`` is the mean of what training divides by.
    """
    batches = 1 + 2 * normal(200, 4, 100, seed=1)
    network = nn.Sequential(BatchNorm(100, momentum=0.3)).double().eval()
    norm = network[0]
    population_statistics(network, batches)
    wanted = batches.mean((0, 1)), batches.var(1, correction=1).mean(0)
    return {
        "mean": float(norm.running_mean.mean()),
        "variance": float(norm.running_var.mean()),
        "uncorrected": float(batches.var(1, correction=0).mean()),
        "all_batches_alike": max(
            distance(a, b) for a, b in zip((norm.running_mean, norm.running_var), wanted, strict=True)
        ),
        "momentum": norm.momentum,
        "training": int(network.training),
    }


def moving_averages() -> dict[str, float]:
    """Moving averages after ten mini-batches: the differences from those of torch, and of outputs and gradients.

    By torch's layers for vectors and for maps; in training, then in inference.
    """
    found = {}
    for name, theirs, size in (("1d", nn.BatchNorm1d, (6, 5)), ("2d", nn.BatchNorm2d, (6, 5, 3, 4))):
        differences = dict.fromkeys(("outputs", "gradients", "averages", "inference"), 0.0)
        for options in ({}, {"eps": 0.01, "momentum": 0.4}):
            norm, peer = _randomise(BatchNorm(5, **options)).train(), theirs(5, **options).double()
            peer.load_state_dict({**peer.state_dict(), **_in_torch(norm)})
            for seed in range(10):
                x = 2 * normal(*size, seed=seed) + 1
                cotangent = normal(*size, seed=100 + seed)
                pairs = []
                for layer in (norm, peer):
                    inputs = x.clone().requires_grad_()
                    y = layer(inputs)
                    pairs.append([y, *torch.autograd.grad(y, (inputs, *layer.parameters()), cotangent)])
                (ours, *our_gradients), (other, *other_gradients) = pairs
                differences["outputs"] = max(differences["outputs"], distance(ours, other))
                for mine, wanted in zip(our_gradients, other_gradients, strict=True):
                    differences["gradients"] = max(differences["gradients"], distance(mine, wanted))
            for key, value in _in_torch(norm).items():
                differences["averages"] = max(differences["averages"], distance(value, peer.state_dict()[key]))
            differences["inference"] = max(differences["inference"], distance(norm.eval()(x), peer.eval()(x)))
        found |= {f"{key}_{name}": value for key, value in differences.items()}
    return found


def inference() -> dict[str, float]:
    """How much a batch-normalised output depends on the rest of its mini-batch, in training and in inference."""
    norm = _randomise(BatchNorm(7))
    first, others = normal(1, 7, seed=1), [normal(15, 7, seed=seed) for seed in (2, 3)]
    batches = [torch.cat([first, other]) for other in others]
    with torch.no_grad():
        fixed = distance(norm(batches[0])[0], norm(batches[1])[0])
        before = norm.running_mean.clone()
        norm(batches[0])
        untouched = distance(before, norm.running_mean)
        norm.train()
        return {
            "training": distance(norm(batches[0])[0], norm(batches[1])[0]),
            "inference": fixed,
            "moved": untouched,
        }


def folded() -> dict[str, float]:
    """Differences in single precision between layer and normalisation in inference and the one layer that they make."""
    found = {}
    layers = {
        "linear": nn.Linear(5, 7),
        "linear_without_bias": nn.Linear(5, 7, bias=False),
        "convolution": nn.Conv2d(5, 7, 3, stride=2, padding=1),
        "grouped_convolution": nn.Conv2d(6, 9, 3, groups=3, bias=False),
    }
    with torch.no_grad():
        for name, layer in layers.items():
            outputs_, inputs, *kernel = layer.weight.shape
            x = normal(8, inputs * getattr(layer, "groups", 1), *([9, 9] if kernel else []), seed=1).float()
            norm = _randomise(BatchNorm(outputs_, eps=0.3)).float()
            _randomise(layer).float()
            found[name] = distance(fold(layer, norm)(x), norm(layer(x)))
        found["not_folded"] = distance(layer(x), norm(layer(x)))
    return found


def convolutional() -> dict[str, float]:
    """Normalising 8 x 3 x 5 x 5 numbers as maps against normalising them as 200 x 3, and against each place alone."""
    x = 2 * normal(8, 3, 5, 5, seed=1) + 1
    maps, rows, places = (BatchNorm(channels).double() for channels in (3, 3, 75))
    y = maps(x)
    z = rows(x.movedim(1, -1).reshape(200, 3)).view(8, 5, 5, 3).movedim(-1, 1)
    return {
        "outputs": distance(y, z),
        "averages": max(distance(a, b) for a, b in zip(maps.buffers(), rows.buffers(), strict=True)),
        "parameters": count_parameters(maps),
        "each_place_alone": distance(y, places(x.flatten(1)).view_as(x)),
    }


# --- Networks --------------------------------------------------------------------------------------------------------


def output_channels() -> dict[str, int]:
    """Channels behind each module of BN-Inception."""
    return {name: shape[0] for name, shape in _shapes("bn-inception").items() if name in MODULES}


def output_channels_576() -> dict[str, int]:
    """Channels behind each module with 96 filters behind the pools of 4c and 4d."""
    return {name: shape[0] for name, shape in _shapes("bn-inception-576").items() if name in MODULES}


def output_sides() -> dict[str, int]:
    """Side of the map behind each row of Figure 5 but those of stride 2."""
    return {name: shape[1] for name, shape in _shapes("bn-inception").items() if name not in ("3c", "4e")}


def output_sides_of_stride_2() -> dict[str, int]:
    """Side of the map behind the two modules of stride 2."""
    return {name: shape[1] for name, shape in _shapes("bn-inception").items() if name in ("3c", "4e")}


def depth() -> dict[str, int | list[int]]:
    """Layers with weights on the longest path: of each module, of the network, and how many more than in GoogLeNet.

    ``more_by_double_3x3`` is for the nine modules of GoogLeNet, and ``more_by_modules`` for the one added to them.
    """
    network, googlenet = _network("bn-inception"), _googlenet()
    here, there = ([_depth(module) for module in _modules(net)] for net in (network, googlenet))
    return {
        "modules": here,
        "modules_of_googlenet": there,
        "network": _depth(network),
        "more_by_double_3x3": len(there) * (here[0] - there[0]),
        "more_by_modules": _depth(network) - _depth(googlenet) - len(there) * (here[0] - there[0]),
    }


def cost_over_googlenet() -> dict[str, float]:
    """How much more multiply-adds BN-Inception costs than GoogLeNet, and with separable first layers in both."""
    plain, separable_first = (count_macs(_network(name)) for name in ("bn-inception", "bn-inception-separable"))
    googlenet = count_macs(_googlenet())
    return {
        "plain": plain / googlenet - 1,
        "separable": separable_first / (googlenet - (plain - separable_first)) - 1,  # they save the same in both
    }


def parameters_over_googlenet() -> dict[str, float]:
    """How many more parameters BN-Inception has than GoogLeNet, and GoogLeNet with two 3x3 for every 5x5."""
    googlenet, replaced = count_parameters(_googlenet()), 0
    for _, _, _, reduce, filters, _ in inception_v1.MODULES.values():
        replaced += 9 * reduce * filters + 9 * filters**2 + filters - 25 * reduce * filters
    return {
        "network": count_parameters(_network("bn-inception")) / googlenet - 1,
        "double_3x3_alone": replaced / googlenet,
    }


def double_3x3_filters() -> dict[str, int | list[int]]:
    """Filters of the double 3x3 of each module, and the most that any has."""
    filters = [double.branches[-2][-1][0].out_channels for double in _modules(_network("bn-inception"))]
    return {"filters": filters, "most": max(filters)}


def changes() -> dict[str, int | list[int]]:
    """What the Appendix lists: modules on maps of 28 x 28 here and in GoogLeNet, which of them take a maximum.

    And pools between modules, and filters larger than 3x3 in them.
    """
    found: dict[str, int | list[int]] = {}
    for name, network in (("", _network("bn-inception")), ("_of_googlenet", _googlenet())):
        x, inputs = network.stem(_image()), []
        for layer in network.inception:
            if isinstance(layer, inception_v1.Concatenation):
                inputs.append(x.shape[2])
            x = layer(x)
        found[f"modules_at_28{name}"] = inputs.count(28)
    modules = _network("bn-inception").inception
    layers = list(modules.modules())
    return found | {
        "takes_maximum": [int(any(isinstance(part, nn.MaxPool2d) for part in module.modules())) for module in modules],
        "pools_between": sum(not isinstance(module, InceptionV2) for module in modules),
        "larger_filters": sum(isinstance(layer, nn.Conv2d) and layer.kernel_size[0] > 3 for layer in layers),
    }


def normalisation() -> dict[str, int | list[int]]:
    """What the variants of BN-Inception consist of, in the order of INCEPTIONS.

    Convolutions with weights in front of a normalisation, those that g follows, parameters of normalisations for each
    feature map, linear layers, and what GoogLeNet has besides.
    """
    found: dict[str, list[int]] = {}
    for variant in INCEPTIONS:
        modules = list(_network(variant).modules())
        nonlinearity = nn.Sigmoid if variant.endswith("sigmoid") else nn.ReLU
        triples = [
            (module[i], module[i + 1], module[i + 2])
            for module in modules
            if isinstance(module, nn.Sequential)
            for i in range(len(module) - 2)
        ]
        norms = [module for module in modules if isinstance(module, BatchNorm)]
        for name, count in {
            "convolutions": sum(isinstance(module, nn.Conv2d) for module in modules),
            "normalised": sum(isinstance(a, nn.Conv2d) and isinstance(b, BatchNorm) for a, b, _ in triples),
            "normalised_first": sum(isinstance(b, BatchNorm) and isinstance(c, nonlinearity) for _, b, c in triples),
            "parameters_a_map": sum(map(count_parameters, norms)) // sum(norm.running_mean.numel() for norm in norms),
            "linear": sum(isinstance(module, nn.Linear) for module in modules),
            "lrn_and_dropout": sum(isinstance(module, nn.LocalResponseNorm | nn.Dropout) for module in modules),
        }.items():
            found.setdefault(name, []).append(count)
    return found


def first_layer() -> dict[str, float]:
    """The separable first convolution against the ordinary one: filters a colour, what it saves, maps that it adds.

    ``difference``: from the ordinary convolution whose kernels are the products of its own.
    """
    meta = _network("bn-inception-separable").stem[0]
    depthwise, pointwise, *_ = _randomise(separable(3, 64, 7, stride=2, multiplier=8, bias=False, nonlinearity=nn.ReLU))
    x = normal(1, 3, 21, 21, seed=1)
    kernel = torch.einsum("oj,jhw->ojhw", pointwise.weight[:, :, 0, 0], depthwise.weight[:, 0])
    kernel = kernel.view(64, 3, 8, 7, 7).sum(2)
    ordinary = _network("bn-inception").stem[0]
    with torch.no_grad():
        return {
            "multiplier": meta[0].out_channels // meta[0].in_channels,
            "macs_saved": count_macs(ordinary) - count_macs(meta),
            "elements_more": meta[0](_image()).numel(),
            "weights": sum(weight.numel() for weight in meta.parameters() if weight.dim() > 1),
            "difference": distance(pointwise(depthwise(x)), F.conv2d(x, kernel, stride=2, padding=3)),
        }


def modules_written_out() -> dict[str, float]:
    """Differences between the three forms of the module and their branches by functions alone.

    ``unpadded_average`` is how much it would change if the average pool did not count the zeros around the map.
    """
    conv = partial(convolution, bias=True, nonlinearity=nn.ReLU)
    x = normal(2, 12, 8, 8, seed=1)
    found = {}
    with torch.no_grad():
        for name, row in {
            "average": (4, 3, 5, 2, 6, "avg", 7),
            "maximum": (4, 3, 5, 2, 6, "max", 7),
            "pass_through": (0, 3, 5, 2, 6, "max", 0),
        }.items():
            module = _randomise(InceptionV2(conv, 12, row))
            found[name] = distance(module(x), _written_out(x, module, row))
        row = (4, 3, 5, 2, 6, "avg", 7)
        module = _randomise(InceptionV2(conv, 12, row))
        found["unpadded_average"] = distance(module(x), _written_out(x, module, row, count_include_pad=False))
    return found


def classifier_written_out() -> dict[str, float]:
    """Differences between the classifier and a matrix product behind the average over the map, or its maximum."""
    head = _randomise(deepcopy(_network("bn-inception").head).to_empty(device="cpu"))
    x, linear = normal(2, 1024, 7, 7, seed=1), head[-1]
    with torch.no_grad():
        y = head(x)
        readings = {"average": x.sum((2, 3)) / 49, "maximum": x.amax((2, 3))}
        return {name: distance(y, z @ linear.weight.T + linear.bias) for name, z in readings.items()}


def perceptrons() -> dict[str, float | list[int]]:
    """Widths of the two networks for MNIST, their biases, and differences from z = g(BN(Wu)) written out.

    ``sigmoid_first`` is how much it would change to normalise what the sigmoid gives.
    """
    found: dict[str, float | list[int]] = {}
    x = normal(16, 1, 28, 28, seed=1)
    with torch.no_grad():
        for name, variant in (("with", "mnist-mlp-bn"), ("without", "mnist-mlp")):
            network = _randomise(build("inception-v2", variant)).train()
            linear = [layer for layer in network if isinstance(layer, nn.Linear)]
            norms = [layer for layer in network if isinstance(layer, BatchNorm)]
            found[f"{name}_widths"] = [linear[0].in_features, *(layer.out_features for layer in linear)]
            found[f"{name}_biases"] = [int(layer.bias is not None) for layer in linear]
            y = z = x.flatten(1)
            for layer, norm in zip(linear[:-1], norms or [None] * 3, strict=True):
                y, z = F.linear(y, layer.weight, layer.bias), F.linear(z, layer.weight, layer.bias)
                if norm is not None:
                    y = F.batch_norm(y, None, None, norm.gamma, norm.beta, training=True)
                y, z = y.sigmoid(), z.sigmoid()
                if norm is not None:
                    z = F.batch_norm(z, None, None, norm.gamma, norm.beta, training=True)
            last = linear[-1]
            found[f"{name}_difference"] = distance(network(x), F.linear(y, last.weight, last.bias))
            if norms:
                found["hidden"] = [layer.out_features for layer in linear[:-1]]
                found["outputs"] = last.out_features
                found["sigmoid_first"] = distance(network(x), F.linear(z, last.weight, last.bias))
    return found


def small_gaussian_weights() -> dict[str, float]:
    """Standard deviation and kurtosis (3 if Gaussian) of fresh weights of the perceptron, and its largest bias."""
    torch.manual_seed(0)
    network = build("inception-v2", "mnist-mlp")
    weights, *_ = [layer.weight.detach() for layer in network if isinstance(layer, nn.Linear)]
    return {
        "deviation": float(weights.std()),
        "kurtosis": float(weights.pow(4).mean() / weights.pow(2).mean() ** 2),
        "largest_bias": max(
            float(layer.bias.detach().abs().max()) for layer in network if isinstance(layer, nn.Linear)
        ),
    }


# --- Tools -----------------------------------------------------------------------------------------------------------


@cache
def _network(variant: str) -> BNInception:
    with torch.device("meta"):
        return build("inception-v2", variant).eval()


@cache
def _googlenet() -> inception_v1.GoogLeNet:
    with torch.device("meta"):
        return build("inception-v1", "googlenet").eval()


def _modules(network: nn.Module) -> list[nn.Module]:
    return [layer for layer in network.inception if isinstance(layer, inception_v1.Concatenation)]


def _image() -> Tensor:
    return torch.empty(1, 3, 224, 224, device="meta")


@cache
def _shapes(variant: str) -> dict[str, list[int]]:
    """Channels and side behind each row of Figure 5."""
    network, x = _network(variant), _image()
    rows = {"convolution_1": network.stem[0], "max_pool_1": network.stem[1], "convolution_2": network.stem[2:4]}
    rows |= {"max_pool_2": network.stem[4], **dict(network.inception.named_children()), "avg_pool": network.head[0]}
    shapes = {}
    for name, layer in rows.items():
        x = layer(x)
        shapes[name] = [x.shape[1], x.shape[2]]
    return shapes


def _depth(module: nn.Module) -> int:
    if isinstance(module, nn.Conv2d | nn.Linear):
        return 1
    if isinstance(module, inception_v1.Concatenation):
        return max(_depth(branch) for branch in module.branches)
    return sum(_depth(child) for child in module.children() if not isinstance(child, nn.ModuleDict))


def _written_out(x: Tensor, module: InceptionV2, row: Row, *, count_include_pad: bool = True) -> Tensor:
    layers = iter([layer for layer in module.modules() if isinstance(layer, nn.Conv2d | BatchNorm)])

    def conv(x: Tensor, stride: int = 1) -> Tensor:
        """A convolution and its normalisation, in the order in which the module has them."""
        layer, norm = next(layers), next(layers)
        x = F.conv2d(x, layer.weight, layer.bias, stride, layer.weight.shape[-1] // 2)
        return F.batch_norm(x, norm.running_mean, norm.running_var, norm.gamma, norm.beta).relu()

    *_, pool, projection = row
    if not projection:
        branches = [conv(conv(x), 2), conv(conv(conv(x)), 2), F.max_pool2d(x, 3, 2, ceil_mode=True)]
    else:
        branches = [conv(x), conv(conv(x)), conv(conv(conv(x)))]
        if pool == "avg":
            pooled = F.avg_pool2d(x, 3, 1, 1, count_include_pad=count_include_pad)
        else:
            pooled = F.max_pool2d(x, 3, 1, 1)
        branches.append(conv(pooled))
    return torch.cat(branches, 1)


def _in_torch(norm: BatchNorm) -> dict[str, Tensor]:
    """What a layer of ours learns and tracks, by the names of torch."""
    names = {"gamma": "weight", "beta": "bias"}
    return {names.get(name, name): value.clone() for name, value in norm.state_dict().items()}


def _randomise(network: Module) -> Module:
    """Draw every parameter and moving average, in float64, so that nothing is an identity by its initial value."""
    generator = torch.Generator().manual_seed(0)
    network.double().eval()
    for name, value in network.state_dict().items():
        if name.endswith("running_var"):
            nn.init.uniform_(value, 0.5, 1.5, generator=generator)
        else:
            deviation = (2 / value[0].numel()) ** 0.5 if value.dim() > 1 else 0.5
            nn.init.normal_(value, mean=float(name.endswith("gamma")), std=deviation, generator=generator)
    return network


# --- Training --------------------------------------------------------------------------------------------------------


def sigmoid_networks(run: Run) -> dict[str, float]:
    """Test accuracy on digits after 500 steps at a rate of 0.5, with batch normalisation and without."""
    return _accuracies_on_digits(run, rate=0.5, steps=500)


def high_rate(run: Run) -> dict[str, float]:
    """Test accuracy on digits after 200 steps at a rate of 2, with batch normalisation and without."""
    return _accuracies_on_digits(run, rate=2.0, steps=200)


def _accuracies_on_digits(run: Run, *, rate: float, steps: int) -> dict[str, float]:
    digits = run.data("digits").divide(run.seed)
    accuracies = {}
    for arm in ("with", "without"):
        torch.manual_seed(run.seed)
        network = perceptron((64, 100, 100, 100, 10), batch_norm=arm == "with")
        run.train(
            f"{arm} batch normalisation",
            network,
            torch.optim.SGD(network.parameters(), lr=rate),
            digits.train.images / 16,
            digits.train.labels,
            batch=60,
            steps=steps,
        )
        accuracies[arm] = _accuracy(network, digits.test.images / 16, digits.test.labels)
    return accuracies


def mnist(run: Run) -> dict[str, float]:
    """The first 3,000 steps of Figure 1: accuracies after 1,000 and in the end, and how far distributions move."""
    early, late, movement = _figure_1(run, steps=3_000)
    return {
        "after_1000_steps": early["with"],
        "lead_after_1000_steps": early["with"] - early["without"],
        "accuracy": late["with"],
        "lead": late["with"] - late["without"],
        "movement_without_over_with": movement["without"] / movement["with"],
    }


def mnist_50000_steps(run: Run) -> dict[str, float]:
    """All 50,000 steps of Figure 1."""
    early, late, movement = _figure_1(run, steps=50_000)
    return {
        "lead_after_1000_steps": early["with"] - early["without"],
        "lead": late["with"] - late["without"],
        "movement_without_over_with": movement["without"] / movement["with"],
    }


def _figure_1(run: Run, *, steps: int) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """Train both networks: test accuracies after 1,000 steps, which are an epoch, and in the end, and movements.

    The movement is the range over the epochs of the 15th, 50th and 85th percentile of a sigmoid's input, in the mean
    over the three and over the sigmoids of the last hidden layer. The curves show these of the first sigmoid.
    """
    data = run.data("mnist")
    train, test = ((split.images > 127).float() for split in (data.train, data.test))  # binary, as in the paper
    early, late, movement = {}, {}, {}
    for arm, variant in (("with", "mnist-mlp-bn"), ("without", "mnist-mlp")):
        torch.manual_seed(run.seed)
        network = build("inception-v2", variant)
        # In the network's state, which survives an interruption.
        network.register_buffer("lowest", torch.full((3, 100), math.inf))
        network.register_buffer("highest", torch.full((3, 100), -math.inf))

        def read(network: nn.Module = network) -> dict[str, float]:
            inputs = outputs(network[:-2], test)  # without the last sigmoid and the linear layer
            seen = torch.quantile(inputs, torch.tensor([0.15, 0.5, 0.85]), dim=0).to(network.lowest.device)
            torch.minimum(network.lowest, seen, out=network.lowest)
            torch.maximum(network.highest, seen, out=network.highest)
            percentiles = zip(("15th percentile", "50th percentile", "85th percentile"), seen[:, 0], strict=True)
            return {"test accuracy": _accuracy(network, test, data.test.labels), **dict(percentiles)}

        history = run.train(
            f"{arm} batch normalisation",
            network,
            torch.optim.SGD(network.parameters(), lr=0.5),
            train,
            data.train.labels,
            batch=60,
            steps=steps,
            each_epoch=read,
        )
        accuracies = history.readings["test accuracy"]
        early[arm], late[arm] = accuracies[0], accuracies[-1]
        movement[arm] = (network.highest - network.lowest).mean().item()
    return early, late, movement


def _accuracy(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    return (outputs(network, images).argmax(dim=1) == labels).float().mean().item()
