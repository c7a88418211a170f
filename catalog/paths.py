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

from catalog.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "CHECKOUT",
    "CONTRIBUTING",
    "MKDOCS",
    "PAPERS_VARIABLE",
    "RECORDS",
    "REPRODUCTIONS",
    "REPRODUCTIONS_VARIABLE",
    "SITE",
    "SITE_URL_VARIABLE",
    "cache_folder",
    "checked_reproductions",
    "has_own_records",
    "module_file",
    "output_folder",
    "own_reproductions",
    "record_files",
    "records_folder",
    "reproductions_folder",
    "results_folder",
    "results_folders",
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

CONTRIBUTING: Path = _DATA / "CONTRIBUTING.md"
"""How to contribute, which is a page of the site too."""

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


PAPERS_VARIABLE = "REPRO_PAPERS"
"""Names a folder of records to use in place of the project's own. Processes that are started here inherit it."""

REPRODUCTIONS_VARIABLE = "REPRO_REPRODUCTIONS"
"""Names the folder of the modules, checks and results that belong to those records."""


SITE_URL_VARIABLE = "REPRO_SITE_URL"
"""Says where the site is published; ``mkdocs.yml`` reads it."""


def records_folder() -> Path:
    """The records of the catalogue that is in use."""
    return _own(PAPERS_VARIABLE, RECORDS) or RECORDS


def has_own_records() -> bool:
    """Whether somebody keeps a catalogue of their own; then nothing that belongs to the project's papers is theirs."""
    return records_folder() is not RECORDS


def own_reproductions() -> Path | None:
    """The folder of somebody's own modules, which is the only code that is run besides what comes with the project."""
    return _own(REPRODUCTIONS_VARIABLE, REPRODUCTIONS)


def checked_reproductions() -> Path | None:
    """The folder of somebody's own modules, looked at before anything is imported from it.

    Raises:
        CatalogError: it is not there, nobody has said to which records it belongs, or a module in it is called like one
            that comes with the project, which others import.
    """
    own = own_reproductions()
    if own is None:
        return None
    if not own.is_dir():
        raise CatalogError(f"no modules in {own}: there is no such folder")
    if not has_own_records():
        raise CatalogError(
            f"the modules in {own} belong to records of their own; name the folder of those: --papers DIR"
        )
    for folder in ("", "checks"):
        for module in sorted((own / folder).glob("*.py")):
            if module.stem != "__init__" and (REPRODUCTIONS / folder / module.name).exists():
                raise CatalogError(
                    f"{module} is called like a module that comes with the project; give the paper another id"
                )
    return own


def reproductions_folder() -> Path | None:
    """The modules of the papers of the catalogue that is in use, if it has any."""
    return own_reproductions() or (None if has_own_records() else REPRODUCTIONS)


def module_file(*name: str) -> Path | None:
    """The file of a reproduction that modules may import, by the parts of its name; their own or the project's."""
    for folder in filter(None, (REPRODUCTIONS, own_reproductions())):
        path = folder.joinpath(*name).with_suffix(".py")
        if path.is_file():
            return path
    return None


def _own(variable: str, usual: Path) -> Path | None:
    """The folder that a variable of the environment names, unless it is the usual one."""
    named = os.environ.get(variable)
    folder = Path(named).resolve() if named else usual
    return None if folder == usual else folder


def output_folder() -> Path:
    """The folder for what is made from the records: ``build`` in the checkout, or in the working folder."""
    return (Path.cwd() if CHECKOUT is None or has_own_records() else CHECKOUT) / "build"


def results_folder() -> Path:
    """The folder to which measurements are written; in a checkout that of the results that come with the project.

    Raises:
        CatalogError: somebody's own records have no modules, and what is measured is kept beside these.
    """
    if (own := own_reproductions()) is not None:
        return own / "results"
    if has_own_records():
        raise CatalogError(
            "results are kept beside the modules of these records; name their folder: --reproductions DIR"
        )
    if CHECKOUT is not None:
        return REPRODUCTIONS / "results"
    return (_user_folder("XDG_DATA_HOME", ".local/share") or output_folder()) / "repro" / "results"


def results_folders() -> tuple[Path, ...]:
    """Where results are read, in this order: what was measured here, and then what came with the project."""
    if has_own_records():
        return (results_folder(),) if own_reproductions() else ()
    return results_folder(), REPRODUCTIONS / "results"


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
