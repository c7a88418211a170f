"""The errors that people make with mixed link networks, each made on purpose: a claim must turn red."""

from __future__ import annotations

import pytest
import torch

from reproductions.mixed_link_networks import MixLayer, build
from tests.reproductions.broken import red_claims

# An error, what is changed into what, and one claim that must notice. No peer is needed.
# fmt: off
ERRORS = {
    # Layers
    "added to the first channels": ("0 if fixed else inputs - k1", "0", "links"),
    "always added to the last": ("0 if fixed else inputs - k1", "inputs - k1", "fixed-inner-links"),
    "inner link replaces": ("x[:, self.start : end] + added", "added", "links"),
    "outer link sees the sum": ("self.outer(x)", "self.outer(torch.cat(parts, dim=1))", "links"),
    "outer link in front": ("parts.append(self.outer(x))", "parts.insert(0, self.outer(x))", "links"),
    "one link for both": ("self.outer = bottleneck(inputs, k2) if k2 else None",
                          "self.outer = self.inner if k2 else None", "parameters-mixnet-100-12-12"),
    "what follows the inner link lost": ("+ added, x[:, end:]]", "+ added]", "fixed-inner-links"),
    "bottlenecks of twice the outputs": (
        "convolution(inputs, 4 * outputs, 1), *convolution(4 * outputs,",
        "convolution(inputs, 2 * outputs, 1), *convolution(2 * outputs,", "parameters-mixnet-100-12-12"),
    "no bottlenecks": (
        "nn.Sequential(*convolution(inputs, 4 * outputs, 1), *convolution(4 * outputs, outputs, 3))",
        "convolution(inputs, outputs, 3)", "parameters-mixnet-100-12-12"),
    # Networks
    "transitions without room for an inner link": ("max(channels // 2, k1)", "channels // 2", "widths"),
    "transitions that keep all channels": ("max(channels // 2, k1)", "channels", "widths"),
    "stem of k2 channels": ("max(2 * k2, k1)", "max(k2, k1)", "widths"),
    "stem without room for an inner link": ("max(2 * k2, k1)", "2 * k2", "parameters-mixnet-100-12-0"),
    "channels grow by k1 + k2": ("        k2,\n        blocks", "        k1 + k2,\n        blocks", "widths"),
    "the networks of 105 layers deeper": ("(6, 12, 20, 12)", "(6, 12, 24, 16)", "feature-maps"),
}
# fmt: on


@pytest.mark.parametrize("error", ERRORS)
def test_errors_turn_a_claim_red(error: str) -> None:
    old, new, claim = ERRORS[error]
    assert claim in red_claims("mixed_link_networks", old, new, claims={claim})


def test_a_layer_without_links_is_the_identity() -> None:
    x = torch.randn(2, 6, 4, 4)
    assert torch.equal(MixLayer(6, 0, 0)(x), x)


def test_classes() -> None:
    with torch.device("meta"):
        assert build("mixnet-100-12-0", classes=100).eval()(torch.empty(1, 3, 32, 32)).shape == (1, 100)
