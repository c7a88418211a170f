"""Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift (Ioffe, Szegedy, 2015).

Inputs of zero mean and unit variance have long been known to train faster. Behind the first layer nobody saw to it:
what a layer is given changes whenever the layers below it learn, and a nonlinearity that saturates gets stuck. The
paper puts the normalisation into the network, in front of every nonlinearity, each activation by its mean and variance
over the mini-batch. As a part of the network it is differentiated with it, for otherwise gradient steps would be
undone by the next normalisation; a learned scale and shift keep what the layer can represent. The result trains at
rates at which the plain network diverges, and with sigmoids. The paper shows it on a perceptron, and on a GoogLeNet in
which two convolutions of 3x3 stand for each of 5x5.
"""

from __future__ import annotations

from copy import deepcopy
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from reproductions.inception_v1 import Concatenation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Row = tuple[int, int, int, int, int, str, int]


def _over(x: Tensor) -> list[int]:
    """The dimensions that statistics are taken over: the batch and, in a convolutional layer, all positions."""
    return [dimension for dimension in range(x.dim()) if dimension != 1]


def _like(x: Tensor, values: Tensor) -> Tensor:
    """One value an activation or feature map, (channels,), in a shape that goes with x."""
    return values.view(-1, *(1 for _ in range(x.dim() - 2)))


def normalise(x: Tensor, mean: Tensor, variance: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
    """Normalise, scale and shift: the last two lines of Algorithm 1, with whatever statistics."""
    x_hat = (x - _like(x, mean)) / (_like(x, variance) + eps).sqrt()
    return _like(x, gamma) * x_hat + _like(x, beta)


class BatchNorm(nn.Module):
    """The batch normalising transform (Algorithm 1), in training and in inference (Algorithm 2).

    In training, mean and variance are those of the mini-batch, the variance divided by its size m. In inference they
    are those of the population, so that an output depends on its input alone: averages over mini-batches, with the
    factor m / (m - 1) that makes the variance unbiased. Moving averages keep track of them meanwhile. In convolutional
    layers a mini-batch is all positions of all its images (Section 3.2).
    Shapes: (batch, channels) or (batch, channels, height, width), and the same again.
    """

    def __init__(self, channels: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return normalise(x, self.running_mean, self.running_var, self.gamma, self.beta, self.eps)
        variance, mean = torch.var_mean(x, _over(x), correction=0)
        m = x.numel() // x.shape[1]
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * m / (m - 1), self.momentum)
        return normalise(x, mean, variance, self.gamma, self.beta, self.eps)


def bn_backward(dy: Tensor, x: Tensor, gamma: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients for x, gamma and beta from that for y, by the chain rule as Section 3 writes it down."""
    over, m = _over(x), x.numel() // x.shape[1]
    variance, mean = torch.var_mean(x, over, correction=0, keepdim=True)
    deviation, scale = x - mean, (variance + eps).rsqrt()
    dx_hat = dy * _like(x, gamma)
    d_variance = (dx_hat * deviation).sum(over, keepdim=True) * -0.5 * scale**3
    d_mean = -(dx_hat * scale).sum(over, keepdim=True)  # the paper's second term is zero, as deviations add up to zero
    dx = dx_hat * scale + d_variance * 2 * deviation / m + d_mean / m
    return dx, (dy * deviation * scale).sum(over), dy.sum(over)


@torch.no_grad()
def population_statistics(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Give a trained network the statistics for inference, every mini-batch counting alike (Algorithm 2, line 10)."""
    norms = [module for module in network.modules() if isinstance(module, BatchNorm)]
    momenta, training = [norm.momentum for norm in norms], network.training
    network.train()
    for number, batch in enumerate(batches, start=1):
        for norm in norms:
            norm.momentum = 1 / number  # makes the moving average the mean of all so far
        network(batch)
    network.train(training)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


@torch.no_grad()
def fold(layer: nn.Linear | nn.Conv2d, norm: BatchNorm) -> nn.Linear | nn.Conv2d:
    """The one affine layer that a layer and its normalisation are in inference (Algorithm 2, line 11)."""
    scale = norm.gamma / (norm.running_var + norm.eps).sqrt()
    bias = 0 if layer.bias is None else layer.bias
    folded = deepcopy(layer)
    folded.weight = nn.Parameter(layer.weight * scale.view(-1, *(1 for _ in layer.weight.shape[1:])))
    folded.bias = nn.Parameter(norm.beta + (bias - norm.running_mean) * scale)
    return folded


def normalised(layer: nn.Linear | nn.Conv2d, nonlinearity: type[nn.Module]) -> nn.Sequential:
    """Make z = g(BN(Wu)) of z = g(Wu + b), fully connected or convolutional (Section 3.2)."""
    return nn.Sequential(layer, BatchNorm(layer.weight.shape[0]), nonlinearity())


def perceptron(widths: Sequence[int], *, batch_norm: bool) -> nn.Sequential:
    """Sigmoid layers and a linear one: (batch, …) of widths[0] numbers an image to (batch, widths[-1]) (Section 4.1).

    Weights start as small Gaussian numbers; how small, the paper does not say.
    """
    *hidden, (features, classes) = pairwise(widths)
    network = nn.Sequential(nn.Flatten())
    for inputs, outputs in hidden:
        if batch_norm:
            network.extend(normalised(nn.Linear(inputs, outputs, bias=False), nn.Sigmoid))
        else:
            network.extend([nn.Linear(inputs, outputs), nn.Sigmoid()])
    network.append(nn.Linear(features, classes))
    for layer in network:
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.05)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return network


def convolution(
    inputs: int, outputs: int, kernel: int, *, stride: int = 1, bias: bool, nonlinearity: type[nn.Module]
) -> nn.Sequential:
    """A batch-normalised convolution that keeps the size of the map but for its stride."""
    return normalised(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=bias), nonlinearity)


