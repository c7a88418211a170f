"""The errors that people make with DRN, each made on purpose: a claim must turn red."""

from __future__ import annotations

import pytest
import torch

from catalog import Library
from catalog.records import Status
from catalog.verify.runner import verify
from reproductions import build
from reproductions.dilated_residual_networks import dense_class_map
from tests.reproductions.broken import CHEAP, red_claims

# An error, what is changed into what, and one claim that must notice. No peer is needed.
# fmt: off
ERRORS = {
    # DRN-A
    "all layers of a stage are dilated": (
        "                dilate(layer, dilation)\n                if layer.stride != (1, 1):\n"
        "                    layer.stride = (1, 1)\n                    dilation *= 2\n",
        "                if layer.stride != (1, 1):\n                    layer.stride = (1, 1)\n"
        "                    dilation *= 2\n                dilate(layer, dilation)\n", "finer-grid"),
    "the whole first block is undilated": (
        "                dilate(layer, dilation)\n                if layer.stride != (1, 1):\n"
        "                    layer.stride = (1, 1)\n                    dilation *= 2\n",
        "                dilate(layer, dilation)\n                wider = dilation * max(layer.stride)\n"
        "                layer.stride = (1, 1)\n            dilation = wider\n", "finer-grid"),
    "dilation grows by 2": ("dilation *= 2", "dilation += 2", "finer-grid"),
    "no dilation": ("dilation *= 2", "dilation *= 1", "finer-grid"),
    "shortcuts keep their strides": ("convolutions(block.shortcut)", "convolutions()", "finer-grid"),
    "one stage": ("network.stages[-2:]", "network.stages[-1:]", "finer-grid"),
    "three stages": ("network.stages[-2:]", "network.stages[-3:]", "macs-drn-a-50"),
    "padding of 1": ("dilation * (side // 2) for", "(side // 2) for", "finer-grid"),
    "stride in the 1x1": ("stride_in_1x1=False))", "stride_in_1x1=True))", "macs-drn-a-50"),
    # Maps
    "classifier without bias": ("[:, :, None, None], classifier.bias", "[:, :, None, None]", "class-maps"),
    "map of features": ("return F.conv2d(nn", "return (nn", "class-maps"),
    # Degridding
    "grid in one direction": ("(-dilation, 0, dilation)", "(0, dilation)", "gridding"),
    "grid without its middle": ("(-dilation, 0, dilation)", "(-dilation, dilation)", "gridding"),
    "shortcuts in DRN-C": ('"C": (BasicBlock, without_shortcut)', '"C": (BasicBlock, BasicBlock)', "bypass"),
    "no shortcuts in DRN-B": ('"B": (BasicBlock, BasicBlock)', '"B": (BasicBlock, without_shortcut)', "bypass"),
    "no shortcuts in the first levels": (
        '"C": (BasicBlock, without_shortcut)', '"C": (without_shortcut, without_shortcut)', "levels"),
    "unused projection": (
        "without_shortcut = partial(BasicBlock, shortcut=None)",
        "without_shortcut = partial(BasicBlock, shortcut=resnet.option_b)", "parameters-drn-c-58"),
    "dilation does not decrease": ("2, 4, 2, 1)\n\n\nclass", "2, 4, 4, 4)\n\n\nclass", "levels"),
    "levels keep their strides": ("STRIDES = (1, 2, 2, 2, 1, 1", "STRIDES = (1, 2, 2, 2, 2, 2", "levels"),
    "stem with a stride": ("3, inputs, 7, padding=3", "3, inputs, 7, stride=2, padding=3", "levels"),
    "stem of 64 channels": ("(16, 32, *inner", "(64, 64, *inner", "parameters-drn-c-26"),
    "wide levels behind bottlenecks": ("*inner, 512, 512)", "*inner, inner[-1], inner[-1])", "parameters-drn-c-58"),
    "bottleneck with its stride in the 1x1": (
        "bottleneck = partial(Bottleneck, stride_in_1x1=False)", "bottleneck = Bottleneck", "levels"),
    "blocks in DRN-D": ('"D": (single_layer, single_layer)', '"D": (BasicBlock, single_layer)', "levels-drn-d"),
    "no initialisation": ("        initialise(self)\n", "", "initialisation"),
    "stem without ReLU": ("7, padding=3)", "7, padding=3)[:-1]", "forward-pass"),
    "layers without ReLU": (
        "3, stride=stride, padding=1)", "3, stride=stride, padding=1)[:-1]", "forward-pass"),
    "maximum for mean": ("nn.AdaptiveAvgPool2d(1)", "nn.AdaptiveMaxPool2d(1)", "forward-pass"),
    "classes ignored": ("classes=classes, stride", "classes=10, stride", "parameters-drn-a-18"),
}

# fmt: on


@pytest.mark.parametrize(("old", "new", "claim"), ERRORS.values(), ids=ERRORS)
def test_an_error_turns_a_claim_red(old: str, new: str, claim: str) -> None:
    assert red_claims("dilated_residual_networks", old, new, claims=[claim]) == {claim}


def test_without_an_error_nothing_is_red() -> None:
    report = verify(Library.load()["dilated-residual-networks"], tiers=CHEAP)
    assert not [(claim.id, claim.reason) for claim in report.claims if claim.status is Status.FAILED]


@pytest.mark.parametrize("variant", ["drn-a-50", "drn-b-26", "drn-c-58", "drn-d-54"])
def test_networks_give_scores_for_the_image_and_for_every_eighth_pixel(variant: str) -> None:
    with torch.device("meta"):
        network, images = build("dilated-residual-networks", variant, classes=7).eval(), torch.empty(2, 3, 224, 160)
        assert network(images).shape == (2, 7)
        assert dense_class_map(network, images).shape == (2, 7, 28, 20)
