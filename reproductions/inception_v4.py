"""Inception-v4 and Inception-ResNet (Szegedy, Ioffe, Vanhoucke, Alemi, 2016).

"Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning" asks whether Inception gains from
what made ResNet possible. Inception-v4 is Inception-v3 without the burden of its history: one kind of module for each
size of the map, and more of them. In the residual networks a module adds to its input: the concatenated branches, which
are cheaper, are expanded to the width of the input by a 1x1 convolution that is linear. v1 is meant to cost what
Inception-v3 costs, v2 what Inception-v4 does. They learn faster; very wide ones die in training, unless what they add
is scaled down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from reproductions import inception_v3
from reproductions.inception_v1 import Concatenation
from reproductions.inception_v3 import conv, expanded, tower
from reproductions.resnet import Block

if TYPE_CHECKING:
    from collections.abc import Callable

Towers = tuple[nn.Sequential, ...]


def concatenation(pool: nn.Module, *towers: nn.Module, pool_last: bool = False) -> Concatenation:
    """The branch with the pool stands first in the figures of the paper, and last in the released networks."""
    return Concatenation(*towers, pool) if pool_last else Concatenation(pool, *towers)


def pooled(inputs: int, outputs: int) -> nn.Sequential:
    """The branch with a pool and a 1x1 convolution. Zeros beyond the border do not count."""
    return nn.Sequential(nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False), *tower(inputs, (outputs, 1)))


def stack(count: int, module: Callable[[], nn.Module]) -> nn.Sequential:
    """The same module so many times, each with weights of its own."""
    return nn.Sequential(*(module() for _ in range(count)))


# --- Inception-v4 (Section 3.1) --------------------------------------------------------------------------------------


def stem(*, released_order: bool = False) -> nn.Sequential:
    """(batch, 3, 299, 299) to (batch, 384, 35, 35) (Figure 3): a pool and a convolution side by side, twice."""
    first, second = ((1, 7), (7, 1)) if released_order else ((7, 1), (1, 7))
    return nn.Sequential(
        *inception_v3.stem()[:3],  # 64, 147
        Concatenation(nn.MaxPool2d(3, stride=2), conv(64, 96, 3, stride=2)),  # 160, 73
        Concatenation(
            nn.Sequential(*tower(160, (64, 1)), conv(64, 96, 3)),
            nn.Sequential(*tower(160, (64, 1), (64, first), (64, second)), conv(64, 96, 3)),
        ),  # 192, 71
        Concatenation(conv(192, 192, 3, stride=2), nn.MaxPool2d(3, stride=2)),  # 384, 35
    )


def inception_a(*, released_order: bool = False) -> Concatenation:
    """On maps of 35x35 (Figure 4)."""
    return concatenation(
        pooled(384, 96),
        tower(384, (96, 1)),
        tower(384, (64, 1), (96, 3)),
        tower(384, (64, 1), (96, 3), (96, 3)),
        pool_last=released_order,
    )


def inception_b(*, released_order: bool = False) -> Concatenation:
    """On maps of 17x17 (Figure 5)."""
    first, second = ((7, 1), (1, 7)) if released_order else ((1, 7), (7, 1))
    return concatenation(
        pooled(1024, 128),
        tower(1024, (384, 1)),
        tower(1024, (192, 1), (224, (1, 7)), (256, (7, 1))),
        tower(1024, (192, 1), (192, first), (224, second), (224, first), (256, second)),
        pool_last=released_order,
    )


def inception_c(*, released_order: bool = False) -> Concatenation:
    """On maps of 8x8 (Figure 6)."""
    first, second = ((3, 1), (1, 3)) if released_order else ((1, 3), (3, 1))
    split = Concatenation(tower(512, (256, second)), tower(512, (256, first)))
    return concatenation(
        pooled(1536, 256),
        tower(1536, (256, 1)),
        nn.Sequential(*tower(1536, (384, 1)), expanded(384, 256)),
        nn.Sequential(*tower(1536, (384, 1), (448, first), (512, second)), split),
        pool_last=released_order,
    )


def reduction_a(inputs: int, k: int, l: int, m: int, n: int, *, pool_last: bool = False) -> Concatenation:  # noqa: E741
    """35x35 to 17x17, in all networks; k, l, m and n are its widths in Table 1 (Figure 7)."""
    return concatenation(
        nn.MaxPool2d(3, stride=2),
        tower(inputs, (n, 3), stride=2),
        tower(inputs, (k, 1), (l, 3), (m, 3), stride=2),
        pool_last=pool_last,
    )


def reduction_b(*, pool_last: bool = False) -> Concatenation:
    """17x17 to 8x8 (Figure 8)."""
    return concatenation(
        nn.MaxPool2d(3, stride=2),
        tower(1024, (192, 1), (192, 3), stride=2),
        tower(1024, (256, 1), (256, (1, 7)), (320, (7, 1)), (320, 3), stride=2),
        pool_last=pool_last,
    )


def head(features: int, classes: int) -> nn.Sequential:
    """Mean over the map, dropout that keeps 0.8, and the classifier (Figures 9 and 15)."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(features, classes))


