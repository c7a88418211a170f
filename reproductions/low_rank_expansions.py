"""Speeding up Convolutional Neural Networks with Low Rank Expansions (Jaderberg, Vedaldi, Zisserman, 2014).

The filters of a trained layer are redundant. "Learning separable filters" had shown that a bank of filters can be
combined from a few separable ones, each a column times a row; here such a basis takes the place of a layer in two ways.
Scheme 1 gives each input channel a basis of its own and leaves it to a 1x1 convolution to combine them. Scheme 2 shares
across channels too: one layer of columns, one of rows, and their product is the layer.

Letters in comments are the paper's: C input channels, N filters, of side d; M basis filters a channel, or K in all.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reproductions.maxout import MaxOverPieces as Maxout


class Scheme1Conv(nn.Sequential):
    """Separable filters for each channel, columns first, and their combinations (Figure 1b).

    Shapes: (batch, inputs, height, width) to (batch, outputs, height - kernel + 1, width - kernel + 1).
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, basis: int) -> None:
        responses = inputs * basis  # C M
        super().__init__(
            nn.Conv2d(inputs, responses, (kernel, 1), groups=inputs, bias=False),
            nn.Conv2d(responses, responses, (1, kernel), groups=responses, bias=False),
            nn.Conv2d(responses, outputs, 1),
        )


class Scheme2Conv(nn.Sequential):
    """A layer of columns with ``rank`` outputs and a layer of rows, with nothing in between (Figure 1c)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, rank: int, padding: int = 0) -> None:
        super().__init__(
            nn.Conv2d(inputs, rank, (kernel, 1), padding=(padding, 0), bias=False),
            nn.Conv2d(rank, outputs, (1, kernel), padding=(0, padding)),
        )


def cost(scheme: str, inputs: int, outputs: int, kernel: int, side: int, rank: int = 0) -> int:
    """Multiply-accumulates of a layer for an image of this side.

    Args:
        scheme: full, scheme1 or scheme2.
        inputs: C.
        outputs: N.
        kernel: d.
        side: of the input.
        rank: M or K; a full layer has none.
    """
    after = side - kernel + 1
    match scheme:
        case "full":
            return outputs * inputs * kernel**2 * after**2
        case "scheme1":  # columns, rows, and their combination
            return rank * inputs * (kernel * side * after + kernel * after**2 + outputs * after**2)
        case "scheme2":  # columns, rows
            return rank * inputs * kernel * side * after + outputs * rank * kernel * after**2
    raise ValueError(f"no scheme '{scheme}'; there are full, scheme1 and scheme2")


# --- How the two layers of scheme 2 are found ------------------------------------------------------------------------


@torch.no_grad()
def fit_filters(conv: nn.Conv2d, rank: int) -> Scheme2Conv:
    """The two layers whose product is nearest to the filters of a layer, which are square and taken at every pixel.

    The product of a matrix of columns, (C d, K), and one of rows, (K, N d), is a matrix of rank K. So the alternation
    of the paper, which improves one and then the other, leads to the singular vectors of the K largest singular values.
    """
    outputs, inputs, kernel, _ = conv.weight.shape
    matrix = conv.weight.double().permute(1, 2, 0, 3).reshape(inputs * kernel, outputs * kernel)
    u, s, vh = torch.linalg.svd(matrix, full_matrices=False)
    root = s[:rank].sqrt()
    columns = (u[:, :rank] * root).T.unflatten(1, (inputs, kernel))
    rows = (root[:, None] * vh[:rank]).unflatten(1, (outputs, kernel)).permute(1, 0, 2)
    return _scheme_2(conv, columns, rows)


@torch.no_grad()
def fit_data(conv: nn.Conv2d, x: Tensor, rank: int, alternations: int = 6) -> Scheme2Conv:
    """The two layers whose responses to images x, (batch, inputs, height, width), are nearest to those of a layer.

    Responses differ by the difference of the filters times the patches of the images, so that all the images have to
    say is how the pixels of their patches go together. With one layer held, the other is a linear least-squares
    problem: rows first, from the columns that fit the filters.
    """
    weight = conv.weight.double()  # normal equations want the precision
    patches = F.unfold(x.double(), conv.kernel_size, padding=conv.padding).mT.flatten(0, 1)
    moments = (patches.T @ patches).reshape(*weight.shape[1:], *weight.shape[1:])  # (C, d, d, C, d, d)
    wanted = torch.einsum("cijCIJ,nCIJ->cijn", moments, weight)
    start = fit_filters(conv, rank)
    columns, rows = start[0].weight[..., 0].double(), start[1].weight[:, :, 0].double()  # (K, C, d) and (N, K, d)
    for _ in range(alternations):
        normal = torch.einsum("kci,cijCIJ,KCI->kjKJ", columns, moments, columns)
        rows = _solve(normal, torch.einsum("kci,cijn->kjn", columns, wanted)).permute(2, 0, 1)
        normal = torch.einsum("nkj,nKJ,cijCIJ->kciKCI", rows, rows, moments)
        columns = _solve(normal, torch.einsum("nkj,cijn->kci", rows, wanted)[..., None])[..., 0]
    return _scheme_2(conv, columns, rows)


def _solve(normal: Tensor, wanted: Tensor) -> Tensor:
    """The smallest solution, of the size of ``wanted``, whose last dimension counts right-hand sides.

    There are several where the images do not say everything: a channel that is dark in all of them, or few images.
    """
    size = wanted[..., 0].numel()
    inverse = torch.linalg.pinv(normal.reshape(size, size), hermitian=True)
    return (inverse @ wanted.reshape(size, -1)).reshape(wanted.shape)


def _scheme_2(conv: nn.Conv2d, columns: Tensor, rows: Tensor) -> Scheme2Conv:
    """A layer in the place of another: columns (K, C, d), rows (N, K, d), and the other's bias."""
    (kernel, _), (padding, _) = conv.kernel_size, conv.padding
    layer = Scheme2Conv(conv.in_channels, conv.out_channels, kernel, len(columns), padding).to(conv.weight)
    layer[0].weight.copy_(columns[..., None])
    layer[1].weight.copy_(rows[:, :, None])
    layer[1].bias.copy_(0 if conv.bias is None else conv.bias)
    return layer


