"""ResNet-RS: Revisiting ResNets, Improved Training and Scaling Strategies (Bello et al., 2021).

Between ResNet and the networks of 2020 lie new architectures, but also five years of training methods, and papers
compare the two at once. This one trains the ResNet of 2015 as networks are trained now: longer, on a cosine, with the
average of its weights, smoothed labels, dropout and stochastic depth. That gives most of the progress. Two changes of
the architecture give the rest: the stem and shortcuts of ResNet-D, here without the max pool, and squeeze and
excitation. And the family is scaled by depth, where it would overfit, and by resolution more slowly than EfficientNet.
"""

from __future__ import annotations

import math
from copy import deepcopy
from functools import partial

from torch import Tensor, nn

from reproductions.inception_v3 import label_smoothing_loss
from reproductions.layers import conv_bn_relu
from reproductions.resnest import deep_stem, pooled_projection
from reproductions.resnet import Bottleneck, ResNet
from reproductions.senet import with_se
from reproductions.stochastic_depth import survival

loss = partial(label_smoothing_loss, epsilon=0.1)
"""Cross-entropy with smoothed labels (Section 4)."""


def cosine(step: int, total: int) -> float:
    """What the learning rate is multiplied by: from 1 down to 0 along half a wave."""
    return (1 + math.cos(math.pi * step / total)) / 2


class MovingAverage:
    """An average of the weights, d of what it was and 1 - d of what they are now; a test is made with it.

    The means and variances of normalisation are averaged as well; numbers that count are copied.

    Args:
        network: the network that is trained; its weights are the first average.
        decay: d.
    """

    def __init__(self, network: nn.Module, decay: float = 0.9999) -> None:
        self.network = deepcopy(network).eval().requires_grad_(False)
        self.decay = decay

    def update(self, network: nn.Module) -> None:
        """Take in the weights after a step."""
        for average, now in zip(self.network.state_dict().values(), network.state_dict().values(), strict=True):
            average.copy_(self.decay * average + (1 - self.decay) * now if now.is_floating_point() else now)


class DropBranch(nn.Module):
    """Stochastic depth for each image alone: a branch is dropped in training, or divided by the chance of being kept.

    Its mean stays what it is in a test, which drops and weighs nothing. (In the paper of stochastic depth one draw
    decides for the whole batch, and the test is weighed.)
    """

    def __init__(self, drop_rate: float) -> None:
        super().__init__()
        self.drop_rate = drop_rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.drop_rate == 0:
            return x
        kept = 1 - self.drop_rate
        return x * x.new_empty(len(x), 1, 1, 1).bernoulli_(kept) / kept


def block(inputs: int, outputs: int, stride: int, *, drop_rate: float) -> nn.Module:
    """A bottleneck with its stride in the 3x3, squeeze and excitation of ratio 1/4, and the shortcut of ResNet-D."""
    bottleneck = partial(Bottleneck, shortcut=pooled_projection, stride_in_1x1=False)
    result = with_se(bottleneck, reduction=4)(inputs, outputs, stride)
    result.layers.append(DropBranch(drop_rate))
    return result


def stem() -> nn.Sequential:
    """(batch, 3, 160, 160) to (batch, 64, 40, 40): the stem of ResNet-D, with a fourth convolution for its pool."""
    return deep_stem(32).extend(conv_bn_relu(64, 64, 3, stride=2, padding=1))


VARIANTS = {
    # Blocks in each stage; dropout and the drop rate of the last block as in the released configurations, each for the
    # largest images of the network
    "resnetrs50": ((3, 4, 6, 3), 0.25, 0.0),
    "resnetrs101": ((3, 4, 23, 3), 0.25, 0.0),
    "resnetrs152": ((3, 8, 36, 3), 0.25, 0.0),
    "resnetrs200": ((3, 24, 36, 3), 0.25, 0.1),
    "resnetrs270": ((4, 29, 53, 4), 0.25, 0.1),
    "resnetrs350": ((4, 36, 72, 4), 0.4, 0.1),
    "resnetrs420": ((4, 44, 87, 4), 0.4, 0.1),
}


def build(variant: str = "resnetrs50", *, classes: int = 1000) -> ResNet:
    """Build a variant, initialised as ResNet is."""
    blocks, dropout, last = VARIANTS[variant]
    number = sum(blocks)
    rates = iter([1 - survival(place, number, 1 - last, "linear") for place in range(1, number + 1)])

    def part(inputs: int, outputs: int, stride: int) -> nn.Module:
        return block(inputs, outputs, stride, drop_rate=next(rates))

    network = ResNet(stem(), part, (64, 256, 512, 1024, 2048), blocks, classes)
    network.head.insert(2, nn.Dropout(dropout))
    return network
