"""The programs of npm that the site is held against, fetched once and kept in the user's cache."""

from __future__ import annotations

import tempfile
from pathlib import Path

from catalog import paths
from catalog.website import npm

_HERE = Path(__file__).parent
# Where the user's cache is, and not where tests pretend that it is while they run.
_CACHE = paths.cache_folder()


class Missing(Exception):
    """The programs are not there; says why."""


def modules(*, audit: bool = False) -> Path:
    """The folder ``node_modules`` with axe-core and html-validate, and with Lighthouse for an audit.

    Raises:
        Missing: there is no Node.js, or no way to its registry.
    """
    folder = (_CACHE or Path(tempfile.gettempdir(), "repro")) / "browser-tests"
    kept = folder / (npm.digest(_HERE) + ("-audit" if audit else "")) / "node_modules"
    if not kept.is_dir():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as fresh:
            if why := npm.install(_HERE, Path(fresh), *(() if audit else ("--omit=dev",))):
                raise Missing(why)
            try:
                Path(fresh, "node_modules").rename(kept)
            except OSError:
                if not kept.is_dir():  # else another process was first
                    raise
    return kept
