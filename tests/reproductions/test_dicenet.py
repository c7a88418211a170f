"""The errors that people make with DiCENet, each made on purpose: a claim must turn red."""

from __future__ import annotations

import pytest
import torch

from catalog import Library
from catalog.records import Status, Tier
from catalog.verify.runner import verify
from reproductions import build, variants
from reproductions.dicenet import DiCE
from reproductions.shufflenet_v1 import channel_shuffle
from tests.reproductions.broken import broken, red_claims

ROWS = "resize(x, (self.height.in_channels, width)).transpose(1, 2)"
FUSED = "self.local(channel_shuffle(x, 3))"

# An error, what is changed into what, and one claim that must notice. No peer is needed.
# fmt: off
ERRORS = {
    # Dimension-wise convolution
    "kernels of all planes the same": ("nn.Conv2d(planes, planes, 3, padding=1, groups=planes, bias=False)",
        "nn.Conv2d(planes, planes, 3, padding=1, bias=False)", "planes-one-by-one"),
    "rows and columns exchanged": ("for planes in (channels, height, width)", "for planes in (channels, width, height)",
        "planes-one-by-one"),
    "planes of rows not taken": ("self.height(rows).transpose(1, 2)", "self.height(rows)", "neighbours"),
    "columns before rows": ("[self.depth(x), rows, columns]", "[self.depth(x), columns, rows]", "neighbours"),
    "unpadded": ("3, padding=1, groups=planes", "1, groups=planes", "planes-one-by-one"),
    "both sides resized": (ROWS, "resize(resize(x, (self.height.in_channels, width)), "
        "(self.height.in_channels, self.width.in_channels)).transpose(1, 2)", "resizing"),
    "not resized back": ("columns = resize(self.width(columns).transpose(1, 3), size)",
        "columns = F.pad(self.width(columns).transpose(1, 3), (0, size[1] - self.width.in_channels))", "resizing"),
    "corners not aligned": ("align_corners=True", "align_corners=False", "resizing"),
    "averages for interpolation": ("if size > x.shape[2:]:", "if False:", "resizing"),
    "interpolation for averages": ("if size > x.shape[2:]:", "if True:", "resizing"),
    # Dimension-wise fusion
    "no shuffle": (FUSED, "self.local(x)", "local-fusion"),
    "another shuffle": (FUSED, "self.local(channel_shuffle(x, x.shape[1] // 3))", "local-fusion"),
    "pointwise fusion": ("3 * inputs, inputs, 1, groups=inputs)", "3 * inputs, inputs, 1)", "cost-of-fusion"),
    "projection without groups": ("groups=gcd(inputs, outputs)", "groups=1", "cost-of-fusion"),
    "gate computed from the projection": ("self.excite(self.squeeze(fused))", "self.excite(self.squeeze(projected))",
        "definition-of-fusion"),
    "gate of the fused map": ("projected * self.excite(", "fused * self.excite(", "definition-of-fusion"),
    "gate with biases": ("inputs // 4, outputs, 1, bias=False)", "inputs // 4, outputs, 1)", "parameters-dicenet-s100"),
    "ratio of squeeze and excitation": ("reduction=4", "reduction=16", "cost-of-fusion"),
    # The network
    "pool of the stem forgotten": ("side = stem, size // 4", "side = stem, size // 2", "sides-of-units"),
    "side halved behind the strided unit": (
        "            side //= 2\n            stage = nn.Sequential(strided_dice(inputs, side), shuffled_dice(",
        "            stage = nn.Sequential(strided_dice(inputs, side), shuffled_dice(", "sides-of-units"),
    "strided units counted": ("(3, 7, 3)", "(2, 6, 2)", "feature-maps"),
    "classifier without groups": ("features, 1, groups=4, bias=False", "features, 1, bias=False",
        "parameters-dicenet-s020"),
    "24 channels in front at every width": ('"dicenet-s020": (16,', '"dicenet-s020": (24,', "parameters-dicenet-s020"),
    "another width": ("(176, 352, 704)", "(176, 352, 708)", "parameters-dicenet-s150"),
    "equal dropout": ('(244, 488, 976), 1024, 0.2)', '(244, 488, 976), 1024, 0.1)', "dropout"),
}

# These leave every count as it is.
SUBTLE_ERRORS = {
    "pooling by maximum": ("nn.AvgPool2d(3, stride=2, padding=1)", "nn.MaxPool2d(3, stride=2, padding=1)"),
    "stem pooled by averages": ("nn.MaxPool2d(3, stride=2, padding=1)", "nn.AvgPool2d(3, stride=2, padding=1)"),
    "activation between the last layers": ("nn.Dropout(dropout),", "nn.ReLU(),"),
    "branches in the other order": (
        "    return DownUnit(\n", "    return (lambda left, right: DownUnit(right, left))(\n"),
}

# Errors in what ShuffleNet gives.
SHUFFLE_ERRORS = {
    "no shuffle": ("shufflenet_v1", ".transpose(1, 2)", ""),
    "dealt out the other way": ("shufflenet_v1", "(groups, -1)", "(-1, groups)"),
    "branch takes the first half": ("shufflenet_v2", "left, right = x.chunk", "right, left = x.chunk"),
    "branch in front": ("shufflenet_v2", "[left, self.branch(right)]", "[self.branch(right), left]"),
}
# fmt: on


@pytest.mark.parametrize(("old", "new", "claim"), ERRORS.values(), ids=ERRORS)
def test_an_error_turns_a_claim_red(old: str, new: str, claim: str) -> None:
    assert red_claims("dicenet", old, new, claims=[claim]) == {claim}


@pytest.mark.parametrize(("old", "new"), SUBTLE_ERRORS.values(), ids=SUBTLE_ERRORS)
def test_a_subtle_error_parts_from_the_peer(old: str, new: str) -> None:
    claim = "parity-pytorchcv-dicenet-s020"
    assert red_claims("dicenet", old, new, tiers=[Tier.PARITY], claims=[claim]) == {claim}


@pytest.mark.parametrize(("module", "old", "new"), SHUFFLE_ERRORS.values(), ids=SHUFFLE_ERRORS)
def test_an_error_in_what_shufflenet_gives_parts_from_the_peer(module: str, old: str, new: str) -> None:
    with broken(module, old, new):
        (report,) = verify(Library.load()["dicenet"], claims=["parity-pytorchcv-dicenet-s020"]).claims
    assert report.status is Status.FAILED


def test_shuffling_deals_channels_out() -> None:
    channels = torch.arange(12).view(1, 12, 1, 1)
    assert channel_shuffle(channels, 3).flatten().tolist() == [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]
    assert channel_shuffle(channel_shuffle(channels, 3), 4).equal(channels)


@pytest.mark.parametrize("variant", variants("dicenet"))
def test_every_variant_gives_one_score_a_class(variant: str) -> None:
    with torch.device("meta"):
        assert build("dicenet", variant, classes=7, size=64).eval()(torch.empty(2, 3, 64, 64)).shape == (2, 7)


@pytest.mark.parametrize("size", [(7, 9), (1, 1), (20, 3)])
def test_a_unit_takes_maps_of_any_size(size: tuple[int, int]) -> None:
    assert DiCE(8, 12, 7).eval()(torch.zeros(1, 8, *size)).shape == (1, 12, *size)
