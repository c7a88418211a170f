"""Networks that are the same although they look different, and networks that differ although they look the same."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from catalog.records import Peer, Subject
from catalog.verify import MeasurementError
from catalog.verify.parity import NetworksPartError, carry, compare, match, measure, ready

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = [3, 8, 8]


def conv(inputs: int, outputs: int, kernel: int = 3, **options: Any) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, **({"padding": kernel // 2} | options))


def head(channels: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 5)]


class Lambda(nn.Module):
    """Modules in whatever order a function calls them."""

    def __init__(self, forward: Callable[..., Tensor], **children: nn.Module | nn.Parameter) -> None:
        super().__init__()
        for name, child in children.items():
            setattr(self, name, child)
        self.function = forward

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


def plain(**changes: Any) -> nn.Sequential:
    """Convolutions, normalisation and activation, in which one thing after the other can be changed."""
    settings: dict[str, Any] = {"stride": 2, "bias": False, "eps": 1e-5, "act": nn.ReLU, "groups": 1, "padding": 1}
    settings |= {"dilation": 1, "norm": nn.BatchNorm2d, "last": nn.Identity, "width": 8, "padding_mode": "zeros"}
    settings |= changes
    width = settings["width"]
    return nn.Sequential(
        conv(3, 8),
        settings["act"](),
        conv(
            8,
            width,
            stride=settings["stride"],
            bias=settings["bias"],
            groups=settings["groups"],
            padding=settings["padding"],
            dilation=settings["dilation"],
            padding_mode=settings["padding_mode"],
        ),
        settings["norm"](width, eps=settings["eps"]),
        nn.ReLU(),
        conv(width, 8),
        nn.ReLU(),
        *head(8),
        settings["last"](),
    )


def assert_same(ours: nn.Module, theirs: nn.Module, size: list[int] = SIZE) -> None:
    measured = compare(ours, theirs, size)
    assert measured.keys() == {"outputs", "gradients"}
    assert 0 <= measured["outputs"] < 1e-12
    assert 0 <= measured["gradients"] < 1e-10


def parts_at(ours: nn.Module, theirs: nn.Module, size: list[int] = SIZE) -> str:
    with pytest.raises(NetworksPartError) as caught:
        compare(ours, theirs, size)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- The same ---------------------------------------------------------------------------------------------------------


def test_equal_networks_with_other_weights() -> None:
    torch.manual_seed(0)
    assert_same(plain(), plain())


def test_weights_are_carried_by_name() -> None:
    ours, theirs = plain().double().eval(), plain().double().eval()
    pairs = match(ours, theirs, torch.randn(1, *SIZE, dtype=torch.float64))
    assert {pair.ours for pair in pairs} == {
        name for name in ours.state_dict() if not name.endswith("num_batches_tracked")
    }
    assert all(pair.ours == pair.theirs for pair in pairs)
    for name, tensor in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], tensor)


@pytest.mark.parametrize("ours_first", [True, False])
@pytest.mark.parametrize("theirs_first", [True, False])
def test_shortcut_before_or_after_the_branch(ours_first: bool, theirs_first: bool) -> None:
    def block(shortcut_first: bool) -> nn.Module:
        def forward(self: Any, x: Tensor) -> Tensor:
            if shortcut_first:
                shortcut = self.shortcut(x)
                return shortcut + self.second(F.relu(self.first(x)))
            branch = self.second(F.relu(self.first(x)))
            return branch + self.shortcut(x)

        # Equal shapes: only what they give tells the layers apart.
        return Lambda(forward, first=conv(8, 8), second=conv(8, 8), shortcut=conv(8, 8))

    def network(shortcut_first: bool) -> nn.Module:
        return nn.Sequential(conv(3, 8), block(shortcut_first), nn.ReLU(), block(shortcut_first), *head(8))

    assert_same(network(ours_first), network(theirs_first))


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
@pytest.mark.parametrize("join", ["sum", "concatenate"])
def test_parallel_branches_that_look_alike(order: tuple[int, ...], join: str) -> None:
    def block(order: tuple[int, ...]) -> nn.Module:
        def forward(self: Any, x: Tensor) -> Tensor:
            found = {number: self.branches[number](x) for number in order}
            outputs = [found[number] for number in sorted(found)]
            return torch.cat(outputs, 1) if join == "concatenate" else outputs[0] + 2 * outputs[1] - outputs[2]

        branches = nn.ModuleList(nn.Sequential(conv(6, 4, 1), nn.ReLU(), conv(4, 6)) for _ in range(3))
        return Lambda(forward, branches=branches)

    def network(order: tuple[int, ...]) -> nn.Module:
        channels = 18 if join == "concatenate" else 6
        return nn.Sequential(conv(3, 6), block(order), conv(channels, 6), block(order), conv(channels, 6), *head(6))

    assert_same(network(order), network((0, 1, 2)))


def test_branches_that_look_alike_at_the_very_end() -> None:
    def network(first: str, second: str) -> nn.Module:
        def forward(self: Any, x: Tensor) -> Tensor:
            found = {name: getattr(self, name)(x) for name in (first, second)}
            return torch.cat([found["a"], found["b"]], 1)

        return nn.Sequential(conv(3, 4), nn.Flatten(), Lambda(forward, a=nn.Linear(256, 5), b=nn.Linear(256, 5)))

    assert_same(network("a", "b"), network("b", "a"))


def test_branches_that_differ_in_dilation_alone() -> None:
    def network(order: tuple[int, ...]) -> nn.Module:
        def forward(self: Any, x: Tensor) -> Tensor:
            return sum((getattr(self, f"rate{rate}")(x) * rate for rate in order), torch.zeros(()))

        rates = {f"rate{rate}": conv(4, 4, dilation=rate, padding=rate) for rate in order}
        return nn.Sequential(conv(3, 4), Lambda(forward, **rates), *head(4))

    assert_same(network((1, 2, 3)), network((3, 1, 2)))


def test_layer_that_is_used_twice() -> None:
    def network() -> nn.Module:
        def forward(self: Any, x: Tensor) -> Tensor:
            x = F.relu(self.norm(self.layer(x)))
            return F.relu(self.norm(self.layer(x)))

        return nn.Sequential(conv(3, 4), Lambda(forward, layer=conv(4, 4), norm=nn.BatchNorm2d(4)), *head(4))

    assert_same(network(), network())


def test_linear_layer_is_a_convolution_of_size_one() -> None:
    linear = nn.Sequential(
        conv(3, 6), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 5)
    )
    convolution = nn.Sequential(
        conv(3, 6), nn.AdaptiveAvgPool2d(1), conv(6, 4, 1), nn.ReLU(), conv(4, 5, 1), nn.Flatten()
    )
    assert_same(linear, copy.deepcopy(convolution))
    assert_same(convolution, linear)


def test_channels_last_inside() -> None:
    class Norm(nn.LayerNorm):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    def forward(self: Any, x: Tensor) -> Tensor:
        return self.layer(self.norm(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)

    ours = nn.Sequential(conv(3, 6), Lambda(forward, norm=nn.LayerNorm(6), layer=nn.Linear(6, 7)), *head(7))
    theirs = nn.Sequential(conv(3, 6), Norm(6), conv(6, 7, 1), *head(7))
    assert_same(ours, copy.deepcopy(theirs))
    assert_same(theirs, ours)


def test_peer_that_works_in_place() -> None:
    ours = plain()
    theirs = nn.Sequential(*(nn.ReLU(inplace=True) if isinstance(layer, nn.ReLU) else layer for layer in plain()))
    assert_same(ours, theirs)
    assert_same(nn.Sequential(nn.ReLU(), plain()), nn.Sequential(nn.ReLU(inplace=True), plain()))


def test_activation_inside_a_layer_of_the_peer() -> None:
    class NormAct(nn.BatchNorm2d):
        def __init__(self, channels: int) -> None:
            super().__init__(channels)
            self.act = nn.ReLU(inplace=True)

        def forward(self, x: Tensor) -> Tensor:
            return self.act(super().forward(x))

    theirs = nn.Sequential(conv(3, 8), NormAct(8), conv(8, 8), NormAct(8), *head(8))
    ours = nn.Sequential(
        *(conv(3, 8), nn.BatchNorm2d(8), nn.ReLU()), *(conv(8, 8), nn.BatchNorm2d(8), nn.ReLU()), *head(8)
    )
    assert_same(ours, theirs)
    ours[2] = nn.ELU()
    message = parts_at(ours, theirs)
    assert "no layer of the peer gets what ours 3 Conv2d" in message
    assert "ours takes the step 2 ELU(alpha=1.0)" in message


def test_layer_written_out_by_hand() -> None:
    class Norm(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.gamma, self.beta = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

        def forward(self, x: Tensor) -> Tensor:
            x = (x - x.mean(1, keepdim=True)) / (x.var(1, keepdim=True, unbiased=False) + 1e-5).sqrt()
            return x * self.gamma[:, None, None] + self.beta[:, None, None]

    def network(norm: Callable[[], nn.Module]) -> nn.Module:
        return nn.Sequential(conv(3, 8), norm(), nn.ReLU(), conv(8, 8), norm(), *head(8))

    # Statistics over channels are those of a group norm whose group is a pixel: of a layer norm with channels last.
    class Peer(nn.LayerNorm):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x.movedim(1, -1)).movedim(-1, 1)

    assert_same(network(lambda: Norm(8)), network(lambda: Peer(8)))


def test_batch_norm_written_out_by_hand() -> None:
    class Norm(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.gamma, self.beta = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
            self.register_buffer("constant", torch.zeros(3))  # no moving average, and nothing that a peer would have
            self.register_buffer("running_mean", torch.zeros(channels))
            self.register_buffer("running_var", torch.ones(channels))

        def forward(self, x: Tensor) -> Tensor:
            mean, variance = self.running_mean, self.running_var
            if self.training:
                variance, mean = torch.var_mean(x, (0, 2, 3), correction=0)
            x = (x - mean[:, None, None]) / (variance[:, None, None] + 1e-5).sqrt()
            return x * self.gamma[:, None, None] + self.beta[:, None, None]

    def network(norm: Callable[[int], nn.Module]) -> nn.Module:
        return nn.Sequential(conv(3, 8), norm(8), nn.ReLU(), conv(8, 8), norm(8), *head(8))

    assert_same(network(Norm), network(nn.BatchNorm2d))
    assert_same(network(nn.BatchNorm2d), network(Norm))
    assert_same(network(Norm), network(Norm))
    assert "do not fit" in parts_at(network(Norm), network(lambda channels: nn.GroupNorm(1, channels)))


def test_parameters_outside_of_layers() -> None:
    class Scale(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.gamma = nn.Parameter(torch.full((channels, 1, 1), 1e-6))

        def forward(self, x: Tensor) -> Tensor:
            return x * self.gamma

    def block(**scale: Any) -> nn.Module:
        def forward(self: Any, x: Tensor) -> Tensor:
            branch = self.layer(x)
            return x + (self.scale(branch) if scale else branch * self.gamma[:, None, None])

        return Lambda(forward, layer=conv(4, 4), **(scale or {"gamma": nn.Parameter(torch.full((4,), 1e-6))}))

    ours = nn.Sequential(conv(3, 4), *(block() for _ in range(3)), *head(4))
    theirs = nn.Sequential(conv(3, 4), *(block(scale=Scale(4)) for _ in range(3)), *head(4))
    assert_same(ours, copy.deepcopy(theirs))
    assert_same(theirs, ours)
    fewer = nn.Sequential(conv(3, 4), block(), block(), conv(4, 4), *head(4))
    assert "ours has parameters outside of layers, 1.gamma, 2.gamma" in parts_at(fewer, theirs)


def test_dropout_is_off_and_other_randomness_an_error() -> None:
    class DropPath(nn.Module):
        drop_prob: float

        def __init__(self) -> None:
            super().__init__()
            self.drop_prob = 0.5

        def forward(self, x: Tensor) -> Tensor:
            return x * (torch.rand(len(x), 1, 1, 1) >= self.drop_prob) if self.training and self.drop_prob else x

    noisy = nn.Sequential(conv(3, 4), nn.Dropout2d(0.5), DropPath(), *head(4), nn.Dropout(0.1))
    assert_same(nn.Sequential(conv(3, 4), *head(4)), noisy)

    def noise(self: nn.Module, x: Tensor) -> Tensor:
        return x + torch.rand_like(x) if self.training else x

    with pytest.raises(MeasurementError, match="Sequential is random in training mode even with p, drop_prob"):
        compare(nn.Sequential(conv(3, 4), *head(4)), nn.Sequential(conv(3, 4), Lambda(noise), *head(4)), SIZE)


def test_several_outputs() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = conv(3, 4), conv(4, 2)

        def forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
            x = self.first(x)
            return x, {"second": self.second(x)}

    assert_same(Two(), Two())


def test_deep_network_neither_vanishes_nor_explodes() -> None:
    def block() -> nn.Module:
        return Lambda(
            lambda self, x: x + self.layers(x), layers=nn.Sequential(conv(4, 4), nn.BatchNorm2d(4), nn.ReLU())
        )

    def network() -> nn.Module:
        return nn.Sequential(conv(3, 4), *(block() for _ in range(100)), *head(4))

    theirs = network()
    outputs: list[float] = []
    theirs[100].register_forward_hook(lambda *passed: outputs.append(passed[-1].std().item()))
    assert_same(network(), theirs)
    assert all(0.1 < output < 1e4 for output in outputs)


def test_weights_that_were_carried_over_are_copies() -> None:
    ours, theirs = plain().double().eval(), plain().double().eval()
    images = ready(ours, theirs, SIZE)
    carry(match(ours, theirs, images[:1]), ours, theirs)
    kept = copy.deepcopy(theirs.state_dict())
    for value in ours.state_dict().values():
        value.add_(1)
    assert all(torch.equal(value, kept[name]) for name, value in theirs.state_dict().items())


# --- Not the same -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "layer", "difference"),
    [
        ({"stride": 1}, "2 Conv2d", "stride (1, 1) here, (2, 2) there"),
        ({"bias": True}, "2 Conv2d", "bias [8] here, none there"),
        ({"eps": 1e-3}, "3 BatchNorm2d", "eps 0.001 here, 1e-05 there"),
        ({"groups": 2}, "2 Conv2d", "weight [8, 4, 3, 3] here, [8, 8, 3, 3] there, groups 2 here, 1 there"),
        ({"padding": 0}, "2 Conv2d", "padding (0, 0) here, (1, 1) there"),
        ({"dilation": 2, "padding": 2}, "2 Conv2d", "padding (2, 2) here, (1, 1) there, dilation (2, 2) here"),
        ({"padding_mode": "reflect"}, "2 Conv2d", "padding_mode reflect here, zeros there"),
        ({"width": 9}, "2 Conv2d", "weight [9, 8, 3, 3] here, [8, 8, 3, 3] there"),
        ({"norm": nn.InstanceNorm2d}, "5 Conv2d", "ours takes the step 3 InstanceNorm2d"),
        ({"act": nn.ELU}, "2 Conv2d", "ours takes the step 1 ELU(alpha=1.0), and the peer takes 1 ReLU() at the same"),
        ({"act": nn.Identity}, "2 Conv2d", "it gets what 0 Conv2d(3, 8"),
        ({"act": nn.ReLU6}, "2 Conv2d", "ours takes the step 1 ReLU6"),
    ],
)
def test_parts_at_the_first_difference(change: dict[str, Any], layer: str, difference: str) -> None:
    # Among so many pixels some are above 6, where ReLU6 is flat.
    message = parts_at(plain(**change), plain(), [3, 64, 64])
    assert f"ours {layer}" in message
    assert difference in message
    # The other way round it is as wrong.
    parts_at(plain(), plain(**change), [3, 64, 64])


def test_functional_activation_of_the_peer_that_differs() -> None:
    theirs = nn.Sequential(conv(3, 4), Lambda(lambda self, x: F.gelu(x)), conv(4, 4), *head(4))
    message = parts_at(nn.Sequential(conv(3, 4), nn.GELU("tanh"), conv(4, 4), *head(4)), theirs)
    assert "no layer of the peer gets what ours 2 Conv2d" in message
    assert "ours takes the step 1 GELU(approximate='tanh')" in message
    assert "the last layers that agree are ours 0 and the peer's 0" in message


def test_layer_too_many_and_too_few() -> None:
    ours = nn.Sequential(conv(3, 4), conv(4, 4), *head(4))
    theirs = nn.Sequential(conv(3, 4), conv(4, 4), conv(4, 4), *head(4))
    assert "ours 4 Linear" in parts_at(ours, copy.deepcopy(theirs))
    assert "do not fit: kind Conv2d here, Linear there" not in parts_at(ours, copy.deepcopy(theirs))
    assert "ours 2 Conv2d" in parts_at(theirs, ours)


def test_second_use_that_the_peer_gives_to_another_layer() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        return self.layer(F.relu(self.layer(x)))

    ours = nn.Sequential(conv(3, 4), Lambda(forward, layer=conv(4, 4)), *head(4))
    theirs = nn.Sequential(conv(3, 4), conv(4, 4), nn.ReLU(), conv(4, 4), *head(4))
    assert "ours 1.layer Conv2d" in parts_at(ours, theirs)
    assert "ours 3 Conv2d" in parts_at(theirs, ours)


def test_branch_too_many() -> None:
    def network(branches: int) -> nn.Module:
        def forward(self: Any, x: Tensor) -> Tensor:
            return sum((branch(x) for branch in self.branches), torch.zeros(()))

        layers = nn.ModuleList(conv(4, 4) for _ in range(branches))
        return nn.Sequential(conv(3, 4), Lambda(forward, branches=layers), *head(4))

    assert "ours 1.branches.2 Conv2d" in parts_at(network(3), network(2))
    assert "is one too many" in parts_at(network(3), network(2))
    parts_at(network(2), network(3))


def test_layers_that_are_not_called() -> None:
    def network(**idle: nn.Module) -> nn.Module:
        return Lambda(lambda self, x: self.layers(x), layers=nn.Sequential(conv(3, 4), *head(4)), **idle)

    assert "the peer's auxiliary Linear" in parts_at(network(), network(auxiliary=nn.Linear(2, 2)))
    assert "is never called in evaluation mode" in parts_at(network(), network(auxiliary=nn.Linear(2, 2)))
    assert "ours auxiliary Linear(" in parts_at(network(auxiliary=nn.Linear(2, 2)), network())


def test_weights_that_two_layers_share() -> None:
    def network(tie: bool) -> nn.Module:
        layers = nn.Sequential(conv(3, 3), nn.ReLU(), conv(3, 3), *head(3))
        if tie:
            layers[2].weight = layers[0].weight
        return layers

    assert_same(network(True), network(True))
    message = parts_at(network(False), network(True))
    assert "ours has 188 parameters, the peer 107" in message


def test_what_follows_the_last_layer_is_measured() -> None:
    measured = compare(plain(last=nn.Softplus), plain(), SIZE)
    assert measured["outputs"] > 1e-3
    assert measured["gradients"] > 1e-3


@pytest.mark.parametrize("last", [lambda x: (-x.abs()).log(), torch.zeros_like])
def test_outputs_that_show_nothing_measure_as_no_number(last: Callable[[Tensor], Tensor]) -> None:
    def network() -> nn.Module:
        return nn.Sequential(conv(3, 4), *head(4), Lambda(lambda self, x: last(x) + 0 * x))

    assert math.isnan(compare(network(), network(), SIZE)["outputs"])


def test_gradient_that_is_no_number_is_not_lost_among_others() -> None:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        # Finite, with a gradient of 0 / 0 where the square root begins.
        return x + 0 * (x - x.detach()).abs().sqrt() if self.training else x

    def network() -> nn.Module:
        return nn.Sequential(conv(3, 4), Lambda(forward), *head(4))

    measured = compare(network(), network(), SIZE)
    assert measured["outputs"] < 1e-12
    assert math.isnan(measured["gradients"])


def test_other_sizes_of_output() -> None:
    measured = "ours gives outputs of [1024] numbers, the peer of [256]"
    assert parts_at(nn.Sequential(conv(3, 4)), nn.Sequential(conv(3, 4), nn.MaxPool2d(2))) == measured


def test_difference_in_training_mode_alone() -> None:
    """Equal in evaluation mode, equal outputs in training mode: only the gradient tells."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        return x.detach() + 0.5 * (x - x.detach()) if self.training else x

    measured = compare(nn.Sequential(conv(3, 4), Lambda(forward), *head(4)), nn.Sequential(conv(3, 4), *head(4)), SIZE)
    assert measured["outputs"] < 1e-12
    assert measured["gradients"] == pytest.approx(0.5)


