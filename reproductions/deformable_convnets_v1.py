"""Deformable ConvNets v1: Deformable Convolutional Networks (Dai, Qi, Xiong, Li, Zhang, Hu, Wei, 2017).

A convolution looks at the same rigid grid wherever it is, however large or bent the thing there may be. Here every tap
of the grid is moved by an offset of its own, which another convolution reads off the same input, place by place; input
between pixels is interpolated, so that the offsets are learned from nothing but the task. Dilation is one such choice
of offsets, the same everywhere; the warp of a spatial transformer is one for the whole image. The bins of RoI pooling
get their offsets in the same way. Offsets start at zero, and with them every layer as the ordinary one.

Positions are rows first; the offsets of RoI pooling, as the paper writes them next to (w, h), columns first.
"""

from __future__ import annotations

from itertools import product
from math import ceil, floor

import torch
from torch import Tensor, nn

from reproductions import resnet
from reproductions.layers import conv_bn_relu


def bilinear_sample(x: Tensor, positions: Tensor) -> Tensor:
    """x(p), the sum of G(q, p) x(q) over all pixels q, where G is the bilinear kernel (Equations 3 and 4).

    G(q, p) = g(q_y, p_y) g(q_x, p_x) with g(a, b) = max(0, 1 - |a - b|), so that only the four pixels around p count.
    Outside of the map x is zero.

    Shapes: x (batch, channels, height, width), positions (batch, 2, …) in pixels, to (batch, channels, …).
    """
    height, width = x.shape[2:]
    first = positions.floor()  # the pixel above and to the left
    down, right = (positions - first).unbind(dim=1)
    result = torch.zeros(())
    for i, j in product((0, 1), repeat=2):
        row, column = first[:, 0] + i, first[:, 1] + j  # q
        g_y, g_x = down if i else 1 - down, right if j else 1 - right
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        pixel = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
        index = pixel.long().flatten(1)[:, None].expand(-1, x.shape[1], -1)
        value = x.flatten(2).gather(2, index).unflatten(2, pixel.shape[1:])
        result = result + (g_y * g_x * inside)[:, None] * value
    return result


# --- Deformable convolution ------------------------------------------------------------------------------------------


def deformed_taps(
    x: Tensor,
    offset: Tensor,
    kernel: int,
    stride: int,
    padding: int,
    dilation: int,
    offset_groups: int = 1,
) -> Tensor:
    """x(p_0 + p_n + Δp_n), what the taps of a kernel read at every place of the output.

    Shapes: x (batch, channels, …), offset (batch, offset_groups · 2 · kernel², height, width) with the row and then the
    column of each tap, taps row by row, to (batch, channels, kernel², height, width).

    Args:
        x: the input.
        offset: Δp_n of each tap and place; its size is that of the output.
        kernel: height and width of the kernel.
        stride: from place to place.
        padding: zeros around the input.
        dilation: from tap to tap.
        offset_groups: groups of channels that have offsets of their own.
    """
    batch, _, height, width = offset.shape
    taps = torch.arange(kernel, device=x.device) * dilation - padding
    rows = taps.repeat_interleave(kernel)[:, None, None] + torch.arange(height, device=x.device)[:, None] * stride
    columns = taps.repeat(kernel)[:, None, None] + torch.arange(width, device=x.device) * stride
    grid = torch.stack(torch.broadcast_tensors(rows, columns))  # p_0 + p_n: 2, kernel², height, width
    offset = offset.reshape(batch * offset_groups, kernel**2, 2, height, width).transpose(1, 2)
    groups = x.reshape(batch * offset_groups, -1, *x.shape[2:])
    return bilinear_sample(groups, grid + offset).reshape(batch, -1, kernel**2, height, width)


