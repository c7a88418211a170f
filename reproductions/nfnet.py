"""NFNet: High-Performance Large-Scale Image Recognition Without Normalization (Brock, De, Smith, Simonyan, 2021).

Batch normalisation keeps the signal of a residual network in bounds and its training stable, but it couples the images
of a batch and is costly. NF-ResNets do without: kernels are standardised instead of activations, and as the variance of
the signal at the start is then known in advance, constants keep it in bounds. They fail at large batches and under
strong augmentation. Here the gradient of each unit is clipped relative to the norm of that unit's weights, which makes
such training stable, and an SE-ResNeXt is reshaped to be quick to train.

Where the paper is silent, as on padding, or speaks of a GELU where the released networks have the ReLU of SENet, the
networks are those that the authors released. (Their library approximates GELU by a tanh; here it is exact.)
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reproductions.senet import SEBlock
from reproductions.stochastic_depth import survival

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ALPHA = 0.2
"""The square root of what a block adds to the variance of the signal (Section 3)."""


def lecun(layer: nn.Conv2d) -> None:
    """Draw weights of variance 1 / fan-in, and no biases (Appendix C)."""
    nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
    nn.init.zeros_(layer.bias)


class ScaledWSConv2d(nn.Conv2d):
    """A convolution with scaled weight standardisation (Equation 1), a gain for each output channel, and a bias.

    It is padded as in TensorFlow: ceil(side / stride) pixels result, and an odd zero stands to the right or below.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups)
        self.gain = nn.Parameter(torch.ones(outputs, 1, 1, 1))

    def reset_parameters(self) -> None:
        lecun(self)

    def standardised(self) -> Tensor:
        """The kernels that are applied: of mean zero and variance gain² / fan-in."""
        variance, mean = torch.var_mean(self.weight, (1, 2, 3), correction=0, keepdim=True)
        fan_in = self.weight.numel() // self.out_channels
        return (self.weight - mean) * (self.gain * (fan_in * variance).clamp(min=1e-4).rsqrt())

    def forward(self, x: Tensor) -> Tensor:
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        zeros = [max(kernel - (side % stride or stride), 0) for side in x.shape[:1:-1]]  # width, height
        x = F.pad(x, [part for both in zeros for part in (both // 2, both - both // 2)])
        return F.conv2d(x, self.standardised(), self.bias, stride, groups=self.groups)


# With estimates of gamma from the released code. That of ReLU is exactly sqrt(2 / (1 - 1/pi)) = 1.71286.
ACTIVATIONS = {"gelu": (F.gelu, 1.7015043497085571), "relu": (F.relu, 1.7139588594436646)}


class ScaledActivation(nn.Module):
    """gamma f(x), of variance 1 for a standard normal x (Section 3)."""

    def __init__(self, name: str = "gelu") -> None:
        super().__init__()
        self.function, self.gamma = ACTIVATIONS[name]

    def forward(self, x: Tensor) -> Tensor:
        return self.gamma * self.function(x)


def expected_deviations(depths: Sequence[int]) -> list[float]:
    """The beta of each block: the standard deviation that its input has at the start (Section 3).

    A block adds alpha² to the variance; the transition block that begins a stage adds it to 1.
    """
    betas, variance = [], 1.0
    for depth in depths:
        for position in range(depth):
            betas.append(sqrt(variance))
            variance = (variance if position else 1.0) + ALPHA**2
    return betas


class DropBranch(nn.Module):
    """Stochastic depth for each image on its own. Neither in training nor in a test do factors make up for it."""

    def __init__(self, drop_rate: float) -> None:
        super().__init__()
        self.drop_rate = drop_rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.drop_rate == 0:
            return x
        return x * torch.bernoulli(torch.full_like(x[:, :1, :1, :1], 1 - self.drop_rate))


class NFBlock(nn.Module):
    """alpha gain F(h) + shortcut, where h = activation(x) / beta (Figures 5 and 6).

    F is a bottleneck with two grouped 3x3 convolutions and squeeze and excitation, whose gates, about one half at the
    start, are doubled. The gain is SkipInit's: it starts at zero, where only the shortcut remains.

    Args:
        inputs: channels of x.
        outputs: channels of the output; the bottleneck is half as wide.
        stride: of the first 3x3 convolution, and of the average pool on the shortcut.
        beta: the standard deviation that x is expected to have.
        drop_rate: how often stochastic depth drops F.
        group_width: channels of a group.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int,
        *,
        beta: float,
        drop_rate: float = 0.0,
        group_width: int = 128,  # Section 5
    ) -> None:
        super().__init__()
        width = outputs // 2
        groups = width // group_width
        self.beta = beta
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
        )
        for layer in self.layers[-1].excite[::2]:
            lecun(layer)
        self.drop = DropBranch(drop_rate)
        self.gain = nn.Parameter(torch.zeros(()))
        self.shortcut = None
        if inputs != outputs or stride > 1:
            pool = nn.AvgPool2d(stride, ceil_mode=True)
            self.shortcut = nn.Sequential(pool, ScaledWSConv2d(inputs, outputs, 1))

    def forward(self, x: Tensor) -> Tensor:
        h = self.activation(x) / self.beta
        shortcut = x if self.shortcut is None else self.shortcut(h)
        return ALPHA * self.gain * self.drop(2 * self.layers(h)) + shortcut


class NFNet(nn.Sequential):
    """Stem, stages and head: (batch, 3, height, width) to (batch, classes).

    Args:
        depths: blocks in each stage.
        widths: channels of each stage; the stem gives half of those of the first.
        stem: channels behind the first three convolutions.
        group_width: channels of a group in 3x3 convolutions.
        dropout: the rate in front of the classifier.
        classes: outputs of the classifier.
    """

    def __init__(
        self,
        depths: Sequence[int],
        widths: Sequence[int],
        *,
        stem: Sequence[int] = (16, 32, 64),  # Appendix C
        group_width: int = 128,
        dropout: float,
        classes: int,
    ) -> None:
        super().__init__()
        first, second, third = stem
        channels = widths[0] // 2
        self.stem = nn.Sequential(
            ScaledWSConv2d(3, first, 3, stride=2),
            ScaledActivation(),
            ScaledWSConv2d(first, second, 3),
            ScaledActivation(),
            ScaledWSConv2d(second, third, 3),
            ScaledActivation(),
            ScaledWSConv2d(third, channels, 3, stride=2),
        )
        betas = expected_deviations(depths)
        # Stochastic depth at a rate of 0.25 (Appendix A.1), which only a block behind the last would reach
        rates = [1 - survival(number, len(betas), 0.75, "linear") for number in range(len(betas))]
        constants = iter(zip(betas, rates, strict=True))
        self.stages = nn.Sequential()
        for width, stride, depth in zip(widths, (1, 2, 2, 2), depths, strict=True):
            stage = nn.Sequential()
            for position in range(depth):
                step = 1 if position else stride
                beta, rate = next(constants)
                stage.append(NFBlock(channels, width, step, beta=beta, drop_rate=rate, group_width=group_width))
                channels = width
            self.stages.append(stage)
        classifier = nn.Linear(2 * channels, classes)
        nn.init.normal_(classifier.weight, std=0.01)  # Appendix C
        nn.init.zeros_(classifier.bias)
        self.head = nn.Sequential(
            ScaledWSConv2d(channels, 2 * channels, 1),
            ScaledActivation(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(dropout),
            classifier,
        )


def unit_norm(x: Tensor) -> Tensor:
    """The norm of what leads into each unit, which stands along the first dimension; of a vector, its only norm."""
    if x.squeeze().dim() <= 1:
        return torch.linalg.vector_norm(x)
    return torch.linalg.vector_norm(x, dim=tuple(range(1, x.dim())), keepdim=True)


@torch.no_grad()
def adaptive_gradient_clip(parameters: Iterable[nn.Parameter], clip: float = 0.01, eps: float = 1e-3) -> None:
    """Scale each unit's gradient down to ``clip`` times the norm of its weights where it is larger (Equation 3).

    The parameters are meant to be all but the classifier's weights (Section 4.1).

    Args:
        parameters: their gradients are changed in place.
        clip: the threshold lambda.
        eps: what a smaller norm of weights counts as, so that what starts at zero can leave it.
    """
    for parameter in parameters:
        if parameter.grad is not None:
            norm, largest = unit_norm(parameter.grad), clip * unit_norm(parameter).clamp(min=eps)
            parameter.grad.copy_(torch.where(norm > largest, parameter.grad * (largest / norm), parameter.grad))


WIDTHS = (256, 512, 1536, 1536)  # Section 5

VARIANTS = {
    # Table 1: the multiple of F0's depths, dropout; Appendix A.5: the widths of F4+
    "nfnet-f0": (1, 0.2, WIDTHS),
    "nfnet-f1": (2, 0.3, WIDTHS),
    "nfnet-f2": (3, 0.4, WIDTHS),
    "nfnet-f3": (4, 0.4, WIDTHS),
    "nfnet-f4": (5, 0.5, WIDTHS),
    "nfnet-f5": (6, 0.5, WIDTHS),
    "nfnet-f6": (7, 0.5, WIDTHS),
    "nfnet-f4-plus": (5, 0.5, (384, 768, 2048, 2048)),
}


def build(variant: str = "nfnet-f0", *, classes: int = 1000) -> NFNet:
    """Build a variant.

    Args:
        variant: a key of ``VARIANTS``.
        classes: outputs of the classifier.
    """
    multiple, dropout, widths = VARIANTS[variant]
    depths = [multiple * depth for depth in (1, 2, 6, 3)]  # Section 5
    return NFNet(depths, widths, dropout=dropout, classes=classes)
