"""Small errors in the source of a reproduction, one at a time: what people get wrong when they write a paper's network.

A mutant is made on the text of the source, so that it reads as a one-line diff. What is changed are numbers, keyword
arguments of layers (stride, padding, groups, bias …), layers in a list (left out, or swapped with their neighbour),
activations and pools (another one, or none), operators, conditions, and the order of arguments. Docstrings, names of
variants, messages and annotations are no part of what a module computes and stay as they are.
"""

from __future__ import annotations

import ast
import difflib
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Mutant", "mutants"]

# One for another of the same shape. An entry that is not in the module is never used.
_EXCHANGE = {
    "ReLU": "GELU",
    "ReLU6": "ReLU",
    "GELU": "ReLU",
    "SiLU": "ReLU",
    "ELU": "ReLU",
    "LeakyReLU": "ReLU",
    "Sigmoid": "Tanh",
    "Tanh": "Sigmoid",
    "Hardswish": "SiLU",
    "relu": "gelu",
    "gelu": "relu",
    "silu": "relu",
    "tanh": "sigmoid",
    "sigmoid": "tanh",
    "MaxPool2d": "AvgPool2d",
    "AvgPool2d": "MaxPool2d",
    "AdaptiveAvgPool2d": "AdaptiveMaxPool2d",
    "max_pool2d": "avg_pool2d",
    "avg_pool2d": "max_pool2d",
    "zeros": "ones",
    "ones": "zeros",
    "zeros_": "ones_",
    "ones_": "zeros_",
    "amax": "mean",
    "mean": "sum",
    "sum": "mean",
    "argmax": "argmin",
    "argmin": "argmax",
    "floor": "ceil",
    "ceil": "floor",
    "log": "log1p",
    "exp": "expm1",
}

# Calls that give back something of the shape of their argument: leaving them out leaves a network that runs.
_KEEPS_SHAPE = frozenset(
    (
        "relu",
        "gelu",
        "silu",
        "tanh",
        "sigmoid",
        "dropout",
        "norm",
        "normalize",
        "softmax",
        "clamp",
        "abs",
        "square",
        "sqrt",
        "round",
        "sign",
        "flip",
    )
)
_LAYERS_THAT_KEEP_SHAPE = (
    "ReLU", "ReLU6", "GELU", "SiLU", "ELU", "LeakyReLU", "Sigmoid", "Tanh", "Hardswish", "Hardsigmoid", "Softmax",
    "BatchNorm1d", "BatchNorm2d", "LayerNorm", "GroupNorm", "InstanceNorm2d", "LocalResponseNorm", "Dropout",
    "Dropout2d",
)  # fmt: skip

_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "*",
    ast.Sub: "+",
    ast.Mult: "+",
    ast.Div: "*",
    ast.FloorDiv: "*",
    ast.Mod: "//",
    ast.Pow: "*",
}

_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Is: "is not",
    ast.IsNot: "is",
    ast.In: "not in",
    ast.NotIn: "in",
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """A module's source with one error in it."""

    line: int
    """Line of the error, from 1."""
    error: str
    """What was changed, in a few words."""
    source: str
    original: str

    @property
    def diff(self) -> str:
        """The error as a unified diff without context."""
        lines = difflib.unified_diff(self.original.splitlines(), self.source.splitlines(), lineterm="", n=0)
        return "\n".join(line for line in lines if not line.startswith(("---", "+++")))

    @property
    def change(self) -> str:
        """The error as one line, ``old → new``, which stays the same when lines above it come or go."""
        lines = self.diff.splitlines()
        old, new = (" ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+")
        return f"{old} → {new}"


def mutants(source: str) -> list[Mutant]:
    """Every small error that can be made in a module's source, in the order of its lines, no two the same."""
    tree = ast.parse(source)
    found: dict[str, Mutant] = {}
    text = _Text(source)
    for start, end, replacement, error in _edits(tree, text):
        changed = source[:start] + replacement + source[end:]
        if changed == source or changed in found:
            continue
        try:
            ast.parse(changed)
        except SyntaxError:
            continue
        found[changed] = Mutant(source.count("\n", 0, start) + 1, error, changed, source)
    return sorted(found.values(), key=lambda mutant: (mutant.line, mutant.error, mutant.source))