def weigh(taps: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The sum of w(p_n) times what tap n reads: (batch, inputs, kernel², …) to (batch, outputs, …)."""
    result = torch.einsum("bckhw,ock->bohw", taps, weight.flatten(2))
    return result if bias is None else result + bias[:, None, None]


def deform_conv2d(
    x: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    offset_groups: int = 1,
) -> Tensor:
    """y(p_0), the sum of w(p_n) x(p_0 + p_n + Δp_n) over the taps n of the kernel (Equation 2).

    See :func:`deformed_taps`; weight is (outputs, inputs, kernel, kernel).
    """
    return weigh(deformed_taps(x, offset, weight.shape[-1], stride, padding, dilation, offset_groups), weight, bias)


class DeformConv2d(nn.Conv2d):
    """A convolution and a second one of the same geometry, which gives the offsets and starts with zeros (Figure 2)."""

    numbers = 2
    """That the second one gives for each tap."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride, padding, dilation, bias=bias)
        self.offset = nn.Conv2d(inputs, self.numbers * kernel**2, kernel, stride, padding, dilation)
        nn.init.zeros_(self.offset.weight)
        nn.init.zeros_(self.offset.bias)
        self.geometry = stride, padding, dilation

    def forward(self, x: Tensor) -> Tensor:
        return deform_conv2d(x, self.offset(x), self.weight, self.bias, *self.geometry)


def effective_dilation(offset: Tensor, dilation: int = 1) -> Tensor:
    """Mean distance of taps that are neighbours in a row or a column of the kernel (Section 4.2).

    Shapes: (batch, 2 · kernel², height, width) to (batch, height, width).
    """
    kernel = round((offset.shape[1] / 2) ** 0.5)
    taps = torch.arange(kernel, device=offset.device) * dilation
    grid = torch.stack(torch.meshgrid(taps, taps, indexing="ij"), dim=2)
    places = grid[..., None, None] + offset.unflatten(1, (kernel, kernel, 2))  # batch, row, column, 2, height, width
    steps = [places.diff(dim=axis).norm(dim=3).flatten(1, 2) for axis in (1, 2)]
    return torch.cat(steps, dim=1).mean(dim=1)


# --- Deformable RoI pooling ------------------------------------------------------------------------------------------


def bin_pixels(roi: Tensor, k: int, i: int, j: int) -> Tensor:
    """Positions of the pixels of bin (i, j) of k x k, i counting columns: (2, rows, columns) (Section 2.2).

    A RoI is its left, top, width and height; p_0 is its upper left corner. Bins share the pixels at their borders.
    """
    left, top, width, height = roi.tolist()
    columns = left + torch.arange(floor(i * width / k), ceil((i + 1) * width / k)).to(roi)
    rows = top + torch.arange(floor(j * height / k), ceil((j + 1) * height / k)).to(roi)
    return torch.stack(torch.meshgrid(rows, columns, indexing="ij"))


def deform_roi_pool(x: Tensor, rois: Tensor, offsets: Tensor, gamma: float = 0.1) -> Tensor:
    """y(i, j), the mean of x(p_0 + p + Δp_ij) over the pixels p of bin (i, j) (Equation 6).

    Δp_ij is gamma times the offset times the size of the RoI, so that offsets mean the same whatever that is.

    Shapes: x (batch, channels, height, width); rois (number, 5), each an image and a RoI; offsets (number, 2, k, k),
    of columns and then of rows, for the bins by rows; to (number, channels, k, k).
    """
    k = offsets.shape[-1]
    result = x.new_empty(len(rois), x.shape[1], k, k)
    for number, (image, *_) in enumerate(rois.long().tolist()):
        roi = rois[number, 1:]
        shift = gamma * offsets[number].flatten(1) * roi[2:, None]  # Δp
        for i, j in product(range(k), repeat=2):
            positions = bin_pixels(roi, k, i, j) + shift[:, j * k + i].flip(0)[:, None, None]
            result[number, :, j, i] = bilinear_sample(x[image, None], positions[None])[0].mean((1, 2))
    return result


class DeformRoIPool(nn.Module):
    """Pools once as usual, reads the offsets of the bins off the result, and pools again with them (Figure 3).

    Shapes: x (batch, channels, height, width) and rois (number, 5) to (number, channels, k, k).
    """

    def __init__(self, channels: int, k: int = 7, gamma: float = 0.1) -> None:
        super().__init__()
        self.k, self.gamma = k, gamma
        self.fc = nn.Linear(channels * k**2, 2 * k**2)
        nn.init.zeros_(self.fc.weight)
        nn.init.zeros_(self.fc.bias)

    def forward(self, x: Tensor, rois: Tensor) -> Tensor:
        pooled = deform_roi_pool(x, rois, x.new_zeros(len(rois), 2, self.k, self.k))
        offsets = self.fc(pooled.flatten(1)).unflatten(1, (2, self.k, self.k))
        return deform_roi_pool(x, rois, offsets, self.gamma)


def deform_ps_roi_pool(scores: Tensor, offsets: Tensor, rois: Tensor, k: int, gamma: float = 0.1) -> Tensor:
    """Position-sensitive: each class has a score map and two offset maps for each bin (Figure 4).

    A bin of a class is pooled from its own maps: first, as usual, its offset, and then, moved by it, its score.

    Shapes: scores (batch, (C + 1) · k², height, width), offsets (batch, (C + 1) · 2 · k², height, width), rois as
    above, to (number, C + 1, k, k).
    """
    scores, offsets = scores.unflatten(1, (-1, k, k)), offsets.unflatten(1, (-1, 2, k, k))
    result = scores.new_empty(len(rois), scores.shape[1], k, k)
    for number, (image, *_) in enumerate(rois.long().tolist()):
        roi = rois[number, 1:]
        for i, j in product(range(k), repeat=2):
            pixels = bin_pixels(roi, k, i, j).expand(scores.shape[1], -1, -1, -1)
            shift = gamma * bilinear_sample(offsets[image, :, :, j, i], pixels).mean((2, 3)) * roi[2:]
            positions = pixels + shift.flip(1)[:, :, None, None]
            result[number, :, j, i] = bilinear_sample(scores[image, :, None, j, i], positions).mean((1, 2, 3))
    return result


# --- Networks --------------------------------------------------------------------------------------------------------


def replace_3x3(block: resnet.Block, layer: type[DeformConv2d]) -> None:
    """Put a deformable layer in the place of the 3x3 layer of a bottleneck, with its geometry and weights."""
    old = block.layers[3]
    geometry = (one for one, _ in (old.stride, old.padding, old.dilation))
    new = layer(old.in_channels, old.out_channels, 3, *geometry, bias=False)
    new.weight = old.weight
    block.layers[3] = new


def deformable_resnet(classes: int) -> resnet.ResNet:
    """ResNet-50 whose last three 3x3 layers are deformable, and whose last stage keeps the map (Section 2.3).

    The stage has no stride, and its 3x3 layers are dilated by 2 instead.
    """
    network = resnet.build("resnet50", classes=classes, stride_in_1x1=False)
    last = network.stages[-1]
    last[0].shortcut[0].stride = (1, 1)
    for block in last:
        layer = block.layers[3]
        layer.stride, layer.padding, layer.dilation = (1, 1), (2, 2), (2, 2)
        replace_3x3(block, DeformConv2d)
    return network


class Toy(nn.Sequential):
    """Three normalised 3x3 layers, of which the last two are of the given kind: the smallest network to try one in."""

    def __init__(self, layer: type[nn.Conv2d], classes: int) -> None:
        super().__init__(
            conv_bn_relu(3, 16, 3, padding=1),
            nn.Sequential(layer(16, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU()),
            nn.Sequential(layer(32, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU()),
            nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, classes)),
        )


VARIANTS = {
    "resnet50-dcn": None,
    "toy-plain": nn.Conv2d,
    "toy-deform": DeformConv2d,
}


def build(variant: str = "resnet50-dcn", *, classes: int = 1000) -> nn.Sequential:
    """Build a variant. Without offsets ResNet-50 starts as ResNet does, and the smallest network as torch does."""
    layer = VARIANTS[variant]
    return deformable_resnet(classes) if layer is None else Toy(layer, classes)
