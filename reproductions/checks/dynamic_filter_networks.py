"""Measurements of dynamic filter networks that no count on a single network gives."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reproductions.checks.measuring import count_parameters, distance, normal
from reproductions.dynamic_filter_networks import (
    DFN,
    SteerableFilter,
    build,
    conv,
    dynamic_conv,
    dynamic_local_filter,
    loss,
    rollout,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from catalog.verify.training import Run

Module = TypeVar("Module", bound=nn.Module)

PREDICTORS = ("dfn-moving-mnist", "dfn-moving-mnist-bias", "baseline-moving-mnist")

# --- Structure -------------------------------------------------------------------------------------------------------


def filters_for_a_frame() -> dict[str, list[int]]:
    """Sizes of what the generators make for one frame of 64x64, of the hidden state and of the predicted frame."""
    sizes = {}
    for variant in PREDICTORS:
        with torch.device("meta"):
            network, frame = build(variant), torch.empty(1, 1, 64, 64)
        generated, hidden = network.generator(frame, None)
        sizes |= {variant: list(generated.shape[1:]), f"{variant}_hidden": list(hidden.shape[1:])}
        sizes[f"{variant}_frame"] = list(network(frame)[0].shape[1:])
    return sizes | {"steerable": list(SteerableFilter().filters(torch.zeros(1)).shape[1:])}


def other_experiments() -> dict[str, int]:
    """Parameters of the released networks for highway driving and for stereo prediction, layer by layer.

    One layer of each has a bias of its own for each of its 32x64x64 or 128x32x32 outputs.
    """
    highway = [conv(2, 32), conv(32, 32, stride=2), conv(32, 64), conv(64, 64), conv(64, 64), conv(64, 64)]
    highway += [conv(64, 64), conv(64, 32), conv(32, 64), conv(64, 128, 1), nn.Conv2d(128, 122, 1)]
    stereo = [conv(1, 32), conv(32, 32, stride=2), conv(32, 64), conv(64, 64), conv(64, 128)]
    stereo += [conv(128, 64), conv(64, 64), conv(64, 64), conv(64, 64), conv(64, 128, 1), nn.Conv2d(128, 14, 1)]
    highway_dfn = count_parameters(*highway) - 32 + 32 * 64 * 64
    stereo_dfn = count_parameters(*stereo) - 128 + 128 * 32 * 32
    return {
        "highway_dfn": highway_dfn,
        "highway_baseline": highway_dfn + count_parameters(nn.Conv2d(122, 1, 1)),
        "stereo_dfn": stereo_dfn,
        "stereo_baseline": stereo_dfn + count_parameters(nn.Conv2d(14, 1, 1)),
    }


# --- The dynamic layers ----------------------------------------------------------------------------------------------


def displacement() -> dict[str, float]:
    """Local filters with one tap each against shifts and indexing, both with zeros beyond the border.

    ``mirrored`` has the taps the other way round, as a convolution in the strict sense would.
    """
    x = normal(2, 3, 8, 9)
    padded = F.pad(x, (2, 2, 2, 2))
    measured = {"shifts": 0.0, "mirrored": 0.0}
    for tap in range(25):
        down, right = tap // 5, tap % 5
        y = dynamic_local_filter(x, _one_hot(torch.full((2, 8, 9), tap)))
        measured["shifts"] = max(measured["shifts"], distance(y, padded[:, :, down : down + 8, right : right + 9]))
        mirrored = padded[:, :, 4 - down : 12 - down, 4 - right : 13 - right]
        measured["mirrored"] = max(measured["mirrored"], distance(y, mirrored))
    taps = torch.randint(25, (2, 8, 9), generator=torch.Generator().manual_seed(1))
    rows = torch.arange(8)[None, :, None] + taps // 5
    columns = torch.arange(9)[None, None] + taps % 5
    wanted = torch.stack([padded[image][:, rows[image], columns[image]] for image in range(2)])
    return measured | {"positions": distance(dynamic_local_filter(x, _one_hot(taps)), wanted)}


def bilinear_sampling() -> dict[str, float]:
    """Filters of the bilinear weights of a rotation by 5 degrees against torch's grid_sample, away from the border.

    ``nearest`` has the whole weight at the nearest neighbour; ``compared`` is the share of the positions.
    """
    x, side, k = normal(1, 2, 16, 16), 16, 5
    turn = torch.tensor(math.radians(5), dtype=torch.float64)
    matrix = torch.stack([torch.stack([turn.cos(), -turn.sin()]), torch.stack([turn.sin(), turn.cos()])])
    grid = F.affine_grid(F.pad(matrix, (0, 1))[None], [1, 1, side, side], align_corners=True)
    sampled = F.grid_sample(x, grid, mode="bilinear", align_corners=True)

    at = (grid[0].flip(-1) + 1) / 2 * (side - 1)  # row and column that each position looks at
    corner = at.floor()
    share = at - corner
    origin = torch.stack(torch.meshgrid(*2 * [torch.arange(side)], indexing="ij"), dim=-1)
    filters = torch.zeros(1, k * k, side, side, dtype=torch.float64)
    nearest = torch.zeros_like(filters)
    for down in (0, 1):
        for right in (0, 1):
            tap = (corner + torch.tensor([down, right]) - origin + k // 2).long()
            vertical = share[..., 0] if down else 1 - share[..., 0]
            horizontal = share[..., 1] if right else 1 - share[..., 1]
            index = (tap[..., 0] * k + tap[..., 1])[None, None]
            filters.scatter_add_(1, index, (vertical * horizontal)[None, None])
            nearest.scatter_add_(1, index, ((vertical > 0.5) & (horizontal > 0.5)).double()[None, None])
    inside = ((corner >= 0) & (corner <= side - 2)).all(dim=-1)
    return {
        "bilinear": distance(dynamic_local_filter(x, filters)[..., inside], sampled[..., inside]),
        "nearest": distance(dynamic_local_filter(x, nearest)[..., inside], sampled[..., inside]),
        "compared": float(inside.double().mean()),
    }


def same_filter_everywhere() -> dict[str, float]:
    """Dynamic convolution against one convolution an image, and local filters that are the same at all positions."""
    measured = {}
    for k in (3, 5):
        x, filters = normal(3, 2, 7, 9), normal(3, k, k, seed=k)
        y = dynamic_conv(x, filters)
        images = [F.conv2d(i[:, None], f[None, None], padding=k // 2)[:, 0] for i, f in zip(x, filters, strict=True)]
        everywhere = filters.flatten(1)[..., None, None].expand(-1, -1, 7, 9)
        measured[f"one_by_one_{k}"] = distance(y, torch.stack(images))
        measured[f"everywhere_{k}"] = distance(y, dynamic_local_filter(x, everywhere))
        measured[f"of_another_image_{k}"] = distance(y, dynamic_conv(x, filters.roll(1, 0)))
    return measured


def unfold() -> dict[str, float]:
    """Local filtering against weighted sums of torch's unfold, and of convolutions with a one-hot kernel for each tap.

    The latter is how the authors' own layer does it.
    """
    measured = {}
    for k in (3, 9):
        x, filters = normal(2, 1, 12, 10), normal(2, k * k, 12, 10, seed=k)
        patches = F.unfold(x, k, padding=k // 2).view(2, k * k, 12, 10)
        one_hot = torch.eye(k * k, dtype=torch.float64).view(k * k, 1, k, k)
        y = dynamic_local_filter(x, filters)
        measured[f"unfold_{k}"] = distance(y, (patches * filters).sum(1, keepdim=True))
        measured[f"one_hot_kernels_{k}"] = distance(
            y, (F.conv2d(x, one_hot, padding=k // 2) * filters).sum(1, keepdim=True)
        )
    return measured


def convex_combination() -> dict[str, float]:
    """A random network with softmax on a random frame from 0 to 1 and on a constant one.

    ``constant`` leaves out the border, where zeros mix in, and ``at_the_border`` is the largest change there.
    """
    torch.manual_seed(0)
    network = _randomise(build("dfn-moving-mnist"))
    frame = torch.rand(2, 1, 16, 16, dtype=torch.float64)
    with torch.no_grad():
        generated, _ = network.generator(frame, None)
        predicted, _ = network(frame)
        constant, _ = network(torch.full_like(frame, 0.7))
        filters = dynamic_local_filter(torch.ones_like(frame), generated, softmax=True)[..., 4:-4, 4:-4]
        without = dynamic_local_filter(frame, generated)
    return {
        "sum": distance(filters, torch.ones_like(filters)),
        "smallest": float(predicted.min()),
        "largest": float(predicted.max()),
        "largest_without_softmax": float(without.abs().max()),
        "constant": distance(constant[..., 4:-4, 4:-4], torch.full((2, 1, 8, 8), 0.7, dtype=torch.float64)),
        "at_the_border": distance(constant, torch.full_like(constant, 0.7)),
    }


def gradients() -> dict[str, float]:
    """Whether the gradients with respect to images and filters agree with finite differences, and the smallest."""
    x = normal(2, 1, 6, 6).requires_grad_()
    local = normal(2, 9, 6, 6, seed=1).requires_grad_()
    shared = normal(2, 3, 3, seed=2).requires_grad_()
    measured: dict[str, float] = {}
    layers: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], Tensor]] = {
        "local": (dynamic_local_filter, local),
        "local_softmax": (lambda image, filters: dynamic_local_filter(image, filters, softmax=True), local),
        "shared": (dynamic_conv, shared),
    }
    for name, (layer, filters) in layers.items():
        measured[name] = int(torch.autograd.gradcheck(layer, (x, filters), raise_exception=False))
        found = torch.autograd.grad(layer(x, filters).pow(2).sum(), (x, filters))
        measured[f"{name}_smallest"] = min(float(gradient.abs().max()) for gradient in found)
    return measured


# --- The networks ----------------------------------------------------------------------------------------------------


def one_step() -> dict[str, float]:
    """Differences between a step of each predictor and its layers written out, in the frame and in the hidden state."""
    torch.manual_seed(0)
    frame, hidden = torch.rand(2, 1, 12, 12, dtype=torch.float64), normal(2, 128, 6, 6)
    measured = {}
    with torch.no_grad():
        for variant in PREDICTORS:
            network = _randomise(build(variant))
            for name, before in (("first", None), ("later", hidden)):
                predicted, after = network(frame, before)
                generated, wanted = _generated(
                    network.generator, frame, torch.zeros_like(hidden) if before is None else before
                )
                measured[f"{variant}_{name}_hidden"] = distance(after, wanted)
                measured[f"{variant}_{name}"] = distance(predicted, _predicted(network, frame, generated))
    return measured


def rolling_out() -> dict[str, float]:
    """What a network is shown over ten given and ten predicted frames, and what of its outputs is kept."""
    torch.manual_seed(0)
    network = _randomise(build("dfn-moving-mnist-bias"))
    shown, given, outputs = [], [], []

    def note(_: nn.Module, inputs: tuple[Tensor, Tensor | None], output: tuple[Tensor, Tensor]) -> None:
        shown.append(inputs[0])
        given.append(inputs[1])
        outputs.append(output)

    network.register_forward_hook(note)
    frames = torch.rand(1, 10, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        predictions = rollout(network, frames, 10)
    frames_out = torch.cat([frame for frame, _ in outputs], 1)
    states = torch.stack([state for _, state in outputs[:-1]])
    return {
        "steps": len(shown),
        "predictions": predictions.shape[1],
        "given_frames": distance(torch.cat(shown[:10], 1), frames),
        "own_predictions": distance(torch.cat(shown[10:], 1), predictions[:, :-1]),
        "kept": distance(predictions, frames_out[:, 9:]),
        "first_state": int(given[0] is not None),
        "states": distance(torch.stack(given[1:]), states),
        "one_frame": rollout(network, frames[:, :1], 2).shape[1],
    }


def cross_entropy() -> dict[str, float]:
    """The loss of a random prediction against the formula, and of the worst one, in float32 and for each frame."""
    predictions, frames = normal(2, 3, 4, 4).sigmoid(), (normal(2, 3, 4, 4, seed=1) > 0).double()
    formula = -(frames * predictions.log() + (1 - frames) * (1 - predictions).log()).mean()
    frames_of_zero, ones = torch.zeros(1, 1, 64, 64), torch.ones(1, 1, 64, 64)
    return {
        "difference": distance(loss(predictions, frames), formula),
        "worst": float(loss(ones, frames_of_zero)),
        "worst_the_other_way": float(loss(frames_of_zero, ones)),
        "blank_for_a_frame": float(loss(torch.full((1, 1, 64, 64), 0.5), ones)) * 4096,
    }


def steering() -> dict[str, float]:
    """The filters for angles written out; and as the released network has it, with the angle at every position."""
    torch.manual_seed(0)
    network = _randomise(build("dfn-steerable"))
    angles, images = torch.rand(3, dtype=torch.float64) * 6, normal(3, 1, 12, 12)
    first, second, last = (layer for layer in network.modules() if isinstance(layer, nn.Conv2d))
    with torch.no_grad():
        z = F.leaky_relu(angles[:, None] @ first.weight.flatten(1).T + first.bias, 0.01)
        z = F.leaky_relu(z @ second.weight.flatten(1).T + second.bias, 0.01)
        filters = z @ last.weight.flatten(1).T + last.bias
        everywhere = network.generator(angles[:, None, None, None].expand(3, 1, 12, 12))
        return {
            "filters": distance(network.filters(angles), filters.view(3, 9, 9)),
            "at_every_position": distance(network(images, angles), dynamic_local_filter(images, everywhere)),
            "between_angles": distance(filters[0], filters[1]),
        }


# --- Written out, by functions alone ---------------------------------------------------------------------------------


def _generated(generator: nn.Module, frame: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
    layers = [layer for layer in generator.modules() if isinstance(layer, nn.Conv2d)]
    encoder, recurrent, decoder, last = layers[:5], layers[5:7], layers[7:12], layers[12]

    def activated(x: Tensor, layer: nn.Conv2d, stride: int = 1) -> Tensor:
        x = F.conv2d(x, layer.weight, layer.bias, stride, layer.weight.shape[-1] // 2)
        return x.maximum(0.01 * x)

    for position, layer in enumerate(encoder):
        frame = activated(frame, layer, 2 if position == 1 else 1)
    for layer in recurrent:
        hidden = activated(hidden, layer)
    hidden = x = frame + hidden
    for position, layer in enumerate(decoder):
        if position == 2:
            x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
        x = activated(x, layer)
    return F.conv2d(x, last.weight, last.bias), hidden


def _predicted(network: nn.Module, frame: Tensor, generated: Tensor) -> Tensor:
    if not isinstance(network, DFN):
        return F.conv2d(generated, network.pixel.weight, network.pixel.bias)
    if generated.shape[1] == 82:
        frame = frame + generated[:, 81:]
    powers = generated[:, :81].exp()
    height, width = frame.shape[2:]
    padded = F.pad(frame, (4, 4, 4, 4))
    neighbours = [padded[:, 0, i : i + height, j : j + width] for i in range(9) for j in range(9)]
    return (torch.stack(neighbours, 1) * powers).sum(1, keepdim=True) / powers.sum(1, keepdim=True)


# --- Helpers ---------------------------------------------------------------------------------------------------------


def _one_hot(taps: Tensor) -> Tensor:
    """Filters of 5x5, (batch, 25, height, width), whose only weight is at the given tap of each position."""
    return F.one_hot(taps, 25).movedim(-1, 1).double()


def _randomise(module: Module) -> Module:
    """Draw every parameter, in float64, so that signals neither vanish nor explode."""
    for parameter in module.parameters():
        fan_in = parameter[0].numel() if parameter.dim() > 1 else 4
        nn.init.normal_(parameter, std=(2 / fan_in) ** 0.5)
    return module.double().eval()


# --- Training --------------------------------------------------------------------------------------------------------


def learns_to_steer(run: Run) -> dict[str, float]:
    """Cosines of generated filters and steered derivatives of a Gaussian for 24 angles: the smallest, also untrained.

    The network sees pairs of images and angles, and the filtered images, never a filter.
    """
    generator = torch.Generator().manual_seed(run.seed)
    steps, batch = 800, 32
    images = torch.randn(steps * batch, 1, 20, 20, generator=generator)
    angles = torch.rand(steps * batch, generator=generator) * 2 * math.pi
    unseen = torch.rand(24, generator=generator) * 2 * math.pi
    torch.manual_seed(run.seed)
    network = SteerableFilter()

    def smallest_cosine() -> float:
        with torch.no_grad():
            made = network.filters(unseen)
        return F.cosine_similarity(made.flatten(1), _steered(unseen).flatten(1)).min().item()

    untrained = smallest_cosine()
    run.train(
        "steerable filters",
        _Packed(network),
        torch.optim.Adam(network.parameters(), lr=2e-3),
        torch.cat([images, angles[:, None, None, None].expand_as(images)], dim=1),
        dynamic_conv(images, _steered(angles)),
        batch=batch,
        epochs=1,
        loss=F.mse_loss,
    )
    return {"untrained": untrained, "smallest_cosine": smallest_cosine()}


class _Packed(nn.Module):
    """Takes the angle as a second channel, as one tensor has to hold both."""

    def __init__(self, network: SteerableFilter) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x[:, :1], x[:, 1, 0, 0])


def _steered(angles: Tensor) -> Tensor:
    """First derivatives of a Gaussian of width 1.5, of unit norm in each direction: (angles, 9, 9)."""
    at = torch.arange(-4, 5).float()
    bell = torch.exp(-(at[:, None] ** 2 + at**2) / (2 * 1.5**2))
    horizontal = at[None] * bell
    horizontal = horizontal / horizontal.norm()
    return angles.cos()[:, None, None] * horizontal + angles.sin()[:, None, None] * horizontal.T
