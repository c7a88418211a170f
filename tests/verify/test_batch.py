"""Many papers, each in a process of its own: whatever one does, the others are measured and nothing is lost."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from catalog import paths
from tests.verify import bad_checks

if TYPE_CHECKING:
    from collections.abc import Iterable

REPRO = [sys.executable, "-c", "from catalog.cli import main; main()"]
PAPERS = {
    "steady": ["good", "slow"],
    "hanging": ["good", "hangs", "slow"],
    "crashing": ["segfaults", "good", "is_killed", "slow"],
    "hungry": ["hogs", "good", "hogs_behind_python"],
    "leaving": ["exits", "leaves", "good"],
    "loud": ["shouts", "good"],
}


def _heeds_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Project:
    """A copy of the project with papers of its own."""

    def __init__(self, root: Path, papers: dict[str, list[str]]) -> None:
        self.root = root
        assert paths.CHECKOUT is not None
        skip = shutil.ignore_patterns("__pycache__", "results", "checks", "_data")
        shutil.copytree(paths.CHECKOUT / "catalog", root / "catalog", ignore=skip)
        (root / "reproductions" / "checks").mkdir(parents=True)
        for name in ("pyproject.toml", "reproductions/__init__.py", "reproductions/checks/__init__.py"):
            shutil.copy(paths.CHECKOUT / name, root / name)
        (root / "papers").mkdir()
        (root / "papers" / "taxonomy.yaml").write_text("topics: [{id: topic, name: Topic}]\n")
        (root / "papers" / "families.yaml").write_text("families: []\n")
        source = Path(bad_checks.__file__).read_text()
        for paper, checks in papers.items():
            self.write(paper, checks)
            (root / "reproductions" / "checks" / f"{paper.replace('-', '_')}.py").write_text(source)
            (root / "reproductions" / f"{paper.replace('-', '_')}.py").write_text('"""Nothing but checks."""\n')

    def write(self, paper: str, checks: Iterable[str], expect: float = 1.0) -> None:
        record = {
            "id": paper,
            "name": paper.capitalize(),
            "title": f"A paper that is {paper}",
            "authors": ["A. Person"],
            "published": "2020",
            "taxonomy": ["topic"],
            "summary": "It says something.",
            "reproduction": "complete",
            "claims": [
                {
                    "id": f"{check.replace('_', '-')}-{number}",
                    "statement": f"it {check}",
                    "source": "Section 1",
                    "basis": "derived",
                    "tier": "property",
                    "check": check,
                    "expect": {"equals": expect},
                }
                for number, check in enumerate(checks)
            ],
        }
        (self.root / "papers" / f"{paper}.yaml").write_text(yaml.safe_dump(record, sort_keys=False))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": str(self.root), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [*REPRO, "verify", *arguments]
        pipe = subprocess.PIPE
        # Whoever runs the tests in the background has Ctrl-C ignored, and so would what they start.
        return subprocess.Popen(
            command, cwd=self.root, env=environment, stdout=pipe, stderr=pipe, text=True, preexec_fn=_heeds_ctrl_c
        )

    def verify(self, *arguments: str, status: int = 0) -> tuple[str, str]:
        process = self.start(*arguments)
        output, errors = process.communicate(timeout=120)
        assert process.returncode == status, output + errors
        assert "Traceback" not in errors
        return output, errors

    def results(self, paper: str) -> Path:
        return self.root / "reproductions" / "results" / f"{paper}.yaml"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("project"), PAPERS)


@pytest.fixture(scope="module")
def report(project: Project) -> dict[str, Any]:
    limits = ("--timeout", "3", "--memory", "600")
    found: dict[str, Any] = json.loads(project.verify("--all", "--json", *limits, status=1)[0])
    return found


@pytest.mark.parametrize(
    ("paper", "statuses", "reason"),
    [
        ("steady", "verified verified", None),
        ("hanging", "verified failed verified", "took longer than 3 s and was stopped"),
        ("crashing", "failed verified failed verified", "was killed by SIGSEGV"),
        ("hungry", "failed verified failed", "MemoryError"),
        ("leaving", "failed failed verified", "SystemExit: 0"),
        ("loud", "verified verified", None),
    ],
)
def test_a_claim_that_ends_its_process_fails_and_everything_else_goes_on(
    paper: str, statuses: str, reason: str | None, report: dict[str, Any]
) -> None:
    (found,) = [found for found in report["papers"] if found["paper"] == paper]
    assert " ".join(claim["status"] for claim in found["claims"]) == statuses
    reasons = [claim["reason"] for claim in found["claims"] if claim["status"] == "failed"]
    assert reason is None or reasons[0].startswith(reason)


def test_reasons_of_other_ends(report: dict[str, Any]) -> None:
    reasons = {claim["id"]: claim["reason"] for paper in report["papers"] for claim in paper["claims"]}
    assert reasons["is-killed-2"] == "was killed by SIGKILL, perhaps for want of memory"
    assert reasons["leaves-1"] == "ended its process without a word"
    assert "can't allocate memory" in reasons["hogs-behind-python-2"]


def test_papers_come_in_the_order_of_the_catalogue(report: dict[str, Any]) -> None:
    assert [paper["paper"] for paper in report["papers"]] == sorted(PAPERS)
    assert report["summary"]["verified"] == 10
    assert report["summary"]["failed"] == 7


def test_one_line_a_paper(project: Project) -> None:
    output, errors = project.verify("steady", "crashing", status=1)
    *lines, total = output.splitlines()
    assert total == "2 papers: 4 verified, 2 failed"
    assert any(line.startswith("steady ") and line.endswith(" MB  2 verified") for line in lines)
    assert "    failed segfaults-0: was killed by SIGSEGV" in lines
    assert not errors


def test_an_interrupt_stops_at_once_and_keeps_what_was_recorded(project: Project) -> None:
    process = project.start("steady", "hanging", "--record", "--jobs", "1")
    assert process.stderr is not None
    assert process.stderr.readline().startswith("recorded in ")
    time.sleep(2)  # now the second paper hangs
    assert process.poll() is None
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert time.monotonic() - asked < 3, "within a second where nobody else keeps the machine busy"
    assert process.returncode == 130
    assert errors.splitlines() == [
        "interrupted: 1 of 2 papers are done, with 3 claims measured, which are recorded",
        "repro: interrupted",
    ]
    assert project.results("steady").is_file()
    # Of the paper that was under way what was measured is kept as well.
    assert [entry["claim"] for entry in yaml.safe_load(project.results("hanging").read_text())["entries"]] == ["good-0"]


def test_a_kill_at_any_moment_leaves_the_old_results_or_the_new(tmp_path: Path) -> None:
    papers = {f"paper-{letter}": ["good"] * 3 for letter in "abcd"}
    project = Project(tmp_path / "project", papers)
    project.verify("--all", "--record")
    texts = {paper: {project.results(paper).read_bytes()} for paper in papers}
    for paper in papers:
        project.write(paper, papers[paper], expect=2.0)
    moments = random.Random(0)
    for _ in range(10):
        process = project.start("--all", "--record", "--jobs", "2")
        time.sleep(moments.uniform(0.5, 4))
        process.kill()
        process.communicate()
        for paper in papers:
            text = project.results(paper).read_bytes()
            texts[paper].add(text)
            statuses = {entry["status"] for entry in yaml.safe_load(text)["entries"]}
            assert statuses in ({"verified"}, {"failed"}), "all of it is old or all of it is new"
    project.verify("--all", "--record", status=1)
    for paper in papers:
        texts[paper].add(project.results(paper).read_bytes())
        assert len(texts[paper]) == 2
    names = {path.name for path in (tmp_path / "project" / "reproductions" / "results").iterdir()}
    assert names == {f"{paper}.yaml" for paper in papers}, "nothing is left behind"


def test_only_what_has_changed(tmp_path: Path) -> None:
    project = Project(tmp_path / "project", {"one": ["good"], "two": ["good"], "three": ["good"]})
    assert "no checkout" not in project.verify("--changed", status=2)[1]

    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=A. Person", "-c", "user.email=person@example.org")
        subprocess.run(["git", *identity, *arguments], cwd=project.root, check=True, capture_output=True)

    git("init", "--initial-branch=main")
    git("add", "--all")
    git("commit", "--message=All")
    assert project.verify("--changed")[0] == "nothing to verify\n"
    project.write("one", ["slow"])
    (project.root / "reproductions" / "two.py").write_text('"""Something else."""\n')
    document = json.loads(project.verify("--changed", "--json")[0])
    assert [paper["paper"] for paper in document["papers"]] == ["one", "two"]
    git("commit", "--all", "--message=Two")
    assert project.verify("--changed", "HEAD")[0] == "nothing to verify\n"
    document = json.loads(project.verify("--changed", "HEAD~1", "--json")[0])
    assert [paper["paper"] for paper in document["papers"]] == ["one", "two"]
    errors = project.verify("--changed", "nowhere", status=2)[1]
    assert errors.startswith("repro: --changed: git says: ")
