"""The same records give the same bytes: wherever, whenever and in whatever language they are built."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from catalog.website import folder

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Records


def contents(records: Records, into: Path, **surroundings: str) -> dict[str, bytes]:
    """What a program of its own writes."""
    program = "from catalog.cli import main; main()"
    subprocess.run(
        [sys.executable, "-c", program, "--papers", records.folder, "site", "build", "--into", into],
        env=os.environ | surroundings,
        check=True,
        capture_output=True,
    )
    return {name: content for part in ("docs", "site") for name, content in folder.read(into / part).items()}


def test_surroundings_make_no_difference(records: Records, tmp_path: Path) -> None:
    east = {"PYTHONHASHSEED": "1", "TZ": "Pacific/Kiritimati", "LC_ALL": "tr_TR.UTF-8"}
    west = {"PYTHONHASHSEED": "2", "TZ": "America/Los_Angeles", "LC_ALL": "C", "PYTHONUTF8": "0", "COLUMNS": "40"}
    here = contents(records, tmp_path / "here", **east)
    there = contents(records, tmp_path / "there" / "and" / "deeper", **west)
    assert "papers/xception/index.html" in here
    assert here.keys() == there.keys()
    assert [name for name in here if here[name] != there[name]] == []


def test_what_is_written_is_written_at_once(tmp_path: Path) -> None:
    """Somebody who reads a file meanwhile reads the old or the new one."""
    folder.own(tmp_path / "site")
    folder.write(tmp_path / "site", {"a/page.html": b"old", "gone.html": b""})
    with (tmp_path / "site" / "a" / "page.html").open("rb") as reader:
        folder.write(tmp_path / "site", {"a/page.html": b"new"})
        assert reader.read() == b"old"
    assert folder.read(tmp_path / "site") == {"a/page.html": b"new"}
    folder.remove(tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_a_folder_of_somebody_else_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "thesis.md").write_text("mine")
    folder.remove(tmp_path)
    assert (tmp_path / "thesis.md").exists()
