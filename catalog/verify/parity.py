"""The same function as an independent implementation: two networks held against each other, weights carried over.

Nobody writes a table of names. Every parameter of the peer is drawn at random, and its layers are recorded as it runs,
each with the tensors that it got and gave. Then our network runs, and each of its layers, when its turn comes, looks
among the recorded ones for its counterpart: a layer of the same kind, with parameters of the same shapes, that got the
same tensor and gives the same once it has lent its weights. Execution order only says which to try first, so a shortcut
may run before its branch or after it. When branches look alike and the first guess leads nowhere, the walk begins again
with the next. Where no guess leads on, the two networks part, and the error says at which layers.

Layers are the modules that torch.nn knows, and what derives from them. A parameter of any other module (a scale in a
block, a token) is the counterpart of the parameter that stands at the same place among those of its shape, as long as
there are equally many; a module without children whose parameters find no such place is taken for a layer.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from catalog.verify import MeasurementError
from catalog.verify.peers import build_peer

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from catalog.records import Peer, Subject

__all__ = [
    "NetworksPartError",
    "Pair",
    "Signal",
    "carry",
    "compare",
    "draw",
    "gradients_differ",
    "match",
    "measure",
    "outputs_differ",
    "ready",
    "tensors_in",
]

BATCH = 4
"""Images in a comparison. Where maps end at 1 x 1, batch normalisation sees nothing but the batch: from a rounding of
1e-15 two images make a difference of 1e-2 in the gradients of ResNet-50, and four one of 1e-10."""

SAME = 1e-9
"""Two tensors are the same when no element differs by more than this share of the largest."""

PATIENCE = 64
"""Guesses in a row that may lead no further than the best one before them."""


class NetworksPartError(MeasurementError):
    """The two networks do not compute the same; the message says where they part."""


class Pair(NamedTuple):
    """A parameter or moving average of our network and its counterpart in the peer, by dotted name."""

    ours: str
    theirs: str


def measure(paper: str, subject: Subject, peer: Peer) -> dict[str, float]:
    """Hold a network of a paper against a peer; see :func:`compare` for what is returned and raised.

    Raises:
        PeerNotInstalledError: the peer's library is not installed.
    """
    import torch

    from reproductions import build

    assert subject.input is not None  # the record type demands it
    usual = torch.get_default_dtype()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        try:
            # From the start, so that no constant is rounded to single precision first.
            torch.set_default_dtype(torch.float64)
            with _without_initialisation():
                networks = build(paper, subject.variant, **subject.options), build_peer(peer)
            return compare(*networks, subject.input)
        finally:
            torch.set_default_dtype(usual)


@contextmanager
def _without_initialisation() -> Iterator[None]:
    """Let networks be built without random numbers, which take longer than all else and would be overwritten."""
    from torch import Tensor, nn
    from torch.overrides import TorchFunctionMode

    random = {Tensor.normal_, Tensor.uniform_, nn.init.normal_, nn.init.uniform_, nn.init.trunc_normal_}
    random |= {nn.init.kaiming_normal_, nn.init.kaiming_uniform_, nn.init.xavier_normal_, nn.init.xavier_uniform_}

    class Untouched(TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if function in random:
                return args[0] if args else kwargs["tensor"]
            return function(*args, **(kwargs or {}))

    with Untouched():
        yield


def compare(ours: nn.Module, theirs: nn.Module, size: Sequence[int]) -> dict[str, float]:
    """Give two networks the same weights and measure how far they differ, in double precision.

    Both networks are changed: their precision, their dropout, every parameter.

    Args:
        ours: our network.
        theirs: the peer.
        size: of one input, without the batch.

    Returns:
        ``outputs``: the largest difference between the outputs in evaluation mode, as a share of the largest output;
        ``gradients``: the largest difference between the gradients of input and parameters in training mode, for fixed
        random weights of the outputs, as a share of the largest gradient of the same tensor.

    Raises:
        NetworksPartError: they differ in a layer, or in the number of layers, parameters or outputs.
        MeasurementError: a network is random in training mode even without dropout.
    """
    images = ready(ours, theirs, size)
    pairs = match(ours, theirs, images[:1])
    carry(pairs, ours, theirs, share=True)
    outputs = outputs_differ(ours, theirs, images)
    return {"outputs": outputs, "gradients": gradients_differ(ours, theirs, pairs, images)}


def ready(ours: nn.Module, theirs: nn.Module, size: Sequence[int]) -> Tensor:
    """Bring two networks to double precision and evaluation mode, without dropout, and draw the peer's parameters.

    Returns:
        A batch of inputs of this size.
    """
    import torch

    generator = torch.Generator().manual_seed(0)
    images = torch.randn(BATCH, *size, dtype=torch.float64, generator=generator)
    for network in (ours, theirs):
        network.double().eval()
        _switch_dropout_off(network)
    draw(theirs, images, generator)
    return images


def outputs_differ(ours: nn.Module, theirs: nn.Module, images: Tensor) -> float:
    """The largest difference between the outputs, as a share of the largest output.

    Raises:
        NetworksPartError: they have different numbers of outputs.
    """
    import torch

    with torch.no_grad():
        return _difference(tensors_in(ours(images.clone())), tensors_in(theirs(images.clone())), floor=1)


def gradients_differ(ours: nn.Module, theirs: nn.Module, pairs: Sequence[Pair], images: Tensor) -> float:
    """The largest difference between the gradients in training mode, as a share of the largest of the same tensor.

    Gradients of the input and of the parameters of the pairs, for fixed random weights of the outputs.

    Raises:
        NetworksPartError: they have different numbers of outputs in training mode.
        MeasurementError: a network is random in training mode even without dropout.
    """
    here, there = _state(ours), _state(theirs)
    learned = [pair for pair in pairs if here[pair.ours].requires_grad and there[pair.theirs].requires_grad]
    return _difference(
        _gradients(ours, images, [here[pair.ours] for pair in learned]),
        _gradients(theirs, images, [there[pair.theirs] for pair in learned]),
        # A gradient that is but rounding, as of a shift in front of a normalisation, is held against the others.
        floor=1e-3,
    )


def draw(network: nn.Module, images: Tensor, generator: torch.Generator) -> None:
    """Draw every parameter and moving average of a network at random, so that signals neither vanish nor explode.

    A freshly initialised network hides errors: shifts are zero, scales one, some branches switched off. Scales between
    1 and 3 also reach the places where a bounded activation bends for the second time.
    """
    import torch

    def normal(like: Tensor) -> Tensor:
        # Single precision, which is drawn in a quarter of the time.
        return torch.randn(like.shape, dtype=torch.float32, generator=generator)

    def uniform(like: Tensor, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(like.shape, dtype=like.dtype, generator=generator)

    calibrated = set()

    def calibrate(norm: Any, inputs: tuple[Tensor, ...]) -> None:
        if norm not in calibrated:  # what was drawn for the first call of a layer stays for the others
            calibrated.add(norm)
            mean, variance = inputs[0].mean(), inputs[0].var()
            norm.running_mean.copy_(mean + 0.3 * variance.sqrt() * normal(norm.running_mean))
            norm.running_var.copy_(variance * uniform(norm.running_var, 0.5, 1.5))

    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if parameter.squeeze().dim() > 1:
                parameter.copy_(normal(parameter)).mul_((2 / parameter[0].numel()) ** 0.5)
            elif name.endswith("bias"):
                parameter.copy_(normal(parameter))
            else:
                parameter.copy_(uniform(parameter, 1, 3))
        norms = [module for module in network.modules() if getattr(module, "running_var", None) is not None]
        hooks = [norm.register_forward_pre_hook(calibrate) for norm in norms]
        network(images.clone())
        for hook in hooks:
            hook.remove()


def match(ours: nn.Module, theirs: nn.Module, image: Tensor) -> list[Pair]:
    """Find the counterpart in the peer of every parameter and moving average of our network.

    Both networks are in evaluation mode, and the peer's parameters are random (:func:`draw`). Ours are overwritten,
    and lie in the peer's memory until :func:`carry` gives them their own.

    Args:
        ours: our network.
        theirs: the peer.
        image: one input, as a batch.

    Raises:
        NetworksPartError: some layer has no counterpart; the message says at which layers the networks part.
    """
    import torch

    with torch.no_grad():
        return _Search(ours, theirs, image).run()


def carry(pairs: Sequence[Pair], ours: nn.Module, theirs: nn.Module, *, share: bool = False) -> None:
    """Give our network the peer's parameters and moving averages.

    Args:
        pairs: which is whose counterpart.
        ours: our network.
        theirs: the peer.
        share: let both networks have their parameters in the same memory, for as long as nobody writes to it.
    """
    here, there = _state(ours), _state(theirs)
    for pair in pairs:
        _give(there[pair.theirs], here[pair.ours], share=share)


def _give(source: Tensor, to: Tensor, *, share: bool) -> None:
    import torch

    values = source.detach().reshape(to.shape)
    if isinstance(to, torch.nn.Parameter):
        to.data = values if share else values.clone()
    else:
        to.copy_(values)


def _state(network: nn.Module) -> dict[str, Tensor]:
    return dict(network.named_parameters(remove_duplicate=False)) | dict(network.named_buffers(remove_duplicate=False))


_DROPOUT = ("p", "drop_prob", "drop_rate")


def _switch_dropout_off(network: nn.Module) -> None:
    for module in network.modules():
        for name in _DROPOUT:
            rate = vars(module).get(name)
            if isinstance(rate, float) and 0 < rate < 1:  # p may also be the exponent of a norm
                setattr(module, name, 0.0)


def _gradients(network: nn.Module, images: Tensor, parameters: Sequence[Tensor]) -> list[Tensor]:
    """Gradients of the input and of some parameters in training mode, for outputs weighted by fixed random numbers."""
    import torch

    network.train()
    x = images.clone().requires_grad_()
    random_state = torch.get_rng_state()
    outputs = tensors_in(network(x.clone()))  # a copy, which the network may change in place
    if not torch.equal(random_state, torch.get_rng_state()):
        zero = ", ".join(_DROPOUT)
        raise MeasurementError(
            f"{type(network).__name__} is random in training mode even with {zero} of its modules zero"
        )
    generator = torch.Generator().manual_seed(1)
    weights = [torch.randn(output.shape, dtype=output.dtype, generator=generator) for output in outputs]
    found = torch.autograd.grad(outputs, [x, *parameters], weights, materialize_grads=True)
    return list(found)


def _difference(ours: Sequence[Tensor], theirs: Sequence[Tensor], floor: float) -> float:
    """The largest difference between two tensors of a pair, as a share of the largest element of theirs.

    Not a number where an element is none or where all are zero, which shows nothing.

    Args:
        ours: our tensors.
        theirs: the peer's, in the same order.
        floor: the share of the largest element of all that counts as the largest of a tensor whose own is smaller.
    """
    counts = [[tensor.numel() for tensor in tensors] for tensors in (ours, theirs)]
    if counts[0] != counts[1]:
        raise NetworksPartError(f"ours gives outputs of {counts[0]} numbers, the peer of {counts[1]}")
    import torch

    # In torch throughout: its maximum of anything and not-a-number is not-a-number, and Python's need not be.
    pairs = zip(ours, theirs, strict=True)
    differences = torch.stack([_largest(a.reshape(-1) - b.reshape(-1)) for a, b in pairs])
    largest = torch.stack([_largest(b) for b in theirs])
    return (differences / torch.maximum(largest, floor * largest.max())).max().item()


# --- Layers ----------------------------------------------------------------------------------------------------------


class _Layer:
    """A module with parameters or moving averages of its own."""

    def __init__(self, name: str, module: nn.Module) -> None:
        self.name, self.module = name, module
        self.kind = _kind(module)
        self.own = _own(module)
        self.shapes = [_without_ones(tensor.shape) for tensor in self.own.values()]
        # With an activation among its children, say, it does not give what the layer alone would give.
        self.has_children = next(module.children(), None) is not None

    def fits(self, other: _Layer) -> bool:
        """Whether the two can lend each other weights: of the same kind, where both are of a known one, and shapes."""
        return self.shapes == other.shapes and (self.kind == other.kind or not (self.kind and other.kind))

    def names(self) -> list[str]:
        return [_dotted(self.name, own) for own in self.own]

    def __str__(self) -> str:
        return _described(self.name, self.module)


def _described(name: str, module: nn.Module) -> str:
    return f"{name} {type(module).__name__}({module.extra_repr()})".lstrip()


def _kind(module: nn.Module) -> str:
    """The layer of torch.nn that a module is or derives from; empty when it is of another's making.

    The number of dimensions does not count, and a fully connected layer is a convolution of size one.
    """
    for base in type(module).__mro__:
        home, name = base.__module__, base.__name__
        if home.startswith("torch.nn.modules.") and not home.endswith((".module", ".container")):
            return "Conv" if name == "Linear" else re.sub(r"\dd$", "", name)
    return ""


def _own(module: nn.Module) -> dict[str, Tensor]:
    """Parameters of a module itself, without its children, and then its moving averages.

    Other buffers of a module that torch.nn does not know are constants of its architecture: a blur, a mask.
    """
    known = bool(_kind(module))
    own: dict[str, Tensor] = dict(module.named_parameters(recurse=False))
    return own | {
        name: buffer
        for name, buffer in module.named_buffers(recurse=False)
        if buffer.is_floating_point() and (known or name in _MOVING_AVERAGES)
    }


_MOVING_AVERAGES = ("running_mean", "running_var")


def _without_ones(shape: Sequence[int]) -> tuple[int, ...]:
    """The shape of a weight, in which a 1 x 1 kernel looks like a matrix."""
    sides = list(shape)
    while len(sides) > 2 and sides[-1] == 1:
        sides.pop()
    return tuple(sides)


def _dotted(module: str, tensor: str) -> str:
    return f"{module}.{tensor}" if module else tensor


def _loose_pairs(ours: nn.Module, theirs: nn.Module) -> list[Pair]:
    """Pair the parameters that belong to no layer of torch.nn, by shape (without ones) and place."""

    def by_shape(network: nn.Module) -> dict[tuple[int, ...], list[str]]:
        names = defaultdict(list)
        for owner, module in network.named_modules():
            for own, parameter in _own(module).items() if not _kind(module) else ():
                names[tuple(side for side in parameter.shape if side != 1)].append(_dotted(owner, own))
        return names

    here, there = by_shape(ours), by_shape(theirs)
    return [
        Pair(*names)
        for shape in here
        if len(here[shape]) == len(there.get(shape, ()))
        for names in zip(here[shape], there[shape], strict=True)
    ]


def _layers(network: nn.Module, paired: set[str], whose: str) -> dict[str, _Layer]:
    """The modules whose counterpart the walk has to find: those with something of their own that is not paired yet.

    Raises:
        NetworksPartError: a parameter that is not paired belongs to a module that is no layer but consists of others.
    """
    layers = [_Layer(name, module) for name, module in network.named_modules()]
    layers = [layer for layer in layers if not paired.issuperset(layer.names())]
    if loose := [name for layer in layers if layer.has_children and not layer.kind for name in layer.names()]:
        raise NetworksPartError(
            f"{whose} has parameters outside of layers, {', '.join(loose)}, and the other network has not equally many "
            "of these shapes"
        )
    return {layer.name: layer for layer in layers}


# --- What passes between layers --------------------------------------------------------------------------------------


class Signal:
    """The tensors that a module gets or gives, in a copy that no in-place operation reaches."""

    def __init__(self, values: Any) -> None:
        self.tensors = [tensor.detach().clone() for tensor in tensors_in(values)]
        self.norms = [tensor.double().norm().item() for tensor in self.tensors]

    def is_same(self, other: Signal) -> bool:
        """Whether the numbers are the same, whatever their shape; channels may come last in one of the two."""
        return len(self.tensors) == len(other.tensors) and all(
            a.numel() == b.numel()
            and abs(norm_a - norm_b) <= 1e-6 * norm_b  # spares most comparisons
            and any(_are_equal(a, layout) for layout in _layouts(b))
            for a, b, norm_a, norm_b in zip(self.tensors, other.tensors, self.norms, other.norms, strict=True)
        )


def tensors_in(values: Any) -> list[Tensor]:
    import torch

    if isinstance(values, torch.Tensor):
        return [values]
    if isinstance(values, Mapping):
        values = values.values()
    elif not isinstance(values, list | tuple):
        return []
    return [tensor for value in values for tensor in tensors_in(value)]


def _layouts(tensor: Tensor) -> Iterator[Tensor]:
    yield tensor
    if tensor.dim() > 2:
        yield tensor.movedim(1, -1)
        yield tensor.movedim(-1, 1)


def _are_equal(a: Tensor, b: Tensor) -> bool:
    return bool(_largest(a.reshape(-1) - b.reshape(-1)) <= SAME * _largest(b))


def _largest(values: Tensor) -> Tensor:
    """The largest absolute value, or not-a-number if there is one."""
    import torch

    found: Tensor = torch.linalg.vector_norm(values, float("inf"))
    return found


class _Call(NamedTuple):
    """One call of a module."""

    name: str
    module: nn.Module
    got: Signal
    gave: Signal


@contextmanager
def _recorded(modules: Mapping[str, nn.Module]) -> Iterator[list[_Call]]:
    """The calls of some modules, in order, for as long as the context lasts."""
    calls: list[_Call] = []

    def hook(name: str, module: nn.Module, inputs: Any, keywords: Any, output: Any) -> None:
        calls.append(_Call(name, module, Signal([inputs, keywords]), Signal(output)))

    hooks = [module.register_forward_hook(partial(hook, name), with_kwargs=True) for name, module in modules.items()]
    try:
        yield calls
    finally:
        for handle in hooks:
            handle.remove()


# --- The walk --------------------------------------------------------------------------------------------------------


class _DeadEndError(Exception):
    """A layer of ours has no counterpart left."""

    def __init__(self, layer: _Layer, got: Signal) -> None:
        self.layer, self.got = layer, got


class _Walk:
    """One run of our network in which every layer takes a counterpart."""

    def __init__(self, plan: Sequence[int]) -> None:
        self.plan = plan
        """Which candidate to take at each choice between several; the first, where the plan has ended."""
        self.choices: list[tuple[int, int]] = []
        """Which was taken, of how many."""
        self.counterpart: dict[str, str] = {}
        self.steps = 0
        self.dead_end: _DeadEndError | None = None
        self.gave: Signal | None = None

    def choose(self, candidates: int) -> int:
        if candidates == 1:
            return 0
        number = self.plan[len(self.choices)] if len(self.choices) < len(self.plan) else 0
        self.choices.append((number, candidates))
        return number

    def next_plan(self) -> list[int] | None:
        """The plan that takes the next candidate at the last choice that has one; none when all have been tried."""
        choices = list(self.choices)
        while choices:
            number, candidates = choices.pop()
            if number + 1 < candidates:
                return [taken for taken, _ in choices] + [number + 1]
        return None


class _Search:
    """The search for a walk on which every layer of ours finds its counterpart."""

    def __init__(self, ours: nn.Module, theirs: nn.Module, image: Tensor) -> None:
        self.ours, self.theirs, self.image = ours, theirs, image
        self.loose = _loose_pairs(ours, theirs)
        carry(self.loose, ours, theirs)
        self.here = _layers(ours, {pair.ours for pair in self.loose}, "ours")
        self.there = _layers(theirs, {pair.theirs for pair in self.loose}, "the peer")
        with _recorded({name: layer.module for name, layer in self.there.items()}) as self.calls:
            self.target = Signal(theirs(image.clone()))
        self.lent: dict[tuple[str, int], Any] = {}

    def run(self) -> list[Pair]:
        """Walk until every layer has its counterpart and the outputs are the same, or as far as any walk leads.

        A complete walk to another output is no error: what differs then stands behind the last layers and is measured.
        """
        plan: Sequence[int] | None = ()
        best: _Walk | None = None
        patience = PATIENCE
        while plan is not None and patience:
            walk = self.walk(plan)
            patience -= 1
            if best is None or walk.steps > best.steps:
                best, patience = walk, PATIENCE
            if walk.gave is not None and walk.gave.is_same(self.target):
                best = walk
                break
            plan = walk.next_plan()
        assert best is not None
        if problem := _why_they_part(self, best):
            raise NetworksPartError(problem)
        return self.loose + [
            Pair(*names)
            for mine, other in best.counterpart.items()
            for names in zip(self.here[mine].names(), self.there[other].names(), strict=True)
        ]

    def walk(self, plan: Sequence[int]) -> _Walk:
        walk = _Walk(plan)
        for layer in self.here.values():
            # In the instance, where a call looks first; its class and other instances keep theirs.
            vars(layer.module)["forward"] = partial(self._step, walk, layer)
        try:
            walk.gave = Signal(self.ours(self.image.clone()))
            walk.steps += 1
        except _DeadEndError as dead_end:
            walk.dead_end = dead_end
        finally:
            for layer in self.here.values():
                del vars(layer.module)["forward"]
        return walk

    def _step(self, walk: _Walk, layer: _Layer, *inputs: Any, **keywords: Any) -> Any:
        """What a layer of ours does during a walk instead of its forward pass."""
        got = Signal([inputs, keywords])
        known = walk.counterpart.get(layer.name)  # a layer that is called again keeps its counterpart
        taken = set(walk.counterpart.values())
        outputs: dict[str, Any] = {}
        for number, call in enumerate(self.calls):
            eligible = call.name == known if known else call.name not in taken and layer.fits(self.there[call.name])
            if eligible and call.name not in outputs and got.is_same(call.got):
                forward = partial(type(layer.module).forward, layer.module, *inputs, **keywords)
                output = self._lend(number, layer, forward)
                if output is not None:
                    outputs[call.name] = output
        if not outputs:
            raise _DeadEndError(layer, got)
        name = list(outputs)[walk.choose(len(outputs))]
        walk.counterpart[layer.name] = name
        walk.steps += 1
        return outputs[name].clone() if hasattr(outputs[name], "clone") else outputs[name]

    def _lend(self, number: int, layer: _Layer, forward: Callable[[], Any]) -> Any:
        """What our layer gives with the weights of the layer in a call of the peer, if the peer's gave the same."""
        key = layer.name, number
        if key not in self.lent:
            call = self.calls[number]
            other = self.there[call.name]
            for mine, lent in zip(layer.own.values(), other.own.values(), strict=True):
                _give(lent, mine, share=True)
            output = forward()
            agrees = layer.has_children or other.has_children or Signal(output).is_same(call.gave)
            self.lent[key] = output if agrees else None
        return self.lent[key]


