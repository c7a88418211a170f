"""What measures the papers' modules: ``reproductions.checks.<module>``, somebody's own as well."""

from __future__ import annotations

from catalog import paths

if (_own := paths.own_reproductions()) is not None:
    __path__.append(str(_own / "checks"))