# --- The network that is sped up -------------------------------------------------------------------------------------


class CharNet(nn.Sequential):
    """Reads a character, one of 36 or none: (batch, 1, 24, 24) to (batch, classes). No padding, no pooling."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(nn.Conv2d(1, 96, 9), Maxout(2))  # 48, 16, 16
        self.conv2 = nn.Sequential(nn.Conv2d(48, 128, 9), Maxout(2))  # 64, 8, 8
        self.conv3 = nn.Sequential(nn.Conv2d(64, 512, 8), Maxout(4))  # 128, 1, 1
        self.conv4 = nn.Sequential(nn.Conv2d(128, 4 * classes, 1), Maxout(4), nn.Flatten())


# What takes the place of conv2 and conv3, and the ranks at which either costs about an eighth of what it did. The paper
# does not settle on ranks but trades them against accuracy.
VARIANTS = {
    "charnet": (None, ()),
    "charnet-scheme1": (Scheme1Conv, (9, 8)),
    "charnet-scheme2": (Scheme2Conv, (32, 32)),
}


def build(variant: str = "charnet", *, classes: int = 37, ranks: tuple[int, int] | None = None) -> CharNet:
    """Build the network, or what its two large layers are replaced by, before they are fitted.

    Args:
        variant: a key of ``VARIANTS``.
        classes: outputs.
        ranks: M or K of conv2 and of conv3; the variant's own if omitted. The full network has none.
    """
    network = CharNet(classes)
    scheme, usual = VARIANTS[variant]
    if scheme is not None:
        rank2, rank3 = ranks or usual
        for stage, rank in ((network.conv2, rank2), (network.conv3, rank3)):
            outputs, inputs, kernel, _ = stage[0].weight.shape
            stage[0] = scheme(inputs, outputs, kernel, rank)
    return network
