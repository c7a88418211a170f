"""LeNet-5: Gradient-Based Learning Applied to Document Recognition (LeCun, Bottou, Bengio, Haffner, 1998).

A network that learns its own features reads digits better than a classifier behind features made by hand. A unit sees a
small neighbourhood, the units of a map share their weights, and maps shrink on the way, which forgets where exactly a
feature was. The network of 1989 shrank by a stride inside its convolutions; here subsampling is a layer with weights of
its own. A table keeps the maps of the third layer different from each other, and the last layer compares what it is
given with a drawing of each character. Layers are called as in the paper: Cx convolves, Sx subsamples, Fx connects all.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reproductions.lecun1989 import uniform_by_fan_in_


class ScaledTanh(nn.Module):
    """The squashing function f(a) = A tanh(S a) (Equation 6): f(1) = 1 and f(-1) = -1, where it also bends most."""

    def forward(self, a: Tensor) -> Tensor:
        return 1.7159 * torch.tanh(2 / 3 * a)  # Appendix A


class Subsample(nn.Module):
    """The sum of a 2x2 block, times a coefficient, plus a bias, squashed; each map has one coefficient and one bias.

    With a small coefficient it blurs; with a large one it is an OR or an AND of the block, as the bias decides.
    Shapes: (batch, maps, height, width) to (batch, maps, height / 2, width / 2).
    """

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.coefficient = nn.Parameter(torch.ones(maps, 1, 1))
        self.bias = nn.Parameter(torch.zeros(maps, 1, 1))
        self.squash = ScaledTanh()

    def forward(self, x: Tensor) -> Tensor:
        total = F.avg_pool2d(x, 2, divisor_override=1)
        return self.squash(self.coefficient * total + self.bias)


class TableConv(nn.Module):
    """A 5x5 convolution in which a table says which input maps each output map reads.

    Maps that are given different inputs have to look for different features.
    Shapes: (batch, input maps, height, width) to (batch, len(table), height - 4, width - 4).
    """

    def __init__(self, table: tuple[tuple[int, ...], ...]) -> None:
        super().__init__()
        self.table = table
        self.maps = nn.ModuleList(nn.Conv2d(len(inputs), 1, 5) for inputs in table)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([conv(x[:, list(inputs)]) for conv, inputs in zip(self.maps, self.table, strict=True)], dim=1)


class RBFOutput(nn.Module):
    """Penalties y_i = sum_j (x_j - w_ij)^2 (Equation 7): the smaller y_i, the better x fits class i.

    Shapes: (batch, 84) to (batch, classes). The centres w, (classes, 84), are fixed.
    """

    def __init__(self, centres: Tensor) -> None:
        super().__init__()
        self.register_buffer("centres", centres)

    def forward(self, x: Tensor) -> Tensor:
        return (x[:, None] - self.centres).square().sum(dim=2)


def map_loss(y: Tensor, target: Tensor, j: float) -> Tensor:
    """The discriminative criterion y_target + log(exp(-j) + sum_i exp(-y_i)), averaged over the batch (Equation 9).

    It pulls the penalty of the right class down and pushes the others up, but no longer those far above j, which is the
    penalty of a class "rubbish" besides the others. The paper does not say which j it used.
    Shapes: y (batch, classes), target (batch,).
    """
    rubbish = torch.full_like(y[:, :1], j)
    competition = torch.logsumexp(-torch.cat([rubbish, y], dim=1), dim=1)
    return (y.gather(1, target[:, None]).squeeze(1) + competition).mean()


# fmt: off
C3_TABLE = (  # Table I: the S2 maps that each C3 map reads
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5),  # all three neighbours, counted in a circle
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5),  # all four neighbours
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5),  # some four that are not
    (0, 1, 2, 3, 4, 5),
)
LENET1_TABLE = (  # Table 1 of the paper of 1990
    (0,), (0, 1), (0, 1), (1,), (0, 1), (0, 1),
    (2,), (2, 3), (2, 3), (3,), (2, 3), (2, 3),
)
# fmt: on

DIGITS = """
.#####. ...##.. .#####. ####### .#####. .#####. ..####. ####### .#####. .#####.
....... ..###.. ....... .....## ....... ....... .##.... .....## ##...## ##..###
..###.. .####.. .#####. ....##. ....... ####### ##..... .....## ##...## ##...##
.##.##. ...##.. ##...## ...##.. .##..## ##..... ##..... ....##. ##...## ##...##
##...## ...##.. #....## ..####. .##..## ##..... ######. ...##.. .#####. ##..###
##...## ...##.. ....##. .....## ###..## .####.. ###..## ...##.. ##...## .######
##...## ...##.. ..###.. .....## ##...## ..####. ##...## ..##... ##...## .....##
##...## ...##.. .##.... .....## ##...## .....## ##...## ..##... ##...## .....##
.##.##. ...##.. ##..... ##...## ##..### ##...## ###..## ..##... ##...## ....##.
..###.. .###### ####### .#####. .###### .#####. .#####. ..##... .#####. .####..
....... ....... ....... ....... .....## ....... ....... ....... ....... .......
....... ....... ....... ....... .....## ....... ....... ....... ....... .......
"""  # Figure 3, the bitmaps of 0 to 9


def centres(classes: int) -> Tensor:
    """(classes, 84) of ±1: the bitmaps of the ten digits; any other number of them at random, as the paper allows."""
    if classes != 10:
        return torch.randint(2, (classes, 84)) * 2.0 - 1.0
    rows = [row.split() for row in DIGITS.split("\n") if row]
    return torch.tensor([[1.0 if dot == "#" else -1.0 for row in rows for dot in row[digit]] for digit in range(10)])


def initialise(network: nn.Module) -> None:
    """Weights uniform in ±2.4 / F, where F is the number of inputs of the unit that they belong to (Appendix A)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            uniform_by_fan_in_(module.weight[0].numel(), *module.parameters())
        elif isinstance(module, Subsample):
            uniform_by_fan_in_(4, *module.parameters())


