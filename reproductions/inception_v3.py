"""Inception-v3: Rethinking the Inception Architecture for Computer Vision (Szegedy et al., 2015).

GoogLeNet is cheap, but hard to scale: twice its filters are four times its cost. This paper finds out where cost can be
spent better. Large filters become stacks of small ones, which VGG has done with squares and is done here with 1xn and
nx1 too; maps shrink by strided convolutions beside a pool, so that the network is narrow nowhere; an auxiliary
classifier helps because it regularises, and helps more with batch normalisation; and so do labels that are a little
unsure of themselves.

Table 1 (the paper's Inception-v2) leaves the widths open. This is the network that the authors released and that every
library has: it keeps a 5x5 beside the two 3x3 of Figure 5, and has another stem than Table 1.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from reproductions.inception_v1 import Concatenation
from reproductions.layers import Size, conv_bn_relu

conv = partial(conv_bn_relu, eps=1e-3)


def tower(inputs: int, *layers: tuple[int, Size], stride: int = 1) -> nn.Sequential:
    """Convolutions in a row, each of (outputs, kernel); where the last has a stride it alone is not padded.

    The factorised convolutions of Section 3: ``(n, 3), (n, 3)`` stands for a 5x5, ``(n, (1, 7)), (n, (7, 1))`` for a
    7x7. There is a ReLU behind each, which did better than leaving the first linear (Figure 2).
    """
    result = nn.Sequential()
    for number, (outputs, kernel) in enumerate(layers, start=1):
        if stride > 1 and number == len(layers):
            result.append(conv(inputs, outputs, kernel, stride=stride))
        else:
            height, width = kernel if isinstance(kernel, tuple) else (kernel, kernel)
            result.append(conv(inputs, outputs, kernel, padding=(height // 2, width // 2)))
        inputs = outputs
    return result


def pooled(inputs: int, outputs: int) -> nn.Sequential:
    """The branch with a pool and a 1x1 convolution. Zeros beyond the border count, as they do not in TensorFlow."""
    return nn.Sequential(nn.AvgPool2d(3, stride=1, padding=1), *tower(inputs, (outputs, 1)))


def module_35x35(inputs: int, pool_outputs: int) -> Concatenation:
    """A 5x5 made of two 3x3 (Figure 5), and in the released network one that is not."""
    return Concatenation(
        tower(inputs, (64, 1)),
        tower(inputs, (48, 1), (64, 5)),
        tower(inputs, (64, 1), (96, 3), (96, 3)),
        pooled(inputs, pool_outputs),
    )


def module_17x17(inputs: int, width: int) -> Concatenation:
    """7x7 filters made of 1x7 and 7x1, once in the second branch and twice in the third (Figure 6)."""
    return Concatenation(
        tower(inputs, (192, 1)),
        tower(inputs, (width, 1), (width, (1, 7)), (192, (7, 1))),
        tower(inputs, (width, 1), (width, (7, 1)), (width, (1, 7)), (width, (7, 1)), (192, (1, 7))),
        pooled(inputs, 192),
    )


def expanded(inputs: int, outputs: int) -> Concatenation:
    """1x3 and 3x1 side by side, for more and not for cheaper outputs (Figure 7)."""
    return Concatenation(tower(inputs, (outputs, (1, 3))), tower(inputs, (outputs, (3, 1))))


def module_8x8(inputs: int) -> Concatenation:
    """On the coarsest maps representations of many dimensions, easier to disentangle (Figure 7, Section 2)."""
    return Concatenation(
        tower(inputs, (320, 1)),
        nn.Sequential(*tower(inputs, (384, 1)), expanded(384, 384)),
        nn.Sequential(*tower(inputs, (448, 1), (384, 3)), expanded(384, 384)),
        pooled(inputs, 192),
    )


class AuxiliaryClassifier(nn.Sequential):
    """Scores from the last 17x17 map, with batch normalisation (Figure 8): (batch, 768, 17, 17) to (batch, classes)."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__(
            nn.AvgPool2d(5, stride=3),  # 768, 5
            conv(inputs, 128, 1),
            conv(128, 768, 5),  # 768, 1
            nn.Flatten(),
            nn.Linear(768, classes),
        )