def test_networks_that_nothing_matches_end_soon() -> None:
    def network(stride: int) -> nn.Module:
        def forward(self: Any, x: Tensor) -> Tensor:
            return torch.cat([branch(x) for branch in self.branches], 1)

        def block() -> nn.Module:
            return Lambda(forward, branches=nn.ModuleList(conv(16, 2) for _ in range(8)))

        return nn.Sequential(conv(3, 16), *(block() for _ in range(4)), conv(16, 16, stride=stride), *head(16))

    theirs = network(1)
    forwards: list[int] = []
    ours = network(2)
    ours[0].register_forward_hook(lambda *_: forwards.append(1))
    assert "stride (2, 2) here, (1, 1) there" in parts_at(ours, theirs)
    assert len(forwards) < 200


# --- The real peers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("library", "model", "changes"),
    [
        ("timm", "legacy_xception", {}),
        ("pytorchcv", "xception", {"features.final_block.pool.kernel_size": 3}),
    ],
)
def test_xception(library: str, model: str, changes: dict[str, Any]) -> None:
    subject = Subject(variant="xception", input=[3, 75, 75])
    peer = Peer.model_validate({"library": library, "model": model, "set": changes})
    measured = measure("xception", subject, peer)
    assert measured["outputs"] < 1e-13
    assert measured["gradients"] < 1e-12
    assert torch.get_default_dtype() is torch.float32
