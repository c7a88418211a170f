"""The errors that people make with Inception-v3, each made on purpose: a claim must turn red."""

from __future__ import annotations

import pytest
import torch

from catalog import Library
from catalog.records import Status, Tier
from catalog.verify.runner import verify
from reproductions import build, variants
from reproductions.inception_v3 import label_smoothing_loss, tower
from tests.reproductions.broken import CHEAP, red_claims

TO_17x17 = "tower(inputs, (64, 1), (96, 3), (96, 3), stride=2)"
EXPANDED = "return Concatenation(tower(inputs, (outputs, (1, 3))), tower(inputs, (outputs, (3, 1))))"

# An error, what is changed into what, and one claim that must notice. No peer is needed.
# fmt: off
ERRORS = {
    # As Table 1 has it, or other implementations
    "the first of Table 1's last three convolutions": (
        "conv(64, 80, 1),", "conv(64, 80, 3),", "feature-maps"),
    "two 3x3 alone, as in Figure 5": ("(48, 1), (64, 5)", "(48, 1), (64, 3), (64, 3)", "kernels"),
    "averages as in TensorFlow": (
        "nn.AvgPool2d(3, stride=1, padding=1)",
        "nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)", "pools"),
    "the pool of GoogLeNet": (
        "nn.AvgPool2d(3, stride=1, padding=1)", "nn.MaxPool2d(3, stride=1, padding=1)", "pools"),
    "torch's ε": ("partial(conv_bn_relu, eps=1e-3)", "partial(conv_bn_relu)", "activations"),
    "dropout of TensorFlow-slim": ("nn.Dropout(0.5)", "nn.Dropout(0.2)", "dropout"),
    # The stem
    "padded first convolution": (
        "conv(3, 32, 3, stride=stride)", "conv(3, 32, 3, stride=stride, padding=1)", "feature-maps"),
    "padded second convolution": ("conv(32, 32, 3),", "conv(32, 32, 3, padding=1),", "feature-maps"),
    "unpadded third convolution": ("conv(32, 64, 3, padding=1)", "conv(32, 64, 3)", "feature-maps"),
    "average in the stem": (
        "nn.MaxPool2d(3, stride=2) if first_pool", "nn.AvgPool2d(3, stride=2) if first_pool", "pools"),
    "stride kept for images of 151": ('"inception-v3-s151": {"stride": 1}', '"inception-v3-s151": {}', "macs-151"),
    "pool kept for images of 79": (', "first_pool": False}', "}", "macs-79"),
    # Factorised convolutions
    "1x7 and 7x1 exchanged": (
        "(width, (1, 7)), (192, (7, 1))),", "(width, (7, 1)), (192, (1, 7))),", "kernels"),
    "one 7x7 for two": (
        "(width, (7, 1)), (width, (1, 7)), (width, (7, 1)), (192, (1, 7))",
        "(width, (7, 1)), (192, (1, 7))", "kernels"),
    "padding of height and width exchanged": (
        "padding=(height // 2, width // 2)", "padding=(width // 2, height // 2)", "separable-filter"),
    "one of two left out": ("tower(inputs, (64, 1), (96, 3), (96, 3)),\n        pooled", (
        "tower(inputs, (64, 1), (96, 3)),\n        pooled"), "kernels"),
    "1x3 and 3x1 one after the other": (
        EXPANDED, "return Concatenation(tower(inputs, (outputs, (1, 3)), (outputs, (3, 1))))", "kernels"),
    # Reductions
    "padded reduction": (
        "conv(inputs, outputs, kernel, stride=stride)", "conv(inputs, outputs, kernel, stride=stride, padding=1)",
        "reductions"),
    "stride in the first 3x3": (
        TO_17x17, "nn.Sequential(*tower(inputs, (64, 1), (96, 3), stride=2), conv(96, 96, 3, padding=1))",
        "reductions"),
    "no pool beside the convolutions": (
        f"{TO_17x17},\n        nn.MaxPool2d(3, stride=2),",
        f"{TO_17x17},\n        tower(inputs, (288, 3), stride=2),", "pools"),
    "average in a reduction": (
        f"{TO_17x17},\n        nn.MaxPool2d", f"{TO_17x17},\n        nn.AvgPool2d", "pools"),
    "maximum for the last average": ("nn.AdaptiveAvgPool2d(1)", "nn.AdaptiveMaxPool2d(1)", "pools"),
    # Widths
    "all modules of 17x17 alike": ("(128, 160, 160, 192)", "(128, 160, 160, 160)", "parameters"),
    "first module of 35x35 as wide as the others": (
        "module_35x35(192, 32), module_35x35(256, 64)", "module_35x35(192, 64), module_35x35(288, 64)", "parameters"),
    # The auxiliary classifier
    "pool as in the stem": ("nn.AvgPool2d(5, stride=3)", "nn.AvgPool2d(3, stride=2)", "auxiliary-classifier"),
    "no normalisation, as before": (
        "conv(128, 768, 5),", "nn.Conv2d(128, 768, 5),", "auxiliary-classifier"),
    "it reads what one more module gives": (
        "self.auxiliary(x)\n", "self.auxiliary(self.medium[-1:](x))\n", "auxiliary-classifier"),
    "scores of both in a test": ("is not None and self.training:", "is not None:", "auxiliary-classifier"),
    # Label smoothing
    "ε over the other classes": ("epsilon / scores.shape[1]", "epsilon / (scores.shape[1] - 1)", "label-smoothing"),
    "ε for the true class": ("labels[:, None], torch.full_like(log_p[:, :1], 1 - epsilon)", (
        "labels[:, None], torch.full_like(log_p[:, :1], 1 - 2 * epsilon)"), "label-smoothing"),
    "mean over classes": ("sum(dim=1).mean()", "mean(dim=1).mean()", "label-smoothing"),
    "another ε": ("epsilon: float = 0.1", "epsilon: float = 0.2", "label-smoothing"),
}
# fmt: on


