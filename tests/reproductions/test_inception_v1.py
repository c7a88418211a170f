"""The errors that people make with GoogLeNet, each made on purpose: a claim must turn red."""

from __future__ import annotations

import pytest
import torch

from catalog.records import Tier
from reproductions import build, variants
from reproductions.inception_v1 import crops_144
from tests.reproductions.broken import red_claims

FIRST_POOL = "nn.MaxPool2d(3, stride=2, ceil_mode=True),\n            norm(),"
LAST_POOL = "            norm(),\n            nn.MaxPool2d(3, stride=2, ceil_mode=True),"
POOL_OF_MODULE = "nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1)"
CROP = "for y, x in ((0, 0), (0, far), (far, 0), (far, far), (middle, middle)):"

# An error, what is changed into what, and one claim that must notice.
# fmt: off
ERRORS = {
    # As other implementations have it
    "3x3 for the 5x5": ("large: int = 5", "large: int = 3", "reductions"),
    "3x3 for the 5x5 in the network": ("large = 3 if bn3x3 else 5", "large = 3", "parameters"),
    "batch normalisation": ("if bn3x3 else conv_relu", "", "parameters"),
    "no response normalisation": (
        "norm = nn.Identity if bn3x3 else local_response_norm", "norm = nn.Identity", "building-blocks"),
    "last pool of 2x2": ("2 if bn3x3 else 3}", "2}", "network"),
    "convolutions without biases": (
        "kernel, stride, padding), nn.ReLU()", "kernel, stride, padding, bias=False), nn.ReLU()", "activations"),
    # The stem
    "pool rounds down": (FIRST_POOL, FIRST_POOL.replace(", ceil_mode=True", ""), "feature-maps"),
    "second pool rounds down": (LAST_POOL, LAST_POOL.replace(", ceil_mode=True", ""), "feature-maps"),
    "normalised in front of the pool": (FIRST_POOL, f"norm(),\n            {FIRST_POOL[:-20]}", "network"),
    "normalised behind the pool": (LAST_POOL, f"{LAST_POOL[21:]}\n            norm(),", "network"),
    "constants of AlexNet": ("k=1.0)", "k=2.0)", "network"),
    "normalised over nine maps": ("nn.LocalResponseNorm, 5,", "nn.LocalResponseNorm, 9,", "network"),
    "beta of 1/2": ("beta=0.75", "beta=0.5", "network"),
    "alpha of 1e-3": ("alpha=1e-4", "alpha=1e-3", "network"),
    "no 1x1 in front of the 3x3": ("conv(64, 64, 1),  # 64, 56, 56", "", "depth"),
    "first convolution unpadded": ("stride=2, padding=3)", "stride=2)", "macs"),
    # The module
    "branches in another order": (
        f"{POOL_OF_MODULE}, conv(inputs, projection, 1)),\n        )",
        f"{POOL_OF_MODULE}, conv(inputs, projection, 1)),\n        )\n        self.branches = self.branches[::-1]",
        "modules"),
    "average pool": (POOL_OF_MODULE, "nn.Sequential(nn.AvgPool2d(3, stride=1, padding=1)", "modules"),
    "projection in front of the pool": (
        f"{POOL_OF_MODULE}, conv(inputs, projection, 1))",
        "nn.Sequential(conv(inputs, projection, 1), nn.MaxPool2d(3, stride=1, padding=1))", "network"),
    "reductions without ReLU": (
        "nn.Sequential(conv(inputs, c5_reduce, 1)", "nn.Sequential(nn.Conv2d(inputs, c5_reduce, 1)", "activations"),
    "added, not concatenated": (
        "torch.cat([branch(x) for branch in self.branches], dim=1)",
        "sum(F.pad(branch(x), (0, 0, 0, 0, 0, 480)) for branch in self.branches)[:, :480]", "naive-growth"),
    "average pool in the naive module": (
        "nn.MaxPool2d(3, stride=1, padding=1),\n", "nn.AvgPool2d(3, stride=1, padding=1),\n", "modules"),
    # The table
    "5x5 filters of 4e": ('"4e": (256, 160, 320, 32, 128, 128)', '"4e": (256, 160, 320, 32, 112, 144)', "parameters"),
    "reduction of 4a": ('"4a": (192, 96, 208', '"4a": (192, 112, 208', "parameters-of-other-rows"),
    "no pool behind 3b": ('pools = {"3b": 3, ', "pools = {", "feature-maps"),
    # The heads
    "heads on 4b and 4e": ('("4a", "4d")', '("4b", "4e")', "parameters-with-auxiliary-heads"),
    "one head": ('("4a", "4d")', '("4a",)', "auxiliary-heads"),
    "heads in inference": ("if self.training and name in", "if name in", "auxiliary-heads"),
    "head pools all": ("nn.AvgPool2d(5, stride=3)", "nn.AdaptiveAvgPool2d(4)", "auxiliary-head"),
    "head pools the maximum": ("nn.AvgPool2d(5, stride=3)", "nn.MaxPool2d(5, stride=3)", "auxiliary-head"),
    "head without ReLU": ("1024),\n            nn.ReLU(),", "1024),", "auxiliary-head"),
    "head drops too little": ("nn.Dropout(0.7)", "nn.Dropout(0.4)", "dropout"),
    "heads weigh as much": ("main + 0.3 * sum", "main + 1.0 * sum", "loss"),
    "mean of the auxiliary losses": ("sum(auxiliary)", "sum(auxiliary) / max(len(auxiliary), 1)", "loss"),
    "drops half": ("nn.Dropout(0.4)", "nn.Dropout(0.5)", "dropout"),
    "maximum for the last pool": ("nn.AdaptiveAvgPool2d(1)", "nn.AdaptiveMaxPool2d(1)", "network"),
    # The test
    "one square": ("for share in (0, 0.5, 1):", "for share in (0.5,):", "crops"),
    "ten crops": ("            crops.append(_resize(square, 224, 224))\n", "", "crops"),
    "not mirrored": ("result.flip(-1)", "result", "crops"),
    "upside down": ("result.flip(-1)", "result.flip(-2)", "crops"),
    "longer side": ("min(image.shape[1:])", "max(image.shape[1:])", "places-of-crops"),
    "other scales": ("(256, 288, 320, 352)", "(256, 298, 341, 384)", "places-of-crops"),
    "no centre": (CROP, CROP.replace("(middle, middle)", "(0, middle)"), "places-of-crops"),
    "whole image for the square": ("_resize(square, 224, 224)", "_resize(resized, 224, 224)", "places-of-crops"),
    "mean of scores": (
        "network(crops).softmax(dim=1) for network in networks]).mean(dim=(0, 1))",
        "network(crops) for network in networks]).mean(dim=(0, 1)).softmax(dim=0)", "averages"),
}
# fmt: on


@pytest.mark.parametrize(("old", "new", "claim"), ERRORS.values(), ids=ERRORS)
def test_an_error_turns_a_claim_red(old: str, new: str, claim: str) -> None:
    assert red_claims("inception_v1", old, new, claims=[claim]) == {claim}


def test_an_error_in_the_reading_of_torchvision_parts_from_it() -> None:
    claim = "parity-torchvision"
    assert red_claims("inception_v1", "eps=1e-3", "eps=1e-5", tiers=[Tier.PARITY], claims=[claim]) == {claim}


@pytest.mark.parametrize("variant", variants("inception-v1"))
def test_every_variant_gives_one_score_a_class(variant: str) -> None:
    with torch.device("meta"):
        assert build("inception-v1", variant, classes=7).eval()(torch.empty(2, 3, 224, 224)).shape == (2, 7)


@pytest.mark.parametrize("size", [(224, 224), (100, 100), (256, 1000), (1001, 333)])
def test_images_of_any_shape_have_144_crops(size: tuple[int, int]) -> None:
    assert crops_144(torch.zeros(3, *size)).shape == (144, 3, 224, 224)
