"""The ledger: what is written, when it is left alone, and what makes an entry stale."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from catalog import paths
from catalog.errors import CatalogError
from catalog.records import Claim, Paper, Status
from catalog.verify import ledger as module
from catalog.verify.ledger import Entry, Ledger, LedgerError, Network, fingerprints
from catalog.verify.mutants import Mutant
from catalog.verify.mutation import Fate, MutationReport, Outcome
from catalog.verify.runner import ClaimReport, PaperReport

if TYPE_CHECKING:
    from pathlib import Path

SOURCES = {
    "__init__.py": "def build(): ...",
    "layers.py": "WIDTH = 1",
    "resnet.py": "from reproductions.layers import WIDTH\n\n\ndef block(x):\n    return x + WIDTH",
    "vgg.py": "LAYERS = 16",
    "my_net.py": '"""A network."""\nimport torch\nfrom reproductions import resnet\n\nSIZE = 3  # Table 1',
    "checks/my_net.py": "from reproductions import build\nfrom . import shared\n\n\nNET = build('VGG')",
    "checks/shared.py": "ONE = 1",
    "checks/other.py": "TWO = 2",
    "unrelated.py": "X = 1",
}


@pytest.fixture(autouse=True)
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small package of reproductions, and results that are nobody's."""
    folder = tmp_path / "reproductions"
    for name, text in SOURCES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text + "\n")
    monkeypatch.setattr(paths, "REPRODUCTIONS", folder)
    monkeypatch.setattr(paths, "results_folder", lambda: folder / "results")
    return folder


def claim(name: str = "one", **fields: Any) -> Claim:
    means = {"id": name, "basis": "derived", "tier": "property", "check": "one", "expect": {"at_most": 1e-10}}
    return Claim.model_validate(means | {"statement": "something holds"} | fields)


MEASURED = claim("parameters", tier="structure", check=None, measure="parameters", subject={"variant": "my-net"})
PARITY = claim(
    "parity",
    basis="peer",
    tier="parity",
    check=None,
    peer={"library": "timm", "model": "resnet18"},
    subject={"variant": "my-net", "input": [3, 32, 32]},
)


def paper(*claims: Claim) -> Paper:
    return Paper(
        id="my-net",
        name="My net",
        title="My net",
        authors=["A. Person"],
        published="2020",
        taxonomy=["topic"],
        summary="It says something.",
        claims=list(claims),
    )


def report(
    *claims: Claim, status: Status = Status.VERIFIED, measured: Any = 3e-16, seconds: float = 0.25
) -> PaperReport:
    reports = [ClaimReport(claim, status, "agrees with the paper's statement", measured, seconds) for claim in claims]
    return PaperReport(paper(*claims), tuple(reports))


def results(sources: Path) -> Path:
    return sources / "results" / "my-net.yaml"


def test_nothing_is_known_at_first() -> None:
    ledger = Ledger.load("my-net")
    assert ledger.entries == ()
    assert ledger.entry("one") is None
    assert ledger.differences(report(claim())) == ""


def test_what_is_recorded_is_read_again(sources: Path) -> None:
    measured = {"linear": 3.1e-16, "series": [1, 2.5], "count": 7}
    assert Ledger.load("my-net").record(report(claim(), measured=measured))
    entry = Ledger.load("my-net").entry("one")
    assert entry is not None
    assert entry.measured == measured
    assert (entry.status, entry.reason) == (Status.VERIFIED, "agrees with the paper's statement")
    assert (entry.environment, entry.seconds, entry.seeds) == ("cpu", 0.25, [])
    assert entry.versions.keys() == {"python", "torch"}
    assert entry.fingerprints == fingerprints("my-net", claim())
    assert entry.date.count("-") == 2
    assert sorted(path.name for path in results(sources).parent.iterdir()) == ["my-net.yaml"]


def test_version_of_the_peer_and_seeds_of_a_training_are_kept() -> None:
    training = {"scale": "quick", "data": "digits", "protocol": "two arms", "seeds": [3, 4]}
    trained = claim("trained", basis="analogue", tier="training", check=None, training=training)
    ledger = Ledger.load("my-net")
    ledger.record(report(PARITY, trained))
    entries = {entry.claim: entry for entry in Ledger.load("my-net").entries}
    assert entries["parity"].versions["timm"]
    assert entries["trained"].seeds == [3, 4]