def reduction_to_17x17(inputs: int) -> Concatenation:
    """Half the side and more channels, by convolutions of stride 2 beside a pool of stride 2 (Figure 10)."""
    return Concatenation(
        tower(inputs, (384, 3), stride=2),
        tower(inputs, (64, 1), (96, 3), (96, 3), stride=2),
        nn.MaxPool2d(3, stride=2),
    )


def reduction_to_8x8(inputs: int) -> Concatenation:
    """The same from 17x17, one of its branches with a factorised 7x7."""
    return Concatenation(
        tower(inputs, (192, 1), (320, 3), stride=2),
        tower(inputs, (192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3), stride=2),
        nn.MaxPool2d(3, stride=2),
    )


def stem(*, stride: int = 2, first_pool: bool = True) -> nn.Sequential:
    """(batch, 3, 299, 299) to (batch, 192, 35, 35): the 7x7 of GoogLeNet is three 3x3 too.

    Args:
        stride: of the first convolution.
        first_pool: whether there is the first of the two pools.
    """
    return nn.Sequential(
        conv(3, 32, 3, stride=stride),  # 32, 149
        conv(32, 32, 3),  # 32, 147
        conv(32, 64, 3, padding=1),  # 64, 147
        nn.MaxPool2d(3, stride=2) if first_pool else nn.Identity(),  # 64, 73
        conv(64, 80, 1),  # 80, 73
        conv(80, 192, 3),  # 192, 71
        nn.MaxPool2d(3, stride=2),  # 192, 35
    )


class InceptionV3(nn.Module):
    """Shapes: (batch, 3, 299, 299) to (batch, classes); the comments give channels and side behind each part.

    With an auxiliary classifier training gives a pair, the scores and those of the auxiliary classifier.

    Args:
        classes: outputs of the classifiers.
        stride: of the first convolution.
        first_pool: whether the stem has the first of its pools.
        auxiliary: whether there is an auxiliary classifier.
    """

    def __init__(self, classes: int, *, stride: int = 2, first_pool: bool = True, auxiliary: bool = False) -> None:
        super().__init__()
        self.stem = stem(stride=stride, first_pool=first_pool)  # 192, 35
        self.fine = nn.Sequential(module_35x35(192, 32), module_35x35(256, 64), module_35x35(288, 64))  # 288, 35
        self.medium = nn.Sequential(
            reduction_to_17x17(288), *(module_17x17(768, width) for width in (128, 160, 160, 192))
        )  # 768, 17
        self.coarse = nn.Sequential(reduction_to_8x8(768), module_8x8(1280), module_8x8(2048))  # 2048, 8
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(0.5),  # torchvision's; the paper names none
            nn.Linear(2048, classes),
        )
        self.auxiliary = AuxiliaryClassifier(768, classes) if auxiliary else None

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        x = self.medium(self.fine(self.stem(x)))
        scores = self.head(self.coarse(x))
        if self.auxiliary is not None and self.training:
            return scores, self.auxiliary(x)
        return scores


def label_smoothing_loss(scores: Tensor, labels: Tensor, epsilon: float = 0.1) -> Tensor:
    """Cross-entropy with labels of which a share ε is spread evenly over all K classes (Section 7).

    q'(k) = (1 - ε) δ(k, y) + ε / K. The largest score now has a finite best distance from the others.

    Shapes: scores (batch, classes), labels (batch) to a single number.
    """
    log_p = scores.log_softmax(dim=1)
    smoothed = torch.full_like(log_p, epsilon / scores.shape[1])
    smoothed.scatter_add_(1, labels[:, None], torch.full_like(log_p[:, :1], 1 - epsilon))
    return -(smoothed * log_p).sum(dim=1).mean()


VARIANTS = {
    "inception-v3": {},
    "inception-v3-aux": {"auxiliary": True},
    # Section 9: smaller images at the same cost
    "inception-v3-s151": {"stride": 1},
    "inception-v3-s79": {"stride": 1, "first_pool": False},
}


def build(variant: str = "inception-v3", *, classes: int = 1000) -> InceptionV3:
    """Build a variant. The paper does not say how weights start; they start as torch starts them."""
    return InceptionV3(classes, **VARIANTS[variant])
