"""XNOR-Net: ImageNet Classification Using Binary Convolutional Neural Networks (Rastegari et al., 2016).

A network of signs needs one bit a weight, and where its inputs are signs too, a dot product is an XNOR and a count.
Networks that know nothing but signs lose much on ImageNet. Here every filter keeps one real number, the mean of its
absolute values: no other multiple of a sign pattern is as close to it. Inputs can be scaled likewise, by a map K with a
number for each window. And the layers are put in another order: normalisation in front of the signs, pooling behind the
convolution, since of several signs one is nearly always +1.

The networks are those of the authors' code, where all layers are convolutions, and the first and the last stay real.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reproductions.binarized_networks import binarize

Size = int | tuple[int, ...]


class _BinaryWeight(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, w: Tensor) -> Tensor:
        alpha = w.abs().mean(tuple(range(1, w.ndim)), keepdim=True)
        ctx.save_for_backward(w, alpha)
        return alpha * binarize(w)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        w, alpha = ctx.saved_tensors
        return gradient * (1 / w[0].numel() + alpha * (w.abs() < 1))


def binary_weight(w: Tensor) -> Tensor:
    """Each filter W as alpha sign(W), where alpha is the mean of |W| (Equation 6): (filters, ...), and the same again.

    The gradient of one of its n weights is that of its own binary weight times 1/n + alpha 1[|w| < 1], as in the paper;
    by the chain rule alpha, the mean of all, would carry the gradients of all.
    """
    return _BinaryWeight.apply(w)


def input_scale(x: Tensor, kernel: Size, stride: Size, padding: Size) -> Tensor:
    """The map K: for each window of a convolution the mean of |x| (Section 3.2).

    Shapes: (batch, channels, height, width) to (batch, 1, ...) as of the convolution.
    """
    return F.avg_pool2d(x.abs().mean(1, keepdim=True), kernel, stride, padding)


def speedup(channels: int, weights: int) -> float:
    """How much faster a convolution of signs is, when 64 of them take the time of one real product (Section 4.1).

    Args:
        channels: of the input.
        weights: of a filter in each channel, 9 for 3 x 3.
    """
    products = channels * weights
    return 64 * products / (products + 64)


class BinConv2d(nn.Conv2d):
    """A convolution with binary weights and a real bias, whose products are multiplied by K, if given (Equation 11)."""

    def forward(self, x: Tensor, k: Tensor | float = 1.0) -> Tensor:
        y = self._conv_forward(x, binary_weight(self.weight), None)
        return y * k + self.bias[:, None, None]


@torch.no_grad()
def centre_and_clamp_(network: nn.Module) -> None:
    """Before each step, take from binary weights their mean over the input channels, and hold them to [-1, 1]."""
    for layer in network.modules():
        if isinstance(layer, BinConv2d):
            layer.weight.sub_(layer.weight.mean(1, keepdim=True)).clamp_(-1, 1)


def pool() -> nn.MaxPool2d:
    return nn.MaxPool2d(3, stride=2)


class BWNBlock(nn.Sequential):
    """A layer of a Binary-Weight-Network: binary weights, and inputs as they are.

    Shapes: (batch, inputs, height, width) to (batch, outputs, ...).
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, padding: int, pooled: bool) -> None:
        conv = BinConv2d(inputs, outputs, kernel, padding=padding)
        super().__init__(conv, nn.BatchNorm2d(outputs, eps=1e-3), nn.ReLU(), *([pool()] if pooled else []))


class XNORBlock(nn.Module):
    """A layer of an XNOR-Network: normalise, take signs, convolve, pool (Figure 3).

    Shapes: (batch, inputs, height, width) to (batch, outputs, ...).
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, padding: int, pooled: bool, *, scaled: bool = False
    ) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(inputs, eps=1e-4, affine=False)
        self.conv = BinConv2d(inputs, outputs, kernel, padding=padding)
        self.pool = pool() if pooled else nn.Identity()
        self.scaled = scaled

    def forward(self, x: Tensor) -> Tensor:
        x, conv = self.norm(x), self.conv
        k = input_scale(x, conv.kernel_size, conv.stride, conv.padding) if self.scaled else 1.0
        return self.pool(conv(binarize(x), k))


LAYERS = (  # the binary layers of AlexNet: inputs, outputs, kernel, padding, pooled
    (96, 256, 5, 2, True),  # 256, 13
    (256, 384, 3, 1, False),
    (384, 384, 3, 1, False),
    (384, 256, 3, 1, True),  # 256, 6
    (256, 4096, 6, 0, False),  # 4096, 1
    (4096, 4096, 1, 0, False),
)


def alexnet_bwn(classes: int) -> nn.Sequential:
    """AlexNet with binary weights: (batch, 3, 224, 224) to (batch, classes)."""
    blocks: list[nn.Module] = [BWNBlock(*layer) for layer in LAYERS]
    for place in (5, 4):  # in front of the last two
        blocks.insert(place, nn.Dropout2d(0.1))
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 96, 11, 4, 2), nn.BatchNorm2d(96, eps=1e-3), nn.ReLU(), pool()),  # 96, 27
        *blocks,
        nn.Conv2d(4096, classes, 1),
        nn.Flatten(),
    )


def alexnet_xnor(classes: int, *, scaled: bool = False) -> nn.Sequential:
    """AlexNet with binary weights and inputs, and K if ``scaled``: (batch, 3, 224, 224) to (batch, classes)."""
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 96, 11, 4, 2), nn.BatchNorm2d(96, affine=False), nn.ReLU(), pool()),  # 96, 27
        *(XNORBlock(*layer, scaled=scaled) for layer in LAYERS),
        nn.BatchNorm2d(4096, eps=1e-3, affine=False),
        nn.ReLU(),
        nn.Conv2d(4096, classes, 1),
        nn.Flatten(),
    )


VARIANTS = {"alexnet-bwn": alexnet_bwn, "alexnet-xnor": alexnet_xnor}


def build(variant: str = "alexnet-xnor", *, classes: int = 1000, **options: bool) -> nn.Sequential:
    """Build a variant; weights start from a normal distribution of variance 2 / fan-in, biases from 0.

    Args:
        variant: a key of ``VARIANTS``.
        classes: outputs.
        options: ``scaled=True`` gives the XNOR-Network its K. The released one does without it.
    """
    network = VARIANTS[variant](classes, **options)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    return network
