"""What changed from one paper's network to another's: step by step, and in what it costs at every size of map.

Both are built and run on the meta device, and their steps put side by side as those of somebody else's model are.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import reproductions
from catalog.errors import CatalogError
from catalog.names import UnknownName, closest
from catalog.verify.alignment import align
from catalog.verify.comparison import Finding, grouped
from catalog.verify.meta import import_torch, without_compiler
from catalog.verify.model import counted, input_size, usual_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from catalog.records import Paper
    from catalog.verify.alignment import Difference
    from catalog.verify.trace import Trace

__all__ = ["Cost", "Network", "Networks", "Stage", "networks"]


class Cost(NamedTuple):
    """What a network, or a part of it, costs."""

    parameters: int
    macs: int


@dataclass(frozen=True, slots=True)
class Network:
    """One of the two."""

    paper: str
    variant: str
    input: list[int]
    """Size of one image, without the batch."""
    parameters: int
    macs: int


@dataclass(frozen=True, slots=True)
class Stage:
    """What both do on maps of one size."""

    maps: str
    """Their side as a part of that of the input, ``1/4``; ``1x1`` where nothing of it is left."""
    old_size: str | None
    """The largest such map, ``56x56``; none where the network has no such maps."""
    new_size: str | None
    old: Cost
    new: Cost


@dataclass(frozen=True, slots=True)
class Networks:
    """What changed from one network to another."""

    old: Network
    new: Network
    stages: tuple[Stage, ...]
    """The largest maps first."""
    differences: list[Finding]
    """In what the new one differs, in the order of the steps; ``ours`` is the old one, ``theirs`` the new."""
    in_training: list[Finding]
    """The same, where it makes a difference in training alone."""
    elsewhere: Cost
    """What else the new one costs more: in steps that are the same but get other channels, or maps of another size."""

    def as_dict(self) -> dict[str, Any]:
        """In types that JSON knows."""
        stages = [asdict(stage) | {"old": stage.old._asdict(), "new": stage.new._asdict()} for stage in self.stages]
        return asdict(self) | {"stages": stages, "elsewhere": self.elsewhere._asdict()}


def networks(old: Paper, new: Paper, *, variants: Sequence[str] = (), size: str | None = None) -> Networks:
    """Build a network of each of two papers, without weights, and say what changed from the first to the second.

    Args:
        old: the record of one.
        new: the record of the other.
        variants: which networks, of whichever of the papers has them; of two that both have, the first is the old one.
            The main network of a paper if none of them is its.
        size: of the input of both, such as ``3,224,224``; what the claims of each paper say if omitted, or
            where these say nothing, those of the other.

    Raises:
        UnknownName: neither paper has a variant of this name.
        CatalogError: a paper has no network, the size is none, or a network takes no such input.
    """
    papers = old, new
    names = _chosen(papers, variants)
    sizes = [input_size(size)] * 2 if size else _usual_sizes(papers, names)
    import_torch()
    import torch

    runs = []
    for paper, name, sides in zip(papers, names, sizes, strict=True):
        with torch.device("meta"), without_compiler():
            network = reproductions.build(paper.id, name).eval()
        runs.append(counted(network, sides, f"{name}'s")[0])
    before, after = runs
    found = align(before, after, names[0] if names[0] != names[1] else old.id).differences
    differences = grouped([_relative(one) for one in found if not one.in_training], before, after)
    return Networks(
        Network(old.id, names[0], sizes[0], before.parameters, before.macs),
        Network(new.id, names[1], sizes[1], after.parameters, after.macs),
        tuple(_stages(before, sizes[0], after, sizes[1])),
        differences,
        grouped([one for one in found if one.in_training], before, after),
        Cost(
            after.parameters - before.parameters - sum(one.parameters for one in differences),
            after.macs - before.macs - sum(one.macs for one in differences),
        ),
    )


def _relative(difference: Difference) -> Difference:
    """A difference with the number of outputs as a multiple, which in the layers of all stages is often the same."""

    def multiple(match: re.Match[str]) -> str:
        ratio = Fraction(int(match["there"]), int(match["here"]))
        if ratio.denominator > 1 and ratio.numerator > 1:
            return match[0]
        return f"{ratio} × the outputs of {match['name']}"

    what = re.sub(r"\b(?P<there>\d+) outputs where (?P<name>\S+) has (?P<here>\d+)", multiple, difference.what)
    return replace(difference, what=what)


def _chosen(papers: tuple[Paper, Paper], names: Sequence[str]) -> list[str]:
    offered = []
    for paper in papers:
        try:
            offered.append(reproductions.variants(paper.id))
        except reproductions.UnknownReproduction:
            raise CatalogError(f"no module reproduces {paper.id} yet") from None
        if not offered[-1]:
            raise CatalogError(f"the module of {paper.id} holds no network")
    found: list[list[str]] = [[], []]
    for name in names:
        for paper, mine in zip(papers, found, strict=True):
            try:
                mine.append(reproductions.find_variant(paper.id, name))
            except reproductions.UnknownVariant:
                continue
        if not any(found):
            known = [variant for variants in offered for variant in variants]
            what = f"variant of {papers[0].id} or {papers[1].id}"
            raise UnknownName(name, closest(name, known), what=what, hint=f"there are {', '.join(known)}")
    mains = (reproductions.main_variant(paper.id) for paper in papers)
    return [mine[place] if mine else main for place, mine, main in zip((0, -1), found, mains, strict=True)]


def _usual_sizes(papers: tuple[Paper, Paper], names: Sequence[str]) -> list[list[int]]:
    known = []
    for paper, name in zip(papers, names, strict=True):
        try:
            known.append(usual_size(paper, name))
        except CatalogError as error:
            missing = error
    if not known:
        raise missing
    return [known[0], known[-1]]


# --- Stages ----------------------------------------------------------------------------------------------------------


def _stages(old: Trace, old_input: Sequence[int], new: Trace, new_input: Sequence[int]) -> Iterator[Stage]:
    costs = [dict(_by_maps(run, size)) for run, size in ((old, old_input), (new, new_input))]
    for halvings in sorted(costs[0].keys() | costs[1].keys()):
        (old_size, old_cost), (new_size, new_cost) = (cost.get(halvings, (None, Cost(0, 0))) for cost in costs)
        maps = "1x1" if halvings == math.inf else f"1/{2**halvings:g}" if halvings > 0 else f"{2**-halvings:g}"
        yield Stage(maps, old_size, new_size, old_cost, new_cost)


def _by_maps(run: Trace, size: Sequence[int]) -> Iterator[tuple[float, tuple[str, Cost]]]:
    """What a network costs by how often the maps have been halved; that 35 is an eighth of 299 is meant roughly."""
    parameters: Counter[float] = Counter({math.inf: sum(run.uncalled.values())})
    macs: Counter[float] = Counter()
    largest: dict[float, tuple[int, ...]] = {math.inf: (1, 1)}
    for step in run.steps:
        sides = step.shape[1:] if len(step.shape) > 2 else ()
        area = math.prod(sides)
        halvings = round(math.log2(math.prod(size[1:]) / area) / len(sides)) if area > 1 else math.inf
        parameters[halvings] += step.parameters
        macs[halvings] += step.macs
        if area > 1:
            largest[halvings] = max(largest.get(halvings, sides), sides, key=math.prod)
    for halvings in parameters.keys() | macs.keys():
        cost = Cost(parameters[halvings], macs[halvings])
        if any(cost):
            yield halvings, ("x".join(map(str, largest[halvings])), cost)
