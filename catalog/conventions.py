"""Counting conventions. Most disputes about parameters and FLOPs are disputes about these.

The one place where a quantity and the ways of counting it are named and explained: :mod:`catalog.verify.structure` and
:mod:`catalog.verify.evaluate` count by them, records refer to them by name, and the site prints the explanations. Tools
count in more ways than papers do; :mod:`catalog.verify.counting` knows these, to say what a figure from elsewhere is.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["MEASURES", "Quantity"]


@dataclass(frozen=True, slots=True)
class Quantity:
    """Something that is counted on a network, and the conventions for counting it (the first is the usual one)."""

    meaning: str
    unit: str
    conventions: dict[str, str]
    of_weights: bool = False
    """Whether it takes trained weights and a data set, and so belongs to headline claims, and to these alone."""
    elsewhere: dict[str, str] = field(default_factory=dict)
    """Ways of counting that figures from elsewhere follow, and no claim here."""


_OF_IMAGES = {
    "original-labels": "every image of the set counts once, against the one label that the set gives it, not against "
    "labels that others gave it later; a share, so 79.0 % is 0.790",
}

_OF_TOOLS = {
    "with-biases": "convolutions and matrix products, and one for each number to which these add a bias",
    "torchinfo": "as torchinfo counts: convolutions and matrix products with biases, and one for each parameter of a "
    "normalisation",
    "fvcore": "as fvcore counts: convolutions and matrix products without biases, two for each number that is "
    "normalised and one for each that an adaptive pool averages",
    "thop": "as thop counts: convolutions and matrix products without biases, four for each number that is normalised, "
    "and the additions of average pools",
    "ptflops": "as ptflops counts: convolutions and matrix products with biases, two for each number that is "
    "normalised and one for each that a module of an activation or of a pool takes",
}


MEASURES: dict[str, Quantity] = {
    "parameters": Quantity(
        meaning="numbers that the network stores and learns",
        unit="numbers",
        conventions={
            "trainable": "everything that gradient descent changes: weights, biases, and the scale and shift of "
            "normalisation; not its moving averages",
            "with-buffers": "trainable parameters and the moving averages of normalisation, as Keras reports them",
            "weights": "kernels and matrices only: no biases, no scale and shift of normalisation",
        },
        elsewhere={
            "without-normalisation": "trainable parameters without the scale and shift of normalisation",
            "without-classifier": "trainable parameters without the last fully connected layer",
            "in-evaluation": "trainable parameters without those that only training uses, as in an auxiliary "
            "classifier",
        },
    ),
    "macs": Quantity(
        meaning="multiply-accumulates for one input",
        unit="multiply-accumulates",
        conventions={
            "convolutions-and-linear": "convolutions and matrix products, without biases, normalisation, activations, "
            "pooling and additions; what most papers call FLOPs",
            "convolutions": "convolutions alone, without the fully connected layers",
        },
        elsewhere=_OF_TOOLS,
    ),
    "flops": Quantity(
        meaning="floating-point operations for one input; a multiply-accumulate is two",
        unit="operations",
        conventions={
            "convolutions-and-linear": "twice the multiply-accumulates of convolutions and matrix products",
            "convolutions": "twice the multiply-accumulates of convolutions alone",
        },
        elsewhere={name: f"twice the multiply-accumulates: {meaning}" for name, meaning in _OF_TOOLS.items()},
    ),
    "layers": Quantity(
        meaning="layers with weights, wherever they stand in the network",
        unit="layers",
        conventions={
            "convolutions-and-linear": "convolutions and fully connected layers",
            "convolutions": "convolutions alone",
        },
    ),
    "shape": Quantity(
        meaning="size of the output for one input, without the batch",
        unit="numbers",
        conventions={"output": "channels first: [channels, height, width], or [classes]"},
    ),
    "top-1": Quantity("images whose class has the highest output", "share of the images", _OF_IMAGES, of_weights=True),
    "top-5": Quantity(
        "images whose class is among the five highest outputs", "share of the images", _OF_IMAGES, of_weights=True
    ),
    "top-1-error": Quantity(
        "images whose class has not the highest output", "share of the images", _OF_IMAGES, of_weights=True
    ),
    "top-5-error": Quantity(
        "images whose class is not among the five highest outputs", "share of the images", _OF_IMAGES, of_weights=True
    ),
}
