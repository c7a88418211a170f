"""The errors that people make with XNOR-Net, each made on purpose: a claim must turn red."""

from __future__ import annotations

import pytest
import torch

from catalog import Library
from catalog.records import Status
from catalog.verify.runner import verify
from reproductions import build, variants
from reproductions.xnor_net import BinConv2d, centre_and_clamp_
from tests.reproductions.broken import CHEAP, broken, red_claims

# An error, what is changed into what, and one claim that must notice.
# fmt: off
ERRORS = {
    # Binary weights
    "one alpha for the layer": (
        "w.abs().mean(tuple(range(1, w.ndim)), keepdim=True)", "w.abs().mean()", "optimal-scale"),
    "alpha for each input channel": ("tuple(range(1, w.ndim))", "tuple(range(2, w.ndim)) or (1,)", "gaussian-error"),
    "alpha from squares": ("w.abs().mean(tuple(range(1, w.ndim)), keepdim=True)",
                           "w.square().mean(tuple(range(1, w.ndim)), keepdim=True).sqrt()", "optimal-scale"),
    "no alpha": ("return alpha * binarize(w)", "return binarize(w)", "gaussian-error"),
    # Their gradient
    "chain rule": ("return _BinaryWeight.apply(w)",
                   "return w.abs().mean(tuple(range(1, w.ndim)), keepdim=True) * binarize(w)", "gradient-of-weights"),
    "straight through": ("return gradient * (1 / w[0].numel() + alpha * (w.abs() < 1))", "return gradient",
                         "gradient-of-weights"),
    "without 1/n": ("(1 / w[0].numel() + alpha", "(alpha", "gradient-of-weights"),
    "n of all filters": ("1 / w[0].numel()", "1 / w.numel()", "gradient-of-weights"),
    "without alpha": ("alpha * (w.abs() < 1)", "(w.abs() < 1)", "gradient-of-weights"),
    "beyond ±1 too": ("alpha * (w.abs() < 1)", "alpha", "gradient-of-weights"),
    "held weights free to move": ("alpha * (w.abs() < 1)", "alpha * (w.abs() <= 1)", "gradient-of-weights"),
    # The scale of the inputs
    "K from one channel": ("x.abs().mean(1, keepdim=True)", "x.abs()[:, :1]", "scale-map"),
    "K from the sum of inputs": ("x.abs().mean(1, keepdim=True)", "x.mean(1, keepdim=True).abs()", "scale-map"),
    "K from the largest input": ("x.abs().mean(1, keepdim=True)", "x.abs().amax(1, keepdim=True)", "scale-map"),
    "K without the padding": (
        "kernel, stride, padding)", "kernel, stride, padding, count_include_pad=False)", "scale-map"),
    "K without the stride": ("kernel, stride, padding)", "kernel, 1, padding)", "scale-map"),
    "K by default": ("scaled: bool = False) -> nn.Sequential:", "scaled: bool = True) -> nn.Sequential:",
                     "input-scale-is-optional"),
    "K times the bias": (
        "return y * k + self.bias[:, None, None]", "return (y + self.bias[:, None, None]) * k", "blocks"),
    "K of signs": ("input_scale(x, conv.kernel_size", "input_scale(binarize(x), conv.kernel_size", "blocks"),
    # The order of a layer
    "signs, then normalisation": (
        "x, conv = self.norm(x), self.conv", "x, conv = self.norm(binarize(x)), self.conv", "blocks"),
    "pooling in front of the signs": (
        "return self.pool(conv(binarize(x), k))", "return conv(binarize(self.pool(x)), 1.0)", "blocks"),
    "pooling behind the signs": (
        "return self.pool(conv(binarize(x), k))", "return conv(self.pool(binarize(x)), 1.0)", "blocks"),
    "real inputs": ("conv(binarize(x), k)", "conv(x, k)", "blocks"),
    "signs without a gradient": ("conv(binarize(x), k)", "conv(x.sign(), k)", "gradients-of-a-block"),
    "real weights": ("binary_weight(self.weight), None)", "self.weight, None)", "blocks"),
    "bias forgotten": ("return y * k + self.bias[:, None, None]", "return y * k", "blocks"),
    # The networks
    "first layer binary": (
        "nn.Sequential(nn.Conv2d(3, 96, 11, 4, 2), nn.BatchNorm2d(96, affine=False)",
        "nn.Sequential(BinConv2d(3, 96, 11, 4, padding=2), nn.BatchNorm2d(96, affine=False)", "binarised-weights"),
    "last layer binary": (
        "nn.ReLU(),\n        nn.Conv2d(4096, classes, 1)", "nn.ReLU(),\n        BinConv2d(4096, classes, 1)",
        "binarised-weights"),
    "AlexNet with its groups": ("(256, 384, 3, 1, False)", "(256, 192, 3, 1, False)", "parameters"),
    "normalisation with scale and shift": ("nn.BatchNorm2d(inputs, eps=1e-4, affine=False)",
                                           "nn.BatchNorm2d(inputs, eps=1e-4)", "parameters"),
    "constant of torch": ("nn.BatchNorm2d(inputs, eps=1e-4, affine=False)", "nn.BatchNorm2d(inputs, affine=False)",
                          "released-layers"),
    "dropout of AlexNet": ("nn.Dropout2d(0.1)", "nn.Dropout2d(0.5)", "released-layers"),
    "pools of 2 x 2": ("nn.MaxPool2d(3, stride=2)", "nn.MaxPool2d(2, stride=2)", "released-layers"),
    "padded pools": ("nn.MaxPool2d(3, stride=2)", "nn.MaxPool2d(3, stride=2, padding=1)", "feature-maps"),
    # Before a step
    "held, then centred": (
        "layer.weight.sub_(layer.weight.mean(1, keepdim=True)).clamp_(-1, 1)",
        "layer.weight.clamp_(-1, 1).sub_(layer.weight.mean(1, keepdim=True))", "prepared-weights"),
    "centred over all": ("layer.weight.mean(1, keepdim=True)", "layer.weight.mean()", "prepared-weights"),
    "not held": (".clamp_(-1, 1)", "", "prepared-weights"),
    "real layers too": ("if isinstance(layer, BinConv2d):", "if isinstance(layer, nn.Conv2d):", "prepared-weights"),
    "fan-out": ("kaiming_normal_(layer.weight,", "kaiming_normal_(layer.weight, mode='fan_out',", "initial-weights"),
    # Speed
    "32 at a time": ("64 * products / (products + 64)", "32 * products / (products + 32)", "speed-up"),
    "without the scale of the inputs": ("64 * products / (products + 64)", "64.0", "speed-up"),
}
# fmt: on


