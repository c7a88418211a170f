"""DRN: Dilated Residual Networks (Yu, Koltun, Funkhouser, 2017).

A ResNet ends in maps of 7 x 7, on which a small or thin thing has no place of its own, and a mean is taken of them
anyway. The paper takes the strides out of the last two stages and dilates what follows them, so that every layer sees
what it saw before, with the same weights: DRN-A, whose last maps are 28 x 28. They are good for more than one class for
the whole image, since without the mean every place has its scores; but they show a grid. Two taps 4 pixels apart pass a
single bright pixel on as a pattern of dots. So the max pool goes, which brings such pixels out, and layers with smaller
dilations come behind (DRN-B), which fill the grid once there are no shortcuts for it to pass them by (DRN-C).

DRN-D is not in the paper, but in the code that was released with it.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn
from torch.nn import functional as F

from reproductions import resnet
from reproductions.layers import conv_bn_relu
from reproductions.resnet import BasicBlock, Bottleneck, Part, ResNet, initialise


def dilate(convolution: nn.Conv2d, dilation: int) -> None:
    """Let the taps of a convolution lie this far apart, and let it keep the size of the map."""
    convolution.dilation = (dilation, dilation)
    convolution.padding = tuple(dilation * (side // 2) for side in convolution.kernel_size)


def convolutions(*modules: nn.Module) -> list[nn.Conv2d]:
    """All convolutions in some modules, in order."""
    return [layer for module in modules for layer in module.modules() if isinstance(layer, nn.Conv2d)]


# --- DRN-A -----------------------------------------------------------------------------------------------------------


def dilate_resnet(network: ResNet) -> ResNet:
    """Take the strides out of the last two stages of a ResNet, in place; it keeps its weights (Section 2).

    The layer that loses its stride sees what it saw, so it keeps the dilation of the layers before it. Its outputs lie
    twice as close as they did, so all layers behind it double theirs: 2 behind the first such layer, 4 behind the
    second.
    """
    dilation = 1
    for stage in network.stages[-2:]:
        for block in stage:
            for layer in convolutions(block.layers):
                dilate(layer, dilation)
                if layer.stride != (1, 1):
                    layer.stride = (1, 1)
                    dilation *= 2
            for layer in convolutions(block.shortcut):
                layer.stride = (1, 1)
    return network


def dense_class_map(network: nn.Sequential, x: Tensor) -> Tensor:
    """Scores of every place: the classifier as a 1x1 convolution, without the mean in front of it (Section 3).

    Shapes: (batch, 3, height, width) to (batch, classes, height / 8, width / 8), whose mean over places is what the
    network itself gives.
    """
    *parts, head = network
    classifier = head[-1]
    return F.conv2d(nn.Sequential(*parts)(x), classifier.weight[:, :, None, None], classifier.bias)


# --- Degridding: DRN-B and DRN-C -------------------------------------------------------------------------------------


def grid_coverage(dilations: list[int]) -> tuple[int, int]:
    """How many pixels of a line reach one output of stacked 3-tap layers, and over how many they are spread."""
    reached = {0}
    for dilation in dilations:
        reached = {place + step for place in reached for step in (-dilation, 0, dilation)}
    return len(reached), max(reached) - min(reached) + 1


# Figure 5: of the eight levels
STRIDES = (1, 2, 2, 2, 1, 1, 1, 1)
DILATIONS = (1, 1, 1, 1, 2, 4, 2, 1)


class DRN(nn.Sequential):
    """A 7x7 convolution, eight levels, mean and classifier: (batch, 3, height, width) to (batch, classes).

    Args:
        parts: builds a block of each level.
        widths: channels behind each level.
        blocks: how many blocks each level has.
        classes: outputs of the classifier.
    """

    def __init__(self, parts: tuple[Part, ...], widths: tuple[int, ...], blocks: tuple[int, ...], classes: int) -> None:
        super().__init__()
        inputs = widths[0]
        self.stem = conv_bn_relu(3, inputs, 7, padding=3)
        self.levels = nn.Sequential()
        for part, outputs, repeats, stride, dilation in zip(parts, widths, blocks, STRIDES, DILATIONS, strict=True):
            level = nn.Sequential()
            for number in range(repeats):
                level.append(part(inputs, outputs, stride if number == 0 else 1))
                inputs = outputs
            for layer in convolutions(level):
                dilate(layer, dilation)
            self.levels.append(level)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))
        initialise(self)


def single_layer(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """What stands in the place of a block in the outer levels of DRN-D: one 3x3 convolution."""
    return conv_bn_relu(inputs, outputs, 3, stride=stride, padding=1)


without_shortcut = partial(BasicBlock, shortcut=None)
bottleneck = partial(Bottleneck, stride_in_1x1=False)

# What levels 1 and 2 consist of, and levels 7 and 8
OUTER = {
    "B": (BasicBlock, BasicBlock),
    "C": (BasicBlock, without_shortcut),
    "D": (single_layer, single_layer),
}

VARIANTS = {
    "drn-a-18": ("A", "resnet18", None),
    "drn-a-34": ("A", "resnet34", None),
    "drn-a-50": ("A", "resnet50", None),
    # Block of levels 3 to 6, blocks in each level
    "drn-b-26": ("B", BasicBlock, (1, 1, 2, 2, 2, 2, 1, 1)),
    "drn-c-26": ("C", BasicBlock, (1, 1, 2, 2, 2, 2, 1, 1)),
    "drn-c-42": ("C", BasicBlock, (1, 1, 3, 4, 6, 3, 1, 1)),
    "drn-c-58": ("C", bottleneck, (1, 1, 3, 4, 6, 3, 1, 1)),
    # Not in the paper
    "drn-d-22": ("D", BasicBlock, (1, 1, 2, 2, 2, 2, 1, 1)),
    "drn-d-38": ("D", BasicBlock, (1, 1, 3, 4, 6, 3, 1, 1)),
    "drn-d-54": ("D", bottleneck, (1, 1, 3, 4, 6, 3, 1, 1)),
    "drn-d-105": ("D", bottleneck, (1, 1, 3, 4, 23, 3, 1, 1)),
}


def build(variant: str = "drn-c-26", *, classes: int = 1000) -> ResNet | DRN:
    """Build a variant, initialised as ResNet is. Bottlenecks take their stride, where they have one, in the 3x3."""
    kind, block, blocks = VARIANTS[variant]
    if kind == "A":
        return dilate_resnet(resnet.build(block, classes=classes, stride_in_1x1=False))
    first, last = OUTER[kind]
    inner = (64, 128, 256, 512) if block is BasicBlock else (256, 512, 1024, 2048)
    return DRN((first,) * 2 + (block,) * 4 + (last,) * 2, (16, 32, *inner, 512, 512), blocks, classes)
