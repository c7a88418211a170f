"""Deformable ConvNets v2: More Deformable, Better Results (Zhu, Hu, Lin, Dai, 2018).

The taps of the first version's deformable layers crowd on an object, but not all of them, and what they read beside it
disturbs. Here every tap gets, with its offset, a number between 0 and 1 that what it reads is multiplied by, so that a
layer can turn a tap off that it cannot move to a good place; bins of RoI pooling alike. Three stages of the network are
deformable instead of its last three layers. And to know what to look at, the features of a RoI learn in training to be
those that R-CNN has, which sees nothing but the RoI.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reproductions import resnet
from reproductions.deformable_convnets_v1 import (
    DeformConv2d,
    Toy,
    bilinear_sample,
    deformed_taps,
    replace_3x3,
    weigh,
)


def modulated_deform_conv2d(
    x: Tensor,
    offset: Tensor,
    mask: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
) -> Tensor:
    """y(p), the sum of w_k x(p + p_k + Δp_k) Δm_k over the taps k of the kernel (Equation 1).

    Shapes: mask (batch, kernel², height, width), between 0 and 1; the others as for a deformable convolution.
    """
    taps = deformed_taps(x, offset, weight.shape[-1], stride, padding, dilation)
    return weigh(taps * mask[:, None], weight, bias)


class ModulatedDeformConv2d(DeformConv2d):
    """Its second convolution gives the offsets of all taps, and then their modulations in front of a sigmoid.

    It starts with zeros, so that modulations start as 1/2, and the layer as half of an ordinary one (Section 3.2).
    """

    numbers = 3

    def forward(self, x: Tensor) -> Tensor:
        taps = self.kernel_size[0] ** 2
        offset, mask = self.offset(x).split((2 * taps, taps), dim=1)
        return modulated_deform_conv2d(x, offset, mask.sigmoid(), self.weight, self.bias, *self.geometry)


# --- Modulated deformable RoI pooling --------------------------------------------------------------------------------


def modulated_roi_pool(x: Tensor, rois: Tensor, offsets: Tensor, masks: Tensor) -> Tensor:
    """y(k), the mean of x(p_kj + Δp_k) Δm_k over the points j of bin k, which are 2 x 2 (Equation 2).

    Shapes: x (batch, channels, height, width); rois (number, 5), each an image, left, top, width and height; offsets
    (number, 2, k, k) of columns and then of rows, as shares of the RoI; masks (number, k, k); to (number, channels, k,
    k).
    """
    k = offsets.shape[-1]
    image, left, top, width, height = rois.T[..., None]
    points = (torch.arange(2 * k).to(rois) + 0.5) / (2 * k)
    rows, columns = (top + points * height)[:, :, None], (left + points * width)[:, None]
    grid = torch.stack(torch.broadcast_tensors(rows, columns), dim=1)  # p_kj: number, 2, 2k, 2k
    shift = (offsets * rois[:, 3:, None, None]).flip(1).repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    return F.avg_pool2d(bilinear_sample(x[image[:, 0].long()], grid + shift), 2) * masks[:, None]


class ModulatedDeformRoIPool(nn.Module):
    """Pools as usual, and lets two layers and a third read offsets and modulations of the bins off that (Section 3.2).

    Shapes: x (batch, channels, height, width) and rois (number, 5) to (number, channels, k, k).
    """

    def __init__(self, channels: int, k: int = 7) -> None:
        super().__init__()
        self.k = k
        self.fc = nn.Sequential(
            nn.Linear(channels * k**2, 1024),
            nn.ReLU(),
            nn.Linear(1024, 1024),
            nn.ReLU(),
            nn.Linear(1024, 3 * k**2),
        )
        for layer, std in ((self.fc[0], 0.01), (self.fc[2], 0.01), (self.fc[4], 0.0)):
            nn.init.normal_(layer.weight, std=std)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, rois: Tensor) -> Tensor:
        size = len(rois), -1, self.k, self.k
        pooled = modulated_roi_pool(x, rois, x.new_zeros(1, 2, self.k, self.k), x.new_ones(1, self.k, self.k))
        offsets, masks = self.fc(pooled.flatten(1)).reshape(size).split((2, 1), dim=1)
        return modulated_roi_pool(x, rois, offsets, masks[:, 0].sigmoid())


def mimic_loss(f_rcnn: Tensor, f_frcnn: Tensor) -> Tensor:
    """The sum of 1 - cos over RoIs, of the angles between what R-CNN and Faster R-CNN see in them (Equation 3).

    Shapes: (number, features) twice; only RoIs of objects take part.
    """
    return (1 - F.cosine_similarity(f_rcnn, f_frcnn, dim=1)).sum()


# --- Networks --------------------------------------------------------------------------------------------------------


def modulated_resnet(classes: int) -> resnet.ResNet:
    """ResNet-50 with all 3x3 layers of conv3 to conv5 modulated and deformable (Section 3.1)."""
    network = resnet.build("resnet50", classes=classes, stride_in_1x1=False)
    for stage in network.stages[1:]:
        for block in stage:
            replace_3x3(block, ModulatedDeformConv2d)
    return network


VARIANTS = {
    "resnet50-mdcn": None,
    "toy-v1": DeformConv2d,
    "toy-v2": ModulatedDeformConv2d,
}


def build(variant: str = "resnet50-mdcn", *, classes: int = 1000) -> nn.Sequential:
    """Build a variant, initialised as those of the first version."""
    layer = VARIANTS[variant]
    return modulated_resnet(classes) if layer is None else Toy(layer, classes)
