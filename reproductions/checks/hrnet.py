"""Measurements of HRNet that no count on a single network gives."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from catalog.records import Peer
from catalog.verify.parity import compare
from catalog.verify.peers import build_peer
from reproductions.checks.measuring import count_macs, randomise
from reproductions.hrnet import V1, V2, Classification, ExchangeUnit, HRModule, HRNet, Streams, V2p, build

if TYPE_CHECKING:
    from collections.abc import Sequence


WIDTHS = (6, 12, 24, 48)

# --- Counts ----------------------------------------------------------------------------------------------------------


def binary_giga() -> dict[str, float]:
    """Multiply-accumulates of convolutions and fully connected layers, divided by 2^30."""
    classification = [(f"hrnet-w{width}", 224, 224) for width in (18, 30, 32, 40, 44, 48)]
    pose = [(f"pose-w{width}", *size) for width in (32, 48) for size in ((256, 192), (384, 288))]
    return {
        f"{variant}_{height}x{width}": count_macs(_skeleton(variant), (3, height, width)) / 2**30
        for variant, height, width in (*classification, *pose, ("seg-w48", 1024, 2048))
    }


def resolutions() -> dict[str, list[int]]:
    """Channels and sides of all streams behind every module of stages 2 to 4, for an image of 224.

    ``finest`` has the sides of the finest stream behind stage 1 and behind each module.
    """
    network = _skeleton("hrnet-w18")
    streams = [network.stage1(network.stem(torch.empty(1, 3, 224, 224, device="meta")))]
    measured = {"stage_1": list(streams[0].shape[1:3])}
    finest = [streams[0].shape[2]]
    for number, stage in enumerate((network.stage2, network.stage3, network.stage4), start=2):
        streams = stage[0](streams)
        for position, module in enumerate(stage[1:], start=1):
            streams = module(streams)
            finest.append(streams[0].shape[2])
            shapes = [x.shape for x in streams]
            measured[f"stage_{number}_module_{position}_channels"] = [shape[1] for shape in shapes]
            measured[f"stage_{number}_module_{position}_sides"] = [shape[2] for shape in shapes]
    return measured | {"finest": finest}


def endings() -> dict[str, list[int]]:
    """Channels and sides of what goes into the heads, and of what comes out, for an image of 224.

    ``pyramid_…`` are those of the levels of V2p for an image of 256.
    """
    measured = {}
    for variant in ("hrnet-w18", "pose-w32", "seg-w18"):
        network, x = _skeleton(variant), torch.empty(1, 3, 224, 224, device="meta")
        streams = network.streams(x)
        measured[f"{variant}_channels"] = [stream.shape[1] for stream in streams]
        measured[f"{variant}_sides"] = [stream.shape[2] for stream in streams]
        measured[f"{variant}_output"] = list(network.head(streams).shape[1:])
    pyramid = V2p(WIDTHS)([torch.zeros(1, width, 64 // 2**r, 64 // 2**r) for r, width in enumerate(WIDTHS)])
    return measured | {
        "pyramid_channels": [level.shape[1] for level in pyramid],
        "pyramid_sides": [level.shape[2] for level in pyramid],
    }


def exchange_convolutions() -> dict[str, list[int]]:
    """Convolutions in the exchange units of two, three and four streams: 1x1, and 3x3 with stride 2; and biases."""
    kinds: dict[str, list[int]] = {"pointwise": [], "strided": [], "others": []}
    for streams in (2, 3, 4):
        unit = ExchangeUnit(WIDTHS[:streams], streams, "nearest")
        layers = [(m.kernel_size[0], m.stride[0]) for m in unit.modules() if isinstance(m, nn.Conv2d)]
        kinds["pointwise"].append(layers.count((1, 1)))
        kinds["strided"].append(layers.count((3, 2)))
        kinds["others"].append(len(layers) - layers.count((1, 1)) - layers.count((3, 2)))
    return kinds


def biases() -> dict[str, int]:
    """Convolutions with biases, in the heads and elsewhere."""
    measured = {}
    for variant in ("hrnet-w18", "pose-w32", "seg-w18"):
        named = [
            (n, m) for n, m in _skeleton(variant).named_modules() if isinstance(m, nn.Conv2d) and m.bias is not None
        ]
        in_head = sum(name.startswith("head.") for name, _ in named)
        measured |= {f"{variant}_head": in_head, f"{variant}_elsewhere": len(named) - in_head}
    return measured


# --- What the parts compute ------------------------------------------------------------------------------------------


def mixing() -> dict[str, float]:
    """Gradients of the mean of each output of the last module with respect to each input: smallest, and how many."""
    torch.manual_seed(0)
    measured = {}
    for variant, width in (("hrnet-w18", 18), ("seg-w18", 18), ("pose-w32", 32)):
        with torch.device("meta"):
            module = build(variant).stage4[-1]
        module = randomise(module.to_empty(device="cpu"))
        streams = [x.requires_grad_() for x in _streams([width * 2**r for r in range(4)])]
        sizes = [
            float(gradient.abs().max())
            for output in module(streams)
            for gradient in torch.autograd.grad(output.mean(), streams, retain_graph=True)
        ]
        measured |= {f"{variant}_smallest": min(sizes), f"{variant}_pairs": len(sizes)}
    return measured


def silent_paths() -> dict[str, float]:
    """A module against the ReLU of its branches, before and after its normalisations between streams give zeros."""
    torch.manual_seed(0)
    module = randomise(HRModule(WIDTHS))
    streams = _streams(WIDTHS)
    with torch.no_grad():
        branches = [branch(x).relu() for branch, x in zip(module.branches, streams, strict=True)]
        active = _difference(module(streams), branches)
        for layer in module.exchange.modules():
            if isinstance(layer, nn.BatchNorm2d):
                nn.init.zeros_(layer.weight)
                nn.init.zeros_(layer.bias)
        return {"active": active, "silent": _difference(module(streams), branches)}


def exchange() -> dict[str, float]:
    """Differences between exchange units and the sum written out, over the largest output; and for another mode."""
    torch.manual_seed(0)
    measured = {}
    streams = _streams(WIDTHS)
    with torch.no_grad():
        for mode, other in (("nearest", "bilinear"), ("bilinear", "nearest")):
            unit = randomise(ExchangeUnit(WIDTHS, 4, mode))
            measured[mode] = _difference(unit(streams), _exchanged(unit, streams, mode))
            measured[f"{mode}_not_{other}"] = _difference(unit(streams), _exchanged(unit, streams, other))
        unit = randomise(ExchangeUnit(WIDTHS, 1, "nearest"))
        measured["one_output"] = _difference(unit(streams), _exchanged(unit, streams, "nearest"))
        module = randomise(HRModule(WIDTHS[:2], blocks_per_branch=1))
        branches = [branch(x) for branch, x in zip(module.branches, streams, strict=False)]
        measured["module"] = _difference(module(streams[:2]), _exchanged(module.exchange, branches, "nearest"))
    return measured


def order_of_upsampling() -> dict[str, float | list[float]]:
    """Upsampling before the 1x1 convolution and normalisation, as the text has it: difference, and ratios of cost."""
    torch.manual_seed(0)
    measured: dict[str, float | list[float]] = {}
    streams = _streams(WIDTHS)
    for mode in ("nearest", "bilinear"):
        unit = randomise(ExchangeUnit(WIDTHS, 4, mode))
        differences, ratios = [], []
        for path, x in zip(unit.paths[0][1:], streams[1:], strict=True):
            convolution, norm, upsample = path
            first = nn.Sequential(upsample, convolution, norm)
            with torch.no_grad():
                differences.append(_difference([first(x)], [path(x)]))
            ratios.append(count_macs(first.float(), x.shape[1:]) / count_macs(path.float(), x.shape[1:]))
        measured |= {mode: max(differences), f"{mode}_cost": ratios}
    return measured


def heads() -> dict[str, float]:
    """Differences between the heads and the same written out, over the largest output."""
    torch.manual_seed(0)
    streams = _streams(WIDTHS)
    measured = {}
    with torch.no_grad():
        for head in (V1(WIDTHS, 5), V2(WIDTHS, 5), V2p(WIDTHS, levels=3, channels=8), Classification(WIDTHS, 5)):
            y = randomise(head)(streams)
            wanted = _HEADS[type(head)](head, streams)
            measured[type(head).__name__] = _difference(y if isinstance(y, list) else [y], wanted)
        pyramid = randomise(V2p(WIDTHS, levels=3, channels=8))
        mixed = pyramid.mix(_upsampled(streams))
        maxima = [convolution(F.max_pool2d(mixed, 2**level)) for level, convolution in enumerate(pyramid.levels)]
        measured["maxima_in_V2p"] = _difference(pyramid(streams), maxima)
    return measured


# --- Another implementation ------------------------------------------------------------------------------------------


class _WithHead(nn.Module):
    """The streams of timm's network, and a head that is written out."""

    def __init__(self, width: int, keep: int, upsampling: str, head: nn.Module) -> None:
        super().__init__()
        options = {"features_only": True, "feature_location": "", "out_indices": (1, 2, 3, 4)}
        self.trunk = build_peer(Peer(library="timm", model=f"hrnet_w{width}", options=options))
        self.trunk.stage4[-1].fuse_layers = self.trunk.stage4[-1].fuse_layers[:keep]
        for module in self.trunk.modules():
            if isinstance(module, nn.Upsample):
                module.mode = upsampling
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.trunk(x))


