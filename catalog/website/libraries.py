"""The libraries that the site's scripts use, fetched by npm when the site is built.

Exact versions and checksums are in ``site/libraries``. Nothing of others is kept in the repository: what npm brings is
cached, and the few files that pages load are copied from there. Where there is no npm, or no way to its registry, pages
have their static pictures and no scripts that would need a library.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

from catalog import paths
from catalog.website import npm

__all__ = ["FILES", "libraries", "missing"]

FILES: dict[str, str] = {
    "cytoscape.mjs": "cytoscape/dist/cytoscape.esm.min.mjs",
    "chart.js": "chart.js/dist/chart.umd.min.js",
}
"""What pages load, by its name in ``assets/libraries``, and where npm puts it."""

_INSTEAD = "pages that would draw with a script show still pictures"


def libraries() -> dict[str, bytes]:
    """The files by their names, all or none of them; :func:`missing` says why none."""
    found, _ = _installed()
    return found


def missing() -> str:
    """Why the libraries are not there; empty when they are."""
    _, why = _installed()
    return why


@cache
def _installed() -> tuple[dict[str, bytes], str]:
    declared = paths.SITE / "libraries"
    cached = paths.cache_folder()
    kept = cached / "site-libraries" / npm.digest(declared) if cached else None
    if kept is not None and all((kept / path).is_file() for path in FILES.values()):
        return _read(kept), ""
    with tempfile.TemporaryDirectory(prefix="repro-npm-") as folder:
        if why := npm.install(declared, Path(folder)):
            return {}, f"{why}: {_INSTEAD}"
        modules = Path(folder, "node_modules")
        try:
            found = _read(modules)
        except OSError as error:
            return {}, f"npm could not fetch the scripts' libraries ({error}): {_INSTEAD}"
        if kept is not None:
            _keep(modules, kept)
    return found, ""


def _read(modules: Path) -> dict[str, bytes]:
    return {name: (modules / path).read_bytes() for name, path in FILES.items()}


def _keep(modules: Path, kept: Path) -> None:
    """Put into the cache what pages load; whoever comes second finds it there."""
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as fresh:
            for path in FILES.values():
                target = Path(fresh, "files", path)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(modules / path, target)
            shutil.rmtree(kept, ignore_errors=True)  # what is there lacks a file
            os.replace(Path(fresh, "files"), kept)
    except OSError:
        pass  # nothing is lost: the next build fetches again
