"""Measurements of modulated deformable convolution and RoI pooling, of the operators and of networks of them."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from catalog.verify.peers import operators_of_torchvision
from reproductions import resnet
from reproductions.checks.deformable_convnets_v1 import GEOMETRIES, offsets_between_pixels, slope_differences
from reproductions.checks.measuring import distance, normal
from reproductions.deformable_convnets_v1 import DeformConv2d, deform_conv2d
from reproductions.deformable_convnets_v2 import (
    ModulatedDeformConv2d,
    ModulatedDeformRoIPool,
    build,
    mimic_loss,
    modulated_deform_conv2d,
    modulated_roi_pool,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from catalog.verify.training import Run

# --- Structure -------------------------------------------------------------------------------------------------------


def deformable_layers() -> dict[str, int | list[int]]:
    """Modulated layers of ResNet-50: how many in each stage, their strides and dilations, the sides of the stages.

    And parameters of the network if the first of these layers were an ordinary one.
    """
    with torch.device("meta"):
        network = build("resnet50-mdcn").eval()
        x = network.stem(torch.empty(1, 3, 224, 224))
        sides = [(x := stage(x)).shape[2] for stage in network.stages]
    stages = [[part for part in stage.modules() if isinstance(part, ModulatedDeformConv2d)] for stage in network.stages]
    flat = [layer for stage in stages for layer in stage]
    first = sum(parameter.numel() for parameter in flat[0].offset.parameters())
    return {
        "layers": len(flat),
        "in_stages": [len(stage) for stage in stages],
        "in_the_3x3": sum(isinstance(block.layers[3], ModulatedDeformConv2d) for s in network.stages for block in s),
        "strides": [layer.stride[0] for layer in flat],
        "strides_of_offsets": [layer.offset.stride[0] for layer in flat],
        "dilations": [layer.dilation[0] for layer in flat],
        "sides": sides,
        "parameters_with_12": sum(parameter.numel() for parameter in network.parameters()) - first,
    }


def offset_channels() -> dict[str, int]:
    """Numbers that a place of a 3x3 layer and a RoI of 7 x 7 bins get; the latter pass two layers of these widths."""
    with torch.device("meta"):
        layer, pool = ModulatedDeformConv2d(512, 512, 3, bias=False), ModulatedDeformRoIPool(256)
        toys = [sum(p.numel() for p in build(variant).parameters()) for variant in ("toy-v1", "toy-v2")]
    return {
        "convolution": layer.offset.out_channels,
        "first_layer": pool.fc[0].out_features,
        "second_layer": pool.fc[2].out_features,
        "pooling": pool.fc[4].out_features,
        "added_parameters_of_toy": toys[1] - toys[0],
    }


# --- Modulated convolution -------------------------------------------------------------------------------------------


def half_at_first() -> dict[str, float]:
    """Differences of fresh layers from half of the ordinary convolution, and of a trained one from the operator."""
    torch.manual_seed(0)
    x = _random(2, 4, 12, 13)
    differences = {"fresh": 0.0, "not_halved": 0.0, "with_offsets": 0.0}
    with torch.no_grad():
        for stride, padding, dilation, _ in GEOMETRIES:
            geometry = stride, padding, dilation
            layer = ModulatedDeformConv2d(4, 6, 3, *geometry).double()
            ordinary = F.conv2d(x, layer.weight, None, *geometry)
            bias = layer.bias[:, None, None]
            differences["fresh"] = max(differences["fresh"], distance(layer(x), ordinary / 2 + bias))
            differences["not_halved"] = max(differences["not_halved"], distance(layer(x), ordinary + bias))
            for parameter in layer.offset.parameters():
                nn.init.normal_(parameter, std=0.3)
            raw = F.conv2d(x, layer.offset.weight, layer.offset.bias, *geometry)
            mask = 1 / (1 + (-raw[:, 18:]).exp())
            wanted = modulated_deform_conv2d(x, raw[:, :18], mask, layer.weight, layer.bias, *geometry)
            differences["with_offsets"] = max(differences["with_offsets"], distance(layer(x), wanted))
    return differences


def modulations() -> dict[str, float]:
    """Differences with modulations of 1 from version 1, and with one of 0 from a kernel without that tap.

    ``gradient`` is that of the latter in the gradients of the input, and ``by_default`` is where nothing is said of the
    geometry.
    ``tap_matters`` is how much that tap changes.
    """
    x, weight, bias = _random(2, 4, 12, 13), _random(6, 4, 3, 3), _random(6)
    differences = {"ones": 0.0, "zero": 0.0, "gradient": 0.0, "tap_matters": 0.0}
    offset, mask = _random(2, 18, 10, 11), torch.ones(2, 9, 10, 11, dtype=x.dtype)
    by_default = modulated_deform_conv2d(x, offset, mask, weight), deform_conv2d(x, offset, weight)
    differences["by_default"] = distance(*by_default)
    for stride, padding, dilation, _ in GEOMETRIES:
        geometry = stride, padding, dilation
        size = F.conv2d(x, weight, None, *geometry).shape[2:]
        offset, mask = 2 * _random(2, 18, *size), _uniform(2, 9, *size)
        ones = modulated_deform_conv2d(x, offset, torch.ones_like(mask), weight, bias, *geometry)
        version_1 = deform_conv2d(x, offset, weight, bias, *geometry)
        differences["ones"] = max(differences["ones"], distance(ones, version_1))
        off, without = mask.clone(), weight.clone()
        off[:, 4], without[:, :, 1, 1] = 0, 0
        found = _value_and_gradient(x, offset, off, weight, geometry)
        wanted = _value_and_gradient(x, offset, mask, without, geometry)
        with_tap = _value_and_gradient(x, offset, mask, weight, geometry)
        differences["zero"] = max(differences["zero"], distance(found[0], wanted[0]))
        differences["gradient"] = max(differences["gradient"], distance(found[1], wanted[1]))
        differences["tap_matters"] = max(differences["tap_matters"], distance(with_tap[0], found[0]))
    return differences


def _value_and_gradient(
    x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, geometry: tuple[int, int, int]
) -> tuple[Tensor, Tensor]:
    x = x.clone().requires_grad_()
    y = modulated_deform_conv2d(x, offset, mask, weight, None, *geometry)
    return y, torch.autograd.grad(y.square().sum(), x)[0]


def gradient_through_a_tap() -> dict[str, int]:
    """How many pixels the gradient reaches through a single tap, moved by (1.5, 0.5), of modulation 0 and of 1/2."""
    weight = torch.zeros(1, 1, 3, 3, dtype=torch.float64)
    weight[0, 0, 0, 2] = 1
    offset = torch.tensor([1.5, 0.5], dtype=torch.float64).repeat(9).reshape(1, 18, 1, 1)
    reached = {}
    for name, modulation in (("through_zero", 0.0), ("through_half", 0.5)):
        x = _random(1, 1, 5, 5).requires_grad_()
        mask = torch.full((1, 9, 1, 1), modulation, dtype=x.dtype)
        y = modulated_deform_conv2d(x, offset, mask, weight)
        reached[name] = int((torch.autograd.grad(y.sum(), x)[0] != 0).sum())
    return reached


def gradients() -> dict[str, float]:
    """Differences of gradients from what small steps in input, offset, modulation and weight do."""
    mask = _uniform(1, 9, 3, 3)
    tensors = [_random(1, 2, 5, 5), offsets_between_pixels(3), mask, _random(2, 2, 3, 3)]
    found = slope_differences(modulated_deform_conv2d, tensors)
    return dict(zip(("input", "offset", "modulation", "weight"), found, strict=True))


def grid_sample_of_torch() -> dict[str, float]:
    """Largest differences, of outputs and gradients, from a modulated sum of what torch's grid_sample reads."""

    def theirs(x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, *geometry: int) -> Tensor:
        stride, padding, dilation = geometry
        result = torch.zeros(())
        size = [torch.arange(side, dtype=x.dtype) * stride - padding for side in offset.shape[2:]]
        rows, columns = torch.meshgrid(*size, indexing="ij")
        for n in range(9):
            y = rows + n // 3 * dilation + offset[:, 2 * n]
            x_ = columns + n % 3 * dilation + offset[:, 2 * n + 1]
            grid = torch.stack((2 * x_ / (x.shape[3] - 1) - 1, 2 * y / (x.shape[2] - 1) - 1), dim=3)
            read = F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=True)
            result = result + torch.einsum("bchw,bhw,oc->bohw", read, mask[:, n], weight[:, :, n // 3, n % 3])
        return result

    return _differences_from(theirs, torch.float64)


def operator_of_torchvision() -> dict[str, float]:
    """Largest differences, of outputs and gradients, from torchvision's deform_conv2d with a mask, in float32."""
    operators = operators_of_torchvision()

    def theirs(x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, *geometry: int) -> Tensor:
        stride, padding, dilation = geometry
        return operators.deform_conv2d(x, offset, weight, None, stride, padding, dilation, mask)

    return _differences_from(theirs, torch.float32)


def _differences_from(theirs: Callable[..., Tensor], dtype: torch.dtype) -> dict[str, float]:
    differences = {"outputs": 0.0, "gradients": 0.0}
    x, weight = _random(2, 4, 12, 13), _random(6, 4, 3, 3)
    for stride, padding, dilation, _ in GEOMETRIES:
        size = F.conv2d(x, weight, None, stride, padding, dilation).shape[2:]
        mask = _uniform(2, 9, *size)
        tensors = [t.to(dtype).requires_grad_() for t in (x, 3 * _random(2, 18, *size), mask, weight)]
        ours = modulated_deform_conv2d(*tensors, None, stride, padding, dilation)
        wanted = theirs(*tensors, stride, padding, dilation)
        proportions = _random(*ours.shape).to(dtype)
        pairs = zip(*(torch.autograd.grad(y, tensors, proportions) for y in (ours, wanted)), strict=True)
        differences["outputs"] = max(differences["outputs"], distance(ours, wanted))
        differences["gradients"] = max(differences["gradients"], *(distance(a, b) for a, b in pairs))
    return differences


# --- Modulated RoI pooling -------------------------------------------------------------------------------------------


def roi_pooling() -> dict[str, float]:
    """Differences of modulated RoI pooling without offsets from half of a constant and of a ramp; what offsets move by.

    The RoI has borders between pixels. ``four_points`` is the difference from means of points written out.
    """
    roi = torch.tensor([[0, 5.3, 8.6, 40.5, 21.7]], dtype=torch.float64)
    none, half = torch.zeros(1, 2, 7, 7, dtype=roi.dtype), torch.full((1, 7, 7), 0.5, dtype=roi.dtype)
    pixels = torch.arange(60, dtype=roi.dtype)
    ramps = torch.stack(torch.meshgrid(pixels, pixels, indexing="ij"))[None]
    constant = modulated_roi_pool(torch.full_like(ramps, 3), roi, none, half)
    middles = (torch.arange(7, dtype=roi.dtype) + 0.5) / 7
    rows, columns = (8.6 + 21.7 * middles)[:, None].expand(7, 7), (5.3 + 40.5 * middles).expand(7, 7)
    ramp = modulated_roi_pool(ramps, roi, none, half)
    offsets = none + torch.tensor([0.1, -0.2], dtype=roi.dtype)[:, None, None]
    moved = modulated_roi_pool(ramps, roi, offsets, 2 * half) - modulated_roi_pool(ramps, roi, none, 2 * half)
    x, rois = _random(2, 3, 60, 60), torch.cat((roi + torch.tensor([1, 0, 0, 0, 0]), roi))
    offsets, masks = 0.1 * _random(2, 2, 7, 7), _uniform(2, 7, 7)
    pooled = modulated_roi_pool(x, rois, offsets, masks)
    literal = torch.zeros_like(pooled)
    for number, j, i in product(range(2), range(7), range(7)):
        for a, b in product((0.25, 0.75), repeat=2):
            p_y = 8.6 + 21.7 * ((j + a) / 7 + float(offsets[number, 1, j, i]))
            p_x = 5.3 + 40.5 * ((i + b) / 7 + float(offsets[number, 0, j, i]))
            g_y, g_x = ((1 - (pixels - p).abs()).clamp(min=0) for p in (p_y, p_x))
            value = torch.einsum("chw,h,w->c", x[1 - number], g_y, g_x)
            literal[number, :, j, i] += value * masks[number, j, i] / 4
    return {
        "constant": distance(constant, torch.full_like(constant, 1.5)),
        "ramp_rows": distance(ramp[0, 0], rows / 2),
        "ramp_columns": distance(ramp[0, 1], columns / 2),
        "moved_rows": float(moved[0, 0].mean()),
        "moved_columns": float(moved[0, 1].mean()),
        "four_points": distance(pooled, literal),
    }


def roi_pooling_layer() -> dict[str, float]:
    """Differences of the layer: a fresh one from half of RoI pooling, one with weights from its branch written out.

    ``…_std`` are the standard deviations with which the weights of its fully connected layers start.
    """
    torch.manual_seed(0)
    x = _random(2, 3, 30, 30)
    rois = torch.tensor([[1, 4.25, 6, 14, 20.5], [0, 5, 3, 16, 8], [0, 9, 8, 4, 5]], dtype=x.dtype)
    layer = ModulatedDeformRoIPool(3, k=3).double()
    linear = [part for part in layer.fc if isinstance(part, nn.Linear)]
    stds = [float(part.weight.detach().std()) for part in linear]
    biases = sum(bool(part.bias.any()) for part in linear)
    ones = torch.ones(3, 3, 3, dtype=x.dtype)
    plain = modulated_roi_pool(x, rois, torch.zeros(3, 2, 3, 3, dtype=x.dtype), ones)
    with torch.no_grad():
        fresh = distance(layer(x, rois), plain / 2)
        for part in linear:
            nn.init.normal_(part.weight, std=0.05)
            nn.init.normal_(part.bias, std=0.05)
        y = plain.flatten(1)
        for number, part in enumerate(linear):
            y = y @ part.weight.T + part.bias
            y = y if number == 2 else y.clamp(min=0)
        offsets, masks = y[:, :18].reshape(3, 2, 3, 3), 1 / (1 + (-y[:, 18:]).exp()).reshape(3, 3, 3)
        wanted = modulated_roi_pool(x, rois, offsets, masks)
        found = layer(x, rois)
    return {
        "fresh": fresh,
        "with_weights": distance(found, wanted),
        "weights_matter": distance(found, plain / 2),
        "first_std": stds[0],
        "second_std": stds[1],
        "third_std": stds[2],
        "layers_with_biases_at_first": biases,
    }


def mimicking() -> dict[str, float]:
    """The mimic loss of features and their multiples, their opposites and orthogonal ones; and literally of others.

    ``gradient`` is the largest inner product of a feature and its gradient, of features of norm 1.
    """
    f, other = F.normalize(_random(32, 1024), dim=1), F.normalize(_random(33, 1024)[:32], dim=1)
    orthogonal = other - (other * f).sum(1, keepdim=True) * f
    learned = f.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(mimic_loss(other, learned), learned)
    return {
        "scaled": float(mimic_loss(f, 5 * f)),
        "opposite": float(mimic_loss(f, -f)),
        "orthogonal": float(mimic_loss(orthogonal, f)),
        "other": distance(mimic_loss(other, f), 32 - (other * f).sum()),
        "gradient": float((gradient * f).sum(1).abs().max()),
        "gradient_norm": float(gradient.norm(dim=1).min()),
    }


# --- Networks --------------------------------------------------------------------------------------------------------


def networks() -> dict[str, float]:
    """How far fresh networks are from ordinary ones whose deformable layers give half; as a share of the largest score.

    ``…_not_halved`` is the distance from the ordinary networks themselves; the toy is held against that of version 1.
    """
    torch.manual_seed(0)
    x = torch.randn(2, 3, 64, 64)
    pairs = {
        "resnet50": (resnet.build("resnet50", classes=10, stride_in_1x1=False), build("resnet50-mdcn", classes=10)),
        "toy": (build("toy-v1", classes=10), build("toy-v2", classes=10)),
    }
    measured = {}
    with torch.no_grad():
        for name, (plain, modulated) in pairs.items():
            weights = {key: value for key, value in plain.state_dict().items() if ".offset." not in key}
            modulated.eval().load_state_dict(weights, strict=False)
            scores = plain.eval()(x)
            measured[f"{name}_not_halved"] = distance(modulated(x), scores) / float(scores.abs().max())
            for path, layer in modulated.named_modules():
                if isinstance(layer, ModulatedDeformConv2d):
                    plain.get_submodule(path).weight.mul_(0.5)
            scores = plain(x)
            measured[f"{name}_fresh"] = distance(modulated(x), scores) / float(scores.abs().max())
    return measured


def _random(*size: int) -> Tensor:
    return normal(*size, seed=sum(size))


def _uniform(*size: int) -> Tensor:
    return torch.rand(*size, dtype=torch.float64, generator=torch.Generator().manual_seed(sum(size)))


# --- Training --------------------------------------------------------------------------------------------------------


def irrelevant_places(run: Run) -> dict[str, float]:
    """Squared error of one layer at the end, when it has to pass content on where a flag is set and nothing elsewhere.

    With modulations, and how many times more without.
    """
    generator = torch.Generator().manual_seed(run.seed)
    content = torch.randn(8000, 1, 12, 12, generator=generator)
    flags = torch.randint(2, content.shape, generator=generator)
    error = {}
    for arm, layer_type in (("offsets and modulations", ModulatedDeformConv2d), ("offsets", DeformConv2d)):
        torch.manual_seed(run.seed)
        layer = layer_type(2, 1, 3, padding=1)
        history = run.train(
            arm,
            layer,
            torch.optim.Adam(layer.parameters(), lr=0.01),
            torch.cat((content, flags), dim=1),
            content * flags,
            batch=16,
            epochs=1,
            loss=F.mse_loss,
        )
        error[arm] = history.mean_loss(last=50)
    return {"modulated": error["offsets and modulations"], "ratio": error["offsets"] / error["offsets and modulations"]}
