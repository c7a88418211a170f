"""Where there is no browser, or no Node.js, the tests that need it are left out, and one line says so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.browser import browsing, packages

ROOT = Path(__file__).parents[2]


def test_chromium_is_installed() -> None:
    if browsing.executable() is None:
        pytest.skip(browsing.MISSING)


def test_without_chromium_one_line_says_so(tmp_path: Path) -> None:
    def pytest_says(*arguments: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'base'}", *arguments],
            cwd=ROOT,
            env={**os.environ, "PATH": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout.splitlines()

    collected = {
        line.partition("::")[0] for line in pytest_says("-q", "--collect-only", "tests/browser") if "::" in line
    }
    assert collected == {"tests/browser/test_html.py", "tests/browser/test_left_out.py"}
    said = pytest_says("tests/browser/test_left_out.py::test_chromium_is_installed")
    assert [line.partition(": ")[2] for line in said if line.startswith("SKIPPED")] == [
        "browser tests left out: no chromium; apt-get install chromium"
    ]


def test_without_node_it_is_said_what_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(packages, "_CACHE", tmp_path)
    with pytest.raises(packages.Missing, match=r"Node\.js is not installed"):
        packages.modules()
