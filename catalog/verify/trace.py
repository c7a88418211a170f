"""What a network does to one input, step by step, and whether modules or functions do it makes no difference.

A convolution is a convolution whether ``nn.Conv2d`` or ``F.conv2d`` computes it, and ``x.relu_()`` is a ReLU. Torch
lets a mode see every function that is called on tensors, those that its own modules call among them; the modules that
are running say where. What only rearranges numbers leaves no step, and what is often written in two ways (a pad in
front of a convolution, a mean in the place of a global pool) becomes one.
"""

from __future__ import annotations

import copy
import math
import os
import re
import sys
from collections import ChainMap, Counter
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from catalog.verify.functions import GROUP, REARRANGES, describe, function_name
from catalog.verify.loading import nearby
from catalog.verify.meta import without_compiler
from catalog.verify.parity import Signal, tensors_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor, nn

__all__ = ["INPUT", "Source", "Step", "Trace", "on_meta", "trace"]

Source = tuple[int, int]
"""Where a tensor comes from: the number of a step, and which of its outputs it is."""

INPUT: Source = (-1, 0)
"""Where the network's input comes from."""


@dataclass(frozen=True, slots=True)
class Step:
    """One function that was called on tensors."""

    kind: str
    """What it does, as torch.nn calls it (``Conv2d``, ``ReLU``), or in a word (``addition``)."""
    settings: dict[str, Any]
    """What the result depends on besides the tensors."""
    in_training: dict[str, Any]
    """The same, where only training shows it: the rate of a dropout, the momentum of moving averages."""
    inputs: tuple[Source, ...]
    tensors: dict[str, str]
    """Dotted names of the parameters and moving averages that it takes, by what they are for."""
    parameters: int
    """Numbers in those parameters that no step before it has taken."""
    macs: int
    """Multiply-accumulates, if they were asked for."""
    shape: tuple[int, ...]
    """Size of its (first) output, without the batch."""
    taken: int
    """Numbers in the first tensor that it takes, without the batch."""
    function: str
    """Name of the function, such as ``relu``."""
    module: str
    """Dotted name of the innermost module that was running; empty for the network itself."""
    is_layer: bool
    """Whether that module has no children, or the parameters that the step takes, and so stands for it."""
    place: str
    """File and line of the network's own code that led to it."""
    gave: Signal | None
    """What came out, if the numbers were asked for."""

    @property
    def key(self) -> tuple[str, str]:
        """Equal for steps that do the same."""
        return self.kind, repr(sorted(self.settings.items()))

    @property
    def name(self) -> str:
        """``layer1.0.conv1``; ``relu() in layer1.0`` where a module with children calls a function."""
        if self.is_layer:
            return self.module
        return f"{self.function}()" + (f" in {self.module}" if self.module else "")


@dataclass(frozen=True, slots=True)
class Trace:
    """One forward pass."""

    steps: list[Step]
    """In the order of execution."""
    order: list[int]
    """Numbers of the steps that lead to an output, in an order that does not depend on which branch runs first."""
    outputs: list[Source]
    shapes: list[tuple[int, ...]]
    """Sizes of the outputs, without the batch."""
    uncalled: dict[str, int]
    """Parameters that no step took: dotted name, and how many numbers."""

    @property
    def macs(self) -> int:
        return sum(step.macs for step in self.steps)

    @property
    def parameters(self) -> int:
        return sum(step.parameters for step in self.steps) + sum(self.uncalled.values())


def on_meta(network: nn.Module) -> nn.Module:
    """A copy of a network on the meta device, which knows sizes and no numbers; its parameters take no memory."""
    import torch

    def emptied(tensor: Tensor) -> Tensor:
        empty = torch.empty_like(tensor, device="meta")
        return torch.nn.Parameter(empty) if isinstance(tensor, torch.nn.Parameter) else empty

    state = [*network.parameters(), *network.buffers()]
    with torch.device("meta"), without_compiler():
        return copy.deepcopy(network, {id(tensor): emptied(tensor) for tensor in state}).eval()


