"""What networks cost, stage by stage, against numbers worked out by hand and against claims."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import torch
import yaml
from torch import Tensor, nn
from typer.testing import CliRunner

import reproductions
from catalog import Library, paths, protocols
from catalog.cli import app
from catalog.errors import CatalogError
from catalog.records import Claim, Paper
from catalog.verify.ledger import Ledger, Network
from catalog.verify.networks import REST, Counted, count, networks, variants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Staged(nn.Module):
    """A stem, a sequence that holds nearly everything, a list, a part that only training uses, and a bare scale."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.auxiliary = nn.Linear(4, classes)
        self.head = nn.Linear(8, classes)
        self.stem = nn.Conv2d(3, 4, 1, bias=False)
        self.stages = nn.Sequential(
            nn.Sequential(nn.Conv2d(4, 8, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU()),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, padding=1, bias=False),
        )
        self.lists = nn.ModuleList([nn.Conv2d(8, 8, 1, bias=False)])
        self.alias = self.lists[0]
        self.scale = nn.Parameter(torch.ones(8, 8))
        self.frozen = nn.Parameter(torch.ones(7), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.lists[0](self.stages(self.stem(x)))
        scores: Tensor = self.head(x.mean((2, 3)) @ self.scale)
        return scores


class Shared(nn.Module):
    """Two parts with one layer between them, and a part that returns two maps."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Sequential(nn.Conv2d(3, 3, 1, bias=False))
        self.two = nn.Sequential(self.one[0], nn.AdaptiveMaxPool2d(1, return_indices=True))
        self.same = self.one

    def forward(self, x: Tensor) -> Tensor:
        maxima: Tensor = self.two(self.same(self.one(x)))[0]
        return maxima


class Nested(nn.Module):
    """A part that is called by another."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Conv2d(3, 3, 1)
        self.outer = Caller(self.inner)

    def forward(self, x: Tensor) -> Tensor:
        outer: Tensor = self.outer(x)
        return outer


class Caller(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = [inner]  # hidden from torch, and run all the same

    def forward(self, x: Tensor) -> Tensor:
        inner: Tensor = self.inner[0](x)
        return inner


class TwoInputs(nn.Linear):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(x + y)


class Flat(nn.Sequential):
    """A network of its own kind: no other paper's network gives what it gives."""

    def __init__(self) -> None:
        super().__init__(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 7))


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "staged": Staged,
    "staged-too": Staged,
    "larger": lambda: Staged(1000),
    "larger-too": lambda: Staged(1000),
    "shared": Shared,
    "nested": Nested,
    "two-inputs": lambda: TwoInputs(3, 3),
    "flat": Flat,
}


@pytest.fixture(autouse=True)
def _networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reproductions, "build", lambda _, variant: NETWORKS[variant]())


def structure_claim(id_: str, variant: str, size: list[int] | None = None) -> dict[str, Any]:
    measured = {"basis": "derived", "tier": "structure", "measure": "macs", "expect": {"equals": 1}}
    return (
        {"id": id_, "statement": "s", "source": "Table 1"}
        | measured
        | {"subject": {"variant": variant, "input": size or [3, 8, 8]}}
    )


def headline(id_: str, variant: str, protocol: str) -> dict[str, Any]:
    subject = {"variant": variant, "data": "imagenet", "protocol": protocol}
    return {"id": id_, "statement": "s", "basis": "printed", "tier": "headline", "printed": "79.0 %"} | {
        "subject": subject
    }


def paper(*claims: dict[str, Any]) -> Paper:
    fields = {"id": "my-net", "name": "n", "title": "t", "authors": ["a"], "published": "2016", "summary": "s"}
    return Paper.model_validate(fields | {"taxonomy": ["kernels"], "claims": list(claims)})


def named(library: Library, name: str) -> Paper:
    (found,) = library.resolve(name)
    return found


def counted(variant: str, *claims: dict[str, Any]) -> list[Network]:
    return list(networks(paper(*claims), [variant]))


# --- Stages ----------------------------------------------------------------------------------------------------------


def test_stages_in_the_order_of_execution() -> None:
    (network,) = counted("staged", structure_claim("a", "staged"))
    assert network.input == [3, 8, 8]
    assert [(stage.name, stage.kind, stage.parameters, stage.macs, stage.outputs) for stage in network.stages] == [
        ("stem", "Conv2d", 12, 64 * 12, [[4, 8, 8]]),
        # Of the sequence that holds nearly everything the costly children, and in it the small sequence as it is.
        ("stages.0", "Sequential", 288 + 16, 16 * 288, [[8, 4, 4]]),
        ("stages.2", "Conv2d", 576, 16 * 576, [[8, 4, 4]]),
        ("lists.0", "Conv2d", 64, 16 * 64, [[8, 4, 4]]),
        ("head", "Linear", 90, 80, [[10]]),
        ("auxiliary", "Linear", 50, 0, []),
        (REST, "", 64, 64, []),
    ]
    assert network.parameters == 12 + 304 + 576 + 64 + 90 + 50 + 64
    assert network.macs == 64 * 12 + 16 * (288 + 576 + 64) + 80 + 64
    # Four bytes a number, the frozen ones, both moving averages and eight for the counter of batches included.
    assert network.bytes == 4 * (network.parameters + 7 + 16) + 8