@pytest.mark.parametrize("status", [Status.NOT_RUN, Status.NOT_CHECKABLE])
def test_what_was_not_measured_is_not_recorded(status: Status, sources: Path) -> None:
    assert not Ledger.load("my-net").record(report(claim(), status=status, measured=None))
    assert not results(sources).exists()


def test_failures_are_recorded() -> None:
    Ledger.load("my-net").record(report(claim(), status=Status.FAILED, measured=None))
    entry = Ledger.load("my-net").entry("one")
    assert entry is not None
    assert (entry.status, entry.measured) == (Status.FAILED, None)


def test_the_same_again_leaves_the_file_alone(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Ledger.load("my-net").record(report(claim()))
    before = results(sources).read_bytes(), results(sources).stat().st_ino

    class Tomorrow(module.datetime.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return super().now(tz) + module.datetime.timedelta(days=1)

    monkeypatch.setattr(module.datetime, "datetime", Tomorrow)
    assert not Ledger.load("my-net").record(report(claim(statement="said otherwise"), seconds=9))
    assert not Ledger.load("my-net").record(report(claim(), measured=4e-16)), "another processor rounds otherwise"
    assert (results(sources).read_bytes(), results(sources).stat().st_ino) == before
    for other in (
        report(claim(), measured=4e-6),
        report(claim(), measured=4e-6, status=Status.FAILED),
        report(claim(expect={"at_most": 1e-9}), measured=4e-6, status=Status.FAILED),
    ):
        assert Ledger.load("my-net").record(other)
    (sources / "my_net.py").write_text("SIZE = 4\n")
    assert Ledger.load("my-net").record(report(claim(expect={"at_most": 1e-9}), measured=4e-6, status=Status.FAILED))


def test_other_claims_and_environments_stay(sources: Path) -> None:
    both = paper(claim("one"), claim("two"))
    Ledger.load("my-net").record(PaperReport(both, report(claim("one"), claim("two")).claims))
    Ledger.load("my-net").record(PaperReport(both, report(claim("two"), measured=1.0).claims), "nvidia-h200", "H200")
    Ledger.load("my-net").record(PaperReport(both, report(claim("two"), measured=2.0).claims))
    entries = Ledger.load("my-net").entries
    assert [(entry.claim, entry.environment, entry.measured) for entry in entries] == [
        ("one", "cpu", 3e-16),
        ("two", "cpu", 2.0),
        ("two", "nvidia-h200", 1.0),
    ]
    assert entries[-1].device == "H200"
    found = Ledger.load("my-net").entry("two", "nvidia-h200")
    assert found is not None
    assert found.measured == 1.0
    assert Ledger.load("my-net").entry("one", "nvidia-h200") is None


def test_newest_entry_of_several_environments() -> None:
    fields = {"claim": "one", "status": "verified", "reason": "", "seconds": 0, "versions": {}, "device": "x"}
    entries = [
        Entry.model_validate(fields | {"environment": environment, "date": date, "fingerprints": {}})
        for environment, date in (("a", "2026-01-02"), ("b", "2026-02-01"), ("c", "2025-12-31"))
    ]
    found = Ledger("my-net", tuple(entries)).entry("one")
    assert found is not None
    assert found.environment == "b"


def test_claims_that_are_no_longer_made_go() -> None:
    Ledger.load("my-net").record(report(claim("one"), claim("two")))
    assert Ledger.load("my-net").record(report(claim("two")))
    assert [entry.claim for entry in Ledger.load("my-net").entries] == ["two"]


def test_differences() -> None:
    ledger = Ledger.load("my-net")
    two = {"a": 1, "b": 2}
    both = paper(claim("one"), claim("two"))
    ledger.record(PaperReport(both, (*report(claim("one")).claims, *report(claim("two"), measured=two).claims)))
    date = ledger.entries[0].date
    assert ledger.differences(report(claim("one"))) == ""
    assert ledger.differences(report(claim("one"), status=Status.NOT_RUN, measured=None)) == ""
    assert ledger.differences(report(claim("one"), claim("three"), status=Status.FAILED, measured=0.5)) == (
        f"one: failed instead of verified, measured 0.5 instead of 3e-16 since {date}\n"
        "three: failed, not recorded before"
    )
    assert ledger.differences(report(claim("two"), measured={"a": 1, "b": 3})) == (
        f"two: b measured 3 instead of 2 since {date}"
    )


@pytest.mark.parametrize(
    ("before", "now", "differs"),
    [
        (3e-16, 5e-15, False),
        (0.5, 0.5 + 1e-8, False),
        (0.5, 0.50001, True),
        (0.0, 1e-8, True),
        (7, 8, True),
        (25_557_032, 25_557_033, True),
        ([0.5, 1e-16], [0.5, 0.0], False),
        ([0.5, 0.5], [0.5], True),
        (0.5, None, True),
    ],
)
def test_rounding_is_no_difference(before: Any, now: Any, differs: bool) -> None:
    ledger = Ledger.load("my-net")
    ledger.record(report(claim(), measured=before))
    assert bool(ledger.differences(report(claim(), measured=now))) is differs


# --- Files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"paper: my-net\nentries: [", "results/my-net.yaml:2: is not YAML"),
        (b"", "results/my-net.yaml: is empty"),
        (b"\xff\xfe", "results/my-net.yaml:1: is UTF-16"),
        (b"paper: my-net\nentries:\n  - {claim: one}\n", "results/my-net.yaml:3: entries[0].environment: is missing"),
        (b"paper: my-net\nentry: []\n", "results/my-net.yaml:2: entry: unknown field 'entry'"),
        (
            b"paper: other-net\nentries: []\n",
            "results/my-net.yaml:1: paper: 'other-net' has its results in another file",
        ),
    ],
)
def test_broken_file(content: bytes, message: str, sources: Path) -> None:
    results(sources).parent.mkdir()
    results(sources).write_bytes(content)
    with pytest.raises(CatalogError) as caught:
        Ledger.load("my-net")
    assert message in str(caught.value)
    assert "delete the file and measure again" in str(caught.value)


