"""GoogLeNet: Going Deeper with Convolutions (Szegedy et al., 2014).

A network gets better as it grows, and dearer with the square of its width. A sparse one need not: theory would build
it layer by layer, so that units which are active together become one unit of the next layer. But machines are fast
with dense matrices only. The Inception module covers such a sparse layer by dense ones: correlated units lie at one
place, in a small patch or in a larger one, so convolutions of 1x1, 3x3 and 5x5 work side by side, and a pool with
them. What makes it affordable are 1x1 convolutions in front of the larger ones; Network in Network had them to compute
more, here they reduce dimensions. Nine modules make a network of 22 layers, and two classifiers on the way feed it
gradients.

Where the paper is silent, on padding and on the constants of local response normalisation, this is the Caffe network.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reproductions.layers import conv_bn_relu

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def conv_relu(inputs: int, outputs: int, kernel: int, *, stride: int = 1, padding: int = 0) -> nn.Sequential:
    """All convolutions, those of the reductions and projections too, use rectified linear activation (Section 5)."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, padding), nn.ReLU())


class Concatenation(nn.Module):
    """Parallel branches that read the same input; their outputs are stacked along the channels, in this order."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], dim=1)


class NaiveInception(Concatenation):
    """The module without reductions (Figure 2a): every input channel is an output channel again, by way of the pool.

    Shapes: (batch, inputs, height, width) to (batch, c1 + c3 + c5 + inputs, height, width).
    """

    def __init__(self, inputs: int, c1: int, c3: int, c5: int) -> None:
        super().__init__(
            conv_relu(inputs, c1, 1),
            conv_relu(inputs, c3, 3, padding=1),
            conv_relu(inputs, c5, 5, padding=2),
            nn.MaxPool2d(3, stride=1, padding=1),
        )


class Inception(Concatenation):
    """The module with dimension reductions (Figure 2b); the numbers of filters are the columns of Table 1.

    ``conv`` builds a convolution with what follows it, and ``large`` is the side of the largest filters.
    Shapes: (batch, inputs, height, width) to (batch, c1 + c3 + c5 + projection, height, width).
    """

    def __init__(
        self,
        inputs: int,
        c1: int,
        c3_reduce: int,
        c3: int,
        c5_reduce: int,
        c5: int,
        projection: int,
        *,
        conv: Callable[..., nn.Module] = conv_relu,
        large: int = 5,
    ) -> None:
        super().__init__(
            conv(inputs, c1, 1),
            nn.Sequential(conv(inputs, c3_reduce, 1), conv(c3_reduce, c3, 3, padding=1)),
            nn.Sequential(conv(inputs, c5_reduce, 1), conv(c5_reduce, c5, large, padding=large // 2)),
            nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), conv(inputs, projection, 1)),
        )


class AuxiliaryHead(nn.Sequential):
    """A classifier on a layer in the middle: (batch, inputs, 14, 14) to (batch, classes) (Section 5)."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__(
            nn.AvgPool2d(5, stride=3),  # inputs, 4, 4
            conv_relu(inputs, 128, 1),
            nn.Flatten(),
            nn.Linear(128 * 4 * 4, 1024),
            nn.ReLU(),
            nn.Dropout(0.7),
            nn.Linear(1024, classes),
        )


def googlenet_loss(outputs: Sequence[Tensor], target: Tensor) -> Tensor:
    """The cross-entropy of the main classifier, and those of the auxiliary ones with a weight of 0.3 (Section 5).

    Shapes: outputs (batch, classes) each, the main one first; target (batch,).
    """
    main, *auxiliary = (F.cross_entropy(scores, target) for scores in outputs)
    return main + 0.3 * sum(auxiliary)


