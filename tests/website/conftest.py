"""What tests of the site share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catalog import paths

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def _nothing_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results of nobody, in the place of those that come with the project."""
    results = tmp_path / "results"
    results.mkdir()
    (results / "xception.yaml").write_text("paper: xception\nentries: []\n")
    monkeypatch.setattr(paths, "results_folder", lambda: results)
