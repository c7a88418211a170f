"""Measurements of SENet that no count on a single network gives."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from catalog.verify.training import Run, accuracy, cosine
from reproductions.checks.measuring import conv_then_norm, count_macs, count_parameters, distance, randomise
from reproductions.layers import conv_bn
from reproductions.resnet import Block, Bottleneck, ResNet
from reproductions.senet import VARIANTS, SEBlock, SENet154Block, build, resnext_32x4d, with_se

if TYPE_CHECKING:
    from collections.abc import Callable


DEPTHS = ("resnet50", "seresnet50", "seresnet101", "seresnet152", "seresnext50-32x4d", "seresnext101-32x4d", "senet154")
TEMPLATES = ("seresnet50", "seresnext50-32x4d", "senet154")


def depth() -> dict[str, int]:
    """Convolutions outside of shortcuts and SE blocks, and the classifier."""
    return {variant: len(_main_path(_network(variant))) for variant in DEPTHS}


def se_blocks() -> dict[str, list[int]]:
    """Residual blocks of every variant, how many of them end their branch in an SE block, and SE blocks anywhere."""
    counts = {}
    for variant in VARIANTS:
        modules = list(_network(variant).modules())
        blocks = [module for module in modules if isinstance(module, Block)]
        at_the_end = sum(isinstance(block.layers[-1], SEBlock) for block in blocks)
        counts[variant] = [len(blocks), at_the_end, sum(isinstance(module, SEBlock) for module in modules)]
    return counts


def excitation_widths() -> dict[str, list[int]]:
    """Outputs of the two layers of the SE blocks, one number a stage; by default also the parameters of a block."""
    widths = {}
    for variant in TEMPLATES:
        for name, layer in (("narrow", 0), ("wide", 2)):
            stages = [{block.layers[-1].excite[layer].out_channels for block in s} for s in _network(variant).stages]
            widths[f"{variant}_{name}"] = [width for stage in stages for width in stage]
    for name, block in (("block", SEBlock(256)), ("module", with_se(Bottleneck)(64, 256, 1).layers[-1])):
        widths[f"{name}_by_default"] = [
            *(block.excite[layer].out_channels for layer in (0, 2)),
            count_parameters(block),
        ]
    return widths


def bottlenecks() -> dict[str, list[int]]:
    """Widths, strides and groups of the three convolutions in the first block of the third stage, and its shortcut."""
    measured = {}
    for variant in TEMPLATES:
        block = _network(variant).stages[2][0]
        layers = [layer for layer in block.layers if isinstance(layer, nn.Conv2d)]
        measured[f"{variant}_widths"] = [layer.out_channels for layer in layers]
        measured[f"{variant}_strides"] = [layer.stride[0] for layer in layers]
        measured[f"{variant}_groups"] = [layer.groups for layer in layers]
        measured[f"{variant}_shortcuts"] = [stage[0].shortcut[0].kernel_size[0] for stage in _network(variant).stages]
    return measured


def feature_maps() -> dict[str, list[int]]:
    """Channels and sides behind the stem and each stage, for an image of 224."""
    maps = {}
    for variant in TEMPLATES:
        network = _network(variant)
        x = network.stem(torch.empty(1, 3, 224, 224, device="meta"))
        shapes = [x.shape]
        for stage in network.stages:
            x = stage(x)
            shapes.append(x.shape)
        maps[f"{variant}_channels"] = [shape[1] for shape in shapes]
        maps[f"{variant}_sides"] = [shape[2] for shape in shapes]
    return maps


def additional_parameters() -> dict[str, float | int]:
    """What SE-ResNet-50 has more than ResNet-50, and Equation 5."""
    extra, plain = _se_weights("seresnet50"), count_parameters(_network("resnet50"))
    total = count_parameters(_network("seresnet50")) - plain
    return {
        "formula": _formula(16),
        "weights": sum(extra),
        "biases": total - sum(extra),
        "total": total,
        "increase": sum(extra) / plain,
    }


def reduction_ratios() -> dict[str, list[int]]:
    """Additional weights by Equation 5 and as they are, for the ratios 2, 4, 8, 16 and 32 of Table 10."""
    variants = {2: "seresnet50-r2", 4: "seresnet50-r4", 8: "seresnet50-r8", 16: "seresnet50", 32: "seresnet50-r32"}
    return {
        "formula": [_formula(ratio) for ratio in variants],
        "weights": [sum(_se_weights(variant)) for variant in variants.values()],
    }


def weights_by_stage() -> dict[str, float | int]:
    """Weights of the SE blocks of SE-ResNet-50 in each stage, and what is left without those of the last."""
    stages = _se_weights("seresnet50")
    without = sum(stages[:-1])
    return {f"stage_{number}": weights for number, weights in enumerate(stages, start=2)} | {
        "share_of_the_last": stages[-1] / sum(stages),
        "increase_without_the_last": without / count_parameters(_network("resnet50")),
    }


def cost() -> dict[str, float | int]:
    """Multiply-adds for one image of 224, and with one operation for each element that is squeezed or scaled."""
    plain, layers = count_macs(_network("resnet50")), count_macs(_network("seresnet50"))
    sizes = []

    def note(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        sizes.append(inputs[0].numel())

    hooks = [m.register_forward_pre_hook(note) for m in _network("seresnet50").modules() if isinstance(m, SEBlock)]
    _network("seresnet50")(torch.empty(1, 3, 224, 224, device="meta"))
    for hook in hooks:
        hook.remove()
    total = layers + 2 * sum(sizes)
    return {
        "layers": layers,
        "layers_over_resnet": layers / plain,
        "elements_of_maps": sum(sizes),
        "total": total,
        "increase": total / plain - 1,
    }


def no_squeeze() -> dict[str, int]:
    """Multiply-adds of SE-ResNet-50 whose SE blocks do not pool, so that their layers run at every place of the map."""
    with torch.device("meta"):
        network = build("seresnet50", bias=False).eval()
    for module in network.modules():
        if isinstance(module, SEBlock):
            module.squeeze = nn.Identity()
    return {"macs": count_macs(network), "parameters": count_parameters(network)}


def equations() -> dict[str, float]:
    """Differences between an SE block and Equations 2 to 4 written out, and what other parts in it would change."""
    torch.manual_seed(0)
    differences = {}
    with torch.no_grad():
        u = torch.randn(2, 32, 5, 7, dtype=torch.float64)
        for bias in (True, False):
            block = randomise(SEBlock(32, 4, bias=bias))
            differences["with_biases" if bias else "without_biases"] = distance(block(u), u * _gate(block, u))
        block = randomise(SEBlock(32, 4))
        maximum = _gate(block, u, squeeze=lambda maps: maps.amax((2, 3)))
        differences["max_squeeze"] = distance(block(u), u * maximum)
        differences["tanh_gate"] = distance(block(u), u * _gate(block, u, gate=torch.tanh))
        differences["no_bottleneck_relu"] = distance(block(u), u * _gate(block, u, between=lambda z: z))
    return differences


def gate() -> dict[str, float]:
    """What an SE block multiplies its input by, over positions, images and reorderings of the pixels.

    ``without_squeeze`` is how much the gate would vary over positions if its layers saw each pixel alone.
    """
    torch.manual_seed(0)
    block = randomise(SEBlock(32, 4))
    u = torch.rand(2, 32, 6, 6, dtype=torch.float64) + 0.5
    order = torch.randperm(36)
    with torch.no_grad():
        ratio = block(u) / u
        shuffled = block(u.flatten(2)[:, :, order].view_as(u)).flatten(2)
        per_image = ratio.mean((2, 3))
        block.squeeze = nn.Identity()
        local = block(u) / u
    return {
        "over_positions": float((ratio.amax((2, 3)) - ratio.amin((2, 3))).max()),
        "smallest": float(ratio.min()),
        "largest": float(ratio.max()),
        "permutation": distance(shuffled, (u * ratio).flatten(2)[:, :, order]),
        "between_images": distance(per_image[0], per_image[1]),
        "without_squeeze": float((local.amax((2, 3)) - local.amin((2, 3))).max()),
    }


def open_and_half_open() -> dict[str, float]:
    """An SE block whose last layer has no weights: its output over its input, for a bias of 20 and of 0."""
    torch.manual_seed(0)
    block = SEBlock(32, 4).double()
    nn.init.zeros_(block.excite[2].weight)
    u = torch.randn(2, 32, 6, 6, dtype=torch.float64)
    with torch.no_grad():
        nn.init.constant_(block.excite[2].bias, 20)
        identity = distance(block(u), u)
        nn.init.constant_(block.excite[2].bias, 0)
        return {"identity": identity, "half": distance(block(u), u / 2)}


def modules() -> dict[str, float]:
    """Differences between blocks and relu(s F(x) + shortcut(x)) written out, and for other places of the gate."""
    torch.manual_seed(0)
    differences = {}
    parts = {"resnet": Bottleneck, "resnext": resnext_32x4d, "senet154": SENet154Block}
    x = torch.randn(2, 128, 9, 9, dtype=torch.float64)
    with torch.no_grad():
        for name, part in parts.items():
            for place, outputs, stride in (("first", 128, 1), ("wider", 256, 1), ("halving", 256, 2)):
                block = randomise(with_se(part, 4)(128, outputs, stride))
                branch, shortcut = _written_out(name, block, x, stride)
                wanted = (branch * _gate(block.layers[-1], branch) + shortcut).relu()
                differences[f"{name}_{place}"] = distance(block(x), wanted) / float(wanted.abs().max())
        total = branch + shortcut
        after = total.relu() * _gate(block.layers[-1], total.relu())
        on_shortcut = (branch + shortcut * _gate(block.layers[-1], shortcut)).relu()
        differences["after_the_addition"] = distance(block(x), after) / float(wanted.abs().max())
        differences["on_the_shortcut"] = distance(block(x), on_shortcut) / float(wanted.abs().max())
    return differences


def stems() -> dict[str, float]:
    """Differences between the stems and their layers written out, with the pool's last window cut off at the border.

    ``…_padded_pool`` has maps of the same size, but its windows begin one pixel earlier.
    """
    torch.manual_seed(0)
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    differences = {}
    with torch.no_grad():
        for name, variant in (("resnet", "seresnet50"), ("senet154", "senet154")):
            stem = randomise(_stem(variant))
            y = x
            for position in range(0, len(stem) - 1, 3):
                y = conv_then_norm(y, stem[position : position + 2], 2 if position == 0 else 1).relu()
            padded = F.max_pool2d(y, 3, stride=2, padding=1)
            unpadded = F.max_pool2d(F.pad(y, (0, 1, 0, 1)), 3, stride=2)  # zeros, which no maximum of a ReLU misses
            differences[name] = distance(stem(x), unpadded)
            differences[f"{name}_padded_pool"] = distance(stem(x), padded)
    return differences


def dropout() -> dict[str, float]:
    """Share of the features that SENet-154 drops before its classifier in training, and that SE-ResNet-50 drops."""
    torch.manual_seed(0)
    shares = {}
    for name, variant in (("senet154", "senet154"), ("seresnet50", "seresnet50")):
        features = deepcopy(_network(variant).head[:-1]).train()
        kept = features(torch.ones(500, 2048, 1, 1))
        shares[name] = float((kept == 0).double().mean())
    return shares


@cache
def _network(variant: str) -> ResNet:
    with torch.device("meta"):
        return build(variant).eval()


def _stem(variant: str) -> nn.Sequential:
    return deepcopy(_network(variant).stem).to_empty(device="cpu")


def _main_path(network: nn.Module) -> list[nn.Module]:
    return [
        module
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear) and not {"shortcut", "excite"} & set(name.split("."))
    ]


def _se_weights(variant: str) -> list[int]:
    """Weights of the SE blocks in each stage, biases not counted."""
    return [
        sum(p.numel() for name, p in stage.named_parameters() if "excite" in name and name.endswith("weight"))
        for stage in _network(variant).stages
    ]


def _formula(ratio: int) -> int:
    """Equation 5 for ResNet-50: 2 / r times the sum of N C² over the stages."""
    return 2 * sum(blocks * channels**2 for blocks, channels in ((3, 256), (4, 512), (6, 1024), (3, 2048))) // ratio


def _mean(maps: Tensor) -> Tensor:
    return maps.mean((2, 3))


def _gate(
    block: SEBlock,
    u: Tensor,
    squeeze: Callable[[Tensor], Tensor] = _mean,
    between: Callable[[Tensor], Tensor] = torch.relu,
    gate: Callable[[Tensor], Tensor] = torch.sigmoid,
) -> Tensor:
    """The paper's s, (batch, channels, 1, 1), from the parameters of an SE block, by functions alone."""
    first, _, second, _ = block.excite
    z = between(F.linear(squeeze(u), first.weight.flatten(1), first.bias))
    return gate(F.linear(z, second.weight.flatten(1), second.bias))[:, :, None, None]