def test_what_is_shared_counts_once() -> None:
    (network,) = counted("shared", structure_claim("a", "shared"))
    stages = {stage.name: (stage.parameters, stage.macs, stage.outputs) for stage in network.stages}
    assert stages == {
        "one": (9, 2 * 64 * 9, [[3, 8, 8]]),
        "two": (0, 64 * 9, [[3, 1, 1], [3, 1, 1]]),
    }
    assert (network.parameters, network.macs) == (9, 3 * 64 * 9)


def test_parts_within_parts_are_refused() -> None:
    (network,) = counted("nested", structure_claim("a", "nested"))
    assert network.stages == []
    assert "call each other" in network.why_not


# --- Inputs ----------------------------------------------------------------------------------------------------------


def test_the_input_that_most_claims_name_goes_before() -> None:
    claims = [structure_claim("a", "staged", [3, 4, 4]), headline("b", "staged", "single crop of 16 from 32")]
    assert [network.input for network in counted("staged", *claims)] == [[3, 16, 16]]  # as many: the larger
    claims.append(structure_claim("c", "staged", [3, 4, 4]))
    # Accuracy is reported at the other too.
    assert [network.input for network in counted("staged", *claims)] == [[3, 4, 4], [3, 16, 16]]


def test_the_input_of_others_whose_output_has_the_same_shape() -> None:
    claims = [structure_claim(f"large-{number}", "larger", [3, 16, 16]) for number in range(3)]
    claims.append(structure_claim("small", "staged", [3, 8, 8]))
    assert [network.input for network in counted("larger-too", *claims)] == [[3, 16, 16]]
    # It runs on 16 x 16 too, but is no network of that kind.
    assert [network.input for network in counted("staged-too", *claims)] == [[3, 8, 8]]
    (alone,) = counted("flat", *claims)
    assert (alone.input, alone.macs, alone.parameters) == (None, None, 28)
    assert alone.why_not == "no claim says what size of input it takes"


def test_inputs_that_are_equally_common_decide_nothing() -> None:
    claims = [
        headline(f"h-{side}", name, f"single crop of {side}") for name, side in [("staged", 8), ("staged-too", 16)]
    ]
    claims[1]["subject"]["variant"] = "larger"
    assert [network.input for network in counted("larger-too", *claims)] == [[3, 16, 16]]
    NETWORKS["staged-3"] = Staged
    claims[1]["subject"]["variant"] = "staged-too"
    assert [network.input for network in counted("staged-3", *claims)] == [None]


def test_a_network_that_does_not_run_on_one_input() -> None:
    (network,) = counted("two-inputs", structure_claim("a", "two-inputs", [3]))
    assert (network.input, network.macs, network.stages, network.parameters) == ([3], None, [], 12)
    assert "missing 1 required positional argument: 'y'" in network.why_not


@pytest.mark.parametrize(
    ("protocol", "read"),
    [
        ("single crop of 224 from a shorter side of 256", (1, False, 224)),
        ("single crop 299; the images of the validation set that are not blacklisted", (1, False, 299)),
        ("single crop", (1, False, None)),
        ("shorter side 256, centre crop 224", (1, False, 224)),
        ("the central 256 pixels of images resized to 288 × 288, whatever their shape", (1, False, 256)),
        ("single view of 32; training and extra set", (1, False, 32)),
        ("10 crops of 224; the authors' network pools", (1, True, 224)),
        ("one model, ten crops", (1, True, None)),
        ("six networks, 144 crops", (6, True, None)),
        ("multiple crops", (1, True, None)),
        ("one model", (1, None, None)),
        ("256 × 192, boxes of a person detector, flip test", (1, None, None)),
        (None, (1, None, None)),
    ],
)
def test_protocols(protocol: str | None, read: tuple[int, bool | None, int | None]) -> None:
    assert protocols.read(protocol) == read


# --- Papers ----------------------------------------------------------------------------------------------------------


def test_papers_are_counted_in_processes_of_their_own(library: Library) -> None:
    begun: list[str] = []
    asked = [named(library, "lenet"), named(library, "vgg"), named(library, "hornn")]
    found = {each.paper.id: each for each in count(asked, jobs=2, on_variant=begun.append)}
    assert found.keys() == {"lenet", "hornn"}
    assert sorted(begun) == sorted([*reproductions.variants("lenet"), *reproductions.variants("hornn")])
    assert [network.variant for network in found["lenet"].networks] == reproductions.variants("lenet")
    assert not any(each.failed for each in found.values())


def test_what_cannot_be_counted(library: Library) -> None:
    with pytest.raises(CatalogError, match="the module of vgg holds no network"):
        variants([named(library, "vgg")])
    with pytest.raises(CatalogError, match=r"alexnet has no module yet"):
        variants([named(library, "alexnet")])
    with pytest.raises(CatalogError, match=r"no variant of lenet is called 'lenet9'"):
        variants([named(library, "lenet")], "lenet9")
    assert variants([named(library, "lenet")], "LeNet_5") == {"lenet": ["lenet5"]}