class _Text:
    """Offsets of syntax nodes in the source; the parser counts columns in bytes of UTF-8."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._lines = source.splitlines(keepends=True)
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))

    def offset(self, line: int, column: int) -> int:
        return self._starts[line - 1] + len(self._lines[line - 1].encode()[:column].decode())

    def span(self, node: ast.expr | ast.keyword) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self.offset(node.lineno, node.col_offset), self.offset(node.end_lineno, node.end_col_offset)

    def of(self, node: ast.expr | ast.keyword) -> str:
        start, end = self.span(node)
        return self.source[start:end]


_Edit = tuple[int, int, str, str]


def _edits(tree: ast.Module, text: _Text) -> Iterator[_Edit]:
    for node in _computing(tree):
        match node:
            case ast.Constant(value=bool() as value):
                yield *text.span(node), str(not value), f"{value} to {not value}"
            case ast.Constant(value=int() | float() as value):
                for other in _other_numbers(value):
                    yield *text.span(node), other, f"{value} to {other}"
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                start, end = text.span(left)[1], text.span(right)[0]
                between = text.source[start:end]
                # Only the operator: parentheses and comments around it stay.
                old = between.strip(" ()\n")
                if old and between.count(old) == 1:
                    yield start, end, between.replace(old, _OPERATORS[type(op)]), f"{old} to {_OPERATORS[type(op)]}"
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARISONS:
                start, end = text.span(left)[1], text.span(right)[0]
                yield start, end, f" {_COMPARISONS[type(op)]} ", f"comparison to {_COMPARISONS[type(op)]}"
            case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
                yield *text.span(node), text.of(operand), "negation left out"
            case ast.IfExp(body=body, orelse=orelse):
                yield *text.span(node), text.of(body), "always the first"
                yield *text.span(node), text.of(orelse), "always the second"
            case ast.Call():
                yield from _edits_of_call(node, text)
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                yield from _edits_of_sequence(elements, text)
            case ast.Attribute(attr=name) | ast.Name(id=name) if name in _EXCHANGE:
                start, end = text.span(node)
                yield end - len(name), end, _EXCHANGE[name], f"{name} to {_EXCHANGE[name]}"


def _other_numbers(value: int | float) -> list[str]:
    if isinstance(value, float):
        return [repr(value * 2), repr(value / 2)] if value else ["1.0"]
    return [str(value + 1), *([str(value - 1)] if value > 0 else [])]


def _name(function: ast.expr) -> str:
    match function:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _edits_of_call(call: ast.Call, text: _Text) -> Iterator[_Edit]:
    name = _name(call.func)
    for keyword in call.keywords:
        if keyword.arg is not None:
            yield *_with_comma(text, *text.span(keyword)), "", f"{keyword.arg} left out"
    match call:
        case ast.Call(args=[ast.expr() as only], keywords=[]) if name in _KEEPS_SHAPE:
            yield *text.span(call), text.of(only), f"{name} left out"
        case ast.Call(func=ast.Attribute(value=value), args=[]) if name in _KEEPS_SHAPE and _is_tensor(value):
            yield *text.span(call), text.of(value), f"{name} left out"
    if name in _LAYERS_THAT_KEEP_SHAPE:
        yield *text.span(call), "nn.Identity()", f"{name} left out"
    if name == "Sequential":
        yield from _edits_of_sequence(call.args, text)
    elif len(call.args) >= 2 and not any(isinstance(argument, ast.Starred) for argument in call.args[:2]):
        first, second = call.args[:2]
        between = text.source[text.span(first)[1] : text.span(second)[0]]
        swapped = f"{text.of(second)}{between}{text.of(first)}"
        yield text.span(first)[0], text.span(second)[1], swapped, "first two arguments swapped"


def _is_tensor(value: ast.expr) -> bool:
    # F.relu(x) and torch.relu(x) have a module in front of the dot, x.relu() and (a + b).relu() a tensor.
    return not (isinstance(value, ast.Name) and value.id in {"F", "torch", "nn", "math", "self"})


def _edits_of_sequence(elements: list[ast.expr], text: _Text) -> Iterator[_Edit]:
    layers = [element for element in elements if isinstance(element, ast.Call | ast.Starred)]
    for layer in layers:
        if len(elements) > 1:
            yield *_with_comma(text, *text.span(layer)), "", "layer left out"
    for first, second in pairwise(layers):
        between = text.source[text.span(first)[1] : text.span(second)[0]]
        if text.of(first) != text.of(second):
            swapped = f"{text.of(second)}{between}{text.of(first)}"
            yield text.span(first)[0], text.span(second)[1], swapped, "neighbours swapped"


def _with_comma(text: _Text, start: int, end: int) -> tuple[int, int]:
    """The span with the comma that separates it: the one before, or the one behind if it comes first."""
    before = text.source[:start].rstrip()
    if before.endswith(","):
        return len(before) - 1, end
    behind = text.source[end:]
    stripped = behind.lstrip()
    if stripped.startswith(","):
        return start, end + len(behind) - len(stripped) + 1
    return start, end


def _computing(tree: ast.Module) -> Iterator[ast.AST]:
    """Nodes that take part in what a module computes."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        match node:
            case ast.Import() | ast.ImportFrom() | ast.Raise() | ast.Assert() | ast.JoinedStr():
                continue
            case ast.Expr(value=ast.Constant(value=str())):
                continue
        yield node
        for field, value in ast.iter_fields(node):
            if field in {"annotation", "returns", "decorator_list", "bases", "type_params"}:
                continue
            # The names of variants are what claims ask for.
            if isinstance(node, ast.Dict) and field == "keys":
                continue
            children = value if isinstance(value, list) else [value]
            waiting.extend(child for child in children if isinstance(child, ast.AST))