class _V1(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.heatmaps = nn.Conv2d(32, 17, 1)

    def forward(self, streams: Streams) -> Tensor:
        (finest,) = streams
        return self.heatmaps(finest)


class _V2(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ModuleList(nn.Upsample(scale_factor=2**r, mode="bilinear") for r in range(4))
        self.last = nn.Sequential(nn.Conv2d(270, 270, 1), nn.BatchNorm2d(270), nn.ReLU(), nn.Conv2d(270, 19, 1))

    def forward(self, streams: Streams) -> Tensor:
        return self.last(torch.cat([up(x) for up, x in zip(self.up, streams, strict=True)], dim=1))


def parity_pose() -> dict[str, float]:
    """Pose W32 against timm's HRNet-W32 whose last module gives the finest stream alone."""
    torch.manual_seed(0)
    return compare(build("pose-w32"), _WithHead(32, 1, "nearest", _V1()), (3, 32, 32))


def parity_segmentation() -> dict[str, float]:
    """Segmentation W18 against timm's HRNet-W18 that upsamples bilinearly."""
    torch.manual_seed(0)
    return compare(build("seg-w18"), _WithHead(18, 4, "bilinear", _V2()), (3, 32, 32))


# --- Written out, by functions alone ---------------------------------------------------------------------------------


def _exchanged(unit: ExchangeUnit, streams: Streams, mode: str) -> Streams:
    outputs = []
    for target, paths in enumerate(unit.paths):
        total = streams[target]
        for source, path in enumerate(paths):
            y = streams[source]
            if source > target:
                y = F.interpolate(_weigh(y, path[:2]), scale_factor=2 ** (source - target), mode=mode)
            for step, layers in enumerate(path if source < target else (), start=1):
                y = _weigh(y, layers[:2], 2)
                y = y if step == target - source else y.relu()
            total = total if source == target else total + y
        outputs.append(total.relu())
    return outputs


def _upsampled(streams: Streams) -> Tensor:
    sides = streams[0].shape[2:]
    return torch.cat([F.interpolate(x, sides, mode="bilinear", align_corners=False) for x in streams], 1)


def _classified(head: Classification, streams: Streams) -> Streams:
    wide = []
    for block, x in zip(head.widen, streams, strict=True):
        f = block.layers
        y = _weigh(_weigh(_weigh(x, f[:2]).relu(), f[3:5]).relu(), f[6:8])
        wide.append((y + _weigh(x, block.shortcut)).relu())
    y = wide[0]
    for down, x in zip(head.down, wide[1:], strict=True):
        y = x + _weigh(y, down[:2], 2).relu()
    y = _weigh(y, head.last[:2]).relu().mean((2, 3))
    return [y @ head.classifier.weight.T + head.classifier.bias]


def _pyramid(head: V2p, streams: Streams) -> Streams:
    x = _weigh(_upsampled(streams), [head.mix])
    return [_weigh(F.avg_pool2d(x, 2**level), [layer]) for level, layer in enumerate(head.levels)]


_HEADS = {
    V1: lambda head, streams: [_weigh(streams[0], [head.heatmaps])],
    V2: lambda head, streams: [_weigh(_weigh(_upsampled(streams), head.mix[:2]).relu(), [head.classifier])],
    V2p: _pyramid,
    Classification: _classified,
}


def _weigh(x: Tensor, layers: nn.Sequential | list[nn.Module], stride: int = 1) -> Tensor:
    """A convolution that keeps the size but for its stride, and batch normalisation in evaluation if there is one."""
    convolution, *norms = layers
    x = F.conv2d(x, convolution.weight, convolution.bias, stride, convolution.weight.shape[-1] // 2)
    for norm in norms:
        x = F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias)
    return x


# --- Helpers ---------------------------------------------------------------------------------------------------------


@cache
def _skeleton(variant: str) -> HRNet:
    """A network on the meta device for counts, without normalisation and ReLU, which there take most of the time."""
    with torch.device("meta"):
        network = build(variant)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.ReLU):
            vars(module)["forward"] = nn.Identity().forward
    return network


def _streams(widths: Sequence[int]) -> Streams:
    return [torch.randn(2, width, 16 // 2**r, 16 // 2**r, dtype=torch.float64) for r, width in enumerate(widths)]


def _difference(measured: Streams, wanted: Streams) -> float:
    """The largest difference, over the largest element of what is wanted."""
    largest = max(float(b.abs().max()) for b in wanted)
    return max(float((a - b).abs().max()) for a, b in zip(measured, wanted, strict=True)) / largest
