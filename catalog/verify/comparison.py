"""Whether two networks are the same function, and if not, where they part and in what else they differ.

The steps of both are put side by side, which says whose weights are whose. With the same weights and the same input two
networks that only look different give the same; of two that are different, every step of ours that gives what some step
of theirs gives is still the same, so that numbers decide where they part, and the settings of the steps say why.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from catalog.text import listed
from catalog.verify import MeasurementError, parity
from catalog.verify.alignment import align
from catalog.verify.trace import trace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from torch import Tensor, nn

    from catalog.verify.alignment import Alignment, Difference
    from catalog.verify.trace import Trace

__all__ = ["Comparison", "Finding", "Side", "compare", "grouped"]

SAME_OUTPUTS = 1e-9
"""Share of the largest output by which outputs of the same function may differ, in double precision."""

SAME_GRADIENTS = 1e-6
"""The same for gradients, in which batch normalisation magnifies every rounding."""

AFFORDABLE = 2 * 10**10
"""Multiply-accumulates up to which outputs are also compared at the full size of input: a few seconds."""


class Side(NamedTuple):
    """One of the two networks."""

    network: nn.Module
    """With numbers, on the CPU."""
    run: Trace
    """What it does to one input of full size."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference, and everywhere that it is found."""

    what: str
    """``stride 1 where resnet50 has 2``"""
    detail: str
    """What else there is to say of the first place."""
    count: int
    """In how many places."""
    theirs: list[str]
    """Their layers, or functions and the modules that call them; none where something is missing."""
    ours: list[str]
    after: list[str]
    """Their layers behind which something is missing."""
    lines: list[str]
    """File and line of their code."""
    parameters: int
    """How many more theirs has for it, in all these places."""
    macs: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of giving two networks the same weights and the same input."""

    same: bool
    """Whether they are the same function, and have nothing besides."""
    same_outputs: bool
    """Whether the outputs are the same, whatever else is not."""
    input: list[int]
    """Size of the input."""
    outputs: float | None
    """The largest difference between outputs, as a share of the largest; none where they cannot be compared."""
    outputs_in_full: float | None
    """The same for an input of full size, where that is another."""
    gradients: float | None
    """The largest difference between gradients, as a share of the largest of the same tensor."""
    remark: str
    """What could not be compared, or found, and why."""
    first: Finding | None
    """Where they part."""
    differences: list[Finding]
    """All of them, the first in front."""
    in_training: list[Finding]
    """What makes a difference in training alone, and is switched off for the comparison."""
    elsewhere_parameters: int
    """How many more theirs has in layers without a difference of their own, because they get other channels."""
    elsewhere_macs: int
    """The same, because they get other channels or maps of another size."""


def compare(
    ours: Side, theirs: Side, size: Sequence[int], name: str, *, full: Sequence[int], gradients: bool = True
) -> Comparison:
    """Hold two networks against each other. Both are changed: their precision, their dropout, every parameter.

    Args:
        ours: the paper's network.
        theirs: another.
        size: of the input with which they are compared, without the batch.
        name: what to call ours.
        full: size of the input of their runs.
        gradients: compare gradients too, where the outputs are the same.
    """
    alignment = align(ours.run, theirs.run, name)
    numbers = _Numbers(ours, theirs, alignment, size)
    remark, slopes, in_full = numbers.remark, None, None
    if numbers.same and gradients:
        with _without_dropout():
            try:
                slopes = parity.gradients_differ(ours.network, theirs.network, numbers.pairs, numbers.images)
            except MeasurementError as error:
                remark = f"gradients are not compared: {str(error).replace('the peer', 'theirs')}"
    if numbers.same and list(size) != list(full) and max(ours.run.macs, theirs.run.macs) <= AFFORDABLE:
        in_full = numbers.outputs_of(full)
    same = numbers.same
    if slopes is not None and not slopes <= SAME_GRADIENTS:  # what is no number is not the same
        same, remark = False, "the outputs are the same, and the gradients in training mode are not"
    if in_full is not None and not in_full <= SAME_OUTPUTS:
        same, remark = False, "the outputs are the same for the smaller input alone"
    found = [] if same else [difference for difference in alignment.differences if not difference.in_training]
    parted = None if numbers.same else numbers.parted()
    if parted is not None:
        found = parted.sorted(found)
    findings = grouped(found, ours.run, theirs.run)
    if parted is not None and parted.is_unexplained(found):
        findings.insert(0, parted.unexplained(ours.run, theirs.run))
    first = findings[0] if findings else None
    findings += _unused(ours.run, theirs.run, name)
    in_training = [difference for difference in alignment.differences if difference.in_training]
    return Comparison(
        same=same and not findings,
        same_outputs=numbers.same,
        input=list(size),
        outputs=numbers.outputs,
        outputs_in_full=in_full,
        gradients=slopes if slopes is not None and math.isfinite(slopes) else None,
        remark="" if parted is not None and first is not None else remark,
        first=first,
        differences=findings,
        in_training=grouped(in_training, ours.run, theirs.run),
        elsewhere_parameters=theirs.run.parameters
        - ours.run.parameters
        - sum(finding.parameters for finding in findings),
        elsewhere_macs=theirs.run.macs - ours.run.macs - sum(finding.macs for finding in findings),
    )


# --- Numbers ---------------------------------------------------------------------------------------------------------


class _Numbers:
    """Both networks with the same weights, and what they give."""

    def __init__(self, ours: Side, theirs: Side, alignment: Alignment, size: Sequence[int]) -> None:
        self.ours, self.theirs = ours, theirs
        self.images = parity.ready(ours.network, theirs.network, size)
        self.remark = ""
        self.pairs = list(_weights(ours, theirs, alignment))
        self._carry()
        self.outputs = self.outputs_of(size)
        # Where branches are alike, only the numbers that they get tell them apart, and that takes a search.
        if not self.same and _shapes(ours.network) == _shapes(theirs.network):
            try:
                found = parity.match(ours.network, theirs.network, self.images[:1])
            except parity.NetworksPartError:
                self._carry()
                return
            aligned, self.pairs = self.pairs, found
            self._carry()
            self.outputs = self.outputs_of(size)
            if not self.same:
                self.pairs = aligned
                self._carry()

    @property
    def same(self) -> bool:
        return self.outputs is not None and self.outputs <= SAME_OUTPUTS

    def outputs_of(self, size: Sequence[int]) -> float | None:
        """The difference of the outputs for an input of some size."""
        import torch

        images = self.images
        if list(images.shape[1:]) != list(size):
            images = torch.randn(1, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
        self.ours.network.eval()
        self.theirs.network.eval()
        try:
            difference = parity.outputs_differ(self.ours.network, self.theirs.network, images)
        except parity.NetworksPartError:
            here, there = (listed(list(size) for size in side.run.shapes) for side in (self.ours, self.theirs))
            self.remark = f"ours gives outputs of {here}, theirs of {there}"
            return None
        if not math.isfinite(difference):
            self.remark = "some output is no finite number"
            return None
        self.remark = ""
        return difference

    def parted(self) -> _Parted | None:
        """Which steps do not compute what the other network computes; none where the runs cannot be compared."""
        image = self.images[:1]
        runs = [trace(side.network.eval(), image, numbers=True) for side in (self.ours, self.theirs)]
        for run, side in zip(runs, (self.ours, self.theirs), strict=True):
            if [step.kind for step in run.steps] != [step.kind for step in side.run.steps]:
                return None  # the path through the network depends on the size of the input
        return _Parted(_strange(*runs), _strange(*reversed(runs)))

    def _carry(self) -> None:
        import torch

        wanted = {name for step in self.ours.run.steps for name in step.tensors.values()}
        if wanted - {pair.ours for pair in self.pairs}:
            # What gets no weights from theirs has to have some of its own, as far from zero as theirs.
            parity.draw(self.ours.network, self.images, torch.Generator().manual_seed(1))
        parity.carry(self.pairs, self.ours.network, self.theirs.network)


def _weights(ours: Side, theirs: Side, alignment: Alignment) -> Iterator[parity.Pair]:
    """Whose parameters and moving averages are whose, as far as steps have counterparts and shapes agree."""
    here, there = _state(ours.network), _state(theirs.network)
    for mine, other in alignment.pairs:
        if mine is None or other is None:
            continue
        names, counterparts = ours.run.steps[mine].tensors, theirs.run.steps[other].tensors
        if names.keys().isdisjoint(counterparts):  # x * scale and scale * x
            counterparts = dict(zip(names, counterparts.values(), strict=False))
        for role, name in names.items():
            if role in counterparts and _plain(here[name]) == _plain(there[counterparts[role]]):
                yield parity.Pair(name, counterparts[role])
    # What only training uses gives nothing here that could tell it apart.
    unused = [(name, here[name]) for name in ours.run.uncalled], [(name, there[name]) for name in theirs.run.uncalled]
    if [_plain(tensor) for _, tensor in unused[0]] == [_plain(tensor) for _, tensor in unused[1]]:
        for (mine_name, _), (other_name, _) in zip(*unused, strict=True):
            yield parity.Pair(mine_name, other_name)


def _state(network: nn.Module) -> dict[str, Tensor]:
    return dict(network.named_parameters()) | dict(network.named_buffers())


def _plain(tensor: Tensor) -> tuple[int, ...]:
    """The shape of a parameter; that of a scale may have ones around it, and a matrix be a 1x1 kernel."""
    return tuple(side for side in tensor.shape if side != 1)


def _shapes(network: nn.Module) -> Counter[tuple[int, ...]]:
    return Counter(_plain(parameter) for parameter in network.parameters())


def _strange(run: Trace, other: Trace) -> list[int]:
    """Steps of a run, in the order of execution, that give what no step of the other gives, and lead to no other."""
    known: dict[tuple[int, ...], list[parity.Signal]] = defaultdict(list)
    for gave in _signals(other):
        known[_sizes(gave)].append(gave)
    used: dict[int, list[int]] = defaultdict(list)
    for number, step in enumerate(run.steps):
        for source, _ in step.inputs:
            used[source].append(number)
    same: set[int] = set()
    for number, gave in reversed(list(enumerate(_signals(run)))):
        if any(user in same for user in used[number]) or any(gave.is_same(its) for its in known[_sizes(gave)]):
            same.add(number)
    return [number for number in sorted(run.order) if number not in same]


def _signals(run: Trace) -> list[parity.Signal]:
    return [step.gave for step in run.steps if step.gave is not None]


def _sizes(signal: parity.Signal) -> tuple[int, ...]:
    return tuple(tensor.numel() for tensor in signal.tensors)


class _Parted(NamedTuple):
    """The steps of each network that do not compute what the other computes, in the order of execution."""

    ours: list[int]
    theirs: list[int]

    def sorted(self, found: Iterable[Difference]) -> list[Difference]:
        """The differences that matter, that at which the two part in front.

        What is only written otherwise is left out, also where that cannot be seen because the numbers differ already.
        """
        ours, theirs = set(self.ours), set(self.theirs)
        found = list(found)
        real = [d for d in found if not ours.isdisjoint(d.ours) or not theirs.isdisjoint(d.theirs)]
        harmless = {(d.what, d.kind) for d in found if d not in real}
        real = [d for d in real if (d.what, d.kind) not in harmless]
        return sorted(real, key=lambda d: not self._is_first(d))

    def is_unexplained(self, found: Sequence[Difference]) -> bool:
        """Whether no setting shows why they part where they do."""
        return bool(self.ours or self.theirs) and not (found and self._is_first(found[0]))

    def unexplained(self, ours: Trace, theirs: Trace) -> Finding:
        """A difference of which only the numbers are known."""
        here = [ours.steps[number] for number in self.ours[:1]]
        there = [theirs.steps[number] for number in self.theirs[:1]]
        return Finding(
            what="gives other numbers for the same input and weights, and no setting shows why",
            detail="",
            count=1,
            theirs=[step.name for step in there],
            ours=[step.name for step in here],
            after=[],
            lines=[step.place for step in there],
            parameters=0,
            macs=0,
        )

    def _is_first(self, difference: Difference) -> bool:
        return not set(self.ours[:1]).isdisjoint(difference.ours) or not set(self.theirs[:1]).isdisjoint(
            difference.theirs
        )


@contextmanager
def _without_dropout() -> Iterator[None]:
    """Let functions that drop numbers at random drop none; modules that do have been switched off."""
    from torch.overrides import TorchFunctionMode

    class Mode(TorchFunctionMode):
        def __torch_function__(self, function: Any, _: Any, args: Sequence[Any] = (), keywords: Any = None) -> Any:
            keywords = keywords or {}
            if "dropout" in getattr(function, "__name__", ""):
                return args[0] if args else keywords["input"]
            return function(*args, **keywords)

    with Mode():
        yield


# --- In words --------------------------------------------------------------------------------------------------------


def grouped(differences: Sequence[Difference], ours: Trace, theirs: Trace) -> list[Finding]:
    """Differences that are the same in several places as one, in the order of the first."""
    groups: dict[str, list[Difference]] = {}
    for difference in differences:
        groups.setdefault(difference.what, []).append(difference)
    return [
        Finding(
            what=what,
            detail=group[0].detail,
            count=len(group),
            theirs=[name for difference in group for name in _where(theirs, difference.theirs)],
            ours=[name for difference in group for name in _where(ours, difference.ours)],
            after=[theirs.steps[d.after].name for d in group if d.after is not None and not d.theirs],
            lines=list(dict.fromkeys(theirs.steps[d.theirs[0]].place for d in group if d.theirs)),
            parameters=sum(difference.parameters for difference in group),
            macs=sum(difference.macs for difference in group),
        )
        for what, group in groups.items()
    ]


def _where(run: Trace, numbers: Sequence[int]) -> list[str]:
    """The module that some steps are, the first and the last of them, or the only one."""
    steps = [run.steps[number] for number in numbers]
    if len(steps) < 2:
        return [step.name for step in steps]
    parts = zip(*(step.module.split(".") for step in steps), strict=False)
    whole = ".".join(names[0] for names in itertools.takewhile(lambda names: len(set(names)) == 1, parts))
    inside = [step for step in run.steps if f"{step.module}.".startswith(f"{whole}.")]
    return [whole] if whole and len(inside) == len(steps) else [f"{steps[0].name} to {steps[-1].name}"]


def _unused(ours: Trace, theirs: Trace, name: str) -> list[Finding]:
    """Parameters and steps that lead to no output, where theirs has others than ours."""
    found = []
    here, there = (sum(run.uncalled.values()) for run in (ours, theirs))
    if here != there:
        found.append(
            Finding(
                what=f"{there:,} parameters that evaluation does not use, where {name} has {here:,}",
                detail="",
                count=1,
                theirs=_owners(theirs.uncalled),
                ours=_owners(ours.uncalled),
                after=[],
                lines=[],
                parameters=there - here,
                macs=0,
            )
        )
    idle = [[step for number, step in enumerate(run.steps) if number not in set(run.order)] for run in (ours, theirs)]
    costs = [(sum(step.parameters for step in steps), sum(step.macs for step in steps)) for steps in idle]
    if costs[0] != costs[1]:
        found.append(
            Finding(
                what="steps whose results are not used",
                detail="",
                count=len(idle[1]),
                theirs=list(dict.fromkeys(step.name for step in idle[1])),
                ours=list(dict.fromkeys(step.name for step in idle[0])),
                after=[],
                lines=list(dict.fromkeys(step.place for step in idle[1])),
                parameters=costs[1][0] - costs[0][0],
                macs=costs[1][1] - costs[0][1],
            )
        )
    return found


def _owners(names: Iterable[str]) -> list[str]:
    """The modules next to the network itself that parameters belong to."""
    return list(dict.fromkeys(name.partition(".")[0] for name in names))
