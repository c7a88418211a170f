"""Measurements of ESPNet that no count on a single network gives."""

from __future__ import annotations

from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from catalog.verify.parity import compare
from reproductions.checks.measuring import count_parameters, count_weights, distance, relative_distance
from reproductions.espnet_v1 import (
    ESP,
    ESPNet,
    ESPNetC,
    build,
    esp_parameters,
    esp_receptive_field,
)

Module = TypeVar("Module", bound=nn.Module)

PSPNET = 65_700_000
"""Parameters of PSPNet, as Section 1 prints them."""


def decoder_parameters() -> int:
    """Parameters that ESPNet has more than ESPNet-C."""
    return count_parameters(build("espnet")) - count_parameters(build("espnet-c"))


def smaller_than_pspnet() -> float:
    """Parameters of PSPNet over those of ESPNet."""
    return PSPNET / count_parameters(build("espnet"))


def smaller_than_segnet() -> float:
    """Parameters of SegNet over those of ESPNet, both for the 21 classes of PASCAL VOC.

    SegNet is the convolutions of VGG-16, then the same in reverse, with batch normalisation behind all but the last.
    """
    encoder = list(pairwise((3, 64, 64, 128, 128, *(3 * [256]), *(6 * [512]))))
    decoder = [(b, a) for a, b in encoder[:0:-1]] + [(64, 21)]
    weights = sum(9 * inputs * outputs + 3 * outputs for inputs, outputs in encoder + decoder) - 2 * 21
    return weights / count_parameters(build("espnet", classes=21))


def feature_maps() -> dict[str, list[int]]:
    """Channels, height and width of the maps that pass between levels, for an image of 512 x 1024."""
    with torch.device("meta"):
        network, image = build("espnet"), torch.empty(1, 3, 512, 1024)
    names = ("down_2", "level_2", "down_3", "level_3")
    parts = {f"encoder_{name}": getattr(network.encoder, name) for name in names}
    parts |= {name: getattr(network, name) for name in ("up_3", "reduce_2", "merge_2", "up_2", "merge_1")}
    sizes = {}
    for name, part in parts.items():
        part.register_forward_hook(lambda *call, name=name: sizes.update({name: list(call[-1].shape[1:])}))
    network(image)
    with torch.device("meta"):
        features = network.encoder.features(image)
    return sizes | {f"features_{level}": list(x.shape[1:]) for level, x in enumerate(features, start=1)}


def cost_of_the_module() -> dict[str, float | int]:
    """Weights of ESP modules, by the formula and as they are, and of the convolutions that see 3 x 3 pixels."""
    measured: dict[str, float | int] = {}
    for branches, channels in ((4, 128), (5, 100)):
        module, standard = (
            count_weights(ESP(channels, channels, branches)),
            count_weights(nn.Conv2d(channels, channels, 3)),
        )
        measured |= {
            f"formula_{channels}": esp_parameters(3, channels, channels, branches),
            f"module_{channels}": module,
            f"standard_{channels}": standard,
            f"factor_{channels}": standard / module,
        }
    return measured


def receptive_field() -> dict[str, int]:
    """Height and width of what one output of the pyramid sees, and the formula, for four and five branches."""
    measured = {}
    for branches in (4, 5):
        seen = _taps(ESP(1, 4 * branches, branches), 41).amax(0)
        measured[f"formula_{branches}"] = esp_receptive_field(3, branches)
        measured[f"height_{branches}"], measured[f"width_{branches}"] = _extent(seen.any(1)), _extent(seen.any(0))
    return measured


def gridding() -> dict[str, list[int] | int]:
    """Pixels that one output of each branch sees, with and without hierarchical fusion, and what fusion costs."""
    with_fusion, without = ESP(1, 20), ESP(1, 20, fusion=False)
    return {
        "with_fusion": _seen_by_branch(with_fusion),
        "without": _seen_by_branch(without),
        "additional_parameters": count_parameters(with_fusion) - count_parameters(without),
    }


