"""The errors that people make with SENet, each made on purpose: a claim must turn red."""

from __future__ import annotations

import pytest
import torch

from catalog import Library
from catalog.records import Status, Tier
from catalog.verify.runner import verify
from reproductions import build, variants
from reproductions.checks.senet import _task
from reproductions.resnet import BasicBlock
from reproductions.senet import SEBlock, with_se
from tests.reproductions.broken import broken, red_claims

APPENDED = "result.layers.append(SEBlock(outputs, reduction, bias=bias))"
POOL = "nn.MaxPool2d(3, stride=2, ceil_mode=True)"
GATED = "u * self.excite(self.squeeze(u))"

# An error, what is changed into what, and one claim that must notice. No peer is needed.
# fmt: off
ERRORS = {
    # As other implementations have it
    "stride in the 3x3, as timm's seresnet50": (
        '"seresnet50": (Bottleneck,', '"seresnet50": (partial(Bottleneck, stride_in_1x1=False),', "macs-seresnet50"),
    "padded pool, as pytorchcv": (POOL, "nn.MaxPool2d(3, stride=2, padding=1)", "stems"),
    "pool rounds down": (POOL, "nn.MaxPool2d(3, stride=2)", "feature-maps"),
    # The block
    "biases nowhere": ("reduction, bias=bias))", "reduction, bias=False))", "parameters-seresnet50"),
    "biases everywhere": ("reduction, bias=bias))", "reduction))", "table-10-ratio-32"),
    "maximum for mean": ("nn.AdaptiveAvgPool2d(1)", "nn.AdaptiveMaxPool2d(1)", "equations"),
    "no squeeze": ("nn.AdaptiveAvgPool2d(1)", "nn.Identity()", "gate"),
    "squeezed by halves": ("nn.AdaptiveAvgPool2d(1)", "nn.AdaptiveAvgPool2d((2, 1))", "equations"),
    "tanh": ("nn.Sigmoid()", "nn.Tanh()", "gate"),
    "softmax over channels": ("nn.Sigmoid()", "nn.Softmax(dim=1)", "equations"),
    "no ReLU between": ("nn.ReLU(),\n            nn.Conv2d(channels // r", "nn.Conv2d(channels // r", "equations"),
    "SiLU between": (
        "nn.ReLU(),\n            nn.Conv2d(channels // r",
        "nn.SiLU(),\n            nn.Conv2d(channels // r", "equations"),
    "sum for product": (GATED, "u + self.excite(self.squeeze(u))", "equations"),
    "gate around an identity": (GATED, "u + u * self.excite(self.squeeze(u))", "open-and-half-open"),
    "the gate alone": (GATED, "self.excite(self.squeeze(u)).expand_as(u)", "equations"),
    "one gate for all images": (GATED, "u * self.excite(self.squeeze(u)).mean(0, keepdim=True)", "gate"),
    "ratio ignored": ("SEBlock(outputs, reduction, bias", "SEBlock(outputs, 16, bias", "reduction-ratios"),
    # Its place
    "after the addition": (
        APPENDED, "result.relu = nn.Sequential(nn.ReLU(), SEBlock(outputs, reduction, bias=bias))", "modules"),
    "on the shortcut": (
        APPENDED, "result.shortcut = nn.Sequential(result.shortcut, SEBlock(outputs, reduction, bias=bias))",
        "se-blocks"),
    "before the branch": (APPENDED, "result.layers.insert(0, SEBlock(inputs, reduction, bias=bias))", "se-blocks"),
    "before the last normalisation": (
        APPENDED, "result.layers.insert(-1, SEBlock(outputs, reduction, bias=bias))", "modules"),
    "behind the 3x3": (
        APPENDED, "result.layers.insert(6, SEBlock(result.layers[6].in_channels, reduction, bias=bias))",
        "additional-parameters"),
    "not where the map halves": (
        APPENDED, f"if stride == 1:\n            {APPENDED}", "se-blocks"),
    # SENet-154
    "first convolution not halved": ("inputs, outputs // 2, 1", "inputs, outputs, 1", "bottlenecks"),
    "32 groups": ("groups=64", "groups=32", "parameters-senet154"),
    "stride in the 1x1": (
        "outputs // 2, 1),\n            nn.ReLU(),\n            *conv_bn(outputs // 2, outputs, 3, stride=stride,",
        "outputs // 2, 1, stride=stride),\n            nn.ReLU(),\n            *conv_bn(outputs // 2, outputs, 3,",
        "bottlenecks"),
    "1x1 projections throughout": ("if stride == 1:", "if True:", "parameters-senet154"),
    "7x7 stem": (
        "ResNet(deep_stem(), block,", "ResNet(nn.Sequential(*imagenet_stem(128)[:-1], pool()), block,",
        "macs-senet154"),
    "stem without its last ReLU": (
        "*conv_bn(64, 128, 3, padding=1),\n        nn.ReLU(),", "*conv_bn(64, 128, 3, padding=1),", "stems"),
    "dropout of a half": ("nn.Dropout(0.2)", "nn.Dropout(0.5)", "dropout"),
    "dropout of scores": ("network.head.insert(2,", "network.head.insert(3,", "dropout"),
    "dropout in all networks": (
        "    return ResNet(stem, block,", "    stem.append(nn.Dropout(0.2))\n    return ResNet(stem, block,", "stems"),
    # Variants
    "another template": ("cardinality=32, width=4", "cardinality=32, width=8", "parameters-seresnext50-32x4d"),
    "another ratio": (
        '"seresnet50-r8": (Bottleneck, (3, 4, 6, 3), 8)', '"seresnet50-r8": (Bottleneck, (3, 4, 6, 3), 4)',
        "table-10-ratio-8"),
    "SE in ResNet-50": (
        '"resnet50": (Bottleneck, (3, 4, 6, 3), None)', '"resnet50": (Bottleneck, (3, 4, 6, 3), 16)',
        "parameters-resnet50"),
    "block in the wrong stage": (
        '"seresnet152": (Bottleneck, (3, 8, 36', '"seresnet152": (Bottleneck, (3, 9, 35', "parameters-seresnet152"),
}

