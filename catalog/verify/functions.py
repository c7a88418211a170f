"""What the functions of torch do, in words: ``F.relu``, ``Tensor.relu_`` and ``torch.clamp(x, min=0)`` are a ReLU."""

from __future__ import annotations

import ast
import inspect
import math
import re
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

__all__ = ["COMMUTATIVE", "GROUP", "REARRANGES", "Made", "describe", "function_name"]


class Made(NamedTuple):
    """A call in words."""

    kind: str
    """What it does, as torch.nn calls it (``Conv2d``, ``ReLU``), or in a word (``addition``)."""
    settings: dict[str, Any]
    """What the result depends on besides the tensors."""
    in_training: dict[str, Any]
    """The same, where only training shows it: the rate of a dropout, the momentum of moving averages."""
    roles: dict[str, Tensor]
    """What its tensors are for; empty where the function is not known here."""


_FUNCTIONS = {
    # Signatures as torch documents them: many of these are not written in Python and cannot be asked.
    "conv": ("Conv", "input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1"),
    "conv_transpose": (
        "ConvTranspose",
        "input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1",
    ),
    "linear": ("Linear", "input, weight, bias=None"),
    "batch_norm": (
        "BatchNorm",
        "input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5",
    ),
    "instance_norm": (
        "InstanceNorm",
        "input, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True, momentum=0.1, "
        "eps=1e-5",
    ),
    "group_norm": ("GroupNorm", "input, num_groups, weight=None, bias=None, eps=1e-5"),
    "layer_norm": ("LayerNorm", "input, normalized_shape, weight=None, bias=None, eps=1e-5"),
    "local_response_norm": ("LocalResponseNorm", "input, size, alpha=1e-4, beta=0.75, k=1.0"),
    "max_pool": (
        "MaxPool",
        "input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False",
    ),
    "avg_pool": (
        "AvgPool",
        "input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None",
    ),
    "adaptive_avg_pool": ("AdaptiveAvgPool", "input, output_size"),
    "adaptive_max_pool": ("AdaptiveMaxPool", "input, output_size, return_indices=False"),
    "mean": ("mean()", "input, dim=None, keepdim=False, dtype=None"),
    "amax": ("amax()", "input, dim=None, keepdim=False"),
    "interpolate": (
        "Upsample",
        "input, size=None, scale_factor=None, mode='nearest', align_corners=None, recompute_scale_factor=None, "
        "antialias=False",
    ),
    "cat": ("concatenation", "tensors, dim=0"),
    "pad": ("padding", "input, pad, mode='constant', value=None"),
    "dropout": ("Dropout", "input, p=0.5, training=True, inplace=False"),
    "alpha_dropout": ("AlphaDropout", "input, p=0.5, training=False, inplace=False"),
    "relu": ("ReLU", "input, inplace=False"),
    "relu6": ("ReLU6", "input, inplace=False"),
    "hardtanh": ("Hardtanh", "input, min_val=-1.0, max_val=1.0, inplace=False"),
    "clamp": ("clamp()", "input, min=None, max=None"),
    "clamp_min": ("clamp()", "input, min"),
    "leaky_relu": ("LeakyReLU", "input, negative_slope=0.01, inplace=False"),
    "elu": ("ELU", "input, alpha=1.0, inplace=False"),
    "celu": ("CELU", "input, alpha=1.0, inplace=False"),
    "selu": ("SELU", "input, inplace=False"),
    "gelu": ("GELU", "input, approximate='none'"),
    "silu": ("SiLU", "input, inplace=False"),
    "mish": ("Mish", "input, inplace=False"),
    "hardswish": ("Hardswish", "input, inplace=False"),
    "hardsigmoid": ("Hardsigmoid", "input, inplace=False"),
    "softplus": ("Softplus", "input, beta=1.0, threshold=20.0"),
    "prelu": ("PReLU", "input, weight"),
    "sigmoid": ("Sigmoid", "input"),
    "tanh": ("Tanh", "input"),
    "softmax": ("Softmax", "input, dim=None, _stacklevel=3, dtype=None"),
    "log_softmax": ("LogSoftmax", "input, dim=None, _stacklevel=3, dtype=None"),
}

_WORDS = {
    "add": "addition",
    "mul": "multiplication",
    "sub": "subtraction",
    "div": "division",
    "getitem": "slice",
    "setitem": "assignment",
    "feature_dropout": "Dropout",
    **dict.fromkeys(("transpose", "permute", "movedim", "swapaxes", "swapdims", "moveaxis"), "exchange of axes"),
    **dict.fromkeys(("chunk", "split", "tensor_split", "split_with_sizes", "unbind"), "split"),
}
"""Functions whose settings are whatever they are given."""

