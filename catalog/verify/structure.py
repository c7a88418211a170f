"""What is counted on a network without running it: parameters, multiply-accumulates, layers, shapes.

Networks are built on the meta device, which knows sizes and no numbers, so that the largest takes a fraction of a
second and no memory. What is counted, and by which convention, is said in :mod:`catalog.conventions`;
multiply-accumulates come from torch's own counter.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from catalog.names import closest
from catalog.verify import MeasurementError
from catalog.verify.meta import without_compiler
from catalog.verify.parity import tensors_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from catalog.records import Measure, Subject

__all__ = ["Structure", "parameters"]


class Call(NamedTuple):
    """What one module did in a forward pass of the whole network with one input."""

    operations: Counter[str]
    """Floating-point operations by operator, as torch's counter names them, of all calls together."""
    outputs: list[list[list[int]]]
    """Sizes of the tensors that each call returned, without the batch."""


class Structure:
    """The networks of one paper, each built once and, for each size of input, run once.

    Args:
        paper: id of the paper.
        network: somebody else's, in evaluation mode, which is measured in the place of each of them.
    """

    def __init__(self, paper: str, network: nn.Module | None = None) -> None:
        self.paper, self.network = paper, network
        self._networks: dict[str, nn.Module] = {}
        self._calls: dict[tuple[str, tuple[int, ...]], dict[str, Call]] = {}

    def measure(self, subject: Subject, measure: Measure) -> int | list[int]:
        """Count a quantity by its convention, on the subject's network or on the part of it that the subject names.

        Operations and shapes of a part are those of its calls while the whole network runs; a subject's input is always
        that of the whole network. Batch normalisation is in evaluation mode, and the batch is one.

        Raises:
            MeasurementError: the part does not exist, or does nothing that has this quantity.
            LookupError: the variant does not exist.
        """
        part = subject.part or ""
        modules = dict(self.network_of(subject).named_modules(remove_duplicate=False))
        if part not in modules:
            near = closest(part, modules) or [name for name, _ in modules[""].named_children()]
            raise MeasurementError(f"{subject.variant} has no part '{part}'; it has {', '.join(near)} among others")
        match measure.quantity:
            case "parameters":
                return parameters(modules[part], measure.convention)
            case "layers":
                return sum(1 for _ in _layers(modules[part], measure.convention))
            case "shape":
                return self._shape(subject, part)
            case "macs":
                return self._operations(subject, part, measure.convention) // 2
            case "flops":
                return self._operations(subject, part, measure.convention)
        raise MeasurementError(f"nothing here counts {measure.quantity}")

    def network_of(self, subject: Subject) -> nn.Module:
        """The network of a subject, in evaluation mode.

        Raises:
            LookupError: the variant does not exist.
        """
        if self.network is not None:
            return self.network
        key = _key(subject)
        if key not in self._networks:
            import torch

            from reproductions import build

            with torch.device("meta"), without_compiler():
                self._networks[key] = build(self.paper, subject.variant, **subject.options).eval()
        return self._networks[key]

    def calls(self, subject: Subject) -> dict[str, Call]:
        """What each module of a network did with one input, by its dotted name, in the order in which they finished.

        Raises:
            MeasurementError: the subject has no input.
            LookupError: the variant does not exist.
        """
        if subject.input is None:
            raise MeasurementError("this depends on the input, and the subject has none")
        key = _key(subject), tuple(subject.input)
        if key not in self._calls:
            self._calls[key] = _run(self.network_of(subject), key[1])
        return self._calls[key]

    def _call(self, subject: Subject, part: str) -> Call:
        calls = self.calls(subject)
        if part not in calls:
            raise MeasurementError(f"{subject.variant} never calls its part '{part}' as a module of its own")
        return calls[part]

    def _shape(self, subject: Subject, part: str) -> list[int]:
        first, *others = self._call(subject, part).outputs
        where = f"'{part}' of {subject.variant}" if part else subject.variant
        if len(first) != 1:
            raise MeasurementError(f"{where} returns more than one tensor, so it has no shape")
        if any(other != first for other in others):
            raise MeasurementError(f"{where} is called {len(others) + 1} times, with outputs of different shapes")
        return first[0]

    def _operations(self, subject: Subject, part: str, convention: str) -> int:
        operations = self._call(subject, part).operations
        if convention == "convolutions":
            return sum(count for name, count in operations.items() if "convolution" in name)
        return operations.total()


def _key(subject: Subject) -> str:
    return f"{subject.variant} {sorted(subject.options.items())}"


def _run(network: nn.Module, size: tuple[int, ...]) -> dict[str, Call]:
    """Run a network once on the meta device and return what each of its modules did, by name."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    names: dict[nn.Module, list[str]] = {}
    for name, module in network.named_modules(remove_duplicate=False):
        names.setdefault(module, []).append(name)
    calls: dict[str, Call] = {}
    running: list[Counter[str]] = []  # what had been counted when each of the calls in progress began

    def counted() -> Counter[str]:
        return Counter({str(operator): count for operator, count in counter.flop_counts["Global"].items()})

    def before(*_: Any) -> None:
        running.append(counted())

    def after(module: nn.Module, _: Any, output: Any) -> None:
        operations = counted() - running.pop()
        sizes = [list(tensor.shape[1:]) for tensor in tensors_in(output)]
        for name in names[module]:
            call = calls.setdefault(name, Call(Counter(), []))
            call.operations.update(operations)
            call.outputs.append(sizes)

    handles = [module.register_forward_pre_hook(before) for module in names]
    handles += [module.register_forward_hook(after) for module in names]
    device = next((parameter.device for parameter in network.parameters()), torch.device("meta"))
    try:
        with without_compiler(), torch.no_grad(), device, counter:
            network(torch.zeros(1, *size))
    finally:
        for handle in handles:
            handle.remove()
    return calls


def parameters(network: nn.Module, convention: str) -> int:
    """Count the parameters of a network by a convention of :data:`catalog.conventions.MEASURES`."""
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if convention == "weights":
        norms = filter(_is_normalisation, network.modules())
        scales = {parameter for norm in norms for parameter in norm.parameters(recurse=False)}
        return sum(weight.numel() for weight in trainable if weight.dim() > 1 and weight not in scales)
    count = sum(parameter.numel() for parameter in trainable)
    if convention == "with-buffers":
        averages = (getattr(module, name, None) for module in network.modules() for name in _MOVING_AVERAGES)
        count += sum(average.numel() for average in averages if average is not None)
    return count


_MOVING_AVERAGES = ("running_mean", "running_var")


def _is_normalisation(module: nn.Module) -> bool:
    # By the modules of torch.nn that define them: their common bases are private, and a subclass counts too.
    return any(base.__module__ in _NORMALISATION for base in type(module).__mro__)


_NORMALISATION = {f"torch.nn.modules.{name}" for name in ("batchnorm", "instancenorm", "normalization")}


def _layers(network: nn.Module, convention: str) -> Iterator[nn.Module]:
    from torch import nn

    kinds: tuple[type[nn.Module], ...] = (
        nn.Conv1d,
        nn.Conv2d,
        nn.Conv3d,
        nn.ConvTranspose1d,
        nn.ConvTranspose2d,
        nn.ConvTranspose3d,
    )
    if convention == "convolutions-and-linear":
        kinds += (nn.Linear, nn.Bilinear)
    return (module for module in network.modules() if isinstance(module, kinds))
