"""HRNet: Deep High-Resolution Representation Learning for Visual Recognition (Wang, Sun, Cheng, … and Xiao, 2019).

Networks for classification halve their maps stage by stage, and whoever wants to know where something is has to win the
resolution back from the small maps: hourglass, SegNet and U-Net do. HRNet never gives it up. A stream of high
resolution runs from the stem to the end; each stage adds one of half the resolution beside the others, and at the end
of every module all streams exchange what they have. What is done with them at last depends on the task: keypoints are
read from the finest stream (V1), segments from all four together (V2), objects from a pyramid made of these (V2p).

The paper upsamples and then matches the channels; here, as in the networks that the authors released, a 1x1 convolution
does so first, where it is cheap.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reproductions.layers import conv_bn, conv_bn_relu
from reproductions.resnet import BasicBlock, Bottleneck

if TYPE_CHECKING:
    from collections.abc import Sequence

Streams = list[Tensor]
"""Maps of the same image, the finest first; each has half the sides and twice the channels of the one before."""


class Transition(nn.Module):
    """Adds a stream, made of the coarsest one; the others pass, through a 3x3 convolution if their width changes."""

    def __init__(self, before: Sequence[int], widths: Sequence[int]) -> None:
        super().__init__()
        self.kept = nn.ModuleList(
            nn.Identity() if inputs == outputs else conv_bn_relu(inputs, outputs, 3, padding=1)
            for inputs, outputs in zip(before, widths, strict=False)
        )
        self.new = conv_bn_relu(before[-1], widths[-1], 3, stride=2, padding=1)

    def forward(self, streams: Streams) -> Streams:
        return [layer(x) for layer, x in zip(self.kept, streams, strict=True)] + [self.new(streams[-1])]


class ExchangeUnit(nn.Module):
    """Every stream becomes the sum of all, each brought to its resolution and width, and a ReLU (Figure 3).

    Args:
        widths: channels of the streams.
        outputs: how many streams, from the finest on, go out.
        upsampling: nearest or bilinear.
    """

    def __init__(self, widths: Sequence[int], outputs: int, upsampling: str) -> None:
        super().__init__()

        def path(source: int, target: int) -> nn.Module:
            inputs, width, steps = widths[source], widths[target], abs(target - source)
            if source == target:
                return nn.Identity()
            if source > target:
                return conv_bn(inputs, width, 1).append(nn.Upsample(scale_factor=2**steps, mode=upsampling))
            halvings = (conv_bn_relu(inputs, inputs, 3, stride=2, padding=1) for _ in range(steps - 1))
            return nn.Sequential(*halvings, conv_bn(inputs, width, 3, stride=2, padding=1))

        self.paths = nn.ModuleList(
            nn.ModuleList(path(source, target) for source in range(len(widths))) for target in range(outputs)
        )

    def forward(self, streams: Streams) -> Streams:
        return [F.relu(sum(path(x) for path, x in zip(paths, streams, strict=True))) for paths in self.paths]


class HRModule(nn.Module):
    """Residual blocks in each stream, in parallel, and an exchange unit behind them (Section 3.2)."""

    def __init__(
        self,
        widths: Sequence[int],
        *,
        blocks_per_branch: int = 4,
        outputs: int | None = None,
        upsampling: str = "nearest",
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*(BasicBlock(width, width, 1) for _ in range(blocks_per_branch))) for width in widths
        )
        self.exchange = ExchangeUnit(widths, outputs or len(widths), upsampling)

    def forward(self, streams: Streams) -> Streams:
        return self.exchange([branch(x) for branch, x in zip(self.branches, streams, strict=True)])


def at_the_finest(streams: Streams) -> Tensor:
    """The streams upsampled to the finest and concatenated: C + 2C + 4C + 8C = 15C channels (Section 3.3)."""
    size = streams[0].shape[2:]
    return torch.cat([F.interpolate(x, size=size, mode="bilinear") for x in streams], dim=1)


class V1(nn.Module):
    """Only the finest stream goes out (Figure 4a); a 1x1 convolution makes one heatmap of it for each keypoint."""

    def __init__(self, widths: Sequence[int], keypoints: int) -> None:
        super().__init__()
        self.heatmaps = nn.Conv2d(widths[0], keypoints, 1)

    def forward(self, streams: Streams) -> Tensor:
        return self.heatmaps(streams[0])


class V2(nn.Module):
    """A 1x1 convolution mixes all four streams (Figure 4b), and another gives the scores of each pixel."""

    def __init__(self, widths: Sequence[int], classes: int) -> None:
        super().__init__()
        total = sum(widths)
        self.mix = nn.Sequential(nn.Conv2d(total, total, 1), nn.BatchNorm2d(total), nn.ReLU())
        self.classifier = nn.Conv2d(total, classes, 1)

    def forward(self, streams: Streams) -> Tensor:
        return self.classifier(self.mix(at_the_finest(streams)))


class V2p(nn.Module):
    """A pyramid for detectors: what V2 mixes, averaged over squares of 1, 2, 4 and more pixels (Figure 4c)."""

    def __init__(self, widths: Sequence[int], *, levels: int = 5, channels: int = 256) -> None:
        super().__init__()
        self.mix = nn.Conv2d(sum(widths), channels, 1)
        self.levels = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(levels))

    def forward(self, streams: Streams) -> list[Tensor]:
        x = self.mix(at_the_finest(streams))
        return [convolution(F.avg_pool2d(x, 2**level)) for level, convolution in enumerate(self.levels)]


class Classification(nn.Module):
    """Widens the streams, adds each to the next by a strided convolution, and classifies the coarsest."""

    def __init__(self, widths: Sequence[int], classes: int) -> None:
        super().__init__()
        wider = (128, 256, 512, 1024)
        self.widen = nn.ModuleList(Bottleneck(*both, 1) for both in zip(widths, wider, strict=True))
        self.down = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, 2 * width, 3, 2, 1), nn.BatchNorm2d(2 * width), nn.ReLU())
            for width in wider[:-1]
        )
        self.last = nn.Sequential(nn.Conv2d(wider[-1], 2048, 1), nn.BatchNorm2d(2048), nn.ReLU())
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(2048, classes)

    def forward(self, streams: Streams) -> Tensor:
        y, *coarser = (widen(x) for widen, x in zip(self.widen, streams, strict=True))
        for x, down in zip(coarser, self.down, strict=True):
            y = x + down(y)
        return self.classifier(self.pool(self.last(y)).flatten(1))


class HRNet(nn.Module):
    """Stem, four stages of streams with C, 2C, 4C and 8C channels, and a head (Figure 2).

    Shapes: (batch, 3, height, width), multiples of 32, to what the head gives.
    """

    def __init__(self, width: int, head: nn.Module, *, outputs: int, upsampling: str) -> None:
        super().__init__()
        widths = _widths(width)
        self.stem = nn.Sequential(
            conv_bn_relu(3, 64, 3, stride=2, padding=1), conv_bn_relu(64, 64, 3, stride=2, padding=1)
        )
        self.stage1 = nn.Sequential(Bottleneck(64, 256, 1), *(Bottleneck(256, 256, 1) for _ in range(3)))
        module = partial(HRModule, upsampling=upsampling)
        self.stage2 = nn.Sequential(Transition((256,), widths[:2]), module(widths[:2]))
        self.stage3 = nn.Sequential(Transition(widths[:2], widths[:3]), *(module(widths[:3]) for _ in range(4)))
        self.stage4 = nn.Sequential(
            Transition(widths[:3], widths), module(widths), module(widths), module(widths, outputs=outputs)
        )
        self.head = head

    def streams(self, x: Tensor) -> Streams:
        """What goes into the head."""
        return self.stage4(self.stage3(self.stage2([self.stage1(self.stem(x))])))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.streams(x))


def _widths(width: int) -> tuple[int, ...]:
    return tuple(width * 2**resolution for resolution in range(4))


TASKS = {  # head, what it is asked for, streams out of the last module, upsampling in exchange units
    "classification": (Classification, 1000, 4, "nearest"),
    "pose": (V1, 17, 1, "nearest"),  # keypoints of COCO
    "segmentation": (V2, 19, 4, "bilinear"),  # classes of Cityscapes
}

VARIANTS = {  # task, width C of the finest stream
    "hrnet-w18": ("classification", 18),
    "hrnet-w30": ("classification", 30),
    "hrnet-w32": ("classification", 32),
    "hrnet-w40": ("classification", 40),
    "hrnet-w44": ("classification", 44),
    "hrnet-w48": ("classification", 48),
    "hrnet-w64": ("classification", 64),
    "pose-w32": ("pose", 32),
    "pose-w48": ("pose", 48),
    "seg-w18": ("segmentation", 18),
    "seg-w40": ("segmentation", 40),
    "seg-w48": ("segmentation", 48),
}


def build(variant: str = "hrnet-w18", *, classes: int | None = None) -> HRNet:
    """Build a variant, initialised as torch does it.

    Args:
        variant: a key of ``VARIANTS``.
        classes: scores or heatmaps: 1000 classes, 17 keypoints or 19 classes of pixels, if omitted.
    """
    task, width = VARIANTS[variant]
    head, usual, outputs, upsampling = TASKS[task]
    return HRNet(width, head(_widths(width), classes or usual), outputs=outputs, upsampling=upsampling)
