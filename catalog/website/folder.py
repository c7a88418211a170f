"""Folders whose whole content the site's builder decides."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from catalog.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["own", "read", "remove", "write"]

_MARKER = ".written-by-repro"
_MARKER_TEXT = "Written by `repro site build`, which removes whatever else is put into this folder.\n"


def own(folder: Path) -> None:
    """Make a folder that builds may empty, or recognise one that an earlier build made."""
    try:
        if folder.exists() and not (folder / _MARKER).is_file() and any(folder.iterdir()):
            raise CatalogError(
                f"{folder} was not made by `repro site build`; move it away or build into another folder"
            )
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _MARKER).write_text(_MARKER_TEXT, encoding="utf-8")
    except OSError as error:
        raise CatalogError(f"{folder}: cannot write there: {error.strerror or error}") from None


def read(folder: Path) -> dict[str, bytes]:
    """The files of a folder, as :func:`write` takes them."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != _MARKER)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def remove(folder: Path) -> None:
    """Remove a folder that a build made."""
    if (folder / _MARKER).is_file():
        shutil.rmtree(folder, ignore_errors=True)


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make the files of a folder these, each at once, leaving those alone that are the same already."""
    for parent, folders, others in os.walk(folder, topdown=False):
        for path in (Path(parent, name) for name in (*folders, *others)):
            if path.is_dir() and not path.is_symlink():
                if not any(path.iterdir()):
                    path.rmdir()
            elif path.relative_to(folder).as_posix() not in {*files, _MARKER}:
                path.unlink()
    for name, content in files.items():
        path = folder / name
        if not path.is_file() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            half = path.with_name(f"{path.name}.half")
            half.write_bytes(content)
            half.replace(path)  # somebody may be reading it