# --- Where they part -------------------------------------------------------------------------------------------------


def _why_they_part(search: _Search, walk: _Walk) -> str:
    """What keeps a walk from being a match; empty when it is one."""
    if walk.dead_end is not None:
        return _at(walk.dead_end, search, walk)
    called = {call.name for call in search.calls}
    taken = set(walk.counterpart.values())
    problems = [f"ours {layer} is never called" for name, layer in search.here.items() if name not in walk.counterpart]
    problems += [
        f"the peer's {layer} has no counterpart" + ("" if name in called else " and is never called in evaluation mode")
        for name, layer in search.there.items()
        if name not in taken
    ]
    if problems:
        more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
        return "; ".join(problems[:3]) + more
    sizes = [sum(parameter.numel() for parameter in network.parameters()) for network in (search.ours, search.theirs)]
    if sizes[0] != sizes[1]:
        return f"ours has {sizes[0]:,} parameters, the peer {sizes[1]:,}, because layers of one of them share some"
    return ""


def _at(dead_end: _DeadEndError, search: _Search, walk: _Walk) -> str:
    layer = dead_end.layer
    owner = {theirs: ours for ours, theirs in walk.counterpart.items()}
    rivals = [search.there[call.name] for call in search.calls if dead_end.got.is_same(call.got)]
    # The likest first: one that is free, fits, or is at least of the same kind.
    rivals.sort(key=lambda other: (other.name in owner, not layer.fits(other), layer.kind != other.kind))
    if not rivals:
        return "; ".join([f"no layer of the peer gets what ours {layer} gets", *_trail(dead_end, search, walk)])
    other = rivals[0]
    if other.name in owner:
        return (
            f"ours {layer} is one too many: of the peer only {other} gets this input, for {owner[other.name]} of ours"
        )
    difference = _settings_that_differ(layer, other)
    if not layer.fits(other):
        return f"ours {layer} and the peer's {other} get the same input but do not fit: {difference}"
    return f"ours {layer} and the peer's {other} give different outputs for the same input and weights: {difference}"


