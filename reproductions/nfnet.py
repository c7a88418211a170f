"""NFNet: High-Performance Large-Scale Image Recognition Without Normalization (Brock, De, Smith, Simonyan, 2021).

Batch normalisation keeps the activations of a residual network in bounds and its training stable, but it couples the
images of a batch and is costly. NF-ResNets, by the same authors, do without: kernels are standardised instead of
activations, and since the variance of the signal is then known in advance, constants keep it in bounds. They broke down
at large batches and strong augmentation. Here the gradient of each unit is clipped relative to the norm of that unit's
weights, which removes the instability, and the body, an SE-ResNeXt, is shaped anew for the speed of its training.

Where the paper is silent, as on padding and on what stochastic depth does, the networks are those that the authors
released; but for GELU, which their library approximates by a tanh.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reproductions.senet import SEBlock
from reproductions.stochastic_depth import survival

ALPHA = 0.2
"""By how much a block lets the standard deviation of the signal grow (Section 2)."""


class ScaledWSConv2d(nn.Conv2d):
    """A convolution with scaled weight standardisation (Equation 1), a gain for each output channel, and a bias.

    Padded as in TensorFlow ("SAME"): ceil(side / stride) pixels result, and an odd zero stands right or below.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups)
        self.fan_in = self.weight[0].numel()
        self.gain = nn.Parameter(torch.ones(outputs, 1, 1, 1))

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight, std=self.weight[0].numel() ** -0.5)
        nn.init.zeros_(self.bias)

    def standardised(self) -> Tensor:
        """The kernels that are applied: of zero mean and variance gain² / fan-in."""
        variance, mean = torch.var_mean(self.weight, (1, 2, 3), correction=0, keepdim=True)
        scale = self.gain * (self.fan_in * variance).clamp(min=1e-4).rsqrt()
        return (self.weight - mean) * scale

    def forward(self, x: Tensor) -> Tensor:
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        zeros = [max(kernel - (side % stride or stride), 0) for side in x.shape[:1:-1]]  # width, height
        x = F.pad(x, [part for both in zeros for part in (both // 2, both - both // 2)])
        return F.conv2d(x, self.standardised(), self.bias, stride, groups=self.groups)


class ScaledActivation(nn.Module):
    """gamma f(x), of variance 1 for a standard normal x (Section 2)."""

    # As in the released code, where they are estimates; that of ReLU is exactly sqrt(2 / (1 - 1/pi)) = 1.71286.
    FUNCTIONS = {"gelu": (F.gelu, 1.7015043497085571), "relu": (F.relu, 1.7139588594436646)}

    def __init__(self, name: str = "gelu") -> None:
        super().__init__()
        self.function, self.gamma = self.FUNCTIONS[name]

    def forward(self, x: Tensor) -> Tensor:
        return self.gamma * self.function(x)


def expected_deviations(depths: Sequence[int]) -> list[float]:
    """beta of each block: the standard deviation of its input at the start (Section 2).

    Each block adds alpha² to the variance; the first of a stage, whose shortcut has weights, adds it to 1.
    """
    betas, variance = [], 1.0
    for depth in depths:
        for number in range(depth):
            betas.append(sqrt(variance))
            variance = (variance if number else 1.0) + ALPHA**2
    return betas


class DropBranch(nn.Module):
    """Stochastic depth for each image on its own; neither training nor a test makes up for what is missing."""

    def __init__(self, drop_rate: float) -> None:
        super().__init__()
        self.drop_rate = drop_rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.drop_rate == 0:
            return x
        return x * torch.bernoulli(torch.full_like(x[:, :1, :1, :1], 1 - self.drop_rate))


class NFBlock(nn.Module):
    """alpha gain F(h) + shortcut, where h = activation(x) / beta (Section 5, Figure 5).

    F is a bottleneck of half the outputs with two grouped 3x3 convolutions, and twice what squeeze and excitation gives,
    whose gates are about one half. The gain is SkipInit's: at zero, where it starts, only the shortcut remains.

    Args:
        inputs: channels of x.
        outputs: channels of the output.
        stride: of the first 3x3 convolution, and of an average pool in the shortcut.
        beta: the standard deviation that x is expected to have.
        drop_rate: how often stochastic depth leaves F out.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, *, beta: float, drop_rate: float = 0.0) -> None:
        super().__init__()
        self.beta = beta
        width = outputs // 2
        groups = width // 128  # Section 5: a fixed group width
        self.activation = ScaledActivation()
        self.layers = nn.Sequential(
            ScaledWSConv2d(inputs, width, 1),
            ScaledActivation(),
            ScaledWSConv2d(width, width, 3, stride=stride, groups=groups),
            ScaledActivation(),
            ScaledWSConv2d(width, width, 3, groups=groups),
            ScaledActivation(),
            ScaledWSConv2d(width, outputs, 1),
            SEBlock(outputs, reduction=2),
            DropBranch(drop_rate),
        )
        self.gain = nn.Parameter(torch.zeros(()))
        self.shortcut = None
        if stride > 1 or inputs != outputs:
            pool = nn.AvgPool2d(stride, ceil_mode=True) if stride > 1 else nn.Identity()
            self.shortcut = nn.Sequential(pool, ScaledWSConv2d(inputs, outputs, 1))

    def forward(self, x: Tensor) -> Tensor:
        h = self.activation(x) / self.beta
        shortcut = x if self.shortcut is None else self.shortcut(h)
        return ALPHA * self.gain * 2 * self.layers(h) + shortcut


class NFNet(nn.Sequential):
    """Stem, four stages and head: (batch, 3, height, width) to (batch, classes).

    Args:
        depths: blocks in each stage.
        classes: outputs of the classifier.
        dropout: the rate in front of the classifier.
        drop_rate: the rate of stochastic depth that a block behind the last would have; it rises from 0.
    """

    def __init__(self, depths: Sequence[int], classes: int, *, dropout: float, drop_rate: float = 0.25) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            ScaledWSConv2d(3, 16, 3, stride=2),
            ScaledActivation(),
            ScaledWSConv2d(16, 32, 3),
            ScaledActivation(),
            ScaledWSConv2d(32, 64, 3),
            ScaledActivation(),
            ScaledWSConv2d(64, 128, 3, stride=2),
        )
        betas = iter(expected_deviations(depths))
        inputs, blocks, number = 128, sum(depths), 0
        self.stages = nn.Sequential()
        for outputs, stride, depth in zip((256, 512, 1536, 1536), (1, 2, 2, 2), depths, strict=True):
            stage = nn.Sequential()
            for position in range(depth):
                rate = 1 - survival(number, blocks, 1 - drop_rate, "linear")
                stage.append(
                    NFBlock(inputs, outputs, stride if position == 0 else 1, beta=next(betas), drop_rate=rate)
                )
                inputs, number = outputs, number + 1
            self.stages.append(stage)
        classifier = nn.Linear(3072, classes)
        nn.init.normal_(classifier.weight, std=0.01)
        nn.init.zeros_(classifier.bias)
        self.head = nn.Sequential(
            ScaledWSConv2d(1536, 3072, 1),
            ScaledActivation(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(dropout),
            classifier,
        )


def unit_norm(x: Tensor) -> Tensor:
    """The norms of the weights into each unit, which stand along the first dimension; of a vector, its only norm."""
    if x.squeeze().dim() <= 1:
        return x.norm()
    return x.norm(dim=tuple(range(1, x.dim())), keepdim=True)


@torch.no_grad()
def adaptive_gradient_clip(parameters: Iterable[nn.Parameter], clip: float = 0.01, eps: float = 1e-3) -> None:
    """Scale the gradient of each unit down to ``clip`` times the norm of its weights, if it is larger (Equation 3).

    The classifier's weights are not meant to be among the parameters (Section 4.1).

    Args:
        parameters: their gradients are changed in place.
        clip: lambda, the largest ratio of the two norms.
        eps: the least that a norm of weights counts as, so that what starts at zero can leave it.
    """
    for parameter in parameters:
        if parameter.grad is not None:
            largest = clip * unit_norm(parameter).clamp(min=eps)
            norm = unit_norm(parameter.grad)
            parameter.grad.copy_(torch.where(norm > largest, parameter.grad * (largest / norm), parameter.grad))


VARIANTS = {
    # Table 1: the dropout rate; F-N has N + 1 times the blocks of F0
    "nfnet-f0": 0.2,
    "nfnet-f1": 0.3,
    "nfnet-f2": 0.4,
    "nfnet-f3": 0.4,
    "nfnet-f4": 0.5,
    "nfnet-f5": 0.5,
    "nfnet-f6": 0.5,
}


def build(variant: str = "nfnet-f0", *, classes: int = 1000) -> NFNet:
    """Build a variant.

    Args:
        variant: a key of ``VARIANTS``.
        classes: outputs of the classifier.
    """
    times = int(variant[-1]) + 1
    depths = [times * depth for depth in (1, 2, 6, 3)]
    return NFNet(depths, classes, dropout=VARIANTS[variant])
