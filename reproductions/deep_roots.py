"""Deep Roots: Improving CNN Efficiency with Hierarchical Filter Groups (Ioannou, Robertson, Cipolla, Criminisi, 2016).

AlexNet split some of its layers into two filter groups, because it had to be split over two GPUs, and lost nothing by
it: a filter need not see every channel below. Here groups are put in on purpose, in networks that are trained from
scratch, and wherever the filters of a spatial convolution are in groups a 1x1 convolution over all channels follows, so
that what it gives are full-depth filters again, combined from a basis. Parts are found early and put together late:
there are many groups in the first layers and ever fewer in the later ones, as a root has branches. The reverse is a
tree, and the same number of groups everywhere a column.

Only spatial convolutions are grouped; the first layer and all 1x1 convolutions stay as they were. Where the paper is
silent about the Network in Network, on the border of its pools, the maps are halved exactly.
"""

from __future__ import annotations

from torch import Tensor, nn

from reproductions import resnet


def convolution(inputs: int, outputs: int, kernel: int, groups: int = 1) -> nn.Sequential:
    """A convolution with a bias that keeps the size of the map, batch normalisation and a ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups), nn.BatchNorm2d(outputs), nn.ReLU()
    )


class RootModule(nn.Sequential):
    """A spatial convolution whose filters are in groups, and a 1x1 convolution that combines them all (Section 3).

    Shapes: (batch, inputs, height, width) to (batch, outputs, height, width).

    Args:
        inputs: channels of the input.
        filters: of the spatial convolution, in all groups together.
        outputs: channels of the output.
        kernel: side of the spatial filters.
        groups: each sees as large a share of the input's channels; one is an ordinary convolution.
    """

    def __init__(self, inputs: int, filters: int, outputs: int, kernel: int, groups: int) -> None:
        super().__init__(*convolution(inputs, filters, kernel, groups), *convolution(filters, outputs, 1))


def initialise(network: nn.Module) -> None:
    """Draw weights with variance 2 / fan-in, where fan-in counts the channels of a filter's own group; no biases."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


class NIN(nn.Module):
    """Network in Network with root modules: (batch, 3, 32, 32) to (batch, classes) (Table 1).

    Args:
        groups: of conv2a and of conv3a.
        classes: outputs.
    """

    def __init__(self, groups: tuple[int, int], classes: int) -> None:
        super().__init__()
        second, third = groups
        self.conv1 = nn.Sequential(RootModule(3, 192, 160, 5, 1), convolution(160, 96, 1))  # 96, 32, 32
        self.conv2 = nn.Sequential(RootModule(96, 192, 192, 5, second), convolution(192, 192, 1))  # 192, 16, 16
        self.conv3 = nn.Sequential(RootModule(192, 192, 192, 3, third), convolution(192, classes, 1))  # classes, 8, 8
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv2(self.pool(self.conv1(x)))
        return self.conv3(self.pool(x)).mean((2, 3))


def root_resnet50(groups: tuple[int, int, int, int], classes: int) -> resnet.ResNet:
    """ResNet-50 with these groups in the 3x3 convolutions of each stage; the 1x1 behind each is there (Table 3).

    As the network whose layers the paper counts, the first convolution has a bias.
    """
    network = resnet.build("resnet50", classes=classes)
    network.stem[0] = nn.Conv2d(3, 64, 7, stride=2, padding=3)
    for stage, number in zip(network.stages, groups, strict=True):
        for block in stage:
            width = block.layers[3].out_channels
            block.layers[3] = nn.Conv2d(width, width, 3, padding=1, groups=number, bias=False)
    initialise(network)
    return network


VARIANTS = {
    # Table 1 and Section 4.3: groups of conv2a and conv3a
    "nin-orig": (1, 1),
    "nin-root2": (2, 1),
    "nin-root4": (4, 2),
    "nin-root8": (8, 4),
    "nin-root16": (16, 8),
    "nin-tree2": (2, 4),
    "nin-tree4": (4, 8),
    "nin-tree8": (8, 16),
    "nin-tree16": (16, 32),
    "nin-col2": (2, 2),
    "nin-col4": (4, 4),
    "nin-col8": (8, 8),
    "nin-col16": (16, 16),
    # Table 3: groups of the 3x3 convolutions in res2, res3, res4 and res5
    "resnet50-orig": (1, 1, 1, 1),
    "resnet50-root2": (2, 1, 1, 1),
    "resnet50-root4": (4, 2, 1, 1),
    "resnet50-root8": (8, 4, 2, 1),
    "resnet50-root16": (16, 8, 4, 2),
    "resnet50-root32": (32, 16, 8, 4),
    "resnet50-root64": (64, 32, 16, 8),
}


def build(variant: str = "nin-root8", *, classes: int | None = None) -> nn.Module:
    """Build a variant, initialised as the paper says.

    Args:
        variant: a key of ``VARIANTS``.
        classes: outputs: 10, or 1000 for ResNet-50, if omitted.
    """
    groups = VARIANTS[variant]
    if variant.startswith("nin"):
        return NIN(groups, classes or 10)
    return root_resnet50(groups, classes or 1000)
