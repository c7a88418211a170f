"""The errors that people make with dual path networks, each made on purpose: a claim must turn red."""

from __future__ import annotations

import pytest
import torch

from reproductions.dual_path_networks import build
from tests.reproductions.broken import red_claims

OUTPUT = "[kept[:, : self.width] + new[:, : self.width], kept[:, self.width :], new[:, self.width :]]"

# An error, what is changed into what, and one claim that must notice. No peer is needed.
# fmt: off
ERRORS = {
    # Blocks
    "first blocks append one increment": ("width + 2 * increment, 1", "width, 1", "paths"),
    "first blocks project to one increment": ("width + 2 * increment, 1", "width + increment, 1", "paths"),
    "new channels in front of the old": (
        OUTPUT, "[kept[:, : self.width] + new[:, : self.width], new[:, self.width :], kept[:, self.width :]]",
        "paths"),
    "added at the end": (
        OUTPUT, "[kept[:, : -self.width], kept[:, -self.width :] + new[:, : self.width], new[:, self.width :]]",
        "paths"),
    "all appended": (OUTPUT, "[kept, new]", "paths"),
    "the residual path replaced": ("kept[:, : self.width] + new", "new", "blocks"),
    "stride in the 1x1": (
        "inputs, bottleneck, 1),\n            *bn_relu_conv(bottleneck, bottleneck, 3, stride=stride,",
        "inputs, bottleneck, 1, stride=stride),\n            *bn_relu_conv(bottleneck, bottleneck, 3,", "blocks"),
    "no groups": ("groups=groups", "groups=1", "parameters-dpn92"),
    "the usual constant of normalisation": ("module.eps = 1e-3", "module.eps = 1e-5", "normalisation"),
    # Networks
    "a 7x7 stem in DPN-68": ('small_stem(inputs) if variant == "dpn68"', 'imagenet_stem(inputs) if variant == "dpn68"',
                             "parameters-dpn68"),
    "the first stage halves the map": ("2 if number > 0 and position == 0", "2 if position == 0", "widths"),
    "no map halved": ("2 if number > 0 and position == 0", "2 if number > 4 and position == 0", "widths"),
    "256 residual channels in DPN-68": ('"dpn68": (10, 64,', '"dpn68": (10, 256,', "parameters-dpn68"),
    "increments of DPN-98 in DPN-92": ("(16, 32, 24, 128)", "(16, 32, 32, 128)", "widths"),
    "bottlenecks of one width": ("bottleneck * 2**number", "bottleneck", "parameters-dpn92"),
    "no normalisation in front of the classifier": (
        "nn.BatchNorm2d(inputs), nn.ReLU(), nn.Ada", "nn.ReLU(), nn.Ada", "parameters-dpn92"),
    # The recurrent view
    "steps read only the last": (
        "for t, state in enumerate(states))", "for t, state in list(enumerate(states))[-1:])",
        "shared-reads-are-residual"),
    "the sum forgotten": ("total = total + read(state)", "total = read(state)", "shared-reads-are-residual"),
    "reads confused": ("(reads(t, k)(state)", "(reads(k - 1 - t, k)(state)", "shared-reads-are-residual"),
    "all read alike": ("(reads(t, k)(state)", "(reads(t, 0)(state)", "shared-reads-are-residual"),
}
# fmt: on


@pytest.mark.parametrize("error", ERRORS)
def test_errors_turn_a_claim_red(error: str) -> None:
    old, new, claim = ERRORS[error]
    assert claim in red_claims("dual_path_networks", old, new, claims={claim})


def test_classes() -> None:
    with torch.device("meta"):
        assert build("dpn68", classes=7).eval()(torch.empty(1, 3, 64, 64)).shape == (1, 7)
