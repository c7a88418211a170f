"""What the checks of many papers measure with: random numbers, distances, counts, layers written out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    Module = TypeVar("Module", bound=nn.Module)

__all__ = [
    "conv_then_norm",
    "count_macs",
    "count_parameters",
    "count_weights",
    "distance",
    "normal",
    "normalised",
    "randomise",
    "relative_distance",
]


def normal(*size: int, seed: int = 0) -> Tensor:
    """Numbers of the normal distribution in double precision, the same for the same seed."""
    return torch.randn(*size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def randomise(module: Module, std: float = 0.5) -> Module:
    """Draw every parameter and buffer, in float64, so that nothing is an identity by its initial value.

    Args:
        module: it is changed and returned, in evaluation mode; running variances are uniform in [0.5, 1.5].
        std: standard deviation of all others.
    """
    for name, value in [*module.named_parameters(), *module.named_buffers()]:
        if value.is_floating_point():
            nn.init.uniform_(value, 0.5, 1.5) if name.endswith("running_var") else nn.init.normal_(value, std=std)
    return module.double().eval()


def distance(measured: Tensor, wanted: Tensor) -> float:
    """The largest absolute difference of two tensors; infinite where their shapes differ."""
    if measured.shape != wanted.shape:
        return math.inf
    return float((measured - wanted).detach().abs().max())


def relative_distance(measured: Tensor, wanted: Tensor) -> float:
    """The largest absolute difference, as a share of the largest number that is wanted."""
    return distance(measured, wanted) / float(wanted.detach().abs().max())


def count_parameters(*modules: nn.Module) -> int:
    """Learnt numbers of modules together."""
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


def count_weights(module: nn.Module) -> int:
    """Numbers in the kernels of all convolutions."""
    return sum(layer.weight.numel() for layer in module.modules() if isinstance(layer, nn.Conv2d))


def count_macs(network: nn.Module, size: Sequence[int] = (3, 224, 224)) -> int:
    """Multiply-accumulates of a network (best on the meta device) for one input of a size: channels first, no batch."""
    device = next((parameter.device for parameter in network.parameters()), "meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.empty(1, *size, device=device))
    return counter.get_total_flops() // 2


def normalised(x: Tensor, layer: nn.BatchNorm2d) -> Tensor:
    """Batch normalisation in evaluation, as its paper has it, with the usual constant whatever the layer's own is."""
    values = layer.running_mean, layer.running_var, layer.weight, layer.bias
    mean, variance, scale, shift = (value[:, None, None] for value in values)
    return (x - mean) / (variance + 1e-5).sqrt() * scale + shift


def conv_then_norm(
    x: Tensor, layers: Sequence[nn.Module], stride: int = 1, dilation: int = 1, groups: int = 1
) -> Tensor:
    """A convolution without bias, padded so that only its stride changes the size, and its batch normalisation.

    Only weights are taken from the layers: strides, dilations, padding and the number of groups are what is meant.
    """
    convolution, normalisation = layers
    weight = convolution.weight
    padding = dilation * (weight.shape[-1] // 2)
    x = F.conv2d(x, weight, None, stride, padding, dilation, groups)
    return normalised(x, normalisation)
