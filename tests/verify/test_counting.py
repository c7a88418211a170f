"""Ways of counting, against what the tools print for the same network."""

from __future__ import annotations

import torch
from torch import nn

from catalog.figures import Figure
from catalog.verify.counting import Count, counts, that_make
from catalog.verify.trace import on_meta, trace
from reproductions import build


def counted(network: nn.Module, *size: int) -> dict[tuple[str, str], int]:
    copy = on_meta(network)
    run = trace(copy, torch.zeros(1, *size, device="meta"), operations=True)
    return {(count.quantity, count.convention): count.value for count in counts(copy, run)}


def test_resnet_50_is_counted_as_the_tools_count_torchvisions() -> None:
    with torch.device("meta"):
        network = build("resnet", "resnet50", stride_in_1x1=False)
    found = counted(network, 3, 224, 224)
    assert found["macs", "convolutions-and-linear"] == 4_089_184_256
    assert found["macs", "fvcore"] == 4_111_512_576  # fvcore 0.1.5
    assert found["macs", "thop"] == 4_133_742_592  # thop 0.1.1
    assert found["macs", "ptflops"] == 4_121_925_096  # ptflops 0.7.0
    assert found["macs", "torchinfo"] == 4_089_238_376  # torchinfo 1.8.0
    assert found["macs", "with-biases"] == 4_089_185_256  # ptflops 0.7.5 by its counting of operators
    assert all(found["flops", name] == 2 * found["macs", name] for quantity, name in found if quantity == "macs")


def test_biases_and_pools() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(4 * 4 * 4, 5)
    )
    found = counted(network, 3, 8, 8)
    macs = 9 * 3 * 4 * 64 + 64 * 5
    assert found["macs", "convolutions-and-linear"] == found["macs", "fvcore"] == macs
    assert found["macs", "convolutions"] == macs - 64 * 5
    assert found["macs", "with-biases"] == found["macs", "torchinfo"] == macs + 4 * 64 + 5
    assert found["macs", "ptflops"] == macs + 4 * 64 + 5 + 4 * 64 + 4 * 64  # activation and pool, by what they take
    assert found["macs", "thop"] == macs + 4 * 16  # the pool, by what it gives


def test_parameters_of_all_sorts() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.classifier = nn.Linear(4, 5)  # used last, though registered first
            self.conv, self.norm = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)
            self.auxiliary = nn.Linear(4, 7)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.norm(self.conv(x)).mean((2, 3))
            if self.training:
                self.auxiliary(x)
            return self.classifier(x)

    found = counted(Net(), 3, 8, 8)
    every = 16 + 8 + 25 + 35
    assert {name: value for (quantity, name), value in found.items() if quantity == "parameters"} == {
        "trainable": every,
        "with-buffers": every + 8,
        "weights": 12 + 20 + 28,
        "without-normalisation": every - 8,
        "without-classifier": every - 25,
        "in-evaluation": every - 35,
    }


def test_equal_counts_are_named_once_and_the_quantity_that_is_asked_for_goes_first() -> None:
    found = [Count("macs", "a", 200), Count("macs", "b", 200), Count("macs", "c", 201), Count("flops", "a", 400)]
    assert [count.convention for count in that_make(Figure.read("2.0e2"), "macs", found)] == ["a", "c"]
    assert that_make(Figure.read("400"), "macs", found) == [Count("flops", "a", 400)]
    same = [Count("flops", "a", 200), Count("macs", "b", 200)]
    assert [count.quantity for count in that_make(Figure.read("200"), "macs", same)] == ["macs", "flops"]
    assert that_make(Figure.read("300"), "parameters", [Count("macs", "a", 300)]) == []
