"""Xception: Deep Learning with Depthwise Separable Convolutions (Chollet, 2016).

An Inception module first mixes channels by 1x1 convolutions and then looks for spatial patterns in a few segments of
them. The paper lets the number of segments vary: one segment is an ordinary convolution, one segment for each channel
is, up to the order of its two halves, a depthwise separable convolution. Xception ("extreme Inception") goes to that
end of the line: a stack of separable convolutions, as large as Inception-v3, with the residual connections of ResNet
around all modules but the first and the last.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise

from torch import Tensor, nn

from reproductions.layers import conv_bn
from reproductions.resnet import projection


class InceptionTowers(nn.Sequential):
    """The simplified Inception module: a 1x1 convolution, its outputs split into segments, a 3x3 for each (Figure 3).

    ``segments=1`` is an ordinary convolution behind a 1x1; ``segments=outputs`` is the extreme version (Figure 4).
    """

    def __init__(self, inputs: int, outputs: int, segments: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 1, bias=False),
            nn.Conv2d(outputs, outputs, 3, padding=1, groups=segments, bias=False),
        )


class SeparableConv2d(nn.Sequential):
    """One 3x3 convolution for each channel, then a 1x1 across channels; in between nothing, but for Section 4.8."""

    def __init__(self, inputs: int, outputs: int, between: type[nn.Module] = nn.Identity) -> None:
        super().__init__(
            nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False),
            between(),
            nn.Conv2d(inputs, outputs, 1, bias=False),
        )


class Module(nn.Module):
    """ReLU, separable convolution and normalisation for each width, a pool where the map halves, a shortcut around."""

    def __init__(
        self,
        *widths: int,
        pool: bool = False,
        leading_relu: bool = True,
        residual: bool,
        between: type[nn.Module],
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [nn.ReLU(), SeparableConv2d(inputs, outputs, between), nn.BatchNorm2d(outputs)]
        if not leading_relu:
            layers.pop(0)
        if pool:
            layers.append(nn.MaxPool2d(3, stride=2, padding=1))
        self.layers = nn.Sequential(*layers)
        self.shortcut = None
        if residual:
            self.shortcut = projection(widths[0], widths[-1], stride=2) if pool else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        if self.shortcut is None:
            return self.layers(x)
        return self.layers(x) + self.shortcut(x)


class Xception(nn.Module):
    """Entry flow once, middle flow eight times, exit flow once: 14 modules with 36 convolution layers (Figure 5).

    Shapes: (batch, 3, 299, 299) to (batch, classes); the comments give channels and side behind each module at 299.

    Args:
        classes: outputs of the classifier.
        residual: whether modules have shortcuts; Section 4.7 takes them away.
        between: what stands between the two halves of a separable convolution; Section 4.8 puts an activation there.
    """

    def __init__(self, classes: int, *, residual: bool = True, between: type[nn.Module] = nn.Identity) -> None:
        super().__init__()
        module = partial(Module, residual=residual, between=between)
        self.entry = nn.Sequential(
            nn.Sequential(*conv_bn(3, 32, 3, stride=2), nn.ReLU(), *conv_bn(32, 64, 3), nn.ReLU()),  # 64, 147
            module(64, 128, 128, pool=True, leading_relu=False),  # 128, 74
            module(128, 256, 256, pool=True),  # 256, 37
            module(256, 728, 728, pool=True),  # 728, 19
        )
        self.middle = nn.Sequential(*(module(728, 728, 728, 728) for _ in range(8)))  # 728, 19
        self.exit = nn.Sequential(
            module(728, 728, 1024, pool=True),  # 1024, 10
            nn.Sequential(
                SeparableConv2d(1024, 1536, between),
                nn.BatchNorm2d(1536),
                nn.ReLU(),
                SeparableConv2d(1536, 2048, between),
                nn.BatchNorm2d(2048),
                nn.ReLU(),
            ),  # 2048, 10
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.5)  # Section 4.4, for ImageNet
        self.classifier = nn.Linear(2048, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.exit(self.middle(self.entry(x)))
        return self.classifier(self.dropout(self.pool(x).flatten(1)))


VARIANTS = {
    "xception": {},
    "xception-nores": {"residual": False},  # Section 4.7
    "xception-midrelu": {"between": nn.ReLU},  # Section 4.8
    "xception-midelu": {"between": nn.ELU},  # Section 4.8
}


def build(variant: str = "xception", *, classes: int = 1000) -> Xception:
    """Build a variant. The paper does not say how weights start; they start as torch starts them."""
    return Xception(classes, **VARIANTS[variant])
