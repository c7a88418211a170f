"""Measurements of ResNet that no count on a single network gives."""

from __future__ import annotations

from functools import cache, partial
from itertools import pairwise
from math import sqrt

import torch
from torch import nn
from torch.nn import functional as F

from catalog.verify.training import Run, accuracy, constant, padded_crops_and_flips, steps
from reproductions.checks.digits import train_on_digits
from reproductions.checks.measuring import conv_then_norm, count_macs, count_parameters, distance, randomise
from reproductions.layers import conv_bn
from reproductions.resnet import VARIANTS, BasicBlock, Block, Bottleneck, ResNet, build, option_a


def depth() -> dict[str, int]:
    """Layers with weights on the main path of every variant: convolutions outside of shortcuts, and the classifier."""
    return {variant: _main_path(network) for variant, network in _networks().items()}


def shortcuts() -> dict[str, list[int]]:
    """How many shortcuts of every variant are the bare identity, a padded identity and a projection."""
    kinds = {}
    for variant, network in _networks().items():
        blocks = [module for module in network.modules() if isinstance(module, Block)]
        present = [block.shortcut for block in blocks if block.shortcut is not None]
        identities = sum(isinstance(shortcut, nn.Identity) for shortcut in present)
        projections = sum(count_parameters(shortcut) > 0 for shortcut in present)
        kinds[variant] = [identities, len(present) - identities - projections, projections]
    return kinds


def feature_maps() -> dict[str, list[int]]:
    """Channels and sides of the maps behind the first convolution and behind each stage."""
    maps = {}
    for variant, side in (("plain34", 224), ("resnet50", 224), ("cifar-resnet20", 32)):
        network = _networks()[variant]
        x = torch.empty(1, 3, side, side, device="meta")
        shapes = [network.stem[0](x).shape]
        x = network.stem(x)
        for stage in network.stages:
            x = stage(x)
            shapes.append(x.shape)
        maps[f"{variant}_channels"] = [shape[1] for shape in shapes]
        maps[f"{variant}_sides"] = [shape[2] for shape in shapes]
    return maps


def cifar_layers() -> list[int]:
    """Convolutions of the 20-layer CIFAR network on the maps of each size."""
    network = _networks()["cifar-resnet20"]
    first, second, third = (_main_path(stage) for stage in network.stages)
    return [_main_path(network.stem) + first, second, third]


def normalisation() -> dict[str, int]:
    """Convolutions of all variants, how many of them batch normalisation follows at once, biases and dropout layers."""
    modules = [module for network in _networks().values() for module in network.modules()]
    neighbours = [pair for module in modules if isinstance(module, nn.Sequential) for pair in pairwise(module)]
    convolutions = [module for module in modules if isinstance(module, nn.Conv2d)]
    return {
        "convolutions": len(convolutions),
        "normalised": sum(isinstance(a, nn.Conv2d) and isinstance(b, nn.BatchNorm2d) for a, b in neighbours),
        "biases": sum(convolution.bias is not None for convolution in convolutions),
        "dropouts": sum(isinstance(module, nn.Dropout | nn.Dropout2d) for module in modules),
    }


def initialisation() -> dict[str, float]:
    """Standard deviations of fresh convolutions over sqrt(2 / fan-out), and the kurtosis of the largest.

    A normal distribution has kurtosis 3, a uniform one 1.8.
    """
    torch.manual_seed(0)
    weights = [module.weight.detach() for module in build("resnet18").modules() if isinstance(module, nn.Conv2d)]
    ratios = [float(weight.std()) / sqrt(2 / (weight.numel() / weight.shape[1])) for weight in weights]
    largest = max(weights, key=torch.numel)
    kurtosis = float(largest.pow(4).mean() / largest.pow(2).mean() ** 2)
    return {"smallest_ratio": min(ratios), "largest_ratio": max(ratios), "kurtosis": kurtosis}


def building_blocks() -> dict[str, float]:
    """Differences between blocks and the equations of Section 3.2 written out, with random weights and statistics.

    ``relu_before_addition`` is the usual slip: how much a ReLU in front of the addition would change.
    """
    torch.manual_seed(0)
    x = torch.randn(2, 8, 9, 9, dtype=torch.float64)
    plain = randomise(BasicBlock(8, 8, 1, shortcut=None))
    basic = randomise(BasicBlock(8, 8, 1))
    projected = randomise(BasicBlock(8, 16, 2))
    bottleneck = randomise(Bottleneck(8, 16, 2))
    with torch.no_grad():
        f = plain.layers
        differences = {"plain": distance(plain(x), conv_then_norm(conv_then_norm(x, f[:2]).relu(), f[3:]).relu())}
        f = basic.layers
        y = conv_then_norm(conv_then_norm(x, f[:2]).relu(), f[3:])
        differences["basic"] = distance(basic(x), (y + x).relu())
        differences["relu_before_addition"] = distance(basic(x), (y.relu() + x).relu())
        f = projected.layers
        y = conv_then_norm(conv_then_norm(x, f[:2], 2).relu(), f[3:])
        differences["projected"] = distance(projected(x), (y + conv_then_norm(x, projected.shortcut, 2)).relu())
        f = bottleneck.layers
        y = conv_then_norm(conv_then_norm(conv_then_norm(x, f[:2], 2).relu(), f[3:5]).relu(), f[6:])
        differences["bottleneck"] = distance(bottleneck(x), (y + conv_then_norm(x, bottleneck.shortcut, 2)).relu())
    return differences


