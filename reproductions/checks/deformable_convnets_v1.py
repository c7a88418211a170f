"""Measurements of deformable convolution and deformable RoI pooling, of the operators and of networks of them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from catalog.verify.peers import operators_of_torchvision
from catalog.verify.training import Run, outputs
from reproductions import resnet
from reproductions.checks.measuring import count_parameters, distance, normal
from reproductions.deformable_convnets_v1 import (
    DeformConv2d,
    DeformRoIPool,
    bilinear_sample,
    build,
    deform_conv2d,
    deform_ps_roi_pool,
    deform_roi_pool,
    effective_dilation,
)

# Stride, padding, dilation and groups of offsets
GEOMETRIES = ((1, 1, 1, 1), (2, 1, 1, 2), (1, 2, 2, 2), (2, 0, 2, 1))

# --- Structure -------------------------------------------------------------------------------------------------------


def deformable_layers() -> dict[str, int | list[int]]:
    """Where the deformable layers of ResNet-50 stand, how they are dilated, and channels and sides of its stages."""
    with torch.device("meta"):
        network = build("resnet50-dcn").eval()
        x = network.stem(torch.empty(1, 3, 224, 224))
        shapes = [(x := stage(x)).shape for stage in network.stages]
    layers = [layer for layer in network.modules() if isinstance(layer, DeformConv2d)]
    last = [layer for layer in network.stages[-1].modules() if isinstance(layer, nn.Conv2d)]
    return {
        "in_stages": [sum(isinstance(part, DeformConv2d) for part in stage.modules()) for stage in network.stages],
        "kernels": [layer.kernel_size[0] for layer in layers],
        "dilations": [layer.dilation[0] for layer in layers],
        "dilations_of_offsets": [layer.offset.dilation[0] for layer in layers],
        "largest_stride": max(layer.stride[0] for layer in last),
        "channels": [shape[1] for shape in shapes],
        "sides": [shape[2] for shape in shapes],
    }


def offset_channels() -> dict[str, int]:
    """Numbers that a place of a 3x3 layer and a RoI of 7 x 7 bins get, and the parameters that give them."""
    with torch.device("meta"):
        layer, pool, plain = (
            DeformConv2d(512, 512, 3, bias=False),
            DeformRoIPool(256),
            nn.Conv2d(512, 512, 3, bias=False),
        )
        toys = build("toy-deform", classes=10), build("toy-plain", classes=10)
    return {
        "convolution": layer.offset.out_channels,
        "pooling": pool.fc.out_features,
        "added_parameters": count_parameters(layer) - count_parameters(plain),
        "parameters_of_toy": count_parameters(toys[1]),
        "added_parameters_of_toy": count_parameters(toys[0]) - count_parameters(toys[1]),
    }


# --- Deformable convolution ------------------------------------------------------------------------------------------


def zero_offsets() -> dict[str, float]:
    """Differences from the ordinary convolution, of the operator without offsets and of a fresh layer.

    A layer with random offsets is held against the operator.
    """
    x, weight, bias = _random(2, 4, 12, 13), _random(6, 4, 3, 3), _random(6)
    differences = {"operator": 0.0, "layer": 0.0, "layer_with_offsets": 0.0}
    torch.manual_seed(0)
    with torch.no_grad():
        for stride, padding, dilation, _ in GEOMETRIES:
            wanted = F.conv2d(x, weight, bias, stride, padding, dilation)
            offset = torch.zeros(2, 18, *wanted.shape[2:], dtype=x.dtype)
            result = deform_conv2d(x, offset, weight, bias, stride, padding, dilation)
            differences["operator"] = max(differences["operator"], distance(result, wanted))
            layer = DeformConv2d(4, 6, 3, stride, padding, dilation).double()
            wanted = F.conv2d(x, layer.weight, layer.bias, stride, padding, dilation)
            differences["layer"] = max(differences["layer"], distance(layer(x), wanted))
            for parameter in layer.offset.parameters():
                nn.init.normal_(parameter, std=0.3)
            offset = F.conv2d(x, layer.offset.weight, layer.offset.bias, stride, padding, dilation)
            wanted = deform_conv2d(x, offset, layer.weight, layer.bias, stride, padding, dilation)
            differences["layer_with_offsets"] = max(differences["layer_with_offsets"], distance(layer(x), wanted))
    return differences


def special_offsets() -> dict[str, float]:
    """Differences from what the same offsets everywhere come to: another dilation, a moved input, half of two inputs.

    Or a kernel that is turned by a quarter. Where the input is moved, 3 pixels at the border are left out, as what
    was moved out is lost. ``columns_first`` takes these offsets in the wrong order.
    """
    x, weight = _random(2, 4, 12, 13), _random(6, 4, 3, 3)
    taps = torch.tensor([(i - 1, j - 1) for i, j in product(range(3), repeat=2)], dtype=x.dtype)  # row, column

    def result(offsets: Tensor) -> Tensor:
        return deform_conv2d(x, offsets.reshape(1, 18, 1, 1).expand(2, -1, 12, 13), weight, padding=1)

    def moved(rows: int, columns: int) -> Tensor:
        return F.conv2d(x.roll((-rows, -columns), (2, 3)), weight, padding=1)

    def inside(y: Tensor) -> Tensor:
        return y[:, :, 3:-3, 3:-3]

    offset = torch.tensor([2.0, -1.0], dtype=x.dtype).repeat(9)
    halfway = torch.tensor([0.5, 0.0], dtype=x.dtype).repeat(9)
    turned = torch.stack((taps[:, 1], -taps[:, 0]), dim=1) - taps
    return {
        "dilated": distance(result(taps), F.conv2d(x, weight, padding=2, dilation=2)),
        "moved": distance(inside(result(offset)), inside(moved(2, -1))),
        "halfway": distance(inside(result(halfway)), inside(moved(0, 0) + moved(1, 0)) / 2),
        "rotated": distance(result(turned), F.conv2d(x, weight.rot90(-1, (2, 3)), padding=1)),
        "columns_first": distance(inside(result(offset.flip(0))), inside(moved(2, -1))),
    }


def equations() -> dict[str, float]:
    """Largest difference from Equations 2 to 4 taken literally: all pixels for every tap of every place.

    ``clamped`` is how far it is from reading the pixels at the border wherever a tap lies outside of the map.
    """
    x, weight = _random(2, 4, 6, 7), _random(3, 4, 3, 3)
    differences = {"literal": 0.0, "clamped": 0.0}
    for stride, padding, dilation, groups in GEOMETRIES:
        height, width = F.conv2d(x, weight, None, stride, padding, dilation).shape[2:]
        offset = 2 * _random(2, 18 * groups, height, width)
        result = deform_conv2d(x, offset, weight, None, stride, padding, dilation, groups)
        literal, clamped = torch.zeros_like(result), torch.zeros_like(result)
        for channel, n in product(range(4), range(9)):
            first = channel // (4 // groups) * 18 + 2 * n
            y = torch.arange(height)[:, None] * stride - padding + n // 3 * dilation + offset[:, first]
            x_ = torch.arange(width) * stride - padding + n % 3 * dilation + offset[:, first + 1]
            for total, at in ((literal, (y, x_)), (clamped, (y.clamp(0, 5), x_.clamp(0, 6)))):
                value = (_kernel(*at, 6, 7) * x[:, channel, None, None]).sum((3, 4))
                total.add_(torch.einsum("bhw,o->bohw", value, weight[:, channel, n // 3, n % 3]))
        differences["literal"] = max(differences["literal"], distance(result, literal))
        differences["clamped"] = max(differences["clamped"], distance(result, clamped))
    return differences


def _kernel(p_y: Tensor, p_x: Tensor, height: int, width: int) -> Tensor:
    """G(q, p) for all pixels q: (…) to (…, height, width)."""
    g_y = (1 - (torch.arange(height)[:, None] - p_y[..., None, None]).abs()).clamp(min=0)
    g_x = (1 - (torch.arange(width) - p_x[..., None, None]).abs()).clamp(min=0)
    return g_y * g_x


def gradients() -> dict[str, float]:
    """Differences of gradients from what small steps in input, offset and weight do; and the sum of bilinear weights.

    ``at_zero`` is that of the offset where all taps lie on pixels, from steps towards the next ones.
    """
    tensors = [_random(1, 2, 5, 5), offsets_between_pixels(3), _random(2, 2, 3, 3)]
    names = ("input", "offset", "weight")
    measured = dict(zip(names, slope_differences(deform_conv2d, tensors), strict=True))
    tensors[1] = torch.zeros_like(tensors[1])
    _, measured["at_zero"], _ = slope_differences(deform_conv2d, tensors, both_ways=False)
    positions = 4 * torch.rand(1, 2, 100, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    sums = bilinear_sample(torch.ones_like(tensors[0]), positions)
    measured["sum_of_weights"] = distance(sums, torch.ones_like(sums))
    return measured


def offsets_between_pixels(side: int) -> Tensor:
    """Offsets of a 3x3 layer, (1, 18, side, side), by which no tap lands near a pixel, and some outside of the map."""
    between = 0.2 + 0.6 * torch.rand(1, 18, side, side, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return between + torch.arange(18).reshape(1, 18, 1, 1) % 3 - 1


def slope_differences(
    function: Callable[..., Tensor], tensors: list[Tensor], *, step: float = 1e-3, both_ways: bool = True
) -> list[float]:
    """Largest difference, for each tensor, between gradients and slopes from steps, both ways or forwards only.

    Of the outputs of a function in fixed random proportions; it is linear in every number up to the next pixel.
    """
    tensors = [tensor.clone().requires_grad_() for tensor in tensors]
    proportions = _random(*function(*tensors).shape)

    def value() -> Tensor:
        return (proportions * function(*tensors)).sum()

    found = torch.autograd.grad(value(), tensors)
    differences = []
    with torch.no_grad():
        for tensor, gradient in zip(tensors, found, strict=True):
            numbers, slopes = tensor.view(-1), torch.empty(tensor.numel(), dtype=tensor.dtype)
            for place, start in enumerate(numbers.tolist()):
                numbers[place] = start + step
                after = value()
                numbers[place] = start - step if both_ways else start
                slopes[place] = (after - value()) / (2 * step if both_ways else step)
                numbers[place] = start
            differences.append(distance(gradient.view(-1), slopes))
    return differences


def grid_sample_of_torch() -> dict[str, float]:
    """Largest differences, of outputs and gradients, from a convolution of what torch's grid_sample reads."""
    differences = {"outputs": 0.0, "gradients": 0.0}
    for geometry in GEOMETRIES:
        _widen(differences, _by_grid_sample, geometry, torch.float64)
    return differences


