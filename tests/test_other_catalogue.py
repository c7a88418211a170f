"""Somebody's own catalogue, of another field: every command on it, from a folder that has nothing to do with either."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import reproductions
from catalog import Library, completion, paths
from catalog.verify import ledger

if TYPE_CHECKING:
    from collections.abc import Iterator

FIELD = Path(__file__).parent / "other_catalogue"
REPRO = [sys.executable, "-P", "-c", "from catalog.cli import main; main()"]
THE_PROJECTS = re.compile(r"inception|xception|resnet|lenet|mobilenet|convolutional-network papers", re.IGNORECASE)


class Field:
    """A copy of the small catalogue, and another folder in which commands are run."""

    def __init__(self, folder: Path) -> None:
        self.papers, self.modules, self.elsewhere = (folder / name for name in ("papers", "reproductions", "elsewhere"))
        shutil.copytree(FIELD / "papers", self.papers)
        shutil.copytree(FIELD / "reproductions", self.modules, ignore=shutil.ignore_patterns("__pycache__"))
        self.elsewhere.mkdir()

    def run(self, *arguments: str, status: int = 0, options: bool = True) -> subprocess.CompletedProcess[str]:
        """A command on these records and modules, which are named by options or by variables of the environment."""
        named = ["--papers", str(self.papers), "--reproductions", str(self.modules)]
        variables = {"REPRO_PAPERS": str(self.papers), "REPRO_REPRODUCTIONS": str(self.modules)}
        return self.bare(*named * options, *arguments, status=status, **({} if options else variables))

    def bare(self, *arguments: str, status: int = 0, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "XDG_DATA_HOME": str(self.elsewhere / "data"), **variables}
        done = subprocess.run(
            [*REPRO, *arguments], cwd=self.elsewhere, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == status, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done


@pytest.fixture
def field(tmp_path: Path) -> Field:
    return Field(tmp_path)


@pytest.fixture
def here(field: Field, monkeypatch: pytest.MonkeyPatch) -> Field:
    """This process uses the small catalogue."""
    monkeypatch.setenv("REPRO_PAPERS", str(field.papers))
    monkeypatch.setenv("REPRO_REPRODUCTIONS", str(field.modules))
    return field


@pytest.fixture(scope="module", autouse=True)
def _nothing_is_written_into_the_project() -> Iterator[None]:
    def state() -> dict[Path, int]:
        assert paths.CHECKOUT is not None
        folders = (paths.RECORDS, paths.REPRODUCTIONS, paths.SITE, FIELD, paths.CHECKOUT / "catalog")
        files = (file for folder in folders for file in folder.rglob("*") if file.is_file())
        return {file: file.stat().st_mtime_ns for file in files if "__pycache__" not in file.parts}

    before = state()
    yield
    assert state() == before


# --- Questions -------------------------------------------------------------------------------------------------------

QUESTIONS = [
    (["list"], "Sentence CNN"),
    (["list", "--topic", "embeddings"], "GloVe"),
    (["lineage", "word2vec"], "generalizes"),
    (["lineage", "sentence-cnn", "--ancestors"], "2012 Dropout"),
    (["show", "1301.3781"], "Leaves out the hidden layer"),
    (["show", "dropout"], "outside the catalogue"),
    (["ask", "what", "builds", "on", "skip-gram"], "GloVe"),
    (["search", "statistics"], "skip-gram"),
    (["validate"], "4 papers, 3 claims, 2 works outside the catalogue, 3 topics, 1 family: no problem"),
    (["export", "bibtex"], "Pennington"),
    (["export", "json"], "negative-sampling"),
    (["export", "model-index"], "Sentence CNN: sentence-cnn"),
    (["source", "sentence-cnn"], "class SentenceCNN"),
]


@pytest.mark.parametrize(("question", "answer"), QUESTIONS, ids=[" ".join(question) for question, _ in QUESTIONS])
def test_a_question_is_answered_from_these_records_alone_and_runs_no_code(
    field: Field, question: list[str], answer: str
) -> None:
    for module in (field.modules / "__init__.py", *field.modules.rglob("sentence_cnn.py")):
        with module.open("a") as stream:
            stream.write(f"\nopen({str(field.elsewhere / 'imported')!r}, 'w')\n")
    done = field.run(*question)
    assert answer in done.stdout
    assert not THE_PROJECTS.search(done.stdout + done.stderr)
    assert "running" not in done.stderr
    assert list(field.elsewhere.iterdir()) == []


def test_the_folders_may_be_named_by_variables(field: Field) -> None:
    assert "GloVe" in field.run("list", options=False).stdout
    assert "Xception" in field.bare("list").stdout


def test_records_without_modules(field: Field) -> None:
    options = ("--papers", str(field.papers))
    assert "Nothing reproduces this paper yet" in field.bare(*options, "show", "glove").stdout
    assert "no problem" in field.bare(*options, "validate").stdout
    assert field.bare(*options, "verify", "sentence-cnn", status=2).stderr == (
        "repro: sentence-cnn has no module; name the folder of those of these records: --reproductions DIR\n"
    )


def test_a_paper_that_is_called_like_one_of_the_project_has_nothing_of_it(field: Field) -> None:
    record = (field.papers / "glove.yaml").read_text().replace("id: glove", "id: xception")
    (field.papers / "xception.yaml").write_text(record)
    (field.papers / "glove.yaml").unlink()
    comment = "\ncomments:\n  - source: glove"
    skip_gram = (field.papers / "skip-gram.yaml").read_text()
    assert comment in skip_gram
    (field.papers / "skip-gram.yaml").write_text(skip_gram.replace(comment, comment.replace("glove", "xception")))
    shown = field.run("show", "xception").stdout
    assert "GloVe: Global Vectors" in shown
    assert "Nothing reproduces this paper yet" in shown
    assert "has no module yet" in field.run("source", "xception", status=2).stderr


def test_names_are_completed_from_these_records(here: Field) -> None:
    assert completion.names() == ["glove", "negative-sampling", "sentence-cnn", "skip-gram", "skip-grams"]
    assert "embeddings/counts" in completion.topics()


def test_names_are_completed_where_an_option_names_the_folder(field: Field) -> None:
    line = f"repro --papers {field.papers} lineage glo"
    words = {"_REPRO_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": "4"}
    assert field.bare(**words).stdout.split() == ["glove"]


# --- Verification ----------------------------------------------------------------------------------------------------


def test_claims_are_measured_and_recorded_beside_the_modules(field: Field) -> None:
    done = field.run("verify", "--all", "--record", "--json")
    assert done.stderr.splitlines()[0] == f"running the code in {field.modules}"
    ((report,), summary) = json.loads(done.stdout).values()
    assert {claim["id"]: claim["status"] for claim in report["claims"]} == dict.fromkeys(
        ("parameters", "classes", "max-over-time"), "verified"
    )
    assert summary["verified"] == 3
    assert [path.name for path in (field.modules / "results").iterdir()] == ["sentence-cnn.yaml"]
    assert list(field.elsewhere.iterdir()) == []

    assert "3 verified" in field.run("show", "sentence-cnn").stdout
    assert "stale" not in field.run("validate").stdout
    module = field.modules / "sentence_cnn.py"
    module.write_text(module.read_text().replace("MAPS = 100", "MAPS = 101"))
    assert "3 stale results, of sentence-cnn" in field.run("validate").stdout
    failed = field.run("verify", "sentence-cnn", "--claim", "parameters", status=1)
    assert "364,511" in failed.stdout, "it is this module that is measured"


def test_errors_in_ones_own_module_are_caught(field: Field) -> None:
    done = field.run("mutate", "sentence-cnn", "--n", "3", "--seed", "1", "--json", "--record")
    assert f"running the code in {field.modules}" in done.stderr
    report = json.loads(done.stdout)
    assert len(report["mutants"]) == 3
    assert report["caught"] >= 1
    assert "mutation" in (field.modules / "results" / "sentence-cnn.yaml").read_text()


def test_a_model_is_held_against_ones_own_module(field: Field) -> None:
    question = ("verify", "sentence-cnn", "--claimed", "parameters=360902", "--input", "300,53")
    done = field.run(*question)
    assert "running the code in" in done.stderr
    assert "360,902" in done.stdout


def test_fingerprints_follow_imports_into_the_modules_of_the_project(
    here: Field, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(paths.REPRODUCTIONS, tmp_path / "shipped", ignore=shutil.ignore_patterns("results", "__pycache__"))
    monkeypatch.setattr(paths, "REPRODUCTIONS", tmp_path / "shipped")
    paper = Library.load()["sentence-cnn"]
    used = {path.relative_to(tmp_path).as_posix() for path in ledger.sources(paper)}
    assert used == {
        "reproductions/sentence_cnn.py",
        "reproductions/checks/sentence_cnn.py",
        "shipped/dropout.py",
        "shipped/checks/measuring.py",
    }
    before = [ledger.fingerprints(paper.id, claim) for claim in paper.claims]
    dropout = tmp_path / "shipped" / "dropout.py"
    dropout.write_text(dropout.read_text().replace("1 - self.p_drop", "2 - self.p_drop"))
    after = [ledger.fingerprints(paper.id, claim) for claim in paper.claims]
    assert all(old["code"] != new["code"] for old, new in zip(before, after, strict=True))


def test_only_what_differs_from_a_revision(field: Field) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=n", "-c", "user.email=n@example.org"]
        subprocess.run(["git", *identity, "-C", field.papers.parent, *arguments], check=True, capture_output=True)

    git("init")
    git("add", ".")
    git("commit", "-m", "all")
    assert "nothing to verify" in field.run("verify", "--changed").stdout
    with (field.modules / "checks" / "sentence_cnn.py").open("a") as stream:
        stream.write("\nNEW = 1\n")
    assert "3 verified" in field.run("verify", "--changed", "HEAD").stdout


# --- What is made of it ----------------------------------------------------------------------------------------------


def test_one_file_with_what_comes_from_the_project(field: Field) -> None:
    text = field.run("source", "sentence-cnn", "--standalone").stdout
    assert "# --- Improving neural networks by preventing co-adaptation of feature detectors (2012) ---" in text
    assert "# What is from dropout of repro: MIT License" in text
    (field.elsewhere / "copied.py").write_text(text)
    program = f"import sys; sys.path.insert(0, {str(field.elsewhere)!r}); import copied, torch; "
    program += "print(*copied.build()(torch.zeros(5, 300, 9)).shape)"
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["5", "2"]


def test_a_module_of_ones_own_alone_is_not_under_our_licence(field: Field) -> None:
    module = field.modules / "sentence_cnn.py"
    text = module.read_text().replace("from reproductions.dropout import Dropout", "import numpy as np")
    module.write_text(text.replace("Dropout(0.5)", "nn.Dropout(np.float64(0.5))"))
    text = field.run("source", "sentence-cnn", "--standalone").stdout
    assert "License" not in text
    assert "needs numpy and torch.\n" in text


def test_the_site(field: Field) -> None:
    pytest.importorskip("material")
    field.run("site", "build")
    docs = field.elsewhere / "build" / "docs"
    pages = {path.relative_to(docs).as_posix(): path.read_text() for path in docs.rglob("*.md")}
    assert "papers/glove/index.md" in pages
    assert '<span class="nc">SentenceCNN</span>' in pages["papers/sentence-cnn/index.md"]
    # What the program says of itself, and how to contribute to it, has the project's papers for examples.
    of_the_program = {"commands/index.md", "contributing/index.md"}
    assert {name for name, page in pages.items() if THE_PROJECTS.search(page)} <= of_the_program
    home = (field.elsewhere / "build" / "site" / "index.html").read_text()
    assert not THE_PROJECTS.search(home)
    assert "Papers, measured" in home


# --- Mistakes --------------------------------------------------------------------------------------------------------


def complaint(field: Field, *arguments: str) -> str:
    done = field.bare(*arguments, status=2)
    assert not done.stdout
    (line,) = done.stderr.splitlines()
    return line


def test_folders_that_are_not_there_or_empty(field: Field) -> None:
    nowhere, papers, modules = str(field.elsewhere / "nowhere"), str(field.papers), str(field.modules)
    assert complaint(field, "--papers", "nowhere", "list") == f"repro: no records in {nowhere}: there is no such folder"
    assert complaint(field, "--papers", ".", "list").startswith(f"repro: no records in {field.elsewhere}: a paper is")
    for command in (["list"], ["verify", "sentence-cnn"]):
        said = complaint(field, "--papers", papers, "--reproductions", "nowhere", *command)
        assert said == f"repro: no modules in {nowhere}: there is no such folder"
    assert complaint(field, "--reproductions", modules, "list").endswith("name the folder of those: --papers DIR")


def test_a_module_that_is_missing(field: Field) -> None:
    with (field.papers / "glove.yaml").open("a") as stream:
        stream.write("claims: [{id: a, statement: x, basis: derived, tier: property, check: a, expect: {equals: 1}}]\n")
    said = field.run("verify", "glove", status=2).stderr
    assert said == "repro: glove has no module yet, which would be reproductions/glove.py\n"
    everything = field.run("verify", "--all", status=1)
    assert "3 verified" in everything.stdout, "the others go on"
    (field.modules / "sentence_cnn.py").unlink()
    (field.modules / "checks" / "sentence_cnn.py").unlink()
    record = field.papers / "sentence-cnn.yaml"
    record.write_text(record.read_text().replace("reproduction: complete\n", ""))
    assert "none of the 2 papers has a module" in field.run("verify", "--all", status=2).stderr


def test_a_module_that_is_called_like_one_of_the_project(field: Field) -> None:
    for name in ("resnet.py", "checks/measuring.py"):
        (field.modules / name).write_text("")
        said = field.run("list", status=2).stderr
        assert said.startswith(f"repro: {field.modules / name} is called like a module that comes with the project")
        (field.modules / name).unlink()


def test_a_claim_on_a_variant_that_ones_own_module_does_not_have(field: Field) -> None:
    module = field.modules / "sentence_cnn.py"
    module.write_text(module.read_text().replace('VARIANTS = {"sentence-cnn"', 'VARIANTS = {"other"'))
    assert "no variant 'sentence-cnn'; reproductions/sentence_cnn.py has other" in field.run("list", status=2).stderr


def test_the_projects_own_folders_may_be_named_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPRO_PAPERS", str(paths.RECORDS))
    monkeypatch.setenv("REPRO_REPRODUCTIONS", str(paths.REPRODUCTIONS))
    assert not paths.has_own_records()
    assert paths.checked_reproductions() is None
    assert "resnet50" in reproductions.variants("resnet")
