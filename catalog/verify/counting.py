"""Which way of counting makes a figure: parameters and multiply-accumulates of one network, counted in every way.

The conventions are those of :mod:`catalog.conventions`, of claims and from elsewhere. The counts of the tools have been
held against what these print (fvcore 0.1.5, ptflops 0.7, thop 0.1.1, torchinfo 1.8) for ResNet-50.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from catalog.conventions import MEASURES
from catalog.verify.functions import GROUP
from catalog.verify.structure import parameters

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import nn

    from catalog.figures import Figure
    from catalog.verify.trace import Step, Trace

__all__ = ["COUNTED", "Count", "counts", "that_make"]

COUNTED = ("parameters", "macs", "flops")
"""Quantities that are counted in several ways."""


@dataclass(frozen=True, slots=True)
class Count:
    """A quantity, counted in one way."""

    quantity: str
    convention: str
    value: int

    @property
    def meaning(self) -> str:
        """What the convention counts."""
        quantity = MEASURES[self.quantity]
        return (quantity.conventions | quantity.elsewhere)[self.convention]


def counts(network: nn.Module, run: Trace) -> list[Count]:
    """Count a network in every way, the usual ones first.

    Args:
        network: the network.
        run: what it did to one input, with multiply-accumulates.
    """
    steps = run.steps
    found = {name: parameters(network, name) for name in MEASURES["parameters"].conventions}
    scales = [step.parameters for step in steps if GROUP.get(step.kind) == "normalisation"]
    layers = [steps[number].parameters for number in run.order if GROUP.get(steps[number].kind) == "weights"]
    found |= {
        "without-normalisation": found["trainable"] - sum(scales),
        "without-classifier": found["trainable"] - sum(layers[-1:]),
        "in-evaluation": found["trainable"] - sum(run.uncalled.values()),
    }
    result = [Count("parameters", name, value) for name, value in found.items()]
    operations = _operations(steps)
    for quantity, factor in (("macs", 1), ("flops", 2)):
        result += [Count(quantity, name, factor * value) for name, value in operations.items()]
    return result


def _operations(steps: Sequence[Step]) -> dict[str, int]:
    """Multiply-accumulates, by convention."""

    def of(group: str) -> list[Step]:
        return [step for step in steps if GROUP.get(step.kind) == group]

    def given(step: Step) -> int:
        return math.prod(step.shape)

    total = sum(step.macs for step in steps)
    biases = sum(given(step) for step in of("weights") if step.settings["bias"])
    norms, pools = of("normalisation"), of("pool")
    scales = sum(step.parameters for step in norms)
    normalised = sum(given(step) * (2 if step.settings.get("scale and shift") else 1) for step in norms)
    adaptive = [step for step in pools if step.function.startswith("adaptive_avg")]
    averages = [step for step in pools if step.is_layer and "avg" in step.function]
    return {
        "convolutions-and-linear": total,
        "convolutions": sum(step.macs for step in of("weights") if step.kind != "Linear"),
        "with-biases": total + biases,
        "torchinfo": total + biases + scales,
        "fvcore": total + normalised + sum(step.taken for step in adaptive),
        "thop": total
        + 2 * normalised
        + sum(given(step) + (step.taken if step in adaptive else 0) for step in averages),
        "ptflops": total + biases + normalised + sum(step.taken for step in of("activation") + pools if step.is_layer),
    }


def that_make(figure: Figure, quantity: str, counted: Iterable[Count]) -> list[Count]:
    """The counts that round to a figure, those of the quantity itself first; of equal ones the most usual."""
    # Multiply-accumulates are often called floating-point operations, and the other way round: each may be meant.
    wanted = [quantity] if quantity == "parameters" else [quantity, *({"macs", "flops"} - {quantity})]
    found: dict[tuple[str, int], Count] = {}
    for count in counted:
        if count.quantity in wanted and figure.admits(count.value):
            found.setdefault((count.quantity, count.value), count)
    return sorted(found.values(), key=lambda count: wanted.index(count.quantity))
