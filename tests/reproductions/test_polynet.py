"""The errors that people make with PolyNet, each made on purpose: a claim must turn red."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from catalog import Library
from catalog.records import Status
from catalog.verify.runner import verify
from reproductions import build, variants
from reproductions.polynet import POLYNOMIALS, PolyInception, interleave, poly_inception, stochastic_paths
from tests.reproductions.broken import CHEAP, broken, red_claims

VALUE = "block(self.relu(values[before]) if before else x)"

# An error, what is changed into what, and one claim that must notice. No peer is needed.
# fmt: off
ERRORS = {
    # Units
    "another F in poly-2": ('"poly-2": ("F", "FF")', '"poly-2": ("F", "GF")', "cost-of-units"),
    "the same F in mpoly-2": ('"mpoly-2": ("F", "GF")', '"mpoly-2": ("F", "FF")', "polynomials"),
    "G before F": ('("F", "GF")', '("F", "FG")', "polynomials"),
    "F dropped": ('"mpoly-3": ("F", "GF", "HGF")', '"mpoly-3": ("GF", "HGF")', "polynomials"),
    "2-way one after the other": ('"2-way": ("F", "G")', '"2-way": ("F", "GF")', "polynomials"),
    "no ReLU between blocks": (VALUE, "block(values[before] if before else x)", "polynomials"),
    "ReLU behind every block": (VALUE, f"self.relu({VALUE})", "polynomials"),
    "input added between blocks": (VALUE, "block(self.relu(x + values[before]) if before else x)", "polynomials"),
    "the chain is scaled": (VALUE, "block(self.relu(self.scale * values[before]) if before else x)", "polynomials"),
    "no ReLU behind the sum": ("return self.relu(y)", "return y", "polynomials"),
    "no scale": ("y + self.scale * self.gate()", "y + self.gate()", "polynomials"),
    "nothing taken over": (
        VALUE, "block(self.relu(self.blocks[before[-1]](x)) if before else x)", "cascade"),
    # Blocks
    "expansion with bias and without normalisation": (
        "*conv_bn(width(towers), channels, 1)", "nn.Conv2d(width(towers), channels, 1), nn.Identity()", "blocks"),
    "narrower tower": ("towers_a(384, 48, 64)", "towers_a(384, 32, 32)", "blocks"),
    "ε of Inception-ResNet": ("module.eps = 1e-5", "module.eps = 1e-3", "normalisation"),
    # The released network
    "pure unit of third order": (
        'result = poly_inception("mpoly-3", block, scale)', 'return poly_inception("poly-3", block, scale)', "sharing"),
    "nothing shared": ("same[0] = layer[0]", "pass", "sharing"),
    "all of a layer shared": ("same[0] = layer[0]", "same[0], same[1] = layer[0], layer[1]", "sharing"),
    "3-way for third order": (
        'result = poly_inception("mpoly-3", block, scale)', 'result = poly_inception("3-way", block, scale)', "units"),
    "2-way units first": (
        "stage.append(released_poly_3(block, next(scales)))\n            stage.append("
        'poly_inception("2-way", block, next(scales)))',
        'stage.append(poly_inception("2-way", block, next(scales)))\n            stage.append('
        "released_poly_3(block, next(scales)))", "units"),
    "10-20-10 read as pairs": ("mixed(block_c, 5)", "mixed(block_c, 10)", "units"),
    "scales to 0.7 within 40 steps": ("0.3 * number / 39", "0.3 * number / 40", "scales"),
    "scales not rounded": ("round(1 - 0.3 * number / 39, 6)", "1 - 0.3 * number / 39", "scales"),
    "Reduction-B of Inception-ResNet-v2": (
        "residual_reduction_b(1152, 256, 256, 256)", "residual_reduction_b(1152, 288, 288, 320)", "parameters"),
    # The ablation
    "another β": ("scale=0.3)", "scale=0.1)", "scales"),
    "units in another stage": (
        '"mpoly2-b": (["ir"] * 3, ["mpoly-2"] * 6', '"mpoly2-b": (["mpoly-2"] * 3, ["ir"] * 6', "ablation"),
    "two kinds in the mixture": ('["3-way", "mpoly-3", "poly-3"] * 4', '["3-way", "mpoly-3"] * 6', "units"),
    # Training
    "new blocks that speak": ("    nn.init.zeros_(block[-1].weight)\n", "", "insertion"),
    "new paths with new blocks alone": (
        "*unit.blocks.values(), *map(silence, blocks)", "*map(silence, blocks), *unit.blocks.values()", "insertion"),
    "new units in front of all": (
        "result.extend([unit, addition := new()])", "result.extend([addition := new(), unit])", "insertion"),
    "paths rescaled in training": (
        "float(torch.rand(()) < self.survival)", "float(torch.rand(()) < self.survival) / self.survival",
        "dropped-paths"),
    "all of a unit dropped at once": (
        "for term in self.terms:\n",
        "gate = self.gate()\n        self.gate = lambda: gate\n        for term in self.terms:\n", "dropped-paths"),
    "no weights in a test": ("        return self.survival\n", "        return 1.0\n", "dropped-paths"),
    "a coin without need": ("self.training and self.survival < 1", "self.training", "dropped-paths"),
    "the last unit dropped least": (
        "survival(number, len(units), last, rule)", "survival(len(units) - number + 1, len(units), last, rule)",
        "drop-rates"),
}
# fmt: on


@pytest.mark.parametrize(("old", "new", "claim"), ERRORS.values(), ids=ERRORS)
def test_an_error_turns_a_claim_red(old: str, new: str, claim: str) -> None:
    assert red_claims("polynet", old, new, claims=[claim]) == {claim}


def test_an_error_in_the_towers_of_inception_resnet_turns_a_claim_red() -> None:
    with broken("inception_v4", "tower(inputs, (128, 1), (first, (1, 7)),", "tower(inputs, (160, 1), (first, (1, 7)),"):
        (report,) = verify(Library.load()["polynet"], claims=["blocks"]).claims
    assert report.status is Status.FAILED


def test_without_an_error_nothing_is_red_or_deviates() -> None:
    report = verify(Library.load()["polynet"], tiers=CHEAP)
    wrong = {Status.FAILED, Status.DEVIATES}
    assert not [(claim.id, claim.reason) for claim in report.claims if claim.status in wrong]


def test_variants_give_one_score_a_class() -> None:
    with torch.device("meta"):
        assert build("polynet", "ir-3-6-3", classes=7).eval()(torch.empty(2, 3, 75, 75)).shape == (2, 7)
        assert build("polynet", classes=7).head[-1].out_features == 7


def test_every_kind_of_unit_has_a_network_for_each_stage() -> None:
    kinds = {"poly2": "poly-2", "mpoly2": "mpoly-2", "twoway": "2-way"}
    kinds |= {"poly3": "poly-3", "mpoly3": "mpoly-3", "threeway": "3-way"}
    assert set(kinds.values()) == set(POLYNOMIALS) - {"ir"}
    assert {f"{name}-{stage}" for name in kinds for stage in "abc"} < set(variants("polynet"))


@pytest.mark.parametrize("kind", POLYNOMIALS)
def test_a_unit_needs_as_many_blocks_as_its_polynomial(kind: str) -> None:
    blocks = len(poly_inception(kind, nn.Identity, 1.0).blocks)
    with pytest.raises(ValueError, match=r"shorter|longer"):
        PolyInception(kind, *(nn.Identity() for _ in range(blocks + 1)), scale=1.0)


def test_paths_are_dropped_by_the_seed() -> None:
    unit = poly_inception("3-way", nn.Identity, 1.0).train()
    stochastic_paths(unit, 0.5)

    def outputs(seed: int) -> list[float]:
        torch.manual_seed(seed)
        return [float(unit(torch.ones(1))) for _ in range(20)]

    assert outputs(0) == outputs(0) != outputs(1)
    assert set(outputs(0)) <= {1.0, 2.0, 3.0, 4.0}


def test_interleaving_leaves_the_trained_stage_as_it_is() -> None:
    stage = nn.Sequential(poly_inception("ir", nn.Identity, 1.0))

    def new() -> PolyInception:
        return poly_inception("ir", lambda: nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1)), 1.0)

    assert len(interleave(stage, new)) == 2
    assert len(stage) == 1
