"""Measurements of binary weights and of the networks that are made of them."""

from __future__ import annotations

from itertools import product
from math import pi, sqrt
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from catalog.verify.training import Run, accuracy, cosine
from reproductions.binarized_networks import binarize
from reproductions.checks.measuring import distance
from reproductions.xnor_net import (
    BinConv2d,
    BWNBlock,
    XNORBlock,
    binary_weight,
    build,
    centre_and_clamp_,
    input_scale,
    speedup,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Named = dict[str, float | int | list[float] | list[int]]


def _generator(seed: int) -> Callable[..., Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return lambda *size: torch.randn(*size, dtype=torch.float64, generator=generator)


def _network(variant: str, **options: bool) -> nn.Sequential:
    with torch.device("meta"):
        return build(variant, **options)


# --- Structure -------------------------------------------------------------------------------------------------------


def binarised_weights() -> Named:
    """Weights that are binarised, the layers they are in, and the places of the convolutions that stay real."""
    network = _network("alexnet-xnor")
    convolutions = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    binary = [isinstance(layer, BinConv2d) for layer in convolutions]
    return {
        "weights": sum(conv.weight.numel() for conv, is_binary in zip(convolutions, binary, strict=True) if is_binary),
        "binary_layers": sum(binary),
        "real_layers": [place for place, is_binary in enumerate(binary, start=1) if not is_binary],
    }


def _mebibytes(bits: int) -> float:
    return sum(parameter.numel() for parameter in _network("alexnet-xnor").parameters()) * bits / 8 / 2**20


def memory_in_double_precision() -> float:
    """All parameters at 8 bytes, in MiB."""
    return _mebibytes(64)


def memory_of_bits() -> float:
    """All parameters at one bit, in MiB."""
    return _mebibytes(1)


def feature_maps() -> Named:
    """Channels and sides behind the stem, each binary layer and the classifier; the same in both networks."""
    measured: Named = {}
    for variant in ("alexnet-bwn", "alexnet-xnor"):
        network, x = _network(variant).eval(), torch.empty(1, 3, 224, 224, device="meta")
        shapes = []
        for number, layer in enumerate(network):
            x = layer(x)
            if number == 0 or isinstance(layer, BWNBlock | XNORBlock):
                shapes.append(x.shape[1:3])
        measured |= {f"{variant}_channels": [c for c, _ in shapes], f"{variant}_sides": [side for _, side in shapes]}
    return measured


_BINARY = ((96, 256, 5, 2), (256, 384, 3, 1), (384, 384, 3, 1), (384, 256, 3, 1), (256, 4096, 6, 0), (4096, 4096, 1, 0))


def _released(variant: str) -> list[nn.Module]:
    """The layers of the authors' models/alexnet.lua and models/alexnetxnor.lua, one after the other."""
    xnor = variant == "alexnet-xnor"
    layers: list[nn.Module] = [
        nn.Conv2d(3, 96, kernel_size=11, stride=4, padding=2),
        nn.BatchNorm2d(96, eps=1e-5 if xnor else 1e-3, affine=not xnor),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),
    ]
    for number, (inputs, outputs, kernel, padding) in enumerate(_BINARY, start=2):
        conv = BinConv2d(inputs, outputs, kernel_size=kernel, padding=padding)
        if xnor:
            layers += [nn.BatchNorm2d(inputs, eps=1e-4, affine=False), conv]
        else:
            layers += [nn.Dropout2d(0.1)] * (number in (6, 7)) + [conv, nn.BatchNorm2d(outputs, eps=1e-3), nn.ReLU()]
        if number in (2, 5):
            layers.append(nn.MaxPool2d(3, stride=2))
    if xnor:
        layers += [nn.BatchNorm2d(4096, eps=1e-3, affine=False), nn.ReLU()]
    return [*layers, nn.Conv2d(4096, 1000, kernel_size=1), nn.Flatten()]


def released_layers() -> Named:
    """Layers of both networks, and how many of them are not what the authors' code has in that place."""
    measured: Named = {}
    for variant in ("alexnet-bwn", "alexnet-xnor"):
        leaves = [layer for layer in _network(variant).modules() if not any(layer.children())]
        leaves = [layer for layer in leaves if not isinstance(layer, nn.Identity)]
        with torch.device("meta"):
            released = _released(variant)
        differing = sum(repr(a) != repr(b) for a, b in zip(leaves, released, strict=False))
        measured |= {f"{variant}_layers": len(leaves), f"{variant}_differing": differing}
    return measured


def scaled_layers() -> Named:
    """Layers that scale by K, in the network as released and when asked for, and how many parameters that adds."""
    with_k, without = _network("alexnet-xnor", scaled=True), _network("alexnet-xnor")
    count = [sum(block.scaled for block in network if isinstance(block, XNORBlock)) for network in (without, with_k)]
    sizes = [sum(parameter.numel() for parameter in network.parameters()) for network in (without, with_k)]
    return {"released": count[0], "asked_for": count[1], "additional_parameters": sizes[1] - sizes[0]}


# --- Binary weights --------------------------------------------------------------------------------------------------


def optimal_scale() -> Named:
    """For 20 filters of ten weights: squared errors of all 1024 sign patterns with their own best scales.

    ``off_formula`` is the least of them against |W|^2 - |W|_1^2 / n, ``off_minimum`` the module's error against it;
    ``patterns`` reach it, the signs and their opposites; ``root_mean_square`` is what the least error with that for a
    scale exceeds it by.
    """
    w = _generator(0)(20, 10)
    patterns = torch.tensor(list(product([-1.0, 1.0], repeat=10)), dtype=torch.float64)
    alphas = w @ patterns.T / 10  # filters, patterns
    errors = (w[:, None] - alphas[..., None] * patterns).square().sum(-1)
    least = errors.amin(1)
    formula = w.square().sum(1) - w.abs().sum(1) ** 2 / 10
    ours = (w - binary_weight(w)).square().sum(1)
    wrong = (w - w.square().mean(1, keepdim=True).sqrt() * w.sign()).square().sum(1)
    return {
        "off_formula": distance(least, formula),
        "off_minimum": distance(ours, least),
        "patterns": [int(n) for n in (errors < least[:, None] + 1e-10).sum(1).unique()],
        "values": len(binary_weight(w[:1]).unique()),
        "root_mean_square": (wrong - least).min().item(),
    }


def gaussian_error() -> float:
    """Squared error of 64 Gaussian filters of 1152 weights, relative to their squares."""
    w = _generator(0)(64, 128, 3, 3)
    return ((w - binary_weight(w)).square().sum() / w.square().sum()).item()


def gradient() -> Named:
    """Gradients of four filters of 50 weights in [-2, 2], and of a filter with weights at ±1, against the formula.

    ``chain_rule`` is the difference from what autograd makes of alpha sign(W) with a straight-through sign.
    """
    w = (4 * torch.rand(4, 50, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) - 2).requires_grad_()
    upstream = _generator(1)(4, 50)
    (ours,) = torch.autograd.grad(binary_weight(w), w, upstream)
    alpha = w.detach().abs().mean(1, keepdim=True)
    inside = w.detach().abs() < 1
    (chain,) = torch.autograd.grad(w.abs().mean(1, keepdim=True) * binarize(w), w, upstream)
    edge = torch.tensor([[-1.0, 1.0, 0.5, -0.5]], dtype=torch.float64, requires_grad=True)
    (at_edge,) = torch.autograd.grad(binary_weight(edge).sum(), edge)
    return {
        "formula": distance(ours, upstream * (1 / 50 + alpha * inside)),
        "inside": int(inside.sum()),
        "chain_rule": distance(ours, chain),
        "at_edge": at_edge[0].tolist(),
    }


def activations() -> Named:
    """Signs of five numbers, and the gradients that pass them."""
    x = torch.tensor([-2.0, -0.2, 0.0, 0.7, 1.1], requires_grad=True)
    y = binarize(x)
    (3 * y).sum().backward()
    assert x.grad is not None
    return {"signs": y.tolist(), "gradients": x.grad.tolist()}


def released_gradient() -> Named:
    """The released program's factor on the gradient of each weight, against ours times n (1 - 1/channels)."""
    w = (_generator(0)(4, 6, 3, 3) / 2).clamp(-1, 1).requires_grad_()
    upstream = _generator(1)(4, 6, 3, 3)
    (ours,) = torch.autograd.grad(binary_weight(w), w, upstream)
    n = 6 * 3 * 3
    with torch.no_grad():
        factor = w.abs().sum((1, 2, 3), keepdim=True).div(n).expand_as(w).clone()
        factor[w <= -1] = 0
        factor[w >= 1] = 0
        factor = factor.add(1 / n).mul(1 - 1 / 6).mul(n)
    return {"difference": distance(ours * n * (1 - 1 / 6), upstream * factor), "at_edge": int((w.abs() == 1).sum())}


def prepared_weights() -> Named:
    """What is done to weights before a step: those of binary layers are centred over the channels and held."""
    network = nn.Sequential(nn.Conv2d(3, 4, 3), BinConv2d(4, 5, 3), XNORBlock(5, 6, 3, 1, False)).double()
    for seed, parameter in enumerate(network.parameters()):
        parameter.data = _generator(seed)(*parameter.shape)
    before = [parameter.detach().clone() for parameter in network.parameters()]
    centre_and_clamp_(network)
    after = list(network.parameters())
    expected = [(w - w.mean(1, keepdim=True)).clamp(-1, 1) for w in (before[2], before[4])]
    clamped_first = before[2].clamp(-1, 1)
    clamped_first = clamped_first - clamped_first.mean(1, keepdim=True)
    return {
        "binary": max(distance(after[2], expected[0]), distance(after[4], expected[1])),
        "others": max(distance(after[i], before[i]) for i in (0, 1, 3, 5)),
        "held": after[2].abs().max().item(),
        "clamped_first": distance(after[2], clamped_first),
    }


def initialisation() -> Named:
    """Variance times fan-in of the weights of the first five convolutions, their kurtosis, and the largest bias."""
    torch.manual_seed(0)
    layers = [layer for layer in build("alexnet-xnor").modules() if isinstance(layer, nn.Conv2d)]
    scaled = [layer.weight.detach() * sqrt(layer.weight[0].numel()) for layer in layers[:5]]
    together = torch.cat([weight.flatten() for weight in scaled])
    return {
        "variance": [weight.var().item() for weight in scaled],
        "kurtosis": ((together / together.std()) ** 4).mean().item(),
        "largest_bias": max(layer.bias.abs().max().item() for layer in layers),
    }


# --- Binary inputs ---------------------------------------------------------------------------------------------------


def _windows(x: Tensor, kernel: int, stride: int = 1, padding: int = 0) -> Tensor:
    """(batch, positions, channels x kernel x kernel), for padded inputs with zeros."""
    return F.unfold(x, kernel, stride=stride, padding=padding).transpose(1, 2)


def scale_map() -> Named:
    """K against the mean of |x| over each explicit window; and the whole estimate against that of each window.

    ``strided`` is the first for stride 2 and padding 1, ``without_channels`` how far K is from that of one channel.
    """
    random = _generator(0)
    x, w = random(2, 8, 9, 9), random(4, 8, 3, 3)
    k = input_scale(x, 3, 1, 0)
    windows = _windows(x, 3)  # 2, 49, 72
    betas = windows.abs().mean(-1)
    estimate = F.conv2d(binarize(x), binary_weight(w)) * k
    alphas, signs = w.abs().mean((1, 2, 3)), w.flatten(1).sign()
    by_window = betas[..., None] * alphas * (windows.sign() @ signs.T)  # 2, 49, 4
    strided = input_scale(x, 3, 2, 1)
    return {
        "k": distance(k.flatten(1), betas),
        "estimate": distance(estimate.flatten(2), by_window.transpose(1, 2)),
        "strided": distance(strided.flatten(1), _windows(x, 3, 2, 1).abs().mean(-1)),
        "side": strided.shape[-1],
        "without_channels": distance(k, input_scale(x[:, :1], 3, 1, 0)),
    }


def xnor_and_count() -> Named:
    """Dot products of signs by XNOR and by counting bits against a convolution of signs."""
    random = _generator(0)
    x, w = random(1, 8, 5, 5), random(4, 8, 3, 3)
    n = 8 * 3 * 3
    convolved = F.conv2d(binarize(x), binarize(w)).flatten(2)[0]  # 4, 9

    def bits(signs: Sequence[float]) -> int:
        return sum(1 << place for place, sign in enumerate(signs) if sign > 0)

    filters = [bits(row) for row in w.flatten(1).tolist()]
    windows = [bits(row) for row in _windows(x, 3)[0].tolist()]
    mask = (1 << n) - 1
    counted = [[2 * (~(f ^ v) & mask).bit_count() - n for v in windows] for f in filters]
    return {"difference": distance(convolved, torch.tensor(counted, dtype=torch.float64)), "products": n}


def correlations() -> Named:
    """Pearson's correlation of 256,000 dot products of Gaussian vectors with their estimates from signs."""
    generator = torch.Generator().manual_seed(0)
    x, w = (torch.randn(number, 1152, generator=generator) for number in (4000, 64))
    true, alpha = x @ w.T, w.abs().mean(1)
    binary_inputs = x.abs().mean(1, keepdim=True) * alpha * (binarize(x) @ binarize(w).T)

    def correlation(estimate: Tensor) -> float:
        return torch.corrcoef(torch.stack([true.flatten(), estimate.flatten()]))[0, 1].item()

    weights, inputs = correlation(x @ binary_weight(w).T), correlation(binary_inputs)
    return {"weights": weights - sqrt(2 / pi), "weights_and_inputs": inputs - 2 / pi}


def speedups() -> Named:
    """The theoretical speed-up of a typical layer, of a first layer of 1 x 1, and when a product counts as free."""
    return {"typical": speedup(256, 9), "first": speedup(3, 1), "limit": speedup(10**9, 9)}


def pooled_signs() -> Named:
    """Shares of +1 behind the signs of 147,456 Gaussian inputs, and behind max pooling of these."""
    signs = binarize(_generator(0)(16, 16, 24, 24))
    return {
        "unpooled": (signs > 0).double().mean().item(),
        "pooled_2x2": (F.max_pool2d(signs, 2) > 0).double().mean().item(),
        "pooled_3x3": (F.max_pool2d(signs, 3) > 0).double().mean().item(),
    }


# --- Blocks ----------------------------------------------------------------------------------------------------------


def _randomised(block: nn.Module) -> nn.Module:
    block = block.double().eval()
    for seed, tensor in enumerate([*block.parameters(), *block.buffers()], start=1):
        if tensor.is_floating_point():
            tensor.data = _generator(seed)(*tensor.shape)
    for norm in block.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_var.abs_().mul_(0.01)  # so small that the constant under the root is felt
    return block


def _pooled(x: Tensor) -> Tensor:
    windows = F.unfold(x.flatten(0, 1)[:, None], 3, stride=2).amax(1)
    return windows.view(*x.shape[:2], *((side - 3) // 2 + 1 for side in x.shape[2:]))


def blocks() -> Named:
    """Both kinds of layer, pooled and not, against the equations, written out window by window: largest differences.

    ``signs_first`` is that of a layer which pools its signs and then convolves.
    """
    x = _generator(0)(2, 6, 9, 9)

    def convolved(x: Tensor, conv: BinConv2d, k: Tensor | float) -> Tensor:
        w = conv.weight.flatten(1)
        sums = _windows(x, 3, padding=1) @ (w.abs().mean(1, keepdim=True) * w.sign()).T  # 2, positions, 8
        return (k * sums + conv.bias).transpose(1, 2).unflatten(2, x.shape[2:])

    differences: dict[str, float] = {}
    with torch.no_grad():
        for pooled, pool in ((False, lambda y: y), (True, _pooled)):
            for scaled in (False, True):
                block = _randomised(XNORBlock(6, 8, 3, 1, pooled, scaled=scaled))
                norm = block.norm
                z = (x - norm.running_mean[:, None, None]) / (norm.running_var[:, None, None] + 1e-4).sqrt()
                k = _windows(z.abs(), 3, padding=1).mean(-1, keepdim=True) if scaled else 1.0
                difference = distance(block(x), pool(convolved(z.sign(), block.conv, k)))
                name = f"xnor{'_with_k' * scaled}"
                differences[name] = max(differences.get(name, 0.0), difference)
            if pooled:
                wrong = convolved(_pooled(z.sign()), block.conv, 1.0)
                differences["signs_first"] = distance(wrong, _pooled(convolved(z.sign(), block.conv, 1.0)))
            block = _randomised(BWNBlock(6, 8, 3, 1, pooled))
            conv, norm = block[0], block[1]
            z = convolved(x, conv, 1.0) - norm.running_mean[:, None, None]
            z = z / (norm.running_var[:, None, None] + 1e-3).sqrt() * norm.weight[:, None, None]
            y = pool((z + norm.bias[:, None, None]).clamp(min=0))
            differences["bwn"] = max(differences.get("bwn", 0.0), distance(block(x), y))
    return dict(differences)


def gradients_of_a_block() -> Named:
    """Gradients of the input and weights of a layer against the formulas; ``everywhere`` lets all signs pass."""
    x = _generator(0)(2, 6, 9, 9).requires_grad_()
    block = _randomised(XNORBlock(6, 8, 3, 1, False))
    conv, deviation = block.conv, (block.norm.running_var[:, None, None] + 1e-4).sqrt()
    y = block(x)
    upstream = _generator(99)(*y.shape)
    of_input, of_weight = torch.autograd.grad(y, (x, conv.weight), upstream)
    with torch.no_grad():
        z, w = block.norm(x), conv.weight
        alpha = w.abs().mean((1, 2, 3), keepdim=True)
        signed = F.conv_transpose2d(upstream, alpha * w.sign(), padding=1)
        products = torch.einsum("bpc,bop->oc", _windows(z.sign(), 3, padding=1), upstream.flatten(2)).view_as(w)
        return {
            "input": distance(of_input, signed * (z.abs() <= 1) / deviation),
            "weights": distance(of_weight, products * (1 / w[0].numel() + alpha * (w.abs() < 1))),
            "everywhere": distance(of_input, signed / deviation),
        }


# --- Training --------------------------------------------------------------------------------------------------------


class _Signs(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return binarize(x)


def block_order(run: Run) -> float:
    """Test error on digits with normalisation, signs and pool behind each binary convolution, less the paper's order.

    With either order all binary convolutions see signs, so in the former the stem ends in signs and not in a ReLU.
    """

    def usual(inputs: int, outputs: int) -> list[nn.Module]:
        return [BinConv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), _Signs(), nn.MaxPool2d(2)]

    def ours(inputs: int, outputs: int) -> list[nn.Module]:
        return [nn.BatchNorm2d(inputs), _Signs(), BinConv2d(inputs, outputs, 3, padding=1), nn.MaxPool2d(2)]

    behind = _error(run, "convolution, normalisation, signs, pool", _Signs(), usual)
    before = _error(run, "normalisation, signs, convolution, pool", nn.ReLU(), ours, nn.BatchNorm2d(48), nn.ReLU())
    return behind - before


def cost_of_binary_weights(run: Run) -> float:
    """Test error on digits with binary weights less that with real ones."""

    def layers(convolution: type[nn.Conv2d]) -> Callable[[int, int], list[nn.Module]]:
        return lambda inputs, outputs: [
            convolution(inputs, outputs, 3, padding=1),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]

    binary = _error(run, "binary weights", nn.ReLU(), layers(BinConv2d))
    return binary - _error(run, "real weights", nn.ReLU(), layers(nn.Conv2d))


def _error(
    run: Run, arm: str, behind_the_stem: nn.Module, layers: Callable[[int, int], list[nn.Module]], *end: nn.Module
) -> float:
    """Test error of a network whose three layers of 24, 48 and 48 channels are made by a function of their widths."""
    digits = run.data("digits").divide(run.seed)
    torch.manual_seed(run.seed)
    network = nn.Sequential(
        nn.Conv2d(1, 24, 3, padding=1),
        nn.BatchNorm2d(24),
        behind_the_stem,
        *layers(24, 24),
        *layers(24, 48),
        *layers(48, 48),
        *end,
        nn.Flatten(),
        nn.Linear(48, 10),
    )

    def hold(*_: object) -> None:
        for layer in network:
            if isinstance(layer, BinConv2d):
                layer.weight.data.clamp_(-1, 1)

    optimiser = torch.optim.Adam(network.parameters(), lr=0.002)
    optimiser.register_step_post_hook(hold)
    images = digits.train.images / 8 - 1
    run.train(arm, network, optimiser, images, digits.train.labels, batch=100, epochs=15, schedule=cosine)
    return 1 - accuracy(network, digits.test.images / 8 - 1, digits.test.labels)