def imagenet_stem() -> float:
    """Largest difference between the stem and the first rows of Table 1 written out."""
    torch.manual_seed(0)
    stem = randomise(build("resnet50").stem)
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        return distance(stem(x), F.max_pool2d(conv_then_norm(x, stem[:2], 2).relu(), 3, stride=2, padding=1))


def cifar_network() -> float:
    """Largest difference between the 20-layer CIFAR network and Section 4.2 written out, over the largest output."""
    torch.manual_seed(0)
    network = randomise(build("cifar-resnet20"))
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        y = conv_then_norm(x, network.stem[:2]).relu()
        for number, stage in enumerate(network.stages):
            for position, block in enumerate(stage):
                halves = number > 0 and position == 0
                kept = torch.cat([y[:, :, ::2, ::2], torch.zeros_like(y[:, :, ::2, ::2])], 1) if halves else y
                f = block.layers
                y = (conv_then_norm(conv_then_norm(y, f[:2], 2 if halves else 1).relu(), f[3:]) + kept).relu()
        classifier = network.head[-1]
        wanted = y.mean((2, 3)) @ classifier.weight.T + classifier.bias
        return distance(network(x), wanted) / float(wanted.abs().max())


def zero_residuals() -> dict[str, float]:
    """How far blocks that keep their shape are from the identity once their last normalisation gives zeros.

    ``…_signed`` compares with the positive part of a signed input, because a ReLU follows the addition.
    """
    torch.manual_seed(0)
    differences = {}
    with torch.no_grad():
        for name, variant, channels in (("basic", "resnet34", 64), ("bottleneck", "resnet50", 256)):
            blocks = randomise(build(variant).stages[0][1:])
            x = torch.randn(2, channels, 8, 8, dtype=torch.float64)
            differences[f"{name}_active"] = distance(blocks(x.relu()), x.relu())
            for block in blocks:
                _silence(block)
            differences[f"{name}_nonnegative"] = distance(blocks(x.relu()), x.relu())
            differences[f"{name}_signed"] = distance(blocks(x), x.relu())
        plain = _silence(randomise(BasicBlock(channels, channels, 1, shortcut=None)))
        differences["plain"] = distance(plain(x.relu()), x.relu())
    return differences