_SETTINGS = (
    *("stride", "padding", "output_padding", "dilation", "groups", "padding_mode"),
    *("eps", "num_groups", "normalized_shape"),
)


def _settings_that_differ(ours: _Layer, theirs: _Layer) -> str:
    pairs = []
    if ours.kind != theirs.kind:
        pairs.append(("kind", type(ours.module).__name__, type(theirs.module).__name__))
    for name in ours.own | theirs.own:
        here, there = ours.own.get(name), theirs.own.get(name)
        shapes = [None if tensor is None else _without_ones(tensor.shape) for tensor in (here, there)]
        if shapes[0] != shapes[1]:
            words = ["none" if shape is None else str(list(shape)) for shape in shapes]
            pairs.append((name, words[0], words[1]))
    for name in _SETTINGS:
        values = [getattr(layer.module, name, None) for layer in (ours, theirs)]
        if None not in values and values[0] != values[1]:
            pairs.append((name, str(values[0]), str(values[1])))
    return ", ".join(f"{name} {here} here, {there} there" for name, here, there in pairs) or "no setting shows why"


def _trail(dead_end: _DeadEndError, search: _Search, walk: _Walk) -> Iterator[str]:
    """What led to a dead end, as far as modules without parameters show it."""
    with _recorded(_leaves(search.theirs)) as there:
        search.theirs(search.image.clone())
    with _recorded({n: m for n, m in _leaves(search.ours).items() if n not in search.here}) as here:
        search.walk([taken for taken, _ in walk.choices])
    known = [signal for call in there for signal in (call.got, call.gave)]

    def takers(signal: Signal) -> list[str]:
        return [_described(call.name, call.module) for call in there if signal.is_same(call.got)]

    def is_known(signal: Signal) -> bool:
        return any(signal.is_same(other) for other in known)

    if is_known(dead_end.got):
        givers = [_described(call.name, call.module) for call in there if dead_end.got.is_same(call.gave)]
        if givers:
            yield f"it gets what {givers[-1]} gives there"
        if goes_on := takers(dead_end.got):
            yield f"which goes to {' and '.join(goes_on)} there"
    else:
        # A step that only ours takes from where both are; else, whatever ours did last.
        steps = [call for call in here if is_known(call.got) and not is_known(call.gave)]
        steps = steps or [call for call in here if call.gave.is_same(dead_end.got)]
        if steps:
            others = " and ".join(takers(steps[-1].got))
            yield f"before it, ours takes the step {_described(steps[-1].name, steps[-1].module)}" + (
                f", and the peer takes {others} at the same place" if others else ""
            )
    if walk.counterpart:
        mine, other = list(walk.counterpart.items())[-1]
        yield f"the last layers that agree are ours {mine} and the peer's {other}"
    taken = set(walk.counterpart.values())
    waiting = [str(search.there[call.name]) for call in search.calls if call.name not in taken]
    if waiting:
        yield f"the first layer of the peer without a counterpart is {waiting[0]}"


def _leaves(network: nn.Module) -> dict[str, nn.Module]:
    return {name: module for name, module in network.named_modules() if next(module.children(), None) is None}