class Inception(nn.Sequential):
    """The scheme of all networks: (batch, 3, 299, 299) to (batch, classes) (Figures 9 and 15)."""

    def __init__(
        self,
        stem: nn.Module,
        a: nn.Module,
        reduction_a: nn.Module,
        b: nn.Module,
        reduction_b: nn.Module,
        c: nn.Module,
        head: nn.Module,
    ) -> None:
        super().__init__()
        self.stem = stem
        self.a = a  # side 35
        self.reduction_a = reduction_a
        self.b = b  # side 17
        self.reduction_b = reduction_b
        self.c = c  # side 8
        self.head = head


def inception_v4(classes: int, *, released_order: bool = False) -> Inception:
    """Inception-v4 (Figure 9)."""
    return Inception(
        stem(released_order=released_order),
        stack(4, lambda: inception_a(released_order=released_order)),
        reduction_a(384, 192, 224, 256, 384, pool_last=released_order),  # Table 1
        stack(7, lambda: inception_b(released_order=released_order)),
        reduction_b(pool_last=released_order),
        stack(3, lambda: inception_c(released_order=released_order)),
        head(1536, classes),
    )


# --- Inception-ResNet (Sections 3.2 and 3.3) -------------------------------------------------------------------------


def width(towers: Towers) -> int:
    """Channels of all towers together."""
    return sum(tower[-1][0].out_channels for tower in towers)


class InceptionResNetBlock(Block):
    """relu(x + scale expansion(towers(x))) (Figures 10 to 19, and 20 for the scale).

    The expansion is linear: a bias, and neither normalisation nor activation. Normalisation stays within the towers.
    """

    def __init__(self, channels: int, towers: Towers, *, scale: float) -> None:
        expansion = nn.Conv2d(width(towers), channels, 1)
        super().__init__(nn.Sequential(Concatenation(*towers), expansion), shortcut=nn.Identity())
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.shortcut(x) + self.scale * self.layers(x))


SCALE_A, SCALE_B, SCALE_C = 0.17, 0.10, 0.20  # the released code; "between 0.1 and 0.3" in Section 3.3


def towers_a(inputs: int, first: int, second: int) -> Towers:
    """For maps of 35x35 (Figures 10 and 16); the widths that differ are the last two of the longest tower."""
    return (
        tower(inputs, (32, 1)),
        tower(inputs, (32, 1), (32, 3)),
        tower(inputs, (32, 1), (first, 3), (second, 3)),
    )


def towers_b(inputs: int, single: int, first: int, second: int) -> Towers:
    """For maps of 17x17 (Figures 11 and 17); the widths that differ are the 1x1 alone and the last two beside it."""
    return tower(inputs, (single, 1)), tower(inputs, (128, 1), (first, (1, 7)), (second, (7, 1)))


def towers_c(inputs: int, first: int, second: int) -> Towers:
    """For maps of 8x8 (Figures 13 and 19); the widths that differ are the last two."""
    return tower(inputs, (192, 1)), tower(inputs, (192, 1), (first, (1, 3)), (second, (3, 1)))