class LeNet5(nn.Sequential):
    """(batch, 1, 32, 32), background -0.1 and ink 1.175, to (batch, classes) penalties (Figure 2, Section II-B)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.c1 = nn.Sequential(nn.Conv2d(1, 6, 5), ScaledTanh())  # 6, 28, 28
        self.s2 = Subsample(6)  # 6, 14, 14
        self.c3 = nn.Sequential(TableConv(C3_TABLE), ScaledTanh())  # 16, 10, 10
        self.s4 = Subsample(16)  # 16, 5, 5
        self.c5 = nn.Sequential(nn.Conv2d(16, 120, 5), ScaledTanh())  # 120, 1, 1: larger where the image is
        self.f6 = nn.Sequential(nn.Flatten(), nn.Linear(120, 84), ScaledTanh())  # 84 = 7 x 12, the size of a bitmap
        self.output = RBFOutput(centres(classes))
        initialise(self)

    def classify(self, x: Tensor) -> Tensor:
        """The class of each image, (batch,): the one with the smallest penalty."""
        return self(x).argmin(dim=1)


class LeNet1(nn.Sequential):
    """(batch, 1, 28, 28) to (batch, classes) activities: the network of 1990, which Section III-C compares."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.c1 = nn.Sequential(nn.Conv2d(1, 4, 5), ScaledTanh())  # 4, 24, 24
        self.s2 = Subsample(4)  # 4, 12, 12
        self.c3 = nn.Sequential(TableConv(LENET1_TABLE), ScaledTanh())  # 12, 8, 8
        self.s4 = Subsample(12)  # 12, 4, 4
        self.output = nn.Sequential(nn.Flatten(), nn.Linear(192, classes), ScaledTanh())
        initialise(self)

    def classify(self, x: Tensor) -> Tensor:
        """The class of each image, (batch,): the unit that is most active."""
        return self(x).argmax(dim=1)


VARIANTS = {"lenet5": LeNet5, "lenet1": LeNet1}


def build(variant: str = "lenet5", *, classes: int = 10) -> LeNet5 | LeNet1:
    """Build a variant, with weights as they start before training."""
    return VARIANTS[variant](classes)