def operator_of_torchvision() -> dict[str, float]:
    """Largest differences, of outputs and gradients, from ``torchvision.ops.deform_conv2d``, in single precision."""
    operators = operators_of_torchvision()

    def theirs(x: Tensor, offset: Tensor, weight: Tensor, geometry: tuple[int, int, int, int]) -> Tensor:
        stride, padding, dilation, _ = geometry
        return operators.deform_conv2d(x, offset, weight, None, stride, padding, dilation)

    differences = {"outputs": 0.0, "gradients": 0.0}
    for geometry in GEOMETRIES:
        _widen(differences, theirs, geometry, torch.float32)
    return differences


Operator = Callable[[Tensor, Tensor, Tensor, tuple[int, int, int, int]], Tensor]


def _ours(x: Tensor, offset: Tensor, weight: Tensor, geometry: tuple[int, int, int, int]) -> Tensor:
    stride, padding, dilation, groups = geometry
    return deform_conv2d(x, offset, weight, None, stride, padding, dilation, groups)


def _by_grid_sample(x: Tensor, offset: Tensor, weight: Tensor, geometry: tuple[int, int, int, int]) -> Tensor:
    stride, padding, dilation, groups = geometry
    (height, width), size = x.shape[2:], offset.shape[2:]
    rows, columns = torch.meshgrid(*(torch.arange(side, dtype=x.dtype) * stride for side in size), indexing="ij")
    result = torch.zeros(())
    for n, group in product(range(9), range(groups)):
        row, column = offset[:, 18 * group + 2 * n], offset[:, 18 * group + 2 * n + 1]
        y = rows - padding + n // 3 * dilation + row
        x_ = columns - padding + n % 3 * dilation + column
        # From -1 at the first pixel to 1 at the last.
        grid = torch.stack((2 * x_ / (width - 1) - 1, 2 * y / (height - 1) - 1), dim=3)
        channels = slice(group * 4 // groups, (group + 1) * 4 // groups)
        read = F.grid_sample(x[:, channels], grid, mode="bilinear", padding_mode="zeros", align_corners=True)
        result = result + torch.einsum("bchw,oc->bohw", read, weight[:, channels, n // 3, n % 3])
    return result


def _outputs_and_gradients(
    operator: Operator, geometry: tuple[int, int, int, int], dtype: torch.dtype
) -> tuple[Tensor, list[Tensor]]:
    stride, padding, dilation, groups = geometry
    x, weight = _random(2, 4, 12, 13), _random(6, 4, 3, 3)
    size = F.conv2d(x, weight, None, stride, padding, dilation).shape[2:]
    tensors = [t.to(dtype).requires_grad_() for t in (x, 3 * _random(2, 18 * groups, *size), weight)]
    result = operator(*tensors, geometry)
    return result, list(torch.autograd.grad(result, tensors, _random(*result.shape).to(dtype)))


def _widen(
    differences: dict[str, float], theirs: Operator, geometry: tuple[int, int, int, int], dtype: torch.dtype
) -> None:
    """Take the differences from another operator into account."""
    (y, found), (wanted_y, wanted) = (_outputs_and_gradients(f, geometry, dtype) for f in (_ours, theirs))
    differences["outputs"] = max(differences["outputs"], distance(y, wanted_y))
    pairs = zip(found, wanted, strict=True)
    differences["gradients"] = max(differences["gradients"], *(distance(a, b) for a, b in pairs))


def effective_dilations() -> dict[str, float]:
    """Effective dilation of kernels without offsets, and of those that offsets widen by half or turn by 45 degrees."""
    taps = torch.tensor([(i - 1, j - 1) for i, j in product(range(3), repeat=2)], dtype=torch.float64)
    root = 0.5**0.5
    turned = torch.stack((root * (taps[:, 0] - taps[:, 1]), root * (taps[:, 0] + taps[:, 1])), dim=1) - taps
    none = torch.zeros(1, 18, 2, 3, dtype=torch.float64)

    def measured(offsets: Tensor, dilation: int = 1) -> float:
        (value,) = effective_dilation(none + offsets.reshape(1, 18, 1, 1), dilation).unique().tolist()
        return value

    first = torch.zeros(9, 2, dtype=torch.float64)
    first[0, 0] = -3  # of twelve distances one grows by 3 and one, across, to the root of 10
    return {
        **{f"of_{dilation}": measured(torch.zeros_like(taps), dilation) for dilation in (1, 2, 4)},
        "widened": measured(taps / 2),
        "turned": measured(turned),
        "one_tap": measured(first),
    }


# --- Deformable RoI pooling ------------------------------------------------------------------------------------------


def roi_pooling() -> dict[str, float]:
    """Differences of RoI pooling without offsets from means of bins, and what offsets move by.

    On ramps an output is the place that it was read at. Bins that share pixels are those of torch's adaptive pooling.
    """
    x = _random(2, 3, 60, 60)
    rois = torch.tensor([[1, 4, 6, 42, 21], [0, 5, 3, 19, 40]], dtype=x.dtype)
    none = torch.zeros(2, 2, 7, 7, dtype=x.dtype)
    whole, shared = deform_roi_pool(x, rois, none)
    ramps = torch.stack(torch.meshgrid(torch.arange(60.0), torch.arange(60.0), indexing="ij")).to(x)[None]
    roi = torch.tensor([[0, 10, 15, 40, 20]], dtype=x.dtype)

    def shift(columns: float, rows: float) -> Tensor:
        offsets = torch.tensor([columns, rows], dtype=x.dtype)[:, None, None].expand(1, 2, 7, 7)
        return deform_roi_pool(ramps, roi, offsets) - deform_roi_pool(ramps, roi, none[:1])

    right, down = shift(1, 0), shift(0, 1)
    single = none[:1].clone()
    single[0, 0, 2, 5] = 1  # of the bin in row 2 and column 5
    changed = deform_roi_pool(ramps, roi, single) - deform_roi_pool(ramps, roi, none[:1])
    return {
        "whole_pixels": distance(whole, F.avg_pool2d(x[1, :, 6:27, 4:46], (3, 6))),
        "shared_pixels": distance(shared, F.adaptive_avg_pool2d(x[0, :, 3:43, 5:24], 7)),
        "right_columns": float(right[:, 1].mean()),
        "right_columns_spread": float(right[:, 1].max() - right[:, 1].min()),
        "right_rows": float(right[:, 0].abs().max()),
        "down_rows": float(down[:, 0].mean()),
        "down_columns": float(down[:, 1].abs().max()),
        "bins_that_one_offset_moves": int((changed.abs() > 1e-9).sum()),
        "moved_in_row_2_column_5": float(changed[0, 1, 2, 5]),
    }


def roi_pooling_layer() -> dict[str, float]:
    """Differences of the layer: a fresh one from RoI pooling, one with weights from its two poolings written out."""
    torch.manual_seed(0)
    x = _random(2, 3, 30, 30)
    rois = torch.tensor([[1, 4.25, 6, 14, 20.5], [0, 5, 3, 16, 8], [0, 9, 8, 4, 5]], dtype=x.dtype)
    layer = DeformRoIPool(3, k=3, gamma=0.2).double()
    plain = deform_roi_pool(x, rois, torch.zeros(3, 2, 3, 3, dtype=x.dtype))
    with torch.no_grad():
        fresh = distance(layer(x, rois), plain)
        for parameter in layer.parameters():
            nn.init.normal_(parameter, std=0.5)
        offsets = (plain.flatten(1) @ layer.fc.weight.T + layer.fc.bias).reshape(3, 2, 3, 3)
        pooled = layer(x, rois)
    literal = torch.zeros_like(pooled)
    for number, (image, left, top, width, height) in enumerate(rois.tolist()):
        for j, i in product(range(3), repeat=2):
            columns = [left + c for c in range(100) if int(i * width / 3) <= c < (i + 1) * width / 3]
            rows = [top + r for r in range(100) if int(j * height / 3) <= r < (j + 1) * height / 3]
            for row, column in product(rows, columns):
                p_y = row + 0.2 * height * offsets[number, 1, j, i]
                p_x = column + 0.2 * width * offsets[number, 0, j, i]
                value = (_kernel(p_y, p_x, 30, 30) * x[int(image)]).sum((1, 2))
                literal[number, :, j, i] += value / len(rows) / len(columns)
    return {
        "fresh": fresh,
        "with_offsets": distance(pooled, literal),
        "offsets_matter": distance(pooled, plain),
        "gamma": DeformRoIPool(3).gamma,
        "bins": DeformRoIPool(3).k,
    }


def position_sensitive_pooling() -> dict[str, float]:
    """Differences of position-sensitive pooling from pooling each bin of each class from its own maps."""
    k, classes = 3, 4
    scores, offsets = _random(2, classes * 9, 30, 30), _random(2, classes * 18, 30, 30)
    rois = torch.tensor([[1, 4, 6, 14, 20], [0, 5, 3, 16, 8]], dtype=scores.dtype)
    result = deform_ps_roi_pool(scores, offsets, rois, k, gamma=0.2)
    plain = deform_ps_roi_pool(scores, torch.zeros_like(offsets), rois, k)
    differences = {"with_offsets": 0.0, "without_offsets": 0.0}
    for number, c, j, i in product(range(2), range(classes), range(k), range(k)):
        maps = scores[:, c * 9 + j * 3 + i, None]
        pairs = offsets[:, [c * 18 + j * 3 + i, c * 18 + 9 + j * 3 + i]]
        roi, none = rois[number, None], torch.zeros(1, 2, k, k, dtype=scores.dtype)
        shift = deform_roi_pool(pairs, roi, none)[0, :, j, i]
        moved = none + shift[:, None, None]
        for name, found, offset in (("with_offsets", result, moved), ("without_offsets", plain, none)):
            wanted = deform_roi_pool(maps, roi, offset, gamma=0.2)[0, 0, j, i]
            differences[name] = max(differences[name], distance(found[number, c, j, i], wanted))
    return {**differences, "offsets_matter": distance(result, plain)}


# --- Networks --------------------------------------------------------------------------------------------------------


def networks() -> dict[str, float]:
    """How far fresh deformable networks are from ordinary ones with the same weights, and what offsets change.

    The ordinary ResNet-50 is dilated by 2 in its last stage and has no stride there. As shares of the largest score.
    ``resnet50_initial`` is the standard deviation with which deformable layers start over ResNet's, sqrt(2 / fan-out),
    and ``toy_written_out`` the difference of the ordinary one from its layers written out.
    """
    torch.manual_seed(0)
    ordinary = resnet.build("resnet50", classes=10, stride_in_1x1=False)
    for layer in ordinary.stages[-1].modules():
        if isinstance(layer, nn.Conv2d):
            layer.stride = (1, 1)
            if layer.kernel_size == (3, 3):
                layer.dilation = layer.padding = (2, 2)
    pairs = {
        "resnet50": (ordinary, build("resnet50-dcn", classes=10)),
        "toy": (build("toy-plain", classes=10), build("toy-deform", classes=10)),
    }
    initial = torch.cat([block.layers[3].weight.detach() for block in pairs["resnet50"][1].stages[-1]])
    measured = {"resnet50_initial": float(initial.std()) / (2 / (9 * 512)) ** 0.5}
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        for name, (plain, deformable) in pairs.items():
            deformable.load_state_dict(plain.state_dict(), strict=False)
            wanted = plain.eval()(x)
            measured[f"{name}_fresh"] = distance(deformable.eval()(x), wanted) / float(wanted.abs().max())
            layers = [layer for layer in deformable.modules() if isinstance(layer, DeformConv2d)]
            for layer in layers:
                nn.init.constant_(layer.offset.bias, 0.5)
            measured[f"{name}_moved"] = distance(deformable(x), wanted) / float(wanted.abs().max())
            measured[f"{name}_layers"] = len(layers)
        *parts, (_, _, classifier) = pairs["toy"][0]
        y = x
        for convolution, norm, _ in parts:
            nn.init.normal_(norm.running_mean)
            y = F.conv2d(y, convolution.weight, padding=1)
            y = F.batch_norm(y, norm.running_mean, norm.running_var, norm.weight, norm.bias).relu()
        scores = y.mean((2, 3)) @ classifier.weight.T + classifier.bias
        measured["toy_written_out"] = distance(pairs["toy"][0](x), scores)
    return measured


def _random(*size: int) -> Tensor:
    return normal(*size, seed=sum(size))


# --- Training --------------------------------------------------------------------------------------------------------


class OneKernel(nn.Module):
    """One 3x3 layer that starts as the identity, with one offset for each tap, the same everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, 1, 3, 3))
        self.offset = nn.Parameter(torch.zeros(18))
        nn.init.ones_(self.weight[:, :, 1, 1])

    def forward(self, x: Tensor) -> Tensor:
        offset = self.offset[:, None, None].expand(len(x), -1, *x.shape[2:])
        return deform_conv2d(x, offset, self.weight, padding=1)


def reach(run: Run) -> dict[str, float]:
    """Remaining error over the power of the target, of a 3x3 layer that has to move its input by (3, -2) pixels."""
    generator = torch.Generator().manual_seed(run.seed)
    row = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    images = torch.randn(16, 1, 24, 24, generator=generator)
    for _ in range(3):
        images = F.conv2d(images, (row[:, None] * row)[None, None], padding=2)
    targets = images.roll((3, -2), (2, 3))

    def error(y: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(y[:, :, 5:-5, 5:-5], target[:, :, 5:-5, 5:-5])

    measured = {}
    for arm in ("deformable", "ordinary"):
        layer = OneKernel()
        groups = [{"params": [layer.weight], "lr": 0.01}]
        if arm == "deformable":
            groups.append({"params": [layer.offset], "lr": 0.03})
        optimiser = torch.optim.Adam(groups)
        run.train(arm, layer, optimiser, images, targets, batch=16, steps=400, loss=error)
        y = outputs(layer, images)
        measured[arm] = float(error(y, targets) / error(torch.zeros_like(targets), targets))
    return measured
