"""Imported for its effect, by the server of processes before it forks: what most papers are held against."""

from __future__ import annotations

import contextlib

from catalog.verify.peers import import_library

for library in ("timm", "pytorchcv.model_provider"):
    # Where one is missing or broken, the claims that need it say so, each for itself.
    with contextlib.suppress(Exception):
        import_library(library)