def test_folder_in_the_place_of_the_file(sources: Path) -> None:
    results(sources).mkdir(parents=True)
    with pytest.raises(LedgerError, match=r"results/my-net\.yaml: cannot be read"):
        Ledger.load("my-net")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to this user")
def test_folder_that_cannot_be_written_to(sources: Path) -> None:
    results(sources).parent.mkdir(mode=0o500)
    with pytest.raises(LedgerError, match=r"results/my-net\.yaml cannot be written"):
        Ledger.load("my-net").record(report(claim()))


def test_file_in_the_place_of_the_folder(sources: Path) -> None:
    results(sources).parent.touch()
    with pytest.raises(LedgerError, match=r"results/ cannot be made: File exists"):
        Ledger("my-net").record(report(claim()))


def test_interrupted_writing_leaves_the_old_file(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Ledger.load("my-net").record(report(claim()))
    before = results(sources).read_bytes()

    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Ledger.load("my-net").record(report(claim(), measured=1.0))
    assert [path.read_bytes() for path in results(sources).parent.iterdir()] == [before]


def test_what_a_killed_program_left_behind_goes(sources: Path) -> None:
    Ledger.load("my-net").record(report(claim()))
    left = results(sources).with_name(".my-net.yaml.123.tmp")
    left.write_text("paper: my")
    Ledger.load("my-net").record(report(claim(), measured=1.0))
    assert list(results(sources).parent.iterdir()) == [results(sources)]


def test_what_others_have_recorded_meanwhile_is_kept() -> None:
    one, two = claim(), claim("two")
    mine = Ledger.load("my-net")
    Ledger.load("my-net").record(report(one, two))
    mine.record(PaperReport(paper(one, two), report(one, measured=0.5).claims))
    assert {entry.claim: entry.measured for entry in Ledger.load("my-net").entries} == {"one": 0.5, "two": 3e-16}


def test_one_writer_at_a_time(sources: Path) -> None:
    """Eight programs record a claim each, all at once, and none loses what another has written."""
    claims = [claim(f"claim-{number}") for number in range(8)]
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_record_one, args=(claims, number)) for number in range(len(claims))]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [entry.claim for entry in Ledger.load("my-net").entries] == [claim.id for claim in claims]


def _record_one(claims: list[Claim], number: int) -> None:
    ledger = Ledger.load("my-net")
    time.sleep(0.05)  # so that all have read before any has written
    ledger.record(PaperReport(paper(*claims), report(claims[number]).claims))


def test_libraries_that_a_check_is_held_against(sources: Path) -> None:
    (sources / "checks" / "my_net.py").write_text("def svd():\n    from scipy import linalg\n    import tensorly\n")
    parity = claim(tier="parity", check="svd")
    Ledger.load("my-net").record(report(parity, claim("two", check="svd")))
    compared, own = Ledger.load("my-net").entries
    assert compared.versions.keys() == {"python", "torch", "scipy", "tensorly"}
    assert own.versions.keys() == {"python", "torch"}


