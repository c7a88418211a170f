"""The errors that people make with low-rank expansions, each made on purpose: a claim must turn red."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from catalog import Library
from catalog.records import Status
from catalog.verify.runner import verify
from reproductions import build, variants
from reproductions.low_rank_expansions import Scheme2Conv, cost, fit_data, fit_filters
from tests.reproductions.broken import broken, red_claims

# An error, what is changed into what, and one claim that must notice.
# fmt: off
ERRORS = {
    # The layers
    "rows first": ("""nn.Conv2d(inputs, rank, (kernel, 1), padding=(padding, 0), bias=False),
            nn.Conv2d(rank, outputs, (1, kernel), padding=(0, padding))""",
                   """nn.Conv2d(inputs, rank, (1, kernel), padding=(0, padding), bias=False),
            nn.Conv2d(rank, outputs, (kernel, 1), padding=(padding, 0))""", "columns-first"),
    "rows first in scheme 1": ("""nn.Conv2d(inputs, responses, (kernel, 1), groups=inputs, bias=False),
            nn.Conv2d(responses, responses, (1, kernel), groups""",
                               """nn.Conv2d(inputs, responses, (1, kernel), groups=inputs, bias=False),
            nn.Conv2d(responses, responses, (kernel, 1), groups""", "columns-first"),
    "a nonlinearity between": (
        "padding=(padding, 0), bias=False),", "padding=(padding, 0), bias=False), nn.ReLU(),", "filter-error"),
    "a bias in between": ("padding=(padding, 0), bias=False)", "padding=(padding, 0))", "biases"),
    "a bias on the basis": ("groups=responses, bias=False", "groups=responses", "parameters-scheme1"),
    "a basis across channels": ("(kernel, 1), groups=inputs,", "(kernel, 1),", "parameters-scheme1"),
    "rows that mix responses": ("(1, kernel), groups=responses,", "(1, kernel),", "costs"),
    "padding on the wrong side": ("padding=(padding, 0)", "padding=(0, padding)", "other-sizes"),
    # Costs
    "recombination forgotten": (" + outputs * after**2)", ")", "costs"),
    "columns on the small map": ("rank * inputs * kernel * side * after +", "rank * inputs * kernel * after**2 +",
                                 "speed-ups"),
    "rows on the large map": ("outputs * rank * kernel * after**2", "outputs * rank * kernel * side * after", "costs"),
    "output of the input's side": ("after = side - kernel + 1", "after = side", "costs"),
    "filters counted once": ("return outputs * inputs * kernel**2", "return inputs * kernel**2", "speed-ups"),
    # Fitting filters
    "taps mixed up": ("permute(1, 2, 0, 3)", "permute(1, 3, 0, 2)", "filter-error"),
    "channels and filters mixed up": ("permute(1, 2, 0, 3)", "permute(0, 2, 1, 3)", "filter-error"),
    "smallest singular values": ("u[:, :rank] * root", "u[:, -rank:] * root", "filter-error"),
    "singular values squared": ("root[:, None] * vh", "s[:rank, None] * vh", "filter-error"),
    "singular values left out": ("(u[:, :rank] * root)", "u[:, :rank]", "filter-error"),
    "rank one less": ("root = s[:rank].sqrt()", "rank -= 1; root = s[:rank].sqrt()", "filter-error"),
    "bias forgotten": ("0 if conv.bias is None else conv.bias", "0", "filter-error"),
    "padding forgotten": ("len(columns), padding)", "len(columns))", "other-sizes"),
    # Fitting responses
    "rows only": ("columns = _solve(normal", "_ = _solve(normal", "alternating-least-squares"),
    "columns only": ("rows = _solve(normal", "_ = _solve(normal", "alternating-least-squares"),
    "images ignored": ("(patches.T @ patches)", "torch.eye(patches.shape[1]).double()", "alternating-least-squares"),
    "one image only": ("F.unfold(x.double()", "F.unfold(x[:1].double()", "alternating-least-squares"),
    "patches without padding": (
        "conv.kernel_size, padding=conv.padding", "conv.kernel_size", "alternating-least-squares"),
    "one alternation": ("range(alternations)", "range(1)", "alternating-least-squares"),
    "always six alternations": ("range(alternations)", "range(6)", "response-fit"),
    "images taken to say everything": (
        "inverse = torch.linalg.pinv(normal.reshape(size, size), hermitian=True)",
        "inverse = torch.linalg.inv(normal.reshape(size, size))", "alternating-least-squares"),
    "rounded too early": (
        "wanted = torch.einsum(\"cijCIJ", "moments = moments.bfloat16().double()\n    wanted = torch.einsum(\"cijCIJ",
        "alternating-least-squares"),
    # The network
    "padded": ("nn.Conv2d(48, 128, 9)", "nn.Conv2d(48, 128, 9, padding=4)", "stages"),
    "maxout of two in the last layer": (
        "nn.Conv2d(128, 4 * classes, 1), Maxout(4)", "nn.Conv2d(128, 2 * classes, 1), Maxout(2)", "parameters"),
    "ReLU for maxout": ("nn.Conv2d(1, 96, 9), Maxout(2)", "nn.Conv2d(1, 48, 9), nn.ReLU()", "parameters"),
    "background forgotten": ("classes: int = 37", "classes: int = 36", "parameters"),
    "no bias": ("nn.Conv2d(64, 512, 8)", "nn.Conv2d(64, 512, 8, bias=False)", "parameters"),
    "ranks exchanged": ("rank2, rank3 = ranks", "rank3, rank2 = ranks", "macs-scheme2-at-other-ranks"),
    "ranks ignored": ("ranks or usual", "usual", "macs-scheme2-at-other-ranks"),
    "schemes exchanged": ("(Scheme1Conv, (9, 8))", "(Scheme2Conv, (9, 8))", "parameters-scheme1"),
}
# fmt: on


@pytest.mark.parametrize(("old", "new", "claim"), ERRORS.values(), ids=ERRORS)
def test_an_error_turns_a_claim_red(old: str, new: str, claim: str) -> None:
    assert red_claims("low_rank_expansions", old, new, claims=[claim]) == {claim}


@pytest.mark.parametrize(
    ("old", "new"),
    [("(-1, self.pieces)).amax(2)", "(self.pieces, -1)).amax(1)"), ("amax(2)", "mean(2)"), ("amax(2)", "amin(2)")],
    ids=["channels that lie apart", "mean", "minimum"],
)
def test_an_error_in_maxout_turns_a_claim_red(old: str, new: str) -> None:
    with broken("maxout", old, new):
        report = verify(Library.load()["low-rank-expansions"], claims=["maxout", "written-out"])
    assert [claim.status for claim in report.claims] == [Status.FAILED] * 2


@pytest.mark.parametrize("variant", variants("low-rank-expansions"))
@pytest.mark.parametrize("classes", [37, 26])
def test_every_variant_gives_one_number_a_class(variant: str, classes: int) -> None:
    with torch.device("meta"):
        assert build("low-rank-expansions", variant, classes=classes)(torch.empty(2, 1, 24, 24)).shape == (2, classes)


def test_ranks_are_those_of_conv2_and_conv3() -> None:
    with torch.device("meta"):
        network = build("low-rank-expansions", "charnet-scheme1", ranks=(2, 3))
    assert [network.conv2[0][0].out_channels, network.conv3[0][0].out_channels] == [48 * 2, 64 * 3]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_fitted_layer_has_the_type_of_the_layer_it_replaces_and_can_be_trained(dtype: torch.dtype) -> None:
    conv, x = nn.Conv2d(3, 4, 3, padding=1, dtype=dtype), torch.randn(2, 3, 6, 6, dtype=dtype)
    for layer in (fit_filters(conv, 2), fit_data(conv, x, 2)):
        assert isinstance(layer, Scheme2Conv)
        assert layer(x).dtype == dtype
        layer(x).sum().backward()
        assert all(parameter.grad is not None for parameter in layer.parameters())
        assert conv.weight.grad is None


def test_images_that_leave_a_channel_dark_are_fitted_too() -> None:
    torch.manual_seed(0)
    conv, x = nn.Conv2d(3, 4, 3, dtype=torch.float64), torch.rand(2, 3, 8, 8, dtype=torch.float64)
    x[:, 1] = 0
    with torch.no_grad():
        errors = [(fit_data(conv, x, 3, alternations=count)(x) - conv(x)).square().sum() for count in (0, 1, 6)]
    assert errors[0] > errors[1] > errors[2]


def test_an_unknown_scheme_is_named() -> None:
    with pytest.raises(ValueError, match="no scheme 'scheme3'"):
        cost("scheme3", 1, 1, 1, 1)