def one_channel_a_branch() -> dict[str, list[int] | int]:
    """With as many branches as outputs: channels that each branch gets and gives, and weights for 6 inputs."""
    module = ESP(6, 4, 4)
    return {
        "inputs": [branch.in_channels for branch in module.pyramid],
        "outputs": [branch.out_channels for branch in module.pyramid],
        "weights": count_weights(module),
        "formula": 6 + 4 * 9,
    }


def leftover_channels() -> dict[str, list[int]]:
    """Outputs of the branches where five do not divide the channels."""
    return {
        str(channels): [branch.out_channels for branch in ESP(channels, channels).pyramid] for channels in (64, 128, 20)
    }


def module_written_out() -> dict[str, float]:
    """Differences between ESP modules and their definition by functions alone; also for sums from the first branch."""
    torch.manual_seed(0)
    differences = {}
    with torch.no_grad():
        x = torch.randn(2, 20, 36, 34, dtype=torch.float64)
        for name, outputs, down in (("residual", 20, False), ("wider", 23, False), ("down", 20, True)):
            module = _randomise(ESP(20, outputs, down=down))
            differences[name] = distance(module(x), _esp(module, x, down=down, residual=name == "residual"))
        module = _randomise(ESP(20, 20))
        differences["from_the_first"] = distance(module(x), _esp(module, x, residual=True, first=0))
    return differences


def networks_written_out() -> dict[str, float]:
    """Differences between both networks and their definition by functions alone.

    ``level_3_before_down`` is the other order of the last concatenation.
    """
    torch.manual_seed(0)
    network = _randomise(build("espnet-p2q3", classes=7))
    image = torch.randn(1, 3, 72, 80, dtype=torch.float64)
    with torch.no_grad():
        first, second, third = _encoder(network.encoder, image)
        score = F.conv2d(third, network.encoder.classifier.weight)
        whole = _decoder(network, first, second, score)
        swapped = _encoder(network.encoder, image, swapped=True)[-1]
        return {
            "encoder": relative_distance(network.encoder(image), score),
            "whole": relative_distance(network(image), whole),
            "level_3_before_down": relative_distance(network.encoder.features(image)[-1], swapped),
        }