_SAME = {
    **dict.fromkeys(("iadd", "radd"), "add"),
    **dict.fromkeys(("imul", "rmul", "multiply"), "mul"),
    **dict.fromkeys(("isub", "subtract"), "sub"),
    **dict.fromkeys(("truediv", "itruediv", "idiv", "divide"), "div"),
    **dict.fromkeys(("concat", "concatenate"), "cat"),
    "rtruediv": "rdiv",
    "upsample": "interpolate",
    "clip": "clamp",
    "dropout1d": "feature_dropout",
    "dropout2d": "feature_dropout",
    "dropout3d": "feature_dropout",
}
"""Other names of the same functions."""

REARRANGES = frozenset(
    (
        *("flatten", "unflatten", "view", "view_as", "reshape", "reshape_as", "ravel", "squeeze", "unsqueeze"),
        *("expand", "expand_as", "contiguous", "clone", "detach", "data", "alias", "requires_grad"),
        *("to", "type", "type_as", "float", "double"),
    )
)
"""Functions after which the numbers are the same, in the same order."""

COMMUTATIVE = frozenset({"addition", "multiplication"})
"""Kinds of which the order of the operands is of no account."""


def _of(*dims: int, names: str) -> tuple[str, ...]:
    return tuple(f"{name}{dim}d" for name in names.split() for dim in dims)


_GROUPS = {
    "activation": (
        *("ReLU", "ReLU6", "LeakyReLU", "ELU", "CELU", "SELU", "GELU", "SiLU", "Mish", "Hardswish", "Hardsigmoid"),
        *("PReLU", "Hardtanh", "Softplus", "Sigmoid", "Tanh", "Softmax", "LogSoftmax"),
    ),
    "normalisation": (
        *_of(1, 2, 3, names="BatchNorm InstanceNorm"),
        *("GroupNorm", "LayerNorm", "LocalResponseNorm"),
    ),
    "pool": (
        *_of(1, 2, 3, names="MaxPool AvgPool AdaptiveAvgPool AdaptiveMaxPool"),
        *("global average pool", "global max pool"),
    ),
    "weights": (*_of(1, 2, 3, names="Conv ConvTranspose"), "Linear"),
    "dropout": ("Dropout", "AlphaDropout"),
    "combination": ("addition", "multiplication", "subtraction", "division", "concatenation"),
}

GROUP = {kind: group for group, kinds in _GROUPS.items() for kind in kinds}
"""What sort of step a kind is, of the usual ones."""


def function_name(function: Callable[..., Any]) -> str:
    """``relu`` for ``F.relu``, ``torch.relu`` and ``Tensor.relu_``; ``add`` for ``+`` and ``+=``."""
    name = getattr(function, "__name__", "") or str(function)
    if name == "__get__":  # of an attribute, such as x.T
        name = getattr(getattr(function, "__self__", None), "__name__", name)
    name = name.strip("_")
    return _SAME.get(name, name)


def describe(name: str, args: Sequence[Any], keywords: dict[str, Any], size: tuple[int, ...], given: Tensor) -> Made:
    """Say what a call does.

    Args:
        name: of the function, as :func:`function_name` has it.
        args: what it was given.
        keywords: the same.
        size: of the first tensor among these, before the call.
        given: what came out.
    """
    import torch

    family = re.sub(r"[123]d$", "", name)
    dims = len(size) - 2
    try:
        bound = _signature(family).bind(*args, **keywords)
    except (KeyError, TypeError):  # unknown, or called in a way of its own
        training = {"rate": keywords.get("p", 0.5)} if name == "feature_dropout" else {}
        return Made(_WORDS.get(name, f"{name}()"), {} if training else _arguments(args, keywords), training, {})
    bound.apply_defaults()
    value: dict[str, Any] = bound.arguments
    roles = {role: item for role, item in value.items() if isinstance(item, torch.Tensor)}
    kind = _FUNCTIONS[family][0]
    settings: dict[str, Any] = {}
    training = {}
    match family:
        case "conv" | "conv_transpose":
            kind, settings = f"{kind}{dims}d", _convolution(value, dims, is_transposed=family == "conv_transpose")
        case "linear":
            outputs, inputs = value["weight"].shape
            settings = {"inputs": inputs, "outputs": outputs, "bias": value["bias"] is not None}
        case "batch_norm" | "instance_norm":
            kind = f"{kind}{max(dims, 1)}d"
            settings = {"channels": size[1], "eps": value["eps"], "scale and shift": value["weight"] is not None}
            settings["moving averages"] = value["running_mean"] is not None
            training = {"momentum": value["momentum"]}
        case "group_norm":
            settings = {"channels": size[1], "groups": value["num_groups"], "eps": value["eps"]}
            settings["scale and shift"] = value["weight"] is not None
        case "layer_norm":
            settings = {"channels": list(value["normalized_shape"]), "eps": value["eps"]}
            settings["scale and shift"] = value["weight"] is not None
        case "max_pool" | "avg_pool":
            kind, settings = f"{kind}{dims}d", _pool(value, dims)
            if settings["kernel"] == list(size[2:]) and not any(settings["padding"]):
                kind, settings = _GLOBAL[family], {}
        case "adaptive_avg_pool" | "adaptive_max_pool":
            kind, settings = f"{kind}{dims}d", {"output": list(given.shape[2:])}
            if math.prod(settings["output"]) == 1:
                kind, settings = _GLOBAL[family], {}
        case "mean" | "amax":
            axes = value["dim"] if isinstance(value["dim"], list | tuple) else [value["dim"]]
            if None not in axes and dims > 0 and {axis % len(size) for axis in axes} == set(range(2, len(size))):
                kind = _GLOBAL[family]
            else:
                settings = _arguments(args, keywords)
        case "interpolate":
            settings = {"factor": [after / before for before, after in zip(size[2:], given.shape[2:], strict=True)]}
            settings |= {"mode": value["mode"], "align_corners": bool(value["align_corners"])}
        case "cat":
            settings = {"axis": value["dim"] % given.dim()}
        case "dropout" | "alpha_dropout":
            training = {"rate": value["p"]}
        case "hardtanh" | "clamp" | "clamp_min":
            low, high = (value.get(key, value.get(f"{key}_val")) for key in ("min", "max"))
            settings = {"from": low, "to": high}
            if low == 0 and high in (None, 6):
                kind, settings = "ReLU" if high is None else "ReLU6", {}
        case "prelu":
            settings = {"slopes": value["weight"].numel()}
        case _:
            plain = {"input", "inplace", "dtype", "_stacklevel"}
            settings = {key: item for key, item in value.items() if key not in plain}
    return Made(kind, settings, training, roles)