# These part from another implementation.
SUBTLE_ERRORS = {
    "ReLU for sigmoid": ("nn.Sigmoid()", "nn.ReLU()", "parity-timm-seresnet50"),
    "pool": (POOL, "nn.MaxPool2d(3, stride=2, padding=1)", "parity-pytorchcv-seresnet50"),
    "no squeeze": ("nn.AdaptiveAvgPool2d(1)", "nn.Identity()", "parity-timm-seresnext50"),
}

# Errors in the block of ResNeXt, which SENet imports.
RESNEXT_ERRORS = {
    "stride in the 1x1": (
        "channels, 1),\n            nn.ReLU(),\n            *conv_bn(channels, channels, 3, stride=stride,",
        "channels, 1, stride=stride),\n            nn.ReLU(),\n            *conv_bn(channels, channels, 3,",
        "bottlenecks"),
    "no groups": ("groups=cardinality", "groups=1", "parameters-seresnext50-32x4d"),
    "as wide in every stage": ("width * outputs // 256", "width", "bottlenecks"),
    "no ReLU behind the grouped convolution": (
        "groups=cardinality),\n            nn.ReLU(),", "groups=cardinality),", "modules"),
    "always a projection": (
        "option_b(inputs, outputs, stride))", "conv_bn(inputs, outputs, 1, stride=stride))",
        "parameters-seresnext101-32x4d"),
}
# fmt: on


@pytest.mark.parametrize(("old", "new", "claim"), ERRORS.values(), ids=ERRORS)
def test_an_error_turns_a_claim_red(old: str, new: str, claim: str) -> None:
    assert red_claims("senet", old, new, claims=[claim]) == {claim}


@pytest.mark.parametrize(("old", "new", "claim"), SUBTLE_ERRORS.values(), ids=SUBTLE_ERRORS)
def test_an_error_parts_from_a_peer(old: str, new: str, claim: str) -> None:
    assert red_claims("senet", old, new, tiers=[Tier.PARITY], claims=[claim]) == {claim}


@pytest.mark.parametrize(("old", "new", "claim"), RESNEXT_ERRORS.values(), ids=RESNEXT_ERRORS)
def test_an_error_in_the_block_of_resnext_turns_a_claim_red(old: str, new: str, claim: str) -> None:
    with broken("resnext", old, new):
        (report,) = verify(Library.load()["senet"], claims=[claim]).claims
    assert report.status is Status.FAILED


@pytest.mark.parametrize("variant", variants("senet"))
def test_every_variant_gives_one_score_a_class(variant: str) -> None:
    with torch.device("meta"):
        assert build("senet", variant, classes=7).eval()(torch.empty(2, 3, 224, 224)).shape == (2, 7)


@pytest.mark.parametrize("side", [1, 7, 8])
def test_the_block_takes_maps_of_any_size(side: int) -> None:
    assert SEBlock(32)(torch.zeros(2, 32, side, side + 1)).shape == (2, 32, side, side + 1)


def test_any_residual_block_can_end_in_squeeze_and_excitation() -> None:
    block = with_se(BasicBlock, reduction=4)(16, 32, 2)
    assert isinstance(block.layers[-1], SEBlock)
    assert block(torch.zeros(2, 16, 8, 8)).shape == (2, 32, 4, 4)


def test_the_task_of_global_context(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "randn", lambda *size, generator: torch.zeros(size))
    images, labels = _task(2000, torch.Generator().manual_seed(0))
    corners = set()
    for image, label in zip(images, labels, strict=True):
        signs = []
        for channel in image[:2]:
            top, left = (int(place.min()) for place in channel.nonzero().T)
            pattern = channel[top : top + 3, left : left + 3]
            signs.append(int(pattern[0, 0].sign()))
            assert torch.equal(pattern, signs[-1] * 2 * torch.tensor([[1.0, -1, 1], [-1, 1, -1], [1, -1, 1]]))
            assert channel.count_nonzero() == 9
            corners.add((top, left))
        (shift,) = image[2].unique().tolist()
        assert abs(shift) == 0.25
        assert label == (signs[0 if shift > 0 else 1] > 0)
    assert len(corners) == 36
    assert 800 < labels.sum() < 1200
