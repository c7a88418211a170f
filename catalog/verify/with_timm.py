"""Imported for its effect, by the server of processes before it forks: timm, with which most papers are compared."""

from __future__ import annotations

import contextlib

from catalog.verify.peers import import_library

# Where it is missing or broken, the claims that need it say so, each for itself.
with contextlib.suppress(Exception):
    import_library("timm")