def _written_out(name: str, block: Block, x: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """Branch without its SE block, and shortcut, by functions alone."""
    first, second, groups = {"resnet": (stride, 1, 1), "resnext": (1, stride, 32), "senet154": (1, stride, 64)}[name]
    f = block.layers
    y = conv_then_norm(x, f[:2], first).relu()
    y = conv_then_norm(y, f[3:5], second, groups=groups).relu()
    same = isinstance(block.shortcut, nn.Identity)
    return conv_then_norm(y, f[6:8]), x if same else conv_then_norm(x, block.shortcut, stride)


# --- Training --------------------------------------------------------------------------------------------------------


def global_context(run: Run) -> dict[str, float]:
    """Test accuracy with SE blocks on a task that asks for global context, and how much more that is than without."""
    gated, plain = _accuracy(run, "with SE", gated=True), _accuracy(run, "without SE", gated=False)
    return {"accuracy_with": gated, "gain": gated - plain}


def _accuracy(run: Run, arm: str, *, gated: bool) -> float:
    generator = torch.Generator().manual_seed(run.seed)
    train, test = _task(6000, generator), _task(2000, generator)
    torch.manual_seed(run.seed)
    gates = [SEBlock(16, reduction=4) if gated else nn.Identity() for _ in range(2)]
    network = nn.Sequential(
        *conv_bn(3, 16, 3, padding=1),
        nn.ReLU(),
        gates[0],
        *conv_bn(16, 16, 3, padding=1),
        gates[1],
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 2),
    )
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    run.train(arm, network, optimiser, *train, batch=64, epochs=15, schedule=cosine)
    return accuracy(network, *test)


def _task(number: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Noise with a signed checkerboard of 3x3 somewhere in channel 0 and in channel 1; channel 2 says which counts.

    It does so by a shift of all its pixels, which is less than a standard deviation of one. The label is the sign.
    Shapes: (number, 3, 8, 8) and (number,).
    """
    images = torch.randn(number, 3, 8, 8, generator=generator)
    signs = torch.randint(2, (number, 3), generator=generator) * 2.0 - 1
    checkerboard = 2 * torch.tensor([[1.0, -1, 1], [-1, 1, -1], [1, -1, 1]])
    places = torch.stack([F.pad(checkerboard, (x, 5 - x, y, 5 - y)) for y in range(6) for x in range(6)])
    chosen = torch.randint(len(places), (number, 2), generator=generator)
    images[:, :2] += signs[:, :2, None, None] * places[chosen]
    images[:, 2] += 0.25 * signs[:, 2, None, None]
    return images, (torch.where(signs[:, 2] > 0, signs[:, 0], signs[:, 1]) > 0).long()
