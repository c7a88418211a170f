"""Independent implementations, built without their published weights: timm, torchvision, pytorchcv."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from catalog.verify import MeasurementError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import nn

    from catalog.records import Claim, Peer

__all__ = [
    "LIBRARIES",
    "PeerNotInstalledError",
    "build_peer",
    "import_library",
    "mend_torchvision",
    "operators_of_torchvision",
    "worth_preloading",
]

LIBRARIES = frozenset({"pytorchcv", "scipy", "tensorly", "timm", "torchvision"})
"""What parity claims compare with; all come with the extra `peers`."""


class PeerNotInstalledError(Exception):
    """The library that a claim compares with is not there, or not all of it."""

    def __init__(self, library: str, remedy: str = "pip install 'repro[peers]'") -> None:
        super().__init__(f"needs {library}: {remedy}")


def worth_preloading(claims: Iterable[Claim]) -> list[str]:
    """The modules that are better imported once than in every process that measures one of these claims."""
    return ["catalog.verify.with_peers"] if any(claim.peer is not None for claim in claims) else []


def build_peer(peer: Peer) -> nn.Module:
    """Build a peer with random weights, in its own initialisation, with the attributes changed that the record sets.

    Raises:
        PeerNotInstalledError: its library is not installed.
        MeasurementError: the record sets an attribute that the peer does not have.
    """
    network = _FACTORIES[peer.library](peer.model, peer.options)
    for name, value in peer.set.items():
        _set(network, peer, name, value)
    return network


def operators_of_torchvision() -> Any:
    """``torchvision.ops``, for checks that compare with one of its compiled operators.

    Raises:
        PeerNotInstalledError: torchvision is not installed, or its operators do not fit this torch.
    """
    import torch

    operators = import_library("torchvision.ops")
    if not hasattr(torch.ops.torchvision, "deform_conv2d"):
        remedy = f"install the torchvision that was compiled for torch {torch.__version__}"
        raise PeerNotInstalledError("the compiled operators of torchvision", remedy)
    return operators


def _timm(model: str, options: dict[str, Any]) -> nn.Module:
    network: nn.Module = import_library("timm").create_model(model, pretrained=False, **options)
    return network


def _torchvision(model: str, options: dict[str, Any]) -> nn.Module:
    network: nn.Module = import_library("torchvision.models").get_model(model, weights=None, **options)
    return network


def _pytorchcv(model: str, options: dict[str, Any]) -> nn.Module:
    network: nn.Module = import_library("pytorchcv.model_provider").get_model(model, pretrained=False, **options)
    return network


_FACTORIES = {"timm": _timm, "torchvision": _torchvision, "pytorchcv": _pytorchcv}


def import_library(name: str) -> Any:
    """Import a library that independent implementations come from, or a module of it.

    Raises:
        PeerNotInstalledError: it is not installed.
    """
    library = name.partition(".")[0]
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == library:
            raise PeerNotInstalledError(library) from None
        raise
    except RuntimeError as error:
        if not mend_torchvision(error):
            raise
    return importlib.import_module(name)


_declared: list[Any] = []


def mend_torchvision(error: RuntimeError) -> bool:
    """Let a torchvision be imported whose operators were compiled for another device or version of torch.

    It then cannot load them, and its import fails where it describes operators that do not exist. Networks need none of
    them, so a declaration will do. (Where it can load them, a declaration of ours would be the second and an error.)

    Returns:
        Whether that is what went wrong, and is worth another attempt.
    """
    from torch import library

    if "operator torchvision::" not in str(error) or _declared:
        return False
    operators: Any = library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for name in ("nms", "qnms"):
        operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _declared.append(operators)  # the declarations end with the object that made them
    return True


def _set(network: nn.Module, peer: Peer, name: str, value: Any) -> None:
    path, _, attribute = name.rpartition(".")
    try:
        owner = network.get_submodule(path)
    except AttributeError:
        owner = None
    # A name that is not there would be set in vain, and the comparison would be with another network than meant.
    if owner is None or not hasattr(owner, attribute):
        raise MeasurementError(f"{peer.library} {peer.model} has no '{name}' to set")
    setattr(owner, attribute, value)
