"""The meta device without torch's compiler.

The rules by which torch finds sizes on the meta device are also its compiler's, and they consult it on the way: is this
function to be passed over, is this size a number or a symbol? For that they import the compiler and the computer
algebra system behind it, which takes as long as importing torch. Where nothing is compiled and all sizes are numbers
the answers are plain, and the stand-ins of this module give them.
"""

from __future__ import annotations

import gc
import importlib
import sys
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["import_torch", "without_compiler"]


def import_torch() -> None:
    """Import torch, and keep its modules from the garbage collector, now and when the process ends.

    They live as long as the process, and looking through them takes a fifth of the time of a short one.
    """
    if "torch" in sys.modules:
        return
    collecting = gc.isenabled()
    gc.disable()
    try:
        importlib.import_module("torch")
    finally:
        gc.freeze()
        if collecting:
            gc.enable()


@contextmanager
def without_compiler() -> Iterator[None]:
    """Let stand-ins take the place of torch's compiler, as long as nothing is asked that only the real one can answer.

    They give way as soon as anything else is asked of them, and when the context ends; then everything is as it was.
    Where torch has not been imported, or its compiler has, this does nothing.
    """
    stand_ins = _StandIns() if "torch" in sys.modules else None
    try:
        yield
    finally:
        if stand_ins is not None:
            stand_ins.give_way()


class _StandIns:
    """Modules in the place of those that are not imported yet."""

    def __init__(self) -> None:
        self._marked: list[Any] = []
        symbolic = "torch.fx.experimental.symbolic_shapes"
        answers: dict[str, dict[str, Any]] = {
            "torch._dynamo": {"disable": self._disable},
            "sympy": {"Basic": type("Basic", (), {})},  # nothing is an expression
            symbolic: {name: self._plain(symbolic, name, answer) for name, answer in _OF_NUMBERS.items()},
        }
        self._modules = [_StandIn(name, answers[name], self) for name in answers if name not in sys.modules]
        for module in self._modules:
            sys.modules[module.__name__] = module
            _set_in_parent(module.__name__, module)

    def give_way(self) -> None:
        """Leave no trace. Whoever keeps a stand-in has the real module's answers from now on."""
        for module in self._modules:
            if sys.modules.get(module.__name__) is module:
                del sys.modules[module.__name__]
                _set_in_parent(module.__name__, None)
            module.forget()
        for function in self._marked:
            vars(function).pop("__dynamo_disable", None)
        self._marked.clear()

    def real(self, name: str) -> ModuleType:
        self.give_way()
        return importlib.import_module(name)

    def _disable(self, function: Callable[..., Any], *_: Any, **__: Any) -> Callable[..., Any]:
        # torch keeps what this returns with the function, under a name that give_way() takes away.
        self._marked.append(function)
        return function

    def _plain(self, module: str, name: str, answer: Callable[..., Any]) -> Callable[..., Any]:
        def function(*values: Any) -> Any:
            if _are_numbers(values):
                return answer(*values)
            return getattr(self.real(module), name)(*values)

        return function


def _are_numbers(value: Any) -> bool:
    return type(value) in (bool, int) or (isinstance(value, list | tuple) and all(map(_are_numbers, value)))


def _first(value: int, *_: int) -> int:
    return value


def _equal(a: Any, b: Any) -> bool:
    return list(a) == list(b) if isinstance(a, list | tuple) and isinstance(b, list | tuple) else bool(a == b)


_OF_NUMBERS: dict[str, Callable[..., Any]] = {
    "expect_true": _first,
    "guard_or_false": _first,
    "guard_or_true": _first,
    "guard_size_oblivious": _first,
    "guarding_hint_or_throw": _first,
    "has_guarding_hint": lambda _: True,
    "is_nested_int": lambda _: False,
    "statically_known_true": _first,
    "sym_and": lambda *values: all(values),
    "sym_eq": _equal,
    "sym_or": lambda *values: any(values),
}
"""What the functions of torch.fx.experimental.symbolic_shapes answer when all sizes are numbers."""


class _StandIn(ModuleType):
    """A module that knows some answers; for all others it has the real one imported."""

    def __init__(self, name: str, answers: dict[str, Any], others: _StandIns) -> None:
        super().__init__(name)
        self._answers, self._others = answers, others

    def __getattr__(self, attribute: str) -> Any:
        if attribute in self._answers:
            return self._answers[attribute]
        # The import statement asks every module for these; only the packages among the real ones have a __path__.
        if attribute.startswith("__") and (attribute != "__path__" or self.__name__.endswith("symbolic_shapes")):
            raise AttributeError(attribute)
        return getattr(self._others.real(self.__name__), attribute)

    def forget(self) -> None:
        self._answers = {}


def _set_in_parent(name: str, module: ModuleType | None) -> None:
    parent, _, child = name.rpartition(".")
    if parent in sys.modules:
        if module is not None:
            setattr(sys.modules[parent], child, module)
        else:
            vars(sys.modules[parent]).pop(child, None)