def mutation(*fates: str) -> MutationReport:
    outcomes = [
        Outcome(Mutant(1, "3 for 2", f"SIZE = {number}\n", "SIZE = 2\n"), Fate(fate), "")
        for number, fate in enumerate(fates, start=3)
    ]
    return MutationReport("my-net", 9, 0, ("one",), tuple(outcomes))


def test_mutation_score(sources: Path) -> None:
    ledger = Ledger.load("my-net")
    ledger.record(report(claim()))
    assert ledger.record_mutation(mutation("caught", "survived", "equivalent", "caught"), paper(claim()))
    score = Ledger.load("my-net").mutation
    assert score is not None
    assert (score.errors, score.possible, score.caught, score.equivalent, score.score) == (4, 9, 2, 1, 2 / 3)
    assert [survivor.change for survivor in score.survivors] == ["SIZE = 2 → SIZE = 4"]
    # Neither forgets the other.
    assert Ledger.load("my-net").entry("one") is not None
    assert not ledger.record_mutation(mutation("caught", "survived", "equivalent", "caught"), paper(claim()))
    ledger.record(report(claim(), measured=1.0))
    assert Ledger.load("my-net").mutation == score


def test_a_mutation_score_is_stale_when_the_module_or_a_claim_changes(sources: Path) -> None:
    ledger = Ledger.load("my-net")
    assert not ledger.mutation_is_stale(paper(claim()))
    ledger.record_mutation(mutation("caught"), paper(claim()))
    assert not ledger.mutation_is_stale(paper(claim()))
    assert ledger.mutation_is_stale(paper(claim(), claim("two")))
    (sources / "my_net.py").write_text("SIZE = 5\n")
    assert ledger.mutation_is_stale(paper(claim()))


def network(macs: int | None = 10) -> Network:
    stage = {"name": "stem", "kind": "Conv2d", "parameters": 5, "macs": 10, "outputs": [[1, 2, 2], [2, 1, 1]]}
    fields = {"variant": "small", "parameters": 5, "bytes": 20}
    ran = {"input": [3, 8, 8], "macs": macs, "stages": [stage]} if macs else {"why_not": "nobody knows"}
    return Network.model_validate(fields | ran)


def test_networks(sources: Path) -> None:
    ledger = Ledger.load("my-net")
    ledger.record(report(claim()))
    ledger.record_mutation(mutation("caught"), paper(claim()))
    assert ledger.record_networks([network(), network(None)], paper(claim()))
    networks = Ledger.load("my-net").networks
    assert networks is not None
    assert networks.counted == [network(), network(None)]
    before = results(sources).read_bytes()
    assert not Ledger.load("my-net").record_networks([network(), network(None)], paper(claim()))
    assert results(sources).read_bytes() == before
    # None of the three forgets the others.
    assert Ledger.load("my-net").mutation is not None
    assert Ledger.load("my-net").record(report(claim(), measured=1.0))
    assert Ledger.load("my-net").networks == networks
    assert Ledger.load("my-net").record_networks([network()], paper(claim()))
    assert [entry.measured for entry in Ledger.load("my-net").entries] == [1.0]


def test_networks_are_stale_when_the_module_or_the_size_of_an_input_changes(sources: Path) -> None:
    ledger = Ledger.load("my-net")
    assert not ledger.networks_are_stale(paper(MEASURED))
    ledger.record_networks([network()], paper(MEASURED))
    assert not ledger.networks_are_stale(paper(MEASURED))
    # What a claim expects, and what a check does, decide nothing here.
    assert not ledger.networks_are_stale(paper(MEASURED.model_copy(update={"statement": "other"})))
    (sources / "checks" / "my_net.py").write_text("def svd():\n    return 1\n")
    assert not ledger.networks_are_stale(paper(MEASURED))
    assert MEASURED.subject is not None
    other = MEASURED.subject.model_copy(update={"input": [3, 9, 9]})
    assert ledger.networks_are_stale(paper(MEASURED.model_copy(update={"subject": other})))
    (sources / "resnet.py").write_text("WIDTH = 65\n")
    assert ledger.networks_are_stale(paper(MEASURED))


