"""The built wheel, installed into an empty environment and used in another folder, is the whole catalogue."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.wheel


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs of an environment that holds the wheel and its dependencies, nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT], check=True)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "venv", with_pip=True)
    programs = folder / "venv" / "bin"
    subprocess.run(
        [programs / "python", "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt", f"{wheel}[site]"],
        check=True,
    )
    return programs


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("elsewhere")


def run(installed: Path, elsewhere: Path, *arguments: str) -> str:
    """What ``repro`` prints, run in a folder that has nothing to do with the project."""
    environment = {
        "PATH": f"{installed}:/usr/bin:/bin",
        "HOME": str(elsewhere),
        "LANG": "C.UTF-8",
        **{name: value for name, value in os.environ.items() if name.startswith("OMP_")},
    }
    done = subprocess.run(
        [installed / "repro", *arguments], cwd=elsewhere, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def files_of_the_package(installed: Path) -> dict[Path, int]:
    packages = next((installed.parent / "lib").glob("python*/site-packages"))
    return {
        path: path.stat().st_mtime_ns
        for package in ("catalog", "reproductions")
        for path in (packages / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


def test_nothing_is_compiled(installed: Path, elsewhere: Path) -> None:
    found = json.loads(run(installed, elsewhere, "search", "depthwise separable", "--json"))
    assert "xception" in [result["id"] for result in found["results"]]
    assert not list((elsewhere / ".cache" / "repro").glob("*.sqlite")), "the index came with the wheel"


def test_the_packages_are_typed(installed: Path) -> None:
    typed = {path.parent.name for path in files_of_the_package(installed) if path.name == "py.typed"}
    assert typed == {"catalog", "reproductions"}


def test_a_catalogue_of_ones_own(installed: Path, elsewhere: Path) -> None:
    field = elsewhere / "field"
    shutil.copytree(ROOT / "tests" / "other_catalogue", field, ignore=shutil.ignore_patterns("__pycache__"))
    named = ("--papers", str(field / "papers"), "--reproductions", str(field / "reproductions"))
    before = files_of_the_package(installed)
    answer = json.loads(run(installed, elsewhere, *named, "list", "--json"))
    assert len(answer["papers"]) == 4
    report = json.loads(run(installed, elsewhere, *named, "verify", "sentence-cnn", "--record", "--json"))
    assert report["summary"]["verified"] == 3
    assert (field / "reproductions" / "results" / "sentence-cnn.yaml").is_file()
    assert files_of_the_package(installed) == before


def test_lineage(installed: Path, elsewhere: Path) -> None:
    answer = json.loads(run(installed, elsewhere, "lineage", "inception", "--json"))
    assert {"inception-v3", "xception"} <= {paper["id"] for paper in answer["papers"]} | set(answer["of"])


def test_verify(installed: Path, elsewhere: Path) -> None:
    report = json.loads(run(installed, elsewhere, "verify", "xception", "--json"))
    status = {claim["id"]: claim["status"] for claim in report["claims"]}
    assert status["parameters"] == "verified"
    assert status["factorised-kernel"] == "verified"
    assert status["parity-timm"] == "not run", "the peers are not installed there"


def test_nothing_is_written_into_the_package(installed: Path, elsewhere: Path) -> None:
    before = files_of_the_package(installed)
    run(installed, elsewhere, "verify", "lenet", "--tier", "structure", "--record")
    run(installed, elsewhere, "site", "build")
    assert (elsewhere / "build" / "site" / "papers" / "xception" / "index.html").is_file()
    assert files_of_the_package(installed) == before