def zero_padding() -> dict[str, float]:
    """What passes a silent block of option A that doubles the channels and halves the map."""
    torch.manual_seed(0)
    block = _silence(randomise(build("cifar-resnet20").stages[1][0]))
    x = torch.rand(2, 16, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        y = block(x)
    return {
        "channels": y.shape[1],
        "side": y.shape[2],
        "first_channels": distance(y[:, :16], x[:, :, ::2, ::2]),
        "first_channels_one_pixel_off": distance(y[:, :16], x[:, :, 1::2, 1::2]),
        "new_channels": float(y[:, 16:].abs().max()),
        "parameters": count_parameters(block.shortcut),
    }


def identity_shortcuts_are_free() -> dict[str, int]:
    """Parameters and multiply-accumulates that networks with shortcuts have more than their plain counterparts."""
    extra = {}
    for name, plain, residual, side in (
        ("imagenet", "plain34", "resnet34-a", 224),
        ("cifar", "cifar-plain20", "cifar-resnet20", 32),
        ("projections", "plain34", "resnet34", 224),
    ):
        without, beside = _networks()[plain], _networks()[residual]
        extra[f"{name}_parameters"] = count_parameters(beside) - count_parameters(without)
        extra[f"{name}_macs"] = count_macs(beside, (3, side, side)) - count_macs(without, (3, side, side))
    return extra


def bottleneck_cost() -> dict[str, float]:
    """Weights of the convolutions of the two blocks of Figure 5, and their ratio."""
    basic, bottleneck = (
        sum(module.weight.numel() for module in block.modules() if isinstance(module, nn.Conv2d))
        for block in (BasicBlock(64, 64, 1), Bottleneck(256, 256, 1))
    )
    return {"basic": basic, "bottleneck": bottleneck, "ratio": bottleneck / basic}


def share_of_vgg_19() -> dict[str, float]:
    """Multiply-accumulates of the plain 34-layer network and of VGG-19, and their ratio."""
    plain_34, vgg_19 = count_macs(_networks()["plain34"]), count_macs(_vgg(2, 2, 4, 4, 4))
    return {"plain_34": plain_34, "vgg_19": vgg_19, "share": plain_34 / vgg_19}


def resnet_152_against_vgg() -> dict[str, float]:
    """Multiply-accumulates of ResNet-152 over those of VGG-16 and of VGG-19."""
    resnet_152 = count_macs(_networks()["resnet152"])
    return {
        "vgg_16": resnet_152 / count_macs(_vgg(2, 2, 3, 3, 3)),
        "vgg_19": resnet_152 / count_macs(_vgg(2, 2, 4, 4, 4)),
    }


@cache
def _networks() -> dict[str, ResNet]:
    with torch.device("meta"):
        return {variant: build(variant).eval() for variant in VARIANTS}


def _vgg(*convolutions: int) -> nn.Sequential:
    """VGG with so many convolutions in each of its five stages, on the meta device."""
    layers: list[nn.Module] = []
    inputs = 3
    with torch.device("meta"):
        for outputs, repeats in zip((64, 128, 256, 512, 512), convolutions, strict=True):
            for _ in range(repeats):
                layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
                inputs = outputs
            layers.append(nn.MaxPool2d(2))
        layers += [nn.Flatten(), nn.Linear(512 * 7 * 7, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(4096, 1000))


def _main_path(network: nn.Module) -> int:
    return sum(
        isinstance(module, nn.Conv2d | nn.Linear) and "shortcut" not in name.split(".")
        for name, module in network.named_modules()
    )


def _silence(block: Block) -> Block:
    """Let the last normalisation of a block give zeros, so that its residual function is zero."""
    nn.init.zeros_(block.layers[-1].weight)
    nn.init.zeros_(block.layers[-1].bias)
    return block


# --- Training --------------------------------------------------------------------------------------------------------


def degradation(run: Run) -> dict[str, float]:
    """Training loss of the last epoch on digits: 20 plain layers minus 20 residual ones."""
    return {"plain_minus_residual": _loss_on_digits(run, "plain") - _loss_on_digits(run, "residual", residual=True)}


def deeper_plain(run: Run) -> dict[str, float]:
    """Training loss of the last epoch on digits: 20 plain layers minus 8."""
    deep, shallow = _loss_on_digits(run, "20 layers"), _loss_on_digits(run, "8 layers", blocks=3)
    return {"plain_20_minus_plain_8": deep - shallow}


def _loss_on_digits(run: Run, arm: str, *, blocks: int = 9, residual: bool = False) -> float:
    """A network of 8 channels at full resolution; its loss in training mode, since moving averages lag behind."""
    torch.manual_seed(run.seed)
    stem = nn.Sequential(*conv_bn(1, 8, 3, padding=1), nn.ReLU())
    network = ResNet(stem, partial(BasicBlock, shortcut=option_a if residual else None), (8, 8), (blocks,), classes=10)
    return train_on_digits(run, arm, network, epochs=4, weight_decay=1e-4, schedule=constant)[1]


# "Slightly too large to start converging": the rate is a tenth until the training error is below 80 % (Section 4.2).
_STEPS_OF_WARMING_UP = {"cifar-resnet110": 400}


def cifar_10_error(run: Run, iterations: int = 64_000) -> float:
    """Test error of the claim's variant after the training of Section 4.2.

    With fewer iterations the learning rate falls at the same shares of them.
    """
    assert run.subject is not None
    cifar = run.data("cifar10")
    train, test = cifar.train.images / 255, cifar.test.images / 255
    mean = train.mean(dim=0)  # per pixel
    train -= mean
    test -= mean
    torch.manual_seed(run.seed)
    network = build(run.subject.variant)
    warming_up, falling = _STEPS_OF_WARMING_UP.get(run.subject.variant, 0), steps(iterations // 2, iterations * 3 // 4)

    def error() -> float:
        return 1 - accuracy(network, test, cifar.test.labels)

    run.train(
        run.subject.variant,
        network,
        torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4),
        train,
        cifar.train.labels,
        batch=128,
        steps=iterations,
        schedule=lambda step, total: 0.1 if step < warming_up else falling(step, total),
        augment=padded_crops_and_flips,
        each_epoch=lambda: {"test error": error()},
        channels_last=True,
    )
    return error()


def best_and_mean(series: dict[str, list[float]]) -> dict[str, float]:
    """The lowest error of all seeds, and their mean."""
    errors = series[""]
    return {"best": min(errors), "mean": sum(errors) / len(errors)}