def test_results_that_came_with_the_project(sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = paper(claim("one"), claim("two"))
    Ledger.load("my-net").record(PaperReport(both, report(claim("one"), claim("two")).claims))
    before = results(sources).read_bytes()
    monkeypatch.setattr(paths, "results_folder", lambda: tmp_path / "home" / "results")
    ledger = Ledger.load("my-net")
    assert len(ledger.entries) == 2
    assert ledger.record(PaperReport(both, report(claim("two"), measured=1.0).claims))
    assert results(sources).read_bytes() == before
    assert [entry.measured for entry in Ledger.load("my-net").entries] == [3e-16, 1.0]


# --- Fingerprints ----------------------------------------------------------------------------------------------------


def changed(sources: Path, name: str, old: str, new: str, claim: Claim) -> bool:
    """Whether a change to a file changes the fingerprint of a claim."""
    before = fingerprints("my-net", claim)
    text = (sources / name).read_text()
    assert old in text
    (sources / name).write_text(text.replace(old, new))
    after = fingerprints("my-net", claim)
    assert before["claim"] == after["claim"]
    return before["code"] != after["code"]


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("my_net.py", "SIZE = 3", "SIZE = 4"),
        ("resnet.py", "x + WIDTH", "x - WIDTH"),
        ("layers.py", "1", "2"),
        ("my_net.py", "SIZE = 3", "SIZE = = 3"),
    ],
)
@pytest.mark.parametrize("used_by", [claim(), MEASURED, PARITY])
def test_code_that_is_used_counts(name: str, old: str, new: str, used_by: Claim, sources: Path) -> None:
    assert changed(sources, name, old, new, used_by)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [("checks/my_net.py", "build", "variants"), ("checks/shared.py", "1", "2"), ("vgg.py", "16", "19")],
)
def test_checks_count_for_claims_that_have_one(name: str, old: str, new: str, sources: Path) -> None:
    assert not changed(sources, name, old, new, MEASURED)
    assert changed(sources, name, new, old, claim())


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("my_net.py", "# Table 1", "# Table 2"),
        ("my_net.py", "A network.", "The network."),
        ("my_net.py", "SIZE = 3", "SIZE  =  (\n    3\n)"),
        ("resnet.py", "def block(x):\n", 'def block(x):\n    """Add."""\n\n'),
        ("unrelated.py", "1", "2"),
        ("checks/other.py", "2", "3"),
    ],
)
def test_what_does_not_count(name: str, old: str, new: str, sources: Path) -> None:
    assert not changed(sources, name, old, new, claim())


def test_modules_that_import_each_other(sources: Path) -> None:
    (sources / "layers.py").write_text("import reproductions.my_net\n")
    assert fingerprints("my-net", claim())["code"]


@pytest.mark.parametrize(
    ("fields", "counts"),
    [
        ({"statement": "something else holds"}, False),
        ({"source": "Table 4"}, False),
        ({"edition": "arXiv v3"}, False),
        ({"expect": {"at_most": 1e-9}}, True),
        ({"basis": "peer"}, True),
        ({"check": "two"}, True),
        ({"printed": "0.0"}, True),
    ],
)
def test_claim_counts_without_its_prose(fields: dict[str, Any], counts: bool) -> None:
    before, after = fingerprints("my-net", claim()), fingerprints("my-net", claim(**fields))
    assert (before["claim"] != after["claim"]) is counts


def test_how_a_deviation_is_explained_decides_nothing() -> None:
    deviates = claim(printed="2", deviation={"cause": "misprint", "explanation": "a slip"})
    told = claim(printed="2", deviation={"cause": "misprint", "explanation": "a slip of the pen"})
    other = claim(printed="2", deviation={"cause": "unknown", "explanation": "a slip"})
    assert fingerprints("my-net", deviates) == fingerprints("my-net", told) != fingerprints("my-net", other)


def test_stale(sources: Path) -> None:
    ledger = Ledger.load("my-net")
    ledger.record(report(claim()))
    (entry,) = Ledger.load("my-net").entries
    assert not ledger.is_stale(entry, paper(claim()))
    assert ledger.is_stale(entry, paper(claim(expect={"at_most": 1})))
    assert ledger.is_stale(entry, paper(claim("another")))
    (sources / "resnet.py").write_text("changed = True\n")
    assert ledger.is_stale(entry, paper(claim()))


def test_reading_imports_neither_torch_nor_a_reproduction() -> None:
    program = """
import sys
from catalog.records import Claim
from catalog.verify.ledger import Ledger, fingerprints
claim = {"id": "a", "statement": "b", "basis": "derived", "tier": "property", "check": "c", "expect": {"equals": 1}}
Ledger.load("xception")
fingerprints("xception", Claim.model_validate(claim))
print("torch" in sys.modules, "reproductions.xception" in sys.modules)
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout == "False False\n"
