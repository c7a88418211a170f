"""Which errors the claims of a paper catch."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from catalog import Library
from catalog.cli import app
from catalog.errors import CatalogError
from catalog.verify import mutation
from catalog.verify.mutants import Mutant, mutants
from catalog.verify.mutation import Fate, Outcome, mutate


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> list[Mutant]:
    """Three errors of LeNet-5: one that a count shows, one that no claim can, and one that makes no difference."""

    def only(source: str) -> list[Mutant]:
        changes = (
            ("self.c1 = nn.Sequential(nn.Conv2d(1, 6, 5)", "self.c1 = nn.Sequential(nn.Conv2d(1, 6, 5, padding=1)"),
            ("def build(variant: str", "def built(variant: str"),
            ("return self.squash(self.coefficient * total", "return self.squash(total * self.coefficient"),
        )
        found = []
        for old, new in changes:
            assert source.count(old) == 1
            line = source.count("\n", 0, source.index(old)) + 1
            found.append(Mutant(line, new, source.replace(old, new), source))
        return found

    monkeypatch.setattr(mutation, "mutants", only)
    return []


def test_fates(chosen: list[Mutant]) -> None:
    seen: list[Outcome] = []
    report = mutate(Library.load()["lenet"], jobs=2, on_outcome=seen.append)
    assert {outcome.mutant.error[:9]: outcome.fate for outcome in report.outcomes} == {
        "self.c1 =": Fate.CAUGHT,
        "def built": Fate.CAUGHT,
        "return se": Fate.EQUIVALENT,
    }
    assert report.counts == {"caught": 2, "survived": 0, "equivalent": 1}
    assert report.score == 1
    assert len(seen) == 3
    assert report.claims


def test_an_error_that_nothing_notices_survives(monkeypatch: pytest.MonkeyPatch) -> None:
    def only(source: str) -> list[Mutant]:
        return [mutant for mutant in mutants(source) if "nn.Dropout(" in mutant.source.splitlines()[mutant.line - 1]]

    monkeypatch.setattr(mutation, "mutants", only)
    paper = Library.load()["xception"]
    blind = paper.model_copy(update={"claims": [claim for claim in paper.claims if claim.id == "widths"]})
    report = mutate(blind, n=1)
    assert report.counts == {"caught": 0, "survived": 1, "equivalent": 0}
    assert report.score == 0


def test_the_same_seed_makes_the_same_errors() -> None:
    paper = Library.load()["xception"]
    few = paper.model_copy(update={"claims": [claim for claim in paper.claims if claim.id == "parameters"]})
    first, again, other = (mutate(few, n=2, seed=seed, jobs=2) for seed in (1, 1, 2))
    assert first == again
    assert [outcome.mutant for outcome in first.outcomes] != [outcome.mutant for outcome in other.outcomes]


def test_a_paper_without_a_module() -> None:
    with pytest.raises(CatalogError, match="adanet has no module yet"):
        mutate(Library.load()["adanet"])


def test_the_command(chosen: list[Mutant]) -> None:
    done = CliRunner().invoke(app, ["mutate", "lenet", "--n", "3"])
    assert done.exit_code == 0
    assert "lenet: 3 errors of 3 possible ones, 2 caught (100%), 0 survived, 1 make no difference" in done.stdout
    assert "+        return self.squash(total * self.coefficient + self.bias)" in done.stdout


def test_the_command_prints_a_document(chosen: list[Mutant]) -> None:
    done = CliRunner().invoke(app, ["mutate", "LeNet-5", "--n", "1", "--json"])
    document = json.loads(done.stdout)
    assert document["paper"] == "lenet"
    assert document["caught"] + document["survived"] + document["equivalent"] == 1


def test_a_family_is_no_paper() -> None:
    done = CliRunner().invoke(app, ["mutate", "Inception"])
    assert done.exit_code == 2
    assert "inception-v3" in done.stderr
