"""The scripts' libraries: exact versions from npm, kept for later, and pages without them where that cannot be."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from catalog import paths
from catalog.website import libraries, npm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Records

FOLDER = paths.SITE / "libraries"

NPM = """#!/bin/sh
echo npm >> "$COUNT"
cd "$PWD" && /bin/mkdir -p {folders}
for file in {files}; do echo "library $file" > node_modules/$file; done
"""


class Machine:
    """A machine whose npm is a script of ours."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._programs = folder / "programs"
        self._programs.mkdir()
        self._count = folder / "count"
        monkeypatch.setenv("PATH", str(self._programs))
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        monkeypatch.setenv("COUNT", str(self._count))

    def npm(self, script: str) -> None:
        program = self._programs / "npm"
        program.write_text(script)
        program.chmod(0o755)

    def working_npm(self) -> None:
        places = libraries.FILES.values()
        folders = " ".join(sorted({f"node_modules/{Path(place).parent}" for place in places}))
        self.npm(NPM.format(folders=folders, files=" ".join(places)))

    @property
    def asked(self) -> int:
        """How often npm ran."""
        return len(self._count.read_text().splitlines()) if self._count.exists() else 0

    @property
    def kept(self) -> list[Path]:
        return sorted(path for path in (self.folder / "cache").rglob("*") if path.is_file())

    def libraries(self) -> dict[str, bytes]:
        """As in a new process."""
        libraries._installed.cache_clear()
        return libraries.libraries()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    libraries._installed.cache_clear()
    yield Machine(tmp_path, monkeypatch)
    libraries._installed.cache_clear()


def test_versions_are_exact_and_locked() -> None:
    wanted = json.loads((FOLDER / "package.json").read_text())["dependencies"]
    lock = json.loads((FOLDER / "package-lock.json").read_text())["packages"]
    assert lock.pop("")["dependencies"] == wanted
    for name, version in wanted.items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version), name
        assert lock[f"node_modules/{name}"]["version"] == version
    for name, package in lock.items():
        assert package["integrity"].startswith("sha512-"), name
        assert not package.get("hasInstallScript"), name


def test_the_lock_file_names_no_place_to_download_from() -> None:
    for path in FOLDER.iterdir():
        assert '"resolved"' not in path.read_text(), path
        assert "://" not in path.read_text(), path


def test_every_file_that_is_served_is_of_a_package_that_is_wanted() -> None:
    wanted = json.loads((FOLDER / "package.json").read_text())["dependencies"]
    assert {place.split("/dist/")[0] for place in libraries.FILES.values()} == set(wanted)


def test_without_node_there_are_none_and_it_is_said(machine: Machine) -> None:
    assert machine.libraries() == {}
    assert libraries.missing().startswith("Node.js is not installed: ")


def test_npm_is_asked_once(machine: Machine) -> None:
    machine.working_npm()
    first = machine.libraries()
    assert first == {name: f"library {place}\n".encode() for name, place in libraries.FILES.items()}
    assert libraries.missing() == ""
    assert machine.libraries() == first
    assert machine.asked == 1
    assert len(machine.kept) == len(libraries.FILES)


def test_another_version_is_fetched(machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine.working_npm()
    machine.libraries()
    other = tmp_path / "site" / "libraries"
    other.mkdir(parents=True)
    for path in FOLDER.iterdir():
        (other / path.name).write_text(path.read_text().replace('"version": "', '"version": "1'))
    monkeypatch.setattr(paths, "SITE", tmp_path / "site")
    machine.libraries()
    assert machine.asked == 2


def test_a_cache_that_lacks_a_file_is_mended(machine: Machine) -> None:
    machine.working_npm()
    machine.libraries()
    machine.kept[0].unlink()
    assert len(machine.libraries()) == len(libraries.FILES)
    assert len(machine.kept) == len(libraries.FILES)
    machine.libraries()
    assert machine.asked == 2


def test_a_cache_that_cannot_be_written_costs_only_time(machine: Machine) -> None:
    machine.working_npm()
    (machine.folder / "cache").write_text("not a folder")
    assert len(machine.libraries()) == len(libraries.FILES)
    assert libraries.missing() == ""


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("#!/bin/sh\necho 'npm error code ENOTFOUND\nnpm error more' >&2\nexit 1\n", "(ENOTFOUND)"),
        ("#!/bin/sh\nexit 3\n", "exit status 3"),
        ("#!/no/such/interpreter\n", "No such file"),
        ("#!/bin/sh\nexit 0\n", "No such file"),
    ],
)
def test_when_npm_fails_there_are_none_and_it_is_said(machine: Machine, script: str, why: str) -> None:
    machine.npm(script)
    assert machine.libraries() == {}
    assert libraries.missing().startswith("npm could not fetch")
    assert why in libraries.missing()
    assert machine.kept == []
    machine.working_npm()
    assert machine.libraries() != {}


def test_npm_does_not_wait_for_ever(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npm, "_SECONDS", 0.1)
    machine.npm("#!/bin/sh\nexec /bin/sleep 60\n")
    assert machine.libraries() == {}
    assert "timed out" in libraries.missing()


def test_an_interrupt_ends_npm_and_leaves_nothing(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    machine.npm('#!/bin/sh\necho $$ > "$COUNT"\nexec /bin/sleep 60\n')
    program = subprocess.Popen(
        [sys.executable, "-c", "from catalog.website import libraries; libraries.libraries()"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp"), "PYTHONPATH": str(Path(libraries.__file__).parents[2])},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 30
    while not (text := (tmp_path / "count").read_text() if (tmp_path / "count").exists() else ""):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    program.send_signal(signal.SIGINT)
    _, said = program.communicate(timeout=10)
    assert "KeyboardInterrupt" in said
    with pytest.raises(ProcessLookupError):
        os.kill(int(text), 0)
    assert list((tmp_path / "tmp").iterdir()) == []
    assert machine.kept == []


def test_a_site_without_the_libraries_is_built_and_it_is_said_once(machine: Machine, records: Records) -> None:
    program = "from catalog.cli import main; main()"
    arguments = ("--papers", records.folder, "site", "build", "--into", machine.folder / "build")
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    assert done.stderr.count("Node.js is not installed") == 1
    assert (machine.folder / "build" / "site" / "index.html").is_file()
    assert not (machine.folder / "build" / "site" / "assets" / "libraries").exists()