def trace(network: nn.Module, images: Tensor, *, operations: bool = False, numbers: bool = False) -> Trace:
    """Run a network and return its steps.

    Args:
        network: in evaluation mode.
        images: a batch, on the same device; of one image where operations are counted.
        operations: count the multiply-accumulates of each step.
        numbers: keep what each step gives.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False) if operations else None
    images = images.clone()  # the network may change it in place
    recorder = _Recorder(network, images, counter, numbers)
    with torch.no_grad(), torch.device(images.device), without_compiler(), recorder.in_modules():
        with counter or nullcontext(), recorder.mode():
            result = network(images)
        return recorder.finish(result)


# --- Recording -------------------------------------------------------------------------------------------------------


class _Recorder:
    """Takes down what passes by while a network runs."""

    def __init__(self, network: nn.Module, images: Tensor, counter: Any, numbers: bool) -> None:
        self.network, self.counter, self.numbers = network, counter, numbers
        self.steps: list[Step] = []
        self.sources = {id(images): INPUT}
        self.alive: list[Any] = [images]  # the id of a tensor that is gone is given to another
        self.parameters = {id(tensor): name for name, tensor in network.named_parameters()}
        self.averages = {id(tensor): name for name, tensor in network.named_buffers() if "running_" in name}
        self.unclaimed = {name: tensor.numel() for name, tensor in network.named_parameters()}
        self.running = [("", False)]

    @contextmanager
    def in_modules(self) -> Iterator[None]:
        """Know which module is running."""

        def enter(name: str, is_leaf: bool, *_: Any) -> None:
            self.running.append((name, is_leaf))

        def leave(*_: Any) -> None:
            self.running.pop()

        handles = []
        for name, module in self.network.named_modules():
            is_leaf = next(module.children(), None) is None
            handles.append(module.register_forward_pre_hook(partial(enter, name, is_leaf)))
            handles.append(module.register_forward_hook(leave))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def mode(self) -> Any:
        """A context in which every function that gets a tensor comes to :meth:`call`."""
        from torch.overrides import TorchFunctionMode

        record = self.call

        class Mode(TorchFunctionMode):
            def __torch_function__(
                self, function: Callable[..., Any], _: Any, args: Sequence[Any] = (), keywords: Any = None
            ) -> Any:
                return record(function, args, keywords or {})

        return Mode()

    def call(self, function: Callable[..., Any], args: Sequence[Any], keywords: dict[str, Any]) -> Any:
        """Call a function, and take it down as a step if it makes a tensor of tensors."""
        name = function_name(function)
        taken = tensors_in([*args, keywords])
        size = tuple(taken[0].shape) if taken else ()
        before = self._counted()
        # Without numbers nothing happens to it, and finding that out would be half the time of a trace.
        keeps_size = name == "batch_norm" and taken[0].is_meta
        result = taken[0].clone() if keeps_size else function(*args, **keywords)
        given = taken[:1] if name == "setitem" else tensors_in(result)
        if not given or not taken:
            return result
        made = describe(name, args, keywords, size, given[0])
        if name in REARRANGES or made.in_training.get("rate") == 0:
            self._rename(taken[0], given[0])
            return result
        roles = made.roles or {str(place): tensor for place, tensor in enumerate(taken)}
        names = ChainMap(self.parameters, self.averages) if made.roles else self.parameters
        tensors = {role: names[id(tensor)] for role, tensor in roles.items() if id(tensor) in names}
        module, is_leaf = self.running[-1]
        self.steps.append(
            Step(
                kind=made.kind,
                settings=made.settings if made.roles else made.settings | self._others(taken),
                in_training=made.in_training,
                inputs=tuple(self.sources[id(tensor)] for tensor in taken if id(tensor) in self.sources),
                tensors=tensors,
                parameters=sum(self.unclaimed.pop(self.parameters.get(id(tensor), ""), 0) for tensor in taken),
                macs=(self._counted() - before) // 2,
                shape=tuple(given[0].shape[1:]),
                taken=math.prod(size[1:]),
                function=name,
                module=module,
                is_layer=is_leaf or module in {name.rpartition(".")[0] for name in tensors.values()},
                place=_place(),
                # Whether a number is positive, say, is no number.
                gave=Signal([tensor for tensor in given if tensor.is_floating_point()]) if self.numbers else None,
            )
        )
        for number, tensor in enumerate(given):
            self._remember(tensor, (len(self.steps) - 1, number))
        return result

    def finish(self, result: Any) -> Trace:
        given = tensors_in(result)
        steps, outputs = _simplified(self.steps, [self.sources.get(id(tensor), INPUT) for tensor in given])
        shapes = [tuple(tensor.shape[1:]) for tensor in given]
        return Trace(steps, _order(steps, outputs), outputs, shapes, self.unclaimed)

    def _others(self, taken: Sequence[Tensor]) -> dict[str, Any]:
        """What a function takes besides what the steps before it gave."""
        others = [tensor for tensor in taken if id(tensor) not in self.sources]
        kinds = ["parameter" if id(tensor) in self.parameters else "constant" for tensor in others]
        named = [f"a {kind} of {list(tensor.shape)}" for kind, tensor in zip(kinds, others, strict=True)]
        return {"with": ", ".join(named)} if named else {}

    def _rename(self, old: Tensor, new: Tensor) -> None:
        """What only looks otherwise is still the same."""
        if id(old) in self.sources:
            self._remember(new, self.sources[id(old)])
        elif id(old) in self.parameters:
            self.parameters[id(new)] = self.parameters[id(old)]
            self.alive.append(new)

    def _remember(self, tensor: Tensor, source: Source) -> None:
        self.sources[id(tensor)] = source
        self.alive.append(tensor)

    def _counted(self) -> int:
        return sum(self.counter.flop_counts["Global"].values()) if self.counter is not None else 0


def _place() -> str:
    """File and line of whoever called torch."""
    import torch

    passed = (os.path.dirname(torch.__file__) + os.sep, __file__)
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(passed):
        frame = frame.f_back
    return f"{nearby(frame.f_code.co_filename)}:{frame.f_lineno}"


# --- Two ways of writing the same ------------------------------------------------------------------------------------


def _simplified(steps: list[Step], outputs: list[Source]) -> tuple[list[Step], list[Source]]:
    """Make one step of a pad and the convolution behind it, and of a sigmoid and the product with its input."""
    uses = Counter(source[0] for step in steps for source in step.inputs) + Counter(source[0] for source in outputs)
    merged: dict[int, Step] = {}
    gone: dict[int, Source] = {}
    for number, step in enumerate(steps):
        for source in step.inputs:
            before = steps[source[0]] if source != INPUT else None
            if before is None or uses[source[0]] > 1:
                continue
            if re.fullmatch(r"Conv\dd", step.kind) and (pads := _pads(before, len(step.settings["kernel"]))):
                sides = zip(step.settings["padding"], pads, strict=True)
                padding = [[a + c, b + d] for (a, b), (c, d) in sides]
                merged[number] = replace(step, settings=step.settings | {"padding": padding})
            elif step.kind == "multiplication" and before.kind == "Sigmoid" and before.inputs[0] in step.inputs:
                merged[number] = replace(step, kind="SiLU", settings={}, inputs=before.inputs[:1])
            else:
                continue
            gone[source[0]] = before.inputs[0]
    kept = [number for number in range(len(steps)) if number not in gone]
    numbers = {old: new for new, old in enumerate(kept)}

    def moved(source: Source) -> Source:
        while source[0] in gone:
            source = gone[source[0]]
        return source if source == INPUT else (numbers[source[0]], source[1])

    result = [merged.get(number, steps[number]) for number in kept]
    result = [replace(step, inputs=tuple(map(moved, step.inputs))) for step in result]
    return result, list(map(moved, outputs))


def _pads(step: Step, dims: int) -> list[list[int]]:
    """Zeros that a step puts around a map, before and behind, for each direction; none if it does anything else."""
    if step.function != "pad" or not step.inputs or step.settings["mode"] != "constant" or step.settings["value"]:
        return []
    pad = list(step.settings["pad"])
    if any(pad[2 * dims :]) or min(pad) < 0:
        return []
    pad += [0] * (2 * dims - len(pad))
    return [pad[place : place + 2] for place in range(2 * dims - 2, -1, -2)]  # torch names the last direction first


def _order(steps: Sequence[Step], outputs: Sequence[Source]) -> list[int]:
    """Steps on the way to the outputs, each behind what it needs, and where ways meet the longest first.

    In a concatenation the order of the ways is of account, but two networks are easier to compare branch by branch.
    """
    depth: list[int] = []
    for step in steps:
        depth.append(1 + max((depth[number] for number, _ in step.inputs if number >= 0), default=0))

    def needs(number: int) -> list[int]:
        found = [source for source, _ in steps[number].inputs if source >= 0]
        if GROUP.get(steps[number].kind) == "combination":
            found.sort(key=lambda source: -depth[source])
        return found

    order: dict[int, None] = {}
    for output, _ in outputs:
        waiting = [output] if output >= 0 else []
        while waiting:
            missing = [number for number in needs(waiting[-1]) if number not in order]
            if missing:
                waiting.append(missing[0])
            else:
                order[waiting.pop()] = None
    return list(order)