_GLOBAL = {
    **dict.fromkeys(("avg_pool", "adaptive_avg_pool", "mean"), "global average pool"),
    **dict.fromkeys(("max_pool", "adaptive_max_pool", "amax"), "global max pool"),
}


@cache
def _signature(family: str) -> inspect.Signature:
    parameters = []
    for parameter in _FUNCTIONS[family][1].split(", "):
        name, _, default = parameter.partition("=")
        value = ast.literal_eval(default) if default else inspect.Parameter.empty
        parameters.append(inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=value))
    return inspect.Signature(parameters)


def _arguments(args: Sequence[Any], keywords: dict[str, Any]) -> dict[str, Any]:
    """What is no tensor of a call whose settings have no names here."""
    import torch

    def text(value: Any) -> str:
        if isinstance(value, torch.Tensor):
            return "·"
        if isinstance(value, list | tuple):
            return f"[{', '.join(map(text, value))}]"
        if isinstance(value, slice):
            ends = ":".join("" if part is None else str(part) for part in (value.start, value.stop))
            return ends if value.step is None else f"{ends}:{value.step}"
        return "…" if value is ... else repr(value)

    named = {key: item for key, item in keywords.items() if key not in {"inplace", "out"}}
    given = [*map(text, args), *(f"{key}={text(item)}" for key, item in named.items())]
    if given[:1] == ["·"]:
        given.pop(0)  # what it is done to
    return {} if set(given) <= {"·"} else {"arguments": ", ".join(given)}


def _convolution(value: dict[str, Any], dims: int, *, is_transposed: bool) -> dict[str, Any]:
    first, second, *kernel = value["weight"].shape
    groups, padding, dilation = value["groups"], value["padding"], _each(value["dilation"], dims)
    if padding == "same":
        around = [rate * (side - 1) for rate, side in zip(dilation, kernel, strict=True)]
        pads = [[total // 2, total - total // 2] for total in around]
    else:
        pads = [[side, side] for side in _each(0 if padding == "valid" else padding, dims)]
    settings = {
        "inputs": first if is_transposed else second * groups,
        "outputs": second * groups if is_transposed else first,
        "kernel": kernel,
        "stride": _each(value["stride"], dims),
        "padding": pads,
        "dilation": dilation,
        "groups": groups,
        "bias": value["bias"] is not None,
    }
    if is_transposed:
        settings["output padding"] = _each(value["output_padding"], dims)
    return settings


def _pool(value: dict[str, Any], dims: int) -> dict[str, Any]:
    kernel, padding = _each(value["kernel_size"], dims), _each(value["padding"], dims)
    settings = {"kernel": kernel, "stride": _each(value["stride"] or kernel, dims), "padding": padding}
    settings["ceil_mode"] = value["ceil_mode"]
    if "dilation" in value:
        settings["dilation"] = _each(value["dilation"], dims)
    elif any(padding):
        settings["count_include_pad"] = value["count_include_pad"]
    return settings


def _each(value: Any, dims: int) -> list[Any]:
    """A setting for each direction."""
    values = list(value) if isinstance(value, list | tuple) else [value]
    return values * dims if len(values) == 1 else values
