"""Generalized ResNet (RiR): Resnet in Resnet (Targ, Almeida, Lyman, 2016).

What a block of ResNet adds stays in the one stream that all blocks share; nothing can be put there for the next layer
alone and forgotten afterwards. This paper runs two streams: a residual one, r, with a shortcut around every single
layer, and a transient one, t, which is an ordinary convolutional network. Convolutions cross between the two, so a unit
can learn to be a plain layer, a residual one or something between. Both streams together are one convolution on all
channels, and the shortcut is part of its weights: a plain network whose weights begin with an identity can do the same.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reproductions.layers import conv_bn, conv_bn_relu
from reproductions.resnet import Part, initialise, stages

Streams = tuple[Tensor, Tensor]
"""The residual stream and the transient one, of the same shape: (batch, channels, height, width)."""


def shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    """The identity, or a 1x1 convolution where the shape changes."""
    return nn.Identity() if inputs == outputs and stride == 1 else nn.Conv2d(inputs, outputs, 1, stride, bias=False)


def shortcut_for_new_shapes(inputs: int, outputs: int, stride: int) -> nn.Module | None:
    """None where the identity is left to :func:`resnet_init`."""
    return None if inputs == outputs and stride == 1 else shortcut(inputs, outputs, stride)


class GeneralizedUnit(nn.Module):
    """The generalized residual block (Equations 1 and 2), both streams normalised after all their terms are added.

    r' = relu(BN(conv_rr(r) + conv_tr(t) + shortcut(r))), t' = relu(BN(conv_rt(r) + conv_tt(t)))

    Args:
        inputs: channels of each stream in front.
        outputs: channels of each stream behind.
        stride: of all convolutions.
        shortcut: of the residual stream; a plain layer has none.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, *, shortcut: Part | None = shortcut) -> None:
        super().__init__()
        self.conv_rr, self.conv_tr, self.conv_rt, self.conv_tt = (
            nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False) for _ in range(4)
        )
        self.shortcut = shortcut and shortcut(inputs, outputs, stride)
        self.norm_r, self.norm_t = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)

    def normalised(self, streams: Streams) -> Streams:
        """Both streams in front of their ReLUs."""
        r, t = streams
        residual = self.conv_rr(r) + self.conv_tr(t)
        if self.shortcut is not None:
            residual = residual + self.shortcut(r)
        return self.norm_r(residual), self.norm_t(self.conv_rt(r) + self.conv_tt(t))

    def forward(self, streams: Streams) -> Streams:
        r, t = self.normalised(streams)
        return r.relu(), t.relu()


def resnet_init(convolution: nn.Conv2d, residual: int) -> nn.Conv2d:
    """ResNet Init: add the identity of the first so many channels, the residual stream, to a kernel.

    An ordinary convolution on the concatenated streams is then a unit with its shortcut, at no cost.
    """
    identity = nn.init.dirac_(torch.empty_like(convolution.weight[:residual, :residual]))
    with torch.no_grad():
        convolution.weight[:residual, :residual] += identity
    return convolution


class RiRBlock(nn.Module):
    """A block of ResNet whose two layers are generalized units (Figure 1 d): ResNet in ResNet.

    The block's shortcut goes around both, in the residual stream, and is added before the last ReLU as ResNet does it.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = GeneralizedUnit(inputs, outputs, stride)
        self.second = GeneralizedUnit(outputs, outputs, 1)
        self.shortcut = shortcut(inputs, outputs, stride)

    def forward(self, streams: Streams) -> Streams:
        r, t = self.second.normalised(self.first(streams))
        return (r + self.shortcut(streams[0])).relu(), t.relu()


class Split(nn.Module):
    """The first layer: a 3x3 convolution of the image for each stream."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.residual = conv_bn_relu(inputs, outputs, 3, padding=1)
        self.transient = conv_bn_relu(inputs, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Streams:
        return self.residual(x), self.transient(x)


class Join(nn.Module):
    """Both streams as one map of twice the channels."""

    def forward(self, streams: Streams) -> Tensor:
        return torch.cat(streams, dim=1)


VARIANTS = {
    # shortcuts, classes
    "rir-cifar10": (shortcut, 10),
    "rir-cifar100": (shortcut, 100),
    "resnet-init-cifar10": (shortcut_for_new_shapes, 10),
    "plain-cifar10": (None, 10),
}


def build(variant: str = "rir-cifar10", *, classes: int | None = None) -> nn.Sequential:
    """Build a variant: 18 layers, 16 of which are units.

    The units follow one another without the shortcuts around pairs of them that :class:`RiRBlock` has. The classifier
    is that of the all-convolutional network: a 1x1 convolution, averaged over the map.

    Args:
        variant: a key of ``VARIANTS``.
        classes: outputs of the classifier: as the variant's name says, if omitted.
    """
    part, usual_classes = VARIANTS[variant]

    def unit(inputs: int, outputs: int, stride: int) -> GeneralizedUnit:
        return GeneralizedUnit(inputs, outputs, stride, shortcut=part)

    network = nn.Sequential(
        Split(3, 48),
        *stages(unit, (48, 48, 96, 192), (4, 6, 6)),
        Join(),
        *conv_bn(384, classes or usual_classes, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )
    initialise(network)
    if part is shortcut_for_new_shapes:
        for layer in network.modules():
            if isinstance(layer, GeneralizedUnit) and layer.shortcut is None:
                resnet_init(layer.conv_rr, layer.conv_rr.in_channels)
    return network