@pytest.mark.parametrize(("old", "new", "claim"), ERRORS.values(), ids=ERRORS)
def test_an_error_turns_a_claim_red(old: str, new: str, claim: str) -> None:
    assert red_claims("inception_v3", old, new, claims=[claim]) == {claim}


# These part from another implementation.
SUBTLE_ERRORS = {
    "no ReLU": (
        "partial(conv_bn_relu, eps=1e-3)",
        "lambda *layer, **options: conv_bn_relu(*layer, eps=1e-3, **options)[:2]",
    ),
    "padded pool": ("nn.AvgPool2d(5, stride=3)", "nn.AvgPool2d(5, stride=3, padding=1)"),
}


@pytest.mark.parametrize(("old", "new"), SUBTLE_ERRORS.values(), ids=SUBTLE_ERRORS)
def test_an_error_in_the_auxiliary_classifier_parts_from_a_peer(old: str, new: str) -> None:
    claim = "parity-torchvision-auxiliary"
    assert red_claims("inception_v3", old, new, tiers=[Tier.PARITY], claims=[claim]) == {claim}


def test_without_an_error_nothing_is_red_and_five_figures_deviate() -> None:
    report = verify(Library.load()["inception-v3"], tiers=CHEAP)
    assert not [(claim.id, claim.reason) for claim in report.claims if claim.status is Status.FAILED]
    deviating = {claim.id for claim in report.claims if claim.status is Status.DEVIATES}
    assert deviating == {"macs", "macs-table-3", "cost-against-bn-inception", "depth", "naive-low-resolution"}


@pytest.mark.parametrize(("variant", "side"), zip(variants("inception-v3"), (299, 299, 151, 79), strict=True))
def test_every_variant_gives_one_score_a_class(variant: str, side: int) -> None:
    with torch.device("meta"):
        assert build("inception-v3", variant, classes=7).eval()(torch.empty(2, 3, side, side)).shape == (2, 7)


def test_towers_keep_the_size_of_the_map_but_for_a_stride() -> None:
    x = torch.zeros(2, 4, 9, 9)
    assert tower(4, (8, 1), (8, (1, 7)), (6, (7, 1)))(x).shape == (2, 6, 9, 9)
    assert tower(4, (8, 3), (6, 3), stride=2)(x).shape == (2, 6, 4, 4)


def test_smoothing_is_a_loss_of_one_number() -> None:
    loss = label_smoothing_loss(torch.zeros(3, 4), torch.tensor([0, 1, 3]))
    assert loss.shape == ()
    assert loss.item() == pytest.approx(1.386294, abs=1e-6)  # log 4, whatever the labels