@pytest.mark.parametrize(("old", "new", "claim"), ERRORS.values(), ids=ERRORS)
def test_an_error_turns_a_claim_red(old: str, new: str, claim: str) -> None:
    assert red_claims("xnor_net", old, new, claims=[claim]) == {claim}


def test_signs_without_their_gradient_turn_a_claim_red() -> None:
    with broken("binarized_networks", "return gradient * (x.abs() <= 1)", "return gradient"):
        report = verify(Library.load()["xnor-net"], claims=["activations"])
    assert report.failed


def test_without_an_error_nothing_is_red_and_the_memory_is_cut_off() -> None:
    report = verify(Library.load()["xnor-net"], tiers=CHEAP)
    assert not [(claim.id, claim.reason) for claim in report.claims if claim.status is Status.FAILED]
    deviating = {claim.id for claim in report.claims if claim.status is Status.DEVIATES}
    assert deviating == {"memory-in-double-precision"}


@pytest.mark.parametrize("variant", variants("xnor-net"))
def test_every_variant_gives_one_score_a_class(variant: str) -> None:
    with torch.device("meta"):
        assert build("xnor-net", variant, classes=7).eval()(torch.empty(2, 3, 224, 224)).shape == (2, 7)


def test_only_inputs_that_are_signs_can_be_scaled() -> None:
    with torch.device("meta"), pytest.raises(TypeError, match="scaled"):
        build("xnor-net", "alexnet-bwn", scaled=True)


def test_a_binary_convolution_has_two_weights_a_filter_and_learns() -> None:
    torch.manual_seed(0)
    conv, x = BinConv2d(3, 8, 3, padding=1), torch.randn(4, 3, 6, 6)
    target = torch.randn(4, 8, 6, 6)
    optimiser = torch.optim.Adam(conv.parameters(), lr=0.01)
    losses = []
    for _ in range(30):
        centre_and_clamp_(conv)
        loss = (conv(x) - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
