"""Peers that are there, that are not, and a torchvision that was built for another machine."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import torch

from catalog.records import Peer
from catalog.verify import MeasurementError, peers
from catalog.verify.peers import PeerNotInstalledError, build_peer

if TYPE_CHECKING:
    from pathlib import Path


def peer(library: str, model: str, **fields: Any) -> Peer:
    return Peer.model_validate({"library": library, "model": model, **fields})


@pytest.mark.parametrize(
    ("library", "model"), [("timm", "resnet18"), ("torchvision", "resnet18"), ("pytorchcv", "resnet18")]
)
def test_libraries(library: str, model: str) -> None:
    with torch.device("meta"):
        network = build_peer(peer(library, model))
    assert sum(parameter.numel() for parameter in network.parameters()) == 11_689_512


def test_options_of_the_factory_and_attributes_of_the_peer() -> None:
    changed = peer("timm", "resnet18", options={"num_classes": 7}, set={"layer2.0.conv1.stride": 1, "bn1.eps": 0.001})
    with torch.device("meta"):
        network: Any = build_peer(changed)
    assert network.fc.out_features == 7
    assert network.layer2[0].conv1.stride == 1
    assert network.bn1.eps == 0.001


@pytest.mark.parametrize("name", ["layer2.0.conv1.strides", "layer9.0.conv1.stride", "strides"])
def test_attribute_that_is_not_there(name: str) -> None:
    with torch.device("meta"), pytest.raises(MeasurementError, match=f"timm resnet18 has no '{name}' to set"):
        build_peer(peer("timm", "resnet18", set={name: 1}))


@pytest.mark.parametrize("library", ["timm", "torchvision", "pytorchcv"])
def test_model_that_is_not_there(library: str) -> None:
    with pytest.raises((ValueError, RuntimeError), match="resnet18000"):
        build_peer(peer(library, "resnet18000"))


@pytest.mark.parametrize("library", ["timm", "torchvision", "pytorchcv"])
def test_library_that_is_not_installed(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(f"No module named '{library}'", name=library)

    monkeypatch.setattr(peers.importlib, "import_module", absent)
    with pytest.raises(PeerNotInstalledError, match=rf"^needs {library}: pip install 'repro\[peers\]'$"):
        build_peer(peer(library, "resnet18"))


def test_library_that_lacks_something_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise ModuleNotFoundError("No module named 'safetensors'", name="safetensors")

    monkeypatch.setattr(peers.importlib, "import_module", broken)
    with pytest.raises(ModuleNotFoundError, match="safetensors"):
        build_peer(peer("timm", "resnet18"))


# A library that describes operators as torchvision does: they exist where its compiled half could be loaded.
TORCHVISION = """
    import torch

    if {loads}:
        operators = torch.library.Library("torchvision", "FRAGMENT")
        operators.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        operators.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    for name in ("nms", "qnms"):
        torch.library.register_fake("torchvision::" + name)(lambda *_: None)
    if {other_error}:
        raise RuntimeError("something else")
"""


@pytest.mark.parametrize(
    ("loads", "other_error", "outcome"),
    [(True, False, "imported"), (False, False, "imported"), (True, True, "RuntimeError('something else')")],
)
def test_torchvision_without_its_operators(loads: bool, other_error: bool, outcome: str, tmp_path: Path) -> None:
    folder = tmp_path / "torchvision"
    folder.mkdir()
    (folder / "__init__.py").write_text(textwrap.dedent(TORCHVISION.format(loads=loads, other_error=other_error)))
    (folder / "models.py").touch()
    program = f"""
        import sys
        sys.path.insert(0, {str(tmp_path)!r})
        from catalog.verify import peers
        try:
            peers.import_library("torchvision.models")
            print("imported")
        except Exception as error:
            print(repr(error))
    """
    found = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == outcome


@pytest.mark.parametrize("loads", [True, False])
def test_operators_of_torchvision(loads: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    operators, compiled = object(), SimpleNamespace(deform_conv2d=None) if loads else SimpleNamespace()
    monkeypatch.setattr(peers, "import_library", {"torchvision.ops": operators}.__getitem__)
    monkeypatch.setattr(torch.ops, "torchvision", compiled)
    if loads:
        assert peers.operators_of_torchvision() is operators
    else:
        with pytest.raises(PeerNotInstalledError, match="needs the compiled operators of torchvision: install"):
            peers.operators_of_torchvision()
