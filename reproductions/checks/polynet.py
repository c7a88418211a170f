"""Measurements of PolyNet that no count on a single network gives."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from reproductions.checks.measuring import count_macs, count_parameters, distance, randomise
from reproductions.polynet import (
    POLYNOMIALS,
    VARIANTS,
    PolyInception,
    block_a,
    block_b,
    block_c,
    build,
    insert_paths,
    interleave,
    poly_inception,
    released_poly_3,
    stochastic_paths,
)

if TYPE_CHECKING:
    from reproductions.inception_v4 import Inception


# --- The networks ----------------------------------------------------------------------------------------------------


def units() -> dict[str, int | list[int]]:
    """Units in the stages of the very deep network, the blocks in their terms one after another, and all blocks.

    ``mixture`` are the blocks that the units of the mixed stage of IR 6-12-6 have.
    """
    network = _network("polynet")
    return {
        **{f"stage_{kind}": len(getattr(network, kind)) for kind in "abc"},
        **{f"terms_{kind}": [len("".join(unit.terms)) for unit in getattr(network, kind)] for kind in "abc"},
        "blocks": sum(len(unit.blocks) for unit in _units(network)),
        "mixture": [len(unit.blocks) for unit in _network("mixed-b").b],
    }


def ablation() -> dict[str, int]:
    """Parameters of the networks of Section 3.2."""
    return {variant: count_parameters(_network(variant)) for variant in VARIANTS if variant != "polynet"}


def blocks() -> dict[str, int]:
    """Parameters of one Inception block of each stage."""
    with torch.device("meta"):
        return {name: count_parameters(block()) for name, block in (("a", block_a), ("b", block_b), ("c", block_c))}


def feature_maps() -> dict[str, int]:
    """Channels and sides behind the parts of the network, for an image of 331."""
    maps, x = {}, torch.empty(1, 3, 331, 331, device="meta")
    network = _network("polynet")
    parts = {"stem": network.stem, "a": network.a[:1], "reduction_a": network.reduction_a, "b": network.b[:1]}
    for part, layers in (parts | {"reduction_b": network.reduction_b, "c": network.c[:1]}).items():
        x = layers(x)
        maps |= {f"{part}_channels": x.shape[1], f"{part}_side": x.shape[2]}
    return maps


def scales() -> dict[str, float]:
    """The scales of the 40 units: how far from a straight line, the first and the last; and those of an ablation."""
    found = [unit.scale for unit in _units(_network("polynet"))]
    return {
        "units": len(found),
        "first": found[0],
        "last": found[-1],
        "off_the_line": max(abs(scale - (1 - 0.3 * number / 39)) for number, scale in enumerate(found)),
        "digits": max(abs(scale - round(scale, 6)) for scale in found),
        "smallest_of_ir": min(unit.scale for unit in _units(_network("mixed-b"))),
        "largest_of_ir": max(unit.scale for unit in _units(_network("mixed-b"))),
    }


def sharing() -> dict[str, int]:
    """Convolutions and normalisations of one block, and of the pure and the released unit of third order."""
    found = {}
    with torch.device("meta"):
        pure, released = poly_inception("poly-3", block_b, 0.3), released_poly_3(block_b, 0.3)
        for name, module in (("block", block_b()), ("pure", pure), ("released", released)):
            kinds = Counter(type(layer) for layer in module.modules())
            found |= {f"{name}_convolutions": kinds[nn.Conv2d], f"{name}_normalisations": kinds[nn.BatchNorm2d]}
    return found


def normalisation() -> dict[str, float]:
    """The ε of all normalisations of the very deep network, and the biases of its convolutions."""
    modules = list(_network("polynet").modules())
    epsilons = [module.eps for module in modules if isinstance(module, nn.BatchNorm2d)]
    return {
        "smallest": min(epsilons),
        "largest": max(epsilons),
        "biases": sum(module.bias is not None for module in modules if isinstance(module, nn.Conv2d)),
    }


# --- Units (Section 3.1) ---------------------------------------------------------------------------------------------


def polynomials() -> dict[str, float]:
    """Differences between units of every kind and their polynomials written out, for nonlinear F, G and H.

    ``linear_chain`` is I + F + GF without the ReLU between F and G, and ``shared`` I + F + FF.
    """
    torch.manual_seed(0)
    f, g, h = (_nonlinear() for _ in range(3))
    x = torch.randn(2, 4, 7, 7, dtype=torch.float64)

    def r(y: Tensor) -> Tensor:
        return y.clamp(min=0)

    with torch.no_grad():
        sums = {
            "ir": f(x),
            "poly-2": f(x) + f(r(f(x))),
            "mpoly-2": f(x) + g(r(f(x))),
            "2-way": f(x) + g(x),
            "poly-3": f(x) + f(r(f(x))) + f(r(f(r(f(x))))),
            "mpoly-3": f(x) + g(r(f(x))) + h(r(g(r(f(x))))),
            "3-way": f(x) + g(x) + h(x),
        }
        found = {kind: distance(_unit(kind, f, g, h, scale=0.3)(x), r(x + 0.3 * y)) for kind, y in sums.items()}
        mpoly = _unit("mpoly-2", f, g, h, scale=0.3)(x)
        return found | {
            "linear_chain": distance(mpoly, r(x + 0.3 * (f(x) + g(f(x))))),
            "shared": distance(mpoly, r(x + 0.3 * sums["poly-2"])),
        }


def cost_of_units() -> dict[str, list[float]]:
    """Parameters and multiply-accumulates of units on maps of 1152x17x17, over those of a unit of first order."""
    parameters, macs = [], []
    with torch.device("meta"):
        for kind in POLYNOMIALS:
            unit = poly_inception(kind, block_b, 0.3).eval()
            parameters.append(count_parameters(unit))
            macs.append(count_macs(unit, (1152, 17, 17)))
    return {
        "parameters": [count / parameters[0] for count in parameters],
        "macs": [count / macs[0] for count in macs],
        "block": [parameters[0]],
    }


def cascade() -> dict[str, float]:
    """X + F(x) + F(F(x)) by a unit, and how often that calls F; against x + (I + F)(F(x)) and against (I + F)²."""
    torch.manual_seed(0)
    f = _nonlinear()
    unit = _unit("poly-2", f, scale=1.0)
    unit.relu = nn.Identity()
    calls: list[nn.Module] = []
    x = torch.randn(2, 4, 7, 7, dtype=torch.float64)
    with torch.no_grad():
        handle = f.register_forward_hook(lambda module, *_: calls.append(module))
        y = unit(x)
        handle.remove()
        u = f(x)
        return {
            "calls": len(calls),
            "written_out": distance(y, x + f(x) + f(f(x))),
            "cascaded": distance(y, x + (u + f(u))),
            "square": distance(y, (x + u) + f(x + u)),
        }


def paths() -> dict[str, list[int]]:
    """How many paths lead through 1 to 6 units: what comes out of a one when every block is the identity.

    ``by_length`` has blocks that double what they get, so that a path through k blocks counts 2 to the power of k.
    """
    found = {}
    one = torch.ones(1)
    for kind in ("ir", "poly-2", "mpoly-2", "2-way"):
        units = nn.Sequential(*(_unit(kind, *(nn.Identity() for _ in range(3)), scale=1.0) for _ in range(6)))
        found[kind] = [int(units[:number](one)) for number in range(1, 7)]
    double = nn.Linear(1, 1, bias=False)
    nn.init.constant_(double.weight, 2.0)
    kinds = ("ir", "poly-2", "mpoly-2", "2-way", "poly-3", "mpoly-3", "3-way")
    return found | {"by_length": [int(_unit(kind, double, double, double, scale=1.0)(one)) for kind in kinds]}


# --- Training (Section 4.2) ------------------------------------------------------------------------------------------


def insertion() -> dict[str, float]:
    """Changes of what a stage gives when paths and units are inserted; and when the new blocks are not silent."""
    torch.manual_seed(0)
    stage = nn.Sequential(*(randomise(poly_inception("ir", block_b, 0.3), std=0.1) for _ in range(2)))
    x = torch.randn(1, 1152, 3, 3, dtype=torch.float64).relu()
    found = {}

    def new() -> PolyInception:
        return poly_inception("2-way", block_b, 0.3).double().eval()

    with torch.no_grad():
        before = stage(x)
        for kind, blocks in (("mpoly-2", 1), ("2-way", 1), ("mpoly-3", 2)):
            longer = nn.Sequential(
                *(insert_paths(unit, kind, *(randomise(block_b(), std=0.1) for _ in range(blocks))) for unit in stage)
            ).eval()
            found[kind] = distance(longer(x), before)
        found["parameters"] = count_parameters(longer) / count_parameters(stage)
        for unit in longer:
            randomise(unit.blocks["G"], std=0.1)
        found["with_paths_that_speak"] = distance(longer(x), before)
        twice = interleave(stage, new)
        found |= {"interleaved": distance(twice(x), before), "units": len(twice)}
        found["old_units_in_their_places"] = sum(a is b for a, b in zip(twice[::2], stage, strict=True))
        for unit in twice[1::2]:
            randomise(unit, std=0.1)
        found["with_units_that_speak"] = distance(twice(x), before)
    return found


def dropped_paths() -> dict[str, float]:
    """A 2-way unit without ReLU whose paths are dropped with probability 0.25, over 4000 passes in training.

    The distance of their mean from a test, in which paths are weighed by 0.75, as a share of its norm; the same for a
    test that does not weigh them; and how many outcomes there are.
    """
    torch.manual_seed(0)
    unit = _unit("2-way", *(nn.Conv2d(4, 4, 1).double() for _ in range(2)), scale=1.0)
    unit.relu = nn.Identity()
    stochastic_paths(unit, 0.75)
    x = torch.randn(1, 4, 3, 3, dtype=torch.float64)
    with torch.no_grad():
        unit.train()
        passes = torch.cat([unit(x) for _ in range(4000)])
        mean, test = passes.mean(0), unit.eval()(x)[0]
        unit.survival = 1.0
        unweighed = unit(x)[0]
        state = torch.get_rng_state()
        sure = distance(unit.train()(x)[0], unweighed)
    return {
        "weighed": float((mean - test).norm() / test.norm()),
        "unweighed": float((mean - unweighed).norm() / unweighed.norm()),
        "outcomes": len(passes.round(decimals=9).unique(dim=0)),
        "without_dropping": sure,
        "draws_without_dropping": int(not torch.equal(state, torch.get_rng_state())),
    }


def drop_rates() -> dict[str, float]:
    """Probabilities of the 40 units of the very deep network that a path survives, by both rules and by default."""
    with torch.device("meta"):
        network = build("polynet")
    units, found = _units(network), {"by_default": min(unit.survival for unit in _units(network))}
    for rule in ("uniform", "linear"):
        stochastic_paths(network, 0.75, rule)
        found |= {f"{rule}_first": units[0].survival, f"{rule}_last": units[-1].survival}
    return found


# --- Helpers ---------------------------------------------------------------------------------------------------------


@cache
def _network(variant: str) -> Inception:
    with torch.device("meta"):
        return build(variant).eval()


def _units(network: nn.Module) -> list[PolyInception]:
    return [module for module in network.modules() if isinstance(module, PolyInception)]


def _unit(kind: str, *blocks: nn.Module, scale: float) -> PolyInception:
    """A unit of as many of the blocks as its polynomial has."""
    return PolyInception(kind, *blocks[: len(set("".join(POLYNOMIALS[kind])))], scale=scale).eval()


def _nonlinear() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 3, padding=1)).double()