def test_what_a_module_does_to_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """No module is called my-net, so that the process ends with an error."""
    monkeypatch.setattr("catalog.verify.networks.variants", lambda *_: {"my-net": ["one"]})
    (found,) = count([paper()])
    assert found.networks == []
    assert found.failed


# --- The results of the project --------------------------------------------------------------------------------------


def test_recorded_networks_agree_with_the_claims(library: Library) -> None:
    """Whatever a claim of the same network and input has measured is what was counted."""
    compared = 0
    for each in library.papers:
        ledger = Ledger.load(each.id)
        costs = {(one.variant, *(one.input or ())): one for one in ledger.networks.counted} if ledger.networks else {}
        for claim in each.claims:
            for quantity, found in _measured(claim, ledger, costs):
                assert found == _expected(ledger, claim), f"{each.id} {claim.id} {quantity}"
                compared += 1
    assert compared > 100


def _measured(claim: Claim, ledger: Ledger, costs: dict[tuple[Any, ...], Network]) -> list[tuple[str, int | None]]:
    subject, measure = claim.subject, claim.measure
    if subject is None or measure is None or subject.part or subject.options or not ledger.entry(claim.id):
        return []
    if (measure.quantity, measure.convention) == ("parameters", "trainable"):
        return [("parameters", one.parameters) for key, one in costs.items() if key[0] == subject.variant]
    if (measure.quantity, measure.convention) == ("macs", "convolutions-and-linear"):
        known = costs.get((subject.variant, *(subject.input or ())))
        return [("macs", known.macs)] if known else []
    return []


def _expected(ledger: Ledger, claim: Claim) -> Any:
    entry = ledger.entry(claim.id)
    return entry.measured if entry else None


def test_recorded_stages_add_up(library: Library) -> None:
    for each in library.papers:
        recorded = Ledger.load(each.id).networks
        for network in recorded.counted if recorded else ():
            where = f"{each.id} {network.variant} {network.input}"
            if network.macs is None:
                assert network.why_not, where
                continue
            assert sum(stage.parameters for stage in network.stages) == network.parameters, where
            assert sum(stage.macs for stage in network.stages) == network.macs, where
            assert 2 <= len(network.stages) <= 25, where


def test_every_network_of_the_project_is_recorded(library: Library) -> None:
    for each in library.papers:
        if (recorded := Ledger.load(each.id).networks) is not None:
            assert list(dict.fromkeys(network.variant for network in recorded.counted)) == reproductions.variants(
                each.id
            )
            assert not Ledger.load(each.id).networks_are_stale(each)
        else:
            assert not _offered(each), each.id


def _offered(paper: Paper) -> list[str]:
    try:
        return reproductions.variants(paper.id)
    except reproductions.UnknownReproduction:
        return []


# --- The command -----------------------------------------------------------------------------------------------------


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = tmp_path / "results"
    monkeypatch.setattr(paths, "results_folder", lambda: results)
    monkeypatch.setattr(paths, "results_folders", lambda: [results])
    done = CliRunner().invoke(app, ["count", "LeNet-5", "--record"])
    assert done.exit_code == 0
    table = [line.split() for line in done.stdout.splitlines()]
    assert table[1] == ["lenet", "lenet5", "1x32x32", "60,000", "325,680", "0.243"]
    recorded = yaml.safe_load((results / "lenet.yaml").read_text())["networks"]["counted"]
    assert [network["macs"] for network in recorded] == [325680, 91520]
    done = CliRunner().invoke(app, ["count", "lenet", "--variant", "lenet5"])
    assert ["c3", "16x10x10", "1,516", "2.5%", "150,000", "46.1%"] in [
        line.split() for line in done.stdout.splitlines()
    ]
    document = json.loads(CliRunner().invoke(app, ["count", "lenet", "--json"]).stdout)
    assert [network["stages"] for network in document["networks"]] == [network["stages"] for network in recorded]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["count"], "name the papers"),
        (["count", "lenet", "--all"], "name the papers"),
        (["count", "lenet", "--variant", "lenet5", "--record"], "--record or --variant"),
        (["count", "vgg"], "holds no network"),
    ],
)
def test_what_the_command_refuses(arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2
    assert message in done.stderr


def test_an_interruption_keeps_what_was_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = tmp_path / "results"
    monkeypatch.setattr(paths, "results_folder", lambda: results)
    (lenet,) = Library.load().resolve("lenet")

    def interrupted(*_: Any, **__: Any) -> Iterator[Counted]:
        yield Counted(lenet, [])
        raise KeyboardInterrupt

    monkeypatch.setattr("catalog.verify.networks.count", interrupted)
    done = CliRunner().invoke(app, ["count", "lenet", "hornn", "--record"])
    assert done.exit_code == 130
    assert "1 of 2 papers are done, and recorded" in done.stderr
    assert (results / "lenet.yaml").exists()
    assert not (results / "hornn.yaml").exists()
