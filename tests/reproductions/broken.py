"""Break a reproduction on purpose: one textual change of its source, and the claims that turn red."""

from __future__ import annotations

import importlib
import sys
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import reproductions
from catalog import Library
from catalog.records import Status, Tier
from catalog.verify.runner import verify

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

FOLDER = Path(reproductions.__file__).parent
CHEAP = (Tier.STRUCTURE, Tier.PROPERTY)


@contextmanager
def broken(module: str, old: str, new: str) -> Iterator[None]:
    """Inside, `reproductions.<module>` is compiled from its source with the one occurrence of `old` replaced."""
    source = (FOLDER / f"{module}.py").read_text(encoding="utf-8")
    assert source.count(old) == 1, f"'{old}' stands {source.count(old)} times in {module}.py, not once"
    name = f"reproductions.{module}"
    importlib.import_module(name)
    # Whoever took names from the intact module must take them anew.
    dependants = [other for other in sys.modules if other.startswith("reproductions.") and other != name]
    saved = {other: sys.modules.pop(other) for other in [name, *dependants]}
    mutant = ModuleType(name)
    mutant.__file__ = str(FOLDER / f"{module}.py")
    sys.modules[name] = mutant
    try:
        exec(compile(source.replace(old, new), f"{module}.py with an error", "exec"), mutant.__dict__)
        yield
    finally:
        for other in [other for other in sys.modules if other.startswith("reproductions.")]:
            del sys.modules[other]
        sys.modules.update(saved)


def red_claims(
    module: str, old: str, new: str, *, tiers: Collection[Tier] = CHEAP, claims: Collection[str] | None = None
) -> set[str]:
    """Ids of the claims that fail when `old` becomes `new` in the module's source."""
    paper = Library.load()[module.replace("_", "-")]
    with broken(module, old, new):
        report = verify(paper, tiers=tiers, claims=claims)
    return {claim.id for claim in report.claims if claim.status is Status.FAILED}
