"""The errors that people make with dynamic filters, each made on purpose: a claim must turn red."""

from __future__ import annotations

import pytest
import torch

from reproductions import build
from reproductions.dynamic_filter_networks import dynamic_conv, dynamic_local_filter, loss, rollout
from tests.reproductions.broken import red_claims

FILTERED = "(neighbours * filters[:, None]).sum(dim=2)"
HIDDEN = "features + self.hidden_path(torch.zeros_like(features) if hidden is None else hidden)"

# An error, what is changed into what, and one claim that must notice.
# fmt: off
ERRORS = {
    # The dynamic layers
    "taps the other way round": (FILTERED, "(neighbours * filters.flip(1)[:, None]).sum(dim=2)", "displacement"),
    "rows for columns": (
        FILTERED, FILTERED.replace("neighbours", "neighbours.unflatten(2, (k, k)).transpose(2, 3).flatten(2, 3)"),
        "displacement"),
    "mean over taps": (FILTERED, FILTERED.replace("sum", "mean"), "displacement"),
    "channels mixed": (FILTERED, FILTERED + ".mean(1, keepdim=True).expand_as(x)", "displacement"),
    "softmax over positions": ("filters.softmax(dim=1)", "filters.flatten(2).softmax(2).view_as(filters)",
                               "convex-combination"),
    "sigmoid for softmax": ("filters.softmax(dim=1)", "filters.sigmoid()", "convex-combination"),
    "softmax always": ("if softmax:", "if True:", "displacement"),
    "softmax never": ("if softmax:", "if False:", "convex-combination"),
    "filters detached": (FILTERED, FILTERED.replace("filters[", "filters.detach()["), "gradients"),
    "image detached": ("F.unfold(x, k", "F.unfold(x.detach(), k", "gradients"),
    "one filter for the whole batch": (
        "filters.repeat_interleave(channels, dim=0)",
        "filters[:1].expand(batch, -1, -1).repeat_interleave(channels, dim=0)", "same-filter-everywhere"),
    "filters of the wrong image": (
        "filters.repeat_interleave(channels, dim=0)", "filters.repeat(channels, 1, 1)", "same-filter-everywhere"),
    # The networks
    "81 outputs with a bias": ("81 + bias)", "81)", "parameters-dfn-moving-mnist-bias"),
    "the bias after the filter": (
        "dynamic_local_filter(frame + bias, filters, softmax=True)",
        "dynamic_local_filter(frame, filters, softmax=True) + bias", "one-step"),
    "no softmax": ("filters, softmax=True)", "filters)", "one-step"),
    "ReLU": ("nn.LeakyReLU(0.01)", "nn.ReLU()", "one-step"),
    "slope of 0.2": ("nn.LeakyReLU(0.01)", "nn.LeakyReLU(0.2)", "one-step"),
    "no stride": ("conv(32, 32, stride=2)", "conv(32, 32)", "filters-for-a-frame"),
    "bilinear upsampling": ("nn.Upsample(scale_factor=2)", 'nn.Upsample(scale_factor=2, mode="bilinear")', "one-step"),
    "one convolution of the hidden state": (
        "self.hidden_path = nn.Sequential(conv(128, 128), conv(128, 128))", "self.hidden_path = conv(128, 128)",
        "parameters-dfn-moving-mnist"),
    "a gate": (HIDDEN, HIDDEN.replace(" + ", " * "), "one-step"),
    "hidden state without the frame": (
        "return self.last(self.decoder(hidden)), hidden", "return self.last(self.decoder(hidden)), hidden - features",
        "one-step"),
    "leaky ReLU behind the sum": (HIDDEN, f"F.leaky_relu({HIDDEN})", "one-step"),
    "filters from the frame alone": ("self.decoder(hidden)", "self.decoder(features)", "one-step"),
    "leaky ReLU on the filters": ("return self.last(self.decoder(hidden))",
                                  "return F.leaky_relu(self.last(self.decoder(hidden)))", "one-step"),
    "sigmoid on the baseline's frame": ("self.pixel(generated)", "self.pixel(generated).sigmoid()", "one-step"),
    "steered without a hidden layer": (
        "conv(1, 64, 1), conv(64, 128, 1), nn.Conv2d(128,", "conv(1, 128, 1), nn.Conv2d(128,",
        "parameters-dfn-steerable"),
    "steered by the sum": ("nn.Conv2d(128, 81, 1))", "conv(128, 81, 1))", "steering"),
    # Predicting frames
    "always the frames": ("if step < frames.shape[1] else", "if step < 99 else", "rolling-out"),
    "first prediction too early": ("if step >= frames.shape[1] - 1", "if step >= frames.shape[1] - 2", "rolling-out"),
    "hidden state forgotten": ("network(frame, hidden)\n        if", "network(frame, None)\n        if", "rolling-out"),
    "the last frame again": ("else predictions[-1]", "else frames[:, -1:]", "rolling-out"),
    # The loss
    "loss not clipped": ("predictions.clamp(margin, 1 - margin)", "predictions", "cross-entropy"),
    "clipped at 1e-3": ("torch.finfo(torch.float32).eps", "1e-3", "cross-entropy"),
    "squared error": ("F.binary_cross_entropy(", "F.mse_loss(", "cross-entropy"),
}
# fmt: on


@pytest.mark.parametrize(("old", "new", "claim"), ERRORS.values(), ids=ERRORS)
def test_an_error_turns_a_claim_red(old: str, new: str, claim: str) -> None:
    assert red_claims("dynamic_filter_networks", old, new, claims=[claim]) == {claim}


def test_a_filter_of_one_tap_scales() -> None:
    x = torch.randn(2, 3, 4, 5)
    assert torch.equal(dynamic_conv(x, torch.tensor([[[2.0]], [[3.0]]])), x * torch.tensor([2.0, 3.0]).view(2, 1, 1, 1))
    assert torch.equal(dynamic_local_filter(x, torch.full((2, 1, 4, 5), 2.0)), 2 * x)


@pytest.mark.parametrize("variant", ["dfn-moving-mnist", "dfn-moving-mnist-bias", "baseline-moving-mnist"])
def test_the_loss_of_a_rollout_reaches_all_parameters_and_frames(variant: str) -> None:
    network = build("dynamic-filter-networks", variant)
    frames = torch.rand(2, 3, 8, 8, requires_grad=True)
    loss(rollout(network, frames, 2), torch.rand(2, 2, 8, 8)).backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in network.parameters())
    assert frames.grad is not None
    assert frames.grad.flatten(2).any(dim=2).all()


def test_filters_follow_the_angle() -> None:
    network = build("dynamic-filter-networks", "dfn-steerable")
    assert network.filters(torch.tensor([0.0, 1.0])).shape == (2, 9, 9)
    assert network(torch.zeros(2, 1, 6, 7), torch.tensor([0.0, 1.0])).shape == (2, 1, 6, 7)
