"""What the networks of a paper cost, and where in them: parameters, multiply-accumulates and bytes, stage by stage.

They are counted as claims on structure are (:mod:`catalog.verify.structure`), on the meta device and by the usual
conventions, each paper in a process of its own.

The input of a variant has the size that most claims on its structure and its accuracy name, and besides that it is
counted at whatever other crops its accuracy is reported for. A variant of which the claims name no size gets that of
the paper's other networks, the commonest at which it gives an output of the same shape as they do: a network for
CIFAR that would run on a larger image too is not counted there.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeAlias

import reproductions
from catalog import protocols
from catalog.errors import CatalogError
from catalog.names import find_variant
from catalog.records import Measure, Subject, Tier
from catalog.standalone import source_of
from catalog.verify import MeasurementError
from catalog.verify.isolated import Ended, Limits, Said, Task, run
from catalog.verify.ledger import Network, Stage
from catalog.verify.meta import import_torch
from catalog.verify.structure import Structure, parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import nn

    from catalog.records import Paper
    from catalog.verify.structure import Call

__all__ = ["REST", "Counted", "count", "networks", "sizes", "variants"]

REST = "rest"
"""The name of the stage of whatever belongs to no part: parameters and functions of the network itself."""

NEARLY_EVERYTHING = 0.8
"""The share of the parameters or of the multiply-accumulates from which on a sequence of layers is taken apart."""

Size: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Counted:
    """What came of a paper."""

    paper: Paper
    networks: list[Network] = field(default_factory=list)
    failed: str = ""
    """Why not all of its networks are there."""

    def as_dict(self) -> dict[str, Any]:
        """In types that JSON knows."""
        return {
            "paper": self.paper.id,
            "networks": [network.model_dump(mode="json") for network in self.networks],
            "failed": self.failed,
        }


def variants(papers: Sequence[Paper], variant: str | None = None) -> dict[str, list[str]]:
    """The networks of those papers that have any, by the ids of these.

    Args:
        papers: the records.
        variant: of the networks of each paper only this one.

    Raises:
        UnknownName: a paper has no such variant.
        CatalogError: there is no network.
    """
    if variant is not None:
        return {paper.id: [find_variant(paper.id, variant)] for paper in papers}
    found = {}
    for paper in papers:
        try:
            found[paper.id] = reproductions.variants(paper.id)
        except reproductions.UnknownReproduction:
            if len(papers) == 1:
                source_of(paper.id)  # which says what is missing
    if not any(found.values()):
        whose = f"the module of {papers[0].id} holds" if len(papers) == 1 else "the modules of these papers hold"
        raise CatalogError(f"{whose} no network")
    return {paper: names for paper, names in found.items() if names}


def count(
    papers: Sequence[Paper],
    *,
    variant: str | None = None,
    jobs: int = 1,
    on_variant: Callable[[str], None] | None = None,
) -> Iterator[Counted]:
    """Count the networks of papers, several papers at a time, and yield what comes of each as it comes.

    Papers without a network are passed over.

    Args:
        papers: the records.
        variant: of the networks of each paper only this one.
        jobs: how many papers at a time.
        on_variant: called as the counting of each variant begins to give something.

    Raises:
        UnknownName: a paper has no such variant.
        CatalogError: there is no network.
    """
    wanted = variants(papers, variant)
    asked = {paper.id: (paper, wanted[paper.id]) for paper in papers if paper.id in wanted}
    found: dict[str, list[Network]] = {name: [] for name in asked}
    limits = Limits(seconds=1800)
    for event in run([Task(name, _count, arguments, limits) for name, arguments in asked.items()], jobs=jobs):
        match event:
            case Said(task=task, message=Network() as network):
                if on_variant is not None and all(known.variant != network.variant for known in found[task.name]):
                    on_variant(network.variant)
                found[task.name].append(network)
            case Ended(task=task, reason=reason):
                paper, names = asked[task.name]
                missing = [name for name in names if all(network.variant != name for network in found[task.name])]
                if missing and reason is None:
                    reason = f"ended its process at {missing[0]} without a word"
                yield Counted(paper, found[task.name], reason or "")


def _count(say: Callable[[Any], None], paper: Paper, names: Sequence[str]) -> None:
    """What a worker does."""
    for network in networks(paper, names):
        say(network)


def networks(paper: Paper, names: Sequence[str]) -> Iterator[Network]:
    """Count variants of a paper in this process: each with its usual input, and with others that its claims name."""
    import_torch()
    inputs = _Inputs(paper, Structure(paper.id))
    for name in names:
        for size in inputs.of(name) or (None,):
            yield _network(inputs.structure, name, size)


def _network(structure: Structure, name: str, size: Size | None) -> Network:
    subject = _subject(name, size)
    network = structure.network_of(subject)
    found: dict[str, Any] = {
        "variant": name,
        "input": subject.input,
        "parameters": structure.measure(subject, Measure.model_validate("parameters")),
        "bytes": sum(
            tensor.numel() * (4 if tensor.is_floating_point() else tensor.element_size())
            for tensor in (*network.parameters(), *network.buffers())
        ),
    }
    if size is None:
        found["why_not"] = "no claim says what size of input it takes"
    else:
        try:
            found["macs"] = structure.measure(subject, Measure.model_validate("macs"))
            found["stages"] = list(_Run(network, structure.calls(subject)).stages())
        except Exception as error:  # whatever the code of a reproduction raises
            found["why_not"] = " ".join(f"{type(error).__name__}: {error}".split())
    return Network.model_validate(found)


def _subject(variant: str, size: Size | None) -> Subject:
    return Subject.model_validate({"variant": variant, "input": size and list(size)})


# --- Inputs ----------------------------------------------------------------------------------------------------------


def sizes(paper: Paper) -> dict[str, Counter[Size]]:
    """For each variant how many claims on its structure, and on its accuracy, name which size of input."""
    found: dict[str, Counter[Size]] = {}
    for claim in paper.claims:
        if (subject := claim.subject) is None:
            continue
        size = subject.input if claim.tier is Tier.STRUCTURE else None
        if claim.tier is Tier.HEADLINE and (side := protocols.read(subject.protocol).side):
            size = [3, side, side]
        if size is not None:
            found.setdefault(subject.variant, Counter())[tuple(size)] += 1
    return found


class _Inputs:
    """The sizes of input with which the networks of a paper are counted."""

    def __init__(self, paper: Paper, structure: Structure) -> None:
        self.structure = structure
        self._named = sizes(paper)
        self._crops = {
            (claim.subject.variant, (3, side, side))
            for claim in paper.claims
            if claim.tier is Tier.HEADLINE and claim.subject and (side := protocols.read(claim.subject.protocol).side)
        }

    def of(self, variant: str) -> list[Size]:
        """The usual one first; none if nobody knows."""
        usual = self._usual(variant) or self._of_others(variant)
        others = {size for name, size in self._crops if name == variant} - {usual}
        return [usual, *sorted(others)] if usual else []

    def _usual(self, variant: str) -> Size | None:
        """What most of its claims name; of several the largest, because small ones are for comparing quickly."""
        named = self._named.get(variant, Counter[Size]())
        return max(named, key=lambda size: (named[size], math.prod(size)), default=None)

    def _of_others(self, variant: str) -> Size | None:
        everywhere = sum(self._named.values(), Counter[Size]())
        by_number = groupby(sorted(everywhere, key=lambda size: -everywhere[size]), lambda size: everywhere[size])
        for _, equally_common in by_number:
            fitting = [size for size in equally_common if self._fits(variant, size)]
            if fitting:
                return fitting[0] if len(fitting) == 1 else None
        return None

    def _fits(self, variant: str, size: Size) -> bool:
        others = (self._outputs(other, size) for other in self._named if self._usual(other) == size)
        outputs = self._outputs(variant, size)
        return outputs is not None and outputs in others

    def _outputs(self, variant: str, size: Size) -> list[list[list[int]]] | None:
        try:
            return self.structure.calls(_subject(variant, size))[""].outputs
        except Exception:  # it takes no such input, which is the question
            return None


# --- Stages ----------------------------------------------------------------------------------------------------------


class _Run:
    """A network and what its modules did with one input, by their dotted names."""

    def __init__(self, network: nn.Module, calls: dict[str, Call]) -> None:
        self.network, self.calls = network, calls
        self.cost = self._cost("", network)

    def stages(self) -> Iterator[Stage]:
        """What the parts of the network cost, which together is what the whole costs.

        Raises:
            MeasurementError: parts call each other.
        """
        left = {parameter: parameter.numel() for parameter in self.network.parameters() if parameter.requires_grad}
        _, macs = self.cost
        order = {name: number for number, name in enumerate(self.calls)}
        seen: set[nn.Module] = set()
        for name, module in sorted(self._parts("", self.network), key=lambda part: order.get(part[0], len(order))):
            if module in seen:  # under another name
                continue
            seen.add(module)
            # What parts share belongs to the first of them.
            mine = sum(left.pop(parameter, 0) for parameter in module.parameters())
            outputs = self.calls[name].outputs[-1] if name in self.calls else []
            stage = Stage(
                name=name, kind=type(module).__name__, parameters=mine, macs=self._macs(name), outputs=outputs
            )
            macs -= stage.macs
            if stage.parameters or stage.macs:
                yield stage
        if macs < 0:
            raise MeasurementError("parts of the network call each other, so it has no stages that add up")
        if macs or left:
            yield Stage(name=REST, kind="", parameters=sum(left.values()), macs=macs, outputs=[])

    def _parts(self, path: str, module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
        """The children of a module, and in the place of those that only hold others, or nearly everything, theirs."""
        for name, child in module.named_children():
            place = f"{path}.{name}" if path else name
            if self._only_holds_others(place) or self._is_nearly_everything(place, child):
                yield from self._parts(place, child)
            else:
                yield place, child

    def _only_holds_others(self, path: str) -> bool:
        """Whether a module is never called itself, and what is in it is: a list, or one that others go through."""
        return path not in self.calls and any(name.startswith(f"{path}.") for name in self.calls)

    def _is_nearly_everything(self, path: str, module: nn.Module) -> bool:
        """Whether a module is a sequence that holds most of the network, and more than one costly part."""
        from torch import nn

        if type(module).forward is not nn.Sequential.forward:
            return False
        costs = zip(self._cost(path, module), self.cost, strict=True)
        costly = [name for name, child in module.named_children() if any(self._cost(f"{path}.{name}", child))]
        return len(costly) > 1 and any(part > NEARLY_EVERYTHING * whole for part, whole in costs)

    def _cost(self, path: str, module: nn.Module) -> tuple[int, int]:
        return parameters(module, "trainable"), self._macs(path)

    def _macs(self, path: str) -> int:
        return self.calls[path].operations.total() // 2 if path in self.calls else 0
