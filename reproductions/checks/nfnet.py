"""Measurements of NFNet that no count on a single network gives."""

from __future__ import annotations

import math
from functools import cache
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from catalog.verify.training import Run, accuracy
from reproductions.checks.measuring import count_macs, distance, normal, randomise
from reproductions.nfnet import (
    ALPHA,
    VARIANTS,
    DropBranch,
    NFBlock,
    NFNet,
    ScaledActivation,
    ScaledWSConv2d,
    adaptive_gradient_clip,
    build,
    expected_deviations,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

_SMALLEST = ("nfnet-f0", "nfnet-f1")


def depths() -> dict[str, list[int]]:
    """Blocks in each stage of every variant."""
    return {variant: [len(stage) for stage in _network(variant).stages] for variant in VARIANTS}


def dropout() -> dict[str, float]:
    """The rate of the only dropout of every variant."""
    measured = {}
    for variant in VARIANTS:
        (layer,) = (module for module in _network(variant).modules() if isinstance(module, nn.Dropout))
        measured[variant] = layer.p
    return measured


def rates_of_stochastic_depth() -> dict[str, float]:
    """Rates of the first and the last block of F0, of one that would follow it or F6, and how the steps differ."""
    f0, f6 = ([block.drop.drop_rate for block in _blocks(_network(variant))] for variant in ("nfnet-f0", "nfnet-f6"))
    steps = [second - first for first, second in pairwise(f0)]
    return {
        "first_of_f0": f0[0],
        "last_of_f0": f0[-1],
        "behind_f0": f0[-1] + steps[0],
        "behind_f6": f6[-1] + f6[1] - f6[0],
        "equal_steps": max(steps) - min(steps),
    }


def macs_by_extrapolation() -> dict[str, int]:
    """Multiply-accumulates at test sizes, which are linear in the number of blocks and in that of pixels.

    So four small measurements, F0 and F1 at sides of 32 and 64, give all. F1 is counted directly too, by another claim.
    """
    sides = {"f1": 320, "f2": 352, "f3": 416, "f4": 512, "f5": 544, "f6": 576}
    f0, f1 = ([count_macs(_network(variant), (3, side, side)) for side in (32, 64)] for variant in _SMALLEST)
    measured = {}
    for name, side in sides.items():
        more = int(name[1])
        small, large = (first + more * (second - first) for first, second in zip(f0, f1, strict=True))
        measured[f"{name}_at_{side}"] = small + (large - small) * (side**2 - 32**2) // (64**2 - 32**2)
    return measured


def layers_of_blocks() -> dict[str, list[int]]:
    """Of the first block of each stage of F0: bottleneck, groups, strides, SE; the shortcuts of all its blocks."""
    stages = _network("nfnet-f0").stages
    first = [[layer for layer in stage[0].layers if isinstance(layer, ScaledWSConv2d)] for stage in stages]
    return {
        "widths": [block[0].out_channels for block in first],
        "outputs": [block[3].out_channels for block in first],
        "kernels": [layer.kernel_size[0] for layer in first[1]],
        "groups_first": [block[1].groups for block in first],
        "groups_second": [block[2].groups for block in first],
        "strides": [layer.stride[0] for layer in first[1]],
        "first_strides": [block[1].stride[0] for block in first],
        "se": [stage[0].layers[-1].excite[0].out_channels for stage in stages],
        "shortcuts": [int(block.shortcut is not None) for stage in stages for block in stage],
    }


def feature_maps() -> dict[str, list[int]]:
    """Channels and sides behind each convolution of F0's stem, behind each stage and the last convolution, at 256."""
    network, x, shapes = _network("nfnet-f0"), torch.empty(1, 3, 256, 256, device="meta"), []
    for part in (*network.stem, *network.stages, network.head[0]):
        x = part(x)
        if not isinstance(part, ScaledActivation):
            shapes.append(x.shape)
    odd = network.stem(torch.empty(1, 3, 35, 37, device="meta"))
    return {
        "channels": [shape[1] for shape in shapes],
        "sides": [shape[2] for shape in shapes],
        "activations_in_the_stem": [int(isinstance(part, ScaledActivation)) for part in network.stem],
        "stem_of_35_37": list(odd.shape[2:]),
    }


def betas() -> dict[str, list[float] | float]:
    """Expected deviations in F0, how far off its blocks are, and the variances in the third stage of F1."""
    expected = expected_deviations((1, 2, 6, 3))
    pairs = zip(_blocks(_network("nfnet-f0")), expected, strict=True)
    return {
        "function": [round(beta, 12) for beta in expected],
        "blocks_off": max(abs(block.beta - beta) for block, beta in pairs),
        "f1_third_stage": [round(block.beta**2, 12) for block in _network("nfnet-f1").stages[2]],
    }


def standardisation() -> dict[str, float]:
    """Kernels at gain 1: mean, variance times fan-in, how they change with the weights; what a constant image gives."""
    convolution = randomise(ScaledWSConv2d(24, 16, 3, groups=2))
    nn.init.ones_(convolution.gain)
    before = convolution.standardised().detach()
    rows = before.flatten(1)
    measured = {
        "mean": float(rows.mean(1).abs().max()),
        "variance": float((12 * 9 * rows.var(1, correction=0) - 1).abs().max()),
    }
    with torch.no_grad():
        constant = convolution(torch.full((1, 24, 5, 5), 7.0, dtype=torch.float64))[0, :, 2, 2]
        measured["constant_image"] = distance(constant, convolution.bias)
        convolution.weight.mul_(3).add_(5)
        measured["shifted_and_scaled"] = distance(convolution.standardised(), before)
        convolution.weight.neg_()
        measured["negated"] = distance(convolution.standardised(), -before)
        convolution.gain.mul_(2)
        measured["gain"] = distance(convolution.standardised(), -2 * before)
    return measured


def small_kernels() -> dict[str, float]:
    """fan-in times the variance of kernels that are applied, where it was 1e-3, 1e-4, 1e-6 and 0 in the weights."""
    convolution = ScaledWSConv2d(8, 4, 1).double()
    signs = torch.tensor([1.0, -1.0], dtype=torch.float64).repeat(4)
    with torch.no_grad():
        for kernel, variance in zip(convolution.weight, (1e-3, 1e-4, 1e-6, 0.0), strict=True):
            kernel.copy_(signs[:, None, None] * math.sqrt(variance / 8))
        result = 8 * convolution.standardised().flatten(1).var(1, correction=0)
    return dict(zip(("1e-3", "1e-4", "1e-6", "0"), result.tolist(), strict=True))


def activations() -> dict[str, float]:
    """Variance of scaled activations of a million normal numbers, their constants, and what one stands alone."""
    x = normal(1_000_000)
    relu, gelu = ScaledActivation("relu"), ScaledActivation()
    return {
        "relu": float(relu(x).var()),
        "gelu": float(gelu(x).var()),
        "relu_unscaled": float(F.relu(x).var()),
        "gamma_relu": relu.gamma,
        "gamma_relu_of_the_text": math.sqrt(2 / (1 - 1 / math.pi)),
        "gamma_gelu": gelu.gamma,
        "gelu_is_exact": distance(gelu(x), 1.7015043497085571 * x * torch.special.ndtr(x)),
    }


def block_equations() -> dict[str, float]:
    """Blocks with random weights against the functions of Figures 5 and 6, in even, odd and equal shapes."""
    with torch.no_grad():
        return {
            "halved_even": _block_differs(64, 128, 2, (6, 8)),
            "halved_odd": _block_differs(64, 128, 2, (5, 8)),
            "halved_alike": _block_differs(64, 64, 2, (4, 4)),
            "widened": _block_differs(32, 64, 1, (5, 4)),
            "kept": _block_differs(64, 64, 1, (5, 4)),
        }


def excitation() -> dict[str, float]:
    """Squeeze and excitation of a block with random weights: by the released code, and by the text, with GELU."""
    se = randomise(NFBlock(32, 32, 1, beta=1.0, group_width=16).layers[-1])
    x = normal(2, 32, 3, 3)
    with torch.no_grad():
        return {
            "relu": distance(se(x), _excited(x, se, F.relu)),
            "scaled_gelu": distance(se(x), _excited(x, se, ScaledActivation())),
        }


def initialisation() -> dict[str, float]:
    """How a narrow F0 starts: deviations of weights times the root of their fan-in, of the classifier, and the rest."""
    torch.manual_seed(0)
    network = NFNet((1, 2, 1, 1), (64, 128, 384, 384), group_width=32, dropout=0.2, classes=1000)
    modules = list(network.modules())
    convolutions = [module for module in modules if isinstance(module, ScaledWSConv2d)]
    others = [module for module in modules if isinstance(module, nn.Conv2d) and module not in convolutions]
    classifier = network.head[-1]
    return {
        "convolutions": _scaled_deviation(convolutions),
        "excitation": _scaled_deviation(others),
        "classifier": float(classifier.weight.detach().std()),
        "biases": max(float(m.bias.detach().abs().max()) for m in (*convolutions, *others, classifier)),
        "gains": max(float((convolution.gain.detach() - 1).abs().max()) for convolution in convolutions),
        "skip_init": max(float(block.gain.detach().abs()) for block in _blocks(network)),
    }


def skip_init() -> dict[str, float]:
    """What fresh blocks change in their input, in training and in a test; a gain of 1, a block of another shape."""
    torch.manual_seed(0)
    x, block = torch.randn(2, 64, 6, 6), NFBlock(64, 64, 1, beta=1.2, drop_rate=0.1, group_width=32)
    with torch.no_grad():
        measured = {"training": distance(block.train()(x), x), "test": distance(block.eval()(x), x)}
        nn.init.ones_(block.gain)
        measured["gain_of_1"] = distance(block(x), x)
        transition = NFBlock(64, 64, 2, beta=1.2, group_width=32)
        measured["transition"] = distance(transition(x), F.avg_pool2d(x, 2))
    return measured


def variance_of_the_signal() -> dict[str, float]:
    """Variance behind residual blocks with gain 1 on white noise: plain ones, the paper's, and a transition's."""
    torch.manual_seed(0)
    measured = {}
    with torch.no_grad():
        noise, blocks = torch.randn(8, 64, 32, 32), residual_blocks(64, 24)
        behind = list(accumulate(blocks, lambda x, block: block(x), initial=noise))
        measured |= {f"plain_{number}": float(behind[number].var()) for number in (1, 12, 24)}
        x = torch.randn(16, 64, 16, 16)
        for beta in expected_deviations((12,)):
            x = _opened(NFBlock(64, 64, 1, beta=beta, group_width=32))(x)
        measured["nfnet_12"] = float(x.var())
        transition = _opened(NFBlock(64, 128, 1, beta=2.0, group_width=32))
        measured["transition"] = float(transition(2 * torch.randn(16, 64, 16, 16)).var())
    return measured


def stochastic_depth() -> dict[str, float]:
    """A branch of ones, dropped at a rate of 0.25: the values, the share that stays, and whether images differ."""
    torch.manual_seed(0)
    drop, x = DropBranch(0.25), torch.ones(4000, 2, 2, 3)
    dropped = drop.train()(x)
    kept = dropped.flatten(1).mean(1)
    never = DropBranch(0.0).train()
    return {
        "kept": float(kept.mean()),
        "neither_0_nor_1": int(((kept != 0) & (kept != 1)).sum()),
        "test": distance(drop.eval()(x), x),
        "never": distance(never(x), x),
    }


# --- Adaptive gradient clipping --------------------------------------------------------------------------------------


def clipping() -> dict[str, float | list[float]]:
    """Units whose gradients are 1e-4, 1e-3, 5e-3, 1 and 10 times their weights' norms, and weights of zero."""
    weight = nn.Parameter(normal(5, 3, 3, 3))
    scales = torch.tensor([1e-4, 1e-3, 5e-3, 1.0, 10.0], dtype=torch.float64)
    direction = normal(5, 3, 3, 3, seed=1)
    direction *= (weight.flatten(1).norm(dim=1) / direction.flatten(1).norm(dim=1))[:, None, None, None]
    gradient = scales[:, None, None, None] * direction
    weight.grad = gradient.clone()
    zero, without = nn.Parameter(torch.zeros(2, 6, dtype=torch.float64)), nn.Parameter(torch.zeros(2))
    zero.grad = normal(2, 6, seed=2)
    adaptive_gradient_clip([without, weight, zero])
    ratios = weight.grad.flatten(1).norm(dim=1) / weight.detach().flatten(1).norm(dim=1)
    cosines = F.cosine_similarity(weight.grad.flatten(1), gradient.flatten(1))
    at_five = nn.Parameter(weight.detach())
    at_five.grad = gradient.clone()
    adaptive_gradient_clip([at_five], clip=0.05, eps=100.0)
    return {
        "ratios": [round(ratio, 9) for ratio in ratios.tolist()],
        "changed": [int(not torch.equal(new, old)) for new, old in zip(weight.grad, gradient, strict=True)],
        "direction": float((cosines.detach() - 1).abs().max()),
        "zero_weight": float((zero.grad.norm(dim=1) - 1e-5).abs().max()),
        "without_gradient": int(without.grad is not None),
        "clip_and_eps": abs(at_five.grad[4].norm().item() - 5.0),
    }


def units() -> dict[str, list[int] | float]:
    """Which of four units change when the second's gradient is large: kernels, matrices, gains, biases, scalars."""
    sizes = {"convolution": (4, 3, 3, 3), "linear": (4, 7), "bias": (4,), "gain": (4, 1, 1, 1)}
    measured: dict[str, list[int] | float] = {}
    for name, size in sizes.items():
        parameter = nn.Parameter(1 + normal(*size).abs())
        gradient = torch.full(size, 1e-4, dtype=torch.float64)
        gradient[1] = 10.0
        parameter.grad = gradient.clone()
        adaptive_gradient_clip([parameter])
        measured[name] = [int(not torch.equal(new, old)) for new, old in zip(parameter.grad, gradient, strict=True)]
        if name in ("bias", "gain"):
            ratio = parameter.grad.norm() / parameter.detach().norm()
            measured[f"{name}_ratio"] = round(float(ratio), 9)
    scalar = nn.Parameter(torch.tensor(-2.0, dtype=torch.float64))
    scalar.grad = torch.tensor(3.0, dtype=torch.float64)
    adaptive_gradient_clip([scalar])
    measured["scalar"] = round(float(scalar.grad), 9)
    return measured


# --- Other implementations -------------------------------------------------------------------------------------------


def timm_f0() -> dict[str, float]:
    """F0 with a quarter of its channels against timm's dm_nfnet_f0, likewise narrowed."""
    return _against_timm("dm_nfnet_f0", (1, 2, 6, 3), 36)


def timm_f1() -> dict[str, float]:
    """F1 with a quarter of its channels against timm's dm_nfnet_f1, likewise narrowed."""
    return _against_timm("dm_nfnet_f1", (2, 4, 12, 6), 32)


def timm_standardisation() -> dict[str, float]:
    """The largest share by which kernels differ from timm's, at the start and when all weights are 100 times that."""
    from catalog.verify.peers import import_library

    layers = import_library("timm.layers")
    torch.manual_seed(0)
    ours = ScaledWSConv2d(1536, 64, 1, stride=2).double()
    theirs = layers.ScaledStdConv2dSame(1536, 64, 1, stride=2, eps=1e-5).double()
    x = normal(1, 1536, 3, 3)
    measured = {}
    with torch.no_grad():
        for name in ("fresh", "times_100"):
            theirs.weight.copy_(ours.weight)
            theirs.bias.copy_(ours.bias)
            wanted = theirs(x)
            measured[name] = distance(ours(x), wanted) / float(wanted.abs().max())
            ours.weight *= 100
    return measured


def timm_clipping() -> dict[str, float]:
    """Gradients that clipping leaves, against timm's: kernels, matrices, vectors, weights of zero, and gains.

    timm takes each gain of a convolution for a unit, and the released code all of them together.
    """
    from catalog.verify.peers import import_library

    agc = import_library("timm.utils.agc")
    measured = {}
    sizes = {"convolution": (5, 3, 3, 3), "linear": (4, 7), "vector": (6,), "zeros": (3, 4), "gains": (6, 1, 1, 1)}
    for name, size in sizes.items():
        weight = normal(*size) * (name != "zeros")
        scales = torch.logspace(-4, 1, size[0], dtype=torch.float64)
        gradient = normal(*size, seed=1) * scales.view(-1, *[1] * (len(size) - 1))
        ours, theirs = nn.Parameter(weight.clone()), nn.Parameter(weight.clone())
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        adaptive_gradient_clip([ours], clip=0.02)
        agc.adaptive_clip_grad([theirs], clip_factor=0.02)
        measured[name] = distance(ours.grad, theirs.grad)
    return measured


def _against_timm(model: str, depths: tuple[int, ...], side: int) -> dict[str, float]:
    """Outputs and gradients as a parity claim compares them; gains of 0.5 to 1.5 keep the signal from exploding."""
    from catalog.records import Peer
    from catalog.verify import parity
    from catalog.verify.peers import build_peer

    # timm adds its constant to each variance, so a small one.
    options = {"width_factor": 0.25, "group_size": 32, "std_conv_eps": 1e-30}
    theirs = build_peer(Peer(library="timm", model=model, options=options))
    widths = [width // 4 for width in (256, 512, 1536, 1536)]
    ours = NFNet(depths, widths, stem=(4, 8, 16), group_width=32, dropout=0.2, classes=1000)
    images = parity.ready(ours, theirs, (3, side, side))
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            if name.endswith("gain"):
                parameter.mul_(0.5)
    pairs = parity.match(ours, theirs, images[:1])
    parity.carry(pairs, ours, theirs)
    outputs = parity.outputs_differ(ours, theirs, images)
    return {"outputs": outputs, "gradients": parity.gradients_differ(ours, theirs, pairs, images)}


# --- Parts -----------------------------------------------------------------------------------------------------------


@cache
def _network(variant: str) -> NFNet:
    with torch.device("meta"):
        return build(variant).eval()


def _blocks(network: nn.Module) -> list[NFBlock]:
    return [module for module in network.modules() if isinstance(module, NFBlock)]


def _scaled_deviation(layers: Iterable[nn.Conv2d]) -> float:
    """The deviation of all weights, each times the root of the fan-in of its layer."""
    scaled = [layer.weight.detach().flatten() * layer.weight[0].numel() ** 0.5 for layer in layers]
    return float(torch.cat(scaled).std())


def _opened(block: NFBlock) -> NFBlock:
    """With a SkipInit gain of 1."""
    nn.init.ones_(block.gain)
    return block.eval()


def _kernels(convolution: nn.Conv2d) -> Tensor:
    """Equation 1, kernel by kernel."""
    kernels = []
    for kernel, gain in zip(convolution.weight, convolution.gain.flatten(), strict=True):
        centred = kernel - kernel.sum() / kernel.numel()
        kernels.append(gain * centred / centred.norm())  # the root of N sigma² is the norm
    return torch.stack(kernels)


def _convolved(x: Tensor, convolution: nn.Conv2d, stride: int = 1, groups: int = 1) -> Tensor:
    """The convolution by its kernels, with the zeros of TensorFlow's SAME written out."""
    if convolution.weight.shape[-1] == 3:
        before = [1 if stride == 1 or side % 2 else 0 for side in x.shape[2:]]
        x = F.pad(x, (before[1], 1, before[0], 1))
    return F.conv2d(x, _kernels(convolution), convolution.bias, stride, groups=groups)


def _gelu(x: Tensor) -> Tensor:
    return 1.7015043497085571 * x * torch.special.ndtr(x)


def _excited(x: Tensor, se: nn.Module, activation: Any) -> Tensor:
    first, second = se.excite[0], se.excite[2]
    squeezed = activation(F.linear(x.mean((2, 3)), first.weight.flatten(1), first.bias))
    return x * F.linear(squeezed, second.weight.flatten(1), second.bias).sigmoid()[:, :, None, None]


def _block_differs(inputs: int, outputs: int, stride: int, size: tuple[int, int]) -> float:
    """The largest difference between a block and its functions, as a share of the largest output."""
    block = randomise(NFBlock(inputs, outputs, stride, beta=1.3, drop_rate=0.2, group_width=16))
    x = normal(2, inputs, *size)
    h = _gelu(x) / 1.3
    layers, shortcut, groups = block.layers, x, outputs // 32
    if stride == 2:
        counts = F.avg_pool2d(F.pad(torch.ones_like(h), (0, 1, 0, 1)), 2)
        shortcut = F.avg_pool2d(F.pad(h, (0, 1, 0, 1)), 2) / counts
    if block.shortcut is not None:
        shortcut = _convolved(shortcut if stride == 2 else h, block.shortcut[-1])
    y = _gelu(_convolved(h, layers[0]))
    y = _gelu(_convolved(y, layers[2], stride, groups))
    y = _convolved(_gelu(_convolved(y, layers[4], 1, groups)), layers[6])
    wanted = 0.2 * block.gain * 2 * _excited(y, layers[7], F.relu) + shortcut
    return distance(block(x), wanted) / float(wanted.abs().max())


# --- Training --------------------------------------------------------------------------------------------------------


class ResidualBlock(nn.Module):
    """x + alpha F(activation(x) / beta), where F is two 3x3 convolutions, with SkipInit's gain at 1 and ReLU."""

    def __init__(self, channels: int, beta: float) -> None:
        super().__init__()
        self.beta = beta
        self.activation = ScaledActivation("relu")
        self.layers = nn.Sequential(
            ScaledWSConv2d(channels, channels, 3), ScaledActivation("relu"), ScaledWSConv2d(channels, channels, 3)
        )
        self.gain = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return x + ALPHA * self.gain * self.layers(self.activation(x) / self.beta)


def residual_blocks(channels: int, blocks: int) -> nn.Sequential:
    """So many of them, with the deviations that they expect."""
    return nn.Sequential(*(ResidualBlock(channels, beta) for beta in expected_deviations((blocks,))))


def clipped_at_0_1(run: Run) -> dict[str, float]:
    """At a learning rate of 0.1: loss of the last epoch and test accuracy, with clipping and without."""
    clipped, accurate = _trained(run, "clipped, 0.1", rate=0.1, clip=0.02)
    loss, chance = _trained(run, "not clipped, 0.1", rate=0.1)
    return {"loss": clipped, "accuracy": accurate, "loss_unclipped": loss, "accuracy_unclipped": chance}


def clipped_at_1(run: Run) -> dict[str, float]:
    """At a learning rate of 1: the same."""
    clipped, accurate = _trained(run, "clipped, 1", rate=1.0, clip=0.02)
    loss, chance = _trained(run, "not clipped, 1", rate=1.0)
    return {"loss": clipped, "accuracy": accurate, "loss_unclipped": loss, "accuracy_unclipped": chance}


def _trained(run: Run, arm: str, *, rate: float, clip: float | None = None) -> tuple[float, float]:
    """Loss of the last epoch, 10 where it is more or no number, and test accuracy of six residual blocks on digits."""
    digits = run.data("digits").divide(run.seed)
    pixels = digits.train.images.float()
    mean, deviation = pixels.mean(), pixels.std()
    torch.manual_seed(run.seed)
    body = (ScaledWSConv2d(1, 16, 3), *residual_blocks(16, 6), ScaledActivation("relu"))
    network = nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))
    optimiser = torch.optim.SGD(network.parameters(), lr=rate, momentum=0.9, nesterov=True)
    if clip is not None:
        clipped = list(network[:-1].parameters())
        optimiser.register_step_pre_hook(lambda *_: adaptive_gradient_clip(clipped, clip))
    history = run.train(arm, network, optimiser, (pixels - mean) / deviation, digits.train.labels, batch=64, epochs=4)
    loss = history.last_epoch
    images = (digits.test.images - mean) / deviation
    return (min(loss, 10.0) if math.isfinite(loss) else 10.0), accuracy(network, images, digits.test.labels)
