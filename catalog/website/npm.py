"""Packages of npm that a folder of the project names: exact versions and checksums, and no download address."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

__all__ = ["digest", "install"]

_SECONDS = 120
_NAMES = ("package.json", "package-lock.json", ".npmrc")


def digest(declared: Path) -> str:
    """What tells these packages from others, for a place in a cache."""
    return hashlib.sha256(b"".join((declared / name).read_bytes() for name in _NAMES)).hexdigest()[:16]


def install(declared: Path, into: Path, *options: str) -> str:
    """Put the packages that a folder declares into ``into/node_modules``.

    Args:
        declared: the folder that has ``package.json`` and its lock.
        into: a folder that exists.
        options: of ``npm ci``, such as ``--omit=dev``.

    Returns:
        Why that was not possible; empty when it is done.
    """
    npm = shutil.which("npm")
    if npm is None:
        return "Node.js is not installed"
    with tempfile.TemporaryDirectory(prefix="repro-npm-", dir=into) as folder:
        for name in _NAMES:
            shutil.copyfile(declared / name, Path(folder, name))
        try:
            subprocess.run(  # noqa: S603 - by name, in a folder of its own, and no package may run scripts (.npmrc)
                [npm, "ci", *options], cwd=folder, check=True, capture_output=True, text=True, timeout=_SECONDS
            )
            Path(folder, "node_modules").replace(into / "node_modules")
        except (OSError, subprocess.SubprocessError) as error:
            code = re.search(r"^npm error code (\w+)$", str(getattr(error, "stderr", "")), re.MULTILINE)
            return f"npm could not fetch what {declared.name} needs ({code[1] if code else error})"
    return ""