MODULES = {  # Table 1: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}

local_response_norm = partial(nn.LocalResponseNorm, 5, alpha=1e-4, beta=0.75, k=1.0)  # the constants of Caffe


class GoogLeNet(nn.Module):
    """(batch, 3, 224, 224) to (batch, classes) (Table 1, Figure 3).

    While it trains, a network with auxiliary classifiers gives three of these: its own scores and those of the two.

    Args:
        classes: outputs of each classifier.
        auxiliary: whether modules 4a and 4d have auxiliary classifiers.
        bn3x3: the reading of TensorFlow-Slim and torchvision instead: batch normalisation takes the place of biases and
            of local response normalisation, the largest filters are 3x3, and the last pool is 2x2.
    """

    def __init__(self, classes: int, *, auxiliary: bool = False, bn3x3: bool = False) -> None:
        super().__init__()
        conv = partial(conv_bn_relu, eps=1e-3) if bn3x3 else conv_relu
        norm = nn.Identity if bn3x3 else local_response_norm
        large = 3 if bn3x3 else 5
        pools = {"3b": 3, "4e": 2 if bn3x3 else 3}
        self.stem = nn.Sequential(
            conv(3, 64, 7, stride=2, padding=3),  # 64, 112, 112
            nn.MaxPool2d(3, stride=2, ceil_mode=True),
            norm(),
            conv(64, 64, 1),  # 64, 56, 56
            conv(64, 192, 3, padding=1),
            norm(),
            nn.MaxPool2d(3, stride=2, ceil_mode=True),  # 192, 28, 28
        )
        self.inception = nn.Sequential()
        self.auxiliary = nn.ModuleDict()
        channels = 192
        for name, widths in MODULES.items():
            c1, _, c3, _, c5, projection = widths
            self.inception.add_module(name, Inception(channels, *widths, conv=conv, large=large))
            channels = c1 + c3 + c5 + projection
            if name in pools:  # to 14 x 14 and to 7 x 7
                pool = nn.MaxPool2d(pools[name], stride=2, ceil_mode=True)
                self.inception.add_module(f"pool{name[0]}", pool)
            if auxiliary and name in ("4a", "4d"):
                self.auxiliary[name] = AuxiliaryHead(channels, classes)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.4), nn.Linear(channels, classes))

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        x = self.stem(x)
        auxiliary = []
        for name, layer in self.inception.named_children():
            x = layer(x)
            if self.training and name in self.auxiliary:
                auxiliary.append(self.auxiliary[name](x))
        scores = self.head(x)
        return (scores, *auxiliary) if auxiliary else scores


def _resize(image: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(image[None], (height, width), mode="bilinear", antialias=True)[0]


def crops_144(image: Tensor) -> Tensor:
    """What the network is shown of one image in a test: 4 scales, 3 squares, 6 crops, and all mirrored (Section 7).

    Shapes: (3, height, width) to (144, 3, 224, 224); the second half mirrors the first.
    """
    shorter = min(image.shape[1:])
    crops = []
    for side in (256, 288, 320, 352):
        height, width = (round(length * side / shorter) for length in image.shape[1:])
        resized = _resize(image, height, width)
        for share in (0, 0.5, 1):  # left, centre and right, or top, centre and bottom
            top, left = int(share * (height - side)), int(share * (width - side))
            square = resized[:, top : top + side, left : left + side]
            far, middle = side - 224, (side - 224) // 2
            for y, x in ((0, 0), (0, far), (far, 0), (far, far), (middle, middle)):
                crops.append(square[:, y : y + 224, x : x + 224])
            crops.append(_resize(square, 224, 224))
    result = torch.stack(crops)
    return torch.cat([result, result.flip(-1)])


def predict(networks: Sequence[nn.Module], crops: Tensor) -> Tensor:
    """The probability of each class, (classes,): the mean over all crops and all networks (Section 7)."""
    return torch.stack([network(crops).softmax(dim=1) for network in networks]).mean(dim=(0, 1))


VARIANTS = {
    "googlenet": {},
    "googlenet-aux": {"auxiliary": True},
    "googlenet-bn3x3": {"bn3x3": True},
}


def build(variant: str = "googlenet", *, classes: int = 1000) -> GoogLeNet:
    """Build a variant. The paper does not say how weights start; they start as torch starts them."""
    return GoogLeNet(classes, **VARIANTS[variant])
