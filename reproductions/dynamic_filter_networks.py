"""Dynamic Filter Networks (De Brabandere, Jia, Tuytelaars, Van Gool, 2016).

The filters of a convolution stay as they are once training is over. Here they are outputs: a filter-generating network
makes them from an input, while it runs, and a dynamic layer applies them to an input, to the same or to another. It
has no weights of its own. One filter for all positions makes a dynamic convolution, which can steer to an angle that it
is told; one filter for each position can also say where to look, which makes local filtering a layer that moves pixels:
what a spatial transformer does for the whole image, every position does for itself.

Where the paper is silent, as on layers and rates, the networks are those that the authors released.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def dynamic_conv(x: Tensor, filters: Tensor) -> Tensor:
    """Filter each image of a batch with its own filter, the same at all positions and in all channels (Section 3).

    Taps correlate, as torch has it: the first is that of the neighbour to the upper left. The border is zero.

    Shapes: x (batch, channels, height, width), filters (batch, k, k) with an odd k, to the shape of x.
    """
    batch, channels, height, width = x.shape
    weight = filters.repeat_interleave(channels, dim=0)[:, None]
    y = F.conv2d(x.reshape(1, -1, height, width), weight, padding=filters.shape[-1] // 2, groups=batch * channels)
    return y.view_as(x)


def dynamic_local_filter(x: Tensor, filters: Tensor, *, softmax: bool = False) -> Tensor:
    """Filter each position of each image with a filter of its own, the same in all channels (Section 3).

    Tap ``k i + j`` belongs to the pixel that lies (i - k // 2, j - k // 2) from the position. The border is zero.

    Shapes: x (batch, channels, height, width), filters (batch, k k, height, width) with an odd k, to the shape of x.

    Args:
        x: images or maps.
        filters: taps first, then the position.
        softmax: take a softmax over the taps first, so that every output is a mean of its neighbours.
    """
    k = math.isqrt(filters.shape[1])
    if softmax:
        filters = filters.softmax(dim=1)
    neighbours = F.unfold(x, k, padding=k // 2).view(*x.shape[:2], k * k, *x.shape[2:])
    return (neighbours * filters[:, None]).sum(dim=2)


def conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """A convolution that keeps the size but for its stride, and a leaky ReLU."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2), nn.LeakyReLU(0.01))


class SteerableGenerator(nn.Sequential):
    """Makes a 9x9 filter from an angle: (batch, 1, height, width) to (batch, 81, height, width) (Section 4.1)."""

    def __init__(self) -> None:
        super().__init__(conv(1, 64, 1), conv(64, 128, 1), nn.Conv2d(128, 81, 1))


class SteerableFilter(nn.Module):
    """Filters an image as an angle asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = SteerableGenerator()

    def filters(self, angles: Tensor) -> Tensor:
        """The filters for some angles, (batch), in radians: (batch, 9, 9)."""
        return self.generator(angles[:, None, None, None]).view(-1, 9, 9)

    def forward(self, image: Tensor, angles: Tensor) -> Tensor:
        return dynamic_conv(image, self.filters(angles))


class RecurrentGenerator(nn.Module):
    """Makes outputs for each position from a frame and from what it kept of those before (Section 4.2).

    What it keeps is a hidden state, half as high and wide as the frame: what the encoder makes of the frame plus what
    two convolutions make of the last hidden state. There are no gates.
    """

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(conv(1, 32), conv(32, 32, stride=2), conv(32, 64), conv(64, 64), conv(64, 128))
        self.hidden_path = nn.Sequential(conv(128, 128), conv(128, 128))
        self.decoder = nn.Sequential(
            conv(128, 64), conv(64, 64), nn.Upsample(scale_factor=2), conv(64, 64), conv(64, 64), conv(64, 128, 1)
        )
        self.last = nn.Conv2d(128, outputs, 1)

    def forward(self, frame: Tensor, hidden: Tensor | None) -> tuple[Tensor, Tensor]:
        features = self.encoder(frame)  # batch, 128, height / 2, width / 2
        hidden = features + self.hidden_path(torch.zeros_like(features) if hidden is None else hidden)
        return self.last(self.decoder(hidden)), hidden


class DFN(nn.Module):
    """Predicts the next frame by filtering this one with a 9x9 filter for each position, made from all so far.

    Shapes: a frame, (batch, 1, height, width) with even sides, and a hidden state, none at first, to the next of both.

    Args:
        bias: whether a bias for each position is generated too, which is added to the frame before it is filtered.
    """

    def __init__(self, *, bias: bool) -> None:
        super().__init__()
        self.generator = RecurrentGenerator(81 + bias)

    def forward(self, frame: Tensor, hidden: Tensor | None = None) -> tuple[Tensor, Tensor]:
        generated, hidden = self.generator(frame, hidden)
        filters, bias = generated[:, :81], generated[:, 81:].sum(dim=1, keepdim=True)
        return dynamic_local_filter(frame + bias, filters, softmax=True), hidden


class Baseline(nn.Module):
    """The same network without a dynamic layer: a 1x1 convolution makes the next frame itself. Shapes as of DFN."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = RecurrentGenerator(81)
        self.pixel = nn.Conv2d(81, 1, 1)

    def forward(self, frame: Tensor, hidden: Tensor | None = None) -> tuple[Tensor, Tensor]:
        generated, hidden = self.generator(frame, hidden)
        return self.pixel(generated), hidden


def rollout(network: nn.Module, frames: Tensor, n_out: int) -> Tensor:
    """Show a network some frames, one by one, and let it go on with its own predictions.

    Shapes: frames (batch, n_in, height, width) to (batch, n_out, height, width).
    """
    hidden, predictions = None, []
    for step in range(frames.shape[1] + n_out - 1):
        frame = frames[:, step : step + 1] if step < frames.shape[1] else predictions[-1]
        prediction, hidden = network(frame, hidden)
        if step >= frames.shape[1] - 1:
            predictions.append(prediction)
    return torch.cat(predictions, dim=1)


def loss(predictions: Tensor, frames: Tensor) -> Tensor:
    """Binary cross-entropy in the mean over all pixels, of predictions clipped to where it is finite."""
    margin = torch.finfo(torch.float32).eps
    return F.binary_cross_entropy(predictions.clamp(margin, 1 - margin), frames)


VARIANTS = {
    "dfn-moving-mnist": (DFN, {"bias": False}),
    "dfn-moving-mnist-bias": (DFN, {"bias": True}),
    "baseline-moving-mnist": (Baseline, {}),
    "dfn-steerable": (SteerableFilter, {}),
}


def build(variant: str = "dfn-moving-mnist") -> nn.Module:
    """Build a variant. The paper does not say how weights start; they start as torch starts them."""
    network, options = VARIANTS[variant]
    return network(**options)
