"""Dilated Convolutions: Multi-Scale Context Aggregation by Dilated Convolutions (Yu, Koltun, 2015).

Networks for classification shrink an image until little of it is left, which is how they come to see all of it. Dense
prediction wants both, resolution and context. A convolution whose taps lie l pixels apart sees further at the same
cost; when l doubles from layer to layer, the receptive field grows exponentially, the parameters linearly, and no pixel
in it is skipped. The paper builds a module from such layers that can be put behind any dense prediction, and starts it
as the identity. And it simplifies VGG-16 for dense prediction: FCN and DeepLab had kept its last pools and the padding
of its layers, which are leftovers of classification.
"""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reproductions.vgg import VGG_16, convolutions


def dilated_conv(f: Tensor, k: Tensor, l: int) -> Tensor:  # noqa: E741 (the paper's letter)
    """(F *_l k)(p), the sum of F(s) k(t) over all s + l t = p (Equation 2), where F is zero outside of its domain.

    A convolution in the strict sense: the filter is turned around, where frameworks take it as it is. For layers, whose
    filters are learned, that makes no difference, and theirs is used below.

    Shapes: f (height, width), k (2r + 1, 2r + 1), and f's again.
    """
    r = len(k) // 2
    result = torch.zeros_like(f)
    for i, j in product(range(-r, r + 1), repeat=2):  # t
        moved = F.pad(f, (l * j, -l * j, l * i, -l * i))  # F(p - l t)
        result += k[i + r, j + r] * moved
    return result


# --- The context module ----------------------------------------------------------------------------------------------

# Table 1. The receptive field stops growing where it covers a front end's map of 64 x 64.
DILATIONS = (1, 1, 2, 4, 8, 16, 1)
BASIC = (1, 1, 1, 1, 1, 1, 1)
LARGE = (2, 2, 4, 8, 16, 32, 32)


class ContextModule(nn.Sequential):
    """Seven dilated 3x3 convolutions, each truncated at zero, and a 1x1 convolution (Table 1).

    The input is padded once, by as much as the layers take away together (33, Section 5.2).
    Shapes: (batch, maps, height, width), and the same again.

    Args:
        maps: C, the maps of the dense prediction that goes in and comes out.
        multipliers: widths of the seven layers, as multiples of C.
    """

    def __init__(self, maps: int, multipliers: tuple[int, ...]) -> None:
        super().__init__(nn.ZeroPad2d(sum(DILATIONS)))
        inputs = maps
        for multiplier, dilation in zip(multipliers, DILATIONS, strict=True):
            outputs = multiplier * maps
            self.extend([nn.Conv2d(inputs, outputs, 3, dilation=dilation), nn.ReLU()])
            inputs = outputs
        self.append(nn.Conv2d(inputs, maps, 1))


@torch.no_grad()
def identity_(module: ContextModule, sigma: float = 0.0) -> None:
    """Let a context module start by passing its input through, as long as that is not negative (Equation 5).

    The c maps of a layer form C groups. An output takes the share C / c from each input of its group, at the centre;
    all other weights are noise, much smaller than that, which tells the maps of a group apart. The basic module needs
    none, since its groups are single maps; this is Equation 4.

    Args:
        module: what is initialised.
        sigma: standard deviation of the noise.
    """
    convolutions = [layer for layer in module if isinstance(layer, nn.Conv2d)]
    maps = convolutions[0].in_channels
    for layer in convolutions:
        outputs, inputs, side, _ = layer.weight.shape
        group_of_input = torch.arange(inputs, device=layer.weight.device) * maps // inputs
        group_of_output = torch.arange(outputs, device=layer.weight.device) * maps // outputs
        nn.init.normal_(layer.weight, std=sigma)
        nn.init.zeros_(layer.bias)
        centre = layer.weight[:, :, side // 2, side // 2]
        centre.copy_(torch.where(group_of_output[:, None] == group_of_input, maps / outputs, centre))


# --- The front end ---------------------------------------------------------------------------------------------------

MARGIN = 186
"""What the front end takes from each side of its input; every output is then the middle of 8 x 8 pixels."""


class FrontEnd(nn.Sequential):
    """VGG-16 without its last two pools and without padding; what follows a lost pool is dilated by 2 (Section 4).

    Shapes: (batch, 3, 8 height + 372, 8 width + 372) to (batch, classes, height, width).
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        inputs = 3
        for number, (outputs, layers) in enumerate(VGG_16, 1):
            self.append(convolutions(inputs, outputs, layers, padding=0, dilation=2 if number == 5 else 1))
            if number <= 3:
                self.append(nn.MaxPool2d(2))
            inputs = outputs
        self.extend([nn.Conv2d(inputs, 4096, 7, dilation=4), nn.ReLU(), nn.Dropout(0.5)])
        self.extend([nn.Conv2d(4096, 4096, 1), nn.ReLU(), nn.Dropout(0.5)])
        self.append(nn.Conv2d(4096, classes, 1))


def segment(network: nn.Module, images: Tensor) -> Tensor:
    """Scores of every pixel from a front end, or from one and a context module.

    Images are continued by their reflections; scores are upsampled. Shapes: (batch, 3, height, width) to (batch,
    classes, height, width); sides are multiples of 8 and larger than the margin.
    """
    scores = network(F.pad(images, (MARGIN,) * 4, mode="reflect"))
    return F.interpolate(scores, scale_factor=8, mode="bilinear")


VARIANTS = {
    # Table 1: multipliers, and the noise that they start with, of which the paper says that it is small
    "context-basic": (BASIC, 0.0),
    "context-large": (LARGE, 1e-4),
    "frontend": None,
}


def build(variant: str = "context-basic", *, classes: int = 21) -> ContextModule | FrontEnd:
    """Build a part; context modules start as the identity. Classes are 21 on Pascal VOC, the background included."""
    if variant == "frontend":
        return FrontEnd(classes)
    multipliers, sigma = VARIANTS[variant]
    module = ContextModule(classes, multipliers)
    identity_(module, sigma)
    return module
