"""ESPNet: Efficient Spatial Pyramid of Dilated Convolutions for Semantic Segmentation (Mehta et al., 2018).

To label a pixel a network has to see far around it, and it sees far with dilated convolutions, at the full cost of its
width. The ESP module sees as far at a fraction of the cost: a pointwise convolution reduces the channels to a K-th, K
convolutions with the rates 1, 2, 4, … transform these few channels side by side, and their outputs together have the
full width again. Convolutions with large rates leave holes between their taps. Dilated residual networks fill them with
further layers; here every branch is added to the next one before all are concatenated, which needs no parameters.

Where the paper is silent, the networks are those of the training code that the authors released.
"""

from __future__ import annotations

from itertools import accumulate

import torch
from torch import Tensor, nn

from reproductions.layers import conv_bn

EPS = 1e-3


def esp_parameters(kernel: int, inputs: int, outputs: int, branches: int) -> int:
    """Weights of an ESP module: MN/K of the reduction and (nN)²/K of the pyramid, for n²MN of a convolution."""
    return (inputs * outputs + (kernel * outputs) ** 2) // branches


def esp_receptive_field(kernel: int, branches: int) -> int:
    """Side of what one output of an ESP module sees: that of the branch with the largest rate, 2^(K-1)."""
    return (kernel - 1) * 2 ** (branches - 1) + 1


def norm_prelu(channels: int) -> nn.Sequential:
    """Batch normalisation, and PReLU with a slope for each channel."""
    return nn.Sequential(nn.BatchNorm2d(channels, EPS), nn.PReLU(channels))


def hierarchical_fusion(maps: list[Tensor]) -> list[Tensor]:
    """Add to the map of each branch those of the branches before it, whose smaller rates fill its holes (HFF)."""
    return list(accumulate(maps))


class ESP(nn.Module):
    """Reduce, split, transform, merge: the efficient spatial pyramid of dilated convolutions (Figure 1).

    Shapes: (batch, inputs, height, width) to (batch, outputs, height, width), both sides halved where it is ``down``.

    Args:
        inputs: channels of the input.
        outputs: channels of the output. The branch with rate 1 takes what does not divide by the number of branches;
            as its width may differ from the others', it is no part of the sums.
        branches: the number K of branches.
        down: whether the reduction is a 3x3 convolution with stride 2 in the place of the pointwise one.
        fusion: whether the branches are added up; Figure 2 shows what is missing without.
    """

    def __init__(
        self, inputs: int, outputs: int, branches: int = 5, *, down: bool = False, fusion: bool = True
    ) -> None:
        super().__init__()
        width = outputs // branches
        if down:
            self.reduce = nn.Conv2d(inputs, width, 3, stride=2, padding=1, bias=False)
        else:
            self.reduce = nn.Conv2d(inputs, width, 1, bias=False)
        widths = [outputs - (branches - 1) * width] + (branches - 1) * [width]
        self.pyramid = nn.ModuleList(
            nn.Conv2d(width, channels, 3, padding=2**k, dilation=2**k, bias=False) for k, channels in enumerate(widths)
        )
        self.fusion = fusion
        self.residual = inputs == outputs and not down
        self.activate = norm_prelu(outputs)

    def merge(self, x: Tensor) -> Tensor:
        """All before the shortcut and the activation."""
        x = self.reduce(x)
        first, *others = (branch(x) for branch in self.pyramid)
        return torch.cat([first, *(hierarchical_fusion(others) if self.fusion else others)], 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.merge(x)
        return self.activate(x + y if self.residual else y)


class ESPNetC(nn.Module):
    """The encoder: (batch, 3, height, width) to (batch, classes, height / 8, width / 8) (Figure 4c).

    Maps are reinforced: with the image at their size, and at each level with what its first module gives.

    Args:
        classes: outputs for each pixel.
        alpha_2: ESP modules at a quarter of the resolution, besides the one that leads there.
        alpha_3: the same at an eighth.
    """

    def __init__(self, classes: int, alpha_2: int, alpha_3: int) -> None:
        super().__init__()
        self.halve = nn.AvgPool2d(3, stride=2, padding=1)
        self.level_1 = nn.Sequential(*conv_bn(3, 16, 3, stride=2, padding=1, eps=EPS), nn.PReLU(16))
        self.merge_1 = norm_prelu(16 + 3)
        self.down_2 = ESP(16 + 3, 64, down=True)
        self.level_2 = nn.Sequential(*(ESP(64, 64) for _ in range(alpha_2)))
        self.merge_2 = norm_prelu(64 + 64 + 3)
        self.down_3 = ESP(64 + 64 + 3, 128, down=True)
        self.level_3 = nn.Sequential(*(ESP(128, 128) for _ in range(alpha_3)))
        self.merge_3 = norm_prelu(128 + 128)
        self.classifier = nn.Conv2d(128 + 128, classes, 1, bias=False)

    def features(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Maps of 19, 131 and 256 channels at a half, a quarter and an eighth of the resolution."""
        half = self.halve(image)
        quarter = self.halve(half)
        first = self.merge_1(torch.cat([self.level_1(image), half], 1))
        down = self.down_2(first)
        second = self.merge_2(torch.cat([self.level_2(down), down, quarter], 1))
        down = self.down_3(second)
        third = self.merge_3(torch.cat([down, self.level_3(down)], 1))
        return first, second, third

    def forward(self, image: Tensor) -> Tensor:
        *_, third = self.features(image)
        return self.classifier(third)


def double(channels: int) -> nn.ConvTranspose2d:
    """Both sides of the map times two."""
    return nn.ConvTranspose2d(channels, channels, 2, stride=2, bias=False)


class ESPNet(nn.Module):
    """The encoder and a decoder as wide as there are classes: a score for each pixel of the image (Figure 4d).

    Twice it reduces a map of the encoder, upsamples what comes from below and merges the two.
    """

    def __init__(self, classes: int, alpha_2: int, alpha_3: int) -> None:
        super().__init__()
        self.encoder = ESPNetC(classes, alpha_2, alpha_3)
        self.up_3 = nn.Sequential(nn.BatchNorm2d(classes, EPS), double(classes))
        self.reduce_2 = nn.Conv2d(64 + 64 + 3, classes, 1, bias=False)
        self.merge_2 = nn.Sequential(norm_prelu(2 * classes), ESP(2 * classes, classes))
        self.up_2 = nn.Sequential(double(classes), norm_prelu(classes))
        self.merge_1 = nn.Sequential(
            *conv_bn(classes + 16 + 3, classes, 3, padding=1, eps=EPS),
            nn.PReLU(classes),
        )
        self.up_1 = double(classes)

    def forward(self, image: Tensor) -> Tensor:
        first, second, third = self.encoder.features(image)
        y = self.up_3(self.encoder.classifier(third))
        y = self.up_2(self.merge_2(torch.cat([self.reduce_2(second), y], 1)))
        return self.up_1(self.merge_1(torch.cat([y, first], 1)))


VARIANTS = {
    # network, ESP modules at the second and the third level
    "espnet-c": (ESPNetC, 2, 8),
    "espnet": (ESPNet, 2, 8),
    "espnet-c-p2q3": (ESPNetC, 2, 3),
    "espnet-p2q3": (ESPNet, 2, 3),
}


def build(variant: str = "espnet", *, classes: int = 20) -> ESPNetC | ESPNet:
    """Build a variant, by default for the 19 classes of Cityscapes and the background."""
    network, alpha_2, alpha_3 = VARIANTS[variant]
    return network(classes, alpha_2, alpha_3)