def field_of_the_networks() -> dict[str, int]:
    """From the first to the last row of an image that one output sees, which stands in the middle of a narrow strip."""
    measured = {}
    for variant, rows in (("espnet-c", 2816), ("espnet-c-p2q3", 1536), ("espnet-p2q3", 1664)):
        network = _positive(build(variant, classes=5))
        image = torch.zeros(1, 3, rows, 8, dtype=torch.float64, requires_grad=True)
        maps = network(image)
        maps[0, 0, maps.shape[2] // 2, 0].backward()
        assert image.grad is not None
        measured[variant] = _extent((image.grad[0] != 0).any(2).any(0))
    return measured


def parity_with_pytorchcv() -> dict[str, float]:
    """ESPNet-C against pytorchcv's, built with the paper's depths and brought to the released code's conventions.

    pytorchcv enlarges the map to the size of the image, and in front of its classifier it joins what the last level
    gives and gets in the other order.
    """
    from pytorchcv.models.espcnet import ESPCNet

    peer = ESPCNet(
        layers=[0, 3, 9],
        channels=[19, 131, 256],
        init_block_channels=16,
        cut_x=[1, 1, 0],
        bn_eps=1e-3,
        num_classes=20,
    )
    peer.features.stage3.unit.register_forward_hook(lambda *call: torch.cat(call[-1].chunk(2, 1)[::-1], 1))
    peer.up.register_forward_hook(lambda _, inputs, __: inputs[0])
    return compare(build("espnet-c"), peer, [3, 72, 72])


def _randomise(module: Module) -> Module:
    """Draw every parameter and buffer, in float64, so that nothing is an identity by its initial value."""
    for name, value in [*module.named_parameters(), *module.named_buffers()]:
        if name.endswith("running_var"):
            nn.init.uniform_(value, 0.5, 1.5)
        elif value.dim() > 1:
            nn.init.kaiming_normal_(value)
        elif value.is_floating_point():
            nn.init.normal_(value, std=0.5)
    return module.double().eval()


def _positive(network: Module) -> Module:
    """Make all weights of convolutions positive, so that what is seen cannot cancel out."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.constant_(module.weight, 1 / module.weight[0].numel())
    return network.double().eval()


def _taps(module: ESP, side: int) -> Tensor:
    """Where the outputs see one pixel in the middle of a map: (outputs, side, side), true or false."""
    _positive(module)
    pixel = torch.zeros(1, module.reduce.in_channels, side, side, dtype=torch.float64)
    pixel[:, :, side // 2, side // 2] = 1
    with torch.no_grad():
        return module.merge(pixel)[0] != 0


def _seen_by_branch(module: ESP) -> list[int]:
    taps = _taps(module, 41).flatten(1).sum(1).split([branch.out_channels for branch in module.pyramid])
    return [int(counts.max()) for counts in taps]


def _extent(seen: Tensor) -> int:
    places = seen.nonzero()
    return int(places.max() - places.min()) + 1


def _activate(x: Tensor, norm: nn.Module, prelu: nn.Module) -> Tensor:
    x = F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=1e-3)
    return F.prelu(x, prelu.weight)


def _esp(module: ESP, x: Tensor, *, down: bool = False, residual: bool = False, first: int = 1) -> Tensor:
    """An ESP module by functions alone; sums begin at the branch ``first``."""
    y = F.conv2d(x, module.reduce.weight, stride=2, padding=1) if down else F.conv2d(x, module.reduce.weight)
    rates = (1, 2, 4, 8, 16)
    maps = [
        F.conv2d(y, branch.weight, padding=rate, dilation=rate)
        for rate, branch in zip(rates, module.pyramid, strict=True)
    ]
    for number in range(first + 1, len(maps)):
        maps[number] = maps[number] + maps[number - 1]
    y = torch.cat(maps, 1)
    return _activate(y + x if residual else y, *module.activate)


def _encoder(network: ESPNetC, image: Tensor, *, swapped: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    half = F.avg_pool2d(image, 3, stride=2, padding=1)
    quarter = F.avg_pool2d(half, 3, stride=2, padding=1)
    convolution, *rest = network.level_1
    level_1 = _activate(F.conv2d(image, convolution.weight, stride=2, padding=1), *rest)
    first = _activate(torch.cat([level_1, half], 1), *network.merge_1)
    down = _esp(network.down_2, first, down=True)
    y = down
    for module in network.level_2:
        y = _esp(module, y, residual=True)
    second = _activate(torch.cat([y, down, quarter], 1), *network.merge_2)
    down = _esp(network.down_3, second, down=True)
    y = down
    for module in network.level_3:
        y = _esp(module, y, residual=True)
    return first, second, _activate(torch.cat([y, down] if swapped else [down, y], 1), *network.merge_3)


def _decoder(network: ESPNet, first: Tensor, second: Tensor, score: Tensor) -> Tensor:
    norm, up = network.up_3
    score = F.batch_norm(score, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=1e-3)
    y = torch.cat([F.conv2d(second, network.reduce_2.weight), _double(score, up)], 1)
    activate, esp = network.merge_2
    y = _esp(esp, _activate(y, *activate))
    up, activate = network.up_2
    y = torch.cat([_activate(_double(y, up), *activate), first], 1)
    convolution, *rest = network.merge_1
    return _double(_activate(F.conv2d(y, convolution.weight, padding=1), *rest), network.up_1)


def _double(x: Tensor, up: nn.Module) -> Tensor:
    return F.conv_transpose2d(x, up.weight, stride=2)
