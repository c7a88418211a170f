"""Counting, against numbers worked out by hand, and networks that are counted wrongly when one is not careful."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import reproductions
from catalog.records import Measure, Subject
from catalog.verify import MeasurementError
from catalog.verify.structure import Structure


class Branches(nn.Module):
    """One convolution used twice, a layer that returns two tensors, one that is called by another name, one never."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.Conv2d(3, 3, 3, padding=1)  # 3 * 3 * 9 + 3
        self.twice = nn.Conv2d(3, 4, 1, bias=False)  # 3 * 4
        self.blocks = nn.ModuleList([nn.Conv2d(4, 4, 3, groups=4, bias=False)])  # 4 * 9
        self.pool = nn.AdaptiveMaxPool2d(1, return_indices=True)
        self.norm = nn.LayerNorm([4, 1, 1])
        self.idle = nn.Linear(2, 2)
        self.alias = self.blocks[0]
        self.scale = nn.Parameter(torch.ones(4, 1))
        self.frozen = nn.Parameter(torch.ones(100, 100), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.shared(self.shared(x))
        self.twice(x[:, :, ::2, ::2])
        x, _ = self.pool(self.blocks[0](self.twice(x)))
        return self.norm(x).flatten(1) @ self.scale


class Classifier(nn.Sequential):
    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 8, 3, stride=2, bias=False)  # 216 weights, 3 x 3 of 7 x 7
        self.norm = nn.BatchNorm2d(8)
        self.relu = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.head = nn.Linear(8, classes)


@pytest.fixture
def structure(monkeypatch: pytest.MonkeyPatch) -> Structure:
    built: list[str] = []
    networks = {"classifier": Classifier, "branches": Branches}

    def build(paper: str, variant: str, **options: Any) -> nn.Module:
        built.append(f"{paper} {variant} {options}")
        return networks[variant](**options)

    monkeypatch.setattr(reproductions, "build", build)
    result = Structure("paper")
    result.built = built  # type: ignore[attr-defined]
    return result


def count(structure: Structure, measure: Any, variant: str = "classifier", **subject: Any) -> Any:
    return structure.measure(
        Subject(variant=variant, **({"input": [3, 7, 7]} | subject)), Measure.model_validate(measure)
    )


@pytest.mark.parametrize(
    ("measure", "whole", "head", "convolution"),
    [
        ("parameters", 216 + 16 + 90, 90, 216),
        ({"parameters": "with-buffers"}, 216 + 16 + 90 + 16, 90, 216),
        ({"parameters": "weights"}, 216 + 80, 80, 216),
        ("macs", 9 * 216 + 80, 80, 9 * 216),
        ({"macs": "convolutions"}, 9 * 216, 0, 9 * 216),
        ("flops", 2 * (9 * 216 + 80), 160, 18 * 216),
        ({"flops": "convolutions"}, 18 * 216, 0, 18 * 216),
        ("layers", 2, 1, 1),
        ({"layers": "convolutions"}, 1, 0, 1),
        ("shape", [10], [10], [8, 3, 3]),
    ],
)
def test_conventions(structure: Structure, measure: Any, whole: Any, head: Any, convolution: Any) -> None:
    assert count(structure, measure) == whole
    assert count(structure, measure, part="head") == head
    assert count(structure, measure, part="convolution") == convolution


def test_every_convention_is_counted(structure: Structure) -> None:
    from catalog.conventions import MEASURES

    for quantity, known in MEASURES.items():
        for convention in known.conventions if not known.of_weights else ():
            assert count(structure, {quantity: convention})


def test_networks_are_built_once_and_run_once_for_each_input(structure: Structure) -> None:
    runs: list[torch.Size] = []
    hook = nn.modules.module.register_module_forward_pre_hook(
        lambda module, inputs: runs.append(inputs[0].shape) if isinstance(module, Classifier) else None
    )
    try:
        for part in (None, "head", "norm"):
            for measure in ("parameters", "macs", "shape"):
                count(structure, measure, part=part)
        count(structure, "macs", input=[3, 9, 9])
        count(structure, "macs", options={"classes": 5})
    finally:
        hook.remove()
    assert structure.built == ["paper classifier {}", "paper classifier {'classes': 5}"]  # type: ignore[attr-defined]
    assert runs == [(1, 3, 7, 7), (1, 3, 9, 9), (1, 3, 7, 7)]


def test_networks_have_no_memory_and_are_in_evaluation_mode(structure: Structure) -> None:
    count(structure, "macs")
    (network,) = structure._networks.values()
    assert all(tensor.is_meta for tensor in network.state_dict().values())
    assert not network.training


def test_parts_of_a_network_that_shares_them(structure: Structure) -> None:
    branches = {"variant": "branches"}
    # Each call of a shared layer costs, and its weights count once; the second call of `twice` sees half the sides.
    assert count(structure, "macs", part="shared", **branches) == 2 * 49 * 81
    assert count(structure, "macs", part="twice", **branches) == (49 + 16) * 12
    assert count(structure, "shape", part="shared", **branches) == [3, 7, 7]
    assert count(structure, "macs", part="alias", **branches) == count(structure, "macs", part="blocks.0", **branches)
    assert count(structure, "macs", part="blocks.0", **branches) == 25 * 36
    assert count(structure, "parameters", **branches) == 84 + 12 + 36 + 8 + 6 + 4
    assert count(structure, {"parameters": "weights"}, **branches) == 81 + 12 + 36 + 4 + 4
    assert count(structure, "layers", **branches) == 4
    assert count(structure, "macs", **branches) == 2 * 49 * 81 + 65 * 12 + 25 * 36 + 4


@pytest.mark.parametrize(
    ("part", "measure", "message"),
    [
        ("pool", "shape", "'pool' of branches returns more than one tensor"),
        ("twice", "shape", "'twice' of branches is called 2 times, with outputs of different shapes"),
        ("idle", "macs", "branches never calls its part 'idle'"),
        ("blocks", "macs", "branches never calls its part 'blocks'"),
        ("shard", "parameters", "branches has no part 'shard'; it has shared"),
        ("nothing.like.it", "parameters", "it has shared, twice, blocks, .* among others"),
    ],
)
def test_no_such_quantity(structure: Structure, part: str, measure: str, message: str) -> None:
    with pytest.raises(MeasurementError, match=message):
        count(structure, measure, variant="branches", part=part)


def test_the_real_thing() -> None:
    structure = Structure("xception")
    assert count(structure, "parameters", "xception") == 22_855_952
    assert count(structure, "macs", "xception", input=[3, 299, 299]) == 8_357_403_496
    assert count(structure, "shape", "xception", input=[3, 299, 299], part="middle") == [728, 19, 19]
    assert count(structure, "shape", "xception", input=[3, 299, 299]) == [1000]


def test_what_cannot_be_built() -> None:
    structure = Structure("xception")
    with pytest.raises(reproductions.UnknownVariant, match="there are xception, "):
        count(structure, "parameters", "exception")
    with pytest.raises(TypeError, match="clases"):
        count(structure, "parameters", "xception", options={"clases": 10})
    with pytest.raises(reproductions.UnknownReproduction):
        count(Structure("exception"), "parameters", "xception")
