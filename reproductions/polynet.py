"""PolyNet: A Pursuit of Structural Diversity in Very Deep Networks (Zhang, Li, Loy, Lin, 2016).

Deeper networks gain less and less, and wider ones cost ever more. This paper goes a third way, and makes the units of a
network different in kind. With F for an Inception block and I for the shortcut, a unit of Inception-ResNet-v2 is I + F,
a polynomial of first order, and its paths can be read off. Polynomials of higher order have more of them: I + F + F²
uses the same block twice, I + F + GF and I + F + G a second one. A PolyNet is an Inception-ResNet-v2 with such units in
the place of its own; the very deep one mixes two kinds.

The very deep network is the one that the authors released, also where that differs from the paper.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from reproductions.inception_v1 import Concatenation
from reproductions.inception_v4 import (
    Inception,
    Towers,
    head,
    reduction_a,
    residual_reduction_b,
    stem,
    towers_a,
    towers_b,
    towers_c,
    width,
)
from reproductions.layers import conv_bn
from reproductions.stochastic_depth import survival

if TYPE_CHECKING:
    from collections.abc import Callable

# Section 3.1: what is added to the input; GF is F and then G.
POLYNOMIALS = {
    "ir": ("F",),
    "poly-2": ("F", "FF"),
    "mpoly-2": ("F", "GF"),
    "2-way": ("F", "G"),
    "poly-3": ("F", "FF", "FFF"),
    "mpoly-3": ("F", "GF", "HGF"),
    "3-way": ("F", "G", "H"),
}


class PolyInception(nn.Module):
    """relu(x + scale (sum of the terms)), with a ReLU between two blocks of a term.

    A term that continues another takes its value: x + F(x) + F(relu(F(x))) needs F twice, not three times (Figure 4).

    Args:
        kind: a key of ``POLYNOMIALS``.
        blocks: F, G and H, as many as there are in the polynomial.
        scale: the factor β of all terms (Section 4.2).
    """

    def __init__(self, kind: str, *blocks: nn.Module, scale: float) -> None:
        super().__init__()
        self.terms = POLYNOMIALS[kind]
        self.blocks = nn.ModuleDict(zip(sorted(set("".join(self.terms))), blocks, strict=True))
        self.scale = scale
        self.survival = 1.0
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        values: dict[str, Tensor] = {}
        y = x
        for term in self.terms:
            block, before = self.blocks[term[0]], term[1:]
            values[term] = block(self.relu(values[before]) if before else x)
            y = y + self.scale * self.gate() * values[term]
        return self.relu(y)

    def gate(self) -> float:
        """1 for a path that takes part in training, 0 for one that is dropped; in a test the probability of that."""
        if self.training and self.survival < 1:
            return float(torch.rand(()) < self.survival)
        return self.survival


def inception(channels: int, towers: Towers) -> nn.Sequential:
    """F: the branches of Inception-ResNet-v2, last first, and a linear 1x1 with normalisation instead of a bias."""
    return nn.Sequential(Concatenation(*reversed(towers)), *conv_bn(width(towers), channels, 1))


def block_a() -> nn.Sequential:
    """F for maps of 35x35."""
    return inception(384, towers_a(384, 48, 64))


def block_b() -> nn.Sequential:
    """F for maps of 17x17."""
    return inception(1152, towers_b(1152, 192, 160, 192))


def block_c() -> nn.Sequential:
    """F for maps of 8x8."""
    return inception(2048, towers_c(2048, 224, 256))


def poly_inception(kind: str, block: Callable[[], nn.Module], scale: float) -> PolyInception:
    """A unit of new blocks."""
    return PolyInception(kind, *(block() for _ in set("".join(POLYNOMIALS[kind]))), scale=scale)


def released_poly_3(block: Callable[[], nn.Sequential], scale: float) -> PolyInception:
    """The released unit of third order, in which the three blocks share the convolutions of their towers.

    Normalisation, and the last 1x1, each of them has for itself.
    """
    result = poly_inception("mpoly-3", block, scale)
    first, *others = result.blocks.values()
    for other in others:
        for tower, copy in zip(first[0].branches, other[0].branches, strict=True):
            for layer, same in zip(tower, copy, strict=True):
                same[0] = layer[0]
    return result


# --- Networks (Sections 3.2 and 4) -----------------------------------------------------------------------------------


def released_order(concatenation: Concatenation) -> Concatenation:
    """The branches from the last to the first, as they stand in the released network."""
    return Concatenation(*reversed(concatenation.branches))


def poly_net(a: nn.Module, b: nn.Module, c: nn.Module, classes: int) -> Inception:
    """(batch, 3, 331, 331) to (batch, classes): stages A, B and C in the scheme of Inception-ResNet-v2.

    Reduction-B has the widths of Inception-ResNet-v1, which lead to 2048 channels.
    """
    first = stem()
    first[-1] = released_order(first[-1])
    network = Inception(
        first,  # 384, 39
        a,
        released_order(reduction_a(384, 256, 256, 384, 384)),  # 1152, 19
        b,
        released_order(residual_reduction_b(1152, 256, 256, 256)),  # 2048, 9
        c,
        head(2048, classes),
    )
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1e-5
    return network


def very_deep_polynet(classes: int) -> Inception:
    """10-20-10 units: 2-way in stage A, third order and 2-way by turns in B and C; scales fall from 1 to 0.7."""
    scales = iter([round(1 - 0.3 * number / 39, 6) for number in range(40)])

    def mixed(block: Callable[[], nn.Sequential], pairs: int) -> nn.Sequential:
        stage = nn.Sequential()
        for _ in range(pairs):
            stage.append(released_poly_3(block, next(scales)))
            stage.append(poly_inception("2-way", block, next(scales)))
        return stage

    a = nn.Sequential(*(poly_inception("2-way", block_a, next(scales)) for _ in range(10)))
    return poly_net(a, mixed(block_b, 10), mixed(block_c, 5), classes)


def silence(block: nn.Sequential) -> nn.Sequential:
    """Let a new block give zeros, until its last normalisation has learnt another scale."""
    nn.init.zeros_(block[-1].weight)
    nn.init.zeros_(block[-1].bias)
    return block


def insert_paths(unit: PolyInception, kind: str, *blocks: nn.Sequential) -> PolyInception:
    """A unit of higher order around the blocks of a trained one: initialisation by insertion (Section 4.2).

    ``insert_paths(unit, "mpoly-2", block)`` makes I + F + GF of I + F, which at first gives what I + F gave.
    """
    return PolyInception(kind, *unit.blocks.values(), *map(silence, blocks), scale=unit.scale)


def interleave(stage: nn.Sequential, new: Callable[[], PolyInception]) -> nn.Sequential:
    """Twice as many units: a new one, which at first is the identity, behind each of a trained stage (Section 4.2)."""
    result = nn.Sequential()
    for unit in stage:
        result.extend([unit, addition := new()])
        for block in addition.blocks.values():
            silence(block)
    return result


def stochastic_paths(network: nn.Module, last: float, rule: str = "uniform") -> None:
    """Let every path of every unit be dropped by lot in training, as stochastic depth drops blocks (Section 4.2).

    Args:
        network: a network of such units.
        last: the probability with which a path of the last unit is not dropped.
        rule: how the probabilities get there, ``uniform`` or ``linear``.
    """
    units = [module for module in network.modules() if isinstance(module, PolyInception)]
    for number, module in enumerate(units, start=1):
        module.survival = survival(number, len(units), last, rule)


VARIANTS = {
    "polynet": (),
    # Section 3.2: kinds of the units in stages A, B and C
    "ir-3-6-3": (["ir"] * 3, ["ir"] * 6, ["ir"] * 3),
    "poly2-a": (["poly-2"] * 3, ["ir"] * 6, ["ir"] * 3),
    "poly2-b": (["ir"] * 3, ["poly-2"] * 6, ["ir"] * 3),
    "poly2-c": (["ir"] * 3, ["ir"] * 6, ["poly-2"] * 3),
    "mpoly2-a": (["mpoly-2"] * 3, ["ir"] * 6, ["ir"] * 3),
    "mpoly2-b": (["ir"] * 3, ["mpoly-2"] * 6, ["ir"] * 3),
    "mpoly2-c": (["ir"] * 3, ["ir"] * 6, ["mpoly-2"] * 3),
    "twoway-a": (["2-way"] * 3, ["ir"] * 6, ["ir"] * 3),
    "twoway-b": (["ir"] * 3, ["2-way"] * 6, ["ir"] * 3),
    "twoway-c": (["ir"] * 3, ["ir"] * 6, ["2-way"] * 3),
    "poly3-a": (["poly-3"] * 3, ["ir"] * 6, ["ir"] * 3),
    "poly3-b": (["ir"] * 3, ["poly-3"] * 6, ["ir"] * 3),
    "poly3-c": (["ir"] * 3, ["ir"] * 6, ["poly-3"] * 3),
    "mpoly3-a": (["mpoly-3"] * 3, ["ir"] * 6, ["ir"] * 3),
    "mpoly3-b": (["ir"] * 3, ["mpoly-3"] * 6, ["ir"] * 3),
    "mpoly3-c": (["ir"] * 3, ["ir"] * 6, ["mpoly-3"] * 3),
    "threeway-a": (["3-way"] * 3, ["ir"] * 6, ["ir"] * 3),
    "threeway-b": (["ir"] * 3, ["3-way"] * 6, ["ir"] * 3),
    "threeway-c": (["ir"] * 3, ["ir"] * 6, ["3-way"] * 3),
    "ir-6-12-6": (["ir"] * 6, ["ir"] * 12, ["ir"] * 6),
    "mixed-b": (["ir"] * 6, ["3-way", "mpoly-3", "poly-3"] * 4, ["ir"] * 6),
}


def build(variant: str = "polynet", *, classes: int = 1000) -> Inception:
    """Build a variant. The paper does not say how weights start; they start as torch starts them."""
    if variant == "polynet":
        return very_deep_polynet(classes)
    blocks = (block_a, block_b, block_c)
    a, b, c = (
        nn.Sequential(*(poly_inception(kind, block, scale=0.3) for kind in kinds))  # Section 4.2
        for kinds, block in zip(VARIANTS[variant], blocks, strict=True)
    )
    return poly_net(a, b, c, classes)