def separable(inputs: int, outputs: int, kernel: int, *, stride: int, multiplier: int, **options: Any) -> nn.Sequential:
    """The same in two steps: so many filters on each input map alone, then a convolution of 1x1 (Appendix)."""
    maps = inputs * multiplier
    depthwise = nn.Conv2d(inputs, maps, kernel, stride, kernel // 2, groups=inputs, bias=False)
    return nn.Sequential(depthwise, *convolution(maps, outputs, 1, **options))


class InceptionV2(Concatenation):
    """The Inception module with two 3x3 for the 5x5; the numbers of filters are a row of Figure 5.

    A module without filters behind its pool passes the pool through, has no 1x1, and halves the map by strides of 2.
    Shapes: (batch, inputs, height, width) to (batch, c1 + c3 + d3 + projection or inputs, height, width or half of it).
    """

    def __init__(self, conv: Callable[..., nn.Module], inputs: int, row: Row) -> None:
        c1, c3_reduce, c3, d3_reduce, d3, pool, projection = row
        stride = 1 if projection else 2
        simple = nn.Sequential(conv(inputs, c3_reduce, 1), conv(c3_reduce, c3, 3, stride=stride))
        double = nn.Sequential(conv(inputs, d3_reduce, 1), conv(d3_reduce, d3, 3), conv(d3, d3, 3, stride=stride))
        if projection:
            pooled = {"avg": nn.AvgPool2d, "max": nn.MaxPool2d}[pool](3, stride=1, padding=1)
            projected = nn.Sequential(pooled, conv(inputs, projection, 1))
            super().__init__(conv(inputs, c1, 1), simple, double, projected)
        else:
            super().__init__(simple, double, nn.MaxPool2d(3, stride=2, ceil_mode=True))


MODULES = {  # Figure 5: 1x1, 3x3 reduce, 3x3, double 3x3 reduce, double 3x3, pool, its projection (0: pass through)
    "3a": (64, 64, 64, 64, 96, "avg", 32),
    "3b": (64, 64, 96, 64, 96, "avg", 64),
    "3c": (0, 128, 160, 64, 96, "max", 0),
    "4a": (224, 64, 96, 96, 128, "avg", 128),
    "4b": (192, 96, 128, 96, 128, "avg", 128),
    "4c": (160, 128, 160, 128, 160, "avg", 128),
    "4d": (96, 128, 192, 160, 192, "avg", 128),
    "4e": (0, 128, 192, 192, 256, "max", 0),
    "5a": (352, 192, 320, 160, 224, "avg", 128),
    "5b": (352, 192, 320, 192, 224, "max", 128),
}
# Figure 5 prints 576 output channels for these two, and 128 filters behind their pools would make 608.
MODULES_576 = MODULES | {"4c": (160, 128, 160, 128, 160, "avg", 96), "4d": (96, 128, 192, 160, 192, "avg", 96)}


class BNInception(nn.Sequential):
    """(batch, 3, 224, 224) to (batch, classes): the variant of GoogLeNet in Figure 5, without LRN and dropout.

    Args:
        classes: outputs of the classifier.
        modules: the filters of each Inception module.
        multiplier: filters for each colour in a separable first convolution; an ordinary one if omitted.
        nonlinearity: what follows every normalisation.
        bias: whether convolutions keep the bias that the normalisation makes useless, as those in public use do.
    """

    def __init__(
        self,
        classes: int,
        *,
        modules: Mapping[str, Row] = MODULES,
        multiplier: int | None = None,
        nonlinearity: type[nn.Module] = nn.ReLU,
        bias: bool = True,
    ) -> None:
        super().__init__()
        conv = partial(convolution, bias=bias, nonlinearity=nonlinearity)
        first = partial(separable, multiplier=multiplier, bias=bias, nonlinearity=nonlinearity) if multiplier else conv
        self.stem = nn.Sequential(
            first(3, 64, 7, stride=2),  # 64, 112, 112
            nn.MaxPool2d(3, stride=2, ceil_mode=True),
            conv(64, 64, 1),  # 64, 56, 56
            conv(64, 192, 3),
            nn.MaxPool2d(3, stride=2, ceil_mode=True),  # 192, 28, 28
        )
        self.inception = nn.Sequential()
        channels = 192
        for name, row in modules.items():
            self.inception.add_module(name, InceptionV2(conv, channels, row))
            c1, _, c3, _, d3, _, projection = row
            channels = c1 + c3 + d3 + (projection or channels)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


VARIANTS = {
    "bn-inception": {},
    "bn-inception-576": {"modules": MODULES_576},
    "bn-inception-separable": {"multiplier": 8},  # Appendix
    "bn-inception-sigmoid": {"nonlinearity": nn.Sigmoid},  # Section 4.2.2
    "mnist-mlp-bn": {"batch_norm": True},
    "mnist-mlp": {"batch_norm": False},
}


def build(
    variant: str = "bn-inception", *, classes: int | None = None, bias: bool = True
) -> BNInception | nn.Sequential:
    """Build a variant. Convolutions start as torch starts them, since the paper does not say how.

    Args:
        variant: a key of ``VARIANTS``.
        classes: outputs of the classifier: 1000, or 10 for MNIST, if omitted.
        bias: whether the convolutions of BN-Inception have biases.
    """
    if variant.startswith("mnist"):
        return perceptron((784, 100, 100, 100, classes or 10), **VARIANTS[variant])  # Section 4.1
    return BNInception(classes or 1000, bias=bias, **VARIANTS[variant])
