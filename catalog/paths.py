"""Where things are, in a checkout of the project and in an installed copy of it.

An installed copy carries the records and the templates in ``catalog/_data``. It writes to the folder in which it is
used and to the user's own folders, never into its package.
"""

from __future__ import annotations

import os
from itertools import repeat
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "CHECKOUT",
    "MKDOCS",
    "RECORDS",
    "REPRODUCTIONS",
    "SITE",
    "cache_folder",
    "output_folder",
    "record_files",
    "results_folder",
]

_PACKAGE = Path(__file__).resolve().parent
_ROOT = _PACKAGE.parent

CHECKOUT: Path | None = _ROOT if (_ROOT / "pyproject.toml").is_file() and (_ROOT / "papers").is_dir() else None
"""The root of the source checkout; none in an installed copy."""

_DATA = CHECKOUT or _PACKAGE / "_data"

RECORDS: Path = _DATA / "papers"
"""The project's own records."""

SITE: Path = _DATA / "site"
"""Templates, styles, scripts and hand-written pages of the site."""

MKDOCS: Path = _DATA / "mkdocs.yml"
"""The settings of the site."""

REPRODUCTIONS: Path = _ROOT / "reproductions"
"""The modules of the papers, their checks and the results that come with the project."""


def record_files(folder: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """The YAML files of a folder of records, in order, each with its subfolder: empty or ``external``.

    Editors' copies and other hidden files are passed over.

    Raises:
        NotADirectoryError: the folder is not there.
    """
    for subfolder in ("", "external"):
        where = folder / subfolder
        if subfolder and not where.is_dir():
            continue
        with os.scandir(where) as entries:
            yaml = [
                entry for entry in entries if entry.name.lower().endswith((".yaml", ".yml")) and entry.name[0] != "."
            ]
        yaml.sort(key=attrgetter("name"))
        yield from zip(repeat(subfolder), yaml)


def output_folder() -> Path:
    """The folder for what is made from the records: ``build`` in the checkout, or in the working folder."""
    return (CHECKOUT or Path.cwd()) / "build"


def results_folder() -> Path:
    """The folder to which measurements are written; in a checkout that of the results that come with the project."""
    if CHECKOUT is not None:
        return REPRODUCTIONS / "results"
    return (_user_folder("XDG_DATA_HOME", ".local/share") or output_folder()) / "repro" / "results"


def cache_folder() -> Path | None:
    """The folder for what can be made again at any time; none where the user has no home."""
    folder = _user_folder("XDG_CACHE_HOME", ".cache")
    return folder / "repro" if folder else None


def _user_folder(variable: str, default: str) -> Path | None:
    # https://specifications.freedesktop.org/basedir-spec: a path that is not absolute counts as not given.
    folder = Path(os.environ.get(variable, ""))
    if folder.is_absolute():
        return folder
    try:
        return Path.home() / default
    except RuntimeError:
        return None