def residual_reduction_b(
    inputs: int, single: int, first: int, second: int, *, pool_last: bool = False
) -> Concatenation:
    """17x17 to 8x8 (Figures 12 and 18); the widths that differ are those of the last 3x3 convolutions."""
    return concatenation(
        nn.MaxPool2d(3, stride=2),
        tower(inputs, (256, 1), (384, 3), stride=2),
        tower(inputs, (256, 1), (single, 3), stride=2),
        tower(inputs, (256, 1), (first, 3), (second, 3), stride=2),
        pool_last=pool_last,
    )


def inception_resnet_v1(classes: int) -> Inception:
    """About the cost of Inception-v3 (Figures 10 to 15)."""
    return Inception(
        nn.Sequential(*inception_v3.stem()[:-1], conv(192, 256, 3, stride=2)),  # Figure 14: no second pool
        stack(5, lambda: InceptionResNetBlock(256, towers_a(256, 32, 32), scale=SCALE_A)),
        reduction_a(256, 192, 192, 256, 384),  # Table 1
        stack(10, lambda: InceptionResNetBlock(896, towers_b(896, 128, 128, 128), scale=SCALE_B)),
        residual_reduction_b(896, 256, 256, 256),
        stack(5, lambda: InceptionResNetBlock(1792, towers_c(1792, 192, 192), scale=SCALE_C)),
        head(1792, classes),
    )


def inception_resnet_v2(classes: int) -> Inception:
    """Wider, and with the stem of Inception-v4 (Figures 15 to 19)."""
    return Inception(
        stem(),
        stack(5, lambda: InceptionResNetBlock(384, towers_a(384, 48, 64), scale=SCALE_A)),
        reduction_a(384, 256, 256, 384, 384),  # Table 1
        stack(10, lambda: InceptionResNetBlock(1152, towers_b(1152, 192, 160, 192), scale=SCALE_B)),
        residual_reduction_b(1152, 288, 288, 320),
        stack(5, lambda: InceptionResNetBlock(2144, towers_c(2144, 224, 256), scale=SCALE_C)),
        head(2144, classes),
    )


def inception_resnet_v2_slim(classes: int) -> Inception:
    """What was released as Inception-ResNet-v2: twice as many blocks, the stem of Inception-v3, a 1x1 at the end."""
    mixed = concatenation(
        pooled(192, 64),
        tower(192, (96, 1)),
        tower(192, (48, 1), (64, 5)),
        tower(192, (64, 1), (96, 3), (96, 3)),
        pool_last=True,
    )
    last = InceptionResNetBlock(2080, towers_c(2080, 224, 256), scale=1.0)
    last.relu = nn.Identity()
    return Inception(
        nn.Sequential(*inception_v3.stem(), mixed),  # 320, 35
        stack(10, lambda: InceptionResNetBlock(320, towers_a(320, 48, 64), scale=SCALE_A)),
        reduction_a(320, 256, 256, 384, 384, pool_last=True),
        stack(20, lambda: InceptionResNetBlock(1088, towers_b(1088, 192, 160, 192), scale=SCALE_B)),
        residual_reduction_b(1088, 288, 288, 320, pool_last=True),
        nn.Sequential(
            *stack(9, lambda: InceptionResNetBlock(2080, towers_c(2080, 224, 256), scale=SCALE_C)),
            last,
            *tower(2080, (1536, 1)),
        ),
        head(1536, classes),
    )


VARIANTS = {
    "inception-v4": inception_v4,
    "inception-resnet-v1": inception_resnet_v1,
    "inception-resnet-v2": inception_resnet_v2,
    "inception-resnet-v2-slim": inception_resnet_v2_slim,
}


def build(variant: str = "inception-v4", *, classes: int = 1000, **options: bool) -> Inception:
    """Build a variant. The paper does not say how weights start; they start as torch starts them.

    Args:
        variant: a key of ``VARIANTS``.
        classes: outputs of the classifier.
        options: for Inception-v4, ``released_order=True`` for branches and kernels in the order of its release.
    """
    return VARIANTS[variant](classes, **options)
